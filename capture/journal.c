#include "config.h"

#include "capture/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/file.h"
#include "base/le.h"
#include "capture/archive.h"

#define HEAD_BYTES   12u          /* length, its CRC, the body's CRC */
#define PREFIX_BYTES 17u          /* type, sequence, µs */
#define WRITE_BYTES  (256u << 10) /* appended bytes held before a write */
#define HOLD_BYTES   (4u << 20)   /* likewise, if the caller sees to it that they leave */
#define SYNC_BYTES   (1u << 20)   /* JOURNAL_BATCH: appended between syncs */
#define FRAME_MAX    (PREFIX_BYTES + JOURNAL_BODY_BYTES_MAX) /* what a length may say */
#define SECTOR_BYTES 512u /* disks write no less: where a zero-filled tail may begin */

struct journal_writer {
    int fd;
    char *path;
    struct buf leaving; /* accepted, not yet written: first what a ticket was given, */
    struct buf out;     /* then the rest */
    const struct journal_ticket *ticket; /* that writes leaving; NULL = none */
    uint64_t written_bytes, unsynced_bytes;
    uint64_t next_sequence;
    enum journal_durability durability;
    bool sync_failed; /* the kernel may have dropped what it could not write: nothing can be
                         promised any more (fsync(2) reports that once and then succeeds) */
};

struct journal_reader {
    struct file_map map;
    struct str writer;
    size_t at;         /* of the next frame */
    size_t checked;    /* frames up to here have passed their checksums once: enough */
    size_t torn_bytes; /* valid at the end */
    bool closed;       /* the last frame read was CLOSE */
};

static void le64_put(uint8_t *at, uint64_t value)
{
    le32_put(at, (uint32_t)value);
    le32_put(at + 4, (uint32_t)(value >> 32));
}

static uint64_t le64_get(const uint8_t *at)
{
    return le32_get(at) | (uint64_t)le32_get(at + 4) << 32;
}

/* Writes b but for the first *done bytes, which grows. */
static int write_rest(int fd, struct str b, size_t *done, struct err *err)
{
    while (*done < b.len) {
        ssize_t n = write(fd, b.ptr + *done, b.len - *done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "cannot write the journal");
        *done += (size_t)n;
    }
    return 0;
}

static void note_written(struct journal_writer *j, struct buf *b, size_t done)
{
    j->written_bytes += done;
    j->unsynced_bytes += done;
    buf_consume(b, done);
}

/* What could not be written stays for the next try. */
static int flush_buf(struct journal_writer *j, struct buf *b, struct err *err)
{
    size_t done = 0;
    int r = write_rest(j->fd, buf_str(b), &done, err);

    note_written(j, b, done);
    return r;
}

/* Whether nobody else writes. */
static bool may_write(struct journal_writer *j)
{
    if (j->ticket && atomic_load(&j->ticket->is_written)) {
        note_written(j, &j->leaving, j->ticket->out.len);
        j->ticket = NULL;
    }
    return !j->ticket;
}

int journal_flush(struct journal_writer *j, struct err *err)
{
    if (!may_write(j))
        return 0;
    return flush_buf(j, &j->leaving, err) < 0 || flush_buf(j, &j->out, err) < 0 ? -1 : 0;
}

int journal_sync_begin(struct journal_writer *j, bool is_sync, struct journal_ticket *ret,
                       struct err *err)
{
    struct buf spare = j->leaving;

    assert(!j->ticket);
    if (is_sync && j->sync_failed)
        return err_set(err, ERR_SYS, "the journal could not be synced earlier");
    if (j->leaving.len) { /* a write has failed */
        buf_add_str(&j->leaving, buf_str(&j->out));
        buf_clear(&j->out);
    } else {
        j->leaving = j->out;
        j->out = spare;
    }
    *ret = (struct journal_ticket){ .fd = j->fd,
                                    .is_sync = is_sync,
                                    .out = buf_str(&j->leaving),
                                    .bytes = j->written_bytes + j->leaving.len };
    j->ticket = ret;
    return 0;
}

