/* migrate-crash - kills `weir migrate advance` and `rollback` before and after every call by which
 * they change a file, tell a program or start one, fails every such call, and kills at random
 * times; with every kind of actuator.  tests/preload/faultfs.c counts and kills.
 *
 * After each: what is live is what was before or what was wanted, of all applications; the next
 * command, the same once more, makes it what was wanted; the ledger is whole, nothing is open, and
 * no step was made twice (the program of `exec` keeps a log).
 *
 *     migrate-crash [NAME...]     these actuators alone
 *     WEIR_KILLS=N                random kills in all, 200 if not set
 *     WEIR_CRASH_EVERY=N          each Nth call alone; if not set, all where that is quick
 *     migrate-crash --exec DIR    is the program of `exec`
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "migrate/portfolio.h"
#include "migrate/programme.h"
#include "migrate/rollout.h"

#define KINDS      6u
#define KILLS      200
#define PATH_BYTES 300
#define LOG_BYTES  (4u << 20)
#define STEP_MS    20000

struct scene;

struct scene_kind {
    const char *name;
    const char *settings; /* of the actuator; %FOLDER% and %PORT% are replaced */
    const char *program;  /* that must be installed; NULL = none */
    void (*start)(struct scene *s);
    unsigned every; /* in a quick run */
    bool has_log;   /* of what was applied */
};

struct scene {
    const struct scene_kind *kind;
    char folder[PATH_BYTES];
    int port;
    pid_t server;
    struct programme *programme;
    const struct actuator *actuator;
    const char *what, *action; /* what is tried, for messages */
    long at;
    unsigned faults, kills, applied;
};

static char weir[PATH_BYTES], preload[PATH_BYTES], self[PATH_BYTES], top[PATH_BYTES];

/* --- small things --- */

__attribute__((format(printf, 2, 3), noreturn)) static void fail(const struct scene *s,
                                                                 const char *fmt, ...)
{
    va_list args;

    printf("not ok - %s: %s, %s at %ld: ", s->kind->name, s->what ? s->what : "-",
           s->action ? s->action : "-", s->at);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf(" (%s)\n", s->folder);
    fflush(stdout);
    if (s->server > 0)
        kill(s->server, SIGKILL);
    _exit(1);
}

static int64_t now_us(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void sleep_us(void *ctx, int64_t us)
{
    struct timespec t = { us / 1000000, us % 1000000 * 1000 };

    (void)ctx;
    nanosleep(&t, NULL);
}

static void write_text(const struct scene *s, const char *name, const char *text)
{
    char path[PATH_BYTES + 40];
    struct err err;

    snprintf(path, sizeof(path), "%s/%s", s->folder, name);
    if (file_replace(path, str_from(text), 0644, &err) < 0)
        fail(s, "%s", err.text);
}

/* With the folder, the port and ourselves in their places. */
static void expand(const struct scene *s, const char *text, struct buf *out)
{
    char port[20];
    const struct {
        const char *name, *value;
    } words[] = {
        {"%FOLDER%", s->folder},
        { "%PORT%",  port     },
        { "%SELF%",  self     },
    };

    snprintf(port, sizeof(port), "%d", s->port);
    while (*text) {
        size_t i = 0;
        while (i < ARRAY_LEN(words) && strncmp(text, words[i].name, strlen(words[i].name)) != 0)
            i++;
        if (i == ARRAY_LEN(words)) {
            buf_add_byte(out, *text++);
            continue;
        }
        buf_add_text(out, words[i].value);
        text += strlen(words[i].name);
    }
}

static void configure(const struct scene *s, const char *name, const char *text)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    expand(s, text, &out);
    write_text(s, name, buf_cstr(&out));
}

/* --- the program of `exec` --- */

static void exec_path(const char *folder, const char *name, char ret[static PATH_BYTES + 40])
{
    snprintf(ret, PATH_BYTES + 40, "%s/%s", folder, name);
}

