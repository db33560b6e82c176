#include "config.h"

#include "replay/sim_flight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STATE_SLOTS POLICY_SLOTS_DEFAULT

/* --- making --- */

static bool has_rules_of_admission(const struct policy *p)
{
    for (uint32_t i = 0; i < policy_rule_count(p); i++)
        if (policy_rule(p, i)->kind != POLICY_RULE_ROUTE)
            return true;
    return false;
}

static bool looks_at_slowness(const struct policy *p)
{
    for (const struct plan_route *r = policy_plan(p)->routes; r; r = r->next)
        if (r->slow.factor_percent.set)
            return true;
    return false;
}

void simulation_init(struct simulation *sim)
{
    const struct sim_options *o = sim->o;

    sim->state = policy_state_new(STATE_SLOTS);
    sim->cache = policy_cache_new(o->policy);
    sim->prices = o->book ? price_cache_new(o->book) : NULL;
    sim->targets = policy_target_count(o->policy);
    sim->deadline_us = o->deadline_us ? o->deadline_us : o->caller->timeout_us;
    sim->admits = has_rules_of_admission(o->policy);
    sim->tells_first = looks_at_slowness(o->policy);
    sim->reads_answers = strcmp(policy_plan(o->policy)->format, "weir") == 0;
    sim->has_load = o->scenario && scenario_has_load(o->scenario);
    sim_result_init(&sim->r, o->start_us, o->end_us);
    for (uint32_t t = 0; t < sim->targets; t++)
        sim_result_target(&sim->r, policy_target(o->policy, t)->upstream,
                          policy_target(o->policy, t)->model);
    sim->now_us = o->start_us;
}

void simulation_release(struct simulation *sim)
{
    for (size_t i = 0; i < sim->classes.len; i++) {
        struct sim_class_state *c = &sim->classes.ptr[i];
        for (size_t t = 0; c->cells && t <= sim->targets; t++)
            free(c->cells[t]);
        free(c->cells);
        if (c->policy)
            policy_class_unref(c->policy);
    }
    for (size_t i = 0; i < sim->chunks.len; i++) {
        free(sim->chunks.ptr[i]->claims);
        free(sim->chunks.ptr[i]);
    }
    vec_release(&sim->classes);
    vec_release(&sim->chunks);
    sim_queue_release(&sim->queue);
    sim_endings_release(&sim->endings);
    sim_quotas_release(&sim->quotas);
    sim_result_release(&sim->r);
    price_cache_free(sim->prices);
    policy_cache_free(sim->cache);
    free(sim->state);
}

/* --- classes --- */

/* Callers of another gateway ask it, and no upstream behind it; and where they went when they were
 * recorded may be nowhere in this configuration. */
static bool is_known(const struct plan *plan, struct str upstream)
{
    if (strcmp(plan->format, "weir") != 0)
        return false;
    for (const struct plan_upstream *u = plan->upstreams; u; u = u->next)
        if (str_eq(u->name, upstream))
            return true;
    return false;
}

static void resolve(struct simulation *sim, struct sim_class_state *c)
{
    const struct sim_options *o = sim->o;
    bool names = c->is.has_upstream && is_known(policy_plan(o->policy), c->is.upstream);
    struct policy_subject subject = {
        .app = c->is.app,
        .team = c->is.team,
        .business_unit = c->is.business_unit,
        .api = sim_class_family(&c->is),
        .model = o->model_instead.len ? o->model_instead : c->is.model,
        .upstream = names ? c->is.upstream : STR(""),
    };

    c->policy = policy_class_ref(policy_resolve(sim->cache, &subject));
    c->route = policy_class_route(c->policy);
    c->mode = policy_class_route_mode(c->policy);
    c->asked = policy_target_find(o->policy, c->is.upstream, subject.model);
    if (c->asked == POLICY_NONE)
        c->asked = policy_target_find(o->policy, c->is.upstream, STR(""));
    c->app = sim_result_app(&sim->r, c->is.app);
    c->sticky = policy_key(c->is.app.ptr, c->is.app.len, 0);
    c->cells = mem_calloc(sim->targets + 1, sizeof(struct sim_cell *));
}

struct sim_class_state *simulation_class(struct simulation *sim, uint32_t class)
{
    while (sim->classes.len <= class)
        vec_push(&sim->classes, (struct sim_class_state){ 0 });
    struct sim_class_state *c = &sim->classes.ptr[class];
    if (!c->policy) {
        c->is = sim->known->list.ptr[class];
        resolve(sim, c);
    }
    return c;
}

/* --- cells --- */

static enum provider provider_of_upstream(const struct plan *plan, struct str upstream)
{
    enum provider p = PROVIDER_UNKNOWN;

    for (const struct plan_upstream *u = plan->upstreams; u; u = u->next)
        if (str_eq(u->name, upstream))
            return u->provider;
    provider_parse(upstream, &p);
    return p;
}

/* LiteLLM and others write "openai/gpt-4o": a provider, and what it calls the model. */
static struct str split_model(struct str model, enum provider *provider)
{
    struct str rest = model, prefix;
    enum provider p;

