/* drive_record - the calls of a drive as exchanges of an archive, to be read, compared and priced
 * like any others.  Each says in its labels which recorded exchange it repeats ("replay_of") and
 * what the drive was called ("run").
 */
#ifndef REPLAY_DRIVE_RECORD_H
#define REPLAY_DRIVE_RECORD_H

#include "capture/archive.h"
#include "capture/exchange.h"
#include "replay/trace.h"

#define DRIVE_LABEL_OF  "replay_of"
#define DRIVE_LABEL_RUN "run"

struct drive_record;
/* Makes the archive if it is not there; run is copied. */
int drive_record_open(const char *path, struct str run, int64_t now_us, struct drive_record **ret,
                      struct err *err);
/* x gets an id, its labels, and loses credentials that an answer may have. */
int drive_record_add(struct drive_record *d, const struct trace_request *request,
                     const struct exchange *x, struct err *err);
/* Ends the journal and seals it; the record is gone, whether that works or not. */
int drive_record_finish(struct drive_record *d, struct err *err);
/* Without sealing: what was added waits in its journal. */
void drive_record_close(struct drive_record *d);
DEFINE_CLEANUP(struct drive_record, drive_record_close)

#endif