static int exec_apply(const char *folder, const json_t *doc)
{
    char live[PATH_BYTES + 40], running[PATH_BYTES + 40], log[PATH_BYTES + 40], line[80];
    struct str bytes = json_get_str(doc, "bytes"), marker = json_get_str(doc, "marker");
    struct err err;

    exec_path(folder, "live", live);
    exec_path(folder, "running", running);
    exec_path(folder, "log", log);
    if (!json_is_true(json_get(doc, "there"))) {
        unlink(live);
        unlink(running);
        return 0;
    }
    if (file_replace(live, bytes, 0600, &err) < 0 || file_replace(running, marker, 0600, &err) < 0)
        return 1;
    /* Last: what was killed before is not done, and may be made once more. */
    snprintf(line, sizeof(line), "%.*s\n", STR_ARG(marker));
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || fd_write_all(fd, str_from(line), &err) < 0)
        return 1;
    close(fd);
    return 0;
}

static int exec_probe(const char *folder)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, out = { 0 };
    char path[PATH_BYTES + 40];
    struct err err;

    exec_path(folder, "live", path);
    if (!file_exists(path)) {
        printf("{\"there\": false}\n");
        return 0;
    }
    if (file_read(path, LOG_BYTES, &bytes, &err) < 0)
        return 1;
    buf_add_text(&out, "{\"there\":true");
    json_add_str(&out, "bytes", buf_str(&bytes));
    printf("%s}\n", buf_cstr(&out));
    return 0;
}

static int exec_verify(const char *folder)
{
    CLEANUP(buf_release) struct buf marker = { 0 };
    char path[PATH_BYTES + 40];
    struct err err;

    exec_path(folder, "running", path);
    if (file_read(path, 1000, &marker, &err) < 0)
        return 30;
    printf("{\"running\":\"%s\"}\n", buf_cstr(&marker));
    return 0;
}

static int exec_main(const char *folder)
{
    CLEANUP(buf_release) struct buf input = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err err;

    if (file_read("/dev/stdin", LOG_BYTES, &input, &err) < 0 ||
        json_parse(buf_str(&input), &doc, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct str verb = json_get_str(doc, "verb");
    if (str_eq(verb, STR("probe")))
        return exec_probe(folder);
    if (str_eq(verb, STR("verify")))
        return exec_verify(folder);
    return str_eq(verb, STR("apply")) ? exec_apply(folder, doc) : 0;
}

/* Lines of its log that begin a step: how often was the latest epoch applied at most? */
static void check_log(struct scene *s)
{
    CLEANUP(buf_release) struct buf log = { 0 };
    char path[PATH_BYTES + 40];
    struct str rest, line, before = { 0 };
    struct err err;

    exec_path(s->folder, "log", path);
    if (!file_exists(path))
        return;
    if (file_read(path, LOG_BYTES, &log, &err) < 0)
        fail(s, "%s", err.text);
    rest = str_trim(buf_str(&log));
    s->applied = 0;
    while (str_split(&rest, '\n', &line)) {
        if (str_eq(line, before))
            fail(s, "step %.*s was made twice", STR_ARG(line));
        before = line;
        s->applied++;
    }
}

/* --- servers --- */

static int free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    void *any = &at;
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(fd, any, len) < 0 || getsockname(fd, any, &len) < 0)
        abort();
    close(fd);
    return ntohs(at.sin_port);
}

static void spawn_server(struct scene *s, const char *const *argv)
{
    char *const *args;
    char log[PATH_BYTES + 40];

    memcpy(&args, &argv, sizeof(args)); /* execvp does not write to them */
    snprintf(log, sizeof(log), "%s/server.log", s->folder);
    s->server = fork();
    if (s->server)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen(log, "a", stderr) || !freopen("/dev/null", "r", stdin))
        abort();
    execvp(args[0], args);
    abort();
}

