/* archive - a folder of sealed segments, their ledgers, and the chain that vouches for both
 * (weir-archive(5)).
 *
 *     ARCHIVE/journal/   WRITER.journal       open; WRITER.ready once its writer is done with it
 *             segments/  date=YYYY-MM-DD/ID.tar.zst
 *             ledger/    date=YYYY-MM-DD/ID.parquet
 *             chain      one line per event, each with the SHA-256 of the line before
 *             key        the HMAC key for credential fingerprints, 0600
 *             lock       held by whatever changes the archive
 *
 * Nothing here prints or exits.
 */
#ifndef CAPTURE_ARCHIVE_H
#define CAPTURE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/str.h"
#include "capture/journal.h"
#include "capture/key.h"

#define ARCHIVE_JOURNAL_SUFFIX ".journal"
#define ARCHIVE_READY_SUFFIX   ".ready"
#define ARCHIVE_TMP_PREFIX     ".tmp-" /* what begins so is a leftover once its maker is gone */

struct archive {
    char *path;
};

/* Opens an existing archive; make creates its folders (0700) and key if they are missing. */
int archive_open(const char *path, bool make, struct archive **ret, struct err *err);
void archive_close(struct archive *a);
DEFINE_CLEANUP(struct archive, archive_close)
/* PATH/name..., to be freed. */
char *archive_path(const struct archive *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Before bytes of others are decoded into the archive: base/sandbox.h, with its folders, which may
 * be links to elsewhere, as all that can be written to.  more: limits, and what else can be read;
 * no folders there are those from which libraries load. */
unsigned archive_enter_sandbox(const struct archive *a, const struct sandbox *more);

/* One sealed segment, as its folder lists it. */
struct archive_ledger {
    char *path; /* of the .parquet */
    char *id;   /* the segment's */
    char *date; /* "2026-10-01" */
};
struct archive_ledgers {
    struct archive_ledger *ptr;
    size_t len;
};
/* All ledgers with from_us <= day < to_us (whole UTC days; INT64_MIN/MAX for no bound), by date
 * then id. */
int archive_ledgers_list(const struct archive *a, int64_t from_us, int64_t to_us,
                         struct archive_ledgers *ret, struct err *err);
void archive_ledgers_release(struct archive_ledgers *l);
DEFINE_CLEANUP_VALUE(struct archive_ledgers, archive_ledgers_release)

/* fn for the segment of each of these ledgers whose file is there, in that order; the others, of
 * which prune took the bodies, are counted.  Its failure ends the walk, and is told with the path.
 */
int archive_segments_walk(const struct archive *a,
                          int (*fn)(void *ctx, const char *path, struct err *err), void *ctx,
                          uint64_t *ret_missing, struct err *err);

/* A journal that waits to be sealed. */
struct archive_journal {
    char *path;
    char *writer; /* the file's name without its suffix */
    bool ready;   /* WRITER.ready; otherwise WRITER.journal */
};
struct archive_journals {
    struct archive_journal *ptr;
    size_t len;
};
/* All journals, by name; live ones too (archive_journal_is_live). */
int archive_journals_list(const struct archive *a, struct archive_journals *ret, struct err *err);
void archive_journals_release(struct archive_journals *l);
DEFINE_CLEANUP_VALUE(struct archive_journals, archive_journals_release)
/* Whether its writer still holds its lock. */
bool archive_journal_is_live(const struct archive_journal *j);
/* When the oldest exchange began that waits to be sealed; INT64_MAX = none does.  Journals that
 * cannot be read are passed over: sealing tells of them. */
int archive_unsealed_since(const struct archive *a, int64_t *ret_us, struct err *err);
/* "date=2026-10-01" to "2026-10-01"; NULL if name is nothing of the kind. */
const char *archive_date_of(const char *name);

/* A new journal in the archive: WRITER is "NAME-UUID7".  End it with journal_finish, then seal_run.
 */
int archive_journal_create(const struct archive *a, const char *name, int64_t now_us,
                           enum journal_durability durability, struct journal_writer **ret,
                           struct err *err);
/* Every non-empty content_id of the ledgers and of whole exchanges in journals not sealed yet, as
 * keys of *ret (values are 0): what an import need not bring again. */
int archive_content_ids(const struct archive *a, struct map *ret, struct err *err);
/* The archive's own key (ARCHIVE/key), made if missing. */
int archive_key(const struct archive *a, struct key *ret, struct err *err);
/* Held by whatever changes the archive; wait = false gives ERR_LIMIT if another process has it.
 * Close the descriptor to let go. */
int archive_lock(const struct archive *a, bool wait, int *ret_fd, struct err *err);

#endif
