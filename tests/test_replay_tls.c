/* Stand-ins that are spoken to in TLS: handshakes that fail as a scenario wants them to. */
#include "config.h"

#include "replay/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>

#include "replay/scenario.h"
#include "tests/check_main.h"
#include "tests/standin_run.h"
#include "tests/temp_folder.h"
#include "tests/tls_files.h"

static struct stand_in it;
static struct buf answer;

static void speak_tls(struct server_options *o, const void *scenario)
{
    char cert[300];
    snprintf(cert, sizeof(cert), "%s", temp_path("cert"));
    struct tls_options tls = { .cert_path = cert,
                               .key_path = temp_path("key"),
                               .may_refuse = true };
    struct trouble_options trouble = { .seed = 1 };
    struct err err;

    if (scenario_parse(str_from(scenario), "s.yaml", &trouble.scenario, &err) < 0 ||
        tls_context_load(&tls, &o->tls, &err) < 0)
        abort();
    o->trouble = trouble_new(&trouble);
}

static void start(const char *scenario)
{
    standin_start(&it, speak_tls, scenario);
}

static void set_up(void)
{
    char cert[300];

    signal(SIGPIPE, SIG_IGN);
    temp_folder_make();
    snprintf(cert, sizeof(cert), "%s", temp_path("cert"));
    tls_files_make(cert, temp_path("key"), "localhost", TLS_FILES_LOCAL);
}

static void tear_down(void)
{
    standin_stop(&it);
    buf_release(&answer);
    temp_folder_remove();
}

/* --- the client --- */

struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

static int dial(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct timeval patience = { .tv_sec = 10 };
    const void *any = &at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, any, sizeof(at)), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* 'w' = the handshake went well, 'a' = a fatal alert handshake_failure, 'x' = anything else. */
static char open_client(struct client *c, int port, int version)
{
    ERR_clear_error();
    *c = (struct client){ .fd = dial(port), .ctx = SSL_CTX_new(TLS_client_method()) };
    SSL_CTX_set_max_proto_version(c->ctx, version);
    c->ssl = SSL_new(c->ctx);
    SSL_set_fd(c->ssl, c->fd);
    if (SSL_connect(c->ssl) == 1)
        return 'w';
    return ERR_GET_REASON(ERR_peek_error()) == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE ? 'a' : 'x';
}

