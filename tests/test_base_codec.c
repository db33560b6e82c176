#include "config.h"

#include "base/codec.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/check_main.h"

#define LIMIT (1u << 20)

/* --- encoders: each appends the encoding of text to out --- */

static void add_deflated(struct buf *out, struct str text, int window_bits)
{
    z_stream z = { 0 };
    char *input = mem_strndup(text.ptr, text.len);

    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)input;
    z.avail_in = (unsigned)text.len;
    size_t room = deflateBound(&z, text.len) + 32;
    z.next_out = (Bytef *)buf_reserve(out, room);
    z.avail_out = (unsigned)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += room - z.avail_out;
    deflateEnd(&z);
    free(input);
}

static void add_gzip(struct buf *out, struct str text)
{
    add_deflated(out, text, 16 + MAX_WBITS);
}

static void add_gzip_members(struct buf *out, struct str text)
{
    add_gzip(out, str_sub(text, 0, text.len / 3));
    add_gzip(out, STR(""));
    add_gzip(out, str_sub(text, text.len / 3, text.len));
}

static void add_gzip_padded(struct buf *out, struct str text)
{
    add_gzip(out, text);
    buf_add(out, "\0\0\0\0\0\0\0", 7);
}

static void add_zlib(struct buf *out, struct str text)
{
    add_deflated(out, text, MAX_WBITS);
}

static void add_zlib_small_window(struct buf *out, struct str text)
{
    add_deflated(out, text, 9);
}

static void add_raw_deflate(struct buf *out, struct str text)
{
    add_deflated(out, text, -MAX_WBITS);
}

static void add_zstd(struct buf *out, struct str text)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(text.len);

    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(z, buf_reserve(out, room), room, text.ptr, text.len);
    ck_assert(!ZSTD_isError(n));
    out->len += n;
    ZSTD_freeCCtx(z);
}

static void add_zstd_frames(struct buf *out, struct str text)
{
    add_zstd(out, str_sub(text, 0, text.len / 2));
    buf_add(out, "\x50\x2a\x4d\x18\x03\0\0\0abc", 11); /* a skippable frame */
    add_zstd(out, str_sub(text, text.len / 2, text.len));
}

static void add_identity(struct buf *out, struct str text)
{
    buf_add_str(out, text);
}

/* sample_text in brotli, quality 11, window 22, by libbrotlienc 1.0.9: 1241 bytes in 212. */
static const unsigned char sample_br[] = {
    0x1b, 0xd8, 0x04, 0x20, 0x1c, 0x05, 0x6e, 0xec, 0x98, 0x39, 0x7e, 0x1d, 0x82, 0x74, 0x3a, 0xc8,
    0x0d, 0x67, 0xea, 0x0f, 0x49, 0x04, 0x64, 0xbc, 0x44, 0xf6, 0x12, 0x44, 0xa1, 0x0f, 0x0a, 0x3c,
    0x91, 0xdb, 0xd8, 0x5b, 0x1e, 0xed, 0xce, 0x8a, 0x5a, 0x8c, 0xb5, 0xa3, 0x0e, 0x74, 0x82, 0x03,
    0x9a, 0xe1, 0x40, 0x37, 0xc6, 0x60, 0x62, 0x30, 0x1f, 0x9b, 0x7e, 0xe6, 0xd7, 0x23, 0xff, 0xf7,
    0x33, 0xdf, 0x21, 0x7c, 0x8a, 0x36, 0x77, 0x5e, 0x8e, 0x9c, 0x1b, 0x50, 0x33, 0x23, 0x7a, 0x36,
    0xe6, 0xad, 0xb7, 0xc9, 0x5c, 0x84, 0xf2, 0x2e, 0x1c, 0xec, 0x23, 0x36, 0xfe, 0xc5, 0x54, 0x3b,
    0x43, 0x14, 0x2d, 0xb7, 0xe4, 0x09, 0x03, 0x50, 0xc5, 0x8a, 0x6e, 0x62, 0x5e, 0xf7, 0xc4, 0xd4,
    0x05, 0x5f, 0xe3, 0xb3, 0x6e, 0x3d, 0xee, 0xf4, 0x66, 0x88, 0x6e, 0xca, 0x6d, 0x7a, 0x64, 0x61,
    0x50, 0xa5, 0x24, 0x4e, 0xcc, 0xeb, 0x4a, 0x4c, 0x6b, 0xf0, 0x55, 0x3d, 0x76, 0xbe, 0xf4, 0xc8,
    0x29, 0x66, 0x04, 0x71, 0xb9, 0xb7, 0x0f, 0xf2, 0x9d, 0x02, 0xaa, 0x3c, 0x7d, 0xbd, 0x92, 0xf1,
    0x54, 0x18, 0x40, 0xb8, 0xa8, 0x71, 0xaf, 0x68, 0x48, 0x94, 0x47, 0x51, 0x00, 0x51, 0x96, 0xa2,
    0xe0, 0x89, 0x46, 0x45, 0xb9, 0x11, 0xad, 0x28, 0x0a, 0x23, 0x8a, 0x21, 0x1e, 0x16, 0x87, 0x10,
    0xdf, 0x0d, 0xe2, 0x28, 0xe2, 0xbc, 0x11, 0x8f, 0x8a, 0x5f, 0x7d, 0xcb, 0x4c, 0x1f, 0xc1, 0x57,
    0xe3, 0xd8, 0xc5, 0x01,
};

