#include "config.h"

#include "policy/rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "llm/price.h"
#include "policy/admit.h"
#include "policy/policy_inside.h"

#define INSTEAD_MAX      8           /* steps from model to model */
#define PRICED_MAX       64          /* targets of a route of weir's own */
#define RECENT           32          /* classes found without looking for them */
#define CALLER_BYTES_MAX (64u << 20) /* of what is remembered of all callers */

/* What is about a caller, whatever the model: numbers of rules of each kind. */
struct numbers {
    uint32_t *list;
    size_t len;
};
struct caller {
    struct keyed head;
    enum plan_mode mode; /* the application's own */
    struct numbers access, limits, routes, budgets;
};

struct policy_cache {
    const struct policy *policy;
    struct price_cache *prices;
    struct keyed_table *classes, *callers;
    struct keyed *lone_class, *lone_caller; /* of a subject too long to be remembered */
    struct policy_class *recent[RECENT];    /* references */
    struct buf key, model;
    VEC(uint32_t) found[4]; /* scratch: access, limits, routes, budgets */
};

struct policy_cache *policy_cache_new(const struct policy *p)
{
    struct policy_cache *c = mem_calloc(1, sizeof(*c));
    size_t rules = p->rule_count + sizeof(struct caller) / sizeof(uint32_t);
    size_t callers = CALLER_BYTES_MAX / sizeof(uint32_t) / rules;

    c->policy = p;
    if (p->book)
        c->prices = price_cache_new(p->book);
    c->classes = keyed_new(POLICY_CLASSES_MAX);
    c->callers = keyed_new(callers < 4                    ? 4
                           : callers > POLICY_CALLERS_MAX ? POLICY_CALLERS_MAX
                                                          : callers);
    return c;
}

void policy_cache_free(struct policy_cache *c)
{
    if (!c)
        return;
    if (c->lone_class)
        keyed_unref(c->lone_class);
    if (c->lone_caller)
        keyed_unref(c->lone_caller);
    for (size_t i = 0; i < RECENT; i++)
        policy_class_unref(c->recent[i]);
    keyed_free(c->classes);
    keyed_free(c->callers);
    price_cache_free(c->prices);
    buf_release(&c->key);
    buf_release(&c->model);
    for (size_t i = 0; i < ARRAY_LEN(c->found); i++)
        vec_release(&c->found[i]);
    free(c);
}

/* --- callers --- */

static struct str about_of(const struct policy_subject *s, enum policy_about about)
{
    const struct str of[POLICY_ABOUTS] = {
        [POLICY_ABOUT_APP] = s->app,
        [POLICY_ABOUT_TEAM] = s->team,
        [POLICY_ABOUT_BUSINESS_UNIT] = s->business_unit,
        [POLICY_ABOUT_ROLE] = s->role,
    };

    return of[about];
}

static bool is_about(const struct policy_caller *c, const struct policy_subject *s)
{
    for (enum policy_about i = 0; i < POLICY_ABOUTS; i++)
        if (!policy_patterns_match(&c->is[i], about_of(s, i)))
            return false;
    return true;
}

static void find_budgets(struct policy_cache *c, const struct policy_subject *s)
{
    const struct policy *p = c->policy;
    const struct {
        enum plan_budget_of of;
        struct str name;
    } names[] = {
        {PLAN_BUDGET_ALL,            STR("")         },
        { PLAN_BUDGET_BUSINESS_UNIT, s->business_unit},
        { PLAN_BUDGET_TEAM,          s->team         },
        { PLAN_BUDGET_APP,           s->app          },
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct map_entry *e =
            map_find(&p->budgets_by, policy_budget_name(names[i].of, names[i].name, &c->model));
        for (uint32_t b = e ? (uint32_t)e->value : POLICY_NONE; b != POLICY_NONE;
             b = p->budgets[b].next)
            vec_push(&c->found[3], b);
    }
}

static void find_rules(struct policy_cache *c, const struct policy_subject *s)
{
    const struct policy *p = c->policy;

    for (size_t i = 0; i < ARRAY_LEN(c->found); i++)
        vec_clear(&c->found[i]);
    for (size_t i = 0; i < p->access_count; i++)
        if (p->access[i].mode != PLAN_MODE_OFF && is_about(&p->access[i].caller, s))
            vec_push(&c->found[0], (uint32_t)i);
    for (size_t i = 0; i < p->limit_count; i++)
        if (p->limits[i].mode != PLAN_MODE_OFF && is_about(&p->limits[i].caller, s))
            vec_push(&c->found[1], (uint32_t)i);
    for (size_t i = 0; i < p->route_count; i++)
        if (p->routes[i].mode != PLAN_MODE_OFF && policy_patterns_match(&p->routes[i].apps, s->app))
            vec_push(&c->found[2], (uint32_t)i);
    find_budgets(c, s);
}

