/* HTTP Archive 1.2 (softwareishard.com/blog/har-12-spec): browsers, mitmproxy, and our own export.
 *
 * The document is scanned for the elements of log.entries one at a time, so that a file of any size
 * takes the memory of its largest entry.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "base/base64.h"
#include "base/jscan.h"
#include "base/timestamp.h"
#include "capture/import_record.h"

#define US_PER_MS      1000.0
#define HAR_MICRO_MAX  INT64_C(1000000000000000000) /* of ms: what is longer is no measurement */
#define SSE_EVENTS_MAX 1000000

/* One server-sent event as browsers' extensions log it in `_eventSourceMessages`. */
struct sse_event {
    double time; /* Unix seconds; < 0 = not said */
    struct str name, id, data;
};

struct entry {
    struct import *im;
    double time_ms; /* of the whole; the parts below; < 0 = not known */
    double blocked_ms, dns_ms, connect_ms, send_ms, wait_ms, receive_ms;
    bool has_request_text, has_response_text;
    bool request_base64, response_base64; /* these texts are */
    int64_t content_bytes;                /* content.size; -1 = not said */
    struct str post_params;               /* JSON */
    VEC(struct sse_event) events;
};

typedef int (*member_fn)(struct entry *e, struct str value, struct err *err);

/* What an object's members are read by; those not listed are passed over. */
struct member {
    const char *name;
    member_fn read;
};

static int bad_member(const char *name, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "'%s' is not %s", name, what);
}

static int read_object(struct entry *e, struct str value, const struct member *members,
                       const char *name, struct err *err)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, value);
    if (!jscan_enter_object(&s))
        return str_eq(value, STR("null")) ? 0 : bad_member(name, "an object", err);
    while (jscan_next_member(&s, &key)) {
        const struct member *m = members;
        while (m->name && !str_eq(key, str_from(m->name)))
            m++;
        struct str text = jscan_skip_raw(&s);
        if (m->name && !s.failed && m->read(e, text, err) < 0)
            return -1;
    }
    return s.failed ? bad_member(name, "JSON", err) : 0;
}

static int read_text(struct entry *e, const char *name, struct str value, struct str *ret,
                     struct err *err)
{
    if (str_eq(value, STR("null")))
        return 0;
    return import_json_string(e->im, value, ret) ? 0 : bad_member(name, "a string", err);
}

/* A number of milliseconds or seconds; -1 and null stand for "not known" in HAR. */
static double read_number(struct str value)
{
    struct jscan s;
    struct str text;
    i128 micro;

    jscan_init(&s, value);
    if (!jscan_number(&s, &text) || decimal_parse(text, 6, &micro) > DECIMAL_ROUNDED)
        return -1;
    if (micro < 0 || micro > HAR_MICRO_MAX)
        return -1;
    return (double)(int64_t)micro / 1e6;
}

static int64_t read_int(struct str value, int64_t otherwise)
{
    struct jscan s;
    int64_t n;

    jscan_init(&s, value);
    return jscan_int(&s, &n) ? n : otherwise;
}

/* [{"name":..., "value":...}, ...] */
static int read_headers(struct entry *e, struct str value, bool response, struct err *err)
{
    struct import_record *rec = &e->im->record;
    struct jscan s;
    struct str key;

    jscan_init(&s, value);
    if (!jscan_enter_array(&s))
        return bad_member("headers", "an array", err);
    while (jscan_next_element(&s)) {
        struct call_header h = { 0 };
        if (!jscan_enter_object(&s))
            return bad_member("headers", "an array of objects", err);
        while (jscan_next_member(&s, &key)) {
            struct str text = jscan_skip_raw(&s);
            if (str_eq(key, STR("name")))
                import_json_string(e->im, text, &h.name);
            if (str_eq(key, STR("value")))
                import_json_string(e->im, text, &h.value);
        }
        if (h.name.len == 0 || h.name.ptr[0] == ':') /* HTTP/2's own, as browsers log them */
            continue;
        if (response)
            vec_push(&rec->response_headers, h);
        else
            vec_push(&rec->request_headers, h);
    }
    return s.failed ? bad_member("headers", "JSON", err) : 0;
}

static int request_method(struct entry *e, struct str value, struct err *err)
{
    return read_text(e, "method", value, &e->im->record.x.method, err);
}

static int request_url(struct entry *e, struct str value, struct err *err)
{
    return read_text(e, "url", value, &e->im->record.url, err);
}

static int request_headers(struct entry *e, struct str value, struct err *err)
{
    return read_headers(e, value, false, err);
}

static int request_body_size(struct entry *e, struct str value, struct err *err)
{
    (void)err;
    int64_t n = read_int(value, -1);
    if (n > 0)
        e->im->record.x.request_bytes = (uint64_t)n;
    return 0;
}

