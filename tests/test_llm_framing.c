#include "config.h"

#include "llm/framing.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/crc.h"
#include "tests/check_main.h"

/* --- what a framer delivered, as text --- */

struct log {
    struct buf text; /* "0@12 name=data;" for each event; "!" after the name of an exception */
    int stop_after;  /* events; 0 = never */
};

static int on_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct log *log = ctx;

    buf_addf(&log->text, "%d@%d %.*s%s=", (int)e->index, (int)e->offset, STR_ARG(e->name),
             e->is_exception ? "!" : "");
    buf_add_str(&log->text, e->data);
    if (e->error_message.len)
        buf_addf(&log->text, "(%.*s)", STR_ARG(e->error_message));
    buf_add_byte(&log->text, ';');
    if (log->stop_after && --log->stop_after == 0)
        return err_set(err, ERR_LIMIT, "enough");
    return 0;
}

struct outcome {
    int result;
    bool cut;
    struct log log;
    struct err err;
};

static void outcome_release(struct outcome *o)
{
    buf_release(&o->log.text);
}
DEFINE_CLEANUP_VALUE(struct outcome, outcome_release)

/* A copy of exact size for each piece, so that a sanitizer sees a read past it. */
static int feed_copy(struct framer *f, struct str piece, struct err *err)
{
    char *copy = mem_realloc(NULL, piece.len);

    if (piece.len)
        memcpy(copy, piece.ptr, piece.len);
    int r = framer_feed(f, (struct str){ copy, piece.len }, err);
    free(copy);
    return r;
}

/* Feeds body[0, cut), then the rest in pieces of `step` bytes. */
static void run(enum framing kind, struct str body, size_t cut, size_t step, struct outcome *o)
{
    CLEANUP(framer_free) struct framer *f = framer_new(kind, on_event, &o->log);

    o->result = feed_copy(f, str_sub(body, 0, cut), &o->err);
    for (size_t at = cut; at < body.len && o->result == 0; at += step)
        o->result = feed_copy(f, str_sub(body, at, step), &o->err);
    if (o->result == 0)
        o->result = framer_finish(f, &o->cut, &o->err);
    buf_cstr(&o->log.text);
}

struct text_row {
    enum framing kind;
    struct str body;
    const char *log;
    bool cut;
    const char *error; /* NULL = none */
};

static void check_outcome(struct outcome *o, const struct text_row *row, const char *how)
{
    ck_assert_msg(o->result == (row->error ? -1 : 0), "%s: %s", how, o->err.text);
    ck_assert_msg(strcmp(buf_cstr(&o->log.text), row->log) == 0, "%s:\n got  %s\n want %s", how,
                  buf_cstr(&o->log.text), row->log);
    if (row->error)
        ck_assert_str_eq(o->err.text, row->error);
    else
        ck_assert_msg(o->cut == row->cut, "%s: cut is %d", how, o->cut);
}

/* Whole, byte by byte, cut once at every byte, and from there byte by byte. */
static void check_all_cuts(const struct text_row *row)
{
    for (size_t cut = 0; cut <= row->body.len; cut++)
        for (int bytewise = 0; bytewise < 2; bytewise++) {
            CLEANUP(outcome_release) struct outcome o = { 0 };
            char how[40];
            snprintf(how, sizeof(how), "cut at %zu%s", cut, bytewise ? ", then bytes" : "");
            run(row->kind, row->body, cut, bytewise ? 1 : row->body.len, &o);
            check_outcome(&o, row, how);
        }
}

#define BOM "\xef\xbb\xbf"

/* A body that ends well, one that is cut short, and one that is refused. */
#define WHOLE(kind, body, log)        ROW(kind, STR_INIT(body), log, false, NULL)
#define CUT(kind, body, log)          ROW(kind, STR_INIT(body), log, true, NULL)
#define FAILS(kind, body, log, error) ROW(kind, STR_INIT(body), log, false, error)

