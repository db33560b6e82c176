/* inventory - which applications there are, as recorded traffic shows them: what they use, what
 * they cost, and what may go wrong when they move.
 *
 * Counted in one pass over the ledgers; names of tools come from bodies (inventory_read_tools).
 * What the traffic cannot show is unknown and counted as such, never as harmless.
 */
#ifndef MIGRATE_INVENTORY_H
#define MIGRATE_INVENTORY_H

#include "analyze/engine.h"
#include "analyze/reconcile.h"
#include "base/distinct.h"
#include "base/sketch.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "capture/conf.h"
#include "migrate/programme.h"

#define INVENTORY_ITEMS_MAX  1000   /* different values of one list; more are counted as others */
#define INVENTORY_APPS_MAX   100000 /* more are an error */
#define INVENTORY_TOOL_CALLS 50     /* calls with tools whose bodies are looked at, of each app */

/* X(constant, name in JSON and CSV) */
#define INVENTORY_LISTS(X)                                                                         \
    X(PROVIDERS, "providers")                                                                      \
    X(APIS, "apis")                                                                                \
    X(MODELS, "models")                                                                            \
    X(PINNED, "pinned_models") /* asked for by a dated name: hard-coded */                         \
    X(UPSTREAMS, "upstreams")                                                                      \
    X(ARMS, "arms")                                                                                \
    X(SDKS, "sdks")                                                                                \
    X(KEYS, "key_ids")                                                                             \
    X(TOOLS, "tools")                                                                              \
    X(WRITERS, "writing_tools") /* tools whose names say that they change something */

enum inventory_list_kind {
#define X(constant, name) INVENTORY_##constant,
    INVENTORY_LISTS(X)
#undef X
        INVENTORY_LIST_COUNT
};

struct inventory_item {
    struct str name;
    int64_t requests;
};

/* Most requests first. */
struct inventory_list {
    VEC(struct inventory_item) items;
    int64_t others; /* requests of those beyond INVENTORY_ITEMS_MAX */
};

struct inventory_day {
    int64_t day; /* since 1970, UTC */
    int64_t requests, errors;
};

/* X(constant, name, weight, what): each has 0 to 3 points. */
#define INVENTORY_FACTORS(X)                                                                       \
    X(AUDIENCE, "audience", 2, "who waits for its answers")                                        \
    X(VOLUME, "volume", 1, "days until gates can decide")                                          \
    X(STREAMING, "streaming", 1, "streams that users watch")                                       \
    X(STRUCTURE, "structure", 2, "tools or structured output")                                     \
    X(EFFECTS, "effects", 2, "tools that change something")                                        \
    X(ENDPOINTS, "endpoints", 1, "interfaces beside chat and embeddings")                          \
    X(CLIENT, "client", 1, "a client that is no known SDK")                                        \
    X(SPECIALS, "specials", 1, "caching, reasoning or search of one provider")                     \
    X(LATENCY, "latency", 1, "how near answers come to the timeout")                               \
    X(DATA, "data", 2, "how sensitive its data is")                                                \
    X(OWNER, "owner", 2, "who answers for it")                                                     \
    X(ERROR_TEXT, "error_text", 1, "code that reads a provider's error texts")                     \
    X(BURSTS, "bursts", 1, "errors that come in bursts")

enum inventory_factor {
#define X(constant, name, weight, what) INVENTORY_##constant,
    INVENTORY_FACTORS(X)
#undef X
        INVENTORY_FACTOR_COUNT
};

struct inventory_risk {
    int points[INVENTORY_FACTOR_COUNT]; /* 0 to 3 */
    bool unknown[INVENTORY_FACTOR_COUNT];
    struct str why[INVENTORY_FACTOR_COUNT]; /* a phrase; "" where there are no points */
    int score;                              /* points times weights */
    enum programme_risk level;              /* the configuration's, if that is higher */
    int order[INVENTORY_FACTOR_COUNT];      /* factors, what weighs most first */
    size_t unknown_count;
};

/* A recorded call that offers tools: where its body is. */
struct inventory_call {
    struct uuid id;
    struct str ledger; /* path */
    int64_t offset;    /* see segment_find */
};

