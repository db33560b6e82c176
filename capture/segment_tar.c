#include "config.h"

#include "capture/segment_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/codec.h"
#include "base/le.h"

#define FRAME_CHECKSUM 0x04 /* in the frame header descriptor (RFC 8878 3.1.1.1.1) */

struct segment_tar {
    struct str file;
    size_t at, frame_at;
    bool one_frame, in_frame, opened, done;
    ZSTD_DCtx *zstd;
    struct buf out;
    struct archive *tar;
    struct err why;    /* what the callback failed at */
    int64_t member_at; /* bytes of the member delivered */
};

/* Our frames all have a checksum.  Without this test, the one flipped bit that says so would show
 * as damage only behind the frame, or not at all. */
static bool has_checksum(struct str file, size_t at)
{
    const uint8_t *frame = (const uint8_t *)file.ptr + at;

    return file.len - at < 5 || le32_get(frame) != ZSTD_MAGICNUMBER || frame[4] & FRAME_CHECKSUM;
}

/* Decodes on into t->out: the bytes that came out; 0 at the end (of the frame, if it is to be one),
 * -1 with t->why set. */
static ptrdiff_t decode(struct segment_tar *t)
{
    while (!t->done) {
        if (t->at == t->file.len && !t->in_frame)
            return 0;
        if (t->at == t->file.len)
            return err_set(&t->why, ERR_CORRUPT,
                           "the file ends at byte %zu, inside the frame at byte %zu", t->at,
                           t->frame_at);
        if (!t->in_frame)
            t->frame_at = t->at;
        if (!t->in_frame && !codec_begins_zstd(str_sub(t->file, t->at, t->file.len)))
            return err_set(&t->why, ERR_CORRUPT, "frame at byte %zu: no frame of zstd begins here",
                           t->at);
        if (!t->in_frame && !has_checksum(t->file, t->at))
            return err_set(&t->why, ERR_CORRUPT, "frame at byte %zu: has no checksum", t->at);
        ZSTD_inBuffer in = { t->file.ptr, t->file.len, t->at };
        ZSTD_outBuffer out = { t->out.ptr, t->out.cap, 0 };
        size_t left = ZSTD_decompressStream(t->zstd, &out, &in);
        if (ZSTD_isError(left))
            return err_set(&t->why, ERR_CORRUPT, "frame at byte %zu: %s", t->frame_at,
                           ZSTD_getErrorName(left));
        t->at = in.pos;
        t->in_frame = left != 0;
        t->done = t->one_frame && !t->in_frame;
        if (out.pos)
            return (ptrdiff_t)out.pos;
    }
    return 0;
}

/* libarchive's read callback. */
static la_ssize_t on_want(struct archive *tar, void *ctx, const void **ret)
{
    struct segment_tar *t = ctx;
    ptrdiff_t n = decode(t);

    if (n < 0)
        archive_set_error(tar, EIO, "%s", t->why.text);
    *ret = t->out.ptr;
    return n;
}

struct segment_tar *segment_tar_open(struct str file, size_t at, bool one_frame)
{
    struct segment_tar *t = mem_calloc(1, sizeof(*t));

    t->file = file;
    t->at = t->frame_at = at;
    t->one_frame = one_frame;
    t->zstd = ZSTD_createDCtx();
    t->tar = archive_read_new();
    if (!t->zstd || !t->tar)
        abort(); /* as mem_* does */
    buf_reserve(&t->out, ZSTD_DStreamOutSize());
    archive_read_support_format_tar(t->tar);
    return t;
}

void segment_tar_close(struct segment_tar *t)
{
    if (!t)
        return;
    archive_read_free(t->tar);
    ZSTD_freeDCtx(t->zstd);
    buf_release(&t->out);
    free(t);
}

static int failed(struct segment_tar *t, struct err *err)
{
    if (t->why.code != ERR_NONE) {
        *err = t->why;
        return -1;
    }
    const char *why = archive_error_string(t->tar);
    return err_set(err, ERR_CORRUPT, "frame at byte %zu: bad tar: %s", t->frame_at,
                   why ? why : "unknown error");
}

int segment_tar_next(struct segment_tar *t, const char **ret_name, struct err *err)
{
    struct archive_entry *entry;

    /* Opening reads already, so it waits until failing can be told. */
    if (!t->opened && archive_read_open(t->tar, t, NULL, on_want, NULL) != ARCHIVE_OK)
        return failed(t, err);
    t->opened = true;
    t->member_at = 0;
    int r = archive_read_next_header(t->tar, &entry);
    if (r == ARCHIVE_EOF)
        return t->why.code == ERR_NONE ? 0 : failed(t, err);
    const char *name = r == ARCHIVE_OK ? archive_entry_pathname(entry) : NULL;
    if (!name)
        return failed(t, err);
    *ret_name = name;
    return 1;
}

int segment_tar_piece(struct segment_tar *t, struct str *ret, struct err *err)
{
    const void *bytes;
    size_t len;
    la_int64_t offset;
    int r = archive_read_data_block(t->tar, &bytes, &len, &offset);

    if (r == ARCHIVE_EOF)
        return 0;
    if (r != ARCHIVE_OK)
        return failed(t, err);
    if (offset != t->member_at) /* a sparse member: we write none */
        return err_set(err, ERR_CORRUPT, "frame at byte %zu: bad tar: a sparse member",
                       t->frame_at);
    t->member_at += (int64_t)len;
    *ret = (struct str){ bytes, len };
    return 1;
}

int segment_tar_read(struct segment_tar *t, size_t max_bytes, struct buf *out, struct err *err)
{
    size_t start = out->len;
    struct str piece;
    int r;

    while ((r = segment_tar_piece(t, &piece, err)) > 0) {
        if (piece.len > max_bytes - (out->len - start))
            return err_set(err, ERR_LIMIT, "frame at byte %zu: a member of more than %zu bytes",
                           t->frame_at, max_bytes);
        buf_add_str(out, piece);
    }
    return r;
}

uint64_t segment_tar_frame(const struct segment_tar *t)
{
    return t->frame_at;
}

int segment_frames_check(struct str file, uint64_t *ret_frame, struct err *err)
{
    CLEANUP(segment_tar_close) struct segment_tar *t = segment_tar_open(file, 0, false);
    ptrdiff_t n;

    while ((n = decode(t)) > 0)
        ;
    *ret_frame = t->frame_at;
    return n < 0 ? failed(t, err) : 0;
}
