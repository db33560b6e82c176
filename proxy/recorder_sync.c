/* When a recorder's journals go to the kernel and to the disk, and what comes of it. */
#include "config.h"

#include "proxy/recorder_parts.h"

#define SLOW_US   UINT64_C(2000000) /* for the disk to answer; then on_pressure says what */
#define GATHER_US UINT64_C(1000)    /* that a sync waits for more to do, if there is other work */

/* A sync takes the same time for one as for many, and much of it is the processor's. */
void recorder_request_sync(struct recorder *r)
{
    r->must_sync = true;
    recorder_request_write(r);
}

void recorder_request_write(struct recorder *r)
{
    loop_defer_idle(r->o.loop, &r->sync_task, loop_now_us(r->o.loop) + GATHER_US);
}

void recorder_stop_waiting(struct recorder *r, struct recording *rec)
{
    *rec->link = rec->next;
    if (rec->next)
        rec->next->link = rec->link;
    else
        r->waiting_end = rec->link;
    rec->link = NULL;
    rec->next = NULL;
}

/* Tells those whose END lies before bytes of j. */
static void tell_waiting(struct recorder *r, const struct recorder_journal *j, uint64_t bytes,
                         bool durable)
{
    struct recording *rec = r->waiting;

    /* A callback may remove others: begin again after each. */
    while (rec) {
        if (rec->journal != j || rec->end_bytes > bytes) {
            rec = rec->next;
            continue;
        }
        recorder_stop_waiting(r, rec);
        rec->on_durable(rec->ctx, durable);
        rec = r->waiting;
    }
}

/* After a failed sync the kernel may have dropped what it could not write, and says so only once:
 * https://wiki.postgresql.org/wiki/Fsync_Errors. */
static void break_journal(struct recorder *r, struct recorder_journal *j)
{
    uint64_t lost = j->ends + j->ends_syncing + j->open;

    j->is_broken = j->is_retiring = true;
    r->o.stats->exchanges_lost += lost;
    log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_given_up",
              LOG_INT("exchanges_in_doubt", lost));
    tell_waiting(r, j, UINT64_MAX, false);
}

/* What was given to the ticket of j stays in it. */
void recorder_take_back(struct recorder_journal *j)
{
    j->ends += j->ends_syncing;
    j->ends_syncing = 0;
    j->is_dirty = true;
}

static void collect_job(struct recorder *r, struct sync_job *job)
{
    struct recorder_journal *j = job->owner;
    struct err err;

    bool is_written = job->kind == SYNC_TICKET && atomic_load(&job->ticket.is_written);

    r->o.stats->journal_syncs += is_written && job->ticket.is_sync;
    if (job->failed)
        recorder_note_failure(r, &job->err);
    if (!j)
        return; /* was finished */
    j->is_syncing = false;
    if (job->kind == SYNC_CREATE) {
        j->writer = job->failed ? NULL : TAKE(job->writer);
        if (j->writer && recorder_write_held(r, j, &err) < 0)
            recorder_note_failure(r, &err);
        if (j->is_dirty)
            r->wants_sync = r->must_sync = true;
        return;
    }
    journal_sync_end(j->writer, &job->ticket, !job->failed);
    if (!is_written) {
        recorder_take_back(j);
        return;
    }
    if (job->failed) {
        break_journal(r, j);
        return;
    }
    if (!job->ticket.is_sync && r->durability != JOURNAL_RELAXED) {
        if (!j->is_broken)
            j->is_dirty = true; /* be it that the ticket was made when that was relaxed */
        return;
    }
    j->ends_syncing = 0;
    if (!j->is_broken)
        tell_waiting(r, j, job->ticket.bytes, true);
}

/* Whether job could not have succeeded on a disk that takes nothing. */
static bool is_proof(const struct recorder *r, const struct sync_job *job)
{
    return job->kind == SYNC_TICKET ? job->ticket.is_sync || r->durability == JOURNAL_RELAXED
                                    : job->kind != SYNC_CLOSE;
}

/* Whether everything is out of our hands and the disk has just taken something. */
static bool has_recovered(struct recorder *r)
{
    bool has_synced = false;
    struct err err;

    for (size_t i = 0; i < r->job_count; i++) {
        if (r->jobs[i].failed)
            return false;
        has_synced |= is_proof(r, &r->jobs[i]);
    }
    if (!has_synced)
        return false;
    for (const struct recorder_journal *j = r->journals; j; j = j->next)
        if (!j->writer)
            return false;
    return recorder_write_all(r, &err) == 0;
}

static void collect(struct recorder *r)
{
    loop_timer_cancel(r->o.loop, &r->slow_timer);
    r->syncing_bytes = 0;
    for (size_t i = 0; i < r->job_count; i++)
        collect_job(r, &r->jobs[i]);
    if (r->is_slow)
        log_event(r->o.log, LOG_LEVEL_WARN, loop_wall_us(r->o.loop), "journal_caught_up",
                  LOG_INT("bytes_waiting", r->unsynced_bytes));
    r->is_slow = false;
    if (r->is_failing && has_recovered(r))
        recorder_note_recovery(r);
    r->job_count = 0;
    /* What failed has its own time to be tried again. */
    for (const struct recorder_journal *j = r->journals; j && !r->is_failing; j = j->next)
        if (recorder_can_finish(r, j) || (j->is_dirty && (j->is_retiring || j->is_broken)))
            r->wants_sync = r->must_sync = true;
    recorder_note_pressure(r);
}

