/* Simulations whose outcome is known by arithmetic. */
#include "config.h"

#include "replay/simulate.h"

#include <string.h>

#include "base/document_print.h"
#include "base/file.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "policy/plan_conf.h"
#include "replay/sim_report.h"
#include "replay/sim_synth.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define START_US (INT64_C(1790812800) * US_PER_SECOND) /* 2026-10-01 */

#define HEAD                                                                                       \
    "upstreams:\n"                                                                                 \
    "  a: {url: 'https://a.example', api: openai}\n"                                               \
    "  b: {url: 'https://b.example', api: openai}\n"                                               \
    "policy:\n"                                                                                    \
    "  mode: enforce\n"

/* One world: a policy, a scenario, made-up calls to upstream a. */
struct world {
    const char *policy, *scenario;
    const char *caller; /* NULL = none */
    const char *speeds[3], *quota;
    const char *prices;
    int64_t per_second, seconds;
    int64_t deadline_us;
    bool is_stream;
    struct sim_speeds *known; /* taken over; NULL = the stated ones */
};

struct outcome {
    struct plan *plan;
    struct policy *policy;
    struct scenario *scenario;
    struct price_book *book;
    struct sim_speeds *speeds;
    struct sim_classes classes;
    struct sim_options o;
    struct sim_result r;
};

static void outcome_release(struct outcome *w)
{
    sim_result_release(&w->r);
    sim_classes_release(&w->classes);
    sim_speeds_free(w->speeds);
    price_book_free(w->book);
    scenario_free(w->scenario);
    policy_free(w->policy);
    plan_free(w->plan);
}
DEFINE_CLEANUP_VALUE(struct outcome, outcome_release)

static void check(int r, const struct err *err)
{
    ck_assert_msg(r == 0, "%s", err->text);
}

static void open_world(const struct world *w, struct outcome *ret)
{
    struct yaml *y = NULL;
    struct err err = { 0 };

    *ret = (struct outcome){ .plan = plan_new("weir"), .speeds = w->known };
    if (w->policy) {
        check(yaml_parse(str_from(w->policy), "policy", &y, &err), &err);
        check(plan_conf_read(ret->plan, y, STR("policy"), &err), &err);
        yaml_free(y);
    }
    if (w->prices) {
        check(file_replace(temp_path("prices.yaml"), str_from(w->prices), 0600, &err), &err);
        check(price_book_load(&ret->book, temp_path("prices.yaml"), &err), &err);
    }
    check(policy_new(ret->plan, ret->book, &ret->policy, &err), &err);
    if (w->scenario)
        check(scenario_parse(str_from(w->scenario), "scenario", &ret->scenario, &err), &err);
    if (!ret->speeds)
        ret->speeds = sim_speeds_new();
    for (size_t i = 0; i < ARRAY_LEN(w->speeds) && w->speeds[i]; i++)
        check(sim_speeds_state(ret->speeds, w->speeds[i], &err), &err);
}

static void run_world(const struct world *w, struct outcome *ret)
{
    struct sim_class class = { .app = STR("bot"),
                               .team = STR("cx"),
                               .upstream = STR("a"),
                               .model = STR("m"),
                               .answered = STR("m"),
                               .provider = PROVIDER_OPENAI,
                               .api = API_CHAT,
                               .has_upstream = true };
    struct sim_synth synth = { .per_day = w->per_second * 86400,
                               .start_us = START_US,
                               .duration_us = w->seconds * US_PER_SECOND,
                               .seed = 7,
                               .input_tokens = 1000,
                               .output_tokens = 100,
                               .is_stream = w->is_stream };
    struct sim_quota quota;
    struct err err = { 0 };

    open_world(w, ret);
    check(sim_classes_put(&ret->classes, &class, &synth.class, &err), &err);
    ret->o = (struct sim_options){
        .policy = ret->policy,
        .scenario = ret->scenario,
        .speeds = ret->speeds,
        .book = ret->book,
        .caller = caller_find(str_from(w->caller ? w->caller : "none")),
        .deadline_us = w->deadline_us,
        .start_us = START_US,
        .end_us = START_US + synth.duration_us,
        .seed = 7,
    };
    if (w->quota) {
        check(sim_quota_parse(w->quota, &quota, &err), &err);
        ret->o.quotas = &quota;
        ret->o.quota_count = 1;
    }
    CLEANUP(sim_source_free) struct sim_source *source = sim_synth_source(&synth);
    check(simulate(source, &ret->classes, &ret->o, &ret->r, &err), &err);
    ck_assert_uint_gt(ret->r.all.calls, 0);
}

