#include "config.h"

#include "capture/parquet_decode.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/le.h"
#include "capture/bitpack.h"
#include "capture/parquet_codec.h"
#include "capture/parquet_encode.h"
#include "capture/parquet_format.h"
#include "tests/check_main.h"

#define COUNT 1000u

/* Bytes in a block of their own with exactly the slack decoders may read, so that the sanitizer
 * sees any byte more. */
static struct str with_slack(const struct buf *bytes)
{
    char *copy = mem_calloc(bytes->len + PAGE_SLACK, 1);

    if (bytes->len)
        memcpy(copy, bytes->ptr, bytes->len);
    return (struct str){ copy, bytes->len };
}

static void drop(struct str s)
{
    void *place;

    memcpy(&place, &s.ptr, sizeof(place)); /* with_slack's own block */
    free(place);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static uint64_t low_bits(uint64_t value, unsigned width)
{
    return width == 64 ? value : value & ((UINT64_C(1) << width) - 1);
}

START_TEST(values_of_every_width_unpack_as_packed)
{
    unsigned width = (unsigned)_i;
    uint64_t state = width + 1;

    for (size_t count = 0; count < 70; count++) {
        CLEANUP(buf_release) struct buf out = { 0 };
        uint64_t values[80], wide[80];
        uint32_t narrow_values[80], narrow[80];
        for (size_t i = 0; i < count; i++) {
            values[i] = low_bits(next_random(&state), width);
            narrow_values[i] = (uint32_t)values[i];
        }
        bitpack_add64(&out, values, count, width);
        ck_assert_uint_eq(out.len, (count + 7) / 8 * width);
        struct str in = with_slack(&out);
        bitpack_get64((const uint8_t *)in.ptr, (count + 7) / 8, width, wide);
        ck_assert_int_eq(memcmp(values, wide, count * sizeof(*wide)), 0);
        if (width <= 32) {
            size_t start = out.len;
            bitpack_add32(&out, narrow_values, count, width);
            ck_assert_int_eq(memcmp(out.ptr, out.ptr + start, start), 0);
            bitpack_get32((const uint8_t *)in.ptr, (count + 7) / 8, width, narrow);
            ck_assert_int_eq(memcmp(narrow_values, narrow, count * sizeof(*narrow)), 0);
        }
        drop(in);
    }
}
END_TEST

/* Codes in runs of random length, so that runs and packed groups alternate at all offsets. */
static void make_codes(uint32_t *codes, size_t count, unsigned width, uint64_t seed)
{
    uint64_t state = seed + 1, left = 0;

    for (size_t i = 0; i < count; i++) {
        if (left-- == 0) {
            left = next_random(&state) % 4 ? next_random(&state) % 3 : next_random(&state) % 90;
            codes[i] = (uint32_t)low_bits(next_random(&state), width);
        } else {
            codes[i] = codes[i - 1];
        }
    }
}

START_TEST(codes_of_every_width_come_back_from_the_hybrid)
{
    unsigned width = (unsigned)_i;
    static uint32_t codes[COUNT], got[COUNT + PAGE_SLACK];
    struct err err = { 0 };

    for (uint64_t seed = 0; seed < 50; seed++) {
        CLEANUP(buf_release) struct buf out = { 0 };
        size_t count = COUNT - (size_t)seed;
        size_t limit = (size_t)1 << width;
        make_codes(codes, count, width, seed);
        buf_add_byte(&out, (char)width);
        encode_hybrid(&out, codes, count, width);
        struct str in = with_slack(&out);
        ck_assert_msg(decode_codes(in, count, limit, got, &err) == 0, "%s", err.text);
        ck_assert_int_eq(memcmp(codes, got, count * sizeof(*got)), 0);
        ck_assert_int_eq(decode_codes(in, count + 8, limit, got, &err), -1);
        ck_assert_int_eq(decode_codes(in, count, 0, got, &err), -1);
        drop(in);
    }
}
END_TEST

START_TEST(a_lookup_gives_the_dictionarys_values)
{
    static uint32_t codes[5000];
    static int64_t dictionary[300], got[5000 + PAGE_SLACK];
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err = { 0 };

    for (int64_t i = 0; i < 300; i++)
        dictionary[i] = i * i * 1000003 - 5;
    make_codes(codes, 5000, 8, 3);
    buf_add_byte(&out, 9);
    encode_hybrid(&out, codes, 5000, 9);
    struct str in = with_slack(&out);
    ck_assert_int_eq(decode_lookup(in, 5000, dictionary, 256, got, &err), 0);
    for (size_t i = 0; i < 5000; i++)
        ck_assert_int_eq(got[i], dictionary[codes[i]]);
    ck_assert_int_eq(decode_lookup(in, 5000, dictionary, 200, got, &err), -1);
    ck_assert_str_eq(err.text, "dictionary code out of range");
    drop(in);
}
END_TEST

START_TEST(levels_become_null_flags)
{
    static uint32_t levels[COUNT];
    static uint8_t is_null[COUNT + PAGE_SLACK];
    struct err err = { 0 };

    for (uint64_t seed = 0; seed < 50; seed++) {
        CLEANUP(buf_release) struct buf out = { 0 };
        size_t count = COUNT - (size_t)seed, present = 0, want = 0;
        make_codes(levels, count, 1, seed);
        encode_hybrid(&out, levels, count, 1);
        struct str in = with_slack(&out);
        ck_assert_int_eq(decode_levels(in, count, is_null, &present, &err), 0);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_eq(is_null[i], 1 - levels[i]);
            want += levels[i];
        }
        ck_assert_uint_eq(present, want);
        drop(in);
    }
}
END_TEST

