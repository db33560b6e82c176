/* An answer that ends in good order is all of it, or was cut off, or was none. */
#include "config.h"

#include "proxy/answer_watch.h"

#include <string.h>

#include "tests/check_main.h"
#include "tests/recorded.h"
#include "tests/shared_data.h"

#define EVENT(text) "data: " text "\n\n"
#define WORD        EVENT("{\"choices\":[{\"delta\":{\"content\":\"wo\"},\"finish_reason\":null}]}")
#define FINISH      EVENT("{\"choices\":[{\"delta\":{},\"finish_reason\": \"stop\"}]}")
#define USAGE       EVENT("{\"choices\":[],\"usage\":{\"prompt_tokens\":9}}")
#define BLOCK                                                                                      \
    "event: content_block_delta\n" EVENT("{\"type\":\"content_block_delta\",\"delta\":{"           \
                                         "\"type\":\"text_delta\",\"text\":\"a\"}}")
#define STOP "event: message_stop\n" EVENT("{\"type\":\"message_stop\"}")

static const struct {
    enum api api;
    bool is_stream;
    const char *text;
    bool is_bad;
    int status; /* of an error that came in place of the answer */
} rows[] = {
    {API_CHAT,         true,  WORD WORD FINISH USAGE EVENT("[DONE]"),                            false, 0  },
    { API_CHAT,        true,  WORD WORD FINISH USAGE,                                            false, 0  },
    { API_CHAT,        true,  WORD WORD EVENT("[DONE]"),                                         false, 0  },
    { API_CHAT,        true,  WORD WORD,                                                         true,  0  },
    { API_CHAT,        true,  WORD "data: {\"choices\":[{\"delta\":{\"content\":\"w",            true,  0  },
    { API_CHAT,        true,  "",                                                                true,  0  },
    { API_CHAT,        true,  ": wait\n\n",                                                      true,  0  },
    { API_MESSAGES,    true,  BLOCK BLOCK STOP,                                                  false, 0  },
    { API_MESSAGES,    true,  BLOCK BLOCK,                                                       true,  0  },
    { API_RESPONSES,   true,  EVENT("{\"type\":\"response.completed\",\"response\":{}}"),        false, 0  },
    { API_RESPONSES,   true,  EVENT("{\"type\":\"response.created\",\"response\":{}}"),          true,  0  },
    { API_OLLAMA_CHAT, true,  "{\"message\":{\"content\":\"a\"},\"done\":false}\n",              true,  0  },
    { API_OLLAMA_CHAT, true,  "{\"message\":{\"content\":\"\"},\"done\":true}\n",                false, 0  },
    { API_INVOKE,      true,  "anything",                                                        false, 0  },
    { API_CHAT,        false, "{\"choices\":[]}\n",                                              false, 0  },
    { API_CHAT,        false, "{\"choices\":[{\"message\":{\"content\":\"wo",                    true,  0  },
    { API_CHAT,        false, "",                                                                true,  0  },
    { API_CHAT,        false, " \r\n",                                                           true,  0  },
    { API_CHAT,        false, "\n<html></html>",                                                 true,  0  },
    { API_CHAT,        false, "text for whoever wants text",                                     false, 0  },
    { API_CHAT,        false,
     "{ \"error\" : {\"type\":\"service_unavailable_error\",\"code\":\"slow_down\"}}",           true,  429},
    { API_MESSAGES,    false, "{\"type\": \"error\",\"error\":{\"type\":\"overloaded_error\"}}", true,
     529                                                                                                   },
    { API_RESPONSES,   false, "{\"error\": null, \"output\":[]}",                                false, 0  },
    { API_OLLAMA_CHAT, false, "{\"error\":\"out of memory\"}",                                   true,  500},
    { API_EMBEDDINGS,  false, "",                                                                false, 0  },
};

static bool is_bad(int row, size_t cut, struct steer_end *ret)
{
    struct answer_end e = { 0 };
    struct str text = str_from(rows[row].text);

    answer_end_begin(&e, rows[row].api, rows[row].is_stream);
    answer_end_add(&e, str_sub(text, 0, cut));
    answer_end_add(&e, str_sub(text, cut, text.len));
    bool bad = answer_end_is_bad(&e, ret);
    answer_end_release(&e);
    return bad;
}

