/* closing - a month that is over keeps the prices it was closed with, whatever becomes of the price
 * book.
 *
 *     DIR/2026-10.json          {"format":"weir-closed-month/1","month","price_book","closed_at"}
 *     DIR/prices/HASH/0000/...  the files of the book of that hash, a folder for each that was
 *                               loaded, in their order
 *
 * What is kept is the book and not its results, so that a closed month can be asked anything -
 * another zone, filter or form - at the same prices, and traffic that is imported late counts.
 * Files appear whole or not at all, the prices before the month that names them.
 */
#ifndef ANALYZE_CLOSING_H
#define ANALYZE_CLOSING_H

#include "analyze/month.h"
#include "llm/price.h"

#define CLOSING_HASH_BYTES 65

struct closing {
    char hash[CLOSING_HASH_BYTES]; /* of the price book */
    char closed_at[TIMESTAMP_TEXT_BYTES];
};

/* 1 = the month is closed in the folder (which may be missing), 0 = it is not, -1. */
int closing_find(const char *dir, struct month m, struct closing *ret, struct err *err);
/* The book it was closed with; ERR_CORRUPT if its files are not what they were. */
int closing_load(const char *dir, const struct closing *c, struct price_book **ret,
                 struct err *err);
/* Closes it, or closes it anew; paths are what the book was loaded from, in that order. */
int closing_write(const char *dir, struct month m, const struct price_book *book,
                  char *const *paths, size_t count, int64_t now_us, struct err *err);

#endif
