/* step - one change of live traffic that survives a crash at any instruction.
 *
 *     1. the live state is probed: it must be what the ledger says, or this is drift
 *     2. blobs: the bytes before and after
 *     3. INTENT, fsynced; from here on the change is known
 *     4. the program is asked whether it would take the new bytes (check); not of a rollback
 *     5. the bytes are written, the program takes them up (apply); APPLIED
 *     6. what runs is looked at until it is the new marker; VERIFIED
 *     7. COMMITTED
 *
 * Whatever fails in 4 to 6 puts the bytes from before back, verifies that, and ends in ABORTED: but
 * a rollback is never put back.  What it could not confirm stays open, and is confirmed later.
 * After a crash, step_recover reads what is live: the new bytes are finished (5 to 7 again, all of
 * which may be repeated), the old ones are ABORTED, or finished if it is a rollback; neither is
 * DRIFTED, and nothing is touched.
 *
 * Applications that a step does not move keep what is live, whatever the plan says of them by now
 * (migrate/step_shares).
 *
 * A rehearsal is a step that ends in ABORTED on purpose: steps 1 to 6, and back.
 */
#ifndef MIGRATE_STEP_H
#define MIGRATE_STEP_H

#include "migrate/actuator.h"
#include "migrate/portfolio.h"
#include "migrate/programme.h"
#include "migrate/rollout.h"

enum step_result {
    STEP_DONE,
    STEP_NOTHING, /* live and ledger are as wanted already */
    STEP_ABORTED, /* undone; ret_why says what went wrong */
    STEP_DRIFT,   /* somebody else changed it; nothing was touched */
};

struct step_context {
    const struct programme *programme;
    struct rollout *rollout;   /* open for writing, but for step_preview and step_compare */
    struct actuator_wait wait; /* until_us is set per step: now + the apps' rollback_us */
    int64_t wall_us, began_us; /* the time of day when wait's clock was at began_us */
    /* Told after each line that is written; NULL = nobody. */
    void (*told)(void *ctx, const struct rollout_entry *e);
    void *told_ctx;
};

struct step_times {
    int64_t apply_us, restore_us; /* until it was seen to run; restore: of a rehearsal */
};

struct step_wanted {
    const struct actuator *actuator;
    enum rollout_why why;
    const struct rollout_move
        *moves; /* apps of that actuator; from is checked against the ledger */
    size_t move_count;
    const struct actuator_share *dummy; /* of a rehearsal, which has no moves */
    struct str evidence;                /* blob, or "" */
    struct str detail;
    struct step_times *times; /* NULL = not asked for */
};

/* What is live, and what would be. */
struct step_preview {
    struct buf before, after;
    bool is_there; /* before */
    uint64_t epoch;
};
void step_preview_release(struct step_preview *p);
DEFINE_CLEANUP_VALUE(struct step_preview, step_preview_release)

/* Changes nothing, neither live nor in the ledger: STEP_DONE = the step could begin. */
int step_preview(const struct step_context *c, const struct step_wanted *w,
                 struct step_preview *ret_preview, enum step_result *ret, struct buf *ret_why,
                 struct err *err);

/* -1: the ledger or the folder failed, or what is live could not be put back: err says what a
 * person has to do.  ret_why: a sentence unless STEP_DONE. */
int step_run(const struct step_context *c, const struct step_wanted *w, enum step_result *ret,
             struct buf *ret_why, struct err *err);

/* Finishes or undoes every step that has begun and not ended, whatever becomes of the others: -1
 * and what was wrong with the first that could not be.  Does nothing if there is none. */
int step_recover(const struct step_context *c, enum step_result *ret, struct buf *ret_why,
                 struct err *err);

/* Plan, ledger and live of one actuator, three shares per app: where ledger and live differ, and
 * where something is live for which the plan has nobody.  1 = they do, and ret_why says how. */
struct step_drift {
    struct str app;
    int32_t planned; /* what the plan would have allowed by now at most; -1 = it has no such app */
    int32_t ledger;
    int32_t live; /* -1 = not there */
};
int step_compare(const struct step_context *c, const struct actuator *a, struct arena *arena,
                 struct step_drift **ret, size_t *ret_count, struct buf *ret_why, struct err *err);

/* Takes live as it is, on a person's word: ACCEPTED with the shares that live has. */
int step_accept(const struct step_context *c, const struct actuator *a, struct err *err);

/* Where there is no file: writes the one that the ledger says, or the first one, in which all
 * shares are the ledger's, and ACCEPTED.  The program need not run yet: some cannot start without
 * it. ERR_USAGE if there is a file, whatever is in it. */
int step_put_back(const struct step_context *c, const struct actuator *a, struct err *err);

/* The time of day, by wait's clock. */
int64_t step_now_us(const struct step_context *c);
/* Appends an entry with the time of day, never before the entry before it, and tells of it. */
int step_note(const struct step_context *c, const struct rollout_entry *e, struct err *err);

#endif
