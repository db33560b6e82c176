/* reply - the answers weir gives itself:
 *
 *     HTTP/1.1 502 Bad Gateway
 *     x-weir-error: upstream_unreachable
 *
 *     {"error":{"type":"weir_error","code":"upstream_unreachable","message":"..."}}
 *
 * The body is in the words of the upstream's api where that is known, so that the provider's own
 * client raises what it would raise: see reply.c for the shapes.
 */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "base/buf.h"
#include "base/http1.h"
#include "base/str.h"

/* X(constant, status, code, message) */
#define REPLIES(X)                                                                                 \
    X(BAD_REQUEST, 400, "bad_request", "the request is not valid HTTP/1.1")                        \
    X(BAD_PATH, 400, "bad_path", "a path may not have . or .. segments")                           \
    X(NO_PATH, 400, "no_path",                                                                     \
      "OPTIONS * asks no upstream: ask one by its path, as in OPTIONS /UPSTREAM/...")              \
    X(KEY_MISSING, 401, "key_missing", "this upstream is for those who hold a key of weir's")      \
    X(KEY_UNKNOWN, 401, "key_unknown", "this key of weir's is not known, or cut short")            \
    X(KEY_EXPIRED, 401, "key_expired", "this key of weir's has ended")                             \
    X(KEY_REVOKED, 401, "key_revoked", "this key of weir's is revoked")                            \
    X(KEY_APP, 403, "key_of_another_app", "this key of weir's is for another application")         \
    X(NO_ROUTE, 404, "no_such_upstream",                                                           \
      "no upstream of the configuration has this path, which is /UPSTREAM/... or "                 \
      "/APP/UPSTREAM/... (APP: letters, digits, '-', '_' and '.')")                                \
    X(BAD_METHOD, 405, "bad_method", "this method is not passed on")                               \
    X(REQUEST_TIMEOUT, 408, "request_timeout", "the request did not arrive in time")               \
    X(TOO_LARGE, 413, "body_too_large", "the request's body is larger than limits allow")          \
    X(TARGET_TOO_LONG, 414, "target_too_long", "the request's target is too long")                 \
    X(BAD_EXPECTATION, 417, "bad_expectation", "only 100-continue can be expected")                \
    X(HEAD_TOO_LARGE, 431, "head_too_large", "the request's head is larger than limits allow")     \
    X(NOT_IMPLEMENTED, 501, "not_implemented", "this transfer encoding is not understood")         \
    X(BAD_VERSION, 505, "bad_version", "weir speaks HTTP/1.1")                                     \
    X(UPSTREAM_UNREACHABLE, 502, "upstream_unreachable", "the upstream cannot be connected to")    \
    X(UPSTREAM_TLS, 502, "upstream_tls", "the upstream's certificate or TLS is not acceptable")    \
    X(UPSTREAM_CLOSED, 502, "upstream_closed", "the upstream closed without an answer")            \
    X(UPSTREAM_MALFORMED, 502, "upstream_malformed", "the upstream's answer is not valid HTTP")    \
    X(NOT_RECORDED, 503, "not_recorded", "the call cannot be recorded, so it was not made")        \
    X(BUSY, 503, "too_many_connections", "the limit of connections is reached")                    \
    X(HELD_TOO_MUCH, 503, "held_too_much", "too many bodies are held, to be signed")               \
    X(UPSTREAM_BUSY, 503, "upstream_busy", "the upstream's limit of connections is reached")       \
    X(CONNECT_TIMEOUT, 504, "connect_timeout", "connecting to the upstream took too long")         \
    X(HEAD_TIMEOUT, 504, "upstream_timeout", "the upstream did not answer in time")

enum reply_kind {
#define X(constant, status, code, message) REPLY_##constant,
    REPLIES(X)
#undef X
        REPLY_COUNT
};

#define REPLY_HEADERS_MAX 4

struct reply {
    unsigned status;
    const char *code, *message;
    const struct http1_header *headers; /* more of them, REPLY_HEADERS_MAX at most */
    size_t header_count;
};
extern const struct reply replies[REPLY_COUNT];

/* For what http1_refusal says. */
enum reply_kind reply_for_refusal(unsigned status);
/* The JSON body; api is the upstream's, or empty. */
void reply_write_body(const struct reply *reply, struct str api, struct buf *out);
/* The head before it. */
void reply_write_head(const struct reply *reply, size_t body_bytes, const char *exchange_id,
                      bool keep_alive, struct buf *out);

#endif
