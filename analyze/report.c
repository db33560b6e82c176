#include "config.h"

#include "analyze/report.h"

#include "analyze/report_fold.h"
#include "base/figure.h"
#include "llm/price.h"

static struct str keep(struct document *d, struct buf *text)
{
    struct str kept = arena_str(&d->arena, buf_str(text));

    buf_clear(text);
    return kept;
}

static void add_head(const struct report_input *in, struct document *ret)
{
    char month[MONTH_TEXT_BYTES], from[TIMESTAMP_TEXT_BYTES], to[TIMESTAMP_TEXT_BYTES];
    CLEANUP(buf_release) struct buf text = { 0 };

    ret->format = STR("weir-report/1");
    timestamp_format(month_day_us(in->now->month, 1, in->tz), from);
    timestamp_format(month_day_us(in->now->month, in->days + 1, in->tz), to);
    document_fact(ret, "month", str_from(month_format(in->now->month, month)));
    document_fact(ret, "tz", in->zone);
    document_fact(ret, "from", str_from(from));
    document_fact(ret, "to", str_from(to));
    document_fact(ret, "price_book", str_from(in->book_hash));
    month_format(in->now->month, month);
    buf_addf(&text, "From %s-01 to %s-%02d, days in %.*s.", month, month, in->days,
             STR_ARG(in->zone));
    ret->subtitle = keep(ret, &text);
    buf_addf(&text, "times in %.*s, price book %.12s", STR_ARG(in->zone), in->book_hash);
    ret->ending = keep(ret, &text);
    buf_addf(&text, "Price book %s.", in->book_hash);
    ret->page_ending = keep(ret, &text);
}

void report_build(const struct report_input *in, struct document *ret)
{
    char month[MONTH_TEXT_BYTES];
    CLEANUP(buf_release) struct buf title = { 0 };
    i128 cost = engine_cost(&in->now->parts[REPORT_DAILY].result.totals);

    *ret = (struct document){ .usd_digits = figure_usd_digits(cost) };
    add_head(in, ret);
    buf_addf(&title, "LLM traffic in %s", month_format(in->now->month, month));
    if (!in->is_closed)
        buf_addf(&title, ", the first %d days", in->days);
    ret->title = arena_str(&ret->arena, buf_str(&title));
    report_add_summary(in, ret);
    report_add_spend(in, ret);
    report_add_daily(in, ret);
    report_add_change(in, ret);
    report_add_speed(in, ret);
    report_add_arms(in, ret);
    report_add_findings(in, ret);
}