int journal_sync_run(struct journal_ticket *t, struct err *err)
{
    if (write_rest(t->fd, t->out, &t->done, err) < 0)
        return -1;
    atomic_store(&t->is_written, true);
    /* What goes wrong with it is told by fdatasync: this waits for nothing, so asks for nothing. */
    if (t->is_started && !t->is_sync && t->out.len)
        (void)sync_file_range(t->fd, (off_t)(t->bytes - t->out.len), (off_t)t->out.len,
                              SYNC_FILE_RANGE_WRITE);
    return t->is_sync && fdatasync(t->fd) < 0 ? err_sys(err, "cannot sync the journal") : 0;
}

void journal_sync_end(struct journal_writer *j, const struct journal_ticket *t, bool succeeded)
{
    assert(t->fd == j->fd && (!j->ticket || j->ticket == t));
    if (j->ticket)
        note_written(j, &j->leaving, t->done);
    j->ticket = NULL;
    if (succeeded && t->is_sync)
        j->unsynced_bytes = j->written_bytes - t->bytes;
    else if (!succeeded && atomic_load(&t->is_written))
        j->sync_failed = true;
}

int journal_sync(struct journal_writer *j, struct err *err)
{
    struct journal_ticket t = { .fd = -1 };

    if (!j->unsynced_bytes && !j->out.len && !j->leaving.len && !j->sync_failed)
        return 0;
    if (journal_sync_begin(j, true, &t, err) < 0)
        return -1;
    int r = journal_sync_run(&t, err);
    journal_sync_end(j, &t, r == 0);
    return r;
}

static void add_frame(struct buf *out, const struct journal_frame *f)
{
    uint32_t len = (uint32_t)(PREFIX_BYTES + f->payload.len);
    uint8_t *head = (uint8_t *)buf_reserve(out, HEAD_BYTES + len);
    uint8_t *body = head + HEAD_BYTES;

    body[0] = (uint8_t)f->type;
    le64_put(body + 1, f->sequence);
    le64_put(body + 9, f->at_us);
    if (f->payload.len)
        memcpy(body + PREFIX_BYTES, f->payload.ptr, f->payload.len);
    le32_put(head, len);
    le32_put(head + 4, crc32c(head, 4));
    le32_put(head + 8, crc32c(body, len));
    out->len += HEAD_BYTES + len;
}

static bool is_full(const struct journal_writer *j, size_t more)
{
    size_t held = j->out.len + (j->ticket ? 0 : j->leaving.len);

    return held && held + more > (j->durability == JOURNAL_STRICT ? HOLD_BYTES : WRITE_BYTES);
}

int journal_append(struct journal_writer *j, const struct journal_frame *f, struct err *err)
{
    assert(f->type >= JOURNAL_FILE && f->type <= JOURNAL_CLOSE);
    assert(f->type != JOURNAL_BEGIN || f->sequence == j->next_sequence);
    assert(f->type == JOURNAL_BEGIN || f->sequence < j->next_sequence);

    if (f->payload.len > JOURNAL_BODY_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "frame of %zu bytes: a journal frame holds %u at most",
                       f->payload.len, JOURNAL_BODY_BYTES_MAX);
    /* Before the frame is taken, so that failing means it was not. */
    if (is_full(j, HEAD_BYTES + PREFIX_BYTES + f->payload.len) && journal_flush(j, err) < 0)
        return -1;
    if (j->durability == JOURNAL_BATCH && j->unsynced_bytes >= SYNC_BYTES &&
        journal_sync(j, err) < 0)
        return -1;
    add_frame(&j->out, f);
    if (f->type == JOURNAL_BEGIN)
        j->next_sequence++;
    return 0;
}

uint64_t journal_bytes(const struct journal_writer *j)
{
    return j->written_bytes + j->leaving.len + j->out.len;
}

size_t journal_unwritten_bytes(const struct journal_writer *j)
{
    return j->leaving.len + j->out.len;
}

uint64_t journal_sequence(const struct journal_writer *j)
{
    return j->next_sequence;
}

