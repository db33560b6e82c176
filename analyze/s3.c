#include "config.h"

#include "analyze/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/http_fetch.h"
#include "base/sigv4.h"

#define WAIT_FIRST_MS UINT64_C(250)
#define HEADERS_MAX   12
#define META_SHA      "x-amz-meta-weir-sha256"
#define IDLE_US       UINT64_C(120000000)

struct s3 {
    struct http_fetch *fetch;
    char *bucket; /* part of the path; NULL = part of the host */
    char *authority, *region;
    char *access_key, *secret_key, *token;
};

/* --- opening --- */

static bool is_bucket(struct str s)
{
    if (s.len < 3 || s.len > 63)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= '0' && s.ptr[i] <= '9') ||
              s.ptr[i] == '-' || s.ptr[i] == '.'))
            return false;
    return true;
}

/* Certificates of AWS do not cover a bucket's name with dots. */
static bool is_in_host(const struct s3_options *o)
{
    if (o->endpoint)
        return o->virtual_host;
    return str_find_char(o->bucket, '.', 0) < 0;
}

static int make_url(const struct s3_options *o, const char *region, struct buf *out,
                    struct err *err)
{
    struct http_url given;

    if (!o->endpoint) {
        buf_add_text(out, "https://");
        if (is_in_host(o))
            buf_addf(out, "%.*s.", STR_ARG(o->bucket));
        buf_addf(out, "s3.%s.amazonaws.com", region);
        return 0;
    }
    if (http_url_parse(str_from(o->endpoint), &given, err) < 0)
        return err_wrap(err, "--endpoint");
    if (!str_eq(given.target, STR("/")))
        return err_set(err, ERR_USAGE, "--endpoint is https://HOST[:PORT], without a path");
    buf_addf(out, "%s://", given.tls ? "https" : "http");
    if (is_in_host(o))
        buf_addf(out, "%.*s.", STR_ARG(o->bucket));
    buf_add_str(out, given.authority);
    return 0;
}

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

int s3_open(const struct s3_options *options, struct s3 **ret, struct err *err)
{
    CLEANUP(s3_close) struct s3 *s = mem_calloc(1, sizeof(*s));
    CLEANUP(buf_release) struct buf url = { 0 };
    struct http_fetch_options o = { .ca_path = options->ca_path, .idle_us = IDLE_US };

    if (!is_bucket(options->bucket))
        return err_set(err, ERR_USAGE,
                       "a bucket's name is 3 to 63 small letters, digits, '-' and '.'");
    if (!options->access_key || !options->secret_key)
        return err_set(err, ERR_USAGE,
                       "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use "
                       "--credentials");
    s->region = mem_strdup(options->region ? options->region : "us-east-1");
    if (make_url(options, s->region, &url, err) < 0 ||
        http_url_parse(buf_str(&url), &o.url, err) < 0)
        return -1;
    if (!is_in_host(options))
        s->bucket = mem_strndup(options->bucket.ptr, options->bucket.len);
    s->authority = mem_strndup(o.url.authority.ptr, o.url.authority.len);
    s->access_key = copy(options->access_key);
    s->secret_key = copy(options->secret_key);
    s->token = copy(options->token);
    if (http_fetch_open(&o, &s->fetch, err) < 0)
        return -1;
    *ret = TAKE(s);
    return 0;
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void s3_close(struct s3 *s)
{
    if (!s)
        return;
    http_fetch_close(s->fetch);
    wipe(s->secret_key);
    wipe(s->token);
    free(s->access_key);
    free(s->bucket);
    free(s->authority);
    free(s->region);
    free(s);
}

/* --- one request --- */

struct request {
    const char *method;
    struct str key;   /* empty: the bucket */
    struct str query; /* escaped */
    struct str body;
    const uint8_t *object_sha; /* NULL = not told */
    bool is_data;              /* the body is of an object, or of a part of one */
    bool is_part;
};

struct headers {
    struct http_fetch_header list[HEADERS_MAX];
    size_t count;
    char date[SIGV4_DATE_BYTES], hash[SHA256_HEX_BYTES], object_hash[SHA256_HEX_BYTES];
    struct buf md5, checksum, authorization;
};

static void headers_release(struct headers *h)
{
    buf_release(&h->md5);
    buf_release(&h->checksum);
    buf_release(&h->authorization);
}
DEFINE_CLEANUP_VALUE(struct headers, headers_release)

static void add(struct headers *h, const char *name, struct str value)
{
    h->list[h->count++] = (struct http_fetch_header){ str_from(name), value };
}

static void add_path(const struct s3 *s, struct str key, struct buf *out)
{
    if (s->bucket)
        buf_addf(out, "/%s", s->bucket);
    if (key.len || !s->bucket)
        buf_add_byte(out, '/');
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] == '=')
            buf_add_text(out, "%3D");
        else
            buf_add_byte(out, key.ptr[i]);
}

