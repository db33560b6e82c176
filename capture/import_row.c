#include "config.h"

#include "capture/import_row.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/jscan.h"
#include "base/timestamp.h"
#include "capture/exchange_fields.h"
#include "llm/price.h"

#define COST_SCALE_USD   PUSD_SCALE
#define COST_SCALE_CENTS (PUSD_SCALE - 2)
#define COST_END_PUSD    (INT64_C(1000000) * PUSD_PER_USD) /* what the ledger's column holds */
#define STATUS_OK        200 /* of rows that say nothing else: they were answered and billed */

void import_row_begin(struct import_row *row, const struct import_map *map)
{
    row->map = map;
    memset(row->values, 0, sizeof(row->values));
}

bool import_row_is_null(const struct import_map *map, struct str value)
{
    value = str_trim(value);
    for (size_t i = 0; i < map->null_count; i++)
        if (str_eq(value, map->nulls[i]))
            return true;
    return value.len == 0;
}

static bool is_error_class(struct str value)
{
    enum error_class class;
    return exchange_error_class_parse(value, &class) && class != ERROR_CLASS_NONE;
}

static void set(struct import_row *row, struct import *im, int target, struct str label,
                struct str value)
{
    if (import_row_is_null(row->map, value))
        return;
    for (size_t i = 0; i < row->map->value_count; i++)
        if (row->map->values[i].target == target && str_eq(row->map->values[i].from, value)) {
            value = row->map->values[i].to;
            break;
        }
    if (value.len == 0 || (target == IMPORT_TARGET_ERROR_CLASS && !is_error_class(value)))
        return; /* the next column of the target may have a value */
    if (target == IMPORT_TARGET_LABEL)
        import_label(im, label, value);
    else if (!row->values[target].ptr)
        row->values[target] = arena_str(&im->arena, value);
}

void import_row_set(struct import_row *row, struct import *im, size_t column, struct str value)
{
    const struct import_map_column *c = &row->map->columns[column];
    set(row, im, c->target, c->label, value);
}

void import_row_set_named(struct import_row *row, struct import *im, struct str name,
                          struct str value)
{
    struct str prefix = STR("label.");
    int target = import_target_find(name);

    if (target < 0 && str_starts_with(name, prefix))
        set(row, im, IMPORT_TARGET_LABEL, str_sub(name, prefix.len, name.len), value);
    else if (target >= 0)
        set(row, im, target, STR(""), value);
}

struct str import_row_json_find(struct import *im, struct str object, struct str path)
{
    struct jscan s;
    struct str key, head, rest = path, text;

    if (!str_split(&rest, '.', &head))
        return (struct str){ 0 };
    jscan_init(&s, object);
    if (!jscan_enter_object(&s))
        return (struct str){ 0 };
    while (jscan_next_member(&s, &key)) {
        struct str value = jscan_skip_raw(&s);
        if (s.failed || !str_eq(key, head))
            continue;
        if (str_eq(value, STR("null")))
            return (struct str){ 0 };
        if (import_json_string(im, value, &text))
            value = text;
        return rest.ptr ? import_row_json_find(im, value, rest) : value;
    }
    return (struct str){ 0 };
}

static struct str value_of(const struct import_row *row, enum import_target target)
{
    return row->values[target];
}

/* A count, also written 10.0. */
static int read_count(const struct import_row *row, int target, const char *name, int64_t *ret,
                      struct err *err)
{
    struct str text = row->values[target];
    i128 n;

    if (decimal_parse(text, 0, &n) != DECIMAL_OK || n > INT64_MAX)
        return err_set(err, ERR_CORRUPT, "%s is '%.*s', not a whole number", name, STR_ARG(text));
    if (n < 0)
        return err_set(err, ERR_CORRUPT, "%s is negative: %.*s", name, STR_ARG(text));
    *ret = (int64_t)n;
    return 0;
}

static int read_time(const struct import_row *row, enum import_target target, const char *name,
                     int64_t *ret, struct err *err)
{
    struct str text = value_of(row, target);
    if (timestamp_parse(text, ret))
        return 0;
    return err_set(err, ERR_CORRUPT, "%s is '%.*s', not a time", name, STR_ARG(text));
}

