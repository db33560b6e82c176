#include "config.h"

#include "base/distinct.h"

#include <math.h>
#include <stdlib.h>

#define REGISTERS (1u << DISTINCT_BITS)
#define RANK_MAX  (64u - DISTINCT_BITS) /* and one more, for a hash whose other bits are all 0 */

static void add_register(struct distinct *d, uint64_t hash)
{
    uint64_t rest = hash << DISTINCT_BITS;
    uint8_t rank = (uint8_t)(rest ? (unsigned)__builtin_clzll(rest) + 1 : RANK_MAX + 1);
    uint8_t *at = &d->registers[hash >> (64 - DISTINCT_BITS)];

    if (rank > *at)
        *at = rank;
}

static void make_registers(struct distinct *d)
{
    d->registers = mem_calloc(REGISTERS, 1);
    for (uint32_t i = 0; i < d->slot_count; i++)
        if (d->hashes[i])
            add_register(d, d->hashes[i]);
    free(d->hashes);
    d->hashes = NULL;
    d->slot_count = d->len = 0;
}

static uint64_t *slot_of(const struct distinct *d, uint64_t hash)
{
    uint32_t mask = d->slot_count - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask)
        if (d->hashes[i] == 0 || d->hashes[i] == hash)
            return &d->hashes[i];
}

static void grow(struct distinct *d)
{
    struct distinct bigger = { .slot_count = d->slot_count ? 2 * d->slot_count : 16,
                               .len = d->len };

    bigger.hashes = mem_calloc(bigger.slot_count, sizeof(*bigger.hashes));
    for (uint32_t i = 0; i < d->slot_count; i++)
        if (d->hashes[i])
            *slot_of(&bigger, d->hashes[i]) = d->hashes[i];
    free(d->hashes);
    *d = bigger;
}

void distinct_add(struct distinct *d, uint64_t hash)
{
    if (hash == 0)
        hash = 1;
    if (d->registers) {
        add_register(d, hash);
        return;
    }
    if (2 * (d->len + 1) > d->slot_count)
        grow(d);
    uint64_t *slot = slot_of(d, hash);
    if (*slot == hash)
        return;
    *slot = hash;
    if (++d->len > DISTINCT_EXACT_MAX)
        make_registers(d);
}

void distinct_merge(struct distinct *to, const struct distinct *from)
{
    for (uint32_t i = 0; i < from->slot_count; i++)
        if (from->hashes[i])
            distinct_add(to, from->hashes[i]);
    if (!from->registers)
        return;
    if (!to->registers)
        make_registers(to);
    for (uint32_t i = 0; i < REGISTERS; i++)
        if (from->registers[i] > to->registers[i])
            to->registers[i] = from->registers[i];
}

/* Ertl 2017, "New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6: sums
 * over the histogram of registers, corrected at both ends. */
static double sigma(double x)
{
    double y = 1, z = x, before;

    if (x >= 1)
        return HUGE_VAL;
    do {
        before = z;
        x *= x;
        z += x * y;
        y += y;
    } while (z > before);
    return z;
}

static double tau(double x)
{
    double y = 1, z = 1 - x, before;

    if (x <= 0 || x >= 1)
        return 0;
    do {
        before = z;
        x = sqrt(x);
        y /= 2;
        z -= (1 - x) * (1 - x) * y;
    } while (z < before);
    return z / 3;
}

uint64_t distinct_count(const struct distinct *d)
{
    uint32_t histogram[RANK_MAX + 2] = { 0 };
    const double m = REGISTERS;

    if (!d->registers)
        return d->len;
    for (uint32_t i = 0; i < REGISTERS; i++)
        histogram[d->registers[i]]++;
    double z = m * tau(1 - histogram[RANK_MAX + 1] / m);
    for (unsigned k = RANK_MAX; k >= 1; k--)
        z = (z + histogram[k]) / 2;
    z += m * sigma(histogram[0] / m);
    return (uint64_t)llround(m * m / (2 * M_LN2 * z));
}

void distinct_release(struct distinct *d)
{
    free(d->hashes);
    free(d->registers);
    *d = (struct distinct){ 0 };
}
