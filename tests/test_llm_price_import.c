#include "config.h"

#include "llm/price_import.h"

#include "base/file.h"
#include "llm/price_check.h"
#include "tests/price_sample.h"
#include "tests/shared_data.h"

#include "tests/check_main.h"

#define M 1000000

static const char litellm[] =
    "{\"sample_spec\": {\"litellm_provider\": \"one of\", \"input_cost_per_token\": 0},\n"
    "\"gpt-x\": {\"litellm_provider\": \"openai\", \"mode\": \"chat\",\n"
    "  \"input_cost_per_token\": 2.5e-06, \"output_cost_per_token\": 1.5e-05,\n"
    "  \"cache_read_input_token_cost\": 2.5e-07, \"cache_creation_input_token_cost\": 3.125e-06,\n"
    "  \"cache_creation_input_token_cost_above_1hr\": 5e-06,\n"
    "  \"input_cost_per_token_above_272k_tokens\": 5e-06,\n"
    "  \"output_cost_per_token_above_272k_tokens\": 2.25e-05,\n"
    "  \"cache_creation_input_token_cost_above_1hr_above_272k_tokens\": 1e-05,\n"
    "  \"input_cost_per_token_batches\": 1.25e-06, \"output_cost_per_token_batches\": 7.5e-06,\n"
    "  \"input_cost_per_token_priority\": 5e-06, \"output_cost_per_token_priority\": 3e-05,\n"
    "  \"input_cost_per_token_above_272k_tokens_priority\": 1e-05,\n"
    "  \"input_cost_per_audio_token\": 4e-05, \"output_cost_per_reasoning_token\": 2e-05,\n"
    "  \"search_context_cost_per_query\": {\"search_context_size_medium\": 0.035}},\n"
    "\"xai/grok-x\": {\"litellm_provider\": \"xai\", \"input_cost_per_token\": 1e-06,\n"
    "  \"output_cost_per_token\": 2e-06, \"input_cost_per_token_above_200k_tokens\": 2e-06},\n"
    "\"whisper-x\": {\"litellm_provider\": \"openai\", \"mode\": \"audio_transcription\",\n"
    "  \"input_cost_per_second\": 0.0001, \"output_cost_per_second\": 0.0,\n"
    "  \"input_cost_per_token\": 0, \"output_cost_per_token\": 0},\n"
    "\"cohere/rerank-x\": {\"litellm_provider\": \"cohere\", \"mode\": \"rerank\",\n"
    "  \"input_cost_per_query\": 0.002, \"input_cost_per_token\": 0.0},\n"
    "\"mistral/ocr-x\": {\"litellm_provider\": \"mistral\", \"mode\": \"ocr\", "
    "\"ocr_cost_per_page\": "
    "0.001},\n"
    "\"picture-x\": {\"litellm_provider\": \"openai\", \"mode\": \"image_generation\",\n"
    "  \"input_cost_per_image\": 0.04},\n"
    "\"pixel-x\": {\"litellm_provider\": \"openai\", \"input_cost_per_pixel\": 1e-08},\n"
    "\"dashscope/q\": {\"litellm_provider\": \"dashscope\", \"input_cost_per_token\": 1e-06},\n"
    "\"gemini/tiered-x\": {\"litellm_provider\": \"gemini\", \"tiered_pricing\": [\n"
    "  {\"range\": [0, 32000], \"input_cost_per_token\": 1e-06, \"output_cost_per_token\": "
    "2e-06},\n"
    "  {\"range\": [32000, 128000], \"input_cost_per_token\": 3e-06, \"output_cost_per_token\": "
    "4e-06}]}}\n";

