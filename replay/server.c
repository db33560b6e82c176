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

struct server_request {
    struct request request;
    const struct call_header *headers;
    size_t header_count;
};

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

static struct answer *answer_to(struct server *s, const struct server_request *r)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call_facts facts;
    enum library_match match;
    struct answer *a = NULL;
    struct err err;

    if (str_starts_with(r->request.path, STR(SERVER_RESERVED_PATH)))
        return reserved_answer(s, &r->request);
    s->counts.requests++;
    read_request(r, &arena, &facts);
    if (library_find(s->options.library, &r->request, &facts, &match, &a, &err) < 0) {
        s->counts.failed++;
        return refusal_plain(500, str_from(err.text));
    }
    if (match == LIBRARY_NONE)
        return unmatched_answer(s, r, &facts);
    s->counts.same += match == LIBRARY_SAME;
    s->counts.alike += match == LIBRARY_ALIKE;
    return a;
}

struct answer *server_answer_to(struct server *s, const struct http1_head *head, struct str body)
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
    return answer_to(s, &r);
}

/* --- connections --- */

static void listen_again(void *ctx)
{
    struct server *s = ctx;
    loop_io_want(s->options.loop, &s->io, LOOP_READ);
}

static void on_accept(void *ctx, unsigned events)
{
    struct server *s = ctx;
    int one = 1;

    (void)events;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(s->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                return;
            /* Out of descriptors or memory: those who wait are taken when there are some again. */
            loop_io_want(s->options.loop, &s->io, 0);
            loop_timer_set(s->options.loop, &s->accept_timer,
                           loop_now_us(s->options.loop) + ACCEPT_PAUSE_US);
            return;
        }
        if (s->counts.connections_open >= SERVER_CONNECTIONS_MAX) {
            s->counts.refused++;
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* chunks leave when due */
        conn_open(s, fd);
    }
}

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

    s->options = *options;
    loop_read_clocks(options->loop);
    s->started_us = loop_now_us(options->loop);
    s->accept_timer = (struct loop_timer){ .fn = listen_again, .ctx = s };
    s->io = (struct loop_io){ .fd = options->listener, .fn = on_accept, .ctx = s };
    if (loop_io_add(options->loop, &s->io, LOOP_READ, err) < 0)
        return -1;
    *ret = TAKE(s);
    return 0;
}

static void stop_listening(struct server *s)
{
    loop_timer_cancel(s->options.loop, &s->accept_timer);
    loop_io_remove(s->options.loop, &s->io);
    if (s->io.fd >= 0)
        close(s->io.fd);
    s->io.fd = -1;
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
    tls_context_unref(s->options.tls);
    free(s);
}
