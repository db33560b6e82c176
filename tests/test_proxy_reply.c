#include "config.h"

#include "proxy/reply.h"

#include "base/json.h"
#include "tests/check_main.h"

/* --- bodies --- */

static const struct {
    const char *api;
    enum reply_kind kind;
    const char *body;
} bodies[] = {
    {"",              REPLY_NO_ROUTE,
     "{\"error\":{\"type\":\"weir_error\",\"code\":\"no_such_upstream\",\"message\":"
      "\"weir: no upstream of the configuration has this path, which is /UPSTREAM/... or "
      "/APP/UPSTREAM/... (APP: letters, digits, '-', '_' and '.')\"}}\n"},
    { "openai",       REPLY_KEY_REVOKED,
     "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\",\"message\":"
      "\"weir: this key of weir's is revoked\",\"param\":null}}\n"      },
    { "azure_openai", REPLY_BUSY,
     "{\"error\":{\"type\":\"weir_error\",\"code\":\"too_many_connections\",\"message\":"
      "\"weir: the limit of connections is reached\",\"param\":null}}\n"},
    { "anthropic",    REPLY_TOO_LARGE,
     "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":"
      "\"weir: the request's body is larger than limits allow\"}}\n"    },
    { "gemini",       REPLY_HEAD_TIMEOUT,
     "{\"error\":{\"code\":504,\"message\":\"weir: the upstream did not answer in time\","
      "\"status\":\"DEADLINE_EXCEEDED\"}}\n"                            },
    { "bedrock",      REPLY_KEY_APP,
     "{\"__type\":\"AccessDeniedException\",\"message\":"
      "\"weir: this key of weir's is for another application\"}\n"      },
};

START_TEST(an_answer_is_in_the_words_of_the_api)
{
    CLEANUP(buf_release) struct buf body = { 0 };

    reply_write_body(&replies[bodies[_i].kind], str_from(bodies[_i].api), &body);
    ck_assert_str_eq(buf_cstr(&body), bodies[_i].body);
}
END_TEST

/* Bedrock's clients look for __type at the top, all others for error. */
START_TEST(every_answer_is_one_json_object_with_an_error)
{
    for (size_t i = 0; i < REPLY_COUNT; i++) {
        CLEANUP(buf_release) struct buf body = { 0 };
        CLEANUP(json_decref) json_t *json = NULL;
        struct err err;
        reply_write_body(&replies[i], str_from(bodies[_i].api), &body);
        ck_assert_msg(json_parse(buf_str(&body), &json, &err) == 0, "%s", err.text);
        const json_t *error = json_get(json, "error");
        ck_assert((error == NULL) == (json_get_str(json, "__type").len > 0));
        struct str message = json_get_str(error ? error : json, "message");
        ck_assert(str_starts_with(message, STR("weir: ")));
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, an_answer_is_in_the_words_of_the_api, 0, ARRAY_LEN(bodies));
    tcase_add_loop_test(tc, every_answer_is_one_json_object_with_an_error, 0, ARRAY_LEN(bodies));
}

CHECK_MAIN("proxy/reply", add_tests)
