#include "config.h"

#include "base/http2_fields.h"

#include <stdlib.h>

#include "base/http1_head.h"

#define FIELD_OVERHEAD 32u /* RFC 9113, 6.5.2 */

static const struct str pseudo_names[] = {
    [HTTP2_METHOD] = STR_INIT(":method"),
    [HTTP2_SCHEME] = STR_INIT(":scheme"),
    [HTTP2_PATH] = STR_INIT(":path"),
    [HTTP2_AUTHORITY] = STR_INIT(":authority"),
};

/* Of a connection in HTTP/1.1 (RFC 9113, 8.2.2), and what HTTP/1.1 would frame a message with. */
static const struct str forbidden[] = {
    STR_INIT("connection"),        STR_INIT("keep-alive"), STR_INIT("proxy-connection"),
    STR_INIT("transfer-encoding"), STR_INIT("upgrade"),    STR_INIT("http2-settings"),
};

void http2_fields_release(struct http2_fields *f)
{
    buf_release(&f->raw);
    buf_release(&f->cookie);
    vec_release(&f->fields);
    *f = (struct http2_fields){ 0 };
}

struct str http2_fields_str(const struct http2_fields *f, struct http2_span span)
{
    return str_sub(buf_str(&f->raw), span.at, span.len);
}

static struct http2_span keep(struct http2_fields *f, struct str text)
{
    struct http2_span span = { f->raw.len, text.len };

    buf_add_str(&f->raw, text);
    return span;
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
            return false;
    return http1_is_token(name);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_value(struct str value)
{
    return http1_is_text(value) &&
           (!value.len || (!is_blank(value.ptr[0]) && !is_blank(value.ptr[value.len - 1])));
}

/* Visible ASCII, so that it can stand in a start line or Host. */
static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return text.len > 0;
}

static int add_pseudo(struct http2_fields *f, struct str name, struct str value)
{
    for (size_t i = 0; i < HTTP2_PSEUDO_COUNT; i++)
        if (str_eq(name, pseudo_names[i])) {
            if (f->are_trailers || f->has_regular || f->has_pseudo[i] || !is_visible(value))
                return -1;
            f->has_pseudo[i] = true;
            f->pseudo[i] = keep(f, value);
            return 0;
        }
    return -1;
}

static int add_length(struct http2_fields *f, struct str value)
{
    uint64_t n = 0;

    if (f->has_length || !value.len || value.len > 18) /* 18 digits cannot overflow */
        return -1;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return -1;
        n = n * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    f->has_length = true;
    f->content_length = n;
    return 0;
}

static int add_host(struct http2_fields *f, struct str value)
{
    if (f->has_host || !is_visible(value))
        return -1;
    f->has_host = true;
    f->host = keep(f, value);
    return 0;
}

/* RFC 9113, 8.2.3. */
static void add_cookie(struct http2_fields *f, struct str value)
{
    if (f->cookie.len)
        buf_add_text(&f->cookie, "; ");
    buf_add_str(&f->cookie, value);
}

static bool is_forbidden(struct str name, struct str value)
{
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        if (str_eq(name, forbidden[i]))
            return true;
    return str_eq(name, STR("te")) && !str_ieq(value, STR("trailers"));
}

static int add_regular(struct http2_fields *f, struct str name, struct str value)
{
    f->has_regular = true;
    if (!is_name(name) || !is_value(value) || is_forbidden(name, value))
        return -1;
    if (str_eq(name, STR("content-length")))
        return f->are_trailers ? -1 : add_length(f, value);
    if (str_eq(name, STR("host")))
        return f->are_trailers ? -1 : add_host(f, value);
    if (str_eq(name, STR("cookie")) && !f->are_trailers) {
        add_cookie(f, value);
        return 0;
    }
    struct http2_span at = keep(f, name);
    vec_push(&f->fields, ((struct http2_field){ at, keep(f, value) }));
    return 0;
}

int http2_fields_add(struct http2_fields *f, const struct http1_limits *limits, struct str name,
                     struct str value)
{
    f->bytes += name.len + value.len + FIELD_OVERHEAD;
    f->count++;
    if (f->bytes > limits->head_bytes || f->count > limits->headers)
        f->is_too_large = true;
    if (f->is_too_large)
        return 0;
    if (name.len && name.ptr[0] == ':')
        return add_pseudo(f, name, value);
    return add_regular(f, name, value);
}

/* --- as HTTP/1.1 --- */

/* An authority has no user, path or query: what would let it be read as another host. */
static bool is_authority(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (str_find_char(STR("@/\\?#"), s.ptr[i], 0) >= 0)
            return false;
    return true;
}

static bool is_path(struct str method, struct str path)
{
    if (str_eq(path, STR("*")))
        return str_eq(method, STR("OPTIONS"));
    return path.ptr[0] == '/' && str_find_char(path, '#', 0) < 0;
}

/* Methods of which a server wants to know that there is no body. */
static bool has_body_usually(struct str method)
{
    return str_eq(method, STR("POST")) || str_eq(method, STR("PUT")) ||
           str_eq(method, STR("PATCH"));
}

static int check(const struct http2_fields *f, bool with_body, struct str authority)
{
    struct str host = http2_fields_str(f, f->host);
    struct str scheme = http2_fields_str(f, f->pseudo[HTTP2_SCHEME]);

    for (size_t i = 0; i < HTTP2_AUTHORITY; i++)
        if (!f->has_pseudo[i])
            return -1;
    if (!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https")))
        return -1;
    if (!is_path(http2_fields_str(f, f->pseudo[HTTP2_METHOD]),
                 http2_fields_str(f, f->pseudo[HTTP2_PATH])))
        return -1;
    if (!authority.len || !is_authority(authority) || (f->has_host && !str_ieq(host, authority)))
        return -1;
    return !with_body && f->has_length && f->content_length ? -1 : 0;
}

int http2_fields_write_request(const struct http2_fields *f, bool with_body, struct buf *out)
{
    struct str method = http2_fields_str(f, f->pseudo[HTTP2_METHOD]);
    struct str authority = f->has_pseudo[HTTP2_AUTHORITY]
                               ? http2_fields_str(f, f->pseudo[HTTP2_AUTHORITY])
                               : http2_fields_str(f, f->host);

    if (check(f, with_body, authority) < 0)
        return -1;
    http1_write_request_line(out, method, http2_fields_str(f, f->pseudo[HTTP2_PATH]));
    if (http1_write_header(out, STR("host"), authority) < 0)
        return -1;
    for (size_t i = 0; i < f->fields.len; i++)
        if (http1_write_header(out, http2_fields_str(f, f->fields.ptr[i].name),
                               http2_fields_str(f, f->fields.ptr[i].value)) < 0)
            return -1;
    if (f->cookie.len && http1_write_header(out, STR("cookie"), buf_str(&f->cookie)) < 0)
        return -1;
    if (with_body && !f->has_length)
        http1_write_framing(out, HTTP1_CHUNKED, 0);
    else if (f->has_length || has_body_usually(method))
        http1_write_framing(out, HTTP1_LENGTH, f->content_length);
    http1_write_end(out);
    return 0;
}