static const struct text_row text_rows[] = {
    /* SSE: line ends */
    WHOLE(FRAMING_SSE, "data: {\"a\":1}\n\ndata: 2\n\n", "0@0 ={\"a\":1};1@15 =2;"),
    WHOLE(FRAMING_SSE, "data: 1\r\n\r\ndata: 2\r\n\r\n", "0@0 =1;1@11 =2;"),
    WHOLE(FRAMING_SSE, "data: 1\r\rdata: 2\r\r", "0@0 =1;1@9 =2;"),
    WHOLE(FRAMING_SSE, "data: 1\n\r\ndata: 2\r\n\n\n\rdata: 3\r\n\r", "0@0 =1;1@10 =2;2@22 =3;"),
    WHOLE(FRAMING_SSE, BOM "data: 1\n\n", "0@3 =1;"),
    WHOLE(FRAMING_SSE, BOM BOM "data: 1\n\ndata: 2\n\n", "0@15 =2;"),
    WHOLE(FRAMING_SSE, "event: e\r\ndata: 1\r\ndata: 2\r\n\r\nevent: f\r\ndata: 3\r\n\r\n",
          "0@0 e=1\n2;1@30 f=3;"),
    WHOLE(FRAMING_SSE, "event: e\rdata: 1\rdata: 2\r\revent: f\rdata: 3\r\r",
          "0@0 e=1\n2;1@26 f=3;"),
    /* SSE: fields */
    WHOLE(FRAMING_SSE, "event: ping\nid: 7\nretry: 10\nx: y\ndata:no blank\n\n",
          "0@0 ping=no blank;"),
    WHOLE(FRAMING_SSE, "data:  two\n\n", "0@0 = two;"),
    WHOLE(FRAMING_SSE, "data: {\ndata:  \"a\":1\ndata: }\n\n", "0@0 ={\n \"a\":1\n};"),
    WHOLE(FRAMING_SSE, "data\ndata\n\ndata:\n\n", "0@0 =\n;1@11 =;"),
    WHOLE(FRAMING_SSE, ": comment\n\n:\n\ndata: 1\n: inside\ndata: 2\n\n", "0@14 =1\n2;"),
    WHOLE(FRAMING_SSE, "event: a\nevent: b\ndata: 1\n\nevent: lost\n\ndata: 2\n\n",
          "0@0 b=1;1@40 =2;"),
    WHOLE(FRAMING_SSE, "data: a:b: c\n\n", "0@0 =a:b: c;"),
    WHOLE(FRAMING_SSE, "Data: 1\n data: 2\ndata : 3\n\n", ""),
    WHOLE(FRAMING_SSE, "data: \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n\n",
          "0@0 =\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;"),
    WHOLE(FRAMING_SSE, "data: {\"a\":1}\n\ndata: [DONE]\n\n", "0@0 ={\"a\":1};1@15 =[DONE];"),
    /* SSE: ends */
    WHOLE(FRAMING_SSE, "", ""),
    WHOLE(FRAMING_SSE, "\n\n\n", ""),
    WHOLE(FRAMING_SSE, BOM, ""),
    WHOLE(FRAMING_SSE, "data: 1\n\ndata: {\"b\":2}\n", "0@0 =1;1@9 ={\"b\":2};"),
    WHOLE(FRAMING_SSE, "data: 1\n\ndata: {\"b\":2}", "0@0 =1;1@9 ={\"b\":2};"),
    WHOLE(FRAMING_SSE, "data: 1\n\ndata: [DONE]", "0@0 =1;1@9 =[DONE];"),
    WHOLE(FRAMING_SSE, BOM "data: {}", "0@3 ={};"),
    CUT(FRAMING_SSE, "data: 1\n\ndata: {\"b\":", "0@0 =1;"),
    CUT(FRAMING_SSE, "data: 1\n\ndata: {\"b\":\n", "0@0 =1;"),
    CUT(FRAMING_SSE, "data: 1\n\ndata: {\ndata: \"b\":2", "0@0 =1;"),
    CUT(FRAMING_SSE, "data: 1\n\ndata: [DO", "0@0 =1;"),
    CUT(FRAMING_SSE, "data: 1\n\ndata: 12", "0@0 =1;"),
    CUT(FRAMING_SSE, "data: 1\n\nevent: mess", "0@0 =1;"),
    CUT(FRAMING_SSE, "data: 1\n\nevent: ping\n", "0@0 =1;"),
    CUT(FRAMING_SSE, "data: 1\n\nda", "0@0 =1;"),
    WHOLE(FRAMING_SSE, "data: 1\n\n: keep-al", "0@0 =1;"),
    WHOLE(FRAMING_SSE, "data: {}\n: keep-al", "0@0 ={};"),
    WHOLE(FRAMING_SSE, "data: some text\n", "0@0 =some text;"),
    CUT(FRAMING_SSE, "data: some te", ""),
    /* One JSON text */
    WHOLE(FRAMING_JSON, "", ""),
    WHOLE(FRAMING_JSON, " \r\n", ""),
    WHOLE(FRAMING_JSON, " {\"a\": [1,\n2]}\n", "0@1 ={\"a\": [1,\n2]};"),
    WHOLE(FRAMING_JSON, BOM " {}", "0@4 ={};"),
    CUT(FRAMING_JSON, "{\"a\": [1,\n", ""),
    CUT(FRAMING_JSON, "\"open", ""),
    WHOLE(FRAMING_JSON, "<html>", "0@0 =<html>;"),
    WHOLE(FRAMING_JSON, "{\"a\":1} x", "0@0 ={\"a\":1} x;"),
    /* NDJSON */
    WHOLE(FRAMING_NDJSON, "{\"a\":1}\n{\"b\":2}\n", "0@0 ={\"a\":1};1@8 ={\"b\":2};"),
    WHOLE(FRAMING_NDJSON, "\n\r\n  {\"a\":1} \r\n\n \n{\"b\":\"\xc3\xa9\"}",
          "0@5 ={\"a\":1};1@18 ={\"b\":\"\xc3\xa9\"};"),
    WHOLE(FRAMING_NDJSON, BOM "{}\n" BOM "{}\n", "0@3 ={};1@6 =" BOM "{};"),
    CUT(FRAMING_NDJSON, "{\"a\":1}\n{\"b\":", "0@0 ={\"a\":1};"),
    WHOLE(FRAMING_NDJSON, "{\"a\":1}\n  ", "0@0 ={\"a\":1};"),
    WHOLE(FRAMING_NDJSON, "not json\n", "0@0 =not json;"),
    WHOLE(FRAMING_NDJSON, BOM "{}", "0@3 ={};"),
    /* JSON array */
    WHOLE(FRAMING_JSON_ARRAY, "[{\"a\":\"]},\\\"\\\\\"}\n,\r\n{\"b\":[[1],{}]}\n]\n",
          "0@1 ={\"a\":\"]},\\\"\\\\\"};1@20 ={\"b\":[[1],{}]};"),
    WHOLE(FRAMING_JSON_ARRAY, BOM " [ ] \n", ""),
    WHOLE(FRAMING_JSON_ARRAY, "[1,-2.5e3 ,true,null,\"a\\\"]\",[],{}]",
          "0@1 =1;1@3 =-2.5e3;2@11 =true;3@16 =null;4@21 =\"a\\\"]\";5@28 =[];6@31 ={};"),
    WHOLE(FRAMING_JSON_ARRAY, "[\"\xf0\x9f\x98\x80\"]", "0@1 =\"\xf0\x9f\x98\x80\";"),
    CUT(FRAMING_JSON_ARRAY, "[{\"a\":1}", "0@1 ={\"a\":1};"),
    CUT(FRAMING_JSON_ARRAY, "[{\"a\":1},", "0@1 ={\"a\":1};"),
    CUT(FRAMING_JSON_ARRAY, "[{\"a\":1},{\"b", "0@1 ={\"a\":1};"),
    CUT(FRAMING_JSON_ARRAY, "[12", ""),
    CUT(FRAMING_JSON_ARRAY, "[", ""),
    WHOLE(FRAMING_JSON_ARRAY, " ", ""),
    FAILS(FRAMING_JSON_ARRAY, " {}", "", "event 0 at byte 1: expected the '[' of a JSON array"),
    FAILS(FRAMING_JSON_ARRAY, "[{} {}]", "0@1 ={};",
          "event 1 at byte 4: expected ',' or ']' after an element"),
    FAILS(FRAMING_JSON_ARRAY, "[{},]", "0@1 ={};", "event 1 at byte 4: expected a JSON value"),
    FAILS(FRAMING_JSON_ARRAY, "[,]", "", "event 0 at byte 1: expected a JSON value"),
    FAILS(FRAMING_JSON_ARRAY, "[\0]", "", "event 0 at byte 1: expected a JSON value"),
    FAILS(FRAMING_JSON_ARRAY, "[1]\n[2]", "0@1 =1;",
          "event 1 at byte 4: bytes follow the array's end"),
    /* Opaque */
    WHOLE(FRAMING_OPAQUE, "data: 1\n\n{}", ""),
};

