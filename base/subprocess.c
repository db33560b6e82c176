#include "config.h"

#include "base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define POLL_US 2000

/* The child's descriptors, by their numbers. */
enum {
    CHILD_INPUT = 0,
    CHILD_OUTPUT = 1,
    CHILD_COMPLAINTS = 2,
};

extern char **environ;

static bool is_same_name(const char *a, const char *b)
{
    size_t len = strcspn(a, "=");

    return strcspn(b, "=") == len && strncmp(a, b, len) == 0;
}

/* Ours without what `more` replaces, then `more`.  The texts stay whose they are. */
static char **make_env(const char *const *more)
{
    size_t count = 0, added = 0, n = 0;

    while (environ[count])
        count++;
    while (more && more[added])
        added++;
    char **env = mem_calloc(count + added + 1, sizeof(*env));
    for (size_t i = 0; i < count; i++) {
        bool is_replaced = false;
        for (size_t k = 0; k < added; k++)
            is_replaced |= is_same_name(environ[i], more[k]);
        if (!is_replaced)
            env[n++] = environ[i];
    }
    for (size_t k = 0; k < added; k++)
        memcpy(&env[n++], &more[k], sizeof(*env)); /* posix_spawn does not write to them */
    return env;
}

/* A group of its own; no signal blocked or ignored that we block or ignore. */
static void set_attributes(posix_spawnattr_t *attr)
{
    sigset_t none, usual;

    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    sigaddset(&usual, SIGINT);
    sigaddset(&usual, SIGTERM);
    posix_spawnattr_init(attr);
    posix_spawnattr_setpgroup(attr, 0);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &usual);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                       POSIX_SPAWN_SETSIGDEF);
}

