/* The filter language, over a block built by hand: every operator, and every mistake with its
 * caret. */
#include "config.h"

#include "analyze/where.h"

#include <stdio.h>
#include <string.h>

#include "analyze/period.h"
#include "tests/check_main.h"

enum {
    ROWS = 4,
};

static const struct str teams[] = { STR_INIT("cx"), STR_INIT("research"), STR_INIT("") };
static const struct str models[] = { STR_INIT("gpt-4o"), STR_INIT("gpt-4o-mini"),
                                     STR_INIT("claude-x") };
static const struct str providers[] = { STR_INIT("openai"), STR_INIT("aws.bedrock") };
static const uint32_t team_codes[ROWS] = { 0, 1, 2, 0 };
static const uint8_t team_null[ROWS] = { 0, 0, 0, 1 };
static const uint32_t model_codes[ROWS] = { 0, 1, 2, 2 };
static const uint32_t provider_codes[ROWS] = { 0, 0, 1, 1 };
static const int64_t statuses[ROWS] = { 200, 429, 500, 200 };
static const int64_t outputs[ROWS] = { 7, 0, 0, 12 };
static const uint8_t output_null[ROWS] = { 0, 0, 1, 0 };
static const int64_t streams[ROWS] = { 1, 0, 1, 0 };
static const int64_t costs[ROWS] = { 1500000000000, 0, 250000000000, 0 };
/* 2026-09-30T23:30Z, 2026-10-01T00:00Z, 2026-10-31T23:59:59Z, 2026-11-01T00:00Z */
static const int64_t times[ROWS] = { 1790811000000000, 1790812800000000, 1793491199000000,
                                     1793491200000000 };

static struct block the_block(void)
{
    struct block b = { .rows = ROWS };

    b.columns[LEDGER_TEAM] = (struct block_column){
        .codes = team_codes, .dict = teams, .dict_len = 3, .is_null = team_null
    };
    b.columns[LEDGER_MODEL] =
        (struct block_column){ .codes = model_codes, .dict = models, .dict_len = 3 };
    b.columns[LEDGER_PROVIDER] =
        (struct block_column){ .codes = provider_codes, .dict = providers, .dict_len = 2 };
    b.columns[LEDGER_STATUS] = (struct block_column){ .ints = statuses };
    b.columns[LEDGER_USAGE + USAGE_OUTPUT] =
        (struct block_column){ .ints = outputs, .is_null = output_null };
    b.columns[LEDGER_STREAM] = (struct block_column){ .ints = streams };
    b.columns[LEDGER_REPORTED_COST] = (struct block_column){ .ints = costs };
    b.columns[LEDGER_STARTED_AT] = (struct block_column){ .ints = times };
    b.columns[LEDGER_PURPOSE] = (struct block_column){ .absent = true };
    return b;
}

/* Which rows pass, as a string of 0 and 1. */
static const struct row {
    const char *text, *passes;
} rows[] = {
    {"team = 'cx'",                                               "1000"},
    { "team != 'cx'",                                             "0111"},
    { "team = ''",                                                "0011"},
    { "team is null",                                             "0011"},
    { "team is not null",                                         "1100"},
    { "TEAM = \"cx\" OR Status = 500",                            "1010"},
    { "team = 'c''x'",                                            "0000"},
    { "model ~ 'gpt-*'",                                          "1100"},
    { "model !~ 'gpt-*'",                                         "0011"},
    { "model ~ '*-?ini'",                                         "0100"},
    { "model in ('gpt-4o', 'claude-x')",                          "1011"},
    { "model not in ('gpt-4o', 'claude-x')",                      "0100"},
    { "model > 'd'",                                              "1100"},
    { "provider = 'bedrock'",                                     "0011"},
    { "provider in ('bedrock', 'openai')",                        "1111"},
    { "status >= 400",                                            "0110"},
    { "status in (200, 500)",                                     "1011"},
    { "status < 500 and status > 200",                            "0100"},
    { "not status = 200",                                         "0110"},
    { "not (status = 200 or team = 'research')",                  "0010"},
    { "status = 200 and team = 'cx' or status = 500",             "1010"},
    { "status = 500 or status = 200 and team = 'cx'",             "1010"},
    { "output_tokens = 0",                                        "0100"},
    { "output_tokens is null",                                    "0010"},
    { "output_tokens != 7",                                       "0101"},
    { "stream",                                                   "1010"},
    { "not stream",                                               "0101"},
    { "stream = true and (stream)",                               "1010"},
    { "stream = false",                                           "0101"},
    { "reported_cost_usd >= 0.25",                                "1010"},
    { "reported_cost_usd = 1.5",                                  "1000"},
    { "started_at in '2026-10'",                                  "0110"},
    { "started_at not in '2026-10'",                              "1001"},
    { "started_at in '2026'",                                     "1111"},
    { "started_at in '2026-10-31'",                               "0010"},
    { "started_at >= '2026-10-01' and started_at < '2026-10-31'", "0100"},
    { "started_at = '2026-11-01T00:00:00Z'",                      "0001"},
    { "purpose = ''",                                             "1111"},
    { "purpose = 'x'",                                            "0000"},
    { "status = -1",                                              "0000"},
};

