/* Personal data and keys in bodies and heads: capture/scrub. */
#include "config.h"

#include "capture/scrub.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/crc.h"
#include "base/json.h"
#include "llm/framing.h"
#include "tests/check_main.h"

static struct scrub *all_rules(void)
{
    struct scrub *s = scrub_new();
    struct err err;

    for (size_t i = 0; scrub_shipped_names()[i]; i++)
        ck_assert_int_eq(
            scrub_add_shipped(s, str_from(scrub_shipped_names()[i]), SCRUB_EVERYWHERE, &err), 0);
    return s;
}

/* The body as it may be kept, in out. */
static enum scrub_result run(struct scrub *s, unsigned place, const char *type, struct str body,
                             struct buf *out)
{
    struct scrub_body b = {
        .place = place, .body = body, .content_type = str_from(type), .out = out
    };
    struct err err = { 0 };
    enum scrub_result r = scrub_body(s, &b, &err);

    if (r == SCRUB_SAME) {
        buf_clear(out);
        buf_add_str(out, body);
    }
    return r;
}

static void check_string(struct str got, const char *want)
{
    if (!str_eq(got, str_from(want)))
        ck_abort_msg("got  %.*s\nwant %s", STR_ARG(got), want);
}

/* --- what the shipped rules find --- */

