#include "config.h"

#include <assert.h>
#include <string.h>

#include "llm/price_model.h"

/* Counts beyond this are cut to it, so that no sum leaves 128 bits: with prices up to 100,000 USD
 * per million tokens and factors up to 1000, the largest term is about 2e37 of 1.7e38. */
#define COUNT_MAX INT64_C(10000000000)

#define YUSD_PER_PUSD ((u128)PUSD_PER_USD)

/* A product of factors; each numerator is at most 1e9 and each denominator 1e6 (price_model). */
struct factor {
    u128 num, den;
};

static void multiply(struct factor *f, struct price_ratio r)
{
    f->num *= (uint64_t)r.num;
    f->den *= (uint64_t)r.den;
}

/* --- one bill --- */

enum line {
    LINE_INPUT,
    LINE_OUTPUT,
    LINE_FEES,
    LINE_COUNT,
};

/* What goes into a sum, kept where items are asked for. */
struct entry {
    int unit;
    enum line line;
    int64_t n;
    u128 rate, list_rate; /* of one: 1e-12 USD / (PRICE_DENOMINATOR * plan->times.den) */
};

struct entries {
    struct entry list[PRICE_ITEMS_MAX];
    size_t count;
};

struct bill {
    const struct price_plan *plan;
    const struct price_plan *contract; /* absolute prices of a discount, or NULL */
    const struct price_plan *fees;     /* provider-wide, or NULL */
    u128 sums[LINE_COUNT];             /* 1e-12 USD / (PRICE_DENOMINATOR * plan->times.den) */
    struct price_result *ret;
    struct entries *entries; /* or NULL, as items is */
    struct price_items *items;
    int unit; /* that is being billed */
};

static bool is_priced(const struct bill *b, int unit)
{
    return price_plan_rate(b->plan, unit) || price_plan_rate(b->contract, unit);
}

/* What the list asks for one of what a contract has a price for: that of the unit, or of what it is
 * part of. */
static u128 list_rate(const struct bill *b, enum line line, u128 otherwise)
{
    const struct price_num *price = price_plan_rate(b->plan, b->unit);
    int at = b->unit;

    while (!price && at < PRICE_UNIT_REQUEST) {
        at = usage_unit_parent((enum usage_unit)at);
        if (at == USAGE_NONE)
            break;
        price = price_plan_rate(b->plan, at);
    }
    if (!price && line == LINE_FEES)
        price = price_plan_rate(b->fees, b->unit);
    if (!price)
        return otherwise;
    return (u128)price->amount * (u128)price->scale *
           (u128)(line == LINE_FEES ? b->plan->times.den : b->plan->times.num);
}

static void add_entry(struct bill *b, enum line line, u128 rate, int64_t n, bool contract)
{
    struct entry e = { b->unit, line, n, rate, contract ? list_rate(b, line, rate) : rate };

    for (size_t i = 0; i < b->entries->count; i++) {
        struct entry *old = &b->entries->list[i];
        if (old->unit == e.unit && old->rate == rate && old->list_rate == e.list_rate) {
            old->n += n;
            return;
        }
    }
    assert(b->entries->count < PRICE_ITEMS_MAX); /* units are far fewer */
    b->entries->list[b->entries->count++] = e;
}

static void add(struct bill *b, enum line line, const struct price_num *price, int64_t n,
                bool contract)
{
    const struct price_ratio *times = &b->plan->times;
    /* The tier's factor belongs to the list's token prices; a contract's and fees are absolute. */
    int64_t weight = line == LINE_FEES || contract ? times->den : times->num;

    if (price->elsewhere)
        b->ret->flags |= PRICE_ELSEWHERE;
    if (n > COUNT_MAX)
        n = COUNT_MAX;
    u128 rate = (u128)price->amount * (u128)price->scale * (u128)weight;
    b->sums[line] += (u128)n * rate;
    if (b->entries)
        add_entry(b, line, rate, n, contract);
}

