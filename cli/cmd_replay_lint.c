#include "config.h"

#include "cli/command.h"

#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/timestamp.h"
#include "cli/values.h"
#include "replay/foreign.h"
#include "replay/lint.h"
#include "replay/lint_print.h"

static const char *const formats[] = { "text", "json", NULL };
static const char *const clients[] = { "none", "openai", "anthropic", NULL };

/* clang-format off: one a line */
static const struct option_def options[] = {
    OPTION(VALUE, .name = "deadline", .letter = 'd', .value = "DURATION",
           .help = "how long callers wait for an answer (what --client waits: 600s)"),
    OPTION(VALUE, .name = "client", .letter = 'c', .value = "NAME",
           .help = "whose own repetitions to count: none, or a provider's SDK (none)",
           .choices = clients),
    OPTION(VALUE, .name = "retry-after", .value = "DURATION",
           .help = "what a 429 with retry-after says in the proof (30s)"),
    OPTION(VALUE, .name = "format-in", .value = "FORMAT",
           .help = "what the files are, instead of telling it by their content",
           .choices = foreign_names),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};
/* clang-format on */

struct linting {
    const struct invocation *inv;
    struct prove_options o;
    enum foreign_format wanted;
    VEC(struct foreign_file) files;
    struct buf out;
    bool found; /* warnings or errors */
    bool failed;
};

static void linting_release(struct linting *l)
{
    for (size_t i = 0; i < l->files.len; i++)
        foreign_file_release(&l->files.ptr[i]);
    vec_release(&l->files);
    buf_release(&l->out);
}
DEFINE_CLEANUP_VALUE(struct linting, linting_release)

static int read_options(struct linting *l, struct err *err)
{
    const char *client = invocation_get(l->inv, "client");
    const char *wanted = invocation_get(l->inv, "format-in");

    l->o.client = caller_find(str_from(client ? client : "none"));
    l->o.deadline_us = l->o.client->timeout_us;
    l->o.retry_after_us = 30 * US_PER_SECOND;
    l->wanted = FOREIGN_FORMATS;
    for (int i = 0; wanted && i < FOREIGN_FORMATS; i++)
        if (strcmp(foreign_names[i], wanted) == 0)
            l->wanted = (enum foreign_format)i;
    if (value_duration(l->inv, "deadline", &l->o.deadline_us, err) < 0)
        return -1;
    return value_duration(l->inv, "retry-after", &l->o.retry_after_us, err);
}

/* A file that cannot be read does not keep the others from being looked at. */
static void complain(struct linting *l, const struct err *err)
{
    cli_fail(l->inv, err);
    l->failed = true;
}

static void read_file(struct linting *l, const char *path)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct foreign_file f;
    struct err err;

    if (file_read(path, FOREIGN_BYTES_MAX, &text, &err) < 0 ||
        foreign_parse(buf_str(&text), path, l->wanted, &f, &err) < 0)
        complain(l, &err);
    else
        vec_push(&l->files, f);
}

static void lint_plan(struct linting *l, const struct foreign_file *files, size_t count)
{
    CLEANUP(lint_release) struct lint lint = { 0 };
    CLEANUP(plan_free) struct plan *plan = NULL;
    CLEANUP(proof_release) struct proof proof = { 0 };
    struct err err;

    if (foreign_read(files, count, &lint, &plan, &err) < 0 || lint_compile(plan, &err) < 0) {
        complain(l, &err);
        return;
    }
    prove(plan, &l->o, &proof);
    lint_check(&lint, plan, &proof, &l->o);
    lint_sort(&lint);
    l->found = l->found || lint_count(&lint, LINT_WARNING) || lint_count(&lint, LINT_ERROR);
    if (cli_format(l->inv) == CLI_FORMAT_JSON)
        lint_print_json(&lint, plan, &proof, &l->o, &l->out);
    else
        lint_print_text(&lint, plan, &proof, &l->o, &l->out);
}

/* Files of Envoy belong together; every other is a configuration of its own. */
static void lint_all(struct linting *l)
{
    VEC(struct foreign_file) together = { 0 };

    for (size_t i = 0; i < l->files.len; i++) {
        if (l->files.ptr[i].format == FOREIGN_ENVOY)
            vec_push(&together, l->files.ptr[i]);
        else
            lint_plan(l, &l->files.ptr[i], 1);
    }
    if (together.len)
        lint_plan(l, together.ptr, together.len);
    vec_release(&together);
}

static int run(const struct invocation *inv)
{
    CLEANUP(linting_release) struct linting l = { .inv = inv };
    struct err err;

    if (read_options(&l, &err) < 0)
        return cli_fail(inv, &err);
    for (size_t i = 0; i < invocation_operand_count(inv); i++)
        read_file(&l, invocation_operand(inv, i));
    if (cli_format(inv) == CLI_FORMAT_JSON)
        buf_add_byte(&l.out, '[');
    lint_all(&l);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        buf_add_text(&l.out, "]\n");
    cli_out(buf_str(&l.out));
    return l.failed ? EXIT_USAGE : l.found ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir replay lint gateway.yaml",
     "what is wrong with its fallbacks, and when each is tried at worst"  },
    { "weir replay lint --deadline 90s --client openai gateway.yaml",
     "for callers that wait 90 seconds, through OpenAI's SDK"             },
    { NULL,                                                           NULL},
};

const struct command command_replay_lint = {
    .path = "replay lint",
    .summary = "prove what a fallback configuration does when a provider fails",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .description =
        "Reads fallback configurations: weir's own policy section (weir-config(5)), LiteLLM's "
        "YAML, "
        "Portkey's JSON, Envoy AI Gateway's routes with their BackendTrafficPolicy (YAML; give the "
        "files together), TensorZero's TOML, Bifrost's JSON. Which of them a file is, is told by "
        "its "
        "content. Nothing is connected to.\n"
        "\n"
        "Printed are findings, each with file, line and column, how to put it right and where the "
        "rule is from; then for every route and kind of fault how long it takes at worst until "
        "each "
        "target is tried, if every target before it fails that way: the sum over their attempts, "
        "each as long as the first timer lets it be that fires for that fault, and the longest "
        "waits "
        "between them. A target whose time is not below --deadline is LATE, so unreachable for "
        "that fault; it is never tried if nothing ends the wait before it; - says that the "
        "fault goes to the caller. Refusals and error statuses are taken to come at once, and the "
        "call to be the first one after the fault began, so nothing is cooling down.\n"
        "\n"
        "attempts are those of one try of the caller, calls those with the caller's own "
        "repetitions "
        "(--client), cost is how many of them may be billed: what was refused or answered 4xx is "
        "not.\n"
        "\n"
        "Of weir's rules of access that give another model, the first 200 are asked whether those "
        "they "
        "are about may use it.\n\n"
        "Last comes what became of the file's keys: exact, approximated (how), unsupported (why), "
        "or "
        "without a say in where a call goes. A key that is not known is a finding.",
    .findings = "warnings or errors were found",
    .examples = examples,
    .see_also = "weir-config(5), weir-replay-serve(1)",
    .run = run,
};
