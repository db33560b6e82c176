#include "config.h"

#include "replay/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/jscan.h"
#include "base/json.h"
#include "replay/conn.h"
#include "replay/refusal.h"
#include "replay/synth.h"
#include "replay/trouble_control.h"

#define ACCEPTS_MAX     64 /* in a turn */
#define ACCEPT_PAUSE_US UINT64_C(100000)

/* --- answering --- */

static struct answer *json_answer(struct str body)
{
    struct answer *a = answer_new(200);

    answer_set_body(a, STR("application/json"), body);
    return a;
}

static struct answer *stats_answer(const struct server *s)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct library_stats library;

    library_stats(s->options.library, &library);
    buf_add_byte(&out, '{');
#define X(name) json_add_int(&out, #name, (int64_t)s->counts.name);
    SERVER_COUNTS(X)
#undef X
    json_add_int(&out, "exchanges", (int64_t)library.exchanges);
    json_add_int(&out, "without_answer", (int64_t)library.without_answer);
    json_add_int(&out, "uptime_us", (int64_t)(loop_now_us(s->options.loop) - s->started_us));
    buf_add_text(&out, "}\n");
    return json_answer(buf_str(&out));
}

static struct answer *reserved_answer(const struct server *s, const struct request *r)
{
    struct str name = str_sub(r->path, sizeof(SERVER_RESERVED_PATH) - 1, r->path.len);

    if (!str_eq(r->method, STR("GET")) && !str_eq(r->method, STR("HEAD")))
        return refusal_plain(405, STR("GET is all that is understood here"));
    if (str_eq(name, STR("health")))
        return json_answer(STR("{\"status\":\"ok\"}\n"));
    if (str_eq(name, STR("stats")))
        return stats_answer(s);
    return refusal_plain(
        404, STR("there is " SERVER_RESERVED_PATH "health and " SERVER_RESERVED_PATH "stats"));
}

static bool says_no_stream(struct str body)
{
    struct jscan s;
    struct str name;
    bool value = true;

    jscan_init(&s, body);
    if (!jscan_enter_object(&s))
        return false;
    while (value && jscan_next_member(&s, &name))
        if (!str_eq(name, STR("stream")) || !jscan_bool(&s, &value))
            jscan_skip(&s);
    return !value;
}

/* What the request alone says. */
static void read_request(const struct server_request *r, struct arena *arena,
                         struct call_facts *ret)
{
    struct call call = {
        .method = r->request.method,
        .path = r->request.path,
        .query = r->request.query,
        .request_headers = r->headers,
        .request_header_count = r->header_count,
        .request_body = r->request.body,
    };

    call_read(&call, arena, ret);
    if (ret->api == API_UNKNOWN) {
        /* Ollama's paths are common words, known by their port; who asks here means a provider. */
        call.host = STR("localhost:11434");
        call_read(&call, arena, ret);
    }
    /* Ollama streams unless told not to: only its answers tell that to call_read. */
    if (ret->api == API_OLLAMA_CHAT || ret->api == API_OLLAMA_GENERATE)
        ret->stream = !says_no_stream(r->request.body);
}

static struct answer *unmatched_answer(struct server *s, const struct server_request *r,
                                       const struct call_facts *facts)
{
    CLEANUP(buf_release) struct buf why = { 0 };
    struct answer *a = NULL;

    if (s->options.unmatched == SERVER_UNMATCHED_SYNTH)
        a = synth_answer(facts, r->request.body, s->counts.requests);
    if (a) {
        s->counts.synthetic++;
        return a;
    }
    s->counts.unmatched++;
    buf_addf(&why, "weir: nothing recorded fits %.*s %.*s", STR_ARG(r->request.method),
             STR_ARG(r->request.path));
    if (facts->model_requested.len)
        buf_addf(&why, " with model %.*s", STR_ARG(facts->model_requested));
    return refusal_not_found(facts->api, buf_str(&why));
}

static struct answer *recorded_answer(struct server *s, const struct server_request *r,
                                      const struct call_facts *facts)
{
    enum library_match match;
    struct answer *a = NULL;
    struct err err;

    if (s->options.on_request && (a = s->options.on_request(s->options.ctx, r, facts)))
        return a;
    if (library_find(s->options.library, &r->request, facts, &match, &a, &err) < 0) {
        s->counts.failed++;
        return refusal_plain(500, str_from(err.text));
    }
    if (match == LIBRARY_NONE)
        return unmatched_answer(s, r, facts);
    s->counts.same += match == LIBRARY_SAME;
    s->counts.alike += match == LIBRARY_ALIKE;
    return a;
}

/* --- what goes wrong --- */

static void watch_edges(struct server *s);