static void make_headers(const struct request *r, struct headers *h)
{
    uint8_t sha[SHA256_BYTES], md5[MD5_BYTES];

    sha256_of(r->body, sha);
    add(h, "x-amz-content-sha256", str_from(hex_encode(sha, SHA256_BYTES, h->hash)));
    if (r->is_data && !r->is_part) { /* AWS takes it of a part only if its upload began with one */
        base64_encode(&h->checksum, (struct str){ (const char *)sha, SHA256_BYTES });
        add(h, "x-amz-checksum-sha256", buf_str(&h->checksum));
    }
    if (r->is_data && md5_of(r->body, md5)) {
        base64_encode(&h->md5, (struct str){ (const char *)md5, MD5_BYTES });
        add(h, "content-md5", buf_str(&h->md5));
    }
    if (r->object_sha)
        add(h, META_SHA, str_from(hex_encode(r->object_sha, SHA256_BYTES, h->object_hash)));
}

static void sign(struct s3 *s, const struct request *r, struct str path, struct headers *h)
{
    const struct sigv4_signer signer = { .access_key = str_from(s->access_key),
                                         .secret_key = str_from(s->secret_key),
                                         .region = str_from(s->region),
                                         .service = STR("s3"),
                                         .path = SIGV4_PATH_LITERAL };
    struct sigv4_header signed_headers[HEADERS_MAX + 1];

    sigv4_date(http_fetch_now_us(s->fetch), h->date);
    add(h, "x-amz-date", str_from(h->date));
    if (s->token)
        add(h, "x-amz-security-token", str_from(s->token));
    signed_headers[0] = (struct sigv4_header){ STR("host"), str_from(s->authority) };
    for (size_t i = 0; i < h->count; i++)
        signed_headers[i + 1] = (struct sigv4_header){ h->list[i].name, h->list[i].value };
    const struct sigv4_request request = { .method = str_from(r->method),
                                           .path = path,
                                           .query = r->query,
                                           .headers = signed_headers,
                                           .header_count = h->count + 1,
                                           .payload_hash = str_from(h->hash),
                                           .date = h->date };
    sigv4_authorize(&signer, &request, &h->authorization);
    add(h, "authorization", buf_str(&h->authorization));
}

static int try_once(struct s3 *s, const struct request *r, struct http_fetch_answer *ret,
                    struct err *err)
{
    CLEANUP(headers_release) struct headers h = { 0 };
    CLEANUP(buf_release) struct buf target = { 0 };

    add_path(s, r->key, &target);
    make_headers(r, &h);
    sign(s, r, buf_str(&target), &h);
    if (r->query.len) {
        buf_add_byte(&target, '?');
        buf_add_str(&target, r->query);
    }
    const struct http_fetch_request request = { .method = str_from(r->method),
                                                .target = buf_str(&target),
                                                .headers = h.list,
                                                .header_count = h.count,
                                                .body = r->body,
                                                .may_repeat = true };
    return http_fetch(s->fetch, &request, ret, err);
}

