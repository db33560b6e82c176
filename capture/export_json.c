/* JSON lines: weir-exchanges(5). */
#include "config.h"

#include "capture/export_json.h"

#include "base/base64.h"
#include "base/jscan.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "capture/exchange_fields.h"
#include "capture/export.h"

/* The length of the UTF-8 sequence at s[at], 0 if there is none (RFC 3629). */
static size_t utf8_length(struct str s, size_t at)
{
    static const struct {
        unsigned char lead_mask, lead;
        size_t len;
        uint32_t min;
    } forms[] = {
        {0x80,  0x00, 1, 0      },
        { 0xe0, 0xc0, 2, 0x80   },
        { 0xf0, 0xe0, 3, 0x800  },
        { 0xf8, 0xf0, 4, 0x10000},
    };
    unsigned char c = (unsigned char)s.ptr[at];

    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if ((c & forms[i].lead_mask) != forms[i].lead)
            continue;
        uint32_t value = c & (unsigned char)~forms[i].lead_mask;
        if (at + forms[i].len > s.len)
            return 0;
        for (size_t k = 1; k < forms[i].len; k++) {
            unsigned char next = (unsigned char)s.ptr[at + k];
            if ((next & 0xc0) != 0x80)
                return 0;
            value = value << 6 | (next & 0x3f);
        }
        bool good =
            value >= forms[i].min && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
        return good ? forms[i].len : 0;
    }
    return 0;
}

bool export_is_utf8(struct str s)
{
    for (size_t at = 0; at < s.len;) {
        size_t len = utf8_length(s, at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}

void export_url(const struct exchange *x, struct buf *out)
{
    if (x->scheme.len)
        buf_addf(out, "%.*s://%.*s", STR_ARG(x->scheme), STR_ARG(x->host));
    buf_add_str(out, x->path);
    if (x->query.len) {
        buf_add_byte(out, '?');
        buf_add_str(out, x->query);
    }
}

static void add_field(struct buf *out, const struct exchange *x, const struct exchange_field *f)
{
    const void *at = (const char *)x + f->offset;
    const char *name = exchange_field_frame_name(f);

    switch (f->kind) {
    case FIELD_TEXT:
        if (((const struct str *)at)->len)
            json_add_str(out, name, *(const struct str *)at);
        break;
    case FIELD_TIME:
        if (*(const int64_t *)at >= 0)
            json_add_int(out, name, *(const int64_t *)at);
        break;
    case FIELD_COUNT:
        if (*(const uint64_t *)at)
            json_add_int(out, name, (int64_t) * (const uint64_t *)at);
        break;
    case FIELD_SMALL:
        if (*(const int32_t *)at)
            json_add_int(out, name, *(const int32_t *)at);
        break;
    case FIELD_FLAG:
        if (*(const bool *)at)
            json_add_bool(out, name, true);
        break;
    }
}

/* Written elsewhere or in another way. */
static bool is_special(const struct exchange *x, const struct exchange_field *f)
{
    const void *at = (const char *)x + f->offset;

    return f->where == FRAME_NONE || at == &x->labels || at == &x->who.end_user ||
           at == &x->scheme || at == &x->request_body_missing || at == &x->response_body_missing ||
           (at == &x->host && x->scheme.len) || (at == &x->requests && x->requests <= 1);
}

static void add_labels(struct buf *out, struct str labels)
{
    struct jscan s;

    jscan_init(&s, labels);
    if (jscan_peek(&s) != JSCAN_OBJECT)
        return;
    jscan_skip(&s);
    if (!jscan_at_end(&s))
        return;
    json_add_key(out, "labels");
    buf_add_str(out, labels);
}

static void add_chunks(struct buf *out, const struct exchange *x)
{
    if (!x->chunk_count)
        return;
    json_add_key(out, "chunks");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < x->chunk_count; i++)
        buf_addf(out, "%s[%llu,%llu]", i ? "," : "", (unsigned long long)x->chunks[i].offset_us,
                 (unsigned long long)x->chunks[i].bytes);
    buf_add_byte(out, ']');
}

void export_add_extras(struct buf *out, const struct exchange *x)
{
    char id[UUID_TEXT_BYTES], at[TIMESTAMP_TEXT_BYTES];

    json_add_str(out, "id", str_from(uuid_format(x->id, id)));
    json_add_str(out, "started_at", str_from(timestamp_format(x->started_us, at)));
    for (size_t i = 0; i < exchange_field_count; i++)
        if (!is_special(x, &exchange_fields[i]))
            add_field(out, x, &exchange_fields[i]);
    if (x->who.end_user.len)
        json_add_str(out, "end_user_fingerprint", x->who.end_user);
    if (x->transport_error != ERROR_CLASS_NONE)
        json_add_str(out, "transport_error", str_from(error_class_name(x->transport_error)));
    if (x->body_note)
        json_add_str(out, "body_note", str_from(x->body_note));
    if (x->request_body_encoded)
        json_add_bool(out, "request_encoded", true);
    if (x->response_body_encoded)
        json_add_bool(out, "response_encoded", true);
    add_labels(out, x->labels);
    add_chunks(out, x);
    exchange_add_steps(x, out);
}

/* {"name":"value"}, or {"name":["value",...]} for a name that comes more than once. */
static void add_headers(struct buf *out, const char *key, const struct call_header *headers,
                        size_t count)
{
    json_add_key(out, key);
    buf_add_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        size_t same = 0, before = 0;
        for (size_t k = 0; k < count; k++)
            if (str_eq(headers[k].name, headers[i].name)) {
                same++;
                before += k < i;
            }
        if (before)
            continue;
        if (buf_str(out).ptr[out->len - 1] != '{')
            buf_add_byte(out, ',');
        json_add_string(out, headers[i].name);
        buf_add_text(out, same > 1 ? ":[" : ":");
        for (size_t k = i; k < count; k++)
            if (str_eq(headers[k].name, headers[i].name)) {
                if (k > i)
                    buf_add_byte(out, ',');
                json_add_string(out, headers[k].value);
            }
        if (same > 1)
            buf_add_byte(out, ']');
    }
    buf_add_byte(out, '}');
}

static void add_body(struct buf *out, const char *name, struct str body, bool missing)
{
    buf_addf(out, ",\"%s", name); /* never the first member */
    if (missing) {
        buf_add_text(out, "_dropped\":true");
    } else if (export_is_utf8(body)) {
        buf_add_text(out, "\":");
        json_add_string(out, body);
    } else {
        buf_add_text(out, "_b64\":\"");
        base64_encode(out, body);
        buf_add_byte(out, '"');
    }
}

void export_line(const struct exchange *x, struct buf *out)
{
    CLEANUP(buf_release) struct buf url = { 0 };
    bool is_row = str_eq(x->origin, STR(ORIGIN_ROWS));

    buf_add_byte(out, '{');
    export_add_extras(out, x);
    export_url(x, &url);
    if (x->method.len)
        json_add_str(out, "method", x->method);
    if (url.len)
        json_add_str(out, "url", buf_str(&url));
    if (x->status)
        json_add_int(out, "status", x->status);
    if (is_row) {
        json_add_key(out, "facts");
        exchange_facts_to_json(&x->facts, out);
    } else {
        add_headers(out, "req_headers", x->request_headers, x->request_header_count);
        add_body(out, "req_body", x->request_body, x->request_body_missing);
        add_headers(out, "resp_headers", x->response_headers, x->response_header_count);
        if (x->status || x->response_body.len || x->response_body_missing)
            add_body(out, "resp_body", x->response_body, x->response_body_missing);
    }
    buf_add_byte(out, '}');
}
