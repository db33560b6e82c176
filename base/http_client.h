/* http_client - connections to upstream servers, pooled, on a loop.
 *
 * libcurl does what is hard about a connection (names, addresses, corporate proxies, TLS, its CA
 * store) with CURLOPT_CONNECT_ONLY; bytes then go through curl_easy_send and curl_easy_recv.  What
 * is sent and received is not looked at: see base/http1.
 *
 *     pool ── origin (scheme, host, port, options) ── conn: connecting, in use, or idle
 *
 * An idle connection stays on the loop: it is dropped as soon as its peer closes it or sends
 * something, and looked at again when it is acquired.  A connection can still die between that look
 * and the first byte: http_conn_is_reused says that a request of which nothing was answered may be
 * worth another try on a fresh one.
 *
 * One pool per loop, used by the loop's thread only.  No callback comes from within a call of the
 * user, but for http_pool_close.
 */
#ifndef BASE_HTTP_CLIENT_H
#define BASE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

struct http_pool;
struct http_origin;
struct http_conn;

/* All strings are copied. 0 and NULL are the defaults named; of max_idle max_connections: the one
 * used last is used next, so that what a peak has left behind is closed by its age. */
struct http_origin_options {
    bool tls;
    const char *host;    /* a name or an address; IPv6 without brackets */
    uint16_t port;       /* 443 or 80 */
    const char *ca_path; /* PEM bundle to trust instead of the system's; libcurl keeps what it read
                            for a day */
    struct str ca_pem;   /* likewise, its bytes; parsed for each new connection */
    bool no_verify;      /* accept any certificate: for tests and in so many words */
    struct str proxy_ca_pem; /* what to trust instead where a proxy is itself spoken to in TLS:
                                ca_* and no_verify are of the origin alone */
    const char *proxy; /* URL; NULL: from the environment (https_proxy, no_proxy...); "": none */
    uint64_t connect_timeout_us; /* names, proxy and TLS included */
    uint32_t max_connections;    /* in use, connecting and idle together */
    uint32_t max_idle;        /* fewer than were needed at once: then peaks cost a connect each */
    uint64_t max_idle_age_us; /* idle for that long is closed */
};
#define HTTP_CONNECT_TIMEOUT_US UINT64_C(10000000)
#define HTTP_MAX_CONNECTIONS    20000u
#define HTTP_MAX_IDLE_AGE_US    UINT64_C(60000000)

/* Why there is no connection. */
enum http_failure {
    HTTP_FAILURE_NONE,
    HTTP_FAILURE_RESOLVE, /* no such name */
    HTTP_FAILURE_CONNECT, /* refused, unreachable */
    HTTP_FAILURE_TIMEOUT,
    HTTP_FAILURE_TLS,   /* certificate or handshake */
    HTTP_FAILURE_PROXY, /* the corporate proxy refuses or fails, or is not trusted */
    HTTP_FAILURE_OTHER,
};

struct http_conn_handler {
    /* The connection that acquire promised is there (err is NULL), or is not: then it must still be
     * released. */
    void (*on_connect)(void *ctx, struct http_conn *c, const struct err *err);
    /* Something wanted (http_conn_want) can be done: LOOP_READ, LOOP_WRITE. */
    void (*on_ready)(void *ctx, struct http_conn *c, unsigned events);
    void *ctx;
};

int http_pool_new(struct loop *l, struct http_pool **ret, struct err *err);
/* Every connection must have been released; NULL is fine. */
void http_pool_free(struct http_pool *p);
DEFINE_CLEANUP(struct http_pool, http_pool_free)

/* Adds an origin, which lives as long as the pool or until http_origin_retire. */
int http_origin_new(struct http_pool *p, const struct http_origin_options *options,
                    struct http_origin **ret, struct err *err);
/* No more acquiring: idle connections are closed, those in use finish; the last one's release frees
 * the origin.  For a reload that drops or changes an upstream. */
void http_origin_retire(struct http_origin *o);
/* Now: in use or connecting, and idle. */
void http_origin_count(const struct http_origin *o, uint32_t *ret_used, uint32_t *ret_idle);

/* 1 = *ret is ready to be sent on, 0 = it is being connected, on_connect will come, -1 = not
 * possible (ERR_LIMIT: max_connections).  *ret belongs to the caller until http_conn_release, which
 * it may call in any state.  handler is copied.  fresh: no idle one. */
int http_conn_acquire(struct http_origin *o, const struct http_conn_handler *handler, bool fresh,
                      struct http_conn **ret, struct err *err);
/* Gives c back: keep it for others (only if the last answer was received whole, says keep-alive,
 * and nothing follows it), or close it. */
void http_conn_release(struct http_conn *c, bool keep);

/* 1 = *ret_len bytes went out (1 to bytes.len), 0 = none fits now, want LOOP_WRITE; -1 = failed. */
int http_conn_send(struct http_conn *c, struct str bytes, size_t *ret_len, struct err *err);
/* 1 = *ret_len bytes came in, none of them at the end of the stream; 0 = nothing there now, want
 * LOOP_READ; -1 = failed.  Read until 0: with TLS more may be buffered than the socket shows. */
int http_conn_recv(struct http_conn *c, void *ret, size_t size, size_t *ret_len, struct err *err);
/* What on_ready shall come for; 0 for nothing (backpressure).  A connection in use starts with 0.
 */
void http_conn_want(struct http_conn *c, unsigned events);
/* on_ready comes with LOOP_WRITE at the end of this turn (loop_io_write_later).  False: the
 * connection is lost, and http_conn_send will say why. */
bool http_conn_write_later(struct http_conn *c);
/* Has it carried a request before? */
bool http_conn_is_reused(const struct http_conn *c);
/* After on_connect with an error. */
enum http_failure http_conn_failure(const struct http_conn *c);
/* The peer's address ("192.0.2.1", "2001:db8::1"), or "" before it is connected. */
const char *http_conn_address(const struct http_conn *c);

#endif
