#include "config.h"

#include "analyze/repeats.h"

#include "llm/provider.h"
#include "llm/usage.h"

enum {
    FETCHED, /* by a path that names it; nothing has counted yet */
    COUNTED, /* by the request that made it, or by its first fetch */
};

static const enum ledger_column columns[] = { LEDGER_PROVIDER,     LEDGER_PATH,
                                              LEDGER_RESPONSE_ID,  LEDGER_BILLABLE,
                                              LEDGER_USAGE_SOURCE, LEDGER_PART,
                                              LEDGER_API };

void repeats_columns(struct scan_columns *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        ret->want[columns[i]] = true;
}

void repeats_release(struct repeats *r)
{
    map_release(&r->answers);
}

static bool is_batch(const struct block *b, size_t row)
{
    return str_eq(block_str(b, LEDGER_API, row), str_from(api_name(API_BATCH)));
}

/* What names the answer of a row: the file of a batch, else the answer's id. */
static struct str answer_name(const struct block *b, size_t row)
{
    return block_str(b, is_batch(b, row) ? LEDGER_PATH : LEDGER_RESPONSE_ID, row);
}

static bool is_fetch(const struct block *b, size_t row)
{
    struct str name = answer_name(b, row);

    return name.len > 0 && str_ends_with(block_str(b, LEDGER_PATH, row), name);
}

/* A row whose usage would be counted. */
static bool counts(const struct block *b, size_t row)
{
    return block_int(b, LEDGER_BILLABLE, row) &&
           str_eq(block_str(b, LEDGER_USAGE_SOURCE, row),
                  str_from(usage_source_name(USAGE_SOURCE_REPORTED)));
}

static void answer_key(const struct block *b, size_t row, struct buf *ret)
{
    buf_clear(ret);
    buf_add_str(ret, block_str(b, LEDGER_PROVIDER, row));
    buf_add_byte(ret, '\0');
    buf_add_str(ret, answer_name(b, row));
}

static void note_fetches(struct repeats *r, const struct block *b, struct buf *key)
{
    for (size_t row = 0; row < b->rows; row++)
        if (is_fetch(b, row) && counts(b, row)) {
            answer_key(b, row, key);
            map_put(&r->answers, buf_str(key), NULL);
        }
}

static void note_makers(struct repeats *r, const struct block *b, struct buf *key)
{
    for (size_t row = 0; row < b->rows; row++) {
        if (block_is_null(b, LEDGER_RESPONSE_ID, row) || is_fetch(b, row) || !counts(b, row))
            continue;
        answer_key(b, row, key);
        struct map_entry *e = map_find(&r->answers, buf_str(key));
        if (e)
            e->value = COUNTED;
    }
}

static int each_block(const struct archive *a, const struct scan_options *options,
                      struct repeats *r,
                      void (*note)(struct repeats *, const struct block *, struct buf *),
                      struct err *err)
{
    CLEANUP(scan_close) struct scan *scan = NULL;
    CLEANUP(buf_release) struct buf key = { 0 };
    const struct block *b;
    int more;

    if (scan_open(a, options, &scan, err) < 0)
        return -1;
    while ((more = scan_next(scan, &b, err)) > 0)
        note(r, b, &key);
    return more;
}

int repeats_find(const struct archive *a, int64_t from_us, int64_t to_us, struct repeats *ret,
                 struct err *err)
{
    struct scan_options options = { .from_us = from_us, .to_us = to_us };

    *ret = (struct repeats){ 0 };
    repeats_columns(&options.columns);
    if (each_block(a, &options, ret, note_fetches, err) < 0)
        return -1;
    if (ret->answers.len == 0)
        return 0;
    if (from_us > INT64_MIN + REPEATS_LOOK_BACK_US)
        options.from_us -= REPEATS_LOOK_BACK_US;
    return each_block(a, &options, ret, note_makers, err);
}

/* The request that made a fetched answer, but did not report its usage itself: a queued background
 * request, or a stream that was cut.  The fetch knows better. */
static bool is_superseded(const struct block *b, size_t row)
{
    return !is_fetch(b, row) && !counts(b, row) && answer_name(b, row).len > 0;
}

static bool is_counted(struct repeats *r, const struct block *b, size_t row)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool superseded = is_superseded(b, row);

    if (r->answers.len == 0 || (!superseded && !(is_fetch(b, row) && counts(b, row))))
        return false;
    answer_key(b, row, &key);
    struct map_entry *e = map_find(&r->answers, buf_str(&key));
    if (!e || superseded)
        return e;
    bool counted = e->value == COUNTED;
    e->value = COUNTED;
    return counted;
}

bool repeats_is_one(struct repeats *r, const struct block *b, size_t row)
{
    if (block_int(b, LEDGER_PART, row) == 0)
        r->last = is_counted(r, b, row);
    return r->last;
}
