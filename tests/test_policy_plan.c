#include "config.h"

#include "policy/plan.h"

#include "base/timestamp.h"
#include "tests/check_main.h"

#define VALUE(us)                                                                                  \
    {                                                                                              \
        .n = (us), .set = true                                                                     \
    }

/* clang-format off */
static const struct {
    const char *what;
    struct plan_backoff backoff;
    int64_t longest_ms[5];
} backoffs[] = {
    {"none at all",                                       { .base = VALUE(0) },      { 0, 0, 0, 0, 0 }          },
    { "doubles without end",
     { .base = VALUE(1000000), .factor_percent = 200 },
     { 1000, 2000, 4000, 8000, 16000 }                                                                          },
    { "stays",                                            { .base = VALUE(250000) }, { 250, 250, 250, 250, 250 }},
    { "is capped before jitter, and jitter comes on top",
     { .base = VALUE(500000),
        .cap = VALUE(8000000),
        .factor_percent = 200,
        .jitter_us = 750000,
        .first_twice = true },
     { 1250, 1250, 1750, 2750, 4750 }                                                                           },
    { "is capped behind jitter as well",
     { .base = VALUE(500000),
        .cap = VALUE(5000000),
        .factor_percent = 200,
        .spread_percent = 20,
        .cap_is_last = true },
     { 600, 1200, 2400, 4800, 5000 }                                                                            },
    { "as much again",
     { .base = VALUE(1000000),
        .cap = VALUE(3000000),
        .factor_percent = 200,
        .jitter_percent = 100 },
     { 2000, 4000, 6000, 6000, 6000 }                                                                           },
};
/* clang-format on */

START_TEST(the_longest_wait_follows_the_formula)
{
    for (int64_t n = 0; n < 5; n++)
        ck_assert_msg(plan_backoff_longest(&backoffs[_i].backoff, n) ==
                          backoffs[_i].longest_ms[n] * 1000,
                      "%s: repetition %d", backoffs[_i].what, (int)n);
}
END_TEST

START_TEST(a_wait_that_doubles_a_thousand_times_is_forever_and_not_less)
{
    struct plan_backoff b = {
        .base = {.n = 1, .set = true},
          .factor_percent = 200
    };

    ck_assert(plan_backoff_longest(&b, 1000) == PLAN_FOREVER);
    ck_assert(plan_add_us(PLAN_FOREVER, 1) == PLAN_FOREVER);
    ck_assert(plan_times_us(PLAN_FOREVER / 2, 3) == PLAN_FOREVER);
    ck_assert(plan_times_us(7, 3) == 21);
}
END_TEST

START_TEST(a_set_of_failures_has_what_was_put_in_and_nothing_else)
{
    struct plan_when w = { 0 };

    plan_when_add_status(&w, 429);
    plan_when_add_statuses(&w, 500, 503);
    plan_when_add_kinds(&w, PLAN_KIND(CONNECT));
    for (int status = 100; status < PLAN_STATUS_MAX; status++)
        ck_assert(plan_when_has(&w, PLAN_FAILED_STATUS, status) ==
                  (status == 429 || (status >= 500 && status <= 503)));
    ck_assert(plan_when_has(&w, PLAN_FAILED_CONNECT, 0));
    ck_assert(!plan_when_has(&w, PLAN_FAILED_HEAD, 0));
    ck_assert(plan_when_has(&w, PLAN_FAILED_HEAD, 503));
    ck_assert(!plan_when_has(&w, PLAN_FAILED_HEAD, 1000000));
    w.never = PLAN_KIND(HEAD);
    ck_assert(!plan_when_has(&w, PLAN_FAILED_HEAD, 503));
}
END_TEST

START_TEST(a_plan_of_too_many_nodes_is_refused)
{
    CLEANUP(plan_free) struct plan *p = plan_new("test");
    struct plan_place at = { .file = STR("f.yaml"), .line = 3, .column = 5 };
    struct err err;

    for (int i = 0; i < PLAN_NODES_MAX; i++)
        ck_assert(plan_node_new(p, PLAN_TARGET, STR("t"), at, &err));
    ck_assert_ptr_null(plan_node_new(p, PLAN_TARGET, STR("t"), at, &err));
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "f.yaml:3:5: "));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, the_longest_wait_follows_the_formula, 0, (int)ARRAY_LEN(backoffs));
    tcase_add_test(tc, a_wait_that_doubles_a_thousand_times_is_forever_and_not_less);
    tcase_add_test(tc, a_set_of_failures_has_what_was_put_in_and_nothing_else);
    tcase_add_test(tc, a_plan_of_too_many_nodes_is_refused);
}

CHECK_MAIN("policy/plan", add_tests)