static double share(const struct sim_result *r, enum sim_outcome o)
{
    return (double)r->all.outcome[o] / (double)r->all.calls;
}

static double each(const struct sim_result *r, uint64_t n)
{
    return (double)n / (double)r->all.calls;
}

static const struct sim_target *target(const struct sim_result *r, const char *upstream)
{
    for (size_t i = 0; i < r->targets.len; i++)
        if (str_eq(r->targets.ptr[i].upstream, str_from(upstream)))
            return &r->targets.ptr[i];
    ck_abort_msg("no target %s", upstream);
}

/* --- chance and closed forms --- */

/* Servers without end: what comes out is what was recorded. */
START_TEST(latencies_are_those_that_were_recorded)
{
    struct world w = { .per_second = 100, .seconds = 1000, .is_stream = true };
    CLEANUP(outcome_release) struct outcome out;
    const double quantiles[] = { 0.01, 0.1, 0.5, 0.9, 0.95, 0.99 };

    w.known = sim_speeds_new();
    uint32_t place = sim_speeds_place(w.known, STR("a"), STR("m"));
    for (int64_t i = 1; i <= 10000; i++) { /* the k-th of 10000 is k squared µs: a long tail */
        struct sim_sample s = { .first_us = i * i / 100, .tokens = 100, .is_stream = true };
        s.end_us = s.first_us + 100 * 3000;
        sim_speeds_add(w.known, place, &s);
    }
    run_world(&w, &out);
    ck_assert_double_eq(share(&out.r, SIM_ANSWERED), 1);
    ck_assert_int_eq(sketch_quantile(&out.r.all.added, 1), 0);
    for (size_t q = 0; q < ARRAY_LEN(quantiles); q++) {
        double want = 1e6 * quantiles[q] * quantiles[q];
        double got = (double)sketch_quantile(&out.r.all.first, quantiles[q]);
        ck_assert_msg(got > want * 0.93 - 100 && got < want * 1.07 + 100, "p%g: %g, not %g",
                      100 * quantiles[q], got, want);
    }
    /* the rest of a stream is its tokens' */
    double rest =
        (double)(sketch_quantile(&out.r.all.total, 0.5) - sketch_quantile(&out.r.all.first, 0.5));
    ck_assert_msg(rest > 290e3 && rest < 310e3, "%g", rest);
}
END_TEST

/* Little's law: what is under way is the rate times the time. */
START_TEST(under_way_is_rate_times_duration)
{
    const struct world w = { .per_second = 200, .seconds = 200, .speeds = { "*=whole:2s" } };
    CLEANUP(outcome_release) struct outcome out;

    run_world(&w, &out);
    double most = target(&out.r, "a")->most_in_flight;
    ck_assert_msg(most > 400 && most < 500, "%g", most);
    ck_assert_int_ge(sketch_quantile(&out.r.all.total, 0.01), 1980000);
    ck_assert_int_le(sketch_quantile(&out.r.all.total, 0.99), 2020000);
}
END_TEST

#define FAULT(rest) "faults:\n  - {fault: server_error, " rest "}\n"

static const struct {
    const char *name, *targets, *scenario, *caller;
    double answered, attempts, tries;
} chances[] = {
    ROW("alone", "[{upstream: a}]", FAULT("upstream: a, probability: 30%"), NULL, 0.7, 1, 1),
    ROW("with a fallback", "[{upstream: a}, {upstream: b}]",
        FAULT("upstream: a, probability: 30%") "  - {fault: unavailable, upstream: b, probability: "
                                               "20%}\n",
        NULL, 1 - 0.3 * 0.2, 1.3, 1),
    ROW("with a retry", "[{upstream: a, retries: 1}]", FAULT("upstream: a, probability: 30%"), NULL,
        1 - 0.09, 1.3, 1),
    ROW("with both", "[{upstream: a, retries: 1}, {upstream: b}]", FAULT("probability: 50%"), NULL,
        1 - 0.125, 1.75, 1),
    ROW("with a caller that retries", "[{upstream: a}]", FAULT("upstream: a, probability: 30%"),
        "openai", 1 - 0.027, 1.39, 1.39),
};

