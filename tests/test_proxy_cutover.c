/* Calls moved to a gateway by the built weir: who goes where, what is recorded, and what is
 * refused.
 */
#include "config.h"

#include <dirent.h>

#include "base/json.h"
#include "capture/key.h"
#include "policy/cutover.h"
#include "proxy/cutover_file.h"
#include "proxy/stats.h"
#include "tests/check_main.h"
#include "tests/proxy_run.h"

#define CALLERS  200
#define STORM_MS 1500
#define LISTEN                                                                                     \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 2, status: ./status}\n"   \
    "archive: {path: ./archive}\n"                                                                 \
    "cutover: {file: ./cutover.yaml}\n"
#define BODY "{\"model\":\"m\",\"user\":\"%s\",\"metadata\":{\"s\\u0065at\":\"%s\"}}"

static struct proxy_run run;
static uint64_t epoch;                  /* of what was written last */
static const char *gate_path = "/gate"; /* of the gateway */
static const char *gate_host = "127.0.0.1", *gate_more = "";

static const char *cutover_path(void)
{
    static char path[300];

    snprintf(path, sizeof(path), "%s/cutover.yaml", temp_folder);
    return path;
}

/* The gateway is the same stand-in below /gate; more: further lines of the configuration. */
static void configure(const char *more)
{
    struct buf settings = { 0 };

    buf_addf(&settings,
             "  direct: {url: \"http://127.0.0.1:%d\", api: openai, arm: direct, proxy: none}\n"
             "  gate: {url: \"http://%s:%d%s\", api: openai, arm: gateway, proxy: none%s}\n"
             "%s%s",
             run.upstream_port, gate_host, run.upstream_port, gate_path, gate_more, LISTEN, more);
    proxy_configure(&run, buf_cstr(&settings));
    buf_release(&settings);
}

static void start(const char *more)
{
    proxy_prepare(&run, "");
    epoch = 0;
    configure(more);
    proxy_launch(&run);
}

static void stop(void)
{
    if (run.pid)
        proxy_stop(&run);
    run = (struct proxy_run){ 0 };
    gate_path = "/gate";
    gate_host = "127.0.0.1";
    gate_more = "";
}

/* --- what it follows --- */

static void write_file(struct str text)
{
    struct err err;

    ck_assert_msg(file_replace(cutover_path(), text, 0600, &err) == 0, "%s", err.text);
}

static void write_cutover(const char *key, int32_t share)
{
    struct cutover_app a = {
        .app = STR("bot"), .direct = STR("direct"), .gateway = STR("gate"), .share = share
    };
    struct buf text = { 0 };
    char marker[40];

    ck_assert(cutover_key_parse(str_from(key), &a.key));
    snprintf(marker, sizeof(marker), "e%lu-test", (unsigned long)++epoch);
    cutover_render(&a, 1, epoch, str_from(marker), &text);
    write_file(buf_str(&text));
    buf_release(&text);
}

/* The status, as JSON. */
static json_t *status(void)
{
    struct buf line = { 0 }, answer = { 0 };
    struct err err;
    json_t *doc = NULL;

    buf_addf(&line, "proxy status --format json %s", run.conf_path);
    proxy_command(buf_cstr(&line), &answer);
    ck_assert_msg(json_parse(buf_str(&answer), &doc, &err) == 0, "%s", buf_cstr(&answer));
    buf_release(&line);
    buf_release(&answer);
    return doc;
}

static bool marker_is(const char *wanted)
{
    json_t *doc = status();
    bool is = str_eq(json_get_str(json_get(doc, "cutover"), "marker"), str_from(wanted));

    json_decref(doc);
    return is;
}

static void wait_for_marker(const char *wanted)
{
    for (int i = 0; i < 3000 && !marker_is(wanted); i++)
        proxy_sleep_ms(10);
    ck_assert_msg(marker_is(wanted), "not '%s': see %s", wanted, run.log_path);
}

