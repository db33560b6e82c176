/* Assertions as people write them. */
#include "config.h"

#include "replay/slo.h"

#include <string.h>

#include "tests/check_main.h"

static const struct {
    const char *text;
    enum slo_metric metric;
    double quantile;
    int64_t bound;
    const char *app;
    int64_t holds_at, fails_at;
} good[] = {
    ROW("success >= 99.5%", SLO_SUCCESS, 0, 995000, "", 995000, 994999),
    ROW("success>0.99", SLO_SUCCESS, 0, 990000, "", 990001, 990000),
    ROW("p95 added <= 2s", SLO_ADDED, 0.95, 2000000, "", 2000000, 2000001),
    ROW("  p99.9 first < 500ms ", SLO_FIRST, 0.999, 500000, "", 499999, 500000),
    ROW("p50 total <= 1m", SLO_TOTAL, 0.5, 60000000, "", 0, 60000001),
    ROW("app cx bot: attempts <= 1.2", SLO_ATTEMPTS, 0, 1200000, "cx bot", 1200000, 1200001),
    ROW("app cx:denied <= 0%", SLO_DENIED, 0, 0, "cx", 0, 1),
    ROW("failover <= 2s", SLO_FAILOVER, 0, 2000000, "", 1, INT64_MAX),
    ROW("left <= 1%", SLO_LEFT, 0, 10000, "", 10000, 10001),
    ROW("cost <= 12.5 USD", SLO_COST, 0, 12500000000000, "", 12500000000000, 12500000000001),
};

START_TEST(an_assertion_is_read_and_judged)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct err err = { 0 };
    struct slo s;

    ck_assert_msg(slo_parse(str_from(good[_i].text), &arena, &s, &err) == 0, "%s", err.text);
    ck_assert_int_eq(s.metric, good[_i].metric);
    ck_assert_double_eq_tol(s.quantile, good[_i].quantile, 1e-9);
    ck_assert(s.bound == good[_i].bound);
    ck_assert(str_eq(s.app, str_from(good[_i].app)));
    ck_assert(slo_holds(&s, good[_i].holds_at));
    ck_assert(!slo_holds(&s, good[_i].fails_at));
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    {"",                     "none of >="             },
    { "success",             "none of >="             },
    { "success >= many",     "no such value"          },
    { "success >= -1%",      "no such value"          },
    { "luck >= 1",           "no such metric"         },
    { "added <= 2s",         "say of which percentile"},
    { "p95 success >= 1%",   "it has no percentiles"  },
    { "p0 added <= 2s",      "no such metric"         },
    { "p101 added <= 2s",    "no such metric"         },
    { "p95 added <= 2",      "no such value"          },
    { "app cx success >= 1", "no colon"               },
    { "success >= 99",       "no share is above 100 %"},
    { "denied < 100.1%",     "no share is above 100 %"},
};

START_TEST(what_is_no_assertion_says_what_one_is)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct err err = { 0 };
    struct slo s;

    ck_assert_int_eq(slo_parse(str_from(bad[_i].text), &arena, &s, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_msg(strstr(err.text, bad[_i].says) != NULL, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(err.text, "p95 added <= 2s"));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, an_assertion_is_read_and_judged, 0, ARRAY_LEN(good));
    tcase_add_loop_test(tc, what_is_no_assertion_says_what_one_is, 0, ARRAY_LEN(bad));
}

CHECK_MAIN("replay/slo", add_tests)
