/* lint_prove - how long it takes at worst until each rung of a route is tried, by arithmetic.
 *
 * A rung is a target, or a pool of which every attempt may get any.  For each kind of fault: if
 * every rung before fails with it, when is this one first tried?  The sum over the rungs before, of
 * all their attempts, each as long as the first timer lets it be that fires for that fault, and the
 * longest waits between them.  If no timer fires, what comes after is never tried.
 *
 * The call is the first one after the fault began: nothing is cooling down yet.  Refusals and error
 * statuses are taken to come at once.
 */
#ifndef REPLAY_LINT_PROVE_H
#define REPLAY_LINT_PROVE_H

#include "base/map.h"
#include "base/vec.h"
#include "policy/plan.h"
#include "replay/caller.h"

#define PROVE_ATTEMPTS_MAX 1000000 /* counted at most */

enum prove_fault {
    PROVE_REFUSED,
    PROVE_BLACKHOLE,
    PROVE_400,
    PROVE_CONTEXT,
    PROVE_401,
    PROVE_429,
    PROVE_429_LATER, /* with retry-after */
    PROVE_500,
    PROVE_503,
    PROVE_529,
    PROVE_SILENT_WHOLE, /* no byte of an answer that is no stream */
    PROVE_SILENT,       /* no head of a stream */
    PROVE_STALL_FIRST,  /* a head, no token */
    PROVE_STALL_MID,    /* tokens, then nothing */
    PROVE_FAULTS,
};

struct prove_fault_row {
    const char *name; /* "503" */
    const char *what; /* "answers 503" */
    enum plan_failure failure;
    int status;      /* 0 = none */
    unsigned timers; /* bits of enum plan_timer that may end it; 0 = it ends at once */
    bool outage;     /* a provider's failure that fallbacks are for, not the caller's fault */
    bool billed;     /* the provider may have worked for it */
};

extern const struct prove_fault_row prove_faults[PROVE_FAULTS];

struct prove_options {
    int64_t deadline_us;
    int64_t retry_after_us;      /* that PROVE_429_LATER says */
    const struct caller *client; /* never NULL */
};

enum prove_verdict {
    PROVE_REACHED,
    PROVE_TOO_LATE,  /* at or behind the deadline */
    PROVE_NEVER,     /* nothing ends the wait before it */
    PROVE_NOT_TRIED, /* the fault goes to the caller, or the attempts are used up before */
};

struct prove_rung {
    const struct plan_node *node;
    int64_t at_us[PROVE_FAULTS]; /* first try; -1 = none */
};

struct prove_end {
    int64_t at_us;    /* when the caller hears of it at worst; PLAN_FOREVER */
    int64_t attempts; /* at most, of one try of the caller */
    int64_t calls;    /* attempts with the caller's own tries */
    int64_t cost;     /* times the price of one call, at most: attempts that may be billed */
};

struct prove_route {
    const struct plan_route *route;
    VEC(struct prove_rung) rungs;
    struct map by_name; /* rungs, index */
    struct prove_end ends[PROVE_FAULTS];
};

struct proof {
    VEC(struct prove_route) routes;
};

void proof_release(struct proof *p);
DEFINE_CLEANUP_VALUE(struct proof, proof_release)

void prove(const struct plan *p, const struct prove_options *o, struct proof *ret);
enum prove_verdict prove_verdict_of(const struct prove_route *r, const struct prove_rung *rung,
                                    enum prove_fault fault, const struct prove_options *o);
/* Over all faults. */
int64_t prove_attempts_most(const struct prove_route *r);
int64_t prove_calls_most(const struct prove_route *r);
int64_t prove_cost_most(const struct prove_route *r);

#endif