static const char genai[] =
    "[{\"id\": \"openai\", \"models\": [\n"
    "  {\"id\": \"G-One\", \"match\": {\"or\": [{\"equals\": \"g-one\"}, {\"starts_with\": "
    "\"g-one-2\"},\n"
    "    {\"and\": [{\"contains\": \"one\"}, {\"ends_with\": \"-x\"}]}]},\n"
    "   \"prices\": {\"input_mtok\": {\"base\": 1.25, \"tiers\": [{\"start\": 200000, \"price\": "
    "2.5}]},\n"
    "     \"output_mtok\": 10, \"web_searches_kcount\": 10}},\n"
    "  {\"id\": \"dated\", \"match\": {\"regex\": \"^dated(-v[0-9])?$\"}, \"prices\": [\n"
    "    {\"prices\": {\"input_mtok\": 10, \"output_mtok\": 40}},\n"
    "    {\"constraint\": {\"start_date\": \"2025-06-10\"}, \"prices\": {\"input_mtok\": 2, "
    "\"output_mtok\": 8}},\n"
    "    {\"constraint\": {\"start_time\": \"16:30:00Z\", \"end_time\": \"00:30:00Z\"},\n"
    "     \"prices\": {\"input_mtok\": 1, \"output_mtok\": 4}}]},\n"
    "  {\"id\": \"free-of-prices\", \"match\": {\"equals\": \"x\"}, \"prices\": {}}]},\n"
    " {\"id\": \"x-ai\", \"models\": [{\"id\": \"k\", \"match\": {\"equals\": \"k\"}, \"prices\":\n"
    "   {\"input_mtok\": {\"base\": 1, \"tiers\": [{\"start\": 200000, \"price\": 2}]}, "
    "\"output_mtok\": "
    "2}}]},\n"
    " {\"id\": \"huggingface_groq\", \"models\": [{\"id\": \"A/B\", \"match\": {\"equals\": "
    "\"A/B\"},\n"
    "   \"prices\": {\"input_mtok\": 0.15, \"output_mtok\": 0.6}}]},\n"
    " {\"id\": \"nobody-we-know\", \"models\": [{\"id\": \"z\", \"match\": {\"equals\": \"z\"}, "
    "\"prices\": {}}]}]\n";

static const char models_dev[] =
    "{\"openai\": {\"id\": \"openai\", \"models\": {\"m-one\": {\"id\": \"m-one\", \"cost\": "
    "{\"input\": "
    "2.5,\n"
    "  \"output\": 15, \"cache_read\": 0.25, \"tiers\": [{\"tier\": {\"size\": 272000}, \"input\": "
    "5,\n"
    "  \"output\": 22.5, \"cache_read\": 0.5}]}, \"experimental\": {\"modes\": {\"fast\": "
    "{\"cost\":\n"
    "  {\"input\": 5, \"output\": 30}, \"provider\": {\"body\": {\"service_tier\": "
    "\"priority\"}}}}}}}},\n"
    " \"google\": {\"models\": {\"m-two\": {\"cost\": {\"input\": 1, \"output\": 2, "
    "\"context_over_200k\":\n"
    "  {\"input\": 2, \"output\": 4}}}}}}\n";

static void import_text(const char *text, const struct price_import_options *options,
                        struct price_import_counts *ret_counts, struct price_book **ret_book)
{
    CLEANUP(price_import_free) struct price_import *im = price_import_new(options);
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    ck_assert_msg(
        price_import_add(im, str_from(text), "prices.json", PRICE_FORMAT_AUTO, NULL, &err) == 0,
        "%s", err.text);
    price_import_write(im, &out);
    *ret_counts = *price_import_counts(im);
    price_load(ret_book, "imported.yaml", buf_cstr(&out));
}

static const struct price_import_options plain = { .checked = STR_INIT("2026-08-01") };

