/* What actuators do to what is live: files, trees, programs; whatever happens meanwhile. */
#include "config.h"

#include "migrate/actuator.h"

#include <sys/stat.h>

#include "base/json.h"
#include "migrate/actuator_tools.h"
#include "policy/cutover.h"
#include "tests/check_main.h"
#include "tests/server_run.h"

/* --- sticky: weir's own buckets --- */

START_TEST(a_raised_share_keeps_whom_it_had)
{
    static uint8_t arms[2][STICKY_KEYS];
    char key[20];

    for (size_t i = 0; i < ARRAY_LEN(sticky_shares); i++) {
        uint8_t *now = arms[i % 2];
        for (size_t k = 0; k < STICKY_KEYS; k++) {
            snprintf(key, sizeof(key), "k%zu", k);
            now[k] = cutover_bucket(STR("support-bot"), str_from(key)) < (uint32_t)sticky_shares[i];
        }
        sticky_check(arms[(i + 1) % 2], now, sticky_shares[i]);
    }
    ck_assert_uint_eq(cutover_bucket(STR("support-bot"), STR("")), CUTOVER_ALL);
}
END_TEST

/* --- every driver --- */

static const struct driver_row {
    const char *name, *direct, *gateway;
    bool needs_server; /* apply fails without one, after its file */
} rows[] = {
    {"weir",     "openai",             "litellm",        false},
    { "nginx",   "openai",             "litellm",        false},
    { "haproxy", "openai",             "litellm",        true },
    { "envoy",   "openai",             "litellm",        false},
    { "env",     "https://example/v1", "http://gw:4000", false},
    { "exec",    "openai",             "litellm",        false},
};

static const char *source(const char *name)
{
    static char path[1200];
    const char *top = getenv("abs_top_srcdir"), *srcdir = getenv("srcdir");

    snprintf(path, sizeof(path), "%s/%s", top ? top : srcdir ? srcdir : ".", name);
    return path;
}

static bool has_jq(void)
{
    return system("jq --version > /dev/null 2>&1") == 0;
}

static void make(struct sample_actuator *s, const char *driver)
{
    struct err err;

    sample_init(s, driver);
    if (!strcmp(driver, "envoy"))
        sample_set(s, "root", "%s/runtime", temp_folder);
    else if (!strcmp(driver, "exec"))
        sample_set(s, "command", "%s\n%s/state", source("examples/actuator.sh"), temp_folder);
    else
        sample_set(s, "file", "%s/live", temp_folder);
    if (!strcmp(driver, "weir") || !strcmp(driver, "haproxy"))
        sample_set(s, "socket", "%s/socket", temp_folder);
    if (!strcmp(driver, "nginx")) {
        sample_set(s, "status", "http://127.0.0.1:1/");
        sample_set(s, "test", "true");
        sample_set(s, "reload", "true");
    }
    if (!strcmp(driver, "env"))
        sample_set(s, "restart", "true");
    ck_assert_msg(actuator_check_settings(&s->a, &err) == 0, "%s", err.text);
}

static void render(const struct actuator *a, const struct driver_row *row, const int32_t *shares,
                   size_t count, uint64_t epoch, struct buf *ret)
{
    struct actuator_share all[20];
    char names[20][20];
    struct err err;

    ck_assert_uint_le(count, 20);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof(names[i]), "app-%02zu", i);
        all[i] = (struct actuator_share){ str_from(names[i]), str_from(row->direct),
                                          str_from(row->gateway), STR("request"), shares[i] };
    }
    buf_clear(ret);
    ck_assert_msg(a->driver->render(a, all, count, epoch, ret, &err) == 0, "%s", err.text);
}

static int apply(const struct actuator *a, struct str bytes, bool is_there, struct err *err)
{
    struct actuator_wait wait = sample_wait(20000);

    return a->driver->apply(a, bytes, is_there, &wait, err);
}

static void probe(const struct actuator *a, struct actuator_live *ret)
{
    struct err err;

    actuator_live_release(ret);
    *ret = (struct actuator_live){ 0 };
    ck_assert_msg(a->driver->probe(a, ret, &err) == 0, "%s", err.text);
}