static const int64_t extremes[] = { 0, 1, -1, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, 42 };

/* Differences of all sizes, wrapping around too. */
static int64_t delta_sample(uint64_t *state, unsigned bits)
{
    uint64_t n = next_random(state);

    if (n % 16 == 0)
        n = (uint64_t)extremes[n / 16 % ARRAY_LEN(extremes)];
    else
        n >>= n % 64;
    return bits == 32 ? (int32_t)(uint32_t)n : (int64_t)n;
}

START_TEST(deltas_of_any_size_come_back)
{
    unsigned bits = _i ? 32 : 64;
    static int64_t values[COUNT], got[COUNT + PAGE_SLACK];
    uint64_t state = 7;
    struct err err = { 0 };

    for (size_t count = 0; count < COUNT; count += count < 300 ? 1 : 97) {
        CLEANUP(buf_release) struct buf out = { 0 };
        size_t used = 0;
        for (size_t i = 0; i < count; i++)
            values[i] = delta_sample(&state, bits);
        encode_delta(&out, values, count, bits == 32);
        size_t len = out.len;
        buf_add_text(&out, "next");
        struct str in = with_slack(&out);
        ck_assert_msg(decode_delta(in, count, bits, got, &used, &err) == 0, "%s", err.text);
        ck_assert_uint_eq(used, len);
        ck_assert_int_eq(memcmp(values, got, count * sizeof(*got)), 0);
        ck_assert_int_eq(decode_delta(in, count + 1, bits, got, &used, &err), -1);
        drop(in);
    }
}
END_TEST

START_TEST(deltas_cut_anywhere_are_an_error)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    static int64_t values[300], got[300 + PAGE_SLACK];
    uint64_t state = 9;
    struct err err = { 0 };
    size_t used;

    for (size_t i = 0; i < 300; i++)
        values[i] = delta_sample(&state, 64);
    encode_delta(&out, values, 300, false);
    /* The last miniblock is filled up with zeros that need not be there. */
    size_t filling = (32 - (300 - 1) % 128 % 32) / 8 * 64;
    for (size_t len = 0; len + filling < out.len; len++) {
        struct buf cut = { .ptr = out.ptr, .len = len };
        struct str in = with_slack(&cut);
        ck_assert_int_eq(decode_delta(in, 300, 64, got, &used, &err), -1);
        drop(in);
    }
}
END_TEST

/* Heads of DELTA_BINARY_PACKED: block size, miniblocks, count, first value. */
static const struct str bad_deltas[] = {
    STR_INIT("\x80\x01\x00\x05\x00"),                     /* no miniblocks */
    STR_INIT("\x00\x04\x05\x00"),                         /* empty blocks */
    STR_INIT("\x81\x01\x04\x05\x00"),                     /* 129 by 4 */
    STR_INIT("\x80\x01\x08\x05\x00"),                     /* miniblocks of 16 */
    STR_INIT("\x80\x80\x80\x10\x04\x05"),                 /* a huge block */
    STR_INIT("\x80\x01\x04\x05\x00\x00"),                 /* no widths */
    STR_INIT("\x80\x01\x04\x05\x00\x00\x41\x00\x00\x00"), /* 65 bits */
};

