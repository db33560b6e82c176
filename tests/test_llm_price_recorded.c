#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/csv.h"
#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "llm/price.h"
#include "llm/price_check.h"
#include "tests/shared_data.h"

#include "tests/check_main.h"

/* The shipped book against what was really charged. */

static struct price_book *book;

static void load_book(void)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    struct err err;

    snprintf(path, sizeof(path), "%s/share/prices", srcdir ? srcdir : ".");
    ck_assert_msg(price_book_load(&book, path, &err) == 0, "%s", err.text);
}

static void free_book(void)
{
    price_book_free(book);
    book = NULL;
}

/* --- the Aider log: calls as LiteLLM's table priced them on the day --- */

/* Rows of a model, how many of them our price at that moment reproduces, and why not all. */
static const struct {
    const char *model;
    int rows, equal;
    const char *otherwise;
} aider[] = {
    {"claude-3-5-sonnet-20241022",                          1577, 1557, "cached input, which the log does not tell apart"},
    { "anthropic/claude-3-7-sonnet-20250219",               1184, 1183, "as above"                                       },
    { "gemini/gemini-2.5-pro-exp-03-25",                    757,  757,  ""                                               },
    { "fireworks_ai/accounts/fireworks/models/deepseek-v3", 164,  164,  ""                                               },
    { "deepseek/deepseek-coder",                            105,  105,  ""                                               },
    { "o3-mini",                                            98,   98,   ""                                               },
    { "openrouter/anthropic/claude-3.7-sonnet",             97,   97,   ""                                               },
    { "o3",                                                 69,   66,   "cached input"                                   },
    { "gemini/gemini-2.5-pro-preview-03-25",                57,   56,   "the call at 9,990 USD"                          },
    { "fireworks_ai/accounts/fireworks/models/deepseek-r1", 53,   53,   ""                                               },
    { "gpt-4o-mini",                                        45,   45,   ""                                               },
    { "gemini/gemini-2.5-pro",                              41,   41,   ""                                               },
    { "openai/gpt-5.2",                                     36,   36,   ""                                               },
    { "anthropic/claude-sonnet-4-20250514",                 31,   31,   ""                                               },
    { "deepseek/deepseek-chat",                             397,  369,  "cached input"                                   },
    { "claude-3-5-haiku-20241022",                          68,   26,
     "cut to 0.80/4 USD on 2024-12-03; the table of the day followed on 2025-02-28"                                      },
};

struct aider_row {
    struct str time, model, input, output, cost;
};

struct aider_tally {
    int rows, unpriced, equal, implausible;
    int model_rows[ARRAY_LEN(aider)], model_equal[ARRAY_LEN(aider)];
    i128 implausible_pusd;
};

static void price_aider(const struct aider_row *row, struct aider_tally *t)
{
    struct price_query query = { .provider = PROVIDER_COMPATIBLE, .model = row->model };
    struct usage usage = { 0 };
    struct price_result r;
    i128 recorded;
    int64_t input, output;
    const char *reason;

    ck_assert(timestamp_parse(row->time, &query.at_us));
    ck_assert(str_to_i64(row->input, &input) && str_to_i64(row->output, &output));
    ck_assert_int_ne(decimal_parse(row->cost, PUSD_SCALE, &recorded), DECIMAL_BAD);
    usage_set(&usage, USAGE_INPUT, input);
    usage_set(&usage, USAGE_OUTPUT, output);
    price_of(book, &query, &usage, &r);
    t->rows++;
    if (!price_is_plausible(recorded, &usage, r.status == PRICE_OK ? &r : NULL, &reason)) {
        t->implausible++;
        t->implausible_pusd = recorded;
    }
    /* Recorded costs are sums of binary fractions. */
    i128 difference = recorded - r.cost_pusd;
    bool equal = r.status == PRICE_OK && difference >= -1 && difference <= 1;
    t->unpriced += r.status != PRICE_OK;
    t->equal += equal;
    for (size_t i = 0; i < ARRAY_LEN(aider); i++) {
        if (!str_eq(row->model, str_from(aider[i].model)))
            continue;
        t->model_rows[i]++;
        t->model_equal[i] += equal;
    }
    if (getenv("WEIR_TEST_VERBOSE") && !equal)
        printf("%.*s %.*s %.*s+%.*s recorded %.*s ours %lld status %d %.*s\n", STR_ARG(row->time),
               STR_ARG(row->model), STR_ARG(row->input), STR_ARG(row->output), STR_ARG(row->cost),
               (long long)r.cost_pusd, r.status, STR_ARG(r.entry));
}

static void read_aider(FILE *file, struct aider_tally *t)
{
    CLEANUP(csv_reader_free) struct csv_reader *csv = csv_reader_new(file, ',');
    const struct str *fields;
    struct err err;
    size_t count;

    ck_assert_int_eq(csv_reader_next(csv, &fields, &count, &err), 1);
    ck_assert(str_eq(fields[3], STR("main_model")) && str_eq(fields[10], STR("cost_usd")));
    while (csv_reader_next(csv, &fields, &count, &err) == 1) {
        struct aider_row row = { fields[1], fields[3], fields[7], fields[8], fields[10] };
        price_aider(&row, t);
    }
}

