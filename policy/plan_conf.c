#include "config.h"

#include "policy/plan_conf.h"

#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "base/timestamp.h"

#define MILLION 1000000

struct reader {
    struct plan *plan;
    const struct yaml *y;
    const struct yaml_node *upstreams;
    struct str file;
    struct err *err;
};

/* --- values --- */

static struct plan_place place_of(const struct reader *r, const struct yaml_node *n)
{
    return (struct plan_place){ .file = r->file, .line = n->line, .column = n->column };
}

static struct plan_place key_place(const struct reader *r, const struct yaml_node *n)
{
    return place_of(r, n->key ? n->key : n);
}

static int wrong(const struct reader *r, const struct yaml_node *n, const char *wanted)
{
    if (n->kind != YAML_SCALAR)
        return yaml_err(r->y, n, r->err, "expected %s, got a %s", wanted,
                        n->kind == YAML_LIST ? "list" : "map");
    return yaml_err(r->y, n, r->err, "expected %s, got '%.*s'", wanted,
                    STR_ARG(str_sub(n->text, 0, 40)));
}

static int read_duration(struct reader *r, const struct yaml_node *map, const char *key,
                         struct plan_value *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    int64_t us;

    if (!n)
        return 0;
    if (n->kind != YAML_SCALAR || !duration_parse(n->text, &us) || us <= 0)
        return wrong(r, n, "a duration such as 500ms, 20s or 10m");
    *ret = (struct plan_value){ .n = us, .set = true, .at = key_place(r, n) };
    return 0;
}

static int read_count(struct reader *r, const struct yaml_node *map, const char *key, int64_t least,
                      int64_t most, struct plan_value *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    int64_t value;

    if (!n)
        return 0;
    if (yaml_int(r->y, n, &value, r->err) < 0)
        return -1;
    if (value < least || value > most)
        return yaml_err(r->y, n, r->err, "expected a number from %lld to %lld, got '%.*s'",
                        (long long)least, (long long)most, STR_ARG(n->text));
    *ret = (struct plan_value){ .n = value, .set = true, .at = key_place(r, n) };
    return 0;
}

/* A decimal in units of 1/scale. */
static int read_decimal(struct reader *r, const struct yaml_node *map, const char *key, int digits,
                        int64_t most, struct plan_value *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    i128 value;

    if (!n)
        return 0;
    if (yaml_decimal(r->y, n, digits, &value, r->err) < 0)
        return -1;
    if (value < 0 || value > most)
        return wrong(r, n, "a number that is not negative, nor absurdly large");
    *ret = (struct plan_value){ .n = (int64_t)value, .set = true, .at = key_place(r, n) };
    return 0;
}

static int read_mode(struct reader *r, const struct yaml_node *map, enum plan_mode *ret)
{
    const struct yaml_node *n = yaml_get(map, "mode");

    if (!n)
        return 0;
    /* YAML 1.1 takes a bare off for false; here it is the word. */
    if (n->kind != YAML_SCALAR || !plan_mode_parse(n->text, ret))
        return wrong(r, n, "one of off, observe, warn, enforce");
    return 0;
}

/* A pattern or a list of them. */
static int read_names(struct reader *r, const struct yaml_node *map, const char *key,
                      struct plan_names *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    struct str text;

    if (!n)
        return 0;
    if (n->kind == YAML_MAP || (n->kind == YAML_LIST && !n->len))
        return wrong(r, n, "a name or a list of names");
    const struct yaml_node *i = n->kind == YAML_LIST ? n->items : n;
    size_t count = n->kind == YAML_LIST ? n->len : 1;
    ret->list = arena_alloc(&r->plan->arena, count * sizeof(*ret->list));
    for (ret->len = 0; ret->len < count; ret->len++, i = i->next) {
        if (yaml_str(r->y, i, &text, r->err) < 0)
            return -1;
        ret->list[ret->len] = arena_str(&r->plan->arena, text);
    }
    return 0;
}

static int want_list(const struct reader *r, const struct yaml_node *n)
{
    if (n->kind != YAML_LIST)
        return wrong(r, n, "a list");
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

static int add_failure(struct reader *r, const struct yaml_node *n, struct plan_when *ret)
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
    return wrong(r, n, "connect, head, first_token, context, content, 4xx, 5xx or a status");
}

