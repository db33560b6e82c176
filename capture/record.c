#include "config.h"

#include "capture/record.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/le.h"
#include "base/uuid.h"
#include "capture/exchange_fields.h"

#define PIECE_BYTES       (1u << 20) /* of a body without arrival times, per frame */
#define STEPS_BYTES_USUAL 512        /* what attempts or decisions of a call take */

static void add_member(struct buf *out, const struct exchange *x, const struct exchange_field *f)
{
    const void *at = (const char *)x + f->offset;

    switch (f->kind) {
    case FIELD_TEXT:
        if (((const struct str *)at)->len)
            journal_add_field(out, exchange_field_frame_name(f), *(const struct str *)at);
        break;
    case FIELD_TIME:
        if (*(const int64_t *)at >= 0)
            journal_add_field_int(out, exchange_field_frame_name(f), *(const int64_t *)at);
        break;
    case FIELD_COUNT:
        if (*(const uint64_t *)at)
            journal_add_field_int(out, exchange_field_frame_name(f),
                                  (int64_t) * (const uint64_t *)at);
        break;
    case FIELD_SMALL:
        if (*(const int32_t *)at)
            journal_add_field_int(out, exchange_field_frame_name(f), *(const int32_t *)at);
        break;
    case FIELD_FLAG:
        if (*(const bool *)at)
            journal_add_field_int(out, exchange_field_frame_name(f), 1);
        break;
    }
}

static void add_members(struct buf *out, const struct exchange *x, enum field_frame where)
{
    for (size_t i = 0; i < exchange_field_count; i++)
        if (exchange_fields[i].where == where)
            add_member(out, x, &exchange_fields[i]);
}

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

/* Eight bytes of s at i, the last of which may overlap those before; of a shorter one all. */
static inline uint64_t load_eight(struct str s, size_t i)
{
    uint64_t eight = ONES * 'x';

    if (s.len < 8)
        memcpy(&eight, s.ptr, s.len);
    else
        memcpy(&eight, s.ptr + (s.len - i < 8 ? s.len - 8 : i), 8);
    return eight;
}

/* Is any byte of s below limit, or c?  A yes may be wrong. */
static inline bool may_have(struct str s, unsigned char limit, unsigned char c)
{
    uint64_t found = 0;

    for (size_t i = 0; i < s.len; i += 8) {
        uint64_t eight = load_eight(s, i), others = eight ^ ONES * c;
        found |= ((eight - ONES * limit) & ~eight) | ((others - ONES) & ~others);
    }
    return (found & TOPS) != 0;
}

/* A request target as it may stand in a request line: blanks and control characters escaped. */
static void add_target(struct buf *out, struct str s)
{
    bool is_clean = !may_have(s, 0x21, 0x7f);
    size_t from = 0;

    for (size_t i = 0; !is_clean && i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c > 0x20 && c != 0x7f)
            continue;
        buf_add(out, s.ptr + from, i - from);
        buf_addf(out, "%%%02X", c);
        from = i + 1;
    }
    buf_add_str(out, str_sub(s, from, s.len));
}

/* What would break a part of a line apart, and NUL: a bit for each control, blank and ':'. */
#define BIT(c) (UINT64_C(1) << (c))
#define BREAKS (BIT('\0') | BIT('\r') | BIT('\n'))

static void replace(char *at, size_t len, uint64_t is_bad, char instead)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)at[i] < 64 && is_bad >> at[i] & 1)
            at[i] = instead;
}

/* Copies s to where there is room for it, with what is_bad has replaced; returns its end. */
static inline char *put_text(char *to, struct str s, uint64_t is_bad, char instead)
{
    const bool is_value = is_bad == BREAKS; /* may have blanks and colons */

    if (!s.len)
        return to;
    memcpy(to, s.ptr, s.len);
    if (may_have(s, is_value ? 0x20 : 0x21, is_value ? '\0' : ':'))
        replace(to, s.len, is_bad, instead);
    return to + s.len;
}

static void add_method(struct buf *out, struct str s)
{
    put_text(buf_reserve(out, s.len), s, BREAKS | BIT(' ') | BIT('\t'), '_');
    out->len += s.len;
}

