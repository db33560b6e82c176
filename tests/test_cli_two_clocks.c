/* One policy, two clocks: what the proxy makes of bytes that come live, and what the simulator
 * makes of the same faults, must come to the same decisions.
 *
 * Each sequence is a call whose attempts are struck by faults drawn at random.  On one side they
 * are the bytes that the fault is on the wire, fed to proxy/steered at the moments of a made-up
 * clock; on the other replay/sim_attempt reckons with them.  Both remember in a state of their own,
 * and all that is decided and remembered is compared.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "policy/plan_conf.h"
#include "proxy/steered.h"
#include "replay/sim_attempt.h"
#include "replay/sim_ending.h"
#include "tests/check_main.h"

#define SEQUENCES 10000
#define SLOTS     64
#define BEGIN_US  (INT64_C(1790000000) * 1000000)

#define UPSTREAMS                                                                                  \
    "upstreams: {a: {url: \"http://a\", api: openai}, b: {url: \"http://b\", api: openai},"        \
    " c: {url: \"http://c\", api: openai}}\n"

static const char *const plans[] = {
    "{targets: [{upstream: a}, {upstream: b}, {upstream: c}]}",
    "{targets: [{upstream: a, retries: 2}, {upstream: b, retries: 1}],"
    " timeouts: {connect: 1s, head: 2s, first_token: 3s, total: 30s}}",
    "{targets: [{upstream: a}, {upstream: b}], timeouts: {head: 5s, first_token: 4s, total: 20s},"
    " breaker: {failures: 3, window: 60s, open: 20s, probes: 2}}",
    "{targets: [{upstream: a, weight: 3}, {upstream: b, weight: 1}, {upstream: c, weight: 0}],"
    " retry: {count: 1, on: [5xx, 429, connect, first_token]},"
    " breaker: {percent: 50, minimum: 5, window: 30s, open: 10s}}",
    "{targets: [{upstream: a, retries: 3}, {upstream: b}], retry: {backoff: {base: 2s, jitter: "
    "0.5},"
    " retry_after: 30s}, fallback: {on: [5xx, 429, connect, head, first_token, context]},"
    " timeouts: {head: 10s, first_token: 10s}, slow: {factor: 1.5, window: 30s, samples: 5}}",
};

/* --- what happens, drawn --- */

struct draw {
    uint64_t state;
};

static uint64_t next(struct draw *d, uint64_t below)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (d->state >> 33) % below;
}

/* What strikes within the answer; what a scenario has beyond is about the pace of bytes. */
static const struct {
    const char *name;
    bool on_stream, on_whole;
} within[] = {
    {"error_first",      true, false},
    { "error_event",     true, false},
    { "eof_dirty",       true, true },
    { "eof_reset",       true, true },
    { "eof_clean",       true, true },
    { "eof_tool_call",   true, false},
    { "eof_mid_event",   true, false},
    { "malformed_json",  true, true },
    { "html_200",        true, true },
    { "error_200",       true, true },
    { "blank_body",      true, true },
    { "json_for_stream", true, false},
    { "stall",           true, true },
    { "half_open",       true, true },
};

/* What hangs needs a timer of the whole call, or nothing ends it. */
static bool is_fit(const struct fault_kind *k, bool is_stream, bool may_hang)
{
    if (k->stage == FAULT_REFUSAL || k->stage == FAULT_CONNECT || strcmp(k->name, "silent") == 0)
        return k->failure != PLAN_FAILURES;
    for (size_t i = 0; i < ARRAY_LEN(within); i++)
        if (strcmp(k->name, within[i].name) == 0)
            return (is_stream ? within[i].on_stream : within[i].on_whole) &&
                   (may_hang || (!k->hangs && !k->stays_open));
    return false;
}

