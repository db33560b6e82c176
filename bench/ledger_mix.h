/* ledger_mix - ledgers of a made-up company's month, for benches: 40 apps of 9 teams, 30 models of
 * 7 providers, 5,000 end users, all by Zipf; token counts and latencies log-normal; errors, cached
 * input, cache writes, reasoning, service tiers, reported costs and unknown usage as traffic has
 * them.  The same number of rows always gives the same bytes, however many processes write them.
 */
#ifndef BENCH_LEDGER_MIX_H
#define BENCH_LEDGER_MIX_H

#include <stdint.h>

#include "base/err.h"
#include "llm/provider.h"

#define MIX_MODELS    30u
#define MIX_DAYS      31
#define MIX_FROM_TEXT "2026-10-01"

struct mix_model {
    enum provider provider;
    const char *name;
    bool caches, writes, reasons; /* what its usage has */
};
extern const struct mix_model mix_models[MIX_MODELS];

/* Makes FOLDER/ledger/date=2026-10-DD/UUID.parquet, a file a day (more where a day has more than a
 * million rows). */
int ledger_mix_write(const char *folder, uint64_t rows, unsigned processes, struct err *err);

#endif
