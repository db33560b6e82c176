#include "config.h"

#include "policy/cutover.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/check_main.h"

#define HEAD     "# weir cutover 1\nepoch: 7\nmarker: m\napps:\n"
#define CALLERS  20000
#define DISTANCE 5.0 /* standard deviations: less than one in a million goes further */

static struct cutover *read_ok(struct str text)
{
    struct cutover *c = NULL;
    struct err err;

    ck_assert_msg(cutover_parse(text, "c.yaml", &c, &err) == 0, "%s", err.text);
    return c;
}

static struct cutover_app entry(const char *app, const char *direct, const char *key, int32_t share)
{
    struct cutover_app a = {
        .app = str_from(app), .direct = str_from(direct), .gateway = STR("litellm"), .share = share
    };

    ck_assert(cutover_key_parse(str_from(key), &a.key));
    return a;
}

START_TEST(what_is_written_is_this_and_reads_back)
{
    struct cutover_app apps[] = {
        entry("support-bot", "openai", "header.x-session", 500),
        entry("2nd floor", "openai", "client_address", 0),
        entry("yes", "openai", "request", CUTOVER_ALL),
        entry("support-bot", "anthropic", "metadata.session id", 25),
        entry("b\"\\: {", "openai", "key_id", 1250),
        entry("caf\xc3\xa9", "openai", "end_user", 9999),
    };
    CLEANUP(buf_release) struct buf text = { 0 };

    cutover_render(apps, ARRAY_LEN(apps), 42, STR("e42-1b2c3d4e5f60"), &text);
    ck_assert_str_eq(
        buf_cstr(&text),
        "# weir cutover 1: written by weir migrate\n"
        "epoch: 42\n"
        "marker: e42-1b2c3d4e5f60\n"
        "apps:\n"
        "  \"2nd floor\": {direct: openai, gateway: litellm, key: client_address, share: 0%}\n"
        "  \"b\\\"\\\\: {\": {direct: openai, gateway: litellm, key: key_id, share: 12.5%}\n"
        "  \"caf\xc3\xa9\": {direct: openai, gateway: litellm, key: end_user, share: 99.99%}\n"
        "  support-bot:\n"
        "    - {direct: anthropic, gateway: litellm, key: \"metadata.session id\", share: 0.25%}\n"
        "    - {direct: openai, gateway: litellm, key: header.x-session, share: 5%}\n"
        "  \"yes\": {direct: openai, gateway: litellm, key: request, share: 100%}\n");
    CLEANUP(cutover_free) struct cutover *c = read_ok(buf_str(&text));
    ck_assert_uint_eq(c->epoch, 42);
    ck_assert(str_eq(c->marker, STR("e42-1b2c3d4e5f60")));
    ck_assert_uint_eq(c->app_count, ARRAY_LEN(apps));
    for (size_t i = 0; i < ARRAY_LEN(apps); i++) {
        const struct cutover_app *a = cutover_find(c, apps[i].app, apps[i].direct);
        ck_assert_ptr_nonnull(a);
        ck_assert(str_eq(a->gateway, apps[i].gateway) && a->share == apps[i].share);
        ck_assert(a->key.kind == apps[i].key.kind && str_eq(a->key.name, apps[i].key.name));
    }
}
END_TEST

START_TEST(the_order_of_entries_changes_no_byte)
{
    struct cutover_app one[] = { entry("a", "x", "request", 1), entry("b", "x", "request", 2),
                                 entry("b", "w", "request", 3) };
    struct cutover_app two[] = { one[2], one[0], one[1] };
    CLEANUP(buf_release) struct buf a = { 0 }, b = { 0 };

    cutover_render(one, ARRAY_LEN(one), 1, STR("m"), &a);
    cutover_render(two, ARRAY_LEN(two), 1, STR("m"), &b);
    ck_assert(str_eq(buf_str(&a), buf_str(&b)));
}
END_TEST

