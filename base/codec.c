#include "config.h"

#include "base/codec.h"

#include <assert.h>
#include <brotli/decode.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in is then const */
#include <zlib.h>
#include <zstd.h>

#include "base/mem.h"

#define CHUNK_BYTES      (32u << 10) /* decoded at a time */
#define ZSTD_MAGIC_BYTES 4u

/* What a coding still has to read and may still write. */
struct io {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
};

struct stage;

/* One coding.  step moves io on as far as it can; no progress on both sides means it needs input.
 */
struct coding {
    struct str name;
    int (*open)(struct stage *st, struct err *err);
    int (*step)(struct stage *st, struct io *io, struct err *err);
    void (*close)(struct stage *st);
};

struct stage {
    const struct coding *coding;
    bool started; /* has seen a byte */
    bool ended;   /* everything so far is whole: the input may stop here */
    z_stream z;
    bool z_open;
    uint8_t first_byte; /* deflate: held until the second tells the wrapper */
    bool has_first_byte;
    BrotliDecoderState *br;
    ZSTD_DStream *zstd;
    uint8_t magic[ZSTD_MAGIC_BYTES]; /* of the frame that begins, held until all are there */
    size_t magic_len;
    bool in_frame;
    struct buf chunk; /* what it decoded for the next stage; the last one writes to the caller */
    uint64_t out_bytes;
};

struct codec {
    struct stage stages[CODEC_STAGES_MAX]; /* in the order they are undone */
    size_t len;
    bool failed; /* sticky, with why */
    struct err why;
    /* Of the current call: */
    struct buf *out;
    size_t max_out_bytes;
};

/* --- identity --- */

static int open_nothing(struct stage *st, struct err *err)
{
    (void)st;
    (void)err;
    return 0;
}

static void close_nothing(struct stage *st)
{
    (void)st;
}

static int step_identity(struct stage *st, struct io *io, struct err *err)
{
    size_t n = io->in_len < io->out_len ? io->in_len : io->out_len;

    (void)err;
    if (n)
        memcpy(io->out, io->in, n);
    st->ended = true;
    io->in += n;
    io->in_len -= n;
    io->out += n;
    io->out_len -= n;
    return 0;
}

/* --- gzip, deflate (zlib) --- */

static int open_z(struct stage *st, int window_bits, struct err *err)
{
    if (inflateInit2(&st->z, window_bits) != Z_OK)
        return err_set(err, ERR_SYS, "cannot start zlib: %s", st->z.msg ? st->z.msg : "no memory");
    st->z_open = true;
    return 0;
}

static void close_z(struct stage *st)
{
    if (st->z_open)
        inflateEnd(&st->z);
}

static unsigned uint_len(size_t len)
{
    return len < (1u << 30) ? (unsigned)len : 1u << 30;
}

static int inflate_some(struct stage *st, struct io *io, struct err *err)
{
    unsigned in_len = uint_len(io->in_len), out_len = uint_len(io->out_len);

    st->z.next_in = io->in;
    st->z.avail_in = in_len;
    st->z.next_out = io->out;
    st->z.avail_out = out_len;
    int r = inflate(&st->z, Z_NO_FLUSH);
    size_t in_used = in_len - st->z.avail_in, out_used = out_len - st->z.avail_out;
    io->in += in_used;
    io->in_len -= in_used;
    io->out += out_used;
    io->out_len -= out_used;
    if (r == Z_STREAM_END) {
        st->ended = true;
        return 0;
    }
    if (r == Z_OK || r == Z_BUF_ERROR)
        return 0;
    if (r == Z_NEED_DICT)
        return err_set(err, ERR_UNSUPPORTED, "needs a preset dictionary");
    return err_set(err, ERR_CORRUPT, "%s", st->z.msg ? st->z.msg : "damaged");
}

static int open_gzip(struct stage *st, struct err *err)
{
    return open_z(st, 16 + MAX_WBITS, err);
}

/* RFC 1952 2.2: a file is one member after another.  Zero padding behind the last one is what tapes
 * and some servers add, and gzip(1) passes over it too. */
static int step_gzip(struct stage *st, struct io *io, struct err *err)
{
    if (st->ended) {
        while (io->in_len && *io->in == 0) {
            io->in++;
            io->in_len--;
        }
        if (io->in_len == 0)
            return 0;
        if (*io->in != 0x1f)
            return err_set(err, ERR_CORRUPT, "bytes follow the end of the data");
        inflateReset(&st->z);
        st->ended = false;
    }
    return inflate_some(st, io, err);
}

static int open_deflate(struct stage *st, struct err *err)
{
    (void)st; /* the first two bytes decide how */
    (void)err;
    return 0;
}

/* RFC 1950 2.2: method 8, a window of at most 32 KiB, and a check that makes the pair a multiple of
 * 31.  Bare deflate data looks like that only if it begins with a stored block with padding bits
 * set, which no encoder writes. */
static bool is_zlib_head(uint8_t cmf, uint8_t flg)
{
    return (cmf & 0x0f) == 8 && cmf >> 4 <= 7 && ((unsigned)cmf << 8 | flg) % 31 == 0;
}

