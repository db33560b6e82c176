#include "config.h"

#include "proxy/recorder.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/vec.h"
#include "capture/record.h"
#include "proxy/syncer.h"

#define RETRY_US       UINT64_C(100000)
#define SLOW_US        UINT64_C(2000000) /* for the disk to answer; then on_pressure says what */
#define SLOW_BYTES     (64u << 20)       /* that wait for it; likewise */
#define JOURNALS_MAX   64                /* with exchanges under way; then the newest is used on */
#define HELD_BYTES_MAX (16u << 20)       /* of frames that could not be written yet */

/* A frame that the journal did not take, waiting for the disk. */
struct held_frame {
    enum journal_frame_type type;
    uint64_t sequence, at_us;
    char *payload;
    size_t len;
};

struct recorder_journal {
    struct journal_writer *writer; /* NULL until it is made */
    VEC(struct held_frame) held;
    uint64_t next_sequence;
    uint64_t open;       /* exchanges that have not ended */
    uint64_t created_us; /* monotonic */
    uint64_t ends;       /* since the last ticket */
    uint64_t ends_syncing;
    bool is_dirty;    /* appended to since the last ticket */
    bool is_retiring; /* takes no new exchanges */
    bool is_syncing;  /* has a job in the batch under way */
    bool is_broken;   /* a sync failed: nothing in it can be promised any more */
    struct recorder_journal *next;
};

struct recorder {
    struct recorder_options o;
    enum journal_durability durability;
    enum proxy_pressure pressure;
    uint64_t segment_bytes, segment_age_us;
    struct recorder_journal *journals; /* the current one first, if it takes exchanges */
    struct recorder_journal *spare;    /* the last of them, made ahead of its time; or NULL */
    struct syncer *syncer;
    struct sync_job jobs[JOURNALS_MAX];
    size_t job_count;
    bool wants_sync; /* again, once the batch under way is done */
    uint64_t unsynced_bytes, syncing_bytes;
    struct recording *waiting, **waiting_end;
    size_t held_bytes;
    bool is_failing, is_slow;
    bool was_blocked; /* and nobody was told yet that it is over */
    struct buf text;  /* payload under construction */
    struct loop_timer sync_timer, retry_timer, age_timer, slow_timer;
    struct loop_task sync_task;
};

/* --- failing and recovering --- */

bool recorder_is_blocked(const struct recorder *r)
{
    return r->pressure == PROXY_BLOCK &&
           (r->is_failing || r->is_slow || r->held_bytes > HELD_BYTES_MAX / 2);
}

bool recorder_must_refuse(const struct recorder *r)
{
    return ((r->is_failing || r->is_slow) && r->pressure == PROXY_REFUSE) ||
           r->held_bytes > HELD_BYTES_MAX;
}

/* After any of what they depend on has changed. */
static void note_pressure(struct recorder *r)
{
    bool blocked = recorder_is_blocked(r);

    r->o.stats->journal_failing = r->is_failing || r->is_slow;
    r->o.stats->journal_held_bytes = r->held_bytes;
    if (blocked || !r->was_blocked) {
        r->was_blocked = blocked;
        return;
    }
    r->was_blocked = false;
    r->o.on_unblocked(r->o.ctx);
}

static void note_failure(struct recorder *r, const struct err *err)
{
    r->o.stats->journal_failures++;
    if (!r->is_failing)
        log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_failing",
                  LOG_STR("reason", str_from(err->text)));
    r->is_failing = true;
    note_pressure(r);
    if (!loop_timer_is_set(&r->retry_timer))
        loop_timer_set(r->o.loop, &r->retry_timer, loop_now_us(r->o.loop) + RETRY_US);
}

static void note_recovery(struct recorder *r)
{
    r->is_failing = false;
    loop_timer_cancel(r->o.loop, &r->retry_timer);
    log_event(r->o.log, LOG_LEVEL_WARN, loop_wall_us(r->o.loop), "journal_recovered",
              LOG_INT("failures", r->o.stats->journal_failures));
}

