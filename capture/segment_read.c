#include "config.h"

#include "capture/segment_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/le.h"
#include "capture/exchange_fields.h"
#include "capture/segment.h"
#include "capture/segment_tar.h"

#define MANIFEST_BYTES_MAX (64u << 10)
#define CHUNKS_BYTES_MAX   (512u << 20)

struct segment_reader {
    struct file_map map;
    struct arena texts; /* of the manifest */
    struct segment_manifest manifest;

    struct segment_tar *lines; /* within exchanges.jsonl; NULL before the first line */
    struct buf line;           /* bytes of it not yet given out begin at line_at */
    size_t line_at;
    uint64_t count; /* exchanges given out */

    struct segment_tar *bodies;
    const char *member; /* read of bodies, not yet taken; NULL = none, ask */
    struct arena arena; /* of the exchange given out */
    struct buf request, response, chunks;
    int64_t offset;
};

void segment_close(struct segment_reader *r)
{
    if (!r)
        return;
    segment_tar_close(r->lines);
    segment_tar_close(r->bodies);
    arena_release(&r->texts);
    arena_release(&r->arena);
    buf_release(&r->line);
    buf_release(&r->request);
    buf_release(&r->response);
    buf_release(&r->chunks);
    file_map_close(&r->map);
    free(r);
}

const struct segment_manifest *segment_manifest(const struct segment_reader *r)
{
    return &r->manifest;
}

static int manifest_count(const json_t *doc, const char *name, uint64_t *ret, struct err *err)
{
    int64_t n = -1;

    if (exchange_json_int(doc, name, &n, err) < 0)
        return -1;
    if (n < 0)
        return err_set(err, ERR_CORRUPT, "'%s' is missing or negative", name);
    *ret = (uint64_t)n;
    return 0;
}

static int parse_manifest(struct segment_reader *r, struct str text, struct err *err)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    struct segment_manifest *m = &r->manifest;
    uint64_t version = 0;

    if (json_parse(text, &doc, err) < 0)
        return -1;
    if (!str_eq(json_get_str(doc, "format"), STR(SEGMENT_FORMAT)))
        return err_set(err, ERR_CORRUPT, "'format' is not '%s'", SEGMENT_FORMAT);
    if (manifest_count(doc, "version", &version, err) < 0)
        return -1;
    if (version != SEGMENT_VERSION)
        return err_set(err, ERR_UNSUPPORTED, "version %" PRIu64 " of the format is not %d", version,
                       SEGMENT_VERSION);
    if (exchange_json_text(doc, "segment", &r->texts, &m->id, err) < 0 ||
        exchange_json_text(doc, "date", &r->texts, &m->date, err) < 0 ||
        exchange_json_text(doc, "writer", &r->texts, &m->writer, err) < 0 ||
        exchange_json_text(doc, "created_by", &r->texts, &m->created_by, err) < 0 ||
        manifest_count(doc, "exchanges", &m->exchanges, err) < 0 ||
        manifest_count(doc, "first_sequence", &m->first_sequence, err) < 0 ||
        manifest_count(doc, "last_sequence", &m->last_sequence, err) < 0)
        return -1;
    return manifest_count(doc, "writer_exchanges", &m->writer_exchanges, err);
}

static int read_manifest(struct segment_reader *r, struct err *err)
{
    CLEANUP(segment_tar_close) struct segment_tar *tar = segment_tar_open(r->map.bytes, 0, true);
    CLEANUP(buf_release) struct buf text = { 0 };
    const char *name = "";
    int n = segment_tar_next(tar, &name, err);

    if (n < 0)
        return -1;
    if (n == 0 || strcmp(name, SEGMENT_MANIFEST) != 0)
        return err_set(err, ERR_CORRUPT, "frame at byte 0: does not begin with %s",
                       SEGMENT_MANIFEST);
    if (segment_tar_read(tar, MANIFEST_BYTES_MAX, &text, err) < 0)
        return -1;
    return parse_manifest(r, buf_str(&text), err) < 0 ? err_wrap(err, SEGMENT_MANIFEST) : 0;
}

