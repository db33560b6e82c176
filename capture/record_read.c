#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "capture/exchange_fields.h"
#include "capture/record.h"

#define RUN_FRAMES_MAX UINT32_MAX
#define INDEX_MAX      (UINT32_MAX - 1) /* exchanges, and runs, in one journal */

void record_index_release(struct record_index *x)
{
    free(x->entries);
    free(x->runs);
    *x = (struct record_index){ 0 };
}

void record_scratch_release(struct record_scratch *s)
{
    arena_release(&s->arena);
    buf_release(&s->request);
    buf_release(&s->response);
    free(s->chunks);
    *s = (struct record_scratch){ 0 };
}

static int begin_entry(struct record_index *x, const struct journal_frame *f, struct err *err)
{
    struct str key, value;
    size_t at = 0;
    int r;

    if (f->sequence != x->len + 1)
        return err_set(err, ERR_CORRUPT,
                       "frame at byte %" PRIu64 ": exchange %" PRIu64 " begins where %zu is due",
                       f->offset, f->sequence, x->len + 1);
    if (x->len >= INDEX_MAX)
        return err_set(err, ERR_LIMIT, "more than %u exchanges in one journal", INDEX_MAX);
    if (f->at_us >= RECORD_STARTED_MAX_US)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": begins after the year 9999",
                       f->offset);
    struct record_entry entry = { .started_us = (int64_t)f->at_us, .sequence = f->sequence };
    while ((r = journal_next_field(f->payload, &at, &key, &value)) > 0)
        if (str_eq(key, STR("origin")) && str_starts_with(value, STR(ORIGIN_IMPORTS)))
            entry.flags |= RECORD_IMPORTED;
    if (r < 0)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": its fields are malformed",
                       f->offset);
    if (x->len == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 64;
        x->entries = mem_realloc(x->entries, x->cap * sizeof(*x->entries));
    }
    x->entries[x->len++] = entry;
    return 0;
}

/* Adds the frame to its exchange's runs: to the last one if the frame before was that exchange's
 * too. */
static int add_to_run(struct record_index *x, const struct journal_frame *f, bool adjoins,
                      struct err *err)
{
    struct record_entry *entry = &x->entries[f->sequence - 1];

    if (adjoins && entry->last_run && x->runs[entry->last_run - 1].frames < RUN_FRAMES_MAX) {
        x->runs[entry->last_run - 1].frames++;
        return 0;
    }
    if (x->run_len >= INDEX_MAX)
        return err_set(err, ERR_LIMIT, "more than %u runs of frames in one journal", INDEX_MAX);
    if (x->run_len == x->run_cap) {
        x->run_cap = x->run_cap ? x->run_cap * 2 : 64;
        x->runs = mem_realloc(x->runs, x->run_cap * sizeof(*x->runs));
    }
    x->runs[x->run_len++] = (struct record_run){ .offset = f->offset, .frames = 1 };
    uint32_t number = (uint32_t)x->run_len;
    if (entry->last_run)
        x->runs[entry->last_run - 1].next = number;
    else
        entry->first_run = number;
    entry->last_run = number;
    return 0;
}

static int index_frame(struct record_index *x, const struct journal_frame *f, uint64_t last,
                       struct err *err)
{
    if (x->closed)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": follows the CLOSE frame",
                       f->offset);
    if (f->type == JOURNAL_CLOSE)
        x->closed = true;
    if (f->type == JOURNAL_CLOSE || (f->type == JOURNAL_FILE && f->offset == 0))
        return 0;
    if (f->type == JOURNAL_FILE)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": a second FILE frame",
                       f->offset);
    if (f->type == JOURNAL_BEGIN && begin_entry(x, f, err) < 0)
        return -1;
    if (f->sequence < 1 || f->sequence > x->len)
        return err_set(err, ERR_CORRUPT,
                       "frame at byte %" PRIu64 ": exchange %" PRIu64 " has not begun", f->offset,
                       f->sequence);
    struct record_entry *entry = &x->entries[f->sequence - 1];
    if (entry->flags & RECORD_ENDED)
        return err_set(err, ERR_CORRUPT,
                       "frame at byte %" PRIu64 ": exchange %" PRIu64 " has ended before",
                       f->offset, f->sequence);
    if (f->type == JOURNAL_END)
        entry->flags |= RECORD_ENDED;
    return add_to_run(x, f, f->sequence == last, err);
}

