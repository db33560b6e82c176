#include "config.h"

#include "tests/check_main.h"

#include <stdio.h>
#include <string.h>

#include "base/http1.h"
#include "base/http1_head.h"

/* --- a message as text, however it was fed --- */

struct reading {
    struct buf log;
    struct buf body;
    unsigned refusal;
    size_t consumed; /* until the end of the message or its refusal */
    bool ended;
};

static void note_str(struct buf *log, const char *name, struct str s)
{
    if (s.len)
        buf_addf(log, " %s=%.*s", name, STR_ARG(s));
}

static void note_head(struct buf *log, const struct http1_head *head)
{
    static const char *const framings[] = { "none", "length", "chunked", "close" };

    note_str(log, "method", head->method);
    note_str(log, "path", head->path);
    note_str(log, "authority", head->authority);
    if (head->status)
        buf_addf(log, " status=%u", head->status);
    note_str(log, "reason", head->reason);
    buf_addf(log, " 1.%u %s", head->minor, framings[head->framing]);
    if (head->has_content_length)
        buf_addf(log, " %llu", (unsigned long long)head->content_length);
    buf_add_text(log, head->keep_alive ? " keep" : " close");
    buf_add_text(log, head->expects_continue ? " continue" : "");
    buf_add_text(log, head->wants_upgrade ? " upgrade" : "");
    for (size_t i = 0; i < head->header_count; i++)
        buf_addf(log, " [%.*s|%.*s%s]", STR_ARG(head->headers[i].name),
                 STR_ARG(head->headers[i].value), head->headers[i].is_hop ? "|hop" : "");
}

static void note_trailers(struct buf *log, const struct http1 *h)
{
    size_t count;
    const struct http1_header *trailers = http1_trailers(h, &count);

    for (size_t i = 0; i < count; i++)
        buf_addf(log, " {%.*s|%.*s%s}", STR_ARG(trailers[i].name), STR_ARG(trailers[i].value),
                 trailers[i].is_hop ? "|hop" : "");
}

/* True while the message goes on. */
static bool take_event(struct reading *r, const struct http1 *h, int n, struct http1_event event,
                       struct err err)
{
    if (n < 0) {
        r->refusal = http1_refusal(h);
        buf_addf(&r->log, " refused %u: %s", r->refusal, err.text);
    } else if (event.kind == HTTP1_HEAD) {
        note_head(&r->log, http1_head(h));
    } else if (event.kind == HTTP1_BODY) {
        ck_assert_uint_gt(event.body.len, 0);
        buf_add_str(&r->body, event.body);
    } else {
        note_trailers(&r->log, h);
        r->ended = true;
    }
    return n > 0 && !r->ended;
}

/* Feeds bytes in pieces of step, each in memory of its own. */
static void feed(struct http1 *h, struct str bytes, size_t step, struct reading *r)
{
    bool goes_on = true;

    for (size_t at = 0; at < bytes.len && goes_on; at += step) {
        struct str piece = str_sub(bytes, at, step);
        char *copy = mem_strndup(piece.ptr, piece.len);
        struct str in = { copy, piece.len };
        struct http1_event event = { 0 };
        struct err err = { 0 };
        int n;
        do
            n = http1_next(h, &in, &event, &err);
        while (n != 0 && (goes_on = take_event(r, h, n, event, err)));
        ck_assert(in.len == 0 || !goes_on);
        r->consumed = at + piece.len - in.len;
        free(copy);
    }
}

static struct reading read_whole(enum http1_role role, struct str bytes, size_t step)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(role, NULL);
    struct reading r = { 0 };

    feed(h, bytes, step, &r);
    if (!r.ended && !r.refusal) {
        struct http1_event event = { 0 };
        struct err err = { 0 };
        int n = http1_finish(h, &event, &err);
        take_event(&r, h, n, event, err);
        buf_add_text(&r.log, n > 0 ? " eof" : "");
    }
    return r;
}

static void release(struct reading *r)
{
    buf_release(&r->log);
    buf_release(&r->body);
}

/* Whole, byte by byte, and in pieces that split CRLFs: always the same. */
static struct reading read_any_way(enum http1_role role, struct str bytes)
{
    static const size_t steps[] = { 1, 2, 3, 7, 64 };
    struct reading whole = read_whole(role, bytes, bytes.len);

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct reading pieces = read_whole(role, bytes, steps[i]);
        ck_assert_str_eq(buf_cstr(&pieces.log), buf_cstr(&whole.log));
        ck_assert(str_eq(buf_str(&pieces.body), buf_str(&whole.body)));
        if (whole.ended)
            ck_assert_uint_eq(pieces.consumed, whole.consumed);
        release(&pieces);
    }
    return whole;
}

/* --- what is accepted --- */