static bool is_writer_name(struct str name)
{
    if (!name.len || name.len > JOURNAL_WRITER_BYTES_MAX || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static void writer_free(struct journal_writer *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd); /* lets go of the lock */
    buf_release(&j->leaving);
    buf_release(&j->out);
    free(j->path);
    free(j);
}
DEFINE_CLEANUP(struct journal_writer, writer_free)

/* "FOLDER/" of path into a string to be freed, or "./". */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup("./");
}

/* Under a temporary name, locked and with its first frame durable, before the real name shows: so a
 * file of that name is either somebody's who lives or somebody's who died, never one just being
 * made, and it always begins with FILE. */
static int create_locked(struct journal_writer *j, const char *tmp, struct err *err)
{
    if (access(j->path, F_OK) == 0) {
        errno = EEXIST;
        return err_sys(err, "cannot create the journal");
    }
    j->fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (j->fd < 0)
        return err_sys(err, "cannot create the journal");
    if (flock(j->fd, LOCK_EX | LOCK_NB) < 0)
        return err_sys(err, "cannot lock the journal");
    if (journal_sync(j, err) < 0)
        return -1;
    if (rename(tmp, j->path) < 0)
        return err_sys(err, "cannot name the journal");
    return 0;
}

int journal_create(const char *path, struct str writer, uint64_t now_us,
                   enum journal_durability durability, struct journal_writer **ret, struct err *err)
{
    CLEANUP(writer_free) struct journal_writer *j = mem_calloc(1, sizeof(*j));
    CLEANUP(buf_release) struct buf fields = { 0 };
    CLEANUP(buf_release) struct buf tmp = { 0 };

    j->fd = -1;
    if (!is_writer_name(writer))
        return err_set(err, ERR_USAGE,
                       "journal writer '%.*s': must be 1 to %d letters, digits, '.', '_', '-'",
                       STR_ARG(str_sub(writer, 0, 80)), JOURNAL_WRITER_BYTES_MAX);
    j->path = mem_strdup(path);
    j->durability = durability;
    j->next_sequence = 1;
    buf_reserve(&j->out, WRITE_BYTES);
    journal_add_field(&fields, "format", STR("weir-journal"));
    journal_add_field_int(&fields, "version", JOURNAL_VERSION);
    journal_add_field(&fields, "writer", writer);
    add_frame(&j->out, &(struct journal_frame){
                           .type = JOURNAL_FILE, .at_us = now_us, .payload = buf_str(&fields) });

    char *folder = folder_of(path);
    buf_addf(&tmp, "%s.tmp-%.*s.journal", folder, STR_ARG(writer));
    int r = create_locked(j, buf_cstr(&tmp), err);
    if (r < 0 && j->fd >= 0)
        unlink(buf_cstr(&tmp));
    if (r == 0)
        r = dir_sync(folder, err);
    free(folder);
    if (r < 0)
        return -1;
    *ret = TAKE(j);
    return 0;
}

int journal_close(struct journal_writer *j, struct err *err)
{
    if (!j)
        return 0;
    int r = journal_flush(j, err);
    writer_free(j);
    return r;
}

void journal_discard(struct journal_writer *j)
{
    if (!j)
        return;
    unlink(j->path); /* if that fails, seal finds the file: it says so there */
    writer_free(j);
}

/* ".../WRITER.ready", to be freed. */
static char *ready_path(const char *path)
{
    CLEANUP(buf_release) struct buf ready = { 0 };
    struct str p = str_from(path);

    if (str_ends_with(p, STR(ARCHIVE_JOURNAL_SUFFIX)))
        p.len -= sizeof(ARCHIVE_JOURNAL_SUFFIX) - 1;
    buf_add_str(&ready, p);
    buf_add_text(&ready, ARCHIVE_READY_SUFFIX);
    return mem_strdup(buf_cstr(&ready));
}

