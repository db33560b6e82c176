#include "config.h"

#include "base/http1.h"

#include <assert.h>
#include <ctype.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1_lines.h"

/* Method, blanks, version and CRLF around the longest target. */
#define START_LINE_EXTRA 48u
#define USUAL_HEAD_BYTES 2048u
#define USUAL_HEADERS    24u
#define KNOWN_HEAD_BYTES 8192u /* of a head that is kept while the next one is read */

enum state {
    IN_HEAD,
    IN_BODY,       /* a length, or until the end of the stream */
    IN_CHUNK_LINE, /* "SIZE;extensions" CRLF */
    IN_CHUNK,
    IN_CHUNK_END, /* CRLF */
    IN_TRAILERS,
    AT_END, /* of which the caller is not told yet */
    DONE,
    REFUSED,
    STATE_COUNT
};

struct http1 {
    llhttp_t parser;
    enum http1_role role;
    struct http1_limits limits;
    enum state state;
    bool without_body;
    struct http1_head head;
    struct buf raw;  /* the head */
    struct buf tail; /* a chunk line, its end, or the trailers */
    http1_headers headers, trailers;
    struct http1_lines known; /* from the head before */
    uint32_t (*tag)(struct str name);
    bool is_whole;        /* raw and headers are a head that was accepted */
    const char *start_at; /* where raw was as its start line was read; NULL = not yet */
    uint32_t line_at;     /* in raw or tail: where its last line begins */
    uint32_t lines;       /* of the trailers */
    uint32_t empty_lines, interims;
    uint64_t left; /* of the body or chunk; unused until the end of the stream */
    unsigned refusal;
    /* What llhttp says about the bytes it was fed last. */
    http1_headers *names; /* where fields go */
    struct str body;
    bool in_name, is_complete, has_chunk_head;
};

enum step { STEP_FAILED = -1, STEP_MORE, STEP_EVENT, STEP_ON };

/* --- llhttp's callbacks --- */

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    struct http1 *h = parser->data;
    struct str *name = h->names->len ? &h->names->ptr[h->names->len - 1].name : NULL;

    /* A name may come in pieces. */
    if (h->in_name && name && at == name->ptr + name->len) {
        name->len += len;
        return 0;
    }
    vec_push(h->names, ((struct http1_header){
                           .name = {at, len}
    }));
    h->in_name = true;
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct http1 *h = parser->data;
    struct str *value = &h->names->ptr[h->names->len - 1].value;

    if (!value->ptr)
        value->ptr = at;
    value->len += len;
    h->in_name = false;
    return 0;
}

static int on_head(llhttp_t *parser)
{
    struct http1 *h = parser->data;
    int status = parser->status_code;

    /* We stay with HTTP/1.1 whatever is asked for, and then the body is framed as ever. */
    parser->upgrade = 0;
    if (h->role == HTTP1_REQUESTS)
        return 0;
    /* 1 = no body, whatever the head says. */
    return h->without_body || status / 100 == 1 || status == 204 || status == 304;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct http1 *h = parser->data;

    if (!h->body.ptr)
        h->body.ptr = at;
    h->body.len += len;
    return 0;
}

static int on_chunk_head(llhttp_t *parser)
{
    struct http1 *h = parser->data;

    h->has_chunk_head = true;
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct http1 *h = parser->data;

    h->is_complete = true;
    return 0;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_chunk_header = on_chunk_head,
    .on_message_complete = on_complete,
};

/* --- life --- */

struct http1 *http1_new(enum http1_role role, const struct http1_limits *limits)
{
    struct http1 *h = mem_calloc(1, sizeof(*h));

    h->role = role;
    if (limits)
        h->limits = *limits;
    if (!h->limits.head_bytes)
        h->limits.head_bytes = HTTP1_HEAD_BYTES;
    if (!h->limits.headers)
        h->limits.headers = HTTP1_HEADERS;
    if (!h->limits.target_bytes)
        h->limits.target_bytes = HTTP1_TARGET_BYTES;
    if (!h->limits.chunk_line_bytes)
        h->limits.chunk_line_bytes = HTTP1_CHUNK_LINE_BYTES;
    http1_reset(h, false);
    return h;
}

