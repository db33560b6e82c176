/* import_row - the values of one row of usage, and what they come to (private to capture/import).
 */
#ifndef CAPTURE_IMPORT_ROW_H
#define CAPTURE_IMPORT_ROW_H

#include "capture/import_map.h"
#include "capture/import_record.h"

struct import_row {
    const struct import_map *map;
    struct str values[IMPORT_TARGET_COUNT]; /* ptr NULL = not given */
};

void import_row_begin(struct import_row *row, const struct import_map *map);
bool import_row_is_null(const struct import_map *map, struct str value);
/* The text of a column of the map; a target that has a value keeps it.  Valid as long as im's
 * record. */
void import_row_set(struct import_row *row, struct import *im, size_t column, struct str value);
/* By the name of a target or "label.NAME"; others are passed over. */
void import_row_set_named(struct import_row *row, struct import *im, struct str name,
                          struct str value);
/* The text of a member deep in an object, "usage.prompt_tokens"; ptr NULL if there is none. */
struct str import_row_json_find(struct import *im, struct str object, struct str path);
/* Turns the values into im->record: 1 = done, 0 = the row says nothing (no requests at all), -1 =
 * the row is bad. */
int import_row_finish(struct import_row *row, struct import *im, struct err *err);

#endif
