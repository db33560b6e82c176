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
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/mem.h"
#include "bench/message.h"
#include "bench/proxies.h"

#define EVENTS_MAX 256

struct origin {
    int epoll_fd, listen_fd;
    struct heap due; /* chunks */
    struct conn *conns;
    char answer[ORIGIN_ANSWER_BYTES + 1];
    char read[64u << 10];
    struct epoll_event events[EVENTS_MAX];
};

/* A connection. */
struct conn {
    struct origin *origin;
    int fd;
    struct heap_node timer;
    struct message message;
    uint64_t chunks_left, interval_us, due_us;
    struct conn *next, **link;
};

static void close_conn(struct conn *c)
{
    heap_remove(&c->origin->due, &c->timer);
    close(c->fd);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    free(c);
}

/* What does not fit into the socket's buffer is not worth waiting for: the peer is stuck. */
static bool send_all(struct conn *c, const char *bytes, size_t len)
{
    return send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
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

static void send_chunk(struct conn *c)
{
    char bytes[ORIGIN_CHUNK_BYTES + 64];
    size_t len = write_chunk(bytes);

    if (--c->chunks_left == 0) {
        memcpy(bytes + len, "0\r\n\r\n", 5);
        len += 5;
    } else {
        c->due_us += c->interval_us;
        heap_push(&c->origin->due, &c->timer, c->due_us);
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
    c->due_us = message_now_ns() / 1000;
    send_chunk(c);
    return true;
}

static void on_ready(struct conn *c)
{
    struct origin *o = c->origin;
    ssize_t n = recv(c->fd, o->read, sizeof(o->read), MSG_DONTWAIT);
    size_t used;

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

static void add_conn(struct origin *o, int fd)
{
    struct conn *c = mem_calloc(1, sizeof(*c));
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

    c->origin = o;
    c->fd = fd;
    c->next = o->conns;
    c->link = &o->conns;
    if (c->next)
        c->next->link = &c->next;
    o->conns = c;
    message_reset(&c->message);
    if (epoll_ctl(o->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        close_conn(c);
}

static void on_accept(struct origin *o)
{
    int one = 1;

    for (int i = 0; i < 64; i++) {
        int fd = accept4(o->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        add_conn(o, fd);
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

/* Each connection has one event at most: closing one that comes later in the list cannot happen. */
static void serve_ready(struct origin *o, int wait_ms)
{
    int n = epoll_wait(o->epoll_fd, o->events, EVENTS_MAX, wait_ms);

    for (int i = 0; i < n; i++) {
        if (o->events[i].data.ptr)
            on_ready(o->events[i].data.ptr);
        else
            on_accept(o);
    }
}

/* Sends what is due; returns when the next is, in µs. */
static uint64_t send_due(struct origin *o)
{
    uint64_t now_us = message_now_ns() / 1000, at_us;
    struct heap_node *node;

    while ((node = heap_first(&o->due, &at_us))) {
        if (at_us > now_us)
            return at_us;
        heap_remove(&o->due, node);
        send_chunk(heap_owner(node, struct conn, timer));
    }
    return UINT64_MAX;
}

uint64_t origin_turn(struct origin *o)
{
    serve_ready(o, 0);
    uint64_t at_us = send_due(o);
    return at_us == UINT64_MAX ? UINT64_MAX : at_us * 1000;
}

int origin_fd(const struct origin *o)
{
    return o->epoll_fd;
}

static int listen_somewhere(int *ret_port)
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
    return fd;
}

struct origin *origin_open(int *ret_port)
{
    struct origin *o = mem_calloc(1, sizeof(*o));
    struct epoll_event event = { .events = EPOLLIN };

    write_answer(o->answer);
    o->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    o->listen_fd = listen_somewhere(ret_port);
    if (o->epoll_fd >= 0 && o->listen_fd >= 0 &&
        epoll_ctl(o->epoll_fd, EPOLL_CTL_ADD, o->listen_fd, &event) == 0)
        return o;
    origin_close(o);
    return NULL;
}

void origin_close(struct origin *o)
{
    if (!o)
        return;
    while (o->conns)
        close_conn(o->conns);
    if (o->listen_fd >= 0)
        close(o->listen_fd);
    if (o->epoll_fd >= 0)
        close(o->epoll_fd);
    heap_release(&o->due);
    free(o);
}

static void serve(struct origin *o)
{
    for (;;) {
        uint64_t at_us = send_due(o), now_us = message_now_ns() / 1000;
        /* A millisecond late rather than many turns that find nothing due. */
        uint64_t wait_ms = at_us > now_us ? (at_us - now_us + 999) / 1000 : 0;
        serve_ready(o, at_us == UINT64_MAX ? -1 : (int)wait_ms);
    }
}

pid_t origin_start(int cpu, int *ret_port)
{
    struct origin *o = origin_open(ret_port);

    if (!o)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        proxies_pin(cpu);
        serve(o);
    }
    origin_close(o);
    return pid;
}
