/* What is read of a call beside its token counts: models, tiers, fees, attempts, sessions, errors,
 * features.  Traps are numbered as in test_llm_usage, which lists them. */
#include "config.h"

#include "llm/call.h"

#include <stdio.h>

#include "base/buf.h"
#include "tests/call_sample.h"
#include "tests/check_main.h"

/* --- traps: what pricing needs --- */

START_TEST(trap_23_the_tier_served_beats_the_tier_requested)
{
    struct call_facts served = sample_read((struct sample){
        .request = "{\"service_tier\":\"priority\"}",
        .response = "{\"service_tier\":\"default\",\"usage\":{\"prompt_tokens\":1}}" });
    struct call_facts silent =
        sample_read((struct sample){ .request = "{\"service_tier\":\"flex\"}",
                                     .response = "{\"usage\":{\"prompt_tokens\":1}}" });
    struct call_facts automatic =
        sample_read((struct sample){ .request = "{\"service_tier\":\"auto\"}",
                                     .response = "{\"usage\":{\"prompt_tokens\":1}}" });
    struct call_facts bedrock = sample_read((struct sample){
        CONVERSE_HOST, .request = "{\"serviceTier\":{\"type\":\"flex\"}}",
        .response = "{\"usage\":{\"inputTokens\":1},\"serviceTier\":{\"type\":\"priority\"}}" });
    struct call_facts fast = sample_read((struct sample){
        MESSAGES_HOST,
        .response =
            "{\"type\":\"message\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1,"
            "\"service_tier\":\"standard\",\"speed\":\"fast\",\"inference_geo\":\"us\"}}" });

    ck_text(served.service_tier, "default");
    ck_text(silent.service_tier, "flex");
    ck_text(automatic.service_tier, "");
    ck_text(bedrock.service_tier, "priority");
    ck_text(fast.service_tier, "fast");
    ck_text(fast.geo, "us");
}
END_TEST

static const struct {
    const char *sent, *tier;
} traffic_types[] = {
    {"\"ON_DEMAND\"",               "default"    },
    { "\"PROVISIONED_THROUGHPUT\"", "provisioned"},
    { "\"ON_DEMAND_PRIORITY\"",     "priority"   },
    { "\"ON_DEMAND_FLEX\"",         "flex"       },
    { "0",                          ""           },
    { "1",                          "default"    },
    { "2",                          "provisioned"},
    { "3",                          "priority"   },
    { "4",                          "flex"       },
    { "\"2\"",                      "provisioned"},
    { "5",                          ""           },
    { "-1",                         ""           },
    { "1e99",                       ""           },
    { "null",                       ""           },
};

START_TEST(trap_23_a_traffic_type_is_a_tier_by_name_or_number)
{
    char body[256];

    snprintf(
        body, sizeof(body),
        "{\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":10,"
        "\"candidatesTokenCount\":5,\"trafficType\":%s}}",
        traffic_types[_i].sent);
    struct call_facts facts = sample_read((struct sample){ GEMINI_HOST, .response = body });
    ck_text(facts.service_tier, traffic_types[_i].tier);
    ck_unit(facts, INPUT, 10);
}
END_TEST

START_TEST(trap_25_a_deployment_is_not_a_model_and_a_region_prefix_stays)
{
    struct call_facts azure = sample_read((struct sample){
        .host = "r.openai.azure.com",
        .path = "/openai/deployments/team-a/chat/completions",
        .response = "{\"model\":\"gpt-4.1-mini-2025-04-14\",\"usage\":{\"prompt_tokens\":1}}",
        .header = "x-ms-region",
        .header_value = "East US 2" });
    struct call_facts bedrock = sample_read((struct sample){
        BEDROCK_HOST,
        .path = "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.a.b-v1%3A0/"
                "converse",
        .response = "{\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}" });
    struct call_facts routed = sample_read((struct sample){
        CONVERSE_HOST,
        .response = "{\"usage\":{\"inputTokens\":1},\"trace\":{\"promptRouter\":{"
                    "\"invokedModelId\":\"arn:aws:bedrock:eu-west-1::foundation-model/c.d\"}}}" });

    ck_text(azure.model_requested, "team-a");
    ck_text(azure.model, "gpt-4.1-mini-2025-04-14");
    ck_text(azure.geo, "eastus2");
    ck_text(bedrock.model, "eu.a.b-v1:0");
    ck_text(bedrock.geo, "eu-west-1");
    ck_text(routed.model, "c.d");
}
END_TEST

START_TEST(trap_26_the_last_model_a_stream_names_is_the_one_that_answered)
{
    struct call_facts facts = sample_read((struct sample){
        .request = "{\"model\":\"gpt-4o\"}",
        .response = "data: {\"model\":\"\",\"choices\":[]}\n\n"
                    "data: {\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"finish_reason\":"
                    "\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"
                    "data: [DONE]\n\n" });

    ck_text(facts.model, "gpt-4o-2024-08-06");
}
END_TEST

