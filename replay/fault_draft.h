/* fault_draft - an answer on its way to becoming another: for fault_inject.c and fault_edit.c
 * alone. */
#ifndef REPLAY_FAULT_DRAFT_H
#define REPLAY_FAULT_DRAFT_H

#include "replay/fault_inject.h"
#include "replay/fault_pieces.h"

struct fault_draft {
    const struct fault_setting *setting;
    const struct answer *from;
    struct answer *to;
    struct fault_pieces pieces; /* of from */
    uint64_t *at_us;            /* of from's chunks, at the speed and with the paces */
    uint64_t head_us, end_us;
    bool is_whole; /* no stream of events: its middle is what is after any piece */
};

/* When the bytes before that place have left. */
uint64_t fault_draft_time(const struct fault_draft *d, size_t place);
/* Some of from's bytes, so much later than they would be. */
void fault_draft_copy(struct fault_draft *d, size_t start, size_t end, uint64_t later_us);
void fault_draft_set_header(struct answer *a, struct str name, struct str value);

/* --- changes of the text (fault_edit.c) --- */

/* Every event's JSON through edit, framed as it was. */
typedef void fault_edit_fn(struct str json, struct buf *out);
void fault_edit_all(struct fault_draft *d, fault_edit_fn *edit);
/* The same for one piece alone. */
void fault_edit_one(struct fault_draft *d, size_t piece, fault_edit_fn *edit);
void fault_edit_zero_usage(struct str json, struct buf *out);
void fault_edit_no_usage(struct str json, struct buf *out);
void fault_edit_malformed(struct str json, struct buf *out);
/* Cuts to's chunks within each character of several bytes: how many there were. */
size_t fault_cut_characters(struct answer *a);
/* Cuts to's chunks into ones of 1 to most bytes. */
void fault_cut_anywhere(struct answer *a, uint32_t most, uint64_t seed);
/* Slower than so many bytes a second they do not leave. */
void fault_limit_bandwidth(struct answer *a, uint64_t bytes_per_second);

#endif
