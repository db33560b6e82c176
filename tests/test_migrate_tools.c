/* Tool calls against the schemas of the tools that were offered: by row, and in an archive. */
#include "config.h"

#include <stdio.h>

#include "capture/seal.h"
#include "migrate/verdict_parts.h"
#include "tests/capture_sample.h"
#include "tests/check_main.h"

#define CHAT(schema)                                                                               \
    "{\"model\":\"gpt-4o\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"find\","     \
    "\"parameters\":" schema "}}]}"
#define ANSWER(arguments)                                                                          \
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"gpt-4o\",\"choices\":[{\"index\":0," \
    "\"message\":{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\","     \
    "\"function\":{\"name\":\"find\",\"arguments\":\"" arguments "\"}}]}}]}"
#define PLACE                                                                                      \
    "{\"type\":\"object\",\"properties\":{\"place\":{\"type\":\"string\",\"minLength\":2},"        \
    "\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":7},\"unit\":{\"enum\":[\"C\",\"F\"]" \
    "},\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":2},"              \
    "\"at\":{\"$ref\":\"#/$defs/at\"},\"who\":{\"anyOf\":[{\"type\":\"null\"},{\"type\":"          \
    "\"string\"}]},\"n\":{\"type\":[\"number\",\"null\"]}},"                                       \
    "\"required\":[\"place\"],\"additionalProperties\":false,"                                     \
    "\"$defs\":{\"at\":{\"type\":\"object\",\"required\":[\"lat\"]}}}"

static const struct {
    const char *request, *answer;
    int fits;
} rows[] = {
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\"}"), 1),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"days\\\":3,\\\"unit\\\":\\\"C\\\"}"),
        1),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"days\\\":3.0}"), 1),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"days\\\":3.5}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"days\\\":\\\"3\\\"}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"days\\\":8}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"U\\\"}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"unit\\\":\\\"K\\\"}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"tags\\\":[\\\"a\\\"]}"), 1),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"tags\\\":[1]}"), 0),
    ROW(CHAT(PLACE),
        ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"tags\\\":[\\\"a\\\",\\\"b\\\",\\\"c\\\"]}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"at\\\":{\\\"lat\\\":1}}"), 1),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"at\\\":{}}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"who\\\":null}"), 1),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"who\\\":1}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"n\\\":null}"), 1),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"n\\\":true}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ulm\\\",\\\"more\\\":1}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"days\\\":3}"), 0),
    ROW(CHAT(PLACE), ANSWER("{\\\"place\\\":\\\"Ul"), 0), /* cut */
    ROW(CHAT(PLACE), ANSWER("[1]"), 0),
    ROW(CHAT(PLACE), ANSWER(""), 0),
    ROW(CHAT("{}"), ANSWER(""), 1),
    ROW(CHAT("null"), ANSWER("{\\\"a\\\":1}"), -1),
    ROW("{\"model\":\"gpt-4o\"}", ANSWER("{}"), 0), /* never offered */
    ROW(CHAT(PLACE), "{\"choices\":[{\"message\":{\"content\":\"hello\"}}]}", -1),
    ROW("no json", ANSWER("{}"), -1),
    ROW("{\"tools\":[{\"name\":\"find\",\"input_schema\":" PLACE "}]}",
        "{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"find\","
        "\"input\":{\"place\":\"Ulm\"}}]}",
        1),
    ROW("{\"tools\":[{\"functionDeclarations\":[{\"name\":\"find\",\"parameters\":{\"type\":"
        "\"OBJECT\",\"required\":[\"place\"]}}]}]}",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"find\",\"args\":{}"
        "}}]}}]}",
        0),
    ROW("{\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"find\",\"inputSchema\":{\"json\":"
        "{\"type\":\"object\",\"required\":[\"a\"]}}}}]}}",
        "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":"
        "\"t\",\"name\":\"find\",\"input\":{\"a\":1}}}]}}}",
        1),
    ROW("{\"tools\":[{\"type\":\"function\",\"name\":\"find\",\"parameters\":" PLACE "}]}",
        "{\"object\":\"response\",\"output\":[{\"type\":\"function_call\",\"call_id\":\"t\","
        "\"name\":\"find\",\"arguments\":\"{\\\"days\\\":1}\"}]}",
        0),
};

START_TEST(calls_fit_what_was_offered_or_do_not)
{
    struct call_header type = { STR("content-type"), STR("application/json") };
    struct exchange x = { .request_body = str_from(rows[_i].request),
                          .response_body = str_from(rows[_i].answer),
                          .response_headers = &type,
                          .response_header_count = 1 };

    ck_assert_int_eq(tools_fit(&x), rows[_i].fits);
}
END_TEST

/* Schemas that refer to themselves come to an end. */
START_TEST(a_schema_may_be_its_own_part)
{
    struct call_header type = { STR("content-type"), STR("application/json") };
    struct exchange x = {
        .request_body = STR(CHAT("{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"$ref\":"
                                 "\"#/$defs/x\",\"allOf\":[{\"$ref\":\"#\"}]}}}")),
        .response_body = STR(ANSWER("{}")),
        .response_headers = &type,
        .response_header_count = 1,
    };

    ck_assert_int_eq(tools_fit(&x), 1);
}
END_TEST

