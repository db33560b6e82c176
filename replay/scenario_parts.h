/* scenario_parts - what a scenario is made of: for scenario*.c alone. */
#ifndef REPLAY_SCENARIO_PARTS_H
#define REPLAY_SCENARIO_PARTS_H

#include "base/map.h"
#include "base/vec.h"
#include "replay/scenario.h"

#define SCENARIO_TIME_MAX (INT64_C(3650) * 86400 * 1000000) /* ten years */

/* A value that moves from one to the other over the window. */
struct scenario_ramp {
    int64_t from, to;
};

struct scenario_window {
    int64_t from_us, to_us; /* [from, to); PLAN_FOREVER */
};

/* Shell patterns, any of which may fit; none at all fit everything. */
struct scenario_names {
    struct str *list;
    size_t len;
};

struct scenario_entry {
    struct scenario_window window;
    struct scenario_ramp chance; /* in millionths */
    unsigned on;                 /* FAULT_ON_... */
    bool has_ramp;               /* of factor or delay */
    bool ends_attempt;           /* neither a pace nor a quota */
    struct scenario_ramp factor, delay;
    struct fault fault;
    struct scenario_names upstreams, models, apps;
};

struct scenario_load {
    struct scenario_window window;
    struct scenario_ramp times; /* in millionths */
    struct scenario_names apps, models;
};

struct scenario {
    struct arena arena;
    struct scenario_about about;
    VEC(struct scenario_entry) entries;
    VEC(struct scenario_load) loads;
    VEC(int64_t) edges;  /* of all windows, rising */
    struct map scopes;   /* by the names */
    struct map segments; /* by the list of candidates */
    size_t segment_entries;
};

/* at_us is within the window, or its end. */
int64_t scenario_ramp_at(const struct scenario_ramp *r, const struct scenario_window *w,
                         int64_t at_us);
/* Once all is read: works out the edges. */
void scenario_finish(struct scenario *s);

#endif
