#include "config.h"

#include "policy/plan_conf.h"

#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "base/timestamp.h"
#include "llm/recognise.h"
#include "policy/plan_conf_read.h"

#define MILLION 1000000

/* --- values --- */

struct plan_place plan_conf_place(const struct plan_reader *r, const struct yaml_node *n)
{
    return (struct plan_place){ .file = r->file, .line = n->line, .column = n->column };
}

struct plan_place plan_conf_key_place(const struct plan_reader *r, const struct yaml_node *n)
{
    return plan_conf_place(r, n->key ? n->key : n);
}

int plan_conf_wrong(const struct plan_reader *r, const struct yaml_node *n, const char *wanted)
{
    if (n->kind != YAML_SCALAR)
        return yaml_err(r->y, n, r->err, "expected %s, got a %s", wanted,
                        n->kind == YAML_LIST ? "list" : "map");
    return yaml_err(r->y, n, r->err, "expected %s, got '%.*s'", wanted,
                    STR_ARG(str_sub(n->text, 0, 40)));
}

int plan_conf_duration(struct plan_reader *r, const struct yaml_node *map, const char *key,
                       struct plan_value *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    int64_t us;

    if (!n)
        return 0;
    if (n->kind != YAML_SCALAR || !duration_parse(n->text, &us) || us <= 0)
        return plan_conf_wrong(r, n, "a duration such as 500ms, 20s or 10m");
    *ret = (struct plan_value){ .n = us, .set = true, .at = plan_conf_key_place(r, n) };
    return 0;
}

int plan_conf_count(struct plan_reader *r, const struct yaml_node *map, const char *key,
                    struct plan_conf_range range, struct plan_value *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    int64_t value;

    if (!n)
        return 0;
    if (yaml_int(r->y, n, &value, r->err) < 0)
        return -1;
    if (value < range.least || value > range.most)
        return yaml_err(r->y, n, r->err, "expected a number from %lld to %lld, got '%.*s'",
                        (long long)range.least, (long long)range.most, STR_ARG(n->text));
    *ret = (struct plan_value){ .n = value, .set = true, .at = plan_conf_key_place(r, n) };
    return 0;
}

/* A decimal in units of 1/scale. */
static int read_decimal(struct plan_reader *r, const struct yaml_node *map, const char *key,
                        int digits, int64_t most, struct plan_value *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    i128 value;

    if (!n)
        return 0;
    if (yaml_decimal(r->y, n, digits, &value, r->err) < 0)
        return -1;
    if (value < 0 || value > most)
        return plan_conf_wrong(r, n, "a number that is not negative, nor absurdly large");
    *ret = (struct plan_value){ .n = (int64_t)value, .set = true, .at = plan_conf_key_place(r, n) };
    return 0;
}

int plan_conf_mode(struct plan_reader *r, const struct yaml_node *map, const char *key,
                   enum plan_mode *ret)
{
    const struct yaml_node *n = yaml_get(map, key);

    if (!n)
        return 0;
    /* YAML 1.1 takes a bare off for false; here it is the word. */
    if (n->kind != YAML_SCALAR || !plan_mode_parse(n->text, ret))
        return plan_conf_wrong(r, n, "one of off, observe, warn, enforce");
    return 0;
}

/* A pattern or a list of them. */
int plan_conf_names(struct plan_reader *r, const struct yaml_node *map, const char *key,
                    struct plan_names *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    struct str text;

    if (!n)
        return 0;
    if (n->kind == YAML_MAP || (n->kind == YAML_LIST && !n->len))
        return plan_conf_wrong(r, n, "a name or a list of names");
    const struct yaml_node *i = n->kind == YAML_LIST ? n->items : n;
    size_t count = n->kind == YAML_LIST ? n->len : 1;
    ret->list = arena_alloc(&r->plan->arena, count * sizeof(*ret->list));
    for (ret->len = 0; ret->len < count; ret->len++, i = i->next) {
        if (yaml_str(r->y, i, &text, r->err) < 0)
            return -1;
        if (text.len > PLAN_CONF_NAME_BYTES_MAX)
            return yaml_err(r->y, i, r->err, "a pattern of more than %d bytes",
                            PLAN_CONF_NAME_BYTES_MAX);
        ret->list[ret->len] = arena_str(&r->plan->arena, text);
    }
    return 0;
}

