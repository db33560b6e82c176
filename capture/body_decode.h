/* body_decode - undoes the content encoding of a recorded body, if it still is on it.
 *
 * Heads do not tell: most recorders undo the encoding and leave the header, some keep the bytes as
 * they came, some drop the header.  So the bytes decide: text and event streams are plain whatever
 * is said of them; gzip and zstd are known by their first bytes; br and deflate, which have no mark
 * of their own, are tried only where the header names them (a zlib head is enough where it is told
 * that some encoding is left).
 */
#ifndef CAPTURE_BODY_DECODE_H
#define CAPTURE_BODY_DECODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "capture/exchange.h"

enum body_coding {
    BODY_PLAIN,   /* as the application saw it; out says nothing */
    BODY_DECODED, /* out has what it was */
    BODY_ENCODED, /* an encoding is on it that cannot be undone; err says why */
};

struct body_decoding {
    struct str body;
    struct str encoding;   /* of the header; may be empty, and may be wrong */
    struct str media_type; /* of the content-type header; may be empty */
    bool told;             /* whoever recorded it says that the encoding is still on it */
    const struct exchange_chunk *chunks; /* of the body as it is; they add up to it */
    size_t chunk_count;
    struct buf *out;                   /* the decoded body, EXCHANGE_BODY_BYTES_MAX at most */
    struct exchange_chunk *ret_chunks; /* of the decoded body, as many; no alias of chunks */
    bool ret_cut;                      /* the encoding ended early: out has what came before */
};

enum body_coding body_decode(struct body_decoding *d, struct err *err);

/* A note with "<what> body: <why>" added, unless it says so already; lives in arena. */
const char *body_note_add(const char *note, const char *what, const char *why, struct arena *arena);
#define BODY_NOTE_CUT "its content encoding ends early"

#endif
