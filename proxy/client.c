#include "config.h"

#include "proxy/client.h"

#include <stdio.h>

#define GATHER_BYTES (16u << 10) /* more than this does not wait for the end of the turn */

static void on_io(void *ctx, unsigned events)
{
    struct client *c = ctx;

    c->protocol->on_io(c, events);
}

static void on_timer(void *ctx)
{
    struct client *c = ctx;

    c->protocol->on_timer(c);
}

static void on_task(void *ctx)
{
    struct client *c = ctx;

    if (!c->is_gone) {
        c->protocol->on_task(c);
        return;
    }
    buf_release(&c->out);
    c->protocol->free(c);
}

/* --- life --- */

void client_open(struct worker *w, int fd, bool is_local, const char *address)
{
    struct sock sock = { .fd = fd };

    if (w->tls && !is_local) {
        sock.tls = tls_conn_new(w->tls, fd);
        sock.in_handshake = true;
        sock.why = &w->handshakes.why;
    }
    w->stats->connections++;
    client_h1_open(w, &sock, address);
}

int client_attach(struct client *c, struct worker *w, const struct client_protocol *protocol,
                  const struct sock *sock, const char *address)
{
    struct err err;

    c->protocol = protocol;
    c->worker = w;
    c->sock = *sock;
    snprintf(c->address, sizeof(c->address), "%s", address);
    c->io = (struct loop_io){ .fd = sock->fd, .fn = on_io, .ctx = c };
    c->timer = (struct loop_timer){ .fn = on_timer, .ctx = c };
    c->task = (struct loop_task){ .fn = on_task, .ctx = c };
    c->progress_us = loop_now_us(w->loop);
    if (loop_io_add(w->loop, &c->io, LOOP_READ, &err) < 0)
        return -1;
    c->next = w->clients;
    c->link = &w->clients;
    if (c->next)
        c->next->link = &c->next;
    w->clients = c;
    w->client_count++;
    w->stats->connections_open = w->client_count;
    return 0;
}

void client_close(struct client *c)
{
    struct worker *w = c->worker;

    if (c->is_gone)
        return;
    c->protocol->abandon(c);
    c->is_gone = true;
    loop_io_remove(w->loop, &c->io);
    loop_timer_cancel(w->loop, &c->timer);
    sock_close(&c->sock, c->ends_by_reset);
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    loop_defer_cancel(w->loop, &c->task);
    loop_defer(w->loop, &c->task);
    worker_client_gone(w);
}

void client_lose(struct client *c)
{
    if (c->is_gone)
        return;
    struct worker *w = c->worker;
    size_t calls = c->protocol->count_calls(c);
    if (c->sock.in_handshake)
        handshakes_failed(&w->handshakes, c->address);
    client_close(c);
    w->stats->clients_gone += calls; /* who sees this sees that their calls have ended */
}

void client_drain(struct client *c)
{
    c->protocol->drain(c);
}

void client_unblock(struct client *c)
{
    c->protocol->unblock(c);
}

/* --- out --- */

void client_write(struct client *c, struct str bytes)
{
    if (c->is_gone)
        return;
    while (bytes.len && !c->out.len) {
        size_t n = 0;
        enum sock_result r = sock_write(&c->sock, bytes, &n);
        if (r == SOCK_FAILED || r == SOCK_END) {
            client_lose(c);
            return;
        }
        if (r == SOCK_AGAIN)
            break;
        bytes = str_sub(bytes, n, bytes.len);
    }
    buf_add_str(&c->out, bytes);
}

void client_hold(struct client *c, struct buf *bytes)
{
    if (c->out.len) {
        buf_add_str(&c->out, buf_str(bytes));
        buf_clear(bytes);
        return;
    }
    worker_take_back(c->worker, &c->out);
    c->out = *bytes;
    *bytes = worker_lend(c->worker);
}

void client_write_later(struct client *c, struct buf *bytes)
{
    size_t len = c->out.len + bytes->len;

    if (!bytes->len || c->is_gone) {
        buf_clear(bytes);
    } else if (len < GATHER_BYTES && (!c->out.len || c->is_leaving)) {
        client_hold(c, bytes);
        c->is_leaving = true;
        loop_io_write_later(c->worker->loop, &c->io);
    } else {
        if (!c->is_leaving || client_flush(c))
            client_write(c, buf_str(bytes));
        else
            buf_add_str(&c->out, buf_str(bytes));
        buf_clear(bytes);
    }
}

bool client_flush(struct client *c)
{
    size_t n = 0;

    c->is_leaving = false;
    while (!c->is_gone && c->out.len) {
        enum sock_result r = sock_write(&c->sock, buf_str(&c->out), &n);
        if (r == SOCK_AGAIN)
            return false;
        if (r != SOCK_DONE) {
            client_lose(c);
            return false;
        }
        buf_consume(&c->out, n);
        c->progress_us = loop_now_us(c->worker->loop);
    }
    worker_take_back(c->worker, &c->out);
    return !c->is_gone;
}
