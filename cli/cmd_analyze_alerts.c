#include "config.h"

#include "cli/analysis.h"

#include <stdlib.h>

#include "analyze/alerts_print.h"
#include "analyze/alerts_state.h"
#include "analyze/period.h"
#include "analyze/webhook.h"
#include "base/file.h"

#define SECRET_BYTES_MAX 4096u

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(VALUE, .name = "at", .value = "TIME",
           .help = "look at the archive as of this moment: 2026-10-07 or a full time (default: "
                   "now)"),
    OPTION(VALUE, .name = "state", .letter = 's', .value = "FILE", .is_path = true,
           .help = "remember here what was told, and tell it once"),
    OPTION(LIST, .name = "budgets", .value = "FILE", .is_path = true,
           .help = "budgets beside those of --config, in the same form"),
    OPTION(VALUE, .name = "webhook", .value = "URL",
           .help = "post what is new here as JSON (default: alerts.webhook.url of --config)"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

/* Everything the run borrows. */
struct inputs {
    struct analysis analysis;
    struct conf_alerts limits;
    struct alerts_input in;
    enum series_name by[SERIES_NAMES];
    VEC(struct conf *) budget_files;
    VEC(const struct conf_budget *) budgets;
    struct buf secret;
    int64_t now_us;
};

static void inputs_release(struct inputs *i)
{
    alerts_input_release(&i->in);
    for (size_t n = 0; n < i->budget_files.len; n++)
        conf_free(i->budget_files.ptr[n]);
    vec_release(&i->budget_files);
    vec_release(&i->budgets);
    buf_release(&i->secret);
    analysis_close(&i->analysis);
}
DEFINE_CLEANUP_VALUE(struct inputs, inputs_release)

static void add_budgets(struct inputs *i, const struct conf *conf)
{
    for (size_t n = 0; conf && n < conf->budget_count; n++)
        vec_push(&i->budgets, &conf->budgets[n]);
}

static int load_budgets(const struct invocation *inv, struct inputs *i, struct err *err)
{
    const char *const *files = invocation_list(inv, "budgets");

    add_budgets(i, i->analysis.conf);
    for (; *files; files++) {
        struct conf *conf;
        if (conf_load(*files, &conf, err) < 0)
            return -1;
        vec_push(&i->budget_files, conf);
        if (conf->budget_count == 0)
            return err_set(err, ERR_USAGE, "'%s' has no budget", *files);
        add_budgets(i, conf);
    }
    i->in.budgets = i->budgets.ptr;
    i->in.budget_count = i->budgets.len;
    return 0;
}

static int load_by(struct inputs *i, struct err *err)
{
    i->in.by = i->by;
    for (size_t n = 0; n < i->limits.by.count; n++) {
        struct str name = i->limits.by.list[n];
        enum series_name at = 0;
        while (at < SERIES_NAMES && !str_eq(str_from(series_name(at)), name))
            at++;
        if (at == SERIES_NAMES)
            return err_set(err, ERR_USAGE,
                           "alerts.by: '%.*s' is none of business_unit, team, app, provider, model",
                           STR_ARG(name));
        for (size_t k = 0; k < i->in.by_count; k++)
            if (i->by[k] == at)
                return err_set(err, ERR_USAGE, "alerts.by: '%.*s' comes twice", STR_ARG(name));
        i->by[i->in.by_count++] = at;
    }
    return 0;
}

static int load_secret(struct inputs *i, struct err *err)
{
    const struct conf_secret *secret = &i->limits.webhook.secret;
    const char *value = secret->env.len ? getenv(secret->env.ptr) : NULL;

    if (secret->env.len && !value)
        return err_set(err, ERR_USAGE,
                       "the environment has no %s, which alerts.webhook.secret "
                       "names",
                       secret->env.ptr);
    if (value)
        buf_add_text(&i->secret, value);
    if (secret->file.len && file_read(secret->file.ptr, SECRET_BYTES_MAX, &i->secret, err) < 0)
        return err_wrap(err, "alerts.webhook.secret");
    if ((secret->env.len || secret->file.len) && str_trim(buf_str(&i->secret)).len == 0)
        return err_set(err, ERR_USAGE, "the secret of alerts.webhook.secret is empty");
    return 0;
}

static int read_at(const struct invocation *inv, struct inputs *i, struct err *err)
{
    const char *text = invocation_get(inv, "at");
    int64_t end_us;

    if (i->now_us)
        return 0;
    i->now_us = clock_now_us();
    if (text && !period_parse(str_from(text), i->analysis.tz, &i->now_us, &end_us))
        return err_set(err, ERR_USAGE, "--at '%s' is no time: write 2026-10-07 or a full time",
                       text);
    return 0;
}

/* As of i->now_us; 0 = as of --at. */
static int load_inputs(const struct invocation *inv, struct inputs *i, struct err *err)
{
    if (analysis_open(inv, &i->analysis, err) < 0 || read_at(inv, i, err) < 0)
        return -1;
    conf_alerts_default(&i->limits);
    if (i->analysis.conf)
        i->limits = i->analysis.conf->alerts;
    i->in.limits = &i->limits;
    i->in.tz = i->analysis.tz;
    i->in.span = alerts_span_at(i->in.tz, i->now_us);
    if (load_by(i, err) < 0 || load_budgets(inv, i, err) < 0 || load_secret(i, err) < 0)
        return -1;
    if (analysis_set_span(&i->analysis, alerts_day_us(i->in.tz, i->in.span.first_day), i->now_us,
                          err) < 0)
        return -1;
    struct engine_query query = analysis_query(&i->analysis, NULL, ENGINE_MONEY);
    return alerts_read(&query, &i->in, err);
}

static int send(const struct invocation *inv, const struct inputs *i, const struct alerts *a,
                struct err *err)
{
    const char *url = invocation_get(inv, "webhook");
    const struct conf_alerts *limits = &i->limits;
    CLEANUP(buf_release) struct buf body = { 0 };
    struct webhook hook = { .url = url ? str_from(url) : limits->webhook.url,
                            .ca_path = limits->webhook.ca.len ? limits->webhook.ca.ptr : NULL,
                            .secret = str_trim(buf_str(&i->secret)),
                            .timeout_us = limits->webhook.timeout_us,
                            .tries = (int)limits->webhook.tries };

    if (!hook.url.len)
        return 0;
    alerts_print_json(a, i->now_us, &body);
    if (webhook_post(&hook, buf_str(&body), err) < 0)
        return err_wrap(err, "the webhook did not take it, the next run tries again");
    return 0;
}

static void print(const struct invocation *inv, const struct inputs *i, const struct alerts *a)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    if (cli_format(inv) == CLI_FORMAT_JSON)
        alerts_print_json(a, i->now_us, &out);
    else
        alerts_print_text(a, &out);
    cli_out(buf_str(&out));
}

