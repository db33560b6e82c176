#include "config.h"

#include "replay/sim_result.h"

#include <stdlib.h>

#include "base/timestamp.h"

#define BUCKETS_WANTED 100

const char *const sim_outcome_names[SIM_OUTCOMES] = {
    [PLAN_FAILED_CONNECT] = "no connection",
    [PLAN_FAILED_HEAD] = "no answer in time",
    [PLAN_FAILED_FIRST_TOKEN] = "no first token in time",
    [PLAN_FAILED_STATUS] = "error status",
    [PLAN_FAILED_CONTEXT] = "too long for the model",
    [PLAN_FAILED_CONTENT] = "content filter",
    [PLAN_FAILED_STREAM] = "broken stream",
    [SIM_UNAVAILABLE] = "no target in use",
    [SIM_LEFT] = "caller left",
    [SIM_DENIED] = "access denied",
    [SIM_LIMITED] = "over a limit",
    [SIM_CONCURRENCY] = "too many at once",
    [SIM_BUDGET] = "over budget",
    [SIM_BAD_ANSWER] = "useless answer",
    [SIM_ANSWERED] = "answered",
};

/* Lengths of a bucket that people count in. */
static const int64_t lengths_s[] = { 1,   2,    5,    10,   15,    30,    60,    120,   300,   600,
                                     900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800 };

void sim_result_init(struct sim_result *r, int64_t start_us, int64_t end_us)
{
    *r = (struct sim_result){ .start_us = start_us, .last_us = start_us };
    for (size_t i = 0; i < ARRAY_LEN(lengths_s); i++) {
        r->bucket_us = lengths_s[i] * US_PER_SECOND;
        if ((end_us - start_us) / r->bucket_us < BUCKETS_WANTED)
            break;
    }
}

static void release_app(struct sim_app *a)
{
    sketch_release(&a->added);
    sketch_release(&a->first);
    sketch_release(&a->total);
}

void sim_result_release(struct sim_result *r)
{
    for (size_t i = 0; i < r->apps.len; i++)
        release_app(&r->apps.ptr[i]);
    release_app(&r->all);
    for (size_t i = 0; i < r->targets.len; i++) {
        sketch_release(&r->targets.ptr[i].first);
        sketch_release(&r->targets.ptr[i].total);
    }
    for (size_t i = 0; i < r->buckets.len; i++)
        sketch_release(&r->buckets.ptr[i].first);
    vec_release(&r->apps);
    vec_release(&r->targets);
    vec_release(&r->buckets);
    incidents_release(&r->incidents);
    vec_release(&r->rules);
    arena_release(&r->arena);
}

uint32_t sim_result_app(struct sim_result *r, struct str name)
{
    for (size_t i = 0; i < r->apps.len; i++)
        if (str_eq(r->apps.ptr[i].name, name))
            return (uint32_t)i;
    struct sim_app app = { .name = arena_str(&r->arena, name) };
    vec_push(&r->apps, app);
    return (uint32_t)r->apps.len - 1;
}

uint32_t sim_result_target(struct sim_result *r, struct str upstream, struct str model)
{
    for (size_t i = 0; i < r->targets.len; i++)
        if (str_eq(r->targets.ptr[i].upstream, upstream) && str_eq(r->targets.ptr[i].model, model))
            return (uint32_t)i;
    struct sim_target t = { .upstream = arena_str(&r->arena, upstream),
                            .model = arena_str(&r->arena, model) };
    vec_push(&r->targets, t);
    return (uint32_t)r->targets.len - 1;
}

static struct sim_bucket *bucket_at(struct sim_result *r, int64_t at_us)
{
    int64_t i = (at_us - r->start_us) / r->bucket_us;

    i = i < 0 ? 0 : i < SIM_BUCKETS_MAX ? i : SIM_BUCKETS_MAX - 1;
    while ((int64_t)r->buckets.len <= i)
        vec_push(&r->buckets, (struct sim_bucket){ 0 });
    return &r->buckets.ptr[i];
}