/* Written, and followed by all workers. */
static void follow(const char *key, int32_t share)
{
    char marker[40];

    write_cutover(key, share);
    snprintf(marker, sizeof(marker), "e%lu-test", (unsigned long)epoch);
    wait_for_marker(marker);
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

/* --- calls --- */

/* Whether the stand-in was asked as the gateway; what it got must end as the request did. */
static bool went_to_gateway(const char *request)
{
    struct buf answer = { 0 };
    const char *body = strstr(request, "\r\n\r\n") + 4, *echo;
    size_t len;

    proxy_ask(&run, request, &answer);
    ck_assert_msg(strncmp(answer.ptr, "HTTP/1.1 200", 12) == 0, "%s", answer.ptr);
    echo = strstr(answer.ptr, "\r\n\r\n") + 4;
    len = strlen(echo);
    ck_assert_msg(strcmp(echo + len - strlen(body), body) == 0, "%s", echo);
    bool is =
        strncmp(echo, "POST /gate/chat ", 16) == 0 || strncmp(echo, "GET /gate/chat ", 15) == 0;
    ck_assert_msg(is || strncmp(echo, "POST /chat ", 11) == 0 ||
                      strncmp(echo, "GET /chat ", 10) == 0,
                  "%s", echo);
    buf_release(&answer);
    return is;
}

static bool session_went(const char *session)
{
    char request[300];

    snprintf(request, sizeof(request),
             "POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nX-Session: %s\r\nConnection: close\r\n"
             "Content-Length: 2\r\n\r\n{}",
             session);
    return went_to_gateway(request);
}

static bool body_went(const char *user, const char *seat)
{
    char request[600], body[300];

    snprintf(body, sizeof(body), BODY, user, seat);
    snprintf(request, sizeof(request),
             "POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    return went_to_gateway(request);
}

static const char *caller(int i)
{
    static char names[4][32];

    snprintf(names[i % 4], sizeof(names[0]), "caller-%d-secret", i);
    return names[i % 4];
}

static uint32_t bucket_of(const char *key)
{
    return cutover_bucket(STR("bot"), str_from(key));
}

/* --- who goes where --- */

START_TEST(a_raised_share_moves_callers_over_and_none_back)
{
    static const int32_t shares[] = { 100, 500, 2500, CUTOVER_ALL };
    bool moved[CALLERS] = { false };

    start("");
    for (int i = 0; i < 20; i++) /* there is no file yet */
        ck_assert(!session_went(caller(i)));
    for (size_t s = 0; s < ARRAY_LEN(shares); s++) {
        follow("header.x-session", shares[s]);
        for (int i = 0; i < CALLERS; i++) {
            bool now = session_went(caller(i));
            ck_assert(now || !moved[i]);
            ck_assert(now == (bucket_of(caller(i)) < (uint32_t)shares[s]));
            moved[i] = now;
        }
    }
    follow("header.x-session", 0);
    for (int i = 0; i < CALLERS; i++)
        ck_assert(!session_went(caller(i)));
    follow("header.x-session", CUTOVER_ALL);
    unlink(cutover_path());
    wait_for_marker("");
    ck_assert(!session_went(caller(1)));
}
END_TEST

START_TEST(a_call_without_its_key_goes_directly_until_all_go)
{
    static const char keyless[] =
        "GET /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n";

    start("");
    follow("header.x-session", CUTOVER_ALL - 1);
    ck_assert(!session_went(""));
    ck_assert(!went_to_gateway(keyless));
    follow("header.x-session", CUTOVER_ALL);
    ck_assert(session_went(""));
    ck_assert(went_to_gateway(keyless));
    ck_assert(!went_to_gateway("GET /other/direct/chat HTTP/1.1\r\nHost: w\r\nX-Session: a\r\n"
                               "Connection: close\r\n\r\n"));
    follow("header.x-session", 0);
    ck_assert(!went_to_gateway(keyless));
}
END_TEST

START_TEST(a_call_without_its_key_or_of_others_goes_directly)
{
    start("");
    follow("header.x-session", CUTOVER_ALL - 1);
    ck_assert(session_went("a"));
    ck_assert(!session_went(""));
    ck_assert(
        !went_to_gateway("GET /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"));
    ck_assert(!went_to_gateway("GET /other/direct/chat HTTP/1.1\r\nHost: w\r\nX-Session: a\r\n"
                               "Connection: close\r\n\r\n"));
    ck_assert(!went_to_gateway("GET /bot/up/chat HTTP/1.1\r\nHost: w\r\nX-Session: a\r\n"
                               "Connection: close\r\n\r\n"));
    ck_assert(
        went_to_gateway("GET /bot/gate/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"));
}
END_TEST

/* What the stand-in was asked. */
static void echo_of(const char *request, struct buf *ret)
{
    struct buf answer = { 0 };

    proxy_ask(&run, request, &answer);
    ck_assert_msg(strncmp(answer.ptr, "HTTP/1.1 200", 12) == 0, "%s", answer.ptr);
    buf_add_text(ret, strstr(answer.ptr, "\r\n\r\n") + 4);
    buf_release(&answer);
}

#define WITH_ROUTES                                                                                \
    "policy: {mode: enforce, routes: [{match: {upstream: gate}, targets: [{upstream: gate}, "      \
    "{upstream: direct}]}]}\n"

static const struct {
    const char *host, *gate, *more;
    bool has_callers, has_own; /* keys, at the gateway */
} entrusted[] = {
    {"localhost",  ", key: none",               "",          false, false},
    { "localhost", ", key: pass",               "",          true,  false},
    { "localhost", ", key: {env: GATE_SECRET}", "",          false, true },
    { "127.0.0.1", "",                          "",          true,  false},
    { "localhost", ", key: none",               WITH_ROUTES, false, false},
    { "localhost", ", key: pass",               WITH_ROUTES, true,  false},
    { "localhost", ", key: {env: GATE_SECRET}", WITH_ROUTES, false, true },
    { "127.0.0.1", "",                          WITH_ROUTES, true,  false},
};

START_TEST(a_gateway_gets_the_credential_that_it_was_configured_to_get)
{
    static const char *const keys[] = { "header.x-session", "end_user" };
    static const char *const callers[] = { "Authorization: Bearer of-the-provider\r\n",
                                           "Cookie: of=the-provider\r\n",
                                           "OpenAI-Organization: of-the-provider\r\n" };
    struct buf request = { 0 }, echo = { 0 };

    setenv("GATE_SECRET", "of-the-gateway", 1);
    gate_host = entrusted[_i].host;
    gate_more = entrusted[_i].gate;
    start(entrusted[_i].more);
    buf_addf(&request,
             "POST /bot/direct/chat?key=of-the-provider HTTP/1.1\r\nHost: w\r\nX-Session: a\r\n"
             "Connection: close\r\n%s%s%sContent-Length: 24\r\n\r\n"
             "{\"model\":\"m\",\"user\":\"u\"}",
             callers[0], callers[1], callers[2]);
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        follow(keys[k], 0);
        buf_clear(&echo);
        echo_of(buf_cstr(&request), &echo);
        ck_assert_ptr_nonnull(strstr(buf_cstr(&echo), "POST /chat?key=of-the-provider "));
        for (size_t i = 0; i < ARRAY_LEN(callers); i++)
            ck_assert_ptr_nonnull(strstr(buf_cstr(&echo), callers[i]));
        follow(keys[k], CUTOVER_ALL);
        buf_clear(&echo);
        echo_of(buf_cstr(&request), &echo);
        ck_assert_ptr_nonnull(strstr(buf_cstr(&echo), "POST /gate/chat"));
        ck_assert_msg((strstr(buf_cstr(&echo), "of-the-gateway") != NULL) == entrusted[_i].has_own,
                      "%s", buf_cstr(&echo));
        ck_assert_msg((strstr(buf_cstr(&echo), "the-provider") != NULL) ==
                          entrusted[_i].has_callers,
                      "%s", buf_cstr(&echo));
    }
    buf_release(&request);
    buf_release(&echo);
}
END_TEST

static const struct {
    const char *key, *more;
} body_keys[] = {
    {"end_user",       ""                                                                 },
    { "metadata.seat", ""                                                                 },
    { "end_user",      "policy: {mode: enforce, access: [{apps: [bot], deny: [other]}]}\n"},
    { "end_user",      "redaction: {}\n"                                                  },
    { "metadata.seat", "attribution: [{body: {metadata.seat: '*'}, team: seated}]\n"      },
};

START_TEST(a_key_in_the_body_decides_before_anything_is_sent)
{
    bool is_user = strcmp(body_keys[_i].key, "end_user") == 0;

    start(body_keys[_i].more);
    follow(body_keys[_i].key, 5000);
    for (int i = 0; i < 40; i++) {
        const char *name = caller(i);
        bool wanted = bucket_of(name) < 5000;
        ck_assert(body_went(is_user ? name : "u", is_user ? "s" : name) == wanted);
    }
    ck_assert(
        !went_to_gateway("GET /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n"));
    ck_assert(!went_to_gateway("POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                               "Content-Length: 13\r\n\r\n{\"model\":\"m\"}"));
    follow(body_keys[_i].key, CUTOVER_ALL - 1);
    ck_assert(!went_to_gateway("POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                               "Content-Length: 13\r\n\r\n{\"model\":\"m\"}"));
}
END_TEST

START_TEST(a_body_in_chunks_or_awaited_arrives_whole)
{
    struct buf answer = { 0 };

    start("");
    follow("end_user", CUTOVER_ALL);
    proxy_ask(&run,
              "POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
              "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
              "9\r\n{\"user\":\"\r\n3\r\nx\"}\r\n0\r\n\r\n",
              &answer);
    ck_assert_msg(strncmp(answer.ptr, "HTTP/1.1 100", 12) == 0, "%s", answer.ptr);
    ck_assert_ptr_nonnull(strstr(answer.ptr, "POST /gate/chat HTTP/1.1"));
    ck_assert_msg(strstr(answer.ptr, "\r\n9\r\n{\"user\":\"\r\n") ||
                      strstr(answer.ptr, "\r\nc\r\n{\"user\":\"x\"}\r\n0\r\n\r\n"),
                  "%s", answer.ptr);
    buf_release(&answer);
}
END_TEST

START_TEST(a_packed_body_is_read_and_goes_on_packed)
{
    /* {"model":"m","user":"packed"} */
    static const char packed[] =
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\xca\xcd\x4f\x49\xcd\x51\xb2\x52\xca"
        "\x55\xd2\x51\x2a\x2d\x4e\x2d\x02\x32\x0b\x12\x93\xb3\x53\x53\x94\x6a\x01\x00\x87\xeb"
        "\xdb\x1d\x00\x00\x00";
    const int32_t shares[] = { (int32_t)bucket_of("packed"), (int32_t)bucket_of("packed") + 1 };

    start("");
    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        struct buf answer = { 0 };
        follow("end_user", shares[i]);
        int fd = proxy_connect(run.port);
        upstream_text(fd, "POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                          "Content-Encoding: gzip\r\nContent-Length: 47\r\n\r\n");
        upstream_send(fd, packed, sizeof(packed) - 1);
        ck_assert(proxy_read_all(fd, 10000, &answer));
        ck_assert(str_find(buf_str(&answer), i ? STR("POST /gate/chat ") : STR("POST /chat "), 0) >
                  0);
        ck_assert(str_ends_with(buf_str(&answer), (struct str){ packed, sizeof(packed) - 1 }));
        close(fd);
        buf_release(&answer);
    }
}
END_TEST

static void count_unfinished(void *ctx, const struct exchange *x, bool ended)
{
    size_t *count = ctx;

    ck_assert(ended);
    if (x->transport_error != ERROR_CLASS_CLIENT_GONE)
        return;
    ck_assert_int_eq(x->cutover_epoch, 0); /* it was never asked */
    ++*count;
}

START_TEST(a_client_that_leaves_while_its_body_is_held_leaves_nothing)
{
    size_t count = 0;

    start("limits: {body: 64KiB}\n");
    follow("end_user", CUTOVER_ALL);
    for (int i = 0; i < 20; i++) {
        int fd = proxy_connect(run.port);
        upstream_text(fd,
                      "POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nContent-Length: 1000\r\n\r\n"
                      "{\"user\":\"");
        close(fd);
    }
    for (int i = 0; i < 3000 && proxy_metric(&run, "weir_exchanges_recorded_total") < 20; i++)
        proxy_sleep_ms(10);
    ck_assert(body_went("x", "y"));
    struct buf request = { 0 }, answer = { 0 };
    buf_addf(&request,
             "POST /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
             "Transfer-Encoding: chunked\r\n\r\n10001\r\n%065537d\r\n0\r\n\r\n",
             0);
    proxy_ask(&run, buf_cstr(&request), &answer);
    ck_assert_msg(strncmp(answer.ptr, "HTTP/1.1 413", 12) == 0, "%.200s", answer.ptr);
    buf_release(&request);
    buf_release(&answer);
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    proxy_each_record(&run, count_unfinished, &count);
    ck_assert_uint_ge(count, 20);
    proxy_launch(&run);
}
END_TEST

START_TEST(with_a_bad_file_it_does_not_start)
{
    struct buf line = { 0 }, said = { 0 };

    start("");
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    write_file(STR("# weir cutover 1\nepoch: x\n"));
    buf_addf(&line, "proxy run %s 2>&1; test $? != 0", run.conf_path);
    proxy_command(buf_cstr(&line), &said);
    ck_assert_msg(strstr(said.ptr, "cutover.yaml:2:8: ") != NULL, "%s", said.ptr);
    unlink(cutover_path());
    proxy_launch(&run);
    buf_release(&line);
    buf_release(&said);
}
END_TEST

START_TEST(each_request_by_itself_is_moved_as_the_share_says)
{
    int moved = 0;

    start("");
    follow("request", 5000);
    for (int i = 0; i < CALLERS; i++)
        moved += session_went("same");
    ck_assert_int_gt(moved, CALLERS / 2 - 36); /* five standard deviations */
    ck_assert_int_lt(moved, CALLERS / 2 + 36);
    follow("client_address", CUTOVER_ALL);
    ck_assert(session_went("same"));
    follow("client_address", (int32_t)bucket_of("127.0.0.1"));
    ck_assert(!session_went("same"));
    follow("client_address", (int32_t)bucket_of("127.0.0.1") + 1);
    ck_assert(session_went("same"));
    follow("key_id", CUTOVER_ALL - 1);
    ck_assert(!session_went("same"));
    ck_assert(went_to_gateway("GET /bot/direct/chat HTTP/1.1\r\nHost: w\r\nConnection: close\r\n"
                              "Authorization: Bearer sk-one-two-three\r\n\r\n"));
}
END_TEST

START_TEST(a_call_under_way_stays_where_it_is)
{
    struct buf answer = { 0 };
    int fd;

    start("");
    follow("header.x-session", 0);
    fd = proxy_connect(run.port);
    upstream_text(fd, "GET /bot/direct/sse/30/20 HTTP/1.1\r\nHost: w\r\nX-Session: a\r\n"
                      "Connection: close\r\n\r\n");
    ck_assert_int_gt((int)recv(fd, buf_reserve(&answer, 4096), 4096, 0), 0);
    follow("header.x-session", CUTOVER_ALL);
    ck_assert(session_went("a"));
    ck_assert(proxy_read_all(fd, 10000, &answer));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&answer), "{\"n\":29}"));
    close(fd);
    buf_release(&answer);
}
END_TEST

