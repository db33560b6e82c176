/* verdict_parts - what the parts of migrate/verdict share.  Private to them. */
#ifndef MIGRATE_VERDICT_PARTS_H
#define MIGRATE_VERDICT_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/map.h"
#include "base/sketch.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "capture/exchange.h"
#include "migrate/baseline.h"
#include "migrate/verdict.h"

/* --- verdict_history: an application's share over time --- */

#define HISTORY_BETWEEN -1 /* a step is under way, or somebody else's change */

struct history_stretch {
    int64_t from_us;
    int32_t share; /* or HISTORY_BETWEEN */
};

struct history {
    VEC(struct history_stretch) stretches;
    int64_t first_us;     /* the first step up, ever; INT64_MAX = none */
    int64_t from_us;      /* the first step of this attempt */
    uint64_t first_epoch; /* its epoch */
    unsigned attempt;     /* 0 = none yet */
    int32_t share;        /* in force */
};

/* Of the entries before until_us. */
void history_read(const struct rollout *r, const struct programme_app *app, int64_t until_us,
                  struct history *ret);
int32_t history_share_at(const struct history *h, int64_t at_us);
void history_release(struct history *h);

/* --- verdict_ledgers: what the chain vouches for --- */

struct ledger_ref {
    int64_t day_us;
    char *path, *segment_path;
    char id[UUID_TEXT_BYTES];
    char sha[SHA256_HEX_BYTES], segment_sha[SHA256_HEX_BYTES];
    bool is_pruned, has_no_bodies;
    bool was_read;      /* its hash is the chain's */
    bool is_remembered; /* it was, at a look before */
};

struct ledger_list {
    VEC(struct ledger_ref) list; /* by day, then id */
    uint64_t chain_lines;
    char chain_sha[SHA256_HEX_BYTES];
};

/* Of the first chain_lines lines, 0 = of all. */
int ledger_list_read(const struct archive *a, uint64_t chain_lines, struct ledger_list *ret,
                     struct err *err);
/* Compares the file's hash with the chain's, once. */
int ledger_list_check(struct ledger_ref *l, struct err *err);
/* Likewise of the segment, which must have its bodies. */
int ledger_list_check_segment(const struct ledger_ref *l, struct err *err);
void ledger_list_release(struct ledger_list *l);
DEFINE_CLEANUP_VALUE(struct ledger_list, ledger_list_release)

/* --- verdict_calls: rows to calls --- */

/* One exchange.  Strings are valid during the call of fn. */
struct call_seen {
    size_t app; /* index */
    int64_t started_us;
    int on_gateway; /* -1 = neither arm */
    uint64_t epoch; /* recorded; 0 = none */
    int32_t share;  /* recorded with it */
    struct str unit;
    bool is_sum;                       /* several calls in one row */
    uint32_t measured;                 /* bits of enum gate_metric */
    uint32_t failed;                   /* likewise, of those that need no threshold */
    uint32_t at_least;                 /* likewise: the value would have become greater */
    int64_t values[GATE_METRIC_COUNT]; /* of those that need one */
};

/* Metrics that have values and thresholds. */
#define CALLS_WITH_THRESHOLD                                                                       \
    (1u << GATE_FIRST_TOKEN | 1u << GATE_TOTAL | 1u << GATE_COST | 1u << GATE_ATTEMPTS)

/* A call of any application that went straight to an upstream of `direct`. */
struct call_beside {
    size_t way; /* index of that */
    int64_t started_us;
    bool failed; /* as calls do when the provider is out of order */
};

struct calls_wanted {
    const struct verdict_input *in;
    const struct programme_app *const *apps;
    size_t app_count;
    const struct str *direct; /* upstreams, each once */
    size_t direct_count;
    void (*beside)(void *ctx, const struct call_beside *call);
    uint32_t metrics; /* bits: what is not asked for is not worked out */
    int64_t from_us, to_us;
    void (*fn)(void *ctx, const struct call_seen *call);
    void *ctx;
};

/* Whether the plan's direct and gateway are upstreams of the record: then an application's calls to
 * others are no part of the cutover.  Else what the record says of the arm counts. */
bool calls_have_upstreams(const struct programme_app *app);
int calls_walk(const struct calls_wanted *w, struct ledger_list *ledgers, struct err *err);

/* --- verdict_tools: whether tool calls fit their schemas --- */

/* 1 = all do, 0 = one does not (or its arguments are no JSON object), -1 = there is nothing to
 * say: no call, or no body. */
int tools_fit(const struct exchange *x);

/* --- verdict_tally: calls to counts --- */

struct moment {
    int64_t us; /* INT64_MAX = never */
    int32_t share;
    bool on_gateway;
};

/* A key.  Its calls and failures are those on the gateway; hour: of the last hour that it was seen
 * in. */
struct unit {
    struct moment first;
    int64_t hour;
    uint32_t calls, hour_calls;
    struct unit_gate {
        struct moment first; /* failure */
        uint32_t failed, hour_failed;
    } gates[];
};

/* Calls by the hour since 1970. */
struct hour_calls {
    int64_t hour;
    struct verdict_calls calls[2];
};
struct hours {
    VEC(struct hour_calls) list;
};
/* What there is of an hour, which may be nothing; once all calls are in (tallies_finish). */
const struct hour_calls *hours_find(const struct hours *h, int64_t hour);

struct tally_gate {
    struct gate_counts counts;
    int64_t threshold; /* -1 = none */
    struct verdict_calls calls[2];
    struct verdict_calls hour[2]; /* of the tally's hour */
    struct hours hours;           /* of all calls, where the application has a way */
    /* Over keys, of calls n and failures f on the gateway, for all time and for the hour. */
    struct tally_spread {
        double keys, nn, nf, ff;
    } spread[2];
};

struct tally {
    const struct programme_app *app;
    const struct hours *way; /* straight to its provider; NULL = none of its gates needs it */
    struct history history;
    struct sketch baseline[GATE_METRIC_COUNT];
    bool is_known;                                    /* `frozen` is, from a look before */
    struct baseline_metric frozen[GATE_METRIC_COUNT]; /* of what `baseline` says in the end */
    int64_t baseline_from_us, baseline_to_us;
    int64_t calls[2], left_out, keyless, last_us;
    int64_t hour; /* since 1970, the latest with calls */
    struct tally_gate gates[PROGRAMME_GATES];
};

struct tallies {
    struct tally *list;
    size_t count;
    struct map units;       /* key: index of the application, then the unit */
    VEC(struct str) direct; /* names of ways */
    struct hours *ways;     /* only calls[0] */
    struct arena arena;
    bool too_many;
};

void tallies_init(struct tallies *t, const struct verdict_input *in,
                  const struct programme_app *const *apps, size_t count);
void tallies_release(struct tallies *t);
DEFINE_CLEANUP_VALUE(struct tallies, tallies_release)
void tallies_add_baseline(void *ctx, const struct call_seen *call);
void tallies_set_thresholds(struct tallies *t);
void tallies_add(void *ctx, const struct call_seen *call);
void tallies_add_beside(void *ctx, const struct call_beside *call);
/* Keys to counts, once all calls are in. */
void tallies_finish(struct tallies *t);

#endif
