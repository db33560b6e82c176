#include "config.h"

#include "proxy/recorder.h"

#include <assert.h>
#include <stdlib.h>

#include "capture/record.h"
#include "proxy/recorder_parts.h"

#define SLOW_BYTES     (64u << 20) /* that wait for the disk; then on_pressure says what */
#define HELD_BYTES_MAX (16u << 20) /* of frames that could not be written yet */
/* In memory while a write hangs: what makes it slow, then heads and ends of further calls. */
#define UNWRITTEN_BYTES_MAX (SLOW_BYTES + HELD_BYTES_MAX)

/* --- failing and recovering --- */

bool recorder_is_blocked(const struct recorder *r)
{
    return r->pressure == PROXY_BLOCK &&
           (r->is_failing || r->is_slow || r->held_bytes > HELD_BYTES_MAX / 2);
}

static size_t unwritten_bytes(const struct recorder *r)
{
    size_t sum = 0;

    for (const struct recorder_journal *j = r->journals; j; j = j->next)
        sum += j->writer ? journal_unwritten_bytes(j->writer) : 0;
    return sum;
}

bool recorder_must_refuse(const struct recorder *r)
{
    return ((r->is_failing || r->is_slow) && r->pressure == PROXY_REFUSE) ||
           r->held_bytes > HELD_BYTES_MAX ||
           (r->is_slow && unwritten_bytes(r) > UNWRITTEN_BYTES_MAX);
}

/* After any of what they depend on has changed. */
void recorder_note_pressure(struct recorder *r)
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

void recorder_note_failure(struct recorder *r, const struct err *err)
{
    r->o.stats->journal_failures++;
    if (!r->is_failing)
        log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_failing",
                  LOG_STR("reason", str_from(err->text)));
    r->is_failing = true;
    recorder_note_pressure(r);
    if (!loop_timer_is_set(&r->retry_timer))
        loop_timer_set(r->o.loop, &r->retry_timer, loop_now_us(r->o.loop) + RECORDER_RETRY_US);
}

void recorder_note_recovery(struct recorder *r)
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
    recorder_note_pressure(r);
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
    r->unwritten_bytes += f->payload.len;
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
    recorder_note_pressure(r);
}

static void schedule(struct recorder *r, const struct recorder_journal *j)
{
    if (r->unsynced_bytes >= RECORDER_SYNC_BYTES)
        recorder_request_sync(r);
    else if (r->unwritten_bytes >= RECORDER_WRITE_BYTES)
        recorder_request_write(r);
    if (!loop_timer_is_set(&r->sync_timer))
        loop_timer_set(r->o.loop, &r->sync_timer, loop_now_us(r->o.loop) + RECORDER_SYNC_US);
    if (r->unsynced_bytes + r->syncing_bytes > SLOW_BYTES && syncer_is_busy(r->syncer))
        note_slow(r);
    if (journal_bytes(j->writer) >= r->segment_bytes / 4 * 3)
        recorder_make_spare(r, j);
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
        recorder_note_failure(r, &err);
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

int recorder_write_held(struct recorder *r, struct recorder_journal *j, struct err *err)
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
int recorder_write_all(struct recorder *r, struct err *err)
{
    for (struct recorder_journal *j = r->journals; j; j = j->next)
        if (j->writer && (recorder_write_held(r, j, err) < 0 || journal_flush(j->writer, err) < 0))
            return -1;
    return 0;
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
    if (recorder_use_current(r, err) < 0)
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
            recorder_request_sync(r);
        rec->journal = NULL;
        return true;
    }
    rec->next = NULL;
    rec->link = r->waiting_end;
    *r->waiting_end = rec;
    r->waiting_end = &rec->next;
    recorder_request_sync(r);
    return false;
}

void recorder_forget(struct recorder *r, struct recording *rec)
{
    if (rec->link)
        recorder_stop_waiting(r, rec);
}

/* --- life --- */

void recorder_configure(struct recorder *r, const struct proxy_conf *c)
{
    const struct recorder_journal *j = recorder_current(r);

    r->durability = c->durability;
    r->pressure = c->pressure;
    r->segment_bytes = c->segment_bytes;
    r->segment_age_us = c->segment_age_us;
    if (j)
        recorder_set_age_timer(r, j);
    recorder_note_pressure(r);
    recorder_request_sync(r); /* those that wait may do so no longer */
}

int recorder_open(const struct recorder_options *options, const struct proxy_conf *c,
                  struct recorder **ret, struct err *err)
{
    CLEANUP(recorder_close) struct recorder *r = mem_calloc(1, sizeof(*r));

    r->o = *options;
    r->waiting_end = &r->waiting;
    r->sync_timer = (struct loop_timer){ .fn = recorder_on_sync_timer, .ctx = r };
    r->retry_timer = (struct loop_timer){ .fn = recorder_on_retry, .ctx = r };
    r->age_timer = (struct loop_timer){ .fn = recorder_on_age, .ctx = r };
    r->slow_timer = (struct loop_timer){ .fn = on_slow, .ctx = r };
    r->sync_task = (struct loop_task){ .fn = recorder_sync_now, .ctx = r };
    if (syncer_start(options->loop, &r->syncer, err) < 0)
        return -1;
    recorder_configure(r, c);
    struct recorder_journal *first = recorder_new_journal(r);
    if (archive_journal_create(r->o.archive, r->o.name, (int64_t)loop_wall_us(r->o.loop),
                               JOURNAL_STRICT, &first->writer, err) < 0)
        recorder_note_failure(r, err);
    loop_on_wake(options->loop, recorder_on_wake, r);
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

    if (j->writer && recorder_write_held(r, j, &err) == 0 && journal_flush(j->writer, &err) == 0)
        ends = 0;
    for (size_t i = 0; i < j->held.len; i++)
        ends += j->held.ptr[i].type == JOURNAL_END;
    if (finish_journal(j, &err) == 0)
        return;
    r->o.stats->exchanges_lost += j->is_broken ? 0 : ends;
    log_event(r->o.log, LOG_LEVEL_ERROR, loop_wall_us(r->o.loop), "journal_not_finished",
              LOG_STR("reason", str_from(err.text)), LOG_INT("exchanges_lost", ends));
}

static void end_ticket(struct recorder_journal *j, const struct sync_job *job)
{
    journal_sync_end(j->writer, &job->ticket, !job->failed);
    if (!atomic_load(&job->ticket.is_written))
        recorder_take_back(j);
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
            end_ticket(j, &r->jobs[i]);
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
        recorder_unlink_journal(r, r->journals);
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