START_TEST(the_aider_log_costs_what_it_cost_then)
{
    char path[SHARED_DATA_PATH_BYTES], cost[DECIMAL_TEXT_BYTES];
    struct aider_tally t = { 0 };

    if (!shared_data_find("traces/aider_message_send.csv", path))
        return;
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    read_aider(file, &t);
    fclose(file);
    for (size_t i = 0; i < ARRAY_LEN(aider); i++) {
        ck_assert_msg(t.model_rows[i] == aider[i].rows, "%s: %d rows", aider[i].model,
                      t.model_rows[i]);
        ck_assert_msg(t.model_equal[i] == aider[i].equal, "%s: %d of %d equal, not %d",
                      aider[i].model, t.model_equal[i], aider[i].rows, aider[i].equal);
    }
    printf("aider: %d calls, %d at our price exactly, %d without a price\n", t.rows, t.equal,
           t.unpriced);
    ck_assert_int_eq(t.rows, 5522);
    /* The one call with a wrong unit in the table of the day. */
    ck_assert_int_eq(t.implausible, 1);
    ck_assert_str_eq(decimal_format(t.implausible_pusd, PUSD_SCALE, cost), "9990.012528750000");
}
END_TEST

/* --- what providers billed --- */

struct billed {
    enum provider provider;
    const char *model, *at;
    int64_t input, cached, output;
    const char *usd;
};

static void check_billed(const struct billed *b)
{
    struct price_query query = { .provider = b->provider, .model = str_from(b->model) };
    char cost[DECIMAL_TEXT_BYTES];
    struct usage usage = { 0 };
    struct price_result r;
    i128 want;

    ck_assert(timestamp_parse(str_from(b->at), &query.at_us));
    usage_set(&usage, USAGE_INPUT, b->input);
    usage_set(&usage, USAGE_CACHED_INPUT, b->cached);
    usage_set(&usage, USAGE_OUTPUT, b->output);
    price_of(book, &query, &usage, &r);
    ck_assert_int_eq(decimal_parse(str_from(b->usd), PUSD_SCALE, &want), DECIMAL_OK);
    ck_assert_int_eq(r.status, PRICE_OK);
    ck_assert_msg(r.cost_pusd == want, "%s at %s: %s, billed %s", b->model, b->at,
                  decimal_format(r.cost_pusd, PUSD_SCALE, cost), b->usd);
}

/* An OpenAI usage export and the cost export of the same days (2025-10): the days on which the
 * usage file covers the whole bill. */
static const struct billed invoices[] = {
    {PROVIDER_OPENAI,  "gpt-5-mini-2025-08-07", "2025-10-07", 80992,  0, 274770, "0.569788"},
    { PROVIDER_OPENAI, "gpt-5-mini-2025-08-07", "2025-10-10", 124784, 0, 154852, "0.3409"  },
    { PROVIDER_OPENAI, "gpt-5-mini-2025-08-07", "2025-10-11", 22688,  0, 33191,  "0.072054"},
};

START_TEST(a_day_of_an_openai_invoice_is_met_to_the_last_digit)
{
    check_billed(&invoices[_i]);
}
END_TEST

/* xAI bills in ticks of 1e-10 USD and says so in the answer (usage.cost_in_usd_ticks): recorded by
 * pydantic-ai at 4fda38988f29.  Reasoning stands outside completion_tokens and is billed as output.
 */
static const struct billed ticks[] = {
    {PROVIDER_XAI,  "grok-4.3", "2026-06-01", 221,  128, 11 + 111, "0.00044685"},
    { PROVIDER_XAI, "grok-4.3", "2026-06-01", 189,  128, 1,        "0.00010435"},
    { PROVIDER_XAI, "grok-4.6", "2026-08-01", 1314, 128, 12 + 396, "0.004884"  },
};

START_TEST(xai_ticks_are_our_price_exactly)
{
    check_billed(&ticks[_i]);
}
END_TEST

START_TEST(the_documented_tick_example_is_4468500_ticks)
{
    struct price_query query = { .provider = PROVIDER_XAI, .model = STR("grok-4.3") };
    struct usage usage = { 0 };
    struct price_result r;

    ck_assert(timestamp_parse(STR("2026-06-01"), &query.at_us));
    usage_set(&usage, USAGE_INPUT, 93 + 128);
    usage_set(&usage, USAGE_CACHED_INPUT, 128);
    usage_set(&usage, USAGE_OUTPUT, 122);
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd == (i128)4468500 * (PUSD_PER_USD / 10000000000));
}
END_TEST

/* --- the shipped book itself --- */

START_TEST(the_shipped_book_passes_its_own_check)
{
    CLEANUP(price_findings_release) struct price_findings findings = { 0 };

    price_check(book, &findings);
    for (size_t i = 0; i < findings.len; i++)
        printf("%s:%u: %s\n", findings.items[i].path, findings.items[i].line,
               findings.items[i].text);
    ck_assert_uint_eq(findings.len, 0);
    ck_assert_uint_gt(price_book_entry_count(book), 1500);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, load_book, free_book);
    tcase_add_test(tc, the_aider_log_costs_what_it_cost_then);
    tcase_add_loop_test(tc, a_day_of_an_openai_invoice_is_met_to_the_last_digit, 0,
                        ARRAY_LEN(invoices));
    tcase_add_loop_test(tc, xai_ticks_are_our_price_exactly, 0, ARRAY_LEN(ticks));
    tcase_add_test(tc, the_documented_tick_example_is_4468500_ticks);
    tcase_add_test(tc, the_shipped_book_passes_its_own_check);
}
CHECK_MAIN("llm/price_recorded", add_tests)
