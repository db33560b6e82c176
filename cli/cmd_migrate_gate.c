#include "config.h"

#include "cli/migration.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"

#define CHECK_BYTES_MAX (64u << 20)
#define UNTIL_MAX       (INT64_C(253402300800) * US_PER_SECOND) /* the end of 9999 */

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(VALUE, .name = "until", .value = "TIME",
           .help = "judge by the calls that began before, and by the steps before (now)"),
    OPTION(VALUE, .name = "check", .value = "FILE", .is_path = true,
           .help = "work out the verdicts in FILE (JSON, one per line) again, each from the inputs "
                   "that it names, and say whether they are the same"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

static int read_until(const struct migration *m, int64_t *ret, struct err *err)
{
    const char *until = invocation_get(m->inv, "until");

    *ret = m->now_us;
    if (until && !timestamp_parse(str_from(until), ret))
        return err_set(err, ERR_USAGE, "--until '%s' is no time: 2026-10-07 or 2026-10-07T12:00Z",
                       until);
    return 0;
}

/* --- judging --- */

static int status_of(const struct verdict *list, size_t count)
{
    static const int statuses[] = {
        [VERDICT_PROMOTE] = EXIT_OK,
        [VERDICT_HOLD] = EXIT_HOLD,
        [VERDICT_ROLLBACK] = EXIT_ROLLED_BACK,
    };
    int worst = EXIT_OK;

    for (size_t i = 0; i < count; i++)
        if (statuses[list[i].says] > worst)
            worst = statuses[list[i].says];
    return worst;
}

static void print(const struct invocation *inv, const struct verdict *list, size_t count)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    for (size_t i = 0; i < count; i++) {
        if (cli_format(inv) == CLI_FORMAT_JSON) {
            verdict_print_json(&list[i], &out);
            continue;
        }
        if (i)
            buf_add_byte(&out, '\n');
        verdict_print_text(&list[i], &out);
    }
    cli_out(buf_str(&out));
}

static int judge(struct migration *m, int *ret_status, struct err *err)
{
    CLEANUP(migration_apps_release) struct migration_apps apps = { 0 };
    struct verdict *list = NULL;
    struct verdict_input in = {
        .programme = m->programme, .rollout = m->rollout, .archive = m->archive, .prices = m->prices
    };

    if (read_until(m, &in.until_us, err) < 0 || migration_apps_named(m, &apps, err) < 0)
        return -1;
    const struct programme_app **named = mem_calloc(apps.list.len + 1, sizeof(*named));
    for (size_t i = 0; i < apps.list.len; i++)
        named[i] = apps.list.ptr[i]->app;
    int r = verdict_judge(&in, named, apps.list.len, &list, err);
    free(named);
    if (r < 0)
        return -1;
    print(m->inv, list, apps.list.len);
    *ret_status = status_of(list, apps.list.len);
    verdict_free(list, apps.list.len);
    return 0;
}

/* --- checking --- */

/* Where two JSON values differ first, as "gates.0.alpha"; false if they are equal. */
static bool find_difference(const json_t *a, const json_t *b, struct buf *path)
{
    size_t start = path->len;
    const char *key;
    json_t *value;

    if (json_equal(a, b))
        return false;
    if (json_is_object(a) && json_is_object(b)) {
        void *at = json_object_iter((json_t *)(uintptr_t)a);
        for (; at; at = json_object_iter_next((json_t *)(uintptr_t)a, at)) {
            key = json_object_iter_key(at);
            value = json_object_iter_value(at);
            buf_addf(path, "%s%s", start ? "." : "", key);
            if (find_difference(value, json_object_get(b, key), path))
                return true;
            path->len = start;
        }
    }
    if (json_is_array(a) && json_array_size(a) == json_array_size(b)) {
        for (size_t i = 0; i < json_array_size(a); i++) {
            buf_addf(path, "%s%zu", start ? "." : "", i);
            if (find_difference(json_array_get(a, i), json_array_get(b, i), path))
                return true;
            path->len = start;
        }
    }
    return true;
}

/* The plan that a verdict names: the one at hand, or the bytes that the rollout has kept. */
static int find_plan(const struct migration *m, struct str sha, struct programme **ret_kept,
                     const struct programme **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };

    *ret = m->programme;
    if (str_eq(sha, m->programme->sha))
        return 0;
    if (rollout_get_blob(m->rollout, sha, &bytes, err) < 0)
        return err_wrap(err, "the plan was another one, of SHA-256 %.*s", STR_ARG(sha));
    if (programme_parse(buf_str(&bytes), "the kept plan", m->programme->folder.ptr, ret_kept, err) <
        0)
        return -1;
    *ret = *ret_kept;
    return 0;
}

static int recompute(const struct migration *m, const json_t *stored, struct buf *ret,
                     struct err *err)
{
    CLEANUP(programme_free) struct programme *kept = NULL;
    const json_t *inputs = json_get(stored, "inputs");
    const struct programme *plan;
    struct verdict *v = NULL;
    struct verdict_input in = {
        .rollout = m->rollout,
        .archive = m->archive,
        .until_us = json_integer_value(json_get(inputs, "until_us")),
        .chain_lines = (uint64_t)json_integer_value(json_get(inputs, "chain_lines")),
        .prices = m->prices,
    };

