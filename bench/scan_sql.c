#include "config.h"

#include "bench/scan_sql.h"

#include <inttypes.h>

#include "base/timestamp.h"
#include "bench/ledger_mix.h"

#define TOKENS INT64_C(100000) /* a probe's, below every long context */

static const char *const tiers[] = { "", "default", "flex", "priority" };

/* Of the parts of input and output; columns in and out come first. */
static const struct {
    const char *column;
    enum usage_unit unit, whole;
} parts[] = {
    {"fresh",      USAGE_INPUT,          USAGE_INPUT },
    { "cached",    USAGE_CACHED_INPUT,   USAGE_INPUT },
    { "write_5m",  USAGE_CACHE_WRITE_5M, USAGE_INPUT },
    { "write_1h",  USAGE_CACHE_WRITE_1H, USAGE_INPUT },
    { "output",    USAGE_OUTPUT,         USAGE_OUTPUT},
    { "reasoning", USAGE_REASONING,      USAGE_OUTPUT},
};

static i128 cost_of(const struct price_book *book, const struct price_query *query, size_t part,
                    int64_t input)
{
    struct usage usage = { 0 }, without;
    struct price_result with_part, base;
    bool is_output = parts[part].whole == USAGE_OUTPUT;

    /* The input decides which price applies, so it is the same in both; the part's tokens are what
     * differs. */
    usage_set(&usage, USAGE_INPUT, input);
    without = usage;
    if (is_output)
        usage_set(&usage, USAGE_OUTPUT, TOKENS);
    if (parts[part].unit == USAGE_REASONING || !is_output)
        usage_set(&usage, parts[part].unit, parts[part].unit == USAGE_INPUT ? input : TOKENS);
    if (parts[part].unit == USAGE_CACHE_WRITE_5M || parts[part].unit == USAGE_CACHE_WRITE_1H)
        usage_set(&usage, USAGE_CACHE_WRITE, TOKENS);
    price_of(book, query, &usage, &with_part);
    price_of(book, query, &without, &base);
    if (parts[part].unit == USAGE_INPUT)
        return base.input_pusd / input;
    if (is_output)
        return with_part.output_pusd / TOKENS;
    /* input at its own price, less what the part took away from it */
    return (with_part.input_pusd - base.input_pusd * (input - TOKENS) / input) / TOKENS;
}

/* The input from which on another price holds, 2e9 if there is none. */
static int64_t long_from(const struct price_book *book, const struct price_query *query)
{
    int64_t low = TOKENS, high = 900000;
    i128 short_price = cost_of(book, query, 4, low);
    i128 input_price = cost_of(book, query, 0, low);

    if (cost_of(book, query, 0, high) == input_price &&
        cost_of(book, query, 4, high) == short_price)
        return 2000000000;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        bool same = cost_of(book, query, 0, middle) == input_price &&
                    cost_of(book, query, 4, middle) == short_price;
        *(same ? &low : &high) = middle;
    }
    return high;
}

static void add_price(const struct price_book *book, const struct mix_model *m, const char *tier,
                      bool *first, struct buf *out)
{
    struct price_query query = { .provider = m->provider,
                                 .model = str_from(m->name),
                                 .service_tier = str_from(tier) };
    struct usage usage = { 0 };
    struct price_result known;

    timestamp_parse(STR(MIX_FROM_TEXT), &query.at_us);
    usage_set(&usage, USAGE_INPUT, 1);
    price_of(book, &query, &usage, &known);
    if (known.status != PRICE_OK)
        return;
    int64_t edge = long_from(book, &query);
    buf_addf(out, "%s('%s','%s','%s',%" PRId64, *first ? "" : ",\n", provider_name(m->provider),
             m->name, tier, edge);
    *first = false;
    for (int is_long = 0; is_long < 2; is_long++)
        for (size_t p = 0; p < ARRAY_LEN(parts); p++)
            buf_addf(out, ",%" PRId64,
                     (int64_t)cost_of(book, &query, p,
                                      is_long && edge < 2000000 ? edge : TOKENS * 3 / 2));
    buf_add_text(out, ")");
}

void scan_sql_prices(const struct price_book *book, struct buf *out)
{
    bool first = true;

    buf_add_text(out,
                 "CREATE TABLE prices(provider VARCHAR, model VARCHAR, tier VARCHAR, long_from "
                 "BIGINT");
    for (int is_long = 0; is_long < 2; is_long++)
        for (size_t p = 0; p < ARRAY_LEN(parts); p++)
            buf_addf(out, ", %s%s BIGINT", is_long ? "long_" : "", parts[p].column);
    buf_add_text(out, ");\nINSERT INTO prices VALUES\n");
    for (size_t m = 0; m < MIX_MODELS; m++)
        for (size_t t = 0; t < ARRAY_LEN(tiers); t++)
            add_price(book, &mix_models[m], tiers[t], &first, out);
    buf_add_text(out, ";\n");
}

/* of: "" for a row, "g." for sums of rows. */
static void add_cost(const char *of, const char *prefix, struct buf *out)
{
    buf_addf(out,
             "(coalesce(%sinput_tokens,0) - coalesce(%scached_input_tokens,0) - "
             "coalesce(%scache_write_tokens,0)) * p.%sfresh + coalesce(%scached_input_tokens,0) * "
             "p.%scached + coalesce(%scache_write_5m_tokens,0) * p.%swrite_5m + "
             "coalesce(%scache_write_1h_tokens,0) * p.%swrite_1h + (coalesce(%soutput_tokens,0) - "
             "coalesce(%sreasoning_tokens,0)) * p.%soutput + coalesce(%sreasoning_tokens,0) * "
             "p.%sreasoning",
             of, of, of, prefix, of, prefix, of, prefix, of, prefix, of, of, prefix, of, prefix);
}

