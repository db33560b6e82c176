/* json - Jansson behind checks that name the place, and a writer for output.
 *
 * Only this module includes <jansson.h> for the rest: json_t is used freely by callers for
 * documents (configuration, price files); bodies on the hot path go through base/jscan.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

DEFINE_CLEANUP(json_t, json_decref)

/* A new reference; duplicate keys and depth beyond Jansson's own limit are errors with line:column.
 */
int json_parse(struct str text, json_t **ret, struct err *err);
/* Borrowed; NULL if obj is no object, lacks the key, or holds null there. */
json_t *json_get(const json_t *obj, const char *key);
/* The text of a string member, or an empty str with ptr NULL. */
struct str json_get_str(const json_t *obj, const char *key);

/* Appends bytes as a JSON string with quotes; invalid UTF-8 becomes U+FFFD, control characters
 * \u00XX. */
void json_add_string(struct buf *out, struct str bytes);
/* Appends `"key":` preceded by a comma unless the buf ends in { or [ or is empty. */
void json_add_key(struct buf *out, const char *key);
/* key + string value; nothing at all when the value's ptr is NULL. */
void json_add_str(struct buf *out, const char *key, struct str value);
void json_add_int(struct buf *out, const char *key, int64_t value);
void json_add_bool(struct buf *out, const char *key, bool value);

#endif
