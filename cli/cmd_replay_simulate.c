#include "config.h"

#include "cli/command.h"

#include <string.h>

#include "base/document_print.h"
#include "base/page.h"
#include "cli/simulation.h"
#include "replay/sim_report.h"

#define GNUPLOT "gnuplot"

static const char *const formats[] = { "text", "json", "csv", "html", "junit", NULL };

/* clang-format off: one a line */
static const struct option_def options[] = {
    OPTION(VALUE, .name = "config", .letter = 'c', .value = "FILE", .is_path = true,
           .required = true,
           .help = "the policy: weir's own or another gateway's configuration, or none"),
    OPTION(VALUE, .name = "compare", .value = "FILE", .is_path = true,
           .help = "another one, beside it: the same calls, the same luck"),
    OPTIONS_SIMULATION,
    OPTION(LIST, .name = "assert", .value = "TEXT",
           .help = "what must hold, such as 'success >= 99%'"),
    OPTION_FORMAT(formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};
/* clang-format on */

struct simulating {
    const struct invocation *inv;
    struct simulation_setup setup;
    struct simulation_config configs[SIM_REPORT_RUNS_MAX];
    struct sim_options options[SIM_REPORT_RUNS_MAX];
    struct sim_result results[SIM_REPORT_RUNS_MAX];
    size_t count;
    struct arena arena;
    VEC(struct slo) slos;
};

static void simulating_release(struct simulating *s)
{
    for (size_t i = 0; i < SIM_REPORT_RUNS_MAX; i++) {
        sim_result_release(&s->results[i]);
        simulation_config_close(&s->configs[i]);
    }
    simulation_setup_close(&s->setup);
    vec_release(&s->slos);
    arena_release(&s->arena);
}
DEFINE_CLEANUP_VALUE(struct simulating, simulating_release)

static int read_assertions(struct simulating *s, struct err *err)
{
    for (const char *const *text = invocation_list(s->inv, "assert"); *text; text++) {
        struct slo slo;
        if (slo_parse(str_from(*text), &s->arena, &slo, err) < 0)
            return -1;
        vec_push(&s->slos, slo);
    }
    return 0;
}

static int run_configs(struct simulating *s, struct err *err)
{
    const char *const paths[] = { invocation_get(s->inv, "config"),
                                  invocation_get(s->inv, "compare") };

    for (size_t i = 0; i < ARRAY_LEN(paths) && paths[i]; i++) {
        if (simulation_config_open(&s->setup, paths[i], &s->configs[i], err) < 0)
            return -1;
        s->count++;
    }
    for (size_t i = 0; i < s->count; i++)
        if (simulation_run(&s->setup, &s->configs[i], &s->options[i], &s->results[i], err) < 0)
            return -1;
    return 0;
}

static void print(const struct invocation *inv, const struct sim_report_in *in)
{
    CLEANUP(document_release) struct document doc = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *format = invocation_get(inv, "format");
    struct err err;

    sim_report_build(in, &doc);
    if (!format || strcmp(format, "text") == 0)
        document_print_text(&doc, &out);
    else if (strcmp(format, "json") == 0)
        document_print_json(&doc, &out);
    else if (strcmp(format, "csv") == 0)
        document_print_csv(&doc, &out);
    else if (strcmp(format, "junit") == 0)
        sim_report_junit(in, &out);
    else if (page_print(&doc, GNUPLOT, &out, &err) < 0)
        cli_note(inv, "the page has no charts, only their tables: %s", err.text);
    cli_out(buf_str(&out));
}

/* A good result under faults that were about somebody else proves nothing. */
static void note_if_untouched(const struct simulating *s)
{
    const struct sim_result *r = &s->results[0];
    uint64_t struck = 0;

    for (size_t i = 0; i < r->targets.len; i++)
        struck += r->targets.ptr[i].struck + r->targets.ptr[i].over_quota;
    if (s->setup.scenario && scenario_fault_count(s->setup.scenario) && !struck)
        cli_note(s->inv, SCENARIOS_UNTOUCHED);
}

static bool all_hold(const struct sim_report_in *in)
{
    for (size_t i = 0; i < in->slo_count;
         i++) /* of the first configuration: that is the one meant */
        if (!sim_report_holds(in->runs[0].result, &in->slos[i]))
            return false;
    return true;
}

static int run(const struct invocation *inv)
{
    CLEANUP(simulating_release) struct simulating s = { .inv = inv };
    struct err err;

    if (read_assertions(&s, &err) < 0 || simulation_setup_open(inv, &s.setup, &err) < 0 ||
        run_configs(&s, &err) < 0)
        return cli_fail(inv, &err);
    struct sim_report_in in = {
        .run_count = s.count,
        .recorded = s.setup.ledgers ? &s.setup.recorded : NULL,
        .slos = s.slos.ptr,
        .slo_count = s.slos.len,
        .book_hash = str_from(price_book_hash(s.setup.book)),
    };
    for (size_t i = 0; i < s.count; i++)
        in.runs[i] =
            (struct sim_report_run){ str_from(s.configs[i].name), &s.options[i], &s.results[i] };
    print(inv, &in);
    note_if_untouched(&s);
    return all_hold(&in) ? EXIT_OK : EXIT_FINDINGS;
}

static const struct example examples[] = {
    {"weir replay simulate --config gateway.yaml --archive demo --ask chat",
     "the sample's calls through a LiteLLM configuration, if nothing goes wrong"             },
    { "weir replay simulate --config gateway.yaml --compare none --rate 5/s --ask chat",
     "made-up calls, with that configuration and without"                                    },
    { NULL,                                                                              NULL},
};

const struct command command_replay_simulate = {
    .path = "replay simulate",
    .summary = "try a policy on recorded calls in virtual time, with faults",
    .operands = "",
    .options = options,
    .description =
        "Sends calls through a policy as the proxy would, by the very same code, but in virtual "
        "time: a month takes seconds, and nothing is connected to.\n"
        "\n"
        "Calls are those of an archive, when they came, for whom, with their tokens, or made up "
        "(--rate, --call). Ledgers overlap and are only roughly in order: 64 row groups are held "
        "to put that right; a call that is out of order by more comes late, and is counted.\n"
        "\n"
        "An answer takes as long as it took when it was recorded there; at any other target, as "
        "long as answers recorded of it, else of the model elsewhere, else of the upstream's other "
        "models, else as assumed for a mid-sized chat model (first token 0.7 s, p95 2 s; 15 ms a "
        "token; whole answers 4 s, p95 15 s): the table of targets says which. --speed states it "
        "instead, for the targets that two shell patterns match: UPSTREAM[/MODEL]= and first, "
        "token, rest (of a stream whose tokens are not known) and whole, each a median, with -p95 "
        "beside it. Targets answer any number of calls at once; --quota sets what they let through "
        "in a minute (rpm, tpm).\n"
        "\n"
        "A recorded failure is met again at the first attempt where it was recorded; a request "
        "that was wrong in itself is so everywhere. The policy begins with nothing remembered and "
        "nothing spent. A gateway other than weir is asked with the model that was recorded, or "
        "with that of --ask.\n"
        "\n"
        "A scenario says what goes wrong; its time begins with the first call, or with --from. "
        "What a fault is to the policy is read from the very bytes it is on the wire. Callers wait "
        "--deadline for each try, to the first token of a stream or the end of an answer, and try "
        "again as their SDK does (--caller).\n"
        "\n"
        "Assertions are about the configuration of --config: success, rerouted, denied and left "
        "(given up by their callers; shares of calls), pNN added, first and total (times), "
        "failover, restored and recovery (times, "
        "the longest of all faults, reckoned as weir-replay-drill(1) says), attempts and tries "
        "(for each call), cost (USD at most); "
        "'app NAME:' in front is about one application. What does not apply holds.\n"
        "\n"
        "Costs are an interval: what was answered, and with it what failed or was abandoned and "
        "may be billed in full. A recorded answer cannot tell how many tokens another model would "
        "have used.\n"
        "\n"
        "The same input and seed give the same output, byte for byte. Two configurations that are "
        "compared meet the same calls and draw the same luck.",
    .findings = "an assertion does not hold",
    .examples = examples,
    .see_also = "weir-replay-drill(1), weir-replay-lint(1), weir-scenario(5), weir-config(5)",
    .run = run,
};
