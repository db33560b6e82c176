/* ready - whether applications can begin to move: twelve checks, each with what it rests on.
 *
 * A check passes, fails, or cannot be told (unknown) because what it would rest on is not there;
 * only a pass is one.  The plan says which of them an application needs before its first stage.
 * Pure, of the plan, the rollout's ledger, what was recorded and the proxy's configuration.
 */
#ifndef MIGRATE_READY_H
#define MIGRATE_READY_H

#include "base/document.h"
#include "capture/conf.h"
#include "migrate/inventory.h"
#include "migrate/portfolio.h"
#include "migrate/programme_lint.h"
#include "policy/plan.h"

#define READY_BASELINE_DAYS  14
#define READY_ATTRIBUTED     990000 /* of the spend, millionths */
#define READY_CAPACITY_TIMES 2      /* the peak */
#define READY_KEYLESS        50000  /* of the calls, millionths: more would move unjudged */
#define READY_REFUSED_US     (10 * 60 * INT64_C(1000000)) /* a key is dead: longer than one's slip */

/* The questions that the checks answer together. */
#define READY_QUESTIONS(X)                                                                         \
    X(OWNERSHIP, "ownership", "Is it clear who answers for it?")                                   \
    X(GOVERNANCE, "governance", "Is it settled what is allowed, and when?")                        \
    X(COST, "cost", "Is it known what it costs, and bounded?")                                     \
    X(RELIABILITY, "reliability", "Will it hold, and can it come back?")                           \
    X(EXPANSION, "expansion", "Is it clear what comes next?")

enum ready_question {
#define X(constant, word, text) READY_##constant,
    READY_QUESTIONS(X)
#undef X
        READY_QUESTION_COUNT
};

/* X(constant, id, question, what) */
#define READY_CHECKS(X)                                                                            \
    X(OWNER, "R1", OWNERSHIP, "owner, deputy and channel are named")                               \
    X(ATTRIBUTION, "R2", COST, "99 % of the spend is somebody's")                                  \
    X(POLICY, "R3", GOVERNANCE, "rules say which models it may use")                               \
    X(BUDGET, "R4", COST, "it has a budget that is enforced")                                      \
    X(BASELINE, "R5", RELIABILITY, "14 days of direct calls are on record")                        \
    X(FALLBACK, "R6", RELIABILITY, "its calls were tried while providers fail")                    \
    X(CAPACITY, "R7", RELIABILITY, "the gateway bears twice its peak")                             \
    X(REHEARSAL, "R8", RELIABILITY, "its rollback was rehearsed, in time")                         \
    X(ON_CALL, "R9", OWNERSHIP, "somebody is told of a rollback")                                  \
    X(EXPANSION_PLAN, "R10", EXPANSION, "the next five have all they need")                        \
    X(FREEZES, "R11", GOVERNANCE, "the plan knows when nothing may move")                          \
    X(POWER, "R12", RELIABILITY, "its gates can decide within their stages")

enum ready_check {
#define X(constant, id, question, what) READY_CHECK_##constant,
    READY_CHECKS(X)
#undef X
        READY_CHECK_COUNT
};

enum ready_result {
    READY_FAIL,
    READY_UNKNOWN,
    READY_PASS,
};

struct ready_app {
    const struct portfolio_app *app;
    enum ready_result results[READY_CHECK_COUNT];
    struct str why[READY_CHECK_COUNT]; /* what it rests on, or what is missing */
    uint32_t needed;                   /* bits of enum ready_check: by the plan; none said = all */
    size_t missing;                    /* of those, how many did not pass */
};

struct ready_input {
    const struct portfolio *portfolio;
    const struct portfolio_app *const *apps; /* to be looked at */
    size_t app_count;
    const struct inventory *seen; /* NULL = the archive was not read */
    const struct conf *conf;      /* of the proxy; NULL = the plan names none */
    const struct plan *policy;    /* its section; NULL = it has none */
    int64_t now_us;
};

struct ready {
    const struct ready_input *in;
    struct ready_app *apps;
    size_t missing; /* of all */
    struct arena arena;
};

void ready_look(const struct ready_input *in, struct ready *ret);
void ready_release(struct ready *r);
DEFINE_CLEANUP_VALUE(struct ready, ready_release)
/* One page: of one application alone (index), or of all (SIZE_MAX). */
void ready_build(const struct ready *r, size_t index, struct document *ret);
/* "R2: 3.1 % of the spend is nobody's; R5: ..." of what is needed and did not pass. */
void ready_add_missing(const struct ready_app *a, struct buf *out);

const char *ready_check_id(enum ready_check check);
const char *ready_result_name(enum ready_result result);

#endif
