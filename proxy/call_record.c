/* The record of a call: what goes to the recorder, after credentials are out of it. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/json.h"
#include "capture/attribution.h"
#include "capture/exchange.h"
#include "capture/redact.h"
#include "proxy/call.h"
#include "proxy/call_cutover.h"
#include "proxy/call_policy.h"
#include "proxy/call_scrub.h"
#include "proxy/names.h"

/* Empty, without the cost of clearing the facts, which take 7 of its 8 KB and which nobody here
 * touches. */
static struct exchange *blank_exchange(struct worker *w)
{
    memset(&w->exchange, 0, offsetof(struct exchange, facts));
    return &w->exchange;
}

/* Copies of a message's headers, without credentials, in the worker's arena. */
static struct call_header *take_headers(struct worker *w, const struct http1_head *head,
                                        struct redact_caller *caller)
{
    struct call_header *headers =
        arena_alloc(&w->arena, (head->header_count + 1) * sizeof(*headers));

    for (size_t i = 0; i < head->header_count; i++) {
        const struct http1_header *h = &head->headers[i];
        headers[i] = (struct call_header){ h->name, h->value };
        if (names_of(h) & NAME_REDACTABLE)
            headers[i].value = redact_header(&w->key, &w->arena, headers[i], caller);
    }
    return headers;
}

/* The request's header with that bit, as it is recorded. */
static struct str recorded_value(const struct http1_head *head, const struct exchange *x,
                                 uint32_t bit)
{
    const struct http1_header *h = names_find(head, bit);

    return h ? x->request_headers[h - head->headers].value : STR("");
}

/* The headers that attribution may ask for later: {"x-weir-app":"a","header.x-team":"b"}. */
static struct str make_labels(struct proxy_call *call, const struct exchange *x)
{
    const struct attribution *a = call->conf->conf->attribution;
    struct str app = recorded_value(call->request, x, NAME_APP);
    CLEANUP(buf_release) struct buf json = { 0 };

    if (!app.len && !call->client_key && !attribution_header_count(a))
        return STR("");

    buf_add_byte(&json, '{');
    json_add_str(&json, "x-weir-app", app);
    if (call->client_key)
        json_add_str(&json, "weir.client", call->client_key->id);
    for (size_t i = 0; i < attribution_header_count(a); i++) {
        CLEANUP(buf_release) struct buf name = { 0 };
        buf_add_text(&name, "header.");
        buf_add_str(&name, attribution_header(a, i));
        json_add_str(
            &json, buf_cstr(&name),
            call_header_find(x->request_headers, x->request_header_count, buf_cstr(&name) + 7));
    }
    buf_add_byte(&json, '}');
    return json.len > 2 ? arena_str(&call->worker->arena, buf_str(&json)) : STR("");
}

static void attribute(struct proxy_call *call, const struct route *route, struct exchange *x)
{
    struct attribution_input in = {
        .host = x->host,
        .path = x->path,
        .key_id = x->key_id,
        .user_agent = x->user_agent,
        .client_address = x->client_address,
        .upstream = x->upstream,
        .labels = x->labels,
        .given = { .app = route->app },
        .app_is_certain = call->client_key && call->client_key->app.len,
    };

    attribution_apply(call->conf->conf->attribution, &in, &x->who);
}

int call_record_begin(struct proxy_call *call, const struct route *route, struct err *err)
{
    struct worker *w = call->worker;
    const struct http1_head *head = call->request;
    struct redact_caller caller = { 0 };
    ptrdiff_t query = str_find_char(head->path, '?', 0);
    struct exchange *x = blank_exchange(w);

    arena_reset(&w->arena);
    x->started_us = (int64_t)loop_wall_us(w->loop);
    x->trace_id = head_trace_of(&call->trace);
    x->client_address = str_from(call->address);
    x->upstream = route->upstream->name;
    x->arm = route->upstream->arm;
    x->origin = STR("proxy");
    x->method = head->method;
    x->scheme = route->upstream->tls ? STR("https") : STR("http");
    x->host = route->upstream->authority;
    x->path = query < 0 ? head->path : str_sub(head->path, 0, (size_t)query);
    x->request_header_count = head->header_count;
    x->request_headers = take_headers(w, head, &caller);
    x->heads_are_clean = true;
    if (query >= 0)
        x->query = redact_query(&w->key, &w->arena,
                                str_sub(head->path, (size_t)query + 1, head->path.len), &caller);
    x->key_id = str_from(caller.key_id);
    x->user_agent = recorded_value(head, x, NAME_AGENT);
    x->labels = make_labels(call, x);
    x->id = call->trace.id;
    attribute(call, route, x);
    if (w->cutover)
        call_cutover_begin(call, x);
    if (call->cutover)
        x->labels = make_labels(call, x); /* without what it has hidden */
    call->hides_bodies = redact_is_credential_path(x->path);
    call->recording = (struct recording){ .began_us = loop_now_us(w->loop) };
    call_scrub_begin(call, x);
    if (recorder_begin(w->recorder, &call->recording, x, err) < 0)
        return -1;
    call->is_begun = true;
    return 0;
}