static void miss(struct bill *b, int unit)
{
    if (b->ret->status == PRICE_OK)
        b->ret->missing_unit = (enum usage_unit)unit;
    b->ret->status = PRICE_MISSING_UNIT;
}

/* Bills n tokens at the first unit of the chain that has a price; ends with USAGE_NONE. */
static void add_tokens(struct bill *b, enum line line, int64_t n, const enum usage_unit *chain)
{
    const enum usage_unit *last = chain;

    if (n <= 0)
        return;
    b->unit = chain[0];
    for (const enum usage_unit *at = chain; *at != USAGE_NONE; at++) {
        const struct price_num *price = price_plan_rate(b->contract, *at);
        bool contract = price != NULL;
        if (!price)
            price = price_plan_rate(b->plan, *at);
        if (price) {
            add(b, line, price, n, contract);
            if (chain[0] == USAGE_CACHED_INPUT && *at == USAGE_INPUT)
                b->ret->flags |= PRICE_CACHED_AT_INPUT;
            return;
        }
        last = at;
    }
    miss(b, *last);
}

static int64_t count_of(const struct usage *u, enum usage_unit unit)
{
    return usage_has(u, unit) && u->n[unit] > 0 ? u->n[unit] : 0;
}

static int64_t at_least_0(int64_t n)
{
    return n > 0 ? n : 0;
}

#define CHAIN(...) ((const enum usage_unit[]){ __VA_ARGS__, USAGE_NONE })

/* A modality's tokens: those read from cache, and the others. */
struct modality {
    enum usage_unit all, cached;
};

static const struct modality modalities[] = {
    {USAGE_INPUT_AUDIO,  USAGE_CACHED_AUDIO},
    { USAGE_INPUT_IMAGE, USAGE_CACHED_IMAGE},
    { USAGE_INPUT_VIDEO, USAGE_CACHED_VIDEO},
};

/* Cache writes: 5 minutes and 1 hour, and what the provider did not tell apart. */
static int64_t bill_writes(struct bill *b, const struct usage *u)
{
    int64_t short_lived = count_of(u, USAGE_CACHE_WRITE_5M);
    int64_t long_lived = count_of(u, USAGE_CACHE_WRITE_1H);
    int64_t rest = at_least_0(count_of(u, USAGE_CACHE_WRITE) - short_lived - long_lived);

    add_tokens(b, LINE_INPUT, short_lived,
               CHAIN(USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE, USAGE_INPUT));
    add_tokens(b, LINE_INPUT, long_lived,
               CHAIN(USAGE_CACHE_WRITE_1H, USAGE_CACHE_WRITE, USAGE_INPUT));
    add_tokens(b, LINE_INPUT, rest, CHAIN(USAGE_CACHE_WRITE, USAGE_CACHE_WRITE_5M, USAGE_INPUT));
    return short_lived + long_lived + rest;
}

/* Takes the input apart so that each token is billed once.  Where the provider does not say which
 * cached tokens were audio or images, the smallest overlap that makes the parts fit is taken. */