/* --- what is recorded --- */

struct seen {
    size_t direct, gateway, without;
    char units[CALLERS][FINGERPRINT_TEXT_BYTES];
    size_t unit_count;
};

static void take_record(void *ctx, const struct exchange *x, bool ended)
{
    struct seen *s = ctx;
    bool is_known = false;

    ck_assert(ended);
    ck_assert_int_eq(x->cutover_epoch, 1);
    ck_assert_int_eq(x->cutover_share, 5000);
    if (!x->cutover_unit.len) {
        ck_assert(str_eq(x->arm, STR("direct")));
        s->without++;
        return;
    }
    ck_assert_uint_eq(x->cutover_unit.len, FINGERPRINT_TEXT_BYTES - 1);
    ck_assert(str_eq(x->upstream, str_eq(x->arm, STR("gateway")) ? STR("gate") : STR("direct")));
    s->gateway += str_eq(x->arm, STR("gateway"));
    s->direct += str_eq(x->arm, STR("direct"));
    for (size_t i = 0; i < s->unit_count; i++)
        is_known |= str_eq(str_from(s->units[i]), x->cutover_unit);
    if (!is_known)
        memcpy(s->units[s->unit_count++], x->cutover_unit.ptr, x->cutover_unit.len);
}

static void look_for_secret(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[700];

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct buf bytes = { 0 };
        struct err err;
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            look_for_secret(path);
        else if (S_ISREG(st.st_mode) && file_read(path, 64u << 20, &bytes, &err) == 0)
            ck_assert_msg(str_find(buf_str(&bytes), STR("-secret"), 0) < 0, "in %s", path);
        buf_release(&bytes);
    }
    closedir(dir);
}