static void close_client(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

/* 'w' = an answer came, 'r' = the connection was lost. */
static char ask_client(struct client *c, const char *model)
{
    char request[400], body[200], in[4000];

    snprintf(body, sizeof(body), "{\"model\":\"%s\",\"messages\":[]}", model);
    snprintf(request, sizeof(request),
             "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    ck_assert_int_gt(SSL_write(c->ssl, request, (int)strlen(request)), 0);
    int n = SSL_read(c->ssl, in, sizeof(in) - 1);
    return n > 0 && strncmp(in, "HTTP/1.1 200 ", 13) == 0 ? 'w' : 'r';
}

/* A call on a connection of its own. */
static char call(int port, int version, const char *model)
{
    struct client c;
    char how = open_client(&c, port, version);

    if (how == 'w')
        how = ask_client(&c, model);
    close_client(&c);
    return how;
}

static const char *control(const char *method, const char *path, const char *body)
{
    int fd = dial(it.ports[PORT_CONTROL]);
    char request[400];
    ssize_t n;

    snprintf(request, sizeof(request),
             "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
             method, path, strlen(body), body);
    ck_assert_int_gt(send(fd, request, strlen(request), 0), 0);
    buf_clear(&answer);
    while ((n = recv(fd, buf_reserve(&answer, 65536), 65536, 0)) > 0)
        answer.len += (size_t)n;
    close(fd);
    return buf_cstr(&answer);
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

START_TEST(a_handshake_that_fails_is_a_fatal_alert)
{
    start("faults: [{fault: tls_failure, upstream: a}]\n");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(call(it.ports[PORT_A], versions[_i], "m"), 'a');
    ck_assert_int_eq(call(it.ports[PORT_B], versions[_i], "m"), 'w');
    /* each is an attempt, though nobody knows what it would have asked for */
    const char *stats = control("GET", "/-/stats", "");
    ck_assert_msg(strstr(stats, "\"a\":{\"attempts\":3,\"answered\":0,\"refused\":0,\"struck\":3"),
                  "%s", stats);
    ck_assert_msg(strstr(stats, "\"incidents\":[{\"upstream\":\"a\",\"model\":\"unknown\","), "%s",
                  stats);
    ck_assert_ptr_nonnull(strstr(control("GET", "/-/faults", ""), "\"struck\":3}"));
}
END_TEST

START_TEST(who_was_connected_before_has_to_come_anew)
{
    struct client idle;
    char byte;

    start("faults: [{fault: tls_failure, upstream: a, from: 1h, to: 2h}]\n");
    ck_assert_int_eq(open_client(&idle, it.ports[PORT_A], versions[_i]), 'w');
    ck_assert_int_eq(ask_client(&idle, "m"), 'w');
    control("POST", "/-/scenario/time", "90m");
    ck_assert_int_le(SSL_read(idle.ssl, &byte, 1), 0);
    close_client(&idle);
    ck_assert_int_eq(call(it.ports[PORT_A], versions[_i], "m"), 'a');
    control("POST", "/-/scenario/time", "3h");
    ck_assert_int_eq(call(it.ports[PORT_A], versions[_i], "m"), 'w');
}
END_TEST

/* The handshake cannot know what will be asked. */
START_TEST(what_strikes_only_some_is_a_reset_behind_the_request)
{
    start("faults: [{fault: tls_failure, model: bad}]\n");
    ck_assert_int_eq(call(it.ports[PORT_A], versions[_i], "bad"), 'r');
    ck_assert_int_eq(call(it.ports[PORT_A], versions[_i], "good"), 'w');
}
END_TEST

/* --- what is played as something else, and said to be --- */

static const struct {
    const char *fault;
    bool has_tls, has_names;
    const char *as; /* "" = nothing else */
} stand_ins[] = {
    {"dns_failure, upstream: a",                    true,  false, "as connect_refused"                      },
    { "dns_failure, upstream: a",                   true,  true,  ""                                        },
    { "dns_failure, upstream: a, for: 1m",          true,  true,  "as connect_refused"                      },
    { "dns_failure, upstream: a, probability: 50%", true,  true,  "as connect_refused"                      },
    { "dns_failure, upstream: a, model: m",         true,  true,  "as connect_refused"                      },
    { "dns_stall",                                  true,  true,  "the connection is accepted, and the answ"},
    { "connect_stall",                              true,  true,  "the connection is accepted and nothing"  },
    { "connect_refused",                            false, false, ""                                        },
    { "connect_refused, for: 1m",                   false, false, ""                                        },
    { "connect_refused, probability: 50%",          false, false, "really refused where"                    },
    { "tls_failure",                                true,  false, ""                                        },
    { "tls_failure, app: x",                        true,  false, "really so"                               },
    { "tls_failure",                                false, true,  "really so"                               },
    { "overloaded, probability: 50%",               false, false, ""                                        },
};

START_TEST(a_stand_in_for_a_fault_is_told)
{
    CLEANUP(scenario_free) struct scenario *s = NULL;
    struct scenario_means means = { stand_ins[_i].has_tls, stand_ins[_i].has_names };
    char text[200];
    struct err err;

    snprintf(text, sizeof(text), "faults: [{fault: %s}]\n", stand_ins[_i].fault);
    ck_assert_msg(scenario_parse(str_from(text), "s", &s, &err) == 0, "%s", err.text);
    const char *as = scenario_stand_in(s, 0, means);
    ck_assert_int_eq(as != NULL, *stand_ins[_i].as != '\0');
    ck_assert_msg(!as || strncmp(as, stand_ins[_i].as, strlen(stand_ins[_i].as)) == 0, "%s", as);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, a_handshake_that_fails_is_a_fatal_alert, 0, (int)ARRAY_LEN(versions));
    tcase_add_loop_test(tc, who_was_connected_before_has_to_come_anew, 0, (int)ARRAY_LEN(versions));
    tcase_add_loop_test(tc, what_strikes_only_some_is_a_reset_behind_the_request, 0,
                        (int)ARRAY_LEN(versions));
    tcase_add_loop_test(tc, a_stand_in_for_a_fault_is_told, 0, (int)ARRAY_LEN(stand_ins));
}
CHECK_MAIN("replay in TLS", add_tests)
