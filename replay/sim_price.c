#include "config.h"

#include "replay/sim_price.h"

static int64_t input_of(const struct sim_arrival *a)
{
    return (int64_t)a->tokens[PRICE_PART_FRESH] + a->tokens[PRICE_PART_CACHED] +
           a->tokens[PRICE_PART_WRITE] + a->tokens[PRICE_PART_WRITE_5M] +
           a->tokens[PRICE_PART_WRITE_1H];
}

static bool by_rates(const struct price_rates *r, const struct sim_arrival *a, i128 *ret)
{
    i128 sum = r->request_pusd;

    for (int p = 0; p < PRICE_PART_COUNT; p++) {
        if (a->tokens[p] && !(r->exact >> p & 1))
            return false;
        sum += (i128)a->tokens[p] * r->pusd[p];
    }
    *ret = sum;
    return true;
}

static bool by_book(struct sim_price *p, struct price_cache *book, const struct sim_arrival *a,
                    i128 *ret)
{
    struct price_query query = p->query;
    struct price_result result;
    struct usage usage = { 0 };
    int64_t write_5m = a->tokens[PRICE_PART_WRITE_5M], write_1h = a->tokens[PRICE_PART_WRITE_1H];

    query.at_us = a->at_us;
    usage_set(&usage, USAGE_INPUT, input_of(a));
    usage_set(&usage, USAGE_CACHED_INPUT, a->tokens[PRICE_PART_CACHED]);
    usage_set(&usage, USAGE_CACHE_WRITE, a->tokens[PRICE_PART_WRITE] + write_5m + write_1h);
    usage_set(&usage, USAGE_CACHE_WRITE_5M, write_5m);
    usage_set(&usage, USAGE_CACHE_WRITE_1H, write_1h);
    usage_set(&usage, USAGE_OUTPUT,
              (int64_t)a->tokens[PRICE_PART_OUTPUT] + a->tokens[PRICE_PART_REASONING]);
    usage_set(&usage, USAGE_REASONING, a->tokens[PRICE_PART_REASONING]);
    price_cache_of(book, &query, &usage, &result);
    *ret = result.cost_pusd;
    return result.status == PRICE_OK;
}

static bool is_covered(const struct sim_price *p, int64_t at_us, int64_t input)
{
    return p->has_rates && at_us >= p->rates.from_us && at_us < p->rates.until_us &&
           input >= p->rates.input_from && input < p->rates.input_until;
}

bool sim_price_of(struct sim_price *p, struct price_cache *book, const struct sim_arrival *a,
                  i128 *ret_pusd)
{
    int64_t input = input_of(a);

    *ret_pusd = 0;
    if (!book || !(a->flags & SIM_TOKENS))
        return false;
    if (!is_covered(p, a->at_us, input)) {
        p->query.at_us = a->at_us;
        price_cache_rates(book, &p->query, input, &p->rates);
        p->has_rates = true;
    }
    if (p->rates.status == PRICE_OK && p->rates.exact >> PRICE_PART_FRESH & 1 &&
        by_rates(&p->rates, a, ret_pusd))
        return true;
    return by_book(p, book, a, ret_pusd);
}
