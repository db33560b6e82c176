#include "config.h"

#include "base/sigv4.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/timestamp.h"
#include "base/vec.h"

#define DAY_BYTES 8u /* of "20260101T000000Z" */
#define ALGORITHM "AWS4-HMAC-SHA256"

/* A header or a query parameter, encoded and ready to be sorted. */
struct pair {
    struct buf name, value;
    size_t order; /* in which they came: qsort keeps none */
};

typedef VEC(struct pair) pair_vec;

static void release_pairs(pair_vec *pairs)
{
    for (size_t i = 0; i < pairs->len; i++) {
        buf_release(&pairs->ptr[i].name);
        buf_release(&pairs->ptr[i].value);
    }
    vec_release(pairs);
}

static struct pair *add_pair(pair_vec *pairs)
{
    vec_push(pairs, (struct pair){ .order = pairs->len });
    return &pairs->ptr[pairs->len - 1];
}

static int by_order(const struct pair *a, const struct pair *b)
{
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Headers of one name keep their order. */
static int by_name(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int r = str_cmp(buf_str(&x->name), buf_str(&y->name));

    return r ? r : by_order(x, y);
}

static int by_name_and_value(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int r = str_cmp(buf_str(&x->name), buf_str(&y->name));

    return r ? r : str_cmp(buf_str(&x->value), buf_str(&y->value));
}

/* --- escapes --- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void encode(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (is_unreserved((char)c)) {
            buf_add_byte(out, (char)c);
            continue;
        }
        buf_add_byte(out, '%');
        buf_add_byte(out, digits[c >> 4]);
        buf_add_byte(out, digits[c & 15]);
    }
}

/* An escape that is none stays as it is. */
static void decode(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte;
        if (text.ptr[i] == '%' && hex_decode(str_sub(text, i + 1, 2), &byte, 1) == 0) {
            buf_add_byte(out, (char)byte);
            i += 2;
        } else {
            buf_add_byte(out, text.ptr[i]);
        }
    }
}

static void encode_literal(struct str text, struct buf *out)
{
    CLEANUP(buf_release) struct buf plain = { 0 };

    decode(text, &plain);
    encode(buf_str(&plain), out);
}

/* --- the canonical request --- */

/* "/a/../b//c/" is "/b/c/": each segment goes, stays, or takes the one before with it. */
static void add_normal_path(struct str path, struct buf *out)
{
    CLEANUP(buf_release) struct buf kept = { 0 };
    struct str rest = path, segment;
    bool ends = str_ends_with(path, STR("/"));

    while (str_split(&rest, '/', &segment)) {
        if (str_eq(segment, STR(".."))) {
            while (kept.len && kept.ptr[--kept.len] != '/')
                continue;
        } else if (segment.len && !str_eq(segment, STR("."))) {
            buf_add_byte(&kept, '/');
            encode(segment, &kept);
        }
    }
    buf_add_str(out, buf_str(&kept));
    if (ends || !kept.len)
        buf_add_byte(out, '/');
}

static void add_literal_path(struct str path, struct buf *out)
{
    struct str rest = path, segment;

    if (!path.len)
        buf_add_byte(out, '/');
    for (size_t i = 0; str_split(&rest, '/', &segment); i++) {
        if (i)
            buf_add_byte(out, '/');
        encode_literal(segment, out);
    }
}

static void add_query(struct str query, struct buf *out)
{
    pair_vec pairs = { 0 };
    struct str rest = query, item;

    while (str_split(&rest, '&', &item)) {
        ptrdiff_t equals = str_find_char(item, '=', 0);
        size_t name_len = equals < 0 ? item.len : (size_t)equals;
        if (!item.len)
            continue;
        struct pair *p = add_pair(&pairs);
        encode_literal(str_sub(item, 0, name_len), &p->name);
        encode_literal(str_sub(item, name_len + 1, item.len), &p->value);
    }
    if (pairs.len)
        qsort(pairs.ptr, pairs.len, sizeof(*pairs.ptr), by_name_and_value);
    for (size_t i = 0; i < pairs.len; i++) {
        buf_add_text(out, i ? "&" : "");
        buf_add_str(out, buf_str(&pairs.ptr[i].name));
        buf_add_byte(out, '=');
        buf_add_str(out, buf_str(&pairs.ptr[i].value));
    }
    release_pairs(&pairs);
}

/* Trimmed, and each run of blanks one space. */
static void add_squeezed(struct str value, struct buf *out)
{
    bool blank = false;

    value = str_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        bool is_blank = value.ptr[i] == ' ' || value.ptr[i] == '\t';
        if (!is_blank)
            buf_add_byte(out, value.ptr[i]);
        else if (!blank)
            buf_add_byte(out, ' ');
        blank = is_blank;
    }
}

