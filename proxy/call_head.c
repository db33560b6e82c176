/* The way in and out of a call: whether it may go where it wants, and the head that goes there. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "proxy/call.h"
#include "proxy/door.h"
#include "proxy/names.h"

/* A body that must be complete before its head can be written: AWS's signature covers both. */
struct call_hold {
    struct sha256 *hash;
    struct buf bytes; /* framed as they will go */
};

/* --- the way in --- */

static void log_key(struct proxy_call *call, const struct door *door, enum reply_kind why)
{
    struct worker *w = call->worker;
    char fingerprint[FINGERPRINT_TEXT_BYTES] = "";

    if (door->shown.len)
        key_fingerprint(&w->key, "key", door->shown, fingerprint);
    w->stats->keys_refused++;
    log_event(&w->log, LOG_LEVEL_WARN, loop_wall_us(w->loop), "key_refused",
              LOG_STR("client", str_from(call->address)), LOG_STR("upstream", call->upstream->name),
              LOG_STR("code", str_from(replies[why].code)),
              LOG_STR("key", door->key ? door->key->id : STR("")),
              LOG_STR("key_id", str_from(fingerprint)));
}

bool call_admit(struct proxy_call *call, struct route *route, enum reply_kind *ret_why)
{
    static const enum reply_kind of_route[] = {
        [ROUTE_UNKNOWN] = REPLY_NO_ROUTE,
        [ROUTE_BAD_PATH] = REPLY_BAD_PATH,
        [ROUTE_NO_PATH] = REPLY_NO_PATH,
    };
    const struct http1_head *head = call->request;
    const struct proxy_conf *c = call->conf;
    struct route_request asked = { head->authority, head->path, names_value(head, NAME_APP) };
    enum route_result routed = route_find(c, &asked, route);
    struct door door;

    if (routed != ROUTE_OK) {
        *ret_why = of_route[routed];
        return false;
    }
    call->upstream = route->upstream;
    call->rest = route->rest;
    if (!door_admits(c, head, route, (int64_t)loop_wall_us(call->worker->loop), &door, ret_why)) {
        log_key(call, &door, *ret_why);
        return false;
    }
    call->client_key = door.key;
    call->shows_no_key = door.shows_none;
    *ret_why = REPLY_TOO_LARGE;
    return head->framing != HTTP1_LENGTH || head->content_length <= c->limits.body_bytes;
}

/* --- the way out --- */

static void write_head(struct proxy_call *call, struct str payload_hash, const uint64_t *body_bytes,
                       struct buf *out)
{
    head_write_request(
        out, call->request,
        &(struct head_request){ .upstream = call->upstream,
                                .rest = call->rest,
                                .trace = &call->trace,
                                .is_foreign = call->is_foreign,
                                .shows_no_key = call->shows_no_key,
                                .has_body_bytes = body_bytes != NULL,
                                .body_bytes = body_bytes ? *body_bytes : 0,
                                .payload_hash = payload_hash,
                                .now_us = (int64_t)loop_wall_us(call->worker->loop) });
}

bool call_write_head(struct proxy_call *call, struct buf *out)
{
    struct str hash = STR("");

    if (call->upstream->aws) {
        hash = head_payload_hash(call->request);
        if (!hash.len)
            return false;
    }
    write_head(call, hash, NULL, out);
    return true;
}

void call_write_head_for(struct proxy_call *call, struct str payload_hash, uint64_t body_bytes,
                         struct buf *out)
{
    write_head(call, payload_hash, &body_bytes, out);
}

void call_hold_begin(struct proxy_call *call)
{
    call->hold = mem_calloc(1, sizeof(*call->hold));
    call->hold->hash = sha256_new();
}

bool call_hold_body(struct proxy_call *call, struct str bytes)
{
    struct call_hold *h = call->hold;
    struct worker *w = call->worker;
    size_t before = h->bytes.len;

    if (w->held_bytes + bytes.len > CALL_HELD_BYTES_MAX)
        return false;
    sha256_update(h->hash, bytes.ptr, bytes.len);
    if (call->request->framing == HTTP1_CHUNKED)
        http1_write_chunk(&h->bytes, bytes);
    else
        buf_add_str(&h->bytes, bytes);
    w->held_bytes += h->bytes.len - before;
    return true;
}

void call_hold_end(struct proxy_call *call, struct buf *out)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    sha256_final(call->hold->hash, digest);
    write_head(call, str_from(hex_encode(digest, sizeof(digest), hex)), NULL, out);
    buf_add_str(out, buf_str(&call->hold->bytes));
    call_hold_free(call);
}

void call_hold_free(struct proxy_call *call)
{
    struct call_hold *h = TAKE(call->hold);

    if (!h)
        return;
    call->worker->held_bytes -= h->bytes.len;
    sha256_free(h->hash);
    buf_release(&h->bytes);
    free(h);
}
