/* verify_check - the checks of one segment and its ledger.  Private to verify. */
#ifndef CAPTURE_VERIFY_CHECK_H
#define CAPTURE_VERIFY_CHECK_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "capture/chain.h"

/* Where the first damage lies in a file whose SHA-256 is not the chain's; always -1 with err set.
 */
int verify_locate_segment(const char *path, const char *ledger_path, struct err *err);
int verify_locate_ledger(const char *path, struct err *err);
/* Whether a whole segment and a whole ledger tell the same, and what the chain's line says. */
int verify_compare(const char *segment_path, const char *ledger_path, const struct chain_line *line,
                   struct err *err);

/* Ids and sequences of a ledger's exchanges, appended. */
struct verify_ids {
    struct verify_id {
        struct uuid id;
        uint64_t sequence;
    } * ptr;
    size_t len, cap;
};
int verify_read_ids(const char *ledger_path, struct verify_ids *ret, struct err *err);
void verify_ids_release(struct verify_ids *ids);
DEFINE_CLEANUP_VALUE(struct verify_ids, verify_ids_release)

#endif
