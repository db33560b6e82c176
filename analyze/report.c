#include "config.h"

#include "analyze/report.h"

#include "analyze/report_fold.h"
#include "llm/price.h"

/* From there on cents are enough. */
#define CENTS_FROM_PUSD ((i128)10 * PUSD_PER_USD)

void report_build(const struct report_input *in, struct document *ret)
{
    char month[MONTH_TEXT_BYTES], text[TIMESTAMP_TEXT_BYTES];
    CLEANUP(buf_release) struct buf title = { 0 };
    i128 cost = engine_cost(&in->now->parts[REPORT_DAILY].result.totals);

    *ret = (struct document){ .usd_digits = cost >= CENTS_FROM_PUSD ? 2 : 6 };
    struct arena *a = &ret->arena;
    ret->month = arena_str(a, str_from(month_format(in->now->month, month)));
    ret->zone = arena_str(a, in->zone);
    ret->book = arena_str(a, str_from(in->book_hash));
    ret->from =
        arena_str(a, str_from(timestamp_format(month_day_us(in->now->month, 1, in->tz), text)));
    ret->to = arena_str(
        a, str_from(timestamp_format(month_day_us(in->now->month, in->days + 1, in->tz), text)));
    buf_addf(&title, "LLM traffic in %s", month);
    if (!in->is_closed)
        buf_addf(&title, ", the first %d days", in->days);
    ret->title = arena_str(a, buf_str(&title));
    report_add_summary(in, ret);
    report_add_spend(in, ret);
    report_add_daily(in, ret);
    report_add_change(in, ret);
    report_add_speed(in, ret);
    report_add_findings(in, ret);
}