static int post_text(struct entry *e, struct str value, struct err *err)
{
    e->has_request_text = !str_eq(value, STR("null"));
    return read_text(e, "postData.text", value, &e->im->record.x.request_body, err);
}

/* mitmproxy and our export: a body that is no text. */
static int post_encoding(struct entry *e, struct str value, struct err *err)
{
    (void)err;
    struct str text;
    if (import_json_string(e->im, value, &text) && str_eq(text, STR("base64")))
        e->request_base64 = true;
    return 0;
}

static int post_params(struct entry *e, struct str value, struct err *err)
{
    (void)err;
    e->post_params = value;
    return 0;
}

static const struct member post_members[] = {
    {"text",       post_text },
    { "params",           post_params },
    { "_encoding",post_encoding },
    { 0},
};

static int request_post(struct entry *e, struct str value, struct err *err)
{
    return read_object(e, value, post_members, "postData", err);
}

static const struct member request_members[] = {
    {"method",           request_method },
    { "url",                 request_url },
    { "headers",request_headers },
    { "bodySize",         request_body_size },
    { "postData",                 request_post },
    { 0},
};

static int response_status(struct entry *e, struct str value, struct err *err)
{
    int64_t n = read_int(value, 0);
    if (n < 0 || n > 999)
        return bad_member("status", "an HTTP status", err);
    e->im->record.x.status = (int)n;
    return 0;
}

static int response_headers(struct entry *e, struct str value, struct err *err)
{
    return read_headers(e, value, true, err);
}

static int response_body_size(struct entry *e, struct str value, struct err *err)
{
    (void)err;
    int64_t n = read_int(value, -1);
    if (n > 0)
        e->im->record.x.response_bytes = (uint64_t)n;
    return 0;
}

static int content_text(struct entry *e, struct str value, struct err *err)
{
    e->has_response_text = !str_eq(value, STR("null"));
    return read_text(e, "content.text", value, &e->im->record.x.response_body, err);
}

static int content_encoding(struct entry *e, struct str value, struct err *err)
{
    (void)err;
    struct str text;
    if (import_json_string(e->im, value, &text) && str_eq(text, STR("base64")))
        e->response_base64 = true;
    return 0;
}

static int content_size(struct entry *e, struct str value, struct err *err)
{
    (void)err;
    e->content_bytes = read_int(value, -1);
    return 0;
}

static const struct member content_members[] = {
    {"text",            content_text },
    { "encoding",                content_encoding },
    { "size",content_size },
    { 0          },
};

static int response_content(struct entry *e, struct str value, struct err *err)
{
    return read_object(e, value, content_members, "content", err);
}

/* Chrome: "net::ERR_..."; no answer, or one that broke off. */
static int transport_error(struct entry *e, struct str value, struct err *err)
{
    (void)err;
    struct str text;
    if (e->im->record.x.transport_error == ERROR_CLASS_NONE && /* `_weir` says which */
        import_json_string(e->im, value, &text) && text.len)
        e->im->record.x.transport_error = ERROR_CLASS_TRANSPORT;
    return 0;
}

static const struct member response_members[] = {
    {"status",            response_status },
    { "headers",                  response_headers },
    { "content",response_content },
    { "bodySize",          response_body_size },
    { "_error",                  transport_error },
    { 0},
};

#define TIMING(name)                                                                               \
    static int timing_##name(struct entry *e, struct str value, struct err *err)                   \
    {                                                                                              \
        (void)err;                                                                                 \
        e->name##_ms = read_number(value);                                                         \
        return 0;                                                                                  \
    }
TIMING(blocked)
TIMING(dns)
TIMING(connect)
TIMING(send)
TIMING(wait)
TIMING(receive)
TIMING(time)
#undef TIMING

static const struct member timing_members[] = {
    {"blocked",    timing_blocked },
    { "dns",           timing_dns },
    { "connect",timing_connect },
    { "send",   timing_send },
    { "wait",           timing_wait },
    { "receive",timing_receive },
    { 0     },
};

static int entry_request(struct entry *e, struct str value, struct err *err)
{
    return read_object(e, value, request_members, "request", err);
}

static int entry_response(struct entry *e, struct str value, struct err *err)
{
    return read_object(e, value, response_members, "response", err);
}

static int entry_timings(struct entry *e, struct str value, struct err *err)
{
    return read_object(e, value, timing_members, "timings", err);
}

static int entry_started(struct entry *e, struct str value, struct err *err)
{
    struct import_record *rec = &e->im->record;
    struct str text;

    if (rec->has_time) /* `_weir` has it in microseconds */
        return 0;
    if (!import_json_string(e->im, value, &text) || !timestamp_parse(text, &rec->x.started_us))
        return bad_member("startedDateTime", "a time", err);
    rec->has_time = true;
    return 0;
}

