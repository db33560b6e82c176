/* admit - may this call be made: access, limits, budgets; and what it took, given back or settled.
 *
 * Limits are buckets of so many requests or tokens that fill up again in their window (GCRA, in
 * whole numbers: no rounding, a wait is exact), and counts of calls under way.  Where a rule says
 * '*' for application, team, business unit or model there is a bucket for each, otherwise one for
 * all that it is about.
 *
 * Budgets reserve before the call what it may cost at most (policy_reservation), and settle what it
 * did cost: calls at the same time cannot overspend together.  Spent money is beyond a hard budget
 * only by what calls cost beyond their reservation, and that is counted.  A call belongs to the
 * period, of UTC's calendar, in which it was admitted.
 *
 * Money here is 1e-9 USD ("nusd"): cheap calls cost less than 1e-6.
 */
#ifndef POLICY_ADMIT_H
#define POLICY_ADMIT_H

#include "base/decimal.h"
#include "policy/rules.h"

#define POLICY_CLAIMS_MAX 24 /* limits and budgets that one call may be under */

struct policy_ask {
    int64_t now_us;       /* Unix time in µs: budgets end with the month, in UTC */
    int64_t input_tokens; /* at most; 0 = not known: what the plan assumes */
    int64_t output_tokens;
    uint32_t holder; /* who holds what is taken, below POLICY_HOLDERS_MAX */
};

/* What a call has taken of one limit or budget.  Zeroed = nothing. */
struct policy_claim {
    uint64_t key; /* of the slot: it may have been given up since */
    uint32_t slot;
    uint32_t held; /* of a budget: the slot of what its holder has reserved */
    uint32_t rule;
    bool is_budget, is_held; /* held: counts as a call under way */
    int64_t tokens;          /* of a token limit, -1 = it has none */
    int64_t nusd;            /* reserved of a budget */
    int64_t period;          /* of a budget: days, weeks or months since 1970 */
};
struct policy_claims {
    uint32_t count, holder;
    struct policy_claim list[POLICY_CLAIMS_MAX];
};

enum policy_verdict {
    POLICY_GO,
    POLICY_NO_ACCESS,      /* -> 403 */
    POLICY_NO_LIMIT,       /* -> 429 with retry_after_us */
    POLICY_NO_CONCURRENCY, /* -> 429 */
    POLICY_NO_BUDGET,      /* -> 429 insufficient_quota (SDKs must not retry); wins over limits */
};

struct policy_admission {
    enum policy_verdict verdict;
    uint32_t rule;          /* that refused */
    int64_t retry_after_us; /* 0 = not said */
    bool warn; /* a rule in mode warn would have refused, or a soft threshold is passed */
};

/* All or nothing: a refused call takes nothing.  Rules in observe and warn are counted the same way
 * and noted, and never refuse: of a limit, a call that it would have refused takes nothing; of a
 * budget it does, since the money goes.  A call that more than POLICY_CLAIMS_MAX limits and budgets
 * are about is refused by the first one beyond, if that is enforced. */
void policy_admit(const struct policy *p, struct policy_state *s, const struct policy_class *c,
                  const struct policy_ask *ask, struct policy_claims *ret_claims,
                  struct policy_decisions *notes, struct policy_admission *ret);
/* -1 = not known: what was reserved is taken for used. */
struct policy_used {
    int64_t tokens; /* input and output */
    int64_t nusd;   /* of all attempts */
};
/* The call is over, also if it never left (0, 0).  Releases what is held. */
void policy_settle(const struct policy *p, struct policy_state *s, struct policy_claims *claims,
                   const struct policy_used *used, int64_t now_us);
/* A process has died: gives back what it held.  Reserved money is taken for spent. */
void policy_forget_holder(struct policy_state *s, uint32_t holder, int64_t now_us);

/* --- budgets --- */

/* The most that a call may cost in 1e-9 USD, by the price book and at the standard tier: all of the
 * input at the dearest of what a model asks for it (fresh, cached, written to a cache), all of the
 * output likewise, at the dearest of the targets that its route has.  Not in it, so possibly
 * beyond: attempts that failed and were billed, dearer tiers, tools' fees, tokens beyond the bounds
 * that ask has, and targets without a price.  -1 = none has one: nothing is reserved, and such
 * calls are counted. default_output is for a call that sets no bound. */
int64_t policy_reservation(const struct policy_class *c, const struct policy_ask *ask,
                           int64_t default_output);
/* 1e-12 USD to 1e-9, half to even; clamped to 0 and above. */
int64_t policy_nusd(i128 pusd);

struct policy_budget_state {
    int64_t period; /* days, weeks or months since 1970, UTC */
    int64_t from_us, until_us;
    int64_t spent_nusd, reserved_nusd;
    int64_t beyond_nusd; /* what calls cost beyond what they had reserved */
    int64_t unpriced;    /* calls without a price: nothing was reserved for them */
};

size_t policy_budget_count(const struct policy *p);
/* The rule's number, and where it stands at that time. */
uint32_t policy_budget(const struct policy *p, struct policy_state *s, size_t index, int64_t now_us,
                       struct policy_budget_state *ret);
/* policy_rule()'s own: what may be spent, and in which period. */
const struct plan_budget *policy_budget_plan(const struct policy *p, size_t index);
/* The period of a moment: what policy_budget_set wants. */
int64_t policy_budget_period(const struct policy *p, size_t index, int64_t at_us);
/* What was spent in a period before this state began, from the ledger or a saved state; instead of
 * what the state has for it.  Soft thresholds below it count as told.  Ignored if the period is
 * over at now_us. */
void policy_budget_set(const struct policy *p, struct policy_state *s, size_t index, int64_t period,
                       int64_t spent_nusd, int64_t now_us);

#endif
