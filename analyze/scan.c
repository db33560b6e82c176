#include "config.h"

#include "analyze/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/block_who.h"
#include "analyze/scan_feed.h"
#include "analyze/where.h"
#include "base/vec.h"

struct scan {
    struct scan_feed *feed;
    struct scan_feed *own_feed; /* of scan_open */
    struct ledgers *own_ledgers;
    struct where *where;        /* a filter of its own: it remembers things of the block */
    struct feed_ledger *ledger; /* whose group is shown, or NULL */
    size_t group;
    uint64_t place;
    struct parquet_values values[LEDGER_COLUMN_COUNT];
    struct parquet_scratch *scratch; /* of all values */
    struct scan_columns first, rest; /* decoded before and after rows are chosen */
    struct block_who who;
    VEC(uint8_t) keep;
    struct block block;
};

/* What must be decoded to choose rows, and what may wait until some are chosen. */
static void divide_columns(const struct scan_options *o, struct scan *s)
{
    s->rest = o->columns;
    if (o->select) {
        s->first.want[LEDGER_STARTED_AT] = true;
        if (o->where)
            where_columns(o->where, &s->first);
    } else {
        s->first = o->columns;
    }
    if (o->attribution)
        block_who_add_columns(&s->first);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        s->rest.want[c] &= !s->first.want[c];
}

int scan_new(struct scan_feed *f, struct scan **ret, struct err *err)
{
    CLEANUP(scan_close) struct scan *s = mem_calloc(1, sizeof(*s));
    const struct scan_options *o = scan_feed_options(f);

    s->feed = f;
    s->scratch = parquet_scratch_new();
    divide_columns(o, s);
    if (o->select && o->where && where_clone(o->where, &s->where, err) < 0)
        return -1;
    *ret = TAKE(s);
    return 0;
}

int scan_open(const struct archive *a, const struct scan_options *options, struct scan **ret,
              struct err *err)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(scan_feed_free) struct scan_feed *feed = NULL;

    if (ledgers_add_archive(&ledgers, a, options->from_us, options->to_us, err) < 0)
        return -1;
    struct ledgers *kept = mem_calloc(1, sizeof(*kept));
    *kept = ledgers;
    ledgers = (struct ledgers){ 0 };
    feed = scan_feed_new(kept, options);
    if (scan_new(feed, ret, err) < 0) {
        ledgers_release(kept);
        free(kept);
        return -1;
    }
    (*ret)->own_feed = TAKE(feed);
    (*ret)->own_ledgers = kept;
    return 0;
}

static void let_ledger_go(struct scan *s)
{
    if (s->ledger)
        scan_feed_done(s->feed, s->ledger);
    s->ledger = NULL;
}

void scan_close(struct scan *s)
{
    if (!s)
        return;
    let_ledger_go(s);
    scan_feed_free(s->own_feed);
    if (s->own_ledgers)
        ledgers_release(s->own_ledgers);
    free(s->own_ledgers);
    where_free(s->where);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        parquet_values_release(&s->values[c]);
    parquet_scratch_free(s->scratch);
    block_who_release(&s->who);
    vec_release(&s->keep);
    free(s);
}

uint64_t scan_place(const struct scan *s)
{
    return s->place;
}

static int decode_column(struct scan *s, enum ledger_column c, struct err *err)
{
    struct block_column *col = &s->block.columns[c];
    struct parquet_values *v = &s->values[c];
    struct parquet_file *file = s->ledger->file;
    int column = s->ledger->columns[c];

    if (column < 0 || parquet_is_all_null(file, s->group, (size_t)column)) {
        *col = (struct block_column){ .absent = true };
        return 0;
    }
    v->scratch = s->scratch;
    if (parquet_read(file, s->group, (size_t)column, v, err) < 0)
        return err_wrap(err, "ledger '%s'", s->block.path);
    if (v->count != s->block.rows)
        return err_set(err, ERR_CORRUPT, "ledger '%s': column '%s' has %zu rows, its group %zu",
                       s->block.path, ledger_columns()[c].name, v->count, s->block.rows);
    *col = (struct block_column){ .ints = v->ints,
                                  .codes = v->codes,
                                  .dict = v->dictionary,
                                  .dict_len = v->dictionary_len,
                                  .is_null = v->is_null };
    return 0;
}

