#include "config.h"

#include "migrate/inventory_print.h"

#include <inttypes.h>

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"
#include "llm/price.h"

#define REASONS      3
#define SHOWN_ITEMS  3  /* of a list, in text */
#define SHOWN_MISSED 10 /* models, likewise */

static const char *name_of(const struct inventory_app *a)
{
    return a->name.len ? a->name.ptr : "(nobody's)";
}

static int percent(i128 part, i128 whole)
{
    return whole > 0 ? (int)((part * 100 + whole / 2) / whole) : 0;
}

static char *usd(i128 pusd, int digits, char ret[static DECIMAL_TEXT_BYTES])
{
    return decimal_format(decimal_round(pusd, PUSD_SCALE - digits), digits, ret);
}

static void add_span(const struct inventory *inv, struct buf *out)
{
    char from[TIMESTAMP_TEXT_BYTES], to[TIMESTAMP_TEXT_BYTES];

    if (inv->requests)
        buf_addf(out, ", %s to %s (UTC)", timestamp_format_date(inv->first_us, from),
                 timestamp_format_date(inv->last_us, to));
}

static void add_table(const struct inventory *inv, struct buf *out)
{
    static const struct {
        const char *title;
        bool right;
    } titles[] = {
        {"app",      false},
        { "owner",   false},
        { "risk",    false},
        { "score",   true },
        { "calls",   true },
        { "USD",     true },
        { "spend",   true },
        { "failed",  true },
        { "streams", true },
        { "tools",   true },
        { "vision",  true },
        { "schema",  true },
        { "gateway", true }
    };
    CLEANUP(table_free) struct table *t = table_new();
    char text[DECIMAL_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(titles); i++)
        table_add_column(t, titles[i].title, titles[i].right);
    for (size_t i = 0; i < inv->apps.len; i++) {
        const struct inventory_app *a = inv->apps.ptr[i];
        const int64_t parts[] = { a->errors, a->streams,    a->tools,
                                  a->vision, a->structured, a->on_gateway };
        table_add_cell(t, str_from(name_of(a)));
        table_add_cell(t, a->owner.len ? a->owner : STR("-"));
        table_add_cell(t, str_from(programme_risk_name(a->risk.level)));
        table_add_cellf(t, "%d", a->risk.score);
        table_add_cellf(t, "%" PRId64, a->requests);
        table_add_cell(t, str_from(usd(a->cost_pusd, figure_usd_digits(inv->cost_pusd), text)));
        table_add_cellf(t, "%d %%", percent(a->cost_pusd, inv->cost_pusd));
        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            table_add_cellf(t, "%d %%", percent(parts[k], a->requests));
    }
    table_print(t, out);
}

static void add_list(const struct inventory_app *a, enum inventory_list_kind kind, struct buf *out)
{
    const struct inventory_list *l = &a->lists[kind];

    if (!l->items.len)
        return;
    buf_addf(out, "  %s: ", inventory_list_name(kind));
    for (size_t i = 0; i < l->items.len && i < SHOWN_ITEMS; i++)
        buf_addf(out, "%s%s", i ? ", " : "", l->items.ptr[i].name.ptr);
    if (l->items.len > SHOWN_ITEMS)
        buf_addf(out, " and %zu more", l->items.len - SHOWN_ITEMS);
    buf_add_byte(out, '\n');
}

/* The main reasons: what has points, what weighs most first. */
static size_t reasons(const struct inventory_app *a, int ret[static REASONS])
{
    size_t count = 0;

    for (int i = 0; i < INVENTORY_FACTOR_COUNT && count < REASONS; i++)
        if (a->risk.points[a->risk.order[i]])
            ret[count++] = a->risk.order[i];
    return count;
}

static void add_app(const struct inventory_app *a, struct buf *out)
{
    int why[REASONS];
    size_t count = reasons(a, why);

    buf_addf(out, "\n%s: %s risk, score %d%s\n", name_of(a), programme_risk_name(a->risk.level),
             a->risk.score,
             a->declared && a->declared == a->risk.level ? " (the configuration's word)" : "");
    for (size_t i = 0; i < count; i++)
        buf_addf(out, "  +%d %s\n",
                 a->risk.points[why[i]] * inventory_factor_weight((enum inventory_factor)why[i]),
                 a->risk.why[why[i]].ptr);
    if (a->risk.unknown_count) {
        buf_addf(out, "  not known, each counted as one point:");
        for (int f = 0, n = 0; f < INVENTORY_FACTOR_COUNT; f++)
            if (a->risk.unknown[f])
                buf_addf(out, "%s %s", n++ ? "," : "",
                         inventory_factor_name((enum inventory_factor)f));
        buf_add_byte(out, '\n');
    }
    for (int k = 0; k < INVENTORY_LIST_COUNT; k++)
        add_list(a, (enum inventory_list_kind)k, out);
    if (a->tools)
        buf_addf(out, "  tools were looked up in %" PRId64 " of %" PRId64 " calls that offer any\n",
                 a->tool_bodies, a->tools);
    if (a->unpriced)
        buf_addf(out, "  %" PRId64 " calls have no price\n", a->unpriced);
}

