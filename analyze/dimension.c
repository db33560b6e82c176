#include "config.h"

#include "analyze/dimension.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/map.h"

#define BUCKET_TEXT_BYTES 48

/* A slot of time lies in one bucket, but for zones of the 19th century: what does not is looked at
 * row by row. */
#define SLOT_US     (900 * US_PER_SECOND)
#define SLOTS       256u
#define SLOT_MIXED  UINT32_MAX
#define CODE_UNSEEN UINT32_MAX

/* Local time, counted since the epoch in units of the bucket, and its name. */
struct bucket_def {
    const char *name;
    int64_t (*number)(int64_t local_us);
    void (*format)(int64_t number, int32_t offset_s, char ret[static BUCKET_TEXT_BYTES]);
};

struct slot {
    int64_t number;
    uint32_t code; /* 0 = free */
};

struct dimension {
    const char *name;
    const struct bucket_def *bucket; /* NULL = a column */
    enum ledger_column column;
    const struct tz *tz;
    struct map values;     /* text to code */
    VEC(struct str) texts; /* by code */
    VEC(uint32_t) codes;   /* text columns: of the block's dictionary, made when asked for */
    VEC(uint32_t) rows;    /* other columns: of the block's rows */
    struct slot slots[SLOTS];
    /* The bucket or number last seen: neighbours are mostly the same. */
    bool cached;
    int64_t cached_number;
    int32_t cached_offset_s;
    uint32_t cached_code;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t hour_number(int64_t local_us)
{
    return floor_div(local_us, 3600 * US_PER_SECOND);
}

static int64_t day_number(int64_t local_us)
{
    return floor_div(local_us, US_PER_DAY);
}

/* Weeks begin on Monday; 1970-01-01 was a Thursday. */
static int64_t week_number(int64_t local_us)
{
    return floor_div(day_number(local_us) + 3, 7);
}

static int64_t month_number(int64_t local_us)
{
    struct civil c = civil_from_us(local_us);

    return (int64_t)c.year * 12 + c.month - 1;
}

static int64_t year_number(int64_t local_us)
{
    return civil_from_us(local_us).year;
}

static void format_hour(int64_t number, int32_t offset_s, char ret[static BUCKET_TEXT_BYTES])
{
    struct civil c = civil_from_us(number * 3600 * US_PER_SECOND);
    int minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
    int n =
        snprintf(ret, BUCKET_TEXT_BYTES, "%04d-%02d-%02dT%02d:00", c.year, c.month, c.day, c.hour);

    if (offset_s == 0)
        snprintf(ret + n, BUCKET_TEXT_BYTES - (size_t)n, "Z");
    else
        snprintf(ret + n, BUCKET_TEXT_BYTES - (size_t)n, "%c%02d:%02d", offset_s < 0 ? '-' : '+',
                 minutes / 60, minutes % 60);
}

static void format_day(int64_t number, int32_t offset_s, char ret[static BUCKET_TEXT_BYTES])
{
    struct civil c = civil_from_us(number * US_PER_DAY);

    (void)offset_s;
    snprintf(ret, BUCKET_TEXT_BYTES, "%04d-%02d-%02d", c.year, c.month, c.day);
}

/* ISO 8601: the week belongs to the year its Thursday falls in. */
static void format_week(int64_t number, int32_t offset_s, char ret[static BUCKET_TEXT_BYTES])
{
    int64_t thursday = number * 7;
    int year = civil_from_us(thursday * US_PER_DAY).year;
    int64_t first = day_number(civil_to_us((struct civil){ .year = year, .month = 1, .day = 1 }));

    (void)offset_s;
    snprintf(ret, BUCKET_TEXT_BYTES, "%04d-W%02d", year, (int)((thursday - first) / 7) + 1);
}

static void format_month(int64_t number, int32_t offset_s, char ret[static BUCKET_TEXT_BYTES])
{
    (void)offset_s;
    snprintf(ret, BUCKET_TEXT_BYTES, "%04d-%02d", (int)floor_div(number, 12),
             (int)(number - floor_div(number, 12) * 12) + 1);
}

static void format_year(int64_t number, int32_t offset_s, char ret[static BUCKET_TEXT_BYTES])
{
    (void)offset_s;
    snprintf(ret, BUCKET_TEXT_BYTES, "%04d", (int)number);
}

static const struct bucket_def buckets[] = {
    {"hour",   hour_number,  format_hour },
    { "day",   day_number,   format_day  },
    { "week",  week_number,  format_week },
    { "month", month_number, format_month},
    { "year",  year_number,  format_year },
};

static bool can_group(const struct parquet_column *c)
{
    return c->type == PARQUET_STRING || c->type == PARQUET_INT32 || c->type == PARQUET_BOOL;
}

int dimension_new(struct str name, const struct tz *tz, struct dimension **ret, struct err *err)
{
    CLEANUP(dimension_free) struct dimension *d = mem_calloc(1, sizeof(*d));
    const struct parquet_column *columns = ledger_columns();

    d->tz = tz;
    vec_push(&d->texts, (struct str){ 0 });
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++)
        if (str_eq(name, str_from(buckets[i].name))) {
            d->bucket = &buckets[i];
            d->name = buckets[i].name;
            d->column = LEDGER_STARTED_AT;
        }
    for (size_t c = 0; !d->name && c < LEDGER_COLUMN_COUNT; c++)
        if (can_group(&columns[c]) && str_eq(name, str_from(columns[c].name))) {
            d->name = columns[c].name;
            d->column = (enum ledger_column)c;
        }
    if (!d->name)
        return err_set(err, ERR_USAGE,
                       "cannot group by '%.*s': use app, team, business_unit, end_user, key_id, "
                       "provider, api, model, model_requested, status, error_class, service_tier, "
                       "upstream, arm, day, month or another column of weir-ledger(5)",
                       STR_ARG(str_sub(name, 0, 60)));
    *ret = TAKE(d);
    return 0;
}

