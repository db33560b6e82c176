#include "config.h"

#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"
#include "cli/datadir.h"
#include "llm/price_check.h"
#include "llm/price_import.h"
#include "llm/price_sheet.h"

#define SUGGESTIONS_MAX  5
#define IMPORT_BYTES_MAX (256u << 20)

static const char *const text_or_json[] = { "text", "json", NULL };

/* The shipped book, then what is laid over it. */
static int load_book(const char *const *overlays, struct price_book **ret, struct err *err)
{
    char *shipped;

    if (datadir_path("prices", &shipped, err) < 0)
        return -1;
    int r = price_book_load(ret, shipped, err);
    free(shipped);
    for (; r == 0 && *overlays; overlays++)
        r = price_book_load(ret, *overlays, err);
    return r;
}

/* --- show --- */

static const struct option_def show_options[] = {
    OPTION(VALUE, .name = "provider", .letter = 'p', .value = "NAME",
           .help = "the provider that is asked; without it, every one that sells the model"),
    OPTION(VALUE, .name = "at", .value = "TIME",
           .help = "the moment of the request, UTC: 2025-06-09 or a full time (default now)"),
    OPTION(VALUE, .name = "tier", .value = "TIER",
           .help = "only this service tier: batch, flex, priority, ... (default all)"),
    OPTION(LIST, .name = "prices", .value = "PATH",
           .help = "a price file or folder laid over the shipped book", .is_path = true),
    OPTION_FORMAT(text_or_json),
    OPTIONS_END,
};

/* "2.5": no zeros at the end. */
static struct str short_decimal(i128 pusd, char ret[static DECIMAL_TEXT_BYTES])
{
    struct str s = str_from(decimal_format(pusd, PUSD_SCALE, ret));

    while (s.ptr[s.len - 1] == '0')
        s.len--;
    if (s.ptr[s.len - 1] == '.')
        s.len--;
    return s;
}

static struct str spaced(const char *per, char ret[static 32])
{
    snprintf(ret, 32, "%s", per);
    for (char *c = ret; *c; c++)
        if (*c == '_')
            *c = ' ';
    return str_from(ret);
}

static struct str context_text(const struct price_line *line, char ret[static 40])
{
    if (line->above == 0)
        return STR("");
    snprintf(ret, 40, "%s%" PRId64, line->inclusive ? ">= " : "> ", line->above);
    return str_from(ret);
}

static void sheet_head(const struct price_sheet *s, struct buf *out)
{
    char date[TIMESTAMP_TEXT_BYTES];

    buf_addf(out, "%.*s\n", STR_ARG(s->entry));
    buf_add_text(out, "  holds ");
    if (s->from_us != INT64_MIN)
        buf_addf(out, "from %s", timestamp_format(s->from_us, date));
    if (s->until_us != INT64_MAX)
        buf_addf(out, "%suntil %s", s->from_us != INT64_MIN ? " " : "",
                 timestamp_format(s->until_us, date));
    if (s->from_us == INT64_MIN && s->until_us == INT64_MAX)
        buf_add_text(out, "at any time");
    if (s->part_of_day)
        buf_add_text(out, ", at some hours or days only");
    if (s->period_count > 1)
        buf_addf(out, " (one of %zu dated prices)", s->period_count);
    buf_addf(out, "\n  source %.*s, checked %.*s, %.*s:%u\n\n",
             STR_ARG(s->source.len ? s->source : STR("not given")),
             STR_ARG(s->checked.len ? s->checked : STR("never")), STR_ARG(s->path), s->line);
}

static void sheet_text(const struct price_sheet *s, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();
    char number[DECIMAL_TEXT_BYTES], context[40], per[32];

    sheet_head(s, out);
    table_add_column(t, "unit", false);
    table_add_column(t, "USD", true);
    table_add_column(t, "", false);
    table_add_column(t, "tier", false);
    table_add_column(t, "input tokens", false);
    for (size_t i = 0; i < s->len; i++) {
        const struct price_line *line = &s->lines[i];
        if (line->variant.len > 0)
            table_add_cellf(t, "%s %.*s", line->unit, STR_ARG(line->variant));
        else
            table_add_cell(t, str_from(line->unit));
        table_add_cell(t, line->elsewhere ? STR("elsewhere")
                                          : short_decimal(line->amount_pusd, number));
        table_add_cell(t, spaced(line->per, per));
        table_add_cell(t, line->provider_wide ? STR("any")
                                              : (line->tier.len ? line->tier : STR("standard")));
        table_add_cell(t, context_text(line, context));
    }
    table_print(t, out);
}

