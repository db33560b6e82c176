/* What one peer can make the proxy hold in HTTP/2, and for how long: heads without end, frames byte
 * by byte, connections that do nothing, clients that never read; and what an open stream costs. */
#include "config.h"

#include "tests/check_main.h"
#include "tests/h2_client.h"
#include "tests/http2_frames.h"
#include "tests/proxy_memory.h"

#define LISTEN  "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"
#define ARCHIVE "archive: {path: ./archive}\n"
#define SLOW    "limits: {head_time: 600ms, body_time: 400ms, idle_time: 500ms, send_time: 700ms}\n"

static struct proxy_run run;

/* Where a connection is never made: a queue of 1 that is full. */
static int full_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    void *any = &at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert(bind(fd, any, len) == 0 && listen(fd, 0) == 0 && getsockname(fd, any, &len) == 0);
    ck_assert_int_ge(proxy_connect(ntohs(at.sin_port)), 0);
    return ntohs(at.sin_port);
}

static void start(const char *more)
{
    char settings[600];

    snprintf(settings, sizeof(settings),
             "  full: {url: \"http://127.0.0.1:%d\", proxy: none, timeouts: {connect: 60s}}\n"
             "%s%s%s",
             full_port(), LISTEN, ARCHIVE, more);
    proxy_start(&run, settings);
}

