#include "config.h"

#include "llm/price_check.h"

#include "tests/price_sample.h"

#include "tests/check_main.h"

#define HEAD  "format: weir-prices/1\nprovider: openai\nsources: {s: {title: made up}}\nentries:\n"
#define KNOWN "source: s, checked: 2026-01-01"

/* An entry of line 5, and what is to be found about it ("" = nothing). */
static const struct {
    const char *entry, *found;
} books[] = {
    {"  - {id: a, " KNOWN ", per_million: {input: \"1\", output: \"4\"}}\n",                              ""                                     },
    { "  - {id: a, " KNOWN ", per_million: {input: \"0.000001\", output: \"4\"}}\n",
     "per million, not per token"                                                                                                                },
    { "  - {id: a, " KNOWN ", per_million: {input: \"1\", output: \"40000\"}}\n",
     "per million, not per token"                                                                                                                },
    { "  - {id: a, " KNOWN ", per_million: {input: \"1\"}}\n",                                            "no output price"                      },
    { "  - {id: text-embedding, " KNOWN ", per_million: {input: \"1\"}}\n",                               ""                                     },
    { "  - {id: a, " KNOWN "}\n",                                                                         "no price at all"                      },
    { "  - {id: a, " KNOWN ", per_million: {input: \"1\", cached_input: \"2\", output: \"4\"}}\n",
     "are they swapped"                                                                                                                          },
    { "  - {id: a, per_million: {input: \"1\", output: \"4\"}, checked: 2026-01-01}\n",
     "no source"                                                                                                                                 },
    { "  - {id: a, per_million: {input: \"1\", output: \"4\"}, source: s}\n",                             "no date"                              },
    { "  - {id: a, per_million: {input: \"1\", output: \"4\"}, source: t, checked: 2026-01-01}\n",
     "not listed under sources"                                                                                                                  },
    { "  - {id: a, " KNOWN ", per_million: {input: \"1\", output: \"4\"}, tiers: {flex: "
      "{per_million: {input: \"20\"}}}}\n",                                                          "tier flex input goes from 1 to 20"    },
    { "  - {id: a, " KNOWN ", per_million: {input: \"1\", output: \"4\"}, tiers: {batch: {times: "
      "\"0.05\"}}}\n",                                                                               "more than a factor of 10"             },
    { "  - {id: a, " KNOWN ", per_million: {input: \"1\", output: \"4\"}, long: [{above: 200000, "
      "per_million: {output: \"44\"}}]}\n",                                                          "long context output goes from 4 to 44"},
    { "  - {id: a, " KNOWN ", prices: [{per_million: {input: \"1\", output: \"4\"}}, {from: "
      "2026-01-01, per_million: {input: \"1\", output: \"41\"}}]}\n",                                "output goes from 4 to 41"             },
    { "  - {id: a, " KNOWN ", prices: [{from: 2026-01-01, per_million: {input: \"1\", output: "
      "\"4\"}}, {per_million: {input: \"1\", output: \"4\"}}]}\n",                                   "never used"                           },
    { "  - {id: a, " KNOWN ", each: {images: \"0.04\"}, per_million: {input: \"1\", output: \"4\", "
      "output_image: \"30\"}}\n",                                                                    "billed twice"                         },
    { "  - {id: a, " KNOWN ", per_million: {input: \"1\", output: \"4\"}}\n"
      "  - {id: b, match: [A], " KNOWN ", per_million: {input: \"1\", output: \"4\"}}\n",
     "'a' already belongs to openai/a"                                                                                                           },
    { "  - {id: a, match: [{prefix: x}], " KNOWN ", per_million: {input: \"1\", output: \"4\"}}\n"
      "  - {id: b, match: [{prefix: xy}], " KNOWN ", per_million: {input: \"1\", output: \"4\"}}\n",
     "never matches"                                                                                                                             },
};

