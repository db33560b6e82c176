/* price - what a usage vector costs at a moment: the effective-dated price book.
 *
 * Money is an integer count of 1e-12 USD ("pusd"); sums are 128 bits wide, so results are exact and
 * do not depend on order.  The book is read from share/prices/ (format: weir-prices(5)) and, on top
 * of it, a user's overlay file with contract prices, discounts, model and deployment maps.
 *
 * A price is kept as it is quoted (an amount per million tokens, per thousand searches, per hour of
 * audio), so a price that has no finite decimal per token is still exact.  Multipliers (batch 0.5,
 * a region's 1.1, a discount) are exact fractions.  Each of the three sums of a result - input,
 * output, fees - is computed as one fraction and rounded once, half to even, to 1e-12 USD; the cost
 * is the sum of the three.
 *
 * Units that are parts of others are billed once: the most specific unit with a price of its own
 * takes its share and the rest stays with its whole (reasoning tokens at the output price, image
 * tokens at the input price, unless the book says otherwise).
 */
#ifndef LLM_PRICE_H
#define LLM_PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/provider.h"
#include "llm/usage.h"

#define PUSD_PER_USD INT64_C(1000000000000)
#define PUSD_SCALE   12

struct price_book;
struct price_entry;

/* Reads every *.yaml of a folder, or one file; later loads win over earlier ones (overlay).
 * *book may be NULL to begin one.  On failure the book is as it was before. */
int price_book_load(struct price_book **book, const char *path, struct err *err);
/* Appends what is the same as long as price_book_load would read the same files of path: their
 * names, and of each its inode, size and times. */
int price_book_mark(const char *path, struct buf *out, struct err *err);
void price_book_free(struct price_book *book);
DEFINE_CLEANUP(struct price_book, price_book_free)
/* SHA-256 over the files read, in hex: pins a report to the prices it used. */
const char *price_book_hash(const struct price_book *book);
size_t price_book_entry_count(const struct price_book *book);

/* Variants of a row that sums calls below or above the step to the long-context price: the sum says
 * nothing of their lengths. */
#define PRICE_VARIANT_SHORT STR("short context")
#define PRICE_VARIANT_LONG  STR("long context")

struct price_query {
    enum provider provider;
    struct str model;        /* as the answer named it */
    struct str service_tier; /* "" = default */
    struct str geo;          /* "" = not said */
    int64_t at_us;           /* moment of the request */
    /* All below may be left zero. */
    struct str route; /* whom a router passed the call to: "groq" behind Hugging Face */
    /* Of an image: "1024x1024/hd"; "" = the model's default.  Of a row that sums calls whose
     * lengths its table tells apart: PRICE_VARIANT_SHORT or PRICE_VARIANT_LONG. */
    struct str variant;
    int64_t requests; /* of a row that sums several calls: 0 and 1 are one call */
};

enum price_status {
    PRICE_OK,
    PRICE_UNKNOWN_MODEL, /* no entry matches: tokens are listed as unpriced, never as 0 */
    PRICE_MISSING_UNIT,  /* an entry matches, but has no price for a unit that was used */
};

/* What a reader of the result should know about how the price was come by. */
enum price_flag {
    PRICE_LONG_CONTEXT = 1 << 0,      /* the whole request at the long-context price */
    PRICE_TIER_ASSUMED = 1 << 1,      /* no price for this service tier: the standard price */
    PRICE_PROVIDER_ASSUMED = 1 << 2,  /* provider unknown; all first parties agree on the price */
    PRICE_PROVIDER_FALLBACK = 1 << 3, /* Azure at OpenAI's price, Vertex at Gemini's, ... */
    PRICE_MAPPED = 1 << 4,            /* the user's map named the model */
    PRICE_OVERLAY = 1 << 5,           /* the entry comes from a file loaded on top of another */
    PRICE_CACHED_AT_INPUT = 1 << 6,   /* no cached price: cached input at the input price */
    PRICE_ELSEWHERE = 1 << 7,         /* a used unit is billed by something the answer lacks */
    PRICE_AVERAGED = 1 << 8,          /* a row of several calls: long context by their average */
    PRICE_DISCOUNTED = 1 << 9,
};
#define PRICE_FLAG_COUNT 10

