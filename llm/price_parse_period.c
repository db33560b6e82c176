#include "config.h"

#include <string.h>

#include "base/timestamp.h"
#include "base/vec.h"
#include "llm/price_reading.h"

#define SECONDS_OF_DAY 86400

/* --- price sets --- */

static int read_amount(struct price_reading *r, const struct yaml_node *n, struct price_rate *ret)
{
    i128 value;

    ret->line = n->line;
    if (n->kind == YAML_SCALAR && str_eq(n->text, STR("elsewhere"))) {
        ret->elsewhere = true;
        return 0;
    }
    if (price_read_decimal(r, n, PUSD_SCALE, &value) < 0)
        return -1;
    if (value > INT64_MAX)
        return yaml_err(r->yaml, n, r->err, "'%.*s' USD is more than a price can be",
                        STR_ARG(n->text));
    ret->amount = (int64_t)value;
    return 0;
}

typedef VEC(struct price_rate) rate_list;

static int read_rate(struct price_reading *r, const struct yaml_node *n, enum price_per per,
                     rate_list *rates)
{
    struct price_rate rate = { .per = (uint8_t)per };
    int unit;

    if (!price_unit_parse(n->key->text, &unit))
        return yaml_err(r->yaml, n->key, r->err, "unknown unit '%.*s' (see weir-prices(5))",
                        STR_ARG(n->key->text));
    if (!price_unit_allows(unit, per))
        return yaml_err(r->yaml, n->key, r->err, "'%s' cannot be priced %s%s", price_unit_key(unit),
                        price_per_key(per),
                        price_unit_is_token(unit) ? ": tokens are quoted per_million" : "");
    rate.unit = (uint8_t)unit;
    if (n->kind != YAML_MAP) {
        if (read_amount(r, n, &rate) < 0)
            return -1;
        vec_push(rates, rate);
        return 0;
    }
    if (unit != USAGE_IMAGES)
        return price_read_bad(r, n, "a decimal number");
    for (const struct yaml_node *v = n->items; v; v = v->next) {
        rate.variant = str_eq(v->key->text, STR("default"))
                           ? (struct str){ 0 }
                           : price_lower(&r->file->arena, v->key->text);
        if (read_amount(r, v, &rate) < 0)
            return -1;
        vec_push(rates, rate);
    }
    return 0;
}

int price_read_set(struct price_reading *r, const struct yaml_node *map, struct price_set *ret)
{
    rate_list rates = { 0 };
    int result = 0;

    for (const struct yaml_node *n = map->items; n && result == 0; n = n->next) {
        enum price_per per;
        if (!price_per_parse(n->key->text, &per))
            continue;
        if (n->kind != YAML_MAP) {
            result = price_read_bad(r, n, "a map of units and prices");
            break;
        }
        for (const struct yaml_node *u = n->items; u && result == 0; u = u->next)
            result = read_rate(r, u, per, &rates);
    }
    for (size_t i = 0; i < rates.len && result == 0; i++)
        for (size_t j = 0; j < i && result == 0; j++)
            if (rates.ptr[i].unit == rates.ptr[j].unit &&
                str_eq(rates.ptr[i].variant, rates.ptr[j].variant))
                result = yaml_err(r->yaml, map, r->err, "'%s' is priced twice",
                                  price_unit_key(rates.ptr[i].unit));
    if (result == 0 && rates.len > 0) {
        ret->rates = arena_alloc(&r->file->arena, rates.len * sizeof(*ret->rates));
        memcpy(ret->rates, rates.ptr, rates.len * sizeof(*ret->rates));
        ret->count = rates.len;
    }
    vec_release(&rates);
    return result;
}

