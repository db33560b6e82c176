/* chain - the archive's list of what happened to it, a line each, every line holding the SHA-256 of
 * the line before (weir-archive(5)):
 *
 *     N segment ID DATE WRITER FIRST-LAST EXCHANGES ROWS TOTAL SHA SHA PREVIOUS CRC
 *     N prune-bodies ID TIME PREVIOUS CRC
 *     N prune-ledger ID TIME PREVIOUS CRC
 *
 * N counts from 1.  FIRST-LAST are sequences in WRITER's journal, TOTAL the exchanges of that
 * journal over all its segments, with a '+' if its writer did not end in order; the two SHA-256 are
 * of segment and ledger.  PREVIOUS is the SHA-256 of the previous line without its newline, 64
 * zeros on line 1; CRC is the CRC-32C of what stands before it, so that a damaged line can be named
 * even where no later line vouches for it.
 */
#ifndef CAPTURE_CHAIN_H
#define CAPTURE_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#define CHAIN_LINE_BYTES_MAX 1024

enum chain_kind { CHAIN_SEGMENT, CHAIN_PRUNE_BODIES, CHAIN_PRUNE_LEDGER, CHAIN_KIND_COUNT };

struct chain_line {
    enum chain_kind kind;
    uint64_t number;
    struct str id; /* of the segment, 36 characters */
    /* CHAIN_SEGMENT */
    struct str date;   /* "2026-10-01" */
    struct str writer; /* journal */
    uint64_t first_sequence, last_sequence;
    uint64_t exchanges, rows, writer_exchanges;
    bool writer_died; /* what it had not brought to disk came after these exchanges, or in them */
    uint8_t segment_sha[SHA256_BYTES], ledger_sha[SHA256_BYTES];
    /* CHAIN_PRUNE_* */
    struct str time; /* RFC 3339 */
};

/* Reading; strings of lines live as long as the reader. */
struct chain {
    struct file_map map;
    size_t at;                      /* private: of the next line */
    uint64_t number;                /* of the last line, 0 before the first */
    uint8_t last_sha[SHA256_BYTES]; /* of the last line; zeros before the first */
    size_t torn_bytes;              /* behind the last newline; valid at the end */
    uint64_t size_bytes;            /* of all lines read or appended */
};

/* A missing file is an empty chain. */
int chain_open(const char *path, struct chain *ret, struct err *err);
void chain_close(struct chain *c);
DEFINE_CLEANUP_VALUE(struct chain, chain_close)
/* 1 = *ret set, 0 = end, -1 = the line is damaged (named by number and byte); the next call then
 * goes on with the line after it. */
int chain_next(struct chain *c, struct chain_line *ret, struct err *err);

/* Appends line as text, newline included, to out: its number and PREVIOUS follow from c, which is
 * moved on behind it. */
void chain_format(struct chain *c, const struct chain_line *line, struct buf *out);
/* Makes lines (of chain_format) durable behind c's size_bytes, which it moves on.  A torn last line
 * is cut off before; if writing fails, the file is cut back to what it was.  Under the archive's
 * lock, and only once chain_next has read all there was. */
int chain_append(const char *path, struct chain *c, struct str lines, struct err *err);

#endif
