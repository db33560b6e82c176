/* The gates' evidence against its definition, worked out another way, and their power. */
#include "config.h"

#include "migrate/gate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "migrate/rollout.h"
#include "tests/check_main.h"

static void assert_near(double got, double wanted, double part)
{
    ck_assert_msg(fabs(got - wanted) <= part * fabs(wanted) + 1e-300, "%.12g instead of %.12g", got,
                  wanted);
}

static double theta(double r, double w)
{
    return r * w / (r * w + 1 - w);
}

struct failure {
    int32_t share;
    bool on_gateway;
};

/* As the header says it: a product over the failures in their order, for each point of the prior.
 */
static double log_by_products(const struct failure *f, size_t count, double null, double to)
{
    double sum = 0;

    for (int i = 0; i < GATE_POINTS; i++) {
        double r = null * exp(log(to / null) * (i + 0.5) / GATE_POINTS), product = 1;
        for (size_t k = 0; k < count; k++) {
            double w = f[k].share / 10000.0, a = theta(r, w), b = theta(null, w);
            product *= f[k].on_gateway ? a / b : (1 - a) / (1 - b);
        }
        sum += product;
    }
    return log(sum / GATE_POINTS);
}

static const struct failure mixed[] = {
    {100,   true },
    { 5000, false},
    { 500,  false},
    { 5000, true },
    { 100,  false},
    { 500,  true },
    { 5000, true },
    { 2500, false},
    { 5000, true },
};

#define MIXED (sizeof(mixed) / sizeof(mixed[0]))

START_TEST(evidence_is_what_its_definition_says)
{
    struct gate_counts c = { 0 };
    struct gate_evidence e;

    for (size_t i = 0; i < MIXED; i++)
        ck_assert(gate_count_failure(&c, mixed[i].share, mixed[i].on_gateway));
    gate_weigh(&c, 1.2, 2, 0.05, &e);
    assert_near(e.log_harm, log_by_products(mixed, MIXED, 1.2, 24), 1e-12);
    assert_near(e.log_safe, log_by_products(mixed, MIXED, 2, 0.1), 1e-12);
    ck_assert_uint_eq(c.len, 4);
}
END_TEST

START_TEST(nothing_seen_is_no_evidence)
{
    struct gate_counts c = { 0 };
    struct gate_evidence e;

    gate_weigh(&c, 1, 2, 0.05, &e);
    ck_assert(e.log_harm == 0 && e.log_safe == 0 && e.share_log == 0);
    ck_assert(isinf(e.excluded));
    ck_assert(gate_share_bound(0, 0, 0.05) == 1);
}
END_TEST

START_TEST(order_changes_no_bit)
{
    struct gate_counts forth = { 0 }, back = { 0 };
    struct gate_evidence a, b;

    for (size_t i = 0; i < MIXED; i++) {
        const struct failure *f = &mixed[i], *g = &mixed[MIXED - 1 - i];
        ck_assert(gate_count_failure(&forth, f->share, f->on_gateway));
        ck_assert(gate_count_unit(&forth, f->share, f->on_gateway));
        ck_assert(gate_count_unit(&back, g->share, g->on_gateway));
        ck_assert(gate_count_failure(&back, g->share, g->on_gateway));
    }
    ck_assert_mem_eq(&forth, &back, sizeof(forth));
    gate_weigh(&forth, 1, 2, 0.05, &a);
    gate_weigh(&back, 1, 2, 0.05, &b);
    ck_assert_mem_eq(&a, &b, sizeof(a));
}
END_TEST

START_TEST(shares_without_two_arms_and_too_many_are_refused)
{
    struct gate_counts c = { 0 };

    ck_assert(!gate_count_unit(&c, 0, false));
    ck_assert(!gate_count_failure(&c, ROLLOUT_ALL, true));
    ck_assert(!gate_count_unit(&c, -1, false));
    for (int32_t i = 1; i <= GATE_SPLITS; i++)
        ck_assert(gate_count_unit(&c, 10 * i, true));
    ck_assert(!gate_count_unit(&c, 5, true));
    ck_assert(gate_count_failure(&c, 10, true));
}
END_TEST

/* Whatever has been seen: at its bound, what the next failure is expected to make of the evidence
 * is the evidence itself; and less where the ratio lies on the harmless side of it. */
