#include "config.h"

#include "proxy/stats.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/json.h"

enum kind { COUNTER, GAUGE };

static const struct {
    const char *name, *help;
    enum kind kind;
    size_t offset;
} rows[] = {
#define X(name, kind, help) { #name, help, kind, offsetof(struct proxy_stats, name) },
    PROXY_STATS(X)
#undef X
};

static uint64_t sum_of(const struct proxy_stats *workers, size_t count, size_t offset)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += __atomic_load_n((const uint64_t *)(const void *)((const char *)&workers[i] + offset),
                               __ATOMIC_RELAXED);
    return sum;
}

void stats_write_metrics(const struct proxy_stats *workers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool counts = rows[i].kind == COUNTER;
        const char *end = counts ? "_total" : "";
        buf_addf(out, "# HELP weir_%s%s %s\n# TYPE weir_%s%s %s\nweir_%s%s %" PRIu64 "\n",
                 rows[i].name, end, rows[i].help, rows[i].name, end, counts ? "counter" : "gauge",
                 rows[i].name, end, sum_of(workers, count, rows[i].offset));
    }
}

void stats_write_json(const struct proxy_stats *workers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        json_add_int(out, rows[i].name, (int64_t)sum_of(workers, count, rows[i].offset));
}
