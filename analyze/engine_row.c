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

static const struct engine_swap *find_swap(const struct engine_whatif *whatif,
                                           const struct price_query *q)
{
    for (size_t i = 0; i < whatif->swap_count; i++) {
        const struct engine_swap *s = &whatif->swaps[i];
        if ((str_ieq(s->from, q->model) || str_glob(s->from, q->model)) &&
            (s->from_provider == PROVIDER_UNKNOWN || s->from_provider == q->provider))
            return s;
    }
    return NULL;
}

/* Another provider has other places, routes and sizes of images. */
static void move_to(struct price_query *q, enum provider provider)
{
    if (provider == PROVIDER_UNKNOWN || provider == q->provider)
        return;
    q->provider = provider;
    q->geo = q->route = (struct str){ 0 };
    if (!str_eq(q->variant, PRICE_VARIANT_SHORT) && !str_eq(q->variant, PRICE_VARIANT_LONG))
        q->variant = (struct str){ 0 };
}

bool engine_swap_query(const struct engine_whatif *whatif, struct price_query *q)
{
    const struct engine_swap *swap = find_swap(whatif, q);

    if (!swap && whatif->swap_count > 0)
        return false;
    if (swap) {
        move_to(q, swap->to_provider);
        q->model = swap->to;
    }
    if (whatif->tier.len > 0)
        q->service_tier = whatif->tier;
    return true;
}

static bool take_first_choice(const struct block *b, size_t row, struct price_query *q)
{
    struct str first = block_str(b, LEDGER_FIRST_MODEL, row);

    if (!block_int(b, LEDGER_FALLBACK, row) || !first.len)
        return false;
    q->model = first;
    return true;
}

bool worker_query_of(const struct worker *w, size_t row, struct price_query *ret)
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
    const struct engine_whatif *whatif = w->query->whatif;
    if (whatif && whatif->first_choice)
        return take_first_choice(b, row, ret);
    return whatif && engine_swap_query(whatif, ret);
}

/* Tokens as another tokenizer would count them, rounded down: parts stay within wholes. */
static void scale_tokens(struct usage *u, int64_t micro)
{
    for (int unit = 0; unit < USAGE_WEB_SEARCHES; unit++)
        u->n[unit] = (int64_t)((i128)u->n[unit] * micro / 1000000);
}

static enum usage_source source_of(const struct worker *w, size_t row)
{
    const struct block *b = w->block;

    if (block_is_null(b, LEDGER_USAGE_SOURCE, row))
        return USAGE_SOURCE_UNKNOWN;
    return (enum usage_source)w->sources.ptr[b->columns[LEDGER_USAGE_SOURCE].codes[row]];
}

static enum cost_source table_source(const struct worker *w, size_t row)
{
    return source_of(w, row) == USAGE_SOURCE_ESTIMATED ? COST_ESTIMATED : COST_TABLE;
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
    return table_source(w, row);
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
    if (w->odd.len > 0 && w->scan && scan_load(w->scan, LEDGER_EXCHANGE_ID, err) < 0)
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

static void count_tokens(const struct usage *u, struct engine_sums *s)
{
    s->input_tokens = u->n[USAGE_INPUT];
    s->cached_input_tokens = u->n[USAGE_CACHED_INPUT];
    s->cache_write_tokens = u->n[USAGE_CACHE_WRITE];
    s->output_tokens = u->n[USAGE_OUTPUT];
    s->reasoning_tokens = u->n[USAGE_REASONING];
}

/* The lines of a price as charges; what rounding them one by one loses goes to the dearest. */
static void list_charges(struct worker *w, const struct price_items *items, enum cost_source source,
                         const struct price_result *price)
{
    i128 left = price->cost_pusd;
    size_t dearest = 0;

    vec_clear(&w->charges);
    for (size_t i = 0; i < items->count; i++) {
        const struct price_item *item = &items->list[i];
        if (item->unit == PRICE_ITEM_REQUEST && item->list_yusd == 0)
            continue;
        struct engine_charge c = {
            .source = source,
            /* Prices tell the two apart where they differ. */
            .unit = item->unit == USAGE_REASONING ? USAGE_OUTPUT : item->unit,
            .n = item->n,
            .list_yusd = item->list_yusd,
            .unit_yusd = item->unit_yusd,
            .cost_pusd = decimal_round((i128)item->n * item->unit_yusd, PUSD_SCALE),
            .flags = price->flags,
        };
        left -= c.cost_pusd;
        vec_push(&w->charges, c);
        if (c.cost_pusd > w->charges.ptr[dearest].cost_pusd)
            dearest = w->charges.len - 1;
    }
    if (w->charges.len > 0)
        w->charges.ptr[dearest].cost_pusd += left;
}

static void charge_whole(struct worker *w, enum cost_source source, i128 cost_pusd,
                         int64_t requests)
{
    struct engine_charge c = {
        .source = source, .unit = ENGINE_CHARGE_WHOLE, .n = requests, .cost_pusd = cost_pusd
    };

    vec_clear(&w->charges);
    vec_push(&w->charges, c);
}

static void price_usage(struct worker *w, const struct price_query *query,
                        const struct usage *usage, struct price_items *items,
                        struct price_result *ret)
{
    const struct price_request request = { query, usage };

