/* alerts_print - alerts as people and machines read them. */
#ifndef ANALYZE_ALERTS_PRINT_H
#define ANALYZE_ALERTS_PRINT_H

#include "analyze/alerts.h"
#include "base/buf.h"

/* Of all alerts, those that are new, each with its culprits. */
void alerts_print_text(const struct alerts *a, struct buf *out);
/* One object; with a newline. */
void alerts_print_json(const struct alerts *a, int64_t now_us, struct buf *out);

#endif