START_TEST(trap_31_tool_fees_are_counted_from_the_answer)
{
    struct call_facts openai = sample_read((struct sample){
        RESPONSES_PATH,
        .response =
            "{\"object\":\"response\",\"status\":\"completed\",\"output\":["
            "{\"type\":\"web_search_call\",\"action\":{\"type\":\"search\",\"query\":\"a\"}},"
            "{\"type\":\"web_search_call\",\"action\":{\"type\":\"open_page\"}},"
            "{\"type\":\"file_search_call\"},{\"type\":\"file_search_call\"},"
            "{\"type\":\"code_interpreter_call\",\"container_id\":\"c1\"},"
            "{\"type\":\"code_interpreter_call\",\"container_id\":\"c1\"},"
            "{\"type\":\"function_call\",\"name\":\"f\"},{\"type\":\"message\"}],"
            "\"usage\":{\"input_tokens\":1,\"output_tokens\":1,\"total_tokens\":2}}" });
    struct call_facts anthropic = sample_read((struct sample){
        MESSAGES_HOST,
        .response = "{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\"}],"
                    "\"usage\":{\"input_tokens\":1,\"output_tokens\":1,\"server_tool_use\":{"
                    "\"web_search_requests\":3,\"web_fetch_requests\":0}}}" });
    struct call_facts gemini = sample_read((struct sample){
        GEMINI_HOST, .response =
                         "{\"candidates\":[{\"finishReason\":\"STOP\",\"groundingMetadata\":{"
                         "\"webSearchQueries\":[\"a\",\"b\"]}}],\"modelVersion\":\"gemini-3-pro\","
                         "\"usageMetadata\":{\"promptTokenCount\":1,\"totalTokenCount\":1}}" });

    ck_unit(openai, WEB_SEARCHES, 1);
    ck_unit(openai, FILE_SEARCHES, 2);
    ck_unit(openai, CODE_SESSIONS, 1);
    ck_unit(openai, TOOL_CALLS, 1);
    ck_unit(anthropic, WEB_SEARCHES, 3);
    ck_unit(anthropic, WEB_FETCHES, 0);
    ck_unit(anthropic, TOOL_CALLS, 1);
    ck_unit(gemini, WEB_SEARCHES, 2);
}
END_TEST

START_TEST(trap_31_what_a_stream_repeats_is_counted_once)
{
    struct call_facts responses = sample_read((struct sample){
        RESPONSES_PATH,
        .response = "data: {\"type\":\"response.queued\",\"response\":{\"output\":["
                    "{\"type\":\"file_search_call\"}]}}\n\n"
                    "data: {\"type\":\"response.completed\",\"response\":{\"output\":["
                    "{\"type\":\"file_search_call\"}],\"usage\":{\"input_tokens\":1}}}\n\n" });
    struct call_facts chat = sample_read((struct sample){
        .response =
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{"
            "\"name\":\"f\"}}]}}]}\n\n"
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{"
            "\"arguments\":\"{}\"}}]}}]}\n\n"
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{}}]},"
            "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":1}}\n\n"
            "data: [DONE]\n\n" });
    struct call_facts gemini = sample_read((struct sample){
        GEMINI_HOST, .response =
                         "{\"candidates\":[{\"finishReason\":\"STOP\",\"groundingMetadata\":{"
                         "\"webSearchQueries\":[\"a\",\"b\"]}}],\"usageMetadata\":{"
                         "\"promptTokenCount\":1,\"totalTokenCount\":1}}" });

    ck_unit(responses, FILE_SEARCHES, 1);
    ck_unit(chat, TOOL_CALLS, 1);
    ck_unit(gemini, WEB_SEARCHES, 1); /* a 2.5 model is charged by the prompt */
}
END_TEST

START_TEST(trap_31_an_image_tool_is_a_part_of_its_own)
{
    struct call_facts facts = sample_read((struct sample){
        RESPONSES_PATH,
        .response =
            "{\"object\":\"response\",\"status\":\"completed\",\"model\":\"gpt-x\",\"output\":["
            "{\"type\":\"image_generation_call\"}],\"tools\":[{\"type\":\"image_generation\","
            "\"model\":\"gpt-image-x\"}],\"tool_usage\":{\"image_gen\":{\"input_tokens\":50,"
            "\"output_tokens\":1000,\"total_tokens\":1050},\"web_search\":{\"num_requests\":0}},"
            "\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"total_tokens\":3}}" });

    ck_assert_uint_eq(facts.part_count, 2);
    ck_unit(facts, OUTPUT, 2);
    ck_absent(facts, IMAGES);
    ck_text(facts.parts[1].model, "gpt-image-x");
    ck_assert_int_eq(part_unit(&facts, 1, USAGE_OUTPUT), 1000);
}
END_TEST

