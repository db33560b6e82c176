/* admit_parts - the counters of limits and the books of budgets, for policy/admit. */
#ifndef POLICY_ADMIT_PARTS_H
#define POLICY_ADMIT_PARTS_H

#include "policy/admit.h"
#include "policy/policy_inside.h"

/* --- limits --- */

/* What a call wants of a limit, by enum plan_limited. */
struct limit_want {
    int64_t n[PLAN_LIMITS];
};
struct limit_answer {
    bool refused[PLAN_LIMITS];
    int64_t value[PLAN_LIMITS]; /* with this call */
    int64_t wait_us;            /* until nothing is refused; 0 = not known */
};

/* Whether the limit has room at that moment, in the slot it has. */
void limit_look(struct policy_state *s, uint32_t slot, const struct policy_limit *l,
                const struct limit_want *want, int64_t now_us, struct limit_answer *ret);
/* Takes it, behind limit_look at the same moment.  False if the holder's count is full. */
bool limit_take(struct policy_state *s, uint32_t slot, const struct limit_want *want,
                uint32_t holder, int64_t now_us);
/* More (or with a minus, fewer) tokens than were taken. */
void limit_correct(struct policy_state *s, uint32_t slot, int64_t tokens, int64_t now_us);
void limit_release(struct policy_state *s, uint32_t slot, uint32_t holder, int64_t now_us);
/* All that it has under way. */
void limit_forget(struct policy_state *s, uint32_t slot, uint32_t holder, int64_t now_us);

/* --- budgets --- */

struct budget_answer {
    bool refused;
    int64_t period;
    int64_t value_nusd; /* with this call */
};

/* Begins a new period if it is time. */
void budget_look(struct policy_state *s, uint32_t slot, const struct policy_budget *b, int64_t nusd,
                 int64_t now_us, struct budget_answer *ret);
/* The next soft threshold that is passed and was not told, in millionths, and what is spent; 0 =
 * none.  *ret_passed: any at all. */
int64_t budget_next_soft(struct policy_state *s, uint32_t slot, const struct policy_budget *b,
                         bool *ret_passed, int64_t *ret_spent_nusd);
/* Behind budget_look at the same moment. */
void budget_take(struct policy_state *s, struct policy_claim *claim, uint32_t holder, bool unpriced,
                 int64_t now_us);
void budget_settle(struct policy_state *s, const struct policy_claim *claim, int64_t nusd,
                   uint32_t holder);
/* A HELD slot, whose holder has died; drops it if it is that holder's. */
void budget_forget(struct policy_state *s, uint32_t held, uint32_t holder);

/* In micro-USD, for notes. */
static inline int64_t micro_of(int64_t nusd)
{
    return nusd / 1000;
}

#endif
