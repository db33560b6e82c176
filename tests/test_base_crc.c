/* Checksums against the values their standards publish, and one way of computing against another.
 */
#include "config.h"

#include "base/crc.h"

#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

/* RFC 3720 B.4 (there as bytes on the wire, lowest first), and the catalogued check value. */
static const struct vector {
    int first, step, len;
    uint32_t crc;
} vectors[] = {
    {0x00,  0,  32, 0x8a9136aa},
    { 0xff, 0,  32, 0x62a8ab43},
    { 0x00, 1,  32, 0x46dd794e},
    { 0x1f, -1, 32, 0x113fdb5c},
    { '1',  1,  9,  0xe3069283},
    { 0,    0,  0,  0         },
};

START_TEST(crc32c_gives_the_published_values_both_ways)
{
    const struct vector *v = &vectors[_i];
    uint8_t bytes[32];

    for (int i = 0; i < v->len; i++)
        bytes[i] = (uint8_t)(v->first + i * v->step);
    ck_assert_uint_eq(crc32c(bytes, (size_t)v->len), v->crc);
    ck_assert_uint_eq(crc32c_by_table(bytes, (size_t)v->len), v->crc);
}
END_TEST

static void fill(uint8_t *bytes, size_t len)
{
    uint32_t state = 12345;

    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

/* One bit at a time, straight from the definition. */
static uint32_t crc_by_bits(uint32_t reversed_polynomial, const uint8_t *bytes, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) ? reversed_polynomial : 0);
    }
    return ~crc;
}

START_TEST(all_lengths_and_alignments_agree_with_the_definition)
{
    uint8_t bytes[80];

    fill(bytes, sizeof(bytes));
    for (size_t from = 0; from < 8; from++) {
        for (size_t len = 0; len + from <= sizeof(bytes); len++) {
            uint32_t castagnoli = crc_by_bits(0x82f63b78, bytes + from, len);
            ck_assert_uint_eq(crc32c(bytes + from, len), castagnoli);
            ck_assert_uint_eq(crc32c_by_table(bytes + from, len), castagnoli);
            ck_assert_uint_eq(crc32_ieee(0, bytes + from, len),
                              crc_by_bits(0xedb88320, bytes + from, len));
        }
    }
}
END_TEST

START_TEST(long_ones_agree_with_the_tables)
{
    static uint8_t bytes[4000];

    fill(bytes, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes) - 7; len += len < 1000 ? 1 : 13)
        ck_assert_uint_eq(crc32c(bytes + len % 8, len), crc32c_by_table(bytes + len % 8, len));
}
END_TEST

START_TEST(crc32_ieee_gives_the_published_value_and_chains)
{
    ck_assert_uint_eq(crc32_ieee(0, "123456789", 9), 0xcbf43926);
    uint32_t half = crc32_ieee(0, "1234", 4);
    ck_assert_uint_eq(crc32_ieee(half, "56789", 5), 0xcbf43926);
    ck_assert_uint_eq(crc32_ieee(half, NULL, 0), half);
}
END_TEST

START_TEST(any_flipped_bit_is_noticed)
{
    uint8_t bytes[40];

    fill(bytes, sizeof(bytes));
    uint32_t good = crc32c(bytes, sizeof(bytes));
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_uint_ne(crc32c(bytes, sizeof(bytes)), good);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, crc32c_gives_the_published_values_both_ways, 0, ARRAY_LEN(vectors));
    tcase_add_test(tc, all_lengths_and_alignments_agree_with_the_definition);
    tcase_add_test(tc, long_ones_agree_with_the_tables);
    tcase_add_test(tc, crc32_ieee_gives_the_published_value_and_chains);
    tcase_add_test(tc, any_flipped_bit_is_noticed);
}
CHECK_MAIN("base/crc", add_tests)
