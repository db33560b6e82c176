/* Whole answers that say no, in the words of each provider. */
#include "config.h"

#include "replay/fault.h"

#include <stdio.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "replay/fault_parts.h"

/* A row, which the formatter leaves in one piece: it aligns the members of braces. */
#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* What a provider calls an error of a status: OpenAI's and Anthropic's type, Gemini's status,
 * Bedrock's exception. */
static const struct {
    int status;
    const char *openai, *anthropic, *gemini, *bedrock, *says;
} statuses[] = {
    ROW(400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT",
        "ValidationException", "The request is not valid."),
    ROW(401, "invalid_request_error", "authentication_error", "UNAUTHENTICATED",
        "UnrecognizedClientException", "The credentials are not valid."),
    ROW(402, "unknown_error", "billing_error", "FAILED_PRECONDITION", "AccessDeniedException",
        "There is a problem with billing."),
    ROW(403, "request_forbidden", "permission_error", "PERMISSION_DENIED", "AccessDeniedException",
        "The credentials do not allow this."),
    ROW(404, "invalid_request_error", "not_found_error", "NOT_FOUND", "ResourceNotFoundException",
        "There is no such model."),
    ROW(408, "timeout", "timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException",
        "The request took too long."),
    ROW(409, "invalid_request_error", "invalid_request_error", "ABORTED", "ConflictException",
        "The state of the resource does not allow this."),
    ROW(413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT",
        "ValidationException", "The request is too large."),
    ROW(424, "server_error", "api_error", "INTERNAL", "ModelErrorException", "The model failed."),
    ROW(429, "requests", "rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException",
        "Too many requests."),
    ROW(500, "server_error", "api_error", "INTERNAL", "InternalServerException",
        "The server had an error while processing the request."),
    ROW(502, "cf_bad_gateway", "api_error", "INTERNAL", "InternalServerException", "Bad gateway."),
    ROW(503, "service_unavailable_error", "api_error", "UNAVAILABLE", "ServiceUnavailableException",
        "The service is unavailable."),
    ROW(504, "cf_gateway_timeout", "timeout_error", "DEADLINE_EXCEEDED", "ModelTimeoutException",
        "Gateway timeout."),
    ROW(529, "service_unavailable_error", "overloaded_error", "UNAVAILABLE",
        "ServiceUnavailableException", "Overloaded"),
};

/* Where an error has words of its own.  In `says`, $M is the model, $L the limit, $D the time to
 * wait as OpenAI writes it.  What is NULL is as in `statuses`. */
struct wording {
    const char *kind;
    enum fault_dialect dialect;
    int status;       /* 0 = the kind's */
    const char *type; /* as in statuses */
    const char *code;
    const char *param;
    const char *says;
};

#define CONTEXT_SAYS                                                                               \
    "This model's maximum context length is 128000 tokens. However, your messages resulted in "    \
    "205351 tokens. Please reduce the length of the messages."

