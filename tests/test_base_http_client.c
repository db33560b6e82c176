#include "config.h"

#include "tests/check_main.h"

#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>

#include "tests/http_client_sample.h"

static struct http_origin *start(bool tls, struct http_origin_options options)
{
    start_server(&server, tls, POLITE);
    options.tls = tls;
    options.port = server.port;
    return origin_of(options);
}

/* --- using and reusing; each plain and with TLS --- */

START_TEST(a_connection_is_used_kept_and_used_again)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call call, other;

    connect_call(o, &call, false);
    expect_answer(&call, "echo\n");
    ck_assert_str_ne(http_conn_address(call.conn), "");
    end_call(&call, true);
    ck_assert_uint_eq(idle_of(o), 1);
    ck_assert_int_eq(acquire(o, &call, false), 1);
    ck_assert(http_conn_is_reused(call.conn));
    expect_answer(&call, "echo\n");
    connect_call(o, &other, false); /* the idle one is in use */
    end_call(&call, true);
    end_call(&other, false);
    ck_assert_uint_eq(idle_of(o), 1);
    connect_call(o, &call, true);
    end_call(&call, true);
    ck_assert_uint_eq(idle_of(o), 2);
    stop_server(&server);
}
END_TEST

START_TEST(what_the_server_closes_while_idle_is_dropped_at_once)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call call;

    connect_call(o, &call, false);
    expect_answer(&call, "bye\n");
    end_call(&call, true);
    TURN_UNTIL(idle_of(o) == 0);
    stop_server(&server);
}
END_TEST

START_TEST(what_the_server_closed_unseen_is_not_handed_out)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call call;

    connect_call(o, &call, false);
    expect_answer(&call, "bye\n");
    end_call(&call, true);
    ck_assert_uint_eq(idle_of(o), 1);
    while (!server.left) /* no turn of the loop */
        usleep(1000);
    usleep(10000);
    connect_call(o, &call, false);
    expect_answer(&call, "echo\n");
    end_call(&call, false);
    stop_server(&server);
}
END_TEST

/* Without a turn of the loop. */
static void wait_for_more(int count)
{
    while (server.more < count)
        usleep(1000);
    usleep(10000);
}

START_TEST(what_says_more_than_its_answer_is_not_handed_out)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call call;

    for (int seen = 0; seen < 2; seen++) {
        connect_call(o, &call, false);
        expect_answer(&call, "junk\n");
        end_call(&call, true);
        ck_assert_uint_eq(idle_of(o), 1);
        if (seen)
            TURN_UNTIL(idle_of(o) == 0);
        else
            wait_for_more(1);
    }
    stop_server(&server);
}
END_TEST

/* libcurl looks for dead connections when it makes one, once a second, and what has something to
 * read is dead to it. */
START_TEST(an_unread_connection_outlives_the_making_of_another)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call unread, untouched, other;

    connect_call(o, &untouched, true);
    connect_call(o, &unread, true);
    say(&unread, "junk\n");
    usleep(1200000);
    connect_call(o, &other, true);
    http_conn_want(unread.conn, LOOP_READ);
    TURN_UNTIL(unread.in.len == 10);
    ck_assert(str_eq(buf_str(&unread.in), STR("junk\nmore\n")));
    expect_answer(&untouched, "echo\n");
    end_call(&unread, false);
    end_call(&untouched, false);
    end_call(&other, false);
    stop_server(&server);
}
END_TEST

START_TEST(what_is_idle_for_too_long_is_closed)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ .max_idle_age_us = 300000 });
    struct call first, second;

    connect_call(o, &first, true);
    connect_call(o, &second, true);
    end_call(&first, true);
    uint64_t begin_us = loop_now_us(l);
    TURN_UNTIL(loop_now_us(l) > begin_us + 150000);
    end_call(&second, true);
    TURN_UNTIL(idle_of(o) == 1);
    ck_assert_uint_ge(loop_now_us(l), begin_us + 300000);
    TURN_UNTIL(idle_of(o) == 0);
    ck_assert_uint_ge(loop_now_us(l), begin_us + 450000);
    stop_server(&server);
}
END_TEST

