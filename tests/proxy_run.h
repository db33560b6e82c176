/* proxy_run - starts the built weir as a proxy in front of tests/upstream.h, talks to it over a
 * socket, and reads what it recorded. */
#ifndef TESTS_PROXY_RUN_H
#define TESTS_PROXY_RUN_H

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/map.h"
#include "capture/archive.h"
#include "capture/record.h"
#include "capture/segment_read.h"
#include "tests/temp_folder.h"
#include "tests/upstream.h"

struct proxy_run {
    pid_t pid, upstream;
    int port, admin_port, upstream_port;
    char log_path[256], conf_path[256], archive_path[256];
};

static inline const char *proxy_weir(void)
{
    static char path[1024];
    const char *build = getenv("abs_top_builddir");

    snprintf(path, sizeof(path), "%s/weir", build ? build : ".");
    ck_assert_msg(access(path, X_OK) == 0, "'%s' is not built", path);
    return path;
}

/* The port in the log line of that event; 0 if it is not there. */
static inline int proxy_logged_port(const struct proxy_run *p, const char *event)
{
    struct buf log = { 0 };
    struct err err;
    char want[64];
    int port = 0;

    snprintf(want, sizeof(want), "event=%s address=", event);
    if (file_read(p->log_path, 64u << 20, &log, &err) == 0) {
        const char *line = strstr(buf_cstr(&log), want);
        const char *end = line ? strchr(line, '\n') : NULL;
        while (end && end[-1] != ':' && end > line)
            end--;
        port = end ? atoi(end) : 0;
    }
    buf_release(&log);
    return port;
}

static inline void proxy_sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&t, NULL);
}

/* Writes the configuration: settings are more lines of it; %d in them is the upstream's port. */
static inline void proxy_configure(struct proxy_run *p, const char *settings)
{
    struct buf text = { 0 };
    struct err err;

    buf_addf(&text,
             "upstreams:\n"
             "  up: {url: \"http://127.0.0.1:%d\", api: openai, proxy: none}\n"
             "  dead: {url: \"http://127.0.0.1:1\", api: openai, proxy: none}\n",
             p->upstream_port);
    buf_add_text(&text, settings);
    ck_assert_msg(file_replace(p->conf_path, buf_str(&text), 0600, &err) == 0, "%s", err.text);
    buf_release(&text);
}

static inline bool proxy_has_admin(const struct proxy_run *p)
{
    struct buf text = { 0 };
    struct err err;
    bool has = file_read(p->conf_path, 1u << 20, &text, &err) == 0 &&
               strstr(buf_cstr(&text), "admin:") != NULL;

    buf_release(&text);
    return has;
}

/* Starts weir with what proxy_configure wrote, in a process group of its own. */
static inline void proxy_launch(struct proxy_run *p)
{
    const char *weir = proxy_weir(); /* not in the child: it asserts */

    unlink(p->log_path);
    p->pid = fork();
    ck_assert_int_ge(p->pid, 0);
    if (p->pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen(p->log_path, "w", stderr))
            abort();
        const char *level = getenv("WEIR_TEST_LOG");
        execl(weir, "weir", "proxy", "run", "--log", level ? level : "info", p->conf_path,
              (char *)NULL);
        abort();
    }
    const char *last = proxy_has_admin(p) ? "admin_listening" : "listening";
    for (int i = 0; i < 3000 && !proxy_logged_port(p, last); i++)
        proxy_sleep_ms(10);
    p->port = proxy_logged_port(p, "listening");
    p->admin_port = proxy_logged_port(p, "admin_listening");
    ck_assert_msg(p->port > 0, "weir does not listen: see %s", p->log_path);
}

/* The process of that worker, from 0, once the log has it. */
static inline pid_t proxy_worker_pid(const struct proxy_run *p, int number)
{
    struct buf log = { 0 };
    struct err err;
    char want[64];
    pid_t pid = 0;

    snprintf(want, sizeof(want), "event=worker_started number=%d pid=", number);
    for (int i = 0; i < 3000 && pid == 0; i++) {
        buf_clear(&log);
        ck_assert_msg(file_read(p->log_path, 64u << 20, &log, &err) == 0, "%s", err.text);
        const char *at = strstr(buf_cstr(&log), want);
        pid = at && strchr(at, '\n') ? atoi(at + strlen(want)) : 0;
        if (pid == 0)
            proxy_sleep_ms(10);
    }
    buf_release(&log);
    ck_assert_msg(pid > 1, "no worker %d: see %s", number, p->log_path);
    return pid;
}

