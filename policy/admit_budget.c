/* Books of budgets: one slot has the current period and the one before, to which calls that began
 * in it still belong.  What one process has reserved is in a HELD slot beside it. */
#include "config.h"

#include <assert.h>

#include "base/timestamp.h"
#include "policy/admit_parts.h"

struct book {
    int64_t period;
    int64_t spent, reserved, beyond; /* 1e-9 USD */
    int64_t unpriced;                /* calls */
    int64_t told;                    /* the highest soft threshold that was told, in millionths */
};
struct books {
    int64_t from_us, until_us; /* of now */
    struct book now, before;
};

static_assert(sizeof(struct books) <= POLICY_SLOT_DATA_BYTES, "a slot holds it");

struct held {
    uint64_t budget; /* its key */
    int64_t period, reserved;
    int64_t before; /* what is reserved in the period before */
    uint32_t holder;
};

static_assert(sizeof(struct held) <= POLICY_SLOT_DATA_BYTES, "a slot holds it");

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

/* --- periods --- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* 1970-01-01 was a Thursday: the week that began before it is number 0. */
#define WEEK_SHIFT 3

static int64_t period_at(enum plan_budget_per per, int64_t at_us)
{
    int64_t day = floor_div(at_us, US_PER_DAY);

    if (per == PLAN_BUDGET_DAY)
        return day;
    if (per == PLAN_BUDGET_WEEK)
        return floor_div(day + WEEK_SHIFT, 7);
    struct civil c = civil_from_us(at_us);
    return (c.year - 1970) * INT64_C(12) + c.month - 1;
}

static int64_t begin_of(enum plan_budget_per per, int64_t period)
{
    if (per == PLAN_BUDGET_DAY)
        return period * US_PER_DAY;
    if (per == PLAN_BUDGET_WEEK)
        return (period * 7 - WEEK_SHIFT) * US_PER_DAY;
    int64_t year = floor_div(period, 12);
    return civil_to_us((struct civil){
        .year = (int)(1970 + year), .month = (int)(period - year * 12) + 1, .day = 1 });
}

/* A clock that goes back across a border finds the period it belongs to, if it is not long over. */
static void turn(struct policy_state *s, uint32_t slot, enum plan_budget_per per, int64_t now_us)
{
    struct books *b = policy_state_at(s, slot);

    if (now_us < b->until_us)
        return;
    int64_t period = period_at(per, now_us);
    if (b->until_us)
        b->before = b->now.period == period - 1 ? b->now : (struct book){ .period = period - 1 };
    else
        b->before = (struct book){ .period = period - 1 };
    b->now = (struct book){ .period = period };
    b->from_us = begin_of(per, period);
    b->until_us = begin_of(per, period + 1);
    policy_state_keep(s, slot, b->until_us + (b->until_us - b->from_us));
}

static struct book *book_of(struct books *b, int64_t period)
{
    if (b->now.period == period)
        return &b->now;
    return b->before.period == period ? &b->before : NULL;
}

static struct book *book_at(struct books *b, int64_t now_us)
{
    return now_us < b->from_us && b->before.period == b->now.period - 1 ? &b->before : &b->now;
}

/* --- admission --- */

void budget_look(struct policy_state *s, uint32_t slot, const struct policy_budget *b, int64_t nusd,
                 int64_t now_us, struct budget_answer *ret)
{
    turn(s, slot, b->plan->per, now_us);
    const struct book *k = book_at(policy_state_at(s, slot), now_us);
    int64_t used = add(k->spent, k->reserved);
    *ret =
        (struct budget_answer){ .period = k->period, .value_nusd = add(used, nusd > 0 ? nusd : 0) };
    ret->refused = b->plan->hard && (ret->value_nusd > b->plan->nusd || used >= b->plan->nusd);
}

int64_t budget_next_soft(struct policy_state *s, uint32_t slot, const struct policy_budget *b,
                         bool *ret_passed, int64_t *ret_spent_nusd)
{
    struct books *books = policy_state_at(s, slot);
    struct book *k = &books->now;
    i128 spent = (i128)k->spent * 1000000;

    *ret_spent_nusd = k->spent;
    for (size_t i = 0; i < b->plan->alert_at_len; i++) {
        int64_t share = b->plan->alert_at[i];
        if (spent < (i128)b->plan->nusd * share)
            return 0;
        *ret_passed = true;
        if (share <= k->told)
            continue;
        k->told = share;
        return share;
    }
    return 0;
}

