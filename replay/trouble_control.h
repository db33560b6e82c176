/* trouble_control - the control and statistics of a stand-in's troubles over HTTP, as JSON.
 *
 *     GET    /-/health
 *     GET    /-/stats            attempts by upstream, model and status
 *     GET    /-/calls            how many attempts calls took; ?all=1: each of them
 *     GET    /-/faults           those there are, and how often each struck
 *     PUT    /-/faults           a scenario (YAML or JSON) whose times count from now on
 *     DELETE /-/faults           those that were put
 *     POST   /-/scenario/start   its clock, if it does not run
 *     POST   /-/scenario/time    to what the body says: 90s
 *     POST   /-/reset            counts, quotas and numbers of attempts
 */
#ifndef REPLAY_TROUBLE_CONTROL_H
#define REPLAY_TROUBLE_CONTROL_H

#include "replay/trouble.h"

#define TROUBLE_CONTROL_PATH "/-/"

/* A reference; *ret_changed: faults or the clock are not what they were. */
struct answer *trouble_control(struct trouble *t, const struct request *r, uint64_t now_us,
                               bool *ret_changed);

#endif
