/* A real HAProxy: the map in its memory, the file that it starts with, and their traps. */
#include "config.h"

#include "migrate/actuator.h"

#include "migrate/actuator_tools.h"
#include "tests/check_main.h"
#include "tests/server_run.h"

static struct server_run haproxy;
static struct sample_actuator s;

/* The configuration of a user, as weir-actuator(5) has it. */
static const char conf[] =
    "global\n"
    "  nbthread 1\n  hard-stop-after 2s\n"
    "  stats socket $FOLDER/haproxy.sock mode 600 level admin expose-fd listeners\n"
    "defaults\n"
    "  mode http\n"
    "  timeout client 20s\n  timeout server 20s\n  timeout connect 5s\n"
    "frontend in\n"
    "  bind 127.0.0.1:$PORT\n"
    "  http-request return status 200 content-type text/plain lf-string \""
    "%[str(app-0000),map_str_int($FOLDER/weir.map,0)] "
    "%[str(app-0999),map_str_int($FOLDER/weir.map,0)]\\n\" if { path /pair }\n"
    "  http-request set-var(txn.app) str(support-bot)\n"
    "  http-request set-var(txn.share) var(txn.app),map_str_int($FOLDER/weir.map,0)\n"
    "  http-request set-var(txn.key) req.hdr(x-session)\n"
    "  http-request set-var(txn.bucket) var(txn.app),concat(:,txn.key),xxh32(7),mod(10000)\n"
    "  acl has_key var(txn.key) -m len gt 0\n"
    "  acl is_below var(txn.bucket),sub(txn.share) lt 0\n"
    "  acl is_all var(txn.share) -m int ge 10000\n"
    "  use_backend litellm if has_key is_below\n"
    "  use_backend litellm if is_all\n"
    "  default_backend openai\n"
    "backend openai\n"
    "  http-request return status 200 content-type text/plain string \"arm=openai\\n\"\n"
    "backend litellm\n"
    "  http-request return status 200 content-type text/plain string \"arm=litellm\\n\"\n";

static void write_conf(void)
{
    char port[20];
    const struct server_word words[] = {
        {"$PORT", port}
    };

    snprintf(port, sizeof(port), "%d", haproxy.port);
    server_configure("haproxy.cfg", conf, words, 1);
}

/* before: 0, or the process that is to give way: a reload as -sf makes it. */
static void start_haproxy(pid_t before)
{
    const char *path = temp_path("haproxy.cfg"), *sock = temp_path("haproxy.sock");
    char old[20];
    const char *first[] = { "haproxy", "-q", "-db", "-f", path, NULL };
    const char *then[] = { "haproxy", "-q", "-db", "-f", path, "-x", sock, "-sf", old, NULL };

    snprintf(old, sizeof(old), "%d", before);
    server_start(&haproxy, before ? then : first);
    /* It listens for its commands after it does for calls. */
    for (int i = 0; i < 1000 && access(sock, F_OK) < 0; i++)
        usleep(10000);
}

static void reload(void)
{
    pid_t before = haproxy.pid;

    start_haproxy(before);
    waitpid(before, NULL, 0);
}

static struct actuator_share share_of(int32_t share)
{
    return (struct actuator_share){ STR("support-bot"), STR("openai"), STR("litellm"),
                                    STR("header.x-session"), share };
}

static void step(int32_t share, uint64_t epoch, struct buf *ret)
{
    struct actuator_share all = share_of(share);

    sample_step(&s.a, &all, 1, epoch, ret);
}

/* HAProxy wants the file to be there before it starts; empty is fine. */
static bool begin(void)
{
    struct err err;

    if (!server_is_installed("haproxy"))
        return false;
    haproxy.port = server_free_port();
    write_conf();
    sample_write(temp_path("weir.map"), "");
    sample_init(&s, "haproxy");
    sample_set(&s, "file", "%s/weir.map", temp_folder);
    sample_set(&s, "socket", "%s/haproxy.sock", temp_folder);
    sample_set(&s, "test", "haproxy -c -q -f %s/haproxy.cfg", temp_folder);
    ck_assert_msg(actuator_check_settings(&s.a, &err) == 0, "%s", err.text);
    start_haproxy(0);
    return true;
}

/* What a person types at the socket; %s is the map. */
static void type(const char *command)
{
    CLEANUP(buf_release) struct buf words = { 0 }, answer = { 0 };
    struct err err;

    const char *map = strstr(command, "MAP");
    buf_addf(&words, "%.*s%s%s\n", (int)(map - command), command, temp_path("weir.map"), map + 3);
    ck_assert_msg(actuator_ask(temp_path("haproxy.sock"), buf_str(&words), 10000, &answer, &err) ==
                      0,
                  "%s", err.text);
}

static void running(struct buf *ret)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct err err;

    ck_assert_int_eq(s.a.driver->probe(&s.a, &live, &err), 0);
    ck_assert_msg(live.is_running, "%s", buf_cstr(&live.running));
    buf_clear(ret);
    buf_add_str(ret, buf_str(&live.running));
}