int plan_conf_want_list(const struct plan_reader *r, const struct yaml_node *n)
{
    if (n->kind != YAML_LIST)
        return plan_conf_wrong(r, n, "a list");
    if (n->len > PLAN_CONF_ROWS_MAX)
        return yaml_err(r->y, n, r->err, "more than %d entries", PLAN_CONF_ROWS_MAX);
    return 0;
}

/* --- failures --- */

static const struct {
    const char *name;
    uint32_t kinds;
    int from, to;
} failure_names[] = {
    {"connect",      PLAN_KIND(CONNECT),     0,   0  },
    { "head",        PLAN_KIND(HEAD),        0,   0  },
    { "first_token", PLAN_KIND(FIRST_TOKEN), 0,   0  },
    { "context",     PLAN_KIND(CONTEXT),     0,   0  },
    { "content",     PLAN_KIND(CONTENT),     0,   0  },
    { "4xx",         0,                      400, 499},
    { "5xx",         0,                      500, 599},
};

static int add_failure(struct plan_reader *r, const struct yaml_node *n, struct plan_when *ret)
{
    int64_t status;

    if (n->kind == YAML_SCALAR) {
        for (size_t i = 0; i < ARRAY_LEN(failure_names); i++) {
            if (!str_eq(n->text, str_from(failure_names[i].name)))
                continue;
            ret->kinds |= failure_names[i].kinds;
            if (failure_names[i].from)
                plan_when_add_statuses(ret, failure_names[i].from, failure_names[i].to);
            return 0;
        }
        if (str_to_i64(n->text, &status) && status >= 300 && status < PLAN_STATUS_MAX) {
            plan_when_add_status(ret, (int)status);
            return 0;
        }
    }
    return plan_conf_wrong(r, n,
                           "connect, head, first_token, context, content, 4xx, 5xx or a status");
}

static int read_when(struct plan_reader *r, const struct yaml_node *map, struct plan_when *ret)
{
    const struct yaml_node *n = yaml_get(map, "on");

    if (!n)
        return 0;
    if (plan_conf_want_list(r, n) < 0)
        return -1;
    *ret = (struct plan_when){ .set = true, .at = plan_conf_key_place(r, n) };
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (add_failure(r, i, ret) < 0)
            return -1;
    /* A 400 that says what it is about is asked for by that name alone. */
    ret->never = (PLAN_KIND(CONTEXT) | PLAN_KIND(CONTENT)) & ~ret->kinds;
    return 0;
}

/* What passes, and what another provider may do better. */
static void default_whens(struct plan_when *retry, struct plan_when *fallback)
{
    static const int passing[] = { 408, 429, 500, 502, 503, 504, 529 };
    /* A key, a bill, a right, a model, a place in the queue at one provider. */
    static const int curable[] = { 401, 402, 403, 404, 408, 424, 429 };
    uint32_t never = PLAN_KIND(CONTEXT) | PLAN_KIND(CONTENT);

    *retry = (struct plan_when){ .kinds = PLAN_KIND(CONNECT), .never = never, .set = true };
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        plan_when_add_status(retry, passing[i]);
    *fallback = (struct plan_when){
        .kinds = PLAN_KIND(CONNECT) | PLAN_KIND(HEAD) | PLAN_KIND(FIRST_TOKEN),
        .never = never,
        .set = true,
    };
    for (size_t i = 0; i < ARRAY_LEN(curable); i++)
        plan_when_add_status(fallback, curable[i]);
    plan_when_add_statuses(fallback, 500, 599);
}

/* --- parts of a route --- */

static const char *const timeout_keys[] = {
    "connect", "head", "first_token", "idle", "total", NULL
};

static int read_timeouts(struct plan_reader *r, const struct yaml_node *n,
                         struct plan_timeouts *ret)
{
    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, timeout_keys, r->err) < 0)
        return -1;
    for (int i = 0; timeout_keys[i]; i++)
        if (plan_conf_duration(r, n, timeout_keys[i], &ret->of[i]) < 0)
            return -1;
    return 0;
}

