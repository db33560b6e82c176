#include "config.h"

#include "base/digest.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <threads.h>
#include <unistd.h>

#define BLOCK_BYTES (64u << 10)
#define HMAC_BLOCK  64u /* of SHA-256 */

struct sha256 {
    EVP_MD_CTX *ctx;
};

/* As with memory, there is nothing a caller could do about a broken crypto library or kernel. */
static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "fatal: %s\n", what);
    abort();
}

static void must(bool ok)
{
    if (!ok)
        give_up("the OpenSSL library cannot compute SHA-256");
}

static EVP_MD *algorithm;

static void fetch(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(algorithm != NULL);
}

/* Looked up by name once: doing so each time, as HMAC() and SHA256() of OpenSSL 3 do, takes longer
 * than the hash of a short text. */
static const EVP_MD *sha256_algorithm(void)
{
    static once_flag once = ONCE_FLAG_INIT;

    call_once(&once, fetch);
    return algorithm;
}

struct sha256 *sha256_new(void)
{
    struct sha256 *h = mem_calloc(1, sizeof(*h));

    h->ctx = EVP_MD_CTX_new();
    must(h->ctx && EVP_DigestInit_ex(h->ctx, sha256_algorithm(), NULL) == 1);
    return h;
}

void sha256_free(struct sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void sha256_update(struct sha256 *h, const void *bytes, size_t len)
{
    if (len)
        must(EVP_DigestUpdate(h->ctx, bytes, len) == 1);
}

void sha256_final(struct sha256 *h, uint8_t ret[static SHA256_BYTES])
{
    unsigned len = 0;

    must(EVP_DigestFinal_ex(h->ctx, ret, &len) == 1 && len == SHA256_BYTES);
}

static const unsigned char *bytes_of(struct str s)
{
    return (const unsigned char *)(s.len ? s.ptr : "");
}

void sha256_of(struct str bytes, uint8_t ret[static SHA256_BYTES])
{
    must(EVP_Digest(bytes_of(bytes), bytes.len, ret, NULL, sha256_algorithm(), NULL) == 1);
}

bool md5_of(struct str bytes, uint8_t ret[static MD5_BYTES])
{
    return EVP_Digest(bytes_of(bytes), bytes.len, ret, NULL, EVP_md5(), NULL) == 1;
}

/* Hashes what fd gives until its end; the error names no path. */
static int hash_all(int fd, struct sha256 *h, struct err *err)
{
    char block[BLOCK_BYTES];

    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));
        if (n == 0)
            return 0;
        if (n > 0)
            sha256_update(h, block, (size_t)n);
        else if (errno != EINTR)
            return err_sys(err, "cannot read");
    }
}

int sha256_of_file(const char *path, uint8_t ret[static SHA256_BYTES], struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    CLEANUP(sha256_free) struct sha256 *h = sha256_new();
    int r = hash_all(fd, h, err);
    close(fd);
    if (r < 0)
        return err_wrap(err, "'%s'", path);
    sha256_final(h, ret);
    return 0;
}

/* ret = SHA-256 of the key, each byte changed by pad, and of message. */
static void keyed_sha256(EVP_MD_CTX *ctx, uint8_t key[static HMAC_BLOCK], uint8_t pad,
                         struct str message, uint8_t ret[static SHA256_BYTES])
{
    for (size_t i = 0; i < HMAC_BLOCK; i++)
        key[i] ^= pad;
    must(EVP_DigestInit_ex(ctx, sha256_algorithm(), NULL) == 1 &&
         EVP_DigestUpdate(ctx, key, HMAC_BLOCK) == 1 &&
         EVP_DigestUpdate(ctx, bytes_of(message), message.len) == 1 &&
         EVP_DigestFinal_ex(ctx, ret, NULL) == 1);
}

/* RFC 2104. */
void hmac_sha256(struct str key, struct str message, uint8_t ret[static SHA256_BYTES])
{
    uint8_t block[HMAC_BLOCK] = { 0 }, inner[SHA256_BYTES];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    must(ctx != NULL);
    if (key.len > sizeof(block))
        sha256_of(key, block);
    else if (key.len)
        memcpy(block, key.ptr, key.len);
    keyed_sha256(ctx, block, 0x36, message, inner);
    keyed_sha256(ctx, block, 0x36 ^ 0x5c, (struct str){ (const char *)inner, sizeof(inner) }, ret);
    explicit_bzero(block, sizeof(block));
    EVP_MD_CTX_free(ctx); /* clears what it held */
}

void random_bytes(void *ret, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom((char *)ret + done, len - done, 0);
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            give_up("the kernel gives no random bytes");
    }
}

/* Four bytes at once: their halves side by side, each a digit, or a letter if it is above 9. */
static void hex_four(const uint8_t *from, char *to)
{
    uint64_t x = (uint64_t)from[0] | (uint64_t)from[1] << 16 | (uint64_t)from[2] << 32 |
                 (uint64_t)from[3] << 48;

    x = (x >> 4 & UINT64_C(0x000f000f000f000f)) | (x & UINT64_C(0x000f000f000f000f)) << 8;
    uint64_t letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    x = htole64(x + UINT64_C(0x3030303030303030) + letters * ('a' - '9' - 1));
    memcpy(to, &x, sizeof(x));
}

char *hex_encode(const void *bytes, size_t len, char *ret)
{
    const uint8_t *from = bytes;
    size_t i = 0;

    for (; len - i >= 4; i += 4)
        hex_four(from + i, ret + 2 * i);
    for (; i < len; i++) {
        ret[2 * i] = "0123456789abcdef"[from[i] >> 4];
        ret[2 * i + 1] = "0123456789abcdef"[from[i] & 15];
    }
    ret[2 * len] = '\0';
    return ret;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(struct str hex, void *ret, size_t len)
{
    uint8_t *to = ret;

    if (hex.len % 2 != 0 || hex.len / 2 != len)
        return -1;
    for (size_t i = 0; i < hex.len; i++)
        if (hex_digit(hex.ptr[i]) < 0)
            return -1;
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)(hex_digit(hex.ptr[2 * i]) << 4 | hex_digit(hex.ptr[2 * i + 1]));
    return 0;
}