START_TEST(what_is_applied_is_live_however_often)
{
    const struct driver_row *row = &rows[_i];
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct sample_actuator s;
    struct err err;

    if (!strcmp(row->name, "exec") && !has_jq())
        return;
    srand(7);
    make(&s, row->name);
    probe(&s.a, &live);
    ck_assert(!live.is_there && live.bytes.len == 0);
    for (uint64_t epoch = 1; epoch < (strcmp(row->name, "exec") ? 12 : 4); epoch++) {
        int32_t shares[20];
        size_t count = (size_t)rand() % 20;
        for (size_t i = 0; i < count; i++)
            shares[i] = actuator_caps(&s.a).resolution * (rand() % 2);
        render(&s.a, row, shares, count, epoch, &bytes);
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(apply(&s.a, buf_str(&bytes), true, &err), row->needs_server ? -1 : 0);
            probe(&s.a, &live);
            ck_assert(live.is_there);
            ck_assert_msg(str_eq(buf_str(&live.bytes), buf_str(&bytes)), "%s\n%s",
                          buf_cstr(&live.bytes), buf_cstr(&bytes));
        }
    }
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(apply(&s.a, STR(""), false, &err), row->needs_server ? -1 : 0);
        probe(&s.a, &live);
        ck_assert(!live.is_there && live.bytes.len == 0);
    }
}
END_TEST

/* --- died or failed at any call --- */

#define OLD_SHARE 0
#define NEW_SHARE 10000

static void render_state(const struct actuator *a, const struct driver_row *row, bool is_new,
                         struct buf *ret)
{
    const int32_t share = is_new ? NEW_SHARE : OLD_SHARE;

    render(a, row, &share, 1, is_new ? 2 : 1, ret);
}

#define NAME_ENDS  '\x1f'
#define VALUE_ENDS '\x1e'

/* The same program again, as one that applies a file's bytes and ends.  Check is not there yet: no
 * ck_assert. */
__attribute__((constructor)) static void apply_if_told(void)
{
    const char *driver = getenv("WEIR_TEST_DRIVER"), *path = getenv("WEIR_TEST_BYTES");
    struct str rest = str_from(getenv("WEIR_TEST_SETTINGS")), one, name;
    struct actuator_setting settings[SAMPLE_SETTINGS];
    struct actuator a = { .name = STR("edge"), .settings = settings };
    struct buf bytes = { 0 };
    struct err err;

    if (!driver || !path)
        return;
    while (rest.len && str_split(&rest, VALUE_ENDS, &one) && str_split(&one, NAME_ENDS, &name))
        settings[a.setting_count++] = (struct actuator_setting){ name, one };
    a.driver = actuator_find_driver(str_from(driver), &err);
    if (!a.driver || file_read(path, 1 << 20, &bytes, &err) < 0)
        _exit(98);
    _exit(apply(&a, buf_str(&bytes), true, &err) < 0);
}

static void tell(const struct actuator *a, struct str bytes)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    ck_assert_int_eq(file_replace(temp_path("bytes"), bytes, 0600, &err), 0);
    for (size_t i = 0; i < a->setting_count; i++)
        buf_addf(&text, "%.*s%c%.*s%c", STR_ARG(a->settings[i].name), NAME_ENDS,
                 STR_ARG(a->settings[i].value), VALUE_ENDS);
    setenv("WEIR_TEST_SETTINGS", buf_cstr(&text), 1);
    setenv("WEIR_TEST_BYTES", temp_path("bytes"), 1);
    setenv("WEIR_TEST_DRIVER", a->driver->name, 1);
}

/* How it ended, as waitpid says. */
static int apply_with_fault(const struct actuator *a, struct str bytes, const char *action, int at)
{
    char number[20], preload[1200];
    const char *build = getenv("abs_top_builddir");
    int status;

    snprintf(number, sizeof(number), "%d", at);
    snprintf(preload, sizeof(preload), "%s/tests/preload/faultfs.so", build ? build : ".");
    ck_assert_msg(access(preload, R_OK) == 0, "'%s' is not built", preload);
    pid_t pid = fork();
    if (pid == 0) {
        tell(a, bytes);
        setenv("FAULTFS_AT", number, 1);
        setenv("FAULTFS_ACTION", action, 1);
        setenv("LD_PRELOAD", preload, 1);
        execl("/proc/self/exe", "again", (char *)NULL);
        _exit(99);
    }
    waitpid(pid, &status, 0);
    return status;
}

static const char *const actions[] = { "kill", "torn", "enospc", "eio" };

