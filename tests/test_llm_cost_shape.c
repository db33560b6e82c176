/* An answer is known by the shape of one read before only where reading it would say the same. */
#include "config.h"

#include "llm/cost_shape.h"

#include <stdio.h>

#include "base/buf.h"
#include "tests/check_main.h"
#include "tests/cost_reading.h"

struct answer {
    const char *id, *model, *content, *finish, *prompt, *output, *total, *more;
};

static const struct answer first = { .id = "\"chatcmpl-1\"",
                                     .model = "\"gpt-4o-mini\"",
                                     .content = "\"Hello, that is what you asked for, in words.\"",
                                     .finish = "\"stop\"",
                                     .prompt = "30",
                                     .output = "8",
                                     .total = "38",
                                     .more = "" };

static struct str write_answer(const struct answer *a, struct buf *out)
{
#define PART(name) (a->name ? a->name : first.name)
    buf_clear(out);
    buf_addf(out,
             "{\"id\":%s,\"object\":\"chat.completion\",\"created\":17,\"model\":%s,\"choices\":"
             "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":%s},"
             "\"finish_reason\":%s}],\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":%s,"
             "\"total_tokens\":%s,\"prompt_tokens_details\":{\"cached_tokens\":0}}%s}",
             PART(id), PART(model), PART(content), PART(finish), PART(prompt), PART(output),
             PART(total), PART(more));
#undef PART
    return buf_str(out);
}

static const struct {
    const char *what;
    struct answer answer; /* what is NULL is as in the first */
    bool is_known;
} rows[] = {
    {"the same",                     { 0 },                                                      true },
    { "another id",                  { .id = "\"gpt-77777777\"" },                               true },
    { "an id that means OpenRouter", { .id = "\"gen-1\"" },                                      false},
    { "no id",                       { .id = "\"\"" },                                           true },
    { "an id with an escape",        { .id = "\"chatcmpl\\u002d1\"" },                           false},
    { "an id that is none",          { .id = "null" },                                           false},
    { "another model",               { .model = "\"gpt-4o\"" },                                  false},
    { "a shorter text",              { .content = "\"\"" },                                      true },
    { "no text",                     { .content = "null" },                                      true },
    { "a text with quotes",          { .content = "\"\\\\\\\"usage\\\":{\\\"\\\\\"" },           true },
    { "a text in parts",             { .content = "[{\"text\":\"}]\"}]" },                       true },
    { "a text that does not end",    { .content = "\"hello" },                                   false},
    { "another end",                 { .finish = "\"length\"" },                                 false},
    { "other counts",                { .prompt = "1234567", .output = "0", .total = "1234567" }, true },
    { "a total with more in it",     { .total = "40" },                                          true },
    { "a count that is absurd",      { .prompt = "1000000001" },                                 false},
    { "a count of twelve digits",    { .prompt = "100000000100" },                               false},
    { "a negative count",            { .prompt = "-3" },                                         false},
    { "a count with a zero",         { .prompt = "030" },                                        false},
    { "a count with a point",        { .prompt = "30.0" },                                       false},
    { "a count in quotes",           { .prompt = "\"30\"" },                                     false},
    { "no count",                    { .prompt = "null" },                                       false},
    { "a tier",                      { .more = ",\"service_tier\":\"priority\"" },               false},
    { "another usage behind it",     { .more = ",\"usage\":{\"prompt_tokens\":1}" },             false},
    { "an error behind it",          { .more = ",\"error\":{\"message\":\"no\"}" },              false},
    { "another value behind it",     { .more = "}{\"a\":1" },                                    false},
};

/* A gateway's answer, and the shapes of those before it. */
struct known_answers {
    struct cost_shapes *shapes;
    struct arena arena;
    struct call_facts facts;
    struct call_header headers[2];
    struct call call;
    struct recognition known;
};

static void known_answers_init(struct known_answers *a)
{
    *a = (struct known_answers){ .shapes = cost_shapes_new(),
                                 .headers = { { STR("Content-Type"), STR("application/json") } } };
    a->call = (struct call){ .method = STR("POST"),
                             .host = STR("gateway.example"),
                             .path = STR("/v1/chat/completions"),
                             .request_body_missing = true,
                             .status = 200,
                             .response_headers = a->headers,
                             .response_header_count = 1 };
    recognise(&a->call, &a->arena, &a->known);
}

static void known_answers_release(struct known_answers *a)
{
    cost_shapes_free(a->shapes);
    arena_release(&a->arena);
}
DEFINE_CLEANUP_VALUE(struct known_answers, known_answers_release)

static bool learn(struct known_answers *a)
{
    return cost_shapes_read(a->shapes, &a->call, &a->known, &a->arena, &a->facts);
}

