/* The calendar against the C library's, and every text form of a moment. */
#include "config.h"

#include "base/timestamp.h"

#include <string.h>
#include <time.h>

#include "tests/check_main.h"

static const struct parse_row {
    const char *text;
    int64_t us;
} good[] = {
    {"1970-01-01",                           0                          },
    { "0001-01-01",                          INT64_C(-62135596800000000)},
    { "9999-12-31T23:59:59.999999Z",         INT64_C(253402300799999999)},
    { "1969-12-31T23:59:59.999999Z",         -1                         },
    { "2000-02-29T00:00:00Z",                INT64_C(951782400000000)   },
    { "2024-02-29",                          INT64_C(1709164800000000)  },
    { "2100-03-01",                          INT64_C(4107542400000000)  },
    { "2026-10-01T12:00:00Z",                INT64_C(1790856000000000)  },
    { "2026-10-01t12:00:00z",                INT64_C(1790856000000000)  },
    { "2026-10-01 12:00:00",                 INT64_C(1790856000000000)  },
    { "2026-10-01T12:00",                    INT64_C(1790856000000000)  },
    { "2026-10-01T12:00Z",                   INT64_C(1790856000000000)  },
    { "2026-10-01 12:00:00 UTC",             INT64_C(1790856000000000)  },
    { "2026-10-01 12:00:00 +0000",           INT64_C(1790856000000000)  },
    { "2026-10-01T14:00:00+02:00",           INT64_C(1790856000000000)  },
    { "2026-10-01T14:00:00+02",              INT64_C(1790856000000000)  },
    { "2026-10-01T06:30:00-0530",            INT64_C(1790856000000000)  },
    { "2026-10-02T00:00:00+12:00",           INT64_C(1790856000000000)  },
    { "2026-10-01T12:00:00.1Z",              INT64_C(1790856000100000)  },
    { "2026-10-01T12:00:00,25Z",             INT64_C(1790856000250000)  },
    { "2026-10-01T12:00:00.000001+00:00",    INT64_C(1790856000000001)  },
    { "2023-11-16 18:17:03.9799600",         INT64_C(1700158623979960)  },
    { "2026-10-01T12:00:00.123456999999999", INT64_C(1790856000123456)  },
    { "2016-12-31T23:59:60Z",                INT64_C(1483228800000000)  },
 /* Unix time: each unit at its smallest and largest, and with fractions. */
    { "100000000",                           INT64_C(100000000000000)   },
    { "1700000000",                          INT64_C(1700000000000000)  },
    { "1700000000.5",                        INT64_C(1700000000500000)  },
    { "1700000000.1234567",                  INT64_C(1700000000123456)  },
    { "99999999999",                         INT64_C(99999999999000000) },
    { "100000000000",                        INT64_C(100000000000000)   },
    { "1700000000123",                       INT64_C(1700000000123000)  },
    { "1700000000123.4567",                  INT64_C(1700000000123456)  },
    { "99999999999999",                      INT64_C(99999999999999000) },
    { "100000000000000",                     INT64_C(100000000000000)   },
    { "1700000000123456",                    INT64_C(1700000000123456)  },
    { "1700000000123456.9",                  INT64_C(1700000000123456)  },
    { "1700000000123456789",                 INT64_C(1700000000123456)  },
    { "9223372036854775807",                 INT64_C(9223372036854775)  },
};

START_TEST(a_moment_is_read)
{
    int64_t us = 7;

    ck_assert_msg(timestamp_parse(str_from(good[_i].text), &us), "%s", good[_i].text);
    ck_assert_msg(us == good[_i].us, "%s: %lld", good[_i].text, (long long)us);
}
END_TEST

static const char *const bad[] = {
    "",
    " ",
    "-",
    "now",
    "2026",
    "20261001",
    "99999999",
    "-1700000000",
    "+1700000000",
    "1700000000.",
    "1700000000.x",
    "1.7e9",
    "9223372036854775808",
    "17000000000000000000000",
    "1700000000 ",
    "2026-1-1",
    "2026-10",
    "2026-10-",
    "2026-00-01",
    "2026-13-01",
    "2026-01-00",
    "2026-01-32",
    "2026-02-29",
    "2024-02-30",
    "1900-02-29",
    "2026-04-31",
    "0000-01-01",
    "02026-01-01",
    "2026-10-01T",
    "2026-10-01T12",
    "2026-10-01T12:",
    "2026-10-01T24:00:00Z",
    "2026-10-01T12:60:00Z",
    "2026-10-01T12:00:61Z",
    "2026-10-01T12:00:00.Z",
    "2026-10-01T12:00:00ZZ",
    "2026-10-01T12:00:00 ",
    "2026-10-01T12:00:00+",
    "2026-10-01T12:00:00+2",
    "2026-10-01T12:00:00+24:00",
    "2026-10-01T12:00:00+02:60",
    "2026-10-01T12:00:00+02:0",
    "2026-10-01T12:00:00 CET",
    "2026-10-01X12:00:00Z",
    "2026-10-01 12:00:00 Z ",
    "2026/10/01",
    " 2026-10-01",
    "2026-10-01\n",
    "2O26-10-01",
    "-026-10-01",
};

