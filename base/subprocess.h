/* subprocess - another program beside ours: started in a process group of its own, its output into
 * a file, ended with all that it started.
 *
 * Between us and it stands a guard, a fork of ours that waits for whichever ends first.  If it is
 * we, however that comes about, the guard ends the program's group and only then itself: with all
 * descriptors of ours that it has, so that a lock (flock) that we held is held until nothing that
 * we started can change anything any more.
 */
#ifndef BASE_SUBPROCESS_H
#define BASE_SUBPROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct subprocess {
    pid_t pid;    /* of the guard; 0 = none, or over */
    pid_t group;  /* of the program */
    int lifeline; /* the guard reads its other end */
    bool is_over;
    int status; /* as waitpid gives it, once over */
};

struct subprocess_options {
    const char *const *argv; /* argv[0] is looked for in PATH */
    /* "NAME=value" texts that are added to our environment, or replace what it has; NULL-terminated
     * or NULL. */
    const char *const *env;
    const char *output; /* stdout and stderr go to this file, made with mode 0600; NULL = ours */
    const char *complaints; /* stderr goes to this one instead; NULL = where stdout goes */
    const char *input;      /* stdin is this file; NULL = nothing */
    /* What the guard runs once it had to end the group, as we were gone or did not wait any more:
     * "rm", "-rf", ...  NULL = nothing. */
    const char *const *afterwards;
};

/* ERR_SYS if the program cannot be started. */
int subprocess_start(const struct subprocess_options *options, struct subprocess *ret,
                     struct err *err);
/* Looks without waiting. */
bool subprocess_is_over(struct subprocess *p);
/* SIGTERM to the group, and SIGKILL after grace_us; nothing if it is none.  When it returns, none
 * of the group is left but what has left it. */
void subprocess_stop(struct subprocess *p, int64_t grace_us);
/* How it ended: "exit status 3", "signal 9 (Killed)". */
void subprocess_describe(const struct subprocess *p, struct buf *out);

#endif
