#include "config.h"

#include "analyze/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/composite.h"
#include "analyze/scan_feed.h"
#include "analyze/where.h"
#include "base/map.h"
#include "base/vec.h"

enum {
    WHO_COLUMNS = 6,
    RULE_INPUTS = 10,
};

/* The columns rules fill, and where they stand in struct exchange_who. */
static const struct who_column {
    enum ledger_column column;
    size_t offset;
} who_columns[WHO_COLUMNS] = {
    {LEDGER_APP,            offsetof(struct exchange_who, app)          },
    { LEDGER_TEAM,          offsetof(struct exchange_who, team)         },
    { LEDGER_BUSINESS_UNIT, offsetof(struct exchange_who, business_unit)},
    { LEDGER_ENVIRONMENT,   offsetof(struct exchange_who, environment)  },
    { LEDGER_END_USER,      offsetof(struct exchange_who, end_user)     },
    { LEDGER_PURPOSE,       offsetof(struct exchange_who, purpose)      },
};

/* The columns rules read, and where they stand in struct attribution_input. */
static const struct input_column {
    enum ledger_column column;
    size_t offset;
} input_columns[RULE_INPUTS] = {
    {LEDGER_HOST,            offsetof(struct attribution_input, host)          },
    { LEDGER_PATH,           offsetof(struct attribution_input, path)          },
    { LEDGER_KEY_ID,         offsetof(struct attribution_input, key_id)        },
    { LEDGER_USER_AGENT,     offsetof(struct attribution_input, user_agent)    },
    { LEDGER_CLIENT_ADDRESS, offsetof(struct attribution_input, client_address)},
    { LEDGER_UPSTREAM,       offsetof(struct attribution_input, upstream)      },
    { LEDGER_PROVIDER,       offsetof(struct attribution_input, provider)      },
    { LEDGER_MODEL,          offsetof(struct attribution_input, model)         },
    { LEDGER_END_USER,       offsetof(struct attribution_input, end_user)      },
    { LEDGER_LABELS,         offsetof(struct attribution_input, labels)        },
};

/* A who column as the rules make it: codes into its own dictionary, code 0 = empty. */
struct derived {
    struct map values;
    VEC(struct str) dict;
    VEC(uint32_t) codes;
};

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
    struct derived derived[WHO_COLUMNS];
    struct composite seen; /* combinations of what the rules read */
    VEC(uint8_t) keep;
    struct block block;
};

static struct str *str_at(void *object, size_t offset)
{
    return (struct str *)(void *)((char *)object + offset);
}

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
    if (o->attribution) {
        for (size_t i = 0; i < RULE_INPUTS; i++)
            s->first.want[input_columns[i].column] = true;
        for (size_t i = 0; i < WHO_COLUMNS; i++)
            s->first.want[who_columns[i].column] = true;
    }
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
    for (size_t i = 0; i < WHO_COLUMNS; i++) {
        map_release(&s->derived[i].values);
        vec_release(&s->derived[i].dict);
        vec_release(&s->derived[i].codes);
    }
    composite_release(&s->seen);
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

static uint32_t intern(struct derived *d, struct str value)
{
    bool is_new;

    if (d->dict.len == 0)
        vec_push(&d->dict, (struct str){ 0 });
    if (value.len == 0)
        return 0;
    struct map_entry *e = map_put(&d->values, value, &is_new);
    if (is_new) {
        e->value = d->dict.len;
        vec_push(&d->dict, e->key);
    }
    return (uint32_t)e->value;
}

static struct exchange_who who_of(const struct scan *s, size_t row)
{
    const struct block *b = &s->block;
    struct attribution_input in = { 0 };
    struct exchange_who who = { 0 };

    for (size_t i = 0; i < RULE_INPUTS; i++)
        *str_at(&in, input_columns[i].offset) = block_str(b, input_columns[i].column, row);
    for (size_t i = 0; i < WHO_COLUMNS; i++)
        *str_at(&in.given, who_columns[i].offset) = block_str(b, who_columns[i].column, row);
    scan_feed_attribute(s->feed, &in, &who);
    return who;
}

static void split(struct scan *s, enum ledger_column c)
{
    const struct block_column *col = &s->block.columns[c];

    if (!col->absent)
        composite_split(&s->seen, col->codes, col->is_null, col->dict_len);
}

/* Replaces the who columns by what the rules say: rows that agree in all that rules read get the
 * same answer. */
static void apply_rules(struct scan *s)
{
    struct block *b = &s->block;
    VEC(uint32_t) answers[WHO_COLUMNS] = { 0 }; /* by combination */

    composite_start(&s->seen, b->rows);
    for (size_t i = 0; i < RULE_INPUTS; i++)
        split(s, input_columns[i].column);
    for (size_t i = 0; i < WHO_COLUMNS; i++)
        split(s, who_columns[i].column);
    for (size_t id = 0; id < s->seen.count; id++) {
        struct exchange_who who = who_of(s, s->seen.first_row[id]);
        for (size_t i = 0; i < WHO_COLUMNS; i++)
            vec_push(&answers[i], intern(&s->derived[i], *str_at(&who, who_columns[i].offset)));
    }
    for (size_t i = 0; i < WHO_COLUMNS; i++) {
        struct derived *d = &s->derived[i];
        vec_clear(&d->codes);
        for (size_t row = 0; row < b->rows; row++)
            vec_push(&d->codes, answers[i].ptr[s->seen.ids[row]]);
        vec_release(&answers[i]);
        b->columns[who_columns[i].column] = (struct block_column){ .codes = d->codes.ptr,
                                                                   .dict = d->dict.ptr,
                                                                   .dict_len = d->dict.len };
    }
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
