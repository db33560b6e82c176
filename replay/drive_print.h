/* drive_print - what a drive measured, as text, CSV or JSON; and one call as a line of JSON. */
#ifndef REPLAY_DRIVE_PRINT_H
#define REPLAY_DRIVE_PRINT_H

#include "base/buf.h"
#include "replay/drive.h"

void drive_print_text(const struct drive_report *r, const struct drive_options *o, struct buf *out);
void drive_print_csv(const struct drive_report *r, struct buf *out);
void drive_print_json(const struct drive_report *r, const struct drive_options *o, struct buf *out);
void drive_print_call(const struct drive_call *call, const struct drive_result *r, struct buf *out);

#endif
