#include "config.h"

#include "llm/tool_calls.h"

#include "tests/check_main.h"

static const struct {
    const char *what;
    enum framing framing;
    const char *body;
    const char *expected;
} rows[] = {
    {"chat",                                FRAMING_JSON,
     "{\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{"
      "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},{\"function\":{\"name\":\"g\","
      "\"arguments\":\"{}\"}}]}}]}",                                                            "f({\"x\":1});g({});"       },
    { "chat in pieces",                     FRAMING_SSE,
     "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
      "\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{"
      "\"name\":\"g\",\"arguments\":\"{\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
      "\"arguments\":\"{\\\"x\\\"\"}}]}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
      "\"arguments\":\":2}\"}},{\"index\":1,\"function\":{\"arguments\":\"}\"}}]}}]}\n\n"
      "data: [DONE]\n\n",                                                                       "f({\"x\":2});g({});"       },
    { "messages",                           FRAMING_JSON,
     "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"so\"},{\"type\":"
      "\"tool_use\",\"name\":\"f\",\"input\":{\"b\":[1],\"a\":null}}]}",                        "f({\"a\":null,\"b\":[1]});"},
    { "messages, a stream that breaks off", FRAMING_SSE,
     "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,"
      "\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n"
      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":"
      "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"x\\\":\"}}\n\n",                  "f({\"x\":);"               },
    { "responses",                          FRAMING_JSON,
     "{\"object\":\"response\",\"output\":[{\"type\":\"reasoning\"},{\"type\":\"function_call\","
      "\"name\":\"f\",\"arguments\":\"{}\"}]}",                                                 "f({});"                    },
    { "responses, repeated at the end",     FRAMING_SSE,
     "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"item\":{"
      "\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}}\n\n"
      "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":["
      "{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}]}}\n\n",                "f({});"                    },
    { "gemini",                             FRAMING_JSON,
     "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"},{\"functionCall\":{\"name\":\"f\","
      "\"args\":{\"x\":\"y\"}}}]}}]}",                                                          "f({\"x\":\"y\"});"         },
    { "converse",                           FRAMING_JSON,
     "{\"output\":{\"message\":{\"content\":[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"f\","
      "\"input\":{\"x\":1}}}]}}}",                                                              "f({\"x\":1});"             },
    { "converse in pieces, as lines",       FRAMING_NDJSON,
     "{\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"name\":\"f\"}}}\n"
      "{\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"{\\\"x\"}}}\n"
      "{\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"\\\":1}\"}}}\n",            "f({\"x\":1});"             },
    { "ollama",                             FRAMING_NDJSON,
     "{\"message\":{\"role\":\"assistant\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
      "\"arguments\":{\"x\":1}}}]},\"done\":false}\n{\"done\":true}\n",                         "f({\"x\":1});"             },
    { "none",                               FRAMING_JSON,   "{\"choices\":[{\"message\":{}}]}", ""                          },
    { "no JSON",                            FRAMING_JSON,   "<html>",                           ""                          },
    { "shapes that lie",                    FRAMING_JSON,
     "{\"choices\":7,\"content\":{\"type\":\"tool_use\"},\"output\":[3,null],\"candidates\":[[]],"
      "\"message\":\"x\",\"delta\":[],\"start\":{\"toolUse\":4}}",                              ""                          },
};

START_TEST(reads_what_an_answer_wants_called)
{
    CLEANUP(tool_calls_release) struct tool_calls t = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    tool_calls_read(&t, rows[_i].framing, str_from(rows[_i].body), &err);
    for (size_t i = 0; i < t.list.len; i++) {
        buf_add_str(&text, buf_str(&t.list.ptr[i].name));
        buf_add_byte(&text, '(');
        buf_add_str(&text, buf_str(&t.list.ptr[i].arguments));
        buf_add_text(&text, ");");
    }
    ck_assert_msg(str_eq(buf_str(&text), str_from(rows[_i].expected)), "%s: %s", rows[_i].what,
                  buf_cstr(&text));
}
END_TEST

START_TEST(takes_so_many_and_no_more)
{
    CLEANUP(tool_calls_release) struct tool_calls t = { 0 };

    for (int i = 0; i < TOOL_CALLS_MAX + 7; i++)
        tool_calls_add_event(&t, STR("{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\","
                                     "\"name\":\"f\",\"input\":{}}]}"));
    ck_assert_uint_eq(t.list.len, TOOL_CALLS_MAX);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, reads_what_an_answer_wants_called, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, takes_so_many_and_no_more);
}
CHECK_MAIN("llm/tool_calls", add_tests)
