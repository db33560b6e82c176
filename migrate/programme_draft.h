/* programme_draft - a first plan for the applications that were seen, for people to own.
 *
 * Waves by risk, pilots first; few at a time and little spend at once; stages and bakes that the
 * application's own traffic can decide in.  What is written lints clean but for people's names,
 * which traffic does not know.
 */
#ifndef MIGRATE_PROGRAMME_DRAFT_H
#define MIGRATE_PROGRAMME_DRAFT_H

#include "base/buf.h"
#include "capture/conf.h"
#include "migrate/inventory.h"

struct programme_draft_options {
    struct str name, tz;
    int64_t start_us; /* the beginning of a day in tz; the draft begins that day or soon */
    struct str archive, config; /* as they are to be written; config "" = none */
    struct str gateway;         /* where calls are to go */
    const struct conf *conf;    /* NULL = none */
};

/* ERR_USAGE if there is no application to move. */
int programme_draft(const struct inventory *seen, const struct programme_draft_options *o,
                    struct buf *out, struct err *err);

#endif
