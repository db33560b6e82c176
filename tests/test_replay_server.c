/* The stand-in provider on a socket: framing, keep-alive, limits, counts, its end. */
#include "config.h"

#include "replay/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/check_main.h"
#include "tests/http2_frames.h"
#include "tests/replay_sample.h"

#define RECORDED(path, rest)                                                                       \
    "{\"method\":\"POST\",\"url\":\"https://h.example" path "\",\"req_body\":\"{}\","              \
    "\"status\":200,\"request_us\":0," rest "}\n"

static const char lines[] = RECORDED(
    "/v1/sized", "\"resp_headers\":{\"content-length\":\"5\"},\"resp_body\":\"sized\"")
    RECORDED("/v1/chunked", "\"head_us\":20000,\"end_us\":60000,"
                            "\"chunks\":[[20000,3],[60000,3]],\"resp_body\":\"onetwo\"")
        RECORDED("/v1/cut", "\"truncated\":true,\"resp_body\":\"half\"") RECORDED(
            "/v1/short", "\"truncated\":true,\"resp_headers\":{\"content-length\":\"9\"},"
                         "\"resp_body\":\"half\"")
            RECORDED("/v1/slow", "\"head_us\":1000,\"chunks\":[[400000,4]],\"resp_body\":\"slow\"")
                RECORDED("/v1/endless",
                         "\"head_us\":1000,\"chunks\":[[60000000,4]],\"resp_body\":\"late\"");

#define LARGE_BYTES (600u << 10) /* more than is held for a client that does not read */

static struct replay_sample sample;
static struct buf answer;
static pid_t server_pid;
static int port;

struct child {
    struct loop *loop;
    struct server *server;
    struct loop_io signals;
};

static void stop(void *ctx)
{
    struct child *c = ctx;
    loop_stop(c->loop);
}

static void on_signal(void *ctx, unsigned events)
{
    struct child *c = ctx;

    (void)events;
    loop_io_remove(c->loop, &c->signals);
    server_drain(c->server);
}

/* The server's process: ends by SIGTERM, status 0. */
static void serve(int listener)
{
    struct child c = { 0 };
    struct err err;
    sigset_t set;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (loop_open(&c.loop, &err) < 0)
        abort();
    c.signals =
        (struct loop_io){ .fd = signalfd(-1, &set, SFD_NONBLOCK), .fn = on_signal, .ctx = &c };
    struct server_options o = { .loop = c.loop,
                                .library = sample.library,
                                .listener = listener,
                                .speed = PLAY_SPEED_RECORDED,
                                .on_drained = stop,
                                .ctx = &c };
    if (loop_io_add(c.loop, &c.signals, LOOP_READ, &err) < 0 ||
        server_open(&o, &c.server, &err) < 0 || loop_run(c.loop, &err) < 0)
        abort();
    server_close(c.server);
    loop_close(c.loop);
    library_free(sample.library);
    _exit(0);
}

static void setup(void)
{
    char address[LISTENER_ADDRESS_BYTES];
    uint16_t found;
    struct err err;
    int listener;

    temp_folder_make();
    struct buf all = { 0 };
    buf_add_text(&all, lines);
    buf_add_text(&all,
                 "{\"method\":\"POST\",\"url\":\"https://h.example/v1/large\",\"req_body\":\"{}\","
                 "\"status\":200,\"resp_headers\":{\"content-length\":\"1\"},\"resp_body\":\"");
    for (size_t i = 0; i < LARGE_BYTES; i++)
        buf_add_byte(&all, (char)('a' + i % 26));
    buf_add_text(&all, "\"}\n");
    replay_sample_open(&sample, buf_cstr(&all));
    buf_release(&all);
    ck_assert_int_eq(listener_open(STR("127.0.0.1"), 0, false, &listener, &err), 0);
    listener_address(listener, address, &found);
    port = found;
    server_pid = fork();
    if (server_pid == 0)
        serve(listener);
    close(listener);
}

/* The server ends in order, within a second of being asked to. */
static void end_server(void)
{
    int status = -1;

    kill(server_pid, SIGTERM);
    for (int i = 0; i < 5000 && waitpid(server_pid, &status, WNOHANG) == 0; i++)
        usleep(1000);
    ck_assert_int_eq(status, 0);
}

static void teardown(void)
{
    end_server();
    replay_sample_close(&sample);
    buf_release(&answer);
    temp_folder_remove();
}

static int dial(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const void *any = &at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, any, sizeof(at)), 0);
    return fd;
}