static const struct {
    enum http1_role role;
    struct str bytes;
    const char *log;
    const char *body;
    size_t left; /* bytes of a following message */
} good[] = {
    ROW(HTTP1_REQUESTS, STR_INIT("GET /v1/models?limit=2 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
        " method=GET path=/v1/models?limit=2 authority=a:80 1.1 none keep [Host|a:80]", "", 0),
    ROW(HTTP1_REQUESTS,
        STR_INIT("POST /x HTTP/1.1\r\nhost:a\r\nContent-Length: 5\r\n\r\nhelloGET /y"),
        " method=POST path=/x authority=a 1.1 length 5 keep [host|a] [Content-Length|5]", "hello",
        6),
    ROW(HTTP1_REQUESTS, STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        " method=POST path=/ authority=a 1.1 length 0 keep [Host|a] [Content-Length|0]", "", 0),
    ROW(HTTP1_REQUESTS,
        STR_INIT("\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
                 "5\r\nhello\r\n00A;a=\"b c\"\r\n, it is me\r\n0\r\n\r\nGET"),
        " method=POST path=/ authority=a 1.1 chunked keep [Host|a] [Transfer-Encoding|Chunked|hop]",
        "hello, it is me", 3),
    ROW(HTTP1_REQUESTS,
        STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTE: trailers\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum:  7 \r\nTE: z\r\n\r\n"),
        " method=POST path=/ authority=a 1.1 chunked keep [Host|a] [Trailer|X-Sum]"
        " [TE|trailers|hop] [Transfer-Encoding|chunked|hop] {X-Sum|7} {TE|z|hop}",
        "x", 0),
    ROW(HTTP1_REQUESTS,
        STR_INIT(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n."),
        " method=POST path=/ authority=a 1.1 length 1 keep continue [Host|a]"
        " [Expect|100-Continue] [Content-Length|1]",
        ".", 0),
    ROW(HTTP1_REQUESTS,
        STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings , X-Mine\r\n"
                 "Upgrade: h2c\r\nHTTP2-Settings: AAM\r\nX-Mine:\r\nx-other: \t a b \t\r\n\r\n"),
        " method=GET path=/ authority=a 1.1 none keep upgrade [Host|a]"
        " [Connection|Upgrade, HTTP2-Settings , X-Mine|hop] [Upgrade|h2c|hop]"
        " [HTTP2-Settings|AAM|hop] [X-Mine||hop] [x-other|a b]",
        "", 0),
    ROW(HTTP1_REQUESTS,
        STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                 "Content-Length: 2\r\n\r\nhi"),
        " method=POST path=/ authority=a 1.1 length 2 keep upgrade [Host|a]"
        " [Connection|upgrade|hop] [Upgrade|websocket|hop] [Content-Length|2]",
        "hi", 0),
    ROW(HTTP1_REQUESTS,
        STR_INIT("GET http://h.example:81/p?q HTTP/1.1\r\nHost: H.example:81\r\n\r\n"),
        " method=GET path=/p?q authority=h.example:81 1.1 none keep [Host|H.example:81]", "", 0),
    ROW(HTTP1_REQUESTS, STR_INIT("GET HTTPS://h HTTP/1.0\r\n\r\n"),
        " method=GET path=/ authority=h 1.0 none close", "", 0),
    ROW(HTTP1_REQUESTS, STR_INIT("OPTIONS * HTTP/1.1\r\nHost: [::1]:9\r\n\r\n"),
        " method=OPTIONS path=* authority=[::1]:9 1.1 none keep [Host|[::1]:9]", "", 0),
    ROW(HTTP1_REQUESTS, STR_INIT("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        " method=GET path=/ 1.0 none keep [Connection|keep-alive|hop]", "", 0),
    ROW(HTTP1_REQUESTS, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nConnection: x,close\r\n\r\n"),
        " method=GET path=/ authority=a 1.1 none close [Host|a] [Connection|x,close|hop]", "", 0),
    ROW(HTTP1_REQUESTS, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nX-Name: caf\xc3\xa9\r\n\r\n"),
        " method=GET path=/ authority=a 1.1 none keep [Host|a] [X-Name|caf\xc3\xa9]", "", 0),
    ROW(HTTP1_RESPONSES, STR_INIT("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP"),
        " status=200 reason=OK 1.1 length 2 keep [Content-Length|2]", "hi", 4),
    ROW(HTTP1_RESPONSES, STR_INIT("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
        " status=200 1.1 length 0 keep [Content-Length|0]", "", 0),
    ROW(HTTP1_RESPONSES, STR_INIT("HTTP/1.1 529 Site is overloaded\r\n\r\nbody to the end"),
        " status=529 reason=Site is overloaded 1.1 close close eof", "body to the end", 0),
    ROW(HTTP1_RESPONSES, STR_INIT("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n"),
        " status=200 reason=OK 1.0 close close [Connection|close|hop] eof", "", 0),
    ROW(HTTP1_RESPONSES, STR_INIT("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1"),
        " status=204 reason=No Content 1.1 none keep", "", 8),
    ROW(HTTP1_RESPONSES, STR_INIT("HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n"),
        " status=204 1.1 none close [Transfer-Encoding|chunked|hop]", "", 0),
    ROW(HTTP1_RESPONSES, STR_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        " status=304 reason=Not Modified 1.1 none 9 keep [Content-Length|9]", "", 0),
    ROW(HTTP1_RESPONSES,
        STR_INIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!"),
        " status=100 reason=Continue 1.1 none keep status=103 reason=Early Hints 1.1 none keep"
        " [Link|x] status=200 reason=OK 1.1 length 1 keep [Content-Length|1]",
        "!", 0),
    ROW(HTTP1_RESPONSES,
        STR_INIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "3\r\nabc\r\n0000000000000004\r\ndefg\r\n0\r\n\r\n"),
        " status=200 reason=OK 1.1 chunked keep [Transfer-Encoding|chunked|hop]", "abcdefg", 0),
};

START_TEST(what_is_accepted_reads_the_same_however_it_arrives)
{
    struct reading r = read_any_way(good[_i].role, good[_i].bytes);

    ck_assert_str_eq(buf_cstr(&r.log), good[_i].log);
    ck_assert_str_eq(buf_cstr(&r.body), good[_i].body);
    ck_assert(r.ended);
    ck_assert_uint_eq(good[_i].bytes.len - r.consumed, good[_i].left);
    release(&r);
}
END_TEST

/* Every message cut short anywhere is told so, but where its end is the end of the stream. */
START_TEST(what_is_cut_short_is_never_a_whole_message)
{
    struct str bytes = good[_i].bytes;
    bool by_close = strstr(good[_i].log, " eof") != NULL;

    bytes.len -= good[_i].left;
    for (size_t len = 1; len < bytes.len && !by_close; len++) {
        struct reading r = read_whole(good[_i].role, str_sub(bytes, 0, len), len);
        bool is_begun = !str_starts_with(STR("\r\n\r\n"), str_sub(bytes, 0, len)) || len == 3;
        ck_assert_msg(!r.ended && (r.refusal == 400 || !is_begun), "cut at %zu: %s", len,
                      buf_cstr(&r.log));
        release(&r);
    }
}
END_TEST

/* --- what is refused: the published ways to smuggle, and what else has two readings --- */

#define POST_HEAD "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED   POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define GET_HEAD  "GET / HTTP/1.1\r\nHost: a\r\n"
#define OK_HEAD   "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *family;
    enum http1_role role;
    unsigned status;
    struct str bytes;
} bad[] = {
    ROW("CL.TE", 0, 400,
        STR_INIT(POST_HEAD "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX")),
    ROW("TE.CL", 0, 400,
        STR_INIT(POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n")),
    ROW("TE.CL in an answer", HTTP1_RESPONSES, 400,
        STR_INIT(OK_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE x", 0, 400, STR_INIT(POST_HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE list", 0, 501,
        STR_INIT(POST_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE twice", 0, 400,
        STR_INIT(POST_HEAD
                 "Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE twice the same", 0, 400,
        STR_INIT(POST_HEAD "Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n"
                           "0\r\n\r\n")),
    ROW("TE.TE identity", 0, 400, STR_INIT(POST_HEAD "Transfer-Encoding: identity\r\n\r\n")),
    ROW("TE.TE quoted", 0, 400,
        STR_INIT(POST_HEAD "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE tab after", 0, 400,
        STR_INIT(POST_HEAD "Transfer-Encoding:\tchunked\x0b\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE line feed before", 0, 400,
        STR_INIT(POST_HEAD "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE carriage return within", 0, 400,
        STR_INIT(POST_HEAD "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE folded", 0, 400,
        STR_INIT(POST_HEAD "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")),
    ROW("TE.TE underscore", 0, 400, STR_INIT(POST_HEAD "Transfer_Encoding: chunked\r\n\r\n")),
    ROW("TE.TE empty", 0, 501, STR_INIT(POST_HEAD "Transfer-Encoding:\r\n\r\n")),
    ROW("TE.TE comma", 0, 400, STR_INIT(POST_HEAD "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n")),
    ROW("TE of HTTP/1.0", 0, 400,
        STR_INIT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
    ROW("space before colon", 0, 400, STR_INIT(POST_HEAD "Content-Length : 3\r\n\r\nabc")),
    ROW("tab before colon", 0, 400, STR_INIT(POST_HEAD "Transfer-Encoding\t: chunked\r\n\r\n")),
    ROW("space before name", 0, 400, STR_INIT("GET / HTTP/1.1\r\n Host: a\r\n\r\n")),
    ROW("no colon", 0, 400, STR_INIT(GET_HEAD "Content-Length\r\n\r\n")),
    ROW("no name", 0, 400, STR_INIT(GET_HEAD ": x\r\n\r\n")),
    ROW("bare LF after a header", 0, 400, STR_INIT("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n")),
    ROW("bare LF after the request line", 0, 400, STR_INIT("GET / HTTP/1.1\nHost: a\r\n\r\n")),
    ROW("bare LF at the end", 0, 400, STR_INIT(GET_HEAD "\n")),
    ROW("CR CR LF", 0, 400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n")),
    ROW("CL twice, different", 0, 400,
        STR_INIT(POST_HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")),
    ROW("CL twice, the same", 0, 400,
        STR_INIT(POST_HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")),
    ROW("CL list", 0, 400, STR_INIT(POST_HEAD "Content-Length: 3, 3\r\n\r\nabc")),
    ROW("CL plus", 0, 400, STR_INIT(POST_HEAD "Content-Length: +3\r\n\r\nabc")),
    ROW("CL minus", 0, 400, STR_INIT(POST_HEAD "Content-Length: -3\r\n\r\nabc")),
    ROW("CL hexadecimal", 0, 400, STR_INIT(POST_HEAD "Content-Length: 0x3\r\n\r\nabc")),
    ROW("CL with blank", 0, 400, STR_INIT(POST_HEAD "Content-Length: 1 0\r\n\r\nabc")),
    ROW("CL empty", 0, 400, STR_INIT(POST_HEAD "Content-Length:\r\n\r\nabc")),
    ROW("CL beyond 64 bits", 0, 400,
        STR_INIT(POST_HEAD "Content-Length: 18446744073709551617\r\n\r\na")),
    ROW("CL of nineteen digits", 0, 400,
        STR_INIT(POST_HEAD "Content-Length: 1000000000000000000\r\n\r\na")),
    ROW("CL underscore", 0, 400, STR_INIT(POST_HEAD "Content_Length: 3\r\n\r\nabc")),
    ROW("CL twice in an answer", HTTP1_RESPONSES, 400,
        STR_INIT(OK_HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")),
    ROW("chunk size with plus", 0, 400, STR_INIT(CHUNKED "+3\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk size with minus", 0, 400, STR_INIT(CHUNKED "-3\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk size with 0x", 0, 400, STR_INIT(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk size empty", 0, 400, STR_INIT(CHUNKED "\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk size after a blank", 0, 400, STR_INIT(CHUNKED " 3\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk size before a blank", 0, 400, STR_INIT(CHUNKED "3 \r\nabc\r\n0\r\n\r\n")),
    ROW("chunk size no number", 0, 400, STR_INIT(CHUNKED "g\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk size beyond 64 bits", 0, 400, STR_INIT(CHUNKED "10000000000000003\r\nabc\r\n")),
    ROW("chunk size beyond 63 bits", 0, 400, STR_INIT(CHUNKED "ffffffffffffffff\r\nabc\r\n")),
    ROW("chunk size with zeros without end", 0, 400,
        STR_INIT(CHUNKED "00000000000000003\r\nabc\r\n")),
    ROW("chunk size then bare LF", 0, 400, STR_INIT(CHUNKED "3\nabc\r\n0\r\n\r\n")),
    ROW("chunk size then bare CR", 0, 400, STR_INIT(CHUNKED "3\rabc\r\n0\r\n\r\n")),
    ROW("chunk extension with bare LF", 0, 400, STR_INIT(CHUNKED "3;a\nabc\r\n0\r\n\r\n")),
    ROW("chunk extension with NUL", 0, 400, STR_INIT(CHUNKED "3;a\0\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk extension with CR", 0, 400, STR_INIT(CHUNKED "3;a\rb\r\nabc\r\n0\r\n\r\n")),
    ROW("chunk longer than its size", 0, 400, STR_INIT(CHUNKED "3\r\nabcd\r\n0\r\n\r\n")),
    ROW("chunk data then bare LF", 0, 400, STR_INIT(CHUNKED "3\r\nabc\n0\r\n\r\n")),
    ROW("last chunk then bare LF", 0, 400, STR_INIT(CHUNKED "3\r\nabc\r\n0\n\n")),
    ROW("trailer with bare LF", 0, 400, STR_INIT(CHUNKED "0\r\nX: y\n\r\n")),
    ROW("trailer folded", 0, 400, STR_INIT(CHUNKED "0\r\nX: y\r\n z\r\n\r\n")),
    ROW("trailer with length", 0, 400, STR_INIT(CHUNKED "0\r\nContent-Length: 3\r\n\r\n")),
    ROW("trailer with coding", 0, 400, STR_INIT(CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    ROW("trailer with host", 0, 400, STR_INIT(CHUNKED "0\r\nHost: b\r\n\r\n")),
    ROW("NUL in a value", 0, 400, STR_INIT(GET_HEAD "X: a\0b\r\n\r\n")),
    ROW("NUL in a name", 0, 400, STR_INIT(GET_HEAD "X\0: a\r\n\r\n")),
    ROW("NUL in the target", 0, 400, STR_INIT("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("DEL in a value", 0, 400, STR_INIT(GET_HEAD "X: a\x7f\r\n\r\n")),
    ROW("folding", 0, 400, STR_INIT(GET_HEAD "X: a\r\n b\r\n\r\n")),
    ROW("folding with tab", 0, 400, STR_INIT(GET_HEAD "X: a\r\n\tb\r\n\r\n")),
    ROW("folding of nothing", 0, 400, STR_INIT(GET_HEAD "X: a\r\n \r\n\r\n")),
    ROW("no token for a name", 0, 400, STR_INIT(GET_HEAD "X(y): a\r\n\r\n")),
    ROW("non-ASCII name", 0, 400, STR_INIT(GET_HEAD "X\xc3\xa9: a\r\n\r\n")),
    ROW("absolute target, other host", 0, 400,
        STR_INIT("GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("absolute target, no host", 0, 400, STR_INIT("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("absolute target, user", 0, 400, STR_INIT("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("absolute target, other scheme", 0, 400,
        STR_INIT("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("TRACE", 0, 405, STR_INIT("TRACE /a HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("authority target", 0, 405, STR_INIT("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")),
    ROW("asterisk of another method", 0, 400, STR_INIT("GET * HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("target without slash", 0, 400, STR_INIT("GET x HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("target with fragment", 0, 400, STR_INIT("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("target with a blank", 0, 400, STR_INIT("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("target with a tab", 0, 400, STR_INIT("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("two blanks", 0, 400, STR_INIT("GET  / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("tab for a blank", 0, 400, STR_INIT("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("blank after the version", 0, 400, STR_INIT("GET / HTTP/1.1 \r\nHost: a\r\n\r\n")),
    ROW("no Host", 0, 400, STR_INIT("GET / HTTP/1.1\r\n\r\n")),
    ROW("two Hosts", 0, 400, STR_INIT("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")),
    ROW("Host with a path", 0, 400, STR_INIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n")),
    ROW("Host with a user", 0, 400, STR_INIT("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n")),
    ROW("Host with a list", 0, 400, STR_INIT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n")),
    ROW("unknown method", 0, 501, STR_INIT("GETS / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("method in lower case", 0, 400, STR_INIT("get / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("method no token", 0, 501, STR_INIT("G(T / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("HTTP/0.9", 0, 400, STR_INIT("GET /\r\n")),
    ROW("HTTP/2.0", 0, 505, STR_INIT("GET / HTTP/2.0\r\nHost: a\r\n\r\n")),
    ROW("HTTP/1.2", 0, 505, STR_INIT("GET / HTTP/1.2\r\nHost: a\r\n\r\n")),
    ROW("HTTP/1.10", 0, 400, STR_INIT("GET / HTTP/1.10\r\nHost: a\r\n\r\n")),
    ROW("http/1.1", 0, 400, STR_INIT("GET / http/1.1\r\nHost: a\r\n\r\n")),
    ROW("preface of HTTP/2", 0, 505, STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
    ROW("another protocol", 0, 400, STR_INIT("OPTIONS / RTSP/1.0\r\nHost: a\r\n\r\n")),
    ROW("a TLS hello", 0, 400, STR_INIT("\x16\x03\x01\x02")),
    ROW("empty lines", 0, 400, STR_INIT("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("blank before the method", 0, 400, STR_INIT(" GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
    ROW("Connection: host", 0, 400, STR_INIT(GET_HEAD "Connection: close, Host\r\n\r\n")),
    ROW("Connection: content-length", 0, 400,
        STR_INIT(POST_HEAD "Connection: content-length\r\nContent-Length: 1\r\n\r\na")),
    ROW("unknown expectation", 0, 417, STR_INIT(GET_HEAD "Expect: 200-ok\r\n\r\n")),
    ROW("switched protocols", HTTP1_RESPONSES, 502,
        STR_INIT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")),
    ROW("status of two digits", HTTP1_RESPONSES, 502, STR_INIT("HTTP/1.1 20 OK\r\n\r\n")),
    ROW("status of four digits", HTTP1_RESPONSES, 502, STR_INIT("HTTP/1.1 2000 OK\r\n\r\n")),
    ROW("status of none", HTTP1_RESPONSES, 502, STR_INIT("HTTP/1.1 OK\r\n\r\n")),
    ROW("status beyond all", HTTP1_RESPONSES, 502, STR_INIT("HTTP/1.1 999 OK\r\n\r\n")),
    ROW("reason with bare CR", HTTP1_RESPONSES, 502, STR_INIT("HTTP/1.1 200 O\rK\r\n\r\n")),
    ROW("answer of another protocol", HTTP1_RESPONSES, 400, STR_INIT("ICY 200 OK\r\n\r\n")),
    ROW("answer after an empty line", HTTP1_RESPONSES, 400,
        STR_INIT("\r\nHTTP/1.1 200 OK\r\n\r\n")),
    ROW("answer with another coding", HTTP1_RESPONSES, 502,
        STR_INIT(OK_HEAD "Transfer-Encoding: gzip\r\n\r\nabc")),
    ROW("answer folded", HTTP1_RESPONSES, 400, STR_INIT(OK_HEAD "X: a\r\n b\r\n\r\n")),
};

START_TEST(what_has_two_readings_is_refused)
{
    struct reading r = read_any_way(bad[_i].role, bad[_i].bytes);

    ck_assert_msg(r.refusal == bad[_i].status, "%s:%s", bad[_i].family, buf_cstr(&r.log));
    ck_assert(!r.ended);
    ck_assert_ptr_null(strstr(buf_cstr(&r.log), "cut short"));
    release(&r);
}
END_TEST

/* --- limits --- */

static struct buf filled(const char *before, size_t count, const char *item, const char *after)
{
    struct buf bytes = { 0 };

    buf_add_text(&bytes, before);
    for (size_t i = 0; i < count; i++)
        buf_add_text(&bytes, item);
    buf_add_text(&bytes, after);
    return bytes;
}

static const struct {
    const char *what;
    const char *before, *item, *after;
    size_t most; /* of item */
    unsigned status;
} limits[] = {
    {"headers",                GET_HEAD,                "X: y\r\n", "\r\n",                         9,        431},
    { "bytes of headers",      GET_HEAD "X: ",          "y",        "\r\n\r\n",                     500 - 32, 431},
    { "bytes of the target",   "GET /",                 "y",        " HTTP/1.1\r\nHost: a\r\n\r\n", 99,       414},
    { "bytes of a chunk line", CHUNKED "1;",            "y",        "\r\na\r\n0\r\n\r\n",           26,       400},
    { "zeros of a chunk size", CHUNKED,                 "0",        "1\r\na\r\n0\r\n\r\n",          15,       400},
    { "trailers",              CHUNKED "0\r\n",         "X: y\r\n", "\r\n",                         10,       431},
    { "bytes of trailers",     CHUNKED "0\r\nX: ",      "y",        "\r\n\r\n",                     500 - 7,  431},
    { "names in Connection",   GET_HEAD "Connection: ", ",",        "\r\n\r\n",                     31,       400},
};

static unsigned refusal_of(struct str bytes, size_t step)
{
    static const struct http1_limits small = {
        .head_bytes = 500, .headers = 10, .target_bytes = 100, .chunk_line_bytes = 30
    };
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, &small);
    struct reading r = { 0 };

    feed(h, bytes, step, &r);
    unsigned refusal = r.refusal;
    ck_assert_msg(refusal || r.ended, "%s", buf_cstr(&r.log));
    release(&r);
    return refusal;
}

START_TEST(as_much_as_allowed_is_taken_and_no_more)
{
    for (size_t extra = 0; extra < 2; extra++) {
        CLEANUP(buf_release)
        struct buf bytes =
            filled(limits[_i].before, limits[_i].most + extra, limits[_i].item, limits[_i].after);
        unsigned expected = extra ? limits[_i].status : 0;
        ck_assert_msg(refusal_of(buf_str(&bytes), bytes.len) == expected, "%s", limits[_i].what);
        ck_assert_msg(refusal_of(buf_str(&bytes), 1) == expected, "%s, by byte", limits[_i].what);
    }
}
END_TEST

START_TEST(what_never_ends_is_refused_at_its_limit)
{
    static const struct {
        const char *before, *item;
        unsigned status;
    } rows[] = {
        {GET_HEAD,          "X: y\r\n", 431},
        { GET_HEAD "X",     "y",        431},
        { "GET /",          "y",        414},
        { "G",              "G",        414},
        { CHUNKED "1;",     "y",        400},
        { CHUNKED "0\r\nX", "y",        431},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf_release) struct buf bytes = filled(rows[i].before, 700, rows[i].item, "");
        ck_assert_uint_eq(refusal_of(buf_str(&bytes), 1), rows[i].status);
        ck_assert_uint_eq(refusal_of(buf_str(&bytes), 41), rows[i].status);
    }
}
END_TEST

/* --- one connection, many messages --- */

START_TEST(messages_sent_at_once_are_read_one_after_the_other)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, NULL);
    CLEANUP(buf_release) struct buf seen = { 0 };
    struct str in = STR(GET_HEAD "\r\n" CHUNKED "2\r\nab\r\n0\r\nT: u\r\n\r\n" POST_HEAD
                                 "Content-Length: 3\r\n\r\ncde" GET_HEAD "\r\n");
    struct http1_event event;
    struct err err;
    int n;

    for (size_t messages = 0; messages < 4; http1_reset(h, false), http1_trim(h), messages++) {
        while ((n = http1_next(h, &in, &event, &err)) > 0 && event.kind != HTTP1_END)
            buf_add_str(&seen, event.kind == HTTP1_HEAD ? http1_head(h)->method : event.body);
        ck_assert_int_eq(n, 1);
        ck_assert(!http1_is_under_way(h));
        struct str rest = in;
        ck_assert_int_eq(http1_next(h, &in, &event, &err), 0);
        ck_assert_uint_eq(in.len, rest.len);
    }
    ck_assert_str_eq(buf_cstr(&seen), "GETPOSTabPOSTcdeGET");
    ck_assert_uint_eq(in.len, 0);
    ck_assert_int_eq(http1_finish(h, &event, &err), 0);
}
END_TEST

START_TEST(an_answer_to_head_has_no_body_whatever_it_says)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_RESPONSES, NULL);
    static const char *const heads[] = { OK_HEAD "Content-Length: 10\r\n\r\n",
                                         OK_HEAD "Transfer-Encoding: chunked\r\n\r\n",
                                         OK_HEAD "\r\n" };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct str in = str_from(heads[i]);
        struct http1_event event;
        struct err err;
        http1_reset(h, true);
        ck_assert_int_eq(http1_next(h, &in, &event, &err), 1);
        ck_assert_int_eq(http1_head(h)->framing, HTTP1_NO_BODY);
        ck_assert(http1_head(h)->keep_alive);
        ck_assert_int_eq(http1_next(h, &in, &event, &err), 1);
        ck_assert_int_eq(event.kind, HTTP1_END);
        ck_assert_uint_eq(http1_head(h)->content_length, i == 0 ? 10 : 0);
    }
}
END_TEST

START_TEST(a_refused_message_stays_refused_until_reset)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, NULL);
    struct str in = STR("GET / HTTP/3.0\r\n"), good_in = STR(GET_HEAD "\r\n");
    struct http1_event event;
    struct err err = { 0 };

    ck_assert_int_eq(http1_next(h, &in, &event, &err), -1);
    ck_assert_int_eq(http1_next(h, &good_in, &event, &err), -1);
    ck_assert_int_eq(http1_finish(h, &event, &err), -1);
    ck_assert_uint_eq(http1_refusal(h), 505);
    http1_reset(h, false);
    ck_assert_int_eq(http1_next(h, &good_in, &event, &err), 1);
    ck_assert_uint_eq(http1_refusal(h), 0);
}
END_TEST

START_TEST(the_preface_of_http2_is_told_as_soon_as_it_can_be)
{
    struct str preface = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

    for (size_t len = 0; len < preface.len; len++)
        ck_assert_int_eq(http1_is_h2_preface(str_sub(preface, 0, len)), -1);
    ck_assert_int_eq(http1_is_h2_preface(preface), 1);
    ck_assert_int_eq(http1_is_h2_preface(STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0")), 1);
    ck_assert_int_eq(http1_is_h2_preface(STR("POST")), 0);
    ck_assert_int_eq(http1_is_h2_preface(STR("PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n")), 0);
}
END_TEST

/* --- looking into heads, and writing --- */

static const struct http1_head *parse_head(struct http1 *h, struct str in)
{
    struct http1_event event;
    struct err err;

    http1_reset(h, false);
    ck_assert_msg(http1_next(h, &in, &event, &err) == 1, "%s", err.text);
    return http1_head(h);
}

START_TEST(headers_are_found_by_name_and_by_element)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, NULL);
    const struct http1_head *head = parse_head(
        h,
        STR(GET_HEAD "Accept-Encoding: gzip, br\r\nX: 1\r\nx: 2\r\naccept-encoding: zstd\r\n\r\n"));

    ck_assert(str_eq(http1_find(head, STR("x"))->value, STR("1")));
    ck_assert_ptr_null(http1_find(head, STR("y")));
    ck_assert(http1_has_token(head, STR("accept-encoding"), STR("BR")));
    ck_assert(http1_has_token(head, STR("accept-encoding"), STR("zstd")));
    ck_assert(!http1_has_token(head, STR("accept-encoding"), STR("g")));
}
END_TEST

static bool is_not_host(void *ctx, const struct http1_header *header)
{
    (void)ctx;
    return !str_ieq(header->name, STR("host"));
}

/* What was accepted and is written again is accepted again, and says the same. */
START_TEST(a_head_written_again_says_the_same)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, NULL);
    CLEANUP(http1_free) struct http1 *again = http1_new(HTTP1_REQUESTS, NULL);
    CLEANUP(buf_release) struct buf out = { 0 };
    const struct http1_head *head = parse_head(
        h, STR("POST http://a/b?c HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x-hop\r\n"
               "X-Hop: 1\r\nX-End: 2\r\nKeep-Alive: timeout=5\r\nExpect: 100-continue\r\n"
               "TE: trailers\r\nContent-Length: 12\r\nX-Empty:\r\nProxy-Connection: x\r\n\r\n"));

    http1_write_request_line(&out, head->method, head->path);
    ck_assert_int_eq(http1_write_header(&out, STR("Host"), STR("b.example")), 0);
    http1_write_headers(&out, head, is_not_host, NULL);
    http1_write_framing(&out, head->framing, head->content_length);
    http1_write_end(&out);
    ck_assert_str_eq(buf_cstr(&out), "POST /b?c HTTP/1.1\r\nHost: b.example\r\nX-End: 2\r\n"
                                     "Expect: 100-continue\r\nX-Empty: \r\n"
                                     "Content-Length: 12\r\n\r\n");
    head = parse_head(again, buf_str(&out));
    ck_assert_uint_eq(head->content_length, 12);
    ck_assert(head->expects_continue);
}
END_TEST

/* What a server that takes HTTP/1.1 has to be told of a request, whatever it came in. */
static void write_again(const struct http1_head *head, struct buf *out)
{
    http1_write_request_line(out, head->method, head->path);
    if (!http1_find(head, STR("host")))
        ck_assert_int_eq(http1_write_header(out, STR("Host"), head->authority), 0);
    http1_write_headers(out, head, NULL, NULL);
    http1_write_framing(out, head->framing, head->content_length);
    if (!head->keep_alive)
        ck_assert_int_eq(http1_write_header(out, STR("Connection"), STR("close")), 0);
    http1_write_end(out);
}

static const struct {
    const char *before;
    size_t most;  /* of "X:y", with 10 fields allowed */
    size_t added; /* fields, when it is written */
} full[] = {
    {"GET / HTTP/1.0\r\n",                                  10, 2},
    { "GET / HTTP/1.0\r\nHost: a\r\n",                      9,  1},
    { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n",       9,  0},
    { "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", 8,  0},
    { "POST http://a/ HTTP/1.0\r\nContent-Length: 0\r\n",   9,  2},
};

/* The limits are for what comes in: who writes a request again may need two fields more. */
START_TEST(a_request_with_all_fields_allowed_is_written_whole)
{
    struct http1_limits few = { .headers = 10 };
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, &few);
    CLEANUP(buf_release) struct buf in = filled(full[_i].before, full[_i].most, "X:y\r\n", "\r\n");
    CLEANUP(buf_release) struct buf out = { 0 };

    write_again(parse_head(h, buf_str(&in)), &out);
    for (size_t more = 0; more <= full[_i].added; more++, few.headers++) {
        CLEANUP(http1_free) struct http1 *again = http1_new(HTTP1_REQUESTS, &few);
        struct reading r = { 0 };
        feed(again, buf_str(&out), out.len, &r);
        ck_assert_uint_eq(r.refusal, more < full[_i].added ? 431 : 0);
        ck_assert_msg(r.ended == !r.refusal, "%s", buf_cstr(&out));
        release(&r);
    }
}
END_TEST

START_TEST(no_value_becomes_a_second_header)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    static const struct {
        struct str name, value;
    } rows[] = {
        {STR_INIT("X"),    STR_INIT("a\r\nY: b")},
        { STR_INIT("X"),   STR_INIT("a\nY")     },
        { STR_INIT("X"),   STR_INIT("a\0b")     },
        { STR_INIT("X y"), STR_INIT("a")        },
        { STR_INIT("X:"),  STR_INIT("a")        },
        { STR_INIT(""),    STR_INIT("a")        },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_int_eq(http1_write_header(&out, rows[i].name, rows[i].value), -1);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(chunks_written_are_the_body_read)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    CLEANUP(buf_release) struct buf body = { 0 };
    static const struct http1_header trailers[] = {
        {.name = STR_INIT("A"),   .value = STR_INIT("b")},
        { .name = STR_INIT("TE"), .value = STR_INIT("x"),         .is_hop = true }
    };

    http1_write_status_line(&out, 200, STR(""));
    http1_write_framing(&out, HTTP1_CHUNKED, 0);
    http1_write_end(&out);
    for (size_t len = 1; len < 100000; len = len * 3 + 1) {
        size_t from = body.len;
        for (size_t i = 0; i < len; i++)
            buf_add_byte(&body, (char)('a' + i % 26));
        http1_write_chunk(&out, str_sub(buf_str(&body), from, len));
    }
    http1_write_last_chunk(&out, trailers, ARRAY_LEN(trailers));
    struct reading r = read_whole(HTTP1_RESPONSES, buf_str(&out), 1000);
    ck_assert_str_eq(buf_cstr(&r.log), " status=200 reason=OK 1.1 chunked keep"
                                       " [Transfer-Encoding|chunked|hop] {A|b}");
    ck_assert(str_eq(buf_str(&r.body), buf_str(&body)));
    release(&r);
    char head[HTTP1_CHUNK_HEAD_BYTES];
    ck_assert_uint_eq(http1_chunk_head(head, SIZE_MAX), HTTP1_CHUNK_HEAD_BYTES);
    ck_assert(memcmp(head, "ffffffffffffffff\r\n", sizeof(head)) == 0);
}
END_TEST

START_TEST(status_lines_have_the_usual_words_where_none_are_given)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    http1_write_status_line(&out, 404, STR(""));
    http1_write_status_line(&out, 529, STR("Overloaded"));
    http1_write_status_line(&out, 599, STR(""));
    ck_assert_str_eq(buf_cstr(&out), "HTTP/1.1 404 Not Found\r\nHTTP/1.1 529 Overloaded\r\n"
                                     "HTTP/1.1 599 \r\n");
}
END_TEST

START_TEST(names_and_values_are_judged_byte_by_byte_at_every_place)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char text[24];

    for (size_t len = 1; len <= sizeof(text); len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                struct str s = { text, len };
                memset(text, at % 2 ? 'x' : '-', sizeof(text));
                text[at] = (char)c;
                ck_assert_int_eq(http1_is_token(s), c && strchr(token, c) != NULL);
                ck_assert_int_eq(http1_is_text(s), (c >= ' ' && c != 0x7f) || c == '\t');
            }
    ck_assert(!http1_is_token(STR("")));
    ck_assert(http1_is_text(STR("")));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, what_is_accepted_reads_the_same_however_it_arrives, 0, ARRAY_LEN(good));
    tcase_add_loop_test(tc, what_is_cut_short_is_never_a_whole_message, 0, ARRAY_LEN(good));
    tcase_add_loop_test(tc, what_has_two_readings_is_refused, 0, ARRAY_LEN(bad));
    tcase_add_loop_test(tc, as_much_as_allowed_is_taken_and_no_more, 0, ARRAY_LEN(limits));
    tcase_add_test(tc, what_never_ends_is_refused_at_its_limit);
    tcase_add_test(tc, messages_sent_at_once_are_read_one_after_the_other);
    tcase_add_test(tc, an_answer_to_head_has_no_body_whatever_it_says);
    tcase_add_test(tc, a_refused_message_stays_refused_until_reset);
    tcase_add_test(tc, the_preface_of_http2_is_told_as_soon_as_it_can_be);
    tcase_add_test(tc, headers_are_found_by_name_and_by_element);
    tcase_add_test(tc, a_head_written_again_says_the_same);
    tcase_add_loop_test(tc, a_request_with_all_fields_allowed_is_written_whole, 0, ARRAY_LEN(full));
    tcase_add_test(tc, no_value_becomes_a_second_header);
    tcase_add_test(tc, names_and_values_are_judged_byte_by_byte_at_every_place);
    tcase_add_test(tc, chunks_written_are_the_body_read);
    tcase_add_test(tc, status_lines_have_the_usual_words_where_none_are_given);
}
CHECK_MAIN("base/http1", add_tests)
