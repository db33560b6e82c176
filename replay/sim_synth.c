#include "config.h"

#include "replay/sim_synth.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/timestamp.h"
#include "policy/plan.h"
#include "replay/sim_random.h"

struct synth_source {
    struct sim_source base;
    struct sim_synth synth;
    double at_us; /* of the next call, since the start */
    uint64_t number;
    struct sim_arrival model; /* of every call */
};

static void free_source(struct sim_source *base)
{
    free(base);
}

/* Gaps between calls are exponential: that is what makes them come at random. */
static void step(struct synth_source *s)
{
    uint64_t chance = sim_draw(s->synth.seed, s->number++, SIM_DRAW_ARRIVAL);
    double u = ((double)(chance >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */

    s->at_us += -log(u) * (double)US_PER_DAY / (double)s->synth.per_day;
}

static int fill(struct sim_source *base, struct sim_arrival *list, size_t max, size_t *ret_count,
                struct err *err)
{
    struct synth_source *s = (struct synth_source *)base;
    size_t n = 0;

    (void)err;
    for (; n < max && s->at_us < (double)s->synth.duration_us; n++) {
        list[n] = s->model;
        list[n].at_us = s->synth.start_us + (int64_t)s->at_us;
        step(s);
    }
    *ret_count = n;
    return 0;
}

struct sim_source *sim_synth_source(const struct sim_synth *synth)
{
    struct synth_source *s = mem_calloc(1, sizeof(*s));

    assert(synth->per_day > 0 && synth->duration_us > 0);
    s->base.fill = fill;
    s->base.free = free_source;
    s->synth = *synth;
    s->model = (struct sim_arrival){
        .class = synth->class,
        .first_us = SIM_UNKNOWN,
        .end_us = SIM_UNKNOWN,
        .failure = PLAN_FAILURES,
        .flags = synth->is_stream ? SIM_STREAM : 0,
    };
    if (synth->input_tokens || synth->output_tokens) {
        s->model.flags |= SIM_TOKENS;
        s->model.tokens[PRICE_PART_FRESH] = synth->input_tokens;
        s->model.tokens[PRICE_PART_OUTPUT] = synth->output_tokens;
    }
    step(s);
    return &s->base;
}
