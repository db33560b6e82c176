#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "llm/price.h"
#include "tests/shared_data.h"

#include "tests/check_main.h"

/* The golden usages of genai-prices (pydantic/genai-prices at 47df840a5ab1,
 * tests/dataset/usages.json) carry the input and output price of each usage at each provider.  They
 * say no moment.  Every one of them follows from that repository's own price data at this one,
 * found by trying: after Claude 4.6's surcharge ended (2026-03-13), before GPT-5.6 luna became
 * cheaper (2026-07-30), and inside the hours 00:30 to 16:30 UTC, in which its DeepSeek prices are
 * not the night's. */
#define GOLDEN_AT "2026-06-15T12:00:00Z"

/* Providers of that set, and ours. */
static const struct {
    const char *theirs;
    enum provider ours;
} providers[] = {
    {"openai",      PROVIDER_OPENAI      },
    { "azure",      PROVIDER_AZURE_OPENAI},
    { "anthropic",  PROVIDER_ANTHROPIC   },
    { "google",     PROVIDER_GEMINI      },
    { "aws",        PROVIDER_BEDROCK     },
    { "mistral",    PROVIDER_MISTRAL     },
    { "cohere",     PROVIDER_COHERE      },
    { "deepseek",   PROVIDER_DEEPSEEK    },
    { "x-ai",       PROVIDER_XAI         },
    { "groq",       PROVIDER_GROQ        },
    { "openrouter", PROVIDER_OPENROUTER  },
    { "together",   PROVIDER_TOGETHER    },
    { "voyageai",   PROVIDER_VOYAGE      },
    { "perplexity", PROVIDER_PERPLEXITY  },
    { "cerebras",   PROVIDER_CEREBRAS    },
    { "fireworks",  PROVIDER_FIREWORKS   },
    { "zai",        PROVIDER_ZAI         },
    { "moonshotai", PROVIDER_MOONSHOT    },
    { "minimax",    PROVIDER_MINIMAX     },
};

static const struct {
    const char *theirs;
    enum usage_unit ours;
} units[] = {
    {"input_tokens",             USAGE_INPUT         },
    { "cache_read_tokens",       USAGE_CACHED_INPUT  },
    { "cache_write_tokens",      USAGE_CACHE_WRITE   },
    { "cache_write_5m_tokens",   USAGE_CACHE_WRITE_5M},
    { "cache_write_1h_tokens",   USAGE_CACHE_WRITE_1H},
    { "input_audio_tokens",      USAGE_INPUT_AUDIO   },
    { "input_image_tokens",      USAGE_INPUT_IMAGE   },
    { "input_video_tokens",      USAGE_INPUT_VIDEO   },
    { "cache_audio_read_tokens", USAGE_CACHED_AUDIO  },
    { "cache_image_read_tokens", USAGE_CACHED_IMAGE  },
    { "cache_video_read_tokens", USAGE_CACHED_VIDEO  },
    { "input_tool_tokens",       USAGE_TOOL_PROMPT   },
    { "output_tokens",           USAGE_OUTPUT        },
    { "output_reasoning_tokens", USAGE_REASONING     },
    { "output_audio_tokens",     USAGE_OUTPUT_AUDIO  },
    { "output_image_tokens",     USAGE_OUTPUT_IMAGE  },
    { "web_searches",            USAGE_WEB_SEARCHES  },
};

/* Models whose price there was last checked long before GOLDEN_AT and has changed since: priced at
 * the day of that check instead ("prices_checked" in its files). */
static const struct {
    const char *provider, *model, *at, *since;
} dated[] = {
    {"mistral",   "mistral-large-latest",  "2025-07-04",           "Mistral Large 3 since 2025-12-02"   },
    { "mistral",  "mistral-medium-latest", "2025-08-12",           "Mistral Medium 3.5 since 2026-05-22"},
    { "mistral",  "mistral-small-latest",  "2025-07-04",           "Mistral Small 4 since 2026-03-16"   },
    { "deepseek", "deepseek-reasoner",     "2025-07-12T12:00:00Z", "V3.1 since 2025-09-05"              },
};

