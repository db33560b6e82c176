/* report_change - why the cost changed: price, volume and mix, and the fewest causes. */
#include "config.h"

#include <stdlib.h>

#include "analyze/culprit.h"
#include "analyze/pvm.h"
#include "analyze/report_fold.h"
#include "base/figure.h"

/* Segments are a provider's models. */
struct segments {
    struct fold fold;
    struct pvm_segment *list; /* of the fold's rows */
    struct pvm_parts sums;
};

static void segments_make(const struct report_input *in, struct segments *ret)
{
    *ret = (struct segments){ 0 };
    fold_make(in, REPORT_DAILY, (int[]){ 1, 2, -1 }, &ret->fold);
    ret->list = mem_calloc(ret->fold.rows.len + 1, sizeof(*ret->list));
    for (size_t i = 0; i < ret->fold.rows.len; i++) {
        const struct fold_row *row = &ret->fold.rows.ptr[i];
        ret->list[i].q0 = row->before.input_tokens + row->before.output_tokens;
        ret->list[i].q1 = row->now.input_tokens + row->now.output_tokens;
        ret->list[i].c0 = engine_cost(&row->before);
        ret->list[i].c1 = engine_cost(&row->now);
    }
    pvm_run(ret->list, ret->fold.rows.len, &ret->sums);
}

static void segments_release(struct segments *s)
{
    fold_release(&s->fold);
    free(s->list);
}
DEFINE_CLEANUP_VALUE(struct segments, segments_release)

static void add_part(struct document *d, const char *name, enum cell_kind kind, i128 pusd,
                     const char *note)
{
    document_text(d, str_from(name));
    document_number(d, kind, pusd);
    document_text(d, str_from(note));
}

static void add_waterfall(const struct report_input *in, const struct segments *s,
                          struct document *d)
{
    static const struct column_def columns[] = {
        {"part",  "part", false},
        { "usd",  "USD",  true },
        { "note", "note", false},
    };
    const struct pvm_parts *p = &s->sums;
    char month[MONTH_TEXT_BYTES], lost[FIGURE_BYTES];
    CLEANUP(buf_release) struct buf mix = { 0 };

    document_section(d, "change", "Why it changed");
    document_columns(d, columns, ARRAY_LEN(columns));
    buf_add_text(&mix, "other shares of the models");
    if (p->lost_pusd)
        buf_addf(&mix, "; %s of it models no longer used",
                 figure_usd_change(p->lost_pusd, d->usd_digits, lost).ptr);
    add_part(d, month_format(in->before->month, month), CELL_USD,
             engine_cost(&in->before->parts[REPORT_DAILY].result.totals), "");
    add_part(d, "volume", CELL_USD_CHANGE, p->volume_pusd, "more or fewer tokens in all");
    add_part(d, "mix", CELL_USD_CHANGE, p->mix_pusd, buf_cstr(&mix));
    add_part(d, "rate", CELL_USD_CHANGE, p->rate_pusd,
             "what a token of the same model cost: prices, caching, input against output");
    add_part(d, "new", CELL_USD_CHANGE, p->new_pusd, "models that were not used before");
    add_part(d, "other", CELL_USD_CHANGE, p->other_pusd, "costs without tokens");
    add_part(d, month_format(in->now->month, month), CELL_USD,
             engine_cost(&in->now->parts[REPORT_DAILY].result.totals), "");
    document_note(d, "The parts add up to the difference exactly. Segments are the models of each "
                     "provider, quantities are tokens of input and output.");
    document_chart(d, CHART_WATERFALL, 1, 1, "From the month before to this one, USD",
                   "The month before, the parts of the change one after another, and this month. "
                   "The table below has the same figures.");
}

static void add_segment(struct document *d, const struct pvm_segment *x, const char *doubt)
{
    document_number(d, CELL_USD, x->c0);
    document_number(d, CELL_USD, x->c1);
    document_number(d, CELL_USD_CHANGE, x->parts.volume_pusd);
    document_number(d, CELL_USD_CHANGE, x->parts.mix_pusd);
    document_number(d, CELL_USD_CHANGE, x->parts.rate_pusd);
    document_number(d, CELL_USD_CHANGE, x->parts.new_pusd);
    document_number(d, CELL_USD_CHANGE, x->parts.other_pusd);
    document_text(d, str_from(doubt ? doubt : ""));
}

