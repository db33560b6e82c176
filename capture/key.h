/* key - the secret with which an archive turns credentials and user ids into fingerprints. */
#ifndef CAPTURE_KEY_H
#define CAPTURE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define FINGERPRINT_TEXT_BYTES 17 /* 16 hex digits and the NUL */

struct key {
    uint8_t bytes[32];
};

/* Reads path, 64 hex digits; it must be a regular file that group and others cannot read (0600).
 * Made from the kernel's generator if missing and make is set. */
int key_load(const char *path, bool make, struct key *ret, struct err *err);
/* The first 64 bits of HMAC-SHA-256(key, domain NUL value) in hex: domain keeps a credential
 * ("key") and a user id ("user") that happen to be equal apart. */
void key_fingerprint(const struct key *k, const char *domain, struct str value,
                     char ret[static FINGERPRINT_TEXT_BYTES]);

#endif
