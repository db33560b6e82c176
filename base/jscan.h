/* jscan - a pull scanner over one JSON text in memory (RFC 8259): no tree, no copies, one pass.
 *
 * For bodies of megabytes in which a few members matter.  The caller walks:
 *
 *     struct jscan s;
 *     jscan_init(&s, body);
 *     if (jscan_enter_object(&s))
 *         while (jscan_next_member(&s, &key))
 *             if (str_eq(key, STR("usage"))) read_usage(&s);
 *             else jscan_skip(&s);
 *     if (s.failed) ...
 *
 * A value must be consumed (entered to its end, read, or skipped) before the next member or element
 * is asked for; one not consumed is skipped.  Skipping checks structure (balanced brackets outside
 * strings, string ends; of a container's brackets only the number and the last one's kind), not
 * every grammar rule: usage is found in bodies that a strict parser would take five times as long
 * over.  Reading a value of another type returns false and leaves it (jscan_int: skips it).
 *
 * Failure is sticky: every later call returns false or zero.  A text that stopped too early fails
 * at its end: failed_at == text.len; what fails before that is malformed.
 */
#ifndef BASE_JSCAN_H
#define BASE_JSCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/decimal.h"
#include "base/str.h"

#define JSCAN_DEPTH_MAX 512

enum jscan_type {
    JSCAN_END, /* nothing more, or failed */
    JSCAN_OBJECT,
    JSCAN_ARRAY,
    JSCAN_STRING,
    JSCAN_NUMBER,
    JSCAN_TRUE,
    JSCAN_FALSE,
    JSCAN_NULL,
};

struct jscan {
    struct str text;
    size_t at;
    int depth; /* of containers entered and not left */
    bool failed;
    size_t failed_at;                   /* byte offset of the first failure */
    bool value_taken;                   /* private: the current member's value has been consumed */
    uint8_t fresh[JSCAN_DEPTH_MAX / 8]; /* private: container entered, no item yet */
};

void jscan_init(struct jscan *s, struct str text);
/* The type of the value at the cursor, without consuming it. */
enum jscan_type jscan_peek(struct jscan *s);
/* Consume the opening bracket; false (nothing consumed) if the value is of another type. */
bool jscan_enter_object(struct jscan *s);
bool jscan_enter_array(struct jscan *s);
/* The next member's key (raw, between the quotes, escapes not undone) with the cursor at its value;
 * false at the end of the object, whose bracket is then consumed. */
bool jscan_next_member(struct jscan *s, struct str *ret_key);
bool jscan_next_element(struct jscan *s);
/* Consumes the rest of the container entered last: for a caller that has found what it wanted.  The
 * cursor must be between items or before a value, as the functions here leave it. */
void jscan_leave(struct jscan *s);
/* Consumes any value.  jscan_skip_raw also returns its text. */
void jscan_skip(struct jscan *s);
struct str jscan_skip_raw(struct jscan *s);
/* A string's raw bytes between the quotes; true in *ret_escaped (may be NULL) if it has
 * backslashes. */
bool jscan_string_raw(struct jscan *s, struct str *ret, bool *ret_escaped);
/* A string with escapes undone, appended to out (invalid surrogates become U+FFFD). */
bool jscan_string(struct jscan *s, struct buf *out);
/* A number's text; checks the grammar. */
bool jscan_number(struct jscan *s, struct str *ret);
/* An integer, also written 12.0 or 1.2e1; false with the value consumed if it is not one or not in
 * range. */
bool jscan_int(struct jscan *s, int64_t *ret);
bool jscan_bool(struct jscan *s, bool *ret);
/* Nothing but blanks remains and nothing failed. */
bool jscan_at_end(struct jscan *s);
/* Undoes JSON escapes of raw into out. */
void jscan_unescape(struct str raw, struct buf *out);

#endif