START_TEST(trap_32_iterations_replace_the_top_level_each_at_its_own_model)
{
    struct call_facts facts = sample_read((struct sample){
        MESSAGES_HOST,
        .response =
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":"
            "\"claude-a\",\"usage\":{\"input_tokens\":1128,\"output_tokens\":2}}}\n\n"
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
            "\"end_turn\"},\"usage\":{\"input_tokens\":2411,\"output_tokens\":145,"
            "\"output_tokens_details\":{\"thinking_tokens\":7},"
            "\"server_tool_use\":{\"web_search_requests\":1},\"iterations\":["
            "{\"type\":\"message\",\"input_tokens\":1128,\"output_tokens\":135},"
            "{\"type\":\"advisor_message\",\"model\":\"claude-b\",\"input_tokens\":2543,"
            "\"output_tokens\":18,\"cache_read_input_tokens\":4},"
            "{\"type\":\"message\",\"input_tokens\":1283,\"output_tokens\":10}]}}\n\n"
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n" });

    ck_assert_uint_eq(facts.part_count, 3);
    ck_text(facts.parts[0].model, "claude-a");
    ck_assert_int_eq(part_unit(&facts, 0, USAGE_INPUT), 1128);
    ck_assert_int_eq(part_unit(&facts, 0, USAGE_WEB_SEARCHES), 1);
    ck_text(facts.parts[1].model, "claude-b");
    ck_assert_int_eq(part_unit(&facts, 1, USAGE_INPUT), 2547);
    ck_text(facts.parts[2].model, "claude-a");
    ck_assert_int_eq(part_unit(&facts, 2, USAGE_OUTPUT), 10);
    ck_assert_int_eq(part_unit(&facts, 2, USAGE_REASONING), 7);
}
END_TEST

/* count shares of 1 token in and 2 out, of models m0, m1, ...: names of them, then the first again.
 */
static void add_shares(struct buf *out, const char *rest, int count, int names)
{
    for (int i = 0; i < count; i++)
        buf_addf(out, "%s{\"model\":\"m%d\",%s}", i ? "," : "[", i % names, rest);
    buf_add_text(out, "]");
}

static const struct {
    int count, names;
    size_t parts; /* 0 = rejected */
} shares[] = {
    {CALL_PARTS_MAX,      CALL_PARTS_MAX,     CALL_PARTS_MAX},
    { CALL_PARTS_MAX + 8, CALL_PARTS_MAX,     CALL_PARTS_MAX},
    { CALL_PARTS_MAX + 1, CALL_PARTS_MAX + 1, 0             },
};

static void check_shares(const struct call_facts *facts, int i)
{
    int64_t input = 0;

    ck_assert_uint_eq(facts->part_count, shares[i].parts);
    for (size_t part = 0; part < facts->part_count; part++)
        input += part_unit(facts, part, USAGE_INPUT);
    if (shares[i].parts) {
        ck_source(*facts, REPORTED);
        ck_assert_int_eq(input, shares[i].count);
    } else {
        ck_source(*facts, UNKNOWN);
        ck_note(*facts, "more models");
    }
}

START_TEST(trap_32_more_models_than_we_keep_apart_are_rejected_whatever_follows)
{
    CLEANUP(buf_release) struct buf groq = { 0 }, anthropic = { 0 };

    buf_add_text(&groq, "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{"
                        "\"prompt_tokens\":99,\"completion_tokens\":99},\"usage_breakdown\":{"
                        "\"models\":");
    add_shares(&groq, "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}", shares[_i].count,
               shares[_i].names);
    buf_add_text(&groq, "}}}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":99,"
                        "\"completion_tokens\":99}}\n\ndata: [DONE]\n\n");
    struct call_facts facts = sample_read((struct sample){ .host = "api.groq.com",
                                                           .path = "/openai/v1/chat/completions",
                                                           .response = buf_cstr(&groq) });
    check_shares(&facts, _i);

    buf_add_text(&anthropic, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"
                             "\"usage\":{\"input_tokens\":1,\"output_tokens\":1,\"iterations\":");
    add_shares(&anthropic, "\"input_tokens\":1,\"output_tokens\":2", shares[_i].count,
               shares[_i].names);
    buf_add_text(&anthropic,
                 "}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"
                 "\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n"
                 "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    facts = sample_read((struct sample){ MESSAGES_HOST, .response = buf_cstr(&anthropic) });
    check_shares(&facts, _i);
}
END_TEST

START_TEST(trap_32_a_nonsensical_share_is_not_lost_among_many)
{
    CLEANUP(buf_release) struct buf body = { 0 };

    buf_add_text(&body, "{\"type\":\"message\",\"usage\":{\"output_tokens\":1,\"iterations\":[");
    for (int i = 0; i < CALL_PARTS_MAX; i++)
        buf_add_text(&body, "{\"input_tokens\":1,\"output_tokens\":2},");
    buf_add_text(&body, "{\"input_tokens\":-1,\"output_tokens\":2}]}}");
    struct call_facts facts =
        sample_read((struct sample){ MESSAGES_HOST, .response = buf_cstr(&body) });
    ck_source(facts, UNKNOWN);
    ck_note(facts, "negative");
}
END_TEST

/* --- traps: attempts and sessions --- */

static const struct {
    int status;
    bool billable;
} attempts[] = {
    {400,  false},
    { 401, false},
    { 404, false},
    { 429, false},
    { 304, false},
    { 408, true },
    { 499, true },
    { 500, true },
    { 503, true },
    { 529, true },
    { -1,  true },
};

START_TEST(trap_34_client_errors_are_free_and_failures_in_mid_answer_may_not_be)
{
    struct call_facts facts =
        sample_read((struct sample){ .status = attempts[_i].status, .response = "{}" });

    ck_assert_int_eq(facts.billable, attempts[_i].billable);
    ck_source(facts, UNKNOWN);
    ck_assert_uint_eq(facts.part_count, 0);
    ck_assert_ptr_nonnull(facts.usage_note);
}
END_TEST

START_TEST(trap_36_an_answer_out_of_a_gateways_cache_is_not_billed_again)
{
    struct call_facts facts = sample_read(
        (struct sample){ .host = "api.portkey.ai",
                         .response = "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}",
                         .header = "x-portkey-cache-status",
                         .header_value = "HIT" });
    struct call_facts provider_cache = sample_read(
        (struct sample){ .response = "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,"
                                     "\"prompt_tokens_details\":{\"cached_tokens\":8}}}" });

    ck_assert(!facts.billable);
    ck_assert_uint_eq(facts.part_count, 0);
    ck_assert(provider_cache.billable);
}
END_TEST

START_TEST(trap_38_batch_results_are_summed_by_model_at_the_batch_tier)
{
    struct call_facts openai = sample_read((struct sample){
        .method = "GET",
        .path = "/v1/files/file-1/content",
        .response =
            "{\"id\":\"batch_req_1\",\"response\":{\"status_code\":200,\"body\":{\"model\":\"a\","
            "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1}}}}\n"
            "{\"id\":\"batch_req_2\",\"response\":{\"status_code\":200,\"body\":{\"model\":\"a\","
            "\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":2}}}}\n"
            "{\"id\":\"batch_req_3\",\"response\":{\"status_code\":400,\"body\":{\"model\":\"a\","
            "\"usage\":{\"prompt_tokens\":99,\"completion_tokens\":9}}}}\n"
            "{\"id\":\"batch_req_4\",\"response\":{\"status_code\":200,\"body\":{\"model\":\"b\","
            "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":5}}}}\n" });
    struct call_facts anthropic = sample_read((struct sample){
        .host = "api.anthropic.com",
        .method = "GET",
        .path = "/v1/messages/batches/b/results",
        .response =
            "{\"custom_id\":\"1\",\"result\":{\"type\":\"succeeded\",\"message\":{\"model\":"
            "\"c\",\"usage\":{\"input_tokens\":7,\"output_tokens\":8}}}}\n"
            "{\"custom_id\":\"2\",\"result\":{\"type\":\"errored\"}}\n" });
    struct call_facts other = sample_read((struct sample){
        .method = "GET", .path = "/v1/files/file-1/content", .response = "{\"prompt\":\"x\"}\n" });

    ck_assert_int_eq(openai.api, API_BATCH);
    ck_text(openai.service_tier, "batch");
    ck_assert_uint_eq(openai.part_count, 2);
    ck_unit(openai, INPUT, 30);
    ck_assert_int_eq(part_unit(&openai, 1, USAGE_INPUT), 5);
    ck_text(openai.response_id, "batch_req_1");
    ck_text(anthropic.service_tier, "batch");
    ck_unit(anthropic, OUTPUT, 8);
    ck_assert(!other.billable);
    ck_assert_int_eq(other.api, API_FILES);
}
END_TEST

