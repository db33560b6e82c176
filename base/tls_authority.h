/* tls_authority - a certificate authority of one's own, with one certificate: for a stand-in that
 * has to be spoken to in TLS, and those that are told to trust it.
 *
 * The authority's key is gone once it has signed: nothing else can ever be of it.
 */
#ifndef BASE_TLS_AUTHORITY_H
#define BASE_TLS_AUTHORITY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

/* PEM. */
struct tls_authority {
    struct buf ca;        /* whom to trust */
    struct buf cert, key; /* what to serve with */
};

/* names: "DNS:localhost,IP:127.0.0.1".  Valid from an hour before now_us until days after it. */
int tls_authority_make(struct tls_authority *ret, const char *names, int64_t now_us, int days,
                       struct err *err);
void tls_authority_release(struct tls_authority *a);
DEFINE_CLEANUP_VALUE(struct tls_authority, tls_authority_release)

#endif
