/* bench_ledger - how fast ledgers are written, and read for a grouped sum by one thread.
 *
 * The rows are like a day of traffic: 40 teams, 30 models, ids that never repeat, most usage
 * columns null.  Where the other readers of tests/interop are installed in the build folder, DuckDB
 * makes the same sums over the same file with one thread.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/timestamp.h"
#include "bench/bench.h"
#include "capture/ledger.h"

#define ROWS       1000000u
#define ROWS_SHORT 20000u
#define SCANS      5
#define PATH       "bench_ledger.parquet"

#define TEAMS  40u
#define MODELS 30u

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Text of row n lives in the four buffers until the next row. */
static void make_exchange(struct exchange *x, uint64_t n, uint64_t *state)
{
    static char team[20], model[20], response[40], user[20];
    struct usage *usage = &x->facts.parts[0].usage;
    uint8_t random[10];

    for (int i = 0; i < 10; i++)
        random[i] = (uint8_t)next_random(state);
    x->started_us = 1762000000000000 + (int64_t)n * 86400;
    x->id = uuid7_make((uint64_t)x->started_us, random);
    x->sequence = n + 1;
    x->request_us = (int64_t)(next_random(state) % 2000);
    x->head_us = x->request_us + (int64_t)(next_random(state) % 500000);
    x->first_token_us = x->head_us + (int64_t)(next_random(state) % 500000);
    x->end_us = x->first_token_us + (int64_t)(next_random(state) % 20000000);
    uint64_t t = next_random(state) % TEAMS;
    uint64_t m = (next_random(state) % MODELS) * (next_random(state) % MODELS) / MODELS;
    x->who.team = (struct str){ team, (size_t)snprintf(team, sizeof(team), "team-%" PRIu64, t) };
    x->who.end_user = (struct str){ user, (size_t)snprintf(user, sizeof(user), "user-%" PRIu64,
                                                           next_random(state) % 5000) };
    x->facts.model =
        (struct str){ model, (size_t)snprintf(model, sizeof(model), "model-%" PRIu64 "-2026", m) };
    x->facts.response_id =
        (struct str){ response, (size_t)snprintf(response, sizeof(response), "chatcmpl-%016" PRIx64,
                                                 next_random(state)) };
    x->request_bytes = next_random(state) % 40000;
    x->response_bytes = next_random(state) % 20000;
    usage_set(usage, USAGE_INPUT, (int64_t)(next_random(state) % 8000));
    usage_set(usage, USAGE_CACHED_INPUT, (int64_t)(next_random(state) % 4 ? 0 : 1024));
    usage_set(usage, USAGE_OUTPUT, (int64_t)(next_random(state) % 2000));
}

static void fill_constant(struct exchange *x)
{
    x->writer = STR("w0-019a3f62-547b-7102-8304-05060708090a");
    x->origin = STR("proxy");
    x->who.app = STR("support-bot");
    x->who.environment = STR("production");
    x->key_id = STR("0123456789abcdef");
    x->user_agent = STR("OpenAI/Python 1.54.3");
    x->upstream = STR("openai");
    x->host = STR("api.openai.com");
    x->path = STR("/v1/chat/completions");
    x->status = 200;
    x->facts.provider = PROVIDER_OPENAI;
    x->facts.recognised_by = "host";
    x->facts.model_requested = STR("model");
    x->facts.finish_reason = STR("stop");
    x->facts.service_tier = STR("default");
    x->facts.stream = x->facts.billable = true;
    x->facts.part_count = 1;
}

static int write_rows(uint64_t rows, int64_t *ret_us, struct err *err)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    static struct exchange x;
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];
    struct parquet_writer *w = NULL;
    uint64_t state = 88172645463325252;
    int64_t start = clock_monotonic_us();

    fill_constant(&x);
    if (ledger_create(PATH, &w, err) < 0)
        return -1;
    for (uint64_t n = 0; n < rows; n++) {
        arena_reset(&scratch);
        make_exchange(&x, n, &state);
        ledger_cells(&x, 0, (int64_t)n * 30000, &scratch, cells);
        if (parquet_add_row(w, cells, err) < 0) {
            parquet_abandon(w);
            return -1;
        }
    }
    if (parquet_finish(w, err) < 0)
        return -1;
    *ret_us = clock_monotonic_us() - start;
    return 0;
}

struct totals {
    uint64_t requests;
    int64_t input, output;
};

enum { TEAM, MODEL, INPUT, OUTPUT, SCANNED };