int segment_open(const char *path, struct segment_reader **ret, struct err *err)
{
    CLEANUP(segment_close) struct segment_reader *r = mem_calloc(1, sizeof(*r));

    r->offset = -1;
    if (file_map_open(path, &r->map, err) < 0 || read_manifest(r, err) < 0)
        return -1;
    *ret = TAKE(r);
    return 0;
}

/* Where exchanges.jsonl begins according to the index at the end; 0, the long way, without one. */
static size_t lines_offset(struct str file)
{
    struct str index = str_sub(file, file.len - SEGMENT_INDEX_BYTES, SIZE_MAX);
    const uint8_t *at = (const uint8_t *)index.ptr;

    if (file.len < SEGMENT_INDEX_BYTES || le32_get(at) != SEGMENT_INDEX_MAGIC ||
        le32_get(at + 4) != SEGMENT_INDEX_BYTES - 8 || memcmp(at + 8, SEGMENT_INDEX_NAME, 8) != 0)
        return 0;
    uint64_t offset = le32_get(at + 16) | (uint64_t)le32_get(at + 20) << 32;
    return offset < file.len ? (size_t)offset : 0;
}

static int open_lines(struct segment_reader *r, struct err *err)
{
    const char *name = "";
    int n;

    r->lines = segment_tar_open(r->map.bytes, lines_offset(r->map.bytes), false);
    do
        n = segment_tar_next(r->lines, &name, err);
    while (n > 0 && strcmp(name, SEGMENT_LINES) != 0);
    if (n < 0)
        return -1;
    return n ? 0 : err_set(err, ERR_CORRUPT, "there is no %s in it", SEGMENT_LINES);
}

/* 1 = *ret is a line without its newline, 0 = end. */
static int next_line(struct segment_reader *r, struct str *ret, struct err *err)
{
    if (!r->lines && open_lines(r, err) < 0)
        return -1;
    for (;;) {
        struct str piece, left = str_sub(buf_str(&r->line), r->line_at, SIZE_MAX);
        ptrdiff_t end = left.len ? str_find_char(left, '\n', 0) : -1;
        if (end >= 0) {
            *ret = str_sub(left, 0, (size_t)end);
            r->line_at += (size_t)end + 1;
            return 1;
        }
        if (left.len > SEGMENT_LINE_MAX)
            return err_set(err, ERR_LIMIT, "a line of more than %u bytes", SEGMENT_LINE_MAX);
        buf_consume(&r->line, r->line_at);
        r->line_at = 0;
        int n = segment_tar_piece(r->lines, &piece, err);
        if (n < 0)
            return -1;
        if (n == 0)
            return left.len ? err_set(err, ERR_CORRUPT, "the last line has no end") : 0;
        buf_add_str(&r->line, piece);
    }
}

/* "bodies/ID.SUFFIX": the suffix, or NULL if name is not of this exchange. */
static const char *suffix_of(const char *name, struct uuid id)
{
    char text[UUID_TEXT_BYTES];
    size_t prefix = strlen(SEGMENT_BODIES);

    uuid_format(id, text);
    if (strncmp(name, SEGMENT_BODIES, prefix) != 0 ||
        strncmp(name + prefix, text, UUID_TEXT_BYTES - 1) != 0)
        return NULL;
    return name + prefix + UUID_TEXT_BYTES - 1;
}

