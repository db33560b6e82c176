#include "config.h"

#include "proxy/worker.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/call_policy.h"
#include "proxy/client.h"
#include "proxy/cutover_file.h"
#include "proxy/reply.h"

#define ACCEPTS_MAX     64 /* in a turn */
#define ACCEPT_PAUSE_US UINT64_C(100000)
#define SPARE_BYTES_MAX (4u << 20) /* in all buffers that are lent and taken back */

const uint8_t *worker_random(struct worker *w, size_t len)
{
    assert(len <= sizeof(w->random));
    if (w->random_left < len) {
        for (size_t at = 0; at < sizeof(w->random);) {
            ssize_t n = getrandom(w->random + at, sizeof(w->random) - at, 0);
            at += n > 0 ? (size_t)n : 0; /* else interrupted before there was any */
        }
        w->random_left = sizeof(w->random);
    }
    w->random_left -= len;
    return w->random + w->random_left;
}

struct buf worker_lend(struct worker *w)
{
    if (!w->spare_count)
        return (struct buf){ 0 };
    struct buf b = w->spares[--w->spare_count];
    w->spare_bytes -= b.cap;
    return b;
}

void worker_take_back(struct worker *w, struct buf *b)
{
    struct buf given = *b;

    *b = (struct buf){ 0 };
    if (!given.ptr)
        return;
    if (w->spare_count == WORKER_SPARES_MAX || w->spare_bytes + given.cap > SPARE_BYTES_MAX) {
        buf_release(&given);
        return;
    }
    buf_clear(&given);
    w->spares[w->spare_count++] = given;
    w->spare_bytes += given.cap;
}

/* --- upstreams --- */

static bool is_same_place(const struct proxy_upstream *a, const struct proxy_upstream *b)
{
    return str_eq(a->host, b->host) && a->port == b->port && a->tls == b->tls &&
           str_eq(a->ca_pem, b->ca_pem) && str_eq(a->proxy_ca_pem, b->proxy_ca_pem) &&
           str_eq(a->proxy, b->proxy) && a->no_proxy == b->no_proxy &&
           a->connect_us == b->connect_us && a->connections == b->connections;
}

struct http_origin *worker_origin(const struct worker *w, const struct proxy_conf *c,
                                  const struct proxy_upstream *u)
{
    if (c == w->conf)
        return w->origins[u - c->upstreams];
    for (size_t i = 0; i < w->conf->upstream_count; i++)
        if (is_same_place(&w->conf->upstreams[i], u))
            return w->origins[i];
    return NULL;
}

static int new_origin(struct worker *w, const struct proxy_upstream *u, struct http_origin **ret,
                      struct err *err)
{
    struct http_origin_options o = {
        .tls = u->tls,
        .host = u->host.ptr,
        .port = u->port,
        .ca_pem = u->ca_pem,
        .proxy_ca_pem = u->proxy_ca_pem,
        .proxy = u->no_proxy    ? ""
                 : u->proxy.len ? u->proxy.ptr
                                : NULL,
        .connect_timeout_us = u->connect_us,
        .max_connections = u->connections,
    };

    if (http_origin_new(w->pool, &o, ret, err) < 0)
        return err_wrap(err, "upstream '%.*s'", STR_ARG(u->name));
    return 0;
}

/* The present origin of what u is, so that its connections stay. */
static struct http_origin *reuse_origin(const struct worker *w, const struct proxy_upstream *u,
                                        bool *taken)
{
    for (size_t i = 0; w->conf && i < w->conf->upstream_count; i++)
        if (!taken[i] && is_same_place(&w->conf->upstreams[i], u)) {
            taken[i] = true;
            return w->origins[i];
        }
    return NULL;
}

/* Origins for c; on failure none of the present ones has changed. */
static int make_origins(struct worker *w, const struct proxy_conf *c, bool *taken,
                        struct http_origin ***ret, struct err *err)
{
    struct http_origin **origins = mem_calloc(c->upstream_count + 1, sizeof(struct http_origin *));
    bool *made = mem_calloc(c->upstream_count + 1, sizeof(*made));
    size_t i = 0;
    int r = 0;

