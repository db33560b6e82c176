/* Calls once directly and once through a gateway: weir's own proxy, and tests/bad_gateway. */
#include "config.h"

#include "replay/passage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "replay/scratch.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define KINDS  3
#define CALLS  8 /* of each kind */
#define NOW_US INT64_C(1790000000000000)

/* --- requests --- */

static const struct {
    const char *sent, *got, *deltas;
} bodies[] = {
    {"{\"a\":1,\"b\":{\"c\":[1,2]}}",          "{\"b\":{\"c\":[1,2]},\"a\":1.0}", ""                          },
    { "{\"a\":1,\"seed\":7}",                  "{\"a\":1}",                       "seed dropped 7 -;"         },
    { "{\"a\":1}",                             "{\"a\":1,\"user\":\"x\"}",        "user added - a text;"      },
    { "{\"t\":0.5}",                           "{\"t\":1}",                       "t changed 0.5 1;"          },
    { "{\"o\":{\"u\":true}}",                  "{\"o\":{}}",                      "o.u dropped true -;"       },
    { "{\"m\":[{\"n\":\"x\"},{\"n\":\"y\"}]}", "{\"m\":[{},{}]}",                 "m[].n dropped a text -;"   },
    { "{\"m\":[1,2]}",                         "{\"m\":[1]}",                     "m changed 2 items 1 items;"},
    { "{\"m\":\"secret words\"}",              "{\"m\":\"other words\"}",         "m changed a text a text;"  },
};

static void add_deltas(const struct passage *p, struct buf *out)
{
    for (size_t i = 0; i < p->deltas.len; i++) {
        const struct passage_delta *d = &p->deltas.ptr[i];
        buf_addf(out, "%.*s %s %s %s;", STR_ARG(d->what), passage_change_name(d->change),
                 d->sent.len ? d->sent.ptr : "-", d->got.len ? d->got.ptr : "-");
    }
}

START_TEST(what_becomes_of_a_member_is_told_without_its_words)
{
    CLEANUP(passage_release) struct passage p = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct passage_request r = { .sent_body = str_from(bodies[_i].sent),
                                 .body = str_from(bodies[_i].got) };

    ck_assert(passage_compare(&p, &r));
    add_deltas(&p, &out);
    ck_assert_str_eq(buf_cstr(&out), bodies[_i].deltas);
}
END_TEST

START_TEST(a_request_counts_once_for_each_member)
{
    CLEANUP(passage_release) struct passage p = { 0 };
    struct passage_request r = { .sent_body = STR("{\"m\":[{\"n\":1},{\"n\":2}]}"),
                                 .body = STR("{\"m\":[{},{}]}") };

    ck_assert(passage_compare(&p, &r) && passage_compare(&p, &r));
    ck_assert_uint_eq(p.deltas.len, 1);
    ck_assert_uint_eq(p.deltas.ptr[0].calls, 2);
}
END_TEST

START_TEST(a_providers_headers_are_looked_at_and_no_others)
{
    CLEANUP(passage_release) struct passage p = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct call_header got[] = {
        {STR("anthropic-version"), STR("2024-01-01")},
        { STR("x-other"),          STR("1")         },
    };
    struct passage_request r = {
        .sent_head = STR("anthropic-beta: a-1\nAnthropic-Version: 2023-06-01\nx-mine: 1\n"),
        .headers = got,
        .header_count = ARRAY_LEN(got),
    };

    ck_assert(passage_compare(&p, &r));
    add_deltas(&p, &out);
    ck_assert_str_eq(buf_cstr(&out), "header anthropic-beta dropped a text -;"
                                     "header Anthropic-Version changed a text a text;");
}
END_TEST

START_TEST(what_is_no_json_is_not_compared)
{
    CLEANUP(passage_release) struct passage p = { 0 };
    struct passage_request r = { .sent_body = STR("{}"), .body = STR("{") };

    ck_assert(!passage_compare(&p, &r));
    ck_assert_uint_eq(p.deltas.len, 0);
}
END_TEST

/* --- samples and passages --- */

static void write_calls(const char *path)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    for (int i = 0; i < KINDS * CALLS; i++)
        buf_addf(&out,
                 "{\"method\":\"POST\",\"url\":\"http://a.invalid/v1/chat/completions\","
                 "\"app\":\"%s\",\"req_headers\":{\"content-type\":\"application/json\"},"
                 "\"status\":200,\"started_at\":\"2026-10-01T00:%02d:00Z\","
                 "\"req_body\":\"{\\\"model\\\":\\\"m%d\\\",\\\"temperature\\\":0.5,"
                 "\\\"messages\\\":[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"call "
                 "%d\\\"}]}\",\"resp_headers\":{\"content-type\":\"application/json\"},"
                 "\"resp_body\":\"{\\\"id\\\":\\\"x\\\",\\\"object\\\":\\\"chat.completion\\\","
                 "\\\"model\\\":\\\"m%d\\\",\\\"choices\\\":[{\\\"index\\\":0,\\\"message\\\":{"
                 "\\\"role\\\":\\\"assistant\\\",\\\"content\\\":\\\"hi\\\"},"
                 "\\\"finish_reason\\\":\\\"stop\\\"}],\\\"usage\\\":{\\\"prompt_tokens\\\":3,"
                 "\\\"completion_tokens\\\":1,\\\"total_tokens\\\":4}}\"}\n",
                 i % KINDS == 2 ? "other" : "bot", i, i % KINDS, i, i % KINDS);
    ck_assert_msg(file_replace(path, buf_str(&out), 0600, &err) == 0, "%s", err.text);
}