/* Sorted by name, in lower case; several of one name are one, with commas. */
static void make_headers(const struct sigv4_request *r, pair_vec *ret)
{
    pair_vec all = { 0 };

    for (size_t i = 0; i < r->header_count; i++) {
        struct pair *p = add_pair(&all);
        for (size_t k = 0; k < r->headers[i].name.len; k++) {
            char c = r->headers[i].name.ptr[k];
            buf_add_byte(&p->name, (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
        }
        add_squeezed(r->headers[i].value, &p->value);
    }
    if (all.len)
        qsort(all.ptr, all.len, sizeof(*all.ptr), by_name);
    for (size_t i = 0; i < all.len; i++) {
        struct pair *last = ret->len ? &ret->ptr[ret->len - 1] : NULL;
        if (last && str_eq(buf_str(&last->name), buf_str(&all.ptr[i].name))) {
            buf_add_byte(&last->value, ',');
            buf_add_str(&last->value, buf_str(&all.ptr[i].value));
        } else {
            vec_push(ret, all.ptr[i]);
            all.ptr[i] = (struct pair){ 0 };
        }
    }
    release_pairs(&all);
}

static void add_signed_names(const pair_vec *headers, struct buf *out)
{
    for (size_t i = 0; i < headers->len; i++) {
        buf_add_text(out, i ? ";" : "");
        buf_add_str(out, buf_str(&headers->ptr[i].name));
    }
}

static void add_canonical(const struct sigv4_signer *s, const struct sigv4_request *r,
                          const pair_vec *headers, struct buf *out)
{
    buf_add_str(out, r->method);
    buf_add_byte(out, '\n');
    if (s->path == SIGV4_PATH_LITERAL)
        add_literal_path(r->path, out);
    else
        add_normal_path(r->path, out);
    buf_add_byte(out, '\n');
    add_query(r->query, out);
    buf_add_byte(out, '\n');
    for (size_t i = 0; i < headers->len; i++) {
        buf_add_str(out, buf_str(&headers->ptr[i].name));
        buf_add_byte(out, ':');
        buf_add_str(out, buf_str(&headers->ptr[i].value));
        buf_add_byte(out, '\n');
    }
    buf_add_byte(out, '\n');
    add_signed_names(headers, out);
    buf_add_byte(out, '\n');
    buf_add_str(out, r->payload_hash);
}

void sigv4_canonical(const struct sigv4_signer *signer, const struct sigv4_request *request,
                     struct buf *out)
{
    pair_vec headers = { 0 };

    make_headers(request, &headers);
    add_canonical(signer, request, &headers, out);
    release_pairs(&headers);
}

/* --- the signature --- */

static struct str bytes_of(const uint8_t digest[static SHA256_BYTES])
{
    return (struct str){ (const char *)digest, SHA256_BYTES };
}

static void derive_key(const struct sigv4_signer *s, struct str day,
                       uint8_t ret[static SHA256_BYTES])
{
    CLEANUP(buf_release) struct buf secret = { 0 };
    const struct str steps[] = { s->region, s->service, STR("aws4_request") };

    buf_reserve(&secret, 4 + s->secret_key.len); /* growing would leave a copy behind */
    buf_add_text(&secret, "AWS4");
    buf_add_str(&secret, s->secret_key);
    hmac_sha256(buf_str(&secret), day, ret);
    explicit_bzero(secret.ptr, secret.len);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        uint8_t next[SHA256_BYTES];
        hmac_sha256(bytes_of(ret), steps[i], next);
        memcpy(ret, next, sizeof(next));
        explicit_bzero(next, sizeof(next));
    }
}

char *sigv4_date(int64_t us, char ret[static SIGV4_DATE_BYTES])
{
    struct civil c = civil_from_us(us);
    char text[80];

    snprintf(text, sizeof(text), "%04d%02d%02dT%02d%02d%02dZ", c.year, c.month, c.day, c.hour,
             c.minute, c.second);
    memcpy(ret, text, SIGV4_DATE_BYTES - 1);
    ret[SIGV4_DATE_BYTES - 1] = '\0';
    return ret;
}

void sigv4_authorize(const struct sigv4_signer *s, const struct sigv4_request *r, struct buf *out)
{
    CLEANUP(buf_release) struct buf canonical = { 0 }, scope = { 0 }, to_sign = { 0 };
    pair_vec headers = { 0 };
    uint8_t digest[SHA256_BYTES], key[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    assert(strlen(r->date) == SIGV4_DATE_BYTES - 1);
    make_headers(r, &headers);
    add_canonical(s, r, &headers, &canonical);
    buf_addf(&scope, "%.*s/%.*s/%.*s/aws4_request", (int)DAY_BYTES, r->date, STR_ARG(s->region),
             STR_ARG(s->service));
    sha256_of(buf_str(&canonical), digest);
    buf_addf(&to_sign, ALGORITHM "\n%s\n%s\n%s", r->date, buf_cstr(&scope),
             hex_encode(digest, sizeof(digest), hex));
    derive_key(s, str_sub(str_from(r->date), 0, DAY_BYTES), key);
    hmac_sha256(bytes_of(key), buf_str(&to_sign), digest);
    explicit_bzero(key, sizeof(key));
    buf_addf(out, ALGORITHM " Credential=%.*s/%s, SignedHeaders=", STR_ARG(s->access_key),
             buf_cstr(&scope));
    add_signed_names(&headers, out);
    buf_addf(out, ", Signature=%s", hex_encode(digest, sizeof(digest), hex));
    release_pairs(&headers);
}
