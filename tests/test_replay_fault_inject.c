/* What faults make of an answer: bytes, chunks and times. */
#include "config.h"

#include "replay/fault_inject.h"

#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "llm/framing.h"
#include "replay/play.h"
#include "replay/synth.h"
#include "tests/check_main.h"

#define WALL_US INT64_C(1790899140000000) /* 2026-10-01T23:59:00Z */

static const enum api apis[] = { API_CHAT,     API_RESPONSES,  API_MESSAGES, API_GENERATE_CONTENT,
                                 API_CONVERSE, API_OLLAMA_CHAT };

/* A stream as the synthesizer makes it, or an answer that is none. */
static struct answer *answer_to(enum api api, bool stream)
{
    struct call_facts facts = { .api = api, .stream = stream, .model_requested = STR("m-1") };
    struct answer *a = synth_answer(&facts, STR("{\"messages\":[]}"), 3);

    ck_assert_ptr_nonnull(a);
    return a;
}

static struct fault_setting setting_of(enum api api, bool stream)
{
    return (struct fault_setting){
        .saying = {.dialect = fault_dialect(PROVIDER_UNKNOWN, api),
                   .model = STR("m-1"),
                   .number = 7,
                   .wall_us = WALL_US},
        .is_stream = stream,
        .speed = PLAY_SPEED_RECORDED,
        .seed = 42,
    };
}

static struct fault usual(const char *name)
{
    const struct fault_kind *kind = fault_kind_find(str_from(name));

    ck_assert_msg(kind != NULL, "no fault %s", name);
    return fault_usual(kind);
}

static struct answer *struck(const struct fault *f, enum api api, bool stream)
{
    struct fault_setting setting = setting_of(api, stream);

    return fault_inject(answer_to(api, stream), f, 1, &setting);
}

static void check_sound(const struct answer *a)
{
    uint64_t at_us = a->has_no_head ? 0 : a->head_us;
    size_t bytes = 0;

    for (size_t i = 0; i < a->chunk_count; i++) {
        ck_assert_uint_ge(a->chunks[i].at_us, at_us);
        ck_assert_uint_gt(a->chunks[i].bytes, 0);
        at_us = a->chunks[i].at_us;
        bytes += a->chunks[i].bytes;
    }
    ck_assert_uint_eq(bytes, a->body.len);
    ck_assert_uint_ge(a->end_us, a->chunk_count ? a->chunks[0].at_us : a->head_us);
}

/* --- all kinds, all APIs --- */

START_TEST(every_fault_makes_a_sound_answer_of_every_answer)
{
    for (const struct fault_kind *k = fault_kinds; k->name; k++)
        for (int stream = 0; stream < 2; stream++)
            for (uint32_t after = 0; after < 9; after += 4) {
                struct fault f = fault_usual(k);
                f.after_pieces = after;
                f.status = k->params & FAULT_HAS(STATUS) ? 530 : 0;
                f.bytes_per_second = k->params & FAULT_HAS(BANDWIDTH) ? 1000 : 0;
                CLEANUP(answer_unref) struct answer *a = struck(&f, apis[_i], stream != 0);
                CLEANUP(answer_unref) struct answer *b = struck(&f, apis[_i], stream != 0);
                check_sound(a);
                ck_assert(str_eq(buf_str(&a->body), buf_str(&b->body))); /* the same twice */
                ck_assert_uint_eq(a->chunk_count, b->chunk_count);
                if (a->chunk_count)
                    ck_assert_int_eq(
                        memcmp(a->chunks, b->chunks, a->chunk_count * sizeof(*a->chunks)), 0);
            }
}
END_TEST

/* --- to the byte --- */

#define CHAT(delta, finish)                                                                        \
    "data: {\"id\":\"chatcmpl-synth3\",\"object\":\"chat.completion.chunk\","                      \
    "\"created\":1700000000,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":" delta          \
    ",\"finish_reason\":" finish "}]"
