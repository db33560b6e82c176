#include "config.h"

#include "cli/command.h"

#include <string.h>

#include "analyze/push_clickhouse.h"
#include "analyze/push_table.h"
#include "cli/credentials.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION(LIST, .name = "archive", .letter = 'a', .value = "DIR", .required = true,
           .is_path = true,
           .help = "an archive's folder, or a folder or file of ledgers; repeatable"),
    OPTION(VALUE, .name = "to", .letter = 't', .value = "URL", .required = true,
           .help = "clickhouse://HOST:8123/DATABASE[?table=NAME], with TLS clickhouses://"),
    OPTIONS_CREDENTIALS,
    OPTION(FLAG, .name = "schema",
           .help = "print the statements that make the tables, and do nothing else"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct pushing {
    const struct invocation *inv;
};

static void show_progress(void *ctx, const struct push_progress *p)
{
    const struct pushing *pushing = ctx;

    cli_progress(pushing->inv, "%zu of %zu ledgers, %llu rows sent", p->ledgers_done, p->ledgers,
                 (unsigned long long)p->rows_sent);
}

static void print(const struct invocation *inv, const struct push_progress *p)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *format = invocation_get(inv, "format");
    unsigned long long sent = p->rows_sent, there = p->rows_there;

    if (format && strcmp(format, "json") == 0)
        buf_addf(&out,
                 "{\"ledgers\":%zu,\"ledgers_there\":%zu,\"rows_sent\":%llu,\"rows_there\":%llu}\n",
                 p->ledgers, p->ledgers_there, sent, there);
    else
        buf_addf(&out, "%zu ledgers, %zu of them there already; %llu rows sent, %llu found\n",
                 p->ledgers, p->ledgers_there, sent, there);
    cli_out(buf_str(&out));
}

static void print_schema(const struct clickhouse *server)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    push_table_schema(server, &out);
    buf_add_text(&out, ";\n");
    push_table_segments_schema(server, &out);
    buf_add_text(&out, ";\n");
    cli_out(buf_str(&out));
}

static int open_ledgers(const struct invocation *inv, struct ledgers *ret, struct err *err)
{
    const char *const *paths = invocation_list(inv, "archive");

    for (; *paths; paths++)
        if (ledgers_add_path(ret, *paths, INT64_MIN, INT64_MAX, err) < 0)
            return -1;
    return 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(clickhouse_close) struct clickhouse *server = NULL;
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    struct pushing pushing = { .inv = inv };
    struct push_progress progress;
    struct err err;

    if (credentials_clickhouse(inv, str_from(invocation_get(inv, "to")), &server, &err) < 0)
        return cli_fail(inv, &err);
    if (invocation_has(inv, "schema")) {
        print_schema(server);
        return EXIT_OK;
    }
    if (open_ledgers(inv, &ledgers, &err) < 0)
        return cli_fail(inv, &err);
    const struct push_clickhouse_options o = {
        .server = server, .ledgers = &ledgers, .on_progress = show_progress, .ctx = &pushing
    };
    if (push_clickhouse(&o, &progress, &err) < 0)
        return cli_fail(inv, &err);
    print(inv, &progress);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze push --archive demo --to clickhouse://ch.example:8123/usage --schema",
     "the tables, to be made by hand"                                                         },
    { NULL,                                                                               NULL},
};

const struct command command_analyze_push = {
    .path = "analyze push",
    .summary = "load ledgers into ClickHouse",
    .operands = "",
    .options = options,
    .description =
        "Makes the tables NAME (weir_ledger if the URL names none) and NAME_segments in a database "
        "that exists, and loads every ledger that is not there yet. Each row arrives exactly once: "
        "its key is the segment and its number within it. A push that ended early, for whatever "
        "reason, is simply run again, and sends what is missing; a push of new segments sends only "
        "these. Let one push at a time write to a table.\n"
        "\n"
        "The columns are those of weir-ledger(5), but for text, which is never null but empty, and "
        "for two that are integers so that every sum is exact: started_at_us, microseconds since "
        "1970 in UTC, and reported_cost_pusd, in 1e-12 USD. The columns segment, row and date (the "
        "UTC day) come first. NAME may be a Distributed table that exists already; examples/ has "
        "the statements. Everything works with ClickHouse 18.16 and newer.\n"
        "\n"
        "User and password are taken from CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, or from the "
        "file of --credentials; neither is ever printed. With clickhouses:// the server's "
        "certificate is verified.\n"
        "\n"
        "weir analyze spend --engine asks the same questions there.",
    .examples = examples,
    .see_also = "weir-analyze-spend(1), weir-ledger(5)",
    .run = run,
};