static void bill_input(struct bill *b, const struct usage *u)
{
    int64_t cached = count_of(u, USAGE_CACHED_INPUT), fresh[ARRAY_LEN(modalities)];
    int64_t from_cache[ARRAY_LEN(modalities)], rest = count_of(u, USAGE_INPUT);

    rest -= cached + bill_writes(b, u);
    for (size_t i = 0; i < ARRAY_LEN(modalities); i++) {
        const struct modality *m = &modalities[i];
        from_cache[i] = count_of(u, m->cached);
        fresh[i] = at_least_0(count_of(u, m->all) - from_cache[i]);
        cached -= from_cache[i];
        rest -= fresh[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(modalities) && rest < 0 && cached > 0; i++) {
        int64_t overlap = -rest < fresh[i] ? -rest : fresh[i];
        overlap = overlap < cached ? overlap : cached;
        fresh[i] -= overlap;
        from_cache[i] += overlap;
        cached -= overlap;
        rest += overlap;
    }
    if (is_priced(b, USAGE_TOOL_PROMPT)) {
        int64_t tools = count_of(u, USAGE_TOOL_PROMPT);
        add_tokens(b, LINE_INPUT, tools, CHAIN(USAGE_TOOL_PROMPT));
        rest -= tools;
    }
    for (size_t i = 0; i < ARRAY_LEN(modalities); i++) {
        const struct modality *m = &modalities[i];
        add_tokens(b, LINE_INPUT, fresh[i], CHAIN(m->all, USAGE_INPUT));
        add_tokens(b, LINE_INPUT, from_cache[i],
                   CHAIN(m->cached, USAGE_CACHED_INPUT, m->all, USAGE_INPUT));
    }
    add_tokens(b, LINE_INPUT, cached, CHAIN(USAGE_CACHED_INPUT, USAGE_INPUT));
    add_tokens(b, LINE_INPUT, rest, CHAIN(USAGE_INPUT));
}

static void bill_output(struct bill *b, const struct usage *u)
{
    static const enum usage_unit parts[] = { USAGE_REASONING, USAGE_OUTPUT_AUDIO,
                                             USAGE_OUTPUT_IMAGE };
    int64_t rest = count_of(u, USAGE_OUTPUT);

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int64_t n = count_of(u, parts[i]);
        if (!is_priced(b, parts[i]))
            continue;
        add_tokens(b, LINE_OUTPUT, n, CHAIN(parts[i]));
        rest -= n;
    }
    add_tokens(b, LINE_OUTPUT, rest, CHAIN(USAGE_OUTPUT));
}

static const struct price_num *find_fee(const struct bill *b, int unit, bool *ret_contract)
{
    const struct price_num *price = price_plan_rate(b->contract, unit);

    *ret_contract = price != NULL;
    if (!price)
        price = price_plan_rate(b->plan, unit);
    return price ? price : price_plan_rate(b->fees, unit);
}

/* A size or quality the book lists by name, else the model's default image. */
static bool bill_variant(struct bill *b, struct str variant, int64_t n)
{
    const struct price_set *set = b->plan->image_variants;

    if (!set || variant.len == 0 || price_plan_rate(b->contract, USAGE_IMAGES))
        return false;
    for (size_t i = 0; i < set->count; i++) {
        const struct price_rate *r = &set->rates[i];
        if (!str_ieq(r->variant, variant))
            continue;
        struct price_num price = {
            .amount = r->amount,
            .scale = (int32_t)(PRICE_DENOMINATOR / price_per_divisor((enum price_per)r->per)),
            .elsewhere = r->elsewhere,
        };
        add(b, LINE_FEES, &price, n, false);
        return true;
    }
    return false;
}

static void bill_fees(struct bill *b, const struct usage *u, const struct price_query *query)
{
    /* What is sold by the piece must have a price; pictures, seconds, characters and pages may be
     * paid for as tokens. */
    static const struct {
        enum usage_unit unit;
        bool or_tokens;
    } fees[] = {
        {USAGE_WEB_SEARCHES,   false},
        { USAGE_WEB_FETCHES,   false},
        { USAGE_FILE_SEARCHES, false},
        { USAGE_CODE_SESSIONS, false},
        { USAGE_SEARCH_UNITS,  false},
        { USAGE_IMAGES,        true },
        { USAGE_AUDIO_MS,      true },
        { USAGE_CHARACTERS,    true },
        { USAGE_PAGES,         true },
    };
    bool tokens = count_of(u, USAGE_INPUT) + count_of(u, USAGE_OUTPUT) > 0;
    bool contract;

    for (size_t i = 0; i < ARRAY_LEN(fees); i++) {
        int64_t n = count_of(u, fees[i].unit);
        b->unit = fees[i].unit;
        if (n == 0 || (fees[i].unit == USAGE_IMAGES && bill_variant(b, query->variant, n)))
            continue;
        const struct price_num *price = find_fee(b, fees[i].unit, &contract);
        if (price)
            add(b, LINE_FEES, price, n, contract);
        else if (!fees[i].or_tokens || !tokens)
            miss(b, fees[i].unit);
    }
    const struct price_num *request = find_fee(b, PRICE_UNIT_REQUEST, &contract);
    b->unit = PRICE_UNIT_REQUEST;
    if (request)
        add(b, LINE_FEES, request, query->requests > 1 ? query->requests : 1, contract);
}