static const struct wording wordings[] = {
    ROW("context_length", FAULT_OPENAI, 0, NULL, "context_length_exceeded", "messages",
        CONTEXT_SAYS),
    ROW("context_length", FAULT_AZURE, 0, NULL, "context_length_exceeded", "messages",
        CONTEXT_SAYS),
    ROW("context_length", FAULT_ANTHROPIC, 0, NULL, NULL, NULL,
        "prompt is too long: 205351 tokens > 200000 maximum"),
    ROW("context_length", FAULT_GEMINI, 0, NULL, NULL, NULL,
        "The input token count (1205351) exceeds the maximum number of tokens allowed (1048576)."),
    ROW("context_length", FAULT_BEDROCK, 0, NULL, NULL, NULL,
        "Input is too long for requested model."),
    ROW("context_length", FAULT_OLLAMA, 0, NULL, NULL, NULL,
        "the input length exceeds the context length"),
    ROW("context_length", FAULT_COHERE, 0, NULL, NULL, NULL,
        "too many tokens: total number of tokens in the prompt exceeds the limit"),
    ROW("content_filter", FAULT_OPENAI, 0, NULL, "content_policy_violation", NULL,
        "Your request was rejected as a result of our safety system."),
    ROW("content_filter", FAULT_AZURE, 0, NULL, "content_filter", "prompt",
        "The response was filtered due to the prompt triggering Azure OpenAI's content management "
        "policy."),
    ROW("content_filter", FAULT_ANTHROPIC, 0, NULL, NULL, NULL,
        "Output blocked by content filtering policy"),
    ROW("content_filter", FAULT_GEMINI, 0, NULL, NULL, NULL,
        "The request was blocked by safety settings."),
    ROW("content_filter", FAULT_BEDROCK, 0, NULL, NULL, NULL,
        "The request was blocked by content filters."),
    ROW("auth", FAULT_OPENAI, 0, NULL, "invalid_api_key", NULL, "Incorrect API key provided."),
    ROW("auth", FAULT_AZURE, 0, NULL, "401", NULL,
        "Access denied due to invalid subscription key or wrong API endpoint."),
    ROW("auth", FAULT_ANTHROPIC, 0, NULL, NULL, NULL, "invalid x-api-key"),
    ROW("auth", FAULT_BEDROCK, 403, "UnrecognizedClientException", NULL, NULL,
        "The security token included in the request is invalid."),
    ROW("billing", FAULT_OPENAI, 0, NULL, "invalid_request_error", NULL, "Insufficient Balance"),
    ROW("billing", FAULT_ANTHROPIC, 0, NULL, NULL, NULL, "Your credit balance is too low."),
    ROW("billing", FAULT_GEMINI, 400, "FAILED_PRECONDITION", NULL, NULL,
        "Please enable billing on your project."),
    ROW("billing", FAULT_BEDROCK, 403, "AccessDeniedException", NULL, NULL, NULL),
    ROW("permission", FAULT_OPENAI, 0, NULL, "unsupported_country_region_territory", NULL,
        "Country, region, or territory not supported"),
    ROW("not_found", FAULT_OPENAI, 0, NULL, "model_not_found", NULL,
        "The model `$M` does not exist or you do not have access to it."),
    ROW("not_found", FAULT_AZURE, 0, NULL, "DeploymentNotFound", NULL,
        "The API deployment for this resource does not exist."),
    ROW("not_found", FAULT_ANTHROPIC, 0, NULL, NULL, NULL, "model: $M"),
    ROW("not_found", FAULT_OLLAMA, 0, NULL, NULL, NULL,
        "model \"$M\" not found, try pulling it first"),
    ROW("too_large", FAULT_ANTHROPIC, 0, NULL, NULL, NULL, "Request exceeds the maximum size"),
    ROW("too_large", FAULT_BEDROCK, 400, "ValidationException", NULL, NULL, NULL),
    ROW("model_error", FAULT_OPENAI, 500, "server_error", NULL, NULL, NULL),
    ROW("model_error", FAULT_AZURE, 500, "server_error", NULL, NULL, NULL),
    ROW("model_error", FAULT_ANTHROPIC, 500, "api_error", NULL, NULL, NULL),
    ROW("model_error", FAULT_GEMINI, 500, "INTERNAL", NULL, NULL, NULL),
    ROW("model_error", FAULT_OLLAMA, 500, NULL, NULL, NULL, NULL),
    ROW("model_error", FAULT_COHERE, 500, NULL, NULL, NULL, NULL),
    ROW("rate_limited", FAULT_OPENAI, 0, NULL, "rate_limit_exceeded", NULL,
        "Rate limit reached for $M on $K per min ($A): Limit $L. Please try again in $D."),
    ROW("rate_limited", FAULT_AZURE, 0, NULL, "429", NULL,
        "Requests to this operation have exceeded the token rate limit of your current pricing "
        "tier. "
        "Please retry after $S seconds."),
    ROW("rate_limited", FAULT_ANTHROPIC, 0, NULL, NULL, NULL,
        "This request would exceed your organization's rate limit of $L $K per minute."),
    ROW("rate_limited", FAULT_GEMINI, 0, NULL, NULL, NULL,
        "You exceeded your current quota. Please retry in $Ss."),
    ROW("rate_limited", FAULT_BEDROCK, 0, NULL, NULL, NULL,
        "Too many requests, please wait before trying again."),
    ROW("slow_down", FAULT_OPENAI, 0, "rate_limit_error", "slow_down", NULL, "Slow down."),
    ROW("slow_down", FAULT_AZURE, 0, NULL, "429", NULL,
        "The system is experiencing high demand. Please retry later."),
    ROW("slow_down", FAULT_ANTHROPIC, 0, NULL, NULL, NULL,
        "This request would exceed your organization's acceleration limit."),
    ROW("quota_exhausted", FAULT_OPENAI, 0, "insufficient_quota", "insufficient_quota", NULL,
        "You exceeded your current quota, please check your plan and billing details."),
    ROW("quota_exhausted", FAULT_AZURE, 0, "insufficient_quota", "insufficient_quota", NULL,
        "You exceeded your current quota, please check your plan and billing details."),
    ROW("quota_exhausted", FAULT_GEMINI, 0, NULL, NULL, NULL,
        "You exceeded your current quota, please check your plan and billing details."),
    ROW("quota_exhausted", FAULT_BEDROCK, 400, "ServiceQuotaExceededException", NULL, NULL,
        "The service quota is exceeded."),
    ROW("spend_limit", FAULT_OPENAI, 0, "insufficient_quota", "credit_balance_exhausted", NULL,
        "The credit balance is exhausted."),
    ROW("spend_limit", FAULT_AZURE, 0, "insufficient_quota", "credit_balance_exhausted", NULL,
        "The credit balance is exhausted."),
    ROW("spend_limit", FAULT_ANTHROPIC, 0, NULL, NULL, NULL, "The spend limit is reached."),
    ROW("model_not_ready", FAULT_OPENAI, 503, NULL, NULL, NULL, "The model is loading."),
    ROW("model_not_ready", FAULT_AZURE, 503, NULL, "503", NULL, "The model is loading."),
    ROW("model_not_ready", FAULT_ANTHROPIC, 503, NULL, NULL, NULL, "The model is loading."),
    ROW("model_not_ready", FAULT_GEMINI, 503, "UNAVAILABLE", NULL, NULL, "The model is loading."),
    ROW("model_not_ready", FAULT_BEDROCK, 0, "ModelNotReadyException", NULL, NULL,
        "The model is not ready for inference."),
    ROW("model_not_ready", FAULT_OLLAMA, 503, NULL, NULL, NULL, "llm server loading model"),
    ROW("model_not_ready", FAULT_COHERE, 503, NULL, NULL, NULL, "The model is loading."),
    ROW("overloaded", FAULT_OPENAI, 0, NULL, "server_is_overloaded", NULL,
        "The engine is currently overloaded, please try again later"),
    ROW("overloaded", FAULT_AZURE, 0, NULL, "503", NULL,
        "The engine is currently overloaded, please try again later"),
    ROW("overloaded", FAULT_ANTHROPIC, 529, NULL, NULL, NULL, "Overloaded"),
    ROW("overloaded", FAULT_GEMINI, 0, NULL, NULL, NULL,
        "The model is overloaded. Please try again later."),
    ROW("overloaded", FAULT_BEDROCK, 0, NULL, NULL, NULL,
        "The service is overloaded, please try again later."),
    ROW("overloaded", FAULT_OLLAMA, 0, NULL, NULL, NULL,
        "server busy, please try again.  maximum pending requests exceeded"),
};

