#include "config.h"

#include "policy/failure.h"

#include "base/timestamp.h"
#include "llm/content.h"
#include "tests/check_main.h"
#include "tests/recorded.h"
#include "tests/shared_data.h"

#define MS  INT64_C(1000)
#define NOW (INT64_C(1763812800) * US_PER_SECOND) /* Sat, 22 Nov 2025 12:00:00 GMT */

/* --- retry-after --- */

static const struct {
    const char *what;
    struct call_header headers[2];
    const char *body;
    int64_t ms; /* -1 = not said */
} waits[] = {
    ROW("not said", {{ STR_INIT("server"), STR_INIT("x") }                                  },
     "", -1),
    ROW("seconds", { { STR_INIT("Retry-After"), STR_INIT("20") }                           },
     "", 20000),
    ROW("seconds with decimals", { { STR_INIT("retry-after"), STR_INIT(" 0.25 ") }                       },
     "", 250),
    ROW("milliseconds, which are the more exact",
        { { STR_INIT("retry-after"), STR_INIT("2") },
                     { STR_INIT("retry-after-ms"), STR_INIT("1387") } },
        "", 1387),
    ROW("Azure's milliseconds", { { STR_INIT("x-ms-retry-after-ms"), STR_INIT("50") }                                                                     },
     "", 50),
    ROW("a date", { { STR_INIT("retry-after"), STR_INIT("Sat, 22 Nov 2025 12:00:30 GMT") } },
     "",
        30000),
    ROW("a date by a clock that is an hour ahead",
        { { STR_INIT("retry-after"), STR_INIT("Sat, 22 Nov 2025 13:00:07 GMT") },
                     { STR_INIT("date"), STR_INIT("Sat, 22 Nov 2025 13:00:00 GMT") } },
        "", 7000),
    ROW("a date that is past",
        { { STR_INIT("retry-after"), STR_INIT("Sat, 22 Nov 2025 11:59:00 GMT") }        },
     "", 0),
    ROW("negative", { { STR_INIT("retry-after"), STR_INIT("-1") }},
     "", -1),
    ROW("nonsense", { { STR_INIT("retry-after"), STR_INIT("soon") }                           },
     "", -1),
    ROW("absurd", { { STR_INIT("retry-after"), STR_INIT("99999999999999999999999999") }                         },
     "",
        INT64_C(315360000000)),
    ROW("Gemini's, in the body", { { STR_INIT("server"), STR_INIT("x") }   },
        "{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"q\"},"
        "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"22.5s\"}]}}",
        22500),
    ROW("Gemini's, in the body of a stream", { { STR_INIT("server"), STR_INIT("x") }                                 },
        "[{\"error\":{\"code\":429,\"details\":[{\"retryDelay\":\"0.337s\"}]}}]", 337),
};

START_TEST(a_wait_is_read_in_every_form_in_which_it_is_said)
{
    struct steer_end end;

    failure_of_answer(429, waits[_i].headers, 2, str_from(waits[_i].body), NOW, &end);
    ck_assert(end.failed);
    ck_assert_int_eq(end.failure, PLAN_FAILED_STATUS);
    ck_assert_msg(end.retry_after_us == (waits[_i].ms < 0 ? -1 : waits[_i].ms * MS), "%s: %lld µs",
                  waits[_i].what, (long long)end.retry_after_us);
}
END_TEST

/* --- refusals --- */

static const struct {
    int status;
    const char *body;
    enum plan_failure failure;
    int should_retry; /* -1 = must not, 0 = not said */
} refusals[] = {
    ROW(400,
        "{\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\",\"code\":\"context_"
        "length_exceeded\"}}",
        PLAN_FAILED_CONTEXT, 0),
    ROW(400,
        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
        "\"prompt is too long: 205351 tokens > 200000 maximum\"}}",
        PLAN_FAILED_CONTEXT, 0),
    ROW(400,
        "{\"error\":{\"code\":400,\"message\":\"The input token count (1200000) exceeds the "
        "maximum "
        "number of tokens allowed (1048576).\",\"status\":\"INVALID_ARGUMENT\"}}",
        PLAN_FAILED_CONTEXT, 0),
    ROW(400, "{\"message\":\"Input is too long for requested model.\"}", PLAN_FAILED_CONTEXT, 0),
    ROW(400,
        "{\"error\":{\"message\":\"filtered\",\"type\":null,\"param\":\"prompt\",\"code\":"
        "\"content_filter\",\"status\":400,\"innererror\":{\"code\":"
        "\"ResponsibleAIPolicyViolation\"}}}",
        PLAN_FAILED_CONTENT, 0),
    ROW(400, "{\"error\":{\"type\":\"invalid_request_error\",\"message\":\"no such role\"}}",
        PLAN_FAILED_STATUS, 0),
    ROW(400, "<html>", PLAN_FAILED_STATUS, 0),
    ROW(400, "{\"error\":{\"code\":\"context_le", PLAN_FAILED_STATUS, 0),
    ROW(429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}",
        PLAN_FAILED_STATUS, -1),
    ROW(429,
        "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\","
        "\"details\":"
        "{\"error_code\":\"enforced_spend_limit_reached\"}}}",
        PLAN_FAILED_STATUS, -1),
    ROW(429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", PLAN_FAILED_STATUS, 0),
    ROW(500, "{\"error\":{\"code\":\"context_length_exceeded\"}}", PLAN_FAILED_STATUS, 0),
};

