/* str - a borrowed run of bytes: not owned, not NUL-terminated, passed by value.
 *
 * ptr may be NULL only when len is 0.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

/* STR is an expression; STR_INIT is for static tables. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
#define STR(literal) ((struct str)STR_INIT(literal))

/* printf("%.*s", STR_ARG(s)); cut at INT_MAX, as printf's precision is an int. */
#define STR_ARG(s) (int)((s).len > 0x7fffffff ? 0x7fffffff : (s).len), ((s).ptr ? (s).ptr : "")

/* The bytes of a C string; NULL gives the empty str. */
static inline struct str str_from(const char *text)
{
    return (struct str){ text, text ? strlen(text) : 0 };
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* ASCII case only. */
bool str_ieq_bytes(const char *a, const char *b, size_t len);
static inline bool str_ieq(struct str a, struct str b)
{
    return a.len == b.len && str_ieq_bytes(a.ptr, b.ptr, a.len);
}
/* As memcmp, the shorter one first: <0, 0, >0. */
int str_cmp(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_ends_with(struct str s, struct str suffix);
bool str_istarts_with(struct str s, struct str prefix);
bool str_iends_with(struct str s, struct str suffix);
/* The index of the first match at or after from, or -1. */
ptrdiff_t str_find(struct str s, struct str needle, size_t from);
ptrdiff_t str_find_char(struct str s, char c, size_t from);
/* s[from, from + len), both cut to what s has. */
static inline struct str str_sub(struct str s, size_t from, size_t len)
{
    if (from >= s.len)
        return (struct str){ s.ptr ? s.ptr + s.len : NULL, 0 };
    return (struct str){ s.ptr + from, len < s.len - from ? len : s.len - from };
}
/* Without leading and trailing blanks (space, tab, CR, LF). */
struct str str_trim(struct str s);
/* Splits off what precedes the first sep: true and *head, *rest set; without a sep the whole of
 * *rest becomes *head and *rest is empty; false once *rest.ptr is NULL, which ends the loop. */
bool str_split(struct str *rest, char sep, struct str *head);
/* Shell-style: '*' any run, '?' any byte, no classes; linear time in the common case, O(n*m) worst.
 */
bool str_glob(struct str pattern, struct str s);
/* Decimal digits with an optional '-': the whole of s, or false (empty, junk, overflow). */
bool str_to_i64(struct str s, int64_t *ret);

#endif
