#include "config.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/page.h"
#include "base/timestamp.h"
#include "cli/evidence.h"
#include "cli/traffic.h"
#include "migrate/status.h"

#define GNUPLOT "gnuplot"

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(FLAG, .name = "no-archive",
           .help = "do not read the archive: what the ledger says, and the last verdicts in it"),
    OPTION(VALUE, .name = "html", .value = "FILE", .is_path = true,
           .help = "write the same as a page to FILE as well"),
    OPTION_FORMAT(evidence_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

/* Those with calls at the gateway, now or before. */
static int judge(struct migration *m, struct verdict **ret, size_t *ret_count,
                 const struct verdict ***ret_by_app, struct err *err)
{
    const struct programme *p = m->programme;
    const struct programme_app **apps = mem_calloc(p->app_count + 1, sizeof(*apps));
    struct verdict_input in = {
        .programme = p,
        .rollout = m->rollout,
        .archive = m->archive,
        .prices = m->prices,
        .until_us = m->now_us,
    };
    size_t count = 0;

    for (size_t i = 0; i < p->app_count; i++)
        if (m->portfolio->apps[i].share > 0)
            apps[count++] = &p->apps[i];
    *ret_by_app = mem_calloc(p->app_count + 1, sizeof(**ret_by_app));
    int r = count ? verdict_judge(&in, apps, count, ret, err) : 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        (*ret_by_app)[apps[i] - p->apps] = &(*ret)[i];
    *ret_count = r == 0 ? count : 0;
    free(apps);
    return r;
}

static int write_page(const struct invocation *inv, const struct document *d, struct err *err)
{
    CLEANUP(buf_release) struct buf page = { 0 };
    const char *path = invocation_get(inv, "html");
    struct err no_charts;

    if (!path)
        return 0;
    if (page_print(d, GNUPLOT, &page, &no_charts) < 0)
        cli_note(inv, "the page has no charts, only their tables: %s", no_charts.text);
    return file_replace(path, buf_str(&page), 0644, err);
}

static int print(struct migration *m, const struct status_input *in, struct err *err)
{
    CLEANUP(status_release) struct status s = { 0 };
    CLEANUP(document_release) struct document d = { 0 };

    status_make(in, &s);
    status_build(&s, &d);
    if (write_page(m->inv, &d, err) < 0)
        return -1;
    evidence_print(m->inv, &d);
    return 0;
}

static int show(struct migration *m, struct err *err)
{
    CLEANUP(traffic_release) struct traffic t = { 0 };
    struct status_input in = { .portfolio = m->portfolio, .now_us = m->now_us };
    const struct verdict **by_app = NULL;
    struct verdict *verdicts = NULL;
    size_t count = 0;
    int r = 0;

    if (m->programme->archive.len && !invocation_has(m->inv, "no-archive")) {
        r = migration_open_archive(m, err) < 0 || traffic_read(m, &t, err) < 0 ||
                    judge(m, &verdicts, &count, &by_app, err) < 0
                ? -1
                : 0;
        in.arms = &t.arms;
        in.arms_from_us = t.from_us;
        in.verdicts = by_app;
    }
    if (r == 0)
        r = print(m, &in, err);
    verdict_free(verdicts, count);
    free(by_app);
    return r;
}

static int run(const struct invocation *inv)
{
    CLEANUP(migration_close) struct migration m = { 0 };
    struct err err;

    if (migration_open(inv, ROLLOUT_READ, &m, &err) < 0 || show(&m, &err) < 0)
        return migration_fail(inv, &err);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir migrate status",                     "where everything stands"        },
    { "weir migrate status --html status.html", "the same, for a browser as well"},
    { NULL,                                     NULL                             },
};

const struct command command_migrate_status = {
    .path = "migrate status",
    .summary = "where every application and wave stands, and what is in the way",
    .operands = "",
    .options = options,
    .description =
        "Says of the programme how many applications are through, baking, moving, waiting and "
        "back, how far that is ahead of the plan or behind it (when the plan would have been where "
        "things are, every stage as long as it bakes), and how much of the spend has moved; of "
        "each wave and application its share, stage, and what its gates say today; what is in the "
        "way of each that could move; steps and changes that a person has to look at; and the "
        "latest rollbacks.\n"
        "\n"
        "What it has come to: calls and spend through the gateway, spend of nobody, what a call "
        "through the gateway costs beside one that went directly with the interval that covers it "
        "95 times of 100, the wait that is added before first tokens, errors either way and what "
        "ratio of them is excluded, rollbacks, those on evidence and how long these were exposed, "
        "and how long rollbacks took until they were seen to run. Figures are of calls since the "
        "programme began, and of 30 days at least.\n"
        "\n"
        "Nothing is changed, and nothing that is live is asked: weir migrate drift does that.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-ready(1), weir-migrate-gate(1), weir-migrate-log(1), "
                "weir-analyze-report(1), weir-programme(5)",
    .run = run,
};