START_TEST(an_empty_cutover_moves_nobody)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    cutover_render(NULL, 0, 3, STR("e3-0"), &text);
    CLEANUP(cutover_free) struct cutover *c = read_ok(buf_str(&text));
    ck_assert_uint_eq(c->app_count, 0);
    ck_assert_ptr_null(cutover_find(c, STR("a"), STR("openai")));
    ck_assert_ptr_null(cutover_find(NULL, STR("a"), STR("openai")));
}
END_TEST

START_TEST(only_the_asked_upstream_of_the_application_is_found)
{
    CLEANUP(cutover_free)
    struct cutover *c =
        read_ok(STR(HEAD "  bot: {direct: openai, gateway: litellm, key: request, share: 1%}\n"));

    ck_assert_ptr_nonnull(cutover_find(c, STR("bot"), STR("openai")));
    ck_assert_ptr_null(cutover_find(c, STR("bot"), STR("litellm")));
    ck_assert_ptr_null(cutover_find(c, STR("bot2"), STR("openai")));
    ck_assert_ptr_null(cutover_find(c, STR(""), STR("openai")));
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    {"",                                                                                "c.yaml:1:1: no cutover of version 1"            },
    { "epoch: 1\nmarker: m\napps: {}\n",                                                "c.yaml:1:1: no cutover of version 1"            },
    { "# weir cutover 10\nepoch: 1\n",                                                  "c.yaml:1:1: no cutover of version 1"            },
    { "# weir cutover 1\n",                                                             "c.yaml:1:1: expected a map of epoch"            },
    { "# weir cutover 1\n- a\n",                                                        "c.yaml:1:1: expected a map of epoch"            },
    { "# weir cutover 1\nmarker: m\napps: {}\n",                                        "'epoch' is missing"                             },
    { "# weir cutover 1\nepoch: 0\n",                                                   "c.yaml:2:8: expected an epoch from 1 on, got 0" },
    { "# weir cutover 1\nepoch: -4\n",                                                  "c.yaml:2:8: expected an epoch from 1 on, got -4"},
    { "# weir cutover 1\nepoch: 99999999999999999999\n",                                "c.yaml:2:8: "                                   },
    { "# weir cutover 1\nepoch: 1\nmarker: 'a b'\n",                                    "c.yaml:3:9: expected a marker"                  },
    { "# weir cutover 1\nepoch: 1\nmarker: ''\n",                                       "c.yaml:3:9: expected a marker"                  },
    { "# weir cutover 1\nepoch: 1\nmarker: m\n",                                        "'apps' is missing"                              },
    { "# weir cutover 1\nepoch: 1\nmarker: m\napps: [a]\n",                             "c.yaml:4:7: expected a map"                     },
    { "# weir cutover 1\nepoch: 1\nshares: m\n",                                        "c.yaml:3:1: "                                   },
    { HEAD "  a: b\n",                                                                  "c.yaml:5:6: expected a map of direct"           },
    { HEAD "  a: {direct: x, gateway: y, key: request}\n",                              "c.yaml:5:6: 'share' is missing"                 },
    { HEAD "  a: {direct: x, gateway: x, key: request, share: 1%}\n",
     "the gateway is where direct"                                                                                                       },
    { HEAD "  a: {direct: x, gateway: y, key: header., share: 1%}\n",
     "c.yaml:5:35: expected a key"                                                                                                       },
    { HEAD "  a: {direct: x, gateway: y, key: header.X-S, share: 1%}\n",                "in lower case"                                  },
    { HEAD "  a: {direct: x, gateway: y, key: 'header.a b', share: 1%}\n",              "expected a key"                                 },
    { HEAD "  a: {direct: x, gateway: y, key: user, share: 1%}\n",                      "got 'user'"                                     },
    { HEAD "  a: {direct: x, gateway: y, key: request, share: 1}\n",
     "c.yaml:5:51: expected a share"                                                                                                     },
    { HEAD "  a: {direct: x, gateway: y, key: request, share: 101%}\n",                 "expected a share"                               },
    { HEAD "  a: {direct: x, gateway: y, key: request, share: -1%}\n",                  "expected a share"                               },
    { HEAD "  a: {direct: x, gateway: y, key: request, share: 0.001%}\n",               "expected a share"                               },
    { HEAD "  a: {direct: x, gateway: y, key: request, share: '%'}\n",                  "expected a share"                               },
    { HEAD "  a: {direct: x, gateway: y, key: request, share: 1e1000000%}\n",           "expected a share"                               },
    { HEAD "  '': {direct: x, gateway: y, key: request, share: 1%}\n",
     "c.yaml:5:3: expected a name"                                                                                                       },
    { HEAD "  \"a\\n\": {direct: x, gateway: y, key: request, share: 1%}\n",            "expected a name"                                },
    { HEAD "  a: {direct: null, gateway: y, key: request, share: 1%}\n",                "c.yaml:5:15: "                                  },
    { HEAD "  a: {direct: x, gateway: y, key: request, share: 1%}\n  a: {direct: x}\n",
     "c.yaml:6:3: "                                                                                                                      },
    { HEAD "  a: [{direct: x, gateway: y, key: request, share: 1%},\n"
           "      {direct: x, gateway: z, key: request, share: 1%}]\n",            "c.yaml:6:16: a second entry of 'a' for 'x'"     },
};

