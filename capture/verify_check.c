#include "config.h"

#include "capture/verify_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "capture/exchange.h"
#include "capture/ledger_scan.h"
#include "capture/segment_read.h"

/* The first exchange whose bodies lie in the frame at offset, according to the ledger, and how many
 * there are: 0 if it cannot tell. */
static size_t exchanges_at(const char *ledger_path, uint64_t offset,
                           char ret[static UUID_TEXT_BYTES])
{
    static const enum ledger_column columns[] = { LEDGER_EXCHANGE_ID, LEDGER_PART,
                                                  LEDGER_SEGMENT_OFFSET };
    CLEANUP(ledger_scan_close) struct ledger_scan *scan = NULL;
    struct err ignored;
    size_t count = 0;

    if (ledger_scan_open(ledger_path, columns, ARRAY_LEN(columns), &scan, &ignored) < 0)
        return 0;
    while (ledger_scan_next(scan, &ignored) > 0) {
        struct str id = ledger_scan_str(scan, LEDGER_EXCHANGE_ID);
        if (ledger_scan_is_null(scan, LEDGER_SEGMENT_OFFSET) || id.len >= UUID_TEXT_BYTES ||
            ledger_scan_int(scan, LEDGER_PART) != 0 ||
            (uint64_t)ledger_scan_int(scan, LEDGER_SEGMENT_OFFSET) != offset)
            continue;
        if (count++ == 0) {
            memcpy(ret, id.ptr, id.len);
            ret[id.len] = '\0';
        }
    }
    return count;
}

int verify_locate_segment(const char *path, const char *ledger_path, struct err *err)
{
    char id[UUID_TEXT_BYTES];
    uint64_t frame;

    if (segment_walk(path, &frame, err) == 0)
        return err_set(err, ERR_CORRUPT,
                       "its SHA-256 is not the chain's, though all its frames check out: it is "
                       "another file than the one sealed");
    size_t count = exchanges_at(ledger_path, frame, id);
    struct err why = *err;
    if (count == 1)
        return err_set(err, why.code, "%.380s (exchange %s)", why.text, id);
    if (count > 1)
        return err_set(err, why.code, "%.380s (exchange %s or one of the %zu behind it)", why.text,
                       id, count - 1);
    return -1;
}

int verify_locate_ledger(const char *path, struct err *err)
{
    CLEANUP(parquet_close) struct parquet_file *file = NULL;
    CLEANUP(parquet_values_release) struct parquet_values values = { 0 };

    if (parquet_open(path, &file, err) < 0)
        return -1;
    for (size_t g = 0; g < parquet_group_count(file); g++)
        for (size_t c = 0; c < parquet_column_count(file); c++)
            if (parquet_read(file, g, c, &values, err) < 0)
                return -1;
    return err_set(err, ERR_CORRUPT,
                   "its SHA-256 is not the chain's, though all its pages check out: it is another "
                   "file than the one sealed");
}

/* What a ledger must repeat of the exchange, beside the usage units. */
static const enum ledger_column compared[] = {
    LEDGER_EXCHANGE_ID, LEDGER_PART,          LEDGER_PARTS,          LEDGER_WRITER,
    LEDGER_SEQUENCE,    LEDGER_STARTED_AT,    LEDGER_REQUESTS,       LEDGER_CONTENT_ID,
    LEDGER_STATUS,      LEDGER_REPORTED_COST, LEDGER_SEGMENT_OFFSET,
};
#define COMPARED_COUNT (ARRAY_LEN(compared) + USAGE_UNIT_COUNT)

static enum ledger_column compared_column(size_t i)
{
    return i < ARRAY_LEN(compared) ? compared[i]
                                   : (enum ledger_column)(LEDGER_USAGE + i - ARRAY_LEN(compared));
}

static bool is_same(const struct ledger_scan *scan, enum ledger_column column,
                    const struct parquet_cell *cell)
{
    if (ledger_scan_is_null(scan, column) != cell->is_null)
        return false;
    if (cell->is_null)
        return true;
    if (ledger_columns()[column].type == PARQUET_STRING)
        return str_eq(ledger_scan_str(scan, column), cell->s);
    return ledger_scan_int(scan, column) == cell->i;
}

static int compare_row(const struct ledger_scan *scan, const struct exchange *x,
                       const struct parquet_cell *cells, struct err *err)
{
    char id[UUID_TEXT_BYTES];

    for (size_t i = 0; i < COMPARED_COUNT; i++) {
        enum ledger_column column = compared_column(i);
        if (!is_same(scan, column, &cells[column]))
            return err_set(err, ERR_CORRUPT,
                           "exchange %s: the ledger's '%s' is not what the segment says",
                           uuid_format(x->id, id), ledger_columns()[column].name);
    }
    return 0;
}

