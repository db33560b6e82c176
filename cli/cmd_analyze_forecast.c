#include "config.h"

#include "cli/analysis.h"

#include <stdlib.h>

#include "analyze/forecast_print.h"
#include "analyze/month.h"
#include "analyze/period.h"
#include "analyze/series.h"

static const char *const groups[] = { "business_unit", "team", "app", "provider", "model", NULL };

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(VALUE, .name = "month", .letter = 'm', .value = "MONTH",
           .help = "the month to forecast, 2026-10 (default: that of --at)"),
    OPTION(VALUE, .name = "by", .letter = 'b', .value = "DIM", .help = "a forecast for each",
           .choices = groups),
    OPTION(VALUE, .name = "at", .value = "TIME",
           .help = "know the archive as of this moment: 2026-10-07 or a full time (default: now)"),
    OPTION_FORMAT(cli_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

/* Everything the run borrows. */
struct inputs {
    struct analysis analysis;
    struct series series;
    struct forecast_table table;
    enum series_name by; /* SERIES_NAMES = the whole alone */
    struct month month;
    char month_text[MONTH_TEXT_BYTES];
};

static void inputs_release(struct inputs *i)
{
    vec_release(&i->table.rows);
    series_release(&i->series);
    analysis_close(&i->analysis);
}
DEFINE_CLEANUP_VALUE(struct inputs, inputs_release)

static int read_times(const struct invocation *inv, struct inputs *i, struct err *err)
{
    const char *at = invocation_get(inv, "at"), *month = invocation_get(inv, "month");
    const struct tz *tz = i->analysis.tz;
    int64_t end_us, now_us = clock_now_us();

    if (at && !period_parse(str_from(at), tz, &now_us, &end_us))
        return err_set(err, ERR_USAGE, "--at '%s' is no time: write 2026-10-07 or a full time", at);
    struct civil c = civil_from_us(series_day_of(tz, now_us) * US_PER_DAY);
    i->month = (struct month){ c.year, c.month };
    if (month && !month_parse(str_from(month), &i->month))
        return err_set(err, ERR_USAGE, "--month '%s' is no month: write 2026-10", month);
    end_us = month_day_us(i->month, month_days(i->month) + 1, tz);
    i->table.now_us = now_us < end_us ? now_us : end_us;
    i->table.month = str_from(month_format(i->month, i->month_text));
    i->table.zone = str_from(i->analysis.zone);
    return 0;
}

static int read_series(struct inputs *i, struct err *err)
{
    const struct tz *tz = i->analysis.tz;
    struct civil first =
        civil_from_us((series_day_of(tz, i->table.now_us) - FORECAST_WINDOW_DAYS) * US_PER_DAY);
    int64_t from_us = tz_to_utc(tz, first), month_us = month_day_us(i->month, 1, tz);

    if (analysis_set_span(&i->analysis, from_us < month_us ? from_us : month_us, i->table.now_us,
                          err) < 0)
        return -1;
    struct engine_query query = analysis_query(&i->analysis, NULL, ENGINE_MONEY);
    return series_read(&query, tz, &i->series, err);
}

static void run_forecast(const struct inputs *i, enum series_name name, uint32_t code,
                         struct forecast *ret)
{
    i128 *days = mem_calloc(i->series.days, sizeof(*days));
    struct forecast_input in = {
        .days = days,
        .skip = i->series.unseen,
        .count = i->series.days - 1,
        .first_day = i->series.first_day,
        .from_day = month_day_us(i->month, 1, NULL) / US_PER_DAY,
        .to_day = month_day_us(i->month, month_days(i->month) + 1, NULL) / US_PER_DAY,
    };

    series_sum_days(&i->series, name, code, days);
    in.today_pusd = days[in.count];
    forecast_run(&in, ret);
    free(days);
}

static void run_groups(struct inputs *i)
{
    uint8_t *seen = NULL;
    size_t size = 0;

    for (size_t c = 0; i->by != SERIES_NAMES && c < i->series.cells.len; c++) {
        uint32_t code = i->series.cells.ptr[c].codes[i->by];
        if (code >= size) {
            seen = mem_realloc(seen, 2 * (size_t)code + 64);
            memset(seen + size, 0, 2 * (size_t)code + 64 - size);
            size = 2 * (size_t)code + 64;
        }
        if (seen[code])
            continue;
        seen[code] = 1;
        struct forecast_row row = { .name = series_text(&i->series, i->by, code) };
        run_forecast(i, i->by, code, &row.forecast);
        vec_push(&i->table.rows, row);
    }
    free(seen);
    forecast_table_sort(&i->table);
    run_forecast(i, SERIES_NAMES, 0, &i->table.all);
}

/* A month of which there is nothing looks like one that cost nothing. */
static void note_empty(const struct invocation *inv, const struct inputs *i)
{
    int64_t first = month_day_us(i->month, 1, NULL) / US_PER_DAY - i->series.first_day;
    char month[MONTH_TEXT_BYTES];

    for (size_t c = 0; c < i->series.cells.len; c++)
        if ((int64_t)i->series.cells.ptr[c].day >= first)
            return;
    if (i->table.all.days_known > 0)
        cli_note(inv, "nothing was recorded in %s", month_format(i->month, month));
}

static int run(const struct invocation *inv)
{
    CLEANUP(inputs_release) struct inputs i = { .by = SERIES_NAMES };
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *by = invocation_get(inv, "by");
    struct err err;

    if (analysis_open(inv, &i.analysis, &err) < 0 || read_times(inv, &i, &err) < 0 ||
        read_series(&i, &err) < 0)
        return cli_fail(inv, &err);
    for (enum series_name n = 0; by && n < SERIES_NAMES; n++)
        i.by = str_eq(str_from(by), str_from(series_name(n))) ? n : i.by;
    i.table.by = str_from(by);
    run_groups(&i);
    switch (cli_format(inv)) {
    case CLI_FORMAT_JSON:
        forecast_print_json(&i.table, &out);
        break;
    case CLI_FORMAT_CSV:
        forecast_print_csv(&i.table, &out);
        break;
    default:
        forecast_print_text(&i.table, &out);
    }
    cli_out(buf_str(&out));
    note_empty(inv, &i);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze forecast --archive demo --by team --at 2026-10-15",
     "what October will have come to, as it looked on the 15th"            },
    { NULL,                                                            NULL},
};

const struct command command_analyze_forecast = {
    .path = "analyze forecast",
    .summary = "what a month will have come to",
    .operands = "",
    .options = options,
    .description =
        "What the month has cost so far, and for each day that is left what its weekday usually "
        "costs: the median of six weeks, with their growth. Days on which nothing was recorded "
        "though something is usual do not count as usual. At least and at most hold in 80 of 100 "
        "months; naive is the same again for every day that is left, for comparison.\n"
        "\n"
        "Groups are forecast one by one, so they need not add up to the whole. A month that is "
        "over has no forecast, only its sum.\n"
        "\n"
        "JSON: month, at, zone, all and rows, each with actual_usd, expected_usd, low_usd, "
        "high_usd and naive_usd (decimal strings), growth_a_day, days_known and days_left.",
    .examples = examples,
    .see_also = "weir-analyze-alerts(1), weir-analyze-spend(1)",
    .run = run,
};
