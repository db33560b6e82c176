#include "config.h"

#include "proxy/recorder.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/vec.h"
#include "capture/record.h"
#include "proxy/syncer.h"

#define RETRY_US       UINT64_C(100000)
#define JOURNALS_MAX   64          /* with exchanges under way; then the newest is used on */
#define HELD_BYTES_MAX (16u << 20) /* of frames that could not be written yet */

struct recorder_journal {
    struct journal_writer *writer;
    uint64_t next_sequence;
    uint64_t open;       /* exchanges that have not ended */
    uint64_t created_us; /* monotonic */
    bool is_dirty;       /* appended to since the last flush or ticket */
    bool is_retiring;    /* takes no new exchanges */
    bool is_syncing;     /* a job of the batch under way */
    bool is_broken;      /* a sync failed: nothing in it can be promised any more */
    struct recorder_journal *next;
};

/* A frame that the journal did not take, waiting for the disk. */
struct held_frame {
    struct recorder_journal *journal;
    enum journal_frame_type type;
    uint64_t sequence, at_us;
    char *payload;
    size_t len;
};

struct recorder {
    struct recorder_options o;
    enum journal_durability durability;
    enum proxy_pressure pressure;
    uint64_t segment_bytes, segment_age_us;
    struct recorder_journal *journals; /* the current one first, if it takes exchanges */
    struct syncer *syncer;
    struct sync_job jobs[JOURNALS_MAX];
    size_t job_count;
    bool wants_sync; /* again, once the batch under way is done */
    uint64_t unsynced_bytes;
    struct recording *waiting, **waiting_end;
    VEC(struct held_frame) held;
    size_t held_bytes;
    bool is_failing;
    struct buf text; /* payload under construction */
    struct loop_timer sync_timer, retry_timer, age_timer;
    struct loop_task sync_task;
};

/* --- failing and recovering --- */

static void note_failure(struct recorder *r, const struct err *err)
{
    r->o.stats->journal_failures++;
    if (!r->is_failing)
        log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_failing",
                  LOG_STR("reason", str_from(err->text)));
    r->is_failing = true;
    r->o.stats->journal_failing = 1;
    if (!loop_timer_is_set(&r->retry_timer))
        loop_timer_set(r->o.loop, &r->retry_timer, loop_now_us(r->o.loop) + RETRY_US);
}

bool recorder_is_blocked(const struct recorder *r)
{
    return r->is_failing && r->pressure == PROXY_BLOCK;
}

bool recorder_must_refuse(const struct recorder *r)
{
    return r->is_failing && (r->pressure == PROXY_REFUSE || r->held_bytes > HELD_BYTES_MAX);
}

static int try_append(struct recorder *r, struct recorder_journal *j, const struct journal_frame *f,
                      struct err *err)
{
    if (journal_append(j->writer, f, err) < 0)
        return -1;
    j->is_dirty = true;
    r->unsynced_bytes += f->payload.len;
    r->o.stats->journal_bytes += f->payload.len;
    return 0;
}

static void hold(struct recorder *r, struct recorder_journal *j, const struct journal_frame *f)
{
    vec_push(&r->held,
             ((struct held_frame){
                 .journal = j,
                 .type = f->type,
                 .sequence = f->sequence,
                 .at_us = f->at_us,
                 .payload = mem_strndup(f->payload.len ? f->payload.ptr : "", f->payload.len),
                 .len = f->payload.len,
             }));
    r->held_bytes += f->payload.len + sizeof(struct held_frame);
}

static void request_sync(struct recorder *r)
{
    loop_defer(r->o.loop, &r->sync_task);
}

static void schedule(struct recorder *r)
{
    if (r->unsynced_bytes >= RECORDER_SYNC_BYTES && r->durability != JOURNAL_RELAXED)
        request_sync(r);
    else if (!loop_timer_is_set(&r->sync_timer))
        loop_timer_set(r->o.loop, &r->sync_timer, loop_now_us(r->o.loop) + RECORDER_SYNC_US);
}

/* false: the frame is left out, which only a body's may be. */
static bool append(struct recorder *r, struct recorder_journal *j, const struct journal_frame *f)
{
    bool is_body = f->type == JOURNAL_CHUNK || f->type == JOURNAL_REQUEST_BODY;
    struct err err;

    if (is_body && r->is_failing && r->pressure != PROXY_BLOCK)
        return false; /* what room there is, is for heads and ends */
    if (!r->held.len) {
        if (try_append(r, j, f, &err) == 0) {
            schedule(r);
            return true;
        }
        note_failure(r, &err);
    }
    if (is_body && r->pressure != PROXY_BLOCK)
        return false;
    hold(r, j, f);
    return true;
}

/* Where END of a recording stands, now that it is in the journal. */
static void note_end(struct recorder *r, const struct held_frame *h)
{
    for (struct recording *w = r->waiting; w; w = w->next)
        if (w->journal == h->journal && w->sequence == h->sequence)
            w->end_bytes = journal_bytes(h->journal->writer);
}