START_TEST(a_text_body_gives_the_same_events_wherever_it_is_cut)
{
    check_all_cuts(&text_rows[_i]);
}
END_TEST

/* A CR may be the last byte of one piece and its LF the first of the next, with pieces of nothing
 * between them. */
START_TEST(an_empty_piece_changes_nothing)
{
    CLEANUP(outcome_release) struct outcome o = { 0 };
    CLEANUP(framer_free) struct framer *f = framer_new(FRAMING_SSE, on_event, &o.log);
    static const char *const pieces[] = {
        "", "data: 1\r", "", "\n", "", "\r", "", "\n", "data: 2"
    };

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        ck_assert_int_eq(framer_feed(f, str_from(pieces[i]), &o.err), 0);
    ck_assert_int_eq(framer_finish(f, &o.cut, &o.err), 0);
    ck_assert_str_eq(buf_cstr(&o.log.text), "0@0 =1;");
    ck_assert(o.cut);
}
END_TEST

START_TEST(a_callback_can_stop_the_framer_for_good)
{
    static const char *const bodies[] = {
        [FRAMING_JSON] = "{}",
        [FRAMING_SSE] = "data: 1\n\ndata: 2\n\n",
        [FRAMING_NDJSON] = "1\n2\n",
        [FRAMING_JSON_ARRAY] = "[1,2]",
    };
    CLEANUP(outcome_release) struct outcome o = { .log.stop_after = 1 };
    CLEANUP(framer_free) struct framer *f = framer_new((enum framing)_i, on_event, &o.log);
    struct err err = { 0 };

    o.result = framer_feed(f, str_from(bodies[_i]), &err);
    if (o.result == 0)
        o.result = framer_finish(f, &o.cut, &err);
    else
        ck_assert_int_eq(framer_finish(f, &o.cut, &o.err), -1);
    ck_assert_int_eq(o.result, -1);
    ck_assert_str_eq(err.text, "enough");
    ck_assert(str_starts_with(buf_str(&o.log.text), STR("0@")));
    ck_assert_int_eq(str_find(buf_str(&o.log.text), STR("1@"), 0), -1);
}
END_TEST