START_TEST(evidence_does_not_grow_by_itself)
{
    static const int32_t shares[] = { 1, 100, 500, 2500, 5000, 9999 };
    double null[2] = { 1, 2 };

    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        double w = shares[i] / 10000.0;
        struct gate_counts now = { 0 };
        for (size_t k = 0; k < MIXED; k++)
            gate_count_failure(&now, mixed[k].share, mixed[k].on_gateway);
        struct gate_counts on = now, off = now;
        gate_count_failure(&on, shares[i], true);
        gate_count_failure(&off, shares[i], false);
        double harm[2] = { exp(gate_log_harm(&off, null[0])), exp(gate_log_harm(&on, null[0])) };
        double safe[2] = { exp(gate_log_safe(&off, null[1])), exp(gate_log_safe(&on, null[1])) };
        double t0 = theta(null[0], w), t1 = theta(null[1], w), low = theta(0.7, w),
               high = theta(3, w);
        assert_near(t0 * harm[1] + (1 - t0) * harm[0], exp(gate_log_harm(&now, null[0])), 1e-9);
        assert_near(t1 * safe[1] + (1 - t1) * safe[0], exp(gate_log_safe(&now, null[1])), 1e-9);
        ck_assert(low * harm[1] + (1 - low) * harm[0] < exp(gate_log_harm(&now, null[0])));
        ck_assert(high * safe[1] + (1 - high) * safe[0] < exp(gate_log_safe(&now, null[1])));
    }
}
END_TEST

START_TEST(what_is_excluded_is_where_the_evidence_passes_its_bound)
{
    struct gate_counts c = { 0 };
    struct gate_evidence e, less;

    for (int i = 0; i < 40; i++)
        gate_count_failure(&c, 5000, i % 2);
    gate_weigh(&c, 1, 2, 0.05, &e);
    assert_near(gate_log_safe(&c, e.excluded), log(20), 1e-9);
    ck_assert(e.excluded > 1.5 && e.excluded < 3);
    ck_assert(gate_log_safe(&c, e.excluded * 1.01) > log(20));
    ck_assert(gate_log_safe(&c, e.excluded / 1.01) < log(20));
    gate_count_failure(&c, 5000, true); /* one more on the gateway, and less can be excluded */
    gate_weigh(&c, 1, 2, 0.05, &less);
    ck_assert(less.excluded > e.excluded);
}
END_TEST