static bool is_passing(unsigned status)
{
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

/* Any status but a passing one is an answer. */
static int ask(struct s3 *s, const struct request *r, struct http_fetch_answer *ret,
               struct err *err)
{
    uint64_t wait_ms = WAIT_FIRST_MS;

    for (unsigned i = 0;; i++, wait_ms *= 4) {
        int result = try_once(s, r, ret, err);
        if (result == 0 && !is_passing(ret->head->status))
            return 0;
        if (i + 1 == S3_TRIES)
            return result;
        const struct timespec pause = { .tv_sec = (time_t)(wait_ms / 1000),
                                        .tv_nsec = (long)(wait_ms % 1000) * 1000000 };
        nanosleep(&pause, NULL);
    }
}

/* --- answers --- */

/* The text of the first <name> in *rest, which is moved behind it; false if there is none. */
static bool next_element(struct str *rest, const char *name, struct str *ret)
{
    char open[40], close[40];

    snprintf(open, sizeof(open), "<%s>", name);
    snprintf(close, sizeof(close), "</%s>", name);
    ptrdiff_t from = str_find(*rest, str_from(open), 0);
    ptrdiff_t to = from < 0 ? -1 : str_find(*rest, str_from(close), (size_t)from);
    if (to < 0)
        return false;
    size_t start = (size_t)from + strlen(open);
    *ret = str_sub(*rest, start, (size_t)to - start);
    *rest = str_sub(*rest, (size_t)to + strlen(close), rest->len);
    return true;
}

static int refused(const struct http_fetch_answer *a, const char *what, struct str key,
                   struct err *err)
{
    struct str rest = a->body, code, words = { 0 };
    const struct http1_header *region = http1_find(a->head, STR("x-amz-bucket-region"));
    unsigned status = a->head->status;

    if (region && (status == 301 || status == 307 || status == 400))
        return err_set(err, ERR_USAGE, "the bucket is in region '%.*s': say so with --region",
                       STR_ARG(str_sub(region->value, 0, 40)));
    if (!next_element(&rest, "Code", &code))
        return err_set(err, ERR_SYS, "cannot %s '%.*s': the store answered with status %u", what,
                       STR_ARG(key), status);
    next_element(&rest, "Message", &words);
    return err_set(err, ERR_SYS, "cannot %s '%.*s': the store says %.*s: %.*s", what, STR_ARG(key),
                   STR_ARG(str_sub(code, 0, 60)), STR_ARG(str_sub(words, 0, 200)));
}

static struct str unquoted(struct str etag)
{
    if (str_starts_with(etag, STR("&quot;")) && str_ends_with(etag, STR("&quot;")) && etag.len > 12)
        return str_sub(etag, 6, etag.len - 12);
    if (etag.len >= 2 && etag.ptr[0] == '"' && etag.ptr[etag.len - 1] == '"')
        return str_sub(etag, 1, etag.len - 2);
    return etag;
}

/* An ETag is the MD5 of the bytes, but where the store encrypts with keys of a service. */
static bool is_md5(const struct http1_head *head, struct str etag)
{
    const struct http1_header *h = http1_find(head, STR("x-amz-server-side-encryption"));
    uint8_t bytes[MD5_BYTES];

    if (h && str_starts_with(h->value, STR("aws:kms")))
        return false;
    return hex_decode(etag, bytes, MD5_BYTES) == 0;
}

static bool is_md5_of(struct str etag, struct str bytes)
{
    uint8_t theirs[MD5_BYTES], ours[MD5_BYTES];

    return hex_decode(etag, theirs, MD5_BYTES) == 0 && md5_of(bytes, ours) &&
           memcmp(theirs, ours, MD5_BYTES) == 0;
}

/* Has it taken what was sent? */
static int check_taken(const struct http_fetch_answer *a, struct str bytes, struct str key,
                       struct err *err)
{
    const struct http1_header *checksum = http1_find(a->head, STR("x-amz-checksum-sha256"));
    const struct http1_header *etag = http1_find(a->head, STR("etag"));
    CLEANUP(buf_release) struct buf ours = { 0 };
    uint8_t sha[SHA256_BYTES];
    bool good = true;

    if (checksum) {
        sha256_of(bytes, sha);
        base64_encode(&ours, (struct str){ (const char *)sha, SHA256_BYTES });
        good = str_eq(checksum->value, buf_str(&ours));
    }
    if (etag && is_md5(a->head, unquoted(etag->value)))
        good &= is_md5_of(unquoted(etag->value), bytes);
    return good ? 0
                : err_set(err, ERR_CORRUPT,
                          "the store has other bytes for '%.*s' than were sent: run this again",
                          STR_ARG(key));
}

/* --- objects --- */

int s3_look(struct s3 *s, struct str key, struct s3_object *ret, struct err *err)
{
    const struct request r = { .method = "HEAD", .key = key };
    struct http_fetch_answer a;

    if (ask(s, &r, &a, err) < 0)
        return -1;
    if (a.head->status == 404)
        return 0;
    if (a.head->status != 200)
        return refused(&a, "look at", key, err);
    const struct http1_header *sha = http1_find(a.head, STR(META_SHA));
    *ret = (struct s3_object){ .size = a.head->content_length };
    ret->has_sha = sha && hex_decode(sha->value, ret->sha, SHA256_BYTES) == 0;
    return 1;
}

int s3_put(struct s3 *s, struct str key, struct str bytes, const uint8_t sha[static SHA256_BYTES],
           struct err *err)
{
    const struct request r = {
        .method = "PUT", .key = key, .body = bytes, .object_sha = sha, .is_data = true
    };
    struct http_fetch_answer a;

    if (ask(s, &r, &a, err) < 0)
        return -1;
    return a.head->status == 200 ? check_taken(&a, bytes, key, err) : refused(&a, "put", key, err);
}

/* --- in parts --- */

static void escape(struct str text, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr("-._~", c))) {
            buf_add_byte(out, (char)c);
            continue;
        }
        buf_add_byte(out, '%');
        buf_add_byte(out, hex[c >> 4]);
        buf_add_byte(out, hex[c & 15]);
    }
}