static int write_held(struct recorder *r, struct err *err)
{
    size_t done = 0;
    int result = 0;

    for (; done < r->held.len && result == 0; done++) {
        struct held_frame *h = &r->held.ptr[done];
        struct journal_frame f = {
            .type = h->type,
            .sequence = h->sequence,
            .at_us = h->at_us,
            .payload = {h->payload, h->len}
        };
        result = try_append(r, h->journal, &f, err);
        if (result < 0)
            break;
        if (h->type == JOURNAL_END)
            note_end(r, h);
        r->held_bytes -= h->len + sizeof(*h);
        free(h->payload);
    }
    for (size_t i = done; i < r->held.len; i++)
        r->held.ptr[i - done] = r->held.ptr[i];
    r->held.len -= done;
    return result;
}

/* --- journals --- */

static struct recorder_journal *current(const struct recorder *r)
{
    return r->journals && !r->journals->is_retiring ? r->journals : NULL;
}

static int new_journal(struct recorder *r, struct err *err)
{
    struct journal_writer *writer;
    struct loop *l = r->o.loop;

    /* Syncing is ours to do, whatever the mode: hence STRICT. */
    if (archive_journal_create(r->o.archive, r->o.name, (int64_t)loop_wall_us(l), JOURNAL_STRICT,
                               &writer, err) < 0)
        return -1;
    struct recorder_journal *j = mem_calloc(1, sizeof(*j));
    j->writer = writer;
    j->next_sequence = 1;
    j->created_us = loop_now_us(l);
    j->next = r->journals;
    r->journals = j;
    loop_timer_set(l, &r->age_timer, j->created_us + r->segment_age_us);
    return 0;
}

static void unlink_journal(struct recorder *r, struct recorder_journal *j)
{
    struct recorder_journal **link = &r->journals;

    while (*link != j)
        link = &(*link)->next;
    *link = j->next;
    free(j);
}

static bool has_held(const struct recorder *r, const struct recorder_journal *j)
{
    for (size_t i = 0; i < r->held.len; i++)
        if (r->held.ptr[i].journal == j)
            return true;
    return false;
}

static bool is_waited_for(const struct recorder *r, const struct recorder_journal *j)
{
    for (const struct recording *w = r->waiting; w; w = w->next)
        if (w->journal == j)
            return true;
    return false;
}

