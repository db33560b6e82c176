/* A real nginx: what split_clients makes of the file, and what becomes of its traps. */
#include "config.h"

#include "migrate/actuator.h"

#include "tests/check_main.h"
#include "tests/server_run.h"

static struct server_run nginx;
static pid_t upstream;
static int upstream_port;
static struct sample_actuator s;

/* The configuration of a user, as weir-actuator(5) has it, without the file that weir writes. */
static const char conf[] =
    "daemon off;\nworker_processes 2;\npid $FOLDER/nginx.pid;\nerror_log $FOLDER/error.log;\n"
    "events { worker_connections 256; }\n"
    "http {\n"
    "  access_log off;\n"
    "  client_body_temp_path $FOLDER/t1; proxy_temp_path $FOLDER/t2;\n"
    "  fastcgi_temp_path $FOLDER/t3; uwsgi_temp_path $FOLDER/t4; scgi_temp_path $FOLDER/t5;\n"
    "  variables_hash_max_size 8192;\n"
    "  include $FOLDER/weir_split.conf;\n"
    "  $MORE\n"
    "  upstream openai { server 127.0.0.1:$UPSTREAM; }\n"
    "  upstream litellm { server 127.0.0.1:$UPSTREAM; }\n"
    "  server {\n"
    "    listen 127.0.0.1:$PORT; keepalive_requests 1000000;\n"
    "    location = /.weir/rev { default_type text/plain; return 200 \"$weir_rev\\n\"; }\n"
    "    location = /arm { return 200 \"arm=$weir_arm_support_bot\\n\"; }\n"
    "    location / {\n"
    "      proxy_pass http://$weir_arm_support_bot; proxy_http_version 1.1;\n"
    "      proxy_buffering off; add_header X-Weir-Arm $weir_arm_support_bot always;\n"
    "    }\n"
    "  }\n"
    "}\n";

static void write_conf(const char *more)
{
    char port[20], behind[20];
    const struct server_word words[] = {
        {"$PORT",      port  },
        { "$UPSTREAM", behind},
        { "$MORE",     more  }
    };

    snprintf(port, sizeof(port), "%d", nginx.port);
    snprintf(behind, sizeof(behind), "%d", upstream_port);
    server_configure("nginx.conf", conf, words, ARRAY_LEN(words));
}

static struct actuator_share share_of(int32_t share)
{
    return (struct actuator_share){ STR("support-bot"), STR("openai"), STR("litellm"),
                                    STR("header.x-session"), share };
}

static bool runs(const char *epoch)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct err err;

    ck_assert_int_eq(s.a.driver->probe(&s.a, &live, &err), 0);
    ck_assert_msg(live.is_running, "%s", buf_cstr(&live.running));
    return str_starts_with(buf_str(&live.running), str_from(epoch));
}

/* Workers of before a reload may take a connection after the first of the new ones did. */
static bool comes_to_run(const char *epoch)
{
    int times = 0;

    for (int i = 0; i < 3000 && times < 10; i++) {
        times = runs(epoch) ? times + 1 : 0;
        usleep(10000);
    }
    return times == 10;
}

static void step(int32_t share, uint64_t epoch, struct buf *ret)
{
    struct actuator_share all = share_of(share);
    char marker[32];

    sample_step(&s.a, &all, 1, epoch, ret);
    snprintf(marker, sizeof(marker), "e%llu-", (unsigned long long)epoch);
    ck_assert(comes_to_run(marker));
}

static void start_nginx(void)
{
    const char *argv[] = { "nginx", "-p", temp_folder, "-c", temp_path("nginx.conf"), NULL };

    server_start(&nginx, argv);
}

