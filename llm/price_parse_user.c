#include "config.h"

#include "llm/price_reading.h"

static int read_map(struct price_reading *r, const struct yaml_node *n, struct price_map *ret)
{
    static const char *const known[] = { "provider", "from", "to", "to_provider", "times", NULL };

    if (n->kind != YAML_MAP)
        return price_read_bad(r, n, "a map with from and to");
    if (yaml_check_keys(r->yaml, n, known, r->err) < 0)
        return -1;
    const struct yaml_node *provider = yaml_get(n, "provider"), *from = yaml_get(n, "from"),
                           *to = yaml_get(n, "to"), *to_provider = yaml_get(n, "to_provider"),
                           *times = yaml_get(n, "times");
    ret->line = n->line;
    ret->times = (struct price_ratio){ 1, 1 };
    if (!from || !to)
        return yaml_err(r->yaml, n, r->err, "a map needs from and to");
    if (provider && price_read_provider(r, provider, &ret->provider) < 0)
        return -1;
    if (to_provider && price_read_provider(r, to_provider, &ret->to_provider) < 0)
        return -1;
    if (price_read_lower(r, from, &ret->from) < 0 || price_read_lower(r, to, &ret->to) < 0)
        return -1;
    return times ? price_read_ratio(r, times, &ret->times) : 0;
}

int price_read_maps(struct price_reading *r, const struct yaml_node *a, const struct yaml_node *b)
{
    const struct yaml_node *lists[] = { a, b };
    size_t total = (a ? a->len : 0) + (b ? b->len : 0);

    r->file->maps = arena_alloc(&r->file->arena, (total + 1) * sizeof(*r->file->maps));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        if (!lists[i])
            continue;
        if (lists[i]->kind != YAML_LIST)
            return price_read_bad(r, lists[i], "a list of maps with from and to");
        for (const struct yaml_node *n = lists[i]->items; n; n = n->next)
            if (read_map(r, n, &r->file->maps[r->file->map_count++]) < 0)
                return -1;
    }
    return 0;
}

/* `percent: "15"` is what comes off; `times: "1.1"` is the factor itself. */
static int read_factor(struct price_reading *r, const struct yaml_node *n, struct price_adjust *ret)
{
    const struct yaml_node *percent = yaml_get(n, "percent"), *times = yaml_get(n, "times");
    int64_t hundred = 100;
    i128 value;

    if (percent && times)
        return yaml_err(r->yaml, times, r->err, "give either percent or times");
    ret->has_times = percent || times;
    if (times)
        return price_read_ratio(r, times, &ret->times);
    if (!percent)
        return 0;
    for (int i = 0; i < PRICE_RATIO_SCALE; i++)
        hundred *= 10;
    if (price_read_decimal(r, percent, PRICE_RATIO_SCALE, &value) < 0)
        return -1;
    if (value > hundred)
        return price_read_bad(r, percent, "the percentage that comes off, 0 to 100");
    ret->times = price_ratio_reduce(hundred - (int64_t)value, hundred);
    return 0;
}

static int read_adjust(struct price_reading *r, const struct yaml_node *n, struct price_adjust *ret)
{
    static const char *const known[] = { "provider", "models",  "tiers",        "geo",  "from",
                                         "until",    "percent", "times",        "fees", "source",
                                         "checked",  "note",    PRICE_SET_KEYS, NULL };

    if (n->kind != YAML_MAP)
        return price_read_bad(r, n, "a map");
    if (yaml_check_keys(r->yaml, n, known, r->err) < 0)
        return -1;
    const struct yaml_node *provider = yaml_get(n, "provider"), *models = yaml_get(n, "models"),
                           *tiers = yaml_get(n, "tiers"), *geo = yaml_get(n, "geo"),
                           *fees = yaml_get(n, "fees"), *note = yaml_get(n, "note");
    ret->line = n->line;
    ret->provider = r->file->provider;
    ret->times = (struct price_ratio){ 1, 1 };
    if (provider && price_read_provider(r, provider, &ret->provider) < 0)
        return -1;
    if (models && price_read_lowers(r, models, &ret->models, &ret->model_count) < 0)
        return -1;
    if (tiers && price_read_lowers(r, tiers, &ret->tiers, &ret->tier_count) < 0)
        return -1;
    if (geo && price_read_lowers(r, geo, &ret->geos, &ret->geo_count) < 0)
        return -1;
    if (fees && yaml_bool(r->yaml, fees, &ret->fees_too, r->err) < 0)
        return -1;
    if (note && price_read_text(r, note, &ret->text) < 0)
        return -1;
    if (price_read_span(r, n, &ret->from_us, &ret->until_us) < 0 || read_factor(r, n, ret) < 0)
        return -1;
    if (price_read_set(r, n, &ret->set) < 0)
        return -1;
    if (!ret->has_times && ret->set.count == 0)
        return yaml_err(r->yaml, n, r->err, "give percent, times or prices");
    return 0;
}

/* What the reader is told when the discount applied. */
static void describe_discount(struct price_file *f, struct price_adjust *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    char number[DECIMAL_TEXT_BYTES];

    if (d->text.len > 0) {
        buf_add_str(&text, d->text);
    } else if (d->set.count > 0) {
        buf_add_text(&text, "contract price");
    } else {
        i128 scaled = (i128)d->times.num * 1000000 / d->times.den;
        bool off = scaled <= 1000000;
        struct str s =
            str_from(decimal_format(off ? (1000000 - scaled) / 100 : scaled, off ? 2 : 6, number));
        while (s.ptr[s.len - 1] == '0')
            s.len--;
        if (s.ptr[s.len - 1] == '.')
            s.len--;
        buf_addf(&text, off ? "%.*s %% off" : "times %.*s", STR_ARG(s));
    }
    buf_addf(&text, " (%.*s)", STR_ARG(f->base_name));
    d->text = arena_str(&f->arena, buf_str(&text));
}

int price_read_adjusts(struct price_reading *r, const struct yaml_node *list, bool regions,
                       struct price_adjust **ret, size_t *ret_count)
{
    if (!list)
        return 0;
    if (list->kind != YAML_LIST)
        return price_read_bad(r, list, "a list");
    *ret = arena_alloc(&r->file->arena, (list->len + 1) * sizeof(**ret));
    for (const struct yaml_node *n = list->items; n; n = n->next) {
        struct price_adjust *adjust = &(*ret)[(*ret_count)++];
        if (read_adjust(r, n, adjust) < 0)
            return -1;
        if (!regions) {
            describe_discount(r->file, adjust);
            continue;
        }
        if (adjust->geo_count == 0 || !adjust->has_times || adjust->set.count > 0)
            return yaml_err(r->yaml, n, r->err, "a region needs geo and times");
    }
    return 0;
}
