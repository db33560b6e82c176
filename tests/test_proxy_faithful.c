/* Requests and answers pass the built weir byte for byte: all that may differ is listed here.
 *
 * The test is both ends, and reads messages by itself rather than with base/http1, which the proxy
 * reads them with.  Requests of real clients come from the shared data, where there is some.
 */
#include "config.h"

#include <strings.h>

#include "base/vec.h"
#include "tests/check_main.h"
#include "tests/proxy_run.h"
#include "tests/shared_data.h"

#define WAIT_MS 10000

/* RFC 9110 7.6.1, with what Connection names; and what weir-proxy-run(1) says weir changes.
 * content-length is compared by itself: where among the headers it stands is framing. */
static const char *const changed_in_requests[] = { "connection",
                                                   "keep-alive",
                                                   "proxy-connection",
                                                   "te",
                                                   "transfer-encoding",
                                                   "upgrade",
                                                   "trailer",
                                                   "host",
                                                   "expect",
                                                   "accept-encoding",
                                                   "traceparent",
                                                   "x-weir-exchange-id",
                                                   "content-length" };
static const char *const changed_in_answers[] = {
    "connection", "keep-alive",     "proxy-connection",  "te", "transfer-encoding", "upgrade",
    "trailer",    "content-length", "x-weir-exchange-id"
};

static struct proxy_run run;
static int tap = -1, tap_port;

/* --- messages --- */

struct message {
    struct buf bytes;
    struct str start; /* line */
    VEC(struct str) headers;
    struct buf body; /* without chunk framing */
    struct buf trailers;
};

static void message_release(struct message *m)
{
    buf_release(&m->bytes);
    vec_release(&m->headers);
    buf_release(&m->body);
    buf_release(&m->trailers);
}
DEFINE_CLEANUP_VALUE(struct message, message_release)

static struct str name_of(struct str header)
{
    ptrdiff_t colon = str_find_char(header, ':', 0);

    ck_assert_int_gt(colon, 0);
    return str_sub(header, 0, (size_t)colon);
}

static struct str value_of(struct str header)
{
    return str_trim(str_sub(header, name_of(header).len + 1, header.len));
}

static const struct str *find_header(const struct message *m, const char *name)
{
    for (size_t i = 0; i < m->headers.len; i++)
        if (str_ieq(name_of(m->headers.ptr[i]), str_from(name)))
            return &m->headers.ptr[i];
    return NULL;
}

/* "4;ext" CRLF "data" CRLF ... "0" CRLF trailers CRLF */
static void read_chunks(struct message *m, struct str rest)
{
    for (;;) {
        ptrdiff_t end = str_find(rest, STR("\r\n"), 0);
        ck_assert_int_gt(end, 0);
        size_t size = strtoul(rest.ptr, NULL, 16);
        rest = str_sub(rest, (size_t)end + 2, rest.len);
        if (size == 0)
            break;
        ck_assert_uint_ge(rest.len, size + 2);
        buf_add(&m->body, rest.ptr, size);
        rest = str_sub(rest, size + 2, rest.len);
    }
    buf_add_str(&m->trailers, rest);
}

/* Splits m->bytes, which are one whole message. */
static void read_message(struct message *m)
{
    ptrdiff_t head = str_find(buf_str(&m->bytes), STR("\r\n\r\n"), 0), end;

    ck_assert_msg(head > 0, "no head in '%s'", buf_cstr(&m->bytes));
    struct str rest = str_sub(buf_str(&m->bytes), 0, (size_t)head + 2);
    for (bool first = true; (end = str_find(rest, STR("\r\n"), 0)) >= 0; first = false) {
        if (first)
            m->start = str_sub(rest, 0, (size_t)end);
        else
            vec_push(&m->headers, str_sub(rest, 0, (size_t)end));
        rest = str_sub(rest, (size_t)end + 2, rest.len);
    }
    struct str body = str_sub(buf_str(&m->bytes), (size_t)head + 4, m->bytes.len);
    const struct str *coding = find_header(m, "transfer-encoding");
    if (coding && str_ieq(value_of(*coding), STR("chunked")))
        read_chunks(m, body);
    else
        buf_add_str(&m->body, body);
}

