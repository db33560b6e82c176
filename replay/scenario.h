/* scenario - what goes wrong when: a file of faults over time, read and checked, and drawn from.
 *
 * Pure: the same scenario, seed, moment and attempt give the same faults, in the stand-in (on the
 * wire) and in the simulator alike.  Times are µs since the scenario began.  weir-scenario(5).
 *
 * Whether a fault strikes follows from a hash of the seed, the upstream's name, the fault's index
 * in the file and the number of the attempt at that upstream (from 0).  Of faults that end an
 * attempt the first in the file's order strikes; paces and quotas come on top.
 */
#ifndef REPLAY_SCENARIO_H
#define REPLAY_SCENARIO_H

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "replay/fault.h"

#define SCENARIO_FAULTS_MAX 1000
#define SCENARIO_LOADS_MAX  1000
#define SCENARIO_DRAWN_MAX  4 /* faults that strike one attempt together */
#define SCENARIO_SCOPES_MAX 100000

struct scenario;

/* A YAML text; ERR_USAGE with name:line:column and a hint. */
int scenario_parse(struct str text, const char *name, struct scenario **ret, struct err *err);
/* A file, or the name of one of those in presets_folder, without ".yaml"; the folder may be NULL.
 */
int scenario_open(const char *file_or_preset, const char *presets_folder, struct scenario **ret,
                  struct err *err);
void scenario_free(struct scenario *s);
DEFINE_CLEANUP(struct scenario, scenario_free)
/* Leaves a part of it, before it is first drawn from: of its time, "FROM..TO", which then begins at
 * 0, and of its kinds, by name, and "load"; NULL-terminated, and all of it if that is empty.  What
 * is left draws as it would in the whole, but for the time.  ERR_USAGE if nothing is left. */
int scenario_only(struct scenario *s, const char *const *parts, struct err *err);

/* What the file says about itself. */
struct scenario_about {
    struct str name, summary, source;
    bool is_secondary; /* its source is not the provider's own word */
};
struct scenario_about scenario_about(const struct scenario *s);
size_t scenario_fault_count(const struct scenario *s);
/* Fault number index, with the parameters it has when its window begins, and its window. */
struct fault scenario_fault(const struct scenario *s, size_t index, int64_t *ret_from_us,
                            int64_t *ret_to_us);
/* What of it is struck, for people: "openai model gpt-5*". */
void scenario_fault_scope(const struct scenario *s, size_t index, struct buf *out);
int64_t scenario_length_us(const struct scenario *s); /* end of its last window; PLAN_FOREVER */

/* One attempt at a provider. */
struct scenario_attempt {
    int64_t at_us;
    struct str upstream, model, app; /* "" = not known: only patterns that fit all fit it */
    bool is_stream;
    uint64_t number; /* of the attempt at that upstream: what chance depends on, beside the seed */
};

/* Which faults strike it; returns how many. */
size_t scenario_draw(const struct scenario *s, uint64_t seed, const struct scenario_attempt *a,
                     struct fault ret[SCENARIO_DRAWN_MAX]);

/* How many times its usual load comes at that moment, in millionths (spikes, ramps): 1000000 = as
 * recorded.  The product over what matches, at most 1000000 times. */
int64_t scenario_load_micro(const struct scenario *s, int64_t at_us, struct str app,
                            struct str model);
/* Whether there is any load to ask about. */
bool scenario_has_load(const struct scenario *s);

/* Whether all attempts at an upstream fail to connect then, whatever they ask for. */
bool scenario_refuses_all(const struct scenario *s, struct str upstream, int64_t at_us);

/* Whether all handshakes with it fail then. */
bool scenario_fails_tls(const struct scenario *s, struct str upstream, int64_t at_us);

/* What a fault is played as where it cannot be what it is called: "the connection is accepted, and
 * nothing is said on it"; NULL = it is that.  A stand-in speaks TLS or not; and a drill gives names
 * to those it starts. */
struct scenario_means {
    bool has_tls, has_names;
};
const char *scenario_stand_in(const struct scenario *s, size_t index, struct scenario_means means);

/* Whether its name cannot be resolved, from first to last. */
bool scenario_has_no_name(const struct scenario *s, struct str upstream);

/* When anything changes next after at_us: the edges of windows, for plots and for time to failover
 * and recovery; -1 = nothing more. */
int64_t scenario_next_edge(const struct scenario *s, int64_t at_us);
/* The time around at_us in which what is about a target stays what it is: from 0 where nothing
 * changed yet, until PLAN_FOREVER where nothing will. */
struct scenario_stretch {
    int64_t from_us, until_us;
    bool goes_on; /* at its end something else begins there */
};
void scenario_stretch_of(const struct scenario *s, struct str upstream, struct str model,
                         int64_t at_us, struct scenario_stretch *ret);

/* Whether anything is about it then. */
bool scenario_is_about(const struct scenario *s, struct str upstream, struct str model,
                       int64_t at_us);

/* What of it is about a target: for a hot loop that draws millions: faults that can strike
 * (upstream, model, app) at all, so that none is matched by pattern twice.  The same three give the
 * same scope, which lives as long as s; NULL beyond SCENARIO_SCOPES_MAX different ones. */
struct scenario_scope;
const struct scenario_scope *scenario_scope_of(struct scenario *s, struct str upstream,
                                               struct str model, struct str app);
size_t scenario_draw_scoped(const struct scenario *s, const struct scenario_scope *scope,
                            uint64_t seed, int64_t at_us, bool is_stream, uint64_t number,
                            struct fault ret[SCENARIO_DRAWN_MAX]);
/* Whether nothing of it can strike there, ever. */
bool scenario_scope_is_empty(const struct scenario_scope *scope);

#endif