/* Without an end mark anything would be collected for ever. */
START_TEST(an_event_longer_than_the_limit_is_an_error_that_sticks)
{
    static const struct {
        enum framing kind;
        const char *start;
        const char *message;
    } rows[] = {
        {FRAMING_JSON,        "{\"a\":\"",         "event 0 at byte 0: longer than 67108864 bytes"},
        { FRAMING_NDJSON,     "1\n{\"a\":\"",      "event 1 at byte 2: longer than 67108864 bytes"},
        { FRAMING_JSON_ARRAY, "[1,{\"a\":\"",      "event 1 at byte 3: longer than 67108864 bytes"},
        { FRAMING_SSE,        "data: 1\n\ndata: ", "event 1 at byte 9: longer than 67108864 bytes"},
        { FRAMING_SSE,
         "data: 1\n\ndata: 2\ndata:",              "event 1 at byte 9: longer than 67108864 bytes"},
    };
    CLEANUP(outcome_release) struct outcome o = { 0 };
    CLEANUP(framer_free) struct framer *f = framer_new(rows[_i].kind, on_event, &o.log);
    CLEANUP(buf_release) struct buf piece = { 0 };
    struct err again = { 0 };
    int r = framer_feed(f, str_from(rows[_i].start), &o.err);

    memset(buf_reserve(&piece, 1u << 20), 'x', 1u << 20);
    piece.len = 1u << 20;
    for (int i = 0; i < 64 && r == 0; i++)
        r = framer_feed(f, buf_str(&piece), &o.err);
    if (r == 0)
        r = framer_feed(f, STR("data: x\ndata: y\ndata: z\n"), &o.err);
    ck_assert_int_eq(r, -1);
    ck_assert_int_eq(o.err.code, ERR_LIMIT);
    ck_assert_str_eq(o.err.text, rows[_i].message);
    ck_assert_int_eq(framer_feed(f, STR("\n\n"), &again), -1);
    ck_assert_str_eq(again.text, o.err.text);
    ck_assert_int_eq(framer_finish(f, &o.cut, &again), -1);
}
END_TEST

