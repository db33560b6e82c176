/* The model that a request asks for, wherever it says so, and what cannot be told. */
#include "config.h"

#include "proxy/asked.h"

#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

#define OTHER "a/b:c\"d" /* to be written in place of it */

/* --- paths --- */

static const struct {
    const char *path, *model; /* "" = none */
    bool is_stream;
    const char *other; /* the path with OTHER; NULL = as it was */
} paths[] = {
    ROW("/v1/chat/completions", "", false, NULL),
    ROW("/v1beta/models/gemini-x:generateContent", "gemini-x", false,
        "/v1beta/models/a%2Fb%3Ac%22d:generateContent"),
    ROW("/v1beta/models/gemini-x:streamGenerateContent?alt=sse&key=%3a", "gemini-x", true,
        "/v1beta/models/a%2Fb%3Ac%22d:streamGenerateContent?alt=sse&key=%3a"),
    ROW("/v1beta/models/gemini%2Dx%3AgenerateContent", "gemini-x", false,
        "/v1beta/models/a%2Fb%3Ac%22d%3AgenerateContent"),
    ROW("/v1beta/tunedModels/mine:generateContent", "mine", false,
        "/v1beta/tunedModels/a%2Fb%3Ac%22d:generateContent"),
    ROW("/v1/projects/p/locations/eu/publishers/google/models/g:predict", "g", false,
        "/v1/projects/p/locations/eu/publishers/google/models/a%2Fb%3Ac%22d:predict"),
    ROW("/model/anthropic.claude-v1%3A0/converse", "anthropic.claude-v1:0", false,
        "/model/a%2Fb%3Ac%22d/converse"),
    ROW("/model/anthropic.claude-v1:0/converse-stream", "anthropic.claude-v1:0", true,
        "/model/a%2Fb%3Ac%22d/converse-stream"),
    ROW("/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Aprofile%2Fx/invoke",
        "arn:aws:bedrock:eu:1:profile/x", false, "/model/a%2Fb%3Ac%22d/invoke"),
    ROW("/model/m/invoke-with-response-stream", "m", true,
        "/model/a%2Fb%3Ac%22d/invoke-with-response-stream"),
    ROW("/openai/deployments/d-1/chat/completions?api-version=1", "d-1", false,
        "/openai/deployments/a%2Fb%3Ac%22d/chat/completions?api-version=1"),
    /* An escape that is none stays. */
    ROW("/model/a%zz%4/converse", "a%zz%4", false, "/model/a%2Fb%3Ac%22d/converse"),
    /* About models, not to one; a name behind '?' is no path. */
    ROW("/v1/models", "", false, NULL),
    ROW("/v1/models/gpt-5", "", false, NULL),
    ROW("/openai/deployments/d-1", "", false, NULL),
    ROW("/v1beta/models/:generateContent", "", false, NULL),
    ROW("/v1/x?next=/models/y:generateContent", "", false, NULL),
    ROW("/", "", false, NULL),
};

START_TEST(a_path_says_the_model_and_is_written_with_another)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct asked a = { 0 };

    asked_read_path(str_from(paths[_i].path), &arena, &a);
    ck_assert_msg(str_eq(a.model, str_from(paths[_i].model)), "'%.*s'", STR_ARG(a.model));
    ck_assert_int_eq(a.is_stream, paths[_i].is_stream);
    ck_assert(asked_write_path(&a, str_from(paths[_i].path), STR(OTHER), &out));
    ck_assert_str_eq(buf_cstr(&out), paths[_i].other ? paths[_i].other : paths[_i].path);
}
END_TEST

/* --- bodies --- */