static int read_backoff(struct plan_reader *r, const struct yaml_node *n, struct plan_backoff *ret)
{
    static const char *const keys[] = { "base", "factor", "cap", "jitter", NULL };
    struct plan_value factor = { 0 }, jitter = { 0 };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        plan_conf_duration(r, n, "base", &ret->base) < 0 ||
        plan_conf_duration(r, n, "cap", &ret->cap) < 0 ||
        read_decimal(r, n, "factor", 2, 10000, &factor) < 0 ||
        read_decimal(r, n, "jitter", 2, 100, &jitter) < 0)
        return -1;
    if (factor.set)
        ret->factor_percent = (unsigned)factor.n;
    if (jitter.set)
        ret->spread_percent = (unsigned)jitter.n;
    return 0;
}

static int read_retry(struct plan_reader *r, const struct yaml_node *n, struct plan_retry *ret)
{
    static const char *const keys[] = { "count", "on", "backoff", "retry_after", NULL };
    struct plan_value longest = { 0 };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        plan_conf_count(r, n, "count", (struct plan_conf_range){ 0, PLAN_ATTEMPTS_MAX },
                        &ret->count) < 0 ||
        read_when(r, n, &ret->on) < 0 ||
        read_backoff(r, yaml_get(n, "backoff"), &ret->backoff) < 0 ||
        plan_conf_duration(r, n, "retry_after", &longest) < 0)
        return -1;
    if (longest.set)
        ret->retry_after.longest_us = longest.n;
    return 0;
}

static int read_breaker(struct plan_reader *r, const struct yaml_node *n, struct plan_health *ret)
{
    static const char *const keys[] = { "failures", "percent", "minimum", "window",
                                        "open",     "probes",  "on",      NULL };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        plan_conf_count(r, n, "failures", (struct plan_conf_range){ 1, MILLION }, &ret->failures) <
            0 ||
        plan_conf_count(r, n, "percent", (struct plan_conf_range){ 1, 100 }, &ret->percent) < 0 ||
        plan_conf_count(r, n, "minimum", (struct plan_conf_range){ 1, MILLION }, &ret->minimum) <
            0 ||
        plan_conf_duration(r, n, "window", &ret->window) < 0 ||
        plan_conf_duration(r, n, "open", &ret->out) < 0 ||
        plan_conf_count(r, n, "probes", (struct plan_conf_range){ 1, 1000 }, &ret->probes) < 0 ||
        read_when(r, n, &ret->counted) < 0)
        return -1;
    ret->memory = PLAN_MEMORY_BREAKER;
    ret->at = plan_conf_key_place(r, n);
    if (!ret->failures.set && !ret->percent.set)
        return yaml_err(r->y, n, r->err, "a breaker needs failures or percent: what opens it?");
    return 0;
}

static int read_slow(struct plan_reader *r, const struct yaml_node *n, struct plan_slow *ret)
{
    static const char *const keys[] = { "factor", "window", "samples", NULL };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        read_decimal(r, n, "factor", 2, 100000, &ret->factor_percent) < 0 ||
        plan_conf_duration(r, n, "window", &ret->window) < 0 ||
        plan_conf_count(r, n, "samples", (struct plan_conf_range){ 1, MILLION }, &ret->samples) < 0)
        return -1;
    ret->at = plan_conf_key_place(r, n);
    if (!ret->factor_percent.set || ret->factor_percent.n <= 100)
        return yaml_err(r->y, n, r->err,
                        "slow needs a factor above 1: how many times the usual is slow?");
    return 0;
}

/* What all targets of a route share. */
struct shared {
    struct plan_retry retry;
    struct plan_when fallback;
    struct plan_timeouts timeouts;
    struct plan_health health;
};

static void default_shared(struct shared *s)
{
    *s = (struct shared){ 0 };
    default_whens(&s->retry.on, &s->fallback);
    s->retry.backoff.base = plan_default(US_PER_SECOND / 2);
    s->retry.backoff.cap = plan_default(8 * US_PER_SECOND);
    s->retry.backoff.factor_percent = 200;
    s->retry.backoff.spread_percent = 25;
    s->retry.retry_after.honoured = plan_default(1);
    s->retry.retry_after.longest_us = 60 * US_PER_SECOND;
}

