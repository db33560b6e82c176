/* Recorded usages and costs of real providers, read as our own: the data lie beside the checkout,
 * not in it.  Every difference from what others extract is defended below, by a row that says why.
 */
#include "config.h"

#include "llm/call.h"

#include <inttypes.h>

#include "base/decimal.h"
#include "tests/check_main.h"
#include "tests/recorded.h"
#include "tests/shared_data.h"

/* --- what genai-prices extracts from 1,104 recorded usages --- */

enum wrapping {
    AS_CHAT,
    AS_RESPONSES,
    AS_EMBEDDINGS,
    AS_MESSAGES,
    AS_GEMINI,
    AS_BARE, /* Converse, Cohere */
};

static const char *const wrapping_heads[] = {
    [AS_CHAT] = "\"object\":\"chat.completion\",\"choices\":[{\"finish_reason\":\"stop\"}]",
    [AS_RESPONSES] = "\"object\":\"response\",\"status\":\"completed\"",
    [AS_EMBEDDINGS] = "\"object\":\"list\",\"data\":[]",
    [AS_MESSAGES] = "\"type\":\"message\",\"role\":\"assistant\",\"content\":[]",
    [AS_GEMINI] = "\"candidates\":[{\"finishReason\":\"STOP\"}]",
    [AS_BARE] = "\"id\":\"1\"",
};

struct extractor {
    const char *provider, *flavour;
    const char *host, *path;
    enum wrapping wrapping;
    enum provider as;
};

#define CHAT "/v1/chat/completions"
#define GPT  "/openai/deployments/a/"

static const struct extractor extractors[] = {
    {"openai",                "chat",       "api.openai.com",                          CHAT,                              AS_CHAT,       PROVIDER_OPENAI    },
    { "openai",               "responses",  "api.openai.com",                          "/v1/responses",                   AS_RESPONSES,  PROVIDER_OPENAI    },
    { "openai",               "embeddings", "api.openai.com",                          "/v1/embeddings",                  AS_EMBEDDINGS, PROVIDER_OPENAI    },
    { "azure",                "chat",       "r.openai.azure.com",                      GPT "chat/completions",            AS_CHAT,
     PROVIDER_AZURE_OPENAI                                                                                                                                  },
    { "azure",                "responses",  "r.openai.azure.com",                      "/openai/v1/responses",            AS_RESPONSES,
     PROVIDER_AZURE_OPENAI                                                                                                                                  },
    { "azure",                "embeddings", "r.openai.azure.com",                      GPT "embeddings",                  AS_EMBEDDINGS,
     PROVIDER_AZURE_OPENAI                                                                                                                                  },
    { "azure",                "anthropic",  "r.services.ai.azure.com",                 "/anthropic/v1/messages",          AS_MESSAGES,
     PROVIDER_AZURE_OPENAI                                                                                                                                  },
    { "anthropic",            "default",    "api.anthropic.com",                       "/v1/messages",                    AS_MESSAGES,
     PROVIDER_ANTHROPIC                                                                                                                                     },
    { "anthropic",            "chat",       "api.anthropic.com",                       CHAT,                              AS_CHAT,       PROVIDER_ANTHROPIC },
    { "google",               "default",    "generativelanguage.googleapis.com",
     "/v1beta/models/gemini-2.5-flash:generateContent",                                                                   AS_GEMINI,     PROVIDER_GEMINI    },
    { "google",               "chat",       "generativelanguage.googleapis.com",       "/v1beta/openai/chat/completions",
     AS_CHAT,                                                                                                                            PROVIDER_GEMINI    },
    { "google",               "anthropic",  "us-east5-aiplatform.googleapis.com",
     "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-x:rawPredict",                                 AS_MESSAGES,   PROVIDER_VERTEX    },
    { "aws",                  "default",    "bedrock-runtime.us-east-1.amazonaws.com", "/model/m/converse",               AS_BARE,
     PROVIDER_BEDROCK                                                                                                                                       },
    { "aws",                  "anthropic",  "bedrock-runtime.us-east-1.amazonaws.com", "/model/m/invoke",                 AS_MESSAGES,
     PROVIDER_BEDROCK                                                                                                                                       },
    { "mistral",              "default",    "api.mistral.ai",                          CHAT,                              AS_CHAT,       PROVIDER_MISTRAL   },
    { "groq",                 "default",    "api.groq.com",                            "/openai" CHAT,                    AS_CHAT,       PROVIDER_GROQ      },
    { "cohere",               "default",    "api.cohere.com",                          "/v2/chat",                        AS_BARE,       PROVIDER_COHERE    },
    { "cohere",               "embeddings", "api.cohere.com",                          "/v2/embed",                       AS_BARE,       PROVIDER_COHERE    },
    { "openrouter",           "chat",       "openrouter.ai",                           "/api" CHAT,                       AS_CHAT,       PROVIDER_OPENROUTER},
    { "deepseek",             "chat",       "api.deepseek.com",                        "/chat/completions",               AS_CHAT,       PROVIDER_DEEPSEEK  },
    { "x-ai",                 "chat",       "api.x.ai",                                CHAT,                              AS_CHAT,       PROVIDER_XAI       },
    { "x-ai",                 "default",    "api.x.ai",                                CHAT,                              AS_CHAT,       PROVIDER_XAI       },
    { "perplexity",           "default",    "api.perplexity.ai",                       "/chat/completions",               AS_CHAT,
     PROVIDER_PERPLEXITY                                                                                                                                    },
    { "cerebras",             "chat",       "api.cerebras.ai",                         CHAT,                              AS_CHAT,       PROVIDER_CEREBRAS  },
    { "fireworks",            "chat",       "api.fireworks.ai",                        "/inference" CHAT,                 AS_CHAT,       PROVIDER_FIREWORKS },
    { "zai",                  "chat",       "api.z.ai",                                "/api/paas/v4/chat/completions",   AS_CHAT,       PROVIDER_ZAI       },
    { "moonshotai",           "chat",       "api.moonshot.ai",                         CHAT,                              AS_CHAT,       PROVIDER_MOONSHOT  },
    { "minimax",              "chat",       "api.minimax.io",                          CHAT,                              AS_CHAT,       PROVIDER_MINIMAX   },
    { "huggingface_together", "chat",       "router.huggingface.co",                   "/together" CHAT,                  AS_CHAT,
     PROVIDER_HUGGINGFACE                                                                                                                                   },
};

