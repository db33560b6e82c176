#include "config.h"

#include <assert.h>

#include "policy/policy_inside.h"

/* --- patterns --- */

static bool has_wildcard(struct str s)
{
    return str_find_char(s, '*', 0) >= 0 || str_find_char(s, '?', 0) >= 0;
}

static bool fits(struct str pattern, const char *at)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] != '?' && pattern.ptr[i] != at[i])
            return false;
    return true;
}

/* Where the part of a pattern between two stars is first found, or -1. */
static ptrdiff_t find_part(struct str part, struct str s, size_t from)
{
    if (str_find_char(part, '?', 0) < 0)
        return str_find(s, part, from);
    for (size_t at = from; at + part.len <= s.len; at++)
        if (fits(part, s.ptr + at))
            return (ptrdiff_t)at;
    return -1;
}

/* Part by part, each at the first place there is: no way back is ever needed. */
static bool matches_glob(struct str pattern, struct str s)
{
    ptrdiff_t star = str_find_char(pattern, '*', 0);
    struct str head = str_sub(pattern, 0, star < 0 ? pattern.len : (size_t)star);
    size_t at = head.len;

    if (s.len < head.len || (star < 0 && s.len != head.len) || !fits(head, s.ptr))
        return false;
    if (star < 0)
        return true;
    for (;;) {
        pattern = str_sub(pattern, (size_t)star + 1, pattern.len);
        star = str_find_char(pattern, '*', 0);
        if (star < 0)
            return s.len - at >= pattern.len && fits(pattern, s.ptr + s.len - pattern.len);
        struct str part = str_sub(pattern, 0, (size_t)star);
        ptrdiff_t found = find_part(part, s, at);
        if (found < 0)
            return false;
        at = (size_t)found + part.len;
    }
}

static bool matches(const struct policy_pattern *p, struct str text)
{
    switch (p->how) {
    case POLICY_PATTERN_EXACT:
        return str_eq(p->text, text);
    case POLICY_PATTERN_ANY:
        return true;
    case POLICY_PATTERN_BEGINS:
        return str_starts_with(text, p->text);
    case POLICY_PATTERN_ENDS:
        return str_ends_with(text, p->text);
    case POLICY_PATTERN_GLOB:
        return matches_glob(p->text, text);
    }
    return false;
}

bool policy_patterns_match(const struct policy_patterns *p, struct str text)
{
    for (size_t i = 0; i < p->len; i++)
        if (matches(&p->list[i], text))
            return true;
    return p->len == 0;
}

static void compile_pattern(struct policy_pattern *to)
{
    struct str t = to->text, begin, end;

    to->how = POLICY_PATTERN_EXACT;
    if (!has_wildcard(t))
        return;
    begin = str_sub(t, 0, t.len - 1);
    end = str_sub(t, 1, t.len);
    to->how = POLICY_PATTERN_GLOB;
    if (str_eq(t, STR("*")))
        to->how = POLICY_PATTERN_ANY;
    else if (str_ends_with(t, STR("*")) && !has_wildcard(begin))
        *to = (struct policy_pattern){ POLICY_PATTERN_BEGINS, begin };
    else if (str_starts_with(t, STR("*")) && !has_wildcard(end))
        *to = (struct policy_pattern){ POLICY_PATTERN_ENDS, end };
}

struct compiling {
    struct policy *p;
    struct plan_place at; /* of the rule */
    struct map limits;    /* how often one has been there */
    struct buf text;
    struct err *err;
    bool fold;
};

static int too_many(const struct compiling *c, const char *what, size_t most)
{
    return err_set(c->err, ERR_LIMIT, "%.*s:%u:%u: more than %zu %s", STR_ARG(c->at.file),
                   c->at.line, c->at.column, most, what);
}

static struct str fold(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        copy[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] - 'A' + 'a') : s.ptr[i];
    return (struct str){ copy, s.len };
}

static int compile_patterns(struct compiling *c, const struct plan_names *from,
                            struct policy_patterns *ret)
{
    ret->list = arena_alloc(&c->p->arena, from->len * sizeof(*ret->list));
    for (ret->len = 0; ret->len < from->len; ret->len++) {
        struct policy_pattern *to = &ret->list[ret->len];
        to->text = c->fold ? fold(&c->p->arena, from->list[ret->len]) : from->list[ret->len];
        compile_pattern(to);
        if (to->how == POLICY_PATTERN_GLOB && ++c->p->globs > POLICY_PATTERNS_MAX)
            return too_many(c, "patterns with a wildcard elsewhere than at one end",
                            POLICY_PATTERNS_MAX);
    }
    return 0;
}

static int compile_models(struct compiling *c, const struct plan_names *from,
                          struct policy_patterns *ret)
{
    c->fold = true;
    int r = compile_patterns(c, from, ret);
    c->fold = false;
    return r;
}