/* Says what marker its file has, as the proxy's status does. */
static void answer_status(const char *file, int fd)
{
    CLEANUP(buf_release) struct buf text = { 0 }, out = { 0 };
    char words[100];
    struct err err;
    struct str marker = STR("");

    if (read(fd, words, sizeof(words)) <= 0)
        return;
    if (file_exists(file) && file_read(file, LOG_BYTES, &text, &err) == 0) {
        ptrdiff_t at = str_find(buf_str(&text), STR("\nmarker: "), 0);
        struct str rest = str_sub(buf_str(&text), (size_t)(at < 0 ? 0 : at + 9), SIZE_MAX);
        if (at >= 0)
            str_split(&rest, '\n', &marker);
    }
    buf_addf(&out, "{\"cutover\":{\"marker\":\"%.*s\"}}\n", STR_ARG(str_trim(marker)));
    fd_write_all(fd, buf_str(&out), &err);
}

static void start_status(struct scene *s)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    const void *any = &at;
    char file[PATH_BYTES + 40];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof(at.sun_path), "%.80s/weir.sock", s->folder);
    snprintf(file, sizeof(file), "%s/live", s->folder);
    if (bind(fd, any, sizeof(at)) < 0 || listen(fd, 64) < 0)
        fail(s, "no socket: %s", strerror(errno));
    s->server = fork();
    if (s->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_IGN);
        for (;;) {
            int one = accept(fd, NULL, NULL);
            answer_status(file, one);
            close(one);
        }
    }
    close(fd);
}

static void start_nginx(struct scene *s)
{
    const char *argv[] = { "nginx", "-p", s->folder, "-c", "nginx.conf", NULL };
    char conf[PATH_BYTES + 40];

    configure(
        s, "nginx.conf",
        "daemon off;\nworker_processes 1;\npid %FOLDER%/nginx.pid;\n"
        "error_log %FOLDER%/error.log;\nevents { worker_connections 64; }\nhttp {\n"
        "  access_log off;\n"
        "  client_body_temp_path %FOLDER%/t1; proxy_temp_path %FOLDER%/t2;\n"
        "  fastcgi_temp_path %FOLDER%/t3; uwsgi_temp_path %FOLDER%/t4;\n"
        "  scgi_temp_path %FOLDER%/t5;\n"
        "  include %FOLDER%/live;\n"
        "  upstream openai { server 127.0.0.1:9; }\n"
        "  upstream litellm { server 127.0.0.1:9; }\n"
        "  server {\n    listen 127.0.0.1:%PORT%;\n"
        "    location = /.weir/rev { default_type text/plain; return 200 \"$weir_rev\\n\"; }\n"
        "    location / { proxy_pass http://$weir_arm_bot; }\n  }\n}\n");
    snprintf(conf, sizeof(conf), "%s/nginx.conf", s->folder);
    argv[4] = conf;
    spawn_server(s, argv);
}

static void start_haproxy(struct scene *s)
{
    const char *argv[] = { "haproxy", "-q", "-db", "-f", NULL, NULL };
    char conf[PATH_BYTES + 40];

    configure(s, "haproxy.cfg",
              "global\n  nbthread 1\n"
              "  stats socket %FOLDER%/haproxy.sock mode 600 level admin\n"
              "defaults\n  mode http\n"
              "  timeout client 20s\n  timeout server 20s\n  timeout connect 5s\n"
              "frontend in\n  bind 127.0.0.1:%PORT%\n"
              "  http-request set-var(txn.share) str(bot),map_str_int(%FOLDER%/live,0)\n"
              "  default_backend openai\n"
              "backend openai\n  server one 127.0.0.1:9\n");
    snprintf(conf, sizeof(conf), "%s/haproxy.cfg", s->folder);
    argv[4] = conf;
    spawn_server(s, argv);
}

