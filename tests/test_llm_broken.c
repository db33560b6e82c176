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

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, sample_teardown);
    tcase_add_loop_test(tc, trap_09_a_chat_stream_is_whole_when_all_that_was_due_has_come, 0,
                        (int)ARRAY_LEN(chats));
}

CHECK_MAIN("llm/broken", add_tests)