/* A budget's key is spread over all bits already. */
static uint64_t held_key(uint64_t budget, uint32_t holder)
{
    return budget ^ (holder + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Best effort: without it a holder's death leaves what it had reserved in the book until the period
 * ends, where it counts as much. */
static void hold(struct policy_state *s, struct policy_claim *claim, uint32_t holder,
                 int64_t now_us)
{
    const struct books *books = policy_state_at(s, claim->slot);
    uint64_t budget = claim->key, key = held_key(budget, holder);

    if (!policy_state_is(s, claim->held, POLICY_SLOT_HELD, key))
        claim->held = policy_state_own_slot(s, POLICY_SLOT_HELD, key, now_us);
    if (claim->held == POLICY_NONE)
        return;
    struct held *h = policy_state_at(s, claim->held);
    if (h->budget != budget)
        *h = (struct held){ .budget = budget, .holder = holder, .period = claim->period };
    if (h->period < claim->period) {
        h->before = h->period == claim->period - 1 ? h->reserved : 0;
        h->reserved = 0;
        h->period = claim->period;
    }
    if (h->period == claim->period)
        h->reserved = add(h->reserved, claim->nusd);
    else if (h->period == claim->period + 1)
        h->before = add(h->before, claim->nusd);
    policy_state_keep(s, claim->held, books->until_us + (books->until_us - books->from_us));
}

void budget_take(struct policy_state *s, struct policy_claim *claim, uint32_t holder, bool unpriced,
                 int64_t now_us)
{
    struct book *k = book_of(policy_state_at(s, claim->slot), claim->period);

    if (!k)
        return;
    k->unpriced += unpriced;
    if (!claim->nusd)
        return;
    k->reserved = add(k->reserved, claim->nusd);
    hold(s, claim, holder, now_us);
}

static void unhold(struct policy_state *s, const struct policy_claim *claim, uint32_t holder)
{
    if (!policy_state_is(s, claim->held, POLICY_SLOT_HELD, held_key(claim->key, holder)))
        return;
    struct held *h = policy_state_at(s, claim->held);
    int64_t *from = h->period == claim->period       ? &h->reserved
                    : h->period == claim->period + 1 ? &h->before
                                                     : NULL;
    if (from)
        *from = *from > claim->nusd ? *from - claim->nusd : 0;
}

void budget_settle(struct policy_state *s, const struct policy_claim *claim, int64_t nusd,
                   uint32_t holder)
{
    if (claim->nusd)
        unhold(s, claim, holder);
    struct book *k = book_of(policy_state_at(s, claim->slot), claim->period);
    if (!k)
        return;
    if (nusd < 0)
        nusd = claim->nusd;
    k->reserved = k->reserved > claim->nusd ? k->reserved - claim->nusd : 0;
    k->spent = add(k->spent, nusd);
    if (nusd > claim->nusd)
        k->beyond = add(k->beyond, nusd - claim->nusd);
}

static void spend_reserved(struct book *k, int64_t nusd)
{
    if (!k)
        return;
    if (nusd > k->reserved)
        nusd = k->reserved;
    k->reserved -= nusd;
    k->spent = add(k->spent, nusd);
}

void budget_forget(struct policy_state *s, uint32_t held, uint32_t holder)
{
    struct held *h = policy_state_at(s, held);

    if (h->holder != holder)
        return;
    uint32_t slot = policy_state_find(s, POLICY_SLOT_BUDGET, h->budget);
    if (slot != POLICY_NONE) {
        struct books *books = policy_state_at(s, slot);
        spend_reserved(book_of(books, h->period), h->reserved);
        spend_reserved(book_of(books, h->period - 1), h->before);
    }
    policy_state_drop(s, held);
}

/* --- to be shown and set --- */

size_t policy_budget_count(const struct policy *p)
{
    return p->budget_count;
}

const struct plan_budget *policy_budget_plan(const struct policy *p, size_t index)
{
    assert(index < p->budget_count);
    return p->budgets[index].plan;
}

int64_t policy_budget_period(const struct policy *p, size_t index, int64_t at_us)
{
    return period_at(policy_budget_plan(p, index)->per, at_us);
}

static struct books *books_of(const struct policy *p, struct policy_state *s, size_t index,
                              int64_t now_us)
{
    const struct policy_budget *b = &p->budgets[index];
    uint32_t slot = policy_state_slot(s, POLICY_SLOT_BUDGET, b->key, now_us);

    turn(s, slot, b->plan->per, now_us);
    return policy_state_at(s, slot);
}

uint32_t policy_budget(const struct policy *p, struct policy_state *s, size_t index, int64_t now_us,
                       struct policy_budget_state *ret)
{
    assert(index < p->budget_count);
    const struct books *books = books_of(p, s, index, now_us);
    *ret = (struct policy_budget_state){
        .period = books->now.period,
        .from_us = books->from_us,
        .until_us = books->until_us,
        .spent_nusd = books->now.spent,
        .reserved_nusd = books->now.reserved,
        .beyond_nusd = books->now.beyond,
        .unpriced = books->now.unpriced,
    };
    return p->budgets[index].rule;
}

void policy_budget_set(const struct policy *p, struct policy_state *s, size_t index, int64_t period,
                       int64_t spent_nusd, int64_t now_us)
{
    assert(index < p->budget_count);
    struct book *k = book_of(books_of(p, s, index, now_us), period);
    const struct plan_budget *plan = p->budgets[index].plan;

    if (!k)
        return;
    k->spent = spent_nusd > 0 ? spent_nusd : 0;
    for (size_t i = 0; i < plan->alert_at_len; i++)
        if ((i128)k->spent * 1000000 >= (i128)plan->nusd * plan->alert_at[i] &&
            plan->alert_at[i] > k->told)
            k->told = plan->alert_at[i];
}