START_TEST(bad_heads_of_deltas_are_errors)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    int64_t got[5 + PAGE_SLACK];
    struct err err = { 0 };
    size_t used;

    buf_add_str(&bytes, bad_deltas[_i]);
    struct str in = with_slack(&bytes);
    ck_assert_int_eq(decode_delta(in, 5, 64, got, &used, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    drop(in);
}
END_TEST

static const char *const words[] = { "", "a", "ab", "abc", "abd", "b", "", "b", "bcdefgh" };

START_TEST(strings_come_back_from_all_three_encodings)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf plain = { 0 };
    CLEANUP(buf_release) struct buf lengths = { 0 };
    CLEANUP(buf_release) struct buf shared = { 0 };
    int64_t whole[ARRAY_LEN(words)], heads[ARRAY_LEN(words)], tails[ARRAY_LEN(words)];
    struct str got[ARRAY_LEN(words)];
    struct err err = { 0 };
    size_t count = ARRAY_LEN(words);

    for (size_t i = 0; i < count; i++) {
        const char *before = i ? words[i - 1] : "";
        size_t head = 0;
        while (words[i][head] && words[i][head] == before[head])
            head++;
        whole[i] = (int64_t)strlen(words[i]);
        heads[i] = (int64_t)head;
        tails[i] = whole[i] - heads[i];
        encode_plain_string(&plain, str_from(words[i]));
    }
    encode_delta(&lengths, whole, count, true);
    encode_delta(&shared, heads, count, true);
    encode_delta(&shared, tails, count, true);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(&lengths, words[i]);
        buf_add_text(&shared, words[i] + heads[i]);
    }
    struct str in[] = { with_slack(&plain), with_slack(&lengths), with_slack(&shared) };
    for (int kind = 0; kind < 3; kind++) {
        int ret = kind == 0   ? decode_plain_strings(in[0], count, got, &err)
                  : kind == 1 ? decode_delta_length(in[1], count, &arena, got, &err)
                              : decode_delta_strings(in[2], count, 100, &arena, got, &err);
        ck_assert_msg(ret == 0, "%s", err.text);
        for (size_t i = 0; i < count; i++)
            ck_assert_msg(str_eq(got[i], str_from(words[i])), "%d: %s", kind, words[i]);
        struct str cut = { in[kind].ptr, in[kind].len - 1 };
        ret = kind == 0   ? decode_plain_strings(cut, count, got, &err)
              : kind == 1 ? decode_delta_length(cut, count, &arena, got, &err)
                          : decode_delta_strings(cut, count, 100, &arena, got, &err);
        ck_assert_int_eq(ret, -1);
    }
    ck_assert_int_eq(decode_delta_strings(in[2], count, 10, &arena, got, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    for (int kind = 0; kind < 3; kind++)
        drop(in[kind]);
}
END_TEST

START_TEST(a_string_cannot_share_more_than_the_one_before_it_has)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct str got[2];
    struct err err = { 0 };

    encode_delta(&bytes, (int64_t[]){ 0, 3 }, 2, true);
    encode_delta(&bytes, (int64_t[]){ 2, 1 }, 2, true);
    buf_add_text(&bytes, "abc");
    struct str in = with_slack(&bytes);
    ck_assert_int_eq(decode_delta_strings(in, 2, 100, &arena, got, &err), -1);
    ck_assert_str_eq(err.text, "text shares more than the one before it has");
    drop(in);
}
END_TEST

START_TEST(booleans_come_back_from_both_encodings)
{
    CLEANUP(buf_release) struct buf plain = { 0 };
    CLEANUP(buf_release) struct buf runs = { 0 };
    static uint32_t bits[COUNT];
    static int64_t values[COUNT], got[COUNT + PAGE_SLACK];
    struct err err = { 0 };

    make_codes(bits, COUNT, 1, 5);
    for (size_t i = 0; i < COUNT; i++)
        values[i] = bits[i];
    encode_plain_bools(&plain, values, COUNT);
    buf_add(&runs, "\0\0\0\0", 4);
    encode_hybrid(&runs, bits, COUNT, 1);
    le32_put((uint8_t *)runs.ptr, (uint32_t)runs.len - 4);
    struct str in = with_slack(&plain), in_runs = with_slack(&runs);
    ck_assert_int_eq(decode_plain_bools(in, COUNT, got, &err), 0);
    ck_assert_int_eq(memcmp(values, got, sizeof(values)), 0);
    memset(got, 9, sizeof(got));
    ck_assert_int_eq(decode_rle_bools(in_runs, COUNT, got, &err), 0);
    ck_assert_int_eq(memcmp(values, got, sizeof(values)), 0);
    ck_assert_int_eq(decode_plain_bools(in, COUNT + 8, got, &err), -1);
    ck_assert_int_eq(decode_rle_bools(in, COUNT, got, &err), -1);
    drop(in);
    drop(in_runs);
}
END_TEST