void call_record_answer(struct proxy_call *call, const struct http1_head *head)
{
    struct worker *w = call->worker;
    struct exchange *x = blank_exchange(w);

    arena_reset(&w->arena);
    x->status = (int)head->status;
    x->response_header_count = head->header_count;
    x->response_headers = take_headers(w, head, NULL);
    x->heads_are_clean = true;
    call_scrub_answer_head(call, x);
    recorder_response_head(w->recorder, &call->recording, x);
}

void call_record_reply(struct proxy_call *call, const struct reply *reply, struct str body)
{
    struct call_header headers[2 + REPLY_HEADERS_MAX] = {
        {STR("content-type"),  STR("application/json")},
        { STR("x-weir-error"), str_from(reply->code)  },
    };
    struct exchange x = { .status = (int)reply->status,
                          .response_headers = headers,
                          .response_header_count = 2 + reply->header_count };

    assert(reply->header_count <= REPLY_HEADERS_MAX);
    for (size_t i = 0; i < reply->header_count; i++)
        headers[2 + i] = (struct call_header){ reply->headers[i].name, reply->headers[i].value };
    recorder_response_head(call->worker->recorder, &call->recording, &x);
    recorder_chunk(call->worker->recorder, &call->recording, body); /* of ours: never hidden */
    call->response_bytes += body.len;
}

void call_record_request_body(struct proxy_call *call, struct str bytes)
{
    if (!call->hides_bodies && !call_scrub_request(call, bytes))
        recorder_request_body(call->worker->recorder, &call->recording, bytes);
}

void call_record_request_end(struct proxy_call *call)
{
    call_scrub_request_end(call);
}

void call_record_chunk(struct proxy_call *call, struct str bytes)
{
    if (!call->hides_bodies && !call_scrub_answer(call, bytes))
        recorder_chunk(call->worker->recorder, &call->recording, bytes);
}

static void on_durable(void *ctx, bool durable)
{
    call_durable(ctx, durable);
}

bool call_record_end(struct proxy_call *call, bool truncated, enum error_class error)
{
    struct recording *rec = &call->recording;
    bool hidden = call->hides_bodies;
    struct exchange *x = blank_exchange(call->worker);

    assert(call->is_begun);
    x->truncated = truncated;
    x->transport_error = error;
    x->first_token_us = -1;
    x->request_bytes = call->request_bytes;
    x->response_bytes = call->response_bytes;
    x->request_body_missing = (rec->request_dropped || hidden) && call->request_bytes;
    x->response_body_missing = (rec->response_dropped || hidden) && call->response_bytes;
    if (hidden)
        x->body_note = "the bodies of this call are credentials";
    else if (rec->request_dropped || rec->response_dropped)
        x->body_note = "the disk did not take it in time";
    call_scrub_end(call, x);
    if (call->cutover)
        call_cutover_end(call, x);
    if (call->policy)
        call_policy_end(call, error, x);
    call->is_begun = false;
    rec->on_durable = on_durable;
    rec->ctx = call;
    return recorder_end(call->worker->recorder, rec, x);
}

void call_record_forget(struct proxy_call *call)
{
    recorder_forget(call->worker->recorder, &call->recording);
}

void call_record_release(struct proxy_call *call)
{
    call_scrub_free(call->scrub);
    call->scrub = NULL;
}
