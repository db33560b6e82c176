#include "config.h"

#include "policy/health.h"

#include <string.h>

#include "base/timestamp.h"

#define PROBES_MAX    255
#define SHARES        1024 /* parts of the calls that come back by and by */
#define SHARE_AT_ONCE (SHARES / 10)
/* A probe of which nothing was heard (its process has died) is not waited for longer. */
/* Where nothing else is left, a provider that is down is asked that often, not by every call. */
#define PROBE_REST_US   US_PER_SECOND
#define PROBE_LEASE_US  (60 * US_PER_SECOND)
#define EJECTION_MAX_US (300 * US_PER_SECOND) /* Envoy's max_ejection_time */
#define STEPS_FROM      12                    /* log2 µs of the first step of latency */
#define COUNT_MAX       UINT16_MAX

/* --- calls in the window --- */

/* Whether now_us is in that part of time.  The number is read from memory that several processes
 * write, and may be any: hence no sum that could overflow. */
static bool is_in_part(int64_t number, int64_t part_us, int64_t now_us)
{
    return (uint64_t)now_us - (uint64_t)number * (uint64_t)part_us < (uint64_t)part_us;
}

/* A clock that was set back a little leaves the newest bucket as it is; a number that no clock can
 * have led to begins anew. */
static void turn_buckets(struct health *h, const struct tree_unit *u, int64_t now_us)
{
    if (is_in_part(h->bucket, u->bucket_us, now_us))
        return;
    int64_t now = now_us / u->bucket_us;
    if (h->bucket < 0 || h->bucket > now + HEALTH_BUCKETS || now - h->bucket >= HEALTH_BUCKETS) {
        memset(h->calls, 0, sizeof(h->calls));
        memset(h->failed, 0, sizeof(h->failed));
        h->bucket = now;
    }
    for (; h->bucket < now; h->bucket++) {
        size_t i = (size_t)(h->bucket + 1) % HEALTH_BUCKETS;
        h->calls[i] = h->failed[i] = 0;
    }
}

static void count_call(struct health *h, const struct tree_unit *u, bool failed, int64_t now_us)
{
    turn_buckets(h, u, now_us);
    size_t i = (size_t)h->bucket % HEALTH_BUCKETS;
    if (h->calls[i] == COUNT_MAX) { /* the share stays */
        h->calls[i] /= 2;
        h->failed[i] /= 2;
    }
    h->calls[i]++;
    h->failed[i] = (uint16_t)(h->failed[i] + failed);
}

static void forget_calls(struct health *h)
{
    memset(h->calls, 0, sizeof(h->calls));
    memset(h->failed, 0, sizeof(h->failed));
    h->in_a_row = 0;
}

static bool is_too_much(const struct health *h, const struct tree_unit *u)
{
    uint64_t calls = 0, failed = 0;

    if (u->failures && u->in_a_row && h->in_a_row >= u->failures)
        return true;
    for (int i = 0; i < HEALTH_BUCKETS; i++) {
        calls += h->calls[i];
        failed += h->failed[i];
    }
    if (u->failures && !u->in_a_row && failed >= u->failures)
        return true;
    return u->percent && calls >= u->minimum && failed * 100 >= (uint64_t)u->percent * calls;
}

/* --- out and back --- */

static bool is_remembered(const struct tree_unit *u)
{
    return u->memory != PLAN_MEMORY_NONE;
}

/* Memories without probes are back when their time is over. */
static void come_back(struct health *h, const struct tree_unit *u, int64_t now_us)
{
    if (!h->is_open || u->memory == PLAN_MEMORY_BREAKER || now_us < h->until_us)
        return;
    h->is_open = false;
    forget_calls(h);
}

static int64_t out_for(struct health *h, const struct tree_unit *u, int64_t retry_after_us,
                       int64_t now_us)
{
    if (u->memory == PLAN_MEMORY_COOLDOWN && !u->out_set && retry_after_us > 0)
        return retry_after_us;
    if (u->memory != PLAN_MEMORY_EJECTION)
        return u->out_us;
    /* One ejection is forgotten for each window that it was back. */
    int64_t forgotten = h->until_us ? (now_us - h->until_us) / u->window_us : 0;
    if (forgotten > 0)
        h->ejections -= forgotten < h->ejections ? (uint32_t)forgotten : h->ejections;
    if (h->ejections < UINT32_MAX)
        h->ejections++;
    int64_t most = u->out_us > EJECTION_MAX_US ? u->out_us : EJECTION_MAX_US;
    int64_t us = plan_times_us(u->out_us, h->ejections);
    return us < most ? us : most;
}

void health_put_out(struct health *h, const struct tree_unit *u, int64_t retry_after_us,
                    int64_t now_us)
{
    h->until_us = plan_add_us(now_us, out_for(h, u, retry_after_us, now_us));
    h->is_open = true;
    h->probing = h->good_probes = 0;
    h->back_at_us = 0;
    forget_calls(h);
}

