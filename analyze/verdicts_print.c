#include "config.h"

#include "analyze/verdicts_print.h"

#include <stdio.h>

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"

#define SHOWN_USD_DIGITS 6

static const struct {
    enum policy_outcome outcome;
    const char *title;
} columns[] = {
    {POLICY_DENIED,       "denied"     },
    { POLICY_INSTEAD,     "instead"    },
    { POLICY_LIMITED,     "limited"    },
    { POLICY_OVER_BUDGET, "over budget"},
    { POLICY_SOFT_BUDGET, "soft budget"},
};

static struct str rule_id(const struct verdicts_question *q, const struct verdict_row *row)
{
    return policy_rule(q->policy, row->rule)->id;
}

void verdicts_print_text(const struct verdicts_question *q, const struct verdicts *v,
                         struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();
    char text[FIGURE_BYTES];
    int64_t unknown = 0;

    table_add_column(t, "rule", false);
    table_add_column(t, "mode", false);
    for (int i = 0; i < VERDICT_BYS; i++)
        if (q->by[i])
            table_add_column(t, verdict_by_names[i], false);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        table_add_column(t, columns[i].title, true);
    table_add_column(t, "cost USD", true);
    table_add_column(t, "avoided", true);
    for (size_t i = 0; i < v->rows.len; i++) {
        const struct verdict_row *row = &v->rows.ptr[i];
        unknown += row->unknown;
        table_add_cell(t, rule_id(q, row));
        table_add_cell(t, str_from(plan_mode_names[row->mode]));
        for (int k = 0; k < VERDICT_BYS; k++)
            if (q->by[k])
                table_add_cell(t, row->by[k].len ? row->by[k] : STR("(none)"));
        for (size_t k = 0; k < ARRAY_LEN(columns); k++)
            table_add_cell(t, figure_count(row->calls[columns[k].outcome], text));
        table_add_cell(t, figure_usd(row->cost_pusd, SHOWN_USD_DIGITS, text));
        table_add_cell(t, figure_usd(row->avoided_pusd, SHOWN_USD_DIGITS, text));
    }
    if (v->rows.len) {
        table_print(t, out);
        buf_add_byte(out, '\n');
    }
    buf_addf(out, "%.*s calls", STR_ARG(figure_count(v->calls, text)));
    buf_addf(out, " cost %.*s USD", STR_ARG(figure_usd(v->cost_pusd, SHOWN_USD_DIGITS, text)));
    buf_addf(out, "; of these, rules in enforce refuse %.*s",
             STR_ARG(figure_count(v->refused, text)));
    buf_addf(out, " and change the model of %.*s", STR_ARG(figure_count(v->instead, text)));
    buf_addf(out, ", which avoids %.*s USD\n",
             STR_ARG(figure_usd(v->avoided_pusd, SHOWN_USD_DIGITS, text)));
    if (v->without_model)
        buf_addf(out, "%.*s more name no model: no rule is asked about them\n",
                 STR_ARG(figure_count(v->without_model, text)));
    if (unknown)
        buf_addf(out, "%.*s calls: the other model has no price\n",
                 STR_ARG(figure_count(unknown, text)));
}

/* --- for machines --- */

static struct str exact_usd(i128 pusd, char text[static FIGURE_BYTES])
{
    return str_from(decimal_format(pusd, PUSD_SCALE, text));
}

void verdicts_print_csv(const struct verdicts_question *q, const struct verdicts *v,
                        struct buf *out)
{
    char text[FIGURE_BYTES];

    buf_add_text(out, "rule,mode");
    for (int i = 0; i < VERDICT_BYS; i++)
        if (q->by[i])
            buf_addf(out, ",%s", verdict_by_names[i]);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        buf_addf(out, ",%s", policy_outcome_names[columns[i].outcome]);
    buf_add_text(out, ",cost_usd,avoided_usd,unpriced\n");
    for (size_t i = 0; i < v->rows.len; i++) {
        const struct verdict_row *row = &v->rows.ptr[i];
        csv_add_field(out, rule_id(q, row), ',', true);
        csv_add_field(out, str_from(plan_mode_names[row->mode]), ',', false);
        for (int k = 0; k < VERDICT_BYS; k++)
            if (q->by[k])
                csv_add_field(out, row->by[k], ',', false);
        for (size_t k = 0; k < ARRAY_LEN(columns); k++)
            buf_addf(out, ",%lld", (long long)row->calls[columns[k].outcome]);
        csv_add_field(out, exact_usd(row->cost_pusd, text), ',', false);
        csv_add_field(out, exact_usd(row->avoided_pusd, text), ',', false);
        buf_addf(out, ",%lld\n", (long long)row->unknown);
    }
}

static void add_place(const struct plan_place *at, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "%.*s:%u:%u", STR_ARG(at->file), at->line, at->column);
    json_add_str(out, "at", buf_str(&text));
}

static void add_row(const struct verdicts_question *q, const struct verdict_row *row,
                    struct buf *out)
{
    char text[FIGURE_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "rule", rule_id(q, row));
    add_place(&policy_rule(q->policy, row->rule)->at, out);
    json_add_str(out, "mode", str_from(plan_mode_names[row->mode]));
    for (int k = 0; k < VERDICT_BYS; k++)
        if (q->by[k])
            json_add_str(out, verdict_by_names[k], row->by[k]);
    for (size_t k = 0; k < ARRAY_LEN(columns); k++)
        json_add_int(out, policy_outcome_names[columns[k].outcome], row->calls[columns[k].outcome]);
    json_add_str(out, "cost_usd", exact_usd(row->cost_pusd, text));
    json_add_str(out, "avoided_usd", exact_usd(row->avoided_pusd, text));
    json_add_int(out, "unpriced", row->unknown);
    buf_add_byte(out, '}');
}

void verdicts_print_json(const struct verdicts_question *q, const struct verdicts *v,
                         struct buf *out)
{
    char text[FIGURE_BYTES];

    buf_add_byte(out, '{');
    json_add_int(out, "calls", v->calls);
    json_add_int(out, "refused", v->refused);
    json_add_int(out, "instead", v->instead);
    json_add_int(out, "without_model", v->without_model);
    json_add_str(out, "cost_usd", exact_usd(v->cost_pusd, text));
    json_add_str(out, "avoided_usd", exact_usd(v->avoided_pusd, text));
    json_add_key(out, "rows");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < v->rows.len; i++) {
        if (i)
            buf_add_byte(out, ',');
        add_row(q, &v->rows.ptr[i], out);
    }
    buf_add_text(out, "]}\n");
}
