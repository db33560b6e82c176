#include "config.h"

#include "tests/check_main.h"
#include "tests/temp_folder.h"
#include "tests/tls_files.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/buf.h"
#include "base/tls.h"

static struct err err;

static void set_up(void)
{
    temp_folder_make();
    signal(SIGPIPE, SIG_IGN);
    tls_files_make(temp_path("cert"), temp_path("key"), "first", TLS_FILES_LOCAL);
    tls_files_make(temp_path("cert2"), temp_path("key2"), "second", TLS_FILES_LOCAL);
}

static struct str tickets; /* keys to load with; "" = none are given */

static struct tls_context *load(const char *cert, const char *key, const struct tls_context *old)
{
    struct tls_options options = { .replaces = old, .ticket_keys = tickets };
    struct tls_context *c = NULL;
    char cert_path[600];

    snprintf(cert_path, sizeof(cert_path), "%s", temp_path(cert));
    options.cert_path = cert_path;
    options.key_path = temp_path(key);
    ck_assert_msg(tls_context_load(&options, &c, &err) == 0, "%s", err.text);
    return c;
}

/* --- both ends in one thread --- */

struct ends {
    int fds[2]; /* the server's, the client's */
    struct tls_conn *server;
    SSL_CTX *client_context;
    SSL *client;
    SSL_SESSION *session; /* to be resumed */
};

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct ends *e = SSL_get_app_data(ssl);

    SSL_SESSION_free(e->session);
    e->session = session;
    return 1;
}

