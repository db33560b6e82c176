#include "config.h"

#include "cli/analysis.h"

#include <inttypes.h>

#include "analyze/reconcile_print.h"
#include "base/figure.h"

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(LIST, .name = "invoice", .letter = 'i', .value = "FILE", .required = true,
           .is_path = true,
           .help = "an export of a provider's costs or usage, '-' for standard input"),
    OPTION(FLAG, .name = "all", .help = "show what matches, too"),
    OPTION_FORMAT(cli_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

static int read_invoices(const struct invocation *inv, struct invoice *ret, struct err *err)
{
    const char *const *files = invocation_list(inv, "invoice");

    for (; *files; files++)
        if (invoice_read(*files, ret, err) < 0)
            return -1;
    if (!ret->lines.len)
        return err_set(err, ERR_USAGE, "'%s': no line has a cost or a quantity", files[-1]);
    return invoice_find_repeats(ret, err);
}

static void print(const struct invocation *inv, const struct reconcile *r, const struct invoice *v)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    switch (cli_format(inv)) {
    case CLI_FORMAT_JSON:
        reconcile_print_json(r, v, &out);
        break;
    case CLI_FORMAT_CSV:
        reconcile_print_csv(r, &out);
        break;
    default:
        reconcile_print_text(r, v, invocation_has(inv, "all"), &out);
    }
    cli_out(buf_str(&out));
}

static void note_repeats(const struct invocation *inv, const struct invoice *v)
{
    char usd[FIGURE_BYTES];

    for (size_t i = 0; i < v->files.len; i++) {
        const struct invoice_file *f = &v->files.ptr[i];
        if (f->repeated_lines)
            cli_note(inv,
                     "'%.*s': %" PRIu64 " of its lines, %.*s USD, are in the exports before it and "
                     "count twice: do their days overlap?",
                     STR_ARG(f->path), f->repeated_lines,
                     STR_ARG(figure_usd(f->repeated_pusd, 6, usd)));
    }
}

static int run(const struct invocation *inv)
{
    CLEANUP(analysis_close) struct analysis a = { 0 };
    CLEANUP(invoice_release) struct invoice invoice = { 0 };
    CLEANUP(reconcile_side_release) struct reconcile_side ours = { 0 };
    CLEANUP(reconcile_release) struct reconcile r = { 0 };
    int64_t from_us, to_us;
    uint64_t providers;
    struct err err;

    if (analysis_open(inv, &a, &err) < 0 || read_invoices(inv, &invoice, &err) < 0)
        return cli_fail(inv, &err);
    note_repeats(inv, &invoice);
    reconcile_span(&invoice, &from_us, &to_us, &providers);
    if (analysis_set_span(&a, from_us, to_us, &err) < 0)
        return cli_fail(inv, &err);
    struct engine_query query = analysis_query(&a, NULL, 0);
    if (reconcile_count_ours(&query, &ours, &err) < 0)
        return cli_fail(inv, &err);
    struct reconcile_options o = {
        .invoice = &invoice, .ours = ours.rows.ptr, .ours_count = ours.rows.len, .book = a.book
    };
    reconcile_run(&o, &r);
    print(inv, &r, &invoice);
    size_t settled = r.class_cells[RECONCILE_MATCH] + r.class_cells[RECONCILE_ROUNDING];
    return settled == r.cells.len ? EXIT_OK : EXIT_FINDINGS;
}

static const struct example examples[] = {
    {"weir analyze reconcile --archive demo --invoice costs.csv",
     "what the bill has that we have not"                             },
    { NULL,                                                       NULL},
};

const struct command command_analyze_reconcile = {
    .path = "analyze reconcile",
    .summary = "hold a provider's invoice against what was recorded",
    .operands = "",
    .options = options,
    .description =
        "Reads exports of costs and usage: OpenAI (dashboard CSV of either generation, API pages), "
        "Anthropic (console CSV, Admin API pages), AWS Cost and Usage Reports 2.0 with Amazon "
        "Bedrock, and FOCUS. Both sides are summed by day (by month where the invoice has no "
        "days), "
        "provider, model and kind of token, and every difference is split into one of quantity and "
        "one of price, which add up exactly. Days are always UTC, which is what providers bill by; "
        "--tz is for times in --where only.\n"
        "\n"
        "Each difference gets its reason: missing traffic (billed, not recorded), late (recorded, "
        "not billed), cache (the same input split differently), tier, tools, price, unpriced, "
        "rounding. Sums without quantities are compared as sums; if they differ by one and the "
        "same "
        "ratio every day, the reason is the price.\n"
        "\n"
        "An export of usage beside one of costs, for the same days, gives quantities to its lines. "
        "Lines that two exports of a kind have in common, as their days overlap, are counted and "
        "told; an export named twice is refused.",
    .findings = "something differs",
    .examples = examples,
    .see_also = "weir-analyze-spend(1), weir-prices(5)",
    .run = run,
};
