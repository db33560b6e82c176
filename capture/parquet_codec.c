#include "config.h"

#include "capture/parquet_codec.h"

#include <limits.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "base/codec.h"
#include "capture/parquet_format.h"

struct snappy {
    const uint8_t *at, *end;
    uint8_t *ret;
    size_t done, len; /* bytes written, and to be written */
};

static int bad_snappy(const struct snappy *s, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "bad snappy data after %zu of %zu bytes", s->done, s->len);
}

/* 1 to 4 bytes, little endian. */
static int snappy_number(struct snappy *s, size_t bytes, size_t *ret, struct err *err)
{
    if ((size_t)(s->end - s->at) < bytes)
        return bad_snappy(s, err);
    *ret = 0;
    for (size_t i = 0; i < bytes; i++)
        *ret |= (size_t)*s->at++ << (8 * i);
    return 0;
}

static int snappy_literal(struct snappy *s, unsigned tag, struct err *err)
{
    size_t len = tag >> 2;

    if (len >= 60 && snappy_number(s, len - 59, &len, err) < 0)
        return -1;
    len++;
    if (len > (size_t)(s->end - s->at) || len > s->len - s->done)
        return bad_snappy(s, err);
    memcpy(s->ret + s->done, s->at, len);
    s->at += len;
    s->done += len;
    return 0;
}

static int snappy_copy(struct snappy *s, unsigned tag, struct err *err)
{
    size_t len = (tag >> 2) + 1, distance = 0, high = 0;

    if ((tag & 3) == 1) {
        len = (tag >> 2 & 7) + 4;
        high = (size_t)(tag >> 5) << 8;
    }
    if (snappy_number(s, (tag & 3) == 3 ? 4 : tag & 3, &distance, err) < 0)
        return -1;
    distance |= high;
    if (distance == 0 || distance > s->done || len > s->len - s->done)
        return bad_snappy(s, err);
    /* Byte by byte: a copy may overlap what it makes. */
    for (size_t i = 0; i < len; i++, s->done++)
        s->ret[s->done] = s->ret[s->done - distance];
    return 0;
}

int snappy_decompress(struct str in, uint8_t *ret, size_t ret_len, struct err *err)
{
    struct snappy s = { .at = (const uint8_t *)in.ptr, .ret = ret, .len = ret_len };
    uint64_t len;

    s.end = s.at + in.len;
    if (!varint_get(&s.at, s.end, &len) || len != ret_len)
        return err_set(err, ERR_CORRUPT, "snappy data of another length");
    while (s.at < s.end) {
        unsigned tag = *s.at++;
        if ((tag & 3 ? snappy_copy(&s, tag, err) : snappy_literal(&s, tag, err)) < 0)
            return -1;
    }
    return s.done == s.len ? 0 : bad_snappy(&s, err);
}

static int gzip_decompress(struct str in, uint8_t *ret, size_t ret_len, struct err *err)
{
    z_stream z = { .next_in = (const Bytef *)in.ptr,
                   .avail_in = (uInt)in.len,
                   .next_out = ret,
                   .avail_out = (uInt)ret_len };

    if (in.len > UINT_MAX || ret_len > UINT_MAX)
        return err_set(err, ERR_LIMIT, "page too long for gzip");
    if (inflateInit2(&z, 15 + 32) != Z_OK)
        return err_set(err, ERR_LIMIT, "no memory for gzip");
    int got = inflate(&z, Z_FINISH);
    size_t len = z.total_out;
    inflateEnd(&z);
    if (got != Z_STREAM_END || len != ret_len)
        return err_set(err, ERR_CORRUPT, "bad gzip data after %zu of %zu bytes", len, ret_len);
    return 0;
}

static bool are_zstd_frames(struct str in)
{
    while (in.len) {
        size_t len = ZSTD_findFrameCompressedSize(in.ptr, in.len);
        if (!codec_begins_zstd(in) || ZSTD_isError(len))
            return false;
        in = str_sub(in, len, in.len);
    }
    return true;
}

static int zstd_decompress(struct ZSTD_DCtx_s *zstd, struct str in, uint8_t *ret, size_t ret_len,
                           struct err *err)
{
    if (!are_zstd_frames(in))
        return err_set(err, ERR_CORRUPT, "bad zstd data: it is not made of whole frames");
    size_t len = ZSTD_decompressDCtx(zstd, ret, ret_len, in.ptr, in.len);
    if (ZSTD_isError(len))
        return err_set(err, ERR_CORRUPT, "bad zstd data: %s", ZSTD_getErrorName(len));
    if (len != ret_len)
        return err_set(err, ERR_CORRUPT, "zstd data of %zu bytes instead of %zu", len, ret_len);
    return 0;
}

int parquet_decompress(int32_t codec, struct ZSTD_DCtx_s *zstd, struct str in, uint8_t *ret,
                       size_t ret_len, struct err *err)
{
    if (codec == PQ_ZSTD)
        return zstd_decompress(zstd, in, ret, ret_len, err);
    if (codec == PQ_SNAPPY)
        return snappy_decompress(in, ret, ret_len, err);
    if (codec == PQ_GZIP)
        return gzip_decompress(in, ret, ret_len, err);
    if (codec != PQ_UNCOMPRESSED)
        return err_set(err, ERR_UNSUPPORTED,
                       "compression %d (zstd, snappy, gzip and none are read)", codec);
    if (in.len != ret_len)
        return err_set(err, ERR_CORRUPT, "%zu uncompressed bytes instead of %zu", in.len, ret_len);
    if (ret_len > 0)
        memcpy(ret, in.ptr, ret_len);
    return 0;
}
