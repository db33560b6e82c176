#include "config.h"

#include "base/crc.h"

#include <string.h>
#include <threads.h>
#include <zlib.h>

#include "base/le.h"

#define CASTAGNOLI_REVERSED UINT32_C(0x82f63b78)

/* tables[k][b]: what byte b adds when k more bytes follow it within one step of eight. */
static uint32_t tables[8][256];
static once_flag tables_once = ONCE_FLAG_INIT;

static void make_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) ? CASTAGNOLI_REVERSED : 0);
        tables[0][b] = crc;
    }
    for (uint32_t b = 0; b < 256; b++)
        for (int k = 1; k < 8; k++)
            tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xff];
}

uint32_t crc32c_by_table(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint32_t crc = UINT32_MAX;

    call_once(&tables_once, make_tables);
    for (; len >= 8; at += 8, len -= 8) {
        uint32_t low = le32_get(at) ^ crc, high = le32_get(at + 4);
        crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
              tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
              tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
    }
    for (; len > 0; at++, len--)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)

#include <immintrin.h>

/* The instruction takes 8 bytes in 3 cycles, and three at once as long as one: so three pieces side
 * by side, put together by what Gopal et al. found (Fast CRC Computation for iSCSI Polynomial Using
 * CRC32 Instruction, Intel 2011): behind a piece come so many bytes, that is a multiplication by
 * x^(8 bytes - 33) mod P, bits reversed. */
struct lanes {
    size_t bytes; /* of a piece */
    uint32_t by_one, by_two;
};

__attribute__((target("sse4.2,pclmul"))) static uint64_t by_lanes(uint64_t crc, const uint8_t **at,
                                                                  size_t *len, struct lanes lanes)
{
    const __m128i by_two = _mm_cvtsi32_si128((int)lanes.by_two);
    const __m128i by_one = _mm_cvtsi32_si128((int)lanes.by_one);

    for (; *len >= 3 * lanes.bytes; *at += 3 * lanes.bytes, *len -= 3 * lanes.bytes) {
        uint64_t second = 0, third = 0, word;
        for (const uint8_t *p = *at, *end = p + lanes.bytes; p < end; p += 8) {
            memcpy(&word, p, 8);
            crc = _mm_crc32_u64(crc, word);
            memcpy(&word, p + lanes.bytes, 8);
            second = _mm_crc32_u64(second, word);
            memcpy(&word, p + 2 * lanes.bytes, 8);
            third = _mm_crc32_u64(third, word);
        }
        __m128i a = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc), by_two, 0);
        __m128i b = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)second), by_one, 0);
        crc = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(a, b))) ^ third;
    }
    return crc;
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint64_t crc, const uint8_t *at,
                                                                 size_t len)
{
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    uint32_t last = (uint32_t)crc;
    for (; len > 0; at++, len--)
        last = _mm_crc32_u8(last, *at);
    return ~last;
}

uint32_t crc32c(const void *bytes, size_t len)
{
    static const struct lanes wide = { 256, 0xb9e02b86, 0xdd7e3b0c },
                              narrow = { 64, 0x9e4addf8, 0x0d3b6092 };
    const uint8_t *at = bytes;
    uint64_t crc = UINT32_MAX;

    if (!__builtin_cpu_supports("sse4.2"))
        return crc32c_by_table(bytes, len);
    if (len >= 3 * narrow.bytes && __builtin_cpu_supports("pclmul")) {
        crc = by_lanes(crc, &at, &len, wide);
        crc = by_lanes(crc, &at, &len, narrow);
    }
    return by_instruction(crc, at, len);
}

#else

uint32_t crc32c(const void *bytes, size_t len)
{
    return crc32c_by_table(bytes, len);
}

#endif

uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t len)
{
    /* zlib takes a NULL pointer as "give me the start value", whatever crc is. */
    return len ? (uint32_t)crc32_z(crc, bytes, len) : crc;
}