#define USUAL_REQUESTS 500 /* a minute, where no quota says otherwise */
#define USUAL_TOKENS   30000

/* --- which words --- */

static const struct wording *find_wording(const struct fault_kind *kind, enum fault_dialect dialect)
{
    struct str name = str_from(kind->stage == FAULT_QUOTA ? "rate_limited" : kind->name);

    for (size_t i = 0; i < ARRAY_LEN(wordings); i++)
        if (wordings[i].dialect == dialect && str_eq(name, str_from(wordings[i].kind)))
            return &wordings[i];
    return NULL;
}

static enum fault_dialect refusing(enum fault_dialect dialect)
{
    return dialect == FAULT_RESPONSES ? FAULT_OPENAI : dialect;
}

int fault_status(const struct fault *f, enum fault_dialect dialect)
{
    const struct wording *w = find_wording(f->kind, refusing(dialect));

    if (f->status)
        return f->status;
    return w && w->status ? w->status : f->kind->status;
}

/* The row of the status, else of the class it is in. */
static size_t status_row(int status)
{
    size_t row = 0;

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].status == status)
            return i;
        if (statuses[i].status == 500 && status >= 500)
            row = i;
    }
    return row;
}

static const char *usual_type(size_t row, enum fault_dialect dialect)
{
    switch (dialect) {
    case FAULT_ANTHROPIC:
        return statuses[row].anthropic;
    case FAULT_GEMINI:
        return statuses[row].gemini;
    case FAULT_BEDROCK:
        return statuses[row].bedrock;
    default:
        return statuses[row].openai;
    }
}

