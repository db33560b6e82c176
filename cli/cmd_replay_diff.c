#include "config.h"

#include "cli/command.h"

#include <stdlib.h>

#include "replay/diff_print.h"

#define ALPHA_DEFAULT    0.01
#define EXAMPLES_DEFAULT 3

static const struct option_def options[] = {
    OPTION(VALUE, .name = "base-run", .value = "NAME",
           .help = "of BASE only what a drive of this name recorded"),
    OPTION(VALUE, .name = "other-run", .value = "NAME",
           .help = "of OTHER only what a drive of this name recorded"),
    OPTION(VALUE, .name = "noise", .letter = 'n', .value = "DIR", .is_path = true,
           .help = "an archive of the same requests at BASE's server once more (an A/A run)"),
    OPTION(VALUE, .name = "noise-run", .value = "NAME",
           .help = "of the noise only what a drive of this name recorded"),
    OPTION(VALUE, .name = "alpha", .value = "P",
           .help = "an aspect differs if noise alone would do that less often than this (0.01)"),
    OPTION(VALUE, .name = "examples", .value = "N",
           .help = "pairs shown of each aspect that differs, at most 20 (3)"),
    OPTION_FORMAT(cli_formats),
    OPTIONS_END,
};

static int load(const char *path, const char *run, struct diff_side *ret, struct err *err)
{
    CLEANUP(archive_close) struct archive *a = NULL;

    if (archive_open(path, false, &a, err) < 0 || diff_side_add(ret, a, run, err) < 0)
        return -1;
    if (!diff_side_len(ret))
        return err_set(err, ERR_USAGE, "'%s' has no sealed exchanges%s%s%s to compare", path,
                       run ? " of the run '" : "", run ? run : "", run ? "'" : "");
    return 0;
}

static int read_limits(const struct invocation *inv, double *ret_alpha, size_t *ret_examples,
                       struct err *err)
{
    const char *alpha = invocation_get(inv, "alpha"), *examples = invocation_get(inv, "examples");
    int64_t n = EXAMPLES_DEFAULT;
    char *end;

    if (alpha) {
        *ret_alpha = strtod(alpha, &end);
        if (*end || end == alpha || !(*ret_alpha > 0 && *ret_alpha < 1))
            return err_set(err, ERR_USAGE, "--alpha '%s' is not between 0 and 1", alpha);
    }
    if (examples && (!str_to_i64(str_from(examples), &n) || n < 0 || n > DIFF_EXAMPLES_MAX))
        return err_set(err, ERR_USAGE, "--examples '%s' is not a number from 0 to %d", examples,
                       DIFF_EXAMPLES_MAX);
    *ret_examples = (size_t)n;
    return 0;
}

static void print(const struct invocation *inv, const struct diff *d, double alpha, size_t examples)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    switch (cli_format(inv)) {
    case CLI_FORMAT_JSON:
        diff_print_json(d, alpha, examples, &out);
        break;
    case CLI_FORMAT_CSV:
        diff_print_csv(d, alpha, &out);
        break;
    case CLI_FORMAT_TEXT:
        diff_print_text(d, alpha, examples, &out);
        break;
    }
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(diff_side_free) struct diff_side *base = diff_side_new();
    CLEANUP(diff_side_free) struct diff_side *other = diff_side_new();
    CLEANUP(diff_side_free) struct diff_side *noise = diff_side_new();
    CLEANUP(diff_release) struct diff d = { 0 };
    const char *noise_path = invocation_get(inv, "noise");
    size_t examples = 0;
    double alpha = ALPHA_DEFAULT;
    struct err err;

    if (read_limits(inv, &alpha, &examples, &err) < 0 ||
        load(invocation_operand(inv, 0), invocation_get(inv, "base-run"), base, &err) < 0 ||
        load(invocation_operand(inv, 1), invocation_get(inv, "other-run"), other, &err) < 0 ||
        (noise_path && load(noise_path, invocation_get(inv, "noise-run"), noise, &err) < 0))
        return cli_fail(inv, &err);
    diff_compare(base, other, noise_path ? noise : NULL, &d);
    if (!d.pairs) {
        err_set(&err, ERR_USAGE, "no request of '%s' was made in '%s': there is nothing to compare",
                invocation_operand(inv, 0), invocation_operand(inv, 1));
        return cli_fail(inv, &err);
    }
    print(inv, &d, alpha, examples);
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++)
        if (diff_is_finding(&d, (enum diff_aspect)i, alpha))
            return EXIT_FINDINGS;
    return EXIT_OK;
}

static const struct example examples_[] = {
    {"weir replay diff demo demo", "a recording is the same as itself"},
    { NULL,                        NULL                               },
};

const struct command command_replay_diff = {
    .path = "replay diff",
    .summary = "what the answers of two servers to the same requests differ in",
    .operands = "BASE OTHER",
    .operands_min = 2,
    .operands_max = 2,
    .options = options,
    .description =
        "Compares two archives that hold the same requests, made at two servers: a provider and a "
        "gateway, say, or a gateway before and after. What is compared is what the code of a "
        "client would notice, not what a model happened to say:\n\n"
        " status, error        HTTP status, class of failure\n"
        " content_type         media type of the answer\n"
        " events               shapes of events and their order; runs of one are one\n"
        " shape                members of an answer that is no stream, with their types\n"
        " tools                functions called, members and types of their arguments\n"
        " finish_reason        why it ended\n"
        " usage, input_tokens  which tokens are reported; input by more than 1 %\n"
        " model                that the answer names\n\n"
        "Models do not answer twice the same way, so each aspect is judged against noise: with "
        "--noise, a recording of the same requests at BASE's server once more, an aspect differs "
        "if noise alone would make as many pairs differ with a probability below --alpha (Fisher's "
        "exact test, one-sided). Without it every difference counts.\n\n"
        "Exchanges are paired by the exchange that they repeat (as weir replay drive --record "
        "labels them), or by their request: method, path, query without credentials, and body. "
        "Where several are the same, they are paired in the order they were made.",
    .findings = "something differs",
    .examples = examples_,
    .see_also = "weir-replay-drive(1), weir-replay-serve(1)",
    .run = run,
};