/* --- the result --- */

/* 1e-24 USD. */
static i128 unit_price(const struct bill *b, u128 rate, struct factor f)
{
    u128 den = (u128)PRICE_DENOMINATOR * (u128)b->plan->times.den;

    return price_scale(rate, f.num * YUSD_PER_PUSD, f.den * den);
}

static void list_items(const struct bill *b, const struct factor list[LINE_COUNT],
                       const struct factor cost[LINE_COUNT], struct price_items *ret)
{
    for (size_t i = 0; i < b->entries->count; i++) {
        const struct entry *e = &b->entries->list[i];
        ret->list[i] = (struct price_item){
            .unit = e->unit,
            .n = e->n,
            .list_yusd = unit_price(b, e->list_rate, list[e->line]),
            .unit_yusd = unit_price(b, e->rate, cost[e->line]),
        };
    }
    ret->count = b->entries->count;
}

static void settle(struct bill *b, struct factor tokens, const struct price_adjust *discount)
{
    const struct price_ratio *times = &b->plan->times;
    struct factor factors[LINE_COUNT] = {
        tokens, tokens, {1, 1}
    };
    const struct factor list_factors[LINE_COUNT] = {
        tokens, tokens, {1, 1}
    };
    i128 list[LINE_COUNT], cost[LINE_COUNT];

    for (size_t i = 0; i < LINE_COUNT; i++) {
        u128 den = (u128)PRICE_DENOMINATOR * (u128)times->den;
        list[i] = cost[i] = price_scale(b->sums[i], factors[i].num, factors[i].den * den);
        if (!discount || !discount->has_times || (i == LINE_FEES && !discount->fees_too))
            continue;
        multiply(&factors[i], discount->times);
        cost[i] = price_scale(b->sums[i], factors[i].num, factors[i].den * den);
    }
    if (b->items)
        list_items(b, list_factors, factors, b->items);
    b->ret->input_pusd = cost[LINE_INPUT];
    b->ret->output_pusd = cost[LINE_OUTPUT];
    b->ret->fees_pusd = cost[LINE_FEES];
    b->ret->cost_pusd = cost[LINE_INPUT] + cost[LINE_OUTPUT] + cost[LINE_FEES];
    b->ret->list_pusd = list[LINE_INPUT] + list[LINE_OUTPUT] + list[LINE_FEES];
}

static void run(struct bill *b, const struct price_query *query, const struct usage *usage)
{
    memset(b->sums, 0, sizeof(b->sums));
    b->ret->status = PRICE_OK;
    bill_input(b, usage);
    bill_output(b, usage);
    bill_fees(b, usage, query);
}

static void drop_fees(struct entries *e)
{
    size_t kept = 0;

    for (size_t i = 0; i < e->count; i++)
        if (e->list[i].line != LINE_FEES)
            e->list[kept++] = e->list[i];
    e->count = kept;
}

/* Tokens paid for by the hour: only what is sold by the piece costs. */
static void run_committed(struct bill *b, const struct price_query *query,
                          const struct usage *usage)
{
    if (b->entries) { /* the tokens are items as well, at no price */
        run(b, query, usage);
        for (size_t i = 0; i < b->entries->count; i++)
            b->entries->list[i].rate = b->entries->list[i].list_rate = 0;
        drop_fees(b->entries);
    }
    memset(b->sums, 0, sizeof(b->sums));
    b->ret->status = PRICE_OK;
    b->ret->flags |= PRICE_ELSEWHERE;
    bill_fees(b, usage, query);
}