/* Live is old or new; what is done again is new.  Returns whether it was new at once. */
static bool check_after(const struct actuator *a, const struct driver_row *row, struct str before,
                        struct str after)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct err err;

    probe(a, &live);
    ck_assert(live.is_there);
    bool is_new = str_eq(buf_str(&live.bytes), after);
    ck_assert_msg(is_new || str_eq(buf_str(&live.bytes), before), "%s", buf_cstr(&live.bytes));
    ck_assert_int_eq(apply(a, after, true, &err), row->needs_server ? -1 : 0);
    probe(a, &live);
    ck_assert(str_eq(buf_str(&live.bytes), after));
    return is_new;
}

START_TEST(live_is_old_or_new_wherever_it_dies)
{
    const struct driver_row *row = &rows[_i % (int)ARRAY_LEN(rows)];
    const char *action = actions[_i / (int)ARRAY_LEN(rows)];
    CLEANUP(buf_release) struct buf before = { 0 }, after = { 0 };
    struct sample_actuator s;
    struct err err;
    int faults = 0, were_new = 0, at = 1;

#ifdef __SANITIZE_ADDRESS__
    printf("SKIP: a sanitizer must be loaded before faultfs\n");
    return;
#endif
    /* Its programs do not write, but copy and rename. */
    if (!strcmp(row->name, "exec") && (!strcmp(action, "torn") || !has_jq()))
        return;
    make(&s, row->name);
    render_state(&s.a, row, false, &before);
    render_state(&s.a, row, true, &after);
    for (bool ended = false; !ended; at++) {
        ck_assert_int_lt(at, 60);
        ck_assert_int_eq(apply(&s.a, buf_str(&before), true, &err), row->needs_server ? -1 : 0);
        int status = apply_with_fault(&s.a, buf_str(&after), action, at);
        bool is_new = check_after(&s.a, row, buf_str(&before), buf_str(&after));
        ended = is_new && WIFEXITED(status) && WEXITSTATUS(status) == row->needs_server;
        faults += !ended;
        were_new += is_new;
    }
    printf("%s, %s: %d faults, after %d of which it was new\n", row->name, action, faults,
           were_new - 1);
    ck_assert_int_ge(faults, row->needs_server || !strcmp(row->name, "exec") ? 1 : 3);
}
END_TEST

/* --- Envoy, by a stand-in that reads the tree as its documentation says --- */

/* Appends "weir.support-bot.gateway" entries of a folder: comments and blanks at the end go. */
static void add_entries(const char *folder, const char *prefix, struct buf *out)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };
    struct err err;

    if (dir_list_read(folder, &list, &err) < 0)
        return;
    for (size_t i = 0; i < list.len; i++) {
        CLEANUP(buf_release) struct buf path = { 0 }, key = { 0 }, text = { 0 };
        struct stat st;
        buf_addf(&path, "%s/%s", folder, list.names[i]);
        buf_addf(&key, "%s%s%s", prefix, *prefix ? "." : "", list.names[i]);
        if (stat(buf_cstr(&path), &st) == 0 && S_ISDIR(st.st_mode)) {
            add_entries(path.ptr, buf_cstr(&key), out);
            continue;
        }
        if (file_read(path.ptr, 10000, &text, &err) < 0)
            continue;
        json_add_key(out, buf_cstr(&key));
        buf_add_byte(out, '{');
        json_add_str(out, "final_value", str_trim(buf_str(&text)));
        buf_add_byte(out, '}');
    }
}

static void answer_runtime(int fd)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    char request[4096] = "";

    if (read(fd, request, sizeof(request) - 1) <= 0 || strncmp(request, "GET /runtime?", 13)) {
        upstream_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    buf_add_text(&body, "{\"layers\":[\"disk\",\"admin\"],\"entries\":{");
    add_entries(temp_path("runtime/current/envoy"), "", &body);
    buf_add_text(&body, "}}");
    upstream_body(fd, body.ptr, body.len);
}

static pid_t start_envoy(int *ret_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    void *any = &at;
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, any, len), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, any, &len), 0);
    *ret_port = ntohs(at.sin_port);
    pid_t pid = fork();
    if (pid) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int c = accept(fd, NULL, NULL);
        answer_runtime(c);
        close(c);
    }
}

static void expect_running(const struct actuator *a, const char *begins)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };

    probe(a, &live);
    ck_assert_msg(live.is_running, "%s", buf_cstr(&live.running));
    ck_assert_msg(str_starts_with(buf_str(&live.running), str_from(begins)), "%s",
                  buf_cstr(&live.running));
}

