/* ledger_sample - ledgers for other Parquet readers to look at, and what is in them.
 *
 *     ledger_sample write FOLDER       writes ledgers of random rows into FOLDER
 *     ledger_sample sums LEDGER...     sums a ledger's columns, as capture/ledger reads it
 *
 * Both print a line of JSON per ledger: {"file","rows","columns":[{"name","nulls",...}]}, with per
 * column "sum" and "weighted" of numbers, or "bytes" and "weighted" of text.  The weighted sum
 * takes each row (row modulo 1009) + 1 times, so that values in wrong places do not cancel out; of
 * a text it takes the first 48 bits of its SHA-256.  `write` sums what it made, not what it read.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/decimal.h"
#include "base/digest.h"
#include "base/json.h"
#include "capture/ledger.h"

#define WEIGHTS 1009u

struct sums {
    uint64_t rows, nulls[LEDGER_COLUMN_COUNT];
    i128 plain[LEDGER_COLUMN_COUNT]; /* of text: bytes */
    i128 weighted[LEDGER_COLUMN_COUNT];
};

static uint64_t text_number(struct str s)
{
    uint8_t hash[SHA256_BYTES];
    uint64_t number = 0;

    sha256_of(s, hash);
    for (int i = 0; i < 6; i++)
        number = number << 8 | hash[i];
    return number;
}

static void add_number(struct sums *s, int c, uint64_t row, i128 plain, i128 number)
{
    s->plain[c] += plain;
    s->weighted[c] += number * (i128)(row % WEIGHTS + 1);
}

static void print_sums(const struct sums *s, const char *file)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    char text[DECIMAL_TEXT_BYTES];

    buf_add_text(&out, "{");
    json_add_str(&out, "file", str_from(file));
    json_add_int(&out, "rows", (int64_t)s->rows);
    json_add_key(&out, "columns");
    buf_add_text(&out, "[");
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        bool is_text = ledger_columns()[c].type == PARQUET_STRING;
        buf_add_text(&out, c ? ",{" : "{");
        json_add_str(&out, "name", str_from(ledger_columns()[c].name));
        json_add_int(&out, "nulls", (int64_t)s->nulls[c]);
        json_add_str(&out, is_text ? "bytes" : "sum",
                     str_from(decimal_format(s->plain[c], 0, text)));
        json_add_str(&out, "weighted", str_from(decimal_format(s->weighted[c], 0, text)));
        buf_add_text(&out, "}");
    }
    buf_add_text(&out, "]}\n");
    fwrite(out.ptr, 1, out.len, stdout);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static const int64_t extremes[] = { INT64_MAX, INT64_MIN, 0, -1, 1, INT32_MAX, INT32_MIN };

/* Each column has a size of its own, so that dictionaries, deltas and runs all occur. */
static int64_t random_int(const struct parquet_column *column, int c, uint64_t *state)
{
    static const uint64_t limits[] = { 2, 1, 50, 5000, 100000, UINT64_C(1) << 40 };
    uint64_t n = next_random(state) % limits[(unsigned)c % ARRAY_LEN(limits)];

    if (column->type == PARQUET_BOOL)
        return (int64_t)(next_random(state) & 1);
    if (column->type == PARQUET_TIMESTAMP_US)
        return 1762000000000000 + (int64_t)(next_random(state) % 86400000000);
    if (column->type == PARQUET_INT32)
        return (int32_t)(next_random(state) % 100 ? n : next_random(state));
    if (column->type == PARQUET_DECIMAL_12)
        return (int64_t)(next_random(state) % 2000000000000000000) - 999999999999999999;
    if (next_random(state) % 1000 == 0)
        return extremes[next_random(state) % ARRAY_LEN(extremes)];
    return (int64_t)n;
}

/* Text lives in arena. */
static struct str random_text(int c, uint64_t *state, struct arena *arena)
{
    static const uint64_t limits[] = { 1, 5, 300, 40000, UINT64_MAX };
    static const char *const tails[] = { "",       "", "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x8c\x8a",
                                         "\n\"\\", "" };
    uint64_t n = next_random(state) % limits[(unsigned)c % ARRAY_LEN(limits)];
    char text[64];
    int len = snprintf(text, sizeof(text), "%" PRIx64 "%s", n, tails[n % ARRAY_LEN(tails)]);

    if (n % 7 == 3)
        len = 0;
    if (n % 1000 == 1) { /* longer than statistics hold, and than a word of any kind */
        char *longer = arena_alloc(arena, 400);
        memset(longer, 'x', 400);
        return (struct str){ longer, 400 };
    }
    return arena_str(arena, (struct str){ text, (size_t)len });
}

