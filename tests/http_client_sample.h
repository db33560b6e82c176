/* http_client_sample - a server that does as it is told, and calls to it with base/http_client.
 *
 * One thread for each connection.  Commands are lines: echo, bye (answers and ends), reset (ends
 * with RST), junk (answers, then says more), big (BIG_BYTES and a line), sink (reads BIG_BYTES,
 * then answers); CONNECT is answered as a proxy would.
 */
#ifndef TESTS_HTTP_CLIENT_SAMPLE_H
#define TESTS_HTTP_CLIENT_SAMPLE_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/http_client.h"
#include "base/tls.h"
#include "tests/temp_folder.h"
#include "tests/tls_files.h"

#define BIG_BYTES (8u << 20) /* more than the buffers of two sockets */

/* --- the server --- */

enum manner { POLITE, SPEAKS_FIRST, SILENT, REFUSING_PROXY };

struct server {
    int fd;
    uint16_t port;
    enum manner manner;
    struct tls_context *tls;
    pthread_t thread;
    char proxied[200]; /* the last CONNECT line */
    atomic_int more;   /* times that junk was followed by more */
    atomic_int left;   /* connections that were closed from here */
};

struct peer {
    struct server *server;
    int fd;
    struct tls_conn *tls;
    bool is_abrupt; /* ends without a word */
};

