#include "config.h"

#include "analyze/alerts_print.h"

#include <stdio.h>

#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"

#define SHOWN_USD_DIGITS 2

static void add_share(struct table *t, double share)
{
    table_add_cellf(t, "%.1f %%", 100 * share);
}

static void print_culprits(const struct alert *alert, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();
    CLEANUP(buf_release) struct buf lines = { 0 };
    struct str rest, line;
    char text[FIGURE_BYTES];

    table_add_column(t, "who", false);
    table_add_column(t, "USD", true);
    table_add_column(t, "before", true);
    table_add_column(t, "share", true);
    table_add_column(t, "before", true);
    for (size_t i = 0; i < alert->culprits.len; i++) {
        const struct alert_culprit *c = &alert->culprits.ptr[i];
        table_add_cell(t, c->name);
        table_add_cell(t, figure_usd(c->now_pusd, SHOWN_USD_DIGITS, text));
        table_add_cell(t, figure_usd(c->before_pusd, SHOWN_USD_DIGITS, text));
        add_share(t, c->share_now);
        add_share(t, c->share_before);
    }
    table_print(t, &lines);
    rest = buf_str(&lines);
    while (str_split(&rest, '\n', &line))
        if (line.len)
            buf_addf(out, "    %.*s\n", STR_ARG(line));
    if (alert->culprits_more)
        buf_addf(out, "    and %zu more\n", alert->culprits_more);
}

void alerts_print_text(const struct alerts *a, struct buf *out)
{
    size_t told = 0;

    for (size_t i = 0; i < a->list.len; i++) {
        const struct alert *alert = &a->list.ptr[i];
        if (!alert->is_new) {
            told++;
            continue;
        }
        buf_addf(out, "%s: ", alert_kind_name(alert->kind));
        for (size_t k = 0; k < alert->text.len; k++) /* names come from anywhere */
            buf_add_byte(out, (unsigned char)alert->text.ptr[k] < ' ' || alert->text.ptr[k] == 127
                                  ? '?'
                                  : alert->text.ptr[k]);
        buf_add_byte(out, '\n');
        if (alert->culprits.len)
            print_culprits(alert, out);
    }
    buf_addf(out, "%.*s: %zu new, %zu told before\n", STR_ARG(a->month), a->list.len - told, told);
}

/* --- for machines --- */

static void add_usd(struct buf *out, const char *key, i128 pusd)
{
    char text[FIGURE_BYTES];

    json_add_str(out, key, figure_usd(pusd, PUSD_SCALE, text));
}

/* "0.3512": four digits, as a number. */
static void add_share_json(struct buf *out, const char *key, double share)
{
    json_add_key(out, key);
    buf_addf(out, "%.4f", share);
}

static void add_alert(const struct alert *alert, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "kind", str_from(alert_kind_name(alert->kind)));
    json_add_str(out, "of", str_from(alert->of));
    json_add_str(out, "name", alert->name.ptr ? alert->name : STR(""));
    json_add_str(out, "period", alert->period);
    if (alert->detail.len)
        json_add_str(out, "detail", alert->detail);
    json_add_str(out, "key", alert->key);
    json_add_bool(out, "new", alert->is_new);
    json_add_str(out, "text", alert->text);
    if (alert->has_money) {
        add_usd(out, "usd", alert->now_pusd);
        add_usd(out, "before_usd", alert->before_pusd);
    }
    json_add_key(out, "culprits");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < alert->culprits.len; i++) {
        const struct alert_culprit *c = &alert->culprits.ptr[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "who", c->name);
        add_usd(out, "usd", c->now_pusd);
        add_usd(out, "before_usd", c->before_pusd);
        add_share_json(out, "share", c->share_now);
        add_share_json(out, "share_before", c->share_before);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]");
    json_add_int(out, "culprits_more", (int64_t)alert->culprits_more);
    buf_add_byte(out, '}');
}

void alerts_print_json(const struct alerts *a, int64_t now_us, struct buf *out)
{
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "at", str_from(timestamp_format(now_us, at)));
    json_add_str(out, "month", a->month);
    json_add_key(out, "alerts");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < a->list.len; i++) {
        buf_add_text(out, i ? "," : "");
        add_alert(&a->list.ptr[i], out);
    }
    buf_add_text(out, "]}\n");
}