/* Before nginx runs there must be a file for it to include: the first one says 0 %. */
static bool begin(void)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_share all = share_of(0);
    struct err err;

    if (!server_is_installed("nginx"))
        return false;
    chmod(temp_folder, 0755);
    nginx.port = server_free_port();
    upstream = upstream_start(&upstream_port);
    write_conf("");
    sample_init(&s, "nginx");
    sample_set(&s, "file", "%s/weir_split.conf", temp_folder);
    sample_set(&s, "status", "http://127.0.0.1:%d/.weir/rev", nginx.port);
    sample_set(&s, "test", "nginx\n-p\n%s\n-c\n%s/nginx.conf\n-t\n-q", temp_folder, temp_folder);
    sample_set(&s, "reload", "echo reload >> %s/reloads; nginx -p %s -c %s/nginx.conf -s reload",
               temp_folder, temp_folder, temp_folder);
    ck_assert_msg(actuator_check_settings(&s.a, &err) == 0, "%s", err.text);
    ck_assert_int_eq(s.a.driver->render(&s.a, &all, 1, 1, &bytes, &err), 0);
    sample_write(temp_path("weir_split.conf"), buf_cstr(&bytes));
    start_nginx();
    return true;
}

static void finish(void)
{
    server_stop(&nginx);
    kill(upstream, SIGKILL);
    waitpid(upstream, NULL, 0);
}

static size_t reloads(void)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    return file_read(temp_path("reloads"), 10000, &text, &err) < 0 ? 0 : text.len / 7;
}

/* --- shares --- */

START_TEST(a_raised_share_keeps_whom_it_had)
{
    static uint8_t arms[2][STICKY_KEYS];
    CLEANUP(buf_release) struct buf bytes = { 0 };

    if (!begin())
        return;
    for (size_t i = 0; i < ARRAY_LEN(sticky_shares); i++) {
        step(sticky_shares[i], 2 + i, &bytes);
        server_arms(&nginx, STICKY_KEYS, arms[i % 2]);
        sticky_check(arms[(i + 1) % 2], arms[i % 2], sticky_shares[i]);
    }
    finish();
}
END_TEST

/* Why the gateway's arm stands first: at the end, a raised share is another set of callers. */
START_TEST(another_order_of_the_arms_would_move_everyone)
{
    static uint8_t first[STICKY_KEYS], last[STICKY_KEYS];
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    uint64_t epoch;
    size_t count, both = 0;
    struct err err;

    if (!begin())
        return;
    step(2500, 2, &bytes);
    server_arms(&nginx, STICKY_KEYS, first);
    char *arm = strstr(buf_cstr(&bytes), "25.00% litellm; * openai;");
    ck_assert_ptr_nonnull(arm);
    memcpy(arm, "75.00% openai; * litellm;", strlen("75.00% openai; * litellm;"));
    ck_assert_int_eq(
        s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &shares, &count, &epoch, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    char *epoch_2 = strstr(bytes.ptr, "\"e2-");
    ck_assert_ptr_nonnull(epoch_2);
    epoch_2[2] = '3';
    sample_apply(&s.a, buf_str(&bytes));
    ck_assert(comes_to_run("e3-"));
    server_arms(&nginx, STICKY_KEYS, last);
    for (size_t i = 0; i < STICKY_KEYS; i++)
        both += first[i] && last[i];
    ck_assert_uint_eq(both, 0);
    finish();
}
END_TEST

START_TEST(calls_without_a_key_go_directly_until_all_go)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };

    if (!begin())
        return;
    step(9999, 2, &bytes);
    ck_assert_uint_eq(server_arms_with(&nginx, "", 50), 0);
    ck_assert_uint_eq(server_arms_with(&nginx, "X-Session:\r\n", 50), 0);
    ck_assert_uint_eq(server_arms_with(&nginx, "X-Session: k1\r\n", 50), 50);
    step(10000, 3, &bytes);
    ck_assert_uint_eq(server_arms_with(&nginx, "", 50), 50);
    ck_assert_uint_eq(server_arms_with(&nginx, "X-Session:\r\n", 50), 50);
    ck_assert_uint_eq(server_arms_with(&nginx, "X-Session: k1\r\n", 50), 50);
    step(0, 4, &bytes);
    ck_assert_uint_eq(server_arms_with(&nginx, "", 50), 0);
    finish();
}
END_TEST