/* 1 MiB of zero bytes, likewise. */
static const unsigned char zeros_br[] = { 0x5b, 0xff, 0xff, 0x8f, 0x7f, 0x02, 0x20,
                                          0x1e, 0x0b, 0x04, 0x72, 0xef, 0x1f, 0x00 };

static void add_br(struct buf *out, struct str text)
{
    (void)text; /* it is sample_text */
    buf_add(out, sample_br, sizeof(sample_br));
}

static void add_br_in_zstd(struct buf *out, struct str text)
{
    (void)text;
    add_zstd(out, (struct str){ (const char *)sample_br, sizeof(sample_br) });
}

static void add_gzip_in_deflate_in_gzip(struct buf *out, struct str text)
{
    CLEANUP(buf_release) struct buf inner = { 0 }, middle = { 0 };

    add_gzip(&inner, text);
    add_raw_deflate(&middle, buf_str(&inner));
    add_gzip(out, buf_str(&middle));
}

static void sample_text(struct buf *out)
{
    for (int i = 0; i < 60; i++)
        buf_addf(out, "%d: {\"delta\": \"%d\"}\n", i, i * i * 7919 % 1000);
}

typedef void (*encode_fn)(struct buf *out, struct str text);

struct encoding_row {
    const char *header;
    encode_fn encode;
    bool checked;       /* damage cannot go unnoticed */
    bool may_end_early; /* some cuts leave a whole shorter stream */
};

static const struct encoding_row encodings[] = {
    {"gzip",                           add_gzip,                    true,  false},
    { "x-gzip",                        add_gzip_members,            true,  true },
    { " GZip ,",                       add_gzip_padded,             true,  true },
    { "deflate",                       add_zlib,                    true,  false},
    { "deflate",                       add_zlib_small_window,       true,  false},
    { "deflate",                       add_raw_deflate,             false, false},
    { "br",                            add_br,                      false, false},
    { "zstd",                          add_zstd,                    true,  false},
    { "zstd",                          add_zstd_frames,             true,  true },
    { "",                              add_identity,                false, true },
    { "identity",                      add_identity,                false, true },
    { "br, zstd",                      add_br_in_zstd,              true,  false},
    { "gzip, deflate,identity , gzip", add_gzip_in_deflate_in_gzip, true,  false},
};

/* --- decoding in pieces --- */

struct outcome {
    int result;
    bool complete;
    struct buf out;
    struct err err;
};

static void outcome_release(struct outcome *o)
{
    buf_release(&o->out);
}
DEFINE_CLEANUP_VALUE(struct outcome, outcome_release)

static struct codec *opened(const char *header)
{
    struct codec *c = NULL;
    struct err err;

    ck_assert_msg(codec_open(str_from(header), &c, &err) == 0, "%s", err.text);
    return c;
}