static int entry_events(struct entry *e, struct str value, struct err *err)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, value);
    if (!jscan_enter_array(&s))
        return 0;
    while (jscan_next_element(&s)) {
        struct sse_event event = { .time = -1 };
        if (!jscan_enter_object(&s))
            return bad_member("_eventSourceMessages", "an array of objects", err);
        while (jscan_next_member(&s, &key)) {
            struct str text = jscan_skip_raw(&s);
            if (str_eq(key, STR("time")))
                event.time = read_number(text);
            else if (str_eq(key, STR("eventName")))
                import_json_string(e->im, text, &event.name);
            else if (str_eq(key, STR("eventId")))
                import_json_string(e->im, text, &event.id);
            else if (str_eq(key, STR("data")))
                import_json_string(e->im, text, &event.data);
        }
        if (e->events.len == SSE_EVENTS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d events", SSE_EVENTS_MAX);
        vec_push(&e->events, event);
    }
    return s.failed ? bad_member("_eventSourceMessages", "JSON", err) : 0;
}

/* What weir itself adds to entries it exports. */
static int entry_weir(struct entry *e, struct str value, struct err *err)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, value);
    if (!jscan_enter_object(&s))
        return bad_member("_weir", "an object", err);
    while (jscan_next_member(&s, &key)) {
        struct str text = jscan_skip_raw(&s);
        if (!s.failed && import_set_extra(e->im, key, text, err) < 0)
            return err_wrap(err, "_weir");
    }
    return s.failed ? bad_member("_weir", "JSON", err) : 0;
}

static const struct member entry_members[] = {
    {"startedDateTime", entry_started },
    { "time",                timing_time },
    { "request",entry_request },
    { "response",        entry_response },
    { "timings",                entry_timings },
    { "_eventSourceMessages",entry_events },
    { "_error",        transport_error },
    { 0               },
};
static const struct member weir_members[] = {
    {"_weir", entry_weir },
    { 0     }
};

static int undo_base64(struct entry *e, struct str *body, const char *name, struct err *err)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };

    if (base64_decode(&bytes, *body, err) < 0)
        return err_wrap(err, "'%s'", name);
    *body = arena_str(&e->im->arena, buf_str(&bytes));
    return 0;
}

/* The events as the stream they came in; WHATWG HTML 9.2.6. */
static void body_from_events(struct entry *e, struct buf *out)
{
    struct import_record *rec = &e->im->record;

    for (size_t i = 0; i < e->events.len; i++) {
        const struct sse_event *event = &e->events.ptr[i];
        size_t before = out->len;
        struct str rest = event->data, line;

        if (event->name.len && !str_eq(event->name, STR("message")))
            buf_addf(out, "event: %.*s\n", STR_ARG(event->name));
        if (event->id.len)
            buf_addf(out, "id: %.*s\n", STR_ARG(event->id));
        while (str_split(&rest, '\n', &line)) {
            buf_add_text(out, "data: ");
            buf_add_str(out, line);
            buf_add_byte(out, '\n');
        }
        buf_add_byte(out, '\n');
        vec_push(&rec->chunks, (struct exchange_chunk){ 0, out->len - before });
    }
}

/* Cuts a body behind each blank line; the pieces become chunks. */
static void chunks_from_body(struct import_record *rec, struct str body)
{
    size_t from = 0;
    while (from < body.len) {
        size_t end = from;
        for (;; end++) {
            if (end >= body.len)
                break;
            if (body.ptr[end] != '\n')
                continue;
            struct str next = str_sub(body, end + 1, 2);
            size_t blank = str_starts_with(next, STR("\n")) ? 1 : str_eq(next, STR("\r\n")) ? 2 : 0;
            if (blank) {
                end += 1 + blank;
                break;
            }
        }
        vec_push(&rec->chunks, (struct exchange_chunk){ 0, end - from });
        from = end;
    }
}

/* Gives the chunks the times of the events; without as many of one as of the other, the times say
 * nothing and are left. */
static void use_events(struct entry *e)
{
    struct import_record *rec = &e->im->record;
    CLEANUP(buf_release) struct buf body = { 0 };

    if (e->events.len == 0 || rec->chunks.len)
        return;
    if (rec->x.response_body.len) {
        chunks_from_body(rec, rec->x.response_body);
    } else {
        body_from_events(e, &body);
        rec->x.response_body = arena_str(&e->im->arena, buf_str(&body));
        e->has_response_text = true;
    }
    bool timed = rec->has_time && rec->chunks.len == e->events.len;
    uint64_t last = 0;
    for (size_t i = 0; timed && i < e->events.len; i++) {
        double since = e->events.ptr[i].time * 1e6 - (double)rec->x.started_us;
        timed = e->events.ptr[i].time >= 0 && since > -1e6 && since < 1e15;
        uint64_t at = timed && since > 0 ? (uint64_t)since : 0;
        last = at > last ? at : last; /* time does not run backwards within an answer */
        rec->chunks.ptr[i].offset_us = last;
    }
    if (!timed)
        vec_clear(&rec->chunks);
}

