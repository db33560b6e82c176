#include "config.h"

#include "policy/admit.h"

#include <assert.h>

#include "policy/admit_parts.h"

#define MICRO 1000000

/* One call at the door. */
struct door {
    const struct policy *p;
    struct policy_state *s;
    const struct policy_class *c;
    const struct policy_ask *ask;
    struct policy_claims *claims;
    struct policy_decisions *notes;
    struct policy_admission *ret;
    struct limit_want wants[POLICY_CLAIMS_MAX]; /* what each claim on a limit takes */
    bool unpriced[POLICY_CLAIMS_MAX];           /* of a claim on a budget */
};

static void note(struct door *d, uint32_t rule, enum plan_mode mode, enum policy_outcome outcome,
                 int64_t value_and_bound[2])
{
    struct policy_decision one = {
        .rule = rule,
        .target = POLICY_NONE,
        .mode = mode,
        .outcome = outcome,
        .at_us = d->ask->now_us,
        .value = value_and_bound ? value_and_bound[0] : 0,
        .bound = value_and_bound ? value_and_bound[1] : 0,
    };

    policy_note(d->notes, &one);
    if (mode == PLAN_MODE_WARN)
        d->ret->warn = true;
}

/* The first one stands, but for what must not be tried again. */
static void refuse(struct door *d, uint32_t rule, enum policy_verdict verdict)
{
    if (d->ret->verdict != POLICY_GO)
        return;
    d->ret->verdict = verdict;
    d->ret->rule = rule;
}

/* Where the slot was, if it still is. */
static uint32_t slot_of(struct door *d, enum policy_slot_kind kind, struct policy_part *part)
{
    if (!policy_state_is(d->s, part->slot, kind, part->key))
        part->slot = policy_state_slot(d->s, kind, part->key, d->ask->now_us);
    return part->slot;
}

static struct policy_claim *add_claim(struct door *d, uint32_t slot, uint32_t rule)
{
    assert(d->claims->count < POLICY_CLAIMS_MAX);
    struct policy_claim *claim = &d->claims->list[d->claims->count++];
    *claim = (struct policy_claim){
        .key = policy_state_key(d->s, slot),
        .slot = slot,
        .held = POLICY_NONE,
        .rule = rule,
        .tokens = -1,
    };
    return claim;
}

/* --- access --- */

static void ask_access(struct door *d)
{
    for (size_t i = 0; i < d->c->note_count; i++) {
        const struct policy_access_note *n = &d->c->notes[i];
        note(d, n->rule, n->mode, n->outcome, NULL);
    }
    if (d->c->said.denied)
        refuse(d, d->c->denied_by, POLICY_NO_ACCESS);
}

/* --- budgets --- */

static void tell_soft(struct door *d, uint32_t slot, const struct policy_budget *b,
                      enum plan_mode mode)
{
    bool passed = false;
    int64_t spent, share;

    while ((share = budget_next_soft(d->s, slot, b, &passed, &spent)) > 0)
        note(d, b->rule, mode, POLICY_SOFT_BUDGET,
             (int64_t[]){ micro_of(spent),
                          micro_of((int64_t)((i128)b->plan->nusd * share / MICRO)) });
    if (passed && mode >= PLAN_MODE_WARN)
        d->ret->warn = true;
}

static void ask_budget(struct door *d, struct policy_part *part, int64_t nusd)
{
    const struct policy_budget *b = &d->p->budgets[part->index];
    uint32_t slot = slot_of(d, POLICY_SLOT_BUDGET, part);
    struct budget_answer answer;

    budget_look(d->s, slot, b, nusd, d->ask->now_us, &answer);
    if (answer.refused) {
        note(d, b->rule, part->mode, POLICY_OVER_BUDGET,
             (int64_t[]){ micro_of(answer.value_nusd), micro_of(b->plan->nusd) });
        if (part->mode == PLAN_MODE_ENFORCE)
            refuse(d, b->rule, POLICY_NO_BUDGET);
    }
    tell_soft(d, slot, b, part->mode);
    d->unpriced[d->claims->count] = nusd < 0;
    struct policy_claim *claim = add_claim(d, slot, b->rule);
    claim->is_budget = true;
    claim->held = part->held;
    claim->nusd = nusd > 0 ? nusd : 0;
    claim->period = answer.period;
}

