/* simulate - calls through the policy engine in virtual time: the same code that decides in the
 * proxy, given recorded or made-up calls, recorded or stated speeds of targets, and a scenario.
 *
 * A discrete-event simulation: calls come in the order of time, what is under way waits in a queue.
 * Memory is what is under way at once; nothing is kept of a call that is over.  Deterministic: the
 * same source, options and seed give the same result, to the byte.
 */
#ifndef REPLAY_SIMULATE_H
#define REPLAY_SIMULATE_H

#include "llm/price.h"
#include "policy/policy.h"
#include "replay/caller.h"
#include "replay/scenario.h"
#include "replay/sim_arrival.h"
#include "replay/sim_quota.h"
#include "replay/sim_result.h"
#include "replay/sim_speed.h"

#define SIM_IN_FLIGHT_MAX (1u << 22) /* calls under way at once; more is ERR_LIMIT */

struct sim_options {
    const struct policy *policy; /* of a plan, which may be empty: then all calls go where they
                                    asked to */
    struct scenario *scenario;   /* NULL = nothing goes wrong */
    struct sim_speeds *speeds;
    const struct price_book *book; /* NULL = costs are not known */
    const struct caller *caller;
    int64_t deadline_us; /* of one try of a caller; 0 = the caller's own */
    const struct sim_quota *quotas;
    size_t quota_count;
    struct str model_instead; /* asked for in place of every model: a group's name in a foreign
                                 configuration; "" = as recorded */
    bool as_served;           /* attempts meet the faults that `serve` would draw for them */
    int64_t start_us, end_us; /* Unix time: the scenario's beginning, and the last arrival */
    uint64_t seed;
};

/* Takes all calls of source; ret need not be initialised.  A failure is one of reading. */
int simulate(struct sim_source *source, const struct sim_classes *classes,
             const struct sim_options *o, struct sim_result *ret, struct err *err);

#endif
