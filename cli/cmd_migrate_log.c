#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "analyze/period.h"
#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "cli/migration.h"

/* So many applications of a step are named in a table. */
#define NAMED_MAX 2

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(VALUE, .name = "app", .value = "NAME",
           .help = "only what is about this application, its steps included; * stands for "
                   "anything"),
    OPTION(VALUE, .name = "since", .value = "TIME",
           .help = "only from then on: 2026-10-07, a full time, or so long ago, such as 36h or 7d"),
    OPTION(VALUE, .name = "limit", .letter = 'n', .value = "N", .help = "only the last N of them"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct line {
    const struct rollout_entry *entry;
    const struct rollout_entry *step; /* the INTENT of its epoch; NULL = it is of none */
};

struct history {
    const struct invocation *inv;
    struct migration m; /* without a portfolio */
    VEC(struct line) lines;
    const char *app;
    int64_t since_us, limit;
};

static void history_release(struct history *h)
{
    vec_release(&h->lines);
    migration_close(&h->m);
}
DEFINE_CLEANUP_VALUE(struct history, history_release)

static int parse_options(struct history *h, struct err *err)
{
    const char *since = invocation_get(h->inv, "since"), *limit = invocation_get(h->inv, "limit");
    int64_t ago_us, end_us;

    h->app = invocation_get(h->inv, "app");
    h->since_us = INT64_MIN;
    h->limit = INT64_MAX;
    if (since && duration_parse(str_from(since), &ago_us))
        h->since_us = clock_now_us() - ago_us;
    else if (since && !period_parse(str_from(since), NULL, &h->since_us, &end_us))
        return err_set(err, ERR_USAGE,
                       "--since '%s' is neither a time (2026-10-07, 2026-10-07T12:00:00Z) nor a "
                       "duration (36h, 7d)",
                       since);
    if (limit && (!str_to_i64(str_from(limit), &h->limit) || h->limit < 1))
        return err_set(err, ERR_USAGE, "--limit '%s' is not a number from 1 on", limit);
    return 0;
}

static bool moves_app(const struct history *h, const struct rollout_entry *e)
{
    for (size_t i = 0; e && i < e->move_count; i++)
        if (str_glob(str_from(h->app), e->moves[i].app))
            return true;
    return false;
}

static bool is_wanted(const struct history *h, const struct line *l)
{
    if (l->entry->at_us < h->since_us)
        return false;
    return !h->app || (l->entry->app.len && str_glob(str_from(h->app), l->entry->app)) ||
           moves_app(h, l->entry) || moves_app(h, l->step);
}

/* The step that an entry goes on with: its INTENT came not long before. */
static const struct rollout_entry *step_of(const struct rollout *r, size_t index)
{
    const struct rollout_entry *e = rollout_at(r, index);

    if (!e->epoch || e->kind == ROLLOUT_ACCEPTED)
        return NULL;
    for (size_t i = index + 1; i > 0; i--) {
        const struct rollout_entry *earlier = rollout_at(r, i - 1);
        if (earlier->kind == ROLLOUT_INTENT && earlier->epoch == e->epoch)
            return earlier;
    }
    return NULL;
}

static void collect(struct history *h)
{
    const struct rollout *r = h->m.rollout;

    for (size_t i = 0; i < rollout_count(r); i++) {
        struct line line = { rollout_at(r, i), step_of(r, i) };
        if (is_wanted(h, &line))
            vec_push(&h->lines, line);
    }
}

static size_t first_line(const struct history *h)
{
    return (int64_t)h->lines.len > h->limit ? h->lines.len - (size_t)h->limit : 0;
}

/* The applications of an entry: its own, or those that its step moves. */
static void add_apps(const struct line *l, struct buf *out)
{
    const struct rollout_entry *e = l->entry->move_count || !l->step ? l->entry : l->step;

    if (!e->move_count) {
        buf_add_str(out, l->entry->app);
        return;
    }
    for (size_t i = 0; i < e->move_count && i < NAMED_MAX; i++) {
        buf_add_text(out, i ? ", " : "");
        buf_add_str(out, e->moves[i].app);
    }
    if (e->move_count > NAMED_MAX)
        buf_addf(out, " and %zu more", e->move_count - NAMED_MAX);
}

/* "1 % -> 5 %", where all of a step's moves are the same. */
static void add_shares(const struct line *l, struct buf *out)
{
    const struct rollout_entry *e = l->entry->move_count || !l->step ? l->entry : l->step;

    for (size_t i = 1; i < e->move_count; i++)
        if (e->moves[i].from != e->moves[0].from || e->moves[i].to != e->moves[0].to) {
            buf_add_text(out, "various");
            return;
        }
    if (!e->move_count)
        return;
    migration_add_share(e->moves[0].from, out);
    buf_add_text(out, " \xe2\x86\x92 ");
    migration_add_share(e->moves[0].to, out);
}

static const struct {
    const char *title;
    bool right;
} columns[] = {
    {"#",       true },
    { "TIME",   false},
    { "KIND",   false},
    { "STEP",   false},
    { "APP",    false},
    { "SHARE",  false},
    { "BY",     false},
    { "DETAIL", false},
};

static void print_row(struct table *t, const struct line *l)
{
    CLEANUP(buf_release) struct buf cell = { 0 };
    const struct rollout_entry *e = l->entry;
    char at[TIMESTAMP_TEXT_BYTES];

    table_add_cellf(t, "%" PRIu64, e->seq);
    /* To the second: microseconds are in the JSON. */
    table_add_cell(t, str_from(timestamp_format(e->at_us - e->at_us % US_PER_SECOND, at)));
    table_add_cell(t, str_from(rollout_kind_name(e->kind)));
    if (e->epoch)
        buf_addf(&cell, "e%" PRIu64 "%s%s", e->epoch, l->step ? " " : "",
                 l->step ? rollout_why_name(l->step->why) : "");
    table_add_cell(t, buf_str(&cell));
    buf_clear(&cell);
    add_apps(l, &cell);
    table_add_cell(t, buf_str(&cell));
    buf_clear(&cell);
    add_shares(l, &cell);
    table_add_cell(t, buf_str(&cell));
    table_add_cell(t, e->actor);
    table_add_cell(t, e->detail);
}

static void print_text(const struct history *h)
{
    CLEANUP(table_free) struct table *t = table_new();
    CLEANUP(buf_release) struct buf out = { 0 };

    if (!h->lines.len) {
        cli_note(h->inv, "%s",
                 rollout_count(h->m.rollout) ? "there is no such entry" : "nothing was begun yet");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        table_add_column(t, columns[i].title, columns[i].right);
    for (size_t i = first_line(h); i < h->lines.len; i++)
        print_row(t, &h->lines.ptr[i]);
    table_print(t, &out);
    cli_out(buf_str(&out));
}

/* Members as in the ledger, but for what only links its lines; and a step's moves in each of its
 * entries. */
static void add_json(const struct line *l, struct buf *out)
{
    const struct rollout_entry *e = l->entry;
    char at[TIMESTAMP_TEXT_BYTES];
    const struct {
        const char *key;
        struct str text;
    } texts[] = {
        {"actor",     e->actor   },
        { "app",      e->app     },
        { "actuator", e->actuator},
        { "before",   e->before  },
        { "after",    e->after   },
        { "plan",     e->plan    },
        { "evidence", e->evidence},
        { "detail",   e->detail  },
    };

    buf_add_byte(out, '{');
    json_add_int(out, "seq", (int64_t)e->seq);
    json_add_str(out, "at", str_from(timestamp_format(e->at_us, at)));
    json_add_str(out, "kind", str_from(rollout_kind_name(e->kind)));
    if (l->step || e->why != ROLLOUT_NO_STEP)
        json_add_str(out, "why", str_from(rollout_why_name(l->step ? l->step->why : e->why)));
    if (e->epoch)
        json_add_int(out, "epoch", (int64_t)e->epoch);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].text.len)
            json_add_str(out, texts[i].key, texts[i].text);
    if (e->move_count || (l->step && l->step->move_count))
        rollout_add_moves(e->move_count ? e : l->step, out);
    if (e->value)
        json_add_int(out, "value", e->value);
    json_add_str(out, "hash", e->hash);
    buf_add_byte(out, '}');
}

