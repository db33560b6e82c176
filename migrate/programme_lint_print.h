/* programme_lint_print - findings and calendar as text or JSON; the next applications of a plan. */
#ifndef MIGRATE_PROGRAMME_LINT_PRINT_H
#define MIGRATE_PROGRAMME_LINT_PRINT_H

#include "base/buf.h"
#include "migrate/programme_lint.h"

void programme_lint_print_text(const struct programme *p, const struct programme_lint *l,
                               struct buf *out);
void programme_lint_print_json(const struct programme *p, const struct programme_lint *l,
                               struct buf *out);
/* "file:line:column: severity: text [rule]", and how to mend it in a second line. */
void programme_finding_print(const struct programme *p, const struct programme_finding *f,
                             struct buf *out);
/* "24 h", "7 d". */
void programme_add_duration(int64_t us, struct buf *out);

#endif