static void add_part(struct buf *key, struct str s)
{
    uint32_t len = (uint32_t)s.len;

    buf_add(key, (const char *)&len, sizeof(len));
    buf_add_str(key, s);
}

/* Not found means made: a walk over all rules. */
static const struct caller *find_caller(struct policy_cache *c, const struct policy_subject *s)
{
    buf_clear(&c->key);
    for (enum policy_about i = 0; i < POLICY_ABOUTS; i++)
        add_part(&c->key, about_of(s, i));
    bool is_long = c->key.len > POLICY_SUBJECT_BYTES_MAX;
    struct caller *caller =
        is_long ? NULL : (struct caller *)keyed_find(c->callers, buf_str(&c->key));
    if (caller)
        return caller;
    find_rules(c, s);
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LEN(c->found); i++)
        total += c->found[i].len;
    caller = (struct caller *)keyed_put(is_long ? NULL : c->callers, buf_str(&c->key),
                                        sizeof(*caller) + total * sizeof(uint32_t));
    if (is_long) {
        if (c->lone_caller)
            keyed_unref(c->lone_caller);
        c->lone_caller = &caller->head;
    }
    struct numbers *const to[] = { &caller->access, &caller->limits, &caller->routes,
                                   &caller->budgets };
    uint32_t *at = (uint32_t *)(caller + 1);
    for (size_t i = 0; i < ARRAY_LEN(to); at += to[i]->len, i++) {
        *to[i] = (struct numbers){ at, c->found[i].len };
        if (to[i]->len)
            memcpy(at, c->found[i].ptr, to[i]->len * sizeof(*at));
    }
    const struct map_entry *e = map_find(&c->policy->apps, s->app);
    caller->mode = e ? (enum plan_mode)e->value : PLAN_MODE_UNSAID;
    return caller;
}

/* --- access --- */

static enum plan_mode weaker(enum plan_mode a, enum plan_mode b)
{
    return a < b ? a : b;
}

/* What the rules of one strictness and above say of one model. */
struct verdict {
    enum policy_outcome outcome; /* ALLOWED, DENIED, INSTEAD */
    uint32_t rule;               /* index among access */
};

struct judging {
    const struct policy *p;
    const struct caller *caller;
    enum plan_mode least;
    uint32_t refused, instead; /* the first rule of each sort */
};

/* A rule has no say about the model that it leads to itself. */
static void judge(struct judging *j, uint32_t rule, struct str model)
{
    struct str instead = j->p->access[rule].instead;
    uint32_t *to = instead.len ? &j->instead : &j->refused;

    if (*to == POLICY_NONE && !(instead.len && str_ieq(instead, model)))
        *to = rule;
}

static struct verdict judge_model(struct judging *j, struct str lower)
{
    bool listed = false, allowed = false;

    j->refused = j->instead = POLICY_NONE;
    for (int lists = 0; lists < 2; lists++) {
        for (size_t i = 0; i < j->caller->access.len; i++) {
            uint32_t rule = j->caller->access.list[i];
            const struct policy_access *a = &j->p->access[rule];
            if (weaker(a->mode, j->caller->mode) < j->least)
                continue;
            if (lists == 0 && a->deny.len && policy_patterns_match(&a->deny, lower))
                judge(j, rule, lower);
            if (lists == 0 && a->allow.len) {
                listed = true;
                allowed = allowed || policy_patterns_match(&a->allow, lower);
            }
            if (lists == 1 && a->allow.len)
                judge(j, rule, lower);
        }
        if (!listed || allowed)
            break;
    }
    if (j->refused != POLICY_NONE)
        return (struct verdict){ POLICY_DENIED, j->refused };
    if (j->instead != POLICY_NONE)
        return (struct verdict){ POLICY_INSTEAD, j->instead };
    return (struct verdict){ POLICY_ALLOWED, POLICY_NONE };
}

static struct str lower_case(struct str s, struct buf *room)
{
    buf_clear(room);
    buf_add_str(room, s);
    for (size_t i = 0; i < room->len; i++)
        if (room->ptr[i] >= 'A' && room->ptr[i] <= 'Z')
            room->ptr[i] = (char)(room->ptr[i] - 'A' + 'a');
    return buf_str(room);
}

/* From model to model, until one is allowed or refused; *ret_model is that, and the first rule that
 * had a say is what is told. */
