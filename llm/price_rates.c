/* price_rates - what a plan charges for each part of an ordinary call, as whole numbers. */
#include "config.h"

#include "base/timestamp.h"
#include "llm/price_model.h"

/* What is laid over a plan's price of one unit. */
struct layers {
    const struct price_plan *plan, *contract, *fees;
    u128 num, den; /* of token prices: map, region and discount */
    u128 fee_num, fee_den;
};

/* Units that may price a part, the first that has a price counts; ends with USAGE_NONE. */
static const enum usage_unit chains[PRICE_PART_COUNT][4] = {
    [PRICE_PART_FRESH] = {USAGE_INPUT,           USAGE_NONE,           USAGE_NONE,  USAGE_NONE},
    [PRICE_PART_CACHED] = { USAGE_CACHED_INPUT,   USAGE_NONE,           USAGE_NONE,  USAGE_NONE},
    [PRICE_PART_WRITE] = { USAGE_CACHE_WRITE,    USAGE_CACHE_WRITE_5M, USAGE_INPUT, USAGE_NONE},
    [PRICE_PART_WRITE_5M] = { USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE,    USAGE_INPUT, USAGE_NONE},
    [PRICE_PART_WRITE_1H] = { USAGE_CACHE_WRITE_1H, USAGE_CACHE_WRITE,    USAGE_INPUT, USAGE_NONE},
    [PRICE_PART_OUTPUT] = { USAGE_OUTPUT,         USAGE_NONE,           USAGE_NONE,  USAGE_NONE},
    [PRICE_PART_REASONING] = { USAGE_REASONING,      USAGE_OUTPUT,         USAGE_NONE,  USAGE_NONE},
};

/* amount * scale * num / den, if that is a whole number that fits. */
static bool whole(const struct price_num *price, u128 num, u128 den, int64_t *ret)
{
    u128 product = (u128)price->amount * (u128)price->scale;

    if (price->elsewhere || __builtin_mul_overflow(product, num, &product) || product % den != 0 ||
        product / den > INT64_MAX / 4)
        return false;
    *ret = (int64_t)(product / den);
    return true;
}

static bool rate_of(const struct layers *l, enum price_part part, int64_t *ret)
{
    const struct price_ratio *times = &l->plan->times;

    for (const enum usage_unit *unit = chains[part]; *unit != USAGE_NONE; unit++) {
        const struct price_num *price = price_plan_rate(l->contract, *unit);
        if (price)
            return whole(price, l->num, l->den * PRICE_DENOMINATOR, ret);
        price = price_plan_rate(l->plan, *unit);
        if (price)
            return whole(price, l->num * (uint64_t)times->num,
                         l->den * (uint64_t)times->den * PRICE_DENOMINATOR, ret);
    }
    return false;
}

static bool request_fee(const struct layers *l, int64_t *ret)
{
    const struct price_num *price = price_plan_rate(l->contract, PRICE_UNIT_REQUEST);

    if (!price)
        price = price_plan_rate(l->plan, PRICE_UNIT_REQUEST);
    if (!price)
        price = price_plan_rate(l->fees, PRICE_UNIT_REQUEST);
    *ret = 0;
    return !price || whole(price, l->fee_num, l->fee_den * PRICE_DENOMINATOR, ret);
}

/* --- where the answer would change --- */

static void cut_time(struct price_rates *r, int64_t at_us, int64_t edge_us)
{
    if (edge_us <= at_us && edge_us > r->from_us)
        r->from_us = edge_us;
    if (edge_us > at_us && edge_us < r->until_us)
        r->until_us = edge_us;
}

static void cut_by_period(struct price_rates *r, int64_t at_us, const struct price_period *p)
{
    int64_t day_us = (at_us / US_PER_DAY - (at_us % US_PER_DAY < 0)) * US_PER_DAY;

    cut_time(r, at_us, p->from_us);
    cut_time(r, at_us, p->until_us);
    if (p->hours_from_s < 0 && p->days == 0)
        return;
    cut_time(r, at_us, day_us);
    cut_time(r, at_us, day_us + US_PER_DAY);
    if (p->hours_from_s < 0)
        return;
    cut_time(r, at_us, day_us + p->hours_from_s * US_PER_SECOND);
    cut_time(r, at_us, day_us + p->hours_until_s * US_PER_SECOND);
}

static void cut_by_levels(struct price_rates *r, int64_t input, const struct price_period *p)
{
    for (size_t i = 0; i < p->schedule_count; i++)
        for (size_t k = 0; k < p->schedules[i].level_count; k++) {
            const struct price_level *level = p->schedules[i].levels[k];
            int64_t edge = level->threshold + (level->inclusive ? 0 : 1);
            if (edge <= input && edge > r->input_from)
                r->input_from = edge;
            if (edge > input && edge < r->input_until)
                r->input_until = edge;
        }
}

static void cut_by_adjusts(const struct price_book *book, bool regions, int64_t at_us,
                           struct price_rates *r)
{
    size_t count;
    const struct price_adjust *const *list = price_book_adjusts(book, regions, &count);

