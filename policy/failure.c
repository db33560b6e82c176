#include "config.h"

#include "policy/failure.h"

#include <string.h>

#include "base/decimal.h"
#include "base/jfind.h"
#include "base/timestamp.h"
#include "llm/content.h"

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
        if (jfind(body, paths[i], take_delay, &us))
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
        status = status_of_word(jfind_word(e->data, word_paths[i]));
    return status ? status : 500;
}

static bool is_failure(const struct framing_event *e)
{
    struct str type;

    if (e->is_exception)
        return true;
    if (!e->data.len || e->data.ptr[0] == '[') /* "[DONE]" */
        return false;
    if (jfind_something(e->data, "error"))
        return true;
    type = jfind_word(e->data, "type");
    return str_eq(type, STR("error")) || str_eq(type, STR("response.failed")) ||
           str_eq(e->name, STR("error"));
}

bool failure_of_event(enum api api, const struct framing_event *event, struct steer_end *ret)
{
    CLEANUP(buf_release) struct buf inner = { 0 };
    struct framing_event e = *event;

    if (api == API_INVOKE && content_unwrap(event, &inner)) {
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
