#include "config.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/jscan.h"
#include "tests/check_main.h"

START_TEST(members_are_found_and_null_counts_as_missing)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err err;

    ck_assert(json_parse(STR("{\"a\":\"x\\u0000y\",\"b\":null,\"c\":1}"), &doc, &err) == 0);
    ck_assert(str_eq(json_get_str(doc, "a"), (struct str){ "x\0y", 3 }));
    ck_assert_ptr_nonnull(json_get(doc, "c"));
    ck_assert_ptr_null(json_get(doc, "b"));
    ck_assert_ptr_null(json_get(doc, "d"));
    ck_assert_ptr_null(json_get(json_get(doc, "c"), "a"));
    ck_assert_ptr_null(json_get_str(doc, "b").ptr);
    ck_assert_ptr_null(json_get_str(doc, "c").ptr);
    ck_assert_ptr_null(json_get_str(NULL, "c").ptr);
}
END_TEST

START_TEST(a_bare_scalar_is_a_document)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err err;

    ck_assert(json_parse(STR(" 12 "), &doc, &err) == 0);
    ck_assert_int_eq(json_integer_value(doc), 12);
}
END_TEST

struct bad_row {
    const char *text;
    const char *place;  /* the message's beginning */
    const char *reason; /* and a part of it */
};

static const struct bad_row bad_rows[] = {
    {"",                      "1:0: ", "end of file"               },
    { "{\"a\":1,\n\"a\":2}",  "2:3: ", "duplicate object key"      },
    { "{\"a\":1,\n \"b\" 2}", "2:6: ", "':' expected"              },
    { "[1,\n2,\n",            "3:0: ", "expected near end of file" },
    { "[1] x",                "1:5: ", "end of file expected"      },
    { "\"\xff\"",             "1:1: ", "unable to decode byte 0xff"},
    { "[\"a\x01\"]",          "1:3: ", "control character"         },
};

START_TEST(an_error_names_line_and_column)
{
    const struct bad_row *row = &bad_rows[_i];
    json_t *doc = NULL;
    struct err err = { 0 };

    ck_assert_int_eq(json_parse(str_from(row->text), &doc, &err), -1);
    ck_assert_ptr_null(doc);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_msg(str_starts_with(str_from(err.text), str_from(row->place)), "'%s': %s", row->text,
                  err.text);
    ck_assert_msg(strstr(err.text, row->reason), "'%s': %s", row->text, err.text);
    for (const char *at = err.text; *at; at++)
        ck_assert((unsigned char)*at >= 0x20);
}
END_TEST

/* Jansson itself takes a NUL byte for the end of the text. */
START_TEST(a_nul_byte_is_an_error_wherever_it_stands)
{
    static const struct str texts[] = { STR_INIT("\0"), STR_INIT("[1,\n 2]\0 x"),
                                        STR_INIT("[\n\0]"), STR_INIT("\"a\0\"") };
    static const char *const messages[] = { "1:1: NUL byte", "2:4: NUL byte", "2:1: NUL byte",
                                            "1:3: NUL byte" };
    json_t *doc;
    struct err err;

    ck_assert_int_eq(json_parse(texts[_i], &doc, &err), -1);
    ck_assert_str_eq(err.text, messages[_i]);
}
END_TEST

START_TEST(nesting_beyond_the_parsers_limit_is_an_error)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    json_t *doc;
    struct err err;

    for (int i = 0; i < 100000; i++)
        buf_add_byte(&text, '[');
    ck_assert_int_eq(json_parse(buf_str(&text), &doc, &err), -1);
    ck_assert(strstr(err.text, "depth"));
    ck_assert_int_eq(json_parse((struct str){ 0 }, &doc, &err), -1);
}
END_TEST

struct string_row {
    struct str bytes;
    const char *json;
};

#define FFFD "\xef\xbf\xbd"