/* Form fields that were not kept as text. */
static void body_from_params(struct entry *e)
{
    struct jscan s;
    struct str key, name, value;
    CLEANUP(buf_release) struct buf body = { 0 };

    jscan_init(&s, e->post_params);
    if (!jscan_enter_array(&s))
        return;
    while (jscan_next_element(&s)) {
        name = value = STR("");
        if (!jscan_enter_object(&s))
            return;
        while (jscan_next_member(&s, &key)) {
            struct str text = jscan_skip_raw(&s);
            if (str_eq(key, STR("name")))
                import_json_string(e->im, text, &name);
            if (str_eq(key, STR("value")))
                import_json_string(e->im, text, &value);
        }
        buf_addf(&body, "%s%.*s=%.*s", body.len ? "&" : "", STR_ARG(name), STR_ARG(value));
    }
    e->im->record.x.request_body = arena_str(&e->im->arena, buf_str(&body));
    e->has_request_text = body.len > 0;
}

static int64_t add_ms(int64_t us, double ms)
{
    return ms > 0 ? us + (int64_t)llround(ms * US_PER_MS) : us;
}

/* HAR's durations as offsets; "ssl" is part of "connect". */
static void use_timings(struct entry *e)
{
    struct exchange *x = &e->im->record.x;
    int64_t at = 0;

    at = add_ms(at, e->blocked_ms);
    at = add_ms(at, e->dns_ms);
    at = add_ms(at, e->connect_ms);
    at = add_ms(at, e->send_ms);
    if (x->request_us < 0 && e->send_ms >= 0)
        x->request_us = at;
    at = add_ms(at, e->wait_ms);
    if (x->head_us < 0 && e->wait_ms > 0 && x->status)
        x->head_us = at;
    at = add_ms(at, e->receive_ms);
    if (x->end_us < 0 && e->time_ms > 0)
        x->end_us = add_ms(0, e->time_ms) > at ? add_ms(0, e->time_ms) : at;
}

static int finish_entry(struct entry *e, struct err *err)
{
    struct import_record *rec = &e->im->record;
    struct exchange *x = &rec->x;

    if (rec->url.len == 0)
        return err_set(err, ERR_CORRUPT, "has no 'request.url'");
    if ((e->request_base64 && undo_base64(e, &x->request_body, "postData.text", err) < 0) ||
        (e->response_base64 && undo_base64(e, &x->response_body, "content.text", err) < 0))
        return -1;
    import_undo_encodings(e->im);
    if (!e->has_request_text && e->post_params.len)
        body_from_params(e);
    use_events(e);
    use_timings(e);
    x->request_body_missing |= !e->has_request_text && x->request_bytes > 0;
    x->response_body_missing |= x->status != 0 && !e->has_response_text && e->content_bytes != 0;
    if (x->transport_error && x->status)
        x->truncated = true;
    return 0;
}

int import_parse_entry(struct import *im, struct str text, struct err *err)
{
    struct entry e = { .im = im, .content_bytes = -1 };
    struct import_record *rec = &im->record;

    e.time_ms = e.blocked_ms = e.dns_ms = e.connect_ms = -1;
    e.send_ms = e.wait_ms = e.receive_ms = -1;
    rec->kind = STR("har");
    rec->raw = text;
    rec->x.origin = STR("import:har");
    /* `_weir` first: its times are finer than HAR's. */
    int r = read_object(&e, text, weir_members, "entry", err);
    if (r == 0)
        r = read_object(&e, text, entry_members, "entry", err);
    if (r == 0)
        r = finish_entry(&e, err);
    vec_release(&e.events);
    return r;
}

int import_read_har(struct import *im, struct import_input *in, struct err *err)
{
    struct import_elements entries = {
        .path = {STR("log"), STR("entries")},
          .path_len = 2
    };
    struct str text;
    uint64_t line = 1;
    int r;

    while ((r = import_input_element(in, &entries, &text, &line, err)) != 0) {
        import_begin(im);
        if (r < 0 && err->code != ERR_LIMIT) {
            import_report(im, line, err->text);
            return 0; /* the entries before the damage are in */
        }
        if (r < 0 || import_parse_entry(im, text, err) < 0)
            import_report(im, line, err->text);
        else if (import_add_at(im, line, err) < 0)
            return -1;
        import_progress(im, in);
    }
    if (!entries.found)
        return err_set(err, ERR_CORRUPT, "no HAR file: it has no log.entries");
    return 0;
}
