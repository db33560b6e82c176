#include "config.h"

#include "llm/price.h"

#include <pthread.h>

#include "llm/price_model.h"
#include "tests/price_sample.h"

#include "tests/check_main.h"

#define M 1000000

static struct price_book *book;

static void load_sample(void)
{
    temp_folder_make();
    price_load(&book, "openai.yaml", price_sample);
}

static void drop_sample(void)
{
    price_book_free(book);
    book = NULL;
    temp_folder_remove();
}

/* --- arithmetic --- */

START_TEST(a_sum_is_rounded_once_half_to_even)
{
    /* Half a pusd a token: each line of the bill is rounded as a whole, not each part. */
    ck_assert_price(book, "0", PROVIDER_OPENAI, "tiny", .tier = "batch",
                    .units = { USAGE_INPUT, 1 });
    ck_assert_price(book, "0.000000000002", PROVIDER_OPENAI, "tiny", .tier = "batch",
                    .units = { USAGE_INPUT, 3 });
    ck_assert_price(book, "0.000000000001", PROVIDER_OPENAI, "tiny", .tier = "batch",
                    .units = { USAGE_INPUT, 2, USAGE_CACHED_INPUT, 1 });
}
END_TEST

/* a * num / den, as computed with integers of any size. */
static const struct {
    const char *a, *num, *den, *want;
} products[] = {
    {"10",                                      "1",                              "4",                   "2"                                     },
    { "6",                                      "1",                              "4",                   "2"                                     },
    { "7",                                      "1",                              "2",                   "4"                                     },
    { "123456789012345678901234567890",         "1000000007",                     "1000000000000000000",
     "123456789876543201988"                                                                                                                     },
    { "40000000000000000000000000000000000000", "1000000000000000000000",
     "18000000000000000000000000",                                                                       "2222222222222222222222222222222222"    },
    { "10000000000000000000000000000000000000", "340282366920938463463374607431",
     "340282366920938463463374607430",                                                                   "10000000000000000000000000000029387359"},
};

START_TEST(fractions_are_exact_beyond_128_bits)
{
    i128 a, num, den, want;

    ck_assert_int_eq(decimal_parse(str_from(products[_i].a), 0, &a), DECIMAL_OK);
    ck_assert_int_eq(decimal_parse(str_from(products[_i].num), 0, &num), DECIMAL_OK);
    ck_assert_int_eq(decimal_parse(str_from(products[_i].den), 0, &den), DECIMAL_OK);
    ck_assert_int_eq(decimal_parse(str_from(products[_i].want), 0, &want), DECIMAL_OK);
    i128 got = price_scale((u128)a, (u128)num, (u128)den);
    char text[DECIMAL_TEXT_BYTES];
    ck_assert_msg(got == want, "%s, not %s", decimal_format(got, 0, text), products[_i].want);
}
END_TEST

START_TEST(a_price_without_a_finite_decimal_is_exact)
{
    /* 0.04 USD an hour is 0.0000111... a second: 90 s are 0.001 USD. */
    ck_assert_price(book, "0.001", PROVIDER_OPENAI, "ear", .units = { USAGE_AUDIO_MS, 90000 });
}
END_TEST

/* --- each token once --- */

START_TEST(each_token_is_billed_once)
{
    /* 100 in all: 20 cached, 30 written (10 of them for an hour), 10 audio; 40 remain. */
    ck_assert_price(book, "0.00076", PROVIDER_OPENAI, "full",
                    .units = { USAGE_INPUT, 100, USAGE_CACHED_INPUT, 20, USAGE_CACHE_WRITE, 30,
                               USAGE_CACHE_WRITE_1H, 10, USAGE_INPUT_AUDIO, 10 });
    /* Reasoning and tool prompts have no price of their own: 10 * 4 + 15 * 16 + 5 * 80. */
    ck_assert_price(book, "0.00068", PROVIDER_OPENAI, "full",
                    .units = { USAGE_INPUT, 10, USAGE_TOOL_PROMPT, 3, USAGE_OUTPUT, 20,
                               USAGE_REASONING, 15, USAGE_OUTPUT_AUDIO, 5 });
}
END_TEST