static struct verdict judge_chain(struct judging *j, struct str model, struct buf *room,
                                  struct str *ret_model)
{
    struct verdict first = { POLICY_ALLOWED, POLICY_NONE };

    *ret_model = model;
    for (int step = 0;; step++) {
        struct verdict v = judge_model(j, lower_case(*ret_model, room));
        if (step == 0)
            first = v;
        if (v.outcome == POLICY_ALLOWED)
            return first;
        if (v.outcome == POLICY_DENIED)
            return v;
        if (step == INSTEAD_MAX)
            return (struct verdict){ POLICY_DENIED, v.rule };
        *ret_model = j->p->access[v.rule].instead;
    }
}

static void resolve_access(struct policy_cache *c, const struct caller *caller,
                           const struct policy_subject *s, struct policy_class *ret)
{
    static const enum plan_mode levels[] = { PLAN_MODE_ENFORCE, PLAN_MODE_WARN, PLAN_MODE_OBSERVE };
    struct judging j = { .p = c->policy, .caller = caller };
    uint32_t told = POLICY_NONE;
    struct str model;

    for (size_t i = 0; i < ARRAY_LEN(levels) && caller->access.len; i++) {
        j.least = levels[i];
        struct verdict v = judge_chain(&j, s->model, &c->model, &model);
        if (i == 0 && v.outcome == POLICY_INSTEAD)
            ret->said.model = model;
        if (i == 0 && v.outcome == POLICY_DENIED) {
            ret->said.denied = true;
            ret->denied_by = c->policy->access_first + v.rule;
        }
        /* Rules weaker than these had no say in it if the same one decides. */
        if (v.outcome == POLICY_ALLOWED || v.rule == told)
            continue;
        told = v.rule;
        ret->notes[ret->note_count++] = (struct policy_access_note){
            .rule = c->policy->access_first + v.rule,
            .mode = levels[i],
            .outcome = v.outcome,
        };
    }
}

/* --- routes --- */

static bool has_target(const struct plan_node *n, struct str upstream)
{
    if (n->kind == PLAN_TARGET)
        return str_eq(n->upstream, upstream);
    for (const struct plan_node *i = n->items; i; i = i->next)
        if (has_target(i, upstream))
            return true;
    return false;
}

static void resolve_route(struct policy_cache *c, const struct caller *caller,
                          const struct policy_subject *s, struct policy_class *ret)
{
    struct str model = lower_case(ret->said.model.len ? ret->said.model : s->model, &c->model);

    ret->said.route = POLICY_NONE;
    for (size_t i = 0; i < caller->routes.len; i++) {
        const struct policy_route *r = &c->policy->routes[caller->routes.list[i]];
        enum plan_mode mode = weaker(r->mode, caller->mode);
        if (mode == PLAN_MODE_OFF || !r->plan->root ||
            (r->plan->api.len && !str_eq(r->plan->api, s->api)) ||
            !policy_patterns_match(&r->models, model))
            continue;
        if (r->upstreams.len ? !policy_patterns_match(&r->upstreams, s->upstream)
                             : s->upstream.len && !has_target(r->plan->root, s->upstream))
            continue;
        ret->said.route = caller->routes.list[i];
        ret->said.route_mode = mode;
        return;
    }
}

/* --- limits and budgets --- */

static uint64_t bucket_key(const struct policy_limit *l, const struct policy_subject *s,
                           struct str model)
{
    uint64_t key = l->key;

    for (enum policy_about i = 0; i < POLICY_ABOUTS; i++)
        if (l->each[i])
            key = policy_key(about_of(s, i).ptr, about_of(s, i).len, key);
    return l->each_model ? policy_key(model.ptr, model.len, key) : key;
}

static bool add_claim(struct policy_class *c, size_t count, uint32_t rule, enum plan_mode mode)
{
    if (count < POLICY_CLAIMS_MAX)
        return true;
    if (c->beyond == POLICY_NONE || mode > c->beyond_mode) {
        c->beyond = rule;
        c->beyond_mode = mode;
    }
    return false;
}

static uint32_t first_rule(const struct policy_limit *l)
{
    for (int i = 0; i < PLAN_LIMITS; i++)
        if (l->rule[i] != POLICY_NONE)
            return l->rule[i];
    return POLICY_NONE;
}