/* Differences that stand, one by one. */
static const struct {
    const char *provider, *model;
    int rows; /* in the shared part of the set */
    const char *reason;
} defended[] = {
    {"openai",    "gpt-oss-120b",                    6,
     "open weights: OpenAI's price list (developers.openai.com/api/docs/pricing) does not sell "
      "it; "
      "the set prices it as OpenRouter does"                                     },
    { "azure",    "gpt-oss-120b",                    6,
     "Azure sells it at 0.15/0.60 USD (azure.microsoft.com, Azure AI Foundry models); the set "
      "falls "
      "back to the OpenAI entry above"                                           },
    { "openai",   "gpt-4o-audio-preview-2024-12-17", 2,
     "audio input is 40 USD per million tokens (platform.openai.com/docs/pricing, audio tokens), "
      "not "
      "the text price"                                                           },
    { "azure",    "gpt-4o-audio-preview-2024-12-17", 2, "as at OpenAI"           },
    { "google",   "gemini-2.0-flash-exp",            1,
     "experimental models of the Gemini API cost nothing (ai.google.dev/gemini-api/docs/models, "
      "experimental); 0 in LiteLLM's map until it was removed on 2026-03-12"     },
    { "deepseek", "deepseek-r1-distill-llama-70b",   2,
     "not a model of api.deepseek.com (api-docs.deepseek.com/quick_start/pricing): a Groq answer "
      "read "
      "as DeepSeek's"                                                            },
    { "mistral",  "ministral-8b-latest",             1,
     "output is 0.10 USD like input (mistral.ai/pricing), not 1.00"              },
    { "aws",      "claude-sonnet-4-5-20250929",      1,
     "401,468 tokens of input cost the long-context price on Bedrock too: 2 times input, 1.5 "
      "times "
      "output (LiteLLM's map, input_cost_per_token_above_200k_tokens); the set has it at Anthropic "
      "only"                                                                     },
    { "google",   "claude-sonnet-4-5-20250929",      1, "as at aws, on Vertex"   },
    { "cerebras", "qwen-3-coder-480b",               2,
     "the set has no price for it and writes 0; an unknown price is never 0 here"},
};

struct tally {
    const struct price_book *book;
    int priced;    /* rows with an expected price */
    int elsewhere; /* at a provider we do not name */
    int equal, unexplained;
    int defended[ARRAY_LEN(defended)];
};

static struct usage read_usage(const json_t *from)
{
    struct usage u = { 0 };
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)from, key, value)
    {
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
            if (strcmp(units[i].theirs, key) == 0)
                usage_set(&u, units[i].ours, json_integer_value(value));
    }
    return u;
}

static bool read_query(const char *provider, const char *model, struct price_query *ret)
{
    *ret = (struct price_query){ .model = str_from(model) };
    if (str_starts_with(str_from(provider), STR("huggingface_"))) {
        ret->provider = PROVIDER_HUGGINGFACE;
        ret->route = str_from(provider + strlen("huggingface_"));
    }
    for (size_t i = 0; i < ARRAY_LEN(providers); i++)
        if (strcmp(providers[i].theirs, provider) == 0)
            ret->provider = providers[i].ours;
    /* Their "google" is both the Gemini API and Vertex; only the latter sells Claude. */
    if (ret->provider == PROVIDER_GEMINI && strstr(model, "claude"))
        ret->provider = PROVIDER_VERTEX;
    const char *at = GOLDEN_AT;
    for (size_t i = 0; i < ARRAY_LEN(dated); i++)
        if (strcmp(dated[i].provider, provider) == 0 && strcmp(dated[i].model, model) == 0)
            at = dated[i].at;
    ck_assert(timestamp_parse(str_from(at), &ret->at_us));
    return ret->provider != PROVIDER_UNKNOWN;
}

static bool is_price(i128 ours, struct str theirs)
{
    i128 want;

    return decimal_parse(theirs, PUSD_SCALE, &want) == DECIMAL_OK && want == ours;
}