static void ask_budgets(struct door *d)
{
    int64_t assumed = -1, nusd = -1;

    for (size_t i = 0; i < d->c->budget_count; i++) {
        struct policy_part *part = &d->c->budgets[i];
        int64_t output = d->p->budgets[part->index].assume_output;
        if (output != assumed)
            nusd = policy_reservation(d->c, d->ask, output);
        assumed = output;
        ask_budget(d, part, nusd);
    }
}

/* --- limits --- */

/* A call for more tokens than a bucket holds fits into an empty one, or it never would; what it
 * used is taken in full when it is settled. */
static int64_t tokens_of(const struct door *d, const struct policy_limit *l)
{
    int64_t input = d->ask->input_tokens > 0 ? d->ask->input_tokens : d->p->plan->assume_input;
    int64_t output = d->ask->output_tokens > 0 ? d->ask->output_tokens : l->assume_output;
    int64_t most = l->most[PLAN_LIMIT_TOKENS];

    return input > most || output > most - input ? most : input + output;
}

static bool answer_limit(struct door *d, const struct policy_part *part,
                         const struct limit_answer *answer)
{
    static const enum policy_verdict verdicts[PLAN_LIMITS] = {
        [PLAN_LIMIT_REQUESTS] = POLICY_NO_LIMIT,
        [PLAN_LIMIT_TOKENS] = POLICY_NO_LIMIT,
        [PLAN_LIMIT_CONCURRENT] = POLICY_NO_CONCURRENCY,
    };
    const struct policy_limit *l = &d->p->limits[part->index];
    bool refused = false;

    for (int i = 0; i < PLAN_LIMITS; i++) {
        if (!answer->refused[i])
            continue;
        refused = true;
        note(d, l->rule[i], part->mode, POLICY_LIMITED,
             (int64_t[]){ answer->value[i], l->most[i] });
        if (part->mode == PLAN_MODE_ENFORCE)
            refuse(d, l->rule[i], verdicts[i]);
    }
    if (refused && part->mode == PLAN_MODE_ENFORCE && answer->wait_us > d->ret->retry_after_us)
        d->ret->retry_after_us = answer->wait_us;
    return !refused;
}

static void ask_limit(struct door *d, struct policy_part *part)
{
    const struct policy_limit *l = &d->p->limits[part->index];
    uint32_t slot = slot_of(d, POLICY_SLOT_LIMIT, part);
    struct limit_want want = {
        .n = {[PLAN_LIMIT_REQUESTS] = 1, [PLAN_LIMIT_CONCURRENT] = 1}
    };
    struct limit_answer answer;
    uint32_t rule = POLICY_NONE;

    for (int i = 0; i < PLAN_LIMITS; i++) {
        if (l->rule[i] == POLICY_NONE)
            want.n[i] = 0;
        else if (rule == POLICY_NONE)
            rule = l->rule[i];
    }
    if (l->rule[PLAN_LIMIT_TOKENS] != POLICY_NONE)
        want.n[PLAN_LIMIT_TOKENS] = tokens_of(d, l);
    limit_look(d->s, slot, l, &want, d->ask->now_us, &answer);
    if (!answer_limit(d, part, &answer))
        return;
    d->wants[d->claims->count] = want;
    struct policy_claim *claim = add_claim(d, slot, rule);
    if (l->rule[PLAN_LIMIT_TOKENS] != POLICY_NONE)
        claim->tokens = want.n[PLAN_LIMIT_TOKENS];
}

/* --- all of it --- */

