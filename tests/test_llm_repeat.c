/* Events that are passed over because they differ from the one before only in what nobody reads
 * (llm/read_repeat.c) must leave what reading them would have left. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "tests/call_sample.h"
#include "tests/check_main.h"

#define STREAMS    3000
#define EVENTS_MAX 24
#define NUMBER     "@" /* in a written event: where its number goes, */
#define VALUE      "~" /* and where any value will do: nobody reads it */

static uint64_t seed;

static size_t draw(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % below);
}

/* Some of a member's values; the first is the usual one. */
static const char *pick(const char *const *values, size_t count)
{
    return draw(20) < 18 ? values[0] : values[draw(count)];
}
#define PICK(...)                                                                                  \
    pick((const char *const[]){ __VA_ARGS__ },                                                     \
         sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static const char *any_value(void)
{
    static const char *const values[] = {
        "1",    "12",          "-1.5e7",          "null",        "true",
        "\"\"", "\"a\"",       "\"a\\\"b\"",      "\"\\u00e9\"", "{}",
        "[]",   "{\"a\":[1]}", "[{\"usage\":1}]", "1790812800",
    };

    return values[draw(ARRAY_LEN(values))];
}

static void add_delta(struct buf *out)
{
    switch (draw(8)) {
    case 0:
        buf_add_text(out, "{\"tool_calls\":[{\"id\":\"call_a\"},{\"id\":\"call_b\"}]}");
        return;
    case 1:
    case 2:
        buf_addf(out,
                 "{\"tool_calls\":[{\"index\":" VALUE
                 ",\"id\":%s,\"function\":{\"arguments\":" VALUE "}}]}",
                 PICK("\"call_a\"", "\"call_b\"", "null", "7", "7"));
        return;
    case 3:
        buf_add_text(out,
                     "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":" VALUE "}}]}");
        return;
    default:
        buf_addf(out, "{%s\"content\":" VALUE "}", PICK("", "\"role\":\"assistant\","));
    }
}

/* vLLM's prompt_logprobs is looked at, so that no two events with other numbers there are alike,
 * but not its value. */
static void add_event(struct buf *out)
{
    buf_addf(out, "data: {%s\"prompt_logprobs\":" NUMBER ",\"id\":%s,\"created\":" VALUE ",",
             PICK("", " ", "\"x\":1,"),
             draw(4) ? "\"chatcmpl-1\"" : PICK("\"chatcmpl-2\"", "\"c\\u0031\"", "3"));
    buf_addf(out, "\"model\":%s,\"choices\":[", PICK("\"gpt-4o\"", "\"gpt-4o-mini\"", "null"));
    for (size_t i = 0, n = draw(8) ? 1 : draw(3); i < n; i++) {
        buf_addf(out, "%s{\"index\":" VALUE ",\"delta\":", i ? "," : "");
        add_delta(out);
        buf_addf(out, ",\"logprobs\":" VALUE ",\"finish_reason\":%s}",
                 PICK("null", "\"stop\"", "\"length\"", "\"\"", "5"));
    }
    buf_addf(
        out, "],\"obfuscation\":" VALUE "%s%s\n\n",
        PICK("", ",\"usage\":null", ",\"usage\":{\"prompt_tokens\":7}",
             ",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}",
             ",\"usage\":{\"completion_tokens\":-3}", ",\"service_tier\":\"flex\"",
             ",\"error\":{\"message\":\"m\",\"type\":\"server_error\"}",
             ",\"usage_breakdown\":{\"models\":[{\"model\":\"a\",\"usage\":{\"prompt_tokens\":1}"
             "}]}"),
        PICK("}", "} ", "", ",}", "}}"));
}

/* Events, most of them like one of the two before. */
static void write_stream(struct buf *out)
{
    size_t from[EVENTS_MAX], len[EVENTS_MAX], count = 2 + draw(EVENTS_MAX - 2);
    CLEANUP(buf_release) struct buf copy = { 0 };

    for (size_t i = 0; i < count; i++) {
        from[i] = out->len;
        if (i && draw(3)) {
            size_t model = i - 1 - draw(i < 2 ? i : 2);
            buf_clear(&copy);
            buf_add(&copy, out->ptr + from[model], len[model]);
            buf_add_str(out, buf_str(&copy));
        } else {
            add_event(out);
        }
        len[i] = out->len - from[i];
    }
    if (draw(2))
        buf_add_text(out, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,"
                          "\"completion_tokens\":3}}\n\ndata: [DONE]\n\n");
}

static void make_stream(struct buf *out)
{
    CLEANUP(buf_release) struct buf written = { 0 };
    struct str rest, part;

    write_stream(&written);
    rest = buf_str(&written);
    for (bool first = true; str_split(&rest, VALUE[0], &part); first = false) {
        if (!first)
            buf_add_text(out, any_value());
        buf_add_str(out, part);
    }
}

/* With the same number in each event, or its own. */
static void number_events(struct str stream, bool own, struct buf *out)
{
    unsigned number = 100000;
    struct str part;

    for (bool first = true; str_split(&stream, NUMBER[0], &part); first = false) {
        if (!first)
            buf_addf(out, "%u", number += own);
        buf_add_str(out, part);
    }
}

