/* When a gateway led calls away, when all was well again, and when it led them back. */
#include "config.h"

#include "replay/incident.h"

#include "tests/check_main.h"

#define SECOND INT64_C(1000000)

static const struct incident first_stretch = { .until_us = 10 * SECOND };
static const struct incident second_stretch = { .from_us = 10 * SECOND, .until_us = INT64_MAX };

/* As who sees attempts does. */
static uint32_t strike(struct incidents *in, uint32_t target, uint32_t *last, int64_t now_us,
                       const struct incident *stretch)
{
    return incidents_struck_again(in, *last, now_us)
               ? *last
               : incidents_begin(in, target, last, now_us, stretch);
}

static int64_t longest(const struct incidents *in, enum incident_span span, int64_t last_us)
{
    int64_t us = 0;

    return incidents_longest(in, span, last_us, &us) ? us : -2;
}

static void answer(struct incidents *in, uint32_t target, uint32_t last, uint32_t met,
                   int64_t attempt_us, int64_t answered_us)
{
    const struct incident_answer a = {
        target, last, {met, met},
          attempt_us, answered_us
    };

    incidents_answered(in, &a);
}

START_TEST(failover_is_the_first_answer_elsewhere_to_who_met_it)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    uint32_t last = 0;

    ck_assert_int_eq(longest(&in, INCIDENT_FAILOVER, 0), -2);
    ck_assert_uint_eq(strike(&in, 3, &last, 2 * SECOND, &first_stretch), 1);
    ck_assert_uint_eq(strike(&in, 3, &last, 3 * SECOND, &first_stretch), 1);
    ck_assert_uint_eq(in.list.ptr[0].struck, 2);
    answer(&in, 4, 0, 0, 2 * SECOND, 3 * SECOND); /* who had not met it */
    answer(&in, 3, last, 1, 3 * SECOND, 4 * SECOND);
    ck_assert_int_eq(longest(&in, INCIDENT_FAILOVER, 0), -1);
    answer(&in, 4, 0, 1, 3 * SECOND, 9 * SECOND);
    answer(&in, 4, 0, 1, 4 * SECOND, 6 * SECOND); /* later, and answered sooner */
    answer(&in, 4, 0, 1, 5 * SECOND, 7 * SECOND);
    ck_assert_int_eq(longest(&in, INCIDENT_FAILOVER, 0), 4 * SECOND);
}
END_TEST

START_TEST(recovery_is_the_first_answer_of_an_attempt_made_since)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    uint32_t last = 0;

    strike(&in, 3, &last, 2 * SECOND, &first_stretch);
    ck_assert_int_eq(longest(&in, INCIDENT_RECOVERY, 9 * SECOND), -2); /* it lasts */
    ck_assert_int_eq(longest(&in, INCIDENT_RECOVERY, 11 * SECOND), -1);
    answer(&in, 3, last, 0, 9 * SECOND, 11 * SECOND); /* begun before */
    ck_assert_int_eq(longest(&in, INCIDENT_RECOVERY, 12 * SECOND), -1);
    answer(&in, 3, last, 0, 11 * SECOND, 14 * SECOND);
    answer(&in, 3, last, 0, 12 * SECOND, 13 * SECOND);
    ck_assert_int_eq(longest(&in, INCIDENT_RECOVERY, 14 * SECOND), 3 * SECOND);
}
END_TEST

/* One call a second, of which some fail. */
static const struct {
    int failed[4]; /* -1 = no more */
    int64_t restored_s;
} calls[] = {
    {{ 5, -1, -1, -1 },    0  }, /* one of a hundred may */
    { { 5, 6, -1, -1 },    99 }, /* until the first of two is the hundred-and-first */
    { { 5, 104, -1, -1 },  99 },
    { { 5, 105, -1, -1 },  0  }, /* never two within a hundred */
    { { 5, 105, 106, -1 }, 199},
    { { 2, 3, 150, 151 },  244},
    { { 2, 3, 4, 5 },      98 },
};

START_TEST(restored_is_the_last_call_after_which_more_than_one_in_a_hundred_had_failed)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    uint32_t last = 0;

    for (int second = 0; second < 400; second++) {
        bool failed = false;
        if (second == 5)
            strike(&in, 3, &last, second * SECOND, &first_stretch);
        for (int i = 0; i < 4; i++)
            failed |= calls[_i].failed[i] == second;
        incidents_call_over(&in, failed, second * SECOND);
    }
    ck_assert_int_eq(longest(&in, INCIDENT_RESTORED, 400 * SECOND), calls[_i].restored_s * SECOND);
}
END_TEST

