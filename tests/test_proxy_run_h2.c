/* The proxy as a whole, spoken to in HTTP/2. */
#include "config.h"

#include "tests/check_main.h"
#include "tests/h2_client.h"
#include "tests/http2_frames.h"
#include "tests/proxy_memory.h"
#include "tests/tls_files.h"

#define BASIC                                                                                      \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"                     \
    "archive: {path: ./archive}\n"

static struct proxy_run run;
static struct h2_client client;

static void set_up(void)
{
    proxy_start(&run, BASIC);
    h2_connect(&client, proxy_connect(run.port));
}

static void tear_down(void)
{
    h2_close(&client);
    proxy_stop(&run);
}

static bool has(const struct buf *text, const char *part)
{
    return text->len && memmem(text->ptr, text->len, part, strlen(part));
}

static long metric(const char *name)
{
    return proxy_metric(&run, name);
}

/* --- what passes --- */

START_TEST(a_request_reaches_the_upstream_in_http1)
{
    static const char *const extra[] = { "x-one",  "1",   "te",     "trailers", "cookie", "a=b",
                                         "cookie", "c=d", "x-weir", "kept?",    NULL };
    int32_t with = h2_ask(&client, "POST", "/up/echo?a=%20b", extra, "{\"a\":1}", 7);
    h2_wait(&client, with);
    struct h2_answer *a = &client.answers[with];

    ck_assert_int_eq(a->status, 200);
    ck_assert_msg(has(&a->body, "POST /echo?a=%20b HTTP/1.1\r\nHost: 127.0.0.1:"), "%s",
                  buf_cstr(&a->body));
    ck_assert(has(&a->body, "\r\nx-one: 1\r\n") && has(&a->body, "\r\ncookie: a=b; c=d\r\n"));
    ck_assert(!has(&a->body, "\r\nte:") && !has(&a->body, "Host: weir") &&
              !has(&a->body, "\r\nhost:"));
    ck_assert(has(&a->body, "\r\nTransfer-Encoding: chunked\r\n"));
    ck_assert(has(&a->body, "\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n"));
    ck_assert(has(&a->head, "x-odd-case: kept\n") && has(&a->head, "x-weir-exchange-id: "));
}
END_TEST

START_TEST(a_body_of_known_length_stays_so)
{
    static const char *const extra[] = { "content-length", "7", NULL };
    int32_t id = h2_ask(&client, "POST", "/up/echo", extra, "{\"a\":1}", 7);

    h2_wait(&client, id);
    ck_assert(has(&client.answers[id].body, "\r\nContent-Length: 7\r\n\r\n{\"a\":1}"));
    ck_assert(!has(&client.answers[id].body, "chunked"));
}
END_TEST

START_TEST(trailers_and_heads_pass)
{
    int32_t id = h2_ask(&client, "GET", "/up/chunked", NULL, NULL, 0);
    h2_wait(&client, id);
    ck_assert(has(&client.answers[id].body, "onetwo") &&
              has(&client.answers[id].head, "x-sum: 6\n"));

    id = h2_ask(&client, "HEAD", "/up/body/9", NULL, NULL, 0);
    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 200);
    ck_assert(has(&client.answers[id].head, "content-length: 9\n"));
    ck_assert_uint_eq(client.answers[id].bytes, 0);
}
END_TEST

START_TEST(an_answer_without_content_has_no_length)
{
    int32_t id = h2_ask(&client, "DELETE", "/up/nothing", NULL, NULL, 0);

    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 204);
    ck_assert(has(&client.answers[id].head, "x-of: it\n"));
    ck_assert(!has(&client.answers[id].head, "content-length"));
}
END_TEST

START_TEST(a_body_is_asked_for_when_the_upstream_is_there)
{
    static const char *const extra[] = { "expect", "100-continue", NULL };
    int32_t id = h2_ask(&client, "POST", "/up/echo", extra, "hi", 2);

    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 200);
    ck_assert(!has(&client.answers[id].body, "xpect:"));
}
END_TEST

START_TEST(own_answers_are_as_in_http1)
{
    int32_t id = h2_ask(&client, "GET", "/nowhere/x", NULL, NULL, 0);

    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 404);
    ck_assert(has(&client.answers[id].head, "x-weir-error: no_such_upstream\n"));
    ck_assert(has(&client.answers[id].body, "\"code\":\"no_such_upstream\""));
    id = h2_ask(&client, "GET", "/up/a/../b", NULL, NULL, 0);
    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 400);
    id = h2_ask(&client, "GET", "/dead/x", NULL, NULL, 0);
    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 502);
}
END_TEST

#define TOGETHER 100

