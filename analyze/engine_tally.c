#include "config.h"

#include "analyze/engine_tally.h"

#include <string.h>

bool engine_cost_is_unknown(const struct engine_sums *s)
{
    return engine_cost(s) == 0 && s->costed_requests == 0 &&
           (s->unknown_requests > 0 || s->unpriced_requests > 0);
}

i128 engine_cost(const struct engine_sums *s)
{
    i128 sum = 0;

    for (size_t i = 0; i < COST_SOURCE_COUNT; i++)
        sum += s->cost_pusd[i];
    return sum;
}

int64_t engine_failed(const struct engine_detail *d)
{
    int64_t sum = 0;

    for (size_t i = 0; i < ERROR_CLASS_COUNT; i++)
        if (i != ERROR_CLASS_NONE && i != ERROR_CLASS_CLIENT_GONE && i != ERROR_CLASS_DENIED)
            sum += d->errors[i];
    return sum;
}

void engine_add_sums(struct engine_sums *to, const struct engine_sums *s)
{
    to->requests += s->requests;
    to->input_tokens += s->input_tokens;
    to->cached_input_tokens += s->cached_input_tokens;
    to->cache_write_tokens += s->cache_write_tokens;
    to->output_tokens += s->output_tokens;
    to->reasoning_tokens += s->reasoning_tokens;
    for (size_t i = 0; i < COST_SOURCE_COUNT; i++)
        to->cost_pusd[i] += s->cost_pusd[i];
    to->cache_savings_pusd += s->cache_savings_pusd;
    to->unknown_requests += s->unknown_requests;
    to->unpriced_requests += s->unpriced_requests;
    to->costed_requests += s->costed_requests;
}

void tally_init(struct engine_result *t, const struct engine_query *q,
                struct dimension *const *dimensions)
{
    *t = (struct engine_result){ .dimensions = dimensions,
                                 .dimension_count = q->dimension_count,
                                 .measures = q->measures };
}

static struct str key_of(const struct engine_result *t, const uint32_t *codes)
{
    return (struct str){ (const char *)codes, t->dimension_count * sizeof(*codes) };
}

static struct engine_detail *new_detail(void)
{
    struct engine_detail *d = mem_calloc(1, sizeof(*d));

    d->first_us = INT64_MAX;
    d->last_us = INT64_MIN;
    return d;
}

int tally_group(struct engine_result *t, const uint32_t *codes, size_t *ret, struct err *err)
{
    bool is_new;
    struct map_entry *e = map_put(&t->groups, key_of(t, codes), &is_new);

    if (is_new) {
        if (t->rows.len >= ENGINE_GROUPS_MAX)
            return err_set(err, ERR_LIMIT,
                           "more than %d groups: group by fewer fields, or filter with --where",
                           ENGINE_GROUPS_MAX);
        struct engine_row fresh = { 0 };
        memcpy(fresh.codes, codes, t->dimension_count * sizeof(*codes));
        if (t->measures & ~(uint32_t)ENGINE_MONEY)
            fresh.detail = new_detail();
        e->value = t->rows.len;
        vec_push(&t->rows, fresh);
    }
    *ret = (size_t)e->value;
    return 0;
}

/* Of one price they are one charge. */
#define CHARGE_FLAGS (PRICE_LONG_CONTEXT | PRICE_ELSEWHERE)

static int compare_charges(const void *a, const void *b)
{
    const struct engine_charge *x = a, *y = b;
    const i128 keys[][2] = {
        {x->source,                y->source              },
        { x->unit,                 y->unit                },
        { x->flags & CHARGE_FLAGS, y->flags & CHARGE_FLAGS},
        { x->list_yusd,            y->list_yusd           },
        { x->unit_yusd,            y->unit_yusd           },
    };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    return 0;
}

/* In order, found by halves: with coarse groups there may be thousands. */
void tally_charge(struct engine_detail *d, const struct engine_charge *c)
{
    size_t from = 0, to = d->charges.len;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int r = compare_charges(&d->charges.ptr[middle], c);
        if (r == 0) {
            struct engine_charge *same = &d->charges.ptr[middle];
            same->n += c->n;
            same->cost_pusd += c->cost_pusd;
            same->flags |= c->flags;
            return;
        }
        from = r < 0 ? middle + 1 : from;
        to = r < 0 ? to : middle;
    }
    vec_push(&d->charges, *c);
    memmove(&d->charges.ptr[from + 1], &d->charges.ptr[from],
            (d->charges.len - 1 - from) * sizeof(*c));
    d->charges.ptr[from] = *c;
}