static void print_json(const struct history *h)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    size_t first = first_line(h);

    cli_out(STR("["));
    for (size_t i = first; i < h->lines.len && !cli_out_failed(); i++) {
        buf_clear(&out);
        buf_add_text(&out, i > first ? ",\n" : "\n");
        add_json(&h->lines.ptr[i], &out);
        cli_out(buf_str(&out));
    }
    cli_out(STR("\n]\n"));
}

static int run(const struct invocation *inv)
{
    CLEANUP(history_release) struct history h = { .inv = inv };
    const char *folder;
    struct err err;

    if (parse_options(&h, &err) < 0 ||
        migration_find_rollout(inv, &h.m.programme, &folder, &err) < 0 ||
        rollout_open(folder, ROLLOUT_READ, STR(""), 0, &h.m.rollout, &err) < 0)
        return cli_fail(inv, &err);
    collect(&h);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        print_json(&h);
    else
        print_text(&h);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir migrate log --limit 20",                    "what was done last"    },
    { "weir migrate log --app support-bot --since 7d", "one application's week"},
    { NULL,                                            NULL                    },
};

const struct command command_migrate_log = {
    .path = "migrate log",
    .summary = "what was decided and done, by whom and why",
    .operands = "[FOLDER]",
    .operands_max = 1,
    .options = options,
    .description =
        "Prints the rollout's entries, the latest last. STEP is the epoch, which the live artefact "
        "carries, too; SHARE is how much of an application's calls went to the gateway before the "
        "step, and how much after it. Lines that are not whole or do not fit the chain are an "
        "error: weir migrate verify says more.\n"
        "\n"
        "With FOLDER, a copy of the rollout's folder is enough; the plan is not read.",
    .examples = examples,
    .see_also = "weir-migrate-status(1), weir-migrate-verify(1), weir-rollout(5)",
    .run = run,
};
