#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "cli/migration.h"
#include "cli/surveying.h"
#include "migrate/programme_draft.h"
#include "migrate/programme_lint.h"
#include "migrate/programme_lint_print.h"

#define DEFAULT_PLAN "programme.yaml"
#define DEFAULT_NAME "gateway"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(LIST, .name = "archive", .letter = 'a', .value = "DIR", .is_path = true,
           .help = "recorded traffic (default: the plan's archive)"),
    OPTIONS_ANALYSIS_ANYWHERE,
    OPTION(VALUE, .name = "start", .letter = 's', .value = "DATE",
           .help = "when a new plan begins (default: tomorrow)"),
    OPTION(VALUE, .name = "name", .letter = 'n', .value = "NAME",
           .help = "what a new plan is called (" DEFAULT_NAME ")"),
    OPTION(VALUE, .name = "gateway", .letter = 'g', .value = "UPSTREAM",
           .help = "where a new plan moves calls to (default: the first upstream of the "
                   "configuration with arm: gateway, else gateway)"),
    OPTION(VALUE, .name = "output", .letter = 'o', .value = "FILE", .is_path = true,
           .help = "write a new plan here, '-' for standard output"),
    OPTION(FLAG, .name = "force", .help = "write it over one that is there"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

/* --- a plan that is there --- */

/* s may be NULL. */
static int lint(const struct invocation *inv, const struct programme *p, const struct survey *s)
{
    CLEANUP(programme_lint_release) struct programme_lint l = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };

    programme_lint(p, s ? &s->inventory : NULL, s ? s->analysis.conf : NULL, &l);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        programme_lint_print_json(p, &l, &out);
    else
        programme_lint_print_text(p, &l, &out);
    cli_out(buf_str(&out));
    return programme_lint_count(&l, PROGRAMME_ERROR) + programme_lint_count(&l, PROGRAMME_WARNING)
               ? EXIT_FINDINGS
               : EXIT_OK;
}

static int run_lint(const struct invocation *inv, const char *path)
{
    CLEANUP(programme_free) struct programme *p = NULL;
    CLEANUP(survey_release) struct survey s = { 0 };
    const char *const *archives = invocation_list(inv, "archive");
    const char *config = invocation_get(inv, "config");
    const char *own[2] = { NULL, NULL };
    struct err err;

    if (programme_load(path, &p, &err) < 0)
        return cli_fail(inv, &err);
    if (!*archives && p->archive.len) {
        own[0] = p->archive.ptr;
        archives = own;
    }
    if (!config && p->config.len)
        config = p->config.ptr;
    if (!*archives)
        return lint(inv, p, NULL);
    struct survey_options o = {
        .archives = archives, .config = config, .from_us = INT64_MIN, .to_us = INT64_MAX
    };
    if (survey_run(inv, &o, &s, &err) < 0)
        return cli_fail(inv, &err);
    return lint(inv, p, &s);
}

/* --- a new one --- */

/* A path as a plan in another folder has to write it. */
static struct str path_from(struct arena *arena, const char *path, const char *output)
{
    char *whole = NULL;

    if (output && strchr(output, '/'))
        whole = realpath(path, NULL);
    struct str ret = arena_str(arena, str_from(whole ? whole : path));
    free(whole);
    return ret;
}

static struct str gateway_of(const struct invocation *inv, const struct conf *conf)
{
    const char *given = invocation_get(inv, "gateway");

    if (given)
        return str_from(given);
    for (size_t i = 0; conf && i < conf->upstream_count; i++)
        if (str_eq(conf->upstreams[i].arm, STR("gateway")))
            return conf->upstreams[i].name;
    return STR("gateway");
}

/* The beginning of a day in tz. */
static int read_start(const struct invocation *inv, const struct tz *tz, int64_t *ret,
                      struct err *err)
{
    const char *text = invocation_get(inv, "start");
    int64_t us = clock_now_us();
    struct civil c;

    if (text) {
        if (strlen(text) != 10 || !timestamp_parse(str_from(text), &us))
            return err_set(err, ERR_USAGE, "--start '%s' is not a day such as 2026-10-07", text);
        *ret = us;
        return 0;
    }
    c = civil_from_us(us + tz_offset_at(tz, us) * US_PER_SECOND);
    *ret = civil_to_us((struct civil){ c.year, c.month, c.day + 1, 0, 0, 0, 0 });
    return 0;
}