static void add_missing(const struct inventory *inv, struct buf *out)
{
    char text[DECIMAL_TEXT_BYTES], from[TIMESTAMP_TEXT_BYTES], to[TIMESTAMP_TEXT_BYTES];
    int digits = figure_usd_digits(inv->missing_pusd);

    if (!inv->has_invoice)
        return;
    if (!inv->missing.len) {
        buf_add_text(out, "\nnothing was billed that is not recorded\n");
        return;
    }
    buf_addf(out, "\n%s USD were billed, but not recorded: who calls past the proxy?\n",
             usd(inv->missing_pusd, digits, text));
    for (size_t i = 0; i < inv->missing.len && i < SHOWN_MISSED; i++) {
        const struct inventory_missing *m = &inv->missing.ptr[i];
        buf_addf(out, "  %s %s: %s USD, %s to %s\n", provider_name(m->provider),
                 m->model.len ? m->model.ptr : "(all models)", usd(m->cost_pusd, digits, text),
                 timestamp_format_date(m->from_us, from), timestamp_format_date(m->to_us - 1, to));
    }
    if (inv->missing.len > SHOWN_MISSED)
        buf_addf(out, "  and %zu models more\n", inv->missing.len - SHOWN_MISSED);
}

void inventory_print_text(const struct inventory *inv, struct buf *out)
{
    char text[DECIMAL_TEXT_BYTES];

    buf_addf(out, "%zu applications, %" PRId64 " calls, %s USD", inv->apps.len, inv->requests,
             usd(inv->cost_pusd, figure_usd_digits(inv->cost_pusd), text));
    add_span(inv, out);
    buf_add_text(out, "\n\n");
    add_table(inv, out);
    for (size_t i = 0; i < inv->apps.len; i++)
        add_app(inv->apps.ptr[i], out);
    add_missing(inv, out);
}

/* --- JSON --- */

static void json_usd(struct buf *out, const char *key, i128 pusd)
{
    char text[DECIMAL_TEXT_BYTES];

    json_add_str(out, key, str_from(decimal_format(pusd, PUSD_SCALE, text)));
}

static void json_time(struct buf *out, const char *key, int64_t us)
{
    char text[TIMESTAMP_TEXT_BYTES];

    json_add_str(out, key, str_from(timestamp_format(us, text)));
}

static void json_list(struct buf *out, const struct inventory_app *a, enum inventory_list_kind kind)
{
    const struct inventory_list *l = &a->lists[kind];

    json_add_key(out, inventory_list_name(kind));
    buf_add_byte(out, '[');
    for (size_t i = 0; i < l->items.len; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "name", l->items.ptr[i].name);
        json_add_int(out, "requests", l->items.ptr[i].requests);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    if (l->others) {
        CLEANUP(buf_release) struct buf key = { 0 };
        buf_addf(&key, "other_%s_requests", inventory_list_name(kind));
        json_add_int(out, buf_cstr(&key), l->others);
    }
}

static void json_risk(struct buf *out, const struct inventory_app *a)
{
    json_add_key(out, "risk");
    buf_add_byte(out, '{');
    json_add_str(out, "level", str_from(programme_risk_name(a->risk.level)));
    json_add_int(out, "score", a->risk.score);
    json_add_key(out, "factors");
    buf_add_byte(out, '[');
    for (int i = 0; i < INVENTORY_FACTOR_COUNT; i++) {
        enum inventory_factor f = (enum inventory_factor)a->risk.order[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "factor", str_from(inventory_factor_name(f)));
        json_add_int(out, "points", a->risk.points[f]);
        json_add_int(out, "weight", inventory_factor_weight(f));
        json_add_bool(out, "unknown", a->risk.unknown[f]);
        json_add_str(out, "why", a->risk.why[f]);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}");
}

/* The numbers of an application, for JSON and CSV alike. */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"requests",          offsetof(struct inventory_app, requests)  },
    { "failed",           offsetof(struct inventory_app, errors)    },
    { "streamed",         offsetof(struct inventory_app, streams)   },
    { "truncated",        offsetof(struct inventory_app, truncated) },
    { "with_tools",       offsetof(struct inventory_app, tools)     },
    { "with_vision",      offsetof(struct inventory_app, vision)    },
    { "structured",       offsetof(struct inventory_app, structured)},
    { "through_gateway",  offsetof(struct inventory_app, on_gateway)},
    { "other_interfaces", offsetof(struct inventory_app, other_apis)},
    { "unpriced",         offsetof(struct inventory_app, unpriced)  },
};

static int64_t number(const struct inventory_app *a, size_t i)
{
    return *(const int64_t *)(const void *)((const char *)a + numbers[i].offset);
}