/* In the first days of a month, what has come late for the one before: alerts of that month that
 * were not told.  They go to ret, which borrows from late. */
static int add_late(const struct invocation *inv, const struct inputs *i,
                    const struct alerts_state *state, struct alerts *late, struct alerts *ret,
                    struct err *err)
{
    CLEANUP(inputs_release) struct inputs then = { 0 };
    const struct alerts_span *span = &i->in.span;

    if (span->today - span->month_day >= ALERTS_LATE_DAYS)
        return 0;
    then.now_us = alerts_day_us(i->in.tz, span->month_day);
    if (load_inputs(inv, &then, err) < 0)
        return -1;
    alerts_find(&then.in, late);
    alerts_state_mark(state, late);
    for (size_t k = 0; k < late->list.len; k++)
        if (late->list.ptr[k].is_new) {
            vec_push(&ret->list, late->list.ptr[k]);
            late->list.ptr[k].culprits.ptr = NULL; /* ret's now */
        }
    return 0;
}

static void note_idle_budgets(const struct invocation *inv, const struct inputs *i)
{
    static const char *const of[] = { "everything", "business unit", "team", "app" };

    for (size_t n = 0; n < i->budgets.len; n++) {
        const struct conf_budget *b = i->budgets.ptr[n];
        if (b->of != CONF_BUDGET_ALL && !alerts_budget_has_calls(&i->in, b))
            cli_note(inv, "budget of %s '%.*s': nothing was recorded under that name", of[b->of],
                     STR_ARG(b->name));
    }
}

