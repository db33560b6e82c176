#include "config.h"

#include "policy/steer.h"

#include "tests/check_main.h"
#include "tests/steer_sample.h"

static int failing_status; /* of "a", or of all with everything_fails */

static struct steer_end a_fails(struct steer_sample *s, uint32_t target, int64_t *ret_us)
{
    (void)ret_us;
    return str_eq(sample_name(s, target), STR("a")) ? sample_failed(failing_status) : sample_ok();
}

static struct steer_end everything_fails(struct steer_sample *s, uint32_t target, int64_t *ret_us)
{
    (void)s;
    (void)target;
    (void)ret_us;
    return sample_failed(failing_status);
}

static void walk_and_expect(struct steer_sample *s, sample_end_fn end_of, const char *trace)
{
    struct steer_call call = sample_call(s);

    call.longest_waits = true;
    sample_walk(s, &call, end_of);
    ck_assert_str_eq(buf_cstr(&s->trace), trace);
}

static const struct {
    int status;
    const char *trace;
} statuses[] = {
    {500,  "a@0 a@500 a@1500 b@1500 ok"},
    { 429, "a@0 a@500 a@1500 b@1500 ok"},
    { 400, "a@0 failed"                },
};

START_TEST(a_target_is_repeated_with_longer_waits_and_then_the_next_is_tried)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };

    sample_route(&s, sample_group(&s, PLAN_FALLBACK, "ab", 2));
    sample_open(&s);
    failing_status = statuses[_i].status;
    walk_and_expect(&s, a_fails, statuses[_i].trace);
}
END_TEST

START_TEST(repetitions_around_a_list_walk_all_of_it_again)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 0);

    list->retry = sample_target(&s, "x", 1)->retry;
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 503;
    walk_and_expect(&s, everything_fails, "a@0 b@0 a@500 b@500 failed");
}
END_TEST

START_TEST(tiers_share_one_budget_of_attempts)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *tiers = sample_group(&s, PLAN_TIERS, "abc", 0);

    tiers->retry = sample_target(&s, "x", 4)->retry;
    tiers->attempts_per_item = plan_default(2);
    sample_route(&s, tiers);
    sample_open(&s);
    failing_status = 503;
    walk_and_expect(&s, everything_fails, "a@0 a@500 b@1500 b@3500 c@7500 failed");
}
END_TEST

START_TEST(a_failure_that_an_item_is_not_for_passes_it_by)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "abc", 0);

    sample_item(list, 1)->when = (struct plan_when){ .kinds = PLAN_KIND(CONTEXT), .set = true };
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 503;
    walk_and_expect(&s, everything_fails, "a@0 c@0 failed");
}
END_TEST

/* --- what answers say --- */

static struct steer_end said; /* how "a" fails */

static struct steer_end a_ends_as_said(struct steer_sample *s, uint32_t target, int64_t *ret_us)
{
    (void)ret_us;
    return str_eq(sample_name(s, target), STR("a")) ? said : sample_ok();
}

static const struct {
    const char *what;
    int64_t retry_after_ms, longest_ms, sum_ms;
    int status;
    bool gives_up, only_429, honoured;
    const char *trace;
} waits[] = {
    {"as long as it says",           3000,  60000, 0,     429, false, false, true,
     "a@0 a@3000 a@6000 b@6000 ok"                                                                              },
    { "at once",                     0,     60000, 0,     429, false, false, true,  "a@0 a@0 a@0 b@0 ok"        },
    { "not said",                    -1,    60000, 0,     429, false, false, true,  "a@0 a@500 a@1500 b@1500 ok"},
    { "too long: the backoff's own", 61000, 60000, 0,     429, false, false, true,
     "a@0 a@500 a@1500 b@1500 ok"                                                                               },
    { "too long: none at all",       61000, 60000, 0,     429, true,  false, true,  "a@0 b@0 ok"                },
    { "too long together",           40000, 60000, 60000, 429, true,  false, true,  "a@0 a@40000 b@40000 ok"    },
    { "of 429 only",                 3000,  60000, 0,     503, false, true,  true,  "a@0 a@500 a@1500 b@1500 ok"},
    { "not honoured",                3000,  60000, 0,     429, false, false, false, "a@0 a@500 a@1500 b@1500 ok"},
};

