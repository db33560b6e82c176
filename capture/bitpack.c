#include "config.h"

#include "capture/bitpack.h"

#include <assert.h>
#include <string.h>

#include "base/decimal.h"

/* Bits on their way to bytes; fewer than 8 wait between values. */
struct packer {
    uint8_t *at;
    u128 bits;
    unsigned count;
};

static inline void pack(struct packer *p, uint64_t value, unsigned width)
{
    p->bits |= (u128)value << p->count;
    for (p->count += width; p->count >= 8; p->count -= 8) {
        *p->at++ = (uint8_t)p->bits;
        p->bits >>= 8;
    }
}

#define DEFINE_ADD(bits)                                                                           \
    void bitpack_add##bits(struct buf *out, const uint##bits##_t *values, size_t count,            \
                           unsigned width)                                                         \
    {                                                                                              \
        size_t groups = (count + BITPACK_GROUP - 1) / BITPACK_GROUP;                               \
        struct packer p = { .at = (uint8_t *)buf_reserve(out, groups * width + 1) };               \
                                                                                                   \
        for (size_t i = 0; i < groups * BITPACK_GROUP; i++)                                        \
            pack(&p, i < count ? values[i] : 0, width);                                            \
        assert(p.count == 0);                                                                      \
        out->len += groups * width;                                                                \
    }

DEFINE_ADD(32)
DEFINE_ADD(64)

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Value number i of a group; with width and i constant, this is a load, a shift and a mask.  A
 * width beyond 57 may need a ninth byte. */
static inline __attribute__((always_inline)) uint64_t value_at(const uint8_t *in, unsigned i,
                                                               unsigned width)
{
    unsigned bit = i * width, shift = bit & 7;
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    uint64_t value = load64(in + bit / 8) >> shift;

    if (width > 57 && shift > 0)
        value |= load64(in + bit / 8 + 8) << (64 - shift);
    return value & mask;
}

/* The loop over 8 must be unrolled for value_at to fold. */
#define DEFINE_GET(bits, width)                                                                    \
    static void get##bits##_##width(const uint8_t *in, size_t groups, uint##bits##_t *ret)         \
    {                                                                                              \
        for (; groups > 0; groups--, in += (width), ret += BITPACK_GROUP) {                        \
            _Pragma("GCC unroll 8") for (unsigned i = 0; i < BITPACK_GROUP; i++) ret[i] =          \
                (uint##bits##_t)value_at(in, i, (width));                                          \
        }                                                                                          \
    }

/* Widths in octal: 8 of them share all digits but the last. */
#define EIGHT(X, bits, head)                                                                       \
    X(bits, head##0)                                                                               \
    X(bits, head##1)                                                                               \
    X(bits, head##2)                                                                               \
    X(bits, head##3)                                                                               \
    X(bits, head##4)                                                                               \
    X(bits, head##5)                                                                               \
    X(bits, head##6)                                                                               \
    X(bits, head##7)
#define WIDTHS_TO_31(X, bits)                                                                      \
    EIGHT(X, bits, 0)                                                                              \
    EIGHT(X, bits, 01)                                                                             \
    EIGHT(X, bits, 02)                                                                             \
    EIGHT(X, bits, 03)
#define WIDTHS_TO_64(X, bits)                                                                      \
    WIDTHS_TO_31(X, bits)                                                                          \
    EIGHT(X, bits, 04)                                                                             \
    EIGHT(X, bits, 05)                                                                             \
    EIGHT(X, bits, 06)                                                                             \
    EIGHT(X, bits, 07)                                                                             \
    X(bits, 0100)

WIDTHS_TO_31(DEFINE_GET, 32)
DEFINE_GET(32, 040)
WIDTHS_TO_64(DEFINE_GET, 64)

#define NAME(bits, width) get##bits##_##width,

typedef void (*get32_fn)(const uint8_t *in, size_t groups, uint32_t *ret);
typedef void (*get64_fn)(const uint8_t *in, size_t groups, uint64_t *ret);
static const get32_fn get32[] = { WIDTHS_TO_31(NAME, 32) NAME(32, 040) };
static const get64_fn get64[] = { WIDTHS_TO_64(NAME, 64) };
static_assert(ARRAY_LEN(get32) == 33 && ARRAY_LEN(get64) == 65, "a function per width");

void bitpack_get32(const uint8_t *in, size_t groups, unsigned width, uint32_t *ret)
{
    assert(width <= 32);
    get32[width](in, groups, ret);
}

void bitpack_get64(const uint8_t *in, size_t groups, unsigned width, uint64_t *ret)
{
    assert(width <= 64);
    get64[width](in, groups, ret);
}
