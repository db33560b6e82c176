/* sim_random - chance that depends on what it is for, and on nothing that happened before: the same
 * call, attempt and purpose draw the same number under every configuration, so that two of them are
 * compared on the same luck (common random numbers).
 */
#ifndef REPLAY_SIM_RANDOM_H
#define REPLAY_SIM_RANDOM_H

#include <stdint.h>

/* What a number is drawn for. */
enum sim_purpose {
    SIM_DRAW_CALL,  /* the seed of a call */
    SIM_DRAW_FIRST, /* an attempt's first token */
    SIM_DRAW_REST,  /* and what follows */
    SIM_DRAW_FAULT,
    SIM_DRAW_ARRIVAL,
    SIM_DRAW_LOAD,
    SIM_DRAW_CALLER,
};

/* SplitMix64's finaliser (Steele, Lea, Flood 2014). */
static inline uint64_t sim_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t sim_draw(uint64_t seed, uint64_t number, enum sim_purpose purpose)
{
    return sim_mix(seed + (number * 16 + purpose + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

#endif
