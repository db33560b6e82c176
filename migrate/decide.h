/* decide - what is to be done with an application now: pure, of the programme, where it stands, the
 * gates' verdict and the time.
 *
 * Rollback comes before everything, in every phase, in a freeze, without approvals.  What cannot be
 * told is a hold, at 100 % too while it bakes, and so is an outage of the provider.  An advance
 * goes one stage up, never two.
 */
#ifndef MIGRATE_DECIDE_H
#define MIGRATE_DECIDE_H

#include "migrate/portfolio.h"
#include "migrate/programme.h"
#include "migrate/verdict.h"

enum decide_action {
    DECIDE_NOTHING, /* done, or not its time */
    DECIDE_HOLD,
    DECIDE_ADVANCE,
    DECIDE_ROLLBACK,
};

/* Why not: one bit each, so that all of them are told at once. */
#define DECIDE_OBSTACLES(X)                                                                        \
    X(FREEZE, "freeze")                                                                            \
    X(DATE, "date") /* before its own date or its wave's */                                        \
    X(BAKE, "bake") /* not long enough at this stage */                                            \
    X(GATE, "gate") /* inconclusive */                                                             \
    X(NO_DATA, "no_data")                                                                          \
    X(BLIND, "blind")   /* calls are recorded, and no gate sees them */                            \
    X(OUTAGE, "outage") /* its provider fails, beside the gateway as well */                       \
    X(SPLIT, "split")   /* the live share is not what was intended */                              \
    X(APPROVAL, "approval")                                                                        \
    X(READINESS, "readiness")                                                                      \
    X(PREFLIGHT, "preflight") /* none, too old, of another plan, or failed */                      \
    X(REHEARSAL, "rehearsal")                                                                      \
    X(OWNER, "owner") /* another app of the owner is moving */                                     \
    X(NEEDS, "needs") /* an app it depends on is not through */                                    \
    X(IN_FLIGHT, "apps_in_flight")                                                                 \
    X(SPEND, "spend_moving")                                                                       \
    X(WAVE, "wave")           /* a rollback in its wave stops it until a person says otherwise */  \
    X(BAD, "known_bad")       /* it was rolled back from the next stage before */                  \
    X(OPEN_STEP, "open_step") /* a step has begun and not ended */

enum decide_obstacle {
#define X(constant, word) DECIDE_##constant,
    DECIDE_OBSTACLES(X)
#undef X
        DECIDE_OBSTACLE_COUNT
};

struct decision {
    const struct portfolio_app *app;
    enum decide_action action;
    int32_t from, to;
    uint32_t obstacles;                    /* bits of enum decide_obstacle */
    struct str why[DECIDE_OBSTACLE_COUNT]; /* a sentence for each bit that is set */
    struct str reason;                     /* of an advance or a rollback */
};

struct decide_input {
    const struct portfolio *portfolio;
    const struct verdict *verdict; /* of the app; NULL = the archive was not asked */
    /* Parts of the month's spend, millionths, by the programme's apps; NULL = not known: the cap
     * on moving spend holds whatever would move. */
    const int64_t *spend_per_million;
    int64_t unsealed_us; /* since the oldest call began that is recorded and not sealed; 0 = none */
    int64_t now_us;
    bool retry; /* a person wants to try again what was rolled back before */
};

/* The role in which a person lets a wave go on after a rollback: `migrate approve APP --as wave`,
 * of the app that was rolled back. */
#define DECIDE_ROLE_WAVE "wave"

/* Strings in arena. */
void decide(const struct decide_input *in, const struct portfolio_app *app, struct arena *arena,
            struct decision *ret);

/* Where a person's rollback of it goes: as the plan says, never to what was rolled back from
 * before.
 */
int32_t decide_rollback_share(const struct portfolio_app *app);

const char *decide_action_name(enum decide_action action); /* "nothing", "hold", ... */
const char *decide_obstacle_name(enum decide_obstacle obstacle);
/* Whether what is missing is evidence that somebody has to make (exit code 40), not time. */
bool decide_is_unready(const struct decision *d);

#endif
