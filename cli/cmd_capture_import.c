#include "config.h"

#include "cli/command.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "capture/conf.h"
#include "capture/import.h"
#include "capture/seal.h"
#include "cli/datadir.h"

#define BAD_SHOWN 10 /* of the records that were passed over; the rest is counted */

static const char *const kinds[] = { "auto", "exchanges", "har", "rows", NULL };
static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_ARCHIVE,
    {.kind = OPTION_VALUE,
      .name = "map",
      .letter = 'm',
      .value = "FILE|NAME",
      .help = "which column of a table means what: a file, or the name of a map that comes with "
              "weir; without it the table's header decides", .is_path = true },
    { .kind = OPTION_VALUE,
      .name = "at",
      .value = "TIME",
      .help = "the time of records that carry none" },
    { .kind = OPTION_VALUE,
      .name = "config",
      .letter = 'c',
      .value = "FILE",
      .help = "the configuration whose rules say who caused a call",
      .is_path = true },
    { .kind = OPTION_VALUE,
      .name = "kind",
      .letter = 'k',
      .value = "KIND",
      .help = "what the files hold; auto looks at how they begin",
      .choices = kinds },
    { .kind = OPTION_FLAG,
      .name = "lenient",
      .help = "exit with status 0 even if records were passed over"                                                       },
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct importing {
    const struct invocation *inv;
    struct archive *archive;
    struct conf *conf;
    char *maps_folder;
    struct key key;
    uint64_t bad;
};

static void importing_release(struct importing *i)
{
    archive_close(i->archive);
    conf_free(i->conf);
    free(i->maps_folder);
}
DEFINE_CLEANUP_VALUE(struct importing, importing_release)

static void note_bad(void *ctx, const char *file, uint64_t line, const char *reason)
{
    struct importing *i = ctx;
    if (i->bad++ < BAD_SHOWN)
        cli_note(i->inv, "%s:%llu: %s", file, (unsigned long long)line, reason);
}

static void note_seal(void *ctx, const char *text)
{
    struct importing *i = ctx;
    cli_note(i->inv, "%s", text);
}

static void show_progress(void *ctx, const char *file, uint64_t bytes, uint64_t records)
{
    struct importing *i = ctx;
    cli_progress(i->inv, "%s: %llu MiB, %llu records", file, (unsigned long long)(bytes >> 20),
                 (unsigned long long)records);
}

static int load(struct importing *i, struct import_options *o, struct err *err)
{
    const char *config = invocation_get(i->inv, "config"), *at = invocation_get(i->inv, "at");

    if (at && !timestamp_parse(str_from(at), &o->at_us))
        return err_set(err, ERR_USAGE,
                       "--at '%s' is not a time: write 2026-10-01 or 2026-10-01T12:00:00Z", at);
    o->has_at = at != NULL;
    if (config && conf_load(config, &i->conf, err) < 0)
        return -1;
    if (datadir_path("maps", &i->maps_folder, err) < 0 ||
        archive_open(invocation_get(i->inv, "archive"), true, &i->archive, err) < 0)
        return -1;
    if (i->conf && i->conf->key_file.len) {
        if (key_load(i->conf->key_file.ptr, false, &i->key, err) < 0)
            return -1;
    } else if (archive_key(i->archive, &i->key, err) < 0) {
        return -1;
    }
    if (i->conf) {
        attribution_set_key(i->conf->attribution, &i->key);
        for (size_t n = 0; n < i->conf->unread_count; n++)
            cli_note(i->inv, "%s: section '%.*s' is not read by this command", config,
                     STR_ARG(i->conf->unread[n]));
    }
    return 0;
}

static enum import_kind kind_of(const struct invocation *inv)
{
    const char *kind = invocation_get(inv, "kind");
    int at = 0;
    while (kind && kinds[at] && !str_eq(str_from(kind), str_from(kinds[at])))
        at++;
    return (enum import_kind)at;
}

/* Operands and maps can be anywhere. */
static void enter_sandbox(const struct importing *i)
{
    static const char *const everything[] = { "/" };
    const struct sandbox more = { .readable = everything, .readable_count = 1 };

    archive_enter_sandbox(i->archive, &more);
}

/* All files; the number that could not be read. */
static int read_files(struct importing *i, struct import *im, struct import_stats *stats)
{
    int failed = 0;

    for (size_t n = 0; n < invocation_operand_count(i->inv); n++) {
        struct err err;
        if (import_file(im, invocation_operand(i->inv, n), kind_of(i->inv), stats, &err) < 0) {
            cli_fail(i->inv, &err);
            failed++;
        }
    }
    return failed;
}

static void report_text(const struct import_stats *s, struct buf *out)
{
    buf_addf(out, "%llu read, %llu added, %llu already there, %llu bad",
             (unsigned long long)s->read, (unsigned long long)s->added,
             (unsigned long long)s->already, (unsigned long long)s->bad);
    if (s->ignored)
        buf_addf(out, ", %llu without usage", (unsigned long long)s->ignored);
    buf_add_byte(out, '\n');
    if (s->already && !s->added)
        buf_add_text(out, "nothing was added: the archive has these records already\n");
}

