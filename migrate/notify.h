/* notify - who else wants to know what the rollout's ledger was told: the plan's hooks.
 *
 * Entries are kept while steps are made and told afterwards: a hook that hangs or fails holds up
 * nothing and repeats nothing, and one that was not told because we died is not told later: the
 * ledger says who was not told.  Each is one JSON document: on a command's standard input, or
 * posted (analyze/webhook).
 */
#ifndef MIGRATE_NOTIFY_H
#define MIGRATE_NOTIFY_H

#include "base/buf.h"
#include "base/mem.h"
#include "migrate/actuator.h"
#include "migrate/programme.h"
#include "migrate/rollout.h"

struct notify;

/* p outlives it, and r all steps that it is told of. */
struct notify *notify_new(const struct programme *p, const struct rollout *r);
void notify_free(struct notify *n);
DEFINE_CLEANUP(struct notify, notify_free)

/* For struct step_context: ctx is a struct notify. */
void notify_told(void *ctx, const struct rollout_entry *e);
/* Writes an entry into the ledger, and tells notify_told of it. */
typedef int (*notify_note_fn)(void *ctx, const struct rollout_entry *e, struct err *err);
/* Tells all that is kept, in order, and forgets it.  How often a hook failed; ret_failed has a line
 * for each, until its failures have taken too long together: then it is not tried any more.  A hook
 * that failed is noted as UNTOLD, once for all that it missed, which the other hooks that want it
 * are told of. */
size_t notify_send(struct notify *n, const struct actuator_wait *wait, notify_note_fn note,
                   void *ctx, struct buf *ret_failed);

#endif