static void expect_running(const char *begins)
{
    CLEANUP(buf_release) struct buf seen = { 0 };

    running(&seen);
    ck_assert_msg(str_starts_with(buf_str(&seen), str_from(begins)), "%s", buf_cstr(&seen));
}

START_TEST(a_raised_share_keeps_whom_it_had)
{
    static uint8_t arms[2][STICKY_KEYS];
    CLEANUP(buf_release) struct buf bytes = { 0 };

    if (!begin())
        return;
    for (size_t i = 0; i < ARRAY_LEN(sticky_shares); i++) {
        step(sticky_shares[i], 2 + i, &bytes);
        server_arms(&haproxy, STICKY_KEYS, arms[i % 2]);
        sticky_check(arms[(i + 1) % 2], arms[i % 2], sticky_shares[i]);
    }
    server_stop(&haproxy);
}
END_TEST

START_TEST(calls_without_a_key_go_directly_until_all_go)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };

    if (!begin())
        return;
    step(9999, 2, &bytes);
    ck_assert_uint_eq(server_arms_with(&haproxy, "", 50), 0);
    ck_assert_uint_eq(server_arms_with(&haproxy, "X-Session:\r\n", 50), 0);
    ck_assert_uint_eq(server_arms_with(&haproxy, "X-Session: k1\r\n", 50), 50);
    step(10000, 3, &bytes);
    ck_assert_uint_eq(server_arms_with(&haproxy, "", 50), 50);
    ck_assert_uint_eq(server_arms_with(&haproxy, "X-Session:\r\n", 50), 50);
    ck_assert_uint_eq(server_arms_with(&haproxy, "X-Session: k1\r\n", 50), 50);
    step(0, 4, &bytes);
    ck_assert_uint_eq(server_arms_with(&haproxy, "", 50), 0);
    server_stop(&haproxy);
}
END_TEST

START_TEST(a_reload_takes_what_was_meant)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_share all = share_of(2500);
    struct err err;

    if (!begin())
        return;
    step(500, 2, &bytes);
    reload();
    expect_running("e2-");

    /* Cut off between the file and the memory: a reload brings what the ledger meant, ... */
    buf_clear(&bytes);
    ck_assert_int_eq(s.a.driver->render(&s.a, &all, 1, 3, &bytes, &err), 0);
    sample_write(temp_path("weir.map"), buf_cstr(&bytes));
    ck_assert_int_eq(s.a.driver->probe(&s.a, &live, &err), 0);
    ck_assert(str_eq(buf_str(&live.bytes), buf_str(&bytes)));
    ck_assert(str_starts_with(buf_str(&live.running), STR("e2-")));
    reload();
    expect_running("e3-");

    /* ... and so does doing it again. */
    all.share = 5000;
    buf_clear(&bytes);
    ck_assert_int_eq(s.a.driver->render(&s.a, &all, 1, 4, &bytes, &err), 0);
    sample_write(temp_path("weir.map"), buf_cstr(&bytes));
    expect_running("e3-");
    step(5000, 4, &bytes);
    server_stop(&haproxy);
}
END_TEST

/* What others do to the memory alone, which the file does not show. */
static const struct {
    const char *command, *wanted;
} changes[] = {
    {"set map MAP support-bot 9000",  "changed"},
    { "add map MAP support-bot 9000", "changed"}, /* a second entry, which is never found */
    { "del map MAP support-bot",      "changed"},
    { "add map MAP another-app 100",  "changed"},
    { "set map MAP .weir.epoch 1",    "e1-"    },
    { "del map MAP .weir.epoch",      "changed"},
    { "clear map MAP",                "empty"  },
};

START_TEST(a_change_in_memory_alone_is_seen_and_mended)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, seen = { 0 };
    struct actuator_wait no_time = sample_wait(0);
    struct actuator_share all = share_of(500);
    char marker[ACTUATOR_MARKER_BYTES];
    struct err err;

    if (!begin())
        return;
    step(500, 2, &bytes);
    type(changes[_i].command);
    expect_running(changes[_i].wanted);
    actuator_marker(&all, 1, 2, marker);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bytes), 1, &no_time, &seen, &err), 0);
    step(500, 2, &bytes);
    expect_running("e2-");
    server_stop(&haproxy);
}
END_TEST

START_TEST(a_name_twice_in_the_file_is_not_ours)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    uint64_t epoch;
    size_t count;
    struct err err = { 0 };

    if (!begin())
        return;
    step(500, 2, &bytes);
    buf_add_text(&bytes, "support-bot 9000\n");
    ck_assert_int_eq(
        s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &shares, &count, &epoch, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    server_stop(&haproxy);
}
END_TEST

