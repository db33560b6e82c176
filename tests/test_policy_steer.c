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

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_target_is_repeated_with_longer_waits_and_then_the_next_is_tried, 0,
                        (int)ARRAY_LEN(statuses));
    tcase_add_test(tc, repetitions_around_a_list_walk_all_of_it_again);
    tcase_add_test(tc, tiers_share_one_budget_of_attempts);
    tcase_add_test(tc, a_failure_that_an_item_is_not_for_passes_it_by);
}

CHECK_MAIN("policy/steer", add_tests)