START_TEST(trap_40_ids_by_which_repeats_are_known_are_read)
{
    struct call_facts facts = sample_read(
        (struct sample){ .response = "{\"id\":\"chatcmpl-1\",\"usage\":{\"prompt_tokens\":1}}",
                         .header = "X-Request-Id",
                         .header_value = "req_1" });

    ck_text(facts.response_id, "chatcmpl-1");
    ck_text(facts.upstream_request_id, "req_1");
}
END_TEST

START_TEST(trap_40_polling_is_not_billed_unless_it_ends_a_background_response)
{
    static const char done[] = "{\"object\":\"response\",\"id\":\"r\",\"status\":\"completed\","
                               "\"background\":%s,\"usage\":{\"input_tokens\":1,"
                               "\"output_tokens\":2,\"total_tokens\":3}}";
    char poll[512], background[512];

    snprintf(poll, sizeof(poll), done, "false");
    snprintf(background, sizeof(background), done, "true");
    struct call_facts queued = sample_read((struct sample){
        RESPONSES_PATH, .response =
                            "{\"object\":\"response\",\"status\":\"queued\",\"background\":true,"
                            "\"usage\":null}" });
    struct call_facts repeated = sample_read(
        (struct sample){ .method = "GET", .path = "/v1/responses/r", .response = poll });
    struct call_facts finished = sample_read(
        (struct sample){ .method = "GET", .path = "/v1/responses/r", .response = background });
    struct call_facts run = sample_read((struct sample){
        .method = "GET",
        .path = "/v1/threads/t/runs/r",
        .response = "{\"object\":\"thread.run\",\"status\":\"in_progress\",\"usage\":null}" });

    ck_assert(!queued.billable);
    ck_assert(!repeated.billable);
    ck_assert(finished.billable);
    ck_unit(finished, OUTPUT, 2);
    ck_assert(!run.billable);
}
END_TEST