    if (!str_split(&rest, '/', &prefix) || rest.len == 0 || !provider_parse(prefix, &p))
        return model;
    *provider = p;
    return rest;
}

/* Where the class's calls are answered, if they are answered there. */
struct place {
    struct str upstream, model;
    bool is_own;
};

static struct place place_of(const struct simulation *sim, const struct sim_class_state *c,
                             uint32_t target)
{
    struct str instead = policy_class_model(c->policy);
    struct str asked = instead.len ? instead : c->is.model;
    struct place p = { .upstream = c->is.upstream, .model = asked };

    if (target != POLICY_NONE) {
        const struct policy_target *t = policy_target(sim->o->policy, target);
        p.upstream = t->upstream;
        p.model = t->model.len ? t->model : asked;
    }
    p.is_own = str_eq(p.upstream, c->is.upstream) && str_eq(p.model, c->is.model);
    return p;
}

static void set_price(const struct simulation *sim, const struct sim_class_state *c,
                      const struct place *p, struct price_query *q, struct str *ret_model)
{
    *q = (struct price_query){ .provider = c->is.provider,
                               .model = c->is.answered.len ? c->is.answered : c->is.model,
                               .service_tier = c->is.tier,
                               .geo = c->is.geo };
    *ret_model = p->model;
    if (p->is_own)
        return;
    q->geo = STR("");
    q->provider = provider_of_upstream(policy_plan(sim->o->policy), p->upstream);
    *ret_model = split_model(p->model, &q->provider);
    if (!str_eq(*ret_model, c->is.model))
        q->model = *ret_model;
    else if (q->provider == PROVIDER_UNKNOWN)
        q->provider = c->is.provider;
}

static const struct sim_quota *find_quota(const struct sim_options *o, const struct place *p)
{
    for (size_t i = o->quota_count; i-- > 0;) /* the last one counts */
        if (str_glob(o->quotas[i].upstream, p->upstream) && str_glob(o->quotas[i].model, p->model))
            return &o->quotas[i];
    return NULL;
}

struct sim_cell *simulation_cell(struct simulation *sim, struct sim_class_state *class,
                                 uint32_t target)
{
    const struct sim_options *o = sim->o;
    struct place p = place_of(sim, class, target);
    struct sim_cell *cell = mem_calloc(1, sizeof(*cell));
    struct str model;

    cell->is_own = p.is_own;
    set_price(sim, class, &p, &cell->price.query, &model);
    cell->speed = sim_speeds_find(o->speeds, p.upstream, model);
    cell->dialect = fault_dialect(cell->price.query.provider, class->is.api);
    cell->quota = find_quota(o, &p);
    if (o->scenario)
        cell->scope = scenario_scope_of(o->scenario, p.upstream, p.model, class->is.app);
    if (cell->scope && scenario_scope_is_empty(cell->scope))
        cell->scope = NULL;
    cell->target = target == POLICY_NONE ? sim_result_target(&sim->r, p.upstream, p.model) : target;
    if (!sim->r.targets.ptr[cell->target].speed)
        sim->r.targets.ptr[cell->target].speed = cell->speed;
    return class->cells[target == POLICY_NONE ? sim->targets : target] = cell;
}

/* --- calls under way --- */

static void add_chunk(struct simulation *sim)
{
    struct flight_chunk *chunk = mem_calloc(1, sizeof(*chunk));

    if (sim->admits)
        chunk->claims = mem_calloc(FLIGHT_CHUNK, sizeof(*chunk->claims));
    vec_push(&sim->chunks, chunk);
}

struct flight *flight_new(struct simulation *sim, const struct sim_arrival *call, struct err *err)
{
    uint32_t index = sim->free_list - 1;

    if (!sim->free_list) {
        if (sim->flights == SIM_IN_FLIGHT_MAX) {
            err_set(err, ERR_LIMIT,
                    "more than %u calls under way at once: at this rate nothing answers in time, "
                    "take shorter times or a shorter deadline",
                    SIM_IN_FLIGHT_MAX);
            return NULL;
        }
        if (sim->flights % FLIGHT_CHUNK == 0)
            add_chunk(sim);
        index = sim->flights++;
    }
    struct flight *f = flight_at(sim, index);
    if (sim->free_list)
        sim->free_list = f->next_free;
    memset(f, 0, offsetof(struct flight, steer));
    f->call = *call;
    f->index = index;
    f->number = ++sim->calls;
    f->asked_us = sim->now_us;
    return f;
}

void flight_free(struct simulation *sim, struct flight *f)
{
    f->next_free = sim->free_list;
    sim->free_list = f->index + 1;
}

void flight_heed(struct simulation *sim, struct flight *f, const struct policy_decisions *notes)
{
    for (uint32_t i = 0; i < notes->count; i++) {
        const struct policy_decision *d = &notes->list[i];
        bool is_away = d->outcome == POLICY_SKIPPED || d->outcome == POLICY_SHIFTED;
        if (!is_away || d->mode != PLAN_MODE_ENFORCE || d->target == POLICY_NONE)
            continue;
        f->is_rerouted = true;
        if (!f->met[0])
            f->met[0] = f->met[1] = sim->r.targets.ptr[d->target].incident_plus_one;
    }
}