/* Each level twice as much work as the one below: 2^64 in all. */
START_TEST(a_schema_made_to_take_for_ever_does_not)
{
    struct call_header type = { STR("content-type"), STR("application/json") };
    struct exchange x = {
        .request_body = STR(CHAT("{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"allOf\":["
                                 "{\"$ref\":\"#/$defs/x\"},{\"$ref\":\"#/$defs/x\"}]}}}")),
        .response_body = STR(ANSWER("{}")),
        .response_headers = &type,
        .response_header_count = 1,
    };

    ck_assert_int_eq(tools_fit(&x), 1);
}
END_TEST

/* --- in an archive --- */

#define T0 (SAMPLE_START_US - 3600 * US_PER_SECOND)

static const char plan[] =
    "programme: {name: g, start: 2026-10-01}\n"
    "actuators: {proxy: {driver: weir, file: ./cutover.yaml, socket: ./weir.sock}}\n"
    "apps:\n"
    "  bot: {actuator: proxy, direct: openai, gateway: litellm, key: header.x-session,\n"
    "        gates: [{metric: tool_schema, min_units: 1, min_time: 1s}]}\n";

/* Ten calls: odd ones at the gateway; those from 6 on want a tool; of these, the gateway's do not
 * fit. */
static void add_calls(const struct archive *a)
{
    static struct sample_exchange s;
    struct journal_writer *j = NULL;

    ck_ok(archive_journal_create(a, "test", SAMPLE_START_US, JOURNAL_RELAXED, &j, &sample_err));
    for (unsigned n = 1; n <= 10; n++) {
        char unit[8];
        sample_make(n * 12 + 1, &s); /* a plain answer */
        snprintf(unit, sizeof(unit), "u%u", n);
        s.x.who.app = STR("bot");
        s.x.upstream = n % 2 ? STR("litellm") : STR("openai");
        s.x.cutover_epoch = 1;
        s.x.cutover_share = 5000;
        s.x.cutover_unit = str_from(unit);
        s.x.request_body = STR(CHAT(PLACE));
        if (n >= 6)
            s.x.response_body = n % 2 ? STR(ANSWER("{\\\"days\\\":1}"))
                                      : STR(ANSWER("{\\\"place\\\":\\\"Ulm\\\"}"));
        ck_ok(record_append(j, &s.x, &sample_err));
    }
    ck_ok(journal_finish(j, &sample_err));
}

static void take_a_step(struct rollout *r)
{
    struct rollout_move move = { STR("bot"), 0, 5000 };
    struct rollout_entry e = { .why = ROLLOUT_ADVANCE,
                               .actuator = STR("proxy"),
                               .epoch = 1,
                               .moves = &move,
                               .move_count = 1 };
    static const enum rollout_kind kinds[] = { ROLLOUT_INTENT, ROLLOUT_APPLIED, ROLLOUT_VERIFIED,
                                               ROLLOUT_COMMITTED };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        e.kind = kinds[i];
        e.at_us = T0 + (int64_t)i;
        ck_ok(rollout_append(r, &e, &sample_err));
        e.moves = NULL;
        e.move_count = 0;
    }
}

START_TEST(bodies_tell_whose_tool_calls_do_not_fit)
{
    CLEANUP(programme_free) struct programme *p = NULL;
    CLEANUP(rollout_close) struct rollout *r = NULL;
    struct archive *a = sample_archive("a");
    struct seal_stats stats;
    struct verdict *v = NULL;

    ck_ok(programme_parse(str_from(plan), "p.yaml", sample_folder, &p, &sample_err));
    ck_ok(rollout_open(sample_path("r"), ROLLOUT_WRITE, STR("ana@host"), T0, &r, &sample_err));
    take_a_step(r);
    add_calls(a);
    ck_ok(seal_run(a, NULL, &stats, &sample_err));
    const struct programme_app *app = &p->apps[0];
    struct verdict_input in = {
        .programme = p, .rollout = r, .archive = a, .until_us = SAMPLE_START_US + US_PER_DAY
    };
    ck_ok(verdict_judge(&in, &app, 1, &v, &sample_err));
    const struct verdict_gate *g = &v->gates[0];
    ck_assert_int_eq(v->calls[0], 5);
    ck_assert_int_eq(v->calls[1], 5);
    ck_assert_int_eq(g->calls[0].measured, 3);
    ck_assert_int_eq(g->calls[0].failed, 0);
    ck_assert_int_eq(g->calls[1].measured, 2);
    ck_assert_int_eq(g->calls[1].failed, 2);
    ck_assert_int_eq(g->counts.splits[0].failures[1], 2);
    verdict_free(v, 1);
    archive_close(a);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_setup, sample_teardown);
    tcase_add_loop_test(tc, calls_fit_what_was_offered_or_do_not, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, a_schema_may_be_its_own_part);
    tcase_add_test(tc, a_schema_made_to_take_for_ever_does_not);
    tcase_add_test(tc, bodies_tell_whose_tool_calls_do_not_fit);
}

CHECK_MAIN("migrate/verdict tools", add_tests)
