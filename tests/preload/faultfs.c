/* faultfs - makes the Nth call of a process that changes files fail, or the process die there.
 *
 * LD_PRELOADed into a dynamically linked weir by tests/crash.  From the environment:
 *
 *     FAULTFS_AT      N, from 1; 0 or unset counts only
 *     FAULTFS_ACTION  kill    SIGKILL before the call
 *                     torn    of a write, half; then SIGKILL (other calls as kill)
 *                     enospc  this and every later call that needs space fails with ENOSPC
 *                     eio     this call fails with EIO
 *                     after   SIGKILL after the call
 *     FAULTFS_COUNT   a file that gets the number of calls when the process ends in order
 *     WEIR_CRASH_AT   as FAULTFS_AT, of this process only: what it starts is neither counted nor
 *                     faulted, but that it starts something is, and so is a connection (how others
 *                     are told of a change)
 *     FAULTFS_CONTROL a file of struct faultfs_control (faultfs.h): faults that come and go
 *     FAULTFS_SYNCED  a file that gets a line for what would survive the machine's end:
 *                         C INODE             a file was made, or emptied
 *                         S INODE SIZE FROM TO  it was synced, up to SIZE at least; monotonic us
 *                         N INODE NAME        its name was synced, with its folder
 *
 * Counted: write, pwrite, writev, fsync, fdatasync, ftruncate, rename, renameat2, link, unlink,
 * rmdir, mkdir, symlink, and open with O_CREAT or O_TMPFILE; not on descriptors 0 to 2.  stdio's
 * own writes cannot be seen from here: the archive does not use it.
 */
#include "tests/preload/faultfs.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long calls;
static const char *own_at, *own_action, *own_count; /* with WEIR_CRASH_AT */
static int is_alone;
static struct faultfs_control no_control;
static struct faultfs_control *control = &no_control;

static long fault_at(void)
{
    const char *at = is_alone ? own_at : getenv("FAULTFS_AT");

    return at ? strtol(at, NULL, 10) : 0;
}

static int action_is(const char *name)
{
    const char *action = is_alone ? own_action : getenv("FAULTFS_ACTION");

    return action && strcmp(action, name) == 0;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
}

static void after(void)
{
    if (fault_at() == calls && action_is("after"))
        die();
}

/* The value of a call that was counted. */
#define AFTER(call)                                                                                \
    __extension__({                                                                                \
        __typeof__(call) value_ = (call);                                                          \
        after();                                                                                   \
        value_;                                                                                    \
    })

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
    const char *path = is_alone ? own_count : getenv("FAULTFS_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;

    if (!file)
        return;
    fprintf(file, "%ld\n", calls);
    fclose(file);
}

/* The function that this one stands before. */
#define NEXT(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

static const char *keep(const char *name)
{
    const char *value = getenv(name);

    return value ? strdup(value) : NULL;
}

__attribute__((constructor)) static void be_alone(void)
{
    static const char *const names[] = { "FAULTFS_ACTION", "FAULTFS_COUNT", "WEIR_CRASH_AT",
                                         "LD_PRELOAD" };

    own_at = keep("WEIR_CRASH_AT");
    is_alone = own_at != NULL;
    if (!is_alone)
        return;
    own_action = keep("FAULTFS_ACTION");
    own_count = keep("FAULTFS_COUNT");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("FAULTFS_CONTROL");
    int fd = path ? NEXT(open)(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED
                      : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at != MAP_FAILED)
        control = at;
    if (fd >= 0)
        close(fd);
}

/* Into ret, of PATH_MAX; "" if it has none. */
static const char *path_of(int fd, char *ret)
{
    char link[40];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, ret, PATH_MAX - 1);
    ret[n > 0 ? n : 0] = '\0';
    return ret;
}

static int is_below(const char *path, const char *folder)
{
    return strstr(path, folder) != NULL;
}

static int fail_with(int number)
{
    atomic_fetch_add(&control->faults, 1);
    errno = number;
    return -1;
}

/* A change of path; is_seal: one that only sealing makes.  -1: it is to fail. */
static int touch(const char *path, int is_seal)
{
    int number = atomic_load(&control->write_errno);

    if (control == &no_control)
        return 0;
    is_seal |= is_below(path, "/segments") || is_below(path, "/ledger") || is_below(path, "/chain");
    if (is_seal && !is_below(path, "/journal/.tmp-")) {
        long step_number = atomic_fetch_add(&control->seal_steps, 1) + 1;
        if (step_number == atomic_load(&control->kill_at)) {
            atomic_store(&control->kill_at, 0);
            die();
        }
    }
    return number && !is_seal && is_below(path, "/journal/") ? fail_with(number) : 0;
}

