#include "config.h"

#include "llm/price.h"
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

/* --- the traps of cost accounting, by their number in the project's list --- */

START_TEST(trap_14_cache_writes_of_5_minutes_and_1_hour_have_two_prices)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    /* 3 USD input: 1.25 times for 5 minutes, twice for an hour, a tenth to read. */
    ck_assert_price(b, "3.75", PROVIDER_ANTHROPIC, "claude-sonnet-4-6",
                    .units = { USAGE_INPUT, M, USAGE_CACHE_WRITE, M, USAGE_CACHE_WRITE_5M, M });
    ck_assert_price(b, "6", PROVIDER_ANTHROPIC, "claude-sonnet-4-6",
                    .units = { USAGE_INPUT, M, USAGE_CACHE_WRITE, M, USAGE_CACHE_WRITE_1H, M });
    ck_assert_price(b, "0.3", PROVIDER_ANTHROPIC, "claude-sonnet-4-6",
                    .units = { USAGE_INPUT, M, USAGE_CACHED_INPUT, M });
}
END_TEST

START_TEST(trap_18_audio_and_image_tokens_have_their_own_prices)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "40", PROVIDER_OPENAI, "gpt-4o-audio-preview-2024-12-17",
                    .units = { USAGE_INPUT, M, USAGE_INPUT_AUDIO, M });
    ck_assert_price(b, "80", PROVIDER_OPENAI, "gpt-4o-audio-preview-2024-12-17",
                    .units = { USAGE_OUTPUT, M, USAGE_OUTPUT_AUDIO, M });
    ck_assert_price(b, "1", PROVIDER_GEMINI, "gemini-2.5-flash",
                    .units = { USAGE_INPUT, M, USAGE_INPUT_AUDIO, M });
    ck_assert_price(b, "30", PROVIDER_GEMINI, "gemini-2.5-flash-image",
                    .units = { USAGE_OUTPUT, M, USAGE_OUTPUT_IMAGE, M });
}
END_TEST

START_TEST(trap_20_what_is_not_sold_by_the_token_is_priced_by_its_own_unit)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "0.006", PROVIDER_OPENAI, "whisper-1", .units = { USAGE_AUDIO_MS, 60000 });
    ck_assert_price(b, "0.015", PROVIDER_OPENAI, "tts-1", .units = { USAGE_CHARACTERS, 1000 });
    ck_assert_price(b, "0.04", PROVIDER_OPENAI, "dall-e-3", .units = { USAGE_IMAGES, 1 });
    ck_assert_price(b, "0", PROVIDER_OPENAI, "omni-moderation-latest",
                    .units = { USAGE_INPUT, 1000 });
    ck_assert_price(b, "0.002", PROVIDER_COHERE, "rerank-v3.5", .units = { USAGE_SEARCH_UNITS, 1 });
    ck_assert_price(b, "0.00013", PROVIDER_OPENAI, "text-embedding-3-large",
                    .units = { USAGE_INPUT, 1000 });
}
END_TEST

START_TEST(trap_23_the_served_tier_has_its_own_price_not_one_factor_for_all)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    /* Priority is 1.7 times for gpt-4o and twice for gpt-5.4. */
    ck_assert_price(b, "4.25", PROVIDER_OPENAI, "gpt-4o", .tier = "priority",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "0.5", PROVIDER_OPENAI, "gpt-5.4", .tier = "priority",
                    .units = { USAGE_INPUT, 100000 });
    ck_assert_price(b, "0.125", PROVIDER_OPENAI, "gpt-5.4", .tier = "flex",
                    .units = { USAGE_INPUT, 100000 });
    ck_assert_price(b, "0.25", PROVIDER_OPENAI, "gpt-5.4", .tier = "default",
                    .units = { USAGE_INPUT, 100000 });
    ck_assert_price(b, "1.5", PROVIDER_ANTHROPIC, "claude-sonnet-4-6", .tier = "batch",
                    .units = { USAGE_INPUT, M });
}
END_TEST