static int step_deflate(struct stage *st, struct io *io, struct err *err)
{
    if (io->in_len == 0 && !st->z_open)
        return 0;
    if (st->ended && io->in_len)
        return err_set(err, ERR_CORRUPT, "bytes follow the end of the data");
    if (!st->z_open) {
        if (!st->has_first_byte) {
            st->first_byte = *io->in++;
            st->has_first_byte = true;
            io->in_len--;
            return 0;
        }
        bool wrapped = is_zlib_head(st->first_byte, *io->in);
        if (open_z(st, wrapped ? MAX_WBITS : -MAX_WBITS, err) < 0)
            return -1;
        struct io first = { &st->first_byte, 1, io->out, io->out_len };
        if (inflate_some(st, &first, err) < 0)
            return -1;
        assert(first.in_len == 0 && first.out_len == io->out_len);
    }
    return inflate_some(st, io, err);
}

/* --- br --- */

static int open_br(struct stage *st, struct err *err)
{
    st->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return st->br ? 0 : err_set(err, ERR_SYS, "cannot start the brotli decoder: no memory");
}

static void close_br(struct stage *st)
{
    if (st->br)
        BrotliDecoderDestroyInstance(st->br);
}

static int step_br(struct stage *st, struct io *io, struct err *err)
{
    if (st->ended) {
        if (io->in_len)
            return err_set(err, ERR_CORRUPT, "bytes follow the end of the data");
        return 0;
    }
    BrotliDecoderResult r =
        BrotliDecoderDecompressStream(st->br, &io->in_len, &io->in, &io->out_len, &io->out, NULL);
    if (r == BROTLI_DECODER_RESULT_ERROR)
        return err_set(err, ERR_CORRUPT, "%s",
                       BrotliDecoderErrorString(BrotliDecoderGetErrorCode(st->br)));
    st->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
    return 0;
}

/* --- zstd --- */

static int open_zstd(struct stage *st, struct err *err)
{
    st->zstd = ZSTD_createDStream();
    return st->zstd ? 0 : err_set(err, ERR_SYS, "cannot start the zstd decoder: no memory");
}

static void close_zstd(struct stage *st)
{
    ZSTD_freeDStream(st->zstd);
}

bool codec_begins_zstd(struct str bytes)
{
    uint32_t magic = 0;

    if (bytes.len < ZSTD_MAGIC_BYTES)
        return false;
    for (size_t i = 0; i < ZSTD_MAGIC_BYTES; i++)
        magic |= (uint32_t)(uint8_t)bytes.ptr[i] << 8 * i;
    return magic == ZSTD_MAGICNUMBER ||
           (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

/* The library's default refuses windows over 128 MiB (RFC 9659 allows a sender 8 MiB). */
static int decompress_some(struct stage *st, struct io *io, struct err *err)
{
    ZSTD_inBuffer in = { io->in, io->in_len, 0 };
    ZSTD_outBuffer out = { io->out, io->out_len, 0 };
    size_t r = ZSTD_decompressStream(st->zstd, &out, &in);

    io->in += in.pos;
    io->in_len -= in.pos;
    io->out += out.pos;
    io->out_len -= out.pos;
    if (ZSTD_isError(r))
        return err_set(err, ERR_CORRUPT, "%s", ZSTD_getErrorName(r));
    st->in_frame = r != 0;
    st->ended = r == 0;
    return 0;
}

/* One frame may follow another; the library stops between them. */
static int begin_frame(struct stage *st, struct io *io, struct err *err)
{
    st->ended = false;
    while (io->in_len && st->magic_len < ZSTD_MAGIC_BYTES) {
        st->magic[st->magic_len++] = *io->in++;
        io->in_len--;
    }
    if (st->magic_len < ZSTD_MAGIC_BYTES)
        return 0;
    if (!codec_begins_zstd((struct str){ (const char *)st->magic, ZSTD_MAGIC_BYTES }))
        return err_set(err, ERR_CORRUPT, "no frame of zstd begins here");
    struct io first = { st->magic, ZSTD_MAGIC_BYTES, io->out, io->out_len };
    if (decompress_some(st, &first, err) < 0)
        return -1;
    assert(first.in_len == 0 && first.out_len == io->out_len && st->in_frame);
    st->magic_len = 0;
    return 0;
}

static int step_zstd(struct stage *st, struct io *io, struct err *err)
{
    if (st->ended && io->in_len == 0)
        return 0;
    if (!st->in_frame && begin_frame(st, io, err) < 0)
        return -1;
    return st->in_frame ? decompress_some(st, io, err) : 0;
}

/* --- the chain --- */

static const struct coding codings[] = {
    {STR_INIT("gzip"),      open_gzip,    step_gzip,     close_z      },
    { STR_INIT("x-gzip"),   open_gzip,    step_gzip,     close_z      }, /* RFC 9110 8.4.1.3 */
    { STR_INIT("deflate"),  open_deflate, step_deflate,  close_z      },
    { STR_INIT("br"),       open_br,      step_br,       close_br     },
    { STR_INIT("zstd"),     open_zstd,    step_zstd,     close_zstd   },
    { STR_INIT("identity"), open_nothing, step_identity, close_nothing},
};

static const struct coding *find_coding(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(codings); i++)
        if (str_ieq(codings[i].name, name))
            return &codings[i];
    return NULL;
}

static int add_stage(struct codec *c, struct str name, struct err *err)
{
    const struct coding *coding = find_coding(name);

    if (!coding)
        return err_set(err, ERR_UNSUPPORTED, "unknown content encoding '%.*s'",
                       STR_ARG(str_sub(name, 0, 40)));
    if (c->len == CODEC_STAGES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d content encodings on one body",
                       CODEC_STAGES_MAX);
    /* The last one named was applied last and is undone first. */
    memmove(&c->stages[1], &c->stages[0], c->len * sizeof(c->stages[0]));
    c->stages[0] = (struct stage){ .coding = coding };
    c->len++;
    return 0;
}

int codec_open(struct str content_encoding, struct codec **ret, struct err *err)
{
    CLEANUP(codec_close) struct codec *c = mem_calloc(1, sizeof(*c));
    struct str rest = content_encoding, name;

    while (str_split(&rest, ',', &name)) {
        name = str_trim(name);
        if (name.len && add_stage(c, name, err) < 0)
            return -1;
    }
    if (c->len == 0 && add_stage(c, STR("identity"), err) < 0)
        return -1;
    /* Only now: zlib keeps a pointer back into its z_stream, which must not move any more. */
    for (size_t i = 0; i < c->len; i++)
        if (c->stages[i].coding->open(&c->stages[i], err) < 0)
            return -1;
    *ret = TAKE(c);
    return 0;
}

void codec_close(struct codec *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->len; i++) {
        c->stages[i].coding->close(&c->stages[i]);
        buf_release(&c->stages[i].chunk);
    }
    free(c);
}

