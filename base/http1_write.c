#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1_head.h"

/* --- looking into heads --- */

const struct http1_header *http1_find(const struct http1_head *head, struct str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].name.len == name.len && str_ieq(head->headers[i].name, name))
            return &head->headers[i];
    return NULL;
}

bool http1_has_token(const struct http1_head *head, struct str name, struct str token)
{
    for (size_t i = 0; i < head->header_count; i++) {
        struct str rest = head->headers[i].value, element;
        if (!str_ieq(head->headers[i].name, name))
            continue;
        while (str_split(&rest, ',', &element))
            if (str_ieq(str_trim(element), token))
                return true;
    }
    return false;
}

int http1_is_h2_preface(struct str bytes)
{
    static const struct str preface = STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

    if (bytes.len >= preface.len)
        return str_starts_with(bytes, preface);
    return str_starts_with(preface, bytes) ? -1 : 0;
}

/* --- writing --- */

static const struct {
    unsigned status;
    struct str words;
} reasons[] = {
    {100,  STR_INIT("Continue")                       },
    { 200, STR_INIT("OK")                             },
    { 201, STR_INIT("Created")                        },
    { 202, STR_INIT("Accepted")                       },
    { 204, STR_INIT("No Content")                     },
    { 206, STR_INIT("Partial Content")                },
    { 301, STR_INIT("Moved Permanently")              },
    { 302, STR_INIT("Found")                          },
    { 303, STR_INIT("See Other")                      },
    { 304, STR_INIT("Not Modified")                   },
    { 307, STR_INIT("Temporary Redirect")             },
    { 308, STR_INIT("Permanent Redirect")             },
    { 400, STR_INIT("Bad Request")                    },
    { 401, STR_INIT("Unauthorized")                   },
    { 402, STR_INIT("Payment Required")               },
    { 403, STR_INIT("Forbidden")                      },
    { 404, STR_INIT("Not Found")                      },
    { 405, STR_INIT("Method Not Allowed")             },
    { 408, STR_INIT("Request Timeout")                },
    { 409, STR_INIT("Conflict")                       },
    { 410, STR_INIT("Gone")                           },
    { 411, STR_INIT("Length Required")                },
    { 413, STR_INIT("Content Too Large")              },
    { 414, STR_INIT("URI Too Long")                   },
    { 415, STR_INIT("Unsupported Media Type")         },
    { 417, STR_INIT("Expectation Failed")             },
    { 421, STR_INIT("Misdirected Request")            },
    { 422, STR_INIT("Unprocessable Content")          },
    { 424, STR_INIT("Failed Dependency")              },
    { 429, STR_INIT("Too Many Requests")              },
    { 431, STR_INIT("Request Header Fields Too Large")},
    { 500, STR_INIT("Internal Server Error")          },
    { 501, STR_INIT("Not Implemented")                },
    { 502, STR_INIT("Bad Gateway")                    },
    { 503, STR_INIT("Service Unavailable")            },
    { 504, STR_INIT("Gateway Timeout")                },
    { 505, STR_INIT("HTTP Version Not Supported")     },
};

struct str http1_reason(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].words;
    return STR("");
}

void http1_write_request_line(struct buf *out, struct str method, struct str target)
{
    assert(http1_is_token(method) && target.len > 0);
    buf_add_str(out, method);
    buf_add_byte(out, ' ');
    buf_add_str(out, target);
    buf_add_str(out, STR(" HTTP/1.1\r\n"));
}

void http1_write_status_line(struct buf *out, unsigned status, struct str reason)
{
    assert(status >= 100 && status <= 599 && http1_is_text(reason));
    char code[] = { (char)('0' + status / 100), (char)('0' + status / 10 % 10),
                    (char)('0' + status % 10), ' ' };

    buf_add_str(out, STR("HTTP/1.1 "));
    buf_add(out, code, sizeof(code));
    buf_add_str(out, reason.len ? reason : http1_reason(status));
    buf_add_str(out, STR("\r\n"));
}

/* memcpy that takes what an empty str may be. */
static char *put(char *to, struct str s)
{
    if (s.len)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

void http1_put_header(struct buf *out, struct str name, struct str value)
{
    size_t len = name.len + value.len + 4;
    char *to = put(buf_reserve(out, len), name);

    *to++ = ':';
    *to++ = ' ';
    to = put(to, value);
    *to++ = '\r';
    *to++ = '\n';
    out->len += len;
}

int http1_write_header(struct buf *out, struct str name, struct str value)
{
    if (!http1_is_token(name) || !http1_is_text(value))
        return -1;
    http1_put_header(out, name, value);
    return 0;
}

static bool goes_on(const struct http1_header *h,
                    bool (*keep)(void *ctx, const struct http1_header *header), void *ctx)
{
    if (h->is_hop || (h->name.len == 14 && str_ieq(h->name, STR("content-length"))))
        return false;
    return !keep || keep(ctx, h);
}

void http1_write_headers(struct buf *out, const struct http1_head *head,
                         bool (*keep)(void *ctx, const struct http1_header *header), void *ctx)
{
    const char *from = "", *to = from; /* lines that stand in the head as they are to be written */

    for (size_t i = 0; i < head->header_count; i++) {
        const struct http1_header *h = &head->headers[i];
        if (!goes_on(h, keep, ctx))
            continue;
        if (!h->is_usual || h->name.ptr != to) {
            buf_add(out, from, (size_t)(to - from));
            from = to = h->name.ptr;
        }
        if (h->is_usual)
            to = h->value.ptr + h->value.len + 2;
        else
            http1_put_header(out, h->name, h->value);
    }
    buf_add(out, from, (size_t)(to - from));
}

void http1_write_framing(struct buf *out, enum http1_framing framing, uint64_t content_length)
{
    if (framing == HTTP1_CHUNKED) {
        buf_add_str(out, STR("Transfer-Encoding: chunked\r\n"));
    } else if (framing == HTTP1_LENGTH) {
        buf_add_str(out, STR("Content-Length: "));
        buf_add_int(out, (int64_t)content_length);
        buf_add_str(out, STR("\r\n"));
    }
}

void http1_write_end(struct buf *out)
{
    buf_add_str(out, STR("\r\n"));
}

size_t http1_chunk_head(char ret[static HTTP1_CHUNK_HEAD_BYTES], size_t len)
{
    size_t digits = 1, at = 0;

    assert(len > 0);
    while (digits < 16 && len >> 4 * digits)
        digits++;
    while (digits-- > 0)
        ret[at++] = "0123456789abcdef"[len >> 4 * digits & 15];
    ret[at++] = '\r';
    ret[at++] = '\n';
    return at;
}

void http1_write_chunk(struct buf *out, struct str data)
{
    out->len += http1_chunk_head(buf_reserve(out, HTTP1_CHUNK_HEAD_BYTES), data.len);
    buf_add_str(out, data);
    buf_add_str(out, STR("\r\n"));
}

void http1_write_last_chunk(struct buf *out, const struct http1_header *trailers, size_t count)
{
    buf_add_str(out, STR("0\r\n"));
    for (size_t i = 0; i < count; i++)
        if (!trailers[i].is_hop)
            http1_put_header(out, trailers[i].name, trailers[i].value);
    buf_add_str(out, STR("\r\n"));
}
