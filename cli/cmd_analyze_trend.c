#include "config.h"

#include "cli/analysis.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/trend_chart.h"
#include "base/picture.h"
#include "cli/span.h"

#define TOP_DEFAULT 10
#define BY_MAX      4
#define GNUPLOT     "gnuplot"

static const char *const formats[] = { "text", "json", "csv", "svg", NULL };
static const char *const buckets[] = { "hour", "day", "week", "month", NULL };

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(VALUE, .name = "by", .letter = 'b', .value = "DIM[,DIM...]",
           .help = "what to group by, at most 4: app, team, model, provider, api, upstream, arm or "
                   "another text column of weir-ledger(5) (default: app,model)"),
    OPTION(VALUE, .name = "bucket", .value = "SPAN",
           .help = "the steps of time, in the zone of --tz (default: day)", .choices = buckets),
    OPTION(VALUE, .name = "top", .value = "N",
           .help = "how many groups to print as text or draw, those with most requests (default: "
                   "10; at most 7 are drawn)"),
    OPTIONS_SPAN,
    OPTION_FORMAT(formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

/* Everything the run borrows. */
struct inputs {
    struct analysis analysis;
    struct grouping by;
    struct trend_print_options print;
};

static void inputs_release(struct inputs *i)
{
    grouping_release(&i->by);
    analysis_close(&i->analysis);
}
DEFINE_CLEANUP_VALUE(struct inputs, inputs_release)

/* Behind the steps of time, which are not to be given twice. */
static int add_group(struct inputs *i, struct str name, struct err *err)
{
    struct grouping *g = &i->by;

    if (g->count == 1 + BY_MAX)
        return err_set(err, ERR_USAGE, "--by takes at most %d dimensions", BY_MAX);
    if (grouping_add(g, name, i->analysis.tz, err) < 0)
        return -1;
    if (dimension_is_bucket(g->dimensions[g->count - 1]))
        return err_set(err, ERR_USAGE, "--by '%.*s' is a span of time: give it to --bucket",
                       STR_ARG(name));
    return 0;
}

/* As the C library decides it: the first of these that is set. */
static bool is_unicode(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static int load_inputs(const struct invocation *inv, struct inputs *i, struct err *err)
{
    const char *bucket = invocation_get(inv, "bucket"), *by = invocation_get(inv, "by");
    const char *top = invocation_get(inv, "top");
    struct str rest = str_from(by ? by : "app,model"), name;
    int64_t groups = TOP_DEFAULT;
    struct span span;

    if (top && (!str_to_i64(str_from(top), &groups) || groups < 1))
        return err_set(err, ERR_USAGE, "--top '%s' is no number from 1 on", top);
    if (analysis_open(inv, &i->analysis, err) < 0 ||
        span_parse(inv, i->analysis.tz, &span, err) < 0 ||
        grouping_add(&i->by, str_from(bucket ? bucket : "day"), i->analysis.tz, err) < 0)
        return -1;
    while (str_split(&rest, ',', &name))
        if (add_group(i, str_trim(name), err) < 0)
            return -1;
    i->print = (struct trend_print_options){ .top = (size_t)groups,
                                             .unicode = is_unicode(),
                                             .zone = str_from(i->analysis.zone) };
    return analysis_set_span(&i->analysis, span.from_us, span.to_us, err);
}

static int print(const struct invocation *inv, const struct trend *t,
                 const struct trend_print_options *o, struct buf *out, struct err *err)
{
    CLEANUP(document_release) struct document d = { 0 };
    const char *format = invocation_get(inv, "format");

    if (!format || strcmp(format, "text") == 0) {
        trend_print_text(t, o, out);
    } else if (strcmp(format, "json") == 0) {
        trend_print_json(t, o, out);
    } else if (strcmp(format, "csv") == 0) {
        trend_print_csv(t, out);
    } else {
        trend_chart(t, o, &d);
        if (picture_print(&d, GNUPLOT, out, err) < 0)
            return err_wrap(err, "SVG is drawn by gnuplot (Debian: gnuplot-nox)");
    }
    return 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(inputs_release) struct inputs i = { 0 };
    CLEANUP(engine_result_release) struct engine_result result = { 0 };
    CLEANUP(trend_release) struct trend trend = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    if (load_inputs(inv, &i, &err) < 0)
        return cli_fail(inv, &err);
    struct engine_query query =
        analysis_query(&i.analysis, &i.by, ENGINE_MONEY | ENGINE_ERRORS | ENGINE_LATENCY);
    if (engine_run(&query, &result, &err) < 0)
        return cli_fail(inv, &err);
    trend_build(&result, &trend);
    if (print(inv, &trend, &i.print, &out, &err) < 0)
        return cli_fail(inv, &err);
    cli_out(buf_str(&out));
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze trend --archive demo --by model --bucket week",
     "whether a model got slower, or fails more"                                                     },
    { "weir analyze trend --archive demo --format csv",            "every day of every app and model"},
    { NULL,                                                        NULL                              },
};

const struct command command_analyze_trend = {
    .path = "analyze trend",
    .summary = "speed, errors and cost over time",
    .operands = "",
    .options = options,
    .description =
        "For each group and step of time: requests, the share that failed (a caller who left and a "
        "call that a policy refused are no failures), the time to the first token and of the whole "
        "answer (median and 95th percentile, within 0.8 %), output tokens per second of answering, "
        "waiting included (where 95 in 100 requests say how long they took), and what it cost. As "
        "text, a line of blocks goes from a row's lowest "
        "value to its highest; a blank is a step without a value. In locales without UTF-8 the "
        "line is made of _.-~=+*#.\n"
        "\n"
        "SVG is one picture with a chart for each figure, drawn by gnuplot, which has to be there; "
        "each chart has a title and a text of what it shows, and the colours follow the theme of "
        "who looks at it. A step without a value interrupts its line.\n"
        "\n"
        "CSV and JSON have a row for each step and group; what a row cannot say is left out. "
        "cost_usd is exact, a decimal with 12 digits.",
    .examples = examples,
    .see_also = "weir-analyze-alerts(1), weir-analyze-spend(1), weir-where(7)",
    .run = run,
};
