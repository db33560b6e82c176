#include "config.h"

#include "base/plot_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/plot.h"

#define READ_BYTES 65536

/* The child's descriptors, by their numbers. */
enum {
    CHILD_INPUT = 0,
    CHILD_OUTPUT = 1,
    CHILD_COMPLAINTS = 2,
};

/* One socket is its input and its output. */
static int start(const char *program, int fd, pid_t *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    posix_spawn_file_actions_t actions;
    const char *own = getenv("PATH");

    buf_addf(&path, "PATH=%s", own ? own : "/usr/bin:/bin");
    char *argv[] = { (char[]){ "gnuplot" }, (char[]){ "-d" }, NULL };
    char *env[] = { (char[]){ "LC_ALL=C" }, (char[]){ "HOME=/" }, path.ptr, NULL };
    buf_cstr(&path);
    env[2] = path.ptr;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, CHILD_INPUT);
    posix_spawn_file_actions_adddup2(&actions, fd, CHILD_OUTPUT);
    posix_spawn_file_actions_addopen(&actions, CHILD_COMPLAINTS, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(ret, program, &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    if (failed) {
        errno = failed;
        return err_sys(err, "cannot start '%s'", program);
    }
    return 0;
}

static int send_some(int fd, struct str *rest, struct err *err)
{
    ssize_t n = send(fd, rest->ptr, rest->len, MSG_NOSIGNAL | MSG_DONTWAIT);

    /* who has gone says more by its status than by not listening */
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
        *rest = (struct str){ 0 };
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        return err_sys(err, "gnuplot does not listen");
    if (n > 0)
        *rest = str_sub(*rest, (size_t)n, rest->len);
    if (rest->len == 0)
        shutdown(fd, SHUT_WR);
    return 0;
}

/* 1 = there may be more, 0 = it has ended. */
static int receive_some(int fd, struct buf *ret, struct err *err)
{
    ssize_t n = recv(fd, buf_reserve(ret, READ_BYTES), READ_BYTES, MSG_DONTWAIT);

    if (n < 0 && errno == ECONNRESET)
        return 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : err_sys(err, "cannot read from gnuplot");
    ret->len += (size_t)n;
    if (ret->len > PLOT_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "gnuplot prints more than %u bytes", PLOT_BYTES_MAX);
    return n > 0;
}

static int converse(int fd, struct str input, struct buf *ret, struct err *err)
{
    int more = 1;

    while (more > 0) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (input.len > 0)
            p.events |= POLLOUT;
        int ready = poll(&p, 1, PLOT_PATIENCE_S * 1000);
        if (ready < 0 && errno != EINTR)
            return err_sys(err, "cannot wait for gnuplot");
        if (ready == 0)
            return err_set(err, ERR_LIMIT, "gnuplot has said nothing for %d seconds",
                           PLOT_PATIENCE_S);
        if (p.revents & POLLOUT && input.len > 0 && send_some(fd, &input, err) < 0)
            return -1;
        if (p.revents & (POLLIN | POLLHUP | POLLERR))
            more = receive_some(fd, ret, err);
    }
    return more;
}

int plot_run(const char *program, struct str input, struct buf *ret, struct err *err)
{
    int pair[2], status = 0;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, "cannot talk to gnuplot");
    int r = start(program, pair[1], &pid, err);
    close(pair[1]);
    if (r == 0) {
        r = converse(pair[0], input, ret, err);
        if (r < 0)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (r == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
            r = err_set(err, ERR_UNSUPPORTED, "'%s' failed with status %d", program, status);
    }
    close(pair[0]);
    return r;
}