START_TEST(a_refusal_is_told_by_the_providers_own_word)
{
    struct steer_end end;

    failure_of_answer(refusals[_i].status, NULL, 0, str_from(refusals[_i].body), NOW, &end);
    ck_assert_int_eq(end.failure, refusals[_i].failure);
    ck_assert_int_eq(end.status, refusals[_i].status);
    ck_assert_int_eq(end.should_retry_set, refusals[_i].should_retry != 0);
    ck_assert(!end.should_retry && !end.answer_began && end.first_token_us == -1);
}
END_TEST

START_TEST(an_answer_says_itself_whether_to_try_again)
{
    struct call_header yes = { STR("X-Should-Retry"), STR("true") };
    struct call_header no = { STR("x-should-retry"), STR("false") };
    struct steer_end end;

    failure_of_answer(409, &yes, 1, STR(""), NOW, &end);
    ck_assert(end.should_retry_set && end.should_retry);
    failure_of_answer(503, &no, 1, STR(""), NOW, &end);
    ck_assert(end.should_retry_set && !end.should_retry);
    failure_of_answer(200, &no, 1, STR("{}"), NOW, &end);
    ck_assert(!end.failed && end.status == 200);
}
END_TEST

/* --- events --- */

static const struct {
    enum api api;
    const char *name, *data;
    bool is_exception;
    int status; /* 0 = no failure */
    bool content;
    enum plan_failure failure;
} events[] = {
#define FAILS(api, name, data, status)                                                             \
    ROW(api, name, data, false, status, false, PLAN_FAILED_STATUS)
#define SHOWS(api, name, data) ROW(api, name, data, false, 0, true, PLAN_FAILED_STATUS)
#define QUIET(api, name, data) ROW(api, name, data, false, 0, false, PLAN_FAILED_STATUS)
    FAILS(
        API_MESSAGES, "error",
        "{\"type\":\"error\",\"error\":{\"details\":null,\"type\":\"overloaded_error\",\"message\":"
        "\"Overloaded\"}}",
        529),
    FAILS(API_MESSAGES, "error", "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}", 500),
    FAILS(API_MESSAGES, "error", "{\"type\":\"error\",\"error\":{\"type\":\"new_error\"}}", 500),
    FAILS(API_CHAT, "", "{\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"code\":null}}",
          500),
    FAILS(API_CHAT, "",
          "{\"id\":\"gen\",\"error\":{\"code\":502,\"message\":\"x\"},\"choices\":[{\"delta\":"
          "{\"content\":\"\"},\"finish_reason\":\"error\"}]}",
          502),
    FAILS(API_RESPONSES, "error",
          "{\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"x\",\"sequence_"
          "number\":2}",
          429),
    FAILS(API_RESPONSES, "response.failed",
          "{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":"
          "\"server_error\",\"message\":\"x\"},\"output\":[]}}",
          500),
    FAILS(API_GENERATE_CONTENT, "",
          "{\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}", 503),
    FAILS(API_OLLAMA_CHAT, "", "{\"error\":\"model runner has unexpectedly stopped\"}", 500),
    ROW(API_CONVERSE, "throttlingException", "{\"message\":\"slow\"}", true, 429, false,
        PLAN_FAILED_STATUS),
    ROW(API_CONVERSE, "modelStreamErrorException", "", true, 424, false, PLAN_FAILED_STATUS),
    ROW(API_INVOKE, "internalServerException", "{}", true, 500, false, PLAN_FAILED_STATUS),
    ROW(API_RESPONSES, "error",
        "{\"type\":\"error\",\"code\":\"context_length_exceeded\",\"message\":\"x\"}", false, 400,
        false, PLAN_FAILED_CONTEXT),
    /* {"type":"error","error":{"type":"overloaded_error"}} */
    FAILS(
        API_INVOKE, "chunk",
        "{\"bytes\":\"eyJ0eXBlIjoiZXJyb3IiLCJlcnJvciI6eyJ0eXBlIjoib3ZlcmxvYWRlZF9lcnJvciJ9fQ==\"}",
        529),
    SHOWS(API_CHAT, "", "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}"),
    SHOWS(API_CHAT, "",
          "{\"choices\":[{\"delta\":{\"content\":null,\"reasoning_content\":\"h\"}}]}"),
    SHOWS(API_CHAT, "",
          "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\"}}]}}"
          "]}"),
    QUIET(API_CHAT, "", "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"),
    QUIET(API_CHAT, "", "{\"choices\":[],\"usage\":{\"prompt_tokens\":3}}"),
    QUIET(API_CHAT, "", "{\"error\":null,\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"),
    QUIET(API_CHAT, "", "[DONE]"),
    QUIET(API_CHAT, "", ""),
    QUIET(API_RESPONSES, "response.created",
          "{\"type\":\"response.created\",\"response\":{\"error\":null,\"output\":[],\"text\":{"
          "\"format\":{\"type\":\"text\"}}}}"),
    QUIET(
        API_RESPONSES, "response.output_item.added",
        "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\",\"content\":[]}}"),
    SHOWS(API_RESPONSES, "response.output_item.added",
          "{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"name\":"
          "\"f\"}}"),
    SHOWS(API_RESPONSES, "response.output_text.delta",
          "{\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}"),
    QUIET(API_RESPONSES, "response.output_text.delta",
          "{\"type\":\"response.output_text.delta\",\"delta\":\"\"}"),
    QUIET(
        API_MESSAGES, "message_start",
        "{\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":9}}}"),
    QUIET(API_MESSAGES, "content_block_start",
          "{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}"),
    QUIET(API_MESSAGES, "ping", "{\"type\": \"ping\"}"),
    SHOWS(API_MESSAGES, "content_block_delta",
          "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}"),
    SHOWS(API_MESSAGES, "content_block_delta",
          "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":"
          "\"h\"}}"),
    QUIET(API_MESSAGES, "message_delta",
          "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}"),
    SHOWS(API_GENERATE_CONTENT, "",
          "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}"),
    QUIET(API_GENERATE_CONTENT, "", "{\"candidates\":[{\"content\":{\"role\":\"model\"}}]}"),
    QUIET(API_GENERATE_CONTENT, "", "{\"usageMetadata\":{\"promptTokenCount\":3}}"),
    QUIET(API_CONVERSE, "messageStart", "{\"role\":\"assistant\"}"),
    SHOWS(API_CONVERSE, "contentBlockDelta", "{\"delta\":{\"text\":\"Hi\"}}"),
    QUIET(API_CONVERSE, "contentBlockDelta", "{\"delta\":{\"text\":\"\"}}"),
    SHOWS(API_CONVERSE, "contentBlockStart", "{\"start\":{\"toolUse\":{\"name\":\"f\"}}}"),
    SHOWS(API_OLLAMA_CHAT, "", "{\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"}}"),
    QUIET(API_OLLAMA_CHAT, "",
          "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true}"),
    /* {"type":"content_block_delta","delta":{"text":"Hi"}} */
    SHOWS(
        API_INVOKE, "chunk",
        "{\"bytes\":\"eyJ0eXBlIjoiY29udGVudF9ibG9ja19kZWx0YSIsImRlbHRhIjp7InRleHQiOiJIaSJ9fQ==\"}"),
    SHOWS(API_UNKNOWN, "", "{\"anything\":1}"),
    QUIET(API_UNKNOWN, "ping", "{}"),
};

