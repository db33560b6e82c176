/* import_map - which column of a table of usage means what: weir-map(5) (private to
 * capture/import).
 */
#ifndef CAPTURE_IMPORT_MAP_H
#define CAPTURE_IMPORT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/provider.h"
#include "llm/usage.h"

#define IMPORT_MAP_BYTES_MAX   (1u << 20)
#define IMPORT_MAP_COLUMNS_MAX 256

/* What a column can fill.  X(constant, name); the usage units follow under their own names. */
#define IMPORT_TARGETS(X)                                                                          \
    X(STARTED_AT, "started_at")                                                                    \
    X(ENDED_AT, "ended_at")                                                                        \
    X(DURATION_MS, "duration_ms")                                                                  \
    X(FIRST_TOKEN_AT, "first_token_at")                                                            \
    X(FIRST_TOKEN_MS, "first_token_ms")                                                            \
    X(REQUESTS, "requests")                                                                        \
    X(PROVIDER, "provider")                                                                        \
    X(API, "api")                                                                                  \
    X(MODEL, "model")                                                                              \
    X(MODEL_REQUESTED, "model_requested")                                                          \
    X(SERVICE_TIER, "service_tier")                                                                \
    X(BATCH, "batch") /* true: the tier is "batch" */                                              \
    X(GEO, "geo")                                                                                  \
    X(VARIANT, "variant")                                                                          \
    X(STATUS, "status")                                                                            \
    X(ERROR_CODE, "error_code")                                                                    \
    X(ERROR_CLASS, "error_class")                                                                  \
    X(FINISH_REASON, "finish_reason")                                                              \
    X(STREAM, "stream")                                                                            \
    X(RESPONSE_ID, "response_id")                                                                  \
    X(TRACE_ID, "trace_id")                                                                        \
    X(APP, "app")                                                                                  \
    X(TEAM, "team")                                                                                \
    X(BUSINESS_UNIT, "business_unit")                                                              \
    X(ENVIRONMENT, "environment")                                                                  \
    X(PURPOSE, "purpose")                                                                          \
    X(END_USER, "end_user")     /* in clear: kept as a fingerprint */                              \
    X(CREDENTIAL, "credential") /* likewise: becomes key_id */                                     \
    X(CLIENT_ADDRESS, "client_address")                                                            \
    X(USER_AGENT, "user_agent")                                                                    \
    X(UPSTREAM, "upstream")                                                                        \
    X(URL, "url")                                                                                  \
    X(COST_USD, "cost_usd")                                                                        \
    X(COST_CENTS, "cost_cents")

enum import_target {
#define X(constant, name) IMPORT_TARGET_##constant,
    IMPORT_TARGETS(X)
#undef X
        IMPORT_TARGET_USAGE, /* the first of USAGE_UNIT_COUNT */
    IMPORT_TARGET_LABEL = IMPORT_TARGET_USAGE + USAGE_UNIT_COUNT,
    IMPORT_TARGET_COUNT = IMPORT_TARGET_LABEL,
};

struct import_map_column {
    int target;        /* enum import_target, or IMPORT_TARGET_LABEL */
    struct str label;  /* LABEL: its name */
    struct str source; /* the column; dots lead into JSON objects */
};
struct import_map_constant {
    int target;
    struct str label;
    struct str value;
};
/* A value of a target that stands for another, or, if that is empty, for none. */
struct import_map_value {
    int target;
    struct str from, to;
};
struct import_map_model {
    struct str match; /* glob over the model as the table has it */
    struct str provider;
    struct str strip; /* prefix to take off */
};

struct import_map {
    struct str name;
    const struct str *detect; /* a table with all these columns is one of these */
    size_t detect_count;
    const struct import_map_column *columns; /* of one target the first that has a value counts */
    size_t column_count;
    const struct import_map_constant *constants;
    size_t constant_count;
    const struct import_map_value *values;
    size_t value_count;
    const struct import_map_model *models;
    size_t model_count;
    const struct str *nulls; /* texts that say "no value" */
    size_t null_count;
    const struct str *require; /* columns without which a row is passed over */
    size_t require_count;
    struct str records;    /* JSON: the member that holds the list of rows */
    struct str nested;     /* JSON: the member of each of those that holds the rows proper */
    char separator;        /* '\0' = found out */
    bool identity;         /* columns are called as targets are */
    bool exclusive_input;  /* input_tokens leaves out cached and cache-write tokens */
    bool exclusive_output; /* output_tokens leaves out reasoning tokens */
    bool zero_cost_unknown;
    bool relative_time;   /* started_at counts from --at */
    int64_t time_unit_us; /* of a relative time */
    struct arena arena;
};

int import_map_load(const char *path, struct import_map **ret, struct err *err);
int import_map_parse(struct str text, const char *name, struct import_map **ret, struct err *err);
void import_map_free(struct import_map *m);
DEFINE_CLEANUP(struct import_map, import_map_free)
/* By file, or by name in folder. */
int import_map_find(const char *name, const char *folder, struct import_map **ret, struct err *err);
/* The map of folder with the most detect columns among those whose columns the table all has;
 * has_column says whether it has one; json says that it is no
 * text with separators. */
int import_map_detect(const char *folder, bool (*has_column)(const void *ctx, struct str name),
                      const void *ctx, bool json, struct import_map **ret, struct err *err);

/* -1 if there is none. */
int import_target_find(struct str name);
/* Splits "openrouter/anthropic/claude-3.5-sonnet": provider and the model's own name, by the map's
 * rules, then by the prefixes LiteLLM and others use, then by how providers name their models. */
void import_map_split_model(const struct import_map *m, struct str text,
                            enum provider *ret_provider, struct str *ret_model);

#endif