static struct answer *strike(struct server *s, const struct server_port *port,
                             const struct server_request *r, const struct call_facts *facts,
                             struct answer *a)
{
    struct trouble *t = s->options.trouble;
    struct trouble_attempt attempt = {
        .upstream = port->upstream,
        .app = call_header_find(r->headers, r->header_count, "x-weir-app"),
        .facts = facts,
        .request = &r->request,
        .now_us = loop_now_us(s->options.loop),
        .wall_us = loop_wall_us(s->options.loop),
        .speed = s->options.speed,
    };
    bool had_started = trouble_time_us(t, attempt.now_us) >= 0;

    a = trouble_strike(t, &attempt, a);
    if (!had_started)
        watch_edges(s);
    return a;
}

static struct answer *control(struct server *s, const struct request *r)
{
    bool has_changed;
    struct answer *a =
        trouble_control(s->options.trouble, r, loop_now_us(s->options.loop), &has_changed);

    if (has_changed)
        watch_edges(s);
    return a;
}

static struct answer *answer_to(struct server *s, const struct server_port *port,
                                const struct server_request *r)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call_facts facts;

    if (port->is_control)
        return control(s, &r->request);
    if (str_starts_with(r->request.path, STR(SERVER_RESERVED_PATH)))
        return reserved_answer(s, &r->request);
    s->counts.requests++;
    read_request(r, &arena, &facts);
    struct answer *a = recorded_answer(s, r, &facts);
    return s->options.trouble ? strike(s, port, r, &facts, a) : a;
}

struct answer *server_answer_to(struct server *s, const struct server_port *port,
                                const struct http1_head *head, struct str body)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    ptrdiff_t query = str_find_char(head->path, '?', 0);
    struct call_header *headers = arena_alloc(&arena, (head->header_count + 1) * sizeof(*headers));
    struct server_request r = {
        .request = {.method = head->method, .path = head->path, .body = body},
        .headers = headers,
        .header_count = head->header_count,
    };

    for (size_t i = 0; i < head->header_count; i++)
        headers[i] = (struct call_header){ head->headers[i].name, head->headers[i].value };
    if (query >= 0) {
        r.request.path = str_sub(head->path, 0, (size_t)query);
        r.request.query = str_sub(head->path, (size_t)query + 1, head->path.len);
    }
    return answer_to(s, port, &r);
}

/* --- ports --- */

static void listen_again(void *ctx)
{
    struct server_port *p = ctx;
    loop_io_want(p->server->options.loop, &p->io, LOOP_READ);
}

/* Out of descriptors or memory: those who wait are taken when there are some again. */
static void pause_accepting(struct server_port *p)
{
    struct loop *loop = p->server->options.loop;

    loop_io_want(loop, &p->io, 0);
    loop_timer_set(loop, &p->accept_timer, loop_now_us(loop) + ACCEPT_PAUSE_US);
}

static void on_accept(void *ctx, unsigned events)
{
    struct server_port *p = ctx;
    struct server *s = p->server;
    int one = 1;

    (void)events;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(p->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                pause_accepting(p);
            return;
        }
        if (s->counts.connections_open >= SERVER_CONNECTIONS_MAX) {
            s->counts.refused++;
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* chunks leave when due */
        conn_open(s, p, fd);
    }
}

/* A socket that was shut down for reading does not listen any more and keeps its port: Linux
 * answers who knocks with a reset, as if nobody were there, until it listens again.  A port that
 * the kernel chose is given back, and is taken at once. */
static void unlisten(int fd)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    void *any = &at;

    bool is_known = getsockname(fd, any, &len) == 0;
    shutdown(fd, SHUT_RD);
    if (is_known)
        (void)bind(fd, any, len); /* fails for a port that it kept */
}

/* Who is connected already goes, with the answer under way, to come anew. */
static void drain_port(const struct server_port *p)
{
    for (struct conn *c = p->server->conns, *next; c; c = next) {
        next = conn_next(c);
        if (conn_port(c) == p)
            conn_drain(c);
    }
}

static void shut(struct server_port *p)
{
    struct server *s = p->server;

    loop_timer_cancel(s->options.loop, &p->accept_timer);
    loop_io_remove(s->options.loop, &p->io);
    unlisten(p->io.fd);
    p->is_shut = true;
    trouble_note_shut(s->options.trouble, p->upstream);
    drain_port(p);
}

static void reopen(struct server_port *p)
{
    struct err err;

    if (listen(p->io.fd, SOMAXCONN) == 0 &&
        loop_io_add(p->server->options.loop, &p->io, LOOP_READ, &err) == 0)
        p->is_shut = false;
}

static void on_edge(void *ctx)
{
    struct server *s = ctx;
    watch_edges(s);
}