int record_index(struct journal_reader *j, bool salvage, struct record_index *ret, struct err *err)
{
    CLEANUP(record_index_release) struct record_index x = { 0 };
    struct journal_frame f;
    uint64_t last = 0;
    int r;

    while ((r = journal_next(j, &f, err)) > 0) {
        if (index_frame(&x, &f, last, err) < 0) {
            r = -1;
            break;
        }
        last = f.sequence;
    }
    if (r < 0 && (!salvage || err->code != ERR_CORRUPT))
        return -1;
    x.damaged = r < 0;
    if (x.damaged)
        x.damage = *err;
    else
        x.torn_bytes = journal_torn_bytes(j);
    *ret = x;
    x = (struct record_index){ 0 };
    return 0;
}

/* A body as it gathers: the only piece in place, several in a buffer. */
struct gather {
    struct buf *buf;
    struct str only;
    uint64_t wire_bytes;
    bool in_buf;
    bool over; /* beyond EXCHANGE_BODY_BYTES_MAX: the rest is left out */
};

/* Returns how many of piece's bytes were kept. */
static size_t gather_add(struct gather *g, struct str piece)
{
    size_t have = g->in_buf ? g->buf->len : g->only.len;

    g->wire_bytes += piece.len;
    if (piece.len > EXCHANGE_BODY_BYTES_MAX - have) {
        piece.len = EXCHANGE_BODY_BYTES_MAX - have;
        g->over = true;
    }
    if (have == 0 && !g->in_buf) {
        g->only = piece;
        return piece.len;
    }
    if (!g->in_buf) {
        buf_clear(g->buf);
        buf_add_str(g->buf, g->only);
        g->in_buf = true;
    }
    buf_add_str(g->buf, piece);
    return piece.len;
}

static struct str gather_str(const struct gather *g)
{
    struct str s = g->in_buf ? buf_str(g->buf) : g->only;

    return s.ptr ? s : STR("");
}

/* An exchange being assembled. */
struct assembly {
    struct exchange x;
    struct record_scratch *scratch;
    struct gather request, response;
    uint64_t begin_offset;
    bool ended, head_seen, chunks_untimed, times_given;
    bool request_decoded, response_decoded;
    bool request_encoded, response_encoded;
    bool headers_over;
};

static int set_member(struct exchange *x, const struct exchange_field *f, struct str value)
{
    void *to = (char *)x + f->offset;
    int64_t n = 0;

    if (f->kind == FIELD_TEXT) {
        *(struct str *)to = value;
        return 0;
    }
    if (!str_to_i64(value, &n) || n < 0 || (f->kind == FIELD_SMALL && n > INT32_MAX))
        return -1;
    if (f->kind == FIELD_TIME)
        *(int64_t *)to = n;
    else if (f->kind == FIELD_SMALL)
        *(int32_t *)to = (int32_t)n;
    else if (f->kind == FIELD_COUNT)
        *(uint64_t *)to = (uint64_t)n;
    else
        *(bool *)to = n != 0;
    return 0;
}

/* Whether the table knows key for this frame; then *ret_failed says if its value would not do. */
static bool set_known(struct exchange *x, enum field_frame where, struct str key, struct str value,
                      bool *ret_failed)
{
    for (size_t i = 0; i < exchange_field_count; i++) {
        const struct exchange_field *f = &exchange_fields[i];
        const char *name = exchange_field_frame_name(f);
        if (f->where != where || key.len == 0 || *name != key.ptr[0] ||
            !str_eq(key, str_from(name)))
            continue;
        *ret_failed = set_member(x, f, value) < 0;
        return true;
    }
    return false;
}

static int bad_field(const struct journal_frame *f, struct str key, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": field '%.*s' is malformed",
                   f->offset, STR_ARG(str_sub(key, 0, 60)));
}

