#include "config.h"

#include "base/uuid.h"

#include <string.h>

#include "base/digest.h"

struct uuid uuid7_make(uint64_t unix_us, const uint8_t random[static 10])
{
    uint64_t ms = unix_us / 1000;
    struct uuid id;

    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(id.bytes + 6, random, 10);
    id.bytes[6] = (uint8_t)(0x70 | (id.bytes[6] & 0x0f)); /* version 7 */
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f)); /* variant 10 */
    return id;
}

struct uuid uuid7_new(uint64_t unix_us)
{
    uint8_t random[10];

    random_bytes(random, sizeof(random));
    return uuid7_make(unix_us, random);
}

uint64_t uuid7_unix_ms(struct uuid id)
{
    uint64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

/* Bytes in each group between the hyphens: 8-4-4-4-12 digits. */
static const size_t group_bytes[] = { 4, 2, 2, 2, 6 };

char *uuid_format(struct uuid id, char ret[static UUID_TEXT_BYTES])
{
    char digits[2 * sizeof(id.bytes) + 1];

    hex_encode(id.bytes, sizeof(id.bytes), digits);
    memcpy(ret, digits, 8);
    memcpy(ret + 9, digits + 8, 4);
    memcpy(ret + 14, digits + 12, 4);
    memcpy(ret + 19, digits + 16, 4);
    memcpy(ret + 24, digits + 20, 12);
    ret[8] = ret[13] = ret[18] = ret[23] = '-';
    ret[UUID_TEXT_BYTES - 1] = '\0';
    return ret;
}

bool uuid_parse(struct str text, struct uuid *ret)
{
    struct uuid id;
    size_t to = 0, at = 0;

    if (text.len != UUID_TEXT_BYTES - 1)
        return false;
    for (size_t g = 0; g < ARRAY_LEN(group_bytes); g++) {
        if (g > 0 && text.ptr[at++] != '-')
            return false;
        if (hex_decode(str_sub(text, at, 2 * group_bytes[g]), id.bytes + to, group_bytes[g]) < 0)
            return false;
        to += group_bytes[g];
        at += 2 * group_bytes[g];
    }
    *ret = id;
    return true;
}
