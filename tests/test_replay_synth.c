/* Made-up answers: each must be what weir itself reads as a good answer of that API. */
#include "config.h"

#include "replay/synth.h"

#include <string.h>

#include "tests/check_main.h"

static const struct {
    const char *path, *body;
    enum api api;
    bool stream;
} asked[] = {
    ROW("/v1/chat/completions", "{\"model\":\"a \\\"m\\\"\"}", API_CHAT, false),
    ROW("/v1/chat/completions", "{\"model\":\"m\",\"stream\":true}", API_CHAT, true),
    ROW("/v1/responses", "{\"model\":\"m\"}", API_RESPONSES, false),
    ROW("/v1/responses", "{\"model\":\"m\",\"stream\":true}", API_RESPONSES, true),
    ROW("/v1/embeddings", "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}", API_EMBEDDINGS, false),
    ROW("/v1/embeddings", "{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"base64\"}",
        API_EMBEDDINGS, false),
    ROW("/v1/messages", "{\"model\":\"m\",\"max_tokens\":9}", API_MESSAGES, false),
    ROW("/v1/messages", "{\"model\":\"m\",\"stream\":true}", API_MESSAGES, true),
    ROW("/v1beta/models/m:generateContent", "{\"contents\":[]}", API_GENERATE_CONTENT, false),
    ROW("/v1beta/models/m:streamGenerateContent", "{\"contents\":[]}", API_GENERATE_CONTENT, true),
    ROW("/model/m/converse", "{\"messages\":[]}", API_CONVERSE, false),
    ROW("/model/m/converse-stream", "{\"messages\":[]}", API_CONVERSE, true),
    ROW("/ollama/api/chat", "{\"model\":\"m\",\"stream\":false}", API_OLLAMA_CHAT, false),
    ROW("/ollama/api/chat", "{\"model\":\"m\",\"stream\":true}", API_OLLAMA_CHAT, true),
};

static struct arena arena;

static void setup(void)
{
    arena = (struct arena){ 0 };
}

static void teardown(void)
{
    arena_release(&arena);
}

START_TEST(a_made_up_answer_reads_as_a_good_one_with_usage)
{
    struct call call = { .method = STR("POST"),
                         .path = str_from(asked[_i].path),
                         .request_body = str_from(asked[_i].body) };
    struct call_facts request, whole;

    call_read(&call, &arena, &request);
    ck_assert_int_eq(request.api, asked[_i].api);
    ck_assert_int_eq(request.stream, asked[_i].stream);
    CLEANUP(answer_unref)
    struct answer *a = synth_answer(&request, call.request_body, 7);
    ck_assert_ptr_nonnull(a);
    call.status = (int)a->status;
    call.response_headers = a->headers.ptr;
    call.response_header_count = a->headers.len;
    call.response_body = buf_str(&a->body);
    call_read(&call, &arena, &whole);
    ck_assert_int_eq(whole.error_class, ERROR_CLASS_NONE);
    ck_assert(!whole.cut);
    ck_assert_int_eq(whole.usage_source, USAGE_SOURCE_REPORTED);
    ck_assert_uint_eq(whole.part_count, 1);
    ck_assert_int_eq(whole.parts[0].usage.n[USAGE_INPUT], (int64_t)call.request_body.len / 4);
    if (asked[_i].api != API_EMBEDDINGS)
        ck_assert_int_eq(whole.parts[0].usage.n[USAGE_OUTPUT], 6);
    ck_assert_int_eq(a->is_chunked, asked[_i].stream);
    ck_assert(str_eq(whole.model, request.model_requested));
}
END_TEST

START_TEST(what_there_is_no_form_for_is_not_made_up)
{
    struct call call = { .method = STR("POST"), .path = STR("/v1/audio/speech") };
    struct call_facts request;

    call_read(&call, &arena, &request);
    ck_assert_ptr_null(synth_answer(&request, STR("{}"), 1));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_made_up_answer_reads_as_a_good_one_with_usage, 0,
                        (int)ARRAY_LEN(asked));
    tcase_add_test(tc, what_there_is_no_form_for_is_not_made_up);
}

CHECK_MAIN("replay/synth", add_tests)
