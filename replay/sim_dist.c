#include "config.h"

#include "replay/sim_dist.h"

#include <assert.h>
#include <math.h>

#define P95_SIGMAS 1.6448536269514722 /* of a normal distribution */

static uint32_t cut(double v)
{
    return v >= UINT32_MAX ? UINT32_MAX : v > 0 ? (uint32_t)v : 0;
}

void sim_dist_of(const struct sketch *s, struct sim_dist *ret)
{
    int64_t at[SIM_DIST_STEPS + 1];

    assert(s->total > 0);
    sketch_quantiles(s, SIM_DIST_STEPS, at);
    for (size_t i = 0; i <= SIM_DIST_STEPS; i++)
        ret->at[i] = cut((double)at[i]);
    ret->count = s->total;
}

/* The normal quantile by bisection of erfc: it runs a thousand times once, not in a hot loop. */
static double normal_quantile(double p)
{
    double low = -9, high = 9;

    for (int i = 0; i < 60; i++) {
        double mid = (low + high) / 2;
        if (0.5 * erfc(-mid / M_SQRT2) < p)
            low = mid;
        else
            high = mid;
    }
    return (low + high) / 2;
}

void sim_dist_stated(int64_t median, int64_t p95, struct sim_dist *ret)
{
    double sigma = p95 > median && median > 0 ? log((double)p95 / (double)median) / P95_SIGMAS : 0;

    assert(median >= 0);
    for (size_t i = 0; i <= SIM_DIST_STEPS; i++) {
        /* the ends of a log-normal are at 0 and infinity: half a step inwards stands for them */
        double p = i == 0                ? 0.5 / SIM_DIST_STEPS
                   : i == SIM_DIST_STEPS ? 1 - 0.5 / SIM_DIST_STEPS
                                         : (double)i / SIM_DIST_STEPS;
        ret->at[i] = cut((double)median * exp(sigma * normal_quantile(p)) + 0.5);
    }
    ret->count = 0;
}
