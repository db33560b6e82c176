#include "config.h"

#include "cli/command.h"

#include "base/json.h"
#include "capture/conf.h"
#include "capture/seal.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_ARCHIVE,
    OPTION(VALUE, .name = "config", .letter = 'c', .value = "FILE",
           .help = "the configuration that names the organisation's key", .is_path = true),
    OPTION(FLAG, .name = "salvage",
           .help = "of a damaged journal, seal what precedes the damage and keep the file as "
                   "WRITER.damaged"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct sealing {
    const struct invocation *inv;
};

static void note(void *ctx, const char *text)
{
    const struct sealing *s = ctx;
    cli_note(s->inv, "%s", text);
}

static const struct stat_row {
    const char *name, *text; /* text: printed with the number when that is not 0 */
    size_t offset;
    bool always;
} rows[] = {
#define ROW(member, text_, always_)                                                                \
    {                                                                                              \
        .name = #member, .text = text_, .offset = offsetof(struct seal_stats, member),             \
        .always = always_                                                                          \
    }
    ROW(journals, "journals sealed", true),
    ROW(segments, "segments made", true),
    ROW(exchanges, "exchanges", true),
    ROW(rows, "ledger rows", true),
    ROW(unended, "exchanges without an end, sealed as truncated", false),
    ROW(unfinished_imports, "half-imported exchanges left out: import their file again", false),
    ROW(torn_bytes, "bytes of unfinished frames left out", false),
    ROW(unclosed_journals, "journals whose writer did not end in order", false),
    ROW(live_journals, "journals still being written", false),
    ROW(encoded_bodies, "bodies kept encoded: they could not be decoded", false),
    ROW(decoded_bytes, "bytes of bodies", true),
    ROW(segment_bytes, "bytes of segments", true),
    ROW(ledger_bytes, "bytes of ledgers", true),
#undef ROW
};

static uint64_t value(const struct seal_stats *stats, const struct stat_row *row)
{
    return *(const uint64_t *)((const char *)stats + row->offset);
}

static void print_stats(const struct invocation *inv, const struct seal_stats *stats)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    bool json = cli_format(inv) == CLI_FORMAT_JSON;

    if (json)
        buf_add_byte(&out, '{');
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t n = value(stats, &rows[i]);
        if (json)
            json_add_int(&out, rows[i].name, (int64_t)n);
        else if (n || rows[i].always)
            buf_addf(&out, "%12llu %s\n", (unsigned long long)n, rows[i].text);
    }
    if (json)
        buf_add_text(&out, "}\n");
    cli_out(buf_str(&out));
}

/* The key that a configuration names, or else the archive's. */
static int load_key(const struct invocation *inv, const struct archive *archive, struct key *key,
                    struct err *err)
{
    CLEANUP(conf_free) struct conf *conf = NULL;
    const char *path = invocation_get(inv, "config");

    if (path && conf_load(path, &conf, err) < 0)
        return -1;
    if (conf && conf->key_file.len)
        return key_load(conf->key_file.ptr, false, key, err);
    return archive_key(archive, key, err);
}

static int run(const struct invocation *inv)
{
    CLEANUP(archive_close) struct archive *archive = NULL;
    struct sealing s = { inv };
    struct key key;
    struct seal_options opts = {
        .key = &key,
        .salvage = invocation_has(inv, "salvage"),
        .created_by = "weir " PACKAGE_VERSION,
        .note = note,
        .ctx = &s,
    };
    struct seal_stats stats;
    struct err err;

    if (archive_open(invocation_get(inv, "archive"), false, &archive, &err) < 0 ||
        load_key(inv, archive, &key, &err) < 0)
        return cli_fail(inv, &err);
    archive_enter_sandbox(archive, &(struct sandbox){ 0 });
    int r = seal_run(archive, &opts, &stats, &err);
    if (r == 0 || stats.journals)
        print_stats(inv, &stats);
    if (r == 0 && stats.live_journals)
        cli_note(inv,
                 "a journal that is being written is left to its writer: the proxy seals it "
                 "when it is full or old (archive.segment), weir capture seal once it has ended");
    return r < 0 ? cli_fail(inv, &err) : EXIT_OK;
}

const struct command command_capture_seal = {
    .path = "capture seal",
    .summary = "turn finished journals into segments and ledgers",
    .operands = "",
    .options = options,
    .description =
        "Traffic is first written to journals, which a crash cannot harm. Sealing decodes the "
        "bodies in them, reads models and usage off every exchange, and writes a compressed "
        "segment and a Parquet ledger for each day, which the chain then vouches for. The journal "
        "is removed last. `weir capture import` seals what it imported by itself.\n"
        "\n"
        "A journal is sealed once its writer has marked it ready, or has died. One that is still "
        "being written is left alone. An exchange whose end was never recorded is sealed as "
        "truncated.\n"
        "\n"
        "Sealing can be interrupted at any moment, also by a power cut, and run again: nothing is "
        "lost, and nothing comes twice. A damaged journal is reported and stays; the others are "
        "sealed.\n"
        "\n"
        "The bodies are the work of others: while it decodes them, weir has given up the network, "
        "other programs and all files but the archive, as far as the kernel and the build can "
        "(Landlock, seccomp).",
    .examples =
        (const struct example[]){
                                 { "weir capture seal --archive demo", "seal whatever waits" },
                                 { NULL, NULL },
                                 },
    .see_also = "weir-capture-import(1), weir-capture-verify(1), weir-archive(5), weir-journal(5)",
    .run = run,
};
