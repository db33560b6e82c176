/* http_fetch - one HTTP exchange after another with a server, each waited for.
 *
 * For commands that have nothing else to do meanwhile: a loop, a pool and an HTTP/1.1 parser of its
 * own.  The connection is kept from one exchange to the next.  What is not done, on purpose:
 * redirects are handed to the caller like any answer (credentials must not follow them), nothing is
 * tried again but a request that a kept connection lost before any of its answer came and that may
 * be repeated, and no certificate is accepted that does not verify.
 *
 * Errors name the server, never the path, the headers or the body: those may be secret.
 */
#ifndef BASE_HTTP_FETCH_H
#define BASE_HTTP_FETCH_H

#include "base/http1.h"

#define HTTP_FETCH_HOST_MAX     253
#define HTTP_FETCH_URL_MAX      4096u
#define HTTP_FETCH_IDLE_US      UINT64_C(60000000)
#define HTTP_FETCH_ANSWER_BYTES (16u << 20)

/* "https://host:port/path?query"; the parts lie in the text. */
struct http_url {
    bool tls;
    struct str host; /* IPv6 without brackets */
    uint16_t port;
    struct str authority; /* as written, what Host says */
    struct str target;    /* path and query as they are sent; "/" if there is none */
};

/* http and https alone.  ERR_USAGE, also for a user or password in it: those do not belong on
 * command lines, nor in messages. */
int http_url_parse(struct str text, struct http_url *ret, struct err *err);

struct http_fetch_options {
    struct http_url url; /* its target is not looked at; texts are copied */
    const char *ca_path; /* PEM bundle to trust instead of the system's; NULL = the system's */
    const char *proxy;   /* as in http_client */
    uint64_t idle_us;    /* without a byte either way for that long is a failure; 0 = the default */
};

struct http_fetch;
int http_fetch_open(const struct http_fetch_options *options, struct http_fetch **ret,
                    struct err *err);
void http_fetch_close(struct http_fetch *f);
DEFINE_CLEANUP(struct http_fetch, http_fetch_close)

struct http_fetch_header {
    struct str name, value;
};

struct http_fetch_request {
    struct str method, target;
    /* Beside Host and Content-Length, which come by themselves. */
    const struct http_fetch_header *headers;
    size_t header_count;
    struct str body;
    bool may_repeat;         /* asking twice does no harm: see above */
    size_t answer_bytes_max; /* of its body; more is ERR_LIMIT; 0 = the default */
    /* If set, takes the body of an answer with status 200 piece by piece, without a limit; -1 ends
     * the exchange as a failure. */
    int (*on_body)(void *ctx, struct str bytes, struct err *err);
    void *ctx;
};

/* Valid until the next call with the same f. */
struct http_fetch_answer {
    const struct http1_head *head; /* head->status: any, errors too; http1_find for headers */
    struct str body;
};

/* 0 = there is an answer, whatever it says; -1 = there is none, or not a whole one. */
int http_fetch(struct http_fetch *f, const struct http_fetch_request *request,
               struct http_fetch_answer *ret, struct err *err);
/* After -1: whether the server may have received the whole request, and so may have done what it
 * asks for. */
bool http_fetch_was_sent(const struct http_fetch *f);
/* The time now, in us since the epoch: of the loop, for signatures. */
int64_t http_fetch_now_us(struct http_fetch *f);

#endif
