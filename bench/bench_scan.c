/* bench_scan - grouped, priced scans of a month's ledgers (bench/ledger_mix) by the engine, and
 * where it is installed in the build folder by DuckDB, on the same files with the same question.
 *
 * Each run is a process of its own, so that its peak memory is its own: what is counted is what
 * the runs added to it (to the loaded price book here, to node with DuckDB loaded there).  Every
 * sum must be DuckDB's to the last digit, and every quantile within the sketch's error of the exact
 * one; otherwise the program fails.  20 million rows; 100 million too with WEIR_BENCH_SCAN=full.
 * Needs the price book (WEIR_DATADIR, or top_srcdir).
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyze/engine.h"
#include "base/file.h"
#include "bench/bench.h"
#include "bench/ledger_mix.h"
#include "bench/scan_sql.h"

#define RUNS         3
#define THREADS_MOST 2u

/* A question, in both languages. */
struct question {
    const char *name, *rival;
    const char *by[4];
    uint32_t measures;
    bool exact;   /* of the rival's quantile */
    bool grouped; /* the rival sums first and prices the sums */
};

static const struct question questions[] = {
    {"priced by team, app, model",
     "DuckDB 1.5",                 { "team", "app", "model", NULL },
     ENGINE_MONEY,   false,
     false},
    { "priced by team, app, model",
     "DuckDB 1.5, sums priced",    { "team", "app", "model", NULL },
     ENGINE_MONEY,   false,
     true },
    { "p95 by day and team",
     "DuckDB 1.5 approx_quantile", { "day", "team", NULL, NULL },
     ENGINE_LATENCY, false,
     false},
    { "p95 by day and team",
     "DuckDB 1.5 quantile_disc",   { "day", "team", NULL, NULL },
     ENGINE_LATENCY, true,
     false},
};

/* What a run took. */
struct cost {
    uint64_t us, kib;
};

struct bench {
    const char *modules; /* of DuckDB, NULL = not installed */
    const char *top;
    struct price_book *book;
    char folder[64];
    uint64_t rows;
};

static void print_money(const struct engine_result *r, const struct engine_row *row, FILE *out)
{
    char table[DECIMAL_TEXT_BYTES], reported[DECIMAL_TEXT_BYTES];
    const struct engine_sums *s = &row->sums;

    for (size_t d = 0; d < r->dimension_count; d++)
        fprintf(out, "%.*s|", STR_ARG(dimension_value(r->dimensions[d], row->codes[d])));
    fprintf(out, "%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%s|%s\n",
            s->requests, s->input_tokens, s->cached_input_tokens, s->cache_write_tokens,
            s->output_tokens, s->reasoning_tokens,
            decimal_format(s->cost_pusd[COST_TABLE] + s->cost_pusd[COST_ESTIMATED], 0, table),
            decimal_format(s->cost_pusd[COST_REPORTED], 0, reported));
}

static void print_latency(const struct engine_result *r, const struct engine_row *row, FILE *out)
{
    for (size_t d = 0; d < r->dimension_count; d++)
        fprintf(out, "%.*s|", STR_ARG(dimension_value(r->dimensions[d], row->codes[d])));
    fprintf(out, "%" PRIu64 "|%" PRId64 "\n", row->detail->duration_us.total,
            sketch_quantile(&row->detail->duration_us, 0.95));
}

static int ask(const struct bench *b, const struct question *q, unsigned threads, uint64_t *ret_us,
               const char *out_path, struct err *err)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(engine_result_release) struct engine_result result = { 0 };
    struct dimension *dimensions[4] = { 0 };
    struct engine_query query = { .ledgers = &ledgers,
                                  .book = b->book,
                                  .from_us = INT64_MIN,
                                  .to_us = INT64_MAX,
                                  .dimensions = dimensions,
                                  .measures = q->measures,
                                  .threads = threads };
    int64_t from = clock_monotonic_us();
    char path[80];

    for (; q->by[query.dimension_count]; query.dimension_count++)
        if (dimension_new(str_from(q->by[query.dimension_count]), NULL,
                          &dimensions[query.dimension_count], err) < 0)
            return -1;
    snprintf(path, sizeof(path), "%s/ledger", b->folder);
    if (ledgers_add_path(&ledgers, path, INT64_MIN, INT64_MAX, err) < 0 ||
        engine_run(&query, &result, err) < 0)
        return -1;
    *ret_us = (uint64_t)(clock_monotonic_us() - from);
    FILE *out = fopen(out_path, "w");
    for (size_t i = 0; out && i < result.rows.len; i++)
        (q->measures & ENGINE_MONEY ? print_money : print_latency)(&result, &result.rows.ptr[i],
                                                                   out);
    if (!out || fclose(out) != 0)
        return err_sys(err, "cannot write '%s'", out_path);
    for (size_t d = 0; d < query.dimension_count; d++)
        dimension_free(dimensions[d]);
    return 0;
}

