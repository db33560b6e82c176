#include "config.h"

#include "analyze/dimension.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/map.h"

#define BUCKET_TEXT_BYTES 48

/* Local time, counted since the epoch in units of the bucket, and its name. */
struct bucket_def {
    const char *name;
    int64_t (*number)(int64_t local_us);
    void (*format)(int64_t number, int32_t offset_s, char ret[static BUCKET_TEXT_BYTES]);
};

struct dimension {
    const char *name;
    const struct bucket_def *bucket; /* NULL = a column */
    enum ledger_column column;
    const struct tz *tz;
    struct map values;     /* text to code */
    VEC(struct str) texts; /* by code */
    VEC(uint32_t) codes;   /* text columns: of the block's dictionary */
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
    free(d);
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

static uint32_t intern(struct dimension *d, struct str text)
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

void dimension_prepare(struct dimension *d, const struct block *b)
{
    const struct block_column *col = &b->columns[d->column];

    if (d->bucket || ledger_columns()[d->column].type != PARQUET_STRING || col->absent)
        return;
    vec_clear(&d->codes);
    for (size_t code = 0; code < col->dict_len; code++)
        vec_push(&d->codes, intern(d, col->dict[code]));
}

static uint32_t cache(struct dimension *d, int64_t number, int32_t offset_s, const char *text)
{
    d->cached = true;
    d->cached_number = number;
    d->cached_offset_s = offset_s;
    d->cached_code = intern(d, str_from(text));
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
    if (type == PARQUET_STRING)
        return d->codes.ptr[col->codes[row]];
    int64_t number = col->ints[row];
    if (d->cached && d->cached_number == number)
        return d->cached_code;
    if (type == PARQUET_BOOL)
        snprintf(text, sizeof(text), "%s", number ? "true" : "false");
    else
        snprintf(text, sizeof(text), "%" PRId64, number);
    return cache(d, number, 0, text);
}

struct str dimension_value(const struct dimension *d, uint32_t code)
{
    assert(code < d->texts.len);
    return d->texts.ptr[code];
}
