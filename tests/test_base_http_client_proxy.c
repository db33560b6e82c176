/* Corporate proxies on the way to an upstream, plain and in TLS. */
#include "config.h"

#include "tests/check_main.h"

#include "base/file.h"
#include "tests/forward_proxy.h"
#include "tests/http_client_sample.h"

static void expect_proxied(struct http_origin *o)
{
    struct call call;

    connect_call(o, &call, false);
    ck_assert_str_eq(server.proxied, "CONNECT upstream.invalid:8080 HTTP/1.1\r\n");
    expect_answer(&call, "echo\n");
    end_call(&call, true);
    ck_assert_int_eq(acquire(o, &call, false), 1);
    expect_answer(&call, "echo\n");
    end_call(&call, false);
}

START_TEST(a_proxy_is_gone_through_by_option_and_by_environment)
{
    char url[100];

    start_server(&server, false, POLITE);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
    struct http_origin_options options = { .host = "upstream.invalid", .port = 8080, .proxy = url };
    expect_proxied(origin_of(options));
    options.proxy = NULL;
    setenv("http_proxy", url, 1);
    server.proxied[0] = '\0';
    expect_proxied(origin_of(options));
    options = (struct http_origin_options){ .port = server.port, .proxy = "" };
    struct call call;
    server.proxied[0] = '\0';
    connect_call(origin_of(options), &call, false);
    expect_answer(&call, "echo\n");
    ck_assert_str_eq(server.proxied, "");
    end_call(&call, false);
    stop_server(&server);
}
END_TEST

START_TEST(a_proxy_that_refuses_is_told_apart)
{
    char url[100];

    start_server(&server, false, REFUSING_PROXY);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", server.port);
    struct http_origin_options options = { .host = "upstream.invalid", .proxy = url };
    ck_assert_int_eq(fail_to_connect(options, ""), HTTP_FAILURE_PROXY);
    options.proxy = "http://nobody.invalid:1";
    ck_assert_int_eq(fail_to_connect(options, ""), HTTP_FAILURE_PROXY);
    stop_server(&server);
}
END_TEST

/* --- one that is spoken to in TLS --- */

static struct forward_proxy proxy;
static struct buf pem;
static char proxy_url[100];

static void start_tls_proxy_as(const char *name)
{
    char cert[600], key[600];

    snprintf(cert, sizeof(cert), "%s", temp_path("cert2"));
    snprintf(key, sizeof(key), "%s", temp_path("key2"));
    if (name)
        tls_files_make(cert, key, name, name);
    forward_proxy_start(&proxy, cert, key);
    snprintf(proxy_url, sizeof(proxy_url), "https://localhost:%u", proxy.port);
    ck_assert_int_eq(file_read(cert, 1u << 20, &pem, &err), 0);
}

static void start_tls_proxy(void)
{
    start_tls_proxy_as(NULL);
}

static void stop_tls_proxy(void)
{
    http_pool_free(pool);
    pool = NULL;
    forward_proxy_stop(&proxy);
    stop_server(&server);
    buf_release(&pem);
}

START_TEST(a_proxy_in_tls_is_trusted_as_said_of_it)
{
    bool tls = _i & 1, by_environment = _i & 2;
    struct call call;

    start_server(&server, tls, POLITE);
    start_tls_proxy();
    struct http_origin_options options = { .host = "localhost", .port = server.port, .tls = tls };
    options.proxy_ca_pem = buf_str(&pem);
    options.proxy = by_environment ? NULL : proxy_url;
    if (by_environment)
        setenv(tls ? "https_proxy" : "http_proxy", proxy_url, 1);
    struct http_origin *o = origin_of(options);
    connect_call(o, &call, false);
    for (int i = 0; i < 3; i++)
        expect_answer(&call, "echo\n");
    say(&call, "big\n");
    call.in.len = 0;
    TURN_UNTIL(call.in.len == BIG_BYTES + 4);
    CLEANUP(buf_release) struct buf big = big_answer();
    ck_assert(str_eq(buf_str(&call.in), buf_str(&big)));
    end_call(&call, true);
    ck_assert_int_eq(acquire(o, &call, false), 1); /* and it is kept */
    expect_answer(&call, "bye\n");
    end_call(&call, false);
    ck_assert_int_eq(proxy.tunnels, 1);
    stop_tls_proxy();
}
END_TEST

START_TEST(what_is_trusted_of_the_upstream_is_not_of_the_proxy)
{
    start_server(&server, true, POLITE);
    start_tls_proxy();
    struct http_origin_options options = { .port = server.port, .tls = true, .proxy = proxy_url };
    options.host = "localhost";
    ck_assert_int_eq(fail_to_connect(options, "certificate"), HTTP_FAILURE_PROXY);
    options.ca_pem = buf_str(&pem);
    options.no_verify = true;
    ck_assert_int_eq(fail_to_connect(options, "certificate"), HTTP_FAILURE_PROXY);
    ck_assert_int_eq(proxy.tunnels, 0);
    stop_tls_proxy();
}
END_TEST

START_TEST(a_proxy_with_a_name_of_another_is_not_trusted)
{
    bool by_environment = _i;

    start_server(&server, true, POLITE);
    start_tls_proxy_as("DNS:proxy.invalid");
    struct http_origin_options options = { .port = server.port, .tls = true };
    options.host = "localhost";
    options.proxy = by_environment ? NULL : proxy_url;
    if (by_environment)
        setenv("https_proxy", proxy_url, 1);
    options.proxy_ca_pem = buf_str(&pem);
    ck_assert_int_eq(fail_to_connect(options, "localhost"), HTTP_FAILURE_PROXY);
    ck_assert_int_eq(proxy.tunnels, 0);
    if (by_environment) { /* none on the way: the upstream's is not trusted */
        setenv("no_proxy", "localhost", 1);
        options.ca_pem = buf_str(&pem);
        ck_assert_int_eq(fail_to_connect(options, "certificate"), HTTP_FAILURE_TLS);
    }
    stop_tls_proxy();
}
END_TEST

START_TEST(what_is_trusted_of_the_proxy_is_not_of_the_upstream)
{
    start_server(&server, true, POLITE); /* who is "cert" */
    start_tls_proxy();                   /* who is "cert2" */
    struct http_origin_options options = { .port = server.port, .tls = true, .proxy = proxy_url };
    options.host = "localhost";
    options.proxy_ca_pem = options.ca_pem = buf_str(&pem);
    ck_assert_int_eq(fail_to_connect(options, ""), HTTP_FAILURE_TLS);
    ck_assert_int_eq(proxy.tunnels, 1);
    stop_tls_proxy();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_proxy_is_gone_through_by_option_and_by_environment);
    tcase_add_test(tc, a_proxy_that_refuses_is_told_apart);
    tcase_add_loop_test(tc, a_proxy_in_tls_is_trusted_as_said_of_it, 0, 4);
    tcase_add_test(tc, what_is_trusted_of_the_upstream_is_not_of_the_proxy);
    tcase_add_loop_test(tc, a_proxy_with_a_name_of_another_is_not_trusted, 0, 2);
    tcase_add_test(tc, what_is_trusted_of_the_proxy_is_not_of_the_upstream);
}
CHECK_MAIN("base/http_client to a proxy", add_tests)