START_TEST(cached_audio_is_told_apart_or_inferred)
{
    /* 4 fresh audio at 40, 6 cached audio at 2. */
    ck_assert_price(book, "0.000172", PROVIDER_OPENAI, "full",
                    .units = { USAGE_INPUT, 10, USAGE_CACHED_INPUT, 6, USAGE_INPUT_AUDIO, 10,
                               USAGE_CACHED_AUDIO, 6 });
    /* All input was audio and 6 tokens were cached, so the 6 were audio. */
    ck_assert_price(book, "0.000172", PROVIDER_OPENAI, "full",
                    .units = { USAGE_INPUT, 10, USAGE_CACHED_INPUT, 6, USAGE_INPUT_AUDIO, 10 });
    /* 20 in all: they need not have been. */
    ck_assert_price(book, "0.000422", PROVIDER_OPENAI, "full",
                    .units = { USAGE_INPUT, 20, USAGE_CACHED_INPUT, 6, USAGE_INPUT_AUDIO, 10 });
}
END_TEST

START_TEST(cached_input_without_a_price_costs_input_and_says_so)
{
    struct price_ask ask = {
        PROVIDER_OPENAI, "plain", .units = {USAGE_INPUT, 10, USAGE_CACHED_INPUT, 4}
    };
    CLEANUP(buf_release) struct buf words = { 0 };
    struct price_result r;

    price_ask(book, &ask, &r);
    ck_assert(r.cost_pusd == 20 * (i128)(PUSD_PER_USD / M));
    ck_assert(r.flags & PRICE_CACHED_AT_INPUT);
    price_describe(&r, &words);
    ck_assert_str_eq(buf_cstr(&words), "cached input at the input price");
}
END_TEST

START_TEST(output_without_a_price_is_missing_not_free)
{
    struct price_ask ask = {
        PROVIDER_OPENAI, "embed", .units = {USAGE_INPUT, 1000, USAGE_OUTPUT, 5}
    };
    struct price_result r;

    price_ask(book, &ask, &r);
    ck_assert_int_eq(r.status, PRICE_MISSING_UNIT);
    ck_assert_int_eq(r.missing_unit, USAGE_OUTPUT);
    ck_assert(r.cost_pusd == 20 * (i128)M);
    ck_assert_price(book, "0.00002", PROVIDER_OPENAI, "embed", .units = { USAGE_INPUT, 1000 });
}
END_TEST

START_TEST(images_cost_by_size_where_it_is_known)
{
    struct price_query query = { .provider = PROVIDER_OPENAI, .model = STR("picture") };
    struct usage usage = { 0 };
    struct price_result r;

    usage_set(&usage, USAGE_IMAGES, 3);
    price_of(book, &query, &usage, &r);
    ck_assert(r.fees_pusd == 3 * (i128)(PUSD_PER_USD / 25));
    query.variant = STR("1024x1024/HD");
    price_of(book, &query, &usage, &r);
    ck_assert(r.fees_pusd == 3 * (i128)(PUSD_PER_USD / 25) * 2);
    ck_assert(r.cost_pusd == r.fees_pusd && r.input_pusd == 0 && r.output_pusd == 0);
}
END_TEST

/* --- tiers, steps, times --- */

START_TEST(a_tier_has_its_factor_or_its_own_prices)
{
    ck_assert_price(book, "0.01", PROVIDER_OPENAI, "full", .tier = "batch",
                    .units = { USAGE_INPUT, 1000, USAGE_OUTPUT, 1000 });
    ck_assert_price(book, "0.01", PROVIDER_OPENAI, "full", .tier = "flex",
                    .units = { USAGE_INPUT, 1000, USAGE_OUTPUT, 1000 });
    ck_assert_price(book, "0.035", PROVIDER_OPENAI, "full", .tier = "priority",
                    .units = { USAGE_INPUT, 1000, USAGE_OUTPUT, 1000 });
    /* OpenAI answers "fast" as "priority". */
    ck_assert_price(book, "0.007", PROVIDER_OPENAI, "full", .tier = "fast",
                    .units = { USAGE_INPUT, 1000 });
    ck_assert_price(book, "0.004", PROVIDER_OPENAI, "full", .tier = "auto",
                    .units = { USAGE_INPUT, 1000 });
}
END_TEST