static int read_when(struct reader *r, const struct yaml_node *map, struct plan_when *ret)
{
    const struct yaml_node *n = yaml_get(map, "on");

    if (!n)
        return 0;
    if (want_list(r, n) < 0)
        return -1;
    *ret = (struct plan_when){ .set = true, .at = key_place(r, n) };
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
    uint32_t never = PLAN_KIND(CONTEXT) | PLAN_KIND(CONTENT);

    *retry = (struct plan_when){ .kinds = PLAN_KIND(CONNECT), .never = never, .set = true };
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        plan_when_add_status(retry, passing[i]);
    *fallback = (struct plan_when){
        .kinds = PLAN_KIND(CONNECT) | PLAN_KIND(HEAD) | PLAN_KIND(FIRST_TOKEN),
        .never = never,
        .set = true,
    };
    plan_when_add_status(fallback, 401);
    plan_when_add_status(fallback, 403);
    plan_when_add_status(fallback, 404);
    plan_when_add_status(fallback, 408);
    plan_when_add_status(fallback, 429);
    plan_when_add_statuses(fallback, 500, 599);
}

/* --- parts of a route --- */

static const char *const timeout_keys[] = {
    "connect", "head", "first_token", "idle", "total", NULL
};

static int read_timeouts(struct reader *r, const struct yaml_node *n, struct plan_timeouts *ret)
{
    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, timeout_keys, r->err) < 0)
        return -1;
    for (int i = 0; timeout_keys[i]; i++)
        if (read_duration(r, n, timeout_keys[i], &ret->of[i]) < 0)
            return -1;
    return 0;
}

static int read_backoff(struct reader *r, const struct yaml_node *n, struct plan_backoff *ret)
{
    static const char *const keys[] = { "base", "factor", "cap", "jitter", NULL };
    struct plan_value factor = { 0 }, jitter = { 0 };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 || read_duration(r, n, "base", &ret->base) < 0 ||
        read_duration(r, n, "cap", &ret->cap) < 0 ||
        read_decimal(r, n, "factor", 2, 10000, &factor) < 0 ||
        read_decimal(r, n, "jitter", 2, 100, &jitter) < 0)
        return -1;
    if (factor.set)
        ret->factor_percent = (unsigned)factor.n;
    if (jitter.set)
        ret->spread_percent = (unsigned)jitter.n;
    return 0;
}

static int read_retry(struct reader *r, const struct yaml_node *n, struct plan_retry *ret)
{
    static const char *const keys[] = { "count", "on", "backoff", "retry_after", NULL };
    struct plan_value longest = { 0 };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        read_count(r, n, "count", 0, PLAN_ATTEMPTS_MAX, &ret->count) < 0 ||
        read_when(r, n, &ret->on) < 0 ||
        read_backoff(r, yaml_get(n, "backoff"), &ret->backoff) < 0 ||
        read_duration(r, n, "retry_after", &longest) < 0)
        return -1;
    if (longest.set)
        ret->retry_after.longest_us = longest.n;
    return 0;
}

static int read_breaker(struct reader *r, const struct yaml_node *n, struct plan_health *ret)
{
    static const char *const keys[] = { "failures", "percent", "minimum", "window",
                                        "open",     "probes",  "on",      NULL };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        read_count(r, n, "failures", 1, MILLION, &ret->failures) < 0 ||
        read_count(r, n, "percent", 1, 100, &ret->percent) < 0 ||
        read_count(r, n, "minimum", 1, MILLION, &ret->minimum) < 0 ||
        read_duration(r, n, "window", &ret->window) < 0 ||
        read_duration(r, n, "open", &ret->out) < 0 ||
        read_count(r, n, "probes", 1, 1000, &ret->probes) < 0 || read_when(r, n, &ret->counted) < 0)
        return -1;
    ret->memory = PLAN_MEMORY_BREAKER;
    ret->at = key_place(r, n);
    if (!ret->failures.set && !ret->percent.set)
        return yaml_err(r->y, n, r->err, "a breaker needs failures or percent: what opens it?");
    return 0;
}