static void close_again(struct health *h, int64_t now_us)
{
    h->is_open = false;
    h->probing = h->good_probes = 0;
    h->back_at_us = now_us;
    forget_calls(h);
}

bool health_is_out(struct health *h, const struct tree_unit *u, int64_t now_us)
{
    if (!is_remembered(u))
        return false;
    come_back(h, u, now_us);
    return h->is_open && now_us < h->until_us;
}

/* Whether the call is among those that a target which comes back does not get yet. */
static bool is_held_back(struct health *h, const struct tree_unit *u, uint64_t draw, int64_t now_us)
{
    int64_t length = u->memory == PLAN_MEMORY_BREAKER ? u->out_us : 0;

    if (!h->back_at_us)
        return false;
    if (u->slow_percent && u->slow_window_us > length)
        length = u->slow_window_us;
    int64_t passed = now_us - h->back_at_us;
    if (passed >= length) {
        h->back_at_us = 0;
        return false;
    }
    if (passed < 0)
        passed = 0;
    int64_t share =
        SHARE_AT_ONCE + (int64_t)((double)passed / (double)length * (SHARES - SHARE_AT_ONCE));
    return (int64_t)(draw % SHARES) >= share;
}

static int64_t slow_probe_every(const struct tree_unit *u)
{
    return u->slow_window_us / (u->slow_samples ? u->slow_samples : 1);
}

static enum health_level level_of_open(struct health *h, const struct tree_unit *u,
                                       const struct health_call *call, bool *ret_half_open)
{
    uint32_t most = u->probes < PROBES_MAX ? u->probes : PROBES_MAX;

    if (u->memory != PLAN_MEMORY_BREAKER)
        return call->all_out && u->memory != PLAN_MEMORY_COOLDOWN ? HEALTH_USUAL : HEALTH_OUT;
    if (h->probing && call->now_us - h->probe_at_us >= PROBE_LEASE_US)
        h->probing = 0;
    bool rested = !h->probe_at_us || call->now_us - h->probe_at_us >= PROBE_REST_US;
    *ret_half_open = call->now_us >= h->until_us || (call->all_out && rested);
    return *ret_half_open && h->probing + h->good_probes < most ? HEALTH_PROBE : HEALTH_OUT;
}

struct health_seen health_look(struct health *h, const struct tree_unit *u,
                               const struct health_call *call)
{
    struct health_seen seen = {
        .level = HEALTH_USUAL,
        .until_us = h->until_us,
        .failure = h->last_failure < PLAN_FAILURES ? (enum plan_failure)h->last_failure : 0,
        .status = h->last_status,
    };

    come_back(h, u, call->now_us);
    if (h->is_open && is_remembered(u)) {
        seen.level = level_of_open(h, u, call, &seen.half_open);
    } else if (h->is_slow && u->slow_percent) {
        seen.until_us = h->slow_probe_at_us + slow_probe_every(u);
        seen.level = call->now_us >= seen.until_us ? HEALTH_PROBE : HEALTH_LATER;
    } else if (is_held_back(h, u, call->draw, call->now_us)) {
        seen.level = HEALTH_LATER;
    }
    return seen;
}

void health_begin(struct health *h, const struct health_seen *seen, int64_t now_us)
{
    h->attempts++;
    if (seen->level != HEALTH_PROBE)
        return;
    if (!seen->half_open) {
        h->slow_probe_at_us = now_us;
        return;
    }
    h->probing++;
    h->probe_at_us = now_us;
}

void health_give_back(struct health *h)
{
    if (h->probing)
        h->probing--;
}

void health_good(struct health *h, const struct tree_unit *u, bool was_probe, int64_t now_us)
{
    if (!is_remembered(u))
        return;
    if (h->is_open) {
        if (!was_probe)
            return; /* began before it went out */
        health_give_back(h);
        h->good_probes++;
        if (h->good_probes >= u->probes || h->good_probes == PROBES_MAX)
            close_again(h, now_us);
        return;
    }
    h->in_a_row = 0;
    count_call(h, u, false, now_us);
}

bool health_bad(struct health *h, const struct tree_unit *u, enum plan_failure failure, int status,
                bool was_probe, int64_t now_us)
{
    h->failures++;
    if (!is_remembered(u))
        return false;
    h->last_failure = (uint16_t)failure;
    h->last_status = (uint16_t)status;
    come_back(h, u, now_us);
    if (h->is_open)
        return was_probe;
    if (h->in_a_row < UINT32_MAX)
        h->in_a_row++;
    count_call(h, u, true, now_us);
    return is_too_much(h, u) || plan_when_has(&u->at_once, failure, status);
}

/* --- slowness --- */