#define HEAD    CHAT("{\"role\":\"assistant\",\"content\":\"\"}", "null") "}\n\n"
#define W(word) CHAT("{\"content\":\"" word "\"}", "null") "}\n\n"
#define USED(p, o, s)                                                                              \
    ",\"usage\":{\"prompt_tokens\":" p ",\"completion_tokens\":" o ",\"total_tokens\":" s "}"
#define DONE        "}\n\ndata: [DONE]\n\n"
#define STOP(usage) CHAT("{}", "\"stop\"") usage DONE
#define ALL         W("This") W(" answer") W(" was") W(" made") W(" up") W(".")
#define OURS(delta, finish)                                                                        \
    "data: {\"id\":\"chatcmpl-7\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"    \
    "\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish    \
    "}]}\n\n"

enum ends { WHOLE, CUT, RESET, HANGS };

static const struct {
    const char *fault;
    uint32_t after;
    enum ends ends;
    const char *body;
} streams[] = {
    ROW("wrong_type", 0, WHOLE, HEAD ALL STOP(USED("3", "6", "9"))),
    ROW("silent_first_token", 0, HANGS, ""),
    ROW("stall", 2, HANGS, HEAD W("This") W(" answer")),
    ROW("stall", 0, HANGS, HEAD),
    ROW("stall", 99, HANGS, HEAD ALL),
    ROW("stall_keepalive", 1, HANGS, HEAD W("This")),
    ROW("half_open", 0, HANGS, HEAD ALL STOP(USED("3", "6", "9"))),
    ROW("eof_clean", 2, WHOLE, HEAD W("This") W(" answer")),
    ROW("eof_dirty", 2, CUT, HEAD W("This") W(" answer")),
    ROW("eof_reset", 2, RESET, HEAD W("This") W(" answer")),
    ROW("eof_tool_call", 1, WHOLE,
        HEAD W("This") OURS("{\"tool_calls\":[{\"index\":0,\"id\":\"call_7\",\"type\":"
                            "\"function\",\"function\":{\"name\":\"get_weather\","
                            "\"arguments\":\"\"}}]}",
                            "null")
            OURS("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
                 "\"{\\\"city\\\":\\\"Ber\"}}]}",
                 "null")),
    ROW("eof_mid_utf8", 1, WHOLE,
        HEAD W("This") "data: {\"id\":\"chatcmpl-7\",\"object\":\"chat.completion.chunk\","
                       "\"created\":1700000000,\"model\":\"m-1\",\"choices\":[{\"index\":0,"
                       "\"delta\":{\"content\":\" \xc3\xa9t\xc3\xa9 \xe2"),
    ROW("eof_mid_event", 1, WHOLE,
        HEAD W("This") "data: {\"id\":\"chatcmpl-synth3\",\"object\":\"chat.completion.chunk\","
                       "\"created\":1700000000,\"mo"),
    ROW("eof_unterminated", 0, WHOLE,
        HEAD ALL CHAT("{}", "\"stop\"") USED("3", "6", "9") "}\n\ndata: [DONE]"),
    ROW("error_first", 0, WHOLE,
        "data: {\"error\":{\"message\":\"The engine is currently overloaded, please try again "
        "later\",\"type\":\"service_unavailable_error\",\"param\":null,\"code\":"
        "\"server_is_overloaded\"}}\n\n"),
    ROW("error_event", 0, WHOLE,
        HEAD "data: {\"error\":{\"message\":\"The engine is currently overloaded, please try again "
             "later\",\"type\":\"service_unavailable_error\",\"param\":null,\"code\":"
             "\"server_is_overloaded\"}}\n\n"),
    ROW("incomplete_event", 1, WHOLE, HEAD W("This") OURS("{}", "\"length\"") "data: [DONE]\n\n"),
    ROW("content_filter_200", 0, WHOLE, HEAD OURS("{}", "\"content_filter\"") "data: [DONE]\n\n"),
    ROW("empty_completion", 0, WHOLE, HEAD OURS("{}", "\"stop\"") "data: [DONE]\n\n"),
    ROW("zero_usage", 0, WHOLE, HEAD ALL STOP(USED("0", "0", "0"))),
    ROW("no_usage", 0, WHOLE, HEAD ALL STOP("")),
    ROW("blank_body", 0, WHOLE, ""),
    ROW("one_buffer", 0, WHOLE, HEAD ALL STOP(USED("3", "6", "9"))),
    ROW("event_split", 0, WHOLE, HEAD ALL STOP(USED("3", "6", "9"))),
    ROW("duplicate", 1, WHOLE,
        HEAD W("This") W(" answer") W(" answer") W(" was") W(" made") W(" up") W(".")
            STOP(USED("3", "6", "9"))),
    ROW("reorder", 1, WHOLE,
        HEAD W("This") W(" was") W(" answer") W(" made") W(" up") W(".") STOP(USED("3", "6", "9"))),
    ROW("utf8_split", 0, WHOLE,
        HEAD W("This") OURS("{\"content\":\" \xc3\xa9t\xc3\xa9 \xe2\x82\xac\"}", "null")
            W(" answer") W(" was") W(" made") W(" up") W(".") STOP(USED("3", "6", "9"))),
    ROW("malformed_json", 5, WHOLE,
        HEAD W("This") W(" answer") W(" was") W(" made")
            W(" up") "data: {malformed "
                     "\"id\":\"chatcmpl-synth3\",\"object\":\"chat.completion.chunk\","
                     "\"created\":1700000000,\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":"
                     "{\"content\":\".\"},\"finish_reason\":null}]}\n\n" STOP(USED("3", "6", "9"))),
};