START_TEST(a_filter_lets_pass_what_it_says)
{
    CLEANUP(where_free) struct where *w = NULL;
    struct block b = the_block();
    struct scan_columns columns = { 0 };
    struct err err;
    char passes[ROWS + 1] = { 0 };

    ck_assert_msg(where_parse(str_from(rows[_i].text), NULL, &w, &err) == 0, "%s: %s",
                  rows[_i].text, err.text);
    where_columns(w, &columns);
    where_prepare(w, &b);
    for (size_t i = 0; i < ROWS; i++)
        passes[i] = where_row(w, &b, i) ? '1' : '0';
    ck_assert_msg(strcmp(passes, rows[_i].passes) == 0, "%s: got %s, want %s", rows[_i].text,
                  passes, rows[_i].passes);
}
END_TEST

static const struct bad {
    const char *text, *message;
} bad[] = {
    {"tem = 'x'",
     "unknown field 'tem' (did you mean 'team'? weir-ledger(5) lists the fields) at column 1\n"
      "  tem = 'x'\n  ^"                                                                                       },
    { "wholly_unlike = 'x'",
     "unknown field 'wholly_unlike' (weir-ledger(5) lists the fields) at column 1\n"
      "  wholly_unlike = 'x'\n  ^"                                                                             },
    { "started_at in 2026-10",
     "expected a period in quotes, such as '2026-10', or '(' after in at column 15\n"
      "  started_at in 2026-10\n                ^"                                                             },
    { "team = x",                "expected text in quotes, such as 'support-bot' at column 8\n"
                  "  team = x\n         ^"                                                    },
    { "team = 'x",               "text without its closing quote at column 8\n  team = 'x\n         ^"         },
    { "status = 'x'",            "expected a whole number at column 10\n"
                      "  status = 'x'\n           ^"                                      },
    { "status = 1.5",            "expected a whole number at column 10\n"
                      "  status = 1.5\n           ^"                                      },
    { "status ~ 'x'",            "patterns apply to text fields only at column 8\n"
                      "  status ~ 'x'\n         ^"                                        },
    { "status",                  "expected a comparison (= != < <= > >= ~ !~ in, is null) at column 7\n"
                "  status\n        ^"                                                           },
    { "(status = 1",             "expected ')' at column 12\n  (status = 1\n             ^"                    },
    { "status = 1 status",       "expected and, or, or the end at column 12\n"
                           "  status = 1 status\n             ^"                     },
    { "team in 'x'",             "expected '(' after in at column 9\n  team in 'x'\n          ^"               },
    { "team in ('x'",            "expected ',' or ')' at column 13\n  team in ('x'\n              ^"           },
    { "started_at in 'x'",       "expected a period such as '2026-10' at column 15\n"
                           "  started_at in 'x'\n                ^"                  },
    { "started_at in '2026-13'", "expected a period such as '2026-10' at column 15\n"
                                 "  started_at in '2026-13'\n                ^"},
    { "status = $",              "unexpected character at column 10\n  status = $\n           ^"               },
    { "",                        "expected the name of a field at column 1\n  \n  ^"                           },
    { "team not = 'x'",          "expected in at column 10\n  team not = 'x'\n           ^"                    },
};