struct inventory_app {
    struct str name; /* "" = of nobody */
    struct str owner, team, environment;
    enum programme_risk declared;
    int64_t requests, errors, streams, truncated, tools, vision, structured, specials;
    int64_t abandoned;              /* requests whose callers left before the answer was whole */
    int64_t on_gateway;             /* requests */
    int64_t with_user, with_key_id; /* requests of which these are known */
    int64_t denied; /* requests that a policy or a gateway's budget refused: not a provider's 429 */
    int64_t over_budget;             /* requests that a gateway refused for a budget of its own */
    int64_t accepted_us, refused_us; /* directly, the last time: no 401 and 403, and one of them;
                                        INT64_MIN = never */
    int64_t in_cutover, with_unit;   /* requests that a cutover decided about; those with its key */
    int64_t chat, other_apis;        /* requests to chat and embeddings, and to anything else */
    int64_t known_sdk, unknown_sdk;  /* requests with a user agent */
    int64_t tool_bodies;             /* calls whose tools were looked at */
    struct inventory_call *calls;    /* INVENTORY_TOOL_CALLS, the latest with tools; NULL = none */
    size_t call_count;               /* of all of them */
    i128 cost_pusd;
    int64_t unpriced;
    struct distinct users;
    int64_t first_us, last_us;
    VEC(struct inventory_day) days;
    struct sketch duration_us, first_token_us;
    struct inventory_list lists[INVENTORY_LIST_COUNT];
    struct inventory_risk risk;
    bool is_counted;                       /* risk is worked out */
    struct map seen[INVENTORY_LIST_COUNT]; /* private */
};

/* How many of an application's requests lack what a cutover by that key tells callers apart by, in
 * millionths; what a cutover saw comes before what the ledger has.  -1 = not on record. */
int64_t inventory_keyless(const struct inventory_app *a, struct str key);

/* Billed, but not recorded: who calls past the proxy? */
struct inventory_missing {
    enum provider provider;
    struct str model;
    i128 cost_pusd;
    int64_t from_us, to_us;
};

struct inventory {
    VEC(struct inventory_app *) apps; /* by name */
    int64_t requests;
    i128 cost_pusd;
    int64_t first_us, last_us; /* of all calls; INT64_MAX, INT64_MIN if there are none */
    VEC(struct inventory_missing) missing;
    i128 missing_pusd;
    bool has_invoice;
    struct map by_name; /* private, as is ledger */
    struct str ledger;
    struct arena arena;
};

void inventory_release(struct inventory *inv);
DEFINE_CLEANUP_VALUE(struct inventory, inventory_release)

/* Of the ledgers that q names: it needs no dimensions and no measures.  conf may be NULL. */
int inventory_count(const struct engine_query *q, const struct conf *conf, struct inventory *ret,
                    struct err *err);
/* Names of tools, from the latest recorded calls of each application that offers any; where bodies
 * are not there (pruned, never recorded) nothing is known of them. */
int inventory_read_tools(struct inventory *inv, struct err *err);
/* What an invoice has that the ledgers have not. */
void inventory_add_missing(struct inventory *inv, const struct reconcile *r);
/* Once all is counted. */
void inventory_weigh(struct inventory *inv);

const struct inventory_app *inventory_find(const struct inventory *inv, struct str app);
/* Days over which it was seen, at least one. */
double inventory_days(const struct inventory_app *a);
/* Whether a model is asked for by a dated name ("gpt-5-2025-08-07", "claude-sonnet-4-20250514"). */
bool inventory_is_pinned(struct str model);
/* Whether the name of a tool says that it changes something: "create_ticket", "sendMail". */
bool inventory_writes(struct str tool);
/* "OpenAI/JS 5.12" out of a user agent; "" if it is no SDK that is known. */
struct str inventory_sdk(struct str user_agent);

/* For inventory_*.c alone: one more in a list; and the list in its order again. */
void inventory_note(struct inventory *inv, struct inventory_app *a, enum inventory_list_kind kind,
                    struct str name, int64_t requests);
void inventory_sort_list(struct inventory_list *l);

const char *inventory_list_name(enum inventory_list_kind kind);
const char *inventory_factor_name(enum inventory_factor factor);
int inventory_factor_weight(enum inventory_factor factor);

#endif
