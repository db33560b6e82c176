/* price_check - is the price book plausible, and is a cost?
 *
 * Price tables are wrong in a few known ways: a price per thousand or per token in a column of
 * prices per million, a digit too many, cached input dearer than input, a forgotten output price,
 * two entries that claim one model.  Each finding says where and what to do.
 */
#ifndef LLM_PRICE_CHECK_H
#define LLM_PRICE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "llm/price.h"

#define PRICE_FINDINGS_MAX 10000

struct price_finding {
    const char *path; /* valid as long as the book */
    unsigned line;
    char text[240]; /* what is odd, and what to do about it */
};

struct price_findings {
    struct price_finding *items;
    size_t len, cap;
    size_t more; /* beyond PRICE_FINDINGS_MAX */
};

/* Judges every file of the book, in the order loaded. */
void price_check(const struct price_book *book, struct price_findings *ret);
void price_findings_release(struct price_findings *f);
DEFINE_CLEANUP_VALUE(struct price_findings, price_findings_release)

/* Whether a cost can be right for this usage; table is the book's own price of it, or NULL.  Not
 * plausible is more than 1 USD per 1,000 tokens (fees the table knows of taken out), or more than
 * 100 times the table's price: the mark of a wrong unit in someone's table.  *ret_reason is set to
 * a static text when false. */
bool price_is_plausible(i128 cost_pusd, const struct usage *usage, const struct price_result *table,
                        const char **ret_reason);

#endif
