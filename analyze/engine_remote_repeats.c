/* engine_remote_repeats - answers that were fetched again (analyze/repeats), and rows in order.
 *
 * Which of several fetches counts is the first one in the order of the rows: of days, segments and
 * numbers, which is that of an archive's ledgers.
 */
#include "config.h"

#include <inttypes.h>

#include "analyze/engine_remote_parts.h"
#include "analyze/engine_remote_rows.h"

#define IN_ORDER " ORDER BY segment, row"

static void add_batch(struct buf *out)
{
    buf_addf(out, "(api = '%s' AND path != '')", api_name(API_BATCH));
}

/* Fetches of one answer by its id, that reported its usage. */
static void add_fetch(struct buf *out)
{
    buf_add_text(out, "(response_id != '' AND match(response_id, '[0-9]') "
                      "AND position(response_id, ':') = 0 AND "
                      "(path = response_id OR endsWith(path, concat('/', response_id))))");
}

static void add_counts(struct buf *out)
{
    buf_addf(out, "billable != 0 AND usage_source = '%s'",
             usage_source_name(USAGE_SOURCE_REPORTED));
}

/* Whole days, whatever the filter: what analyze/repeats looks into. */
static void add_days(const struct remote *r, int64_t back_us, struct buf *out)
{
    int64_t from_us = r->query->from_us;

    remote_add_dates(from_us > INT64_MIN + back_us ? from_us - back_us : from_us, r->query->to_us,
                     out);
}

/* Answers that were fetched, by id. */
static void add_answered(const struct remote *r, struct buf *out)
{
    buf_addf(out,
             "(response_id != '' AND (provider, response_id) GLOBAL IN "
             "(SELECT provider, response_id FROM %s WHERE ",
             clickhouse_table(r->query->remote));
    add_counts(out);
    buf_add_text(out, " AND ");
    add_fetch(out);
    add_days(r, 0, out);
    buf_add_text(out, "))");
}

/* Rows whose usage may be another's, and the further parts of their exchanges. */
static void make_refetched(struct remote *r)
{
    struct buf *out = &r->refetched;

    buf_addf(out,
             "(billable != 0 AND exchange_id GLOBAL IN "
             "(SELECT exchange_id FROM %s WHERE part = 0 AND billable != 0 AND (",
             clickhouse_table(r->query->remote));
    add_batch(out);
    buf_add_text(out, " OR ");
    add_answered(r, out);
    buf_add_text(out, ")");
    add_days(r, 0, out);
    buf_add_text(out, "))");
}

static int note_fetches(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote *r = ctx;

    if (values[1].i > 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "%" PRId64 " requests of that time, of ledgers that are no archive's, may "
                       "have fetched an answer again (batches, background responses): which one "
                       "counts depends on the order of the files, so ask without --engine",
                       values[1].i);
    if (values[0].i > 0)
        make_refetched(r);
    return 0;
}

static int note_fetch_block(void *ctx, const struct block *b, struct err *err)
{
    struct remote *r = ctx;

    (void)err;
    repeats_note_fetches(&r->repeats, b);
    return 0;
}

static int note_maker_block(void *ctx, const struct block *b, struct err *err)
{
    struct remote *r = ctx;

    (void)err;
    repeats_note_makers(&r->repeats, b);
    return 0;
}

static int read_blocks(struct remote *r, struct buf *which,
                       int (*on_block)(void *, const struct block *, struct err *), struct err *err)
{
    struct remote_rows_options o = { .on_block = on_block, .ctx = r };

    repeats_columns(&o.columns);
    CLEANUP(remote_rows_free) struct remote_rows *rows = remote_rows_new(&o);
    return remote_rows_run(rows, r->query->remote, buf_cstr(which), err);
}

static int find_answers(struct remote *r, struct err *err)
{
    CLEANUP(buf_release) struct buf which = { 0 };

    add_counts(&which);
    buf_add_text(&which, " AND (");
    add_batch(&which);
    buf_add_text(&which, " OR ");
    add_fetch(&which);
    buf_add_text(&which, ")");
    add_days(r, 0, &which);
    if (read_blocks(r, &which, note_fetch_block, err) < 0)
        return -1;
    buf_clear(&which);
    add_counts(&which);
    buf_add_text(&which, " AND ");
    add_answered(r, &which);
    add_days(r, REPEATS_LOOK_BACK_US, &which);
    return read_blocks(r, &which, note_maker_block, err);
}

