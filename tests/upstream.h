/* upstream - a stand-in provider on loopback, in a process of its own, that does what the path
 * says:
 *
 *     /echo            the request as received (head and body), as the answer's body
 *     /body/N          N bytes
 *     /made/ID/N/C/MS  N bytes that nobody but ID has (upstream_made), in C chunks MS milliseconds
 *                      apart; C = 0 for a Content-Length
 *     /sse/N/MS        N server-sent events, MS milliseconds apart, chunked
 *     /steps/N         the same, each when it was asked for by a /step of its own, but the first
 *     /step            lets the next event of /steps go, or chunk of /reciting
 *     /recite/N/MS     the request's body, in chunks of N bytes, MS milliseconds apart; said to be
 *                      gzip if the word "packed" is in the head
 *     /reciting/N      the same, each chunk but the first when it was asked for by a /step
 *     /chunked         "one", "two", a trailer
 *     /close           reads the request and closes
 *     /cut             half of a chunked answer, then closes
 *     /short           a Content-Length of 10, then 5 bytes and the end
 *     /until-close     an answer without framing
 *     /never           no answer
 *     /status/N        that status
 *     /garbage         no HTTP
 *     /encodings       the accept-encoding received
 *
 * Requests are read with their body (Content-Length or chunked) before they are answered.
 */
#ifndef TESTS_UPSTREAM_H
#define TESTS_UPSTREAM_H

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef UPSTREAM_REQUEST_MAX
#define UPSTREAM_REQUEST_MAX (8u << 20)
#endif

static inline void upstream_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static inline void upstream_text(int fd, const char *text)
{
    upstream_send(fd, text, strlen(text));
}

static inline void upstream_body(int fd, const char *body, size_t len)
{
    char head[200];

    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Odd-CASE:  kept \r\n"
             "Content-Length: %zu\r\n\r\n",
             len);
    upstream_text(fd, head);
    upstream_send(fd, body, len);
}

static inline void upstream_numbered(int fd, long len)
{
    char *body = malloc((size_t)len + 1);

    for (long i = 0; i < len; i++)
        body[i] = (char)('a' + i % 26);
    upstream_body(fd, body, (size_t)len);
    free(body);
}

static atomic_int upstream_steps; /* asked for and not yet made */

static inline void upstream_wait_for_step(void)
{
    for (int left = atomic_load(&upstream_steps);;) {
        if (left > 0 && atomic_compare_exchange_weak(&upstream_steps, &left, left - 1))
            return;
        usleep(1000);
        left = atomic_load(&upstream_steps);
    }
}

/* wait_ms < 0: by step. */
static inline void upstream_sse(int fd, int count, int wait_ms)
{
    upstream_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < count; i++) {
        char event[64], chunk[96];
        if (wait_ms < 0 && i > 0)
            upstream_wait_for_step();
        snprintf(event, sizeof(event), "data: {\"n\":%d}\n\n", i);
        snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(event), event);
        upstream_text(fd, chunk);
        if (wait_ms > 0)
            usleep((useconds_t)wait_ms * 1000);
    }
    upstream_text(fd, "0\r\n\r\n");
}

/* Bytes from at on of what belongs to id. */
static inline void upstream_made(unsigned long id, size_t at, char *ret, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned long word = ((at + i) / 8 + id * 1000003) * 0x9e3779b97f4a7c15;
        ret[i] = "abcdefghijklmnop"[word >> (at + i) % 8 * 8 & 15];
    }
}

static inline void upstream_make(int fd, const unsigned long made[static 4])
{
    unsigned long id = made[0], len = made[1], chunks = made[2];
    char *bytes = malloc(len + 1), head[64];

    upstream_made(id, 0, bytes, len);
    if (!chunks) {
        upstream_body(fd, bytes, len);
        free(bytes);
        return;
    }
    upstream_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    for (unsigned long i = 0; i < chunks; i++) {
        size_t from = len * i / chunks, to = len * (i + 1) / chunks;
        if (from == to)
            continue;
        snprintf(head, sizeof(head), "%zx\r\n", to - from);
        upstream_text(fd, head);
        upstream_send(fd, bytes + from, to - from);
        upstream_text(fd, "\r\n");
        usleep((useconds_t)made[3] * 1000);
    }
    upstream_text(fd, "0\r\n\r\n");
    free(bytes);
}

/* The request's body as the answer's, so many bytes a chunk, one every so many ms; wait_ms < 0: by
 * step. */
static inline void upstream_recite(int fd, const char *request, size_t len, int size, int wait_ms)
{
    const char *end = memmem(request, len, "\r\n\r\n", 4), *body = end + 4;
    size_t left = len - (size_t)(body - request);
    bool packed = memmem(request, (size_t)(end - request), "packed", 6) != NULL;

    upstream_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n");
    upstream_text(fd, packed ? "Content-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n"
                             : "Content-Type: text/event-stream\r\n\r\n");
    while (left) {
        size_t n = left < (size_t)size ? left : (size_t)size;
        char head[32];
        snprintf(head, sizeof(head), "%zx\r\n", n);
        upstream_text(fd, head);
        upstream_send(fd, body, n);
        upstream_text(fd, "\r\n");
        body += n;
        left -= n;
        if (wait_ms < 0 && left)
            upstream_wait_for_step();
        else if (wait_ms > 0)
            usleep((useconds_t)wait_ms * 1000);
    }
    upstream_text(fd, "0\r\n\r\n");
}