START_TEST(what_is_odd_is_found_with_its_line)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(price_findings_release) struct price_findings f = { 0 };
    char text[1024];
    bool quiet = books[_i].found[0] == '\0';

    snprintf(text, sizeof(text), "%s%s", HEAD, books[_i].entry);
    price_load(&book, "odd.yaml", text);
    price_check(book, &f);
    ck_assert_msg(f.len == (quiet ? 0 : 1), "%zu findings in %s: %s", f.len, books[_i].entry,
                  f.len ? f.items[0].text : "");
    if (quiet)
        return;
    ck_assert_msg(strstr(f.items[0].text, books[_i].found) != NULL, "'%s' lacks '%s'",
                  f.items[0].text, books[_i].found);
    ck_assert(strstr(f.items[0].path, "odd.yaml") != NULL);
    ck_assert_msg(f.items[0].line == 5 || f.items[0].line == 6, "line %u", f.items[0].line);
}
END_TEST

/* --- a single cost --- */

static const struct {
    const char *usd;
    int64_t input, output, images;
    const char *table;  /* our price, or NULL */
    const char *reason; /* NULL = plausible */
} costs[] = {
    {"9990.012528750000",  10023, 10,   0, NULL,    "1,000 tokens"}, /* the Aider log, 2025-05-07 */
    { "9990.012528750000", 10023, 10,   0, "0.01",  "1,000 tokens"},
    { "0.01253",           10023, 10,   0, "0.01",  NULL          },
    { "0",                 10023, 10,   0, "0.01",  NULL          },
    { "0.61",              0,     1000, 0, NULL,    NULL          }, /* o1-pro */
    { "1.01",              0,     1000, 0, NULL,    "1,000 tokens"},
    { "0.9",               0,     1000, 0, "0.008", "100 times"   },
    { "0.8",               0,     1000, 0, "0.008", NULL          },
    { "0.17",              20,    0,    1, NULL,    NULL          }, /* a picture, not the tokens */
    { "-1",                20,    0,    0, NULL,    "negative"    },
    { "5",                 0,     0,    0, NULL,    NULL          },
};

START_TEST(a_cost_out_of_all_proportion_is_not_plausible)
{
    struct usage usage = { 0 };
    struct price_result table = { 0 };
    const char *reason = NULL;
    i128 cost;

    ck_assert_int_eq(decimal_parse(str_from(costs[_i].usd), PUSD_SCALE, &cost), DECIMAL_OK);
    usage_set(&usage, USAGE_INPUT, costs[_i].input);
    usage_set(&usage, USAGE_OUTPUT, costs[_i].output);
    usage_set(&usage, USAGE_IMAGES, costs[_i].images);
    if (costs[_i].table)
        decimal_parse(str_from(costs[_i].table), PUSD_SCALE, &table.cost_pusd);
    bool plausible = price_is_plausible(cost, &usage, costs[_i].table ? &table : NULL, &reason);
    ck_assert_msg(plausible == !costs[_i].reason, "%s USD: %s", costs[_i].usd,
                  plausible ? "plausible" : reason);
    if (!plausible)
        ck_assert_msg(strstr(reason, costs[_i].reason) != NULL, "%s", reason);
}
END_TEST

START_TEST(fees_the_table_knows_of_are_no_price_error)
{
    struct usage usage = { 0 };
    struct price_result table = { .fees_pusd = PUSD_PER_USD / 100 * 2,
                                  .cost_pusd = PUSD_PER_USD / 100 * 2 + 20 };
    const char *reason;

    usage_set(&usage, USAGE_INPUT, 10);
    usage_set(&usage, USAGE_WEB_SEARCHES, 2);
    ck_assert(price_is_plausible(table.cost_pusd, &usage, &table, &reason));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, what_is_odd_is_found_with_its_line, 0, ARRAY_LEN(books));
    tcase_add_loop_test(tc, a_cost_out_of_all_proportion_is_not_plausible, 0, ARRAY_LEN(costs));
    tcase_add_test(tc, fees_the_table_knows_of_are_no_price_error);
}
CHECK_MAIN("llm/price_check", add_tests)
