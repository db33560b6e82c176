/* http2 - the server side of an HTTP/2 connection (RFC 9113), in memory: bytes in, events out.
 *
 *     http2_feed(bytes from the peer) ── on_request, on_body, on_end, on_close
 *     http2_head, _body, _end, _flush ── http2_take(bytes for the peer)
 *
 * A request's fields are checked (RFC 9113, 8.2 and 8.3), written as the HTTP/1.1 head that says
 * the same, and read by base/http1: what it refuses is refused here, and what is accepted has one
 * reading, also after it was passed on in HTTP/1.1.  What is malformed only HTTP/2 knows of (names
 * in capitals, Connection, a pseudo-header too many, a wrong Content-Length ...) and is reset.
 *
 * Windows open as the user consumes: a stream holds window_bytes at most, and one that nobody reads
 * stops no other.  What a peer can have for free is counted, see struct http2_limits; too much of
 * it ends the connection (ENHANCE_YOUR_CALM).
 *
 * Handlers are called from within http2_feed and http2_take only.  They may call anything but these
 * two and http2_free; a stream is gone when its on_close returns.
 */
#ifndef BASE_HTTP2_H
#define BASE_HTTP2_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/http1.h"
#include "base/mem.h"
#include "base/str.h"

struct http2;
struct http2_stream;

/* What a peer can make us hold or do.  0 means the default. */
struct http2_limits {
    uint32_t streams;      /* open at a time; more are refused */
    uint32_t head_bytes;   /* names, values and 32 for each (RFC 9113, 6.5.2): 431 */
    uint32_t headers;      /* fields: 431 */
    uint32_t window_bytes; /* of a request's body that nobody has consumed */
    /* Streams that end in an error, by RST_STREAM of either side: so many at once, and again so
     * many a second (CVE-2023-44487, CVE-2025-8671). */
    uint32_t resets, resets_per_s;
    /* Frames that carry nothing: PING, SETTINGS, PRIORITY, CONTINUATION, empty DATA. */
    uint32_t idle_frames, idle_frames_per_s;
    /* An answer may end before its request.  False: the rest of that is stopped at once; true: the
     * user does so (http2_reset, HTTP2_NO_ERROR) when it has waited for it long enough.  Many
     * clients drop an answer whose stream is reset while they still send. */
    bool waits_for_requests;
};
#define HTTP2_STREAMS           100u
#define HTTP2_WINDOW_BYTES      65535u
#define HTTP2_RESETS            200u
#define HTTP2_RESETS_PER_S      20u
#define HTTP2_IDLE_FRAMES       1000u
#define HTTP2_IDLE_FRAMES_PER_S 100u

/* Reasons of a reset (RFC 9113, 7). */
enum http2_reason {
    HTTP2_NO_ERROR = 0x0,
    HTTP2_INTERNAL_ERROR = 0x2,
    HTTP2_CANCEL = 0x8,
};

struct http2_handler {
    /* The head is there: http2_request, or http2_refusal says what to answer. */
    void (*on_request)(void *ctx, struct http2_stream *s);
    /* bytes are not empty, and to be consumed (http2_consume) now or later. */
    void (*on_body)(void *ctx, struct http2_stream *s, struct str bytes);
    /* The request is complete, see http2_trailers. */
    void (*on_end)(void *ctx, struct http2_stream *s);
    /* Some of the answer goes out; see http2_pending. */
    void (*on_sent)(void *ctx, struct http2_stream *s);
    /* After on_request, once: both sides have ended, or one has reset the stream. */
    void (*on_close)(void *ctx, struct http2_stream *s);
    void *ctx;
};

/* handler and limits (may be NULL) are copied. */
struct http2 *http2_new(const struct http2_handler *handler, const struct http2_limits *limits);
/* As http1_tag_names, for the requests that begin from now on. */
void http2_tag_names(struct http2 *h, uint32_t (*tag)(struct str name));
/* Without on_close for what is still open; NULL is fine. */
void http2_free(struct http2 *h);
DEFINE_CLEANUP(struct http2, http2_free)

/* All of bytes is consumed.  now_us is monotonic.  -1: the peer does not speak HTTP/2 or asks for
 * too much; what http2_take gives is the last word. */
int http2_feed(struct http2 *h, struct str bytes, uint64_t now_us, struct err *err);
/* Appends what is to be sent: until out holds most bytes or a little more, or there is nothing. */
void http2_take(struct http2 *h, struct buf *out, size_t most);
/* Says GOAWAY: streams that are open go on, no new ones are accepted. */
void http2_shutdown(struct http2 *h);
/* Nothing will come or go any more. */
bool http2_is_over(const struct http2 *h);
/* Streams whose on_request was called, and not yet on_close. */
size_t http2_stream_count(const struct http2 *h);
/* When the head that is incomplete now began to come in; 0 = there is none. */
uint64_t http2_head_since_us(const struct http2 *h);

/* --- a request --- */

void http2_set_user(struct http2_stream *s, void *user);
void *http2_user(const struct http2_stream *s);
/* As if it had come in HTTP/1.1; NULL if it is refused.  Stays until on_close. */
const struct http1_head *http2_request(const struct http2_stream *s);
/* The status to answer with (400, 405, 414, 417, 431 ...); 0 = it is not refused. */
unsigned http2_refusal(const struct http2_stream *s);
/* From on_end on. */
const struct http1_header *http2_trailers(const struct http2_stream *s, size_t *ret_count);
/* So many bytes of body are done with: the peer may send as many more. */
void http2_consume(struct http2_stream *s, size_t bytes);
/* Was it reset, by the peer or for what the peer sent?  For on_close. */
bool http2_was_reset(const struct http2_stream *s);

/* --- its answer: leaves with http2_take after http2_flush, and not before --- */

struct http2_answer {
    unsigned status;
    const struct http1_header *headers; /* not is_hop, not Content-Length */
    size_t header_count;
    bool has_content_length;
    uint64_t content_length;
};
/* An interim one (1xx) needs no flush. */
void http2_interim(struct http2_stream *s, const struct http2_answer *answer);
void http2_head(struct http2_stream *s, const struct http2_answer *answer);
/* One more header for the head, before flush. */
void http2_add_header(struct http2_stream *s, struct str name, struct str value);
void http2_body(struct http2_stream *s, struct str bytes);
void http2_end(struct http2_stream *s, const struct http1_header *trailers, size_t count);
void http2_flush(struct http2_stream *s);
/* Bytes of body that wait for http2_flush, for the peer's window or for http2_take. */
size_t http2_pending(const struct http2_stream *s);
/* Instead of an answer, or of its end. */
void http2_reset(struct http2_stream *s, enum http2_reason reason);

#endif
