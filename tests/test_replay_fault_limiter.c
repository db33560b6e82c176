/* A provider's own limits. */
#include "config.h"

#include "replay/fault_limiter.h"

#include "base/timestamp.h"
#include "tests/check_main.h"

#define SECOND US_PER_SECOND

static struct fault quota(int64_t requests, int64_t tokens, bool counts_failed)
{
    const struct fault_kind *kind = fault_kind_find(STR("quota"));

    ck_assert_ptr_nonnull(kind);
    struct fault f = fault_usual(kind);
    f.requests = requests;
    f.tokens = tokens;
    f.requests_per_us = f.tokens_per_us = 60 * SECOND;
    f.counts_failed = counts_failed;
    return f;
}

START_TEST(a_full_bucket_lets_a_burst_through_and_then_one_at_its_rate)
{
    struct fault_limiter l = { 0 };
    struct fault f = quota(60, 0, false);
    int passed = 0;

    for (int i = 0; i < 100; i++)
        passed += fault_limiter_take(&l, &f, 0, 0, false);
    ck_assert_int_eq(passed, 60);
    ck_assert(!fault_limiter_take(&l, &f, SECOND - 1, 0, false));
    ck_assert(fault_limiter_take(&l, &f, SECOND, 0, false));
    ck_assert(!fault_limiter_take(&l, &f, SECOND, 0, false));
    ck_assert(fault_limiter_take(&l, &f, SECOND / 2, 0, false) == false); /* time ran backwards */
    passed = 0;
    for (int i = 0; i < 100; i++)
        passed += fault_limiter_take(&l, &f, 600 * SECOND, 0, false);
    ck_assert_int_eq(passed, 60);
}
END_TEST

START_TEST(who_goes_on_where_failures_count_is_refused_for_good)
{
    struct fault_limiter patient = { 0 }, storm = { 0 };
    struct fault f = quota(60, 0, true);
    int passed = 0;

    for (int i = 0; i < 60; i++)
        ck_assert(fault_limiter_take(&storm, &f, 0, 0, false));
    for (int ms = 0; ms < 120000; ms += 100)
        passed += fault_limiter_take(&storm, &f, ms * 1000, 0, false);
    ck_assert_int_eq(passed, 0);
    /* Back within twice the time of the limit after the last one. */
    ck_assert(!fault_limiter_take(&storm, &f, 121 * SECOND, 0, false));
    ck_assert(fault_limiter_take(&storm, &f, (120 + 62) * SECOND, 0, false));
    for (int s = 0; s < 120; s++)
        passed += fault_limiter_take(&patient, &f, s * SECOND, 0, false);
    ck_assert_int_eq(passed, 120);
}
END_TEST

START_TEST(what_another_fault_refused_is_counted_where_failures_are)
{
    struct fault_limiter a = { 0 }, b = { 0 };
    struct fault counts = quota(10, 0, true), ignores = quota(10, 0, false);

    for (int i = 0; i < 10; i++) {
        fault_limiter_take(&a, &counts, 0, 0, true);
        fault_limiter_take(&b, &ignores, 0, 0, true);
    }
    ck_assert(!fault_limiter_take(&a, &counts, 0, 0, false));
    ck_assert(fault_limiter_take(&b, &ignores, 0, 0, false));
}
END_TEST

START_TEST(tokens_are_limited_beside_requests_and_the_wait_is_for_both)
{
    struct fault_limiter l = { 0 };
    struct fault f = quota(60, 6000, false);
    struct fault_limit limit;
    int64_t wait_us;

    ck_assert(fault_limiter_take(&l, &f, 0, 5000, false));
    ck_assert(!fault_limiter_take(&l, &f, 0, 2000, false));
    fault_limiter_tell(&l, &f, 0, 2000, &limit, &wait_us);
    ck_assert_int_eq(wait_us, 10 * SECOND);
    ck_assert(limit.is_tokens);
    ck_assert_int_eq(limit.tokens_left, 1000);
    ck_assert_int_eq(limit.tokens_reset_us, 50 * SECOND);
    ck_assert_int_eq(limit.requests_left, 59);
    ck_assert_int_eq(limit.requests_reset_us, SECOND);
    ck_assert(!fault_limiter_take(&l, &f, wait_us - 1, 2000, false));
    ck_assert(fault_limiter_take(&l, &f, wait_us, 2000, false));
    /* Larger than the bucket: goes through when it is full. */
    ck_assert(!fault_limiter_take(&l, &f, 60 * SECOND, 1000000, false));
    ck_assert(fault_limiter_take(&l, &f, 200 * SECOND, 1000000, false));
}
END_TEST

START_TEST(the_largest_limits_do_not_overflow)
{
    struct fault_limiter l = { 0 };
    struct fault f = quota(INT64_C(1000000000000), INT64_C(1000000000000), true);
    struct fault_limit limit;
    int64_t wait_us;

    f.requests_per_us = f.tokens_per_us = US_PER_DAY;
    for (int i = 0; i < 5; i++)
        fault_limiter_take(&l, &f, i, INT64_MAX, false);
    fault_limiter_tell(&l, &f, INT64_C(3650) * US_PER_DAY, INT64_MAX, &limit, &wait_us);
    ck_assert_int_eq(wait_us, 0);
    ck_assert_int_eq(limit.tokens_left, INT64_C(1000000000000));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_full_bucket_lets_a_burst_through_and_then_one_at_its_rate);
    tcase_add_test(tc, who_goes_on_where_failures_count_is_refused_for_good);
    tcase_add_test(tc, what_another_fault_refused_is_counted_where_failures_are);
    tcase_add_test(tc, tokens_are_limited_beside_requests_and_the_wait_is_for_both);
    tcase_add_test(tc, the_largest_limits_do_not_overflow);
}

CHECK_MAIN("replay/fault_limiter", add_tests)
