#include "config.h"

#include <string.h>

#include "analyze/closing.h"
#include "analyze/gaps.h"
#include "analyze/report.h"
#include "base/document_print.h"
#include "base/file.h"
#include "base/page.h"
#include "cli/analysis.h"

#define TOP_DEFAULT 20
#define TOP_MAX     100000
#define GNUPLOT     "gnuplot"
#define HOUR_US     (INT64_C(3600) * US_PER_SECOND)
#define PATIENCE_US US_PER_SECOND /* without a word on a terminal */

static const char *const formats[] = { "text", "html", "json", "csv", NULL };

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(VALUE, .name = "month", .letter = 'm', .value = "YYYY-MM", .required = true,
           .help = "the month, in the zone of --tz"),
    OPTION(VALUE, .name = "top", .value = "N",
           .help = "how many rows a table has, the rest being summed (default 20)"),
    OPTION_FORMAT(formats),
    OPTION_OUTPUT,
    OPTION(VALUE, .name = "state", .value = "DIR", .is_path = true,
           .help = "where closed months keep their prices (default: the folder reports of the "
                   "first archive; none with --engine)"),
    OPTION(FLAG, .name = "reprice",
           .help = "close the month anew, at the prices of today's price book"),
    OPTIONS_END,
};

/* Everything the run borrows. */
struct run {
    const struct invocation *inv;
    struct analysis analysis;
    struct month month;
    int64_t now_us, started_us;
    int days;       /* of the month that are over */
    bool is_closed; /* all of its days are over */
    bool to_close;  /* and its prices are still to be kept */
    size_t top;
    struct buf state;                      /* the folder; "" = none */
    struct buf pin;                        /* a sentence on the prices */
    struct price_book *book, *book_before; /* of closed months; NULL = that of the analysis */
    struct report_month now, before;
    struct report_traffic traffic;
    struct forecast forecast;
    VEC(struct report_budget) budgets;
    struct arena arena;
};

static void run_release(struct run *r)
{
    analysis_close(&r->analysis);
    buf_release(&r->state);
    buf_release(&r->pin);
    price_book_free(r->book);
    price_book_free(r->book_before);
    report_month_release(&r->now);
    report_month_release(&r->before);
    report_traffic_release(&r->traffic);
    vec_release(&r->budgets);
    arena_release(&r->arena);
}
DEFINE_CLEANUP_VALUE(struct run, run_release)

static int parse_options(struct run *r, struct err *err)
{
    const char *month = invocation_get(r->inv, "month"), *top = invocation_get(r->inv, "top");
    int64_t n = TOP_DEFAULT;

    if (!month_parse(str_from(month), &r->month))
        return err_set(err, ERR_USAGE, "--month '%s' is not a month: write 2026-10", month);
    if (top && (!str_to_i64(str_from(top), &n) || n < 1 || n > TOP_MAX))
        return err_set(err, ERR_USAGE, "--top '%s' is not a number from 1 to %d", top, TOP_MAX);
    r->top = (size_t)n;
    r->days = month_days_over(r->month, r->now_us, r->analysis.tz);
    r->is_closed = r->days == month_days(r->month);
    if (r->days == 0)
        return err_set(err, ERR_USAGE, "--month %s: none of its days is over yet", month);
    return 0;
}

static void read_budgets(struct run *r)
{
    static const char *const dimensions[] = {
        [CONF_BUDGET_ALL] = NULL,
        [CONF_BUDGET_BUSINESS_UNIT] = "business_unit",
        [CONF_BUDGET_TEAM] = "team",
        [CONF_BUDGET_APP] = "app",
    };
    static const char *const words[] = { "everything", "business unit ", "team ", "app " };
    const struct conf *conf = r->analysis.conf;
    CLEANUP(buf_release) struct buf name = { 0 };

    for (size_t i = 0; conf && i < conf->budget_count; i++) {
        const struct conf_budget *b = &conf->budgets[i];
        if (b->pusd[CONF_BUDGET_MONTH] == 0)
            continue;
        buf_clear(&name);
        buf_addf(&name, "%s%.*s", words[b->of], STR_ARG(b->name));
        vec_push(&r->budgets, ((struct report_budget){ .name = arena_str(&r->arena, buf_str(&name)),
                                                       .dimension = dimensions[b->of],
                                                       .value = b->name,
                                                       .month_pusd = b->pusd[CONF_BUDGET_MONTH] }));
    }
}

/* --- the prices of closed months --- */

static void choose_state(struct run *r)
{
    const char *state = invocation_get(r->inv, "state"), *archive = r->analysis.paths[0];
    CLEANUP(buf_release) struct buf chain = { 0 };

    if (state)
        buf_add_text(&r->state, state);
    if (state || !archive)
        return;
    buf_addf(&chain, "%s/chain", archive);
    if (file_exists(buf_cstr(&chain)))
        buf_addf(&r->state, "%s/reports", archive);
}

