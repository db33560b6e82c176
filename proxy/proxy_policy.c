#include "config.h"

#include "proxy/proxy_policy.h"

#include <stdlib.h>

#include "base/yaml.h"
#include "llm/cost_shape.h"
#include "policy/plan_conf.h"
#include "proxy/asked.h"
#include "proxy/proxy_conf.h"

/* --- reading --- */

/* Azure takes what OpenAI takes, below /openai. */
static struct str family_of(const struct proxy_upstream *u)
{
    return str_eq(u->api, STR("azure_openai")) ? STR("openai") : u->api;
}

/* Bodies are not translated: all targets of a route must speak the same. */
static int check_families(const struct proxy_conf *c, const struct plan_node *n,
                          const struct proxy_upstream **first, struct err *err)
{
    for (const struct plan_node *i = n->items; i; i = i->next)
        if (check_families(c, i, first, err) < 0)
            return -1;
    if (n->kind != PLAN_TARGET)
        return 0;
    const struct proxy_upstream *u = proxy_conf_upstream(c, n->upstream);
    if (!u) /* plan_conf has looked */
        return err_set(err, ERR_USAGE, "upstream '%.*s' is not there", STR_ARG(n->upstream));
    if (!*first)
        *first = u;
    if (str_eq(family_of(u), family_of(*first)))
        return 0;
    return err_set(err, ERR_USAGE,
                   "%.*s:%u:%u: upstream '%.*s' speaks '%.*s', and '%.*s' before it '%.*s': calls "
                   "are not translated, so the targets of one route must have the same api",
                   STR_ARG(n->at.file), n->at.line, n->at.column, STR_ARG(u->name), STR_ARG(u->api),
                   STR_ARG((*first)->name), STR_ARG((*first)->api));
}

int proxy_policy_read(struct proxy_conf *c, const struct yaml *y, const char *name, struct err *err)
{
    CLEANUP(plan_free) struct plan *plan = NULL;

    if (!yaml_get(yaml_root(y), "policy"))
        return 0;
    plan = plan_new("weir");
    if (plan_conf_read(plan, y, str_from(name), err) < 0)
        return -1;
    for (const struct plan_route *r = plan->routes; r; r = r->next) {
        const struct proxy_upstream *first = NULL;
        if (check_families(c, r->root, &first, err) < 0)
            return -1;
    }
    c->plan = TAKE(plan);
    return 0;
}

/* --- recognising --- */

#define RECOGNISED_MAX 64

struct proxy_recognised {
    struct recognised_entry {
        const struct proxy_upstream *upstream;
        struct str method, path;
        struct recognition found;
        bool path_asks;
        struct arena arena; /* of its strings */
    } list[RECOGNISED_MAX], *last;
};

static bool is_of(const struct recognised_entry *e, const struct proxy_upstream *u,
                  struct str method, struct str path)
{
    return e && e->upstream == u && str_eq(e->path, path) && str_eq(e->method, method);
}

static const struct recognised_entry *recognise_path(struct proxy_policy *p,
                                                     const struct proxy_upstream *u,
                                                     struct str method, struct str path)
{
    struct recognised_entry *e = p->recognised->last;

    if (is_of(e, u, method, path))
        return e;
    uint64_t key = policy_key(path.ptr, path.len, (uint64_t)(uintptr_t)u);
    e = p->recognised->last = &p->recognised->list[key % RECOGNISED_MAX];
    if (is_of(e, u, method, path))
        return e;
    struct asked asked = { 0 };
    p->recognised_anew++;
    arena_reset(&e->arena);
    e->upstream = u;
    e->method = arena_str(&e->arena, method);
    e->path = arena_str(&e->arena, path);
    struct call call = { .method = e->method, .host = u->authority, .path = e->path };
    recognise(&call, &e->arena, &e->found);
    asked_read_path(e->path, &e->arena, &asked);
    e->path_asks = asked.path_len || asked.is_stream;
    return e;
}

const struct recognition *proxy_policy_recognise(struct proxy_policy *p,
                                                 const struct proxy_upstream *u, struct str method,
                                                 struct str path, bool *ret_path_asks)
{
    const struct recognised_entry *e = recognise_path(p, u, method, path);

    if (ret_path_asks)
        *ret_path_asks = e->path_asks;
    return &e->found;
}

/* --- compiling --- */

static int load_prices(const struct proxy_conf *c, const char *prices, struct price_book **ret,
                       struct err *err)
{
    if (!c->plan->budgets)
        return 0;
    if (prices && price_book_load(ret, prices, err) < 0)
        return -1;
    for (size_t i = 0; i < c->conf->price_count; i++)
        if (price_book_load(ret, c->conf->prices[i].ptr, err) < 0)
            return -1;
    return 0;
}

static bool has_model(const struct plan_node *n)
{
    bool has = n->kind == PLAN_TARGET && n->model.len;

    for (const struct plan_node *i = n->items; i && !has; i = i->next)
        has = has_model(i);
    return has;
}

static bool asks_model(const struct plan *p)
{
    bool asks = p->access || p->budgets;

    for (const struct plan_limit *l = p->limits; l && !asks; l = l->next)
        asks = l->models.len || l->most[PLAN_LIMIT_TOKENS].set;
    for (const struct plan_route *r = p->routes; r && !asks; r = r->next)
        asks = r->models.len || has_model(r->root);
    return asks;
}

static bool has_own_modes(const struct plan *p)
{
    bool has = false;

    for (const struct plan_app *a = p->apps; a && !has; a = a->next)
        has = a->mode != PLAN_MODE_UNSAID;
    return has;
}

static void find_upstreams(const struct proxy_conf *c, struct proxy_policy *p)
{
    size_t count = policy_target_count(p->policy);

    p->upstreams = mem_calloc(count + 1, sizeof(*p->upstreams));
    for (size_t i = 0; i < count; i++)
        p->upstreams[i] = proxy_conf_upstream(c, policy_target(p->policy, (uint32_t)i)->upstream);
}

int proxy_policy_make(struct proxy_conf *c, const char *prices, struct err *err)
{
    CLEANUP(proxy_policy_free) struct proxy_policy *p = NULL;

    if (!c->plan || c->policy)
        return 0;
    p = mem_calloc(1, sizeof(*p));
    if (load_prices(c, prices, &p->book, err) < 0 ||
        policy_new(c->plan, p->book, &p->policy, err) < 0)
        return -1;
    if (p->book)
        p->prices = price_cache_new(p->book);
    p->cache = policy_cache_new(p->policy);
    p->asks_model = asks_model(c->plan);
    p->is_of_one_mode = !has_own_modes(c->plan);
    for (size_t i = 0; i < policy_rule_count(p->policy); i++)
        p->enforces |= policy_rule(p->policy, (uint32_t)i)->mode == PLAN_MODE_ENFORCE;
    find_upstreams(c, p);
    p->recognised = mem_calloc(1, sizeof(*p->recognised));
    p->facts = mem_calloc(1, sizeof(*p->facts));
    p->shapes = cost_shapes_new();
    c->policy = TAKE(p);
    return 0;
}

void proxy_policy_free(struct proxy_policy *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->recognised && i < RECOGNISED_MAX; i++)
        arena_release(&p->recognised->list[i].arena);
    free(p->recognised);
    free(p->facts);
    cost_shapes_free(p->shapes);
    arena_release(&p->said_texts);
    policy_cache_free(p->cache);
    policy_free(p->policy);
    price_cache_free(p->prices);
    price_book_free(p->book);
    free(p->upstreams);
    free(p);
}
