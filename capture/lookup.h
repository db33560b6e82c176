/* lookup - finds one exchange in an archive by the beginning of its id. */
#ifndef CAPTURE_LOOKUP_H
#define CAPTURE_LOOKUP_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "capture/archive.h"

#define LOOKUP_PREFIX_MIN 4 /* hex digits */

struct lookup {
    struct uuid id;
    char *segment_path;     /* may be gone (pruned) */
    char *ledger_path;      /* NULL = found in nothing */
    int64_t segment_offset; /* of its bodies, -1 = it has none */
};

/* prefix: of the id's text form, upper or lower case.  1 = found, 0 = none; -1 also when several
 * exchanges begin so (ERR_USAGE, naming two). */
int lookup_exchange(const struct archive *a, struct str prefix, struct lookup *ret,
                    struct err *err);
void lookup_release(struct lookup *l);
DEFINE_CLEANUP_VALUE(struct lookup, lookup_release)

#endif