static void open_ends(struct ends *e, struct tls_context *c, int version, const char *alpn)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, e->fds), 0);
    e->server = tls_conn_new(c, e->fds[0]);
    e->client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(e->client_context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(e->client_context, keep_session);
    SSL_CTX_set_max_proto_version(e->client_context, version);
    SSL_CTX_set_min_proto_version(e->client_context, version);
    e->client = SSL_new(e->client_context);
    SSL_set_app_data(e->client, e);
    SSL_set_fd(e->client, e->fds[1]);
    SSL_set_tlsext_host_name(e->client, "weir.example");
    if (alpn)
        SSL_set_alpn_protos(e->client, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    if (e->session)
        SSL_set_session(e->client, e->session);
    SSL_set_connect_state(e->client);
}

static void close_ends(struct ends *e)
{
    tls_conn_free(e->server);
    SSL_free(e->client);
    SSL_CTX_free(e->client_context);
    close(e->fds[0]);
    close(e->fds[1]);
}

/* The status the server's side ends with. */
static enum tls_status shake_hands(struct ends *e)
{
    enum tls_status status = TLS_WANT_READ;

    for (size_t i = 0; i < 20 && (status == TLS_WANT_READ || status == TLS_WANT_WRITE); i++) {
        SSL_do_handshake(e->client);
        status = tls_conn_handshake(e->server, &err);
    }
    SSL_do_handshake(e->client); /* the server's last message, in TLS 1.2 */
    return status;
}

static void expect_from_client(struct ends *e, const char *text)
{
    char got[100] = "";
    size_t len = 0;

    ck_assert_int_eq(SSL_write(e->client, text, (int)strlen(text)), (int)strlen(text));
    ck_assert_int_eq(tls_conn_read(e->server, got, sizeof(got) - 1, &len, &err), TLS_DONE);
    ck_assert_str_eq(got, text);
    ck_assert_int_eq(tls_conn_read(e->server, got, sizeof(got) - 1, &len, &err), TLS_WANT_READ);
}

static void expect_from_server(struct ends *e, struct str text)
{
    char got[100] = "";
    size_t len = 0;

    ck_assert_int_eq(tls_conn_write(e->server, text, &len, &err), TLS_DONE);
    ck_assert_uint_eq(len, text.len);
    ck_assert_int_eq(SSL_read(e->client, got, sizeof(got) - 1), (int)text.len);
    ck_assert(str_eq(str_from(got), text));
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

START_TEST(bytes_go_both_ways)
{
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    struct ends e = { 0 };

    open_ends(&e, c, versions[_i], NULL);
    ck_assert_msg(shake_hands(&e) == TLS_DONE, "%s", err.text);
    ck_assert_str_eq(tls_conn_version(e.server), _i ? "TLSv1.3" : "TLSv1.2");
    ck_assert(str_eq(tls_conn_server_name(e.server), STR("weir.example")));
    ck_assert_int_eq(tls_conn_alpn(e.server), TLS_ALPN_NONE);
    ck_assert(!tls_conn_is_resumed(e.server));
    expect_from_client(&e, "question");
    expect_from_server(&e, STR("answer"));
    close_ends(&e);
    SSL_SESSION_free(e.session);
}
END_TEST

START_TEST(what_is_read_in_part_is_pending)
{
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    struct ends e = { 0 };
    char byte;
    size_t len;

    open_ends(&e, c, versions[_i], NULL);
    ck_assert_int_eq(shake_hands(&e), TLS_DONE);
    ck_assert_int_eq(SSL_write(e.client, "ab", 2), 2);
    ck_assert_int_eq(tls_conn_read(e.server, &byte, 1, &len, &err), TLS_DONE);
    ck_assert(tls_conn_has_pending(e.server));
    ck_assert_int_eq(tls_conn_read(e.server, &byte, 1, &len, &err), TLS_DONE);
    ck_assert(byte == 'b' && !tls_conn_has_pending(e.server));
    close_ends(&e);
    SSL_SESSION_free(e.session);
}
END_TEST

/* More than the socket takes: the writer waits, nothing is lost, and the buffer may move. */
START_TEST(a_slow_reader_makes_the_writer_wait)
{
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    CLEANUP(buf_release) struct buf sent = { 0 };
    CLEANUP(buf_release) struct buf got = { 0 };
    struct ends e = { 0 };
    size_t at = 0, waits = 0, len = 0;

    for (size_t i = 0; i < 3000000; i++)
        buf_add_byte(&sent, (char)(i * 7 + i / 1000));
    open_ends(&e, c, versions[_i], NULL);
    ck_assert_int_eq(shake_hands(&e), TLS_DONE);
    while (got.len < sent.len) {
        struct str rest = str_sub(buf_str(&sent), at, sent.len);
        char *copy = mem_strndup(rest.ptr, rest.len);
        enum tls_status status =
            rest.len ? tls_conn_write(e.server, (struct str){ copy, rest.len }, &len, &err)
                     : TLS_WANT_WRITE;
        at += status == TLS_DONE ? len : 0;
        free(copy);
        if (status == TLS_DONE)
            continue;
        ck_assert_int_eq(status, TLS_WANT_WRITE);
        waits++;
        int n;
        while ((n = SSL_read(e.client, buf_reserve(&got, 40000), 40000)) > 0)
            got.len += (size_t)n;
    }
    ck_assert(str_eq(buf_str(&got), buf_str(&sent)));
    ck_assert_uint_gt(waits, 2);
    close_ends(&e);
    SSL_SESSION_free(e.session);
}
END_TEST

static const struct {
    const char *offered; /* as on the wire */
    bool no_h2;
    enum tls_alpn chosen;
    bool fails;
} offers[] = {
    {"\x02h2\x08http/1.1",  false, TLS_ALPN_H2,    false},
    { "\x08http/1.1\x02h2", false, TLS_ALPN_H2,    false},
    { "\x08http/1.1",       false, TLS_ALPN_HTTP1, false},
    { "\x02h2\x08http/1.1", true,  TLS_ALPN_HTTP1, false},
    { "\x02h3",             false, TLS_ALPN_NONE,  true },
    { "\x02h2",             true,  TLS_ALPN_NONE,  true },
};

START_TEST(the_protocol_is_agreed_on)
{
    struct tls_context *c = NULL;
    char key_path[600];
    struct ends e = { 0 };

    snprintf(key_path, sizeof(key_path), "%s", temp_path("key"));
    struct tls_options options = { .cert_path = temp_path("cert"),
                                   .key_path = key_path,
                                   .no_h2 = offers[_i].no_h2 };
    ck_assert_int_eq(tls_context_load(&options, &c, &err), 0);
    open_ends(&e, c, TLS1_3_VERSION, offers[_i].offered);
    ck_assert_int_eq(shake_hands(&e), offers[_i].fails ? TLS_FAILED : TLS_DONE);
    if (!offers[_i].fails)
        ck_assert_int_eq(tls_conn_alpn(e.server), offers[_i].chosen);
    close_ends(&e);
    SSL_SESSION_free(e.session);
    tls_context_unref(c);
}
END_TEST

/* --- ends --- */

START_TEST(a_proper_end_and_a_cut_are_told_apart)
{
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    char byte;
    size_t len;

    for (int proper = 0; proper < 2; proper++) {
        struct ends e = { 0 };
        open_ends(&e, c, versions[_i], NULL);
        ck_assert_int_eq(shake_hands(&e), TLS_DONE);
        if (proper)
            SSL_shutdown(e.client);
        shutdown(e.fds[1], SHUT_RDWR);
        ck_assert_int_eq(tls_conn_read(e.server, &byte, 1, &len, &err),
                         proper ? TLS_CLOSED : TLS_FAILED);
        tls_conn_shutdown(e.server);
        close_ends(&e);
        SSL_SESSION_free(e.session);
    }
}
END_TEST

START_TEST(the_client_sees_our_end)
{
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    struct ends e = { 0 };
    char byte;

    open_ends(&e, c, versions[_i], NULL);
    ck_assert_int_eq(shake_hands(&e), TLS_DONE);
    tls_conn_shutdown(e.server);
    int n = SSL_read(e.client, &byte, 1);
    ck_assert_int_eq(SSL_get_error(e.client, n), SSL_ERROR_ZERO_RETURN);
    close_ends(&e);
    SSL_SESSION_free(e.session);
}
END_TEST

START_TEST(what_is_no_tls_fails_the_handshake)
{
    static const char *const hellos[] = { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01" };
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);

    for (size_t i = 0; i < 2; i++) {
        struct ends e = { 0 };
        open_ends(&e, c, TLS1_3_VERSION, NULL);
        ck_assert_int_gt(write(e.fds[1], hellos[i], strlen(hellos[i])), 0);
        shutdown(e.fds[1], SHUT_RDWR);
        ck_assert_int_eq(tls_conn_handshake(e.server, &err), TLS_FAILED);
        ck_assert_ptr_nonnull(strstr(err.text, "cannot begin TLS: "));
        tls_conn_shutdown(e.server);
        close_ends(&e);
    }
}
END_TEST

START_TEST(tls_before_1_2_is_refused)
{
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    struct ends e = { 0 };

    open_ends(&e, c, TLS1_1_VERSION, NULL);
    SSL_set_security_level(e.client, 0);
    SSL_set_cipher_list(e.client, "ALL:@SECLEVEL=0");
    ck_assert_int_eq(shake_hands(&e), TLS_FAILED);
    close_ends(&e);
}
END_TEST

/* --- reloading --- */

static void expect_subject(struct ends *e, const char *common_name)
{
    X509 *cert = SSL_get1_peer_certificate(e->client);
    char name[100];

    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
    ck_assert_str_eq(name, common_name);
    X509_free(cert);
}

START_TEST(a_reload_leaves_running_connections_alone_and_sessions_resumable)
{
    struct tls_context *first = load("cert", "key", NULL);
    struct ends old = { 0 }, new = { 0 };
    char byte;

    open_ends(&old, first, versions[_i], NULL);
    ck_assert_int_eq(shake_hands(&old), TLS_DONE);
    expect_subject(&old, "first");
    SSL_read(old.client, &byte, 1); /* takes the ticket */

    struct tls_context *second = load("cert2", "key2", first);
    tls_context_unref(first);
    expect_from_client(&old, "still there");
    expect_from_server(&old, STR("so am I"));

    open_ends(&new, second, versions[_i], NULL);
    ck_assert_int_eq(shake_hands(&new), TLS_DONE);
    expect_subject(&new, "second");
    SSL_SESSION_free(new.session);
    close_ends(&new);

    new = (struct ends){ .session = old.session };
    old.session = NULL;
    ck_assert_ptr_nonnull(new.session);
    open_ends(&new, second, versions[_i], NULL);
    tls_context_unref(second);
    ck_assert_int_eq(shake_hands(&new), TLS_DONE);
    ck_assert(tls_conn_is_resumed(new.server));
    expect_from_client(&new, "again");
    close_ends(&new);
    close_ends(&old);
    SSL_SESSION_free(new.session);
    SSL_SESSION_free(old.session);
}
END_TEST

/* Whether a session is resumed by a server with those keys: a copy, which OpenSSL spoils. */
static bool resumes(SSL_SESSION *session, int version, struct str keys)
{
    struct ends e = { .session = SSL_SESSION_dup(session) };
    char byte;

    tickets = keys;
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    tickets = STR("");
    open_ends(&e, c, version, NULL);
    ck_assert_int_eq(shake_hands(&e), TLS_DONE);
    SSL_read(e.client, &byte, 1);
    bool is = tls_conn_is_resumed(e.server);
    expect_from_client(&e, "hello");
    close_ends(&e);
    SSL_SESSION_free(e.session);
    return is;
}

START_TEST(a_ticket_is_taken_by_the_next_keys_and_not_by_those_after)
{
    /* The newest first: of the third period, the second, the first. */
    char keys[3 * TLS_TICKET_KEY_BYTES];
    struct str third = { keys, 2 * TLS_TICKET_KEY_BYTES };
    struct str second = { keys + TLS_TICKET_KEY_BYTES, 2 * TLS_TICKET_KEY_BYTES };
    struct str first = { keys + 2 * TLS_TICKET_KEY_BYTES, TLS_TICKET_KEY_BYTES };
    struct ends e = { 0 };
    char byte;

    for (size_t i = 0; i < sizeof(keys); i++)
        keys[i] = (char)(i * 7 + i / TLS_TICKET_KEY_BYTES);
    tickets = first;
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    open_ends(&e, c, versions[_i], NULL);
    ck_assert_int_eq(shake_hands(&e), TLS_DONE);
    SSL_read(e.client, &byte, 1); /* takes the ticket */
    ck_assert_ptr_nonnull(e.session);
    ck_assert(resumes(e.session, versions[_i], first));
    ck_assert(resumes(e.session, versions[_i], second));
    ck_assert(!resumes(e.session, versions[_i], third));
    ck_assert(!resumes(e.session, versions[_i], STR("")));
    SSL_SESSION_free(e.session);
    close_ends(&e);
}
END_TEST

START_TEST(files_that_do_not_fit_are_refused_with_their_names)
{
    static const struct {
        const char *cert, *key, *text;
    } rows[] = {
        {"cert",     "key2",    "cannot load the key '"},
        { "missing", "key",     "the certificate '"    },
        { "cert",    "missing", "the key '"            },
        { "key",     "key",     "the certificate '"    },
        { "cert",    "cert",    "the key '"            },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_context *c = NULL;
        char cert_path[600];
        snprintf(cert_path, sizeof(cert_path), "%s", temp_path(rows[i].cert));
        struct tls_options options = { .cert_path = cert_path, .key_path = temp_path(rows[i].key) };
        ck_assert_int_eq(tls_context_load(&options, &c, &err), -1);
        ck_assert_int_eq(err.code, ERR_USAGE);
        ck_assert_msg(strstr(err.text, rows[i].text) != NULL, "%s", err.text);
        ck_assert_ptr_null(c);
    }
}
END_TEST

START_TEST(the_end_of_validity_is_told)
{
    CLEANUP(tls_context_unref) struct tls_context *c = load("cert", "key", NULL);
    int64_t left = tls_context_not_after(c) - (int64_t)time(NULL);

    ck_assert_int_gt(left, (TLS_FILES_DAYS - 1) * 24 * 3600);
    ck_assert_int_le(left, TLS_FILES_DAYS * 24 * 3600);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, temp_folder_remove);
    tcase_add_loop_test(tc, bytes_go_both_ways, 0, 2);
    tcase_add_loop_test(tc, what_is_read_in_part_is_pending, 0, 2);
    tcase_add_loop_test(tc, a_slow_reader_makes_the_writer_wait, 0, 2);
    tcase_add_loop_test(tc, the_protocol_is_agreed_on, 0, ARRAY_LEN(offers));
    tcase_add_loop_test(tc, a_proper_end_and_a_cut_are_told_apart, 0, 2);
    tcase_add_loop_test(tc, the_client_sees_our_end, 0, 2);
    tcase_add_test(tc, what_is_no_tls_fails_the_handshake);
    tcase_add_test(tc, tls_before_1_2_is_refused);
    tcase_add_loop_test(tc, a_reload_leaves_running_connections_alone_and_sessions_resumable, 0, 2);
    tcase_add_loop_test(tc, a_ticket_is_taken_by_the_next_keys_and_not_by_those_after, 0, 2);
    tcase_add_test(tc, files_that_do_not_fit_are_refused_with_their_names);
    tcase_add_test(tc, the_end_of_validity_is_told);
}
CHECK_MAIN("base/tls", add_tests)
