/* policy_origin - a provider of OpenAI's chat on loopback, in a process of its own, that fails the
 * way it is told to while it runs.
 *
 * What it is to do, what it was asked and how often lies in memory shared with the test. */
#ifndef TESTS_POLICY_ORIGIN_H
#define TESTS_POLICY_ORIGIN_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "tests/upstream.h"

enum origin_does {
    ORIGIN_ANSWERS,
    ORIGIN_REFUSES,      /* with status and extra */
    ORIGIN_HANGS,        /* no head */
    ORIGIN_CLOSES,       /* no head, the connection ends */
    ORIGIN_HOLDS,        /* answers once it is to do something else */
    ORIGIN_LATE,         /* the first token after ms */
    ORIGIN_STALLS,       /* a head, keep-alives, no token */
    ORIGIN_STALLS_LATER, /* behind the first token */
    ORIGIN_ERRS,         /* an error event instead of the first token */
    ORIGIN_CUTS,         /* a head and a role, then the end */
    ORIGIN_PIECES,       /* what is no stream comes in three, ms apart; 0 = in one write */
};

struct policy_origin {
    pid_t pid;
    int port, listen_fd;
    _Atomic int does, status, ms;
    _Atomic int calls, open, most_open; /* requests; at the same time */
    char name[32];                      /* in its answers */
    char extra[256];                    /* headers of a refusal */
    char body[1024];                    /* of a refusal */
    char last[16384];                   /* the last request */
};

static inline void origin_chunk(int fd, const char *text)
{
    char head[32];

    snprintf(head, sizeof(head), "%zx\r\n", strlen(text));
    upstream_text(fd, head);
    upstream_text(fd, text);
    upstream_text(fd, "\r\n");
}

static inline void origin_token(int fd, const char *text)
{
    char event[256];

    snprintf(
        event, sizeof(event),
        "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\","
        "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"finish_reason\":null}]}\n\n",
        text);
    origin_chunk(fd, event);
}

static inline void origin_sleep(const struct policy_origin *o)
{
    usleep((useconds_t)o->ms * 1000);
}

#define ORIGIN_ROLE                                                                                \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":"       \
    "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}"  \
    "\n\n"
#define ORIGIN_USAGE                                                                               \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o\",\"choices\":"  \
    "[],\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":50,\"total_tokens\":90}}\n\n"

/* false: the connection ends. */
static inline bool origin_stream(int fd, struct policy_origin *o)
{
    int does = o->does;

    upstream_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    origin_chunk(fd, ORIGIN_ROLE);
    if (does == ORIGIN_LATE)
        origin_sleep(o);
    for (int i = 0; does == ORIGIN_STALLS && i < 600; i++) {
        origin_chunk(fd, ": ping\n\n");
        usleep(50000);
        if (o->does != does)
            return false;
    }
    if (does == ORIGIN_ERRS)
        origin_chunk(fd, "data: {\"error\":{\"message\":\"The server had an error\",\"type\":"
                         "\"server_error\",\"param\":null,\"code\":null}}\n\n");
    if (does == ORIGIN_ERRS || does == ORIGIN_CUTS)
        return false;
    origin_token(fd, o->name);
    for (int i = 0; does == ORIGIN_STALLS_LATER && i < 600 && o->does == does; i++)
        usleep(50000);
    origin_token(fd, " says hi");
    origin_chunk(fd, ORIGIN_USAGE);
    origin_chunk(fd, "data: [DONE]\n\n");
    upstream_text(fd, "0\r\n\r\n");
    return true;
}

static inline void origin_pieces(int fd, const struct policy_origin *o, const char *body)
{
    int third = (int)strlen(body) / 3, rest = (int)strlen(body) - 2 * third;
    char text[900];

    snprintf(text, sizeof(text),
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
             "\r\n%x\r\n%.*s\r\n",
             (unsigned)third, third, body);
    if (o->ms) {
        upstream_text(fd, text);
        text[0] = '\0';
        origin_sleep(o);
    }
    size_t len = strlen(text);
    snprintf(text + len, sizeof(text) - len, "%x\r\n%.*s\r\n%x\r\n%s\r\n0\r\n\r\n", (unsigned)third,
             third, body + third, (unsigned)rest, body + 2 * third);
    upstream_text(fd, text);
}

