#include "config.h"

#include "replay/drive_call.h"

#include <stdlib.h>

#include "base/vec.h"
#include "llm/content.h"
#include "llm/framing.h"
#include "policy/failure.h"

#define LINGER_US 1000000 /* for a body's end behind the stream's last event */

struct drive_call {
    struct drive_context *context;
    struct drive_call *next, **link; /* among the context's */
    struct trace_request request;
    struct buf target, head, body;
    uint64_t number, planned_us;
    struct drive_result result;
    /* Of the try under way. */
    struct http_conn *conn;
    struct http1 *parser;
    struct framer *framer;
    struct loop_timer timer; /* its patience, and the wait before the next try */
    struct loop_task over;
    uint64_t try_us, last_content_us;
    int64_t done_us; /* the stream's last event had come; -1 */
    int64_t try_wall_us;
    size_t sent; /* of head and body */
    struct buf answer;
    VEC(struct exchange_chunk) chunks;
    struct arena arena;
    struct steer_end ended;
    bool is_waiting, has_content, is_stream, cannot_frame, head_read, any_byte, answer_whole,
        may_keep;
    enum error_class stream_error;
};

static uint64_t now_us(const struct drive_call *c)
{
    return loop_now_us(c->context->loop);
}

static int64_t since_planned(const struct drive_call *c)
{
    return (int64_t)(now_us(c) - c->planned_us);
}

/* --- the answer's content --- */

/* SDKs read no further, whatever the connection does. */
static bool is_last(const struct framing_event *event)
{
    return str_eq(event->data, STR("[DONE]")) || str_eq(event->name, STR("message_stop")) ||
           str_eq(event->name, STR("response.completed"));
}

static int on_event(void *ctx, const struct framing_event *event, struct err *err)
{
    struct drive_call *c = ctx;

    (void)err;
    if (c->done_us < 0 && is_last(event))
        c->done_us = since_planned(c);
    if (!content_is_in(c->request.api, event))
        return 0;
    c->result.events++;
    if (c->has_content) {
        int64_t gap_us = (int64_t)(now_us(c) - c->last_content_us);
        sketch_add(c->context->gaps, gap_us);
        if (gap_us > c->result.longest_gap_us)
            c->result.longest_gap_us = gap_us;
    } else {
        c->result.first_token_us = since_planned(c);
    }
    c->has_content = true;
    c->last_content_us = now_us(c);
    return 0;
}

static bool is_plain_text(const struct http1_head *head)
{
    const struct http1_header *h = http1_find(head, STR("content-encoding"));

    return !h || str_ieq(h->value, STR("identity"));
}

static void begin_framing(struct drive_call *c, struct str first)
{
    const struct http1_head *head = http1_head(c->parser);
    const struct http1_header *type = http1_find(head, STR("content-type"));
    enum framing kind = framing_guess(type ? type->value : STR(""), first);

    c->is_stream = head->status / 100 == 2 && is_plain_text(head) && kind != FRAMING_JSON &&
                   kind != FRAMING_OPAQUE;
    if (c->is_stream)
        c->framer = framer_new(kind, on_event, c);
    else
        c->result.first_token_us = since_planned(c);
}

static void take_body(struct drive_call *c, struct str bytes)
{
    struct err err;

    if (!c->result.answer_bytes)
        begin_framing(c, bytes);
    c->result.answer_bytes += bytes.len;
    if (c->framer && !c->cannot_frame && framer_feed(c->framer, bytes, &err) < 0)
        c->cannot_frame = true;
    if (c->answer.len + bytes.len > DRIVE_BODY_BYTES_MAX)
        return;
    buf_add_str(&c->answer, bytes);
    vec_push(&c->chunks, (struct exchange_chunk){ now_us(c) - c->try_us, bytes.len });
}

/* --- the end of a try --- */

static struct call_header *headers_of(struct drive_call *c, const struct http1_head *head,
                                      size_t *ret_count)
{
    struct call_header *headers =
        arena_alloc(&c->arena, (head->header_count + 1) * sizeof(*headers));

    for (size_t i = 0; i < head->header_count; i++)
        headers[i] = (struct call_header){ head->headers[i].name, head->headers[i].value };
    *ret_count = head->header_count;
    return headers;
}

static struct call_header *request_headers(struct drive_call *c, size_t *ret_count)
{
    struct str rest = c->request.head, line;
    size_t lines = 0;

