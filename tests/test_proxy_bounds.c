/* What one peer can make the proxy hold, and for how long: slow, huge and endless clients, and
 * thousands of them.  Each is answered or closed at a documented limit, the others are served
 * meanwhile, and afterwards the process is no larger than it was. */
#include "config.h"

#include <sys/resource.h>
#include <sys/un.h>

#include "tests/proxy_memory.h"

#define LISTEN  "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"
#define ARCHIVE "archive: {path: ./archive}\n"
#define SLOW    "limits: {head_time: 600ms, body_time: 400ms, idle_time: 500ms, send_time: 700ms}\n"

static struct proxy_run run;
static struct buf answer;

static void start_slow(void)
{
    proxy_start(&run, LISTEN ARCHIVE SLOW);
}

static void start(void)
{
    proxy_start(&run, LISTEN ARCHIVE);
}

static void stop(void)
{
    proxy_stop(&run);
    buf_release(&answer);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static const char *error_of(void)
{
    buf_cstr(&answer);
    return proxy_header(&answer, "x-weir-error");
}

/* A call beside the hostile one is answered, and soon. */
static void check_others(void)
{
    struct buf got = { 0 };
    uint64_t from = now_ms();

    proxy_ask(&run, "GET /up/body/3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", &got);
    ck_assert_ptr_nonnull(strstr(got.ptr, "\r\n\r\nabc"));
    ck_assert_uint_lt(now_ms() - from, 10000);
    buf_release(&got);
}

/* More than what allocators and sanitizers keep for themselves: these do not give buffers back that
 * have grown. */
#ifdef __SANITIZE_ADDRESS__
#define SLACK_KIB (30l << 10)
#else
#define SLACK_KIB (12l << 10)
#endif

static void check_memory(const struct proxy_memory *before)
{
    proxy_memory_check(&run, before, SLACK_KIB);
}

/* --- slow --- */

/* One byte of it again and again, 100 ms apart, until the proxy has enough. */
static uint64_t drip(const char *begin, const char *more)
{
    struct pollfd p = { .fd = proxy_connect(run.port), .events = POLLIN };
    uint64_t from = now_ms();

    buf_clear(&answer);
    upstream_text(p.fd, begin);
    for (size_t i = 0; poll(&p, 1, 100) == 0; i = (i + 1) % strlen(more)) {
        ck_assert_msg(now_ms() - from < 8000, "a client may be slow for ever");
        upstream_send(p.fd, more + i, 1);
    }
    uint64_t took = now_ms() - from;
    proxy_read_all(p.fd, 10000, &answer);
    close(p.fd);
    return took;
}

START_TEST(a_head_in_drops_ends_at_head_time)
{
    uint64_t took = drip("GET /up/x HTTP/1.1\r\nHost: w\r\n", "x: y\r\n");

    ck_assert_str_eq(error_of(), "request_timeout");
    ck_assert_uint_lt(took, 6000); /* it is the time for the whole head */
    check_others();
}
END_TEST

START_TEST(a_request_line_in_drops_ends_at_head_time)
{
    ck_assert_uint_lt(drip("GET /", "a"), 6000);
    ck_assert_str_eq(error_of(), "request_timeout");
}
END_TEST

START_TEST(silence_ends_at_the_time_of_its_state)
{
    static const struct {
        const char *bytes, *error;
    } rows[] = {
        {"",                                                                                  ""               },
        { "G",                                                                                "request_timeout"},
        { "GET /up/x HTTP/1.1\r\nHost: w\r\n",                                                "request_timeout"},
        { "POST /up/echo HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n\r\n",                   "request_timeout"},
        { "POST /up/echo HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n",
         "request_timeout"                                                                                     },
        { "POST /up/echo HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na",
         "request_timeout"                                                                                     },
        { "POST /up/echo HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
         "request_timeout"                                                                                     },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = proxy_connect(run.port);
        buf_clear(&answer);
        upstream_text(fd, rows[i].bytes);
        ck_assert_msg(proxy_read_all(fd, 10000, &answer), "no end after '%s'", rows[i].bytes);
        ck_assert_str_eq(error_of(), rows[i].error);
        close(fd);
    }
    check_others();
}
END_TEST

/* A body that never rests is no reason to stop it; all of it has a limit in bytes. */
START_TEST(a_body_in_drops_goes_on_and_is_not_held)
{
    for (int tries = 1; tries <= 3; tries++) {
        int fd = proxy_connect(run.port);
        buf_clear(&answer);
        upstream_text(fd, "POST /up/echo HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                          "Content-Length: 12\r\n\r\n");
        for (int i = 0; i < 12; i++) {
            upstream_send(fd, "x", 1);
            proxy_sleep_ms(100);
        }
        ck_assert(proxy_read_all(fd, 10000, &answer));
        close(fd);
        if (strcmp(error_of(), "request_timeout") != 0)
            break; /* else this machine stood still, as a client that rests */
    }
    ck_assert_ptr_nonnull(strstr(buf_cstr(&answer), "xxxxxxxxxxxx"));
}
END_TEST

START_TEST(a_client_that_reads_nothing_is_left)
{
    struct proxy_memory before = proxy_memory_now(&run);
    int fd = proxy_connect(run.port), small = 4096;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    upstream_text(fd, "GET /up/body/50000000 HTTP/1.1\r\nHost: w\r\n\r\n");
    ck_assert_int_lt(proxy_wait_until_held(&run, &before), proxy_socket_kib() + SLACK_KIB);
    check_memory(&before); /* of 50 MB */
    check_others();
    struct proxy_run admin = run;
    admin.port = run.admin_port;
    for (int i = 0; i < 3000 && !strstr(buf_cstr(&answer), "\nweir_clients_gone_total 1\n"); i++) {
        proxy_sleep_ms(10);
        proxy_ask(&admin, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    }
    ck_assert_ptr_nonnull(strstr(answer.ptr, "\nweir_clients_gone_total 1\n"));
    ck_assert_ptr_nonnull(strstr(answer.ptr, "\nweir_exchanges_open 0\n"));
    close(fd);
    check_memory(&before);
}
END_TEST

/* --- large --- */

static void ask_repeated(const char *begin, const char *part, size_t count, const char *end)
{
    struct buf request = { 0 };
    int fd = proxy_connect(run.port);

    buf_add_text(&request, begin);
    for (size_t i = 0; i < count; i++)
        buf_add_text(&request, part);
    buf_add_text(&request, end);
    buf_clear(&answer);
    upstream_send(fd, request.ptr, request.len);
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    buf_release(&request);
}

START_TEST(what_is_too_large_has_its_answer)
{
    static const struct {
        const char *begin, *part;
        size_t count;
        const char *end, *error;
    } rows[] = {
        {"GET /up/x HTTP/1.1\r\nHost: w\r\n",                                          "a: b\r\n",   100000,  "\r\n",     "head_too_large" },
        { "GET /up/x HTTP/1.1\r\nHost: w\r\nx: ",                                      "aaaaaaaaaa", 1000000, "\r\n",     "head_too_large" },
        { "GET /up/x HTTP/1.1\r\nHost: w\r\n",                                         "aaaaaaaaaa", 100000,  "\r\n",     "head_too_large" },
        { "GET /up/x?",                                                                "aaaaaaaaaa", 10000,   "\r\n",     "target_too_long"},
        { "AAA",                                                                       "AAAAAAAAAA", 100000,  "\r\n",     "target_too_long"},
        { "POST /up/x HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n1;",    "aaaaaaaaaa",
         100000,                                                                                              "\r\n",     "bad_request"    },
        { "POST /up/x HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n",
         100000,                                                                                              "\r\n",     "head_too_large" },
        { "POST /up/x HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n",      "0",          100000,
         "\r\n",                                                                                                          "bad_request"    },
        { "",                                                                          "\r\n",       100000,  "",         "bad_request"    },
        { "GET /up/x HTTP/1.1\r\nHost: w\r\nConnection: ",                             "a,",         10000,   "\r\n\r\n", "bad_request"    },
    };
    struct proxy_memory before = proxy_memory_now(&run);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask_repeated(rows[i].begin, rows[i].part, rows[i].count, rows[i].end);
        ck_assert_msg(strcmp(error_of(), rows[i].error) == 0, "row %zu: %s", i, answer.ptr);
    }
    check_others();
    check_memory(&before);
}
END_TEST

/* Chunk extensions are thrown away, however many there are (CVE-2023-39326 was that). */
START_TEST(chunks_of_one_byte_with_long_extensions_cost_no_memory)
{
    static const char chunk[] =
        "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n";
    struct proxy_memory before = proxy_memory_now(&run);

    ask_repeated("POST /up/body/3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n",
                 chunk, 50000, "0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(buf_cstr(&answer), "\r\n\r\nabc"));
    check_memory(&before);
}
END_TEST

/* --- in small pieces --- */

START_TEST(a_request_byte_by_byte_is_a_request)
{
    static const char request[] = "POST /up/echo HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                                  "X-Header: value\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n";
    int fd = proxy_connect(run.port);

    buf_clear(&answer);
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        upstream_send(fd, request + i, 1);
        proxy_sleep_ms(1);
    }
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    const char *body = strstr(buf_cstr(&answer), "POST /echo HTTP/1.1\r\n");
    ck_assert_msg(body && strstr(body, "X-Header: value\r\n"), "%s", answer.ptr);
    ck_assert_ptr_nonnull(strstr(answer.ptr, "0\r\nX-Sum: 6\r\n\r\n"));
}
END_TEST

/* Segments of one byte from the client, and a window of a few bytes for the answer. */
START_TEST(tiny_segments_both_ways_are_no_matter)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), tiny = 1, mss = 88;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)run.port) };
    const void *any = &at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny));
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &tiny, sizeof(tiny));
    ck_assert_int_eq(connect(fd, any, sizeof(at)), 0);
    buf_clear(&answer);
    upstream_text(fd, "GET /up/body/20000 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    for (;;) {
        ssize_t n = recv(fd, buf_reserve(&answer, 7), 7, 0);
        if (n <= 0)
            break;
        answer.len += (size_t)n;
    }
    close(fd);
    const char *body = strstr(buf_cstr(&answer), "\r\n\r\n");
    ck_assert_ptr_nonnull(body);
    ck_assert_uint_eq(strlen(body + 4), 20000);
}
END_TEST

