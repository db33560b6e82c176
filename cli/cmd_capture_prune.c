#include "config.h"

#include "cli/command.h"

#include "base/json.h"
#include "base/timestamp.h"
#include "capture/prune.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_ARCHIVE,
    OPTION(VALUE, .name = "bodies", .value = "AGE",
           .help = "remove segments of days that ended longer ago than this: 30d, 4w"),
    OPTION(VALUE, .name = "ledger", .value = "AGE",
           .help = "remove ledgers likewise, and their segments with them: 400d"),
    OPTION(FLAG, .name = "dry-run", .letter = 'n', .help = "only say what would be removed"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct pruning {
    bool quiet; /* paths are not printed */
};

static void print_path(void *ctx, const char *path)
{
    const struct pruning *p = ctx;

    if (p->quiet)
        return;
    cli_out(str_from(path));
    cli_out(STR("\n"));
}

static int parse_age(const struct invocation *inv, const char *name, int64_t *ret, struct err *err)
{
    const char *text = invocation_get(inv, name);

    *ret = -1;
    if (!text)
        return 0;
    if (!duration_parse(str_from(text), ret) || *ret < 0)
        return err_set(err, ERR_USAGE, "--%s '%s' is not an age: write 30d or 4w", name, text);
    return 0;
}

static void print_stats(const struct invocation *inv, const struct prune_stats *s)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *verb = invocation_has(inv, "dry-run") ? "would be removed" : "removed";

    if (cli_format(inv) == CLI_FORMAT_JSON) {
        buf_add_byte(&out, '{');
        json_add_int(&out, "segments", (int64_t)s->segments);
        json_add_int(&out, "ledgers", (int64_t)s->ledgers);
        json_add_int(&out, "bytes", (int64_t)s->bytes);
        json_add_bool(&out, "dry_run", invocation_has(inv, "dry-run"));
        buf_add_text(&out, "}\n");
    } else {
        buf_addf(&out, "%llu segments and %llu ledgers of %llu bytes %s\n",
                 (unsigned long long)s->segments, (unsigned long long)s->ledgers,
                 (unsigned long long)s->bytes, verb);
    }
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(archive_close) struct archive *archive = NULL;
    struct pruning p = { .quiet = cli_format(inv) == CLI_FORMAT_JSON };
    struct prune_options opts = {
        .now_us = clock_now_us(),
        .dry_run = invocation_has(inv, "dry-run"),
        .note = print_path,
        .ctx = &p,
    };
    struct prune_stats stats;
    struct err err;

    if (parse_age(inv, "bodies", &opts.bodies_us, &err) < 0 ||
        parse_age(inv, "ledger", &opts.ledger_us, &err) < 0)
        return cli_fail(inv, &err);
    if (opts.bodies_us < 0 && opts.ledger_us < 0)
        return cli_usage(inv, "say what to remove: --bodies AGE, --ledger AGE or both");
    if (archive_open(invocation_get(inv, "archive"), false, &archive, &err) < 0 ||
        prune_run(archive, &opts, &stats, &err) < 0)
        return cli_fail(inv, &err);
    print_stats(inv, &stats);
    return EXIT_OK;
}

const struct command command_capture_prune = {
    .path = "capture prune",
    .summary = "remove what has been kept long enough",
    .operands = "",
    .options = options,
    .description =
        "Removes whole days: those that ended (UTC) longer ago than the age given. --bodies "
        "removes the segments, which hold heads and bodies; the ledgers, which hold usage and who "
        "caused it, stay. --ledger removes the ledgers as well.\n"
        "\n"
        "A line in the chain says first what goes, so that `weir capture verify` can tell what was "
        "pruned from what is missing. Journals that are not sealed yet are not touched. An import "
        "of a file whose ledger was removed brings its records again.",
    .examples =
        (const struct example[]){
                                 { "weir capture prune --archive demo --bodies 30d --ledger 400d --dry-run",
              "what a retention of 30 and 400 days would remove today" },
                                 { NULL, NULL },
                                 },
    .see_also = "weir-capture-verify(1), weir-archive(5)",
    .run = run,
};