static void add_facts(struct buf *out, const char *stream)
{
    struct call_facts f = sample_read((struct sample){
        .response = stream, .header = "content-type", .header_value = "text/event-stream" });

    buf_addf(out, "%d %d %s %d %d %d|%.*s|%.*s|%.*s|%.*s|%d %.*s|%d %s", (int)f.provider,
             (int)f.api, f.recognised_by, f.stream, f.cut, f.billable, STR_ARG(f.model),
             STR_ARG(f.service_tier), STR_ARG(f.finish_reason), STR_ARG(f.response_id),
             (int)f.error_class, STR_ARG(f.error_code), (int)f.usage_source,
             f.usage_note ? f.usage_note : "");
    for (size_t i = 0; i < f.part_count; i++) {
        buf_addf(out, "|%.*s", STR_ARG(f.parts[i].model));
        for (int u = 0; u < USAGE_UNIT_COUNT; u++)
            if (usage_has(&f.parts[i].usage, (enum usage_unit)u))
                buf_addf(out, " %d=%" PRId64, u, f.parts[i].usage.n[u]);
    }
}

START_TEST(events_passed_over_leave_what_reading_them_leaves)
{
    struct buf alike = { 0 }, apart = { 0 }, stream = { 0 }, got = { 0 }, wanted = { 0 };

    seed = 88172645463325252u + (uint64_t)_i;
    for (int n = 0; n < STREAMS; n++) {
        buf_clear(&alike);
        buf_clear(&apart);
        buf_clear(&stream);
        buf_clear(&got);
        buf_clear(&wanted);
        make_stream(&stream);
        number_events(buf_str(&stream), false, &alike);
        number_events(buf_str(&stream), true, &apart);
        add_facts(&got, buf_cstr(&alike));
        add_facts(&wanted, buf_cstr(&apart));
        ck_assert_msg(str_eq(buf_str(&got), buf_str(&wanted)),
                      "%.2000s\ngives\n%.400s\nread in full\n%.400s", buf_cstr(&alike),
                      buf_cstr(&got), buf_cstr(&wanted));
        sample_teardown();
    }
    buf_release(&alike);
    buf_release(&apart);
    buf_release(&stream);
    buf_release(&got);
    buf_release(&wanted);
}
END_TEST

/* Numbers end with the byte after them, and a value that is passed over may begin like the last. */
static const struct {
    const char *last, *next;
} changes[] = {
    {"\"finish_reason\":null",           "\"finish_reason\":\"stop\""                 },
    { "\"n\":1,\"finish_reason\":null",  "\"n\":12,\"finish_reason\":\"stop\""        },
    { "\"n\":12,\"finish_reason\":null", "\"n\":1,\"finish_reason\":\"stop\""         },
    { "\"n\":1,\"m\":2",                 "\"n\":1,\"finish_reason\":\"stop\""         },
    { "\"n\":\"a\",\"m\":2",             "\"n\":\"a\\\",\",\"finish_reason\":\"stop\""},
    { "\"n\":{},\"m\":\"x\"",            "\"n\":{\"m\":0},\"finish_reason\":\"stop\"" },
    { "\"n\":[1]",                       "\"n\":[1],\"finish_reason\":\"stop\""       },
    { "\"n\":\"\"",                      "\"n\":\"\",\"finish_reason\":\"stop\""      },
};

START_TEST(an_event_is_read_for_what_is_new_in_it)
{
    char stream[1024];

    snprintf(stream, sizeof(stream),
             "data: {\"choices\":[{%s}]}\n\ndata: {\"choices\":[{%s}]}\n\n"
             "data: {\"choices\":[{%s}]}\n\ndata: [DONE]\n\n",
             changes[_i].last, changes[_i].last, changes[_i].next);
    struct call_facts facts = sample_read((struct sample){ .response = stream });
    ck_text(facts.finish_reason, "stop");
}
END_TEST

START_TEST(an_event_known_before_a_change_is_read_again_after_it)
{
    struct call_facts facts = sample_read((struct sample){
        .response = "data: {\"id\":\"a\",\"n\":1}\n\ndata: {\"id\":\"a\",\"n\":2}\n\n"
                    "data: {\"id\":\"b\",\"n\":3}\n\ndata: {\"id\":\"a\",\"n\":4}\n\n"
                    "data: [DONE]\n\n" });

    ck_text(facts.response_id, "a");
}
END_TEST

START_TEST(a_tool_call_in_many_pieces_is_one_and_the_next_is_another)
{
    CLEANUP(buf_release) struct buf stream = { 0 };

    for (int call = 0; call < 3; call++)
        for (int piece = 0; piece < 5; piece++)
            buf_addf(&stream,
                     "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%d,\"id\":\"c%d\","
                     "\"function\":{\"arguments\":\"%d\"}}]}}]}\n\n",
                     call, call, piece);
    buf_add_text(&stream, "data: {\"choices\":[{\"finish_reason\":\"tool_calls\"}],\"usage\":"
                          "{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n");
    struct call_facts facts = sample_read((struct sample){ .response = buf_cstr(&stream) });
    ck_unit(facts, TOOL_CALLS, 3);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, sample_teardown);
    tcase_add_loop_test(tc, events_passed_over_leave_what_reading_them_leaves, 0, 4);
    tcase_add_loop_test(tc, an_event_is_read_for_what_is_new_in_it, 0, ARRAY_LEN(changes));
    tcase_add_test(tc, an_event_known_before_a_change_is_read_again_after_it);
    tcase_add_test(tc, a_tool_call_in_many_pieces_is_one_and_the_next_is_another);
}

CHECK_MAIN("llm/repeat", add_tests)