START_TEST(a_hundred_streams_at_once_get_each_their_own)
{
    static char bodies[TOGETHER][30000];
    static const char *const extra[] = { "content-length", "30000", NULL };
    int32_t ids[TOGETHER];

    h2_run(&client, 50); /* SETTINGS: how many streams there may be */
    for (int i = 0; i < TOGETHER; i++) {
        memset(bodies[i], 'A' + i % 26, sizeof(bodies[i]));
        snprintf(bodies[i], sizeof(bodies[i]), "body of %d ", i);
        bodies[i][strlen(bodies[i])] = '.';
        ids[i] = h2_ask(&client, "POST", "/up/echo", extra, bodies[i], sizeof(bodies[i]));
    }
    for (int i = 0; i < TOGETHER; i++) {
        char want[40];
        h2_wait(&client, ids[i]);
        snprintf(want, sizeof(want), "body of %d .", i);
        ck_assert_int_eq(client.answers[ids[i]].status, 200);
        ck_assert_msg(has(&client.answers[ids[i]].body, want), "%d", i);
        ck_assert_uint_gt(client.answers[ids[i]].bytes, sizeof(bodies[i]));
    }
}
END_TEST

START_TEST(an_event_leaves_before_the_next_one_comes)
{
    int32_t id = h2_ask(&client, "GET", "/up/steps/5", NULL, NULL, 0);
    struct h2_answer *a = &client.answers[id];

    for (int i = 0; i < 5; i++) {
        char want[32];
        snprintf(want, sizeof(want), "{\"n\":%d}", i);
        h2_wait_for_body(&client, id, want);
        if (i < 4)
            proxy_step(&run);
    }
    h2_wait(&client, id);
    ck_assert(has(&a->body, "{\"n\":4}") && !has(&a->body, "{\"n\":5}"));
}
END_TEST

/* --- what does not --- */

static const char *const smuggled[][3] = {
    {"connection",         "close",                                  NULL},
    { "transfer-encoding", "chunked",                                NULL},
    { "upgrade",           "h2c",                                    NULL},
    { "x",                 "a\r\ntransfer-encoding: chunked",        NULL},
    { "x",                 "a\r\n\r\nGET /up/echo HTTP/1.1\r\n\r\n", NULL},
    { "content-length",    "3",                                      NULL},
    { "host",              "other",                                  NULL},
    { "x\r\ny",            "1",                                      NULL},
};

START_TEST(no_second_request_can_be_smuggled)
{
    static const char *const plain[] = { NULL };
    int32_t id = h2_ask(&client, "POST", "/up/echo", smuggled[_i], "0\r\n\r\nGET /x HTTP/1.1", 20);

    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 0);
    ck_assert_uint_eq(client.answers[id].reason, NGHTTP2_PROTOCOL_ERROR);
    /* The connection and the upstream's connections are as they were. */
    id = h2_ask(&client, "POST", "/up/echo", plain, "second", 6);
    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 200);
    ck_assert(has(&client.answers[id].body, "\r\n\r\n6\r\nsecond\r\n0\r\n\r\n"));
}
END_TEST

START_TEST(a_cut_answer_is_reset)
{
    int32_t id = h2_ask(&client, "GET", "/up/cut", NULL, NULL, 0);

    h2_wait(&client, id);
    ck_assert(has(&client.answers[id].body, "hello") && !client.answers[id].ended);
    ck_assert_uint_eq(client.answers[id].reason, NGHTTP2_INTERNAL_ERROR);
}
END_TEST

/* Reads what comes within wait_ms; whether all of an answer was in it, and a reset, of stream 1. */
static void read_answer(int fd, int wait_ms, bool *ret_ended, long *ret_reset)
{
    CLEANUP(buf_release) struct buf got = { 0 };
    struct frame f;

    ck_assert(!proxy_read_all(fd, wait_ms, &got));
    *ret_ended = false;
    *ret_reset = -1;
    for (struct str rest = buf_str(&got); frame_next(&rest, &f);) {
        *ret_ended |= f.stream == 1 && f.type != FRAME_RST && f.flags & FLAG_END_STREAM;
        if (f.stream == 1 && f.type == FRAME_RST)
            *ret_reset = (long)frame_number(&f, 0);
    }
}

/* curl 7.88 and others drop an answer if its stream is reset before they have sent their body. */
START_TEST(an_answer_before_the_body_is_followed_by_no_reset)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    int fd = proxy_connect(run.port);
    bool has_ended;
    long reset;

    frame_add_preface(&bytes);
    frame_add_head(&bytes, 1, FLAG_END_HEADERS,
                   ":method=POST\n:scheme=http\n:authority=w\n:path=/nowhere/x\n");
    upstream_send(fd, bytes.ptr, bytes.len);
    read_answer(fd, 300, &has_ended, &reset);
    ck_assert(has_ended);
    ck_assert_int_eq(reset, -1);
    buf_clear(&bytes);
    frame_add(&bytes, FRAME_DATA, _i ? 0 : FLAG_END_STREAM, 1, STR("body"));
    upstream_send(fd, bytes.ptr, bytes.len);
    read_answer(fd, 3000, &has_ended, &reset);
    ck_assert_int_eq(reset, _i ? NGHTTP2_NO_ERROR : -1); /* in the end nobody waits any longer */
    close(fd);
}
END_TEST