void dimension_free(struct dimension *d)
{
    if (!d)
        return;
    map_release(&d->values);
    vec_release(&d->texts);
    vec_release(&d->codes);
    vec_release(&d->rows);
    free(d);
}

struct dimension *dimension_clone(const struct dimension *d)
{
    struct dimension *clone = mem_calloc(1, sizeof(*clone));

    *clone = (struct dimension){
        .name = d->name, .bucket = d->bucket, .column = d->column, .tz = d->tz
    };
    vec_push(&clone->texts, (struct str){ 0 });
    return clone;
}

const char *dimension_name(const struct dimension *d)
{
    return d->name;
}

bool dimension_is_bucket(const struct dimension *d)
{
    return d->bucket;
}

void dimension_columns(const struct dimension *d, struct scan_columns *ret)
{
    ret->want[d->column] = true;
}

uint32_t dimension_intern(struct dimension *d, struct str text)
{
    bool is_new;

    if (text.len == 0)
        return 0;
    struct map_entry *e = map_put(&d->values, text, &is_new);
    if (is_new) {
        e->value = d->texts.len;
        vec_push(&d->texts, e->key);
    }
    return (uint32_t)e->value;
}

bool dimension_find(const struct dimension *d, struct str value, uint32_t *ret)
{
    const struct map_entry *e = value.len ? map_find(&d->values, value) : NULL;

    *ret = e ? (uint32_t)e->value : 0;
    return e || value.len == 0;
}

void dimension_prepare(struct dimension *d, const struct block *b)
{
    const struct block_column *col = &b->columns[d->column];

    if (d->bucket || ledger_columns()[d->column].type != PARQUET_STRING || col->absent)
        return;
    vec_clear(&d->codes);
    for (size_t code = 0; code < col->dict_len; code++)
        vec_push(&d->codes, CODE_UNSEEN);
}

static uint32_t cache(struct dimension *d, int64_t number, int32_t offset_s, const char *text)
{
    d->cached = true;
    d->cached_number = number;
    d->cached_offset_s = offset_s;
    d->cached_code = dimension_intern(d, str_from(text));
    return d->cached_code;
}

static uint32_t bucket_code(struct dimension *d, int64_t us)
{
    int32_t offset_s = d->tz ? tz_offset_at(d->tz, us) : 0;
    int64_t number = d->bucket->number(us + offset_s * US_PER_SECOND);
    char text[BUCKET_TEXT_BYTES];

    if (d->cached && d->cached_number == number && d->cached_offset_s == offset_s)
        return d->cached_code;
    d->bucket->format(number, offset_s, text);
    return cache(d, number, offset_s, text);
}

uint32_t dimension_code(struct dimension *d, const struct block *b, size_t row)
{
    char text[32];

    if (block_is_null(b, d->column, row))
        return 0;
    const struct block_column *col = &b->columns[d->column];
    if (d->bucket)
        return bucket_code(d, col->ints[row]);
    enum parquet_type type = ledger_columns()[d->column].type;
    if (type == PARQUET_STRING) {
        uint32_t *code = &d->codes.ptr[col->codes[row]];
        if (*code == CODE_UNSEEN)
            *code = dimension_intern(d, col->dict[col->codes[row]]);
        return *code;
    }
    int64_t number = col->ints[row];
    if (d->cached && d->cached_number == number)
        return d->cached_code;
    if (type == PARQUET_BOOL)
        snprintf(text, sizeof(text), "%s", number ? "true" : "false");
    else
        snprintf(text, sizeof(text), "%" PRId64, number);
    return cache(d, number, 0, text);
}

