#include "config.h"

#include "base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
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

int subprocess_start(const struct subprocess_options *options, struct subprocess *ret,
                     struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char **argv, **env = make_env(options->env);

    memcpy(&argv, &options->argv, sizeof(argv)); /* as above */
    *ret = (struct subprocess){ 0 };
    set_files(&actions, options);
    set_attributes(&attr);
    int failed = posix_spawnp(&ret->pid, argv[0], &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    if (!failed)
        return 0;
    ret->pid = 0;
    errno = failed;
    return err_sys(err, "cannot start '%s'", argv[0]);
}

bool subprocess_is_over(struct subprocess *p)
{
    if (p->pid && !p->is_over && waitpid(p->pid, &p->status, WNOHANG) == p->pid)
        p->is_over = true;
    return !p->pid || p->is_over;
}

void subprocess_stop(struct subprocess *p, int64_t grace_us)
{
    if (!p->pid)
        return;
    if (!subprocess_is_over(p))
        kill(-p->pid, SIGTERM);
    for (; grace_us > 0 && !subprocess_is_over(p); grace_us -= POLL_US)
        usleep(POLL_US);
    kill(-p->pid, SIGKILL);
    if (!p->is_over)
        waitpid(p->pid, &p->status, 0);
    p->is_over = true;
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
