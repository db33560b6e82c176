/* seal - turns finished journals into segments, ledgers and chain lines.
 *
 * It may die at any instruction and be run again: nothing is lost and nothing comes twice, because
 * names of segments follow from the journal's name and the date, files appear by rename, and a
 * journal is removed only after the chain holds all of it.
 */
#ifndef CAPTURE_SEAL_H
#define CAPTURE_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/archive.h"

typedef void (*seal_note_fn)(void *ctx, const char *text);

enum seal_event { SEAL_BEGINS, SEAL_DONE, SEAL_FAILED };
/* Of the journal of that writer.  At SEAL_BEGINS, false leaves it alone. */
typedef bool (*seal_journal_fn)(void *ctx, const char *writer, enum seal_event event);

struct seal_options {
    const struct key *key; /* for end-user fingerprints; NULL = the archive's own */
    bool salvage; /* seal what precedes damage in a journal and keep it as WRITER.damaged; otherwise
                     a damaged journal stays as it is and the run fails after the others are done */
    const char *created_by;     /* for manifest.json, "weir 0.1.0"; NULL = "weir" */
    seal_note_fn note;          /* one line per thing the user should know; NULL = nobody listens */
    seal_journal_fn on_journal; /* NULL = all are sealed */
    void *ctx;
};

struct seal_stats {
    uint64_t journals, segments, exchanges, rows;
    uint64_t unended; /* exchanges without END: sealed as truncated */
    uint64_t
        unfinished_imports; /* half-written by an importer that died: left out, its file has it */
    uint64_t torn_bytes;    /* cut off the ends of journals */
    uint64_t unclosed_journals; /* whose writer did not end in order */
    uint64_t live_journals;     /* still being written: left alone */
    uint64_t encoded_bodies;    /* whose content encoding could not be undone */
    uint64_t decoded_bytes, segment_bytes, ledger_bytes;
};

/* Seals every journal of a that is ready or whose writer has died.  *ret_stats is filled also on
 * failure; opts may be NULL. */
int seal_run(const struct archive *a, const struct seal_options *opts, struct seal_stats *ret_stats,
             struct err *err);

#endif