static int read_shared(struct plan_reader *r, const struct yaml_node *n, struct shared *ret)
{
    static const char *const keys[] = { "on", NULL };
    const struct yaml_node *fallback = yaml_get(n, "fallback");

    default_shared(ret);
    if (fallback && (yaml_check_keys(r->y, fallback, keys, r->err) < 0 ||
                     read_when(r, fallback, &ret->fallback) < 0))
        return -1;
    if (read_retry(r, yaml_get(n, "retry"), &ret->retry) < 0 ||
        read_timeouts(r, yaml_get(n, "timeouts"), &ret->timeouts) < 0)
        return -1;
    return read_breaker(r, yaml_get(n, "breaker"), &ret->health);
}

/* --- targets --- */

static int find_upstream(struct plan_reader *r, const struct yaml_node *n,
                         const struct yaml_node **ret)
{
    struct nearest near;
    struct str name;

    if (yaml_str(r->y, n, &name, r->err) < 0)
        return -1;
    const struct map_entry *e = map_find(&r->upstreams_by_name, name);
    if (e) {
        *ret = e->ptr;
        return 0;
    }
    nearest_init(&near, name);
    for (const struct yaml_node *i = r->upstreams ? r->upstreams->items : NULL; i; i = i->next)
        nearest_offer(&near, i->key->text.ptr);
    if (near.best)
        return yaml_err(r->y, n, r->err, "'%.*s' is not in upstreams: did you mean '%s'?",
                        STR_ARG(name), near.best);
    return yaml_err(r->y, n, r->err, "'%.*s' is not in upstreams: add it there first",
                    STR_ARG(name));
}

/* The route's timers go first, then the upstream's own, then what the proxy does without. */
static int set_timeouts(struct plan_reader *r, const struct shared *s,
                        const struct yaml_node *upstream, struct plan_timeouts *ret)
{
    static const char *const keys[] = { "connect", "head", "idle", NULL };
    static const enum plan_timer timers[] = { PLAN_TIMER_CONNECT, PLAN_TIMER_HEAD,
                                              PLAN_TIMER_IDLE };
    const struct yaml_node *own = yaml_get(upstream, "timeouts");

    ret->of[PLAN_TIMER_CONNECT] = plan_default(10 * US_PER_SECOND);
    ret->of[PLAN_TIMER_HEAD] = plan_default(600 * US_PER_SECOND);
    ret->of[PLAN_TIMER_IDLE] = plan_default(300 * US_PER_SECOND);
    for (int i = 0; own && own->kind == YAML_MAP && keys[i]; i++)
        if (plan_conf_duration(r, own, keys[i], &ret->of[timers[i]]) < 0)
            return -1;
    for (int i = 0; i < PLAN_TIMER_TOTAL; i++)
        if (s->timeouts.of[i].set)
            ret->of[i] = s->timeouts.of[i];
    return 0;
}

static struct plan_node *read_target(struct plan_reader *r, const struct yaml_node *n,
                                     const struct shared *s)
{
    static const char *const keys[] = { "upstream", "model", "retries", "weight", NULL };
    const struct yaml_node *upstream = NULL, *model = yaml_get(n, "model");
    CLEANUP(buf_release) struct buf name = { 0 };
    struct str text = STR("");

    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        find_upstream(r, yaml_get(n, "upstream"), &upstream) < 0 ||
        (model && yaml_str(r->y, model, &text, r->err) < 0))
        return NULL;
    buf_addf(&name, "%.*s%s%.*s", STR_ARG(upstream->key->text), text.len ? " " : "", STR_ARG(text));
    struct plan_node *t =
        plan_node_new(r->plan, PLAN_TARGET, buf_str(&name), plan_conf_place(r, n), r->err);
    if (!t)
        return NULL;
    t->upstream = arena_str(&r->plan->arena, upstream->key->text);
    t->model = arena_str(&r->plan->arena, text);
    t->retry = s->retry;
    t->when = s->fallback;
    t->health = s->health;
    if (set_timeouts(r, s, upstream, &t->attempt) < 0 ||
        plan_conf_count(r, n, "retries", (struct plan_conf_range){ 0, PLAN_ATTEMPTS_MAX },
                        &t->retry.count) < 0 ||
        read_decimal(r, n, "weight", 6, INT64_C(1000000) * MILLION, &t->weight) < 0)
        return NULL;
    return t;
}