START_TEST(a_struck_stream_is_this_to_the_byte)
{
    struct fault f = usual(streams[_i].fault);

    f.after_pieces = streams[_i].after;
    CLEANUP(answer_unref) struct answer *a = struck(&f, API_CHAT, true);
    ck_assert_str_eq(buf_cstr(&a->body), streams[_i].body);
    ck_assert_uint_eq(a->status, 200);
    ck_assert(a->is_cut == (streams[_i].ends == CUT || streams[_i].ends == RESET));
    ck_assert(a->is_reset == (streams[_i].ends == RESET));
    ck_assert(a->hangs == (streams[_i].ends == HANGS));
    /* A length would give away that something is missing. */
    ck_assert(a->is_chunked || str_eq(str_from(streams[_i].fault), STR("one_buffer")) ||
              str_eq(str_from(streams[_i].fault), STR("blank_body")));
}
END_TEST

/* --- in every framing --- */

struct reading {
    unsigned events, exceptions;
    struct buf last;
};

static int take_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct reading *r = ctx;

    (void)err;
    r->events++;
    r->exceptions += e->is_exception;
    buf_clear(&r->last);
    buf_add_str(&r->last, e->data);
    return 0;
}

/* How the body reads, as its framing has it: 1 to its end, 0 cut, -1 no such framing. */
static int read_body(const struct answer *a, struct reading *ret)
{
    struct str type = call_header_find(a->headers.ptr, a->headers.len, "content-type");
    struct err err;
    bool cut = false;
    CLEANUP(framer_free)
    struct framer *f = framer_new(framing_guess(type, buf_str(&a->body)), take_event, ret);

    if (framer_feed(f, buf_str(&a->body), &err) < 0 || framer_finish(f, &cut, &err) < 0)
        return -1;
    return !cut;
}