START_TEST(a_part_its_tier_does_not_list_costs_the_dearer_price)
{
    /* Cached: 1 standard, 7 priority input. Audio: 40 standard. */
    ck_assert_price(book, "0.007", PROVIDER_OPENAI, "full", .tier = "priority",
                    .units = { USAGE_INPUT, 1000, USAGE_CACHED_INPUT, 1000 });
    ck_assert_price(book, "0.04", PROVIDER_OPENAI, "full", .tier = "priority",
                    .units = { USAGE_INPUT, 1000, USAGE_INPUT_AUDIO, 1000 });
}
END_TEST

START_TEST(a_tier_without_a_price_is_said)
{
    struct price_ask ask = {
        PROVIDER_OPENAI, "plain", .tier = "priority", .units = {USAGE_INPUT, 1000}
    };
    struct price_result r;

    price_ask(book, &ask, &r);
    ck_assert_int_eq(r.status, PRICE_OK);
    ck_assert(r.flags & PRICE_TIER_ASSUMED);
    ck_assert(r.cost_pusd == 2000 * (i128)(PUSD_PER_USD / M));
}
END_TEST

START_TEST(provisioned_capacity_costs_nothing_by_the_token)
{
    struct price_ask ask = {
        PROVIDER_OPENAI, "plain", .tier = "PROVISIONED_THROUGHPUT", .units = {USAGE_INPUT, 1000}
    };
    struct price_result r;

    price_ask(book, &ask, &r);
    ck_assert_int_eq(r.status, PRICE_OK);
    ck_assert(r.cost_pusd == 0 && r.flags & PRICE_ELSEWHERE);
}
END_TEST

START_TEST(a_row_of_several_calls_is_judged_by_their_average_length)
{
    struct price_query query = { .provider = PROVIDER_OPENAI, .model = STR("full") };
    struct usage usage = { 0 };
    struct price_result r;

    usage_set(&usage, USAGE_INPUT, 3000);
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd == 3000 * 8 * (i128)M && r.flags & PRICE_LONG_CONTEXT);
    query.requests = 10;
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd == 3000 * 4 * (i128)M && r.flags & PRICE_AVERAGED);
}
END_TEST

START_TEST(a_row_that_says_how_long_its_calls_were_is_not_judged_by_its_sum)
{
    struct price_query query = { .provider = PROVIDER_OPENAI, .model = STR("full") };
    struct usage usage = { 0 };
    struct price_result r;

    usage_set(&usage, USAGE_INPUT, 3000);
    query.variant = PRICE_VARIANT_SHORT;
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd == 3000 * 4 * (i128)M && r.flags == 0);
    usage_set(&usage, USAGE_INPUT, 500);
    query.variant = PRICE_VARIANT_LONG;
    query.requests = 2;
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd == 500 * 8 * (i128)M && r.flags == PRICE_LONG_CONTEXT);
    query.service_tier = STR("batch");
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd == 500 * 4 * (i128)M && r.flags == PRICE_LONG_CONTEXT);
    /* A model without a step has one price. */
    query.model = STR("plain");
    query.service_tier = STR("");
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd == 500 * 2 * (i128)M && r.flags == 0);
}
END_TEST

static const char dated[] =
    "format: weir-prices/1\n"
    "provider: deepseek\n"
    "sources: {s: {title: made up}}\n"
    "entries:\n"
    "  - id: d\n"
    "    source: s\n"
    "    checked: 2026-01-01\n"
    "    prices:\n"
    "      - {from: 2025-01-01, per_million: {input: \"1\", output: \"1\"}}\n"
    "      - {from: 2025-01-01, hours: \"16:30-00:30\", per_million: {input: \"0.5\", output: "
    "\"1\"}}\n"
    "      - {from: 2025-03-01T12:00:00Z, until: 2025-04-01, per_million: {input: \"3\", output: "
    "\"1\"}}\n"
    "      - {from: 2025-05-01, hours: \"01:00-04:00\", days: mon-fri, per_million: {input: \"9\", "
    "output: \"1\"}}\n";