static int64_t seconds_up(int64_t us)
{
    return us <= 0 ? 0 : us / US_PER_SECOND + (us % US_PER_SECOND != 0);
}

/* As Go writes durations, without digits it has no need of: 120ms, 1.5s, 6m0s, 1h0m0s. */
static void add_duration(struct buf *out, int64_t us)
{
    int64_t ms = us <= 0 ? 0 : us / 1000, s = ms / 1000;

    if (ms < 1000) {
        buf_addf(out, "%lldms", (long long)ms);
        return;
    }
    if (s >= 3600)
        buf_addf(out, "%lldh", (long long)(s / 3600));
    if (s >= 60)
        buf_addf(out, "%lldm", (long long)(s / 60 % 60));
    buf_add_int(out, s % 60);
    if (ms % 1000)
        buf_addf(out, ".%03lld", (long long)(ms % 1000));
    while (ms % 1000 && out->ptr[out->len - 1] == '0')
        out->len--;
    buf_add_byte(out, 's');
}

static void add_says(struct fault_telling *t, const char *says)
{
    const struct fault_limit *l = &t->limit;
    int64_t wait_us = t->fault->retry_after_us > 0 ? t->fault->retry_after_us : 0;

    for (; *says; says++) {
        if (*says != '$') {
            buf_add_byte(&t->says, *says);
            continue;
        }
        switch (*++says) {
        case 'M':
            buf_add_str(&t->says, t->saying->model);
            break;
        case 'K':
            buf_add_text(&t->says, l->is_tokens ? "tokens" : "requests");
            break;
        case 'A':
            buf_add_text(&t->says, l->is_tokens ? "TPM" : "RPM");
            break;
        case 'L':
            buf_add_int(&t->says, l->is_tokens ? l->tokens : l->requests);
            break;
        case 'D':
            add_duration(&t->says, wait_us);
            break;
        default: /* S */
            buf_add_int(&t->says, seconds_up(wait_us));
        }
    }
}