static int use_started(const struct import_row *row, struct import *im, struct err *err)
{
    struct import_record *rec = &im->record;
    struct str text = value_of(row, IMPORT_TARGET_STARTED_AT);
    i128 n;

    if (!text.ptr)
        return 0;
    if (!row->map->relative_time) {
        rec->has_time = true;
        return read_time(row, IMPORT_TARGET_STARTED_AT, "started_at", &rec->x.started_us, err);
    }
    if (!im->options.has_at) {
        im->stats.no_time++;
        return err_set(err, ERR_USAGE,
                       "its time counts from the start of the trace: say with --at TIME when that "
                       "was");
    }
    if (decimal_parse(text, 6, &n) > DECIMAL_ROUNDED || n < 0 ||
        n > (i128)INT64_MAX / 2 / row->map->time_unit_us)
        return err_set(err, ERR_CORRUPT, "started_at is '%.*s', not a time since the start",
                       STR_ARG(text));
    rec->x.started_us = im->options.at_us + (int64_t)(n * row->map->time_unit_us / 1000000);
    rec->has_time = true;
    return 0;
}

/* An offset given as a moment or as milliseconds. */
static int use_offset(const struct import_row *row, struct import *im, enum import_target at,
                      enum import_target ms, int64_t *ret, struct err *err)
{
    int64_t us;
    i128 n;

    if (value_of(row, ms).ptr) {
        if (decimal_parse(value_of(row, ms), 3, &n) > DECIMAL_ROUNDED || n < 0 || n > INT64_MAX / 2)
            return err_set(err, ERR_CORRUPT, "'%.*s' is not a number of milliseconds",
                           STR_ARG(value_of(row, ms)));
        *ret = (int64_t)n;
    } else if (value_of(row, at).ptr && im->record.has_time) {
        if (read_time(row, at, at == IMPORT_TARGET_ENDED_AT ? "ended_at" : "first_token_at", &us,
                      err) < 0)
            return -1;
        if (us >= im->record.x.started_us)
            *ret = us - im->record.x.started_us;
    }
    return 0;
}

static bool has(const struct usage *u, enum usage_unit unit)
{
    return usage_has(u, unit);
}

static int64_t get(const struct usage *u, enum usage_unit unit)
{
    return has(u, unit) ? u->n[unit] : 0;
}

/* Adds up what the table keeps apart (llm/usage.h: input and output hold all of their parts). */
static void add_up(const struct import_map *map, struct usage *u)
{
    if (!has(u, USAGE_CACHE_WRITE) &&
        (has(u, USAGE_CACHE_WRITE_5M) || has(u, USAGE_CACHE_WRITE_1H)))
        usage_set(u, USAGE_CACHE_WRITE,
                  get(u, USAGE_CACHE_WRITE_5M) + get(u, USAGE_CACHE_WRITE_1H));
    if (map->exclusive_input &&
        (has(u, USAGE_INPUT) || has(u, USAGE_CACHED_INPUT) || has(u, USAGE_CACHE_WRITE)))
        usage_add(u, USAGE_INPUT, get(u, USAGE_CACHED_INPUT) + get(u, USAGE_CACHE_WRITE));
    if (map->exclusive_output && has(u, USAGE_REASONING))
        usage_add(u, USAGE_OUTPUT, get(u, USAGE_REASONING));
}

/* A row that sums many requests may hold as many times what one may. */
static int check_usage(const struct usage *u, int64_t requests, struct err *err)
{
    struct usage one = *u;
    for (int i = 0; i < USAGE_UNIT_COUNT; i++)
        one.n[i] /= requests;
    return usage_check(&one, err);
}

static int use_usage(const struct import_row *row, struct import *im, struct err *err)
{
    struct call_facts *facts = &im->record.x.facts;
    struct usage u = { 0 };

    for (int i = 0; i < USAGE_UNIT_COUNT; i++) {
        int64_t n;
        if (!row->values[IMPORT_TARGET_USAGE + i].ptr)
            continue;
        if (read_count(row, IMPORT_TARGET_USAGE + i, usage_unit_name((enum usage_unit)i), &n, err) <
            0)
            return -1;
        if (n > INT64_MAX / 8)
            return err_set(err, ERR_LIMIT, "%s is absurd: %" PRId64,
                           usage_unit_name((enum usage_unit)i), n);
        usage_set(&u, (enum usage_unit)i, n);
    }
    facts->usage_source = USAGE_SOURCE_UNKNOWN;
    facts->usage_note = "the row holds no counts";
    if (!u.present)
        return 0;
    add_up(row->map, &u);
    if (check_usage(&u, im->record.x.requests, err) < 0)
        return -1;
    facts->usage_source = USAGE_SOURCE_REPORTED;
    facts->usage_note = NULL;
    facts->parts[0] = (struct call_part){ facts->model, u };
    facts->part_count = 1;
    return 0;
}

