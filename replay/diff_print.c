#include "config.h"

#include "replay/diff_print.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/table.h"

#define VALUE_BYTES_MAX 300 /* of an example, in text */

static const char *verdict(const struct diff *d, enum diff_aspect aspect, double alpha)
{
    const struct diff_count *c = &d->counts[aspect];

    if (diff_is_finding(d, aspect, alpha))
        return "differs";
    if (!c->compared)
        return "not compared";
    return c->differ ? "noise" : "same";
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void add_examples(const struct diff_count *c, size_t examples, struct buf *out)
{
    for (size_t i = 0; i < c->examples.len && i < examples; i++) {
        const struct diff_example *e = &c->examples.ptr[i];
        struct str base = str_from(e->base), other = str_from(e->other);
        buf_addf(out, "  %s\n    - %.*s%s\n  %s\n    + %.*s%s\n", e->id_base,
                 STR_ARG(str_sub(base, 0, VALUE_BYTES_MAX)),
                 base.len > VALUE_BYTES_MAX ? "..." : "", e->id_other,
                 STR_ARG(str_sub(other, 0, VALUE_BYTES_MAX)),
                 other.len > VALUE_BYTES_MAX ? "..." : "");
    }
}

void diff_print_text(const struct diff *d, double alpha, size_t examples, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();

    buf_addf(out, "%" PRIu64 " pairs of exchanges", d->pairs);
    if (d->only_base || d->only_other)
        buf_addf(out, "; without a partner: %" PRIu64 " of the first, %" PRIu64 " of the second",
                 d->only_base, d->only_other);
    buf_add_text(out, "\n\n");
    table_add_column(t, "aspect", false);
    table_add_column(t, "compared", true);
    table_add_column(t, "differ", true);
    table_add_column(t, "share", true);
    if (d->has_noise) {
        table_add_column(t, "noise", true);
        table_add_column(t, "p", true);
    }
    table_add_column(t, "verdict", false);
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        const struct diff_count *c = &d->counts[i];
        table_add_cell(t, str_from(diff_aspect_names[i]));
        table_add_cellf(t, "%" PRIu64, c->compared);
        table_add_cellf(t, "%" PRIu64, c->differ);
        table_add_cellf(t, "%.2f %%", percent(c->differ, c->compared));
        if (d->has_noise) {
            table_add_cellf(t, "%.2f %%", percent(c->noise_differ, c->noise_compared));
            table_add_cellf(t, "%.4f", c->p);
        }
        table_add_cell(t, str_from(verdict(d, (enum diff_aspect)i, alpha)));
    }
    table_print(t, out);
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        if (!diff_is_finding(d, (enum diff_aspect)i, alpha) || !examples)
            continue;
        buf_addf(out, "\n%s: %s\n", diff_aspect_names[i], diff_aspect_whats[i]);
        add_examples(&d->counts[i], examples, out);
    }
}

void diff_print_csv(const struct diff *d, double alpha, struct buf *out)
{
    buf_add_text(out, "aspect,compared,differ,noise_compared,noise_differ,p,verdict\n");
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        const struct diff_count *c = &d->counts[i];
        buf_addf(out, "%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, diff_aspect_names[i],
                 c->compared, c->differ, c->noise_compared, c->noise_differ);
        if (d->has_noise)
            buf_addf(out, ",%.6f", c->p);
        else
            buf_add_byte(out, ',');
        buf_addf(out, ",%s\n", verdict(d, (enum diff_aspect)i, alpha));
    }
}

static void add_json_examples(const struct diff_count *c, size_t examples, struct buf *out)
{
    json_add_key(out, "examples");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < c->examples.len && i < examples; i++) {
        const struct diff_example *e = &c->examples.ptr[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "base_id", str_from(e->id_base));
        json_add_str(out, "other_id", str_from(e->id_other));
        json_add_str(out, "base", str_from(e->base));
        json_add_str(out, "other", str_from(e->other));
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

void diff_print_json(const struct diff *d, double alpha, size_t examples, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_int(out, "pairs", (int64_t)d->pairs);
    json_add_int(out, "only_base", (int64_t)d->only_base);
    json_add_int(out, "only_other", (int64_t)d->only_other);
    json_add_bool(out, "has_noise", d->has_noise);
    json_add_key(out, "aspects");
    buf_add_byte(out, '[');
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        const struct diff_count *c = &d->counts[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "aspect", str_from(diff_aspect_names[i]));
        json_add_int(out, "compared", (int64_t)c->compared);
        json_add_int(out, "differ", (int64_t)c->differ);
        if (d->has_noise) {
            json_add_int(out, "noise_compared", (int64_t)c->noise_compared);
            json_add_int(out, "noise_differ", (int64_t)c->noise_differ);
            json_add_key(out, "p");
            buf_addf(out, "%.6f", c->p);
        }
        json_add_str(out, "verdict", str_from(verdict(d, (enum diff_aspect)i, alpha)));
        add_json_examples(c, examples, out);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}\n");
}
