/* jfind - values of a JSON text by their path, without making anything of the rest.
 *
 * A path is names with dots between them, "[]" for any element: "choices[].delta.content".
 */
#ifndef BASE_JFIND_H
#define BASE_JFIND_H

#include <stdbool.h>

#include "base/jscan.h"
#include "base/str.h"

typedef bool (*jfind_fn)(struct jscan *s, void *ctx);

/* Calls fn at the values that the path leads to, until one returns true: then that is what is
 * returned, and the text is not looked at any more. */
bool jfind(struct str json, const char *path, jfind_fn fn, void *ctx);
/* Whether there is anything but null, false, and what is empty. */
bool jfind_something(struct str json, const char *path);
/* The first string, escaped as it stands, or number as its text; "" if there is none. */
struct str jfind_word(struct str json, const char *path);

#endif
