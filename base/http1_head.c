#include "config.h"

#include "base/http1_head.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define OK                                                                                         \
    (struct http1_refusal)                                                                         \
    {                                                                                              \
        0                                                                                          \
    }

static struct http1_refusal refuse(unsigned status, const char *why)
{
    return (struct http1_refusal){ status, why };
}

/* --- characters --- */

/* RFC 9110 5.6.2: letters, digits and !#$%&'*+-.^_`|~, one bit each. */
static bool is_token_char(unsigned char c)
{
    static const uint64_t bits[4] = { UINT64_C(0x3ff6cfa00000000), UINT64_C(0x57ffffffc7fffffe) };

    return bits[c / 64] >> c % 64 & 1;
}

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

static uint64_t load_eight(const char *at)
{
    uint64_t eight;

    memcpy(&eight, at, sizeof(eight));
    return eight;
}

/* The top bits of those of eight bytes, all below 0x80, that are from first to last. */
static uint64_t in_range(uint64_t eight, unsigned char first, unsigned char last)
{
    return (eight + ONES * (0x80u - first)) & ~(eight + ONES * (0x7fu - last));
}

/* Are eight bytes letters, digits and '-', as those of nearly all names are? */
static bool is_plain_name(uint64_t eight)
{
    uint64_t found = in_range(eight | ONES * 0x20, 'a', 'z') | in_range(eight, '0', '9') |
                     in_range(eight, '-', '-');

    return (eight & TOPS) == 0 && (found & TOPS) == TOPS;
}

bool http1_is_token(struct str s)
{
    char few[8] = "aaaaaaaa";
    bool is_token = s.len > 0;
    size_t i = 0;

    if (s.len && s.len < sizeof(few)) {
        memcpy(few, s.ptr, s.len);
        if (is_plain_name(load_eight(few)))
            return true;
    }
    while (s.len - i >= 8 && is_plain_name(load_eight(s.ptr + i)))
        i += 8;
    /* The last eight overlap what has been looked at. */
    if (s.len >= 8 && s.len - i < 8 && is_plain_name(load_eight(s.ptr + s.len - 8)))
        return true;
    for (; i < s.len; i++)
        is_token &= is_token_char((unsigned char)s.ptr[i]);
    return is_token;
}

