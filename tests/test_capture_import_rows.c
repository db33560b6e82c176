/* Tables of usage: what their columns say arrives exactly, whatever they are called. */
#include "config.h"

#include "capture/import.h"

#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/timestamp.h"
#include "capture/import_map.h"
#include "check_main.h"
#include "import_sample.h"
#include "shared_data.h"

static struct sample sample;

static void setup(void)
{
    temp_folder_make();
    sample_open(&sample, "archive");
}

static void teardown(void)
{
    sample_close(&sample);
    temp_folder_remove();
}

#define USAGE(unit) "facts.parts.0.usage." unit

/* A table of one row, as each source writes it, and some of what must come of it. */
static const struct {
    const char *text;
    const char *map; /* that is found */
    struct {
        const char *path, *want;
    } want[14];
} tables[] = {
    {"TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n",
     "azure-trace",                                                                                                            { { "started_at", "2023-11-16T18:15:46.680590Z" },
        { USAGE("input_tokens"), "374" },
        { USAGE("output_tokens"), "44" },
        { "facts.provider", "azure.ai.openai" },
        { "facts.api", "usage_row" },
        { "facts.usage_source", "reported" } }                         },
    { "time_unix,time_utc,user_id,main_model,weak_model,editor_model,edit_format,prompt_tokens,"
      "completion_tokens,total_tokens,cost_usd\n"
      "1723560043,x,u-1,openrouter/anthropic/claude-3.5-sonnet,,,diff,638,25,663,"
      "1.4999999999999999e-05\n",                                                                  "aider",
     { { "started_at", "2024-08-13T14:40:43Z" },
        { "facts.provider", "openrouter" },
        { "facts.model", "anthropic/claude-3.5-sonnet" },
        { "facts.reported_cost_usd", "0.000015000000" },
        { "app", "aider" },
        { "labels.edit_format", "diff" } }                                                },
    { "{\"event\":\"message_send\",\"properties\":{\"main_model\":\"o3-mini\",\"prompt_tokens\":5,"
      "\"completion_tokens\":6,\"cost\":0.25},\"user_id\":\"u\",\"time\":1723560043}\n"
      "{\"event\":\"exit\",\"properties\":{},\"user_id\":\"u\",\"time\":1723560044}\n",            "aider-analytics",
     { { "facts.provider", "openai" },
        { "facts.model", "o3-mini" },
        { USAGE("input_tokens"), "5" },
        { "facts.reported_cost_usd", "0.250000000000" } }                                 },
    { "request_id,call_type,api_key,spend,total_tokens,prompt_tokens,completion_tokens,startTime,"
      "endTime,completionStartTime,model,model_group,custom_llm_provider,api_base,\"user\","
      "metadata,"
      "team_id,end_user,status\n"
      "r-1,acompletion,sk-raw,0.0125,30,20,10,2026-10-01 10:00:00.5,2026-10-01 10:00:02.5,"
      "2026-10-01 10:00:01,azure/gpt-4o-eu,gpt-4o,azure,https://x.openai.azure.com/?api-key=k1,u1,"
      "\"{\"\"usage_object\"\": {\"\"prompt_tokens_details\"\": {\"\"cached_tokens\"\": 8}}}\","
      "team-a,eu-1,success\n",                                                                     "litellm-spend",
     { { "facts.provider", "azure.ai.openai" },
        { "facts.model", "gpt-4o-eu" },
        { "facts.model_requested", "gpt-4o" },
        { "facts.api", "chat" },
        { "facts.response_id", "r-1" },
        { "end_us", "2000000" },
        { "first_token_us", "500000" },
        { "team", "team-a" },
        { USAGE("cached_input_tokens"), "8" },
        { USAGE("input_tokens"), "20" },
        { "facts.reported_cost_usd", "0.012500000000" },
        { "status", "200" } }                                                             },
    { "[\n {\"request_id\":\"r-2\",\"call_type\":\"aembedding\",\"spend\":1e-7,\"prompt_tokens\":3,"
      "\"completion_tokens\":0,\"startTime\":\"2026-10-01T10:00:00Z\",\"model\":\"voyage/"
      "voyage-3\","
      "\"metadata\":{\"user_api_key_team_alias\":\"cx\",\"usage_object\":{\"prompt_tokens_"
      "details\":"
      "{\"cached_tokens\":1}}},\"status\":\"failure\"}\n]",                                        "litellm-spend",
     { { "facts.provider", "voyage" },
        { "facts.model", "voyage-3" },
        { "facts.api", "embeddings" },
        { "team", "cx" },
        { USAGE("cached_input_tokens"), "1" },
        { "facts.error_code", "failure" },
        { "facts.error_class", "transport" }, /* why is not said */
        { "status", "" } }                                                                },
    { "[{\"request_id\":\"r-3\",\"spend\":0,\"prompt_tokens\":0,\"completion_tokens\":0,"
      "\"startTime\":\"2026-10-01T10:00:00Z\",\"model\":\"gpt-4o\",\"status\":\"failure\","
      "\"metadata\":\"{\\\"error_information\\\":{\\\"error_code\\\":\\\"429\\\",\\\"error_"
      "class\\\":"
      "\\\"RateLimitError\\\"}}\"}]",                                                              "litellm-spend",
     { { "facts.error_code", "RateLimitError" }, { "facts.error_class", "rate_limited" } }},
    { "[{\"request_id\":\"r-4\",\"spend\":0,\"prompt_tokens\":0,\"completion_tokens\":0,"
      "\"startTime\":\"2026-10-01T10:00:00Z\",\"model\":\"gpt-4o\",\"status\":\"failure\","
      "\"metadata\":{\"error_information\":{\"error_code\":503,\"error_class\":\"Exception\"}}}]", "litellm-spend",
     { { "facts.error_code", "Exception" }, { "facts.error_class", "status_5xx" } }       },
    { "start_time\tend_time\tproject_id\tnum_model_requests\tuser_id\tapi_key_id\tmodel\tbatch\t"
      "service_tier\tinput_tokens\toutput_tokens\tinput_cached_tokens\tinput_audio_tokens\n"
      "1759622400\t1759708800\tp1\t10.0\tu\tkey_1\tgpt-4o-2024-08-06\tTRUE\tdefault\t59200.0\t"
      "10646.0\t5760.0\t0.0\n"
      "1759708800\t1759795200\t\t\t\t\t\t\t\t\t\t\t\n",                                            "openai-usage",
     { { "started_at", "2025-10-05T00:00:00Z" },
        { "requests", "10" },
        { "facts.provider", "openai" },
        { "facts.service_tier", "batch" },
        { USAGE("input_tokens"), "59200" },
        { USAGE("cached_input_tokens"), "5760" },
        { USAGE("input_audio_tokens"), "0" },
        { "labels.openai_project", "p1" } }                                               },
    { "{\n \"object\": \"page\",\n \"data\": [\n  {\"object\":\"bucket\",\"start_time\":1759622400,"
      "\"end_time\":1759708800,\"results\":[]},\n  {\"start_time\":1759708800,\"end_time\":"
      "1759795200,\"results\":[{\"object\":\"r\",\"input_tokens\":100,\"output_tokens\":7,"
      "\"input_cached_tokens\":0,\"num_model_requests\":3,\"model\":\"gpt-5\",\"batch\":false}]}\n "
      "],\n \"has_more\": false\n}\n",                                                             "openai-usage-api",
     { { "started_at", "2025-10-06T00:00:00Z" },
        { "requests", "3" },
        { "facts.model", "gpt-5" },
        { USAGE("input_tokens"), "100" } }                                                },
    { "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
      "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
      "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
      "web_search_count,inference_geo,speed\n"
      "2026-10-01,claude-haiku-4-5,build,Default,standard,\xe2\x89\xa4 200k,100,20,30,400,50,2,us,"
      "standard\n",                                                                                "anthropic-usage",
     { { "started_at", "2026-10-01T00:00:00Z" },
        { USAGE("input_tokens"), "550" }, /* all input: the parts stand beside it in the export */
        { USAGE("cached_input_tokens"), "400" },
        { USAGE("cache_write_tokens"), "50" },
        { USAGE("cache_write_1h_tokens"), "30" },
        { USAGE("output_tokens"), "50" },
        { USAGE("web_searches"), "2" },
        { "facts.geo", "us" },
        { "facts.service_tier", "default" },
        { "facts.variant", "short context" },
        { "labels.context_window", "\xe2\x89\xa4 200k" } }                                },
    { "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
      "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
      "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,"
      "web_search_count,inference_geo,speed\n"
      "2026-10-01,claude-opus-5,build,Default,standard,200k-1M,100,0,0,0,50,0,,fast\n",            "anthropic-usage",
     { { "facts.service_tier", "fast" }, /* a speed bought on top of the tier */
        { "facts.variant", "long context" },
        { "labels.speed", "fast" } }                                                      },
    { "{\"data\":[{\"starting_at\":\"2026-10-01T00:00:00Z\",\"ending_at\":\"2026-10-02T00:00:00Z\","
      "\"results\":[{\"uncached_input_tokens\":10,\"cache_creation\":{\"ephemeral_1h_input_"
      "tokens\":"
      "1,\"ephemeral_5m_input_tokens\":2},\"cache_read_input_tokens\":30,\"output_tokens\":4,"
      "\"server_tool_use\":{\"web_search_requests\":5},\"model\":\"claude-opus-4-6\",\"service_"
      "tier\":"
      "\"batch\",\"api_key_id\":null}]}],\"has_more\":false}",                                     "anthropic-usage-api",
     { { USAGE("input_tokens"), "43" },
        { USAGE("cache_write_tokens"), "3" },
        { USAGE("web_searches"), "5" },
        { "facts.model", "claude-opus-4-6" },
        { "facts.variant", "short context" },
        { "facts.service_tier", "batch" } }                                               },
    { "{\"data\":[{\"starting_at\":\"2026-10-01T00:00:00Z\",\"results\":[{"
      "\"uncached_input_tokens\":10,\"output_tokens\":4,\"model\":\"claude-sonnet-4-5\","
      "\"service_tier\":\"batch\",\"speed\":\"standard\",\"context_window\":\"200k-1M\"}]}]}",     "anthropic-usage-api",
     { { "facts.variant", "long context" }, { "facts.service_tier", "batch" } }           },
    { "\xef\xbb\xbfstarted_at;model;input_tokens;output_tokens;cost_usd;app;label.order;requests\n"
      "2026-10-01T12:00:00+02:00;claude-sonnet-4-5;10;20;1.5;shop;\"a;b\";2\n",                    "generic",
     { { "started_at", "2026-10-01T10:00:00Z" },
        { "facts.provider", "anthropic" },
        { "app", "shop" },
        { "labels.order", "a;b" },
        { "requests", "2" },
        { "facts.reported_cost_usd", "1.500000000000" } }                                 },
    { "{\"started_at\":\"2026-10-01\",\"model\":\"grok-4\",\"input_tokens\":1,\"output_tokens\":2,"
      "\"end_user\":\"bob\",\"status\":429}\n",                                                    "generic",
     { { "facts.provider", "x_ai" },
        { "facts.error_class", "rate_limited" },
        { "status", "429" } }                                                             },
};