static void note_slow(struct recorder *r)
{
    if (r->is_slow)
        return;
    r->is_slow = true;
    log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_slow",
              LOG_INT("bytes_waiting", r->unsynced_bytes + r->syncing_bytes));
    note_pressure(r);
}

static void on_slow(void *ctx)
{
    note_slow(ctx);
}

static int try_append(struct recorder *r, struct recorder_journal *j, const struct journal_frame *f,
                      struct err *err)
{
    if (journal_append(j->writer, f, err) < 0)
        return -1;
    j->is_dirty = true;
    j->ends += f->type == JOURNAL_END;
    r->unsynced_bytes += f->payload.len;
    r->o.stats->journal_bytes += f->payload.len;
    return 0;
}

static void hold(struct recorder *r, struct recorder_journal *j, const struct journal_frame *f)
{
    vec_push(&j->held,
             ((struct held_frame){
                 .type = f->type,
                 .sequence = f->sequence,
                 .at_us = f->at_us,
                 .payload = mem_strndup(f->payload.len ? f->payload.ptr : "", f->payload.len),
                 .len = f->payload.len,
             }));
    r->held_bytes += f->payload.len + sizeof(struct held_frame);
    note_pressure(r);
}

static void request_sync(struct recorder *r)
{
    loop_defer(r->o.loop, &r->sync_task);
}

static void make_spare(struct recorder *r, const struct recorder_journal *j);

static void schedule(struct recorder *r, const struct recorder_journal *j)
{
    if (r->unsynced_bytes >= RECORDER_SYNC_BYTES && r->durability != JOURNAL_RELAXED)
        request_sync(r);
    else if (!loop_timer_is_set(&r->sync_timer))
        loop_timer_set(r->o.loop, &r->sync_timer, loop_now_us(r->o.loop) + RECORDER_SYNC_US);
    if (r->unsynced_bytes + r->syncing_bytes > SLOW_BYTES && syncer_is_busy(r->syncer))
        note_slow(r);
    if (journal_bytes(j->writer) >= r->segment_bytes / 4 * 3)
        make_spare(r, j);
}

/* What room there is, is for heads and ends. */
static bool must_drop(const struct recorder *r)
{
    return r->pressure != PROXY_BLOCK &&
           (r->is_failing || r->is_slow || r->held_bytes > HELD_BYTES_MAX / 2);
}

/* false: the frame is left out, which only a body's may be. */
static bool append(struct recorder *r, struct recorder_journal *j, const struct journal_frame *f)
{
    bool is_body = f->type == JOURNAL_CHUNK || f->type == JOURNAL_REQUEST_BODY;
    struct err err;

    if (is_body && must_drop(r))
        return false;
    if (j->writer && !j->held.len) {
        if (try_append(r, j, f, &err) == 0) {
            schedule(r, j);
            return true;
        }
        note_failure(r, &err);
        if (is_body && must_drop(r))
            return false;
    }
    hold(r, j, f);
    return true;
}

/* Where END of a recording stands, now that it is in the journal. */
static void note_end(struct recorder *r, const struct recorder_journal *j, uint64_t sequence)
{
    for (struct recording *w = r->waiting; w; w = w->next)
        if (w->journal == j && w->sequence == sequence)
            w->end_bytes = journal_bytes(j->writer);
}

static int write_held(struct recorder *r, struct recorder_journal *j, struct err *err)
{
    size_t done = 0;
    int result = 0;

    for (; done < j->held.len; done++) {
        struct held_frame *h = &j->held.ptr[done];
        struct journal_frame f = {
            .type = h->type,
            .sequence = h->sequence,
            .at_us = h->at_us,
            .payload = {h->payload, h->len}
        };
        result = try_append(r, j, &f, err);
        if (result < 0)
            break;
        if (h->type == JOURNAL_END)
            note_end(r, j, h->sequence);
        r->held_bytes -= h->len + sizeof(*h);
        free(h->payload);
    }
    for (size_t i = done; i < j->held.len; i++)
        j->held.ptr[i - done] = j->held.ptr[i];
    j->held.len -= done;
    return result;
}

