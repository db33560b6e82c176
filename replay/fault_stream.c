/* Errors and keep-alives within a stream, framed for the wire. */
#include "config.h"

#include "replay/fault.h"

#include "base/json.h"
#include "replay/eventstream.h"
#include "replay/fault_parts.h"

/* The refusal that has the words of an error. */
static const char *const error_kinds[FAULT_ERROR_COUNT] = {
    [FAULT_ERROR_OVERLOADED] = "overloaded",     [FAULT_ERROR_SERVER] = "server_error",
    [FAULT_ERROR_RATE_LIMITED] = "rate_limited", [FAULT_ERROR_TIMEOUT] = "gateway_timeout",
    [FAULT_ERROR_MODEL] = "model_error",         [FAULT_ERROR_INVALID] = "invalid_request",
};

static void add_openai(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "data: {\"error\":{");
    json_add_str(out, "message", buf_str(&t->says));
    json_add_str(out, "type", t->type);
    buf_add_text(out, ",\"param\":null,\"code\":");
    if (t->code.ptr)
        json_add_string(out, t->code);
    else
        buf_add_text(out, "null");
    buf_add_text(out, "}}\n\n");
}

/* ResponseErrorCode has two codes that fit what a server does wrong (openai-openapi f85dbe2). */
static struct str responses_code(const struct fault_telling *t)
{
    if (t->fault->error == FAULT_ERROR_RATE_LIMITED)
        return STR("rate_limit_exceeded");
    return t->fault->error == FAULT_ERROR_INVALID ? STR("invalid_prompt") : STR("server_error");
}

static void add_responses(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "event: error\ndata: {\"type\":\"error\"");
    json_add_str(out, "code", responses_code(t));
    json_add_str(out, "message", buf_str(&t->says));
    buf_add_text(out, ",\"param\":null");
    json_add_int(out, "sequence_number", (int64_t)t->saying->sequence);
    buf_add_text(out, "}\n\n");
}

static void add_responses_failed(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "event: response.failed\ndata: {\"type\":\"response.failed\"");
    json_add_int(out, "sequence_number", (int64_t)t->saying->sequence);
    buf_add_text(out, ",\"response\":{");
    json_add_str(out, "id", str_from(t->request_id));
    buf_add_text(out, ",\"object\":\"response\",\"created_at\":1700000000,\"status\":\"failed\","
                      "\"error\":{");
    json_add_str(out, "code", responses_code(t));
    json_add_str(out, "message", buf_str(&t->says));
    buf_add_text(out, "},\"incomplete_details\":null,\"instructions\":null,\"metadata\":{}");
    json_add_str(out, "model", t->saying->model);
    buf_add_text(out, ",\"output\":[],\"parallel_tool_calls\":true,\"temperature\":1,"
                      "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1,\"usage\":null}}\n\n");
}

static void add_anthropic(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "event: error\ndata: {\"type\":\"error\",\"error\":{\"details\":null");
    json_add_str(out, "type", t->type);
    json_add_str(out, "message", buf_str(&t->says));
    buf_add_text(out, "}}\n\n");
}

static void add_gemini(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "data: {\"error\":{");
    json_add_int(out, "code", t->status);
    json_add_str(out, "message", buf_str(&t->says));
    json_add_str(out, "status", t->type);
    buf_add_text(out, "}}\r\n\r\n");
}

/* The exceptions of a stream are the service's in lower camel case. */
static void add_bedrock(const struct fault_telling *t, struct buf *out)
{
    CLEANUP(buf_release) struct buf type = { 0 }, payload = { 0 };
    bool is_model = t->fault->error == FAULT_ERROR_MODEL;

    buf_add_str(&type, is_model ? STR("ModelStreamErrorException") : t->type);
    type.ptr[0] = (char)(type.ptr[0] | 0x20);
    buf_add_byte(&payload, '{');
    json_add_str(&payload, "message", buf_str(&t->says));
    if (is_model) {
        json_add_int(&payload, "originalStatusCode", 500);
        json_add_str(&payload, "originalMessage", buf_str(&t->says));
    }
    buf_add_byte(&payload, '}');
    eventstream_add_exception(out, buf_str(&type), buf_str(&payload));
}

static void add_ollama(const struct fault_telling *t, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "error", buf_str(&t->says));
    buf_add_text(out, "}\n");
}

static void add_cohere(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{"
                      "\"finish_reason\":\"ERROR\"");
    json_add_str(out, "error", buf_str(&t->says));
    buf_add_text(out, "}}\n\n");
}

void fault_stream_error(const struct fault *f, const struct fault_saying *saying, struct buf *out)
{
    static void (*const adds[FAULT_DIALECTS])(const struct fault_telling *, struct buf *) = {
        [FAULT_OPENAI] = add_openai, [FAULT_RESPONSES] = add_responses,
        [FAULT_AZURE] = add_openai,  [FAULT_ANTHROPIC] = add_anthropic,
        [FAULT_GEMINI] = add_gemini, [FAULT_BEDROCK] = add_bedrock,
        [FAULT_OLLAMA] = add_ollama, [FAULT_COHERE] = add_cohere,
    };
    struct fault words = *f;
    struct fault_telling t;

    words.kind = fault_kind_find(str_from(error_kinds[f->error]));
    words.status = 0;
    fault_tell(&t, &words, saying);
    if (saying->dialect == FAULT_RESPONSES && str_eq(str_from(f->kind->name), STR("failed_event")))
        add_responses_failed(&t, out);
    else
        adds[saying->dialect](&t, out);
    buf_release(&t.says);
}

void fault_stream_keepalive(const struct fault *f, enum fault_dialect dialect, struct buf *out)
{
    static const char *const texts[] = {
        [FAULT_KEEPALIVE_NONE] = "",
        [FAULT_KEEPALIVE_PING] = ": ping\n\n",
        [FAULT_KEEPALIVE_PROCESSING] = ": OPENROUTER PROCESSING\n\n",
        [FAULT_KEEPALIVE_DATA] = "data:\n\n",
        [FAULT_KEEPALIVE_EVENT] = "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    };

    if (dialect == FAULT_BEDROCK)
        return;
    if (dialect == FAULT_OLLAMA && f->keepalive != FAULT_KEEPALIVE_NONE)
        buf_add_byte(out, '\n');
    else
        buf_add_text(out, texts[f->keepalive]);
}
