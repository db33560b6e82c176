#include "config.h"

#include "analyze/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/timestamp.h"

#define RATE_UNITS  INT64_C(1000000000) /* what a rate is the price of; USAGE_VALUE_MAX */
#define MICRO       1000000
#define EXACT_PUSD  1000 /* a billionth of a USD: what a double's digits lose */
#define CENT_PUSD   (PUSD_PER_USD / 100)
#define RATIO_CELLS 3 /* days at one and the same ratio: a price, not traffic */

static const char *const class_names[] = {
#define X(constant, name, advice) name,
    RECONCILE_CLASSES(X)
#undef X
};
static const char *const class_advice[] = {
#define X(constant, name, advice) advice,
    RECONCILE_CLASSES(X)
#undef X
};

const char *reconcile_class_name(enum reconcile_class c)
{
    return class_names[c];
}

const char *reconcile_class_advice(enum reconcile_class c)
{
    return class_advice[c];
}

/* What of a usage a kind is: the units to set for the price of it alone. */
static const struct {
    int unit, within[2]; /* enum usage_unit; USAGE_NONE ends */
} priced_as[BILL_UNIT_COUNT] = {
    [BILL_NONE] = {USAGE_NONE,            { USAGE_NONE, USAGE_NONE }         },
    [BILL_INPUT] = { USAGE_INPUT,          { USAGE_NONE, USAGE_NONE }         },
    [BILL_CACHED_INPUT] = { USAGE_CACHED_INPUT,   { USAGE_INPUT, USAGE_NONE }        },
    [BILL_CACHE_WRITE] = { USAGE_CACHE_WRITE,    { USAGE_INPUT, USAGE_NONE }        },
    [BILL_CACHE_WRITE_5M] = { USAGE_CACHE_WRITE_5M, { USAGE_CACHE_WRITE, USAGE_INPUT } },
    [BILL_CACHE_WRITE_1H] = { USAGE_CACHE_WRITE_1H, { USAGE_CACHE_WRITE, USAGE_INPUT } },
    [BILL_OUTPUT] = { USAGE_OUTPUT,         { USAGE_NONE, USAGE_NONE }         },
    [BILL_INPUT_AUDIO] = { USAGE_INPUT_AUDIO,    { USAGE_INPUT, USAGE_NONE }        },
    [BILL_CACHED_AUDIO] = { USAGE_CACHED_AUDIO,   { USAGE_CACHED_INPUT, USAGE_INPUT }},
    [BILL_OUTPUT_AUDIO] = { USAGE_OUTPUT_AUDIO,   { USAGE_OUTPUT, USAGE_NONE }       },
    [BILL_INPUT_IMAGE] = { USAGE_INPUT_IMAGE,    { USAGE_INPUT, USAGE_NONE }        },
    [BILL_CACHED_IMAGE] = { USAGE_CACHED_IMAGE,   { USAGE_CACHED_INPUT, USAGE_INPUT }},
    [BILL_OUTPUT_IMAGE] = { USAGE_OUTPUT_IMAGE,   { USAGE_OUTPUT, USAGE_NONE }       },
    [BILL_WEB_SEARCHES] = { USAGE_WEB_SEARCHES,   { USAGE_NONE, USAGE_NONE }         },
    [BILL_FILE_SEARCHES] = { USAGE_FILE_SEARCHES,  { USAGE_NONE, USAGE_NONE }         },
    [BILL_CODE_SESSIONS] = { USAGE_CODE_SESSIONS,  { USAGE_NONE, USAGE_NONE }         },
    [BILL_IMAGES] = { USAGE_IMAGES,         { USAGE_NONE, USAGE_NONE }         },
    [BILL_SECONDS] = { USAGE_AUDIO_MS,       { USAGE_NONE, USAGE_NONE }         },
    [BILL_CHARACTERS] = { USAGE_CHARACTERS,     { USAGE_NONE, USAGE_NONE }         },
    [BILL_WEB_FETCHES] = { USAGE_WEB_FETCHES,    { USAGE_NONE, USAGE_NONE }         },
    [BILL_PAGES] = { USAGE_PAGES,          { USAGE_NONE, USAGE_NONE }         },
    [BILL_SEARCH_UNITS] = { USAGE_SEARCH_UNITS,   { USAGE_NONE, USAGE_NONE }         },
    [BILL_CALLS] = { USAGE_NONE,           { USAGE_NONE, USAGE_NONE }         },
    [BILL_REQUESTS] = { USAGE_NONE,           { USAGE_NONE, USAGE_NONE }         },
    [BILL_OTHER] = { USAGE_NONE,           { USAGE_NONE, USAGE_NONE }         },
};

