/* culprit - which of many causes a change goes back to: the fewest that explain most of it. */
#ifndef ANALYZE_CULPRIT_H
#define ANALYZE_CULPRIT_H

#include <stddef.h>

#include "base/decimal.h"

#define CULPRIT_PERCENT 80

struct culprit {
    i128 before, after; /* 1e-12 USD, or any other unit */
    size_t index;       /* the caller's */
};

/* Sorts: what moved furthest in the direction of the whole change comes first, equals by index.
 * Returns how many of the first explain at least CULPRIT_PERCENT of it; no smaller set does. 0 if
 * nothing changed. */
size_t culprit_rank(struct culprit *c, size_t count);

#endif
