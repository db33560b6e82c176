#include "config.h"

#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "analyze/clickhouse.h"
#include "analyze/overlap.h"
#include "analyze/push_clickhouse.h"
#include "analyze/push_s3.h"
#include "analyze/push_table.h"
#include "capture/archive.h"
#include "cli/credentials.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION(LIST, .name = "archive", .letter = 'a', .value = "DIR", .required = true,
           .is_path = true, .help = "an archive's folder, or a folder or file of ledgers"),
    OPTION_COUNT_SHARED,
    OPTION(VALUE, .name = "to", .letter = 't', .value = "URL", .required = true,
           .help = "clickhouse://HOST:8123/DATABASE[?table=NAME], with TLS clickhouses://; or "
                   "s3://BUCKET[/PREFIX]"),
    OPTIONS_CREDENTIALS,
    OPTION(VALUE, .name = "endpoint", .value = "URL",
           .help = "an S3-compatible store, https://HOST[:PORT] (default: AWS's of the region)"),
    OPTION(VALUE, .name = "region", .value = "NAME",
           .help = "the store's region (default: AWS_REGION, else us-east-1)"),
    OPTION(FLAG, .name = "virtual-host",
           .help = "at --endpoint, name the bucket in the host instead of the path"),
    OPTION(VALUE, .name = "part-size", .value = "MIB",
           .help = "send larger files in parts of that many MiB (default 16)"),
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

static bool is_json(const struct invocation *inv)
{
    const char *format = invocation_get(inv, "format");

    return format && strcmp(format, "json") == 0;
}

static void print(const struct invocation *inv, const struct push_progress *p)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    unsigned long long sent = p->rows_sent, there = p->rows_there;

    if (is_json(inv))
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

    ret->count_shared = invocation_has(inv, "count-shared");
    for (; *paths; paths++)
        if (ledgers_add_path(ret, *paths, INT64_MIN, INT64_MAX, err) < 0)
            return -1;
    return overlap_check(ret, err);
}

static int push_to_clickhouse(const struct invocation *inv, struct str url, struct err *err)
{
    CLEANUP(clickhouse_close) struct clickhouse *server = NULL;
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    struct pushing pushing = { .inv = inv };
    struct push_progress progress;

    if (credentials_clickhouse(inv, url, &server, err) < 0)
        return -1;
    if (invocation_has(inv, "schema")) {
        print_schema(server);
        return 0;
    }
    if (open_ledgers(inv, &ledgers, err) < 0)
        return -1;
    const struct push_clickhouse_options o = {
        .server = server, .ledgers = &ledgers, .on_progress = show_progress, .ctx = &pushing
    };
    if (push_clickhouse(&o, &progress, err) < 0)
        return -1;
    print(inv, &progress);
    return 0;
}

/* --- S3 --- */

static void show_files(void *ctx, const struct push_s3_progress *p)
{
    const struct pushing *pushing = ctx;

    cli_progress(pushing->inv, "%zu of %zu files, %llu MiB sent", p->files_done, p->files,
                 (unsigned long long)(p->bytes_sent >> 20));
}

static void print_files(const struct invocation *inv, const struct push_s3_progress *p)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    unsigned long long sent = p->bytes_sent, there = p->bytes_there;

    if (is_json(inv))
        buf_addf(&out,
                 "{\"files\":%zu,\"files_there\":%zu,\"bytes_sent\":%llu,\"bytes_there\":%llu}\n",
                 p->files, p->files_there, sent, there);
    else
        buf_addf(&out, "%zu files, %zu of them there already; %llu bytes sent, %llu found\n",
                 p->files, p->files_there, sent, there);
    cli_out(buf_str(&out));
}

static int read_part_size(const struct invocation *inv, size_t *ret, struct err *err)
{
    const char *text = invocation_get(inv, "part-size");
    int64_t mib = 0;

    if (text && (!str_to_i64(str_from(text), &mib) || mib < 5 || mib > 1024))
        return err_set(err, ERR_USAGE, "--part-size is a number from 5 to 1024");
    *ret = (size_t)mib << 20;
    return 0;
}

static const char *region_of(const struct invocation *inv)
{
    const char *given = invocation_get(inv, "region"), *aws = getenv("AWS_REGION");

    return given ? given : aws && *aws ? aws : NULL;
}

