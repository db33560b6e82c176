#include "config.h"

#include "replay/caller.h"

#include "base/timestamp.h"
#include "tests/check_main.h"

#define SECONDS(n) ((n)*US_PER_SECOND)

/* anthropic-sdk-python _base_client.py, 009b0353: what is tried again, and after how long. */
static const struct {
    const char *what;
    struct steer_end end;
    unsigned n;
    int64_t least, most; /* -1 = it gives up */
} rows[] = {
    {"well",              { .status = 200, .retry_after_us = -1 },                      0, -1,          -1    },
    { "refused",          { .failed = true, .retry_after_us = -1 },                     0, 375000,      500000},
    { "500",              { .failed = true, .status = 500, .retry_after_us = -1 },      0, 375000,      500000},
    { "500 once more",
     { .failed = true, .status = 500, .retry_after_us = -1 },
     1,                                                                                    750000,
     SECONDS(1)                                                                                               },
    { "500 a third time", { .failed = true, .status = 500, .retry_after_us = -1 },      2, -1,          -1    },
    { "400",              { .failed = true, .status = 400, .retry_after_us = -1 },      0, -1,          -1    },
    { "408",              { .failed = true, .status = 408, .retry_after_us = -1 },      0, 375000,      500000},
    { "409",              { .failed = true, .status = 409, .retry_after_us = -1 },      0, 375000,      500000},
    { "429 with 7 s",
     { .failed = true, .status = 429, .retry_after_us = SECONDS(7) },
     0,                                                                                    SECONDS(7),
     SECONDS(7)                                                                                               },
    { "429 with 60 s",
     { .failed = true, .status = 429, .retry_after_us = SECONDS(60) },
     1,                                                                                    SECONDS(60),
     SECONDS(60)                                                                                              },
    { "429 with an hour",
     { .failed = true, .status = 429, .retry_after_us = SECONDS(3600) },
     0,                                                                                    375000,
     500000                                                                                                   },
    { "429 with nothing",
     { .failed = true, .status = 429, .retry_after_us = 0 },
     0,                                                                                    375000,
     500000                                                                                                   },
    { "should not",
     { .failed = true, .status = 500, .should_retry_set = true, .retry_after_us = -1 },
     0,                                                                                    -1,
     -1                                                                                                       },
    { "should",
     { .failed = true,
        .status = 400,
        .should_retry_set = true,
        .should_retry = true,
        .retry_after_us = -1 },
     0,                                                                                    375000,
     500000                                                                                                   },
    { "behind the head",
     { .failed = true, .status = 200, .answer_began = true, .retry_after_us = -1 },
     0,                                                                                    -1,
     -1                                                                                                       },
};

START_TEST(an_sdk_tries_again_as_it_says)
{
    const struct caller *c = caller_find(STR("anthropic"));

    for (uint64_t seed = 0; seed < 1000; seed++) {
        int64_t wait = caller_wait_us(c, rows[_i].n, &rows[_i].end, seed);
        ck_assert_msg(wait >= rows[_i].least && wait <= rows[_i].most, "%s: %lld", rows[_i].what,
                      (long long)wait);
        ck_assert_int_eq(wait, caller_wait_us(c, rows[_i].n, &rows[_i].end, seed));
    }
}
END_TEST

START_TEST(who_does_not_retry_gives_up)
{
    struct steer_end end = { .failed = true, .status = 503, .retry_after_us = -1 };

    ck_assert_int_eq(caller_wait_us(caller_find(STR("none")), 0, &end, 1), -1);
    ck_assert_ptr_null(caller_find(STR("nobody")));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, an_sdk_tries_again_as_it_says, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, who_does_not_retry_gives_up);
}
CHECK_MAIN("replay/caller", add_tests)
