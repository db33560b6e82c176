#include "config.h"

#include "llm/price.h"
#include "tests/price_sample.h"

#include "tests/check_main.h"

#define M 1000000

/* Prices of the shipped book that its sources tell apart and that are easily confused: by platform,
 * by place, by the tool that was used, by the kind of model.  Each is what the source named beside
 * it in share/prices says. */
static struct price_book *book;

static void load_shipped(void)
{
    price_load_shipped(&book);
}

static void drop_shipped(void)
{
    price_book_free(book);
    book = NULL;
}

struct price_case {
    const char *want;
    struct price_ask ask;
};

static void check_case(const struct price_case *c)
{
    struct price_ask ask = c->ask;
    struct price_result r;
    i128 want;
    char cost[DECIMAL_TEXT_BYTES];

    price_ask(book, &ask, &r);
    ck_assert_int_eq(decimal_parse(str_from(c->want), PUSD_SCALE, &want), DECIMAL_OK);
    ck_assert_msg(r.status == PRICE_OK, "%s: status %d", ask.model, r.status);
    ck_assert_msg(r.cost_pusd == want, "%s costs %s, not %s", ask.model,
                  decimal_format(r.cost_pusd, PUSD_SCALE, cost), c->want);
}

/* --- cache writes of an hour --- */

#define WRITE_1H(n)                                                                                \
    {                                                                                              \
        USAGE_INPUT, n, USAGE_CACHE_WRITE, n, USAGE_CACHE_WRITE_1H, n                              \
    }

