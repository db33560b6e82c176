#include "config.h"

#include "cli/command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "capture/archive.h"
#include "capture/journal.h"
#include "capture/ledger_scan.h"
#include "cli/span.h"

static const struct option_def options[] = {
    OPTION_ARCHIVE,
    OPTIONS_SPAN,
    OPTION(VALUE, .name = "app", .value = "NAME",
           .help = "only of this application; * stands for anything"),
    OPTION(VALUE, .name = "provider", .value = "NAME", .help = "only of this provider"),
    OPTION(VALUE, .name = "limit", .letter = 'n', .value = "N", .help = "only the last N of them"),
    OPTION_FORMAT(cli_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

/* One exchange; strings live in its page. */
struct row {
    int64_t started_us, end_us, requests;
    struct str id, app, team, provider, api, model, error_class, usage_source;
    int64_t status, input, output;
    bool has_input, has_output;
};

/* The exchanges of one date, by time. */
struct page {
    struct row *rows;
    size_t len, cap;
    struct arena texts;
};

struct listing {
    const struct invocation *inv;
    struct archive *archive;
    struct archive_ledgers ledgers;
    struct span span;
    const char *app;
    const char *provider; /* its record name */
    uint64_t limit;       /* 0 = all */
    struct table *table;
    struct buf out;
    uint64_t printed;
};

static void page_release(struct page *p)
{
    free(p->rows);
    arena_release(&p->texts);
}
DEFINE_CLEANUP_VALUE(struct page, page_release)

static void listing_release(struct listing *l)
{
    archive_ledgers_release(&l->ledgers);
    archive_close(l->archive);
    table_free(l->table);
    buf_release(&l->out);
}
DEFINE_CLEANUP_VALUE(struct listing, listing_release)

static const enum ledger_column wanted[] = {
    LEDGER_EXCHANGE_ID,
    LEDGER_PART,
    LEDGER_STARTED_AT,
    LEDGER_END_US,
    LEDGER_APP,
    LEDGER_TEAM,
    LEDGER_PROVIDER,
    LEDGER_API,
    LEDGER_MODEL,
    LEDGER_STATUS,
    LEDGER_REQUESTS,
    LEDGER_ERROR_CLASS,
    LEDGER_USAGE_SOURCE,
    LEDGER_USAGE + USAGE_INPUT,
    LEDGER_USAGE + USAGE_OUTPUT,
};

static struct str text(struct page *p, const struct ledger_scan *scan, enum ledger_column column)
{
    return arena_str(&p->texts, ledger_scan_str(scan, column));
}

static void add_row(struct page *p, const struct ledger_scan *scan)
{
    if (p->len == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 256;
        p->rows = mem_realloc(p->rows, p->cap * sizeof(*p->rows));
    }
    p->rows[p->len++] = (struct row){
        .started_us = ledger_scan_int(scan, LEDGER_STARTED_AT),
        .end_us =
            ledger_scan_is_null(scan, LEDGER_END_US) ? -1 : ledger_scan_int(scan, LEDGER_END_US),
        .requests = ledger_scan_int(scan, LEDGER_REQUESTS),
        .id = text(p, scan, LEDGER_EXCHANGE_ID),
        .app = text(p, scan, LEDGER_APP),
        .team = text(p, scan, LEDGER_TEAM),
        .provider = text(p, scan, LEDGER_PROVIDER),
        .api = text(p, scan, LEDGER_API),
        .model = text(p, scan, LEDGER_MODEL),
        .error_class = text(p, scan, LEDGER_ERROR_CLASS),
        .usage_source = text(p, scan, LEDGER_USAGE_SOURCE),
        .status = ledger_scan_int(scan, LEDGER_STATUS),
    };
}

/* Parts of an exchange follow one another: their tokens add up. */
static void add_tokens(struct row *row, const struct ledger_scan *scan)
{
    enum ledger_column input = LEDGER_USAGE + USAGE_INPUT, output = LEDGER_USAGE + USAGE_OUTPUT;

    row->has_input |= !ledger_scan_is_null(scan, input);
    row->has_output |= !ledger_scan_is_null(scan, output);
    row->input += ledger_scan_int(scan, input);
    row->output += ledger_scan_int(scan, output);
}

static bool passes(const struct listing *l, const struct ledger_scan *scan)
{
    int64_t at_us = ledger_scan_int(scan, LEDGER_STARTED_AT);

    if (at_us < l->span.from_us || at_us >= l->span.to_us)
        return false;
    if (l->app && !str_glob(str_from(l->app), ledger_scan_str(scan, LEDGER_APP)))
        return false;
    return !l->provider || str_eq(str_from(l->provider), ledger_scan_str(scan, LEDGER_PROVIDER));
}

static int read_ledger(const struct listing *l, const char *path, struct page *p, struct err *err)
{
    CLEANUP(ledger_scan_close) struct ledger_scan *scan = NULL;
    bool passed = false;
    int r;

    if (ledger_scan_open(path, wanted, ARRAY_LEN(wanted), &scan, err) < 0)
        return -1; /* it names the file */
    while ((r = ledger_scan_next(scan, err)) > 0) {
        if (ledger_scan_int(scan, LEDGER_PART) == 0) {
            passed = passes(l, scan);
            if (passed)
                add_row(p, scan);
        }
        if (passed)
            add_tokens(&p->rows[p->len - 1], scan);
    }
    return r < 0 ? err_wrap(err, "ledger '%s'", path) : 0;
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = a, *y = b;

    if (x->started_us != y->started_us)
        return x->started_us < y->started_us ? -1 : 1;
    return str_cmp(x->id, y->id);
}

/* Reads ledgers [from, to), which are of one date. */
static int read_page(const struct listing *l, size_t from, size_t to, struct page *ret,
                     struct err *err)
{
    for (size_t i = from; i < to; i++)
        if (read_ledger(l, l->ledgers.ptr[i].path, ret, err) < 0)
            return -1;
    if (ret->len > 1)
        qsort(ret->rows, ret->len, sizeof(*ret->rows), by_time);
    return 0;
}

static void add_json(struct buf *out, const struct row *row)
{
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "id", row->id);
    json_add_str(out, "started_at", str_from(timestamp_format(row->started_us, at)));
    json_add_int(out, "requests", row->requests);
    json_add_str(out, "app", row->app);
    json_add_str(out, "team", row->team);
    json_add_str(out, "provider", row->provider);
    json_add_str(out, "api", row->api);
    json_add_str(out, "model", row->model);
    json_add_int(out, "status", row->status);
    json_add_str(out, "error_class", row->error_class);
    if (row->has_input)
        json_add_int(out, "input_tokens", row->input);
    if (row->has_output)
        json_add_int(out, "output_tokens", row->output);
    if (row->end_us >= 0)
        json_add_int(out, "duration_us", row->end_us);
    json_add_str(out, "usage_source", row->usage_source);
    buf_add_byte(out, '}');
}

static const struct {
    const char *csv, *title;
    bool right;
} columns[] = {
    {"id",             "ID",       false},
    { "started_at",    "STARTED",  false},
    { "app",           "APP",      false},
    { "team",          "TEAM",     false},
    { "provider",      "PROVIDER", false},
    { "api",           "API",      false},
    { "model",         "MODEL",    false},
    { "status",        "STATUS",   true },
    { "error_class",   "ERROR",    false},
    { "input_tokens",  "INPUT",    true },
    { "output_tokens", "OUTPUT",   true },
    { "duration_us",   "MS",       true },
    { "usage_source",  "USAGE",    false},
};

/* The cells of a row as text, in the order of columns; what is not known is empty. */
struct cells {
    struct str text[ARRAY_LEN(columns)];
    char numbers[ARRAY_LEN(columns)][TIMESTAMP_TEXT_BYTES];
};

static void set_number(struct cells *c, size_t column, bool known, int64_t n)
{
    if (known) {
        snprintf(c->numbers[column], sizeof(c->numbers[column]), "%lld", (long long)n);
        c->text[column] = str_from(c->numbers[column]);
    }
}

static void make_cells(const struct row *row, bool csv, struct cells *c)
{
    int64_t duration = csv ? row->end_us : row->end_us / 1000;

    *c = (struct cells){
        .text = {row->id,
                 { 0 },
                 row->app,
                 row->team,
                 row->provider,
                 row->api,
                 row->model,
                 { 0 },
                 row->error_class,
                 { 0 },
                 { 0 },
                 { 0 },
                 row->usage_source},
    };
    c->text[1] = str_from(timestamp_format(row->started_us, c->numbers[1]));
    set_number(c, 7, csv || row->status, row->status);
    set_number(c, 9, row->has_input, row->input);
    set_number(c, 10, row->has_output, row->output);
    set_number(c, 11, row->end_us >= 0, duration);
}

static void print_row(struct listing *l, const struct row *row)
{
    enum cli_format format = cli_format(l->inv);
    struct cells cells;

    if (format == CLI_FORMAT_JSON) {
        buf_add_text(&l->out, l->printed ? ",\n" : "\n");
        add_json(&l->out, row);
    } else {
        make_cells(row, format == CLI_FORMAT_CSV, &cells);
        for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
            if (format == CLI_FORMAT_CSV)
                csv_add_field(&l->out, cells.text[i], ',', i == 0);
            else
                table_add_cell(l->table, cells.text[i]);
        }
        if (format == CLI_FORMAT_CSV)
            buf_add_byte(&l->out, '\n');
    }
    l->printed++;
}

