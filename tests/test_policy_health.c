#include "config.h"

#include "policy/health.h"

#include <string.h>

#include "base/timestamp.h"
#include "tests/check_main.h"

#define S    US_PER_SECOND
#define MS   INT64_C(1000)
#define FROM (INT64_C(1763812800) * S)

static const struct tree_unit breaker = {
    .memory = PLAN_MEMORY_BREAKER,
    .failures = 5,
    .in_a_row = true,
    .probes = 2,
    .window_us = 80 * S,
    .bucket_us = 10 * S,
    .out_us = 10 * S,
};

static enum health_level level(struct health *h, const struct tree_unit *u, int64_t now_us,
                               uint64_t draw)
{
    struct health_call call = { .now_us = now_us, .draw = draw };

    return health_look(h, u, &call).level;
}

/* One call, from look to end; what it saw. */
static struct health_seen call_at(struct health *h, const struct tree_unit *u, int64_t now_us,
                                  bool fails)
{
    struct health_call call = { .now_us = now_us };
    struct health_seen seen = health_look(h, u, &call);
    bool probes = seen.level == HEALTH_PROBE && seen.half_open;

    if (seen.level == HEALTH_OUT)
        return seen;
    health_begin(h, &seen, now_us);
    if (!fails)
        health_good(h, u, probes, now_us);
    else if (health_bad(h, u, PLAN_FAILED_STATUS, 503, probes, now_us))
        health_put_out(h, u, -1, now_us);
    return seen;
}

START_TEST(failures_in_a_row_are_forgotten_with_a_success)
{
    struct health h = { 0 };

    for (int i = 0; i < 100; i++)
        call_at(&h, &breaker, FROM + i, i % 5 != 4);
    ck_assert_int_eq(level(&h, &breaker, FROM + 100, 0), HEALTH_USUAL);
    call_at(&h, &breaker, FROM + 100, true);
    for (int i = 0; i < 4; i++)
        call_at(&h, &breaker, FROM + 101, true);
    ck_assert_int_eq(level(&h, &breaker, FROM + 102, 0), HEALTH_OUT);
    ck_assert_uint_eq(h.attempts, 105);
    ck_assert_uint_eq(h.failures, 85);
}
END_TEST

START_TEST(failures_in_the_window_count_however_many_calls_went_well)
{
    struct tree_unit u = breaker;
    struct health h = { 0 };

    u.in_a_row = false;
    for (int i = 0; i < 4; i++)
        call_at(&h, &u, FROM + i * 10 * S, true);
    for (int i = 0; i < 1000; i++)
        call_at(&h, &u, FROM + 60 * S, false);
    call_at(&h, &u, FROM + 81 * S, true); /* the first is out of the window by now */
    ck_assert_int_eq(level(&h, &u, FROM + 81 * S, 0), HEALTH_USUAL);
    call_at(&h, &u, FROM + 82 * S, true);
    ck_assert_int_eq(level(&h, &u, FROM + 82 * S, 0), HEALTH_OUT);
}
END_TEST

START_TEST(a_share_counts_from_its_minimum_of_calls_on)
{
    struct tree_unit u = { .memory = PLAN_MEMORY_RATIO,
                           .percent = 50,
                           .minimum = 6,
                           .window_us = 60 * S,
                           .bucket_us = 7500 * MS,
                           .out_us = 30 * S };
    struct health h = { 0 };

    for (int i = 0; i < 5; i++) {
        call_at(&h, &u, FROM + i * S, i % 2 == 0);
        ck_assert_int_eq(level(&h, &u, FROM + i * S, 0), HEALTH_USUAL);
    }
    call_at(&h, &u, FROM + 5 * S, false); /* 3 of 6, but with a success: nothing trips on those */
    ck_assert_int_eq(level(&h, &u, FROM + 5 * S, 0), HEALTH_USUAL);
    call_at(&h, &u, FROM + 6 * S, true);
    ck_assert_int_eq(level(&h, &u, FROM + 6 * S, 0), HEALTH_OUT);
    /* Back all at once, with nothing held against it. */
    ck_assert_int_eq(level(&h, &u, FROM + 36 * S, 1023), HEALTH_USUAL);
    call_at(&h, &u, FROM + 36 * S, true);
    ck_assert_int_eq(level(&h, &u, FROM + 36 * S, 0), HEALTH_USUAL);
}
END_TEST