START_TEST(as_many_as_allowed_are_kept_and_made)
{
    struct http_origin *o =
        start(_i, (struct http_origin_options){ .max_idle = 1, .max_connections = 3 });
    struct call calls[3], more;

    for (size_t i = 0; i < 3; i++)
        connect_call(o, &calls[i], true);
    ck_assert_int_eq(acquire(o, &more, true), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    end_call(&calls[0], true);
    end_call(&calls[1], true);
    ck_assert_uint_eq(idle_of(o), 1);
    connect_call(o, &calls[0], true);
    /* An idle one makes room for a fresh one. */
    connect_call(o, &calls[1], true);
    ck_assert_uint_eq(idle_of(o), 0);
    for (size_t i = 0; i < 3; i++)
        end_call(&calls[i], false);
    stop_server(&server);
}
END_TEST

START_TEST(much_comes_in_and_goes_out_whole)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call call;
    size_t left = BIG_BYTES, waits = 0, len;
    char block[30000] = "";

    connect_call(o, &call, false);
    say(&call, "big\n");
    http_conn_want(call.conn, LOOP_READ);
    TURN_UNTIL(call.in.len == BIG_BYTES + 4);
    CLEANUP(buf_release) struct buf big = big_answer();
    ck_assert(str_eq(buf_str(&call.in), buf_str(&big)));
    say(&call, "sink\n");
    while (left) {
        struct str piece = { block, left < sizeof(block) ? left : sizeof(block) };
        int r = http_conn_send(call.conn, piece, &len, &err);
        ck_assert_int_ge(r, 0);
        left -= r ? len : 0;
        if (r > 0)
            continue;
        waits++;
        call.writable = false;
        http_conn_want(call.conn, LOOP_WRITE);
        TURN_UNTIL(call.writable);
    }
    ck_assert_uint_gt(waits, 0);
    call.in.len = 0;
    http_conn_want(call.conn, LOOP_READ);
    TURN_UNTIL(call.in.len == 5);
    end_call(&call, true);
    stop_server(&server);
}
END_TEST

START_TEST(nothing_is_told_to_who_wants_nothing)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call call;

    connect_call(o, &call, false);
    say(&call, "bye\n");
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(loop_turn(l, 1000, &err), 0);
    ck_assert_uint_eq(call.in.len, 0);
    http_conn_want(call.conn, LOOP_READ);
    TURN_UNTIL(call.ended);
    ck_assert(str_eq(buf_str(&call.in), STR("bye\n")));
    end_call(&call, false);
    stop_server(&server);
}
END_TEST

START_TEST(a_reset_is_an_error_and_no_end)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call call;

    connect_call(o, &call, false);
    say(&call, "reset\n");
    http_conn_want(call.conn, LOOP_READ);
    TURN_UNTIL(call.ended || call.broken);
    ck_assert(call.broken && !call.ended);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot receive from '"));
    end_call(&call, false);
    stop_server(&server);
}
END_TEST

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

START_TEST(hundreds_at_once_work_and_leave_nothing_behind)
{
    struct http_origin *o =
        start(_i, (struct http_origin_options){ .connect_timeout_us = 60000000 });
    struct call calls[300];
    size_t answered = 0;

    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        ck_assert_int_eq(acquire(o, &calls[i], true), 0);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        TURN_UNTIL(calls[i].connected || calls[i].failed);
        ck_assert_msg(calls[i].connected, "%s", calls[i].why);
        say(&calls[i], "echo\n");
        http_conn_want(calls[i].conn, LOOP_READ);
    }
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        TURN_UNTIL(calls[i].in.len == 5);
        answered++;
    }
    ck_assert_uint_eq(answered, ARRAY_LEN(calls));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        end_call(&calls[i], true);
    ck_assert_uint_eq(idle_of(o), ARRAY_LEN(calls)); /* a peak is not connected anew */
    size_t with = open_descriptors();
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        ck_assert_int_eq(acquire(o, &calls[i], false), 1);
        end_call(&calls[i], false);
    }
    /* The server's ends close in their own time. */
    TURN_UNTIL(open_descriptors() <= with - 2 * ARRAY_LEN(calls));
    stop_server(&server);
}
END_TEST