static void fill_create(const struct recorder *r, struct sync_job *job)
{
    job->kind = SYNC_CREATE;
    job->archive = r->o.archive;
    job->name = r->o.name;
    job->wall_us = loop_wall_us(r->o.loop);
}

/* Writing can wait as well: for a sync under way, or until the disk has taken what was written. */
static bool fill_ticket(struct recorder *r, struct recorder_journal *j, struct sync_job *job)
{
    bool can_promise = r->durability != JOURNAL_RELAXED && !j->is_broken;
    struct err err;

    if (journal_sync_begin(j->writer, can_promise && r->must_sync, &job->ticket, &err) < 0) {
        recorder_note_failure(r, &err);
        return false;
    }
    job->ticket.is_started = r->durability == JOURNAL_BATCH && !j->is_broken;
    j->is_dirty = can_promise && !r->must_sync;
    j->ends_syncing += j->ends;
    j->ends = 0;
    return true;
}

/* Adds what there is to do for j; false if nothing. */
static bool add_job(struct recorder *r, struct recorder_journal *j)
{
    struct sync_job *job = &r->jobs[r->job_count];

    *job = (struct sync_job){ .kind = SYNC_TICKET, .owner = j };
    if (j->writer && j->is_broken)
        tell_waiting(r, j, UINT64_MAX, false);
    if (!j->writer) {
        fill_create(r, job);
        j->is_syncing = true;
        return true;
    }
    if (j->is_dirty && fill_ticket(r, j, job)) {
        j->is_syncing = true;
        return true;
    }
    if (!recorder_can_finish(r, j))
        return false;
    job->kind = j->is_broken ? SYNC_CLOSE : SYNC_FINISH;
    job->writer = j->writer;
    job->owner = NULL;
    recorder_unlink_journal(r, j);
    return true;
}

void recorder_sync_now(void *ctx)
{
    struct recorder *r = ctx;

    if (syncer_is_busy(r->syncer)) {
        r->wants_sync = true;
        return;
    }
    r->wants_sync = false;
    r->unwritten_bytes = 0;
    if (r->must_sync) {
        r->syncing_bytes = r->unsynced_bytes;
        r->unsynced_bytes = 0;
        loop_timer_cancel(r->o.loop, &r->sync_timer);
    }
    for (struct recorder_journal *j = r->journals, *next; j; j = next) {
        next = j->next;
        if (r->job_count < RECORDER_JOURNALS_MAX && add_job(r, j))
            r->job_count++;
    }
    r->must_sync = false;
    if (!r->job_count)
        return;
    syncer_submit(r->syncer, r->jobs, r->job_count);
    loop_timer_set(r->o.loop, &r->slow_timer, loop_now_us(r->o.loop) + SLOW_US);
}

/* The window that a death costs begins anew, however late this is.  While the disk is busy with
 * what went before, the kernel takes what there is. */
void recorder_on_sync_timer(void *ctx)
{
    struct recorder *r = ctx;
    struct err err;

    loop_read_clocks(r->o.loop);
    uint64_t late_us = loop_now_us(r->o.loop) - r->sync_timer.due_us;
    if (late_us > r->o.stats->loop_lag_seconds)
        r->o.stats->loop_lag_seconds = late_us;
    if (syncer_is_busy(r->syncer) && !r->is_failing && recorder_write_all(r, &err) < 0)
        recorder_note_failure(r, &err);
    r->must_sync = true;
    recorder_sync_now(r);
}

void recorder_on_wake(void *ctx)
{
    struct recorder *r = ctx;

    if (!syncer_collect(r->syncer))
        return;
    collect(r);
    if (r->wants_sync)
        recorder_request_write(r);
}

/* Only a write and a sync that succeed are a recovery: without anything to sync, a new journal is
 * made. */
void recorder_on_retry(void *ctx)
{
    struct recorder *r = ctx;
    struct err err;

    if (syncer_is_busy(r->syncer)) {
        loop_timer_set(r->o.loop, &r->retry_timer, loop_now_us(r->o.loop) + RECORDER_RETRY_US);
        return;
    }
    if (recorder_write_all(r, &err) < 0) {
        recorder_note_failure(r, &err);
        return;
    }
    if (!recorder_current(r) && recorder_count_journals(r) < RECORDER_JOURNALS_MAX)
        recorder_new_journal(r);
    if (recorder_current(r) && recorder_current(r)->writer && r->durability == JOURNAL_RELAXED) {
        recorder_note_recovery(r);
        recorder_note_pressure(r);
    } else if (recorder_current(r)) {
        recorder_current(r)->is_dirty = true;
    }
    r->must_sync = true;
    recorder_sync_now(r);
    if (r->is_failing && !loop_timer_is_set(&r->retry_timer))
        loop_timer_set(r->o.loop, &r->retry_timer, loop_now_us(r->o.loop) + RECORDER_RETRY_US);
}
