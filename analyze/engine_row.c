/* engine_row - what one row costs, whatever it used: reported costs, images, seconds, fractions. */
#include "config.h"

#include "analyze/engine_tally.h"
#include "analyze/engine_worker.h"
#include "llm/price_check.h"

static void row_usage(const struct block *b, size_t row, struct usage *ret)
{
    *ret = (struct usage){ 0 };
    for (size_t u = 0; u < USAGE_UNIT_COUNT; u++) {
        enum ledger_column c = (enum ledger_column)(LEDGER_USAGE + u);
        if (u != USAGE_TOOL_CALLS && !block_is_null(b, c, row)) /* those are never billed */
            usage_set(ret, (enum usage_unit)u, b->columns[c].ints[row]);
    }
}

/* Hugging Face routes by the first segment of the path, "/groq/v1/chat/completions", and passes on
 * that provider's price. */
static struct str route_of(enum provider provider, const struct block *b, size_t row)
{
    struct str path = block_str(b, LEDGER_PATH, row);
    struct str first;

    if (provider != PROVIDER_HUGGINGFACE || !str_starts_with(path, STR("/")))
        return (struct str){ 0 };
    path = str_sub(path, 1, path.len);
    return str_split(&path, '/', &first) ? first : (struct str){ 0 };
}

static enum provider provider_of(const struct worker *w, size_t row)
{
    const struct block *b = w->block;

    if (block_is_null(b, LEDGER_PROVIDER, row))
        return PROVIDER_UNKNOWN;
    return (enum provider)w->providers.ptr[b->columns[LEDGER_PROVIDER].codes[row]];
}

void worker_query_of(const struct worker *w, size_t row, struct price_query *ret)
{
    const struct block *b = w->block;
    enum provider provider = provider_of(w, row);

    *ret = (struct price_query){
        .provider = provider,
        .route = route_of(provider, b, row),
        .model = block_str(b, LEDGER_MODEL, row),
        .service_tier = block_str(b, LEDGER_SERVICE_TIER, row),
        .geo = block_str(b, LEDGER_GEO, row),
        .variant = block_str(b, LEDGER_VARIANT, row),
        .at_us = block_int(b, LEDGER_STARTED_AT, row),
        .requests = block_int(b, LEDGER_REQUESTS, row),
    };
}

static enum usage_source source_of(const struct worker *w, size_t row)
{
    const struct block *b = w->block;

    if (block_is_null(b, LEDGER_USAGE_SOURCE, row))
        return USAGE_SOURCE_UNKNOWN;
    return (enum usage_source)w->sources.ptr[b->columns[LEDGER_USAGE_SOURCE].codes[row]];
}

/* Which figure counts: what the provider billed; else the table; else what a gateway on the way
 * worked out from a table of its own. */
static enum cost_source choose_cost(const struct worker *w, size_t row,
                                    const struct price_result *price)
{
    const struct block *b = w->block;

    if (!block_is_null(b, LEDGER_REPORTED_COST, row)) {
        if (!call_cost_is_estimate(block_str(b, LEDGER_REPORTED_COST_FIELD, row)))
            return COST_REPORTED;
        if (price->status != PRICE_OK)
            return COST_GATEWAY;
    }
    return source_of(w, row) == USAGE_SOURCE_ESTIMATED ? COST_ESTIMATED : COST_TABLE;
}

/* The same call with all input fresh. */
static i128 cost_without_cache(struct worker *w, const struct price_query *query,
                               const struct usage *usage)
{
    static const enum usage_unit cache[] = { USAGE_CACHED_INPUT,   USAGE_CACHE_WRITE,
                                             USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE_1H,
                                             USAGE_CACHED_AUDIO,   USAGE_CACHED_IMAGE,
                                             USAGE_CACHED_VIDEO };
    struct usage fresh = *usage;
    struct price_result price;

    for (size_t i = 0; i < ARRAY_LEN(cache); i++) {
        fresh.present &= ~(1u << cache[i]);
        fresh.n[cache[i]] = 0;
    }
    price_cache_of(w->prices, query, &fresh, &price);
    return price.cost_pusd;
}

