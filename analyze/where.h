/* where - a filter over ledger rows, as the user writes it (weir-where(7)).
 *
 *     team = 'cx' and model ~ 'gpt-*' and status >= 400 and started_at in '2026-10'
 *
 *     expr := and-terms joined by "or"; "not" and parentheses as usual
 *     test := field ( = | != | < | <= | > | >= ) value
 *           | field ( ~ | !~ ) 'glob'
 *           | field [not] in ( value, value ... )
 *           | field [not] in 'period'
 *           | field is [not] null
 *           | field
 *
 * Text compares bytewise, numbers as numbers; a glob knows * and ?; a period is '2026', '2026-10'
 * or '2026-10-07', for started_at; a field alone is for true/false fields.
 *
 * An absent text and the empty text are the same thing; a comparison with an absent number is
 * false. Errors show the expression with a caret under the place.
 */
#ifndef ANALYZE_WHERE_H
#define ANALYZE_WHERE_H

#include "analyze/scan.h"
#include "base/timestamp.h"

#define WHERE_BYTES_MAX 65536
#define WHERE_DEPTH_MAX 64

struct where;

/* Periods and times in text are read in tz (NULL = UTC), which must outlive ret and its clones. */
int where_parse(struct str text, const struct tz *tz, struct where **ret, struct err *err);
void where_free(struct where *w);
DEFINE_CLEANUP(struct where, where_free)
/* Marks the columns it reads. */
void where_columns(const struct where *w, struct scan_columns *ret);
/* Call once per block before where_row: text tests are decided once per distinct value. */
void where_prepare(struct where *w, const struct block *b);
bool where_row(const struct where *w, const struct block *b, size_t row);
/* Both of them for all rows: keep[i] is 1 where row i passes, else 0. */
void where_rows(struct where *w, const struct block *b, uint8_t *keep);
/* A filter of the same meaning, for another thread. */
int where_clone(const struct where *w, struct where **ret, struct err *err);

/* A row group that has not been read. */
struct where_group {
    const struct parquet_file *file;
    const int *columns; /* as ledger_open maps them */
    size_t group;
    bool who_is_derived; /* attribution rules make the columns app ... purpose */
};
/* False if the statistics show that no row passes. */
bool where_may_pass(const struct where *w, const struct where_group *g);

#endif
