#include "config.h"

#include "cli/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "cli/load.h"
#include "cli/scenarios.h"
#include "cli/simulation.h"
#include "replay/drill_print.h"

#define SELF_BYTES 4096

static const char *const formats[] = { "text", "json", "junit", NULL };

static const struct option_def options[] = {
    OPTION(VALUE, .name = "config", .letter = 'C', .value = "FILE", .is_path = true,
           .help = "the gateway's configuration; weir's own, or any text with placeholders"),
    OPTION(VALUE, .name = "gateway", .letter = 'g', .value = "COMMAND",
           .help = "what starts the gateway, with placeholders (weir proxy run {config})"),
    OPTION(LIST, .name = "archive", .letter = 'a', .value = "DIR", .is_path = true,
           .help = "an archive whose requests are made and whose answers stand-ins give"),
    OPTION(LIST, .name = "provider", .value = "NAME",
           .help = "a provider to stand in for, beside the upstreams of weir's configuration"),
    OPTION_ONLY,
    OPTION(LIST, .name = "assert", .value = "ASSERTION",
           .help = "what must hold, such as 'success >= 99%' or 'failover <= 2s'"),
    OPTIONS_LOAD,
    OPTION(VALUE, .name = "serve-speed", .value = "N|max",
           .help = "how many times as fast as recorded the stand-ins answer (1)"),
    OPTION(FLAG, .name = "tls",
           .help = "stand-ins speak TLS, with a certificate of an authority of this drill"),
    OPTION(FLAG, .name = "simulate-too", .help = "simulate the same, and print both side by side"),
    OPTION(VALUE, .name = "ready", .value = "DURATION",
           .help = "how long the gateway may take until it listens (30s)"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct drilling {
    const struct invocation *inv;
    struct load load;
    struct scenario *scenario; /* NULL = nothing goes wrong */
    struct arena arena;
    VEC(struct slo) slos;
    char self[SELF_BYTES];
};

static void drilling_release(struct drilling *d)
{
    load_release(&d->load);
    scenario_free(d->scenario);
    vec_release(&d->slos);
    arena_release(&d->arena);
}
DEFINE_CLEANUP_VALUE(struct drilling, drilling_release)

static int read_assertions(struct drilling *d, struct err *err)
{
    const char *const *given = invocation_list(d->inv, "assert");
    struct slo s;

    for (size_t i = 0; given[i]; i++) {
        if (slo_parse(str_from(given[i]), &d->arena, &s, err) < 0)
            return -1;
        vec_push(&d->slos, s);
    }
    return 0;
}

static int prepare(struct drilling *d, struct drill_options *o, struct err *err)
{
    const struct invocation *inv = d->inv;
    ssize_t len = readlink("/proc/self/exe", d->self, sizeof(d->self) - 1);

    if (len < 0)
        return err_sys(err, "cannot find this program");
    d->self[len] = '\0';
    *o = (struct drill_options){
        .self = d->self,
        .command = invocation_get(inv, "gateway"),
        .config = invocation_get(inv, "config"),
        .scenario = invocation_operand(inv, 0),
        .only = invocation_list(inv, "only"),
        .archives = invocation_list(inv, "archive"),
        .exchanges = invocation_list(inv, "exchanges"),
        .providers = invocation_list(inv, "provider"),
        .serve_speed = invocation_get(inv, "serve-speed"),
        .ready_us = DRILL_READY_US_DEFAULT,
        .tls_us = invocation_has(inv, "tls") ? clock_now_us() : 0,
    };
    if (strcmp(o->scenario, "none") == 0)
        o->scenario = NULL;
    if (scenarios_open(o->scenario, o->only, &d->scenario, err) < 0 ||
        read_assertions(d, err) < 0 || value_duration(inv, "ready", &o->ready_us, err) < 0 ||
        load_open(inv, o->archives, &d->load, &o->drive, err) < 0)
        return -1;
    scenarios_tell_stand_ins(
        inv, d->scenario, (struct scenario_means){ .has_tls = o->tls_us != 0, .has_names = true });
    o->seed = o->drive.seed;
    o->drive.load = o->faults = d->scenario;
    return 0;
}

static void print(const struct drill_print_in *in, const char *format)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    if (format && strcmp(format, "json") == 0)
        drill_print_json(in, &out);
    else if (format && strcmp(format, "junit") == 0)
        drill_print_junit(in, &out);
    else
        drill_print_text(in, &out);
    cli_out(buf_str(&out));
}

/* The same archives, configuration, scenario, seed and caller in virtual time. */
static int simulate_too(const struct drilling *d, const struct drill_options *o,
                        const struct drill_result *live, struct fidelity *ret, struct err *err)
{
    CLEANUP(simulation_setup_close) struct simulation_setup setup = { 0 };
    CLEANUP(simulation_config_close) struct simulation_config config = { 0 };
    CLEANUP(sim_result_release) struct sim_result result = { 0 };
    struct simulation_of of = {
        .archives = o->archives,
        .scenario = o->scenario,
        .only = o->only,
        .ask = o->drive.ask,
        .caller = o->drive.caller,
        .deadline_us = o->drive.deadline_us,
        .seed = o->seed,
    };
    struct sim_options simulated;

    if (span_parse(d->inv, NULL, &of.span, err) < 0 || simulation_setup_of(&of, &setup, err) < 0 ||
        simulation_config_open(&setup, o->config, &config, err) < 0 ||
        simulation_run(&setup, &config, &simulated, &result, err) < 0)
        return err_wrap(err, "the simulation");
    fidelity_compare(live, &result, ret);
    return 0;
}

/* Timers of a policy do not run faster with the traffic. */
static bool can_simulate(const struct invocation *inv, const struct drill_options *o)
{
    return o->config && o->archives[0] && !o->exchanges[0] && !invocation_get(inv, "app") &&
           o->drive.speed == 1000 && (!o->serve_speed || strcmp(o->serve_speed, "1") == 0);
}

/* A clean run under faults that were about somebody else proves nothing. */
static void note_if_untouched(const struct drilling *d, const struct drill_result *r)
{
    bool has_faults = d->scenario && scenario_fault_count(d->scenario) > 0;

    if (has_faults && !r->is_struck && !r->is_uncounted)
        cli_note(d->inv, SCENARIOS_UNTOUCHED);
}

static int run(const struct invocation *inv)
{
    CLEANUP(drilling_release) struct drilling d = { .inv = inv };
    CLEANUP(drill_result_release) struct drill_result result = { 0 };
    struct drill_options o;
    struct err err;

    if (!invocation_list(inv, "archive")[0] && !invocation_list(inv, "exchanges")[0])
        return cli_usage(inv, "there is nothing to drill with: --archive DIR or --exchanges FILE");
    if (!invocation_has(inv, "gateway") && !invocation_has(inv, "config"))
        return cli_usage(inv, "there is no gateway: --config FILE of weir's own, or --gateway");
    if (prepare(&d, &o, &err) < 0)
        return cli_fail(inv, &err);
    bool simulates = invocation_has(inv, "simulate-too");
    if (simulates && !can_simulate(inv, &o))
        return cli_usage(inv, "--simulate-too takes --config and --archive, at speed 1, and "
                              "neither --exchanges nor --app");
    if (drill_run(&o, &result, &err) < 0)
        return cli_fail(inv, &err);
    CLEANUP(fidelity_release) struct fidelity fidelity = { 0 };
    if (simulates && simulate_too(&d, &o, &result, &fidelity, &err) < 0)
        return cli_fail(inv, &err);
    struct drill_print_in in = { &result, &o, d.slos.ptr, d.slos.len,
                                 simulates ? &fidelity : NULL };
    print(&in, invocation_get(inv, "format"));
    note_if_untouched(&d, &result);
    if (result.is_in_clear)
        cli_note(inv, SCENARIOS_IN_CLEAR);
    if (result.report.is_late) {
        cli_note(inv, "no verdict: this machine was late itself");
        return EXIT_FINDINGS;
    }
    for (size_t i = 0; i < d.slos.len; i++)
        if (!drill_holds(&result, &d.slos.ptr[i]))
            return EXIT_FINDINGS;
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir replay drill none --config routes.yaml --archive demo --speed max --lag 60s "
      "--serve-speed max --path '/openai{path}' --assert 'success >= 90%'", "weir's own gateway, with nothing going wrong"},
    { NULL,                                                                      NULL                                          },
};

