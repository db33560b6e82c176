/* crc - the two 32-bit checksums our formats use. */
#ifndef BASE_CRC_H
#define BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Castagnoli (RFC 3720 B.4): the journal's frames.  Uses SSE4.2 where the CPU has it. */
uint32_t crc32c(const void *bytes, size_t len);
/* The same by tables alone, whatever the CPU: what crc32c falls back on, and is tested against. */
uint32_t crc32c_by_table(const void *bytes, size_t len);
/* IEEE 802.3 (zlib): AWS event streams, Parquet pages.  Start with crc 0, chain by passing the last
 * result. */
uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t len);

#endif
