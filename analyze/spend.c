#include "config.h"

#include "analyze/spend.h"

#include <assert.h>
#include <string.h>

#include "analyze/repeats.h"
#include "llm/price_check.h"

/* The columns every report reads, whatever it groups by. */
static const enum ledger_column needed[] = {
    LEDGER_EXCHANGE_ID,  LEDGER_PART,          LEDGER_REQUESTS,
    LEDGER_STARTED_AT,   LEDGER_APP,           LEDGER_TEAM,
    LEDGER_PROVIDER,     LEDGER_MODEL,         LEDGER_BILLABLE,
    LEDGER_GEO,          LEDGER_VARIANT,       LEDGER_USAGE_SOURCE,
    LEDGER_SERVICE_TIER, LEDGER_REPORTED_COST, LEDGER_REPORTED_COST_FIELD,
    LEDGER_PATH,
};

/* Codes of the block's dictionaries for what is compared on every row. */
struct block_codes {
    VEC(uint8_t) sources;   /* enum usage_source by code of usage_source */
    VEC(uint8_t) providers; /* enum provider by code of provider */
};

struct run {
    const struct spend_options *options;
    struct spend *out;
    struct block_codes codes;
    struct price_cache *prices;
    struct repeats repeats;
};

i128 spend_cost(const struct spend_sums *s)
{
    i128 sum = 0;

    for (size_t i = 0; i < SPEND_COST_COUNT; i++)
        sum += s->cost_pusd[i];
    return sum;
}

static void add_sums(struct spend_sums *to, const struct spend_sums *s)
{
    to->requests += s->requests;
    to->input_tokens += s->input_tokens;
    to->cached_input_tokens += s->cached_input_tokens;
    to->cache_write_tokens += s->cache_write_tokens;
    to->output_tokens += s->output_tokens;
    to->reasoning_tokens += s->reasoning_tokens;
    for (size_t i = 0; i < SPEND_COST_COUNT; i++)
        to->cost_pusd[i] += s->cost_pusd[i];
    to->unknown_requests += s->unknown_requests;
    to->unpriced_requests += s->unpriced_requests;
}

static enum usage_source source_of(struct str name)
{
    for (size_t s = 0; s < USAGE_SOURCE_COUNT; s++)
        if (str_eq(name, str_from(usage_source_name((enum usage_source)s))))
            return (enum usage_source)s;
    return USAGE_SOURCE_UNKNOWN;
}

static void prepare_block(struct run *r, const struct block *b)
{
    const struct block_column *sources = &b->columns[LEDGER_USAGE_SOURCE];
    const struct block_column *providers = &b->columns[LEDGER_PROVIDER];

    vec_clear(&r->codes.sources);
    for (size_t i = 0; i < sources->dict_len; i++)
        vec_push(&r->codes.sources, (uint8_t)source_of(sources->dict[i]));
    vec_clear(&r->codes.providers);
    for (size_t i = 0; i < providers->dict_len; i++) {
        enum provider p = PROVIDER_UNKNOWN;
        provider_parse(providers->dict[i], &p);
        vec_push(&r->codes.providers, (uint8_t)p);
    }
    for (size_t i = 0; i < r->options->dimension_count; i++)
        dimension_prepare(r->options->dimensions[i], b);
    if (r->options->where)
        where_prepare(r->options->where, b);
}

static void row_usage(const struct block *b, size_t row, struct usage *ret)
{
    *ret = (struct usage){ 0 };
    for (size_t u = 0; u < USAGE_UNIT_COUNT; u++) {
        enum ledger_column c = (enum ledger_column)(LEDGER_USAGE + u);
        if (!block_is_null(b, c, row))
            usage_set(ret, (enum usage_unit)u, b->columns[c].ints[row]);
    }
}