START_TEST(a_retry_after_is_kept_to_within_its_limits)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 2);
    struct plan_retry_after *after = &list->items->retry.retry_after;

    after->honoured = plan_default(waits[_i].honoured);
    after->longest_us = waits[_i].longest_ms * MS;
    after->sum_us = waits[_i].sum_ms * MS;
    after->gives_up = waits[_i].gives_up;
    after->only_429 = waits[_i].only_429;
    sample_route(&s, list);
    sample_open(&s);
    said = sample_failed(waits[_i].status);
    said.retry_after_us = waits[_i].retry_after_ms < 0 ? -1 : waits[_i].retry_after_ms * MS;
    walk_and_expect(&s, a_ends_as_said, waits[_i].trace);
}
END_TEST

START_TEST(an_answer_can_ask_to_be_tried_again_or_not_to_be)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };

    sample_route(&s, sample_group(&s, PLAN_FALLBACK, "ab", 1));
    sample_open(&s);
    said = sample_failed(503);
    said.should_retry_set = true;
    walk_and_expect(&s, a_ends_as_said, "a@0 b@0 ok");
    said.status = 409; /* in no set of the plan */
    said.should_retry = true;
    walk_and_expect(&s, a_ends_as_said, "a@0 a@500 failed");
}
END_TEST

/* --- waits and spans --- */

START_TEST(a_step_may_come_twice_and_once_more_at_the_end)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 3);
    struct plan_backoff *b = &list->items->retry.backoff;

    b->first_twice = b->also_at_the_end = true;
    b->jitter_us = 750 * MS;
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 500;
    walk_and_expect(&s, a_fails, "a@0 a@1250 a@2500 a@4250 b@7000 ok");
}
END_TEST

/* What jitter makes of waits of one second, in ms. */
static const struct {
    struct plan_backoff backoff;
    int least, most;
} jitters[] = {
    ROW({ .spread_percent = 20 }, 800, 1200),
    ROW({ .jitter_percent = 50 }, 1000, 1500),
    ROW({ .jitter_us = 300 * MS }, 1000, 1300),
    ROW({ .full_jitter = true }, 0, 1000),
    ROW({ .spread_percent = 20, .cap_is_last = true }, 800, 1000),
};

START_TEST(jitter_spreads_waits_over_all_of_its_range_and_no_further)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *a = sample_target(&s, "a", 1);
    int64_t least = INT64_MAX, most = 0;

    a->retry.backoff = jitters[_i].backoff;
    a->retry.backoff.base = a->retry.backoff.cap = plan_default(1 * S);
    sample_route(&s, a);
    sample_open(&s);
    failing_status = 503;
    for (int i = 0; i < 1000; i++) {
        struct steer_call call = sample_call(&s);
        int64_t from = s.now_us;
        sample_walk(&s, &call, everything_fails);
        int64_t waited = s.now_us - from;
        least = waited < least ? waited : least;
        most = waited > most ? waited : most;
    }
    int64_t margin = (jitters[_i].most - jitters[_i].least) * MS / 50;
    ck_assert_int_ge(least, jitters[_i].least * MS);
    ck_assert_int_le(least, jitters[_i].least * MS + margin);
    ck_assert_int_ge(most, jitters[_i].most * MS - margin);
    ck_assert_int_le(most, jitters[_i].most * MS);
}
END_TEST

static struct steer_end takes_1500_ms(struct steer_sample *s, uint32_t target, int64_t *ret_us)
{
    *ret_us = 1500 * MS;
    return a_fails(s, target, ret_us);
}

START_TEST(a_span_ends_the_repetitions_below_it_and_what_is_above_goes_on)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 5);

    list->items->span.of[PLAN_TIMER_TOTAL] = plan_default(6 * S);
    sample_route(&s, list);
    s.plan->late_status = 408;
    sample_open(&s);
    failing_status = 503;
    /* 1.5 s each; the wait of 2 s behind the third would end at 8 s. */
    walk_and_expect(&s, takes_1500_ms, "a@0 a@2000 a@4500 b@6000 ok");
}
END_TEST

