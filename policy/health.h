/* health - what is remembered of a target between calls, in one slot of the state.
 *
 *     COOLDOWN  out for a fixed time after some failures, of which some suffice by themselves; an
 *               answer's retry-after is the time where the configuration has none.  Back at once.
 *     EJECTION  out for its base time times the number of its ejections, which is forgotten one by
 *               one while it behaves; up to a share of the hosts (the caller counts them)
 *     RATIO     out when a share of the calls in the window failed
 *     BREAKER   closed, open, half open: then some calls at a time are probes, as many successes
 *               close it, one failure opens it again
 *
 * A window is eight buckets, so it is an eighth short at times.  Slowness is the median of the last
 * one or two half windows of first-token latencies against a baseline of the target's own: the
 * median of its first samples, then following slowly (a half window moves it down by an eighth of
 * the difference, up by a 256th: latency that creeps must not become usual soon).  A slow target
 * is not out, others come first; as many probes a window as samples are needed tell when it is
 * back, which takes a median well below what made it slow.
 *
 * Who was out or slow for long comes back by and by: from a tenth to all of its calls within as
 * long as it was out (breaker) or the window (slow).  A COOLDOWN, EJECTION or RATIO does not, since
 * the gateways that have them do not.
 */
#ifndef POLICY_HEALTH_H
#define POLICY_HEALTH_H

#include <assert.h>

#include "policy/tree.h"

#define HEALTH_BUCKETS 8
#define HEALTH_STEPS   42 /* of latency, three an octave, from 4 ms to 67 s */

/* Zeroed = a target that nothing is known of.  Only policy/health looks into it. */
struct health {
    uint8_t is_open, probing, good_probes, is_slow;
    uint16_t last_failure, last_status; /* that was counted */
    uint32_t in_a_row, ejections;
    int64_t until_us;    /* open: until then */
    int64_t probe_at_us; /* the last one began */
    int64_t back_at_us;  /* closed again, or no longer slow; the ramp begins */
    int64_t slow_probe_at_us;
    uint64_t attempts, failures;
    int64_t bucket; /* number of the newest, since 1970 */
    uint16_t calls[HEALTH_BUCKETS], failed[HEALTH_BUCKETS];
    int64_t half; /* number of the newer half window */
    uint32_t baseline_us;
    uint32_t samples[2]; /* of the half windows, the newer first */
    uint8_t steps[2][HEALTH_STEPS];
};

static_assert(sizeof(struct health) <= POLICY_SLOT_DATA_BYTES, "it fits a slot");

enum health_level {
    HEALTH_USUAL,
    HEALTH_PROBE, /* out or slow until now: this call may see whether it is back */
    HEALTH_LATER, /* slow, or coming back: others first */
    HEALTH_OUT,
};

struct health_seen {
    enum health_level level;
    bool half_open; /* a PROBE of a breaker: it is one of a number */
    int64_t until_us;
    enum plan_failure failure; /* that led to OUT, or PROBE */
    int status;
};

/* What a call sees that looks. */
struct health_call {
    int64_t now_us;
    uint64_t draw; /* for who comes back by and by */
    bool all_out;  /* there is nothing else: an EJECTION or RATIO does not hold, and a breaker takes
                      its probes before its time */
};
struct health_seen health_look(struct health *h, const struct tree_unit *u,
                               const struct health_call *call);
/* An attempt begins. */
void health_begin(struct health *h, const struct health_seen *seen, int64_t now_us);
void health_first_token(struct health *h, const struct tree_unit *u, int64_t us, int64_t now_us);
/* An attempt ended well, or with a failure that does not count. */
void health_good(struct health *h, const struct tree_unit *u, bool was_probe, int64_t now_us);
/* With one that does: true if the target is to go out now, by health_put_out. */
bool health_bad(struct health *h, const struct tree_unit *u, enum plan_failure failure, int status,
                bool was_probe, int64_t now_us);
/* retry_after_us: that the answer said, -1 = none. */
void health_put_out(struct health *h, const struct tree_unit *u, int64_t retry_after_us,
                    int64_t now_us);
/* A probe that came to nothing. */
void health_give_back(struct health *h);

bool health_is_out(struct health *h, const struct tree_unit *u, int64_t now_us);
/* The median of the window, -1 = too few samples. */
int64_t health_median(const struct health *h, const struct tree_unit *u, int64_t now_us);

#endif
