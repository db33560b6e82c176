#include "config.h"

#include "replay/lint_print.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"

void lint_print_us(int64_t us, struct buf *out)
{
    if (us == PLAN_FOREVER)
        buf_add_text(out, "never");
    else if (us < US_PER_SECOND && us % 1000 == 0)
        buf_addf(out, us ? "%" PRId64 " ms" : "%" PRId64 " s", us / 1000);
    else if (us < US_PER_SECOND)
        buf_addf(out, "%" PRId64 " us", us);
    else if (us % US_PER_SECOND == 0)
        buf_addf(out, "%" PRId64 " s", us / US_PER_SECOND);
    else
        buf_addf(out, "%" PRId64 ".%03" PRId64 " s", us / US_PER_SECOND, us % US_PER_SECOND / 1000);
}

static void add_place(struct plan_place at, struct buf *out)
{
    buf_addf(out, "%.*s", STR_ARG(at.file));
    if (at.line)
        buf_addf(out, ":%u:%u", at.line, at.column);
}

static void add_findings(const struct lint *l, struct buf *out)
{
    for (size_t i = 0; i < l->findings.len; i++) {
        const struct lint_finding *f = &l->findings.ptr[i];
        const struct lint_rule_row *row = &lint_rules[f->rule];
        add_place(f->at, out);
        buf_addf(out, ": %s: %.*s [%s]\n    %s\n    (%s)\n", lint_severity_names[row->severity],
                 STR_ARG(f->text), row->id, row->fix, row->source);
    }
    if (l->dropped)
        buf_addf(out, "and %zu findings more\n", l->dropped);
    if (l->findings.len)
        buf_add_byte(out, '\n');
}

static void add_cell(struct table *t, const struct prove_route *r, const struct prove_rung *rung,
                     enum prove_fault fault, const struct prove_options *o)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    switch (prove_verdict_of(r, rung, fault, o)) {
    case PROVE_NOT_TRIED:
        buf_add_byte(&text, '-');
        break;
    case PROVE_NEVER:
        buf_add_text(&text, "never");
        break;
    case PROVE_TOO_LATE:
        lint_print_us(rung->at_us[fault], &text);
        buf_add_text(&text, " LATE");
        break;
    case PROVE_REACHED:
        lint_print_us(rung->at_us[fault], &text);
        break;
    }
    table_add_cell(t, buf_str(&text));
}

static void add_route_text(const struct prove_route *r, const struct prove_options *o,
                           struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();

    buf_addf(out, "route '%.*s' (", STR_ARG(r->route->name));
    add_place(r->route->at, out);
    buf_add_text(out, ")\n");
    for (size_t i = 0; i < r->rungs.len; i++)
        buf_addf(out, "  [%zu] %.*s\n", i + 1, STR_ARG(r->rungs.ptr[i].node->name));
    table_add_column(t, "if it", false);
    for (size_t i = 0; i < r->rungs.len; i++) {
        CLEANUP(buf_release) struct buf title = { 0 };
        buf_addf(&title, "[%zu] after", i + 1);
        table_add_column(t, buf_cstr(&title), true);
    }
    table_add_column(t, "the caller hears", true);
    table_add_column(t, "attempts", true);
    table_add_column(t, "calls", true);
    table_add_column(t, "cost", true);
    for (int f = 0; f < PROVE_FAULTS; f++) {
        const struct prove_end *end = &r->ends[f];
        CLEANUP(buf_release) struct buf when = { 0 };
        table_add_cell(t, str_from(prove_faults[f].what));
        for (size_t i = 0; i < r->rungs.len; i++)
            add_cell(t, r, &r->rungs.ptr[i], (enum prove_fault)f, o);
        lint_print_us(end->at_us, &when);
        table_add_cell(t, buf_str(&when));
        table_add_cellf(t, "%" PRId64, end->attempts);
        table_add_cellf(t, "%" PRId64, end->calls);
        table_add_cellf(t, "x%" PRId64, end->cost);
    }
    table_print(t, out);
    buf_addf(out,
             "at most %" PRId64 " attempts, %" PRId64
             " with the caller's own tries; at most %" PRId64 " times the price of a call\n\n",
             prove_attempts_most(r), prove_calls_most(r), prove_cost_most(r));
}

static void add_keys(const struct lint *l, struct buf *out)
{
    size_t counts[LINT_ASIDE + 1] = { 0 };

    for (size_t i = 0; i < l->keys.len; i++)
        counts[l->keys.ptr[i].fidelity]++;
    if (!l->keys.len)
        return;
    buf_addf(out,
             "keys: %zu exact, %zu approximated, %zu unsupported, %zu say nothing about where a "
             "call goes\n",
             counts[LINT_EXACT], counts[LINT_APPROXIMATED], counts[LINT_UNSUPPORTED],
             counts[LINT_ASIDE]);
    for (size_t i = 0; i < l->keys.len; i++) {
        const struct lint_key *k = &l->keys.ptr[i];
        if (k->fidelity != LINT_APPROXIMATED && k->fidelity != LINT_UNSUPPORTED)
            continue;
        buf_add_text(out, "  ");
        add_place(k->at, out);
        buf_addf(out, ": %.*s: %s: %s\n", STR_ARG(k->path), lint_fidelity_names[k->fidelity],
                 k->note);
    }
    buf_add_byte(out, '\n');
}