static void resolve_budgets(const struct policy *p, const struct caller *caller,
                            struct policy_class *ret)
{
    for (size_t i = 0; i < caller->budgets.len; i++) {
        uint32_t n = caller->budgets.list[i];
        enum plan_mode mode = weaker(p->budgets[n].mode, caller->mode);
        if (mode == PLAN_MODE_OFF || !add_claim(ret, ret->budget_count, p->budgets[n].rule, mode))
            continue;
        ret->said.counts_tokens = true;
        ret->budgets[ret->budget_count++] = (struct policy_part){ .key = p->budgets[n].key,
                                                                  .slot = POLICY_NONE,
                                                                  .held = POLICY_NONE,
                                                                  .index = n,
                                                                  .mode = mode };
    }
}

static void resolve_limits(struct policy_cache *c, const struct caller *caller,
                           const struct policy_subject *s, struct policy_class *ret)
{
    const struct policy *p = c->policy;
    struct str model = lower_case(ret->said.model.len ? ret->said.model : s->model, &c->model);

    for (size_t i = 0; i < caller->limits.len; i++) {
        uint32_t n = caller->limits.list[i];
        const struct policy_limit *l = &p->limits[n];
        enum plan_mode mode = weaker(l->mode, caller->mode);
        if (mode == PLAN_MODE_OFF || !policy_patterns_match(&l->models, model) ||
            !add_claim(ret, ret->budget_count + ret->limit_count, first_rule(l), mode))
            continue;
        ret->said.counts_tokens =
            ret->said.counts_tokens || l->rule[PLAN_LIMIT_TOKENS] != POLICY_NONE;
        ret->limits[ret->limit_count++] = (struct policy_part){ .key = bucket_key(l, s, model),
                                                                .slot = POLICY_NONE,
                                                                .held = POLICY_NONE,
                                                                .index = n,
                                                                .mode = mode };
    }
}

/* --- what it can cost --- */

static void add_priced(struct policy_class *ret, enum provider provider, struct str model)
{
    for (size_t i = 0; i < ret->priced_count; i++)
        if (ret->priced[i].provider == provider && str_eq(ret->priced[i].model, model))
            return;
    if (ret->priced_count < PRICED_MAX)
        ret->priced[ret->priced_count++] = (struct policy_priced){ provider, model };
}

static enum provider provider_of(const struct policy *p, struct str upstream, struct str api)
{
    const struct map_entry *e = upstream.len ? map_find(&p->providers, upstream) : NULL;
    enum provider provider = PROVIDER_UNKNOWN;

    if (e)
        return (enum provider)e->value;
    provider_parse(api, &provider);
    return provider;
}

static void price_targets(const struct policy *p, const struct plan_node *n,
                          const struct policy_subject *s, struct policy_class *ret)
{
    struct str model = ret->said.model.len ? ret->said.model : s->model;

    if (n->kind == PLAN_TARGET)
        add_priced(ret, provider_of(p, n->upstream, s->api), n->model.len ? n->model : model);
    for (const struct plan_node *i = n->items; i; i = i->next)
        price_targets(p, i, s, ret);
}

static void resolve_prices(const struct policy *p, const struct policy_subject *s,
                           struct policy_class *ret)
{
    if (!ret->budget_count)
        return;
    if (ret->said.route != POLICY_NONE && ret->said.route_mode == PLAN_MODE_ENFORCE)
        price_targets(p, p->routes[ret->said.route].plan->root, s, ret);
    if (!ret->priced_count)
        add_priced(ret, provider_of(p, s->upstream, s->api),
                   ret->said.model.len ? ret->said.model : s->model);
}

/* --- classes --- */

/* In their order in a class's key. */
#define PARTS_OF(s)                                                                                \
    (s)->app, (s)->team, (s)->business_unit, (s)->role, (s)->api, (s)->upstream, (s)->model

/* As add_part has it; of every call, so all at once. */
static void key_of_subject(const struct policy_subject *s, struct buf *key)
{
    const struct str parts[] = { PARTS_OF(s) };
    size_t total = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        total += sizeof(uint32_t) + parts[i].len;
    buf_clear(key);
    char *to = buf_reserve(key, total);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        uint32_t len = (uint32_t)parts[i].len;
        memcpy(to, &len, sizeof(len));
        if (len)
            memcpy(to + sizeof(len), parts[i].ptr, len);
        to += sizeof(len) + len;
    }
    key->len = total;
}

/* Its own copy of the model, which is the end of its key. */
static void own_model(struct policy_class *c, const struct policy_subject *s)
{
    for (size_t i = 0; i < c->priced_count; i++)
        if (c->priced[i].model.ptr == s->model.ptr)
            c->priced[i].model =
                str_sub(c->said.head.key, c->said.head.key.len - s->model.len, s->model.len);
}