static size_t draw_fault(struct draw *d, bool is_stream, bool may_hang, struct fault *ret)
{
    size_t count = 0, at;

    while (fault_kinds[count].name)
        count++;
    if (next(d, 100) < 45)
        return 0;
    do {
        at = next(d, count);
    } while (!is_fit(&fault_kinds[at], is_stream, may_hang));
    *ret = fault_usual(&fault_kinds[at]);
    ret->index = (uint32_t)at;
    if (ret->kind->stage == FAULT_REFUSAL) {
        ret->delay_us = (int64_t)next(d, 8000000);
        ret->retry_after_us = next(d, 2) ? -1 : (int64_t)next(d, 40) * 1000000;
        ret->retry_form = next(d, 2) ? FAULT_RETRY_SECONDS : FAULT_RETRY_MS;
    }
    if (ret->kind->params & FAULT_HAS(STATUS) && !ret->status)
        ret->status = next(d, 2) ? 500 : 404;
    if (ret->kind->params & FAULT_HAS(AFTER))
        ret->after_pieces = (uint32_t)next(d, 3);
    return 1;
}

/* --- the proxy's side --- */

#define ROLE                                                                                       \
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{"      \
    "\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}"    \
    "\n\n"
#define WORD                                                                                       \
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{"      \
    "\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n"

struct live {
    struct steered steered;
    struct policy_state *state;
    struct policy_decisions notes;
    const struct sim_arrival *call;
    int64_t now_us;
    bool is_over; /* the attempt */
};

static void end_live(struct live *l, struct steer_end end)
{
    steered_ended(&l->steered, l->state, &end, l->now_us, &l->notes);
    l->is_over = true;
}

/* Time passes; a timer may run out on the way. */
static void pass_to(struct live *l, int64_t at_us)
{
    enum plan_timer timer = PLAN_TIMER_TOTAL;
    int64_t due = steered_deadline_us(&l->steered, &timer);

    if (l->is_over)
        return;
    l->now_us = due < at_us ? due : at_us;
    ck_assert(l->now_us != PLAN_FOREVER);
    if (due < at_us)
        end_live(l, steered_timed_out(&l->steered, timer));
}

static void take(struct live *l, enum watch_verdict v)
{
    if (v == WATCH_FAILED && !l->steered.has_begun)
        end_live(l, l->steered.watch.end);
    else if (v == WATCH_CONTENT)
        steered_first_token(&l->steered, l->state, l->now_us);
}

static void feed(struct live *l, struct str bytes)
{
    if (!l->is_over)
        take(l, steered_body(&l->steered, bytes, l->now_us));
}

static void feed_end(struct live *l)
{
    if (!l->is_over)
        take(l, steered_end(&l->steered, l->now_us));
    if (!l->is_over)
        end_live(l, steered_good(&l->steered));
}

static void feed_head(struct live *l, unsigned status, struct str text)
{
    static struct http1_header headers[64];
    struct http1_head head = { .status = status, .headers = headers };
    struct str line;

    while (text.len && str_split(&text, '\n', &line)) {
        struct str value = str_trim(line), name;
        if (str_split(&value, ':', &name))
            headers[head.header_count++] =
                (struct http1_header){ .name = name, .value = str_trim(value) };
    }
    if (!l->is_over)
        steered_head(&l->steered, &head, l->now_us);
}

static void lose(struct live *l)
{
    if (!l->is_over)
        end_live(l, steered_lost(&l->steered));
}

static void live_refusal(struct live *l, const struct fault *f)
{
    struct buf headers = { 0 }, body = { 0 };
    struct fault_saying saying = { .dialect = FAULT_OPENAI,
                                   .model = STR("model"),
                                   .wall_us = l->now_us };
    int status;

    fault_refusal(f, &saying, &status, &headers, &body);
    feed_head(l, (unsigned)status, buf_str(&headers));
    feed(l, buf_str(&body));
    feed_end(l);
    buf_release(&headers);
    buf_release(&body);
}

#define EVENTS STR("content-type: text/event-stream\r\n")

#define TOOL                                                                                       \
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{"      \
    "\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{"              \
    "\"name\":\"f\",\"arguments\":\"{\"}}]},\"finish_reason\":null}]}\n\n"
#define WHOLE "{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}"

static bool is_named(const struct fault *f, const char *name)
{
    return f && strcmp(f->kind->name, name) == 0;
}

/* Something else in place of an answer, or of a stream. */
static void live_body(struct live *l, const struct fault *f)
{
    if (is_named(f, "html_200")) {
        feed_head(l, 200, STR("content-type: text/html\r\n"));
        feed(l, STR("\n<!DOCTYPE html><html></html>"));
    } else if (is_named(f, "error_200")) {
        feed_head(l, 200, STR("content-type: application/json\r\n"));
        feed(l, STR("{\"error\":{\"message\":\"m\",\"type\":\"service_unavailable_error\","
                    "\"param\":null,\"code\":\"server_is_overloaded\"}}"));
    } else {
        feed_head(l, 200, STR("content-type: application/json\r\n"));
        feed(l, is_named(f, "json_for_stream") ? STR(WHOLE) : STR(""));
    }
    feed_end(l);
}

/* The end of a stream that goes wrong. */
static void live_ending(struct live *l, const struct fault *f)
{
    struct fault_saying saying = { .dialect = FAULT_OPENAI,
                                   .model = STR("model"),
                                   .wall_us = l->now_us };
    CLEANUP(buf_release) struct buf event = { 0 };

    if (f->kind->params & FAULT_HAS(ERROR)) {
        fault_stream_error(f, &saying, &event);
        feed(l, buf_str(&event));
        feed_end(l);
    } else if (f->kind->hangs) {
        pass_to(l, PLAN_FOREVER);
    } else if (f->kind->seen_by == FAULT_SEEN_BY_READERS) {
        if (f->kind->has_content)
            feed(l, STR(TOOL));
        if (is_named(f, "eof_mid_event"))
            feed(l, STR("data: {\"choices\":[{\"delta\":{\"content\":\"h"));
        feed_end(l);
    } else {
        lose(l);
    }
}

/* A stream that goes wrong behind so many pieces: the second is where the whole one would be. */
static void live_stream(struct live *l, const struct fault *f, int64_t strikes_us)
{
    bool is_malformed = is_named(f, "malformed_json"), stays_open = f && f->kind->stays_open;
    int64_t end_us = l->steered.began_us + l->call->end_us;

    pass_to(l, l->steered.began_us + l->call->first_us);
    feed_head(l, 200, EVENTS);
    feed(l, STR(ROLE));
    if (is_malformed && !f->after_pieces)
        feed(l, STR("data: {malformed \"choices\":[]}\n\n"));
    if (!f || f->after_pieces || is_malformed || stays_open)
        feed(l, STR(WORD));
    pass_to(l, !f || is_malformed || stays_open ? end_us : l->steered.began_us + strikes_us);
    if (f && !is_malformed && !stays_open) {
        live_ending(l, f);
        return;
    }
    feed(l, STR(WORD "data: {\"choices\":[{\"delta\":{},\"finish_reason\": \"stop\"}]}\n\n"));
    feed_end(l); /* who reads the stream has all of it, though its connection stays open */
}

static void live_whole(struct live *l, const struct fault *f)
{
    struct str body = STR(WHOLE);
    bool is_cut = f && f->kind->stage == FAULT_STREAM && f->kind->failure != PLAN_FAILURES &&
                  !is_named(f, "malformed_json");

    pass_to(l, l->steered.began_us + l->call->end_us);
    if (f && f->kind->stage == FAULT_BODY) {
        live_body(l, f);
        return;
    }
    feed_head(l, 200, STR("content-type: application/json\r\n"));
    feed(l, is_cut ? str_sub(body, 0, body.len / 2) : body);
    if (f && (f->kind->hangs || f->kind->stays_open))
        pass_to(l, PLAN_FOREVER);
    else if (is_cut && f->kind->seen_by == FAULT_SEEN_BY_ALL)
        lose(l);
    else
        feed_end(l);
}

static void live_attempt(struct live *l, const struct fault *f, size_t count, int64_t strikes_us)
{
    enum fault_stage stage = count ? f->kind->stage : FAULT_PACE;
    int64_t began = l->now_us;

    l->is_over = false;
    steered_attempt(&l->steered, API_CHAT, began);
    if (stage != FAULT_CONNECT)
        steered_connected(&l->steered);
    if (stage == FAULT_CONNECT || stage == FAULT_HEAD) {
        pass_to(l, plan_add_us(began, f->delay_us));
        lose(l);
    } else if (stage == FAULT_REFUSAL) {
        pass_to(l, began + f->delay_us);
        if (!l->is_over)
            live_refusal(l, f);
    } else if (!(l->call->flags & SIM_STREAM)) {
        live_whole(l, count ? f : NULL);
    } else if (stage == FAULT_BODY) {
        pass_to(l, began + l->call->first_us);
        live_body(l, f);
    } else {
        live_stream(l, count ? f : NULL, strikes_us);
    }
    ck_assert(l->is_over);
}

/* --- the simulator's side: the steps of replay/simulate --- */

struct virtual
{
    struct steer walk;
    struct steer_step step;
    const struct policy *policy;
    struct policy_state *state;
    struct policy_decisions notes;
    const struct sim_arrival *call;
    struct sim_endings endings;
    int64_t now_us;
};

static const struct steer_end *ending_of(void *ctx, const struct fault *f)
{
    struct virtual *v = ctx;

    return sim_ending_of(&v->endings, f, FAULT_OPENAI, API_CHAT);
}

static void virtual_attempt(struct virtual *v, const struct fault *f, size_t count,
                            struct sim_attempt *ret)
{
    struct sim_attempt_in in = {
        .call = v->call,
        .is_own = true,
        .holds_first = true,
        .reads_answers = true,
        .timer_us = v->step.timer_us,
        .faults = f,
        .fault_count = count,
        .ending = ending_of,
        .ctx = v,
    };
    int64_t began = v->now_us;

    sim_attempt(&in, ret);
    if (v->call->flags & SIM_STREAM && ret->first_us != PLAN_FOREVER)
        steer_first_token(&v->walk, v->policy, v->state, ret->first_us, began + ret->first_us);
    v->now_us = plan_add_us(began, ret->end_us);
    ck_assert(v->now_us != PLAN_FOREVER);
    steer_ended(&v->walk, v->policy, v->state, &ret->end, v->now_us, &v->notes, &v->step);
}

/* --- both --- */

static const char *last_struck = "nothing"; /* for people */

static void compare(const struct live *l, const struct virtual *v, int sequence)
{
    const struct steer_step *x = &l->steered.step, *y = &v->step;

    ck_assert_msg(l->now_us == v->now_us, "sequence %d, %s: %lld, %lld", sequence, last_struck,
                  (long long)l->now_us, (long long)v->now_us);
    ck_assert_msg(x->what == y->what && x->target == y->target && x->why == y->why,
                  "sequence %d, %s: step %d at %u, %d at %u", sequence, last_struck, x->what,
                  x->target, y->what, y->target);
    if (x->what == STEER_WAIT)
        ck_assert(x->until_us == y->until_us);
    ck_assert_uint_eq(l->notes.count, v->notes.count);
    for (size_t i = 0; i < l->notes.count; i++) {
        const struct policy_decision *a = &l->notes.list[i], *b = &v->notes.list[i];
        ck_assert_msg(a->rule == b->rule && a->target == b->target && a->mode == b->mode &&
                          a->outcome == b->outcome && a->at_us == b->at_us &&
                          a->value == b->value && a->bound == b->bound,
                      "sequence %d, decision %zu: %s, %s; %lld of %lld, %lld of %lld", sequence, i,
                      policy_outcome_names[a->outcome], policy_outcome_names[b->outcome],
                      (long long)a->value, (long long)a->bound, (long long)b->value,
                      (long long)b->bound);
    }
    ck_assert_msg(memcmp(l->state, v->state, policy_state_bytes(SLOTS)) == 0,
                  "sequence %d, %s: what is remembered differs", sequence, last_struck);
}

/* When a fault of a stream strikes: as replay/sim_attempt has it. */
static int64_t strikes_at(const struct sim_arrival *call, const struct fault *f, size_t count)
{
    int64_t tokens = call->tokens[PRICE_PART_OUTPUT];

    if (!count)
        return call->end_us;
    if (!f->after_pieces)
        return call->first_us;
    if (f->after_pieces >= tokens)
        return call->end_us;
    return call->first_us + (int64_t)(call->end_us - call->first_us) * f->after_pieces / tokens;
}

static unsigned run_call(struct live *l, struct virtual *v, struct draw *d, int sequence)
{
    struct sim_arrival call = { .failure = PLAN_FAILURES, .flags = next(d, 3) ? SIM_STREAM : 0 };
    struct steer_call asked = { .mode = PLAN_MODE_ENFORCE,
                                .asked = POLICY_NONE,
                                .may_repeat = true };
    unsigned attempts = 0;

    call.first_us = 200000 + (uint32_t)next(d, 6000000);
    call.end_us = call.first_us + 1 + (uint32_t)next(d, 20000000);
    call.tokens[PRICE_PART_OUTPUT] = 1 + (uint32_t)next(d, 200);
    asked.is_stream = call.flags & SIM_STREAM;
    asked.sticky = next(d, 2) ? next(d, 1000) + 1 : 0;
    asked.seed = next(d, UINT32_MAX);
    l->call = v->call = &call;
    l->notes.count = v->notes.count = 0;
    l->now_us = v->now_us = v->now_us + (int64_t)next(d, 10000000);
    steered_begin(&l->steered, v->policy, l->state, &asked, l->now_us, &l->notes);
    steer_begin(&v->walk, v->policy, v->state, &asked, v->now_us, &v->notes, &v->step);
    compare(l, v, sequence);
    while (v->step.what == STEER_ATTEMPT || v->step.what == STEER_WAIT) {
        struct sim_attempt sim;
        struct fault f;
        if (v->step.what == STEER_WAIT) {
            l->now_us = v->now_us = v->step.until_us;
            steered_waited(&l->steered, l->state, l->now_us, &l->notes);
            steer_waited(&v->walk, v->policy, v->state, v->now_us, &v->notes, &v->step);
        } else {
            bool may_hang = v->step.timer_us[PLAN_TIMER_TOTAL] != PLAN_FOREVER;
            size_t count = draw_fault(d, asked.is_stream, may_hang, &f);
            last_struck = count ? f.kind->name : "nothing";
            live_attempt(l, &f, count, strikes_at(&call, &f, count));
            virtual_attempt(v, &f, count, &sim);
            attempts++;
        }
        compare(l, v, sequence);
    }
    steered_release(&l->steered);
    return attempts;
}

START_TEST(live_bytes_and_reckoned_faults_come_to_the_same_decisions)
{
    struct buf text = { 0 };
    struct yaml *yaml = NULL;
    struct plan *plan = plan_new("weir");
    struct policy *policy = NULL;
    struct draw d = { .state = (uint64_t)_i * 977 + 1 };
    struct err err;
    unsigned attempts = 0;

    buf_addf(&text, UPSTREAMS "policy: {mode: enforce, routes: [%s]}\n", plans[_i]);
    ck_assert_msg(yaml_parse(buf_str(&text), "plan", &yaml, &err) == 0, "%s", err.text);
    ck_assert_msg(plan_conf_read(plan, yaml, STR("plan"), &err) == 0, "%s", err.text);
    ck_assert_msg(policy_new(plan, NULL, &policy, &err) == 0, "%s", err.text);
    struct live l = { .state = policy_state_new(SLOTS) };
    struct virtual v = { .state = policy_state_new(SLOTS), .policy = policy, .now_us = BEGIN_US };
    memset(l.state, 0, policy_state_bytes(SLOTS));
    memset(v.state, 0, policy_state_bytes(SLOTS));
    policy_state_init(l.state, SLOTS);
    policy_state_init(v.state, SLOTS);
    for (int i = 0; i < SEQUENCES / (int)ARRAY_LEN(plans); i++)
        attempts += run_call(&l, &v, &d, i);
    ck_assert_uint_gt(attempts, SEQUENCES / ARRAY_LEN(plans));
    sim_endings_release(&v.endings);
    free(l.state);
    free(v.state);
    policy_free(policy);
    plan_free(plan);
    yaml_free(yaml);
    buf_release(&text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, live_bytes_and_reckoned_faults_come_to_the_same_decisions, 0,
                        ARRAY_LEN(plans));
}

CHECK_MAIN("cli/two_clocks", add_tests)
