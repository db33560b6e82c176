#include "config.h"

#include "policy/failure.h"

#include <string.h>

#include "base/base64.h"
#include "base/decimal.h"
#include "base/jscan.h"
#include "base/timestamp.h"

#define BODY_BYTES_MAX  (64u << 10)
#define RETRY_AFTER_MAX (10 * 365 * US_PER_DAY)

#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const struct steer_end no_end = { .retry_after_us = -1, .first_token_us = -1 };

/* --- retry-after --- */

/* A number of units of `us`; false if it is none.  Negative is as good as not said. */
static bool parse_wait(struct str text, int64_t us, int64_t *ret_us)
{
    i128 millionths;

    if (decimal_parse(str_trim(text), 6, &millionths) > DECIMAL_ROUNDED || millionths < 0)
        return false;
    if (millionths > (i128)RETRY_AFTER_MAX)
        millionths = RETRY_AFTER_MAX;
    i128 wait = millionths * us / US_PER_SECOND;
    *ret_us = wait > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : (int64_t)wait;
    return true;
}

static bool parse_date(struct str text, struct str date, int64_t now_us, int64_t *ret_us)
{
    int64_t at, from;

    if (!timestamp_parse_http(str_trim(text), &at))
        return false;
    if (!timestamp_parse_http(str_trim(date), &from))
        from = now_us;
    *ret_us = at > from ? at - from : 0;
    return true;
}

static int64_t retry_after_of_head(const struct call_header *headers, size_t count, int64_t now_us)
{
    static const char *const names[] = { "retry-after-ms", "x-ms-retry-after-ms" };
    int64_t us;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (parse_wait(call_header_find(headers, count, names[i]), US_PER_SECOND / 1000, &us))
            return us;
    struct str said = call_header_find(headers, count, "retry-after");
    if (parse_wait(said, US_PER_SECOND, &us) ||
        parse_date(said, call_header_find(headers, count, "date"), now_us, &us))
        return us;
    return -1;
}

/* --- looking into JSON --- */

typedef bool (*found_fn)(struct jscan *s, void *ctx);

/* Calls fn at the values that a path leads to ("choices[].delta.content"), until one returns true.
 * The text is not looked at again after that. */
static bool find_at(struct jscan *s, const char *path, found_fn fn, void *ctx)
{
    size_t len = strcspn(path, ".[");
    struct str key;

    if (!*path)
        return fn(s, ctx);
    if (*path == '[') {
        path += path[2] == '.' ? 3 : 2;
        if (!jscan_enter_array(s))
            return false;
        while (jscan_next_element(s))
            if (find_at(s, path, fn, ctx))
                return true;
        return false;
    }
    const char *rest = path + len + (path[len] == '.');
    if (!jscan_enter_object(s))
        return false;
    while (jscan_next_member(s, &key))
        if (str_eq(key, (struct str){ path, len }) && find_at(s, rest, fn, ctx))
            return true;
    return false;
}

static bool find_in(struct str json, const char *path, found_fn fn, void *ctx)
{
    struct jscan s;

    jscan_init(&s, json);
    return find_at(&s, path, fn, ctx);
}

/* Anything but null, false, and what is empty. */
static bool is_something(struct jscan *s, void *ctx)
{
    struct str raw;

    (void)ctx;
    switch (jscan_peek(s)) {
    case JSCAN_STRING:
        return jscan_string_raw(s, &raw, NULL) && raw.len;
    case JSCAN_OBJECT:
        return jscan_enter_object(s) && jscan_next_member(s, &raw);
    case JSCAN_ARRAY:
        return jscan_enter_array(s) && jscan_next_element(s);
    case JSCAN_NUMBER:
    case JSCAN_TRUE:
        return true;
    default:
        return false;
    }
}

/* A string or a number as its text. */
static bool take_word(struct jscan *s, void *ctx)
{
    struct str *ret = ctx;

    if (jscan_peek(s) == JSCAN_NUMBER)
        return jscan_number(s, ret);
    return jscan_peek(s) == JSCAN_STRING && jscan_string_raw(s, ret, NULL) && ret->len;
}

static struct str word_at(struct str json, const char *path)
{
    struct str word = STR("");

    return find_in(json, path, take_word, &word) ? word : STR("");
}

/* --- what an error is --- */

