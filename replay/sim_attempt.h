/* sim_attempt - how one attempt at a target would go: from the target's speed, the faults that
 * strike it and the timers that watch it.
 *
 * An attempt is known to its end when it begins: nothing that happens meanwhile can change it.
 */
#ifndef REPLAY_SIM_ATTEMPT_H
#define REPLAY_SIM_ATTEMPT_H

#include "policy/steer.h"
#include "replay/fault.h"
#include "replay/sim_arrival.h"
#include "replay/sim_speed.h"

struct sim_attempt_in {
    const struct sim_arrival *call;
    const struct sim_speed *speed;
    bool is_own;             /* the recorded answer came from there: its own time counts */
    bool is_first;           /* attempt of the call: then a recorded failure is met again there */
    bool holds_first;        /* the caller gets nothing before the first piece of content */
    bool reads_answers;      /* and looks whether an answer of status 200 is one: weir's own */
    const int64_t *timer_us; /* PLAN_TIMERS; NULL = none */
    const struct fault *faults;
    size_t fault_count;
    /* What a refusal, or an error before the first piece, comes to; by fault. */
    const struct steer_end *(*ending)(void *ctx, const struct fault *f);
    void *ctx;
    uint64_t seed, number; /* of the attempt */
};

struct sim_attempt {
    int64_t first_us; /* since it began; PLAN_FOREVER = none comes */
    int64_t end_us;   /* PLAN_FOREVER = it goes on until the caller leaves */
    struct steer_end end;
    bool is_broken;     /* ended well for the gateway, and the answer is of no use */
    bool is_struck;     /* by a fault that ends, breaks or delays it */
    bool may_be_billed; /* failed, and the provider may have worked for it */
};

void sim_attempt(const struct sim_attempt_in *in, struct sim_attempt *ret);

#endif
