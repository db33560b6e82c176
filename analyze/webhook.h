/* webhook - one JSON document posted to whoever wants to know.
 *
 * Signed as X-Weir-Signature: sha256=HEX, the HMAC-SHA-256 of "TIMESTAMP.BODY" with the secret;
 * X-Weir-Timestamp is the same timestamp, in seconds, so that an old post cannot be sent again
 * later.  X-Weir-Delivery is the body's hash: the same for each try of one document.
 *
 * Tried again, after 1, 2, 4 ... seconds, when nobody answers, and after 408, 425, 429 and 5xx;
 * other answers but 2xx are final.  Errors name the host alone: a webhook's path may be its secret.
 */
#ifndef ANALYZE_WEBHOOK_H
#define ANALYZE_WEBHOOK_H

#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/str.h"

#define WEBHOOK_SIGNATURE_BYTES (7 + SHA256_HEX_BYTES)

struct webhook {
    struct str url;
    const char *ca_path; /* NULL = the system's certificates */
    struct str secret;   /* "" = not signed */
    int64_t timeout_us;  /* without a byte either way */
    int tries;           /* at least 1 */
};

/* Waits for the answer, tries and pauses included. */
int webhook_post(const struct webhook *w, struct str body, struct err *err);
/* "sha256=0123...".  Returns ret. */
char *webhook_sign(struct str secret, struct str timestamp, struct str body,
                   char ret[static WEBHOOK_SIGNATURE_BYTES]);

#endif
