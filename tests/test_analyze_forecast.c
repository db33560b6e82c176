/* Forecasts of made-up companies: exact where nothing is random, and as often right as they claim
 * where something is. */
#include "config.h"

#include "analyze/forecast.h"

#include <math.h>
#include <stdio.h>

#include "analyze/season.h"
#include "base/mem.h"
#include "llm/price.h"
#include "tests/check_main.h"

#define HISTORY   70
#define MONTH     30
#define FIRST_DAY INT64_C(20000)

static const int weekday_usd[7] = { 100, 110, 120, 110, 90, 20, 10 };
static i128 days[HISTORY + MONTH];
static uint64_t seed;

static double normal(void)
{
    double sum = -6;

    for (int i = 0; i < 12; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        sum += (double)(seed >> 11) / 9007199254740992.0;
    }
    return sum;
}

static void make_days(double growth, double noise)
{
    for (int i = 0; i < HISTORY + MONTH; i++) {
        double usd = weekday_usd[season_weekday(FIRST_DAY + i)] * exp(growth * i);
        days[i] = (i128)(usd * exp(noise * normal()) * 1e12);
    }
}

static struct forecast_input seen(size_t known)
{
    return (struct forecast_input){ .days = days,
                                    .count = HISTORY + known,
                                    .first_day = FIRST_DAY,
                                    .from_day = FIRST_DAY + HISTORY,
                                    .to_day = FIRST_DAY + HISTORY + MONTH };
}

static i128 truth(void)
{
    i128 sum = 0;

    for (int i = HISTORY; i < HISTORY + MONTH; i++)
        sum += days[i];
    return sum;
}

static double off_by(i128 got, i128 want)
{
    return fabs((double)(got - want) / (double)want);
}

START_TEST(a_steady_week_is_foretold_to_the_last_digit)
{
    struct forecast f;

    make_days(0, 0);
    for (size_t known = 0; known <= MONTH; known++) {
        struct forecast_input in = seen(known);
        forecast_run(&in, &f);
        ck_assert(f.has_expected);
        ck_assert_int_eq(f.days_known, (int)known);
        ck_assert_int_eq(f.days_left, MONTH - (int)known);
        ck_assert_double_lt(off_by(f.expected_pusd, truth()), 1e-9);
        ck_assert(f.low_pusd <= f.expected_pusd && f.expected_pusd <= f.high_pusd);
    }
    ck_assert(f.actual_pusd == truth() && f.expected_pusd == truth());
}
END_TEST

START_TEST(growth_goes_on)
{
    struct forecast_input in = seen(5);
    struct forecast f;

    make_days(0.01, 0);
    forecast_run(&in, &f);
    ck_assert_double_eq_tol(f.growth, 0.01, 1e-4);
    ck_assert_double_lt(off_by(f.expected_pusd, truth()), 0.002);
    ck_assert_double_gt(off_by(f.naive_pusd, truth()), 0.05);
}
END_TEST

START_TEST(the_interval_holds_as_often_as_it_says)
{
    int held = 0, runs = 400;
    double worst = 0;

    seed = 20261122;
    printf("forecast: seed %llu\n", (unsigned long long)seed);
    for (int run = 0; run < runs; run++) {
        struct forecast f;
        make_days(0.001, 0.15);
        struct forecast_input in = seen(20);
        forecast_run(&in, &f);
        held += f.low_pusd <= truth() && truth() <= f.high_pusd;
        double off = off_by(f.expected_pusd, truth());
        worst = off > worst ? off : worst;
    }
    printf("forecast: %d of %d intervals hold, worst error %.1f %%\n", held, runs, 100 * worst);
    ck_assert_int_ge(held, runs * 68 / 100);
    ck_assert_int_le(held, runs * 92 / 100);
    ck_assert_double_lt(worst, 0.12);
}
END_TEST

START_TEST(days_that_do_not_count_do_not_mislead)
{
    uint8_t skip[HISTORY + MONTH] = { 0 };
    struct forecast_input in = seen(0);
    struct forecast f;

    make_days(0, 0);
    for (int i = HISTORY - 20; i < HISTORY; i += 2) {
        skip[i] = 1;
        days[i] = 0;
    }
    days[HISTORY - 1] = 0; /* and one that nobody marked */
    in.skip = skip;
    forecast_run(&in, &f);
    ck_assert_double_lt(off_by(f.expected_pusd, truth()), 0.02);
}
END_TEST

START_TEST(what_today_has_cost_is_not_forgotten)
{
    struct forecast_input in = seen(10);
    struct forecast without, with;

    make_days(0, 0);
    forecast_run(&in, &without);
    in.today_pusd = PUSD_PER_USD; /* less than is usual */
    forecast_run(&in, &with);
    ck_assert(with.expected_pusd == without.expected_pusd);
    ck_assert(with.actual_pusd == without.actual_pusd + PUSD_PER_USD);
    in.today_pusd = 5000 * (i128)PUSD_PER_USD;
    forecast_run(&in, &with);
    ck_assert(with.expected_pusd >= without.expected_pusd + 4800 * (i128)PUSD_PER_USD);
    ck_assert(with.low_pusd >= with.actual_pusd);
}
END_TEST

START_TEST(too_few_days_are_no_season)
{
    struct forecast f;

    make_days(0, 0);
    struct forecast_input in = { .days = days,
                                 .count = SEASON_MIN_DAYS - 1,
                                 .first_day = FIRST_DAY,
                                 .from_day = FIRST_DAY,
                                 .to_day = FIRST_DAY + MONTH };
    forecast_run(&in, &f);
    ck_assert(!f.has_expected && f.has_naive);
    ck_assert(f.naive_pusd > f.actual_pusd);
    in.count = 0;
    forecast_run(&in, &f);
    ck_assert(!f.has_expected && !f.has_naive && f.actual_pusd == 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_steady_week_is_foretold_to_the_last_digit);
    tcase_add_test(tc, growth_goes_on);
    tcase_add_test(tc, the_interval_holds_as_often_as_it_says);
    tcase_add_test(tc, days_that_do_not_count_do_not_mislead);
    tcase_add_test(tc, what_today_has_cost_is_not_forgotten);
    tcase_add_test(tc, too_few_days_are_no_season);
}
CHECK_MAIN("analyze/forecast", add_tests)