void scan_sql_spend(const char *files, struct buf *out)
{
    buf_add_text(
        out, "SELECT coalesce(team,''), coalesce(app,''), coalesce(l.model,''), "
             "sum(requests)::VARCHAR, coalesce(sum(input_tokens) FILTER (billable),0)::VARCHAR, "
             "coalesce(sum(cached_input_tokens) FILTER (billable),0)::VARCHAR, "
             "coalesce(sum(cache_write_tokens) FILTER (billable),0)::VARCHAR, "
             "coalesce(sum(output_tokens) FILTER (billable),0)::VARCHAR, "
             "coalesce(sum(reasoning_tokens) FILTER (billable),0)::VARCHAR, "
             "coalesce(sum(CASE WHEN NOT billable OR reported_cost_usd IS NOT NULL OR p.model IS "
             "NULL THEN 0 WHEN input_tokens < p.long_from THEN ");
    add_cost("", "", out);
    buf_add_text(out, " ELSE ");
    add_cost("", "long_", out);
    buf_addf(
        out,
        " END),0)::VARCHAR, coalesce(sum((reported_cost_usd * "
        "1000000000000)::DECIMAL(38,0)) FILTER (billable),0)::VARCHAR FROM read_parquet('%s', "
        "hive_partitioning = false) l LEFT JOIN prices p ON p.provider = l.provider AND p.model "
        "= l.model AND p.tier = coalesce(l.service_tier,'') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        files);
}

/* Between which of the lengths, at which some price changes, the input is; NULL without input. */
static void add_level(const struct price_book *book, struct buf *out)
{
    int64_t edges[MIX_MODELS * ARRAY_LEN(tiers)];
    size_t count = 0;

    for (size_t m = 0; m < MIX_MODELS; m++)
        for (size_t t = 0; t < ARRAY_LEN(tiers); t++) {
            struct price_query query = { .provider = mix_models[m].provider,
                                         .model = str_from(mix_models[m].name),
                                         .service_tier = str_from(tiers[t]) };
            timestamp_parse(STR(MIX_FROM_TEXT), &query.at_us);
            int64_t edge = long_from(book, &query);
            size_t i = 0;
            while (i < count && edges[i] != edge)
                i++;
            if (i == count && edge < 2000000)
                edges[count++] = edge;
        }
    buf_add_text(out, "0 * input_tokens");
    for (size_t i = 0; i < count; i++)
        buf_addf(out, " + (input_tokens >= %" PRId64 ")::INT", edges[i]);
}

void scan_sql_spend_grouped(const struct price_book *book, const char *files, struct buf *out)
{
    static const char *const units[] = { "input_tokens",          "cached_input_tokens",
                                         "cache_write_tokens",    "cache_write_5m_tokens",
                                         "cache_write_1h_tokens", "output_tokens",
                                         "reasoning_tokens" };
    static const char *const shown[] = { "input_tokens", "cached_input_tokens",
                                         "cache_write_tokens", "output_tokens",
                                         "reasoning_tokens" };

    buf_add_text(out, "WITH g AS (SELECT team, app, provider, model, coalesce(service_tier,'') AS "
                      "tier, billable, reported_cost_usd IS NULL AS is_open, ");
    add_level(book, out);
    buf_add_text(out, " AS level, sum(requests) AS requests, min(input_tokens) AS least, "
                      "sum(reported_cost_usd) AS reported");
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        buf_addf(out, ", sum(%s) AS %s", units[i], units[i]);
    buf_addf(out,
             " FROM read_parquet('%s', hive_partitioning = false) GROUP BY ALL) SELECT "
             "coalesce(team,''), coalesce(app,''), coalesce(g.model,''), sum(requests)::VARCHAR",
             files);
    for (size_t i = 0; i < ARRAY_LEN(shown); i++)
        buf_addf(out, ", coalesce(sum(g.%s) FILTER (billable),0)::VARCHAR", shown[i]);
    buf_add_text(out, ", coalesce(sum(CASE WHEN NOT billable OR NOT is_open OR p.model IS NULL "
                      "THEN 0 WHEN least < p.long_from THEN ");
    add_cost("g.", "", out);
    buf_add_text(out, " ELSE ");
    add_cost("g.", "long_", out);
    buf_add_text(out, " END),0)::VARCHAR, coalesce(sum((reported * 1000000000000)::DECIMAL(38,0)) "
                      "FILTER (billable),0)::VARCHAR FROM g LEFT JOIN prices p ON p.provider = "
                      "g.provider AND p.model = g.model AND p.tier = g.tier GROUP BY 1, 2, 3 "
                      "ORDER BY 1, 2, 3");
}

void scan_sql_latency(const char *files, bool exact, struct buf *out)
{
    buf_addf(out,
             "SELECT strftime(date_trunc('day', started_at::TIMESTAMP), '%%Y-%%m-%%d'), "
             "coalesce(team,''), count(end_us)::VARCHAR, %s(end_us, 0.95)::VARCHAR FROM "
             "read_parquet('%s', hive_partitioning = false) GROUP BY 1, 2 ORDER BY 1, 2",
             exact ? "quantile_disc" : "approx_quantile", files);
}
