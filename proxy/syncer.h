/* syncer - a thread that writes and waits for the disk in place of the loop.
 *
 * The loop hands it a batch of journals; when all are done the loop is woken and collects.  One
 * batch at a time.  Appending to the journals may go on meanwhile (capture/journal), but for those
 * that are being made, finished or closed.
 */
#ifndef PROXY_SYNCER_H
#define PROXY_SYNCER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "capture/archive.h"
#include "capture/journal.h"

struct syncer;

enum sync_kind {
    SYNC_TICKET, /* journal_sync_run */
    SYNC_FINISH, /* journal_finish; writer is NULL afterwards */
    SYNC_CLOSE,  /* journal_close; likewise */
    SYNC_CREATE, /* archive_journal_create, into writer */
};

struct sync_job {
    enum sync_kind kind;
    void *owner; /* the caller's own */
    struct journal_ticket ticket;
    struct journal_writer *writer;
    const struct archive *archive; /* SYNC_CREATE: where, what begins its name, and when */
    const char *name;
    uint64_t wall_us;
    bool failed;
    struct err err; /* if failed */
};

int syncer_start(struct loop *l, struct syncer **ret, struct err *err);
/* Waits for what is under way; NULL is fine. */
void syncer_stop(struct syncer *s);
bool syncer_is_busy(const struct syncer *s);
/* jobs stay the caller's and in place until collected.  Must not be busy. */
void syncer_submit(struct syncer *s, struct sync_job *jobs, size_t count);
/* After the loop was woken: true if the batch is done, which ends being busy. */
bool syncer_collect(struct syncer *s);

#endif