static uint64_t mixed(uint64_t n) /* splitmix64 */
{
    n += UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

/* Bedrock's are UUIDs. */
static void make_request_id(struct fault_telling *t)
{
    unsigned long long a = mixed(t->saying->number), b = mixed(a);

    if (t->dialect == FAULT_BEDROCK)
        snprintf(t->request_id, sizeof(t->request_id), "%08llx-%04llx-4%03llx-8%03llx-%012llx",
                 a >> 32, a >> 16 & 0xffff, a & 0xfff, b >> 48 & 0xfff, b & 0xffffffffffff);
    else
        snprintf(t->request_id, sizeof(t->request_id), "req_%016llx", a);
}

static struct fault_limit limit_of(const struct fault *f, const struct fault_saying *saying)
{
    int64_t wait_us = f && f->retry_after_us > 0 ? f->retry_after_us : 0;

    if (saying->limit)
        return *saying->limit;
    return (struct fault_limit){ .requests = USUAL_REQUESTS,
                                 .requests_reset_us = wait_us,
                                 .tokens = USUAL_TOKENS,
                                 .tokens_left = USUAL_TOKENS,
                                 .tokens_reset_us = 0 };
}

static struct str text_or(const char *text, const char *otherwise)
{
    return str_from(text ? text : otherwise);
}

void fault_tell(struct fault_telling *t, const struct fault *f, const struct fault_saying *saying)
{
    const struct wording *w = find_wording(f->kind, refusing(saying->dialect));
    static const struct wording none;

    *t = (struct fault_telling){ .fault = f,
                                 .saying = saying,
                                 .dialect = refusing(saying->dialect) };
    t->status = fault_status(f, saying->dialect);
    size_t row = status_row(t->status);
    if (!w)
        w = &none;
    t->limit = limit_of(f, saying);
    t->type = text_or(w->type, usual_type(row, t->dialect));
    if (f->kind->stage == FAULT_QUOTA && t->dialect == FAULT_OPENAI && t->limit.is_tokens)
        t->type = STR("tokens");
    t->code = str_from(w->code);
    t->param = str_from(w->param);
    add_says(t, w->says ? w->says : statuses[row].says);
    make_request_id(t);
}

/* --- headers --- */

static void add_http_date(struct buf *out, int64_t us)
{
    static const char days[] = "MonTueWedThuFriSatSun",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil c = civil_from_us(us);

    buf_addf(out, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + 3 * civil_weekday(c), c.day,
             months + 3 * (c.month - 1), c.year, c.hour, c.minute, c.second);
}

/* "2026-11-22T21:00:00Z", a whole second not before us. */
static void add_instant(struct buf *out, int64_t us)
{
    struct civil c = civil_from_us(us + US_PER_SECOND - 1);

    buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", c.year, c.month, c.day, c.hour, c.minute,
             c.second);
}

static void add_openai_limits(const struct fault_limit *l, struct buf *out)
{
    buf_addf(out, "x-ratelimit-limit-requests: %lld\r\n", (long long)l->requests);
    buf_addf(out, "x-ratelimit-limit-tokens: %lld\r\n", (long long)l->tokens);
    buf_addf(out, "x-ratelimit-remaining-requests: %lld\r\n", (long long)l->requests_left);
    buf_addf(out, "x-ratelimit-remaining-tokens: %lld\r\nx-ratelimit-reset-requests: ",
             (long long)l->tokens_left);
    add_duration(out, l->requests_reset_us);
    buf_add_text(out, "\r\nx-ratelimit-reset-tokens: ");
    add_duration(out, l->tokens_reset_us);
    buf_add_text(out, "\r\n");
}

static void add_anthropic_limits(const struct fault_limit *l, int64_t wall_us, struct buf *out)
{
    static const char *const whats[] = { "requests", "tokens", "input-tokens", "output-tokens" };

    for (size_t i = 0; i < ARRAY_LEN(whats); i++) {
        buf_addf(out, "anthropic-ratelimit-%s-limit: %lld\r\n", whats[i],
                 (long long)(i ? l->tokens : l->requests));
        buf_addf(out, "anthropic-ratelimit-%s-remaining: %lld\r\n", whats[i],
                 (long long)(i ? l->tokens_left : l->requests_left));
        buf_addf(out, "anthropic-ratelimit-%s-reset: ", whats[i]);
        add_instant(out, wall_us + (i ? l->tokens_reset_us : l->requests_reset_us));
        buf_add_text(out, "\r\n");
    }
}

void fault_limit_headers(const struct fault_saying *saying, struct buf *headers)
{
    struct fault_limit l = limit_of(NULL, saying);
    enum fault_dialect d = refusing(saying->dialect);

    if (d == FAULT_OPENAI || d == FAULT_AZURE)
        add_openai_limits(&l, headers);
    else if (d == FAULT_ANTHROPIC)
        add_anthropic_limits(&l, saying->wall_us, headers);
}

