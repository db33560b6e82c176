/* pattern - Perl-compatible regular expressions (PCRE2, JIT) with match limits. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define PATTERN_BYTES_MAX (64u << 10)

struct pattern;

/* UTF mode off (bytes), match limit 1,000,000.  ERR_USAGE names what is wrong and at which byte. */
int pattern_compile(struct str regex, struct pattern **ret, struct err *err);
void pattern_free(struct pattern *p);
DEFINE_CLEANUP(struct pattern, pattern_free)
/* Whether it matches anywhere in s.  A match that hits the limit counts as no match and sets
 * *ret_limited (may be NULL).  Not for two threads at once on one pattern. */
bool pattern_matches(struct pattern *p, struct str s, bool *ret_limited);

struct pattern_place {
    size_t start, end; /* in s */
    bool limited;      /* not found, but a limit was hit: nothing is known */
};
/* The first match that begins at from or later and is not empty.  What stands before from counts
 * for lookbehinds.  False leaves the place alone. */
bool pattern_find(struct pattern *p, struct str s, size_t from, struct pattern_place *ret);
/* Another match limit than the usual, from now on. */
void pattern_set_limit(struct pattern *p, uint32_t steps);

#endif
