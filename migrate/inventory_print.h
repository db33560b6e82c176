/* inventory_print - an inventory as text, JSON or CSV. */
#ifndef MIGRATE_INVENTORY_PRINT_H
#define MIGRATE_INVENTORY_PRINT_H

#include "base/buf.h"
#include "migrate/inventory.h"

void inventory_print_text(const struct inventory *inv, struct buf *out);
void inventory_print_json(const struct inventory *inv, struct buf *out);
void inventory_print_csv(const struct inventory *inv, struct buf *out);

#endif