static void flush(struct listing *l)
{
    cli_out(buf_str(&l->out));
    buf_clear(&l->out);
}

static void begin(struct listing *l)
{
    enum cli_format format = cli_format(l->inv);

    if (format == CLI_FORMAT_TEXT)
        l->table = table_new();
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        if (format == CLI_FORMAT_TEXT)
            table_add_column(l->table, columns[i].title, columns[i].right);
        if (format == CLI_FORMAT_CSV)
            csv_add_field(&l->out, str_from(columns[i].csv), ',', i == 0);
    }
    buf_add_text(&l->out, format == CLI_FORMAT_CSV ? "\n" : format == CLI_FORMAT_JSON ? "[" : "");
}

static void end(struct listing *l)
{
    if (l->table)
        table_print(l->table, &l->out);
    if (cli_format(l->inv) == CLI_FORMAT_JSON)
        buf_add_text(&l->out, "\n]\n");
    flush(l);
}

/* The first ledger of the date that ledger `to` - 1 has. */
static size_t date_start(const struct listing *l, size_t to)
{
    size_t from = to - 1;

    while (from > 0 && strcmp(l->ledgers.ptr[from - 1].date, l->ledgers.ptr[to - 1].date) == 0)
        from--;
    return from;
}

/* How many ledgers from the end hold the last `limit` exchanges, and in *ret_skip how many
 * exchanges of those come before. */