static int run(const struct invocation *inv)
{
    CLEANUP(inputs_release) struct inputs i = { 0 };
    CLEANUP(alerts_state_close) struct alerts_state state = { .lock_fd = -1 };
    CLEANUP(alerts_release) struct alerts late = { 0 };
    CLEANUP(alerts_release) struct alerts alerts = { 0 };
    const char *path = invocation_get(inv, "state");
    struct err err;

    if (load_inputs(inv, &i, &err) < 0 || (path && alerts_state_open(path, &state, &err) < 0))
        return cli_fail(inv, &err);
    alerts_find(&i.in, &alerts);
    if (path && add_late(inv, &i, &state, &late, &alerts, &err) < 0)
        return cli_fail(inv, &err);
    size_t fresh = path ? alerts_state_mark(&state, &alerts) : alerts.list.len;
    print(inv, &i, &alerts);
    note_idle_budgets(inv, &i);
    if (fresh == 0)
        return EXIT_OK;
    if (send(inv, &i, &alerts, &err) < 0 ||
        (path && alerts_state_save(&state, &alerts, i.now_us, &err) < 0))
        return cli_fail(inv, &err);
    return EXIT_FINDINGS;
}

static const struct example examples[] = {
    {"weir analyze alerts --archive demo --at 2026-10-15 --state told.json",
     "what is new, for a cron job; told.json remembers"                          },
    { "weir analyze alerts --archive demo --at 2026-10-15 --format json",
     "everything, for a machine"                                                 },
    { NULL,                                                                  NULL},
};

const struct command command_analyze_alerts = {
    .path = "analyze alerts",
    .summary = "what somebody should look at, and who caused it",
    .operands = "",
    .options = options,
    .description =
        "Looks at the month of the last day that is over, and at what came before it. Run it once "
        "a day with --state: each alert is told once for its period, and the exit status says "
        "whether there is a new one. In the first three days of a month it then looks at the "
        "month before once more, for what was recorded late.\n"
        "\n"
        "change: a month costs more than the one before, by more than 30 % on equal days and on "
        "equal weekdays. spike: a day costs more than its weekday usually does. drift: small rises "
        "that add up (CUSUM). All three need a rise of at least the floor (20 USD), are watched "
        "for "
        "the whole and for each team, and name the smallest set of team, app and model that "
        "explains 80 % of the rise, with their shares before and now. Usual is the weekday's "
        "median "
        "over eight weeks before the month, with the growth of these weeks.\n"
        "\n"
        "budget, overrun: shares of a budget that are spent, and a month whose forecast exceeds "
        "it. unattributed, unpriced: costs that nobody owns, models without a price. errors, "
        "latency: twice what they were in the four weeks before the last one; of errors the worst "
        "day in seven is left out of both, and a day beyond the worst of these weeks is told as "
        "that day's.\n"
        "\n"
        "price: a rate that cannot be right, more than 1 USD per thousand tokens, 8 times the "
        "model's own or a twentieth of it; such costs are no rise. gap: hours without a record "
        "where some are usual; such days are compared with nothing.\n"
        "\n"
        "Limits, budgets and the webhook are in weir-config(5), sections alerts and apps. A post "
        "that fails is tried again; if that fails too, the exit status is 1 and the state is not "
        "written, so the next run tells the same.",
    .findings = "there is a new alert",
    .examples = examples,
    .see_also = "weir-analyze-forecast(1), weir-analyze-trend(1), weir-config(5)",
    .run = run,
};