/* --- many --- */

#define LIMIT 2000

START_TEST(connections_beyond_the_limit_are_503_and_cost_little)
{
    static int fds[LIMIT];
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < 2 * LIMIT) {
        fprintf(stderr, "SKIP connections: only %lu open files are allowed\n",
                (unsigned long)files.rlim_max);
        proxy_start(&run, LISTEN ARCHIVE);
        stop();
        return;
    }
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    proxy_start(&run, LISTEN ARCHIVE "limits: {connections: 2000}\n");
    struct proxy_memory before = proxy_memory_now(&run);
    for (int i = 0; i < LIMIT; i++) {
        fds[i] = proxy_connect(run.port);
        ck_assert_int_ge(fds[i], 0);
        upstream_text(fds[i], i % 2 ? "G" : "");
    }
    for (int i = 0; i < 20; i++) {
        int fd = proxy_connect(run.port);
        buf_clear(&answer);
        ck_assert(fd >= 0 && proxy_read_all(fd, 10000, &answer));
        ck_assert_str_eq(error_of(), "too_many_connections");
        close(fd);
    }
    long grown = proxy_memory_grown(&run, &before);
    ck_assert_msg(grown < LIMIT * 8, "%d idle connections take %ld KiB", LIMIT, grown);
    upstream_text(fds[0], "GET /up/body/3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    buf_clear(&answer);
    ck_assert(proxy_read_all(fds[0], 10000, &answer)); /* those who are in are served */
    ck_assert_ptr_nonnull(strstr(buf_cstr(&answer), "\r\n\r\nabc"));
    for (int i = 0; i < LIMIT; i++)
        close(fds[i]);
    proxy_wait_for(&run, "weir_connections_open", 0);
    check_others();
    stop();
}
END_TEST