START_TEST(trap_41_a_realtime_session_adds_up_its_responses)
{
    struct call_facts facts = sample_read((struct sample){
        .method = "GET",
        .path = "/v1/realtime",
        .response =
            "{\"type\":\"session.created\",\"session\":{\"model\":\"gpt-realtime\"}}\n"
            "{\"type\":\"response.done\",\"response\":{\"usage\":{\"input_tokens\":100,"
            "\"output_tokens\":20,\"total_tokens\":120,\"input_token_details\":{\"cached_tokens\":"
            "64,\"audio_tokens\":80,\"cached_tokens_details\":{\"audio_tokens\":60}},"
            "\"output_token_details\":{\"audio_tokens\":15}}}}\n"
            "{\"type\":\"response.done\",\"response\":{\"usage\":{\"input_tokens\":150,"
            "\"output_tokens\":30,\"total_tokens\":180}}}\n" });

    ck_text(facts.model, "gpt-realtime");
    ck_unit(facts, INPUT, 250);
    ck_unit(facts, OUTPUT, 50);
    ck_unit(facts, CACHED_INPUT, 64);
    ck_unit(facts, CACHED_AUDIO, 60);
    ck_unit(facts, INPUT_AUDIO, 80);
    ck_unit(facts, OUTPUT_AUDIO, 15);
}
END_TEST

START_TEST(trap_42_many_choices_have_one_prompt_and_one_usage)
{
    struct call_facts facts = sample_read((struct sample){
        .request = "{\"n\":3}",
        .response = "{\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"},{\"index\":1,"
                    "\"finish_reason\":\"stop\"},{\"index\":2,\"finish_reason\":\"length\"}],"
                    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":90,\"total_tokens\":"
                    "100}}" });

    ck_unit(facts, INPUT, 10);
    ck_unit(facts, OUTPUT, 90);
}
END_TEST

START_TEST(trap_44_the_end_user_is_read_from_wherever_it_is_sent)
{
    struct call_facts user = sample_read((struct sample){
        .request = "{\"safety_identifier\":\"s\",\"user\":\"u\"}", .response = "{}" });
    struct call_facts safety = sample_read(
        (struct sample){ .request = "{\"safety_identifier\":\"s\"}", .response = "{}" });
    struct call_facts metadata = sample_read((struct sample){
        MESSAGES_HOST, .request = "{\"metadata\":{\"user_id\":\"m\\u0031\"}}", .response = "{}" });
    struct call_facts bedrock = sample_read((struct sample){
        CONVERSE_HOST, .request = "{\"requestMetadata\":{\"userId\":\"b\"}}", .response = "{}" });

    ck_text(user.end_user, "u");
    ck_text(safety.end_user, "s");
    ck_text(metadata.end_user, "m1");
    ck_text(bedrock.end_user, "b");
}
END_TEST

/* --- errors --- */

