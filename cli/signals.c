#include "config.h"

#include "cli/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_ready(void *ctx, unsigned events)
{
    struct signals *s = ctx;
    struct signalfd_siginfo info;

    (void)events;
    if (read(s->io.fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        s->fn(s->ctx, ++s->count);
}

int signals_open(struct loop *loop, void (*fn)(void *ctx, unsigned count), void *ctx,
                 struct signals *ret, struct err *err)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
        return err_sys(err, "cannot wait for signals");
    *ret = (struct signals){ .loop = loop, .fn = fn, .ctx = ctx };
    ret->io = (struct loop_io){ .fd = fd, .fn = on_ready, .ctx = ret };
    if (loop_io_add(loop, &ret->io, LOOP_READ, err) == 0)
        return 0;
    close(fd);
    *ret = (struct signals){ 0 };
    return -1;
}

void signals_close(struct signals *s)
{
    if (!s->loop)
        return;
    loop_io_remove(s->loop, &s->io);
    close(s->io.fd);
    *s = (struct signals){ 0 };
}