START_TEST(a_flood_of_resets_ends_the_connection)
{
    struct buf bytes = { 0 }, got = { 0 };
    int fd = proxy_connect(run.port);

    frame_add_preface(&bytes);
    for (uint32_t i = 0; i < 2000; i++) {
        frame_add_head(&bytes, 1 + 2 * i, FLAG_BOTH,
                       ":method=GET\n:scheme=http\n:authority=w\n:path=/up/never\n");
        frame_add_number(&bytes, FRAME_RST, 1 + 2 * i, 8);
    }
    upstream_send(fd, bytes.ptr, bytes.len);
    ck_assert(proxy_read_all(fd, 5000, &got));
    close(fd);
    ck_assert_int_lt(metric("weir_exchanges_recorded_total"), 250);
    ck_assert_int_eq(metric("weir_exchanges_open"), 0);
    buf_release(&bytes);
    buf_release(&got);
}
END_TEST

/* --- slow, leaving, draining --- */

/* KiB beyond what is recorded; sanitizers keep what is freed. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX 32768
#else
#define GROWTH_MAX 4096
#endif

START_TEST(a_slow_stream_stops_no_other_and_costs_no_memory)
{
    h2_close(&client);
    client.keeps_windows = client.drops_bodies = true;
    h2_connect(&client, proxy_connect(run.port));
    struct proxy_memory before = proxy_memory_now(&run);
    int32_t slow = h2_ask(&client, "GET", "/up/body/80000000", NULL, NULL, 0);
    for (int i = 0; i < 1000 && client.answers[slow].bytes < 65535; i++)
        h2_run(&client, 10);
    h2_run(&client, 200);
    ck_assert_uint_eq(client.answers[slow].bytes, 65535);
    /* The connection's window opens, the stream's does not. */
    nghttp2_session_consume_connection(client.session, 65535);
    int32_t other = h2_ask(&client, "GET", "/up/body/10000", NULL, NULL, 0);
    h2_wait(&client, other);
    ck_assert_uint_eq(client.answers[other].bytes, 10000);
    ck_assert_uint_eq(client.answers[slow].bytes, 65535);
    proxy_memory_check(&run, &before, GROWTH_MAX);
    for (size_t seen = 0; !client.answers[slow].closed && !client.has_ended;) {
        size_t n = client.answers[slow].bytes - seen;
        seen += n;
        nghttp2_session_consume_connection(client.session, seen == n ? n - 65535 + 10000 : n);
        nghttp2_session_consume_stream(client.session, slow, n);
        h2_run(&client, 1);
    }
    ck_assert_uint_eq(client.answers[slow].bytes, 80000000);
    ck_assert(client.answers[slow].ended);
}
END_TEST

struct found {
    int count;
    bool truncated;
    enum error_class error;
    size_t body;
};

static void find(void *ctx, const struct exchange *x, bool ended)
{
    struct found *f = ctx;

    f->count += ended;
    f->truncated = x->truncated;
    f->error = x->transport_error;
    f->body = x->response_body.len;
}

START_TEST(a_stream_that_is_reset_is_recorded_as_left)
{
    struct found f = { 0 };
    int32_t id = h2_ask(&client, "GET", "/up/sse/1000/20", NULL, NULL, 0);

    h2_wait_for_body(&client, id, "{\"n\":2}");
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    h2_run(&client, 100);
    proxy_wait_for(&run, "weir_clients_gone_total", 1);
    proxy_wait_for(&run, "weir_exchanges_open", 0);
    id = h2_ask(&client, "GET", "/up/body/1", NULL, NULL, 0);
    h2_wait(&client, id);
    ck_assert_int_eq(client.answers[id].status, 200);
    proxy_end(&run, SIGKILL);
    proxy_each_record(&run, find, &f);
    ck_assert_int_ge(f.count, 1);
    proxy_launch(&run);
}
END_TEST

