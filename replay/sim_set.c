#include "config.h"

#include "replay/sim_set.h"

#include "base/decimal.h"
#include "base/timestamp.h"

enum unit {
    UNIT_COUNT,
    UNIT_DURATION,
    UNIT_PERCENT, /* of a factor: 2.5 is 250 */
};

struct sim_set_key {
    struct str name;
    enum unit unit;
    /* Where it is; NULL = not there. */
    struct plan_value *(*of_node)(struct plan_node *n);
    struct plan_value *(*of_route)(struct plan_route *r);
};

static struct plan_value *if_set(struct plan_value *v)
{
    return v->set ? v : NULL;
}

/* Of a node that repeats: what never does stays so. */
static struct plan_value *retry_count(struct plan_node *n)
{
    return n->retry.count.set && n->retry.count.n > 0 ? &n->retry.count : NULL;
}
static struct plan_value *retry_base(struct plan_node *n)
{
    return if_set(&n->retry.backoff.base);
}
static struct plan_value *retry_cap(struct plan_node *n)
{
    return if_set(&n->retry.backoff.cap);
}
static struct plan_value *timer(struct plan_node *n, enum plan_timer t)
{
    return n->kind == PLAN_TARGET ? &n->attempt.of[t] : NULL;
}
static struct plan_value *timer_connect(struct plan_node *n)
{
    return timer(n, PLAN_TIMER_CONNECT);
}
static struct plan_value *timer_head(struct plan_node *n)
{
    return timer(n, PLAN_TIMER_HEAD);
}
static struct plan_value *timer_first(struct plan_node *n)
{
    return timer(n, PLAN_TIMER_FIRST_TOKEN);
}
static struct plan_value *timer_idle(struct plan_node *n)
{
    return timer(n, PLAN_TIMER_IDLE);
}
static struct plan_value *health(struct plan_node *n, struct plan_value *v)
{
    return n->health.memory == PLAN_MEMORY_NONE ? NULL : v;
}
static struct plan_value *health_failures(struct plan_node *n)
{
    return health(n, &n->health.failures);
}
static struct plan_value *health_window(struct plan_node *n)
{
    return health(n, &n->health.window);
}
static struct plan_value *health_open(struct plan_node *n)
{
    return health(n, &n->health.out);
}
static struct plan_value *health_probes(struct plan_node *n)
{
    return health(n, &n->health.probes);
}
static struct plan_value *slow_factor(struct plan_route *r)
{
    return if_set(&r->slow.factor_percent);
}
static struct plan_value *slow_window(struct plan_route *r)
{
    return if_set(&r->slow.window);
}
static struct plan_value *slow_samples(struct plan_route *r)
{
    return if_set(&r->slow.samples);
}

static const struct sim_set_key keys[] = {
    {STR_INIT("retry.count"),           UNIT_COUNT,    retry_count,     NULL        },
    { STR_INIT("retry.base"),           UNIT_DURATION, retry_base,      NULL        },
    { STR_INIT("retry.cap"),            UNIT_DURATION, retry_cap,       NULL        },
    { STR_INIT("timeouts.connect"),     UNIT_DURATION, timer_connect,   NULL        },
    { STR_INIT("timeouts.head"),        UNIT_DURATION, timer_head,      NULL        },
    { STR_INIT("timeouts.first_token"), UNIT_DURATION, timer_first,     NULL        },
    { STR_INIT("timeouts.idle"),        UNIT_DURATION, timer_idle,      NULL        },
    { STR_INIT("breaker.failures"),     UNIT_COUNT,    health_failures, NULL        },
    { STR_INIT("breaker.window"),       UNIT_DURATION, health_window,   NULL        },
    { STR_INIT("breaker.open"),         UNIT_DURATION, health_open,     NULL        },
    { STR_INIT("breaker.probes"),       UNIT_COUNT,    health_probes,   NULL        },
    { STR_INIT("slow.factor"),          UNIT_PERCENT,  NULL,            slow_factor },
    { STR_INIT("slow.window"),          UNIT_DURATION, NULL,            slow_window },
    { STR_INIT("slow.samples"),         UNIT_COUNT,    NULL,            slow_samples},
};

const struct sim_set_key *sim_set_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(keys[i].name, name))
            return &keys[i];
    return NULL;
}

const char *sim_set_names(void)
{
    return "retry.count, retry.base, retry.cap, timeouts.connect, timeouts.head, "
           "timeouts.first_token, timeouts.idle, breaker.failures, breaker.window, breaker.open, "
           "breaker.probes, slow.factor, slow.window and slow.samples";
}

static bool read_value(enum unit unit, struct str text, int64_t *ret)
{
    i128 percent;

    switch (unit) {
    case UNIT_COUNT:
        return str_to_i64(text, ret) && *ret > 0 && *ret <= PLAN_ATTEMPTS_MAX;
    case UNIT_DURATION:
        return duration_parse(text, ret) && *ret > 0;
    case UNIT_PERCENT:
        if (decimal_parse(text, 2, &percent) != DECIMAL_OK || percent <= 100 || percent > 100000)
            return false;
        *ret = (int64_t)percent;
        return true;
    }
    return false;
}

static size_t set_one(struct plan_value *v, int64_t n)
{
    if (!v)
        return 0;
    v->n = n;
    v->set = true;
    return 1;
}

static size_t set_nodes(struct plan_node *n, const struct sim_set_key *key, int64_t value)
{
    size_t count = key->of_node ? set_one(key->of_node(n), value) : 0;

    for (struct plan_node *i = n->items; i; i = i->next)
        count += set_nodes(i, key, value);
    return count;
}

int sim_set(struct plan *p, const struct sim_set_key *key, struct str text, struct err *err)
{
    size_t count = 0;
    int64_t value;

    if (!read_value(key->unit, text, &value))
        return err_set(err, ERR_USAGE, "'%.*s' is no value of %.*s", STR_ARG(text),
                       STR_ARG(key->name));
    for (struct plan_route *r = p->routes; r; r = r->next) {
        if (r->root)
            count += set_nodes(r->root, key, value);
        if (key->of_route)
            count += set_one(key->of_route(r), value);
    }
    if (count == 0)
        return err_set(err, ERR_USAGE, "no route has %.*s to be set", STR_ARG(key->name));
    return 0;
}