/* The formatter leaves calls alone. */
#define KIND(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const struct scene_kind kinds[] = {
    KIND("env", "driver: env, file: ./live, restart: \"echo restarted >> restarts\"", NULL, NULL, 1,
         false),
    KIND("exec", "driver: exec, command: [%SELF%, --exec, %FOLDER%], can: [sticky, atomic, verify]",
         NULL, NULL, 3, true),
    KIND("weir", "driver: weir, file: ./live, socket: ./weir.sock", NULL, start_status, 1, false),
    KIND("envoy", "driver: envoy, root: ./tree", NULL, NULL, 1, false),
    KIND("haproxy", "driver: haproxy, file: %FOLDER%/live, socket: ./haproxy.sock", "haproxy",
         start_haproxy, 2, false),
    KIND("nginx",
         "driver: nginx, file: ./live, status: \"http://127.0.0.1:%PORT%/.weir/rev\","
         " test: [nginx, -p, %FOLDER%, -c, %FOLDER%/nginx.conf, -t, -q],"
         " reload: [nginx, -p, %FOLDER%, -c, %FOLDER%/nginx.conf, -s, reload]",
         "nginx", start_nginx, 2, false),
};

_Static_assert(ARRAY_LEN(kinds) == KINDS, "the kills are for all");

/* --- weir --- */

struct run {
    const char *action; /* of faultfs; NULL = nothing happens */
    long at;
    int64_t kill_after_us; /* -1 = not at all */
};

static const struct run undisturbed = { NULL, 0, -1 };

static void become_weir(const struct scene *s, const struct run *r, const char *const *args)
{
    const char *argv[12] = { weir, "migrate" };
    char *const *list;
    char at[30];
    size_t n = 2;

    for (; *args; args++)
        argv[n++] = *args;
    const char *const *first = argv;
    memcpy(&list, &first, sizeof(list)); /* execv does not write to them */
    snprintf(at, sizeof(at), "%ld", r->at);
    if (r->action) {
        setenv("WEIR_CRASH_AT", at, 1);
        setenv("FAULTFS_ACTION", r->action, 1);
        setenv("FAULTFS_COUNT", "count", 1);
        setenv("LD_PRELOAD", preload, 1);
    }
    if (chdir(s->folder) < 0 || !freopen("said", "w", stdout) || dup2(1, 2) < 0)
        abort();
    execv(weir, list);
    abort();
}

/* In a process between us and weir, to which what weir leaves behind falls: when this returns,
 * nothing of it goes on.  The status as waitpid has it. */
static int run_weir(const struct scene *s, const struct run *r, const char *const *args)
{
    int *status =
        mmap(NULL, sizeof(*status), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t between = fork();

    if (between == 0) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        pid_t pid = fork();
        if (pid == 0)
            become_weir(s, r, args);
        if (r->kill_after_us >= 0) {
            sleep_us(NULL, r->kill_after_us);
            kill(pid, SIGKILL);
        }
        waitpid(pid, status, 0);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
            ;
        _exit(0);
    }
    waitpid(between, NULL, 0);
    int value = *status;
    munmap(status, sizeof(*status));
    return value;
}

static const char *const advance[] = { "advance", "all", "--yes", "--retry", NULL };
static const char *const rollback[] = { "rollback", "all", NULL };

static void read_said(const struct scene *s, struct buf *ret)
{
    char path[PATH_BYTES + 40];
    struct err err;

    snprintf(path, sizeof(path), "%s/said", s->folder);
    if (file_read(path, LOG_BYTES, ret, &err) < 0)
        buf_add_text(ret, err.text);
}

/* Without a fault: it must do what it is asked to. */
static void run_well(const struct scene *s, const char *const *args)
{
    CLEANUP(buf_release) struct buf said = { 0 };
    int status = run_weir(s, &undisturbed, args);

    read_said(s, &said);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail(s, "the next %s ended with %x: %s", args[0], (unsigned)status, buf_cstr(&said));
}

