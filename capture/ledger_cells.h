/* ledger_cells - the cells of a row; private to capture/ledger*.c. */
#ifndef CAPTURE_LEDGER_CELLS_H
#define CAPTURE_LEDGER_CELLS_H

#include "capture/ledger.h"

/* Null when empty, in the columns that may be null. */
void ledger_put_str(struct parquet_cell *cells, enum ledger_column column, struct str value);
/* ATTEMPTS to DECISIONS, and the UPSTREAM that answered where attempts say so. */
void ledger_put_steps(const struct exchange *x, struct arena *scratch, struct parquet_cell *ret);

#endif