    for (size_t i = 0; i < rest.len; i++)
        lines += rest.ptr[i] == '\n';
    struct call_header *headers = arena_alloc(&c->arena, (lines + 1) * sizeof(*headers));
    for (*ret_count = 0; *ret_count < lines && str_split(&rest, '\n', &line);) {
        ptrdiff_t colon = str_find(line, STR(": "), 0);
        headers[(*ret_count)++] =
            (struct call_header){ str_sub(line, 0, (size_t)colon),
                                  str_sub(line, (size_t)colon + 2, line.len) };
    }
    return headers;
}

/* What of the target stands before the query, and behind. */
static struct str split_target(struct str target, struct str *ret_query)
{
    ptrdiff_t mark = str_find_char(target, '?', 0);

    *ret_query = mark < 0 ? STR("") : str_sub(target, (size_t)mark + 1, target.len);
    return mark < 0 ? target : str_sub(target, 0, (size_t)mark);
}

void drive_call_exchange(struct drive_call *c, struct exchange *ret)
{
    const struct drive_result *r = &c->result;

    *ret = (struct exchange){
        .started_us = c->try_wall_us,
        .request_us = 0,
        .head_us = -1,
        .first_token_us = -1,
        .end_us = (int64_t)(now_us(c) - c->try_us),
        .origin = STR("drive"),
        .method = c->request.method,
        .scheme = STR("http"),
        .host = c->context->authority,
        .request_body = buf_str(&c->body),
        .request_bytes = c->body.len,
        .response_body = buf_str(&c->answer),
        .response_bytes = r->answer_bytes,
        .response_body_missing = r->answer_bytes > c->answer.len,
        .truncated = !c->answer_whole,
        .chunks = c->chunks.ptr,
        .chunk_count = c->chunks.len,
        .status = r->status,
    };
    /* Before the last try there may have been others. */
    int64_t before_us = (int64_t)(c->try_us - c->planned_us);
    ret->head_us = r->head_us < 0 ? -1 : r->head_us - before_us;
    ret->first_token_us = r->first_token_us < 0 ? -1 : r->first_token_us - before_us;
    ret->who.app = c->request.app;
    ret->upstream = c->request.upstream;
    ret->path = split_target(buf_str(&c->target), &ret->query);
    ret->request_headers = request_headers(c, &ret->request_header_count);
    if (c->head_read)
        ret->response_headers = headers_of(c, http1_head(c->parser), &ret->response_header_count);
    if (ret->response_body_missing) {
        ret->response_body = STR("");
        ret->chunk_count = 0;
    }
}

/* An SDK makes nothing of a page, of no body, or of one text where it asked for a stream. */
static bool is_of_use(const struct drive_call *c)
{
    const struct http1_header *type = http1_find(http1_head(c->parser), STR("content-type"));
    bool is_page = type && str_starts_with(type->value, STR("text/html"));

    if (c->result.status / 100 != 2 || !str_eq(c->request.method, STR("POST")) ||
        !is_plain_text(http1_head(c->parser)))
        return true;
    return !is_page && c->result.answer_bytes && (c->is_stream || !c->request.stream);
}

static void read_facts(struct drive_call *c)
{
    struct drive_result *r = &c->result;
    struct exchange x;

    arena_reset(&c->arena);
    drive_call_exchange(c, &x);
    struct call call = exchange_call(&x);
    call_read(&call, &c->arena, &r->facts);
    r->error = r->facts.error_class;
    if (r->end == DRIVE_TIMEOUT)
        r->error = c->has_content ? ERROR_CLASS_STREAM_STALL : ERROR_CLASS_TIMEOUT_HEAD;
    else if (r->end == DRIVE_NOT_CONNECTED)
        r->error = ERROR_CLASS_TRANSPORT;
    else if (r->end == DRIVE_BROKEN && r->error == ERROR_CLASS_NONE)
        r->error = r->status ? ERROR_CLASS_STREAM_CUT : ERROR_CLASS_TRANSPORT;
    else if (r->end == DRIVE_ANSWERED && r->error == ERROR_CLASS_NONE && !is_of_use(c))
        r->error = ERROR_CLASS_MALFORMED;
    r->ok = r->end == DRIVE_ANSWERED && r->status / 100 == 2 && r->error == ERROR_CLASS_NONE;
    c->ended = (struct steer_end){
        .failed = !r->ok,
        .failure = r->status ? PLAN_FAILED_STATUS : PLAN_FAILED_CONNECT,
        .retry_after_us = -1,
        .first_token_us = -1,
        .answer_began = r->status / 100 == 2, /* SDKs repeat nothing behind a head that was well */
    };
    if (r->status && r->status / 100 != 2)
        failure_of_answer(r->status, x.response_headers, x.response_header_count, x.response_body,
                          (int64_t)loop_wall_us(c->context->loop), &c->ended);
    c->ended.status = r->status;
}