/* --- what must hold --- */

/* The share of all applications in what is live; no file is 0. */
static int32_t live_share(const struct scene *s, struct actuator_live *live)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    uint64_t epoch;
    size_t count;
    struct err err;

    if (s->actuator->driver->probe(s->actuator, live, &err) < 0)
        fail(s, "%s", err.text);
    if (!live->is_there)
        return 0;
    if (s->actuator->driver->parse(s->actuator, buf_str(&live->bytes), &arena, &shares, &count,
                                   &epoch, &err) < 0)
        fail(s, "live: %s", err.text);
    for (size_t i = 0; i < count; i++)
        if (shares[i].share != shares[0].share)
            fail(s, "some applications are at %d, some at %d", shares[0].share, shares[i].share);
    return count ? shares[0].share : 0;
}

static void check_old_or_new(const struct scene *s)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    int32_t share = live_share(s, &live);

    if (share != 0 && share != ROLLOUT_ALL)
        fail(s, "a share of %d is live", share);
}

static void check_ledger(const struct scene *s, int32_t share)
{
    CLEANUP(rollout_audit_release) struct rollout_audit audit = { 0 };
    CLEANUP(rollout_close) struct rollout *r = NULL;
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    struct err err;

    if (rollout_verify(s->programme->rollout.ptr, STR(""), &audit, &err) != 0)
        fail(s, "the ledger: %.*s", STR_ARG(buf_str(&audit.why)));
    if (rollout_open(s->programme->rollout.ptr, ROLLOUT_READ, STR(""), 0, &r, &err) < 0 ||
        portfolio_read(s->programme, r, &p, &err) < 0)
        fail(s, "%s", err.text);
    if (p->open_count)
        fail(s, "a step is open");
    for (size_t i = 0; i < s->programme->app_count; i++)
        if (p->apps[i].share != share)
            fail(s, "the ledger has %d, not %d", p->apps[i].share, share);
}

/* The marker lies in the bytes; what runs says the same. */
static bool runs_what_is_live(struct scene *s, int32_t share)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    int32_t found = live_share(s, &live);

    if (found != share)
        fail(s, "%d is live, not %d", found, share);
    return !actuator_caps(s->actuator).tells_running || !live.is_there ||
           (live.is_running && str_find(buf_str(&live.bytes), buf_str(&live.running), 0) >= 0);
}

static void check_settled(struct scene *s, int32_t share)
{
    /* A worker that is on its way out may answer once more on a busy machine. */
    for (int i = 0; !runs_what_is_live(s, share); i++) {
        if (i == STEP_MS / 10)
            fail(s, "what is live does not run");
        sleep_us(NULL, 10000);
    }
    check_ledger(s, share);
    if (s->kind->has_log && strcmp(s->action, "enospc") != 0 && strcmp(s->action, "eio") != 0)
        check_log(s);
}

/* --- faults --- */

static long count_calls(struct scene *s, const char *const *args)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    const struct run counting = { "none", 0, -1 };
    char path[PATH_BYTES + 40];
    int64_t count;
    struct err err;

    if (run_weir(s, &counting, args) != 0)
        fail(s, "%s does not work", args[0]);
    snprintf(path, sizeof(path), "%s/count", s->folder);
    if (file_read(path, 100, &text, &err) < 0 || !str_to_i64(str_trim(buf_str(&text)), &count))
        fail(s, "nothing was counted");
    return (long)count;
}

static bool is_kill(const char *action)
{
    return strcmp(action, "before") == 0 || strcmp(action, "after") == 0;
}

