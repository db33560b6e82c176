/* read_usage - every name we know for a count, one row each.
 *
 * Nearly all mean the same wherever they appear; the exceptions are flags: Anthropic's and
 * Bedrock's cache counts stand outside the input, Gemini's thoughts outside the output.  Sources:
 * the providers' API references as of 2026-08 and the fields measured in recorded traffic.
 */
#include "config.h"

#include "llm/read_macros.h"

/* --- Gemini: counts by modality --- */

enum modality_of { OF_INPUT, OF_CACHE, OF_OUTPUT, OF_TOOL };

/* -1 where we count nothing.  Documents are read as images of their pages (Gemini API, "Document
 * understanding", 2026-08). */
static const struct {
    struct str name;
    int counts[4]; /* by enum modality_of */
} modalities[] = {
    {STR_INIT("AUDIO"),
     { USAGE_INPUT_AUDIO, USAGE_CACHED_AUDIO, USAGE_OUTPUT_AUDIO, COUNT_INPUT_AUDIO_TOOL }       },
    { STR_INIT("IMAGE"),
     { USAGE_INPUT_IMAGE, USAGE_CACHED_IMAGE, USAGE_OUTPUT_IMAGE, COUNT_INPUT_IMAGE_TOOL }       },
    { STR_INIT("DOCUMENT"), { USAGE_INPUT_IMAGE, USAGE_CACHED_IMAGE, -1, COUNT_INPUT_IMAGE_TOOL }},
    { STR_INIT("VIDEO"),    { USAGE_INPUT_VIDEO, USAGE_CACHED_VIDEO, -1, COUNT_INPUT_VIDEO_TOOL }},
};

static int modality_count(struct str name, int of)
{
    for (size_t i = 0; i < ARRAY_LEN(modalities); i++)
        if (str_ieq(modalities[i].name, name))
            return modalities[i].counts[of];
    return -1;
}

/* One {"modality":"AUDIO","tokenCount":12}; a count of zero is left out on the wire. */
static void read_modality(struct reading *r, struct jscan *s, int of)
{
    struct str key, name = { 0 };
    const char *why = NULL;
    int64_t n = 0;

    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key)) {
        if (str_eq(key, STR("modality")) && jscan_peek(s) == JSCAN_STRING)
            jscan_string_raw(s, &name, NULL);
        else if (str_eq(key, STR("tokenCount")) || str_eq(key, STR("tokens")))
            if (take_count(s, &n, &why) < 0)
                r->event_counts.bad_part = why;
    }
    int count = modality_count(name, of);
    if (count >= 0)
        counts_add(&r->event_counts, count, n);
}

static void read_modalities(struct reading *r, struct jscan *s, int of)
{
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s))
        read_modality(r, s, of);
}

/* --- Bedrock: [{"ttl":"5m","inputTokens":236}] of cache writes --- */

static void read_cache_detail(struct reading *r, struct jscan *s)
{
    struct str key, ttl = { 0 };
    const char *why = NULL;
    int64_t n = 0;

    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key)) {
        if (str_eq(key, STR("ttl")) && jscan_peek(s) == JSCAN_STRING)
            jscan_string_raw(s, &ttl, NULL);
        else if (str_eq(key, STR("inputTokens")) && take_count(s, &n, &why) < 0)
            r->event_counts.bad_part = why;
    }
    if (str_eq(ttl, STR("5m")))
        counts_add(&r->event_counts, USAGE_CACHE_WRITE_5M, n);
    else if (str_eq(ttl, STR("1h")))
        counts_add(&r->event_counts, USAGE_CACHE_WRITE_1H, n);
}

static void read_cache_details(struct reading *r, struct jscan *s, int arg)
{
    (void)arg;
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s))
        read_cache_detail(r, s);
}

/* --- cost --- */

static const struct member cost_rows[] = { TEXT("total_cost", COST_TOTAL) };
static const struct members cost_members = MEMBERS(cost_rows);