START_TEST(faults_between_events_leave_the_framing_whole_with_every_api)
{
    static const char *const between[] = { "error_event",      "failed_event", "error_first",
                                           "incomplete_event", "eof_clean",    "duplicate",
                                           "reorder",          "zero_usage",   "no_usage",
                                           "malformed_json",   "utf8_split",   "event_split" };

    for (size_t i = 0; i < ARRAY_LEN(between); i++) {
        struct fault f = usual(between[i]);
        struct reading r = { 0 };
        CLEANUP(answer_unref) struct answer *a = struck(&f, apis[_i], true);
        ck_assert_msg(read_body(a, &r) == 1, "%s with %s: %s", between[i], api_name(apis[_i]),
                      buf_cstr(&a->body));
        ck_assert_uint_gt(r.events, 0);
        if (apis[_i] == API_CONVERSE)
            ck_assert_uint_eq(r.exceptions,
                              strstr(between[i], "error_") || strstr(between[i], "failed"));
        buf_release(&r.last);
    }
}
END_TEST

START_TEST(no_usage_is_left_where_none_is_to_be)
{
    for (int stream = 0; stream < 2; stream++) {
        struct fault zero = usual("zero_usage"), none = usual("no_usage");
        CLEANUP(answer_unref) struct answer *a = struck(&zero, apis[_i], stream != 0);
        CLEANUP(answer_unref) struct answer *b = struck(&none, apis[_i], stream != 0);
        static const char *const names[] = { "prompt_tokens", "input_tokens", "inputTokens",
                                             "promptTokenCount", "prompt_eval_count" };
        size_t zeros = 0;

        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            char want[40];
            snprintf(want, sizeof(want), "\"%s\":0", names[i]);
            zeros += str_find(buf_str(&a->body), str_from(want), 0) >= 0;
            ck_assert_msg(str_find(buf_str(&b->body), str_from(names[i]), 0) < 0, "%s", names[i]);
        }
        ck_assert_uint_eq(zeros, 1);
    }
}
END_TEST

/* --- times --- */

/* When the head, the first and the last chunk, and the end are due, in ms.  The synthesizer's are
 * 200, 200, 320, 320. */
static const struct {
    const char *fault;
    int64_t delay_ms;
    uint32_t factor;
    uint64_t head_ms, second_ms, last_ms, end_ms;
} times[] = {
    ROW("slow_head", 1000, 100, 1200, 1200, 1320, 1320),
    ROW("slow_head", 0, 300, 600, 600, 720, 720),
    ROW("dns_stall", 30000, 0, 30200, 30200, 30320, 30320),
    ROW("slow_first_token", 1000, 100, 200, 1200, 1320, 1320),
    ROW("slow_first_token", 0, 500, 200, 1000, 1120, 1120),
    ROW("slow", 0, 300, 600, 600, 960, 960),
    ROW("slow", 0, 50, 100, 100, 160, 160),
    ROW("slow_stream", 0, 300, 200, 200, 560, 560),
    ROW("long_gap", 15000, 0, 200, 200, 15320, 15320),
};

START_TEST(a_pace_moves_what_it_is_about)
{
    struct fault f = usual(times[_i].fault);

    f.delay_us = times[_i].delay_ms * 1000;
    f.factor_percent = times[_i].factor;
    CLEANUP(answer_unref) struct answer *a = struck(&f, API_CHAT, true);
    CLEANUP(answer_unref) struct answer *plain = answer_to(API_CHAT, true);
    ck_assert_uint_eq(a->head_us, times[_i].head_ms * 1000);
    ck_assert_uint_eq(a->chunks[1].at_us, times[_i].second_ms * 1000);
    ck_assert_uint_eq(a->chunks[a->chunk_count - 1].at_us, times[_i].last_ms * 1000);
    ck_assert_uint_eq(a->end_us, times[_i].end_ms * 1000);
    ck_assert(str_eq(buf_str(&a->body), buf_str(&plain->body)));
}
END_TEST

START_TEST(a_gap_may_be_kept_alive)
{
    struct fault f = usual("long_gap");
    size_t pings = 0;

    f.keepalive = FAULT_KEEPALIVE_PROCESSING;
    CLEANUP(answer_unref) struct answer *a = struck(&f, API_CHAT, true);
    for (ptrdiff_t at = -1; (at = str_find(buf_str(&a->body), STR(": OPENROUTER PROCESSING\n\n"),
                                           (size_t)(at + 1))) >= 0;)
        pings++;
    ck_assert_uint_eq(pings, 2); /* after 5 and 10 s of 15 */
    check_sound(a);
}
END_TEST

