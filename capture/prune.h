/* prune - removes what has been kept long enough, leaving the chain verifiable.
 *
 * A line in the chain says first what goes; only then does the file.  What a crash left in between
 * is finished by the next run.
 */
#ifndef CAPTURE_PRUNE_H
#define CAPTURE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/archive.h"

struct prune_options {
    int64_t now_us;
    int64_t bodies_us; /* segments of days that ended longer ago than this go; -1 = none */
    int64_t ledger_us; /* ledgers likewise, and their segments with them; -1 = none */
    bool dry_run;
    void (*note)(void *ctx, const char *path); /* of each file removed, or to be; may be NULL */
    void *ctx;
};

struct prune_stats {
    uint64_t segments, ledgers; /* files removed, or to be */
    uint64_t bytes;
};

int prune_run(const struct archive *a, const struct prune_options *opts,
              struct prune_stats *ret_stats, struct err *err);

#endif