static void watch_tls(struct server_port *p, uint64_t now_us)
{
    bool did = p->fails_tls;

    p->fails_tls = p->server->options.tls && !p->is_control &&
                   trouble_fails_tls(p->server->options.trouble, p->upstream, now_us);
    if (p->fails_tls && !did)
        drain_port(p);
}

static void watch_edges(struct server *s)
{
    uint64_t now_us = loop_now_us(s->options.loop);

    for (struct server_port *p = s->ports; p; p = p->next) {
        watch_tls(p, now_us);
        bool refuses = !p->is_control && trouble_refuses(s->options.trouble, p->upstream, now_us);
        if (p->io.fd < 0 || refuses == p->is_shut)
            continue;
        if (refuses)
            shut(p);
        else
            reopen(p);
    }
    uint64_t next_us = trouble_next_edge_us(s->options.trouble, now_us);
    if (next_us == UINT64_MAX || s->is_draining)
        loop_timer_cancel(s->options.loop, &s->edge_timer);
    else
        loop_timer_set(s->options.loop, &s->edge_timer, next_us);
}

static int add_port(struct server *s, int listener, struct server_port **ret, struct err *err)
{
    struct server_port *p = mem_calloc(1, sizeof(*p));

    p->server = s;
    p->accept_timer = (struct loop_timer){ .fn = listen_again, .ctx = p };
    p->io = (struct loop_io){ .fd = listener, .fn = on_accept, .ctx = p };
    if (s->port_count >= SERVER_PORTS_MAX)
        err_set(err, ERR_LIMIT, "more than %d ports to listen on", SERVER_PORTS_MAX);
    if (s->port_count >= SERVER_PORTS_MAX ||
        loop_io_add(s->options.loop, &p->io, LOOP_READ, err) < 0) {
        close(listener);
        free(p);
        return -1;
    }
    s->port_count++;
    p->next = s->ports;
    s->ports = p;
    *ret = p;
    return 0;
}

int server_add_port(struct server *s, int listener, const char *upstream, struct err *err)
{
    struct server_port *p;

    if (add_port(s, listener, &p, err) < 0)
        return -1;
    p->is_control = !upstream;
    if (!upstream)
        return 0;
    p->upstream = trouble_add_upstream(s->options.trouble, str_from(upstream));
    watch_tls(p, loop_now_us(s->options.loop));
    return 0;
}

void server_handshake_refused(struct server *s, const struct server_port *port)
{
    uint64_t now_us = loop_now_us(s->options.loop);
    bool had_started = trouble_time_us(s->options.trouble, now_us) >= 0;

    trouble_strike_handshake(s->options.trouble, port->upstream, now_us);
    if (!had_started)
        watch_edges(s);
}

/* --- life --- */

static void drained(struct server *s)
{
    if (s->options.on_drained)
        s->options.on_drained(s->options.ctx);
}

void server_conn_gone(struct server *s)
{
    s->counts.connections_open--;
    if (s->is_draining && !s->conns)
        drained(s);
}

int server_open(const struct server_options *options, struct server **ret, struct err *err)
{
    CLEANUP(server_close) struct server *s = mem_calloc(1, sizeof(*s));

    struct server_port *p;

    s->options = *options;
    loop_read_clocks(options->loop);
    s->started_us = loop_now_us(options->loop);
    s->edge_timer = (struct loop_timer){ .fn = on_edge, .ctx = s };
    if (options->listener >= 0) {
        if (add_port(s, options->listener, &p, err) < 0)
            return -1;
        if (options->trouble)
            p->upstream = trouble_add_upstream(options->trouble, STR("default"));
        if (options->trouble)
            watch_tls(p, s->started_us);
    }
    *ret = TAKE(s);
    return 0;
}

/* Ports stay until the end: connections know them. */
static void stop_listening(struct server *s)
{
    loop_timer_cancel(s->options.loop, &s->edge_timer);
    for (struct server_port *p = s->ports; p; p = p->next) {
        loop_timer_cancel(s->options.loop, &p->accept_timer);
        loop_io_remove(s->options.loop, &p->io);
        if (p->io.fd >= 0)
            close(p->io.fd);
        p->io.fd = -1;
    }
}

void server_drain(struct server *s)
{
    if (s->is_draining)
        return;
    s->is_draining = true;
    stop_listening(s);
    if (!s->conns) {
        drained(s);
        return;
    }
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = conn_next(c);
        conn_drain(c);
    }
}

void server_close(struct server *s)
{
    struct err err;

    if (!s)
        return;
    s->options.on_drained = NULL;
    stop_listening(s);
    while (s->conns)
        conn_close(s->conns);
    (void)loop_turn(s->options.loop, 0, &err); /* frees them */
    for (struct server_port *p = s->ports, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    tls_context_unref(s->options.tls);
    free(s);
}