static int use_cost(const struct import_row *row, struct import *im, struct err *err)
{
    struct call_facts *facts = &im->record.x.facts;
    bool cents = !value_of(row, IMPORT_TARGET_COST_USD).ptr;
    struct str text = value_of(row, cents ? IMPORT_TARGET_COST_CENTS : IMPORT_TARGET_COST_USD);
    i128 cost;

    if (!text.ptr)
        return 0;
    /* Other tools print binary fractions ("1.4999999999999999e-05"): what lies below 1e-12 USD is
     * rounded. */
    if (decimal_parse(text, cents ? COST_SCALE_CENTS : COST_SCALE_USD, &cost) > DECIMAL_ROUNDED)
        return err_set(err, ERR_CORRUPT, "cost is '%.*s', not an amount", STR_ARG(text));
    if (cost < 0 || cost >= COST_END_PUSD)
        return err_set(err, ERR_LIMIT, "cost is '%.*s': expected 0 to less than a million USD",
                       STR_ARG(text));
    if (cost == 0 && row->map->zero_cost_unknown)
        return 0;
    facts->has_reported_cost = true;
    facts->reported_cost_pusd = (int64_t)cost;
    facts->reported_cost_field = cents ? "row.cost_cents" : "row.cost_usd";
    return 0;
}

/* Provider and model: given apart, or in one text. */
static void use_model(const struct import_row *row, struct import *im)
{
    struct call_facts *facts = &im->record.x.facts;
    struct str given = value_of(row, IMPORT_TARGET_PROVIDER);
    struct str model = value_of(row, IMPORT_TARGET_MODEL);
    enum provider split = PROVIDER_UNKNOWN;

    facts->model = model;
    if (model.ptr)
        import_map_split_model(row->map, model, &split, &facts->model);
    facts->provider = split;
    if (given.ptr && !provider_parse(given, &facts->provider)) {
        facts->provider = split ? split : PROVIDER_COMPATIBLE;
        import_label(im, STR("provider"), given);
    }
    if (!facts->provider && model.ptr)
        facts->provider = PROVIDER_COMPATIBLE;
    facts->model_requested = value_of(row, IMPORT_TARGET_MODEL_REQUESTED);
    if (!facts->model_requested.ptr)
        facts->model_requested = facts->model;
    if (!facts->model.ptr)
        facts->model = facts->model_requested;
}

static bool is_true(struct str s)
{
    return str_ieq(s, STR("true")) || str_eq(s, STR("1")) || str_ieq(s, STR("yes"));
}

static int use_status(const struct import_row *row, struct import *im, struct err *err)
{
    struct exchange *x = &im->record.x;
    int64_t status = STATUS_OK;

    x->facts.error_code = value_of(row, IMPORT_TARGET_ERROR_CODE);
    if (x->facts.error_code.len || value_of(row, IMPORT_TARGET_ERROR_CLASS).ptr)
        status = 0;
    if (value_of(row, IMPORT_TARGET_STATUS).ptr &&
        read_count(row, IMPORT_TARGET_STATUS, "status", &status, err) < 0)
        return -1;
    if (status > 999)
        return err_set(err, ERR_CORRUPT, "status %" PRId64 " is no HTTP status", status);
    x->status = (int)status;
    if (value_of(row, IMPORT_TARGET_ERROR_CLASS).ptr)
        exchange_error_class_parse(value_of(row, IMPORT_TARGET_ERROR_CLASS), &x->facts.error_class);
    else if (status == 429)
        x->facts.error_class = ERROR_CLASS_RATE_LIMITED;
    else if (status >= 500)
        x->facts.error_class = ERROR_CLASS_STATUS_5XX;
    else if (status >= 400)
        x->facts.error_class = ERROR_CLASS_STATUS_4XX;
    return 0;
}

