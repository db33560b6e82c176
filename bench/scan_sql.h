/* scan_sql - the questions of bench_scan in SQL, with the prices of our book as a table. */
#ifndef BENCH_SCAN_SQL_H
#define BENCH_SCAN_SQL_H

#include "base/buf.h"
#include "llm/price.h"

/* CREATE TABLE prices ...: what each model of the mix costs a token at each tier, asked of price_of
 * unit by unit, below and above the input length at which it changes. */
void scan_sql_prices(const struct price_book *book, struct buf *out);
/* Requests, tokens and cost by team, app and model; files is a glob. */
void scan_sql_spend(const char *files, struct buf *out);
/* The same, written by somebody who knows that most of the work is in the rows: tokens are summed
 * by all that a price depends on, and only those sums are priced. */
void scan_sql_spend_grouped(const struct price_book *book, const char *files, struct buf *out);
/* p95 of the duration by day and team; exact or approx_quantile. */
void scan_sql_latency(const char *files, bool exact, struct buf *out);

#endif