static const struct string_row string_rows[] = {
    ROW(STR_INIT(""), "\"\""),
    ROW(STR_INIT("plain"), "\"plain\""),
    ROW(STR_INIT("\"\\/"), "\"\\\"\\\\/\""),
    ROW(STR_INIT("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""),
    ROW(STR_INIT("a\0b"), "\"a\\u0000b\""),
    ROW(STR_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    ROW(STR_INIT("a\x80z"), "\"a" FFFD "z\""),
    ROW(STR_INIT("\xc0\xaf"), "\"" FFFD FFFD "\""),                   /* overlong */
    ROW(STR_INIT("\xe0\x80\xaf"), "\"" FFFD FFFD FFFD "\""),          /* overlong */
    ROW(STR_INIT("\xed\xa0\x80"), "\"" FFFD FFFD FFFD "\""),          /* surrogate */
    ROW(STR_INIT("\xf4\x90\x80\x80"), "\"" FFFD FFFD FFFD FFFD "\""), /* beyond U+10FFFF */
    ROW(STR_INIT("\xe2\x82"), "\"" FFFD "\""), /* cut short: replaced as one */
    ROW(STR_INIT("\xf0\x9f\x98x"), "\"" FFFD "x\""),
    ROW(STR_INIT("\xc3\xc3\xa9"), "\"" FFFD "\xc3\xa9\""),
    ROW(STR_INIT("\xff\xfe"), "\"" FFFD FFFD "\""),
};

START_TEST(a_string_is_escaped_and_its_bad_bytes_replaced)
{
    const struct string_row *row = &string_rows[_i];
    CLEANUP(buf_release) struct buf out = { 0 };

    json_add_string(&out, row->bytes);
    ck_assert_str_eq(buf_cstr(&out), row->json);
}
END_TEST

START_TEST(a_byte_is_written_the_same_wherever_in_a_string_it_stands)
{
    for (int byte = 0; byte < 256; byte++)
        for (size_t at = 0; at < 19; at++) {
            CLEANUP(buf_release) struct buf out = { 0 }, wanted = { 0 }, one = { 0 };
            char bytes[19], alone = (char)byte;
            memset(bytes, 'a', sizeof(bytes));
            bytes[at] = alone;
            json_add_string(&out, (struct str){ bytes, sizeof(bytes) });
            json_add_string(&one, (struct str){ &alone, 1 });
            buf_addf(&wanted, "\"%.*s", (int)at, "aaaaaaaaaaaaaaaaaaa");
            buf_add(&wanted, one.ptr + 1, one.len - 2);
            buf_addf(&wanted, "%.*s\"", (int)(18 - at), "aaaaaaaaaaaaaaaaaaa");
            ck_assert_msg(str_eq(buf_str(&out), buf_str(&wanted)), "%d at %zu", byte, at);
        }
}
END_TEST

START_TEST(whatever_is_written_can_be_read_back)
{
    uint32_t seed = 1;

    for (int round = 0; round < 2000; round++) {
        CLEANUP(buf_release) struct buf out = { 0 }, back = { 0 };
        CLEANUP(json_decref) json_t *doc = NULL;
        char bytes[24];
        struct jscan s;
        struct err err;
        for (size_t i = 0; i < sizeof(bytes); i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (char)(seed >> (round % 2 ? 24 : 25)); /* every byte, or ASCII */
        }
        json_add_string(&out, (struct str){ bytes, sizeof(bytes) });
        ck_assert_msg(json_parse(buf_str(&out), &doc, &err) == 0, "%s", err.text);
        jscan_init(&s, buf_str(&out));
        ck_assert(jscan_string(&s, &back));
        ck_assert(str_eq(buf_str(&back),
                         (struct str){ json_string_value(doc), json_string_length(doc) }));
        if (round % 2 == 0)
            ck_assert(str_eq(buf_str(&back), (struct str){ bytes, sizeof(bytes) }));
    }
}
END_TEST

START_TEST(members_are_written_with_their_commas)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    buf_add_text(&out, "{");
    json_add_str(&out, "a", STR("x\"{"));
    json_add_str(&out, "left_out", (struct str){ 0 });
    json_add_str(&out, "empty", STR(""));
    json_add_int(&out, "b", INT64_MIN);
    json_add_bool(&out, "c", true);
    json_add_key(&out, "d\n");
    buf_add_text(&out, "[");
    buf_add_text(&out, "{");
    json_add_bool(&out, "e", false);
    buf_add_text(&out, "}]}");
    ck_assert_str_eq(buf_cstr(&out), "{\"a\":\"x\\\"{\",\"empty\":\"\",\"b\":-9223372036854775808,"
                                     "\"c\":true,\"d\\n\":[{\"e\":false}]}");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, members_are_found_and_null_counts_as_missing);
    tcase_add_test(tc, a_bare_scalar_is_a_document);
    tcase_add_loop_test(tc, an_error_names_line_and_column, 0, ARRAY_LEN(bad_rows));
    tcase_add_loop_test(tc, a_nul_byte_is_an_error_wherever_it_stands, 0, 4);
    tcase_add_test(tc, nesting_beyond_the_parsers_limit_is_an_error);
    tcase_add_loop_test(tc, a_string_is_escaped_and_its_bad_bytes_replaced, 0,
                        ARRAY_LEN(string_rows));
    tcase_add_test(tc, a_byte_is_written_the_same_wherever_in_a_string_it_stands);
    tcase_add_test(tc, whatever_is_written_can_be_read_back);
    tcase_add_test(tc, members_are_written_with_their_commas);
}
CHECK_MAIN("base/json", add_tests)