static void add_time(struct buf *out, const char *key, int64_t us)
{
    char text[TIMESTAMP_TEXT_BYTES];

    if (us != INT64_MIN && us != INT64_MAX)
        json_add_str(out, key, str_from(timestamp_format(us, text)));
}

static void line_json(const struct price_line *line, struct buf *out)
{
    char number[DECIMAL_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "tier",
                 line->provider_wide ? STR("any")
                                     : (line->tier.len ? line->tier : STR("standard")));
    if (line->above > 0) {
        json_add_int(out, line->inclusive ? "at_least_input_tokens" : "above_input_tokens",
                     line->above);
    }
    json_add_str(out, "unit", str_from(line->unit));
    if (line->variant.len > 0)
        json_add_str(out, "variant", line->variant);
    json_add_str(out, "quoted", str_from(line->per));
    json_add_str(out, "usd",
                 line->elsewhere ? STR("elsewhere") : short_decimal(line->amount_pusd, number));
    buf_add_byte(out, '}');
}

static void sheet_json(const struct price_sheet *s, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "entry", s->entry);
    json_add_str(out, "provider", str_from(provider_name(s->provider)));
    add_time(out, "from", s->from_us);
    add_time(out, "until", s->until_us);
    json_add_bool(out, "part_of_day", s->part_of_day);
    json_add_int(out, "dated_prices", (int64_t)s->period_count);
    json_add_str(out, "source", s->source);
    json_add_str(out, "checked", s->checked);
    json_add_str(out, "file", s->path);
    json_add_int(out, "line", s->line);
    json_add_key(out, "prices");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < s->len; i++) {
        if (i > 0)
            buf_add_byte(out, ',');
        line_json(&s->lines[i], out);
    }
    buf_add_text(out, "]}");
}

static int no_price(const struct invocation *inv, const struct price_book *book,
                    const struct price_query *query)
{
    CLEANUP(buf_release) struct buf hint = { 0 };
    struct str names[SUGGESTIONS_MAX];
    struct err err;
    size_t count = price_sheet_suggest(book, query->model, names, SUGGESTIONS_MAX);

    for (size_t i = 0; i < count; i++)
        buf_addf(&hint, "%s%.*s", i > 0 ? ", " : "; there are ", STR_ARG(names[i]));
    err_set(&err, ERR_UNSUPPORTED, "no price for '%.*s' at that time%.*s", STR_ARG(query->model),
            STR_ARG(buf_str(&hint)));
    return cli_fail(inv, &err);
}

static int read_query(const struct invocation *inv, struct price_query *ret)
{
    const char *at = invocation_get(inv, "at"), *provider = invocation_get(inv, "provider");

    *ret = (struct price_query){
        .model = str_from(invocation_operand(inv, 0)),
        .service_tier = str_from(invocation_get(inv, "tier")),
        .at_us = at ? 0 : clock_now_us(),
    };
    if (at && !timestamp_parse(str_from(at), &ret->at_us))
        return cli_usage(inv, "--at: '%s' is no date or time (2025-06-09, 2025-06-09T12:00:00Z)",
                         at);
    if (provider && !provider_parse(str_from(provider), &ret->provider))
        return cli_usage(inv, "--provider: no provider is called '%s'", provider);
    return EXIT_OK;
}

static int run_show(const struct invocation *inv)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };
    bool json = cli_format(inv) == CLI_FORMAT_JSON;
    enum provider providers[PROVIDER_COUNT];
    struct price_query query;
    struct err err;
    size_t shown = 0;

    int code = read_query(inv, &query);
    if (code != EXIT_OK)
        return code;
    if (load_book(invocation_list(inv, "prices"), &book, &err) < 0)
        return cli_fail(inv, &err);
    if (!price_sheet_knows_tier(book, query.service_tier))
        return cli_usage(inv,
                         "--tier '%.*s': nothing in the price book has such a price: batch, flex, "
                         "priority and default do",
                         STR_ARG(query.service_tier));
    size_t count = 1;
    providers[0] = query.provider;
    if (query.provider == PROVIDER_UNKNOWN)
        count = price_sheet_providers(book, &query, providers);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(price_sheet_release) struct price_sheet sheet = { 0 };
        query.provider = providers[i];
        if (!price_sheet_make(book, &query, &sheet))
            continue;
        if (shown++ > 0)
            buf_add_byte(&out, json ? ',' : '\n');
        (json ? sheet_json : sheet_text)(&sheet, &out);
    }
    if (shown == 0)
        return no_price(inv, book, &query);
    if (json) {
        cli_out(STR("["));
        buf_add_text(&out, "]\n");
    }
    cli_out(buf_str(&out));
    return EXIT_OK;
}