static void add_to_rest(struct pvm_segment *rest, const struct pvm_segment *x)
{
    rest->c0 += x->c0;
    rest->c1 += x->c1;
    rest->parts.volume_pusd += x->parts.volume_pusd;
    rest->parts.mix_pusd += x->parts.mix_pusd;
    rest->parts.rate_pusd += x->parts.rate_pusd;
    rest->parts.new_pusd += x->parts.new_pusd;
    rest->parts.other_pusd += x->parts.other_pusd;
}

/* Rows by how far they moved, and how many of them explain most of the change. */
static struct culprit *rank(const struct fold *f, size_t *ret_few)
{
    struct culprit *c = mem_calloc(f->rows.len + 1, sizeof(*c));

    for (size_t i = 0; i < f->rows.len; i++)
        c[i] = (struct culprit){ engine_cost(&f->rows.ptr[i].before),
                                 engine_cost(&f->rows.ptr[i].now), i };
    *ret_few = culprit_rank(c, f->rows.len);
    return c;
}

static void add_segments(const struct report_input *in, const struct segments *s,
                         struct document *d)
{
    static const struct column_def columns[] = {
        {"provider",         "provider", false},
        { "model",           "model",    false},
        { "before_cost_usd", "before",   true },
        { "cost_usd",        "now",      true },
        { "volume_usd",      "volume",   true },
        { "mix_usd",         "mix",      true },
        { "rate_usd",        "rate",     true },
        { "new_usd",         "new",      true },
        { "other_usd",       "other",    true },
        { "doubt",           "doubtful", false},
    };
    struct pvm_segment rest = { 0 };
    size_t count = s->fold.rows.len, few;

    document_section(d, "change_by_model", "The change by model");
    document_columns(d, columns, ARRAY_LEN(columns));
    struct culprit *order = rank(&s->fold, &few);
    for (size_t i = 0; i < count; i++) {
        size_t at = order[i].index;
        if (i >= in->top && count > in->top + 1) {
            add_to_rest(&rest, &s->list[at]);
            continue;
        }
        document_text(d, fold_name(s->fold.rows.ptr[at].keys[0]));
        document_text(d, fold_name(s->fold.rows.ptr[at].keys[1]));
        add_segment(d, &s->list[at], report_doubt(&s->fold.rows.ptr[at]));
    }
    if (count > in->top + 1) {
        document_text(d, STR("(several)"));
        document_textf(d, "(%zu others)", count - in->top);
        add_segment(d, &rest, NULL);
    }
    free(order);
}

static void add_causes(const struct report_input *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"team",             "team",          false},
        { "app",             "app",           false},
        { "model",           "model",         false},
        { "before_cost_usd", "before",        true },
        { "cost_usd",        "now",           true },
        { "change_usd",      "change",        true },
        { "of_change",       "of the change", true },
        { "share_before",    "share before",  true },
        { "share",           "share now",     true },
    };
    CLEANUP(fold_release) struct fold f = { 0 };
    i128 all0 = engine_cost(&in->before->parts[REPORT_WHO].result.totals);
    i128 all1 = engine_cost(&in->now->parts[REPORT_WHO].result.totals);
    size_t few;

    document_section(d, "causes", "Who and what caused it");
    document_columns(d, columns, ARRAY_LEN(columns));
    fold_make(in, REPORT_WHO, (int[]){ 1, 2, 3 }, &f);
    struct culprit *order = rank(&f, &few);
    for (size_t i = 0; i < few && i < in->top; i++) {
        const struct fold_row *row = &f.rows.ptr[order[i].index];
        i128 before = engine_cost(&row->before), now = engine_cost(&row->now);
        for (size_t k = 0; k < FOLD_KEYS_MAX; k++)
            document_text(d, fold_name(row->keys[k]));
        document_number(d, CELL_USD, before);
        document_number(d, CELL_USD, now);
        document_number(d, CELL_USD_CHANGE, now - before);
        document_share(d, now - before, all1 - all0);
        document_share(d, before, all0);
        document_share(d, now, all1);
    }
    free(order);
    if (few > in->top)
        document_note(d, "And %zu more, each with less of it.", few - in->top);
    if (few)
        document_note(d, "The fewest that explain at least %d %% of the change, of %zu in all.",
                      CULPRIT_PERCENT, f.rows.len);
    else
        document_note(d, "The cost did not change.");
}

void report_add_change(const struct report_input *in, struct document *d)
{
    CLEANUP(segments_release) struct segments s = { 0 };

    segments_make(in, &s);
    add_waterfall(in, &s, d);
    add_segments(in, &s, d);
    add_causes(in, d);
}
