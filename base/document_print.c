#include "config.h"

#include "base/document_print.h"

#include "base/csv.h"
#include "base/json.h"
#include "base/table.h"

/* --- text --- */

static void print_section(const struct document *d, const struct section *s, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(table_free) struct table *t = table_new();

    buf_addf(out, "\n%.*s\n\n", STR_ARG(s->title));
    for (size_t c = 0; c < s->columns.len; c++)
        table_add_column(t, s->columns.ptr[c].title.ptr, s->columns.ptr[c].is_number);
    for (size_t i = 0; i < s->cells.len; i++) {
        buf_clear(&text);
        cell_format(d, &s->cells.ptr[i], &text);
        table_add_cell(t, buf_str(&text));
    }
    if (s->cells.len)
        table_print(t, out);
    for (size_t i = 0; i < s->notes.len; i++)
        buf_addf(out, "%s%.*s\n", i == 0 && s->cells.len ? "\n" : "", STR_ARG(s->notes.ptr[i]));
}

void document_print_text(const struct document *d, struct buf *out)
{
    buf_addf(out, "%.*s\n", STR_ARG(d->title));
    for (size_t i = 0; i < d->list.len; i++)
        print_section(d, d->list.ptr[i], out);
    if (d->ending.len)
        buf_addf(out, "\n%.*s\n", STR_ARG(d->ending));
}

/* --- CSV --- */

/* What names a row: its cells of text before the first number. */
static void add_row_name(const struct section *s, size_t row, struct buf *out)
{
    for (size_t c = 0; c < s->columns.len && !s->columns.ptr[c].is_number; c++) {
        if (c)
            buf_add_text(out, " / ");
        cell_format_exact(section_cell(s, row, c), out);
    }
}

static void print_csv_row(const struct section *s, size_t row, struct buf *out)
{
    CLEANUP(buf_release) struct buf name = { 0 }, value = { 0 };

    add_row_name(s, row, &name);
    for (size_t c = 0; c < s->columns.len; c++) {
        if (!s->columns.ptr[c].is_number)
            continue;
        buf_clear(&value);
        cell_format_exact(section_cell(s, row, c), &value);
        csv_add_field(out, s->id, ',', true);
        csv_add_field(out, buf_str(&name), ',', false);
        csv_add_field(out, s->columns.ptr[c].name, ',', false);
        csv_add_field(out, buf_str(&value), ',', false);
        buf_add_text(out, "\r\n");
    }
}

void document_print_csv(const struct document *d, struct buf *out)
{
    buf_add_text(out, "section,row,column,value\r\n");
    for (size_t i = 0; i < d->list.len; i++)
        for (size_t row = 0; row < section_rows(d->list.ptr[i]); row++)
            print_csv_row(d->list.ptr[i], row, out);
}

/* --- JSON --- */

static void add_value(const struct cell *c, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (c->kind == CELL_NONE) {
        buf_add_text(out, "null");
        return;
    }
    cell_format_exact(c, &text);
    if (c->kind == CELL_TEXT || c->kind == CELL_USD || c->kind == CELL_USD_CHANGE)
        json_add_string(out, buf_str(&text));
    else
        buf_add_str(out, buf_str(&text));
}

/* Names of columns may come from what was recorded, too. */
static void add_key(struct buf *out, struct str key)
{
    if (out->ptr[out->len - 1] != '{')
        buf_add_byte(out, ',');
    json_add_string(out, key);
    buf_add_byte(out, ':');
}

static void print_json_section(const struct section *s, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "id", s->id);
    json_add_str(out, "title", s->title);
    json_add_key(out, "rows");
    buf_add_byte(out, '[');
    for (size_t row = 0; row < section_rows(s); row++) {
        buf_add_text(out, row ? ",\n{" : "\n{");
        for (size_t c = 0; c < s->columns.len; c++) {
            add_key(out, s->columns.ptr[c].name);
            add_value(section_cell(s, row, c), out);
        }
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    json_add_key(out, "notes");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < s->notes.len; i++) {
        if (i)
            buf_add_byte(out, ',');
        json_add_string(out, s->notes.ptr[i]);
    }
    buf_add_text(out, "]}");
}

void document_print_json(const struct document *d, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "format", d->format);
    for (size_t i = 0; i < d->facts.len; i++) {
        add_key(out, d->facts.ptr[i].name);
        json_add_string(out, d->facts.ptr[i].value);
    }
    json_add_key(out, "sections");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < d->list.len; i++) {
        buf_add_text(out, i ? ",\n" : "\n");
        print_json_section(d->list.ptr[i], out);
    }
    buf_add_text(out, "]}\n");
}