static void explain(struct tally *t, const char *provider, const char *model,
                    const struct price_result *r, const json_t *row)
{
    char in[DECIMAL_TEXT_BYTES], out[DECIMAL_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(defended); i++) {
        if (strcmp(defended[i].provider, provider) == 0 && strcmp(defended[i].model, model) == 0) {
            t->defended[i]++;
            return;
        }
    }
    t->unexplained++;
    printf("%s %s: status %d, entry '%.*s': input %s, want %s; output %s, want %s\n", provider,
           model, r->status, STR_ARG(r->entry), decimal_format(r->input_pusd, PUSD_SCALE, in),
           json_string_value(json_object_get(row, "input_price")),
           decimal_format(r->output_pusd, PUSD_SCALE, out),
           json_string_value(json_object_get(row, "output_price")));
}

static void check_row(struct tally *t, const char *model, const struct usage *usage,
                      const json_t *row)
{
    struct str input = json_get_str(row, "input_price"), output = json_get_str(row, "output_price");
    const char *provider = json_string_value(json_object_get(row, "provider_id"));
    struct price_query query;
    struct price_result r;

    if (!input.ptr || !output.ptr)
        return;
    t->priced++;
    if (!read_query(provider, model, &query)) {
        t->elsewhere++;
        return;
    }
    price_of(t->book, &query, usage, &r);
    struct str total = json_get_str(row, "total_price");
    if (r.status == PRICE_OK && is_price(r.input_pusd, input) && is_price(r.output_pusd, output) &&
        (!total.ptr || is_price(r.cost_pusd, total)))
        t->equal++;
    else
        explain(t, provider, model, &r, row);
}

static void check_all(struct tally *t, const json_t *set)
{
    size_t i, j, k;
    json_t *item, *extracted, *row;

    json_array_foreach(set, i, item)
    {
        const json_t *body = json_object_get(item, "body");
        const json_t *model = json_get(body, "model");
        if (!model)
            model = json_get(body, "modelVersion");
        json_array_foreach(json_object_get(item, "extracted"), j, extracted)
        {
            struct usage usage = read_usage(json_object_get(extracted, "usage"));
            json_array_foreach(json_object_get(extracted, "extractors"), k, row)
            {
                if (json_is_string(model))
                    check_row(t, json_string_value(model), &usage, row);
            }
        }
    }
}

static void load_book(struct price_book **book)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    struct err err;

    snprintf(path, sizeof(path), "%s/share/prices", srcdir ? srcdir : ".");
    ck_assert_msg(price_book_load(book, path, &err) == 0, "%s", err.text);
}

START_TEST(input_and_output_cost_what_the_golden_set_says_to_the_last_digit)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(json_decref) json_t *set = NULL;
    char path[SHARED_DATA_PATH_BYTES];
    struct err err;
    int defended_rows = 0;

    if (!shared_data_find("usage/genai_prices_golden_usages.json", path))
        return;
    load_book(&book);
    ck_assert_msg(file_read(path, 64 << 20, &text, &err) == 0, "%s", err.text);
    ck_assert_msg(json_parse(buf_str(&text), &set, &err) == 0, "%s", err.text);
    struct tally t = { .book = book };
    check_all(&t, set);
    for (size_t i = 0; i < ARRAY_LEN(defended); i++) {
        defended_rows += t.defended[i];
        ck_assert_msg(t.defended[i] == defended[i].rows, "%s %s: %d rows differ, %d are defended",
                      defended[i].provider, defended[i].model, t.defended[i], defended[i].rows);
    }
    printf("golden prices: %d rows, %d at providers outside our list, %d equal, %d defended\n",
           t.priced, t.elsewhere, t.equal, defended_rows);
    ck_assert_int_eq(t.unexplained, 0);
    ck_assert_int_gt(t.equal, 2000);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, input_and_output_cost_what_the_golden_set_says_to_the_last_digit);
}
CHECK_MAIN("llm/price_golden", add_tests)