START_TEST(requests_sent_ahead_are_not_held_without_limit)
{
    static const char request[] = "GET /up/sse/1000/20 HTTP/1.1\r\nHost: w\r\n\r\n";
    struct proxy_memory before = proxy_memory_now(&run);
    struct pollfd p = { .fd = proxy_connect(run.port), .events = POLLOUT };
    size_t sent = 0;

    upstream_text(p.fd, request);
    proxy_sleep_ms(100);
    while (sent < 64u << 20 && poll(&p, 1, 300) > 0) { /* until nothing more is taken */
        ssize_t n = send(p.fd, request, sizeof(request) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    check_memory(&before);
    ck_assert_uint_lt(sent, 64u << 20);
    check_others();
    close(p.fd);
}
END_TEST

static void add_tests(TCase *slow, TCase *plain, TCase *own)
{
    tcase_add_checked_fixture(slow, start_slow, stop);
    tcase_add_test(slow, a_head_in_drops_ends_at_head_time);
    tcase_add_test(slow, a_request_line_in_drops_ends_at_head_time);
    tcase_add_test(slow, silence_ends_at_the_time_of_its_state);
    tcase_add_test(slow, a_body_in_drops_goes_on_and_is_not_held);
    tcase_add_test(slow, a_client_that_reads_nothing_is_left);
    tcase_add_checked_fixture(plain, start, stop);
    tcase_add_test(plain, what_is_too_large_has_its_answer);
    tcase_add_test(plain, chunks_of_one_byte_with_long_extensions_cost_no_memory);
    tcase_add_test(plain, a_request_byte_by_byte_is_a_request);
    tcase_add_test(plain, tiny_segments_both_ways_are_no_matter);
    tcase_add_test(plain, requests_sent_ahead_are_not_held_without_limit);
    tcase_add_test(own, connections_beyond_the_limit_are_503_and_cost_little);
}

int main(void)
{
    Suite *suite = suite_create("proxy bounds");
    TCase *cases[] = { tcase_create("slow"), tcase_create("plain"), tcase_create("own") };

    signal(SIGPIPE, SIG_IGN);
    add_tests(cases[0], cases[1], cases[2]);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tcase_set_timeout(cases[i], 60);
        suite_add_tcase(suite, cases[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
