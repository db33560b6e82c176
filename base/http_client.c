#include "config.h"

#include "base/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"

/* libcurl walks all connections of a multi handle to find the one to send on (7.88), and a multi
 * handle takes 35 KiB: so many share one. */
#define SHARD_CONNECTIONS 128u

/* What came for an idle connection so lately may as well have come behind the next request. */
#define QUIET_US UINT64_C(2000)

struct http_origin {
    struct http_pool *pool;
    struct http_origin *next, **link;
    char *url, *ca_path, *ca_pem, *proxy_ca_pem, *proxy;
    struct http_origin_options options; /* its strings are not used */
    struct http_conn *idle, *idle_last; /* the one used last first */
    uint32_t used_count, idle_count;
    struct loop_timer idle_timer; /* until the oldest idle one is too old */
    bool is_retired;
};

enum conn_state { CONN_CONNECTING, CONN_FAILED, CONN_USED, CONN_IDLE };

struct http_conn {
    struct http_origin *origin;
    struct http_conn *next, *previous; /* among the idle */
    struct shard *shard;
    CURL *easy;
    struct loop_io io;
    struct http_conn_handler handler;
    enum conn_state state;
    enum http_failure failure;
    bool is_reused;
    bool is_drained; /* the last read took all there was, as far as can be seen */
    bool is_plain; /* no TLS on the way, not even to a proxy: the socket is used without libcurl */
    uint64_t idle_since_us;
    char reason[CURL_ERROR_SIZE]; /* where curl says why */
};

struct http_pool {
    struct loop *loop;
    struct shard *shards;
    CURLSH *share; /* TLS sessions, to be resumed */
    struct http_origin *origins;
};

/* A multi handle and the connections in it. */
struct shard {
    struct http_pool *pool;
    struct shard *next;
    CURLM *multi;
    struct loop_timer timer;
    uint32_t conn_count;
};

/* A socket that curl watches while it connects. */
struct watch {
    struct shard *shard;
    struct loop_io io;
};

/* --- curl's events --- */

static enum http_failure failure_of(CURLcode code)
{
    static const struct {
        CURLcode code;
        enum http_failure failure;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST,      HTTP_FAILURE_RESOLVE},
        { CURLE_COULDNT_RESOLVE_PROXY,    HTTP_FAILURE_PROXY  },
        { CURLE_COULDNT_CONNECT,          HTTP_FAILURE_CONNECT},
        { CURLE_OPERATION_TIMEDOUT,       HTTP_FAILURE_TIMEOUT},
        { CURLE_PROXY,                    HTTP_FAILURE_PROXY  },
        { CURLE_RECV_ERROR,               HTTP_FAILURE_PROXY  }, /* before we read: an answer to CONNECT */
        { CURLE_GOT_NOTHING,              HTTP_FAILURE_PROXY  },
        { CURLE_SSL_CONNECT_ERROR,        HTTP_FAILURE_TLS    },
        { CURLE_PEER_FAILED_VERIFICATION, HTTP_FAILURE_TLS    },
        { CURLE_SSL_CACERT_BADFILE,       HTTP_FAILURE_TLS    },
        { CURLE_SSL_CERTPROBLEM,          HTTP_FAILURE_TLS    },
        { CURLE_SSL_CIPHER,               HTTP_FAILURE_TLS    },
        { CURLE_SSL_ISSUER_ERROR,         HTTP_FAILURE_TLS    },
        { CURLE_SSL_INVALIDCERTSTATUS,    HTTP_FAILURE_TLS    },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].code == code)
            return rows[i].failure;
    return HTTP_FAILURE_OTHER;
}

/* The proxy that the environment has for it, as libcurl reads that; NULL = none.  Whether no_proxy
 * excepts the origin only libcurl knows. */
static const char *environment_proxy(const struct http_origin *o)
{
    static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
    const char *value = o->options.tls ? NULL : getenv("http_proxy");

    for (size_t i = o->options.tls ? 0 : 2; !(value && *value) && i < ARRAY_LEN(names); i++)
        value = getenv(names[i]); /* one that is empty counts for none, as libcurl has it */
    return value;
}

