/* portfolio - where every application of a programme stands: the rollout's ledger, read once from
 * its beginning.
 */
#ifndef MIGRATE_PORTFOLIO_H
#define MIGRATE_PORTFOLIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "migrate/programme.h"
#include "migrate/rollout.h"

/* A share that was committed (or accepted), oldest first.  One that was rolled back from is bad
 * for good, and so is every checkpoint of that share: another plan's SHA-256 does not heal it, an
 * advance to it that is committed does (nothing but `migrate advance --retry` makes one). */
struct portfolio_checkpoint {
    int32_t share;
    int64_t since_us;
    uint64_t epoch;
    bool is_bad;
};

enum portfolio_phase {
    PORTFOLIO_WAITING, /* not begun */
    PORTFOLIO_MOVING,  /* between the first stage and the last */
    PORTFOLIO_BAKING,  /* at 100 %, its last bake not over */
    PORTFOLIO_DONE,    /* derived by those who know now: see portfolio_phase */
    PORTFOLIO_BACK,    /* rolled back to where nothing goes to the gateway */
};

struct portfolio_app {
    const struct programme_app *app;
    int32_t share;                             /* committed */
    int64_t since_us;                          /* of that; 0 = never moved */
    uint64_t epoch;                            /* of the step that did */
    const struct rollout_entry *last_rollback; /* the INTENT of the last one that was committed */
    const struct rollout_entry *last_verdict, *last_hold;
    const struct rollout_entry *preflight, *rehearsal, *ready; /* the latest; NULL = none */
    const struct rollout_entry **approvals;
    size_t approval_count;
    unsigned attempts; /* steps from 0 upwards */
    unsigned rollbacks;
    int64_t first_us; /* the first committed step upwards; 0 = none */
    struct portfolio_checkpoint *checkpoints;
    size_t checkpoint_count;
};

struct portfolio {
    const struct programme *programme;
    const struct rollout *rollout;
    struct portfolio_app *apps; /* as the programme's, in its order */
    /* The step that has begun and not ended: at most one per actuator. */
    const struct rollout_entry **open; /* INTENT entries */
    size_t open_count;
    size_t gone; /* see portfolio_gone */
    struct arena arena;
};

/* Entries of applications that the programme does not have are passed over.  Whether entries make
 * sense together rollout_open has found already (migrate/rollout_sense); what does not fit the
 * programme is ERR_CORRUPT. */
int portfolio_read(const struct programme *p, const struct rollout *r, struct portfolio **ret,
                   struct err *err);
/* How many applications the rollout has moved, before a moment, that the programme does not have
 * any more: what their gates were given is not there for others. */
size_t portfolio_gone(const struct programme *p, const struct rollout *r, int64_t until_us);
void portfolio_free(struct portfolio *p);
DEFINE_CLEANUP(struct portfolio, portfolio_free)

struct portfolio_app *portfolio_find(const struct portfolio *p, struct str app);
enum portfolio_phase portfolio_phase(const struct portfolio_app *a, int64_t now_us);
/* The stage the share is at, or -1 below the first; a share between two stages is the lower's. */
int portfolio_stage(const struct portfolio_app *a);
/* Where a rollback goes: the last checkpoint before the present share that is not bad, else 0. */
int32_t portfolio_good_share(const struct portfolio_app *a);
/* Whether the bytes that each actuator was made to run last (blob `after`) hold the shares and the
 * epoch that the entries say: 0 = they do, 1 = not, and ret_why is what comes after "entry 12: ".
 * No program is asked or run: what only an exec driver can read is passed over. */
int portfolio_check_artefacts(const struct portfolio *p, uint64_t *ret_entry, struct buf *ret_why,
                              struct err *err);

#endif
