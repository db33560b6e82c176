#include "config.h"

#include "cli/span.h"
#include "cli/surveying.h"
#include "migrate/inventory_print.h"

static const struct option_def options[] = {
    OPTIONS_ANALYSIS_ARCHIVE,
    OPTIONS_SPAN,
    OPTION(LIST, .name = "invoice", .letter = 'i', .value = "FILE", .is_path = true,
           .help = "an export of a provider's costs, to find what is called past the proxy"),
    OPTION_FORMAT(cli_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

static int run(const struct invocation *inv)
{
    CLEANUP(survey_release) struct survey s = { 0 };
    CLEANUP(tz_close) struct tz *tz = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *zone = invocation_get(inv, "tz");
    struct span span;
    struct err err;

    if (tz_open(zone ? str_from(zone) : STR("UTC"), &tz, &err) < 0 ||
        span_parse(inv, tz, &span, &err) < 0)
        return cli_fail(inv, &err);
    struct survey_options o = { .archives = invocation_list(inv, "archive"),
                                .config = invocation_get(inv, "config"),
                                .has_invoices = true,
                                .from_us = span.from_us,
                                .to_us = span.to_us };
    if (survey_run(inv, &o, &s, &err) < 0)
        return cli_fail(inv, &err);
    switch (cli_format(inv)) {
    case CLI_FORMAT_JSON:
        inventory_print_json(&s.inventory, &out);
        break;
    case CLI_FORMAT_CSV:
        inventory_print_csv(&s.inventory, &out);
        break;
    default:
        inventory_print_text(&s.inventory, &out);
    }
    cli_out(buf_str(&out));
    return s.inventory.missing.len ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir migrate discover --archive demo --config weir.yaml",
     "which applications there are, and what is risky about each"     },
    { "weir migrate discover --archive demo --invoice costs.csv",
     "with what was billed, but never came by"                        },
    { NULL,                                                       NULL},
};

const struct command command_migrate_discover = {
    .path = "migrate discover",
    .summary = "which applications there are, from what was really seen",
    .operands = "",
    .options = options,
    .description =
        "Prints, for every application that attribution knows: its owner, calls and cost; "
        "providers, interfaces, models and upstreams; how much streams, uses tools, images or "
        "structured output; SDKs and their versions, from user agents; models that are asked for "
        "by a dated name, so hard-coded; fingerprints of keys; tools that it offers, with those "
        "whose names say that they change something; and how much goes through a gateway "
        "already.\n"
        "\n"
        "The risk of moving it is a sum of thirteen factors of 0 to 3 points, each with a weight: "
        "up to 8 is low, up to 16 medium, more is high; what the configuration says counts if it "
        "is higher. The three that weigh most are printed. What the traffic cannot show counts "
        "one point and is listed, so that somebody asks.\n"
        "\n"
        "With --invoice, what was billed on the days of the invoice but not recorded is listed by "
        "model: somebody calls past the proxy.",
    .findings = "something was billed that is not recorded",
    .examples = examples,
    .see_also = "weir-migrate-plan(1), weir-programme(5), weir-config(5), "
                "weir-analyze-reconcile(1)",
    .run = run,
};
