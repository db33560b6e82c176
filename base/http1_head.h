/* http1_head - what a head says once its bytes are known to be well formed: private to http1.
 *
 * Everything here is our own reading, made to be held against llhttp's.
 */
#ifndef BASE_HTTP1_HEAD_H
#define BASE_HTTP1_HEAD_H

#include "base/http1.h"
#include "base/vec.h"

/* Elements of Connection fields; beyond that they only cost time. */
#define HTTP1_CONNECTION_NAMES 32u

typedef VEC(struct http1_header) http1_headers;

/* Why a message is refused: the words go to err, the status to the peer. */
struct http1_refusal {
    unsigned status;
    const char *why; /* static; NULL = not refused */
};

bool http1_is_token(struct str s);
/* Blanks, visible ASCII and bytes from 0x80: what a value may hold. */
bool http1_is_text(struct str s);

/* Do the names and values, as llhttp gave them, fill bytes (header lines and the empty line) from
 * end to end, in the form "name: value" CRLF?  Values are cut to what is between the blanks. */
bool http1_tile(struct str bytes, http1_headers *headers);
/* The same of one line, with its CRLF. */
bool http1_tile_line(struct str line, struct http1_header *h);
/* Which field of the message's own this is, for http1_header.field: one of those that
 * http1_read_headers reads, or 0. */
uint8_t http1_field_of(struct str name);
/* Whether llhttp, too, reads it. */
bool http1_field_is_framing(uint8_t field);
/* "HTTP/1.1 200 OK" CRLF, or "GET /path HTTP/1.1" CRLF, of which method, target, minor, status and
 * reason are set in *ret. */
struct http1_refusal http1_read_status_line(struct str line, struct http1_head *ret);
struct http1_refusal http1_read_request_line(struct str line, struct http1_head *ret);
/* What the headers, their field set, say of the message: framing, persistence, hop-by-hop fields,
 * and for a request where it goes.  without_body: it answers a HEAD. */
struct http1_refusal http1_read_headers(http1_headers *headers, bool without_body,
                                        struct http1_head *ret);
/* Marks what of the trailers is not to be passed on. */
struct http1_refusal http1_read_trailers(http1_headers *trailers);
/* "1a;name=value" CRLF. */
struct http1_refusal http1_read_chunk_line(struct str line, uint64_t *ret_size);

#endif
