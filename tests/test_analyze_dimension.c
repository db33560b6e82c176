/* Grouping values: buckets across time zones, calendar edges, and columns of every type. */
#include "config.h"

#include "analyze/dimension.h"

#include <stdio.h>
#include <string.h>

#include "tests/check_main.h"

static const struct bucket_row {
    const char *dimension, *tz, *time, *value;
} buckets[] = {
    {"hour",   "UTC",              "2026-10-01T12:59:59.999999Z", "2026-10-01T12:00Z"     },
    { "hour",  "+05:30",           "2026-10-01T12:15:00Z",        "2026-10-01T17:00+05:30"},
    { "hour",  "Europe/Berlin",    "2026-10-25T00:30:00Z",        "2026-10-25T02:00+02:00"},
    { "hour",  "Europe/Berlin",    "2026-10-25T01:30:00Z",        "2026-10-25T02:00+01:00"},
    { "hour",  "America/New_York", "2026-01-01T00:00:00Z",        "2025-12-31T19:00-05:00"},
    { "day",   "UTC",              "2024-02-29T23:59:59Z",        "2024-02-29"            },
    { "day",   "America/New_York", "2026-11-01T03:00:00Z",        "2026-10-31"            },
    { "day",   "UTC",              "1969-12-31T23:59:59Z",        "1969-12-31"            },
    { "week",  "UTC",              "2026-01-01T00:00:00Z",        "2026-W01"              },
    { "week",  "UTC",              "2027-01-01T00:00:00Z",        "2026-W53"              },
    { "week",  "UTC",              "2024-12-30T00:00:00Z",        "2025-W01"              },
    { "week",  "UTC",              "2024-12-29T23:59:59Z",        "2024-W52"              },
    { "week",  "UTC",              "1969-12-28T12:00:00Z",        "1969-W52"              },
    { "month", "UTC",              "2026-12-31T23:59:59Z",        "2026-12"               },
    { "month", "Europe/Berlin",    "2026-12-31T23:00:00Z",        "2027-01"               },
    { "year",  "UTC",              "2026-12-31T23:59:59Z",        "2026"                  },
};

START_TEST(a_time_falls_into_its_bucket)
{
    const struct bucket_row *row = &buckets[_i];
    CLEANUP(dimension_free) struct dimension *d = NULL;
    CLEANUP(tz_close) struct tz *tz = NULL;
    struct block b = { .rows = 1 };
    struct err err;
    int64_t us;

    if (tz_open(str_from(row->tz), &tz, &err) < 0) {
        printf("skipped: no time zone database: %s\n", err.text);
        return;
    }
    ck_assert(timestamp_parse(str_from(row->time), &us));
    b.columns[LEDGER_STARTED_AT] = (struct block_column){ .ints = &us };
    ck_assert_int_eq(dimension_new(str_from(row->dimension), tz, &d, &err), 0);
    ck_assert(dimension_is_bucket(d));
    dimension_prepare(d, &b);
    struct str value = dimension_value(d, dimension_code(d, &b, 0));
    ck_assert_msg(str_eq(value, str_from(row->value)), "%s in %s: got %.*s", row->time, row->tz,
                  STR_ARG(value));
}
END_TEST

START_TEST(codes_stand_for_values_across_blocks)
{
    static const struct str first[] = { STR_INIT("a"), STR_INIT("b") };
    static const struct str second[] = { STR_INIT("b"), STR_INIT(""), STR_INIT("a") };
    static const uint32_t first_codes[] = { 0, 1 };
    static const uint32_t second_codes[] = { 0, 1, 2, 2 };
    static const uint8_t nulls[] = { 0, 0, 0, 1 };
    CLEANUP(dimension_free) struct dimension *d = NULL;
    struct block one = { .rows = 2 }, two = { .rows = 4 };
    struct err err;

    one.columns[LEDGER_TEAM] =
        (struct block_column){ .codes = first_codes, .dict = first, .dict_len = 2 };
    two.columns[LEDGER_TEAM] = (struct block_column){
        .codes = second_codes, .dict = second, .dict_len = 3, .is_null = nulls
    };
    ck_assert_int_eq(dimension_new(STR("team"), NULL, &d, &err), 0);
    dimension_prepare(d, &one);
    uint32_t a = dimension_code(d, &one, 0), bb = dimension_code(d, &one, 1);
    ck_assert_uint_ne(a, bb);
    dimension_prepare(d, &two);
    ck_assert_uint_eq(dimension_code(d, &two, 0), bb);
    ck_assert_uint_eq(dimension_code(d, &two, 1), 0);
    ck_assert_uint_eq(dimension_code(d, &two, 2), a);
    ck_assert_uint_eq(dimension_code(d, &two, 3), 0);
    ck_assert_uint_eq(dimension_value(d, 0).len, 0);
}
END_TEST

START_TEST(numbers_and_truths_group_by_their_text)
{
    static const int64_t statuses[] = { 200, 200, 429, 0 };
    static const int64_t streams[] = { 1, 0, 0, 1 };
    static const char *const want_status[] = { "200", "200", "429", "0" };
    static const char *const want_stream[] = { "true", "false", "false", "true" };
    CLEANUP(dimension_free) struct dimension *status = NULL;
    CLEANUP(dimension_free) struct dimension *stream = NULL;
    struct block b = { .rows = 4 };
    struct err err;

    b.columns[LEDGER_STATUS] = (struct block_column){ .ints = statuses };
    b.columns[LEDGER_STREAM] = (struct block_column){ .ints = streams };
    ck_assert_int_eq(dimension_new(STR("status"), NULL, &status, &err), 0);
    ck_assert_int_eq(dimension_new(STR("stream"), NULL, &stream, &err), 0);
    for (size_t row = 0; row < b.rows; row++) {
        struct str s = dimension_value(status, dimension_code(status, &b, row));
        struct str t = dimension_value(stream, dimension_code(stream, &b, row));
        ck_assert(str_eq(s, str_from(want_status[row])));
        ck_assert(str_eq(t, str_from(want_stream[row])));
    }
}
END_TEST

START_TEST(an_unknown_dimension_is_refused)
{
    static const char *const bad[] = { "", "teams", "started_at", "input_tokens", "TEAM" };
    struct dimension *d = NULL;
    struct err err;

    ck_assert_int_eq(dimension_new(str_from(bad[_i]), NULL, &d, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_ptr_null(d);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_time_falls_into_its_bucket, 0, ARRAY_LEN(buckets));
    tcase_add_test(tc, codes_stand_for_values_across_blocks);
    tcase_add_test(tc, numbers_and_truths_group_by_their_text);
    tcase_add_loop_test(tc, an_unknown_dimension_is_refused, 0, 5);
}
CHECK_MAIN("analyze/dimension", add_tests)