/* A cell being summed. */
struct work {
    struct reconcile_cell cell;
    struct str key;                 /* of the model */
    struct str our_model, our_tier; /* to ask the book with */
    struct str their_tier;
    bool long_context, all_cents, is_unpriced, has_ours;
};

struct run {
    const struct reconcile_options *o;
    struct reconcile *out;
    struct map exact; /* "provider NUL model" that both sides have */
    struct map cells; /* key -> index of work */
    VEC(struct work) works;
    bool by_month[PROVIDER_COUNT], has_cost[PROVIDER_COUNT];
};

/* A cell of quantities only, beside those of costs. */
#define CHECK 0x80

/* --- keys --- */

static int64_t month_start(int64_t us, int months)
{
    struct civil c = civil_from_us(us);

    return civil_to_us((struct civil){ .year = c.year, .month = c.month + months, .day = 1 });
}

static void bucket_of(const struct run *r, enum provider p, int64_t us, int64_t *ret_from,
                      int64_t *ret_to)
{
    int64_t day = us - ((us % US_PER_DAY) + US_PER_DAY) % US_PER_DAY;

    *ret_from = r->by_month[p] ? month_start(us, 0) : day;
    *ret_to = r->by_month[p] ? month_start(us, 1) : day + US_PER_DAY;
}

static void exact_key(enum provider p, struct str model, struct buf *out)
{
    buf_clear(out);
    buf_add_byte(out, (char)p);
    buf_add_str(out, model);
}

/* The name itself where both sides have it, else what names have in common. */
static void model_key(const struct run *r, enum provider p, struct str model, struct buf *out)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    exact_key(p, model, &key);
    const struct map_entry *e = map_find(&r->exact, buf_str(&key));
    if (!model.len || (e && e->value == 3)) {
        buf_add_str(out, model);
        return;
    }
    buf_add_byte(out, '~');
    invoice_model_key(model, out);
}

static void note_name(struct run *r, enum provider p, struct str model, unsigned side)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    exact_key(p, model, &key);
    map_put(&r->exact, buf_str(&key), NULL)->value |= side;
}

/* unit may carry CHECK. */
static void cell_key(int64_t from_us, enum provider p, struct str model, int unit, struct buf *out)
{
    buf_clear(out);
    buf_add_byte(out, (char)p);
    buf_add_byte(out, (char)unit);
    buf_add_str(out, (struct str){ (const char *)&from_us, sizeof(from_us) });
    buf_add_str(out, model);
}

static struct work *find_cell(struct run *r, int64_t from_us, enum provider p, struct str model,
                              int unit)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    cell_key(from_us, p, model, unit, &key);
    const struct map_entry *e = map_find(&r->cells, buf_str(&key));
    return e ? &r->works.ptr[e->value] : NULL;
}

static struct work *make_cell(struct run *r, int64_t at_us, enum provider p, struct str model,
                              int unit)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    struct work fresh = { .all_cents = true };
    bool is_new;

    fresh.cell.provider = p;
    fresh.cell.unit = (enum bill_unit)(unit & ~CHECK);
    fresh.cell.is_check = unit & CHECK;
    bucket_of(r, p, at_us, &fresh.cell.from_us, &fresh.cell.to_us);
    cell_key(fresh.cell.from_us, p, model, unit, &key);
    struct map_entry *e = map_put(&r->cells, buf_str(&key), &is_new);
    if (is_new) {
        e->value = r->works.len;
        fresh.key = arena_str(&r->out->arena, model);
        vec_push(&r->works, fresh);
    }
    return &r->works.ptr[e->value];
}

/* --- rates --- */

/* What RATE_UNITS of a kind cost by the book; false if it has no price for them. */
static bool book_rate(const struct run *r, const struct price_query *q, enum bill_unit unit,
                      i128 *ret)
{
    struct price_result price;
    struct usage usage = { 0 };

    if (priced_as[unit].unit == USAGE_NONE)
        return false;
    usage_set(&usage, (enum usage_unit)priced_as[unit].unit, RATE_UNITS);
    for (size_t i = 0; i < 2; i++)
        if (priced_as[unit].within[i] != USAGE_NONE)
            usage_set(&usage, (enum usage_unit)priced_as[unit].within[i], RATE_UNITS);
    price_of(r->o->book, q, &usage, &price);
    *ret = price.cost_pusd;
    if (unit == BILL_SECONDS)
        *ret *= 1000; /* the book counts milliseconds */
    return price.status == PRICE_OK;
}