static const struct price_case hour_writes[] = {
    {"0.2",
     { PROVIDER_BEDROCK, "global.anthropic.claude-haiku-4-5-20251001-v1:0",
        .units = WRITE_1H(100000) }                                                                  },
    { "0.22",
     { PROVIDER_BEDROCK, "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        .units = WRITE_1H(100000) }                                                                  },
    { "0.66",
     { PROVIDER_BEDROCK, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        .units = WRITE_1H(100000) }                                                                  },
    { "0.6",
     { PROVIDER_BEDROCK, "us.anthropic.claude-sonnet-4-20250514-v1:0",
        .units = WRITE_1H(100000) }                                                                  },
    { "1",     { PROVIDER_BEDROCK, "global.anthropic.claude-opus-4-6-v1", .units = WRITE_1H(100000) }},
    { "1.1",   { PROVIDER_BEDROCK, "us.anthropic.claude-opus-5", .units = WRITE_1H(100000) }         },
    { "0.44",  { PROVIDER_BEDROCK, "us.anthropic.claude-sonnet-5", .units = WRITE_1H(100000) }       },
    { "2.2",   { PROVIDER_BEDROCK, "us.anthropic.claude-fable-5", .units = WRITE_1H(100000) }        },
    { "0.16",
     { PROVIDER_BEDROCK, "anthropic.claude-3-5-haiku-20241022-v1:0", .units = WRITE_1H(100000) }     },
    { "0.6",   { PROVIDER_VERTEX, "claude-sonnet-4@20250514", .units = WRITE_1H(100000) }            },
    { "0.6",   { PROVIDER_VERTEX, "claude-3-7-sonnet@20250219", .units = WRITE_1H(100000) }          },
    { "3",     { PROVIDER_VERTEX, "claude-opus-4-1@20250805", .units = WRITE_1H(100000) }            },
    { "1",     { PROVIDER_VERTEX, "claude-opus-4-7", .units = WRITE_1H(100000) }                     },
    { "1",     { PROVIDER_VERTEX, "claude-opus-5", .units = WRITE_1H(100000) }                       },
    { "0.5",   { PROVIDER_VERTEX, "claude-opus-5", .tier = "batch", .units = WRITE_1H(100000) }      },
    { "2",     { PROVIDER_VERTEX, "claude-fable-5", .units = WRITE_1H(100000) }                      },
 /* Five minutes stay at 1.25 times the input price. */
    { "0.125",
     { PROVIDER_BEDROCK, "global.anthropic.claude-haiku-4-5-20251001-v1:0",
        .units = { USAGE_INPUT, 100000, USAGE_CACHE_WRITE, 100000 } }                                },
};

START_TEST(a_cache_write_of_an_hour_costs_twice_the_input_on_every_platform)
{
    check_case(&hour_writes[_i]);
}
END_TEST

/* --- long context --- */

#define LONG_CALL                                                                                  \
    {                                                                                              \
        USAGE_INPUT, 300000, USAGE_CACHED_INPUT, 100000, USAGE_OUTPUT, 10000                       \
    }
/* The day before and the day on which the surcharge of Claude 4.6 ended. */
#define BEFORE "2026-03-12T23:59:59Z"
#define AFTER  "2026-03-13T00:00:00Z"

static const struct price_case long_calls[] = {
  /* 3 USD input: 6 / 0.6 / 22.5 above 200,000 tokens, and 10 % more outside the global profile.
  */
    {"1.485",
     { PROVIDER_BEDROCK, "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        .units = LONG_CALL }                                                                       },
    { "1.6335",
     { PROVIDER_BEDROCK, "us.anthropic.claude-sonnet-4-5-20250929-v1:0", .units = LONG_CALL }      },
    { "1.485",
     { PROVIDER_BEDROCK, "eu.anthropic.claude-sonnet-4-20250514-v1:0", .units = LONG_CALL }        },
    { "1.485",  { PROVIDER_VERTEX, "claude-sonnet-4@20250514", .units = LONG_CALL }                },
    { "1.485",  { PROVIDER_VERTEX, "claude-sonnet-4-5@20250929", .units = LONG_CALL }              },
    { "0.7425",
     { PROVIDER_VERTEX, "claude-sonnet-4-5@20250929", .tier = "batch", .units = LONG_CALL }        },
    { "0.6",    { PROVIDER_VERTEX, "claude-sonnet-4-5@20250929", .units = { USAGE_INPUT, 200000 } }},
    { "1.6335",
     { PROVIDER_BEDROCK, "us.anthropic.claude-sonnet-4-6", BEFORE, .units = LONG_CALL }            },
    { "0.858",  { PROVIDER_BEDROCK, "us.anthropic.claude-sonnet-4-6", AFTER, .units = LONG_CALL }  },
    { "2.475",
     { PROVIDER_BEDROCK, "global.anthropic.claude-opus-4-6-v1", BEFORE, .units = LONG_CALL }       },
    { "1.3",
     { PROVIDER_BEDROCK, "global.anthropic.claude-opus-4-6-v1", AFTER, .units = LONG_CALL }        },
    { "1.485",  { PROVIDER_VERTEX, "claude-sonnet-4-6", BEFORE, .units = LONG_CALL }               },
    { "0.78",   { PROVIDER_VERTEX, "claude-sonnet-4-6", AFTER, .units = LONG_CALL }                },
    { "2.475",  { PROVIDER_VERTEX, "claude-opus-4-6", BEFORE, .units = LONG_CALL }                 },
    { "1.3",    { PROVIDER_VERTEX, "claude-opus-4-6", AFTER, .units = LONG_CALL }                  },
    { "1.3",    { PROVIDER_VERTEX, "claude-opus-4-7", .units = LONG_CALL }                         },
};

START_TEST(a_long_context_costs_on_bedrock_and_vertex_what_it_costs_at_anthropic)
{
    check_case(&long_calls[_i]);
}
END_TEST

/* --- places --- */

#define IN_OUT                                                                                     \
    {                                                                                              \
        USAGE_INPUT, 100000, USAGE_OUTPUT, 10000                                                   \
    }

static const struct price_case places[] = {
    {"0.45",    { PROVIDER_VERTEX, "claude-sonnet-4-5@20250929", .geo = "global", .units = IN_OUT }},
    { "0.45",   { PROVIDER_VERTEX, "claude-sonnet-4-5@20250929", .units = IN_OUT }                 },
    { "0.495",
     { PROVIDER_VERTEX, "claude-sonnet-4-5@20250929", .geo = "us-east5", .units = IN_OUT }         },
    { "0.495",
     { PROVIDER_VERTEX, "claude-sonnet-4-5@20250929", .geo = "Europe-West1", .units = IN_OUT }     },
    { "0.2475",
     { PROVIDER_VERTEX, "claude-sonnet-4-6", .tier = "batch", .geo = "asia-southeast1",
        .units = IN_OUT }                                                                          },
    { "0.165",
     { PROVIDER_VERTEX, "claude-haiku-4-5@20251001", .geo = "us-east5", .units = IN_OUT }          },
    { "0.825",  { PROVIDER_VERTEX, "claude-opus-4-5@20251101", .geo = "eu", .units = IN_OUT }      },
    { "0.825",  { PROVIDER_VERTEX, "claude-opus-5", .geo = "us", .units = IN_OUT }                 },
    { "1.65",   { PROVIDER_VERTEX, "claude-fable-5", .geo = "europe-west4", .units = IN_OUT }      },
 /* Models before 4.5 cost the same everywhere. */
    { "0.45",   { PROVIDER_VERTEX, "claude-sonnet-4@20250514", .geo = "us-east5", .units = IN_OUT }},
    { "2.25",   { PROVIDER_VERTEX, "claude-opus-4-1@20250805", .geo = "us-east5", .units = IN_OUT }},
    { "0.225",  { PROVIDER_VERTEX, "gemini-2.5-pro", .geo = "us-central1", .units = IN_OUT }       },
};

START_TEST(a_place_that_is_chosen_costs_more_on_vertex_from_claude_4_5_on)
{
    check_case(&places[_i]);
}
END_TEST

START_TEST(the_place_that_cost_more_is_named)
{
    struct price_ask ask = { PROVIDER_VERTEX, "claude-opus-5", .geo = "europe-west1",
                             .units = IN_OUT };
    struct price_result r;

    price_ask(book, &ask, &r);
    ck_assert_msg(str_eq(r.region, STR("europe-*")), "%.*s", STR_ARG(r.region));
    ask.geo = "a place of more than any bounded name "
              "...................................................................................."
              ".................";
    price_ask(book, &ask, &r);
    ck_assert_uint_eq(r.region.len, 0);
}
END_TEST

/* --- what one name costs at one provider --- */

static const struct price_case fees[] = {
    {"0.025",
     { PROVIDER_OPENAI, "gpt-4o-search-preview-2025-03-11", .units = { USAGE_WEB_SEARCHES, 1 } }},
    { "0.025",
     { PROVIDER_OPENAI, "gpt-4o-mini-search-preview", .units = { USAGE_WEB_SEARCHES, 1 } }      },
    { "0.4",
     { PROVIDER_OPENAI, "gpt-4o-mini-search-preview-2025-03-11",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, 375000, USAGE_WEB_SEARCHES, 1 } }              },
    { "0.01",  { PROVIDER_OPENAI, "gpt-4o", .units = { USAGE_WEB_SEARCHES, 1 } }                },
    { "0.01",  { PROVIDER_OPENAI, "gpt-5", .units = { USAGE_WEB_SEARCHES, 1 } }                 },
    { "0.01",  { PROVIDER_OPENAI, "gpt-5-search-api", .units = { USAGE_WEB_SEARCHES, 1 } }      },
};

START_TEST(a_search_models_searches_cost_more_than_the_search_tool)
{
    check_case(&fees[_i]);
}
END_TEST

static const struct price_case embeddings[] = {
    {"0.1",  { PROVIDER_AZURE_OPENAI, "ada", .units = { USAGE_INPUT, M } }                   },
    { "0.1", { PROVIDER_AZURE_OPENAI, "text-embedding-ada-002", .units = { USAGE_INPUT, M } }},
    { "0.4", { PROVIDER_OPENAI, "ada", .units = { USAGE_INPUT, M } }                         },
};

START_TEST(ada_is_an_embedding_at_azure_and_a_text_model_at_openai)
{
    check_case(&embeddings[_i]);
}
END_TEST

#define IN_CACHED_OUT                                                                              \
    {                                                                                              \
        USAGE_INPUT, 2 * M, USAGE_CACHED_INPUT, M, USAGE_OUTPUT, M                                 \
    }

static const struct price_case fine_tunes[] = {
    {"15.75",   { PROVIDER_OPENAI, "ft:gpt-4.1-2025-04-14:acme:shop:Ab1", .units = IN_CACHED_OUT } },
    { "4.2",    { PROVIDER_OPENAI, "ft:gpt-4.1-mini-2025-04-14:acme::Ab1", .units = IN_CACHED_OUT }},
    { "1.05",   { PROVIDER_OPENAI, "ft:gpt-4.1-nano-2025-04-14:acme::Ab1", .units = IN_CACHED_OUT }},
    { "21",     { PROVIDER_OPENAI, "ft:o4-mini-2025-04-16:acme::Ab1", .units = IN_CACHED_OUT }     },
    { "15.75",  { PROVIDER_OPENAI, "ft:gpt-4.1", .units = IN_CACHED_OUT }                          },
    { "1.05",   { PROVIDER_OPENAI, "ft:gpt-4.1-nano:acme::Ab1", .units = IN_CACHED_OUT }           },
    { "20.625", { PROVIDER_OPENAI, "ft:gpt-4o-2024-08-06:acme::Ab1", .units = IN_CACHED_OUT }      },
    { "1.65",   { PROVIDER_OPENAI, "ft:gpt-4o-mini-2024-07-18:acme::Ab1", .units = IN_CACHED_OUT } },
    { "9.375",
     { PROVIDER_OPENAI, "ft:gpt-4o-2024-08-06:acme::Ab1", .tier = "batch",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, M } }                                             },
    { "0.75",
     { PROVIDER_OPENAI, "ft:gpt-4o-mini-2024-07-18:acme::Ab1", .tier = "batch",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, M } }                                             },
    { "4.5",
     { PROVIDER_OPENAI, "ft:gpt-3.5-turbo-0125:acme::Ab1", .tier = "batch",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, M } }                                             },
    { "7.5",
     { PROVIDER_OPENAI, "ft:gpt-4.1-2025-04-14:acme::Ab1", .tier = "batch",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, M } }                                             },
    { "12",     { PROVIDER_OPENAI, "ft:davinci-002:acme::Ab1", .units = { USAGE_INPUT, M } }       },
};