static unsigned port_of(const char *url)
{
    CURLU *parts = curl_url();
    char *port = NULL;
    unsigned n = 0;

    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        n = (unsigned)strtoul(port, NULL, 10);
    curl_free(port);
    curl_url_cleanup(parts);
    return n;
}

/* Whether the connection was to the proxy: of the environment's it is not known but by its port. */
static bool is_to_proxy(const struct http_conn *c, const char *url)
{
    long port = 0;

    curl_easy_getinfo(c->easy, CURLINFO_PRIMARY_PORT, &port);
    return c->origin->proxy ||
           ((unsigned)port == port_of(url) && (unsigned)port != port_of(c->origin->url));
}

/* Has TLS failed with a proxy on the way?  That its certificate is not trusted curl says; another's
 * name in it, or no TLS at all, is one of the proxy as long as that has not answered. */
static bool of_proxy(const struct http_conn *c)
{
    const char *proxy = c->origin->proxy ? c->origin->proxy : environment_proxy(c->origin);
    long distrust = 0, answered = 0;

    curl_easy_getinfo(c->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &distrust);
    curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &answered);
    return distrust || (proxy && str_istarts_with(str_from(proxy), STR("https://")) && !answered &&
                        is_to_proxy(c, proxy));
}

static void on_io(void *ctx, unsigned events);

/* Moves the connected socket onto the loop: curl watches it no more. */
static int adopt_socket(struct http_conn *c, struct err *err)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    struct curl_tlssessioninfo *tls = NULL;
    char byte;
    size_t len;

    if (curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0)
        return err_set(err, ERR_SYS, "the connection was lost as soon as it was made");
    /* The first call attaches the connection to its handle.  Until then libcurl takes it for idle,
     * and as it makes others it closes the idle ones that it finds dead: which the peer has closed
     * (7.88), or which have something to read (8.0 to 8.9). */
    CURLcode code = curl_easy_recv(c->easy, &byte, 1, &len);
    if (code == CURLE_OK)
        return err_set(err, ERR_SYS,
                       len ? "the server speaks before it is asked"
                           : "the server closed the connection at once");
    if (code != CURLE_AGAIN)
        return err_set(err, ERR_SYS, "%s", *c->reason ? c->reason : curl_easy_strerror(code));
    c->is_plain = curl_easy_getinfo(c->easy, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls &&
                  !tls->internals && !c->origin->options.tls;
    c->io = (struct loop_io){ .fd = fd, .fn = on_io, .ctx = c };
    return loop_io_add(c->origin->pool->loop, &c->io, 0, err);
}

static void finish_connect(struct http_conn *c, CURLcode code)
{
    struct err err = { 0 };

    if (code != CURLE_OK) {
        c->failure = failure_of(code);
        if (c->failure == HTTP_FAILURE_TLS && of_proxy(c))
            c->failure = HTTP_FAILURE_PROXY;
        err_set(&err, ERR_SYS, "cannot connect to '%s': %s", c->origin->url,
                *c->reason ? c->reason : curl_easy_strerror(code));
    } else if (adopt_socket(c, &err) < 0) {
        c->failure = HTTP_FAILURE_OTHER;
        err_wrap(&err, "cannot connect to '%s'", c->origin->url);
    }
    c->state = c->failure ? CONN_FAILED : CONN_USED;
    c->handler.on_connect(c->handler.ctx, c, c->failure ? &err : NULL);
}

/* Not from within curl: handlers may end any connection. */
static void take_messages(struct shard *s)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(s->multi, &left))) {
        char *conn = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &conn);
        finish_connect((struct http_conn *)(void *)conn, code);
    }
}

