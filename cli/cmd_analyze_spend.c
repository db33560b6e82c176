#include "config.h"

#include "cli/analysis.h"

#include "analyze/spend.h"
#include "analyze/spend_print.h"
#include "cli/span.h"

static const char *const buckets[] = { "hour", "day", "week", "month", NULL };

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(VALUE, .name = "by", .letter = 'b', .value = "DIM[,DIM...]",
           .help = "what to group by: app, team, business_unit, environment, end_user, key_id, "
                   "provider, api, model, model_requested, status, error_class, service_tier, "
                   "upstream, arm, day, month, or another text column of weir-ledger(5)"),
    OPTION(VALUE, .name = "bucket", .value = "SPAN",
           .help = "also split by time, in the zone of --tz", .choices = buckets),
    OPTIONS_SPAN,
    OPTION_FORMAT(cli_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

/* Everything the run borrows. */
struct inputs {
    struct analysis analysis;
    struct grouping by;
};

static void inputs_release(struct inputs *in)
{
    analysis_close(&in->analysis);
    grouping_release(&in->by);
}
DEFINE_CLEANUP_VALUE(struct inputs, inputs_release)

static int parse_dimensions(const struct invocation *inv, struct inputs *in, struct err *err)
{
    const char *bucket = invocation_get(inv, "bucket");
    const struct tz *tz = in->analysis.tz;

    if (bucket && grouping_add(&in->by, str_from(bucket), tz, err) < 0)
        return -1;
    return grouping_add_list(&in->by, invocation_get(inv, "by"), tz, err);
}

static int load_inputs(const struct invocation *inv, struct inputs *in, struct err *err)
{
    struct span span;

    if (analysis_open(inv, &in->analysis, err) < 0 ||
        span_parse(inv, in->analysis.tz, &span, err) < 0 || parse_dimensions(inv, in, err) < 0)
        return -1;
    return analysis_set_span(&in->analysis, span.from_us, span.to_us, err);
}

static void print(const struct invocation *inv, const struct analysis *a,
                  const struct engine_result *spend)
{
    struct spend_print_options o = { .tz_name = str_from(a->zone),
                                     .price_book_hash = price_book_hash(a->book) };
    CLEANUP(buf_release) struct buf out = { 0 };

    switch (cli_format(inv)) {
    case CLI_FORMAT_JSON:
        spend_print_json(spend, &o, &out);
        break;
    case CLI_FORMAT_CSV:
        spend_print_csv(spend, &out);
        break;
    default:
        spend_print_text(spend, &o, &out);
    }
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(inputs_release) struct inputs in = { 0 };
    CLEANUP(engine_result_release) struct engine_result spend = { 0 };
    struct err err;

    if (load_inputs(inv, &in, &err) < 0)
        return cli_fail(inv, &err);
    struct engine_query query = analysis_query(&in.analysis, &in.by, ENGINE_MONEY);
    if (spend_run(&query, &spend, &err) < 0)
        return cli_fail(inv, &err);
    print(inv, &in.analysis, &spend);
    if (spend.totals.requests == 0)
        analysis_note_empty(inv);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze spend --archive demo --by team,model",                       "what each team spent on which model"},
    { "weir analyze spend --archive demo --bucket month --by app --format csv",
     "a table for a spreadsheet"                                                                                     },
    { "weir analyze spend --archive demo --by app --where \"status >= 400\"",   "who meets errors"                   },
    { NULL,                                                                     NULL                                 },
};

const struct command command_analyze_spend = {
    .path = "analyze spend",
    .summary = "what recorded traffic cost, grouped as you like",
    .operands = "",
    .options = options,
    .description =
        "Reads the ledgers of an archive and prints, for each group, its requests, tokens and "
        "cost. "
        "All input counts as input, what came from or went into a cache included; all output as "
        "output, reasoning included; the other token columns are parts of these two.\n"
        "\n"
        "A cost that the provider itself reported is used as it is. Everything else is priced from "
        "the price book at the moment of the request, with the service tier and context length "
        "that "
        "applied. Amounts are exact to 1e-12 USD; only the text form rounds them, to 1e-6.\n"
        "\n"
        "Three things are shown rather than guessed: requests whose answer does not say what was "
        "used (unknown usage), models or units the book has no price for (unpriced, with their "
        "tokens), and requests that no attribution rule claims (unattributed). Reported costs that "
        "cannot be right for their usage are listed as suspicious; they stay in the sums.\n"
        "\n"
        "With --engine, ClickHouse groups and adds up, and prices are laid on its sums here: every "
        "number is the same as from the ledgers, to the last digit. What could not be is refused "
        "with the reason, see weir-analyze-push(1).\n"
        "\n"
        "JSON: rows and totals carry the group's dimensions and requests, input_tokens, "
        "cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens and cost_usd, a "
        "decimal string with 12 digits, or null (in CSV empty) where none of it has a known cost; "
        "unpriced lists provider, model, requests, input_tokens and "
        "output_tokens; unknown_usage and unattributed count what their names say.",
    .examples = examples,
    .see_also =
        "weir-ledger(5), weir-prices(5), weir-config(5), weir-where(7), weir-analyze-push(1)",
    .run = run,
};