static struct framing_event event_of(int row)
{
    return (struct framing_event){
        .name = str_from(events[row].name),
        .data = str_from(events[row].data),
        .is_exception = events[row].is_exception,
    };
}

START_TEST(an_event_fails_has_content_or_is_neither)
{
    struct framing_event e = event_of(_i);
    struct steer_end end = { 0 };
    bool failed = failure_of_event(events[_i].api, &e, &end);

    ck_assert_msg(failed == (events[_i].status != 0), "%s", events[_i].data);
    ck_assert_msg(!failed || end.status == events[_i].status, "%s: %d", events[_i].data,
                  end.status);
    ck_assert(!failed || (end.failed && end.failure == events[_i].failure));
    ck_assert_msg(content_is_in(events[_i].api, &e) == events[_i].content, "%s", events[_i].data);
}
END_TEST

/* Whatever is cut off, nothing is read beyond the end, and no failure is made up. */
START_TEST(an_event_cut_anywhere_is_looked_at_in_safety)
{
    for (int row = 0; row < (int)ARRAY_LEN(events); row++) {
        struct framing_event e = event_of(row);
        size_t whole = e.data.len;
        for (size_t len = 0; len < whole; len++) {
            CLEANUP(buf_release) struct buf exact = { 0 };
            struct steer_end end;
            buf_add(&exact, e.data.ptr, len);
            exact.ptr = mem_realloc(exact.ptr, len + 1); /* for the sanitizer */
            exact.cap = len + 1;
            struct framing_event cut = {
                .name = e.name, .data = {exact.ptr, len}
            };
            failure_of_event(events[row].api, &cut, &end);
            content_is_in(events[row].api, &cut);
            failure_of_answer(500, NULL, 0, cut.data, NOW, &end);
        }
    }
}
END_TEST