static inline void origin_whole(int fd, const struct policy_origin *o)
{
    char body[600], head[200];

    snprintf(body, sizeof(body),
             "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"gpt-4o\",\"choices\":[{"
             "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s says hi\"},"
             "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":40,"
             "\"completion_tokens\":50,\"total_tokens\":90}}",
             o->name);
    if (o->does == ORIGIN_PIECES) {
        origin_pieces(fd, o, body);
        return;
    }
    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    upstream_text(fd, head);
    upstream_text(fd, body);
}

static inline void origin_refuse(int fd, const struct policy_origin *o)
{
    char head[600];

    snprintf(head, sizeof(head),
             "HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n"
             "\r\n",
             o->status, o->extra, strlen(o->body));
    upstream_text(fd, head);
    upstream_text(fd, o->body);
}

static inline bool origin_answer(int fd, struct policy_origin *o, const char *request, size_t len)
{
    int does = o->does;
    bool stream = memmem(request, len, "\"stream\":true", 13) != NULL;

    if (does == ORIGIN_REFUSES) {
        origin_refuse(fd, o);
        return true;
    }
    for (int i = 0; does == ORIGIN_HANGS && i < 600 && o->does == does; i++)
        usleep(50000);
    if (does == ORIGIN_HANGS || does == ORIGIN_CLOSES)
        return false;
    for (int i = 0; does == ORIGIN_HOLDS && i < 6000 && o->does == does; i++)
        usleep(10000);
    if (stream)
        return origin_stream(fd, o);
    if (does == ORIGIN_LATE)
        origin_sleep(o);
    origin_whole(fd, o);
    return true;
}

struct origin_client {
    struct policy_origin *origin;
    int fd;
};

static inline void *origin_connection(void *ctx)
{
    struct origin_client c = *(struct origin_client *)ctx;
    struct policy_origin *o = c.origin;
    char *bytes = calloc(1, UPSTREAM_REQUEST_MAX + 1);
    size_t len = 0, end;
    ssize_t n;
    bool goes_on = true;

    free(ctx);
    while (goes_on && (n = recv(c.fd, bytes + len, UPSTREAM_REQUEST_MAX - len, 0)) > 0) {
        len += (size_t)n;
        while (goes_on && (end = upstream_request_end(bytes, len)) > 0) {
            int open = atomic_fetch_add(&o->open, 1) + 1;
            atomic_fetch_add(&o->calls, 1);
            if (open > o->most_open)
                o->most_open = open;
            snprintf(o->last, sizeof(o->last), "%.*s", (int)end, bytes);
            goes_on = origin_answer(c.fd, o, bytes, end);
            atomic_fetch_sub(&o->open, 1);
            memmove(bytes, bytes + end, len - end);
            len -= end;
        }
    }
    free(bytes);
    close(c.fd);
    return NULL;
}

/* Serves a free port; in the answers' text it calls itself name. */
static inline struct policy_origin *policy_origin_start(const char *name)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof(at);
    void *any = &at;
    struct policy_origin *o =
        mmap(NULL, sizeof(*o), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    snprintf(o->name, sizeof(o->name), "%s", name);
    o->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(o->listen_fd, any, size) < 0 || listen(o->listen_fd, 1024) < 0 ||
        getsockname(o->listen_fd, any, &size) < 0)
        abort();
    o->port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid != 0) { /* the memory is the child's, too */
        o->pid = pid;
        return o;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct origin_client *c = malloc(sizeof(*c));
        pthread_t thread;
        int one = 1;
        *c = (struct origin_client){ o, accept(o->listen_fd, NULL, NULL) };
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (c->fd >= 0 && pthread_create(&thread, NULL, origin_connection, c) == 0)
            pthread_detach(thread);
    }
}

static inline void policy_origin_stop(struct policy_origin *o)
{
    kill(o->pid, SIGKILL);
    waitpid(o->pid, NULL, 0);
    close(o->listen_fd);
    munmap(o, sizeof(*o));
}

/* What it is to do from now on. */
static inline void origin_does(struct policy_origin *o, enum origin_does does)
{
    o->does = does;
}
static inline void origin_refuses(struct policy_origin *o, int status, const char *extra,
                                  const char *body)
{
    snprintf(o->extra, sizeof(o->extra), "%s", extra);
    snprintf(o->body, sizeof(o->body), "%s", body);
    o->status = status;
    o->does = ORIGIN_REFUSES;
}

#endif
