/* HAR files of browsers and proxies: every entry, its times, its stream. */
#include "config.h"

#include "capture/import.h"

#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "check_main.h"
#include "import_sample.h"

#define HEAD "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"t\",\"version\":\"1\"},"
#define ENTRY(n)                                                                                   \
    "{\"startedDateTime\":\"2026-03-04T05:06:07.250Z\",\"time\":300.5,"                            \
    "\"request\":{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/" #n                     \
    "\",\"httpVersion\":\"h2\",\"cookies\":[],\"headers\":[{\"name\":\":authority\",\"value\":"    \
    "\"x\"},{\"name\":\"X-Api-Key\",\"value\":\"k\"}],\"queryString\":[],\"postData\":{"           \
    "\"mimeType\":\"application/json\",\"text\":\"{\\\"model\\\":\\\"m\\\"}\"},\"headersSize\":-"  \
    "1,\"bodySize\":13},\"response\":{\"status\":200,\"statusText\":\"\",\"httpVersion\":\"h2\","  \
    "\"cookies\":[],\"headers\":[{\"name\":\"content-encoding\",\"value\":\"br\"}],\"content\":{"  \
    "\"size\":2,\"mimeType\":\"application/json\",\"text\":\"{}\"},\"redirectURL\":\"\","          \
    "\"headersSize\":-1,\"bodySize\":-1},\"cache\":{},\"timings\":{\"blocked\":1,\"dns\":2,"       \
    "\"connect\":10,\"ssl\":8,\"send\":0.5,\"wait\":200,\"receive\":87}}"

static struct sample sample;

static void setup(void)
{
    temp_folder_make();
    sample_open(&sample, "archive");
}

static void teardown(void)
{
    sample_close(&sample);
    temp_folder_remove();
}

START_TEST(an_entry_becomes_an_exchange)
{
    sample_text(&sample,
                STR(HEAD "\"pages\":[{\"id\":\"entries\"}],\"entries\":[" ENTRY(a) ",\n" ENTRY(
                    b) "],\"comment\":\"x\"}}\n"),
                IMPORT_AUTO);
    ck_assert_stats(&sample, 2, 2, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    const json_t *x = json_array_get(lines, 0);
    ck_assert_member(x, "started_at", "2026-03-04T05:06:07.250000Z");
    ck_assert_member(x, "request_us", "13500"); /* ssl is part of connect */
    ck_assert_member(x, "head_us", "213500");
    ck_assert_member(x, "end_us", "300500");
    ck_assert_member(x, "req_body", "{\"model\":\"m\"}");
    ck_assert_member(x, "resp_body", "{}"); /* as HAR has it: decoded */
    ck_assert_member(x, "request_bytes", "13");
    ck_assert_member(x, "origin", "import:har");
    ck_assert_ptr_null(json_get(json_get(x, "req_headers"), ":authority"));
    ck_assert_str_ne(sample_get(x, "key_id"), "");
    sample_text(&sample, STR(HEAD "\"entries\":[" ENTRY(a) "]}}"), IMPORT_HAR);
    ck_assert_stats(&sample, 1, 0, 1, 0);
}
END_TEST

#define STREAM(content, more)                                                                      \
    HEAD "\"entries\":[{\"startedDateTime\":\"2026-01-01T00:00:00Z\",\"time\":5,\"request\":{"     \
         "\"method\":\"GET\",\"url\":\"https://x/v1\",\"headers\":[]},\"response\":{\"status\":"   \
         "200,\"headers\":[],\"content\":{" content "}},\"timings\":{}" more "}]}}"
#define EVENTS                                                                                     \
    ",\"_eventSourceMessages\":[{\"time\":1767225600.5,\"eventName\":\"message\",\"eventId\":"     \
    "\"\",\"data\":\"{\\\"a\\\":1}\"},{\"time\":1767225601.25,\"eventName\":\"done\",\"eventId\":" \
    "\"7\",\"data\":\"x\\ny\"}]"

static const struct {
    const char *har;
    const char *body, *body_member;
    const char *first_us, *last_us; /* of the chunks; "" = none */
} streams[] = {
  /* The body is made of the events where it was not kept. */
    {STREAM("\"size\":99",                                           EVENTS), "data: {\"a\":1}\n\nevent: done\nid: 7\ndata: x\ndata: y\n\n",
     "resp_body",                                                                                                                                                 "500000", "1250000"},
 /* Where it was, the events give it times. */
    { STREAM("\"size\":9,\"text\":\"data: 1\\n\\ndata: 2\\n\\n\"",   EVENTS),
     "data: 1\n\ndata: 2\n\n",                                                                                                               "resp_body",         "500000", "1250000"},
    { STREAM("\"size\":9,\"text\":\"data: 1\\r\\n\\r\\ndata: 2\"",   EVENTS),
     "data: 1\r\n\r\ndata: 2",                                                                                                               "resp_body",         "500000", "1250000"},
 /* Unless there are not as many. */
    { STREAM("\"size\":9,\"text\":\"data: 1\\n\\n\"",                EVENTS), "data: 1\n\n",                                                 "resp_body",         "",       ""       },
    { STREAM("\"size\":3,\"text\":\"AAH/\",\"encoding\":\"base64\"", ""),     "AAH/",                                                        "resp_body_b64",
     "",                                                                                                                                                                    ""       },
    { STREAM("\"size\":99",                                          ""),     "true",                                                        "resp_body_dropped", "",       ""       },
    { STREAM("\"size\":0",                                           ""),     "",                                                            "resp_body",         "",       ""       },
    { STREAM("\"size\":2,\"text\":\"{}\"",
     ",\"_weir\":{\"chunks\":[[1,1],[2,1]],\"app\":\"bot\",\"started_at\":"
             "\"2026-01-01T00:00:00.000001Z\"}"),
     "{}",                                                                                                                                   "resp_body",         "1",      "2"      },
};

START_TEST(a_stream_keeps_its_body_and_the_times_of_its_events)
{
    sample_text(&sample, str_from(streams[_i].har), IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_member(lines, "0.resp_headers", "");
    ck_assert_ptr_nonnull(json_get(json_array_get(lines, 0), streams[_i].body_member));
    char path[64];
    snprintf(path, sizeof(path), "0.%s", streams[_i].body_member);
    ck_assert_member(lines, path, streams[_i].body);
    ck_assert_member(lines, "0.chunks.0.0", streams[_i].first_us);
    ck_assert_member(lines, "0.chunks.1.0", streams[_i].last_us);
}
END_TEST

static const struct {
    const char *entry, *reason;
} bad[] = {
    {"{\"startedDateTime\":\"x\",\"request\":{\"url\":\"https://x/\"}}",            "startedDateTime"           },
    { "{\"startedDateTime\":\"2026-01-01\",\"request\":{}}",                        "no 'request.url'"          },
    { "{\"startedDateTime\":\"2026-01-01\"}",                                       "no 'request.url'"          },
    { "{\"request\":{\"url\":\"https://x/\"}}",                                     "carries no time"           },
    { "{\"request\":{\"url\":\"https://x/\",\"headers\":{}}}",                      "headers"                   },
    { "{\"request\":[]}",                                                           "'request' is not an object"},
    { "7",                                                                          "'entry' is not an object"  },
    { "{\"startedDateTime\":\"2026-01-01\",\"request\":{\"url\":\"https://x/\"},\"response\":{"
      "\"status\":200,\"content\":{\"text\":\"*\",\"encoding\":\"base64\"}}}", "content.text"              },
};

START_TEST(a_bad_entry_is_named_and_those_around_it_are_kept)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "%s\"entries\":[%s,\n%s,\n%s]}}", HEAD, ENTRY(a), bad[_i].entry, ENTRY(b));
    sample_text(&sample, buf_str(&text), IMPORT_AUTO);
    ck_assert_stats(&sample, 3, 2, 0, 1);
    ck_assert_uint_eq(sample.reasons[0].line, 2);
    ck_assert_msg(strstr(sample.reasons[0].text, bad[_i].reason) != NULL, "%s",
                  sample.reasons[0].text);
}
END_TEST

