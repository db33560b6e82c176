/* Calls to counts: what a key did first, and how often the gateway failed. */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "migrate/verdict_parts.h"

#define US_PER_HOUR (INT64_C(3600) * US_PER_SECOND)

static const struct moment never = { .us = INT64_MAX };

/* --- what goes straight to the provider --- */

/* Whether it fails has nothing to do with the application; what is too slow for one is not. */
static bool tells_of_provider(const struct programme_gate *g)
{
    return g->cap_per_million >= 0 &&
           (g->metric == GATE_ERROR || g->metric == GATE_TRUNCATED || g->metric == GATE_ABANDONED);
}

static bool needs_way(const struct programme_app *app)
{
    for (size_t g = 0; calls_have_upstreams(app) && g < app->gate_count; g++)
        if (tells_of_provider(&app->gates[g]))
            return true;
    return false;
}

static size_t way_index(struct tallies *t, struct str name)
{
    for (size_t i = 0; i < t->direct.len; i++)
        if (str_eq(t->direct.ptr[i], name))
            return i;
    vec_push(&t->direct, name);
    return t->direct.len - 1;
}

static void find_ways(struct tallies *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (needs_way(t->list[i].app))
            way_index(t, t->list[i].app->direct);
    t->ways = mem_calloc(t->direct.len + 1, sizeof(*t->ways));
    for (size_t i = 0; i < t->count; i++)
        if (needs_way(t->list[i].app))
            t->list[i].way = &t->ways[way_index(t, t->list[i].app->direct)];
}

static int compare_hours(const void *a, const void *b)
{
    const struct hour_calls *x = a, *y = b;

    return (x->hour > y->hour) - (x->hour < y->hour);
}

static void sort_hours(struct hours *h)
{
    if (h->list.len)
        qsort(h->list.ptr, h->list.len, sizeof(*h->list.ptr), compare_hours);
}

const struct hour_calls *hours_find(const struct hours *h, int64_t hour)
{
    static const struct hour_calls none;
    const struct hour_calls wanted = { .hour = hour };
    const struct hour_calls *found =
        h->list.len ? bsearch(&wanted, h->list.ptr, h->list.len, sizeof(wanted), compare_hours)
                    : NULL;

    return found ? found : &none;
}

static struct hour_calls *hour_of(struct hours *h, int64_t hour)
{
    /* Ledgers come by days: what is looked for is among the last. */
    for (size_t i = h->list.len; i > 0; i--)
        if (h->list.ptr[i - 1].hour == hour)
            return &h->list.ptr[i - 1];
    vec_push(&h->list, (struct hour_calls){ .hour = hour });
    return &h->list.ptr[h->list.len - 1];
}

void tallies_add_beside(void *ctx, const struct call_beside *call)
{
    struct tallies *t = ctx;
    struct hour_calls *h = hour_of(&t->ways[call->way], call->started_us / US_PER_HOUR);

    h->calls[0].all++;
    h->calls[0].measured++;
    h->calls[0].failed += call->failed;
}

/* --- all --- */

void tallies_init(struct tallies *t, const struct verdict_input *in,
                  const struct programme_app *const *apps, size_t count)
{
    *t = (struct tallies){ .list = mem_calloc(count + 1, sizeof(*t->list)), .count = count };
    for (size_t i = 0; i < count; i++) {
        struct tally *a = &t->list[i];
        a->app = apps[i];
        history_read(in->rollout, apps[i], in->until_us, &a->history);
        a->baseline_to_us = a->history.first_us < in->until_us ? a->history.first_us : in->until_us;
        a->baseline_from_us = a->baseline_to_us - VERDICT_BASELINE_US;
        for (size_t g = 0; g < apps[i]->gate_count; g++)
            a->gates[g].threshold = apps[i]->gates[g].threshold;
    }
    find_ways(t);
}

void tallies_release(struct tallies *t)
{
    for (size_t i = 0; i < t->count; i++) {
        history_release(&t->list[i].history);
        for (size_t g = 0; g < PROGRAMME_GATES; g++)
            vec_release(&t->list[i].gates[g].hours.list);
        for (size_t m = 0; m < GATE_METRIC_COUNT; m++)
            sketch_release(&t->list[i].baseline[m]);
    }
    for (size_t i = 0; i < t->direct.len; i++)
        vec_release(&t->ways[i].list);
    vec_release(&t->direct);
    free(t->ways);
    free(t->list);
    map_release(&t->units);
    arena_release(&t->arena);
}

/* --- thresholds --- */

