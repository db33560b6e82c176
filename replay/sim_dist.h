/* sim_dist - a distribution to draw from in constant time: its quantiles in equal steps, straight
 * lines between.
 *
 * From a sketch of what was recorded (within SKETCH_ERROR), or stated by its median and 95th
 * percentile (log-normal, as latencies of providers roughly are).
 */
#ifndef REPLAY_SIM_DIST_H
#define REPLAY_SIM_DIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sketch.h"

#define SIM_DIST_BITS  10
#define SIM_DIST_STEPS (1u << SIM_DIST_BITS)

struct sim_dist {
    uint32_t at[SIM_DIST_STEPS + 1]; /* beyond 32 bits = UINT32_MAX: as µs more than an hour */
    uint64_t count;                  /* of values it is from; 0 = stated, or nothing */
};

/* s is not empty. */
void sim_dist_of(const struct sketch *s, struct sim_dist *ret);
/* p95 = median: always that. */
void sim_dist_stated(int64_t median, int64_t p95, struct sim_dist *ret);

/* chance: 64 random bits, the upper 32 count. */
static inline int64_t sim_dist_draw(const struct sim_dist *d, uint64_t chance)
{
    uint32_t c = (uint32_t)(chance >> 32), step = c >> (32 - SIM_DIST_BITS);
    uint64_t part = c & ((1u << (32 - SIM_DIST_BITS)) - 1);
    uint64_t from = d->at[step], to = d->at[step + 1];

    return (int64_t)(from + ((to - from) * part >> (32 - SIM_DIST_BITS)));
}

#endif
