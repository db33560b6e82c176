/* read_bedrock - Converse, and InvokeModel, whose body is the vendor's own.
 *
 * For a streamed InvokeModel both the vendor's counts and Bedrock's invocationMetrics arrive.  The
 * vendor's are taken: they are what the same call reports unstreamed, and what rule 1 calls the
 * usage object; where the metrics differ (seen for Claude's tool calls) the note says so, and the
 * invoice has to decide.
 */
#include "config.h"

#include <inttypes.h>

#include "llm/read_macros.h"

/* --- Converse --- */

static const struct member block_rows[] = { MARK("toolUse", FUNCTION_PART) };
static const struct members block_members = MEMBERS(block_rows);

static void count_block(struct reading *r, struct jscan *s, int arg)
{
    (void)arg;
    r->flags &= ~(uint32_t)READING_FUNCTION_PART;
    read_members(r, s, &block_members);
    if (r->flags & READING_FUNCTION_PART)
        counts_add(&r->tools, USAGE_TOOL_CALLS, 1);
}

static void count_blocks(struct reading *r, struct jscan *s, int arg)
{
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s))
        count_block(r, s, arg);
}

static const struct member message_rows[] = { CALL("content", count_blocks, 0) };
static const struct members message_members = MEMBERS(message_rows);
static const struct member output_rows[] = { OBJECT("message", message_members) };
static const struct members output_members = MEMBERS(output_rows);
static const struct member tier_rows[] = { TEXT("type", TIER) };
static const struct members tier_members = MEMBERS(tier_rows);
static const struct member performance_rows[] = { TEXT("latency", SPEED) };
static const struct members performance_members = MEMBERS(performance_rows);
static const struct member router_rows[] = { TEXT("invokedModelId", MODEL) };
static const struct members router_members = MEMBERS(router_rows);
static const struct member trace_rows[] = { OBJECT("promptRouter", router_members) };
static const struct members trace_members = MEMBERS(trace_rows);

static const struct member converse_rows[] = {
    OBJECT("output", output_members),
    USAGE("usage"),
    TEXT("stopReason", FINISH),
    OBJECT("serviceTier", tier_members),
    OBJECT("performanceConfig", performance_members),
    OBJECT("trace", trace_members),
    CALL("start", count_block, 0),
    TEXT("message", ERROR_MESSAGE),
};
static const struct members converse_members = MEMBERS(converse_rows);

static void end_converse_event(struct reading *r)
{
    if (str_eq(r->event_name, STR("metadata")))
        r->flags |= READING_DONE;
    if (r->event_counts.present || r->event_counts.bad)
        r->counts = r->event_counts;
}

const struct wire wire_converse = {
    .name = "converse",
    .top = &converse_members,
    .event_end = end_converse_event,
    .ends_with_event = true,
};

/* --- InvokeModel --- */

/* Bedrock's own counts, last in a stream. */
static void read_metrics(struct reading *r, struct jscan *s, int arg)
{
    struct counts vendor = r->event_counts;

    r->event_counts = (struct counts){ 0 };
    read_usage(r, s, arg);
    r->metrics = r->event_counts;
    r->event_counts = vendor;
    r->flags |= READING_DONE;
}

static const struct member metadata_rows[] = { USAGE("usage") };
static const struct members metadata_members = MEMBERS(metadata_rows);
static const struct member stop_rows[] = { TEXT("stopReason", FINISH) };
static const struct members stop_members = MEMBERS(stop_rows);
static const struct member delta_rows[] = { TEXT("stop_reason", FINISH) };
static const struct members delta_members = MEMBERS(delta_rows);

static void add_output(struct reading *r, struct jscan *s, int arg)
{
    const char *why;
    int64_t n;

    (void)arg;
    int got = take_count(s, &n, &why);
    if (got > 0)
        counts_add(&r->event_counts, USAGE_OUTPUT, n);
    else if (got < 0)
        r->event_counts.bad = why;
}

/* "INTERVENED" or "NONE"; what it put in place of the answer is a whole answer. */
static void read_guardrail(struct reading *r, struct jscan *s, int arg)
{
    struct str raw;

    (void)arg;
    if (jscan_peek(s) == JSCAN_STRING && jscan_string_raw(s, &raw, NULL) &&
        str_eq(raw, STR("INTERVENED")))
        keep_text(r, SLOT_BLOCK, STR("guardrail_intervened"), false);
}

static const struct member result_rows[] = {
    CALL("tokenCount", add_output, 0),
    TEXT("completionReason", FINISH),
};
static const struct members result_members = MEMBERS(result_rows);

static const struct member finish_rows[] = {
    TEXT("finish_reason", FINISH),
    TEXT("stop_reason", FINISH),
};
static const struct members finish_members = MEMBERS(finish_rows);