static int finish(struct journal_writer *j, struct err *err)
{
    CLEANUP(buf_release) struct buf fields = { 0 };

    journal_add_field_int(&fields, "exchanges", (int64_t)(j->next_sequence - 1));
    struct journal_frame last = { .type = JOURNAL_CLOSE, .payload = buf_str(&fields) };
    if (journal_append(j, &last, err) < 0 || journal_sync(j, err) < 0)
        return -1;

    char *ready = ready_path(j->path);
    char *folder = folder_of(j->path);
    int r = rename(j->path, ready) < 0 ? err_sys(err, "cannot mark the journal ready")
                                       : dir_sync(folder, err);
    free(folder);
    free(ready);
    return r;
}

int journal_finish(struct journal_writer *j, struct err *err)
{
    int r = finish(j, err);

    writer_free(j);
    return r;
}

void journal_reader_close(struct journal_reader *j)
{
    if (!j)
        return;
    file_map_close(&j->map);
    free(j);
}

/* Where the zeros begin that reach to the end of the file; its length if it ends otherwise. */
static size_t zero_tail(struct str file, size_t from)
{
    size_t at = file.len;

    while (at > from && file.ptr[at - 1] == 0)
        at--;
    return at;
}

/* After a power cut, a file may have its new length and yet zeros where the last sectors were to
 * be: they begin inside this frame and reach to the end of the file, over at least one place where
 * a sector begins.  That, and nothing else, makes a frame that does not check out unfinished. */
static bool is_torn(struct str file, size_t at, size_t frame_end)
{
    size_t zeros = zero_tail(file, at);
    size_t sector = (zeros + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;

    return zeros == at || (zeros < frame_end && sector < file.len);
}

/* Parses the frame at *at: 1 with *at moved behind it, 0 when the file ends inside it.  Content
 * before checked is not checked again. */
static int parse_frame(struct str file, size_t checked, size_t *at, struct journal_frame *ret,
                       struct err *err)
{
    size_t left = file.len - *at;

    if (left < HEAD_BYTES) /* also of an empty file, which has no address */
        return 0;
    const uint8_t *head = (const uint8_t *)file.ptr + *at;
    uint32_t len = le32_get(head);
    if (crc32c(head, 4) != le32_get(head + 4)) {
        if (is_torn(file, *at, *at + HEAD_BYTES))
            return 0;
        return err_set(err, ERR_CORRUPT, "frame at byte %zu: its length fails its checksum", *at);
    }
    if (len < PREFIX_BYTES || len > FRAME_MAX) {
        if (is_torn(file, *at,
                    *at + HEAD_BYTES)) /* 12 zeros pass their own CRC nowhere, but 4 do */
            return 0;
        return err_set(err, ERR_CORRUPT, "frame at byte %zu: length %" PRIu32 " is out of range",
                       *at, len);
    }
    if (left - HEAD_BYTES < len)
        return 0;
    const uint8_t *body = head + HEAD_BYTES;
    if (*at >= checked && crc32c(body, len) != le32_get(head + 8)) {
        if (is_torn(file, *at, *at + HEAD_BYTES + len))
            return 0;
        return err_set(err, ERR_CORRUPT, "frame at byte %zu: its content fails its checksum", *at);
    }
    if (body[0] < JOURNAL_FILE || body[0] > JOURNAL_CLOSE)
        return err_set(err, ERR_CORRUPT, "frame at byte %zu: unknown type %u", *at, body[0]);
    *ret = (struct journal_frame){
        .type = body[0],
        .sequence = le64_get(body + 1),
        .at_us = le64_get(body + 9),
        .payload = {(const char *)body + PREFIX_BYTES, len - PREFIX_BYTES},
        .offset = *at,
    };
    *at += HEAD_BYTES + len;
    return 1;
}

int journal_next(struct journal_reader *j, struct journal_frame *ret, struct err *err)
{
    int r = parse_frame(j->map.bytes, j->checked, &j->at, ret, err);

    if (r > 0 && ret->offset == j->checked)
        j->checked = j->at;
    if (r > 0)
        j->closed = ret->type == JOURNAL_CLOSE;
    if (r == 0)
        j->torn_bytes = j->map.bytes.len - j->at;
    return r;
}

int journal_read_at(struct journal_reader *j, uint64_t offset, struct journal_frame *ret,
                    struct err *err)
{
    size_t at = (size_t)offset;

    if (offset > j->map.bytes.len)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": behind the file's end",
                       offset);
    int r = parse_frame(j->map.bytes, j->checked, &at, ret, err);
    if (r == 0)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": the file ends inside it",
                       offset);
    j->at = at;
    return r < 0 ? -1 : 0;
}