/* A number (OpenRouter), or an object of which the total counts (Perplexity). */
static void read_cost(struct reading *r, struct jscan *s, int arg)
{
    struct str raw;

    (void)arg;
    if (jscan_peek(s) == JSCAN_OBJECT)
        read_members(r, s, &cost_members);
    else if (jscan_peek(s) == JSCAN_NUMBER && jscan_number(s, &raw))
        keep_text(r, SLOT_COST, raw, false);
    else
        jscan_skip(s);
}

/* --- the tables --- */

static const struct member cached_rows[] = {
    COUNT("audio_tokens", CACHED_AUDIO),
    COUNT("image_tokens", CACHED_IMAGE),
};
static const struct members cached_members = MEMBERS(cached_rows);

static const struct member input_rows[] = {
    COUNT("cached_tokens", CACHED_INPUT),
    COUNT("cache_write_tokens", CACHE_WRITE),
    COUNT("cache_creation_tokens", CACHE_WRITE),
    COUNT("audio_tokens", INPUT_AUDIO),
    COUNT("image_tokens", INPUT_IMAGE),
    COUNT("video_tokens", INPUT_VIDEO),
    OBJECT("cached_tokens_details", cached_members),
};
static const struct members input_members = MEMBERS(input_rows);

static const struct member output_rows[] = {
    COUNT("reasoning_tokens", REASONING),
    COUNT("thinking_tokens", REASONING),
    COUNT("audio_tokens", OUTPUT_AUDIO),
    COUNT("image_tokens", OUTPUT_IMAGE),
};
static const struct members output_members = MEMBERS(output_rows);

static const struct member cache_creation_rows[] = {
    COUNT("ephemeral_5m_input_tokens", CACHE_WRITE_5M),
    COUNT("ephemeral_1h_input_tokens", CACHE_WRITE_1H),
};
static const struct members cache_creation_members = MEMBERS(cache_creation_rows);

static const struct member server_tool_rows[] = {
    COUNT("web_search_requests", WEB_SEARCHES),      COUNT("web_fetch_requests", WEB_FETCHES),
    COUNT("code_execution_requests", CODE_SESSIONS), COUNT("web_search_calls", WEB_SEARCHES),
    COUNT("code_interpreter_calls", CODE_SESSIONS),  COUNT("file_search_calls", FILE_SEARCHES),
};
static const struct members server_tool_members = MEMBERS(server_tool_rows);

static const struct member billed_rows[] = {
    COUNT("input_tokens", INPUT),
    COUNT("output_tokens", OUTPUT),
    COUNT("search_units", SEARCH_UNITS),
    COUNT_FLAGGED("image_tokens", INPUT_IMAGE, IMAGE_OUTSIDE),
};
static const struct members billed_members = MEMBERS(billed_rows);

static const struct member plain_rows[] = {
    EXTRA("input_tokens", PLAIN_INPUT),
    EXTRA("output_tokens", PLAIN_OUTPUT),
};
static const struct members plain_members = MEMBERS(plain_rows);

static const struct member cost_details_rows[] = {
    TEXT("upstream_inference_cost", COST_UPSTREAM),
};
static const struct members cost_details_members = MEMBERS(cost_details_rows);

static const struct member gateway_rows[] = { TEXT("cost_estimate", COST_GATEWAY) };
static const struct members gateway_members = MEMBERS(gateway_rows);

/* Vertex: a name, or from clients that print enums as numbers its place in
 * google.cloud.aiplatform.v1.GenerateContentResponse.UsageMetadata.TrafficType (2026-08).  A number
 * without a name says nothing. */
