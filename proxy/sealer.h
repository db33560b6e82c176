/* sealer - seals what is ready, in a child process: idle priority, in a sandbox.
 *
 * The child can die at any instruction and is started again.  A journal that it fails or dies at is
 * left alone for a while, longer each time, so that it blocks no other and does not keep the
 * machine busy; after the third time it is said to be set aside.  It stays where it is: `capture
 * seal` names what is wrong with it, and a restart of the proxy tries it anew.
 *
 * The child tells which journal it is at in memory that it shares with the parent, which trusts
 * nothing of it but the names of journals.
 */
#ifndef PROXY_SEALER_H
#define PROXY_SEALER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "capture/archive.h"
#include "capture/key.h"
#include "proxy/log.h"
#include "proxy/stats.h"

struct sealer_options {
    const struct archive *archive;
    const struct key *key; /* NULL = the archive's own */
    const struct log_sink *log;
    struct proxy_stats *stats; /* of the process that opens the sealer */
    const char *created_by;
    void (*leave)(int code); /* ends the child */
};

struct sealer;
int sealer_open(const struct sealer_options *options, struct sealer **ret, struct err *err);
/* Waits a moment for a child that runs, then kills it: it can be run again at any time.  NULL is
 * fine. */
void sealer_close(struct sealer *s);
DEFINE_CLEANUP(struct sealer, sealer_close)

/* Starts the child if a journal waits whose writer is done with it, or has died.  To be called
 * every few seconds; times are of the loop. */
void sealer_tick(struct sealer *s, uint64_t now_us, uint64_t wall_us);
/* After waitpid; false: pid is not the sealer's. */
bool sealer_on_exit(struct sealer *s, pid_t pid, int status, uint64_t now_us, uint64_t wall_us);

#endif
