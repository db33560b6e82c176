#include "config.h"

#include "capture/export.h"

#include <stdlib.h>

#include "base/csv.h"
#include "base/decimal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "capture/exchange_fields.h"
#include "capture/ledger.h"
#include "capture/ledger_scan.h"
#include "capture/segment_read.h"

#define WRITE_BYTES (256u << 10) /* handed over at a time */

struct exporting {
    const struct export_options *options;
    struct export_stats *stats;
    struct buf out;
    bool out_failed; /* what err says is not about an archive's file */
};

static int flush(struct exporting *e, size_t at_least, struct err *err)
{
    if (e->out.len < at_least || e->out.len == 0)
        return 0;
    int r = e->options->write(e->options->ctx, buf_str(&e->out), err);
    e->out_failed |= r < 0;
    buf_clear(&e->out);
    return r;
}

static bool is_wanted(const struct exporting *e, int64_t started_us, struct uuid id)
{
    const struct export_options *o = e->options;
    return started_us >= o->from_us && started_us < o->to_us && (!o->keep || o->keep(o->ctx, id));
}

static void add_exchange(struct exporting *e, const struct exchange *x)
{
    if (e->options->format == EXPORT_HAR) {
        if (str_eq(x->origin, STR(ORIGIN_ROWS))) {
            e->stats->rows_left_out++;
            return;
        }
        buf_add_text(&e->out, e->stats->exchanges ? ",\n" : "\n");
        export_entry(x, &e->out);
    } else {
        export_line(x, &e->out);
        buf_add_byte(&e->out, '\n');
    }
    e->stats->exchanges++;
    e->stats->bodies_missing += x->request_body_missing || x->response_body_missing;
}

static int export_segment(struct exporting *e, const char *path, struct err *err)
{
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    struct exchange x;
    int got;

    if (segment_open(path, &r, err) < 0)
        return -1;
    while ((got = segment_next(r, true, &x, err)) > 0) {
        if (!is_wanted(e, x.started_us, x.id))
            continue;
        add_exchange(e, &x);
        if (flush(e, WRITE_BYTES, err) < 0)
            return -1;
    }
    return got < 0 ? err_wrap(err, "ledger '%s'", path) : 0;
}

static void add_cell(struct exporting *e, const struct ledger_scan *s, enum ledger_column c)
{
    char
        text[DECIMAL_TEXT_BYTES > TIMESTAMP_TEXT_BYTES ? DECIMAL_TEXT_BYTES : TIMESTAMP_TEXT_BYTES];
    struct str field = { 0 };

    if (!ledger_scan_is_null(s, c)) {
        switch (ledger_columns()[c].type) {
        case PARQUET_STRING:
            field = ledger_scan_str(s, c);
            break;
        case PARQUET_BOOL:
            field = ledger_scan_int(s, c) ? STR("true") : STR("false");
            break;
        case PARQUET_TIMESTAMP_US:
            field = str_from(timestamp_format(ledger_scan_int(s, c), text));
            break;
        case PARQUET_DECIMAL_12:
            field = str_from(decimal_format(ledger_scan_int(s, c), 12, text));
            break;
        case PARQUET_INT32:
        case PARQUET_INT64:
        case PARQUET_OTHER:
            field = str_from(decimal_format(ledger_scan_int(s, c), 0, text));
            break;
        }
    }
    csv_add_field(&e->out, field, ',', c == 0);
}

static int export_ledger(struct exporting *e, const char *path, struct err *err)
{
    CLEANUP(ledger_scan_close) struct ledger_scan *s = NULL;
    enum ledger_column all[LEDGER_COLUMN_COUNT];
    int got;

    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        all[c] = (enum ledger_column)c;
    if (ledger_scan_open(path, all, LEDGER_COLUMN_COUNT, &s, err) < 0)
        return -1;
    while ((got = ledger_scan_next(s, err)) > 0) {
        struct uuid id = { 0 };
        uuid_parse(ledger_scan_str(s, LEDGER_EXCHANGE_ID), &id);
        if (!is_wanted(e, ledger_scan_int(s, LEDGER_STARTED_AT), id))
            continue;
        for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
            add_cell(e, s, all[c]);
        buf_add_byte(&e->out, '\n');
        e->stats->exchanges++;
        if (flush(e, WRITE_BYTES, err) < 0)
            return -1;
    }
    return got;
}

static void add_head(struct exporting *e)
{
    if (e->options->format == EXPORT_CSV) {
        for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
            csv_add_field(&e->out, str_from(ledger_columns()[c].name), ',', c == 0);
        buf_add_byte(&e->out, '\n');
    } else if (e->options->format == EXPORT_HAR) {
        buf_add_text(&e->out, "{\"log\":{\"version\":\"1.2\",\"creator\":{\"name\":\"weir\","
                              "\"version\":");
        json_add_string(&e->out, str_from(e->options->creator_version));
        buf_add_text(&e->out, "},\"entries\":[");
    }
}

static int export_one(struct exporting *e, const struct archive *a, const struct archive_ledger *l,
                      struct err *err)
{
    if (e->options->format == EXPORT_CSV)
        return export_ledger(e, l->path, err);
    char *path = archive_path(a, "segments/date=%s/%s.tar.zst", l->date, l->id);
    int r = 0;
    if (!file_exists(path))
        e->stats->segments_missing++;
    else if (export_segment(e, path, err) < 0)
        r = e->out_failed ? -1 : err_wrap(err, "segment '%s'", path);
    free(path);
    return r;
}

int export_run(const struct archive *a, const struct export_options *options,
               struct export_stats *ret, struct err *err)
{
    CLEANUP(archive_ledgers_release) struct archive_ledgers ledgers = { 0 };
    struct exporting e = { .options = options, .stats = ret };

    *ret = (struct export_stats){ 0 };
    int r = archive_ledgers_list(a, options->from_us, options->to_us, &ledgers, err);
    if (r == 0)
        add_head(&e);
    for (size_t i = 0; r == 0 && i < ledgers.len; i++)
        r = export_one(&e, a, &ledgers.ptr[i], err);
    if (r == 0 && options->format == EXPORT_HAR)
        buf_add_text(&e.out, "\n]}}\n");
    if (r == 0)
        r = flush(&e, 0, err);
    buf_release(&e.out);
    return r;
}