static void on_watched(void *ctx, unsigned events)
{
    struct watch *w = ctx;
    struct shard *s = w->shard;
    int flags = (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
                (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0) |
                (events & LOOP_HANGUP ? CURL_CSELECT_ERR : 0);
    int running;

    curl_multi_socket_action(s->multi, w->io.fd, flags, &running); /* may free w */
    take_messages(s);
}

static void unwatch(struct watch *w)
{
    if (!w)
        return;
    loop_io_remove(w->shard->pool->loop, &w->io);
    free(w);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct shard *s = ctx;
    struct watch *w = socket_ctx;
    unsigned events =
        (what & CURL_POLL_IN ? LOOP_READ : 0) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0);
    struct err ignored;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        unwatch(w);
        return 0;
    }
    if (w) {
        loop_io_want(s->pool->loop, &w->io, events);
        return 0;
    }
    w = mem_calloc(1, sizeof(*w));
    w->shard = s;
    w->io = (struct loop_io){ .fd = fd, .fn = on_watched, .ctx = w };
    if (loop_io_add(s->pool->loop, &w->io, events, &ignored) < 0) {
        free(w); /* out of watches: the connect timeout will say so */
        return 0;
    }
    curl_multi_assign(s->multi, fd, w);
    return 0;
}

static void on_timer(void *ctx)
{
    struct shard *s = ctx;
    int running;

    curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_messages(s);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct shard *s = ctx;
    struct loop *l = s->pool->loop;

    (void)multi;
    if (timeout_ms < 0)
        loop_timer_cancel(l, &s->timer);
    else
        loop_timer_set(l, &s->timer, loop_now_us(l) + (uint64_t)timeout_ms * 1000);
    return 0;
}

/* --- pools and origins --- */

/* One with room for a connection more. */
static struct shard *find_shard(struct http_pool *p)
{
    struct shard *s = p->shards;

    while (s && s->conn_count >= SHARD_CONNECTIONS)
        s = s->next;
    if (s)
        return s;
    s = mem_calloc(1, sizeof(*s));
    s->pool = p;
    s->multi = mem_check(curl_multi_init());
    s->timer.fn = on_timer;
    s->timer.ctx = s;
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    s->next = p->shards;
    p->shards = s;
    return s;
}

static void free_shards(struct http_pool *p)
{
    for (struct shard *s = p->shards, *next; s; s = next) {
        next = s->next;
        assert(s->conn_count == 0);
        curl_multi_cleanup(s->multi);
        loop_timer_cancel(p->loop, &s->timer);
        free(s);
    }
}

int http_pool_new(struct loop *l, struct http_pool **ret, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_SYS, "libcurl cannot be initialised");
    struct http_pool *p = mem_calloc(1, sizeof(*p));
    p->loop = l;
    p->share = mem_check(curl_share_init());
    curl_share_setopt(p->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    *ret = p;
    return 0;
}

static void close_conn(struct http_conn *c);

static void close_idle(struct http_origin *o)
{
    while (o->idle)
        close_conn(o->idle);
}

static void free_origin(struct http_origin *o)
{
    assert(o->used_count == 0 && o->idle_count == 0);
    loop_timer_cancel(o->pool->loop, &o->idle_timer);
    *o->link = o->next;
    if (o->next)
        o->next->link = o->link;
    free(o->url);
    free(o->ca_path);
    free(o->ca_pem);
    free(o->proxy_ca_pem);
    free(o->proxy);
    free(o);
}

void http_pool_free(struct http_pool *p)
{
    if (!p)
        return;
    while (p->origins) {
        close_idle(p->origins);
        free_origin(p->origins);
    }
    free_shards(p);
    curl_share_cleanup(p->share);
    free(p);
    curl_global_cleanup();
}

/* A name or an address: nothing that would end the host within a URL. */
static bool is_host(const char *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~%:";

    return host && *host && host[strspn(host, allowed)] == '\0';
}

static char *url_of(const struct http_origin_options *options)
{
    CLEANUP(buf_release) struct buf url = { 0 };
    bool is_v6 = strchr(options->host, ':') != NULL;

    buf_addf(&url, "%s://%s%s%s:%u/", options->tls ? "https" : "http", is_v6 ? "[" : "",
             options->host, is_v6 ? "]" : "",
             options->port ? options->port : (options->tls ? 443u : 80u));
    return mem_strdup(buf_cstr(&url));
}

static void on_idle_timer(void *ctx);