START_TEST(trap_24_long_context_prices_the_whole_request_and_counts_cached_tokens)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "0.25", PROVIDER_GEMINI, "gemini-2.5-pro", .units = { USAGE_INPUT, 200000 });
    ck_assert_price(b, "0.5000025", PROVIDER_GEMINI, "gemini-2.5-pro",
                    .units = { USAGE_INPUT, 200001 });
    ck_assert_price(
        b, "0.6900025", PROVIDER_GEMINI, "gemini-2.5-pro",
        .units = { USAGE_INPUT, 300001, USAGE_CACHED_INPUT, 200000, USAGE_OUTPUT, 26000 });
    /* xAI's step begins at its threshold. */
    ck_assert_price(b, "0.5", PROVIDER_XAI, "grok-4.3", .units = { USAGE_INPUT, 200000 });
    ck_assert_price(b, "0.24999875", PROVIDER_XAI, "grok-4.3", .units = { USAGE_INPUT, 199999 });
    /* Batch has its own long-context price. */
    ck_assert_price(b, "0.3125", PROVIDER_GEMINI, "gemini-2.5-pro", .tier = "batch",
                    .units = { USAGE_INPUT, 250000 });
}
END_TEST

START_TEST(trap_25_regional_ids_cost_more_and_the_users_names_are_mapped)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "3", PROVIDER_BEDROCK, "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
                    .units = { USAGE_INPUT, 200000, USAGE_OUTPUT, 160000 });
    ck_assert_price(b, "3.3", PROVIDER_BEDROCK, "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                    .units = { USAGE_INPUT, 200000, USAGE_OUTPUT, 160000 });
    ck_assert_price(b, "1.1", PROVIDER_ANTHROPIC, "claude-opus-5", .geo = "us",
                    .units = { USAGE_INPUT, 200000 });
    ck_assert_price(b, "1", PROVIDER_ANTHROPIC, "claude-opus-5", .geo = "global",
                    .units = { USAGE_INPUT, 200000 });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_BEDROCK,
                       "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc",
                       .units = { USAGE_INPUT, 1 });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_AZURE_OPENAI, "our-chat",
                       .units = { USAGE_INPUT, 1 });
    price_load(
        &b, "names.yaml",
        "format: weir-prices/1\n"
        "models: {map: [{provider: bedrock, to: us.anthropic.claude-sonnet-4-5-20250929-v1:0,\n"
        "  from: \"arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc\"}]}\n"
        "deployments: [{provider: azure, from: Our-Chat, to: gpt-4o-2024-08-06, times: "
        "\"1.1\"}]\n");
    ck_assert_price(b, "0.33", PROVIDER_BEDROCK,
                    "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc",
                    .units = { USAGE_INPUT, 100000 });
    ck_assert_price(b, "2.75", PROVIDER_AZURE_OPENAI, "our-chat", .units = { USAGE_INPUT, M });
}
END_TEST

START_TEST(trap_26_dated_snapshots_are_priced_as_themselves)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "2.5", PROVIDER_OPENAI, "gpt-4o-2024-08-06", .units = { USAGE_INPUT, M });
    ck_assert_price(b, "5", PROVIDER_OPENAI, "gpt-4o-2024-05-13", .units = { USAGE_INPUT, M });
    ck_assert_price(b, "2.5", PROVIDER_OPENAI, "gpt-4o", .units = { USAGE_INPUT, M });
    ck_assert_price(b, "1.5", PROVIDER_OPENAI, "gpt-3.5-turbo-instruct:20230824-v2",
                    .units = { USAGE_INPUT, M });
}
END_TEST

START_TEST(trap_27_prices_per_token_are_refused_and_small_ones_are_exact)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct err err;

    ck_assert_int_eq(
        price_book_load(&b,
                        price_write("k.yaml", "format: weir-prices/1\nprovider: openai\nentries:\n"
                                              "  - {id: a, per_thousand: {input: \"0.002\"}}\n"),
                        &err),
        -1);
    ck_assert_msg(strstr(err.text, "k.yaml:4:") && strstr(err.text, "per_million"), "%s", err.text);
    price_load_shipped(&b);
    ck_assert_price(b, "0.00000002", PROVIDER_OPENAI, "text-embedding-3-small",
                    .units = { USAGE_INPUT, 1 });
}
END_TEST

START_TEST(trap_30_an_unknown_model_is_unpriced_never_free)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_OPENAI, "gpt-9",
                       .units = { USAGE_INPUT, 1000 });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_OPENAI, "", .units = { USAGE_INPUT, 1000 });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_COMPATIBLE, "llama-at-home",
                       .units = { USAGE_INPUT, 1000 });
    /* Local servers run other people's models for nobody's price. */
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_OLLAMA, "gpt-4o",
                       .units = { USAGE_INPUT, 1000 });
}
END_TEST