/* Their name of each of our units; text is what the other modalities leave, and kept by nobody. */
static const struct {
    const char *name;
    enum usage_unit unit;
} golden_units[] = {
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

struct row {
    const struct extractor *extractor;
    const json_t *body, *usage; /* as recorded */
    const json_t *expected;
    struct usage got;
};

static int64_t member(const json_t *object, const char *a, const char *b)
{
    const json_t *value = json_get(object, a);

    if (b)
        value = json_get(value, b);
    return json_integer_value(value);
}

static void call_of(const struct extractor *e, struct str body, struct call *ret)
{
    *ret = (struct call){
        .method = STR("POST"),
        .host = str_from(e->host),
        .path = str_from(e->path),
        .request_body = STR("{}"),
        .status = 200,
        .response_body = body,
    };
}

static void read_row(struct row *row, struct arena *arena)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    char *text = json_dumps(row->body, JSON_COMPACT);
    struct call call;
    struct call_facts facts;

    buf_addf(&body, "{%s,%s", wrapping_heads[row->extractor->wrapping], text + 1);
    free(text);
    call_of(row->extractor, buf_str(&body), &call);
    call_read(&call, arena, &facts);
    ck_assert_int_eq(facts.provider, row->extractor->as);
    row->got = (struct usage){ 0 };
    for (size_t i = 0; i < facts.part_count; i++)
        usage_add_all(&row->got, &facts.parts[i].usage);
}

/* --- the differences we defend --- */

