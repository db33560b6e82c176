/* programme - the plan of a migration, as its owner wrote it: who moves when, how, and on what
 * evidence.  weir-programme(5).
 *
 * A programme is values and the places they stand at, its strings ended by a NUL; reading it checks
 * form and references (programme_lint says what is unwise).  Durations are microseconds, instants
 * Unix microseconds UTC, shares in hundredths of a percent (ROLLOUT_ALL), chances in billionths
 * where they are exact and doubles where they only go into gates.
 */
#ifndef MIGRATE_PROGRAMME_H
#define MIGRATE_PROGRAMME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "migrate/actuator.h"
#include "migrate/gate.h"

#define PROGRAMME_BYTES_MAX (16u << 20)
#define PROGRAMME_APPS_MAX  ACTUATOR_APPS_MAX
#define PROGRAMME_STAGES    16
#define PROGRAMME_GATES     16

struct programme_place {
    uint32_t line, column; /* 0 = not written: a default, or found */
};

struct programme_names {
    struct str *list;
    size_t len;
};

/* Advances wait, rollbacks never. */
struct programme_freeze {
    int64_t from_us, to_us; /* a weekly one is there once for each week */
    struct str reason;
    struct programme_place at;
};

/* What to count, and how sure to be; metrics are migrate/gate's. */
struct programme_gate {
    enum gate_metric metric;
    struct programme_place at;
    bool per_request;        /* unit: request, else the sticky key */
    double harm_ratio;       /* r0: up to here is no harm */
    double safe_ratio;       /* r1: this must be excluded to advance */
    double alpha, beta;      /* of a false rollback (0 = its part, see programme_alpha); of a false
                                advance */
    int64_t min_units;       /* before an advance */
    int64_t min_us;          /* likewise: a day's cycle at least */
    int64_t threshold;       /* us, tokens, 1e-9 USD, attempts; -1 = frozen from the baseline */
    int64_t cap_per_million; /* more than this on the gateway: roll back at once; -1 = none */
    /* So few failures of the application need no comparison: with a gateway that is shown to bring
     * no more at the next stage, an advance goes without excluding a ratio.  0 = always compare. */
    int64_t enough_per_million;
};

struct programme_stage {
    int32_t share;   /* of ROLLOUT_ALL */
    int64_t bake_us; /* at least so long before the next */
};

enum programme_risk {
    PROGRAMME_RISK_UNKNOWN,
    PROGRAMME_RISK_LOW,
    PROGRAMME_RISK_MEDIUM,
    PROGRAMME_RISK_HIGH,
};

struct programme_app {
    struct str name;
    struct programme_place at;
    struct str owner, deputy, channel, team; /* "" = not said: lint and R1 speak up */
    enum programme_risk risk;
    int risk_score;
    struct programme_names reasons; /* for the risk */
    struct programme_names needs;   /* apps that must be through first */
    const struct programme_wave *wave;
    int64_t date_us; /* when it is to begin; 0 = its wave's */
    const struct actuator *actuator;
    struct str direct, gateway, key; /* see struct actuator_share */
    struct programme_stage stages[PROGRAMME_STAGES];
    size_t stage_count; /* ascending, the last is ROLLOUT_ALL */
    struct programme_gate gates[PROGRAMME_GATES];
    size_t gate_count;
    int64_t rollback_us;      /* a rollback must be seen to run within this */
    int64_t rehearsal_age_us; /* a rehearsal older than this counts no more; 0 = none is needed */
    int64_t preflight_age_us; /* likewise */
    struct programme_names approvals; /* roles that must have approved before the first stage */
    struct programme_names readiness; /* checks that must pass: "R1", ... */
    bool is_auto;                     /* watch may advance it */
    bool retired;                     /* no part of it any more; kept for its history */
    int64_t rollback_to;              /* a share: 0 = direct; -1 = the last good checkpoint */
};

struct programme_wave {
    struct str name;
    struct programme_place at;
    int64_t from_us, to_us;
    const struct programme_app **apps; /* in the plan's order */
    size_t app_count;
};

/* A command or a webhook on transitions. */
struct programme_hook {
    struct programme_place at;
    struct programme_names on;      /* words of rollout kinds, "rolled_back", "*" */
    struct programme_names command; /* argv; none = a webhook */
    struct str url, secret_env, secret_file;
    int64_t timeout_us;
};

/* How preflight reaches a gateway under test (replay drill's words). */
struct programme_preflight {
    struct programme_names gateway; /* argv with {port}; none = weir's own proxy with config */
    struct str config, provider, scenario;
    struct str path;                /* of calls at the gateway, as replay drive's; "" = the usual */
    struct str key_env;             /* the variable with the key that goes with each; "" = none */
    struct programme_names headers; /* "name: value", in place of the calls' own */
    struct programme_names asserted; /* what must hold under faults, as replay drill's */
    int64_t calls;                   /* at most so many of an app's recorded calls */
};

struct programme {
    struct arena arena;
    struct str file, folder; /* of the plan */
    struct str sha;          /* SHA-256 of its bytes, hex: what gates and steps name */
    struct str bytes;
    struct str name;
    struct str tz; /* of dates in it: an IANA name */
    struct tz *zone;
    int64_t start_us, end_us;
    struct str archive, config; /* paths; "" = not said */
    struct str rollout;         /* folder of the rollout ledger; default FOLDER/NAME.rollout */
    double alpha_total;         /* chance of one false rollback in all of it */
    int64_t apps_in_flight;     /* at the same time between first stage and 100 %; 0 = no cap */
    int64_t blind_us; /* calls that wait so long to be sealed are missed: what moves holds */
    int64_t spend_moving_per_million; /* of the month's spend between first stage and 100 % */
    const struct programme_freeze *freezes;
    size_t freeze_count;
    const struct actuator *actuators;
    size_t actuator_count;
    const struct programme_wave *waves;
    size_t wave_count;
    const struct programme_app *apps; /* sorted by name */
    size_t app_count;
    const struct programme_hook *hooks;
    size_t hook_count;
    struct programme_preflight preflight;
};

/* Errors are file:line:column, what, and how to mend it.  folder is what paths are relative to. */
int programme_parse(struct str text, const char *name, const char *folder, struct programme **ret,
                    struct err *err);
int programme_load(const char *path, struct programme **ret, struct err *err);
void programme_free(struct programme *p);
DEFINE_CLEANUP(struct programme, programme_free)

/* NULL = none; binary search. */
const struct programme_app *programme_find_app(const struct programme *p, struct str name);
const struct programme_wave *programme_find_wave(const struct programme *p, struct str name);
/* The freeze at a time, NULL = none. */
const struct programme_freeze *programme_frozen(const struct programme *p, int64_t at_us);
/* The chance of a false rollback that one gate of app may spend: its own, or its part of
 * alpha_total, which does not grow when others retire, or are taken out of the plan after they have
 * begun: gone of them (portfolio_gone). */
double programme_alpha(const struct programme *p, size_t gone, const struct programme_app *app,
                       const struct programme_gate *gate);
/* A moment in the programme's zone: "2026-10-07", with " 09:00" unless a day begins there. */
void programme_add_time(const struct programme *p, int64_t us, struct buf *out);
/* When it is to begin: its date or its wave's, 0 if neither is said. */
int64_t programme_date(const struct programme_app *app);
const char *programme_risk_name(enum programme_risk risk); /* "unknown", "low", ... */

#endif
