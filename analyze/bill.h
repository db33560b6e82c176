/* bill - the kinds of things that bills count, and how usage is split into them.
 *
 * Units of usage contain each other (input holds what came from a cache); those of a bill do not:
 * every token is in one kind.
 */
#ifndef ANALYZE_BILL_H
#define ANALYZE_BILL_H

#include <stdint.h>

#include "base/decimal.h"
#include "base/str.h"
#include "llm/usage.h"

/* X(constant, name) */
#define BILL_UNITS(X)                                                                              \
    X(NONE, "all")    /* a sum over kinds: money only */                                           \
    X(INPUT, "input") /* neither read from nor written to a cache */                               \
    X(CACHED_INPUT, "cached input")                                                                \
    X(CACHE_WRITE, "cache write") /* time to live not said */                                      \
    X(CACHE_WRITE_5M, "cache write 5m")                                                            \
    X(CACHE_WRITE_1H, "cache write 1h")                                                            \
    X(OUTPUT, "output")                                                                            \
    X(INPUT_AUDIO, "audio input")                                                                  \
    X(CACHED_AUDIO, "cached audio input")                                                          \
    X(OUTPUT_AUDIO, "audio output")                                                                \
    X(INPUT_IMAGE, "image input")                                                                  \
    X(CACHED_IMAGE, "cached image input")                                                          \
    X(OUTPUT_IMAGE, "image output")                                                                \
    X(WEB_SEARCHES, "web searches")                                                                \
    X(FILE_SEARCHES, "file searches")                                                              \
    X(CODE_SESSIONS, "code sessions")                                                              \
    X(IMAGES, "images")                                                                            \
    X(SECONDS, "seconds")                                                                          \
    X(CHARACTERS, "characters")                                                                    \
    X(WEB_FETCHES, "web fetches")                                                                  \
    X(PAGES, "pages")                                                                              \
    X(SEARCH_UNITS, "search units")                                                                \
    X(CALLS, "calls")       /* billed by the call */                                               \
    X(REQUESTS, "requests") /* counted, not billed */                                              \
    X(OTHER, "other")       /* storage, sessions, support: nothing a ledger holds */

enum bill_unit {
#define X(constant, name) BILL_##constant,
    BILL_UNITS(X)
#undef X
        BILL_UNIT_COUNT
};

const char *bill_unit_name(enum bill_unit u);

/* How a price list speaks of what a charge of the engine counts. */
struct bill_meter {
    const char *name;     /* "Cached Input Tokens": what SkuMeter says in FOCUS */
    enum bill_unit unit;  /* NONE: a cost without a quantity */
    const char *consumed; /* "Tokens" */
    int consumed_digits;  /* of a consumed quantity: 3 where thousandths are counted */
    const char *priced;   /* what prices are quoted for: "1000000 Tokens" */
    int priced_digits;    /* of a quantity in it */
};

/* Of an engine_charge's unit. */
const struct bill_meter *bill_meter_of(int unit);
/* By name, ASCII case ignored; NULL if there is none. */
const struct bill_meter *bill_meter_find(struct str name);

/* Usage by kind, in millionths; those that no unit of usage is are 0. */
void bill_split(const int64_t units[static USAGE_UNIT_COUNT],
                i128 ret_micro[static BILL_UNIT_COUNT]);

#endif