static const struct {
    const char *key;
    size_t low, high; /* of 100 calls of one caller, at 50 % */
} keys[] = {
    {"client_address", 0,  100},
    { "request",       25, 75 },
};

START_TEST(addresses_and_requests_are_keys_too)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_share all = share_of(5000);

    if (!begin())
        return;
    all.key = str_from(keys[_i].key);
    sample_step(&s.a, &all, 1, 2, &bytes);
    size_t n = server_arms_with(&nginx, "", 100);
    ck_assert_uint_ge(n, keys[_i].low);
    ck_assert_uint_le(n, keys[_i].high);
    if (_i == 0)
        ck_assert_msg(n == 0 || n == 100, "%zu of 100", n);
    finish();
}
END_TEST

/* --- traps --- */

/* nginx takes no 0%, no 0.001% and no more than 100% in all: what weir writes has none of it. */
static const char *const refused[] = {
    "split_clients \"a\" $x { 0% b; * c; }\n",
    "split_clients \"a\" $x { 0.001% b; * c; }\n",
    "split_clients \"a\" $x { 60% b; 50% d; * c; }\n",
    "split_clients \"a\" $x { 5% b; * c;\n",
    "\n",
};

START_TEST(a_bad_file_is_reported_and_the_old_one_goes_on)
{
    CLEANUP(buf_release) struct buf good = { 0 }, bad = { 0 };
    struct actuator_wait wait = sample_wait(20000);
    struct err err;

    if (!begin())
        return;
    step(2500, 2, &good);
    size_t before = reloads();
    if (refused[_i][0] != '\n')
        buf_add_str(&bad, buf_str(&good));
    buf_add_text(&bad, refused[_i]);
    ck_assert_int_eq(s.a.driver->apply(&s.a, buf_str(&bad), true, &wait, &err), -1);
    ck_assert_msg(strstr(err.text, "'test' ended with exit status 1: ") != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "[emerg]") != NULL, "%s", err.text);
    ck_assert_uint_eq(reloads(), before);
    ck_assert(runs("e2-"));
    ck_assert_uint_eq(server_arms_with(&nginx, "X-Session:\r\n", 10), 0);
    /* What step does then. */
    sample_apply(&s.a, buf_str(&good));
    ck_assert(comes_to_run("e2-"));
    finish();
}
END_TEST

START_TEST(a_configuration_broken_by_others_is_seen_before_anything_is_written)
{
    CLEANUP(buf_release) struct buf good = { 0 };
    struct actuator_wait wait = sample_wait(20000);
    struct err err;

    if (!begin())
        return;
    step(2500, 2, &good);
    ck_assert_msg(s.a.driver->check(&s.a, buf_str(&good), &wait, &err) == 0, "%s", err.text);
    write_conf("no_such_directive;");
    ck_assert_int_eq(s.a.driver->check(&s.a, buf_str(&good), &wait, &err), -1);
    ck_assert_msg(strstr(err.text, "no_such_directive") != NULL, "%s", err.text);
    ck_assert(comes_to_run("e2-"));
    finish();
}
END_TEST

START_TEST(a_reload_is_not_made_twice)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };

    if (!begin())
        return;
    step(500, 2, &bytes);
    ck_assert_uint_eq(reloads(), 1);
    sample_apply(&s.a, buf_str(&bytes));
    sample_apply(&s.a, buf_str(&bytes));
    ck_assert_uint_eq(reloads(), 1);
    finish();
}
END_TEST