static const struct {
    const char *at, *want;
} moments[] = {
    {"2025-01-01T00:30:00Z",  "1"  },
    { "2025-01-01T00:29:59Z", "0.5"},
    { "2025-01-01T16:29:59Z", "1"  },
    { "2025-01-01T16:30:00Z", "0.5"},
    { "2025-03-01T11:59:59Z", "1"  },
    { "2025-03-01T12:00:00Z", "3"  },
    { "2025-03-31T23:59:59Z", "3"  },
    { "2025-04-01T01:00:00Z", "1"  },
    { "2025-05-02T02:00:00Z", "9"  }, /* a Friday */
    { "2025-05-03T02:00:00Z", "1"  }, /* a Saturday */
    { "2025-05-05T03:59:59Z", "9"  }, /* a Monday */
};

START_TEST(the_last_price_that_covers_the_moment_holds)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load(&b, "d.yaml", dated);
    ck_assert_price(b, moments[_i].want, PROVIDER_DEEPSEEK, "d", .at = moments[_i].at,
                    .units = { USAGE_INPUT, M });
}
END_TEST

START_TEST(before_its_first_price_a_model_is_unpriced)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load(&b, "d.yaml", dated);
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_DEEPSEEK, "d", .at = "2024-12-31",
                       .units = { USAGE_INPUT, 1 });
}
END_TEST

/* --- whose price --- */

START_TEST(a_fine_tuned_model_never_has_its_bases_price)
{
    ck_assert_price(book, "6", PROVIDER_OPENAI, "ft:full:acme:helper:8abc",
                    .units = { USAGE_INPUT, M });
    ck_assert_no_price(book, PRICE_UNKNOWN_MODEL, PROVIDER_OPENAI, "ft:plain:acme::1",
                       .units = { USAGE_INPUT, 1 });
    ck_assert_no_price(book, PRICE_UNKNOWN_MODEL, PROVIDER_OPENAI, "full-2026.ft-0a1b",
                       .units = { USAGE_INPUT, 1 });
    ck_assert_price(book, "0.004", PROVIDER_OPENAI, "full-2026", .units = { USAGE_INPUT, 1000 });
}
END_TEST

START_TEST(the_shipped_book_prices_fine_tunes_at_their_own_rate)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "3.75", PROVIDER_OPENAI, "ft:gpt-4o-2024-08-06:acme::abc",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "0.3", PROVIDER_OPENAI, "ft:gpt-4o-mini-2024-07-18:acme::abc",
                    .units = { USAGE_INPUT, M });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_OPENAI, "ft:gpt-5:acme::abc",
                       .units = { USAGE_INPUT, 1 });
}
END_TEST

START_TEST(ids_are_compared_without_case_and_in_their_long_forms)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "2.5", PROVIDER_OPENAI, " GPT-4o ", .units = { USAGE_INPUT, M });
    ck_assert_price(b, "0.3", PROVIDER_GEMINI, "models/gemini-2.5-flash",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "0.3", PROVIDER_VERTEX, "publishers/google/models/gemini-2.5-flash",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "0.3", PROVIDER_VERTEX, "claude-sonnet-4-5@20250929",
                    .units = { USAGE_INPUT, 100000 });
    ck_assert_price(b, "0.8", PROVIDER_BEDROCK,
                    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "0", PROVIDER_OPENROUTER, "google/gemini-2.0-flash-exp:free",
                    .units = { USAGE_INPUT, M });
}
END_TEST

START_TEST(azure_sells_at_the_makers_price_where_it_lists_none)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct price_ask ask = {
        PROVIDER_AZURE_OPENAI, "gpt-5.4-2026-03-05", .units = {USAGE_INPUT, 1000}
    };
    struct price_result r;

    price_load_shipped(&b);
    price_ask(b, &ask, &r);
    ck_assert_int_eq(r.status, PRICE_OK);
    ck_assert(r.flags & PRICE_PROVIDER_FALLBACK);
    ck_assert(str_eq(r.entry, STR("openai/gpt-5.4")));
}
END_TEST

