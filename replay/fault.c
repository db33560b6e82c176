#include "config.h"

#include "replay/fault.h"

#define SECOND       INT64_C(1000000)
#define USUAL_PIECES 3 /* before it strikes */
#define USUAL_BYTES  7 /* of what is cut up */

#define RETRY (FAULT_HAS(RETRY_AFTER) | FAULT_HAS(RETRY_FORM))
#define ALIVE (FAULT_HAS(KEEPALIVE) | FAULT_HAS(KEEPALIVE_EVERY))
#define SLOW  (FAULT_HAS(DELAY) | FAULT_HAS(FACTOR))

/* A row, which the formatter leaves in one piece: it aligns the members of braces. */
#define KIND(n, ...)                                                                               \
    {                                                                                              \
        .name = n, __VA_ARGS__                                                                     \
    }
#define CONNECT(n, ...)                                                                            \
    KIND(n, .stage = FAULT_CONNECT, .on = FAULT_ON_ANY, .expected = FAULT_ANSWERED_BY_FALLBACK,    \
         .failure = PLAN_FAILED_CONNECT, __VA_ARGS__)
#define REFUSAL(n, code, extra, ends, class, ...)                                                  \
    KIND(n, .stage = FAULT_REFUSAL, .on = FAULT_ON_ANY, .status = (code),                          \
         .params = FAULT_HAS(DELAY) | (extra), .expected = (ends), .failure = PLAN_FAILED_##class, \
         __VA_ARGS__)
#define BODY(n, strikes, extra, ends, fails, ...)                                                  \
    KIND(n, .stage = FAULT_BODY, .on = FAULT_ON_##strikes, .params = (extra), .expected = (ends),  \
         .failure = (fails), __VA_ARGS__)
#define STREAM(n, strikes, extra, ends, fails, ...)                                                \
    KIND(n, .stage = FAULT_STREAM, .on = FAULT_ON_##strikes, .params = (extra),                    \
         .expected = (ends), .failure = (fails), __VA_ARGS__)

#define OPENAI_ERRORS    "OpenAI error codes, platform.openai.com, Nov 2026"
#define ANTHROPIC_ERRORS "Anthropic API errors, docs.anthropic.com/api/errors, Nov 2026"
#define BEDROCK_ERRORS   "botocore bedrock-runtime service-2.json, Aug 2026"