/* The lower end of a step. */
static int64_t step_us(size_t step)
{
    static const int64_t thirds[] = { 1000, 1260, 1587 }; /* of an octave */

    return (INT64_C(1) << (STEPS_FROM + step / 3)) * thirds[step % 3] / 1000;
}

static size_t step_of(int64_t us)
{
    if (us < INT64_C(1) << STEPS_FROM)
        return 0;
    int octave = 63 - __builtin_clzll((unsigned long long)us);
    size_t step = (size_t)(octave - STEPS_FROM) * 3;
    if (step >= HEALTH_STEPS)
        return HEALTH_STEPS - 1;
    step += us >= step_us(step + 1);
    step += us >= step_us(step + 1);
    return step;
}

/* Of both halves, or of the newer alone; in between the ends of a step by rank. */
static int64_t median_of(const struct health *h, bool newer_only)
{
    uint32_t all = 0, below = 0, here = 0;
    size_t step = 0;

    for (size_t i = 0; i < HEALTH_STEPS; i++)
        all += h->steps[0][i] + (newer_only ? 0u : h->steps[1][i]);
    if (!all)
        return -1;
    for (; step < HEALTH_STEPS; step++) {
        here = h->steps[0][step] + (newer_only ? 0u : h->steps[1][step]);
        if ((below + here) * 2 >= all)
            break;
        below += here;
    }
    int64_t low = step_us(step), high = step_us(step + 1);
    return low + (high - low) * (all - below * 2) / (2 * (int64_t)here);
}

/* The end of a half window: what is usual follows what was. */
static void move_baseline(struct health *h, const struct tree_unit *u)
{
    int64_t median = median_of(h, true), baseline = h->baseline_us;

    if (!baseline || median < 0 || (!h->is_slow && h->samples[0] < (u->slow_samples + 3) / 4))
        return;
    if (median < baseline)
        baseline -= (baseline - median) / 8;
    else
        baseline += ((median < 2 * baseline ? median : 2 * baseline) - baseline) / 256;
    h->baseline_us = (uint32_t)baseline;
}

static void forget_samples(struct health *h)
{
    memset(h->steps, 0, sizeof(h->steps));
    h->samples[0] = h->samples[1] = 0;
}

static void turn_halves(struct health *h, const struct tree_unit *u, int64_t now_us)
{
    if (is_in_part(h->half, u->half_us, now_us))
        return;
    int64_t now = now_us / u->half_us;
    if (h->half > now && h->half - now <= 2) /* the clock was set back a little */
        return;
    move_baseline(h, u);
    if (h->half == now - 1) {
        memcpy(h->steps[1], h->steps[0], sizeof(h->steps[0]));
        h->samples[1] = h->samples[0];
        memset(h->steps[0], 0, sizeof(h->steps[0]));
        h->samples[0] = 0;
    } else {
        forget_samples(h);
    }
    h->half = now;
}

static void add_sample(struct health *h, int64_t us)
{
    uint8_t *step = &h->steps[0][step_of(us)];

    if (*step == UINT8_MAX) /* their proportions stay */
        for (size_t i = 0; i < HEALTH_STEPS; i++)
            h->steps[0][i] /= 2;
    (*step)++;
    if (h->samples[0] < UINT32_MAX / 2)
        h->samples[0]++;
}

/* The latency from which on it is slow; below which it no longer is, half way to the usual. */
static int64_t slow_from(const struct health *h, const struct tree_unit *u)
{
    uint32_t percent = h->is_slow ? 100 + (u->slow_percent - 100) / 2 : u->slow_percent;

    return (int64_t)h->baseline_us * percent / 100;
}

int64_t health_median(const struct health *h, const struct tree_unit *u, int64_t now_us)
{
    int64_t now = u->slow_percent ? now_us / u->half_us : 0;

    return u->slow_percent && h->half >= now - 1 ? median_of(h, h->half == now - 1) : -1;
}

void health_first_token(struct health *h, const struct tree_unit *u, int64_t us, int64_t now_us)
{
    if (!u->slow_percent || us < 0)
        return;
    turn_halves(h, u, now_us);
    add_sample(h, us);
    uint32_t samples = h->samples[0] + h->samples[1];
    uint32_t needed = h->is_slow ? (u->slow_samples + 1) / 2 : u->slow_samples;
    if (samples < needed)
        return;
    if (!h->baseline_us) {
        int64_t median = median_of(h, false);
        h->baseline_us = median < UINT32_MAX ? (uint32_t)median : UINT32_MAX;
        return;
    }
    /* Only a sample on the other side can have moved the median there. */
    int64_t bound = slow_from(h, u);
    if ((us >= bound) == (bool)h->is_slow || (median_of(h, false) >= bound) == (bool)h->is_slow)
        return;
    h->is_slow = !h->is_slow;
    h->slow_probe_at_us = now_us;
    h->back_at_us = h->is_slow ? 0 : now_us;
    forget_samples(h);
}