START_TEST(a_wrong_split_shows_whatever_fails)
{
    static const struct {
        int32_t share;
        int64_t units[2];
        bool is_off;
    } rows[] = {
        {5000,  { 5000, 5000 },       false},
        { 5000, { 5100, 4900 },       false},
        { 5000, { 5400, 4600 },       true },
        { 500,  { 1900, 100 },        false},
        { 500,  { 2000, 0 },          true }, /* nothing arrives at the gateway */
        { 100,  { 9800, 200 },        true },
        { 2500, { 7500000, 2500000 }, false},
        { 2500, { 7530000, 2470000 }, true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gate_counts c = { .len = 1, .splits = { { .share = rows[i].share } } };
        struct gate_evidence e;
        memcpy(c.splits[0].units, rows[i].units, sizeof(rows[i].units));
        gate_weigh(&c, 1, 2, 0.05, &e);
        ck_assert_msg((e.share_log >= log(1000)) == rows[i].is_off, "row %zu: %.3f", i,
                      e.share_log);
        ck_assert(e.log_harm == 0);
    }
}
END_TEST

START_TEST(a_share_is_bounded_at_all_times_at_once)
{
    /* Rule of three: 3 / n with a sample whose size was settled before; a little more without. */
    ck_assert(gate_share_bound(0, 300, 0.05) > 0.01);
    ck_assert(gate_share_bound(0, 300, 0.05) < 0.02);
    ck_assert(gate_share_bound(5, 300, 0.05) > gate_share_bound(4, 300, 0.05));
    ck_assert(gate_share_bound(5, 300, 0.05) > 5 / 300.0);
    ck_assert(gate_share_bound(300, 300, 0.05) > 0.99);
}
END_TEST

START_TEST(a_small_next_step_needs_less_proof)
{
    assert_near(gate_required(2, ROLLOUT_ALL), 2, 1e-12);
    assert_near(gate_required(2, 5000), 3, 1e-12);
    assert_near(gate_required(2, 500), 21, 1e-12);
}
END_TEST

START_TEST(metrics_have_names)
{
    enum gate_metric m;

    for (int i = 0; i < GATE_METRIC_COUNT; i++) {
        ck_assert(gate_metric_parse(str_from(gate_metric_name((enum gate_metric)i)), &m));
        ck_assert_int_eq((int)m, i);
        ck_assert(strlen(gate_metric_what(m)) > 0);
    }
    ck_assert(!gate_metric_parse(STR("latency"), &m));
}
END_TEST

/* --- power --- */

/* Calls until a doubled rate is caught in half of the cases, at 1 % of failures and a chance of 1 %
 * of a false alarm, and days to promote and to catch with 2,000 calls a day: of a simulation with a
 * beta prior, whose runs ended at 200,000 calls; at 1 % many had not caught it by then, so that its
 * figures are those of the lucky ones. */
static const struct {
    int32_t share;
    double calls, promote_days[2], catch_days[2], tolerance;
} calendar[] = {
    {100,   97885, { 40, 71 }, { 49, 75 }, 0.65},
    { 500,  25438, { 10, 18 }, { 13, 22 }, 0.2 },
    { 5000, 5884,  { 3, 5 },   { 3, 5 },   0.2 },
};

START_TEST(power_agrees_with_the_simulated_calendar)
{
    for (size_t i = 0; i < sizeof(calendar) / sizeof(calendar[0]); i++) {
        struct gate_power half, most;
        double part = calendar[i].tolerance;
        gate_power(calendar[i].share, 0.01, 1, 2, 0.01, 0.05, 0.5, &half);
        gate_power(calendar[i].share, 0.01, 1, 2, 0.01, 0.05, 0.8, &most);
        printf("share %2d %%: promote %.1f to %.1f days (%.0f to %.0f), catch %.1f to %.1f days "
               "(%.0f to %.0f)\n",
               calendar[i].share / 100, half.to_promote / 2000, most.to_promote / 2000,
               calendar[i].promote_days[0], calendar[i].promote_days[1], half.to_catch / 2000,
               most.to_catch / 2000, calendar[i].catch_days[0], calendar[i].catch_days[1]);
        assert_near(half.to_catch, calendar[i].calls, part);
        assert_near(half.to_promote / 2000, calendar[i].promote_days[0], part);
        assert_near(most.to_promote / 2000, calendar[i].promote_days[1], part);
        assert_near(most.to_catch / 2000, calendar[i].catch_days[1], part);
    }
}
END_TEST

START_TEST(power_is_inverse_to_the_rate)
{
    struct gate_power a, b;

    gate_power(2500, 1, 1.1, 2, 0.001, 0.05, 0.8, &a);
    gate_power(2500, 0.004, 1.1, 2, 0.001, 0.05, 0.8, &b);
    assert_near(b.to_promote, a.to_promote / 0.004, 1e-9);
    assert_near(b.to_catch, a.to_catch / 0.004, 1e-9);
}
END_TEST

START_TEST(what_cannot_be_told_is_never_decided)
{
    struct gate_power p;

    gate_power(5000, 0, 1, 2, 0.01, 0.05, 0.8, &p);
    ck_assert(p.to_promote == -1 && p.to_catch == -1);
    gate_power(ROLLOUT_ALL, 0.1, 1, 2, 0.01, 0.05, 0.8, &p);
    ck_assert(p.to_promote == -1 && p.to_catch == -1);
    gate_power(1, 1e-9, 1, 2, 0.01, 0.05, 0.8, &p);
    ck_assert(p.to_promote == -1);
    gate_power(5000, 0.01, 1, 1.0001, 0.01, 0.05, 0.8, &p);
    ck_assert(p.to_catch == -1 || p.to_catch > 1e9);
}
END_TEST

/* Scaling where shares are small and estimating where numbers are large leave no steps behind. */
START_TEST(power_falls_with_share_and_ratio)
{
    double before = INFINITY;

    for (int32_t share = 1; share <= 5000; share *= 3) {
        struct gate_power p;
        gate_power(share, 0.01, 1, 2, 0.01, 0.05, 0.8, &p);
        ck_assert_msg(p.to_catch > 0 && p.to_catch < before, "share %d: %g", share, p.to_catch);
        before = p.to_catch;
    }
    before = INFINITY;
    for (double ratio = 1.05; ratio < 10; ratio *= 1.2) {
        struct gate_power p;
        gate_power(5000, 0.01, 1, ratio, 0.01, 0.05, 0.8, &p);
        ck_assert_msg(p.to_catch > 0 && p.to_catch < before, "ratio %g: %g", ratio, p.to_catch);
        before = p.to_catch;
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, evidence_is_what_its_definition_says);
    tcase_add_test(tc, nothing_seen_is_no_evidence);
    tcase_add_test(tc, order_changes_no_bit);
    tcase_add_test(tc, shares_without_two_arms_and_too_many_are_refused);
    tcase_add_test(tc, evidence_does_not_grow_by_itself);
    tcase_add_test(tc, what_is_excluded_is_where_the_evidence_passes_its_bound);
    tcase_add_test(tc, a_wrong_split_shows_whatever_fails);
    tcase_add_test(tc, a_share_is_bounded_at_all_times_at_once);
    tcase_add_test(tc, a_small_next_step_needs_less_proof);
    tcase_add_test(tc, metrics_have_names);
    tcase_add_test(tc, power_agrees_with_the_simulated_calendar);
    tcase_add_test(tc, power_is_inverse_to_the_rate);
    tcase_add_test(tc, what_cannot_be_told_is_never_decided);
    tcase_add_test(tc, power_falls_with_share_and_ratio);
}

CHECK_MAIN("migrate/gate", add_tests)