static size_t count_trees(void)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };
    struct err err;

    ck_assert_int_eq(dir_list_read(temp_path("runtime"), &list, &err), 0);
    return list.len - 1; /* the link */
}

static void expect_keyless(const char *value)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    ck_assert_int_eq(
        file_read(temp_path("runtime/current/envoy/weir/support-bot/keyless"), 100, &text, &err),
        0);
    ck_assert_str_eq(buf_cstr(&text), value);
}

START_TEST(a_tree_is_published_by_one_rename)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 }, text = { 0 };
    struct actuator_share all = { STR("support-bot"), STR("openai"), STR("litellm"),
                                  STR("header.x-session"), 500 };
    struct sample_actuator s;
    struct err err;
    int port;

    make(&s, "envoy");
    ck_assert(!actuator_caps(&s.a).tells_running);
    pid_t pid = start_envoy(&port);
    sample_set(&s, "admin", "http://127.0.0.1:%d/", port);
    ck_assert(actuator_caps(&s.a).tells_running);
    for (uint64_t epoch = 1; epoch < 5; epoch++) {
        sample_step(&s.a, &all, 1, epoch, &bytes);
        ck_assert_uint_eq(count_trees(), epoch == 1 ? 1 : 2);
    }
    expect_running(&s.a, "e4-");
    const char *path = temp_path("runtime/current/envoy/weir/support-bot/gateway");
    ck_assert_int_eq(file_read(path, 100, &text, &err), 0);
    ck_assert_str_eq(buf_cstr(&text), "{numerator: 500, denominator: TEN_THOUSAND}\n");
    buf_clear(&text);
    path = temp_path("runtime/current/envoy/weir/support-bot/clusters/openai");
    ck_assert_int_eq(file_read(path, 100, &text, &err), 0);
    ck_assert_str_eq(buf_cstr(&text), "9500\n");
    expect_keyless("{numerator: 0, denominator: TEN_THOUSAND}\n");

    /* A person's hand in the tree is seen in both ways. */
    sample_write(path, "1\n");
    expect_running(&s.a, "changed");
    probe(&s.a, &live);
    ck_assert(!str_eq(buf_str(&live.bytes), buf_str(&bytes)));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&live.bytes), "weir/support-bot/clusters/openai"));
    sample_step(&s.a, &all, 1, 4, &bytes);
    all.share = 10000;
    sample_step(&s.a, &all, 1, 5, &bytes);
    expect_keyless("{numerator: 10000, denominator: TEN_THOUSAND}\n");
    ck_assert_int_eq(apply(&s.a, STR(""), false, &err), 0);
    expect_running(&s.a, "empty");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(a_folder_in_the_links_place_is_left_alone)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct sample_actuator s;
    struct err err;

    make(&s, "envoy");
    ck_assert_int_eq(mkdir(temp_path("runtime"), 0755), 0);
    ck_assert_int_eq(mkdir(temp_path("runtime/current"), 0755), 0);
    render_state(&s.a, &rows[3], true, &bytes);
    ck_assert_int_eq(apply(&s.a, buf_str(&bytes), true, &err), -1);
    ck_assert_msg(strstr(err.text, "no symbolic link") != NULL, "%s", err.text);
    ck_assert_int_eq(apply(&s.a, STR("something else"), true, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
}
END_TEST

/* --- exec --- */

START_TEST(the_example_in_shell_does_what_the_manual_says)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, text = { 0 };
    struct actuator_wait wait = sample_wait(20000);
    struct actuator_share all = { STR("support-bot"), STR("openai"), STR("litellm"),
                                  STR("header.x-session"), 500 };
    struct sample_actuator s;
    struct err err;

    if (!has_jq()) {
        ck_assert(!getenv("CI"));
        printf("SKIP: there is no jq\n");
        return;
    }
    make(&s, "exec");
    sample_set(&s, "can", "sticky\natomic\nstream_safe\nverify");
    sample_set(&s, "resolution", "1%%");
    ck_assert_msg(actuator_check_settings(&s.a, &err) == 0, "%s", err.text);
    ck_assert_int_eq(actuator_caps(&s.a).resolution, 100);
    ck_assert(actuator_caps(&s.a).is_sticky && actuator_caps(&s.a).tells_running);
    sample_step(&s.a, &all, 1, 3, &bytes);
    ck_assert_int_eq(file_read(temp_path("state/shares"), 100, &text, &err), 0);
    ck_assert_str_eq(buf_cstr(&text), "support-bot 5\n");
    ck_assert_int_eq(s.a.driver->check(&s.a, buf_str(&bytes), &wait, &err), 0);
    all.share = 550;
    ck_assert_int_eq(s.a.driver->render(&s.a, &all, 1, 4, &bytes, &err), -1);
    /* What a plan without the resolution lets through the program itself refuses. */
    sample_set(&s, "resolution", "0.01%%");
    buf_clear(&bytes);
    ck_assert_int_eq(s.a.driver->render(&s.a, &all, 1, 4, &bytes, &err), 0);
    ck_assert_int_eq(s.a.driver->check(&s.a, buf_str(&bytes), &wait, &err), -1);
    ck_assert_msg(strstr(err.text, "whole percents") != NULL, "%s", err.text);
}
END_TEST