START_TEST(a_client_that_leaves_in_a_stream_is_recorded)
{
    struct found f = { 0 };
    int32_t id = h2_ask(&client, "GET", "/up/sse/1000/20", NULL, NULL, 0);

    h2_wait_for_body(&client, id, "{\"n\":2}");
    nghttp2_submit_rst_stream(client.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    h2_run(&client, 100);
    proxy_end(&run, SIGTERM);
    proxy_each_record(&run, find, &f);
    ck_assert_int_eq(f.count, 1);
    ck_assert(f.truncated && f.body > 0);
    ck_assert_int_eq(f.error, ERROR_CLASS_CLIENT_GONE);
    proxy_launch(&run);
}
END_TEST

START_TEST(draining_lets_streams_end)
{
    int status;
    int32_t id = h2_ask(&client, "GET", "/up/sse/10/50", NULL, NULL, 0);

    h2_wait_for_body(&client, id, "{\"n\":0}");
    kill(run.pid, SIGTERM);
    h2_wait(&client, id);
    ck_assert(client.had_goaway && client.answers[id].ended);
    ck_assert(has(&client.answers[id].body, "{\"n\":9}"));
    h2_run(&client, 1000);
    ck_assert(client.has_ended);
    waitpid(run.pid, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    proxy_launch(&run);
}
END_TEST

START_TEST(strict_holds_the_end_until_it_is_on_disk)
{
    proxy_configure(&run, "listen: {address: \"127.0.0.1:0\", workers: 1}\n"
                          "archive: {path: ./archive, durability: strict}\n");
    proxy_end(&run, SIGTERM);
    proxy_launch(&run);
    h2_close(&client);
    h2_connect(&client, proxy_connect(run.port));
    for (int i = 0; i < 20; i++)
        h2_ask(&client, "GET", "/up/body/100", NULL, NULL, 0);
    for (int32_t id = 1; id < 41; id += 2) {
        h2_wait(&client, id);
        ck_assert(client.answers[id].ended && client.answers[id].bytes == 100);
    }
    struct found f = { 0 };
    proxy_end(&run, SIGKILL);
    proxy_each_record(&run, find, &f);
    ck_assert_int_eq(f.count, 20);
    proxy_launch(&run);
}
END_TEST

static const struct {
    const char *option, *says;
} protocols[] = {
    {"--http2",    "200 2"  },
    { "--http1.1", "200 1.1"},
};

START_TEST(over_tls_alpn_decides)
{
    char settings[700], line[700], said[64] = "";

    if (system("curl --version 2> /dev/null | grep -q HTTP2") != 0) {
        ck_assert_msg(!getenv("CI"), "no curl with HTTP/2");
        puts("SKIP: no curl with HTTP/2");
        return;
    }
    proxy_end(&run, SIGTERM);
    snprintf(line, sizeof(line), "%s", temp_path("cert.pem"));
    tls_files_make(line, temp_path("key.pem"), "localhost", "IP:127.0.0.1");
    snprintf(settings, sizeof(settings),
             "listen: {address: \"127.0.0.1:0\", workers: 1,\n"
             "         tls: {cert: ./cert.pem, key: ./key.pem}}\n"
             "archive: {path: ./archive}\n");
    proxy_configure(&run, settings);
    proxy_launch(&run);
    snprintf(line, sizeof(line),
             "curl -s -o /dev/null -w '%%{http_code} %%{http_version}' %s --cacert '%s' -d hello "
             "https://127.0.0.1:%d/up/echo",
             protocols[_i].option, temp_path("cert.pem"), run.port);
    FILE *f = popen(line, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(said, sizeof(said), f));
    pclose(f);
    ck_assert_str_eq(said, protocols[_i].says);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_request_reaches_the_upstream_in_http1);
    tcase_add_test(tc, a_body_of_known_length_stays_so);
    tcase_add_test(tc, trailers_and_heads_pass);
    tcase_add_test(tc, an_answer_without_content_has_no_length);
    tcase_add_test(tc, a_body_is_asked_for_when_the_upstream_is_there);
    tcase_add_test(tc, own_answers_are_as_in_http1);
    tcase_add_test(tc, a_hundred_streams_at_once_get_each_their_own);
    tcase_add_test(tc, an_event_leaves_before_the_next_one_comes);
    tcase_add_loop_test(tc, no_second_request_can_be_smuggled, 0, ARRAY_LEN(smuggled));
    tcase_add_test(tc, a_cut_answer_is_reset);
    tcase_add_loop_test(tc, an_answer_before_the_body_is_followed_by_no_reset, 0, 2);
    tcase_add_test(tc, a_flood_of_resets_ends_the_connection);
    tcase_add_test(tc, a_slow_stream_stops_no_other_and_costs_no_memory);
    tcase_add_test(tc, a_stream_that_is_reset_is_recorded_as_left);
    tcase_add_test(tc, a_client_that_leaves_in_a_stream_is_recorded);
    tcase_add_loop_test(tc, over_tls_alpn_decides, 0, ARRAY_LEN(protocols));
    tcase_add_test(tc, draining_lets_streams_end);
    tcase_add_test(tc, strict_holds_the_end_until_it_is_on_disk);
}

CHECK_MAIN("proxy run h2", add_tests)
