/* http1 - HTTP/1.1 messages from bytes, and the other way round.
 *
 * The parser is llhttp's in strict mode; on top of it a message is refused unless every byte of its
 * head, chunk lines and trailers is accounted for in the one form RFC 9112 gives a sender:
 *
 *     names, colons, values and CRLFs tile the head without a gap (so no bare LF, no folding, no
 *     space before a colon); one Content-Length of digits or one "Transfer-Encoding: chunked", not
 *     both; one Host; HTTP/1.0 or 1.1; chunk sizes of 1 to 16 hexadecimal digits, extensions
 *     bounded and dropped.
 *
 * So what is accepted has one reading, and what is written again has it too.  Pull interface:
 *
 *     while ((r = http1_next(h, &in, &e, &err)) > 0) switch on e.kind
 *
 * consumes from in; what follows a message's end stays in in for the next one (pipelining): after
 * HTTP1_END nothing more is consumed until http1_reset.
 */
#ifndef BASE_HTTP1_H
#define BASE_HTTP1_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct http1;

enum http1_role {
    HTTP1_REQUESTS, /* server side: requests come in */
    HTTP1_RESPONSES,
};

/* What a peer can make us hold.  0 means the default.  What is written again may be more, by the
 * fields that its writer adds and the blank after a colon. */
struct http1_limits {
    uint32_t head_bytes;       /* start line and headers, also of trailers: 431, or 400 */
    uint32_t headers;          /* fields, also of trailers: 431 */
    uint32_t target_bytes;     /* 414 */
    uint32_t chunk_line_bytes; /* size and extensions: 400 */
};
#define HTTP1_HEAD_BYTES       (64u << 10)
#define HTTP1_HEADERS          200u
#define HTTP1_TARGET_BYTES     (16u << 10)
#define HTTP1_CHUNK_LINE_BYTES 256u
/* Empty lines before a request line that are passed over (RFC 9112, 2.2). */
#define HTTP1_EMPTY_LINES 2u
/* Interim answers (1xx) before the answer: a server that sends nothing else never ends. */
#define HTTP1_INTERIMS 64u

struct http1_header {
    struct str name, value; /* as sent, the value without blanks around it */
    uint32_t tags;          /* what http1_tag_names was given says of the name; else 0 */
    uint8_t field;          /* private to http1 */
    bool is_hop;   /* belongs to this connection only: RFC 9110 7.6.1, and what Connection names */
    bool is_usual; /* stands in its head as "name: value" CRLF, so that neighbours are one piece */
};

enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH, /* content_length bytes, may be 0 */
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE, /* responses only */
};

struct http1_head {
    struct str method;    /* requests: a method llhttp knows, never CONNECT or TRACE */
    struct str target;    /* as sent */
    struct str path;      /* target in origin form ("/path?query"), or "*" */
    struct str authority; /* of an absolute target, else Host; empty if neither (HTTP/1.0) */
    unsigned status;      /* responses: 100..599 */
    struct str reason;
    unsigned minor;                     /* HTTP/1.minor: 0 or 1 */
    const struct http1_header *headers; /* in their order */
    size_t header_count;
    uint32_t tags; /* of any of them */
    enum http1_framing framing;
    uint64_t content_length; /* also that of an answer to HEAD or a 304; see has_content_length */
    bool has_content_length;
    bool keep_alive;       /* the connection may carry another message after this one */
    bool expects_continue; /* Expect: 100-continue, with a body to come */
    bool wants_upgrade;    /* asked for another protocol; we go on in HTTP/1.1, as a server may */
    bool is_interim;       /* responses: 1xx, another head follows (101 is refused) */
};

enum http1_event_kind {
    HTTP1_HEAD,
    HTTP1_BODY, /* bytes of the body, without its framing: never empty */
    HTTP1_END,  /* of the message; trailers, if any, can be read now */
};

struct http1_event {
    enum http1_event_kind kind;
    struct str body; /* HTTP1_BODY: lies in the bytes fed */
};