static void report_json(const struct import_stats *s, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_int(out, "read", (int64_t)s->read);
    json_add_int(out, "added", (int64_t)s->added);
    json_add_int(out, "already", (int64_t)s->already);
    json_add_int(out, "bad", (int64_t)s->bad);
    json_add_int(out, "ignored", (int64_t)s->ignored);
    json_add_int(out, "bytes", (int64_t)s->bytes);
    buf_add_text(out, "}\n");
}

static void report(const struct importing *i, const struct import_stats *s)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    if (i->bad > BAD_SHOWN)
        cli_note(i->inv, "... and %llu more bad records", (unsigned long long)(i->bad - BAD_SHOWN));
    if (s->no_time)
        cli_note(
            i->inv,
            "%llu records carry no time: run it again with --at TIME, and only these are added",
            (unsigned long long)s->no_time);
    if (cli_format(i->inv) == CLI_FORMAT_JSON)
        report_json(s, &out);
    else
        report_text(s, &out);
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(importing_release) struct importing i = { .inv = inv };
    CLEANUP(import_discard) struct import *im = NULL;
    struct import_stats stats = { 0 };
    struct seal_stats sealed;
    struct err err;
    struct import_options o = {
        .key = &i.key,
        .map = invocation_get(inv, "map"),
        .now_us = clock_now_us(),
        .bad = note_bad,
        .progress = show_progress,
        .ctx = &i,
    };
    struct seal_options seal = {
        .key = &i.key, .created_by = "weir " PACKAGE_VERSION, .note = note_seal, .ctx = &i
    };

    if (load(&i, &o, &err) < 0)
        return cli_fail(inv, &err);
    enter_sandbox(&i);
    o.maps_folder = i.maps_folder;
    o.attribution = i.conf ? i.conf->attribution : NULL;
    o.conf = i.conf;
    if (import_open(i.archive, &o, &im, &err) < 0)
        return cli_fail(inv, &err);
    int failed = read_files(&i, im, &stats);
    if (import_finish(TAKE(im), &err) < 0 || seal_run(i.archive, &seal, &sealed, &err) < 0)
        return cli_fail(inv, &err);
    report(&i, &stats);
    if (failed)
        return EXIT_FAILED;
    return stats.bad && !invocation_has(inv, "lenient") ? EXIT_FAILED : EXIT_OK;
}

static const struct example examples[] = {
    {"weir capture import --archive other --config weir.yaml traffic.jsonl",
     "recorded exchanges, with the applications found by rules"                  },
    { "weir capture import --archive demo traffic.jsonl",
     "once more: nothing is added, and it says so"                               },
    { NULL,                                                                  NULL},
};

const struct command command_capture_import = {
    .path = "capture import",
    .summary = "put recorded traffic or usage tables into an archive",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .description =
        "Reads files of recorded traffic and adds what the archive does not have yet. The archive "
        "is made if it is missing. A file may be - for standard input, and may be compressed with "
        "gzip or zstd.\n\n"
        "Three kinds are read, told apart by how a file begins: recorded exchanges, one JSON "
        "object a line (weir-exchanges(5)); HAR 1.2 files, as browsers and proxies write them; and "
        "tables of usage, as CSV, TSV or JSON, whose columns a map explains (weir-map(5)). Maps "
        "for the Azure and Mooncake traces, aider's log, LiteLLM's spend log and the usage exports "
        "of OpenAI and Anthropic come with weir and are found by the table's columns.\n\n"
        "Credentials never reach the archive. Authorization and API key headers, cookies, AWS "
        "signatures and key parameters of URLs are replaced by a keyed fingerprint before anything "
        "is written; the caller's own credential also becomes the key_id of the call.\n\n"
        "Importing a file twice adds nothing: a record is known by its content. Two equal lines in "
        "one file are two calls; spread over two files they are one call, as where the files "
        "overlap, so keep records that differ in nothing, not even in time, in one file. A record "
        "that cannot be read is passed over and reported with its "
        "file and line; all others are added, and the exit status is 1 unless --lenient is "
        "given.\n\n"
        "A record's time is the one it carries: its own time, the answer's Date header, or the "
        "time of creation in the answer's body. For records without any, --at gives it.\n\n"
        "The files are the work of others: while it reads them, weir has given up the network, "
        "other programs and writing anywhere but into the archive, as far as the kernel and the "
        "build can (Landlock, seccomp).\n\n"
        "Limits: a line may hold 64 MiB, an entry of a HAR file 512 MiB, a body 256 MiB. Files are "
        "read as streams and may be of any size; memory grows by about 100 bytes for each record "
        "that the archive or the file holds.",
    .examples = examples,
    .see_also = "weir-capture-export(1), weir-exchanges(5), weir-map(5), weir-config(5), "
                "weir-archive(5)",
    .run = run,
};