START_TEST(an_end_is_told_wherever_the_answer_is_cut_into_pieces)
{
    for (size_t cut = 0; cut <= strlen(rows[_i].text); cut++) {
        struct steer_end end;
        ck_assert_msg(is_bad(_i, cut, &end) == rows[_i].is_bad, "row %d cut at %zu", _i, cut);
        if (!rows[_i].is_bad)
            continue;
        ck_assert(end.failed && !end.answer_began && !end.late);
        ck_assert_int_eq(end.status, rows[_i].status);
        ck_assert_int_eq(end.failure,
                         rows[_i].status ? PLAN_FAILED_STATUS : PLAN_FAILED_FIRST_TOKEN);
    }
}
END_TEST

START_TEST(of_a_long_stream_the_end_is_looked_at_and_little_is_kept)
{
    struct answer_end e = { 0 };
    struct steer_end end;

    answer_end_begin(&e, API_CHAT, true);
    for (int i = 0; i < 10000; i++) {
        answer_end_add(&e, str_from(i % 3 ? WORD : WORD WORD ": wait\n\n" WORD));
        ck_assert_uint_le(e.tail.len, 2 * ANSWER_END_TAIL_BYTES);
    }
    ck_assert(answer_end_is_bad(&e, &end));
    answer_end_add(&e, STR(FINISH USAGE));
    ck_assert(!answer_end_is_bad(&e, &end));
    answer_end_release(&e);
}
END_TEST

START_TEST(of_an_event_whose_beginning_is_not_kept_nothing_is_said)
{
    CLEANUP(buf_release) struct buf event = { 0 };
    struct answer_end e = { 0 };
    struct steer_end end;

    buf_add_text(&event, WORD "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"citations\":\"");
    for (int i = 0; i < 8000; i++)
        buf_add_byte(&event, 'x');
    buf_add_text(&event, "\"}\n\n: wait\n\n");
    answer_end_begin(&e, API_CHAT, true);
    answer_end_add(&e, buf_str(&event));
    ck_assert(!answer_end_is_bad(&e, &end));
    answer_end_release(&e);
}
END_TEST

/* --- an attempt's verdict --- */

static enum watch_verdict watched(struct answer_watch *w, const char *type, bool asks_stream,
                                  const char *text)
{
    struct http1_header header = { .name = STR("content-type"), .value = str_from(type) };
    struct http1_head head = { .status = 200, .headers = &header, .header_count = 1 };
    enum watch_verdict v;

    answer_watch_begin(w, API_CHAT, asks_stream);
    answer_watch_head(w, &head);
    v = *text ? answer_watch_body(w, str_from(text), 0) : WATCH_MORE;
    enum watch_verdict at_end = answer_watch_end(w, 0);
    return at_end == WATCH_MORE ? v : at_end;
}

static const struct {
    const char *type;
    bool asks_stream;
    const char *text;
    enum watch_verdict verdict;
    bool is_cut;
} verdicts[] = {
    {"text/event-stream",  true,  WORD FINISH,                                    WATCH_CONTENT, false},
    { "text/event-stream", true,  WORD WORD,                                      WATCH_CONTENT, true },
    { "text/event-stream", true,  EVENT("{\"choices\":[{\"delta\":{}}]}"),        WATCH_FAILED,  true },
    { "text/event-stream", true,  EVENT("{\"choices\":[{\"delta\":{}}]}") FINISH, WATCH_CONTENT,
     false                                                                                            },
    { "text/html",         true,  "<html></html>",                                WATCH_FAILED,  true },
    { "application/json",  true,  "{\"error\":{\"message\":\"no\"}}",             WATCH_FAILED,  true },
    { "application/json",  true,  "{\"choices\":[]}",                             WATCH_CONTENT, false},
    { "application/json",  false, "{\"choices\":[]}",                             WATCH_CONTENT, false},
    { "application/json",  false, "{\"choices\":[",                               WATCH_FAILED,  true },
    { "text/plain",        true,  WORD WORD,                                      WATCH_CONTENT, false},
};

