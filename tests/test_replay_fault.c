/* The table of faults, and the words of each provider. */
#include "config.h"

#include "replay/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "llm/framing.h"
#include "policy/plan_conf.h"
#include "tests/check_main.h"

#define WALL_US INT64_C(1790899140000000) /* 2026-10-01T23:59:00Z */

struct refusal {
    int status;
    struct buf headers, body;
};

static void refusal_release(struct refusal *r)
{
    buf_release(&r->headers);
    buf_release(&r->body);
}
DEFINE_CLEANUP_VALUE(struct refusal, refusal_release)

static const struct fault_kind *kind_of(const char *name)
{
    const struct fault_kind *k = fault_kind_find(str_from(name));

    ck_assert_msg(k != NULL, "no fault %s", name);
    return k;
}

static struct fault_saying saying_in(enum fault_dialect dialect)
{
    return (struct fault_saying){
        .dialect = dialect, .model = STR("m-1"), .number = 7, .wall_us = WALL_US, .sequence = 5
    };
}

static void refuse(const struct fault *f, enum fault_dialect dialect, struct refusal *ret)
{
    struct fault_saying saying = saying_in(dialect);

    fault_refusal(f, &saying, &ret->status, &ret->headers, &ret->body);
    buf_cstr(&ret->headers);
    buf_cstr(&ret->body);
}

/* --- the table --- */

START_TEST(every_row_is_complete_and_has_a_name_of_its_own)
{
    for (const struct fault_kind *k = fault_kinds; k->name; k++) {
        ck_assert_msg(k->what && k->source && k->on && k->expected <= FAULT_ERROR_TO_CALLER, "%s",
                      k->name);
        ck_assert_ptr_eq(kind_of(k->name), k);
        ck_assert_msg(k->failure <= PLAN_FAILURES, "%s", k->name);
        /* Who gets its answer passed on has had no failure, and the other way about. */
        ck_assert_msg((k->expected == FAULT_PASSED_ON) == (k->failure == PLAN_FAILURES), "%s",
                      k->name);
    }
    ck_assert_ptr_null(fault_kind_find(STR("overload")));
}
END_TEST

/* Words that were found with others than the provider. */
START_TEST(a_row_says_if_its_words_are_not_the_providers)
{
    static const struct {
        const char *name;
        bool is_secondary;
    } rows[] = {
        {"overloaded",    true },
        { "spend_limit",  true },
        { "slow_down",    true },
        { "rate_limited", false},
        { "billing",      false}
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(kind_of(rows[i].name)->is_secondary == rows[i].is_secondary, "%s",
                      rows[i].name);
}
END_TEST

/* The table and the policy are of one mind about what another provider may cure. */
START_TEST(weirs_own_routes_fall_back_from_every_refusal_that_another_can_cure)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free) struct plan *p = plan_new("weir");
    struct err err;

    ck_assert_int_eq(
        yaml_parse(STR("upstreams: {a: {url: 'https://a.test', api: openai},\n"
                       "            b: {url: 'https://b.test', api: openai}}\n"
                       "policy: {routes: [{targets: [{upstream: a}, {upstream: b}]}]}\n"),
                   "p.yaml", &y, &err),
        0);
    ck_assert_msg(plan_conf_read(p, y, STR("p.yaml"), &err) == 0, "%s", err.text);
    const struct plan_when *when = &p->routes->root->items->next->when;
    for (const struct fault_kind *k = fault_kinds; k->name; k++) {
        struct fault f = fault_usual(k);
        if (k->stage != FAULT_REFUSAL || !k->status)
            continue;
        ck_assert_msg(plan_when_has(when, fault_failure(&f), k->status) ==
                          (fault_expected(&f) == FAULT_ANSWERED_BY_FALLBACK),
                      "%s", k->name);
    }
    struct fault any = fault_usual(kind_of("status"));
    for (any.status = 400; any.status < 600; any.status++)
        ck_assert_msg(plan_when_has(when, PLAN_FAILED_STATUS, any.status) ==
                          (fault_expected(&any) == FAULT_ANSWERED_BY_FALLBACK),
                      "%d", any.status);
}
END_TEST

