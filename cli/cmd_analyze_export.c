#include "config.h"

#include "cli/analysis.h"

#include <inttypes.h>
#include <string.h>

#include "analyze/billing.h"
#include "analyze/export.h"
#include "analyze/focus.h"
#include "base/figure.h"
#include "cli/span.h"

#define FLUSH_BYTES   (256u << 10)
#define LISTED_MODELS 20

static const char *const formats[] = { "focus", "csv", "jsonl", NULL };
static const char *const versions[] = { "1.2", "1.4", NULL };
static const char *const buckets[] = { "hour", "day", "month", NULL };

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(VALUE, .name = "format", .letter = 'f', .value = "FORMAT", .required = true,
           .help = "focus: charges as FOCUS defines them; csv, jsonl: flat tables",
           .choices = formats),
    OPTION(VALUE, .name = "focus", .value = "VERSION",
           .help = "the version of FOCUS whose columns are written (default 1.2)",
           .choices = versions),
    OPTION(VALUE, .name = "by", .letter = 'b', .value = "DIM[,DIM...]",
           .help = "what csv and jsonl group by, as for weir analyze spend (default "
                   "provider,model,service_tier,app,team)"),
    OPTION(VALUE, .name = "bucket", .value = "SPAN",
           .help = "the time a line covers (default day); in UTC for focus, else in the zone of "
                   "--tz",
           .choices = buckets),
    OPTION(FLAG, .name = "rows",
           .help = "csv and jsonl: a line for each row of the ledgers with its cost, not for each "
                   "group"),
    OPTIONS_SPAN,
    OPTION_OUTPUT,
    OPTIONS_END,
};

struct inputs {
    struct analysis analysis;
    struct billing billing;
    struct grouping by;
    enum export_form form;
    bool is_focus;
};

static void inputs_release(struct inputs *in)
{
    analysis_close(&in->analysis);
    grouping_release(&in->by);
}
DEFINE_CLEANUP_VALUE(struct inputs, inputs_release)

static int add_dimensions(const struct invocation *inv, struct inputs *in, struct err *err)
{
    const char *by = invocation_get(inv, "by"), *bucket = invocation_get(inv, "bucket");
    const struct tz *tz = in->analysis.tz;

    for (int d = 0; in->is_focus && d < FOCUS_DIMENSION_COUNT; d++)
        if (grouping_add(&in->by, str_from(focus_dimension_name((enum focus_dimension)d, bucket)),
                         NULL, err) < 0)
            return -1;
    if (in->is_focus || invocation_has(inv, "rows"))
        return 0;
    if (grouping_add(&in->by, str_from(bucket ? bucket : "day"), tz, err) < 0)
        return -1;
    return grouping_add_list(&in->by, by ? by : "provider,model,service_tier,app,team", tz, err);
}

static int check_options(const struct invocation *inv, struct inputs *in, struct err *err)
{
    in->is_focus = strcmp(invocation_get(inv, "format"), "focus") == 0;
    in->form = strcmp(invocation_get(inv, "format"), "csv") == 0 ? EXPORT_CSV : EXPORT_JSONL;
    if (in->is_focus && (invocation_has(inv, "rows") || invocation_has(inv, "by")))
        return err_set(err, ERR_USAGE,
                       "--rows and --by are for csv and jsonl: a line of FOCUS is a charge");
    if (!in->is_focus && invocation_has(inv, "focus"))
        return err_set(err, ERR_USAGE, "--focus is for --format focus");
    if (invocation_has(inv, "rows") && (invocation_has(inv, "by") || invocation_has(inv, "bucket")))
        return err_set(err, ERR_USAGE, "--rows groups nothing: leave out --by and --bucket");
    return 0;
}

