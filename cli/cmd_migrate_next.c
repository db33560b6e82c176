#include "config.h"

#include "cli/migration.h"
#include "migrate/next.h"

#define NEXT_MOST 10000

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

static int run(const struct invocation *inv)
{
    CLEANUP(migration_close) struct migration m = { 0 };
    CLEANUP(next_release) struct next next = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    int64_t most = NEXT_APPS;
    struct err err;

    if (invocation_operand_count(inv) &&
        (!str_to_i64(str_from(invocation_operand(inv, 0)), &most) || most < 1 || most > NEXT_MOST))
        return cli_usage(inv, "'%s' is not a number from 1 to %d", invocation_operand(inv, 0),
                         NEXT_MOST);
    if (migration_open(inv, ROLLOUT_READ, &m, &err) < 0)
        return migration_fail(inv, &err);
    next_find(m.portfolio, (size_t)most, &next);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        next_print_json(m.portfolio, &next, &out);
    else
        next_print_text(m.portfolio, &next, &out);
    cli_out(buf_str(&out));
    return next_is_complete(&next) ? EXIT_OK : EXIT_FINDINGS;
}

static const struct example examples[] = {
    {"weir migrate next 3 --plan programme.yaml",
     "which three applications move next, and what is missing"},
    { NULL,                                       NULL        },
};

const struct command command_migrate_next = {
    .path = "migrate next",
    .summary = "the applications that move next, and what is missing of each",
    .operands = "[N]",
    .operands_min = 0,
    .operands_max = 1,
    .options = options,
    .description =
        "Prints the next N applications (5) of the plan by date: those that have not begun, and "
        "those that were rolled back all the way. Each needs a date (its own or its wave's), an "
        "owner, a deputy, a known risk, gates that somebody wrote, and, if its risk is high, "
        "somebody who must approve; what is missing is said. A programme that cannot name its next "
        "five is not one that can go on.",
    .findings = "something is missing of one of them",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-plan(1), weir-migrate-ready(1), weir-programme(5)",
    .run = run,
};