/* Whether the body has, at any depth, a member of that name with that value. */
static bool says(const json_t *value, const char *name, int64_t n)
{
    const char *key;
    json_t *child;
    size_t i;

    if (json_is_array(value))
        json_array_foreach((json_t *)(uintptr_t)value, i,
                           child) if (says(child, name, n)) return true;
    if (json_is_object(value))
        json_object_foreach((json_t *)(uintptr_t)value, key,
                            child) if ((strcmp(key, name) == 0 && json_is_integer(child) &&
                                        json_integer_value(child) == n) ||
                                       says(child, name, n)) return true;
    return false;
}

static bool is_stated(const struct row *row, const char *name, int64_t want, int64_t got)
{
    return want == 0 && says(row->body, name, got);
}

/* Reasoning inside the completion, says the total. */
static bool is_within_total(const struct row *row, const char *name, int64_t want, int64_t got)
{
    int64_t total = member(row->usage, "total_tokens", NULL);
    int64_t reasoning = member(row->usage, "completion_tokens_details", "reasoning_tokens");

    return row->extractor->as == PROVIDER_XAI && member(row->usage, name, NULL) == got &&
           want == got + reasoning && member(row->usage, "prompt_tokens", NULL) + got == total;
}

static bool is_rest_of_total(const struct row *row, const char *name, int64_t want, int64_t got)
{
    int64_t rest =
        member(row->usage, "total_tokens", NULL) - member(row->usage, "prompt_tokens", NULL);
    int64_t completion = member(row->usage, name, NULL);

    return row->extractor->as == PROVIDER_GEMINI &&
           (want == completion ? got == rest : got == rest - completion);
}

/* The sum over all iterations, cache included. */
static bool is_sum_of_iterations(const struct row *row, const char *name, int64_t want, int64_t got)
{
    const json_t *iterations = json_get(row->usage, "iterations");
    bool is_input = strcmp(name, "input_tokens") == 0;
    int64_t sum = 0;

    for (size_t i = 0; i < json_array_size(iterations); i++) {
        const json_t *it = json_array_get(iterations, i);
        sum += member(it, name, NULL);
        if (is_input)
            sum += member(it, "cache_read_input_tokens", NULL) +
                   member(it, "cache_creation_input_tokens", NULL);
    }
    return sum > want && got == sum;
}

static bool is_exclusive_input(const struct row *row, const char *name, int64_t want, int64_t got)
{
    return row->extractor->wrapping == AS_RESPONSES &&
           says(row->usage, "cache_creation_input_tokens",
                got - want - member(row->usage, name, NULL)) &&
           want == member(row->usage, "input_tokens", NULL);
}

static bool is_search_model(const struct row *row, const char *name, int64_t want, int64_t got)
{
    return want == 0 && got == 1 &&
           str_find(json_get_str(row->body, "model"), str_from(name), 0) >= 0;
}