START_TEST(the_example_in_python_renders_its_own_file)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, text = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share all[2] = {
        {STR("a"),  STR("openai"), STR("litellm"), STR("request"), 525},
        { STR("b"), STR("openai"), STR("litellm"), STR("request"), 0  },
    };
    struct actuator_share *back;
    struct sample_actuator s;
    uint64_t epoch;
    size_t count;
    struct err err;

    if (system("python3 -c '' > /dev/null 2>&1") != 0) {
        ck_assert(!getenv("CI"));
        printf("SKIP: there is no python3\n");
        return;
    }
    make(&s, "exec");
    sample_set(&s, "command", "%s\n%s/shares.csv\ntouch\n%s/reloaded",
               source("examples/actuator.py"), temp_folder, temp_folder);
    sample_set(&s, "can", "sticky\natomic\nrender");
    ck_assert_msg(actuator_check_settings(&s.a, &err) == 0, "%s", err.text);
    sample_step(&s.a, all, 2, 3, &bytes);
    ck_assert(file_exists(temp_path("reloaded")));
    ck_assert_int_eq(file_read(temp_path("shares.csv"), 1000, &text, &err), 0);
    ck_assert(str_eq(buf_str(&text), buf_str(&bytes)));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "\na,openai,litellm,request,525\n"));
    ck_assert_msg(s.a.driver->parse(&s.a, buf_str(&bytes), &arena, &back, &count, &epoch, &err) ==
                      0,
                  "%s", err.text);
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(epoch, 3);
    ck_assert_int_eq(back[0].share, 525);
    ck_assert_int_eq(s.a.driver->parse(&s.a, STR("else"), &arena, &back, &count, &epoch, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_int_eq(apply(&s.a, STR(""), false, &err), 0);
    ck_assert_int_eq(apply(&s.a, STR(""), false, &err), 0); /* exit status 10 */
    ck_assert(!file_exists(temp_path("shares.csv")));
}
END_TEST

/* A program's answers; W stands for what is wanted in the message, "" for none. */
static const struct {
    const char *command, *verb, *wanted;
} answers[] = {
    {"echo '{\"there\": false}'",                                                          "probe", ""                  },
    { "echo '{}'",                                                                         "probe", "boolean 'there'"   },
    { "echo '{\"there\": true}'",                                                          "probe", "string 'bytes'"    },
    { "echo '{\"there\": 1, \"bytes\": \"\"}'",                                            "probe", "boolean 'there'"   },
    { "echo no json",                                                                      "probe", "answers to probe"  },
    { "true",                                                                              "probe", "answers to probe"  },
    { "echo broken >&2; exit 1",                                                           "probe", "broken"            },
    { "exit 10",                                                                           "probe", "exit status 10"    },
    { "exit 30",                                                                           "probe", "exit status 30"    },
    { "yes",                                                                               "probe", "wrote more than"   },
    { "sleep 60",                                                                          "probe", "did not end within"},
    { "exit 10",                                                                           "apply", ""                  },
    { "exit 30",                                                                           "apply", ""                  },
    { "exit 20",                                                                           "apply", "exit status 20"    },
    { "exit 1",                                                                            "apply", "exit status 1"     },
    { "exit 10",                                                                           "check", ""                  },
    { "exit 30",                                                                           "check", "exit status 30"    },
    { "cat > /dev/null; grep -q x /nonexistent",                                           "check", "exit status 2"     },
    { "jq -e '.weir == 1 and .verb == \"apply\" and .actuator == \"edge\" and .there and "
      "(.shares | length == 1) and .epoch == 2 and (.marker | startswith(\"e2-\"))'", "apply", ""                  },
};

START_TEST(every_answer_of_a_program_means_something)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_wait wait = sample_wait(20000);
    struct sample_actuator s;
    struct err err = { 0 };
    int r;

    make(&s, "exec");
    sample_set(&s, "command", "%s", answers[_i].command);
    sample_set(&s, "timeout", "%s", strstr(answers[_i].command, "sleep") ? "100ms" : "20s");
    render_state(&s.a, &rows[5], true, &bytes);
    if (!strcmp(answers[_i].verb, "probe"))
        r = s.a.driver->probe(&s.a, &live, &err);
    else if (!strcmp(answers[_i].verb, "check"))
        r = s.a.driver->check(&s.a, buf_str(&bytes), &wait, &err);
    else
        r = s.a.driver->apply(&s.a, buf_str(&bytes), true, &wait, &err);
    ck_assert_int_eq(r, *answers[_i].wanted ? -1 : 0);
    ck_assert_msg(strstr(err.text, answers[_i].wanted) != NULL, "%s", err.text);
    ck_assert(!*answers[_i].wanted || strstr(err.text, "actuator 'edge'"));
}
END_TEST