static bool uses_cache(const struct usage *u)
{
    return u->n[USAGE_CACHED_INPUT] > 0 || u->n[USAGE_CACHE_WRITE] > 0 ||
           u->n[USAGE_CACHE_WRITE_5M] > 0 || u->n[USAGE_CACHE_WRITE_1H] > 0;
}

int worker_list_odd(struct worker *w, struct err *err)
{
    if (w->odd.len > 0 && scan_load(w->scan, LEDGER_EXCHANGE_ID, err) < 0)
        return -1;
    for (size_t i = 0; i < w->odd.len; i++) {
        const struct odd_row *odd = &w->odd.ptr[i];
        const struct engine_suspicious s = {
            .exchange_id = block_str(w->block, LEDGER_EXCHANGE_ID, odd->row),
            .model = block_str(w->block, LEDGER_MODEL, odd->row),
            .reason = str_from(odd->reason),
            .cost_pusd = odd->cost_pusd,
        };
        tally_suspicious(w->tally, &s);
    }
    return 0;
}

static void price_row(struct worker *w, size_t row, const struct usage *usage,
                      struct engine_sums *s)
{
    const struct block *b = w->block;
    i128 reported_pusd = block_int(b, LEDGER_REPORTED_COST, row);
    struct price_result price = { .status = PRICE_UNKNOWN_MODEL };
    struct price_query query;
    const char *reason;

    worker_query_of(w, row, &query);
    if (usage->present)
        price_cache_of(w->prices, &query, usage, &price);
    enum cost_source pocket = choose_cost(w, row, &price);
    bool reported = pocket == COST_REPORTED || pocket == COST_GATEWAY;
    for (size_t i = 0; !reported && i < PRICE_FLAG_COUNT; i++)
        if (price.flags >> i & 1)
            w->tally->flagged[i] += s->requests;
    s->cost_pusd[pocket] = reported ? reported_pusd : price.cost_pusd;
    if (!reported && price.status == PRICE_OK && uses_cache(usage))
        s->cache_savings_pusd = cost_without_cache(w, &query, usage) - price.cost_pusd;
    if (!reported && usage->present && price.status != PRICE_OK) {
        s->unpriced_requests = s->requests;
        tally_unpriced(w->tally, block_str(b, LEDGER_PROVIDER, row), query.model,
                       price.status == PRICE_MISSING_UNIT, s);
    }
    if (reported && !price_is_plausible(reported_pusd, usage,
                                        price.status == PRICE_OK ? &price : NULL, &reason))
        vec_push(&w->odd, ((struct odd_row){ (uint32_t)row, reported_pusd, reason }));
}

/* Output without input: half of a bill is no bill, though what is known of it is priced. */
static bool lacks_input(const struct usage *usage)
{
    return usage_has(usage, USAGE_OUTPUT) && !usage_has(usage, USAGE_INPUT);
}

void worker_price_row(struct worker *w, size_t row, bool is_repeated, struct engine_sums *s)
{
    const struct block *b = w->block;
    struct usage usage;

    *s = (struct engine_sums){ .requests = worker_requests(b, row) };
    if (!block_int(b, LEDGER_BILLABLE, row))
        return;
    if (is_repeated) {
        w->tally->repeated_requests += s->requests;
        return;
    }
    w->tally->slow_rows++;
    row_usage(b, row, &usage);
    s->input_tokens = usage.n[USAGE_INPUT];
    s->cached_input_tokens = usage.n[USAGE_CACHED_INPUT];
    s->cache_write_tokens = usage.n[USAGE_CACHE_WRITE];
    s->output_tokens = usage.n[USAGE_OUTPUT];
    s->reasoning_tokens = usage.n[USAGE_REASONING];
    if (source_of(w, row) == USAGE_SOURCE_UNKNOWN || lacks_input(&usage))
        s->unknown_requests = s->requests;
    price_row(w, row, &usage, s);
}
