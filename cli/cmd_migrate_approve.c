#include "config.h"

#include "cli/stepping.h"

#include "base/json.h"
#include "base/nearest.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(VALUE, .name = "as", .value = "ROLE", .required = true,
           .help = "the role in which it is approved, one of the plan's 'approvals'; 'wave' lets a "
                   "wave go on that a rollback has stopped"),
    OPTION(VALUE, .name = "note", .value = "TEXT",
           .help = "the number of a ticket, say; kept beside the approval"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

static int check_role(const struct programme_app *app, struct str role, struct err *err)
{
    struct nearest near;

    nearest_init(&near, role);
    nearest_offer(&near, DECIDE_ROLE_WAVE);
    for (size_t i = 0; i < app->approvals.len; i++) {
        if (str_eq(app->approvals.list[i], role))
            return 0;
        nearest_offer(&near, app->approvals.list[i].ptr);
    }
    if (str_eq(role, STR(DECIDE_ROLE_WAVE)))
        return 0;
    return err_set(err, ERR_USAGE, "'%.*s' needs no approval as '%.*s'%s%s%s", STR_ARG(app->name),
                   STR_ARG(role), near.best ? "; did you mean '" : "", near.best ? near.best : "",
                   near.best ? "'?" : "");
}

static int note_all(const struct stepping *s, const struct migration_apps *apps, struct str role,
                    struct err *err)
{
    const char *note = invocation_get(s->m.inv, "note");
    char sha[ROLLOUT_SHA_BYTES] = "";

    for (size_t i = 0; i < apps->list.len; i++)
        if (check_role(apps->list.ptr[i]->app, role, err) < 0)
            return -1;
    if (note && rollout_put_blob(s->m.rollout, str_from(note), sha, err) < 0)
        return -1;
    for (size_t i = 0; i < apps->list.len; i++) {
        struct rollout_entry e = { .kind = ROLLOUT_APPROVED,
                                   .app = apps->list.ptr[i]->app->name,
                                   .plan = s->m.programme->sha,
                                   .evidence = str_from(sha),
                                   .detail = role };
        if (step_note(&s->context, &e, err) < 0)
            return -1;
    }
    return 0;
}

static void print(const struct stepping *s, const struct migration_apps *apps, struct str role)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    bool is_json = cli_format(s->m.inv) == CLI_FORMAT_JSON;

    if (is_json)
        buf_add_text(&out, "{\"approved\":[");
    for (size_t i = 0; i < apps->list.len; i++) {
        struct str app = apps->list.ptr[i]->app->name;
        if (!is_json) {
            buf_addf(&out, "%.*s approved as %.*s by %s\n", STR_ARG(app), STR_ARG(role),
                     s->m.actor);
            continue;
        }
        buf_add_text(&out, i ? ",{" : "{");
        json_add_str(&out, "app", app);
        json_add_str(&out, "role", role);
        json_add_str(&out, "actor", str_from(s->m.actor));
        buf_add_byte(&out, '}');
    }
    if (is_json)
        buf_add_text(&out, "]}\n");
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(stepping_close) struct stepping s = { 0 };
    CLEANUP(migration_apps_release) struct migration_apps apps = { 0 };
    struct str role = str_from(invocation_get(inv, "as"));
    struct err err;

    if (stepping_open(inv, ROLLOUT_WRITE, STEPPING_LOCK_US, &s, &err) < 0 ||
        migration_apps_named(&s.m, &apps, &err) < 0 || note_all(&s, &apps, role, &err) < 0)
        return migration_fail(inv, &err);
    print(&s, &apps, role);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir migrate approve --plan programme-env.yaml pilots --as wave --note OPS-4711",
     "after a rollback in it, the wave goes on"                                             },
    { NULL,                                                                             NULL},
};

const struct command command_migrate_approve = {
    .path = "migrate approve",
    .summary = "say, in a role, that applications may begin to move",
    .operands = "APP|WAVE|all...",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .description =
        "Writes into the ledger who approved what in which role; the plan says which roles an "
        "application needs before its first stage. An approval counts until the application is "
        "rolled back.\n"
        "\n"
        "Who may write to the rollout's folder can approve: who that is, is the matter of the "
        "file system or of the repository that the folder is kept in.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-advance(1), weir-programme(5), weir-rollout(5)",
    .run = run,
};
