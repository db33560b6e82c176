/* Errors gather their story on the way up and never overflow. */
#include "config.h"

#include "base/err.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/le.h"
#include "tests/check_main.h"

START_TEST(a_failure_keeps_its_code_and_grows_a_prefix)
{
    struct err err;

    ck_assert_int_eq(err_set(&err, ERR_CORRUPT, "bad byte %d", 7), -1);
    ck_assert_int_eq(err_wrap(&err, "frame %d", 3), -1);
    ck_assert_int_eq(err_wrap(&err, "journal '%s'", "x"), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_int_eq(err.sys, 0);
    ck_assert_str_eq(err.text, "journal 'x': frame 3: bad byte 7");
}
END_TEST

START_TEST(a_system_failure_says_why)
{
    struct err err;

    errno = ENOENT;
    ck_assert_int_eq(err_sys(&err, "cannot open '%s'", "x"), -1);
    ck_assert_int_eq(err.code, ERR_SYS);
    ck_assert_int_eq(err.sys, ENOENT);
    ck_assert_str_eq(err.text, "cannot open 'x': No such file or directory");
}
END_TEST

START_TEST(a_long_story_is_cut_and_terminated)
{
    struct err err;
    char longer[2 * sizeof(err.text)];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    err_set(&err, ERR_LIMIT, "%s", longer);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
    err_wrap(&err, "first");
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
    ck_assert_int_eq(strncmp(err.text, "first: xxx", 10), 0);
    err_wrap(&err, "%s", longer);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
    errno = ENOENT;
    err_sys(&err, "%s", longer);
    ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

START_TEST(little_endian_integers_lie_lowest_byte_first)
{
    uint8_t bytes[4];

    le32_put(bytes, 0x89abcdef);
    ck_assert_mem_eq(bytes, "\xef\xcd\xab\x89", 4);
    ck_assert_uint_eq(le32_get(bytes), 0x89abcdef);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_failure_keeps_its_code_and_grows_a_prefix);
    tcase_add_test(tc, a_system_failure_says_why);
    tcase_add_test(tc, a_long_story_is_cut_and_terminated);
    tcase_add_test(tc, little_endian_integers_lie_lowest_byte_first);
}
CHECK_MAIN("base/err", add_tests)