/* The id of an upload of that key that was left behind, if any is listed. */
static int find_left(struct s3 *s, struct str key, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf query = { 0 };
    struct http_fetch_answer a;
    struct str rest, upload, name, id;

    buf_add_text(&query, "max-uploads=10&prefix=");
    escape(key, &query);
    buf_add_text(&query, "&uploads=");
    const struct request r = { .method = "GET", .query = buf_str(&query) };
    if (ask(s, &r, &a, err) < 0)
        return -1;
    rest = a.body;
    while (a.head->status == 200 && next_element(&rest, "Upload", &upload)) {
        struct str of_key = upload, of_id = upload;
        if (next_element(&of_key, "Key", &name) && str_eq(name, key) &&
            next_element(&of_id, "UploadId", &id)) {
            buf_clear(ret);
            buf_add_str(ret, id);
        }
    }
    return 0;
}

static void note_part(struct s3_upload *u, struct str part)
{
    struct str of_number = part, of_etag = part, of_size = part, number, etag, size;
    int64_t n, bytes;

    if (!next_element(&of_number, "PartNumber", &number) || !str_to_i64(number, &n) || n < 1 ||
        n > S3_PARTS_MAX || !next_element(&of_etag, "ETag", &etag) ||
        !next_element(&of_size, "Size", &size) || !str_to_i64(size, &bytes))
        return;
    struct s3_part *p = &u->parts[n - 1];
    etag = unquoted(etag);
    if (etag.len >= sizeof(p->etag))
        return;
    *p = (struct s3_part){ .is_there = true, .size = (uint64_t)bytes };
    memcpy(p->etag, etag.ptr, etag.len);
}

static void start_query(const struct s3_upload *u, struct buf *out)
{
    buf_add_text(out, "uploadId=");
    escape(buf_str(&u->id), out);
}

/* 1 = its parts are known, 0 = it is gone. */
static int list_parts(struct s3 *s, struct str key, struct s3_upload *u, struct err *err)
{
    CLEANUP(buf_release) struct buf query = { 0 };
    struct http_fetch_answer a;
    struct str rest, part, marker = STR("0"), more;
    char from[24] = "0";

    for (;;) {
        buf_clear(&query);
        buf_addf(&query, "part-number-marker=%s&", from);
        start_query(u, &query);
        const struct request r = { .method = "GET", .key = key, .query = buf_str(&query) };
        if (ask(s, &r, &a, err) < 0)
            return -1;
        if (a.head->status != 200)
            return 0;
        rest = a.body;
        while (next_element(&rest, "Part", &part))
            note_part(u, part);
        rest = a.body;
        if (!next_element(&rest, "IsTruncated", &more) || !str_eq(more, STR("true")))
            return 1;
        rest = a.body;
        if (!next_element(&rest, "NextPartNumberMarker", &marker) || marker.len >= sizeof(from) ||
            str_eq(marker, str_from(from)))
            return 1;
        snprintf(from, sizeof(from), "%.*s", STR_ARG(marker));
    }
}

