/* call_sample - reads a call written down in a test and looks at what was found. */
#ifndef TESTS_CALL_SAMPLE_H
#define TESTS_CALL_SAMPLE_H

#include <check.h>
#include <inttypes.h>
#include <string.h>

#include "llm/call.h"

struct sample {
    const char *host, *path; /* NULL = chat completions of OpenAI */
    const char *method;      /* NULL = POST */
    const char *request;     /* NULL = {} */
    const char *response;
    int status; /* 0 = 200, -1 = none */
    bool cut;
    const char *header, *header_value; /* of the response */
};

static struct arena sample_arena;

static inline void sample_call(const struct sample *s, struct call_header *header, struct call *ret)
{
    *header = (struct call_header){ str_from(s->header), str_from(s->header_value) };
    *ret = (struct call){
        .method = str_from(s->method ? s->method : "POST"),
        .host = str_from(s->host ? s->host : "api.openai.com"),
        .path = str_from(s->path ? s->path : "/v1/chat/completions"),
        .request_body = str_from(s->request ? s->request : "{}"),
        .status = s->status < 0 ? 0
                  : s->status   ? s->status
                                : 200,
        .response_headers = header,
        .response_header_count = s->header ? 1 : 0,
        .response_body = s->response ? str_from(s->response) : STR(""),
        .response_cut = s->cut,
    };
}

/* The facts are valid until the arena is reset, which each test does by ending. */
static inline struct call_facts sample_read(struct sample s)
{
    struct call_header *header = arena_alloc(&sample_arena, sizeof(*header));
    struct call_facts facts;
    struct call call;

    sample_call(&s, header, &call);
    call_read(&call, &sample_arena, &facts);
    return facts;
}

static inline void sample_teardown(void)
{
    arena_release(&sample_arena);
    sample_arena = (struct arena){ 0 };
}

/* -1 = not present. */
static inline int64_t part_unit(const struct call_facts *facts, size_t part, enum usage_unit unit)
{
    if (part >= facts->part_count || !usage_has(&facts->parts[part].usage, unit))
        return -1;
    return facts->parts[part].usage.n[unit];
}

#define ck_unit(facts, unit, n) ck_assert_int_eq(part_unit(&(facts), 0, USAGE_##unit), (n))
#define ck_absent(facts, unit)  ck_assert_int_eq(part_unit(&(facts), 0, USAGE_##unit), -1)
#define ck_text(s, text)                                                                           \
    ck_assert_msg(str_eq((s), str_from(text)), "'%.*s' is not '%s'", STR_ARG(s), (text))
#define ck_note(facts, words)                                                                      \
    ck_assert_msg((facts).usage_note &&strstr((facts).usage_note, (words)), "note '%s'",           \
                  (facts).usage_note ? (facts).usage_note : "")
#define ck_source(facts, source) ck_assert_int_eq((facts).usage_source, USAGE_SOURCE_##source)

#define MESSAGES_HOST  .host = "api.anthropic.com", .path = "/v1/messages"
#define RESPONSES_PATH .path = "/v1/responses"
#define GEMINI_HOST                                                                                \
    .host = "generativelanguage.googleapis.com",                                                   \
    .path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
#define BEDROCK_HOST  .host = "bedrock-runtime.eu-west-1.amazonaws.com"
#define CONVERSE_HOST BEDROCK_HOST, .path = "/model/a.b-v1%3A0/converse"

#endif