START_TEST(nobody_waits_for_what_comes_after_the_caller_has_left)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };

    sample_route(&s, sample_group(&s, PLAN_FALLBACK, "ab", 3));
    sample_open(&s);
    failing_status = 503;
    struct steer_call call = sample_call(&s);
    call.deadline_us = s.now_us + 1 * S;
    sample_walk(&s, &call, a_fails);
    ck_assert_str_eq(buf_cstr(&s.trace), "a@0 a@500 b@500 ok");
    call.deadline_us = s.now_us;
    sample_walk(&s, &call, a_fails);
    ck_assert_str_eq(buf_cstr(&s.trace), "unavailable");
}
END_TEST

START_TEST(timers_are_the_shortest_of_the_attempts_own_of_spans_and_of_the_deadline)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 0);
    struct plan_timeouts *of_b = &sample_item(list, 1)->attempt;
    struct steer walk;
    struct steer_step step;

    list->span.of[PLAN_TIMER_TOTAL] = plan_default(10 * S);
    of_b->of[PLAN_TIMER_CONNECT] = plan_default(2 * S);
    of_b->of[PLAN_TIMER_FIRST_TOKEN] = plan_default(20 * S);
    of_b->of[PLAN_TIMER_IDLE] = plan_default(30 * S);
    of_b->of[PLAN_TIMER_WHOLE] = plan_default(3 * S);
    sample_route(&s, list);
    sample_open(&s);
    struct steer_call call = sample_call(&s);
    struct steer_end end = sample_failed(503);
    call.deadline_us = s.now_us + 12 * S;
    steer_begin(&walk, s.policy, s.state, &call, s.now_us, NULL, &step);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_CONNECT], PLAN_FOREVER);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_TOTAL], 10 * S);
    steer_ended(&walk, s.policy, s.state, &end, s.now_us + 4 * S, NULL, &step);
    ck_assert_int_eq(step.what, STEER_ATTEMPT);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_CONNECT], 2 * S);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_HEAD], 8 * S);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_FIRST_TOKEN], 8 * S);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_IDLE], 30 * S);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_TOTAL], 6 * S);
    ck_assert_int_eq(step.timer_us[PLAN_TIMER_WHOLE], PLAN_FOREVER); /* it is a stream */
}
END_TEST

/* --- what cannot be repeated --- */

START_TEST(a_request_that_is_gone_or_an_answer_that_has_begun_is_not_repeated)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };

    sample_route(&s, sample_group(&s, PLAN_FALLBACK, "ab", 1));
    sample_open(&s);
    said = sample_failed(503);
    struct steer_call call = sample_call(&s);
    call.may_repeat = false;
    sample_walk(&s, &call, a_ends_as_said);
    ck_assert_str_eq(buf_cstr(&s.trace), "a@0 failed");
    said = sample_failed(0);
    said.failure = PLAN_FAILED_STREAM;
    said.answer_began = true;
    walk_and_expect(&s, a_ends_as_said, "a@0 failed");
}
END_TEST

/* How a failure without a status looks to rules over statuses. */
static const struct {
    enum plan_failure failure;
    bool late;
    const char *trace;
} without_status[] = {
    {PLAN_FAILED_CONNECT,      false, "a@0 b@0 ok"},
    { PLAN_FAILED_CONNECT,     true,  "a@0 c@0 ok"},
    { PLAN_FAILED_HEAD,        true,  "a@0 d@0 ok"},
    { PLAN_FAILED_FIRST_TOKEN, true,  "a@0 d@0 ok"},
    { PLAN_FAILED_STREAM,      false, "a@0 failed"},
};

