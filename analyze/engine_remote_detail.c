/* engine_remote_detail - measures beside money: what each needs is added up there by group.
 *
 * Quantiles are exact as here, as rows are grouped by the bucket of the sketch they would be
 * counted in; users are counted by their names, each once for its group.
 */
#include "config.h"

#include <string.h>

#include "analyze/engine_remote_parts.h"

#define VALUES_MAX USAGE_UNIT_COUNT

struct detail {
    uint32_t measure;
    bool is_text;
    /* What is grouped by beside the group, and the sums behind the count and the times: SQL, each
     * with ", " before it; returns how many. */
    void (*add_key)(struct remote *r, struct buf *out);
    size_t (*add_values)(struct buf *out);
    void (*add)(struct engine_row *row, const struct clickhouse_value *key,
                const struct clickhouse_value *span);
};

/* The result under way, and which of them it is of. */
struct counting {
    struct remote *remote;
    const struct detail *detail;
    int64_t rows;
};

#define REQUESTS ", toInt64(sum(if(part = 0, requests, 0)))"

static void key_none(struct remote *r, struct buf *out)
{
    (void)r;
    buf_add_text(out, "toInt64(0)");
}

static size_t no_values(struct buf *out)
{
    (void)out;
    return 0;
}

/* --- requests and errors --- */

static size_t values_requests(struct buf *out)
{
    buf_add_text(out, REQUESTS);
    return 1;
}

static void add_requests(struct engine_row *row, const struct clickhouse_value *key,
                         const struct clickhouse_value *span)
{
    (void)key;
    row->sums.requests += span[REMOTE_REST].i;
}

static void key_error(struct remote *r, struct buf *out)
{
    (void)r;
    buf_add_text(out, "error_class");
}

static void add_errors(struct engine_row *row, const struct clickhouse_value *key,
                       const struct clickhouse_value *span)
{
    row->detail->errors[worker_parse_error(key->s)] += span[REMOTE_REST].i;
}

/* --- latency --- */

/* Exchanges count once, where it is known; all others are -1. */
static void add_bucket(const char *column, const char *known, struct buf *out)
{
    buf_addf(out, "if(%s, ", known);
    remote_add_low(out, column);
    buf_add_text(out, ", toInt64(-1))");
}

static void key_duration(struct remote *r, struct buf *out)
{
    (void)r;
    add_bucket("end_us", "part = 0 AND isNotNull(end_us)", out);
}

static void key_first_token(struct remote *r, struct buf *out)
{
    (void)r;
    add_bucket("first_token_us", "part = 0 AND isNotNull(first_token_us)", out);
}

static void add_to_sketch(struct sketch *s, const struct clickhouse_value *key,
                          const struct clickhouse_value *span)
{
    if (key->i >= 0)
        sketch_add_bucket(s, sketch_bucket(key->i), (uint64_t)span[REMOTE_ROWS].i);
}

static void add_duration(struct engine_row *row, const struct clickhouse_value *key,
                         const struct clickhouse_value *span)
{
    add_to_sketch(&row->detail->duration_us, key, span);
}

static void add_first_token(struct engine_row *row, const struct clickhouse_value *key,
                            const struct clickhouse_value *span)
{
    add_to_sketch(&row->detail->first_token_us, key, span);
}

/* --- users, times, units --- */

static void key_user(struct remote *r, struct buf *out)
{
    (void)r;
    buf_add_text(out, "end_user");
}

static void add_user(struct engine_row *row, const struct clickhouse_value *key,
                     const struct clickhouse_value *span)
{
    (void)span;
    if (key->s.len > 0)
        distinct_add(&row->detail->users, map_hash(key->s));
}

static void add_times(struct engine_row *row, const struct clickhouse_value *key,
                      const struct clickhouse_value *span)
{
    struct engine_detail *d = row->detail;

    (void)key;
    d->first_us = span[REMOTE_FIRST].i < d->first_us ? span[REMOTE_FIRST].i : d->first_us;
    d->last_us = span[REMOTE_LAST].i > d->last_us ? span[REMOTE_LAST].i : d->last_us;
}

/* Those of answers that were fetched again are counted with their rows. */
static void key_refetched(struct remote *r, struct buf *out)
{
    if (r->refetched.len)
        buf_addf(out, "toInt64(%s)", buf_cstr(&r->refetched));
    else
        key_none(r, out);
}

static size_t values_units(struct buf *out)
{
    for (int u = 0; u < USAGE_UNIT_COUNT; u++) {
        buf_add_text(out, ", toInt64(sum(if(billable != 0, ");
        remote_add_value(out, (enum usage_unit)u);
        buf_add_text(out, ", 0)))");
    }
    return USAGE_UNIT_COUNT;
}

static void add_units(struct engine_row *row, const struct clickhouse_value *key,
                      const struct clickhouse_value *span)
{
    for (size_t u = 0; key->i == 0 && u < USAGE_UNIT_COUNT; u++)
        if (u != USAGE_TOOL_CALLS)
            row->detail->units[u] += span[REMOTE_REST + u].i;
}

/* --- steps --- */