static int read_slow(struct reader *r, const struct yaml_node *n, struct plan_slow *ret)
{
    static const char *const keys[] = { "factor", "window", "samples", NULL };

    if (!n)
        return 0;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        read_decimal(r, n, "factor", 2, 100000, &ret->factor_percent) < 0 ||
        read_duration(r, n, "window", &ret->window) < 0 ||
        read_count(r, n, "samples", 1, MILLION, &ret->samples) < 0)
        return -1;
    ret->at = key_place(r, n);
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

static int read_shared(struct reader *r, const struct yaml_node *n, struct shared *ret)
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

static int find_upstream(struct reader *r, const struct yaml_node *n, const struct yaml_node **ret)
{
    struct nearest near;
    struct str name;

    if (yaml_str(r->y, n, &name, r->err) < 0)
        return -1;
    nearest_init(&near, name);
    for (*ret = r->upstreams ? r->upstreams->items : NULL; *ret; *ret = (*ret)->next) {
        if (str_eq((*ret)->key->text, name))
            return 0;
        nearest_offer(&near, (*ret)->key->text.ptr);
    }
    if (near.best)
        return yaml_err(r->y, n, r->err, "'%.*s' is not in upstreams: did you mean '%s'?",
                        STR_ARG(name), near.best);
    return yaml_err(r->y, n, r->err, "'%.*s' is not in upstreams: add it there first",
                    STR_ARG(name));
}

/* The route's timers go first, then the upstream's own, then what the proxy does without. */
static int set_timeouts(struct reader *r, const struct shared *s, const struct yaml_node *upstream,
                        struct plan_timeouts *ret)
{
    static const char *const keys[] = { "connect", "head", "idle", NULL };
    static const enum plan_timer timers[] = { PLAN_TIMER_CONNECT, PLAN_TIMER_HEAD,
                                              PLAN_TIMER_IDLE };
    const struct yaml_node *own = yaml_get(upstream, "timeouts");

    ret->of[PLAN_TIMER_CONNECT] = plan_default(10 * US_PER_SECOND);
    ret->of[PLAN_TIMER_HEAD] = plan_default(600 * US_PER_SECOND);
    ret->of[PLAN_TIMER_IDLE] = plan_default(300 * US_PER_SECOND);
    for (int i = 0; own && own->kind == YAML_MAP && keys[i]; i++)
        if (read_duration(r, own, keys[i], &ret->of[timers[i]]) < 0)
            return -1;
    for (int i = 0; i < PLAN_TIMER_TOTAL; i++)
        if (s->timeouts.of[i].set)
            ret->of[i] = s->timeouts.of[i];
    return 0;
}

static struct plan_node *read_target(struct reader *r, const struct yaml_node *n,
                                     const struct shared *s)
{
    static const char *const keys[] = { "upstream", "model", "retries", "weight", NULL };
    const struct yaml_node *upstream, *model = yaml_get(n, "model");
    CLEANUP(buf_release) struct buf name = { 0 };
    struct str text = STR("");

    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        find_upstream(r, yaml_get(n, "upstream"), &upstream) < 0 ||
        (model && yaml_str(r->y, model, &text, r->err) < 0))
        return NULL;
    buf_addf(&name, "%.*s%s%.*s", STR_ARG(upstream->key->text), text.len ? " " : "", STR_ARG(text));
    struct plan_node *t =
        plan_node_new(r->plan, PLAN_TARGET, buf_str(&name), place_of(r, n), r->err);
    if (!t)
        return NULL;
    t->upstream = arena_str(&r->plan->arena, upstream->key->text);
    t->model = arena_str(&r->plan->arena, text);
    t->retry = s->retry;
    t->when = s->fallback;
    t->health = s->health;
    if (set_timeouts(r, s, upstream, &t->attempt) < 0 ||
        read_count(r, n, "retries", 0, PLAN_ATTEMPTS_MAX, &t->retry.count) < 0 ||
        read_decimal(r, n, "weight", 6, INT64_C(1000000) * MILLION, &t->weight) < 0)
        return NULL;
    return t;
}