/* Does h stand in a head as "name: value", behind the line that ends at end? */
static bool goes_on(const char *end, const struct call_header *h)
{
    return h->name.ptr == end + 2 && h->value.ptr == h->name.ptr + h->name.len + 2 &&
           memcmp(end, "\r\n", 2) == 0 && memcmp(h->value.ptr - 2, ": ", 2) == 0;
}

/* Of headers as HTTP/1.1 has them, most of which are neighbours in the head that they came in. */
static void add_clean_lines(struct buf *out, const struct call_header *headers, size_t count)
{
    for (size_t i = 0, next; i < count; i = next) {
        const struct call_header *h = &headers[i];
        const char *from = h->value.ptr, *to = from + h->value.len;
        for (next = i + 1; next < count && goes_on(to, &headers[next]); next++)
            to = headers[next].value.ptr + headers[next].value.len;
        size_t len = (size_t)(to - from);
        char *at = buf_reserve(out, h->name.len + len + 4);
        memcpy(at, "\r\n", 2);
        memcpy(at + 2, h->name.ptr, h->name.len);
        memcpy(at + 2 + h->name.len, ": ", 2);
        if (len)
            memcpy(at + 4 + h->name.len, from, len);
        out->len += h->name.len + len + 4;
    }
}

static void add_header_lines(struct buf *out, const struct call_header *headers, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += headers[i].name.len + headers[i].value.len + 5;
    char *begin = buf_reserve(out, bytes), *to = begin;
    for (size_t i = 0; i < count; i++) {
        struct str name = headers[i].name.len ? headers[i].name : STR("_");
        memcpy(to, "\r\n", 2);
        to += 2;
        if (name.ptr[0] == ':') { /* HTTP/2's may begin so */
            *to++ = ':';
            name = str_sub(name, 1, SIZE_MAX);
        }
        to = put_text(to, name, BREAKS | BIT(':'), '_');
        memcpy(to, ": ", 2);
        to = put_text(to + 2, headers[i].value, BREAKS, ' ');
    }
    out->len += (size_t)(to - begin);
}

static bool has_request_head(const struct exchange *x)
{
    return x->method.len || x->path.len || x->query.len || x->request_header_count;
}

static void add_request_head(struct buf *out, const struct exchange *x)
{
    add_method(out, x->method);
    buf_add_byte(out, ' ');
    add_target(out, x->path);
    if (x->query.len) {
        buf_add_byte(out, '?');
        add_target(out, x->query);
    }
    buf_add_text(out, " HTTP/1.1");
    (x->heads_are_clean ? add_clean_lines : add_header_lines)(out, x->request_headers,
                                                              x->request_header_count);
}

/* The texts of BEGIN, REQUEST, RESPONSE_HEAD and END, one after another in one buffer. */
struct texts {
    struct buf bytes;
    size_t begin_end, request_end, response_end;
};

static struct str text_between(const struct texts *t, size_t from, size_t to)
{
    return str_sub(buf_str(&t->bytes), from, to - from);
}

static void add_json(struct buf *out, const char *name,
                     void (*to_json)(const struct exchange *x, struct buf *out),
                     const struct exchange *x)
{
    journal_add_field(out, name, STR(""));
    size_t from = out->len;
    buf_reserve(out, STEPS_BYTES_USUAL);
    to_json(x, out);
    assert(out->len - from <= JOURNAL_BODY_BYTES_MAX);
    le32_put((uint8_t *)out->ptr + from - 4, (uint32_t)(out->len - from));
}

static void add_end_words(struct buf *out, const struct exchange *x)
{
    if (x->transport_error != ERROR_CLASS_NONE)
        journal_add_field(out, FIELD_TRANSPORT_ERROR,
                          str_from(error_class_name(x->transport_error)));
    if (x->body_note)
        journal_add_field(out, FIELD_BODY_NOTE, str_from(x->body_note));
    if (x->attempt_count)
        add_json(out, FIELD_ATTEMPTS, exchange_attempts_to_json, x);
    if (x->decision_count)
        add_json(out, FIELD_DECISIONS, exchange_decisions_to_json, x);
}