static int on_begin(struct assembly *a, const struct journal_frame *f, struct err *err)
{
    struct str key, value;
    size_t at = 0;
    bool failed = false, has_id = false;

    a->begin_offset = f->offset;
    a->x.started_us = (int64_t)f->at_us;
    while (journal_next_field(f->payload, &at, &key, &value) > 0) {
        if (str_eq(key, STR("id")))
            has_id = uuid_parse(value, &a->x.id);
        else
            set_known(&a->x, FRAME_BEGIN, key, value, &failed);
        if (failed)
            return bad_field(f, key, err);
    }
    return has_id ? 0 : bad_field(f, STR("id"), err);
}

/* Lines "name: value" into an array in the arena. */
static struct call_header *parse_headers(struct assembly *a, struct str lines, size_t *ret_count)
{
    size_t count = 0, max = 0;

    for (ptrdiff_t at = 0; lines.len && at >= 0; at = str_find(lines, STR("\r\n"), (size_t)at + 2))
        max++;
    if (max > EXCHANGE_HEADERS_MAX) {
        a->headers_over = true;
        max = EXCHANGE_HEADERS_MAX;
    }
    struct call_header *headers = arena_alloc(&a->scratch->arena, max * sizeof(*headers) + 1);
    while (lines.len && count < max) {
        ptrdiff_t end = str_find(lines, STR("\r\n"), 0);
        struct str line = end < 0 ? lines : str_sub(lines, 0, (size_t)end);
        ptrdiff_t colon = str_find_char(line, ':', 1); /* a name may begin with ':' (HTTP/2) */
        size_t name_len = colon < 0 ? line.len : (size_t)colon;
        struct str value = str_sub(line, name_len + 1, SIZE_MAX);
        if (value.len && value.ptr[0] == ' ')
            value = str_sub(value, 1, SIZE_MAX);
        headers[count++] = (struct call_header){ str_sub(line, 0, name_len), value };
        lines = end < 0 ? (struct str){ 0 } : str_sub(lines, (size_t)end + 2, SIZE_MAX);
    }
    *ret_count = count;
    return headers;
}

/* Splits a head into its first line and the header lines. */
static struct str first_line(struct str head, struct str *ret_lines)
{
    ptrdiff_t end = str_find(head, STR("\r\n"), 0);

    *ret_lines = end < 0 ? (struct str){ 0 } : str_sub(head, (size_t)end + 2, SIZE_MAX);
    return end < 0 ? head : str_sub(head, 0, (size_t)end);
}

static int on_request(struct assembly *a, const struct journal_frame *f, struct err *err)
{
    struct str lines, line = first_line(f->payload, &lines);
    ptrdiff_t blank = str_find_char(line, ' ', 0);

    if (blank < 0)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": no request line", f->offset);
    struct str target = str_sub(line, (size_t)blank + 1, SIZE_MAX);
    ptrdiff_t version = str_find_char(target, ' ', 0);
    if (version >= 0)
        target = str_sub(target, 0, (size_t)version);
    ptrdiff_t query = str_find_char(target, '?', 0);
    a->x.method = str_sub(line, 0, (size_t)blank);
    a->x.path = query < 0 ? target : str_sub(target, 0, (size_t)query);
    a->x.query = query < 0 ? STR("") : str_sub(target, (size_t)query + 1, SIZE_MAX);
    a->x.request_headers = parse_headers(a, lines, &a->x.request_header_count);
    a->x.request_us = (int64_t)f->at_us;
    return 0;
}

static int on_request_body(struct assembly *a, const struct journal_frame *f, struct err *err)
{
    (void)err;
    gather_add(&a->request, f->payload);
    a->x.request_us = (int64_t)f->at_us;
    return 0;
}

static int on_response_head(struct assembly *a, const struct journal_frame *f, struct err *err)
{
    struct str lines, line = first_line(f->payload, &lines);
    ptrdiff_t blank = str_find_char(line, ' ', 0);
    int64_t status = 0;

    if (blank < 0 || !str_to_i64(str_sub(line, (size_t)blank + 1, 3), &status) || status < 0)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": no status line", f->offset);
    a->x.status = (int)status;
    a->x.response_headers = parse_headers(a, lines, &a->x.response_header_count);
    a->x.head_us = (int64_t)f->at_us;
    a->head_seen = true;
    return 0;
}