void http1_free(struct http1 *h)
{
    if (!h)
        return;
    http1_trim(h);
    free(h);
}

void http1_tag_names(struct http1 *h, uint32_t (*tag)(struct str name))
{
    assert(!h->is_whole && !h->known.headers.len);
    h->tag = tag;
}

static void begin_head(struct http1 *h)
{
    if (h->is_whole && h->raw.len <= KNOWN_HEAD_BYTES)
        http1_lines_keep(&h->known, &h->raw, &h->headers);
    http1_lines_clear(&h->known);
    h->is_whole = false;
    buf_clear(&h->raw);
    buf_clear(&h->tail);
    vec_clear(&h->headers);
    vec_clear(&h->trailers);
    h->head = (struct http1_head){ 0 };
    h->state = IN_HEAD;
    h->start_at = NULL;
    h->line_at = h->lines = h->empty_lines = 0;
    h->refusal = 0;
    h->is_complete = false;
    h->names = &h->headers;
}

void http1_reset(struct http1 *h, bool without_body)
{
    h->without_body = without_body;
    h->interims = 0;
    begin_head(h);
}

void http1_trim(struct http1 *h)
{
    buf_release(&h->raw);
    buf_release(&h->tail);
    vec_release(&h->headers);
    vec_release(&h->trailers);
    http1_lines_release(&h->known);
    h->is_whole = false;
    h->head = (struct http1_head){ 0 };
}

const struct http1_head *http1_head(const struct http1 *h)
{
    return &h->head;
}

const struct http1_header *http1_trailers(const struct http1 *h, size_t *ret_count)
{
    *ret_count = h->trailers.len;
    return h->trailers.ptr;
}

unsigned http1_refusal(const struct http1 *h)
{
    return h->refusal;
}

bool http1_is_under_way(const struct http1 *h)
{
    return h->state == IN_HEAD ? h->raw.len > 0 : h->state < DONE;
}

/* --- refusing --- */

static enum step refuse(struct http1 *h, unsigned status, const char *why, struct err *err)
{
    bool is_limit = status == 414 || status == 431;

    h->state = REFUSED;
    h->refusal = status;
    err_set(err, is_limit ? ERR_LIMIT : ERR_CORRUPT, "malformed %s: %s",
            h->role == HTTP1_REQUESTS ? "request" : "response", why);
    return STEP_FAILED;
}

/* llhttp's reasons are short and fixed; only their first letter is not ours. */
static enum step refuse_as_llhttp(struct http1 *h, llhttp_errno_t code, struct err *err)
{
    const char *reason = llhttp_get_error_reason(&h->parser);
    char text[128];

