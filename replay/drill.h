/* drill - a gateway under faults, live: stand-ins as its providers, the gateway itself, and load.
 *
 *     drive ──► gateway (a command) ──► stand-ins (weir replay serve, one port each)
 *       │                                  │ what was asked of them, what was done to it
 *       └── what callers saw ──────────────┴──► drill_result
 *
 * Attempts are counted where they arrive, so that what a gateway repeats by itself is seen.  All
 * processes are ours and gone when drill_run returns; everything is on loopback.
 */
#ifndef REPLAY_DRILL_H
#define REPLAY_DRILL_H

#include "replay/drill_gateway.h"
#include "replay/drive.h"
#include "replay/incident.h"
#include "replay/slo.h"

struct drill_options {
    const char *self;              /* the program that has `replay serve` */
    const char *command;           /* the gateway's, for sh -c, with placeholders (drill_config);
                                      NULL = weir's own proxy */
    const char *config;            /* the gateway's configuration; NULL = none */
    const char *scenario;          /* a file, or a preset's name; NULL = nothing goes wrong */
    const struct scenario *faults; /* the same, or the part of it, read; may be NULL */
    const char *const *only;       /* which part of it; NULL-terminated, or NULL = all */
    const char *const *archives;   /* what the stand-ins answer from; NULL-terminated */
    const char *const *exchanges;  /* likewise */
    const char *const *providers;  /* names of stand-ins; those of weir's configuration come by
                                      themselves */
    const char *serve_speed;       /* "1", "max": how fast the stand-ins answer */
    uint64_t seed;
    int64_t ready_us;           /* for the gateway to take connections */
    int64_t tls_us;             /* stand-ins speak TLS (drill_gateway) */
    bool is_direct;             /* no gateway: calls go to the first of providers */
    struct drive_options drive; /* but for loop, trace's order and url */
};

/* What a stand-in has seen.  Times are the scenario's; -1 = did not happen. */
struct drill_upstream {
    struct str name;
    uint64_t attempts, answered, struck;
    int64_t first_struck_us, last_struck_us;
    int64_t elsewhere_us;  /* the first answer of another one after first_struck_us */
    int64_t good_again_us; /* the first attempt here after last_struck_us that nothing struck */
    bool was_shut;         /* and attempts at it were not seen */
};

struct drill_result {
    struct drive_report report;
    VEC(struct drill_upstream) upstreams;
    uint64_t attempts;          /* at all stand-ins, where they were seen */
    struct incidents incidents; /* since the drive began; their targets are only told apart */
    int64_t last_us;            /* when the last call was over */
    bool is_struck;             /* anything was */
    bool is_uncounted;          /* a stand-in was shut: there were more attempts than were seen */
    bool is_in_clear;           /* callers spoke no TLS, though the configuration's listener does */
    struct arena arena;
};

void drill_result_release(struct drill_result *r);
DEFINE_CLEANUP_VALUE(struct drill_result, drill_result_release)

/* ERR_USAGE with the end of the gateway's output if it does not come up. */
int drill_run(const struct drill_options *o, struct drill_result *ret, struct err *err);
/* The value of an assertion's metric; false: it does not apply, or cannot be measured live. */
bool drill_value(const struct drill_result *r, const struct slo *s, i128 *ret);

#endif