static bool is_text_char(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* The top bits of those of eight bytes that are below 0x20 or 0x7f; from the second one on there
 * may be others among them. */
static uint64_t odd_bytes(uint64_t eight)
{
    uint64_t dels = eight ^ ONES * 0x7f;

    return (((eight - ONES * 0x20) & ~eight) | ((dels - ONES) & ~dels)) & TOPS;
}

/* Where the first byte is that no value holds, or s.len. */
static size_t text_end(struct str s)
{
    size_t i = 0;

    while (s.len - i >= 8) {
        uint64_t odd = odd_bytes(le64toh(load_eight(s.ptr + i)));
        i += odd ? (size_t)__builtin_ctzll(odd) / 8 : 8;
        if (!odd)
            continue;
        if (s.ptr[i] != '\t')
            return i;
        i++;
    }
    while (i < s.len && is_text_char((unsigned char)s.ptr[i]))
        i++;
    return i;
}

bool http1_is_text(struct str s)
{
    return text_end(s) == s.len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without blanks, which here are space and tab only. */
static struct str trim(struct str s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = (struct str){ s.ptr + 1, s.len - 1 };
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* --- tiling --- */

/* The header line at the front of bytes: its length with CRLF, or 0 if it is not what h says. */
static size_t tile_one(struct str bytes, struct http1_header *h)
{
    size_t name_len = h->name.len;

    if (h->name.ptr != bytes.ptr || name_len >= bytes.len || bytes.ptr[name_len] != ':')
        return 0;
    struct str rest = { bytes.ptr + name_len + 1, bytes.len - name_len - 1 };
    size_t len = text_end(rest);
    if (rest.len - len < 2 || rest.ptr[len] != '\r' || rest.ptr[len + 1] != '\n')
        return 0;
    struct str value = trim((struct str){ rest.ptr, len });
    /* llhttp's may have blanks behind it. */
    struct str told = h->value.len == value.len ? h->value : trim(h->value);
    if (value.len != told.len || (value.len && value.ptr != told.ptr))
        return 0;
    h->value = value;
    h->is_usual = len == 1 + value.len && rest.ptr[0] == ' ';
    return http1_is_token(h->name) ? name_len + 1 + len + 2 : 0;
}

bool http1_tile_line(struct str line, struct http1_header *h)
{
    return tile_one(line, h) == line.len;
}

bool http1_tile(struct str bytes, http1_headers *headers)
{
    for (size_t i = 0; i < headers->len; i++) {
        size_t len = tile_one(bytes, &headers->ptr[i]);
        if (len == 0)
            return false;
        bytes = (struct str){ bytes.ptr + len, bytes.len - len };
    }
    return str_eq(bytes, STR("\r\n"));
}

/* --- start lines --- */

/* "HTTP/1.x" */
static struct http1_refusal read_version(struct str s, struct http1_head *ret)
{
    if (s.len != 8 || !str_starts_with(s, STR("HTTP/")))
        return refuse(400, "the start line names no HTTP version");
    if (!str_eq(s, STR("HTTP/1.1")) && !str_eq(s, STR("HTTP/1.0")))
        return refuse(505, "the version is neither HTTP/1.1 nor HTTP/1.0");
    ret->minor = s.ptr[7] == '1';
    return OK;
}

struct http1_refusal http1_read_status_line(struct str line, struct http1_head *ret)
{
    struct http1_refusal r = read_version(str_sub(line, 0, 8), ret);
    unsigned status = 0;

    if (r.why)
        return r;
    struct str rest = str_sub(line, 8, line.len - 2 - 8);
    if (rest.len < 4 || rest.ptr[0] != ' ')
        return refuse(502, "the status line has no status");
    for (size_t i = 1; i < 4; i++) {
        if (rest.ptr[i] < '0' || rest.ptr[i] > '9')
            return refuse(502, "the status is no number of three digits");
        status = status * 10 + (unsigned)(rest.ptr[i] - '0');
    }
    if (status < 100 || status > 599)
        return refuse(502, "the status is not from 100 to 599");
    if (rest.len > 4 && rest.ptr[4] != ' ')
        return refuse(502, "the status is no number of three digits");
    ret->status = status;
    ret->reason = str_sub(rest, 5, rest.len);
    return http1_is_text(ret->reason) ? OK : refuse(502, "the reason has a control character");
}

struct http1_refusal http1_read_request_line(struct str line, struct http1_head *ret)
{
    struct str rest = str_sub(line, 0, line.len - 2);
    ptrdiff_t first = str_find_char(rest, ' ', 0);
    ptrdiff_t second = first < 0 ? -1 : str_find_char(rest, ' ', (size_t)first + 1);

    if (first <= 0 || second <= first + 1)
        return refuse(400, "the first line is not 'METHOD target HTTP/1.1'");
    ret->method = str_sub(rest, 0, (size_t)first);
    ret->target = str_sub(rest, (size_t)first + 1, (size_t)(second - first) - 1);
    return read_version(str_sub(rest, (size_t)second + 1, rest.len), ret);
}

/* --- where a request goes --- */

/* A name, an address or [IPv6], and a port: letters, digits and -._~%:[], nothing that ends or
 * begins another part of a URI. */
static bool is_authority(struct str s)
{
    static const uint64_t bits[4] = { UINT64_C(0x7ff602000000000), UINT64_C(0x47fffffeaffffffe) };
    uint64_t all = 1;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        all &= bits[c / 64] >> c % 64;
    }
    return all & 1;
}

static struct http1_refusal read_absolute(struct str target, struct http1_head *ret)
{
    size_t scheme = str_istarts_with(target, STR("http://")) ? 7 : 8;
    ptrdiff_t slash = str_find_char(target, '/', scheme);
    size_t end = slash < 0 ? target.len : (size_t)slash;
    struct str authority = str_sub(target, scheme, end - scheme);

    if (authority.len == 0 || !is_authority(authority))
        return refuse(400, "the target's authority is not host or host:port");
    /* RFC 9112 3.2.2 has a proxy replace Host by it; who does not would see another host. */
    if (ret->authority.ptr && !str_ieq(authority, ret->authority))
        return refuse(400, "the target names another host than Host");
    ret->authority = authority;
    ret->path = slash < 0 ? STR("/") : str_sub(target, end, target.len);
    return OK;
}

static struct http1_refusal read_target(struct http1_head *ret)
{
    struct str target = ret->target;

    for (size_t i = 0; i < target.len; i++)
        if (target.ptr[i] <= 0x20 || target.ptr[i] == 0x7f || target.ptr[i] == '#')
            return refuse(400, "the target has a character that no target has");
    if (str_eq(ret->method, STR("CONNECT")))
        return refuse(405, "CONNECT is not for this server");
    if (str_eq(ret->method,
               STR("TRACE"))) /* its answer would be the request, credentials and all */
        return refuse(405, "TRACE is not passed on");
    if (target.ptr[0] == '/' || (str_eq(target, STR("*")) && str_eq(ret->method, STR("OPTIONS")))) {
        ret->path = target;
        return OK;
    }
    if (str_istarts_with(target, STR("http://")) || str_istarts_with(target, STR("https://")))
        return read_absolute(target, ret);
    return refuse(400, "the target is neither a path nor a URL");
}

/* --- headers --- */

/* What is counted or gathered over all headers. */
struct reading {
    struct http1_head *head;
    http1_headers *headers;
    bool without_body;
    unsigned lengths, codings, hosts, connection_names;
    bool has_close, has_keep_alive, has_upgrade, is_odd_expect;
};

typedef struct http1_refusal (*read_fn)(struct reading *r, struct http1_header *h);

static struct http1_refusal read_length(struct reading *r, struct http1_header *h)
{
    uint64_t length = 0;

    /* Equal ones, too: who reads only the first or the last must not matter. */
    if (r->lengths++ > 0)
        return refuse(400, "there is more than one Content-Length");
    if (h->value.len == 0 || h->value.len > 18)
        return refuse(400, "Content-Length is no number of 1 to 18 digits");
    for (size_t i = 0; i < h->value.len; i++) {
        char c = h->value.ptr[i];
        if (c < '0' || c > '9')
            return refuse(400, "Content-Length is no number of 1 to 18 digits");
        length = length * 10 + (uint64_t)(c - '0');
    }
    r->head->content_length = length;
    r->head->has_content_length = true;
    return OK;
}

static struct http1_refusal read_coding(struct reading *r, struct http1_header *h)
{
    h->is_hop = true;
    if (r->codings++ > 0)
        return refuse(400, "there is more than one Transfer-Encoding");
    if (!str_ieq(h->value, STR("chunked")))
        return refuse(501, "Transfer-Encoding is not 'chunked'");
    return OK;
}

static struct http1_refusal read_host(struct reading *r, struct http1_header *h)
{
    if (r->hosts++ > 0)
        return refuse(400, "there is more than one Host");
    if (!is_authority(h->value))
        return refuse(400, "Host is not host or host:port");
    r->head->authority = h->value;
    return OK;
}

static struct http1_refusal read_connection(struct reading *r, struct http1_header *h)
{
    struct str rest = h->value, name;

    h->is_hop = true;
    while (str_split(&rest, ',', &name)) {
        name = trim(name);
        if (++r->connection_names > HTTP1_CONNECTION_NAMES)
            return refuse(400, "Connection names too many fields");
        r->has_close |= str_ieq(name, STR("close"));
        r->has_keep_alive |= str_ieq(name, STR("keep-alive"));
        /* Would have us drop what says where the message goes or where it ends. */
        if (str_ieq(name, STR("host")) || str_ieq(name, STR("content-length")))
            return refuse(400, "Connection names a field that is not the connection's");
    }
    return OK;
}

static struct http1_refusal read_expect(struct reading *r, struct http1_header *h)
{
    if (str_ieq(h->value, STR("100-continue")))
        r->head->expects_continue = true;
    else
        r->is_odd_expect = true;
    return OK;
}

static struct http1_refusal read_upgrade(struct reading *r, struct http1_header *h)
{
    h->is_hop = true;
    r->has_upgrade = true;
    return OK;
}

static struct http1_refusal read_hop(struct reading *r, struct http1_header *h)
{
    (void)r;
    h->is_hop = true;
    return OK;
}

/* Programs that take '_' for '-' (CGI and its heirs) would see a second one. */
static struct http1_refusal read_disguised(struct reading *r, struct http1_header *h)
{
    (void)r, (void)h;
    return refuse(400, "a field of the framing is spelled with '_'");
}

static const struct {
    struct str name;
    read_fn read;
    bool is_framing; /* for llhttp as well */
} fields[] = {
    {STR_INIT("content-length"),       read_length,     true },
    { STR_INIT("transfer-encoding"),   read_coding,     true },
    { STR_INIT("host"),                read_host,       false},
    { STR_INIT("connection"),          read_connection, true },
    { STR_INIT("expect"),              read_expect,     false},
    { STR_INIT("upgrade"),             read_upgrade,    true },
    { STR_INIT("http2-settings"),      read_hop,        false},
    { STR_INIT("keep-alive"),          read_hop,        false},
    { STR_INIT("proxy-connection"),    read_hop,        true },
    { STR_INIT("proxy-authenticate"),  read_hop,        false},
    { STR_INIT("proxy-authorization"), read_hop,        false},
    { STR_INIT("te"),                  read_hop,        false},
    { STR_INIT("content_length"),      read_disguised,  true },
    { STR_INIT("transfer_encoding"),   read_disguised,  true },
};

/* What these names begin with, a bit for each letter: most fields are none of them. */
#define LETTER(c) (UINT32_C(1) << ((c)&31))
static const uint32_t first_letters =
    LETTER('c') | LETTER('e') | LETTER('h') | LETTER('k') | LETTER('p') | LETTER('t') | LETTER('u');

uint8_t http1_field_of(struct str name)
{
    if (!name.len || !(first_letters & LETTER(name.ptr[0])))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (name.len == fields[i].name.len && str_ieq(name, fields[i].name))
            return (uint8_t)(i + 1);
    return 0;
}

bool http1_field_is_framing(uint8_t field)
{
    return field && fields[field - 1].is_framing;
}

static struct http1_refusal read_field(struct reading *r, struct http1_header *h)
{
    return h->field ? fields[h->field - 1].read(r, h) : OK;
}

/* Marks the fields that Connection names. */
static void mark_named(struct reading *r, struct str names)
{
    struct str name;

    while (str_split(&names, ',', &name)) {
        name = trim(name);
        if (str_ieq(name, STR("keep-alive")) || str_ieq(name, STR("close")))
            continue;
        for (size_t i = 0; name.len && i < r->headers->len; i++)
            if (r->headers->ptr[i].name.len == name.len && str_ieq(r->headers->ptr[i].name, name))
                r->headers->ptr[i].is_hop = true;
    }
}

static struct http1_refusal decide_framing(struct reading *r)
{
    struct http1_head *head = r->head;
    bool is_request = head->status == 0;

    if (r->codings && r->lengths)
        return refuse(400, "there are both Transfer-Encoding and Content-Length");
    if (r->codings && head->minor == 0)
        return refuse(400, "HTTP/1.0 knows no Transfer-Encoding");
    bool has_no_body = r->without_body || (head->status >= 100 && head->status < 200) ||
                       head->status == 204 || head->status == 304;
    if (has_no_body)
        head->framing = HTTP1_NO_BODY;
    else if (r->codings)
        head->framing = HTTP1_CHUNKED;
    else if (r->lengths)
        head->framing = HTTP1_LENGTH;
    else
        head->framing = is_request ? HTTP1_NO_BODY : HTTP1_UNTIL_CLOSE;
    return OK;
}

static void decide_persistence(struct reading *r)
{
    struct http1_head *head = r->head;

    head->keep_alive = !r->has_close && (head->minor == 1 || r->has_keep_alive) &&
                       head->framing != HTTP1_UNTIL_CLOSE;
    /* A body that may not be there: if it is, it would be taken for the next answer. */
    bool is_bodyless = head->status == 204 || (head->status >= 100 && head->status < 200);
    if (is_bodyless && (r->codings || head->content_length > 0))
        head->keep_alive = false;
}

static struct http1_refusal decide_request(struct reading *r)
{
    struct http1_head *head = r->head;

    if (head->minor == 1 && r->hosts == 0)
        return refuse(400, "there is no Host");
    if (r->is_odd_expect)
        return refuse(417, "only 100-continue can be expected");
    head->expects_continue = head->expects_continue && head->minor == 1 &&
                             (head->framing == HTTP1_CHUNKED ||
                              (head->framing == HTTP1_LENGTH && head->content_length > 0));
    head->wants_upgrade = r->has_upgrade;
    return read_target(head);
}

struct http1_refusal http1_read_headers(http1_headers *headers, bool without_body,
                                        struct http1_head *ret)
{
    struct reading r = { .head = ret, .headers = headers, .without_body = without_body };
    struct http1_refusal refusal = OK;

    struct http1_header *end = headers->ptr + headers->len;
    uint32_t tags = 0;

    for (struct http1_header *h = headers->ptr; h < end && !refusal.why; h++) {
        tags |= h->tags;
        if (h->field)
            refusal = read_field(&r, h);
    }
    ret->tags = tags;
    for (size_t i = 0; i < headers->len && !refusal.why && r.connection_names; i++)
        if (headers->ptr[i].field && fields[headers->ptr[i].field - 1].read == read_connection)
            mark_named(&r, headers->ptr[i].value);
    if (!refusal.why)
        refusal = decide_framing(&r);
    if (refusal.why)
        return refusal;
    decide_persistence(&r);
    if (ret->status == 0)
        return decide_request(&r);
    ret->is_interim = ret->status < 200;
    return ret->status == 101 ? refuse(502, "the server changes the protocol unasked") : OK;
}

struct http1_refusal http1_read_trailers(http1_headers *trailers)
{
    struct http1_head ignored = { 0 };
    struct reading r = { .head = &ignored, .headers = trailers };

    for (size_t i = 0; i < trailers->len; i++) {
        trailers->ptr[i].field = http1_field_of(trailers->ptr[i].name);
        struct http1_refusal refusal = read_field(&r, &trailers->ptr[i]);
        if (refusal.why)
            return refusal;
    }
    if (r.lengths || r.codings || r.hosts)
        return refuse(400, "the trailers have a field of the head");
    return OK;
}

/* --- chunks --- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct http1_refusal http1_read_chunk_line(struct str line, uint64_t *ret_size)
{
    struct str text = str_sub(line, 0, line.len - 2);
    uint64_t size = 0;
    size_t digits = 0;

    while (digits < text.len && digits <= 16 && hex_value(text.ptr[digits]) >= 0)
        size = size << 4 | (uint64_t)hex_value(text.ptr[digits++]);
    if (digits == 0 || digits > 16 || size > INT64_MAX)
        return refuse(400, "a chunk size is no hexadecimal number of 1 to 16 digits");
    struct str extensions = str_sub(text, digits, text.len);
    if (extensions.len && extensions.ptr[0] != ';')
        return refuse(400, "a chunk size is followed by something else than an extension");
    if (!http1_is_text(extensions))
        return refuse(400, "a chunk extension has a control character");
    *ret_size = size;
    return OK;
}