static void random_row(struct parquet_cell *cells, uint64_t row, struct sums *sums, uint64_t *state,
                       struct arena *arena)
{
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        const struct parquet_column *column = &ledger_columns()[c];
        /* never, often, nearly always or always null, and null for more than a page */
        unsigned share = (unsigned)c % 4 * 33 + ((unsigned)c % 12 == 11 ? 1 : 0);
        cells[c] = (struct parquet_cell){
            .is_null = column->optional && (next_random(state) % 100 < share ||
                                            (c % 12 >= 8 && row > 5 && row < 70000)),
        };
        if (cells[c].is_null) {
            sums->nulls[c]++;
        } else if (column->type == PARQUET_STRING) {
            cells[c].s = random_text(c, state, arena);
            add_number(sums, c, row, (i128)cells[c].s.len, text_number(cells[c].s));
        } else {
            cells[c].i = random_int(column, c, state);
            add_number(sums, c, row, cells[c].i, cells[c].i);
        }
    }
    sums->rows++;
}

static int write_ledger(const char *path, uint64_t rows, struct err *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct parquet_writer *w = NULL;
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];
    static struct sums sums;
    uint64_t state = rows + 88172645463325252;

    sums = (struct sums){ 0 };
    if (ledger_create(path, &w, err) < 0)
        return -1;
    for (uint64_t row = 0; row < rows; row++) {
        arena_reset(&arena);
        random_row(cells, row, &sums, &state, &arena);
        if (parquet_add_row(w, cells, err) < 0) {
            parquet_abandon(w);
            return -1;
        }
    }
    if (parquet_finish(w, err) < 0)
        return -1;
    print_sums(&sums, path);
    return 0;
}

/* More than a page and more than a group are among them. */
static int write_all(const char *folder, struct err *err)
{
    static const struct {
        const char *name;
        uint64_t rows;
    } ledgers[] = {
        {"none",  0     },
        { "one",  1     },
        { "some", 1000  },
        { "many", 140000}
    };

    for (size_t i = 0; i < ARRAY_LEN(ledgers); i++) {
        CLEANUP(buf_release) struct buf path = { 0 };
        buf_addf(&path, "%s/%s.parquet", folder, ledgers[i].name);
        if (write_ledger(buf_cstr(&path), ledgers[i].rows, err) < 0)
            return -1;
    }
    return 0;
}

static void sum_values(const struct parquet_values *v, int c, uint64_t first_row, struct sums *sums)
{
    CLEANUP(buf_release) struct buf memory = { 0 };
    uint64_t *text_numbers =
        (uint64_t *)(void *)buf_reserve(&memory, (v->dictionary_len + 1) * sizeof(*text_numbers));

    for (size_t d = 0; d < v->dictionary_len; d++)
        text_numbers[d] = text_number(v->dictionary[d]);
    for (size_t i = 0; i < v->count; i++) {
        if (v->is_null && v->is_null[i])
            sums->nulls[c]++;
        else if (v->codes)
            add_number(sums, c, first_row + i, (i128)v->dictionary[v->codes[i]].len,
                       text_numbers[v->codes[i]]);
        else
            add_number(sums, c, first_row + i, v->ints[i], v->ints[i]);
    }
}

static int sum_ledger(const char *path, struct err *err)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };
    int map[LEDGER_COLUMN_COUNT];
    static struct sums sums;

    sums = (struct sums){ 0 };
    if (ledger_open(path, &f, map, err) < 0)
        return -1;
    for (size_t g = 0; g < parquet_group_count(f); g++) {
        for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
            if (map[c] < 0)
                return err_set(err, ERR_CORRUPT, "'%s' lacks column '%s'", path,
                               ledger_columns()[c].name);
            if (parquet_read(f, g, (size_t)map[c], &v, err) < 0)
                return err_wrap(err, "'%s'", path);
            sum_values(&v, c, sums.rows, &sums);
        }
        sums.rows += parquet_group_rows(f, g);
    }
    print_sums(&sums, path);
    return 0;
}

int main(int argc, char **argv)
{
    struct err err = { 0 };
    int ret = -1;

    if (argc == 3 && strcmp(argv[1], "write") == 0)
        ret = write_all(argv[2], &err);
    else if (argc >= 3 && strcmp(argv[1], "sums") == 0)
        for (int i = 2, ok = 0; i < argc && ok == 0; i++)
            ret = ok = sum_ledger(argv[i], &err);
    else
        err_set(&err, ERR_USAGE, "usage: ledger_sample write FOLDER | sums LEDGER...");
    if (ret < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "ledger_sample: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
