#include "config.h"

#include "replay/fidelity.h"

#include "base/json.h"
#include "base/table.h"
#include "replay/sim_report.h"
#include "replay/slo_print.h"

static const char *const metrics[FIDELITY_ROWS] = {
    "success >= 0",  "p50 total <= 0s", "p95 total <= 0s", "p95 first <= 0s",
    "attempts <= 0", "failover <= 0s",  "restored <= 0s",
};

void fidelity_compare(const struct drill_result *live, const struct sim_result *simulated,
                      struct fidelity *ret)
{
    struct err err;

    *ret = (struct fidelity){ 0 };
    for (size_t i = 0; i < FIDELITY_ROWS; i++) {
        struct fidelity_row *row = &ret->rows[ret->count];
        if (slo_parse(str_from(metrics[i]), &ret->arena, &row->metric, &err) < 0)
            continue;
        row->has_live = drill_value(live, &row->metric, &row->live);
        row->has_simulated = sim_report_value(simulated, &row->metric, &row->simulated);
        ret->count += row->has_live || row->has_simulated;
    }
}

void fidelity_release(struct fidelity *f)
{
    arena_release(&f->arena);
}

/* Without sign and bound. */
static struct str name_of(const struct fidelity_row *row)
{
    ptrdiff_t at = str_find_char(row->metric.text, '=', 0);

    return str_trim(str_sub(row->metric.text, 0, (size_t)at - 1));
}

static void value_cell(struct table *t, const struct fidelity_row *row, bool has, i128 value)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (!has)
        buf_add_byte(&text, '-');
    else
        slo_add_value(&row->metric, value, &text);
    table_add_cell(t, buf_str(&text));
}

/* Percentage points of shares, percent of what was simulated of all else; false: none to tell. */
static bool difference(const struct fidelity_row *row, double *ret)
{
    bool is_share = slo_kind(&row->metric) == CELL_SHARE;

    if (!row->has_live || !row->has_simulated || row->live == PLAN_FOREVER ||
        row->simulated == PLAN_FOREVER || (!is_share && row->simulated == 0))
        return false;
    double by = (double)(row->live - row->simulated);
    *ret = is_share ? by / 1e4 : by * 100 / (double)row->simulated;
    return true;
}

void fidelity_print_text(const struct fidelity *f, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();
    double by;

    table_add_column(t, "metric", false);
    table_add_column(t, "live", true);
    table_add_column(t, "simulated", true);
    table_add_column(t, "difference", true);
    for (size_t i = 0; i < f->count; i++) {
        const struct fidelity_row *row = &f->rows[i];
        table_add_cell(t, name_of(row));
        value_cell(t, row, row->has_live, row->live);
        value_cell(t, row, row->has_simulated, row->simulated);
        if (difference(row, &by))
            table_add_cellf(t, "%+.2f %s", by,
                            slo_kind(&row->metric) == CELL_SHARE ? "points" : "%");
        else
            table_add_cell(t, STR("-"));
    }
    table_print(t, out);
    buf_add_byte(out, '\n');
}

void fidelity_print_json(const struct fidelity *f, struct buf *out)
{
    double by;

    json_add_key(out, "fidelity");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < f->count; i++) {
        const struct fidelity_row *row = &f->rows[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "metric", name_of(row));
        if (row->has_live && row->live != PLAN_FOREVER)
            json_add_int(out, "live", (int64_t)row->live);
        if (row->has_simulated && row->simulated != PLAN_FOREVER)
            json_add_int(out, "simulated", (int64_t)row->simulated);
        if (difference(row, &by))
            buf_addf(out, ",\"difference\":%.3f", by);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}