static inline void peer_write(struct peer *p, struct str bytes)
{
    struct err ignored;
    size_t len = 0;

    while (bytes.len) {
        ssize_t n;
        if (p->tls)
            n = tls_conn_write(p->tls, bytes, &len, &ignored) == TLS_DONE ? (ssize_t)len : -1;
        else
            n = send(p->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes = str_sub(bytes, (size_t)n, bytes.len);
    }
}

static inline ssize_t peer_read(struct peer *p, void *ret, size_t size)
{
    struct err ignored;
    size_t len = 0;

    if (!p->tls)
        return recv(p->fd, ret, size, 0);
    return tls_conn_read(p->tls, ret, size, &len, &ignored) == TLS_DONE ? (ssize_t)len : -1;
}

static inline struct buf big_answer(void)
{
    struct buf big = { 0 };
    char *to = buf_reserve(&big, BIG_BYTES);

    for (size_t i = 0; i < BIG_BYTES; i++)
        to[i] = (char)(i % 251);
    big.len = BIG_BYTES;
    buf_add_text(&big, "big\n");
    return big;
}

static inline void peer_write_big(struct peer *p)
{
    CLEANUP(buf_release) struct buf big = big_answer();

    peer_write(p, buf_str(&big));
}

static inline void peer_sink(struct peer *p)
{
    char block[4096];
    size_t left = BIG_BYTES;

    usleep(50000); /* so that the sender has to wait */
    while (left) {
        ssize_t n = peer_read(p, block, left < sizeof(block) ? left : sizeof(block));
        if (n <= 0)
            return;
        left -= (size_t)n;
    }
    peer_write(p, STR("sunk\n"));
}

static inline void peer_junk(struct peer *p)
{
    peer_write(p, STR("junk\n"));
    usleep(30000);
    peer_write(p, STR("more\n"));
    p->server->more++;
}

static inline void peer_reset(struct peer *p)
{
    struct linger linger = { .l_onoff = 1 };

    p->is_abrupt = true;
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* False to end the connection. */
static inline bool obey(struct peer *p, const char *line)
{
    struct server *s = p->server;

    if (strncmp(line, "CONNECT ", 8) == 0)
        snprintf(s->proxied, sizeof(s->proxied), "%s", line);
    else if (strcmp(line, "\r\n") == 0)
        peer_write(p, s->manner == REFUSING_PROXY ? STR("HTTP/1.1 403 No\r\n\r\n")
                                                  : STR("HTTP/1.1 200 OK\r\n\r\n"));
    else if (strcmp(line, "echo\n") == 0)
        peer_write(p, STR("echo\n"));
    else if (strcmp(line, "bye\n") == 0)
        peer_write(p, STR("bye\n"));
    else if (strcmp(line, "reset\n") == 0)
        peer_reset(p);
    else if (strcmp(line, "junk\n") == 0)
        peer_junk(p);
    else if (strcmp(line, "big\n") == 0)
        peer_write_big(p);
    else if (strcmp(line, "sink\n") == 0)
        peer_sink(p);
    return strcmp(line, "bye\n") != 0 && strcmp(line, "reset\n") != 0;
}

static inline void *serve_peer(void *ctx)
{
    struct peer *p = ctx;
    struct err ignored;
    char line[300] = "";
    size_t len = 0;
    bool goes_on = true;

    if (p->server->manner == SILENT)
        while (recv(p->fd, line, sizeof(line), 0) > 0) {
        }
    if (p->tls)
        goes_on = tls_conn_handshake(p->tls, &ignored) == TLS_DONE;
    if (p->server->manner == SPEAKS_FIRST)
        peer_write(p, STR("welcome\n"));
    while (goes_on && len < sizeof(line) - 1 && peer_read(p, line + len, 1) == 1) {
        if (line[len++] != '\n')
            continue;
        line[len] = '\0';
        goes_on = obey(p, line);
        len = 0;
    }
    if (p->tls && !p->is_abrupt)
        tls_conn_shutdown(p->tls);
    tls_conn_free(p->tls);
    close(p->fd);
    p->server->left++;
    free(p);
    return NULL;
}

static inline void *serve(void *ctx)
{
    struct server *s = ctx;
    pthread_t thread;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        struct peer *p = mem_calloc(1, sizeof(*p));
        *p = (struct peer){ .server = s, .fd = fd };
        p->tls = s->tls ? tls_conn_new(s->tls, fd) : NULL;
        ck_assert_int_eq(pthread_create(&thread, NULL, serve_peer, p), 0);
        pthread_detach(thread);
    }
    return NULL;
}

static inline void listen_on_loopback(int *ret_fd, uint16_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);

    int small = 65536;

    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(*ret_fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    ck_assert_int_eq(bind(*ret_fd, (struct sockaddr *)(void *)&address, len), 0);
    ck_assert_int_eq(listen(*ret_fd, 512), 0);
    ck_assert_int_eq(getsockname(*ret_fd, (struct sockaddr *)(void *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
}

static inline void start_server(struct server *s, bool tls, enum manner manner)
{
    char cert_path[600];
    struct err err;

    *s = (struct server){ .manner = manner };
    snprintf(cert_path, sizeof(cert_path), "%s", temp_path("cert"));
    struct tls_options options = { .cert_path = cert_path, .key_path = temp_path("key") };
    if (tls)
        ck_assert_int_eq(tls_context_load(&options, &s->tls, &err), 0);
    listen_on_loopback(&s->fd, &s->port);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline void stop_server(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    usleep(10000); /* peers' threads hold the context, too */
    tls_context_unref(s->tls);
}

/* --- the client --- */

static struct loop *l;
static struct http_pool *pool;
static struct server server;
static char ca_path[600];
static struct err err;

static inline void set_up(void)
{
    static const char *const proxies[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
                                           "all_proxy",  "ALL_PROXY",   "no_proxy" };

    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        unsetenv(proxies[i]);
    signal(SIGPIPE, SIG_IGN);
    temp_folder_make();
    snprintf(ca_path, sizeof(ca_path), "%s", temp_path("cert"));
    tls_files_make(ca_path, temp_path("key"), "localhost", TLS_FILES_LOCAL);
    tls_files_make(temp_path("cert2"), temp_path("key2"), "localhost", TLS_FILES_LOCAL);
    ck_assert_int_eq(loop_open(&l, &err), 0);
    ck_assert_int_eq(http_pool_new(l, &pool, &err), 0);
}

static inline void tear_down(void)
{
    http_pool_free(pool);
    loop_close(l);
    temp_folder_remove();
}

struct call {
    struct http_conn *conn;
    bool connected, failed, readable, writable;
    struct buf in;
    bool ended, broken;
    char why[sizeof(err.text)];
};

static inline void on_connect(void *ctx, struct http_conn *c, const struct err *e)
{
    struct call *call = ctx;

    ck_assert(!call->connected && !call->failed);
    ck_assert_ptr_eq(c, call->conn);
    call->connected = !e;
    call->failed = e != NULL;
    if (e)
        memcpy(call->why, e->text, sizeof(call->why));
}

static inline void on_ready(void *ctx, struct http_conn *c, unsigned events)
{
    struct call *call = ctx;

    ck_assert_uint_ne(events, 0);
    if (events & LOOP_WRITE)
        call->writable = true;
    if (!(events & LOOP_READ))
        return;
    size_t len = 0;
    int r;
    while ((r = http_conn_recv(c, buf_reserve(&call->in, 65536), 65536, &len, &err)) > 0 && len)
        call->in.len += len;
    call->ended |= r > 0;
    call->broken |= r < 0;
    if (r != 0)
        http_conn_want(c, 0);
}

static inline int acquire(struct http_origin *o, struct call *call, bool fresh)
{
    struct http_conn_handler handler = { on_connect, on_ready, call };

    *call = (struct call){ 0 };
    return http_conn_acquire(o, &handler, fresh, &call->conn, &err);
}

/* Turns until the condition holds, for some seconds at most. */
#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int turns = 0; turns < 20000 && !(condition); turns++)                                \
            ck_assert_int_eq(loop_turn(l, 1000, &err), 0);                                         \
        ck_assert_msg((condition), "waited in vain for: " #condition);                             \
    } while (0)

static inline void connect_call(struct http_origin *o, struct call *call, bool fresh)
{
    int r = acquire(o, call, fresh);

    ck_assert_msg(r == 0, "%d %s", r, err.text);
    ck_assert(!call->connected);
    TURN_UNTIL(call->connected || call->failed);
    ck_assert_msg(call->connected, "%s", call->why);
    ck_assert(!http_conn_is_reused(call->conn));
}

static inline void say(struct call *call, const char *line)
{
    size_t len = 0;

    ck_assert_msg(http_conn_send(call->conn, str_from(line), &len, &err) == 1, "%s", err.text);
    ck_assert_uint_eq(len, strlen(line));
}

static inline void expect_answer(struct call *call, const char *line)
{
    say(call, line);
    call->in.len = 0;
    http_conn_want(call->conn, LOOP_READ);
    TURN_UNTIL(call->in.len >= strlen(line) || call->ended || call->broken);
    ck_assert(str_starts_with(buf_str(&call->in), str_from(line)));
}

static inline void end_call(struct call *call, bool keep)
{
    http_conn_release(call->conn, keep);
    buf_release(&call->in);
}

static inline struct http_origin *origin_of(struct http_origin_options options)
{
    struct http_origin *o = NULL;

    if (!options.host)
        options.host = "localhost";
    if (options.tls && !options.ca_path && !options.no_verify)
        options.ca_path = ca_path;
    ck_assert_msg(http_origin_new(pool, &options, &o, &err) == 0, "%s", err.text);
    return o;
}

static inline uint32_t idle_of(const struct http_origin *o)
{
    uint32_t used, idle;

    http_origin_count(o, &used, &idle);
    return idle;
}

static inline enum http_failure fail_to_connect(struct http_origin_options options,
                                                const char *text)
{
    struct http_origin *o = origin_of(options);
    struct call call;

    ck_assert_int_eq(acquire(o, &call, false), 0);
    TURN_UNTIL(call.connected || call.failed);
    ck_assert(call.failed);
    ck_assert_msg(strstr(call.why, "cannot connect to 'http") == call.why, "%s", call.why);
    ck_assert_msg(strstr(call.why, text) != NULL, "%s", call.why);
    enum http_failure failure = http_conn_failure(call.conn);
    end_call(&call, true);
    ck_assert_uint_eq(idle_of(o), 0);
    return failure;
}

#endif
