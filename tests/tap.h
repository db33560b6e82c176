/* tap - a stand-in provider that keeps every byte it gets, in threads of the test.
 *
 * It answers each request that a careful reader sees (tests/http_readings.h): with its path as
 * the body, or to a path that begins with /evil with what tap.evil says.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <check.h>
#include <pthread.h>

#include "tests/http_readings.h"
#include "tests/proxy_run.h"

#define TAP_CONNECTIONS 256

struct tap_answer {
    const char *name;
    struct str bytes;
    struct str later; /* 50 ms after it */
    bool closes;
};

static struct tap {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct buf got[TAP_CONNECTIONS];
    size_t connections;
    size_t marks[TAP_CONNECTIONS]; /* what was there at tap_mark */
    const struct tap_answer *evil;
    size_t evil_count; /* the answer is sent so many times more */
} tap = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* false: the connection ends. */
static bool tap_answer(int fd, const struct read_message *m)
{
    CLEANUP(buf_release) struct buf out = { 0 }, later = { 0 };
    struct str rest = m->words[1], path = rest;

    str_split(&rest, '?', &path);
    if (str_starts_with(path, STR("/evil"))) {
        /* A copy: the test goes on as soon as the last byte is sent, which may be before we do. */
        const struct tap_answer evil = *tap.evil;
        buf_add_str(&out, evil.bytes);
        buf_add_str(&later, evil.later);
        for (size_t i = 0, more = tap.evil_count; i <= more; i++)
            upstream_send(fd, out.ptr, out.len);
        if (later.len) {
            proxy_sleep_ms(50);
            upstream_send(fd, later.ptr, later.len);
        }
        return !evil.closes;
    }
    buf_addf(&out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", path.len);
    if (!str_eq(m->words[0], STR("HEAD")))
        buf_add_str(&out, path);
    upstream_send(fd, out.ptr, out.len);
    return true;
}

struct tap_place {
    int fd;
    size_t number;
};

static void *tap_connection(void *ctx)
{
    struct tap_place place = *(struct tap_place *)ctx;
    CLEANUP(buf_release) struct buf in = { 0 };
    bool goes_on = true;
    ssize_t n;

    free(ctx);
    while (goes_on && (n = recv(place.fd, buf_reserve(&in, 65536), 65536, 0)) > 0) {
        pthread_mutex_lock(&tap.lock);
        buf_add(&tap.got[place.number], in.ptr + in.len, (size_t)n);
        pthread_mutex_unlock(&tap.lock);
        in.len += (size_t)n;
        while (goes_on && in.len) {
            CLEANUP(buf_release) struct buf body = { 0 };
            struct read_message m = { 0 };
            size_t used = read_one(buf_str(&in), READ_STRICT, false, false, &m, &body);
            if (used == 0)
                break;
            goes_on = tap_answer(place.fd, &m);
            buf_consume(&in, used);
        }
    }
    close(place.fd);
    return NULL;
}

static void *tap_serve(void *ctx)
{
    int one = 1, fd;

    (void)ctx;
    while ((fd = accept(tap.fd, NULL, NULL)) >= 0) {
        struct tap_place *place = malloc(sizeof(*place));
        pthread_t thread;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        pthread_mutex_lock(&tap.lock);
        if (tap.connections == TAP_CONNECTIONS)
            abort();
        *place = (struct tap_place){ fd, tap.connections++ };
        pthread_mutex_unlock(&tap.lock);
        if (pthread_create(&thread, NULL, tap_connection, place) != 0)
            abort();
        pthread_detach(thread);
    }
    return NULL;
}

/* Before proxy_start: a socket to connect to. */
static void tap_open(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    void *any = &at;

    tap.connections = tap.evil_count = 0;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    tap.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(bind(tap.fd, any, len) == 0 && listen(tap.fd, 256) == 0);
    ck_assert_int_eq(getsockname(tap.fd, any, &len), 0);
    tap.port = ntohs(at.sin_port);
}

/* A proxy with an upstream "tap" beside the usual ones. */
static void tap_start(struct proxy_run *run, const char *settings)
{
    char text[1000];

    tap_open();
    snprintf(
        text, sizeof(text),
        "  tap: {url: \"http://127.0.0.1:%d\", api: openai, proxy: none, timeouts: {head: 2s}}\n%s",
        tap.port, settings);
    proxy_start(run, text);
    ck_assert_int_eq(pthread_create(&tap.thread, NULL, tap_serve, NULL), 0);
}

static void tap_stop(struct proxy_run *run)
{
    proxy_stop(run);
    shutdown(tap.fd, SHUT_RDWR);
    pthread_join(tap.thread, NULL);
    close(tap.fd);
    proxy_sleep_ms(20); /* the connections' threads see their ends */
    pthread_mutex_lock(&tap.lock);
    for (size_t i = 0; i < TAP_CONNECTIONS; i++)
        buf_release(&tap.got[i]);
    pthread_mutex_unlock(&tap.lock);
}

static inline void tap_mark(void)
{
    pthread_mutex_lock(&tap.lock);
    for (size_t i = 0; i < TAP_CONNECTIONS; i++)
        tap.marks[i] = tap.got[i].len;
    pthread_mutex_unlock(&tap.lock);
}

/* A copy of what connection i has got since then. */
static inline void tap_copy(size_t i, struct buf *ret)
{
    buf_clear(ret);
    pthread_mutex_lock(&tap.lock);
    buf_add_str(ret, str_sub(buf_str(&tap.got[i]), tap.marks[i], tap.got[i].len));
    pthread_mutex_unlock(&tap.lock);
}

#endif
