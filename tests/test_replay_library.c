/* Which recorded answer a request gets, and what of it comes back. */
#include "config.h"

#include "replay/library.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check_main.h"
#include "tests/replay_sample.h"

#define CHAT(body, rest)                                                                           \
    "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/chat/completions\","                 \
    "\"req_body\":\"" body "\"," rest "}\n"
#define OK(text)                                                                                   \
    "\"status\":200,\"resp_headers\":{\"content-type\":\"application/json\",\"x-n\":\"" text       \
    "\"},\"resp_body\":\"" text "\""
#define REFUSED(text) "\"status\":429,\"resp_headers\":{},\"resp_body\":\"" text "\""

/* Bodies that differ in length: "short", "long", "longest" are nearest to what their names say. */
static const char lines[] = CHAT("{\\\"model\\\":\\\"m\\\",\\\"n\\\":1}", REFUSED("busy")) CHAT(
    "{\\\"model\\\":\\\"m\\\",\\\"n\\\":1}",
    OK("first")) CHAT("{\\\"n\\\":1,\\\"model\\\":\\\"m\\\"}", OK("second"))
    CHAT("{\\\"model\\\":\\\"m\\\",\\\"text\\\":\\\"0123456789012345678901234567890123456789\\\"}",
         OK("long")) CHAT("{\\\"model\\\":\\\"m\\\",\\\"stream\\\":true}",
                          OK("stream")) CHAT("{\\\"model\\\":\\\"only-bad\\\"}", REFUSED("never"))
        CHAT("{\\\"model\\\":\\\"unanswered\\\"}", "\"status\":0") CHAT(
            "{\\\"model\\\":\\\"dropped\\\"}", "\"status\":200,\"resp_body_dropped\":true")
            CHAT("{\\\"model\\\":\\\"cut\\\"}",
                 "\"status\":200,\"truncated\":true,\"resp_headers\":{\"content-length\":\"9\"},"
                 "\"resp_body\":\"half\"")
                CHAT("{\\\"model\\\":\\\"timed\\\"}",
                     "\"status\":200,\"request_us\":1000,\"head_us\":5000,\"end_us\":9000,"
                     "\"chunks\":[[5000,2],[7500,3],[8000,1]],\"resp_body\":\"abcdef\","
                     "\"resp_headers\":{\"connection\":\"close\",\"content-encoding\":\"gzip\","
                     "\"set-cookie\":\"session=secret\",\"x-kept\":\"yes\",\"x-weir-exchange-id\":"
                     "\"1\"}") "{\"method\":\"GET\",\"url\":\"https://api.openai.com/v1/"
                               "models\",\"req_body\":\"\"," OK("models") "}\n";

static struct replay_sample sample;
static struct err err;

static void setup(void)
{
    temp_folder_make();
    replay_sample_open(&sample, lines);
}

static void teardown(void)
{
    replay_sample_close(&sample);
    temp_folder_remove();
}

/* The answer to a request to that path, to be let go. */
static struct answer *ask(const char *method, const char *path, const char *body,
                          enum library_match *ret)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct request r = { str_from(method), str_from(path), STR(""), str_from(body) };
    struct call call = { .method = r.method, .path = r.path, .request_body = r.body };
    struct call_facts facts;
    struct answer *a = NULL;

    call_read(&call, &arena, &facts);
    ck_assert_msg(library_find(sample.library, &r, &facts, ret, &a, &err) == 0, "%s", err.text);
    return a;
}

static void expect(const char *body, enum library_match match, const char *text)
{
    enum library_match got;
    struct answer *a = ask("POST", "/bot/openai/v1/chat/completions", body, &got);

    ck_assert_int_eq(got, match);
    if (text) {
        ck_assert_ptr_nonnull(a);
        ck_assert_str_eq(buf_cstr(&a->body), text);
    }
    answer_unref(a);
}

START_TEST(equal_requests_get_their_answers_in_turn_errors_too)
{
    static const char *const turns[] = { "busy", "first", "second", "busy", "first" };

    for (size_t i = 0; i < ARRAY_LEN(turns); i++)
        expect("{\"n\":1, \"model\":\"m\"}", LIBRARY_SAME, turns[i]);
}
END_TEST

START_TEST(without_the_same_request_the_nearest_in_size_answers_and_no_error_does)
{
    static const char *const turns[] = { "first", "second", "first" };

    for (size_t i = 0; i < ARRAY_LEN(turns); i++)
        expect("{\"model\":\"m\",\"n\":22}", LIBRARY_ALIKE, turns[i]);
    expect("{\"model\":\"m\",\"text\":\"012345678901234567890123456789012345\"}", LIBRARY_ALIKE,
           "long");
    expect("{\"model\":\"m\",\"text\":\"0123456789012345678901234567890123456789 and much more\"}",
           LIBRARY_ALIKE, "long");
    expect("{\"model\":\"m\",\"stream\":true,\"n\":2}", LIBRARY_ALIKE, "stream");
}
END_TEST

static const char *const strangers[] = {
    "{\"model\":\"other\"}",
    "{\"model\":\"only-bad\",\"n\":1}",
    "{\"model\":\"unanswered\"}",
    "{\"model\":\"dropped\"}",
    "{\"model\":\"cut\",\"n\":1}",
    "{}",
    "",
};

START_TEST(nothing_answers_for_another_model_or_without_a_whole_good_answer)
{
    expect(strangers[_i], LIBRARY_NONE, NULL);
}
END_TEST

START_TEST(a_request_without_a_body_is_found_by_its_path)
{
    enum library_match match;
    struct answer *a = ask("GET", "/openai/v1/models", "", &match);

    ck_assert_int_eq(match, LIBRARY_SAME);
    ck_assert_str_eq(buf_cstr(&a->body), "models");
    answer_unref(a);
    a = ask("GET", "/v1/other", "", &match);
    ck_assert_int_eq(match, LIBRARY_NONE);
    ck_assert_ptr_null(a);
}
END_TEST

