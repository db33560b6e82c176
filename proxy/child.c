#include "config.h"

#include "proxy/child.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/le.h"
#include "proxy/proxy_policy.h"

#define HEAD_BYTES 8u

struct child {
    struct worker *worker;
    const struct child_options *options;
    struct loop_io io;
    struct buf in;
};

void child_write_message(struct buf *out, enum child_message kind, struct str bytes)
{
    uint8_t head[HEAD_BYTES];

    le32_put(head, (uint32_t)kind);
    le32_put(head + 4, (uint32_t)bytes.len);
    buf_add(out, head, sizeof(head));
    buf_add_str(out, bytes);
}

static void on_reload(struct child *c, struct str packed)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *conf = NULL;
    struct worker *w = c->worker;
    struct err err;

    if (proxy_conf_unpack(packed, c->options->conf_path, &conf, &err) < 0 ||
        proxy_policy_make(conf, c->options->prices, &err) < 0 || worker_reload(w, conf, &err) < 0) {
        w->stats->reloads_refused++;
        log_event(&w->log, LOG_LEVEL_ERROR, loop_wall_us(w->loop), "reload_refused",
                  LOG_STR("reason", str_from(err.text)));
        return;
    }
    w->stats->worker_reloads++;
}

static void on_cutover(struct child *c, struct str text)
{
    struct worker *w = c->worker;
    struct err err;

    if (worker_follow(w, text, &err) == 0)
        return;
    w->stats->cutovers_refused++;
    log_event(&w->log, LOG_LEVEL_ERROR, loop_wall_us(w->loop), "cutover_refused",
              LOG_STR("reason", str_from(err.text)));
}

static void on_tickets(struct child *c, struct str keys)
{
    struct worker *w = c->worker;
    struct err err;

    if (worker_take_tickets(w, keys, &err) < 0)
        log_event(&w->log, LOG_LEVEL_ERROR, loop_wall_us(w->loop), "tickets_not_taken",
                  LOG_STR("reason", str_from(err.text)));
}

static void on_drain(struct child *c, struct str bytes)
{
    (void)bytes;
    worker_drain(c->worker);
}

static void on_stop(struct child *c, struct str bytes)
{
    (void)bytes;
    loop_stop(c->worker->loop);
}

static void take_message(struct child *c, uint32_t kind, struct str bytes)
{
    static const struct {
        uint32_t kind;
        void (*fn)(struct child *c, struct str bytes);
    } rows[] = {
        {CHILD_RELOAD,   on_reload },
        { CHILD_DRAIN,   on_drain  },
        { CHILD_STOP,    on_stop   },
        { CHILD_CUTOVER, on_cutover},
        { CHILD_TICKETS, on_tickets},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].kind == kind)
            rows[i].fn(c, bytes);
}

static void on_pipe(void *ctx, unsigned events)
{
    struct child *c = ctx;
    char *at = buf_reserve(&c->in, 64u << 10);
    ssize_t n = recv(c->io.fd, at, 64u << 10, MSG_DONTWAIT);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        loop_io_remove(c->worker->loop, &c->io);
        worker_drain(c->worker);
        return;
    }
    c->in.len += (size_t)n;
    while (c->in.len >= HEAD_BYTES) {
        const uint8_t *head = (const uint8_t *)c->in.ptr;
        uint32_t kind = le32_get(head), len = le32_get(head + 4);
        if (c->in.len - HEAD_BYTES < len)
            break;
        take_message(c, kind, (struct str){ c->in.ptr + HEAD_BYTES, len });
        buf_consume(&c->in, HEAD_BYTES + len);
    }
    if (!c->in.len) { /* it may have held secrets */
        explicit_bzero(c->in.ptr, c->in.cap);
        buf_release(&c->in);
    }
}

int child_run(const struct child_options *options)
{
    struct child c = { .options = options };
    const struct log_sink *log = &options->worker.log;
    struct err err;
    int r = worker_open(&options->worker, &c.worker, &err);

    if (r == 0) {
        c.io = (struct loop_io){ .fd = options->pipe_fd, .fn = on_pipe, .ctx = &c };
        r = loop_io_add(c.worker->loop, &c.io, LOOP_READ, &err);
    }
    if (r == 0)
        r = loop_run(c.worker->loop, &err);
    if (r < 0)
        log_event(log, LOG_LEVEL_ERROR, (uint64_t)(c.worker ? loop_wall_us(c.worker->loop) : 0),
                  "worker_failed", LOG_STR("reason", str_from(err.text)));
    if (c.worker)
        loop_io_remove(c.worker->loop, &c.io);
    worker_close(c.worker);
    buf_release(&c.in);
    return r < 0 ? 1 : 0;
}
