/* Request and response smuggling: what weir passes on has one reading for every reader, what it
 * does not pass on reaches nobody, and the next call on the same connections gets its own answer.
 */
#include "config.h"

#include <stdarg.h>

#include "tests/smuggle_rows.h"
#include "tests/tap.h"

#define SETTINGS                                                                                   \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"                     \
    "archive: {path: ./archive}\n"                                                                 \
    "limits: {head_time: 500ms, body_time: 500ms}\n"

#define CANARY      "GET /tap/canary HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"
#define LAST_CANARY "GET /tap/own/%zu/%d HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"

static struct proxy_run run;
static int failures; /* rows that fail are all told before the test does */

static void start(void)
{
    failures = 0;
    tap_start(&run, SETTINGS);
}

static void stop(void)
{
    tap_stop(&run);
}

/* Sends bytes and reads all answers, until the connection ends. */
static void talk(struct str bytes, struct buf *ret)
{
    int fd = proxy_connect(run.port);

    ck_assert_int_ge(fd, 0);
    buf_clear(ret);
    upstream_send(fd, bytes.ptr, bytes.len);
    ck_assert_msg(proxy_read_all(fd, 5000, ret), "no end: %s", buf_cstr(ret));
    buf_cstr(ret);
    close(fd);
}

__attribute__((format(printf, 2, 3))) static void expect(bool holds, const char *format, ...)
{
    va_list args;

    if (holds)
        return;
    failures++;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* A new client: its own answer and nothing else. */
static void check_canary(const char *what, size_t number)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct read_result got;

    for (int i = 0; i < 2; i++) {
        char request[200], want[100];
        snprintf(request, sizeof(request), LAST_CANARY, number, i);
        snprintf(want, sizeof(want), "HTTP/1.1 200 [/own/%zu/%d]\n", number, i);
        talk(str_from(request), &answer);
        read_all(buf_str(&answer), READ_STRICT, false, true, &got);
        expect(strcmp(buf_cstr(&got.list), want) == 0, "after '%s' the next client got %s", what,
               answer.ptr);
        buf_release(&got.list);
    }
}

/* What the upstream got is the same for all readers; returns how many messages it is, and whether
 * one of them has a target that holds text. */
static size_t check_readings(const char *what, const char *text, bool *ret_has)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    size_t count = 0;

    *ret_has = false;
    for (size_t c = 0; c < tap.connections; c++) {
        struct read_result first, other;
        tap_copy(c, &bytes);
        read_all(buf_str(&bytes), readings[0], false, false, &first);
        for (size_t i = 1; i < ARRAY_LEN(readings); i++) {
            read_all(buf_str(&bytes), readings[i], false, false, &other);
            expect(strcmp(buf_cstr(&first.list), buf_cstr(&other.list)) == 0 &&
                       first.used == other.used,
                   "'%s' has more than one reading (%#x): %s", what, readings[i], buf_cstr(&bytes));
            buf_release(&other.list);
        }
        count += first.count;
        for (const char *line = buf_cstr(&first.list); line; line = strchr(line, '\n')) {
            line += *line == '\n';
            const char *at = strstr(line, text), *body = strchr(line, '[');
            *ret_has |= at && body && at < body;
        }
        buf_release(&first.list);
    }
    return count;
}

/* Refused for where it goes: how it is framed was clear, and the connection stays. */
static bool is_about_the_path(const char *answer)
{
    return strstr(answer, "x-weir-error: bad_path") || strstr(answer, "x-weir-error: no_");
}

static void check_row(const struct smuggle_row *row, size_t number)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, answer = { 0 };
    struct read_result got;
    int status = 0;
    bool has_hidden, has_canary;

    tap_mark();
    buf_add_str(&bytes, row->bytes);
    buf_add_text(&bytes, CANARY);
    talk(buf_str(&bytes), &answer);
    sscanf(answer.ptr, "HTTP/1.1 %d", &status);
    read_all(buf_str(&answer), READ_STRICT, false, true, &got);
    expect(!got.ended_in_one, "'%s': the answers are no answers: %s", row->name, answer.ptr);
    expect(status == row->status, "'%s': expected %d, got %s", row->name, row->status, answer.ptr);
    check_canary(row->name, number);
    size_t count = check_readings(row->name, "smuggled", &has_hidden);
    check_readings(row->name, "canary", &has_canary);
    expect(!has_hidden, "'%s' smuggles", row->name);
    if (row->status == 200) {
        expect(count == row->messages + 3 && has_canary && got.count == row->messages + 1,
               "'%s': %zu messages were forwarded, and answered with %s", row->name, count,
               answer.ptr);
        expect(strstr(got.list.ptr, "[/canary]\n") != NULL, "'%s': %s", row->name, got.list.ptr);
    } else { /* after a refusal that leaves no doubt where the request ends, more may follow */
        expect(count == 2u + has_canary && got.count == 1u + has_canary,
               "'%s' was refused and %zu messages were forwarded", row->name, count - 2);
        expect(!has_canary || is_about_the_path(answer.ptr), "'%s' leaves the connection open",
               row->name);
    }
    buf_release(&got.list);
}