static bool is_listed(struct str name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_ieq(name, str_from(list[i])))
            return true;
    return false;
}

static bool is_named_by_connection(const struct message *m, struct str name)
{
    const struct str *connection = find_header(m, "connection");
    struct str rest = connection ? value_of(*connection) : STR(""), item;

    while (str_split(&rest, ',', &item))
        if (str_ieq(str_trim(item), name))
            return true;
    return false;
}

/* The next header from *at on that must be the same on both sides; NULL = no more. */
static const struct str *next_kept(const struct message *m, bool is_request, size_t *at)
{
    while (*at < m->headers.len) {
        const struct str *h = &m->headers.ptr[(*at)++];
        bool changes =
            is_request ? is_listed(name_of(*h), changed_in_requests, ARRAY_LEN(changed_in_requests))
                       : is_listed(name_of(*h), changed_in_answers, ARRAY_LEN(changed_in_answers));
        if (!changes && !is_named_by_connection(m, name_of(*h)))
            return h;
    }
    return NULL;
}

static void expect_same_headers(const struct message *sent, const struct message *got,
                                bool is_request)
{
    size_t sent_at = 0, got_at = 0;
    const struct str *left, *right;

    while ((left = next_kept(sent, is_request, &sent_at)) != NULL) {
        right = next_kept(got, is_request, &got_at);
        ck_assert_msg(right != NULL, "'%.*s' is lost", STR_ARG(*left));
        ck_assert_msg(str_eq(name_of(*left), name_of(*right)) &&
                          str_eq(value_of(*left), value_of(*right)),
                      "'%.*s' became '%.*s'", STR_ARG(*left), STR_ARG(*right));
    }
    right = next_kept(got, is_request, &got_at);
    ck_assert_msg(!right, "'%.*s' is new", STR_ARG(*right));
    left = find_header(sent, "content-length");
    right = find_header(got, "content-length");
    ck_assert_msg(!left == !right, "content-length came or went");
    ck_assert(!left || str_eq(value_of(*left), value_of(*right)));
}

static void expect_same(const struct message *sent, const struct message *got, bool is_request)
{
    ck_assert_msg(str_eq(sent->start, got->start), "'%.*s' became '%.*s'", STR_ARG(sent->start),
                  STR_ARG(got->start));
    expect_same_headers(sent, got, is_request);
    ck_assert_msg(str_eq(buf_str(&sent->body), buf_str(&got->body)),
                  "the body of '%.*s' has changed", STR_ARG(sent->start));
    ck_assert_msg(str_eq(buf_str(&sent->trailers), buf_str(&got->trailers)),
                  "the trailers of '%.*s' have changed", STR_ARG(sent->start));
}

/* --- both ends --- */

static void setup(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    void *any = &at;
    char settings[400];

    tap = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert(bind(tap, any, len) == 0 && listen(tap, 16) == 0 && getsockname(tap, any, &len) == 0);
    tap_port = ntohs(at.sin_port);
    snprintf(settings, sizeof(settings),
             "  tap: {url: \"http://127.0.0.1:%d\", api: openai, proxy: none}\n"
             "listen: {address: \"127.0.0.1:0\", workers: 1}\n"
             "archive: {path: ./archive}\n",
             tap_port);
    proxy_start(&run, settings);
}

static void teardown(void)
{
    proxy_stop(&run);
    close(tap);
}

static void wait_readable(int fd, const char *what)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    ck_assert_msg(poll(&p, 1, WAIT_MS) > 0, "%s did not come", what);
}

