#include "config.h"

#include "analyze/spend_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"

#define SHOWN_USD_DIGITS 6
#define SHOWN_UNPRICED   20 /* models in the text form; JSON has all */
#define SHOWN_SUSPICIOUS 10

/* The counts every row shows, in every format under the same name. */
static const struct count_column {
    const char *name;  /* in CSV and JSON */
    const char *title; /* in text */
    size_t offset;
} counts[] = {
    {"requests",             "requests",    offsetof(struct engine_sums, requests)           },
    { "input_tokens",        "input",       offsetof(struct engine_sums, input_tokens)       },
    { "cached_input_tokens", "cached",      offsetof(struct engine_sums, cached_input_tokens)},
    { "cache_write_tokens",  "cache write", offsetof(struct engine_sums, cache_write_tokens) },
    { "output_tokens",       "output",      offsetof(struct engine_sums, output_tokens)      },
    { "reasoning_tokens",    "reasoning",   offsetof(struct engine_sums, reasoning_tokens)   },
};

static const char *const cost_names[COST_SOURCE_COUNT] = { "reported", "table", "gateway",
                                                           "estimated" };

static int64_t count_of(const struct engine_sums *s, const struct count_column *c)
{
    return *(const int64_t *)(const void *)((const char *)s + c->offset);
}

static void add_count(struct table *t, int64_t n)
{
    char text[FIGURE_BYTES];

    table_add_cell(t, figure_count(n, text));
}

static void add_sums(struct table *t, const struct engine_sums *s)
{
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        add_count(t, count_of(s, &counts[i]));
    table_add_cell(t, engine_cost_is_unknown(s)
                          ? STR("-")
                          : figure_usd(engine_cost(s), SHOWN_USD_DIGITS, text));
}

/* What a group without a value is called: silence would hide it. */
static struct str shown_value(const struct dimension *d, uint32_t code)
{
    struct str value = dimension_value(d, code);

    return value.len ? value : STR("(none)");
}

static void print_table(const struct engine_result *s, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();

    for (size_t i = 0; i < s->dimension_count; i++)
        table_add_column(t, dimension_name(s->dimensions[i]), false);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        table_add_column(t, counts[i].title, true);
    table_add_column(t, "cost USD", true);
    for (size_t r = 0; r < s->rows.len; r++) {
        for (size_t i = 0; i < s->dimension_count; i++)
            table_add_cell(t, shown_value(s->dimensions[i], s->rows.ptr[r].codes[i]));
        add_sums(t, &s->rows.ptr[r].sums);
    }
    if (s->dimension_count > 0) {
        table_add_rule(t);
        table_add_cell(t, STR("total"));
        for (size_t i = 1; i < s->dimension_count; i++)
            table_add_cell(t, STR(""));
        add_sums(t, &s->totals);
    }
    table_print(t, out);
}

/* Where the money figure comes from, each with its share. */
static void print_sources(const struct engine_result *s, struct buf *out)
{
    static const char *const words[COST_SOURCE_COUNT] = { "as the provider reported it",
                                                          "from the price book",
                                                          "as a gateway worked it out",
                                                          "on estimated usage" };
    char text[FIGURE_BYTES];
    const char *comma = "";

    buf_add_text(out, "\ncost: ");
    for (size_t i = 0; i < COST_SOURCE_COUNT; i++) {
        if (s->totals.cost_pusd[i] == 0)
            continue;
        buf_addf(out, "%s%.*s %s", comma,
                 STR_ARG(figure_usd(s->totals.cost_pusd[i], SHOWN_USD_DIGITS, text)), words[i]);
        comma = ", ";
    }
    if (!*comma)
        buf_add_text(out, "nothing");
    buf_add_byte(out, '\n');
}

/* What was assumed in pricing from the table; the other flags change nothing that a reader of the
 * sum must know. */
static const struct assumption {
    uint32_t flag; /* enum price_flag */
    const char *name;
    const char *text;
} assumptions[] = {
    {PRICE_TIER_ASSUMED,      "tier",             "their service tier has no price of its own: standard prices"},
    { PRICE_PROVIDER_ASSUMED, "provider",
     "provider not known: the price all first parties agree on"                                                },
    { PRICE_CACHED_AT_INPUT,  "cached_at_input",  "no price for cached input: the input price"                 },
    { PRICE_ELSEWHERE,        "billed_elsewhere",
     "a part is billed by what no answer shows (capacity, sessions): not in the cost"                          },
    { PRICE_AVERAGED,         "averaged",
     "rows that sum several calls: long context judged by their average"                                       },
};

static int64_t assumed_requests(const struct engine_result *s, const struct assumption *a)
{
    return s->flagged[__builtin_ctz(a->flag)];
}