static const struct {
    const char *text, *want;
} texts[] = {
    ROW("mail john.doe+x@mail.example.com, please", "mail [email], please"),
    ROW("<john@example.com>", "<[email]>"),
    ROW("mailto:john@example.com?subject=x", "mailto:[email]?subject=x"),
    ROW("user=john@example.com&x=1", "user=[email]&x=1"),
    ROW("john@example.com", "[email]"),
    ROW("j\xc3\xbcrgen@example.de", "[email]"),
    ROW("john@m\xc3\xbcnchen.de", "[email]"),
    ROW("\xe9\x82\xae\xe7\xae\xb1john@example.com\xe8\xaf\xb7",
        "\xe9\x82\xae\xe7\xae\xb1[email]\xe8\xaf\xb7"),
    ROW("a@b.co c@d.org", "[email] [email]"),
    ROW("john\xef\xbc\xa0"
        "example.com",
        "[email]"),
    ROW("jo\xe2\x80\x8bhn@example.com", "[email]"),
    ROW("npm i @scope/pkg@1.2.3 foo@latest", "npm i @scope/pkg@1.2.3 foo@latest"),
    ROW("@john at example.com, a@b", "@john at example.com, a@b"),
    ROW("card 4111111111111111.", "card [card]."),
    ROW("4111 1111 1111 1111", "[card]"),
    ROW("4111-1111-1111-1111 12/27 123", "[card] 12/27 123"),
    ROW("4111111111111111 123", "[card] 123"),
    ROW("123 4111 1111 1111 1111", "123 [card]"),
    ROW("3782 822463 10005", "[card]"),
    ROW("30569309025904", "[card]"),
    ROW("6011 1111 1111 1117", "[card]"),
    ROW("3530111333300000", "[card]"),
    ROW("5555-5555-5555-4444", "[card]"),
    ROW("2223003122003222", "[card]"),
    ROW("4111\xe2\x80\x91"
        "1111\xe2\x80\x91"
        "1111\xe2\x80\x91"
        "1111",
        "[card]"),
    ROW("4111\xc2\xa0"
        "1111\xc2\xa0"
        "1111\xc2\xa0"
        "1111",
        "[card]"),
    ROW("4111111111111112", "4111111111111112"),   /* Luhn */
    ROW("1234567812345670", "1234567812345670"),   /* no brand */
    ROW("41111111111111110", "41111111111111110"), /* no length of the brand's */
    ROW("x4111111111111111", "x4111111111111111"),
    ROW("0.4111111111111111", "0.4111111111111111"),
    ROW("4111 1111-1111 1111", "4111 1111-1111 1111"), /* two kinds of separator */
    ROW("1732298400123456", "1732298400123456"),
    ROW("DE89370400440532013000", "[iban]"),
    ROW("IBAN: DE89 3704 0044 0532 0130 00, thanks", "IBAN: [iban], thanks"),
    ROW("de89 3704 0044 0532 0130 00 und mehr", "[iban] und mehr"),
    ROW("GB29NWBK60161331926819", "[iban]"),
    ROW("NO93 8601 1117 947", "[iban]"),
    ROW("FR14-2004-1010-0505-0001-3M02-606", "[iban]"),
    ROW("MT84MALT011000012345MTLCAST001S", "[iban]"),
    ROW("DE88370400440532013000", "DE88370400440532013000"), /* MOD 97 */
    ROW("XX89370400440532013000", "XX89370400440532013000"), /* no country */
    ROW("DE8937040044053201300", "DE8937040044053201300"),   /* too short */
    ROW("ADE89370400440532013000", "ADE89370400440532013000"),
    ROW("219-09-9999", "[us_ssn]"),
    ROW("000-12-3456 666-12-3456 900-12-3456 219-00-1234",
        "000-12-3456 666-12-3456 900-12-3456 219-00-1234"),
    ROW("+49 30 901820", "[phone]"),
    ROW("+44 20 7946 0018", "[phone]"),
    ROW("+442079460018", "[phone]"),
    ROW("(+49) 30 1234567", "[phone]"),
    ROW("+1 (212) 555-0143", "[phone]"),
    ROW("tel:+12125550143", "tel:+12125550143"),
    ROW("call (212) 555-0143 now", "call [phone] now"),
    ROW("212-555-0143", "[phone]"),
    ROW("212.555.0143", "[phone]"),
    ROW("1-212-555-0143", "[phone]"),
    ROW("030 12345678", "[phone]"),
    ROW("089/1234567", "[phone]"),
    ROW("020 7946 0018", "[phone]"),
    ROW("07700 900123", "[phone]"),
    ROW("01 23 45 67 89", "[phone]"),
    ROW("2026-11-22 18:07:11", "2026-11-22 18:07:11"),
    ROW("2026-11-22T18:07:11.123456Z", "2026-11-22T18:07:11.123456Z"),
    ROW("22.11.2026 10.0.0.1 192.168.100.200", "22.11.2026 10.0.0.1 192.168.100.200"),
    ROW("1732298400 17322984001234", "1732298400 17322984001234"),
    ROW("3.141592653589793 2.5e-10 100,000,000", "3.141592653589793 2.5e-10 100,000,000"),
    ROW("0b5c2e9a-0d7e-4b53-8d05-1234567890ab", "0b5c2e9a-0d7e-4b53-8d05-1234567890ab"),
    ROW("chatcmpl-9x1234567890123456", "chatcmpl-9x1234567890123456"),
    ROW("key sk-abcdefghij0123456789abcd!", "key [api_key]!"),
    ROW("sk-proj-abc_DEF-0123456789xyz", "[api_key]"),
    ROW("sk-ant-api03-abcdefghij0123456789-AA", "[api_key]"),
    ROW("task-management-is-a-long-word-2026", "task-management-is-a-long-word-2026"),
    ROW("AIzaSyA0123456789abcdefghijklmnopqrstuv", "[api_key]"),
    ROW("AKIAIOSFODNN7EXAMPLE", "[api_key]"),
    ROW("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[api_key]"),
    ROW("github_pat_11ABCDEFG0123456789_abcdef", "[api_key]"),
    ROW("xoxb-123456789012-abcdefABCDEF", "[api_key]"),
    ROW("glpat-abcdefghij0123456789", "[api_key]"),
    ROW("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlMTIz", "[api_key]"),
    ROW("Authorization: Bearer abcdef0123456789abcdef==", "Authorization: [api_key]"),
    ROW("the bearer of responsibilities", "the bearer of responsibilities"),
    ROW("-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/=\n-----END RSA PRIVATE KEY-----\nrest",
        "[private_key]\nrest"),
    ROW("-----BEGIN PRIVATE KEY-----\nMIIEowIB", "[private_key]"),
    ROW("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"),
};

