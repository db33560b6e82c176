/* report_findings - what failed and what it cost, what caches saved, and what to look into. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "analyze/gaps.h"
#include "analyze/report_fold.h"
#include "base/figure.h"

#define SHOWN 10 /* of each kind of finding */

static void add_failures(const struct report_input *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"error_class",      "what failed", false},
        { "requests",        "requests",    true },
        { "before_requests", "before",      true },
        { "cost_usd",        "USD",         true },
        { "share",           "of the cost", true },
    };
    CLEANUP(fold_release) struct fold f = { 0 };
    i128 all = engine_cost(&in->now->parts[REPORT_ERRORS].result.totals);

    document_section(d, "failures", "Failures and what they cost");
    document_columns(d, columns, ARRAY_LEN(columns));
    fold_make(in, REPORT_ERRORS, (int[]){ 0, -1, -1 }, &f);
    for (size_t i = 0; i < f.rows.len; i++) {
        const struct fold_row *row = &f.rows.ptr[i];
        if (row->keys[0].len == 0)
            continue;
        document_text(d, row->keys[0]);
        document_number(d, CELL_COUNT, row->now.requests);
        document_number(d, CELL_COUNT, row->before.requests);
        document_number(d, CELL_USD, engine_cost(&row->now));
        document_share(d, engine_cost(&row->now), all);
    }
}

static void add_cache(const struct report_input *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"model",                "model",      false},
        { "input_tokens",        "input",      true },
        { "cached_input_tokens", "from cache", true },
        { "cached_share",        "share",      true },
        { "cache_write_tokens",  "into cache", true },
        { "savings_usd",         "savings",    true },
        { "before_savings_usd",  "before",     true },
    };
    CLEANUP(fold_release) struct fold f = { 0 };
    struct engine_sums rest = { 0 }, rest_before = { 0 };
    size_t shown = 0;

    document_section(d, "cache", "What caches saved");
    document_columns(d, columns, ARRAY_LEN(columns));
    fold_make(in, REPORT_DAILY, (int[]){ 2, -1, -1 }, &f);
    for (size_t i = 0; i < f.rows.len; i++) {
        const struct engine_sums *now = &f.rows.ptr[i].now, *before = &f.rows.ptr[i].before;
        if (now->cached_input_tokens + now->cache_write_tokens + before->cached_input_tokens +
                before->cache_write_tokens ==
            0)
            continue;
        if (shown++ >= in->top) {
            engine_add_sums(&rest, now);
            engine_add_sums(&rest_before, before);
            continue;
        }
        document_text(d, fold_name(f.rows.ptr[i].keys[0]));
        document_number(d, CELL_COUNT, now->input_tokens);
        document_number(d, CELL_COUNT, now->cached_input_tokens);
        document_share(d, now->cached_input_tokens, now->input_tokens);
        document_number(d, CELL_COUNT, now->cache_write_tokens);
        document_number(d, CELL_USD_CHANGE, now->cache_savings_pusd);
        document_number(d, CELL_USD_CHANGE, before->cache_savings_pusd);
    }
    if (shown > in->top) {
        document_textf(d, "(%zu others)", shown - in->top);
        document_number(d, CELL_COUNT, rest.input_tokens);
        document_number(d, CELL_COUNT, rest.cached_input_tokens);
        document_share(d, rest.cached_input_tokens, rest.input_tokens);
        document_number(d, CELL_COUNT, rest.cache_write_tokens);
        document_number(d, CELL_USD_CHANGE, rest.cache_savings_pusd);
        document_number(d, CELL_USD_CHANGE, rest_before.cache_savings_pusd);
    }
    document_note(d, "What the same calls would have cost more without a cache; negative where "
                     "writing cost more than reading saved. Only of what the price book prices.");
}

/* --- findings --- */

static void add_finding(struct document *d, const char *kind, struct str subject, i128 cost_pusd,
                        struct str text)
{
    document_text(d, str_from(kind));
    document_text(d, subject);
    document_number(d, CELL_USD, cost_pusd);
    document_text(d, text);
}