/* Snappy by hand: length, then literals and copies with 1, 2 and 4 bytes of distance. */
static const struct snappy_row {
    struct str in;
    const char *out; /* NULL = bad */
    size_t len;
} snappy_rows[] = {
    {STR_INIT("\x00"),                             "",             0 },
    { STR_INIT("\x03\x08xyz"),                     "xyz",          3 },
    { STR_INIT("\x03\xf0\x02xyz"),                 "xyz",          3 },
    { STR_INIT("\x0c\x08xyz\x15\x03"),             "xyzxyzxyzxyz", 12},
    { STR_INIT("\x0c\x08xyz\x22\x03\x00"),         "xyzxyzxyzxyz", 12},
    { STR_INIT("\x0c\x08xyz\x23\x03\x00\x00\x00"), "xyzxyzxyzxyz", 12},
    { STR_INIT("\x08\x08xyz\x12\x01\x00"),         "xyzzzzzz",     8 },
    { STR_INIT("\x04\x08xyz"),                     NULL,           4 },
    { STR_INIT("\x02\x08xyz"),                     NULL,           2 },
    { STR_INIT("\x03\x0cxyz"),                     NULL,           3 },
    { STR_INIT("\x0c\x08xyz\x15\x04"),             NULL,           12},
    { STR_INIT("\x0c\x08xyz\x15\x00"),             NULL,           12},
    { STR_INIT("\x0b\x08xyz\x15\x03"),             NULL,           11},
    { STR_INIT("\x0c\x08xyz\x15"),                 NULL,           12},
    { STR_INIT("\x03\xf0"),                        NULL,           3 },
    { STR_INIT("\x03\xfc\xff\xff\xff\xffxyz"),     NULL,           3 },
    { STR_INIT(""),                                NULL,           0 },
};

START_TEST(snappy_is_undone_and_bad_snappy_refused)
{
    const struct snappy_row *row = &snappy_rows[_i];
    uint8_t out[16];
    struct err err = { 0 };

    int ret = parquet_decompress(PQ_SNAPPY, NULL, row->in, out, row->len, &err);
    ck_assert_int_eq(ret, row->out ? 0 : -1);
    if (row->out)
        ck_assert_int_eq(memcmp(out, row->out, row->len), 0);
    else
        ck_assert_int_eq(err.code, ERR_CORRUPT);
}
END_TEST

START_TEST(gzip_and_zstd_must_give_exactly_the_bytes_promised)
{
    static const char text[] = "some text, some text, some text";
    struct ZSTD_DCtx_s *zstd = ZSTD_createDCtx();
    uint8_t packed[2][200], out[100];
    struct err err = { 0 };
    uLongf gzip_len = sizeof(packed[0]);

    ck_assert_int_eq(compress(packed[0], &gzip_len, (const Bytef *)text, sizeof(text)), Z_OK);
    size_t zstd_len = ZSTD_compress(packed[1], sizeof(packed[1]), text, sizeof(text), 3);
    for (int i = 0; i < 2; i++) {
        struct str in = { (const char *)packed[i], i ? zstd_len : gzip_len };
        int32_t codec = i ? PQ_ZSTD : PQ_GZIP;
        ck_assert_int_eq(parquet_decompress(codec, zstd, in, out, sizeof(text), &err), 0);
        ck_assert_int_eq(memcmp(out, text, sizeof(text)), 0);
        ck_assert_int_eq(parquet_decompress(codec, zstd, in, out, sizeof(text) + 1, &err), -1);
        ck_assert_int_eq(parquet_decompress(codec, zstd, in, out, sizeof(text) - 1, &err), -1);
        in.len--;
        ck_assert_int_eq(parquet_decompress(codec, zstd, in, out, sizeof(text), &err), -1);
        ck_assert_int_eq(err.code, ERR_CORRUPT);
    }
    ck_assert_int_eq(parquet_decompress(4, zstd, STR("x"), out, 1, &err), -1);
    ck_assert_int_eq(err.code, ERR_UNSUPPORTED);
    ck_assert_int_eq(parquet_decompress(PQ_UNCOMPRESSED, zstd, STR("x"), out, 2, &err), -1);
    ZSTD_freeDCtx(zstd);
}
END_TEST