/* Gemini: details of type google.rpc.RetryInfo, whose retryDelay is a duration: "22.5s". */
static bool take_delay(struct jscan *s, void *ctx)
{
    struct str text;

    if (jscan_peek(s) != JSCAN_STRING || !jscan_string_raw(s, &text, NULL) || !text.len ||
        text.ptr[text.len - 1] != 's')
        return false;
    text.len--;
    return parse_wait(text, US_PER_SECOND, ctx);
}

static int64_t retry_after_of_body(struct str body)
{
    static const char *const paths[] = {
        "error.details[].retryDelay",
        "[].error.details[].retryDelay",
    };
    int64_t us = -1;

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (find_in(body, paths[i], take_delay, &us))
            return us;
    return -1;
}

/* Context and content, and what no wait will mend, as llm/ tells them from other errors. */
static void classify(int status, const struct call_header *headers, size_t count, struct str body,
                     struct steer_end *ret)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call call = {
        .status = status,
        .response_headers = headers,
        .response_header_count = count,
        .response_body = body,
    };
    struct call_facts facts;

    call_read(&call, &arena, &facts);
    if (status < 500 && facts.error_class == ERROR_CLASS_CONTEXT_LENGTH)
        ret->failure = PLAN_FAILED_CONTEXT;
    else if (status < 500 && facts.error_class == ERROR_CLASS_CONTENT_FILTER)
        ret->failure = PLAN_FAILED_CONTENT;
    else if (facts.error_class == ERROR_CLASS_QUOTA_EXHAUSTED && !ret->should_retry_set)
        ret->should_retry_set = true;
}

void failure_of_answer(int status, const struct call_header *headers, size_t count, struct str body,
                       int64_t now_us, struct steer_end *ret)
{
    struct str should = str_trim(call_header_find(headers, count, "x-should-retry"));

    *ret = no_end;
    ret->status = status;
    ret->failed = status < 200 || status >= 400;
    if (!ret->failed)
        return;
    body = str_sub(body, 0, BODY_BYTES_MAX);
    ret->failure = PLAN_FAILED_STATUS;
    ret->should_retry = str_ieq(should, STR("true"));
    ret->should_retry_set = ret->should_retry || str_ieq(should, STR("false"));
    ret->retry_after_us = retry_after_of_head(headers, count, now_us);
    if (ret->retry_after_us < 0)
        ret->retry_after_us = retry_after_of_body(body);
    classify(status, headers, count, body, ret);
}

/* --- events that tell of a failure --- */

/* The status that goes with a provider's word for an error: the providers' error references. */
static const struct {
    struct str word;
    int status;
} statuses[] = {
    /* Anthropic */
    ROW(STR_INIT("overloaded_error"), 529),
    ROW(STR_INIT("api_error"), 500),
    ROW(STR_INIT("rate_limit_error"), 429),
    ROW(STR_INIT("invalid_request_error"), 400),
    ROW(STR_INIT("authentication_error"), 401),
    ROW(STR_INIT("billing_error"), 402),
    ROW(STR_INIT("permission_error"), 403),
    ROW(STR_INIT("not_found_error"), 404),
    ROW(STR_INIT("request_too_large"), 413),
    ROW(STR_INIT("timeout_error"), 504),
    /* OpenAI */
    ROW(STR_INIT("rate_limit_exceeded"), 429),
    ROW(STR_INIT("insufficient_quota"), 429),
    ROW(STR_INIT("slow_down"), 429),
    ROW(STR_INIT("server_is_overloaded"), 503),
    ROW(STR_INIT("service_unavailable_error"), 503),
    ROW(STR_INIT("server_error"), 500),
    ROW(STR_INIT("context_length_exceeded"), 400),
    ROW(STR_INIT("content_filter"), 400),
    ROW(STR_INIT("invalid_prompt"), 400),
    ROW(STR_INIT("invalid_api_key"), 401),
    ROW(STR_INIT("model_not_found"), 404),
    /* Gemini: google.rpc.Code */
    ROW(STR_INIT("RESOURCE_EXHAUSTED"), 429),
    ROW(STR_INIT("UNAVAILABLE"), 503),
    ROW(STR_INIT("INTERNAL"), 500),
    ROW(STR_INIT("UNKNOWN"), 500),
    ROW(STR_INIT("DEADLINE_EXCEEDED"), 504),
    ROW(STR_INIT("INVALID_ARGUMENT"), 400),
    ROW(STR_INIT("FAILED_PRECONDITION"), 400),
    ROW(STR_INIT("UNAUTHENTICATED"), 401),
    ROW(STR_INIT("PERMISSION_DENIED"), 403),
    ROW(STR_INIT("NOT_FOUND"), 404),
    /* Bedrock */
    ROW(STR_INIT("throttlingException"), 429),
    ROW(STR_INIT("modelNotReadyException"), 429),
    ROW(STR_INIT("serviceUnavailableException"), 503),
    ROW(STR_INIT("internalServerException"), 500),
    ROW(STR_INIT("modelStreamErrorException"), 424),
    ROW(STR_INIT("modelErrorException"), 424),
    ROW(STR_INIT("modelTimeoutException"), 408),
    ROW(STR_INIT("serviceQuotaExceededException"), 400),
    ROW(STR_INIT("validationException"), 400),
    ROW(STR_INIT("accessDeniedException"), 403),
    ROW(STR_INIT("resourceNotFoundException"), 404),
};

