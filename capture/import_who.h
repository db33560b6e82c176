/* import_who - when a record was made and who caused it (private to capture/import). */
#ifndef CAPTURE_IMPORT_WHO_H
#define CAPTURE_IMPORT_WHO_H

#include "capture/import_record.h"

/* From the answer's date header, the request's x-amz-date, or what the answer's body says of when
 * it was created; false if none says.  Needs rec->x complete. */
bool import_find_time(const struct import_record *rec, int64_t *ret_us);
/* Sets x.labels and x.who from the record, its heads and bodies, and the rules. */
void import_attribute(struct import *im);

/* Keeps the end user's fingerprint, which otherwise seal would take of what is recorded. */
void import_settle_user(struct import *im);
/* Takes out what the configuration's redaction says; the last thing before the record is written.
 */
void import_scrub(struct import *im);

#endif