START_TEST(the_manual_lists_every_fault_and_what_it_takes)
{
    CLEANUP(buf_release) struct buf page = { 0 };
    const char *srcdir = getenv("srcdir");
    char path[4096], want[300];
    struct err err = { 0 };

    snprintf(path, sizeof(path), "%s/doc/weir-scenario.5", srcdir ? srcdir : ".");
    ck_assert_msg(file_read(path, 1u << 20, &page, &err) == 0, "%s", err.text);
    ptrdiff_t from = str_find(buf_str(&page), STR("\n.Sh FAULTS\n"), 0);
    ck_assert_int_gt(from, 0);
    for (const struct fault_kind *k = fault_kinds; k->name; k++) {
        snprintf(want, sizeof(want), k->status ? "\n.It Cm %s No ( %d )\n" : "\n.It Cm %s\n",
                 k->name, k->status);
        ptrdiff_t at = str_find(buf_str(&page), str_from(want), (size_t)from);
        ck_assert_msg(at >= 0, "missing: %s", want);
        struct str rest = str_sub(buf_str(&page), (size_t)at + strlen(want), SIZE_MAX);
        ptrdiff_t end = str_find(rest, STR("\nSource: "), 0);
        ck_assert_int_gt(end, 0);
        struct str says = str_sub(rest, 0, (size_t)end);
        struct fault f = fault_usual(k);
        f.status = k->status ? 0 : 500;
        snprintf(want, sizeof(want), "\nExpected: %s.", fault_expected_names[fault_expected(&f)]);
        for (char *c = want; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        ck_assert_msg(str_find(says, str_from(want), 0) >= 0, "%s: not %s", k->name, want);
        for (unsigned p = 0; p < FAULT_PARAM_COUNT; p++) {
            snprintf(want, sizeof(want), "\n.Cm %s ", fault_param_names[p]);
            bool is_told = str_find(says, str_from(want), 0) >= 0, is_taken = k->params >> p & 1;
            ck_assert_msg(is_told == is_taken, "%s and %s: told %d, taken %d", k->name,
                          fault_param_names[p], is_told, is_taken);
        }
        ck_assert_msg(
            str_starts_with(str_sub(rest, (size_t)end + 9, SIZE_MAX), str_from(k->source)),
            "%s: another source", k->name);
    }
}
END_TEST

START_TEST(what_strikes_before_any_content_can_be_answered_elsewhere)
{
    struct fault f = fault_usual(kind_of("error_event"));

    ck_assert_int_eq(fault_failure(&f), PLAN_FAILED_STREAM);
    ck_assert_int_eq(fault_expected(&f), FAULT_ERROR_TO_CALLER);
    f.after_pieces = 0;
    ck_assert_int_eq(fault_failure(&f), PLAN_FAILED_FIRST_TOKEN);
    ck_assert_int_eq(fault_expected(&f), FAULT_ANSWERED_BY_FALLBACK);
    f = fault_usual(kind_of("status"));
    f.status = 530;
    ck_assert_int_eq(fault_expected(&f), FAULT_ANSWERED_BY_FALLBACK);
    f.status = 422;
    ck_assert_int_eq(fault_expected(&f), FAULT_ERROR_TO_CALLER);
    f = fault_usual(kind_of("half_open"));
    ck_assert_int_eq(fault_failure(&f), PLAN_FAILURES);
}
END_TEST

/* --- refusals --- */

static const struct {
    const char *fault;
    enum fault_dialect dialect;
    int status;
    const char *headers, *body;
} goldens[] = {
    ROW("quota_exhausted", FAULT_OPENAI, 429,
        "content-type: application/json\r\nx-request-id: req_63cbe1e459320dd7\r\n",
        "{\"error\":{\"message\":\"You exceeded your current quota, please check your plan and "
        "billing details.\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":"
        "\"insufficient_quota\"}}\n"),
    ROW("rate_limited", FAULT_RESPONSES, 429,
        "content-type: application/json\r\nx-request-id: req_63cbe1e459320dd7\r\n"
        "x-ratelimit-limit-requests: 500\r\nx-ratelimit-limit-tokens: 30000\r\n"
        "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-remaining-tokens: 30000\r\n"
        "x-ratelimit-reset-requests: 20s\r\nx-ratelimit-reset-tokens: 0ms\r\nretry-after: 20\r\n",
        "{\"error\":{\"message\":\"Rate limit reached for m-1 on requests per min (RPM): Limit "
        "500. Please try again in 20s.\",\"type\":\"requests\",\"param\":null,\"code\":"
        "\"rate_limit_exceeded\"}}\n"),
    ROW("bad_gateway", FAULT_OPENAI, 502,
        "content-type: application/json\r\nx-request-id: req_63cbe1e459320dd7\r\n",
        "{\"error\":{\"message\":\"Bad gateway.\",\"type\":\"cf_bad_gateway\",\"param\":null,"
        "\"code\":502}}\n"),
    ROW("slow_down", FAULT_AZURE, 429,
        "content-type: application/json\r\napim-request-id: req_63cbe1e459320dd7\r\n"
        "retry-after-ms: 5000\r\nretry-after: 5\r\n",
        "{\"error\":{\"code\":\"429\",\"message\":\"The system is experiencing high demand. Please "
        "retry later.\"}}\n"),
    ROW("content_filter", FAULT_AZURE, 400,
        "content-type: application/json\r\napim-request-id: req_63cbe1e459320dd7\r\n",
        "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure "
        "OpenAI's content management policy.\",\"type\":null,\"param\":\"prompt\",\"code\":"
        "\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
        "\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{\"hate\":{\"filtered\":true,"
        "\"severity\":\"medium\"},\"self_harm\":{\"filtered\":false,\"severity\":\"safe\"},"
        "\"sexual\":{\"filtered\":false,\"severity\":\"safe\"},\"violence\":{\"filtered\":false,"
        "\"severity\":\"safe\"}}}}}\n"),
    ROW("overloaded", FAULT_ANTHROPIC, 529,
        "content-type: application/json\r\nrequest-id: req_63cbe1e459320dd7\r\n",
        "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},"
        "\"request_id\":\"req_63cbe1e459320dd7\"}\n"),
    ROW("spend_limit", FAULT_ANTHROPIC, 429,
        "content-type: application/json\r\nrequest-id: req_63cbe1e459320dd7\r\n",
        "{\"type\":\"error\",\"error\":{\"details\":{\"error_code\":"
        "\"enforced_spend_limit_reached\"},\"type\":\"rate_limit_error\",\"message\":\"The spend "
        "limit is reached.\"},\"request_id\":\"req_63cbe1e459320dd7\"}\n"),
    ROW("rate_limited", FAULT_GEMINI, 429, "content-type: application/json\r\n",
        "{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota. Please retry in "
        "20s.\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":"
        "\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":[{\"quotaMetric\":"
        "\"generativelanguage.googleapis.com/generate_content_requests\",\"quotaId\":"
        "\"GenerateRequestsPerMinutePerProjectPerModel\",\"quotaDimensions\":{\"location\":"
        "\"global\",\"model\":\"m-1\"},\"quotaValue\":\"500\"}]},{\"@type\":"
        "\"type.googleapis.com/google.rpc.Help\",\"links\":[{\"description\":\"Gemini API "
        "quotas\",\"url\":\"https://ai.google.dev/gemini-api/docs/rate-limits\"}]},{\"@type\":"
        "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"20s\"}]}}\n"),
    ROW("rate_limited", FAULT_BEDROCK, 429,
        "content-type: application/json\r\n"
        "x-amzn-requestid: 63cbe1e4-5932-4dd7-88b4-c2977eabce45\r\n"
        "x-amzn-errortype: ThrottlingException\r\n",
        "{\"message\":\"Too many requests, please wait before trying again.\"}\n"),
    ROW("quota_exhausted", FAULT_BEDROCK, 400,
        "content-type: application/json\r\n"
        "x-amzn-requestid: 63cbe1e4-5932-4dd7-88b4-c2977eabce45\r\n"
        "x-amzn-errortype: ServiceQuotaExceededException\r\n",
        "{\"message\":\"The service quota is exceeded.\"}\n"),
    ROW("not_found", FAULT_OLLAMA, 404, "content-type: application/json\r\n",
        "{\"error\":\"model \\\"m-1\\\" not found, try pulling it first\"}\n"),
    ROW("html_error", FAULT_OPENAI, 502,
        "content-type: text/html; charset=UTF-8\r\nserver: cloudflare\r\ncf-ray: "
        "63cbe1e459320dd7\r\n",
        "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>502</title></head>\n<body>\n"
        "<h1>Error 502</h1>\n<p>Ray ID: 63cbe1e459320dd7</p>\n</body>\n</html>\n"),
};

START_TEST(a_refusal_is_in_the_providers_words_to_the_byte)
{
    CLEANUP(refusal_release) struct refusal r = { 0 };
    struct fault f = fault_usual(kind_of(goldens[_i].fault));

    refuse(&f, goldens[_i].dialect, &r);
    ck_assert_int_eq(r.status, goldens[_i].status);
    ck_assert_int_eq(fault_status(&f, goldens[_i].dialect), r.status);
    ck_assert_str_eq(r.headers.ptr, goldens[_i].headers);
    ck_assert_str_eq(r.body.ptr, goldens[_i].body);
}
END_TEST

START_TEST(anthropics_limits_are_told_as_instants)
{
    CLEANUP(refusal_release) struct refusal r = { 0 };
    struct fault f = fault_usual(kind_of("rate_limited"));

    refuse(&f, FAULT_ANTHROPIC, &r);
    ck_assert_ptr_nonnull(strstr(r.headers.ptr, "anthropic-ratelimit-requests-limit: 500\r\n"
                                                "anthropic-ratelimit-requests-remaining: 0\r\n"
                                                "anthropic-ratelimit-requests-reset: "
                                                "2026-10-01T23:59:20Z\r\n"));
    ck_assert_ptr_nonnull(strstr(r.headers.ptr, "anthropic-ratelimit-output-tokens-reset: "
                                                "2026-10-01T23:59:00Z\r\nretry-after: 20\r\n"));
}
END_TEST

static const struct {
    enum fault_retry_form form;
    int64_t after_us;
    const char *header;
} forms[] = {
    ROW(FAULT_RETRY_SECONDS, 1500000, "retry-after: 2\r\n"),
    ROW(FAULT_RETRY_MS, 1500000, "retry-after-ms: 1500\r\n"),
    ROW(FAULT_RETRY_DATE, 20000000, "retry-after: Thu, 01 Oct 2026 23:59:20 GMT\r\n"),
    ROW(FAULT_RETRY_OWN, 0, "retry-after: 0\r\n"),
};

START_TEST(a_retry_after_can_be_said_in_each_form)
{
    CLEANUP(refusal_release) struct refusal r = { 0 };
    struct fault f = fault_usual(kind_of("overloaded"));

    f.retry_form = forms[_i].form;
    f.retry_after_us = forms[_i].after_us;
    refuse(&f, FAULT_OPENAI, &r);
    ck_assert_msg(str_ends_with(buf_str(&r.headers), str_from(forms[_i].header)), "%s",
                  r.headers.ptr);
}
END_TEST

/* --- as weir itself reads them --- */

static const struct {
    enum fault_dialect dialect;
    enum api api;
    const char *host, *path, *model_member;
} dialects[] = {
    ROW(FAULT_OPENAI, API_CHAT, "api.openai.com", "/v1/chat/completions", "{\"model\":\"m-1\"}"),
    ROW(FAULT_RESPONSES, API_RESPONSES, "api.openai.com", "/v1/responses", "{\"model\":\"m-1\"}"),
    ROW(FAULT_AZURE, API_CHAT, "x.openai.azure.com", "/openai/deployments/m-1/chat/completions",
        "{}"),
    ROW(FAULT_ANTHROPIC, API_MESSAGES, "api.anthropic.com", "/v1/messages", "{\"model\":\"m-1\"}"),
    ROW(FAULT_GEMINI, API_GENERATE_CONTENT, "generativelanguage.googleapis.com",
        "/v1beta/models/m-1:generateContent", "{}"),
    ROW(FAULT_BEDROCK, API_CONVERSE, "bedrock-runtime.us-east-1.amazonaws.com",
        "/model/m-1/converse", "{}"),
    ROW(FAULT_OLLAMA, API_OLLAMA_CHAT, "localhost:11434", "/api/chat", "{\"model\":\"m-1\"}"),
};

/* What the record calls a refusal: those of one class whatever the dialect. */
static const struct {
    const char *fault;
    enum error_class is;
} classes[] = {
    {"rate_limited",     ERROR_CLASS_RATE_LIMITED  },
    { "overloaded",      ERROR_CLASS_OVERLOADED    },
    { "context_length",  ERROR_CLASS_CONTEXT_LENGTH},
    { "server_error",    ERROR_CLASS_STATUS_5XX    },
    { "bad_gateway",     ERROR_CLASS_STATUS_5XX    },
    { "auth",            ERROR_CLASS_STATUS_4XX    },
    { "permission",      ERROR_CLASS_STATUS_4XX    },
    { "not_found",       ERROR_CLASS_STATUS_4XX    },
    { "invalid_request", ERROR_CLASS_STATUS_4XX    },
};

static void split_headers(struct str text, struct call_header *ret, size_t *ret_count)
{
    struct str line, name;

    while (str_split(&text, '\n', &line)) {
        line = str_trim(line);
        if (str_split(&line, ':', &name) && name.len)
            ret[(*ret_count)++] = (struct call_header){ name, str_trim(line) };
    }
}

START_TEST(weir_reads_each_refusal_as_what_it_is)
{
    const char *fault = classes[_i].fault;

    for (size_t d = 0; d < ARRAY_LEN(dialects); d++) {
        CLEANUP(refusal_release) struct refusal r = { 0 };
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct fault f = fault_usual(kind_of(fault));
        struct call_header headers[40];
        struct call_facts facts;
        size_t count = 0;

        refuse(&f, dialects[d].dialect, &r);
        split_headers(buf_str(&r.headers), headers, &count);
        struct call call = {
            .method = STR("POST"),
            .host = str_from(dialects[d].host),
            .path = str_from(dialects[d].path),
            .request_body = str_from(dialects[d].model_member),
            .status = r.status,
            .response_headers = headers,
            .response_header_count = count,
            .response_body = buf_str(&r.body),
        };
        call_read(&call, &arena, &facts);
        ck_assert_int_eq(facts.api, dialects[d].api);
        ck_assert_int_eq(fault_dialect(facts.provider, facts.api), dialects[d].dialect);
        ck_assert_msg(facts.error_class == classes[_i].is, "%s in %s is %s: %s", fault,
                      fault_dialect_names[dialects[d].dialect], error_class_name(facts.error_class),
                      r.body.ptr);
    }
}
END_TEST

START_TEST(an_error_event_is_one_event_that_weir_reads_as_an_error)
{
    static const enum framing framings[FAULT_DIALECTS] = {
        [FAULT_OPENAI] = FRAMING_SSE,    [FAULT_RESPONSES] = FRAMING_SSE,
        [FAULT_AZURE] = FRAMING_SSE,     [FAULT_ANTHROPIC] = FRAMING_SSE,
        [FAULT_GEMINI] = FRAMING_SSE,    [FAULT_BEDROCK] = FRAMING_EVENTSTREAM,
        [FAULT_OLLAMA] = FRAMING_NDJSON,
    };
    static const char *const types[] = {
        [FRAMING_SSE] = "text/event-stream",
        [FRAMING_EVENTSTREAM] = "application/vnd.amazon.eventstream",
        [FRAMING_NDJSON] = "application/x-ndjson",
    };

    for (size_t d = 0; d < ARRAY_LEN(dialects); d++) {
        CLEANUP(buf_release) struct buf out = { 0 };
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct fault f = fault_usual(kind_of("error_event"));
        struct fault_saying saying = saying_in(dialects[d].dialect);
        struct call_facts facts;

        f.error = (enum fault_error)_i;
        fault_stream_error(&f, &saying, &out);
        struct call_header type = { STR("content-type"),
                                    str_from(types[framings[dialects[d].dialect]]) };
        struct call call = {
            .method = STR("POST"),
            .host = str_from(dialects[d].host),
            .path = str_from(dialects[d].path),
            .request_body = STR("{\"stream\":true}"),
            .status = 200,
            .response_headers = &type,
            .response_header_count = 1,
            .response_body = buf_str(&out),
        };
        call_read(&call, &arena, &facts);
        ck_assert_msg(facts.error_class == ERROR_CLASS_STREAM_ERROR_EVENT, "%s %s: %s",
                      fault_dialect_names[dialects[d].dialect], fault_error_names[_i],
                      error_class_name(facts.error_class));
    }
}
END_TEST

static const struct {
    const char *fault;
    enum fault_error error;
    enum fault_dialect dialect;
    const char *bytes;
} events[] = {
    ROW("error_event", FAULT_ERROR_OVERLOADED, FAULT_ANTHROPIC,
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"details\":null,\"type\":"
        "\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"),
    ROW("error_event", FAULT_ERROR_SERVER, FAULT_OPENAI,
        "data: {\"error\":{\"message\":\"The server had an error while processing the request.\","
        "\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n"),
    ROW("error_event", FAULT_ERROR_RATE_LIMITED, FAULT_RESPONSES,
        "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":"
        "\"Rate limit reached for m-1 on requests per min (RPM): Limit 500. Please try again in "
        "0ms.\",\"param\":null,\"sequence_number\":5}\n\n"),
    ROW("error_event", FAULT_ERROR_OVERLOADED, FAULT_GEMINI,
        "data: {\"error\":{\"code\":503,\"message\":\"The model is overloaded. Please try again "
        "later.\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n"),
    ROW("error_event", FAULT_ERROR_MODEL, FAULT_OLLAMA,
        "{\"error\":\"The server had an error while processing the request.\"}\n"),
    ROW("error_event", FAULT_ERROR_TIMEOUT, FAULT_COHERE,
        "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":"
        "\"ERROR\",\"error\":\"Gateway timeout.\"}}\n\n"),
};

START_TEST(an_error_event_is_in_the_providers_words_to_the_byte)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct fault f = fault_usual(kind_of(events[_i].fault));
    struct fault_saying saying = saying_in(events[_i].dialect);

    f.error = events[_i].error;
    fault_stream_error(&f, &saying, &out);
    ck_assert_str_eq(buf_cstr(&out), events[_i].bytes);
}
END_TEST

static int take_event(void *ctx, const struct framing_event *e, struct err *err)
{
    (void)err;
    ck_assert(e->is_exception);
    buf_addf(ctx, "%.*s %.*s;", STR_ARG(e->name), STR_ARG(e->data));
    return 0;
}

START_TEST(bedrocks_exceptions_are_frames_with_both_checksums)
{
    static const char *const wanted[] = {
        [FAULT_ERROR_OVERLOADED] = "serviceUnavailableException {",
        [FAULT_ERROR_SERVER] = "internalServerException {",
        [FAULT_ERROR_RATE_LIMITED] = "throttlingException {",
        [FAULT_ERROR_TIMEOUT] = "modelTimeoutException {",
        [FAULT_ERROR_MODEL] = "modelStreamErrorException {",
        [FAULT_ERROR_INVALID] = "validationException {",
    };
    CLEANUP(buf_release) struct buf out = { 0 }, seen = { 0 };
    CLEANUP(framer_free) struct framer *framer = framer_new(FRAMING_EVENTSTREAM, take_event, &seen);
    struct fault f = fault_usual(kind_of("error_event"));
    struct fault_saying saying = saying_in(FAULT_BEDROCK);
    struct err err;

    f.error = (enum fault_error)_i;
    fault_stream_error(&f, &saying, &out);
    ck_assert_int_eq(framer_feed(framer, buf_str(&out), &err), 0);
    ck_assert_msg(str_starts_with(buf_str(&seen), str_from(wanted[_i])), "%s", buf_cstr(&seen));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_row_is_complete_and_has_a_name_of_its_own);
    tcase_add_test(tc, a_row_says_if_its_words_are_not_the_providers);
    tcase_add_test(tc, weirs_own_routes_fall_back_from_every_refusal_that_another_can_cure);
    tcase_add_test(tc, the_manual_lists_every_fault_and_what_it_takes);
    tcase_add_test(tc, what_strikes_before_any_content_can_be_answered_elsewhere);
    tcase_add_loop_test(tc, a_refusal_is_in_the_providers_words_to_the_byte, 0,
                        (int)ARRAY_LEN(goldens));
    tcase_add_test(tc, anthropics_limits_are_told_as_instants);
    tcase_add_loop_test(tc, a_retry_after_can_be_said_in_each_form, 0, (int)ARRAY_LEN(forms));
    tcase_add_loop_test(tc, weir_reads_each_refusal_as_what_it_is, 0, (int)ARRAY_LEN(classes));
    tcase_add_loop_test(tc, an_error_event_is_one_event_that_weir_reads_as_an_error, 0,
                        FAULT_ERROR_COUNT);
    tcase_add_loop_test(tc, an_error_event_is_in_the_providers_words_to_the_byte, 0,
                        (int)ARRAY_LEN(events));
    tcase_add_loop_test(tc, bedrocks_exceptions_are_frames_with_both_checksums, 0,
                        FAULT_ERROR_COUNT);
}

CHECK_MAIN("replay/fault", add_tests)
