/* csv - RFC 4180 rows: quoted fields, doubled quotes, CRLF or LF, any one-byte separator, a BOM.
 *
 * A quote within a field that does not begin with one is a plain byte, as in most TSV.
 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define CSV_ROW_BYTES_MAX (16u << 20)
#define CSV_FIELDS_MAX    4096

struct csv_reader;

/* Reads from file, which stays the caller's. */
struct csv_reader *csv_reader_new(FILE *file, char separator);
void csv_reader_free(struct csv_reader *r);
DEFINE_CLEANUP(struct csv_reader, csv_reader_free)
/* The next row: 1 = *ret, *ret_count set (valid until the next call), 0 = end, -1 = error.  Blank
 * lines are passed over.  After ERR_CORRUPT or ERR_LIMIT (a bad row, its line named) the next call
 * goes on at the next line; after any other error every call fails. */
int csv_reader_next(struct csv_reader *r, const struct str **ret, size_t *ret_count,
                    struct err *err);
/* The line number the last row began on, from 1. */
uint64_t csv_reader_line(const struct csv_reader *r);

/* Appends one field, quoted if it must be; a field that a spreadsheet would run as a formula
 * (= + - @, tab or CR first, and not a number) is quoted and prefixed with an apostrophe (OWASP CSV
 * injection).  The caller ends the row. */
void csv_add_field(struct buf *out, struct str field, char separator, bool first);

#endif