static struct policy_class *make_class(struct policy_cache *c, const struct policy_subject *s,
                                       bool is_long)
{
    const struct policy *p = c->policy;
    struct policy_part limits[POLICY_CLAIMS_MAX], budgets[POLICY_CLAIMS_MAX];
    struct policy_priced priced[PRICED_MAX];
    struct policy_class found = { .policy = p,
                                  .prices = c->prices,
                                  .beyond = POLICY_NONE,
                                  .limits = limits,
                                  .budgets = budgets,
                                  .priced = priced };
    const struct caller *caller = find_caller(c, s);

    found.said.mode = p->plan->mode;
    if (caller->mode != PLAN_MODE_UNSAID && p->plan->mode != PLAN_MODE_OFF)
        found.said.mode = caller->mode;
    resolve_access(c, caller, s, &found);
    resolve_route(c, caller, s, &found);
    resolve_budgets(p, caller, &found);
    resolve_limits(c, caller, s, &found);
    resolve_prices(p, s, &found);
    size_t limit_bytes = found.limit_count * sizeof(*limits),
           budget_bytes = found.budget_count * sizeof(*budgets),
           priced_bytes = found.priced_count * sizeof(*priced),
           rate_bytes = found.priced_count ? POLICY_RATES * sizeof(struct policy_rate) : 0;
    key_of_subject(s, &c->key);
    struct policy_class *made = (struct policy_class *)keyed_put(
        is_long ? NULL : c->classes, buf_str(&c->key),
        sizeof(*made) + limit_bytes + budget_bytes + priced_bytes + rate_bytes);
    found.said.head = made->said.head;
    *made = found;
    made->rates = (struct policy_rate *)(made + 1);
    made->priced = (struct policy_priced *)((char *)made->rates + rate_bytes);
    made->limits = (struct policy_part *)((char *)made->priced + priced_bytes);
    made->budgets = (struct policy_part *)((char *)made->limits + limit_bytes);
    memcpy(made->priced, priced, priced_bytes);
    memcpy(made->limits, limits, limit_bytes);
    memcpy(made->budgets, budgets, budget_bytes);
    own_model(made, s);
    return made;
}

/* Whether the part of a key at *at, which is moved behind it, is that text. */
static inline bool has_part(struct str key, size_t *at, struct str part)
{
    uint32_t len = (uint32_t)part.len, has;

    if (key.len - *at < sizeof(len) + part.len)
        return false;
    memcpy(&has, key.ptr + *at, sizeof(has));
    *at += sizeof(len) + part.len;
    return has == len && (!len || memcmp(key.ptr + *at - len, part.ptr, len) == 0);
}

/* Whether that is the key of the subject, as key_of_subject writes it. */
static bool is_key_of(struct str key, const struct policy_subject *s)
{
    size_t at = 0;

    return has_part(key, &at, s->app) && has_part(key, &at, s->team) &&
           has_part(key, &at, s->business_unit) && has_part(key, &at, s->role) &&
           has_part(key, &at, s->api) && has_part(key, &at, s->upstream) &&
           has_part(key, &at, s->model) && at == key.len;
}

/* Where a class is remembered that was asked for lately: calls come in runs of like ones. */
static struct policy_class **recent_of(struct policy_cache *c, const struct policy_subject *s)
{
    uint64_t words = s->app.len * 31 + s->team.len * 7 + s->model.len;

    if (s->app.len)
        words += (unsigned char)s->app.ptr[s->app.len - 1] * 5u;
    if (s->model.len)
        words += (unsigned char)s->model.ptr[s->model.len - 1] * 3u;
    return &c->recent[words % RECENT];
}

const struct policy_class *policy_resolve(struct policy_cache *c, const struct policy_subject *s)
{
    struct policy_class **recent = recent_of(c, s);

    if (*recent && is_key_of((*recent)->said.head.key, s))
        return *recent;
    key_of_subject(s, &c->key);
    bool is_long = c->key.len > POLICY_SUBJECT_BYTES_MAX;
    struct keyed *found = is_long ? NULL : keyed_find(c->classes, buf_str(&c->key));
    struct policy_class *class = found ? (struct policy_class *)found : make_class(c, s, is_long);

    if (is_long) {
        if (c->lone_class)
            keyed_unref(c->lone_class);
        c->lone_class = &class->said.head;
        return class;
    }
    if (*recent)
        policy_class_unref(*recent);
    keyed_ref(&class->said.head);
    return *recent = class;
}

const struct policy_class *policy_class_ref(const struct policy_class *c)
{
    keyed_ref((struct keyed *)(uintptr_t)c);
    return c;
}

void policy_class_unref(const struct policy_class *c)
{
    if (c)
        keyed_unref((struct keyed *)(uintptr_t)c);
}