/* --- event streams --- */

static void add_be(struct buf *out, uint64_t value, int bytes)
{
    while (bytes-- > 0)
        buf_add_byte(out, (char)(value >> (8 * bytes)));
}

static void add_header(struct buf *out, const char *name, int type, struct str value)
{
    add_be(out, strlen(name), 1);
    buf_add_text(out, name);
    add_be(out, (uint64_t)type, 1);
    if (type == 6 || type == 7)
        add_be(out, value.len, 2);
    buf_add_str(out, value);
}

static void add_frame(struct buf *out, const struct buf *headers, struct str payload)
{
    size_t from = out->len;

    add_be(out, 16 + headers->len + payload.len, 4);
    add_be(out, headers->len, 4);
    add_be(out, crc32_ieee(0, out->ptr + from, 8), 4);
    buf_add_str(out, buf_str(headers));
    buf_add_str(out, payload);
    add_be(out, crc32_ieee(0, out->ptr + from, out->len - from), 4);
}

/* A frame as services send them: what = ":event-type" and so on. */
static void add_message(struct buf *out, const char *kind, const char *what, const char *name,
                        struct str payload)
{
    CLEANUP(buf_release) struct buf headers = { 0 };

    add_header(&headers, what, 7, str_from(name));
    add_header(&headers, ":content-type", 7, STR("application/json"));
    add_header(&headers, ":message-type", 7, str_from(kind));
    add_frame(out, &headers, payload);
}

static void add_sample_stream(struct buf *out)
{
    CLEANUP(buf_release) struct buf headers = { 0 }, none = { 0 };

    add_message(out, "event", ":event-type", "chunk", STR("{\"bytes\":\"e30=\"}"));
    add_message(out, "event", ":event-type", "metadata", STR(""));
    /* Every type of header there is, and none that we know. */
    add_header(&headers, "t", 0, STR(""));
    add_header(&headers, "f", 1, STR(""));
    add_header(&headers, "b", 2, STR("1"));
    add_header(&headers, "s", 3, STR("12"));
    add_header(&headers, "i", 4, STR("1234"));
    add_header(&headers, "l", 5, STR("12345678"));
    add_header(&headers, "bytes", 6, STR("a\0b"));
    add_header(&headers, "string", 7, STR(""));
    add_header(&headers, "time", 8, STR("12345678"));
    add_header(&headers, "uuid", 9, STR("0123456789abcdef"));
    add_frame(out, &headers, STR("all"));
    add_frame(out, &none, STR("none"));
    add_message(out, "exception", ":exception-type", "throttlingException", STR("{\"m\":1}"));
    buf_clear(&headers);
    add_header(&headers, ":message-type", 7, STR("error"));
    add_header(&headers, ":error-code", 7, STR("InternalError"));
    add_header(&headers, ":error-message", 7, STR("try again"));
    add_frame(out, &headers, STR(""));
}

#define SAMPLE_LOG                                                                                 \
    "0@0 chunk={\"bytes\":\"e30=\"};1@107 metadata=;2@201 =all;3@311 =none;"                       \
    "4@331 throttlingException!={\"m\":1};5@451 InternalError!=(try again);"

START_TEST(an_event_stream_gives_the_same_frames_wherever_it_is_cut)
{
    CLEANUP(buf_release) struct buf body = { 0 };

    add_sample_stream(&body);
    check_all_cuts(
        &(struct text_row){ FRAMING_EVENTSTREAM, buf_str(&body), SAMPLE_LOG, false, NULL });
}
END_TEST

