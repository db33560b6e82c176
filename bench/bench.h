/* bench - what the bench programs share: a stopwatch, and the rows bench/run reads. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timestamp.h"

/* Under BENCH=short a run only shows that it runs. */
static inline bool bench_is_short(void)
{
    return getenv("WEIR_BENCH_SHORT") != NULL;
}

/* One round of what is measured; returns something that depends on the result, so that nothing is
 * optimised away. */
typedef uint64_t (*bench_fn)(void *ctx);

/* Seconds for one call of fn: the best of several spells of at least 100 ms each (a shared machine
 * disturbs the others). */
static inline double bench_seconds(bench_fn fn, void *ctx)
{
    static volatile uint64_t sink;
    const int64_t spell_us = bench_is_short() ? 1 : 100000;
    const int spells = bench_is_short() ? 1 : 5;
    double best = 0;

    for (int i = 0; i < spells; i++) {
        int64_t from = clock_monotonic_us(), took = 0;
        int calls = 0;
        do {
            sink += fn(ctx);
            calls++;
            took = clock_monotonic_us() - from;
        } while (took < spell_us);
        double seconds = (double)took / 1e6 / calls;
        if (i == 0 || seconds < best)
            best = seconds;
    }
    return best;
}

/* A row with nothing to compare with, and one with: "versus" it, value is "ratio" times as good. */
static inline void bench_row(const char *name, double value, const char *unit)
{
    printf("%s\t%.1f\t%s\t\t\t\n", name, value, unit);
}

static inline void bench_row_beside(const char *name, double value, const char *unit,
                                    const char *versus, double ratio, const char *aim)
{
    printf("%s\t%.1f\t%s\t%s\t%.2f\t%s\n", name, value, unit, versus, ratio, aim);
}

#endif
