/* Reloads of the built weir under load: configuration and certificate, by signal and by change. */
#include "config.h"

#include <dirent.h>
#include <openssl/ssl.h>
#include <sys/wait.h>

#include "tests/check_main.h"
#include "tests/forward_proxy.h"
#include "tests/proxy_memory.h"
#include "tests/tls_files.h"

#define STORM_MS 5000
#define EVERY_MS 100

static struct proxy_run run;

static const char *at(const char *name)
{
    static char paths[4][400];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", temp_folder, name);
    return path;
}

/* One of two certificates, "one" or "two", comes to where the configuration says: the key first, so
 * that for a moment they do not fit. */
static void take_certificate(const char *name)
{
    char file[100];
    static const char *const kinds[] = { "key", "cert" };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct buf pem = { 0 };
        struct err err;
        snprintf(file, sizeof(file), "%s.%s", name, kinds[i]);
        ck_assert_int_eq(file_read(at(file), 1u << 20, &pem, &err), 0);
        ck_assert_int_eq(file_replace(at(kinds[i]), buf_str(&pem), 0600, &err), 0);
        buf_release(&pem);
    }
}

static const char *tickets = ""; /* more of tls */

static void configure(int round, bool tls)
{
    char text[700];

    snprintf(
        text, sizeof(text),
        "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 2, grace: 10s%s%s%s}\n"
        "archive: {path: ./archive}\n"
        "apps: {bot: {team: team%d}}\n",
        tls ? ", tls: {cert: cert, key: key" : "", tls ? tickets : "", tls ? "}" : "", round);
    proxy_configure(&run, text);
}

static void start(bool tls)
{
    proxy_prepare(&run, "");
    tls_files_make(at("one.cert"), at("one.key"), "one", TLS_FILES_LOCAL);
    tls_files_make(at("two.cert"), at("two.key"), "two", TLS_FILES_LOCAL);
    take_certificate("one");
    configure(0, tls);
    proxy_launch(&run);
}

static void stop(void)
{
    proxy_stop(&run);
}

static int count_in_log(const char *part)
{
    struct buf log = { 0 };
    struct err err;
    int count = 0;

    ck_assert_int_eq(file_read(run.log_path, 64u << 20, &log, &err), 0);
    for (const char *p = buf_cstr(&log); (p = strstr(p, part)) != NULL; p++)
        count++;
    buf_release(&log);
    return count;
}

static void wait_for_log(const char *part, int count)
{
    for (int i = 0; i < 3000 && count_in_log(part) < count; i++)
        proxy_sleep_ms(10);
    ck_assert_msg(count_in_log(part) >= count, "not %d times '%s' in %s", count, part,
                  run.log_path);
}

static long metric(const char *name)
{
    return proxy_metric(&run, name);
}

/* A change has reached all workers when each has counted it. */
static void wait_for_reloads(long count)
{
    for (int i = 0; i < 3000 && metric("weir_worker_reloads_total") < count; i++)
        proxy_sleep_ms(10);
    ck_assert_int_ge(metric("weir_worker_reloads_total"), count);
}

/* --- a client, plain or TLS --- */

struct peer {
    int fd;
    SSL *ssl;
};

/* A socket with a time limit is interrupted where a machine, or this process, was stopped. */
static bool is_interrupted(const struct peer *p, int r)
{
    return r <= 0 && errno == EINTR && SSL_want(p->ssl) != SSL_NOTHING;
}

static bool peer_open(struct peer *p, SSL_CTX *ctx, SSL_SESSION *session)
{
    struct timeval patience = { .tv_sec = 30 };
    int r;

    *p = (struct peer){ .fd = proxy_connect(run.port) };
    if (p->fd < 0)
        return false;
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (!ctx)
        return true;
    p->ssl = SSL_new(ctx);
    SSL_set_fd(p->ssl, p->fd);
    if (session)
        SSL_set_session(p->ssl, session);
    do
        r = SSL_connect(p->ssl);
    while (is_interrupted(p, r));
    return r == 1;
}

