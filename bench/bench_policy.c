/* What one decision of the policy costs: a call begun and ended well, through routes of 1, 3 and 64
 * targets, with and without what is remembered of them. */
#include "config.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/bench.h"
#include "policy/steer.h"
#include "policy/tree.h"

#define CALLS 1000 /* a round */

struct setting {
    const char *name;
    int targets;
    bool remembers; /* breaker and slowness */
    bool weighed;
    bool fails; /* the first attempt, so that there are two */
};

struct walks {
    const struct setting *setting;
    struct plan *plan;
    struct policy *policy;
    struct policy_state *state;
    int64_t now_us;
    uint64_t number;
};

static struct plan_node *make_target(struct plan *plan, int i, const struct setting *setting)
{
    struct plan_place at = { .file = STR("bench") };
    struct err err;
    char name[16];

    snprintf(name, sizeof(name), "t%d", i);
    struct plan_node *t = plan_node_new(plan, PLAN_TARGET, str_from(name), at, &err);
    t->upstream = t->name;
    t->when.kinds = t->retry.on.kinds = PLAN_KINDS_EARLY;
    t->retry.count = plan_default(setting->fails ? 0 : 2);
    for (int k = 0; k < PLAN_TIMERS; k++)
        t->attempt.of[k] = plan_default(60 * US_PER_SECOND);
    if (setting->weighed)
        t->weight = plan_default(1000000 + i);
    if (setting->remembers) {
        t->health.memory = PLAN_MEMORY_BREAKER;
        t->health.percent = plan_default(80);
        t->health.window = plan_default(30 * US_PER_SECOND);
    }
    return t;
}

static void open_walks(struct walks *w, const struct setting *setting)
{
    struct plan_place at = { .file = STR("bench") };
    struct err err;

    *w = (struct walks){ .setting = setting, .plan = plan_new("bench") };
    w->plan->mode = PLAN_MODE_ENFORCE;
    struct plan_route *route = plan_add_route(w->plan, STR("route"), at);
    route->root = plan_node_new(w->plan, PLAN_FALLBACK, STR("route"), at, &err);
    route->root->span.of[PLAN_TIMER_TOTAL] = plan_default(600 * US_PER_SECOND);
    for (int i = 0; i < setting->targets; i++)
        plan_node_add(route->root, make_target(w->plan, i, setting));
    if (setting->remembers)
        route->slow.factor_percent = plan_default(250);
    if (policy_new(w->plan, NULL, &w->policy, &err) < 0) {
        fprintf(stderr, "bench_policy: %s\n", err.text);
        exit(EXIT_FAILURE);
    }
    w->state = policy_state_new(POLICY_SLOTS_DEFAULT);
    w->now_us = 1000 * US_PER_SECOND;
}

static void close_walks(struct walks *w)
{
    policy_free(w->policy);
    plan_free(w->plan);
    free(w->state);
}

static uint64_t walk_calls(void *ctx)
{
    struct walks *w = ctx;
    struct steer_end bad = { .failed = true, .retry_after_us = -1, .first_token_us = -1 };
    struct steer_end good = { .retry_after_us = -1, .first_token_us = 300000 };
    struct policy_decisions notes;
    struct steer_step step;
    struct steer walk;
    uint64_t sum = 0;

    for (int i = 0; i < CALLS; i++) {
        uint64_t seed = tree_mix(1, w->number++);
        struct steer_call call = {
            .mode = PLAN_MODE_ENFORCE,
            .asked = POLICY_NONE,
            .sticky = seed >> 50 | 1,
            .seed = seed,
            .is_stream = true,
            .may_repeat = true,
        };
        w->now_us += 100;
        notes.count = notes.dropped = 0;
        steer_begin(&walk, w->policy, w->state, &call, w->now_us, &notes, &step);
        if (w->setting->fails)
            steer_ended(&walk, w->policy, w->state, &bad, w->now_us, &notes, &step);
        sum += step.target;
        steer_ended(&walk, w->policy, w->state, &good, w->now_us + 500000, &notes, &step);
        sum += step.what;
    }
    return sum;
}

/* Instructions of one round; 0 = this machine does not count them. */
static uint64_t instructions(struct walks *w)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .exclude_kernel = 1,
    };
    long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    uint64_t before = 0, after = 0;

    if (fd < 0)
        return 0;
    bool counted = read((int)fd, &before, sizeof(before)) == sizeof(before);
    walk_calls(w);
    counted = counted && read((int)fd, &after, sizeof(after)) == sizeof(after);
    close((int)fd);
    return counted ? after - before : 0;
}

static void measure(const struct setting *setting)
{
    struct walks w;
    char name[100];

    open_walks(&w, setting);
    walk_calls(&w);
    double ns = bench_seconds(walk_calls, &w) / CALLS * 1e9;
    snprintf(name, sizeof(name), "policy decision, %s", setting->name);
    bench_row_beside(name, ns, "ns", "200 ns", ns / 200,
                     setting->targets <= 3 && !setting->fails ? "<= 1" : "");
    uint64_t count = instructions(&w);
    snprintf(name, sizeof(name), "policy decision, %s, instructions", setting->name);
    if (count)
        bench_row(name, (double)count / CALLS, "instructions");
    close_walks(&w);
}

int main(void)
{
    static const struct setting settings[] = {
        {"1 target",                      1,  false, false, false},
        { "3 targets",                    3,  false, false, false},
        { "3 targets, weights",           3,  false, true,  false},
        { "3 targets, breaker and slow",  3,  true,  false, false},
        { "3 targets, all of these",      3,  true,  true,  false},
        { "3 targets, all, one fallback", 3,  true,  true,  true },
        { "64 targets, breaker and slow", 64, true,  false, false},
        { "64 targets, weights",          64, false, true,  false},
    };

    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        measure(&settings[i]);
    return EXIT_SUCCESS;
}
