/* The proxy as a whole: the built weir between a socket of ours and tests/upstream.h. */
#include "config.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "capture/seal.h"
#include "tests/proxy_memory.h"

#define BASIC                                                                                      \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"                     \
    "archive: {path: ./archive}\n"
#define STRICT                                                                                     \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"                     \
    "archive: {path: ./archive, durability: strict}\n"

static struct proxy_run run;
static struct buf answer;

static void start_basic(void)
{
    proxy_start(&run, BASIC "apps: {bot: {team: support}, fixed: {upstream: up}}\n");
}

static void stop(void)
{
    proxy_stop(&run);
    buf_release(&answer);
}

static const char *body_of(struct buf *text)
{
    const char *end = strstr(buf_cstr(text), "\r\n\r\n");

    return end ? end + 4 : "";
}

static void ask(const char *request)
{
    proxy_ask(&run, request, &answer);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void wait_for_log(const char *part)
{
    struct buf log = { 0 };
    struct err err;
    bool found = false;

    for (int i = 0; i < 3000 && !found; i++) {
        buf_clear(&log);
        ck_assert_int_eq(file_read(run.log_path, 64u << 20, &log, &err), 0);
        found = has(buf_cstr(&log), part);
        if (!found)
            proxy_sleep_ms(10);
    }
    ck_assert_msg(found, "no '%s' in the log:\n%s", part, buf_cstr(&log));
    buf_release(&log);
}

static long metric(const char *name)
{
    return proxy_metric(&run, name);
}

/* --- what passes --- */

START_TEST(a_request_reaches_the_upstream_byte_for_byte)
{
    ask("POST /bot/up/echo?a=%20b&c HTTP/1.1\r\nHost: weir\r\nX-Mixed-CASE:   a  b \r\n"
        "Connection: close, x-mine\r\nx-mine: 1\r\nKeep-Alive: 5\r\nx-weir-app: other\r\n"
        "Accept-Encoding: gzip, sdch, br;q=0.5\r\nAuthorization: Bearer sk-1\r\n"
        "Cookie: a=b\r\ncookie: c=d\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    const char *seen = body_of(&answer);

    ck_assert_msg(has(seen, "POST /echo?a=%20b&c HTTP/1.1\r\n"), "%s", seen);
    ck_assert(has(seen, "X-Mixed-CASE: a  b\r\n"));
    ck_assert(has(seen, "Accept-Encoding: gzip, br;q=0.5\r\n"));
    ck_assert(has(seen, "Authorization: Bearer sk-1\r\n"));
    ck_assert(has(seen, "Cookie: a=b\r\ncookie: c=d\r\n"));
    ck_assert(has(seen, "\r\n\r\n{\"a\":1}"));
    ck_assert(has(seen, "traceparent: 00-"));
    ck_assert(!has(seen, "x-mine") && !has(seen, "Keep-Alive") && !has(seen, "x-weir-app"));
    ck_assert(!has(seen, "Host: weir"));
    ck_assert_str_eq(proxy_header(&answer, "X-Odd-CASE"), "kept");
    ck_assert_uint_eq(strlen(proxy_header(&answer, "x-weir-exchange-id")), 36);
}
END_TEST

START_TEST(chunks_and_trailers_pass_both_ways)
{
    ask("POST /up/echo HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
    const char *seen = body_of(&answer);
    ck_assert_msg(has(seen, "5\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n"), "%s", seen);

    ask("GET /up/chunked HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
    ck_assert_str_eq(body_of(&answer), "3\r\none\r\n3\r\ntwo\r\n0\r\nX-Sum: 6\r\n\r\n");
}
END_TEST

START_TEST(an_answer_without_framing_gets_one)
{
    ask("GET /up/until-close HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
    ck_assert_str_eq(body_of(&answer), "a\r\nto the end\r\n0\r\n\r\n");
    ask("GET /up/until-close HTTP/1.0\r\nHost: weir\r\n\r\n");
    ck_assert_str_eq(body_of(&answer), "to the end");
}
END_TEST

START_TEST(requests_sent_ahead_are_answered_in_turn)
{
    int fd = proxy_connect(run.port);

    buf_clear(&answer);
    upstream_text(fd, "GET /up/body/3 HTTP/1.1\r\nHost: w\r\n\r\n"
                      "POST /up/body/4 HTTP/1.1\r\nHost: w\r\nContent-Length: 2\r\n\r\nhi"
                      "GET /up/body/5 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    const char *three = strstr(buf_cstr(&answer), "\r\n\r\nabcHTTP/1.1 200");
    const char *four = three ? strstr(three, "\r\n\r\nabcdHTTP/1.1 200") : NULL;
    ck_assert_msg(four && has(four, "\r\n\r\nabcde"), "%s", answer.ptr);
}
END_TEST

START_TEST(a_head_request_is_answered_without_a_body)
{
    ask("HEAD /up/body/9 HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
    ck_assert_str_eq(proxy_header(&answer, "Content-Length"), "9");
    /* The stand-in sends a body all the same, which must not get through. */
    ck_assert_str_eq(body_of(&answer), "");
}
END_TEST

START_TEST(a_body_is_asked_for_when_the_upstream_is_there)
{
    int fd = proxy_connect(run.port);

    buf_clear(&answer);
    upstream_text(fd, "POST /up/echo HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                      "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    proxy_read_until(fd, "\r\n\r\n", &answer);
    ck_assert_str_eq(buf_cstr(&answer), "HTTP/1.1 100 Continue\r\n\r\n");
    upstream_text(fd, "hi");
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    ck_assert(has(buf_cstr(&answer), "\r\n\r\nhi"));
    ck_assert(!has(answer.ptr, "Expect"));
}
END_TEST

/* Lets one event go after the other has come, so many ms later. */
static void read_steps(int fd, int count, long wait_ms)
{
    char want[32], next[32];

    for (int i = 0; i < count; i++) {
        snprintf(want, sizeof(want), "{\"n\":%d}\n\n\r\n", i);
        snprintf(next, sizeof(next), "{\"n\":%d}", i + 1);
        proxy_read_until(fd, want, &answer);
        ck_assert(!has(answer.ptr, next));
        proxy_sleep_ms(wait_ms);
        if (i + 1 < count)
            proxy_step(&run);
    }
    ck_assert(proxy_read_all(fd, 10000, &answer));
}

START_TEST(an_event_leaves_before_the_next_one_comes)
{
    int fd = proxy_connect(run.port);

    buf_clear(&answer);
    upstream_text(fd, "GET /up/steps/5 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    read_steps(fd, 5, 0);
    close(fd);
    ck_assert(has(buf_cstr(&answer), "{\"n\":4}\n\n\r\n0\r\n\r\n"));
}
END_TEST

START_TEST(a_client_that_ends_its_half_of_a_last_request_is_answered)
{
    int fd = proxy_connect(run.port);

    buf_clear(&answer);
    upstream_text(fd, "GET /up/sse/2/100 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    shutdown(fd, SHUT_WR);
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    ck_assert(has(buf_cstr(&answer), "0\r\n\r\n"));
}
END_TEST

/* KiB beyond what is recorded; sanitizers keep what is freed. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX 32768
#else
#define GROWTH_MAX 4096
#endif

START_TEST(a_slow_client_slows_the_upstream_and_costs_no_memory)
{
    int fd = proxy_connect(run.port), own = 128 << 10;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &own, sizeof(own));
    ask("GET /up/body/1 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    struct proxy_memory before = proxy_memory_now(&run);
    upstream_text(fd, "GET /up/body/80000000 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    ck_assert_int_lt(proxy_wait_until_held(&run, &before), proxy_socket_kib() + GROWTH_MAX);
    proxy_memory_check(&run, &before, GROWTH_MAX);
    buf_clear(&answer);
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    ck_assert_uint_eq(answer.len - (size_t)(body_of(&answer) - answer.ptr), 80000000);
}
END_TEST

/* --- what does not --- */

static const struct {
    const char *request;
    const char *status, *code;
} refused[] = {
    {"GET /nowhere/x HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                      "404",
     "no_such_upstream"                                                                                               },
    { "GET /a/b/up/x HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                      "404", "no_such_upstream"},
    { "GET http://127.0.0.1:1/x HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n", "404",
     "no_such_upstream"                                                                                               },
    { "GET /up/a/../b HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                     "400", "bad_path"        },
    { "OPTIONS * HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                          "400", "no_path"         },
    { "GET /up/%2E%2e/b HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                   "400", "bad_path"        },
    { "GET /dead/x HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                        "502",
     "upstream_unreachable"                                                                                           },
    { "GET /up/close HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                      "502", "upstream_closed" },
    { "GET /up/garbage HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",                    "502",
     "upstream_malformed"                                                                                             },
    { "POST /up/x HTTP/1.1\r\nHost: w\r\nContent-Length: 99999999999\r\n\r\n",               "413",
     "body_too_large"                                                                                                 },
 /* Smuggling: each has two readings. */
    { "POST /up/x HTTP/1.1\r\nHost: w\r\nContent-Length: 4\r\nTransfer-Encoding: chunked"
      "\r\n\r\n0\r\n\r\n",                                                              "400", "bad_request"     },
    { "POST /up/x HTTP/1.1\r\nHost: w\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",    "400",
     "bad_request"                                                                                                    },
    { "POST /up/x HTTP/1.1\r\nHost: w\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",      "400",
     "bad_request"                                                                                                    },
    { "POST /up/x HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",      "400",
     "bad_request"                                                                                                    },
    { "GET /up/x HTTP/1.1\nHost: w\n\n",                                                     "400", "bad_request"     },
    { "GET /up/x HTTP/1.1\r\nHost: w\r\nA: b\r\n c\r\n\r\n",                                 "400", "bad_request"     },
    { "POST /up/x HTTP/1.1\r\nHost: w\r\nContent-Length: +4\r\n\r\nabcd",                    "400", "bad_request"     },
};

START_TEST(what_cannot_be_passed_on_is_answered_in_our_words)
{
    ask(refused[_i].request);
    ck_assert_msg(strncmp(buf_cstr(&answer), "HTTP/1.1 ", 9) == 0, "%s", answer.ptr);
    ck_assert_msg(strncmp(answer.ptr + 9, refused[_i].status, 3) == 0, "%s", answer.ptr);
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), refused[_i].code);
    ck_assert(has(body_of(&answer), "{\"error\":{\"type\":\"weir_error\",\"code\":\""));
}
END_TEST

START_TEST(the_log_says_what_is_wrong_with_a_request)
{
    ask("GET /up/x HTTP/1.1\r\nHost: w\r\nsk-secret : x\r\n\r\n");
    wait_for_log("reason=\"malformed request: invalid header token\"");
}
END_TEST

START_TEST(a_head_beyond_the_limit_is_431)
{
    struct buf request = { 0 };

    buf_add_text(&request, "GET /up/x HTTP/1.1\r\nHost: w\r\n");
    for (int i = 0; i < 300; i++)
        buf_addf(&request, "h%d: x\r\n", i);
    buf_add_text(&request, "\r\n");
    ask(buf_cstr(&request));
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "head_too_large");
    buf_release(&request);
}
END_TEST

START_TEST(a_cut_answer_is_cut_for_the_client_too)
{
    ask("GET /up/cut HTTP/1.1\r\nHost: w\r\n\r\n");
    ck_assert_str_eq(body_of(&answer), "5\r\nhello\r\n");
    ask("GET /up/short HTTP/1.1\r\nHost: w\r\n\r\n");
    ck_assert_str_eq(body_of(&answer), "hello");
}
END_TEST

START_TEST(time_limits_are_answered)
{
    proxy_start(&run, "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"
                      "archive: {path: ./archive}\n"
                      "limits: {head_time: 300ms, body_time: 300ms, body: 1KiB}\n");
    ask("GET /up/x HTT");
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "request_timeout");
    ask("POST /up/echo HTTP/1.1\r\nHost: w\r\nContent-Length: 5\r\n\r\nabc");
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "request_timeout");
    ask("POST /up/echo HTTP/1.1\r\nHost: w\r\nContent-Length: 1025\r\n\r\n");
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "body_too_large");
    stop();
}
END_TEST

START_TEST(an_upstream_that_does_not_answer_is_504)
{
    struct buf settings = { 0 };

    proxy_start(&run, BASIC);
    proxy_end(&run, SIGTERM);
    struct err err;
    buf_addf(
        &settings,
        "upstreams: {up: {url: \"http://127.0.0.1:%d\", proxy: none, timeouts: {head: 300ms}}}\n"
        "listen: {address: \"127.0.0.1:0\"}\narchive: {path: ./archive}\n",
        run.upstream_port);
    ck_assert_int_eq(file_replace(run.conf_path, buf_str(&settings), 0600, &err), 0);
    buf_release(&settings);
    proxy_launch(&run);
    ask("GET /up/never HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "upstream_timeout");
    stop();
}
END_TEST

/* --- what is recorded --- */

struct found {
    const char *id; /* the exchange looked for */
    int count;
    bool ended, truncated;
    int status;
    enum error_class error;
    char app[32], team[32], path[64], key_id[32], trace[40];
    struct buf request, response;
    size_t chunks;
    uint64_t first_us, last_us;
};

static void copy_text(char ret[static 32], struct str s)
{
    snprintf(ret, 32, "%.*s", STR_ARG(s));
}

static void find(void *ctx, const struct exchange *x, bool ended)
{
    struct found *f = ctx;
    char id[UUID_TEXT_BYTES];

    if (strcmp(uuid_format(x->id, id), f->id) != 0)
        return;
    f->count++;
    f->ended = ended;
    f->truncated = x->truncated;
    f->status = x->status;
    f->error = x->transport_error;
    copy_text(f->app, x->who.app);
    copy_text(f->team, x->who.team);
    copy_text(f->key_id, x->key_id);
    snprintf(f->path, sizeof(f->path), "%.*s", STR_ARG(x->path));
    snprintf(f->trace, sizeof(f->trace), "%.*s", STR_ARG(x->trace_id));
    buf_add_str(&f->request, x->request_body);
    buf_add_str(&f->response, x->response_body);
    f->chunks = x->chunk_count;
    if (x->chunk_count) {
        f->first_us = x->chunks[0].offset_us;
        f->last_us = x->chunks[x->chunk_count - 1].offset_us;
    }
}

static void found_release(struct found *f)
{
    buf_release(&f->request);
    buf_release(&f->response);
}

START_TEST(the_record_is_what_was_sent)
{
    char id[256];

    start_basic();
    int fd = proxy_connect(run.port);
    buf_clear(&answer);
    upstream_text(fd, "POST /bot/up/steps/4 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                      "Authorization: Bearer sk-1\r\nContent-Length: 7\r\n"
                      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                      "\r\n{\"a\":1}");
    read_steps(fd, 4, 40);
    close(fd);
    snprintf(id, sizeof(id), "%s", proxy_header(&answer, "x-weir-exchange-id"));
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);

    struct found f = { .id = id };
    proxy_each_record(&run, find, &f);
    ck_assert_int_eq(f.count, 1);
    ck_assert(f.ended && !f.truncated);
    ck_assert_int_eq(f.status, 200);
    ck_assert_str_eq(f.app, "bot");
    ck_assert_str_eq(f.team, "support");
    ck_assert_str_eq(f.path, "/bot/up/steps/4");
    ck_assert_uint_eq(strlen(f.key_id), 16);
    ck_assert_str_eq(f.trace, "0af7651916cd43dd8448eb211c80319c");
    ck_assert_str_eq(buf_cstr(&f.request), "{\"a\":1}");
    ck_assert_str_eq(buf_cstr(&f.response), "data: {\"n\":0}\n\ndata: {\"n\":1}\n\n"
                                            "data: {\"n\":2}\n\ndata: {\"n\":3}\n\n");
    ck_assert_uint_eq(f.chunks, 4);
    ck_assert_uint_ge(f.last_us - f.first_us, 3 * 40000);
    found_release(&f);
    proxy_launch(&run);
    stop();
}
END_TEST

static const struct {
    const char *path;
    int status;
    bool truncated;
    enum error_class error;
} outcomes[] = {
    {"/up/cut",         200, true,  ERROR_CLASS_STREAM_CUT},
    { "/up/short",      200, true,  ERROR_CLASS_STREAM_CUT},
    { "/up/close",      502, false, ERROR_CLASS_TRANSPORT },
    { "/dead/x",        502, false, ERROR_CLASS_TRANSPORT },
    { "/up/garbage",    502, false, ERROR_CLASS_MALFORMED },
    { "/up/status/429", 429, false, ERROR_CLASS_NONE      },
};

START_TEST(every_outcome_is_recorded_as_what_it_was)
{
    char id[256], request[200];

    start_basic();
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
             outcomes[_i].path);
    ask(request);
    snprintf(id, sizeof(id), "%s", proxy_header(&answer, "x-weir-exchange-id"));
    proxy_end(&run, SIGTERM);
    struct found f = { .id = id };
    proxy_each_record(&run, find, &f);
    ck_assert_int_eq(f.count, 1);
    ck_assert_int_eq(f.status, outcomes[_i].status);
    ck_assert_int_eq(f.truncated, outcomes[_i].truncated);
    ck_assert_int_eq(f.error, outcomes[_i].error);
    found_release(&f);
    proxy_launch(&run);
    stop();
}
END_TEST

START_TEST(a_request_that_is_refused_in_its_middle_is_recorded_as_denied)
{
    char id[256];

    start_basic();
    int fd = proxy_connect(run.port);
    buf_clear(&answer);
    upstream_text(fd, "POST /up/echo HTTP/1.1\r\nHost: w\r\nExpect: 100-continue\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n");
    proxy_read_until(fd, "100 Continue", &answer);
    upstream_text(fd, "2\r\nhi\r\nthis is no chunk\r\n");
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    ck_assert_msg(has(buf_cstr(&answer), "HTTP/1.1 400 "), "%s", buf_cstr(&answer));
    snprintf(id, sizeof(id), "%s", proxy_header(&answer, "x-weir-exchange-id"));
    ck_assert_int_eq(metric("weir_upstream_failures_total"), 0);
    proxy_end(&run, SIGTERM);
    struct found f = { .id = id };
    proxy_each_record(&run, find, &f);
    ck_assert_int_eq(f.status, 400);
    ck_assert_int_eq(f.error, ERROR_CLASS_DENIED);
    found_release(&f);
    proxy_launch(&run);
    stop();
}
END_TEST

START_TEST(a_client_that_leaves_is_recorded_and_its_upstream_stopped)
{
    char id[256];

    start_basic();
    int fd = proxy_connect(run.port);
    buf_clear(&answer);
    upstream_text(fd, "GET /up/sse/1000/20 HTTP/1.1\r\nHost: w\r\n\r\n");
    proxy_read_until(fd, "{\"n\":2}", &answer);
    snprintf(id, sizeof(id), "%s", proxy_header(&answer, "x-weir-exchange-id"));
    close(fd);
    proxy_wait_for(&run, "weir_clients_gone_total", 1);
    proxy_wait_for(&run, "weir_exchanges_open", 0);
    proxy_end(&run, SIGTERM);
    struct found f = { .id = id };
    proxy_each_record(&run, find, &f);
    ck_assert_int_eq(f.error, ERROR_CLASS_CLIENT_GONE);
    ck_assert(f.truncated && f.ended);
    ck_assert_uint_gt(f.response.len, 0);
    found_release(&f);
    proxy_launch(&run);
    stop();
}
END_TEST

static const char *secret_found;

static int grep_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    static const char *const secrets[] = { "sk-planted-1", "sk-planted-2", "sk-planted-3",
                                           "sk-planted-4", "sk-configured" };
    struct buf bytes = { 0 };
    struct err err;

    (void)st, (void)where;
    if (kind == FTW_F && file_read(path, 64u << 20, &bytes, &err) == 0)
        for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
            if (bytes.len && memmem(bytes.ptr, bytes.len, secrets[i], strlen(secrets[i])))
                secret_found = secrets[i];
    buf_release(&bytes);
    return 0;
}

START_TEST(no_file_has_a_credential)
{
    struct archive *a = NULL;
    struct seal_stats stats;
    struct err err;

    setenv("WEIR_TEST_KEY", "sk-configured", 1);
    proxy_start(&run, BASIC);
    proxy_end(&run, SIGTERM);
    struct buf text = { 0 };
    buf_addf(&text,
             "upstreams:\n  up: {url: \"http://127.0.0.1:%d\", proxy: none}\n"
             "  own: {url: \"http://127.0.0.1:%d\", proxy: none, key: {env: WEIR_TEST_KEY}}\n"
             "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"
             "archive: {path: ./archive}\n",
             run.upstream_port, run.upstream_port);
    ck_assert_int_eq(file_replace(run.conf_path, buf_str(&text), 0600, &err), 0);
    buf_release(&text);
    proxy_launch(&run);

    ask("POST /up/body/5?key=sk-planted-3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
        "Authorization: Bearer sk-planted-1\r\nx-api-key: sk-planted-2\r\n"
        "Content-Length: 2\r\n\r\nhi");
    ck_assert(has(answer.ptr, "200 OK"));
    ask("GET /own/nowhere/../x?key=sk-planted-3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
        "x-api-key: sk-planted-4\r\n\r\n");
    ask("GET /dead/x?key=sk-planted-3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\nx-api-key: "
        "sk-planted-4\r\n\r\n");
    /* The body of this one is what the upstream saw: it proves that the key was replaced, and being
     * a body it is recorded as it is; so it goes to a proxy whose records are not looked at. */
    proxy_end(&run, SIGTERM);
    ck_assert_int_eq(archive_open(run.archive_path, false, &a, &err), 0);
    ck_assert_msg(seal_run(a, NULL, &stats, &err) == 0, "%s", err.text);
    archive_close(a);
    ck_assert_int_eq(proxy_count_records(&run), 1); /* the others reached no upstream of it */
    secret_found = NULL;
    nftw(temp_folder, grep_file, 16, FTW_PHYS);
    ck_assert_msg(secret_found == NULL, "'%s' is in a file", secret_found);

    proxy_launch(&run);
    ask("GET /own/echo HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
        "Authorization: Bearer sk-planted-1\r\n\r\n");
    ck_assert(has(answer.ptr, "authorization: Bearer sk-configured\r\n"));
    ck_assert(!has(answer.ptr, "sk-planted-1"));
    stop();
}
END_TEST

/* --- kill -9 --- */

#define KILLS        20
#define KILL_CLIENTS 4

struct delivered {
    pthread_mutex_t lock;
    int port;
    atomic_bool stop;
    size_t count;
    char ids[65536][37];
};
static struct delivered delivered;

/* Reads one answer of known length; false if it is not there in full. */
static bool read_answer(int fd, struct buf *in)
{
    for (;;) {
        const char *end = in->len ? memmem(in->ptr, in->len, "\r\n\r\n", 4) : NULL;
        if (end && in->len - (size_t)(end + 4 - in->ptr) >= 100)
            return true;
        char *at = buf_reserve(in, 4096);
        ssize_t n = recv(fd, at, 4096, 0);
        if (n <= 0)
            return false;
        in->len += (size_t)n;
    }
}

static void *keep_asking(void *ctx)
{
    struct buf in = { 0 };
    int fd = proxy_connect(delivered.port);

    (void)ctx;
    while (!delivered.stop && fd >= 0) {
        buf_clear(&in);
        upstream_text(fd, "GET /up/body/100 HTTP/1.1\r\nHost: w\r\n\r\n");
        if (!read_answer(fd, &in))
            break;
        const char *id = memmem(in.ptr, in.len, "x-weir-exchange-id: ", 20);
        pthread_mutex_lock(&delivered.lock);
        if (id && delivered.count < ARRAY_LEN(delivered.ids))
            memcpy(delivered.ids[delivered.count++], id + 20, 36);
        pthread_mutex_unlock(&delivered.lock);
    }
    if (fd >= 0)
        close(fd);
    buf_release(&in);
    return NULL;
}

static size_t count_delivered(void)
{
    pthread_mutex_lock(&delivered.lock);
    size_t count = delivered.count;
    pthread_mutex_unlock(&delivered.lock);
    return count;
}

static void add_recorded(void *ctx, const struct exchange *x, bool ended)
{
    char id[UUID_TEXT_BYTES];

    if (ended && x->response_body.len == 100)
        map_put(ctx, str_from(uuid_format(x->id, id)), NULL);
}

START_TEST(killed_at_any_moment_strict_has_all_that_was_delivered)
{
    size_t total = 0;

    proxy_start(&run, STRICT);
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        pthread_t threads[KILL_CLIENTS];
        struct map recorded = { 0 };
        delivered.count = 0;
        delivered.stop = false;
        delivered.port = run.port;
        for (int i = 0; i < KILL_CLIENTS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_asking, NULL), 0);
        proxy_sleep_ms(60 + 7 * kill_number);
        for (int i = 0; i < 5000 && count_delivered() <= 200 / KILLS; i++)
            proxy_sleep_ms(2); /* a busy machine takes longer */
        proxy_end(&run, SIGKILL);
        delivered.stop = true;
        for (int i = 0; i < KILL_CLIENTS; i++)
            pthread_join(threads[i], NULL);
        proxy_each_record(&run, add_recorded, &recorded);
        for (size_t i = 0; i < delivered.count; i++)
            ck_assert_msg(map_find(&recorded, (struct str){ delivered.ids[i], 36 }) != NULL,
                          "kill %d: %.36s was delivered and is not recorded", kill_number,
                          delivered.ids[i]);
        total += delivered.count;
        map_release(&recorded);
        snprintf(run.archive_path, sizeof(run.archive_path), "%s/archive%d", temp_folder,
                 kill_number);
        char settings[300];
        snprintf(settings, sizeof(settings),
                 "listen: {address: \"127.0.0.1:0\", workers: 1}\n"
                 "archive: {path: ./archive%d, durability: strict}\n",
                 kill_number);
        proxy_configure(&run, settings);
        proxy_launch(&run);
    }
    ck_assert_uint_gt(total, 200);
    stop();
}
END_TEST

/* --- life --- */

START_TEST(a_changed_configuration_is_taken_over_and_a_bad_one_refused)
{
    start_basic();
    proxy_configure(&run, BASIC "apps: {bot: {team: support}, fixed: {upstream: up}, new: "
                                "{upstream: up}}\n");
    kill(run.pid, SIGHUP);
    wait_for_log("event=reloaded");
    for (int i = 0; i < 3000 && metric("weir_worker_reloads_total") == 0; i++)
        proxy_sleep_ms(10);
    ask("GET /body/1 HTTP/1.1\r\nHost: w\r\nx-weir-app: new\r\nConnection: close\r\n\r\n");
    ck_assert(has(answer.ptr, "200 OK"));

    proxy_configure(&run, BASIC "nonsense: 1\n");
    kill(run.pid, SIGHUP);
    wait_for_log("event=reload_refused");
    wait_for_log("weir.yaml:6:1: ");
    ask("GET /body/1 HTTP/1.1\r\nHost: w\r\nx-weir-app: new\r\nConnection: close\r\n\r\n");
    ck_assert(has(answer.ptr, "200 OK"));
    stop();
}
END_TEST

START_TEST(draining_lets_streams_end)
{
    start_basic();
    int fd = proxy_connect(run.port);
    buf_clear(&answer);
    upstream_text(fd, "GET /up/sse/10/50 HTTP/1.1\r\nHost: w\r\n\r\n");
    proxy_read_until(fd, "{\"n\":0}", &answer);
    kill(run.pid, SIGTERM);
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    ck_assert(has(buf_cstr(&answer), "{\"n\":9}\n\n\r\n0\r\n\r\n"));
    int status;
    waitpid(run.pid, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    proxy_launch(&run);
    stop();
}
END_TEST

START_TEST(a_worker_that_dies_is_replaced)
{
    start_basic();
    kill(proxy_worker_pid(&run, 0), SIGKILL);
    ask("GET /up/body/1 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    ck_assert_msg(has(buf_cstr(&answer), "200 OK"), "%s", answer.ptr);
    wait_for_log("event=worker_ended");
    stop();
}
END_TEST

START_TEST(health_and_readiness_are_told)
{
    struct proxy_run admin;

    start_basic();
    ask("GET /up/body/1 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    admin = run;
    admin.port = run.admin_port;
    proxy_ask(&admin, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    ck_assert(has(answer.ptr, "200 OK"));
    proxy_ask(&admin, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    ck_assert(has(answer.ptr, "200 OK"));
    ck_assert_int_eq(metric("weir_exchanges_recorded_total"), 1);
    ck_assert_int_eq(metric("weir_up"), 1);
    stop();
}
END_TEST

/* What a weir command prints. */
static void weir(const char *arguments, struct buf *ret)
{
    char line[1500];

    snprintf(line, sizeof(line), "%s '%s'", arguments, run.conf_path);
    proxy_command(line, ret);
}

START_TEST(status_and_drain_are_asked_for_over_a_socket)
{
    int status;

    proxy_start(&run, "listen: {address: \"127.0.0.1:0\", status: ./status.sock}\n"
                      "archive: {path: ./archive}\n");
    ask("GET /up/body/1 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n");
    weir("proxy status --format json", &answer);
    ck_assert_msg(has(answer.ptr, "{\"state\":\"serving\",") && has(answer.ptr, "\"requests\":1,"),
                  "%s", answer.ptr);
    weir("proxy drain", &answer);
    ck_assert_msg(has(answer.ptr, "draining"), "%s", answer.ptr);
    waitpid(run.pid, &status, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    proxy_launch(&run);
    stop();
}
END_TEST

/* Workers share their port with each other, but with no other weir. */
START_TEST(a_port_that_is_taken_is_an_error)
{
    char settings[200], line[1600], said[300] = "";

    proxy_start(&run, "listen: {address: \"127.0.0.1:0\", workers: 2}\n"
                      "archive: {path: ./archive}\n");
    snprintf(settings, sizeof(settings),
             "listen: {address: \"127.0.0.1:%d\", workers: 2}\narchive: {path: ./archive}\n",
             run.port);
    proxy_configure(&run, settings);
    snprintf(line, sizeof(line), "timeout 30 %s proxy run %s 2>&1", proxy_weir(), run.conf_path);
    FILE *f = popen(line, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(said, sizeof(said), f));
    ck_assert_int_eq(WEXITSTATUS(pclose(f)), 1);
    ck_assert_msg(strstr(said, "cannot listen: Address already in use") != NULL, "%s", said);
    stop();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_port_that_is_taken_is_an_error);
    tcase_add_test(tc, status_and_drain_are_asked_for_over_a_socket);
    tcase_add_test(tc, time_limits_are_answered);
    tcase_add_test(tc, an_upstream_that_does_not_answer_is_504);
    tcase_add_test(tc, the_record_is_what_was_sent);
    tcase_add_loop_test(tc, every_outcome_is_recorded_as_what_it_was, 0, ARRAY_LEN(outcomes));
    tcase_add_test(tc, a_request_that_is_refused_in_its_middle_is_recorded_as_denied);
    tcase_add_test(tc, a_client_that_leaves_is_recorded_and_its_upstream_stopped);
    tcase_add_test(tc, no_file_has_a_credential);
    tcase_add_test(tc, killed_at_any_moment_strict_has_all_that_was_delivered);
    tcase_add_test(tc, a_changed_configuration_is_taken_over_and_a_bad_one_refused);
    tcase_add_test(tc, draining_lets_streams_end);
    tcase_add_test(tc, a_worker_that_dies_is_replaced);
    tcase_add_test(tc, health_and_readiness_are_told);
}

static void add_passing_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, start_basic, stop);
    tcase_add_test(tc, a_request_reaches_the_upstream_byte_for_byte);
    tcase_add_test(tc, chunks_and_trailers_pass_both_ways);
    tcase_add_test(tc, an_answer_without_framing_gets_one);
    tcase_add_test(tc, requests_sent_ahead_are_answered_in_turn);
    tcase_add_test(tc, a_head_request_is_answered_without_a_body);
    tcase_add_test(tc, a_body_is_asked_for_when_the_upstream_is_there);
    tcase_add_test(tc, an_event_leaves_before_the_next_one_comes);
    tcase_add_test(tc, a_client_that_ends_its_half_of_a_last_request_is_answered);
    tcase_add_test(tc, a_slow_client_slows_the_upstream_and_costs_no_memory);
    tcase_add_loop_test(tc, what_cannot_be_passed_on_is_answered_in_our_words, 0,
                        ARRAY_LEN(refused));
    tcase_add_test(tc, the_log_says_what_is_wrong_with_a_request);
    tcase_add_test(tc, a_head_beyond_the_limit_is_431);
    tcase_add_test(tc, a_cut_answer_is_cut_for_the_client_too);
}

int main(void)
{
    Suite *suite = suite_create("proxy run");
    TCase *passing = tcase_create("one proxy each"), *others = tcase_create("of its own");

    tcase_set_timeout(passing, 60);
    tcase_set_timeout(others, 120);
    add_passing_tests(passing);
    add_tests(others);
    suite_add_tcase(suite, passing);
    suite_add_tcase(suite, others);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