static const char two_makers[] =
    "format: weir-prices/1\n"
    "entries:\n"
    "  - {id: same, provider: mistral, per_million: {input: \"1\", output: \"2\"}}\n"
    "  - {id: same, provider: cohere, per_million: {input: \"1\", output: \"2\"}}\n"
    "  - {id: other, provider: mistral, per_million: {input: \"1\", output: \"2\"}}\n"
    "  - {id: other, provider: cohere, per_million: {input: \"1\", output: \"3\"}}\n"
    "  - {id: routed, provider: huggingface, route: groq, per_million: {input: \"1\", output: "
    "\"2\"}}\n"
    "  - {id: routed, provider: huggingface, route: novita, per_million: {input: \"2\", output: "
    "\"2\"}}\n"
    "  - {id: both, provider: huggingface, route: groq, per_million: {input: \"1\", output: "
    "\"2\"}}\n"
    "  - {id: both, provider: huggingface, route: novita, per_million: {input: \"1\", output: "
    "\"2\"}}\n";

START_TEST(behind_an_unknown_host_only_an_agreed_price_counts)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load(&b, "two.yaml", two_makers);
    ck_assert_price(b, "1", PROVIDER_COMPATIBLE, "same", .units = { USAGE_INPUT, M });
    ck_assert_price(b, "1", PROVIDER_UNKNOWN, "same", .units = { USAGE_INPUT, M });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_COMPATIBLE, "other",
                       .units = { USAGE_INPUT, M });
    ck_assert_price(b, "1", PROVIDER_COMPATIBLE, "cohere/other", .units = { USAGE_INPUT, M });
    ck_assert_price(b, "1", PROVIDER_HUGGINGFACE, "routed:groq", .units = { USAGE_INPUT, M });
    ck_assert_price(b, "2", PROVIDER_HUGGINGFACE, "routed:novita", .units = { USAGE_INPUT, M });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_HUGGINGFACE, "routed",
                       .units = { USAGE_INPUT, M });
    ck_assert_price(b, "1", PROVIDER_HUGGINGFACE, "both", .units = { USAGE_INPUT, M });
}
END_TEST

/* --- overlays --- */

START_TEST(a_later_load_wins_where_it_has_a_price_at_the_moment)
{
    struct price_ask ask = {
        PROVIDER_OPENAI, "plain", "2026-06-01", .units = {USAGE_INPUT, M}
    };
    struct price_result r;

    price_load(&book, "contract.yaml",
               "format: weir-prices/1\nprovider: openai\nentries:\n"
               "  - {id: our-plain, match: [{prefix: pla}], from: 2026-01-01,\n"
               "     per_million: {input: \"1.5\", output: \"6\"}}\n");
    price_ask(book, &ask, &r);
    ck_assert(r.cost_pusd == PUSD_PER_USD / 10 * 15);
    ck_assert(r.flags & PRICE_OVERLAY && str_eq(r.note, STR("overlay contract.yaml")));
    ask.at = "2025-06-01";
    price_ask(book, &ask, &r);
    ck_assert(r.cost_pusd == 2 * (i128)PUSD_PER_USD && !(r.flags & PRICE_OVERLAY));
}
END_TEST

START_TEST(contract_prices_replace_single_units_of_the_standard_tier)
{
    price_load(
        &book, "contract.yaml",
        "format: weir-prices/1\n"
        "discounts:\n"
        "  - {provider: openai, models: [full], per_million: {input: \"3\"}}\n"
        "  - {provider: openai, models: [full], tiers: [batch], per_million: {input: \"1\"}}\n");
    ck_assert_price(book, "0.0189", PROVIDER_OPENAI, "full",
                    .units = { USAGE_INPUT, 1000, USAGE_CACHED_INPUT, 50, USAGE_OUTPUT, 1000 });
    ck_assert_price(book, "0.009", PROVIDER_OPENAI, "full", .tier = "batch",
                    .units = { USAGE_INPUT, 1000, USAGE_OUTPUT, 1000 });
    ck_assert_price(book, "0.007", PROVIDER_OPENAI, "full", .tier = "priority",
                    .units = { USAGE_INPUT, 1000 });
}
END_TEST

START_TEST(the_hash_changes_with_every_file)
{
    char first[128];

    snprintf(first, sizeof(first), "%s", price_book_hash(book));
    ck_assert_uint_eq(strlen(first), 64);
    price_load(&book, "more.yaml", "format: weir-prices/1\n");
    ck_assert_str_ne(first, price_book_hash(book));
}
END_TEST