void tally_unpriced(struct engine_result *t, struct str provider, struct str model,
                    bool unit_missing, const struct engine_sums *sums)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    buf_add_str(&key, provider);
    buf_add_byte(&key, '\0');
    buf_add_str(&key, model);
    struct map_entry *e = map_put(&t->unpriced_models, buf_str(&key), &is_new);
    if (is_new) {
        e->value = t->unpriced.len;
        struct engine_unpriced u = { .provider = arena_str(&t->arena, provider),
                                     .model = arena_str(&t->arena, model) };
        vec_push(&t->unpriced, u);
    }
    struct engine_unpriced *u = &t->unpriced.ptr[e->value];
    u->unit_missing |= unit_missing;
    u->requests += sums->requests;
    u->input_tokens += sums->input_tokens;
    u->output_tokens += sums->output_tokens;
}

static int dearer_first(const void *a, const void *b)
{
    const struct engine_suspicious *x = a, *y = b;

    if (x->cost_pusd != y->cost_pusd)
        return x->cost_pusd < y->cost_pusd ? 1 : -1;
    int r = str_cmp(x->exchange_id, y->exchange_id);
    return r ? r : str_cmp(x->model, y->model);
}

void tally_suspicious(struct engine_result *t, const struct engine_suspicious *s)
{
    struct engine_suspicious kept = {
        .exchange_id = arena_str(&t->arena, s->exchange_id),
        .model = arena_str(&t->arena, s->model),
        .reason = s->reason,
        .cost_pusd = s->cost_pusd,
    };

    t->suspicious_count++;
    t->suspicious_pusd += s->cost_pusd;
    vec_push(&t->suspicious, kept);
    if (t->suspicious.len < (size_t)2 * ENGINE_SUSPICIOUS_MAX)
        return;
    qsort(t->suspicious.ptr, t->suspicious.len, sizeof(kept), dearer_first);
    t->suspicious.len = ENGINE_SUSPICIOUS_MAX;
}

/* --- merging --- */

static void merge_steps(struct engine_steps *to, const struct engine_steps *from)
{
    to->known += from->known;
    to->extra += from->extra;
    to->fallbacks += from->fallbacks;
    to->cut += from->cut;
    to->added_us += from->added_us;
    sketch_merge(&to->added, &from->added);
}

static void merge_detail(struct engine_detail *to, const struct engine_detail *from)
{
    for (size_t i = 0; i < ERROR_CLASS_COUNT; i++)
        to->errors[i] += from->errors[i];
    for (size_t i = 0; i < USAGE_UNIT_COUNT; i++)
        to->units[i] += from->units[i];
    for (size_t i = 0; i < from->charges.len; i++)
        tally_charge(to, &from->charges.ptr[i]);
    sketch_merge(&to->duration_us, &from->duration_us);
    sketch_merge(&to->first_token_us, &from->first_token_us);
    distinct_merge(&to->users, &from->users);
    merge_steps(&to->steps, &from->steps);
    to->first_us = from->first_us < to->first_us ? from->first_us : to->first_us;
    to->last_us = from->last_us > to->last_us ? from->last_us : to->last_us;
}

static int merge_rows(struct engine_result *to, const struct engine_result *from, struct err *err)
{
    for (size_t i = 0; i < from->rows.len; i++) {
        const struct engine_row *row = &from->rows.ptr[i];
        uint32_t codes[DIMENSIONS_MAX] = { 0 };
        size_t at;
        for (size_t d = 0; d < to->dimension_count; d++)
            codes[d] = dimension_intern(to->dimensions[d],
                                        dimension_value(from->dimensions[d], row->codes[d]));
        if (tally_group(to, codes, &at, err) < 0)
            return -1;
        engine_add_sums(&to->rows.ptr[at].sums, &row->sums);
        if (row->detail)
            merge_detail(to->rows.ptr[at].detail, row->detail);
    }
    return 0;
}

