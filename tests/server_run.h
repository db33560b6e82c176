/* server_run - a real nginx or HAProxy on loopback for a test, and which arm it sends whom to.
 *
 * Servers stay in the test's process group: when a test fails, Check ends the whole group.
 */
#ifndef TESTS_SERVER_RUN_H
#define TESTS_SERVER_RUN_H

#include <math.h>

#include "tests/actuator_sample.h"
#include "tests/upstream.h"

#define SERVER_BATCH 100 /* requests that are sent at once on a connection */

struct server_run {
    pid_t pid;
    int port;
};

/* False = skip; under CI it must be there. */
static inline bool server_is_installed(const char *program)
{
    static const char *const folders[] = { "/usr/sbin", "/usr/local/sbin", "/usr/bin" };
    char path[100];

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", folders[i], program);
        if (access(path, X_OK) == 0)
            return true;
    }
    ck_assert_msg(!getenv("CI"), "CI needs %s", program);
    printf("SKIP: there is no %s\n", program);
    return false;
}

/* A port that nobody has now. */
static inline int server_free_port(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    void *any = &at;
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, any, len), 0);
    ck_assert_int_eq(getsockname(fd, any, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static inline int server_connect(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    const void *any = &at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, any, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* A configuration: in text each $FOLDER is the test's folder, and the rest are pairs of what stands
 * there and what is meant. */
struct server_word {
    const char *name, *value;
};
static inline void server_configure(const char *name, const char *text,
                                    const struct server_word *words, size_t count)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const struct server_word folder = { "$FOLDER", temp_folder };
    struct err err;

    while (*text) {
        const struct server_word *w = strncmp(text, folder.name, 7) ? NULL : &folder;
        for (size_t i = 0; i < count && !w; i++)
            if (!strncmp(text, words[i].name, strlen(words[i].name)))
                w = &words[i];
        if (w)
            buf_add_text(&out, w->value);
        else
            buf_add_byte(&out, *text);
        text += w ? strlen(w->name) : 1;
    }
    ck_assert_msg(file_replace(temp_path(name), buf_str(&out), 0644, &err) == 0, "%s", err.text);
}

/* Waits until it takes connections; its output goes to the file "server.log". */
static inline void server_start(struct server_run *s, const char *const *argv)
{
    char *const *args;

    memcpy(&args, &argv, sizeof(args)); /* execvp does not write to them */
    s->pid = fork();
    ck_assert_int_ge(s->pid, 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen(temp_path("server.log"), "a", stderr) || !freopen("/dev/null", "r", stdin))
            abort();
        execvp(args[0], args);
        abort();
    }
    for (int i = 0; i < 1000; i++) {
        int fd = server_connect(s->port);
        if (fd >= 0) {
            close(fd);
            return;
        }
        ck_assert_msg(waitpid(s->pid, NULL, WNOHANG) == 0, "%s ended: see its log", argv[0]);
        usleep(10000);
    }
    ck_abort_msg("%s does not listen", argv[0]);
}

static inline void server_stop(const struct server_run *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

/* --- who goes where --- */

/* Reads until `count` arms were told ("arm=litellm" and an end of line each); 1 = the gateway's. */
static inline void server_read_arms(int fd, size_t count, uint8_t *ret)
{
    CLEANUP(buf_release) struct buf in = { 0 };
    size_t at = 0;

    for (size_t n = 0; n < count;) {
        ptrdiff_t found = str_find(buf_str(&in), STR("arm="), at);
        ptrdiff_t end = found < 0 ? -1 : str_find_char(buf_str(&in), '\n', (size_t)found);
        if (end < 0) {
            char *to = buf_reserve(&in, 65536);
            ssize_t got = read(fd, to, 65536);
            ck_assert_msg(got > 0, "no answer to request %zu of %zu", n + 1, count);
            in.len += (size_t)got;
            continue;
        }
        ret[n++] = in.ptr[found + 4] == 'l';
        at = (size_t)end;
    }
}

/* What becomes of callers "k0", "k1", ...: ret[i] = 1 for the gateway. */
static inline void server_arms(const struct server_run *s, size_t count, uint8_t *ret)
{
    int fd = server_connect(s->port);

    ck_assert_int_ge(fd, 0);
    for (size_t done = 0; done < count; done += SERVER_BATCH) {
        CLEANUP(buf_release) struct buf out = { 0 };
        size_t many = count - done < SERVER_BATCH ? count - done : SERVER_BATCH;
        for (size_t i = done; i < done + many; i++)
            buf_addf(&out, "GET /arm HTTP/1.1\r\nHost: x\r\nX-Session: k%zu\r\n\r\n", i);
        upstream_send(fd, out.ptr, out.len);
        server_read_arms(fd, many, ret + done);
    }
    close(fd);
}

/* The same for as many calls with that line of the head; returns how many went to the gateway. */
static inline size_t server_arms_with(const struct server_run *s, const char *header, size_t count)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    uint8_t arms[SERVER_BATCH];
    int fd = server_connect(s->port);
    size_t gateway = 0;

    ck_assert_uint_le(count, SERVER_BATCH);
    ck_assert_int_ge(fd, 0);
    for (size_t i = 0; i < count; i++)
        buf_addf(&out, "GET /arm HTTP/1.1\r\nHost: x\r\n%s\r\n", header);
    upstream_send(fd, out.ptr, out.len);
    server_read_arms(fd, count, arms);
    for (size_t i = 0; i < count; i++)
        gateway += arms[i];
    close(fd);
    return gateway;
}

/* --- what must hold of them --- */

#define STICKY_KEYS 4000

/* 99.9 % of such splits are within so much of the expectation (normal approximation, and a half
 * for the step). */
static inline double sticky_slack(size_t count, double p)
{
    return 3.2905 * sqrt((double)count * p * (1 - p)) + 0.5;
}

/* Nobody who was there has gone, and there are as many as the share says. */
static inline void sticky_check(const uint8_t *before, const uint8_t *now, int32_t share)
{
    double p = (double)share / 10000;
    size_t there = 0, lost = 0;

    for (size_t i = 0; i < STICKY_KEYS; i++) {
        there += now[i];
        lost += before[i] && !now[i];
    }
    printf("share %.2f%%: %zu of %d keys, %zu lost\n", p * 100, there, STICKY_KEYS, lost);
    if (share)
        ck_assert_uint_eq(lost, 0);
    ck_assert_double_le(fabs((double)there - p * STICKY_KEYS), sticky_slack(STICKY_KEYS, p));
    if (share == 0 || share == 10000)
        ck_assert_uint_eq(there, share ? STICKY_KEYS : 0);
}

/* Upwards, to all, and back to none. */
static const int32_t sticky_shares[] = { 0, 100, 500, 2500, 5000, 10000, 0 };

#endif