static void read_traffic_type(struct reading *r, struct jscan *s, int arg)
{
    static const struct str names[] = {
        STR_INIT("TRAFFIC_TYPE_UNSPECIFIED"), STR_INIT("ON_DEMAND"),
        STR_INIT("PROVISIONED_THROUGHPUT"),   STR_INIT("ON_DEMAND_PRIORITY"),
        STR_INIT("ON_DEMAND_FLEX"),
    };
    bool is_number = jscan_peek(s) == JSCAN_NUMBER, escaped = false;
    struct str raw;
    int64_t n;

    (void)arg;
    if (is_number ? !jscan_number(s, &raw)
                  : jscan_peek(s) != JSCAN_STRING || !jscan_string_raw(s, &raw, &escaped))
        return;
    if (!str_to_i64(raw, &n)) {
        if (!is_number)
            keep_text(r, SLOT_TIER, raw, escaped);
    } else if (n >= 0 && n < (int64_t)ARRAY_LEN(names)) {
        keep_text(r, SLOT_TIER, names[n], false);
    }
}

static const struct member usage_rows[] = {
    COUNT_FLAGGED("prompt_tokens", INPUT, PROMPT),
    COUNT("completion_tokens", OUTPUT),
    EXTRA("total_tokens", TOTAL),
    OBJECT("prompt_tokens_details", input_members),
    OBJECT("completion_tokens_details", output_members),
    COUNT("input_tokens", INPUT),
    COUNT("output_tokens", OUTPUT),
    OBJECT("input_tokens_details", input_members),
    OBJECT("output_tokens_details", output_members),
    /* Realtime, transcription, Writer and Assistants say "token_details" */
    OBJECT("prompt_token_details", input_members),
    OBJECT("completion_token_details", output_members),
    OBJECT("input_token_details", input_members),
    OBJECT("output_token_details", output_members),
    COUNT("cached_tokens", CACHED_INPUT),
    COUNT("num_cached_tokens", CACHED_INPUT),
    COUNT("prompt_cache_hit_tokens", CACHED_INPUT),
    EXTRA("prompt_cache_miss_tokens", CACHE_MISS),
    COUNT("reasoning_tokens", REASONING),
    COUNT("cached_prompt_text_tokens", CACHED_INPUT),
    COUNT("prompt_image_tokens", INPUT_IMAGE),
    /* Anthropic */
    COUNT_FLAGGED("cache_read_input_tokens", CACHED_INPUT, CACHE_OUTSIDE),
    COUNT_FLAGGED("cache_creation_input_tokens", CACHE_WRITE, CACHE_OUTSIDE),
    OBJECT("cache_creation", cache_creation_members),
    OBJECT("server_tool_use", server_tool_members),
    OBJECT("server_tool_use_details", server_tool_members),
    OBJECT("server_side_tool_usage_details", server_tool_members),
    CALL("iterations", read_parts, 0),
    TEXT("service_tier", TIER),
    TEXT("speed", SPEED),
    TEXT("inference_geo", GEO),
    /* Gemini */
    COUNT("promptTokenCount", INPUT),
    COUNT("candidatesTokenCount", OUTPUT),
    EXTRA("totalTokenCount", TOTAL),
    COUNT("cachedContentTokenCount", CACHED_INPUT),
    COUNT_FLAGGED("thoughtsTokenCount", REASONING, REASONING_OUTSIDE),
    COUNT_FLAGGED("toolUsePromptTokenCount", TOOL_PROMPT, TOOL_OUTSIDE),
    COUNT_FLAGGED("responseTokenCount", OUTPUT, LIVE),
    CALL("promptTokensDetails", read_modalities, OF_INPUT),
    CALL("promptTokenDetails", read_modalities, OF_INPUT),
    CALL("cacheTokensDetails", read_modalities, OF_CACHE),
    CALL("candidatesTokensDetails", read_modalities, OF_OUTPUT),
    CALL("responseTokensDetails", read_modalities, OF_OUTPUT),
    CALL("toolUsePromptTokensDetails", read_modalities, OF_TOOL),
    TEXT("serviceTier", TIER),
    CALL("trafficType", read_traffic_type, 0),
    /* Gemini interactions */
    COUNT("total_input_tokens", INPUT),
    COUNT("total_output_tokens", OUTPUT),
    COUNT("total_cached_tokens", CACHED_INPUT),
    COUNT_FLAGGED("total_thought_tokens", REASONING, REASONING_OUTSIDE),
    COUNT_FLAGGED("total_tool_use_tokens", TOOL_PROMPT, TOOL_OUTSIDE),
    CALL("input_tokens_by_modality", read_modalities, OF_INPUT),
    CALL("output_tokens_by_modality", read_modalities, OF_OUTPUT),
    CALL("cached_tokens_by_modality", read_modalities, OF_CACHE),
    CALL("tool_use_tokens_by_modality", read_modalities, OF_TOOL),
    /* Bedrock */
    COUNT("inputTokens", INPUT),
    COUNT("outputTokens", OUTPUT),
    EXTRA("totalTokens", TOTAL),
    COUNT_FLAGGED("cacheReadInputTokens", CACHED_INPUT, CACHE_OUTSIDE),
    COUNT_FLAGGED("cacheWriteInputTokens", CACHE_WRITE, CACHE_OUTSIDE),
    COUNT_FLAGGED("cacheReadInputTokenCount", CACHED_INPUT, CACHE_OUTSIDE),
    COUNT_FLAGGED("cacheWriteInputTokenCount", CACHE_WRITE, CACHE_OUTSIDE),
    CALL("cacheDetails", read_cache_details, 0),
    COUNT("inputTokenCount", INPUT),
    COUNT("outputTokenCount", OUTPUT),
    /* Cohere */
    OBJECT("billed_units", billed_members),
    OBJECT("tokens", plain_members),
    /* Others */
    COUNT("pages_processed", PAGES),
    TEXT("seconds", SECONDS),
    TEXT("prompt_audio_seconds", SECONDS),
    COUNT("num_search_queries", WEB_SEARCHES),
    /* Money */
    CALL("cost", read_cost, 0),
    TEXT("cost_in_usd_ticks", COST_TICKS),
    FLAG("is_byok", BYOK),
    OBJECT("cost_details", cost_details_members),
    OBJECT("pydantic_ai_gateway", gateway_members),
};
const struct members usage_members = MEMBERS(usage_rows);

