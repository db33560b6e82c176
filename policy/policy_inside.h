/* policy_inside - the compiled policy, for the modules that make it up. */
#ifndef POLICY_POLICY_INSIDE_H
#define POLICY_POLICY_INSIDE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "llm/provider.h"
#include "policy/keyed.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "policy/tree.h"

#define POLICY_PATTERNS_MAX 20000 /* of a policy, that need more than a look at their ends */

/* One shell pattern. */
struct policy_pattern {
    enum {
        POLICY_PATTERN_EXACT,
        POLICY_PATTERN_ANY,
        POLICY_PATTERN_BEGINS,
        POLICY_PATTERN_ENDS,
        POLICY_PATTERN_GLOB,
    } how;
    struct str text; /* without the star that makes it BEGINS or ENDS; a model's in lower case */
};
struct policy_patterns {
    struct policy_pattern *list;
    size_t len;
};

enum policy_about {
    POLICY_ABOUT_APP,
    POLICY_ABOUT_TEAM,
    POLICY_ABOUT_BUSINESS_UNIT,
    POLICY_ABOUT_ROLE,
    POLICY_ABOUTS,
};

/* Whom a rule is about: all of these must match; none given matches all. */
struct policy_caller {
    struct policy_patterns is[POLICY_ABOUTS];
};

struct policy_access {
    struct policy_caller caller;
    struct policy_patterns allow, deny;
    struct str instead;
    enum plan_mode mode;
};

struct policy_limit {
    struct policy_caller caller;
    struct policy_patterns models;
    uint64_t key;                         /* over all that it says but for the numbers */
    bool each[POLICY_ABOUTS], each_model; /* where it says '*': a bucket for each */
    uint32_t rule[PLAN_LIMITS];           /* POLICY_NONE = not limited */
    int64_t most[PLAN_LIMITS], per_us[PLAN_LIMITS];
    int64_t assume_output;
    enum plan_mode mode;
};

struct policy_budget {
    const struct plan_budget *plan;
    uint64_t key;
    uint32_t rule;
    uint32_t next; /* of the same name, POLICY_NONE = none */
    int64_t assume_output;
    enum plan_mode mode;
};

struct policy_route {
    struct policy_patterns apps, models, upstreams;
    const struct plan_route *plan;
    enum plan_mode mode;
};

struct policy {
    const struct plan *plan;
    const struct price_book *book;
    struct arena arena; /* holds all of it */
    struct policy_rule *rules;
    size_t rule_count;
    struct policy_route *routes;
    size_t route_count;
    struct policy_access *access; /* rule = access_first + index */
    size_t access_count;
    uint32_t access_first;
    struct policy_limit *limits;
    size_t limit_count;
    struct policy_budget *budgets;
    size_t budget_count;
    struct map apps;       /* name -> enum plan_mode */
    struct map budgets_by; /* "of, name" -> index of its first budget + 1; they follow */
    struct map providers;  /* upstream -> enum provider */
    struct tree *tree;     /* owned */
    size_t globs;
};

/* All but the tree: policy/policy_compile. */
int policy_compile(struct policy *p, struct err *err);
/* None match everything. */
bool policy_patterns_match(const struct policy_patterns *p, struct str text);

/* How budgets are found: map keys, in room. */
struct str policy_budget_name(enum plan_budget_of of, struct str name, struct buf *room);

/* A limit or budget that a class is under. */
struct policy_part {
    uint64_t key;
    uint32_t slot, held; /* where they were last: asked about before they are used */
    uint32_t index;      /* of policy's limits or budgets */
    enum plan_mode mode;
};

/* What comes of the access rules: of those in enforce, with those in warn, with those in observe.
 */
struct policy_access_note {
    uint32_t rule;
    enum plan_mode mode;
    enum policy_outcome outcome;
};

/* What a model costs where a call can go. */
struct policy_priced {
    enum provider provider;
    struct str model;
};

/* The dearest of them, per token, while tokens and time are within. */
struct policy_rate {
    int64_t from_us, until_us, input_from, input_until;
    int64_t input_pusd, output_pusd, request_pusd;
};
#define POLICY_RATES 2 /* remembered by a class: short and long context */

struct price_cache;

struct policy_class {
    struct policy_class_said said;
    const struct policy *policy;
    struct price_cache *prices; /* the cache's; NULL = no book */
    uint32_t denied_by;
    uint32_t beyond; /* the first rule that had no place among the claims; POLICY_NONE = none */
    enum plan_mode beyond_mode;
    struct policy_access_note notes[3];
    size_t note_count, limit_count, budget_count, priced_count;
    struct policy_part *limits, *budgets;
    struct policy_priced *priced;
    struct policy_rate *rates; /* POLICY_RATES of them; until_us 0 = free */
};

#endif