/* Gemini says it in the body, Bedrock not at all. */
static void add_retry_after(const struct fault_telling *t, struct buf *out)
{
    const struct fault *f = t->fault;
    enum fault_retry_form form = f->retry_form;
    bool own = form == FAULT_RETRY_OWN;

    if (f->retry_after_us < 0 ||
        (own && (t->dialect == FAULT_GEMINI || t->dialect == FAULT_BEDROCK)))
        return;
    if (form == FAULT_RETRY_MS || (own && t->dialect == FAULT_AZURE))
        buf_addf(out, "retry-after-ms: %lld\r\n", (long long)(f->retry_after_us / 1000));
    if (form == FAULT_RETRY_MS)
        return;
    buf_add_text(out, "retry-after: ");
    if (form == FAULT_RETRY_DATE)
        add_http_date(out, t->saying->wall_us + f->retry_after_us + US_PER_SECOND - 1);
    else
        buf_add_int(out, seconds_up(f->retry_after_us));
    buf_add_text(out, "\r\n");
}

static void add_headers(const struct fault_telling *t, struct buf *out)
{
    static const char *const ids[FAULT_DIALECTS] = {
        [FAULT_OPENAI] = "x-request-id",  [FAULT_AZURE] = "apim-request-id",
        [FAULT_ANTHROPIC] = "request-id", [FAULT_BEDROCK] = "x-amzn-requestid",
        [FAULT_COHERE] = "x-request-id",
    };

    buf_add_text(out, "content-type: application/json\r\n");
    if (ids[t->dialect])
        buf_addf(out, "%s: %s\r\n", ids[t->dialect], t->request_id);
    if (t->dialect == FAULT_BEDROCK)
        buf_addf(out, "x-amzn-errortype: %.*s\r\n", STR_ARG(t->type));
    if (t->saying->limit || str_eq(str_from(t->fault->kind->name), STR("rate_limited"))) {
        struct fault_saying saying = *t->saying;
        saying.limit = &t->limit;
        fault_limit_headers(&saying, out);
    }
    add_retry_after(t, out);
}

/* --- bodies --- */

static void add_or_null(struct buf *out, const char *key, struct str value)
{
    json_add_key(out, key);
    if (value.ptr)
        json_add_string(out, value);
    else
        buf_add_text(out, "null");
}

static void add_openai(const struct fault_telling *t, struct buf *out)
{
    bool by_cdn = str_starts_with(t->type, STR("cf_"));

    buf_add_text(out, "{\"error\":{");
    json_add_str(out, "message", buf_str(&t->says));
    add_or_null(out, "type", t->type);
    add_or_null(out, "param", t->param);
    if (by_cdn)
        json_add_int(out, "code", t->status);
    else
        add_or_null(out, "code", t->code);
    buf_add_text(out, "}}");
}

#define AZURE_FILTER                                                                               \
    ",\"status\":400,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\","                   \
    "\"content_filter_result\":{\"hate\":{\"filtered\":true,\"severity\":\"medium\"},"             \
    "\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"},"                                    \
    "\"sexual\":{\"filtered\":false,\"severity\":\"safe\"},"                                       \
    "\"violence\":{\"filtered\":false,\"severity\":\"safe\"}}}}}"

/* Errors of the gateway in front of the models have a code and a message, those of the models the
 * form of OpenAI's. */
static void add_azure(const struct fault_telling *t, struct buf *out)
{
    struct fault_telling as = *t;
    char code[16];

    if (str_eq(t->code, STR("content_filter"))) {
        as.type = (struct str){ 0 };
        add_openai(&as, out);
        out->len -= 2;
        buf_add_text(out, AZURE_FILTER);
        return;
    }
    if (t->code.ptr && str_find_char(t->code, '_', 0) >= 0) {
        add_openai(t, out);
        return;
    }
    snprintf(code, sizeof(code), "%d", t->status);
    buf_add_text(out, "{\"error\":{");
    json_add_str(out, "code", t->code.ptr ? t->code : str_from(code));
    json_add_str(out, "message", buf_str(&t->says));
    buf_add_text(out, "}}");
}

static void add_anthropic(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "{\"type\":\"error\",\"error\":{");
    if (str_eq(str_from(t->fault->kind->name), STR("spend_limit")))
        buf_add_text(out, "\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}");
    json_add_str(out, "type", t->type);
    json_add_str(out, "message", buf_str(&t->says));
    buf_add_byte(out, '}');
    json_add_str(out, "request_id", str_from(t->request_id));
    buf_add_byte(out, '}');
}

