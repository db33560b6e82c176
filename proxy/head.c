#include "config.h"

#include "proxy/head.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/sigv4.h"
#include "proxy/door.h"
#include "proxy/names.h"

static const char *const decodable[] = { "gzip", "x-gzip", "deflate", "br", "zstd", "identity" };

static bool is_hex(struct str s)
{
    unsigned others = 0; /* not one by one: which digit comes next cannot be foretold */

    for (size_t i = 0; i < s.len; i++) {
        unsigned c = (unsigned char)s.ptr[i];
        others |= (c - '0' > 9u) & (c - 'a' > 5u);
    }
    return !others;
}

static bool is_zero(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '0')
            return false;
    return true;
}

struct str head_trace_id(struct str t)
{
    /* "00-<32>-<16>-<2>"; a version to come may add more behind another '-'. */
    if (t.len < TRACEPARENT_BYTES || t.ptr[2] != '-' || t.ptr[35] != '-' || t.ptr[52] != '-')
        return STR("");
    struct str version = str_sub(t, 0, 2), trace = str_sub(t, 3, 32), span = str_sub(t, 36, 16);
    bool is_longer = t.len > TRACEPARENT_BYTES;

    if (!is_hex(version) || !is_hex(trace) || !is_hex(span) || !is_hex(str_sub(t, 53, 2)) ||
        is_zero(trace) || is_zero(span) || str_eq(version, STR("ff")))
        return STR("");
    if (is_longer && (str_eq(version, STR("00")) || t.ptr[TRACEPARENT_BYTES] != '-'))
        return STR("");
    return trace;
}

struct str head_trace_of(const struct head_trace *t)
{
    return (struct str){ t->traceparent + 3, TRACE_ID_BYTES };
}

/* Neither id may be all zero: each begins with an odd byte. */
void head_make_traceparent(const uint8_t random[static 24], char ret[static TRACEPARENT_BYTES + 1])
{
    uint8_t ids[24];

    memcpy(ids, random, sizeof(ids));
    ids[0] |= 1u;
    ids[16] |= 1u;
    memcpy(ret, "00-", 3);
    hex_encode(ids, 16, ret + 3);
    ret[35] = '-';
    hex_encode(ids + 16, 8, ret + 36);
    memcpy(ret + 52, "-01", 4);
}

void head_filter_encodings(struct str value, struct buf *out)
{
    size_t before = out->len;
    struct str rest = value, item;

    while (str_split(&rest, ',', &item)) {
        struct str name = item, word;
        if (!str_split(&name, ';', &word))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(decodable); i++)
            if (str_ieq(str_trim(word), str_from(decodable[i]))) {
                buf_add_text(out, out->len > before ? ", " : "");
                buf_add_str(out, str_trim(item));
            }
    }
    if (out->len == before)
        buf_add_text(out, "identity");
}

/* Which of a request's headers stay behind. */
struct choice {
    uint32_t left_out;     /* bits of names */
    struct str key_header; /* likewise, if not empty */
    bool asks_for_keys;    /* likewise those that hold a key of ours */
};

static struct choice choice_of(const struct head_request *how)
{
    const struct proxy_upstream *u = how->upstream;
    struct choice c = { .left_out = NAME_OURS | NAME_ENCODINGS,
                        .asks_for_keys = !how->shows_no_key };

    if (how->trace->is_made)
        c.left_out |= NAME_TRACE_STATE;
    if (how->is_foreign)
        c.left_out |= NAME_CALLERS | NAME_SIGNATURE;
    if (u->has_key || u->drops_key) {
        c.left_out |= NAME_CREDENTIAL | NAME_AWS_TOKEN;
        c.key_header = u->key_header;
    }
    if (u->aws)
        c.left_out |= NAME_SIGNATURE;
    return c;
}

static bool keep_request_header(void *ctx, const struct http1_header *h)
{
    const struct choice *c = ctx;
    uint32_t bits = names_of(h);

    if (bits & c->left_out || (c->key_header.len && str_ieq(h->name, c->key_header)))
        return false;
    return !(c->asks_for_keys && bits & NAME_CREDENTIAL && door_shows_key(h));
}

/* What was made of the last value: nearly all calls have the same. */
#define MEMO_BYTES 64u
struct encodings_memo {
    char asked[MEMO_BYTES], given[MEMO_BYTES];
    size_t asked_len, given_len; /* 0 = none */
};
static _Thread_local struct encodings_memo encodings_memo;

static void remember_encodings(struct str asked, struct str given)
{
    struct encodings_memo *m = &encodings_memo;

    if (!asked.len || asked.len > MEMO_BYTES || given.len > MEMO_BYTES)
        return;
    memcpy(m->asked, asked.ptr, asked.len);
    memcpy(m->given, given.ptr, given.len);
    m->asked_len = asked.len;
    m->given_len = given.len;
}

static void write_encodings(struct buf *out, const struct http1_head *in)
{
    const struct encodings_memo *m = &encodings_memo;
    const struct http1_header *h = names_find(in, NAME_ENCODINGS);
    CLEANUP(buf_release) struct buf value = { 0 };

    if (!h)
        return;
    if (h->value.len && str_eq(h->value, (struct str){ m->asked, m->asked_len })) {
        http1_put_header(out, h->name, (struct str){ m->given, m->given_len });
        return;
    }
    head_filter_encodings(h->value, &value);
    remember_encodings(h->value, buf_str(&value));
    http1_put_header(out, h->name, buf_str(&value));
}