START_TEST(trap_29_litellms_suffixes_are_tiers_and_steps)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct price_import_counts counts;

    import_text(litellm, &plain, &counts, &b);
    ck_assert_uint_eq(counts.entries, 7);
    ck_assert_uint_eq(counts.other_provider, 1);
    ck_assert_uint_eq(counts.no_price, 1);
    ck_assert_price(b, "0.25", PROVIDER_OPENAI, "gpt-x", .units = { USAGE_INPUT, M / 10 });
    ck_assert_price(b, "1.360005", PROVIDER_OPENAI, "gpt-x", .units = { USAGE_INPUT, 272001 });
    ck_assert_price(b, "1.36", PROVIDER_OPENAI, "gpt-x", .tier = "priority",
                    .units = { USAGE_INPUT, 272000 });
    ck_assert_price(b, "2.72001", PROVIDER_OPENAI, "gpt-x", .tier = "priority",
                    .units = { USAGE_INPUT, 272001 });
    ck_assert_price(b, "7.5", PROVIDER_OPENAI, "gpt-x", .tier = "batch",
                    .units = { USAGE_OUTPUT, M });
    ck_assert_price(
        b, "0.5", PROVIDER_OPENAI, "gpt-x",
        .units = { USAGE_INPUT, M / 10, USAGE_CACHE_WRITE, M / 10, USAGE_CACHE_WRITE_1H, M / 10 });
    ck_assert_price(
        b, "3", PROVIDER_OPENAI, "gpt-x",
        .units = { USAGE_INPUT, 300000, USAGE_CACHE_WRITE, 300000, USAGE_CACHE_WRITE_1H, 300000 });
    ck_assert_price(
        b, "0.00402", PROVIDER_OPENAI, "gpt-x",
        .units = { USAGE_INPUT, 100, USAGE_INPUT_AUDIO, 100, USAGE_OUTPUT, 1, USAGE_REASONING, 1 });
    ck_assert_price(b, "0.07", PROVIDER_OPENAI, "gpt-x", .units = { USAGE_WEB_SEARCHES, 2 });
    ck_assert_price(b, "0.4", PROVIDER_XAI, "grok-x", .units = { USAGE_INPUT, 200000 });
    ck_assert_price(b, "0.006", PROVIDER_OPENAI, "whisper-x", .units = { USAGE_AUDIO_MS, 60000 });
    ck_assert_price(b, "0.002", PROVIDER_COHERE, "rerank-x", .units = { USAGE_SEARCH_UNITS, 1 });
    ck_assert_price(b, "0.003", PROVIDER_MISTRAL, "ocr-x", .units = { USAGE_PAGES, 3 });
    ck_assert_price(b, "0.04", PROVIDER_OPENAI, "picture-x", .units = { USAGE_IMAGES, 1 });
    ck_assert_price(b, "0.099999", PROVIDER_GEMINI, "tiered-x",
                    .units = { USAGE_INPUT, 32001, USAGE_OUTPUT, 999 });
}
END_TEST

START_TEST(genai_prices_keep_rules_dates_and_hours)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct price_import_counts counts;

    import_text(genai, &plain, &counts, &b);
    ck_assert_uint_eq(counts.entries, 4);
    ck_assert_uint_eq(counts.no_price, 1);
    ck_assert_uint_eq(counts.other_provider, 1);
    ck_assert_price(b, "1.25", PROVIDER_OPENAI, "g-one", .units = { USAGE_OUTPUT, 125000 });
    ck_assert_price(b, "0.125", PROVIDER_OPENAI, "g-one-2026", .units = { USAGE_INPUT, 100000 });
    ck_assert_price(b, "0.5000025", PROVIDER_OPENAI, "the-one-x", .units = { USAGE_INPUT, 200001 });
    ck_assert_price(b, "0.01", PROVIDER_OPENAI, "g-one", .units = { USAGE_WEB_SEARCHES, 1 });
    ck_assert_price(b, "10", PROVIDER_OPENAI, "dated-v3", .at = "2025-06-09T12:00:00Z",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "2", PROVIDER_OPENAI, "dated", .at = "2025-06-10T12:00:00Z",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "1", PROVIDER_OPENAI, "dated", .at = "2025-06-10T20:00:00Z",
                    .units = { USAGE_INPUT, M });
    ck_assert_price(b, "0.4", PROVIDER_XAI, "k", .units = { USAGE_INPUT, 200000 });
    ck_assert_price(b, "0.15", PROVIDER_HUGGINGFACE, "a/b:groq", .units = { USAGE_INPUT, M });
}
END_TEST

