/* Answers that broke off, and answers that report half: what is estimated, what is unknown, and
 * what is said of it.  Traps are numbered as in test_llm_usage, which lists them. */
#include "config.h"

#include "llm/call.h"

#include "tests/call_sample.h"
#include "tests/check_main.h"

/* --- a chat stream between its finish chunk and its usage chunk --- */

#define ASKED     "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}"
#define NOT_ASKED "{\"stream\":true,\"stream_options\":{\"include_usage\":false}}"
#define WORDS     "data: {\"choices\":[{\"delta\":{\"content\":\"12345678\"}}],\"usage\":null}\n\n"
#define FINISH    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n"
#define COUNTS    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6}}\n\n"
#define DONE      "data: [DONE]\n\n"

static const struct {
    const char *request, *response;
    bool cut; /* on the wire */
    enum usage_source source;
    enum error_class class;
    const char *note; /* NULL = none */
} chats[] = {
    {ASKED,      WORDS FINISH,             false, USAGE_SOURCE_ESTIMATED, ERROR_CLASS_STREAM_CUT, "broken off" },
    { ASKED,     WORDS FINISH DONE,        false, USAGE_SOURCE_UNKNOWN,   ERROR_CLASS_NONE,       "was set"    },
    { ASKED,     WORDS FINISH COUNTS,      false, USAGE_SOURCE_REPORTED,  ERROR_CLASS_NONE,       NULL         },
    { ASKED,     WORDS FINISH COUNTS DONE, true,  USAGE_SOURCE_REPORTED,  ERROR_CLASS_NONE,       NULL         },
    { NOT_ASKED, WORDS FINISH,             false, USAGE_SOURCE_UNKNOWN,   ERROR_CLASS_NONE,       "was not set"},
    { "{}",      WORDS FINISH,             false, USAGE_SOURCE_UNKNOWN,   ERROR_CLASS_NONE,       "was not set"},
    { "{}",      WORDS FINISH,             true,  USAGE_SOURCE_ESTIMATED, ERROR_CLASS_STREAM_CUT, "broken off" },
    { "{}",      WORDS FINISH DONE,        true,  USAGE_SOURCE_UNKNOWN,   ERROR_CLASS_NONE,       "was not set"},
    { "{}",      WORDS,                    false, USAGE_SOURCE_ESTIMATED, ERROR_CLASS_STREAM_CUT, "broken off" },
};

START_TEST(trap_09_a_chat_stream_is_whole_when_all_that_was_due_has_come)
{
    struct call_facts facts = sample_read((struct sample){
        .request = chats[_i].request, .response = chats[_i].response, .cut = chats[_i].cut });

    ck_assert_int_eq(facts.usage_source, chats[_i].source);
    ck_assert_int_eq(facts.error_class, chats[_i].class);
    ck_assert_int_eq(facts.cut, chats[_i].class == ERROR_CLASS_STREAM_CUT);
    if (chats[_i].note)
        ck_note(facts, chats[_i].note);
    else
        ck_assert_ptr_null(facts.usage_note);
    if (chats[_i].source == USAGE_SOURCE_ESTIMATED)
        ck_unit(facts, OUTPUT, 2);
}
END_TEST

/* --- an error amid a stream --- */

#define OVERLOADED "data: {\"error\":{\"message\":\"Overloaded\",\"code\":502}}\n\n"
#define MESSAGE_START                                                                              \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{"             \
    "\"input_tokens\":1000,\"output_tokens\":1}}}\n\n"
#define TEXT_DELTA                                                                                 \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{"              \
    "\"type\":\"text_delta\",\"text\":\"1234567890123456\"}}\n\n"
#define MESSAGE_DELTA                                                                              \
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"          \
    "\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n"
#define ERROR_EVENT                                                                                \
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"
#define RESPONSE_DELTA "data: {\"type\":\"response.output_text.delta\",\"delta\":\"12345678\"}\n\n"
#define RESPONSE_ERROR "data: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\"}\n\n"
#define OLLAMA_HOST    .host = "127.0.0.1:11434", .path = "/api/chat"