/* All targets have a weight, or none: half of it would be a guess. */
static int check_weights(struct reader *r, const struct plan_node *root,
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

static int read_targets(struct reader *r, const struct yaml_node *in, const struct shared *s,
                        struct plan_route *route)
{
    const struct yaml_node *n = yaml_get(in, "targets");

    if (!n || n->kind != YAML_LIST || !n->len || n->len > PLAN_CONF_TARGETS_MAX)
        return yaml_err(r->y, n ? n : in, r->err, "a route needs a list of 1 to %d targets",
                        PLAN_CONF_TARGETS_MAX);
    route->root = plan_node_new(r->plan, PLAN_FALLBACK, route->name, key_place(r, n), r->err);
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

static int read_route(struct reader *r, const struct yaml_node *n, size_t index)
{
    static const char *const keys[] = { "name",     "match",   "targets", "retry", "fallback",
                                        "timeouts", "breaker", "slow",    "mode",  NULL };
    static const char *const match_keys[] = { "api", "model", "app", NULL };
    CLEANUP(buf_release) struct buf name = { 0 };
    const struct yaml_node *given = yaml_get(n, "name"), *match = yaml_get(n, "match");
    struct shared shared;
    struct str text;

    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        (match && yaml_check_keys(r->y, match, match_keys, r->err) < 0))
        return -1;
    const struct yaml_node *model = yaml_get(match, "model");
    if (given && yaml_str(r->y, given, &text, r->err) < 0)
        return -1;
    if (given)
        buf_add_str(&name, text);
    else if (model && model->kind == YAML_SCALAR)
        buf_add_str(&name, model->text);
    else
        buf_addf(&name, "routes[%zu]", index);
    struct plan_route *route = plan_add_route(r->plan, buf_str(&name), place_of(r, n));
    const struct yaml_node *api = yaml_get(match, "api");
    if (api) {
        if (yaml_str(r->y, api, &text, r->err) < 0)
            return -1;
        route->api = arena_str(&r->plan->arena, text);
    }
    if (read_names(r, match, "model", &route->models) < 0 ||
        read_names(r, match, "app", &route->apps) < 0 || read_mode(r, n, &route->mode) < 0 ||
        read_slow(r, yaml_get(n, "slow"), &route->slow) < 0 || read_shared(r, n, &shared) < 0)
        return -1;
    return read_targets(r, n, &shared, route);
}

/* --- access and limits --- */

static int read_access(struct reader *r, const struct yaml_node *n, struct plan_access *ret)
{
    static const char *const keys[] = { "teams", "apps",    "business_units", "roles", "allow",
                                        "deny",  "instead", "mode",           NULL };
    const struct yaml_node *instead = yaml_get(n, "instead");
    struct str text;

    if (yaml_check_keys(r->y, n, keys, r->err) < 0)
        return -1;
    ret->at = place_of(r, n);
    ret->mode = PLAN_MODE_UNSAID;
    if (read_names(r, n, "teams", &ret->teams) < 0 || read_names(r, n, "apps", &ret->apps) < 0 ||
        read_names(r, n, "business_units", &ret->business_units) < 0 ||
        read_names(r, n, "roles", &ret->roles) < 0 || read_names(r, n, "allow", &ret->allow) < 0 ||
        read_names(r, n, "deny", &ret->deny) < 0 || read_mode(r, n, &ret->mode) < 0)
        return -1;
    if (!ret->allow.len && !ret->deny.len)
        return yaml_err(r->y, n, r->err, "an access rule needs allow or deny: what is it about?");
    if (!instead)
        return 0;
    if (yaml_str(r->y, instead, &text, r->err) < 0)
        return -1;
    ret->instead = arena_str(&r->plan->arena, text);
    return 0;
}

/* "600/min", "2M/min", "10k/s". */
static bool parse_rate(struct str text, int64_t *ret, int64_t *ret_us)
{
    static const struct {
        const char *name;
        int64_t us;
    } windows[] = {
        {"s",     US_PER_SECOND       },
        { "min",  60 * US_PER_SECOND  },
        { "h",    3600 * US_PER_SECOND},
        { "hour", 3600 * US_PER_SECOND},
        { "day",  US_PER_DAY          },
    };
    struct str rest = text, number;
    int64_t times = 1;
    i128 value;

    if (!str_split(&rest, '/', &number) || !rest.ptr || !number.len)
        return false;
    char unit = number.ptr[number.len - 1];
    if (unit == 'k' || unit == 'M') {
        times = unit == 'k' ? 1000 : MILLION;
        number.len--;
    }
    if (decimal_parse(number, 6, &value) != DECIMAL_OK || value <= 0 ||
        value > INT64_C(1000000000) * MILLION)
        return false;
    *ret = (int64_t)(value * times / MILLION);
    for (size_t i = 0; i < ARRAY_LEN(windows); i++)
        if (str_eq(rest, str_from(windows[i].name))) {
            *ret_us = windows[i].us;
            return *ret > 0;
        }
    return false;
}

static int read_limit(struct reader *r, const struct yaml_node *n, struct plan_limit *ret)
{
    static const char *const keys[] = { "team",   "app",        "model", "requests",
                                        "tokens", "concurrent", "mode",  NULL };
    static const char *const rates[] = { "requests", "tokens" };

    if (yaml_check_keys(r->y, n, keys, r->err) < 0)
        return -1;
    ret->at = place_of(r, n);
    ret->mode = PLAN_MODE_UNSAID;
    if (read_names(r, n, "team", &ret->teams) < 0 || read_names(r, n, "app", &ret->apps) < 0 ||
        read_names(r, n, "model", &ret->models) < 0 || read_mode(r, n, &ret->mode) < 0 ||
        read_count(r, n, "concurrent", 1, MILLION, &ret->most[PLAN_LIMIT_CONCURRENT]) < 0)
        return -1;
    for (int i = 0; i < PLAN_LIMIT_CONCURRENT; i++) {
        const struct yaml_node *rate = yaml_get(n, rates[i]);
        if (!rate)
            continue;
        if (rate->kind != YAML_SCALAR || !parse_rate(rate->text, &ret->most[i].n, &ret->per_us[i]))
            return wrong(r, rate, "a rate such as 600/min, 10k/s or 2M/day");
        ret->most[i].set = true;
        ret->most[i].at = key_place(r, rate);
    }
    for (int i = 0; i < PLAN_LIMITS; i++)
        if (ret->most[i].set)
            return 0;
    return yaml_err(r->y, n, r->err, "a limit needs requests, tokens or concurrent");
}

/* --- the section --- */

static int read_rules(struct reader *r, const struct yaml_node *policy)
{
    const struct yaml_node *access = yaml_get(policy, "access"),
                           *limits = yaml_get(policy, "limits");
    struct plan_access **last_access = &r->plan->access;
    struct plan_limit **last_limit = &r->plan->limits;

    if ((access && want_list(r, access) < 0) || (limits && want_list(r, limits) < 0))
        return -1;
    for (const struct yaml_node *i = access ? access->items : NULL; i; i = i->next) {
        struct plan_access *a = arena_alloc(&r->plan->arena, sizeof(*a));
        if (read_access(r, i, a) < 0)
            return -1;
        *last_access = a;
        last_access = &a->next;
    }
    for (const struct yaml_node *i = limits ? limits->items : NULL; i; i = i->next) {
        struct plan_limit *l = arena_alloc(&r->plan->arena, sizeof(*l));
        if (read_limit(r, i, l) < 0)
            return -1;
        *last_limit = l;
        last_limit = &l->next;
    }
    return 0;
}

int plan_conf_read(struct plan *p, const struct yaml *y, struct str name, struct err *err)
{
    static const char *const keys[] = { "mode", "access", "limits", "routes", NULL };
    const struct yaml_node *root = yaml_root(y), *policy = yaml_get(root, "policy");
    struct reader r = { .plan = p, .y = y, .upstreams = yaml_get(root, "upstreams"), .err = err };
    size_t index = 0;

    r.file = arena_str(&p->arena, name);
    p->mode = PLAN_MODE_OBSERVE;
    if (!policy)
        return yaml_err(y, root, err, "there is no section 'policy': nothing says where calls go");
    if (yaml_check_keys(y, policy, keys, err) < 0 || read_mode(&r, policy, &p->mode) < 0)
        return -1;
    const struct yaml_node *routes = yaml_get(policy, "routes");
    if (routes && want_list(&r, routes) < 0)
        return -1;
    for (const struct yaml_node *i = routes ? routes->items : NULL; i; i = i->next)
        if (read_route(&r, i, index++) < 0)
            return -1;
    return read_rules(&r, policy);
}