/* limits (may be NULL) is copied. */
struct http1 *http1_new(enum http1_role role, const struct http1_limits *limits);
void http1_free(struct http1 *h);
DEFINE_CLEANUP(struct http1, http1_free)
/* From the next head on each header is tagged with what tag says of its name, which is asked only
 * of lines that the head before has not had. */
void http1_tag_names(struct http1 *h, uint32_t (*tag)(struct str name));

/* Makes ready for the next message.  Responses: without_body if it answers a HEAD request.  An
 * interim response is followed by the next head without a reset. */
void http1_reset(struct http1 *h, bool without_body);

/* 1 = *ret is the next event, 0 = all of *in is consumed and more is needed (or the message has
 * ended), -1 = refused, see http1_refusal; h then is good for nothing but reset and free. */
int http1_next(struct http1 *h, struct str *in, struct http1_event *ret, struct err *err);
/* The peer will send no more: 1 = *ret is HTTP1_END of a body that ends so, 0 = nothing was under
 * way, -1 = the message is cut short. */
int http1_finish(struct http1 *h, struct http1_event *ret, struct err *err);

/* The head of the current message, from HTTP1_HEAD until the next head begins or http1_free; it
 * lies in one buffer of h. */
const struct http1_head *http1_head(const struct http1 *h);
/* The trailers of a chunked message, from HTTP1_END until reset. */
const struct http1_header *http1_trailers(const struct http1 *h, size_t *ret_count);
/* After -1, for requests: the status to answer with: 400, 405, 414, 417, 431, 501 or 505. */
unsigned http1_refusal(const struct http1 *h);
/* A message has begun (a byte of its head was consumed) and not ended. */
bool http1_is_under_way(const struct http1 *h);
/* Gives back buffers between messages, for connections that may stay idle for long. */
void http1_trim(struct http1 *h);

/* The first header of that name (any case), or NULL. */
const struct http1_header *http1_find(const struct http1_head *head, struct str name);
/* Is token an element of the comma-separated list in any header of that name? */
bool http1_has_token(const struct http1_head *head, struct str name, struct str token);
/* Do the first bytes of a connection begin HTTP/2 (RFC 9113 3.4)?  1 yes, 0 no, -1 too few to tell.
 */
int http1_is_h2_preface(struct str bytes);

/* --- writing: appended to out --- */

void http1_write_request_line(struct buf *out, struct str method, struct str target);
/* reason may be empty: then the usual words for status. */
void http1_write_status_line(struct buf *out, unsigned status, struct str reason);
/* "name: value" CRLF; -1 and nothing written if name is no token or value has a control character,
 * so that no value can become a second header. */
int http1_write_header(struct buf *out, struct str name, struct str value);
/* The same of what is known to be a token and a value. */
void http1_put_header(struct buf *out, struct str name, struct str value);
/* All headers of head that are to be passed on: neither is_hop, nor Content-Length, nor where keep
 * (may be NULL) says false.  The caller adds the framing it sends. */
void http1_write_headers(struct buf *out, const struct http1_head *head,
                         bool (*keep)(void *ctx, const struct http1_header *header), void *ctx);
/* "Content-Length: N", "Transfer-Encoding: chunked", or nothing. */
void http1_write_framing(struct buf *out, enum http1_framing framing, uint64_t content_length);
/* The empty line that ends a head. */
void http1_write_end(struct buf *out);

#define HTTP1_CHUNK_HEAD_BYTES 18 /* 16 digits and CRLF */
/* "SIZE" CRLF into ret and returns its length; the CRLF after the data is the caller's to send. len
 * is not 0: that would end the body. */
size_t http1_chunk_head(char ret[static HTTP1_CHUNK_HEAD_BYTES], size_t len);
void http1_write_chunk(struct buf *out, struct str data);
/* The last chunk with trailers (those that may be passed on) and the end of the message. */
void http1_write_last_chunk(struct buf *out, const struct http1_header *trailers, size_t count);
/* The usual words for a status ("Not Found"), or "". */
struct str http1_reason(unsigned status);

#endif