START_TEST(trap_31_tool_fees_are_billed_by_the_call)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct price_ask ask = {
        PROVIDER_ANTHROPIC, "claude-sonnet-4-6",
        .units = {USAGE_WEB_SEARCHES, 3, USAGE_WEB_FETCHES, 2, USAGE_CODE_SESSIONS, 1}
    };
    struct price_result r;

    price_load_shipped(&b);
    price_ask(b, &ask, &r);
    ck_assert_int_eq(r.status, PRICE_OK);
    ck_assert(r.fees_pusd == PUSD_PER_USD / 100 * 3 && r.fees_pusd == r.cost_pusd);
    ck_assert(r.flags & PRICE_ELSEWHERE); /* code execution is billed by the container's hours */
    ck_assert_price(b, "0.0325", PROVIDER_OPENAI, "gpt-5.4",
                    .units = { USAGE_FILE_SEARCHES, 1, USAGE_CODE_SESSIONS, 1 });
    /* A search nobody has a price for is missing, not free. */
    ck_assert_no_price(b, PRICE_MISSING_UNIT, PROVIDER_MISTRAL, "mistral-large-2512",
                       .units = { USAGE_INPUT, 1, USAGE_WEB_SEARCHES, 1 });
}
END_TEST

START_TEST(trap_32_each_part_of_a_call_is_priced_at_its_own_model)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;

    price_load_shipped(&b);
    ck_assert_price(b, "0.001128", PROVIDER_ANTHROPIC, "claude-haiku-4-5-20251001",
                    .units = { USAGE_INPUT, 1128 });
    ck_assert_price(b, "0.012715", PROVIDER_ANTHROPIC, "claude-opus-4-8",
                    .units = { USAGE_INPUT, 2543 });
}
END_TEST

START_TEST(trap_33_discounts_leave_the_list_price_beside_the_cost)
{
    struct price_ask ask = {
        PROVIDER_OPENAI, "full", "2026-06-01", .tier = "batch",
        .units = {USAGE_INPUT, 1000, USAGE_WEB_SEARCHES, 1}
    };
    struct price_result r;

    price_load(
        &book, "contract.yaml",
        "format: weir-prices/1\n"
        "discounts: [{provider: openai, models: \"full*\", percent: \"15\", from: 2026-01-01, "
        "until: 2027-01-01}]\n");
    price_ask(book, &ask, &r);
    ck_assert(r.list_pusd == 2000 * (i128)M + PUSD_PER_USD / 100);
    ck_assert(r.cost_pusd == 1700 * (i128)M + PUSD_PER_USD / 100);
    ck_assert(r.flags & PRICE_DISCOUNTED);
    ck_assert(str_eq(r.discount, STR("15 % off (contract.yaml)")));
    ask.at = "2025-12-31";
    price_ask(book, &ask, &r);
    ck_assert(r.cost_pusd == r.list_pusd && !(r.flags & PRICE_DISCOUNTED));
    ask.model = "plain";
    ask.at = "2026-06-01";
    price_ask(book, &ask, &r);
    ck_assert(!(r.flags & PRICE_DISCOUNTED));
}
END_TEST

/* --- prices that changed (providers' announcements; spend facts B2) --- */

