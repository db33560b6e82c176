#include "config.h"

#include "base/str.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

/* Are eight bytes the same but for the case of letters? */
static bool is_ieq_eight(const char *a, const char *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    uint64_t differs = x ^ y;
    if (!differs || differs & ~(ONES * 0x20))
        return !differs;
    uint64_t low = (x | ONES * 0x20) & ~TOPS;
    uint64_t letters = (low + ONES * (0x80u - 'a')) & ~(low + ONES * (0x7fu - 'z')) & ~x & TOPS;
    return ((differs << 2) & ~letters) == 0;
}

/* Not strncasecmp: that follows the locale and takes all after a NUL as equal. */
bool str_ieq_bytes(const char *a, const char *b, size_t len)
{
    if (len >= 8) {
        for (size_t i = 0; len - i >= 8; i += 8)
            if (!is_ieq_eight(a + i, b + i))
                return false;
        return is_ieq_eight(a + len - 8, b + len - 8);
    }
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i] && lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int r = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return r ? r : (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq((struct str){ s.ptr, prefix.len }, prefix);
}

static struct str tail(struct str s, size_t len)
{
    return (struct str){ s.ptr + (s.len - len), len };
}

bool str_ends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(tail(s, suffix.len), suffix);
}

bool str_istarts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_ieq((struct str){ s.ptr, prefix.len }, prefix);
}

bool str_iends_with(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_ieq(tail(s, suffix.len), suffix);
}

ptrdiff_t str_find(struct str s, struct str needle, size_t from)
{
    if (from > s.len || needle.len > s.len - from)
        return -1;
    if (needle.len == 0)
        return (ptrdiff_t)from;
    const char *at = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return at ? at - s.ptr : -1;
}

ptrdiff_t str_find_char(struct str s, char c, size_t from)
{
    if (from >= s.len)
        return -1;
    const char *at = memchr(s.ptr + from, c, s.len - from);
    return at ? at - s.ptr : -1;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = (struct str){ s.ptr + 1, s.len - 1 };
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_split(struct str *rest, char sep, struct str *head)
{
    if (!rest->ptr)
        return false;
    ptrdiff_t at = str_find_char(*rest, sep, 0);
    if (at < 0) {
        *head = *rest;
        *rest = (struct str){ 0 };
        return true;
    }
    *head = (struct str){ rest->ptr, (size_t)at };
    *rest = (struct str){ rest->ptr + at + 1, rest->len - (size_t)at - 1 };
    return true;
}

/* Greedy matching with one remembered star is enough: a later star makes an earlier one moot. */
bool str_glob(struct str pattern, struct str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;

    while (i < s.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == s.ptr[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    bool negative = s.len && s.ptr[0] == '-';
    int64_t value = 0;

    if (s.len == (negative ? 1u : 0u))
        return false;
    for (size_t i = negative; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        int64_t digit = s.ptr[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *ret = negative ? value : -value;
    return true;
}