const struct command command_analyze_prices_show = {
    .path = "analyze prices show",
    .summary = "what a model costs at a moment, and where that price comes from",
    .operands = "MODEL",
    .operands_min = 1,
    .operands_max = 1,
    .options = show_options,
    .description = "Prints every price of a model that holds at a moment: per unit, service tier "
                   "and length of "
                   "the context, in US dollars, with the file, line, source and date of it.\n\n"
                   "Model ids are matched as the reports do it: dated and regional ids, fine-tuned "
                   "ids, and the "
                   "user's own names from the files given with --prices.",
    .examples =
        (const struct example[]){
                                 { "weir analyze prices show o3 --provider openai --at 2025-06-09",
              "the day before it became cheaper" },
                                 { "weir analyze prices show claude-opus-4-6 --format json", "for a program" },
                                 { 0 }},
    .see_also = "weir-prices(5), weir-analyze-prices-check(1), weir-analyze-spend(1)",
    .run = run_show,
};

/* --- check --- */

static const struct option_def check_options[] = {
    OPTION_FORMAT(text_or_json),
    OPTIONS_END,
};

static int load_checked(const struct invocation *inv, struct price_book **ret, struct err *err)
{
    size_t count = invocation_operand_count(inv);

    if (count == 0)
        return load_book((const char *const[]){ NULL }, ret, err);
    for (size_t i = 0; i < count; i++)
        if (price_book_load(ret, invocation_operand(inv, i), err) < 0)
            return -1;
    return 0;
}

static void findings_text(const struct price_findings *f, struct buf *out)
{
    for (size_t i = 0; i < f->len; i++)
        buf_addf(out, "%s:%u: %s\n", f->items[i].path, f->items[i].line, f->items[i].text);
}

static void findings_json(const struct price_findings *f, struct buf *out)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < f->len; i++) {
        buf_add_text(out, i > 0 ? ",{" : "{");
        json_add_str(out, "file", str_from(f->items[i].path));
        json_add_int(out, "line", f->items[i].line);
        json_add_str(out, "text", str_from(f->items[i].text));
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]\n");
}

static int run_check(const struct invocation *inv)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(price_findings_release) struct price_findings findings = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    if (load_checked(inv, &book, &err) < 0)
        return cli_fail(inv, &err);
    price_check(book, &findings);
    (cli_format(inv) == CLI_FORMAT_JSON ? findings_json : findings_text)(&findings, &out);
    cli_out(buf_str(&out));
    if (findings.more > 0)
        cli_note(inv, "%zu more findings are not shown", findings.more);
    if (findings.len > 0)
        return EXIT_FINDINGS;
    cli_note(inv, "%zu entries, nothing found", price_book_entry_count(book));
    return EXIT_OK;
}

const struct command command_analyze_prices_check = {
    .path = "analyze prices check",
    .summary = "look for implausible prices in the price book",
    .operands = "[PATH...]",
    .operands_min = 0,
    .operands_max = -1,
    .options = check_options,
    .description =
        "Reads price files or folders of them, or the shipped book if none is named, and lists "
        "what "
        "looks wrong: prices outside 0.0001 to 10,000 USD per million tokens, which are per token "
        "or "
        "per thousand; a price more than 10 times its neighbour in time, tier or context length; "
        "cached input dearer than input; a missing output price; pictures, seconds or characters "
        "billed twice; two entries for one model id; rules and dates that never apply; prices "
        "without a source or a date.\n\n"
        "Each finding is a line with the file, the line in it and what to do.",
    .findings = "something implausible was found",
    .examples =
        (const struct example[]){{ "weir analyze prices check", "the shipped book" }, { 0 }},
    .see_also = "weir-prices(5), weir-analyze-prices-show(1), weir-analyze-prices-import(1)",
    .run = run_check,
};

/* --- import --- */

static const char *const import_formats[] = { "litellm", "genai-prices", "models.dev", NULL };

static const struct option_def import_options[] = {
    OPTION(VALUE, .name = "from-format", .value = "FORMAT",
           .help = "what the files are (default: told by their shape)", .choices = import_formats),
    OPTION(VALUE, .name = "valid-from", .value = "DATE",
           .help = "the prices hold from then on (default: since ever)"),
    OPTION(VALUE, .name = "source", .value = "TEXT",
           .help = "where the prices come from, to be kept with them (default: the file's name)"),
    OPTION(LIST, .name = "provider", .letter = 'p', .value = "NAME",
           .help = "only this provider's models"),
    OPTION(VALUE, .name = "output", .letter = 'o', .value = "FILE", .is_path = true,
           .is_stdout = true, .help = "write to this file instead of to standard output"),
    OPTIONS_END,
};