static int load_closed(struct run *r, struct month m, struct closing *ret, struct price_book **book,
                       struct err *err)
{
    int found = r->state.len ? closing_find(buf_cstr(&r->state), m, ret, err) : 0;

    if (found <= 0)
        return found;
    return closing_load(buf_cstr(&r->state), ret, book, err) < 0 ? -1 : 1;
}

static void say_closed(struct run *r, const char *hash, const char *today)
{
    buf_addf(&r->pin, "Closed with price book %.12s: prices that change later do not change it.",
             hash);
    if (strcmp(hash, today) != 0)
        buf_addf(&r->pin, " Today's is %.12s; --reprice would take it.", today);
}

/* The month before is not closed by the way: who has not asked for it may not have all of it. */
static int choose_books(struct run *r, struct err *err)
{
    struct closing c = { 0 }, before = { 0 };
    const char *today = price_book_hash(r->analysis.book);
    int found = 0;

    choose_state(r);
    if (load_closed(r, month_before(r->month), &before, &r->book_before, err) < 0)
        return -1;
    if (!r->is_closed) {
        buf_add_text(&r->pin, "Prices are those of today's price book; they may change until the "
                              "month is over.");
        return 0;
    }
    if (!invocation_has(r->inv, "reprice") &&
        (found = load_closed(r, r->month, &c, &r->book, err)) < 0)
        return -1;
    if (found) {
        say_closed(r, c.hash, today);
        return 0;
    }
    if (!r->state.len) {
        buf_add_text(&r->pin, "Not closed: without an archive or --state, prices are today's.");
        return 0;
    }
    r->to_close = true;
    return 0;
}

/* Not before it was read: a month without a record, whose traffic may be imported tomorrow, is not
 * to have today's prices for ever. */
static void close_month(struct run *r)
{
    const char *today = price_book_hash(r->analysis.book);
    char month[MONTH_TEXT_BYTES];
    struct err err;

    if (r->now.parts[REPORT_DAILY].result.totals.requests == 0) {
        cli_note(r->inv, "nothing was recorded in %s%s%s", month_format(r->month, month),
                 r->is_closed ? "" : ", as far as its days are over",
                 invocation_has(r->inv, "where") ? ", that passes --where" : "");
        if (r->to_close)
            buf_add_text(&r->pin, "Not closed: nothing was recorded.");
        return;
    }
    if (!r->to_close)
        return;
    if (closing_write(buf_cstr(&r->state), r->month, r->analysis.book, r->analysis.price_paths.ptr,
                      r->analysis.price_paths.len, r->now_us, &err) < 0) {
        cli_note(r->inv, "the month keeps no prices: %s", err.text);
        buf_add_text(&r->pin, "Not closed: its prices could not be kept.");
        return;
    }
    say_closed(r, today, today);
}

/* --- reading --- */

static void tell(void *ctx, int done)
{
    struct run *r = ctx;

    if (clock_monotonic_us() - r->started_us > PATIENCE_US)
        cli_progress(r->inv, "%d of %d", done, 2 * REPORT_PARTS);
}

static void tell_second(void *ctx, int done)
{
    tell(ctx, REPORT_PARTS + done);
}

static int read_month(struct run *r, struct month m, int days, struct price_book *book,
                      struct report_month *ret, struct err *err)
{
    struct analysis *a = &r->analysis;

    if (analysis_set_span(a, month_day_us(m, 1, a->tz), month_day_us(m, days + 1, a->tz), err) < 0)
        return -1;
    struct engine_query q = analysis_query(a, NULL, 0);
    if (book)
        q.book = book;
    return report_month_read(&q, a->tz, m, ret == &r->now ? tell_second : tell, r, ret, err);
}

static int64_t floor_hour(int64_t us)
{
    return us - (us % HOUR_US + HOUR_US) % HOUR_US;
}

static int read_traffic(struct run *r, struct err *err)
{
    struct analysis *a = &r->analysis;
    int64_t from_us = floor_hour(month_day_us(r->month, 1, a->tz)) - GAPS_EARLIER * HOUR_US;

    if (analysis_set_span(a, from_us, floor_hour(month_day_us(r->month, r->days + 1, a->tz)), err) <
        0)
        return -1;
    struct engine_query q = analysis_query(a, NULL, 0);
    return report_traffic_read(&q, &r->traffic, err);
}

static int read_forecast(struct run *r, struct err *err)
{
    struct analysis *a = &r->analysis;
    int64_t month_us = month_day_us(r->month, 1, a->tz);
    int64_t from_us = month_day_us(r->month, r->days + 1 - FORECAST_WINDOW_DAYS, a->tz);

    if (r->is_closed)
        return 0;
    if (analysis_set_span(a, from_us < month_us ? from_us : month_us, r->now_us, err) < 0)
        return -1;
    struct engine_query q = analysis_query(a, NULL, ENGINE_MONEY);
    return report_forecast_read(&q, a->tz, r->month, &r->forecast, err);
}

