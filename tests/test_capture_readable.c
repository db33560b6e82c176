/* What is shown of a body must read well and must not command the terminal. */
#include "config.h"

#include "capture/readable.h"

#include "base/mem.h"
#include "tests/check_main.h"

#define SSE    "text/event-stream"
#define NDJSON "application/x-ndjson"

static const struct {
    const char *type, *body, *shown;
} bodies[] = {
    {"application/json",  "{\"b\":1,\"a\":[true]}",
     "{\n  \"b\": 1,\n  \"a\": [\n    true\n  ]\n}\n"                                                                                                       },
    { "application/json", "{\"cut\":",                                              "{\"cut\":\n"                                                           },
    { "text/plain",       "two\nlines",                                             "two\nlines\n"                                                          },
    { SSE,
     "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"lo\"}}]}\n\ndata: [DONE]\n\n", "Hello\n[2 x event, 1 x [DONE]]\n"                                      },
    { SSE,
     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":"
      "\"text_delta\",\"text\":\"Hi\"}}\n\n",                                       "Hi\n[1 x content_block_delta]\n"                                       },
 /* The whole text comes once more at the end of a responses stream. */
    { SSE,
     "data: {\"type\":\"response.output_text.delta\",\"delta\":\"one\"}\n\n"
      "data: {\"type\":\"response.output_text.done\",\"text\":\"one\"}\n\n",        "one\n[1 x response.output_text.delta, 1 x response.output_text.done]\n"},
    { NDJSON,
     "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"message\":{\"content\":\"b\"},\"done\":"
      "true}\n",                                                                    "ab\n[2 x event]\n"                                                     },
};

START_TEST(bodies_are_laid_out_and_streams_put_together)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    readable_body(str_from(bodies[_i].type), str_from(bodies[_i].body), false, &out);
    ck_assert_str_eq(buf_cstr(&out), bodies[_i].shown);
}
END_TEST

START_TEST(events_are_shown_each_when_asked_for)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    readable_body(STR(SSE), STR("event: a\ndata: {\"x\":1}\n\ndata: y\n\n"), true, &out);
    ck_assert_str_eq(buf_cstr(&out), "0 a {\"x\":1}\n1 y\n[1 x a, 1 x y]\n");
}
END_TEST

START_TEST(bytes_that_are_no_text_are_counted)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    readable_body(STR("audio/mpeg"), STR("\0\1\2"), false, &out);
    ck_assert_str_eq(buf_cstr(&out), "[3 bytes that are no text]\n");
}
END_TEST

static const struct {
    struct str text;
    const char *shown;
} controls[] = {
    {STR_INIT("\x1b[2Jgone"),                      "\\u001b[2Jgone"                 },
    { STR_INIT("a\tb\nc"),                         "a\tb\nc"                        },
    { STR_INIT("bell\a \x7f"),                     "bell\\u0007 \\u007f"            },
    { STR_INIT("8-bit \xc2\x9b"
               "2J"),
     "8-bit \\u009b2J"                                                              },
    { STR_INIT("\xc3\xa9 \"quoted\" back\\slash"), "\xc3\xa9 \"quoted\" back\\slash"},
    { STR_INIT("broken \xff"),                     "broken \xef\xbf\xbd"            },
};

START_TEST(control_characters_are_shown_and_not_obeyed)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    readable_text(controls[_i].text, &out);
    ck_assert_str_eq(buf_cstr(&out), controls[_i].shown);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, bodies_are_laid_out_and_streams_put_together, 0,
                        (int)ARRAY_LEN(bodies));
    tcase_add_test(tc, events_are_shown_each_when_asked_for);
    tcase_add_test(tc, bytes_that_are_no_text_are_counted);
    tcase_add_loop_test(tc, control_characters_are_shown_and_not_obeyed, 0,
                        (int)ARRAY_LEN(controls));
}

CHECK_MAIN("capture/readable", add_tests)