/* Asks for what does not show the request: 3 bytes directly, 4 of the gateway. */
static bool quietly_went(const char *session)
{
    struct buf answer = { 0 };
    char request[300];

    snprintf(
        request, sizeof(request),
        "GET /bot/direct/body/3 HTTP/1.1\r\nHost: w\r\nX-Session: %s\r\nConnection: close\r\n\r\n",
        session);
    proxy_ask(&run, request, &answer);
    bool is = strstr(answer.ptr, "\r\n\r\nabcd") != NULL;
    ck_assert_ptr_nonnull(strstr(answer.ptr, "\r\n\r\nabc"));
    buf_release(&answer);
    return is;
}

START_TEST(both_arms_say_epoch_share_and_unit_and_nothing_says_the_key)
{
    struct seen seen = { 0 };
    struct buf said = { 0 };
    char arguments[600];
    int moved = 0;

    gate_path = "/body/4";
    start("attribution: [{label: {header.x-session: 'caller-1-*'}, team: one}]\n");
    follow("header.x-session", 5000);
    for (int i = 0; i < 30; i++)
        for (int times = 0; times < 2; times++)
            moved += quietly_went(caller(i));
    ck_assert(!quietly_went(""));
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    proxy_each_record(&run, take_record, &seen);
    ck_assert_uint_eq(seen.gateway, (size_t)moved);
    ck_assert_uint_eq(seen.gateway + seen.direct, 60);
    ck_assert_uint_eq(seen.without, 1);
    ck_assert_uint_eq(seen.unit_count, 30);
    snprintf(arguments, sizeof(arguments), "capture seal --archive %s", run.archive_path);
    proxy_command(arguments, &said);
    snprintf(arguments, sizeof(arguments), "capture verify --archive %s", run.archive_path);
    proxy_command(arguments, &said);
    ck_assert_ptr_nonnull(strstr(said.ptr, "61 exchanges in "));
    snprintf(arguments, sizeof(arguments),
             "analyze spend --archive %s --by arm --format csv --where '%s'", run.archive_path,
             "cutover_epoch = 1 and cutover_share = 5000 and cutover_unit != \"\"");
    proxy_command(arguments, &said);
    snprintf(arguments, sizeof(arguments), "\ngateway,%d,", moved);
    ck_assert_msg(strstr(said.ptr, arguments) != NULL, "%s", said.ptr);
    buf_release(&said);
    look_for_secret(temp_folder);
    proxy_launch(&run);
}
END_TEST

