/* Content encodings over arbitrary bytes.  The first byte picks the encoding and the size of the
 * pieces; the body in pieces must give what the body in one gives. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codec.h"

#define LIMIT_BYTES (256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str encodings[] = {
    STR_INIT("gzip"),     STR_INIT("deflate"),       STR_INIT("br"),       STR_INIT("zstd"),
    STR_INIT("identity"), STR_INIT("deflate, gzip"), STR_INIT("br, zstd"), STR_INIT("gzip, br"),
};

static int decode(struct str encoding, struct str body, size_t step, struct buf *out,
                  bool *ret_complete)
{
    CLEANUP(codec_close) struct codec *c = NULL;
    struct err err;
    int r = codec_open(encoding, &c, &err);

    assert(r == 0);
    for (size_t at = 0; at < body.len && r == 0; at += step)
        r = codec_decode(c, str_sub(body, at, step), LIMIT_BYTES, out, &err);
    assert(out->len <= LIMIT_BYTES);
    *ret_complete = codec_is_complete(c);
    assert(r == 0 || !*ret_complete);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf whole = { 0 }, pieces = { 0 };
    bool whole_complete, pieces_complete;

    if (size == 0)
        return 0;
    struct str body = { (const char *)data + 1, size - 1 };
    struct str encoding = encodings[data[0] % ARRAY_LEN(encodings)];
    int whole_r = decode(encoding, body, size, &whole, &whole_complete);
    int pieces_r =
        decode(encoding, body, data[0] / ARRAY_LEN(encodings) + 1, &pieces, &pieces_complete);
    /* How much comes out before damage is found is the libraries' affair; so is libzstd's refusal
     * of large windows, which it forgets when it sees a whole frame at once. */
    if (whole_r == 0 && pieces_r == 0) {
        assert(str_eq(buf_str(&whole), buf_str(&pieces)));
        assert(whole_complete == pieces_complete);
    } else {
        struct str a = buf_str(&whole), b = buf_str(&pieces);
        assert(str_starts_with(a, b) || str_starts_with(b, a));
    }
    return 0;
}
