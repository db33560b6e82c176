/* child - a worker's process, and the pipe its parent talks to it through.
 *
 * Messages go from parent to worker: u32 kind, u32 length, bytes.  The end of the pipe means that
 * the parent is gone: the worker drains.
 */
#ifndef PROXY_CHILD_H
#define PROXY_CHILD_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "proxy/worker.h"

enum child_message {
    CHILD_RELOAD = 1, /* bytes: of proxy_conf_pack */
    CHILD_DRAIN,
    CHILD_STOP,
    CHILD_CUTOVER, /* bytes: worker_follow's */
    CHILD_TICKETS, /* bytes: worker_take_tickets' */
};

struct child_options {
    struct worker_options worker;
    int pipe_fd;
    const char *prices;    /* the shipped price book; NULL = none */
    const char *conf_path; /* what messages call the text, and what its paths are relative to */
};

/* Runs until told to end; 0, or 1 if it failed (and said so in the log). */
int child_run(const struct child_options *options);

/* The parent's side: adds a message to out. */
void child_write_message(struct buf *out, enum child_message kind, struct str bytes);

#endif
