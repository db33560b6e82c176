/* uuid - RFC 9562 identifiers, version 7 (time-ordered). */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define UUID_TEXT_BYTES 37 /* with the NUL */

struct uuid {
    uint8_t bytes[16];
};

/* 48 bits of milliseconds, then 74 of the 80 given bits (10 bytes). */
struct uuid uuid7_make(uint64_t unix_us, const uint8_t random[static 10]);
/* A fresh one, from now and the kernel's generator. */
struct uuid uuid7_new(uint64_t unix_us);
/* The milliseconds inside a version 7. */
uint64_t uuid7_unix_ms(struct uuid id);
char *uuid_format(struct uuid id, char ret[static UUID_TEXT_BYTES]);
/* The 36-byte form, either case; false otherwise. */
bool uuid_parse(struct str text, struct uuid *ret);

#endif