static const struct defended {
    enum usage_unit unit;
    bool (*holds)(const struct row *row, const char *name, int64_t want, int64_t got);
    const char *name;
    const char *why;
} defended[] = {
    {USAGE_CACHED_INPUT,    is_stated,            "num_cached_tokens",
     "Mistral: num_cached_tokens are the cached ones of prompt_tokens"                                                     },
    { USAGE_CACHED_INPUT,   is_stated,            "cached_tokens",
     "OpenAI, xAI, Cerebras: cached_tokens are a part of the prompt; Together: the same, flat"                             },
    { USAGE_CACHED_INPUT,   is_stated,            "cache_read_input_tokens",
     "Anthropic: read from cache, whatever endpoint carried it"                                                            },
    { USAGE_CACHE_WRITE,    is_stated,            "cache_write_tokens",
     "OpenAI: the unadjusted number of prompt tokens written to cache"                                                     },
    { USAGE_CACHE_WRITE,    is_stated,            "cache_creation_input_tokens",
     "Anthropic: written to cache, whatever endpoint carried it"                                                           },
    { USAGE_CACHE_WRITE_5M, is_stated,            "ephemeral_5m_input_tokens",
     "Anthropic: cache_creation splits the writes by time to live, also on Bedrock and Vertex"                             },
    { USAGE_CACHE_WRITE_5M, is_stated,            "inputTokens",
     "Bedrock: cacheDetails splits cacheWriteInputTokens by ttl"                                                           },
    { USAGE_INPUT_AUDIO,    is_stated,            "audio_tokens",                "OpenAI: audio input tokens in the prompt"},
    { USAGE_INPUT_VIDEO,    is_stated,            "video_tokens",                "OpenRouter: video tokens in the prompt"  },
    { USAGE_REASONING,      is_stated,            "reasoning_tokens",
     "OpenAI: tokens generated for reasoning, a part of the output"                                                        },
    { USAGE_REASONING,      is_stated,            "thinking_tokens",             "Anthropic: a part of output_tokens"      },
    { USAGE_WEB_SEARCHES,   is_stated,            "web_search_requests",
     "Anthropic, OpenRouter: server tool requests, charged by the search"                                                  },
    { USAGE_WEB_SEARCHES,   is_search_model,      "-search-preview",
     "OpenAI, Web search: these models search before every answer and charge for it"                                       },
    { USAGE_OUTPUT,         is_within_total,      "completion_tokens",
     "xAI: total = prompt + completion + reasoning; here it is prompt + completion, so the "
      "reasoning is inside"                                                                                                },
    { USAGE_OUTPUT,         is_rest_of_total,     "completion_tokens",
     "Gemini, OpenAI compatibility: thoughts are billed as output and reported in the total "
      "only"                                                                                                               },
    { USAGE_REASONING,      is_rest_of_total,     "completion_tokens",
     "Gemini, OpenAI compatibility: thoughts are billed as output and reported in the total "
      "only"                                                                                                               },
    { USAGE_INPUT,          is_sum_of_iterations, "input_tokens",
     "Anthropic: the top level leaves out compaction and advisor iterations, which are billed"                             },
    { USAGE_OUTPUT,         is_sum_of_iterations, "output_tokens",
     "Anthropic: the top level leaves out compaction and advisor iterations, which are billed"                             },
    { USAGE_CACHE_WRITE,    is_stated,            "cache_creation_input_tokens", "Anthropic: of an iteration"              },
    { USAGE_INPUT,          is_exclusive_input,   "cache_read_input_tokens",
     "Anthropic: input_tokens leaves out what was read from or written to the cache"                                       },
};

static size_t defended_counts[ARRAY_LEN(defended)];

/* Every difference stands in the test's log with its reason: none hides in a count. */
static bool is_defended(const struct row *row, enum usage_unit unit, int64_t want, int64_t got)
{
    for (size_t i = 0; i < ARRAY_LEN(defended); i++) {
        if (defended[i].unit == unit && defended[i].holds(row, defended[i].name, want, got)) {
            defended_counts[i]++;
            printf("defended: %s, %s/%s: %s %" PRId64 ", set %" PRId64 ": %s\n",
                   json_string_value(json_get(row->body, "file")), row->extractor->provider,
                   row->extractor->flavour, usage_unit_name(unit), got, want, defended[i].why);
            return true;
        }
    }
    return false;
}

struct tally {
    size_t rows, equal, defended, wrong;
    size_t same_totals; /* rows of which all input and all output are equal */
};

static void compare_row(const struct row *row, struct tally *tally)
{
    bool is_equal = true, is_right = true, has_totals = true;

    for (size_t i = 0; i < ARRAY_LEN(golden_units); i++) {
        enum usage_unit unit = golden_units[i].unit;
        int64_t want = member(row->expected, golden_units[i].name, NULL);
        int64_t got = usage_has(&row->got, unit) ? row->got.n[unit] : 0;
        if (want == got)
            continue;
        is_equal = false;
        has_totals = has_totals && usage_unit_parent(unit) != USAGE_NONE;
        if (is_defended(row, unit, want, got))
            continue;
        is_right = false;
        char *text = json_dumps(row->body, JSON_COMPACT);
        printf("%s/%s: %s is %" PRId64 ", not %" PRId64 ", of %s\n", row->extractor->provider,
               row->extractor->flavour, golden_units[i].name, got, want, text);
        free(text);
    }
    tally->rows++;
    tally->same_totals += has_totals;
    tally->equal += is_equal;
    tally->defended += !is_equal && is_right;
    tally->wrong += !is_right;
}

