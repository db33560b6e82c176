/* document - a report as data: sections, each a table with notes and perhaps a chart.
 *
 * It is made once, and printed as text, CSV, JSON or a page from the same cells, so that no two
 * forms of a report can differ.  Everything added is copied.  Zero-initialised is empty and ready.
 */
#ifndef BASE_DOCUMENT_H
#define BASE_DOCUMENT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/str.h"
#include "base/vec.h"

#define RATIO_ONE INT64_C(1000000) /* shares and changes are in millionths */

enum cell_kind {
    CELL_NONE, /* not known, or does not apply */
    CELL_TEXT,
    CELL_COUNT,
    CELL_USD, /* 1e-12 USD, exact; only text and page round it */
    CELL_USD_CHANGE,
    CELL_SHARE,  /* of a whole, in millionths */
    CELL_CHANGE, /* of the old value, in millionths: +35 % is 350000 */
    CELL_US,     /* microseconds */
    CELL_NUMBER, /* of anything else, in millionths */
};

struct cell {
    enum cell_kind kind;
    i128 n;
    struct str text;
};

struct column {
    struct str name;  /* in JSON and CSV */
    struct str title; /* for people */
    bool is_number;
};

enum chart_kind {
    CHART_NONE,
    CHART_STACK,     /* one bar a row, of the columns */
    CHART_WATERFALL, /* each row goes on where the one before ended, the first and last stand */
    CHART_LINES,     /* one line a column */
};

/* Of the section's own cells, so that the table is the text of the picture. */
struct chart {
    enum chart_kind kind;
    size_t first, count; /* columns */
    struct str title;
    struct str text; /* what it shows, for who cannot see it */
};

struct section {
    struct str id, title;
    VEC(struct column) columns;
    VEC(struct cell) cells; /* row by row */
    VEC(struct str) notes;
    struct chart chart;
};

/* What it is about: a member of the JSON object's head. */
struct document_fact {
    struct str name, value;
};

/* Strings are static, or of the document's arena. */
struct document {
    struct str format; /* of the JSON object: "weir-report/1" */
    struct str title;
    struct str subtitle;            /* under the page's title */
    struct str ending, page_ending; /* last line, of the text and of the page */
    int usd_digits;                 /* behind the point, in text and page */
    VEC(struct document_fact) facts;
    VEC(struct section *) list; /* owned */
    struct arena arena;
};

void document_release(struct document *d);
DEFINE_CLEANUP_VALUE(struct document, document_release)

void document_fact(struct document *d, const char *name, struct str value);
/* Begins a section; what follows adds to it.  Valid as long as the document. */
struct section *document_section(struct document *d, const char *id, const char *title);
/* Columns come before cells; names of numbers only say how to align. */
void document_column(struct document *d, struct str name, struct str title, bool is_number);
struct column_def {
    const char *name, *title;
    bool is_number;
};
void document_columns(struct document *d, const struct column_def *defs, size_t count);
void document_note(struct document *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void document_chart(struct document *d, enum chart_kind kind, size_t first, size_t count,
                    const char *title, const char *text);

/* Cells fill rows in column order. */
void document_none(struct document *d);
void document_text(struct document *d, struct str text);
void document_textf(struct document *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void document_number(struct document *d, enum cell_kind kind, i128 n);
/* part of whole; none if whole is 0. */
void document_share(struct document *d, i128 part, i128 whole);
/* From before to after; none if before is not above 0. */
void document_change(struct document *d, i128 before, i128 after);
/* In millionths, rounded to the nearest; whole is not 0. */
i128 ratio_of(i128 part, i128 whole);

size_t section_rows(const struct section *s);
const struct cell *section_cell(const struct section *s, size_t row, size_t column);
/* The cell as people read it, appended: "1,234", "1,080.92", "+741.4 %", "1.25 s", "-". */
void cell_format(const struct document *d, const struct cell *c, struct buf *out);
/* The cell exactly, for machines: "1234", "80.924312345678", "7.414000", "1250000"; nothing for
 * none. */
void cell_format_exact(const struct cell *c, struct buf *out);

#endif