/* The file was written, and then weir died: nginx still runs what was before. */
START_TEST(a_step_cut_off_before_its_reload_is_finished_by_doing_it_again)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_share all = share_of(2500);
    struct err err;

    if (!begin())
        return;
    step(500, 2, &bytes);
    buf_clear(&bytes);
    ck_assert_int_eq(s.a.driver->render(&s.a, &all, 1, 3, &bytes, &err), 0);
    sample_write(temp_path("weir_split.conf"), buf_cstr(&bytes));
    ck_assert_int_eq(s.a.driver->probe(&s.a, &live, &err), 0);
    ck_assert(str_eq(buf_str(&live.bytes), buf_str(&bytes)));
    ck_assert(str_starts_with(buf_str(&live.running), STR("e2-")));
    step(2500, 3, &bytes);
    ck_assert(comes_to_run("e3-"));
    finish();
}
END_TEST

START_TEST(what_a_person_changed_is_read_as_it_is)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    uint64_t epoch;
    size_t count;
    struct err err;

    if (!begin())
        return;
    step(500, 2, &bytes);
    *strstr(buf_cstr(&bytes), "5.00%") = '9';
    ck_assert_msg(s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &shares, &count, &epoch, &err) ==
                      0,
                  "%s", err.text);
    ck_assert_int_eq(shares[0].share, 900);
    ck_assert_uint_eq(epoch, 2);
    finish();
}
END_TEST

/* --- streams --- */

START_TEST(a_stream_under_way_outlives_reloads)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, in = { 0 };

    if (!begin())
        return;
    int fd = server_connect(nginx.port);
    upstream_text(fd, "GET /sse/60/20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    in.len = (size_t)read(fd, buf_reserve(&in, 4096), 4096);
    ck_assert_msg(str_starts_with(buf_str(&in), STR("HTTP/1.1 200")), "%s", buf_cstr(&in));
    for (unsigned i = 0; i < 3; i++)
        step(i ? 10000 : 500, 2 + i, &bytes);
    ck_assert_uint_eq(reloads(), 3);
    for (ssize_t n = 1; n > 0; in.len += (size_t)n) {
        char *to = buf_reserve(&in, 65536);
        n = read(fd, to, 65536);
        ck_assert_int_ge(n, 0);
    }
    close(fd);
    size_t events = 0;
    for (ptrdiff_t at = 0; (at = str_find(buf_str(&in), STR("data:"), (size_t)at)) >= 0; at++)
        events++;
    ck_assert_uint_ge(events, 60);
    ck_assert(str_ends_with(buf_str(&in), STR("0\r\n\r\n")));
    finish();
}
END_TEST

START_TEST(a_thousand_applications_are_one_reload)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_share all[1000];
    char names[1000][20];

    if (!begin())
        return;
    for (size_t i = 0; i < 999; i++) {
        snprintf(names[i], sizeof(names[i]), "app-%03zu", i);
        all[i] = share_of((int32_t)i);
        all[i].app = str_from(names[i]);
    }
    all[999] = share_of(10000);
    sample_step(&s.a, all, 1000, 2, &bytes);
    ck_assert_uint_eq(reloads(), 1);
    ck_assert_uint_eq(server_arms_with(&nginx, "X-Session: k\r\n", 10), 10);
    finish();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, a_raised_share_keeps_whom_it_had);
    tcase_add_test(tc, another_order_of_the_arms_would_move_everyone);
    tcase_add_test(tc, calls_without_a_key_go_directly_until_all_go);
    tcase_add_loop_test(tc, addresses_and_requests_are_keys_too, 0, (int)ARRAY_LEN(keys));
    tcase_add_loop_test(tc, a_bad_file_is_reported_and_the_old_one_goes_on, 0,
                        (int)ARRAY_LEN(refused));
    tcase_add_test(tc, a_configuration_broken_by_others_is_seen_before_anything_is_written);
    tcase_add_test(tc, a_reload_is_not_made_twice);
    tcase_add_test(tc, a_step_cut_off_before_its_reload_is_finished_by_doing_it_again);
    tcase_add_test(tc, what_a_person_changed_is_read_as_it_is);
    tcase_add_test(tc, a_stream_under_way_outlives_reloads);
    tcase_add_test(tc, a_thousand_applications_are_one_reload);
}

CHECK_MAIN("migrate/nginx", add_tests)