uint64_t journal_torn_bytes(const struct journal_reader *j)
{
    return j->torn_bytes;
}

bool journal_is_closed(const struct journal_reader *j)
{
    return j->closed && j->torn_bytes == 0;
}

struct str journal_reader_writer(const struct journal_reader *j)
{
    return j->writer;
}

/* The first frame says what this is; without it nothing else can be trusted. */
static int read_file_frame(struct journal_reader *j, struct err *err)
{
    struct journal_frame f;
    struct str key, value, format = { 0 };
    int64_t version = 0;
    size_t at = 0;
    int r = journal_next(j, &f, err);

    if (r < 0)
        return -1;
    if (r == 0 || f.type != JOURNAL_FILE)
        return err_set(err, ERR_CORRUPT, "frame at byte 0: %s",
                       r ? "is not a FILE frame" : "the file ends inside the FILE frame");
    while ((r = journal_next_field(f.payload, &at, &key, &value)) > 0) {
        if (str_eq(key, STR("format")))
            format = value;
        else if (str_eq(key, STR("writer")))
            j->writer = value;
        else if (str_eq(key, STR("version")) && !str_to_i64(value, &version))
            version = -1;
    }
    if (r < 0 || !str_eq(format, STR("weir-journal")) || !is_writer_name(j->writer))
        return err_set(err, ERR_CORRUPT, "frame at byte 0: is not a journal's FILE frame");
    if (version != JOURNAL_VERSION)
        return err_set(err, ERR_UNSUPPORTED,
                       "journal version %" PRId64 " is not %d: read it with the weir that wrote it",
                       version, JOURNAL_VERSION);
    return 0;
}

int journal_open(const char *path, struct journal_reader **ret, struct err *err)
{
    CLEANUP(journal_reader_close) struct journal_reader *j = mem_calloc(1, sizeof(*j));

    if (file_map_open(path, &j->map, err) < 0 || read_file_frame(j, err) < 0)
        return -1;
    j->at = 0;
    *ret = TAKE(j);
    return 0;
}

void journal_add_field(struct buf *out, const char *key, struct str value)
{
    size_t key_len = strlen(key);

    assert(key_len <= UINT8_MAX && value.len <= JOURNAL_BODY_BYTES_MAX);
    char *to = buf_reserve(out, 1 + key_len + 4 + value.len);
    *to = (char)key_len;
    memcpy(to + 1, key, key_len);
    le32_put((uint8_t *)to + 1 + key_len, (uint32_t)value.len);
    if (value.len)
        memcpy(to + 1 + key_len + 4, value.ptr, value.len);
    out->len += 1 + key_len + 4 + value.len;
}

void journal_add_field_int(struct buf *out, const char *key, int64_t value)
{
    journal_add_field(out, key, STR(""));
    size_t from = out->len;
    buf_add_int(out, value);
    le32_put((uint8_t *)out->ptr + from - 4, (uint32_t)(out->len - from));
}

int journal_next_field(struct str payload, size_t *at, struct str *key, struct str *value)
{
    size_t left = payload.len - *at;
    const char *p = payload.ptr + *at;

    if (*at >= payload.len)
        return 0;
    size_t key_len = (uint8_t)p[0];
    if (left < 1 + key_len + 4)
        return -1;
    size_t value_len = le32_get((const uint8_t *)p + 1 + key_len);
    if (value_len > left - 1 - key_len - 4)
        return -1;
    *key = (struct str){ p + 1, key_len };
    *value = (struct str){ p + 1 + key_len + 4, value_len };
    *at += 1 + key_len + 4 + value_len;
    return 1;
}