/* Adds one row group up, by the codes of team and model. */
static void add_group(const struct parquet_values *v, struct totals *totals)
{
    size_t models = v[MODEL].dictionary_len;

    for (size_t i = 0; i < v[TEAM].count; i++) {
        struct totals *t = &totals[v[TEAM].codes[i] * models + v[MODEL].codes[i]];
        t->requests++;
        t->input += v[INPUT].ints[i];
        t->output += v[OUTPUT].ints[i];
    }
}

static int scan_group(struct parquet_file *f, size_t group, const int *map,
                      struct parquet_values *v, struct totals *ret, struct err *err)
{
    static const int columns[SCANNED] = { LEDGER_TEAM, LEDGER_MODEL, LEDGER_USAGE + USAGE_INPUT,
                                          LEDGER_USAGE + USAGE_OUTPUT };

    for (int c = 0; c < SCANNED; c++)
        if (parquet_read(f, group, (size_t)map[columns[c]], &v[c], err) < 0)
            return -1;
    size_t cells = (v[TEAM].dictionary_len + 1) * (v[MODEL].dictionary_len + 1);
    struct totals *totals = mem_calloc(cells, sizeof(*totals));
    add_group(v, totals);
    for (size_t i = 0; i < cells; i++) {
        ret->requests += totals[i].requests;
        ret->input += totals[i].input;
        ret->output += totals[i].output;
    }
    free(totals);
    return 0;
}

static int scan_rows(struct totals *ret, int64_t *ret_us, struct err *err)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    struct parquet_values v[SCANNED] = { 0 };
    int map[LEDGER_COLUMN_COUNT], got = 0;
    int64_t start = clock_monotonic_us();

    if (ledger_open(PATH, &f, map, err) < 0)
        return -1;
    for (size_t g = 0; got == 0 && g < parquet_group_count(f); g++)
        got = scan_group(f, g, map, v, ret, err);
    for (int c = 0; c < SCANNED; c++)
        parquet_values_release(&v[c]);
    *ret_us = clock_monotonic_us() - start;
    return got;
}

/* Rows a second of DuckDB on the same file, or 0 where it is not installed.  The folder of this
 * program tells where the build is. */
static double duckdb_rows(const char *program, uint64_t rows, const struct totals *want)
{
    const char *slash = strrchr(program, '/'), *top = getenv("top_srcdir");
    char modules[1000], command[3000];
    struct stat st;
    uint64_t us = 0, requests = 0;
    int64_t input = 0, output = 0;

    snprintf(modules, sizeof(modules), "%.*s/../tests/interop", slash ? (int)(slash - program) : 1,
             slash ? program : ".");
    snprintf(command, sizeof(command), "%s/node_modules/@duckdb", modules);
    if (!top || stat(command, &st) < 0)
        return 0;
    snprintf(command, sizeof(command), "node '%s/bench/duckdb_scan.mjs' '%s' '%s'", top, modules,
             PATH);
    FILE *out = popen(command, "r");
    if (!out)
        return 0;
    int got = fscanf(out, "%" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64, &us, &requests, &input,
                     &output);
    if (pclose(out) != 0 || got != 4)
        return 0;
    if (requests != want->requests || input != want->input || output != want->output) {
        fprintf(stderr, "bench_ledger: DuckDB's sums differ\n");
        exit(EXIT_FAILURE);
    }
    return us ? (double)rows * 1e6 / (double)us : 0;
}

static int run(const char *program, struct err *err)
{
    uint64_t rows = bench_is_short() ? ROWS_SHORT : ROWS;
    int64_t us = 0, best = INT64_MAX;
    struct totals totals;

    if (write_rows(rows, &us, err) < 0)
        return -1;
    bench_row("ledger: write", (double)rows * 1e6 / (double)us, "rows/s");
    for (int i = 0; i < SCANS; i++) {
        totals = (struct totals){ 0 };
        if (scan_rows(&totals, &us, err) < 0)
            return -1;
        best = us < best ? us : best;
    }
    double ours = (double)rows * 1e6 / (double)(best > 0 ? best : 1);
    double theirs = duckdb_rows(program, rows, &totals);
    if (theirs > 0)
        bench_row_beside("ledger: grouped scan of 4 columns, 1 thread", ours, "rows/s",
                         "DuckDB 1.5, 1 thread", ours / theirs, ">= 4");
    else
        bench_row("ledger: grouped scan of 4 columns, 1 thread", ours, "rows/s");
    remove(PATH);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err = { 0 };

    if (argc < 1 || run(argv[0], &err) < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "bench_ledger: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