static i128 at_rate(i128 quantity_micro, i128 rate)
{
    i128 whole = quantity_micro / MICRO, part = quantity_micro % MICRO;

    return decimal_round(whole * rate + part * rate / MICRO, 9);
}

static struct price_query query_of(const struct work *w, struct str tier)
{
    return (struct price_query){
        .provider = w->cell.provider,
        .model = w->our_model.len ? w->our_model : w->cell.model,
        .service_tier = tier,
        .at_us = w->cell.from_us,
        .variant = w->long_context ? PRICE_VARIANT_LONG : PRICE_VARIANT_SHORT,
        .requests = 2, /* a sum: its length says nothing about a context */
    };
}

/* --- their side --- */

/* With a cost and a usage export of the same days, the latter gives its quantities to the former's
 * cells, or has cells of its own beside them. */
static struct work *cell_of_theirs(struct run *r, const struct invoice_line *l)
{
    CLEANUP(buf_release) struct buf model = { 0 };
    int64_t from_us, to_us;

    model_key(r, l->provider, l->model, &model);
    if (l->has_cost || !r->has_cost[l->provider])
        return make_cell(r, l->from_us, l->provider, buf_str(&model), (int)l->unit);
    bucket_of(r, l->provider, l->from_us, &from_us, &to_us);
    struct work *w = find_cell(r, from_us, l->provider, buf_str(&model), (int)l->unit);
    return w ? w : make_cell(r, l->from_us, l->provider, buf_str(&model), (int)l->unit | CHECK);
}

static void add_theirs(struct run *r, const struct invoice_line *l)
{
    struct work *w = cell_of_theirs(r, l);
    struct reconcile_cell *c = &w->cell;

    c->model = l->model;
    if (!c->lines++) {
        c->first_row = l->row;
        c->file = l->file;
        w->their_tier = l->tier;
    }
    w->long_context |= l->long_context;
    bool twice = c->has_quantity && c->has_cost && !l->has_cost;
    c->has_quantity |= l->has_quantity;
    if (l->has_quantity && !twice)
        c->theirs_micro += l->quantity_micro;
    c->has_cost |= l->has_cost;
    c->theirs_pusd += l->cost_pusd;
    w->all_cents &= l->cost_pusd % CENT_PUSD == 0;
}

/* Costs first. */
static void add_invoice(struct run *r)
{
    const struct invoice *v = r->o->invoice;

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < v->lines.len; i++)
            if (v->lines.ptr[i].unit != BILL_REQUESTS && v->lines.ptr[i].has_cost == (pass == 0))
                add_theirs(r, &v->lines.ptr[i]);
}

/* --- our side --- */

/* The cell of theirs that our tokens of a kind are part of, or one of our own; with CHECK, NULL if
 * there is none. */
static struct work *cell_of_ours(struct run *r, const struct reconcile_ours *x, struct str model,
                                 enum bill_unit unit, int check)
{
    bool is_write = unit == BILL_CACHE_WRITE_5M || unit == BILL_CACHE_WRITE_1H;
    const struct {
        struct str model;
        enum bill_unit unit;
    } tries[] = {
        {model,    unit                              },
        { model,   is_write ? BILL_CACHE_WRITE : unit},
        { model,   BILL_NONE                         },
        { STR(""), unit                              },
        { STR(""), BILL_NONE                         },
    };
    int64_t from_us, to_us;

    bucket_of(r, x->provider, x->day_us, &from_us, &to_us);
    for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
        struct work *w =
            find_cell(r, from_us, x->provider, tries[i].model, (int)tries[i].unit | check);
        if (w)
            return w;
    }
    return check ? NULL : make_cell(r, x->day_us, x->provider, model, (int)unit);
}

/* The cost of each kind by the book; what is left of the row's cost goes to the dearest, so that
 * the sum is what every other report shows. */
