#include "config.h"

#include "tests/check_main.h"
#include "tests/temp_folder.h"
#include "tests/tls_files.h"
#include "tests/upstream.h"

#include <fcntl.h>

#include "base/http_fetch.h"
#include "base/listener.h"
#include "base/tls.h"

static int port;
static pid_t server;

static void start(void)
{
    signal(SIGPIPE, SIG_IGN);
    server = upstream_start(&port);
}

static void stop(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static struct http_fetch *open_fetch(uint64_t idle_us)
{
    struct http_fetch_options o = { .proxy = "", .idle_us = idle_us };
    struct http_fetch *f;
    struct err err;
    char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
    ck_assert_int_eq(http_url_parse(str_from(url), &o.url, &err), 0);
    ck_assert_int_eq(http_fetch_open(&o, &f, &err), 0);
    return f;
}

static int get(struct http_fetch *f, const char *target, struct http_fetch_answer *ret,
               struct err *err)
{
    struct http_fetch_request r = { .method = STR("GET"),
                                    .target = str_from(target),
                                    .may_repeat = true };

    return http_fetch(f, &r, ret, err);
}

static struct str text_of(struct http_fetch_answer *a)
{
    return a->body;
}

#define assert_body(answer, text) ck_assert(str_eq(text_of(answer), STR(text)))

/* --- URLs --- */

static const struct {
    const char *text, *host, *authority, *target;
    uint16_t port;
    bool tls;
} urls[] = {
    {"http://h",                   "h",         "h",              "/",    80,   false},
    { "https://h",                 "h",         "h",              "/",    443,  true },
    { "HTTP://127.0.0.1:8123/a?b", "127.0.0.1", "127.0.0.1:8123", "/a?b", 8123, false},
    { "https://[::1]:9/x",         "::1",       "[::1]:9",        "/x",   9,    true },
    { "https://[::1]",             "::1",       "[::1]",          "/",    443,  true },
    { "https://h.example/p/",      "h.example", "h.example",      "/p/",  443,  true },
};

START_TEST(a_url_has_its_parts)
{
    struct http_url u;
    struct err err;

    ck_assert_int_eq(http_url_parse(str_from(urls[_i].text), &u, &err), 0);
    ck_assert(str_eq(u.host, str_from(urls[_i].host)));
    ck_assert(str_eq(u.authority, str_from(urls[_i].authority)));
    ck_assert(str_eq(u.target, str_from(urls[_i].target)));
    ck_assert_uint_eq(u.port, urls[_i].port);
    ck_assert_int_eq(u.tls, urls[_i].tls);
}
END_TEST

static const char *const bad_urls[] = {
    "",
    "h",
    "ftp://h/",
    "http://",
    "http:///x",
    "http://h:0/",
    "http://h:65536/",
    "http://h:-1/",
    "http://h:/",
    "http://h?x",
    "http://h/ x",
    "http://h/\r\nX: y",
    "http://h/#f",
    "http://[::1",
    "http://[::1]x/",
    "http://me:hunter2@h/",
};

START_TEST(a_url_that_is_none_is_refused_without_showing_it)
{
    struct http_url u;
    struct err err;

    ck_assert_int_eq(http_url_parse(str_from(bad_urls[_i]), &u, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_ptr_null(strstr(err.text, "hunter2"));
}
END_TEST

/* --- exchanges --- */

START_TEST(a_request_goes_out_with_its_headers_and_body)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    const struct http_fetch_header headers[] = {
        {STR_INIT("X-One"), STR_INIT("1")}
    };
    struct http_fetch_request r = { .method = STR("POST"),
                                    .target = STR("/echo"),
                                    .headers = headers,
                                    .header_count = 1,
                                    .body = STR("hello") };
    struct http_fetch_answer a;
    struct err err;
    char expected[200];

    ck_assert_int_eq(http_fetch(f, &r, &a, &err), 0);
    ck_assert_uint_eq(a.head->status, 200);
    ck_assert(str_eq(http1_find(a.head, STR("x-odd-case"))->value, STR("kept")));
    snprintf(expected, sizeof(expected),
             "POST /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-One: 1\r\nContent-Length: 5\r\n\r\n"
             "hello",
             port);
    ck_assert(str_eq(a.body, str_from(expected)));
}
END_TEST

START_TEST(framings_of_every_kind_are_read_one_after_another)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    struct http_fetch_answer a;
    struct err err;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(get(f, "/chunked", &a, &err), 0);
        assert_body(&a, "onetwo");
        ck_assert_int_eq(get(f, "/body/100000", &a, &err), 0);
        ck_assert_uint_eq(a.body.len, 100000);
        ck_assert_int_eq(get(f, "/until-close", &a, &err), 0);
        assert_body(&a, "to the end");
        ck_assert_int_eq(get(f, "/status/404", &a, &err), 0);
        ck_assert_uint_eq(a.head->status, 404);
        assert_body(&a, "no");
    }
}
END_TEST

