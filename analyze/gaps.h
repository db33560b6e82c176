/* gaps - hours in which nothing was recorded though the weekday and hour usually bring something:
 * nobody called, or nobody recorded.
 *
 * What is usual is the median of the same hour of the week in the four weeks before.  Silent hours
 * that follow each other are one gap; it counts if GAPS_EXPECTED_MIN requests were to be expected
 * in it: by chance alone (Poisson) so many stay away once in 160,000 times.
 */
#ifndef ANALYZE_GAPS_H
#define ANALYZE_GAPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

#define GAPS_WEEKS        4
#define GAPS_WEEK_HOURS   (7 * 24)
#define GAPS_EARLIER      (GAPS_WEEKS * GAPS_WEEK_HOURS) /* hours */
#define GAPS_EXPECTED_MIN 12

struct gap {
    size_t from, hours; /* from: hours after the first that was asked for */
    int64_t expected;   /* requests */
};

struct gaps {
    VEC(struct gap) list; /* in time */
    size_t hours;         /* in all of them */
};

/* requests[i] of consecutive hours, the first GAPS_EARLIER of which come before those asked for. */
void gaps_find(const int64_t *requests, size_t count, struct gaps *ret);
void gaps_release(struct gaps *g);
DEFINE_CLEANUP_VALUE(struct gaps, gaps_release)

#endif