/* --- recorded streams --- */

struct stream {
    enum api api;
    uint64_t events, first_content; /* index, UINT64_MAX = none */
    bool failed;
    struct buf text; /* names of the events before */
};

static int on_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct stream *s = ctx;
    struct steer_end end;

    (void)err;
    s->events++;
    s->failed |= failure_of_event(s->api, e, &end);
    if (s->first_content == UINT64_MAX && content_is_in(s->api, e))
        s->first_content = e->index;
    return 0;
}

/* Those that were answered (usage, a finish reason) must have content, and not at once: every API
 * but Gemini's and Ollama's opens with an event that has none. */
static void check_stream(void *ctx, const struct recorded_line *l)
{
    int *streams = ctx;
    const struct call *call = l->call;
    struct call_facts facts;

    call_read(call, l->arena, &facts);
    struct stream s = { .api = facts.api, .first_content = UINT64_MAX };
    struct str type =
        call_header_find(call->response_headers, call->response_header_count, "content-type");
    enum framing kind = framing_guess(type, call->response_body);
    struct err err;
    bool cut, opens;

    if (call->status != 200 || !facts.stream || kind == FRAMING_JSON || kind == FRAMING_OPAQUE)
        return;
    CLEANUP(framer_free) struct framer *f = framer_new(kind, on_event, &s);
    if (framer_feed(f, call->response_body, &err) < 0 || framer_finish(f, &cut, &err) < 0)
        return;
    bool told = facts.error_class == ERROR_CLASS_STREAM_ERROR_EVENT;
    ck_assert_msg(s.failed == told, "%s: failed %d, %s", l->where, s.failed,
                  error_class_name(facts.error_class));
    if (s.failed || (!facts.part_count && !facts.finish_reason.len) || s.events < 3)
        return;
    ck_assert_msg(s.first_content != UINT64_MAX, "%s: no content in %s", l->where, api_name(s.api));
    opens = s.api == API_RESPONSES || s.api == API_MESSAGES || s.api == API_CONVERSE;
    ck_assert_msg(!opens || s.first_content > 0, "%s: content at once in %s", l->where,
                  api_name(s.api));
    ck_assert_msg(s.first_content < s.events - 1, "%s: content at the end of %s", l->where,
                  api_name(s.api));
    ++*streams;
}

static const struct {
    const char *name;
    int streams; /* at least */
} files[] = {
    {"cassettes/exchanges/anthropic.jsonl", 8 },
    { "cassettes/exchanges/azure.jsonl",    4 },
    { "cassettes/exchanges/bedrock.jsonl",  20},
    { "cassettes/exchanges/google.jsonl",   8 },
    { "cassettes/exchanges/openai.jsonl",   16},
    { "cassettes/exchanges/other.jsonl",    12},
};

START_TEST(in_recorded_streams_content_begins_behind_the_opening_and_before_the_end)
{
    char path[SHARED_DATA_PATH_BYTES];
    int streams = 0;

    if (!shared_data_find(files[_i].name, path))
        return;
    recorded_each(path, files[_i].name, check_stream, &streams);
    ck_assert_msg(streams >= files[_i].streams, "%s: %d streams", files[_i].name, streams);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_wait_is_read_in_every_form_in_which_it_is_said, 0,
                        (int)ARRAY_LEN(waits));
    tcase_add_loop_test(tc, a_refusal_is_told_by_the_providers_own_word, 0,
                        (int)ARRAY_LEN(refusals));
    tcase_add_test(tc, an_answer_says_itself_whether_to_try_again);
    tcase_add_loop_test(tc, an_event_fails_has_content_or_is_neither, 0, (int)ARRAY_LEN(events));
    tcase_add_test(tc, an_event_cut_anywhere_is_looked_at_in_safety);
    tcase_add_loop_test(tc,
                        in_recorded_streams_content_begins_behind_the_opening_and_before_the_end, 0,
                        (int)ARRAY_LEN(files));
}

CHECK_MAIN("policy/failure", add_tests)