START_TEST(a_text_is_scrubbed_as_a_text_and_as_a_json_string)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf out = { 0 }, json = { 0 }, want = { 0 };

    run(s, SCRUB_REQUESTS, "text/plain", str_from(texts[_i].text), &out);
    check_string(buf_str(&out), texts[_i].want);

    json_add_string(&json, str_from(texts[_i].text));
    json_add_string(&want, str_from(texts[_i].want));
    run(s, SCRUB_REQUESTS, "application/json", buf_str(&json), &out);
    check_string(buf_str(&out), buf_cstr(&want));
}
END_TEST

START_TEST(a_text_is_scrubbed_however_its_json_is_escaped)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf out = { 0 }, json = { 0 };

    if (strcmp(texts[_i].text, texts[_i].want) == 0)
        return;
    for (const char *at = texts[_i].text; *at; at++)
        if ((unsigned char)*at >= 0x80)
            return; /* bytes are no characters */
    buf_add_byte(&json, '"');
    for (const char *at = texts[_i].text; *at; at++)
        buf_addf(&json, "\\u%04x", (unsigned)*at);
    buf_add_byte(&json, '"');
    ck_assert_int_eq(run(s, SCRUB_REQUESTS, "application/json", buf_str(&json), &out),
                     SCRUB_CHANGED);
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err err;
    ck_assert_int_eq(json_parse(buf_str(&out), &doc, &err), 0);
    ck_assert_str_eq(json_string_value(doc), texts[_i].want);
}
END_TEST

/* --- JSON --- */

static const struct {
    const char *body, *want;
} bodies[] = {
    ROW("{\"a\":4111111111111111,\"b\":[4111111111111111]}",
        "{\"a\":\"[card]\",\"b\":[\"[card]\"]}"),
    ROW("{\"a\":-0.4111111111111111,\"b\":4111111111111111e0}",
        "{\"a\":-0.4111111111111111,\"b\":4111111111111111e0}"),
    ROW("{\"john@example.com\":true}", "{\"[email]\":true}"),
    ROW("{\"m\":\"john\\u0040example.com\"}", "{\"m\":\"[email]\"}"),
    ROW("{\"m\":\"a\\\\b@example.com\"}", "{\"m\":\"a\\\\[email]\"}"),
    ROW("{\"m\":\"say \\\"john@example.com\\\"\"}", "{\"m\":\"say \\\"[email]\\\"\"}"),
    ROW("{\"m\":\"x\\/john@example.com\\/y\"}", "{\"m\":\"x\\/[email]\\/y\"}"),
    ROW("{\"m\":\"4111\\n1111\"}", "{\"m\":\"4111\\n1111\"}"),
    /* JSON in JSON, and once more: the arguments of a tool. */
    ROW("{\"a\":\"{\\\"m\\\":\\\"john@example.com\\\"}\"}",
        "{\"a\":\"{\\\"m\\\":\\\"[email]\\\"}\"}"),
    ROW("{\"a\":\"{\\\"m\\\":\\\"john\\\\u0040example.com\\\"}\"}",
        "{\"a\":\"{\\\"m\\\":\\\"[email]\\\"}\"}"),
    ROW("{\"a\":\"\\\"{\\\\\\\"m\\\\\\\":\\\\\\\"john\\\\\\\\u0040example.com\\\\\\\"}\\\"\"}",
        "{\"a\":\"\\\"{\\\\\\\"m\\\\\\\":\\\\\\\"[email]\\\\\\\"}\\\"\"}"),
    ROW("{\"u\":\"https://x/?m=john%40example.com&y\"}", "{\"u\":\"https://x/?m=[email]&y\"}"),
    ROW("{\"m\":\"jo\\u200bhn@example.com\"}", "{\"m\":\"[email]\"}"),
    ROW("{\"m\":\"\\u0034111 1111 1111 1111\"}", "{\"m\":\"[card]\"}"),
    /* Neither whole nor right. */
    ROW("{\"m\":\"john@example.com", "{\"m\":\"[email]"),
    ROW("{\"m\": john@example.com, x", "{\"m\": [email], x"),
    ROW("[2026-11-22] call +49 30 1234567 now", "[2026-11-22] call [phone] now"),
    ROW("[4111 1111 1111 1111]", "[[card]]"),
    ROW("{it's \"x\\\" john@example.com \"}", "{it's \"x\\\" [email] \"}"),
    ROW("[12john@example.com]", "[[email]]"),
    ROW("m=john%40example.com&t=1", "m=[email]&t=1"),
};

