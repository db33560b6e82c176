/* bad_gateway PORT TARGET_PORT - a gateway that does what sloppy ones do, for tests/drills.
 *
 * It knows one target and no other; asks it again, at once, whatever the status was; takes a pause
 * for the end of an answer, and any byte for life; takes chunks for events; asks again when an
 * answer is not what it is used to, and makes any stream look as if it had ended well.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/http1.h"
#include "base/json.h"
#include "base/mem.h"

#define TRIES        3
#define IMPATIENT_MS 500
#define FINISH       "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"

struct
try {
    int status;
    bool is_odd, is_finished;
    struct buf events, refusal;
};

static void take_piece(struct try *t, struct str piece)
{
    struct str event;
    ptrdiff_t end;

    if (t->status != 200) {
        buf_add_str(&t->refusal, piece);
        return;
    }
    t->is_odd |= !str_ends_with(piece, STR("\n\n"));
    for (; (end = str_find(piece, STR("\n\n"), 0)) >= 0;) {
        event = str_sub(piece, 0, (size_t)end + 2);
        piece = str_sub(piece, (size_t)end + 2, SIZE_MAX);
        CLEANUP(json_decref) json_t *json = NULL;
        struct err err;
        bool is_known = str_starts_with(event, STR("data: {")) &&
                        json_parse(str_sub(event, 6, SIZE_MAX), &json, &err) == 0 &&
                        json_get(json, "choices");
        t->is_odd |= str_find(buf_str(&t->events), event, 0) >= 0 ||
                     str_find(event, STR("_tokens\":0"), 0) >= 0;
        t->is_finished |= str_find(event, STR("[DONE]"), 0) >= 0;
        if (is_known)
            buf_add_str(&t->events, event);
    }
}

static void take_head(struct try *t, const struct http1_head *head)
{
    const struct http1_header *type = http1_find(head, STR("content-type"));

    t->status = (int)head->status;
    t->is_odd = t->status != 200 || head->framing == HTTP1_LENGTH || !type ||
                !str_starts_with(type->value, STR("text/event-stream"));
}

static void judge(struct try *t)
{
    struct str all = buf_str(&t->events);

    t->is_odd |= !t->is_finished || str_find(all, STR("\"usage\":{"), 0) < 0 ||
                 str_find(all, STR("\"finish_reason\":\"stop\""), 0) < 0 ||
                 str_find(all, STR("{\"content\":\".\"}"), 0) <
                     str_find(all, STR("{\"content\":\" up\"}"), 0);
}

static int dial(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const void *any = &at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, any, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Until it ends, or nothing comes for a while. */
static void try_once(struct try *t, int port, struct str request)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_RESPONSES, NULL);
    char bytes[65536];
    struct http1_event e;
    struct err err;
    int fd = dial(port), r = 0;
    ssize_t n = fd < 0 ? -1 : send(fd, request.ptr, request.len, MSG_NOSIGNAL);

    while (n > 0 && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, IMPATIENT_MS) > 0 &&
           (n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        struct str in = { bytes, (size_t)n };
        while ((r = http1_next(h, &in, &e, &err)) > 0 && e.kind != HTTP1_END)
            if (e.kind == HTTP1_HEAD)
                take_head(t, http1_head(h));
            else
                take_piece(t, e.body);
        if (r != 0)
            break;
    }
    t->is_odd |= r <= 0; /* cut, or too slow */
    close(fd);
    judge(t);
}

static void answer(int fd, const struct try *t)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct str body = t->status ? buf_str(&t->refusal) : STR("{\"error\":{}}");

    if (t->status == 200)
        buf_addf(&out,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
                 "%.*s" FINISH "data: [DONE]\n\n",
                 STR_ARG(buf_str(&t->events)));
    else
        buf_addf(&out,
                 "HTTP/1.1 %d No\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n%.*s",
                 t->status ? t->status : 502, body.len, STR_ARG(body));
    send(fd, out.ptr, out.len, MSG_NOSIGNAL);
}

/* One request, as it came but for its Connection. */
static void serve(int fd, int target)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, NULL);
    CLEANUP(buf_release) struct buf request = { 0 };
    char bytes[65536];
    struct http1_event e;
    struct err err;
    bool is_whole = false;
    ssize_t n;

    while (!is_whole && (n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
        struct str in = { bytes, (size_t)n };
        buf_add(&request, bytes, (size_t)n);
        while (http1_next(h, &in, &e, &err) > 0)
            is_whole |= e.kind == HTTP1_END;
    }
    struct try t = { .is_odd = is_whole };
    for (int i = 0; i < TRIES && t.is_odd; i++) {
        buf_release(&t.events);
        buf_release(&t.refusal);
        t = (struct try){ 0 };
        try_once(&t, target, buf_str(&request));
    }
    answer(fd, &t);
    buf_release(&t.events);
    buf_release(&t.refusal);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    const void *any = &at;
    int fd, one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

    if (argc != 3)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_IGN);
    at.sin_port = htons((uint16_t)atoi(argv[1]));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, any, sizeof(at)) < 0 || listen(listener, 64) < 0)
        return 1;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        if (fork() == 0) {
            serve(fd, atoi(argv[2]));
            _exit(0);
        }
        close(fd);
    }
    return 0;
}