static void open_breaker(struct health *h)
{
    for (int i = 0; i < 5; i++)
        call_at(h, &breaker, FROM, true);
}

START_TEST(half_open_takes_as_many_probes_as_it_has_and_closes_when_all_went_well)
{
    struct health_call call = { .now_us = FROM + 10 * S };
    struct health h = { 0 };

    open_breaker(&h);
    for (int i = 0; i < 2; i++) {
        struct health_seen seen = health_look(&h, &breaker, &call);
        ck_assert_int_eq(seen.level, HEALTH_PROBE);
        ck_assert_int_eq(seen.status, 503);
        health_begin(&h, &seen, call.now_us);
    }
    ck_assert_int_eq(level(&h, &breaker, call.now_us, 0), HEALTH_OUT);
    health_good(&h, &breaker, true, call.now_us);
    ck_assert_int_eq(level(&h, &breaker, call.now_us, 0), HEALTH_OUT);
    health_good(&h, &breaker, false, call.now_us); /* began before it opened: tells nothing */
    ck_assert_int_eq(level(&h, &breaker, call.now_us, 0), HEALTH_OUT);
    health_good(&h, &breaker, true, call.now_us);
    ck_assert_int_eq(level(&h, &breaker, call.now_us, 0), HEALTH_USUAL);
}
END_TEST

START_TEST(a_probe_that_is_never_heard_of_again_is_not_waited_for_for_ever)
{
    struct health_call call = { .now_us = FROM + 10 * S };
    struct health h = { 0 };
    struct tree_unit u = breaker;

    u.probes = 1;
    open_breaker(&h);
    struct health_seen seen = health_look(&h, &u, &call);
    health_begin(&h, &seen, call.now_us);
    ck_assert_int_eq(level(&h, &u, call.now_us + 59 * S, 0), HEALTH_OUT);
    ck_assert_int_eq(level(&h, &u, call.now_us + 60 * S, 0), HEALTH_PROBE);
}
END_TEST

START_TEST(who_was_out_gets_a_tenth_of_its_calls_at_once_and_all_after_as_long_as_it_was_out)
{
    struct health h = { 0 };

    open_breaker(&h);
    for (int i = 0; i < 2; i++)
        call_at(&h, &breaker, FROM + 10 * S, false);
    for (int second = 0; second <= 10; second++) {
        int usual = 0;
        for (uint64_t draw = 0; draw < 1024; draw++)
            usual += level(&h, &breaker, FROM + (10 + second) * S, draw) == HEALTH_USUAL;
        int expected = 102 + (1024 - 102) * second / 10;
        ck_assert_msg(usual >= expected - 1 && usual <= expected + 1, "second %d: %d of 1024",
                      second, usual);
    }
}
END_TEST

START_TEST(ejections_grow_up_to_a_limit_and_are_forgotten_one_by_one)
{
    struct tree_unit u = { .memory = PLAN_MEMORY_EJECTION,
                           .failures = 1,
                           .in_a_row = true,
                           .window_us = 10 * S,
                           .bucket_us = 1250 * MS,
                           .out_us = 30 * S };
    struct health h = { 0 };
    int64_t now = FROM;

    for (int i = 1; i <= 12; i++) {
        call_at(&h, &u, now, true);
        int64_t out = 30 * S * (i < 10 ? i : 10); /* 300 s */
        ck_assert_int_eq(h.until_us - now, out);
        now = h.until_us;
    }
    now += 110 * S; /* eleven of the twelve windows */
    call_at(&h, &u, now, true);
    ck_assert_int_eq(h.until_us - now, 60 * S);
}
END_TEST