const struct fault_kind fault_kinds[] = {
    CONNECT("connect_refused", .what = "nothing listens there",
            .nearest = "really refused where it strikes every attempt at an upstream; else the "
                       "connection is reset when the request is complete",
            .source = "tcp(7): ECONNREFUSED"),
    CONNECT("connect_stall", .params = FAULT_HAS(DELAY), .delay_us = PLAN_FOREVER,
            .what = "no connection is made: packets are lost",
            .nearest = "the connection is accepted and nothing is said on it",
            .source = "OpenAI 2024-12-04, status.openai.com/incidents/55qs3vq1m35z"),
    CONNECT("reset", .params = FAULT_HAS(DELAY),
            .what = "the connection is reset when the request is complete",
            .source = "openai-python #2356; toxiproxy reset_peer"),
    CONNECT("dns_failure", .what = "the name of the provider cannot be resolved",
            .nearest = "as connect_refused, a shut port: no listener can make a name fail; only "
                       "a drill gives the gateway a name that does not resolve, if it never "
                       "does",
            .source = "OpenAI 2024-12-04, status.openai.com/incidents/55qs3vq1m35z"),
    KIND("dns_stall", .stage = FAULT_CONNECT, .on = FAULT_ON_ANY, .params = FAULT_HAS(DELAY),
         .expected = FAULT_PASSED_ON, .failure = PLAN_FAILURES, .delay_us = 30 * SECOND,
         .what = "the name is resolved late: a cache that waits for its server",
         .nearest = "the connection is accepted, and the answer begins so much later",
         .source = "OpenAI 2024-12-04, status.openai.com/incidents/55qs3vq1m35z"),
    CONNECT("tls_failure", .what = "the handshake fails (fatal alert handshake_failure)",
            .nearest = "really so at a stand-in that speaks TLS, where it strikes every attempt at "
                       "an upstream; else the connection is reset when the request is complete, "
                       "or in plain HTTP the alert is sent in place of an answer",
            .source = "RFC 8446 6.2; no incident at an LLM provider is known"),

    KIND("silent", .stage = FAULT_HEAD, .on = FAULT_ON_ANY, .params = FAULT_HAS(DELAY),
         .expected = FAULT_ANSWERED_BY_FALLBACK, .failure = PLAN_FAILED_HEAD,
         .delay_us = PLAN_FOREVER, .what = "the request is taken, and no head of an answer comes",
         .source = "anomalyco/opencode#40205; Mininglamp-OSS/octo-smart-summary#180"),
    KIND("slow_head", .stage = FAULT_PACE, .slows = FAULT_SLOWS_HEAD, .on = FAULT_ON_ANY,
         .params = SLOW, .expected = FAULT_PASSED_ON, .failure = PLAN_FAILURES,
         .factor_percent = 100, .what = "the head of the answer comes late",
         .source = "anomalyco/opencode#40205"),
    STREAM("silent_first_token", STREAM, 0, FAULT_ANSWERED_BY_FALLBACK, PLAN_FAILED_FIRST_TOKEN,
           .hangs = true, .what = "status 200 and a head, and nothing of the answer after it",
           .source = "BerriAI/litellm: stream_timeout guards the first chunk only"),
    KIND("slow_first_token", .stage = FAULT_PACE, .slows = FAULT_SLOWS_FIRST, .on = FAULT_ON_ANY,
         .params = SLOW, .expected = FAULT_PASSED_ON, .failure = PLAN_FAILURES,
         .factor_percent = 100, .what = "the head comes in time, the first content late",
         .source = "TTFT tail, modelstats.ai (P50 541 ms, max 11,611 ms)", .is_secondary = true),

    REFUSAL("invalid_request", 400, 0, FAULT_ERROR_TO_CALLER, STATUS,
            .what = "the request itself is refused", .source = OPENAI_ERRORS),
    REFUSAL("context_length", 400, 0, FAULT_ERROR_TO_CALLER, CONTEXT,
            .what = "more tokens than the model takes", .source = ANTHROPIC_ERRORS),
    REFUSAL("content_filter", 400, 0, FAULT_ERROR_TO_CALLER, CONTENT,
            .what = "the provider's content filter refuses the prompt",
            .source = "Azure OpenAI content filtering; learn.microsoft.com Q&A 5896505"),
    REFUSAL("auth", 401, 0, FAULT_ANSWERED_BY_FALLBACK, STATUS, .what = "the key is not accepted",
            .source = OPENAI_ERRORS),
    REFUSAL("billing", 402, 0, FAULT_ANSWERED_BY_FALLBACK, STATUS, .what = "the bill is not paid",
            .source = ANTHROPIC_ERRORS),
    REFUSAL("permission", 403, 0, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the key may not do that", .source = ANTHROPIC_ERRORS),
    REFUSAL("not_found", 404, 0, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "no such model, or no more", .source = OPENAI_ERRORS),
    REFUSAL("request_timeout", 408, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the provider gave up on the request", .source = BEDROCK_ERRORS),
    REFUSAL("conflict", 409, RETRY, FAULT_ERROR_TO_CALLER, STATUS,
            .what = "the state of something does not allow it; SDKs try again",
            .source = ANTHROPIC_ERRORS),
    REFUSAL("too_large", 413, 0, FAULT_ERROR_TO_CALLER, STATUS,
            .what = "more bytes than the provider's front takes", .source = ANTHROPIC_ERRORS),
    REFUSAL("model_error", 424, 0, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the model behind the provider failed", .source = BEDROCK_ERRORS),
    REFUSAL("rate_limited", 429, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .retry_after_us = 20 * SECOND, .what = "too many requests or tokens in a minute",
            .source = "help.openai.com/5955604; ai.google.dev rate limits"),
    REFUSAL("slow_down", 429, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .retry_after_us = 5 * SECOND, .is_secondary = true,
            .what = "load rose too fast, or demand is high: below any quota",
            .source = "developersdigest.tech 429-slow-down; learn.microsoft.com Q&A 12567967"),
    REFUSAL("quota_exhausted", 429, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "what was paid for, or the day's share, is used up",
            .source = "learn.microsoft.com dev-proxy, openai-rate-limit-reached"),
    REFUSAL("spend_limit", 429, 0, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the limit on spending is reached: no retry-after, no use in trying again",
            .source = ANTHROPIC_ERRORS "; OpenAI's code: developersdigest.tech",
            .is_secondary = true),
    REFUSAL("model_not_ready", 429, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the model is being loaded", .source = BEDROCK_ERRORS),
    REFUSAL("server_error", 500, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the provider failed", .source = OPENAI_ERRORS),
    REFUSAL("bad_gateway", 502, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the provider's front could not reach what is behind it",
            .source = OPENAI_ERRORS),
    REFUSAL("unavailable", 503, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the provider is not available", .source = OPENAI_ERRORS),
    REFUSAL("overloaded", 503, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the provider is overloaded (529 with Anthropic)",
            .source =
                ANTHROPIC_ERRORS "; BerriAI/litellm#24004; OpenAI's code: developersdigest.tech",
            .is_secondary = true),
    REFUSAL("gateway_timeout", 504, RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "the provider's front waited too long for what is behind it",
            .source = ANTHROPIC_ERRORS),
    REFUSAL("status", 0, FAULT_HAS(STATUS) | RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "any status, in the provider's form", .source = "each provider's error form"),
    REFUSAL("html_error", 502, FAULT_HAS(STATUS) | RETRY, FAULT_ANSWERED_BY_FALLBACK, STATUS,
            .what = "a CDN's page in place of the provider's error",
            .source = "google/capsem#146; OpenAI 2024-12-04 (530 at the load balancer)"),

    BODY("content_filter_200", ANY, 0, FAULT_PASSED_ON, PLAN_FAILURES, .is_useless = true,
         .what = "200, and the finish reason says that a filter ended the answer",
         .source = "Azure OpenAI content filtering; learn.microsoft.com Q&A 5896505"),
    BODY("html_200", ANY, 0, FAULT_ANSWERED_BY_FALLBACK, PLAN_FAILED_FIRST_TOKEN,
         .seen_by = FAULT_SEEN_BY_READERS, .what = "200, and a CDN's page in place of the answer",
         .source = "google/capsem#146"),
    BODY("error_200", ANY, FAULT_HAS(ERROR), FAULT_ANSWERED_BY_FALLBACK, PLAN_FAILED_FIRST_TOKEN,
         .seen_by = FAULT_SEEN_BY_READERS, .what = "200, and a body that is an error",
         .source = "mnfst/llm-gateway#1656"),
    BODY("json_for_stream", STREAM, 0, FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
         .seen_by = FAULT_SEEN_BY_CALLER, .what = "a stream was asked for, and one JSON text comes",
         .source = "google/capsem#145, #231"),
    BODY("wrong_type", ANY, 0, FAULT_PASSED_ON, PLAN_FAILURES,
         .what = "the right answer under content-type text/plain", .source = "google/capsem#146"),
    BODY("one_buffer", STREAM, 0, FAULT_PASSED_ON, PLAN_FAILURES,
         .what = "the stream comes at its end, in one piece, with content-length",
         .source = "google/capsem#145, #146"),
    BODY("blank_body", ANY, 0, FAULT_ANSWERED_BY_FALLBACK, PLAN_FAILED_FIRST_TOKEN,
         .seen_by = FAULT_SEEN_BY_READERS, .what = "200, and a body of no bytes",
         .source = "coder/aibridge#56"),
    BODY("empty_completion", ANY, 0, FAULT_PASSED_ON, PLAN_FAILURES,
         .what = "a whole answer without content", .source = "coder/aibridge#56"),
    BODY("zero_usage", ANY, 0, FAULT_PASSED_ON, PLAN_FAILURES, .what = "all counts of tokens are 0",
         .source = "anomalyco/opencode#39968"),
    BODY("no_usage", ANY, 0, FAULT_PASSED_ON, PLAN_FAILURES,
         .what = "the usage is missing: in a stream, the event that has it",
         .source = "follows from a stream that ends early: its cost is not known"),

    STREAM("error_first", STREAM, FAULT_HAS(ERROR), FAULT_ANSWERED_BY_FALLBACK,
           PLAN_FAILED_FIRST_TOKEN, .what = "200, and the first event is an error",
           .source = "vercel/ai PR #10653"),
    STREAM("error_event", STREAM, FAULT_HAS(ERROR) | FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER,
           PLAN_FAILED_STREAM, .what = "an error event within the stream, which then ends",
           .source = "BerriAI/litellm#24004; anthropic-sdk-python#1258; botocore (exceptions)"),
    STREAM("failed_event", STREAM, FAULT_HAS(ERROR) | FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER,
           PLAN_FAILED_STREAM, .what = "response.failed; elsewhere as error_event",
           .source = "openai-openapi f85dbe2, ResponseFailedEvent, Aug 2026"),
    STREAM("incomplete_event", STREAM, FAULT_HAS(AFTER), FAULT_PASSED_ON, PLAN_FAILURES,
           .what = "response.incomplete; elsewhere the finish reason for too many tokens",
           .source = "openai-openapi f85dbe2, ResponseIncompleteEvent, Aug 2026"),
    STREAM("stall", ANY, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM, .hangs = true,
           .what = "silence, for good, with the connection open",
           .source = "anomalyco/opencode#37580 (43,084 s seen); block/goose PR #8134"),
    STREAM("stall_keepalive", STREAM, FAULT_HAS(AFTER) | ALIVE, FAULT_ERROR_TO_CALLER,
           PLAN_FAILED_STREAM, .hangs = true, .keepalive_us = 5 * SECOND,
           .what = "nothing but keep-alives, for good: timers that look at bytes see life",
           .source = "aaif-goose/goose#11679; anomalyco/opencode#43519"),
    STREAM("long_gap", ANY, FAULT_HAS(AFTER) | FAULT_HAS(DELAY) | ALIVE, FAULT_PASSED_ON,
           PLAN_FAILURES, .delay_us = 15 * SECOND, .keepalive_us = 5 * SECOND,
           .what = "a pause such as tools and reasoning make, and then the rest",
           .source = "anomalyco/opencode#31281"),
    STREAM("eof_clean", ANY, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
           .seen_by = FAULT_SEEN_BY_READERS,
           .what = "the body ends in good order, the answer does not: no last event",
           .source = "anomalyco/opencode#39968 (23 of 13,312 requests)"),
    STREAM("eof_tool_call", STREAM, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
           .has_content = true, .seen_by = FAULT_SEEN_BY_READERS,
           .what = "the same in the middle of a tool call's JSON",
           .source = "anomalyco/opencode#39968 (16 of them)"),
    STREAM("eof_dirty", ANY, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
           .what = "the connection is closed without the body's last chunk",
           .source = "openai-python #2356, #2065, #1384"),
    STREAM("eof_reset", ANY, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
           .what = "the connection is reset in the middle of the body",
           .source = "openai-python #2356, #1384"),
    STREAM("eof_mid_event", STREAM, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
           .seen_by = FAULT_SEEN_BY_READERS,
           .what = "the body ends in good order in the middle of an event",
           .source = "Dstack-TEE/private-ai-gateway#98"),
    STREAM("eof_mid_utf8", STREAM, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
           .seen_by = FAULT_SEEN_BY_READERS,
           .what = "the body ends within a character of several bytes",
           .source = "SamSaffron/term-llm#448"),
    STREAM("eof_unterminated", STREAM, 0, FAULT_PASSED_ON, PLAN_FAILURES,
           .what = "the last event lacks its blank line; nothing else is missing",
           .source = "tetsuo-ai/agenc-core#2487"),
    STREAM("half_open", ANY, 0, FAULT_PASSED_ON, PLAN_FAILURES, .stays_open = true,
           .what = "all of the answer comes, and the body does not end",
           .source = "anomalyco/opencode#39968 (one half-open connection)"),
    STREAM("malformed_json", ANY, FAULT_HAS(AFTER), FAULT_ERROR_TO_CALLER, PLAN_FAILED_STREAM,
           .seen_by = FAULT_SEEN_BY_CALLER, .what = "an event, or the body, is no JSON",
           .source = "aimock malformedRate"),
    STREAM("utf8_split", ANY, 0, FAULT_PASSED_ON, PLAN_FAILURES,
           .what = "a character of several bytes is cut between two chunks",
           .source = "SamSaffron/term-llm#448"),
    STREAM("event_split", ANY, FAULT_HAS(BYTES), FAULT_PASSED_ON, PLAN_FAILURES,
           .what = "chunks end anywhere, in the middle of events",
           .source = "karpetrosyan/hishel#450, #267"),
    STREAM("duplicate", STREAM, FAULT_HAS(AFTER), FAULT_PASSED_ON, PLAN_FAILURES,
           .what = "an event comes twice", .source = "llmposter duplicate_frames"),
    STREAM("reorder", STREAM, FAULT_HAS(AFTER), FAULT_PASSED_ON, PLAN_FAILURES,
           .what = "two events change places", .source = "llmposter duplicate_frames"),

    KIND("slow", .stage = FAULT_PACE, .on = FAULT_ON_ANY, .params = FAULT_HAS(FACTOR),
         .expected = FAULT_PASSED_ON, .failure = PLAN_FAILURES, .factor_percent = 300,
         .what = "everything takes so many times as long; a ramp makes it creep",
         .source = "latency creep trips no breaker that counts errors"),
    KIND("slow_stream", .stage = FAULT_PACE, .slows = FAULT_SLOWS_REST, .on = FAULT_ON_ANY,
         .params = FAULT_HAS(FACTOR), .expected = FAULT_PASSED_ON, .failure = PLAN_FAILURES,
         .factor_percent = 300,
         .what = "after the first content, everything takes so many times as long",
         .source = "llm-d-inference-sim time-factor-under-load"),
    KIND("bandwidth", .stage = FAULT_PACE, .on = FAULT_ON_ANY, .params = FAULT_HAS(BANDWIDTH),
         .expected = FAULT_PASSED_ON, .failure = PLAN_FAILURES,
         .what = "no more than so many bytes a second", .source = "toxiproxy bandwidth"),

    KIND("quota", .stage = FAULT_QUOTA, .on = FAULT_ON_ANY, .status = 429,
         .params = FAULT_HAS(REQUESTS) | FAULT_HAS(TOKENS) | FAULT_HAS(COUNTS_FAILED) |
                   FAULT_HAS(RETRY_FORM),
         .expected = FAULT_ANSWERED_BY_FALLBACK, .failure = PLAN_FAILED_STATUS,
         .what = "the provider's limits: beyond them, rate_limited",
         .source = "help.openai.com/5955604; discuss.ai.google.dev/t/109581 (failures count)"),
    { .name = NULL },
};

#define NAME(constant, name) [FAULT_ERROR_##constant] = (name),
const char *const fault_error_names[] = { FAULT_ERRORS(NAME)[FAULT_ERROR_COUNT] = NULL };
#undef NAME
#define NAME(constant, name) [FAULT_PARAM_##constant] = (name),
const char *const fault_param_names[] = { FAULT_PARAMS(NAME)[FAULT_PARAM_COUNT] = NULL };
#undef NAME
const char *const fault_retry_form_names[] = { "own", "seconds", "date", "ms", NULL };
const char *const fault_keepalive_names[] = { "none", "ping", "processing", "data", "event", NULL };
const char *const fault_expected_names[] = { "answered_by_fallback", "passed_on", "error_to_caller",
                                             NULL };

const struct fault_kind *fault_kind_find(struct str name)
{
    for (const struct fault_kind *k = fault_kinds; k->name; k++)
        if (str_eq(name, str_from(k->name)))
            return k;
    return NULL;
}

struct fault fault_usual(const struct fault_kind *kind)
{
    struct fault f = {
        .kind = kind,
        .retry_after_us = kind->retry_after_us ? kind->retry_after_us : -1,
        .delay_us = kind->delay_us,
        .keepalive_us = kind->keepalive_us,
        .after_pieces = kind->params & FAULT_HAS(AFTER) ? USUAL_PIECES : 0,
        .factor_percent = kind->factor_percent,
        .counts_failed = true,
    };

    if (kind->params & FAULT_HAS(KEEPALIVE) && kind->delay_us == 0)
        f.keepalive = FAULT_KEEPALIVE_PING;
    if (kind->params & FAULT_HAS(BYTES))
        f.piece_bytes = USUAL_BYTES;
    return f;
}

enum plan_failure fault_failure(const struct fault *f)
{
    enum plan_failure failure = f->kind->failure;

    if (failure == PLAN_FAILED_STREAM && f->kind->stage == FAULT_STREAM && !f->after_pieces &&
        f->kind->seen_by != FAULT_SEEN_BY_CALLER && !f->kind->has_content)
        return PLAN_FAILED_FIRST_TOKEN;
    return failure;
}

enum fault_expected fault_expected(const struct fault *f)
{
    int status = f->status ? f->status : f->kind->status;

    if (fault_failure(f) == PLAN_FAILED_FIRST_TOKEN && f->kind->stage == FAULT_STREAM)
        return FAULT_ANSWERED_BY_FALLBACK;
    if (f->kind->params & FAULT_HAS(STATUS) && status < 500 && status != 401 && status != 402 &&
        status != 403 && status != 404 && status != 408 && status != 424 && status != 429)
        return FAULT_ERROR_TO_CALLER;
    return f->kind->expected;
}

static const struct {
    enum api api;
    enum fault_dialect dialect;
} api_dialects[] = {
    {API_RESPONSES,         FAULT_RESPONSES},
    { API_MESSAGES,         FAULT_ANTHROPIC},
    { API_COMPLETE,         FAULT_ANTHROPIC},
    { API_GENERATE_CONTENT, FAULT_GEMINI   },
    { API_EMBED_CONTENT,    FAULT_GEMINI   },
    { API_INTERACTIONS,     FAULT_GEMINI   },
    { API_PREDICT,          FAULT_GEMINI   },
    { API_CONVERSE,         FAULT_BEDROCK  },
    { API_INVOKE,           FAULT_BEDROCK  },
    { API_GUARDRAIL,        FAULT_BEDROCK  },
    { API_OLLAMA_CHAT,      FAULT_OLLAMA   },
    { API_OLLAMA_GENERATE,  FAULT_OLLAMA   },
    { API_OLLAMA_EMBED,     FAULT_OLLAMA   },
    { API_COHERE_CHAT,      FAULT_COHERE   },
};

const char *const fault_dialect_names[] = { "openai",  "responses", "azure",  "anthropic", "gemini",
                                            "bedrock", "ollama",    "cohere", NULL };

enum fault_dialect fault_dialect(enum provider provider, enum api api)
{
    for (size_t i = 0; i < ARRAY_LEN(api_dialects); i++)
        if (api_dialects[i].api == api)
            return api_dialects[i].dialect;
    if (api == API_COUNT_TOKENS && provider == PROVIDER_ANTHROPIC)
        return FAULT_ANTHROPIC;
    if (api == API_COUNT_TOKENS && (provider == PROVIDER_GEMINI || provider == PROVIDER_VERTEX))
        return FAULT_GEMINI;
    return provider == PROVIDER_AZURE_OPENAI ? FAULT_AZURE : FAULT_OPENAI;
}