/* Feeds coded[0, cut), then the rest in pieces of `step` bytes. */
static void decode(const char *header, struct str coded, size_t cut, size_t step, struct outcome *o)
{
    CLEANUP(codec_close) struct codec *c = opened(header);

    o->result = codec_decode(c, str_sub(coded, 0, cut), LIMIT, &o->out, &o->err);
    for (size_t at = cut; at < coded.len && o->result == 0; at += step)
        o->result = codec_decode(c, str_sub(coded, at, step), LIMIT, &o->out, &o->err);
    o->complete = codec_is_complete(c);
}

START_TEST(a_body_comes_back_whole_wherever_its_pieces_are_cut)
{
    const struct encoding_row *row = &encodings[_i];
    CLEANUP(buf_release) struct buf text = { 0 }, coded = { 0 };

    sample_text(&text);
    row->encode(&coded, buf_str(&text));
    for (size_t cut = 0; cut <= coded.len; cut++) {
        CLEANUP(outcome_release) struct outcome o = { 0 };
        decode(row->header, buf_str(&coded), cut, coded.len, &o);
        ck_assert_msg(o.result == 0, "cut at %zu: %s", cut, o.err.text);
        ck_assert(o.complete);
        ck_assert(str_eq(buf_str(&o.out), buf_str(&text)));
    }
    CLEANUP(outcome_release) struct outcome bytewise = { 0 };
    decode(row->header, buf_str(&coded), 0, 1, &bytewise);
    ck_assert_msg(bytewise.result == 0, "%s", bytewise.err.text);
    ck_assert(bytewise.complete);
    ck_assert(str_eq(buf_str(&bytewise.out), buf_str(&text)));
}
END_TEST

START_TEST(a_body_cut_short_gives_its_beginning_and_says_so)
{
    const struct encoding_row *row = &encodings[_i];
    CLEANUP(buf_release) struct buf text = { 0 }, coded = { 0 };

    sample_text(&text);
    row->encode(&coded, buf_str(&text));
    for (size_t len = 1; len < coded.len; len++) {
        CLEANUP(outcome_release) struct outcome o = { 0 };
        decode(row->header, (struct str){ coded.ptr, len }, len, 1, &o);
        ck_assert_msg(o.result == 0, "cut at %zu: %s", len, o.err.text);
        ck_assert_msg(!o.complete || row->may_end_early, "cut at %zu passes for whole", len);
        ck_assert(str_starts_with(buf_str(&text), buf_str(&o.out)));
    }
}
END_TEST

START_TEST(damage_to_a_checked_body_never_passes_for_whole)
{
    const struct encoding_row *row = &encodings[_i];
    CLEANUP(buf_release) struct buf text = { 0 }, coded = { 0 };
    size_t refused = 0;

    sample_text(&text);
    row->encode(&coded, buf_str(&text));
    for (size_t at = 0; at < coded.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            CLEANUP(outcome_release) struct outcome o = { 0 };
            coded.ptr[at] ^= (char)(1 << bit);
            decode(row->header, buf_str(&coded), coded.len, 1, &o);
            coded.ptr[at] ^= (char)(1 << bit);
            if (o.result < 0) {
                ck_assert(o.err.text[0] && !o.complete);
                ck_assert(o.err.code == ERR_CORRUPT || o.err.code == ERR_UNSUPPORTED ||
                          o.err.code == ERR_LIMIT);
                refused++;
            }
            /* Some bits mean nothing: a gzip header's time stamp, a skippable frame's content. */
            bool whole = o.result == 0 && o.complete;
            ck_assert_msg(!row->checked || !whole || str_eq(buf_str(&o.out), buf_str(&text)),
                          "bit %d of byte %zu", bit, at);
        }
    ck_assert(refused > 0 || row->encode == add_identity);
}
END_TEST

START_TEST(no_body_at_all_is_complete)
{
    CLEANUP(codec_close) struct codec *c = opened(encodings[_i].header);

    ck_assert(codec_is_complete(c));
}
END_TEST

