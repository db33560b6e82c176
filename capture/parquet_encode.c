#include "config.h"

#include "capture/parquet_encode.h"

#include <assert.h>
#include <string.h>

#include "base/le.h"
#include "capture/bitpack.h"
#include "capture/thrift.h"

/* A repeated value is worth a run of its own from here on; shorter ones would only break up the
 * packed groups that readers are fast on. */
#define RUN_MIN 32u

#define DELTA_BLOCK     128u
#define DELTA_MINIBLOCK 32u
#define DELTA_MINIS     (DELTA_BLOCK / DELTA_MINIBLOCK)

static void add_literals(struct buf *out, const uint32_t *codes, size_t count, unsigned width)
{
    if (count == 0)
        return;
    varint_add(out, ((uint64_t)count + BITPACK_GROUP - 1) / BITPACK_GROUP << 1 | 1);
    bitpack_add32(out, codes, count, width);
}

static void add_run(struct buf *out, uint32_t code, size_t count, unsigned width)
{
    varint_add(out, (uint64_t)count << 1);
    for (unsigned bit = 0; bit < width; bit += 8)
        buf_add_byte(out, (char)(uint8_t)(code >> bit));
}

void encode_hybrid(struct buf *out, const uint32_t *codes, size_t count, unsigned width)
{
    assert(width >= 1 && width <= 32);

    size_t start = 0; /* of the values waiting to be packed */
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && codes[end] == codes[i])
            end++;
        /* Packed groups are whole, except the last of all: the run fills up the one before it. */
        size_t fill = (0 - (i - start)) % BITPACK_GROUP;
        if (end - i >= fill + RUN_MIN) {
            add_literals(out, codes + start, i + fill - start, width);
            add_run(out, codes[i], end - i - fill, width);
            start = end;
        }
        i = end;
    }
    add_literals(out, codes + start, count - start, width);
}

/* b - a in the arithmetic of the column's type. */
static int64_t difference(int64_t a, int64_t b, bool is_32)
{
    uint64_t d = (uint64_t)b - (uint64_t)a;

    return is_32 ? (int32_t)(uint32_t)d : (int64_t)d;
}

/* One block of up to DELTA_BLOCK differences, given the value before it. */
static void add_delta_block(struct buf *out, const int64_t *values, size_t count, bool is_32)
{
    uint64_t offsets[DELTA_BLOCK] = { 0 };
    uint8_t widths[DELTA_MINIS] = { 0 };
    int64_t min = INT64_MAX;

    for (size_t i = 0; i < count; i++) {
        int64_t d = difference(values[i], values[i + 1], is_32);
        offsets[i] = (uint64_t)d;
        if (d < min)
            min = d;
    }
    for (size_t i = 0; i < count; i++) {
        offsets[i] -= (uint64_t)min;
        unsigned width = bitpack_width(offsets[i]);
        if (width > widths[i / DELTA_MINIBLOCK])
            widths[i / DELTA_MINIBLOCK] = (uint8_t)width;
    }
    varint_add(out, zigzag(min));
    buf_add(out, widths, sizeof(widths));
    for (size_t m = 0; m * DELTA_MINIBLOCK < count; m++)
        bitpack_add64(out, offsets + m * DELTA_MINIBLOCK, DELTA_MINIBLOCK, widths[m]);
}

void encode_delta(struct buf *out, const int64_t *values, size_t count, bool is_32)
{
    varint_add(out, DELTA_BLOCK);
    varint_add(out, DELTA_MINIS);
    varint_add(out, count);
    varint_add(out, zigzag(count ? values[0] : 0));
    for (size_t i = 0; i + 1 < count; i += DELTA_BLOCK) {
        size_t left = count - 1 - i;
        add_delta_block(out, values + i, left < DELTA_BLOCK ? left : DELTA_BLOCK, is_32);
    }
}

void encode_plain_ints(struct buf *out, const int64_t *values, size_t count, bool is_32)
{
    size_t width = is_32 ? 4 : 8;
    uint8_t *at = (uint8_t *)buf_reserve(out, count * width + 1);

    for (size_t i = 0; i < count; i++, at += width) {
        le32_put(at, (uint32_t)values[i]);
        if (!is_32)
            le32_put(at + 4, (uint32_t)((uint64_t)values[i] >> 32));
    }
    out->len += count * width;
}

void encode_plain_bools(struct buf *out, const int64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i += 8) {
        unsigned byte = 0;
        for (size_t bit = 0; bit < 8 && i + bit < count; bit++)
            byte |= (values[i + bit] != 0 ? 1u : 0u) << bit;
        buf_add_byte(out, (char)byte);
    }
}

void encode_plain_string(struct buf *out, struct str s)
{
    uint8_t length[4];

    le32_put(length, (uint32_t)s.len);
    buf_add(out, length, sizeof(length));
    buf_add_str(out, s);
}

static bool is_ascii(struct str s)
{
    size_t i = 0;

    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.ptr + i, 8);
        if (word & UINT64_C(0x8080808080808080))
            return false;
    }
    for (; i < s.len; i++)
        if (s.ptr[i] & 0x80)
            return false;
    return true;
}

/* Well-formed sequences by first byte (Unicode 15, table 3-7); the later bytes are 80..BF. */
static const struct utf8_row {
    uint8_t first, last; /* of the first byte */
    uint8_t len;
    uint8_t low, high; /* of the second byte */
} utf8_rows[] = {
    {0x00,  0x7f, 1, 0,    0   },
    { 0xc2, 0xdf, 2, 0x80, 0xbf},
    { 0xe0, 0xe0, 3, 0xa0, 0xbf},
    { 0xe1, 0xec, 3, 0x80, 0xbf},
    { 0xed, 0xed, 3, 0x80, 0x9f},
    { 0xee, 0xef, 3, 0x80, 0xbf},
    { 0xf0, 0xf0, 4, 0x90, 0xbf},
    { 0xf1, 0xf3, 4, 0x80, 0xbf},
    { 0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* Bytes of the sequence at the front of s (not empty); *ret_ok tells whether it is whole. */
static size_t utf8_len(struct str s, bool *ret_ok)
{
    const uint8_t *at = (const uint8_t *)s.ptr;

    for (size_t r = 0; r < ARRAY_LEN(utf8_rows); r++) {
        const struct utf8_row *row = &utf8_rows[r];
        if (at[0] < row->first || at[0] > row->last)
            continue;
        for (size_t i = 1; i < row->len; i++) {
            uint8_t low = i == 1 ? row->low : 0x80, high = i == 1 ? row->high : 0xbf;
            if (i == s.len || at[i] < low || at[i] > high) {
                *ret_ok = false;
                return i;
            }
        }
        *ret_ok = true;
        return row->len;
    }
    *ret_ok = false;
    return 1;
}

struct str encode_utf8(struct str s, struct buf *scratch)
{
    bool all_ok = true;

    if (is_ascii(s))
        return s;
    buf_clear(scratch);
    for (size_t i = 0; i < s.len;) {
        bool ok;
        struct str rest = { s.ptr + i, s.len - i };
        size_t len = utf8_len(rest, &ok);
        if (ok)
            buf_add(scratch, rest.ptr, len);
        else
            buf_add_text(scratch, "\xef\xbf\xbd");
        all_ok &= ok;
        i += len;
    }
    return all_ok ? s : buf_str(scratch);
}
