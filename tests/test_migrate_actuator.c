#include "config.h"

#include "migrate/actuator.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/listener.h"
#include "migrate/actuator_tools.h"
#include "policy/cutover.h"
#include "tests/actuator_sample.h"
#include "tests/check_main.h"

/* What each driver takes: settings that need no program, and two upstreams. */
static const struct driver_row {
    const char *name, *direct, *gateway, *key;
    int32_t share;
} driver_rows[] = {
    {"weir",     "openai",                    "litellm",           "header.x-session", 525  },
    { "env",     "https://api.openai.com/v1", "http://gw:4000/v1", "request",          10000},
    { "nginx",   "openai",                    "litellm",           "header.x-session", 525  },
    { "haproxy", "openai",                    "litellm",           "header.x-session", 525  },
    { "envoy",   "openai",                    "litellm",           "header.x-session", 525  },
    { "exec",    "openai",                    "litellm",           "header.x-session", 525  },
};

static void make(struct sample_actuator *s, const char *driver)
{
    sample_init(s, driver);
    sample_set(s, "file", "%s/live", temp_folder);
    if (!strcmp(driver, "weir") || !strcmp(driver, "haproxy"))
        sample_set(s, "socket", "%s/socket", temp_folder);
    if (!strcmp(driver, "nginx"))
        sample_set(s, "status", "http://127.0.0.1:1/");
    if (!strcmp(driver, "env"))
        sample_set(s, "restart", "true");
    if (!strcmp(driver, "envoy")) {
        s->a.setting_count = 0;
        sample_set(s, "root", "%s/runtime", temp_folder);
    }
    if (!strcmp(driver, "exec")) {
        s->a.setting_count = 0;
        sample_set(s, "command", "exit 10");
    }
}

static struct actuator_share share_of(const struct driver_row *row, const char *app, int32_t share)
{
    return (struct actuator_share){ str_from(app), str_from(row->direct), str_from(row->gateway),
                                    str_from(row->key), share };
}

static void same_shares(const struct actuator_share *a, const struct actuator_share *b)
{
    ck_assert(str_eq(a->app, b->app));
    ck_assert(str_eq(a->direct, b->direct));
    ck_assert(str_eq(a->gateway, b->gateway));
    ck_assert(str_eq(a->key, b->key));
    ck_assert_int_eq(a->share, b->share);
}

START_TEST(what_is_rendered_is_read_back_for_every_driver)
{
    const struct driver_row *row = &driver_rows[_i];
    CLEANUP(buf_release) struct buf bytes = { 0 }, again = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share shares[3] = { share_of(row, "app-1", 0),
                                        share_of(row, "app-2", row->share),
                                        share_of(row, "app-3", 10000) };
    char marker[ACTUATOR_MARKER_BYTES];
    struct actuator_share *back;
    struct sample_actuator s;
    uint64_t epoch;
    struct err err;
    size_t count;

    make(&s, row->name);
    ck_assert_msg(actuator_check_settings(&s.a, &err) == 0, "%s", err.text);
    ck_assert_msg(s.a.driver->render(&s.a, shares, 3, 42, &bytes, &err) == 0, "%s", err.text);
    ck_assert_int_eq(s.a.driver->render(&s.a, shares, 3, 42, &again, &err), 0);
    ck_assert(str_eq(buf_str(&bytes), buf_str(&again)));
    actuator_marker(shares, 3, 42, marker);
    ck_assert_msg(strstr(buf_cstr(&bytes), marker) != NULL, "%s", bytes.ptr);
    ck_assert_msg(s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &back, &count, &epoch, &err) ==
                      0,
                  "%s", err.text);
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(epoch, 42);
    for (size_t i = 0; i < count; i++)
        same_shares(&back[i], &shares[i]);
}
END_TEST

START_TEST(no_application_is_a_state_too)
{
    const struct driver_row *row = &driver_rows[_i];
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *back;
    struct sample_actuator s;
    uint64_t epoch;
    struct err err;
    size_t count;

    make(&s, row->name);
    ck_assert_msg(s.a.driver->render(&s.a, NULL, 0, 1, &bytes, &err) == 0, "%s", err.text);
    ck_assert_msg(s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &back, &count, &epoch, &err) ==
                      0,
                  "%s", err.text);
    ck_assert_uint_eq(count, 0);
    ck_assert_uint_eq(epoch, 1);
}
END_TEST