int http_origin_new(struct http_pool *p, const struct http_origin_options *options,
                    struct http_origin **ret, struct err *err)
{
    if (!is_host(options->host))
        return err_set(err, ERR_USAGE, "'%s' is no name and no address of a host",
                       options->host ? options->host : "");
    struct http_origin *o = mem_calloc(1, sizeof(*o));
    o->pool = p;
    o->options = *options;
    o->url = url_of(options);
    o->ca_path = options->ca_path ? mem_strdup(options->ca_path) : NULL;
    if (options->ca_pem.len)
        o->ca_pem = mem_strndup(options->ca_pem.ptr, options->ca_pem.len);
    if (options->proxy_ca_pem.len)
        o->proxy_ca_pem = mem_strndup(options->proxy_ca_pem.ptr, options->proxy_ca_pem.len);
    o->proxy = options->proxy ? mem_strdup(options->proxy) : NULL;
    o->options.host = o->options.ca_path = o->options.proxy = NULL;
    if (!options->connect_timeout_us)
        o->options.connect_timeout_us = HTTP_CONNECT_TIMEOUT_US;
    if (!options->max_connections)
        o->options.max_connections = HTTP_MAX_CONNECTIONS;
    if (!options->max_idle)
        o->options.max_idle = o->options.max_connections;
    if (!options->max_idle_age_us)
        o->options.max_idle_age_us = HTTP_MAX_IDLE_AGE_US;
    o->idle_timer.fn = on_idle_timer;
    o->idle_timer.ctx = o;
    o->next = p->origins;
    o->link = &p->origins;
    if (o->next)
        o->next->link = &o->next;
    p->origins = o;
    *ret = o;
    return 0;
}

void http_origin_retire(struct http_origin *o)
{
    o->is_retired = true;
    close_idle(o);
    if (o->used_count == 0)
        free_origin(o);
}

void http_origin_count(const struct http_origin *o, uint32_t *ret_used, uint32_t *ret_idle)
{
    *ret_used = o->used_count;
    *ret_idle = o->idle_count;
}

/* --- idle connections --- */

static void remove_idle(struct http_conn *c)
{
    struct http_origin *o = c->origin;

    *(c->previous ? &c->previous->next : &o->idle) = c->next;
    *(c->next ? &c->next->previous : &o->idle_last) = c->previous;
    o->idle_count--;
}

/* Takes it out of its origin's count, and the loop, and closes it. */
static void close_conn(struct http_conn *c)
{
    struct http_origin *o = c->origin;

    if (c->state == CONN_IDLE)
        remove_idle(c);
    else
        o->used_count--;
    loop_io_remove(o->pool->loop, &c->io);
    /* Removing it closes the socket: nobody else could use a connection made for this handle. */
    curl_multi_remove_handle(c->shard->multi, c->easy);
    curl_easy_cleanup(c->easy);
    c->shard->conn_count--;
    free(c);
}

/* Is there neither an end nor data?  With TLS a record may come that is none: read to know. */
static bool is_quiet(struct http_conn *c)
{
    char byte;
    size_t len;
    struct err ignored;

    return http_conn_recv(c, &byte, 1, &len, &ignored) == 0;
}

static void on_idle_timer(void *ctx)
{
    struct http_origin *o = ctx;
    uint64_t now_us = loop_now_us(o->pool->loop), age_us = o->options.max_idle_age_us;

    while (o->idle_last && o->idle_last->idle_since_us + age_us <= now_us)
        close_conn(o->idle_last);
    if (o->idle_last)
        loop_timer_set(o->pool->loop, &o->idle_timer, o->idle_last->idle_since_us + age_us);
}

static void make_idle(struct http_conn *c)
{
    struct http_origin *o = c->origin;
    struct loop *l = o->pool->loop;

    o->used_count--;
    o->idle_count++;
    c->state = CONN_IDLE;
    c->is_reused = true;
    c->handler = (struct http_conn_handler){ 0 };
    c->idle_since_us = loop_now_us(l);
    c->next = o->idle;
    c->previous = NULL;
    *(c->next ? &c->next->previous : &o->idle_last) = c;
    o->idle = c;
    loop_io_want(l, &c->io, LOOP_READ);
    if (!loop_timer_is_set(&o->idle_timer))
        loop_timer_set(l, &o->idle_timer, c->idle_since_us + o->options.max_idle_age_us);
}