START_TEST(what_is_wrong_is_said_with_its_place)
{
    struct cutover *c = NULL;
    struct err err = { 0 };

    ck_assert_int_eq(cutover_parse(str_from(bad[_i].text), "c.yaml", &c, &err), -1);
    ck_assert_ptr_null(c);
    ck_assert_msg(strncmp(err.text, "c.yaml:", 7) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, bad[_i].error) != NULL, "%s", err.text);
}
END_TEST

START_TEST(too_many_entries_and_bytes_are_refused)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct cutover *c = NULL;
    struct err err;

    buf_add_text(&text, HEAD);
    for (int i = 0; i < CUTOVER_APPS_MAX; i++)
        buf_addf(&text, "  a%05d: {direct: x, gateway: y, key: request, share: 1%%}\n", i);
    CLEANUP(cutover_free) struct cutover *full = read_ok(buf_str(&text));
    ck_assert_uint_eq(full->app_count, CUTOVER_APPS_MAX);
    ck_assert_ptr_nonnull(cutover_find(full, STR("a09999"), STR("x")));
    buf_add_text(&text, "  b: {direct: x, gateway: y, key: request, share: 1%}\n");
    ck_assert_int_eq(cutover_parse(buf_str(&text), "c.yaml", &c, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    buf_reserve(&text, CUTOVER_BYTES_MAX);
    memset(text.ptr + text.len, '#', CUTOVER_BYTES_MAX);
    text.len += CUTOVER_BYTES_MAX;
    ck_assert_int_eq(cutover_parse(buf_str(&text), "c.yaml", &c, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

/* As another program may have to compute them: weir-cutover(5). */
START_TEST(buckets_stay_what_they_are)
{
    ck_assert_uint_eq(cutover_bucket(STR("support-bot"), STR("session-1")), 4290);
    ck_assert_uint_eq(cutover_bucket(STR("support-bot"), STR("session-2")), 9693);
    ck_assert_uint_eq(cutover_bucket(STR("nightly"), STR("session-1")), 2085);
    ck_assert_uint_ne(cutover_bucket(STR("ab"), STR("c")), cutover_bucket(STR("a"), STR("bc")));
}
END_TEST

START_TEST(a_call_without_a_key_is_below_no_share)
{
    ck_assert_uint_eq(cutover_bucket(STR("a"), STR("")), CUTOVER_ALL);
}
END_TEST

static struct str caller(char text[static 32], int i)
{
    return (struct str){ text, (size_t)snprintf(text, 32, "user-%d", i) };
}

START_TEST(a_share_is_the_part_of_callers_that_it_says)
{
    static const int32_t shares[] = { 1, 100, 500, 2500, 5000, 9000, 9999 };
    int below[ARRAY_LEN(shares)] = { 0 };
    char text[32];

    for (int i = 0; i < CALLERS; i++) {
        uint32_t bucket = cutover_bucket(STR("support-bot"), caller(text, i));
        ck_assert_uint_lt(bucket, CUTOVER_ALL);
        for (size_t s = 0; s < ARRAY_LEN(shares); s++)
            below[s] += bucket < (uint32_t)shares[s];
    }
    for (size_t s = 0; s < ARRAY_LEN(shares); s++) {
        double p = (double)shares[s] / CUTOVER_ALL, mean = CALLERS * p;
        double far = DISTANCE * sqrt(mean * (1 - p)) + 1;
        ck_assert_msg(fabs(below[s] - mean) <= far, "%d of %d at %d", below[s], CALLERS, shares[s]);
    }
}
END_TEST

START_TEST(applications_move_different_callers_first)
{
    int both = 0;
    char text[32];

    for (int i = 0; i < CALLERS; i++) {
        struct str key = caller(text, i);
        both += cutover_bucket(STR("a"), key) < 1000 && cutover_bucket(STR("b"), key) < 1000;
    }
    ck_assert_int_gt(both, CALLERS / 100 - 71); /* five standard deviations */
    ck_assert_int_lt(both, CALLERS / 100 + 71);
}
END_TEST

START_TEST(at_all_everything_moves_and_below_nothing_without_a_key)
{
    struct cutover_app a = { .app = STR("a"), .share = CUTOVER_ALL };

    ck_assert(cutover_moves(&a, STR("")) && cutover_moves(&a, STR("k")));
    a.share--;
    ck_assert(!cutover_moves(&a, STR("")) && cutover_moves(&a, STR("k")));
    a.share = 0;
    ck_assert(!cutover_moves(&a, STR("")) && !cutover_moves(&a, STR("k")));
}
END_TEST

START_TEST(a_raised_share_moves_nobody_back_and_none_moves_all)
{
    size_t moved_back = 0, moved_at_all = 0, moved_at_none = 0;
    char text[32];

    for (int i = 0; i < 1000; i++) {
        struct str key = caller(text, i);
        bool was_moved = false;
        for (int32_t share = 0; share <= CUTOVER_ALL; share += 50) {
            bool is_moved = cutover_bucket(STR("a"), key) < (uint32_t)share;
            moved_back += was_moved && !is_moved;
            moved_at_none += is_moved && !share;
            was_moved = is_moved;
        }
        moved_at_all += was_moved;
    }
    ck_assert_uint_eq(moved_back, 0);
    ck_assert_uint_eq(moved_at_none, 0);
    ck_assert_uint_eq(moved_at_all, 1000);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, what_is_written_is_this_and_reads_back);
    tcase_add_test(tc, the_order_of_entries_changes_no_byte);
    tcase_add_test(tc, an_empty_cutover_moves_nobody);
    tcase_add_test(tc, only_the_asked_upstream_of_the_application_is_found);
    tcase_add_loop_test(tc, what_is_wrong_is_said_with_its_place, 0, ARRAY_LEN(bad));
    tcase_add_test(tc, too_many_entries_and_bytes_are_refused);
    tcase_add_test(tc, buckets_stay_what_they_are);
    tcase_add_test(tc, a_call_without_a_key_is_below_no_share);
    tcase_add_test(tc, a_share_is_the_part_of_callers_that_it_says);
    tcase_add_test(tc, applications_move_different_callers_first);
    tcase_add_test(tc, at_all_everything_moves_and_below_nothing_without_a_key);
    tcase_add_test(tc, a_raised_share_moves_nobody_back_and_none_moves_all);
}
CHECK_MAIN("policy/cutover", add_tests)