START_TEST(success_under_chance_is_what_arithmetic_says)
{
    char policy[1000];
    struct world w = { .policy = policy,
                       .scenario = chances[_i].scenario,
                       .caller = chances[_i].caller,
                       .per_second = 100,
                       .seconds = 400,
                       .is_stream = true };
    CLEANUP(outcome_release) struct outcome out;

    snprintf(policy, sizeof(policy),
             HEAD "  routes:\n    - name: all\n      match: {model: '*'}\n      targets: %s\n"
                  "      retry: {backoff: {base: 10ms}}\n",
             chances[_i].targets);
    run_world(&w, &out);
    /* 40,000 calls: three standard deviations of a share are below 0.0075 */
    ck_assert_double_eq_tol(share(&out.r, SIM_ANSWERED), chances[_i].answered, 0.0075);
    ck_assert_double_eq_tol(each(&out.r, out.r.all.attempts), chances[_i].attempts, 0.0125);
    ck_assert_double_eq_tol(each(&out.r, out.r.all.tries), chances[_i].tries, 0.0125);
}
END_TEST

/* --- what lint proves --- */

#define ONE_TARGET(more)                                                                           \
    HEAD "  routes:\n    - name: all\n      match: {model: '*'}\n"                                 \
         "      targets: [{upstream: a, retries: 3}]\n      retry: {backoff: {base: 10ms}}\n" more

/* (2 + 1) tries times (3 + 1) attempts. */
START_TEST(retries_of_two_layers_multiply)
{
    struct world w = { .policy = ONE_TARGET(""),
                       .scenario = FAULT("upstream: a"),
                       .caller = "openai",
                       .per_second = 5,
                       .seconds = 100 };
    CLEANUP(outcome_release) struct outcome both;
    CLEANUP(outcome_release) struct outcome one;

    run_world(&w, &both);
    w.caller = NULL;
    run_world(&w, &one);
    ck_assert_uint_eq(both.r.all.attempts, 12 * both.r.all.calls);
    ck_assert_uint_eq(both.r.all.tries, 3 * both.r.all.calls);
    ck_assert_uint_eq(one.r.all.attempts, 4 * one.r.all.calls);
    ck_assert_double_eq(share(&both.r, SIM_ANSWERED), 0);
    ck_assert_double_eq(share(&both.r, (enum sim_outcome)PLAN_FAILED_STATUS), 1);
}
END_TEST

/* An SDK does not wait for an hour, it takes such a retry-after for none. */
START_TEST(an_hour_of_retry_after_is_not_waited_for_by_an_sdk)
{
    const struct world w = { .scenario =
                                 "faults:\n"
                                 "  - {fault: rate_limited, retry_after: 3600s, to: 100s}\n",
                             .caller = "anthropic",
                             .speeds = { "*=whole:1s" },
                             .per_second = 20,
                             .seconds = 101 };
    CLEANUP(outcome_release) struct outcome out;

    run_world(&w, &out);
    ck_assert_uint_gt(out.r.all.outcome[SIM_ANSWERED], 20);
    ck_assert_int_le(sketch_quantile(&out.r.all.added, 1), 8 * US_PER_SECOND);
    ck_assert_uint_gt(out.r.all.tries, 2 * out.r.all.calls);
}
END_TEST