START_TEST(a_cooldown_lasts_as_long_as_the_answer_says_where_nothing_else_is_said)
{
    struct tree_unit u = { .memory = PLAN_MEMORY_COOLDOWN, .failures = 1, .out_us = 5 * S };
    struct health h = { 0 };

    health_put_out(&h, &u, 40 * S, FROM);
    ck_assert_int_eq(h.until_us, FROM + 40 * S);
    health_put_out(&h, &u, -1, FROM);
    ck_assert_int_eq(h.until_us, FROM + 5 * S);
    u.out_set = true;
    health_put_out(&h, &u, 40 * S, FROM);
    ck_assert_int_eq(h.until_us, FROM + 5 * S);
    ck_assert(health_is_out(&h, &u, FROM + 5 * S - 1));
    ck_assert(!health_is_out(&h, &u, FROM + 5 * S));
}
END_TEST

/* --- slowness --- */

static const struct tree_unit slow = {
    .slow_percent = 300,
    .slow_samples = 10,
    .slow_window_us = 20 * S,
    .half_us = 10 * S,
};

START_TEST(the_median_is_within_a_step_of_what_it_is)
{
    for (int64_t us = 5 * MS; us < 60 * S; us = us * 13 / 10) {
        struct health h = { 0 };
        for (int i = 0; i < 101; i++) /* half of them far away */
            health_first_token(&h, &slow, i % 2 ? us : i % 4 ? us / 8 : us * 8, FROM);
        int64_t median = health_median(&h, &slow, FROM);
        ck_assert_msg(median > us * 78 / 100 && median < us * 128 / 100, "%lld for %lld",
                      (long long)median, (long long)us);
    }
}
END_TEST

START_TEST(too_few_samples_make_nobody_slow)
{
    struct health h = { 0 };

    for (int i = 0; i < 10; i++)
        health_first_token(&h, &slow, 100 * MS, FROM + i * S);
    ck_assert_uint_gt(h.baseline_us, 0);
    for (int i = 0; i < 9; i++)
        health_first_token(&h, &slow, 5 * S, FROM + 100 * S + i * 100 * MS);
    ck_assert_int_eq(level(&h, &slow, FROM + 101 * S, 0), HEALTH_USUAL);
    health_first_token(&h, &slow, 5 * S, FROM + 101 * S);
    ck_assert_int_eq(level(&h, &slow, FROM + 101 * S, 0), HEALTH_LATER);
}
END_TEST

START_TEST(a_slow_target_is_probed_as_often_as_samples_are_needed)
{
    struct health h = { .baseline_us = 100000, .is_slow = 1, .slow_probe_at_us = FROM };
    int probes = 0;

    for (int i = 1; i <= 2000; i++) { /* a hundred a second */
        struct health_call call = { .now_us = FROM + i * 10 * MS };
        struct health_seen seen = health_look(&h, &slow, &call);
        probes += seen.level == HEALTH_PROBE;
        if (seen.level == HEALTH_PROBE)
            health_begin(&h, &seen, call.now_us);
    }
    ck_assert_int_eq(probes, 10);
}
END_TEST

START_TEST(a_target_that_stays_slow_is_usual_in_the_end)
{
    struct health h = { 0 };
    int64_t now = FROM;
    int minutes = 0;

    for (int i = 0; i < 20; i++)
        health_first_token(&h, &slow, 100 * MS, now += S / 10);
    while (!h.is_slow)
        health_first_token(&h, &slow, 400 * MS, now += S / 10);
    while (h.is_slow && minutes++ < 10000)
        for (int i = 0; i < 30; i++) /* probes */
            health_first_token(&h, &slow, 400 * MS, now += 2 * S);
    ck_assert_msg(minutes > 10 && minutes < 600, "%d minutes", minutes);
}
END_TEST

