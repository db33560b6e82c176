/* sim_synth - made-up calls: one class of them, coming at random at a steady rate (Poisson). */
#ifndef REPLAY_SIM_SYNTH_H
#define REPLAY_SIM_SYNTH_H

#include "replay/sim_arrival.h"

struct sim_synth {
    int64_t per_day;     /* calls, above 0 */
    int64_t start_us;    /* Unix time */
    int64_t duration_us; /* above 0 */
    uint64_t seed;
    uint32_t class;
    uint32_t input_tokens, output_tokens; /* 0 both = not known */
    bool is_stream;
};

struct sim_source *sim_synth_source(const struct sim_synth *synth);

#endif