/* To the kernel with all there is, which is safe from the end of this process at least. */
static int write_all(struct recorder *r, struct err *err)
{
    for (struct recorder_journal *j = r->journals; j; j = j->next)
        if (j->writer && (write_held(r, j, err) < 0 || journal_flush(j->writer, err) < 0))
            return -1;
    return 0;
}

/* --- journals --- */

static struct recorder_journal *current(const struct recorder *r)
{
    struct recorder_journal *j = r->journals;

    return j && !j->is_retiring && j != r->spare ? j : NULL;
}

static void set_age_timer(struct recorder *r, const struct recorder_journal *j)
{
    uint64_t ahead_us = j->created_us + r->segment_age_us / 4 * 3;

    loop_timer_set(r->o.loop, &r->age_timer,
                   loop_now_us(r->o.loop) < ahead_us ? ahead_us
                                                     : j->created_us + r->segment_age_us);
}

/* So that no frames must be held when j is full or old; j matters only if it takes exchanges. */
static void make_spare(struct recorder *r, const struct recorder_journal *j)
{
    struct recorder_journal **link = &r->journals;

    if (r->spare || j != current(r))
        return;
    r->spare = mem_calloc(1, sizeof(*r->spare));
    r->spare->next_sequence = 1;
    while (*link)
        link = &(*link)->next;
    *link = r->spare;
    request_sync(r);
}

static struct recorder_journal *take_spare(struct recorder *r)
{
    struct recorder_journal *j = TAKE(r->spare), **link = &r->journals;

    while (*link != j)
        link = &(*link)->next;
    *link = NULL;
    return j;
}

/* Frames are held until the syncer has made its file. */
static struct recorder_journal *new_journal(struct recorder *r)
{
    struct recorder_journal *j = r->spare ? take_spare(r) : mem_calloc(1, sizeof(*j));

    j->next_sequence = 1;
    j->created_us = loop_now_us(r->o.loop);
    j->next = r->journals;
    r->journals = j;
    set_age_timer(r, j);
    if (!j->writer)
        request_sync(r);
    return j;
}

static void unlink_journal(struct recorder *r, struct recorder_journal *j)
{
    struct recorder_journal **link = &r->journals;

    while (*link != j)
        link = &(*link)->next;
    *link = j->next;
    for (size_t i = 0; i < j->held.len; i++)
        free(j->held.ptr[i].payload);
    vec_release(&j->held);
    free(j);
}

static bool is_waited_for(const struct recorder *r, const struct recorder_journal *j)
{
    for (const struct recording *w = r->waiting; w; w = w->next)
        if (w->journal == j)
            return true;
    return false;
}

/* Only what is on disk is finished: should that fail, nothing but the CLOSE frame is missing. */
static bool can_finish(const struct recorder *r, const struct recorder_journal *j)
{
    return j->is_retiring && j->writer && !j->open && !j->is_syncing && !j->is_dirty &&
           !j->held.len && !is_waited_for(r, j);
}

static void retire(struct recorder *r, struct recorder_journal *j)
{
    j->is_retiring = true;
    request_sync(r);
}

static size_t count_journals(const struct recorder *r)
{
    size_t count = 0;

    for (const struct recorder_journal *j = r->journals; j; j = j->next)
        count++;
    return count;
}

/* Until there is another, j goes on: what came meanwhile would be in this process only. */
static void retire_with_spare(struct recorder *r, struct recorder_journal *j)
{
    if (r->spare && r->spare->writer)
        retire(r, j);
    else
        loop_timer_set(r->o.loop, &r->age_timer, loop_now_us(r->o.loop) + RETRY_US);
}

