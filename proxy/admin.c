#include "config.h"

#include "proxy/admin.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/http1.h"
#include "base/str.h"

#define PATIENCE_US UINT64_C(10000000)

struct visitor {
    struct admin *admin;
    struct visitor *next, **link;
    struct loop_io io;
    struct loop_timer timer;
    struct http1 *http; /* NULL = one word */
    struct buf in, out;
    bool is_leaving; /* once out is empty */
};

struct entrance {
    struct admin *admin;
    struct loop_io io;
    bool is_http;
};

struct admin {
    struct loop *loop;
    struct admin_answers answers;
    struct entrance entrances[2];
    size_t entrance_count;
    struct visitor *visitors;
    size_t visitor_count;
};

static void leave(struct visitor *v)
{
    struct admin *a = v->admin;

    *v->link = v->next;
    if (v->next)
        v->next->link = v->link;
    a->visitor_count--;
    loop_io_remove(a->loop, &v->io);
    loop_timer_cancel(a->loop, &v->timer);
    close(v->io.fd);
    http1_free(v->http);
    buf_release(&v->in);
    buf_release(&v->out);
    free(v);
}

static void reply(struct visitor *v, unsigned status, struct str type, struct str body)
{
    http1_write_status_line(&v->out, status, STR(""));
    http1_write_header(&v->out, STR("Content-Type"), type);
    http1_write_header(&v->out, STR("Connection"), STR("close"));
    http1_write_framing(&v->out, HTTP1_LENGTH, body.len);
    http1_write_end(&v->out);
    buf_add_str(&v->out, body);
    v->is_leaving = true;
}

static void answer_health(struct visitor *v)
{
    reply(v, 200, STR("text/plain"), STR("ok\n"));
}

static void answer_ready(struct visitor *v)
{
    const struct admin_answers *a = &v->admin->answers;

    if (a->is_ready(a->ctx))
        reply(v, 200, STR("text/plain"), STR("ready\n"));
    else
        reply(v, 503, STR("text/plain"), STR("not ready\n"));
}

static void answer_metrics(struct visitor *v)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    v->admin->answers.metrics(v->admin->answers.ctx, &text);
    reply(v, 200, STR("text/plain; version=0.0.4"), buf_str(&text));
}

static const struct {
    struct str path;
    void (*answer)(struct visitor *v);
} pages[] = {
    {STR_INIT("/healthz"),  answer_health },
    { STR_INIT("/readyz"),  answer_ready  },
    { STR_INIT("/metrics"), answer_metrics},
};

static void answer_request(struct visitor *v)
{
    const struct http1_head *head = http1_head(v->http);

    if (!str_eq(head->method, STR("GET"))) {
        reply(v, 405, STR("text/plain"), STR("only GET\n"));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (str_eq(head->path, pages[i].path)) {
            pages[i].answer(v);
            return;
        }
    reply(v, 404, STR("text/plain"), STR("/healthz, /readyz and /metrics are here\n"));
}

static void read_http(struct visitor *v, struct str in)
{
    struct http1_event e;
    struct err err;
    int r = http1_next(v->http, &in, &e, &err);

    if (r < 0)
        reply(v, http1_refusal(v->http), STR("text/plain"), STR("bad request\n"));
    else if (r > 0 && e.kind == HTTP1_HEAD)
        answer_request(v);
}

static void read_word(struct visitor *v, struct str in)
{
    const struct admin_answers *a = &v->admin->answers;

    buf_add_str(&v->in, in);
    ptrdiff_t end = str_find_char(buf_str(&v->in), '\n', 0);
    if (end < 0 && v->in.len <= ADMIN_WORD_MAX)
        return;
    if (end < 0 || !a->command(a->ctx, str_sub(buf_str(&v->in), 0, (size_t)end), &v->out))
        buf_add_text(&v->out, "{\"error\":\"unknown command\"}\n");
    v->is_leaving = true;
}

/* false: v is gone. */
static bool write_out(struct visitor *v)
{
    while (v->out.len) {
        ssize_t n = send(v->io.fd, v->out.ptr, v->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            return true;
        buf_consume(&v->out, (size_t)n);
    }
    if (!v->is_leaving)
        return true;
    leave(v);
    return false;
}

static void on_visitor(void *ctx, unsigned events)
{
    struct visitor *v = ctx;
    char bytes[4096];

    if (events & LOOP_READ && !v->is_leaving) {
        ssize_t n = recv(v->io.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n == 0) {
            leave(v);
            return;
        }
        struct str in = { bytes, n > 0 ? (size_t)n : 0 };
        if (in.len && v->http)
            read_http(v, in);
        else if (in.len)
            read_word(v, in);
    }
    if (events & LOOP_HANGUP) {
        leave(v);
        return;
    }
    if (write_out(v))
        loop_io_want(v->admin->loop, &v->io, v->out.len ? LOOP_WRITE : LOOP_READ);
}

static void on_impatience(void *ctx)
{
    leave(ctx);
}

static void on_entrance(void *ctx, unsigned events)
{
    struct entrance *e = ctx;
    struct admin *a = e->admin;
    struct err err;
    int fd = accept4(e->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd < 0)
        return;
    struct visitor *v = mem_calloc(1, sizeof(*v));
    v->admin = a;
    v->io = (struct loop_io){ .fd = fd, .fn = on_visitor, .ctx = v };
    v->timer = (struct loop_timer){ .fn = on_impatience, .ctx = v };
    if (a->visitor_count >= ADMIN_CONNECTIONS_MAX ||
        loop_io_add(a->loop, &v->io, LOOP_READ, &err) < 0) {
        close(fd);
        free(v);
        return;
    }
    v->http = e->is_http ? http1_new(HTTP1_REQUESTS, NULL) : NULL;
    v->next = a->visitors;
    v->link = &a->visitors;
    if (v->next)
        v->next->link = &v->next;
    a->visitors = v;
    a->visitor_count++;
    loop_timer_set(a->loop, &v->timer, loop_now_us(a->loop) + PATIENCE_US);
}

static int add_entrance(struct admin *a, int fd, bool is_http, struct err *err)
{
    struct entrance *e = &a->entrances[a->entrance_count];

    if (fd < 0)
        return 0;
    *e = (struct entrance){ .admin = a, .is_http = is_http };
    e->io = (struct loop_io){ .fd = fd, .fn = on_entrance, .ctx = e };
    if (loop_io_add(a->loop, &e->io, LOOP_READ, err) < 0)
        return -1;
    a->entrance_count++;
    return 0;
}

int admin_open(struct loop *l, int http_fd, int word_fd, const struct admin_answers *answers,
               struct admin **ret, struct err *err)
{
    struct admin *a = mem_calloc(1, sizeof(*a));

    a->loop = l;
    a->answers = *answers;
    if (add_entrance(a, http_fd, true, err) < 0 || add_entrance(a, word_fd, false, err) < 0) {
        admin_close(a);
        return -1;
    }
    *ret = a;
    return 0;
}

void admin_close(struct admin *a)
{
    if (!a)
        return;
    while (a->visitors)
        leave(a->visitors);
    for (size_t i = 0; i < a->entrance_count; i++)
        loop_io_remove(a->loop, &a->entrances[i].io);
    free(a);
}