START_TEST(what_the_body_decided_is_recorded_at_the_end)
{
    struct seen seen = { 0 };
    int moved = 0;

    start("");
    follow("end_user", 5000);
    for (int i = 0; i < 20; i++)
        moved += body_went(caller(i), "s");
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    proxy_each_record(&run, take_record, &seen);
    ck_assert_uint_eq(seen.gateway, (size_t)moved);
    ck_assert_uint_eq(seen.gateway + seen.direct, 20);
    ck_assert_uint_eq(seen.unit_count, 20);
    proxy_launch(&run);
}
END_TEST

/* --- what is not followed --- */

START_TEST(a_bad_file_is_refused_and_the_one_before_stays)
{
    start("");
    follow("header.x-session", CUTOVER_ALL);
    write_file(STR("# weir cutover 1\nepoch: 9\nmarker: m\napps:\n  bot: {direct: nobody, gateway: "
                   "gate, key: request, share: 1%}\n"));
    wait_for_log("event=cutover_refused", 1);
    ck_assert_int_eq(count_in_log("cutover.yaml:5:8: app 'bot': the configuration has no upstream"),
                     1);
    write_file(STR("upstreams: {}\n"));
    wait_for_log("event=cutover_refused", 2);
    ck_assert_int_eq(count_in_log("cutover.yaml:1:1: no cutover"), 1);
    write_file(STR(""));
    wait_for_log("event=cutover_refused", 3);
    ck_assert_int_eq(proxy_metric(&run, "weir_cutovers_refused_total"), 3);
    ck_assert(marker_is("e1-test"));
    ck_assert(session_went("a"));
    follow("header.x-session", 0);
    ck_assert(!session_went("a"));
    ck_assert_int_eq(proxy_metric(&run, "weir_cutovers_taken_total"), 2);
}
END_TEST