static int decode_columns(struct scan *s, const struct scan_columns *which, struct err *err)
{
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        if (which->want[c] && decode_column(s, (enum ledger_column)c, err) < 0)
            return -1;
    return 0;
}

/* --- attribution --- */

static void ask_feed(void *ctx, const struct attribution_input *in, struct exchange_who *ret)
{
    struct scan *s = ctx;

    scan_feed_attribute(s->feed, in, ret);
}

static void apply_rules(struct scan *s)
{
    const struct block_who_rules rules = { .apply = ask_feed, .ctx = s };

    block_who_apply(&s->who, &rules, &s->block);
}

/* --- which rows --- */

static void find_times(struct block *b)
{
    const struct block_column *at = &b->columns[LEDGER_STARTED_AT];
    int64_t first = INT64_MAX, last = INT64_MIN;

    for (size_t row = 0; row < b->rows; row++) {
        int64_t us = at->absent ? 0 : at->ints[row];
        first = us < first ? us : first;
        last = us > last ? us : last;
    }
    b->first_us = first;
    b->last_us = last;
}

/* Sets block.keep; returns whether any row passes. */
static bool choose_rows(struct scan *s)
{
    const struct scan_options *o = scan_feed_options(s->feed);
    struct block *b = &s->block;
    size_t kept = 0;

    find_times(b);
    bool inside = b->first_us >= o->from_us && b->last_us < o->to_us;
    if (inside && !s->where)
        return b->rows > 0;
    if (s->keep.cap < b->rows) {
        vec_release(&s->keep);
        s->keep.ptr = mem_calloc(b->rows, 1);
        s->keep.cap = b->rows;
    }
    uint8_t *keep = s->keep.ptr;
    if (s->where)
        where_rows(s->where, b, keep);
    else
        memset(keep, 1, b->rows);
    for (size_t row = 0; row < b->rows; row++) {
        int64_t us = block_int(b, LEDGER_STARTED_AT, row);
        keep[row] &= us >= o->from_us && us < o->to_us;
        kept += keep[row];
    }
    b->first_us = b->first_us > o->from_us ? b->first_us : o->from_us;
    b->last_us = b->last_us < o->to_us ? b->last_us : o->to_us - 1;
    b->keep = kept < b->rows ? keep : NULL;
    return kept > 0;
}

/* 1 = the block is ready, 0 = none of its rows passes. */
static int read_group(struct scan *s, struct err *err)
{
    const struct scan_options *o = scan_feed_options(s->feed);
    struct block *b = &s->block;

    b->rows = (size_t)parquet_group_rows(s->ledger->file, s->group);
    b->path = s->ledger->path;
    b->ledger = s->ledger->index;
    b->group = s->group;
    b->keep = NULL;
    if (decode_columns(s, &s->first, err) < 0)
        return -1;
    if (o->attribution)
        apply_rules(s);
    if (o->select && !choose_rows(s))
        return 0;
    return decode_columns(s, &s->rest, err) < 0 ? -1 : 1;
}

int scan_load(struct scan *s, enum ledger_column c, struct err *err)
{
    return decode_column(s, c, err);
}

int scan_next(struct scan *s, const struct block **ret, struct err *err)
{
    int r;

    do {
        let_ledger_go(s);
        r = scan_feed_next(s->feed, &s->ledger, &s->group, &s->place, err);
        if (r <= 0)
            return r;
        r = read_group(s, err);
    } while (r == 0);
    if (r < 0)
        scan_feed_stop(s->feed);
    *ret = &s->block;
    return r;
}
