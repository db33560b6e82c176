#include "config.h"

#include "cli/stepping.h"

#include "base/json.h"
#include "base/nearest.h"
#include "base/table.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(FLAG, .name = "accept",
           .help = "take what is live as it is, where it is not what the ledger says"),
    OPTION(FLAG, .name = "put-back",
           .help = "write an actuator's file where there is none: as the ledger says, or the first "
                   "one"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

/* Of one actuator. */
struct finding {
    const struct actuator *actuator;
    bool is_drift, is_accepted;
    int failed; /* what to exit with if it could not be asked, or not written; `why` says why */
    struct step_drift *apps;
    size_t app_count;
    struct buf why;
};

struct findings {
    VEC(struct finding) list;
    struct arena arena;
};

static void findings_release(struct findings *f)
{
    for (size_t i = 0; i < f->list.len; i++)
        buf_release(&f->list.ptr[i].why);
    vec_release(&f->list);
    arena_release(&f->arena);
}
DEFINE_CLEANUP_VALUE(struct findings, findings_release)

static bool is_named(const struct invocation *inv, const struct actuator *a)
{
    for (size_t i = 0; i < invocation_operand_count(inv); i++)
        if (str_eq(str_from(invocation_operand(inv, i)), a->name))
            return true;
    return invocation_operand_count(inv) == 0;
}

static int check_names(const struct invocation *inv, const struct programme *p, struct err *err)
{
    for (size_t i = 0; i < invocation_operand_count(inv); i++) {
        const char *name = invocation_operand(inv, i);
        struct nearest near;
        bool is_known = false;
        nearest_init(&near, str_from(name));
        for (size_t k = 0; k < p->actuator_count; k++) {
            is_known |= str_eq(str_from(name), p->actuators[k].name);
            nearest_offer(&near, p->actuators[k].name.ptr);
        }
        if (!is_known)
            return err_set(err, ERR_USAGE, "'%s' is no actuator of %s%s%s%s", name, p->file.ptr,
                           near.best ? "; did you mean '" : "", near.best ? near.best : "",
                           near.best ? "'?" : "");
    }
    return 0;
}

static int put_back(const struct stepping *s, const struct actuator *a, struct err *err)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };

    if (a->driver->probe(a, &live, err) < 0)
        return -1;
    return live.is_there ? 0 : step_put_back(&s->context, a, err);
}

static int compare(const struct stepping *s, struct finding *f, struct arena *arena,
                   struct err *err)
{
    const struct actuator *a = f->actuator;

    if (invocation_has(s->m.inv, "put-back") && put_back(s, a, err) < 0)
        return -1;
    int r = step_compare(&s->context, a, arena, &f->apps, &f->app_count, &f->why, err);
    if (r < 0)
        return -1;
    f->is_drift = r == 1;
    if (!f->is_drift || !invocation_has(s->m.inv, "accept"))
        return 0;
    f->is_accepted = step_accept(&s->context, a, err) == 0;
    return f->is_accepted ? 0 : -1;
}

/* One that cannot be asked hides nothing of the others. */
static void compare_one(const struct stepping *s, const struct actuator *a, struct findings *out)
{
    struct err err;

    vec_push(&out->list, (struct finding){ .actuator = a });
    struct finding *f = &out->list.ptr[out->list.len - 1];
    if (compare(s, f, &out->arena, &err) == 0)
        return;
    if (f->why.len)
        buf_add_text(&f->why, "; ");
    buf_add_text(&f->why, err.text);
    f->failed = cli_fail(s->m.inv, &err);
}

static void add_share(struct table *t, int32_t share)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (share < 0)
        buf_add_byte(&text, '-');
    else
        migration_add_share(share, &text);
    table_add_cell(t, buf_str(&text));
}

static void print_text(const struct findings *f)
{
    CLEANUP(table_free) struct table *t = table_new();
    CLEANUP(buf_release) struct buf out = { 0 };
    static const char *const titles[] = { "planned", "ledger", "live" };
    size_t rows = 0;

    table_add_column(t, "actuator", false);
    table_add_column(t, "application", false);
    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        table_add_column(t, titles[i], true);
    for (size_t i = 0; i < f->list.len; i++) {
        const struct finding *at = &f->list.ptr[i];
        buf_addf(&out, "%.*s: %s\n", STR_ARG(at->actuator->name),
                 at->is_accepted ? "drifted, and taken as it is"
                 : at->is_drift  ? "drifted"
                 : at->failed    ? "not known"
                                 : "as the ledger says");
        if (at->is_drift || at->failed)
            buf_addf(&out, "  %.*s\n", STR_ARG(buf_str(&at->why)));
        for (size_t k = 0; k < at->app_count; k++, rows++) {
            table_add_cell(t, at->actuator->name);
            table_add_cell(t, at->apps[k].app);
            add_share(t, at->apps[k].planned);
            add_share(t, at->apps[k].ledger);
            add_share(t, at->apps[k].live);
        }
    }
    if (rows) {
        buf_add_byte(&out, '\n');
        table_print(t, &out);
    }
    cli_out(buf_str(&out));
}

