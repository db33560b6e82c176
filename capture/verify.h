/* verify - whether an archive is complete and as it was sealed.
 *
 * Checked: the chain's lines and links; that each segment and ledger is there, has its SHA-256, and
 * that the two agree row by row; that every journal's sequence is complete and every exchange there
 * once; that no file is there that the chain does not know; the key; the journals not sealed yet.
 *
 * What is found is told in a line each, naming the first bad byte as far as it can be known.
 */
#ifndef CAPTURE_VERIFY_H
#define CAPTURE_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "capture/archive.h"

typedef void (*verify_fn)(void *ctx, const char *text);

struct verify_options {
    bool quick;        /* checksums only: neither rows nor frames are looked into */
    verify_fn finding; /* damage: the archive is not what it was; may be NULL */
    verify_fn note;    /* what is no damage, yet worth knowing; may be NULL */
    void *ctx;
};

struct verify_stats {
    uint64_t findings;
    uint64_t chain_lines, segments, ledgers, exchanges, rows;
    uint64_t bytes;             /* read and hashed */
    uint64_t pruned_segments;   /* removed by prune, and vouched for by the chain */
    uint64_t pruned_ledgers;    /* likewise */
    uint64_t journals;          /* not sealed yet, live ones included */
    uint8_t head[SHA256_BYTES]; /* of the chain's last line: write it down elsewhere, and nobody can
                                   shorten or rewrite the chain unnoticed */
};

/* 0 also with findings: they are in ret_stats.  -1 when the archive cannot be looked at. */
int verify_run(const struct archive *a, const struct verify_options *opts,
               struct verify_stats *ret_stats, struct err *err);

#endif
