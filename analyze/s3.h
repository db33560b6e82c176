/* s3 - objects in an S3-compatible store: looked at, put whole, or put in parts.
 *
 * Every request is signed (SigV4) with the hash of its body, so that a body changed on the way is
 * refused; bodies carry Content-MD5 besides, those of whole objects x-amz-checksum-sha256, too, and
 * what the store says it has taken (checksum or ETag) is compared.  What fails for a moment - a
 * connection, 429, 500, 503
 * - is tried again S3_TRIES times; putting an object twice does no harm.
 *
 * Keys are of letters, digits and "-._~=/" alone.
 */
#ifndef ANALYZE_S3_H
#define ANALYZE_S3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define S3_KEY_MAX   512u
#define S3_PARTS_MAX 10000u /* AWS: "Amazon S3 multipart upload limits" */
#define S3_TRIES     4u

struct s3;

struct s3_options {
    struct str bucket;
    const char *endpoint; /* "https://host:port"; NULL = AWS's of the region */
    const char *region;   /* NULL = us-east-1 */
    bool virtual_host;    /* bucket.host instead of host/bucket; of AWS's always */
    const char *access_key, *secret_key;
    const char *token;   /* NULL = none */
    const char *ca_path; /* NULL = the system's */
};

int s3_open(const struct s3_options *options, struct s3 **ret, struct err *err);
void s3_close(struct s3 *s);
DEFINE_CLEANUP(struct s3, s3_close)

/* An object as it was put: its size, and the hash of all of it that it was given. */
struct s3_object {
    uint64_t size;
    uint8_t sha[SHA256_BYTES];
    bool has_sha;
};
/* 1 = *ret set, 0 = there is none, -1. */
int s3_look(struct s3 *s, struct str key, struct s3_object *ret, struct err *err);
/* sha is of bytes. */
int s3_put(struct s3 *s, struct str key, struct str bytes, const uint8_t sha[static SHA256_BYTES],
           struct err *err);

/* --- in parts --- */

struct s3_part {
    bool is_there;
    uint64_t size;
    char etag[48]; /* without quotes */
};
struct s3_upload {
    struct buf id;
    struct s3_part *parts; /* of S3_PARTS_MAX, counted from 0 */
};
/* Begins an upload of an object with that hash, or finds the one that a push left behind with the
 * parts that arrived; a store that cannot list those has none. */
int s3_upload_begin(struct s3 *s, struct str key, const uint8_t sha[static SHA256_BYTES],
                    struct s3_upload *ret, struct err *err);
/* Puts a part unless it is there with these bytes; *ret_sent says which. */
int s3_upload_part(struct s3 *s, struct str key, struct s3_upload *u, size_t part, struct str bytes,
                   bool *ret_sent, struct err *err);
/* All parts are there: makes them one object. */
int s3_upload_end(struct s3 *s, struct str key, struct s3_upload *u, size_t part_count,
                  struct err *err);
void s3_upload_release(struct s3_upload *u);
DEFINE_CLEANUP_VALUE(struct s3_upload, s3_upload_release)

#endif