/* All targets have a weight, or none: half of it would be a guess. */
static int check_weights(struct plan_reader *r, const struct plan_node *root,
                         const struct yaml_node *targets)
{
    size_t weighed = 0, shares = 0;

    for (const struct plan_node *i = root->items; i; i = i->next) {
        weighed += i->weight.set;
        shares += i->weight.set && i->weight.n > 0;
    }
    if (weighed && weighed != root->len)
        return yaml_err(r->y, targets, r->err,
                        "some targets have a weight and some have not: give all of them one, 0 for "
                        "those that only come as a fallback");
    if (weighed && !shares)
        return yaml_err(r->y, targets, r->err, "all weights are 0: none can be chosen first");
    return 0;
}

static int read_targets(struct plan_reader *r, const struct yaml_node *in, const struct shared *s,
                        struct plan_route *route)
{
    const struct yaml_node *n = yaml_get(in, "targets");

    if (!n || n->kind != YAML_LIST || !n->len || n->len > PLAN_CONF_TARGETS_MAX)
        return yaml_err(r->y, n ? n : in, r->err, "a route needs a list of 1 to %d targets",
                        PLAN_CONF_TARGETS_MAX);
    route->root =
        plan_node_new(r->plan, PLAN_FALLBACK, route->name, plan_conf_key_place(r, n), r->err);
    if (!route->root)
        return -1;
    route->root->span.of[PLAN_TIMER_TOTAL] = s->timeouts.of[PLAN_TIMER_TOTAL];
    route->root->span.of[PLAN_TIMER_WHOLE] = s->timeouts.of[PLAN_TIMER_TOTAL];
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        struct plan_node *t = read_target(r, i, s);
        if (!t)
            return -1;
        plan_node_add(route->root, t);
    }
    return check_weights(r, route->root, n);
}

/* Its own name, which nobody else may have; else the model's, else its place. */
static int name_route(struct plan_reader *r, const struct yaml_node *n, size_t index,
                      struct buf *ret)
{
    const struct yaml_node *given = yaml_get(n, "name");
    const struct yaml_node *model = yaml_get(yaml_get(n, "match"), "model");
    struct str text;
    bool is_new;

    if (given && yaml_str(r->y, given, &text, r->err) < 0)
        return -1;
    if (given)
        buf_add_str(ret, text);
    else if (model && model->kind == YAML_SCALAR)
        buf_add_str(ret, model->text);
    else
        buf_addf(ret, "routes[%zu]", index);
    map_put(&r->route_names, buf_str(ret), &is_new);
    if (is_new)
        return 0;
    if (given)
        return yaml_err(r->y, given, r->err, "there is a route '%.*s' already",
                        STR_ARG(str_sub(text, 0, 40)));
    buf_clear(ret);
    buf_addf(ret, "routes[%zu]", index);
    return 0;
}

static int read_route(struct plan_reader *r, const struct yaml_node *n, size_t index)
{
    static const char *const keys[] = { "name",     "match",   "targets", "retry", "fallback",
                                        "timeouts", "breaker", "slow",    "mode",  NULL };
    static const char *const match_keys[] = { "api", "model", "app", "upstream", NULL };
    CLEANUP(buf_release) struct buf name = { 0 };
    const struct yaml_node *match = yaml_get(n, "match");
    struct shared shared;
    struct str text;

    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        (match && yaml_check_keys(r->y, match, match_keys, r->err) < 0))
        return -1;
    if (name_route(r, n, index, &name) < 0)
        return -1;
    struct plan_route *route = plan_add_route(r->plan, buf_str(&name), plan_conf_place(r, n));
    const struct yaml_node *api = yaml_get(match, "api");
    if (api) {
        if (yaml_str(r->y, api, &text, r->err) < 0)
            return -1;
        route->api = arena_str(&r->plan->arena, text);
    }
    if (plan_conf_names(r, match, "model", &route->models) < 0 ||
        plan_conf_names(r, match, "app", &route->apps) < 0 ||
        plan_conf_names(r, match, "upstream", &route->upstreams) < 0 ||
        plan_conf_mode(r, n, "mode", &route->mode) < 0 ||
        read_slow(r, yaml_get(n, "slow"), &route->slow) < 0 || read_shared(r, n, &shared) < 0)
        return -1;
    return read_targets(r, n, &shared, route);
}