static void print_assumptions(const struct engine_result *s, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(assumptions); i++)
        if (assumed_requests(s, &assumptions[i]))
            buf_addf(out, "assumed: %" PRId64 " request%s, %s\n",
                     assumed_requests(s, &assumptions[i]),
                     figure_plural(assumed_requests(s, &assumptions[i])), assumptions[i].text);
}

static void print_unpriced(const struct engine_result *s, struct buf *out)
{
    if (s->unpriced.len == 0)
        return;
    buf_addf(out,
             "\nunpriced: %" PRId64 " request%s used models or units without a price; "
             "they are not in the cost\n",
             s->totals.unpriced_requests, figure_plural(s->totals.unpriced_requests));
    CLEANUP(table_free) struct table *t = table_new();
    table_add_column(t, "provider", false);
    table_add_column(t, "model", false);
    table_add_column(t, "requests", true);
    table_add_column(t, "input", true);
    table_add_column(t, "output", true);
    table_add_column(t, "missing", false);
    for (size_t i = 0; i < s->unpriced.len && i < SHOWN_UNPRICED; i++) {
        const struct engine_unpriced *u = &s->unpriced.ptr[i];
        table_add_cell(t, u->provider);
        table_add_cell(t, u->model.len ? u->model : STR("(none)"));
        add_count(t, u->requests);
        add_count(t, u->input_tokens);
        add_count(t, u->output_tokens);
        table_add_cell(t, u->unit_missing ? STR("price of a unit") : STR("model"));
    }
    table_print(t, out);
    if (s->unpriced.len > SHOWN_UNPRICED)
        buf_addf(out, "and %zu more models: --format json lists them\n",
                 s->unpriced.len - SHOWN_UNPRICED);
}

static void print_suspicious(const struct engine_result *s, struct buf *out)
{
    char text[FIGURE_BYTES];

    if (s->suspicious_count == 0)
        return;
    buf_addf(out, "\nsuspicious: %zu call%s with a cost that cannot be right for the usage\n",
             s->suspicious_count, figure_plural((i128)s->suspicious_count));
    for (size_t i = 0; i < s->suspicious.len && i < SHOWN_SUSPICIOUS; i++) {
        const struct engine_suspicious *x = &s->suspicious.ptr[i];
        buf_addf(out, "  %.*s  %.*s  %.*s USD: %.*s\n", STR_ARG(x->exchange_id), STR_ARG(x->model),
                 STR_ARG(figure_usd(x->cost_pusd, SHOWN_USD_DIGITS, text)), STR_ARG(x->reason));
    }
    if (s->suspicious_count > SHOWN_SUSPICIOUS)
        buf_addf(out, "  and %zu more\n", s->suspicious_count - SHOWN_SUSPICIOUS);
}

void spend_print_text(const struct engine_result *s, const struct spend_print_options *o,
                      struct buf *out)
{
    char text[FIGURE_BYTES];

    print_table(s, out);
    print_sources(s, out);
    print_assumptions(s, out);
    if (s->totals.unknown_requests)
        buf_addf(out,
                 "unknown usage: %" PRId64
                 " request%s whose answer does not say all that was used; "
                 "their cost is not known\n",
                 s->totals.unknown_requests, figure_plural(s->totals.unknown_requests));
    if (s->repeated_requests)
        buf_addf(out,
                 "repeats: %" PRId64 " request%s fetched an answer again; its usage counts once\n",
                 s->repeated_requests, figure_plural(s->repeated_requests));
    if (s->unattributed.requests)
        buf_addf(out, "unattributed: %" PRId64 " request%s, %.*s USD, without app or team\n",
                 s->unattributed.requests, figure_plural(s->unattributed.requests),
                 STR_ARG(figure_usd(engine_cost(&s->unattributed), SHOWN_USD_DIGITS, text)));
    print_unpriced(s, out);
    print_suspicious(s, out);
    buf_addf(out, "\ntimes in %.*s, price book %.12s\n", STR_ARG(o->tz_name), o->price_book_hash);
}

/* Empty where nobody could know it. */
static struct str exact_cost(const struct engine_sums *s, char text[static FIGURE_BYTES])
{
    return engine_cost_is_unknown(s) ? STR("") : figure_usd(engine_cost(s), PUSD_SCALE, text);
}

void spend_print_csv(const struct engine_result *s, struct buf *out)
{
    for (size_t i = 0; i < s->dimension_count; i++)
        buf_addf(out, "%s,", dimension_name(s->dimensions[i]));
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        buf_addf(out, "%s,", counts[i].name);
    buf_add_text(out, "cost_usd,unknown_usage_requests,unpriced_requests\r\n");
    for (size_t r = 0; r < s->rows.len; r++) {
        const struct engine_row *row = &s->rows.ptr[r];
        char text[FIGURE_BYTES];
        for (size_t i = 0; i < s->dimension_count; i++)
            csv_add_field(out, dimension_value(s->dimensions[i], row->codes[i]), ',', i == 0);
        for (size_t i = 0; i < ARRAY_LEN(counts); i++)
            buf_addf(out, "%s%" PRId64, i || s->dimension_count ? "," : "",
                     count_of(&row->sums, &counts[i]));
        buf_addf(out, ",%.*s,%" PRId64 ",%" PRId64 "\r\n", STR_ARG(exact_cost(&row->sums, text)),
                 row->sums.unknown_requests, row->sums.unpriced_requests);
    }
}