START_TEST(models_dev_keeps_steps_and_the_fast_mode)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct price_import_counts counts;

    import_text(models_dev, &plain, &counts, &b);
    ck_assert_uint_eq(counts.entries, 2);
    ck_assert_price(b, "0.25", PROVIDER_OPENAI, "m-one", .units = { USAGE_INPUT, 100000 });
    ck_assert_price(b, "1.5", PROVIDER_OPENAI, "m-one", .units = { USAGE_INPUT, 300000 });
    ck_assert_price(b, "30", PROVIDER_OPENAI, "m-one", .tier = "priority",
                    .units = { USAGE_OUTPUT, M });
    ck_assert_price(b, "0.6", PROVIDER_GEMINI, "m-two", .units = { USAGE_INPUT, 300000 });
}
END_TEST

START_TEST(an_import_can_be_dated_sourced_and_narrowed)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    CLEANUP(price_findings_release) struct price_findings findings = { 0 };
    const enum provider only[] = { PROVIDER_XAI };
    struct price_import_options options = {
        .has_from = true,
        .from_us = US_PER_DAY * 20000, /* 2024-10-04 */
        .source = STR("contract \"A\""),
        .checked = STR("2026-08-01"),
        .providers = only,
        .provider_count = 1,
    };
    struct price_import_counts counts;

    import_text(litellm, &options, &counts, &b);
    ck_assert_uint_eq(counts.entries, 1);
    ck_assert_price(b, "1", PROVIDER_XAI, "grok-x", .at = "2024-10-04",
                    .units = { USAGE_INPUT, M / 2, USAGE_OUTPUT, 0 });
    ck_assert_no_price(b, PRICE_UNKNOWN_MODEL, PROVIDER_XAI, "grok-x", .at = "2024-10-03",
                       .units = { USAGE_INPUT, 1 });
    price_check(b, &findings);
    ck_assert_uint_eq(findings.len, 0);
}
END_TEST

static const struct {
    const char *text, *said;
} refused[] = {
    {"{",                                                               "prices.json"},
    { "[]",                                                             "shape"      },
    { "{\"a\": {\"b\": 1}}",                                            "shape"      },
    { "3",                                                              "shape"      },
    { "[{\"models\": [{\"id\": \"a\", \"match\": {\"like\": \"a\"}, \"prices\": {\"input_mtok\": "
      "1}}], "
      "\"id\": \"openai\"}]",                                      "rule"       },
    { "[{\"models\": [{\"id\": \"a\", \"prices\": [{\"constraint\": {\"start_date\": \"soon\"}, "
      "\"prices\": {\"input_mtok\": 1}}]}], \"id\": \"openai\"}]", "start_date" },
};

START_TEST(what_is_no_price_file_is_refused_with_a_reason)
{
    CLEANUP(price_import_free) struct price_import *im = price_import_new(&plain);
    struct err err;

    ck_assert_int_eq(price_import_add(im, str_from(refused[_i].text), "prices.json",
                                      PRICE_FORMAT_AUTO, NULL, &err),
                     -1);
    ck_assert_msg(strstr(err.text, refused[_i].said) != NULL, "%s", err.text);
}
END_TEST

