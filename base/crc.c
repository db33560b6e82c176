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

/* One stream of the instruction is bound by its latency, 8 bytes in 3 cycles: already several times
 * faster than any disk, so no interleaving. */
__attribute__((target("sse4.2"))) static uint32_t by_instruction(const uint8_t *at, size_t len)
{
    uint64_t crc = UINT32_MAX;

    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    uint32_t last = (uint32_t)crc;
    for (; len > 0; at++, len--)
        last = __builtin_ia32_crc32qi(last, *at);
    return ~last;
}

uint32_t crc32c(const void *bytes, size_t len)
{
    if (__builtin_cpu_supports("sse4.2"))
        return by_instruction(bytes, len);
    return crc32c_by_table(bytes, len);
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
