/* histogram - how often which duration came, in nanoseconds, within 1 %. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

#define HISTOGRAM_STEPS   128u /* for each power of two */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 40u)

struct histogram {
    uint64_t count, max_ns;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    unsigned shift = 0;

    h->count++;
    if (ns > h->max_ns)
        h->max_ns = ns;
    while (ns >> shift >= 2 * HISTOGRAM_STEPS)
        shift++;
    uint64_t at = shift * HISTOGRAM_STEPS + (ns >> shift);
    h->buckets[at < HISTOGRAM_BUCKETS ? at : HISTOGRAM_BUCKETS - 1]++;
}

/* The duration that a share of all do not exceed, in µs. */
static inline double histogram_us(const struct histogram *h, double share)
{
    uint64_t want = (uint64_t)((double)h->count * share), seen = 0;

    for (uint64_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen <= want)
            continue;
        uint64_t shift = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;
        return (double)((i - shift * HISTOGRAM_STEPS) << shift) / 1e3;
    }
    return (double)h->max_ns / 1e3;
}

static inline void histogram_clear(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

#endif