START_TEST(a_request_has_one_reading_or_is_refused)
{
    for (size_t i = 0; i < families[_i].count; i++)
        check_row(&families[_i].rows[i], i);
    ck_assert_int_eq(failures, 0);
}
END_TEST

/* --- answers --- */

#define OK_HEAD    "HTTP/1.1 200 OK\r\n"
#define OK_LENGTH  OK_HEAD "Content-Length: "
#define OK_CHUNKED OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define REFUSED    "HTTP/1.1 502 [weir]\n"

static const struct answer_row {
    struct tap_answer is;
    const char *method, *read; /* what the client reads; an answer of weir's is [weir] */
    bool is_cut, is_kept;      /* the connection to the upstream */
} answers[] = {
    {{ "clean", STR_INIT(OK_LENGTH "2\r\n\r\nok"), STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     true },
    { { "in two pieces", STR_INIT(OK_LENGTH "2\r\n\r\n"), STR_INIT("ok"), false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     true },
    { { "chunks with extensions", STR_INIT(OK_CHUNKED "2;a=b\r\nok\r\n0;c\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     true },
    { { "until the end", STR_INIT(OK_HEAD "\r\nok"), STR_INIT(""), true },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "Connection: close", STR_INIT(OK_LENGTH "2\r\nConnection: close\r\n\r\nok"), STR_INIT(""),
        false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "HTTP/1.0", STR_INIT("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), STR_INIT(""),
        false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "both framings",
        STR_INIT(OK_LENGTH "2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "two lengths that agree", STR_INIT(OK_LENGTH "2\r\nContent-Length: 2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "two lengths that differ", STR_INIT(OK_LENGTH "2\r\nContent-Length: 3\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "a list of lengths", STR_INIT(OK_LENGTH "2, 2\r\n\r\nok"), STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "a length with a sign", STR_INIT(OK_LENGTH "+2\r\n\r\nok"), STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "a hexadecimal length", STR_INIT(OK_LENGTH "0x2\r\n\r\nok"), STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "a length beyond 64 bits", STR_INIT(OK_LENGTH "18446744073709551618\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "a blank before the colon", STR_INIT(OK_HEAD "Content-Length : 2\r\n\r\nok"), STR_INIT(""),
        false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "gzip, chunked", STR_INIT(OK_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "HTTP/1.0 with chunks",
        STR_INIT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "LF only", STR_INIT("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "a NUL in a header", STR_INIT(OK_HEAD "X: a\0b\r\nContent-Length: 2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "a folded header", STR_INIT(OK_HEAD "X: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "splitting by CR", STR_INIT(OK_HEAD "X: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "splitting by LF", STR_INIT(OK_HEAD "X: a\nSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "an escape in the reason", STR_INIT("HTTP/1.1 200 \x1b[2J\r\nContent-Length: 2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "status 99", STR_INIT("HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok"), STR_INIT(""),
        false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "status 600", STR_INIT("HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok"), STR_INIT(""),
        false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "status 2000", STR_INIT("HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"), STR_INIT(""),
        false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "HTTP/2", STR_INIT("HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok"), STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "ICY", STR_INIT("ICY 200 OK\r\nContent-Length: 2\r\n\r\nok"), STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "another protocol",
        STR_INIT(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello"),
        STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
    { { "100 first", STR_INIT("HTTP/1.1 100 Continue\r\n\r\n" OK_LENGTH "2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     true },
    { { "103 first",
        STR_INIT("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_LENGTH "2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 103 []\nHTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     true },
    { { "103 with a length",
        STR_INIT("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" OK_LENGTH "2\r\n\r\nok"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 103 []\nHTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     true },
    { { "204 with a body", STR_INIT("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 204 []\n",
     false,                                                                                                                                                     false},
    { { "204 with chunks",
        STR_INIT("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 204 []\n",
     false,                                                                                                                                                     false},
    { { "304 with a length", STR_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 304 []\n",
     false,                                                                                                                                                     true },
    { { "304 with a body", STR_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 304 []\n",
     false,                                                                                                                                                     false},
    { { "304 with a body that is late",
        STR_INIT("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), STR_INIT("hello"),
        false },
     "GET",                                                                                                      "HTTP/1.1 304 []\n",
     false,                                                                                                                                                     false},
    { { "HEAD", STR_INIT(OK_LENGTH "5\r\n\r\n"), STR_INIT(""), false },
     "HEAD",                                                                                                     "HTTP/1.1 200 []\n",
     false,                                                                                                                                                     true },
    { { "HEAD with a body", STR_INIT(OK_LENGTH "5\r\n\r\nhello"), STR_INIT(""), false },
     "HEAD",                                                                                                     "HTTP/1.1 200 []\n",
     false,                                                                                                                                                     false},
    { { "HEAD with a body that is late", STR_INIT(OK_LENGTH "5\r\n\r\n"), STR_INIT("hello"),
        false },
     "HEAD",                                                                                                     "HTTP/1.1 200 []\n",
     false,                                                                                                                                                     false},
    { { "HEAD with chunks", STR_INIT(OK_CHUNKED "0\r\n\r\n"), STR_INIT(""), false },
     "HEAD",                                                                                                     "HTTP/1.1 200 []\n",
     false,                                                                                                                                                     false},
    { { "an answer more", STR_INIT(OK_LENGTH "2\r\n\r\nok" OK_LENGTH "4\r\n\r\nEVIL"), STR_INIT(""),
        false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "an answer more that is late", STR_INIT(OK_LENGTH "2\r\n\r\nok"),
        STR_INIT(OK_LENGTH "4\r\n\r\nEVIL"), false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "a byte more", STR_INIT(OK_LENGTH "2\r\n\r\nok!"), STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "a line end more", STR_INIT(OK_LENGTH "2\r\n\r\nok"), STR_INIT("\r\n"), false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "more behind the last chunk",
        STR_INIT(OK_CHUNKED "2\r\nok\r\n0\r\n\r\n" OK_LENGTH "4\r\n\r\nEVIL"), STR_INIT(""),
        false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     false},
    { { "no body and yet one", STR_INIT(OK_LENGTH "0\r\n\r\nhello"), STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 200 []\n",
     false,                                                                                                                                                     false},
    { { "a body that is cut", STR_INIT(OK_LENGTH "9\r\n\r\nok"), STR_INIT(""), true },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "chunks that are cut", STR_INIT(OK_CHUNKED "2\r\nok\r\n"), STR_INIT(""), true },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a chunk that is cut", STR_INIT(OK_CHUNKED "9\r\nok"), STR_INIT(""), true },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a chunk size beyond 64 bits",
        STR_INIT(OK_CHUNKED "2\r\nok\r\n10000000000000002\r\nok\r\n0\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a chunk size with a sign", STR_INIT(OK_CHUNKED "+2\r\nok\r\n0\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a chunk size that ends with LF", STR_INIT(OK_CHUNKED "2\nok\r\n0\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a chunk longer than said", STR_INIT(OK_CHUNKED "2\r\nokay\r\n0\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "an extension with LF", STR_INIT(OK_CHUNKED "2;\nxx\r\nok\r\n0\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a trailer: Content-Length",
        STR_INIT(OK_CHUNKED "2\r\nok\r\n0\r\nContent-Length: 4\r\n\r\nEVIL"), STR_INIT(""), false },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a trailer: Transfer-Encoding",
        STR_INIT(OK_CHUNKED "2\r\nok\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), STR_INIT(""),
        false },
     "GET",                                                                                                      "",
     true,                                                                                                                                                      false},
    { { "a trailer that is passed on", STR_INIT(OK_CHUNKED "2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
        STR_INIT(""), false },
     "GET",                                                                                                      "HTTP/1.1 200 [ok]\n",
     false,                                                                                                                                                     true },
    { { "nothing", STR_INIT(""), STR_INIT(""), true },                                                    "GET", REFUSED,                                false, false},
    { { "half a head", STR_INIT(OK_LENGTH), STR_INIT(""), true },                                         "GET", REFUSED,                                false, false},
    { { "no HTTP", STR_INIT("SSH-2.0-x\r\n"), STR_INIT(""), false },                                      "GET", REFUSED,                                false, false},
    { { "an empty line first", STR_INIT("\r\n" OK_LENGTH "2\r\n\r\nok"), STR_INIT(""), false },
     "GET",                                                                                                      REFUSED,
     false,                                                                                                                                                     false},
};

/* Reads what comes within a while; true = the connection has ended. */
static bool read_answers(int fd, struct buf *ret)
{
    bool ended = proxy_read_all(fd, 250, ret);

    buf_cstr(ret);
    return ended;
}

/* The answers read, with [weir] for the body of weir's own. */
static void list_answers(struct str bytes, bool first_is_head, struct read_result *got,
                         struct buf *ret)
{
    read_all(bytes, READ_STRICT, first_is_head, true, got);
    const char *own = strstr(got->list.ptr, "{\"error\":{\"type\":\"weir_error\"");

    buf_clear(ret);
    buf_add(ret, got->list.ptr, own ? (size_t)(own - got->list.ptr) : got->list.len);
    if (own)
        buf_add_text(ret, "weir]\n");
    buf_cstr(ret);
}

static void check_answer(const struct answer_row *row, size_t number)
{
    CLEANUP(buf_release) struct buf request = { 0 }, answer = { 0 }, list = { 0 };
    struct read_result got;
    int fd = proxy_connect(run.port);

    tap.evil = &row->is;
    tap.evil_count = 0;
    check_canary(row->is.name, number); /* so that there is a connection in the pool */
    size_t before = tap.connections;
    buf_addf(&request, "%s /tap/evil HTTP/1.1\r\nHost: w\r\n\r\n", row->method);
    upstream_send(fd, request.ptr, request.len);
    bool ended = read_answers(fd, &answer);
    list_answers(buf_str(&answer), row->method[0] == 'H', &got, &list);
    expect(strcmp(list.ptr, row->read) == 0, "'%s': expected %s, got %s", row->is.name, row->read,
           answer.ptr);
    expect(got.ended_in_one == row->is_cut, "'%s': %s", row->is.name, answer.ptr);
    expect(ended == row->is_cut, "'%s': the connection %s", row->is.name,
           ended ? "has ended" : "stays");
    ck_assert_ptr_null(strstr(answer.ptr, "EVIL"));
    buf_release(&got.list);
    if (!ended) {
        upstream_text(fd, CANARY);
        buf_clear(&answer);
        ck_assert(read_answers(fd, &answer));
        list_answers(buf_str(&answer), false, &got, &list);
        expect(strcmp(list.ptr, "HTTP/1.1 200 [/canary]\n") == 0, "after '%s' the client got %s",
               row->is.name, answer.ptr);
        buf_release(&got.list);
    }
    check_canary(row->is.name, number);
    expect((tap.connections == before) == row->is_kept,
           "'%s': the connection to the upstream was %s", row->is.name,
           row->is_kept ? "not used again" : "used again");
    close(fd);
}

START_TEST(an_answer_has_one_reading_or_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        check_answer(&answers[i], i);
    ck_assert_int_eq(failures, 0);
}
END_TEST

/* Interim answers without end, heads without end: bounded. */
START_TEST(an_upstream_cannot_answer_without_end)
{
    CLEANUP(buf_release) struct buf head = { 0 };
    static const struct tap_answer interim = {
        "1xx", STR_INIT("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), STR_INIT(""), false
    };
    struct answer_row row = {
        {"a head of 300 KiB", STR(""), STR(""), false},
        "GET", REFUSED, false, false
    };

    buf_add_text(&head, OK_HEAD "X: ");
    for (int i = 0; i < 300; i++)
        buf_addf(&head, "%01024d", i);
    buf_add_text(&head, "\r\nContent-Length: 2\r\n\r\nok");
    row.is.bytes = buf_str(&head);
    check_answer(&row, 0);
    buf_clear(&head);
    buf_add_text(&head, OK_HEAD);
    for (int i = 0; i < 100000; i++)
        buf_add_text(&head, "a:b\r\n");
    row.is.bytes = buf_str(&head);
    row.is.name = "100,000 headers";
    check_answer(&row, 0);

    tap.evil = &interim;
    tap.evil_count = 100000;
    talk(STR("GET /tap/evil HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"), &head);
    ck_assert_ptr_nonnull(strstr(head.ptr, "x-weir-error: upstream_malformed"));
    ck_assert_uint_lt(head.len, 16384);
    check_canary("100,000 interim answers", 0);
    ck_assert_int_eq(failures, 0);
}
END_TEST

/* A server that does not look for a body behind a GET takes it for the next request: nobody else
 * may be on that connection then. */
START_TEST(a_connection_is_not_used_again_after_a_get_with_a_body)
{
    static const char *const methods[] = { "GET", "HEAD", "DELETE", "OPTIONS" };
    CLEANUP(buf_release) struct buf request = { 0 }, answer = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        check_canary(methods[i], i);
        size_t before = tap.connections;
        buf_clear(&request);
        buf_addf(&request,
                 "%s /tap/x HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                 "Content-Length: 39\r\n\r\n" HIDDEN,
                 methods[i]);
        talk(buf_str(&request), &answer);
        ck_assert_ptr_nonnull(strstr(answer.ptr, "HTTP/1.1 200 OK"));
        check_canary(methods[i], i);
        expect(tap.connections == before + 1, "%s: the connection was used again", methods[i]);
    }
    ck_assert_int_eq(failures, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxy smuggle");
    TCase *tc = tcase_create("smuggle");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_loop_test(tc, a_request_has_one_reading_or_is_refused, 0, ARRAY_LEN(families));
    tcase_add_test(tc, an_answer_has_one_reading_or_is_refused);
    tcase_add_test(tc, an_upstream_cannot_answer_without_end);
    tcase_add_test(tc, a_connection_is_not_used_again_after_a_get_with_a_body);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
