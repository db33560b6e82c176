#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "cli/migration.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(VALUE, .name = "anchor", .value = "ENTRIES:HEAD",
           .help = "what an earlier run printed and somebody wrote down: the history must contain "
                   "it"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct verifying {
    const struct invocation *inv;
    struct migration m; /* without a rollout, where a folder was named */
    const char *folder;
    struct rollout_audit audit;
    struct str origin;
    const struct rollout_entry *ahead; /* see rollout_ahead; NULL = none */
    int64_t now_us;
};

static void verifying_release(struct verifying *v)
{
    migration_close(&v->m);
    rollout_audit_release(&v->audit);
}
DEFINE_CLEANUP_VALUE(struct verifying, verifying_release)

/* The folder's own name. */
static struct str name_of(const char *folder)
{
    struct str rest = str_from(folder), part, name = rest;

    while (str_split(&rest, '/', &part))
        if (part.len)
            name = part;
    return name;
}

/* A clock that was wrong leaves a history whole, and gates blind. */
static int check_clocks(struct verifying *v, struct err *err)
{
    if (rollout_open(v->folder, ROLLOUT_READ, STR(""), 0, &v->m.rollout, err) < 0)
        return -1;
    v->now_us = clock_now_us();
    v->ahead = rollout_ahead(v->m.rollout, v->now_us);
    return 0;
}

/* What the plan lets one check beyond the folder itself. */
static int check_artefacts(struct verifying *v, struct err *err)
{
    uint64_t entry = 0;

    if (!v->m.programme)
        return 0;
    if (portfolio_read(v->m.programme, v->m.rollout, &v->m.portfolio, err) < 0)
        return -1;
    CLEANUP(buf_release) struct buf why = { 0 };
    int r = portfolio_check_artefacts(v->m.portfolio, &entry, &why, err);
    if (r <= 0)
        return r;
    v->audit.bad = entry;
    v->audit.entries = entry - 1;
    buf_addf(&v->audit.why, "entry %" PRIu64 ": %.*s", entry, STR_ARG(buf_str(&why)));
    return 1;
}

static void print_json(const struct verifying *v)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const struct rollout_audit *a = &v->audit;
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_byte(&out, '{');
    json_add_str(&out, "origin", v->origin);
    json_add_bool(&out, "whole", a->bad == 0);
    json_add_int(&out, "entries", (int64_t)a->entries);
    json_add_int(&out, "blobs", (int64_t)a->blobs);
    json_add_int(&out, "bytes", (int64_t)a->bytes);
    if (a->bad) {
        json_add_int(&out, "bad_entry", (int64_t)a->bad);
        json_add_str(&out, "finding", buf_str(&a->why));
    } else {
        json_add_str(&out, "head", str_from(a->head));
    }
    if (v->ahead) {
        json_add_key(&out, "ahead");
        buf_add_byte(&out, '{');
        json_add_int(&out, "entry", (int64_t)v->ahead->seq);
        json_add_str(&out, "at", str_from(timestamp_format(v->ahead->at_us, at)));
        json_add_int(&out, "ahead_us", v->ahead->at_us - v->now_us);
        buf_add_byte(&out, '}');
    }
    buf_add_text(&out, "}\n");
    cli_out(buf_str(&out));
}

static void print_text(const struct verifying *v)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const struct rollout_audit *a = &v->audit;

    if (a->bad) {
        buf_addf(&out, "%.*s\n", STR_ARG(buf_str(&a->why)));
        if (a->entries)
            buf_addf(&out, "what comes before it is right\n");
    } else {
        buf_addf(&out, "whole: %" PRIu64 " %s, %" PRIu64 " %s, %" PRIu64 " bytes\n", a->entries,
                 a->entries == 1 ? "entry" : "entries", a->blobs, a->blobs == 1 ? "blob" : "blobs",
                 a->bytes);
        buf_addf(&out, "anchor: %.*s %" PRIu64 ":%s\n", STR_ARG(v->origin), a->entries, a->head);
    }
    if (v->ahead) {
        buf_add_text(&out, "ahead: ");
        rollout_add_ahead(v->ahead, v->now_us, &out);
        buf_add_text(&out, "; until then gates see neither it nor what follows, and what moves "
                           "holds: see CLOCKS in weir-rollout(5)\n");
    }
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(verifying_release) struct verifying v = { .inv = inv };
    const char *anchor = invocation_get(inv, "anchor");
    struct err err;

    if (migration_find_rollout(inv, &v.m.programme, &v.folder, &err) < 0)
        return cli_fail(inv, &err);
    v.origin = v.m.programme ? v.m.programme->name : name_of(v.folder);
    int r = rollout_verify(v.folder, str_from(anchor), &v.audit, &err);
    if (r == 0)
        r = check_clocks(&v, &err);
    if (r == 0)
        r = check_artefacts(&v, &err);
    if (r < 0)
        return cli_fail(inv, &err);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        print_json(&v);
    else
        print_text(&v);
    return r ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir migrate verify", "check the rollout of the plan, and print what to write down"},
    { NULL,                 NULL                                                         },
};

const struct command command_migrate_verify = {
    .path = "migrate verify",
    .summary = "check that a rollout's history is whole and as it was written",
    .operands = "[FOLDER]",
    .operands_max = 1,
    .options = options,
    .description =
        "Checks every entry's hash, that each follows the one before, that they make sense "
        "together, and that every blob they name is there and has its hash; with the plan also "
        "that what each actuator was last made to run holds the shares that the entries say. The "
        "first entry that is wrong is named.\n"
        "\n"
        "With FOLDER, a copy of the rollout's folder is enough, on any machine; the plan is not "
        "read.\n"
        "\n"
        "An entry that is dated later than this machine's clock is told of, as gates do not see it "
        "until then; the history is none the less whole.\n"
        "\n"
        "Nothing in a folder can tell that its last entries were taken out, or that all of it was "
        "written anew. The anchor that is printed can: write it into the ticket of each step, and "
        "give it to a later run.",
    .findings = "an entry or a blob was changed, moved or taken out, a line has no end, or the "
                "history does not contain the anchor",
    .examples = examples,
    .see_also = "weir-migrate-log(1), weir-migrate-status(1), weir-rollout(5)",
    .run = run,
};
