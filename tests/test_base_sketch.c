/* Quantiles and counts of distinct values in bounded memory: what they promise, and that merging in
 * any order gives the same. */
#include "config.h"

#include "base/sketch.h"

#include <stdlib.h>

#include "base/distinct.h"
#include "base/map.h"
#include "tests/check_main.h"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static const double ranks[] = { 0, 0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1 };

/* Seeds 1 to 20: values of every size from bits to 62 bits. */
START_TEST(every_quantile_is_within_the_stated_error)
{
    enum { COUNT = 5000 };
    CLEANUP(sketch_release) struct sketch s = { 0 };
    static int64_t values[COUNT];
    uint64_t state = (uint64_t)_i * 7919;

    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (int64_t)(next_random(&state) >> (2 + next_random(&state) % 62));
        sketch_add(&s, values[i]);
    }
    qsort(values, COUNT, sizeof(*values), compare);
    for (size_t i = 0; i < ARRAY_LEN(ranks); i++) {
        size_t rank = (size_t)(ranks[i] * COUNT + 0.999999);
        double exact = (double)values[rank > 0 ? rank - 1 : 0];
        double got = (double)sketch_quantile(&s, ranks[i]);
        double off = got > exact ? got - exact : exact - got;
        ck_assert_msg(off <= SKETCH_ERROR * exact, "q %g: %g instead of %g", ranks[i], got, exact);
    }
}
END_TEST

START_TEST(small_values_are_exact_and_negative_ones_count_as_zero)
{
    CLEANUP(sketch_release) struct sketch s = { 0 };

    ck_assert_int_eq(sketch_quantile(&s, 0.5), -1);
    for (int64_t v = -10; v < 64; v++)
        sketch_add(&s, v);
    ck_assert_int_eq(sketch_quantile(&s, 0), 0);
    ck_assert_int_eq(sketch_quantile(&s, 1), 63);
    ck_assert_uint_eq(s.total, 74);
    sketch_add(&s, INT64_MAX);
    ck_assert_uint_lt(sketch_bucket(INT64_MAX), SKETCH_BUCKETS);
    ck_assert_int_gt(sketch_quantile(&s, 1), INT64_MAX - INT64_MAX / 128);
}
END_TEST

START_TEST(many_quantiles_at_once_are_those_one_by_one)
{
    static const size_t steps[] = { 1, 7, 1024 };
    CLEANUP(sketch_release) struct sketch s = { 0 };
    int64_t at[1025];

    sketch_quantiles(&s, 7, at);
    ck_assert(at[0] == -1 && at[7] == -1);
    for (int64_t v = 0; v < 3000; v++)
        sketch_add(&s, v * v % 7919 * (v % 3 ? 1 : 1000));
    for (size_t n = 0; n < ARRAY_LEN(steps); n++) {
        sketch_quantiles(&s, steps[n], at);
        for (size_t i = 0; i <= steps[n]; i++)
            ck_assert_int_eq(at[i], sketch_quantile(&s, (double)i / (double)steps[n]));
    }
}
END_TEST

START_TEST(sketches_merge_to_the_same_in_any_order)
{
    CLEANUP(sketch_release) struct sketch whole = { 0 };
    struct sketch parts[3] = { 0 };
    CLEANUP(sketch_release) struct sketch merged = { 0 };
    uint64_t state = 42;

    for (int i = 0; i < 9999; i++) {
        int64_t v = (int64_t)(next_random(&state) >> (14 + i % 40));
        sketch_add(&whole, v);
        sketch_add(&parts[i % 3], v);
    }
    for (int i = 2; i >= 0; i--)
        sketch_merge(&merged, &parts[i]);
    ck_assert_uint_eq(merged.total, whole.total);
    for (size_t i = 0; i < ARRAY_LEN(ranks); i++)
        ck_assert_int_eq(sketch_quantile(&merged, ranks[i]), sketch_quantile(&whole, ranks[i]));
    for (int i = 0; i < 3; i++)
        sketch_release(&parts[i]);
}
END_TEST

static uint64_t hash_of(uint64_t n)
{
    return map_hash((struct str){ (const char *)&n, sizeof(n) });
}

static const uint64_t counts[] = { 0, 1, 4095, 4096, 4097, 10000, 50000, 300000, 2000000 };

START_TEST(distinct_values_are_counted_exactly_or_within_four_sigma)
{
    CLEANUP(distinct_release) struct distinct d = { 0 };
    uint64_t n = counts[_i];

    for (uint64_t i = 0; i < n; i++) {
        distinct_add(&d, hash_of(i));
        distinct_add(&d, hash_of(i / 2));
    }
    double got = (double)distinct_count(&d), off = got - (double)n;
    ck_assert(distinct_is_exact(&d) == (n <= DISTINCT_EXACT_MAX));
    if (distinct_is_exact(&d))
        ck_assert_uint_eq(distinct_count(&d), n);
    ck_assert_msg((off < 0 ? -off : off) <= 4 * DISTINCT_ERROR * (double)n, "%g of %g", got,
                  (double)n);
}
END_TEST

/* Whether parts overlap, whichever is exact: one answer. */
START_TEST(counts_merge_to_the_same_in_any_order)
{
    static const uint64_t sizes[] = { 100, 3000, 9000 };
    uint64_t first = 0;

    for (int order = 0; order < 6; order++) {
        CLEANUP(distinct_release) struct distinct merged = { 0 };
        for (int k = 0; k < 3; k++) {
            CLEANUP(distinct_release) struct distinct part = { 0 };
            uint64_t size = sizes[(order + (order < 3 ? k : 2 * k)) % 3];
            for (uint64_t i = 0; i < size; i++)
                distinct_add(&part, hash_of(i + size / 2));
            distinct_merge(&merged, &part);
        }
        if (order == 0)
            first = distinct_count(&merged);
        ck_assert_uint_eq(distinct_count(&merged), first);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, every_quantile_is_within_the_stated_error, 1, 21);
    tcase_add_test(tc, small_values_are_exact_and_negative_ones_count_as_zero);
    tcase_add_test(tc, many_quantiles_at_once_are_those_one_by_one);
    tcase_add_test(tc, sketches_merge_to_the_same_in_any_order);
    tcase_add_loop_test(tc, distinct_values_are_counted_exactly_or_within_four_sigma, 0,
                        ARRAY_LEN(counts));
    tcase_add_test(tc, counts_merge_to_the_same_in_any_order);
}
CHECK_MAIN("base/sketch", add_tests)
