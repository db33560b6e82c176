#include "config.h"

#include "llm/price_sheet.h"

#include <stdlib.h>
#include <string.h>

#include "llm/price_model.h"

void price_sheet_release(struct price_sheet *s)
{
    free(s->lines);
    *s = (struct price_sheet){ 0 };
}

static void add_line(struct price_sheet *s, struct price_line line)
{
    if (s->len == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->lines = mem_realloc(s->lines, s->cap * sizeof(*s->lines));
    }
    s->lines[s->len++] = line;
}

/* The quotation a scale came from. */
static const char *per_of(int32_t scale, int unit)
{
    for (int per = 0; per < PRICE_PER_COUNT; per++)
        if (PRICE_DENOMINATOR / price_per_divisor((enum price_per)per) == scale &&
            price_unit_allows(unit, (enum price_per)per))
            return price_per_key((enum price_per)per);
    return "";
}

static void add_variants(struct price_sheet *s, const struct price_set *set, struct price_line line)
{
    for (size_t i = 0; set && i < set->count; i++) {
        const struct price_rate *r = &set->rates[i];
        if (r->variant.len == 0)
            continue;
        line.unit = price_unit_key(r->unit);
        line.variant = r->variant;
        line.per = price_per_key((enum price_per)r->per);
        line.amount_pusd = r->amount;
        line.elsewhere = r->elsewhere;
        add_line(s, line);
    }
}

/* skip: units not to be shown. */
static void add_plan(struct price_sheet *s, const struct price_plan *plan, uint32_t skip,
                     struct price_line line)
{
    size_t at = 0;

    for (int unit = 0; unit < PRICE_UNIT_COUNT; unit++) {
        if (!(plan->own >> unit & 1))
            continue;
        const struct price_num *num = &plan->rates[at++];
        if (skip >> unit & 1)
            continue;
        line.unit = price_unit_key(unit);
        line.per = per_of(num->scale, unit);
        line.elsewhere = num->elsewhere;
        line.amount_pusd = num->amount;
        if (price_unit_is_token(unit))
            line.amount_pusd = price_scale((u128)num->amount, (u128)(uint64_t)plan->times.num,
                                           (u128)(uint64_t)plan->times.den);
        add_line(s, line);
    }
    add_variants(s, plan->image_variants, line);
}

static void add_schedules(struct price_sheet *s, const struct price_period *p, struct str tier)
{
    for (size_t i = 0; i < p->schedule_count; i++) {
        const struct price_schedule *schedule = &p->schedules[i];
        if (tier.len > 0 && !str_ieq(schedule->tier, tier))
            continue;
        for (size_t j = 0; j <= schedule->level_count; j++) {
            struct price_line line = { .tier = schedule->tier };
            if (j > 0) {
                line.above = schedule->levels[j - 1]->threshold;
                line.inclusive = schedule->levels[j - 1]->inclusive;
            }
            add_plan(s, &schedule->plans[j], 0, line);
        }
    }
}

/* Of the provider, where the model has none of its own. */
static void add_fees(struct price_sheet *s, const struct price_book *book,
                     const struct price_entry *e, const struct price_period *own, int64_t at_us)
{
    size_t count;
    const struct price_file *const *files = price_book_fees(book, e->provider, &count);

    for (size_t i = count; i > 0; i--) {
        const struct price_period *p =
            price_period_at(files[i - 1]->fees, files[i - 1]->fee_count, at_us);
        if (!p)
            continue;
        add_plan(s, &p->schedules[0].plans[0], own->schedules[0].plans[0].own,
                 (struct price_line){ .provider_wide = true });
        return;
    }
}

bool price_sheet_make(const struct price_book *book, const struct price_query *query,
                      struct price_sheet *ret)
{
    struct price_match match;

    memset(ret, 0, sizeof(*ret));
    price_match(book, query, &match);
    for (size_t i = 0; i < match.count; i++) {
        const struct price_entry *e = match.candidates[i].entry;
        const struct price_period *p = price_period_at(e->periods, e->period_count, query->at_us);
        if (!p)
            continue;
        *ret = (struct price_sheet){
            .entry = e->name,
            .provider = e->provider,
            .path = e->file->path,
            .line = e->line,
            .from_us = p->from_us,
            .until_us = p->until_us,
            .part_of_day = p->hours_from_s >= 0 || p->days != 0,
            .source = p->source,
            .checked = p->checked,
            .note = p->note,
            .period_count = e->period_count,
            .flags = match.candidates[i].flags,
        };
        add_schedules(ret, p, query->service_tier);
        add_fees(ret, book, e, p, query->at_us);
        return true;
    }
    return false;
}

size_t price_sheet_providers(const struct price_book *book, const struct price_query *query,
                             enum provider *ret)
{
    size_t count = 0;

    for (int p = PROVIDER_UNKNOWN + 1; p < PROVIDER_COUNT; p++) {
        struct price_query one = *query;
        struct price_match match;
        one.provider = (enum provider)p;
        price_match(book, &one, &match);
        if (match.count > 0 &&
            !(match.candidates[0].flags & (PRICE_PROVIDER_FALLBACK | PRICE_PROVIDER_ASSUMED)))
            ret[count++] = one.provider;
    }
    return count;
}

bool price_sheet_knows_tier(const struct price_book *book, struct str sent)
{
    struct str tier = price_tier_name(sent);

    if (tier.len == 0 || price_tier_is_committed(tier))
        return true;
    for (size_t i = 0; i < price_book_file_count(book); i++) {
        const struct price_file *f = price_book_file(book, i);
        for (size_t j = 0; j < f->entry_count; j++)
            for (size_t k = 0; k < f->entries[j].period_count; k++)
                if (price_schedule_find(&f->entries[j].periods[k], tier))
                    return true;
    }
    return false;
}

size_t price_sheet_suggest(const struct price_book *book, struct str text, struct str *ret,
                           size_t max)
{
    struct arena arena = { 0 };
    struct str wanted = price_lower(&arena, text);
    size_t count = 0;

    for (size_t i = 0; i < price_book_file_count(book) && wanted.len > 0; i++) {
        const struct price_file *f = price_book_file(book, i);
        for (size_t j = 0; j < f->entry_count && count < max; j++)
            if (str_find(f->entries[j].id, wanted, 0) >= 0)
                ret[count++] = f->entries[j].name;
    }
    arena_release(&arena);
    return count;
}
