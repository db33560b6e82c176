#include "config.h"

#include "replay/sim_row.h"

#include <stdlib.h>
#include <string.h>

#include "policy/plan.h"
#include "replay/sim_random.h"

#define USAGE(unit) ((enum ledger_column)(LEDGER_USAGE + USAGE_##unit))
#define FIRST_CAP   1024

static const enum ledger_column columns[] = {
    LEDGER_PART,
    LEDGER_REQUESTS,
    LEDGER_STARTED_AT,
    LEDGER_FIRST_TOKEN_US,
    LEDGER_END_US,
    LEDGER_ADDED_US,
    LEDGER_APP,
    LEDGER_TEAM,
    LEDGER_BUSINESS_UNIT,
    LEDGER_END_USER,
    LEDGER_UPSTREAM,
    LEDGER_PROVIDER,
    LEDGER_API,
    LEDGER_MODEL_REQUESTED,
    LEDGER_MODEL,
    LEDGER_STREAM,
    LEDGER_STATUS,
    LEDGER_ERROR_CLASS,
    LEDGER_SERVICE_TIER,
    LEDGER_GEO,
    LEDGER_REQUEST_BYTES,
    LEDGER_RESPONSE_BYTES,
    USAGE(INPUT),
    USAGE(CACHED_INPUT),
    USAGE(CACHE_WRITE),
    USAGE(OUTPUT),
    USAGE(REASONING),
    USAGE(CACHE_WRITE_5M),
    USAGE(CACHE_WRITE_1H),
};

/* What makes a class. */
static const enum ledger_column class_columns[] = {
    LEDGER_APP,          LEDGER_TEAM, LEDGER_BUSINESS_UNIT,   LEDGER_UPSTREAM,
    LEDGER_PROVIDER,     LEDGER_API,  LEDGER_MODEL_REQUESTED, LEDGER_MODEL,
    LEDGER_SERVICE_TIER, LEDGER_GEO,
};
#define CLASS_COLUMNS ARRAY_LEN(class_columns)

static const bool is_no_model_call[API_COUNT] = {
    [API_MODELS] = true, [API_FILES] = true,      [API_COUNT_TOKENS] = true,
    [API_BATCH] = true,  [API_ASSISTANTS] = true,
};

void sim_rows_release(struct sim_rows *r)
{
    sim_block_release(&r->block);
    vec_release(&r->is_other);
    vec_release(&r->error);
    vec_release(&r->user);
}

static enum error_class error_of(struct str name)
{
    for (int e = 0; e < ERROR_CLASS_COUNT; e++)
        if (str_eq(name, str_from(error_class_name((enum error_class)e))))
            return (enum error_class)e;
    return ERROR_CLASS_NONE;
}

static size_t dictionary_len(const struct sim_block *b, enum ledger_column c)
{
    return b->has[c] ? b->values[c].dictionary_len : 0;
}

int sim_rows_load(struct sim_rows *r, size_t group, struct err *err)
{
    struct sim_block *b = &r->block;

    if (sim_block_load(b, group, columns, ARRAY_LEN(columns), err) < 0)
        return -1;
    vec_clear(&r->is_other);
    vec_clear(&r->error);
    vec_clear(&r->user);
    vec_push(&r->is_other, 0);
    vec_push(&r->error, ERROR_CLASS_NONE);
    vec_push(&r->user, 0);
    for (size_t i = 0; i < dictionary_len(b, LEDGER_API); i++) {
        enum api api = API_UNKNOWN;
        api_parse(b->values[LEDGER_API].dictionary[i], &api);
        vec_push(&r->is_other, is_no_model_call[api]);
    }
    for (size_t i = 0; i < dictionary_len(b, LEDGER_ERROR_CLASS); i++)
        vec_push(&r->error, (uint8_t)error_of(b->values[LEDGER_ERROR_CLASS].dictionary[i]));
    for (size_t i = 0; i < dictionary_len(b, LEDGER_END_USER); i++)
        vec_push(&r->user, (uint32_t)map_hash(b->values[LEDGER_END_USER].dictionary[i]) | 1);
    return 0;
}

enum sim_row_kind sim_row_kind(const struct sim_rows *r, size_t row)
{
    const struct sim_block *b = &r->block;

    if (sim_block_int(b, LEDGER_PART, row) > 0)
        return SIM_ROW_PART;
    if (sim_block_int(b, LEDGER_REQUESTS, row) > 1)
        return SIM_ROW_SUM;
    return r->is_other.ptr[sim_block_code(b, LEDGER_API, row)] ? SIM_ROW_OTHER : SIM_ROW_CALL;
}

struct str sim_row_upstream(const struct sim_block *b, size_t row)
{
    struct str upstream = sim_block_str(b, LEDGER_UPSTREAM, row);

    return upstream.len ? upstream : sim_block_str(b, LEDGER_PROVIDER, row);
}

struct str sim_row_model(const struct sim_block *b, size_t row)
{
    struct str asked = sim_block_str(b, LEDGER_MODEL_REQUESTED, row);