START_TEST(a_redirect_is_an_answer_like_any_other)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    struct http_fetch_answer a;
    struct err err;

    ck_assert_int_eq(get(f, "/status/302", &a, &err), 0);
    ck_assert_uint_eq(a.head->status, 302);
}
END_TEST

START_TEST(a_body_of_megabytes_goes_out_and_comes_back)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    CLEANUP(buf_release) struct buf body = { 0 };
    struct http_fetch_answer a;
    struct err err;

    for (size_t i = 0; i < 6u << 20; i++)
        buf_add_byte(&body, (char)('a' + i % 23));
    struct http_fetch_request r = { .method = STR("PUT"),
                                    .target = STR("/recite/50000/0"),
                                    .body = buf_str(&body) };
    ck_assert_int_eq(http_fetch(f, &r, &a, &err), 0);
    ck_assert(str_eq(a.body, buf_str(&body)));
}
END_TEST

static const char *const cut_answers[] = { "/close", "/cut", "/short", "/garbage" };

START_TEST(an_answer_that_is_not_whole_is_none)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    struct http_fetch_answer a;
    struct err err;
    char name[40];

    ck_assert_int_eq(get(f, cut_answers[_i], &a, &err), -1);
    snprintf(name, sizeof(name), "127.0.0.1:%d: ", port);
    ck_assert_ptr_nonnull(strstr(err.text, name));
    ck_assert_ptr_null(strstr(err.text, cut_answers[_i]));
    ck_assert(http_fetch_was_sent(f));
    ck_assert_int_eq(get(f, "/status/200", &a, &err), 0);
}
END_TEST

START_TEST(silence_ends_the_wait)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(100000);
    struct http_fetch_answer a;
    struct err err;

    ck_assert_int_eq(get(f, "/never", &a, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "nothing came from it"));
}
END_TEST

START_TEST(an_answer_beyond_its_limit_is_refused)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    struct http_fetch_request r = { .method = STR("GET"),
                                    .target = STR("/body/1001"),
                                    .answer_bytes_max = 1000 };
    struct http_fetch_answer a;
    struct err err;

    ck_assert_int_eq(http_fetch(f, &r, &a, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    r.target = STR("/body/1000");
    ck_assert_int_eq(http_fetch(f, &r, &a, &err), 0);
    ck_assert_uint_eq(a.body.len, 1000);
}
END_TEST

static int count_bytes(void *ctx, struct str bytes, struct err *err)
{
    size_t *count = ctx;

    *count += bytes.len;
    return *count < 5000000 ? 0 : err_set(err, ERR_LIMIT, "enough");
}

START_TEST(a_body_can_be_taken_piece_by_piece)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    size_t count = 0;
    struct http_fetch_request r = { .method = STR("GET"),
                                    .target = STR("/body/4999999"),
                                    .answer_bytes_max = 1,
                                    .on_body = count_bytes,
                                    .ctx = &count };
    struct http_fetch_answer a;
    struct err err;

    ck_assert_int_eq(http_fetch(f, &r, &a, &err), 0);
    ck_assert_uint_eq(count, 4999999);
    ck_assert_uint_eq(a.body.len, 0);
    r.target = STR("/body/10");
    ck_assert_int_eq(http_fetch(f, &r, &a, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "enough"));
}
END_TEST

START_TEST(nobody_there_is_a_failure_with_nothing_sent)
{
    stop();
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    struct http_fetch_answer a;
    struct err err;

    ck_assert_int_eq(get(f, "/", &a, &err), -1);
    ck_assert(!http_fetch_was_sent(f));
}
END_TEST

START_TEST(no_header_can_become_two)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = open_fetch(0);
    const struct http_fetch_header headers[] = {
        {STR_INIT("X-One"), STR_INIT("1\r\nX-Two: 2")}
    };
    struct http_fetch_request r = {
        .method = STR("GET"), .target = STR("/echo"), .headers = headers, .header_count = 1
    };
    struct http_fetch_answer a;
    struct err err;

    ck_assert_int_eq(http_fetch(f, &r, &a, &err), -1);
    r.header_count = 0;
    r.target = STR("/echo HTTP/1.1\r\nX-Two: 2\r\n");
    ck_assert_int_eq(http_fetch(f, &r, &a, &err), -1);
}
END_TEST