START_TEST(a_table_is_found_by_its_columns_and_read)
{
    char by[64];

    sample_text(&sample, str_from(tables[_i].text), IMPORT_AUTO);
    ck_assert_msg(sample.result == 0, "%s", sample.err.text);
    ck_assert_msg(sample.stats.added == 1 && sample.stats.bad == 0, "%d added, %d bad: %s",
                  (int)sample.stats.added, (int)sample.stats.bad, sample.reasons[0].text);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    const json_t *x = json_array_get(lines, 0);
    snprintf(by, sizeof(by), "map %s", tables[_i].map);
    ck_assert_member(x, "facts.recognised_by", by);
    for (size_t i = 0; i < ARRAY_LEN(tables[0].want) && tables[_i].want[i].path; i++)
        ck_assert_member(x, tables[_i].want[i].path, tables[_i].want[i].want);
    sample_text(&sample, str_from(tables[_i].text), IMPORT_AUTO);
    ck_assert_uint_eq(sample.stats.added, 0);
    ck_assert_uint_eq(sample.stats.already, 1);
}
END_TEST

#define GENERIC                                                                                    \
    "started_at,model,input_tokens,cached_input_tokens,output_tokens,cost_usd,requests\n"
#define GOOD "2026-10-01,gpt-5,10,,20,,\n"

