#include "config.h"

#include "bench/origin.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "bench/message.h"
#include "bench/proxies.h"

struct origin {
    struct loop *loop;
    struct loop_io listener;
    char answer[ORIGIN_ANSWER_BYTES + 1];
    char read[64u << 10];
};

/* A connection. */
struct conn {
    struct origin *origin;
    struct loop_io io;
    struct loop_timer timer;
    struct message message;
    uint64_t chunks_left, interval_us, due_us;
};

static void close_conn(struct conn *c)
{
    loop_io_remove(c->origin->loop, &c->io);
    loop_timer_cancel(c->origin->loop, &c->timer);
    close(c->io.fd);
    free(c);
}

/* What does not fit into the socket's buffer is not worth waiting for: the peer is stuck. */
static bool send_all(struct conn *c, const char *bytes, size_t len)
{
    return send(c->io.fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static size_t write_chunk(char *to)
{
    char event[ORIGIN_CHUNK_BYTES + 1];

    memset(event, '.', sizeof(event));
    int n =
        snprintf(event, sizeof(event), "data: {\"choices\":[{\"delta\":{\"content\":\"@%016" PRIx64,
                 message_now_ns());
    event[n] = '.';
    memcpy(event + ORIGIN_CHUNK_BYTES - 8, "\"}}]}\n\n", 8);
    event[ORIGIN_CHUNK_BYTES - 1] = '\n';
    return (size_t)sprintf(to, "%x\r\n%.*s\r\n", ORIGIN_CHUNK_BYTES, ORIGIN_CHUNK_BYTES, event);
}

static void send_chunk(void *ctx)
{
    struct conn *c = ctx;
    char bytes[ORIGIN_CHUNK_BYTES + 64];
    size_t len = write_chunk(bytes);

    if (--c->chunks_left == 0) {
        memcpy(bytes + len, "0\r\n\r\n", 5);
        len += 5;
    } else {
        c->due_us += c->interval_us;
        loop_timer_set(c->origin->loop, &c->timer, c->due_us);
    }
    if (!send_all(c, bytes, len))
        close_conn(c);
}

/* false: the connection is gone. */
static bool answer(struct conn *c)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";
    const char *how;

    c->message.head[c->message.head_len] = '\0';
    how = strstr(c->message.head, "stream?chunks=");
    message_reset(&c->message);
    if (!how || sscanf(how, "stream?chunks=%" SCNu64 "&us=%" SCNu64, &c->chunks_left,
                       &c->interval_us) != 2) {
        if (send_all(c, c->origin->answer, ORIGIN_ANSWER_BYTES))
            return true;
        close_conn(c);
        return false;
    }
    if (!c->chunks_left || !send_all(c, head, sizeof(head) - 1)) {
        close_conn(c);
        return false;
    }
    c->due_us = loop_now_us(c->origin->loop);
    send_chunk(c);
    return true;
}

static void on_ready(void *ctx, unsigned events)
{
    struct conn *c = ctx;
    struct origin *o = c->origin;
    ssize_t n = recv(c->io.fd, o->read, sizeof(o->read), MSG_DONTWAIT);
    size_t used;

    (void)events;
    if (n < 0)
        return;
    if (n == 0) {
        close_conn(c);
        return;
    }
    for (size_t at = 0; at < (size_t)n; at += used) {
        int r = message_feed(&c->message, o->read + at, (size_t)n - at, &used);
        if (r < 0) {
            close_conn(c);
            return;
        }
        if (r > 0 && !answer(c))
            return;
    }
}

static void on_accept(void *ctx, unsigned events)
{
    struct origin *o = ctx;
    int one = 1;
    struct err err;

    (void)events;
    for (int i = 0; i < 64; i++) {
        int fd = accept4(o->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct conn *c = mem_calloc(1, sizeof(*c));
        c->origin = o;
        message_reset(&c->message);
        c->io = (struct loop_io){ .fd = fd, .fn = on_ready, .ctx = c };
        c->timer = (struct loop_timer){ .fn = send_chunk, .ctx = c };
        if (loop_io_add(o->loop, &c->io, LOOP_READ, &err) < 0) {
            close(fd);
            free(c);
        }
    }
}

static void write_answer(char to[static ORIGIN_ANSWER_BYTES + 1])
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nserver: origin\r\n"
        "openai-processing-ms: 412\r\nopenai-version: 2020-10-01\r\n"
        "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n"
        "x-request-id: req_0123456789abcdef0123456789abcdef\r\nContent-Length: 000\r\n\r\n";
    static const char begin[] =
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"";
    static const char end[] = "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":300,"
                              "\"completion_tokens\":80,\"total_tokens\":380}}";
    size_t body = ORIGIN_ANSWER_BYTES - (sizeof(head) - 1);

    memset(to, 'a', ORIGIN_ANSWER_BYTES);
    memcpy(to, head, sizeof(head) - 1);
    to[sizeof(head) - 1 - 7] = (char)('0' + body / 100);
    to[sizeof(head) - 1 - 6] = (char)('0' + body / 10 % 10);
    to[sizeof(head) - 1 - 5] = (char)('0' + body % 10);
    memcpy(to + sizeof(head) - 1, begin, sizeof(begin) - 1);
    memcpy(to + ORIGIN_ANSWER_BYTES - (sizeof(end) - 1), end, sizeof(end) - 1);
}

static void serve(int fd)
{
    struct origin *o = mem_calloc(1, sizeof(*o));
    struct err err;

    write_answer(o->answer);
    o->listener = (struct loop_io){ .fd = fd, .fn = on_accept, .ctx = o };
    if (loop_open(&o->loop, &err) < 0 || loop_io_add(o->loop, &o->listener, LOOP_READ, &err) < 0 ||
        loop_run(o->loop, &err) < 0)
        fprintf(stderr, "origin: %s\n", err.text);
    _exit(1);
}

pid_t origin_start(int cpu, int *ret_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
        perror("origin");
        return -1;
    }
    *ret_port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        proxies_pin(cpu);
        serve(fd);
    }
    close(fd);
    return pid;
}