static int parse_chunks(struct segment_reader *r, struct exchange *x, struct err *err)
{
    struct str rest = buf_str(&r->chunks), line;
    uint64_t total = 0;
    size_t count = 0;

    for (size_t i = 0; i < rest.len; i++)
        count += rest.ptr[i] == '\n';
    x->chunks = arena_alloc(&r->arena, count * sizeof(*x->chunks) + 1);
    while (rest.len && str_split(&rest, '\n', &line)) {
        ptrdiff_t blank = str_find_char(line, ' ', 0);
        int64_t offset, bytes;
        if (blank < 0 || !str_to_i64(str_sub(line, 0, (size_t)blank), &offset) ||
            !str_to_i64(str_sub(line, (size_t)blank + 1, SIZE_MAX), &bytes) || offset < 0 ||
            bytes < 0 || x->chunk_count == count)
            return err_set(err, ERR_CORRUPT, "line %zu of its chunks is malformed",
                           x->chunk_count + 1);
        x->chunks[x->chunk_count++] = (struct exchange_chunk){ (uint64_t)offset, (uint64_t)bytes };
        total += (uint64_t)bytes;
    }
    if (x->chunk_count && total != x->response_body.len)
        return err_set(err, ERR_CORRUPT, "its chunks hold %" PRIu64 " bytes, its response body %zu",
                       total, x->response_body.len);
    return 0;
}

static int take_member(struct segment_reader *r, struct segment_tar *tar, const char *suffix,
                       struct err *err)
{
    if (strcmp(suffix, SEGMENT_REQUEST) == 0)
        return segment_tar_read(tar, EXCHANGE_BODY_BYTES_MAX, &r->request, err);
    if (strcmp(suffix, SEGMENT_RESPONSE) == 0)
        return segment_tar_read(tar, EXCHANGE_BODY_BYTES_MAX, &r->response, err);
    if (strcmp(suffix, SEGMENT_CHUNKS) == 0)
        return segment_tar_read(tar, CHUNKS_BYTES_MAX, &r->chunks, err);
    return err_set(err, ERR_CORRUPT, "member 'bodies/...%s' is not known", suffix);
}

/* Reads what members tar has for x, starting with *member (NULL = the next one), and leaves in
 * *member the first that is not x's. */
static int read_members(struct segment_reader *r, struct segment_tar *tar, const char **member,
                        struct exchange *x, struct err *err)
{
    buf_clear(&r->request);
    buf_clear(&r->response);
    buf_clear(&r->chunks);
    r->offset = -1;
    for (;;) {
        int n = *member ? 1 : segment_tar_next(tar, member, err);
        const char *suffix = n > 0 ? suffix_of(*member, x->id) : NULL;
        if (n < 0)
            return -1;
        if (!suffix)
            break;
        if (r->offset < 0)
            r->offset = (int64_t)segment_tar_frame(tar);
        if (take_member(r, tar, suffix, err) < 0)
            return -1;
        *member = NULL;
    }
    if (r->request.len != x->request_stored_bytes || r->response.len != x->response_stored_bytes)
        return err_set(err, ERR_CORRUPT,
                       "its bodies are %zu and %zu bytes, its line says %" PRIu64 " and %" PRIu64,
                       r->request.len, r->response.len, x->request_stored_bytes,
                       x->response_stored_bytes);
    x->request_body = buf_str(&r->request);
    x->response_body = buf_str(&r->response);
    return parse_chunks(r, x, err);
}

/* The reader's own stream over all members, set behind the manifest. */
static int open_bodies(struct segment_reader *r, struct err *err)
{
    const char *name;

    r->bodies = segment_tar_open(r->map.bytes, 0, false);
    return segment_tar_next(r->bodies, &name, err) < 0 ? -1 : 0;
}

static int next_record(struct segment_reader *r, struct exchange *x, struct err *err)
{
    struct str line;
    int n = next_line(r, &line, err);

    if (n < 0)
        return err_wrap(err, SEGMENT_LINES);
    if (n == 0)
        return 0;
    r->count++;
    arena_reset(&r->arena);
    if (exchange_from_json(line, &r->arena, x, err) < 0)
        return err_wrap(err, SEGMENT_LINES " line %" PRIu64, r->count);
    return 1;
}

