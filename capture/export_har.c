/* HAR 1.2 (softwareishard.com/blog/har-12-spec); required members as har-schema 2.0 checks them. */
#include "config.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "capture/export.h"
#include "capture/export_json.h"

#define TEXT_TYPE "application/octet-stream" /* of a body whose head does not say */

/* "key":1.234, in milliseconds. */
static void add_ms(struct buf *out, const char *key, int64_t us)
{
    json_add_key(out, key);
    if (us < 0)
        buf_add_text(out, "-1");
    else
        buf_addf(out, "%lld.%03d", (long long)(us / 1000), (int)(us % 1000));
}

static void add_headers(struct buf *out, const struct call_header *headers, size_t count)
{
    json_add_key(out, "headers");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "name", headers[i].name);
        json_add_str(out, "value", headers[i].value.ptr ? headers[i].value : STR(""));
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void add_query(struct buf *out, struct str query)
{
    struct str rest = query, pair;
    bool first = true;

    json_add_key(out, "queryString");
    buf_add_byte(out, '[');
    while (query.len && str_split(&rest, '&', &pair)) {
        ptrdiff_t eq = str_find_char(pair, '=', 0);
        struct str name = eq >= 0 ? str_sub(pair, 0, (size_t)eq) : pair;
        buf_add_text(out, first ? "{" : ",{");
        json_add_str(out, "name", name.ptr ? name : STR(""));
        json_add_str(out, "value", eq >= 0 ? str_sub(pair, (size_t)eq + 1, pair.len) : STR(""));
        buf_add_byte(out, '}');
        first = false;
    }
    buf_add_byte(out, ']');
}

static struct str content_type(const struct call_header *headers, size_t count)
{
    struct str type = call_header_find(headers, count, "content-type");
    return type.len ? type : STR(TEXT_TYPE);
}

/* The text of a body; base64 where it is none, which `flag` then says. */
static void add_text(struct buf *out, struct str body, const char *flag)
{
    if (export_is_utf8(body)) {
        json_add_str(out, "text", body.ptr ? body : STR(""));
        return;
    }
    json_add_str(out, flag, STR("base64"));
    json_add_key(out, "text");
    buf_add_byte(out, '"');
    base64_encode(out, body);
    buf_add_byte(out, '"');
}

static void add_request(struct buf *out, const struct exchange *x)
{
    CLEANUP(buf_release) struct buf url = { 0 };

    if (!x->scheme.len) /* HAR wants a whole URL */
        buf_addf(&url, "http://%.*s", STR_ARG(x->host.len ? x->host : STR("unknown.invalid")));
    export_url(x, &url);
    json_add_key(out, "request");
    buf_add_byte(out, '{');
    json_add_str(out, "method", x->method.len ? x->method : STR("POST"));
    json_add_str(out, "url", buf_str(&url));
    json_add_str(out, "httpVersion", STR("HTTP/1.1"));
    buf_add_text(out, ",\"cookies\":[]");
    add_headers(out, x->request_headers, x->request_header_count);
    add_query(out, x->query);
    if (!x->request_body_missing && x->request_body.len) {
        json_add_key(out, "postData");
        buf_add_byte(out, '{');
        json_add_str(out, "mimeType", content_type(x->request_headers, x->request_header_count));
        add_text(out, x->request_body, "_encoding");
        buf_add_byte(out, '}');
    }
    json_add_int(out, "headersSize", -1);
    json_add_int(out, "bodySize", (int64_t)x->request_bytes);
    buf_add_byte(out, '}');
}

static void add_response(struct buf *out, const struct exchange *x)
{
    struct str location =
        call_header_find(x->response_headers, x->response_header_count, "location");

    json_add_key(out, "response");
    buf_add_byte(out, '{');
    json_add_int(out, "status", x->status);
    json_add_str(out, "statusText", STR(""));
    json_add_str(out, "httpVersion", STR("HTTP/1.1"));
    buf_add_text(out, ",\"cookies\":[]");
    add_headers(out, x->response_headers, x->response_header_count);
    json_add_key(out, "content");
    buf_add_byte(out, '{');
    json_add_int(out, "size",
                 (int64_t)(x->response_body_missing ? x->response_bytes : x->response_body.len));
    json_add_str(out, "mimeType", content_type(x->response_headers, x->response_header_count));
    if (!x->response_body_missing)
        add_text(out, x->response_body, "encoding");
    buf_add_byte(out, '}');
    json_add_str(out, "redirectURL", location.ptr ? location : STR(""));
    json_add_int(out, "headersSize", -1);
    json_add_int(out, "bodySize", (int64_t)x->response_bytes);
    if (x->transport_error != ERROR_CLASS_NONE)
        json_add_str(out, "_error", str_from(error_class_name(x->transport_error)));
    buf_add_byte(out, '}');
}

/* Where an offset is not known, the phase before it ends where it began. */
static void add_timings(struct buf *out, const struct exchange *x)
{
    int64_t end = x->end_us >= 0 ? x->end_us : 0;
    int64_t request = x->request_us >= 0 ? x->request_us : 0;
    int64_t head = x->head_us >= request ? x->head_us : request;

    if (end < head)
        end = head;
    add_ms(out, "time", end);
    json_add_key(out, "timings");
    buf_add_byte(out, '{');
    add_ms(out, "send", request);
    add_ms(out, "wait", head - request);
    add_ms(out, "receive", end - head);
    buf_add_byte(out, '}');
}

void export_entry(const struct exchange *x, struct buf *out)
{
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "startedDateTime", str_from(timestamp_format(x->started_us, at)));
    add_timings(out, x);
    add_request(out, x);
    add_response(out, x);
    buf_add_text(out, ",\"cache\":{}");
    json_add_key(out, "_weir");
    buf_add_byte(out, '{');
    export_add_extras(out, x);
    buf_add_text(out, "}}");
}