static int add_end_fields(struct buf *out, const struct exchange *x, struct err *err)
{
    add_members(out, x, FRAME_END);
    journal_add_field_int(out, FIELD_TIMES_GIVEN, 1);
    if (!x->chunk_count && x->response_body.len)
        journal_add_field_int(out, FIELD_CHUNKS_UNTIMED, 1);
    journal_add_field_int(
        out, x->request_body_encoded ? FIELD_REQUEST_ENCODED : FIELD_REQUEST_DECODED, 1);
    journal_add_field_int(
        out, x->response_body_encoded ? FIELD_RESPONSE_ENCODED : FIELD_RESPONSE_DECODED, 1);
    add_end_words(out, x);
    if (x->status && !x->response_header_count)
        journal_add_field_int(out, FIELD_STATUS, x->status);
    if (str_eq(x->origin, STR(ORIGIN_ROWS))) {
        CLEANUP(buf_release) struct buf facts = { 0 };
        exchange_facts_to_json(&x->facts, &facts);
        if (facts.len > RECORD_HEAD_BYTES_MAX)
            return err_set(err, ERR_LIMIT, "its facts hold more than %u bytes",
                           RECORD_HEAD_BYTES_MAX);
        journal_add_field(out, FIELD_FACTS, buf_str(&facts));
    }
    return 0;
}