START_TEST(json_stays_json)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf out = { 0 };

    run(s, SCRUB_REQUESTS, "application/json", str_from(bodies[_i].body), &out);
    check_string(buf_str(&out), bodies[_i].want);
}
END_TEST

/* --- streams --- */

/* One text in pieces, as each API streams it: %s is a piece. */
static const struct {
    const char *type, *event;
} streams[] = {
    ROW("text/event-stream", "data: "
                             "{\"id\":\"chatcmpl-0123456789abcdef\",\"choices\":[{\"index\":0,"
                             "\"delta\":{\"content\":\"%s\"}}]}\n\n"),
    ROW("text/event-stream", "data: "
                             "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
                             "\"function\":{\"arguments\":\"%s\"}}]}}]}\r\n\r\n"),
    ROW("text/event-stream", "event: response.output_text.delta\ndata: "
                             "{\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\","
                             "\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}\n\n"),
    ROW("text/event-stream", "event: content_block_delta\ndata: "
                             "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
                             "\"text_delta\",\"text\":\"%s\"}}\n\n"),
    ROW("text/event-stream", "data: "
                             "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\"}],"
                             "\"role\":\"model\"},\"index\":0}]}\n\n"),
    ROW("application/json", "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"%s\"}]}}]}\n,"),
    ROW("application/x-ndjson", "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":"
                                "\"%s\"},\"done\":false}\n"),
};

static const char secret[] = "mail john.doe@example.com or 4111 1111 1111 1111.";
static const char *const planted[] = { "john.doe", "example.com", "4111", "1111" };
static const char clean[] = "mail [email] or [card].";

static void add_event(struct buf *out, const char *event, const char *piece, size_t len)
{
    const char *hole = strstr(event, "%s");

    if (event[0] == '[' && out->len) /* an array's elements: only the first has the bracket */
        buf_add(out, event + 1, (size_t)(hole - event - 1));
    else
        buf_add(out, event, (size_t)(hole - event));
    buf_add(out, piece, len);
    buf_add_text(out, hole + 2);
}

/* What is left when the events' own text is taken off again. */
static void gather(struct str body, const char *event, struct buf *ret)
{
    size_t head = strcspn(event, "%"), from = event[0] == '[';
    struct str before = { event + from, head - from };
    struct str after = str_from(event + head + 2);
    ptrdiff_t at = 0;

    while ((at = str_find(body, before, (size_t)at)) >= 0) {
        ptrdiff_t end = str_find(body, after, (size_t)at + before.len);
        ck_assert_msg(end >= 0, "no end in %.*s", STR_ARG(body));
        buf_add_str(ret,
                    str_sub(body, (size_t)at + before.len, (size_t)end - (size_t)at - before.len));
        at = end;
    }
}

static void check_planted(struct str s)
{
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        ck_assert_msg(str_find(s, str_from(planted[i]), 0) < 0, "'%s' is left in %.*s", planted[i],
                      STR_ARG(s));
}

static void check_stream(struct scrub *s, const char *type, const char *event, struct str body)
{
    CLEANUP(buf_release) struct buf out = { 0 }, text = { 0 };

    ck_assert_int_eq(run(s, SCRUB_ANSWERS, type, body, &out), SCRUB_CHANGED);
    check_planted(buf_str(&out));
    gather(buf_str(&out), event, &text);
    check_string(buf_str(&text), clean);
}

START_TEST(a_value_split_over_two_events_at_any_byte_is_found)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    size_t len = strlen(secret);

    for (size_t cut = 0; cut <= len; cut++) {
        CLEANUP(buf_release) struct buf body = { 0 };
        add_event(&body, streams[_i].event, secret, cut);
        add_event(&body, streams[_i].event, secret + cut, len - cut);
        check_stream(s, streams[_i].type, streams[_i].event, buf_str(&body));
    }
}
END_TEST

START_TEST(a_value_split_into_single_bytes_is_found)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf body = { 0 };

    for (const char *at = secret; *at; at++)
        add_event(&body, streams[_i].event, at, 1);
    check_stream(s, streams[_i].type, streams[_i].event, buf_str(&body));
}
END_TEST

