/* scan_feed - row groups for the scans of several threads, for analyze/scan.c alone. */
#ifndef ANALYZE_SCAN_FEED_H
#define ANALYZE_SCAN_FEED_H

#include "analyze/scan.h"

/* An open ledger, shared by the scans that read groups of it. */
struct feed_ledger {
    struct parquet_file *file;
    int columns[LEDGER_COLUMN_COUNT];
    const char *path;
    size_t index;
    size_t users;
};

const struct scan_options *scan_feed_options(const struct scan_feed *f);
/* The next group: 1, 0 = end, -1.  Give the ledger back with scan_feed_done. */
int scan_feed_next(struct scan_feed *f, struct feed_ledger **ret, size_t *ret_group,
                   uint64_t *ret_place, struct err *err);
void scan_feed_done(struct scan_feed *f, struct feed_ledger *l);
/* Rules are not for two threads at once. */
void scan_feed_attribute(struct scan_feed *f, const struct attribution_input *in,
                         struct exchange_who *ret);

#endif
