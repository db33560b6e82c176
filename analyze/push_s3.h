/* push_s3 - an archive's segments and ledgers into an S3-compatible store, laid out as they are
 * here, which is how Spark, Trino, DuckDB and ClickHouse take partitions:
 *
 *     PREFIX/segments/date=YYYY-MM-DD/ID.tar.zst
 *     PREFIX/ledger/date=YYYY-MM-DD/ID.parquet
 *     PREFIX/chain                                  last, so that what it vouches for is there
 *
 * Each file is held against the hash that the chain has of it before it goes, and the object keeps
 * that hash (x-amz-meta-weir-sha256): an object of the same size and hash is not sent again.  Large
 * files go in parts; one that was left unfinished goes on with the parts that arrived.  The
 * archive's key stays here.  Nothing is ever deleted there.
 */
#ifndef ANALYZE_PUSH_S3_H
#define ANALYZE_PUSH_S3_H

#include "analyze/s3.h"
#include "capture/archive.h"

#define PUSH_PART_BYTES (16u << 20) /* larger files go in parts of that size, or more */

struct push_s3_progress {
    size_t files, files_done, files_there; /* done includes those there already */
    uint64_t bytes_sent, bytes_there;      /* there: parts of unfinished files */
};

struct push_s3_options {
    struct s3 *store;
    const struct archive *archive;
    struct str prefix;
    size_t part_bytes; /* 0 = PUSH_PART_BYTES; AWS takes no less than 5 MiB */
    void (*on_progress)(void *ctx, const struct push_s3_progress *p); /* may be NULL */
    void *ctx;
};

int push_s3(const struct push_s3_options *options, struct push_s3_progress *ret, struct err *err);
/* "s3://bucket/prefix" in parts; the prefix without '/' at either end. */
int push_s3_url(struct str url, struct str *ret_bucket, struct str *ret_prefix, struct err *err);

#endif
