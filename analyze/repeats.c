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
                                              LEDGER_API,          LEDGER_STARTED_AT };

void repeats_columns(struct scan_columns *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        ret->want[columns[i]] = true;
}

void repeats_release(struct repeats *r)
{
    map_release(&r->answers);
    vec_release(&r->rows);
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

/* The last segment of a path, if it may be an id; else empty. */
static struct str id_segment(struct str path)
{
    struct str last = path;

    for (size_t i = path.len; i > 0; i--)
        if (path.ptr[i - 1] == '/') {
            last = str_sub(path, i, path.len);
            break;
        }
    for (size_t i = 0; i < last.len; i++)
        if (last.ptr[i] >= '0' && last.ptr[i] <= '9')
            return str_find_char(last, ':', 0) < 0 ? last : (struct str){ 0 };
    return (struct str){ 0 };
}

static bool is_fetch(const struct block *b, size_t row)
{
    struct str id = block_str(b, LEDGER_RESPONSE_ID, row);

    if (is_batch(b, row))
        return block_str(b, LEDGER_PATH, row).len > 0;
    return id.len > 0 && str_eq(id_segment(block_str(b, LEDGER_PATH, row)), id);
}

void repeats_hint_columns(struct scan_columns *ret)
{
    ret->want[LEDGER_PATH] = ret->want[LEDGER_API] = true;
}

bool repeats_may_be_in(const struct block *b)
{
    const struct block_column *path = &b->columns[LEDGER_PATH], *api = &b->columns[LEDGER_API];

    for (size_t i = 0; !api->absent && i < api->dict_len; i++)
        if (str_eq(api->dict[i], str_from(api_name(API_BATCH))))
            return true;
    for (size_t i = 0; !path->absent && i < path->dict_len; i++)
        if (id_segment(path->dict[i]).len > 0)
            return true;
    return false;
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

void repeats_note_fetches(struct repeats *r, const struct block *b)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    for (size_t row = 0; row < b->rows; row++)
        if (is_fetch(b, row) && counts(b, row)) {
            answer_key(b, row, &key);
            map_put(&r->answers, buf_str(&key), NULL);
        }
}

void repeats_note_makers(struct repeats *r, const struct block *b)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    for (size_t row = 0; row < b->rows; row++) {
        if (block_is_null(b, LEDGER_RESPONSE_ID, row) || is_fetch(b, row) || !counts(b, row))
            continue;
        answer_key(b, row, &key);
        struct map_entry *e = map_find(&r->answers, buf_str(&key));
        if (e)
            e->value = COUNTED;
    }
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

/* Lists the rows to leave out; the further parts of an exchange follow its first. */
void repeats_note_rows(struct repeats *r, const struct block *b, int64_t from_us, int64_t to_us)
{
    bool left_out = false;

    for (size_t row = 0; row < b->rows; row++) {
        int64_t us = block_int(b, LEDGER_STARTED_AT, row);
        if (us < from_us || us >= to_us || !block_int(b, LEDGER_BILLABLE, row))
            continue;
        if (block_int(b, LEDGER_PART, row) == 0)
            left_out = is_counted(r, b, row);
        if (left_out)
            vec_push(&r->rows, ((struct repeats_row){ .place = (uint64_t)b->ledger << 32 | b->group,
                                                      .row = (uint32_t)row }));
    }
}

enum pass { FETCHES, MAKERS, ROWS };

static int each_block(const struct ledgers *ledgers, enum pass pass, const int64_t span[2],
                      struct repeats *r, struct err *err)
{
    struct scan_options options = { .from_us = INT64_MIN, .to_us = INT64_MAX };
    const struct block *b;
    int more;

    repeats_columns(&options.columns);
    CLEANUP(scan_feed_free) struct scan_feed *feed = scan_feed_new(ledgers, &options);
    CLEANUP(scan_close) struct scan *scan = NULL; /* goes before its feed */
    if (scan_new(feed, &scan, err) < 0)
        return -1;
    while ((more = scan_next(scan, &b, err)) > 0) {
        if (pass == FETCHES)
            repeats_note_fetches(r, b);
        else if (pass == MAKERS)
            repeats_note_makers(r, b);
        else
            repeats_note_rows(r, b, span[0], span[1]);
    }
    return more;
}

int repeats_find(const struct ledgers *ledgers, const struct ledgers *earlier, int64_t from_us,
                 int64_t to_us, struct repeats *ret, struct err *err)
{
    const int64_t span[2] = { from_us, to_us };

    *ret = (struct repeats){ 0 };
    if (each_block(ledgers, FETCHES, span, ret, err) < 0)
        return -1;
    if (ret->answers.len == 0)
        return 0;
    if ((earlier && each_block(earlier, MAKERS, span, ret, err) < 0) ||
        each_block(ledgers, MAKERS, span, ret, err) < 0)
        return -1;
    return each_block(ledgers, ROWS, span, ret, err);
}

const struct repeats_row *repeats_of(const struct repeats *r, uint64_t place, size_t *ret_count)
{
    size_t low = 0, high = r->rows.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->rows.ptr[middle].place < place)
            low = middle + 1;
        else
            high = middle;
    }
    for (*ret_count = 0; low + *ret_count < r->rows.len; ++*ret_count)
        if (r->rows.ptr[low + *ret_count].place != place)
            break;
    return *ret_count > 0 ? &r->rows.ptr[low] : NULL;
}
