/* parent - the process that `weir proxy run` is: it holds the listening sockets, keeps the workers
 * running, passes on configurations and signals, answers /metrics and `weir proxy status`, and has
 * journals sealed by a process of its own.
 *
 *     parent ── worker 0, worker 1, ...   a process each: none can stall or crash another, and the
 *        │                                sealer can be forked from a process without threads
 *        └───── sealer                    idle priority, no network
 *
 * A worker that dies is replaced; the sockets stay, so nobody is refused meanwhile.  Without their
 * parent workers drain and end.
 *
 * Signals: SIGTERM and SIGINT drain (a second one ends at once), SIGHUP reloads.
 */
#ifndef PROXY_PARENT_H
#define PROXY_PARENT_H

#include "base/err.h"
#include "proxy/log.h"

struct parent_options {
    const char *conf_path;
    unsigned workers; /* 0 = as the configuration says */
    struct log_sink log;
    void (*leave)(int code); /* ends a child process without what atexit would do; no return */
    const char *created_by;  /* for what is sealed: "weir 0.1.0" */
    const char *prices; /* the shipped price book's folder, for budgets; NULL = there is none */
};

/* Returns when all has ended in order: 0, or -1 if it could not start. */
int parent_run(const struct parent_options *options, struct err *err);

#endif