START_TEST(bandwidth_is_the_limit_of_all_bytes)
{
    struct fault f = usual("bandwidth");

    f.bytes_per_second = 1000;
    CLEANUP(answer_unref) struct answer *a = struck(&f, API_CHAT, true);
    ck_assert_uint_ge(a->end_us, 200000 + a->body.len * 1000);
    ck_assert_uint_le(a->end_us, 400000 + a->body.len * 1000);
    for (size_t i = 0; i < a->chunk_count; i++)
        ck_assert_uint_le(a->chunks[i].bytes, 50);
}
END_TEST

START_TEST(what_is_cut_up_is_cut_there)
{
    struct fault split = usual("utf8_split"), any = usual("event_split");
    struct fault_setting setting = setting_of(API_CHAT, true);
    struct answer *plain = answer_new(200);

    answer_add_header(plain, STR("content-type"), STR("text/event-stream"));
    answer_add_chunk(plain, 0, STR("data: {\"content\":\"a\xc3\xa9z\xf0\x9f\x98\x80\"}\n\n"));
    CLEANUP(answer_unref) struct answer *a = fault_inject(plain, &split, 1, &setting);
    ck_assert_uint_eq(a->chunk_count, 3);
    ck_assert_uint_eq(a->chunks[0].bytes, strlen("data: {\"content\":\"a") + 1);
    ck_assert_uint_eq(a->chunks[1].bytes, 1 + 1 + 1);
    ck_assert_uint_gt(a->chunks[1].at_us, a->chunks[0].at_us);
    CLEANUP(answer_unref) struct answer *b = struck(&any, API_CHAT, true);
    ck_assert_uint_gt(b->chunk_count, b->body.len / 7);
    setting.seed = 43;
    CLEANUP(answer_unref)
    struct answer *c = fault_inject(answer_to(API_CHAT, true), &any, 1, &setting);
    ck_assert(b->chunk_count != c->chunk_count ||
              memcmp(b->chunks, c->chunks, b->chunk_count * sizeof(*b->chunks)) != 0);
}
END_TEST

/* --- what is no stream --- */

static const struct {
    const char *fault;
    unsigned status;
    bool has_no_head, hangs, is_cut, is_reset;
    uint64_t head_ms;
    const char *begins;
} wholes[] = {
    ROW("overloaded", 503, false, false, false, false, 0, "{\"error\":{\"message\":\"The engine"),
    ROW("html_200", 200, false, false, false, false, 0, "<!DOCTYPE html>"),
    ROW("error_200", 200, false, false, false, false, 0, "{\"error\":{\"message\":\"The engine"),
    ROW("reset", 0, true, false, true, true, 0, ""),
    ROW("connect_refused", 0, true, false, true, true, 0, ""),
    ROW("dns_failure", 0, true, false, true, true, 0, ""),
    ROW("connect_stall", 0, true, true, true, false, 0, ""),
    ROW("silent", 0, true, true, true, false, 0, ""),
    ROW("tls_failure", 0, true, false, true, false, 0, "\x15\x03\x03"),
    ROW("stall", 200, false, true, false, false, 0, "{\"id\":\"chatcmpl-synth3\""),
    ROW("eof_clean", 200, false, false, false, false, 0, "{\"id\":\"chatcmpl-synth3\""),
    ROW("malformed_json", 200, false, false, false, false, 0, "{malformed \"id\":"),
    ROW("blank_body", 200, false, false, false, false, 0, ""),
    ROW("content_filter_200", 200, false, false, false, false, 0, "{\"id\":\"chatcmpl-7\""),
    ROW("slow_head", 200, false, false, false, false, 0, "{\"id\":\"chatcmpl-synth3\""),
};