/* Reads one message; until_close: it ends with the connection, or was cut there. */
static void receive(int fd, bool without_body, bool until_close, struct buf *ret)
{
    for (;;) {
        wait_readable(fd, "a message");
        char *at = buf_reserve(ret, 65536);
        ssize_t n = recv(fd, at, 65536, 0);
        ck_assert_int_ge(n, 0);
        ret->len += (size_t)n;
        if (until_close && n == 0)
            return;
        ck_assert_msg(n > 0, "the connection ended early: '%s'", buf_cstr(ret));
        size_t end = upstream_request_end(ret->ptr, ret->len);
        bool has_head = memmem(ret->ptr, ret->len, "\r\n\r\n", 4) != NULL;
        if (!until_close && (end || (without_body && has_head)))
            return;
    }
}

struct dialogue {
    struct str request; /* its target without the upstream's name */
    struct str answer;
    bool without_body; /* the answer, whatever its head says */
    bool until_close;
};

/* Sends the request to the tap through weir, and the answer back. */
static void pass(const struct dialogue *d, struct message *ret_request, struct message *ret_answer)
{
    ptrdiff_t target = str_find_char(d->request, ' ', 0) + 1;
    struct buf sent = { 0 };
    int client = proxy_connect(run.port);

    buf_add_str(&sent, str_sub(d->request, 0, (size_t)target));
    buf_add_text(&sent, "/tap");
    buf_add_str(&sent, str_sub(d->request, (size_t)target, d->request.len));
    upstream_send(client, sent.ptr, sent.len);
    buf_release(&sent);
    wait_readable(tap, "a connection");
    int provider = accept(tap, NULL, NULL);
    ck_assert_int_ge(provider, 0);
    receive(provider, false, false, &ret_request->bytes);
    upstream_send(provider, d->answer.ptr, d->answer.len);
    close(provider);
    receive(client, d->without_body, d->until_close, &ret_answer->bytes);
    close(client);
    read_message(ret_request);
    read_message(ret_answer);
}

static void expect_faithful(const struct dialogue *d)
{
    CLEANUP(message_release) struct message sent = { 0 }, answered = { 0 };
    CLEANUP(message_release) struct message received = { 0 }, got = { 0 };

    buf_add_str(&sent.bytes, d->request);
    buf_add_str(&answered.bytes, d->answer);
    read_message(&sent);
    read_message(&answered);
    pass(d, &received, &got);
    expect_same(&sent, &received, true);
    expect_same(&answered, &got, false);
    /* What weir adds is there, once. */
    ck_assert_ptr_nonnull(find_header(&received, "traceparent"));
    ck_assert_ptr_nonnull(find_header(&received, "x-weir-exchange-id"));
    ck_assert_ptr_nonnull(find_header(&got, "x-weir-exchange-id"));
}

/* --- messages of ours --- */

#define CLOSE "Connection: close\r\n"
#define PLAIN "HTTP/1.1 200 OK\r\n" CLOSE "Content-Length: 2\r\n\r\nok"

static const struct str requests[] = {
    STR_INIT("GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    STR_INIT(
        "POST /v1/x?a=1&b=%20&&c HTTP/1.1\r\nhost: a\r\nX-ODD-case: Kept As It Is\r\n"
        "authorization: Bearer sk-made-up\r\ncontent-length: 7\r\nx-after: 1\r\n\r\n{\"a\":1}"),
    STR_INIT("POST /v1/x HTTP/1.1\r\nHost: a\r\nx-empty:\r\nx-twice: one\r\nX-Twice: two\r\n"
             "x-twice: one\r\nx-bytes: \xe2\x82\xac \xff \t tab\r\nContent-Length: 0\r\n\r\n"),
    STR_INIT("POST /v1/x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nx-hop: 1\r\n"
             "te: trailers\r\nKeep-Alive: timeout=5\r\nx-end: 2\r\ncontent-length: 2\r\n\r\n{}"),
    STR_INIT("POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n"),
    STR_INIT("PUT /v1/a%2Fx//y;z=1 HTTP/1.1\r\nHost: a\r\ncontent-type: multipart/form-data; "
             "boundary=b\r\nContent-Length: 10\r\n\r\n\0\1\2\r\n\xff\xfe--b"),
    STR_INIT("DELETE /v1/files/f-1 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"),
    STR_INIT("POST /v1/x HTTP/1.1\r\nHost: a\r\naccept-encoding: gzip, deflate, br, zstd\r\n"
             "x-api-key: made-up\r\ncookie: a=1; b=2\r\nContent-Length: 1\r\n\r\n "),
};