START_TEST(bytes_behind_the_end_are_an_error_that_sticks)
{
    static const char *const headers[] = { "gzip", "deflate", "deflate", "br", "zstd" };
    static const encode_fn encode[] = { add_gzip, add_zlib, add_raw_deflate, add_br, add_zstd };
    CLEANUP(buf_release) struct buf text = { 0 }, coded = { 0 }, out = { 0 };
    CLEANUP(codec_close) struct codec *c = opened(headers[_i]);
    struct err err = { 0 }, again = { 0 };

    sample_text(&text);
    encode[_i](&coded, buf_str(&text));
    buf_add_text(&coded, "<!-- cached -->");
    ck_assert_int_eq(codec_decode(c, buf_str(&coded), LIMIT, &out, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_msg(str_starts_with(str_from(err.text), str_from(headers[_i])), "%s", err.text);
    ck_assert(str_eq(buf_str(&out), buf_str(&text))); /* what came before is not lost */
    ck_assert(!codec_is_complete(c));
    ck_assert_int_eq(codec_decode(c, STR("x"), LIMIT, &out, &again), -1);
    ck_assert_str_eq(again.text, err.text);
    ck_assert_uint_eq(out.len, text.len);
}
END_TEST

/* --- limits --- */

START_TEST(a_bomb_stops_at_the_limit)
{
    static const char *const headers[] = { "gzip", "deflate", "zstd", "br" };
    static const encode_fn encode[] = { add_gzip, add_zlib, add_zstd };
    CLEANUP(buf_release) struct buf zeros = { 0 }, coded = { 0 };

    memset(buf_reserve(&zeros, LIMIT), 0, LIMIT);
    zeros.len = LIMIT;
    if ((size_t)_i < ARRAY_LEN(encode))
        encode[_i](&coded, buf_str(&zeros));
    else
        buf_add(&coded, zeros_br, sizeof(zeros_br));
    for (size_t less = 0; less < 2; less++) {
        CLEANUP(codec_close) struct codec *c = opened(headers[_i]);
        CLEANUP(buf_release) struct buf out = { 0 };
        struct err err = { 0 };
        buf_add_text(&out, "before");
        int r = codec_decode(c, buf_str(&coded), LIMIT - less, &out, &err);
        ck_assert_msg(r == (less ? -1 : 0), "%s", err.text);
        ck_assert_uint_eq(out.len, 6 + LIMIT - less);
        ck_assert_int_eq(err.code, less ? ERR_LIMIT : ERR_NONE);
        ck_assert_int_eq(codec_is_complete(c), !less);
    }
}
END_TEST

START_TEST(the_limit_counts_all_pieces_since_open)
{
    CLEANUP(codec_close) struct codec *c = opened("");
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(codec_decode(c, STR("12345"), 8, &out, &err), 0);
    ck_assert_int_eq(codec_decode(c, STR("678"), 8, &out, &err), 0);
    ck_assert_int_eq(codec_decode(c, STR("9"), 8, &out, &err), -1);
    ck_assert_str_eq(err.text, "identity: decodes to more than 8 bytes");
    ck_assert_str_eq(buf_cstr(&out), "12345678");
}
END_TEST

/* The middle of a list can blow up and shrink again: zeros behind a gzip member are passed over. */
START_TEST(a_bomb_in_the_middle_of_a_list_stops_too)
{
    CLEANUP(buf_release) struct buf middle = { 0 }, coded = { 0 }, out = { 0 };
    CLEANUP(codec_close) struct codec *c = opened("gzip, gzip");
    struct err err = { 0 };
    size_t zeros = 32u << 20;

    add_gzip(&middle, STR("small"));
    memset(buf_reserve(&middle, zeros), 0, zeros);
    middle.len += zeros;
    add_gzip(&coded, buf_str(&middle));
    ck_assert_int_eq(codec_decode(c, buf_str(&coded), LIMIT, &out, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_str_eq(buf_cstr(&out), "small");
}
END_TEST

/* --- headers --- */

struct header_row {
    const char *header;
    const char *message;
    enum err_code code;
};

static const struct header_row bad_headers[] = {
    {"compress",              "unknown content encoding 'compress'",       ERR_UNSUPPORTED},
    { "gzip, foo",            "unknown content encoding 'foo'",            ERR_UNSUPPORTED},
    { "gzip;q=1",             "unknown content encoding 'gzip;q=1'",       ERR_UNSUPPORTED},
    { "gzip,gzip,br,br,gzip", "more than 4 content encodings on one body", ERR_LIMIT      },
};

START_TEST(an_unknown_encoding_is_named)
{
    struct codec *c = NULL;
    struct err err = { 0 };

    ck_assert_int_eq(codec_open(str_from(bad_headers[_i].header), &c, &err), -1);
    ck_assert_ptr_null(c);
    ck_assert_str_eq(err.text, bad_headers[_i].message);
    ck_assert_int_eq(err.code, bad_headers[_i].code);
}
END_TEST

START_TEST(a_preset_dictionary_is_refused_by_name)
{
    CLEANUP(codec_close) struct codec *c = opened("deflate");
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(codec_decode(c, STR("\x78\xbb\x01\x02\x03\x04xx"), LIMIT, &out, &err), -1);
    ck_assert_int_eq(err.code, ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "deflate: needs a preset dictionary");
}
END_TEST

/* What zstd 0.7 wrote: libzstd may still decode it, with a decoder that gives out memory which it
 * never wrote. */
static const char old_zstd[] = "\x27\xb5\x2f\xfd\x04\x37\xb5\x2f\xfd\x04\x37\x02\x02\x99\x22";

START_TEST(what_zstd_wrote_before_0_8_is_refused)
{
    CLEANUP(codec_close) struct codec *c = opened("zstd");
    CLEANUP(buf_release) struct buf text = { 0 }, coded = { 0 }, out = { 0 };
    bool is_second = _i > 15;
    size_t step = (size_t)_i % 16 + 1;
    struct err err = { 0 };
    int r = 0;

    buf_add_text(&text, "a frame before it");
    if (is_second)
        add_zstd(&coded, buf_str(&text));
    buf_add(&coded, old_zstd, sizeof(old_zstd) - 1);
    for (size_t at = 0; at < coded.len && r == 0; at += step)
        r = codec_decode(c, str_sub(buf_str(&coded), at, step), LIMIT, &out, &err);
    ck_assert_int_eq(r, -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_str_eq(err.text, "zstd: no frame of zstd begins here");
    ck_assert_uint_eq(out.len, is_second ? text.len : 0);
}
END_TEST

START_TEST(a_frame_of_zstd_begins_with_one_of_its_numbers)
{
    ck_assert(codec_begins_zstd(STR("\x28\xb5\x2f\xfd")));
    ck_assert(codec_begins_zstd(STR("\x50\x2a\x4d\x18xx")));
    ck_assert(codec_begins_zstd(STR("\x5f\x2a\x4d\x18")));
    ck_assert(!codec_begins_zstd(STR("\x60\x2a\x4d\x18")));
    ck_assert(!codec_begins_zstd(STR("\x27\xb5\x2f\xfd")));
    ck_assert(!codec_begins_zstd(STR("\x28\xb5\x2f")));
    ck_assert(!codec_begins_zstd(STR("")));
}
END_TEST

static void add_tests(TCase *tc)
{
    const int rows = ARRAY_LEN(encodings);

    tcase_add_loop_test(tc, a_body_comes_back_whole_wherever_its_pieces_are_cut, 0, rows);
    tcase_add_loop_test(tc, a_body_cut_short_gives_its_beginning_and_says_so, 0, rows);
    tcase_add_loop_test(tc, damage_to_a_checked_body_never_passes_for_whole, 0, rows);
    tcase_add_loop_test(tc, no_body_at_all_is_complete, 0, rows);
    tcase_add_loop_test(tc, bytes_behind_the_end_are_an_error_that_sticks, 0, 5);
    tcase_add_loop_test(tc, a_bomb_stops_at_the_limit, 0, 4);
    tcase_add_test(tc, the_limit_counts_all_pieces_since_open);
    tcase_add_test(tc, a_bomb_in_the_middle_of_a_list_stops_too);
    tcase_add_loop_test(tc, an_unknown_encoding_is_named, 0, ARRAY_LEN(bad_headers));
    tcase_add_test(tc, a_preset_dictionary_is_refused_by_name);
    tcase_add_loop_test(tc, what_zstd_wrote_before_0_8_is_refused, 0, 32);
    tcase_add_test(tc, a_frame_of_zstd_begins_with_one_of_its_numbers);
}
CHECK_MAIN("base/codec", add_tests)
