/* policy - a plan made ready to decide by: names become numbers, patterns are tried once per kind
 * of caller, and what a decision says of a rule can be looked up by its number.
 *
 * Immutable, one per process and configuration; the plan must outlive it.  What changes is in
 * struct policy_state.  The same code decides in the proxy (real time) and in the simulator
 * (virtual time).
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/plan.h"
#include "policy/state.h"

#define POLICY_RULES_MAX   400000 /* of a plan: a limit over three things is three rules */
#define POLICY_BUDGETS_MAX 4096   /* times the periods of each */

struct policy;
struct price_book;
struct tree;

/* A place where an attempt can go: an (upstream, model) of a route, once per plan. */
struct policy_target {
    struct str upstream, model;   /* model "" = as asked */
    const struct plan_node *node; /* the first of the plan with these */
};

enum policy_rule_kind {
    POLICY_RULE_ACCESS,
    POLICY_RULE_LIMIT,
    POLICY_RULE_BUDGET,
    POLICY_RULE_ROUTE,
};

/* What a decision refers to.  The routes come first: a route's rule has its number. */
struct policy_rule {
    enum policy_rule_kind kind;
    /* "route gpt-5*", "access[2]", "limits[0].tokens", "budget team cx month" */
    struct str id;
    struct plan_place at;
    enum plan_mode mode; /* the plan's where it says nothing; OFF if the plan's is */
};

/* ERR_LIMIT: more than the documented limits, with the place.  book (NULL if there are no hard
 * budgets, else ERR_USAGE) says what a call may cost; it must outlive the policy. */
int policy_new(const struct plan *plan, const struct price_book *book, struct policy **ret,
               struct err *err);
void policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy, policy_free)

const struct plan *policy_plan(const struct policy *p);
struct tree;
const struct tree *policy_tree(const struct policy *p); /* its routes, for policy/steer */
size_t policy_target_count(const struct policy *p);
const struct policy_target *policy_target(const struct policy *p, uint32_t target);
uint32_t policy_target_find(const struct policy *p, struct str upstream, struct str model);
/* The routes, flat (policy/tree); the target functions above are its. */
const struct tree *policy_tree(const struct policy *p);
size_t policy_rule_count(const struct policy *p);
const struct policy_rule *policy_rule(const struct policy *p, uint32_t rule);
/* The model that a rule of access gives instead; "" = it refuses, or is another rule. */
struct str policy_rule_instead(const struct policy *p, uint32_t rule);

/* --- decisions: what a record keeps, and what the simulator counts --- */

enum policy_outcome {
    POLICY_ALLOWED,     /* a rule in mode observe or warn was looked at and is kept to: not noted */
    POLICY_DENIED,      /* access: not this model */
    POLICY_INSTEAD,     /* access: another model */
    POLICY_LIMITED,     /* over a limit */
    POLICY_OVER_BUDGET, /* hard stop */
    POLICY_SOFT_BUDGET, /* a soft threshold is passed */
    POLICY_FIRST,       /* route: the first target */
    POLICY_RETRY,       /* route: the same target once more */
    POLICY_FALLBACK,    /* route: another target after a failure */
    POLICY_SKIPPED,     /* route: a target that is out (breaker, cooldown, ejection) */
    POLICY_SHIFTED,     /* route: away from a slow target */
    POLICY_PROBE,       /* route: to see whether a target is back */
    POLICY_GAVE_UP,     /* route: nothing left to try */
    POLICY_OUTCOMES,
};

extern const char *const policy_outcome_names[POLICY_OUTCOMES]; /* "denied", "instead", ... */

#define POLICY_DECISIONS_MAX 32 /* of one call; more are counted, not kept */

struct policy_decision {
    uint32_t rule;       /* policy_rule() */
    uint32_t target;     /* POLICY_NONE = about none */
    enum plan_mode mode; /* in which it was made: observe = it would have */
    enum policy_outcome outcome;
    int64_t at_us;
    int64_t value, bound; /* what was looked at and its limit: count, tokens, micro-USD, µs */
};

struct policy_decisions {
    uint32_t count, dropped;
    struct policy_decision list[POLICY_DECISIONS_MAX];
};

static inline void policy_note(struct policy_decisions *d, const struct policy_decision *one)
{
    if (d->count == POLICY_DECISIONS_MAX)
        d->dropped++;
    else
        d->list[d->count++] = *one;
}

#endif