static const struct {
    const char *row, *reason;
} bad_rows[] = {
    {"2026-10-01,gpt-5,ten,,20,,",                   "input_tokens is 'ten'"          },
    { "2026-10-01,gpt-5,1.5,,20,,",                  "input_tokens is '1.5'"          },
    { "2026-10-01,gpt-5,-1,,20,,",                   "negative"                       },
    { "2026-10-01,gpt-5,99999999999999999999,,20,,", "input_tokens"                   },
    { "2026-10-01,gpt-5,2000000000,,20,,",           ""                               },
    { "2026-10-01,gpt-5,10,11,20,,",                 ""                               }, /* a part beyond its whole */
    { "2026-10-01,gpt-5,10,,20,free,",               "cost is 'free'"                 },
    { "2026-10-01,gpt-5,10,,20,-1,",                 "cost"                           },
    { "2026-10-01,gpt-5,10,,20,1e6,",                "a million"                      },
    { "someday,gpt-5,10,,20,,",                      "started_at is 'someday'"        },
    { ",gpt-5,10,,20,,",                             "carries no time"                },
    { "2026-10-01,gpt-5,10,,20,,many",               "requests is 'many'"             },
    { "2026-10-01,gpt-5,,,,,",                       "neither token counts nor a cost"},
    { "2026-10-01,gpt-5,10,,20",                     "5 fields where the header has 7"},
    { "2026-10-01,gpt-5,10,,20,,,x",                 "8 fields"                       },
    { "2026-10-01,\"gpt\"-5,10,,20,,",               ""                               }, /* bytes behind a closing quote */
};