static void peer_close(struct peer *p)
{
    if (p->ssl) {
        SSL_shutdown(p->ssl);
        SSL_free(p->ssl);
    }
    if (p->fd >= 0)
        close(p->fd);
}

static bool peer_send(struct peer *p, const char *text)
{
    int len = (int)strlen(text), r;

    if (!p->ssl)
        return send(p->fd, text, (size_t)len, MSG_NOSIGNAL) == len;
    do
        r = SSL_write(p->ssl, text, len);
    while (is_interrupted(p, r));
    return r == len;
}

static ssize_t peer_recv(struct peer *p, char *ret, size_t size)
{
    ssize_t n;

    if (p->ssl) {
        do
            n = SSL_read(p->ssl, ret, (int)size);
        while (is_interrupted(p, (int)n));
        return n;
    }
    do
        n = recv(p->fd, ret, size, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

/* One request and its answer, which ends with the given text. */
static bool peer_ask(struct peer *p, const char *request, const char *end)
{
    char answer[16384];
    size_t len = 0;

    if (!peer_send(p, request))
        return false;
    while (len < sizeof(answer) - 1) {
        ssize_t n = peer_recv(p, answer + len, sizeof(answer) - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        answer[len] = '\0';
        if (strncmp(answer, "HTTP/1.1 200", len < 12 ? len : 12) != 0)
            return false;
        if (len >= strlen(end) && strcmp(answer + len - strlen(end), end) == 0)
            return true;
    }
    return false;
}

#define SHORT      "GET /bot/up/body/3 HTTP/1.1\r\nHost: w\r\n\r\n"
#define SHORT_END  "\r\n\r\nabc"
#define STREAM     "GET /bot/up/sse/8/40 HTTP/1.1\r\nHost: w\r\n\r\n"
#define STREAM_END "\r\n0\r\n\r\n"

enum habit { KEEPS, COMES_ANEW, STREAMS, HABITS };

/* In a process of its own, until the time is over; exits with what failed (1 at most 100). */
static pid_t load(enum habit habit, bool tls, int ms)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    SSL_CTX *ctx = tls ? SSL_CTX_new(TLS_client_method()) : NULL;
    struct peer p = { .fd = -1 };
    struct timespec from, now;
    bool ok = true, is_open = false;
    int count = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        if (!is_open)
            is_open = ok = peer_open(&p, ctx, NULL);
        if (ok && habit == STREAMS)
            ok = peer_ask(&p, STREAM, STREAM_END);
        else if (ok)
            ok = peer_ask(&p, SHORT, SHORT_END);
        if (habit == COMES_ANEW) {
            peer_close(&p);
            is_open = false;
        }
        count += ok;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (ok && (now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
    if (!ok)
        fprintf(stderr, "client %d (tls %d) failed after %d answers, errno %d\n", (int)habit, tls,
                count, errno);
    _exit(ok && count > 0 ? 0 : 1);
}

/* --- what a worker holds --- */

#define PROCESSES 3 /* the parent and two workers; a sealer comes and goes */

static void list_processes(pid_t ret[static PROCESSES])
{
    ret[0] = run.pid;
    for (int i = 1; i < PROCESSES; i++)
        ret[i] = proxy_worker_pid(&run, i - 1);
}

/* Descriptors of pid; -1 if we may not know. */
static int count_descriptors(pid_t pid)
{
    char path[64];
    int count = 0;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* --- tests --- */

static void storm(bool tls)
{
    pid_t clients[2 * HABITS];
    int rounds = STORM_MS / EVERY_MS;

    for (int i = 0; i < 2 * HABITS; i++)
        clients[i] = load((enum habit)(i % HABITS), tls, STORM_MS);
    for (int i = 1; i <= rounds; i++) {
        proxy_sleep_ms(EVERY_MS);
        if (tls && i % 2)
            take_certificate(i % 4 == 1 ? "two" : "one");
        else
            configure(i, tls);
        kill(run.pid, SIGHUP);
    }
    for (int i = 0; i < 2 * HABITS; i++) {
        int status = 0;
        waitpid(clients[i], &status, 0);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "client %d failed", i);
    }
    ck_assert_int_ge(count_in_log("event=reloaded"), rounds / 5); /* signals can fall together */
    ck_assert_int_eq(count_in_log("event=worker_ended"), 0);
    ck_assert_int_eq(metric("weir_upstream_failures_total"), 0);
    ck_assert_int_eq(metric("weir_answers_5xx_total"), 0);
}

static void listen_on(const char *name)
{
    char settings[300];

    snprintf(settings, sizeof(settings),
             "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", unix: ./%s}\n"
             "archive: {path: ./archive}\nreload: {watch: false}\n",
             name);
    proxy_configure(&run, settings);
}

START_TEST(what_only_a_start_changes_is_told_as_long_as_it_differs)
{
    proxy_prepare(&run, "");
    listen_on("a.sock");
    proxy_launch(&run);
    listen_on("b.sock");
    kill(run.pid, SIGHUP);
    wait_for_log("event=reloaded", 1);
    ck_assert_int_eq(count_in_log("event=reload_in_part"), 1);
    listen_on("a.sock");
    kill(run.pid, SIGHUP);
    wait_for_log("event=reloaded", 2);
    ck_assert_int_eq(count_in_log("event=reload_in_part"), 1);
    listen_on("b.sock");
    kill(run.pid, SIGHUP);
    wait_for_log("event=reloaded", 3);
    ck_assert_int_eq(access(temp_path("a.sock"), F_OK), 0);
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    ck_assert_int_eq(access(temp_path("a.sock"), F_OK), -1);
    proxy_launch(&run); /* for stop */
}
END_TEST

START_TEST(a_storm_of_reloads_fails_no_request)
{
    start(false);
    storm(false);
}
END_TEST

START_TEST(a_storm_of_certificates_fails_no_request)
{
    start(true);
    storm(true);
}
END_TEST

/* KiB that 50 reloads may cost; sanitizers keep what is freed. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX 300000 /* a quarantine of 256 MiB */
#else
#define GROWTH_MAX 2048
#endif

START_TEST(fifty_reloads_leave_nothing_behind)
{
    pid_t pids[PROCESSES];
    int descriptors[PROCESSES];
    long kib[PROCESSES];

    start(true);
    list_processes(pids);
    for (int i = 1; i <= 60; i++) { /* the first ten fill what is kept for good */
        for (int k = 0; k < PROCESSES && i == 11; k++) {
            descriptors[k] = count_descriptors(pids[k]);
            kib[k] = proxy_memory_kib(pids[k]);
        }
        kill(run.pid, SIGHUP);
        wait_for_reloads(2 * i);
    }
    for (int k = 0; k < PROCESSES; k++) {
        ck_assert_int_eq(count_descriptors(pids[k]), descriptors[k]);
        ck_assert_msg(proxy_memory_kib(pids[k]) - kib[k] < GROWTH_MAX, "%ld KiB, then %ld", kib[k],
                      proxy_memory_kib(pids[k]));
    }
}
END_TEST

static void name_of(struct peer *p, char ret[static 64])
{
    X509 *cert = SSL_get1_peer_certificate(p->ssl);

    ck_assert_ptr_nonnull(cert);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, ret, 64);
    X509_free(cert);
}

START_TEST(new_connections_get_the_new_certificate_and_old_ones_keep_theirs)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct peer before, after, again;
    char name[64];

    start(true);
    ck_assert(peer_open(&before, ctx, NULL));
    ck_assert(peer_ask(&before, SHORT, SHORT_END)); /* its ticket comes with the answer */
    SSL_SESSION *session = SSL_get1_session(before.ssl);
    take_certificate("two"); /* and no signal: the change is seen */
    wait_for_log("event=reloaded", 1);
    wait_for_reloads(2);
    ck_assert_int_eq(metric("weir_reloads_total"), 1); /* by two workers */

    ck_assert(peer_ask(&before, SHORT, SHORT_END));
    name_of(&before, name);
    ck_assert_str_eq(name, "one");
    ck_assert(peer_open(&after, ctx, NULL));
    ck_assert(peer_ask(&after, SHORT, SHORT_END));
    name_of(&after, name);
    ck_assert_str_eq(name, "two");
    for (int i = 0; i < 4; i++) { /* by whichever worker */
        ck_assert(peer_open(&again, ctx, session));
        ck_assert(SSL_session_reused(again.ssl) == 1);
        ck_assert(peer_ask(&again, SHORT, SHORT_END));
        peer_close(&again);
    }
    SSL_SESSION_free(session);
    peer_close(&before);
    peer_close(&after);
    SSL_CTX_free(ctx);
    ck_assert_int_gt(metric("weir_certificate_expires_timestamp_seconds"), time(NULL));
}
END_TEST

/* Whether so many connections, by whichever worker, resume it. */
static bool all_resume(SSL_CTX *ctx, SSL_SESSION *session, int count)
{
    bool all = true;

    for (int i = 0; i < count; i++) {
        struct peer p;
        ck_assert(peer_open(&p, ctx, session));
        all &= SSL_session_reused(p.ssl) == 1;
        ck_assert(peer_ask(&p, SHORT, SHORT_END));
        peer_close(&p);
    }
    return all;
}

static SSL_SESSION *new_session(SSL_CTX *ctx)
{
    struct peer p;

    ck_assert(peer_open(&p, ctx, NULL));
    ck_assert(peer_ask(&p, SHORT, SHORT_END));
    SSL_SESSION *session = SSL_get1_session(p.ssl);
    peer_close(&p);
    return session;
}

#define CHANGED "event=ticket_key_changed"

/* On a busy machine a key may change while a try is under way: then there is another. */
START_TEST(tickets_are_taken_over_one_change_of_their_key_and_not_for_ever)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    bool resumed = false;
    int changes = 0;

    setenv("WEIR_TEST_LOG", "debug", 1);
    tickets = ", tickets: 1s";
    start(true);
    unsetenv("WEIR_TEST_LOG");
    tickets = "";
    for (int i = 0; i < 8 && !resumed; i++) {
        changes = count_in_log(CHANGED);
        wait_for_log(CHANGED, changes + 1);
        SSL_SESSION *session = new_session(ctx);
        changes = count_in_log(CHANGED);
        wait_for_log(CHANGED, changes + 1);
        resumed = all_resume(ctx, session, 6);
        SSL_SESSION_free(session);
    }
    ck_assert(resumed);
    SSL_SESSION *session = new_session(ctx);
    wait_for_log(CHANGED, count_in_log(CHANGED) + 2);
    resumed = true;
    for (int i = 0; i < 3000 && resumed; i++, proxy_sleep_ms(10))
        resumed = all_resume(ctx, session, 1);
    ck_assert(!resumed);
    SSL_SESSION_free(session);
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(a_certificate_that_does_not_fit_is_refused_and_counted)
{
    struct buf pem = { 0 };
    struct err err;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct peer p;
    char name[64];

    start(true);
    ck_assert_int_eq(file_read(at("two.key"), 1u << 20, &pem, &err), 0);
    ck_assert_int_eq(file_replace(at("key"), buf_str(&pem), 0600, &err), 0);
    buf_release(&pem);
    wait_for_log("event=reload_refused", 1);
    ck_assert_int_eq(count_in_log("weir.yaml:"), 1); /* with line and column */
    ck_assert_int_eq(metric("weir_reloads_refused_total"), 1);
    ck_assert(peer_open(&p, ctx, NULL));
    name_of(&p, name);
    ck_assert_str_eq(name, "one");
    peer_close(&p);

    /* A worker that comes later begins with what the others have. */
    kill(proxy_worker_pid(&run, 0), SIGKILL);
    wait_for_log("event=worker_started", 3);
    for (int i = 0; i < 8; i++) {
        ck_assert(peer_open(&p, ctx, NULL));
        ck_assert(peer_ask(&p, SHORT, SHORT_END));
        peer_close(&p);
    }
    SSL_CTX_free(ctx);
}
END_TEST

START_TEST(a_changed_configuration_is_read_again_and_a_bad_one_is_not_taken)
{
    struct err err;

    start(false);
    configure(1, false);
    wait_for_reloads(2);
    ck_assert_int_eq(file_replace(run.conf_path, STR("listen: {adress: x}\n"), 0600, &err), 0);
    wait_for_log("event=reload_refused", 1);
    ck_assert_int_eq(count_in_log("weir.yaml:1:10: "), 1);
    struct buf answer = { 0 };
    proxy_ask(&run, "GET /up/body/3 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", &answer);
    ck_assert(strstr(answer.ptr, SHORT_END) != NULL);
    buf_release(&answer);
    configure(2, false);
    wait_for_reloads(4);
}
END_TEST

/* With an upstream that is this proxy itself, over TLS, trusted as that file says. */
static void configure_over(const char *ca, const char *proxy)
{
    char text[700];

    snprintf(text, sizeof(text),
             "  over: {url: \"https://127.0.0.1:%d\", api: openai, proxy: %s, ca: %s}\n"
             "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 2, grace: 10s,"
             " tls: {cert: cert, key: key}}\n"
             "archive: {path: ./archive}\n",
             run.port, proxy, ca);
    proxy_configure(&run, text);
}

static void copy(const char *from, const char *to)
{
    struct buf bytes = { 0 };
    struct err err;

    ck_assert_int_eq(file_read(at(from), 1u << 20, &bytes, &err), 0);
    ck_assert_int_eq(file_replace(at(to), buf_str(&bytes), 0600, &err), 0);
    buf_release(&bytes);
}

/* Whichever worker is asked. */
static void over_answers(bool expected)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    for (int i = 0; i < 8; i++) {
        struct peer p;
        ck_assert(peer_open(&p, ctx, NULL));
        ck_assert_int_eq(peer_ask(&p, "GET /over/up/body/3 HTTP/1.1\r\nHost: w\r\n\r\n", SHORT_END),
                         expected);
        peer_close(&p);
    }
    SSL_CTX_free(ctx);
}