/* Mininglamp-OSS/octo-smart-summary#212: a caller of 90 s before a timeout of 180 s. */
START_TEST(a_fallback_behind_the_callers_deadline_is_never_reached)
{
    struct world w = { .policy = HEAD "  routes:\n    - name: all\n      match: {model: '*'}\n"
                                      "      targets: [{upstream: a}, {upstream: b}]\n"
                                      "      timeouts: {head: 180s, first_token: 180s}\n",
                       .scenario = "faults:\n  - {fault: silent, upstream: a}\n",
                       .speeds = { "*=whole:1s" },
                       .per_second = 1,
                       .seconds = 600,
                       .deadline_us = 90 * US_PER_SECOND };
    CLEANUP(outcome_release) struct outcome late;
    CLEANUP(outcome_release) struct outcome reached;

    run_world(&w, &late);
    ck_assert_uint_eq(target(&late.r, "b")->attempts, 0);
    ck_assert_uint_eq(target(&late.r, "a")->abandoned, late.r.all.calls);
    ck_assert_double_eq(share(&late.r, SIM_LEFT), 1);
    w.deadline_us = 190 * US_PER_SECOND;
    run_world(&w, &reached);
    ck_assert_double_eq(share(&reached.r, SIM_ANSWERED), 1);
    ck_assert_uint_eq(target(&reached.r, "b")->attempts, reached.r.all.calls);
    ck_assert_int_ge(sketch_quantile(&reached.r.all.added, 0), 178 * US_PER_SECOND);
}
END_TEST

/* --- faults over time --- */

START_TEST(an_outage_is_led_around_and_recovered_from)
{
    const struct world w = { .policy =
                                 HEAD "  routes:\n    - name: all\n      match: {model: '*'}\n"
                                      "      targets: [{upstream: a}, {upstream: b}]\n"
                                      "      breaker: {failures: 5, window: 30s, open: 5s}\n",
                             .scenario = FAULT("upstream: a, from: 100s, to: 200s"),
                             .speeds = { "*=first:300ms,token:5ms" },
                             .per_second = 50,
                             .seconds = 400,
                             .is_stream = true };
    CLEANUP(outcome_release) struct outcome out;

    run_world(&w, &out);
    ck_assert_double_eq(share(&out.r, SIM_ANSWERED), 1);
    ck_assert_uint_eq(out.r.incidents.list.len, 1);
    const struct incident *i = &out.r.incidents.list.ptr[0];
    ck_assert_int_ge(i->first_us, START_US + 100 * US_PER_SECOND);
    ck_assert_int_le(i->first_us, START_US + 101 * US_PER_SECOND);
    ck_assert_int_eq(i->failover_us - i->first_us, 300000);
    ck_assert_int_eq(i->last_bad_us, -1);
    ck_assert_int_ge(i->recovered_us, START_US + 200 * US_PER_SECOND);
    ck_assert_int_le(i->recovered_us, START_US + 206 * US_PER_SECOND);
    /* the breaker lets a few see whether it is back */
    ck_assert_uint_lt(i->struck, 60);
    ck_assert_uint_gt(target(&out.r, "b")->answered, 4000);
}
END_TEST

START_TEST(a_load_of_three_is_three_times_the_calls)
{
    struct world w = { .speeds = { "*=whole:1s" }, .per_second = 50, .seconds = 300 };
    CLEANUP(outcome_release) struct outcome usual;
    CLEANUP(outcome_release) struct outcome more;

    run_world(&w, &usual);
    w.scenario = "load:\n  - {times: 3, from: 100s, to: 200s}\n  - {times: 0, from: 200s}\n";
    run_world(&w, &more);
    double ratio = (double)more.r.all.calls / (double)usual.r.all.calls;
    ck_assert_double_eq_tol(ratio, 4.0 / 3, 0.02);
    ck_assert_uint_eq(usual.r.all.calls + more.r.spike_added - more.r.spike_left_out,
                      more.r.all.calls);
}
END_TEST

/* The bucket is full at first, then one a second. */
START_TEST(a_quota_lets_through_what_it_says)
{
    const struct world w = {
        .quota = "a=rpm:60", .speeds = { "*=whole:1s" }, .per_second = 10, .seconds = 300
    };
    CLEANUP(outcome_release) struct outcome out;

    run_world(&w, &out);
    ck_assert_uint_ge(out.r.all.outcome[SIM_ANSWERED], 355);
    ck_assert_uint_le(out.r.all.outcome[SIM_ANSWERED], 361);
    ck_assert_uint_eq(target(&out.r, "a")->over_quota,
                      out.r.all.calls - out.r.all.outcome[SIM_ANSWERED]);
}
END_TEST