static const struct {
    struct sample sample;
    enum error_class class;
    const char *code;
} errors[] = {
    {{ .status = 429,
        .response =
            "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}" },
     ERROR_CLASS_QUOTA_EXHAUSTED,                                                                                                 "insufficient_quota"           },
    { { .status = 429,
        .response = "{\"error\":{\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}" },
     ERROR_CLASS_RATE_LIMITED,                                                                                                    "rate_limit_exceeded"          },
    { { .status = 429, .response = "<html>slow down</html>" },                                       ERROR_CLASS_RATE_LIMITED,    ""                             },
    { { .status = 503, .response = "{\"error\":{\"code\":\"server_is_overloaded\"}}" },
     ERROR_CLASS_OVERLOADED,                                                                                                      "server_is_overloaded"         },
    { { .status = 500, .response = "{\"error\":{\"type\":\"server_error\",\"code\":null}}" },
     ERROR_CLASS_STATUS_5XX,                                                                                                      "server_error"                 },
    { { .status = 400, .response = "{\"error\":{\"code\":\"context_length_exceeded\"}}" },
     ERROR_CLASS_CONTEXT_LENGTH,                                                                                                  "context_length_exceeded"      },
    { { .status = 400, .response = "{\"error\":{\"code\":\"content_filter\",\"innererror\":{}}}" },
     ERROR_CLASS_CONTENT_FILTER,                                                                                                  "content_filter"               },
    { { .status = 401, .response = "{\"error\":{\"code\":\"401\",\"message\":\"denied\"}}" },
     ERROR_CLASS_STATUS_4XX,                                                                                                      "401"                          },
    { { MESSAGES_HOST, .status = 400,
        .response = "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                    "\"message\":\"prompt is too long: 205351 tokens > 200000 maximum\"}}" },
     ERROR_CLASS_CONTEXT_LENGTH,                                                                                                  "invalid_request_error"        },
    { { MESSAGES_HOST, .status = 529,
        .response = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}" },
     ERROR_CLASS_OVERLOADED,                                                                                                      "overloaded_error"             },
    { { MESSAGES_HOST, .status = 429,
        .response = "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"details\":{"
                    "\"error_code\":\"enforced_spend_limit_reached\"}}}" },
     ERROR_CLASS_QUOTA_EXHAUSTED,                                                                                                 "enforced_spend_limit_reached" },
    { { MESSAGES_HOST, .status = 402, .response = "" },                                              ERROR_CLASS_QUOTA_EXHAUSTED, ""                             },
    { { GEMINI_HOST, .status = 429,
        .response = "[{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\"}}]" },
     ERROR_CLASS_RATE_LIMITED,                                                                                                    "RESOURCE_EXHAUSTED"           },
    { { GEMINI_HOST, .status = 503,
        .response = "{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}" },
     ERROR_CLASS_OVERLOADED,                                                                                                      "UNAVAILABLE"                  },
    { { CONVERSE_HOST, .status = 429, .response = "{\"message\":\"Too many requests\"}",
        .header = "x-amzn-ErrorType",
        .header_value = "ThrottlingException:http://internal.amazon.com/" },
     ERROR_CLASS_RATE_LIMITED,                                                                                                    "ThrottlingException"          },
    { { CONVERSE_HOST, .status = 400,
        .response = "{\"__type\":\"ServiceQuotaExceededException\"}" },
     ERROR_CLASS_QUOTA_EXHAUSTED,                                                                                                 "ServiceQuotaExceededException"},
    { { .response = "{\"choices\":[{\"finish_reason\":\"content_filter\"}],"
                    "\"usage\":{\"prompt_tokens\":1}}" },
     ERROR_CLASS_CONTENT_FILTER,                                                                                                  "content_filter"               },
    { { GEMINI_HOST, .response =
                         "{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},"
                         "\"usageMetadata\":{\"promptTokenCount\":1,\"totalTokenCount\":1}}" },
     ERROR_CLASS_CONTENT_FILTER,                                                                                                  "PROHIBITED_CONTENT"           },
    { { .host = "openrouter.ai",
        .path = "/api/v1/chat/completions",
        .response = "{\"error\":{\"code\":502,\"message\":\"Provider returned error\"}}" },
     ERROR_CLASS_STATUS_5XX,                                                                                                      "502"                          },
    { { .response = "data: {\"error\":{\"message\":\"x\",\"code\":\"server_error\"}}\n\n" },
     ERROR_CLASS_STREAM_ERROR_EVENT,                                                                                              "server_error"                 },
    { { RESPONSES_PATH, .response =
                            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\","
                            "\"message\":\"x\"}\n\n" },
     ERROR_CLASS_STREAM_ERROR_EVENT,                                                                                              "server_error"                 },
    { { .host = "127.0.0.1:11434",
        .path = "/api/chat",
        .response = "{\"done\":false}\n{\"error\":\"model runner stopped\"}\n" },
     ERROR_CLASS_STREAM_ERROR_EVENT,                                                                                              ""                             },
    { { .response = "{\"choices\": [}" },                                                            ERROR_CLASS_MALFORMED,       ""                             },
    { { .status = -1 },                                                                              ERROR_CLASS_TRANSPORT,       ""                             },
    { { .status = 499 },                                                                             ERROR_CLASS_CLIENT_GONE,     ""                             },
};

START_TEST(a_failure_is_classified)
{
    struct call_facts facts = sample_read(errors[_i].sample);

    ck_assert_msg(facts.error_class == errors[_i].class, "%s, not %s",
                  error_class_name(facts.error_class), error_class_name(errors[_i].class));
    ck_text(facts.error_code, errors[_i].code);
}
END_TEST

/* --- features --- */