/* What the options said, with the storage they point into. */
struct import_request {
    struct price_import_options options;
    enum provider providers[PROVIDER_COUNT];
    enum price_format format;
    char checked[TIMESTAMP_TEXT_BYTES];
};

static int read_import(const struct invocation *inv, struct import_request *ret)
{
    const char *from = invocation_get(inv, "valid-from"),
               *format = invocation_get(inv, "from-format");
    const char *const *names = invocation_list(inv, "provider");

    memset(ret, 0, sizeof(*ret));
    timestamp_format_date(clock_now_us(), ret->checked);
    ret->options.checked = str_from(ret->checked);
    ret->options.source = str_from(invocation_get(inv, "source"));
    ret->options.providers = ret->providers;
    if (format)
        price_format_parse(str_from(format), &ret->format);
    if (from && !timestamp_parse(str_from(from), &ret->options.from_us))
        return cli_usage(inv, "--valid-from: '%s' is no date", from);
    ret->options.has_from = from != NULL;
    for (; *names; names++) {
        if (ret->options.provider_count == PROVIDER_COUNT)
            return cli_usage(inv, "--provider: given more often than there are providers");
        if (!provider_parse(str_from(*names), &ret->providers[ret->options.provider_count]))
            return cli_usage(inv, "--provider: no provider is called '%s'", *names);
        ret->options.provider_count++;
    }
    return EXIT_OK;
}

static int import_files(const struct invocation *inv, struct price_import *im,
                        enum price_format format, struct err *err)
{
    for (size_t i = 0; i < invocation_operand_count(inv); i++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        const char *path = invocation_operand(inv, i);
        enum price_format read;

        if (file_read(path, IMPORT_BYTES_MAX, &text, err) < 0)
            return err_wrap(err, "'%s'", path);
        if (price_import_add(im, buf_str(&text), path, format, &read, err) < 0)
            return -1;
        cli_note(inv, "%s: read as %s", path, price_format_name(read));
    }
    return 0;
}

static void note_counts(const struct invocation *inv, const struct price_import_counts *c)
{
    const struct {
        size_t n;
        const char *text;
    } rows[] = {
        {c->other_provider, "of providers not asked for or not known"           },
        { c->no_price,      "without a price that can be said in our format"    },
        { c->repeated,      "came before under the same id: the first one stays"},
    };

    cli_note(inv, "%zu models imported", c->entries);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].n > 0)
            cli_note(inv, "%zu models left out: %s", rows[i].n, rows[i].text);
    if (c->rounded > 0)
        cli_note(inv, "%zu prices rounded to 12 decimals", c->rounded);
    if (c->bad > 0)
        cli_note(inv, "%zu prices left out: negative or absurd", c->bad);
}

static int run_import(const struct invocation *inv)
{
    CLEANUP(price_import_free) struct price_import *im = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };
    struct import_request request;
    struct err err;

    int code = read_import(inv, &request);
    if (code != EXIT_OK)
        return code;
    im = price_import_new(&request.options);
    if (import_files(inv, im, request.format, &err) < 0)
        return cli_fail(inv, &err);
    price_import_write(im, &out);
    cli_out(buf_str(&out));
    note_counts(inv, price_import_counts(im));
    return EXIT_OK;
}

const struct command command_analyze_prices_import = {
    .path = "analyze prices import",
    .summary = "turn another project's price file into weir's format",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = -1,
    .options = import_options,
    .description =
        "Reads LiteLLM's model_prices_and_context_window.json, the data.json of genai-prices "
        "(version 2) and the api.json of models.dev, and writes the prices as a file of "
        "weir-prices(5)"
        ": to be looked at, checked, and then given to reports with --prices, or put beside the "
        "shipped files.\n\n"
        "Service tiers, long-context steps, dated and hourly prices, match rules and fees are "
        "kept. "
        "What the format cannot say, such as prices by pixel or by second of video, is left out "
        "and "
        "counted.",
    .examples =
        (const struct example[]){
                                 { "weir analyze prices import litellm-prices.json", "to look at it" },
                                 { "weir analyze prices import litellm-prices.json -p openai --valid-from 2026-01-01 "
              "--source 'LiteLLM, 2026-01-01' -o prices.yaml",
              "OpenAI's prices of that day, with their source" },
                                 { 0 }},
    .see_also = "weir-prices(5), weir-analyze-prices-check(1)",
    .run = run_import,
};