static void compare_extractor(const json_t *item, const json_t *extracted, const json_t *named,
                              struct tally *tally)
{
    for (size_t i = 0; i < ARRAY_LEN(extractors); i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct row row = { .extractor = &extractors[i], .body = json_get(item, "body") };
        if (!str_eq(json_get_str(named, "provider_id"), str_from(extractors[i].provider)) ||
            !str_eq(json_get_str(named, "api_flavor"), str_from(extractors[i].flavour)))
            continue;
        row.usage = json_get(row.body, "usage");
        row.expected = json_get(extracted, "usage");
        read_row(&row, &arena);
        compare_row(&row, tally);
    }
}

static void compare_item(const json_t *item, struct tally *tally)
{
    const json_t *extracted = json_get(item, "extracted");

    for (size_t i = 0; i < json_array_size(extracted); i++) {
        const json_t *one = json_array_get(extracted, i);
        const json_t *names = json_get(one, "extractors");
        for (size_t k = 0; k < json_array_size(names); k++)
            compare_extractor(item, one, json_array_get(names, k), tally);
    }
}

START_TEST(every_golden_usage_is_extracted_or_the_difference_defended)
{
    char path[SHARED_DATA_PATH_BYTES];
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(json_decref) json_t *items = NULL;
    struct tally tally = { 0 };
    struct err err;

    if (!shared_data_find("usage/genai_prices_golden_usages.json", path))
        return;
    ck_assert_msg(json_parse(recorded_read(path, &text), &items, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < json_array_size(items); i++)
        compare_item(json_array_get(items, i), &tally);
    printf("golden usages: %zu bodies, %zu rows, %zu equal, %zu defended, %zu wrong\n",
           json_array_size(items), tally.rows, tally.equal, tally.defended, tally.wrong);
    for (size_t i = 0; i < ARRAY_LEN(defended); i++)
        if (defended_counts[i])
            printf("  %4zu x %s: %s\n", defended_counts[i], usage_unit_name(defended[i].unit),
                   defended[i].why);
    printf("  %zu rows agree on all of input and output\n", tally.same_totals);
    ck_assert_uint_gt(tally.rows, 1000);
    ck_assert_uint_eq(tally.wrong, 0);
}
END_TEST

/* --- recorded exchanges --- */

struct summary {
    size_t calls[PROVIDER_COUNT][API_COUNT][USAGE_SOURCE_COUNT];
    size_t lines, unrecognised, identities;
};

static bool is_reasonless(const struct call_facts *facts)
{
    return !facts->recognised_by || !facts->recognised_by[0];
}

/* Everything that is not known has a reason, and no part is more than its whole. */
static void check_facts(const struct call_facts *facts, const char *where)
{
    struct err err;
    bool is_known = facts->provider != PROVIDER_UNKNOWN && facts->api != API_UNKNOWN;

    ck_assert_msg(!is_reasonless(facts), "%s: no reason", where);
    ck_assert_msg(is_known || strlen(facts->recognised_by) > strlen("header"),
                  "%s: unrecognised because of '%s'", where, facts->recognised_by);
    ck_assert_msg(facts->usage_source == USAGE_SOURCE_REPORTED || facts->usage_note, "%s: no note",
                  where);
    ck_assert_msg((facts->usage_source == USAGE_SOURCE_UNKNOWN) == (facts->part_count == 0),
                  "%s: %zu parts", where, facts->part_count);
    ck_assert_msg(facts->billable || facts->part_count == 0, "%s: not billed, but used", where);
    for (size_t i = 0; i < facts->part_count; i++)
        ck_assert_msg(usage_check(&facts->parts[i].usage, &err) == 0, "%s: %s", where, err.text);
}

/* The identities measured over 3,642 recorded usages: input and output make up the total. */
static void check_total(const struct call *call, const struct call_facts *facts, const char *where,
                        struct summary *summary)
{
    static const char *const totals[] = { "\"total_tokens\"", "\"totalTokens\"",
                                          "\"totalTokenCount\"" };
    struct str body = call->response_body;
    const struct usage *usage = &facts->parts[0].usage;
    int64_t total = -1, output = usage_has(usage, USAGE_OUTPUT) ? usage->n[USAGE_OUTPUT] : 0;
    bool is_any = false; /* a Responses object repeats its tools' totals after its own */

    if (facts->part_count != 1 || facts->usage_source != USAGE_SOURCE_REPORTED)
        return;
    for (size_t i = 0; i < ARRAY_LEN(totals); i++) {
        struct str name = str_from(totals[i]);
        for (ptrdiff_t at = -1; (at = str_find(body, name, (size_t)(at + 1))) >= 0;) {
            size_t from = (size_t)at + name.len;
            while (from < body.len && (body.ptr[from] == ':' || body.ptr[from] == ' '))
                from++;
            size_t len = strspn(body.ptr + from, "0123456789");
            if (str_to_i64(str_sub(body, from, len), &total))
                is_any = is_any || total == usage->n[USAGE_INPUT] + output;
        }
    }
    if (total < 0 || !usage_has(usage, USAGE_INPUT))
        return;
    if (facts->api == API_RESPONSES ? !is_any : usage->n[USAGE_INPUT] + output != total)
        ck_abort_msg("%s: %" PRId64 " + %" PRId64 " is not the total %" PRId64, where,
                     usage->n[USAGE_INPUT], output, total);
    summary->identities++;
}

static void check_line(struct str text, const char *where, struct summary *summary)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(json_decref) json_t *line = NULL;
    static struct recorded_call recorded;
    struct call_facts facts;
    struct err err;

    ck_assert_msg(json_parse(text, &line, &err) == 0, "%s: %s", where, err.text);
    recorded_call_read(line, &arena, &recorded);
    call_read(&recorded.call, &arena, &facts);
    check_facts(&facts, where);
    check_total(&recorded.call, &facts, where, summary);
    summary->lines++;
    summary->calls[facts.provider][facts.api][facts.usage_source]++;
    if (facts.provider == PROVIDER_UNKNOWN || facts.api == API_UNKNOWN) {
        printf("  not recognised: %s: %s\n", where, facts.recognised_by);
        summary->unrecognised++;
    }
}