START_TEST(texts_that_come_interleaved_are_put_together_each_by_itself)
{
    static const char body[] =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"john@exa\"}}]}\n\n"
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"4111 1111 \"}}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"mple.com\"}}]}\n\n"
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"1111 1111\"}}]}\n\n"
        "data: [DONE]\n\n";
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf out = { 0 };

    run(s, SCRUB_ANSWERS, "text/event-stream", STR(body), &out);
    check_string(buf_str(&out),
                 "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"[email]\"}}]}\n\n"
                 "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"[card]\"}}]}\n\n"
                 "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n"
                 "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"\"}}]}\n\n"
                 "data: [DONE]\n\n");
}
END_TEST

START_TEST(an_escape_split_over_events_is_undone)
{
    static const char body[] =
        "data: "
        "{\"type\":\"t\",\"index\":0,\"delta\":{\"partial_json\":\"{\\\"m\\\":\\\"john\\\\u0\"}}"
        "\n\n"
        "data: "
        "{\"type\":\"t\",\"index\":0,\"delta\":{\"partial_json\":\"040example.com\\\"}\"}}\n\n";
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf out = { 0 };

    run(s, SCRUB_ANSWERS, "text/event-stream", STR(body), &out);
    check_string(
        buf_str(&out),
        "data: "
        "{\"type\":\"t\",\"index\":0,\"delta\":{\"partial_json\":\"{\\\"m\\\":\\\"[email]\"}}\n\n"
        "data: {\"type\":\"t\",\"index\":0,\"delta\":{\"partial_json\":\"\\\"}\"}}\n\n");
}
END_TEST

/* --- event streams of AWS --- */

static void put32(struct buf *out, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(out, (char)(v >> shift));
}

static void add_frame(struct buf *out, const char *header, struct str payload)
{
    CLEANUP(buf_release) struct buf headers = { 0 };
    size_t start = out->len;

    buf_add_byte(&headers, 11);
    buf_add_text(&headers, ":event-type");
    buf_add_byte(&headers, 7);
    buf_add_byte(&headers, 0);
    buf_add_byte(&headers, (char)strlen(header));
    buf_add_text(&headers, header);
    put32(out, (uint32_t)(16 + headers.len + payload.len));
    put32(out, (uint32_t)headers.len);
    put32(out, crc32_ieee(0, out->ptr + start, 8));
    buf_add_str(out, buf_str(&headers));
    buf_add_str(out, payload);
    put32(out, crc32_ieee(0, out->ptr + start, out->len - start));
}

static int gather_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct buf *out = ctx;
    CLEANUP(json_decref) json_t *doc = NULL;

    ck_assert_int_eq(json_parse(e->data, &doc, err), 0);
    const char *wrapped = json_string_value(json_object_get(doc, "bytes"));
    if (!wrapped) {
        buf_add_text(out,
                     json_string_value(json_object_get(json_object_get(doc, "delta"), "text")));
        return 0;
    }
    CLEANUP(buf_release) struct buf inner = { 0 };
    CLEANUP(json_decref) json_t *inner_doc = NULL;
    ck_assert_int_eq(base64_decode(&inner, str_from(wrapped), err), 0);
    ck_assert_int_eq(json_parse(buf_str(&inner), &inner_doc, err), 0);
    buf_add_text(out, json_string_value(json_object_get(inner_doc, "text")));
    return 0;
}

static void check_frames(struct str body)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct framer *framer = framer_new(FRAMING_EVENTSTREAM, gather_event, &text);
    struct err err = { 0 };
    bool cut;

    ck_assert_msg(framer_feed(framer, body, &err) == 0, "%s", err.text);
    ck_assert_int_eq(framer_finish(framer, &cut, &err), 0);
    ck_assert(!cut);
    framer_free(framer);
    check_string(buf_str(&text), clean);
}

