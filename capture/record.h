/* record - a whole struct exchange as journal frames, and frames as a struct exchange again.
 *
 * Importers hand over finished exchanges with record_append.  Live writers append frames one by one
 * as bytes pass (weir-journal(5) lists the fields); both come out of record_read the same way.
 */
#ifndef CAPTURE_RECORD_H
#define CAPTURE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "capture/exchange.h"
#include "capture/journal.h"

#define RECORD_HEAD_BYTES_MAX (1u << 20) /* heads and fields of one exchange, as text */
#define RECORD_STARTED_MAX_US UINT64_C(253402300800000000) /* year 10000 */

/* Appends x as one whole exchange under the journal's next sequence (x's writer and sequence are
 * not looked at).  Everything else comes back from seal as given, but:
 *   - facts are carried only for origin "import:rows"; for all others seal reads them off the
 *     exchange.  facts.end_user is as sent: seal replaces it by its keyed fingerprint.
 *   - line breaks and NUL in heads become blanks: they could not have come over HTTP.
 *   - chunk_count 0 means that arrival times are not known; otherwise the chunks must add up to
 *     response_body.
 * Refused with nothing written (ERR_LIMIT, ERR_USAGE): bodies, heads or header counts beyond the
 * limits, times outside 1970 to 9999, chunks that do not add up.  Any other failure is the
 * journal's, which is then unfit for more: journal_discard it. */
int record_append(struct journal_writer *j, const struct exchange *x, struct err *err);

/* For live writers: the payloads of BEGIN, REQUEST, RESPONSE_HEAD and END, appended to out, with
 * what x says so far (END: truncated, transport_error, body_note, *_missing, *_bytes, attempts,
 * decisions, first_token_us; the frames themselves carry the other times).  Of attempts and
 * decisions the first EXCHANGE_STEPS_MAX are written, and of their names
 * EXCHANGE_STEP_TEXT_MAX bytes. */
void record_add_begin(struct buf *out, const struct exchange *x);
void record_add_request(struct buf *out, const struct exchange *x);
void record_add_response(struct buf *out, const struct exchange *x);
void record_add_end(struct buf *out, const struct exchange *x);
/* Added to the payload of END: what of who, labels, upstream, arm, scheme and host x has, which
 * then counts instead of what BEGIN said (another upstream than the first may have answered), and
 * *_body_decoded. */
void record_add_amendments(struct buf *out, const struct exchange *x);

/* Where the frames of one exchange lie: runs of neighbouring frames. */
struct record_run {
    uint64_t offset; /* of the run's first frame */
    uint32_t frames;
    uint32_t next; /* index + 1 of the exchange's next run, 0 = none */
};

enum record_flag {
    RECORD_ENDED = 1 << 0,    /* has its END frame */
    RECORD_IMPORTED = 1 << 1, /* origin "import:..." */
};

struct record_entry {
    int64_t started_us;
    uint64_t sequence;
    uint32_t first_run, last_run; /* index + 1 */
    uint32_t flags;               /* enum record_flag */
};

/* All exchanges of a journal, by offsets only: memory grows with the number of runs. */
struct record_index {
    struct record_entry *entries; /* by sequence, from 1 */
    size_t len, cap;
    struct record_run *runs;
    size_t run_len, run_cap;
    uint64_t torn_bytes; /* after the last whole frame */
    bool damaged;        /* with salvage: reading stopped early, for the reason in damage */
    struct err damage;
    bool closed; /* the writer ended in order */
};

/* Reads j from its first frame to its end.  With salvage, damage ends the journal there instead of
 * failing. */
int record_index(struct journal_reader *j, bool salvage, struct record_index *ret, struct err *err);
void record_index_release(struct record_index *x);
DEFINE_CLEANUP_VALUE(struct record_index, record_index_release)

/* Buffers that assembling reuses from exchange to exchange; zero-initialised is ready. */
struct record_scratch {
    struct arena arena; /* reset by each record_read */
    struct buf request, response;
    struct exchange_chunk *chunks;
    size_t chunk_len, chunk_cap;
};
void record_scratch_release(struct record_scratch *s);
DEFINE_CLEANUP_VALUE(struct record_scratch, record_scratch_release)

/* Assembles entry into *ret, valid until the next call with the same scratch and as long as j.
 * An exchange without END comes back truncated, with transport_error set. */
int record_read(struct journal_reader *j, const struct record_index *index,
                const struct record_entry *entry, struct record_scratch *scratch,
                struct exchange *ret, struct err *err);

#endif