START_TEST(releasing_while_connecting_ends_it_silently)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call early, late;

    ck_assert_int_eq(acquire(o, &early, false), 0);
    end_call(&early, true);
    ck_assert_int_eq(acquire(o, &late, false), 0);
    ck_assert_int_eq(loop_turn(l, 0, &err), 0);
    if (!late.connected)
        ck_assert_int_eq(http_conn_send(late.conn, STR("x"), &(size_t){ 0 }, &err), -1);
    end_call(&late, false);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(loop_turn(l, 1000, &err), 0);
    ck_assert(!early.connected && !early.failed && idle_of(o) == 0);
    stop_server(&server);
}
END_TEST

START_TEST(a_retired_origin_goes_with_its_last_connection)
{
    struct http_origin *o = start(_i, (struct http_origin_options){ 0 });
    struct call idle, used;

    connect_call(o, &idle, true);
    connect_call(o, &used, true);
    end_call(&idle, true);
    http_origin_retire(o);
    ck_assert_uint_eq(idle_of(o), 0);
    expect_answer(&used, "echo\n");
    end_call(&used, true);
    o = origin_of((struct http_origin_options){ .port = server.port });
    http_origin_retire(o);
    stop_server(&server);
}
END_TEST

/* --- failing to connect --- */

START_TEST(a_closed_port_refuses)
{
    int fd;
    uint16_t port;

    listen_on_loopback(&fd, &port);
    close(fd);
    ck_assert_int_eq(fail_to_connect((struct http_origin_options){ .port = port }, ""),
                     HTTP_FAILURE_CONNECT);
}
END_TEST

START_TEST(a_handshake_without_answer_times_out)
{
    start_server(&server, false, SILENT);
    uint64_t begin_us = loop_now_us(l);
    ck_assert_int_eq(fail_to_connect((struct http_origin_options){ .port = server.port,
                                                                   .tls = true,
                                                                   .connect_timeout_us = 150000 },
                                     ""),
                     HTTP_FAILURE_TIMEOUT);
    ck_assert_uint_ge(loop_now_us(l), begin_us + 140000);
    stop_server(&server);
}
END_TEST

START_TEST(a_certificate_must_be_trusted_and_name_the_host)
{
    char other_ca[600];

    snprintf(other_ca, sizeof(other_ca), "%s", temp_path("cert2"));
    start_server(&server, true, POLITE);
    struct http_origin_options options = { .port = server.port, .tls = true, .ca_path = other_ca };
    ck_assert_int_eq(fail_to_connect(options, "certificate"), HTTP_FAILURE_TLS);
    stop_server(&server);
    options.ca_path = ca_path;
    tls_files_make(ca_path, temp_path("key"), "localhost", "DNS:elsewhere.example");
    start_server(&server, true, POLITE);
    options.port = server.port;
    ck_assert_int_eq(fail_to_connect(options, "localhost"), HTTP_FAILURE_TLS);
    stop_server(&server);
}
END_TEST

START_TEST(without_verification_any_certificate_will_do)
{
    struct call call;

    start_server(&server, true, POLITE);
    struct http_origin *o = origin_of(
        (struct http_origin_options){ .port = server.port, .tls = true, .no_verify = true });
    connect_call(o, &call, false);
    expect_answer(&call, "echo\n");
    end_call(&call, false);
    stop_server(&server);
}
END_TEST

START_TEST(plain_where_tls_is_expected_fails)
{
    start_server(&server, false, SPEAKS_FIRST);
    ck_assert_int_eq(
        fail_to_connect((struct http_origin_options){ .port = server.port, .tls = true }, ""),
        HTTP_FAILURE_TLS);
    stop_server(&server);
}
END_TEST

