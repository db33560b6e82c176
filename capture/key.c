#include "config.h"

#include "capture/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/mem.h"
#include "capture/archive.h"

#define KEY_BYTES      32
#define HEX_DIGITS     (2 * KEY_BYTES)
#define FILE_BYTES_MAX 128

/* The file is 64 hex digits, a blank, and the CRC-32C of those digits in hex: a digit flipped by a
 * bad disk would otherwise quietly give every user and credential a new name.  Keys made by hand
 * may lack the checksum. */
static int parse(struct str text, struct key *ret, struct err *err)
{
    struct str line = str_trim(text), digits = str_sub(line, 0, HEX_DIGITS);
    struct str rest = str_sub(line, HEX_DIGITS, SIZE_MAX);
    char crc[9];

    snprintf(crc, sizeof(crc), "%08x", crc32c(digits.ptr ? digits.ptr : "", digits.len));
    if (rest.len && !str_eq(str_sub(rest, 1, SIZE_MAX), str_from(crc)))
        return err_set(err, ERR_CORRUPT, "the checksum behind the 64 hex digits does not match");
    if (rest.len && rest.ptr[0] != ' ')
        return err_set(err, ERR_CORRUPT, "is not 64 hex digits and a checksum");
    if (hex_decode(digits, ret->bytes, KEY_BYTES) < 0)
        return err_set(err, ERR_CORRUPT, "is not 64 hex digits");
    return 0;
}

/* 1 = read, 0 = there is no such file. */
static int read_key(const char *path, struct key *ret, struct err *err)
{
    char text[FILE_BYTES_MAX];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_sys(err, "cannot open key file '%s'", path);
    int r = fstat(fd, &st) < 0 ? err_sys(err, "cannot look at key file '%s'", path) : 0;
    if (r == 0 && !S_ISREG(st.st_mode))
        r = err_set(err, ERR_USAGE, "key file '%s' is not a regular file", path);
    else if (r == 0 && st.st_mode & 077)
        r = err_set(err, ERR_USAGE,
                    "key file '%s' may be read by others (mode %03o): chmod 600 it, and make a new "
                    "one if anybody did",
                    path, (unsigned)(st.st_mode & 0777));
    ssize_t len = r < 0 ? 0 : read(fd, text, sizeof(text));
    if (len < 0)
        r = err_sys(err, "cannot read key file '%s'", path);
    close(fd);
    if (r < 0)
        return -1;
    if (parse((struct str){ text, (size_t)len }, ret, err) < 0)
        return err_wrap(err, "key file '%s'", path);
    return 1;
}

/* Fills and syncs a new file, then gives it its name unless another process was first. */
static int place(const char *tmp, const char *path, struct str text, struct err *err)
{
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_sys(err, "cannot make key file '%s'", tmp);
    int r = fd_write_all(fd, text, err);
    if (r == 0 && fsync(fd) < 0)
        r = err_sys(err, "cannot sync key file '%s'", tmp);
    close(fd);
    if (r < 0)
        return err_wrap(err, "key file '%s'", tmp);
    if (link(tmp, path) == 0 || errno == EEXIST)
        return 0;
    /* No hard links here (FAT, some network shares). */
    return rename(tmp, path) < 0 ? err_sys(err, "cannot name key file '%s'", path) : 0;
}

static int make_key(const char *path, struct err *err)
{
    CLEANUP(buf_release) struct buf tmp = { 0 };
    CLEANUP(buf_release) struct buf folder = { 0 };
    const char *slash = strrchr(path, '/');
    char text[FILE_BYTES_MAX], digits[HEX_DIGITS + 1], name[17];
    uint8_t bytes[KEY_BYTES], unique[8];

    random_bytes(bytes, sizeof(bytes));
    random_bytes(unique, sizeof(unique));
    hex_encode(bytes, sizeof(bytes), digits);
    int len = snprintf(text, sizeof(text), "%s %08x\n", digits, crc32c(digits, HEX_DIGITS));
    buf_addf(&folder, "%.*s", slash ? (int)(slash - path) + 1 : 2, slash ? path : "./");
    buf_addf(&tmp, "%s" ARCHIVE_TMP_PREFIX "key-%s", buf_cstr(&folder),
             hex_encode(unique, sizeof(unique), name));
    int r = place(buf_cstr(&tmp), path, (struct str){ text, (size_t)len }, err);
    unlink(buf_cstr(&tmp)); /* gone already if it was renamed */
    explicit_bzero(bytes, sizeof(bytes));
    explicit_bzero(digits, sizeof(digits));
    explicit_bzero(text, sizeof(text));
    return r < 0 ? -1 : dir_sync(buf_cstr(&folder), err);
}