int segment_next(struct segment_reader *r, bool bodies, struct exchange *ret, struct err *err)
{
    struct exchange x;
    char id[UUID_TEXT_BYTES];

    if (bodies && !r->bodies && open_bodies(r, err) < 0)
        return -1;
    int n = next_record(r, &x, err);
    if (n < 0)
        return -1;
    if (n == 0) {
        if (r->count != r->manifest.exchanges)
            return err_set(err, ERR_CORRUPT, "%s has %" PRIu64 " lines, the manifest says %" PRIu64,
                           SEGMENT_LINES, r->count, r->manifest.exchanges);
        return 0;
    }
    if (bodies && read_members(r, r->bodies, &r->member, &x, err) < 0)
        return err_wrap(err, "exchange %s", uuid_format(x.id, id));
    *ret = x;
    return 1;
}

int64_t segment_offset(const struct segment_reader *r)
{
    return r->offset;
}

/* Starts exchanges.jsonl again. */
static void rewind_lines(struct segment_reader *r)
{
    segment_tar_close(r->lines);
    r->lines = NULL;
    buf_clear(&r->line);
    r->line_at = 0;
    r->count = 0;
}

/* The bodies and chunks of x, whose line has been read. */
static int read_bodies(struct segment_reader *r, int64_t offset, struct exchange *x,
                       struct err *err)
{
    const char *member = NULL;
    int n;

    if (offset < 0 || (uint64_t)offset >= r->map.bytes.len) {
        if (x->request_stored_bytes || x->response_stored_bytes)
            return err_set(err, ERR_CORRUPT,
                           "its bodies' offset is missing or behind the file's end");
        return 0;
    }
    CLEANUP(segment_tar_close)
    struct segment_tar *tar = segment_tar_open(r->map.bytes, (size_t)offset, true);
    do /* others may share the frame */
        n = segment_tar_next(tar, &member, err);
    while (n > 0 && !suffix_of(member, x->id));
    if (n < 0)
        return -1;
    if (n == 0)
        member = "";
    return read_members(r, tar, &member, x, err);
}

int segment_bodies(struct segment_reader *r, int64_t offset, struct exchange *x, struct err *err)
{
    arena_reset(&r->arena);
    return read_bodies(r, offset, x, err);
}

int segment_find(struct segment_reader *r, struct uuid id, int64_t offset, struct exchange *ret,
                 struct err *err)
{
    struct exchange x;
    int n;

    rewind_lines(r);
    do
        n = next_record(r, &x, err);
    while (n > 0 && memcmp(&x.id, &id, sizeof(id)) != 0);
    if (n <= 0)
        return n;
    if (read_bodies(r, offset, &x, err) < 0)
        return -1;
    *ret = x;
    return 1;
}

/* Every member, and whether the index points at exchanges.jsonl. */
static int walk_members(struct str file, uint64_t *ret_frame, struct err *err)
{
    CLEANUP(segment_tar_close) struct segment_tar *tar = segment_tar_open(file, 0, false);
    struct str piece;
    const char *name;
    uint64_t lines = 0;
    int n;

    while ((n = segment_tar_next(tar, &name, err)) > 0) {
        if (strcmp(name, SEGMENT_LINES) == 0)
            lines = segment_tar_frame(tar);
        while ((n = segment_tar_piece(tar, &piece, err)) > 0)
            ;
        if (n < 0)
            break;
    }
    *ret_frame = segment_tar_frame(tar);
    if (n < 0)
        return -1;
    if (!lines)
        return err_set(err, ERR_CORRUPT, "there is no %s in it", SEGMENT_LINES);
    if (lines_offset(file) == lines)
        return 0;
    *ret_frame = file.len < SEGMENT_INDEX_BYTES ? 0 : file.len - SEGMENT_INDEX_BYTES;
    return err_set(err, ERR_CORRUPT, "index at byte %" PRIu64 ": does not point at %s", *ret_frame,
                   SEGMENT_LINES);
}

int segment_walk(const char *path, uint64_t *ret_frame, struct err *err)
{
    CLEANUP(file_map_close) struct file_map map = { 0 };

    *ret_frame = 0;
    if (file_map_open(path, &map, err) < 0)
        return -1;
    if (segment_frames_check(map.bytes, ret_frame, err) < 0)
        return -1;
    return walk_members(map.bytes, ret_frame, err);
}