static const struct {
    const char *body, *model;
    bool is_stream, is_ambiguous;
    int64_t tokens;
    const char *other; /* the body with OTHER; NULL = it cannot be written */
} bodies[] = {
    ROW("{\"model\":\"gpt-5\"}", "gpt-5", false, false, 0, "{\"model\":\"a/b:c\\\"d\"}"),
    ROW("{ \"stream\" : true, \"model\" : \"m\" , \"max_tokens\": 7 }", "m", true, false, 7,
        "{ \"stream\" : true, \"model\" : \"a/b:c\\\"d\" , \"max_tokens\": 7 }"),
    ROW("{\"model\":\"m\",\"stream\":\"true\"}", "m", false, false, 0,
        "{\"model\":\"a/b:c\\\"d\",\"stream\":\"true\"}"),
    ROW("{\"model\":\"gpt\\u002d5\"}", "gpt-5", false, false, 0, "{\"model\":\"a/b:c\\\"d\"}"),
    ROW("{\"x\":{\"model\":\"inner\"},\"model\":\"m\"}", "m", false, false, 0,
        "{\"x\":{\"model\":\"inner\"},\"model\":\"a/b:c\\\"d\"}"),
    ROW("{\"x\":\"\\\"model\\\":\\\"y\\\"\"}", "", false, false, 0, NULL),
    ROW("{}", "", false, false, 0, NULL),
    ROW("", "", false, false, 0, NULL),
    ROW("[{\"model\":\"m\"}]", "", false, false, 0, NULL),
    ROW("model=m", "", false, false, 0, NULL),
    /* The most of them; nonsense is bounded. */
    ROW("{\"max_tokens\":5,\"max_completion_tokens\":9}", "", false, false, 9, NULL),
    ROW("{\"generationConfig\":{\"maxOutputTokens\":11}}", "", false, false, 11, NULL),
    ROW("{\"inferenceConfig\":{\"maxTokens\":12}}", "", false, false, 12, NULL),
    ROW("{\"options\":{\"num_predict\":13}}", "", false, false, 13, NULL),
    ROW("{\"max_tokens\":9000000000000}", "", false, false, 1000000000, NULL),
    ROW("{\"max_tokens\":-5}", "", false, false, 0, NULL),
    ROW("{\"max_tokens\":\"7\"}", "", false, false, 0, NULL),
};

START_TEST(a_body_says_the_model_and_is_written_with_another)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct str body = str_from(bodies[_i].body);
    struct asked a = { 0 };

    asked_read_body(body, STR("application/json"), &arena, &a);
    ck_assert_msg(str_eq(a.model, str_from(bodies[_i].model)), "'%.*s'", STR_ARG(a.model));
    ck_assert_int_eq(a.is_stream, bodies[_i].is_stream);
    ck_assert_int_eq(a.is_ambiguous, bodies[_i].is_ambiguous);
    ck_assert_int_eq(a.output_tokens, bodies[_i].tokens);
    ck_assert_int_eq(asked_write_body(&a, body, STR(OTHER), &out), bodies[_i].other != NULL);
    ck_assert_str_eq(buf_cstr(&out), bodies[_i].other ? bodies[_i].other : bodies[_i].body);
}
END_TEST

/* Two readers of JSON could read two models. */
static const char *const ambiguous[] = {
    "{\"model\":\"a\",\"model\":\"b\"}",
    "{\"model\":\"a\",\"x\":1,\"model\":\"a\"}",
    "{\"model\":\"a\",\"Model\":\"b\"}",
    "{\"MODEL\":\"a\"}",
    "{\"mod\\u0065l\":\"a\"}",
    "{\"model\":\"a\",\"\\u006dodel\":\"b\"}",
    "{\"\\u004dODEL\":\"a\"}",
    "{\"model\":7}",
    "{\"model\":null}",
    "{\"model\":[\"a\"]}",
    "{\"model\":{\"model\":\"a\"}}",
    "{\"model\":\"a\",\"model\":null}",
};

START_TEST(a_body_with_two_readings_is_ambiguous)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct asked a = { 0 };

    asked_read_body(str_from(ambiguous[_i]), STR("application/json"), &arena, &a);
    ck_assert(a.is_ambiguous);
}
END_TEST

/* Every beginning of a body: nothing outside of it is read, and what it says before stays. */
START_TEST(a_body_may_end_anywhere)
{
    const struct str whole =
        STR("{\"stream\":true,\"model\":\"m\\u00e9\",\"metadata\":{\"user_id\":"
            "\"u\"},\"max_tokens\":12,\"generationConfig\":{\"maxTokens\":3}}");

    for (size_t n = 0; n <= whole.len; n++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        char *copy = mem_calloc(n ? n : 1, 1); /* no byte more than it has */
        struct asked a = { 0 };
        memcpy(copy, whole.ptr, n);
        asked_read_body((struct str){ copy, n }, STR("application/json"), &arena, &a);
        ck_assert(!a.is_ambiguous || n < whole.len);
        ck_assert_uint_le(a.body_at + a.body_len, n);
        free(copy);
    }
}
END_TEST