/* A list of codings may blow up in the middle and shrink again: what one stage hands to the next
 * may exceed the caller's limit by this much. */
#define SLACK_BYTES (1u << 20)

static uint64_t stage_limit(const struct codec *c, size_t index)
{
    return (uint64_t)c->max_out_bytes + (index + 1 == c->len ? 0 : SLACK_BYTES);
}

/* Decodes at most CHUNK_BYTES: 1 there is or may be more, 0 all of *piece is used up, -1 error.
 * What came out is in target in each case. */
static int decode_chunk(struct stage *st, uint64_t limit, struct str *piece, struct buf *target,
                        struct err *err)
{
    uint64_t left = limit > st->out_bytes ? limit - st->out_bytes : 0;
    size_t room = left < CHUNK_BYTES ? (size_t)left + 1 : CHUNK_BYTES; /* + 1: one too many shows */
    uint8_t *start = (uint8_t *)buf_reserve(target, room);
    struct io io = { (const uint8_t *)piece->ptr, piece->len, start, room };

    int r = st->coding->step(st, &io, err);
    size_t made = room - io.out_len, used = piece->len - io.in_len;
    *piece = str_sub(*piece, used, piece->len);
    st->out_bytes += made;
    target->len += made;
    if (made > left) {
        target->len -= made - (size_t)left;
        return err_set(err, ERR_LIMIT, "decodes to more than %llu bytes",
                       (unsigned long long)limit);
    }
    if (r < 0)
        return -1;
    if (piece->len && made == 0 && used == 0)
        return err_set(err, ERR_CORRUPT, "the decoder is stuck");
    return made == room || piece->len;
}

/* Runs piece through the stages from index on.  A stage that fails still hands on what it decoded.
 */
static int decode_from(struct codec *c, size_t index, struct str piece, struct err *err)
{
    struct stage *st = &c->stages[index];
    bool last = index + 1 == c->len;
    struct buf *target = last ? c->out : &st->chunk;
    int more = 1;

    st->started = true;
    while (more > 0) {
        if (!last)
            buf_clear(target);
        more = decode_chunk(st, stage_limit(c, index), &piece, target, err);
        if (more < 0)
            err_wrap(err, "%.*s", STR_ARG(st->coding->name));
        struct err later;
        if (!last && target->len && decode_from(c, index + 1, buf_str(target), &later) < 0) {
            if (more >= 0)
                *err = later;
            return -1;
        }
    }
    return more;
}

int codec_decode(struct codec *c, struct str piece, size_t max_out_bytes, struct buf *out,
                 struct err *err)
{
    if (c->failed) {
        *err = c->why;
        return -1;
    }
    if (piece.len == 0)
        return 0;
    c->out = out;
    c->max_out_bytes = max_out_bytes;
    if (decode_from(c, 0, piece, err) == 0)
        return 0;
    c->failed = true;
    c->why = *err;
    return -1;
}

bool codec_is_complete(const struct codec *c)
{
    if (c->failed)
        return false;
    for (size_t i = 0; i < c->len; i++)
        if (c->stages[i].started && !c->stages[i].ended)
            return false;
    return true;
}
