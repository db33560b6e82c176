/* price_sheet - all prices one model has at a moment, line by line, to be shown. */
#ifndef LLM_PRICE_SHEET_H
#define LLM_PRICE_SHEET_H

#include <stdbool.h>
#include <stddef.h>

#include "llm/price.h"

/* Strings are valid as long as the book. */
struct price_line {
    struct str tier;    /* "" = standard */
    int64_t above;      /* long context: for requests with more input tokens; 0 = any */
    bool inclusive;     /* ... or exactly that many */
    const char *unit;   /* "cached_input" */
    struct str variant; /* of an image */
    const char *per;    /* "per_million" */
    i128 amount_pusd;   /* for that quantity; a tier's factor applied, half to even */
    bool elsewhere;     /* billed by something no answer shows */
    bool provider_wide; /* a fee of the provider's, not of this model */
};

struct price_sheet {
    struct str entry; /* "openai/gpt-4o" */
    enum provider provider;
    struct str path;
    unsigned line;             /* of the entry */
    int64_t from_us, until_us; /* INT64_MIN, INT64_MAX = open */
    bool part_of_day;          /* holds at some hours or weekdays only */
    struct str source, checked, note;
    size_t period_count; /* that the entry has in all */
    uint32_t flags;      /* enum price_flag */
    struct price_line *lines;
    size_t len, cap;
};

/* The sheet of the model at the query's moment; of all tiers unless it names one.  False if the
 * book has none. */
bool price_sheet_make(const struct price_book *book, const struct price_query *query,
                      struct price_sheet *ret);
void price_sheet_release(struct price_sheet *s);
DEFINE_CLEANUP_VALUE(struct price_sheet, price_sheet_release)

/* Providers that have an entry of their own for the model, in the order of their enum; returns how
 * many were written to ret, which has room for PROVIDER_COUNT. */
size_t price_sheet_providers(const struct price_book *book, const struct price_query *query,
                             enum provider *ret);
/* Whether any price of the book is of that service tier, or it is the standard one or one of bought
 * capacity. */
bool price_sheet_knows_tier(const struct price_book *book, struct str tier);
/* Up to max entry names that contain the text, to suggest; returns their number. */
size_t price_sheet_suggest(const struct price_book *book, struct str text, struct str *ret,
                           size_t max);

#endif