static int read_all(struct run *r, int *ret_days_before, struct err *err)
{
    struct month before = month_before(r->month);
    int days = month_days(before);

    if (!r->is_closed && r->days < days)
        days = r->days;
    *ret_days_before = days;
    if (read_month(r, before, days, r->book_before, &r->before, err) < 0 ||
        read_month(r, r->month, r->days, r->book, &r->now, err) < 0)
        return -1;
    return read_traffic(r, err) < 0 ? -1 : read_forecast(r, err);
}

/* --- writing --- */

static void print_page(const struct invocation *inv, const struct document *d, struct buf *out)
{
    struct err err;

    if (page_print(d, GNUPLOT, out, &err) < 0)
        cli_note(inv, "the page has no charts, only their tables: %s", err.text);
}

static void print(const struct invocation *inv, const struct document *d)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *format = invocation_has(inv, "format") ? invocation_get(inv, "format") : "text";

    if (strcmp(format, "json") == 0)
        document_print_json(d, &out);
    else if (strcmp(format, "csv") == 0)
        document_print_csv(d, &out);
    else if (strcmp(format, "html") == 0)
        print_page(inv, d, &out);
    else
        document_print_text(d, &out);
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(run_release)
    struct run r = { .inv = inv, .now_us = clock_now_us(), .started_us = clock_monotonic_us() };
    CLEANUP(document_release) struct document doc = { 0 };
    int days_before;
    struct err err;

    if (analysis_open(inv, &r.analysis, &err) < 0 || parse_options(&r, &err) < 0 ||
        choose_books(&r, &err) < 0 || read_all(&r, &days_before, &err) < 0)
        return cli_fail(inv, &err);
    close_month(&r);
    read_budgets(&r);
    struct report_input in = {
        .now = &r.now,
        .before = &r.before,
        .days = r.days,
        .days_before = days_before,
        .is_closed = r.is_closed,
        .traffic = &r.traffic,
        .forecast = &r.forecast,
        .budgets = r.budgets.ptr,
        .budget_count = r.budgets.len,
        .tz = r.analysis.tz,
        .zone = str_from(r.analysis.zone),
        .book_hash = price_book_hash(r.book ? r.book : r.analysis.book),
        .pin = buf_str(&r.pin),
        .where = str_from(invocation_get(inv, "where")),
        .top = r.top,
    };
    report_build(&in, &doc);
    print(inv, &doc);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze report --archive demo --month 2026-10",                                          "the month on one page of text"},
    { "weir analyze report --archive demo --month 2026-10 --tz Europe/Berlin --output report.html",
     "the same with charts, one file for a browser"                                                                                },
    { NULL,                                                                                         NULL                           },
};

const struct command command_analyze_report = {
    .path = "analyze report",
    .summary = "a month: what it cost, who caused it, why it changed",
    .operands = "",
    .options = options,
    .description =
        "Puts a month beside the one before. First what it came to, how that compares - in all, "
        "and on equal days, as many of the first days of both months - the forecast of a month "
        "that is not over, budgets of the configuration, and where the figures come from: "
        "reported, table, estimated, unpriced, unattributed. Then spend by business unit, team, "
        "app, model, provider and end user; day by day; why it changed; latency and errors; "
        "failures and what they cost; retries and fallbacks, how long they made callers wait and "
        "what they cost beside the first choice; what caches saved; what rules of the policy "
        "said; what went through a gateway beside what went directly, in months in which anything "
        "did; what to look into; and gaps of capture.\n"
        "\n"
        "A change is taken apart by the models of each provider: volume is more or fewer tokens "
        "at the old shares and rates, mix other shares, rate what a token of the same model cost, "
        "new what was not used before. The parts add up to the difference exactly. A cost that "
        "cannot be right for its usage (a hundred times the price book's or last month's, or more "
        "than 1 USD per thousand tokens) is shown as a price error, and the change without it.\n"
        "\n"
        "A gap of capture is a run of hours without a request in which the same hours of the four "
        "weeks before bring at least 12.\n"
        "\n"
        "The first report of a month that is over, and in which anything was recorded, closes it: "
        "the price book is kept beside the archive (--state), and later reports use it, whatever "
        "has become of prices since. They say so, and --reprice closes the month anew. The month "
        "before is priced as it was closed, too. Of a month that is not over, the days that are "
        "over are reported, against "
        "as many of the month before. With --engine there is no archive beside which prices could "
        "be "
        "kept: say --state, or every report takes today's.\n"
        "\n"
        "HTML: one file that loads nothing and needs no script. Its charts are drawn by gnuplot "
        "(Debian: gnuplot-nox); without it the page says so and keeps its tables.\n"
        "\n"
        "JSON: sections, each with id, title, rows and notes. Amounts are decimal strings with 12 "
        "digits, shares and changes numbers (0.25 is 25 %), times microseconds. CSV: a line for "
        "each cell - section, row, column, value - as the tables differ.",
    .examples = examples,
    .see_also = "weir-analyze-spend(1), weir-config(5), weir-prices(5)",
    .run = run,
};