START_TEST(neither_a_bad_configuration_nor_one_that_it_does_not_fit_stops_it)
{
    struct err err;

    start("");
    follow("header.x-session", CUTOVER_ALL);
    proxy_configure(&run, LISTEN);
    wait_for_log("event=reload_refused", 1);
    ck_assert_int_eq(count_in_log("app 'bot': the configuration has no upstream"), 1);
    ck_assert_int_eq(file_replace(run.conf_path, STR("listen: {adress: x}\n"), 0600, &err), 0);
    wait_for_log("event=reload_refused", 2);
    ck_assert(session_went("a"));
    write_cutover("header.x-session", 0); /* back, in spite of that */
    wait_for_log("event=cutover_taken", 2);
    for (int i = 0; i < 3000 && session_went("a"); i++)
        proxy_sleep_ms(10);
    ck_assert(!session_went("a"));
    configure("");
    wait_for_log("event=reloaded", 1);
    wait_for_marker("e2-test");
}
END_TEST

START_TEST(a_worker_that_comes_later_follows_what_the_others_do)
{
    char path[400];

    start("");
    follow("header.x-session", CUTOVER_ALL);
    kill(proxy_worker_pid(&run, 0), SIGKILL);
    wait_for_log("event=worker_started", 3);
    wait_for_marker("e1-test");
    for (int i = 0; i < 10; i++)
        ck_assert(session_went("a"));
    json_t *doc = status();
    struct buf text = { 0 };
    snprintf(path, sizeof(path), "proxy status %s", run.conf_path);
    proxy_command(path, &text);
    ck_assert_ptr_nonnull(strstr(text.ptr, "\ncutover_marker                         e1-test\n"));
    ck_assert_ptr_nonnull(strstr(text.ptr, "worker 0, epoch 1, marker e1-test"));
    buf_release(&text);
    ck_assert_int_eq(json_integer_value(json_get(json_get(doc, "cutover"), "epoch")), 1);
    json_decref(doc);
}
END_TEST

