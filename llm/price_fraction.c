#include "config.h"

#include "llm/price_model.h"

/* a * b as high and low half. */
static u128 mul_wide(u128 a, u128 b, u128 *ret_high)
{
    u128 mask = UINT64_MAX;
    u128 a0 = a & mask, a1 = a >> 64, b0 = b & mask, b1 = b >> 64;
    u128 low = a0 * b0, mid = a1 * b0 + (low >> 64);
    u128 mid2 = a0 * b1 + (mid & mask);

    *ret_high = a1 * b1 + (mid >> 64) + (mid2 >> 64);
    return mid2 << 64 | (low & mask);
}

/* (high, low) / den by schoolbook division; the quotient is cut to 127 bits, which only prices and
 * factors at their limits all at once can reach. */
static u128 div_wide(u128 high, u128 low, u128 den, u128 *ret_rest)
{
    u128 quotient = 0, rest = high % den;

    if (high / den != 0) {
        *ret_rest = 0;
        return ~(u128)0 >> 1;
    }
    for (int i = 0; i < 128; i++) {
        bool carry = rest >> 127;
        rest = rest << 1 | (low >> 127);
        low <<= 1;
        quotient <<= 1;
        if (carry || rest >= den) {
            rest -= den;
            quotient |= 1;
        }
    }
    *ret_rest = rest;
    return quotient;
}

i128 price_scale(u128 sum, u128 num, u128 den)
{
    u128 product, rest, quotient;

    if (sum == 0)
        return 0;
    if (__builtin_mul_overflow(sum, num, &product)) {
        u128 high, low = mul_wide(sum, num, &high);
        quotient = div_wide(high, low, den, &rest);
    } else if (product <= UINT64_MAX && den <= UINT64_MAX) { /* the common case, ten times faster */
        quotient = (uint64_t)product / (uint64_t)den;
        rest = (uint64_t)product % (uint64_t)den;
    } else {
        quotient = product / den;
        rest = product - quotient * den;
    }
    if (rest > den - rest || (rest == den - rest && (quotient & 1)))
        quotient++;
    return (i128)quotient;
}