START_TEST(a_stretch_is_judged_until_another_one_begins)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    uint32_t here = 0, there = 0;

    strike(&in, 3, &here, 1 * SECOND, &first_stretch);
    strike(&in, 4, &there, 2 * SECOND, &first_stretch);
    for (int second = 3; second < 6; second++)
        incidents_call_over(&in, true, second * SECOND);
    ck_assert_uint_eq(strike(&in, 3, &here, 11 * SECOND, &second_stretch), 3);
    incidents_call_over(&in, true, 20 * SECOND);
    ck_assert_int_eq(in.list.ptr[0].last_bad_us, 5 * SECOND);
    ck_assert_int_eq(in.list.ptr[1].last_bad_us, 5 * SECOND);
    ck_assert_int_eq(in.list.ptr[2].last_bad_us, 20 * SECOND);
    ck_assert_int_eq(longest(&in, INCIDENT_RESTORED, 20 * SECOND), -1); /* it goes on */
    ck_assert_int_eq(longest(&in, INCIDENT_RESTORED, 21 * SECOND), 9 * SECOND);
    /* of one of them it never came */
    answer(&in, 5, 0, 1, 2 * SECOND, 3 * SECOND);
    answer(&in, 5, 0, 2, 2 * SECOND, 3 * SECOND);
    ck_assert_int_eq(longest(&in, INCIDENT_FAILOVER, 20 * SECOND), -1);
}
END_TEST

/* As the calls end, one in seven fails, or none of the last ten does. */
START_TEST(what_still_fails_in_the_end_is_not_restored)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    uint32_t last = 0;
    int end = _i ? 100 : 90;

    strike(&in, 3, &last, 1 * SECOND, &first_stretch);
    for (int second = 1; second <= end; second++)
        incidents_call_over(&in, second % 7 == 0 && second < 85, second * SECOND);
    ck_assert_int_eq(longest(&in, INCIDENT_RESTORED, end * SECOND), _i ? 99 * SECOND : -1);
}
END_TEST

START_TEST(who_is_led_back_after_two_incidents_finds_both_over)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    const struct incident other = { .from_us = 20 * SECOND, .until_us = 30 * SECOND };
    uint32_t last = 0;

    strike(&in, 3, &last, 2 * SECOND, &first_stretch);
    strike(&in, 3, &last, 21 * SECOND, &other);
    answer(&in, 3, last, 0, 15 * SECOND, 40 * SECOND); /* begun between the two */
    ck_assert_int_eq(in.list.ptr[0].recovered_us, 40 * SECOND);
    ck_assert_int_eq(in.list.ptr[1].recovered_us, -1);
    answer(&in, 3, last, 0, 31 * SECOND, 32 * SECOND);
    ck_assert_int_eq(in.list.ptr[0].recovered_us, 32 * SECOND);
    ck_assert_int_eq(longest(&in, INCIDENT_RECOVERY, 40 * SECOND), 22 * SECOND);
    in.list.ptr[0].goes_on = true; /* then it is not asked of it */
    ck_assert_int_eq(longest(&in, INCIDENT_RECOVERY, 40 * SECOND), 2 * SECOND);
}
END_TEST

START_TEST(a_call_that_met_two_leads_away_from_both)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    const struct incident_answer by_third = {
        5, 0, {1, 2},
          3 * SECOND, 4 * SECOND
    };
    const struct incident_answer by_second = {
        4, 2, {1, 2},
          2 * SECOND, 3 * SECOND
    };
    uint32_t here = 0, there = 0;

    strike(&in, 3, &here, 1 * SECOND, &first_stretch);
    strike(&in, 4, &there, 2 * SECOND, &first_stretch);
    incidents_answered(&in, &by_second); /* slowly */
    ck_assert_int_eq(in.list.ptr[0].failover_us, 3 * SECOND);
    ck_assert_int_eq(in.list.ptr[1].failover_us, -1);
    incidents_answered(&in, &by_third);
    ck_assert_int_eq(in.list.ptr[0].failover_us, 3 * SECOND);
    ck_assert_int_eq(in.list.ptr[1].failover_us, 4 * SECOND);
}
END_TEST

START_TEST(without_calls_nothing_took_long)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };

    for (int span = INCIDENT_FAILOVER; span <= INCIDENT_RECOVERY; span++)
        ck_assert_int_eq(longest(&in, (enum incident_span)span, 0), -2);
}
END_TEST

START_TEST(more_than_are_kept_are_counted)
{
    CLEANUP(incidents_release) struct incidents in = { 0 };
    uint32_t last = 0;

    for (int64_t i = 0; i < INCIDENTS_MAX + 3; i++) {
        const struct incident stretch = { .from_us = i * SECOND, .until_us = (i + 1) * SECOND };
        ck_assert_int_eq(strike(&in, 3, &last, i * SECOND, &stretch) > 0, i < INCIDENTS_MAX);
    }
    ck_assert_uint_eq(in.dropped, 3);
    ck_assert_uint_eq(last, INCIDENTS_MAX);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, failover_is_the_first_answer_elsewhere_to_who_met_it);
    tcase_add_test(tc, recovery_is_the_first_answer_of_an_attempt_made_since);
    tcase_add_loop_test(tc,
                        restored_is_the_last_call_after_which_more_than_one_in_a_hundred_had_failed,
                        0, (int)ARRAY_LEN(calls));
    tcase_add_test(tc, a_stretch_is_judged_until_another_one_begins);
    tcase_add_loop_test(tc, what_still_fails_in_the_end_is_not_restored, 0, 2);
    tcase_add_test(tc, who_is_led_back_after_two_incidents_finds_both_over);
    tcase_add_test(tc, a_call_that_met_two_leads_away_from_both);
    tcase_add_test(tc, without_calls_nothing_took_long);
    tcase_add_test(tc, more_than_are_kept_are_counted);
}
CHECK_MAIN("replay/incident", add_tests)
