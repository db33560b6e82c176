#include "config.h"

#include "policy/policy.h"

#include <assert.h>
#include <stdlib.h>

#include "policy/policy_inside.h"

const char *const policy_outcome_names[POLICY_OUTCOMES] = {
    [POLICY_ALLOWED] = "allowed",
    [POLICY_DENIED] = "denied",
    [POLICY_INSTEAD] = "instead",
    [POLICY_LIMITED] = "limited",
    [POLICY_OVER_BUDGET] = "over_budget",
    [POLICY_SOFT_BUDGET] = "soft_budget",
    [POLICY_FIRST] = "first",
    [POLICY_RETRY] = "retry",
    [POLICY_FALLBACK] = "fallback",
    [POLICY_SKIPPED] = "skipped",
    [POLICY_SHIFTED] = "shifted",
    [POLICY_PROBE] = "probe",
    [POLICY_GAVE_UP] = "gave_up",
};

int policy_new(const struct plan *plan, const struct price_book *book, struct policy **ret,
               struct err *err)
{
    CLEANUP(policy_free) struct policy *p = mem_calloc(1, sizeof(*p));

    p->plan = plan;
    p->book = book;
    if (tree_new(plan, &p->tree, err) < 0 || policy_compile(p, err) < 0)
        return -1;
    *ret = TAKE(p);
    return 0;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    tree_free(p->tree);
    map_release(&p->apps);
    map_release(&p->budgets_by);
    map_release(&p->providers);
    arena_release(&p->arena);
    free(p);
}

const struct plan *policy_plan(const struct policy *p)
{
    return p->plan;
}

const struct tree *policy_tree(const struct policy *p)
{
    return p->tree;
}

size_t policy_target_count(const struct policy *p)
{
    return tree_target_count(p->tree);
}

const struct policy_target *policy_target(const struct policy *p, uint32_t target)
{
    return tree_target(p->tree, target);
}

uint32_t policy_target_find(const struct policy *p, struct str upstream, struct str model)
{
    return tree_target_find(p->tree, upstream, model);
}

size_t policy_rule_count(const struct policy *p)
{
    return p->rule_count;
}

const struct policy_rule *policy_rule(const struct policy *p, uint32_t rule)
{
    assert(rule < p->rule_count);
    return &p->rules[rule];
}

struct str policy_rule_instead(const struct policy *p, uint32_t rule)
{
    if (rule < p->access_first || rule - p->access_first >= p->access_count)
        return STR("");
    return p->access[rule - p->access_first].instead;
}