START_TEST(every_byte_changed_by_others_is_seen_or_changes_nothing)
{
    const struct driver_row *row = &driver_rows[_i];
    CLEANUP(buf_release) struct buf bytes = { 0 }, again = { 0 };
    struct actuator_share shares[2] = { share_of(row, "app-1", row->share), share_of(row, "b", 0) };
    struct actuator_share *back;
    struct sample_actuator s;
    uint64_t epoch;
    struct err err;
    size_t count, read = 0;

    make(&s, row->name);
    if (!strcmp(row->name, "exec"))
        return; /* a program each time */
    ck_assert_int_eq(s.a.driver->render(&s.a, shares, 2, 42, &bytes, &err), 0);
    for (size_t i = 0; i < bytes.len; i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        bytes.ptr[i] ^= 1;
        err = (struct err){ 0 };
        if (s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &back, &count, &epoch, &err) == 0)
            read++;
        else
            ck_assert_int_eq(err.code, ERR_CORRUPT);
        bytes.ptr[i] ^= 1;
    }
    /* Names, shares and digits of the marker may differ and still be a text of ours. */
    ck_assert_uint_lt(read, bytes.len);
    for (size_t len = 0; len < bytes.len; len++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct str cut = str_sub(buf_str(&bytes), 0, len);
        if (s.a.driver->parse(&s.a, cut, &arena, &back, &count, &epoch, &err) < 0)
            ck_assert_int_eq(err.code, ERR_CORRUPT);
    }
}
END_TEST

/* --- what no driver takes --- */

static const char *const odd_names[] = {
    "",
    "a b",
    "a;b",
    "a\nb",
    "a\rb",
    "a\tb",
    "a\"b",
    "a'b",
    "a`id`",
    "$(id)",
    "$weir_rev",
    "a{b",
    "a}b",
    "a\\",
    "#a",
    "a#b",
    "../../etc/passwd",
    "..",
    ".weir.epoch",
    "-a",
    "a\x7f",
    "a\xc3\xa9",
    "%s%n",
    "*",
    "a=b;c",
    "a|b",
    "a&b",
    "a<b",
};

/* Exactly one line holds what the names could bring in: refused, or quoted so that it is read
 * back as it was. */
START_TEST(no_name_breaks_out_of_what_is_written)
{
    const struct driver_row *row = &driver_rows[_i % (int)ARRAY_LEN(driver_rows)];
    struct str odd = str_from(odd_names[_i / (int)ARRAY_LEN(driver_rows)]);
    struct sample_actuator s;
    struct err err;

    make(&s, row->name);
    for (int place = 0; place < 4; place++) {
        CLEANUP(buf_release) struct buf bytes = { 0 };
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct actuator_share share = share_of(row, "app", 10000), *back;
        struct str *const places[] = { &share.app, &share.direct, &share.gateway, &share.key };
        uint64_t epoch;
        size_t count;

        *places[place] = odd;
        bool admitted = s.a.driver->admits(&s.a, &share, &err) == 0;
        bool rendered = s.a.driver->render(&s.a, &share, 1, 7, &bytes, &err) == 0;
        ck_assert_int_eq(admitted, rendered);
        if (!rendered) {
            ck_assert_int_eq(err.code, ERR_USAGE);
            ck_assert_uint_eq(bytes.len, 0);
            continue;
        }
        ck_assert_msg(!strcmp(row->name, "weir") || !strcmp(row->name, "exec"),
                      "%s takes '%s' in place %d", row->name, odd.ptr, place);
        ck_assert_msg(
            s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &back, &count, &epoch, &err) == 0,
            "%s: %s", err.text, bytes.ptr);
        ck_assert_uint_eq(count, 1);
        same_shares(&share, back);
    }
}
END_TEST