static void ask_beyond(struct door *d)
{
    if (d->c->beyond == POLICY_NONE)
        return;
    note(d, d->c->beyond, d->c->beyond_mode, POLICY_LIMITED,
         (int64_t[]){ POLICY_CLAIMS_MAX + 1, POLICY_CLAIMS_MAX });
    if (d->c->beyond_mode == PLAN_MODE_ENFORCE)
        refuse(d, d->c->beyond, POLICY_NO_LIMIT);
}

static void take(struct door *d)
{
    for (uint32_t i = 0; i < d->claims->count; i++) {
        struct policy_claim *claim = &d->claims->list[i];
        if (!claim->is_budget) {
            claim->is_held =
                limit_take(d->s, claim->slot, &d->wants[i], d->ask->holder, d->ask->now_us);
            continue;
        }
        budget_take(d->s, claim, d->ask->holder, d->unpriced[i], d->ask->now_us);
        /* Budgets are asked first, so claims on them are in the class's order. */
        d->c->budgets[i].held = claim->held;
    }
}

void policy_admit(const struct policy *p, struct policy_state *s, const struct policy_class *c,
                  const struct policy_ask *ask, struct policy_claims *ret_claims,
                  struct policy_decisions *notes, struct policy_admission *ret)
{
    struct door d; /* not zeroed: what claims take is set with each */

    assert(ask->holder < POLICY_HOLDERS_MAX && c->policy == p);
    d.p = p, d.s = s, d.c = c, d.ask = ask;
    d.claims = ret_claims, d.notes = notes, d.ret = ret;
    *ret = (struct policy_admission){ .verdict = POLICY_GO, .rule = POLICY_NONE };
    ret_claims->count = 0;
    ret_claims->holder = ask->holder;
    ask_access(&d);
    if (ret->verdict == POLICY_GO) {
        ask_beyond(&d);
        ask_budgets(&d);
        for (size_t i = 0; i < c->limit_count; i++)
            ask_limit(&d, &c->limits[i]);
    }
    if (ret->verdict == POLICY_NO_BUDGET)
        ret->retry_after_us = 0;
    if (ret->verdict == POLICY_GO)
        take(&d);
    else
        ret_claims->count = 0;
}

static void settle_limit(struct policy_state *s, const struct policy_claim *claim, int64_t tokens,
                         uint32_t holder, int64_t now_us)
{
    if (claim->is_held)
        limit_release(s, claim->slot, holder, now_us);
    if (tokens >= 0 && claim->tokens >= 0 && tokens != claim->tokens)
        limit_correct(s, claim->slot, tokens - claim->tokens, now_us);
}

void policy_settle(const struct policy *p, struct policy_state *s, struct policy_claims *claims,
                   const struct policy_used *used, int64_t now_us)
{
    (void)p;
    for (uint32_t i = 0; i < claims->count; i++) {
        const struct policy_claim *claim = &claims->list[i];
        enum policy_slot_kind kind = claim->is_budget ? POLICY_SLOT_BUDGET : POLICY_SLOT_LIMIT;
        /* Given up since: it was as good as new, or its period is over. */
        if (!policy_state_is(s, claim->slot, kind, claim->key))
            continue;
        if (claim->is_budget)
            budget_settle(s, claim, used->nusd, claims->holder);
        else
            settle_limit(s, claim, used->tokens, claims->holder, now_us);
    }
    claims->count = 0;
}

void policy_forget_holder(struct policy_state *s, uint32_t holder, int64_t now_us)
{
    uint32_t slot = POLICY_NONE;

    assert(holder < POLICY_HOLDERS_MAX);
    while ((slot = policy_state_next(s, POLICY_SLOT_LIMIT, slot)) != POLICY_NONE)
        limit_forget(s, slot, holder, now_us);
    while ((slot = policy_state_next(s, POLICY_SLOT_HELD, slot)) != POLICY_NONE)
        budget_forget(s, slot, holder);
}