static const struct {
    const char *request;
    uint32_t features;
} features[] = {
    {"{}",                                                                                          0                                      },
    { "{\"tools\":[]}",                                                                             0                                      },
    { "{\"tools\":[{\"type\":\"function\",\"function\":{}}]}",                                      CALL_TOOLS                             },
    { "{\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]}",                   CALL_WEB_SEARCH                        },
    { "{\"tools\":[{\"name\":\"f\",\"input_schema\":{}},{\"type\":\"web_search\"}]}",
     CALL_TOOLS | CALL_WEB_SEARCH                                                                                                          },
    { "{\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\"}]}]}",                                CALL_TOOLS                             },
    { "{\"tools\":[{\"google_search\":{}}]}",                                                       CALL_WEB_SEARCH                        },
    { "{\"toolConfig\":{\"tools\":[{\"toolSpec\":{}}]}}",                                           CALL_TOOLS                             },
    { "{\"toolConfig\":{\"functionCallingConfig\":{}}}",                                            0                                      },
    { "{\"messages\":[{\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}]}",
     CALL_VISION                                                                                                                           },
    { "{\"messages\":[{\"content\":\"type image_url, inlineData\"}]}",                              0                                      },
    { "{\"messages\":[{\"content\":[{\"image\":{\"format\":\"png\"}}]}]}",                          CALL_VISION                            },
    { "{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":\"\"}}]}]}",
     CALL_AUDIO                                                                                                                            },
    { "{\"messages\":[{\"content\":\"a\",\"images\":[\"aGk=\"]}]}",                                 CALL_VISION                            },
    { "{\"input\":[{\"content\":[{\"type\":\"input_file\"}]}]}",                                    CALL_VISION                            },
    { "{\"modalities\":[\"text\",\"audio\"]}",                                                      CALL_AUDIO                             },
    { "{\"response_format\":{\"type\":\"json_schema\"}}",                                           CALL_STRUCTURED_OUTPUT                 },
    { "{\"response_format\":{\"type\":\"text\"}}",                                                  0                                      },
    { "{\"text\":{\"format\":{\"type\":\"json_schema\"}}}",                                         CALL_STRUCTURED_OUTPUT                 },
    { "{\"generationConfig\":{\"responseSchema\":{},\"thinkingConfig\":{}}}",
     CALL_STRUCTURED_OUTPUT | CALL_REASONING                                                                                               },
    { "{\"format\":\"json\",\"think\":true}",                                                       CALL_STRUCTURED_OUTPUT | CALL_REASONING},
    { "{\"format\":\"\",\"think\":false}",                                                          0                                      },
    { "{\"reasoning_effort\":\"low\"}",                                                             CALL_REASONING                         },
    { "{\"reasoning_effort\":\"none\"}",                                                            0                                      },
    { "{\"thinking\":{\"type\":\"enabled\"}}",                                                      CALL_REASONING                         },
    { "{\"thinking\":{\"type\":\"disabled\"}}",                                                     0                                      },
    { "{\"web_search_options\":{}}",                                                                CALL_WEB_SEARCH                        },
};

START_TEST(what_a_request_asks_for_is_seen)
{
    struct call_facts facts =
        sample_read((struct sample){ .request = features[_i].request, .response = "{}" });

    ck_assert_msg(facts.features == features[_i].features, "%x, not %x, of %s", facts.features,
                  features[_i].features, features[_i].request);
}
END_TEST

/* --- the rest --- */

START_TEST(a_form_is_read_as_well_as_json)
{
    struct call_facts facts = sample_read((struct sample){
        .path = "/v1/audio/transcriptions",
        .request = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"
                   "RIFF\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
                   "whisper-1\r\n--b\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\n"
                   "true\r\n--b--\r\n",
        .response = "{\"text\":\"x\"}" });

    ck_text(facts.model_requested, "whisper-1");
    ck_assert(facts.stream);
}
END_TEST

START_TEST(what_the_price_of_an_image_hangs_on_is_read)
{
    struct call_facts asked = sample_read((struct sample){
        .path = "/v1/images/generations",
        .request = "{\"model\":\"dall-e-3\",\"size\":\"1792x1024\",\"quality\":\"hd\"}",
        .response = "{\"data\":[{}]}" });
    struct call_facts silent = sample_read(
        (struct sample){ .path = "/v1/images/generations", .response = "{\"data\":[{}]}" });
    struct call_facts search = sample_read(
        (struct sample){ .host = "api.perplexity.ai",
                         .request = "{\"web_search_options\":{\"search_context_size\":\"high\"}}",
                         .response = "{}" });

    ck_text(asked.variant, "1792x1024/hd");
    ck_text(silent.variant, "1024x1024/standard");
    ck_text(silent.model, "dall-e-2");
    ck_text(search.variant, "high");
}
END_TEST

START_TEST(costs_are_told_apart_by_who_worked_them_out)
{
    struct call_facts byok = sample_read((struct sample){
        .host = "openrouter.ai",
        .path = "/api/v1/chat/completions",
        .response = "{\"usage\":{\"prompt_tokens\":1,\"cost\":0.000001,\"is_byok\":true,"
                    "\"cost_details\":{\"upstream_inference_cost\":2e-6}}}" });
    struct call_facts gateway = sample_read(
        (struct sample){ .response = "{\"usage\":{\"prompt_tokens\":1,\"pydantic_ai_gateway\":{"
                                     "\"cost_estimate\":9.625000000000001e-05}}}" });
    struct call_facts litellm =
        sample_read((struct sample){ .response = "{\"usage\":{\"prompt_tokens\":1}}",
                                     .header = "x-litellm-response-cost",
                                     .header_value = "0.5" });
    struct call_facts perplexity = sample_read((struct sample){
        .host = "api.perplexity.ai",
        .response = "{\"usage\":{\"prompt_tokens\":1,\"cost\":{\"input_tokens_cost\":1,"
                    "\"total_cost\":0.006}}}" });
    struct call_facts nonsense =
        sample_read((struct sample){ .response = "{\"usage\":{\"prompt_tokens\":1,\"cost\":-3}}" });

    ck_assert_int_eq(byok.reported_cost_pusd, 3000000);
    ck_assert(!call_cost_is_estimate(str_from(byok.reported_cost_field)));
    ck_assert_int_eq(gateway.reported_cost_pusd, 96250000);
    ck_assert(call_cost_is_estimate(str_from(gateway.reported_cost_field)));
    ck_assert_int_eq(litellm.reported_cost_pusd, INT64_C(500000000000));
    ck_assert(call_cost_is_estimate(str_from(litellm.reported_cost_field)));
    ck_assert_int_eq(perplexity.reported_cost_pusd, INT64_C(6000000000));
    ck_assert(!nonsense.has_reported_cost);
    ck_note(nonsense, "usage.cost is nonsense");
}
END_TEST

