/* digest - SHA-256 and HMAC-SHA-256 (OpenSSL), and hexadecimal. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define SHA256_BYTES     32
#define SHA256_HEX_BYTES 65 /* with the NUL */

struct sha256; /* a running hash */

struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *h);
DEFINE_CLEANUP(struct sha256, sha256_free)
void sha256_update(struct sha256 *h, const void *bytes, size_t len);
/* The hash of all so far; h may not be updated after. */
void sha256_final(struct sha256 *h, uint8_t ret[static SHA256_BYTES]);

void sha256_of(struct str bytes, uint8_t ret[static SHA256_BYTES]);
/* Hash of a whole file, read in blocks. */
int sha256_of_file(const char *path, uint8_t ret[static SHA256_BYTES], struct err *err);
#define MD5_BYTES 16
/* Only to find accidents with peers that know nothing better; false where it is forbidden (FIPS).
 */
bool md5_of(struct str bytes, uint8_t ret[static MD5_BYTES]);
void hmac_sha256(struct str key, struct str message, uint8_t ret[static SHA256_BYTES]);
/* Bytes of the kernel's generator; aborts if there are none to be had. */
void random_bytes(void *ret, size_t len);

/* Lower-case hex of len bytes into ret, which has room for 2 * len + 1.  Returns ret. */
char *hex_encode(const void *bytes, size_t len, char *ret);
/* Exactly 2 * len hex digits of either case; -1 otherwise. */
int hex_decode(struct str hex, void *ret, size_t len);

#endif
