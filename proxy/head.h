/* head - what weir makes of the heads that pass through it.
 *
 * Everything goes on as it came but for: what belongs to one connection only (RFC 9110 7.6.1),
 * Host, Expect (weir says 100 itself), x-weir-*, keys of weir's, the credential where the
 * configuration has another (in headers and the query), accept-encoding (cut to what can be decoded
 * again), and traceparent (added if missing) and x-weir-exchange-id (added).
 */
#ifndef PROXY_HEAD_H
#define PROXY_HEAD_H

#include "base/buf.h"
#include "base/http1.h"
#include "base/str.h"
#include "base/uuid.h"
#include "proxy/proxy_conf.h"

#define TRACEPARENT_BYTES 55
#define TRACE_ID_BYTES    32

/* What a call is known by. */
struct head_trace {
    struct uuid id;
    char exchange_id[UUID_TEXT_BYTES];       /* the same */
    char traceparent[TRACEPARENT_BYTES + 1]; /* as received, or made */
    bool is_made;                            /* so a tracestate would be of another trace */
};

struct head_request {
    const struct proxy_upstream *upstream;
    struct str rest; /* of the path */
    const struct head_trace *trace;
    /* For an upstream that is signed for: the body's SHA-256 in hex, and the time (wall). */
    struct str payload_hash;
    int64_t now_us;
    /* Not where the caller asked to go: its credentials, and whose account they are of, stay. */
    bool is_foreign;
    bool shows_no_key;   /* it is known that no credential is a key of ours: door_admits */
    bool has_body_bytes; /* instead of the caller's Content-Length: */
    uint64_t body_bytes;
};
/* The request as the upstream gets it, with its framing and the end of the head. */
void head_write_request(struct buf *out, const struct http1_head *in,
                        const struct head_request *how);
/* The hash of the body as the caller says it, in x-amz-content-sha256, or as no body has it; empty
 * if it takes the body to know. */
struct str head_payload_hash(const struct http1_head *in);

struct head_answer {
    enum http1_framing framing;
    uint64_t content_length;
    bool keep_alive; /* towards the client */
    unsigned minor;  /* of the client's request: 1.0 is told of keep-alive */
    const char *exchange_id;
    struct str policy; /* what x-weir-policy says; "" = nothing */
};
/* The answer as the client gets it. */
void head_write_response(struct buf *out, const struct http1_head *in,
                         const struct head_answer *how);
/* An interim answer (1xx), without framing. */
void head_write_interim(struct buf *out, const struct http1_head *in);

/* The trace id of t's traceparent. */
struct str head_trace_of(const struct head_trace *t);
/* The trace id of a valid W3C traceparent (version 00 or later, not all zero), or empty. */
struct str head_trace_id(struct str traceparent);
/* A new traceparent, from 24 random bytes. */
void head_make_traceparent(const uint8_t random[static 24], char ret[static TRACEPARENT_BYTES + 1]);
/* The encodings of an accept-encoding value that base/codec knows, as a value; "identity" if none
 * is left. */
void head_filter_encodings(struct str value, struct buf *out);

#endif