/* What is found is what reading all of it says. */
static bool is_found(struct known_answers *a)
{
    struct cost_shape_found found;

    if (!cost_shapes_find(a->shapes, &a->call, &a->known, &a->arena, &found))
        return false;
    call_read_as(&a->call, &a->known, &a->arena, &a->facts);
    ck_assert_msg(cost_reading_same_shape(&found, &a->facts), "%.*s",
                  STR_ARG(a->call.response_body));
    return true;
}

START_TEST(an_answer_with_other_values_in_the_same_places_is_known)
{
    CLEANUP(known_answers_release) struct known_answers a;
    CLEANUP(buf_release) struct buf body = { 0 };

    known_answers_init(&a);
    a.call.response_body = write_answer(&first, &body);
    ck_assert(!is_found(&a));
    ck_assert(learn(&a));
    a.call.response_body = write_answer(&rows[_i].answer, &body);
    ck_assert_msg(is_found(&a) == rows[_i].is_known, "%s", rows[_i].what);
}
END_TEST

START_TEST(a_shape_holds_for_its_status_its_api_and_its_headers_only)
{
    CLEANUP(known_answers_release) struct known_answers a;
    CLEANUP(buf_release) struct buf body = { 0 };

    known_answers_init(&a);
    a.headers[1] = (struct call_header){ STR("openai-processing-ms"), STR("5") };
    a.call.response_header_count = 2;
    a.call.response_body = write_answer(&first, &body);
    ck_assert(learn(&a));
    a.headers[1].value = STR("6");
    ck_assert(is_found(&a));
    a.headers[1].name = STR("mistral-correlation-id");
    ck_assert(!is_found(&a));
    a.call.response_header_count = 1;
    ck_assert(!is_found(&a));
    a.call.response_header_count = 2;
    a.headers[1].name = STR("openai-processing-ms");
    a.headers[0].value = STR("text/event-stream");
    ck_assert(!is_found(&a));
    a.headers[0].value = STR("application/json");
    a.call.status = 206;
    ck_assert(!is_found(&a));
    a.call.status = 200;
    a.call.path = STR("/v1/completions");
    recognise(&a.call, &a.arena, &a.known);
    ck_assert(!is_found(&a));
}
END_TEST

/* Gateways write a count under two names, of which one may stay as it is: what came last stands. */
START_TEST(a_count_in_two_places_is_the_last_one)
{
    static const struct {
        const char *input[2];
        const char *cached[2];
    } bodies[] = {
        {{ "30", "40" },  { "5", "6" }},
        { { "31", "40" }, { "5", "6" }},
        { { "30", "41" }, { "7", "6" }},
        { { "31", "41" }, { "7", "8" }},
        { { "40", "40" }, { "6", "6" }},
    };
    CLEANUP(known_answers_release) struct known_answers a;

    known_answers_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        CLEANUP(buf_release) struct buf body = { 0 };
        buf_addf(&body,
                 "{\"id\":\"a\",\"object\":\"chat.completion\",\"model\":\"m\",\"usage\":{"
                 "\"prompt_tokens\":%s,\"completion_tokens\":9,\"prompt_tokens_details\":"
                 "{\"cached_tokens\":%s},\"prompt_cache_hit_tokens\":%s,\"input_tokens\":%s}}",
                 bodies[i].input[0], bodies[i].cached[0], bodies[i].cached[1], bodies[i].input[1]);
        a.call.response_body = buf_str(&body);
        if (i == 0)
            ck_assert(learn(&a));
        ck_assert_msg(is_found(&a), "%zu", i);
    }
}
END_TEST

/* Of many shapes the latest are remembered. */
START_TEST(shapes_are_forgotten_when_there_are_too_many)
{
    CLEANUP(known_answers_release) struct known_answers a;
    CLEANUP(buf_release) struct buf body = { 0 };
    char model[32];

    known_answers_init(&a);
    for (int i = 0; i < 3 * COST_SHAPES_MAX; i++) {
        snprintf(model, sizeof(model), "\"gpt-%d\"", i);
        a.call.response_body = write_answer(&(struct answer){ .model = model }, &body);
        ck_assert(!is_found(&a));
        ck_assert(learn(&a));
        if (i == 3) /* met again and again, so that learning stays worth while */
            for (int k = 0; k < 4 * COST_SHAPES_MAX; k++)
                ck_assert(is_found(&a));
    }
    ck_assert(is_found(&a));
    a.call.response_body = write_answer(&(struct answer){ .model = "\"gpt-0\"" }, &body);
    ck_assert(!is_found(&a));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, an_answer_with_other_values_in_the_same_places_is_known, 0,
                        (int)ARRAY_LEN(rows));
    tcase_add_test(tc, a_shape_holds_for_its_status_its_api_and_its_headers_only);
    tcase_add_test(tc, a_count_in_two_places_is_the_last_one);
    tcase_add_test(tc, shapes_are_forgotten_when_there_are_too_many);
}

CHECK_MAIN("llm/cost_shape", add_tests)
