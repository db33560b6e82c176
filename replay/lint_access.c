/* Rules of access that give another model: does whom they give it to get it?  Asked of the policy
 * itself, for a caller that such a rule is about. */
#include "config.h"

#include <stdlib.h>

#include "base/buf.h"
#include "policy/admit.h"
#include "replay/lint.h"

#define CHECKED_MAX 200 /* each of them looks at all rules once */
#define STATE_SLOTS 1024

/* A name that the first of the patterns matches, or "" if there is none or it is no simple one. */
static struct str example_of(const struct plan_names *names, struct arena *arena)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    for (size_t i = 0; names->len && i < names->list[0].len; i++) {
        char c = names->list[0].ptr[i];
        if (c == '[' || c == '\\')
            return STR("");
        if (c != '*')
            buf_add_byte(&out, c == '?' ? 'x' : c);
    }
    return arena_str(arena, buf_str(&out));
}

/* What is said of the model that it gives. */
static void check_instead(struct lint *l, const struct policy *p, const struct plan_access *a,
                          struct policy_state *state)
{
    CLEANUP(policy_cache_free) struct policy_cache *cache = policy_cache_new(p);
    struct policy_subject subject = { .app = example_of(&a->apps, &l->arena),
                                      .team = example_of(&a->teams, &l->arena),
                                      .role = example_of(&a->roles, &l->arena),
                                      .business_unit = example_of(&a->business_units, &l->arena),
                                      .model = a->instead };
    const struct policy_ask ask = { .now_us = 1 };
    struct policy_claims claims = { 0 };
    struct policy_decisions notes = { 0 };
    struct policy_admission said;

    policy_admit(p, state, policy_resolve(cache, &subject), &ask, &claims, &notes, &said);
    for (uint32_t i = 0; i < notes.count; i++) {
        const struct policy_rule *r = policy_rule(p, notes.list[i].rule);
        if (notes.list[i].outcome != POLICY_DENIED || r->kind != POLICY_RULE_ACCESS)
            continue;
        if (policy_rule_instead(p, notes.list[i].rule).len)
            lint_find(l, LINT_INSTEAD_REFUSED, a->at,
                      "'%.*s', given instead, leads in a circle of such rules: nothing is left",
                      STR_ARG(a->instead));
        else
            lint_find(l, LINT_INSTEAD_REFUSED, a->at,
                      "'%.*s', given instead, is refused by %.*s (%.*s:%u:%u)", STR_ARG(a->instead),
                      STR_ARG(r->id), STR_ARG(r->at.file), r->at.line, r->at.column);
        return;
    }
}

void lint_check_access(struct lint *l, const struct plan *p)
{
    CLEANUP(policy_free) struct policy *policy = NULL;
    struct plan access_alone = *p;
    struct policy_state *state;
    struct err ignored; /* lint_compile tells it */
    int checked = 0;

    access_alone.budgets = NULL;
    access_alone.limits = NULL;
    if (!p->access || policy_new(&access_alone, NULL, &policy, &ignored) < 0)
        return;
    state = policy_state_new(STATE_SLOTS);
    for (const struct plan_access *a = p->access; a && checked < CHECKED_MAX; a = a->next)
        if (a->instead.len && ++checked)
            check_instead(l, policy, a, state);
    free(state);
}
