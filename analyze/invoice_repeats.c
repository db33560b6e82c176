/* invoice_repeats - exports that overlap, or are one and the same: their lines would be billed
 * twice.
 *
 * Within a file lines may well be alike; it is those of different files that are looked at.
 */
#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "analyze/invoice.h"
#include "base/buf.h"
#include "base/map.h"

struct print {
    uint64_t hash;
    uint32_t line; /* in the order of the files */
};
static_assert(INVOICE_LINES_MAX < UINT32_MAX, "lines have numbers of 32 bits");

static void add_number(struct buf *out, i128 n)
{
    buf_add(out, (const char *)&n, sizeof(n));
}

static void add_text(struct buf *out, struct str s)
{
    add_number(out, (i128)s.len);
    buf_add_str(out, s);
}

/* All that the file says in the line, and what kind of file that is. */
static uint64_t hash_of(const struct invoice *v, const struct invoice_line *l, struct buf *scratch)
{
    const i128 numbers[] = {
        v->files.ptr[l->file].format,
        l->provider,
        l->from_us,
        l->to_us,
        l->unit,
        l->has_quantity | l->has_cost << 1 | l->has_list << 2 | l->long_context << 3,
        l->quantity_micro,
        l->cost_pusd,
        l->list_pusd,
    };
    const struct str texts[] = { l->model, l->tier, l->geo, l->project, l->key, l->item };

    buf_clear(scratch);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        add_number(scratch, numbers[i]);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        add_text(scratch, texts[i]);
    return map_hash(buf_str(scratch));
}

static int compare(const void *a, const void *b)
{
    const struct print *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
}

static void note(struct invoice *v, const struct invoice_line *line,
                 const struct invoice_line *first)
{
    struct invoice_file *file = &v->files.ptr[line->file];

    if (line->file == first->file)
        return;
    file->repeated_lines++;
    file->repeated_pusd += line->has_cost ? line->cost_pusd : 0;
}

int invoice_find_repeats(struct invoice *v, struct err *err)
{
    CLEANUP(buf_release) struct buf scratch = { 0 };

    if (v->files.len < 2 || v->lines.len == 0)
        return 0;
    struct print *prints = mem_calloc(v->lines.len, sizeof(*prints));
    for (size_t i = 0; i < v->lines.len; i++)
        prints[i] = (struct print){ hash_of(v, &v->lines.ptr[i], &scratch), (uint32_t)i };
    qsort(prints, v->lines.len, sizeof(*prints), compare);
    for (size_t i = 0, first = 0; i < v->lines.len; i++) {
        if (prints[i].hash != prints[first].hash)
            first = i;
        note(v, &v->lines.ptr[prints[i].line], &v->lines.ptr[prints[first].line]);
    }
    free(prints);
    for (size_t i = 0; i < v->files.len; i++) {
        const struct invoice_file *f = &v->files.ptr[i];
        if (f->lines > 0 && f->repeated_lines == f->lines)
            return err_set(err, ERR_USAGE,
                           "'%.*s': all its lines are in the exports before it: name each once",
                           STR_ARG(f->path));
    }
    return 0;
}