/* In a process of its own, until it is told to stop by the end of its time. */
static pid_t load(int number)
{
    struct timespec from, now;
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        if (number % 2)
            session_went(caller(number));
        else
            body_went(caller(number), "s");
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < STORM_MS);
    _exit(0);
}

START_TEST(a_storm_of_cutovers_fails_no_request)
{
    pid_t pids[4];
    int code;

    start("");
    follow("header.x-session", 100);
    for (int i = 0; i < 4; i++)
        pids[i] = load(i);
    for (int i = 0; i < STORM_MS / 60; i++) {
        write_cutover(i % 3 ? "header.x-session" : "end_user", i * 997 % (CUTOVER_ALL + 1));
        proxy_sleep_ms(60);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(waitpid(pids[i], &code, 0), pids[i]);
        ck_assert_msg(code == 0, "client %d failed", i);
    }
    follow("header.x-session", CUTOVER_ALL);
    ck_assert_int_eq(proxy_metric(&run, "weir_upstream_failures_total"), 0);
    ck_assert_int_eq(proxy_metric(&run, "weir_cutovers_refused_total"), 0);
}
END_TEST

/* --- what fits what --- */

#define HASH                 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define AFAR(more)           "  gate: {url: \"http://127.0.0.1:2\", api: openai, arm: gateway" more "}\n"
#define UPSTREAM(name, more) "  " name ": {url: \"http://127.0.0.1:1\", api: openai" more "}\n"

static const struct {
    const char *gateway, *error; /* NULL = it fits */
} fits[] = {
    {UPSTREAM("gate",                 ", arm: gateway"),                    NULL },
    { AFAR(""),                              "'gate' is another place than 'direct' and has no key: give it a key"                                                         },
    { AFAR(", key: pass"),                              NULL},
    { AFAR(", key: none"),                              NULL                                                         },
    { AFAR(", key: {env: GATE_KEY}"),                              NULL},
    { "",                              "no upstream 'gate' (direct 'direct', "                                                                                     },
    { UPSTREAM("gate",                              ""),"'gate' has no 'arm: gateway'" },
    { UPSTREAM("gate", ", arm: direct"),                                                                      "'gate' has no 'arm: gateway'" },
    { UPSTREAM("gate",               ", arm: gateway, requires_key: true"),"'gate' wants a key of clients" },
    { "  gate: {url: \"http://127.0.0.1:1\", api: anthropic, arm: gateway}\n",
     "'direct' speaks 'openai' and 'gate' speaks 'anthropic'"},
};

