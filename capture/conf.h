/* conf - the YAML file that says what to do: weir-config(5).
 *
 * Which keys there are, and of what type, stands in tables (conf_keys): reading, the manual and a
 * JSON Schema come from the same rows.  Unknown keys, wrong types and references to names that do
 * not exist are ERR_USAGE with file:line:column and a hint.  Sections that this program knows but
 * whose commands do not exist yet are accepted and listed as unread.
 *
 * Paths in the file are relative to the folder it lies in.  The module is not called config because
 * every file's first include, "config.h", would then find it.
 */
#ifndef CAPTURE_CONF_H
#define CAPTURE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "capture/attribution.h"
#include "capture/scrub.h"

#define CONF_BYTES_MAX (16u << 20)

struct conf_upstream {
    struct str name, url, api, arm;
};

struct conf_app {
    struct exchange_who is; /* app is its name */
    struct str owner, risk;
    struct str upstream; /* where its calls go that name none; "" = nowhere */
};

struct conf_names {
    struct str *list;
    size_t count;
};

/* What to take out of what is recorded. */
struct conf_redaction {
    struct scrub *scrub;               /* NULL = nothing; owned */
    struct conf_names upstreams, apps; /* only of these; none = of all */
    int64_t hold_bytes;                /* of a body that waits to be looked at */
    int64_t hold_total_bytes;          /* of all of them, in one process */
};

/* What may be spent in a period, and when to speak up. */
enum conf_budget_of {
    CONF_BUDGET_ALL,
    CONF_BUDGET_BUSINESS_UNIT,
    CONF_BUDGET_TEAM,
    CONF_BUDGET_APP,
};
enum conf_budget_per {
    CONF_BUDGET_DAY,
    CONF_BUDGET_WEEK, /* from Monday */
    CONF_BUDGET_MONTH,
    CONF_BUDGET_PER_COUNT,
};
struct conf_budget {
    enum conf_budget_of of;
    struct str name;                  /* "" of ALL */
    i128 pusd[CONF_BUDGET_PER_COUNT]; /* 1e-12 USD; 0 = no limit */
    const int64_t *alert_at;          /* millionths of the budget, ascending */
    size_t alert_at_count;
};

/* Where a secret is: neither is the secret itself; both "" = none. */
struct conf_secret {
    struct str env, file;
};

#define CONF_MICRO INT64_C(1000000) /* shares are in millionths: 1 = 100 % */

/* What weir analyze alerts speaks up about. */
struct conf_alerts {
    struct conf_names by; /* dimensions that are watched beside the whole */
    int64_t change_micro; /* month over month */
    int64_t spike_micro;  /* a day over what is usual */
    int64_t drift_micro;  /* a week over what is usual */
    int64_t unattributed_micro;
    int64_t shift_micro; /* errors and latency: 2000000 = twice */
    i128 floor_pusd;     /* less is nothing to speak of */
    struct {
        struct str url, ca; /* "" = none */
        struct conf_secret secret;
        int64_t timeout_us;
        int64_t tries;
    } webhook;
};

struct yaml;

struct conf {
    struct str archive_path;  /* "" = not said */
    struct str key_file;      /* the organisation's key; "" = the archive's own */
    const struct str *prices; /* overlay files, in order */
    size_t price_count;
    const struct conf_upstream *upstreams;
    size_t upstream_count;
    const struct conf_app *apps;
    size_t app_count;
    struct attribution *attribution; /* never NULL; owned */
    struct conf_redaction redaction;
    struct conf_budget *budgets;
    size_t budget_count;
    struct conf_alerts alerts; /* defaults where the file says nothing */
    const struct str *unread;  /* top-level sections that no command reads yet */
    size_t unread_count;
    struct arena arena; /* holds all of the above */
    struct yaml *yaml;  /* the checked document, for the sections that one command alone reads */
};

/* name is what messages call the input; folder ("" = the current one) is what paths are relative
 * to. */
int conf_parse(struct str text, const char *name, const char *folder, struct conf **ret,
               struct err *err);
int conf_load(const char *path, struct conf **ret, struct err *err);
void conf_free(struct conf *c);
DEFINE_CLEANUP(struct conf, conf_free)

/* What alerts goes by where no configuration says otherwise. */
void conf_alerts_default(struct conf_alerts *ret);

/* The rules for calls of app to upstream; NULL = none.  Not for two threads at once. */
struct scrub *conf_scrub_for(const struct conf *c, struct str upstream, struct str app);

/* The value of a CONF_SIZE in bytes; false if it is none, or beyond INT64_MAX. */
bool conf_size_parse(struct str text, int64_t *ret_bytes);
/* The parts of a CONF_ADDRESS: "127.0.0.1:8700", "[::1]:8700", "localhost:0"; the host without
 * brackets, "*" for every address. */
bool conf_address_parse(struct str text, struct str *ret_host, uint16_t *ret_port);

/* The schema as data. */
enum conf_type {
    CONF_STRING,
    CONF_PATH,     /* a string; relative to the file's folder */
    CONF_URL,      /* "http://..." or "https://..." */
    CONF_SIZE,     /* "256MiB", "64KiB", bytes */
    CONF_COUNT,    /* a whole number, not negative */
    CONF_BOOL,     /* true or false */
    CONF_ADDRESS,  /* "127.0.0.1:8700" */
    CONF_DURATION, /* "15m", "90d" */
    CONF_MONEY,    /* "4000 USD" */
    CONF_PERCENT,  /* 30% */
    CONF_PERCENTS, /* [50%, 80%, 100%] */
    CONF_CHOICE,   /* one of choices */
    CONF_PATTERNS, /* a string or a list of strings */
    CONF_PATHS,    /* a path or a list of paths */
    CONF_LABELS,   /* a map from any name to patterns */
    CONF_MAP,      /* of keys */
    CONF_NAMED,    /* a map from any name to maps of keys */
    CONF_LIST,     /* of maps of keys */
    CONF_LATER,    /* a section of commands to come: not looked at */
};

struct conf_key {
    const char *name; /* NULL ends a table */
    enum conf_type type;
    const char *help;            /* one line, no full stop */
    const struct conf_key *keys; /* MAP, NAMED, LIST */
    const char *const *choices;  /* CHOICE; of a MAP: words that may stand instead */
};

/* The top level. */
const struct conf_key *conf_keys(void);

#endif