static void split_cost(const struct run *r, const struct reconcile_ours *x,
                       i128 cost[BILL_UNIT_COUNT])
{
    struct work w = {
        .cell = {.provider = x->provider, .from_us = x->day_us},
          .our_model = x->model
    };
    struct price_query q = query_of(&w, x->tier);
    i128 left = x->cost_pusd, rate;
    int dearest = BILL_OUTPUT;

    for (int u = 0; u < BILL_UNIT_COUNT; u++) {
        cost[u] = x->part_pusd[u];
        if (x->is_split)
            continue;
        if (x->micro[u] && book_rate(r, &q, (enum bill_unit)u, &rate))
            cost[u] = at_rate(x->micro[u], rate);
        left -= cost[u];
        if (x->micro[u] && (cost[u] > cost[dearest] || !x->micro[dearest]))
            dearest = u;
    }
    if (!x->is_split)
        cost[dearest] += left;
}

static void add_kind(struct work *w, const struct reconcile_ours *x, enum bill_unit unit, i128 cost)
{
    w->has_ours = true;
    w->our_model = x->model;
    w->our_tier = x->tier;
    w->is_unpriced |= x->is_unpriced;
    w->cell.ours_pusd += cost;
    if (w->cell.unit != BILL_NONE)
        w->cell.ours_micro += x->micro[unit];
    if (!w->cell.lines)
        w->cell.model = x->model;
}

/* Where an invoice names the sum of a model's calls beside kinds of tokens, that is what a cost
 * without prices is held against. */
static bool add_whole(struct run *r, const struct reconcile_ours *x, struct str model)
{
    int64_t from_us, to_us;

    bucket_of(r, x->provider, x->day_us, &from_us, &to_us);
    struct work *w = find_cell(r, from_us, x->provider, model, BILL_NONE);
    if (w)
        add_kind(w, x, BILL_NONE, x->cost_pusd);
    return w != NULL;
}

/* What costs nothing and nobody bills is no difference. */
static bool is_free(struct run *r, const struct reconcile_ours *x, struct str model,
                    enum bill_unit unit)
{
    int64_t from_us, to_us;

    if (unit != BILL_WEB_FETCHES && unit != BILL_PAGES && unit != BILL_SEARCH_UNITS)
        return false;
    bucket_of(r, x->provider, x->day_us, &from_us, &to_us);
    return !find_cell(r, from_us, x->provider, model, (int)unit);
}

static void add_ours(struct run *r, const struct reconcile_ours *x)
{
    CLEANUP(buf_release) struct buf model = { 0 };
    i128 cost[BILL_UNIT_COUNT];

    model_key(r, x->provider, x->model, &model);
    if (x->is_reported && add_whole(r, x, buf_str(&model)))
        return;
    split_cost(r, x, cost);
    for (int u = 0; u < BILL_UNIT_COUNT; u++) {
        enum bill_unit unit = (enum bill_unit)u;
        if ((!x->micro[u] && !cost[u]) || (!cost[u] && is_free(r, x, buf_str(&model), unit)))
            continue;
        add_kind(cell_of_ours(r, x, buf_str(&model), unit, 0), x, unit, cost[u]);
        struct work *check = cell_of_ours(r, x, buf_str(&model), unit, CHECK);
        if (check)
            add_kind(check, x, unit, cost[u]);
    }
}

/* --- the split of a difference --- */

static void split_difference(const struct run *r, struct work *w)
{
    struct reconcile_cell *c = &w->cell;
    struct price_query q = query_of(w, w->has_ours ? w->our_tier : w->their_tier);
    i128 expected, rate;

    if (c->unit == BILL_NONE || c->unit == BILL_OTHER || (c->lines && !c->has_quantity))
        return;
    if (c->ours_micro && !w->is_unpriced) {
        /* theirs at what ours cost on average, rounded half up */
        i128 whole = c->theirs_micro / c->ours_micro, part = c->theirs_micro % c->ours_micro;
        expected = whole * c->ours_pusd + (part * c->ours_pusd + c->ours_micro / 2) / c->ours_micro;
    } else if (book_rate(r, &q, c->unit, &rate)) {
        expected = at_rate(c->theirs_micro, rate);
    } else {
        return;
    }
    c->rate_known = true;
    if (!c->has_cost)
        c->theirs_pusd = expected;
    c->quantity_pusd = expected - c->ours_pusd;
    c->price_pusd = c->theirs_pusd - expected;
}

/* --- why --- */

static i128 magnitude(i128 v)
{
    return v < 0 ? -v : v;
}

static bool is_tool(enum bill_unit u)
{
    return u == BILL_WEB_SEARCHES || u == BILL_FILE_SEARCHES || u == BILL_CODE_SESSIONS;
}

