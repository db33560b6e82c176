/* invoice_row - one row of a provider's export, its cells under weir's names (private to
 * analyze/invoice).
 */
#ifndef ANALYZE_INVOICE_ROW_H
#define ANALYZE_INVOICE_ROW_H

#include "analyze/invoice.h"

/* X(constant): what a cell says.  Quantities follow under INVOICE_CELL_UNIT + enum bill_unit. */
#define INVOICE_CELLS(X)                                                                           \
    X(FROM)                                                                                        \
    X(TO)                                                                                          \
    X(MODEL)                                                                                       \
    X(TIER)                                                                                        \
    X(BATCH)                                                                                       \
    X(SPEED)                                                                                       \
    X(GEO)                                                                                         \
    X(CONTEXT)                                                                                     \
    X(PROJECT)                                                                                     \
    X(KEY)                                                                                         \
    X(ITEM)                                                                                        \
    X(AMOUNT)       /* USD */                                                                      \
    X(AMOUNT_CENTS) /* hundredths of a USD */                                                      \
    X(LIST)                                                                                        \
    X(CURRENCY)                                                                                    \
    X(TOKEN_TYPE)                                                                                  \
    X(COST_TYPE)                                                                                   \
    X(QUANTITY)                                                                                    \
    X(QUANTITY_UNIT)                                                                               \
    X(SERVICE)                                                                                     \
    X(PROVIDER) /* in weir's words */                                                              \
    X(CHARGE)                                                                                      \
    X(ALL_INPUT) /* with what came from caches and went into them */

enum invoice_cell {
#define X(constant) INVOICE_CELL_##constant,
    INVOICE_CELLS(X)
#undef X
        INVOICE_CELL_UNIT,
    INVOICE_CELL_COUNT = INVOICE_CELL_UNIT + BILL_UNIT_COUNT,
};

struct invoice_row {
    struct str cells[INVOICE_CELL_COUNT]; /* empty = not there, or empty */
    uint64_t number;
};

/* Adds the lines of a row; file->format says which emitter.  -1: a cell that cannot be read, named
 * by its kind and content. */
int invoice_row_add(const struct invoice_row *row, struct invoice_file *file, struct invoice *ret,
                    struct err *err);

#endif
