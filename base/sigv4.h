/* sigv4 - AWS Signature Version 4: the Authorization header of one request.
 *
 * Pure: the time, the body's hash and the credentials come in, nothing is sent or kept.  After
 * "Create a signed AWS API request", AWS Identity and Access Management user guide (November 2026).
 *
 * The path is signed as AWS's services compute it from what arrives: segments are encoded once
 * more as they were sent ("%3A" becomes "%253A") after empty and dot segments are gone; Amazon S3
 * alone takes its keys literally and encodes once.
 */
#ifndef BASE_SIGV4_H
#define BASE_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define SIGV4_DATE_BYTES 17                      /* "20260101T000000Z" and the NUL */
#define SIGV4_UNSIGNED   STR("UNSIGNED-PAYLOAD") /* a hash that only Amazon S3 accepts */

enum sigv4_path {
    SIGV4_PATH_AGAIN,   /* every service but S3 */
    SIGV4_PATH_LITERAL, /* S3 */
};

struct sigv4_signer {
    struct str access_key, secret_key;
    struct str region, service;
    enum sigv4_path path;
};

struct sigv4_header {
    struct str name, value;
};

struct sigv4_request {
    struct str method;
    struct str path;                    /* as it is sent: escaped, without the query */
    struct str query;                   /* as it is sent, without '?' */
    const struct sigv4_header *headers; /* all that are to be signed: host, x-amz-date, and
                                           x-amz-security-token and x-amz-content-sha256 if sent */
    size_t header_count;
    struct str payload_hash; /* SHA-256 of the body in lower-case hex, or SIGV4_UNSIGNED */
    const char *date;        /* of sigv4_date, the same as in x-amz-date */
};

/* What x-amz-date says.  Returns ret. */
char *sigv4_date(int64_t us, char ret[static SIGV4_DATE_BYTES]);
/* Appends the value of Authorization. */
void sigv4_authorize(const struct sigv4_signer *signer, const struct sigv4_request *request,
                     struct buf *out);
/* Appends what is hashed for the signature, for tests and for whoever must find a difference. */
void sigv4_canonical(const struct sigv4_signer *signer, const struct sigv4_request *request,
                     struct buf *out);

#endif