static int on_chunk(struct assembly *a, const struct journal_frame *f, struct err *err)
{
    struct record_scratch *s = a->scratch;
    size_t kept = gather_add(&a->response, f->payload);

    (void)err;
    if (s->chunk_len == s->chunk_cap) {
        s->chunk_cap = s->chunk_cap ? s->chunk_cap * 2 : 64;
        s->chunks = mem_realloc(s->chunks, s->chunk_cap * sizeof(*s->chunks));
    }
    s->chunks[s->chunk_len++] = (struct exchange_chunk){ .offset_us = f->at_us, .bytes = kept };
    return 0;
}

static int set_facts(const json_t *doc, struct arena *arena, struct exchange *x, struct err *err)
{
    return exchange_facts_from_json(doc, arena, &x->facts, err) < 0 ? err_wrap(err, "facts") : 0;
}

/* 1 = key is a field that holds JSON. */
static int set_json_field(struct assembly *a, struct str key, struct str value, struct err *err)
{
    static const struct {
        const char *key;
        int (*set)(const json_t *doc, struct arena *arena, struct exchange *x, struct err *err);
    } fields[] = {
        {FIELD_FACTS,      set_facts                   },
        { FIELD_ATTEMPTS,  exchange_attempts_from_json },
        { FIELD_DECISIONS, exchange_decisions_from_json},
    };
    CLEANUP(json_decref) json_t *doc = NULL;
    size_t i = 0;

    while (i < ARRAY_LEN(fields) && !str_eq(key, str_from(fields[i].key)))
        i++;
    if (i == ARRAY_LEN(fields))
        return 0;
    if (json_parse(value, &doc, err) < 0)
        return err_wrap(err, "%s", fields[i].key);
    return fields[i].set(doc, &a->scratch->arena, &a->x, err) < 0 ? -1 : 1;
}

static int set_end_field(struct assembly *a, struct str key, struct str value, struct err *err)
{
    struct exchange *x = &a->x;
    const struct {
        struct str key;
        bool *flag;
    } flags[] = {
        {STR(FIELD_TIMES_GIVEN),       &a->times_given     },
        { STR(FIELD_CHUNKS_UNTIMED),   &a->chunks_untimed  },
        { STR(FIELD_REQUEST_DECODED),  &a->request_decoded },
        { STR(FIELD_RESPONSE_DECODED), &a->response_decoded},
        { STR(FIELD_REQUEST_ENCODED),  &a->request_encoded },
        { STR(FIELD_RESPONSE_ENCODED), &a->response_encoded},
    };
    bool failed = false;
    int64_t n = 0;
    int r = set_json_field(a, key, value, err);

    if (r)
        return r < 0 ? -1 : 0;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (str_eq(key, flags[i].key))
            *flags[i].flag = str_eq(value, STR("1"));
    if (str_eq(key, STR(FIELD_TRANSPORT_ERROR)))
        failed = !exchange_error_class_parse(value, &x->transport_error);
    else if (str_eq(key, STR(FIELD_BODY_NOTE)))
        x->body_note = arena_str(&a->scratch->arena, value).ptr;
    else if (str_eq(key, STR(FIELD_STATUS)))
        failed = !str_to_i64(value, &n) || n < 0 || n > 999 || (x->status = (int)n, false);
    else if (!set_known(x, FRAME_END, key, value, &failed))
        set_known(x, FRAME_BEGIN, key, value, &failed); /* amended */
    return failed ? err_set(err, ERR_CORRUPT, "field '%.*s' is malformed",
                            STR_ARG(str_sub(key, 0, 60)))
                  : 0;
}