static int touch_fd(int fd)
{
    char path[PATH_MAX];

    return control == &no_control ? 0 : touch(path_of(fd, path), 0);
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void note_line(const char *line)
{
    const char *path = getenv("FAULTFS_SYNCED");
    int fd = path ? NEXT(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    if (NEXT(write)(fd, line, strlen(line)) < 0)
        abort();
    close(fd);
}

static void note_names(int fd)
{
    char path[PATH_MAX], line[PATH_MAX];
    DIR *folder = opendir(path_of(fd, path));
    struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL) {
        snprintf(line, sizeof(line), "N %llu %s\n", (unsigned long long)entry->d_ino,
                 entry->d_name);
        note_line(line);
    }
    if (folder)
        closedir(folder);
}

static int sync_with(int fd, int (*real)(int fd))
{
    char path[PATH_MAX], line[200];
    struct stat st = { 0 };
    uint64_t from = now_us();
    int number;

    touch_fd(fd);
    fstat(fd, &st);
    if (is_below(path_of(fd, path), "/journal")) {
        for (int ms = 0; ms < atomic_load(&control->sync_delay_ms); ms += 10)
            usleep(10000);
        if ((number = atomic_load(&control->sync_errno)) != 0)
            return fail_with(number);
    }
    int r = real(fd);
    if (r < 0 || !getenv("FAULTFS_SYNCED"))
        return r;
    snprintf(line, sizeof(line), "S %llu %lld %llu %llu\n", (unsigned long long)st.st_ino,
             (long long)st.st_size, (unsigned long long)from, (unsigned long long)now_us());
    if (S_ISDIR(st.st_mode))
        note_names(fd);
    else
        note_line(line);
    return r;
}

static void note_made(int fd)
{
    struct stat st;
    char line[60];

    if (!getenv("FAULTFS_SYNCED") || fd < 0 || fstat(fd, &st) < 0 || st.st_size)
        return;
    snprintf(line, sizeof(line), "C %llu\n", (unsigned long long)st.st_ino);
    note_line(line);
}

/* What is said to others takes no space. */
static enum need need_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? NEEDS_NONE : NEEDS_SPACE;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (fd > 2 && is_torn()) {
        if (NEXT(write)(fd, bytes, len / 2) >= 0)
            die();
    }
    if (fd <= 2)
        return NEXT(write)(fd, bytes, len);
    return step(need_of(fd)) < 0 || touch_fd(fd) < 0 ? -1 : AFTER(NEXT(write)(fd, bytes, len));
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return step(NEEDS_SPACE) < 0 || touch_fd(fd) < 0 ? -1 : AFTER(NEXT(pwrite)(fd, bytes, len, at));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (fd <= 2)
        return NEXT(writev)(fd, parts, count);
    return step(NEEDS_SPACE) < 0 || touch_fd(fd) < 0 ? -1 : AFTER(NEXT(writev)(fd, parts, count));
}

int fsync(int fd)
{
    return step(NEEDS_SPACE) < 0 ? -1 : AFTER(sync_with(fd, NEXT(fsync)));
}

int fdatasync(int fd)
{
    return step(NEEDS_SPACE) < 0 ? -1 : AFTER(sync_with(fd, NEXT(fdatasync)));
}

int ftruncate(int fd, off_t len)
{
    return step(NEEDS_NONE) < 0 ? -1 : AFTER(NEXT(ftruncate)(fd, len));
}

int rename(const char *from, const char *to)
{
    return step(NEEDS_NONE) < 0 || touch(to, 0) < 0 ? -1 : AFTER(NEXT(rename)(from, to));
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return step(NEEDS_NONE) < 0 ? -1 : AFTER(NEXT(renameat2)(from_dir, from, to_dir, to, flags));
}

int link(const char *from, const char *to)
{
    return step(NEEDS_SPACE) < 0 ? -1 : AFTER(NEXT(link)(from, to));
}

int unlink(const char *path)
{
    int is_seal = is_below(path, "/journal/") && !is_below(path, ".tmp-");

    return step(NEEDS_NONE) < 0 || touch(path, is_seal) < 0 ? -1 : AFTER(NEXT(unlink)(path));
}

int rmdir(const char *path)
{
    return step(NEEDS_NONE) < 0 ? -1 : AFTER(NEXT(rmdir)(path));
}

int mkdir(const char *path, mode_t mode)
{
    return step(NEEDS_SPACE) < 0 ? -1 : AFTER(NEXT(mkdir)(path, mode));
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
            if (step(NEEDS_SPACE) < 0 || touch(path, 0) < 0)                                       \
                return -1;                                                                         \
        }                                                                                          \
        int fd = NEXT(name)(path, flags, mode);                                                    \
        if (makes(flags)) {                                                                        \
            note_made(fd);                                                                         \
            after();                                                                               \
        }                                                                                          \
        return fd;                                                                                 \
    }

OPEN_LIKE(open)
OPEN_LIKE(open64)

/* --- how others are told of a change --- */

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    if (!is_alone)
        return NEXT(connect)(fd, to, len);
    return step(NEEDS_NONE) < 0 ? -1 : AFTER(NEXT(connect)(fd, to, len));
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const *argv, char *const *env)
{
    if (!is_alone)
        return NEXT(posix_spawnp)(pid, file, actions, attributes, argv, env);
    return step(NEEDS_NONE) < 0
               ? errno
               : AFTER(NEXT(posix_spawnp)(pid, file, actions, attributes, argv, env));
}

/* What the child does is not ours. */
pid_t fork(void)
{
    if (!is_alone)
        return NEXT(fork)();
    if (step(NEEDS_NONE) < 0)
        return -1;
    pid_t pid = NEXT(fork)();
    if (pid == 0) {
        own_at = NULL;
        is_alone = 0;
    }
    return pid == 0 ? 0 : AFTER(pid);
}

int symlink(const char *to, const char *path)
{
    return step(NEEDS_SPACE) < 0 ? -1 : AFTER(NEXT(symlink)(to, path));
}