/* Row 0: plain payloads, row 1: wrapped ones. */
START_TEST(frames_keep_their_form_and_lose_their_secrets)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf body = { 0 }, out = { 0 }, text = { 0 }, payload = { 0 };

    for (const char *at = secret; *at; at += strlen(at) < 3 ? strlen(at) : 3) {
        buf_clear(&text);
        buf_clear(&payload);
        if (_i) {
            buf_addf(&text, "{\"type\":\"d\",\"text\":\"%.3s\"}", at);
            buf_add_text(&payload, "{\"bytes\":\"");
            base64_encode(&payload, buf_str(&text));
            buf_add_text(&payload, "\",\"p\":\"abcdefg\"}");
        } else {
            buf_addf(&payload, "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"%.3s\"}}", at);
        }
        add_frame(&body, "chunk", buf_str(&payload));
    }
    size_t whole = body.len;
    ck_assert_int_eq(
        run(s, SCRUB_ANSWERS, "application/vnd.amazon.eventstream", buf_str(&body), &out),
        SCRUB_CHANGED);
    check_frames(buf_str(&out));
    check_planted(buf_str(&out));

    /* Of a frame that was cut nothing is kept. */
    buf_add(&body, body.ptr, 40);
    ck_assert_uint_gt(body.len, whole);
    run(s, SCRUB_ANSWERS, "application/vnd.amazon.eventstream", buf_str(&body), &out);
    check_frames(buf_str(&out));
}
END_TEST

START_TEST(headers_of_frames_are_masked)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf body = { 0 }, out = { 0 };

    add_frame(&body, "x john@example.com",
              STR("{\"delta\":{\"text\":\"mail [email] or [card].\"}}"));
    ck_assert_int_eq(
        run(s, SCRUB_ANSWERS, "application/vnd.amazon.eventstream", buf_str(&body), &out),
        SCRUB_CHANGED);
    ck_assert_int_lt(str_find(buf_str(&out), STR("example"), 0), 0);
    check_frames(buf_str(&out));
}
END_TEST

/* --- chunks --- */

START_TEST(chunks_still_add_up_wherever_they_were_cut)
{
    static const char body[] =
        "data: {\"delta\":\"a john@exa\"}\n\ndata: {\"delta\":\"mple.com b\"}\n\n";
    static const char want[] = "data: {\"delta\":\"a [email]\"}\n\ndata: {\"delta\":\" b\"}\n\n";
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    for (size_t a = 0; a < sizeof(body); a++)
        for (size_t b = a; b < sizeof(body); b++) {
            struct exchange_chunk chunks[] = {
                {1,  a                   },
                { 2, b - a               },
                { 3, sizeof(body) - 1 - b}
            };
            struct scrub_body x = { .place = SCRUB_ANSWERS,
                                    .body = STR(body),
                                    .content_type = STR("text/event-stream"),
                                    .chunks = chunks,
                                    .chunk_count = 3,
                                    .out = &out };
            ck_assert_int_eq(scrub_body(s, &x, &err), SCRUB_CHANGED);
            check_string(buf_str(&out), want);
            ck_assert_uint_eq(chunks[0].bytes + chunks[1].bytes + chunks[2].bytes, out.len);
            ck_assert_uint_eq(chunks[0].offset_us, 1);
            ck_assert_uint_eq(chunks[2].offset_us, 3);
            if (a <= 18) /* before the first change all stays */
                ck_assert_uint_eq(chunks[0].bytes, a);
            if (b >= sizeof(body) - 6) /* behind the last one too */
                ck_assert_uint_eq(chunks[2].bytes, sizeof(body) - 1 - b);
        }
}
END_TEST

/* --- properties --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Some text with secrets in it, as a random mixture of escapes. */
static void add_random_string(struct buf *out, uint64_t *seed)
{
    static const char *const words[] = { "hello ", "w\\u00f6rld, ", "\\\"x\\\" ",    "12 ",
                                         "a\\\\ ", "\\n",           "\xe4\xbd\xa0 ", "(" };
    static const char *const secrets[] = { "john.doe@example.com", "4111 1111 1111 1111",
                                           "DE89370400440532013000" };

    buf_add_byte(out, '"');
    for (uint64_t n = next_random(seed) % 8; n > 0; n--) {
        buf_add_text(out, words[next_random(seed) % ARRAY_LEN(words)]);
        if (next_random(seed) % 3)
            continue;
        buf_add_byte(out, ' ');
        for (const char *at = secrets[next_random(seed) % ARRAY_LEN(secrets)]; *at; at++)
            if (next_random(seed) % 5 == 0)
                buf_addf(out, "\\u%04X", (unsigned)*at);
            else
                buf_add_byte(out, *at);
        buf_add_byte(out, ' ');
    }
    buf_add_byte(out, '"');
}