static void note_unpriced(struct run *r, const struct block *b, size_t row, bool unit_missing,
                          const struct spend_sums *s)
{
    struct spend *out = r->out;
    struct str provider = block_str(b, LEDGER_PROVIDER, row);
    struct str model = block_str(b, LEDGER_MODEL, row);
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    buf_add_str(&key, provider);
    buf_add_byte(&key, '\0');
    buf_add_str(&key, model);
    struct map_entry *e = map_put(&out->unpriced_models, buf_str(&key), &is_new);
    if (is_new) {
        e->value = out->unpriced.len;
        struct spend_unpriced u = { .provider = arena_str(&out->arena, provider),
                                    .model = arena_str(&out->arena, model) };
        vec_push(&out->unpriced, u);
    }
    struct spend_unpriced *u = &out->unpriced.ptr[e->value];
    u->unit_missing |= unit_missing;
    u->requests += s->requests;
    u->input_tokens += s->input_tokens;
    u->output_tokens += s->output_tokens;
}

static int dearer_first(const void *a, const void *b)
{
    const struct spend_suspicious *x = a, *y = b;

    if (x->cost_pusd != y->cost_pusd)
        return x->cost_pusd < y->cost_pusd ? 1 : -1;
    return str_cmp(x->exchange_id, y->exchange_id);
}