int remote_find_fetches(struct remote *r, struct err *err)
{
    static const enum clickhouse_kind kinds[] = { CLICKHOUSE_INT, CLICKHOUSE_INT };

    buf_clear(&r->sql);
    buf_addf(&r->sql,
             "SELECT toInt64(count()), toInt64(countIf(substring(segment, 1, 7) = 'sha256-'))"
             " FROM %s WHERE ",
             clickhouse_table(r->query->remote));
    add_counts(&r->sql);
    buf_add_text(&r->sql, " AND (");
    add_batch(&r->sql);
    buf_add_text(&r->sql, " OR ");
    add_fetch(&r->sql);
    buf_add_text(&r->sql, ")");
    add_days(r, 0, &r->sql);
    if (remote_ask(r, kinds, ARRAY_LEN(kinds), note_fetches, err) < 0)
        return -1;
    return r->refetched.len ? find_answers(r, err) : 0;
}

int remote_add_block(void *ctx, const struct block *b, struct err *err)
{
    struct remote *r = ctx;

    if (r->refetched.len) {
        vec_clear(&r->repeats.rows);
        repeats_note_rows(&r->repeats, b, r->query->from_us, r->query->to_us);
    }
    return worker_add(&r->worker, b, b->group, err);
}

/* Everything of the span that passes, or decides what of that counts. */
static void add_rows_of(struct remote *r, struct buf *out)
{
    if (!r->refetched.len) {
        buf_add_str(out, buf_str(&r->filter));
        return;
    }
    remote_add_span(r->query, out);
    buf_addf(out, " AND (%s OR %s)", buf_cstr(&r->filter), buf_cstr(&r->refetched));
}

static struct remote_rows *open_rows(struct remote *r)
{
    struct remote_rows_options o = { .attribution = r->query->attribution,
                                     .where = r->where,
                                     .on_block = remote_add_block,
                                     .ctx = r };

    worker_columns(&r->own, &o.columns);
    o.columns.want[LEDGER_EXCHANGE_ID] = true;
    if (r->refetched.len) {
        repeats_columns(&o.columns);
        o.keep = buf_cstr(&r->filter);
    }
    return remote_rows_new(&o);
}

int remote_add_refetched(struct remote *r, struct err *err)
{
    CLEANUP(buf_release) struct buf which = { 0 };

    if (!r->refetched.len)
        return 0;
    r->own.measures |= r->query->measures & ENGINE_UNITS;
    CLEANUP(remote_rows_free) struct remote_rows *rows = open_rows(r);
    remote_add_span(r->query, &which);
    buf_addf(&which, " AND %s ORDER BY date, segment, row", buf_cstr(&r->refetched));
    if (remote_rows_run(rows, r->query->remote, buf_cstr(&which), err) < 0)
        return -1;
    r->rows_added += (int64_t)remote_rows_count(rows);
    return 0;
}

/* --- every row --- */

static int note_day(void *ctx, const struct clickhouse_value *values, struct err *err)
{
    struct remote *r = ctx;

    (void)err;
    vec_push(&r->days, values[0].i);
    return 0;
}

static int find_days(struct remote *r, struct err *err)
{
    static const enum clickhouse_kind kinds[] = { CLICKHOUSE_INT };

    buf_clear(&r->sql);
    buf_addf(&r->sql, "SELECT toInt64(toUInt16(date)) AS day FROM %s WHERE ",
             clickhouse_table(r->query->remote));
    add_rows_of(r, &r->sql);
    buf_add_text(&r->sql, " GROUP BY day ORDER BY day");
    return remote_ask(r, kinds, ARRAY_LEN(kinds), note_day, err);
}

/* Day by day, so that no more than a day's rows are put in order there. */
int remote_show_rows(struct remote *r, struct err *err)
{
    CLEANUP(buf_release) struct buf which = { 0 };

    if (find_days(r, err) < 0)
        return -1;
    CLEANUP(remote_rows_free) struct remote_rows *rows = open_rows(r);
    for (size_t i = 0; i < r->days.len; i++) {
        buf_clear(&which);
        add_rows_of(r, &which);
        buf_addf(&which, " AND date = toDate(%" PRId64 ")" IN_ORDER, r->days.ptr[i]);
        if (remote_rows_run(rows, r->query->remote, buf_cstr(&which), err) < 0)
            return -1;
    }
    return (int64_t)remote_rows_count(rows) == r->rows ? 0 : remote_changed(err);
}
