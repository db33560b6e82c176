/* random_plan - trees of every shape, for properties that hold for all of them. */
#ifndef TESTS_RANDOM_PLAN_H
#define TESTS_RANDOM_PLAN_H

#include <stdio.h>

#include "tests/steer_sample.h"

struct random_plan {
    struct steer_sample *s;
    uint64_t seed;
    unsigned names;
    bool chooses;     /* PICK, POOL and weights may come */
    bool one_when;    /* every failure leads on, or none does */
    bool always_ends; /* every attempt has every timer */
    bool has_spans;
    bool remembers; /* health and slowness */
    unsigned depth_most, items_most;
};

/* From 0 to n - 1. */
static inline unsigned random_of(struct random_plan *r, unsigned n)
{
    r->seed = tree_mix(r->seed, 1);
    return (unsigned)((r->seed >> 33) % n);
}

static inline struct plan_value random_time(struct random_plan *r, unsigned least_ms,
                                            unsigned most_ms)
{
    return plan_default((least_ms + random_of(r, most_ms - least_ms)) * MS);
}

static inline struct plan_when random_when(struct random_plan *r)
{
    static const int statuses[] = { 400, 401, 408, 429, 500, 503, 504, 529 };
    struct plan_when w = { .set = true };

    if (r->one_when) {
        w.kinds = PLAN_KINDS_EARLY;
        return w;
    }
    w.kinds = random_of(r, 1u << PLAN_FAILURES) & PLAN_KINDS_EARLY;
    if (random_of(r, 3))
        w.kinds &= ~PLAN_KIND(STATUS);
    if (random_of(r, 2))
        w.never = random_of(r, 1u << PLAN_FAILURES) & (PLAN_KIND(CONTEXT) | PLAN_KIND(CONTENT));
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (random_of(r, 2))
            plan_when_add_status(&w, statuses[i]);
    return w;
}

static inline struct plan_backoff random_backoff(struct random_plan *r)
{
    struct plan_backoff b = { .base = random_time(r, 1, 2000) };

    if (!random_of(r, 4))
        b.base = plan_default(0);
    if (random_of(r, 2))
        b.cap = random_time(r, 500, 5000);
    b.factor_percent = (unsigned[]){ 0, 100, 150, 200, 300 }[random_of(r, 5)];
    b.spread_percent = random_of(r, 2) ? random_of(r, 100) : 0;
    b.jitter_percent = random_of(r, 2) ? random_of(r, 100) : 0;
    b.jitter_us = random_of(r, 2) ? random_of(r, 1000) * MS : 0;
    b.first_twice = !random_of(r, 3);
    b.also_at_the_end = !random_of(r, 4);
    b.cap_is_last = !random_of(r, 3);
    b.full_jitter = !random_of(r, 5);
    return b;
}

static inline void random_retry(struct random_plan *r, struct plan_retry *retry)
{
    struct plan_retry_after *after = &retry->retry_after;

    retry->on = random_when(r);
    retry->backoff = random_backoff(r);
    if (random_of(r, 2))
        retry->count = plan_default(random_of(r, 4));
    after->honoured = plan_default(random_of(r, 2));
    after->longest_us = random_of(r, 40) * S;
    after->sum_us = random_of(r, 2) ? random_of(r, 60) * S : 0;
    after->gives_up = random_of(r, 2);
    after->only_429 = random_of(r, 2);
}

static inline void random_timers(struct random_plan *r, struct plan_timeouts *t, bool span)
{
    if (span) {
        t->of[PLAN_TIMER_TOTAL] = t->of[PLAN_TIMER_WHOLE] = random_time(r, 100, 20000);
        if (!random_of(r, 3))
            t->of[PLAN_TIMER_FIRST_TOKEN] = random_time(r, 100, 20000);
        return;
    }
    for (int i = 0; i < PLAN_TIMERS; i++)
        if (random_of(r, 3) || r->always_ends)
            t->of[i] = random_time(r, 10, 5000);
}

static inline void random_health(struct random_plan *r, struct plan_health *h)
{
    h->memory = (enum plan_memory)random_of(r, PLAN_MEMORY_BREAKER + 1);
    if (random_of(r, 2))
        h->failures = plan_default(1 + random_of(r, 5));
    if (random_of(r, 2))
        h->percent = plan_default(1 + random_of(r, 100));
    if (random_of(r, 2))
        h->minimum = plan_default(1 + random_of(r, 5));
    if (random_of(r, 2))
        h->window = random_time(r, 100, 60000);
    if (random_of(r, 2))
        h->out = random_time(r, 100, 30000);
    if (random_of(r, 2))
        h->probes = plan_default(1 + random_of(r, 3));
    if (random_of(r, 2))
        h->most = plan_default(random_of(r, 101));
}

static inline struct plan_node *random_node(struct random_plan *r, unsigned depth)
{
    enum plan_kind kind = PLAN_TARGET;
    char name[16];

    if (depth < r->depth_most && (depth == 0 || random_of(r, 3)))
        kind = r->chooses        ? (enum plan_kind)(1 + random_of(r, 4))
               : random_of(r, 2) ? PLAN_FALLBACK
                                 : PLAN_TIERS;
    snprintf(name, sizeof(name), "n%u", r->names++);
    struct plan_node *n = sample_node(r->s, kind, name);
    n->upstream = n->name;
    n->when = random_when(r);
    if (random_of(r, 2))
        random_retry(r, &n->retry);
    if (r->has_spans && !random_of(r, 3))
        random_timers(r, &n->span, true);
    if (r->remembers && random_of(r, 2))
        random_health(r, &n->health);
    if (kind == PLAN_TARGET) {
        random_timers(r, &n->attempt, false);
        return n;
    }
    if (kind == PLAN_TIERS && random_of(r, 4))
        n->attempts_per_item = plan_default(1 + random_of(r, 3));
    n->any_order = random_of(r, 2);
    bool weighs = r->chooses && random_of(r, 2);
    for (unsigned i = 1 + random_of(r, r->items_most); i; i--) {
        struct plan_node *item = random_node(r, depth + 1);
        if (weighs && random_of(r, 4))
            item->weight = plan_default(random_of(r, 5) * INT64_C(300000));
        plan_node_add(n, item);
    }
    return n;
}

/* One route, and statuses for failures without one. */
static inline void random_plan_make(struct random_plan *r)
{
    static const int statuses[] = { 0, 408, 500, 503 };
    struct plan_route *route = sample_route(r->s, random_node(r, 0));

    r->s->plan->refused_status = statuses[random_of(r, 4)];
    r->s->plan->connect_late_status = statuses[random_of(r, 4)];
    r->s->plan->late_status = statuses[random_of(r, 4)];
    if (r->remembers && random_of(r, 2)) {
        route->slow.factor_percent = plan_default(150 + random_of(r, 300));
        route->slow.samples = plan_default(1 + random_of(r, 20));
        route->slow.window = random_time(r, 100, 60000);
    }
}

#endif