START_TEST(many_samples_do_not_overflow_and_keep_their_proportions)
{
    struct health h = { 0 };

    for (int i = 0; i < 100000; i++)
        health_first_token(&h, &slow, i % 3 ? 200 * MS : 20 * S, FROM);
    int64_t median = health_median(&h, &slow, FROM);
    ck_assert(median > 150 * MS && median < 260 * MS);
    ck_assert_int_eq(h.is_slow, 0);
    for (int i = 0; i < 200000; i++)
        call_at(&h, &breaker, FROM, i % 2);
    ck_assert_uint_eq(h.attempts, 200000);
}
END_TEST

/* As a process that went astray may leave them in the memory that all of them share. */
START_TEST(numbers_that_no_clock_has_led_to_begin_anew)
{
    static const int64_t numbers[] = { INT64_MIN,       INT64_MIN + 1, -1,
                                       INT64_MAX - 1,   INT64_MAX,     INT64_MAX / (10 * S),
                                       INT64_C(1) << 61 };
    struct {
        struct health h;
        uint8_t behind[64];
    } at = {
        .h = {.half = numbers[_i], .baseline_us = 1}
    };
    static const uint8_t untouched[sizeof(at.behind)];
    struct tree_unit u = breaker;

    u.in_a_row = false;
    memset(at.h.failed, 0xff, sizeof(at.h.failed));
    at.h.bucket = numbers[_i];
    call_at(&at.h, &u, FROM, true);
    ck_assert_int_eq(at.h.bucket, FROM / u.bucket_us);
    ck_assert_int_eq(level(&at.h, &u, FROM, 0), HEALTH_USUAL);
    health_first_token(&at.h, &slow, 200 * MS, FROM);
    ck_assert_int_eq(at.h.half, FROM / slow.half_us);
    ck_assert_int_gt(health_median(&at.h, &slow, FROM), 0);
    ck_assert_int_eq(memcmp(at.behind, untouched, sizeof(untouched)), 0);
}
END_TEST

START_TEST(a_clock_set_back_a_little_forgets_nothing)
{
    struct tree_unit u = breaker;
    struct health h = { 0 };

    u.in_a_row = false;
    for (int i = 0; i < 5; i++)
        call_at(&h, &u, FROM - i * 10 * S, true);
    ck_assert_int_eq(level(&h, &u, FROM - 40 * S, 0), HEALTH_OUT);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, failures_in_a_row_are_forgotten_with_a_success);
    tcase_add_test(tc, failures_in_the_window_count_however_many_calls_went_well);
    tcase_add_test(tc, a_share_counts_from_its_minimum_of_calls_on);
    tcase_add_test(tc, half_open_takes_as_many_probes_as_it_has_and_closes_when_all_went_well);
    tcase_add_test(tc, a_probe_that_is_never_heard_of_again_is_not_waited_for_for_ever);
    tcase_add_test(
        tc, who_was_out_gets_a_tenth_of_its_calls_at_once_and_all_after_as_long_as_it_was_out);
    tcase_add_test(tc, ejections_grow_up_to_a_limit_and_are_forgotten_one_by_one);
    tcase_add_test(tc, a_cooldown_lasts_as_long_as_the_answer_says_where_nothing_else_is_said);
    tcase_add_test(tc, the_median_is_within_a_step_of_what_it_is);
    tcase_add_test(tc, too_few_samples_make_nobody_slow);
    tcase_add_test(tc, a_slow_target_is_probed_as_often_as_samples_are_needed);
    tcase_add_test(tc, a_target_that_stays_slow_is_usual_in_the_end);
    tcase_add_loop_test(tc, numbers_that_no_clock_has_led_to_begin_anew, 0, 7);
    tcase_add_test(tc, a_clock_set_back_a_little_forgets_nothing);
    tcase_add_test(tc, many_samples_do_not_overflow_and_keep_their_proportions);
}

CHECK_MAIN("policy/health", add_tests)