    for (; i < c->upstream_count && r == 0; i++) {
        origins[i] = reuse_origin(w, &c->upstreams[i], taken);
        made[i] = !origins[i];
        if (made[i])
            r = new_origin(w, &c->upstreams[i], &origins[i], err);
    }
    for (size_t at = 0; r < 0 && at + 1 < i; at++)
        if (made[at])
            http_origin_retire(origins[at]);
    free(made);
    if (r < 0)
        free(origins);
    else
        *ret = origins;
    return r;
}

/* NULL = plain. */
static int load_tls(struct worker *w, const struct proxy_conf *c, struct tls_context **ret,
                    struct err *err)
{
    struct tls_options options = {
        .cert_path = c->listen.tls_cert.ptr,
        .key_path = c->listen.tls_key.ptr,
        .cert_pem = c->listen.cert_pem,
        .key_pem = c->listen.key_pem,
        .ticket_keys = {(const char *)w->ticket_keys, w->ticket_key_bytes},
        .replaces = w->tls,
    };

    *ret = NULL;
    return c->listen.tls_cert.len ? tls_context_load(&options, ret, err) : 0;
}

int worker_reload(struct worker *w, struct proxy_conf *c, struct err *err)
{
    size_t old_count = w->conf ? w->conf->upstream_count : 0;
    bool *taken = mem_calloc(old_count + 1, sizeof(*taken));
    struct tls_context *tls = NULL;
    struct http_origin **origins;
    int r = load_tls(w, c, &tls, err);

    if (r == 0)
        r = make_origins(w, c, taken, &origins, err);
    if (r == 0) {
        for (size_t i = 0; i < old_count; i++)
            if (!taken[i])
                http_origin_retire(w->origins[i]);
        free(w->origins);
        w->origins = origins;
        tls_context_unref(w->tls);
        w->tls = tls;
        proxy_conf_unref(w->conf);
        w->conf = proxy_conf_ref(c);
        for (size_t i = 0; i < c->upstream_count; i++)
            c->upstreams[i].count =
                upstream_stats_place(&w->stats->upstreams, c->upstreams[i].name);
        if (w->recorder) {
            attribution_set_key(c->conf->attribution, &w->key);
            recorder_configure(w->recorder, c);
        }
    } else {
        tls_context_unref(tls);
    }
    free(taken);
    return r;
}

int worker_follow(struct worker *w, struct str text, struct err *err)
{
    struct cutover *c = NULL;

    if (cutover_file_parse(text, w->conf, &c, err) < 0)
        return -1;
    cutover_free(w->cutover);
    w->cutover = c;
    stats_set_cutover(w->stats, c ? c->epoch : 0, c ? c->marker : STR(""));
    return 0;
}

static void keep_tickets(struct worker *w, struct str keys)
{
    assert(keys.len <= sizeof(w->ticket_keys));
    if (keys.len)
        memcpy(w->ticket_keys, keys.ptr, keys.len);
    w->ticket_key_bytes = keys.len;
}

int worker_take_tickets(struct worker *w, struct str keys, struct err *err)
{
    struct tls_context *tls = NULL;

    if (!keys.len || keys.len > sizeof(w->ticket_keys) || keys.len % TLS_TICKET_KEY_BYTES)
        return err_set(err, ERR_CORRUPT, "%zu bytes are no keys for tickets", keys.len);
    keep_tickets(w, keys);
    if (load_tls(w, w->conf, &tls, err) < 0)
        return -1;
    tls_context_unref(w->tls);
    w->tls = tls;
    return 0;
}

/* --- accepting --- */