START_TEST(a_mistake_is_shown_with_a_caret)
{
    struct where *w = NULL;
    struct err err;

    ck_assert_int_eq(where_parse(str_from(bad[_i].text), NULL, &w, &err), -1);
    ck_assert_ptr_null(w);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_str_eq(err.text, bad[_i].message);
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    CLEANUP(buf_release) struct buf deep = { 0 };
    struct where *w = NULL;
    struct err err;

    for (int i = 0; i < 10000; i++)
        buf_add_byte(&deep, '(');
    ck_assert_int_eq(where_parse(buf_str(&deep), NULL, &w, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "nested too deeply"));
}
END_TEST

START_TEST(a_long_expression_is_shown_around_the_mistake)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct where *w = NULL;
    struct err err;

    for (int i = 0; i < 100; i++)
        buf_add_text(&text, "status = 200 or ");
    buf_add_text(&text, "tem = 'x'");
    ck_assert_int_eq(where_parse(buf_str(&text), NULL, &w, &err), -1);
    const char *caret = strrchr(err.text, '\n');
    const char *shown = strstr(err.text, "\n  ") + 3;
    ck_assert_ptr_nonnull(strstr(err.text, "at column 1601"));
    ck_assert_int_eq(strncmp(shown + strlen(caret) - 4, "tem", 3), 0);
}
END_TEST

START_TEST(a_period_follows_the_time_zone)
{
    CLEANUP(tz_close) struct tz *tz = NULL;
    struct err err;
    int64_t from, to;

    if (tz_open(STR("Europe/Berlin"), &tz, &err) < 0) {
        printf("skipped: no time zone database: %s\n", err.text);
        return;
    }
    ck_assert(period_parse(STR("2026-10"), tz, &from, &to));
    /* 2026-10-01T00:00+02:00 to 2026-11-01T00:00+01:00: the month with the 25-hour day. */
    ck_assert_int_eq(from, INT64_C(1790805600000000));
    ck_assert_int_eq(to, INT64_C(1793487600000000));
    ck_assert_int_eq(to - from, 31 * US_PER_DAY + 3600 * US_PER_SECOND);
}
END_TEST

static const struct period_row {
    const char *text;
    int64_t from, to; /* seconds; 0, 0 = not a period */
} periods[] = {
    {"2026",                  1767225600, 1798761600},
    { "2026-12",              1796083200, 1798761600},
    { "2024-02-29",           1709164800, 1709251200},
    { "2026-02-29",           0,          0         },
    { "2026-00",              0,          0         },
    { "2026-1",               0,          0         },
    { "0000",                 0,          0         },
    { "x",                    0,          0         },
    { "",                     0,          0         },
    { "2026-10-07T12:00:00Z", 1791374400, -1        },
};

START_TEST(a_period_is_half_open)
{
    int64_t from = 0, to = 0;
    bool ok = period_parse(str_from(periods[_i].text), NULL, &from, &to);

    ck_assert_msg(ok == (periods[_i].from != 0), "%s", periods[_i].text);
    if (!ok)
        return;
    ck_assert_int_eq(from, periods[_i].from * US_PER_SECOND);
    ck_assert_int_eq(to, periods[_i].to < 0 ? from + 1 : periods[_i].to * US_PER_SECOND);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_filter_lets_pass_what_it_says, 0, ARRAY_LEN(rows));
    tcase_add_loop_test(tc, a_mistake_is_shown_with_a_caret, 0, ARRAY_LEN(bad));
    tcase_add_test(tc, nesting_has_a_limit);
    tcase_add_test(tc, a_long_expression_is_shown_around_the_mistake);
    tcase_add_test(tc, a_period_follows_the_time_zone);
    tcase_add_loop_test(tc, a_period_is_half_open, 0, ARRAY_LEN(periods));
}
CHECK_MAIN("analyze/where", add_tests)
