#include "config.h"

#include "bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/message.h"
#include "bench/origin.h"

#define REQUEST_BODY_BYTES 1600
#define EVENTS_MAX         256

struct conn {
    struct load *load;
    int fd; /* -1 = not connected */
    bool is_busy, has_first;
    uint64_t due_ns;
    struct message message;
    struct conn *next; /* among the free */
};

struct load_rest {
    struct load_options o;
    int epoll_fd;
    char *request;
    size_t request_len;
    struct conn *conns, *free;
    uint64_t next_due_ns, now_ns, origin_due_ns;
    double interval_ns;
    struct epoll_event events[EVENTS_MAX];
    char read[64u << 10];
};

static void on_stamp(void *ctx, uint64_t sent_ns)
{
    struct conn *c = ctx;
    struct load *l = c->load;
    uint64_t now_ns = l->rest->now_ns;

    l->chunks++;
    histogram_add(&l->chunk, now_ns > sent_ns ? now_ns - sent_ns : 0);
    if (!c->has_first)
        histogram_add(&l->first, now_ns - c->due_ns);
    c->has_first = true;
}

static void make_request(struct load_rest *r)
{
    size_t cap = 4096 + REQUEST_BODY_BYTES + (r->o.headers ? strlen(r->o.headers) : 0);
    char *at = mem_calloc(1, cap);
    static const char begin[] =
        "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"";
    static const char end[] = "\"}]}";

    r->request = at;
    at += snprintf(at, cap,
                   "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
                   "Content-Type: application/json\r\nUser-Agent: OpenAI/JS 6.49.0\r\n"
                   "Authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef\r\n"
                   "X-Stainless-Lang: js\r\nX-Stainless-Package-Version: 6.49.0\r\n"
                   "X-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\nX-Stainless-Runtime: node\r\n"
                   "X-Stainless-Runtime-Version: v20.20.2\r\nX-Stainless-Retry-Count: 0\r\n"
                   "X-Stainless-Timeout: 600\r\nAccept-Language: *\r\nSec-Fetch-Mode: cors\r\n"
                   "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n%s"
                   "Content-Length: %d\r\n\r\n",
                   r->o.target, r->o.port, r->o.headers ? r->o.headers : "", REQUEST_BODY_BYTES);
    memset(at, 'q', REQUEST_BODY_BYTES);
    memcpy(at, begin, sizeof(begin) - 1);
    memcpy(at + REQUEST_BODY_BYTES - (sizeof(end) - 1), end, sizeof(end) - 1);
    r->request_len = (size_t)(at - r->request) + REQUEST_BODY_BYTES;
}

static bool connect_one(struct conn *c)
{
    struct load_rest *r = c->load->rest;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)r->o.port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
    return true;
}

static void give_back(struct conn *c)
{
    c->is_busy = false;
    c->next = c->load->rest->free;
    c->load->rest->free = c;
}

static void fail(struct conn *c)
{
    if (c->is_busy)
        c->load->errors++;
    close(c->fd);
    c->fd = -1;
    if (c->is_busy)
        give_back(c);
}

static void ask(struct conn *c, uint64_t due_ns)
{
    struct load_rest *r = c->load->rest;

    c->is_busy = true;
    c->has_first = false;
    c->due_ns = due_ns;
    c->load->begun++;
    message_reset(&c->message);
    if ((c->fd < 0 && !connect_one(c)) ||
        send(c->fd, r->request, r->request_len, MSG_NOSIGNAL) != (ssize_t)r->request_len) {
        c->load->errors++;
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
        give_back(c);
    }
}

static void complete(struct conn *c)
{
    struct load *l = c->load;

    if (message_status(&c->message) != 200) {
        fail(c);
        return;
    }
    l->completed++;
    histogram_add(&l->whole, l->rest->now_ns - c->due_ns);
    give_back(c);
}