static void json_add_usd(struct buf *out, const char *key, i128 pusd)
{
    char text[FIGURE_BYTES];

    json_add_str(out, key, figure_usd(pusd, PUSD_SCALE, text));
}

static void json_add_sums(struct buf *out, const struct engine_sums *s)
{
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        json_add_int(out, counts[i].name, count_of(s, &counts[i]));
    if (engine_cost_is_unknown(s)) {
        json_add_key(out, "cost_usd");
        buf_add_text(out, "null");
    } else {
        json_add_usd(out, "cost_usd", engine_cost(s));
    }
    json_add_int(out, "unknown_usage_requests", s->unknown_requests);
    json_add_int(out, "unpriced_requests", s->unpriced_requests);
}

static void json_add_rows(struct buf *out, const struct engine_result *s)
{
    json_add_key(out, "rows");
    buf_add_byte(out, '[');
    for (size_t r = 0; r < s->rows.len; r++) {
        const struct engine_row *row = &s->rows.ptr[r];
        buf_add_text(out, r ? ",\n{" : "\n{");
        for (size_t i = 0; i < s->dimension_count; i++) {
            struct str value = dimension_value(s->dimensions[i], row->codes[i]);
            json_add_key(out, dimension_name(s->dimensions[i]));
            if (value.len)
                json_add_string(out, value);
            else
                buf_add_text(out, "null");
        }
        json_add_sums(out, &row->sums);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void json_add_unpriced(struct buf *out, const struct engine_result *s)
{
    json_add_key(out, "unpriced");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < s->unpriced.len; i++) {
        const struct engine_unpriced *u = &s->unpriced.ptr[i];
        buf_add_text(out, i ? ",\n{" : "\n{");
        json_add_str(out, "provider", u->provider);
        json_add_key(out, "model");
        if (u->model.len)
            json_add_string(out, u->model);
        else
            buf_add_text(out, "null");
        json_add_str(out, "missing", u->unit_missing ? STR("unit") : STR("model"));
        json_add_int(out, "requests", u->requests);
        json_add_int(out, "input_tokens", u->input_tokens);
        json_add_int(out, "output_tokens", u->output_tokens);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void json_add_suspicious(struct buf *out, const struct engine_result *s)
{
    json_add_key(out, "suspicious");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < s->suspicious.len; i++) {
        const struct engine_suspicious *x = &s->suspicious.ptr[i];
        buf_add_text(out, i ? ",\n{" : "\n{");
        json_add_str(out, "exchange_id", x->exchange_id);
        json_add_str(out, "model", x->model);
        json_add_usd(out, "cost_usd", x->cost_pusd);
        json_add_str(out, "reason", x->reason);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    json_add_int(out, "suspicious_count", (int64_t)s->suspicious_count);
}

void spend_print_json(const struct engine_result *s, const struct spend_print_options *o,
                      struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_rows(out, s);
    json_add_key(out, "totals");
    buf_add_byte(out, '{');
    json_add_sums(out, &s->totals);
    buf_add_byte(out, '}');
    json_add_key(out, "cost_sources");
    buf_add_byte(out, '{');
    for (size_t i = 0; i < COST_SOURCE_COUNT; i++)
        json_add_usd(out, cost_names[i], s->totals.cost_pusd[i]);
    buf_add_byte(out, '}');
    json_add_unpriced(out, s);
    json_add_key(out, "unknown_usage");
    buf_add_byte(out, '{');
    json_add_int(out, "requests", s->totals.unknown_requests);
    buf_add_byte(out, '}');
    json_add_key(out, "repeats");
    buf_add_byte(out, '{');
    json_add_int(out, "requests", s->repeated_requests);
    buf_add_byte(out, '}');
    json_add_key(out, "unattributed");
    buf_add_byte(out, '{');
    json_add_int(out, "requests", s->unattributed.requests);
    json_add_usd(out, "cost_usd", engine_cost(&s->unattributed));
    buf_add_byte(out, '}');
    json_add_suspicious(out, s);
    json_add_key(out, "assumptions");
    buf_add_byte(out, '{');
    for (size_t i = 0; i < ARRAY_LEN(assumptions); i++)
        json_add_int(out, assumptions[i].name, assumed_requests(s, &assumptions[i]));
    buf_add_byte(out, '}');
    json_add_str(out, "tz", o->tz_name);
    json_add_str(out, "price_book", str_from(o->price_book_hash));
    buf_add_text(out, "}\n");
}
