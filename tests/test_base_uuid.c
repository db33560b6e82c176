/* RFC 9562 version 7: its example, order in time, and text forms. */
#include "config.h"

#include "base/uuid.h"

#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

/* RFC 9562 A.6: 2022-02-22T19:22:22Z, rand_a 0xcc3, rand_b 0x18c4dc0c0c07398f. */
#define EXAMPLE        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"
#define EXAMPLE_UNIX_S UINT64_C(1645557742)

START_TEST(the_example_of_the_rfc_comes_out)
{
    static const uint8_t random[10] = {
        0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f
    };
    char text[UUID_TEXT_BYTES];
    struct uuid id = uuid7_make(EXAMPLE_UNIX_S * 1000000 + 999, random);

    ck_assert_str_eq(uuid_format(id, text), EXAMPLE);
    ck_assert_uint_eq(uuid7_unix_ms(id), EXAMPLE_UNIX_S * 1000);
}
END_TEST

START_TEST(version_and_variant_hold_whatever_the_random_bits)
{
    for (int fill = 0; fill < 256; fill++) {
        uint8_t random[10];
        memset(random, fill, sizeof(random));
        struct uuid id = uuid7_make(UINT64_MAX, random);
        ck_assert_uint_eq(id.bytes[6] >> 4, 7);
        ck_assert_uint_eq(id.bytes[8] >> 6, 2);
    }
}
END_TEST

START_TEST(fresh_ones_carry_their_time_differ_and_sort_by_millisecond)
{
    struct uuid before = uuid7_new(1000), last = before;

    for (uint64_t ms = 2; ms < 1000; ms++) {
        struct uuid id = uuid7_new(ms * 1000 + 500);
        ck_assert_uint_eq(uuid7_unix_ms(id), ms);
        ck_assert_int_lt(memcmp(last.bytes, id.bytes, 16), 0);
        last = id;
    }
    ck_assert_mem_ne(uuid7_new(1000).bytes, before.bytes, 16);
}
END_TEST

START_TEST(the_text_form_reads_back_in_either_case)
{
    char text[UUID_TEXT_BYTES];
    struct uuid id, again;

    ck_assert(uuid_parse(STR(EXAMPLE), &id));
    ck_assert(uuid_parse(STR("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &again));
    ck_assert_mem_eq(id.bytes, again.bytes, 16);
    ck_assert_str_eq(uuid_format(again, text), EXAMPLE);
}
END_TEST

static const char *const bad[] = {
    "",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
    "017f22e2079b0-7cc3-98c4-dc0c0c07398f",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
    "017f22e-279b0-7cc3-98c4-dc0c0c07398f",
    "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
    "017f22e279b07cc398c4dc0c0c07398f",
};

START_TEST(anything_else_is_refused)
{
    struct uuid id = { { 1 } }, untouched = id;

    ck_assert(!uuid_parse(str_from(bad[_i]), &id));
    ck_assert_mem_eq(id.bytes, untouched.bytes, 16);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, the_example_of_the_rfc_comes_out);
    tcase_add_test(tc, version_and_variant_hold_whatever_the_random_bits);
    tcase_add_test(tc, fresh_ones_carry_their_time_differ_and_sort_by_millisecond);
    tcase_add_test(tc, the_text_form_reads_back_in_either_case);
    tcase_add_loop_test(tc, anything_else_is_refused, 0, ARRAY_LEN(bad));
}
CHECK_MAIN("base/uuid", add_tests)