    if (!json_is_string(json_get(stored, "app")) || in.until_us <= 0 || in.until_us > UNTIL_MAX)
        return err_set(err, ERR_CORRUPT, "no verdict: 'app' or 'inputs.until_us' is missing");
    if (find_plan(m, json_get_str(inputs, "plan_sha256"), &kept, &plan, err) < 0)
        return -1;
    in.programme = plan;
    const struct programme_app *app = programme_find_app(plan, json_get_str(stored, "app"));
    if (!app)
        return err_set(err, ERR_USAGE, "'%.*s' is no application of the plan",
                       STR_ARG(json_get_str(stored, "app")));
    if (verdict_judge(&in, &app, 1, &v, err) < 0)
        return -1;
    verdict_print_json(v, ret);
    verdict_free(v, 1);
    return 0;
}

/* 1 = the same, 0 = not, -1. */
static int check_line(const struct migration *m, struct str line, struct buf *out, struct err *err)
{
    CLEANUP(json_decref) json_t *stored = NULL, *again = NULL;
    CLEANUP(buf_release) struct buf now = { 0 }, path = { 0 };

    if (json_parse(line, &stored, err) < 0 || recompute(m, stored, &now, err) < 0)
        return -1;
    struct str text = str_sub(buf_str(&now), 0, now.len - 1); /* without its newline */
    struct str app = json_get_str(stored, "app");
    if (str_eq(text, line)) {
        buf_addf(out, "%.*s: same\n", STR_ARG(app));
        return 1;
    }
    if (json_parse(text, &again, err) < 0)
        return -1;
    if (find_difference(stored, again, &path))
        buf_addf(out, "%.*s: different, first in '%s'\n", STR_ARG(app), buf_cstr(&path));
    else
        buf_addf(out, "%.*s: different in spelling only\n", STR_ARG(app));
    return 0;
}

static int check(struct migration *m, const char *file, int *ret_status, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 }, out = { 0 };
    struct str line;
    int number = 0;

    if (file_read(file, CHECK_BYTES_MAX, &text, err) < 0)
        return -1;
    struct str rest = buf_str(&text);
    while (str_split(&rest, '\n', &line)) {
        number++;
        if (!str_trim(line).len)
            continue;
        int r = check_line(m, line, &out, err);
        if (r < 0)
            return err_wrap(err, "%s:%d", file, number);
        if (r == 0)
            *ret_status = EXIT_FINDINGS;
    }
    if (!out.len)
        return err_set(err, ERR_USAGE, "%s: no verdict in it", file);
    cli_out(buf_str(&out));
    return 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(migration_close) struct migration m = { 0 };
    const char *file = invocation_get(inv, "check");
    int status = EXIT_OK;
    struct err err;

    if (!file && invocation_operand_count(inv) == 0)
        return cli_usage(inv, "say which application, which wave, or 'all'");
    if (file && invocation_operand_count(inv) > 0)
        return cli_usage(inv, "--check knows its applications from FILE");
    if (migration_open(inv, ROLLOUT_READ, &m, &err) < 0 || migration_open_archive(&m, &err) < 0)
        return migration_fail(inv, &err);
    int r = file ? check(&m, file, &status, &err) : judge(&m, &status, &err);
    return r < 0 ? migration_fail(inv, &err) : status;
}

static const struct exit_status exits[] = {
    {EXIT_HOLD,         "an application has to stay where it is: the evidence does not suffice"},
    { EXIT_ROLLED_BACK, "an application has to go back: the gateway does harm"                 },
    { 0,                NULL                                                                   },
};

static const struct example examples[] = {
    {"weir migrate gate copy-desk || test $? = 10",                                     "where one stands; 10 is \"stay\""},
    { "weir migrate gate all --format json > v.json; weir migrate gate --check v.json",
     "keep the verdicts, and work them out again"                                                                         },
    { NULL,                                                                             NULL                              },
};

const struct command command_migrate_gate = {
    .path = "migrate gate",
    .summary = "what the archive says of a cutover so far: go on, stay, or go back",
    .operands = "[APP|WAVE|all]...",
    .operands_min = 0,
    .operands_max = -1,
    .options = options,
    .description =
        "Compares the calls that went to the gateway with those that went directly, since the "
        "application's last step from 0 %, and prints every number that the verdict rests on. It "
        "changes nothing, and may be asked as often as one likes: looking often does not make a "
        "false alarm more likely. weir-gate(7) has the mathematics, and what each metric "
        "counts.\n"
        "\n"
        "Only what is sealed is looked at, and each ledger's SHA-256 is compared with the "
        "archive's chain first. A verdict is a function of the chain up to a line, the plan, the "
        "rollout's steps, the prices and --until, all of which it names: with --check anyone who "
        "has them can work it out again, byte for byte, on any machine. A plan that has changed "
        "since is taken from the rollout's blobs.\n"
        "\n"
        "Exit status 0 says that every application named may go on.",
    .findings = "--check found a verdict that comes out differently",
    .exits = exits,
    .examples = examples,
    .see_also = "weir-gate(7), weir-programme(5), weir-archive(5), weir-migrate-advance(1)",
    .run = run,
};