#define STEPS_KNOWN "part = 0 AND isNotNull(attempts)"

static void key_added(struct remote *r, struct buf *out)
{
    CLEANUP(buf_release) struct buf known = { 0 };

    (void)r;
    buf_addf(&known, STEPS_KNOWN " AND ifNull(added_us, 0) > 0 AND ifNull(added_us, 0) < %lld",
             (long long)WORKER_ADDED_MAX_US);
    add_bucket("added_us", buf_cstr(&known), out);
}

enum { STEPS_COUNT = REMOTE_REST, STEPS_EXTRA, STEPS_FALLBACKS, STEPS_CUT, STEPS_ADDED };

static size_t values_steps(struct buf *out)
{
    static const char *const values[] = {
        "1",
        "greatest(toInt64(ifNull(attempts, 1)), toInt64(1)) - 1",
        "ifNull(fallback, 0)",
        "ifNull(cut_attempts, 0)",
        "ifNull(added_us, 0)",
    };

    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        buf_addf(out, ", toInt64(sum(if(" STEPS_KNOWN ", toInt64(%s), toInt64(0))))", values[i]);
    return ARRAY_LEN(values);
}

static void add_steps(struct engine_row *row, const struct clickhouse_value *key,
                      const struct clickhouse_value *span)
{
    struct engine_steps *s = &row->detail->steps;

    s->known += span[STEPS_COUNT].i;
    s->extra += span[STEPS_EXTRA].i;
    s->fallbacks += span[STEPS_FALLBACKS].i;
    s->cut += span[STEPS_CUT].i;
    if (key->i >= 0)
        s->added_us += span[STEPS_ADDED].i;
    add_to_sketch(&s->added, key, span);
}

/* --- all of them --- */

static const struct detail details[] = {
    {0,               false, key_none,        values_requests, add_requests   },
    { ENGINE_ERRORS,  true,  key_error,       values_requests, add_errors     },
    { ENGINE_LATENCY, false, key_duration,    no_values,       add_duration   },
    { ENGINE_LATENCY, false, key_first_token, no_values,       add_first_token},
    { ENGINE_USERS,   true,  key_user,        no_values,       add_user       },
    { ENGINE_TIMES,   false, key_none,        no_values,       add_times      },
    { ENGINE_UNITS,   false, key_refetched,   values_units,    add_units      },
    { ENGINE_STEPS,   false, key_added,       values_steps,    add_steps      },
};

static int add_row(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct counting *c = ctx;
    struct remote *r = c->remote;
    const struct clickhouse_value *key = values + r->column_count;
    const struct clickhouse_value *span = key + 2; /* the slot */
    uint32_t codes[DIMENSIONS_MAX] = { 0 };
    size_t at;

    c->rows += span[REMOTE_ROWS].i;
    if (!remote_start_cell(r, values))
        return 0;
    if (remote_codes(r, span + REMOTE_FIRST, codes, err) < 0 ||
        tally_group(r->tally, codes, &at, err) < 0)
        return -1;
    const struct clickhouse_value made = { .s = block_str(&r->cell, LEDGER_END_USER, 0) };
    bool by_rules = r->query->attribution && c->detail->measure == ENGINE_USERS;
    c->detail->add(&r->tally->rows.ptr[at], by_rules ? &made : key, span);
    return 0;
}

static int count(struct remote *r, const struct detail *d, struct err *err)
{
    enum clickhouse_kind kinds[REMOTE_COLUMNS_MAX + 2 + REMOTE_REST + VALUES_MAX];
    struct counting c = { .remote = r, .detail = d };
    size_t n = r->column_count;
    struct buf *sql = &r->sql;

    buf_clear(sql);
    buf_add_text(sql, "SELECT ");
    remote_add_dimensions(r, kinds, sql);
    kinds[n++] = d->is_text ? CLICKHOUSE_STRING : CLICKHOUSE_INT;
    d->add_key(r, sql);
    buf_add_text(sql, " AS k, ");
    remote_add_slot(r, sql);
    buf_add_text(sql, ", toInt64(count()), toInt64(min(started_at_us)), "
                      "toInt64(max(started_at_us))");
    size_t rest = 1 + REMOTE_REST + d->add_values(sql);
    remote_fill_kinds(kinds, n, rest, CLICKHOUSE_INT);
    buf_addf(sql, " FROM %s WHERE %s GROUP BY k, ", clickhouse_table(r->query->remote),
             buf_cstr(&r->filter));
    remote_add_groups(r, sql);
    const struct clickhouse_query q = {
        .sql = buf_str(sql), .kinds = kinds, .kind_count = n + rest, .on_row = add_row, .ctx = &c
    };
    if (clickhouse_rows(r->query->remote, &q, err) < 0)
        return -1;
    return c.rows == r->rows ? 0 : remote_changed(err);
}

int remote_count_details(struct remote *r, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(details); i++) {
        bool wanted = details[i].measure ? r->query->measures & details[i].measure
                                         : !(r->query->measures & ENGINE_MONEY);
        if (wanted && count(r, &details[i], err) < 0)
            return -1;
    }
    return 0;
}