void tallies_add_baseline(void *ctx, const struct call_seen *call)
{
    struct tallies *t = ctx;
    struct tally *a = &t->list[call->app];

    if (call->started_us < a->baseline_from_us || call->started_us >= a->baseline_to_us ||
        call->on_gateway == 1 || call->is_sum ||
        (call->on_gateway < 0 && calls_have_upstreams(a->app)))
        return;
    for (size_t m = 0; m < GATE_METRIC_COUNT; m++)
        if ((call->measured & ~call->at_least & CALLS_WITH_THRESHOLD) >> m & 1)
            sketch_add(&a->baseline[m], call->values[m]);
}

static void freeze(struct tally *a)
{
    for (size_t m = 0; m < GATE_METRIC_COUNT; m++) {
        const struct sketch *s = &a->baseline[m];
        a->frozen[m].calls = (int64_t)s->total;
        a->frozen[m].value = s->total ? sketch_quantile(s, VERDICT_QUANTILE) : -1;
    }
}

void tallies_set_thresholds(struct tallies *t)
{
    for (size_t i = 0; i < t->count; i++) {
        struct tally *a = &t->list[i];
        if (!a->is_known)
            freeze(a);
        for (size_t g = 0; g < a->app->gate_count; g++) {
            const struct baseline_metric *m = &a->frozen[a->app->gates[g].metric];
            if (a->gates[g].threshold < 0 && m->calls >= VERDICT_BASELINE_CALLS)
                a->gates[g].threshold = m->value;
        }
    }
}

/* --- calls --- */

/* One call as the gate sees it. */
struct outcome {
    bool measured, failed;
};

static struct outcome outcome_of(const struct tally *a, size_t gate, const struct call_seen *call)
{
    enum gate_metric metric = a->app->gates[gate].metric;
    int64_t threshold = a->gates[gate].threshold;
    bool by_value = CALLS_WITH_THRESHOLD >> metric & 1;
    struct outcome o = { .measured = call->measured >> metric & 1 };

    if (!by_value) {
        o.failed = o.measured && (call->failed >> metric & 1);
        return o;
    }
    o.failed = o.measured && threshold >= 0 && call->values[metric] > threshold;
    /* Who left before the threshold says nothing of what would have come. */
    o.measured &= threshold >= 0 && (o.failed || !(call->at_least >> metric & 1));
    return o;
}

static bool is_before(const struct moment *a, const struct moment *b)
{
    if (a->us != b->us)
        return a->us < b->us;
    if (a->on_gateway != b->on_gateway)
        return b->on_gateway;
    return a->share < b->share;
}

static void take_first(struct moment *to, const struct moment *m)
{
    if (is_before(m, to))
        *to = *m;
}

/* NULL once there are too many. */
static struct unit *unit_of(struct tallies *t, const struct call_seen *call)
{
    size_t gates = t->list[call->app].app->gate_count;
    uint32_t app = (uint32_t)call->app;
    char key[sizeof(app) + 256];
    size_t len = call->unit.len < 256 ? call->unit.len : 256;
    bool is_new;

    memcpy(key, &app, sizeof(app));
    memcpy(key + sizeof(app), call->unit.ptr, len);
    struct str name = { key, sizeof(app) + len };
    if (t->units.len >= VERDICT_UNITS_MAX && !map_find(&t->units, name)) {
        t->too_many = true;
        return NULL;
    }
    struct map_entry *e = map_put(&t->units, name, &is_new);
    if (is_new) {
        struct unit *u = arena_alloc(&t->arena, sizeof(*u) + gates * sizeof(u->gates[0]));
        u->first = never;
        for (size_t g = 0; g < gates; g++)
            u->gates[g].first = never;
        e->ptr = u;
    }
    return e->ptr;
}

static void count_call(struct verdict_calls *c, struct outcome o)
{
    c->all++;
    c->measured += o.measured;
    c->failed += o.failed;
}

/* For gates whose unit is the call, and calls of which no key is known: each by itself. */
static bool count_alone(struct tally_gate *g, const struct moment *m, struct outcome o)
{
    if (m->share <= 0 || m->share >= ROLLOUT_ALL)
        return true;
    return gate_count_unit(&g->counts, m->share, m->on_gateway) &&
           (!o.failed || gate_count_failure(&g->counts, m->share, m->on_gateway));
}

static void add_spread(struct tally_spread *s, double n, double f)
{
    s->keys += 1;
    s->nn += n * n;
    s->nf += n * f;
    s->ff += f * f;
}

static void count_key(struct unit_gate *u, const struct moment *m, struct outcome o, bool in_hour)
{
    if (!o.failed)
        return;
    take_first(&u->first, m);
    u->failed += m->on_gateway;
    u->hour_failed += m->on_gateway && in_hour;
}