/* What the path says is what the provider takes; the body's is rewritten with it. */
START_TEST(the_path_goes_before_the_body)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    const struct str body = STR("{\"model\":\"cheap\"}");
    struct asked a = { 0 };

    asked_read_path(STR("/openai/deployments/dear/chat/completions"), &arena, &a);
    asked_read_body(body, STR("application/json"), &arena, &a);
    ck_assert(str_eq(a.model, STR("dear")));
    ck_assert(asked_write_body(&a, body, STR("m"), &out));
    ck_assert_str_eq(buf_cstr(&out), "{\"model\":\"m\"}");
}
END_TEST

START_TEST(a_form_says_the_model_and_is_not_rewritten)
{
    static const char part[] = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
                               "whisper-1\r\n";
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf form = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct asked a = { 0 };

    buf_add_text(&form, part);
    asked_read_body(buf_str(&form), STR(" Multipart/Form-Data; boundary=b"), &arena, &a);
    ck_assert(str_eq(a.model, STR("whisper-1")));
    ck_assert(!a.is_ambiguous);
    ck_assert(!asked_write_body(&a, buf_str(&form), STR("m"), &out));
    buf_add_text(&form, part);
    asked_read_body(buf_str(&form), STR("multipart/form-data; boundary=b"), &arena, &a);
    ck_assert(a.is_ambiguous);
}
END_TEST

START_TEST(whom_it_is_for_is_the_first_that_says_so)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct asked a = { 0 }, b = { 0 };

    asked_read_body(STR("{\"metadata\":{\"x\":1,\"user_id\":\"u-1\"},\"user\":\"u-2\"}"),
                    STR("application/json"), &arena, &a);
    ck_assert(str_eq(a.user, STR("u-1")));
    asked_read_body(STR("{\"user\":7,\"safety_identifier\":\"u-3\"}"), STR("application/json"),
                    &arena, &b);
    ck_assert(str_eq(b.user, STR("u-3")));
}
END_TEST

START_TEST(every_member_that_says_something_is_found)
{
    static const char *const names[] = {
        "max_tokens",        "max_completion_tokens",
        "max_output_tokens", "max_tokens_to_sample",
        "maxOutputTokens",   "maxTokens",
        "num_predict",       "generationConfig",
        "generation_config", "inferenceConfig",
        "options",           "user",
        "safety_identifier", "prompt_cache_key",
        "metadata",          "stream",
    };
    const char *name = names[_i];
    bool is_config = _i >= 7 && _i < 11, is_user = _i >= 11 && _i < 14, is_meta = _i == 14;
    struct buf body = { 0 };
    struct arena arena = { 0 };
    struct asked a = { 0 };

    buf_addf(&body, "{\"%s\":%s}", name,
             is_config ? "{\"maxTokens\":7}"
             : is_user ? "\"7\""
             : is_meta ? "{\"user_id\":\"7\"}"
             : _i < 7  ? "7"
                       : "true");
    asked_read_body(buf_str(&body), STR("application/json"), &arena, &a);
    ck_assert_int_eq(a.output_tokens, _i < 11 ? 7 : 0);
    ck_assert(str_eq(a.user, is_user || is_meta ? STR("7") : STR("")));
    ck_assert_int_eq(a.is_stream, _i == 15);
    arena_release(&arena);
    buf_release(&body);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, every_member_that_says_something_is_found, 0, 16);
    tcase_add_loop_test(tc, a_path_says_the_model_and_is_written_with_another, 0,
                        (int)ARRAY_LEN(paths));
    tcase_add_loop_test(tc, a_body_says_the_model_and_is_written_with_another, 0,
                        (int)ARRAY_LEN(bodies));
    tcase_add_loop_test(tc, a_body_with_two_readings_is_ambiguous, 0, (int)ARRAY_LEN(ambiguous));
    tcase_add_test(tc, a_body_may_end_anywhere);
    tcase_add_test(tc, the_path_goes_before_the_body);
    tcase_add_test(tc, a_form_says_the_model_and_is_not_rewritten);
    tcase_add_test(tc, whom_it_is_for_is_the_first_that_says_so);
}

CHECK_MAIN("proxy/asked", add_tests)