int key_load(const char *path, bool make, struct key *ret, struct err *err)
{
    int r = read_key(path, ret, err);

    if (r == 0 && make) {
        if (make_key(path, err) < 0)
            return -1;
        r = read_key(path, ret, err);
    }
    if (r == 0)
        return err_set(err, ERR_USAGE, "there is no key file '%s'", path);
    return r < 0 ? -1 : 0;
}

/* --- fingerprints --- */

/* Fingerprints made lately, as nearly all calls show a credential that earlier ones have shown.
 * They are found by a keyed hash of 128 bits (SipHash-2-4, Aumasson and Bernstein 2012) under a key
 * of this thread's alone: a credential itself is not kept, and nobody can make two that meet. */
#define MEMOS          256
#define MEMO_VALUE_MAX 4096 /* a longer one is not worth it */

struct memo {
    uint64_t tag[2];
    char text[FINGERPRINT_TEXT_BYTES]; /* "" = none */
};

static _Thread_local struct memo memos[MEMOS];
static _Thread_local uint64_t memo_key[2];

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[static 4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

static void sip_bytes(uint64_t v[static 4], const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t word;

    for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sip_word(v, word);
    }
    word = 0;
    if (len)
        memcpy(&word, at, len);
    sip_word(v, word | (uint64_t)len << 56);
}

static uint64_t sip_result(uint64_t v[static 4])
{
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* What (k, domain, value) is found by. */
static void make_tag(const struct key *k, const char *domain, struct str value, uint64_t ret[2])
{
    uint64_t v[4];

    if (!memo_key[0])
        random_bytes(memo_key, sizeof(memo_key));
    v[0] = memo_key[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = memo_key[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee;
    v[2] = memo_key[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = memo_key[1] ^ UINT64_C(0x7465646279746573);
    sip_bytes(v, k->bytes, sizeof(k->bytes));
    sip_bytes(v, domain, strlen(domain));
    sip_bytes(v, value.ptr, value.len);
    v[2] ^= 0xee;
    ret[0] = sip_result(v);
    v[1] ^= 0xdd;
    ret[1] = sip_result(v);
}

static void make_fingerprint(const struct key *k, const char *domain, struct str value,
                             char ret[static FINGERPRINT_TEXT_BYTES])
{
    CLEANUP(buf_release) struct buf message = { 0 };
    uint8_t mac[SHA256_BYTES];

    buf_reserve(&message, strlen(domain) + 1 + value.len); /* growing would leave copies */
    buf_add(&message, domain, strlen(domain) + 1);
    buf_add_str(&message, value);
    hmac_sha256((struct str){ (const char *)k->bytes, sizeof(k->bytes) }, buf_str(&message), mac);
    explicit_bzero(message.ptr, message.len);
    hex_encode(mac, (FINGERPRINT_TEXT_BYTES - 1) / 2, ret);
}

void key_fingerprint(const struct key *k, const char *domain, struct str value,
                     char ret[static FINGERPRINT_TEXT_BYTES])
{
    uint64_t tag[2];

    if (value.len > MEMO_VALUE_MAX) {
        make_fingerprint(k, domain, value, ret);
        return;
    }
    make_tag(k, domain, value, tag);
    struct memo *m = &memos[tag[0] % MEMOS];
    if (m->text[0] == '\0' || m->tag[0] != tag[0] || m->tag[1] != tag[1]) {
        make_fingerprint(k, domain, value, m->text);
        memcpy(m->tag, tag, sizeof(m->tag));
    }
    memcpy(ret, m->text, FINGERPRINT_TEXT_BYTES);
}
