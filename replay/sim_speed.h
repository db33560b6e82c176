/* sim_speed - how fast a target answers: from what was recorded of it, else of what is most like
 * it, else as stated.
 *
 * A stream's first token comes after `first`; the rest takes so long for each token of the call.
 * An answer that is no stream takes `whole`.  Each of the four is looked for by itself: recorded of
 * this upstream and model; of the model elsewhere; of the upstream's other models; of all.  What a
 * stated speed says comes before all of it, and where nothing was recorded there is an assumption
 * that results name.
 */
#ifndef REPLAY_SIM_SPEED_H
#define REPLAY_SIM_SPEED_H

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "replay/sim_dist.h"

#define SIM_SPEEDS_MAX 65536 /* (upstream, model) that are told apart */

enum sim_speed_part {
    SIM_FIRST,     /* µs until the first token of a stream */
    SIM_PER_TOKEN, /* ns for each output token after it */
    SIM_REST,      /* µs from there to its end, where tokens are not known */
    SIM_WHOLE,     /* µs until the end of an answer that is no stream */
    SIM_SPEED_PARTS,
};

enum sim_speed_from {
    SIM_FROM_RECORDED, /* of this upstream and model */
    SIM_FROM_MODEL,    /* of the model at other upstreams */
    SIM_FROM_UPSTREAM, /* of the upstream's other models */
    SIM_FROM_ALL,      /* of everything recorded */
    SIM_FROM_STATED,
    SIM_FROM_ASSUMED,
};

extern const char *const sim_speed_from_names[]; /* "recorded", "this model elsewhere", ... */

struct sim_speed {
    struct sim_dist part[SIM_SPEED_PARTS];
    enum sim_speed_from from[SIM_SPEED_PARTS];
};

struct sim_speeds;
struct sim_speeds *sim_speeds_new(void);
void sim_speeds_free(struct sim_speeds *s);
DEFINE_CLEANUP(struct sim_speeds, sim_speeds_free)

/* One recorded answer that went well; tokens < 0 = not known; first_us < 0 = likewise. */
struct sim_sample {
    int64_t first_us, end_us, tokens;
    bool is_stream;
};
/* Where samples of that upstream and model go, for sim_speeds_add; SIM_SPEEDS_MAX + 1 at most:
 * beyond, all share one. */
uint32_t sim_speeds_place(struct sim_speeds *s, struct str upstream, struct str model);
void sim_speeds_add(struct sim_speeds *s, uint32_t place, const struct sim_sample *sample);

/* "UPSTREAM[/MODEL]=first:600ms,first-p95:2s,token:20ms,token-p95:..,whole:4s,whole-p95:..": of the
 * targets that match the two shell patterns; what it does not name stays as it is.  A median
 * without a p95 is that of every call. */
int sim_speeds_state(struct sim_speeds *s, const char *text, struct err *err);

/* The speed of a target; the same pointer for the same target, valid as long as s. */
const struct sim_speed *sim_speeds_find(struct sim_speeds *s, struct str upstream,
                                        struct str model);

#endif