static int load_inputs(const struct invocation *inv, struct inputs *in, struct err *err)
{
    struct span span;

    if (check_options(inv, in, err) < 0 || analysis_open(inv, &in->analysis, err) < 0 ||
        span_parse(inv, in->analysis.tz, &span, err) < 0 || add_dimensions(inv, in, err) < 0)
        return -1;
    billing_default(&in->billing);
    if (in->analysis.conf && billing_read(in->analysis.conf, &in->billing, err) < 0)
        return -1;
    return analysis_set_span(&in->analysis, span.from_us, span.to_us, err);
}

static void flush(struct buf *out, size_t from_bytes)
{
    if (out->len < from_bytes)
        return;
    cli_out(buf_str(out));
    buf_clear(out);
}

/* What the lines lack, or lack a cost for. */
static bool complain(const struct invocation *inv, const struct engine_result *r, bool is_focus)
{
    const char *what = is_focus ? "not exported" : "exported without a cost";
    size_t listed = r->unpriced.len < LISTED_MODELS ? r->unpriced.len : LISTED_MODELS;

    for (size_t i = 0; i < listed; i++) {
        const struct engine_unpriced *u = &r->unpriced.ptr[i];
        cli_note(inv,
                 "%s: %" PRId64 " request%s to '%.*s' (%.*s) used what the price book has no price "
                 "for: %" PRId64 " input, %" PRId64 " output tokens",
                 what, u->requests, figure_plural(u->requests), STR_ARG(u->model),
                 STR_ARG(u->provider), u->input_tokens, u->output_tokens);
    }
    if (listed < r->unpriced.len)
        cli_note(inv, "%s: %zu more models without a price", what, r->unpriced.len - listed);
    if (r->totals.unknown_requests > 0)
        cli_note(inv, "%s: %" PRId64 " request%s of which nobody said what was used", what,
                 r->totals.unknown_requests, figure_plural(r->totals.unknown_requests));
    return r->unpriced.len > 0 || r->totals.unknown_requests > 0;
}

static int print_focus(const struct invocation *inv, const struct inputs *in,
                       const struct engine_result *r, struct err *err)
{
    const char *version = invocation_get(inv, "focus");
    struct focus_options o = { .version =
                                   version && strcmp(version, "1.4") == 0 ? FOCUS_1_4 : FOCUS_1_2,
                               .billing = &in->billing };
    CLEANUP(buf_release) struct buf out = { 0 };

    focus_add_header(&o, &out);
    for (size_t i = 0; i < r->rows.len && !cli_out_failed(); i++) {
        if (focus_add_rows(&o, r, &r->rows.ptr[i], &out, err) < 0)
            return -1;
        flush(&out, FLUSH_BYTES);
    }
    flush(&out, 0);
    return 0;
}

static void print_groups(const struct inputs *in, const struct engine_result *r)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    export_add_group_header(r, in->form, &out);
    for (size_t i = 0; i < r->rows.len && !cli_out_failed(); i++) {
        export_add_group(r, &r->rows.ptr[i], in->form, &out);
        flush(&out, FLUSH_BYTES);
    }
    flush(&out, 0);
}

struct row_printer {
    enum export_form form;
    struct buf out;
};

static int print_row(void *ctx, const struct engine_seen *seen, struct err *err)
{
    struct row_printer *p = ctx;

    export_add_row(seen, p->form, &p->out);
    flush(&p->out, FLUSH_BYTES);
    return cli_out_failed() ? err_set(err, ERR_LIMIT, "standard output takes no more") : 0;
}

static int print_rows(const struct inputs *in, struct engine_query *query,
                      struct engine_result *ret, struct err *err)
{
    struct row_printer printer = { .form = in->form };
    struct scan_columns columns;

    export_row_columns(&columns);
    query->on_row = print_row;
    query->ctx = &printer;
    query->columns = &columns;
    export_add_row_header(in->form, &printer.out);
    int r = engine_run(query, ret, err);
    if (r == 0)
        flush(&printer.out, 0);
    buf_release(&printer.out);
    return cli_out_failed() ? 0 : r; /* output_end says what is to be said of that */
}