static void note_suspicious(struct run *r, const struct block *b, size_t row, i128 cost,
                            const char *reason)
{
    struct spend *out = r->out;
    struct spend_suspicious s = {
        .exchange_id = arena_str(&out->arena, block_str(b, LEDGER_EXCHANGE_ID, row)),
        .model = arena_str(&out->arena, block_str(b, LEDGER_MODEL, row)),
        .reason = arena_str(&out->arena, str_from(reason)),
        .cost_pusd = cost,
    };

    out->suspicious_count++;
    vec_push(&out->suspicious, s);
    if (out->suspicious.len < (size_t)2 * SPEND_SUSPICIOUS_MAX)
        return;
    qsort(out->suspicious.ptr, out->suspicious.len, sizeof(s), dearer_first);
    out->suspicious.len = SPEND_SUSPICIOUS_MAX;
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

static void table_price(const struct run *r, const struct block *b, size_t row,
                        const struct usage *usage, struct price_result *ret)
{
    enum provider provider =
        (enum provider)r->codes.providers.ptr[b->columns[LEDGER_PROVIDER].codes[row]];
    struct price_query query = {
        .provider = provider,
        .route = route_of(provider, b, row),
        .model = block_str(b, LEDGER_MODEL, row),
        .service_tier = block_str(b, LEDGER_SERVICE_TIER, row),
        .geo = block_str(b, LEDGER_GEO, row),
        .variant = block_str(b, LEDGER_VARIANT, row),
        .at_us = block_int(b, LEDGER_STARTED_AT, row),
        .requests = block_int(b, LEDGER_REQUESTS, row),
    };

    *ret = (struct price_result){ .status = PRICE_UNKNOWN_MODEL };
    if (usage->present)
        price_cache_of(r->prices, &query, usage, ret);
}

/* Which figure counts: what the provider billed; else the table; else what a gateway on the way
 * worked out from a table of its own. */
static enum spend_cost choose_cost(const struct run *r, const struct block *b, size_t row,
                                   const struct price_result *price)
{
    uint8_t source = r->codes.sources.ptr[b->columns[LEDGER_USAGE_SOURCE].codes[row]];

    if (!block_is_null(b, LEDGER_REPORTED_COST, row)) {
        if (!call_cost_is_estimate(block_str(b, LEDGER_REPORTED_COST_FIELD, row)))
            return SPEND_REPORTED;
        if (price->status != PRICE_OK)
            return SPEND_GATEWAY;
    }
    return source == USAGE_SOURCE_ESTIMATED ? SPEND_ESTIMATED : SPEND_TABLE;
}

static void price_row(struct run *r, const struct block *b, size_t row, const struct usage *usage,
                      struct spend_sums *s)
{
    i128 reported_pusd = block_int(b, LEDGER_REPORTED_COST, row);
    struct price_result price;
    const char *reason;

    table_price(r, b, row, usage, &price);
    enum spend_cost pocket = choose_cost(r, b, row, &price);
    bool reported = pocket == SPEND_REPORTED || pocket == SPEND_GATEWAY;
    for (size_t i = 0; !reported && i < PRICE_FLAG_COUNT; i++)
        if (price.flags >> i & 1)
            r->out->flagged[i] += s->requests;
    s->cost_pusd[pocket] = reported ? reported_pusd : price.cost_pusd;
    if (!reported && usage->present && price.status != PRICE_OK) {
        s->unpriced_requests = s->requests;
        note_unpriced(r, b, row, price.status == PRICE_MISSING_UNIT, s);
    }
    if (reported && !price_is_plausible(reported_pusd, usage,
                                        price.status == PRICE_OK ? &price : NULL, &reason))
        note_suspicious(r, b, row, reported_pusd, reason);
}

/* Output without input: half of a bill is no bill, though what is known of it is priced. */
static bool lacks_input(const struct usage *usage)
{
    return usage_has(usage, USAGE_OUTPUT) && !usage_has(usage, USAGE_INPUT);
}

static void row_sums(struct run *r, const struct block *b, size_t row, struct spend_sums *s)
{
    bool billable = block_int(b, LEDGER_BILLABLE, row);
    bool first = block_int(b, LEDGER_PART, row) == 0;
    struct usage usage;

    *s = (struct spend_sums){ .requests = first ? block_int(b, LEDGER_REQUESTS, row) : 0 };
    if (b->columns[LEDGER_REQUESTS].absent)
        s->requests = first;
    if (!billable)
        return;
    if (repeats_is_one(&r->repeats, b, row)) {
        r->out->repeated_requests += s->requests;
        return;
    }
    row_usage(b, row, &usage);
    s->input_tokens = usage.n[USAGE_INPUT];
    s->cached_input_tokens = usage.n[USAGE_CACHED_INPUT];
    s->cache_write_tokens = usage.n[USAGE_CACHE_WRITE];
    s->output_tokens = usage.n[USAGE_OUTPUT];
    s->reasoning_tokens = usage.n[USAGE_REASONING];
    if (r->codes.sources.ptr[b->columns[LEDGER_USAGE_SOURCE].codes[row]] == USAGE_SOURCE_UNKNOWN ||
        lacks_input(&usage))
        s->unknown_requests = s->requests;
    price_row(r, b, row, &usage, s);
}

static int group_of(struct run *r, const struct block *b, size_t row, struct spend_row **ret,
                    struct err *err)
{
    struct spend *out = r->out;
    uint32_t codes[DIMENSIONS_MAX] = { 0 };
    bool is_new;

    for (size_t i = 0; i < out->dimension_count; i++)
        codes[i] = dimension_code(out->dimensions[i], b, row);
    struct map_entry *e = map_put(
        &out->groups, (struct str){ (const char *)codes, out->dimension_count * sizeof(*codes) },
        &is_new);
    if (is_new) {
        if (out->rows.len >= SPEND_GROUPS_MAX)
            return err_set(err, ERR_LIMIT,
                           "more than %d groups: group by fewer fields, or filter with --where",
                           SPEND_GROUPS_MAX);
        struct spend_row fresh = { 0 };
        memcpy(fresh.codes, codes, sizeof(codes));
        e->value = out->rows.len;
        vec_push(&out->rows, fresh);
    }
    *ret = &out->rows.ptr[e->value];
    return 0;
}

static int add_block(struct run *r, const struct block *b, struct err *err)
{
    const struct spend_options *o = r->options;
    struct spend_row *group = NULL;
    struct spend_sums s;

    prepare_block(r, b);
    for (size_t row = 0; row < b->rows; row++) {
        int64_t at_us = b->columns[LEDGER_STARTED_AT].ints[row];
        if (at_us < o->from_us || at_us >= o->to_us)
            continue;
        if (o->where && !where_row(o->where, b, row))
            continue;
        row_sums(r, b, row, &s);
        if (group_of(r, b, row, &group, err) < 0)
            return -1;
        add_sums(&group->sums, &s);
        add_sums(&r->out->totals, &s);
        if (block_str(b, LEDGER_APP, row).len == 0 && block_str(b, LEDGER_TEAM, row).len == 0)
            add_sums(&r->out->unattributed, &s);
    }
    return 0;
}

/* Buckets in time order, then dearest first, then by name: a total order, so output never depends
 * on the order of files or on a hash. */
static int compare_rows(const void *a, const void *b, void *spend)
{
    const struct spend_row *x = a, *y = b;
    const struct spend *s = spend;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->dimension_count; i++) {
            const struct dimension *d = s->dimensions[i];
            if (dimension_is_bucket(d) != (pass == 0))
                continue;
            int r = str_cmp(dimension_value(d, x->codes[i]), dimension_value(d, y->codes[i]));
            if (r)
                return r;
        }
        i128 cx = spend_cost(&x->sums), cy = spend_cost(&y->sums);
        if (pass == 0 && cx != cy)
            return cx < cy ? 1 : -1;
    }
    return 0;
}