START_TEST(a_name_that_is_none_is_not_resolved)
{
    enum http_failure failure = fail_to_connect(
        (struct http_origin_options){ .host = "weir.invalid", .connect_timeout_us = 3000000 }, "");

    /* Where no name server answers, it takes longer than that. */
    ck_assert(failure == HTTP_FAILURE_RESOLVE || failure == HTTP_FAILURE_TIMEOUT);
}
END_TEST

/* A name server that is gone: libcurl's own resolver comes by here, too. */
static atomic_int resolving;
static atomic_bool is_back;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = NULL;
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");

    if (name && strcmp(name, "stalled.invalid") == 0) {
        resolving++;
        while (!is_back)
            usleep(10000);
        resolving--;
        return EAI_AGAIN;
    }
    memcpy(&next, &symbol, sizeof(next));
    return next(name, service, hints, ret);
}

START_TEST(a_name_server_that_is_gone_holds_nothing_up)
{
    enum http_failure failure = fail_to_connect(
        (struct http_origin_options){ .host = "stalled.invalid", .connect_timeout_us = 200000 },
        "");

    ck_assert_int_eq(failure, HTTP_FAILURE_TIMEOUT);
    ck_assert_int_eq(resolving, 1); /* still, and nobody waits for it */
    is_back = true;
    while (resolving)
        usleep(10000);
    usleep(100000); /* it cleans up after itself */
}
END_TEST

START_TEST(hosts_that_would_change_the_url_are_refused)
{
    static const char *const hosts[] = { "", "a/b", "a@b", "a b", "a?b", "a#b", "a\r\nb", "[::1]" };

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct http_origin *o = NULL;
        struct http_origin_options options = { .host = hosts[i] };
        ck_assert_int_eq(http_origin_new(pool, &options, &o, &err), -1);
        ck_assert_int_eq(err.code, ERR_USAGE);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, a_connection_is_used_kept_and_used_again, 0, 2);
    tcase_add_loop_test(tc, what_the_server_closes_while_idle_is_dropped_at_once, 0, 2);
    tcase_add_loop_test(tc, what_the_server_closed_unseen_is_not_handed_out, 0, 2);
    tcase_add_loop_test(tc, what_says_more_than_its_answer_is_not_handed_out, 0, 2);
    tcase_add_loop_test(tc, an_unread_connection_outlives_the_making_of_another, 0, 2);
    tcase_add_loop_test(tc, what_is_idle_for_too_long_is_closed, 0, 2);
    tcase_add_loop_test(tc, as_many_as_allowed_are_kept_and_made, 0, 2);
    tcase_add_loop_test(tc, much_comes_in_and_goes_out_whole, 0, 2);
    tcase_add_loop_test(tc, nothing_is_told_to_who_wants_nothing, 0, 2);
    tcase_add_loop_test(tc, a_reset_is_an_error_and_no_end, 0, 2);
    tcase_add_loop_test(tc, hundreds_at_once_work_and_leave_nothing_behind, 0, 2);
    tcase_add_loop_test(tc, releasing_while_connecting_ends_it_silently, 0, 2);
    tcase_add_loop_test(tc, a_retired_origin_goes_with_its_last_connection, 0, 2);
    tcase_add_test(tc, a_closed_port_refuses);
    tcase_add_test(tc, a_handshake_without_answer_times_out);
    tcase_add_test(tc, a_certificate_must_be_trusted_and_name_the_host);
    tcase_add_test(tc, without_verification_any_certificate_will_do);
    tcase_add_test(tc, plain_where_tls_is_expected_fails);
    tcase_add_test(tc, a_name_that_is_none_is_not_resolved);
    tcase_add_test(tc, a_name_server_that_is_gone_holds_nothing_up);
    tcase_add_test(tc, hosts_that_would_change_the_url_are_refused);
}
CHECK_MAIN("base/http_client", add_tests)