/* --- TLS --- */

struct tls_server {
    int fd;
    struct tls_context *tls;
    int requests;
};

static void *serve_tls(void *ctx)
{
    struct tls_server *s = ctx;
    struct err ignored;
    char bytes[2000];
    size_t len = 0;
    int fd;

    while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
        struct tls_conn *t = tls_conn_new(s->tls, fd);
        if (tls_conn_handshake(t, &ignored) == TLS_DONE &&
            tls_conn_read(t, bytes, sizeof(bytes), &len, &ignored) == TLS_DONE) {
            s->requests++;
            tls_conn_write(t, STR("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"), &len,
                           &ignored);
            tls_conn_shutdown(t);
        }
        tls_conn_free(t);
        close(fd);
    }
    return NULL;
}

static int get_over_tls(uint16_t tls_port, const char *ca_path, struct err *err)
{
    struct http_fetch_options o = { .proxy = "", .ca_path = ca_path };
    CLEANUP(http_fetch_close) struct http_fetch *f = NULL;
    struct http_fetch_answer a;
    char url[64];

    snprintf(url, sizeof(url), "https://127.0.0.1:%u", tls_port);
    ck_assert_int_eq(http_url_parse(str_from(url), &o.url, err), 0);
    ck_assert_int_eq(http_fetch_open(&o, &f, err), 0);
    int r = get(f, "/", &a, err);
    ck_assert(r < 0 || str_eq(a.body, STR("secret")));
    ck_assert(r == 0 || !http_fetch_was_sent(f));
    return r;
}

START_TEST(nothing_is_sent_to_a_server_that_cannot_prove_its_name)
{
    char cert[200], key[200], other[200];
    struct tls_server s = { .fd = -1 };
    pthread_t thread;
    struct err err;
    char address[LISTENER_ADDRESS_BYTES];
    uint16_t tls_port;

    temp_folder_make();
    snprintf(cert, sizeof(cert), "%s", temp_path("cert.pem"));
    snprintf(key, sizeof(key), "%s", temp_path("key.pem"));
    snprintf(other, sizeof(other), "%s", temp_path("other.pem"));
    tls_files_make(other, key, "another", TLS_FILES_LOCAL);
    tls_files_make(cert, key, "this", TLS_FILES_LOCAL);
    ck_assert_int_eq(
        tls_context_load(&(struct tls_options){ .cert_path = cert, .key_path = key }, &s.tls, &err),
        0);
    ck_assert_int_eq(listener_open(STR("127.0.0.1"), 0, false, &s.fd, &err), 0);
    fcntl(s.fd, F_SETFL, 0); /* waits */
    listener_address(s.fd, address, &tls_port);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve_tls, &s), 0);
    ck_assert_int_eq(get_over_tls(tls_port, cert, &err), 0);
    ck_assert_int_eq(get_over_tls(tls_port, other, &err), -1);
    ck_assert_int_eq(get_over_tls(tls_port, NULL, &err), -1);
    ck_assert_int_eq(s.requests, 1);
    shutdown(s.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(s.fd);
    tls_context_unref(s.tls);
    temp_folder_remove();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_loop_test(tc, a_url_has_its_parts, 0, ARRAY_LEN(urls));
    tcase_add_loop_test(tc, a_url_that_is_none_is_refused_without_showing_it, 0,
                        ARRAY_LEN(bad_urls));
    tcase_add_test(tc, a_request_goes_out_with_its_headers_and_body);
    tcase_add_test(tc, framings_of_every_kind_are_read_one_after_another);
    tcase_add_test(tc, a_redirect_is_an_answer_like_any_other);
    tcase_add_test(tc, a_body_of_megabytes_goes_out_and_comes_back);
    tcase_add_loop_test(tc, an_answer_that_is_not_whole_is_none, 0, ARRAY_LEN(cut_answers));
    tcase_add_test(tc, silence_ends_the_wait);
    tcase_add_test(tc, an_answer_beyond_its_limit_is_refused);
    tcase_add_test(tc, a_body_can_be_taken_piece_by_piece);
    tcase_add_test(tc, nobody_there_is_a_failure_with_nothing_sent);
    tcase_add_test(tc, no_header_can_become_two);
    tcase_add_test(tc, nothing_is_sent_to_a_server_that_cannot_prove_its_name);
}

CHECK_MAIN("base/http_fetch", add_tests)