static int begin(struct s3 *s, struct str key, const uint8_t *sha, struct s3_upload *u,
                 struct err *err)
{
    const struct request r = {
        .method = "POST", .key = key, .query = STR("uploads="), .object_sha = sha
    };
    struct http_fetch_answer a;
    struct str rest, id;

    if (ask(s, &r, &a, err) < 0)
        return -1;
    rest = a.body;
    if (a.head->status != 200 || !next_element(&rest, "UploadId", &id))
        return refused(&a, "begin", key, err);
    buf_clear(&u->id);
    buf_add_str(&u->id, id);
    return 0;
}

int s3_upload_begin(struct s3 *s, struct str key, const uint8_t sha[static SHA256_BYTES],
                    struct s3_upload *ret, struct err *err)
{
    ret->parts = mem_calloc(S3_PARTS_MAX, sizeof(*ret->parts));
    if (find_left(s, key, &ret->id, err) < 0)
        return -1;
    if (ret->id.len) {
        int r = list_parts(s, key, ret, err);
        if (r != 0)
            return r < 0 ? -1 : 0;
    }
    memset(ret->parts, 0, S3_PARTS_MAX * sizeof(*ret->parts));
    return begin(s, key, sha, ret, err);
}

int s3_upload_part(struct s3 *s, struct str key, struct s3_upload *u, size_t part, struct str bytes,
                   bool *ret_sent, struct err *err)
{
    CLEANUP(buf_release) struct buf query = { 0 };
    struct s3_part *p = &u->parts[part];
    struct http_fetch_answer a;

    *ret_sent = !(p->is_there && p->size == bytes.len && is_md5_of(str_from(p->etag), bytes));
    if (!*ret_sent)
        return 0;
    buf_addf(&query, "partNumber=%zu&", part + 1);
    start_query(u, &query);
    const struct request r = { .method = "PUT",
                               .key = key,
                               .query = buf_str(&query),
                               .body = bytes,
                               .is_data = true,
                               .is_part = true };
    if (ask(s, &r, &a, err) < 0)
        return -1;
    if (a.head->status != 200)
        return refused(&a, "put a part of", key, err);
    const struct http1_header *etag = http1_find(a.head, STR("etag"));
    if (!etag || unquoted(etag->value).len >= sizeof(p->etag))
        return err_set(err, ERR_CORRUPT, "the store gave no ETag for a part of '%.*s'",
                       STR_ARG(key));
    *p = (struct s3_part){ .is_there = true, .size = bytes.len };
    memcpy(p->etag, unquoted(etag->value).ptr, unquoted(etag->value).len);
    return check_taken(&a, bytes, key, err);
}

int s3_upload_end(struct s3 *s, struct str key, struct s3_upload *u, size_t part_count,
                  struct err *err)
{
    CLEANUP(buf_release) struct buf query = { 0 }, body = { 0 };
    struct http_fetch_answer a;
    struct str rest, code;

    start_query(u, &query);
    buf_add_text(&body, "<CompleteMultipartUpload>");
    for (size_t i = 0; i < part_count; i++)
        buf_addf(&body, "<Part><PartNumber>%zu</PartNumber><ETag>\"%s\"</ETag></Part>", i + 1,
                 u->parts[i].etag);
    buf_add_text(&body, "</CompleteMultipartUpload>");
    const struct request r = {
        .method = "POST", .key = key, .query = buf_str(&query), .body = buf_str(&body)
    };
    if (ask(s, &r, &a, err) < 0)
        return -1;
    rest = a.body; /* the end may come as 200 and an error in words */
    if (a.head->status != 200 || next_element(&rest, "Code", &code))
        return refused(&a, "end", key, err);
    return 0;
}

void s3_upload_release(struct s3_upload *u)
{
    buf_release(&u->id);
    free(u->parts);
    u->parts = NULL;
}