/* --- rules and money --- */

#define LIMITED(mode) HEAD "  limits: [{app: bot, requests: 60/min, mode: " mode "}]\n"

START_TEST(a_limit_refuses_and_observed_does_not)
{
    struct world w = {
        .policy = LIMITED("enforce"), .speeds = { "*=whole:1s" }, .per_second = 10, .seconds = 300
    };
    CLEANUP(outcome_release) struct outcome enforced;
    CLEANUP(outcome_release) struct outcome observed;

    run_world(&w, &enforced);
    ck_assert_uint_ge(enforced.r.all.outcome[SIM_ANSWERED], 355);
    ck_assert_uint_le(enforced.r.all.outcome[SIM_ANSWERED], 361);
    ck_assert_uint_eq(enforced.r.all.outcome[SIM_LIMITED],
                      enforced.r.all.calls - enforced.r.all.outcome[SIM_ANSWERED]);
    w.policy = LIMITED("observe");
    run_world(&w, &observed);
    ck_assert_double_eq(share(&observed.r, SIM_ANSWERED), 1);
    ck_assert_uint_eq(observed.r.all.calls, enforced.r.all.calls);
    ck_assert_uint_ge(observed.r.rules.ptr[0].n[PLAN_MODE_OBSERVE][POLICY_LIMITED], 2000);
}
END_TEST

static const char prices[] = "format: weir-prices/1\nprovider: openai\n"
                             "sources:\n  s: {title: a test, date: 2026-01-01}\n"
                             "entries:\n"
                             "  - id: m\n    source: [s]\n    checked: 2026-01-01\n"
                             "    per_million: {input: \"2\", output: \"10\"}\n";

/* 1000 * 2e-6 + 100 * 10e-6 USD a call. */
#define CALL_PUSD INT64_C(3000000000)

START_TEST(cost_is_between_what_was_answered_and_what_may_be_billed)
{
    const struct world w = { .policy =
                                 HEAD "  routes:\n    - name: all\n      match: {model: '*'}\n"
                                      "      targets: [{upstream: a}, {upstream: b}]\n"
                                      "      timeouts: {first_token: 5s}\n",
                             .scenario = "faults:\n  - {fault: silent_first_token, upstream: a, "
                                         "probability: 50%}\n",
                             .speeds = { "*=first:300ms,token:5ms" },
                             .prices = prices,
                             .per_second = 10,
                             .seconds = 300,
                             .is_stream = true };
    CLEANUP(outcome_release) struct outcome out;

    run_world(&w, &out);
    ck_assert_double_eq(share(&out.r, SIM_ANSWERED), 1);
    ck_assert(out.r.all.low_pusd == (i128)out.r.all.calls * CALL_PUSD);
    ck_assert(out.r.all.high_pusd == (i128)out.r.all.attempts * CALL_PUSD);
    ck_assert_double_eq_tol(each(&out.r, out.r.all.attempts), 1.5, 0.05);
}
END_TEST

/* A hard budget holds however many calls are under way: what they may cost is reserved. */
START_TEST(a_hard_budget_is_never_overspent)
{
    const struct world w = { .policy = "budget: {month: 1 USD, hard: true}\n" HEAD "  routes: []\n",
                             .caller = "openai",
                             .speeds = { "*=whole:2s" },
                             .prices = prices,
                             .per_second = 10,
                             .seconds = 300 };
    CLEANUP(outcome_release) struct outcome out;

    run_world(&w, &out);
    ck_assert(out.r.all.high_pusd <= (i128)PUSD_PER_USD);
    ck_assert(out.r.all.high_pusd > (i128)PUSD_PER_USD * 9 / 10);
    ck_assert_uint_eq(out.r.all.outcome[SIM_ANSWERED] + out.r.all.outcome[SIM_BUDGET],
                      out.r.all.calls);
    ck_assert_uint_eq(out.r.all.tries, out.r.all.calls); /* SDKs are told not to try again */
}
END_TEST

/* --- sameness --- */