/* The journal for a new exchange. */
static int use_current(struct recorder *r, struct err *err)
{
    struct recorder_journal *j = current(r);
    bool has_room = count_journals(r) < JOURNALS_MAX;

    if (j && j->writer && j->next_sequence > 1 && has_room &&
        (journal_bytes(j->writer) >= r->segment_bytes ||
         loop_now_us(r->o.loop) - j->created_us >= r->segment_age_us)) {
        make_spare(r, j); /* until it is there, j does */
        if (r->spare->writer) {
            retire(r, j);
            j = NULL;
        }
    }
    if (j)
        return 0;
    if (!has_room)
        return err_set(err, ERR_LIMIT, "%d journals that failed still have calls under way",
                       JOURNALS_MAX);
    new_journal(r);
    return 0;
}

static void on_age(void *ctx)
{
    struct recorder *r = ctx;
    struct recorder_journal *j = current(r);
    uint64_t now_us = loop_now_us(r->o.loop);

    if (!j)
        return; /* the next exchange makes a new one */
    if (j->next_sequence == 1)
        j->created_us = now_us;
    else if (count_journals(r) >= JOURNALS_MAX)
        j->created_us = now_us;
    else {
        make_spare(r, j);
        if (now_us - j->created_us >= r->segment_age_us) {
            retire_with_spare(r, j);
            return;
        }
    }
    set_age_timer(r, j);
}

/* --- syncing --- */

static void stop_waiting(struct recorder *r, struct recording *rec)
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
        stop_waiting(r, rec);
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

static void collect_job(struct recorder *r, struct sync_job *job)
{
    struct recorder_journal *j = job->owner;
    struct err err;

    r->o.stats->journal_syncs += job->kind == SYNC_TICKET;
    if (job->failed)
        note_failure(r, &job->err);
    if (!j)
        return; /* was finished */
    j->is_syncing = false;
    if (job->kind == SYNC_CREATE) {
        j->writer = job->failed ? NULL : TAKE(job->writer);
        if (j->writer && write_held(r, j, &err) < 0)
            note_failure(r, &err);
        r->wants_sync |= j->is_dirty;
        return;
    }
    journal_sync_end(j->writer, &job->ticket, !job->failed);
    if (job->failed) {
        break_journal(r, j);
        return;
    }
    j->ends_syncing = 0;
    tell_waiting(r, j, job->ticket.bytes, true);
}

/* Whether everything is out of our hands and the disk has just taken something. */
static bool has_recovered(struct recorder *r)
{
    bool has_synced = false;
    struct err err;

    for (size_t i = 0; i < r->job_count; i++) {
        if (r->jobs[i].failed)
            return false;
        has_synced |= r->jobs[i].kind != SYNC_CLOSE;
    }
    if (!has_synced)
        return false;
    for (const struct recorder_journal *j = r->journals; j; j = j->next)
        if (!j->writer)
            return false;
    return write_all(r, &err) == 0;
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
        note_recovery(r);
    r->job_count = 0;
    for (const struct recorder_journal *j = r->journals; j; j = j->next)
        r->wants_sync |= can_finish(r, j) || (j->is_dirty && (j->is_retiring || j->is_broken));
    note_pressure(r);
}

static void fill_create(const struct recorder *r, struct sync_job *job)
{
    job->kind = SYNC_CREATE;
    job->archive = r->o.archive;
    job->name = r->o.name;
    job->wall_us = loop_wall_us(r->o.loop);
}