static void add_apps_json(const struct finding *f, struct buf *out)
{
    json_add_key(out, "apps");
    buf_add_byte(out, '[');
    for (size_t k = 0; k < f->app_count; k++) {
        buf_add_text(out, k ? ",{" : "{");
        json_add_str(out, "app", f->apps[k].app);
        json_add_int(out, "planned", f->apps[k].planned);
        json_add_int(out, "ledger", f->apps[k].ledger);
        json_add_int(out, "live", f->apps[k].live);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void print_json(const struct findings *f)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    buf_add_text(&out, "{\"actuators\":[");
    for (size_t i = 0; i < f->list.len; i++) {
        const struct finding *at = &f->list.ptr[i];
        buf_add_text(&out, i ? ",{" : "{");
        json_add_str(&out, "actuator", at->actuator->name);
        json_add_bool(&out, "drift", at->is_drift);
        json_add_bool(&out, "accepted", at->is_accepted);
        json_add_bool(&out, "failed", at->failed != EXIT_OK);
        if (at->is_drift || at->failed)
            json_add_str(&out, "why", buf_str(&at->why));
        add_apps_json(at, &out);
        buf_add_byte(&out, '}');
    }
    buf_add_text(&out, "]}\n");
    cli_out(buf_str(&out));
}

static int worse(int status, const struct finding *f)
{
    if (status != EXIT_OK && status != EXIT_DRIFT)
        return status;
    if (f->failed)
        return f->failed;
    return f->is_drift && !f->is_accepted ? EXIT_DRIFT : status;
}

static int compare_all(const struct invocation *inv, struct stepping *s, struct err *err)
{
    CLEANUP(findings_release) struct findings found = { 0 };
    const struct programme *p = s->m.programme;
    int status = EXIT_OK;

    if (check_names(inv, p, err) < 0)
        return -1;
    for (size_t i = 0; i < p->actuator_count; i++)
        if (is_named(inv, &p->actuators[i]))
            compare_one(s, &p->actuators[i], &found);
    for (size_t i = 0; i < found.list.len; i++)
        status = worse(status, &found.list.ptr[i]);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        print_json(&found);
    else
        print_text(&found);
    return status;
}

static int run(const struct invocation *inv)
{
    CLEANUP(stepping_close) struct stepping s = { 0 };
    struct err err;
    bool is_writing = invocation_has(inv, "accept") || invocation_has(inv, "put-back");
    int r =
        stepping_open(inv, is_writing ? ROLLOUT_WRITE : ROLLOUT_READ, STEPPING_LOCK_US, &s, &err);

    if (r == 0)
        r = compare_all(inv, &s, &err);
    return r < 0 ? migration_fail(inv, &err) : r;
}

static const struct example examples[] = {
    {"weir migrate drift --plan programme-env.yaml",
     "whether anybody else has changed what is live"                 },
    { "weir migrate drift --plan programme-env.yaml --put-back",
     "the file that a program needs before it can start"             },
    { NULL,                                                      NULL},
};

const struct command command_migrate_drift = {
    .path = "migrate drift",
    .summary = "compare plan, ledger and what is live",
    .operands = "[ACTUATOR...]",
    .operands_max = -1,
    .options = options,
    .description =
        "For each actuator: whether what is live is what the ledger says was made live, and for "
        "each application where they differ three shares: what the plan would have allowed by now "
        "at most, what the ledger says, and what is live.\n"
        "\n"
        "Nothing that somebody else changed is ever overwritten. Either put it back, or have it "
        "written into the ledger as it is, with --accept: steps go on from there, and one that "
        "was cut short there counts as ended.\n"
        "\n"
        "One actuator that cannot be asked hides nothing of the others: all are told of, and then "
        "the command has failed.\n"
        "\n"
        "--put-back writes the file of an actuator that has none, and nothing else: what the "
        "ledger "
        "says was live, or, before anything was moved, the first one, with which a program that "
        "includes it can be started.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-advance(1), weir-migrate-rollback(1), weir-rollout(5)",
    .run = run,
};