static int compile_caller(struct compiling *c, const struct plan_names *const from[POLICY_ABOUTS],
                          struct policy_caller *ret)
{
    for (int i = 0; i < POLICY_ABOUTS; i++)
        if (from[i] && compile_patterns(c, from[i], &ret->is[i]) < 0)
            return -1;
    return 0;
}

/* --- rules --- */

static enum plan_mode mode_of(const struct policy *p, enum plan_mode own)
{
    if (p->plan->mode == PLAN_MODE_OFF || own == PLAN_MODE_UNSAID)
        return p->plan->mode;
    return own;
}

/* Its id is what was put into the text. */
static uint32_t add_rule(struct compiling *c, enum policy_rule_kind kind, enum plan_mode mode)
{
    c->p->rules[c->p->rule_count] = (struct policy_rule){
        .kind = kind,
        .id = arena_str(&c->p->arena, buf_str(&c->text)),
        .at = c->at,
        .mode = mode,
    };
    buf_clear(&c->text);
    return (uint32_t)c->p->rule_count++;
}

static int compile_routes(struct compiling *c)
{
    struct policy *p = c->p;

    for (const struct plan_route *from = p->plan->routes; from; from = from->next) {
        struct policy_route *to = &p->routes[p->route_count++];
        c->at = from->at;
        to->plan = from;
        to->mode = mode_of(p, from->mode);
        if (compile_patterns(c, &from->apps, &to->apps) < 0 ||
            compile_models(c, &from->models, &to->models) < 0 ||
            compile_patterns(c, &from->upstreams, &to->upstreams) < 0)
            return -1;
        buf_addf(&c->text, "route %.*s", STR_ARG(from->name));
        add_rule(c, POLICY_RULE_ROUTE, to->mode);
    }
    return 0;
}

static int compile_access(struct compiling *c)
{
    struct policy *p = c->p;

    p->access_first = (uint32_t)p->rule_count;
    for (const struct plan_access *from = p->plan->access; from; from = from->next) {
        struct policy_access *to = &p->access[p->access_count++];
        const struct plan_names *const about[POLICY_ABOUTS] = {
            [POLICY_ABOUT_APP] = &from->apps,
            [POLICY_ABOUT_TEAM] = &from->teams,
            [POLICY_ABOUT_BUSINESS_UNIT] = &from->business_units,
            [POLICY_ABOUT_ROLE] = &from->roles,
        };
        c->at = from->at;
        to->instead = from->instead;
        to->mode = mode_of(p, from->mode);
        if (compile_caller(c, about, &to->caller) < 0 ||
            compile_models(c, &from->allow, &to->allow) < 0 ||
            compile_models(c, &from->deny, &to->deny) < 0)
            return -1;
        buf_addf(&c->text, "access[%zu]", p->access_count - 1);
        add_rule(c, POLICY_RULE_ACCESS, to->mode);
    }
    return 0;
}

static void add_names(struct buf *out, const struct plan_names *names)
{
    for (size_t i = 0; names && i < names->len; i++) {
        buf_add_str(out, names->list[i]);
        buf_add_byte(out, 0);
    }
    buf_add_byte(out, 1);
}

static bool is_star(const struct plan_names *names)
{
    return names && names->len == 1 && str_eq(names->list[0], STR("*"));
}

/* The same rule twice is two limits: the second must not draw from the first one's buckets. */
static uint64_t key_of_limit(struct compiling *c, const struct plan_limit *from,
                             const struct plan_names *const about[POLICY_ABOUTS])
{
    for (int i = 0; i < POLICY_ABOUTS; i++)
        add_names(&c->text, about[i]);
    add_names(&c->text, &from->models);
    uint64_t before = map_put(&c->limits, buf_str(&c->text), NULL)->value++;
    uint64_t key = policy_key(c->text.ptr, c->text.len, before);
    buf_clear(&c->text);
    return key;
}

static int compile_limit(struct compiling *c, const struct plan_limit *from,
                         struct policy_limit *to)
{
    static const char *const names[PLAN_LIMITS] = { "requests", "tokens", "concurrent" };
    const struct plan_names *const about[POLICY_ABOUTS] = {
        [POLICY_ABOUT_APP] = &from->apps,
        [POLICY_ABOUT_TEAM] = &from->teams,
        [POLICY_ABOUT_BUSINESS_UNIT] = &from->business_units,
    };

    to->mode = mode_of(c->p, from->mode);
    to->key = key_of_limit(c, from, about);
    to->each_model = is_star(&from->models);
    to->assume_output = from->assume_output.set ? from->assume_output.n : c->p->plan->assume_output;
    for (int i = 0; i < POLICY_ABOUTS; i++)
        to->each[i] = is_star(about[i]);
    for (int i = 0; i < PLAN_LIMITS; i++) {
        to->rule[i] = POLICY_NONE;
        if (!from->most[i].set)
            continue;
        to->most[i] = from->most[i].n;
        to->per_us[i] = from->per_us[i];
        buf_addf(&c->text, "limits[%zu].%s", c->p->limit_count - 1, names[i]);
        to->rule[i] = add_rule(c, POLICY_RULE_LIMIT, to->mode);
    }
    return compile_caller(c, about, &to->caller) < 0
               ? -1
               : compile_models(c, &from->models, &to->models);
}