/* Frames may follow one another, but not one of zstd 0.7: see base/codec.h. */
START_TEST(zstd_of_before_0_8_is_no_page)
{
    static const char old[] = "\x27\xb5\x2f\xfd\x04\x37\xb5\x2f\xfd\x04\x37\x02\x02\x99\x22";
    struct ZSTD_DCtx_s *zstd = ZSTD_createDCtx();
    uint8_t packed[200], out[8];
    struct err err;

    size_t len = ZSTD_compress(packed, 100, "text", 4, 1);
    memcpy(packed + len, packed, len);
    struct str in = { (const char *)packed, 2 * len };
    ck_assert_int_eq(parquet_decompress(PQ_ZSTD, zstd, in, out, sizeof(out), &err), 0);
    ck_assert_int_eq(memcmp(out, "texttext", sizeof(out)), 0);
    memcpy(packed + len, old, sizeof(old) - 1);
    in.len = len + sizeof(old) - 1;
    ck_assert_int_eq(parquet_decompress(PQ_ZSTD, zstd, in, out, sizeof(out), &err), -1);
    in = (struct str){ old, sizeof(old) - 1 };
    ck_assert_int_eq(parquet_decompress(PQ_ZSTD, zstd, in, out, sizeof(out), &err), -1);
    ck_assert_str_eq(err.text, "bad zstd data: it is not made of whole frames");
    ZSTD_freeDCtx(zstd);
}
END_TEST

/* Whatever the bytes, decoders give an error or values: under the sanitizers, no crash. */
START_TEST(random_bytes_never_crash_a_decoder)
{
    static int64_t ints[COUNT + PAGE_SLACK], dictionary[16];
    static uint32_t codes[COUNT + PAGE_SLACK];
    static uint8_t nulls[COUNT + PAGE_SLACK];
    static struct str texts[COUNT];
    uint64_t state = 11;

    for (int turn = 0; turn < 20000; turn++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        CLEANUP(buf_release) struct buf bytes = { 0 };
        struct err err;
        size_t used, count = next_random(&state) % COUNT;
        for (size_t i = next_random(&state) % 60; i > 0; i--)
            buf_add_byte(&bytes, (char)(next_random(&state) >> (next_random(&state) % 8)));
        struct str in = with_slack(&bytes);
        decode_levels(in, count, nulls, &used, &err);
        decode_codes(in, count, 16, codes, &err);
        decode_lookup(in, count, dictionary, 16, ints, &err);
        decode_delta(in, count, 32, ints, &used, &err);
        decode_rle_bools(in, count, ints, &err);
        decode_plain_strings(in, count % 8, texts, &err);
        decode_delta_length(in, count % 8, &arena, texts, &err);
        decode_delta_strings(in, count % 8, 1000, &arena, texts, &err);
        drop(in);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, values_of_every_width_unpack_as_packed, 0, 65);
    tcase_add_loop_test(tc, codes_of_every_width_come_back_from_the_hybrid, 1, 33);
    tcase_add_test(tc, a_lookup_gives_the_dictionarys_values);
    tcase_add_test(tc, levels_become_null_flags);
    tcase_add_loop_test(tc, deltas_of_any_size_come_back, 0, 2);
    tcase_add_test(tc, deltas_cut_anywhere_are_an_error);
    tcase_add_loop_test(tc, bad_heads_of_deltas_are_errors, 0, (int)ARRAY_LEN(bad_deltas));
    tcase_add_test(tc, strings_come_back_from_all_three_encodings);
    tcase_add_test(tc, a_string_cannot_share_more_than_the_one_before_it_has);
    tcase_add_test(tc, booleans_come_back_from_both_encodings);
    tcase_add_loop_test(tc, snappy_is_undone_and_bad_snappy_refused, 0,
                        (int)ARRAY_LEN(snappy_rows));
    tcase_add_test(tc, gzip_and_zstd_must_give_exactly_the_bytes_promised);
    tcase_add_test(tc, zstd_of_before_0_8_is_no_page);
    tcase_add_test(tc, random_bytes_never_crash_a_decoder);
}
CHECK_MAIN("capture/parquet_decode", add_tests)
