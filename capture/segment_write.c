#include "config.h"

#include "capture/segment_write.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/le.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "capture/segment.h"

#define LEVEL 3
#define RAW_BYTES                                                                                  \
    (4u << 20) /* of a frame held back, so that zstd gets a small one in one piece                 \
                */
#define OUT_BYTES    (1u << 20) /* compressed, between writes */
#define MEMBER_MODE  0600
#define NUMBER_BYTES 20 /* digits of a u64 */

/* A header (POSIX.1-1988, "ustar"): offsets, and digits of its octal numbers. */
#define TAR_BLOCK        512u
#define TAR_NAME_BYTES   100u
#define TAR_SIZE         124u
#define TAR_MTIME        136u
#define TAR_DIGITS       11
#define TAR_SUM          148u
#define TAR_SUM_DIGITS   6
#define TAR_TYPE         156u
#define TAR_TYPE_FILE    '0'
#define TAR_NUMBER_LIMIT (UINT64_C(1) << 3 * TAR_DIGITS)

/* Where tar bytes go: into the current zstd frame, and that into the file. */
struct sink {
    int fd;
    ZSTD_CCtx *zstd;
    struct buf raw;  /* of the current frame, not yet given to zstd */
    struct buf out;  /* compressed, not yet written */
    uint64_t offset; /* of out's first byte in the file */
    int64_t frame;   /* where the current frame begins, -1 = none is begun */
    struct sha256 *sha;
    bool discard;
    struct err *err; /* of the call under way: libarchive's callback can only say "failed" */
};

struct segment_writer {
    struct sink sink;
    struct archive *tar;
    struct archive_entry *entry;
    char header[TAR_BLOCK]; /* the manifest's */
    struct buf lines;       /* of exchanges.jsonl, since the last spill */
    struct buf chunks;      /* the text of one exchange's */
    int spill;              /* unnamed file for lines beyond the first MiB, -1 = none yet */
    char *folder;
    uint64_t spilled_bytes;
    uint64_t frame_bytes; /* of bodies in the current frame */
    int64_t mtime_us;
};

static int flush_out(struct sink *s, struct err *err)
{
    if (fd_write_all(s->fd, buf_str(&s->out), err) < 0)
        return -1;
    sha256_update(s->sha, s->out.ptr, s->out.len);
    s->offset += s->out.len;
    buf_clear(&s->out);
    return 0;
}

/* A frame that begins and ends in one call is compressed in place, with parameters that fit its
 * size: that is why frames are gathered in raw first. */