static const struct world busy = {
    .policy = HEAD "  limits: [{app: bot, requests: 5000/min}]\n"
                   "  routes:\n    - name: all\n      match: {model: '*'}\n"
                   "      targets: [{upstream: a, retries: 2}, {upstream: b}]\n"
                   "      timeouts: {first_token: 1s, idle: 2s}\n"
                   "      breaker: {failures: 5, window: 30s, open: 5s}\n"
                   "      slow: {factor: 2.5, window: 60s, samples: 20}\n",
    .scenario = "faults:\n  - {fault: server_error, upstream: a, from: 20s, to: 60s}\n"
                "  - {fault: stall, after: 5, probability: 5%}\n"
                "  - {fault: slow, upstream: a, factor: 4, from: 90s, to: 150s}\n"
                "load:\n  - {times: 2, from: 100s, to: 120s}\n",
    .caller = "openai",
    .speeds = { "*=first:300ms,first-p95:900ms,token:5ms,token-p95:20ms" },
    .per_second = 60,
    .seconds = 200,
    .is_stream = true,
};

static void print_report(const struct outcome *first, const struct outcome *second, struct buf *out)
{
    CLEANUP(document_release) struct document d = { 0 };
    struct sim_report_in in = { .runs = { { STR("x"), &first->o, &first->r } }, .run_count = 1 };

    if (second) {
        in.runs[1] = (struct sim_report_run){ STR("y"), &second->o, &second->r };
        in.run_count = 2;
    }
    sim_report_build(&in, &d);
    document_print_json(&d, out);
    document_print_text(&d, out);
}

START_TEST(the_same_seed_gives_the_same_bytes)
{
    CLEANUP(outcome_release) struct outcome first;
    CLEANUP(outcome_release) struct outcome second;
    CLEANUP(buf_release) struct buf a = { 0 }, b = { 0 };

    run_world(&busy, &first);
    run_world(&busy, &second);
    print_report(&first, NULL, &a);
    print_report(&second, NULL, &b);
    ck_assert_uint_gt(a.len, 5000);
    ck_assert(str_eq(buf_str(&a), buf_str(&b)));
}
END_TEST

/* What another configuration does does not change what this one meets. */
START_TEST(compared_configurations_meet_the_same_calls)
{
    struct world plain = busy;
    CLEANUP(outcome_release) struct outcome with;
    CLEANUP(outcome_release) struct outcome without;

    plain.policy = NULL;
    run_world(&busy, &with);
    run_world(&plain, &without);
    ck_assert_uint_eq(with.r.all.calls, without.r.all.calls);
    for (size_t i = 0; i < with.r.buckets.len; i++) { /* retries may end later than all calls */
        bool is_there = i < without.r.buckets.len;
        ck_assert_uint_eq(with.r.buckets.ptr[i].calls,
                          is_there ? without.r.buckets.ptr[i].calls : 0);
    }
    ck_assert_double_lt(share(&without.r, SIM_ANSWERED), share(&with.r, SIM_ANSWERED));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, latencies_are_those_that_were_recorded);
    tcase_add_test(tc, under_way_is_rate_times_duration);
    tcase_add_loop_test(tc, success_under_chance_is_what_arithmetic_says, 0, ARRAY_LEN(chances));
    tcase_add_test(tc, retries_of_two_layers_multiply);
    tcase_add_test(tc, an_hour_of_retry_after_is_not_waited_for_by_an_sdk);
    tcase_add_test(tc, a_fallback_behind_the_callers_deadline_is_never_reached);
    tcase_add_test(tc, an_outage_is_led_around_and_recovered_from);
    tcase_add_test(tc, a_load_of_three_is_three_times_the_calls);
    tcase_add_test(tc, a_quota_lets_through_what_it_says);
    tcase_add_test(tc, a_limit_refuses_and_observed_does_not);
    tcase_add_test(tc, cost_is_between_what_was_answered_and_what_may_be_billed);
    tcase_add_test(tc, a_hard_budget_is_never_overspent);
    tcase_add_test(tc, the_same_seed_gives_the_same_bytes);
    tcase_add_test(tc, compared_configurations_meet_the_same_calls);
}

CHECK_MAIN("replay/simulate", add_tests)