    snprintf(text, sizeof(text), "%s", reason && *reason ? reason : llhttp_errno_name(code));
    if (!isupper((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    return refuse(h, code == HPE_INVALID_METHOD ? 501 : 400, text, err);
}

/* Whichever is right, somebody behind us may read it the other way. */
static enum step disagree(struct http1 *h, struct err *err)
{
    return refuse(h, 400, "the two readings of the framing differ", err);
}

/* Feeds llhttp what we have understood ourselves already; it must not stop. */
static enum step feed(struct http1 *h, struct str bytes, struct err *err)
{
    h->body = (struct str){ 0 };
    h->has_chunk_head = false;
    if (h->is_complete)
        return disagree(h, err);
    llhttp_errno_t code = llhttp_execute(&h->parser, bytes.ptr, bytes.len);
    return code == HPE_OK ? STEP_ON : refuse_as_llhttp(h, code, err);
}

/* --- lines --- */

static struct str take(struct str *in, size_t len)
{
    struct str piece = str_sub(*in, 0, len);

    *in = str_sub(*in, piece.len, in->len);
    return piece;
}

static void move(struct buf *buf, struct str *in, size_t len)
{
    memcpy(buf_reserve(buf, len), in->ptr, len);
    buf->len += len;
    *in = (struct str){ in->ptr + len, in->len - len };
}

/* Moves one line, or what there is of it, from in, which is not empty, to buf; true = it is
 * complete. */
static bool take_line(struct buf *buf, struct str *in)
{
    const char *lf = memchr(in->ptr, '\n', in->len);

    move(buf, in, lf ? (size_t)(lf - in->ptr) + 1 : in->len);
    return lf != NULL;
}

static enum step check_line_end(struct http1 *h, const struct buf *buf, struct err *err)
{
    if (buf->len - h->line_at < 2 || buf->ptr[buf->len - 2] != '\r')
        return refuse(h, 400, "a line ends with a bare LF", err);
    return STEP_ON;
}

/* What can be said of the start line before it is complete. */
static enum step check_start(struct http1 *h, struct err *err)
{
    char first = h->raw.ptr[0];

    if (first == '\r' && (h->raw.len == 1 || h->raw.ptr[1] == '\n'))
        return STEP_ON; /* an empty line, perhaps */
    if (h->role == HTTP1_REQUESTS ? first < 'A' || first > 'Z' : first != 'H')
        return refuse(h, 400, "this is not HTTP", err);
    if (h->raw.len > h->limits.target_bytes + START_LINE_EXTRA && h->role == HTTP1_REQUESTS)
        return refuse(h, 414, "the target is longer than allowed", err);
    return STEP_ON;
}

static enum step check_size(struct http1 *h, const struct buf *buf, struct err *err)
{
    if (buf->len > h->limits.head_bytes)
        return refuse(h, 431, "the headers take more bytes than allowed", err);
    return STEP_ON;
}

/* Reads the start line as soon as it is there: what speaks another version need not end its head in
 * a way that we would see. */
static enum step read_start(struct http1 *h, struct str line, struct err *err)
{
    struct http1_refusal r = h->role == HTTP1_REQUESTS ? http1_read_request_line(line, &h->head)
                                                       : http1_read_status_line(line, &h->head);

    if (r.why)
        return refuse(h, r.status, r.why, err);
    if (h->head.target.len > h->limits.target_bytes)
        return refuse(h, 414, "the target is longer than allowed", err);
    return STEP_ON;
}

static enum step check_count(struct http1 *h, struct err *err)
{
    if (h->known.count > h->limits.headers)
        return refuse(h, 431, "there are more headers than allowed", err);
    h->line_at = (uint32_t)h->raw.len;
    return STEP_ON;
}

/* One line of the head more: STEP_EVENT = it was the empty one that ends it. */
static enum step end_head_line(struct http1 *h, struct err *err)
{
    bool is_empty = h->raw.len - h->line_at == 2;

    if (is_empty && !h->start_at) {
        if (h->role == HTTP1_RESPONSES || ++h->empty_lines > HTTP1_EMPTY_LINES)
            return refuse(h, 400, "empty lines instead of a start line", err);
        buf_clear(&h->raw);
        return STEP_ON;
    }
    if (is_empty)
        return STEP_EVENT;
    /* Folded: not left to llhttp, which does not see all lines before it. */
    if (h->start_at && (h->raw.ptr[h->line_at] == ' ' || h->raw.ptr[h->line_at] == '\t'))
        return refuse(h, 400, "a header line is not 'name: value'", err);
    if (h->start_at)
        http1_lines_add(&h->known, h->line_at);
    else if (read_start(h, buf_str(&h->raw), err) < 0)
        return STEP_FAILED;
    else
        h->start_at = h->raw.ptr;
    return check_count(h, err);
}

/* --- the head --- */

/* Does llhttp see the same message as we do? */
static bool llhttp_agrees(const struct http1 *h)
{
    const llhttp_t *p = &h->parser;
    const struct http1_head *head = &h->head;

    if (p->http_major != 1 || p->http_minor != head->minor)
        return false;
    if (h->role == HTTP1_RESPONSES && p->status_code != head->status)
        return false;
    if (h->role == HTTP1_REQUESTS &&
        !str_eq(head->method, str_from(llhttp_method_name((llhttp_method_t)p->method))))
        return false;
    bool has_body = head->framing == HTTP1_CHUNKED || head->framing == HTTP1_UNTIL_CLOSE ||
                    (head->framing == HTTP1_LENGTH && head->content_length > 0);
    if (h->is_complete == has_body)
        return false;
    if (!has_body)
        return true;
    return !(p->flags & F_CHUNKED) == (head->framing != HTTP1_CHUNKED) &&
           (head->framing != HTTP1_LENGTH || p->content_length == head->content_length);
}

static enum state state_after_head(const struct http1_head *head)
{
    if (head->is_interim)
        return IN_HEAD;
    if (head->framing == HTTP1_CHUNKED)
        return IN_CHUNK_LINE;
    bool has_body = head->framing == HTTP1_UNTIL_CLOSE ||
                    (head->framing == HTTP1_LENGTH && head->content_length > 0);
    return has_body ? IN_BODY : AT_END;
}

/* All of it but for the lines that are known. */
static enum step feed_head(struct http1 *h, struct str raw, struct err *err)
{
    const struct http1_run *runs = h->known.runs.ptr;
    size_t from = 0;

    llhttp_init(&h->parser, h->role == HTTP1_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    h->parser.data = h;
    h->in_name = false;
    for (size_t i = 0; i < h->known.runs.len; i++) {
        size_t at = runs[i].at;
        if (!runs[i].is_known)
            continue;
        if (at > from && feed(h, str_sub(raw, from, at - from), err) < 0)
            return STEP_FAILED;
        from = i + 1 < h->known.runs.len ? runs[i + 1].at : raw.len - 2;
    }
    return feed(h, str_sub(raw, from, raw.len), err);
}

static enum step read_head(struct http1 *h, struct http1_event *ret, struct err *err)
{
    struct str raw = buf_str(&h->raw);
    size_t start_len = (size_t)str_find_char(raw, '\n', 0) + 1;

    if (feed_head(h, raw, err) < 0)
        return STEP_FAILED;
    /* The buffer may have moved since the start line was read. */
    if (h->start_at != raw.ptr && read_start(h, str_sub(raw, 0, start_len), err) < 0)
        return STEP_FAILED;
    if (!http1_lines_tile(&h->known, raw, h->tag, &h->headers))
        return refuse(h, 400, "a header line is not 'name: value'", err);
    struct http1_refusal r = http1_read_headers(&h->headers, h->without_body, &h->head);
    if (r.why)
        return refuse(h, h->role == HTTP1_RESPONSES ? 502 : r.status, r.why, err);
    if (!llhttp_agrees(h))
        return disagree(h, err);
    if (h->head.is_interim && ++h->interims > HTTP1_INTERIMS)
        return refuse(h, 502, "there are more interim answers than allowed", err);
    h->is_whole = true;
    h->head.headers = h->headers.ptr;
    h->head.header_count = h->headers.len;
    h->left = h->head.content_length;
    h->state = state_after_head(&h->head);
    /* What comes in chunks may last long, and thousands of them at once. */
    if (h->state == IN_CHUNK_LINE)
        http1_lines_release(&h->known);
    h->line_at = 0;
    ret->kind = HTTP1_HEAD;
    return STEP_EVENT;
}

/* Room for a usual head at once: growing into it takes as long as reading it. */
static void prepare(struct http1 *h, size_t len)
{
    buf_reserve(&h->raw, len < USUAL_HEAD_BYTES ? len : USUAL_HEAD_BYTES);
    vec_reserve(&h->headers, USUAL_HEADERS);
}

/* Lines that the head before had. */
static enum step repeat_lines(struct http1 *h, struct str *in, struct err *err)
{
    size_t len = http1_lines_repeat(&h->known, *in, h->line_at);

    if (!len)
        return STEP_MORE;
    move(&h->raw, in, len);
    return check_size(h, &h->raw, err) < 0 ? STEP_FAILED : check_count(h, err);
}

static enum step step_head_line(struct http1 *h, struct str *in, struct err *err)
{
    enum step step = h->start_at && h->line_at == h->raw.len ? repeat_lines(h, in, err) : STEP_MORE;

    if (step != STEP_MORE)
        return step;
    bool is_whole = take_line(&h->raw, in);
    if (!h->start_at && check_start(h, err) < 0)
        return STEP_FAILED;
    if (check_size(h, &h->raw, err) < 0)
        return STEP_FAILED;
    if (!is_whole)
        return STEP_MORE;
    if (check_line_end(h, &h->raw, err) < 0)
        return STEP_FAILED;
    return end_head_line(h, err);
}

static enum step step_head(struct http1 *h, struct str *in, struct http1_event *ret,
                           struct err *err)
{
    if (in->len == 0)
        return STEP_MORE;
    if (h->head.is_interim)
        begin_head(h);
    if (!h->raw.ptr)
        prepare(h, in->len);
    enum step step = STEP_ON;
    while (step == STEP_ON && in->len > 0)
        step = step_head_line(h, in, err);
    return step == STEP_EVENT ? read_head(h, ret, err) : step;
}

/* --- the body --- */

static enum step body_event(struct http1 *h, struct str piece, struct http1_event *ret,
                            struct err *err)
{
    if (feed(h, piece, err) < 0)
        return STEP_FAILED;
    if (h->body.ptr != piece.ptr || h->body.len != piece.len)
        return disagree(h, err);
    *ret = (struct http1_event){ HTTP1_BODY, piece };
    return STEP_EVENT;
}

static enum step step_body(struct http1 *h, struct str *in, struct http1_event *ret,
                           struct err *err)
{
    bool has_length = h->head.framing == HTTP1_LENGTH;

    if (in->len == 0)
        return STEP_MORE;
    struct str piece = take(in, has_length && h->left < in->len ? (size_t)h->left : in->len);
    if (body_event(h, piece, ret, err) < 0)
        return STEP_FAILED;
    if (!has_length)
        return STEP_EVENT;
    h->left -= piece.len;
    if (h->is_complete != (h->left == 0))
        return disagree(h, err);
    if (h->left == 0)
        h->state = AT_END;
    return STEP_EVENT;
}

static enum step step_chunk_line(struct http1 *h, struct str *in, struct http1_event *ret,
                                 struct err *err)
{
    (void)ret;
    if (in->len == 0)
        return STEP_MORE;
    bool is_whole = take_line(&h->tail, in);
    if (h->tail.len > h->limits.chunk_line_bytes)
        return refuse(h, 400, "a chunk's extensions are longer than allowed", err);
    if (!is_whole)
        return STEP_MORE;
    if (check_line_end(h, &h->tail, err) < 0)
        return STEP_FAILED;
    struct http1_refusal r = http1_read_chunk_line(buf_str(&h->tail), &h->left);
    if (r.why)
        return refuse(h, r.status, r.why, err);
    if (feed(h, buf_str(&h->tail), err) < 0)
        return STEP_FAILED;
    if (!h->has_chunk_head || h->parser.content_length != h->left)
        return disagree(h, err);
    buf_clear(&h->tail);
    h->state = h->left ? IN_CHUNK : IN_TRAILERS;
    h->lines = 0;
    h->names = &h->trailers;
    return STEP_ON;
}

static enum step step_chunk(struct http1 *h, struct str *in, struct http1_event *ret,
                            struct err *err)
{
    if (in->len == 0)
        return STEP_MORE;
    struct str piece = take(in, h->left < in->len ? (size_t)h->left : in->len);
    if (body_event(h, piece, ret, err) < 0)
        return STEP_FAILED;
    h->left -= piece.len;
    if (h->left == 0)
        h->state = IN_CHUNK_END;
    return STEP_EVENT;
}

static enum step step_chunk_end(struct http1 *h, struct str *in, struct http1_event *ret,
                                struct err *err)
{
    (void)ret;
    if (in->len == 0)
        return STEP_MORE;
    buf_add_str(&h->tail, take(in, 2 - h->tail.len));
    if (!str_starts_with(STR("\r\n"), buf_str(&h->tail)))
        return refuse(h, 400, "a chunk is longer than its size", err);
    if (h->tail.len < 2)
        return STEP_MORE;
    if (feed(h, buf_str(&h->tail), err) < 0)
        return STEP_FAILED;
    buf_clear(&h->tail);
    h->state = IN_CHUNK_LINE;
    return STEP_ON;
}

static enum step read_trailers(struct http1 *h, struct err *err)
{
    if (feed(h, buf_str(&h->tail), err) < 0)
        return STEP_FAILED;
    if (!h->is_complete)
        return disagree(h, err);
    if (!http1_tile(buf_str(&h->tail), &h->trailers))
        return refuse(h, 400, "a trailer line is not 'name: value'", err);
    struct http1_refusal r = http1_read_trailers(&h->trailers);
    if (r.why)
        return refuse(h, r.status, r.why, err);
    h->state = AT_END;
    return STEP_ON;
}

static enum step step_trailers(struct http1 *h, struct str *in, struct http1_event *ret,
                               struct err *err)
{
    (void)ret;
    if (in->len == 0)
        return STEP_MORE;
    bool is_whole = take_line(&h->tail, in);
    if (check_size(h, &h->tail, err) < 0)
        return STEP_FAILED;
    if (!is_whole)
        return STEP_MORE;
    if (check_line_end(h, &h->tail, err) < 0)
        return STEP_FAILED;
    if (h->tail.len - h->line_at == 2)
        return read_trailers(h, err);
    if (++h->lines > h->limits.headers)
        return refuse(h, 431, "there are more trailers than allowed", err);
    h->line_at = (uint32_t)h->tail.len;
    return STEP_ON;
}

static enum step step_end(struct http1 *h, struct str *in, struct http1_event *ret, struct err *err)
{
    (void)in, (void)err;
    h->state = DONE;
    ret->kind = HTTP1_END;
    return STEP_EVENT;
}

static enum step step_done(struct http1 *h, struct str *in, struct http1_event *ret,
                           struct err *err)
{
    (void)h, (void)in, (void)ret, (void)err;
    return STEP_MORE;
}

static enum step step_refused(struct http1 *h, struct str *in, struct http1_event *ret,
                              struct err *err)
{
    (void)in, (void)ret;
    return refuse(h, h->refusal, "it was refused before", err);
}

typedef enum step (*step_fn)(struct http1 *h, struct str *in, struct http1_event *ret,
                             struct err *err);

static const step_fn steps[] = {
    [IN_HEAD] = step_head,
    [IN_BODY] = step_body,
    [IN_CHUNK_LINE] = step_chunk_line,
    [IN_CHUNK] = step_chunk,
    [IN_CHUNK_END] = step_chunk_end,
    [IN_TRAILERS] = step_trailers,
    [AT_END] = step_end,
    [DONE] = step_done,
    [REFUSED] = step_refused,
};
static_assert(ARRAY_LEN(steps) == STATE_COUNT, "a step for each state");

int http1_next(struct http1 *h, struct str *in, struct http1_event *ret, struct err *err)
{
    struct http1_event event = { 0 };
    enum step step;

    do
        step = steps[h->state](h, in, &event, err);
    while (step == STEP_ON);
    if (step == STEP_EVENT)
        *ret = event;
    return (int)step;
}

int http1_finish(struct http1 *h, struct http1_event *ret, struct err *err)
{
    if (h->state == REFUSED)
        return step_refused(h, NULL, ret, err);
    bool ends_so = h->state == IN_BODY && h->head.framing == HTTP1_UNTIL_CLOSE;
    if (!ends_so && h->state != AT_END) {
        if (!http1_is_under_way(h))
            return 0;
        return refuse(h, 400, "it is cut short", err);
    }
    h->state = DONE;
    *ret = (struct http1_event){ .kind = HTTP1_END };
    return 1;
}
