#include "config.h"

#include "base/document.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/figure.h"
#include "base/timestamp.h"

#define RATIO_DIGITS 6

void document_release(struct document *d)
{
    for (size_t i = 0; i < d->list.len; i++) {
        vec_release(&d->list.ptr[i]->columns);
        vec_release(&d->list.ptr[i]->cells);
        vec_release(&d->list.ptr[i]->notes);
        free(d->list.ptr[i]);
    }
    vec_release(&d->list);
    vec_release(&d->facts);
    arena_release(&d->arena);
}

void document_fact(struct document *d, const char *name, struct str value)
{
    struct document_fact f = { arena_str(&d->arena, str_from(name)), arena_str(&d->arena, value) };

    vec_push(&d->facts, f);
}

static struct section *last(struct document *d)
{
    assert(d->list.len > 0);
    return d->list.ptr[d->list.len - 1];
}

struct section *document_section(struct document *d, const char *id, const char *title)
{
    struct section *s = mem_calloc(1, sizeof(*s));

    s->id = arena_str(&d->arena, str_from(id));
    s->title = arena_str(&d->arena, str_from(title));
    vec_push(&d->list, s);
    return s;
}

void document_column(struct document *d, struct str name, struct str title, bool is_number)
{
    struct column c = { arena_str(&d->arena, name), arena_str(&d->arena, title), is_number };

    assert(last(d)->cells.len == 0);
    vec_push(&last(d)->columns, c);
}

void document_columns(struct document *d, const struct column_def *defs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        document_column(d, str_from(defs[i].name), str_from(defs[i].title), defs[i].is_number);
}

static struct str format(struct document *d, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static struct str format(struct document *d, const char *fmt, va_list args)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addvf(&text, fmt, args);
    return arena_str(&d->arena, buf_str(&text));
}

void document_note(struct document *d, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vec_push(&last(d)->notes, format(d, fmt, args));
    va_end(args);
}

void document_chart(struct document *d, enum chart_kind kind, size_t first, size_t count,
                    const char *title, const char *text)
{
    assert(first + count <= last(d)->columns.len);
    last(d)->chart = (struct chart){ .kind = kind,
                                     .first = first,
                                     .count = count,
                                     .title = arena_str(&d->arena, str_from(title)),
                                     .text = arena_str(&d->arena, str_from(text)) };
}

void document_none(struct document *d)
{
    vec_push(&last(d)->cells, (struct cell){ 0 });
}

void document_text(struct document *d, struct str text)
{
    struct cell c = { .kind = CELL_TEXT, .text = arena_str(&d->arena, text) };

    vec_push(&last(d)->cells, c);
}

void document_textf(struct document *d, const char *fmt, ...)
{
    struct cell c = { .kind = CELL_TEXT };
    va_list args;

    va_start(args, fmt);
    c.text = format(d, fmt, args);
    va_end(args);
    vec_push(&last(d)->cells, c);
}

void document_number(struct document *d, enum cell_kind kind, i128 n)
{
    struct cell c = { .kind = kind, .n = n };

    assert(kind > CELL_TEXT);
    vec_push(&last(d)->cells, c);
}

i128 ratio_of(i128 part, i128 whole)
{
    i128 size = whole < 0 ? -whole : whole, sign = (part < 0) != (whole < 0) ? -1 : 1;

    assert(whole != 0);
    part = part < 0 ? -part : part;
    return sign * (part / size * RATIO_ONE + (part % size * RATIO_ONE + size / 2) / size);
}

void document_share(struct document *d, i128 part, i128 whole)
{
    if (whole == 0)
        document_none(d);
    else
        document_number(d, CELL_SHARE, ratio_of(part, whole));
}

void document_change(struct document *d, i128 before, i128 after)
{
    if (before <= 0)
        document_none(d);
    else
        document_number(d, CELL_CHANGE, ratio_of(after - before, before));
}

size_t section_rows(const struct section *s)
{
    return s->columns.len ? s->cells.len / s->columns.len : 0;
}

const struct cell *section_cell(const struct section *s, size_t row, size_t column)
{
    assert(row < section_rows(s) && column < s->columns.len);
    return &s->cells.ptr[row * s->columns.len + column];
}

static void format_us(i128 us, struct buf *out)
{
    char text[DECIMAL_TEXT_BYTES];

    if (us >= 10 * US_PER_SECOND)
        buf_addf(out, "%s s", decimal_format(decimal_round(us, 5), 1, text));
    else if (us >= US_PER_SECOND)
        buf_addf(out, "%s s", decimal_format(decimal_round(us, 4), 2, text));
    else
        buf_addf(out, "%s ms", decimal_format(decimal_round(us, 3), 0, text));
}

void cell_format(const struct document *d, const struct cell *c, struct buf *out)
{
    char text[FIGURE_BYTES];

    switch (c->kind) {
    case CELL_NONE:
        buf_add_byte(out, '-');
        break;
    case CELL_TEXT:
        buf_add_str(out, c->text);
        break;
    case CELL_COUNT:
        buf_add_str(out, figure_count(c->n, text));
        break;
    case CELL_USD:
        buf_add_str(out, figure_amount(c->n, d->usd_digits, text));
        break;
    case CELL_USD_CHANGE:
        buf_add_str(out, figure_amount_change(c->n, d->usd_digits, text));
        break;
    case CELL_SHARE: /* of a percent one digit */
        buf_addf(out, "%s %%", decimal_format(decimal_round(c->n, 3), 1, text));
        break;
    case CELL_CHANGE:
        buf_addf(out, "%s%s %%", decimal_round(c->n, 3) > 0 ? "+" : "",
                 decimal_format(decimal_round(c->n, 3), 1, text));
        break;
    case CELL_US:
        format_us(c->n, out);
        break;
    case CELL_NUMBER: { /* two digits of a small one: 1.25 attempts a call are not 1.3 */
        int digits = c->n < 10 * RATIO_ONE && c->n > -10 * RATIO_ONE ? 2 : 1;
        buf_add_text(out, decimal_format(decimal_round(c->n, RATIO_DIGITS - digits), digits, text));
        break;
    }
    }
}

void cell_format_exact(const struct cell *c, struct buf *out)
{
    char text[DECIMAL_TEXT_BYTES];

    switch (c->kind) {
    case CELL_NONE:
        break;
    case CELL_TEXT:
        buf_add_str(out, c->text);
        break;
    case CELL_USD:
    case CELL_USD_CHANGE:
        buf_add_text(out, decimal_format(c->n, FIGURE_USD_DIGITS, text));
        break;
    case CELL_SHARE:
    case CELL_CHANGE:
    case CELL_NUMBER:
        buf_add_text(out, decimal_format(c->n, RATIO_DIGITS, text));
        break;
    case CELL_COUNT:
    case CELL_US:
        buf_add_text(out, decimal_format(c->n, 0, text));
        break;
    }
}
