#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "llm/price_model.h"

/* A plan under construction: unpacked. */
struct draft {
    const struct price_rate *rates[PRICE_UNIT_COUNT]; /* NULL = no price */
    const struct price_set *image_variants;
};

static bool has_variants(const struct price_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->rates[i].variant.len > 0)
            return true;
    return false;
}

/* The nearest unit above `unit` that the set prices, or NULL. */
static const struct price_rate *find_whole(const struct price_set *set, int unit)
{
    if (unit >= USAGE_UNIT_COUNT)
        return NULL;
    enum usage_unit at = usage_unit_parent((enum usage_unit)unit);
    for (; at != USAGE_NONE; at = usage_unit_parent(at)) {
        const struct price_rate *rate = price_set_find(set, at);
        if (rate)
            return rate;
    }
    return NULL;
}

static const struct price_rate *dearer(const struct price_rate *a, const struct price_rate *b)
{
    if (!a || !b)
        return a ? a : b;
    return (i128)b->amount * price_per_divisor((enum price_per)a->per) >
                   (i128)a->amount * price_per_divisor((enum price_per)b->per)
               ? b
               : a;
}

/* Lays prices over those below; what they do not name stays as it was. */
static struct draft overlay(const struct draft *below, const struct price_set *set)
{
    struct draft d = *below;

    for (int unit = 0; unit < PRICE_UNIT_COUNT; unit++) {
        const struct price_rate *own = price_set_find(set, unit);
        if (own)
            d.rates[unit] = own;
    }
    if (has_variants(set))
        d.image_variants = set;
    return d;
}

/* The same for a service tier.  Where it prices a whole but not the part (batch lists input and
 * output, not cached input), the part costs the dearer of its standard price and the whole's new
 * one: a discount nobody promised is not assumed, nor is a surcharge lost.  OpenAI's prompt caching
 * guide says that its discount does not apply to batches, which is this very case. */
static struct draft overlay_tier(const struct draft *below, const struct price_set *set)
{
    struct draft d = overlay(below, set);

    for (int unit = 0; unit < PRICE_UNIT_COUNT; unit++)
        if (below->rates[unit] && !price_set_find(set, unit))
            d.rates[unit] = dearer(below->rates[unit], find_whole(set, unit));
    return d;
}

/* A tier without long-context prices of its own: the dearer of its price and the standard tier's
 * long-context price. */
static struct draft dearer_of(const struct draft *a, const struct draft *b)
{
    struct draft d = *a;

    for (int unit = 0; unit < PRICE_UNIT_COUNT; unit++)
        d.rates[unit] = dearer(a->rates[unit], b->rates[unit]);
    return d;
}

static struct str note_text(struct price_file *f, const struct price_period *p, struct str tier,
                            const struct price_level *level)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_add_str(&text, tier);
    if (level)
        buf_addf(&text, "%slong context (%s %" PRId64 " input tokens)", text.len ? ", " : "",
                 level->inclusive ? "from" : "above", level->threshold);
    if (p && p->note.len > 0)
        buf_addf(&text, "%s%.*s", text.len ? ", " : "", STR_ARG(p->note));
    if (f->layer > 0)
        buf_addf(&text, "%soverlay %.*s", text.len ? ", " : "", STR_ARG(f->base_name));
    return arena_str(&f->arena, buf_str(&text));
}

static struct price_plan pack(struct arena *a, const struct draft *d)
{
    struct price_plan plan = {
        .image_variants = d->image_variants, .times = {1, 1}
    };
    size_t count = 0;

    for (int unit = 0; unit < PRICE_UNIT_COUNT; unit++)
        count += d->rates[unit] != NULL;
    struct price_num *rates = arena_alloc(a, (count + 1) * sizeof(*rates));
    count = 0;
    for (int unit = 0; unit < PRICE_UNIT_COUNT; unit++) {
        const struct price_rate *rate = d->rates[unit];
        if (!rate)
            continue;
        int64_t divisor = price_per_divisor((enum price_per)rate->per);
        plan.own |= 1u << unit;
        rates[count++] = (struct price_num){
            .amount = rate->amount,
            .scale = (int32_t)(PRICE_DENOMINATOR / divisor),
            .elsewhere = rate->elsewhere,
        };
    }
    plan.rates = rates;
    return plan;
}

static void open_schedule(struct price_file *f, struct price_schedule *s,
                          const struct price_level *levels, size_t count)
{
    s->level_count = count;
    s->levels = arena_alloc(&f->arena, (count + 1) * sizeof(struct price_level *));
    s->plans = arena_alloc(&f->arena, (count + 1) * sizeof(*s->plans));
    for (size_t i = 0; i < count; i++)
        s->levels[i] = &levels[i];
}

static void plan_tier(struct price_file *f, const struct price_period *p,
                      const struct price_tier *tier, const struct draft *standard,
                      struct price_schedule *ret)
{
    bool own_levels = tier->level_count > 0;

    ret->tier = tier->name;
    open_schedule(f, ret, own_levels ? tier->levels : p->levels,
                  own_levels ? tier->level_count : p->level_count);
    struct draft base = overlay_tier(&standard[0], &tier->set);
    for (size_t i = 0; i <= ret->level_count; i++) {
        struct draft d = base;
        if (i > 0 && own_levels)
            d = overlay(&base, &tier->levels[i - 1].set);
        else if (tier->has_times)
            d = standard[i];
        else if (i > 0)
            d = dearer_of(&base, &standard[i]);
        ret->plans[i] = pack(&f->arena, &d);
        if (tier->has_times)
            ret->plans[i].times = tier->times;
        ret->plans[i].note = note_text(f, p, tier->name, i > 0 ? ret->levels[i - 1] : NULL);
    }
}

static void plan_period(struct price_file *f, struct price_period *p)
{
    static const struct draft nothing;
    struct draft standard[PRICE_LEVELS_MAX + 1];

    assert(p->level_count <= PRICE_LEVELS_MAX);
    p->schedule_count = p->tier_count + 1;
    p->schedules = arena_alloc(&f->arena, p->schedule_count * sizeof(*p->schedules));
    struct price_schedule *first = p->schedules;
    open_schedule(f, first, p->levels, p->level_count);
    standard[0] = overlay(&nothing, &p->set);
    for (size_t i = 0; i <= p->level_count; i++) {
        if (i > 0)
            standard[i] = overlay(&standard[0], &p->levels[i - 1].set);
        first->plans[i] = pack(&f->arena, &standard[i]);
        first->plans[i].note = note_text(f, p, STR(""), i > 0 ? &p->levels[i - 1] : NULL);
    }
    for (size_t i = 0; i < p->tier_count; i++)
        plan_tier(f, p, &p->tiers[i], standard, &p->schedules[i + 1]);
}

void price_plan_file(struct price_file *f)
{
    static const struct draft nothing;

    for (size_t i = 0; i < f->entry_count; i++)
        for (size_t j = 0; j < f->entries[i].period_count; j++)
            plan_period(f, &f->entries[i].periods[j]);
    for (size_t i = 0; i < f->fee_count; i++)
        plan_period(f, &f->fees[i]);
    for (size_t i = 0; i < f->discount_count; i++) {
        struct draft d = overlay(&nothing, &f->discounts[i].set);
        f->discounts[i].plan = pack(&f->arena, &d);
    }
}