/* Is their cost what another service tier costs? */
static bool is_other_tier(const struct run *r, const struct work *w)
{
    static const char *const tiers[] = { "", "batch", "flex", "priority" };
    i128 rate;

    for (size_t i = 0; i < ARRAY_LEN(tiers); i++) {
        struct price_query q = query_of(w, str_from(tiers[i]));
        if (!str_eq(q.service_tier, w->our_tier) && book_rate(r, &q, w->cell.unit, &rate) &&
            magnitude(at_rate(w->cell.theirs_micro, rate) - w->cell.theirs_pusd) <=
                EXACT_PUSD + (w->all_cents ? CENT_PUSD / 2 * (i128)w->cell.lines : 0))
            return true;
    }
    return false;
}

static enum reconcile_class class_of(const struct run *r, const struct work *w)
{
    const struct reconcile_cell *c = &w->cell;
    i128 diff = c->theirs_pusd - c->ours_pusd, more = c->theirs_micro - c->ours_micro;
    bool counted = c->has_quantity || !c->lines;

    if (c->unit == BILL_SECONDS && magnitude(more) < MICRO) /* some count whole ones */
        more = 0;
    if (c->unit == BILL_OTHER)
        return RECONCILE_OTHER;
    if (counted && c->unit != BILL_NONE && more != 0)
        return is_tool(c->unit) ? RECONCILE_TOOLS : more > 0 ? RECONCILE_MISSING : RECONCILE_LATE;
    if (magnitude(diff) <= EXACT_PUSD || (c->lines && !c->has_cost))
        return RECONCILE_MATCH;
    if (c->lines && w->all_cents && magnitude(diff) <= CENT_PUSD / 2 * (i128)c->lines)
        return RECONCILE_ROUNDING;
    if (w->is_unpriced && diff > 0)
        return RECONCILE_UNPRICED;
    if (counted && is_other_tier(r, w))
        return RECONCILE_TIER;
    if (is_tool(c->unit))
        return RECONCILE_TOOLS;
    if (counted && c->unit != BILL_NONE)
        return RECONCILE_PRICE;
    return diff > 0 ? RECONCILE_MISSING : RECONCILE_LATE;
}

static bool is_input(enum bill_unit u)
{
    return u >= BILL_INPUT && u <= BILL_CACHE_WRITE_1H;
}

static int by_place(const void *a, const void *b)
{
    const struct work *v = a, *w = b;
    const struct reconcile_cell *x = &v->cell, *y = &w->cell;

    if (x->from_us != y->from_us)
        return x->from_us < y->from_us ? -1 : 1;
    if (x->provider != y->provider)
        return x->provider < y->provider ? -1 : 1;
    int r = str_cmp(v->key, w->key);
    if (r == 0)
        r = (x->is_check > y->is_check) - (x->is_check < y->is_check);
    return r ? r : (x->unit > y->unit) - (x->unit < y->unit);
}

static bool is_same_model(const struct work *a, const struct work *b)
{
    return a->cell.from_us == b->cell.from_us && a->cell.provider == b->cell.provider &&
           a->cell.is_check == b->cell.is_check && str_eq(a->key, b->key);
}

/* Works are in order: those of a model stand together. */
static void find_cache_splits(struct run *r)
{
    for (size_t i = 0, end; i < r->works.len; i = end) {
        i128 more = 0, moved = 0;
        for (end = i; end < r->works.len && is_same_model(&r->works.ptr[i], &r->works.ptr[end]);
             end++) {
            const struct reconcile_cell *c = &r->works.ptr[end].cell;
            if (!is_input(c->unit) || (c->lines && !c->has_quantity))
                continue;
            more += c->theirs_micro - c->ours_micro;
            moved += magnitude(c->theirs_micro - c->ours_micro);
        }
        for (size_t k = i; more == 0 && moved && k < end; k++)
            if (is_input(r->works.ptr[k].cell.unit) &&
                r->works.ptr[k].cell.theirs_micro != r->works.ptr[k].cell.ours_micro)
                r->works.ptr[k].cell.class = RECONCILE_CACHE;
    }
}

/* Is the cell at the ratio of the sums, within a thousandth?  In millionths of a USD, so that the
 * products fit. */
static bool is_at_ratio(const struct reconcile_cell *c, i128 ours, i128 theirs)
{
    i128 left = c->theirs_pusd / MICRO * (ours / MICRO);
    i128 right = theirs / MICRO * (c->ours_pusd / MICRO);

    return magnitude(left - right) <= magnitude(left) / 1000;
}