/* The child's answer is its best time and the memory it began with; its peak the system tells. */
static int run_ours(const struct bench *b, const struct question *q, unsigned threads,
                    struct cost *ret, struct err *err)
{
    int pipe_fds[2], status = 0;
    struct rusage usage;

    if (pipe(pipe_fds) < 0)
        return err_sys(err, "no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        getrusage(RUSAGE_SELF, &usage);
        struct cost best = { UINT64_MAX, (uint64_t)usage.ru_maxrss };
        uint64_t us = 0;
        for (int i = 0; i < RUNS; i++) {
            if (ask(b, q, threads, &us, "ours.txt", err) < 0) {
                fprintf(stderr, "bench_scan: %s\n", err->text);
                _exit(1);
            }
            best.us = us < best.us ? us : best.us;
        }
        _exit(write(pipe_fds[1], &best, sizeof(best)) != sizeof(best));
    }
    close(pipe_fds[1]);
    bool got = read(pipe_fds[0], ret, sizeof(*ret)) == sizeof(*ret);
    close(pipe_fds[0]);
    if (pid < 0 || wait4(pid, &status, 0, &usage) < 0 || status != 0 || !got)
        return err_set(err, ERR_SYS, "the scan failed");
    ret->kib = (uint64_t)usage.ru_maxrss - ret->kib;
    return 0;
}

static int run_duckdb(const struct bench *b, const struct question *q, unsigned threads,
                      struct cost *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf sql = { 0 };
    CLEANUP(buf_release) struct buf files = { 0 };
    CLEANUP(buf_release) struct buf command = { 0 };

    buf_addf(&files, "%s/ledger/*/*.parquet", b->folder);
    if (q->measures & ENGINE_MONEY) {
        scan_sql_prices(b->book, &sql);
        if (q->grouped)
            scan_sql_spend_grouped(b->book, buf_cstr(&files), &sql);
        else
            scan_sql_spend(buf_cstr(&files), &sql);
    } else {
        scan_sql_latency(buf_cstr(&files), q->exact, &sql);
    }
    if (file_replace("query.sql", buf_str(&sql), 0600, err) < 0)
        return -1;
    buf_addf(&command, "node '%s/bench/duckdb_query.mjs' '%s' query.sql %u %d theirs.txt", b->top,
             b->modules, threads, RUNS);
    FILE *out = popen(buf_cstr(&command), "r");
    if (!out)
        return err_sys(err, "cannot run node");
    int got = fscanf(out, "%" SCNu64 " %" SCNu64, &ret->us, &ret->kib);
    if (pclose(out) != 0 || got != 2)
        return err_set(err, ERR_SYS, "DuckDB failed");
    return 0;
}

/* Both lists are in the same order; quantiles may differ by the sketch's error. */
static bool is_close(const char *ours, const char *theirs)
{
    const char *a = strrchr(ours, '|'), *b = strrchr(theirs, '|');

    if (!a || !b || a - ours != b - theirs || strncmp(ours, theirs, (size_t)(a - ours)) != 0)
        return false;
    double x = strtod(a + 1, NULL), y = strtod(b + 1, NULL);
    return (x > y ? x - y : y - x) <= SKETCH_ERROR * y;
}

static int compare(const struct question *q, struct err *err)
{
    CLEANUP(buf_release) struct buf ours = { 0 };
    CLEANUP(buf_release) struct buf theirs = { 0 };
    struct str a, b, line_a, line_b;

    if (file_read("ours.txt", 1u << 30, &ours, err) < 0 ||
        file_read("theirs.txt", 1u << 30, &theirs, err) < 0)
        return -1;
    if (q->measures == ENGINE_LATENCY && !q->exact)
        return 0; /* theirs is an estimate, too */
    a = buf_str(&ours);
    b = buf_str(&theirs);
    while (a.len > 0 || b.len > 0) {
        char text_a[512], text_b[512];
        if (!str_split(&a, '\n', &line_a) || !str_split(&b, '\n', &line_b))
            return err_set(err, ERR_CORRUPT, "DuckDB has another number of rows");
        snprintf(text_a, sizeof(text_a), "%.*s", STR_ARG(line_a));
        snprintf(text_b, sizeof(text_b), "%.*s", STR_ARG(line_b));
        if (strcmp(text_a, text_b) != 0 && (!q->exact || !is_close(text_a, text_b)))
            return err_set(err, ERR_CORRUPT, "DuckDB says %s, we say %s", text_b, text_a);
    }
    return 0;
}

static int bench_question(const struct bench *b, const struct question *q, unsigned threads,
                          struct err *err)
{
    struct cost ours, theirs;
    char name[160];