static int status_of_word(struct str word)
{
    int64_t number;

    if (str_to_i64(word, &number) && number >= 400 && number < PLAN_STATUS_MAX)
        return (int)number;
    for (size_t i = 0; word.len && i < ARRAY_LEN(statuses); i++)
        if (str_ieq(word, statuses[i].word))
            return statuses[i].status;
    return 0;
}

/* Where the words for an error are, the most telling first: a type can be as general as "error". */
static const char *const word_paths[] = {
    "error.code",          "error.type", "error.status", "error.http_code",
    "response.error.code", "code",       "error",
};

/* 500 if none of its words is known: it has failed, and whose fault it is is not said. */
static int status_of_event(const struct framing_event *e)
{
    int status = e->is_exception ? status_of_word(e->name) : 0;

    for (size_t i = 0; i < ARRAY_LEN(word_paths) && !status; i++)
        status = status_of_word(word_at(e->data, word_paths[i]));
    return status ? status : 500;
}

static bool is_failure(const struct framing_event *e)
{
    struct str type;

    if (e->is_exception)
        return true;
    if (!e->data.len || e->data.ptr[0] == '[') /* "[DONE]" */
        return false;
    if (find_in(e->data, "error", is_something, NULL))
        return true;
    type = word_at(e->data, "type");
    return str_eq(type, STR("error")) || str_eq(type, STR("response.failed")) ||
           str_eq(e->name, STR("error"));
}

/* A chunk of Bedrock's invoke stream has the vendor's own event in it. */
static bool unwrap_chunk(const struct framing_event *e, struct buf *out)
{
    struct str encoded = word_at(e->data, "bytes");
    struct err err;

    return !e->is_exception && encoded.len && base64_decode(out, encoded, &err) == 0;
}

bool failure_of_event(enum api api, const struct framing_event *event, struct steer_end *ret)
{
    CLEANUP(buf_release) struct buf inner = { 0 };
    struct framing_event e = *event;

    if (api == API_INVOKE && unwrap_chunk(event, &inner)) {
        e.data = buf_str(&inner);
        e.name = STR("");
    }
    if (!is_failure(&e))
        return false;
    *ret = no_end;
    ret->failed = true;
    ret->failure = PLAN_FAILED_STATUS;
    ret->status = status_of_event(&e);
    struct str body = str_sub(e.data, 0, BODY_BYTES_MAX);
    ret->retry_after_us = retry_after_of_body(body);
    classify(ret->status, NULL, 0, body, ret);
    if (e.error_message.len && str_find(e.error_message, STR("too long"), 0) >= 0)
        ret->failure = PLAN_FAILED_CONTEXT;
    return true;
}

/* --- events that have content --- */