START_TEST(an_answer_that_is_no_stream_is_struck_as_well)
{
    struct fault f = usual(wholes[_i].fault);
    CLEANUP(answer_unref) struct answer *a = struck(&f, API_CHAT, false);

    ck_assert_uint_eq(a->status, wholes[_i].status);
    ck_assert(a->has_no_head == wholes[_i].has_no_head);
    ck_assert(a->hangs == wholes[_i].hangs);
    ck_assert(a->is_cut == wholes[_i].is_cut);
    ck_assert(a->is_reset == wholes[_i].is_reset);
    ck_assert_msg(str_starts_with(buf_str(&a->body), str_from(wholes[_i].begins)), "%s",
                  buf_cstr(&a->body));
}
END_TEST

START_TEST(an_answer_that_failed_anyway_is_not_broken_further)
{
    struct fault f = usual("malformed_json");
    struct fault_setting setting = setting_of(API_CHAT, true);
    struct answer *refused = answer_new(429);

    answer_set_body(refused, STR("application/json"), STR("{\"error\":{}}"));
    CLEANUP(answer_unref) struct answer *a = fault_inject(refused, &f, 1, &setting);
    ck_assert_uint_eq(a->status, 429);
    ck_assert_str_eq(buf_cstr(&a->body), "{\"error\":{}}");
}
END_TEST

START_TEST(several_faults_strike_one_answer)
{
    struct fault faults[] = { usual("slow"), usual("eof_clean") };
    struct fault_setting setting = setting_of(API_CHAT, true);
    CLEANUP(answer_unref)
    struct answer *a = fault_inject(answer_to(API_CHAT, true), faults, 2, &setting);

    ck_assert_uint_eq(a->head_us, 600000);
    ck_assert_str_eq(buf_cstr(&a->body), HEAD W("This") W(" answer") W(" was"));
}
END_TEST

START_TEST(a_limit_is_told_with_every_answer)
{
    struct fault_limit limit = { .requests = 500,
                                 .requests_left = 499,
                                 .requests_reset_us = 120000 };
    struct fault_setting setting = setting_of(API_CHAT, true);

    setting.saying.limit = &limit;
    CLEANUP(answer_unref)
    struct answer *a = fault_inject(answer_to(API_CHAT, true), NULL, 0, &setting);
    struct str left =
        call_header_find(a->headers.ptr, a->headers.len, "x-ratelimit-remaining-requests");
    ck_assert(str_eq(left, STR("499")));
    left = call_header_find(a->headers.ptr, a->headers.len, "x-ratelimit-reset-requests");
    ck_assert(str_eq(left, STR("120ms")));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, every_fault_makes_a_sound_answer_of_every_answer, 0,
                        (int)ARRAY_LEN(apis));
    tcase_add_loop_test(tc, a_struck_stream_is_this_to_the_byte, 0, (int)ARRAY_LEN(streams));
    tcase_add_loop_test(tc, faults_between_events_leave_the_framing_whole_with_every_api, 0,
                        (int)ARRAY_LEN(apis));
    tcase_add_loop_test(tc, no_usage_is_left_where_none_is_to_be, 0, (int)ARRAY_LEN(apis));
    tcase_add_loop_test(tc, a_pace_moves_what_it_is_about, 0, (int)ARRAY_LEN(times));
    tcase_add_test(tc, a_gap_may_be_kept_alive);
    tcase_add_test(tc, bandwidth_is_the_limit_of_all_bytes);
    tcase_add_test(tc, what_is_cut_up_is_cut_there);
    tcase_add_loop_test(tc, an_answer_that_is_no_stream_is_struck_as_well, 0,
                        (int)ARRAY_LEN(wholes));
    tcase_add_test(tc, an_answer_that_failed_anyway_is_not_broken_further);
    tcase_add_test(tc, several_faults_strike_one_answer);
    tcase_add_test(tc, a_limit_is_told_with_every_answer);
}

CHECK_MAIN("replay/fault_inject", add_tests)