    for (size_t i = 0; i < count; i++) {
        cut_time(r, at_us, list[i]->from_us);
        cut_time(r, at_us, list[i]->until_us);
    }
}

/* Every date and length at which any candidate may change its price: more than needed, never less.
 */
static void find_spans(const struct price_book *book, const struct price_match *match,
                       int64_t at_us, int64_t input, struct price_rates *r)
{
    cut_by_adjusts(book, true, at_us, r);
    cut_by_adjusts(book, false, at_us, r);
    for (size_t c = 0; c < match->count; c++) {
        const struct price_entry *e = match->candidates[c].entry;
        size_t count;
        const struct price_file *const *files = price_book_fees(book, e->provider, &count);
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < files[i]->fee_count; k++)
                cut_by_period(r, at_us, &files[i]->fees[k]);
        for (size_t i = 0; i < e->period_count; i++) {
            cut_by_period(r, at_us, &e->periods[i]);
            cut_by_levels(r, input, &e->periods[i]);
        }
    }
}

/* --- the rates --- */

static void multiply(u128 *num, u128 *den, struct price_ratio ratio)
{
    *num *= (uint64_t)ratio.num;
    *den *= (uint64_t)ratio.den;
}

/* Returns whether the call's price is made of rates at all. */
static bool find_layers(const struct price_book *book, const struct price_match *match,
                        const struct price_query *query, const struct price_chosen *chosen,
                        struct layers *ret, uint32_t *flags)
{
    const struct price_entry *e = chosen->entry;
    const struct price_adjust *region = price_adjust_find(book, true, e, query);
    const struct price_adjust *discount = price_adjust_find(book, false, e, query);

    *ret = (struct layers){ .plan = chosen->plan,
                            .fees = price_fees_find(book, e->provider, query->at_us),
                            .num = 1,
                            .den = 1,
                            .fee_num = 1,
                            .fee_den = 1 };
    multiply(&ret->num, &ret->den, match->times);
    if (region)
        multiply(&ret->num, &ret->den, region->times);
    if (discount) {
        *flags |= PRICE_DISCOUNTED;
        ret->contract = discount->set.count > 0 ? &discount->plan : NULL;
    }
    if (discount && discount->has_times) {
        multiply(&ret->num, &ret->den, discount->times);
        if (discount->fees_too)
            multiply(&ret->fee_num, &ret->fee_den, discount->times);
    }
    return !chosen->committed;
}

void price_rates_of_match(const struct price_book *book, const struct price_match *match,
                          const struct price_query *query, int64_t input_tokens,
                          struct price_rates *ret)
{
    struct price_chosen chosen;
    struct layers layers;
    struct usage usage = { 0 };

    *ret = (struct price_rates){ .status = PRICE_UNKNOWN_MODEL,
                                 .input_until = INT64_MAX,
                                 .from_us = INT64_MIN,
                                 .until_us = INT64_MAX };
    find_spans(book, match, query->at_us, input_tokens, ret);
    usage_set(&usage, USAGE_INPUT, input_tokens);
    if (!price_choose(match, query, &usage, &chosen))
        return;
    ret->status = PRICE_OK;
    ret->flags = chosen.flags;
    if (!find_layers(book, match, query, &chosen, &layers, &ret->flags) ||
        !request_fee(&layers, &ret->request_pusd))
        return;
    for (int part = 0; part < PRICE_PART_COUNT; part++)
        if (rate_of(&layers, (enum price_part)part, &ret->pusd[part]))
            ret->exact |= 1u << part;
}

static int64_t part_of(const struct usage *u, enum usage_unit unit)
{
    return usage_has(u, unit) ? u->n[unit] : 0;
}

bool price_rates_cost(const struct price_rates *r, const struct usage *u, int64_t at_us,
                      i128 *ret_pusd)
{
    const uint32_t known = 1u << USAGE_INPUT | 1u << USAGE_OUTPUT | 1u << USAGE_CACHED_INPUT |
                           1u << USAGE_REASONING | 1u << USAGE_TOOL_CALLS;
    int64_t input = part_of(u, USAGE_INPUT), output = part_of(u, USAGE_OUTPUT);
    int64_t cached = part_of(u, USAGE_CACHED_INPUT), reasoning = part_of(u, USAGE_REASONING);
    const int64_t parts[PRICE_PART_COUNT] = { [PRICE_PART_FRESH] = input - cached,
                                              [PRICE_PART_CACHED] = cached,
                                              [PRICE_PART_OUTPUT] = output - reasoning,
                                              [PRICE_PART_REASONING] = reasoning };

    if (r->status != PRICE_OK || !(r->exact >> PRICE_PART_FRESH & 1) || u->present & ~known ||
        at_us < r->from_us || at_us >= r->until_us || input < r->input_from ||
        input >= r->input_until)
        return false;
    *ret_pusd = r->request_pusd;
    for (int i = 0; i < PRICE_PART_COUNT; i++) {
        if (parts[i] == 0)
            continue;
        if (parts[i] < 0 || parts[i] > USAGE_VALUE_MAX || !(r->exact >> i & 1))
            return false;
        *ret_pusd += (i128)parts[i] * r->pusd[i];
    }
    return true;
}
