/* surveying - the inventory that commands of migrate work on: of the archives and the
 * configuration that are named on the command line, or in the plan. */
#ifndef CLI_SURVEYING_H
#define CLI_SURVEYING_H

#include "cli/analysis.h"
#include "migrate/inventory.h"

struct survey {
    struct analysis analysis;
    struct inventory inventory;
};

/* The calls of the span, with names of tools and risks.  Paths end with NULL; those of the
 * invocation's --invoice (if the command has invoices) are held against what was recorded. */
struct survey_options {
    const char *const *archives;
    const char *config; /* NULL = none */
    bool has_invoices;
    int64_t from_us, to_us;
};
int survey_run(const struct invocation *inv, const struct survey_options *o, struct survey *ret,
               struct err *err);
void survey_release(struct survey *s);
DEFINE_CLEANUP_VALUE(struct survey, survey_release)

#endif
