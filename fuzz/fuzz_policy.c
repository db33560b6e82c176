/* Policies over arbitrary bytes: a configuration, up to a NUL, then what callers do under it. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "llm/price.h"
#include "policy/admit.h"
#include "policy/plan_conf.h"
#include "policy/steer.h"

#define CALLS     8
#define STEPS_MAX 400
#define HOLDERS   3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct call {
    bool is_live;
    struct policy_claims claims;
};

struct world {
    struct policy *policy;
    struct policy_cache *cache;
    struct policy_state *state;
    const uint8_t *at, *end;
    struct call calls[CALLS];
    uint32_t holders[CALLS];
    int64_t now_us;
};

static void world_release(struct world *w)
{
    policy_cache_free(w->cache);
    policy_free(w->policy);
    free(w->state);
}
DEFINE_CLEANUP_VALUE(struct world, world_release)

static unsigned take(struct world *w)
{
    return w->at < w->end ? *w->at++ : 0;
}

/* Loaded once: a book is a file. */
static const struct price_book *prices(void)
{
    static const char text[] = "format: weir-prices/1\n"
                               "provider: openai\n"
                               "sources: {s: {title: made up}}\n"
                               "entries: [{id: m, source: s, checked: 2026-01-01,\n"
                               "           per_million: {input: \"1\", output: \"2\"}}]\n";
    static struct price_book *book;
    char path[] = "/tmp/weir-fuzz-XXXXXX.yaml";
    struct err err;

    if (book)
        return book;
    int fd = mkstemps(path, 5);
    assert(fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
    close(fd);
    int r = price_book_load(&book, path, &err);
    unlink(path);
    assert(r == 0);
    return book;
}

static void draw_subject(struct world *w, struct policy_subject *ret)
{
    static const struct str names[] = {
        STR_INIT(""),  STR_INIT("a"),     STR_INIT("bot"),
        STR_INIT("m"), STR_INIT("gpt-5"), STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")
    };
    struct str *const of[] = { &ret->app, &ret->team,     &ret->business_unit, &ret->role,
                               &ret->api, &ret->upstream, &ret->model };

    *ret = (struct policy_subject){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(of); i++)
        *of[i] = names[take(w) % ARRAY_LEN(names)];
}

/* Through the route, each attempt ending as the bytes say. */
static void walk(struct world *w, const struct policy_class *c, struct policy_decisions *notes)
{
    struct steer_call call = { .route = policy_class_route(c),
                               .mode = policy_class_route_mode(c),
                               .asked = POLICY_NONE,
                               .sticky = take(w),
                               .seed = take(w),
                               .is_stream = take(w) & 1,
                               .may_repeat = take(w) & 1 };
    int64_t now = w->now_us;
    struct steer_step step;
    struct steer s;

    steer_begin(&s, w->policy, w->state, &call, now, notes, &step);
    for (int i = 0; i < 50 && (step.what == STEER_ATTEMPT || step.what == STEER_WAIT); i++) {
        if (step.what == STEER_WAIT) {
            assert(step.until_us >= now);
            now = step.until_us;
            steer_waited(&s, w->policy, w->state, now, notes, &step);
            continue;
        }
        unsigned how = take(w);
        struct steer_end end = { .failed = how & 1,
                                 .failure = (enum plan_failure)((how >> 1) % PLAN_FAILURES),
                                 .status = 400 + (int)(how % 130),
                                 .late = how >> 6 & 1,
                                 .retry_after_us = (int64_t)(how >> 4) * 100000 - 100000,
                                 .first_token_us = 1000 };
        now += (int64_t)take(w) * 1000;
        steer_ended(&s, w->policy, w->state, &end, now, notes, &step);
    }
    steer_abandon(&s, w->policy, w->state, now);
}

static void admit(struct world *w, unsigned n)
{
    struct policy_decisions notes = { 0 };
    struct policy_admission said;
    struct policy_subject subject;

    draw_subject(w, &subject);
    const struct policy_class *c = policy_resolve(w->cache, &subject);
    struct policy_ask ask = { .now_us = w->now_us,
                              .input_tokens = (int64_t)take(w) << take(w) % 55,
                              .output_tokens = (int64_t)take(w) << take(w) % 55,
                              .holder = take(w) % HOLDERS };
    policy_admit(w->policy, w->state, c, &ask, &w->calls[n].claims, &notes, &said);
    assert((said.verdict == POLICY_GO) == (said.rule == POLICY_NONE));
    assert(said.verdict == POLICY_GO || policy_rule(w->policy, said.rule)->id.len);
    assert(said.verdict == POLICY_GO || !w->calls[n].claims.count);
    assert(said.retry_after_us >= 0);
    w->calls[n].is_live = said.verdict == POLICY_GO;
    w->holders[n] = ask.holder;
    if (w->calls[n].is_live && policy_class_route(c) != POLICY_NONE)
        walk(w, c, &notes);
    assert(notes.count <= POLICY_DECISIONS_MAX);
}

static void check_budgets(struct world *w)
{
    for (size_t i = 0; i < policy_budget_count(w->policy); i++) {
        const struct plan_budget *plan = policy_budget_plan(w->policy, i);
        struct policy_budget_state b;
        uint32_t rule = policy_budget(w->policy, w->state, i, w->now_us, &b);
        assert(b.spent_nusd >= 0 && b.reserved_nusd >= 0 && b.beyond_nusd >= 0);
        assert(b.from_us <= w->now_us && w->now_us < b.until_us);
        /* An application may be in observe, so what is hard for others is not for all. */
        if (plan->hard && policy_rule(w->policy, rule)->mode == PLAN_MODE_ENFORCE &&
            !policy_plan(w->policy)->apps)
            assert(b.spent_nusd <= plan->nusd || b.spent_nusd - b.beyond_nusd <= plan->nusd);
    }
}

static void settle(struct world *w, unsigned n)
{
    struct policy_used used = { .tokens = (int64_t)take(w) - 1, .nusd = (int64_t)take(w) - 1 };

    policy_settle(w->policy, w->state, &w->calls[n].claims, &used, w->now_us);
    w->calls[n].is_live = false;
}

static void step(struct world *w)
{
    unsigned what = take(w), n = what % CALLS;

    w->now_us += (int64_t)take(w) << what % 34;
    if (what >> 3 == 0) {
        uint32_t holder = n % HOLDERS;
        policy_forget_holder(w->state, holder, w->now_us);
        for (unsigned i = 0; i < CALLS; i++)
            if (w->holders[i] == holder)
                w->calls[i].is_live = false;
    } else if (w->calls[n].is_live) {
        settle(w, n);
    } else {
        admit(w, n);
    }
    check_budgets(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free) struct plan *plan = plan_new("weir");
    CLEANUP(world_release) struct world w = { .now_us = INT64_C(1768478400000000) };
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    struct err err = { 0 };

    w.at = nul ? nul + 1 : data;
    w.end = data + size;
    struct str text = { (const char *)data, nul ? (size_t)(nul - data) : size };
    if (yaml_parse(text, "fuzz", &y, &err) < 0 || plan_conf_read(plan, y, STR("fuzz"), &err) < 0 ||
        policy_new(plan, prices(), &w.policy, &err) < 0) {
        assert(err.text[0]);
        return 0;
    }
    w.cache = policy_cache_new(w.policy);
    w.state = policy_state_new(POLICY_SLOTS_MIN);
    for (int i = 0; i < STEPS_MAX && w.at < w.end; i++)
        step(&w);
    for (unsigned i = 0; i < CALLS; i++)
        if (w.calls[i].is_live)
            settle(&w, i);
    check_budgets(&w);
    return 0;
}