static void json_app(struct buf *out, const struct inventory_app *a)
{
    json_add_str(out, "app", a->name.len ? a->name : STR(""));
    json_add_str(out, "owner", a->owner);
    json_add_str(out, "team", a->team);
    json_add_str(out, "environment", a->environment);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        json_add_int(out, numbers[i].name, number(a, i));
    json_usd(out, "cost_usd", a->cost_pusd);
    json_add_int(out, "end_users", (int64_t)distinct_count(&a->users));
    if (a->requests) {
        json_time(out, "first_seen", a->first_us);
        json_time(out, "last_seen", a->last_us);
    }
    json_add_int(out, "p95_total_us", sketch_quantile(&a->duration_us, 0.95));
    json_add_int(out, "p95_first_token_us", sketch_quantile(&a->first_token_us, 0.95));
    json_add_int(out, "calls_with_tools_read", a->tool_bodies);
    for (int k = 0; k < INVENTORY_LIST_COUNT; k++)
        json_list(out, a, (enum inventory_list_kind)k);
    json_risk(out, a);
}

static void json_missing(struct buf *out, const struct inventory *inv)
{
    json_add_key(out, "not_recorded");
    buf_add_byte(out, '{');
    json_usd(out, "cost_usd", inv->missing_pusd);
    json_add_key(out, "models");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < inv->missing.len; i++) {
        const struct inventory_missing *m = &inv->missing.ptr[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "provider", str_from(provider_name(m->provider)));
        json_add_str(out, "model", m->model);
        json_usd(out, "cost_usd", m->cost_pusd);
        json_time(out, "from", m->from_us);
        json_time(out, "to", m->to_us);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}");
}

void inventory_print_json(const struct inventory *inv, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "format", STR("weir-inventory/1"));
    json_add_int(out, "requests", inv->requests);
    json_usd(out, "cost_usd", inv->cost_pusd);
    if (inv->requests) {
        json_time(out, "first_seen", inv->first_us);
        json_time(out, "last_seen", inv->last_us);
    }
    json_add_key(out, "apps");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < inv->apps.len; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_app(out, inv->apps.ptr[i]);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    if (inv->has_invoice)
        json_missing(out, inv);
    buf_add_text(out, "}\n");
}

/* --- CSV --- */

static void add_field(struct buf *out, size_t line, struct str text)
{
    csv_add_field(out, text, ',', out->len == line);
}

static void add_head(struct buf *out)
{
    static const char *const before[] = { "app", "owner", "team", "environment", "risk", "score" };
    static const char *const after[] = { "cost_usd", "end_users", "reason_1", "reason_2",
                                         "reason_3" };
    size_t line = out->len;

    for (size_t i = 0; i < ARRAY_LEN(before); i++)
        add_field(out, line, str_from(before[i]));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        add_field(out, line, str_from(numbers[i].name));
    for (size_t i = 0; i < ARRAY_LEN(after); i++)
        add_field(out, line, str_from(after[i]));
    for (int k = 0; k < INVENTORY_LIST_COUNT; k++)
        add_field(out, line, str_from(inventory_list_name((enum inventory_list_kind)k)));
    buf_add_byte(out, '\n');
}

static void add_number(struct buf *out, size_t line, int64_t n)
{
    char text[DECIMAL_TEXT_BYTES];

    add_field(out, line, str_from(decimal_format(n, 0, text)));
}

/* Names set apart by blanks: those of tools and models have none. */
static void add_names(struct buf *out, size_t line, const struct inventory_list *l)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    for (size_t i = 0; i < l->items.len; i++)
        buf_addf(&text, "%s%s", i ? " " : "", l->items.ptr[i].name.ptr);
    add_field(out, line, buf_str(&text));
}

static void add_row(struct buf *out, const struct inventory_app *a)
{
    const struct str who[] = { a->name, a->owner, a->team, a->environment };
    char text[DECIMAL_TEXT_BYTES];
    size_t line = out->len;
    int why[REASONS];
    size_t count = reasons(a, why);

    for (size_t i = 0; i < ARRAY_LEN(who); i++)
        add_field(out, line, who[i]);
    add_field(out, line, str_from(programme_risk_name(a->risk.level)));
    add_number(out, line, a->risk.score);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        add_number(out, line, number(a, i));
    add_field(out, line, str_from(decimal_format(a->cost_pusd, PUSD_SCALE, text)));
    add_number(out, line, (int64_t)distinct_count(&a->users));
    for (size_t i = 0; i < REASONS; i++)
        add_field(out, line, i < count ? a->risk.why[why[i]] : STR(""));
    for (int k = 0; k < INVENTORY_LIST_COUNT; k++)
        add_names(out, line, &a->lists[k]);
    buf_add_byte(out, '\n');
}

void inventory_print_csv(const struct inventory *inv, struct buf *out)
{
    add_head(out);
    for (size_t i = 0; i < inv->apps.len; i++)
        add_row(out, inv->apps.ptr[i]);
}