START_TEST(a_bad_row_is_named_and_those_around_it_are_kept)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, GENERIC GOOD "%s\n" GOOD, bad_rows[_i].row);
    sample_text(&sample, buf_str(&text), IMPORT_ROWS);
    ck_assert_stats(&sample, 3, 2, 0, 1);
    ck_assert_uint_eq(sample.reasons[0].line, 3);
    ck_assert_msg(strstr(sample.reasons[0].text, bad_rows[_i].reason) != NULL, "%s",
                  sample.reasons[0].text);
}
END_TEST

START_TEST(a_row_that_sums_many_requests_may_hold_as_many_tokens)
{
    sample_text(&sample,
                STR(GENERIC "2026-10-01,gpt-5,30000000000,,20,,100\n"
                            "2026-10-01,gpt-5,10,,20,,0\n"),
                IMPORT_ROWS);
    ck_assert_uint_eq(sample.stats.added, 1);
    ck_assert_uint_eq(sample.stats.ignored, 1);
    ck_assert_uint_eq(sample.stats.bad, 0);
}
END_TEST

START_TEST(a_table_nobody_knows_names_the_maps_there_are)
{
    sample_text(&sample, STR("a,b,c\n1,2,3\n"), IMPORT_AUTO);
    ck_assert_int_eq(sample.result, -1);
    ck_assert_int_eq(sample.err.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sample.err.text, "azure-trace"));
    ck_assert_ptr_nonnull(strstr(sample.err.text, "--map"));
    sample.options.map = "azure-trce";
    sample_text(&sample, STR("a,b,c\n1,2,3\n"), IMPORT_AUTO);
    ck_assert_ptr_nonnull(strstr(sample.err.text, "no map is called 'azure-trce'"));
    sample.options.map = "azure-trace";
    sample_text(&sample, STR("a,b,c\n1,2,3\n"), IMPORT_AUTO);
    ck_assert_ptr_nonnull(strstr(sample.err.text, "header line"));
}
END_TEST