    if (run_ours(b, q, threads, &ours, err) < 0)
        return -1;
    double rate = (double)b->rows * 1e6 / (double)ours.us;
    snprintf(name, sizeof(name), "scan of %" PRIu64 " M rows, %s, %u thread%s", b->rows / 1000000,
             q->name, threads, threads > 1 ? "s" : "");
    if (!b->modules) {
        bench_row(name, rate, "rows/s");
        return 0;
    }
    if (run_duckdb(b, q, threads, &theirs, err) < 0 || compare(q, err) < 0)
        return -1;
    bench_row_beside(name, rate, "rows/s", q->rival, (double)theirs.us / (double)ours.us, ">= 4");
    snprintf(name + strlen(name), sizeof(name) - strlen(name), ": peak memory");
    bench_row_beside(name, (double)ours.kib / 1024, "MiB", q->rival,
                     (double)ours.kib / (double)theirs.kib, "<= 0.25");
    return 0;
}

static int make_ledgers(struct bench *b, uint64_t rows, struct err *err)
{
    b->rows = rows;
    snprintf(b->folder, sizeof(b->folder), "mix-%" PRIu64, rows);
    return ledger_mix_write(b->folder, rows, THREADS_MOST, err);
}

static void remove_ledgers(const struct bench *b)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", b->folder);
    if (system(command) != 0)
        fprintf(stderr, "bench_scan: %s stays\n", b->folder);
}

/* Time per row must not grow with rows. */
static int bench_growth(struct bench *b, const uint64_t *sizes, size_t count, struct err *err)
{
    struct cost cost;
    double first = 0;

    for (size_t i = 0; i < count; i++) {
        char name[96];
        if (make_ledgers(b, sizes[i], err) < 0 || run_ours(b, &questions[0], 1, &cost, err) < 0)
            return -1;
        double ns = (double)cost.us * 1000 / (double)sizes[i];
        snprintf(name, sizeof(name), "scan, time per row of %" PRIu64 " M rows",
                 sizes[i] / 1000000);
        first = i == 0 ? ns : first;
        if (i == 0)
            bench_row(name, ns, "ns");
        else
            bench_row_beside(name, ns, "ns", "the first", ns / first, "<= 1.10");
        remove_ledgers(b);
    }
    return 0;
}

static int bench_questions(const struct bench *b, struct err *err)
{
    for (size_t q = 0; q < ARRAY_LEN(questions); q++)
        for (unsigned threads = 1; threads <= THREADS_MOST; threads++)
            if (bench_question(b, &questions[q], threads, err) < 0)
                return -1;
    return 0;
}

static int run(struct bench *b, struct err *err)
{
    static const uint64_t sizes[] = { 1000000, 10000000, 100000000 };
    const char *size = getenv("WEIR_BENCH_SCAN");
    bool full = size && strcmp(size, "full") == 0;

    if (!bench_is_short() && bench_growth(b, sizes, full ? 3 : 2, err) < 0)
        return -1;
    for (int i = 0; i < (full ? 2 : 1); i++) {
        if (make_ledgers(b, bench_is_short() ? 30000 : i ? 100000000 : 20000000, err) < 0)
            return -1;
        if (bench_questions(b, err) < 0)
            return -1;
        remove_ledgers(b);
    }
    return 0;
}

/* bench_scan FOLDER ROWS: over ledgers that are there (make_ledger); bench_scan FOLDER QUESTION
 * THREADS: one question, for a profiler. */
static int run_given(struct bench *b, int argc, char **argv, struct err *err)
{
    size_t question = strtoul(argv[2], NULL, 10);
    uint64_t us = 0;

    snprintf(b->folder, sizeof(b->folder), "%s", argv[1]);
    b->rows = question;
    if (argc == 3)
        return bench_questions(b, err);
    if (question >= ARRAY_LEN(questions) ||
        ask(b, &questions[question], (unsigned)strtoul(argv[3], NULL, 10), &us, "ours.txt", err) <
            0)
        return -1;
    printf("%" PRIu64 " us\n", us);
    return 0;
}

int main(int argc, char **argv)
{
    static char modules[1000], probe[1100], prices[1100];
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    CLEANUP(price_book_free) struct price_book *book = NULL;
    struct bench b = { .top = getenv("top_srcdir") };
    struct err err = { 0 };
    struct stat st;

    if (!b.top) {
        fprintf(stderr, "bench_scan: top_srcdir is not set (run it by 'make bench')\n");
        return EXIT_FAILURE;
    }
    snprintf(modules, sizeof(modules), "%.*s/../tests/interop", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    snprintf(probe, sizeof(probe), "%s/node_modules/@duckdb", modules);
    b.modules = stat(probe, &st) == 0 ? modules : NULL;
    snprintf(prices, sizeof(prices), "%s/share/prices", b.top);
    if (price_book_load(&book, prices, &err) < 0) {
        fprintf(stderr, "bench_scan: %s\n", err.text);
        return EXIT_FAILURE;
    }
    b.book = book;
    if ((argc >= 3 ? run_given(&b, argc, argv, &err) : run(&b, &err)) < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "bench_scan: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
