#include "config.h"

#include "proxy/client_key.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc.h"

#define RANDOM_BYTES   32u
#define PREFIX_BYTES   (sizeof(CLIENT_KEY_PREFIX) - 1)
#define CHECKED_BYTES  (PREFIX_BYTES + 2 * RANDOM_BYTES)
#define CHECKSUM_BYTES 8u

static_assert(CHECKED_BYTES + CHECKSUM_BYTES + 1 == CLIENT_KEY_TEXT_BYTES, "the form of a key");

void client_key_make(char ret[static CLIENT_KEY_TEXT_BYTES])
{
    uint8_t random[RANDOM_BYTES];

    random_bytes(random, sizeof(random));
    memcpy(ret, CLIENT_KEY_PREFIX, PREFIX_BYTES);
    hex_encode(random, sizeof(random), ret + PREFIX_BYTES);
    explicit_bzero(random, sizeof(random));
    snprintf(ret + CHECKED_BYTES, CHECKSUM_BYTES + 1, "%08" PRIx32, crc32c(ret, CHECKED_BYTES));
}

void client_key_hash(struct str key, struct buf *out)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    sha256_of(key, digest);
    buf_add_text(out, CLIENT_KEY_HASH_MARK);
    buf_add_text(out, hex_encode(digest, sizeof(digest), hex));
}

int client_key_parse_hash(struct str text, uint8_t ret[static SHA256_BYTES])
{
    struct str mark = STR(CLIENT_KEY_HASH_MARK);

    if (!str_starts_with(text, mark))
        return -1;
    return hex_decode(str_sub(text, mark.len, text.len), ret, SHA256_BYTES);
}

bool client_key_is_ours(struct str text)
{
    return str_starts_with(text, STR(CLIENT_KEY_PREFIX));
}

bool client_key_is_whole(struct str text)
{
    char sum[CHECKSUM_BYTES + 1];

    if (text.len != CLIENT_KEY_TEXT_BYTES - 1 || !client_key_is_ours(text))
        return false;
    snprintf(sum, sizeof(sum), "%08" PRIx32, crc32c(text.ptr, CHECKED_BYTES));
    return str_eq(str_sub(text, CHECKED_BYTES, CHECKSUM_BYTES), str_from(sum));
}

static struct str digest_str(const uint8_t digest[static SHA256_BYTES])
{
    return (struct str){ (const char *)digest, SHA256_BYTES };
}

int client_keys_index(struct client_keys *k, struct client_key *keys, size_t count,
                      size_t *ret_twice)
{
    k->keys = keys;
    k->count = count;
    for (size_t i = 0; i < count; i++) {
        bool is_new;
        struct map_entry *e = map_put(&k->by_digest, digest_str(keys[i].digest), &is_new);
        if (!is_new) {
            *ret_twice = i;
            return -1;
        }
        e->value = i;
    }
    return 0;
}

void client_keys_release(struct client_keys *k)
{
    map_release(&k->by_digest);
}

/* As long for any two. */
static bool is_same(const uint8_t a[static SHA256_BYTES], const uint8_t b[static SHA256_BYTES])
{
    unsigned char differs = 0;

    for (size_t i = 0; i < SHA256_BYTES; i++)
        differs = (unsigned char)(differs | (a[i] ^ b[i]));
    return differs == 0;
}

enum client_key_state client_keys_check(const struct client_keys *k, struct str shown,
                                        int64_t now_us, const struct client_key **ret)
{
    uint8_t digest[SHA256_BYTES];

    if (!client_key_is_whole(shown))
        return CLIENT_KEY_UNKNOWN;
    sha256_of(shown, digest);
    const struct map_entry *e = map_find(&k->by_digest, digest_str(digest));
    if (!e || !is_same(k->keys[e->value].digest, digest))
        return CLIENT_KEY_UNKNOWN;
    *ret = &k->keys[e->value];
    if ((*ret)->revoked)
        return CLIENT_KEY_REVOKED;
    return now_us >= (*ret)->expires_us ? CLIENT_KEY_EXPIRED : CLIENT_KEY_GOOD;
}