START_TEST(a_failure_without_a_status_has_the_one_that_the_plan_gives_it)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "abcd", 0);
    static const int codes[] = { 500, 503, 408 };

    for (int i = 0; i < 3; i++) {
        struct plan_when w = { .set = true };
        plan_when_add_status(&w, codes[i]);
        sample_item(list, i + 1)->when = w;
    }
    sample_route(&s, list);
    s.plan->refused_status = 500;
    s.plan->connect_late_status = 503;
    s.plan->late_status = 408;
    sample_open(&s);
    said = sample_failed(0);
    said.failure = without_status[_i].failure;
    said.late = without_status[_i].late;
    walk_and_expect(&s, a_ends_as_said, without_status[_i].trace);
}
END_TEST

/* --- modes --- */

START_TEST(in_observe_a_call_goes_where_it_asked_and_what_would_have_been_done_is_noted)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };

    sample_route(&s, sample_group(&s, PLAN_FALLBACK, "ab", (int)_i));
    sample_open(&s);
    failing_status = 503;
    struct steer_call call = sample_call(&s);
    call.mode = PLAN_MODE_OBSERVE;
    call.asked = policy_target_find(s.policy, STR("a"), STR(""));
    sample_walk(&s, &call, a_fails);
    ck_assert_str_eq(buf_cstr(&s.trace), "a@0 failed");
    ck_assert_uint_eq(s.notes.count, 2);
    ck_assert_int_eq(s.notes.list[0].outcome, POLICY_FIRST);
    ck_assert_int_eq(s.notes.list[0].mode, PLAN_MODE_OBSERVE);
    ck_assert_int_eq(s.notes.list[1].outcome, _i ? POLICY_RETRY : POLICY_FALLBACK);
    ck_assert_uint_eq(s.notes.list[1].target, _i ? call.asked : 1 - call.asked);
    call.asked = POLICY_NONE;
    sample_walk(&s, &call, a_fails);
    ck_assert_str_eq(buf_cstr(&s.trace), "-@0 ok");
    ck_assert_uint_eq(s.notes.count, 1);
}
END_TEST

/* --- health, seen by calls --- */

static void with_breaker(struct plan_node *n, int failures, int64_t out_us)
{
    n->health.memory = PLAN_MEMORY_BREAKER;
    n->health.failures = plan_default(failures);
    n->health.out = plan_default(out_us);
}

static enum steer_health health_of(struct steer_sample *s, const char *name)
{
    struct steer_target_view view;

    steer_view(s->policy, s->state, policy_target_find(s->policy, str_from(name), STR("")),
               s->now_us, &view);
    return view.health;
}

START_TEST(a_breaker_opens_is_passed_over_probed_and_closed)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 0);

    with_breaker(list->items, 3, 15 * S);
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 503;
    for (int i = 0; i < 3; i++)
        walk_and_expect(&s, a_fails, "a@0 b@0 ok");
    ck_assert_int_eq(health_of(&s, "a"), STEER_OPEN);
    walk_and_expect(&s, a_fails, "b@0 ok");
    ck_assert_int_eq(s.notes.list[0].outcome, POLICY_SKIPPED);
    ck_assert_int_eq(s.notes.list[0].value, 15 * S);
    s.now_us += 15 * S;
    ck_assert_int_eq(health_of(&s, "a"), STEER_HALF_OPEN);
    walk_and_expect(&s, a_fails, "a@0 b@0 ok"); /* a probe, in vain */
    ck_assert_int_eq(s.notes.list[0].outcome, POLICY_PROBE);
    walk_and_expect(&s, a_fails, "b@0 ok");
    s.now_us += 15 * S;
    failing_status = 0;
    said = sample_ok();
    walk_and_expect(&s, a_ends_as_said, "a@0 ok");
    ck_assert_int_eq(health_of(&s, "a"), STEER_CLOSED);
    s.now_us += 15 * S;
    walk_and_expect(&s, a_ends_as_said, "a@0 ok");
}
END_TEST