START_TEST(an_event_stream_cut_short_says_so)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    const size_t ends[] = { 0, 107, 201, 311, 331, 451, 544 };
    size_t frame = 0;

    add_sample_stream(&body);
    ck_assert_uint_eq(body.len, ends[6]);
    for (size_t len = 0; len <= body.len; len++) {
        CLEANUP(outcome_release) struct outcome o = { 0 };
        run(FRAMING_EVENTSTREAM, (struct str){ body.ptr, len }, len / 2, body.len, &o);
        frame += len > ends[frame];
        ck_assert_msg(o.result == 0, "%s", o.err.text);
        ck_assert(o.cut == (len != ends[frame]));
        ck_assert(str_starts_with(STR(SAMPLE_LOG), buf_str(&o.log.text)));
    }
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_an_error_that_names_its_frame)
{
    static const size_t starts[] = { 0, 107, 201, 311, 331, 451, 544 };
    CLEANUP(buf_release) struct buf body = { 0 };
    size_t frame = 0;

    add_sample_stream(&body);
    for (size_t at = 0; at < body.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            CLEANUP(outcome_release) struct outcome o = { 0 };
            char prefix[60];
            frame += at >= starts[frame + 1];
            body.ptr[at] ^= (char)(1 << bit);
            run(FRAMING_EVENTSTREAM, buf_str(&body), at, 1, &o);
            body.ptr[at] ^= (char)(1 << bit);
            snprintf(prefix, sizeof(prefix), "frame %zu at byte %zu: the checksum", frame,
                     starts[frame]);
            ck_assert_int_eq(o.result, -1);
            ck_assert_int_eq(o.err.code, ERR_CORRUPT);
            ck_assert_msg(strncmp(o.err.text, prefix, strlen(prefix)) == 0,
                          "bit %d of byte %zu: %s", bit, at, o.err.text);
        }
}
END_TEST

struct bad_frame {
    struct str headers;
    const char *message;
};

static const struct bad_frame bad_frames[] = {
    ROW(STR_INIT("\0\7\0\1x"), "frame 1 at byte 107: a header has no name"),
    ROW(STR_INIT("\1a\12"), "frame 1 at byte 107: a header has an unknown type"),
    ROW(STR_INIT("\1a\xff"), "frame 1 at byte 107: a header has an unknown type"),
    ROW(STR_INIT("\5a"), "frame 1 at byte 107: a header is cut short"),
    ROW(STR_INIT("\1a"), "frame 1 at byte 107: a header is cut short"),
    ROW(STR_INIT("\1a\7\0"), "frame 1 at byte 107: a header is cut short"),
    ROW(STR_INIT("\1a\7\0\2x"), "frame 1 at byte 107: a header is cut short"),
    ROW(STR_INIT("\1a\7\xff\xffx"), "frame 1 at byte 107: a header is cut short"),
    ROW(STR_INIT("\1a\11"
                 "0123456789abcde"),
        "frame 1 at byte 107: a header is cut short"),
};

START_TEST(a_malformed_header_is_an_error_that_names_its_frame)
{
    CLEANUP(buf_release) struct buf body = { 0 }, headers = { 0 };
    CLEANUP(outcome_release) struct outcome o = { 0 };

    add_message(&body, "event", ":event-type", "chunk", STR("{\"bytes\":\"e30=\"}"));
    buf_add_str(&headers, bad_frames[_i].headers);
    add_frame(&body, &headers, STR("payload"));
    run(FRAMING_EVENTSTREAM, buf_str(&body), 0, body.len, &o);
    ck_assert_int_eq(o.result, -1);
    ck_assert_str_eq(o.err.text, bad_frames[_i].message);
    ck_assert_str_eq(buf_cstr(&o.log.text), "0@0 chunk={\"bytes\":\"e30=\"};");
}
END_TEST

struct bad_length {
    uint32_t frame, headers;
    const char *message;
    enum err_code code;
};