static bool is_one_bucket(const struct dimension *d, int64_t from_us)
{
    int64_t last_us = from_us + SLOT_US - 1;
    int32_t before_s = d->tz ? tz_offset_at(d->tz, from_us) : 0;
    int32_t after_s = d->tz ? tz_offset_at(d->tz, last_us) : 0;

    return before_s == after_s && d->bucket->number(from_us + before_s * US_PER_SECOND) ==
                                      d->bucket->number(last_us + after_s * US_PER_SECOND);
}

static void split_times(struct dimension *d, const int64_t *us, size_t rows)
{
    for (size_t row = 0; row < rows; row++) {
        int64_t number = floor_div(us[row], SLOT_US);
        struct slot *slot = &d->slots[(uint64_t)number % SLOTS];
        if (slot->number != number || slot->code == 0) {
            slot->number = number;
            slot->code = is_one_bucket(d, number * SLOT_US) ? bucket_code(d, us[row]) : SLOT_MIXED;
        }
        d->rows.ptr[row] = slot->code != SLOT_MIXED ? slot->code : bucket_code(d, us[row]);
    }
}

void dimension_split(struct dimension *d, const struct block *b, struct dimension_rows *ret)
{
    const struct block_column *col = &b->columns[d->column];

    *ret = (struct dimension_rows){ 0 };
    if (col->absent)
        return;
    if (ledger_columns()[d->column].type == PARQUET_STRING) {
        *ret = (struct dimension_rows){ col->codes, col->is_null, col->dict_len };
        return;
    }
    if (d->rows.cap < b->rows) {
        vec_release(&d->rows);
        d->rows.ptr = mem_calloc(b->rows, sizeof(*d->rows.ptr));
        d->rows.cap = b->rows;
    }
    if (d->bucket && !col->is_null)
        split_times(d, col->ints, b->rows);
    else
        for (size_t row = 0; row < b->rows; row++)
            d->rows.ptr[row] = dimension_code(d, b, row);
    *ret = (struct dimension_rows){ d->rows.ptr, NULL, d->texts.len };
}

struct str dimension_value(const struct dimension *d, uint32_t code)
{
    assert(code < d->texts.len);
    return d->texts.ptr[code];
}

/* --- buckets in a row --- */

/* A moment in the bucket of that name: for hours the first, else some noon. */
static bool moment_in(const struct dimension *d, struct str name, int64_t *ret_us)
{
    struct civil c = { .month = 1, .day = 1, .hour = 12 };
    int64_t year, month = 1, day = 1;

    if (d->bucket->number == hour_number)
        return timestamp_parse(name, ret_us);
    if (!str_to_i64(str_sub(name, 0, 4), &year))
        return false;
    c.year = (int)year;
    if (d->bucket->number == week_number) {
        if (!str_to_i64(str_sub(name, 6, 2), &day))
            return false;
        c.day += 7 * ((int)day - 1);
        int weekday = civil_weekday(civil_from_us(civil_to_us(c)));
        c.day += (3 - weekday + 7) % 7; /* its Thursday */
    } else {
        if ((name.len >= 7 && !str_to_i64(str_sub(name, 5, 2), &month)) ||
            (name.len >= 10 && !str_to_i64(str_sub(name, 8, 2), &day)))
            return false;
        c.month = (int)month;
        c.day = (int)day;
    }
    *ret_us = d->tz ? tz_to_utc(d->tz, c) : civil_to_us(c);
    return true;
}

size_t dimension_steps(struct dimension *d, struct str first, struct str last, size_t max,
                       struct str **ret)
{
    /* None is skipped: local hours begin at quarters, days are 23 hours long at least. */
    int64_t step_us = d->bucket->number == hour_number ? SLOT_US : 6 * 3600 * US_PER_SECOND;
    VEC(struct str) list = { 0 };
    uint32_t end = dimension_intern(d, last), before = 0;
    int64_t us, end_us;

    if (!moment_in(d, first, &us) || !moment_in(d, last, &end_us))
        return 0;
    for (; list.len <= max && before != end && us <= end_us + 2 * US_PER_DAY * 366; us += step_us) {
        uint32_t code = bucket_code(d, us);
        if (code != before)
            vec_push(&list, dimension_value(d, code));
        before = code;
    }
    if (list.len > max || before != end) {
        vec_release(&list);
        return 0;
    }
    *ret = list.ptr;
    return list.len;
}