START_TEST(one_probe_at_a_time_and_who_leaves_gives_it_back)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 0);
    struct steer first, second;
    struct steer_step step;

    with_breaker(list->items, 1, 15 * S);
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 503;
    walk_and_expect(&s, a_fails, "a@0 b@0 ok");
    s.now_us += 15 * S;
    struct steer_call call = sample_call(&s);
    steer_begin(&first, s.policy, s.state, &call, s.now_us, NULL, &step);
    ck_assert_int_eq(step.why, POLICY_PROBE);
    steer_begin(&second, s.policy, s.state, &call, s.now_us, NULL, &step);
    ck_assert_str_eq(sample_name(&s, step.target).ptr, "b");
    steer_abandon(&first, s.policy, s.state, s.now_us);
    steer_begin(&second, s.policy, s.state, &call, s.now_us, NULL, &step);
    ck_assert_int_eq(step.why, POLICY_PROBE);
    /* The first token is the verdict: the stream may go on for minutes. */
    steer_first_token(&second, s.policy, s.state, 1000, s.now_us + 1000);
    ck_assert_int_eq(health_of(&s, "a"), STEER_CLOSED);
}
END_TEST

/* What happens when there is nothing but what is out. */
static const struct {
    enum plan_memory memory;
    const char *traces[2];
} all_out[] = {
    {PLAN_MEMORY_COOLDOWN,  { "unavailable", "unavailable" }      },
    { PLAN_MEMORY_EJECTION, { "a@0 b@0 failed", "a@0 b@0 failed" }},
    { PLAN_MEMORY_BREAKER,  { "a@0 b@0 failed", "unavailable" }   },
};

START_TEST(when_all_are_out_each_memory_has_its_own_way)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "ab", 2);

    list->health.memory = all_out[_i].memory;
    list->health.failures = plan_default(1);
    list->health.most = plan_default(100);
    list->health.out = plan_default(20 * S);
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 503;
    walk_and_expect(&s, everything_fails, "a@0 b@0 failed");
    for (int i = 0; i < 2; i++)
        walk_and_expect(&s, everything_fails, all_out[_i].traces[i]);
    s.now_us += S; /* where it was asked, it can be asked again */
    walk_and_expect(&s, everything_fails, all_out[_i].traces[0]);
}
END_TEST

START_TEST(while_the_probe_of_an_open_breaker_is_under_way_others_are_told_when_to_come_back)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *a = sample_target(&s, "a", 2);
    struct steer first, second;
    struct steer_step step;

    with_breaker(a, 1, 20 * S);
    sample_route(&s, a);
    sample_open(&s);
    failing_status = 503;
    walk_and_expect(&s, everything_fails, "a@0 failed");
    struct steer_call call = sample_call(&s);
    steer_begin(&first, s.policy, s.state, &call, s.now_us, NULL, &step);
    ck_assert_int_eq(step.why, POLICY_PROBE);
    steer_begin(&second, s.policy, s.state, &call, s.now_us, NULL, &step);
    ck_assert_int_eq(step.what, STEER_UNAVAILABLE);
    ck_assert_int_eq(step.until_us, s.now_us + 20 * S);
}
END_TEST

START_TEST(no_more_than_a_share_of_the_hosts_is_ejected_and_longer_each_time)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "abc", 0);

    list->health.memory = PLAN_MEMORY_EJECTION;
    list->health.failures = plan_default(1);
    list->health.most = plan_default(40);
    list->health.out = plan_default(10 * S);
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 503;
    walk_and_expect(&s, everything_fails, "a@0 b@0 c@0 failed");
    ck_assert_int_eq(health_of(&s, "a"), STEER_OPEN);
    ck_assert_int_eq(health_of(&s, "b"), STEER_CLOSED);
    s.now_us += 10 * S;
    walk_and_expect(&s, a_fails, "a@0 b@0 ok");
    s.now_us += 10 * S;
    walk_and_expect(&s, a_fails, "b@0 ok"); /* twice as long */
    s.now_us += 10 * S;
    walk_and_expect(&s, a_fails, "a@0 b@0 ok");
}
END_TEST

/* A pool that says nothing but that it cools down: LiteLLM's defaults. */
static const struct {
    const char *letters;
    int status;
    bool cools;
} cooldowns[] = {
    {"ab",  429, true },
    { "a",  429, false},
    { "a",  401, true },
    { "ab", 404, true },
    { "ab", 500, false},
};

