/* table - rows of cells printed in aligned columns.  Widths count UTF-8 code points. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

struct table;

struct table *table_new(void);
void table_free(struct table *t);
DEFINE_CLEANUP(struct table, table_free)
/* Columns first, left to right. */
void table_add_column(struct table *t, const char *title, bool right);
/* Cells fill rows in column order; the bytes are copied, control characters shown as '?'. */
void table_add_cell(struct table *t, struct str text);
void table_add_cellf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line across, before the next row. */
void table_add_rule(struct table *t);
/* Appends title line, rule and rows, two blanks between columns, no trailing blanks. */
void table_print(const struct table *t, struct buf *out);

#endif