struct str head_payload_hash(const struct http1_head *in)
{
    const struct http1_header *h = http1_find(in, STR("x-amz-content-sha256"));
    uint8_t digest[SHA256_BYTES];

    if (in->framing == HTTP1_NO_BODY)
        return STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    return h && hex_decode(h->value, digest, sizeof(digest)) == 0 ? h->value : STR("");
}

/* AWS wants these signed, besides what weir adds: Content-Type, and x-amz-* if they are sent. */
static bool is_to_be_signed(struct choice *c, const struct http1_header *h)
{
    return (str_ieq(h->name, STR("content-type")) || str_istarts_with(h->name, STR("x-amz-"))) &&
           !h->is_hop && keep_request_header(c, h);
}

/* What weir adds to a request for AWS. */
static void write_signature(struct buf *out, const struct http1_head *in, struct str target,
                            const struct head_request *how)
{
    const struct proxy_upstream *u = how->upstream;
    const struct proxy_aws *aws = u->aws;
    char date[SIGV4_DATE_BYTES];
    ptrdiff_t query = str_find_char(target, '?', 0);
    size_t path_len = query < 0 ? target.len : (size_t)query, count = 0;
    const struct sigv4_signer signer = { aws->access_key, aws->secret_key, aws->region,
                                         aws->service, SIGV4_PATH_AGAIN };
    struct sigv4_header *headers = mem_calloc(in->header_count + 4, sizeof(*headers));
    CLEANUP(buf_release) struct buf value = { 0 };
    struct choice choice = choice_of(how);

    headers[count++] =
        (struct sigv4_header){ STR("x-amz-date"), str_from(sigv4_date(how->now_us, date)) };
    headers[count++] = (struct sigv4_header){ STR("x-amz-content-sha256"), how->payload_hash };
    if (aws->session_token.len)
        headers[count++] = (struct sigv4_header){ STR("x-amz-security-token"), aws->session_token };
    for (size_t i = 0; i < count; i++)
        http1_write_header(out, headers[i].name, headers[i].value);
    headers[count++] = (struct sigv4_header){ STR("host"), u->authority };
    for (size_t i = 0; i < in->header_count; i++)
        if (is_to_be_signed(&choice, &in->headers[i]))
            headers[count++] = (struct sigv4_header){ in->headers[i].name, in->headers[i].value };
    sigv4_authorize(&signer,
                    &(struct sigv4_request){ .method = in->method,
                                             .path = str_sub(target, 0, path_len),
                                             .query = str_sub(target, path_len + 1, target.len),
                                             .headers = headers,
                                             .header_count = count,
                                             .payload_hash = how->payload_hash,
                                             .date = date },
                    &value);
    http1_write_header(out, u->key_header, buf_str(&value));
    free(headers);
}

void head_write_request(struct buf *out, const struct http1_head *in,
                        const struct head_request *how)
{
    const struct proxy_upstream *u = how->upstream;
    CLEANUP(buf_release) struct buf target = { 0 };
    struct choice choice = choice_of(how);

    buf_reserve(&target, u->base_path.len + how->rest.len + 1);
    buf_add_str(&target, u->base_path);
    if (!target.len && (!how->rest.len || how->rest.ptr[0] != '/'))
        buf_add_byte(&target, '/');
    door_copy_path(how->rest, u->has_key || u->drops_key || how->is_foreign, &target);
    http1_write_request_line(out, in->method, buf_str(&target));
    http1_write_header(out, STR("Host"), u->authority);
    http1_write_headers(out, in, keep_request_header, &choice);
    write_encodings(out, in);
    if (u->aws)
        write_signature(out, in, buf_str(&target), how);
    else if (u->has_key)
        http1_write_header(out, u->key_header, u->key_value);
    http1_put_header(out, STR("traceparent"), str_from(how->trace->traceparent));
    http1_put_header(out, STR("x-weir-exchange-id"), str_from(how->trace->exchange_id));
    http1_write_framing(out, in->framing,
                        how->has_body_bytes ? how->body_bytes : in->content_length);
    http1_write_end(out);
}

static bool keep_response_header(void *ctx, const struct http1_header *h)
{
    (void)ctx;
    return !(names_of(h) & NAME_SAID);
}

void head_write_response(struct buf *out, const struct http1_head *in,
                         const struct head_answer *how)
{
    http1_write_status_line(out, in->status, in->reason);
    http1_write_headers(out, in, keep_response_header, NULL);
    http1_put_header(out, STR("x-weir-exchange-id"), str_from(how->exchange_id));
    if (how->policy.len)
        http1_write_header(out, STR("x-weir-policy"), how->policy);
    if (!how->keep_alive)
        http1_write_header(out, STR("Connection"), STR("close"));
    else if (how->minor == 0)
        http1_write_header(out, STR("Connection"), STR("keep-alive"));
    /* An answer to HEAD and a 304 say how long the body would be; a 204 must not (RFC 9110, 8.6),
     * and one that does is an error in HTTP/2. */
    if (how->framing == HTTP1_NO_BODY && in->has_content_length && in->status != 204)
        http1_write_framing(out, HTTP1_LENGTH, in->content_length);
    else
        http1_write_framing(out, how->framing, how->content_length);
    http1_write_end(out);
}

void head_write_interim(struct buf *out, const struct http1_head *in)
{
    http1_write_status_line(out, in->status, in->reason);
    http1_write_headers(out, in, NULL, NULL);
    http1_write_end(out);
}