const struct command command_replay_drill = {
    .path = "replay drill",
    .summary = "prove live what a gateway does when providers fail",
    .operands = "SCENARIO",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .description =
        "Starts a stand-in for each provider (weir replay serve, which plays recorded answers and "
        "injects the scenario), the gateway under test before them, and makes the recorded "
        "requests through it, on schedule (weir replay drive). Then it judges: what callers saw, "
        "and how often the gateway tried, counted where attempts arrive. SCENARIO is a file or "
        "the name of a preset (weir-scenario(5)), or none.\n\n"
        "The gateway is weir's own proxy, if --config is weir's: its upstreams keep their names, "
        "paths and keys, at the addresses of stand-ins; listen and archive are the drill's, and "
        "callers speak plain HTTP to it, whatever listen says of tls. Any other one is started by "
        "--gateway, a command of the shell, in which as in its "
        "configuration\n\n"
        " {port}      is the port that the gateway is to listen on, at 127.0.0.1\n"
        " {url:NAME}  is the address of the stand-in for the provider NAME (--provider)\n"
        " {port:NAME} is its port\n"
        " {ca}        is the file of whom to trust, with --tls\n"
        " {config}    is the configuration with these filled in (in the command only)\n"
        " {text}      is its text, on one line (in --header only)\n\n"
        "A gateway that takes its configuration with each request, such as Portkey's, gets it by "
        "--header 'x-portkey-config: {text}'. "
        "With --tls the stand-ins are https. weir's own gateway is told to trust their authority, "
        "which is made for the drill and can make no other certificate; others find it in their "
        "environment (SSL_CERT_FILE, NODE_EXTRA_CA_CERTS, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE), or "
        "where {ca} is. "
        "The copy lies beside the configuration, as paths in it are relative to that, and is gone "
        "afterwards, as is every process that was started.\n\n"
        "With --simulate-too the same archive, configuration, scenario, seed and caller go through "
        "weir replay simulate, and a table has each metric live, simulated, and the difference: "
        "percentage points of shares, percent of the simulated value otherwise. The configuration "
        "may be any that weir replay simulate reads; of Portkey's, a target whose custom_host "
        "begins with {url:NAME} is the upstream NAME. Both draw the same "
        "faults for the same attempts at an upstream, and reckon failover, restored and recovery "
        "by the same rules.\n\n"
        "Assertions are those of weir replay simulate: success, left (whose callers gave up), "
        "first, total, tries, attempts, "
        "failover (from the first fault until the answer begins of the first call that another "
        "provider answers), restored (from the first fault until the last call was over after "
        "which more than 1 of the last 100 had failed; never, if one of the last 10 of all calls "
        "had, too), recovery (from the end of the faults there, where no others begin as they end, "
        "until an answer from there begins; the gateway's own probes count, "
        "too). Which calls a gateway led around a provider only it knows: live each call counts "
        "whose first attempt came after the first fault, if that provider was ever a first choice. "
        "What cannot be "
        "measured live (rerouted, denied, "
        "added, cost) is passed over, and said to be.",
    .findings = "an assertion is violated, or the schedule was not kept",
    .examples = examples,
    .see_also = "weir-replay-serve(1), weir-replay-drive(1), weir-replay-simulate(1), "
                "weir-scenario(5)",
    .run = run,
};
