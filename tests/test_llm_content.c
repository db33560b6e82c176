/* When the first token of a stream came, however the stream was cut into pieces; which events have
 * content is test_policy_failure's.
 */
#include "config.h"

#include "llm/content.h"

#include <string.h>

#include "tests/check_main.h"

/* Ends with the event that brings the first token; rest may follow. */
static const struct {
    enum api api;
    const char *media_type, *before, *first, *rest;
} streams[] = {
    {API_CHAT,         "text/event-stream",
     ": ping\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n",                     "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n",               "data: [DONE]\n\n" },
    { API_MESSAGES,    "text/event-stream",
     "event: message_start\ndata: {\"type\":\"message_start\"}\n\n"
      "event: ping\ndata: {\"type\":\"ping\"}\n\n",                                                  "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"Hi\"}}\n\n", "data: {}\n\n"     },
    { API_OLLAMA_CHAT, "application/x-ndjson", "{\"message\":{\"content\":\"\"}}\n",
     "{\"message\":{\"content\":\"Hi\"}}\n",                                                                                                                                     "{\"done\":true}\n"},
    { API_CHAT,        "text/event-stream",    ": ping\n\n: ping\n\n",                               "",                                                                         ""                 },
    { API_CHAT,        "application/json",     "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}", "",                                                                         ""                 },
    { API_UNKNOWN,     "audio/mpeg",           "ID3",                                                "",                                                                         ""                 },
};

struct cut {
    size_t at, len;
};

static size_t piece_bytes(void *ctx, size_t index)
{
    const struct cut *cut = ctx;

    return index == 0 ? cut->at : index == 1 ? cut->len - cut->at : 0;
}

/* Two pieces, cut at every byte. */
START_TEST(the_first_token_came_with_the_end_of_its_event)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    size_t before = strlen(streams[_i].before), end = before + strlen(streams[_i].first);

    buf_addf(&body, "%s%s%s", streams[_i].before, streams[_i].first, streams[_i].rest);
    for (size_t at = 0; at <= body.len; at++) {
        struct cut cut = { at, body.len };
        const struct content_stream s = {
            .api = streams[_i].api,
            .media_type = str_from(streams[_i].media_type),
            .body = buf_str(&body),
            .piece_count = 2,
            .piece_bytes = piece_bytes,
            .ctx = &cut,
        };
        size_t piece = 99;
        ck_assert(content_begins(&s, &piece) == (end > before));
        if (end > before)
            ck_assert_msg(piece == (at < end), "cut at %zu of %zu: piece %zu", at, end, piece);
        else
            ck_assert_uint_eq(piece, 99);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, the_first_token_came_with_the_end_of_its_event, 0, ARRAY_LEN(streams));
}

CHECK_MAIN("llm/content", add_tests)