/* Of a folder: what is kept as long as it is the same must be read again after any of these. */
START_TEST(a_mark_is_the_same_until_a_file_is_another)
{
    static const char *const changes[] = {
        "echo '# more' >> marked/a.yaml",
        "cp marked/b.yaml b && cp b marked/b.yaml",
        "echo 1 > marked/c.yaml",
        "mv marked/c.yaml marked/d.yaml",
        "rm marked/d.yaml",
        "mv marked/b.yaml b && cp b marked/b.yaml",
    };
    CLEANUP(buf_release) struct buf before = { 0 }, after = { 0 };
    char command[600];
    struct err err;

    snprintf(command, sizeof(command),
             "cd '%s' && mkdir marked && touch marked/a.yaml marked/b.yaml", temp_folder);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(price_book_mark(temp_path("marked"), &before, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        buf_clear(&after);
        ck_assert_int_eq(price_book_mark(temp_path("marked"), &after, &err), 0);
        ck_assert_str_eq(buf_cstr(&before), buf_cstr(&after));
        snprintf(command, sizeof(command), "cd '%s' && touch marked/other.txt && %s", temp_folder,
                 changes[i]);
        ck_assert_int_eq(system(command), 0);
        buf_clear(&after);
        ck_assert_int_eq(price_book_mark(temp_path("marked"), &after, &err), 0);
        ck_assert_str_ne(buf_cstr(&before), buf_cstr(&after));
        buf_clear(&before);
        buf_add_str(&before, buf_str(&after));
    }
    ck_assert_int_eq(price_book_mark(temp_path("nowhere"), &after, &err), -1);
}
END_TEST

START_TEST(a_failed_load_leaves_the_book_as_it_was)
{
    char first[128];
    struct err err;

    snprintf(first, sizeof(first), "%s", price_book_hash(book));
    ck_assert_int_eq(price_book_load(&book, price_write("bad.yaml", "format: nonsense\n"), &err),
                     -1);
    ck_assert_int_eq(price_book_load(&book, temp_path("missing"), &err), -1);
    ck_assert_str_eq(first, price_book_hash(book));
    ck_assert_price(book, "0.002", PROVIDER_OPENAI, "plain", .units = { USAGE_INPUT, 1000 });
}
END_TEST

/* --- damaged files and other input --- */

static const struct {
    const char *text, *place, *said;
} mistakes[] = {
    {"",                                                                                             "",    "format"       },
    { "format: weir-prices/2\n",                                                                     ":1:", "weir-prices/1"},
    { "format: weir-prices/1\nprovider: nobody\n",                                                   ":2:", "provider"     },
    { "format: weir-prices/1\nentry: []\n",                                                          ":2:", "entries"      },
    { "format: weir-prices/1\nentries:\n  - {id: a, per_million: {input: \"1\"}}\n",
     ":3:",                                                                                                 "provider"     },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {per_million: {input: \"1\"}}\n",
     ":4:",                                                                                                 "id"           },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, per_million: {inptu: \"1\"}}\n",
     ":4:",                                                                                                 "inptu"        },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, per_million: {input: \"-1\"}}\n",
     ":4:",                                                                                                 "negative"     },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, per_million: {input: 1e99}}\n",
     ":4:",                                                                                                 "decimal"      },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, per_million: {input: "
      "\"0.1234567890123\"}}\n",                                                                ":4:", "12 decimals"  },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, hours: \"25:00-01:00\"}\n",
     ":4:",                                                                                                 "hours"        },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, from: 2026-02-02, until: "
      "2026-01-01}\n",                                                                          ":4:", "before"       },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, long: [{above: 1, at_least: "
      "2}]}\n",                                                                                 ":4:", "above"        },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, match: [{regex: \"(\"}]}\n",
     ":4:",                                                                                                 ""             },
    { "format: weir-prices/1\nprovider: xai\nentries:\n  - {id: a, tiers: {batch: {}}}\n",
     ":4:",                                                                                                 "times"        },
    { "format: weir-prices/1\ndiscounts: [{provider: openai}]\n",                                    ":2:", "percent"      },
    { "format: weir-prices/1\ndiscounts: [{percent: \"101\"}]\n",                                    ":2:", "percent"      },
    { "format: weir-prices/1\nregions: [{times: \"1.1\"}]\n",                                        ":2:", "geo"          },
    { "format: weir-prices/1\ndeployments: [{from: a}]\n",                                           ":2:", "to"           },
};

START_TEST(a_mistake_is_named_with_its_place)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct err err;

    ck_assert_int_eq(price_book_load(&b, price_write("m.yaml", mistakes[_i].text), &err), -1);
    ck_assert_msg(strstr(err.text, "m.yaml") && strstr(err.text, mistakes[_i].place) &&
                      strstr(err.text, mistakes[_i].said),
                  "'%s' lacks '%s' or '%s'", err.text, mistakes[_i].place, mistakes[_i].said);
    ck_assert_ptr_null(b);
}
END_TEST

