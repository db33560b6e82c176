#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "cli/evidence.h"
#include "cli/scenarios.h"
#include "migrate/preflight.h"

#define SELF_BYTES    4096
#define KEY_BYTES_MAX 8192

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(FLAG, .name = "dry-run",
           .help = "print the verdict and do not write it to the rollout's ledger"),
    OPTION(FLAG, .name = "no-faults",
           .help = "only compare, without load and faults, and write nothing to the ledger"),
    OPTION_FORMAT(evidence_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

static int find_self(char *ret, struct err *err)
{
    ssize_t len = readlink("/proc/self/exe", ret, SELF_BYTES - 1);

    if (len < 0)
        return err_sys(err, "cannot find this program");
    ret[len] = '\0';
    return 0;
}

static int read_key(const struct programme *p, struct str *ret, struct err *err)
{
    const char *name = p->preflight.key_env.ptr, *value;

    *ret = STR("");
    if (!p->preflight.key_env.len)
        return 0;
    value = getenv(name);
    if (!value || !*value || strlen(value) > KEY_BYTES_MAX)
        return err_set(err, ERR_USAGE, "the environment has no key in '%s' (preflight: key_env)",
                       name);
    *ret = str_from(value);
    return 0;
}

static int keep(const struct migration *m, const struct preflight_options *o,
                const struct preflight *p, const struct document *d, struct err *err)
{
    struct evidence e = {
        .entry = {.kind = ROLLOUT_PREFLIGHT,
                  .app = o->app->name,
                  .value = (int64_t)p->failures,
                  .detail = p->failures ? p->findings.ptr[0].what : STR("")},
        .document = d,
    };

    return evidence_keep(m, &e, 1, err);
}

/* That which the plan names; of the usual one nothing is a stand-in. */
static int open_faults(const struct invocation *inv, const struct programme *p,
                       struct scenario **ret, struct err *err)
{
    static const char *const whole[] = { NULL };

    if (invocation_has(inv, "no-faults") || !p->preflight.scenario.len)
        return 0;
    if (scenarios_open(p->preflight.scenario.ptr, whole, ret, err) < 0)
        return err_wrap(err, "%s: preflight: scenario", p->file.ptr);
    scenarios_tell_stand_ins(inv, *ret, (struct scenario_means){ .has_names = true });
    return 0;
}

static int try_it(struct migration *m, const struct programme_app *app, size_t *ret_failures,
                  struct err *err)
{
    CLEANUP(preflight_release) struct preflight p = { 0 };
    CLEANUP(document_release) struct document d = { 0 };
    CLEANUP(scenario_free) struct scenario *faults = NULL;
    char self[SELF_BYTES];
    struct preflight_options o = {
        .self = self,
        .programme = m->programme,
        .app = app,
        .archive = m->archive,
        .now_us = m->now_us,
        .without_faults = invocation_has(m->inv, "no-faults"),
    };

    if (find_self(self, err) < 0 || read_key(m->programme, &o.key, err) < 0 ||
        open_faults(m->inv, m->programme, &faults, err) < 0)
        return -1;
    o.faults = faults;
    if (preflight_run(&o, &p, err) < 0)
        return -1;
    if (p.load.is_in_clear)
        cli_note(m->inv, SCENARIOS_IN_CLEAR);
    preflight_build(&o, &p, &d);
    *ret_failures = p.failures;
    evidence_print(m->inv, &d);
    if (o.without_faults || invocation_has(m->inv, "dry-run"))
        return 0;
    return keep(m, &o, &p, &d, err);
}

static int run(const struct invocation *inv)
{
    CLEANUP(migration_close) struct migration m = { 0 };
    const char *name = invocation_operand(inv, 0);
    size_t failures = 0;
    struct err err;

    if (migration_open(inv, ROLLOUT_READ, &m, &err) < 0 || migration_open_archive(&m, &err) < 0)
        return migration_fail(inv, &err);
    CLEANUP(migration_apps_release) struct migration_apps apps = { 0 };
    if (migration_apps_named(&m, &apps, &err) < 0)
        return migration_fail(inv, &err);
    if (apps.list.len != 1)
        return cli_usage(inv, "'%s' is not one application: they are tried one by one", name);
    if (try_it(&m, apps.list.ptr[0]->app, &failures, &err) < 0)
        return migration_fail(inv, &err);
    return failures ? EXIT_NOT_READY : EXIT_OK;
}

static const struct example examples[] = {
    {"weir migrate preflight copy-desk --no-faults", "what becomes of calls on their way"},
    { NULL,                                          NULL                                },
};

const struct command command_migrate_preflight = {
    .path = "migrate preflight",
    .summary = "an application's recorded calls through the gateway, before any caller's",
    .operands = "APP",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .description =
        "Takes recorded calls of an application, every kind of them before the second of any, and "
        "makes them against stand-ins on this machine that answer as recorded; providers are not "
        "asked. First directly, for how much the recording differs from itself. Then through the "
        "gateway, one at a time, for what a caller would notice (status, events and their order, "
        "functions called, why answers ended, tokens reported, as weir replay diff compares them) "
        "and for what became of requests on their way: members that were dropped, changed or "
        "added before they reach the provider. Then through the gateway at twice the rate of the "
        "busiest ten seconds on record. Then, directly and through it, while providers fail.\n"
        "\n"
        "It fails when answers differ from the recording more than that from itself, when a member "
        "of a request is dropped or changed on its way (another name of the model and members "
        "added are remarks), when a call is answered without asking a provider, when fewer calls "
        "go well under load, or under faults than directly (by more than 1 in 100), when the "
        "gateway asks providers more than four times for each call, or when what the plan asserts "
        "does not hold.\n"
        "\n"
        "The plan's section preflight says what to start: gateway is a program, with {port}, "
        "{url:NAME} and {config} in its arguments as weir replay drill has them; without it, "
        "weir's own proxy with config (or the plan's own config). provider is the upstream that "
        "the stand-in plays first, scenario what goes wrong (preset preflight), calls how many are "
        "made at most (200), path where they go at the gateway, key_env and headers what goes with "
        "them, assert what must hold.\n"
        "\n"
        "The verdict goes to the rollout's ledger: a line preflight, whose value is how many "
        "things failed, with the JSON that --format json prints as its evidence and the plan that "
        "it was made for. weir migrate advance wants one that passed and is not old.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-ready(1), weir-replay-drill(1), weir-replay-diff(1), "
                "weir-programme(5), weir-scenario(5)",
    .run = run,
};