START_TEST(a_cooldown_without_numbers_is_what_litellm_does_without_them)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *pool = sample_group(&s, PLAN_POOL, cooldowns[_i].letters, 0);

    pool->health.memory = PLAN_MEMORY_COOLDOWN;
    sample_route(&s, pool);
    sample_open(&s);
    failing_status = cooldowns[_i].status;
    struct steer_call call = sample_call(&s);
    sample_walk(&s, &call, everything_fails);
    char first[2] = { s.trace.ptr[0], 0 };
    ck_assert_int_eq(health_of(&s, first), cooldowns[_i].cools ? STEER_OPEN : STEER_CLOSED);
    s.now_us += 5 * S;
    ck_assert_int_eq(health_of(&s, first), STEER_CLOSED);
}
END_TEST

START_TEST(what_a_skipped_target_failed_with_leads_on_as_if_it_had_failed_once_more)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_group(&s, PLAN_FALLBACK, "abc", 0);

    with_breaker(list->items, 1, 20 * S);
    sample_item(list, 1)->when = (struct plan_when){ .kinds = PLAN_KIND(CONTEXT), .set = true };
    sample_item(list, 2)->when = (struct plan_when){ .set = true };
    plan_when_add_status(&sample_item(list, 2)->when, 429);
    sample_route(&s, list);
    sample_open(&s);
    failing_status = 429;
    walk_and_expect(&s, a_fails, "a@0 c@0 ok");
    walk_and_expect(&s, a_fails, "c@0 ok");
}
END_TEST

/* --- slowness --- */

static int64_t latency_of_a;

/* Streams: first tokens after 200 ms, of "a" after latency_of_a; a probe of it is as slow. */
static uint32_t stream_once(struct steer_sample *s)
{
    struct steer_call call = sample_call(s);
    struct steer walk;
    struct steer_step step;
    struct steer_end end = sample_ok();

    steer_begin(&walk, s->policy, s->state, &call, s->now_us, NULL, &step);
    ck_assert_int_eq(step.what, STEER_ATTEMPT);
    uint32_t target = step.target;
    int64_t us = target == 0 ? latency_of_a : 200 * MS;
    steer_first_token(&walk, s->policy, s->state, us, s->now_us + us);
    steer_ended(&walk, s->policy, s->state, &end, s->now_us + us, NULL, &step);
    s->now_us += 100 * MS; /* ten a second */
    return target;
}

/* The share of "a" among so many calls, in percent. */
static int share_of_a(struct steer_sample *s, int calls)
{
    int of_a = 0;

    for (int i = 0; i < calls; i++)
        of_a += stream_once(s) == 0;
    return of_a * 100 / calls;
}

START_TEST(a_slow_target_is_shifted_away_from_within_a_window_and_comes_back_by_and_by)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_route *r = sample_route(&s, sample_group(&s, PLAN_FALLBACK, "ab", 0));
    int calls = 0, back = 0;

    r->slow.factor_percent = plan_default(250);
    r->slow.samples = plan_default(20);
    r->slow.window = plan_default(60 * S);
    sample_open(&s);
    latency_of_a = 300 * MS;
    ck_assert_int_eq(share_of_a(&s, 1200), 100);
    latency_of_a = 700 * MS; /* slower, but not by the factor */
    ck_assert_int_eq(share_of_a(&s, 600), 100);
    latency_of_a = 300 * MS;
    ck_assert_int_eq(share_of_a(&s, 1200), 100);
    latency_of_a = 900 * MS;
    while (health_of(&s, "a") != STEER_SLOW && calls++ < 600)
        stream_once(&s);
    ck_assert_int_lt(calls, 600);
    ck_assert_int_le(share_of_a(&s, 1200), 5); /* probes: 20 in 60 s, of 600 */
    ck_assert_int_eq(health_of(&s, "a"), STEER_SLOW);
    latency_of_a = 600 * MS; /* below the factor, but above what ends it */
    ck_assert_int_le(share_of_a(&s, 1200), 5);
    latency_of_a = 300 * MS;
    while (health_of(&s, "a") == STEER_SLOW && back++ < 1200)
        stream_once(&s);
    ck_assert_int_lt(back, 1200);
    int begins = share_of_a(&s, 100), ends;
    share_of_a(&s, 400);
    ends = share_of_a(&s, 100);
    ck_assert_msg(begins < 35 && ends > 70 && ends < 100, "from %d to %d %%", begins, ends);
    ck_assert_int_eq(share_of_a(&s, 100), 100);
}
END_TEST

