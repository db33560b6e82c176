/* price_choose - which entry, period, tier and context length a call is priced by, and what is laid
 * over it: regions, discounts, fees. */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "llm/price_model.h"

#define GEO_BYTES_MAX 128 /* of a geography; longer ones are none that a price names */

/* The words providers use for a service tier, and ours. */
static const struct {
    struct str sent, means;
} tier_names[] = {
    {STR_INIT("default"),                 STR_INIT("")           },
    { STR_INIT("standard"),               STR_INIT("")           },
    { STR_INIT("auto"),                   STR_INIT("")           },
    { STR_INIT("on_demand"),              STR_INIT("")           },
    { STR_INIT("on_demand_priority"),     STR_INIT("priority")   },
    { STR_INIT("priority_on_demand"),     STR_INIT("priority")   },
    { STR_INIT("on_demand_flex"),         STR_INIT("flex")       },
    { STR_INIT("flex_discount"),          STR_INIT("flex")       },
    { STR_INIT("batches"),                STR_INIT("batch")      },
    { STR_INIT("provisioned_throughput"), STR_INIT("provisioned")},
};

static const struct str committed_tiers[] = { STR_INIT("provisioned"), STR_INIT("reserved"),
                                              STR_INIT("scale") };

struct str price_tier_name(struct str sent)
{
    for (size_t i = 0; i < ARRAY_LEN(tier_names); i++)
        if (str_ieq(sent, tier_names[i].sent))
            return tier_names[i].means;
    return sent;
}

bool price_tier_is_committed(struct str tier)
{
    for (size_t i = 0; i < ARRAY_LEN(committed_tiers); i++)
        if (str_ieq(tier, committed_tiers[i]))
            return true;
    return false;
}

const struct price_schedule *price_schedule_find(const struct price_period *p, struct str tier)
{
    for (size_t i = 0; i < p->schedule_count; i++)
        if (str_ieq(p->schedules[i].tier, tier))
            return &p->schedules[i];
    /* OpenAI answers a request for "fast" with "priority": one price, two names. */
    return str_ieq(tier, STR("fast")) ? price_schedule_find(p, STR("priority")) : NULL;
}

static const struct price_plan *choose_plan(const struct price_schedule *s,
                                            const struct price_query *query, const struct usage *u,
                                            uint32_t *flags)
{
    int64_t input = usage_has(u, USAGE_INPUT) ? u->n[USAGE_INPUT] : 0;
    bool is_long = str_eq(query->variant, PRICE_VARIANT_LONG);
    bool is_said = is_long || str_eq(query->variant, PRICE_VARIANT_SHORT);
    size_t level = is_long ? s->level_count : 0;

    if (!is_said && s->level_count > 0 && query->requests > 1) {
        input /= query->requests;
        *flags |= PRICE_AVERAGED;
    }
    for (size_t i = 0; i < s->level_count && !is_said; i++)
        if (input > s->levels[i]->threshold ||
            (s->levels[i]->inclusive && input == s->levels[i]->threshold))
            level = i + 1;
    if (level > 0)
        *flags |= PRICE_LONG_CONTEXT;
    return &s->plans[level];
}

static bool in_list(const struct str *globs, size_t count, struct str id)
{
    for (size_t i = 0; i < count; i++)
        if (str_glob(globs[i], id))
            return true;
    return count == 0;
}

/* The glob of the list that a geography in any case meets, or NULL. */
const struct str *price_adjust_geo(const struct price_adjust *a, struct str geo)
{
    char lower[GEO_BYTES_MAX];

    if (geo.len == 0 || geo.len > sizeof(lower))
        return NULL;
    for (size_t i = 0; i < geo.len; i++)
        lower[i] = (char)tolower((unsigned char)geo.ptr[i]);
    for (size_t i = 0; i < a->geo_count; i++)
        if (str_glob(a->geos[i], (struct str){ lower, geo.len }))
            return &a->geos[i];
    return NULL;
}

static bool applies(const struct price_adjust *a, const struct price_entry *e,
                    const struct price_query *query)
{
    if (a->provider != PROVIDER_UNKNOWN && a->provider != query->provider)
        return false;
    if (query->at_us < a->from_us || query->at_us >= a->until_us)
        return false;
    if (a->geo_count > 0 && !price_adjust_geo(a, query->geo))
        return false;
    struct str tier = price_tier_name(query->service_tier);
    bool tier_ok = a->tier_count == 0;
    for (size_t i = 0; i < a->tier_count && !tier_ok; i++)
        tier_ok = str_ieq(price_tier_name(a->tiers[i]), tier);
    /* An absolute price is one tier's price. */
    if (a->tier_count == 0 && a->set.count > 0 && tier.len > 0)
        return false;
    return tier_ok && in_list(a->models, a->model_count, e->id);
}

const struct price_adjust *price_adjust_find(const struct price_book *book, bool regions,
                                             const struct price_entry *e,
                                             const struct price_query *query)
{
    size_t count;
    const struct price_adjust *const *list = price_book_adjusts(book, regions, &count);

    for (size_t i = count; i > 0; i--)
        if (applies(list[i - 1], e, query))
            return list[i - 1];
    return NULL;
}

/* Provider-wide fees: of the entry's own provider, the last file that has them wins. */
const struct price_plan *price_fees_find(const struct price_book *book, enum provider provider,
                                         int64_t at_us)
{
    size_t count;
    const struct price_file *const *files = price_book_fees(book, provider, &count);

    for (size_t i = count; i > 0; i--) {
        const struct price_file *f = files[i - 1];
        const struct price_period *p = price_period_at(f->fees, f->fee_count, at_us);
        if (p)
            return &p->schedules[0].plans[0];
    }
    return NULL;
}

static bool choose(const struct price_match *match, size_t i, const struct price_query *query,
                   const struct usage *usage, struct price_chosen *ret)
{
    struct str tier = price_tier_name(query->service_tier);

    ret->entry = match->candidates[i].entry;
    ret->flags = match->candidates[i].flags;
    ret->period = price_period_at(ret->entry->periods, ret->entry->period_count, query->at_us);
    if (!ret->period)
        return false;
    const struct price_schedule *schedule = price_schedule_find(ret->period, tier);
    ret->committed = !schedule && price_tier_is_committed(tier);
    if (!schedule && !ret->committed)
        ret->flags |= PRICE_TIER_ASSUMED;
    if (!schedule)
        schedule = &ret->period->schedules[0];
    ret->plan = choose_plan(schedule, query, usage, &ret->flags);
    return true;
}

static bool same_prices(const struct price_plan *a, const struct price_plan *b)
{
    if (a->own != b->own || a->times.num != b->times.num || a->times.den != b->times.den)
        return false;
    for (int i = 0; i < __builtin_popcount(a->own); i++)
        if (a->rates[i].amount != b->rates[i].amount || a->rates[i].scale != b->rates[i].scale)
            return false;
    return true;
}

/* The first candidate with a price at the moment; several providers must agree. */
bool price_choose(const struct price_match *match, const struct price_query *query,
                  const struct usage *usage, struct price_chosen *ret)
{
    bool found = false;

    for (size_t i = 0; i < match->count; i++) {
        struct price_chosen other;
        if (!choose(match, i, query, usage, &other))
            continue;
        if (found && !same_prices(ret->plan, other.plan))
            return false;
        if (!found)
            *ret = other;
        found = true;
        if (!match->must_agree)
            break;
    }
    return found;
}
