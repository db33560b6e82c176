/* journal - an append-only file of frames from many interleaved exchanges (weir-journal(5)).
 *
 * One writer, any number of readers.  A frame never changes once written:
 *
 *     u32 body length in bytes, u32 CRC-32C of that length,
 *     u32 CRC-32C of body, body                                (little endian)
 *     body = u8 type, u64 sequence of the exchange in this journal (from 1; 0 for FILE),
 *            u64 µs (FILE and BEGIN: Unix time; others: since BEGIN), payload
 *
 * FILE comes first, CLOSE last; exchanges begin in the order of their sequence, 1, 2, 3, ...
 * A crash can leave the last frame short, or the tail zero-filled.  Readers take that as the end
 * and say how many bytes they left; any other mismatch is ERR_CORRUPT with the byte offset.
 *
 * Payloads: FILE, BEGIN, END and CLOSE carry fields (journal_fields); REQUEST and RESPONSE_HEAD
 * carry a head as text lines, "POST /v1/x HTTP/1.1" or "HTTP/1.1 200 OK" first, then "name: value",
 * CRLF between, already free of credentials; REQUEST_BODY and CHUNK carry bytes as they came over
 * the wire.
 *
 * Functions returning int give -1 and fill err on failure.  Messages name no path.
 */
#ifndef CAPTURE_JOURNAL_H
#define CAPTURE_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define JOURNAL_BODY_BYTES_MAX   (16u << 20) /* of one frame; longer bodies take several */
#define JOURNAL_WRITER_BYTES_MAX 128
#define JOURNAL_VERSION          1

enum journal_frame_type {
    JOURNAL_FILE = 1, /* first frame: what wrote this */
    JOURNAL_BEGIN,
    JOURNAL_REQUEST,
    JOURNAL_REQUEST_BODY,
    JOURNAL_RESPONSE_HEAD,
    JOURNAL_CHUNK,
    JOURNAL_END,
    JOURNAL_CLOSE, /* last frame: the writer ended in order */
};

struct journal_frame {
    enum journal_frame_type type;
    uint64_t sequence;
    uint64_t at_us;
    struct str payload;
    uint64_t offset; /* of the frame in the file; set by readers, ignored by writers */
};

enum journal_durability {
    JOURNAL_RELAXED, /* never syncs by itself */
    JOURNAL_BATCH,   /* the caller syncs by time; appends sync by size (1 MiB) */
    JOURNAL_STRICT,  /* the caller syncs by END; up to 4 MiB are held until it does */
};

/* Writing.  A failed write keeps what was accepted and is tried again by the next call, so the file
 * is at all times a prefix of what was appended. */
struct journal_writer;
/* Creates path, "FOLDER/WRITER.journal" (0600, must not exist), with its FILE frame, under an
 * exclusive flock that tells readers that its writer lives.  writer is the file's name without the
 * suffix: 1 to JOURNAL_WRITER_BYTES_MAX of A-Z a-z 0-9 . _ - (archive_journal_create makes one). */
int journal_create(const char *path, struct str writer, uint64_t now_us,
                   enum journal_durability durability, struct journal_writer **ret,
                   struct err *err);
int journal_append(struct journal_writer *j, const struct journal_frame *f, struct err *err);
/* Everything appended so far is on disk when it returns. */
int journal_sync(struct journal_writer *j, struct err *err);
/* Hands what is buffered to the kernel: safe from the end of this process, not of the machine.
 * While a ticket's bytes are on their way there, nothing can overtake them: then it leaves the rest
 * where it is and succeeds. */
int journal_flush(struct journal_writer *j, struct err *err);
/* journal_flush, or journal_sync, in three steps, the slow one of which may run in another thread
 * while appending goes on: begin gives the ticket what is buffered and notes how far that reaches;
 * run writes it and waits for the disk, and touches nothing but the ticket; end takes over what
 * became of it.  Only one ticket at a time, which stays in its place, and no sync, finish, close or
 * discard between begin and end. */
struct journal_ticket {
    int fd;
    bool is_sync;    /* wait for the disk, too */
    bool is_started; /* else: let the disk begin, so that a later sync has little left to do: for
                        the caller to set, between begin and run; promises nothing */
    struct str out;
    size_t done;            /* of out */
    atomic_bool is_written; /* all of out: what is appended later may be written */
    uint64_t bytes;         /* of the journal: what is on disk once run has returned 0 */
};
int journal_sync_begin(struct journal_writer *j, bool is_sync, struct journal_ticket *ret,
                       struct err *err);
int journal_sync_run(struct journal_ticket *t, struct err *err);
/* succeeded: run returned 0.  If not, and is_written is not set, nothing is lost: what was not
 * written stays for the next try. */
void journal_sync_end(struct journal_writer *j, const struct journal_ticket *t, bool succeeded);
/* Bytes appended, buffered ones included. */
uint64_t journal_bytes(const struct journal_writer *j);
/* Of these, how many are in memory, be they with a ticket: while one writes, no append fails, so
 * the caller sees to it that they stay few. */
size_t journal_unwritten_bytes(const struct journal_writer *j);
/* The sequence the next BEGIN must carry. */
uint64_t journal_sequence(const struct journal_writer *j);
/* The normal end: appends CLOSE, syncs, renames WRITER.journal to WRITER.ready and syncs the
 * folder. Frees j in any case; on failure the file stays WRITER.journal, which seal takes as well.
 */
int journal_finish(struct journal_writer *j, struct err *err);
/* Flushes and closes without a CLOSE frame, as a crash would leave it; NULL is fine. */
int journal_close(struct journal_writer *j, struct err *err);
/* Closes and removes the file: nothing of it was meant to stay.  NULL is fine. */
void journal_discard(struct journal_writer *j);

/* Reading. */
struct journal_reader;
int journal_open(const char *path, struct journal_reader **ret, struct err *err);
void journal_reader_close(struct journal_reader *j);
DEFINE_CLEANUP(struct journal_reader, journal_reader_close)
/* What the FILE frame says; valid as long as j.  Empty if the file was cut before that frame's end.
 */
struct str journal_reader_writer(const struct journal_reader *j);
/* 1 = *ret set (payload valid until the reader is closed), 0 = end, -1 = damage. */
int journal_next(struct journal_reader *j, struct journal_frame *ret, struct err *err);
/* The frame at an offset that journal_next has reported; journal_next then goes on behind it.
 * The payload is valid until the reader is closed. */
int journal_read_at(struct journal_reader *j, uint64_t offset, struct journal_frame *ret,
                    struct err *err);
/* Bytes after the last whole frame: a torn tail, 0 for a clean file.  Valid once next returned 0.
 */
uint64_t journal_torn_bytes(const struct journal_reader *j);
/* Whether the file ends with its CLOSE frame.  Valid likewise. */
bool journal_is_closed(const struct journal_reader *j);

/* Fields: repeated { u8 key length, key, u32 value length, value }, little endian. */
void journal_add_field(struct buf *out, const char *key, struct str value);
void journal_add_field_int(struct buf *out, const char *key, int64_t value);
/* Walks a payload: 1 = *key, *value set; 0 = end; -1 = malformed.  Start with *at = 0. */
int journal_next_field(struct str payload, size_t *at, struct str *key, struct str *value);

#endif
