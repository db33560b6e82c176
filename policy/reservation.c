/* What a call may cost at most. */
#include "config.h"

#include "llm/price.h"
#include "policy/admit_parts.h"

#define PUSD_PER_NUSD 1000
/* Behind this nothing is counted on; it is 4e9 USD. */
#define NUSD_MAX (INT64_MAX / 2)

static const enum price_part input_parts[] = { PRICE_PART_FRESH, PRICE_PART_CACHED,
                                               PRICE_PART_WRITE, PRICE_PART_WRITE_5M,
                                               PRICE_PART_WRITE_1H };
static const enum price_part output_parts[] = { PRICE_PART_OUTPUT, PRICE_PART_REASONING };

static int64_t dearest(const struct price_rates *r, const enum price_part *parts, size_t count)
{
    int64_t most = 0;

    for (size_t i = 0; i < count; i++)
        if (r->exact >> parts[i] & 1 && r->pusd[parts[i]] > most)
            most = r->pusd[parts[i]];
    return most;
}

static bool is_exact(const struct price_rates *r)
{
    return r->exact >> PRICE_PART_FRESH & 1 && r->exact >> PRICE_PART_OUTPUT & 1;
}

static void widen(struct policy_rate *to, const struct price_rates *r)
{
    int64_t input = dearest(r, input_parts, ARRAY_LEN(input_parts));
    int64_t output = dearest(r, output_parts, ARRAY_LEN(output_parts));

    to->input_pusd = input > to->input_pusd ? input : to->input_pusd;
    to->output_pusd = output > to->output_pusd ? output : to->output_pusd;
    to->request_pusd = r->request_pusd > to->request_pusd ? r->request_pusd : to->request_pusd;
    to->from_us = r->from_us > to->from_us ? r->from_us : to->from_us;
    to->until_us = r->until_us < to->until_us ? r->until_us : to->until_us;
    to->input_from = r->input_from > to->input_from ? r->input_from : to->input_from;
    to->input_until = r->input_until < to->input_until ? r->input_until : to->input_until;
}

static struct price_query query_of(const struct policy_priced *m, int64_t at_us)
{
    return (struct price_query){ .provider = m->provider, .model = m->model, .at_us = at_us };
}

/* 1 = a rate per token, 0 = not that simple, -1 = no model has a price. */
static int find_rate(const struct policy_class *c, int64_t at_us, int64_t input,
                     struct policy_rate *ret)
{
    bool any = false, simple = true;

    *ret = (struct policy_rate){ INT64_MIN, INT64_MAX, INT64_MIN, INT64_MAX, 0, 0, 0 };
    for (size_t i = 0; i < c->priced_count; i++) {
        struct price_query q = query_of(&c->priced[i], at_us);
        struct price_rates r;
        price_cache_rates(c->prices, &q, input, &r);
        if (r.status != PRICE_OK)
            continue;
        any = true;
        if (is_exact(&r))
            widen(ret, &r);
        else
            simple = false;
    }
    return any ? simple : -1;
}

/* Prices that are no whole number per token, and steps: the whole call is priced, as all sorts of
 * input it may turn out to be. */
static i128 price_whole(const struct policy_class *c, int64_t at_us, int64_t input, int64_t output)
{
    static const int sorts[] = { USAGE_NONE, USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE_1H };
    i128 most = 0;

    for (size_t i = 0; i < c->priced_count; i++) {
        struct price_query q = query_of(&c->priced[i], at_us);
        for (size_t k = 0; k < ARRAY_LEN(sorts); k++) {
            struct usage usage = { 0 };
            struct price_result r;
            usage_set(&usage, USAGE_INPUT, input);
            usage_set(&usage, USAGE_OUTPUT, output);
            if (sorts[k] != USAGE_NONE)
                usage_set(&usage, USAGE_CACHE_WRITE, input);
            if (sorts[k] != USAGE_NONE)
                usage_set(&usage, (enum usage_unit)sorts[k], input);
            price_cache_of(c->prices, &q, &usage, &r);
            most = r.cost_pusd > most ? r.cost_pusd : most;
        }
    }
    return most;
}

/* One that is remembered, or a place for one. */
static struct policy_rate *rate_for(const struct policy_class *c, int64_t at_us, int64_t input)
{
    struct policy_rate *oldest = c->rates;

    for (int i = 0; i < POLICY_RATES; i++) {
        struct policy_rate *r = &c->rates[i];
        if (at_us >= r->from_us && at_us < r->until_us && input >= r->input_from &&
            input < r->input_until)
            return r;
        if (r->until_us < oldest->until_us)
            oldest = r;
    }
    *oldest = (struct policy_rate){ 0 };
    return oldest;
}

int64_t policy_reservation(const struct policy_class *c, const struct policy_ask *ask,
                           int64_t default_output)
{
    int64_t input = ask->input_tokens > 0 ? ask->input_tokens : c->policy->plan->assume_input;
    int64_t output = ask->output_tokens > 0 ? ask->output_tokens : default_output;
    i128 pusd;

    if (!c->prices || !c->priced_count)
        return -1;
    input = input < USAGE_VALUE_MAX ? input : USAGE_VALUE_MAX;
    output = output < USAGE_VALUE_MAX ? output : USAGE_VALUE_MAX;
    struct policy_rate *rate = rate_for(c, ask->now_us, input);
    if (rate->until_us == 0) {
        struct policy_rate found;
        int simple = find_rate(c, ask->now_us, input, &found);
        if (simple < 0)
            return -1;
        if (simple == 0) {
            pusd = price_whole(c, ask->now_us, input, output);
            return (int64_t)((pusd + PUSD_PER_NUSD - 1) / PUSD_PER_NUSD);
        }
        *rate = found;
    }
    pusd = (i128)input * rate->input_pusd + (i128)output * rate->output_pusd + rate->request_pusd;
    i128 nusd = (pusd + PUSD_PER_NUSD - 1) / PUSD_PER_NUSD;
    return nusd > NUSD_MAX ? NUSD_MAX : (int64_t)nusd;
}

int64_t policy_nusd(i128 pusd)
{
    if (pusd >= 0 && pusd <= INT64_MAX) { /* 9 million USD: as nearly all */
        int64_t whole = (int64_t)pusd / PUSD_PER_NUSD, rest = (int64_t)pusd % PUSD_PER_NUSD;
        return whole + (rest > PUSD_PER_NUSD / 2 || (rest == PUSD_PER_NUSD / 2 && whole % 2));
    }
    i128 nusd = decimal_round(pusd, 3);

    return nusd < 0 ? 0 : nusd > NUSD_MAX ? NUSD_MAX : (int64_t)nusd;
}
