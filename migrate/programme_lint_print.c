#include "config.h"

#include "migrate/programme_lint_print.h"

#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"

#define SHOWN_SLOTS 50 /* rows of the calendar in text */

void programme_finding_print(const struct programme *p, const struct programme_finding *f,
                             struct buf *out)
{
    const struct programme_rule_row *row = &programme_rules[f->rule];

    buf_add_str(out, p->file);
    if (f->at.line)
        buf_addf(out, ":%u:%u", f->at.line, f->at.column);
    buf_addf(out, ": %s: %s [%s]\n    %s\n", programme_severity_name(row->severity), f->text.ptr,
             row->id, row->fix);
}

void programme_add_duration(int64_t us, struct buf *out)
{
    static const struct {
        int64_t us;
        const char *name;
    } units[] = {
        {US_PER_DAY,            "d"  },
        { 3600 * US_PER_SECOND, "h"  },
        { 60 * US_PER_SECOND,   "min"},
        { US_PER_SECOND,        "s"  }
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (us % units[i].us != 0)
            continue;
        buf_addf(out, "%" PRId64 " %s", us / units[i].us, units[i].name);
        return;
    }
    buf_addf(out, "%" PRId64 " ms", us / 1000);
}

static void add_time_cell(struct table *t, const struct programme *p, int64_t us)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    programme_add_time(p, us, &text);
    table_add_cell(t, buf_str(&text));
}

static void add_calendar(const struct programme *p, const struct programme_lint *l, struct buf *out)
{
    static const char *const titles[] = { "app",    "owner",    "wave",   "risk",
                                          "begins", "at 100 %", "through" };
    CLEANUP(table_free) struct table *t = table_new();
    size_t rows = 0, left = 0;

    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        table_add_column(t, titles[i], false);
    table_add_column(t, "spend", true);
    for (size_t i = 0; i < l->slot_count; i++) {
        const struct programme_slot *s = &l->slots[i];
        if (!s->from_us)
            continue;
        if (rows == SHOWN_SLOTS) {
            left++;
            continue;
        }
        rows++;
        table_add_cell(t, s->app->name);
        table_add_cell(t, s->app->owner.len ? s->app->owner : STR("-"));
        table_add_cell(t, s->app->wave ? s->app->wave->name : STR("-"));
        table_add_cell(t, str_from(programme_risk_name(s->app->risk)));
        add_time_cell(t, p, s->from_us);
        add_time_cell(t, p, s->full_us);
        add_time_cell(t, p, s->through_us);
        if (s->spend_per_million < 0)
            table_add_cell(t, STR("?"));
        else
            table_add_cellf(t, "%.1f %%", (double)s->spend_per_million / 1e4);
    }
    if (!rows)
        return;
    buf_addf(out, "at the earliest (%s):\n", p->tz.ptr);
    table_print(t, out);
    if (left)
        buf_addf(out, "and %zu more\n", left);
    buf_add_byte(out, '\n');
}

void programme_lint_print_text(const struct programme *p, const struct programme_lint *l,
                               struct buf *out)
{
    for (size_t i = 0; i < l->findings.len; i++)
        programme_finding_print(p, &l->findings.ptr[i], out);
    if (l->dropped)
        buf_addf(out, "and %zu findings more\n", l->dropped);
    if (l->findings.len)
        buf_add_byte(out, '\n');
    add_calendar(p, l, out);
    buf_addf(out, "%s: %zu applications, %zu waves: %zu errors, %zu warnings, %zu notes\n",
             p->file.ptr, p->app_count, p->wave_count, programme_lint_count(l, PROGRAMME_ERROR),
             programme_lint_count(l, PROGRAMME_WARNING), programme_lint_count(l, PROGRAMME_NOTE));
}

/* --- JSON --- */

static void json_finding(const struct programme_finding *f, struct buf *out)
{
    const struct programme_rule_row *row = &programme_rules[f->rule];

    json_add_str(out, "severity", str_from(programme_severity_name(row->severity)));
    json_add_str(out, "rule", str_from(row->id));
    if (f->at.line) {
        json_add_int(out, "line", f->at.line);
        json_add_int(out, "column", f->at.column);
    }
    if (f->app.len)
        json_add_str(out, "app", f->app);
    json_add_str(out, "text", f->text);
    json_add_str(out, "fix", str_from(row->fix));
}

/* Numbers that are not known, or never come, are null. */
static void json_number(const char *key, double n, struct buf *out)
{
    if (key)
        json_add_key(out, key);
    if (n < 0 || !isfinite(n))
        buf_add_text(out, "null");
    else
        buf_addf(out, "%.6g", n);
}

static void json_gate(const struct programme_app *a, size_t g, const struct programme_power *power,
                      struct buf *out)
{
    buf_add_text(out, g ? ",{" : "{");
    json_add_str(out, "metric", str_from(gate_metric_name(a->gates[g].metric)));
    json_number("units_per_day", power->units_per_day, out);
    json_number("failure_rate", power->rate, out);
    json_add_key(out, "days");
    buf_add_byte(out, '[');
    for (size_t i = 0; i + 1 < a->stage_count; i++) {
        if (i)
            buf_add_byte(out, ',');
        json_number(NULL, power->days[i], out);
    }
    buf_add_text(out, "]}");
}

static void json_time(const struct programme *p, const char *key, int64_t us, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (!us)
        return;
    programme_add_time(p, us, &text);
    json_add_str(out, key, buf_str(&text));
}

static void json_slot(const struct programme *p, const struct programme_slot *s, struct buf *out)
{
    json_add_str(out, "app", s->app->name);
    json_time(p, "begins", s->from_us, out);
    json_time(p, "full", s->full_us, out);
    json_time(p, "through", s->through_us, out);
    if (s->spend_per_million >= 0)
        json_add_int(out, "spend_per_million", s->spend_per_million);
    json_add_key(out, "gates");
    buf_add_byte(out, '[');
    for (size_t g = 0; g < s->app->gate_count; g++)
        json_gate(s->app, g, &s->power[g], out);
    buf_add_byte(out, ']');
}

void programme_lint_print_json(const struct programme *p, const struct programme_lint *l,
                               struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "format", STR("weir-programme-lint/1"));
    json_add_str(out, "file", p->file);
    json_add_str(out, "sha256", p->sha);
    json_add_str(out, "tz", p->tz);
    json_add_int(out, "errors", (int64_t)programme_lint_count(l, PROGRAMME_ERROR));
    json_add_int(out, "warnings", (int64_t)programme_lint_count(l, PROGRAMME_WARNING));
    json_add_key(out, "findings");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < l->findings.len; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_finding(&l->findings.ptr[i], out);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    if (l->dropped)
        json_add_int(out, "dropped", (int64_t)l->dropped);
    json_add_key(out, "calendar");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < l->slot_count; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_slot(p, &l->slots[i], out);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}\n");
}