static int find_last(const struct listing *l, size_t *ret_from, uint64_t *ret_skip, struct err *err)
{
    size_t from = l->ledgers.len;
    uint64_t count = 0;

    while (from > 0 && count < l->limit) {
        CLEANUP(page_release) struct page page = { 0 };
        size_t to = from;
        from = date_start(l, to);
        if (read_page(l, from, to, &page, err) < 0)
            return -1;
        count += page.len;
    }
    *ret_from = from;
    *ret_skip = count > l->limit ? count - l->limit : 0;
    return 0;
}

static int print_all(struct listing *l, struct err *err)
{
    size_t from = 0;
    uint64_t skip = 0;

    if (l->limit && find_last(l, &from, &skip, err) < 0)
        return -1;
    for (size_t to; from < l->ledgers.len && !cli_out_failed(); from = to) {
        CLEANUP(page_release) struct page page = { 0 };
        to = from + 1;
        while (to < l->ledgers.len &&
               strcmp(l->ledgers.ptr[to].date, l->ledgers.ptr[from].date) == 0)
            to++;
        if (read_page(l, from, to, &page, err) < 0)
            return -1;
        for (size_t i = 0; i < page.len; i++) {
            if (skip)
                skip--;
            else
                print_row(l, &page.rows[i]);
        }
        flush(l);
    }
    return 0;
}