START_TEST(a_request_reaches_the_provider_byte_for_byte)
{
    struct dialogue d = { .request = requests[_i], .answer = STR(PLAIN) };

    expect_faithful(&d);
}
END_TEST

static const struct {
    struct str answer;
    const char *method;
    bool without_body, until_close;
} answers[] = {
    ROW(STR_INIT("HTTP/1.1 200 Perfectly Fine\r\n" CLOSE "Set-Cookie: a=1\r\nset-cookie: b=2\r\n"
                 "X-ODD-case:   kept  \r\nx-empty:\r\ncontent-length: 5\r\nx-after: 1\r\n\r\n"
                 "\0\1\2\xff\n"),
        "POST", false, false),
    ROW(STR_INIT("HTTP/1.1 200 OK\r\n" CLOSE "Content-Type: text/event-stream\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n1\r\nd\r\nc\r\nata: {\"a\":1}\r\n"
                 "3;x\r\n\r\n\r\r\n1\r\n\n\r\n0\r\n\r\n"),
        "POST", false, false),
    ROW(STR_INIT("HTTP/1.1 200 OK\r\n" CLOSE "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                 "3\r\none\r\n0\r\nX-Sum: 6\r\nx-more: \xe2\x82\xac\r\n\r\n"),
        "POST", false, false),
    ROW(STR_INIT("HTTP/1.1 200 OK\r\n" CLOSE "content-encoding: gzip\r\nContent-Length: 4\r\n\r\n"
                 "\x1f\x8b\x08\0"),
        "POST", false, false),
    ROW(STR_INIT("HTTP/1.1 429 Too Many Requests\r\n" CLOSE "retry-after: 7\r\nX-RateLimit: 0\r\n"
                 "Content-Length: 12\r\n\r\n{\"error\":{}}"),
        "POST", false, false),
    ROW(STR_INIT("HTTP/1.1 529 \r\n" CLOSE "Content-Length: 0\r\n\r\n"), "POST", false, false),
    ROW(STR_INIT("HTTP/1.1 204 No Content\r\n" CLOSE "x-id: 1\r\n\r\n"), "DELETE", true, false),
    ROW(STR_INIT("HTTP/1.1 304 Not Modified\r\n" CLOSE "etag: \"x\"\r\nContent-Length: 99\r\n\r\n"),
        "GET", true, false),
    ROW(STR_INIT("HTTP/1.1 200 OK\r\n" CLOSE
                 "content-type: text/plain\r\nContent-Length: 99\r\n\r\n"),
        "HEAD", true, false),
};

START_TEST(an_answer_reaches_the_client_byte_for_byte)
{
    char request[100];

    snprintf(request, sizeof(request), "%s /v1/x HTTP/1.1\r\nHost: a\r\n%s\r\n", answers[_i].method,
             answers[_i].method[0] == 'P' ? "Content-Length: 0\r\n" : "");
    struct dialogue d = { .request = str_from(request),
                          .answer = answers[_i].answer,
                          .without_body = answers[_i].without_body,
                          .until_close = answers[_i].until_close };
    expect_faithful(&d);
}
END_TEST

/* --- messages of others --- */

static void read_shared(const char *folder, const char *name, struct buf *ret)
{
    char path[SHARED_DATA_PATH_BYTES + 300];
    struct err err;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    buf_clear(ret);
    ck_assert_msg(file_read(path, 1u << 20, ret, &err) == 0, "%s", err.text);
}

/* All requests in one file, which a client sent on one connection. */
static size_t pass_requests(struct str rest)
{
    size_t count = 0, end;

    while (rest.len && (end = upstream_request_end(rest.ptr, rest.len)) > 0) {
        struct dialogue d = { .request = str_sub(rest, 0, end), .answer = STR(PLAIN) };
        expect_faithful(&d);
        rest = str_sub(rest, end, rest.len);
        count++;
    }
    ck_assert_msg(!rest.len, "%zu bytes are left over", rest.len);
    return count;
}

START_TEST(requests_of_real_clients_reach_the_provider_byte_for_byte)
{
    char folder[SHARED_DATA_PATH_BYTES];
    CLEANUP(dir_list_release) struct dir_list files = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct err err;
    size_t count = 0;

    if (!shared_data_find("sdk-requests", folder))
        return;
    ck_assert_int_eq(dir_list_read(folder, &files, &err), 0);
    for (size_t i = 0; i < files.len; i++) {
        struct str name = str_from(files.names[i]);
        if (!str_ends_with(name, STR(".raw")) || str_ends_with(name, STR(".h2.raw")))
            continue; /* HTTP/2 is not forwarded byte for byte: it becomes HTTP/1.1 */
        read_shared(folder, files.names[i], &bytes);
        count += pass_requests(buf_str(&bytes));
    }
    ck_assert_msg(count >= 50, "only %zu requests", count);
}
END_TEST

/* In chunks that cut frames anywhere. */
static void add_chunked(struct buf *out, struct str body)
{
    size_t size = 1;

    buf_add_text(out, "HTTP/1.1 200 OK\r\n" CLOSE "content-type: "
                      "application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (body.len) {
        struct str piece = str_sub(body, 0, size);
        buf_addf(out, "%zx\r\n", piece.len);
        buf_add_str(out, piece);
        buf_add_text(out, "\r\n");
        body = str_sub(body, piece.len, body.len);
        size = size * 3 % 1021 + 1;
    }
    buf_add_text(out, "0\r\n\r\n");
}

START_TEST(event_streams_of_a_real_provider_reach_the_client_byte_for_byte)
{
    char folder[SHARED_DATA_PATH_BYTES];
    CLEANUP(dir_list_release) struct dir_list files = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 }, answer = { 0 };
    struct err err;
    size_t count = 0;

    if (!shared_data_find("eventstream", folder))
        return;
    ck_assert_int_eq(dir_list_read(folder, &files, &err), 0);
    for (size_t i = 0; i < files.len; i++) {
        if (!str_ends_with(str_from(files.names[i]), STR(".bin")))
            continue;
        read_shared(folder, files.names[i], &bytes);
        buf_clear(&answer);
        add_chunked(&answer, buf_str(&bytes));
        struct dialogue d = { .request = STR("POST /model/m/converse-stream HTTP/1.1\r\nHost: a\r\n"
                                             "Content-Length: 2\r\n\r\n{}"),
                              .answer = buf_str(&answer) };
        expect_faithful(&d);
        count++;
    }
    ck_assert_uint_ge(count, 10);
}
END_TEST