START_TEST(whom_an_upstream_is_trusted_by_changes_with_its_file)
{
    struct err err;

    start(true);
    copy("two.cert", "ca");
    configure_over("ca", "none");
    wait_for_reloads(2);
    over_answers(false);
    copy("one.cert", "ca"); /* and no signal */
    wait_for_reloads(4);
    over_answers(true);
    ck_assert_int_eq(file_replace(at("ca"), STR("rubbish"), 0600, &err), 0);
    wait_for_log("event=reload_refused", 1);
    ck_assert_int_eq(count_in_log("ca' holds no certificate"), 1);
    over_answers(true);
    copy("two.cert", "ca");
    wait_for_reloads(6);
    over_answers(false); /* connections that were open are not used either */
}
END_TEST

START_TEST(whom_a_proxy_in_tls_is_trusted_by_changes_with_its_file)
{
    static struct forward_proxy forward;
    char text[100];

    start(true);
    forward_proxy_start(&forward, at("two.cert"), at("two.key"));
    snprintf(text, sizeof(text), "\"https://localhost:%u\"", forward.port);
    configure_over("one.cert", text);
    wait_for_reloads(2);
    over_answers(false); /* the system's certificates do not say so */
    snprintf(text, sizeof(text), "\"https://localhost:%u\", proxy_ca: ca", forward.port);
    copy("one.cert", "ca");
    configure_over("one.cert", text);
    wait_for_reloads(4);
    over_answers(false);
    ck_assert_int_eq(forward.tunnels, 0);
    copy("two.cert", "ca"); /* and no signal */
    wait_for_reloads(6);
    over_answers(true);
    ck_assert_int_gt(forward.tunnels, 0);
    copy("one.cert", "ca");
    wait_for_reloads(8);
    over_answers(false); /* connections that were open are not used either */
    configure_over("one.cert", "none");
    wait_for_reloads(10);
    over_answers(true);
    forward_proxy_stop(&forward);
}
END_TEST

