/* What a drill fills in, in commands, configurations and headers. */
#include "config.h"

#include "replay/drill_config.h"

#include <string.h>

#include "tests/check_main.h"

static const struct drill_provider providers[] = {
    {STR_INIT("openai"),    10001, false},
    { STR_INIT("second"),   10002, false},
    { STR_INIT("nameless"), 10003, true },
};

static const struct {
    const char *text, *filled;
} fills[] = {
    ROW("run --port {port}", "run --port 10000"),
    ROW("{url:second}/v1 {port:openai}", "http://127.0.0.1:10002/v1 10001"),
    ROW("{\"a\": {\"b\": \"{url:openai}/v1\"}}", "{\"a\": {\"b\": \"http://127.0.0.1:10001/v1\"}}"),
    ROW("{url:nameless}/v1 {port:nameless}", "http://no-such-host.invalid:10003/v1 10003"),
    ROW("-C {config}", "-C /tmp/c.json"),
    ROW("x: {text}", "x: {\"a\": 1}"),
    ROW("{}{else} {port", "{}{else} {port"),
};

static const struct drill_places places = {
    .providers = providers,
    .provider_count = ARRAY_LEN(providers),
    .port = 10000,
    .text = STR_INIT("{\"a\": 1}"),
};

START_TEST(placeholders_are_filled_in_and_other_braces_left)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(drill_fill(str_from(fills[_i].text), &places, "/tmp/c.json", &out, &err), 0);
    ck_assert_str_eq(buf_cstr(&out), fills[_i].filled);
}
END_TEST

START_TEST(what_is_not_there_is_no_placeholder)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct drill_places without = places;
    struct err err = { 0 };

    without.text = (struct str){ 0 };
    ck_assert_int_eq(drill_fill(STR("{text} {config}"), &without, NULL, &out, &err), 0);
    ck_assert_str_eq(buf_cstr(&out), "{text} {config}");
    ck_assert_int_eq(drill_fill(STR("{url:third}"), &without, NULL, &out, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
}
END_TEST

#define UPSTREAMS                                                                                  \
    "upstreams: {openai: {url: \"https://api.example/v1\", ca: theirs, proxy: \"https://p:1\", "   \
    "proxy_ca: theirs, api: openai}}\n"

START_TEST(upstreams_are_reached_as_the_drill_says)
{
    static const char *const reached[] = {
        "{\"url\":\"http://127.0.0.1:10001/"
        "v1\",\"ca\":\"theirs\",\"api\":\"openai\",\"proxy\":\"none\"}",
        "{\"url\":\"https://127.0.0.1:10001/v1\",\"api\":\"openai\",\"proxy\":\"none\",\"ca\":\"/d/"
        "ca.pem\"}",
    };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct drill_places there = places;
    struct err err = { 0 };

    there.archive = "/d/archive";
    there.ca = _i ? "/d/ca.pem" : NULL;
    ck_assert_msg(drill_config_write(STR(UPSTREAMS), "weir.yaml", true, &there, &out, &err) == 0,
                  "%s", err.text);
    ck_assert_msg(strstr(buf_cstr(&out), reached[_i]) != NULL, "%s", out.ptr);
    buf_clear(&out);
    ck_assert_int_eq(drill_fill(STR("{ca} {url:openai}"), &there, NULL, &out, &err), 0);
    ck_assert_str_eq(buf_cstr(&out),
                     _i ? "/d/ca.pem https://127.0.0.1:10001" : "{ca} http://127.0.0.1:10001");
}
END_TEST

START_TEST(a_configuration_becomes_one_line)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(drill_config_line(STR("{\r\n\t\"a\": 1\n}\n"), &out, &err), 0);
    ck_assert_str_eq(buf_cstr(&out), "{  \t\"a\": 1 } ");
    ck_assert_int_eq(drill_config_line(STR("a\001"), &out, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "0x01"));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, placeholders_are_filled_in_and_other_braces_left, 0, ARRAY_LEN(fills));
    tcase_add_test(tc, what_is_not_there_is_no_placeholder);
    tcase_add_loop_test(tc, upstreams_are_reached_as_the_drill_says, 0, 2);
    tcase_add_test(tc, a_configuration_becomes_one_line);
}

CHECK_MAIN("replay/drill_config", add_tests)