static void add_output(posix_spawn_file_actions_t *actions, int fd, const char *path)
{
    posix_spawn_file_actions_addopen(actions, fd, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

/* Where the child reads from and writes to. */
static void set_files(posix_spawn_file_actions_t *actions, const struct subprocess_options *options)
{
    const char *input = options->input ? options->input : "/dev/null";

    posix_spawn_file_actions_init(actions);
    posix_spawn_file_actions_addopen(actions, CHILD_INPUT, input, O_RDONLY, 0);
    if (options->output)
        add_output(actions, CHILD_OUTPUT, options->output);
    if (options->complaints)
        add_output(actions, CHILD_COMPLAINTS, options->complaints);
    else if (options->output)
        posix_spawn_file_actions_adddup2(actions, CHILD_OUTPUT, CHILD_COMPLAINTS);
}

/* --- the guard: nothing here may take memory or a lock of the C library's --- */

/* What the guard tells us of the start, in memory that both have. */
struct start {
    int is_known; /* atomic; then: */
    int failed;   /* errno, 0 = it runs */
    pid_t program;
};

struct guarding {
    struct start *start;
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attr;
    char **argv, **env, **afterwards;
    int lifeline; /* the end that reads */
};

/* True if the program was among them. */
static bool reap(pid_t program, int *status)
{
    bool is_over = false;
    pid_t pid;
    int any;

    while ((pid = waitpid(-1, &any, WNOHANG)) > 0) {
        is_over |= pid == program;
        *status = pid == program ? any : *status;
    }
    return is_over;
}

/* Nobody is left in the program's group when it returns; what has left the group is not touched.
 * Orphans of the group are ours to reap. */
static void end_group(pid_t program, int *status)
{
    for (;;) {
        bool is_gone = kill(-program, SIGKILL) < 0;
        reap(program, status);
        if (is_gone)
            return;
        usleep(POLL_US / 4);
    }
}

/* As the program ended, so that our parent sees it. */
static _Noreturn void end_as(int status)
{
    static const struct rlimit no_core = { 0, 0 };
    sigset_t one;

    if (!WIFSIGNALED(status))
        _exit(WEXITSTATUS(status));
    setrlimit(RLIMIT_CORE, &no_core);
    signal(WTERMSIG(status), SIG_DFL);
    /* No other that waits: its handler is our parent's, with what our parent has open. */
    sigemptyset(&one);
    sigaddset(&one, WTERMSIG(status));
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(WTERMSIG(status));
    _exit(EXIT_FAILURE);
}

static void clear_up(const struct guarding *g)
{
    pid_t pid;

    if (g->afterwards &&
        posix_spawnp(&pid, g->afterwards[0], NULL, g->attr, g->afterwards, g->env) == 0)
        waitpid(pid, NULL, 0);
}

/* SIGTERM is for the program, the lifeline's end is the end of all. */
static _Noreturn void stand_guard(const struct guarding *g, pid_t program, int signals)
{
    struct pollfd fds[2] = {
        {.fd = g->lifeline, .events = POLLIN},
        { .fd = signals,    .events = POLLIN},
    };
    struct signalfd_siginfo info;
    int status = 0;

    for (;;) {
        poll(fds, 2, -1);
        if (fds[0].revents) {
            end_group(program, &status);
            clear_up(g);
            end_as(status);
        }
        if (!fds[1].revents || read(signals, &info, sizeof(info)) != sizeof(info))
            continue;
        if (info.ssi_signo == SIGTERM)
            kill(-program, SIGTERM);
        if (reap(program, &status))
            end_as(status);
    }
}

static _Noreturn void run_guard(const struct guarding *g)
{
    sigset_t all, heard;
    pid_t program = 0;

    setpgid(0, 0); /* what a terminal sends is for us alone */
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&heard);
    sigaddset(&heard, SIGCHLD);
    sigaddset(&heard, SIGTERM);
    int signals = signalfd(-1, &heard, SFD_CLOEXEC);
    g->start->failed =
        signals < 0 ? errno
                    : posix_spawnp(&program, g->argv[0], g->actions, g->attr, g->argv, g->env);
    int failed = g->start->failed;
    g->start->program = program;
    __atomic_store_n(&g->start->is_known, 1, __ATOMIC_RELEASE);
    if (failed)
        _exit(EXIT_FAILURE);
    stand_guard(g, program, signals);
}

/* --- ours --- */

/* errno of a guard that could not be made, or of its start. */
static int start_guard(struct guarding *g, struct subprocess *ret)
{
    int fds[2], status;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return errno;
    g->lifeline = fds[0];
    pid_t pid = fork();
    if (pid == 0) {
        close(fds[1]);
        run_guard(g);
    }
    int failed = pid < 0 ? errno : 0;
    close(fds[0]);
    while (!failed && !__atomic_load_n(&g->start->is_known, __ATOMIC_ACQUIRE))
        if (waitpid(pid, &status, WNOHANG) == pid) {
            close(fds[1]);
            return ECHILD; /* somebody has killed it */
        } else {
            usleep(POLL_US / 20);
        }
    if (!failed && g->start->failed) {
        failed = g->start->failed;
        waitpid(pid, &status, 0);
    }
    if (failed)
        close(fds[1]);
    else
        *ret = (struct subprocess){ .pid = pid, .group = g->start->program, .lifeline = fds[1] };
    return failed;
}

int subprocess_start(const struct subprocess_options *options, struct subprocess *ret,
                     struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char **argv, **env, **afterwards;
    struct start *start =
        mmap(NULL, sizeof(*start), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    *ret = (struct subprocess){ .lifeline = -1 };
    if (start == MAP_FAILED)
        return err_sys(err, "cannot start '%s'", options->argv[0]);
    env = make_env(options->env);
    memcpy(&argv, &options->argv, sizeof(argv)); /* as above */
    memcpy(&afterwards, &options->afterwards, sizeof(afterwards));
    set_files(&actions, options);
    set_attributes(&attr);
    struct guarding g = { start, &actions, &attr, argv, env, afterwards, -1 };
    int failed = start_guard(&g, ret);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    munmap(start, sizeof(*start));
    if (!failed)
        return 0;
    errno = failed;
    return err_sys(err, "cannot start '%s'", argv[0]);
}

static void let_go(struct subprocess *p)
{
    if (p->lifeline >= 0)
        close(p->lifeline);
    p->lifeline = -1;
    p->is_over = true;
}

bool subprocess_is_over(struct subprocess *p)
{
    if (p->pid && !p->is_over && waitpid(p->pid, &p->status, WNOHANG) == p->pid)
        let_go(p);
    return !p->pid || p->is_over;
}

void subprocess_stop(struct subprocess *p, int64_t grace_us)
{
    if (!p->pid)
        return;
    if (!subprocess_is_over(p))
        kill(p->pid, SIGTERM);
    for (; grace_us > 0 && !subprocess_is_over(p); grace_us -= POLL_US)
        usleep(POLL_US);
    if (!p->is_over) {
        close(p->lifeline);
        p->lifeline = -1;
        waitpid(p->pid, &p->status, 0);
        let_go(p);
    }
    kill(-p->group, SIGKILL); /* what outlived the program */
    p->pid = 0;
}

void subprocess_describe(const struct subprocess *p, struct buf *out)
{
    if (!p->is_over)
        buf_add_text(out, "still running");
    else if (WIFSIGNALED(p->status))
        buf_addf(out, "signal %d (%s)", WTERMSIG(p->status), strsignal(WTERMSIG(p->status)));
    else
        buf_addf(out, "exit status %d", WEXITSTATUS(p->status));
}
