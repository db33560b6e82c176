/* A recorded request that asks for another model. */
#include "config.h"

#include "replay/ask.h"

#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

static const struct {
    const char *body, *asks;
} bodies[] = {
    {"{\"model\":\"gpt-5\",\"n\":1}",               "{\"model\":\"a \\\"b\\\"\",\"n\":1}"},
    { "{\"n\":{\"model\":\"x\"},\"model\" : \"\"}",
     "{\"n\":{\"model\":\"x\"},\"model\" : \"a \\\"b\\\"\"}"                             },
    { "{\"model\":\"q\\\"uoted\"}",                 "{\"model\":\"a \\\"b\\\"\"}"        },
    { "{\"model\":7}",                              "{\"model\":7}"                      },
    { "[{\"model\":\"x\"}]",                        "[{\"model\":\"x\"}]"                },
    { "{\"mod",                                     "{\"mod"                             },
    { "",                                           ""                                   },
};

START_TEST(the_model_that_a_body_names_is_replaced_and_nothing_else)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    bool differs = strcmp(bodies[_i].body, bodies[_i].asks) != 0;

    ck_assert_int_eq(ask_write_body(str_from(bodies[_i].body), STR("a \"b\""), &out), differs);
    ck_assert_str_eq(buf_cstr(&out), bodies[_i].asks);
}
END_TEST

static const struct {
    const char *path, *asks;
} paths[] = {
    {"/v1beta/models/gemini-x:generateContent",   "/v1beta/models/group:generateContent"      },
    { "/openai/deployments/gpt/chat/completions", "/openai/deployments/group/chat/completions"},
    { "/model/anthropic.claude/converse",         "/model/group/converse"                     },
    { "/v1/models/",                              "/v1/models/group"                          },
    { "/v1/chat/completions",                     "/v1/chat/completions"                      },
};

START_TEST(a_model_that_is_a_segment_of_the_path_is_replaced)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    ask_write_path(str_from(paths[_i].path), STR("group"), &out);
    ck_assert_str_eq(buf_cstr(&out), paths[_i].asks);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, the_model_that_a_body_names_is_replaced_and_nothing_else, 0,
                        (int)ARRAY_LEN(bodies));
    tcase_add_loop_test(tc, a_model_that_is_a_segment_of_the_path_is_replaced, 0,
                        (int)ARRAY_LEN(paths));
}

CHECK_MAIN("replay/ask", add_tests)
