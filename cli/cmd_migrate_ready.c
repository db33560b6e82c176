#include "config.h"

#include <stdlib.h>

#include "base/timestamp.h"
#include "cli/evidence.h"
#include "migrate/ready.h"
#include "policy/plan_conf.h"

#define SEEN_DAYS 60 /* that baselines are taken from */

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(FLAG, .name = "dry-run",
           .help = "only look: write nothing of the applications named to the rollout's ledger"),
    OPTION_FORMAT(evidence_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

/* All that is looked at. */
struct looked {
    struct migration m;
    struct migration_apps apps;
    struct inventory seen;
    struct ledgers ledgers;
    struct conf *conf;
    struct plan *policy;
    struct ready ready;
};

static void looked_release(struct looked *l)
{
    ready_release(&l->ready);
    plan_free(l->policy);
    conf_free(l->conf);
    inventory_release(&l->seen);
    ledgers_release(&l->ledgers);
    migration_apps_release(&l->apps);
    migration_close(&l->m);
}
DEFINE_CLEANUP_VALUE(struct looked, looked_release)

static int read_config(struct looked *l, struct err *err)
{
    struct str path = l->m.programme->config;

    if (!path.len)
        return 0;
    if (conf_load(path.ptr, &l->conf, err) < 0)
        return -1;
    if (!yaml_get(yaml_root(l->conf->yaml), "policy"))
        return 0;
    l->policy = plan_new("weir");
    return plan_conf_read(l->policy, l->conf->yaml, path, err);
}

static int read_archive(struct looked *l, struct err *err)
{
    struct migration *m = &l->m;
    struct engine_query q = {
        .ledgers = &l->ledgers,
        .from_us = m->now_us - SEEN_DAYS * US_PER_DAY,
        .to_us = m->now_us,
    };

    if (!m->programme->archive.len)
        return 0;
    if (migration_open_archive(m, err) < 0 ||
        ledgers_add_archive(&l->ledgers, m->archive, q.from_us, q.to_us, err) < 0)
        return -1;
    q.book = m->prices;
    return inventory_count(&q, l->conf, &l->seen, err);
}

/* All that are not retired, if nobody is named. */
static int choose(struct looked *l, struct err *err)
{
    const struct programme *p = l->m.programme;

    if (invocation_operand_count(l->m.inv))
        return migration_apps_named(&l->m, &l->apps, err);
    for (size_t i = 0; i < p->app_count; i++)
        if (!p->apps[i].retired)
            vec_push(&l->apps.list, &l->m.portfolio->apps[i]);
    return 0;
}

static int keep(const struct looked *l, struct err *err)
{
    size_t count = l->apps.list.len;
    struct document *documents = mem_calloc(count + 1, sizeof(*documents));
    struct evidence *list = mem_calloc(count + 1, sizeof(*list));
    struct arena arena = { 0 };

    for (size_t i = 0; i < count; i++) {
        CLEANUP(buf_release) struct buf missing = { 0 };
        const struct ready_app *a = &l->ready.apps[i];
        ready_build(&l->ready, i, &documents[i]);
        ready_add_missing(a, &missing);
        list[i] = (struct evidence){
            .entry = {.kind = ROLLOUT_READY,
                      .app = a->app->app->name,
                      .value = (int64_t)a->missing,
                      .detail = arena_str(&arena, buf_str(&missing))},
            .document = &documents[i],
        };
    }
    int r = evidence_keep(&l->m, list, count, err);
    for (size_t i = 0; i < count; i++)
        document_release(&documents[i]);
    free(documents);
    free(list);
    arena_release(&arena);
    return r;
}

static int show(struct looked *l, struct err *err)
{
    CLEANUP(document_release) struct document d = { 0 };
    const struct invocation *inv = l->m.inv;
    struct ready_input in = {
        .portfolio = l->m.portfolio,
        .apps = (const struct portfolio_app *const *)l->apps.list.ptr,
        .app_count = l->apps.list.len,
        .seen = l->m.archive ? &l->seen : NULL,
        .conf = l->conf,
        .policy = l->policy,
        .now_us = l->m.now_us,
    };

    ready_look(&in, &l->ready);
    ready_build(&l->ready, in.app_count == 1 ? 0 : SIZE_MAX, &d);
    evidence_print(inv, &d);
    if (!invocation_operand_count(inv) || invocation_has(inv, "dry-run"))
        return 0;
    return keep(l, err);
}

static int run(const struct invocation *inv)
{
    CLEANUP(looked_release) struct looked l = { 0 };
    struct err err;

    if (migration_open(inv, ROLLOUT_READ, &l.m, &err) < 0 || choose(&l, &err) < 0 ||
        read_config(&l, &err) < 0 || read_archive(&l, &err) < 0 || show(&l, &err) < 0)
        return migration_fail(inv, &err);
    return l.ready.missing ? EXIT_NOT_READY : EXIT_OK;
}

static const struct example examples[] = {
    {"weir migrate ready --format html --output ready.html || true",
     "all applications, on one page"                                     },
    { NULL,                                                          NULL},
};

const struct command command_migrate_ready = {
    .path = "migrate ready",
    .summary = "whether applications can begin to move: twelve checks and their evidence",
    .operands = "[APP|WAVE|all...]",
    .operands_min = 0,
    .operands_max = -1,
    .options = options,
    .description =
        "Looks at twelve things, from the plan, its rollout's ledger, sixty days of the archive "
        "and the proxy's configuration; each passes, fails, or is unknown where there is nothing "
        "to "
        "tell it from, which is no pass:\n\n"
        " R1   owner, deputy and channel are named\n"
        " R2   99 % of the spend is attributed to an application\n"
        " R3   a rule of access that is enforced says which models it may use\n"
        " R4   a budget of it, its team or its unit is hard and enforced; how many\n"
        "      calls on record were refused by one, or by a limit, is said; or a\n"
        "      call on record was refused for a budget of the gateway's own\n"
        " R5   14 days with direct calls are on record\n"
        " R6   a preflight that is not old passed: it was tried while providers fail\n"
        " R7   that preflight bore twice the peak on record\n"
        " R8   its rollback was rehearsed lately, and in the time the plan allows, and\n"
        "      direct calls on record were not refused with 401 or 403 in the end: the\n"
        "      way back needs the old key\n"
        " R9   somebody stands in for its owner, and a hook tells of rollbacks\n"
        " R10  the next five applications have all that must be known\n"
        " R11  the plan knows freezes\n"
        " R12  gates can decide while a stage bakes; 95 % of the calls have a key\n\n"
        "Together they answer five questions: of ownership (R1, R9), governance (R3, R11), cost "
        "(R2, R4), reliability (R5 to R8, R12) and expansion (R10).\n"
        "\n"
        "Calls without the plan's key go directly until all go, and no gate sees them. Whether "
        "calls "
        "have a key that is a header or metadata is on record once a first step was made.\n"
        "\n"
        "What is not tried: nothing is sent to a provider or a gateway. That a gateway's own "
        "budget "
        "refuses (412, or the code budget_exceeded) is known once a call on record met it: give a "
        "key of the application a budget of nothing there, and make one call with it through the "
        "proxy, which no provider sees or bills. To send until something refuses would cost what "
        "the budget is. Weir's own is proved by weir replay simulate and drill. That a key still "
        "opens is known as of the last direct call.\n"
        "\n"
        "The plan's readiness names which of them an application needs before its first stage; "
        "where it names none, all count here, and none is in the way of weir migrate advance. "
        "What was found of applications that are named goes to the rollout's ledger: a line ready "
        "for each, whose value is how many needed checks did not pass, with the JSON of its page "
        "as evidence. Without operands all applications are looked at, and nothing is written.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-preflight(1), weir-migrate-rehearse(1), weir-migrate-next(1), "
                "weir-migrate-status(1), weir-programme(5)",
    .run = run,
};