START_TEST(what_is_missing_for_a_refused_configuration_is_waited_for)
{
    start(true);
    configure_over("later", "none");
    wait_for_log("event=reload_refused", 1);
    proxy_sleep_ms(200);
    ck_assert_int_eq(metric("weir_worker_reloads_total"), 0);
    copy("one.cert", "later");
    wait_for_reloads(2);
    over_answers(true);
}
END_TEST

static long begun(void)
{
    return metric("weir_exchanges_open") + metric("weir_exchanges_recorded_total");
}

START_TEST(a_drain_cuts_no_stream)
{
    pid_t clients[8];
    int status = 0;

    start(false);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        clients[i] = load(STREAMS, false, 1); /* one each, of 320 ms */
    for (int n = 0; n < 2000 && begun() < (long)ARRAY_LEN(clients); n++)
        proxy_sleep_ms(5);
    kill(run.pid, SIGHUP);
    kill(run.pid, SIGTERM);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        waitpid(clients[i], &status, 0);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "stream %zu was cut", i);
    }
}
END_TEST

/* As many as there are lines of it, and what those say that tell of more. */
static long failures_told(void)
{
    struct buf log = { 0 };
    struct err err;
    long told = count_in_log("event=tls_failed ");

    ck_assert_int_eq(file_read(run.log_path, 64u << 20, &log, &err), 0);
    for (const char *p = buf_cstr(&log); (p = strstr(p, "tls_failures_left_out")) != NULL; p++)
        told += atol(strstr(p, "count=") + strlen("count="));
    buf_release(&log);
    return told;
}