static void stop(void)
{
    proxy_stop(&run);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static long metric(const char *name)
{
    return proxy_metric(&run, name);
}

static void wait_for(const char *name, long value)
{
    for (int i = 0; i < 600 && metric(name) != value; i++)
        proxy_sleep_ms(10);
    ck_assert_int_eq(metric(name), value);
}

static void check_others(void)
{
    struct buf got = { 0 };

    proxy_ask(&run, "GET /up/body/3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", &got);
    ck_assert_ptr_nonnull(strstr(got.ptr, "\r\n\r\nabc"));
    buf_release(&got);
}

/* --- slow --- */

#define GET "\n:scheme=http\n:authority=w\n:method=GET\n"

static void make_continuation(struct buf *begin, struct buf *more)
{
    struct buf field = { 0 };

    frame_add_head(begin, 1, 0, ":path=/up/echo" GET);
    hpack_add(&field, STR("x"), STR("y"));
    frame_add(more, FRAME_CONTINUATION, 0, 1, buf_str(&field));
    buf_release(&field);
}

static void make_head_in_bytes(struct buf *begin, struct buf *more)
{
    (void)begin;
    frame_add_head(more, 1, FLAG_BOTH, ":path=/up/echo" GET "x-a=and much more\n");
}

static void make_head_beside_a_stream(struct buf *begin, struct buf *more)
{
    frame_add_head(begin, 1, FLAG_BOTH, ":path=/up/sse/1000/50" GET);
    frame_add_head(more, 3, FLAG_BOTH, ":path=/up/echo" GET "x-a=and much more\n");
}

static void make_ping(struct buf *begin, struct buf *more)
{
    (void)begin;
    frame_add(more, FRAME_PING, 0, 0, STR("12345678"));
}

static void make_nothing(struct buf *begin, struct buf *more)
{
    (void)begin, (void)more;
}

static void make_half_a_body(struct buf *begin, struct buf *more)
{
    (void)more;
    frame_add_head(begin, 1, FLAG_END_HEADERS,
                   ":path=/up/echo\n:scheme=http\n:authority=w\n:method=POST\ncontent-length=5\n");
}

/* The last: 408 after 400 ms, 2 s to end what it sends, and 500 ms without a stream. */
static const struct {
    const char *what;
    void (*make)(struct buf *begin, struct buf *more);
    bool in_bytes; /* more comes byte by byte, else as a whole, again and again */
} slow[] = {
    {"a head that CONTINUATION never ends", make_continuation,         false},
    { "a head byte by byte",                make_head_in_bytes,        true },
    { "a head beside a stream",             make_head_beside_a_stream, true },
    { "a PING byte by byte",                make_ping,                 true },
    { "PINGs and no request",               make_ping,                 false},
    { "nothing",                            make_nothing,              false},
    { "a body that does not come",          make_half_a_body,          false},
};

START_TEST(a_slow_client_is_left_at_its_limit)
{
    struct buf begin = { 0 }, more = { 0 };
    char got[65536];
    bool is_closed = false;

    start(SLOW);
    struct pollfd p = { .fd = proxy_connect(run.port), .events = POLLIN };
    frame_add_preface(&begin);
    slow[_i].make(&begin, &more);
    upstream_send(p.fd, begin.ptr, begin.len);
    uint64_t from = now_ms(), took = 0;
    for (size_t at = 0; !is_closed && took < 8000; took = now_ms() - from) {
        if (more.len && at < more.len)
            (void)!send(p.fd, more.ptr + at, slow[_i].in_bytes ? 1 : more.len, MSG_NOSIGNAL);
        at += slow[_i].in_bytes;
        uint64_t until = now_ms() + 100;
        while (!is_closed && now_ms() < until && poll(&p, 1, (int)(until - now_ms())) > 0)
            is_closed = recv(p.fd, got, sizeof(got), 0) <= 0;
    }
    ck_assert_msg(is_closed, "%s: still open after %lu ms", slow[_i].what, (unsigned long)took);
    ck_assert_msg(took >= 350, "%s: closed after %lu ms", slow[_i].what, (unsigned long)took);
    close(p.fd);
    check_others();
    wait_for("weir_connections_open", 0);
    ck_assert_int_eq(metric("weir_exchanges_open"), 0);
    buf_release(&begin);
    buf_release(&more);
}
END_TEST

/* --- never read --- */

START_TEST(a_stream_that_is_never_read_is_reset_and_no_other)
{
    struct h2_client c = { .keeps_windows = true, .drops_bodies = true };

    start(SLOW);
    h2_connect(&c, proxy_connect(run.port));
    int32_t id = h2_ask(&c, "GET", "/up/body/80000000", NULL, NULL, 0);
    for (int i = 0; i < 500 && c.answers[id].bytes < 65535; i++)
        h2_run(&c, 10);
    nghttp2_session_consume_connection(c.session, 65535);
    uint64_t from = now_ms();
    int32_t other = h2_ask(&c, "GET", "/up/sse/20/100", NULL, NULL, 0);
    while (!c.answers[id].closed && now_ms() - from < 5000)
        h2_run(&c, 10);
    ck_assert(c.answers[id].closed && !c.answers[id].ended);
    ck_assert_uint_eq(c.answers[id].reason, NGHTTP2_CANCEL);
    ck_assert_uint_ge(now_ms() - from, 500);
    h2_wait(&c, other);
    ck_assert(c.answers[other].ended);
    h2_close(&c);
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
#define SLACK_KIB (400l << 10) /* its quarantine */
#else
#define SLACK_KIB (8l << 10)
#endif
/* What a stream may hold of each body, and what it takes itself. */
#define HELD_KIB 80l /* 64 of the window, and what buffers are larger */
#define OPEN_KIB 24l

START_TEST(a_client_that_never_reads_is_left_and_holds_one_read_of_each_stream)
{
    struct buf bytes = { 0 };

    start(SLOW);
    check_others();
    struct proxy_memory before = proxy_memory_now(&run);
    long most = 0;
    int fd = proxy_connect(run.port);
    frame_add_preface(&bytes);
    frame_add(&bytes, FRAME_SETTINGS, 0, 0, STR("\0\4\x7f\xff\xff\xff")); /* windows of 2 GiB */
    frame_add_number(&bytes, FRAME_WINDOW, 0, 0x7fff0000 - 65535);
    for (uint32_t i = 0; i < 90; i++)
        frame_add_head(&bytes, 1 + 2 * i, FLAG_BOTH, ":path=/up/body/50000000" GET);
    upstream_send(fd, bytes.ptr, bytes.len);
    wait_for("weir_exchanges_open", 90);
    for (int i = 0; i < 500 && metric("weir_connections_open") > 0; i++) {
        long grown = proxy_memory_grown(&run, &before);
        most = grown > most ? grown : most;
        proxy_sleep_ms(10);
    }
    ck_assert_int_eq(metric("weir_connections_open"), 0);
    ck_assert_int_eq(metric("weir_exchanges_open"), 0);
    printf("90 streams that nobody reads: %ld KiB more, %ld each\n", most, most / 90);
    ck_assert_int_lt(most, 90 * (HELD_KIB + OPEN_KIB) + SLACK_KIB);
    close(fd);
    buf_release(&bytes);
}
END_TEST

/* --- memory --- */

#define CONNECTIONS 8
#define EACH        100

static const struct {
    const char *what, *path;
    size_t body; /* sent, of 1 MB */
    long most_kib;
} costs[] = {
    {"that wait",                 "/up/never",      0,     OPEN_KIB           },
    { "with events",              "/up/sse/500/50", 0,     OPEN_KIB           },
    { "with a body nobody takes", "/full/x",        65000, HELD_KIB + OPEN_KIB},
};

static void open_streams(int fd, size_t row)
{
    static char body[16000];
    struct buf bytes = { 0 };
    char head[300];

    snprintf(head, sizeof(head),
             costs[row].body ? ":path=%s\n:scheme=http\n:authority=w\n:method=POST\n"
                               "content-length=1000000\n"
                             : ":path=%s" GET,
             costs[row].path);
    frame_add_preface(&bytes);
    for (uint32_t i = 0; i < EACH; i++) {
        frame_add_head(&bytes, 1 + 2 * i, costs[row].body ? FLAG_END_HEADERS : FLAG_BOTH, head);
        for (size_t left = costs[row].body, n; left; left -= n) {
            n = left < sizeof(body) ? left : sizeof(body);
            frame_add(&bytes, FRAME_DATA, 0, 1 + 2 * i, (struct str){ body, n });
        }
    }
    upstream_send(fd, bytes.ptr, bytes.len);
    buf_release(&bytes);
}

START_TEST(an_open_stream_costs_so_much_and_no_more)
{
    int fds[CONNECTIONS];

    start("");
    check_others();
    struct proxy_memory before = proxy_memory_now(&run);
    for (size_t i = 0; i < CONNECTIONS; i++)
        open_streams(fds[i] = proxy_connect(run.port), (size_t)_i);
    wait_for("weir_exchanges_open", CONNECTIONS * EACH);
    proxy_sleep_ms(300);
    long each = proxy_memory_grown(&run, &before) / (CONNECTIONS * EACH);
    printf("%d streams %s: %ld KiB each\n", CONNECTIONS * EACH, costs[_i].what, each);
    ck_assert_int_le(each, costs[_i].most_kib + SLACK_KIB / (CONNECTIONS * EACH));
    for (size_t i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
    wait_for("weir_exchanges_open", 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, stop);
    tcase_add_loop_test(tc, a_slow_client_is_left_at_its_limit, 0, ARRAY_LEN(slow));
    tcase_add_test(tc, a_stream_that_is_never_read_is_reset_and_no_other);
    tcase_add_test(tc, a_client_that_never_reads_is_left_and_holds_one_read_of_each_stream);
    tcase_add_loop_test(tc, an_open_stream_costs_so_much_and_no_more, 0, ARRAY_LEN(costs));
}

CHECK_MAIN("proxy bounds h2", add_tests)
