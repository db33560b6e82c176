#include "config.h"

#include "cli/command.h"

#include "analyze/where.h"
#include "base/map.h"
#include "capture/export.h"
#include "cli/span.h"

static const char *const formats[] = { "jsonl", "har", "csv", NULL };

static const struct option_def options[] = {
    OPTION_ARCHIVE,
    OPTION_FORMAT(formats),
    OPTION(VALUE, .name = "output", .letter = 'o', .value = "FILE", .is_path = true,
           .is_stdout = true, .is_private = true, .names_format = true,
           .help = "write here (readable by its owner only) instead of to standard output; its "
                   "ending (.jsonl, .har, .csv) names the format unless --format does"),
    OPTIONS_SPAN,
    OPTION(VALUE, .name = "where", .letter = 'w', .value = "EXPR",
           .help = "only what passes this filter, see weir-where(7)"),
    OPTIONS_END,
};

struct exporting {
    const struct invocation *inv;
    struct archive *archive;
    struct where *where;
    struct map ids; /* of the exchanges that --where lets through */
    struct span span;
};

static void exporting_release(struct exporting *e)
{
    archive_close(e->archive);
    where_free(e->where);
    map_release(&e->ids);
}
DEFINE_CLEANUP_VALUE(struct exporting, exporting_release)

static int write_out(void *ctx, struct str bytes, struct err *err)
{
    (void)ctx;
    cli_out(bytes);
    return cli_out_failed() ? err_set(err, ERR_SYS, "cannot write") : 0;
}

static bool keep(void *ctx, struct uuid id)
{
    struct exporting *e = ctx;
    return map_find(&e->ids, (struct str){ (const char *)id.bytes, sizeof(id.bytes) }) != NULL;
}

/* The ids of all exchanges with a row that passes the filter. */
static int select_ids(struct exporting *e, struct err *err)
{
    CLEANUP(scan_close) struct scan *scan = NULL;
    struct scan_options o = { .from_us = e->span.from_us, .to_us = e->span.to_us };
    const struct block *b;
    int r;

    where_columns(e->where, &o.columns);
    o.columns.want[LEDGER_EXCHANGE_ID] = true;
    if (scan_open(e->archive, &o, &scan, err) < 0)
        return -1;
    while ((r = scan_next(scan, &b, err)) > 0) {
        where_prepare(e->where, b);
        for (size_t row = 0; row < b->rows; row++) {
            struct uuid id;
            if (where_row(e->where, b, row) &&
                uuid_parse(block_str(b, LEDGER_EXCHANGE_ID, row), &id))
                map_put(&e->ids, (struct str){ (const char *)id.bytes, sizeof(id.bytes) }, NULL);
        }
    }
    return r;
}

static int load(struct exporting *e, struct err *err)
{
    const char *where = invocation_get(e->inv, "where");

    if (span_parse(e->inv, NULL, &e->span, err) < 0)
        return -1;
    if (where && where_parse(str_from(where), NULL, &e->where, err) < 0)
        return err_wrap(err, "--where");
    if (archive_open(invocation_get(e->inv, "archive"), false, &e->archive, err) < 0)
        return -1;
    return e->where ? select_ids(e, err) : 0;
}

static enum export_format format_of(const struct invocation *inv)
{
    const char *format = invocation_get(inv, "format");
    int at = 0;
    while (format && formats[at] && !str_eq(str_from(format), str_from(formats[at])))
        at++;
    return (enum export_format)at;
}

static void note_stats(const struct invocation *inv, const struct export_stats *s)
{
    if (s->rows_left_out)
        cli_note(inv, "%llu usage rows were left out: HAR holds exchanges only (jsonl has all)",
                 (unsigned long long)s->rows_left_out);
    if (s->bodies_missing)
        cli_note(inv, "%llu exchanges lack a body that was not recorded or not kept",
                 (unsigned long long)s->bodies_missing);
    if (s->segments_missing)
        cli_note(inv, "%llu segments are gone: --format csv has what their ledgers say",
                 (unsigned long long)s->segments_missing);
}

static int run(const struct invocation *inv)
{
    CLEANUP(exporting_release) struct exporting e = { .inv = inv };
    struct export_stats stats;
    struct err err;

    if (load(&e, &err) < 0)
        return cli_fail(inv, &err);
    struct export_options o = {
        .format = format_of(inv),
        .from_us = e.span.from_us,
        .to_us = e.span.to_us,
        .creator_version = PACKAGE_VERSION,
        .keep = e.where ? keep : NULL,
        .write = write_out,
        .ctx = &e,
    };
    if (export_run(e.archive, &o, &stats, &err) < 0)
        return cli_out_failed() ? EXIT_FAILED : cli_fail(inv, &err); /* main says why */
    note_stats(inv, &stats);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir capture export --archive demo --format csv --where \"app = 'support-bot'\" | head -3",
     "one application's rows, for a spreadsheet"                                                      },
    { "weir capture export --archive demo --format har -o demo.har",
     "everything, for a browser's network panel"                                                      },
    { NULL,                                                                                       NULL},
};

const struct command command_capture_export = {
    .path = "capture export",
    .summary = "write an archive's exchanges as JSON lines, HAR or CSV",
    .operands = "",
    .operands_min = 0,
    .operands_max = 0,
    .options = options,
    .description =
        "Writes what an archive holds in a format that other tools read. JSON lines "
        "(weir-exchanges(5)) hold everything weir knows: imported into another archive they make "
        "the same exchanges, with the same ids, times and chunks. A HAR 1.2 file holds the "
        "exchanges and their bodies, and what HAR has no place for under _weir. CSV holds the "
        "rows of the ledger (weir-ledger(5)), without bodies.\n\n"
        "Credentials are not in an archive, so they are not in what is exported: their place is "
        "taken by fingerprints. Bodies are written as they were recorded. A fingerprint can be "
        "told to be the same only within one key: exports of archives with different keys do not "
        "compare.\n\n"
        "With --output the file appears under its name when it is complete.",
    .examples = examples,
    .see_also = "weir-capture-import(1), weir-exchanges(5), weir-where(7), weir-ledger(5)",
    .run = run,
};