START_TEST(a_file_cut_anywhere_keeps_its_whole_entries_and_says_that_it_is_cut)
{
    struct str whole = STR(HEAD "\"entries\":[" ENTRY(a) ",\n" ENTRY(b) "]}}");
    size_t entry = sizeof(ENTRY(a)) - 1, first = sizeof(HEAD "\"entries\":[") - 1;
    uint64_t total = 0;

    for (size_t len = 20; len < whole.len; len++) {
        const char *path = sample_file("input", str_sub(whole, 0, len));
        sample_journal(&sample, path, IMPORT_HAR);
        uint64_t have = (len >= first + entry ? 1u : 0u) + (len >= first + 2 * entry + 2 ? 1u : 0u);
        ck_assert_msg(sample.stats.added + sample.stats.already == have, "cut at %zu: %d", len,
                      (int)(sample.stats.added + sample.stats.already));
        ck_assert_msg(sample.stats.bad == 1 || sample.result < 0, "cut at %zu", len);
        total += sample.stats.added;
    }
    ck_assert_uint_eq(total, 2);
}
END_TEST

START_TEST(a_file_with_any_byte_flipped_does_no_harm)
{
    struct str whole = STR(HEAD "\"entries\":[" ENTRY(a) "]}}");
    CLEANUP(buf_release) struct buf flipped = { 0 };

    sample.options.has_at = true;
    sample.options.at_us = SAMPLE_NOW_US;
    for (size_t at = 0; at < whole.len; at++) {
        buf_clear(&flipped);
        buf_add_str(&flipped, whole);
        flipped.ptr[at] = (char)(flipped.ptr[at] ^ 0x04);
        sample_journal(&sample, sample_file("input", buf_str(&flipped)), IMPORT_HAR);
        ck_assert_uint_le(sample.stats.added + sample.stats.already, 1);
    }
    sample_seal(&sample);
}
END_TEST

START_TEST(what_is_no_har_is_refused)
{
    sample_text(&sample, STR("{\"log\":{\"pages\":[]}}"), IMPORT_AUTO);
    ck_assert_int_eq(sample.result, -1);
    ck_assert_ptr_nonnull(strstr(sample.err.text, "no log.entries"));
    sample_text(&sample, STR(HEAD "\"entries\":[]}}"), IMPORT_AUTO);
    ck_assert_int_eq(sample.result, 0);
    ck_assert_stats(&sample, 0, 0, 0, 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_entry_becomes_an_exchange);
    tcase_add_loop_test(tc, a_stream_keeps_its_body_and_the_times_of_its_events, 0,
                        ARRAY_LEN(streams));
    tcase_add_loop_test(tc, a_bad_entry_is_named_and_those_around_it_are_kept, 0, ARRAY_LEN(bad));
    tcase_add_test(tc, a_file_cut_anywhere_keeps_its_whole_entries_and_says_that_it_is_cut);
    tcase_add_test(tc, a_file_with_any_byte_flipped_does_no_harm);
    tcase_add_test(tc, what_is_no_har_is_refused);
}

CHECK_MAIN("capture/import_har", add_tests)