static int on_end(struct assembly *a, const struct journal_frame *f, struct err *err)
{
    struct str key, value;
    size_t at = 0;
    int r;

    a->x.end_us = (int64_t)f->at_us;
    /* First, whether times of frames count at all: the fields that follow then set them. */
    while (journal_next_field(f->payload, &at, &key, &value) > 0)
        if (str_eq(key, STR(FIELD_TIMES_GIVEN)) && str_eq(value, STR("1")))
            a->x.request_us = a->x.head_us = a->x.first_token_us = a->x.end_us = -1;
    at = 0;
    while ((r = journal_next_field(f->payload, &at, &key, &value)) > 0)
        if (set_end_field(a, key, value, err) < 0)
            return err_wrap(err, "frame at byte %" PRIu64, f->offset);
    if (r < 0)
        return err_set(err, ERR_CORRUPT, "frame at byte %" PRIu64 ": its fields are malformed",
                       f->offset);
    a->ended = true;
    return 0;
}

typedef int (*frame_fn)(struct assembly *a, const struct journal_frame *f, struct err *err);

static const frame_fn frame_fns[] = {
    [JOURNAL_BEGIN] = on_begin,
    [JOURNAL_REQUEST] = on_request,
    [JOURNAL_REQUEST_BODY] = on_request_body,
    [JOURNAL_RESPONSE_HEAD] = on_response_head,
    [JOURNAL_CHUNK] = on_chunk,
    [JOURNAL_END] = on_end,
};

static int read_run(struct journal_reader *j, const struct record_run *run, struct assembly *a,
                    struct err *err)
{
    struct journal_frame f;

    if (journal_read_at(j, run->offset, &f, err) < 0)
        return -1;
    for (uint32_t i = 0;;) {
        assert(f.type < ARRAY_LEN(frame_fns) && frame_fns[f.type]); /* record_index saw to it */
        if (frame_fns[f.type](a, &f, err) < 0)
            return -1;
        if (++i == run->frames)
            return 0;
        int r = journal_next(j, &f, err);
        if (r <= 0)
            return r < 0 ? -1 : err_set(err, ERR_CORRUPT, "the file has become shorter");
    }
}

static bool has_content_encoding(const struct call_header *headers, size_t count)
{
    struct str s = str_trim(call_header_find(headers, count, "content-encoding"));

    return s.len && !str_ieq(s, STR("identity"));
}

static void finish_bodies(struct assembly *a)
{
    struct exchange *x = &a->x;

    x->request_body = gather_str(&a->request);
    x->response_body = gather_str(&a->response);
    if (!x->request_bytes)
        x->request_bytes = a->request.wire_bytes;
    if (!x->response_bytes)
        x->response_bytes = a->response.wire_bytes;
    x->request_body_encoded =
        x->request_body.len && !a->request_decoded &&
        (a->request_encoded || has_content_encoding(x->request_headers, x->request_header_count));
    x->response_body_encoded =
        x->response_body.len && !a->response_decoded &&
        (a->response_encoded ||
         has_content_encoding(x->response_headers, x->response_header_count));
    if (!a->chunks_untimed) {
        x->chunks = a->scratch->chunks;
        x->chunk_count = a->scratch->chunk_len;
    }
    if (a->headers_over)
        x->body_note = "headers beyond the first 512 were left out";
    if (a->request.over || a->response.over)
        x->body_note = "a body is kept only up to 256 MiB";
    x->truncated |= a->response.over;
}

int record_read(struct journal_reader *j, const struct record_index *index,
                const struct record_entry *entry, struct record_scratch *scratch,
                struct exchange *ret, struct err *err)
{
    struct assembly a = {
        .x = {.request_us = -1,      .head_us = -1, .first_token_us = -1, .end_us = -1 },
        .scratch = scratch,
        .request = { .buf = &scratch->request},
        .response = { .buf = &scratch->response                   },
    };

    arena_reset(&scratch->arena);
    scratch->chunk_len = 0;
    for (uint32_t run = entry->first_run; run; run = index->runs[run - 1].next)
        if (read_run(j, &index->runs[run - 1], &a, err) < 0)
            return err_wrap(err, "exchange %" PRIu64, entry->sequence);
    finish_bodies(&a);
    if (!a.ended) {
        a.x.truncated = true;
        a.x.transport_error = a.head_seen ? ERROR_CLASS_STREAM_CUT : ERROR_CLASS_TRANSPORT;
    }
    a.x.writer = journal_reader_writer(j);
    a.x.sequence = entry->sequence;
    *ret = a.x;
    return 0;
}