static void add_price_errors(const struct report_input *in, struct document *d)
{
    const struct engine_result *r = &in->now->parts[REPORT_DAILY].result;
    CLEANUP(fold_release) struct fold f = { 0 };

    fold_make(in, REPORT_DAILY, (int[]){ 1, 2, -1 }, &f);
    for (size_t i = 0; i < f.rows.len; i++) {
        const char *doubt = report_doubt(&f.rows.ptr[i]);
        if (doubt)
            add_finding(d, "price error", fold_name(f.rows.ptr[i].keys[1]),
                        engine_cost(&f.rows.ptr[i].now), str_from(doubt));
    }
    for (size_t i = 0; i < r->suspicious.len && i < SHOWN; i++) {
        const struct engine_suspicious *x = &r->suspicious.ptr[i];
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_addf(&text, "%.*s: %.*s", STR_ARG(x->model), STR_ARG(x->reason));
        add_finding(d, "suspicious cost", x->exchange_id, x->cost_pusd, buf_str(&text));
    }
    if (r->suspicious_count > SHOWN)
        document_note(d, "%zu requests report a suspicious cost; the dearest %d are listed.",
                      r->suspicious_count, SHOWN);
}

static void add_unpriced(const struct report_input *in, struct document *d)
{
    const struct engine_result *r = &in->now->parts[REPORT_DAILY].result;

    for (size_t i = 0; i < r->unpriced.len && i < SHOWN; i++) {
        const struct engine_unpriced *u = &r->unpriced.ptr[i];
        document_text(d, STR("unpriced"));
        document_text(d, fold_name(u->model));
        document_none(d);
        document_textf(
            d, "%" PRId64 " request%s, %" PRId64 " tokens of input, %" PRId64 " of output: %s",
            u->requests, figure_plural(u->requests), u->input_tokens, u->output_tokens,
            u->unit_missing ? "no price for a unit" : "no price for the model");
    }
    if (r->unpriced.len > SHOWN)
        document_note(d, "%zu models are without a price; the %d with most requests are listed.",
                      r->unpriced.len, SHOWN);
}

static void add_findings(const struct report_input *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"finding",   "finding", false},
        { "subject",  "of",      false},
        { "cost_usd", "USD",     true },
        { "text",     "note",    false},
    };
    const struct engine_result *r = &in->now->parts[REPORT_DAILY].result;

    document_section(d, "findings", "To look into");
    document_columns(d, columns, ARRAY_LEN(columns));
    add_price_errors(in, d);
    add_unpriced(in, d);
    if (r->unattributed.requests) {
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_addf(&text, "%" PRId64 " request%s without app or team", r->unattributed.requests,
                 figure_plural(r->unattributed.requests));
        add_finding(d, "unattributed", STR(""), engine_cost(&r->unattributed), buf_str(&text));
    }
}

/* --- coverage --- */

static struct str local_hour(const struct report_input *in, int64_t us,
                             char text[static TIMESTAMP_TEXT_BYTES])
{
    struct civil c = civil_from_us(us + tz_offset_at(in->tz, us) * US_PER_SECOND);
    int n = snprintf(text, TIMESTAMP_TEXT_BYTES, "%04d-%02d-%02d %02d:%02d", c.year % 10000,
                     c.month % 100, c.day % 100, c.hour % 100, c.minute % 100);

    return (struct str){ text, (size_t)n };
}

static void add_gaps(const struct report_input *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"from",      "from",              false},
        { "to",       "to",                false},
        { "hours",    "hours",             true },
        { "expected", "expected requests", true },
    };
    const int64_t hour_us = INT64_C(3600) * US_PER_SECOND;
    CLEANUP(gaps_release) struct gaps g = { 0 };
    char text[TIMESTAMP_TEXT_BYTES];

    document_section(d, "coverage", "Gaps of capture");
    document_columns(d, columns, ARRAY_LEN(columns));
    if (in->traffic)
        gaps_find(in->traffic->requests.ptr, in->traffic->requests.len, &g);
    for (size_t i = 0; i < g.list.len; i++) {
        int64_t from_us =
            in->traffic->from_us + (int64_t)(GAPS_EARLIER + g.list.ptr[i].from) * hour_us;
        document_text(d, local_hour(in, from_us, text));
        document_text(d, local_hour(in, from_us + (int64_t)g.list.ptr[i].hours * hour_us, text));
        document_number(d, CELL_COUNT, (i128)g.list.ptr[i].hours);
        document_number(d, CELL_COUNT, g.list.ptr[i].expected);
    }
    document_note(d,
                  "%zu hours without a request in which the same hours of the %d weeks before "
                  "bring some: runs of hours that should have brought at least %d.",
                  g.hours, GAPS_WEEKS, GAPS_EXPECTED_MIN);
}

void report_add_findings(const struct report_input *in, struct document *d)
{
    add_failures(in, d);
    report_add_steps(in, d);
    add_cache(in, d);
    report_add_policy(in, d);
    add_findings(in, d);
    add_gaps(in, d);
}