static void try_damaged(const char *bytes, size_t len)
{
    struct price_file *file = NULL;
    struct err err;

    if (price_file_parse((struct str){ bytes, len }, "damaged", &file, &err) == 0)
        price_plan_file(file);
    price_file_free(file);
}

START_TEST(a_file_cut_or_flipped_anywhere_is_an_error_or_a_smaller_book)
{
    char copy[sizeof(price_sample)];
    size_t len = strlen(price_sample);

    for (size_t i = 0; i <= len; i++)
        try_damaged(price_sample, i);
    for (size_t i = 0; i < len; i++) {
        memcpy(copy, price_sample, len);
        copy[i] = (char)(copy[i] ^ (1 << i % 8));
        try_damaged(copy, len);
    }
}
END_TEST

static void write_again(const char *text, struct buf *out)
{
    CLEANUP(price_file_free) struct price_file *file = NULL;
    struct err err;

    ck_assert_msg(price_file_parse(str_from(text), "again", &file, &err) == 0, "%s", err.text);
    price_file_write(file, out);
}

START_TEST(what_is_written_reads_back_the_same)
{
    static const char *const texts[] = { price_sample, dated, two_makers };
    CLEANUP(buf_release) struct buf once = { 0 }, twice = { 0 };

    write_again(texts[_i], &once);
    write_again(buf_cstr(&once), &twice);
    ck_assert_str_eq(buf_cstr(&once), buf_cstr(&twice));
    ck_assert(strstr(buf_cstr(&once), "per_million") != NULL);
}
END_TEST

START_TEST(a_written_book_asks_the_same_prices)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };

    write_again(price_sample, &out);
    price_load(&b, "written.yaml", buf_cstr(&out));
    ck_assert_price(b, "0.00076", PROVIDER_OPENAI, "full-2x",
                    .units = { USAGE_INPUT, 100, USAGE_CACHED_INPUT, 20, USAGE_CACHE_WRITE, 30,
                               USAGE_CACHE_WRITE_1H, 10, USAGE_INPUT_AUDIO, 10 });
    ck_assert_price(b, "0.01", PROVIDER_OPENAI, "fuller-1", .tier = "flex",
                    .units = { USAGE_INPUT, 1000, USAGE_OUTPUT, 1000 });
    ck_assert_price(b, "0.008008", PROVIDER_OPENAI, "full", .units = { USAGE_INPUT, 1001 });
    ck_assert_price(b, "0.001", PROVIDER_OPENAI, "ear", .units = { USAGE_AUDIO_MS, 90000 });
    ck_assert_price(b, "0.04", PROVIDER_OPENAI, "picture", .units = { USAGE_IMAGES, 1 });
}
END_TEST

START_TEST(counts_beyond_all_bounds_do_not_overflow)
{
    struct usage usage = { .present = UINT32_MAX };
    struct price_query query = { .provider = PROVIDER_OPENAI, .model = STR("full") };
    struct price_result r;

    for (size_t i = 0; i < USAGE_UNIT_COUNT; i++)
        usage.n[i] = i % 2 ? INT64_MAX / 64 : INT64_MIN / 64;
    price_of(book, &query, &usage, &r);
    ck_assert(r.cost_pusd >= 0);
}
END_TEST

/* --- many readers --- */

struct reader {
    pthread_t thread;
    i128 sum;
};