START_TEST(both_upstreams_must_go_together)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;
    CLEANUP(cutover_free) struct cutover *cutover = NULL;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err = { 0 };
    struct str file = STR("# weir cutover 1\nepoch: 1\nmarker: m\napps:\n"
                          "  bot: {direct: direct, gateway: gate, key: request, share: 1%}\n");

    buf_addf(&text,
             "listen: {address: \"127.0.0.1:0\"}\narchive: {path: a}\n"
             "cutover: {file: c.yaml}\nclients: {required: false, keys: {k: {hash: "
             "%s}}}\nupstreams:\n%s%s",
             HASH, UPSTREAM("direct", ""), fits[_i].gateway);
    ck_assert_msg(proxy_conf_parse(buf_str(&text), "w.yaml", "", false, &c, &err) == 0, "%s",
                  err.text);
    int r = cutover_file_parse(file, c, &cutover, &err);
    ck_assert_int_eq(r, fits[_i].error ? -1 : 0);
    if (!fits[_i].error)
        return;
    ck_assert_msg(strstr(err.text, "c.yaml:5:8: app 'bot': ") != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, fits[_i].error) != NULL, "%s", err.text);
}
END_TEST

START_TEST(workers_that_differ_are_said_to)
{
    struct proxy_stats workers[3] = { { .up = 1 }, { .up = 1 }, { .up = 0 } };
    struct buf out = { 0 };

    stats_set_cutover(&workers[0], 5, STR("e5-a"));
    stats_set_cutover(&workers[1], 5, STR("e5-a"));
    stats_set_cutover(&workers[2], 4, STR("e4-a"));
    stats_cutover_json(workers, 3, &out);
    ck_assert_str_eq(buf_cstr(&out), "\"cutover\":{\"marker\":\"e5-a\",\"epoch\":5,\"workers\":["
                                     "{\"worker\":0,\"epoch\":5,\"marker\":\"e5-a\"},"
                                     "{\"worker\":1,\"epoch\":5,\"marker\":\"e5-a\"}]}");
    stats_set_cutover(&workers[1], 6, STR("e6-b"));
    buf_clear(&out);
    stats_cutover_json(workers, 3, &out);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"cutover\":{\"marker\":\"mixed\",\"epoch\":0,"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"marker\":\"e6-b\""));
    buf_clear(&out);
    stats_cutover_metrics(workers, 3, &out);
    ck_assert_ptr_nonnull(
        strstr(buf_cstr(&out), "weir_cutover_epoch{worker=\"1\",marker=\"e6-b\"} 6\n"));
    buf_release(&out);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, stop);
    tcase_add_test(tc, a_raised_share_moves_callers_over_and_none_back);
    tcase_add_test(tc, a_call_without_its_key_goes_directly_until_all_go);
    tcase_add_test(tc, a_call_without_its_key_or_of_others_goes_directly);
    tcase_add_loop_test(tc, a_gateway_gets_the_credential_that_it_was_configured_to_get, 0,
                        ARRAY_LEN(entrusted));
    tcase_add_loop_test(tc, a_key_in_the_body_decides_before_anything_is_sent, 0,
                        ARRAY_LEN(body_keys));
    tcase_add_test(tc, a_body_in_chunks_or_awaited_arrives_whole);
    tcase_add_test(tc, a_packed_body_is_read_and_goes_on_packed);
    tcase_add_test(tc, a_client_that_leaves_while_its_body_is_held_leaves_nothing);
    tcase_add_test(tc, with_a_bad_file_it_does_not_start);
    tcase_add_test(tc, each_request_by_itself_is_moved_as_the_share_says);
    tcase_add_test(tc, a_call_under_way_stays_where_it_is);
    tcase_add_test(tc, both_arms_say_epoch_share_and_unit_and_nothing_says_the_key);
    tcase_add_test(tc, what_the_body_decided_is_recorded_at_the_end);
    tcase_add_test(tc, a_bad_file_is_refused_and_the_one_before_stays);
    tcase_add_test(tc, neither_a_bad_configuration_nor_one_that_it_does_not_fit_stops_it);
    tcase_add_test(tc, a_worker_that_comes_later_follows_what_the_others_do);
    tcase_add_test(tc, a_storm_of_cutovers_fails_no_request);
    tcase_add_loop_test(tc, both_upstreams_must_go_together, 0, ARRAY_LEN(fits));
    tcase_add_test(tc, workers_that_differ_are_said_to);
}

CHECK_MAIN("proxy/cutover", add_tests)
