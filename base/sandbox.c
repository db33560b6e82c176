#include "config.h"

#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif
#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

#include "base/mem.h"

/* Sanitizers map memory without end and make calls of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

/* --- files --- */

#if defined(HAVE_LINUX_LANDLOCK_H) && defined(SYS_landlock_create_ruleset)

/* Newer than the headers of Debian 12. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                    \
    (READING | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                     \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)
/* ABI 1 knows 13 rights; 2 added REFER, 3 TRUNCATE. */
#define RIGHTS_OF_ABI_1 ((1ULL << 13) - 1)

static uint64_t rights_of_kernel(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    if (abi < 1)
        return 0;
    return RIGHTS_OF_ABI_1 | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
           (abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
}

static bool allow_below(int rules, const char *folder, uint64_t rights)
{
    struct landlock_path_beneath_attr below = { .allowed_access = rights };

    below.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (below.parent_fd < 0)
        return false;
    bool ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0;
    close(below.parent_fd);
    return ok;
}

static bool fence_files(const struct sandbox *s)
{
    uint64_t rights = rights_of_kernel();
    struct landlock_ruleset_attr attr = { .handled_access_fs = rights };
    bool ok = rights != 0;

    if (!ok)
        return false;
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (rules < 0)
        return false;
    for (size_t i = 0; i < s->writable_count; i++)
        ok = ok && allow_below(rules, s->writable[i], rights & WRITING);
    for (size_t i = 0; i < s->readable_count; i++)
        ok = ok && (allow_below(rules, s->readable[i], rights & READING) || errno == ENOENT);
    if (IS_SANITIZED) /* looking for leaks in the end */
        ok = ok && allow_below(rules, "/proc", rights & READING);
    ok = ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return ok;
}

#else

static bool fence_files(const struct sandbox *s)
{
    (void)s;
    return false;
}

#endif

/* --- calls --- */

#ifdef HAVE_SECCOMP

/* What libc and our libraries use to read and write files, take memory, and end. */
static const int allowed_calls[] = {
    SCMP_SYS(access),
    SCMP_SYS(brk),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),
    SCMP_SYS(copy_file_range),
    SCMP_SYS(dup),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fcntl),
    SCMP_SYS(fdatasync),
    SCMP_SYS(flock),
    SCMP_SYS(fstat),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(futex),
    SCMP_SYS(getdents64),
    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(lseek),
    SCMP_SYS(lstat),
    SCMP_SYS(madvise),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(read),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(readv),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rmdir),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(stat),
    SCMP_SYS(statx),
    SCMP_SYS(sysinfo),
    SCMP_SYS(umask),
    SCMP_SYS(uname),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(utimensat),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

/* Ending itself is all that a signal is for: abort() does. */
static const int signal_calls[] = { SCMP_SYS(kill), SCMP_SYS(tgkill) };

/* Of all that a terminal can be told (to type, even), only to say that it is one: isatty. */
static int allow_terminal_question(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_EQ, TCGETS, 0));
}

/* Others answer ENOSYS: libc has a way around new calls that a kernel does not have, which EPERM or
 * death would not let it take. */
static bool fence_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    scmp_datum_t self = (scmp_datum_t)getpid();
    int r = filter ? 0 : -1;

    for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed_calls); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], 0);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(signal_calls); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, signal_calls[i], 1,
                             SCMP_A0(SCMP_CMP_EQ, self, 0));
    if (r == 0)
        r = allow_terminal_question(filter);
    if (r == 0)
        r = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return r == 0;
}

#else

static bool fence_calls(void)
{
    return false;
}

#endif

/* --- limits --- */

static void limit(int what, uint64_t most)
{
    struct rlimit l = { .rlim_cur = most, .rlim_max = most };

    setrlimit((__rlimit_resource_t)what, &l); /* one that was lower stays: raising it fails */
}

unsigned sandbox_enter(const struct sandbox *s)
{
    unsigned holds = 0;

    limit(RLIMIT_CORE, 0);
    if (s->descriptors)
        limit(RLIMIT_NOFILE, s->descriptors);
    if (s->memory_bytes && !IS_SANITIZED)
        limit(RLIMIT_DATA, s->memory_bytes);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return 0;
    if (fence_files(s))
        holds |= SANDBOX_FILES;
    if (!IS_SANITIZED && fence_calls())
        holds |= SANDBOX_CALLS;
    return holds;
}
