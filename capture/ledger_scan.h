/* ledger_scan - the rows of one ledger file, one after another, with the columns asked for. */
#ifndef CAPTURE_LEDGER_SCAN_H
#define CAPTURE_LEDGER_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "capture/ledger.h"

struct ledger_scan;

int ledger_scan_open(const char *path, const enum ledger_column *columns, size_t column_count,
                     struct ledger_scan **ret, struct err *err);
/* For many scans after one another, before the first row: what pages are unpacked with; outlives
 * s, which has its own otherwise. */
void ledger_scan_use(struct ledger_scan *s, struct parquet_scratch *scratch);
void ledger_scan_close(struct ledger_scan *s);
DEFINE_CLEANUP(struct ledger_scan, ledger_scan_close)
/* Moves to the next row: 1, 0 = end, -1. */
int ledger_scan_next(struct ledger_scan *s, struct err *err);
/* Of the current row.  Columns that were not asked for, or that an older ledger lacks, are null; a
 * null is 0 or an empty str.  Strings are valid until the next call of ledger_scan_next. */
bool ledger_scan_is_null(const struct ledger_scan *s, enum ledger_column column);
int64_t ledger_scan_int(const struct ledger_scan *s, enum ledger_column column);
struct str ledger_scan_str(const struct ledger_scan *s, enum ledger_column column);

#endif