static void say_bytes(int fd, struct str bytes)
{
    ck_assert_int_eq(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
}

static void say(int fd, const char *text)
{
    say_bytes(fd, str_from(text));
}

/* All that comes until the server closes, or until quiet for so long; as text in answer. */
static const char *hear(int fd, int wait_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    buf_clear(&answer);
    while (poll(&p, 1, wait_ms) > 0) {
        char *at = buf_reserve(&answer, 65536);
        ssize_t n = recv(fd, at, 65536, 0);
        if (n <= 0)
            break;
        answer.len += (size_t)n;
    }
    return buf_cstr(&answer);
}

#define POST(path, rest) "POST " path " HTTP/1.1\r\nHost: h\r\n" rest "Content-Length: 2\r\n\r\n{}"
#define CLOSING          "Connection: close\r\n"

static const struct {
    const char *request, *answer; /* whole; answers that end the connection */
} dialogues[] = {
    ROW(POST("/v1/sized", CLOSING),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsized"),
    ROW(POST("/v1/sized", "") POST("/app/up/v1/sized", CLOSING),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsized"
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsized"),
    ROW(POST("/v1/chunked", CLOSING),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
    ROW(POST("/v1/chunked", "") POST("/v1/sized", CLOSING),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsized"),
    ROW("POST /v1/chunked HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo"),
    ROW(POST("/v1/short", ""), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    ROW(POST("/v1/cut", ""), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
    ROW("POST /v1/sized HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: "
        "chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsized"),
    ROW("POST /v1/sized HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\n"
        "Content-Length: 2\r\n\r\n{}",
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsized"),
    ROW("GET /__weir/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nConnection: close\r\n"
        "Content-Length: 16\r\n\r\n{\"status\":\"ok\"}\n"),
    ROW("HEAD /__weir/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nConnection: close\r\n"
        "Content-Length: 16\r\n\r\n"),
};

START_TEST(a_request_gets_its_answer_in_the_framing_it_was_recorded_in)
{
    int fd = dial();

    say(fd, dialogues[_i].request);
    ck_assert_str_eq(hear(fd, 5000), dialogues[_i].answer);
    close(fd);
}
END_TEST

/* What each begins with and has in it. */
static const struct {
    const char *request, *begins, *has;
} refusals[] = {
    ROW(POST("/v1/chat/completions", CLOSING), "HTTP/1.1 404 Not Found\r\n",
        "{\"error\":{\"message\":\"weir: nothing recorded fits POST /v1/chat/completions\""),
    ROW(POST("/v1/messages", CLOSING), "HTTP/1.1 404 Not Found\r\n",
        "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\""),
    ROW(POST("/v1beta/models/m:generateContent", CLOSING), "HTTP/1.1 404 Not Found\r\n",
        "{\"error\":{\"code\":404,\"message\":"),
    ROW(POST("/model/m/converse", CLOSING), "HTTP/1.1 404 Not Found\r\n",
        "x-amzn-errortype: ResourceNotFoundException\r\n"),
    ROW(POST("/api/chat", CLOSING), "HTTP/1.1 404 Not Found\r\n", "{\"error\":\"weir: "),
    ROW("no HTTP at all\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "weir_error"),
    ROW(POST("/__weir/health", CLOSING), "HTTP/1.1 405 Method Not Allowed\r\n", "weir_error"),
    ROW("GET /__weir/other HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n", "/__weir/stats"),
    ROW("POST /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n"),
};

START_TEST(what_cannot_be_answered_is_refused_in_the_providers_form)
{
    int fd = dial();

    say(fd, refusals[_i].request);
    const char *text = hear(fd, 5000);
    ck_assert_msg(strncmp(text, refusals[_i].begins, strlen(refusals[_i].begins)) == 0, "%s", text);
    ck_assert_msg(strstr(text, refusals[_i].has) != NULL, "%s", text);
    close(fd);
}
END_TEST

START_TEST(a_body_beyond_the_limit_is_refused_without_being_held)
{
    static char block[1 << 20];
    int fd = dial();
    struct pollfd p = { .fd = fd, .events = POLLIN };

    say(fd, "POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n");
    for (int i = 0; i < 80 && poll(&p, 1, 0) == 0; i++)
        if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0)
            break;
    ck_assert(strncmp(hear(fd, 5000), "HTTP/1.1 413 ", 13) == 0);
    close(fd);
}
END_TEST

START_TEST(a_request_a_byte_at_a_time_is_a_request)
{
    static const char request[] = POST("/v1/sized", CLOSING);
    int fd = dial();

    for (size_t i = 0; request[i]; i++) {
        send(fd, request + i, 1, MSG_NOSIGNAL);
        if (i % 16 == 0)
            usleep(100);
    }
    ck_assert_ptr_nonnull(strstr(hear(fd, 5000), "\r\n\r\nsized"));
    close(fd);
}
END_TEST

static long stat_of(const char *name)
{
    char want[64];
    int fd = dial();

    say(fd, "GET /__weir/stats HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    snprintf(want, sizeof(want), "\"%s\":", name);
    const char *at = strstr(hear(fd, 5000), want);
    close(fd);
    ck_assert_msg(at != NULL, "no %s in %s", name, buf_cstr(&answer));
    return atol(at + strlen(want));
}

static void wait_for(const char *name, long value)
{
    for (int i = 0; i < 3000 && stat_of(name) != value; i++)
        usleep(10000);
    ck_assert_int_eq(stat_of(name), value);
}

START_TEST(what_happened_is_counted)
{
    static const char *const requests[] = { POST("/v1/sized", CLOSING), POST("/v1/cut", CLOSING),
                                            POST("/v1/nothing", CLOSING) };

    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        int fd = dial();
        say(fd, requests[i]);
        hear(fd, 5000);
        close(fd);
    }
    int fd = dial();
    say(fd, POST("/v1/endless", ""));
    wait_for("requests", 4);
    close(fd);
    wait_for("abandoned", 1);
    ck_assert_int_eq(stat_of("requests"), 4);
    ck_assert_int_eq(stat_of("same"), 3);
    ck_assert_int_eq(stat_of("cut"), 1);
    ck_assert_int_eq(stat_of("unmatched"), 1);
    ck_assert_int_eq(stat_of("exchanges"), 7);
    ck_assert_int_eq(stat_of("connections_open"), 1);
}
END_TEST

START_TEST(an_answer_under_way_ends_before_the_server_does)
{
    int fd = dial(), idle = dial();

    say(fd, POST("/v1/slow", ""));
    wait_for("requests", 1);
    kill(server_pid, SIGTERM);
    ck_assert_ptr_nonnull(strstr(hear(fd, 5000), "4\r\nslow\r\n0\r\n\r\n"));
    ck_assert_str_eq(hear(idle, 5000), "");
    close(fd);
    close(idle);
}
END_TEST

START_TEST(many_streams_play_at_once)
{
    enum { STREAMS = 400 };
    int fds[STREAMS];

    for (int i = 0; i < STREAMS; i++) {
        fds[i] = dial();
        say(fds[i], POST("/v1/slow", CLOSING));
    }
    for (int i = 0; i < STREAMS; i++) {
        ck_assert_ptr_nonnull(strstr(hear(fds[i], 5000), "4\r\nslow\r\n0\r\n\r\n"));
        close(fds[i]);
    }
}
END_TEST

START_TEST(a_client_that_does_not_read_is_waited_for)
{
    int fd = dial();

    say(fd, POST("/v1/large", CLOSING));
    usleep(100000);
    const char *body = strstr(hear(fd, 5000), "\r\n\r\n");
    ck_assert_ptr_nonnull(body);
    ck_assert_uint_eq(strlen(body + 4), LARGE_BYTES);
    ck_assert_int_eq(body[4 + LARGE_BYTES - 1], 'a' + (LARGE_BYTES - 1) % 26);
    close(fd);
}
END_TEST

/* --- HTTP/2 --- */

static void add_h2_request(struct buf *out, uint32_t stream, const char *path)
{
    char head[200];

    snprintf(head, sizeof(head), ":method=POST\n:scheme=http\n:authority=h\n:path=%s\n", path);
    frame_add_head(out, stream, FLAG_END_HEADERS, head);
    frame_add(out, FRAME_DATA, FLAG_END_STREAM, stream, STR("{}"));
}

/* What came of each stream, in order: "3[sized]3. 5[half]5x": data, ends, resets. */
static void read_h2(struct buf *ret, size_t *ret_data_bytes)
{
    struct str rest = buf_str(&answer);
    struct frame f;

    buf_clear(ret);
    *ret_data_bytes = 0;
    while (frame_next(&rest, &f)) {
        if (f.type == FRAME_DATA && f.body.len) {
            *ret_data_bytes += f.body.len;
            buf_addf(ret, "%u[%.*s]", f.stream, STR_ARG(str_sub(f.body, 0, 20)));
        }
        if ((f.type == FRAME_DATA || f.type == FRAME_HEADERS) && f.flags & FLAG_END_STREAM)
            buf_addf(ret, "%u. ", f.stream);
        if (f.type == FRAME_RST)
            buf_addf(ret, "%ux ", f.stream);
        if (f.type == FRAME_GOAWAY)
            buf_add_text(ret, "away ");
    }
    buf_cstr(ret);
}

/* Of an HTTP/2 connection that stays open: until it told that, or 65535 bytes and no more. */
static void hear_until(int fd, const char *what, struct buf *ret, size_t *ret_data_bytes)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    bool is_enough = false;

    buf_clear(&answer);
    while (poll(&p, 1, is_enough ? 100 : 30000) > 0) {
        ssize_t n = recv(fd, buf_reserve(&answer, 65536), 65536, 0);
        ck_assert_int_gt(n, 0);
        answer.len += (size_t)n;
        read_h2(ret, ret_data_bytes);
        is_enough = what ? strstr(ret->ptr, what) != NULL : *ret_data_bytes >= 65535;
    }
    ck_assert_msg(is_enough, "%s", answer.len ? ret->ptr : "nothing");
}

START_TEST(streams_of_one_connection_play_at_once)
{
    CLEANUP(buf_release) struct buf out = { 0 }, told = { 0 };
    size_t bytes;
    int fd = dial();

    frame_add_preface(&out);
    add_h2_request(&out, 1, "/v1/slow");
    add_h2_request(&out, 3, "/app/up/v1/sized");
    add_h2_request(&out, 5, "/v1/cut");
    add_h2_request(&out, 7, "/v1/messages");
    add_h2_request(&out, 9, "/v1/short");
    say_bytes(fd, buf_str(&out));
    hear_until(fd, "1. ", &told, &bytes);
    const char *slow = strstr(told.ptr, "1[slow]1. "), *sized = strstr(told.ptr, "3[sized]3. ");
    ck_assert_msg(slow && sized && sized < slow, "%s", told.ptr);
    ck_assert_msg(strstr(told.ptr, "5[half]") && strstr(told.ptr, "5x "), "%s", told.ptr);
    ck_assert_msg(strstr(told.ptr, "9[half]") && strstr(told.ptr, "9x "), "%s", told.ptr);
    ck_assert_msg(strstr(told.ptr, "7[{\"type\":\"error\"") != NULL, "%s", told.ptr);
    ck_assert_ptr_null(strstr(told.ptr, "away"));
    close(fd);
}
END_TEST

START_TEST(a_stream_waits_for_its_window)
{
    CLEANUP(buf_release) struct buf out = { 0 }, told = { 0 };
    size_t bytes, more;
    int fd = dial();

    frame_add_preface(&out);
    add_h2_request(&out, 1, "/v1/large");
    say_bytes(fd, buf_str(&out));
    hear_until(fd, NULL, &told, &bytes);
    ck_assert_uint_eq(bytes, 65535); /* RFC 9113, 6.9.2 */
    buf_clear(&out);
    frame_add_number(&out, FRAME_WINDOW, 0, LARGE_BYTES);
    frame_add_number(&out, FRAME_WINDOW, 1, LARGE_BYTES);
    say_bytes(fd, buf_str(&out));
    hear_until(fd, "1. ", &told, &more);
    ck_assert_uint_eq(bytes + more, LARGE_BYTES);
    ck_assert_ptr_nonnull(strstr(told.ptr, "1. "));
    close(fd);
}
END_TEST

START_TEST(a_stream_under_way_ends_before_the_server_does)
{
    CLEANUP(buf_release) struct buf out = { 0 }, told = { 0 };
    size_t bytes;
    int fd = dial();

    frame_add_preface(&out);
    add_h2_request(&out, 1, "/v1/slow");
    say_bytes(fd, buf_str(&out));
    wait_for("requests", 1);
    kill(server_pid, SIGTERM);
    hear(fd, 5000);
    read_h2(&told, &bytes);
    ck_assert_msg(strstr(told.ptr, "away ") != NULL, "%s", told.ptr);
    ck_assert_msg(strstr(told.ptr, "1[slow]1. ") != NULL, "%s", told.ptr);
    close(fd);
}
END_TEST

START_TEST(a_client_that_leaves_its_streams_is_counted)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    int fd = dial();

    frame_add_preface(&out);
    add_h2_request(&out, 1, "/v1/endless");
    add_h2_request(&out, 3, "/v1/endless");
    frame_add_number(&out, FRAME_RST, 1, 8);
    say_bytes(fd, buf_str(&out));
    wait_for("abandoned", 1);
    close(fd);
    wait_for("abandoned", 2);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_request_gets_its_answer_in_the_framing_it_was_recorded_in, 0,
                        (int)ARRAY_LEN(dialogues));
    tcase_add_loop_test(tc, what_cannot_be_answered_is_refused_in_the_providers_form, 0,
                        (int)ARRAY_LEN(refusals));
    tcase_add_test(tc, a_body_beyond_the_limit_is_refused_without_being_held);
    tcase_add_test(tc, a_request_a_byte_at_a_time_is_a_request);
    tcase_add_test(tc, what_happened_is_counted);
    tcase_add_test(tc, an_answer_under_way_ends_before_the_server_does);
    tcase_add_test(tc, many_streams_play_at_once);
    tcase_add_test(tc, a_client_that_does_not_read_is_waited_for);
    tcase_add_test(tc, streams_of_one_connection_play_at_once);
    tcase_add_test(tc, a_stream_waits_for_its_window);
    tcase_add_test(tc, a_stream_under_way_ends_before_the_server_does);
    tcase_add_test(tc, a_client_that_leaves_its_streams_is_counted);
}

CHECK_MAIN("replay/server", add_tests)