static const struct {
    struct sample sample;
    enum usage_source source;
    int64_t input, output; /* -1 = not known */
    const char *note;
} failures[] = {
    {{ MESSAGES_HOST, .response = MESSAGE_START TEXT_DELTA TEXT_DELTA ERROR_EVENT },
     USAGE_SOURCE_ESTIMATED, 1000,
     8,  "input as reported, output estimated"},
    { { MESSAGES_HOST, .response = MESSAGE_START TEXT_DELTA MESSAGE_DELTA ERROR_EVENT },
     USAGE_SOURCE_REPORTED,  1000,
     9,  "as last reported"                   },
    { { .request = "{\"messages\":[{\"content\":\"1234\"}]}", .response = WORDS WORDS OVERLOADED },
     USAGE_SOURCE_ESTIMATED, 1,
     4,  "broken off"                         },
    { { .request = ASKED, .response = WORDS OVERLOADED DONE },
     USAGE_SOURCE_ESTIMATED, 0,
     2,  "broken off"                         },
    { { .request = ASKED, .response = OVERLOADED DONE },
     USAGE_SOURCE_UNKNOWN,   -1,
     -1,
     "before any text"                        },
    { { RESPONSES_PATH, .response = RESPONSE_DELTA RESPONSE_ERROR },
     USAGE_SOURCE_ESTIMATED, 0,
     2,  "broken off"                         },
    { { OLLAMA_HOST, .response = "{\"message\":{\"content\":\"12345678\"},\"done\":false}\n"
                                 "{\"error\":\"an error was met\"}\n" },
     USAGE_SOURCE_ESTIMATED, 0,
     2,  "broken off"                         },
    { { GEMINI_HOST, .response =
                         "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"12\"}]}}],"
                         "\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":3}}"
                         "\n\n" OVERLOADED },
     USAGE_SOURCE_REPORTED,  7,
     3,  "as last reported"                   },
};

START_TEST(trap_10_what_came_before_an_error_event_was_generated_and_counts)
{
    struct call_facts facts = sample_read(failures[_i].sample);

    ck_assert_int_eq(facts.error_class, ERROR_CLASS_STREAM_ERROR_EVENT);
    ck_assert_int_eq(facts.usage_source, failures[_i].source);
    ck_unit(facts, INPUT, failures[_i].input);
    ck_unit(facts, OUTPUT, failures[_i].output);
    ck_note(facts, failures[_i].note);
    ck_assert(facts.billable);
}
END_TEST

/* --- what is counted --- */

START_TEST(trap_09_text_that_responses_repeats_is_estimated_once)
{
    struct call_facts facts = sample_read((struct sample){
        RESPONSES_PATH,
        .response =
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n"
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
            "\"delta\":\"12345678\"}\n\n"
            "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\","
            "\"text\":\"12345678\"}\n\n"
            "data: {\"type\":\"response.content_part.done\",\"part\":{\"text\":\"12345678\"}}\n\n"
            "data: {\"item\":{\"content\":[{\"text\":\"12345678\"}]},"
            "\"type\":\"response.output_item.done\"}\n\n" });

    ck_source(facts, ESTIMATED);
    ck_assert_int_eq(facts.error_class, ERROR_CLASS_STREAM_CUT);
    ck_unit(facts, OUTPUT, 2);
}
END_TEST

/* --- half a usage object --- */

static const struct {
    struct sample sample;
    const char *note; /* NULL = none */
} halves[] = {
    {{ .response = "{\"usage\":{\"prompt_tokens\":null,\"completion_tokens\":5}}" },
     "input not reported"                                                                                         },
    { { MESSAGES_HOST, .response = "{\"type\":\"message\",\"usage\":{\"output_tokens\":5}}" },
     "input not reported"                                                                                         },
    { { OLLAMA_HOST, .response = "{\"done\":true,\"eval_count\":5}\n" },                       "prompt_eval_count"},
    { { .response = "{\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":5}}" },             NULL               },
};

START_TEST(trap_22_half_a_usage_object_says_which_half_is_missing)
{
    struct call_facts facts = sample_read(halves[_i].sample);

    ck_source(facts, REPORTED);
    ck_unit(facts, OUTPUT, 5);
    if (halves[_i].note) {
        ck_absent(facts, INPUT);
        ck_note(facts, halves[_i].note);
        ck_assert_ptr_null(strchr(facts.usage_note, ';')); /* said once */
    } else {
        ck_assert_ptr_null(facts.usage_note);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, sample_teardown);
    tcase_add_loop_test(tc, trap_09_a_chat_stream_is_whole_when_all_that_was_due_has_come, 0,
                        (int)ARRAY_LEN(chats));
    tcase_add_loop_test(tc, trap_10_what_came_before_an_error_event_was_generated_and_counts, 0,
                        (int)ARRAY_LEN(failures));
    tcase_add_test(tc, trap_09_text_that_responses_repeats_is_estimated_once);
    tcase_add_loop_test(tc, trap_22_half_a_usage_object_says_which_half_is_missing, 0,
                        (int)ARRAY_LEN(halves));
}

CHECK_MAIN("llm/broken", add_tests)
