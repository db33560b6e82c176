/* scenario - what goes wrong when: a file of faults over time, read and checked, and drawn from.
 *
 * Pure: the same scenario, seed, moment and call give the same faults, in the stand-in (on the
 * wire) and in the simulator alike.  Times are µs since the scenario began.  weir-scenario(5).
 */
#ifndef REPLAY_SCENARIO_H
#define REPLAY_SCENARIO_H

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "replay/fault.h"

#define SCENARIO_FAULTS_MAX 1000
#define SCENARIO_DRAWN_MAX  4 /* faults that strike one attempt together */

struct scenario;

/* A YAML text; ERR_USAGE with name:line:column and a hint.  text may be a preset's name:
 * scenario_preset. */
int scenario_parse(struct str text, const char *name, struct scenario **ret, struct err *err);
void scenario_free(struct scenario *s);
DEFINE_CLEANUP(struct scenario, scenario_free)

/* The text of a preset (share/scenarios): NULL-terminated list of names for messages. */
size_t scenario_fault_count(const struct scenario *s);
int64_t scenario_length_us(const struct scenario *s); /* end of its last window; PLAN_FOREVER */

/* One attempt at a provider. */
struct scenario_attempt {
    int64_t at_us;
    struct str upstream, model, app; /* "" = not known */
    bool is_stream;
    uint64_t number; /* of the attempt: what chance depends on, beside the seed */
};

/* Which faults strike it; returns how many. */
size_t scenario_draw(const struct scenario *s, uint64_t seed, const struct scenario_attempt *a,
                     struct fault ret[SCENARIO_DRAWN_MAX]);

/* How many times its usual load comes at that moment, in millionths (spikes, ramps): 1000000 = as
 * recorded.  The product over what matches. */
int64_t scenario_load_micro(const struct scenario *s, int64_t at_us, struct str app,
                            struct str model);

/* When anything changes next after at_us: the edges of windows, for plots and for time to failover
 * and recovery; -1 = nothing more. */
int64_t scenario_next_edge(const struct scenario *s, int64_t at_us);
/* What of it is about a target: for a hot loop that draws millions: index of faults that can strike
 * (upstream, model, app) at all, so that none is matched by pattern twice. */
struct scenario_scope;
const struct scenario_scope *scenario_scope_of(struct scenario *s, struct str upstream,
                                               struct str model, struct str app);
size_t scenario_draw_scoped(const struct scenario *s, const struct scenario_scope *scope,
                            uint64_t seed, int64_t at_us, bool is_stream, uint64_t number,
                            struct fault ret[SCENARIO_DRAWN_MAX]);

#endif