static void format_address(const struct sockaddr_storage *from, char ret[static INET6_ADDRSTRLEN])
{
    const void *at = from;
    const struct sockaddr_in *v4 = at;
    const struct sockaddr_in6 *v6 = at;

    ret[0] = '\0';
    if (from->ss_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, ret, INET6_ADDRSTRLEN);
    else if (from->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, ret, INET6_ADDRSTRLEN);
}

static void turn_away(struct worker *w, int fd)
{
    CLEANUP(buf_release) struct buf body = { 0 }, out = { 0 };

    w->stats->connections_refused++;
    if (!w->tls) {
        reply_write_body(&replies[REPLY_BUSY], STR(""), &body);
        reply_write_head(&replies[REPLY_BUSY], body.len, NULL, false, &out);
        buf_add_str(&out, buf_str(&body));
        (void)!send(fd, out.ptr, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    close(fd);
}

static void listen_again(void *ctx)
{
    struct worker *w = ctx;

    for (size_t i = 0; i < w->listener_count; i++)
        loop_io_want(w->loop, &w->listeners[i].io, LOOP_READ);
}

/* Out of descriptors: those who wait are taken when there are some again. */
static void pause_accepting(struct worker *w, const char *why)
{
    log_event(&w->log, LOG_LEVEL_ERROR, loop_wall_us(w->loop), "accept_failed",
              LOG_STR("reason", str_from(why)));
    for (size_t i = 0; i < w->listener_count; i++)
        loop_io_want(w->loop, &w->listeners[i].io, 0);
    loop_timer_set(w->loop, &w->accept_timer, loop_now_us(w->loop) + ACCEPT_PAUSE_US);
}

static void on_accept(void *ctx, unsigned events)
{
    struct worker_listener *l = ctx;
    struct worker *w = l->worker;

    (void)events;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t len = sizeof(from);
        char address[INET6_ADDRSTRLEN];
        void *at = &from;
        int fd = accept4(l->io.fd, at, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(w, "too many open files or no memory");
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return;
        }
        if (w->client_count >= w->conf->limits.connections) {
            turn_away(w, fd);
            continue;
        }
        int one = 1;
        if (!l->is_unix) /* pieces of a stream leave at once */
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        format_address(&from, address);
        client_open(w, fd, l->is_unix, address);
    }
}

/* --- life --- */

void worker_client_gone(struct worker *w)
{
    w->client_count--;
    w->stats->connections_open = w->client_count;
    if (w->is_draining && !w->client_count)
        loop_stop(w->loop);
}

static void on_grace_over(void *ctx)
{
    struct worker *w = ctx;

    log_event(&w->log, LOG_LEVEL_WARN, loop_wall_us(w->loop), "grace_over",
              LOG_INT("connections", w->client_count));
    loop_stop(w->loop);
}

void worker_drain(struct worker *w)
{
    if (w->is_draining)
        return;
    w->is_draining = true;
    loop_timer_cancel(w->loop, &w->accept_timer);
    for (size_t i = 0; i < w->listener_count; i++)
        loop_io_remove(w->loop, &w->listeners[i].io);
    for (struct client *c = w->clients, *next; c; c = next) {
        next = c->next;
        client_drain(c);
    }
    if (!w->client_count)
        loop_stop(w->loop);
    else
        loop_timer_set(w->loop, &w->grace_timer, loop_now_us(w->loop) + w->conf->listen.grace_us);
}

static void on_unblocked(void *ctx)
{
    struct worker *w = ctx;

    for (struct client *c = w->clients, *next; c; c = next) {
        next = c->next;
        client_unblock(c);
    }
}

static int open_archive(struct worker *w, struct err *err)
{
    struct recorder_options o = { .loop = w->loop,
                                  .log = &w->log,
                                  .stats = w->stats,
                                  .name = w->journal_name,
                                  .on_unblocked = on_unblocked,
                                  .ctx = w };

    snprintf(w->journal_name, sizeof(w->journal_name), "w%d",
             w->log.worker < 0 ? 0 : w->log.worker);
    if (archive_open(w->conf->conf->archive_path.ptr, true, &w->archive, err) < 0)
        return -1;
    int r = w->conf->conf->key_file.len ? key_load(w->conf->conf->key_file.ptr, false, &w->key, err)
                                        : archive_key(w->archive, &w->key, err);
    if (r < 0)
        return -1;
    o.archive = w->archive;
    return recorder_open(&o, w->conf, &w->recorder, err);
}

static int listen_on(struct worker *w, const struct worker_options *o, struct err *err)
{
    for (size_t i = 0; i < o->listener_count && i < WORKER_LISTENERS_MAX; i++) {
        struct worker_listener *l = &w->listeners[w->listener_count++];
        l->worker = w;
        l->is_unix = o->has_unix && i + 1 == o->listener_count;
        l->io = (struct loop_io){ .fd = o->listeners[i], .fn = on_accept, .ctx = l };
        if (loop_io_add(w->loop, &l->io, LOOP_READ, err) < 0)
            return -1;
    }
    return 0;
}

int worker_open(const struct worker_options *options, struct worker **ret, struct err *err)
{
    CLEANUP(worker_close) struct worker *w = mem_calloc(1, sizeof(*w));

    w->log = options->log;
    w->number = options->log.worker < 0 ? 0 : options->log.worker;
    w->stats = options->stats;
    w->shared = options->shared;
    keep_tickets(w, options->ticket_keys);
    w->accept_timer = (struct loop_timer){ .fn = listen_again, .ctx = w };
    w->grace_timer = (struct loop_timer){ .fn = on_grace_over, .ctx = w };
    if (loop_open(&w->loop, err) < 0 || http_pool_new(w->loop, &w->pool, err) < 0)
        return -1;
    loop_read_clocks(w->loop);
    handshakes_init(&w->handshakes, w->loop, &w->log, w->stats);
    if (worker_reload(w, options->conf, err) < 0 || open_archive(w, err) < 0)
        return -1;
    attribution_set_key(w->conf->conf->attribution, &w->key);
    if (worker_follow(w, options->cutover, err) < 0)
        return -1;
    if (listen_on(w, options, err) < 0)
        return -1;
    w->stats->connections_open = w->stats->exchanges_open = w->stats->journal_failing = 0;
    w->stats->bodies_held_bytes = 0;
    w->stats->up = 1;
    *ret = TAKE(w);
    return 0;
}

static void close_listeners(struct worker *w)
{
    for (size_t i = 0; i < w->listener_count; i++)
        loop_io_remove(w->loop, &w->listeners[i].io);
}

void worker_close(struct worker *w)
{
    struct err err;

    if (!w)
        return;
    w->stats->up = 0;
    close_listeners(w);
    while (w->clients)
        client_close(w->clients);
    if (w->loop) {
        loop_timer_cancel(w->loop, &w->accept_timer);
        loop_timer_cancel(w->loop, &w->grace_timer);
        handshakes_close(&w->handshakes);
        if (loop_turn(w->loop, 0, &err) < 0) /* frees the clients */
            log_event(&w->log, LOG_LEVEL_ERROR, loop_wall_us(w->loop), "loop_failed",
                      LOG_STR("reason", str_from(err.text)));
    }
    call_policy_free_spares(w);
    recorder_close(w->recorder);
    for (size_t i = 0; w->conf && i < w->conf->upstream_count; i++)
        http_origin_retire(w->origins[i]);
    free(w->origins);
    http_pool_free(w->pool);
    tls_context_unref(w->tls);
    archive_close(w->archive);
    cutover_free(w->cutover);
    proxy_conf_unref(w->conf);
    arena_release(&w->arena);
    buf_release(&w->frame);
    while (w->spare_count)
        buf_release(&w->spares[--w->spare_count]);
    loop_close(w->loop);
    explicit_bzero(w->ticket_keys, sizeof(w->ticket_keys));
    free(w);
}
