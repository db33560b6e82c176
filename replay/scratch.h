/* scratch - an archive of a file of exchanges (weir-exchanges(5)), for as long as it is needed.
 *
 * Files come in through import and seal, as into any archive, so that what is served has been
 * checked and freed from credentials in the one way there is.
 */
#ifndef REPLAY_SCRATCH_H
#define REPLAY_SCRATCH_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "capture/archive.h"

struct scratch;

/* Makes it in a fresh folder below parent.  Any record of a file that cannot be read is an error,
 * as is a file without records. */
int scratch_open(const char *parent, const char *const *files, int64_t now_us, struct scratch **ret,
                 struct err *err);
/* Removes it; NULL is fine. */
void scratch_close(struct scratch *s);
DEFINE_CLEANUP(struct scratch, scratch_close)
const struct archive *scratch_archive(const struct scratch *s);

#endif