/* --- bytes that lie where others are read to --- */

#define PIECE_BYTES 20000 /* of a body: more than waits for the end of a turn */
#define LEFT_BYTES  45000 /* of an answer: more than a piece and what is sent behind it */

static void wait_for_state(pid_t pid, char wanted)
{
    char path[64], state = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 3000 && state != wanted; i++) {
        FILE *f = fopen(path, "r");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fscanf(f, "%*d %*s %c", &state), 1);
        fclose(f);
        if (state != wanted)
            proxy_sleep_ms(1);
    }
    ck_assert_int_eq(state, wanted);
}

static void send_filler(int fd, char byte, size_t len)
{
    char *bytes = malloc(len);

    memset(bytes, byte, len);
    upstream_send(fd, bytes, len);
    free(bytes);
}

static void receive_bytes(int fd, size_t len, struct buf *ret)
{
    while (ret->len < len) {
        wait_readable(fd, "a piece");
        ssize_t n = recv(fd, buf_reserve(ret, 65536), 65536, 0);
        ck_assert_int_gt(n, 0);
        ret->len += (size_t)n;
    }
}

/* Sends half a request; the provider begins to answer it. */
static void begin_early_answer(int client, int *ret_provider)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };

    buf_addf(&bytes, "POST /tap/one HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
             2 * PIECE_BYTES);
    upstream_send(client, bytes.ptr, bytes.len);
    send_filler(client, 'x', PIECE_BYTES);
    wait_readable(tap, "a connection");
    *ret_provider = accept(tap, NULL, NULL);
    buf_clear(&bytes);
    receive_bytes(*ret_provider, PIECE_BYTES + 100, &bytes); /* with the head */
    buf_clear(&bytes);
    buf_addf(&bytes, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nfirst", LEFT_BYTES + 5);
    upstream_send(*ret_provider, bytes.ptr, bytes.len);
    buf_clear(&bytes);
    proxy_read_until(client, "first", &bytes);
}