static void read_answer(struct conn *c)
{
    struct load_rest *r = c->load->rest;
    ssize_t n = recv(c->fd, r->read, sizeof(r->read), MSG_DONTWAIT);
    size_t used = 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    r->now_ns = message_now_ns();
    int got = n > 0 && c->is_busy ? message_feed(&c->message, r->read, (size_t)n, &used) : -1;
    if (got < 0 || used != (size_t)n)
        fail(c);
    else if (got > 0)
        complete(c);
}

static bool may_ask(const struct load *l)
{
    return l->rest->free && (!l->rest->o.max_requests || l->begun < l->rest->o.max_requests);
}

/* Asks what is due; returns when the next will be. */
static uint64_t ask_due(struct load *l, uint64_t now_ns, uint64_t end_ns)
{
    struct load_rest *r = l->rest;

    while (may_ask(l) && (r->o.rate <= 0 || r->next_due_ns <= now_ns)) {
        struct conn *c = r->free;
        r->free = c->next;
        uint64_t due_ns = r->o.rate > 0 ? r->next_due_ns : message_now_ns();
        if (r->o.rate > 0)
            r->next_due_ns += (uint64_t)r->interval_ns;
        ask(c, due_ns);
        if (c->fd < 0 && r->o.rate <= 0)
            break; /* nobody listens */
    }
    return r->o.rate > 0 && may_ask(l) && r->next_due_ns < end_ns ? r->next_due_ns : end_ns;
}

/* Waits until until_ns at most and takes what comes. */
static void take_events(struct load *l, uint64_t until_ns)
{
    struct load_rest *r = l->rest;
    uint64_t now_ns = message_now_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = { (time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u) };
    int n = epoll_pwait2(r->epoll_fd, r->events, EVENTS_MAX, &wait, NULL);

    for (int i = 0; i < n; i++) {
        if (r->events[i].data.ptr)
            read_answer(r->events[i].data.ptr);
        else
            r->origin_due_ns = 0;
    }
}

void load_run(struct load *l, double seconds)
{
    struct load_rest *r = l->rest;
    uint64_t now_ns = message_now_ns(), end_ns = now_ns + (uint64_t)(seconds * 1e9);

    if (!r->next_due_ns)
        r->next_due_ns = now_ns;
    while ((now_ns = message_now_ns()) < end_ns) {
        uint64_t until_ns = ask_due(l, now_ns, end_ns);
        if (r->o.origin && r->origin_due_ns <= message_now_ns())
            r->origin_due_ns = origin_turn(r->o.origin);
        take_events(l, until_ns < r->origin_due_ns ? until_ns : r->origin_due_ns);
    }
}

void load_clear(struct load *l)
{
    histogram_clear(&l->whole);
    histogram_clear(&l->first);
    histogram_clear(&l->chunk);
    l->completed = l->chunks = l->errors = 0;
}

struct load *load_new(const struct load_options *options)
{
    struct load *l = mem_calloc(1, sizeof(*l));
    struct load_rest *r = l->rest = mem_calloc(1, sizeof(*r));

    r->o = *options;
    r->interval_ns = options->rate > 0 ? 1e9 / options->rate : 0;
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll_fd < 0) {
        perror("load");
        free(r);
        free(l);
        return NULL;
    }
    r->origin_due_ns = UINT64_MAX;
    if (r->o.origin)
        epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, origin_fd(r->o.origin),
                  &(struct epoll_event){ .events = EPOLLIN });
    make_request(r);
    r->conns = mem_calloc(options->connections, sizeof(*r->conns));
    for (unsigned i = options->connections; i-- > 0;) {
        struct conn *c = &r->conns[i];
        c->load = l;
        c->fd = -1;
        c->message.on_stamp = on_stamp;
        c->message.ctx = c;
        give_back(c);
    }
    return l;
}

void load_free(struct load *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < l->rest->o.connections; i++)
        if (l->rest->conns[i].fd >= 0)
            close(l->rest->conns[i].fd);
    close(l->rest->epoll_fd);
    free(l->rest->request);
    free(l->rest->conns);
    free(l->rest);
    free(l);
}