/* All that proxy_start does, but for weir itself. */
static inline void proxy_prepare(struct proxy_run *p, const char *settings)
{
    *p = (struct proxy_run){ 0 };
    temp_folder_make();
    snprintf(p->log_path, sizeof(p->log_path), "%s/log", temp_folder);
    snprintf(p->conf_path, sizeof(p->conf_path), "%s/weir.yaml", temp_folder);
    snprintf(p->archive_path, sizeof(p->archive_path), "%s/archive", temp_folder);
    p->upstream = upstream_start(&p->upstream_port);
    proxy_configure(p, settings);
}

static inline void proxy_start(struct proxy_run *p, const char *settings)
{
    proxy_prepare(p, settings);
    proxy_launch(p);
}

/* Ends weir; returns its exit status. */
static inline int proxy_end(struct proxy_run *p, int signal_number)
{
    int status = 0;

    kill(signal_number == SIGKILL ? -p->pid : p->pid, signal_number);
    waitpid(p->pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void proxy_stop(struct proxy_run *p)
{
    ck_assert_int_eq(proxy_end(p, SIGTERM), 0);
    kill(p->upstream, SIGKILL);
    waitpid(p->upstream, NULL, 0);
    temp_folder_remove();
}

static inline int proxy_connect(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const void *any = &at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, any, sizeof(at)) < 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* Reads until the peer ends, or for so long; false if it was the time. */
static inline bool proxy_read_all(int fd, int wait_ms, struct buf *ret)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    while (poll(&p, 1, wait_ms) > 0) {
        char *at = buf_reserve(ret, 65536);
        ssize_t n = recv(fd, at, 65536, 0);
        if (n <= 0)
            return true;
        ret->len += (size_t)n;
    }
    return false;
}

/* Reads until part is there, be it with more behind it. */
static inline void proxy_read_until(int fd, const char *part, struct buf *ret)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    while (!strstr(buf_cstr(ret), part)) {
        ck_assert_msg(poll(&p, 1, 30000) > 0, "no '%s' after '%s'", part, ret->ptr);
        ssize_t n = recv(fd, buf_reserve(ret, 4096), 4096, 0);
        ck_assert_msg(n > 0, "the end, and no '%s' in '%s'", part, ret->ptr);
        ret->len += (size_t)n;
    }
}

/* Lets the upstream's next event of /steps go. */
static inline void proxy_step(const struct proxy_run *p)
{
    struct buf answer = { 0 };
    int fd = proxy_connect(p->upstream_port);

    ck_assert_int_ge(fd, 0);
    upstream_text(fd, "GET /step HTTP/1.1\r\n\r\n");
    proxy_read_until(fd, "\r\n\r\n", &answer);
    close(fd);
    buf_release(&answer);
}

/* One request with "Connection: close" on a connection of its own; the answer as it came. */
static inline void proxy_ask(const struct proxy_run *p, const char *request, struct buf *ret)
{
    int fd = proxy_connect(p->port);

    ck_assert_int_ge(fd, 0);
    buf_clear(ret);
    upstream_text(fd, request);
    ck_assert_msg(proxy_read_all(fd, 30000, ret), "no end of the answer: %s", buf_cstr(ret));
    buf_cstr(ret);
    close(fd);
}

/* The value of a header in an answer, copied; "" if it is not there. */
static inline const char *proxy_header(const struct buf *answer, const char *name)
{
    static char value[256];
    char want[100];
    const char *at;

    value[0] = '\0';
    snprintf(want, sizeof(want), "\r\n%s: ", name);
    if (answer->ptr && (at = strcasestr(answer->ptr, want)) != NULL)
        sscanf(at + strlen(want), "%255[^\r]", value);
    return value;
}

typedef void (*proxy_record_fn)(void *ctx, const struct exchange *x, bool ended);

struct proxy_records {
    proxy_record_fn fn;
    void *ctx;
    struct map sealed; /* ids */
};