static int compile_limits(struct compiling *c)
{
    for (const struct plan_limit *from = c->p->plan->limits; from; from = from->next) {
        c->at = from->at;
        if (compile_limit(c, from, &c->p->limits[c->p->limit_count++]) < 0)
            return -1;
    }
    return 0;
}

/* --- budgets --- */

struct str policy_budget_name(enum plan_budget_of of, struct str name, struct buf *room)
{
    buf_clear(room);
    buf_add_byte(room, (char)of);
    buf_add_str(room, name);
    return buf_str(room);
}

static const char *const budget_of_names[] = {
    [PLAN_BUDGET_ALL] = "",
    [PLAN_BUDGET_BUSINESS_UNIT] = "business_unit ",
    [PLAN_BUDGET_TEAM] = "team ",
    [PLAN_BUDGET_APP] = "app ",
};
static const char *const budget_per_names[PLAN_BUDGET_PERS] = {
    [PLAN_BUDGET_DAY] = "day",
    [PLAN_BUDGET_WEEK] = "week",
    [PLAN_BUDGET_MONTH] = "month",
};

static int compile_budget(struct compiling *c, const struct plan_budget *from)
{
    struct policy *p = c->p;
    struct policy_budget *to = &p->budgets[p->budget_count++];
    bool is_new;

    c->at = from->at;
    to->plan = from;
    to->mode = mode_of(p, from->mode);
    to->assume_output = from->assume_output.set ? from->assume_output.n : p->plan->assume_output;
    if (from->hard && to->mode != PLAN_MODE_OFF && !p->book)
        return err_set(c->err, ERR_USAGE,
                       "%.*s:%u:%u: a hard budget needs prices: what would a call cost?",
                       STR_ARG(from->at.file), from->at.line, from->at.column);
    struct map_entry *e =
        map_put(&p->budgets_by, policy_budget_name(from->of, from->name, &c->text), &is_new);
    to->key = policy_key(c->text.ptr, c->text.len, (uint64_t)from->per);
    to->next = is_new ? POLICY_NONE : (uint32_t)e->value;
    e->value = p->budget_count - 1;
    buf_clear(&c->text);
    buf_addf(&c->text, "budget %s%.*s%s%s", budget_of_names[from->of], STR_ARG(from->name),
             from->name.len ? " " : "", budget_per_names[from->per]);
    to->rule = add_rule(c, POLICY_RULE_BUDGET, to->mode);
    return 0;
}

static int compile_names(struct compiling *c)
{
    struct policy *p = c->p;

    for (const struct plan_app *a = p->plan->apps; a; a = a->next)
        map_put(&p->apps, a->name, NULL)->value = (uint64_t)a->mode;
    for (const struct plan_upstream *u = p->plan->upstreams; u; u = u->next)
        map_put(&p->providers, u->name, NULL)->value = (uint64_t)u->provider;
    for (const struct plan_budget *b = p->plan->budgets; b; b = b->next)
        if (compile_budget(c, b) < 0)
            return -1;
    return 0;
}

/* --- all of it --- */

static int make_room(struct compiling *c)
{
    size_t routes = 0, access = 0, limits = 0, budgets = 0;
    struct policy *p = c->p;

    for (const struct plan_route *i = p->plan->routes; i; i = i->next)
        routes++;
    for (const struct plan_access *i = p->plan->access; i; i = i->next)
        access++;
    for (const struct plan_limit *i = p->plan->limits; i; i = i->next)
        limits++;
    for (const struct plan_budget *i = p->plan->budgets; i; i = i->next, budgets++)
        c->at = i->at;
    if (budgets > POLICY_BUDGETS_MAX)
        return too_many(c, "budgets and periods", POLICY_BUDGETS_MAX);
    if (routes + access + PLAN_LIMITS * limits + budgets > POLICY_RULES_MAX)
        return err_set(c->err, ERR_LIMIT, "the policy has more than %d rules", POLICY_RULES_MAX);
    p->rules = arena_alloc(&p->arena,
                           (routes + access + PLAN_LIMITS * limits + budgets) * sizeof(*p->rules));
    p->routes = arena_alloc(&p->arena, routes * sizeof(*p->routes));
    p->access = arena_alloc(&p->arena, access * sizeof(*p->access));
    p->limits = arena_alloc(&p->arena, limits * sizeof(*p->limits));
    p->budgets = arena_alloc(&p->arena, budgets * sizeof(*p->budgets));
    return 0;
}

int policy_compile(struct policy *p, struct err *err)
{
    struct compiling c = { .p = p, .err = err };
    int r = make_room(&c);

    if (r == 0)
        r = compile_routes(&c) < 0 || compile_access(&c) < 0 || compile_limits(&c) < 0 ||
                    compile_names(&c) < 0
                ? -1
                : 0;
    map_release(&c.limits);
    buf_release(&c.text);
    return r;
}