static const struct bad_length bad_lengths[] = {
    ROW(15, 0, "frame 0 at byte 0: 15 bytes with 0 of headers cannot be", ERR_CORRUPT),
    ROW(0, 0, "frame 0 at byte 0: 0 bytes with 0 of headers cannot be", ERR_CORRUPT),
    ROW(20, 5, "frame 0 at byte 0: 20 bytes with 5 of headers cannot be", ERR_CORRUPT),
    ROW(16, UINT32_MAX, "frame 0 at byte 0: 16 bytes with 4294967295 of headers cannot be",
        ERR_CORRUPT),
    ROW(FRAMING_EVENT_BYTES_MAX + 1, 0, "frame 0 at byte 0: 67108865 bytes is more than 67108864",
        ERR_LIMIT),
};

START_TEST(impossible_lengths_are_refused_before_anything_is_stored)
{
    const struct bad_length *row = &bad_lengths[_i];
    CLEANUP(buf_release) struct buf body = { 0 };
    CLEANUP(outcome_release) struct outcome o = { 0 };

    add_be(&body, row->frame, 4);
    add_be(&body, row->headers, 4);
    add_be(&body, crc32_ieee(0, body.ptr, 8), 4);
    run(FRAMING_EVENTSTREAM, buf_str(&body), 1, 1, &o);
    ck_assert_int_eq(o.result, -1);
    ck_assert_str_eq(o.err.text, row->message);
    ck_assert_int_eq(o.err.code, row->code);
}
END_TEST

/* Services stop at 24 MiB of payload and 128 KiB of headers; a reader must not (smithy). */
START_TEST(a_frame_larger_than_services_send_is_read)
{
    CLEANUP(buf_release) struct buf body = { 0 }, headers = { 0 }, payload = { 0 };
    CLEANUP(outcome_release) struct outcome o = { 0 };
    const size_t size = (24u << 20) + 1;

    while (headers.len <= 128u << 10)
        add_header(&headers, "padding", 7, STR("0123456789012345678901234567890123456789"));
    add_header(&headers, ":event-type", 7, STR("chunk"));
    memset(buf_reserve(&payload, size), 'x', size);
    payload.len = size;
    add_frame(&body, &headers, buf_str(&payload));
    run(FRAMING_EVENTSTREAM, buf_str(&body), 100000, 1000000, &o);
    ck_assert_msg(o.result == 0, "%s", o.err.text);
    ck_assert(str_starts_with(buf_str(&o.log.text), STR("0@0 chunk=xxx")));
    ck_assert_uint_eq(o.log.text.len, size + 11);
}
END_TEST

/* --- guessing --- */

struct guess_row {
    const char *type;
    struct str first;
    enum framing kind;
};

static const struct guess_row guess_rows[] = {
    ROW("application/json", STR_INIT("{\"a\":1}"), FRAMING_JSON),
    ROW("application/json; charset=utf-8", STR_INIT(" {\n \"a\":1}"), FRAMING_JSON),
    ROW("application/json", STR_INIT("[{\"a\":1}"), FRAMING_JSON_ARRAY),
    ROW("application/json", STR_INIT("data: {\"a\":1}\n\n"), FRAMING_SSE),
    ROW("application/json", STR_INIT("{\"a\":1}\n{\"b\":2}\n"), FRAMING_NDJSON),
    ROW("application/json", STR_INIT("Bad Gateway"), FRAMING_JSON),
    ROW("application/json", STR_INIT(""), FRAMING_JSON),
    ROW("application/problem+json", STR_INIT("{}"), FRAMING_JSON),
    ROW("text/event-stream", STR_INIT("data: {}\n\n"), FRAMING_SSE),
    ROW("Text/Event-Stream;charset=UTF-8", STR_INIT(": hello\n\n"), FRAMING_SSE),
    ROW("text/event-stream", STR_INIT("\r\n\r\nevent: x\n"), FRAMING_SSE),
    ROW("text/event-stream", STR_INIT(""), FRAMING_SSE),
    ROW("text/event-stream", STR_INIT("unknown: x\n"), FRAMING_SSE),
    ROW("text/event-stream", STR_INIT("{\"error\":{}}"), FRAMING_JSON),
    ROW("text/event-stream; charset=utf-8", STR_INIT("[{\"a\":1},\n"), FRAMING_JSON_ARRAY),
    ROW("application/x-ndjson", STR_INIT("{\"a\":1}\n"), FRAMING_NDJSON),
    ROW("application/x-ndjson", STR_INIT("{\"a\":"), FRAMING_NDJSON),
    ROW("application/x-ndjson", STR_INIT("{\n  \"error\": 1\n}"), FRAMING_JSON),
    ROW("application/vnd.amazon.eventstream", STR_INIT("\0\0\0\x10"), FRAMING_EVENTSTREAM),
    ROW("application/vnd.amazon.eventstream", STR_INIT("{\"message\":\"denied\"}"), FRAMING_JSON),
    ROW("audio/mpeg", STR_INIT("ID3"), FRAMING_OPAQUE),
    ROW("audio/mpeg", STR_INIT("{not really"), FRAMING_OPAQUE),
    ROW("image/png", STR_INIT(""), FRAMING_OPAQUE),
    ROW("", STR_INIT(""), FRAMING_JSON),
    ROW("", STR_INIT("{\"a\":1}"), FRAMING_JSON),
    ROW("", STR_INIT(BOM "{\"a\":1}\r\n\r\n{\"a"), FRAMING_NDJSON),
    ROW("", STR_INIT("{\"a\":1}\nafter"), FRAMING_JSON),
    ROW("", STR_INIT("\n[{"), FRAMING_JSON_ARRAY),
    ROW("", STR_INIT(BOM "data: x"), FRAMING_SSE),
    ROW("", STR_INIT("id: 1\n"), FRAMING_SSE),
    ROW("", STR_INIT("<!DOCTYPE html>"), FRAMING_OPAQUE),
    ROW("text/html", STR_INIT("<html>"), FRAMING_OPAQUE),
    ROW("text/plain", STR_INIT("{\"a\":1}"), FRAMING_JSON),
    ROW("application/octet-stream", STR_INIT("RIFF"), FRAMING_OPAQUE),
};

