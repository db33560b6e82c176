/* estimate - tokens of a call whose answer broke off before its usage, from the bytes of text seen.
 *
 * Four bytes a token is the rule of thumb providers give for English (OpenAI, "What are tokens");
 * it is off by half and more for code and other scripts, which is why an estimate is marked as one.
 */
#include "config.h"

#include <inttypes.h>

#include "llm/read.h"

#define BYTES_PER_TOKEN 4
#define DEPTH_MAX       64 /* deeper text is not counted */

/* Members whose strings are text the model wrote. */
static const struct str output_texts[] = {
    STR_INIT("content"),    STR_INIT("text"),       STR_INIT("reasoning_content"),
    STR_INIT("reasoning"),  STR_INIT("arguments"),  STR_INIT("partial_json"),
    STR_INIT("thinking"),   STR_INIT("delta"),      STR_INIT("response"),
    STR_INIT("outputText"), STR_INIT("generation"), STR_INIT("completion"),
    STR_INIT("input"),      STR_INIT("refusal"),
};

/* Members of a request whose strings are no text for the model: names, and media in base64. */
static const struct str input_others[] = {
    STR_INIT("data"),      STR_INIT("url"),
    STR_INIT("image_url"), STR_INIT("file_data"),
    STR_INIT("bytes"),     STR_INIT("model"),
    STR_INIT("role"),      STR_INIT("type"),
    STR_INIT("id"),        STR_INIT("call_id"),
    STR_INIT("user"),      STR_INIT("mimeType"),
    STR_INIT("metadata"),  STR_INIT("mime_type"),
    STR_INIT("signature"), STR_INIT("tool_call_id"),
    STR_INIT("fileUri"),   STR_INIT("file_id"),
    STR_INIT("images"),    STR_INIT("encrypted_content"),
};

struct text_sum {
    int64_t bytes;
    bool of_output;
    const struct wire *wire;
};

static bool is_among(struct str key, const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(names[i], key))
            return true;
    return false;
}

static void sum_texts(struct text_sum *sum, struct jscan *s, bool counts, int depth)
{
    struct str key, raw;
    enum jscan_type type = jscan_peek(s);

    if (type == JSCAN_STRING && counts) {
        if (jscan_string_raw(s, &raw, NULL))
            sum->bytes += (int64_t)raw.len;
    } else if (type == JSCAN_OBJECT && depth < DEPTH_MAX && jscan_enter_object(s)) {
        while (jscan_next_member(s, &key)) {
            bool is_text = sum->of_output ? is_among(key, output_texts, ARRAY_LEN(output_texts))
                                          : !is_among(key, input_others, ARRAY_LEN(input_others));
            sum_texts(sum, s, is_text, depth + 1);
        }
    } else if (type == JSCAN_ARRAY && depth < DEPTH_MAX && jscan_enter_array(s)) {
        while (jscan_next_element(s))
            sum_texts(sum, s, counts, depth + 1);
    } else {
        jscan_skip(s);
    }
}

static void sum_json(struct text_sum *sum, struct str json)
{
    struct jscan s;

    jscan_init(&s, json);
    sum_texts(sum, &s, false, 0);
}

static struct str type_of_event(struct str json)
{
    struct jscan s;
    struct str key, type = { 0 };

    jscan_init(&s, json);
    if (!jscan_enter_object(&s))
        return type;
    while (jscan_next_member(&s, &key))
        if (str_eq(key, STR("type")) && jscan_peek(&s) == JSCAN_STRING) {
            jscan_string_raw(&s, &type, NULL);
            break;
        }
    return type;
}

/* Responses sends each text in deltas, and then up to four times whole: when the text, its part,
 * its item and the response are done. */
static bool repeats_text(const struct wire *wire, struct str json)
{
    struct str type;

    if (wire != &wire_responses)
        return false;
    type = type_of_event(json);
    return str_starts_with(type, STR("response.")) && !str_ends_with(type, STR(".delta"));
}

static int sum_event(void *ctx, const struct framing_event *event, struct err *err)
{
    CLEANUP(buf_release) struct buf chunk = { 0 };
    struct text_sum *sum = ctx;

    (void)err;
    if (repeats_text(sum->wire, event->data))
        return 0;
    sum_json(sum, read_bedrock_chunk(event->data, &chunk) ? buf_str(&chunk) : event->data);
    return 0;
}

static int64_t tokens_of(int64_t bytes)
{
    int64_t n = (bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;

    return n < USAGE_VALUE_MAX ? n : USAGE_VALUE_MAX;
}

/* The body is read a second time: broken streams are rare, and the first pass skips all text. */
int64_t estimate_output_bytes(struct reading *r)
{
    struct text_sum output = { .of_output = true, .wire = r->wire };
    const char *kept = r->note; /* what framing says of the body was noted the first time */

    read_events(r, sum_event, &output);
    r->note = kept;
    return output.bytes;
}

void estimate_usage(struct reading *r, struct usage *usage)
{
    struct text_sum input = { 0 };
    bool has_input = usage_has(usage, USAGE_INPUT);
    int64_t output_bytes = estimate_output_bytes(r);
    int64_t tokens = tokens_of(output_bytes);

    if (!usage_has(usage, USAGE_OUTPUT) || usage->n[USAGE_OUTPUT] < tokens)
        usage_set(usage, USAGE_OUTPUT, tokens);
    if (has_input) {
        reading_note(r,
                     "broken off: input as reported, output estimated from %" PRId64
                     " bytes of text received",
                     output_bytes);
        return;
    }
    if (r->call->request_body_missing) {
        reading_note(r,
                     "broken off: output estimated from %" PRId64
                     " bytes of text received, input unknown",
                     output_bytes);
        return;
    }
    sum_json(&input, r->call->request_body);
    usage_set(usage, USAGE_INPUT, tokens_of(input.bytes));
    reading_note(r,
                 "broken off: input estimated from %" PRId64
                 " bytes of text sent, output from %" PRId64 " received",
                 input.bytes, output_bytes);
}