static void connect_it(struct drive_call *c, bool fresh);
static void begin_try(struct drive_call *c);

/* A connection that was kept had died before the request reached anybody: no try at all. */
static bool was_stale(const struct drive_call *c, enum drive_end end)
{
    return end == DRIVE_BROKEN && c->conn && !c->head_read && !c->any_byte &&
           http_conn_is_reused(c->conn);
}

static void end_try(struct drive_call *c, enum drive_end end)
{
    struct loop *loop = c->context->loop;
    bool ignored;
    struct err err;

    loop_timer_cancel(loop, &c->timer);
    if (was_stale(c, end)) {
        http_conn_release(TAKE(c->conn), false);
        connect_it(c, true);
        return;
    }
    if (c->done_us >= 0 && end != DRIVE_ANSWERED) {
        end = DRIVE_ANSWERED;
        c->may_keep = false;
    }
    c->result.end = end;
    c->answer_whole = end == DRIVE_ANSWERED;
    if (c->framer && c->answer_whole && !c->cannot_frame)
        framer_finish(c->framer, &ignored, &err);
    c->result.end_us = c->done_us >= 0 ? c->done_us : since_planned(c);
    if (c->conn)
        http_conn_release(TAKE(c->conn), c->answer_whole && c->may_keep);
    read_facts(c);
    int64_t wait_us = caller_wait_us(c->context->caller, c->result.tries - 1, &c->ended,
                                     c->context->seed ^ c->number);
    if (wait_us < 0) {
        loop_defer(loop, &c->over);
        return;
    }
    c->is_waiting = true;
    loop_timer_set(loop, &c->timer, now_us(c) + (uint64_t)wait_us);
}

static void on_timer(void *ctx)
{
    struct drive_call *c = ctx;

    if (!c->is_waiting) {
        end_try(c, DRIVE_TIMEOUT);
        return;
    }
    c->is_waiting = false;
    begin_try(c);
}

/* --- bytes --- */

static void touch(struct drive_call *c)
{
    uint64_t due = now_us(c) + (uint64_t)c->context->caller->timeout_us;
    uint64_t latest = c->try_us + (uint64_t)c->context->deadline_us;

    if (c->context->deadline_us && due > latest)
        due = latest;
    if (c->done_us >= 0) /* only for the connection's sake */
        due = now_us(c) + LINGER_US;
    loop_timer_set(c->context->loop, &c->timer, due);
}

/* 1 = the answer is whole, 0 = more to come, -1 = it is none. */
static int take_events(struct drive_call *c, struct str in)
{
    struct http1_event e;
    struct err err;
    int r;

    while ((r = http1_next(c->parser, &in, &e, &err)) > 0) {
        if (e.kind == HTTP1_HEAD && !http1_head(c->parser)->is_interim) {
            c->head_read = true;
            c->result.status = (int)http1_head(c->parser)->status;
            c->result.head_us = since_planned(c);
        }
        if (e.kind == HTTP1_BODY)
            take_body(c, e.body);
        if (e.kind != HTTP1_END)
            continue;
        c->may_keep =
            http1_head(c->parser)->keep_alive && !in.len && c->sent == c->head.len + c->body.len;
        return 1;
    }
    return r;
}

static void receive(struct drive_call *c)
{
    char *bytes = c->context->read;
    struct http1_event e;
    struct err err;
    size_t len;
    int r;

    while ((r = http_conn_recv(c->conn, bytes, DRIVE_READ_BYTES, &len, &err)) > 0) {
        int got =
            len ? take_events(c, (struct str){ bytes, len }) : http1_finish(c->parser, &e, &err);
        touch(c);
        if (got > 0 || !len || got < 0) {
            end_try(c, got > 0 ? DRIVE_ANSWERED : DRIVE_BROKEN);
            return;
        }
    }
    if (r < 0)
        end_try(c, DRIVE_BROKEN);
}

/* A connection that breaks meanwhile shows when it is read: the answer may be there already. */
static void transmit(struct drive_call *c)
{
    struct err ignored;
    size_t len;

    while (c->sent < c->head.len + c->body.len) {
        struct str bytes = c->sent < c->head.len
                               ? str_sub(buf_str(&c->head), c->sent, SIZE_MAX)
                               : str_sub(buf_str(&c->body), c->sent - c->head.len, SIZE_MAX);
        int r = http_conn_send(c->conn, bytes, &len, &ignored);
        if (r == 0) {
            http_conn_want(c->conn, LOOP_READ | LOOP_WRITE);
            return;
        }
        if (r < 0)
            break;
        touch(c);
        c->sent += len;
    }
    http_conn_want(c->conn, LOOP_READ);
}