START_TEST(what_ends_without_content_can_be_tried_elsewhere)
{
    struct answer_watch w = { 0 };

    ck_assert_int_eq(watched(&w, verdicts[_i].type, verdicts[_i].asks_stream, verdicts[_i].text),
                     verdicts[_i].verdict);
    ck_assert_int_eq(w.is_cut, verdicts[_i].is_cut);
    answer_watch_release(&w);
}
END_TEST

/* --- recorded answers --- */

static bool is_bad_recorded(const struct call *call, enum api api, struct str body)
{
    struct http1_header headers[RECORDED_HEADERS_MAX];
    struct http1_head head = { .status = 200, .headers = headers };
    struct answer_watch w = { 0 };
    bool asks_stream = str_find(call->request_body, STR("\"stream\":true"), 0) >= 0 ||
                       str_find(call->request_body, STR("\"stream\": true"), 0) >= 0;

    for (size_t i = 0; i < call->response_header_count; i++)
        if (!str_ieq(call->response_headers[i].name, STR("content-encoding"))) /* undone */
            headers[head.header_count++] =
                (struct http1_header){ .name = call->response_headers[i].name,
                                       .value = call->response_headers[i].value };
    answer_watch_begin(&w, api, asks_stream);
    answer_watch_head(&w, &head);
    for (size_t at = 0; at < body.len; at += 1000)
        answer_watch_body(&w, str_sub(body, at, 1000), 0);
    answer_watch_end(&w, 0);
    bool bad = w.is_cut;
    answer_watch_release(&w);
    return bad;
}

struct tally {
    int whole, cut, told; /* answers; ends taken away, and noticed */
};

static void check_call(void *ctx, const struct recorded_line *l)
{
    struct tally *t = ctx;
    const struct call *call = l->call;
    struct answer_end known = { 0 };
    struct str body = call->response_body;
    struct call_facts facts;

    call_read(call, l->arena, &facts);
    answer_end_begin(&known, facts.api, facts.stream);
    bool is_known = known.is_on;
    answer_end_release(&known);
    if (call->status != 200 || facts.error_class != ERROR_CLASS_NONE || !is_known ||
        !body.len) /* not recorded */
        return;
    ck_assert_msg(!is_bad_recorded(call, facts.api, body), "%s: %s is said to be cut", l->where,
                  api_name(facts.api));
    t->whole++;
    if (body.len < 64)
        return;
    t->cut++;
    t->told += is_bad_recorded(call, facts.api, str_sub(body, 0, body.len / 2));
}

static const char *const files[] = {
    "cassettes/exchanges/anthropic.jsonl", "cassettes/exchanges/azure.jsonl",
    "cassettes/exchanges/bedrock.jsonl",   "cassettes/exchanges/google.jsonl",
    "cassettes/exchanges/openai.jsonl",    "cassettes/exchanges/other.jsonl",
};

START_TEST(no_recorded_answer_is_said_to_be_cut_and_halves_of_them_are)
{
    char path[SHARED_DATA_PATH_BYTES];
    struct tally t = { 0 };

    if (!shared_data_find(files[_i], path))
        return;
    recorded_each(path, files[_i], check_call, &t);
    printf("%s: %d whole, %d of %d halves told\n", files[_i], t.whole, t.told, t.cut);
    /* half of some has the last event's beginning, which is more than what is kept */
    ck_assert_msg(t.told * 10 >= t.cut * 8, "%d of %d halves told", t.told, t.cut);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, an_end_is_told_wherever_the_answer_is_cut_into_pieces, 0,
                        (int)ARRAY_LEN(rows));
    tcase_add_test(tc, of_a_long_stream_the_end_is_looked_at_and_little_is_kept);
    tcase_add_test(tc, of_an_event_whose_beginning_is_not_kept_nothing_is_said);
    tcase_add_loop_test(tc, what_ends_without_content_can_be_tried_elsewhere, 0,
                        (int)ARRAY_LEN(verdicts));
    tcase_add_loop_test(tc, no_recorded_answer_is_said_to_be_cut_and_halves_of_them_are, 0,
                        (int)ARRAY_LEN(files));
}

CHECK_MAIN("proxy/answer_end", add_tests)