START_TEST(the_kind_is_told_from_type_and_first_bytes)
{
    const struct guess_row *row = &guess_rows[_i];

    ck_assert_msg(framing_guess(str_from(row->type), row->first) == row->kind, "%s, %.*s gives %d",
                  row->type, STR_ARG(row->first), framing_guess(str_from(row->type), row->first));
}
END_TEST

START_TEST(an_event_stream_is_told_by_its_checksum_whatever_the_type)
{
    static const char *const types[] = { "", "application/json", "text/event-stream", "audio/x" };
    CLEANUP(buf_release) struct buf body = { 0 };

    add_sample_stream(&body);
    ck_assert_int_eq(framing_guess(str_from(types[_i]), buf_str(&body)), FRAMING_EVENTSTREAM);
    ck_assert_int_eq(framing_guess(str_from(types[_i]), str_sub(buf_str(&body), 0, 12)),
                     FRAMING_EVENTSTREAM);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_text_body_gives_the_same_events_wherever_it_is_cut, 0,
                        ARRAY_LEN(text_rows));
    tcase_add_test(tc, an_empty_piece_changes_nothing);
    tcase_add_loop_test(tc, a_callback_can_stop_the_framer_for_good, FRAMING_JSON,
                        FRAMING_JSON_ARRAY + 1);
    tcase_add_loop_test(tc, an_event_longer_than_the_limit_is_an_error_that_sticks, 0, 5);
    tcase_add_test(tc, an_event_stream_gives_the_same_frames_wherever_it_is_cut);
    tcase_add_test(tc, an_event_stream_cut_short_says_so);
    tcase_add_test(tc, a_flipped_bit_anywhere_is_an_error_that_names_its_frame);
    tcase_add_loop_test(tc, a_malformed_header_is_an_error_that_names_its_frame, 0,
                        ARRAY_LEN(bad_frames));
    tcase_add_loop_test(tc, impossible_lengths_are_refused_before_anything_is_stored, 0,
                        ARRAY_LEN(bad_lengths));
    tcase_add_test(tc, a_frame_larger_than_services_send_is_read);
    tcase_add_loop_test(tc, the_kind_is_told_from_type_and_first_bytes, 0, ARRAY_LEN(guess_rows));
    tcase_add_loop_test(tc, an_event_stream_is_told_by_its_checksum_whatever_the_type, 0, 4);
}
CHECK_MAIN("llm/framing", add_tests)