static void bill_match(const struct price_book *book, const struct price_match *match,
                       const struct price_request *request, struct price_result *ret,
                       struct price_items *items)
{
    const struct price_query *query = request->query;
    const struct usage *usage = request->usage;
    struct entries entries;
    struct price_chosen chosen = { 0 };
    struct factor tokens = { 1, 1 };

    memset(ret, 0, sizeof(*ret));
    ret->missing_unit = USAGE_NONE;
    ret->status = PRICE_UNKNOWN_MODEL;
    if (!price_choose(match, query, usage, &chosen))
        return;
    const struct price_entry *e = chosen.entry;
    const struct price_adjust *region = price_adjust_find(book, true, e, query);
    const struct price_adjust *discount = price_adjust_find(book, false, e, query);
    struct bill bill = {
        .plan = chosen.plan,
        .contract = discount && discount->set.count > 0 ? &discount->plan : NULL,
        .fees = price_fees_find(book, e->provider, query->at_us),
        .ret = ret,
        .entries = items ? &entries : NULL,
        .items = items,
    };
    entries.count = 0;
    ret->flags = chosen.flags;
    ret->entry = e->name;
    ret->note = chosen.plan->note;
    multiply(&tokens, match->times);
    if (region) {
        multiply(&tokens, region->times);
        ret->region = *price_adjust_geo(region, query->geo);
    }
    (chosen.committed ? run_committed : run)(&bill, query, usage);
    settle(&bill, tokens, discount);
    if (!discount)
        return;
    ret->discount = discount->text;
    ret->flags |= PRICE_DISCOUNTED;
    if (bill.contract) {
        struct price_result list = { .missing_unit = USAGE_NONE };
        struct bill without = { .plan = bill.plan, .fees = bill.fees, .ret = &list };
        (chosen.committed ? run_committed : run)(&without, query, usage);
        settle(&without, tokens, NULL);
        ret->list_pusd = list.cost_pusd;
    }
}

void price_of_match(const struct price_book *book, const struct price_match *match,
                    const struct price_query *query, const struct usage *usage,
                    struct price_result *ret)
{
    const struct price_request request = { query, usage };

    bill_match(book, match, &request, ret, NULL);
}

void price_items_of_match(const struct price_book *book, const struct price_match *match,
                          const struct price_request *request, struct price_result *ret,
                          struct price_items *ret_items)
{
    ret_items->count = 0;
    bill_match(book, match, request, ret, ret_items);
}

void price_of(const struct price_book *book, const struct price_query *query,
              const struct usage *usage, struct price_result *ret)
{
    struct price_match match;

    price_match(book, query, &match);
    price_of_match(book, &match, query, usage, ret);
}

static void describe(struct buf *out, size_t start, const char *text)
{
    if (out->len > start)
        buf_add_text(out, ", ");
    buf_add_text(out, text);
}

void price_describe(const struct price_result *result, struct buf *out)
{
    static const struct {
        uint32_t flag;
        const char *text;
    } words[] = {
        {PRICE_TIER_ASSUMED,       "no price for this service tier: standard price"},
        { PRICE_AVERAGED,          "context length is the calls' average"          },
        { PRICE_CACHED_AT_INPUT,   "cached input at the input price"               },
        { PRICE_ELSEWHERE,         "partly billed outside the calls"               },
        { PRICE_PROVIDER_FALLBACK, "at the maker's price"                          },
        { PRICE_PROVIDER_ASSUMED,  "provider guessed from the model"               },
        { PRICE_MAPPED,            "model named by the map"                        },
    };
    size_t start = out->len;

    buf_add_str(out, result->note);
    if (result->region.len > 0) {
        describe(out, start, "region ");
        buf_add_str(out, result->region);
    }
    if (result->discount.len > 0) {
        describe(out, start, "");
        buf_add_str(out, result->discount);
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (result->flags & words[i].flag)
            describe(out, start, words[i].text);
}