#define GEMINI_TYPE "{\"@type\":\"type.googleapis.com/google.rpc."

static void add_gemini_details(const struct fault_telling *t, struct buf *out)
{
    bool a_day = str_eq(str_from(t->fault->kind->name), STR("quota_exhausted"));
    const struct fault_limit *l = &t->limit;

    buf_addf(out,
             ",\"details\":[" GEMINI_TYPE "QuotaFailure\",\"violations\":[{\"quotaMetric\":"
             "\"generativelanguage.googleapis.com/generate_content_%s\",\"quotaId\":"
             "\"Generate%sPer%sPerProjectPerModel\",\"quotaDimensions\":{\"location\":"
             "\"global\",\"model\":",
             l->is_tokens ? "input_token_count" : "requests",
             l->is_tokens ? "ContentInputTokens" : "Requests", a_day ? "Day" : "Minute");
    json_add_string(out, t->saying->model);
    buf_addf(out, "},\"quotaValue\":\"%lld\"}]}",
             (long long)(l->is_tokens ? l->tokens : l->requests));
    buf_add_text(out, "," GEMINI_TYPE "Help\",\"links\":[{\"description\":\"Gemini API quotas\","
                      "\"url\":\"https://ai.google.dev/gemini-api/docs/rate-limits\"}]}");
    if (t->fault->retry_after_us >= 0 && t->fault->retry_form == FAULT_RETRY_OWN)
        buf_addf(out, "," GEMINI_TYPE "RetryInfo\",\"retryDelay\":\"%llds\"}",
                 (long long)seconds_up(t->fault->retry_after_us));
    buf_add_byte(out, ']');
}

static void add_gemini(const struct fault_telling *t, struct buf *out)
{
    buf_add_text(out, "{\"error\":{");
    json_add_int(out, "code", t->status);
    json_add_str(out, "message", buf_str(&t->says));
    json_add_str(out, "status", t->type);
    if (t->status == 429)
        add_gemini_details(t, out);
    buf_add_text(out, "}}");
}

static void add_bedrock(const struct fault_telling *t, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "message", buf_str(&t->says));
    if (str_eq(t->type, STR("ModelErrorException"))) {
        json_add_int(out, "originalStatusCode", 500);
        json_add_str(out, "resourceName", t->saying->model);
    }
    buf_add_byte(out, '}');
}

static void add_plain(const struct fault_telling *t, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, t->dialect == FAULT_OLLAMA ? "error" : "message", buf_str(&t->says));
    buf_add_byte(out, '}');
}

void fault_html_page(int status, uint64_t number, struct buf *out)
{
    buf_addf(out,
             "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>%d</title></head>\n<body>\n"
             "<h1>Error %d</h1>\n<p>Ray ID: %016llx</p>\n</body>\n</html>\n",
             status, status, (unsigned long long)mixed(number));
}

void fault_refusal(const struct fault *f, const struct fault_saying *saying, int *ret_status,
                   struct buf *headers, struct buf *body)
{
    static void (*const bodies[FAULT_DIALECTS])(const struct fault_telling *, struct buf *) = {
        [FAULT_OPENAI] = add_openai,       [FAULT_AZURE] = add_azure,
        [FAULT_ANTHROPIC] = add_anthropic, [FAULT_GEMINI] = add_gemini,
        [FAULT_BEDROCK] = add_bedrock,     [FAULT_OLLAMA] = add_plain,
        [FAULT_COHERE] = add_plain,
    };
    struct fault_telling t;

    fault_tell(&t, f, saying);
    *ret_status = t.status;
    if (str_eq(str_from(f->kind->name), STR("html_error"))) {
        buf_addf(headers,
                 "content-type: text/html; charset=UTF-8\r\nserver: cloudflare\r\n"
                 "cf-ray: %016llx\r\n",
                 (unsigned long long)mixed(saying->number));
        add_retry_after(&t, headers);
        fault_html_page(t.status, saying->number, body);
    } else {
        add_headers(&t, headers);
        bodies[t.dialect](&t, body);
        buf_add_byte(body, '\n');
    }
    buf_release(&t.says);
}
