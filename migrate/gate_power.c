#include "config.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"
#include "migrate/gate.h"
#include "migrate/gate_points.h"
#include "migrate/rollout.h"

/* Failures that are walked through one by one; what takes more is estimated. */
#define WALK_MAX 20000

/* At a smaller share each failure on the gateway is so rare that only their expected number counts:
 * the walk is made at this share, and its length scaled. */
#define SHARE_MIN 50

#define UNITS_MAX    1e12
#define ESTIMATE_MAX 1e13
#define NOTHING      1e-15 /* chance that is left out of account */

/* Failures come one after another; those on `ours`, the side that raises the evidence, with chance
 * `ours`. */
struct race {
    double gain[GATE_POINTS], loss[GATE_POINTS]; /* per failure on our side, and on the other */
    double ours;
    double goal; /* evidence that ends it */
    double power;
};

static double theta(double ratio, int32_t share)
{
    double w = (double)share / ROLLOUT_ALL;

    return ratio * w / (ratio * w + 1 - w);
}

static void set_race(struct race *r, int32_t share, double null, double truth, bool is_harm)
{
    double to = is_harm ? null * GATE_REACH : null / GATE_REACH;

    for (int i = 0; i < GATE_POINTS; i++) {
        double ratio = gate_point(null, to, i), total = gate_log_total(ratio, null, share);
        double on_gateway = log(ratio / null) + total;
        r->gain[i] = is_harm ? on_gateway : total;
        r->loss[i] = is_harm ? total : on_gateway;
    }
    r->ours = is_harm ? theta(truth, share) : 1 - theta(truth, share);
}

static double evidence(const struct race *r, double ours, double others)
{
    double logs[GATE_POINTS];

    for (int i = 0; i < GATE_POINTS; i++)
        logs[i] = ours * r->gain[i] + others * r->loss[i];
    return gate_log_mean(logs);
}

/* How many standard deviations below the mean lies what is exceeded with that chance. */
static double deviations(double power)
{
    double low = -8, high = 8;

    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (0.5 * erfc(-middle / sqrt(2)) < power)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* Failures after which the evidence is there with the chance wanted, whatever it was before: more
 * than needed, and never far too many. */
static double estimate(const struct race *r)
{
    double low = 1, high = ESTIMATE_MAX, z = deviations(r->power);

    for (int i = 0; i < 100 && high - low > 1e-3; i++) {
        double n = sqrt(low * high);
        double ours = n * r->ours - z * sqrt(n * r->ours * (1 - r->ours));
        if (ours > 0 && evidence(r, ours, n - ours) >= r->goal)
            high = n;
        else
            low = n;
    }
    return high;
}

/* The exact chances, failure by failure: chance[k] that k of n were on our side and the goal has
 * not been reached; the goal is k >= bound, which only grows with n. */
static double walk(const struct race *r, size_t most)
{
    double *chance = mem_calloc(most + 2, sizeof(*chance)), reached = 0;
    size_t low = 0, bound = 0, n = 0;

    chance[0] = 1;
    while (n < most && reached < r->power) {
        n++;
        while (bound <= n && evidence(r, (double)bound, (double)(n - bound)) < r->goal)
            bound++;
        for (size_t k = n < bound ? n : bound; k > low; k--)
            chance[k] = chance[k] * (1 - r->ours) + chance[k - 1] * r->ours;
        chance[low] *= 1 - r->ours;
        if (bound <= n) {
            reached += chance[bound];
            chance[bound] = 0;
        }
        while (low < bound && chance[low] < NOTHING)
            low++;
    }
    free(chance);
    return reached < r->power ? -1 : (double)n;
}

static double failures(const struct race *r)
{
    double rough = estimate(r);

    if (rough > WALK_MAX)
        return rough >= ESTIMATE_MAX * 0.99 ? -1 : rough;
    double exact = walk(r, (size_t)(2 * rough) + 100);
    return exact < 0 ? rough : exact;
}

static double units(double failed, double share, double rate, double ratio)
{
    double w = share / ROLLOUT_ALL;
    double n = failed / (rate * (ratio * w + 1 - w));

    return failed < 0 || n > UNITS_MAX ? -1 : n;
}

void gate_power(int32_t share, double rate, double harm_ratio, double safe_ratio, double alpha,
                double beta, double power, struct gate_power *ret)
{
    int32_t at = share < SHARE_MIN ? SHARE_MIN : share;
    double scale = (double)at / share;
    struct race r = { .power = power };

    *ret = (struct gate_power){ -1, -1 };
    if (share <= 0 || share >= ROLLOUT_ALL || rate <= 0)
        return;
    assert(power > 0 && power < 1 && alpha > 0 && beta > 0);
    set_race(&r, at, safe_ratio, 1, false);
    r.goal = -log(beta);
    double promote = failures(&r);
    ret->to_promote = units(promote < 0 ? -1 : promote * scale, share, rate, 1);
    set_race(&r, at, harm_ratio, safe_ratio, true);
    r.goal = -log(alpha);
    double harm = failures(&r);
    ret->to_catch = units(harm < 0 ? -1 : harm * scale, share, rate, safe_ratio);
}
