/* step - one change of live traffic that survives a crash at any instruction.
 *
 *     1. the live state is probed: it must be what the ledger says, or this is drift
 *     2. blobs: the bytes before and after
 *     3. INTENT, fsynced; from here on the change is known
 *     4. the program is asked whether it would take the new bytes (check)
 *     5. the bytes are written, the program takes them up (apply); APPLIED
 *     6. what runs is looked at until it is the new marker; VERIFIED
 *     7. COMMITTED
 *
 * Whatever fails in 4 to 6 puts the bytes from before back, verifies that, and ends in ABORTED.
 * After a crash, step_recover reads what is live: the new bytes are finished (5 to 7 again, all of
 * which may be repeated), the old ones are ABORTED; neither is DRIFTED, and nothing is touched.
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
    struct rollout *rollout;   /* open for writing */
    struct actuator_wait wait; /* until_us is set per step: now + the apps' rollback_us */
    /* Told after each line that is written; NULL = nobody. */
    void (*told)(void *ctx, const struct rollout_entry *e);
    void *told_ctx;
};

struct step_wanted {
    const struct actuator *actuator;
    enum rollout_why why;
    const struct rollout_move
        *moves; /* apps of that actuator; from is checked against the ledger */
    size_t move_count;
    struct str evidence; /* blob, or "" */
    struct str detail;
};

/* -1: the ledger or the folder failed, or what is live could not be put back: err says what a
 * person has to do.  ret_why: a sentence unless STEP_DONE. */
int step_run(const struct step_context *c, const struct step_wanted *w, enum step_result *ret,
             struct buf *ret_why, struct err *err);

/* Finishes or undoes every step that has begun and not ended.  Does nothing if there is none. */
int step_recover(const struct step_context *c, enum step_result *ret, struct buf *ret_why,
                 struct err *err);

/* Plan, ledger and live of one actuator: three shares per app, where they differ.  1 = they do. */
struct step_drift {
    struct str app;
    int32_t planned, ledger, live; /* -1 = not there; planned: what the plan would allow at most */
};
int step_compare(const struct step_context *c, const struct actuator *a, struct arena *arena,
                 struct step_drift **ret, size_t *ret_count, struct buf *ret_why, struct err *err);

/* Takes live as it is, on a person's word: ACCEPTED with the shares that live has. */
int step_accept(const struct step_context *c, const struct actuator *a, struct err *err);

#endif
