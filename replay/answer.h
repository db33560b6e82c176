/* answer - what a stand-in provider says to one request, and when.
 *
 * Made once, then shared by all who play it: counted, never changed after that.
 */
#ifndef REPLAY_ANSWER_H
#define REPLAY_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/vec.h"
#include "capture/exchange.h"

/* Some bytes of the body, and when they leave. */
struct answer_chunk {
    uint64_t at_us; /* since the request was complete */
    size_t bytes;
};

struct answer {
    unsigned references;
    unsigned status;
    VEC(struct call_header) headers; /* strings in arena */
    bool is_chunked;                 /* its length was not said before the body */
    bool is_cut;                     /* ends in the middle */
    uint64_t promised;               /* is_cut: bytes that the head says the body has; 0 = none */
    /* What only faults do (replay/fault_inject). */
    bool is_exact;       /* its times are as they are, whatever the speed */
    bool has_no_head;    /* only the body's bytes are sent, and then it is cut */
    bool is_reset;       /* is_cut: by a reset of the connection */
    bool hangs;          /* after the last chunk nothing ever comes, nor the end ... */
    struct buf repeated; /* ... but this, each repeat_us */
    uint64_t repeat_us;
    struct buf body;
    struct answer_chunk *chunks; /* they add up to the body */
    size_t chunk_count;
    uint64_t head_us, end_us; /* since the request was complete; head <= chunks <= end */
    struct arena arena;
};

/* An answer without headers and body; the count begins at 1. */
struct answer *answer_new(unsigned status);
struct answer *answer_ref(struct answer *a);
void answer_unref(struct answer *a);
DEFINE_CLEANUP(struct answer, answer_unref)
/* While it is made: strings are copied. */
void answer_add_header(struct answer *a, struct str name, struct str value);
/* More of the body, at_us after the request was complete (not before what was added last). */
void answer_add_chunk(struct answer *a, uint64_t at_us, struct str bytes);
/* A body in one piece, at once. */
void answer_set_body(struct answer *a, struct str content_type, struct str body);
/* How many bytes the body of a recorded answer has, as its head says; 0 = it does not. */
uint64_t answer_promised(const struct exchange *x);
/* The answer of a recorded exchange with its body and chunks.  Times that are not known are the
 * ones before them; without chunks the body comes at the end. */
struct answer *answer_of(const struct exchange *x);
/* Whether a recorded header is the provider's word: not one of a connection, of the body's length,
 * of an encoding that is no longer on it, of weir, or a credential's fingerprint. */
bool answer_keeps_header(const struct exchange *x, struct call_header header);
/* About what it takes in memory. */
size_t answer_bytes(const struct answer *a);

#endif