int tally_merge(struct engine_result *to, const struct engine_result *from, struct err *err)
{
    if (merge_rows(to, from, err) < 0)
        return -1;
    engine_add_sums(&to->unattributed, &from->unattributed);
    for (size_t i = 0; i < from->unpriced.len; i++) {
        const struct engine_unpriced *u = &from->unpriced.ptr[i];
        struct engine_sums sums = { .requests = u->requests,
                                    .input_tokens = u->input_tokens,
                                    .output_tokens = u->output_tokens };
        tally_unpriced(to, u->provider, u->model, u->unit_missing, &sums);
    }
    size_t listed = from->suspicious.len;
    i128 pusd = to->suspicious_pusd + from->suspicious_pusd;
    for (size_t i = 0; i < listed; i++)
        tally_suspicious(to, &from->suspicious.ptr[i]);
    to->suspicious_count += from->suspicious_count - listed;
    to->suspicious_pusd = pusd;
    to->repeated_requests += from->repeated_requests;
    for (size_t i = 0; i < PRICE_FLAG_COUNT; i++)
        to->flagged[i] += from->flagged[i];
    to->slow_rows += from->slow_rows;
    return 0;
}

/* --- the end --- */

static int compare_rows(const void *a, const void *b, void *tally)
{
    const struct engine_row *x = a, *y = b;
    const struct engine_result *t = tally;

    for (size_t i = 0; i < t->dimension_count; i++) {
        const struct dimension *d = t->dimensions[i];
        int r = x->codes[i] == y->codes[i]
                    ? 0
                    : str_cmp(dimension_value(d, x->codes[i]), dimension_value(d, y->codes[i]));
        if (r)
            return r;
    }
    return 0;
}

static int compare_unpriced(const void *a, const void *b)
{
    const struct engine_unpriced *x = a, *y = b;

    if (x->requests != y->requests)
        return x->requests < y->requests ? 1 : -1;
    int r = str_cmp(x->provider, y->provider);
    return r ? r : str_cmp(x->model, y->model);
}

void tally_finish(struct engine_result *t)
{
    if (t->rows.len)
        qsort_r(t->rows.ptr, t->rows.len, sizeof(*t->rows.ptr), compare_rows, t);
    for (size_t i = 0; i < t->rows.len; i++) {
        struct map_entry *e = map_find(&t->groups, key_of(t, t->rows.ptr[i].codes));
        e->value = i;
        engine_add_sums(&t->totals, &t->rows.ptr[i].sums);
    }
    if (t->unpriced.len)
        qsort(t->unpriced.ptr, t->unpriced.len, sizeof(*t->unpriced.ptr), compare_unpriced);
    if (t->suspicious.len)
        qsort(t->suspicious.ptr, t->suspicious.len, sizeof(*t->suspicious.ptr), dearer_first);
    if (t->suspicious.len > ENGINE_SUSPICIOUS_MAX)
        t->suspicious.len = ENGINE_SUSPICIOUS_MAX;
}

const struct engine_row *engine_find(const struct engine_result *r, const struct str *values)
{
    uint32_t codes[DIMENSIONS_MAX] = { 0 };

    for (size_t d = 0; d < r->dimension_count; d++)
        if (!dimension_find(r->dimensions[d], values[d], &codes[d]))
            return NULL;
    const struct map_entry *e = map_find(&r->groups, key_of(r, codes));
    return e ? &r->rows.ptr[e->value] : NULL;
}

void engine_result_release(struct engine_result *r)
{
    for (size_t i = 0; i < r->rows.len; i++) {
        struct engine_detail *d = r->rows.ptr[i].detail;
        if (!d)
            continue;
        sketch_release(&d->duration_us);
        sketch_release(&d->first_token_us);
        distinct_release(&d->users);
        sketch_release(&d->steps.added);
        vec_release(&d->charges);
        free(d);
    }
    vec_release(&r->rows);
    vec_release(&r->unpriced);
    vec_release(&r->suspicious);
    map_release(&r->groups);
    map_release(&r->unpriced_models);
    arena_release(&r->arena);
    *r = (struct engine_result){ 0 };
}
