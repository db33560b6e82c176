/* distinct - how many different values were seen, in bounded memory, mergeable in any order.
 *
 * Values are known by a 64-bit hash.  Up to DISTINCT_EXACT_MAX hashes are kept and counted exactly
 * (two values with one hash among so many: a chance of 1e-12); beyond, a HyperLogLog of 2^14
 * registers estimates with a standard error of DISTINCT_ERROR and the bias correction of Ertl 2017,
 * which needs no tables.  Which of the two answers depends on the values alone, not on their order
 * or on how they were merged.  Zero-initialised is empty and ready.
 */
#ifndef BASE_DISTINCT_H
#define BASE_DISTINCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define DISTINCT_EXACT_MAX 4096u
#define DISTINCT_BITS      14u
#define DISTINCT_ERROR     0.0081 /* 1.04 / sqrt(2^14) */

struct distinct {
    uint64_t *hashes; /* open addressing, 0 = free; 0 itself is counted as 1 */
    uint32_t slot_count, len;
    uint8_t *registers; /* instead, once there are more */
};

/* The hash must be good in all bits (map_hash is). */
void distinct_add(struct distinct *d, uint64_t hash);
void distinct_merge(struct distinct *to, const struct distinct *from);
uint64_t distinct_count(const struct distinct *d);
static inline bool distinct_is_exact(const struct distinct *d)
{
    return !d->registers;
}
void distinct_release(struct distinct *d);
DEFINE_CLEANUP_VALUE(struct distinct, distinct_release)

#endif