START_TEST(a_map_of_ones_own_says_what_columns_mean)
{
    sample.options.map = sample_file("own.yaml", STR("map: own\n"
                                                     "input: exclusive\n"
                                                     "output: exclusive\n"
                                                     "zero_cost: unknown\n"
                                                     "nulls: [\"-\"]\n"
                                                     "columns:\n"
                                                     "  started_at: [at, when]\n"
                                                     "  model: m\n"
                                                     "  input_tokens: in\n"
                                                     "  cached_input_tokens: hit\n"
                                                     "  output_tokens: out\n"
                                                     "  reasoning_tokens: think\n"
                                                     "  cost_cents: cents\n"
                                                     "values: {model: {big: gpt-5}}\n"
                                                     "models: [{match: \"x:*\", provider: groq, "
                                                     "strip: \"x:\"}]\n"
                                                     "constants: {team: t, label.from: own}\n"));
    sample_text(&sample,
                STR("at|when|m|in|hit|out|think|cents\n"
                    "-|2026-10-01|big|10|5|7|3|12.5\n"
                    "2026-10-02|-|x:llama|1|-|-|-|0\n"),
                IMPORT_AUTO);
    ck_assert_stats(&sample, 2, 2, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_member(lines, "0.facts.model", "gpt-5");
    ck_assert_member(lines, "0." USAGE("input_tokens"), "15");
    ck_assert_member(lines, "0." USAGE("output_tokens"), "10");
    ck_assert_member(lines, "0.facts.reported_cost_usd", "0.125000000000");
    ck_assert_member(lines, "0.team", "t");
    ck_assert_member(lines, "0.labels.from", "own");
    ck_assert_member(lines, "1.facts.provider", "groq");
    ck_assert_member(lines, "1.facts.model", "llama");
    ck_assert_member(lines, "1.facts.reported_cost_usd", "");
    ck_assert_member(lines, "1." USAGE("output_tokens"), "");
}
END_TEST

static const struct {
    const char *text, *place, *hint;
} wrong_maps[] = {
    {"columns: {started_at: a}\n",                           "m.yaml:1:1",  "map: NAME"                  },
    { "map: x\n",                                            "m.yaml:1:1",  "names no columns"           },
    { "map: x\ncolumns: {input_token: a}\n",                 "m.yaml:2:11", "did you mean 'input_tokens'"},
    { "map: x\ncolumns: {colour: a}\n",                      "m.yaml:2:11", "label.colour"               },
    { "map: x\ncolums: {started_at: a}\n",                   "m.yaml:2:1",  "columns"                    },
    { "map: x\ninput: exclusiv\ncolumns: {started_at: a}\n", "m.yaml:2:8",  "inclusive"                  },
    { "map: x\nmodels: [{match: a, provider: nobody}]\n",    "m.yaml:2:31", "no provider"                },
    { "map: x\ntime: {unit: h, from: at}\n",                 "m.yaml:2:7",  "unit"                       },
    { "map: x\ncolumns: {started_at: {a: b}}\n",             "m.yaml:2:23", ""                           },
    { "- x\n",                                               "m.yaml",      "map: NAME"                  },
};

START_TEST(a_wrong_map_says_where_and_what_to_write)
{
    struct import_map *m = NULL;
    struct err err = { 0 };

    ck_assert_msg(import_map_parse(str_from(wrong_maps[_i].text), "m.yaml", &m, &err) < 0, "%s",
                  wrong_maps[_i].text);
    ck_assert_msg(strncmp(err.text, wrong_maps[_i].place, strlen(wrong_maps[_i].place)) == 0, "%s",
                  err.text);
    ck_assert_msg(strstr(err.text, wrong_maps[_i].hint) != NULL, "%s", err.text);
    ck_assert_int_eq(err.code, ERR_USAGE);
}
END_TEST

static const struct {
    const char *text;
    enum provider provider;
    const char *model;
} models[] = {
    {"gpt-4o-mini",                                           PROVIDER_OPENAI,       "gpt-4o-mini"                    },
    { "openai/gpt-5",                                         PROVIDER_OPENAI,       "gpt-5"                          },
    { "openrouter/anthropic/claude-3.5-sonnet",               PROVIDER_OPENROUTER,
     "anthropic/claude-3.5-sonnet"                                                                                    },
    { "gemini/gemini-2.5-pro",                                PROVIDER_GEMINI,       "gemini-2.5-pro"                 },
    { "deepseek/deepseek-chat",                               PROVIDER_DEEPSEEK,     "deepseek-chat"                  },
    { "azure/my-deployment",                                  PROVIDER_AZURE_OPENAI, "my-deployment"                  },
    { "bedrock/us.anthropic.claude-3-5-sonnet-20241022-v2:0", PROVIDER_BEDROCK,
     "us.anthropic.claude-3-5-sonnet-20241022-v2:0"                                                                   },
    { "vertex_ai/claude-sonnet-4",                            PROVIDER_VERTEX,       "claude-sonnet-4"                },
    { "fireworks_ai/accounts/fireworks/models/deepseek-v3",   PROVIDER_FIREWORKS,
     "accounts/fireworks/models/deepseek-v3"                                                                          },
    { "ollama_chat/qwen",                                     PROVIDER_OLLAMA,       "qwen"                           },
    { "github/gpt-4o",                                        PROVIDER_COMPATIBLE,   "gpt-4o"                         },
    { "meta-llama/llama-3-8b",                                PROVIDER_UNKNOWN,      "meta-llama/llama-3-8b"          },
    { "ft:o4-mini-2025-04-16:acme::Ab1",                      PROVIDER_OPENAI,       "ft:o4-mini-2025-04-16:acme::Ab1"},
    { "us.anthropic.claude-3-5-sonnet-20241022-v2:0",         PROVIDER_BEDROCK,
     "us.anthropic.claude-3-5-sonnet-20241022-v2:0"                                                                   },
    { "claude-3-5-haiku-20241022",                            PROVIDER_ANTHROPIC,    "claude-3-5-haiku-20241022"      },
    { "o3-mini",                                              PROVIDER_OPENAI,       "o3-mini"                        },
    { "house-model",                                          PROVIDER_UNKNOWN,      "house-model"                    },
};

START_TEST(a_models_prefix_says_whose_it_is)
{
    struct import_map none = { 0 };
    enum provider provider = PROVIDER_COUNT;
    struct str model;

    import_map_split_model(&none, str_from(models[_i].text), &provider, &model);
    ck_assert_str_eq(provider_name(provider), provider_name(models[_i].provider));
    ck_assert(str_eq(model, str_from(models[_i].model)));
}
END_TEST

START_TEST(a_trace_with_relative_times_needs_to_know_when_it_was)
{
    struct str text = STR("{\"timestamp\": 2500, \"input_length\": 6758, \"output_length\": 500, "
                          "\"hash_ids\": [0, 1]}\n");

    sample_text(&sample, text, IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 0, 0, 1);
    ck_assert_uint_eq(sample.stats.no_time, 1);
    sample.options.has_at = true;
    ck_assert(timestamp_parse(STR("2025-01-01"), &sample.options.at_us));
    sample_text(&sample, text, IMPORT_AUTO);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_member(lines, "0.started_at", "2025-01-01T00:00:02.500000Z");
}
END_TEST

/* Sums a column of the exported ledger: a decimal times 10^12. */
static i128 column_sum(const char *column, uint64_t *ret_rows)
{
    CLEANUP(buf_release) struct buf csv = { 0 };
    struct str rest, line, cells, cell;
    size_t index = 0;
    i128 sum = 0;

    sample_export(&sample, EXPORT_CSV, &csv);
    rest = buf_str(&csv);
    str_split(&rest, '\n', &cells);
    while (str_split(&cells, ',', &cell) && !str_eq(cell, str_from(column)))
        index++;
    for (*ret_rows = 0; str_split(&rest, '\n', &line);) {
        i128 value;
        if (line.len == 0)
            continue;
        bool quoted = false; /* labels hold commas */
        size_t at = 0, from = 0, to = 0;
        for (size_t i = 0; i <= line.len; i++) {
            if (i < line.len && line.ptr[i] == '"')
                quoted = !quoted;
            if (i < line.len && (line.ptr[i] != ',' || quoted))
                continue;
            to = i;
            if (at++ == index)
                break;
            from = i + 1;
        }
        cell = str_sub(line, from, to - from);
        if (cell.len) {
            ck_assert_int_eq(decimal_parse(cell, 12, &value), DECIMAL_OK);
            sum += value;
        }
        (*ret_rows)++;
    }
    return sum;
}

static void assert_sum(const char *column, uint64_t rows, const char *want)
{
    char text[DECIMAL_TEXT_BYTES];
    uint64_t got_rows;
    i128 sum = column_sum(column, &got_rows);

    ck_assert_uint_eq(got_rows, rows);
    ck_assert_str_eq(decimal_format(sum, 12, text), want);
}

START_TEST(the_azure_trace_has_its_totals)
{
    char path[SHARED_DATA_PATH_BYTES];

    if (!shared_data_find("traces/AzureLLMInferenceTrace_conv.csv", path))
        return;
    sample_import(&sample, path, IMPORT_AUTO);
    ck_assert_stats(&sample, 19366, 19366, 0, 0);
    assert_sum("input_tokens", 19366, "22361870.000000000000");
    assert_sum("output_tokens", 19366, "4088665.000000000000");
    sample_import(&sample, path, IMPORT_AUTO);
    ck_assert_stats(&sample, 19366, 0, 19366, 0);
}
END_TEST

START_TEST(aiders_log_has_its_cost)
{
    char path[SHARED_DATA_PATH_BYTES];

    if (!shared_data_find("traces/aider_message_send.csv", path))
        return;
    sample_import(&sample, path, IMPORT_AUTO);
    ck_assert_stats(&sample, 5522, 5522, 0, 0);
    /* The sum of the recorded costs, each rounded to 1e-12 USD. */
    assert_sum("reported_cost_usd", 5522, "10182.700052086000");
}
END_TEST

START_TEST(openais_export_has_its_totals)
{
    char path[SHARED_DATA_PATH_BYTES];

    if (!shared_data_find("invoices/openai_completions_usage_export_2025-10.tsv", path))
        return;
    sample_import(&sample, path, IMPORT_AUTO);
    ck_assert_uint_eq(sample.stats.bad, 0);
    ck_assert_uint_gt(sample.stats.added, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_member(lines, "0.requests", "10");
    ck_assert_member(lines, "0." USAGE("input_tokens"), "59200");
}
END_TEST

START_TEST(every_target_is_in_the_manual_and_every_map_too)
{
    static const char *const targets[] = {
#define X(constant, name) name,
        IMPORT_TARGETS(X)
#undef X
#define X(constant, column, parent) column,
            USAGE_UNITS(X)
#undef X
    };
    CLEANUP(buf_release) struct buf manual = { 0 };
    CLEANUP(dir_list_release) struct dir_list maps = { 0 };
    char path[1100], word[128];
    struct err err;

    snprintf(path, sizeof(path), "%s/../../doc/weir-map.5", sample_maps());
    ck_assert_msg(file_read(path, 1u << 20, &manual, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        ck_assert_int_eq(import_target_find(str_from(targets[i])), (int)i);
        snprintf(word, sizeof(word), " %s", targets[i]);
        ck_assert_msg(strstr(buf_cstr(&manual), word) != NULL, "weir-map(5) lacks '%s'",
                      targets[i]);
    }
    ck_assert_int_eq(dir_list_read(sample_maps(), &maps, &err), 0);
    ck_assert_uint_ge(maps.len, 10);
    for (size_t i = 0; i < maps.len; i++) {
        CLEANUP(import_map_free) struct import_map *m = NULL;
        struct str name = str_sub(str_from(maps.names[i]), 0, strlen(maps.names[i]) - 5);
        snprintf(path, sizeof(path), "%s/%s", sample_maps(), maps.names[i]);
        ck_assert_msg(import_map_load(path, &m, &err) == 0, "%s", err.text);
        ck_assert_msg(str_eq(m->name, name), "'%s' is not called as its file", maps.names[i]);
        ck_assert_msg(m->detect_count > 0, "'%s' cannot be found", maps.names[i]);
        snprintf(word, sizeof(word), " %.*s", STR_ARG(name));
        ck_assert_msg(strstr(buf_cstr(&manual), word) != NULL, "weir-map(5) lacks '%s'", word);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_table_is_found_by_its_columns_and_read, 0, ARRAY_LEN(tables));
    tcase_add_loop_test(tc, a_bad_row_is_named_and_those_around_it_are_kept, 0,
                        ARRAY_LEN(bad_rows));
    tcase_add_test(tc, a_row_that_sums_many_requests_may_hold_as_many_tokens);
    tcase_add_test(tc, a_table_nobody_knows_names_the_maps_there_are);
    tcase_add_test(tc, a_map_of_ones_own_says_what_columns_mean);
    tcase_add_loop_test(tc, a_wrong_map_says_where_and_what_to_write, 0, ARRAY_LEN(wrong_maps));
    tcase_add_loop_test(tc, a_models_prefix_says_whose_it_is, 0, ARRAY_LEN(models));
    tcase_add_test(tc, every_target_is_in_the_manual_and_every_map_too);
    tcase_add_test(tc, a_trace_with_relative_times_needs_to_know_when_it_was);
    tcase_add_test(tc, the_azure_trace_has_its_totals);
    tcase_add_test(tc, aiders_log_has_its_cost);
    tcase_add_test(tc, openais_export_has_its_totals);
}

CHECK_MAIN("capture/import_rows", add_tests)