START_TEST(back_to_the_empty_file_sends_all_directly)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };

    if (!begin())
        return;
    step(10000, 2, &bytes);
    ck_assert_uint_eq(server_arms_with(&haproxy, "X-Session: k1\r\n", 50), 50);
    sample_apply(&s.a, STR(""));
    expect_running("empty");
    ck_assert_uint_eq(server_arms_with(&haproxy, "X-Session: k1\r\n", 50), 0);
    server_stop(&haproxy);
}
END_TEST

START_TEST(without_its_socket_nothing_is_promised)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_wait wait = sample_wait(20000);
    struct err err;

    if (!begin())
        return;
    step(500, 2, &bytes);
    server_stop(&haproxy);
    ck_assert_int_eq(s.a.driver->check(&s.a, buf_str(&bytes), &wait, &err), -1);
    ck_assert_int_eq(s.a.driver->apply(&s.a, buf_str(&bytes), true, &wait, &err), -1);
    ck_assert_msg(strstr(err.text, "haproxy.sock") != NULL, "%s", err.text);
    ck_assert_int_eq(s.a.driver->probe(&s.a, &live, &err), 0);
    ck_assert(!live.is_running);
    start_haproxy(0);
    expect_running("e2-");
    server_stop(&haproxy);
}
END_TEST

START_TEST(a_map_that_haproxy_does_not_know_is_an_error)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_wait wait = sample_wait(20000);
    struct err err;

    if (!begin())
        return;
    step(500, 2, &bytes);
    sample_set(&s, "map", "/another.map");
    ck_assert_int_eq(s.a.driver->check(&s.a, buf_str(&bytes), &wait, &err), -1);
    ck_assert_msg(strstr(err.text, "/another.map") != NULL, "%s", err.text);
    ck_assert_int_eq(s.a.driver->apply(&s.a, buf_str(&bytes), true, &wait, &err), -1);
    sample_set(&s, "map", "a.map; shutdown");
    ck_assert_int_eq(actuator_check_settings(&s.a, &err), -1);
    server_stop(&haproxy);
}
END_TEST

#define MANY 1000

static struct actuator_share many[MANY];

static void make_many(int32_t share)
{
    static char names[MANY][20];

    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "app-%04zu", i);
        many[i] = share_of(share);
        many[i].app = str_from(names[i]);
    }
}

static void apply_for_ever(void)
{
    for (uint64_t epoch = 3;; epoch++) {
        CLEANUP(buf_release) struct buf bytes = { 0 };
        struct actuator_wait wait = sample_wait(20000);
        struct err err;
        make_many(epoch % 2 ? 100 : 9900);
        if (s.a.driver->render(&s.a, many, MANY, epoch, &bytes, &err) < 0 ||
            s.a.driver->apply(&s.a, buf_str(&bytes), true, &wait, &err) < 0)
            _exit(1);
    }
}

/* What one request sees of the first and the last of them. */
static int pair(int fd)
{
    char answer[1000] = "";
    const char *body = NULL;
    size_t len = 0;
    int first, last;

    upstream_text(fd, "GET /pair HTTP/1.1\r\nHost: x\r\n\r\n");
    while (!(body = strstr(answer, "\r\n\r\n")) || !strchr(body + 4, '\n')) {
        ssize_t n = read(fd, answer + len, sizeof(answer) - 1 - len);
        ck_assert_msg(n > 0, "no answer: %s", answer);
        len += (size_t)n;
    }
    ck_assert_msg(sscanf(body, "%d %d", &first, &last) == 2, "%s", answer);
    ck_assert_int_eq(first, last);
    return first;
}

START_TEST(a_thousand_applications_change_at_once)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    int changes_seen = 0, last = 9900;

    if (!begin())
        return;
    make_many(9900);
    sample_step(&s.a, many, MANY, 2, &bytes);
    pid_t pid = fork();
    if (pid == 0)
        apply_for_ever();
    int fd = server_connect(haproxy.port);
    for (int i = 0; i < 1000000 && changes_seen < 20; i++) {
        int now = pair(fd);
        changes_seen += now != last;
        last = now;
    }
    close(fd);
    ck_assert_int_eq(changes_seen, 20);
    ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    server_stop(&haproxy);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, a_raised_share_keeps_whom_it_had);
    tcase_add_test(tc, calls_without_a_key_go_directly_until_all_go);
    tcase_add_test(tc, a_reload_takes_what_was_meant);
    tcase_add_loop_test(tc, a_change_in_memory_alone_is_seen_and_mended, 0,
                        (int)ARRAY_LEN(changes));
    tcase_add_test(tc, a_name_twice_in_the_file_is_not_ours);
    tcase_add_test(tc, back_to_the_empty_file_sends_all_directly);
    tcase_add_test(tc, without_its_socket_nothing_is_promised);
    tcase_add_test(tc, a_map_that_haproxy_does_not_know_is_an_error);
    tcase_add_test(tc, a_thousand_applications_change_at_once);
}

CHECK_MAIN("migrate/haproxy", add_tests)
