#include "config.h"

#include "proxy/sealer.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/seal.h"

bool sealer_has_work(const struct archive *a)
{
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };
    struct err err;

    if (archive_journals_list(a, &journals, &err) < 0)
        return false;
    for (size_t i = 0; i < journals.len; i++)
        if (journals.ptr[i].ready || !archive_journal_is_live(&journals.ptr[i]))
            return true;
    return false;
}

/* The bodies that are decoded here were made by others: should one take over the decoder, there is
 * no network to call home on and no program to become. */
static void give_up_network(void)
{
#define DENY(number)                                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif
#ifdef OUR_ARCH
    static struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        DENY(SYS_socket),
        DENY(SYS_socketpair),
        DENY(SYS_connect),
        DENY(SYS_bind),
        DENY(SYS_sendto),
        DENY(SYS_sendmsg),
        DENY(SYS_execve),
        DENY(SYS_execveat),
        DENY(SYS_ptrace),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = ARRAY_LEN(filter), .filter = filter };

    /* Where the kernel or a container refuses, sealing goes on without. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
#endif
}

struct noting {
    const struct sealer_options *o;
};

static void note(void *ctx, const char *text)
{
    const struct noting *n = ctx;

    log_event(n->o->log, LOG_LEVEL_WARN, n->o->wall_us, "seal_note",
              LOG_STR("text", str_from(text)));
}

static int seal(const struct sealer_options *o)
{
    struct noting noting = { o };
    struct seal_options options = {
        .key = o->key, .created_by = o->created_by, .note = note, .ctx = &noting
    };
    struct seal_stats stats = { 0 };
    struct err err;

    setpriority(PRIO_PROCESS, 0, 19);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it can be run again at any time */
    give_up_network();
    int r = seal_run(o->archive, &options, &stats, &err);
    if (r < 0)
        log_event(o->log, LOG_LEVEL_ERROR, o->wall_us, "seal_failed",
                  LOG_STR("reason", str_from(err.text)));
    if (stats.segments)
        log_event(o->log, LOG_LEVEL_INFO, o->wall_us, "sealed", LOG_INT("segments", stats.segments),
                  LOG_INT("exchanges", stats.exchanges), LOG_INT("unended", stats.unended));
    return r < 0 ? 1 : 0;
}

int sealer_start(const struct sealer_options *options, pid_t *ret, struct err *err)
{
    pid_t pid = fork();

    if (pid < 0)
        return err_sys(err, "cannot fork");
    if (pid == 0)
        options->leave(seal(options));
    *ret = pid;
    return 0;
}
