#include "config.h"

#include "capture/parquet_decode.h"

#include <assert.h>
#include <string.h>

#include "base/le.h"
#include "capture/bitpack.h"
#include "capture/thrift.h"

static_assert(PAGE_SLACK >= BITPACK_SLACK, "the kernels read past the end");
static_assert(PAGE_SLACK >= BITPACK_GROUP, "the kernels write whole groups");

/* Codes unpacked at a time on the way to a lookup: 4 KiB, which stays in the first-level cache. */
#define BLOCK 1024u

/* The hybrid is a sequence of runs: a repeated value or packed groups of 8. */
struct hybrid {
    const uint8_t *at, *end;
    unsigned width;
};

struct run {
    bool is_packed;
    uint32_t value;        /* repeated */
    const uint8_t *packed; /* else */
    size_t count;          /* values, at most those wanted */
};

static int next_run(struct hybrid *h, size_t wanted, struct run *ret, struct err *err)
{
    uint64_t head;

    if (!varint_get(&h->at, h->end, &head))
        return err_set(err, ERR_CORRUPT, "the runs end too early");
    size_t left = (size_t)(h->end - h->at), value_bytes = (h->width + 7) / 8;
    ret->is_packed = head & 1;
    ret->packed = h->at;
    ret->value = 0;
    uint64_t count = head >> 1;
    if (ret->is_packed) {
        if (h->width > 0 && count > left / h->width)
            return err_set(err, ERR_CORRUPT, "a run reaches beyond the page");
        h->at += count * h->width;
        count = count > UINT64_MAX / BITPACK_GROUP ? UINT64_MAX : count * BITPACK_GROUP;
    } else {
        if (value_bytes > left)
            return err_set(err, ERR_CORRUPT, "a run reaches beyond the page");
        for (size_t i = 0; i < value_bytes; i++)
            ret->value |= (uint32_t)h->at[i] << (8 * i);
        h->at += value_bytes;
    }
    if (count == 0)
        return err_set(err, ERR_CORRUPT, "empty run");
    ret->count = count < wanted ? (size_t)count : wanted;
    return 0;
}

static size_t groups_of(size_t count)
{
    return (count + BITPACK_GROUP - 1) / BITPACK_GROUP;
}

/* 8 bits to 8 bytes of 0 or 1, the first bit to the first byte. */
static inline void spread_bits(uint8_t bits, uint8_t *ret)
{
    uint64_t spread = bits * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);

    spread = (spread + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    spread = __builtin_bswap64(spread);
#endif
    memcpy(ret, &spread, sizeof(spread));
}

/* Levels are mostly long runs, so packed groups need not be faster than this. */
static size_t unpack_levels(const uint8_t *packed, size_t count, uint8_t *is_null)
{
    size_t present = 0;

    for (size_t i = 0; i < count; i += BITPACK_GROUP) {
        unsigned bits = packed[i / BITPACK_GROUP];
        if (count - i < BITPACK_GROUP)
            bits &= (1u << (count - i)) - 1;
        present += (size_t)__builtin_popcount(bits);
        spread_bits((uint8_t)~bits, is_null + i);
    }
    return present;
}

int decode_levels(struct str in, size_t count, uint8_t *is_null, size_t *ret_present,
                  struct err *err)
{
    const uint8_t *at = (const uint8_t *)in.ptr;
    struct hybrid h = { at, at + in.len, 1 };
    size_t present = 0;

    for (size_t i = 0; i < count;) {
        struct run run;
        if (next_run(&h, count - i, &run, err) < 0)
            return -1;
        if (run.is_packed) {
            present += unpack_levels(run.packed, run.count, is_null + i);
        } else {
            if (run.value > 1)
                return err_set(err, ERR_CORRUPT, "definition level %u", run.value);
            memset(is_null + i, run.value == 0, run.count);
            present += run.value * run.count;
        }
        i += run.count;
    }
    *ret_present = present;
    return 0;
}

