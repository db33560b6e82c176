#include "config.h"

#include "base/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/vec.h"

#define GAP 2 /* blanks between columns */

struct column {
    struct str title;
    size_t width; /* of its widest cell so far */
    bool right;
};

struct table {
    struct arena texts;
    VEC(struct column) columns;
    VEC(struct str) cells; /* row by row */
    VEC(size_t) rules;     /* rows before which a line is drawn, ascending */
};

struct table *table_new(void)
{
    return mem_calloc(1, sizeof(struct table));
}

void table_free(struct table *t)
{
    if (!t)
        return;
    arena_release(&t->texts);
    vec_release(&t->columns);
    vec_release(&t->cells);
    vec_release(&t->rules);
    free(t);
}

/* Decodes one code point at the start of s into *ret; its length in bytes, or 0 if it is not valid
 * UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF). */
static size_t decode(struct str s, uint32_t *ret)
{
    static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t head = (uint8_t)s.ptr[0];
    size_t len = head < 0x80             ? 1
                 : (head & 0xe0) == 0xc0 ? 2
                 : (head & 0xf0) == 0xe0 ? 3
                 : (head & 0xf8) == 0xf0 ? 4
                                         : 0;

    if (len == 0 || len > s.len)
        return 0;
    uint32_t code = len == 1 ? head : head & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (((uint8_t)s.ptr[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((uint8_t)s.ptr[i] & 0x3f);
    }
    if (code < lowest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret = code;
    return len;
}

/* C0, C1, and what turns the direction of the text or splits its lines: a model name from a
 * stranger must not steer the reader's terminal. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* A copy of text fit for a terminal; its width in code points in *ret_width. */
static struct str clean_copy(struct table *t, struct str text, size_t *ret_width)
{
    char *to = arena_alloc(&t->texts, text.len + 1);
    size_t n = 0, width = 0, step;

    for (size_t i = 0; i < text.len; i += step, width++) {
        uint32_t code;
        step = decode(str_sub(text, i, 4), &code);
        if (step == 0 || is_control(code)) {
            step = step ? step : 1;
            to[n++] = '?';
            continue;
        }
        for (size_t k = 0; k < step; k++)
            to[n++] = text.ptr[i + k];
    }
    *ret_width = width;
    return (struct str){ to, n };
}

void table_add_column(struct table *t, const char *title, bool right)
{
    struct column column = { .right = right };

    assert(t->cells.len == 0);
    column.title = clean_copy(t, str_from(title), &column.width);
    vec_push(&t->columns, column);
}

void table_add_cell(struct table *t, struct str text)
{
    size_t width;

    assert(t->columns.len > 0);
    struct column *column = &t->columns.ptr[t->cells.len % t->columns.len];
    struct str copy = clean_copy(t, text, &width);
    if (width > column->width)
        column->width = width;
    vec_push(&t->cells, copy);
}

void table_add_cellf(struct table *t, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list args;

    va_start(args, fmt);
    buf_addvf(&text, fmt, args);
    va_end(args);
    table_add_cell(t, buf_str(&text));
}

void table_add_rule(struct table *t)
{
    assert(t->columns.len > 0 && t->cells.len % t->columns.len == 0);
    vec_push(&t->rules, t->cells.len / t->columns.len);
}

static void add_repeated(struct buf *out, char byte, size_t count)
{
    while (count-- > 0)
        buf_add_byte(out, byte);
}

static size_t width_of(struct str text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.len; i++)
        width += ((uint8_t)text.ptr[i] & 0xc0) != 0x80;
    return width;
}

static void print_rule(const struct table *t, struct buf *out)
{
    size_t width = 0;

    for (size_t i = 0; i < t->columns.len; i++)
        width += t->columns.ptr[i].width + (i ? GAP : 0);
    add_repeated(out, '-', width);
    buf_add_byte(out, '\n');
}

static void print_cell(const struct column *column, struct str text, bool last, struct buf *out)
{
    size_t padding = column->width - width_of(text);

    if (column->right)
        add_repeated(out, ' ', padding);
    buf_add_str(out, text);
    if (!last)
        add_repeated(out, ' ', GAP + (column->right ? 0 : padding));
}

/* Blanks that an empty cell at the right end would leave are cut off again. */
static void end_line(struct buf *out)
{
    while (out->len > 0 && out->ptr[out->len - 1] == ' ')
        out->len--;
    buf_add_byte(out, '\n');
}

void table_print(const struct table *t, struct buf *out)
{
    size_t columns = t->columns.len, rule = 0;

    if (columns == 0)
        return;
    for (size_t i = 0; i < columns; i++)
        print_cell(&t->columns.ptr[i], t->columns.ptr[i].title, i + 1 == columns, out);
    end_line(out);
    print_rule(t, out);
    for (size_t i = 0; i < t->cells.len; i++) {
        for (; i % columns == 0 && rule < t->rules.len && t->rules.ptr[rule] == i / columns; rule++)
            print_rule(t, out);
        bool last = i % columns + 1 == columns || i + 1 == t->cells.len;
        print_cell(&t->columns.ptr[i % columns], t->cells.ptr[i], last, out);
        if (last)
            end_line(out);
    }
}