START_TEST(what_is_no_moment_is_refused)
{
    int64_t us = 7;

    ck_assert_msg(!timestamp_parse(str_from(bad[_i]), &us), "'%s'", bad[_i]);
    ck_assert_int_eq(us, 7);
    ck_assert(!timestamp_parse((struct str){ 0 }, &us));
}
END_TEST

/* Every text cut at every byte is read within its bounds (the sanitizers watch). */
START_TEST(a_moment_cut_at_any_byte_is_handled)
{
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        for (size_t len = 0; len <= strlen(good[i].text); len++) {
            char *copy = mem_calloc(1, len ? len : 1);
            int64_t us;
            memcpy(copy, good[i].text, len);
            timestamp_parse((struct str){ copy, len }, &us);
            timestamp_parse_http((struct str){ copy, len }, &us);
            duration_parse((struct str){ copy, len }, &us);
            free(copy);
        }
    }
}
END_TEST

static const struct parse_row http_good[] = {
    {"Fri, 31 Jan 2025 17:31:33 GMT",   INT64_C(1738344693000000)},
    { "Sun, 06 Nov 1994 08:49:37 GMT",  INT64_C(784111777000000) },
    { "sun, 06 nov 1994 08:49:37 gmt",  INT64_C(784111777000000) },
    { "Sunday, 06-Nov-94 08:49:37 GMT", INT64_C(784111777000000) },
    { "Sun Nov  6 08:49:37 1994",       INT64_C(784111777000000) },
    { "Fri Jan 31 17:31:33 2025",       INT64_C(1738344693000000)},
    { "Friday, 31-Jan-25 17:31:33 GMT", INT64_C(1738344693000000)},
    { "Thu, 29 Feb 2024 23:59:59 GMT",  INT64_C(1709251199000000)},
};

START_TEST(an_http_date_is_read_in_all_its_forms)
{
    int64_t us = 7;

    ck_assert_msg(timestamp_parse_http(str_from(http_good[_i].text), &us), "%s",
                  http_good[_i].text);
    ck_assert_int_eq(us, http_good[_i].us);
}
END_TEST

static const char *const http_bad[] = {
    "",
    "Fri",
    "Fri, 31 Jan 2025 17:31:33",
    "Fri, 31 Jan 2025 17:31:33 CET",
    "Fri, 32 Jan 2025 17:31:33 GMT",
    "Fri, 29 Feb 2025 17:31:33 GMT",
    "Fri, 31 Jam 2025 17:31:33 GMT",
    "Fry, 31 Jan 2025 17:31:33 GMT",
    "Fri, 31 Jan 2025 24:31:33 GMT",
    "Fri, 31 Jan 2025 17:31:33 GMT ",
    "Fri,31 Jan 2025 17:31:33 GMT",
    "31 Jan 2025 17:31:33 GMT",
    "Fri, 1 Jan 2025 17:31:33 GMT",
    "Fri Jan 31 17:31:33 25",
    "2025-01-31T17:31:33Z",
};

START_TEST(what_is_no_http_date_is_refused)
{
    int64_t us = 7;

    ck_assert_msg(!timestamp_parse_http(str_from(http_bad[_i]), &us), "'%s'", http_bad[_i]);
    ck_assert_int_eq(us, 7);
}
END_TEST