/* Brings what is new in j to the kernel; true if the rest is a job. */
static bool bring_out(struct recorder *r, struct recorder_journal *j, struct sync_job *job)
{
    bool can_promise = r->durability != JOURNAL_RELAXED && !j->is_broken;
    struct err err;
    int result = can_promise ? journal_sync_begin(j->writer, &job->ticket, &err)
                             : journal_flush(j->writer, &err);

    if (result < 0) {
        note_failure(r, &err);
        return false;
    }
    j->is_dirty = false;
    j->ends_syncing += j->ends;
    j->ends = 0;
    if (!can_promise)
        tell_waiting(r, j, UINT64_MAX, !j->is_broken);
    return can_promise;
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
    if (j->is_dirty && bring_out(r, j, job)) {
        j->is_syncing = true;
        return true;
    }
    if (!can_finish(r, j))
        return false;
    job->kind = j->is_broken ? SYNC_CLOSE : SYNC_FINISH;
    job->writer = j->writer;
    job->owner = NULL;
    unlink_journal(r, j);
    return true;
}

static void sync_now(void *ctx)
{
    struct recorder *r = ctx;
    struct err err;

    if (syncer_is_busy(r->syncer)) {
        r->wants_sync = true;
        if (!r->is_failing && write_all(r, &err) < 0)
            note_failure(r, &err);
        return;
    }
    r->wants_sync = false;
    r->syncing_bytes = r->unsynced_bytes;
    r->unsynced_bytes = 0;
    loop_timer_cancel(r->o.loop, &r->sync_timer);
    for (struct recorder_journal *j = r->journals, *next; j; j = next) {
        next = j->next;
        if (r->job_count < JOURNALS_MAX && add_job(r, j))
            r->job_count++;
    }
    if (!r->job_count)
        return;
    syncer_submit(r->syncer, r->jobs, r->job_count);
    loop_timer_set(r->o.loop, &r->slow_timer, loop_now_us(r->o.loop) + SLOW_US);
}

/* The window that a death costs begins anew, however late this is. */
static void on_sync_timer(void *ctx)
{
    struct recorder *r = ctx;

    loop_read_clocks(r->o.loop);
    uint64_t late_us = loop_now_us(r->o.loop) - r->sync_timer.due_us;
    if (late_us > r->o.stats->loop_lag_seconds)
        r->o.stats->loop_lag_seconds = late_us;
    sync_now(r);
}

static void on_wake(void *ctx)
{
    struct recorder *r = ctx;

    if (!syncer_collect(r->syncer))
        return;
    collect(r);
    if (r->wants_sync)
        sync_now(r);
}

/* Only a write and a sync that succeed are a recovery: without anything to sync, a new journal is
 * made. */
static void on_retry(void *ctx)
{
    struct recorder *r = ctx;
    struct err err;

    if (syncer_is_busy(r->syncer)) {
        loop_timer_set(r->o.loop, &r->retry_timer, loop_now_us(r->o.loop) + RETRY_US);
        return;
    }
    if (write_all(r, &err) < 0) {
        note_failure(r, &err);
        return;
    }
    if (!current(r) && count_journals(r) < JOURNALS_MAX)
        new_journal(r);
    if (current(r) && current(r)->writer && r->durability == JOURNAL_RELAXED) {
        note_recovery(r);
        note_pressure(r);
    } else if (current(r)) {
        current(r)->is_dirty = true;
    }
    sync_now(r);
    if (r->is_failing && !loop_timer_is_set(&r->retry_timer))
        loop_timer_set(r->o.loop, &r->retry_timer, loop_now_us(r->o.loop) + RETRY_US);
}

/* --- recording --- */

static uint64_t offset_of(const struct recorder *r, const struct recording *rec)
{
    return loop_now_us(r->o.loop) - rec->began_us;
}

static bool append_text(struct recorder *r, struct recording *rec, enum journal_frame_type type,
                        uint64_t at_us)
{
    struct journal_frame f = {
        .type = type, .sequence = rec->sequence, .at_us = at_us, .payload = buf_str(&r->text)
    };

    return append(r, rec->journal, &f);
}

