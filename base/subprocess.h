/* subprocess - another program beside ours: started in a process group of its own, its output into
 * a file, ended with all that it started.
 */
#ifndef BASE_SUBPROCESS_H
#define BASE_SUBPROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct subprocess {
    pid_t pid; /* 0 = none, or over */
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