    return asked.len ? asked : sim_block_str(b, LEDGER_MODEL, row);
}

/* --- how it ended --- */

/* What a recorded failure is to the policy.  A caller who left says nothing about the target, nor
 * does a call that a policy refused. */
static const struct {
    enum plan_failure failure;
    bool is_broken; /* 200, and of no use */
} endings[ERROR_CLASS_COUNT] = {
    [ERROR_CLASS_NONE] = {PLAN_FAILURES,            false},
    [ERROR_CLASS_TRANSPORT] = { PLAN_FAILED_CONNECT,     false},
    [ERROR_CLASS_TIMEOUT_HEAD] = { PLAN_FAILED_HEAD,        false},
    [ERROR_CLASS_TIMEOUT_FIRST_TOKEN] = { PLAN_FAILED_FIRST_TOKEN, false},
    [ERROR_CLASS_STATUS_4XX] = { PLAN_FAILED_STATUS,      false},
    [ERROR_CLASS_RATE_LIMITED] = { PLAN_FAILED_STATUS,      false},
    [ERROR_CLASS_QUOTA_EXHAUSTED] = { PLAN_FAILED_STATUS,      false},
    [ERROR_CLASS_OVERLOADED] = { PLAN_FAILED_STATUS,      false},
    [ERROR_CLASS_STATUS_5XX] = { PLAN_FAILED_STATUS,      false},
    [ERROR_CLASS_STREAM_ERROR_EVENT] = { PLAN_FAILED_STREAM,      false},
    [ERROR_CLASS_STREAM_CUT] = { PLAN_FAILED_STREAM,      false},
    [ERROR_CLASS_STREAM_STALL] = { PLAN_FAILED_STREAM,      false},
    [ERROR_CLASS_MALFORMED] = { PLAN_FAILURES,           true },
    [ERROR_CLASS_CONTENT_FILTER] = { PLAN_FAILED_CONTENT,     false},
    [ERROR_CLASS_CONTEXT_LENGTH] = { PLAN_FAILED_CONTEXT,     false},
    [ERROR_CLASS_CLIENT_GONE] = { PLAN_FAILURES,           false},
    [ERROR_CLASS_DENIED] = { PLAN_FAILURES,           false},
};

/* A 400 or 422 is the request's fault wherever it goes; these are not. */
static bool is_targets_fault(int status)
{
    return status == 401 || status == 402 || status == 403 || status == 404 || status == 408 ||
           status == 409 || status == 424 || status == 429;
}

static void read_ending(const struct sim_rows *r, size_t row, struct sim_arrival *ret)
{
    const struct sim_block *b = &r->block;
    int64_t status = sim_block_int(b, LEDGER_STATUS, row);
    enum error_class e = (enum error_class)r->error.ptr[sim_block_code(b, LEDGER_ERROR_CLASS, row)];

    ret->failure = (uint8_t)endings[e].failure;
    ret->status = status > 0 && status < PLAN_STATUS_MAX ? (uint16_t)status : 0;
    if (endings[e].is_broken)
        ret->flags |= SIM_BROKEN;
    /* a filter that lets the call through and cuts the answer: nothing leads elsewhere from it */
    if (e == ERROR_CLASS_CONTENT_FILTER && status < 400) {
        ret->failure = PLAN_FAILURES;
        ret->flags |= SIM_BROKEN;
    }
    if (e == ERROR_CLASS_STREAM_STALL)
        ret->flags |= SIM_STALLED;
    if (e == ERROR_CLASS_STATUS_4XX && !is_targets_fault((int)status))
        ret->flags |= SIM_EVERYWHERE;
    if (e == ERROR_CLASS_CLIENT_GONE || e == ERROR_CLASS_DENIED) /* when it ended says nothing */
        ret->first_us = ret->end_us = SIM_UNKNOWN;
}

/* --- what it took --- */

static uint32_t cut(int64_t n)
{
    return n < 0 ? 0 : n >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)n;
}

static uint32_t duration(const struct sim_block *b, enum ledger_column c, size_t row)
{
    int64_t added = sim_block_int(b, LEDGER_ADDED_US, row), us = sim_block_int(b, c, row);

    return sim_block_is_null(b, c, row) ? SIM_UNKNOWN : cut(us - added);
}

static int64_t tokens(const struct sim_block *b, enum ledger_column c, size_t row)
{
    int64_t n = sim_block_int(b, c, row);

    return n > 0 ? n : 0;
}