void read_usage(struct reading *r, struct jscan *s, int arg)
{
    (void)arg;
    read_members(r, s, &usage_members);
}

/* --- parts --- */

static void read_part(struct reading *r, struct jscan *s)
{
    static const struct member model_rows[] = {
        TEXT("model", PART_MODEL),
        CALL("usage", read_usage, 0),
    };
    static const struct members model_members = MEMBERS(model_rows);
    struct str key;

    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key))
        if (!read_member(r, s, key, &model_members))
            read_member(r, s, key, &usage_members);
}

/* Past the last place, a share is added to the one before of the same model. */
static void add_part(struct reading *r, const struct part_counts *part)
{
    if (r->part_count < CALL_PARTS_MAX) {
        r->parts[r->part_count++] = *part;
        return;
    }
    for (size_t i = r->part_count; i-- > 0;) {
        struct part_counts *same = &r->parts[i];
        if (!str_eq(same->model, part->model))
            continue;
        counts_sum(&same->counts, &part->counts);
        return;
    }
    r->parts_bad = "more models in one answer than we keep apart";
}

void read_parts(struct reading *r, struct jscan *s, int arg)
{
    struct counts whole = r->event_counts;

    (void)arg;
    /* Shares of shares do not exist: reading them would let a body choose our stack's depth. */
    if (r->flags & READING_IN_PARTS || !jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    r->flags |= READING_IN_PARTS;
    r->part_count = 0;
    r->parts_bad = NULL;
    while (jscan_next_element(s)) {
        r->event_counts = (struct counts){ 0 };
        r->text[SLOT_PART_MODEL] = (struct str){ 0 };
        read_part(r, s);
        add_part(r, &(struct part_counts){ r->text[SLOT_PART_MODEL], r->event_counts });
    }
    r->flags &= ~(uint32_t)READING_IN_PARTS;
    r->event_counts = whole;
}