static const struct refusal {
    const char *driver, *app, *direct, *gateway, *key;
    int32_t share;
    const char *wanted; /* in the message */
} refusals[] = {
    {"weir",     "a",   "d",   "g",     "",                 100,   "header.NAME"      },
    { "weir",    "a",   "d",   "g",     "header.X-Session", 100,   "in lower"         },
    { "weir",    "a",   "d",   "d",     "request",          100,   "both 'd'"         },
    { "weir",    "a",   "d",   "g",     "request",          -1,    "hundredths"       },
    { "weir",    "a",   "d",   "g",     "request",          10001, "hundredths"       },
    { "nginx",   "a",   "d",   "g",     "",                 100,   "no key"           },
    { "nginx",   "a",   "d",   "g",     "header.x_session", 100,   "x_session"        },
    { "nginx",   "a",   "d",   "g",     "header.",          100,   "header."          },
    { "nginx",   "a",   "d",   "g",     "end_user",         100,   "client_address"   },
    { "nginx",   "a",   "d",   "g",     "metadata.session", 100,   "client_address"   },
    { "nginx",   "a",   "d",   "d",     "request",          100,   "both 'd'"         },
    { "nginx",   "a",   "d",   "g",     "request",          10001, "hundredths"       },
    { "haproxy", "a",   "d",   "g",     "",                 100,   "no key"           },
    { "haproxy", "a",   "d",   "g",     "request",          -1,    "hundredths"       },
    { "envoy",   "a",   "d",   "g",     "end_user",         100,   "header.NAME"      },
    { "envoy",   "a.b", "d",   "g",     "request",          100,   "byte 2"           },
    { "env",     "a",   "u:1", "u:2",   "request",          5000,  "steps are 100.00%"},
    { "env",     "a",   "u:1", "u:1",   "request",          10000, "both"             },
    { "env",     "a",   "u:1", "$(id)", "request",          10000, "byte 1"           },
    { "exec",    "a",   "d",   "g",     "",                 100,   "no key"           },
};