/* Wholes and their parts become parts that do not overlap, as prices want them. */
static void read_tokens(const struct sim_block *b, size_t row, struct sim_arrival *ret)
{
    int64_t input = tokens(b, USAGE(INPUT), row), cached = tokens(b, USAGE(CACHED_INPUT), row),
            write = tokens(b, USAGE(CACHE_WRITE), row),
            write_5m = tokens(b, USAGE(CACHE_WRITE_5M), row),
            write_1h = tokens(b, USAGE(CACHE_WRITE_1H), row),
            output = tokens(b, USAGE(OUTPUT), row), reasoning = tokens(b, USAGE(REASONING), row);

    if (sim_block_is_null(b, USAGE(INPUT), row) && sim_block_is_null(b, USAGE(OUTPUT), row))
        return;
    ret->flags |= SIM_TOKENS;
    ret->tokens[PRICE_PART_FRESH] = cut(input - cached - write);
    ret->tokens[PRICE_PART_CACHED] = cut(cached);
    ret->tokens[PRICE_PART_WRITE] = cut(write - write_5m - write_1h);
    ret->tokens[PRICE_PART_WRITE_5M] = cut(write_5m);
    ret->tokens[PRICE_PART_WRITE_1H] = cut(write_1h);
    ret->tokens[PRICE_PART_OUTPUT] = cut(output - reasoning);
    ret->tokens[PRICE_PART_REASONING] = cut(reasoning);
}

void sim_row_read(const struct sim_rows *r, size_t row, struct sim_arrival *ret)
{
    const struct sim_block *b = &r->block;

    memset(ret, 0, sizeof(*ret));
    ret->at_us = sim_block_int(b, LEDGER_STARTED_AT, row);
    ret->first_us = duration(b, LEDGER_FIRST_TOKEN_US, row);
    ret->end_us = duration(b, LEDGER_END_US, row);
    ret->request_bytes = cut(sim_block_int(b, LEDGER_REQUEST_BYTES, row));
    ret->answer_bytes = cut(sim_block_int(b, LEDGER_RESPONSE_BYTES, row));
    ret->user = r->user.ptr[sim_block_code(b, LEDGER_END_USER, row)];
    ret->flags = sim_block_int(b, LEDGER_STREAM, row) ? SIM_STREAM : 0;
    read_tokens(b, row, ret);
    read_ending(r, row, ret);
}

/* --- classes --- */

struct sim_row_entry {
    uint32_t codes[CLASS_COLUMNS];
    uint32_t class_plus_one; /* 0 = free */
};

void sim_row_classes_clear(struct sim_row_classes *c)
{
    if (c->entries)
        memset(c->entries, 0, c->cap * sizeof(*c->entries));
    c->len = 0;
}

void sim_row_classes_release(struct sim_row_classes *c)
{
    free(c->entries);
    *c = (struct sim_row_classes){ 0 };
}

static struct sim_row_entry *find_entry(const struct sim_row_classes *c, const uint32_t *codes)
{
    uint64_t h = 0;

    for (size_t i = 0; i < CLASS_COLUMNS; i++)
        h = (h + codes[i] + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = sim_mix(h) & (c->cap - 1);; i = (i + 1) & (c->cap - 1)) {
        struct sim_row_entry *e = &c->entries[i];
        if (e->class_plus_one == 0 || memcmp(e->codes, codes, sizeof(e->codes)) == 0)
            return e;
    }
}

static void grow(struct sim_row_classes *c)
{
    struct sim_row_classes old = *c;

    c->cap = old.cap ? old.cap * 2 : FIRST_CAP;
    c->entries = mem_calloc(c->cap, sizeof(*c->entries));
    for (size_t i = 0; i < old.cap; i++)
        if (old.entries[i].class_plus_one)
            *find_entry(c, old.entries[i].codes) = old.entries[i];
    free(old.entries);
}

static int make_class(const struct sim_block *b, size_t row, struct sim_classes *classes,
                      uint32_t *ret, struct err *err)
{
    struct sim_class class = {
        .app = sim_block_str(b, LEDGER_APP, row),
        .team = sim_block_str(b, LEDGER_TEAM, row),
        .business_unit = sim_block_str(b, LEDGER_BUSINESS_UNIT, row),
        .upstream = sim_row_upstream(b, row),
        .model = sim_row_model(b, row),
        .answered = sim_block_str(b, LEDGER_MODEL, row),
        .tier = sim_block_str(b, LEDGER_SERVICE_TIER, row),
        .geo = sim_block_str(b, LEDGER_GEO, row),
    };

    class.has_upstream = !sim_block_is_null(b, LEDGER_UPSTREAM, row);
    provider_parse(sim_block_str(b, LEDGER_PROVIDER, row), &class.provider);
    api_parse(sim_block_str(b, LEDGER_API, row), &class.api);
    return sim_classes_put(classes, &class, ret, err);
}

int sim_row_class(struct sim_row_classes *c, const struct sim_block *b, size_t row,
                  struct sim_classes *classes, uint32_t *ret, struct err *err)
{
    uint32_t codes[CLASS_COLUMNS];

    if (c->len * 2 >= c->cap)
        grow(c);
    for (size_t i = 0; i < CLASS_COLUMNS; i++)
        codes[i] = sim_block_code(b, class_columns[i], row);
    struct sim_row_entry *e = find_entry(c, codes);
    if (e->class_plus_one == 0) {
        if (make_class(b, row, classes, ret, err) < 0)
            return -1;
        memcpy(e->codes, codes, sizeof(codes));
        e->class_plus_one = *ret + 1;
        c->len++;
    }
    *ret = e->class_plus_one - 1;
    return 0;
}