    *ret = (struct price_result){ .status = PRICE_UNKNOWN_MODEL };
    items->count = 0;
    if (!usage->present)
        return;
    if (w->query->measures & ENGINE_CHARGES)
        price_cache_items(w->prices, &request, ret, items);
    else
        price_cache_of(w->prices, query, usage, ret);
}

static void price_row(struct worker *w, size_t row, struct usage *usage, struct engine_sums *s)
{
    const struct block *b = w->block;
    i128 reported_pusd = block_int(b, LEDGER_REPORTED_COST, row);
    struct price_items items;
    struct price_result price;
    struct price_query query;
    const char *reason;

    bool swapped = worker_query_of(w, row, &query);
    if (swapped)
        scale_tokens(usage, w->query->whatif->tokens_micro);
    count_tokens(usage, s);
    price_usage(w, &query, usage, &items, &price);
    enum cost_source pocket = swapped ? table_source(w, row) : choose_cost(w, row, &price);
    bool reported = pocket == COST_REPORTED || pocket == COST_GATEWAY;
    for (size_t i = 0; !reported && i < PRICE_FLAG_COUNT; i++)
        if (price.flags >> i & 1)
            w->tally->flagged[i] += s->requests;
    s->cost_pusd[pocket] = reported ? reported_pusd : price.cost_pusd;
    if (reported || (price.status == PRICE_OK && s->unknown_requests == 0))
        s->costed_requests = s->requests;
    if (!reported && price.status == PRICE_OK && uses_cache(usage))
        s->cache_savings_pusd = cost_without_cache(w, &query, usage) - price.cost_pusd;
    if (!reported && usage->present && price.status != PRICE_OK) {
        s->unpriced_requests = s->requests;
        tally_unpriced(w->tally,
                       swapped ? str_from(provider_name(query.provider))
                               : block_str(b, LEDGER_PROVIDER, row),
                       query.model, price.status == PRICE_MISSING_UNIT, s);
    }
    if (w->query->measures & ENGINE_CHARGES && reported)
        charge_whole(w, pocket, reported_pusd, s->requests);
    else if (w->query->measures & ENGINE_CHARGES)
        list_charges(w, &items, pocket, &price);
    if (reported && !price_is_plausible(reported_pusd, usage,
                                        price.status == PRICE_OK ? &price : NULL, &reason))
        vec_push(&w->odd, ((struct odd_row){ (uint32_t)row, reported_pusd, reason }));
}

int worker_show_rows(struct worker *w, struct err *err)
{
    const struct block *b = w->block;
    struct engine_sums sums;
    size_t next = 0;

    vec_clear(&w->odd);
    for (size_t row = 0; row < b->rows; row++) {
        bool is_repeated = next < w->repeated.len && w->repeated.ptr[next] == row;
        struct engine_seen seen = {
            .block = b, .row = row, .sums = &sums, .is_repeated = is_repeated
        };
        next += is_repeated;
        if (b->keep && !b->keep[row])
            continue;
        worker_price_row(w, row, is_repeated, &sums);
        if (worker_add_row(w, row, &sums, err) < 0 ||
            w->query->on_row(w->query->ctx, &seen, err) < 0)
            return -1;
    }
    return worker_list_odd(w, err);
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
    if (source_of(w, row) == USAGE_SOURCE_UNKNOWN || lacks_input(&usage))
        s->unknown_requests = s->requests;
    price_row(w, row, &usage, s);
}
