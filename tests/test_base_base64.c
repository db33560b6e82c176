/* RFC 4648: its vectors, both alphabets, and what must be refused. */
#include "config.h"

#include "base/base64.h"

#include <string.h>

#include "tests/check_main.h"

static struct err err;

static const struct row {
    const char *bytes, *text;
} rows[] = {
    {"",          ""        },
    { "f",        "Zg=="    },
    { "fo",       "Zm8="    },
    { "foo",      "Zm9v"    },
    { "foob",     "Zm9vYg=="},
    { "fooba",    "Zm9vYmE="},
    { "foobar",   "Zm9vYmFy"},
    { "\xfb\xff", "+/8="    },
};

START_TEST(the_vectors_of_the_rfc_hold_both_ways)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    base64_encode(&out, str_from(rows[_i].bytes));
    ck_assert_str_eq(buf_cstr(&out), rows[_i].text);
    buf_clear(&out);
    buf_add_text(&out, "before:");
    ck_assert_int_eq(base64_decode(&out, str_from(rows[_i].text), &err), 0);
    ck_assert_str_eq(buf_cstr(&out) + strlen("before:"), rows[_i].bytes);
}
END_TEST

START_TEST(url_safe_and_unpadded_text_decodes_too)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    ck_assert_int_eq(base64_decode(&out, STR("-_8="), &err), 0);
    ck_assert_int_eq(base64_decode(&out, STR("-_8"), &err), 0);
    ck_assert_int_eq(base64_decode(&out, STR("Zg"), &err), 0);
    ck_assert_int_eq(base64_decode(&out, (struct str){ 0 }, &err), 0);
    ck_assert(str_eq(buf_str(&out), STR("\xfb\xff\xfb\xff"
                                        "f")));
}
END_TEST

static const char *const bad[] = {
    "Z",     "Zm9vY",    "Zg=",   "Z===",   "=",    "==",   "====", "Zg==Zg==",
    "Zm9v=", "Zm9v====", "Zm 9v", "Zm9v\n", "Zm9*", "Z=8=", "Zh==", "Zm9=",
};

START_TEST(anything_else_is_refused_and_nothing_is_appended)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    buf_add_text(&out, "kept");
    ck_assert_msg(base64_decode(&out, str_from(bad[_i]), &err) == -1, "'%s'", bad[_i]);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_int_eq(strncmp(err.text, "base64: ", 8), 0);
    ck_assert_str_eq(buf_cstr(&out), "kept");
}
END_TEST

START_TEST(all_bytes_at_all_lengths_come_back)
{
    char bytes[600];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 167 + i / 256);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        CLEANUP(buf_release) struct buf text = { 0 }, back = { 0 };
        base64_encode(&text, (struct str){ bytes, len });
        ck_assert_uint_eq(text.len, (len + 2) / 3 * 4);
        ck_assert_int_eq(base64_decode(&back, buf_str(&text), &err), 0);
        ck_assert(str_eq(buf_str(&back), (struct str){ bytes, len }));
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, the_vectors_of_the_rfc_hold_both_ways, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, url_safe_and_unpadded_text_decodes_too);
    tcase_add_loop_test(tc, anything_else_is_refused_and_nothing_is_appended, 0, ARRAY_LEN(bad));
    tcase_add_test(tc, all_bytes_at_all_lengths_come_back);
}
CHECK_MAIN("base/base64", add_tests)
