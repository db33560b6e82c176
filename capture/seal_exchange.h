/* seal_exchange - what seal does to one exchange between journal and segment.  Private to seal. */
#ifndef CAPTURE_SEAL_EXCHANGE_H
#define CAPTURE_SEAL_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "capture/exchange.h"
#include "capture/key.h"

/* Buffers reused from exchange to exchange; zero-initialised is ready. */
struct seal_scratch {
    struct arena arena;
    struct buf request, response;
    struct exchange_chunk *chunks;
    size_t chunk_cap;
};
void seal_scratch_release(struct seal_scratch *s);
DEFINE_CLEANUP_VALUE(struct seal_scratch, seal_scratch_release)

/* Undoes content encodings, maps chunks to decoded bytes, reads the facts off the exchange (unless
 * it is a usage row, which brings them), and replaces the end user by a fingerprint.  What it adds
 * to *x lives in s until the next call. */
void seal_exchange(struct exchange *x, const struct key *key, struct seal_scratch *s);

#endif