static int open_store(const struct invocation *inv, struct str bucket, struct s3 **ret,
                      struct err *err)
{
    static const char *const names[3] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                          "AWS_SESSION_TOKEN" };
    CLEANUP(credentials_release) struct credentials c = { 0 };

    if (credentials_read(invocation_get(inv, "credentials"), names, &c, err) < 0)
        return -1;
    const struct s3_options o = { .bucket = bucket,
                                  .endpoint = invocation_get(inv, "endpoint"),
                                  .region = region_of(inv),
                                  .virtual_host = invocation_has(inv, "virtual-host"),
                                  .access_key = c.user,
                                  .secret_key = c.secret,
                                  .token = c.token,
                                  .ca_path = invocation_get(inv, "ca") };
    return s3_open(&o, ret, err);
}

static int push_to_s3(const struct invocation *inv, struct str url, struct err *err)
{
    CLEANUP(archive_close) struct archive *archive = NULL;
    CLEANUP(s3_close) struct s3 *store = NULL;
    const char *const *archives = invocation_list(inv, "archive");
    struct pushing pushing = { .inv = inv };
    struct push_s3_options o = { .on_progress = show_files, .ctx = &pushing };
    struct push_s3_progress progress;
    struct str bucket;

    if (archives[1])
        return err_set(err, ERR_USAGE, "one archive for each prefix, as it brings its own chain");
    if (push_s3_url(url, &bucket, &o.prefix, err) < 0 ||
        read_part_size(inv, &o.part_bytes, err) < 0 || open_store(inv, bucket, &store, err) < 0 ||
        archive_open(archives[0], false, &archive, err) < 0)
        return -1;
    o.store = store;
    o.archive = archive;
    if (push_s3(&o, &progress, err) < 0)
        return -1;
    print_files(inv, &progress);
    return 0;
}

static int run(const struct invocation *inv)
{
    struct str url = str_from(invocation_get(inv, "to"));
    struct err err;

    bool s3 = str_starts_with(url, STR("s3://"));
    if (!s3 && !clickhouse_is_url(url))
        return cli_usage(inv,
                         "--to '%.*s': expected clickhouse://HOST:8123/DATABASE or "
                         "s3://BUCKET/PREFIX",
                         STR_ARG(url));
    if (s3 && invocation_has(inv, "schema"))
        return cli_usage(inv, "--schema is for ClickHouse");
    if ((s3 ? push_to_s3 : push_to_clickhouse)(inv, url, &err) < 0)
        return cli_fail(inv, &err);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze push --archive demo --to clickhouse://ch.example:8123/usage --schema",
     "the tables, to be made by hand"                                                         },
    { NULL,                                                                               NULL},
};

const struct command command_analyze_push = {
    .path = "analyze push",
    .summary = "ledgers into ClickHouse, archives into S3",
    .operands = "",
    .options = options,
    .description =
        "To ClickHouse: makes the tables NAME (weir_ledger if the URL names none) and "
        "NAME_segments in a database "
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
        "What reads ledgers - weir analyze report, spend, trend, forecast, alerts, whatif, "
        "export, policy and reconcile - asks the same questions there with --engine: groups are "
        "made and added up there, prices are laid on the sums here, and every number is that of "
        "the ledgers, to the last digit. Rows are fetched where they are shown, or where only one "
        "by one they can be priced; then memory does not grow with them. Rules of --config, and "
        "filters by what they make or with patterns that ClickHouse has no function for ('?', "
        "three '*'), are applied here, to groups by all that they look at. What could differ is "
        "refused with the reason: sums filtered by times or counts beside what is decided here, "
        "and answers that were fetched again in files that are no archive's, as which of them "
        "counts depends on the files' order. Rows are in the order of days, segments and numbers, "
        "which is that of one archive.\n"
        "\n"
        "To S3 and what is compatible: copies segments, ledgers and the chain of an archive, as "
        "PREFIX/segments/date=YYYY-MM-DD/ID.tar.zst, PREFIX/ledger/date=YYYY-MM-DD/ID.parquet and "
        "PREFIX/chain, where Spark, Trino, DuckDB and ClickHouse read the ledgers in place: "
        "examples/ has the statement for each. Each file is held against the chain's hash of it "
        "before it goes, what the store says it took is compared with what was sent, and the "
        "object keeps the hash: what is there already is not sent again. Large files go in parts, "
        "and a push that ended early goes on behind the last part. The archive's key stays here, "
        "and nothing is ever deleted there.\n"
        "\n"
        "Credentials for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or "
        "the file of --credentials with ACCESS_KEY:SECRET[:TOKEN].",
    .examples = examples,
    .see_also = "weir-analyze-spend(1), weir-ledger(5)",
    .run = run,
};