static struct scratch *recorded(void)
{
    const char *files[] = { temp_path("calls.jsonl"), NULL };
    struct scratch *s = NULL;
    struct err err = { 0 };

    write_calls(files[0]);
    ck_assert_msg(scratch_open(temp_folder, files, NOW_US, &s, &err) == 0, "%s", err.text);
    return s;
}

static struct sample *sampled(const struct scratch *s, const char *app, size_t calls)
{
    struct sample_options o = {
        .archive = scratch_archive(s),
        .app = str_from(app),
        .to_us = INT64_MAX,
        .calls = calls,
        .parent = temp_folder,
        .now_us = NOW_US,
    };
    struct sample *sample = NULL;
    struct err err = { 0 };

    ck_assert_msg(sample_open(&o, &sample, &err) == 0, "%s", err.text);
    return sample;
}

START_TEST(a_sample_has_every_kind_before_the_second_of_any)
{
    CLEANUP(scratch_close) struct scratch *s = recorded();
    CLEANUP(sample_close) struct sample *few = sampled(s, "bot", 2);
    CLEANUP(sample_close) struct sample *all = sampled(s, "bot", 1000);
    struct sample_options nobody = { .archive = scratch_archive(s),
                                     .app = STR("nobody"),
                                     .to_us = INT64_MAX,
                                     .calls = 1,
                                     .parent = temp_folder };
    struct sample *none = NULL;
    struct err err = { 0 };

    ck_assert_uint_eq(sample_calls(few), 2);
    ck_assert_uint_eq(sample_kinds(few), 2);
    /* The latest of each: neighbours in time. */
    ck_assert_int_eq(sample_to_us(few) - sample_from_us(few), 60000000);
    ck_assert_uint_eq(sample_calls(all), 2 * CALLS);
    ck_assert_uint_eq(sample_seen(few), 2 * CALLS);
    ck_assert_int_eq(sample_open(&nobody, &none, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
}
END_TEST

static const char *program(const char *name)
{
    static char paths[2][600];
    static unsigned turn;
    const char *build = getenv("abs_top_builddir");
    char *path = paths[turn++ % 2];

    snprintf(path, sizeof(paths[0]), "%s/%s", build ? build : ".", name);
    return path;
}

static void pass(const char *command, struct passage *ret)
{
    static const char *const providers[] = { "a", NULL };
    CLEANUP(scratch_close) struct scratch *s = recorded();
    CLEANUP(sample_close) struct sample *sample = sampled(s, "bot", 1000);
    const char *config = temp_path("weir.yaml");
    struct err err = { 0 };
    struct passage_options o = {
        .gateway = {.self = program("weir"),
                    .command = command,
                    .config = command ? NULL : config,
                    .providers = providers,
                    .ready_us = DRILL_READY_US_DEFAULT},
        .sample = sample,
        .target_direct = STR("{rest}"),
        .target_gateway = command ? STR("{rest}") : STR("/a{rest}"),
        .deadline_us = 60000000,
        .now_us = NOW_US,
    };

    ck_assert(file_replace(config,
                           STR("upstreams: {a: {url: \"https://a.invalid\", api: openai}}\n"), 0600,
                           &err) == 0);
    ck_assert_msg(passage_run(&o, ret, &err) == 0, "%s", err.text);
}

START_TEST(weirs_proxy_changes_nothing)
{
    CLEANUP(passage_release) struct passage p = { 0 };

    pass(NULL, &p);
    ck_assert_uint_eq(p.calls, 2 * CALLS);
    ck_assert_uint_eq(p.diff.pairs, 2 * CALLS);
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        ck_assert_msg(p.diff.counts[i].differ == 0, "%s: %s, not %s", diff_aspect_names[i],
                      p.diff.counts[i].examples.ptr[0].other,
                      p.diff.counts[i].examples.ptr[0].base);
        ck_assert_uint_eq(p.diff.counts[i].noise_differ, 0);
    }
    ck_assert_uint_eq(p.ok[0], 2 * CALLS);
    ck_assert_uint_eq(p.ok[1], 2 * CALLS);
    ck_assert_uint_eq(p.attempts[1], 2 * CALLS);
    ck_assert_uint_eq(p.compared, 2 * CALLS);
    ck_assert_msg(p.deltas.len == 0, "%.*s", STR_ARG(p.deltas.ptr[0].what));
}
END_TEST

START_TEST(a_sloppy_gateway_is_seen_to_repeat_and_to_change_answers)
{
    CLEANUP(passage_release) struct passage p = { 0 };
    CLEANUP(buf_release) struct buf command = { 0 };

    buf_addf(&command, "exec %s {port} {port:a}", program("tests/bad_gateway"));
    pass(buf_cstr(&command), &p);
    ck_assert_uint_eq(p.calls, 2 * CALLS);
    ck_assert_uint_gt(p.attempts[1], p.attempts[0]);
    ck_assert_uint_gt(p.diff.counts[DIFF_TYPE].differ, 0);
    ck_assert_uint_eq(p.diff.counts[DIFF_TYPE].noise_differ, 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, what_becomes_of_a_member_is_told_without_its_words, 0,
                        ARRAY_LEN(bodies));
    tcase_add_test(tc, a_request_counts_once_for_each_member);
    tcase_add_test(tc, a_providers_headers_are_looked_at_and_no_others);
    tcase_add_test(tc, what_is_no_json_is_not_compared);
    tcase_add_test(tc, a_sample_has_every_kind_before_the_second_of_any);
    tcase_add_test(tc, weirs_proxy_changes_nothing);
    tcase_add_test(tc, a_sloppy_gateway_is_seen_to_repeat_and_to_change_answers);
}
CHECK_MAIN("replay/passage", add_tests)