static const struct member vendor_message_rows[] = {
    TEXT("id", ID),
    TEXT("model", MODEL),
    USAGE("usage"),
};
static const struct members vendor_message_members = MEMBERS(vendor_message_rows);

static const struct member invoke_rows[] = {
    EVENT_TYPE("type"),
    TEXT("id", ID),
    TEXT("model", MODEL),
    USAGE("usage"), /* Anthropic, Nova, Mistral, OpenAI */
    OBJECT("message", vendor_message_members),
    OBJECT("delta", delta_members),
    TEXT("stop_reason", FINISH),
    OBJECT("output", output_members), /* Nova */
    TEXT("stopReason", FINISH),
    OBJECT("metadata", metadata_members),
    OBJECT("messageStop", stop_members),
    COUNT("inputTextTokenCount", INPUT), /* Titan */
    COUNT("totalOutputTextTokenCount", OUTPUT),
    TEXT("completionReason", FINISH),
    EACH("results", result_members),
    COUNT("prompt_token_count", INPUT), /* Llama */
    COUNT("generation_token_count", OUTPUT),
    EACH("choices", finish_members),     /* Mistral, OpenAI */
    EACH("outputs", finish_members),     /* Mistral text completions */
    EACH("generations", finish_members), /* Cohere */
    USAGE("meta"),
    CALL("amazon-bedrock-invocationMetrics", read_metrics, 0),
    CALL("amazon-bedrock-guardrailAction", read_guardrail, 0),
    ERROR_MEMBER("error"),
};
static const struct members invoke_members = MEMBERS(invoke_rows);

/* Llama names the prompt's count once and the output's in every chunk, Anthropic splits its usage
 * over two events: field by field, what came last stands. */
static void end_invoke_event(struct reading *r)
{
    if (str_eq(r->event_type, STR("message_start")))
        r->counts = r->event_counts;
    else
        counts_overlay(&r->counts, &r->event_counts);
}

static void take_invoke_event(struct reading *r, const struct framing_event *event)
{
    CLEANUP(buf_release) struct buf json = { 0 };

    if (read_bedrock_chunk(event->data, &json))
        read_event_json(r, buf_str(&json));
    else
        read_event_json(r, event->data);
}

static void take_metrics(struct reading *r, const char *what)
{
    static const int units[] = { USAGE_INPUT, USAGE_OUTPUT };

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        int unit = units[i];
        if (!counts_has(&r->counts, unit) || !counts_has(&r->metrics, unit) ||
            r->counts.n[unit] == r->metrics.n[unit])
            continue;
        reading_note(r, "%s say %s %" PRId64 ", the vendor's usage %" PRId64 ", which was taken",
                     what, usage_unit_name((enum usage_unit)unit), r->metrics.n[unit],
                     r->counts.n[unit]);
    }
    if (r->counts.bad)
        return;
    for (int i = 0; i < COUNT_COUNT; i++)
        if (counts_has(&r->metrics, i) && !counts_has(&r->counts, i))
            counts_set(&r->counts, i, r->metrics.n[i]);
    r->counts.flags |= r->metrics.flags;
}

static void read_header(struct reading *r, const char *name, enum usage_unit unit)
{
    const struct call *call = r->call;
    struct str value = call_header_find(call->response_headers, call->response_header_count, name);
    int64_t n;

    if (!value.ptr)
        return;
    if (str_to_i64(str_trim(value), &n) && n >= 0 && n <= USAGE_VALUE_MAX)
        counts_set(&r->metrics, (int)unit, n);
    else
        reading_note(r, "header %s is nonsense", name);
}

/* Without a usage object (Cohere, old Claude) the metrics or the headers are all there is. */
static void end_invoke(struct reading *r)
{
    const char *what = "invocationMetrics";

    if (!r->metrics.present) {
        what = "x-amzn-bedrock headers";
        read_header(r, "x-amzn-bedrock-input-token-count", USAGE_INPUT);
        read_header(r, "x-amzn-bedrock-output-token-count", USAGE_OUTPUT);
        read_header(r, "x-amzn-bedrock-cache-read-input-token-count", USAGE_CACHED_INPUT);
        read_header(r, "x-amzn-bedrock-cache-write-input-token-count", USAGE_CACHE_WRITE);
        r->metrics.flags = COUNTS_CACHE_OUTSIDE;
    }
    if (r->metrics.present)
        take_metrics(r, what);
}

const struct wire wire_invoke = {
    .name = "invoke",
    .top = &invoke_members,
    .event_end = end_invoke_event,
    .event = take_invoke_event,
    .end = end_invoke,
    .ends_with_event = true,
};