void lint_print_text(const struct lint *l, const struct plan *p, const struct proof *proof,
                     const struct prove_options *o, struct buf *out)
{
    CLEANUP(buf_release) struct buf deadline = { 0 };

    add_findings(l, out);
    lint_print_us(o->deadline_us, &deadline);
    buf_addf(out, "read as %s; the caller waits %s\n\n", p->format, buf_cstr(&deadline));
    for (size_t i = 0; i < proof->routes.len; i++)
        add_route_text(&proof->routes.ptr[i], o, out);
    add_keys(l, out);
}

/* --- JSON --- */

static void add_json_place(struct plan_place at, struct buf *out)
{
    json_add_str(out, "file", at.file);
    if (!at.line)
        return;
    json_add_int(out, "line", at.line);
    json_add_int(out, "column", at.column);
}

static void open_list(struct buf *out, const char *key)
{
    json_add_key(out, key);
    buf_add_byte(out, '[');
}

static void open_item(struct buf *out)
{
    if (out->ptr[out->len - 1] != '[')
        buf_add_byte(out, ',');
    buf_add_byte(out, '{');
}

static void add_json_us(struct buf *out, const char *key, int64_t us)
{
    json_add_key(out, key);
    if (us < 0 || us == PLAN_FOREVER)
        buf_add_text(out, "null");
    else
        buf_add_int(out, us / 1000);
}

static const char *const verdict_names[] = {
    [PROVE_REACHED] = "reached",
    [PROVE_TOO_LATE] = "too_late",
    [PROVE_NEVER] = "never",
    [PROVE_NOT_TRIED] = "not_tried",
};

static void add_json_route(const struct prove_route *r, const struct prove_options *o,
                           struct buf *out)
{
    open_item(out);
    json_add_str(out, "route", r->route->name);
    add_json_place(r->route->at, out);
    json_add_int(out, "attempts_most", prove_attempts_most(r));
    json_add_int(out, "calls_most", prove_calls_most(r));
    json_add_int(out, "cost_most", prove_cost_most(r));
    open_list(out, "faults");
    for (int f = 0; f < PROVE_FAULTS; f++) {
        open_item(out);
        json_add_str(out, "fault", str_from(prove_faults[f].name));
        add_json_us(out, "caller_hears_ms", r->ends[f].at_us);
        json_add_int(out, "attempts", r->ends[f].attempts);
        json_add_int(out, "calls", r->ends[f].calls);
        json_add_int(out, "cost", r->ends[f].cost);
        open_list(out, "rungs");
        for (size_t i = 0; i < r->rungs.len; i++) {
            const struct prove_rung *rung = &r->rungs.ptr[i];
            open_item(out);
            json_add_str(out, "rung", rung->node->name);
            json_add_str(
                out, "verdict",
                str_from(verdict_names[prove_verdict_of(r, rung, (enum prove_fault)f, o)]));
            add_json_us(out, "after_ms", rung->at_us[f]);
            buf_add_byte(out, '}');
        }
        buf_add_text(out, "]}");
    }
    buf_add_text(out, "]}");
}

void lint_print_json(const struct lint *l, const struct plan *p, const struct proof *proof,
                     const struct prove_options *o, struct buf *out)
{
    open_item(out);
    json_add_str(out, "format", str_from(p->format));
    add_json_us(out, "deadline_ms", o->deadline_us);
    json_add_str(out, "client", str_from(o->client->name));
    open_list(out, "findings");
    for (size_t i = 0; i < l->findings.len; i++) {
        const struct lint_finding *f = &l->findings.ptr[i];
        const struct lint_rule_row *row = &lint_rules[f->rule];
        open_item(out);
        json_add_str(out, "rule", str_from(row->id));
        json_add_str(out, "severity", str_from(lint_severity_names[row->severity]));
        add_json_place(f->at, out);
        json_add_str(out, "text", f->text);
        json_add_str(out, "fix", str_from(row->fix));
        json_add_str(out, "source", str_from(row->source));
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    open_list(out, "routes");
    for (size_t i = 0; i < proof->routes.len; i++)
        add_json_route(&proof->routes.ptr[i], o, out);
    buf_add_byte(out, ']');
    open_list(out, "keys");
    for (size_t i = 0; i < l->keys.len; i++) {
        const struct lint_key *k = &l->keys.ptr[i];
        open_item(out);
        json_add_str(out, "key", k->path);
        add_json_place(k->at, out);
        json_add_str(out, "fidelity", str_from(lint_fidelity_names[k->fidelity]));
        json_add_str(out, "note", str_from(k->note));
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}");
}