/* A segment and a ledger being compared. */
struct comparison {
    struct segment_reader *segment;
    struct ledger_scan *ledger;
    struct arena cells;
    uint64_t exchanges, rows;
};

static void comparison_release(struct comparison *c)
{
    segment_close(c->segment);
    ledger_scan_close(c->ledger);
    arena_release(&c->cells);
}
DEFINE_CLEANUP_VALUE(struct comparison, comparison_release)

static int compare_exchange(struct comparison *c, const struct exchange *x, struct err *err)
{
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];
    size_t rows = ledger_rows(x);

    c->exchanges++;
    for (size_t part = 0; part < rows; part++) {
        int n = ledger_scan_next(c->ledger, err);
        if (n < 0)
            return err_wrap(err, "ledger");
        if (n == 0)
            return err_set(err, ERR_CORRUPT, "the ledger ends before the segment does");
        arena_reset(&c->cells);
        ledger_cells(x, part, segment_offset(c->segment), &c->cells, cells);
        if (compare_row(c->ledger, x, cells, err) < 0)
            return -1;
        c->rows++;
    }
    return 0;
}

static int check_manifest(const struct segment_manifest *m, const struct chain_line *line,
                          struct err *err)
{
    if (!str_eq(m->id, line->id) || !str_eq(m->date, line->date) ||
        !str_eq(m->writer, line->writer) || m->exchanges != line->exchanges ||
        m->first_sequence != line->first_sequence || m->last_sequence != line->last_sequence ||
        m->writer_exchanges != line->writer_exchanges)
        return err_set(err, ERR_CORRUPT, "its manifest says otherwise than the chain's line");
    return 0;
}

int verify_compare(const char *segment_path, const char *ledger_path, const struct chain_line *line,
                   struct err *err)
{
    CLEANUP(comparison_release) struct comparison c = { 0 };
    enum ledger_column columns[COMPARED_COUNT];
    struct exchange x;
    int n;

    for (size_t i = 0; i < COMPARED_COUNT; i++)
        columns[i] = compared_column(i);
    if (segment_open(segment_path, &c.segment, err) < 0 ||
        check_manifest(segment_manifest(c.segment), line, err) < 0)
        return -1;
    if (ledger_scan_open(ledger_path, columns, COMPARED_COUNT, &c.ledger, err) < 0)
        return err_wrap(err, "ledger");
    while ((n = segment_next(c.segment, true, &x, err)) > 0)
        if (compare_exchange(&c, &x, err) < 0)
            return -1;
    if (n < 0)
        return -1;
    n = ledger_scan_next(c.ledger, err);
    if (n)
        return n < 0 ? -1 : err_set(err, ERR_CORRUPT, "the ledger has rows the segment has not");
    if (c.rows != line->rows)
        return err_set(err, ERR_CORRUPT,
                       "the ledger has %" PRIu64 " rows, the chain's line says %" PRIu64, c.rows,
                       line->rows);
    return 0;
}

int verify_read_ids(const char *ledger_path, struct verify_ids *ret, struct err *err)
{
    static const enum ledger_column columns[] = { LEDGER_EXCHANGE_ID, LEDGER_PART,
                                                  LEDGER_SEQUENCE };
    CLEANUP(ledger_scan_close) struct ledger_scan *scan = NULL;
    int n;

    if (ledger_scan_open(ledger_path, columns, ARRAY_LEN(columns), &scan, err) < 0)
        return -1;
    while ((n = ledger_scan_next(scan, err)) > 0) {
        struct verify_id id = { .sequence = (uint64_t)ledger_scan_int(scan, LEDGER_SEQUENCE) };
        if (ledger_scan_int(scan, LEDGER_PART) != 0)
            continue;
        if (!uuid_parse(ledger_scan_str(scan, LEDGER_EXCHANGE_ID), &id.id))
            return err_set(err, ERR_CORRUPT, "an exchange_id is not a UUID");
        if (ret->len == ret->cap) {
            ret->cap = ret->cap ? ret->cap * 2 : 1024;
            ret->ptr = mem_realloc(ret->ptr, ret->cap * sizeof(*ret->ptr));
        }
        ret->ptr[ret->len++] = id;
    }
    return n;
}

void verify_ids_release(struct verify_ids *ids)
{
    free(ids->ptr);
    *ids = (struct verify_ids){ 0 };
}