struct price_result {
    enum price_status status;
    i128 cost_pusd;  /* input + output + fees; of the priced units only unless status is PRICE_OK */
    i128 input_pusd; /* token input, cache included */
    i128 output_pusd; /* token output */
    i128 fees_pusd;   /* per request, image, second, page, search, tool */
    i128 list_pusd;   /* cost before the user's discount */
    uint32_t flags;   /* enum price_flag */
    /* Valid as long as the book: */
    struct str entry;    /* "openai/gpt-4o", the entry that matched */
    struct str note;     /* "long context", "batch", "overlay contract.yaml", ...; may be empty */
    struct str region;   /* the geography whose multiplier applies; may be empty */
    struct str discount; /* "15 % off (contract.yaml)"; may be empty */
    enum usage_unit missing_unit;
};

void price_of(const struct price_book *book, const struct price_query *query,
              const struct usage *usage, struct price_result *ret);
/* Appends note, region, discount and flags in words: "batch, overlay contract.yaml, 15 % off". */
void price_describe(const struct price_result *result, struct buf *out);

/* Remembers which entry a (provider, model, route) leads to.  Matching a new model id costs up to a
 * few microseconds, a remembered one some 100 ns.  One per thread; the book itself is never written
 * after loading and may be shared.  The book must outlive it, and not be loaded into meanwhile. */
struct price_cache;
struct price_cache *price_cache_new(const struct price_book *book);
void price_cache_free(struct price_cache *cache);
DEFINE_CLEANUP(struct price_cache, price_cache_free)
/* As price_of. */
void price_cache_of(struct price_cache *cache, const struct price_query *query,
                    const struct usage *usage, struct price_result *ret);

/* A bill's lines: so many of a unit at one price.  Every unit that was used is in one line, as the
 * bill counts it: parts are not in their wholes.  Rounded to 1e-12 USD, the lines come to the
 * result's cost but for what rounding each of them by itself loses. */
#define PRICE_ITEM_REQUEST USAGE_UNIT_COUNT /* the call itself */
#define PRICE_ITEMS_MAX    64

struct price_item {
    int unit; /* enum usage_unit, or PRICE_ITEM_REQUEST */
    int64_t n;
    i128 list_yusd, unit_yusd; /* of one, 1e-24 USD: before the user's discount, and after it */
};

struct price_items {
    struct price_item list[PRICE_ITEMS_MAX];
    size_t count;
};

/* As price_cache_of, with the lines.  Tokens that are paid for by the hour are lines at price 0. */
struct price_request {
    const struct price_query *query;
    const struct usage *usage;
};
void price_cache_items(struct price_cache *cache, const struct price_request *request,
                       struct price_result *ret, struct price_items *ret_items);

/* What an ordinary call pays, unit by unit, where that is a whole number of 1e-12 USD a token: then
 * nothing is rounded, and costs may be had from sums of tokens.  Input is taken apart into what
 * came fresh, from a cache, and into one; output into reasoning and the rest. */
enum price_part {
    PRICE_PART_FRESH,
    PRICE_PART_CACHED,
    PRICE_PART_WRITE, /* into a cache, nobody said for how long */
    PRICE_PART_WRITE_5M,
    PRICE_PART_WRITE_1H,
    PRICE_PART_OUTPUT,
    PRICE_PART_REASONING,
    PRICE_PART_COUNT,
};

/* Holds for calls that used nothing but these parts (and tool calls), each part at least 0 and no
 * more than 1e10, with the query's requests at most 1, within the two spans.  A call that used a
 * part without its bit in exact must be priced by price_of, as must everything if that of FRESH is
 * missing. */
struct price_rates {
    enum price_status status; /* PRICE_OK or PRICE_UNKNOWN_MODEL */
    uint32_t exact;           /* bit per enum price_part */
    int64_t pusd[PRICE_PART_COUNT];
    int64_t request_pusd;            /* of each call, whatever it used */
    uint32_t flags;                  /* enum price_flag */
    int64_t input_from, input_until; /* tokens of all input, half open */
    int64_t from_us, until_us;
};

/* The rates at query->at_us for a call with that much input in all. */
void price_cache_rates(struct price_cache *cache, const struct price_query *query,
                       int64_t input_tokens, struct price_rates *ret);
/* What price_of would say that it costs.  False: the rates do not say. */
bool price_rates_cost(const struct price_rates *rates, const struct usage *usage, int64_t at_us,
                      i128 *ret_pusd);

#endif