static bool can_finish(const struct recorder *r, const struct recorder_journal *j)
{
    return j->is_retiring && !j->open && !j->is_syncing && !has_held(r, j) && !is_waited_for(r, j);
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

/* The journal for a new exchange. */
static int use_current(struct recorder *r, struct err *err)
{
    struct recorder_journal *j = current(r);

    if (j && j->next_sequence > 1 && count_journals(r) < JOURNALS_MAX &&
        (j->is_broken || journal_bytes(j->writer) >= r->segment_bytes ||
         loop_now_us(r->o.loop) - j->created_us >= r->segment_age_us)) {
        retire(r, j);
        j = NULL;
    }
    return j ? 0 : new_journal(r, err);
}

static void on_age(void *ctx)
{
    struct recorder *r = ctx;
    struct recorder_journal *j = current(r);

    if (j && j->next_sequence > 1 && count_journals(r) < JOURNALS_MAX)
        retire(r, j); /* the next exchange makes a new one */
    else
        loop_timer_set(r->o.loop, &r->age_timer, loop_now_us(r->o.loop) + r->segment_age_us);
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

static void collect(struct recorder *r)
{
    for (size_t i = 0; i < r->job_count; i++) {
        struct sync_job *job = &r->jobs[i];
        struct recorder_journal *j = job->owner;
        r->o.stats->journal_syncs++;
        if (job->failed)
            note_failure(r, &job->err);
        if (!j)
            continue; /* was finished */
        j->is_syncing = false;
        journal_sync_end(j->writer, &job->ticket, !job->failed);
        if (job->failed) {
            j->is_broken = j->is_retiring = true;
            tell_waiting(r, j, UINT64_MAX, false);
        } else {
            tell_waiting(r, j, job->ticket.bytes, true);
        }
        r->wants_sync |= can_finish(r, j);
    }
    r->job_count = 0;
}

/* Adds what there is to do for j; false if nothing. */
static bool add_job(struct recorder *r, struct recorder_journal *j)
{
    struct sync_job *job = &r->jobs[r->job_count];
    struct err err;

    *job = (struct sync_job){ .owner = j };
    if (can_finish(r, j)) {
        job->finish = j->writer;
        job->owner = NULL;
        unlink_journal(r, j);
        return true;
    }
    if (!j->is_dirty || j->is_broken)
        return false;
    int result = r->durability == JOURNAL_RELAXED
                     ? journal_flush(j->writer, &err)
                     : journal_sync_begin(j->writer, &job->ticket, &err);
    if (result < 0) {
        note_failure(r, &err);
        return false;
    }
    j->is_dirty = false;
    j->is_syncing = r->durability != JOURNAL_RELAXED;
    return j->is_syncing;
}

static void sync_now(void *ctx)
{
    struct recorder *r = ctx;

    if (syncer_is_busy(r->syncer)) {
        r->wants_sync = true;
        return;
    }
    r->wants_sync = false;
    r->unsynced_bytes = 0;
    loop_timer_cancel(r->o.loop, &r->sync_timer);
    for (struct recorder_journal *j = r->journals, *next; j; j = next) {
        next = j->next;
        if (r->job_count < JOURNALS_MAX && add_job(r, j))
            r->job_count++;
    }
    if (r->job_count)
        syncer_submit(r->syncer, r->jobs, r->job_count);
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

static void on_retry(void *ctx)
{
    struct recorder *r = ctx;
    struct err err;

    if (write_held(r, &err) < 0) {
        note_failure(r, &err);
        return;
    }
    for (struct recorder_journal *j = r->journals; j; j = j->next)
        if (!j->is_broken && journal_flush(j->writer, &err) < 0) {
            note_failure(r, &err);
            return;
        }
    r->is_failing = false;
    r->o.stats->journal_failing = 0;
    log_event(r->o.log, LOG_LEVEL_WARN, loop_wall_us(r->o.loop), "journal_recovered",
              LOG_INT("failures", r->o.stats->journal_failures));
    request_sync(r);
    r->o.on_unblocked(r->o.ctx);
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
    if (use_current(r, err) < 0) {
        r->o.stats->journal_failures++;
        log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_not_made",
                  LOG_STR("reason", str_from(err->text)));
        return -1;
    }
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
                        struct str bytes)
{
    struct journal_frame f = {
        .type = type, .sequence = rec->sequence, .at_us = offset_of(r, rec), .payload = bytes
    };

    assert(bytes.len <= JOURNAL_BODY_BYTES_MAX);
    return append(r, rec->journal, &f);
}

void recorder_request_body(struct recorder *r, struct recording *rec, struct str bytes)
{
    if (rec->request_dropped || append_body(r, rec, JOURNAL_REQUEST_BODY, bytes))
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
    if (rec->response_dropped || append_body(r, rec, JOURNAL_CHUNK, bytes))
        return;
    rec->response_dropped = true;
    r->o.stats->bodies_dropped++;
}

bool recorder_end(struct recorder *r, struct recording *rec, const struct exchange *x)
{
    struct recorder_journal *j = rec->journal;

    buf_clear(&r->text);
    record_add_end(&r->text, x);
    append_text(r, rec, JOURNAL_END, offset_of(r, rec));
    rec->end_bytes = r->held.len ? UINT64_MAX : journal_bytes(j->writer);
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
    r->durability = c->durability;
    r->pressure = c->pressure;
    r->segment_bytes = c->segment_bytes;
    r->segment_age_us = c->segment_age_us;
}

int recorder_open(const struct recorder_options *options, const struct proxy_conf *c,
                  struct recorder **ret, struct err *err)
{
    CLEANUP(recorder_close) struct recorder *r = mem_calloc(1, sizeof(*r));

    r->o = *options;
    r->waiting_end = &r->waiting;
    r->sync_timer = (struct loop_timer){ .fn = sync_now, .ctx = r };
    r->retry_timer = (struct loop_timer){ .fn = on_retry, .ctx = r };
    r->age_timer = (struct loop_timer){ .fn = on_age, .ctx = r };
    r->sync_task = (struct loop_task){ .fn = sync_now, .ctx = r };
    recorder_configure(r, c);
    if (new_journal(r, err) < 0 || syncer_start(options->loop, &r->syncer, err) < 0)
        return -1;
    loop_on_wake(options->loop, on_wake, r);
    *ret = TAKE(r);
    return 0;
}

static void finish_journal(struct recorder *r, struct recorder_journal *j)
{
    struct err err;
    int result = 0;

    if (j->next_sequence == 1)
        journal_discard(j->writer);
    else if (j->open)
        result = journal_close(j->writer, &err);
    else
        result = journal_finish(j->writer, &err);
    if (result < 0)
        log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_not_finished",
                  LOG_STR("reason", str_from(err.text)));
}

void recorder_close(struct recorder *r)
{
    struct err err;

    if (!r)
        return;
    syncer_stop(r->syncer); /* done with all jobs, if not yet collected */
    r->job_count = 0;
    if (write_held(r, &err) < 0)
        log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "records_lost",
                  LOG_STR("reason", str_from(err.text)), LOG_INT("frames", r->held.len));
    while (r->journals) {
        finish_journal(r, r->journals);
        unlink_journal(r, r->journals);
    }
    for (size_t i = 0; i < r->held.len; i++)
        free(r->held.ptr[i].payload);
    vec_release(&r->held);
    buf_release(&r->text);
    loop_timer_cancel(r->o.loop, &r->sync_timer);
    loop_timer_cancel(r->o.loop, &r->retry_timer);
    loop_timer_cancel(r->o.loop, &r->age_timer);
    loop_defer_cancel(r->o.loop, &r->sync_task);
    loop_on_wake(r->o.loop, NULL, NULL);
    free(r);
}