START_TEST(what_a_driver_cannot_do_is_refused_with_words)
{
    const struct refusal *r = &refusals[_i];
    struct actuator_share share = { str_from(r->app), str_from(r->direct), str_from(r->gateway),
                                    str_from(r->key), r->share };
    struct sample_actuator s;
    struct err err = { 0 };

    make(&s, r->driver);
    ck_assert_int_eq(s.a.driver->admits(&s.a, &share, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_msg(strstr(err.text, r->wanted) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "actuator 'edge'") != NULL, "%s", err.text);
}
END_TEST

START_TEST(shares_finer_than_a_hundredth_of_a_percent_are_none)
{
    int32_t share;

    ck_assert(!actuator_percent(STR("0.001%"), &share));
    ck_assert(!actuator_percent(STR("100.01%"), &share));
    ck_assert(!actuator_percent(STR("-1%"), &share));
    ck_assert(!actuator_percent(STR("5"), &share));
    ck_assert(!actuator_percent(STR("%"), &share));
    ck_assert(actuator_percent(STR("0.01%"), &share));
    ck_assert_int_eq(share, 1);
    ck_assert(actuator_percent(STR("100%"), &share));
    ck_assert_int_eq(share, 10000);
}
END_TEST

/* Two applications that one program cannot tell apart. */
static const struct {
    const char *driver, *one, *other;
} collisions[] = {
    {"nginx",    "app-1", "app.1"},
    { "nginx",   "App",   "app"  },
    { "env",     "app-1", "APP.1"},
    { "weir",    "a",     "a"    },
    { "haproxy", "a",     "a"    },
    { "envoy",   "a",     "a"    },
};

START_TEST(applications_of_one_name_are_refused)
{
    const struct driver_row *row = driver_rows;
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct sample_actuator s;
    struct err err = { 0 };

    while (strcmp(row->name, collisions[_i].driver))
        row++;
    struct actuator_share shares[2] = { share_of(row, collisions[_i].one, 0),
                                        share_of(row, collisions[_i].other, 0) };
    make(&s, row->name);
    ck_assert_int_eq(s.a.driver->render(&s.a, shares, 2, 1, &bytes, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_msg(strstr(err.text, collisions[_i].one) != NULL, "%s", err.text);
}
END_TEST

/* --- settings and drivers --- */

START_TEST(mistyped_words_bring_the_right_ones)
{
    struct sample_actuator s;
    struct err err = { 0 };

    ck_assert_ptr_null(actuator_find_driver(STR("ngnix"), &err));
    ck_assert_msg(strstr(err.text, "'nginx'") != NULL, "%s", err.text);
    make(&s, "weir");
    sample_set(&s, "sockte", "x");
    ck_assert_int_eq(actuator_check_settings(&s.a, &err), -1);
    ck_assert_msg(strstr(err.text, "'socket'") != NULL, "%s", err.text);
    sample_init(&s, "weir");
    sample_set(&s, "file", "x");
    ck_assert_int_eq(actuator_check_settings(&s.a, &err), -1);
    ck_assert_msg(strstr(err.text, "'socket'") != NULL, "%s", err.text);
    make(&s, "weir");
    sample_set(&s, "timeout", "soon");
    ck_assert_int_eq(actuator_check_settings(&s.a, &err), -1);
    ck_assert_msg(strstr(err.text, "'timeout'") != NULL, "%s", err.text);
    make(&s, "env");
    sample_set(&s, "variable", "A B");
    ck_assert_int_eq(actuator_check_settings(&s.a, &err), -1);
    make(&s, "nginx");
    sample_set(&s, "prefix", "a-b");
    ck_assert_int_eq(actuator_check_settings(&s.a, &err), -1);
}
END_TEST

/* The manual's part of each driver lists its settings, and no others. */
START_TEST(the_manual_has_every_setting)
{
    CLEANUP(buf_release) struct buf page = { 0 }, title = { 0 };
    const char *top = getenv("abs_top_srcdir"), *srcdir = getenv("srcdir");
    size_t listed = 0, wanted = 0;
    struct sample_actuator s;
    char path[1200];
    struct err err;

    snprintf(path, sizeof(path), "%s/doc/weir-actuator.5", top ? top : srcdir ? srcdir : ".");
    ck_assert_msg(file_read(path, 1 << 20, &page, &err) == 0, "%s", err.text);
    sample_init(&s, driver_rows[_i].name);
    buf_addf(&title, "\n.Ss %s\n", driver_rows[_i].name);
    ptrdiff_t at = str_find(buf_str(&page), buf_str(&title), 0);
    ck_assert_int_ge(at, 0);
    struct str part = str_sub(buf_str(&page), (size_t)at + title.len, SIZE_MAX);
    ptrdiff_t end = str_find(part, STR("\n.El\n"), 0);
    ck_assert_int_ge(end, 0);
    part.len = (size_t)end;
    for (ptrdiff_t i = 0; (i = str_find(part, STR(".It Sy "), (size_t)i)) >= 0; i++)
        listed++;
    for (const char *const *name = s.a.driver->settings; *name; name++) {
        const char *text = **name == '!' ? *name + 1 : *name;
        if (!strcmp(text, "timeout"))
            continue; /* of all drivers */
        buf_clear(&title);
        buf_addf(&title, ".It Sy %s\n", text);
        ck_assert_msg(str_find(part, buf_str(&title), 0) >= 0, "%s", text);
        wanted++;
    }
    ck_assert_uint_eq(listed, wanted);
}
END_TEST

START_TEST(markers_tell_epochs_and_shares_apart)
{
    struct actuator_share share = share_of(&driver_rows[0], "app", 100);
    char a[ACTUATOR_MARKER_BYTES], b[ACTUATOR_MARKER_BYTES];
    uint64_t epoch;

    actuator_marker(&share, 1, 42, a);
    ck_assert(actuator_is_marker(str_from(a), &epoch));
    ck_assert_uint_eq(epoch, 42);
    share.share = 101;
    actuator_marker(&share, 1, 42, b);
    ck_assert_str_ne(a, b);
    ck_assert_int_eq(strncmp(a, b, 4), 0);
    /* What one field ends with the next must not begin with. */
    struct actuator_share x = share, y = share;
    x.app = STR("ab"), x.direct = STR("c");
    y.app = STR("a"), y.direct = STR("bc");
    actuator_marker(&x, 1, 42, a);
    actuator_marker(&y, 1, 42, b);
    ck_assert_str_ne(a, b);
    ck_assert(!actuator_is_marker(STR("e42"), &epoch));
    ck_assert(!actuator_is_marker(STR("e42-1b2c3d4e5f6"), &epoch));
    ck_assert(!actuator_is_marker(STR("e-1-1b2c3d4e5f60"), &epoch));
    ck_assert(!actuator_is_marker(STR("mixed"), &epoch));
}
END_TEST

/* --- weir --- */

/* Answers each connection with a text of a file, until it is killed. */
static pid_t serve_status(const char *path, const char *answer_path)
{
    struct err err;
    char word[64];
    int fd;

    ck_assert_msg(listener_open_unix(path, &fd, &err) == 0, "%s", err.text);
    pid_t pid = fork();
    if (pid) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fcntl(fd, F_SETFL, 0);
    for (;;) {
        struct buf answer = { 0 };
        int c = accept(fd, NULL, NULL);
        if (c < 0 || read(c, word, sizeof(word)) != 7 || memcmp(word, "status\n", 7))
            _exit(1);
        if (file_read(answer_path, 1 << 20, &answer, &err) == 0)
            fd_write_all(c, buf_str(&answer), &err);
        close(c);
        buf_release(&answer);
    }
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

START_TEST(the_proxy_must_say_that_it_runs)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, seen = { 0 };
    struct actuator_share share = share_of(&driver_rows[0], "support bot", 500);
    char marker[ACTUATOR_MARKER_BYTES], answer[200];
    struct sample_actuator s;
    struct err err;

    make(&s, "weir");
    actuator_marker(&share, 1, 3, marker);
    ck_assert_int_eq(s.a.driver->render(&s.a, &share, 1, 3, &bytes, &err), 0);
    sample_apply(&s.a, buf_str(&bytes));
    struct actuator_wait no_time = sample_wait(0);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bytes), 3, &no_time, &seen, &err), -1);
    ck_assert_msg(strstr(err.text, "socket") != NULL, "%s", err.text);

    snprintf(answer, sizeof(answer), "{\"workers\":2,\"cutover\":{\"marker\":\"mixed\"}}");
    sample_write(temp_path("answer"), answer);
    pid_t pid = serve_status(temp_path("socket"), temp_path("answer"));
    no_time = sample_wait(0);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bytes), 3, &no_time, &seen, &err), 0);
    ck_assert_str_eq(buf_cstr(&seen), "mixed");

    snprintf(answer, sizeof(answer), "{\"cutover\":{\"epoch\":3,\"marker\":\"%s\"}}", marker);
    sample_write(temp_path("answer"), answer);
    struct actuator_wait wait = sample_wait(10000);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bytes), 8, &wait, &seen, &err), 1);

    /* It runs, but somebody changed the file since. */
    sample_write(temp_path("live"), "# weir cutover 1\n");
    no_time = sample_wait(0);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bytes), 1, &no_time, &seen, &err), 0);
    ck_assert_str_eq(buf_cstr(&seen), "another file");
    sample_write(temp_path("answer"), "{\"workers\":2}");
    sample_apply(&s.a, buf_str(&bytes));
    no_time = sample_wait(0);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bytes), 1, &no_time, &seen, &err), -1);
    ck_assert_msg(strstr(err.text, "follows no cutover") != NULL, "%s", err.text);
    end(pid);
}
END_TEST

