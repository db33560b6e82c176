/* Growing bytes. */
#include "config.h"

#include "base/buf.h"

#include <string.h>

#include "tests/check_main.h"

START_TEST(what_is_added_stays_in_order)
{
    CLEANUP(buf_release) struct buf buf = { 0 };

    ck_assert_str_eq(buf_cstr(&buf), "");
    ck_assert_uint_eq(buf.len, 0);
    buf_add(&buf, "ab\0c", 4);
    buf_add(&buf, NULL, 0);
    buf_add_str(&buf, (struct str){ 0 });
    buf_add_str(&buf, STR("de"));
    buf_add_text(&buf, "");
    buf_add_byte(&buf, 'f');
    buf_addf(&buf, "%s-%d", "g", 7);
    buf_addf(&buf, "%s", "");
    ck_assert(str_eq(buf_str(&buf), STR("ab\0cdefg-7")));
    ck_assert_int_eq(buf_cstr(&buf)[buf.len], '\0');
}
END_TEST

START_TEST(integers_are_written_in_decimal)
{
    CLEANUP(buf_release) struct buf buf = { 0 };
    static const int64_t values[] = { 0, 9, 10, -1, INT64_MAX, INT64_MIN };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        buf_add_int(&buf, values[i]);
        buf_add_byte(&buf, ' ');
    }
    ck_assert_str_eq(buf_cstr(&buf), "0 9 10 -1 9223372036854775807 -9223372036854775808 ");
}
END_TEST

START_TEST(growth_keeps_every_byte)
{
    CLEANUP(buf_release) struct buf buf = { 0 };

    for (int i = 0; i < 300000; i++)
        buf_add_byte(&buf, (char)(i * 31));
    for (int i = 0; i < 300000; i++)
        if (buf.ptr[i] != (char)(i * 31))
            ck_abort_msg("byte %d", i);
    ck_assert_uint_ge(buf.cap, buf.len);
}
END_TEST

START_TEST(a_long_formatted_text_is_whole)
{
    CLEANUP(buf_release) struct buf buf = { 0 };

    buf_add_byte(&buf, '<');
    buf_addf(&buf, "%100000d", 5);
    ck_assert_uint_eq(buf.len, 100001);
    ck_assert_int_eq(buf.ptr[100000], '5');
}
END_TEST

START_TEST(reserved_room_is_there_and_not_counted)
{
    CLEANUP(buf_release) struct buf buf = { 0 };

    memset(buf_reserve(&buf, 1000), 'x', 1000);
    ck_assert_uint_eq(buf.len, 0);
    buf.len += 10;
    ck_assert_ptr_nonnull(buf_reserve(&buf, 0));
    ck_assert(str_eq(buf_str(&buf), STR("xxxxxxxxxx")));
}
END_TEST

START_TEST(consuming_takes_from_the_front)
{
    CLEANUP(buf_release) struct buf buf = { 0 };

    buf_consume(&buf, 0);
    buf_add_text(&buf, "abcdef");
    buf_consume(&buf, 2);
    ck_assert_str_eq(buf_cstr(&buf), "cdef");
    buf_consume(&buf, 4);
    ck_assert_str_eq(buf_cstr(&buf), "");
}
END_TEST

START_TEST(clearing_keeps_the_room_and_releasing_does_not)
{
    struct buf buf = { 0 };

    buf_add_text(&buf, "abc");
    size_t cap = buf.cap;
    buf_clear(&buf);
    ck_assert_uint_eq(buf.len, 0);
    ck_assert_uint_eq(buf.cap, cap);
    buf_release(&buf);
    ck_assert_ptr_null(buf.ptr);
    ck_assert_uint_eq(buf.cap, 0);
    buf_release(&buf);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, what_is_added_stays_in_order);
    tcase_add_test(tc, integers_are_written_in_decimal);
    tcase_add_test(tc, growth_keeps_every_byte);
    tcase_add_test(tc, a_long_formatted_text_is_whole);
    tcase_add_test(tc, reserved_room_is_there_and_not_counted);
    tcase_add_test(tc, consuming_takes_from_the_front);
    tcase_add_test(tc, clearing_keeps_the_room_and_releasing_does_not);
}
CHECK_MAIN("base/buf", add_tests)
