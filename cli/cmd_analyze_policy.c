#include "config.h"

#include "cli/analysis.h"

#include "analyze/verdicts_print.h"
#include "cli/span.h"
#include "policy/plan_conf.h"

static const struct option_def options[] = {
    OPTIONS_ANALYSIS,
    OPTION(VALUE, .name = "by", .letter = 'b', .value = "DIM[,DIM...]",
           .help = "split each rule's line by these: team, app, business_unit, model (team)"),
    OPTION(FLAG, .name = "enforce",
           .help = "as if every rule that is not off were enforced, for every application"),
    OPTIONS_SPAN,
    OPTION_FORMAT(cli_formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};

struct inputs {
    struct analysis analysis;
    struct plan *plan;
    struct policy *policy;
    struct verdicts_question question;
};

static void inputs_release(struct inputs *in)
{
    policy_free(in->policy);
    plan_free(in->plan);
    analysis_close(&in->analysis);
}
DEFINE_CLEANUP_VALUE(struct inputs, inputs_release)

static int read_by(const struct invocation *inv, struct inputs *in, struct err *err)
{
    const char *given = invocation_get(inv, "by");
    struct str rest = str_from(given ? given : "team"), name;

    while (str_split(&rest, ',', &name)) {
        int i = 0;
        while (i < VERDICT_BYS && !str_eq(str_trim(name), str_from(verdict_by_names[i])))
            i++;
        if (i == VERDICT_BYS)
            return err_set(err, ERR_USAGE, "--by '%.*s' is none of team, app, business_unit, model",
                           STR_ARG(name));
        in->question.by[i] = true;
    }
    return 0;
}

static void harden(enum plan_mode *mode)
{
    if (*mode != PLAN_MODE_OFF)
        *mode = PLAN_MODE_ENFORCE;
}

/* Routes have no say here. */
static void enforce_all(struct plan *p)
{
    harden(&p->mode);
    for (struct plan_access *a = p->access; a; a = a->next)
        harden(&a->mode);
    for (struct plan_limit *l = p->limits; l; l = l->next)
        harden(&l->mode);
    for (struct plan_budget *b = p->budgets; b; b = b->next)
        harden(&b->mode);
    for (struct plan_app *a = p->apps; a; a = a->next)
        harden(&a->mode);
}

static int load_inputs(const struct invocation *inv, struct inputs *in, struct err *err)
{
    const char *config = invocation_get(inv, "config");
    struct span span;

    if (!config)
        return err_set(err, ERR_USAGE, "say which policy: --config FILE, with a section policy");
    if (read_by(inv, in, err) < 0 || analysis_open(inv, &in->analysis, err) < 0 ||
        span_parse(inv, in->analysis.tz, &span, err) < 0)
        return -1;
    in->plan = plan_new("weir");
    if (plan_conf_read(in->plan, in->analysis.conf->yaml, str_from(config), err) < 0)
        return -1;
    if (invocation_has(inv, "enforce"))
        enforce_all(in->plan);
    if (policy_new(in->plan, in->analysis.book, &in->policy, err) < 0)
        return -1;
    return analysis_set_span(&in->analysis, span.from_us, span.to_us, err);
}

static int run(const struct invocation *inv)
{
    CLEANUP(inputs_release) struct inputs in = { 0 };
    CLEANUP(verdicts_release) struct verdicts v = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    if (load_inputs(inv, &in, &err) < 0)
        return cli_fail(inv, &err);
    struct engine_query query = analysis_query(&in.analysis, NULL, ENGINE_MONEY);
    in.question.query = &query;
    in.question.policy = in.policy;
    if (verdicts_run(&in.question, &v, &err) < 0)
        return cli_fail(inv, &err);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        verdicts_print_json(&in.question, &v, &out);
    else if (cli_format(inv) == CLI_FORMAT_CSV)
        verdicts_print_csv(&in.question, &v, &out);
    else
        verdicts_print_text(&in.question, &v, &out);
    cli_out(buf_str(&out));
    return v.rows.len ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir analyze policy --archive demo --config policy.yaml",
     "what the policy says of each team's calls"                                              },
    { "weir analyze policy --archive demo --config policy.yaml --enforce --by app,model",
     "what it would refuse once it is enforced"                                               },
    { NULL,                                                                               NULL},
};

const struct command command_analyze_policy = {
    .path = "analyze policy",
    .summary = "which recorded calls a policy would have refused or changed",
    .operands = "",
    .options = options,
    .description =
        "Asks the policy of --config about every recorded call, in the order in which they began, "
        "with the code that the proxy decides by: rules of access, limits and budgets "
        "(weir-config(5)). Each line is what one rule says, in its mode, of the calls of a team: "
        "denied, made with another model instead, over a limit, over a hard budget, or the first "
        "after a soft threshold of a budget; what these calls cost, and what of that the rule "
        "alone would avoid. A call that several rules are against is in the line of each; the sum "
        "below has it once, for the rules in enforce.\n"
        "\n"
        "A call counts from when it began until it ended, with the tokens that it used; so "
        "budgets reserve no more than it cost. What is refused uses nothing of any limit or "
        "budget, and is not taken to come again. Another model is taken to use as many tokens. "
        "Roles are not recorded, so rules about roles are about nobody here; routes have no part "
        "in it. A row that sums several calls, imported from a bill, is taken for one. Budgets "
        "begin empty with the span: let it begin with a period.",
    .findings = "a rule has something to say",
    .examples = examples,
    .see_also = "weir-analyze-whatif(1), weir-config(5), weir-proxy-run(1)",
    .run = run,
};