/* --- env --- */

START_TEST(an_env_file_is_written_and_its_application_restarted)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 }, log = { 0 };
    struct actuator_share share = share_of(&driver_rows[1], "support-bot", 10000);
    struct actuator_wait wait = sample_wait(10000);
    struct sample_actuator s;
    struct stat st;
    struct err err;

    make(&s, "env");
    sample_write(temp_path("live"), "OLD=1\n");
    chmod(temp_path("live"), 0640);
    sample_set(&s, "restart",
               "sh\n-c\n. %s/live; echo $SUPPORT_BOT_BASE_URL $WEIR_CUTOVER >> %s/log", temp_folder,
               temp_folder);
    ck_assert(!actuator_caps(&s.a).tells_running);
    sample_step(&s.a, &share, 1, 9, &bytes);
    ck_assert_int_eq(stat(temp_path("live"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(file_read(temp_path("log"), 1000, &log, &err), 0);
    ck_assert_msg(str_starts_with(buf_str(&log), STR("http://gw:4000/v1 e9-")), "%s",
                  buf_cstr(&log));

    sample_set(&s, "verify", "tail -n 1 %s/log | cut -d' ' -f2", temp_folder);
    ck_assert(actuator_caps(&s.a).tells_running);
    sample_step(&s.a, &share, 1, 10, &bytes);
    ck_assert_int_eq(s.a.driver->probe(&s.a, &live, &err), 0);
    ck_assert(live.is_running && str_starts_with(buf_str(&live.running), STR("e10-")));

    /* Back to no file at all. */
    ck_assert_int_eq(s.a.driver->apply(&s.a, STR(""), false, &wait, &err), -1);
    ck_assert_msg(strstr(err.text, "'restart' ended with exit status") != NULL, "%s", err.text);
    ck_assert(!file_exists(temp_path("live")));
}
END_TEST

/* --- programs --- */

static const struct {
    const char *command, *timeout, *wanted;
} bad_commands[] = {
    {"exit 3",                                                    "20s",  "exit status 3"     },
    { "echo 'no such unit' >&2; exit 5",                          "20s",  "no such unit"      },
    { "/nonexistent/program x",                                   "20s",  "exit status 127"   },
    { "/nonexistent/program",                                     "20s",  "cannot start"      },
    { "/nonexistent/program\n-x",                                 "20s",  "cannot start"      },
    { "sleep 60 & sleep 60",                                      "50ms", "did not end within"},
    { "trap '' TERM; while :; do sleep 1; done",                  "50ms", "did not end within"},
    { "kill -9 $$",                                               "20s",  "signal 9"          },
    { "yes",                                                      "20s",  "wrote more than"   },
    { "echo sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD; exit 1", "20s",  "[api_key]"         },
};

START_TEST(a_command_that_fails_says_why)
{
    struct actuator_wait wait = sample_wait(20000);
    struct sample_actuator s;
    struct err err = { 0 };

    make(&s, "env");
    sample_set(&s, "restart", "%s", bad_commands[_i].command);
    sample_set(&s, "timeout", "%s", bad_commands[_i].timeout);
    ck_assert_int_eq(s.a.driver->apply(&s.a, STR("A=1\n"), true, &wait, &err), -1);
    ck_assert_msg(strstr(err.text, bad_commands[_i].wanted) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "abcdefghij") == NULL, "%s", err.text);
    ck_assert(file_exists(temp_path("live")));
}
END_TEST

static void add_tests(TCase *tc)
{
    int drivers = (int)ARRAY_LEN(driver_rows);

    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, what_is_rendered_is_read_back_for_every_driver, 0, drivers);
    tcase_add_loop_test(tc, no_application_is_a_state_too, 0, drivers);
    tcase_add_loop_test(tc, every_byte_changed_by_others_is_seen_or_changes_nothing, 0, drivers);
    tcase_add_loop_test(tc, no_name_breaks_out_of_what_is_written, 0,
                        drivers * (int)ARRAY_LEN(odd_names));
    tcase_add_loop_test(tc, what_a_driver_cannot_do_is_refused_with_words, 0,
                        (int)ARRAY_LEN(refusals));
    tcase_add_test(tc, shares_finer_than_a_hundredth_of_a_percent_are_none);
    tcase_add_loop_test(tc, applications_of_one_name_are_refused, 0, (int)ARRAY_LEN(collisions));
    tcase_add_test(tc, mistyped_words_bring_the_right_ones);
    tcase_add_loop_test(tc, the_manual_has_every_setting, 0, drivers);
    tcase_add_test(tc, markers_tell_epochs_and_shares_apart);
    tcase_add_test(tc, the_proxy_must_say_that_it_runs);
    tcase_add_test(tc, an_env_file_is_written_and_its_application_restarted);
    tcase_add_loop_test(tc, a_command_that_fails_says_why, 0, (int)ARRAY_LEN(bad_commands));
}

CHECK_MAIN("migrate/actuator", add_tests)