static int draft(const struct invocation *inv, const struct survey *s, const char *output,
                 struct buf *out, struct err *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const char *name = invocation_get(inv, "name"), *config = invocation_get(inv, "config");
    struct programme_draft_options o = {
        .name = str_from(name ? name : DEFAULT_NAME),
        .tz = str_from(s->analysis.zone),
        .archive = path_from(&arena, invocation_list(inv, "archive")[0], output),
        .config = config ? path_from(&arena, config, output) : STR(""),
        .gateway = gateway_of(inv, s->analysis.conf),
        .conf = s->analysis.conf,
    };

    if (read_start(inv, s->analysis.tz, &o.start_us, err) < 0)
        return -1;
    return programme_draft(&s->inventory, &o, out, err);
}

static int write_plan(const struct invocation *inv, const char *output, const struct buf *text,
                      const struct survey *s, struct err *err)
{
    CLEANUP(programme_free) struct programme *p = NULL;
    CLEANUP(programme_lint_release) struct programme_lint l = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };

    if (programme_parse(buf_str(text), output, "", &p, err) < 0)
        return err_wrap(err, "what was to be written cannot be read: please report this");
    if (strcmp(output, "-") == 0) {
        cli_out(buf_str(text));
        return 0;
    }
    if (file_exists(output) && !invocation_has(inv, "force"))
        return err_set(err, ERR_USAGE, "'%s' is there already: --force writes over it", output);
    if (file_replace(output, buf_str(text), 0644, err) < 0)
        return -1;
    programme_lint(p, &s->inventory, s->analysis.conf, &l);
    buf_addf(&out, "%s: %zu applications in %zu waves, ", output, p->app_count, p->wave_count);
    programme_add_time(p, p->start_us, &out);
    buf_add_text(&out, " to ");
    size_t end = out.len + sizeof("2026-10-07") - 1;
    programme_add_time(p, p->end_us - 1, &out);
    out.len = end; /* the day, without its last minute */
    buf_addf(&out,
             "; name owners and deputies, then run weir migrate "
             "plan again: it has %zu errors and %zu warnings\n",
             programme_lint_count(&l, PROGRAMME_ERROR),
             programme_lint_count(&l, PROGRAMME_WARNING));
    cli_out(buf_str(&out));
    return 0;
}

static int run_draft(const struct invocation *inv, const char *output)
{
    CLEANUP(survey_release) struct survey s = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    const char *const *archives = invocation_list(inv, "archive");
    struct err err;

    if (!*archives)
        return cli_usage(inv, "there is no plan '%s': --archive makes one of recorded traffic",
                         output);
    struct survey_options o = { .archives = archives,
                                .config = invocation_get(inv, "config"),
                                .from_us = INT64_MIN,
                                .to_us = INT64_MAX };
    if (survey_run(inv, &o, &s, &err) < 0 || draft(inv, &s, output, &text, &err) < 0 ||
        write_plan(inv, output, &text, &s, &err) < 0)
        return cli_fail(inv, &err);
    return EXIT_OK;
}

static int run(const struct invocation *inv)
{
    const char *plan = invocation_get(inv, "plan"), *output = invocation_get(inv, "output");

    if (!plan)
        plan = DEFAULT_PLAN;
    if (output || !file_exists(plan))
        return run_draft(inv, output ? output : plan);
    return run_lint(inv, plan);
}

static const struct example examples[] = {
    {"weir migrate plan --archive demo --config weir.yaml --start 2026-11-03 --output new.yaml",
     "a first plan for what was seen"                                                                },
    { "weir migrate plan --plan programme.yaml --archive demo --config weir.yaml",
     "what is unwise in a plan, and when all would be through"                                       },
    { NULL,                                                                                      NULL},
};

const struct command command_migrate_plan = {
    .path = "migrate plan",
    .summary = "write the plan of a migration, and hold it to its rules ever after",
    .operands = "",
    .options = options,
    .description =
        "Where there is no plan yet, or with --output, writes one from recorded traffic: the "
        "applications in waves by risk, two or three pilots first, at most five and 15 percent of "
        "the spend at the same time; for each the stages and bakes in which gates can decide by "
        "its own traffic, and a date. It is a file for people: owners and deputies are theirs to "
        "name. A file that is there is not written over without --force.\n"
        "\n"
        "Where there is one, says what is unwise in it, each with file, line and column and how to "
        "mend it: gates that cannot decide while a stage bakes (by the application's own calls a "
        "day and rate of failures), keys that are not sticky or may be empty, chances of false "
        "rollbacks that come to more than alpha_total, two applications of one owner at once, caps "
        "that the calendar breaks, needs that go in circles, dates in a freeze or outside of their "
        "wave, and more: see RULES in weir-programme(5). Then the calendar: when each begins, is "
        "at 100 percent and is through, at the earliest.",
    .findings = "warnings or errors were found",
    .exits = NULL,
    .examples = examples,
    .see_also = "weir-migrate-discover(1), weir-migrate-next(1), weir-programme(5)",
    .run = run,
};