static const struct {
    enum provider provider;
    const char *model, *at, *input, *output;
} events[] = {
    {PROVIDER_OPENAI,     "o3",                        "2025-06-09T23:59:59Z", "10",    "40"  },
    { PROVIDER_OPENAI,    "o3",                        "2025-06-10",           "2",     "8"   },
    { PROVIDER_OPENAI,    "gpt-5.6-luna",              "2026-07-29T23:59:59Z", "0.1",   "0.6" },
    { PROVIDER_OPENAI,    "gpt-5.6-luna",              "2026-07-30",           "0.02",  "0.12"},
    { PROVIDER_OPENAI,    "gpt-5.6-terra",             "2026-07-29",           "0.25",  "1.5" },
    { PROVIDER_OPENAI,    "gpt-5.6-terra",             "2026-07-30",           "0.2",   "1.2" },
    { PROVIDER_OPENAI,    "gpt-5.6-sol",               "2026-08-20",           "0.5",   "3"   },
    { PROVIDER_OPENAI,    "gpt-5.6-sol",               "2026-08-21",           "0.4",   "2"   },
    { PROVIDER_ANTHROPIC, "claude-sonnet-5",           "2026-08-31T23:59:59Z", "2",     "10"  },
    { PROVIDER_ANTHROPIC, "claude-sonnet-5",           "2026-09-01",           "3",     "15"  },
    { PROVIDER_ANTHROPIC, "claude-opus-4-6",           "2026-03-12",           "10",    "25"  },
    { PROVIDER_ANTHROPIC, "claude-opus-4-6",           "2026-03-13",           "5",     "25"  },
    { PROVIDER_ANTHROPIC, "claude-3-5-haiku-20241022", "2024-12-02",           "1",     "5"   },
    { PROVIDER_ANTHROPIC, "claude-3-5-haiku-20241022", "2024-12-03",           "0.8",   "4"   },
    { PROVIDER_GEMINI,    "gemini-3.7-flash",          "2026-12-31",           "0.75",  "3.75"},
    { PROVIDER_GEMINI,    "gemini-3.7-flash",          "2027-01-01",           "1.5",   "7.5" },
    { PROVIDER_DEEPSEEK,  "deepseek-chat",             "2025-01-15T12:00:00Z", "0.14",  "0.28"},
    { PROVIDER_DEEPSEEK,  "deepseek-chat",             "2025-05-15T12:00:00Z", "0.27",  "1.1" },
    { PROVIDER_DEEPSEEK,  "deepseek-chat",             "2025-05-15T23:00:00Z", "0.135", "0.55"},
    { PROVIDER_DEEPSEEK,  "deepseek-chat",             "2025-09-10",           "0.56",  "1.68"},
    { PROVIDER_DEEPSEEK,  "deepseek-chat",             "2025-12-01",           "0.28",  "0.42"},
    { PROVIDER_DEEPSEEK,  "deepseek-v4-flash",         "2026-08-18T03:00:00Z", "0.44",  "1.32"},
    { PROVIDER_DEEPSEEK,  "deepseek-v4-flash",         "2026-08-18T05:00:00Z", "0.22",  "0.66"},
    { PROVIDER_DEEPSEEK,  "deepseek-v4-flash",         "2026-08-16T03:00:00Z", "0.14",  "0.28"},
};

START_TEST(trap_28_a_request_costs_what_it_cost_on_its_day)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    /* Models with a long-context step are asked below it, but for Claude 4.6, whose step ended. */
    bool stepped = strstr(events[_i].model, "gpt-5.6") != NULL;
    int n = stepped ? M / 10 : M;

    price_load_shipped(&b);
    ck_assert_price(b, events[_i].input, events[_i].provider, events[_i].model, .at = events[_i].at,
                    .units = { USAGE_INPUT, n });
    ck_assert_price(b, events[_i].output, events[_i].provider, events[_i].model,
                    .at = events[_i].at, .units = { USAGE_OUTPUT, n });
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, load_sample, drop_sample);
    tcase_add_test(tc, trap_14_cache_writes_of_5_minutes_and_1_hour_have_two_prices);
    tcase_add_test(tc, trap_18_audio_and_image_tokens_have_their_own_prices);
    tcase_add_test(tc, trap_20_what_is_not_sold_by_the_token_is_priced_by_its_own_unit);
    tcase_add_test(tc, trap_23_the_served_tier_has_its_own_price_not_one_factor_for_all);
    tcase_add_test(tc, trap_24_long_context_prices_the_whole_request_and_counts_cached_tokens);
    tcase_add_test(tc, trap_25_regional_ids_cost_more_and_the_users_names_are_mapped);
    tcase_add_test(tc, trap_26_dated_snapshots_are_priced_as_themselves);
    tcase_add_test(tc, trap_27_prices_per_token_are_refused_and_small_ones_are_exact);
    tcase_add_loop_test(tc, trap_28_a_request_costs_what_it_cost_on_its_day, 0, ARRAY_LEN(events));
    tcase_add_test(tc, trap_30_an_unknown_model_is_unpriced_never_free);
    tcase_add_test(tc, trap_31_tool_fees_are_billed_by_the_call);
    tcase_add_test(tc, trap_32_each_part_of_a_call_is_priced_at_its_own_model);
    tcase_add_test(tc, trap_33_discounts_leave_the_list_price_beside_the_cost);
}
CHECK_MAIN("llm/price_traps", add_tests)