/* The other half, with a request behind it, and what the provider leaves as it goes: all of that is
 * there when the worker looks again, the client's first. */
static void end_at_once(int client, int provider)
{
    static const char next[] = "GET /tap/next HTTP/1.1\r\nHost: a\r\n" CLOSE "\r\n";
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct linger reset = { .l_onoff = 1 };
    pid_t worker = proxy_worker_pid(&run, 0);

    memset(buf_reserve(&bytes, PIECE_BYTES), 'x', PIECE_BYTES);
    bytes.len = PIECE_BYTES;
    buf_add_text(&bytes, next);
    wait_for_state(worker, 'S');
    kill(worker, SIGSTOP);
    wait_for_state(worker, 'T');
    upstream_send(client, bytes.ptr, bytes.len);
    send_filler(provider, 'z', LEFT_BYTES);
    setsockopt(provider, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(provider);
    kill(worker, SIGCONT);
}

/* False: the connection ended, which it may if the answer was looked at first. */
static bool next_is_passed_on(int client)
{
    CLEANUP(buf_release) struct buf got = { 0 };
    struct pollfd p[2] = {
        {.fd = tap,     .events = POLLIN},
        { .fd = client, .events = POLLIN}
    };

    for (;;) {
        ck_assert_int_gt(poll(p, 2, WAIT_MS), 0);
        if (p[0].revents)
            return true;
        ssize_t n = recv(client, buf_reserve(&got, 65536), 65536, 0);
        got.len += n > 0 ? (size_t)n : 0;
        ck_assert_msg(!strstr(buf_cstr(&got), "HTTP/1.1"), "refused: %s",
                      strstr(got.ptr, "HTTP/1.1"));
        if (n <= 0)
            return false;
    }
}

START_TEST(what_is_sent_ahead_stays_while_the_last_of_an_answer_is_read)
{
    CLEANUP(buf_release) struct buf got = { 0 };
    int client = -1, provider;
    bool is_passed = false;

    for (int i = 0; i < 20 && !is_passed; i++) {
        if (client >= 0)
            close(client);
        client = proxy_connect(run.port);
        begin_early_answer(client, &provider);
        end_at_once(client, provider);
        is_passed = next_is_passed_on(client);
    }
    ck_assert(is_passed);
    provider = accept(tap, NULL, NULL);
    receive(provider, false, false, &got);
    ck_assert_msg(str_starts_with(buf_str(&got), STR("GET /next HTTP/1.1\r\n")), "%s",
                  buf_cstr(&got));
    upstream_text(provider, PLAIN);
    close(provider);
    buf_clear(&got);
    ck_assert(proxy_read_all(client, WAIT_MS, &got));
    ck_assert(str_ends_with(buf_str(&got), STR("\r\n\r\nok")));
    close(client);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_request_reaches_the_provider_byte_for_byte, 0,
                        (int)ARRAY_LEN(requests));
    tcase_add_loop_test(tc, an_answer_reaches_the_client_byte_for_byte, 0, (int)ARRAY_LEN(answers));
    tcase_add_test(tc, requests_of_real_clients_reach_the_provider_byte_for_byte);
    tcase_add_test(tc, what_is_sent_ahead_stays_while_the_last_of_an_answer_is_read);
    tcase_add_test(tc, event_streams_of_a_real_provider_reach_the_client_byte_for_byte);
}

CHECK_MAIN("proxy/faithful", add_tests)
