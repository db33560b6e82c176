#include "config.h"

#include "replay/diff.h"

#include <stdio.h>
#include <unistd.h>

#include "capture/seal.h"
#include "replay/drive_record.h"
#include "tests/check_main.h"

static const struct {
    const char *json, *shape;
} shapes[] = {
    {"{}",                                       "{}"               },
    { "{\"b\":1,\"a\":[]}",                      "{a:[],b:n}"       },
    { "[1,\"x\",2,null,true]",                   "[n|s|0|b]"        },
    { "{\"a\":[{\"b\":1},{\"b\":2},{\"c\":1}]}", "{a:[{b:n}|{c:n}]}"},
    { "\"text\"",                                "s"                },
    { "{\"a\":",                                 "!"                },
    { "",                                        "!"                },
};

START_TEST(a_shape_is_members_and_types)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    diff_shape(str_from(shapes[_i].json), &out);
    ck_assert_str_eq(buf_cstr(&out), shapes[_i].shape);
}
END_TEST

/* --- recordings --- */

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/weir-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Requests 0 to count - 1; every one whose number is below `odd` is answered otherwise. */
static void record(const char *name, unsigned count, unsigned odd, bool label)
{
    struct call_header type = { STR("content-type"), STR("application/json") };
    struct drive_record *d;
    struct err err;
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(drive_record_open(path, str_from(name), 1700000000000000, &d, &err), 0);
    for (unsigned i = 0; i < count; i++) {
        struct trace_request of = { .id = { .bytes = { (uint8_t)(i >> 8), (uint8_t)i, 7 } } };
        char body[64];
        snprintf(body, sizeof(body), "{\"model\":\"m\",\"n\":%u}", i);
        struct exchange x = {
            .started_us = 1700000000000000 + i,
            .head_us = 1,
            .first_token_us = -1,
            .end_us = 2,
            .origin = STR("drive"),
            .method = STR("POST"),
            .scheme = STR("http"),
            .host = STR("h"),
            .path = STR("/v1/chat/completions"),
            .request_body = str_from(body),
            .status = 200,
            .response_headers = &type,
            .response_header_count = 1,
            .response_body =
                i < odd ? STR("{\"object\":\"chat.completion\",\"choices\":[]}")
                        : STR("{\"object\":\"chat.completion\",\"choices\":[],\"extra\":1}"),
        };
        if (!label)
            of.id.bytes[3] = (uint8_t)name[0];
        ck_assert_int_eq(drive_record_add(d, &of, &x, &err), 0);
    }
    ck_assert_msg(drive_record_finish(d, &err) == 0, "%s", err.text);
}

static struct diff_side *side(const char *name)
{
    CLEANUP(archive_close) struct archive *a = NULL;
    struct diff_side *s = diff_side_new();
    struct err err;
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(archive_open(path, false, &a, &err), 0);
    ck_assert_msg(diff_side_add(s, a, NULL, &err) == 0, "%s", err.text);
    return s;
}

/* Hypergeometric tails, in exact fractions. */
static const struct {
    unsigned odd, noise_odd;
    double p;
    bool finding;
} noises[] = {
    {0,   0,  1,        false}, /* nothing differs */
    { 20, 20, 0.570062, false}, /* as often as by noise: P(X >= 20) of 40 in 2 x 100 */
    { 20, 0,  0,        true }, /* below 1e-6 */
};

START_TEST(an_aspect_is_judged_against_noise)
{
    unsigned odd = noises[_i].odd, noise_odd = noises[_i].noise_odd;

    make_folder();
    record("base", 100, 0, true);
    record("other", 100, odd, true);
    record("noise", 100, noise_odd, true);
    CLEANUP(diff_side_free) struct diff_side *base = side("base");
    CLEANUP(diff_side_free) struct diff_side *other = side("other");
    CLEANUP(diff_side_free) struct diff_side *noise = side("noise");
    CLEANUP(diff_release) struct diff d = { 0 };

    diff_compare(base, other, noise, &d);
    ck_assert_uint_eq(d.pairs, 100);
    ck_assert_uint_eq(d.counts[DIFF_SHAPE].differ, odd);
    ck_assert_uint_eq(d.counts[DIFF_SHAPE].noise_differ, noise_odd);
    ck_assert_double_eq_tol(d.counts[DIFF_SHAPE].p, noises[_i].p, 1e-6);
    ck_assert_int_eq(diff_is_finding(&d, DIFF_SHAPE, 0.01), noises[_i].finding);
    ck_assert(!diff_is_finding(&d, DIFF_STATUS, 0.01));
    remove_folder();
}
END_TEST

START_TEST(without_a_label_the_request_pairs)
{
    make_folder();
    record("base", 50, 0, false);
    record("other", 60, 3, false);
    CLEANUP(diff_side_free) struct diff_side *base = side("base");
    CLEANUP(diff_side_free) struct diff_side *other = side("other");
    CLEANUP(diff_release) struct diff d = { 0 };

    diff_compare(base, other, NULL, &d);
    ck_assert_uint_eq(d.pairs, 50);
    ck_assert_uint_eq(d.only_other, 10);
    ck_assert_uint_eq(d.only_base, 0);
    ck_assert_uint_eq(d.counts[DIFF_SHAPE].differ, 3);
    ck_assert_uint_eq(d.counts[DIFF_SHAPE].examples.len, 3);
    ck_assert(diff_is_finding(&d, DIFF_SHAPE, 0.01));
    remove_folder();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_shape_is_members_and_types, 0, ARRAY_LEN(shapes));
    tcase_add_loop_test(tc, an_aspect_is_judged_against_noise, 0, ARRAY_LEN(noises));
    tcase_add_test(tc, without_a_label_the_request_pairs);
}
CHECK_MAIN("replay/diff", add_tests)
