#include "config.h"

#include "cli/command.h"

#include "base/json.h"
#include "capture/verify.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_ARCHIVE,
    OPTION(FLAG, .name = "quick",
           .help = "check checksums only: do not compare ledgers with segments row by row"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct verifying {
    const struct invocation *inv;
    bool json;
    struct buf findings, notes; /* JSON arrays, without brackets */
};

static void add(struct buf *list, const char *text)
{
    if (list->len)
        buf_add_byte(list, ',');
    json_add_string(list, str_from(text));
}

static void on_finding(void *ctx, const char *text)
{
    struct verifying *v = ctx;
    CLEANUP(buf_release) struct buf line = { 0 };

    if (v->json) {
        add(&v->findings, text);
        return;
    }
    buf_addf(&line, "%s\n", text);
    cli_out(buf_str(&line));
}

static void on_note(void *ctx, const char *text)
{
    struct verifying *v = ctx;

    if (v->json)
        add(&v->notes, text);
    else
        cli_note(v->inv, "%s", text);
}

static void print_json(const struct verifying *v, const struct verify_stats *s, const char *head)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    buf_addf(&out, "{\"findings\":[%.*s],\"notes\":[%.*s]", STR_ARG(buf_str(&v->findings)),
             STR_ARG(buf_str(&v->notes)));
    json_add_int(&out, "chain_lines", (int64_t)s->chain_lines);
    json_add_int(&out, "segments", (int64_t)s->segments);
    json_add_int(&out, "ledgers", (int64_t)s->ledgers);
    json_add_int(&out, "exchanges", (int64_t)s->exchanges);
    json_add_int(&out, "rows", (int64_t)s->rows);
    json_add_int(&out, "bytes", (int64_t)s->bytes);
    json_add_int(&out, "pruned_segments", (int64_t)s->pruned_segments);
    json_add_int(&out, "pruned_ledgers", (int64_t)s->pruned_ledgers);
    json_add_int(&out, "journals", (int64_t)s->journals);
    json_add_str(&out, "chain_head", str_from(head));
    buf_add_text(&out, "}\n");
    cli_out(buf_str(&out));
}

static void print_text(const struct verify_stats *s, const char *head)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    buf_addf(&out, "%llu exchanges in %llu segments and %llu ledgers, %llu bytes checked",
             (unsigned long long)s->exchanges, (unsigned long long)s->segments,
             (unsigned long long)s->ledgers, (unsigned long long)s->bytes);
    if (s->pruned_segments || s->pruned_ledgers)
        buf_addf(&out, "; %llu segments and %llu ledgers were pruned",
                 (unsigned long long)s->pruned_segments, (unsigned long long)s->pruned_ledgers);
    if (s->journals)
        buf_addf(&out, "; %llu journals are not sealed yet", (unsigned long long)s->journals);
    buf_addf(&out, "\nchain: %llu lines, head %s\n", (unsigned long long)s->chain_lines, head);
    if (s->findings)
        buf_addf(&out, "%llu findings\n", (unsigned long long)s->findings);
    else
        buf_add_text(&out, "whole\n");
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(archive_close) struct archive *archive = NULL;
    struct verifying v = { .inv = inv, .json = cli_format(inv) == CLI_FORMAT_JSON };
    struct verify_options opts = {
        .quick = invocation_has(inv, "quick"),
        .finding = on_finding,
        .note = on_note,
        .ctx = &v,
    };
    struct verify_stats stats;
    char head[SHA256_HEX_BYTES];
    struct err err;

    if (archive_open(invocation_get(inv, "archive"), false, &archive, &err) < 0)
        return cli_fail(inv, &err);
    int r = verify_run(archive, &opts, &stats, &err);
    if (r == 0) {
        hex_encode(stats.head, SHA256_BYTES, head);
        if (v.json)
            print_json(&v, &stats, head);
        else
            print_text(&stats, head);
    }
    buf_release(&v.findings);
    buf_release(&v.notes);
    if (r < 0)
        return cli_fail(inv, &err);
    return stats.findings ? EXIT_FINDINGS : EXIT_OK;
}

const struct command command_capture_verify = {
    .path = "capture verify",
    .summary = "check that an archive is complete and as it was sealed",
    .operands = "",
    .options = options,
    .description =
        "Checks every line and link of the chain, the SHA-256 of every segment and ledger, that "
        "both tell the same row by row, that each journal's exchanges are all there and there "
        "once, that no file is there which the chain does not know, the key, and the journals "
        "that wait to be sealed.\n"
        "\n"
        "Each finding is a line that names the file and, as far as it can be known, the first bad "
        "byte: the zstd frame of a segment and the exchange whose bodies it holds, the page of a "
        "ledger, the line of the chain. What an interrupted run left behind, and the next one "
        "clears, is a note on standard error and no finding.\n"
        "\n"
        "The chain's head stands for the whole archive. Whoever writes it down elsewhere can tell "
        "later that the chain was not cut short or written anew; nothing in the archive itself "
        "can.",
    .findings = "something is damaged, missing, or there that should not be",
    .examples =
        (const struct example[]){
                                 { "weir capture verify --archive demo", "check everything" },
                                 { "weir capture verify --archive demo --quick --format json", "checksums only, for a "
                                                                          "monitor" },
                                 { NULL, NULL },
                                 },
    .see_also = "weir-capture-seal(1), weir-capture-prune(1), weir-archive(5)",
    .run = run,
};