/* false: the connection ends. */
static inline bool upstream_answer(int fd, const char *request, size_t len)
{
    static const struct {
        const char *path, *answer;
        bool ends;
    } fixed[] = {
        {"/chunked ",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
          "3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n",                                        false},
        { "/close ",       "",                                                                    true },
        { "/cut ",         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true },
        { "/short ",       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",                  true },
        { "/until-close ", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end",       true },
        { "/nothing ",     "HTTP/1.1 204 No Content\r\nX-Of: it\r\nContent-Length: 5\r\n\r\n",    false},
        { "/garbage ",     "this is not HTTP\r\n\r\n",                                            true },
    };
    const char *path = strchr(request, ' ') + 1;
    unsigned long made[4];
    int a = 0, b = 0;

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (strncmp(path, fixed[i].path, strlen(fixed[i].path) - 1) == 0 &&
            strchr(" ?", path[strlen(fixed[i].path) - 1])) {
            upstream_text(fd, fixed[i].answer);
            return !fixed[i].ends;
        }
    if (sscanf(path, "/sse/%d/%d", &a, &b) == 2) {
        upstream_sse(fd, a, b);
    } else if (sscanf(path, "/steps/%d", &a) == 1) {
        upstream_sse(fd, a, -1);
    } else if (strncmp(path, "/step ", 6) == 0) {
        atomic_fetch_add(&upstream_steps, 1);
        upstream_body(fd, "", 0);
    } else if (sscanf(path, "/body/%d", &a) == 1) {
        upstream_numbered(fd, a);
    } else if (sscanf(path, "/status/%d", &a) == 1) {
        char answer[100];
        snprintf(answer, sizeof(answer), "HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\nno", a);
        upstream_text(fd, answer);
    } else if (sscanf(path, "/made/%lu/%lu/%lu/%lu", &made[0], &made[1], &made[2], &made[3]) == 4) {
        upstream_make(fd, made);
    } else if (sscanf(path, "/recite/%d/%d", &a, &b) == 2) {
        upstream_recite(fd, request, len, a, b);
    } else if (sscanf(path, "/reciting/%d", &a) == 1) {
        upstream_recite(fd, request, len, a, -1);
    } else if (strncmp(path, "/never", 6) == 0) {
        sleep(60);
    } else {
        upstream_body(fd, request, len);
    }
    return true;
}

/* Where the request ends, 0 if not yet. */
static inline size_t upstream_request_end(const char *bytes, size_t len)
{
    const char *head_end = memmem(bytes, len, "\r\n\r\n", 4);

    if (!head_end)
        return 0;
    size_t head = (size_t)(head_end - bytes) + 4;
    char *text = strndup(bytes, head);
    for (char *at = text; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    const char *length = strstr(text, "\r\ncontent-length:");
    bool chunked = strstr(text, "\r\ntransfer-encoding: chunked") != NULL;
    size_t body = length ? (size_t)atol(length + 17) : 0;
    free(text);
    if (chunked) {
        const char *last = memmem(bytes + head - 2, len - head + 2, "\r\n0\r\n", 5);
        const char *end =
            last ? memmem(last + 3, len - (size_t)(last + 3 - bytes), "\r\n\r\n", 4) : NULL;
        return end ? (size_t)(end - bytes) + 4 : 0;
    }
    return len >= head + body ? head + body : 0;
}

static inline void *upstream_connection(void *ctx)
{
    int fd = (int)(long)ctx;
    char *bytes = calloc(1, UPSTREAM_REQUEST_MAX + 1);
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, bytes + len, UPSTREAM_REQUEST_MAX - len, 0)) > 0) {
        len += (size_t)n;
        size_t end;
        bool goes_on = true;
        while (goes_on && (end = upstream_request_end(bytes, len)) > 0) {
            goes_on = upstream_answer(fd, bytes, end);
            memmove(bytes, bytes + end, len - end);
            len -= end;
        }
        if (!goes_on)
            break;
    }
    free(bytes);
    close(fd);
    return NULL;
}

/* Binds a free port and serves it from a child process, which ends with the test. */
static inline pid_t upstream_start(int *ret_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    void *any = &at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, any, len) < 0 || listen(fd, 1024) < 0 || getsockname(fd, any, &len) < 0)
        abort();
    *ret_port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid != 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        pthread_t thread;
        int client = accept(fd, NULL, NULL);
        if (client < 0)
            continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (pthread_create(&thread, NULL, upstream_connection, (void *)(long)client) == 0)
            pthread_detach(thread);
        else
            close(client);
    }
}

#endif