static int check_limits(const struct exchange *x, struct err *err)
{
    uint64_t chunk_bytes = 0;

    if (x->started_us < 0 || (uint64_t)x->started_us >= RECORD_STARTED_MAX_US)
        return err_set(err, ERR_USAGE, "its time lies outside the years 1970 to 9999");
    if (x->request_body.len > EXCHANGE_BODY_BYTES_MAX ||
        x->response_body.len > EXCHANGE_BODY_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a body is larger than %u bytes", EXCHANGE_BODY_BYTES_MAX);
    if (x->request_header_count > EXCHANGE_HEADERS_MAX ||
        x->response_header_count > EXCHANGE_HEADERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d headers", EXCHANGE_HEADERS_MAX);
    if (x->attempt_count > EXCHANGE_STEPS_MAX || x->decision_count > EXCHANGE_STEPS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d attempts or decisions", EXCHANGE_STEPS_MAX);
    if (x->status < 0 || x->status > 999)
        return err_set(err, ERR_USAGE, "status %d is no HTTP status", x->status);
    for (size_t i = 0; i < x->chunk_count; i++) {
        if (x->chunks[i].bytes > x->response_body.len - chunk_bytes)
            return err_set(err, ERR_USAGE, "its chunks hold more bytes than the answer has");
        chunk_bytes += x->chunks[i].bytes;
    }
    if (x->chunk_count && chunk_bytes != x->response_body.len)
        return err_set(err, ERR_USAGE, "its chunks hold %" PRIu64 " of the answer's %zu bytes",
                       chunk_bytes, x->response_body.len);
    return 0;
}

static size_t text_bytes(const struct exchange *x)
{
    size_t total = x->method.len + x->path.len + x->query.len;

    for (size_t i = 0; i < exchange_field_count; i++)
        if (exchange_fields[i].kind == FIELD_TEXT)
            total += ((const struct str *)((const char *)x + exchange_fields[i].offset))->len;
    for (size_t i = 0; i < x->request_header_count; i++)
        total += x->request_headers[i].name.len + x->request_headers[i].value.len;
    for (size_t i = 0; i < x->response_header_count; i++)
        total += x->response_headers[i].name.len + x->response_headers[i].value.len;
    return total;
}

void record_add_begin(struct buf *out, const struct exchange *x)
{
    char id[UUID_TEXT_BYTES];

    journal_add_field(out, "id", str_from(uuid_format(x->id, id)));
    add_members(out, x, FRAME_BEGIN);
}

void record_add_request(struct buf *out, const struct exchange *x)
{
    add_request_head(out, x);
}

void record_add_response(struct buf *out, const struct exchange *x)
{
    char status[] = { (char)('0' + x->status / 100 % 10), (char)('0' + x->status / 10 % 10),
                      (char)('0' + x->status % 10) };

    buf_add_str(out, STR("HTTP/1.1 "));
    buf_add(out, status, sizeof(status));
    (x->heads_are_clean ? add_clean_lines : add_header_lines)(out, x->response_headers,
                                                              x->response_header_count);
}

/* Live, the times of frames say these. */
static bool is_time_of_frame(const struct exchange_field *f)
{
    return f->offset == offsetof(struct exchange, request_us) ||
           f->offset == offsetof(struct exchange, head_us) ||
           f->offset == offsetof(struct exchange, end_us);
}

void record_add_end(struct buf *out, const struct exchange *x)
{
    for (size_t i = 0; i < exchange_field_count; i++)
        if (exchange_fields[i].where == FRAME_END && !is_time_of_frame(&exchange_fields[i]))
            add_member(out, x, &exchange_fields[i]);
    add_end_words(out, x);
}

static int make_texts(const struct exchange *x, struct texts *t, struct err *err)
{
    record_add_begin(&t->bytes, x);
    t->begin_end = t->bytes.len;
    if (has_request_head(x))
        record_add_request(&t->bytes, x);
    t->request_end = t->bytes.len;
    if (x->response_header_count)
        record_add_response(&t->bytes, x);
    t->response_end = t->bytes.len;
    return add_end_fields(&t->bytes, x, err);
}

/* One exchange being appended. */
struct appending {
    struct journal_writer *journal;
    uint64_t sequence;
};

static int append(const struct appending *a, enum journal_frame_type type, uint64_t at_us,
                  struct str payload, struct err *err)
{
    struct journal_frame f = {
        .type = type, .sequence = a->sequence, .at_us = at_us, .payload = payload
    };

    return journal_append(a->journal, &f, err);
}

static int append_pieces(const struct appending *a, enum journal_frame_type type, uint64_t at_us,
                         struct str body, struct err *err)
{
    for (size_t at = 0; at < body.len; at += PIECE_BYTES)
        if (append(a, type, at_us, str_sub(body, at, PIECE_BYTES), err) < 0)
            return -1;
    return 0;
}

static int append_chunks(const struct appending *a, const struct exchange *x, struct err *err)
{
    size_t at = 0;

    if (!x->chunk_count)
        return append_pieces(a, JOURNAL_CHUNK, 0, x->response_body, err);
    for (size_t i = 0; i < x->chunk_count; i++) {
        struct str chunk = str_sub(x->response_body, at, (size_t)x->chunks[i].bytes);
        at += chunk.len;
        do { /* once, unless the chunk is larger than a frame can be */
            struct str piece = str_sub(chunk, 0, JOURNAL_BODY_BYTES_MAX);
            if (append(a, JOURNAL_CHUNK, x->chunks[i].offset_us, piece, err) < 0)
                return -1;
            chunk = str_sub(chunk, piece.len, SIZE_MAX);
        } while (chunk.len);
    }
    return 0;
}

static uint64_t known_time(int64_t us)
{
    return us < 0 ? 0 : (uint64_t)us;
}

static int append_frames(const struct appending *a, const struct exchange *x, const struct texts *t,
                         struct err *err)
{
    uint64_t request_us = known_time(x->request_us);

    if (append(a, JOURNAL_BEGIN, (uint64_t)x->started_us, text_between(t, 0, t->begin_end), err) <
        0)
        return -1;
    if (t->request_end > t->begin_end &&
        append(a, JOURNAL_REQUEST, 0, text_between(t, t->begin_end, t->request_end), err) < 0)
        return -1;
    if (append_pieces(a, JOURNAL_REQUEST_BODY, request_us, x->request_body, err) < 0)
        return -1;
    if (t->response_end > t->request_end &&
        append(a, JOURNAL_RESPONSE_HEAD, known_time(x->head_us),
               text_between(t, t->request_end, t->response_end), err) < 0)
        return -1;
    if (append_chunks(a, x, err) < 0)
        return -1;
    return append(a, JOURNAL_END, known_time(x->end_us),
                  text_between(t, t->response_end, t->bytes.len), err);
}

int record_append(struct journal_writer *j, const struct exchange *x, struct err *err)
{
    struct texts t = { 0 };
    struct appending a = { j, journal_sequence(j) };

    if (check_limits(x, err) < 0)
        return -1;
    if (text_bytes(x) > RECORD_HEAD_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "heads and fields hold more than %u bytes",
                       RECORD_HEAD_BYTES_MAX);
    int r = make_texts(x, &t, err);
    if (r == 0)
        r = append_frames(&a, x, &t, err);
    buf_release(&t.bytes);
    return r;
}