static void check_strings(const json_t *value)
{
    const json_t *item;
    size_t i;

    if (json_is_string(value)) {
        struct str s = str_from(json_string_value(value));
        check_planted(s);
        ck_assert_int_lt(str_find(s, STR("370400"), 0), 0);
    }
    json_array_foreach(value, i, item) check_strings(item);
}

START_TEST(no_planted_value_is_left_in_random_json_and_chunks_add_up)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf body = { 0 }, out = { 0 };
    uint64_t seed = (uint64_t)_i * 7919 + 1;
    struct err err = { 0 };

    for (int round = 0; round < 50; round++) {
        struct exchange_chunk chunks[8];
        buf_clear(&body);
        buf_add_byte(&body, '[');
        for (uint64_t n = next_random(&seed) % 6; n > 0; n--) {
            add_random_string(&body, &seed);
            buf_add_text(&body, ",");
        }
        buf_add_text(&body, "1]");
        size_t left = body.len, total = 0;
        for (size_t i = 0; i < 8; i++) {
            chunks[i].bytes = i < 7 ? next_random(&seed) % (left + 1) : left;
            left -= chunks[i].bytes;
        }
        struct scrub_body x = { .place = SCRUB_ANSWERS,
                                .body = buf_str(&body),
                                .chunks = chunks,
                                .chunk_count = 8,
                                .out = &out };
        enum scrub_result r = scrub_body(s, &x, &err);
        ck_assert_int_ne(r, SCRUB_FAILED);
        struct str kept = r == SCRUB_SAME ? buf_str(&body) : buf_str(&out);
        for (size_t i = 0; i < 8; i++)
            total += chunks[i].bytes;
        ck_assert_uint_eq(total, kept.len);
        CLEANUP(json_decref) json_t *doc = NULL;
        ck_assert_msg(json_parse(kept, &doc, &err) == 0, "%s: %.*s", err.text, STR_ARG(kept));
        check_strings(doc);
    }
}
END_TEST

/* --- rules --- */

START_TEST(a_pattern_of_ones_own_applies_where_it_is_said_to)
{
    CLEANUP(scrub_free) struct scrub *s = scrub_new();
    CLEANUP(buf_release) struct buf out = { 0 }, report = { 0 };
    struct scrub_pattern p = { .name = STR("ticket"),
                               .regex = STR("TICKET-[0-9]+"),
                               .replace = STR("<t>"),
                               .places = SCRUB_REQUESTS };
    struct err err;

    ck_assert_int_eq(scrub_add_pattern(s, &p, &err), 0);
    ck_assert(scrub_applies(s, SCRUB_REQUESTS) && !scrub_applies(s, SCRUB_ANSWERS));
    struct str body = STR("{\"a\":\"see TICKET-12 and TICKET-3\",\"n\":7}");
    ck_assert_int_eq(run(s, SCRUB_REQUESTS, "", body, &out), SCRUB_CHANGED);
    check_string(buf_str(&out), "{\"a\":\"see <t> and <t>\",\"n\":7}");
    ck_assert_uint_eq(scrub_report(s, &report), 2);
    ck_assert_str_eq(buf_cstr(&report), "2 ticket");
    ck_assert_uint_eq(scrub_report(s, &report), 0);
    ck_assert_int_eq(run(s, SCRUB_ANSWERS, "", body, &out), SCRUB_SAME);
}
END_TEST