/* A type begins with a dot: it must end so. */
static const struct content {
    enum api api;
    const char *type; /* "" = any */
    const char *path;
} contents[] = {
    {API_CHAT,              "",                           "choices[].delta.content"                         },
    { API_CHAT,             "",                           "choices[].delta.reasoning_content"               },
    { API_CHAT,             "",                           "choices[].delta.reasoning"                       },
    { API_CHAT,             "",                           "choices[].delta.tool_calls"                      },
    { API_CHAT,             "",                           "choices[].delta.function_call"                   },
    { API_CHAT,             "",                           "choices[].delta.refusal"                         },
    { API_CHAT,             "",                           "choices[].delta.audio"                           },
    { API_CHAT,             "",                           "choices[].delta.images"                          },
    { API_CHAT,             "",                           "choices[].message.content"                       },
    { API_CHAT,             "",                           "choices[].message.tool_calls"                    },
    { API_COMPLETIONS,      "",                           "choices[].text"                                  },
    { API_RESPONSES,        ".delta",                     "delta"                                           },
    { API_RESPONSES,        ".partial_image",             "partial_image_b64"                               },
    { API_RESPONSES,        "response.output_item.added", "item.name"                                       },
    { API_RESPONSES,        "response.output_item.done",  "item"                                            },
    { API_RESPONSES,        "response.completed",         "response.output"                                 },
    { API_MESSAGES,         "content_block_delta",        "delta.text"                                      },
    { API_MESSAGES,         "content_block_delta",        "delta.thinking"                                  },
    { API_MESSAGES,         "content_block_delta",        "delta.partial_json"                              },
    { API_MESSAGES,         "content_block_delta",        "delta.citation"                                  },
    { API_MESSAGES,         "content_block_start",        "content_block.text"                              },
    { API_MESSAGES,         "content_block_start",        "content_block.name"                              },
    { API_MESSAGES,         "content_block_start",        "content_block.data"                              },
    { API_MESSAGES,         "content_block_start",        "content_block.tool_use_id"                       },
    { API_COMPLETE,         "",                           "completion"                                      },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].text"               },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].functionCall"       },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].inlineData"         },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].executableCode"     },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].codeExecutionResult"},
    { API_CONVERSE,         "contentBlockDelta",          "delta.text"                                      },
    { API_CONVERSE,         "contentBlockDelta",          "delta.toolUse.input"                             },
    { API_CONVERSE,         "contentBlockDelta",          "delta.reasoningContent"                          },
    { API_CONVERSE,         "contentBlockStart",          "start.toolUse"                                   },
    { API_OLLAMA_CHAT,      "",                           "message.content"                                 },
    { API_OLLAMA_CHAT,      "",                           "message.thinking"                                },
    { API_OLLAMA_CHAT,      "",                           "message.tool_calls"                              },
    { API_OLLAMA_GENERATE,  "",                           "response"                                        },
    { API_OLLAMA_GENERATE,  "",                           "thinking"                                        },
    { API_COHERE_CHAT,      "content-delta",              "delta.message.content"                           },
    { API_COHERE_CHAT,      "tool-plan-delta",            "delta.message.tool_plan"                         },
    { API_COHERE_CHAT,      "tool-call-start",            "delta.message.tool_calls"                        },
    { API_COHERE_CHAT,      "",                           "text"                                            },
};

static bool is_type(struct str type, const char *wanted)
{
    if (*wanted == '.')
        return str_ends_with(type, str_from(wanted));
    return !*wanted || str_eq(type, str_from(wanted));
}

/* What the event calls itself, else how it is framed. */
static struct str type_of(const struct framing_event *e)
{
    struct str type = word_at(e->data, "type");

    return type.len ? type : e->name;
}

/* Whether the last name of a path is anywhere in it: reading is dear, and most are not. */
static bool may_be_at(struct str json, const char *path)
{
    const char *dot = strrchr(path, '.');

    return str_find(json, str_from(dot ? dot + 1 : path), 0) >= 0;
}

static bool has_content(enum api api, const struct framing_event *e)
{
    bool is_known = false;

    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        const struct content *c = &contents[i];
        if (c->api != api)
            continue;
        is_known = true;
        if (may_be_at(e->data, c->path) && (!*c->type || is_type(type_of(e), c->type)) &&
            find_in(e->data, c->path, is_something, NULL))
            return true;
    }
    return !is_known && !str_eq(type_of(e), STR("ping"));
}

/* The vendors' streams within Bedrock's: told by their shape. */
static bool inner_has_content(struct str json)
{
    static const char *const paths[] = {
        "delta.text",
        "delta.thinking",
        "delta.partial_json",
        "content_block.name",
        "contentBlockDelta.delta.text",
        "contentBlockDelta.delta.reasoningContent",
        "contentBlockDelta.delta.toolUse",
        "generation", /* Nova; Llama */
        "outputs[].text",
        "text",
        "outputText", /* Mistral, Cohere, Titan */
        "choices[].delta.content",
        "choices[].text",
        "choices[].message.content",
        "completion",
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (find_in(json, paths[i], is_something, NULL))
            return true;
    return false;
}

bool failure_event_has_content(enum api api, const struct framing_event *event)
{
    CLEANUP(buf_release) struct buf inner = { 0 };

    if (event->is_exception || !event->data.len || str_eq(event->data, STR("[DONE]")))
        return false;
    if (api == API_INVOKE)
        return unwrap_chunk(event, &inner) && inner_has_content(buf_str(&inner));
    return has_content(api, event);
}