/* Targets that are texts of the record. */
static void use_texts(const struct import_row *row, struct import *im)
{
    struct import_record *rec = &im->record;
    struct exchange *x = &rec->x;
    const struct {
        enum import_target target;
        struct str *to;
    } texts[] = {
        {IMPORT_TARGET_APP,             &x->who.app            },
        { IMPORT_TARGET_TEAM,           &x->who.team           },
        { IMPORT_TARGET_BUSINESS_UNIT,  &x->who.business_unit  },
        { IMPORT_TARGET_ENVIRONMENT,    &x->who.environment    },
        { IMPORT_TARGET_PURPOSE,        &x->who.purpose        },
        { IMPORT_TARGET_END_USER,       &x->facts.end_user     },
        { IMPORT_TARGET_CREDENTIAL,     &rec->credential       },
        { IMPORT_TARGET_CLIENT_ADDRESS, &x->client_address     },
        { IMPORT_TARGET_USER_AGENT,     &x->user_agent         },
        { IMPORT_TARGET_UPSTREAM,       &x->upstream           },
        { IMPORT_TARGET_URL,            &rec->url              },
        { IMPORT_TARGET_SERVICE_TIER,   &x->facts.service_tier },
        { IMPORT_TARGET_GEO,            &x->facts.geo          },
        { IMPORT_TARGET_VARIANT,        &x->facts.variant      },
        { IMPORT_TARGET_FINISH_REASON,  &x->facts.finish_reason},
        { IMPORT_TARGET_RESPONSE_ID,    &x->facts.response_id  },
        { IMPORT_TARGET_TRACE_ID,       &x->trace_id           },
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i].to = value_of(row, texts[i].target);
    if (is_true(value_of(row, IMPORT_TARGET_BATCH)))
        x->facts.service_tier = STR("batch");
    x->facts.stream = is_true(value_of(row, IMPORT_TARGET_STREAM));
}

static int use_api(const struct import_row *row, struct import *im, struct err *err)
{
    struct call_facts *facts = &im->record.x.facts;
    struct str api = value_of(row, IMPORT_TARGET_API);
    CLEANUP(buf_release) struct buf by = { 0 };

    facts->api = API_USAGE_ROW;
    if (api.ptr && !api_parse(api, &facts->api)) {
        facts->api = API_USAGE_ROW; /* "acompletion": other tools' own words */
        import_label(im, STR("api"), api);
    }
    buf_addf(&by, "map %.*s", STR_ARG(row->map->name));
    facts->recognised_by = arena_str(&im->arena, buf_str(&by)).ptr;
    facts->billable = true;
    if (facts->part_count == 0 && !facts->has_reported_cost && !facts->error_code.len)
        return err_set(err, ERR_CORRUPT, "holds neither token counts nor a cost");
    return 0;
}

int import_row_finish(struct import_row *row, struct import *im, struct err *err)
{
    struct exchange *x = &im->record.x;

    for (size_t i = 0; i < row->map->constant_count; i++) {
        const struct import_map_constant *c = &row->map->constants[i];
        set(row, im, c->target, c->label, c->value);
    }
    x->origin = STR(ORIGIN_ROWS);
    if (value_of(row, IMPORT_TARGET_REQUESTS).ptr) {
        if (read_count(row, IMPORT_TARGET_REQUESTS, "requests", &x->requests, err) < 0)
            return -1;
        if (x->requests == 0)
            return 0;
    }
    use_texts(row, im);
    use_model(row, im);
    if (use_started(row, im, err) < 0 ||
        use_offset(row, im, IMPORT_TARGET_ENDED_AT, IMPORT_TARGET_DURATION_MS, &x->end_us, err) <
            0 ||
        use_offset(row, im, IMPORT_TARGET_FIRST_TOKEN_AT, IMPORT_TARGET_FIRST_TOKEN_MS,
                   &x->first_token_us, err) < 0 ||
        use_status(row, im, err) < 0 || use_usage(row, im, err) < 0 || use_cost(row, im, err) < 0 ||
        use_api(row, im, err) < 0)
        return -1;
    return 1;
}