static void on_ready(void *ctx, struct http_conn *conn, unsigned events)
{
    struct drive_call *c = ctx;

    (void)conn;
    if (events & LOOP_WRITE)
        transmit(c);
    if (events & ~(unsigned)LOOP_WRITE)
        receive(c);
}

static void send_it(struct drive_call *c)
{
    if (c->result.sent_us < 0)
        c->result.sent_us = since_planned(c);
    touch(c);
    transmit(c);
}

static void on_connect(void *ctx, struct http_conn *conn, const struct err *err)
{
    struct drive_call *c = ctx;

    (void)conn;
    if (err)
        end_try(c, DRIVE_NOT_CONNECTED);
    else
        send_it(c);
}

static void connect_it(struct drive_call *c, bool fresh)
{
    struct http_conn_handler handler = { .on_connect = on_connect, .on_ready = on_ready, .ctx = c };
    struct err err;

    c->sent = 0;
    touch(c);
    int got = http_conn_acquire(c->context->origin, &handler, fresh, &c->conn, &err);
    if (got < 0)
        end_try(c, DRIVE_NOT_CONNECTED);
    else if (got > 0)
        send_it(c);
}

static void begin_try(struct drive_call *c)
{
    struct drive_result *r = &c->result;

    http1_reset(c->parser, str_eq(c->request.method, STR("HEAD")));
    framer_free(TAKE(c->framer));
    buf_clear(&c->answer);
    vec_clear(&c->chunks);
    c->any_byte = false;
    c->done_us = -1;
    c->has_content = c->is_stream = c->cannot_frame = c->head_read = c->may_keep = false;
    r->status = 0;
    r->head_us = r->first_token_us = -1;
    r->answer_bytes = r->events = 0;
    r->longest_gap_us = 0;
    r->tries++;
    c->try_us = now_us(c);
    c->try_wall_us = (int64_t)loop_wall_us(c->context->loop);
    connect_it(c, false);
}

/* --- a call --- */

static void run_over(void *ctx)
{
    struct drive_call *c = ctx;

    c->context->on_over(c->context->ctx, c);
    drive_call_free(c);
}

struct drive_call *drive_call_new(struct drive_context *context,
                                  const struct trace_request *request, struct str target,
                                  struct str head, struct str body)
{
    struct drive_call *c = mem_calloc(1, sizeof(*c));
    struct str line;

    c->context = context;
    c->next = context->calls;
    c->link = &context->calls;
    if (c->next)
        c->next->link = &c->next;
    context->calls = c;
    c->request = *request;
    buf_add_str(&c->target, target);
    c->result.sent_us = -1;
    c->timer = (struct loop_timer){ .fn = on_timer, .ctx = c };
    c->over = (struct loop_task){ .fn = run_over, .ctx = c };
    c->parser = http1_new(HTTP1_RESPONSES, NULL);
    http1_write_request_line(&c->head, request->method, target);
    http1_write_header(&c->head, STR("host"), context->authority);
    while (str_split(&head, '\n', &line)) {
        ptrdiff_t colon = str_find(line, STR(": "), 0);
        if (colon > 0)
            http1_write_header(&c->head, str_sub(line, 0, (size_t)colon),
                               str_sub(line, (size_t)colon + 2, line.len));
    }
    http1_write_header(&c->head, STR("accept-encoding"), STR("identity"));
    if (body.len || !(str_eq(request->method, STR("GET")) || str_eq(request->method, STR("HEAD"))))
        http1_write_framing(&c->head, HTTP1_LENGTH, body.len);
    http1_write_end(&c->head);
    buf_add_str(&c->body, body);
    return c;
}

void drive_call_start(struct drive_call *c, uint64_t number, uint64_t planned_us)
{
    c->number = number;
    c->planned_us = planned_us;
    begin_try(c);
}

void drive_call_free(struct drive_call *c)
{
    if (!c)
        return;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    loop_timer_cancel(c->context->loop, &c->timer);
    loop_defer_cancel(c->context->loop, &c->over);
    if (c->conn)
        http_conn_release(c->conn, false);
    http1_free(c->parser);
    framer_free(c->framer);
    buf_release(&c->target);
    buf_release(&c->head);
    buf_release(&c->body);
    buf_release(&c->answer);
    vec_release(&c->chunks);
    arena_release(&c->arena);
    free(c);
}

const struct drive_result *drive_call_result(const struct drive_call *c)
{
    return &c->result;
}

const struct trace_request *drive_call_request(const struct drive_call *c)
{
    return &c->request;
}

uint64_t drive_call_number(const struct drive_call *c)
{
    return c->number;
}
