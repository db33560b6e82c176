/* admit - may this call be made: access, limits, budgets; and what it took, given back or settled.
 *
 * Limits are token buckets (GCRA) per rule and per what it is about: a limit over app '*' is one
 * bucket for each application.  Budgets reserve before the call what it may cost at most, and
 * settle what it did cost: calls at the same time cannot overspend together.  What a call may cost
 * is a bound, stated by policy_reservation: input tokens at most one per byte of the body... the
 * way it is computed is written there; the overspend beyond a budget is at most the sum of what
 * calls cost beyond their reservation, and that is counted (POLICY_BUDGET state `beyond`).
 */
#ifndef POLICY_ADMIT_H
#define POLICY_ADMIT_H

#include "base/decimal.h"
#include "policy/rules.h"

#define POLICY_CLAIMS_MAX 24 /* limits and budgets that one call may be under */

struct policy_ask {
    int64_t now_us;       /* Unix time in µs: budgets end with the month, in UTC */
    int64_t input_tokens; /* at most; 0 = not known: the rule's own default holds */
    int64_t output_tokens;
    uint32_t holder; /* who holds what is taken, below POLICY_HOLDERS_MAX */
};

/* What a call has taken.  Zeroed = nothing. */
struct policy_claim {
    uint32_t slot;
    uint32_t rule;
    int64_t tokens;    /* of a token limit */
    int64_t micro_usd; /* reserved of a budget */
    int64_t month;     /* of a budget: months since 1970 */
};
struct policy_claims {
    struct policy_claim list[POLICY_CLAIMS_MAX];
    uint32_t count, holder;
};

enum policy_verdict {
    POLICY_GO,
    POLICY_NO_ACCESS,      /* -> 403 */
    POLICY_NO_LIMIT,       /* -> 429 with retry_after_us */
    POLICY_NO_CONCURRENCY, /* -> 429 */
    POLICY_NO_BUDGET,      /* -> 429 insufficient_quota (SDKs must not retry) */
};

struct policy_admission {
    enum policy_verdict verdict;
    uint32_t rule;          /* that refused */
    int64_t retry_after_us; /* 0 = not said */
    bool warn; /* a rule in mode warn would have refused, or a soft threshold is passed */
};

/* All or nothing: a refused call takes nothing.  Rules in observe and warn are counted the same way
 * and noted, and never refuse. */
void policy_admit(const struct policy *p, struct policy_state *s, const struct policy_class *c,
                  const struct policy_ask *ask, struct policy_claims *ret_claims,
                  struct policy_decisions *notes, struct policy_admission *ret);
/* The call is over.  Tokens and cost are what it used; -1 = not known: what was reserved is taken
 * for used.  Releases what is held. */
void policy_settle(const struct policy *p, struct policy_state *s, struct policy_claims *claims,
                   int64_t tokens, int64_t micro_usd, int64_t now_us);
/* A process has died: gives back what it held.  Reserved money is taken for spent. */
void policy_forget_holder(struct policy_state *s, uint32_t holder, int64_t now_us);

/* --- budgets --- */

struct policy_budget_state {
    int64_t month; /* months since 1970, UTC */
    int64_t spent_micro_usd, reserved_micro_usd;
    int64_t beyond_micro_usd; /* what calls cost beyond what they had reserved */
};

size_t policy_budget_count(const struct policy *p);
/* The rule's number, and where it stands at that time. */
uint32_t policy_budget(const struct policy *p, struct policy_state *s, size_t index, int64_t now_us,
                       struct policy_budget_state *ret);
/* What was spent before this state began, from the ledger or a saved state. */
void policy_budget_set(const struct policy *p, struct policy_state *s, size_t index, int64_t month,
                       int64_t spent_micro_usd);

#endif