/* The hour that counts is the latest with calls: what came before it is forgotten. */
static void move_hour(struct tally *a, int64_t hour)
{
    if (hour <= a->hour)
        return;
    a->hour = hour;
    for (size_t g = 0; g < a->app->gate_count; g++) {
        memset(a->gates[g].hour, 0, sizeof(a->gates[g].hour));
        a->gates[g].spread[1] = (struct tally_spread){ 0 };
    }
}

static void move_unit_hour(struct unit *u, int64_t hour, size_t gates)
{
    if (hour <= u->hour)
        return;
    u->hour = hour;
    u->hour_calls = 0;
    for (size_t g = 0; g < gates; g++)
        u->gates[g].hour_failed = 0;
}

static void count(struct tally *a, struct unit *u, const struct moment *m,
                  const struct call_seen *call)
{
    int64_t hour = m->us / US_PER_HOUR;

    move_hour(a, hour);
    if (u) {
        move_unit_hour(u, hour, a->app->gate_count);
        take_first(&u->first, m);
        u->calls += m->on_gateway;
        u->hour_calls += m->on_gateway && hour == u->hour;
    }
    for (size_t i = 0; i < a->app->gate_count; i++) {
        struct tally_gate *g = &a->gates[i];
        struct outcome o = outcome_of(a, i, call);
        count_call(&g->calls[m->on_gateway], o);
        if (hour == a->hour)
            count_call(&g->hour[m->on_gateway], o);
        if (a->way)
            count_call(&hour_of(&g->hours, hour)->calls[m->on_gateway], o);
        if (u && !a->app->gates[i].per_request) {
            count_key(&u->gates[i], m, o, hour == u->hour);
            continue;
        }
        count_alone(g, m, o);
        if (m->on_gateway) {
            add_spread(&g->spread[0], 1, o.failed);
            if (hour == a->hour)
                add_spread(&g->spread[1], 1, o.failed);
        }
    }
}

/* False for calls that say nothing: see migrate/verdict.h. */
static bool place_of(const struct tally *a, const struct call_seen *call, struct moment *ret)
{
    const struct history *h = &a->history;

    if (call->on_gateway < 0 || call->is_sum)
        return false;
    if (call->epoch > 0 && call->epoch < h->first_epoch)
        return false;
    /* Chance sent it nowhere, but what happens to it at 100% counts. */
    if (call->epoch > 0 && !call->unit.len && call->share != ROLLOUT_ALL)
        return false;
    int32_t share = call->epoch > 0 ? call->share : history_share_at(h, call->started_us);
    *ret = (struct moment){ call->started_us, share, call->on_gateway == 1 };
    return share >= 0 && share <= ROLLOUT_ALL;
}

void tallies_add(void *ctx, const struct call_seen *call)
{
    struct tallies *t = ctx;
    struct tally *a = &t->list[call->app];
    struct moment m;

    if (a->history.attempt == 0 || call->started_us < a->history.from_us)
        return;
    if (call->started_us > a->last_us)
        a->last_us = call->started_us;
    a->keyless += call->epoch > 0 && !call->unit.len;
    if (!place_of(a, call, &m)) {
        a->left_out++;
        return;
    }
    struct unit *u = call->unit.len ? unit_of(t, call) : NULL;
    if (call->unit.len && !u)
        return;
    a->calls[m.on_gateway]++;
    count(a, u, &m, call);
}

static void finish_gate(const struct tally *a, size_t gate, const struct unit *u,
                        struct tally_gate *g)
{
    const struct unit_gate *k = &u->gates[gate];
    const struct moment *first = &k->first;

    if (u->first.share > 0 && u->first.share < ROLLOUT_ALL)
        gate_count_unit(&g->counts, u->first.share, u->first.on_gateway);
    if (first->us != INT64_MAX && first->share > 0 && first->share < ROLLOUT_ALL)
        gate_count_failure(&g->counts, first->share, first->on_gateway);
    if (u->calls)
        add_spread(&g->spread[0], u->calls, k->failed);
    if (u->hour == a->hour && u->hour_calls)
        add_spread(&g->spread[1], u->hour_calls, k->hour_failed);
}

void tallies_finish(struct tallies *t)
{
    for (size_t i = 0; i < t->direct.len; i++)
        sort_hours(&t->ways[i]);
    for (size_t i = 0; i < t->count; i++)
        for (size_t g = 0; t->list[i].way && g < t->list[i].app->gate_count; g++)
            sort_hours(&t->list[i].gates[g].hours);
    for (size_t i = 0; i < t->units.len; i++) {
        const struct map_entry *e = &t->units.entries[i];
        const struct unit *u = e->ptr;
        uint32_t app;
        memcpy(&app, e->key.ptr, sizeof(app));
        struct tally *a = &t->list[app];
        for (size_t g = 0; g < a->app->gate_count; g++)
            if (!a->app->gates[g].per_request)
                finish_gate(a, g, u, &a->gates[g]);
    }
}