START_TEST(moments_are_written_in_full)
{
    static const struct parse_row rows[] = {
        {"1970-01-01T00:00:00Z",         0                          },
        { "1969-12-31T23:59:59.999999Z", -1                         },
        { "0001-01-01T00:00:00Z",        INT64_C(-62135596800000000)},
        { "9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
        { "2026-10-01T12:00:00.000100Z", INT64_C(1790856000000100)  },
    };
    char text[TIMESTAMP_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_str_eq(timestamp_format(rows[i].us, text), rows[i].text);
        ck_assert(str_starts_with(str_from(rows[i].text),
                                  str_from(timestamp_format_date(rows[i].us, text))));
        ck_assert_uint_eq(strlen(text), 10);
    }
    timestamp_format(INT64_MAX, text); /* past our years, but within the buffer */
    timestamp_format(INT64_MIN, text);
}
END_TEST

/* Every day from year 1 to 9999, at an odd moment. */
START_TEST(the_calendar_agrees_with_the_c_library_and_with_itself)
{
    for (int64_t day = -719162; day < 2932897 - 1; day++) {
        int64_t us = day * US_PER_DAY + INT64_C(45296789012);
        time_t second = (time_t)(day * 86400 + 45296);
        struct tm tm;
        struct civil c = civil_from_us(us);
        /* Not ck_assert: it takes longer than all the rest of this loop. */
        if (!gmtime_r(&second, &tm) || c.year != tm.tm_year + 1900 || c.month != tm.tm_mon + 1 ||
            c.day != tm.tm_mday || c.hour != 12 || c.minute != 34 || c.second != 56 ||
            c.microsecond != 789012 || civil_weekday(c) != (tm.tm_wday + 6) % 7 ||
            civil_to_us(c) != us)
            ck_abort_msg("day %lld", (long long)day);
    }
}
END_TEST

START_TEST(fields_past_their_range_carry_over)
{
    int64_t new_year = civil_to_us((struct civil){ .year = 2027, .month = 1, .day = 1 });

    ck_assert_int_eq(civil_to_us((struct civil){ .year = 2026, .month = 13, .day = 1 }), new_year);
    ck_assert_int_eq(civil_to_us((struct civil){ .year = 2026, .month = 12, .day = 32 }), new_year);
    ck_assert_int_eq(civil_to_us((struct civil){ .year = 2028, .month = -11, .day = 1 }), new_year);
    ck_assert_int_eq(civil_to_us((struct civil){ .year = 2027, .month = 2, .day = -30 }), new_year);
    ck_assert_int_eq(
        civil_to_us((struct civil){ .year = 2026, .month = 12, .day = 31, .hour = 24 }), new_year);
}
END_TEST

static const struct parse_row durations[] = {
    {"0s",     0                     },
    { "7us",   7                     },
    { "500ms", 500000                },
    { "30s",   30 * US_PER_SECOND    },
    { "15m",   900 * US_PER_SECOND   },
    { "36h",   129600 * US_PER_SECOND},
    { "90d",   90 * US_PER_DAY       },
    { "2w",    14 * US_PER_DAY       },
};

START_TEST(durations_are_read)
{
    int64_t us = 7;

    ck_assert(duration_parse(str_from(durations[_i].text), &us));
    ck_assert_int_eq(us, durations[_i].us);
}
END_TEST

START_TEST(what_is_no_duration_is_refused)
{
    static const char *const rows[] = { "",    "5",   "s",     "-5s",  "1.5h",         "5 s",
                                        "5S",  "5ss", "5 min", "5min", "99999999999w", "1h30m",
                                        "+5s", " 5s", "5s ",   "5y" };
    int64_t us = 7;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(!duration_parse(str_from(rows[i]), &us), "'%s'", rows[i]);
    ck_assert_int_eq(us, 7);
}
END_TEST

START_TEST(the_clocks_run)
{
    int64_t wall = clock_now_us(), steady = clock_monotonic_us();

    ck_assert_int_gt(wall, INT64_C(1700000000000000));
    ck_assert_int_gt(steady, 0);
    ck_assert_int_ge(clock_monotonic_us(), steady);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_moment_is_read, 0, ARRAY_LEN(good));
    tcase_add_loop_test(tc, what_is_no_moment_is_refused, 0, ARRAY_LEN(bad));
    tcase_add_test(tc, a_moment_cut_at_any_byte_is_handled);
    tcase_add_loop_test(tc, an_http_date_is_read_in_all_its_forms, 0, ARRAY_LEN(http_good));
    tcase_add_loop_test(tc, what_is_no_http_date_is_refused, 0, ARRAY_LEN(http_bad));
    tcase_add_test(tc, moments_are_written_in_full);
    tcase_add_test(tc, the_calendar_agrees_with_the_c_library_and_with_itself);
    tcase_add_test(tc, fields_past_their_range_carry_over);
    tcase_add_loop_test(tc, durations_are_read, 0, ARRAY_LEN(durations));
    tcase_add_test(tc, what_is_no_duration_is_refused);
    tcase_add_test(tc, the_clocks_run);
}
CHECK_MAIN("base/timestamp", add_tests)
