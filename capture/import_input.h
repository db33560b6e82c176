/* import_input - the bytes of a file to import, decompressed, a piece at a time (private to
 * capture/import).
 *
 * A file, or standard input as "-"; gzip and zstd are known by their first bytes, whatever the name
 * says.  Memory does not grow with the file: what is held is the current line or element.
 */
#ifndef CAPTURE_IMPORT_INPUT_H
#define CAPTURE_IMPORT_INPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define IMPORT_LINE_BYTES_MAX    (64u << 20)
#define IMPORT_ELEMENT_BYTES_MAX (512u << 20) /* of one HAR entry or row object */
#define IMPORT_PEEK_BYTES        (64u << 10)
#define IMPORT_PATH_DEPTH_MAX    4

struct import_input;

int import_input_open(const char *path, struct import_input **ret, struct err *err);
void import_input_close(struct import_input *in);
DEFINE_CLEANUP(struct import_input, import_input_close)
/* Up to IMPORT_PEEK_BYTES of what comes first, without taking it; valid until the next call.  A
 * byte order mark at the very beginning is dropped. */
int import_input_peek(struct import_input *in, struct str *ret, struct err *err);
/* Decompressed bytes taken so far. */
uint64_t import_input_bytes(const struct import_input *in);
/* Compressed bytes or the file's own, read so far. */
uint64_t import_input_read_bytes(const struct import_input *in);

/* The next line without its end: 1 = *ret (valid until the next call), *ret_number set, 0 = end.
 * -1: ERR_LIMIT for a line beyond IMPORT_LINE_BYTES_MAX, which is passed over, and reading can go
 * on; any other failure is the end. */
int import_input_line(struct import_input *in, struct str *ret, uint64_t *ret_number,
                      struct err *err);

/* The next element of an array inside a JSON document, as its text: the array lies at path (member
 * names from the top; path_len 0 = the document itself is the array, or one object after the
 * other).  1 = *ret (valid until the next call), *ret_line (where it begins) set; 0 = end.  -1:
 * ERR_LIMIT for an element that is too large and passed over; else ERR_CORRUPT: the document ends
 * early or is no JSON. */
struct import_elements {
    struct str path[IMPORT_PATH_DEPTH_MAX];
    size_t path_len;
    size_t level;  /* private: how many objects of the path are entered */
    bool in_array; /* private */
    bool found;    /* the array was seen */
};
int import_input_element(struct import_input *in, struct import_elements *e, struct str *ret,
                         uint64_t *ret_line, struct err *err);

/* The rest as a stdio stream, for base/csv; the caller closes it, before in. */
FILE *import_input_file(struct import_input *in);
/* The failure that ended the stream given out, if there was one: -1 with err, else 0. */
int import_input_failure(const struct import_input *in, struct err *err);

#endif