START_TEST(a_fine_tune_has_its_own_cached_and_batch_prices)
{
    check_case(&fine_tunes[_i]);
}
END_TEST

START_TEST(a_fine_tune_of_an_unlisted_model_has_no_price)
{
    ck_assert_no_price(book, PRICE_UNKNOWN_MODEL, PROVIDER_OPENAI,
                       "ft:gpt-4.1-micro-2025-04-14:a::1", .units = { USAGE_INPUT, 1 });
    ck_assert_no_price(book, PRICE_UNKNOWN_MODEL, PROVIDER_OPENAI, "ft:o4-mini-2027-01-01:a::1",
                       .units = { USAGE_INPUT, 1 });
}
END_TEST

/* As the sources name them, model by model; the last is none of those and costs what it does at
 * once. */
static const struct price_case batches[] = {
    {"5.6875",  { PROVIDER_OPENAI, "gpt-5", .tier = "batch", .units = IN_CACHED_OUT }              },
    { "5.6875", { PROVIDER_OPENAI, "gpt-5-2025-08-07", .tier = "batch", .units = IN_CACHED_OUT }   },
    { "5.6875", { PROVIDER_OPENAI, "gpt-5", .tier = "flex", .units = IN_CACHED_OUT }               },
    { "1.1375", { PROVIDER_OPENAI, "gpt-5-mini", .tier = "batch", .units = IN_CACHED_OUT }         },
    { "0.2275", { PROVIDER_OPENAI, "gpt-5-nano", .tier = "batch", .units = IN_CACHED_OUT }         },
    { "5.6875", { PROVIDER_OPENAI, "gpt-5.1", .tier = "batch", .units = IN_CACHED_OUT }            },
    { "7.9625", { PROVIDER_OPENAI, "gpt-5.2", .tier = "batch", .units = IN_CACHED_OUT }            },
    { "6",      { PROVIDER_OPENAI, "o3", .tier = "batch", .units = IN_CACHED_OUT }                 },
    { "3.05",   { PROVIDER_ANTHROPIC, "claude-haiku-4-5", .tier = "batch", .units = IN_CACHED_OUT }},
    { "1.415",  { PROVIDER_GEMINI, "gemini-2.5-flash", .tier = "batch", .units = IN_CACHED_OUT }   },
    { "0.0875",
     { PROVIDER_GEMINI, "gemini-2.0-flash", .tier = "batch", .units = { USAGE_INPUT, 1750000 } }   },
    { "17.5",
     { PROVIDER_BEDROCK, "global.anthropic.claude-opus-5", .tier = "batch",
        .units = IN_CACHED_OUT }                                                                   },
    { "11.375", { PROVIDER_OPENAI, "gpt-5-codex", .tier = "batch", .units = IN_CACHED_OUT }        },
};