/* --- the section --- */

/* Whom calls to it are paid to: by its host, else by what it speaks. */
static enum provider provider_of(struct plan_reader *r, const struct yaml_node *upstream)
{
    const struct yaml_node *url = yaml_get(upstream, "url"), *api = yaml_get(upstream, "api");
    enum provider provider = PROVIDER_UNKNOWN;
    struct recognition rec;
    struct str rest, host;

    if (url && url->kind == YAML_SCALAR && str_find(url->text, STR("://"), 0) > 0) {
        rest = str_sub(url->text, (size_t)str_find(url->text, STR("://"), 0) + 3, url->text.len);
        if (str_split(&rest, '/', &host)) {
            recognise(&(struct call){ .method = STR("POST"), .host = host, .path = STR("/") },
                      &r->plan->arena, &rec);
            if (rec.host_known)
                return rec.provider;
        }
    }
    /* What speaks as OpenAI does may be anybody's. */
    if (api && api->kind == YAML_SCALAR && !str_eq(api->text, STR("openai")))
        provider_parse(api->text, &provider);
    return provider;
}

static int read_upstreams(struct plan_reader *r)
{
    struct plan_upstream **last = &r->plan->upstreams;

    if (r->upstreams && r->upstreams->kind != YAML_MAP)
        return plan_conf_wrong(r, r->upstreams, "a map");
    if (r->upstreams && r->upstreams->len > PLAN_CONF_ROWS_MAX)
        return yaml_err(r->y, r->upstreams, r->err, "more than %d upstreams", PLAN_CONF_ROWS_MAX);
    for (const struct yaml_node *i = r->upstreams ? r->upstreams->items : NULL; i; i = i->next) {
        struct plan_upstream *u = arena_alloc(&r->plan->arena, sizeof(*u));
        u->name = arena_str(&r->plan->arena, i->key->text);
        u->provider = provider_of(r, i);
        map_put(&r->upstreams_by_name, u->name, NULL)->ptr = (void *)(uintptr_t)i;
        *last = u;
        last = &u->next;
    }
    return 0;
}

static int read_section(struct plan_reader *r, const struct yaml_node *policy)
{
    static const char *const keys[] = { "mode",         "access",        "limits", "routes",
                                        "assume_input", "assume_output", NULL };
    static const struct plan_conf_range tokens = { 1, PLAN_CONF_TOKENS_MAX };
    struct plan_value input = { .n = PLAN_ASSUME_INPUT }, output = { .n = PLAN_ASSUME_OUTPUT };
    const struct yaml_node *routes = yaml_get(policy, "routes");
    size_t index = 0;

    if (yaml_check_keys(r->y, policy, keys, r->err) < 0 ||
        plan_conf_mode(r, policy, "mode", &r->plan->mode) < 0 ||
        plan_conf_count(r, policy, "assume_input", tokens, &input) < 0 ||
        plan_conf_count(r, policy, "assume_output", tokens, &output) < 0 ||
        (routes && plan_conf_want_list(r, routes) < 0))
        return -1;
    r->plan->assume_input = input.n;
    r->plan->assume_output = output.n;
    for (const struct yaml_node *i = routes ? routes->items : NULL; i; i = i->next)
        if (read_route(r, i, index++) < 0)
            return -1;
    return plan_conf_rules(r, policy);
}

int plan_conf_read(struct plan *p, const struct yaml *y, struct str name, struct err *err)
{
    const struct yaml_node *root = yaml_root(y), *policy = yaml_get(root, "policy");
    struct plan_reader r = {
        .plan = p, .y = y, .upstreams = yaml_get(root, "upstreams"), .err = err
    };

    r.file = arena_str(&p->arena, name);
    p->mode = PLAN_MODE_OBSERVE;
    if (!policy)
        return yaml_err(y, root, err, "there is no section 'policy': nothing says where calls go");
    bool failed =
        read_upstreams(&r) < 0 || read_section(&r, policy) < 0 || plan_conf_payers(&r, root) < 0;
    map_release(&r.upstreams_by_name);
    map_release(&r.route_names);
    return failed ? -1 : 0;
}
