#include "config.h"

#include "analyze/report_fold.h"

#include <stdlib.h>

#include "analyze/pvm.h"

static int compare(const void *a, const void *b)
{
    const struct fold_row *x = a, *y = b;
    i128 cx = engine_cost(&x->now), cy = engine_cost(&y->now);
    i128 bx = engine_cost(&x->before), by = engine_cost(&y->before);

    if (cx != cy)
        return cx < cy ? 1 : -1;
    if (bx != by)
        return bx < by ? 1 : -1;
    for (size_t i = 0; i < FOLD_KEYS_MAX; i++) {
        int r = str_cmp(x->keys[i], y->keys[i]);
        if (r)
            return r;
    }
    return 0;
}

static struct fold_row *row_of(struct fold *f, const struct engine_result *r,
                               const struct engine_row *row, const int *keys)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct fold_row fresh = { 0 };
    bool is_new;

    for (size_t i = 0; i < FOLD_KEYS_MAX; i++) {
        if (keys[i] >= 0)
            fresh.keys[i] = dimension_value(r->dimensions[keys[i]], row->codes[keys[i]]);
        /* the length first: no value can look like two */
        buf_addf(&text, "%zu:", fresh.keys[i].len);
        buf_add_str(&text, fresh.keys[i]);
    }
    struct map_entry *e = map_put(&f->index, buf_str(&text), &is_new);
    if (is_new) {
        e->value = f->rows.len;
        vec_push(&f->rows, fresh);
    }
    return &f->rows.ptr[e->value];
}

void fold_make(const struct report_input *in, enum report_part part,
               const int keys[static FOLD_KEYS_MAX], struct fold *ret)
{
    const struct engine_result *now = &in->now->parts[part].result;
    const struct engine_result *before = &in->before->parts[part].result;

    *ret = (struct fold){ 0 };
    for (size_t i = 0; i < now->rows.len; i++)
        engine_add_sums(&row_of(ret, now, &now->rows.ptr[i], keys)->now, &now->rows.ptr[i].sums);
    for (size_t i = 0; i < before->rows.len; i++)
        engine_add_sums(&row_of(ret, before, &before->rows.ptr[i], keys)->before,
                        &before->rows.ptr[i].sums);
    if (ret->rows.len)
        qsort(ret->rows.ptr, ret->rows.len, sizeof(*ret->rows.ptr), compare);
}

void fold_release(struct fold *f)
{
    vec_release(&f->rows);
    map_release(&f->index);
}

struct str fold_name(struct str value)
{
    return value.len ? value : STR("(none)");
}

const char *report_doubt(const struct fold_row *row)
{
    static const char *const words[] = {
        [PVM_PLAUSIBLE] = NULL,
        [PVM_TOO_DEAR] = "more than 1 USD per thousand tokens",
        [PVM_RATE_ROSE] = "more than 100 times as much a token as before",
        [PVM_RATE_FELL] = "less than a hundredth of what a token cost before",
    };
    struct pvm_segment s = { .q0 = row->before.input_tokens + row->before.output_tokens,
                             .q1 = row->now.input_tokens + row->now.output_tokens,
                             .c0 = engine_cost(&row->before),
                             .c1 = engine_cost(&row->now) };

    return words[pvm_doubt(&s)];
}