START_TEST(a_program_that_cannot_tell_is_no_proof)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct sample_actuator s;

    make(&s, "exec");
    sample_set(&s, "can", "verify");
    sample_set(&s, "command", "grep -q '\"probe\"' && echo '{\"there\": false}' && exit; exit 30");
    probe(&s.a, &live);
    ck_assert(!live.is_running);
    ck_assert_msg(strstr(buf_cstr(&live.running), "exit status 30") != NULL, "%s",
                  buf_cstr(&live.running));
}
END_TEST

/* A file that its program's folder only has a link to, and that belongs to the program's user. */
START_TEST(a_file_keeps_its_place_and_its_owner)
{
    static const int32_t shares[] = { 10000 };
    const uid_t owner = geteuid() == 0 ? 4711 : geteuid();
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct sample_actuator s;
    struct stat st;
    struct err err;

    make(&s, "env");
    ck_assert_int_eq(symlink("real", temp_path("live")), 0);
    render(&s.a, &rows[4], shares, 1, 1, &bytes);
    ck_assert_msg(apply(&s.a, buf_str(&bytes), true, &err) == 0, "%s", err.text);
    ck_assert_msg(lstat(temp_path("live"), &st) == 0 && S_ISLNK(st.st_mode), "no link any more");
    ck_assert_int_eq(chmod(temp_path("real"), 0640), 0);
    ck_assert_int_eq(chown(temp_path("real"), owner, (gid_t)-1), 0);
    render(&s.a, &rows[4], shares, 1, 2, &bytes);
    ck_assert_msg(apply(&s.a, buf_str(&bytes), true, &err) == 0, "%s", err.text);
    probe(&s.a, &live);
    ck_assert(str_eq(buf_str(&live.bytes), buf_str(&bytes)));
    ck_assert_int_eq(lstat(temp_path("real"), &st), 0);
    ck_assert_uint_eq(st.st_uid, owner);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(apply(&s.a, STR(""), false, &err), 0);
    ck_assert(!file_exists(temp_path("real")));
    ck_assert_int_eq(lstat(temp_path("live"), &st), 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, a_raised_share_keeps_whom_it_had);
    tcase_add_loop_test(tc, what_is_applied_is_live_however_often, 0, (int)ARRAY_LEN(rows));
    tcase_add_loop_test(tc, live_is_old_or_new_wherever_it_dies, 0,
                        (int)(ARRAY_LEN(rows) * ARRAY_LEN(actions)));
    tcase_add_test(tc, a_file_keeps_its_place_and_its_owner);
    tcase_add_test(tc, a_tree_is_published_by_one_rename);
    tcase_add_test(tc, a_folder_in_the_links_place_is_left_alone);
    tcase_add_test(tc, the_example_in_shell_does_what_the_manual_says);
    tcase_add_test(tc, the_example_in_python_renders_its_own_file);
    tcase_add_loop_test(tc, every_answer_of_a_program_means_something, 0, (int)ARRAY_LEN(answers));
    tcase_add_test(tc, a_program_that_cannot_tell_is_no_proof);
}

CHECK_MAIN("migrate/actuator_apply", add_tests)
