/* import - recorded traffic of others into an archive: exchanges as JSON lines
 * (weir-exchanges(5)), HAR 1.2 files, and tables of usage (weir-map(5)).
 *
 * Everything goes through a journal, and from there through seal, as live traffic does.  A record
 * is known by its content: importing a file twice adds nothing, nor does a second file that
 * overlaps with the first; a line that stands in one file twice counts twice.  A record that cannot
 * be read is reported and passed over; those around it are kept.
 *
 * Limits: a line of 64 MiB, a HAR entry of 512 MiB, each body 256 MiB decoded; memory grows by
 * about 100 bytes for each record of the archive and of the file (what is known already).
 *
 * Order: import_open, import_file for each file, import_finish, then seal_run (capture/seal).
 */
#ifndef CAPTURE_IMPORT_H
#define CAPTURE_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "capture/archive.h"
#include "capture/attribution.h"
#include "capture/conf.h"

enum import_kind {
    IMPORT_AUTO,
    IMPORT_EXCHANGES,
    IMPORT_HAR,
    IMPORT_ROWS,
};

/* One record that was passed over, and why. */
typedef void (*import_bad_fn)(void *ctx, const char *file, uint64_t line, const char *reason);
/* A file's progress; bytes of the file as it lies there. */
typedef void (*import_progress_fn)(void *ctx, const char *file, uint64_t bytes, uint64_t records);

struct import_options {
    const struct key *key;
    const struct attribution *attribution; /* NULL = no rules; its key must be set */
    const struct conf *conf;               /* for its redaction; NULL = none */
    const char *map;         /* a map's file or name; NULL = found by the header of the table */
    const char *maps_folder; /* where named maps lie */
    bool has_at;
    int64_t at_us; /* the time of records that carry none */
    int64_t now_us;
    import_bad_fn bad;           /* may be NULL */
    import_progress_fn progress; /* may be NULL; about every 64 MiB or 20,000 records */
    void *ctx;
};

struct import_stats {
    uint64_t read;    /* records: added + already + bad + ignored */
    uint64_t added;   /* exchanges */
    uint64_t already; /* in the archive */
    uint64_t bad;
    uint64_t ignored; /* rows that their map says to pass over, such as days without traffic */
    uint64_t no_time; /* of the bad: for lack of a time, which --at could give */
    uint64_t bytes;   /* read from the file */
};

struct import;

/* a stays the caller's and must outlive the import. */
int import_open(struct archive *a, const struct import_options *options, struct import **ret,
                struct err *err);
/* Reads one file ("-" = standard input) and adds to *stats.  -1 = the file could not be read at
 * all, or the archive not be written; records added before stay. */
int import_file(struct import *im, const char *path, enum import_kind kind,
                struct import_stats *stats, struct err *err);
/* Completes the journal, if anything was added, and frees im. */
int import_finish(struct import *im, struct err *err);
/* Gives up what was not completed and frees im; NULL is fine. */
void import_discard(struct import *im);
DEFINE_CLEANUP(struct import, import_discard)

#endif
