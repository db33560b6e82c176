#include "config.h"

#include "proxy/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define READ_TRIES 1000 /* a cutover comes once in minutes */

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
    upstream_stats_metrics(&workers->upstreams, count, sizeof(*workers), out);
}

void stats_write_json(const struct proxy_stats *workers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_add_key(out, rows[i].name);
        add_total(workers, count, i, out);
    }
}

/* --- the cutover --- */

void stats_set_cutover(struct proxy_stats *worker, uint64_t epoch, struct str marker)
{
    uint64_t next = worker->cutovers + 1;
    struct stats_cutover *c = &worker->cutover[next % 2];

    c->epoch = epoch;
    snprintf(c->marker, sizeof(c->marker), "%.*s", STR_ARG(marker));
    __atomic_store_n(&worker->cutovers, next, __ATOMIC_RELEASE);
}

/* A worker reads what strangers send, so what it wrote is not trusted to be a marker, which
 * policy/cutover holds to letters, digits and three signs. */
static void cut_marker(struct stats_cutover *c)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    c->marker[sizeof(c->marker) - 1] = '\0';
    c->marker[strspn(c->marker, known)] = '\0';
}

/* What is read may be written over once two more came meanwhile: then it is read again, but not for
 * as long as a worker likes. */
static void read_cutover(const struct proxy_stats *worker, struct stats_cutover *ret)
{
    uint64_t before, after;
    int tries = 0;

    do {
        before = __atomic_load_n(&worker->cutovers, __ATOMIC_ACQUIRE);
        *ret = worker->cutover[before % 2];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        after = __atomic_load_n(&worker->cutovers, __ATOMIC_RELAXED);
    } while (before != after && ++tries < READ_TRIES);
    cut_marker(ret);
}

static bool serves(const struct proxy_stats *worker)
{
    return __atomic_load_n(&worker->up, __ATOMIC_RELAXED) != 0;
}

/* What all that serve follow. */
static void common_cutover(const struct proxy_stats *workers, size_t count,
                           struct stats_cutover *ret)
{
    struct stats_cutover one;
    bool found = false;

    *ret = (struct stats_cutover){ 0 };
    for (size_t i = 0; i < count; i++) {
        if (!serves(&workers[i]))
            continue;
        read_cutover(&workers[i], &one);
        if (found && !str_eq(str_from(one.marker), str_from(ret->marker))) {
            *ret = (struct stats_cutover){ .marker = "mixed" };
            return;
        }
        *ret = one;
        found = true;
    }
}

void stats_cutover_json(const struct proxy_stats *workers, size_t count, struct buf *out)
{
    struct stats_cutover c;
    const char *before = "";

    common_cutover(workers, count, &c);
    json_add_key(out, "cutover");
    buf_add_byte(out, '{');
    json_add_str(out, "marker", str_from(c.marker));
    json_add_int(out, "epoch", (int64_t)c.epoch);
    json_add_key(out, "workers");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (!serves(&workers[i]))
            continue;
        read_cutover(&workers[i], &c);
        buf_addf(out, "%s{", before);
        json_add_int(out, "worker", (int64_t)i);
        json_add_int(out, "epoch", (int64_t)c.epoch);
        json_add_str(out, "marker", str_from(c.marker));
        buf_add_byte(out, '}');
        before = ",";
    }
    buf_add_text(out, "]}");
}

void stats_cutover_metrics(const struct proxy_stats *workers, size_t count, struct buf *out)
{
    struct stats_cutover c;

    buf_add_text(out, "# HELP weir_cutover_epoch The cutover that a worker follows; 0 = none.\n"
                      "# TYPE weir_cutover_epoch gauge\n");
    for (size_t i = 0; i < count; i++) {
        if (!serves(&workers[i]))
            continue;
        read_cutover(&workers[i], &c);
        buf_addf(out, "weir_cutover_epoch{worker=\"%zu\",marker=\"%s\"} %" PRIu64 "\n", i, c.marker,
                 c.epoch);
    }
}