static inline int proxy_each_of_segment(void *ctx, const char *path, struct err *err)
{
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    struct proxy_records *p = ctx;
    char id[UUID_TEXT_BYTES];
    struct exchange x;
    int more;

    if (segment_open(path, &r, err) < 0)
        return -1;
    while ((more = segment_next(r, true, &x, err)) > 0) {
        map_put(&p->sealed, str_from(uuid_format(x.id, id)), NULL);
        p->fn(p->ctx, &x, true);
    }
    return more;
}

static inline void proxy_each_of_journal(const struct proxy_records *p, const char *path)
{
    struct journal_reader *j = NULL;
    struct record_index index = { 0 };
    struct record_scratch scratch = { 0 };
    char id[UUID_TEXT_BYTES];
    struct exchange x;
    struct err err;

    ck_assert_msg(journal_open(path, &j, &err) == 0, "%s", err.text);
    ck_assert_msg(record_index(j, false, &index, &err) == 0, "%s", err.text);
    for (size_t n = 0; n < index.len; n++) {
        ck_assert_msg(record_read(j, &index, &index.entries[n], &scratch, &x, &err) == 0, "%s",
                      err.text);
        if (!map_find(&p->sealed, str_from(uuid_format(x.id, id))))
            p->fn(p->ctx, &x, index.entries[n].flags & RECORD_ENDED);
    }
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(j);
}

/* Calls fn for every exchange in the archive: of a proxy that has just ended most are in journals,
 * but a sealer may have been there, and may have died behind a segment and before the journal. */
static inline void proxy_each_record(const struct proxy_run *run, proxy_record_fn fn, void *ctx)
{
    struct proxy_records p = { .fn = fn, .ctx = ctx };
    struct archive *a = NULL;
    struct archive_journals journals = { 0 };
    uint64_t missing;
    struct err err;

    ck_assert_msg(archive_open(run->archive_path, false, &a, &err) == 0, "%s", err.text);
    ck_assert_msg(archive_segments_walk(a, proxy_each_of_segment, &p, &missing, &err) == 0, "%s",
                  err.text);
    ck_assert_msg(archive_journals_list(a, &journals, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < journals.len; i++)
        proxy_each_of_journal(&p, journals.ptr[i].path);
    archive_journals_release(&journals);
    map_release(&p.sealed);
    archive_close(a);
}

static inline void proxy_count_one(void *ctx, const struct exchange *x, bool ended)
{
    int *count = ctx;

    (void)x, (void)ended;
    ++*count;
}

static inline int proxy_count_records(const struct proxy_run *run)
{
    int count = 0;

    proxy_each_record(run, proxy_count_one, &count);
    return count;
}

/* What a weir command prints, on stdout and stderr; it must succeed. */
static inline void proxy_command(const char *arguments, struct buf *ret)
{
    struct buf line = { 0 };

    buf_addf(&line, "%s %s 2>&1", proxy_weir(), arguments);
    FILE *f = popen(buf_cstr(&line), "r");
    ck_assert_ptr_nonnull(f);
    buf_clear(ret);
    for (size_t n; (n = fread(buf_reserve(ret, 4096), 1, 4096, f)) > 0;)
        ret->len += n;
    ck_assert_msg(pclose(f) == 0, "%s: %s", buf_cstr(&line), buf_cstr(ret));
    buf_cstr(ret);
    buf_release(&line);
}

/* What /metrics says of name, which may have labels behind it. */
static inline long proxy_metric(const struct proxy_run *run, const char *name)
{
    struct proxy_run admin = *run;
    struct buf text = { 0 };
    char want[100];

    admin.port = run->admin_port;
    proxy_ask(&admin, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &text);
    snprintf(want, sizeof(want), "\n%s ", name);
    const char *at = strstr(buf_cstr(&text), want);
    ck_assert_msg(at != NULL, "no metric %s", name);
    long value = atol(at + strlen(want));
    buf_release(&text);
    return value;
}

/* Until it says that. */
static inline void proxy_wait_for(const struct proxy_run *run, const char *name, long value)
{
    long last = -1;

    for (int i = 0; i < 3000 && (last = proxy_metric(run, name)) != value; i++)
        proxy_sleep_ms(10);
    ck_assert_msg(last == value, "%s is %ld, not %ld", name, last, value);
}

#endif