static bool is_sum_of(const struct work *w, enum provider p)
{
    return w->cell.provider == p && w->cell.unit == BILL_NONE && w->cell.lines;
}

/* Sums alone do not tell traffic from prices; the same ratio every day does. */
static void find_ratios(struct run *r, enum provider p)
{
    i128 ours = 0, theirs = 0;
    size_t cells = 0;

    for (size_t i = 0; i < r->works.len; i++)
        if (is_sum_of(&r->works.ptr[i], p)) {
            ours += r->works.ptr[i].cell.ours_pusd;
            theirs += r->works.ptr[i].cell.theirs_pusd;
            cells++;
        }
    bool same = cells >= RATIO_CELLS && ours > 0 && theirs > 0;
    for (size_t i = 0; i < r->works.len; i++)
        if (is_sum_of(&r->works.ptr[i], p))
            same &= is_at_ratio(&r->works.ptr[i].cell, ours, theirs);
    for (size_t i = 0; same && i < r->works.len; i++) {
        struct reconcile_cell *c = &r->works.ptr[i].cell;
        if (is_sum_of(&r->works.ptr[i], p) &&
            (c->class == RECONCILE_MISSING || c->class == RECONCILE_LATE))
            c->class = RECONCILE_PRICE;
    }
}

/* --- all of it --- */

void reconcile_span(const struct invoice *v, int64_t *ret_from_us, int64_t *ret_to_us,
                    uint64_t *ret_providers)
{
    *ret_from_us = INT64_MAX;
    *ret_to_us = INT64_MIN;
    *ret_providers = 0;
    for (size_t i = 0; i < v->lines.len; i++) {
        const struct invoice_line *l = &v->lines.ptr[i];
        if (l->from_us < *ret_from_us)
            *ret_from_us = l->from_us;
        if (l->to_us > *ret_to_us)
            *ret_to_us = l->to_us;
        *ret_providers |= UINT64_C(1) << l->provider;
    }
}

static void prepare(struct run *r, uint64_t providers)
{
    const struct invoice *v = r->o->invoice;

    for (size_t i = 0; i < v->lines.len; i++) {
        const struct invoice_line *l = &v->lines.ptr[i];
        r->by_month[l->provider] |= l->to_us - l->from_us > US_PER_DAY;
        r->has_cost[l->provider] |= l->has_cost;
        note_name(r, l->provider, l->model, 1);
    }
    for (size_t i = 0; i < r->o->ours_count; i++)
        if (providers >> r->o->ours[i].provider & 1)
            note_name(r, r->o->ours[i].provider, r->o->ours[i].model, 2);
}

static void sum_up(struct run *r)
{
    struct reconcile *out = r->out;

    for (size_t i = 0; i < r->works.len; i++) {
        const struct reconcile_cell *c = &r->works.ptr[i].cell;
        vec_push(&out->cells, *c);
        out->class_cells[c->class]++;
        if (c->is_check)
            continue;
        out->ours_pusd += c->ours_pusd;
        out->theirs_pusd += c->theirs_pusd;
        out->class_pusd[c->class] += c->theirs_pusd - c->ours_pusd;
    }
}

void reconcile_run(const struct reconcile_options *o, struct reconcile *ret)
{
    struct run r = { .o = o, .out = ret };
    int64_t from_us, to_us;
    uint64_t providers;

    *ret = (struct reconcile){ 0 };
    reconcile_span(o->invoice, &from_us, &to_us, &providers);
    prepare(&r, providers);
    add_invoice(&r);
    for (size_t i = 0; i < o->ours_count; i++) {
        const struct reconcile_ours *x = &o->ours[i];
        if (providers >> x->provider & 1 && x->day_us >= from_us && x->day_us < to_us)
            add_ours(&r, x);
    }
    if (r.works.len)
        qsort(r.works.ptr, r.works.len, sizeof(*r.works.ptr), by_place);
    for (size_t i = 0; i < r.works.len; i++) {
        split_difference(&r, &r.works.ptr[i]);
        r.works.ptr[i].cell.class = class_of(&r, &r.works.ptr[i]);
    }
    find_cache_splits(&r);
    for (int p = 0; p < PROVIDER_COUNT; p++)
        if (providers >> p & 1)
            find_ratios(&r, (enum provider)p);
    sum_up(&r);
    map_release(&r.exact);
    map_release(&r.cells);
    vec_release(&r.works);
}

void reconcile_release(struct reconcile *r)
{
    vec_release(&r->cells);
    arena_release(&r->arena);
}
