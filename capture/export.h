/* export - an archive's exchanges in formats others read: JSON lines (weir-exchanges(5)), HAR 1.2,
 * and the ledger's rows as CSV.
 *
 * JSON lines hold all that the archive knows, so that importing them makes the same exchanges
 * again; HAR holds what HAR can, the rest under `_weir`.  Rows of usage that were imported as such
 * are no exchanges: HAR leaves them out and counts them.
 */
#ifndef CAPTURE_EXPORT_H
#define CAPTURE_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "capture/archive.h"
#include "capture/exchange.h"

enum export_format {
    EXPORT_JSONL,
    EXPORT_HAR,
    EXPORT_CSV,
};

struct export_options {
    enum export_format format;
    int64_t from_us, to_us;      /* from <= started_at < to; INT64_MIN/MAX for no bound */
    const char *creator_version; /* of the program, for HAR */
    /* Whether an exchange is wanted; NULL = all are. */
    bool (*keep)(void *ctx, struct uuid id);
    /* Takes the output, piece by piece; -1 with err ends the export. */
    int (*write)(void *ctx, struct str bytes, struct err *err);
    void *ctx;
};

struct export_stats {
    uint64_t exchanges;        /* written; for CSV the rows */
    uint64_t rows_left_out;    /* usage rows that HAR cannot hold */
    uint64_t bodies_missing;   /* exchanges of which a body was not recorded or is no longer kept */
    uint64_t segments_missing; /* ledgers without their segment: only CSV has their rows */
};

int export_run(const struct archive *a, const struct export_options *options,
               struct export_stats *ret, struct err *err);

/* One exchange as a line of weir-exchanges(5), without the newline. */
void export_line(const struct exchange *x, struct buf *out);
/* One exchange as an entry of HAR 1.2. */
void export_entry(const struct exchange *x, struct buf *out);

#endif