START_TEST(a_batch_costs_half_where_a_source_says_so)
{
    check_case(&batches[_i]);
}
END_TEST

static const struct price_case retired[] = {
    {"35",
     { PROVIDER_OPENAI, "gpt-4o-2024-05-13", .tier = "priority",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, M } }                                               },
    { "4",
     { PROVIDER_MISTRAL, "codestral-2405", "2024-09-16",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, M } }                                               },
    { "0.8",
     { PROVIDER_MISTRAL, "codestral-2405", "2024-09-17",
        .units = { USAGE_INPUT, M, USAGE_OUTPUT, M } }                                               },
 /* Bedrock cut luna's price on the day OpenAI did, and stays 10 % above it. */
    { "0.0000924",
     { PROVIDER_BEDROCK, "openai.gpt-5.6-luna", "2026-07-29", .units = { USAGE_OUTPUT, 14 } }        },
    { "0.055",
     { PROVIDER_BEDROCK, "openai.gpt-5.6-luna", "2026-07-30", .units = { USAGE_INPUT, M / 4 } }      },
    { "0.05",      { PROVIDER_OPENAI, "gpt-5.6-luna", "2026-07-30", .units = { USAGE_INPUT, M / 4 } }},
};

START_TEST(prices_of_older_models_are_dated)
{
    check_case(&retired[_i]);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, load_shipped, drop_shipped);
    tcase_add_loop_test(tc, a_cache_write_of_an_hour_costs_twice_the_input_on_every_platform, 0,
                        ARRAY_LEN(hour_writes));
    tcase_add_loop_test(tc, a_long_context_costs_on_bedrock_and_vertex_what_it_costs_at_anthropic,
                        0, ARRAY_LEN(long_calls));
    tcase_add_loop_test(tc, a_place_that_is_chosen_costs_more_on_vertex_from_claude_4_5_on, 0,
                        ARRAY_LEN(places));
    tcase_add_test(tc, the_place_that_cost_more_is_named);
    tcase_add_loop_test(tc, a_search_models_searches_cost_more_than_the_search_tool, 0,
                        ARRAY_LEN(fees));
    tcase_add_loop_test(tc, ada_is_an_embedding_at_azure_and_a_text_model_at_openai, 0,
                        ARRAY_LEN(embeddings));
    tcase_add_loop_test(tc, a_fine_tune_has_its_own_cached_and_batch_prices, 0,
                        ARRAY_LEN(fine_tunes));
    tcase_add_test(tc, a_fine_tune_of_an_unlisted_model_has_no_price);
    tcase_add_loop_test(tc, a_batch_costs_half_where_a_source_says_so, 0, ARRAY_LEN(batches));
    tcase_add_loop_test(tc, prices_of_older_models_are_dated, 0, ARRAY_LEN(retired));
}
CHECK_MAIN("llm/price_shipped", add_tests)