START_TEST(a_pattern_that_runs_away_keeps_the_body_out)
{
    CLEANUP(scrub_free) struct scrub *s = scrub_new();
    CLEANUP(buf_release) struct buf out = { 0 }, body = { 0 };
    struct scrub_pattern p = { .name = STR("bomb"),
                               .regex = STR("(?:a+)+[bc]"),
                               .places = SCRUB_EVERYWHERE };
    struct scrub_body b = { .place = SCRUB_ANSWERS, .out = &out };
    struct err err;

    ck_assert_int_eq(scrub_add_pattern(s, &p, &err), 0);
    buf_add_text(&body, "{\"t\":\"");
    for (int i = 0; i < 5000; i++)
        buf_add_byte(&body, 'a');
    buf_add_text(&body, "\"}");
    b.body = buf_str(&body);
    ck_assert_int_eq(scrub_body(s, &b, &err), SCRUB_FAILED);
    ck_assert_ptr_nonnull(strstr(err.text, "'bomb' hit its match limit"));
    ck_assert_int_eq(scrub_text(s, b.body, &out, &err), SCRUB_FAILED);
}
END_TEST

static const struct {
    const char *name, *regex, *replace, *want;
} refusals[] = {
    ROW("", "x", "", "1 to 32 bytes"),
    ROW("a b", "x", "", "letters, digits"),
    ROW("a", "(", "", "missing closing parenthesis"),
    ROW("a", "x*", "", "matches nothing at all"),
    ROW("a", "x", "\"", "a replacement has"),
    ROW("a", "x", "\n", "a replacement has"),
    ROW("email", "x", "", "is there already"),
};

START_TEST(a_rule_that_cannot_work_is_refused)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    struct scrub_pattern p = { .name = str_from(refusals[_i].name),
                               .regex = str_from(refusals[_i].regex),
                               .replace = str_from(refusals[_i].replace),
                               .places = SCRUB_EVERYWHERE };
    struct err err = { 0 };

    ck_assert_int_eq(scrub_add_pattern(s, &p, &err), -1);
    ck_assert_msg(strstr(err.text, refusals[_i].want) != NULL, "%s", err.text);
    ck_assert_int_eq(scrub_add_shipped(s, STR("emial"), SCRUB_EVERYWHERE, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "did you mean 'email'"));
}
END_TEST

START_TEST(heads_are_looked_at_with_their_escapes_undone)
{
    CLEANUP(scrub_free) struct scrub *s = all_rules();
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    ck_assert_int_eq(scrub_text(s, STR("/v1/users/john%40example.com/x"), &out, &err),
                     SCRUB_CHANGED);
    check_string(buf_str(&out), "/v1/users/[email]/x");
    ck_assert_int_eq(
        scrub_text(s, STR("tel=%2B49+30+1234567&m=john.doe%2Bx%40example.com"), &out, &err),
        SCRUB_CHANGED);
    check_string(buf_str(&out), "tel=[phone]&m=[email]");
    ck_assert_int_eq(scrub_text(s, STR("/openai/v1/chat/completions"), &out, &err), SCRUB_SAME);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_text_is_scrubbed_as_a_text_and_as_a_json_string, 0, ARRAY_LEN(texts));
    tcase_add_loop_test(tc, a_text_is_scrubbed_however_its_json_is_escaped, 0, ARRAY_LEN(texts));
    tcase_add_loop_test(tc, json_stays_json, 0, ARRAY_LEN(bodies));
    tcase_add_loop_test(tc, a_value_split_over_two_events_at_any_byte_is_found, 0,
                        ARRAY_LEN(streams));
    tcase_add_loop_test(tc, a_value_split_into_single_bytes_is_found, 0, ARRAY_LEN(streams));
    tcase_add_test(tc, texts_that_come_interleaved_are_put_together_each_by_itself);
    tcase_add_test(tc, an_escape_split_over_events_is_undone);
    tcase_add_loop_test(tc, frames_keep_their_form_and_lose_their_secrets, 0, 2);
    tcase_add_test(tc, headers_of_frames_are_masked);
    tcase_add_test(tc, chunks_still_add_up_wherever_they_were_cut);
    tcase_add_loop_test(tc, no_planted_value_is_left_in_random_json_and_chunks_add_up, 0, 20);
    tcase_add_test(tc, a_pattern_of_ones_own_applies_where_it_is_said_to);
    tcase_add_test(tc, a_pattern_that_runs_away_keeps_the_body_out);
    tcase_add_loop_test(tc, a_rule_that_cannot_work_is_refused, 0, ARRAY_LEN(refusals));
    tcase_add_test(tc, heads_are_looked_at_with_their_escapes_undone);
}

CHECK_MAIN("capture/scrub", add_tests)
