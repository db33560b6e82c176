/* verdicts - what a policy would have said of recorded calls: the live engine (policy/admit) over
 * the ledgers' rows, in the order of their time.
 *
 * A call is admitted when it began, with the tokens that it did use as its bounds, and settled when
 * it ended, with its cost.  What it refuses costs nothing and takes nothing; who was refused may
 * have come again, which nobody can know.  Rows are sorted within a day, so ledgers should be in
 * the order of their days; memory is bounded by ROWS_MAX and by the number of different callers.
 */
#ifndef ANALYZE_VERDICTS_H
#define ANALYZE_VERDICTS_H

#include "analyze/engine.h"
#include "policy/admit.h"

#define VERDICTS_ROWS_MAX 1000000 /* that wait to be put in order */

enum verdict_by {
    VERDICT_TEAM,
    VERDICT_APP,
    VERDICT_BUSINESS_UNIT,
    VERDICT_MODEL, /* as asked for */
    VERDICT_BYS,
};
extern const char *const verdict_by_names[VERDICT_BYS];

/* What one rule says, in one mode, of the calls of a group. */
struct verdict_row {
    struct str by[VERDICT_BYS]; /* "" of those not asked for */
    uint32_t rule;
    enum plan_mode mode;
    int64_t calls[POLICY_OUTCOMES];
    i128 cost_pusd;    /* of these calls, as recorded */
    i128 avoided_pusd; /* of them, had this rule alone been enforced */
    int64_t unknown;   /* calls whose cost with the other model is not known */
};

struct verdicts {
    VEC(struct verdict_row) rows; /* by rule, mode, group */
    int64_t calls, refused, instead;
    int64_t without_model; /* requests that name none, as lists of models: no rule is asked */
    i128 cost_pusd;        /* of all calls */
    i128 avoided_pusd;     /* by the rules in enforce, each call once */
    struct arena arena;    /* names */
};

struct verdicts_question {
    const struct engine_query *query; /* its on_row, ctx, columns and measures are not looked at */
    const struct policy *policy;
    bool by[VERDICT_BYS];
};

/* ret needs verdicts_release in any case. */
int verdicts_run(const struct verdicts_question *question, struct verdicts *ret, struct err *err);
void verdicts_release(struct verdicts *v);
DEFINE_CLEANUP_VALUE(struct verdicts, verdicts_release)

#endif