static void print_summary(const struct summary *summary)
{
    printf("exchanges: %zu lines, %zu not recognised, %zu totals checked\n", summary->lines,
           summary->unrecognised, summary->identities);
    for (int p = 0; p < PROVIDER_COUNT; p++) {
        for (int a = 0; a < API_COUNT; a++) {
            const size_t *n = summary->calls[p][a];
            if (n[0] + n[1] + n[2])
                printf("  %-16s %-18s %3zu reported %3zu estimated %3zu unknown\n",
                       provider_name((enum provider)p), api_name((enum api)a),
                       n[USAGE_SOURCE_REPORTED], n[USAGE_SOURCE_ESTIMATED],
                       n[USAGE_SOURCE_UNKNOWN]);
        }
    }
}

START_TEST(every_recorded_exchange_has_provider_and_api_or_a_reason)
{
    static const char *const files[] = { "openai", "anthropic", "bedrock",
                                         "google", "azure",     "other" };
    static struct summary summary;

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char name[128], path[SHARED_DATA_PATH_BYTES], where[256];
        CLEANUP(buf_release) struct buf text = { 0 };
        struct str rest, line;
        snprintf(name, sizeof(name), "cassettes/exchanges/%s.jsonl", files[i]);
        if (!shared_data_find(name, path))
            return;
        rest = recorded_read(path, &text);
        for (int n = 1; str_split(&rest, '\n', &line); n++) {
            snprintf(where, sizeof(where), "%s:%d", files[i], n);
            if (line.len)
                check_line(line, where, &summary);
        }
    }
    print_summary(&summary);
    ck_assert_uint_gt(summary.lines, 300);
    ck_assert_uint_lt(summary.unrecognised, summary.lines / 20);
    ck_assert_uint_gt(summary.identities, 100);
}
END_TEST

