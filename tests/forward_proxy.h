/* forward_proxy - a corporate proxy that tunnels CONNECT to 127.0.0.1, whatever host is named, and
 * is itself spoken to in TLS or not: a thread for each connection. */
#ifndef TESTS_FORWARD_PROXY_H
#define TESTS_FORWARD_PROXY_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/tls.h"

struct forward_proxy {
    int fd;
    uint16_t port;
    struct tls_context *tls; /* NULL = plain */
    pthread_t thread;
    atomic_int tunnels, failed, open; /* failed: handshakes */
};

struct forward_conn {
    struct forward_proxy *proxy;
    int fd, back; /* fd never blocks, back does */
    struct tls_conn *tls;
};

static inline enum tls_status forward_wait(const struct forward_conn *c, enum tls_status status)
{
    struct pollfd p = { .fd = c->fd, .events = status == TLS_WANT_WRITE ? POLLOUT : POLLIN };

    if (status == TLS_WANT_READ || status == TLS_WANT_WRITE)
        poll(&p, 1, 10000);
    return status;
}

static inline enum tls_status forward_read(struct forward_conn *c, void *ret, size_t size,
                                           size_t *ret_len)
{
    struct err ignored;

    if (c->tls)
        return tls_conn_read(c->tls, ret, size, ret_len, &ignored);
    ssize_t n = recv(c->fd, ret, size, 0);
    *ret_len = n > 0 ? (size_t)n : 0;
    return n > 0 ? TLS_DONE : n < 0 && errno == EAGAIN ? TLS_WANT_READ : TLS_CLOSED;
}

static inline bool forward_write(struct forward_conn *c, struct str bytes)
{
    struct err ignored;
    size_t len = 0;

    while (bytes.len) {
        enum tls_status status = TLS_DONE;
        if (c->tls) {
            status = tls_conn_write(c->tls, bytes, &len, &ignored);
        } else {
            ssize_t n = send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
            status = n > 0 ? TLS_DONE : errno == EAGAIN ? TLS_WANT_WRITE : TLS_FAILED;
            len = n > 0 ? (size_t)n : 0;
        }
        if (status == TLS_DONE)
            bytes = str_sub(bytes, len, bytes.len - len);
        else if (forward_wait(c, status) != TLS_WANT_READ && status != TLS_WANT_WRITE)
            return false;
    }
    return true;
}

static inline bool forward_to(struct forward_conn *c, unsigned port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const void *any = &at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->back = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->back, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    return connect(c->back, any, sizeof(at)) == 0;
}

/* CONNECT HOST:PORT and the rest of the head; false where it is none. */
static inline bool forward_begin(struct forward_conn *c)
{
    char head[2000] = "";
    unsigned port = 0;
    size_t len = 0, got = 0;

    while (len < sizeof(head) - 1 && !strstr(head, "\r\n\r\n")) {
        enum tls_status status = forward_wait(c, forward_read(c, head + len, 1, &got));
        if (status == TLS_DONE)
            head[++len] = '\0';
        else if (status != TLS_WANT_READ && status != TLS_WANT_WRITE)
            return false;
    }
    return sscanf(head, "CONNECT %*[^:]:%u HTTP/1.1\r\n", &port) == 1 && forward_to(c, port) &&
           forward_write(c, STR("HTTP/1.1 200 OK\r\n\r\n"));
}

/* All that is there now, in both directions; false when one side has ended. */
static inline bool forward_turn(struct forward_conn *c)
{
    char block[16384];
    size_t len = 0;
    enum tls_status status;

    while ((status = forward_read(c, block, sizeof(block), &len)) == TLS_DONE)
        if (send(c->back, block, len, MSG_NOSIGNAL) != (ssize_t)len)
            return false;
    if (status != TLS_WANT_READ && status != TLS_WANT_WRITE)
        return false;
    ssize_t n = recv(c->back, block, sizeof(block), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN;
    return n > 0 && forward_write(c, (struct str){ block, (size_t)n });
}

static inline void *forward_serve_one(void *ctx)
{
    struct forward_conn *c = ctx;
    struct err ignored;
    enum tls_status status = TLS_DONE;

    while (c->tls && (status = tls_conn_handshake(c->tls, &ignored)) != TLS_DONE)
        if (forward_wait(c, status) != TLS_WANT_READ && status != TLS_WANT_WRITE)
            break;
    c->proxy->failed += status != TLS_DONE;
    if (status == TLS_DONE && forward_begin(c)) {
        struct pollfd p[] = {
            {c->fd,    POLLIN, 0},
            { c->back, POLLIN, 0}
        };
        c->proxy->tunnels++;
        while (forward_turn(c) && poll(p, 2, 10000) > 0) {
        }
    }
    if (c->tls)
        tls_conn_shutdown(c->tls);
    tls_conn_free(c->tls);
    if (c->back >= 0)
        close(c->back);
    close(c->fd);
    c->proxy->open--;
    free(c);
    return NULL;
}

static inline void *forward_serve(void *ctx)
{
    struct forward_proxy *p = ctx;
    pthread_t thread;
    int fd;

    while ((fd = accept4(p->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct forward_conn *c = mem_calloc(1, sizeof(*c));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        *c = (struct forward_conn){ .proxy = p, .fd = fd, .back = -1 };
        c->tls = p->tls ? tls_conn_new(p->tls, fd) : NULL;
        p->open++;
        ck_assert_int_eq(pthread_create(&thread, NULL, forward_serve_one, c), 0);
        pthread_detach(thread);
    }
    return NULL;
}

/* cert_path NULL: not in TLS. */
static inline void forward_proxy_start(struct forward_proxy *p, const char *cert_path,
                                       const char *key_path)
{
    struct tls_options options = { .cert_path = cert_path, .key_path = key_path };
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    void *any = &at;
    struct err err;

    *p = (struct forward_proxy){ 0 };
    if (cert_path)
        ck_assert_msg(tls_context_load(&options, &p->tls, &err) == 0, "%s", err.text);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(p->fd, any, len), 0);
    ck_assert_int_eq(listen(p->fd, 64), 0);
    ck_assert_int_eq(getsockname(p->fd, any, &len), 0);
    p->port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&p->thread, NULL, forward_serve, p), 0);
}

/* Once its clients have closed. */
static inline void forward_proxy_stop(struct forward_proxy *p)
{
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->fd);
    for (int i = 0; i < 1000 && p->open; i++)
        usleep(10000);
    ck_assert_int_eq(p->open, 0);
    tls_context_unref(p->tls);
}

#endif