static int read_level(struct price_reading *r, const struct yaml_node *n, struct price_level *ret)
{
    static const char *const known[] = { "above", "at_least", PRICE_SET_KEYS, NULL };

    if (n->kind != YAML_MAP)
        return price_read_bad(r, n, "a map with above or at_least, and prices");
    if (yaml_check_keys(r->yaml, n, known, r->err) < 0)
        return -1;
    const struct yaml_node *above = yaml_get(n, "above"), *from = yaml_get(n, "at_least");
    if (!above == !from)
        return yaml_err(r->yaml, n, r->err, "give either above or at_least, in input tokens");
    if (yaml_int(r->yaml, above ? above : from, &ret->threshold, r->err) < 0)
        return -1;
    if (ret->threshold <= 0)
        return price_read_bad(r, above ? above : from, "a positive number of tokens");
    ret->inclusive = from != NULL;
    ret->line = n->line;
    return price_read_set(r, n, &ret->set);
}

static int read_levels(struct price_reading *r, const struct yaml_node *n, struct price_level **ret,
                       size_t *ret_count)
{
    if (!n)
        return 0;
    if (n->kind != YAML_LIST || n->len == 0 || n->len > PRICE_LEVELS_MAX)
        return yaml_err(r->yaml, n, r->err, "expected a list of 1 to %d steps", PRICE_LEVELS_MAX);
    *ret = arena_alloc(&r->file->arena, n->len * sizeof(**ret));
    for (const struct yaml_node *item = n->items; item; item = item->next) {
        struct price_level *level = &(*ret)[*ret_count];
        if (read_level(r, item, level) < 0)
            return -1;
        if (*ret_count > 0 && level->threshold <= level[-1].threshold)
            return yaml_err(r->yaml, item, r->err, "steps must rise");
        (*ret_count)++;
    }
    return 0;
}

static const struct price_tier *find_tier(const struct price_period *p, struct str name)
{
    for (size_t i = 0; i < p->tier_count; i++)
        if (str_eq(p->tiers[i].name, name))
            return &p->tiers[i];
    return NULL;
}

static int read_tier(struct price_reading *r, const struct yaml_node *n, struct price_period *p)
{
    static const char *const known[] = { "times", "long", PRICE_SET_KEYS, NULL };
    struct price_tier *tier = &p->tiers[p->tier_count];

    if (n->kind == YAML_SCALAR) {
        const struct price_tier *same = find_tier(p, n->text);
        if (!same)
            return yaml_err(r->yaml, n, r->err,
                            "expected prices, or the name of a tier listed before, got '%.*s'",
                            STR_ARG(n->text));
        *tier = *same;
    } else if (n->kind != YAML_MAP) {
        return price_read_bad(r, n, "a map");
    }
    tier->line = n->line;
    tier->name = price_lower(&r->file->arena, n->key->text);
    p->tier_count++;
    if (n->kind == YAML_SCALAR)
        return 0;
    if (yaml_check_keys(r->yaml, n, known, r->err) < 0)
        return -1;
    const struct yaml_node *times = yaml_get(n, "times");
    tier->has_times = times != NULL;
    if (times && price_read_ratio(r, times, &tier->times) < 0)
        return -1;
    if (price_read_set(r, n, &tier->set) < 0)
        return -1;
    if (tier->has_times == (tier->set.count > 0))
        return yaml_err(r->yaml, n, r->err, "give a tier either times or prices of its own");
    return read_levels(r, yaml_get(n, "long"), &tier->levels, &tier->level_count);
}

static int read_tiers(struct price_reading *r, const struct yaml_node *n, struct price_period *p)
{
    if (!n)
        return 0;
    if (n->kind != YAML_MAP || n->len > PRICE_TIERS_MAX)
        return yaml_err(r->yaml, n, r->err, "expected a map of at most %d tiers", PRICE_TIERS_MAX);
    p->tiers = arena_alloc(&r->file->arena, (n->len + 1) * sizeof(*p->tiers));
    for (const struct yaml_node *t = n->items; t; t = t->next)
        if (read_tier(r, t, p) < 0)
            return -1;
    return 0;
}

/* --- periods --- */

