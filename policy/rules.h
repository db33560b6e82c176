/* rules - which rules of a policy are about a caller: resolved once, then looked up.
 *
 * A struct policy_class is all that the rules say of calls that have the same application, team,
 * role, business unit, API, upstream and model.  Callers and models are few, calls are many:
 * patterns are matched when a class is made; deciding a call is then a lookup and some integers.
 *
 * Access: a rule is about a call if it is about its caller.  A model that any `deny` of these names
 * is denied; if any of them has an `allow`, so is what none of their `allow` names.  `instead`
 * turns a rule's refusal into another model, about which that rule has no say and all others have;
 * a refusal without it wins.  The rules in enforce are taken by themselves, then with those in
 * warn, then with those in observe: what comes of the latter is only noted.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "policy/keyed.h"
#include "policy/policy.h"

/* Of a cache; beyond, those not asked for longest are given up. */
#define POLICY_CLASSES_MAX 16384
#define POLICY_CALLERS_MAX 4096
/* A subject longer than this in all is resolved anew each time. */
#define POLICY_SUBJECT_BYTES_MAX 2048

struct policy_subject {
    struct str app, team, business_unit, role; /* "" = not known */
    struct str api;                            /* the upstream's API family: "openai", ... */
    struct str model;                          /* as asked for; "" = not known */
    struct str upstream;                       /* where the caller asked to go; "" = anywhere */
};

struct policy_class; /* opaque but for these */

/* Private: what a class begins with. */
struct policy_class_said {
    struct keyed head;
    enum plan_mode mode, route_mode;
    uint32_t route;
    bool counts_tokens, denied;
    struct str model;
};
static inline const struct policy_class_said *policy_class_said(const struct policy_class *c)
{
    return (const struct policy_class_said *)(const void *)c;
}

/* Of its application as a whole. */
static inline enum plan_mode policy_class_mode(const struct policy_class *c)
{
    return policy_class_said(c)->mode;
}
/* The route it takes, POLICY_NONE = none: the call goes where it asked to. */
static inline uint32_t policy_class_route(const struct policy_class *c)
{
    return policy_class_said(c)->route;
}
static inline enum plan_mode policy_class_route_mode(const struct policy_class *c)
{
    return policy_class_route(c) == POLICY_NONE ? PLAN_MODE_OFF : policy_class_said(c)->route_mode;
}
/* The model to ask for instead because of access in mode enforce; "" = as asked. */
static inline struct str policy_class_model(const struct policy_class *c)
{
    return policy_class_said(c)->denied ? STR("") : policy_class_said(c)->model;
}
/* Whether admission needs to know how many tokens a call may use (token limits, budgets). */
static inline bool policy_class_counts_tokens(const struct policy_class *c)
{
    return policy_class_said(c)->counts_tokens;
}

struct policy_cache;
struct policy_cache *policy_cache_new(const struct policy *p);
void policy_cache_free(struct policy_cache *c);
DEFINE_CLEANUP(struct policy_cache, policy_cache_free)
/* Valid until the next call of it, however long the cache holds it: take a reference by
 * policy_class_ref to keep it over a call under way, also past the cache's own end.  Names are
 * compared without case: Azure's deployments have none. */
const struct policy_class *policy_resolve(struct policy_cache *c, const struct policy_subject *s);
const struct policy_class *policy_class_ref(const struct policy_class *c);
void policy_class_unref(const struct policy_class *c);

#endif
