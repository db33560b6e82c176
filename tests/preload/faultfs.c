/* faultfs - makes the Nth call of a process that changes files fail, or the process die there.
 *
 * LD_PRELOADed into a dynamically linked weir by tests/crash.  From the environment:
 *
 *     FAULTFS_AT      N, from 1; 0 or unset counts only
 *     FAULTFS_ACTION  kill    SIGKILL before the call
 *                     torn    of a write, half; then SIGKILL (other calls as kill)
 *                     enospc  this and every later call that needs space fails with ENOSPC
 *                     eio     this call fails with EIO
 *     FAULTFS_COUNT   a file that gets the number of calls when the process ends in order
 *
 * Counted: write, pwrite, writev, fsync, fdatasync, ftruncate, rename, renameat2, link, unlink,
 * rmdir, mkdir, and open with O_CREAT or O_TMPFILE; not on descriptors 0 to 2.  stdio's own writes
 * cannot be seen from here: the archive does not use it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static long calls;

static long fault_at(void)
{
    const char *at = getenv("FAULTFS_AT");

    return at ? strtol(at, NULL, 10) : 0;
}

static int action_is(const char *name)
{
    const char *action = getenv("FAULTFS_ACTION");

    return action && strcmp(action, name) == 0;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
}

enum need { NEEDS_SPACE, NEEDS_NONE };

/* Counts a call; -1 if it is to fail, with errno set. */
static int step(enum need need)
{
    long at = fault_at();

    calls++;
    if (!at || calls < at)
        return 0;
    if (calls == at && (action_is("kill") || action_is("torn")))
        die();
    if (action_is("enospc") && need == NEEDS_SPACE) {
        errno = ENOSPC;
        return -1;
    }
    if (calls == at && action_is("eio")) {
        errno = EIO;
        return -1;
    }
    return 0;
}

/* Whether the write about to happen is to be torn. */
static int is_torn(void)
{
    return action_is("torn") && fault_at() == calls + 1;
}

__attribute__((destructor)) static void report(void)
{
    const char *path = getenv("FAULTFS_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%ld\n", calls);
    fclose(file);
}

/* The function that this one stands before. */
#define NEXT(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (fd > 2 && is_torn()) {
        if (NEXT(write)(fd, bytes, len / 2) >= 0)
            die();
    }
    return fd > 2 && step(NEEDS_SPACE) < 0 ? -1 : NEXT(write)(fd, bytes, len);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return step(NEEDS_SPACE) < 0 ? -1 : NEXT(pwrite)(fd, bytes, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return fd > 2 && step(NEEDS_SPACE) < 0 ? -1 : NEXT(writev)(fd, parts, count);
}

int fsync(int fd)
{
    return step(NEEDS_SPACE) < 0 ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd)
{
    return step(NEEDS_SPACE) < 0 ? -1 : NEXT(fdatasync)(fd);
}

int ftruncate(int fd, off_t len)
{
    return step(NEEDS_NONE) < 0 ? -1 : NEXT(ftruncate)(fd, len);
}

int rename(const char *from, const char *to)
{
    return step(NEEDS_NONE) < 0 ? -1 : NEXT(rename)(from, to);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return step(NEEDS_NONE) < 0 ? -1 : NEXT(renameat2)(from_dir, from, to_dir, to, flags);
}

int link(const char *from, const char *to)
{
    return step(NEEDS_SPACE) < 0 ? -1 : NEXT(link)(from, to);
}

int unlink(const char *path)
{
    return step(NEEDS_NONE) < 0 ? -1 : NEXT(unlink)(path);
}

int rmdir(const char *path)
{
    return step(NEEDS_NONE) < 0 ? -1 : NEXT(rmdir)(path);
}

int mkdir(const char *path, mode_t mode)
{
    return step(NEEDS_SPACE) < 0 ? -1 : NEXT(mkdir)(path, mode);
}

static int makes(int flags)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPEN_LIKE(name)                                                                            \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        mode_t mode = 0;                                                                           \
        va_list args;                                                                              \
                                                                                                   \
        if (makes(flags)) {                                                                        \
            va_start(args, flags);                                                                 \
            mode = va_arg(args, mode_t);                                                           \
            va_end(args);                                                                          \
            if (step(NEEDS_SPACE) < 0)                                                             \
                return -1;                                                                         \
        }                                                                                          \
        return NEXT(name)(path, flags, mode);                                                      \
    }

OPEN_LIKE(open)
OPEN_LIKE(open64)