/* --- costs the providers reported --- */

/* The cost as the row has it, or with the upstream's part for a key of one's own. */
static void expected_cost(const json_t *row, i128 *ret)
{
    const json_t *usage = json_get(row, "usage");
    char text[64];
    i128 upstream;

    snprintf(text, sizeof(text), "%.17g", json_number_value(json_get(row, "cost_usd")));
    ck_assert_int_lt(decimal_parse(str_from(text), 12, ret), DECIMAL_BAD);
    if (!json_is_true(json_get(usage, "is_byok")))
        return;
    double more =
        json_number_value(json_get(json_get(usage, "cost_details"), "upstream_inference_cost"));
    snprintf(text, sizeof(text), "%.17g", more);
    ck_assert_int_lt(decimal_parse(str_from(text), 12, &upstream), DECIMAL_BAD);
    *ret += upstream;
}

/* Wraps the usage as the answer it came in. */
static void wrap_cost_row(const json_t *row, struct buf *body, struct call *ret)
{
    struct str url = json_get_str(row, "url");
    char *usage = json_dumps(json_get(row, "usage"), JSON_COMPACT);
    bool is_gemini = str_find(url, STR(":generateContent"), 0) >= 0;

    buf_addf(body, "{\"id\":\"x\",\"type\":\"message\",\"%s\":%s}",
             is_gemini ? "usageMetadata" : "usage", usage);
    free(usage);
    *ret = (struct call){ .method = STR("POST"), .request_body_missing = true, .status = 200 };
    if (str_eq(url, STR("grpc xai")))
        url = STR("https://api.x.ai/v1/chat/completions");
    recorded_url(url, ret);
    ret->response_body = buf_str(body);
}

static void check_cost_row(const json_t *row, const char *where)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf body = { 0 };
    struct str field = json_get_str(row, "cost_field");
    struct call call;
    struct call_facts facts;
    i128 expected;

    wrap_cost_row(row, &body, &call);
    call_read(&call, &arena, &facts);
    expected_cost(row, &expected);
    ck_assert_msg(facts.has_reported_cost, "%s: no cost", where);
    ck_assert_msg(facts.reported_cost_pusd == (int64_t)expected, "%s: %" PRId64 " is not %" PRId64,
                  where, facts.reported_cost_pusd, (int64_t)expected);
    ck_assert_msg(str_find(str_from(facts.reported_cost_field), field, 0) >= 0, "%s: from %s",
                  where, facts.reported_cost_field);
    ck_assert_msg(call_cost_is_estimate(str_from(facts.reported_cost_field)) ==
                      (str_find(field, STR("estimate"), 0) >= 0),
                  "%s: %s", where, facts.reported_cost_field);
}

START_TEST(costs_reported_by_providers_are_taken_to_the_last_digit)
{
    char path[SHARED_DATA_PATH_BYTES], where[64];
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str rest, line;
    size_t rows = 0;

    if (!shared_data_find("oracles/provider_reported_cost.jsonl", path))
        return;
    rest = recorded_read(path, &text);
    while (str_split(&rest, '\n', &line)) {
        CLEANUP(json_decref) json_t *row = NULL;
        struct err err;
        if (!line.len)
            continue;
        snprintf(where, sizeof(where), "cost row %zu", ++rows);
        ck_assert_msg(json_parse(line, &row, &err) == 0, "%s: %s", where, err.text);
        check_cost_row(row, where);
    }
    printf("reported costs: %zu rows, all equal\n", rows);
    ck_assert_uint_gt(rows, 20);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_golden_usage_is_extracted_or_the_difference_defended);
    tcase_add_test(tc, every_recorded_exchange_has_provider_and_api_or_a_reason);
    tcase_add_test(tc, costs_reported_by_providers_are_taken_to_the_last_digit);
}

CHECK_MAIN("llm/golden", add_tests)