START_TEST(bodies_that_were_not_recorded_conclude_nothing)
{
    struct call call = { .method = STR("POST"),
                         .host = STR("api.openai.com"),
                         .path = STR("/v1/chat/completions"),
                         .request_body_missing = true,
                         .status = 200,
                         .response_body_missing = true };
    struct call_facts facts;

    call_read(&call, &sample_arena, &facts);
    ck_source(facts, UNKNOWN);
    ck_note(facts, "not recorded");
    ck_assert_int_eq(facts.error_class, ERROR_CLASS_NONE);
    call.response_body_missing = false;
    call_read(&call, &sample_arena, &facts);
    ck_note(facts, "empty");
    call.response_body = STR("data: {\"choices\":[{\"delta\":{\"content\":\"abcd\"}}]}\n\n");
    call_read(&call, &sample_arena, &facts);
    ck_source(facts, ESTIMATED);
    ck_unit(facts, OUTPUT, 1);
    ck_absent(facts, INPUT);
}
END_TEST

/* Any prefix of a stream is read without a fault, and never as more than the whole. */
START_TEST(a_stream_cut_at_any_byte_is_never_more_than_the_whole)
{
    static const char body[] =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c\","
        "\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n"
        "event: content_block_delta\ndata: {\"delta\":{\"text\":\"12345678\"}}\n\n"
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
        "\"end_turn\"},\"usage\":{\"output_tokens\":30}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    for (size_t len = 0; len < sizeof(body); len++) {
        struct call call = {
            .method = STR("POST"),
            .host = STR("api.anthropic.com"),
            .path = STR("/v1/messages"),
            .request_body = STR("{}"),
            .status = 200,
            .response_body = {body, len}
        };
        struct call_facts facts;
        call_read(&call, &sample_arena, &facts);
        ck_assert_int_le(part_unit(&facts, 0, USAGE_INPUT), 100);
        ck_assert_int_le(part_unit(&facts, 0, USAGE_OUTPUT), 30);
    }
}
END_TEST

static void add_traps(TCase *tc)
{
    tcase_add_test(tc, trap_23_the_tier_served_beats_the_tier_requested);
    tcase_add_loop_test(tc, trap_23_a_traffic_type_is_a_tier_by_name_or_number, 0,
                        (int)ARRAY_LEN(traffic_types));
    tcase_add_test(tc, trap_25_a_deployment_is_not_a_model_and_a_region_prefix_stays);
    tcase_add_test(tc, trap_26_the_last_model_a_stream_names_is_the_one_that_answered);
    tcase_add_test(tc, trap_31_tool_fees_are_counted_from_the_answer);
    tcase_add_test(tc, trap_31_what_a_stream_repeats_is_counted_once);
    tcase_add_test(tc, trap_31_an_image_tool_is_a_part_of_its_own);
    tcase_add_test(tc, trap_32_iterations_replace_the_top_level_each_at_its_own_model);
    tcase_add_loop_test(tc, trap_32_more_models_than_we_keep_apart_are_rejected_whatever_follows, 0,
                        (int)ARRAY_LEN(shares));
    tcase_add_test(tc, trap_32_a_nonsensical_share_is_not_lost_among_many);
    tcase_add_loop_test(tc, trap_34_client_errors_are_free_and_failures_in_mid_answer_may_not_be, 0,
                        ARRAY_LEN(attempts));
    tcase_add_test(tc, trap_36_an_answer_out_of_a_gateways_cache_is_not_billed_again);
    tcase_add_test(tc, trap_38_batch_results_are_summed_by_model_at_the_batch_tier);
    tcase_add_test(tc, trap_40_ids_by_which_repeats_are_known_are_read);
    tcase_add_test(tc, trap_40_polling_is_not_billed_unless_it_ends_a_background_response);
    tcase_add_test(tc, trap_41_a_realtime_session_adds_up_its_responses);
    tcase_add_test(tc, trap_42_many_choices_have_one_prompt_and_one_usage);
    tcase_add_test(tc, trap_44_the_end_user_is_read_from_wherever_it_is_sent);
}

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, sample_teardown);
    add_traps(tc);
    tcase_add_loop_test(tc, a_failure_is_classified, 0, ARRAY_LEN(errors));
    tcase_add_loop_test(tc, what_a_request_asks_for_is_seen, 0, ARRAY_LEN(features));
    tcase_add_test(tc, a_form_is_read_as_well_as_json);
    tcase_add_test(tc, what_the_price_of_an_image_hangs_on_is_read);
    tcase_add_test(tc, costs_are_told_apart_by_who_worked_them_out);
    tcase_add_test(tc, bodies_that_were_not_recorded_conclude_nothing);
    tcase_add_test(tc, a_stream_cut_at_any_byte_is_never_more_than_the_whole);
}

CHECK_MAIN("llm/call", add_tests)