/* "00:30-16:30", of the UTC day. */
static int read_hours(struct price_reading *r, const struct yaml_node *n, struct price_period *p)
{
    static const size_t at[] = { 0, 3, 6, 9 };
    int part[4];

    if (n->kind != YAML_SCALAR || n->text.len != 11 || n->text.ptr[2] != ':' ||
        n->text.ptr[5] != '-' || n->text.ptr[8] != ':')
        return price_read_bad(r, n, "UTC hours such as \"00:30-16:30\"");
    for (size_t i = 0; i < 4; i++) {
        char tens = n->text.ptr[at[i]], ones = n->text.ptr[at[i] + 1];
        if (tens < '0' || tens > '9' || ones < '0' || ones > '9')
            return price_read_bad(r, n, "UTC hours such as \"00:30-16:30\"");
        part[i] = (tens - '0') * 10 + (ones - '0');
    }
    p->hours_from_s = part[0] * 3600 + part[1] * 60;
    p->hours_until_s = part[2] * 3600 + part[3] * 60;
    if (part[1] > 59 || part[3] > 59 || p->hours_from_s >= SECONDS_OF_DAY ||
        p->hours_until_s > SECONDS_OF_DAY || p->hours_from_s == p->hours_until_s)
        return price_read_bad(r, n, "UTC hours such as \"00:30-16:30\"");
    return 0;
}

/* "mon-fri", of the UTC week; may wrap. */
static int read_days(struct price_reading *r, const struct yaml_node *n, struct price_period *p)
{
    static const char *const names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
    int ends[2] = { -1, -1 };

    if (n->kind == YAML_SCALAR && n->text.len == 7 && n->text.ptr[3] == '-')
        for (int i = 0; i < 7; i++)
            for (size_t end = 0; end < 2; end++)
                if (str_ieq(str_sub(n->text, end * 4, 3), str_from(names[i])))
                    ends[end] = i;
    if (ends[0] < 0 || ends[1] < 0)
        return price_read_bad(r, n, "UTC weekdays such as mon-fri");
    for (int day = ends[0];; day = (day + 1) % 7) {
        p->days = (uint8_t)(p->days | 1u << day);
        if (day == ends[1])
            return 0;
    }
}

int price_read_period(struct price_reading *r, const struct yaml_node *n,
                      const struct yaml_node *defaults, struct price_period *ret)
{
    const struct yaml_node *hours = yaml_get(n, "hours"), *days = yaml_get(n, "days"),
                           *source = yaml_get(n, "source"), *checked = yaml_get(n, "checked"),
                           *note = yaml_get(n, "note");
    int64_t day;

    ret->line = n->line;
    ret->hours_from_s = ret->hours_until_s = -1;
    if (!source && defaults)
        source = yaml_get(defaults, "source");
    if (!checked && defaults)
        checked = yaml_get(defaults, "checked");
    if (price_read_span(r, n, &ret->from_us, &ret->until_us) < 0)
        return -1;
    if (hours && read_hours(r, hours, ret) < 0)
        return -1;
    if (days && read_days(r, days, ret) < 0)
        return -1;
    if (source && price_read_words(r, source, &ret->source) < 0)
        return -1;
    if (checked &&
        (price_read_moment(r, checked, &day) < 0 || price_read_text(r, checked, &ret->checked) < 0))
        return -1;
    if (note && price_read_text(r, note, &ret->note) < 0)
        return -1;
    if (price_read_set(r, n, &ret->set) < 0 || read_tiers(r, yaml_get(n, "tiers"), ret) < 0)
        return -1;
    return read_levels(r, yaml_get(n, "long"), &ret->levels, &ret->level_count);
}

int price_read_periods(struct price_reading *r, const struct yaml_node *list,
                       const struct yaml_node *defaults, struct price_period **ret,
                       size_t *ret_count)
{
    static const char *const known[] = { PRICE_PERIOD_KEYS, NULL };

    if (list->kind != YAML_LIST || list->len == 0)
        return price_read_bad(r, list, "a list of dated prices");
    *ret = arena_alloc(&r->file->arena, list->len * sizeof(**ret));
    for (const struct yaml_node *n = list->items; n; n = n->next) {
        if (n->kind != YAML_MAP)
            return price_read_bad(r, n, "a map");
        if (yaml_check_keys(r->yaml, n, known, r->err) < 0 ||
            price_read_period(r, n, defaults, &(*ret)[*ret_count]) < 0)
            return -1;
        (*ret_count)++;
    }
    return 0;
}
