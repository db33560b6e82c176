/* stepping - what the commands of migrate that look at live traffic or change it share.
 */
#ifndef CLI_STEPPING_H
#define CLI_STEPPING_H

#include "cli/migration.h"
#include "migrate/notify.h"
#include "migrate/watch.h"

/* For a command of a person's: as long as what a killed one had started may take to end. */
#define STEPPING_LOCK_US INT64_C(2000000)

struct stepping {
    struct migration m;
    struct step_context context;
    struct notify *notify;
    bool is_recovered; /* an open step was finished or undone, or could not be */
    enum step_result recovered;
    bool has_failed; /* recovering did */
    struct buf recovered_why;
    int64_t *spend_per_million; /* stepping_read_archive; NULL = not known */
    int64_t unsealed_us;        /* likewise; see struct decide_input */
};

/* ROLLOUT_READ only looks.  ROLLOUT_WRITE first finishes or undoes what was cut short, and says so
 * on stderr; what cannot be is said, too, and stands in the way of its own actuator only.
 * lock_wait_us: how long to wait while somebody else writes. */
int stepping_open(const struct invocation *inv, enum rollout_mode mode, int64_t lock_wait_us,
                  struct stepping *ret, struct err *err);
/* Likewise by migration_open_anyhow. */
int stepping_open_anyhow(const struct invocation *inv, enum rollout_mode mode, int64_t lock_wait_us,
                         struct stepping *ret, struct err *err);
/* The archive, prices, and who spends how much of the last 30 days' money; nothing at all if the
 * plan names no archive. */
int stepping_read_archive(struct stepping *s, struct err *err);
/* For writing; waits so long while somebody else writes. */
int stepping_open_rollout(const struct migration *m, int64_t lock_wait_us, struct rollout **ret,
                          struct err *err);
/* Tells hooks what n has kept, and says on stderr which could not be told.  The rollout that they
 * are told of must have been closed: hooks take their time, and may run weir themselves. */
void stepping_tell(const struct migration *m, struct notify *n, const struct step_context *c);
/* Closes all of it, and tells hooks what happened. */
void stepping_close(struct stepping *s);
DEFINE_CLEANUP_VALUE(struct stepping, stepping_close)

struct watch_input stepping_input(const struct stepping *s);
/* True at the programme's apps that the operands name; to be freed. */
bool *stepping_wanted(const struct migration_apps *apps, const struct programme *p);

enum stepping_wish {
    STEPPING_ADVANCE,  /* whatever is in the way is a hold */
    STEPPING_ROLLBACK, /* to have rolled back is 0, undone is a failure */
    STEPPING_WATCH,    /* what need not move yet is no hold */
};
/* The exit code of what was done and left: failed, drift, rolled back or undone, not ready, hold,
 * 0, in that order. */
int stepping_status(const struct watch_app *apps, size_t count, enum stepping_wish wish);
/* One application's line, and below it what is in its way. */
void stepping_add_app(const struct watch_app *app, struct buf *out);
void stepping_add_app_json(const struct watch_app *app, struct buf *out);

#endif
