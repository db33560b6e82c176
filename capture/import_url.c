/* URLs as recorders write them: whole, without a scheme, a path alone. */
#include "config.h"

#include <string.h>

#include "capture/import_record.h"

#define QUOTED_BYTES_MAX 60 /* of a wrong URL, in the message about it */

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes up to the first of these characters. */
static size_t length_until(struct str s, const char *ends)
{
    size_t len = 0;

    while (len < s.len && (s.ptr[len] == '\0' || !strchr(ends, s.ptr[len])))
        len++;
    return len;
}

/* RFC 3986 3.1; 0 = no scheme stands there. */
static size_t scheme_length(struct str url)
{
    size_t len = 0;

    while (len < url.len &&
           (is_letter_or_digit(url.ptr[len]) || (len && memchr("+-.", url.ptr[len], 3))))
        len++;
    return len < url.len && url.ptr[len] == ':' ? len : 0;
}

/* Where the port's colon stands; host.len if there is none. */
static size_t port_at(struct str host)
{
    for (size_t i = host.len; i-- > 0 && host.ptr[i] != ']';)
        if (host.ptr[i] == ':')
            return i;
    return host.len;
}

static bool is_port(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len >= 1 && s.len <= 5;
}

/* "api.openai.com", "gateway:4000", "localhost", "[::1]:8080"; not "v1". */
static bool looks_like_host(struct str s)
{
    size_t colon = port_at(s);
    struct str name = str_sub(s, 0, colon);

    if (colon < s.len && !is_port(str_sub(s, colon + 1, s.len)))
        return false;
    if (str_starts_with(name, STR("[")))
        return str_ends_with(name, STR("]"));
    if (name.len == 0 || !is_letter_or_digit(name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_letter_or_digit(name.ptr[i]) && !memchr("-._", name.ptr[i], 3))
            return false;
    return colon < s.len || str_find_char(name, '.', 0) >= 0 || str_ieq(name, STR("localhost"));
}

static struct str prefix(struct import *im, struct str first, struct str url)
{
    CLEANUP(buf_release) struct buf whole = { 0 };

    buf_add_str(&whole, first);
    buf_add_str(&whole, url);
    return arena_str(&im->arena, buf_str(&whole));
}

int import_settle_url(struct import *im, struct err *err)
{
    struct str url = str_trim(im->record.url), *ret = &im->record.url;
    size_t scheme = scheme_length(url);

    *ret = url;
    if (url.len == 0 || memchr("/?", url.ptr[0], 2) ||
        (scheme && str_starts_with(str_sub(url, scheme, url.len), STR("://")))) {
        if (str_starts_with(url, STR("//")))
            *ret = prefix(im, STR("https:"), url);
        return 0;
    }
    struct str host = str_sub(url, 0, length_until(url, "/?#"));
    bool has_user = false;
    for (ptrdiff_t at; (at = str_find_char(host, '@', 0)) >= 0; has_user = true)
        host = str_sub(host, (size_t)at + 1, host.len);
    if (looks_like_host(host)) {
        *ret = prefix(im, STR("https://"), url);
        return 0;
    }
    /* Browsers log "data:..." and "about:blank" as requests, too: no call, and no mistake. */
    if (scheme && !has_user && str_find_char(str_sub(url, 0, scheme), '.', 0) < 0)
        return 0;
    /* Only its begin is quoted: a query or a user name could hold a credential. */
    return err_set(err, ERR_CORRUPT,
                   "its URL begins with '%.*s', which is no host: write https://HOST/PATH, or "
                   "/PATH with a host header",
                   STR_ARG(str_sub(host, 0, QUOTED_BYTES_MAX)));
}

static struct str lower_case(struct import *im, struct str s)
{
    char *to = arena_alloc(&im->arena, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        to[i] = s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? (char)(s.ptr[i] + 32) : s.ptr[i];
    return (struct str){ to, s.len };
}

/* One host, one spelling: RFC 9110 4.2.3, RFC 3986 6.2.3. */
static struct str normal_host(struct import *im, struct str scheme, struct str host)
{
    static const struct {
        struct str scheme, port;
    } defaults[] = {
        {STR_INIT("https"), STR_INIT("443")},
        { STR_INIT("http"), STR_INIT("80") },
        { STR_INIT("wss"),  STR_INIT("443")},
        { STR_INIT("ws"),   STR_INIT("80") },
    };
    size_t colon = port_at(host);
    struct str port = str_sub(host, colon + 1, host.len);
    bool drop = colon < host.len && port.len == 0;

    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        drop = drop || (str_eq(scheme, defaults[i].scheme) && str_eq(port, defaults[i].port));
    return lower_case(im, drop ? str_sub(host, 0, colon) : host);
}

void import_split_url(struct import *im, struct str url)
{
    struct import_record *rec = &im->record;
    struct exchange *x = &rec->x;
    size_t scheme = scheme_length(url);

    if (scheme && str_starts_with(str_sub(url, scheme, url.len), STR("://"))) {
        x->scheme = lower_case(im, str_sub(url, 0, scheme));
        url = str_sub(url, scheme + 3, url.len);
        size_t end = length_until(url, "/?");
        if (end)
            x->host = str_sub(url, 0, end);
        url = str_sub(url, end, url.len);
    }
    ptrdiff_t query = str_find_char(url, '?', 0);
    if (query >= 0)
        x->query = str_sub(url, (size_t)query + 1, url.len);
    x->path = query >= 0 ? str_sub(url, 0, (size_t)query) : url;
    if (x->path.len == 0 && rec->url.len)
        x->path = STR("/");
    if (x->host.len == 0)
        x->host = call_header_find(rec->request_headers.ptr, rec->request_headers.len, "host");
    if (x->host.len)
        x->host = normal_host(im, x->scheme, str_trim(x->host));
}