static int open_codes(struct str in, struct hybrid *ret, struct err *err)
{
    const uint8_t *at = (const uint8_t *)in.ptr;

    if (in.len == 0 || at[0] > 32)
        return err_set(err, ERR_CORRUPT, "bad width of dictionary codes");
    *ret = (struct hybrid){ at + 1, at + in.len, at[0] };
    return 0;
}

/* In lanes of 4 that the compiler turns into vectors; codes past the last are not looked at. */
static bool all_below(const uint32_t *codes, size_t count, size_t limit)
{
    if (limit > UINT32_MAX)
        return true;
    uint32_t bad[4] = { 0 }, top = (uint32_t)limit;
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (size_t lane = 0; lane < 4; lane++)
            bad[lane] |= codes[i + lane] >= top;
    for (; i < count; i++)
        bad[0] |= codes[i] >= top;
    return (bad[0] | bad[1] | bad[2] | bad[3]) == 0;
}

int decode_codes(struct str in, size_t count, size_t limit, uint32_t *ret, struct err *err)
{
    struct hybrid h;
    struct run run;

    if (count == 0)
        return 0;
    if (open_codes(in, &h, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i += run.count) {
        if (next_run(&h, count - i, &run, err) < 0)
            return -1;
        if (run.is_packed)
            bitpack_get32(run.packed, groups_of(run.count), h.width, ret + i);
        else
            for (size_t k = 0; k < run.count; k++)
                ret[i + k] = run.value;
        if (!all_below(ret + i, run.is_packed ? run.count : 1, limit))
            return err_set(err, ERR_CORRUPT, "dictionary code out of range");
    }
    return 0;
}

/* One packed run, by blocks. */
static int lookup_run(const struct run *run, unsigned width, const int64_t *dictionary,
                      size_t dictionary_len, int64_t *ret, struct err *err)
{
    uint32_t codes[BLOCK];

    for (size_t i = 0; i < run->count; i += BLOCK) {
        size_t n = run->count - i < BLOCK ? run->count - i : BLOCK;
        bitpack_get32(run->packed + i / BITPACK_GROUP * width, groups_of(n), width, codes);
        if (!all_below(codes, n, dictionary_len))
            return err_set(err, ERR_CORRUPT, "dictionary code out of range");
        for (size_t k = 0; k < n; k++)
            ret[i + k] = dictionary[codes[k]];
    }
    return 0;
}

int decode_lookup(struct str in, size_t count, const int64_t *dictionary, size_t dictionary_len,
                  int64_t *ret, struct err *err)
{
    struct hybrid h;
    struct run run;

    if (count == 0)
        return 0;
    if (open_codes(in, &h, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i += run.count) {
        if (next_run(&h, count - i, &run, err) < 0)
            return -1;
        if (run.is_packed) {
            if (lookup_run(&run, h.width, dictionary, dictionary_len, ret + i, err) < 0)
                return -1;
            continue;
        }
        if (run.value >= dictionary_len)
            return err_set(err, ERR_CORRUPT, "dictionary code out of range");
        for (size_t k = 0; k < run.count; k++)
            ret[i + k] = dictionary[run.value];
    }
    return 0;
}

int decode_plain_ints(struct str in, size_t count, unsigned bits, int64_t *ret, struct err *err)
{
    const uint8_t *at = (const uint8_t *)in.ptr;

    if (in.len / (bits / 8) < count)
        return err_set(err, ERR_CORRUPT, "too few values");
    for (size_t i = 0; i < count && bits == 32; i++, at += 4)
        ret[i] = (int32_t)le32_get(at);
    for (size_t i = 0; i < count && bits == 64; i++, at += 8)
        ret[i] = (int64_t)(le32_get(at) | (uint64_t)le32_get(at + 4) << 32);
    return 0;
}

int decode_plain_bools(struct str in, size_t count, int64_t *ret, struct err *err)
{
    if (in.len < groups_of(count))
        return err_set(err, ERR_CORRUPT, "too few values");
    for (size_t i = 0; i < count; i++)
        ret[i] = (uint8_t)in.ptr[i / 8] >> (i % 8) & 1;
    return 0;
}

int decode_rle_bools(struct str in, size_t count, int64_t *ret, struct err *err)
{
    const uint8_t *at = (const uint8_t *)in.ptr;
    struct run run;

    if (count == 0)
        return 0;
    if (in.len < 4 || le32_get(at) > in.len - 4)
        return err_set(err, ERR_CORRUPT, "bad length of the runs");
    struct hybrid h = { at + 4, at + 4 + le32_get(at), 1 };
    for (size_t i = 0; i < count; i += run.count) {
        if (next_run(&h, count - i, &run, err) < 0)
            return -1;
        if (!run.is_packed && run.value > 1)
            return err_set(err, ERR_CORRUPT, "boolean %u", run.value);
        for (size_t k = 0; k < run.count; k++)
            ret[i + k] = run.is_packed ? run.packed[k / 8] >> (k % 8) & 1 : (int64_t)run.value;
    }
    return 0;
}

struct delta {
    const uint8_t *at, *end;
    uint64_t block_values, minis, mini_values;
    uint64_t last; /* the value before the next one, in wrapping arithmetic */
    unsigned bits;
};

static int delta_open(struct str in, size_t count, unsigned bits, struct delta *ret,
                      struct err *err)
{
    uint64_t total = 0, first = 0;

    ret->at = (const uint8_t *)in.ptr;
    ret->end = ret->at + in.len;
    ret->bits = bits;
    if (!varint_get(&ret->at, ret->end, &ret->block_values) ||
        !varint_get(&ret->at, ret->end, &ret->minis) || !varint_get(&ret->at, ret->end, &total) ||
        !varint_get(&ret->at, ret->end, &first))
        return err_set(err, ERR_CORRUPT, "cut head of deltas");
    if (ret->minis == 0 || ret->block_values > (1u << 24) || ret->minis > ret->block_values ||
        ret->block_values % ret->minis != 0 || ret->block_values / ret->minis % 32 != 0)
        return err_set(err, ERR_CORRUPT, "bad sizes of delta blocks");
    if (total != count)
        return err_set(err, ERR_CORRUPT, "not as many deltas as values");
    ret->mini_values = ret->block_values / ret->minis;
    ret->last = (uint64_t)unzigzag(first);
    return 0;
}

/* INT32 computes modulo 2^32, and so does INT64 modulo 2^64. */
static int64_t delta_value(uint64_t value, unsigned bits)
{
    return bits == 32 ? (int32_t)(uint32_t)value : (int64_t)value;
}

/* Up to wanted values of one miniblock whose bytes are at d->at. */
static void delta_mini(struct delta *d, size_t wanted, unsigned width, uint64_t min, int64_t *ret)
{
    uint64_t offsets[256], last = d->last;
    const uint8_t *packed = d->at;

    for (size_t i = 0; i < wanted;) {
        size_t n = wanted - i < ARRAY_LEN(offsets) ? wanted - i : ARRAY_LEN(offsets);
        bitpack_get64(packed, groups_of(n), width, offsets);
        packed += groups_of(n) * width;
        for (size_t k = 0; k < n; k++) {
            last += min + offsets[k];
            ret[i + k] = (int64_t)last;
        }
        i += n;
    }
    for (size_t i = 0; i < wanted && d->bits == 32; i++)
        ret[i] = delta_value((uint64_t)ret[i], 32);
    d->last = last;
}

/* One block: up to wanted values; miniblocks past the last value have no bytes. */
static int delta_block(struct delta *d, size_t wanted, int64_t *ret, struct err *err)
{
    uint64_t min;

    if (!varint_get(&d->at, d->end, &min) || (uint64_t)(d->end - d->at) < d->minis)
        return err_set(err, ERR_CORRUPT, "cut block of deltas");
    const uint8_t *widths = d->at;
    d->at += d->minis;
    for (size_t done = 0; done < wanted; widths++) {
        size_t n = wanted - done < d->mini_values ? wanted - done : d->mini_values;
        uint64_t bytes = d->mini_values / 8 * *widths;
        /* A last miniblock may be cut after the values it has, as some writers do. */
        uint64_t needed = groups_of(n) * *widths;
        uint64_t left = (uint64_t)(d->end - d->at);
        /* DuckDB does not wrap at 32 bits and needs 33 of them; modulo 2^32 it is the same. */
        if (*widths > 64 || needed > left)
            return err_set(err, ERR_CORRUPT, "deltas reach beyond the page");
        delta_mini(d, n, *widths, (uint64_t)unzigzag(min), ret + done);
        d->at += bytes < left ? bytes : left;
        done += n;
    }
    return 0;
}

int decode_delta(struct str in, size_t count, unsigned bits, int64_t *ret, size_t *ret_used,
                 struct err *err)
{
    struct delta d;

    if (delta_open(in, count, bits, &d, err) < 0)
        return -1;
    if (count > 0)
        ret[0] = delta_value(d.last, bits);
    for (size_t i = 1; i < count; i += d.block_values) {
        size_t wanted = count - i < d.block_values ? count - i : d.block_values;
        if (delta_block(&d, wanted, ret + i, err) < 0)
            return -1;
    }
    *ret_used = (size_t)(d.at - (const uint8_t *)in.ptr);
    return 0;
}

int decode_plain_strings(struct str in, size_t count, struct str *ret, struct err *err)
{
    const char *at = in.ptr, *end = in.ptr + in.len;

    for (size_t i = 0; i < count; i++) {
        if (end - at < 4)
            return err_set(err, ERR_CORRUPT, "too few values");
        size_t len = le32_get((const uint8_t *)at);
        at += 4;
        if (len > (size_t)(end - at))
            return err_set(err, ERR_CORRUPT, "text of %zu bytes reaches beyond the page", len);
        ret[i] = (struct str){ at, len };
        at += len;
    }
    return 0;
}

int decode_delta_length(struct str in, size_t count, struct arena *arena, struct str *ret,
                        struct err *err)
{
    int64_t *lengths = arena_alloc(arena, (count + PAGE_SLACK) * sizeof(*lengths));
    size_t used = 0;

    if (decode_delta(in, count, 32, lengths, &used, err) < 0)
        return -1;
    const char *at = in.ptr + used, *end = in.ptr + in.len;
    for (size_t i = 0; i < count; i++) {
        if (lengths[i] < 0 || lengths[i] > end - at)
            return err_set(err, ERR_CORRUPT, "text reaches beyond the page");
        ret[i] = (struct str){ at, (size_t)lengths[i] };
        at += lengths[i];
    }
    return 0;
}

int decode_delta_strings(struct str in, size_t count, size_t max_bytes, struct arena *arena,
                         struct str *ret, struct err *err)
{
    int64_t *shared = arena_alloc(arena, (count + PAGE_SLACK) * sizeof(*shared));
    size_t used = 0, total = 0;

    if (decode_delta(in, count, 32, shared, &used, err) < 0 ||
        decode_delta_length(str_sub(in, used, in.len), count, arena, ret, err) < 0)
        return -1;
    struct str previous = { NULL, 0 };
    for (size_t i = 0; i < count; previous = ret[i++]) {
        if (shared[i] < 0 || (size_t)shared[i] > previous.len)
            return err_set(err, ERR_CORRUPT, "text shares more than the one before it has");
        size_t head = (size_t)shared[i], len = head + ret[i].len;
        total += len;
        if (total > max_bytes)
            return err_set(err, ERR_LIMIT, "more than %zu bytes of text in a page", max_bytes);
        if (head == 0)
            continue;
        char *joined = arena_alloc(arena, len);
        memcpy(joined, previous.ptr, head);
        if (ret[i].len > 0)
            memcpy(joined + head, ret[i].ptr, ret[i].len);
        ret[i] = (struct str){ joined, len };
    }
    return 0;
}