static int export(const struct invocation *inv, const struct inputs *in, struct engine_result *ret,
                  struct err *err)
{
    uint32_t measures = in->is_focus ? ENGINE_MONEY | ENGINE_CHARGES : ENGINE_MONEY | ENGINE_UNITS;
    struct engine_query query = analysis_query(&in->analysis, &in->by, measures);

    if (invocation_has(inv, "rows")) {
        query.measures = ENGINE_MONEY;
        return print_rows(in, &query, ret, err);
    }
    if (engine_run(&query, ret, err) < 0)
        return -1;
    if (in->is_focus)
        return print_focus(inv, in, ret, err);
    print_groups(in, ret);
    return 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(inputs_release) struct inputs in = { 0 };
    CLEANUP(engine_result_release) struct engine_result result = { 0 };
    struct err err;

    if (load_inputs(inv, &in, &err) < 0 || export(inv, &in, &result, &err) < 0)
        return cli_fail(inv, &err);
    if (result.totals.requests == 0)
        analysis_note_empty(inv);
    return complain(inv, &result, in.is_focus) ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze export --archive demo --format focus --from 2026-10 --to 2026-11",
     "October as FOCUS 1.2, for a FinOps tool"                                                 },
    { "weir analyze export --archive demo --format csv --bucket month --by team,model",
     "what each team used and what it cost, a line a month"                                    },
    { "weir analyze export --archive demo --format jsonl --rows --where \"status < 400\"",
     "every call with its cost"                                                                },
    { NULL,                                                                                NULL},
};

const struct command command_analyze_export = {
    .path = "analyze export",
    .summary = "usage and cost as tables for other tools, FOCUS among them",
    .operands = "",
    .options = options,
    .description =
        "Writes what the ledgers hold, priced. (Recorded exchanges with what was said in them are "
        "exported by weir capture export.)\n"
        "\n"
        "focus: charges as the FinOps Open Cost and Usage Specification has them, in CSV. Calls "
        "of a day (or --bucket), provider, model, service tier, geography, key, application and "
        "team are one group; each kind of token at each price is a line of it. ListCost and "
        "ContractedCost are exactly PricingQuantity times ListUnitPrice and ContractedUnitPrice; "
        "EffectiveCost is the cost that weir analyze spend shows, rounded to 1e-12 USD for each "
        "call, and may differ from ContractedCost by that. Application, team, business unit, "
        "environment and purpose are Tags; the key is the sub account. Days and months are those "
        "of UTC. Costs that the provider itself reported have no unit price: they are a quantity "
        "of dollars at one dollar each, with PricingCategory Other.\n"
        "\n"
        "The billing account is the provider's name unless the configuration's section billing "
        "says otherwise. If its invoice_issuer is not the provider, BilledCost is 0, as FOCUS asks "
        "of what somebody else bills, and the cost is in EffectiveCost.\n"
        "\n"
        "Usage without a price, or of unknown size, is not in FOCUS lines, as a cost of 0 would be "
        "wrong: it is listed on standard error, and the exit status is 3.\n"
        "\n"
        "csv and jsonl: a line a group with its requests, every unit of usage of weir-ledger(5), "
        "cost_usd (empty where none of it has a known cost), what that is made of "
        "(reported_cost_usd, table_cost_usd, gateway_cost_usd, "
        "estimated_cost_usd), cache_savings_usd, unknown_requests and unpriced_requests. With "
        "--rows, a line for each row of the ledgers: columns of weir-ledger(5), then cost_usd "
        "(empty where there is none), cost_source (reported, table, gateway or estimated), "
        "unknown_usage, unpriced, and repeated for answers that were fetched again. Amounts have "
        "12 digits. Memory does not grow with rows.",
    .findings = "some usage has no price, or is not known",
    .examples = examples,
    .see_also = "weir-analyze-spend(1), weir-analyze-reconcile(1), weir-capture-export(1), "
                "weir-config(5), weir-ledger(5)",
    .run = run,
};
