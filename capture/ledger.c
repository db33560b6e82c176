#include "config.h"

#include "capture/ledger.h"

#include <assert.h>
#include <stdlib.h>

#include "capture/ledger_cells.h"

/* The key by which a file says that it is a ledger, and of which version. */
#define VERSION_KEY "weir.ledger.version"

/* DECIMAL(18, 12) ends below a million dollars. */
#define COST_LIMIT_PUSD INT64_C(1000000000000000000)

static const struct parquet_column columns[] = {
#define X(constant, name, type, optional) [LEDGER_##constant] = { name, PARQUET_##type, optional },
    LEDGER_FIXED_COLUMNS(X)
#undef X
#define X(constant, column, parent)                                                                \
    [LEDGER_USAGE + USAGE_##constant] = { column, PARQUET_INT64, true },
        USAGE_UNITS(X)
#undef X
};
static_assert(ARRAY_LEN(columns) == LEDGER_COLUMN_COUNT, "a row per column");
static_assert(LEDGER_COLUMN_COUNT <= PARQUET_COLUMNS_MAX, "fits a file");

const struct parquet_column *ledger_columns(void)
{
    return columns;
}

int ledger_create(const char *path, struct parquet_writer **ret, struct err *err)
{
    if (parquet_create(path, columns, LEDGER_COLUMN_COUNT, ret, err) < 0)
        return -1;
    parquet_add_metadata(*ret, VERSION_KEY, STR(LEDGER_VERSION));
    return 0;
}

size_t ledger_rows(const struct exchange *x)
{
    return x->facts.part_count > 0 ? x->facts.part_count : 1;
}

static void put_int(struct parquet_cell *cell, int64_t value)
{
    *cell = (struct parquet_cell){ .i = value };
}

/* Null when negative: did not happen, not known. */
static void put_moment(struct parquet_cell *cell, int64_t value)
{
    *cell = (struct parquet_cell){ .is_null = value < 0, .i = value < 0 ? 0 : value };
}

/* Counts of bytes fit 63 bits: no body is longer. */
static void put_bytes(struct parquet_cell *cell, uint64_t value)
{
    put_int(cell, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

void ledger_put_str(struct parquet_cell *cells, enum ledger_column column, struct str value)
{
    bool is_null = columns[column].optional && value.len == 0;

    cells[column] = (struct parquet_cell){ .is_null = is_null, .s = value };
}

static void put_text(struct parquet_cell *cells, enum ledger_column column, const char *text)
{
    ledger_put_str(cells, column, str_from(text));
}

static void put_identity(const struct exchange *x, size_t part, struct arena *scratch,
                         struct parquet_cell *ret)
{
    char id[UUID_TEXT_BYTES];

    ledger_put_str(ret, LEDGER_EXCHANGE_ID, arena_str(scratch, str_from(uuid_format(x->id, id))));
    put_int(&ret[LEDGER_PART], (int64_t)part);
    put_int(&ret[LEDGER_PARTS], (int64_t)ledger_rows(x));
    put_int(&ret[LEDGER_REQUESTS], x->requests > 0 ? x->requests : 1);
    ledger_put_str(ret, LEDGER_WRITER, x->writer);
    put_bytes(&ret[LEDGER_SEQUENCE], x->sequence);
    ledger_put_str(ret, LEDGER_CONTENT_ID, x->content_id);
    ledger_put_str(ret, LEDGER_ORIGIN, x->origin);
    ledger_put_str(ret, LEDGER_TRACE_ID, x->trace_id);
    put_int(&ret[LEDGER_STARTED_AT], x->started_us);
    put_moment(&ret[LEDGER_REQUEST_US], x->request_us);
    put_moment(&ret[LEDGER_HEAD_US], x->head_us);
    put_moment(&ret[LEDGER_FIRST_TOKEN_US], x->first_token_us);
    put_moment(&ret[LEDGER_END_US], x->end_us);
}

static void put_who(const struct exchange *x, struct parquet_cell *ret)
{
    ledger_put_str(ret, LEDGER_APP, x->who.app);
    ledger_put_str(ret, LEDGER_TEAM, x->who.team);
    ledger_put_str(ret, LEDGER_BUSINESS_UNIT, x->who.business_unit);
    ledger_put_str(ret, LEDGER_ENVIRONMENT, x->who.environment);
    ledger_put_str(ret, LEDGER_END_USER, x->who.end_user);
    ledger_put_str(ret, LEDGER_PURPOSE, x->who.purpose);
    ledger_put_str(ret, LEDGER_KEY_ID, x->key_id);
    ledger_put_str(ret, LEDGER_CLIENT_ADDRESS, x->client_address);
    ledger_put_str(ret, LEDGER_USER_AGENT, x->user_agent);
    ledger_put_str(ret, LEDGER_UPSTREAM, x->upstream);
    ledger_put_str(ret, LEDGER_ARM, x->arm);
    ledger_put_str(ret, LEDGER_LABELS, x->labels);
    ledger_put_str(ret, LEDGER_HOST, x->host);
    ledger_put_str(ret, LEDGER_PATH, x->path);
}

static void put_cutover(const struct exchange *x, struct parquet_cell *ret)
{
    bool has = x->cutover_epoch > 0;

    put_moment(&ret[LEDGER_CUTOVER_EPOCH], has ? x->cutover_epoch : -1);
    put_moment(&ret[LEDGER_CUTOVER_SHARE], has ? x->cutover_share : -1);
    ledger_put_str(ret, LEDGER_CUTOVER_UNIT, has ? x->cutover_unit : STR(""));
}

static void put_call(const struct exchange *x, size_t part, struct parquet_cell *ret)
{
    const struct call_facts *f = &x->facts;
    bool has_model = part < f->part_count && f->parts[part].model.len > 0;

    put_text(ret, LEDGER_PROVIDER, provider_name(f->provider));
    put_text(ret, LEDGER_API, api_name(f->api));
    put_text(ret, LEDGER_RECOGNISED_BY, f->recognised_by);
    ledger_put_str(ret, LEDGER_MODEL_REQUESTED, f->model_requested);
    ledger_put_str(ret, LEDGER_MODEL, has_model ? f->parts[part].model : f->model);
    put_int(&ret[LEDGER_STREAM], f->stream);
    put_int(&ret[LEDGER_FEATURES], f->features);
    put_int(&ret[LEDGER_STATUS], x->status);
    put_text(ret, LEDGER_ERROR_CLASS, error_class_name(exchange_error(x)));
    ledger_put_str(ret, LEDGER_ERROR_CODE, f->error_code);
    ledger_put_str(ret, LEDGER_FINISH_REASON, f->finish_reason);
    put_int(&ret[LEDGER_TRUNCATED], x->truncated);
    put_int(&ret[LEDGER_BILLABLE], f->billable);
    ledger_put_str(ret, LEDGER_SERVICE_TIER, f->service_tier);
    ledger_put_str(ret, LEDGER_GEO, f->geo);
    ledger_put_str(ret, LEDGER_VARIANT, f->variant);
    ledger_put_str(ret, LEDGER_RESPONSE_ID, f->response_id);
    ledger_put_str(ret, LEDGER_UPSTREAM_REQUEST_ID, f->upstream_request_id);
    put_bytes(&ret[LEDGER_REQUEST_BYTES], x->request_bytes);
    put_bytes(&ret[LEDGER_RESPONSE_BYTES], x->response_bytes);
}

/* The cost stands in the first row and the others say 0, so that a plain sum over all rows is right
 * and no row is priced beside it. */
static void put_usage(const struct exchange *x, size_t part, struct parquet_cell *ret)
{
    const struct call_facts *f = &x->facts;
    int64_t cost = f->reported_cost_pusd;
    bool has_cost = f->has_reported_cost;
    bool fits = cost > -COST_LIMIT_PUSD && cost < COST_LIMIT_PUSD;

    put_text(ret, LEDGER_USAGE_SOURCE, usage_source_name(f->usage_source));
    put_text(ret, LEDGER_USAGE_NOTE, f->usage_note);
    if (has_cost && !fits && !f->usage_note)
        put_text(ret, LEDGER_USAGE_NOTE, "reported cost of a million USD or more left out");
    has_cost = has_cost && fits;
    ret[LEDGER_REPORTED_COST] =
        (struct parquet_cell){ .is_null = !has_cost, .i = has_cost && part == 0 ? cost : 0 };
    put_text(ret, LEDGER_REPORTED_COST_FIELD, has_cost ? f->reported_cost_field : NULL);
    for (int u = 0; u < USAGE_UNIT_COUNT; u++) {
        bool has = part < f->part_count && usage_has(&f->parts[part].usage, (enum usage_unit)u);
        ret[LEDGER_USAGE + u] =
            (struct parquet_cell){ .is_null = !has, .i = has ? f->parts[part].usage.n[u] : 0 };
    }
}

void ledger_cells(const struct exchange *x, size_t part, int64_t segment_offset,
                  struct arena *scratch, struct parquet_cell *ret)
{
    assert(part < ledger_rows(x));

    put_identity(x, part, scratch, ret);
    put_who(x, ret);
    put_call(x, part, ret);
    put_usage(x, part, ret);
    ledger_put_steps(x, scratch, ret);
    put_cutover(x, ret);
    put_moment(&ret[LEDGER_SEGMENT_OFFSET], segment_offset);
}

static const char *type_name(enum parquet_type type)
{
    static const char *const names[] = {
        [PARQUET_STRING] = "text",
        [PARQUET_INT64] = "a 64-bit integer",
        [PARQUET_INT32] = "a 32-bit integer",
        [PARQUET_BOOL] = "a boolean",
        [PARQUET_TIMESTAMP_US] = "a UTC timestamp in microseconds",
        [PARQUET_DECIMAL_12] = "a decimal with 12 fraction digits in 64 bits",
        [PARQUET_OTHER] = "of a type we do not read",
    };

    return names[type];
}

static int map_columns(const struct parquet_file *f, int ret_map[static LEDGER_COLUMN_COUNT],
                       struct err *err)
{
    struct str version = parquet_metadata(f, VERSION_KEY);

    if (version.ptr && !str_eq(version, STR(LEDGER_VERSION)))
        return err_set(err, ERR_UNSUPPORTED,
                       "ledger version '%.*s', but this weir reads version %s: use the weir that "
                       "wrote it, or a newer one",
                       STR_ARG(version), LEDGER_VERSION);
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        ret_map[c] = parquet_column_find(f, columns[c].name);
        if (ret_map[c] < 0 && !columns[c].optional)
            return err_set(err, ERR_CORRUPT, "no ledger: it has no column '%s'", columns[c].name);
        if (ret_map[c] < 0)
            continue;
        enum parquet_type type = parquet_column_at(f, (size_t)ret_map[c])->type;
        if (type != columns[c].type)
            return err_set(err, ERR_CORRUPT, "column '%s' is %s instead of %s", columns[c].name,
                           type_name(type), type_name(columns[c].type));
    }
    return 0;
}

int ledger_open(const char *path, struct parquet_file **ret,
                int ret_map[static LEDGER_COLUMN_COUNT], struct err *err)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;

    if (parquet_open(path, &f, err) < 0)
        return -1;
    if (map_columns(f, ret_map, err) < 0)
        return err_wrap(err, "'%s'", path);
    *ret = TAKE(f);
    return 0;
}