START_TEST(what_is_no_tls_is_logged_in_part_and_counted_in_full)
{
    enum { FAILURES = 100 };
    struct peer p;
    char byte;

    start(true);
    for (int i = 0; i < FAILURES; i++) {
        ck_assert(peer_open(&p, NULL, NULL));
        ck_assert(peer_send(&p, "GET /sk-not-for-a-log HTTP/1.1\r\n\r\n"));
        while (peer_recv(&p, &byte, 1) > 0)
            ;
        peer_close(&p);
    }
    for (int i = 0; i < 3000 && failures_told() < FAILURES; i++)
        proxy_sleep_ms(10);
    ck_assert_int_eq(failures_told(), FAILURES);
    ck_assert_int_eq(metric("weir_tls_handshakes_failed_total"), FAILURES);
    ck_assert_int_eq(count_in_log("client=127.0.0.1 reason=\"cannot begin TLS: http request\""),
                     count_in_log("event=tls_failed "));
    ck_assert_int_eq(count_in_log("not-for-a-log"), 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, stop);
    tcase_add_test(tc, what_only_a_start_changes_is_told_as_long_as_it_differs);
    tcase_add_test(tc, a_storm_of_reloads_fails_no_request);
    tcase_add_test(tc, a_changed_configuration_is_read_again_and_a_bad_one_is_not_taken);
    tcase_add_test(tc, whom_an_upstream_is_trusted_by_changes_with_its_file);
    tcase_add_test(tc, whom_a_proxy_in_tls_is_trusted_by_changes_with_its_file);
    tcase_add_test(tc, what_is_missing_for_a_refused_configuration_is_waited_for);
    tcase_add_test(tc, a_drain_cuts_no_stream);
    tcase_add_test(tc, a_storm_of_certificates_fails_no_request);
    tcase_add_test(tc, new_connections_get_the_new_certificate_and_old_ones_keep_theirs);
    tcase_add_test(tc, tickets_are_taken_over_one_change_of_their_key_and_not_for_ever);
    tcase_add_test(tc, a_certificate_that_does_not_fit_is_refused_and_counted);
    tcase_add_test(tc, fifty_reloads_leave_nothing_behind);
    tcase_add_test(tc, what_is_no_tls_is_logged_in_part_and_counted_in_full);
}

CHECK_MAIN("proxy/reload", add_tests)