/* --- connections --- */

static void on_io(void *ctx, unsigned events)
{
    struct http_conn *c = ctx;

    if (c->state == CONN_IDLE) {
        if (events & LOOP_HANGUP || !is_quiet(c))
            close_conn(c);
        return;
    }
    /* An error is learned by the next call; who wants nothing just now must not be told each turn.
     */
    if (events & LOOP_HANGUP && c->io.wanted == 0) {
        loop_io_remove(c->origin->pool->loop, &c->io);
        return;
    }
    c->handler.on_ready(c->handler.ctx, c,
                        events & LOOP_HANGUP ? c->io.wanted : events & (LOOP_READ | LOOP_WRITE));
}

static void set_options(struct http_conn *c)
{
    const struct http_origin *o = c->origin;

    curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->reason);
    curl_easy_setopt(c->easy, CURLOPT_URL, o->url);
    curl_easy_setopt(c->easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(c->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Else closing a connection whose name is still being resolved waits for the resolver's thread,
     * and all that runs on the loop with it: for seconds, when the name server is gone. */
    curl_easy_setopt(c->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    curl_easy_setopt(c->easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(c->easy, CURLOPT_SHARE, o->pool->share);
    /* ALPN offers http/1.1 alone: what is sent here is that. */
    curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)((o->options.connect_timeout_us + 999) / 1000));
    /* Through a proxy always by CONNECT, so that what we send reaches the origin as it is. */
    curl_easy_setopt(c->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (o->proxy)
        curl_easy_setopt(c->easy, CURLOPT_PROXY, o->proxy);
    if (o->ca_path)
        curl_easy_setopt(c->easy, CURLOPT_CAINFO, o->ca_path);
    if (o->ca_pem) { /* lives longer than c */
        struct curl_blob pem = { o->ca_pem, o->options.ca_pem.len, CURL_BLOB_NOCOPY };
        curl_easy_setopt(c->easy, CURLOPT_CAINFO_BLOB, &pem);
    }
    if (o->proxy_ca_pem) {
        struct curl_blob pem = { o->proxy_ca_pem, o->options.proxy_ca_pem.len, CURL_BLOB_NOCOPY };
        curl_easy_setopt(c->easy, CURLOPT_PROXY_CAINFO_BLOB, &pem);
    }
    if (o->options.no_verify) {
        curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* An idle one that is still good, or NULL. */
static struct http_conn *take_idle(struct http_origin *o)
{
    while (o->idle) {
        struct http_conn *c = o->idle;
        bool is_known =
            c->is_plain && c->is_drained && loop_io_is_quiet(o->pool->loop, &c->io, QUIET_US);
        if (!is_known && !is_quiet(c)) {
            close_conn(c);
            continue;
        }
        remove_idle(c);
        o->used_count++;
        c->state = CONN_USED;
        loop_io_want(o->pool->loop, &c->io, 0);
        return c;
    }
    return NULL;
}

int http_conn_acquire(struct http_origin *o, const struct http_conn_handler *handler, bool fresh,
                      struct http_conn **ret, struct err *err)
{
    struct http_conn *c = NULL;

    assert(!o->is_retired && handler->on_connect && handler->on_ready);
    if (!fresh && (c = take_idle(o))) {
        c->handler = *handler;
        *ret = c;
        return 1;
    }
    if (o->used_count + o->idle_count >= o->options.max_connections) {
        if (!o->idle)
            return err_set(err, ERR_LIMIT, "all %u connections to '%s' are in use",
                           o->options.max_connections, o->url);
        close_conn(o->idle_last);
    }
    c = mem_calloc(1, sizeof(*c));
    c->origin = o;
    c->handler = *handler;
    c->io.fd = -1;
    c->shard = find_shard(o->pool);
    c->easy = mem_check(curl_easy_init());
    set_options(c);
    CURLMcode code = curl_multi_add_handle(c->shard->multi, c->easy);
    if (code != CURLM_OK) {
        curl_easy_cleanup(c->easy);
        free(c);
        return err_set(err, ERR_SYS, "cannot connect to '%s': %s", o->url,
                       curl_multi_strerror(code));
    }
    c->shard->conn_count++;
    o->used_count++;
    *ret = c;
    return 0;
}

void http_conn_release(struct http_conn *c, bool keep)
{
    if (!c)
        return;
    struct http_origin *o = c->origin;
    assert(c->state != CONN_IDLE);
    if (keep && c->state == CONN_USED && c->io.is_added && !o->is_retired &&
        o->idle_count < o->options.max_idle)
        make_idle(c);
    else
        close_conn(c);
    if (o->is_retired && o->used_count == 0)
        free_origin(o);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int send_plain(struct http_conn *c, struct str bytes, size_t *ret_len, struct err *err)
{
    ssize_t n = send(c->io.fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0)
        return would_block() ? 0 : err_sys(err, "cannot send to '%s'", c->origin->url);
    *ret_len = (size_t)n;
    return n > 0;
}

static int recv_plain(struct http_conn *c, void *ret, size_t size, size_t *ret_len, struct err *err)
{
    ssize_t n = recv(c->io.fd, ret, size, MSG_DONTWAIT);

    c->is_drained = n < (ssize_t)size && n != 0;
    if (n < 0)
        return would_block() ? 0 : err_sys(err, "cannot receive from '%s'", c->origin->url);
    *ret_len = (size_t)n;
    return 1;
}

/* 1, 0 or -1 for what a transfer of curl's gave. */
static int result_of(struct http_conn *c, CURLcode code, const char *doing, struct err *err)
{
    if (code == CURLE_OK)
        return 1;
    if (code == CURLE_AGAIN)
        return 0;
    return err_set(err, ERR_SYS, "cannot %s '%s': %s", doing, c->origin->url,
                   *c->reason ? c->reason : curl_easy_strerror(code));
}

int http_conn_send(struct http_conn *c, struct str bytes, size_t *ret_len, struct err *err)
{
    assert(bytes.len > 0);
    if (c->state != CONN_USED)
        return err_set(err, ERR_SYS, "there is no connection to '%s'", c->origin->url);
    if (c->is_plain)
        return send_plain(c, bytes, ret_len, err);
    CURLcode code = curl_easy_send(c->easy, bytes.ptr, bytes.len, ret_len);
    return code == CURLE_OK && *ret_len == 0 ? 0 : result_of(c, code, "send to", err);
}

int http_conn_recv(struct http_conn *c, void *ret, size_t size, size_t *ret_len, struct err *err)
{
    assert(size > 0);
    if (c->state != CONN_USED && c->state != CONN_IDLE)
        return err_set(err, ERR_SYS, "there is no connection to '%s'", c->origin->url);
    if (c->is_plain)
        return recv_plain(c, ret, size, ret_len, err);
    return result_of(c, curl_easy_recv(c->easy, ret, size, ret_len), "receive from", err);
}

void http_conn_want(struct http_conn *c, unsigned events)
{
    struct err ignored;

    if (c->state != CONN_USED)
        return;
    /* Removed after a hangup that nobody wanted to know of. */
    if (!c->io.is_added && events)
        loop_io_add(c->origin->pool->loop, &c->io, events, &ignored);
    else if (c->io.is_added)
        loop_io_want(c->origin->pool->loop, &c->io, events);
}

bool http_conn_write_later(struct http_conn *c)
{
    if (c->state != CONN_USED || !c->io.is_added)
        return false;
    loop_io_write_later(c->origin->pool->loop, &c->io);
    return true;
}

bool http_conn_is_reused(const struct http_conn *c)
{
    return c->is_reused;
}

enum http_failure http_conn_failure(const struct http_conn *c)
{
    return c->failure;
}

const char *http_conn_address(const struct http_conn *c)
{
    char *address = NULL;

    if (c->state != CONN_USED)
        return "";
    curl_easy_getinfo(c->easy, CURLINFO_PRIMARY_IP, &address);
    return address ? address : "";
}
