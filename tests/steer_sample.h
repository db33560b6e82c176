/* steer_sample - plans made by hand, and calls walked through them, for tests. */
#ifndef TESTS_STEER_SAMPLE_H
#define TESTS_STEER_SAMPLE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/timestamp.h"
#include "policy/policy.h"
#include "policy/steer.h"
#include "policy/tree.h"

#define SAMPLE_SLOTS (POLICY_SLOTS_MIN * 4)
#define MS           INT64_C(1000)
#define S            US_PER_SECOND

struct steer_sample {
    struct plan *plan;
    struct policy *policy;
    struct policy_state *state;
    struct policy_decisions notes;
    struct buf trace;
    int64_t now_us;
    uint64_t calls; /* so far: the seed of the next */
};

static inline void steer_sample_release(struct steer_sample *s)
{
    policy_free(s->policy);
    plan_free(s->plan);
    free(s->state);
    buf_release(&s->trace);
}
DEFINE_CLEANUP_VALUE(struct steer_sample, steer_sample_release)

static inline struct plan_node *sample_node(struct steer_sample *s, enum plan_kind kind,
                                            const char *name)
{
    struct err err;

    if (!s->plan) {
        s->plan = plan_new("test");
        s->plan->mode = PLAN_MODE_ENFORCE;
    }
    struct plan_node *n = plan_node_new(s->plan, kind, str_from(name),
                                        (struct plan_place){ .file = STR("test") }, &err);
    ck_assert_ptr_nonnull(n);
    return n;
}

/* What passes: connections, silence, 408, 429, 5xx. */
static inline struct plan_when sample_when(void)
{
    struct plan_when w = { .kinds = PLAN_KIND(CONNECT) | PLAN_KIND(HEAD) | PLAN_KIND(FIRST_TOKEN),
                           .never = PLAN_KIND(CONTEXT) | PLAN_KIND(CONTENT),
                           .set = true };

    plan_when_add_status(&w, 408);
    plan_when_add_status(&w, 429);
    plan_when_add_statuses(&w, 500, 599);
    return w;
}

/* A target with so many repetitions after waits of 500 ms, 1 s, 2 s, up to 8 s. */
static inline struct plan_node *sample_target(struct steer_sample *s, const char *name,
                                              int repetitions)
{
    struct plan_node *n = sample_node(s, PLAN_TARGET, name);

    n->upstream = n->name;
    n->when = sample_when();
    n->retry.on = sample_when();
    n->retry.count = plan_default(repetitions);
    n->retry.backoff.base = plan_default(500 * MS);
    n->retry.backoff.cap = plan_default(8 * S);
    n->retry.backoff.factor_percent = 200;
    n->retry.retry_after.honoured = plan_default(1);
    n->retry.retry_after.longest_us = 60 * S;
    return n;
}

/* A group of targets "a", "b", ... one for each letter. */
static inline struct plan_node *sample_group(struct steer_sample *s, enum plan_kind kind,
                                             const char *letters, int repetitions)
{
    struct plan_node *n = sample_node(s, kind, "group");
    char name[2] = "";

    for (; *letters; letters++) {
        name[0] = *letters;
        plan_node_add(n, sample_target(s, name, repetitions));
    }
    return n;
}

static inline struct plan_node *sample_item(struct plan_node *group, int index)
{
    struct plan_node *i = group->items;

    while (index--)
        i = i->next;
    return i;
}

static inline struct plan_route *sample_route(struct steer_sample *s, struct plan_node *root)
{
    struct plan_route *r =
        plan_add_route(s->plan, STR("route"), (struct plan_place){ .file = STR("test") });

    r->root = root;
    return r;
}

static inline void sample_open(struct steer_sample *s)
{
    struct err err;

    ck_assert_msg(policy_new(s->plan, NULL, &s->policy, &err) == 0, "%s", err.text);
    s->state = policy_state_new(SAMPLE_SLOTS);
    s->now_us = 1000 * S;
}

static inline struct str sample_name(const struct steer_sample *s, uint32_t target)
{
    return target == POLICY_NONE ? STR("-") : policy_target(s->policy, target)->upstream;
}

static inline struct steer_call sample_call(struct steer_sample *s)
{
    return (struct steer_call){
        .mode = PLAN_MODE_ENFORCE,
        .asked = POLICY_NONE,
        .seed = tree_mix(7, s->calls++),
        .is_stream = true,
        .may_repeat = true,
    };
}

static inline struct steer_end sample_failed(int status)
{
    return (struct steer_end){
        .failed = true,
        .failure = PLAN_FAILED_STATUS,
        .status = status,
        .retry_after_us = -1,
        .first_token_us = -1,
    };
}

static inline struct steer_end sample_ok(void)
{
    return (struct steer_end){ .retry_after_us = -1, .first_token_us = -1 };
}

/* How an attempt ends; *ret_us is how long it takes. */
typedef struct steer_end (*sample_end_fn)(struct steer_sample *s, uint32_t target, int64_t *ret_us);

/* Walks a call to its end and leaves what happened in s->trace: "a@0 b@500 ok", times in ms since
 * it began; "failed", "unavailable". */
static inline void sample_walk(struct steer_sample *s, const struct steer_call *call,
                               sample_end_fn end_of)
{
    struct steer walk;
    struct steer_step step;
    int64_t began = s->now_us, us = 0;
    bool failed = true;

    buf_clear(&s->trace);
    s->notes = (struct policy_decisions){ 0 };
    steer_begin(&walk, s->policy, s->state, call, s->now_us, &s->notes, &step);
    while (step.what == STEER_ATTEMPT || step.what == STEER_WAIT) {
        if (step.what == STEER_WAIT) {
            ck_assert_int_ge(step.until_us, s->now_us);
            s->now_us = step.until_us;
            steer_waited(&walk, s->policy, s->state, s->now_us, &s->notes, &step);
            continue;
        }
        buf_addf(&s->trace, "%.*s@%lld ", STR_ARG(sample_name(s, step.target)),
                 (long long)((s->now_us - began) / MS));
        us = 0;
        struct steer_end end = end_of(s, step.target, &us);
        s->now_us += us;
        failed = end.failed;
        steer_ended(&walk, s->policy, s->state, &end, s->now_us, &s->notes, &step);
    }
    buf_addf(&s->trace, "%s",
             step.what == STEER_UNAVAILABLE ? "unavailable"
             : failed                       ? "failed"
                                            : "ok");
}

#endif
