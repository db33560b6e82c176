#include "config.h"

#include "proxy/denial.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"

#define MS UINT64_C(1000)

/* Statuses and words: developers.openai.com error codes, docs.anthropic.com/en/api/errors, Google's
 * google.rpc.Code, botocore's service-2.json of bedrock-runtime; 2026-11. */
/* X(kind, status, our code, it can succeed later, message) */
#define DENIALS(X)                                                                                 \
    X(ACCESS, 403, "policy_access", false, "this caller may not use this model")                   \
    X(LIMIT, 429, "policy_limit", true, "the limit for this caller is reached")                    \
    X(CONCURRENCY, 429, "policy_concurrency", true,                                                \
      "this caller has as many calls under way as it may")                                         \
    X(BUDGET, 429, "policy_budget", false, "the budget for this caller is spent")                  \
    X(UNAVAILABLE, 503, "policy_unavailable", true, "every upstream for this call is out of use")  \
    X(UNREADABLE, 400, "policy_unreadable", false,                                                 \
      "a rule asks for the model, and it cannot be told from this request")

static const struct {
    unsigned status;
    const char *code;
    bool may_retry;
    const char *message;
} kinds[DENIAL_KINDS] = {
#define X(kind, status, code, may_retry, message)                                                  \
    [DENIAL_##kind] = { status, code, may_retry, message },
    DENIALS(X)
#undef X
};

static const struct {
    const char *openai, *openai_code, *anthropic, *gemini;
} words[DENIAL_KINDS] = {
    [DENIAL_ACCESS] = {"invalid_request_error",      "model_not_found",      "permission_error",
                       "PERMISSION_DENIED" },
    [DENIAL_LIMIT] = { "requests",                  "rate_limit_exceeded",  "rate_limit_error",
                       "RESOURCE_EXHAUSTED"},
    [DENIAL_CONCURRENCY] = { "requests",                  "rate_limit_exceeded",  "rate_limit_error",
                       "RESOURCE_EXHAUSTED"},
    [DENIAL_BUDGET] = { "insufficient_quota",        "insufficient_quota",   "rate_limit_error",
                       "RESOURCE_EXHAUSTED"},
    [DENIAL_UNAVAILABLE] = { "service_unavailable_error", "server_is_overloaded", "api_error",
                       "UNAVAILABLE"       },
    [DENIAL_UNREADABLE] = { "invalid_request_error",     "model_not_readable",   "invalid_request_error",
                       "INVALID_ARGUMENT"  },
};

/* Bedrock's clients repeat every 429, so a budget is a 400 of theirs. */
static const char *const exceptions[DENIAL_KINDS] = {
    [DENIAL_ACCESS] = "AccessDeniedException",
    [DENIAL_LIMIT] = "ThrottlingException",
    [DENIAL_CONCURRENCY] = "ThrottlingException",
    [DENIAL_BUDGET] = "ServiceQuotaExceededException",
    [DENIAL_UNAVAILABLE] = "ServiceUnavailableException",
    [DENIAL_UNREADABLE] = "ValidationException",
};

static bool is_bedrock(const struct denial_why *why)
{
    return str_eq(why->api, STR("bedrock"));
}

/* --- bodies --- */

static void write_ours(const struct denial_why *why, struct str message, struct buf *out)
{
    buf_add_text(out, "{\"error\":{");
    json_add_str(out, "type", STR("weir_error"));
    json_add_str(out, "code", str_from(kinds[why->kind].code));
    json_add_str(out, "message", message);
    buf_add_text(out, "}}\n");
}

static void write_openai(const struct denial_why *why, struct str message, struct buf *out)
{
    buf_add_text(out, "{\"error\":{");
    json_add_str(out, "message", message);
    json_add_str(out, "type", str_from(words[why->kind].openai));
    json_add_key(out, "param");
    buf_add_text(out, "null");
    json_add_str(out, "code", str_from(words[why->kind].openai_code));
    buf_add_text(out, "}}\n");
}

static void write_anthropic(const struct denial_why *why, struct str message, struct buf *out)
{
    buf_add_text(out, "{\"type\":\"error\",\"error\":{");
    json_add_str(out, "type", str_from(words[why->kind].anthropic));
    json_add_str(out, "message", message);
    if (why->kind == DENIAL_BUDGET)
        buf_add_text(out, ",\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}");
    buf_add_text(out, "}}\n");
}

static void write_gemini(const struct denial_why *why, struct str message, struct buf *out)
{
    uint64_t ms = (uint64_t)why->retry_after_us / MS + 1;

    buf_add_text(out, "{\"error\":{");
    json_add_int(out, "code", kinds[why->kind].status);
    json_add_str(out, "message", message);
    json_add_str(out, "status", str_from(words[why->kind].gemini));
    if (why->retry_after_us > 0 && kinds[why->kind].may_retry)
        buf_addf(out,
                 ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
                 "\"retryDelay\":\"%" PRIu64 ".%03us\"}]",
                 ms / 1000, (unsigned)(ms % 1000));
    buf_add_text(out, "}}\n");
}

/* AWS clients take the exception's name from here if no header has it. */
static void write_bedrock(const struct denial_why *why, struct str message, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "__type", str_from(exceptions[why->kind]));
    json_add_str(out, "message", message);
    buf_add_text(out, "}\n");
}

static void write_body(const struct denial_why *why, struct buf *out)
{
    static const struct {
        struct str api;
        void (*write)(const struct denial_why *why, struct str message, struct buf *out);
    } shapes[] = {
        {STR_INIT("openai"),        write_openai   },
        { STR_INIT("azure_openai"), write_openai   },
        { STR_INIT("anthropic"),    write_anthropic},
        { STR_INIT("gemini"),       write_gemini   },
        { STR_INIT("bedrock"),      write_bedrock  },
    };
    CLEANUP(buf_release) struct buf message = { 0 };

    buf_addf(&message, "weir: %s", kinds[why->kind].message);
    if (why->model.len)
        buf_addf(&message, " ('%.*s')", STR_ARG(str_sub(why->model, 0, 100)));
    if (why->rule.len)
        buf_addf(&message, ", by rule %.*s", STR_ARG(why->rule));
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        if (str_eq(why->api, shapes[i].api)) {
            shapes[i].write(why, buf_str(&message), out);
            return;
        }
    write_ours(why, buf_str(&message), out);
}

/* --- heads --- */

static void add_header(struct denial *d, const char *name, const char *value)
{
    d->headers[d->reply.header_count++] =
        (struct http1_header){ .name = str_from(name), .value = str_from(value) };
}

void denial_make(const struct denial_why *why, struct denial *ret, struct buf *body)
{
    uint64_t ms = why->retry_after_us > 0 ? (uint64_t)why->retry_after_us / MS + 1 : 0;

    ret->reply = (struct reply){
        .status = why->kind == DENIAL_BUDGET && is_bedrock(why) ? 400 : kinds[why->kind].status,
        .code = kinds[why->kind].code,
        .message = kinds[why->kind].message,
        .headers = ret->headers,
    };
    if (!kinds[why->kind].may_retry) {
        add_header(ret, "x-should-retry", "false");
    } else if (ms) {
        snprintf(ret->seconds, sizeof(ret->seconds), "%" PRIu64, (ms + 999) / 1000);
        snprintf(ret->milliseconds, sizeof(ret->milliseconds), "%" PRIu64, ms);
        add_header(ret, "retry-after", ret->seconds);
        add_header(ret, "retry-after-ms", ret->milliseconds);
    }
    write_body(why, body);
}
