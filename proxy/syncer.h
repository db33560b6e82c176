/* syncer - a thread that waits for the disk in place of the loop.
 *
 * The loop hands it a batch of journals; when all are done the loop is woken and collects.  One
 * batch at a time.  Appending to the journals may go on meanwhile (capture/journal).
 */
#ifndef PROXY_SYNCER_H
#define PROXY_SYNCER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"
#include "capture/journal.h"

struct syncer;

struct sync_job {
    void *owner; /* the caller's own */
    struct journal_ticket ticket;
    struct journal_writer *finish; /* instead: journal_finish this; NULL afterwards */
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
