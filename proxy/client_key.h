/* client_key - the keys that applications hold instead of the providers'.
 *
 *     weir_<64 hex digits: 256 random bits><8 hex digits: CRC-32C of what is before>
 *
 * The configuration has their SHA-256 only.  That is enough without salt or stretching, which
 * passwords need because they can be guessed: nobody guesses 256 random bits.  The checksum tells a
 * key that was cut or mistyped from one that is not known.
 */
#ifndef PROXY_CLIENT_KEY_H
#define PROXY_CLIENT_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/map.h"
#include "base/str.h"

#define CLIENT_KEY_PREFIX     "weir_"
#define CLIENT_KEY_TEXT_BYTES 78 /* with the NUL */
#define CLIENT_KEY_HASH_MARK  "sha256:"

struct client_key {
    struct str id;   /* its name in the configuration */
    struct str app;  /* whose calls it makes; "" = not said */
    struct str role; /* of who holds it, for rules of access; "" = not said */
    uint8_t digest[SHA256_BYTES];
    int64_t expires_us; /* wall; INT64_MAX = never */
    bool revoked;
};

/* Zero-initialised is empty. */
struct client_keys {
    struct client_key *keys;
    size_t count;
    struct map by_digest; /* the index among keys */
};

enum client_key_state {
    CLIENT_KEY_GOOD,
    CLIENT_KEY_UNKNOWN,
    CLIENT_KEY_EXPIRED,
    CLIENT_KEY_REVOKED,
};

/* A new key, from the kernel's generator. */
void client_key_make(char ret[static CLIENT_KEY_TEXT_BYTES]);
/* Appends "sha256:" and the hash, as the configuration has it. */
void client_key_hash(struct str key, struct buf *out);
/* "sha256:" and 64 hex digits; -1 otherwise. */
int client_key_parse_hash(struct str text, uint8_t ret[static SHA256_BYTES]);
/* Begins like a key of ours: it must not go on to an upstream. */
bool client_key_is_ours(struct str text);
/* Has the form of one, and the right checksum. */
bool client_key_is_whole(struct str text);

/* keys is borrowed.  -1 with the index of a key whose hash another has already. */
int client_keys_index(struct client_keys *k, struct client_key *keys, size_t count,
                      size_t *ret_twice);
void client_keys_release(struct client_keys *k);
/* *ret is the key, unless unknown.  Found by its hash, then compared in constant time: what a
 * caller can learn by timing is the hash of a key it has made up. */
enum client_key_state client_keys_check(const struct client_keys *k, struct str shown,
                                        int64_t now_us, const struct client_key **ret);

#endif