int recorder_begin(struct recorder *r, struct recording *rec, const struct exchange *x,
                   struct err *err)
{
    if (recorder_must_refuse(r))
        return err_set(err, ERR_LIMIT, "the journal cannot be written");
    if (use_current(r, err) < 0)
        return -1;
    *rec = (struct recording){
        .journal = r->journals,
        .sequence = r->journals->next_sequence++,
        .began_us = rec->began_us,
        .on_durable = rec->on_durable,
        .ctx = rec->ctx,
    };
    rec->journal->open++;
    buf_clear(&r->text);
    record_add_begin(&r->text, x);
    append_text(r, rec, JOURNAL_BEGIN, (uint64_t)x->started_us);
    buf_clear(&r->text);
    record_add_request(&r->text, x);
    append_text(r, rec, JOURNAL_REQUEST, 0);
    r->o.stats->exchanges++;
    r->o.stats->exchanges_open++;
    return 0;
}

static bool append_body(struct recorder *r, struct recording *rec, enum journal_frame_type type,
                        struct str bytes, uint64_t at_us)
{
    struct journal_frame f = {
        .type = type, .sequence = rec->sequence, .at_us = at_us, .payload = bytes
    };

    assert(bytes.len <= JOURNAL_BODY_BYTES_MAX);
    return append(r, rec->journal, &f);
}

void recorder_request_body(struct recorder *r, struct recording *rec, struct str bytes)
{
    if (rec->request_dropped || append_body(r, rec, JOURNAL_REQUEST_BODY, bytes, offset_of(r, rec)))
        return;
    rec->request_dropped = true;
    r->o.stats->bodies_dropped++;
}

void recorder_response_head(struct recorder *r, struct recording *rec, const struct exchange *x)
{
    buf_clear(&r->text);
    record_add_response(&r->text, x);
    append_text(r, rec, JOURNAL_RESPONSE_HEAD, offset_of(r, rec));
}

void recorder_chunk(struct recorder *r, struct recording *rec, struct str bytes)
{
    if (rec->response_dropped || append_body(r, rec, JOURNAL_CHUNK, bytes, offset_of(r, rec)))
        return;
    rec->response_dropped = true;
    r->o.stats->bodies_dropped++;
}

void recorder_held(struct recorder *r, struct recording *rec, bool is_request, struct str bytes,
                   uint64_t at_us)
{
    enum journal_frame_type type = is_request ? JOURNAL_REQUEST_BODY : JOURNAL_CHUNK;
    bool *dropped = is_request ? &rec->request_dropped : &rec->response_dropped;

    do {
        struct str piece = str_sub(bytes, 0, JOURNAL_BODY_BYTES_MAX);
        if (*dropped)
            return;
        *dropped = !append_body(r, rec, type, piece, at_us);
        r->o.stats->bodies_dropped += *dropped;
        bytes = str_sub(bytes, piece.len, bytes.len);
    } while (bytes.len);
}

bool recorder_end(struct recorder *r, struct recording *rec, const struct exchange *x)
{
    struct recorder_journal *j = rec->journal;

    buf_clear(&r->text);
    record_add_end(&r->text, x);
    record_add_amendments(&r->text, x);
    append_text(r, rec, JOURNAL_END, offset_of(r, rec));
    rec->end_bytes = j->held.len || !j->writer ? UINT64_MAX : journal_bytes(j->writer);
    j->open--;
    r->o.stats->exchanges_open--;
    r->o.stats->exchanges_recorded++;
    if (r->durability != JOURNAL_STRICT) {
        if (j->is_retiring && !j->open)
            request_sync(r);
        rec->journal = NULL;
        return true;
    }
    rec->next = NULL;
    rec->link = r->waiting_end;
    *r->waiting_end = rec;
    r->waiting_end = &rec->next;
    request_sync(r);
    return false;
}

void recorder_forget(struct recorder *r, struct recording *rec)
{
    if (rec->link)
        stop_waiting(r, rec);
}

/* --- life --- */

void recorder_configure(struct recorder *r, const struct proxy_conf *c)
{
    const struct recorder_journal *j = current(r);

    r->durability = c->durability;
    r->pressure = c->pressure;
    r->segment_bytes = c->segment_bytes;
    r->segment_age_us = c->segment_age_us;
    if (j)
        set_age_timer(r, j);
    note_pressure(r);
    request_sync(r); /* those that wait may do so no longer */
}