static i128 ask_all(void)
{
    CLEANUP(price_cache_free) struct price_cache *cache = price_cache_new(book);
    static const char *const models[] = { "plain", "full-2a", "fuller-77", "ft:full:x", "gone" };
    struct usage usage = { 0 };
    i128 sum = 0;

    usage_set(&usage, USAGE_INPUT, 123);
    usage_set(&usage, USAGE_OUTPUT, 7);
    for (int i = 0; i < 20000; i++) {
        struct price_query query = { .provider = PROVIDER_OPENAI,
                                     .model = str_from(models[i % 5]),
                                     .service_tier = i % 3 ? STR("batch") : STR("") };
        struct price_result r;
        if (i % 2)
            price_cache_of(cache, &query, &usage, &r);
        else
            price_of(book, &query, &usage, &r);
        sum += r.cost_pusd;
    }
    return sum;
}

static void *read_book(void *arg)
{
    struct reader *r = arg;

    r->sum = ask_all();
    return NULL;
}

START_TEST(threads_share_a_book)
{
    struct reader readers[4];
    i128 want = ask_all();

    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_book, &readers[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        pthread_join(readers[i].thread, NULL);
        ck_assert(readers[i].sum == want);
    }
    ck_assert(want > 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, load_sample, drop_sample);
    tcase_add_test(tc, a_sum_is_rounded_once_half_to_even);
    tcase_add_loop_test(tc, fractions_are_exact_beyond_128_bits, 0, ARRAY_LEN(products));
    tcase_add_test(tc, a_price_without_a_finite_decimal_is_exact);
    tcase_add_test(tc, each_token_is_billed_once);
    tcase_add_test(tc, cached_audio_is_told_apart_or_inferred);
    tcase_add_test(tc, cached_input_without_a_price_costs_input_and_says_so);
    tcase_add_test(tc, output_without_a_price_is_missing_not_free);
    tcase_add_test(tc, images_cost_by_size_where_it_is_known);
    tcase_add_test(tc, a_tier_has_its_factor_or_its_own_prices);
    tcase_add_test(tc, a_part_its_tier_does_not_list_costs_the_dearer_price);
    tcase_add_test(tc, a_tier_without_a_price_is_said);
    tcase_add_test(tc, provisioned_capacity_costs_nothing_by_the_token);
    tcase_add_test(tc, a_row_of_several_calls_is_judged_by_their_average_length);
    tcase_add_test(tc, a_row_that_says_how_long_its_calls_were_is_not_judged_by_its_sum);
    tcase_add_loop_test(tc, the_last_price_that_covers_the_moment_holds, 0, ARRAY_LEN(moments));
    tcase_add_test(tc, before_its_first_price_a_model_is_unpriced);
    tcase_add_test(tc, a_fine_tuned_model_never_has_its_bases_price);
    tcase_add_test(tc, the_shipped_book_prices_fine_tunes_at_their_own_rate);
    tcase_add_test(tc, ids_are_compared_without_case_and_in_their_long_forms);
    tcase_add_test(tc, azure_sells_at_the_makers_price_where_it_lists_none);
    tcase_add_test(tc, behind_an_unknown_host_only_an_agreed_price_counts);
    tcase_add_test(tc, a_later_load_wins_where_it_has_a_price_at_the_moment);
    tcase_add_test(tc, contract_prices_replace_single_units_of_the_standard_tier);
    tcase_add_test(tc, the_hash_changes_with_every_file);
    tcase_add_test(tc, a_mark_is_the_same_until_a_file_is_another);
    tcase_add_test(tc, a_failed_load_leaves_the_book_as_it_was);
    tcase_add_loop_test(tc, a_mistake_is_named_with_its_place, 0, ARRAY_LEN(mistakes));
    tcase_add_test(tc, a_file_cut_or_flipped_anywhere_is_an_error_or_a_smaller_book);
    tcase_add_loop_test(tc, what_is_written_reads_back_the_same, 0, 3);
    tcase_add_test(tc, a_written_book_asks_the_same_prices);
    tcase_add_test(tc, counts_beyond_all_bounds_do_not_overflow);
    tcase_add_test(tc, threads_share_a_book);
}
CHECK_MAIN("llm/price", add_tests)