/* --- incidents --- */

bool sim_result_struck(struct sim_result *r, uint32_t target, int64_t now_us)
{
    struct sim_target *t = &r->targets.ptr[target];

    t->struck++;
    return incidents_struck_again(&r->incidents, t->incident_plus_one, now_us);
}

static void note_success(struct sim_result *r, const struct sim_done *d)
{
    const struct incident_answer a = {
        .target = d->target,
        .last = r->targets.ptr[d->target].incident_plus_one,
        .met = {d->met[0], d->met[1]},
        .attempt_us = d->attempt_us,
        .answered_us = d->first_us < d->now_us ? d->first_us : d->now_us,
    };

    incidents_answered(&r->incidents, &a);
}

/* --- calls --- */

void sim_result_attempt(struct sim_result *r, uint32_t target, int64_t now_us)
{
    struct sim_target *t = &r->targets.ptr[target];
    int64_t second = now_us / US_PER_SECOND;
    struct sim_bucket *b = bucket_at(r, now_us);

    if (t->attempts++ == 0 && r->shown < SIM_BUCKET_SHOWN)
        t->shown_plus_one = ++r->shown;
    if (second != t->second) {
        t->second = second;
        t->in_second = 0;
    }
    if (++t->in_second > t->most_in_second)
        t->most_in_second = t->in_second;
    if (++t->in_flight > t->most_in_flight)
        t->most_in_flight = t->in_flight;
    b->attempts++;
    if (t->shown_plus_one)
        b->of_target[t->shown_plus_one - 1]++;
}

void sim_result_done(struct sim_result *r, const struct sim_done *d)
{
    struct sim_app *a = &r->apps.ptr[d->app];
    struct sim_bucket *b = bucket_at(r, d->asked_us);
    bool answered = d->outcome == SIM_ANSWERED;

    a->calls++;
    b->calls++;
    a->outcome[d->outcome]++;
    a->tries += d->tries;
    a->attempts += d->attempts;
    a->low_pusd += d->low_pusd;
    a->high_pusd += d->high_pusd;
    r->last_us = d->now_us;
    incidents_call_over(&r->incidents, !answered, d->now_us);
    if (!answered)
        return;
    b->answered++;
    b->rerouted += d->rerouted;
    a->rerouted += d->rerouted;
    a->unpriced += d->unpriced;
    sketch_add(&a->added, d->attempt_us - d->asked_us);
    sketch_add(&a->first, d->first_us - d->asked_us);
    sketch_add(&a->total, d->now_us - d->asked_us);
    sketch_add(&b->first, d->first_us - d->asked_us);
    note_success(r, d);
}

void sim_result_note(struct sim_result *r, const struct policy_decisions *notes)
{
    r->notes_dropped += notes->dropped;
    for (uint32_t i = 0; i < notes->count; i++) {
        const struct policy_decision *d = &notes->list[i];
        while (d->rule != POLICY_NONE && r->rules.len <= d->rule)
            vec_push(&r->rules, (struct sim_rule_count){ 0 });
        if (d->rule != POLICY_NONE && d->mode <= PLAN_MODE_ENFORCE)
            r->rules.ptr[d->rule].n[d->mode][d->outcome]++;
    }
}

void sim_result_finish(struct sim_result *r)
{
    struct sim_app *all = &r->all;

    for (size_t i = 0; i < r->apps.len; i++) {
        const struct sim_app *a = &r->apps.ptr[i];
        all->calls += a->calls;
        for (size_t o = 0; o < SIM_OUTCOMES; o++)
            all->outcome[o] += a->outcome[o];
        all->tries += a->tries;
        all->attempts += a->attempts;
        all->rerouted += a->rerouted;
        all->unpriced += a->unpriced;
        all->low_pusd += a->low_pusd;
        all->high_pusd += a->high_pusd;
        sketch_merge(&all->added, &a->added);
        sketch_merge(&all->first, &a->first);
        sketch_merge(&all->total, &a->total);
    }
}
