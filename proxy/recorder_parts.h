/* recorder_parts - what the parts of a recorder share: recorder.c (frames, pressure, life),
 * recorder_journals.c (which journal is written, rotation) and recorder_sync.c (the disk). */
#ifndef PROXY_RECORDER_PARTS_H
#define PROXY_RECORDER_PARTS_H

#include "base/buf.h"
#include "base/vec.h"
#include "proxy/recorder.h"
#include "proxy/syncer.h"

#define RECORDER_RETRY_US     UINT64_C(100000)
#define RECORDER_JOURNALS_MAX 64 /* with exchanges under way; then the newest is used on */

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
    struct sync_job jobs[RECORDER_JOURNALS_MAX];
    size_t job_count;
    bool wants_sync; /* again, once the batch under way is done */
    bool must_sync;  /* the next batch; else it is enough if the kernel has it */
    uint64_t unwritten_bytes, unsynced_bytes, syncing_bytes;
    struct recording *waiting, **waiting_end;
    size_t held_bytes;
    bool is_failing, is_slow;
    bool was_blocked; /* and nobody was told yet that it is over */
    struct buf text;  /* payload under construction */
    struct loop_timer sync_timer, retry_timer, age_timer, slow_timer;
    struct loop_task sync_task;
};

/* --- recorder.c --- */

/* After any of what they depend on has changed. */
void recorder_note_pressure(struct recorder *r);
void recorder_note_failure(struct recorder *r, const struct err *err);
void recorder_note_recovery(struct recorder *r);
/* Frames of j that were held, into its journal. */
int recorder_write_held(struct recorder *r, struct recorder_journal *j, struct err *err);
/* To the kernel with all there is, which is safe from the end of this process at least. */
int recorder_write_all(struct recorder *r, struct err *err);

/* --- recorder_journals.c --- */

/* The one that takes exchanges; NULL: the next exchange makes one. */
struct recorder_journal *recorder_current(const struct recorder *r);
size_t recorder_count_journals(const struct recorder *r);
/* Makes sure that there is one for a new exchange. */
int recorder_use_current(struct recorder *r, struct err *err);
/* Frames are held until the syncer has made its file. */
struct recorder_journal *recorder_new_journal(struct recorder *r);
/* So that no frames must be held when j is full or old; j matters only if it takes exchanges. */
void recorder_make_spare(struct recorder *r, const struct recorder_journal *j);
/* Only what is on disk is finished: should that fail, nothing but the CLOSE frame is missing. */
bool recorder_can_finish(const struct recorder *r, const struct recorder_journal *j);
/* Takes j out and frees it, but for its writer. */
void recorder_unlink_journal(struct recorder *r, struct recorder_journal *j);
void recorder_set_age_timer(struct recorder *r, const struct recorder_journal *j);
void recorder_on_age(void *ctx);

/* --- recorder_sync.c; ctx is the recorder --- */

/* Soon: once there is nothing else to do. */
void recorder_request_sync(struct recorder *r);
/* Likewise, but the disk can wait. */
void recorder_request_write(struct recorder *r);
/* The syncer gets all there is to do, or if it is busy, will as soon as it is not. */
void recorder_sync_now(void *ctx);
void recorder_on_sync_timer(void *ctx);
void recorder_on_wake(void *ctx);
void recorder_on_retry(void *ctx);
/* A ticket of j has failed before all was written. */
void recorder_take_back(struct recorder_journal *j);
/* Nobody is told any more what became of rec. */
void recorder_stop_waiting(struct recorder *r, struct recording *rec);

#endif
