/* What a stream comes to does not depend on the pieces that it comes in, nor on what is passed over
 * behind its first token. */
#include "config.h"

#include "proxy/answer_watch.h"

#include <string.h>

#include "tests/check_main.h"

#define TEXT  "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"wo\"}}]}\n\n"
#define CRLF  "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"wo\"}}]}\r\n\r\n"
#define ERROR "data: {\"id\":\"x\",\"error\":{\"code\":\"server_error\",\"message\":\"no\"}}\n\n"
#define BLOCK                                                                                      \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","                         \
    "\"delta\":{\"text\":\"a\"}}\n\n"
#define LINE "{\"message\":{\"content\":\"a\"}}\n"

static const struct {
    enum api api;
    const char *type, *text;
    bool has_content, has_failed;
} rows[] = {
    {API_CHAT,         "text/event-stream",    TEXT TEXT TEXT TEXT,                                  true,  false},
    { API_CHAT,        "text/event-stream",    CRLF CRLF CRLF CRLF,                                  true,  false},
    { API_CHAT,        "text/event-stream",    TEXT TEXT TEXT ERROR,                                 true,  true },
    { API_CHAT,        "text/event-stream",    TEXT TEXT ERROR TEXT TEXT,                            true,  true },
    { API_CHAT,        "text/event-stream",    TEXT CRLF ": no error\n\n" TEXT,                      true,  false},
    { API_CHAT,        "text/event-stream",    ": wait\n\n" TEXT ": wait\n\n" TEXT ERROR,            true,  true },
    { API_CHAT,        "text/event-stream",
     TEXT "data: {\"a\":1,\ndata: \"error\":{\"code\":\"x\"}}\n\n" TEXT,                             true,  true },
    { API_CHAT,        "text/event-stream",    TEXT TEXT "event: error\ndata: {\"code\":\"x\"}\n\n", true,
     true                                                                                                        },
    { API_CHAT,        "text/event-stream",
     TEXT TEXT "data: {\"note\":\"error and \\\"error\\\"\"}\n\n" TEXT,                              true,  false},
    { API_CHAT,        "text/event-stream",    ERROR,                                                false, true },
    { API_MESSAGES,    "text/event-stream",
     BLOCK BLOCK "event: ping\ndata: {\"type\": \"ping\"}\n\n" BLOCK,                                true,  false},
    { API_MESSAGES,    "text/event-stream",
     BLOCK BLOCK "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
                  "\"overloaded_error\"}}\n\n",                                                      true,  true },
    { API_RESPONSES,   "text/event-stream",
     "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
      "data: {\"type\":\"response.failed\",\"response\":{}}\n\n",                                    true,  true },
    { API_OLLAMA_CHAT, "application/x-ndjson", LINE LINE LINE,                                       true,  false},
    { API_OLLAMA_CHAT, "application/x-ndjson", LINE LINE "{\"error\":\"out of memory\"}\n",          true,
     true                                                                                                        },
};

static void begin(struct answer_watch *w, int row)
{
    struct http1_header type = { .name = STR("content-type"), .value = str_from(rows[row].type) };
    struct http1_head head = { .status = 200, .headers = &type, .header_count = 1 };

    answer_watch_begin(w, rows[row].api, true);
    ck_assert_int_eq(answer_watch_head(w, &head), WATCH_MORE);
    ck_assert(w->is_stream);
}

/* first, second: where it is cut. */
static void check(int row, size_t first, size_t second)
{
    struct answer_watch w = { 0 };
    struct str text = str_from(rows[row].text);
    const size_t cuts[] = { 0, first, second, text.len };
    bool has_content = false, has_failed = false;

    begin(&w, row);
    for (size_t i = 0; i < 3; i++) {
        struct str piece = str_sub(text, cuts[i], cuts[i + 1] - cuts[i]);
        enum watch_verdict v = answer_watch_body(&w, piece, 0);
        has_content |= v == WATCH_CONTENT;
        has_failed |= v == WATCH_FAILED;
    }
    /* A failure in the piece of the first content: nothing of it has gone on. */
    ck_assert_msg(has_failed == rows[row].has_failed && w.has_failed == has_failed &&
                      (has_content == rows[row].has_content || has_failed),
                  "row %d cut at %zu and %zu: %d %d", row, first, second, has_content, has_failed);
    answer_watch_release(&w);
}

START_TEST(a_stream_comes_to_the_same_wherever_it_is_cut)
{
    size_t len = strlen(rows[_i].text);

    for (size_t first = 0; first <= len; first++)
        for (size_t second = first; second <= len; second += 1 + len / 60)
            check(_i, first, second);
}
END_TEST

static const struct {
    enum api api;
    const char *piece;
    bool is_progress;
} pieces[] = {
    {API_CHAT,      TEXT,                                                true },
    { API_CHAT,     CRLF,                                                true },
    { API_CHAT,     ": wait\n\n",                                        false},
    { API_CHAT,     ": wait\n\n: data: {\"a\":1}\n\n",                   false},
    { API_CHAT,     ": wait\n\n" TEXT,                                   true },
    { API_CHAT,     "data:\n\n",                                         false},
    { API_CHAT,     "data: \n\n",                                        false},
    { API_CHAT,     "data: {\"type\":\"ping\"}\n\n",                     false},
    { API_CHAT,     "data: {\"type\": \"ping\"}\n\n",                    false},
    { API_CHAT,     "data: {\"a\":1}\nevent: ping\n\n",                  false},
    { API_CHAT,     "data: {\"a\":1",                                    false},
    { API_CHAT,     "data: [DONE]\n\n",                                  true },
    { API_MESSAGES, BLOCK,                                               true },
    { API_MESSAGES, "event: ping\ndata: {\"type\": \"ping\"}\n\n",       false},
    { API_MESSAGES, "event: ping\ndata: {\"type\": \"ping\"}\n\n" BLOCK, true },
    { API_MESSAGES, "event: x\n\n",                                      false},
};

/* Behind as many pieces like it as there are; the last one comes in two, or whole if cut is 0. */
static bool is_progress(int row, struct str text, size_t before, size_t cut)
{
    struct answer_watch w = { 0 };

    begin(&w, row);
    ck_assert_int_eq(answer_watch_body(&w, str_from(row ? BLOCK : TEXT), 0), WATCH_CONTENT);
    for (size_t i = 0; i < before; i++)
        answer_watch_body(&w, text, 0);
    w.any_progress = false;
    answer_watch_body(&w, str_sub(text, 0, cut), 0);
    answer_watch_body(&w, str_sub(text, cut, text.len), 0);
    bool ret = w.any_progress;
    answer_watch_release(&w);
    return ret;
}

START_TEST(behind_the_first_token_keep_alives_are_no_progress)
{
    struct str text = str_from(pieces[_i].piece);
    int row = pieces[_i].api == API_CHAT ? 0 : 10;
    size_t before_most = str_ends_with(text, STR("\n")) ? 2 : 0; /* else they are one event */

    for (size_t before = 0; before <= before_most; before++)
        for (size_t cut = 0; cut < text.len; cut++)
            ck_assert_msg(is_progress(row, text, before, cut) == pieces[_i].is_progress,
                          "behind %zu, cut at %zu", before, cut);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_stream_comes_to_the_same_wherever_it_is_cut, 0, (int)ARRAY_LEN(rows));
    tcase_add_loop_test(tc, behind_the_first_token_keep_alives_are_no_progress, 0,
                        (int)ARRAY_LEN(pieces));
}

CHECK_MAIN("proxy/answer_watch", add_tests)
