/* sketch - quantiles of non-negative integers in little memory, mergeable in any order.
 *
 * A DDSketch (Masson, Rim, Lee 2019) with linearly interpolated buckets: 64 to each power of two,
 * so that a quantile is within SKETCH_ERROR of the exact value, relative to it; below 64 it is
 * exact. Memory grows with the logarithm of the range seen (8 bytes for each of 64 buckets per
 * doubling), never with the number of values.  Counting and merging are sums of integers: the
 * result depends on neither order nor threads.  Zero-initialised is empty and ready.
 */
#ifndef BASE_SKETCH_H
#define BASE_SKETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define SKETCH_BITS    6u
#define SKETCH_BUCKETS (64u << SKETCH_BITS)       /* an index is below this */
#define SKETCH_ERROR   (1.0 / (2 << SKETCH_BITS)) /* 0.78 % */

struct sketch {
    uint64_t *counts; /* of buckets first to first + len - 1 */
    uint32_t first, len;
    uint64_t total;
};

/* The bucket of a value; negative ones count as 0. */
static inline uint32_t sketch_bucket(int64_t value)
{
    uint64_t v = value > 0 ? (uint64_t)value : 0;

    if (v < (1u << SKETCH_BITS))
        return (uint32_t)v;
    unsigned shift = 63u - (unsigned)__builtin_clzll(v) - SKETCH_BITS;
    return (uint32_t)((shift << SKETCH_BITS) + (v >> shift));
}

/* n values of one bucket. */
void sketch_add_bucket(struct sketch *s, uint32_t bucket, uint64_t n);
void sketch_add(struct sketch *s, int64_t value);
void sketch_merge(struct sketch *to, const struct sketch *from);
/* The value of rank ceil(q * total), 0 < q <= 1 (the smallest for q = 0); -1 if it is empty. */
int64_t sketch_quantile(const struct sketch *s, double q);
/* Those for q = 0/steps, 1/steps, ... steps/steps, as sketch_quantile has them, in one walk. */
void sketch_quantiles(const struct sketch *s, size_t steps, int64_t *ret);
void sketch_release(struct sketch *s);
DEFINE_CLEANUP_VALUE(struct sketch, sketch_release)

#endif