static int compare_unpriced(const void *a, const void *b)
{
    const struct spend_unpriced *x = a, *y = b;

    if (x->requests != y->requests)
        return x->requests < y->requests ? 1 : -1;
    int r = str_cmp(x->provider, y->provider);
    return r ? r : str_cmp(x->model, y->model);
}

static void sort_all(struct spend *s)
{
    if (s->rows.len)
        qsort_r(s->rows.ptr, s->rows.len, sizeof(*s->rows.ptr), compare_rows, s);
    if (s->unpriced.len)
        qsort(s->unpriced.ptr, s->unpriced.len, sizeof(*s->unpriced.ptr), compare_unpriced);
    if (s->suspicious.len)
        qsort(s->suspicious.ptr, s->suspicious.len, sizeof(*s->suspicious.ptr), dearer_first);
    if (s->suspicious.len > SPEND_SUSPICIOUS_MAX)
        s->suspicious.len = SPEND_SUSPICIOUS_MAX;
}

static void choose_columns(const struct spend_options *o, struct scan_columns *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        ret->want[needed[i]] = true;
    for (size_t u = 0; u < USAGE_UNIT_COUNT; u++)
        ret->want[LEDGER_USAGE + u] = true;
    for (size_t i = 0; i < o->dimension_count; i++)
        dimension_columns(o->dimensions[i], ret);
    if (o->where)
        where_columns(o->where, ret);
    repeats_columns(ret);
}

int spend_run(const struct spend_options *options, struct spend *ret, struct err *err)
{
    CLEANUP(price_cache_free) struct price_cache *prices = price_cache_new(options->book);
    CLEANUP(scan_close) struct scan *scan = NULL;
    struct scan_options scan_options = { .from_us = options->from_us,
                                         .to_us = options->to_us,
                                         .attribution = options->attribution };
    struct run run = { .options = options, .out = ret, .prices = prices };
    const struct block *b;
    int r;

    assert(options->dimension_count <= DIMENSIONS_MAX);
    *ret = (struct spend){ .dimensions = options->dimensions,
                           .dimension_count = options->dimension_count };
    choose_columns(options, &scan_options.columns);
    if (repeats_find(options->archive, options->from_us, options->to_us, &run.repeats, err) < 0 ||
        scan_open(options->archive, &scan_options, &scan, err) < 0) {
        repeats_release(&run.repeats);
        return -1;
    }
    while ((r = scan_next(scan, &b, err)) > 0)
        if (add_block(&run, b, err) < 0) {
            r = -1;
            break;
        }
    repeats_release(&run.repeats);
    vec_release(&run.codes.sources);
    vec_release(&run.codes.providers);
    if (r == 0)
        sort_all(ret);
    return r;
}

void spend_release(struct spend *s)
{
    vec_release(&s->rows);
    vec_release(&s->unpriced);
    vec_release(&s->suspicious);
    map_release(&s->groups);
    map_release(&s->unpriced_models);
    arena_release(&s->arena);
}