START_TEST(an_answer_has_its_chunks_times_and_headers)
{
    enum library_match match;
    struct answer *a = ask("POST", "/v1/chat/completions", "{\"model\":\"timed\"}", &match);

    ck_assert_uint_eq(a->status, 200);
    ck_assert_uint_eq(a->head_us, 4000);
    ck_assert_uint_eq(a->end_us, 8000);
    ck_assert_uint_eq(a->chunk_count, 3);
    ck_assert_uint_eq(a->chunks[1].at_us, 6500);
    ck_assert_uint_eq(a->chunks[1].bytes, 3);
    ck_assert_str_eq(buf_cstr(&a->body), "abcdef");
    ck_assert(a->is_chunked);
    ck_assert_uint_eq(a->headers.len, 1);
    ck_assert(str_eq(a->headers.ptr[0].name, STR("x-kept")));
    answer_unref(a);
}
END_TEST

START_TEST(an_answer_that_broke_off_breaks_off_again)
{
    enum library_match match;
    struct answer *a = ask("POST", "/v1/chat/completions", "{\"model\":\"cut\"}", &match);

    ck_assert_int_eq(match, LIBRARY_SAME);
    ck_assert(a->is_cut);
    ck_assert(!a->is_chunked);
    ck_assert_uint_eq(a->promised, 9);
    answer_unref(a);
}
END_TEST

START_TEST(what_cannot_be_played_is_counted)
{
    struct library_stats stats;

    library_stats(sample.library, &stats);
    ck_assert_uint_eq(stats.exchanges, 9);
    ck_assert_uint_eq(stats.without_answer, 2);
    ck_assert_uint_eq(stats.segments_missing, 0);
}
END_TEST

START_TEST(an_archive_added_again_takes_its_turns_after_the_first)
{
    struct library_stats stats;

    ck_assert_int_eq(library_add(sample.library, scratch_archive(sample.scratch), &err), 0);
    library_stats(sample.library, &stats);
    ck_assert_uint_eq(stats.exchanges, 18);
    for (int i = 0; i < 2; i++) {
        expect("{\"n\":1,\"model\":\"m\"}", LIBRARY_SAME, "busy");
        expect("{\"n\":1,\"model\":\"m\"}", LIBRARY_SAME, "first");
        expect("{\"n\":1,\"model\":\"m\"}", LIBRARY_SAME, "second");
    }
}
END_TEST

/* More than the cache holds: 40 bodies of 2 MiB, asked for twice. */
START_TEST(bodies_that_the_cache_has_let_go_are_read_again)
{
    struct buf all = { 0 }, body = { 0 };

    for (int i = 0; i < 40; i++) {
        buf_clear(&body);
        for (int n = 0; n < 2 << 20; n++)
            buf_add_byte(&body, (char)('a' + (n + i) % 26));
        buf_addf(&all,
                 "{\"method\":\"POST\",\"url\":\"http://h.example/v1/chat/completions\","
                 "\"req_body\":\"{\\\"n\\\":%d}\",\"status\":200,\"resp_body\":\"%s\"}\n",
                 i, buf_cstr(&body));
    }
    replay_sample_close(&sample);
    replay_sample_open(&sample, buf_cstr(&all));
    for (int i = 0; i < 80; i++) {
        char request[32];
        enum library_match match;
        snprintf(request, sizeof(request), "{\"n\":%d}", i % 40);
        struct answer *a = ask("POST", "/v1/chat/completions", request, &match);
        ck_assert_int_eq(match, LIBRARY_SAME);
        ck_assert_uint_eq(a->body.len, 2 << 20);
        ck_assert_int_eq(a->body.ptr[77], 'a' + (77 + i % 40) % 26);
        answer_unref(a);
    }
    buf_release(&all);
    buf_release(&body);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_whole_is_refused_with_its_line)
{
    const char *path = temp_path("bad.jsonl");
    const char *const files[] = { path, NULL };
    struct scratch *scratch = NULL;

    ck_assert_int_eq(
        file_replace(path, STR("{\"url\":\"/v1/x\",\"status\":200}\n{\"url\":\n"), 0600, &err), 0);
    ck_assert_int_eq(scratch_open(temp_folder, files, REPLAY_SAMPLE_NOW_US, &scratch, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "bad.jsonl:2: "));
    ck_assert_int_eq(file_replace(path, STR("\n"), 0600, &err), 0);
    ck_assert_int_eq(scratch_open(temp_folder, files, REPLAY_SAMPLE_NOW_US, &scratch, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "has no exchanges in it"));
    ck_assert_ptr_null(scratch);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, equal_requests_get_their_answers_in_turn_errors_too);
    tcase_add_test(tc, without_the_same_request_the_nearest_in_size_answers_and_no_error_does);
    tcase_add_loop_test(tc, nothing_answers_for_another_model_or_without_a_whole_good_answer, 0,
                        (int)ARRAY_LEN(strangers));
    tcase_add_test(tc, a_request_without_a_body_is_found_by_its_path);
    tcase_add_test(tc, an_answer_has_its_chunks_times_and_headers);
    tcase_add_test(tc, an_answer_that_broke_off_breaks_off_again);
    tcase_add_test(tc, what_cannot_be_played_is_counted);
    tcase_add_test(tc, an_archive_added_again_takes_its_turns_after_the_first);
    tcase_add_test(tc, bodies_that_the_cache_has_let_go_are_read_again);
    tcase_add_test(tc, a_file_that_cannot_be_read_whole_is_refused_with_its_line);
}

CHECK_MAIN("replay/library", add_tests)