static int compress(struct sink *s, struct str bytes, ZSTD_EndDirective how, struct err *err)
{
    ZSTD_inBuffer in = { bytes.ptr ? bytes.ptr : "", bytes.len, 0 };
    size_t left;

    do {
        size_t room =
            how == ZSTD_e_end ? ZSTD_compressBound(in.size - in.pos) + 64 : ZSTD_CStreamOutSize();
        ZSTD_outBuffer out = { buf_reserve(&s->out, room), room, 0 };
        left = ZSTD_compressStream2(s->zstd, &out, &in, how);
        if (ZSTD_isError(left))
            return err_set(err, ERR_SYS, "cannot compress: %s", ZSTD_getErrorName(left));
        s->out.len += out.pos;
        if (s->out.len >= OUT_BYTES && flush_out(s, err) < 0)
            return -1;
    } while (how == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return 0;
}

static int end_frame(struct sink *s, struct err *err)
{
    int r = compress(s, buf_str(&s->raw), ZSTD_e_end, err);

    buf_clear(&s->raw);
    s->frame = -1;
    return r;
}

/* Where the current frame begins, or the next one will. */
static int64_t frame_offset(const struct sink *s)
{
    return s->frame >= 0 ? s->frame : (int64_t)(s->offset + s->out.len);
}

static int sink_add(struct sink *s, struct str bytes, struct err *err)
{
    s->frame = frame_offset(s);
    if (s->raw.len + bytes.len <= RAW_BYTES) {
        buf_add_str(&s->raw, bytes);
        return 0;
    }
    int r = compress(s, buf_str(&s->raw), ZSTD_e_continue, err);
    buf_clear(&s->raw);
    return r < 0 ? -1 : compress(s, bytes, ZSTD_e_continue, err);
}

static la_ssize_t on_tar_bytes(struct archive *tar, void *ctx, const void *bytes, size_t len)
{
    struct sink *s = ctx;

    if (s->discard)
        return (la_ssize_t)len;
    if (sink_add(s, (struct str){ bytes, len }, s->err) < 0) {
        archive_set_error(tar, EIO, "%s", s->err->text);
        return -1;
    }
    return (la_ssize_t)len;
}

/* What libarchive failed at: our own reason if the callback gave one. */
static int tar_failed(const struct segment_writer *w, struct err *err)
{
    if (err->code != ERR_NONE)
        return -1;
    const char *why = archive_error_string(w->tar);
    return err_set(err, ERR_SYS, "cannot write the tar: %s", why ? why : "unknown error");
}

static int open_tar(struct segment_writer *w, struct err *err)
{
    w->tar = archive_write_new();
    w->entry = archive_entry_new();
    if (!w->tar || !w->entry)
        abort(); /* as mem_* does */
    *err = (struct err){ 0 };
    w->sink.err = err;
    /* Blocks of 0 hand every write straight on; 1 leaves no padding behind the end of the tar. */
    if (archive_write_set_format_pax_restricted(w->tar) != ARCHIVE_OK ||
        archive_write_add_filter_none(w->tar) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(w->tar, 0) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(w->tar, 1) != ARCHIVE_OK ||
        archive_write_open2(w->tar, &w->sink, NULL, on_tar_bytes, NULL, NULL) != ARCHIVE_OK)
        return tar_failed(w, err);
    return 0;
}

static int begin_member(struct segment_writer *w, const char *name, uint64_t size, struct err *err)
{
    *err = (struct err){ 0 };
    w->sink.err = err;
    archive_entry_clear(w->entry);
    archive_entry_set_pathname(w->entry, name);
    archive_entry_set_filetype(w->entry, AE_IFREG);
    archive_entry_set_perm(w->entry, MEMBER_MODE);
    archive_entry_set_size(w->entry, (la_int64_t)size);
    archive_entry_set_mtime(w->entry, (time_t)(w->mtime_us / US_PER_SECOND), 0);
    return archive_write_header(w->tar, w->entry) == ARCHIVE_OK ? 0 : tar_failed(w, err);
}

static int member_data(struct segment_writer *w, struct str bytes, struct err *err)
{
    w->sink.err = err;
    while (bytes.len) {
        la_ssize_t n = archive_write_data(w->tar, bytes.ptr, bytes.len);
        if (n <= 0)
            return tar_failed(w, err);
        bytes = str_sub(bytes, (size_t)n, SIZE_MAX);
    }
    return 0;
}

static int end_member(struct segment_writer *w, struct err *err)
{
    w->sink.err = err;
    return archive_write_finish_entry(w->tar) == ARCHIVE_OK ? 0 : tar_failed(w, err);
}

static int add_member(struct segment_writer *w, const char *name, struct str bytes, struct err *err)
{
    if (begin_member(w, name, bytes.len, err) < 0 || member_data(w, bytes, err) < 0)
        return -1;
    return end_member(w, err);
}

static void put_octal(char *at, int digits, uint64_t n)
{
    for (; digits > 0; n >>= 3)
        at[--digits] = (char)('0' + (n & 7));
}

/* As add_member, at a tenth of the time: three members an exchange would otherwise take longer
 * than reading what the call cost.  The header is the one that libarchive wrote for the manifest,
 * with another name, size, time and checksum. */
static int add_body(struct segment_writer *w, const char *name, struct str bytes, struct err *err)
{
    static const char zeros[TAR_BLOCK];
    uint64_t mtime = (uint64_t)(w->mtime_us / US_PER_SECOND);
    char header[TAR_BLOCK];
    unsigned sum = 0;

    /* From the year 2242 on a time needs a header of its own, which the manifest then had. */
    if (mtime >= TAR_NUMBER_LIMIT || w->header[TAR_TYPE] != TAR_TYPE_FILE)
        return add_member(w, name, bytes, err);
    assert(bytes.len < TAR_NUMBER_LIMIT && strlen(name) < TAR_NAME_BYTES);
    memcpy(header, w->header, sizeof(header));
    memset(header, 0, TAR_NAME_BYTES);
    memcpy(header, name, strlen(name));
    put_octal(header + TAR_SIZE, TAR_DIGITS, bytes.len);
    put_octal(header + TAR_MTIME, TAR_DIGITS, mtime);
    memset(header + TAR_SUM, ' ', TAR_SUM_DIGITS + 2); /* as which its own bytes are counted */
    for (size_t i = 0; i < sizeof(header); i++)
        sum += (unsigned char)header[i];
    put_octal(header + TAR_SUM, TAR_SUM_DIGITS, sum);
    header[TAR_SUM + TAR_SUM_DIGITS] = '\0';
    if (sink_add(&w->sink, (struct str){ header, sizeof(header) }, err) < 0 ||
        sink_add(&w->sink, bytes, err) < 0)
        return -1;
    return sink_add(&w->sink, (struct str){ zeros, (0 - bytes.len) % TAR_BLOCK }, err);
}

static int add_manifest(struct segment_writer *w, const struct segment_info *info, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_byte(&text, '{');
    json_add_str(&text, "format", STR(SEGMENT_FORMAT));
    json_add_int(&text, "version", SEGMENT_VERSION);
    json_add_str(&text, "segment", str_from(info->id));
    json_add_str(&text, "date", str_from(info->date));
    json_add_str(&text, "writer", info->writer);
    json_add_int(&text, "exchanges", (int64_t)info->exchanges);
    json_add_int(&text, "first_sequence", (int64_t)info->first_sequence);
    json_add_int(&text, "last_sequence", (int64_t)info->last_sequence);
    json_add_int(&text, "writer_exchanges", (int64_t)info->writer_exchanges);
    json_add_str(&text, "first_started_at", str_from(timestamp_format(info->first_started_us, at)));
    json_add_str(&text, "created_by", str_from(info->created_by));
    buf_add_text(&text, "}\n");
    if (add_member(w, SEGMENT_MANIFEST, buf_str(&text), err) < 0)
        return -1;
    assert(w->sink.raw.len >= TAR_BLOCK); /* the first member, a few hundred bytes */
    memcpy(w->header, w->sink.raw.ptr, TAR_BLOCK);
    return end_frame(&w->sink, err);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup("./");
}

int segment_create(const char *path, const struct segment_info *info, struct segment_writer **ret,
                   struct err *err)
{
    struct segment_writer *w = mem_calloc(1, sizeof(*w));

    w->spill = -1;
    w->sink.frame = -1;
    w->folder = folder_of(path);
    w->mtime_us = info->first_started_us;
    w->sink.sha = sha256_new();
    w->sink.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    w->sink.zstd = ZSTD_createCCtx();
    if (!w->sink.zstd)
        abort();
    ZSTD_CCtx_setParameter(w->sink.zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(w->sink.zstd, ZSTD_c_checksumFlag, 1);
    if (w->sink.fd < 0)
        err_sys(err, "cannot create '%s'", path);
    if (w->sink.fd < 0 || open_tar(w, err) < 0 || add_manifest(w, info, err) < 0) {
        segment_abandon(w);
        return -1;
    }
    *ret = w;
    return 0;
}

void segment_abandon(struct segment_writer *w)
{
    if (!w)
        return;
    /* Freeing writes the end of the tar.  archive_write_fail would prevent that, but makes
     * libarchive 3.6.2 leak its block buffer. */
    w->sink.discard = true;
    archive_write_free(w->tar);
    archive_entry_free(w->entry);
    ZSTD_freeCCtx(w->sink.zstd);
    sha256_free(w->sink.sha);
    buf_release(&w->sink.raw);
    buf_release(&w->sink.out);
    buf_release(&w->lines);
    buf_release(&w->chunks);
    if (w->sink.fd >= 0)
        close(w->sink.fd);
    if (w->spill >= 0)
        close(w->spill);
    free(w->folder);
    free(w);
}

/* Decimal digits; printf would take longer than compressing the line. */
static char *put_number(char *at, uint64_t n)
{
    char digits[NUMBER_BYTES];
    int len = 0;

    do
        digits[len++] = (char)('0' + n % 10);
    while (n /= 10);
    while (len)
        *at++ = digits[--len];
    return at;
}

/* Lines "OFFSET_US BYTES". */
static void chunks_to_text(const struct exchange *x, struct buf *out)
{
    buf_clear(out);
    char *at = buf_reserve(out, x->chunk_count * (2 * NUMBER_BYTES + 2));
    const char *start = at;
    for (size_t i = 0; i < x->chunk_count; i++) {
        at = put_number(at, x->chunks[i].offset_us);
        *at++ = ' ';
        at = put_number(at, x->chunks[i].bytes);
        *at++ = '\n';
    }
    out->len = (size_t)(at - start);
}

static int add_bodies(struct segment_writer *w, const struct exchange *x, struct err *err)
{
    struct {
        const char *suffix;
        struct str bytes;
    } members[] = {
        {SEGMENT_REQUEST,   x->request_body },
        { SEGMENT_RESPONSE, x->response_body},
        { SEGMENT_CHUNKS,   { 0 }           },
    };
    char name[sizeof(SEGMENT_BODIES) + UUID_TEXT_BYTES + sizeof(SEGMENT_RESPONSE)] = SEGMENT_BODIES;
    char *suffix = name + strlen(SEGMENT_BODIES) + UUID_TEXT_BYTES - 1;

    uuid_format(x->id, name + strlen(SEGMENT_BODIES));
    chunks_to_text(x, &w->chunks);
    members[2].bytes = buf_str(&w->chunks);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        strcpy(suffix, members[i].suffix);
        if (members[i].bytes.len && add_body(w, name, members[i].bytes, err) < 0)
            return -1;
        w->frame_bytes += members[i].bytes.len;
    }
    if (w->frame_bytes < SEGMENT_BODIES_FRAME)
        return 0;
    w->frame_bytes = 0;
    return end_frame(&w->sink, err);
}

/* An unnamed file beside the segment (not in /tmp, which may be small): lines can only be written
 * once their total length is known, and there may be more of them than memory. */
static int open_spill(struct segment_writer *w, struct err *err)
{
    CLEANUP(buf_release) struct buf name = { 0 };

    w->spill = open(w->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (w->spill >= 0)
        return 0;
    buf_addf(&name, "%s" SEGMENT_TMP_PREFIX "XXXXXX", w->folder); /* no O_TMPFILE here: NFS, FUSE */
    buf_cstr(&name);
    w->spill = mkostemp(name.ptr, O_CLOEXEC);
    if (w->spill < 0)
        return err_sys(err, "cannot make a temporary file in '%s'", w->folder);
    unlink(name.ptr);
    return 0;
}

static int spill_lines(struct segment_writer *w, struct err *err)
{
    if (w->spill < 0 && open_spill(w, err) < 0)
        return -1;
    if (fd_write_all(w->spill, buf_str(&w->lines), err) < 0)
        return -1;
    w->spilled_bytes += w->lines.len;
    buf_clear(&w->lines);
    return 0;
}

int segment_add(struct segment_writer *w, const struct exchange *x, int64_t *ret_offset,
                struct err *err)
{
    int64_t offset = -1;

    w->mtime_us = x->started_us;
    if (x->request_body.len || x->response_body.len || x->chunk_count) {
        offset = frame_offset(&w->sink);
        if (add_bodies(w, x, err) < 0)
            return -1;
    }
    exchange_to_json(x, &w->lines);
    buf_add_byte(&w->lines, '\n');
    if (w->lines.len >= SEGMENT_LINES_FRAME && spill_lines(w, err) < 0)
        return -1;
    *ret_offset = offset;
    return 0;
}

/* One frame's worth of exchanges.jsonl. */
static int add_lines_frame(struct segment_writer *w, struct str bytes, struct err *err)
{
    return member_data(w, bytes, err) < 0 ? -1 : end_frame(&w->sink, err);
}

static int copy_spilled(struct segment_writer *w, struct err *err)
{
    CLEANUP(buf_release) struct buf piece = { 0 };

    buf_reserve(&piece, SEGMENT_LINES_FRAME);
    for (uint64_t at = 0; at < w->spilled_bytes; at += piece.len) {
        uint64_t left = w->spilled_bytes - at;
        piece.len = left < SEGMENT_LINES_FRAME ? (size_t)left : SEGMENT_LINES_FRAME;
        int r = fd_read_at(w->spill, piece.ptr, piece.len, (off_t)at, err);
        if (r < 0)
            return err_wrap(err, "temporary file");
        if (r == 0)
            return err_set(err, ERR_SYS, "temporary file: shorter than what was written");
        if (add_lines_frame(w, buf_str(&piece), err) < 0)
            return -1;
    }
    return 0;
}

static int add_lines(struct segment_writer *w, struct err *err)
{
    if (begin_member(w, SEGMENT_LINES, w->spilled_bytes + w->lines.len, err) < 0 ||
        copy_spilled(w, err) < 0)
        return -1;
    if (member_data(w, buf_str(&w->lines), err) < 0 || end_member(w, err) < 0)
        return -1;
    return end_frame(&w->sink, err);
}

static void add_index(struct sink *s, uint64_t lines_offset)
{
    uint8_t frame[SEGMENT_INDEX_BYTES];

    le32_put(frame, SEGMENT_INDEX_MAGIC);
    le32_put(frame + 4, SEGMENT_INDEX_BYTES - 8);
    memcpy(frame + 8, SEGMENT_INDEX_NAME, 8);
    le32_put(frame + 16, (uint32_t)lines_offset);
    le32_put(frame + 20, (uint32_t)(lines_offset >> 32));
    buf_add(&s->out, frame, sizeof(frame));
}

static int finish(struct segment_writer *w, struct err *err)
{
    if (w->frame_bytes && end_frame(&w->sink, err) < 0)
        return -1;
    uint64_t lines_offset = (uint64_t)frame_offset(&w->sink);
    if (add_lines(w, err) < 0)
        return -1;
    w->sink.err = err;
    if (archive_write_close(w->tar) != ARCHIVE_OK)
        return tar_failed(w, err);
    if (end_frame(&w->sink, err) < 0)
        return -1;
    add_index(&w->sink, lines_offset);
    if (flush_out(&w->sink, err) < 0)
        return -1;
    return fsync(w->sink.fd) < 0 ? err_sys(err, "cannot sync the segment") : 0;
}

int segment_finish(struct segment_writer *w, uint8_t ret_sha[static SHA256_BYTES],
                   uint64_t *ret_bytes, struct err *err)
{
    int r = finish(w, err);

    if (r == 0) {
        sha256_final(w->sink.sha, ret_sha);
        *ret_bytes = w->sink.offset;
    }
    segment_abandon(w);
    return r;
}