/* One fault, and the same command again; false = the command has no such call. */
static bool fault(struct scene *s, const char *const *args, int32_t wanted)
{
    CLEANUP(buf_release) struct buf said = { 0 };
    /* faultfs calls it so. */
    const struct run r = { strcmp(s->action, "before") == 0 ? "kill" : s->action, s->at, -1 };
    int status = run_weir(s, &r, args);

    s->what = args[0];
    read_said(s, &said);
    if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : !WIFEXITED(status))
        fail(s, "ended with %x: %s", (unsigned)status, buf_cstr(&said));
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 1 &&
        WEXITSTATUS(status) != 30)
        fail(s, "ended with %x: %s", (unsigned)status, buf_cstr(&said));
    if (WIFEXITED(status) && WEXITSTATUS(status) && said.len < 20)
        fail(s, "failed without a word");
    check_old_or_new(s);
    run_well(s, args);
    check_settled(s, wanted);
    s->faults++;
    return WIFSIGNALED(status);
}

static void fault_all(struct scene *s, const char *action, unsigned every)
{
    bool has_up = true, has_down = true;

    s->action = action;
    long up = count_calls(s, advance), down = count_calls(s, rollback);
    for (s->at = 1; has_up || has_down; s->at += every) {
        bool was_killed = fault(s, advance, ROLLOUT_ALL);
        has_up = is_kill(action) ? was_killed : s->at + every <= up;
        was_killed = fault(s, rollback, 0);
        has_down = is_kill(action) ? was_killed : s->at + every <= down;
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void kill_at_random(struct scene *s, unsigned count)
{
    uint64_t state = 20261026;

    s->action = "kill -9";
    int64_t begin_us = now_us(NULL);
    run_well(s, advance);
    run_well(s, rollback);
    int64_t longest_us = (now_us(NULL) - begin_us) * 6 / 10;
    for (unsigned i = 0; i < count; i++) {
        const char *const *args = i % 2 ? rollback : advance;
        int64_t after_us = (int64_t)(next_random(&state) % (uint64_t)(longest_us + 1));
        const struct run r = { NULL, 0, after_us };
        s->what = args[0];
        s->at = (long)after_us;
        run_weir(s, &r, args);
        check_old_or_new(s);
        run_well(s, args);
        check_settled(s, i % 2 ? 0 : ROLLOUT_ALL);
        s->kills++;
    }
    run_well(s, rollback);
}

/* --- a scene --- */

static bool is_installed(const char *program)
{
    static const char *const folders[] = { "/usr/sbin", "/usr/local/sbin", "/usr/bin" };
    char path[100];

    for (size_t i = 0; program && i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[i], program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return !program;
}

static void write_plan(struct scene *s)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    char path[PATH_BYTES + 40];
    struct err err;

    buf_add_text(&text, "programme: {name: g, start: 2025-01-06, caps: {apps_in_flight: 0, "
                        "spend_moving: 100%}}\nactuators:\n  edge: {");
    expand(s, s->kind->settings, &text);
    buf_add_text(&text, "}\ndefaults:\n  {actuator: edge, direct: openai, gateway: litellm,\n"
                        "   key: header.x-session, stages: [{share: 100%, bake: 1d}],\n"
                        "   evidence: {preflight: none, rehearsal: none}, readiness: [],\n"
                        "   rollback: {within: 10s, to: direct}}\n"
                        "apps: {bot: {owner: ana}, crm: {owner: ben}}\n");
    write_text(s, "programme.yaml", buf_cstr(&text));
    snprintf(path, sizeof(path), "%s/programme.yaml", s->folder);
    if (programme_load(path, &s->programme, &err) < 0)
        fail(s, "%s", err.text);
    s->actuator = &s->programme->actuators[0];
}

/* A server that includes the file needs one to start with. */
static void start(struct scene *s)
{
    static const char *const put_back[] = { "drift", "--put-back", NULL };

    s->what = "start";
    s->action = "start";
    s->port = free_port();
    write_plan(s);
    if (s->kind->program)
        run_weir(s, &undisturbed, put_back);
    if (s->kind->start)
        s->kind->start(s);
    for (int i = 0; s->kind->start; i++) {
        CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
        struct err err;
        if (s->actuator->driver->probe(s->actuator, &live, &err) == 0 && live.is_running)
            break;
        if (i == STEP_MS / 10)
            fail(s, "it does not come to run: %.*s", STR_ARG(buf_str(&live.running)));
        sleep_us(NULL, 10000);
    }
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static unsigned number_of(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text && *text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* In a process of its own. */
static int play(const struct scene_kind *kind, unsigned kills)
{
    static const char *const actions[] = { "before", "after", "enospc", "eio" };
    struct scene s = { .kind = kind };
    const char *parent = getenv("TMPDIR");
    unsigned every = number_of("WEIR_CRASH_EVERY", kind->every);
    int64_t begin_us = now_us(NULL);

    snprintf(s.folder, sizeof(s.folder), "%s/weir-crash.XXXXXX",
             parent && *parent ? parent : "/tmp");
    if (!mkdtemp(s.folder) || chmod(s.folder, 0755) < 0)
        abort();
    start(&s);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        fault_all(&s, actions[i], every ? every : 1);
    kill_at_random(&s, kills);
    if (s.server > 0) {
        kill(s.server, SIGTERM);
        waitpid(s.server, NULL, 0);
    }
    programme_free(s.programme);
    nftw(s.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    printf("ok - %s: %u faults (each of %u), %u kills at random", kind->name, s.faults, every,
           s.kills);
    if (kind->has_log)
        printf(", %u steps applied, none twice", s.applied);
    printf(", %d s\n", (int)((now_us(NULL) - begin_us) / 1000000));
    return 0;
}

static bool is_asked_for(const struct scene_kind *kind, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], kind->name) == 0)
            return true;
    return argc < 2;
}

/* Where things are, as the build has them. */
static bool find_programs(void)
{
    const char *build = getenv("abs_top_builddir"), *source = getenv("abs_top_srcdir");
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    char whole[PATH_MAX];

    if (!realpath(build ? build : ".", whole) || strlen(whole) > PATH_BYTES / 2)
        return false;
    snprintf(top, sizeof(top), "%.200s", whole);
    snprintf(weir, sizeof(weir), "%.200s/weir", top);
    snprintf(preload, sizeof(preload), "%.200s/tests/preload/faultfs.so", top);
    if (source && !getenv("WEIR_DATADIR")) {
        char share[PATH_BYTES];
        snprintf(share, sizeof(share), "%.200s/share", source);
        setenv("WEIR_DATADIR", share, 1);
    }
    return len > 0 && access(weir, X_OK) == 0 && access(preload, R_OK) == 0;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

int main(int argc, char **argv)
{
    unsigned kills = number_of("WEIR_KILLS", KILLS), skipped = 0;
    pid_t pids[ARRAY_LEN(kinds)] = { 0 };
    int failed = 0;

    if (argc == 3 && strcmp(argv[1], "--exec") == 0)
        return exec_main(argv[2]);
    if (IS_SANITIZED) {
        printf("skip - built with a sanitizer, which must be loaded before faultfs\n");
        return 77;
    }
    if (!find_programs()) {
        fprintf(stderr, "migrate-crash: there is no %s or %s: make check builds them\n", weir,
                preload);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!is_asked_for(&kinds[i], argc, argv))
            continue;
        if (!is_installed(kinds[i].program)) {
            printf("%s - %s: it is not installed\n", getenv("CI") ? "not ok" : "skip",
                   kinds[i].name);
            skipped++;
            failed |= getenv("CI") != NULL;
            continue;
        }
        pids[i] = fork();
        if (pids[i] == 0)
            exit(play(&kinds[i], (kills + KINDS - 1) / KINDS));
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        int status = 0;
        if (pids[i] > 0)
            waitpid(pids[i], &status, 0);
        failed |= status != 0;
    }
    printf("migrate-crash: %s, %u skipped\n", failed ? "failed" : "passed", skipped);
    return failed;
}