START_TEST(latency_that_creeps_up_is_slow_in_the_end)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_route *r = sample_route(&s, sample_group(&s, PLAN_FALLBACK, "ab", 0));
    int64_t minutes = 0;

    r->slow.factor_percent = plan_default(250);
    sample_open(&s);
    latency_of_a = 300 * MS;
    share_of_a(&s, 1200);
    /* Five percent a minute: four times as slow within half an hour. */
    while (health_of(&s, "a") != STEER_SLOW && minutes++ < 60) {
        latency_of_a = latency_of_a * 105 / 100;
        share_of_a(&s, 600);
    }
    ck_assert_int_lt(minutes, 25);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_retry_after_is_kept_to_within_its_limits, 0, (int)ARRAY_LEN(waits));
    tcase_add_test(tc, an_answer_can_ask_to_be_tried_again_or_not_to_be);
    tcase_add_test(tc, a_step_may_come_twice_and_once_more_at_the_end);
    tcase_add_loop_test(tc, jitter_spreads_waits_over_all_of_its_range_and_no_further, 0,
                        (int)ARRAY_LEN(jitters));
    tcase_add_test(tc, a_span_ends_the_repetitions_below_it_and_what_is_above_goes_on);
    tcase_add_test(tc, nobody_waits_for_what_comes_after_the_caller_has_left);
    tcase_add_test(tc, timers_are_the_shortest_of_the_attempts_own_of_spans_and_of_the_deadline);
    tcase_add_test(tc, a_request_that_is_gone_or_an_answer_that_has_begun_is_not_repeated);
    tcase_add_loop_test(tc, a_failure_without_a_status_has_the_one_that_the_plan_gives_it, 0,
                        (int)ARRAY_LEN(without_status));
    tcase_add_loop_test(
        tc, in_observe_a_call_goes_where_it_asked_and_what_would_have_been_done_is_noted, 0, 2);
    tcase_add_test(tc, a_breaker_opens_is_passed_over_probed_and_closed);
    tcase_add_test(tc, one_probe_at_a_time_and_who_leaves_gives_it_back);
    tcase_add_loop_test(tc, when_all_are_out_each_memory_has_its_own_way, 0,
                        (int)ARRAY_LEN(all_out));
    tcase_add_test(
        tc, while_the_probe_of_an_open_breaker_is_under_way_others_are_told_when_to_come_back);
    tcase_add_test(tc, no_more_than_a_share_of_the_hosts_is_ejected_and_longer_each_time);
    tcase_add_loop_test(tc, a_cooldown_without_numbers_is_what_litellm_does_without_them, 0,
                        (int)ARRAY_LEN(cooldowns));
    tcase_add_test(tc, what_a_skipped_target_failed_with_leads_on_as_if_it_had_failed_once_more);
    tcase_add_test(tc, a_slow_target_is_shifted_away_from_within_a_window_and_comes_back_by_and_by);
    tcase_add_test(tc, latency_that_creeps_up_is_slow_in_the_end);
    tcase_add_loop_test(tc, a_target_is_repeated_with_longer_waits_and_then_the_next_is_tried, 0,
                        (int)ARRAY_LEN(statuses));
    tcase_add_test(tc, repetitions_around_a_list_walk_all_of_it_again);
    tcase_add_test(tc, tiers_share_one_budget_of_attempts);
    tcase_add_test(tc, a_failure_that_an_item_is_not_for_passes_it_by);
}

CHECK_MAIN("policy/steer", add_tests)
