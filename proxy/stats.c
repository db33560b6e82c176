#include "config.h"

#include "proxy/stats.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/json.h"

enum kind { COUNTER, GAUGE, LONGEST };

static const struct {
    const char *name, *help;
    enum kind kind;
    size_t offset;
} rows[] = {
#define X(name, kind, help) { #name, help, kind, offsetof(struct proxy_stats, name) },
    PROXY_STATS(X)
#undef X
};

static uint64_t value_of(const struct proxy_stats *worker, size_t row)
{
    const char *at = (const char *)worker + rows[row].offset;

    return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED);
}

/* The sum, or the longest. */
static void add_total(const struct proxy_stats *workers, size_t count, size_t row, struct buf *out)
{
    uint64_t sum = 0, most = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t value = value_of(&workers[i], row);
        sum += value;
        most = value > most ? value : most;
    }
    if (rows[row].kind == LONGEST)
        buf_addf(out, "%" PRIu64 ".%06" PRIu64, most / 1000000, most % 1000000);
    else
        buf_addf(out, "%" PRIu64, sum);
}

void stats_write_metrics(const struct proxy_stats *workers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool counts = rows[i].kind == COUNTER;
        const char *end = counts ? "_total" : "";
        buf_addf(out, "# HELP weir_%s%s %s\n# TYPE weir_%s%s %s\nweir_%s%s ", rows[i].name, end,
                 rows[i].help, rows[i].name, end, counts ? "counter" : "gauge", rows[i].name, end);
        add_total(workers, count, i, out);
        buf_add_byte(out, '\n');
    }
}

void stats_write_json(const struct proxy_stats *workers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_add_key(out, rows[i].name);
        add_total(workers, count, i, out);
    }
}