START_TEST(absurd_numbers_and_repetitions_are_counted_not_kept)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    struct price_import_counts counts;

    import_text(
        "{\"a\": {\"litellm_provider\": \"openai\", \"input_cost_per_token\": -1,\n"
        "  \"output_cost_per_token\": 1e300, \"cache_read_input_token_cost\": 1e-06},\n"
        " \"openai/a\": {\"litellm_provider\": \"openai\", \"input_cost_per_token\": 1e-06},\n"
        " \"b\": {\"litellm_provider\": \"openai\", \"input_cost_per_token\": "
        "1.23456789012345678e-10}}",
        &plain, &counts, &b);
    ck_assert_uint_eq(counts.bad, 2);
    ck_assert_uint_eq(counts.repeated, 1);
    ck_assert_uint_eq(counts.entries, 2);
    ck_assert_uint_eq(counts.rounded, 1);
}
END_TEST

START_TEST(damaged_files_are_errors_never_crashes)
{
    static const char *const texts[] = { litellm, genai, models_dev };
    const char *text = texts[_i];
    size_t len = strlen(text);
    char *copy = mem_strdup(text);

    for (size_t i = 0; i < len; i++) {
        CLEANUP(price_import_free) struct price_import *cut = price_import_new(&plain);
        CLEANUP(price_import_free) struct price_import *flip = price_import_new(&plain);
        CLEANUP(buf_release) struct buf out = { 0 };
        struct err err;
        ck_assert_int_eq(price_import_add(cut, (struct str){ text, i }, "cut", PRICE_FORMAT_AUTO,
                                          NULL, &err) < 0,
                         i + 1 < len);
        copy[i] = (char)(copy[i] ^ (1 << i % 7));
        price_import_add(flip, (struct str){ copy, len }, "flip", PRICE_FORMAT_AUTO, NULL, &err);
        price_import_write(flip, &out);
        copy[i] = text[i];
    }
    free(copy);
}
END_TEST

/* --- the real files --- */

static const struct {
    const char *name;
    size_t entries; /* at least */
} real[] = {
    {"litellm_prices.json",               1700},
    { "prices/genai_prices_v2_data.json", 1100},
    { "prices/modelsdev_2026-07-02.json", 800 },
};

START_TEST(the_published_files_import_and_read_back)
{
    CLEANUP(price_book_free) struct price_book *b = NULL;
    CLEANUP(buf_release) struct buf text = { 0 };
    char path[SHARED_DATA_PATH_BYTES];
    struct price_import_counts counts;
    struct err err;

    if (!shared_data_find(real[_i].name, path))
        return;
    ck_assert_msg(file_read(path, 64 << 20, &text, &err) == 0, "%s", err.text);
    import_text(buf_cstr(&text), &plain, &counts, &b);
    ck_assert_uint_gt(counts.entries, real[_i].entries);
    ck_assert_uint_eq(counts.bad, 0);
    ck_assert_uint_eq(price_book_entry_count(b), counts.entries);
    printf("%s: %zu models, %zu of other providers, %zu without a price, %zu repeated\n",
           real[_i].name, counts.entries, counts.other_provider, counts.no_price, counts.repeated);
    if (_i < 2)
        ck_assert_price(b, "3", PROVIDER_ANTHROPIC, "claude-sonnet-4-5-20250929",
                        .units = { USAGE_INPUT, 100000, USAGE_OUTPUT, 180000 });
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, trap_29_litellms_suffixes_are_tiers_and_steps);
    tcase_add_test(tc, genai_prices_keep_rules_dates_and_hours);
    tcase_add_test(tc, models_dev_keeps_steps_and_the_fast_mode);
    tcase_add_test(tc, an_import_can_be_dated_sourced_and_narrowed);
    tcase_add_loop_test(tc, what_is_no_price_file_is_refused_with_a_reason, 0, ARRAY_LEN(refused));
    tcase_add_test(tc, absurd_numbers_and_repetitions_are_counted_not_kept);
    tcase_add_loop_test(tc, damaged_files_are_errors_never_crashes, 0, 3);
    tcase_add_loop_test(tc, the_published_files_import_and_read_back, 0, ARRAY_LEN(real));
}
CHECK_MAIN("llm/price_import", add_tests)
