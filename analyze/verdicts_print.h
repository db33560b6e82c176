/* verdicts_print - verdicts as text, CSV and JSON. */
#ifndef ANALYZE_VERDICTS_PRINT_H
#define ANALYZE_VERDICTS_PRINT_H

#include "analyze/verdicts.h"
#include "base/buf.h"

void verdicts_print_text(const struct verdicts_question *question, const struct verdicts *v,
                         struct buf *out);
void verdicts_print_csv(const struct verdicts_question *question, const struct verdicts *v,
                        struct buf *out);
void verdicts_print_json(const struct verdicts_question *question, const struct verdicts *v,
                         struct buf *out);

#endif