int recorder_open(const struct recorder_options *options, const struct proxy_conf *c,
                  struct recorder **ret, struct err *err)
{
    CLEANUP(recorder_close) struct recorder *r = mem_calloc(1, sizeof(*r));

    r->o = *options;
    r->waiting_end = &r->waiting;
    r->sync_timer = (struct loop_timer){ .fn = on_sync_timer, .ctx = r };
    r->retry_timer = (struct loop_timer){ .fn = on_retry, .ctx = r };
    r->age_timer = (struct loop_timer){ .fn = on_age, .ctx = r };
    r->slow_timer = (struct loop_timer){ .fn = on_slow, .ctx = r };
    r->sync_task = (struct loop_task){ .fn = sync_now, .ctx = r };
    if (syncer_start(options->loop, &r->syncer, err) < 0)
        return -1;
    recorder_configure(r, c);
    struct recorder_journal *first = new_journal(r);
    if (archive_journal_create(r->o.archive, r->o.name, (int64_t)loop_wall_us(r->o.loop),
                               JOURNAL_STRICT, &first->writer, err) < 0)
        note_failure(r, err);
    loop_on_wake(options->loop, on_wake, r);
    *ret = TAKE(r);
    return 0;
}

static int finish_journal(struct recorder_journal *j, struct err *err)
{
    struct journal_writer *writer = TAKE(j->writer);

    if (!writer)
        return j->held.len ? err_set(err, ERR_SYS, "it could not be made") : 0;
    if (j->next_sequence == 1) {
        journal_discard(writer);
        return 0;
    }
    if (j->open || j->held.len || j->is_broken)
        return journal_close(writer, err);
    return journal_finish(writer, err);
}

/* The last try: what the disk does not take now is lost. */
static void end_journal(struct recorder *r, struct recorder_journal *j)
{
    struct err err;
    uint64_t ends = j->ends;

    if (j->writer && write_held(r, j, &err) == 0 && journal_flush(j->writer, &err) == 0)
        ends = 0;
    for (size_t i = 0; i < j->held.len; i++)
        ends += j->held.ptr[i].type == JOURNAL_END;
    if (finish_journal(j, &err) == 0)
        return;
    r->o.stats->exchanges_lost += j->is_broken ? 0 : ends;
    log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_not_finished",
              LOG_STR("reason", str_from(err.text)), LOG_INT("exchanges_lost", ends));
}

/* Done with all jobs, if not yet collected. */
static void stop_syncer(struct recorder *r)
{
    bool was_busy = r->syncer && syncer_is_busy(r->syncer);

    syncer_stop(r->syncer);
    for (size_t i = 0; was_busy && i < r->job_count; i++) {
        struct recorder_journal *j = r->jobs[i].owner;
        if (r->jobs[i].kind == SYNC_CREATE && j)
            j->writer = TAKE(r->jobs[i].writer);
        else if (r->jobs[i].kind == SYNC_TICKET && j)
            journal_sync_end(j->writer, &r->jobs[i].ticket, !r->jobs[i].failed);
    }
    r->job_count = 0;
}

void recorder_close(struct recorder *r)
{
    if (!r)
        return;
    stop_syncer(r);
    while (r->journals) {
        end_journal(r, r->journals);
        unlink_journal(r, r->journals);
    }
    buf_release(&r->text);
    loop_timer_cancel(r->o.loop, &r->sync_timer);
    loop_timer_cancel(r->o.loop, &r->retry_timer);
    loop_timer_cancel(r->o.loop, &r->age_timer);
    loop_timer_cancel(r->o.loop, &r->slow_timer);
    loop_defer_cancel(r->o.loop, &r->sync_task);
    loop_on_wake(r->o.loop, NULL, NULL);
    free(r);
}