static int parse_options(struct listing *l, struct err *err)
{
    const char *limit = invocation_get(l->inv, "limit");
    const char *name = invocation_get(l->inv, "provider");
    enum provider provider;
    int64_t n = 0;

    l->app = invocation_get(l->inv, "app");
    if (span_parse(l->inv, NULL, &l->span, err) < 0)
        return -1;
    if (limit && (!str_to_i64(str_from(limit), &n) || n < 1))
        return err_set(err, ERR_USAGE, "--limit '%s' is not a number from 1 on", limit);
    if (name && !provider_parse(str_from(name), &provider))
        return err_set(err, ERR_USAGE, "--provider '%s' is not known", name);
    l->limit = (uint64_t)n;
    l->provider = name ? provider_name(provider) : NULL;
    return 0;
}

/* Exchanges that were begun in it; what is damaged ends the count, and verify tells of it. */
static uint64_t count_exchanges(const char *path)
{
    CLEANUP(journal_reader_close) struct journal_reader *j = NULL;
    struct journal_frame f;
    struct err err;
    uint64_t count = 0;

    if (journal_open(path, &j, &err) < 0)
        return 0; /* sealed meanwhile */
    while (journal_next(j, &f, &err) > 0)
        count += f.type == JOURNAL_BEGIN;
    return count;
}

/* What is not listed, and what will change that. */
static void note_waiting(const struct listing *l, const struct archive_journals *journals)
{
    uint64_t count = 0;
    bool is_live = false;

    for (size_t i = 0; i < journals->len; i++) {
        count += count_exchanges(journals->ptr[i].path);
        is_live |= archive_journal_is_live(&journals->ptr[i]);
    }
    if (!count)
        return;
    cli_note(l->inv, "not listed: %" PRIu64 " exchanges in journals that are not sealed yet (%zu)",
             count, journals->len);
    cli_note(l->inv, "%s",
             is_live ? "the proxy seals a journal when it is full or old (archive.segment: 256MiB "
                       "or 15m, if not said otherwise); once it has ended, weir capture seal does"
                     : "weir capture seal seals them");
}

static int open_listing(struct listing *l, struct err *err)
{
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };

    if (parse_options(l, err) < 0 ||
        archive_open(invocation_get(l->inv, "archive"), false, &l->archive, err) < 0 ||
        archive_journals_list(l->archive, &journals, err) < 0)
        return -1;
    if (journals.len)
        note_waiting(l, &journals);
    return archive_ledgers_list(l->archive, l->span.from_us, l->span.to_us, &l->ledgers, err);
}

static int run(const struct invocation *inv)
{
    CLEANUP(listing_release) struct listing l = { .inv = inv };
    struct err err;

    if (open_listing(&l, &err) < 0)
        return cli_fail(inv, &err);
    begin(&l);
    if (print_all(&l, &err) < 0)
        return cli_fail(inv, &err);
    end(&l);
    return EXIT_OK;
}

const struct command command_capture_ls = {
    .path = "capture ls",
    .summary = "list recorded exchanges",
    .operands = "",
    .options = options,
    .description =
        "Prints a line for each exchange of the archive, the newest last. Tokens are those the "
        "provider reported; where nothing is known of them, the column is empty, never 0. USAGE "
        "says where they come from: reported, estimated or unknown.\n"
        "\n"
        "What lies in journals that are not sealed yet is not listed; how many exchanges wait "
        "there, "
        "and what seals them, is noted on standard error.",
    .examples =
        (const struct example[]){
                                 { "weir capture ls --archive demo --limit 20", "the last 20" },
                                 { "weir capture ls --archive demo --provider anthropic --format csv",
              "one provider's, "
              "for a spreadsheet" },
                                 { NULL, NULL },
                                 },
    .see_also = "weir-capture-show(1), weir-analyze-spend(1), weir-ledger(5)",
    .run = run,
};
