#include "config.h"

#include "replay/sim_ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "policy/plan.h"
#include "replay/sim_row.h"

/* A row group: where it is, and when its first call was. */
struct group {
    uint32_t path, number;
    int64_t first_us;
};

struct sim_ledgers {
    VEC(char *) paths;
    VEC(struct group) groups; /* by first_us, then as listed */
    int64_t from_us, to_us;
    struct sim_ledgers_stats stats;
};

void sim_ledgers_close(struct sim_ledgers *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->paths.len; i++)
        free(l->paths.ptr[i]);
    vec_release(&l->paths);
    vec_release(&l->groups);
    free(l);
}

void sim_ledgers_stats(const struct sim_ledgers *l, struct sim_ledgers_stats *ret)
{
    *ret = l->stats;
}

/* --- the first reading --- */

static bool is_in_span(const struct sim_ledgers *l, int64_t at_us)
{
    return at_us >= l->from_us && at_us < l->to_us;
}

static void count_call(struct sim_ledgers *l, const struct sim_arrival *a)
{
    int64_t at = a->at_us;

    l->stats.calls++;
    if (at < l->stats.first_us)
        l->stats.first_us = at;
    if (at > l->stats.last_us)
        l->stats.last_us = at;
    l->stats.without_latency += a->end_us == SIM_UNKNOWN;
    l->stats.without_tokens += !(a->flags & SIM_TOKENS);
}

/* Where samples of that row's upstream and model go, looked up once for each pair of a group. */
static uint32_t place_of(struct map *by_codes, const struct sim_block *b, size_t row,
                         struct sim_speeds *speeds)
{
    const uint32_t codes[] = { sim_block_code(b, LEDGER_UPSTREAM, row),
                               sim_block_code(b, LEDGER_PROVIDER, row),
                               sim_block_code(b, LEDGER_MODEL, row),
                               sim_block_code(b, LEDGER_MODEL_REQUESTED, row) };
    struct str key = { (const char *)codes, sizeof(codes) };
    bool is_new;
    struct map_entry *e = map_put(by_codes, key, &is_new);

    if (is_new)
        e->value = sim_speeds_place(speeds, sim_row_upstream(b, row), sim_row_model(b, row));
    return (uint32_t)e->value;
}

static void learn(const struct sim_arrival *a, uint32_t place, struct sim_speeds *speeds)
{
    if (a->failure != PLAN_FAILURES || a->end_us == SIM_UNKNOWN || a->flags & SIM_BROKEN)
        return;
    struct sim_sample sample = {
        .first_us = a->first_us == SIM_UNKNOWN ? -1 : (int64_t)a->first_us,
        .end_us = a->end_us,
        .tokens = a->flags & SIM_TOKENS
                      ? (int64_t)a->tokens[PRICE_PART_OUTPUT] + a->tokens[PRICE_PART_REASONING]
                      : -1,
        .is_stream = a->flags & SIM_STREAM,
    };
    sim_speeds_add(speeds, place, &sample);
}

static void read_group(struct sim_ledgers *l, const struct sim_rows *r, struct sim_speeds *speeds)
{
    CLEANUP(map_release) struct map by_codes = { 0 };
    struct sim_arrival a;

    for (size_t row = 0; row < r->block.rows; row++) {
        enum sim_row_kind kind = sim_row_kind(r, row);
        if (kind == SIM_ROW_PART || !is_in_span(l, sim_row_time(r, row)))
            continue;
        l->stats.sums += kind == SIM_ROW_SUM;
        l->stats.others += kind == SIM_ROW_OTHER;
        if (kind != SIM_ROW_CALL)
            continue;
        sim_row_read(r, row, &a);
        count_call(l, &a);
        learn(&a, place_of(&by_codes, &r->block, row, speeds), speeds);
    }
}

/* When the group's first call was, by its statistics; without them, before everything. */
static bool group_time(const struct sim_ledgers *l, const struct sim_block *b, size_t group,
                       int64_t *ret_first)
{
    int column = b->map[LEDGER_STARTED_AT];
    int64_t first, last;

    *ret_first = INT64_MIN;
    if (column < 0 || !parquet_int_range(b->file, group, (size_t)column, &first, &last))
        return true;
    *ret_first = first;
    return last >= l->from_us && first < l->to_us;
}

static int read_ledger(struct sim_ledgers *l, size_t path, struct sim_rows *r,
                       struct sim_speeds *speeds, struct err *err)
{
    struct sim_block *b = &r->block;

    if (sim_block_open(b, l->paths.ptr[path], err) < 0)
        return -1;
    for (size_t g = 0; g < parquet_group_count(b->file); g++) {
        struct group group = { .path = (uint32_t)path, .number = (uint32_t)g };
        if (!group_time(l, b, g, &group.first_us))
            continue;
        if (sim_rows_load(r, g, err) < 0)
            return err_wrap(err, "ledger '%s', row group %zu", l->paths.ptr[path], g);
        vec_push(&l->groups, group);
        read_group(l, r, speeds);
    }
    return 0;
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *x = a, *y = b;

    if (x->first_us != y->first_us)
        return x->first_us < y->first_us ? -1 : 1;
    if (x->path != y->path)
        return x->path < y->path ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

int sim_ledgers_open(const char *const *paths, size_t count, const int64_t span_us[2],
                     struct sim_speeds *speeds, struct sim_ledgers **ret, struct err *err)
{
    CLEANUP(sim_ledgers_close) struct sim_ledgers *l = mem_calloc(1, sizeof(*l));
    CLEANUP(sim_rows_release) struct sim_rows r = { 0 };

    l->from_us = span_us[0];
    l->to_us = span_us[1];
    l->stats.first_us = INT64_MAX;
    l->stats.last_us = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        vec_push(&l->paths, mem_strdup(paths[i]));
        if (read_ledger(l, i, &r, speeds, err) < 0)
            return -1;
    }
    if (l->groups.len)
        qsort(l->groups.ptr, l->groups.len, sizeof(*l->groups.ptr), compare_groups);
    *ret = TAKE(l);
    return 0;
}

/* --- the calls in order --- */

/* A group that has been read. */
struct run {
    struct sim_arrival *rows; /* by time */
    size_t len, at;
    size_t order; /* of the group: equal times come in this order */
};

struct ledger_source {
    struct sim_source base;
    const struct sim_ledgers *l;
    struct sim_classes *classes;
    struct sim_rows in;
    struct sim_row_classes cache;
    size_t next;                          /* group to be read */
    struct run runs[SIM_LEDGER_OPEN_MAX]; /* a heap by time of their next call */
    size_t run_count;
    struct sim_arrival *spare; /* of a run that is over */
    int64_t now_us;
    uint32_t open_path; /* of in; UINT32_MAX = none */
};

static void free_source(struct sim_source *base)
{
    struct ledger_source *s = (struct ledger_source *)base;

    for (size_t i = 0; i < s->run_count; i++)
        free(s->runs[i].rows);
    free(s->spare);
    sim_rows_release(&s->in);
    sim_row_classes_release(&s->cache);
    free(s);
}

static bool is_before(const struct run *a, const struct run *b)
{
    int64_t x = a->rows[a->at].at_us, y = b->rows[b->at].at_us;

    return x != y ? x < y : a->order < b->order;
}

static void sift_down(struct ledger_source *s, size_t i)
{
    struct run moved = s->runs[i];

    for (size_t child; (child = 2 * i + 1) < s->run_count; i = child) {
        if (child + 1 < s->run_count && is_before(&s->runs[child + 1], &s->runs[child]))
            child++;
        if (!is_before(&s->runs[child], &moved))
            break;
        s->runs[i] = s->runs[child];
    }
    s->runs[i] = moved;
}

static void add_run(struct ledger_source *s, struct run run)
{
    size_t i = s->run_count++;

    for (; i > 0 && is_before(&run, &s->runs[(i - 1) / 2]); i = (i - 1) / 2)
        s->runs[i] = s->runs[(i - 1) / 2];
    s->runs[i] = run;
}

static int compare_arrivals(const void *a, const void *b)
{
    int64_t x = ((const struct sim_arrival *)a)->at_us, y = ((const struct sim_arrival *)b)->at_us;

    return x < y ? -1 : x > y;
}

/* Stable, and quick for what is in order already, as most of it is. */
static void sort_rows(struct sim_arrival *rows, size_t len)
{
    size_t i = 1;

    while (i < len && rows[i - 1].at_us <= rows[i].at_us)
        i++;
    if (i >= len)
        return;
    struct sim_arrival *copy = mem_calloc(len, sizeof(*copy));
    for (size_t width = 1; width < len; width *= 2) { /* merge sort, bottom up */
        for (size_t from = 0; from < len; from += 2 * width) {
            size_t mid = from + width < len ? from + width : len;
            size_t end = mid + width < len ? mid + width : len;
            size_t a = from, b = mid;
            for (size_t to = from; to < end; to++)
                copy[to] = a < mid && (b == end || compare_arrivals(&rows[a], &rows[b]) <= 0)
                               ? rows[a++]
                               : rows[b++];
        }
        memcpy(rows, copy, len * sizeof(*rows));
    }
    free(copy);
}

static int read_rows(struct ledger_source *s, struct run *run, struct err *err)
{
    size_t rows = s->in.block.rows;

    run->rows = TAKE(s->spare);
    run->rows = mem_realloc(run->rows, (rows ? rows : 1) * sizeof(*run->rows));
    sim_row_classes_clear(&s->cache);
    for (size_t row = 0; row < rows; row++) {
        struct sim_arrival *a = &run->rows[run->len];
        if (sim_row_kind(&s->in, row) != SIM_ROW_CALL ||
            !is_in_span(s->l, sim_row_time(&s->in, row)))
            continue;
        sim_row_read(&s->in, row, a);
        if (sim_row_class(&s->cache, &s->in.block, row, s->classes, &a->class, err) < 0)
            return -1;
        run->len++;
    }
    sort_rows(run->rows, run->len);
    return 0;
}

static int read_next(struct ledger_source *s, struct err *err)
{
    const struct group *g = &s->l->groups.ptr[s->next];
    const char *path = s->l->paths.ptr[g->path];
    struct run run = { .order = s->next };

    if (s->open_path != g->path) {
        s->open_path = UINT32_MAX;
        if (sim_block_open(&s->in.block, path, err) < 0)
            return -1;
        s->open_path = g->path;
    }
    if (sim_rows_load(&s->in, g->number, err) < 0)
        return err_wrap(err, "ledger '%s', row group %" PRIu32, path, g->number);
    s->next++;
    if (read_rows(s, &run, err) < 0) {
        free(run.rows);
        return -1;
    }
    if (run.len == 0)
        s->spare = run.rows;
    else
        add_run(s, run);
    return 0;
}

/* Whether a group might hold a call earlier than the next one at hand. */
static bool must_read(const struct ledger_source *s)
{
    if (s->next == s->l->groups.len || s->run_count == SIM_LEDGER_OPEN_MAX)
        return false;
    return s->run_count == 0 ||
           s->l->groups.ptr[s->next].first_us <= s->runs[0].rows[s->runs[0].at].at_us;
}

/* Up to when the first run may go on by itself. */
static int64_t free_until(const struct ledger_source *s)
{
    int64_t until = INT64_MAX;

    for (size_t i = 1; i <= 2 && i < s->run_count; i++)
        if (s->runs[i].rows[s->runs[i].at].at_us < until)
            until = s->runs[i].rows[s->runs[i].at].at_us;
    if (s->next < s->l->groups.len && s->run_count < SIM_LEDGER_OPEN_MAX &&
        s->l->groups.ptr[s->next].first_us < until)
        until = s->l->groups.ptr[s->next].first_us;
    return until;
}

/* The first run's next call, and those after it that come before anything else. */
static size_t take_some(struct ledger_source *s, struct sim_arrival *list, size_t max)
{
    struct run *run = &s->runs[0];
    int64_t until = free_until(s);
    size_t n = 0;

    do {
        list[n] = run->rows[run->at++];
        if (list[n].at_us < s->now_us) {
            list[n].at_us = s->now_us;
            s->base.late++;
        }
        s->now_us = list[n++].at_us;
    } while (n < max && run->at < run->len && run->rows[run->at].at_us < until);
    if (run->at == run->len) {
        free(s->spare);
        s->spare = run->rows;
        s->runs[0] = s->runs[--s->run_count];
    }
    if (s->run_count)
        sift_down(s, 0);
    return n;
}

static int fill(struct sim_source *base, struct sim_arrival *list, size_t max, size_t *ret_count,
                struct err *err)
{
    struct ledger_source *s = (struct ledger_source *)base;
    size_t n = 0;

    while (n < max) {
        while (must_read(s))
            if (read_next(s, err) < 0)
                return -1;
        if (s->run_count == 0)
            break;
        n += take_some(s, list + n, max - n);
    }
    *ret_count = n;
    return 0;
}

struct sim_source *sim_ledgers_source(const struct sim_ledgers *l, struct sim_classes *classes)
{
    struct ledger_source *s = mem_calloc(1, sizeof(*s));

    s->base.fill = fill;
    s->base.free = free_source;
    s->l = l;
    s->classes = classes;
    s->open_path = UINT32_MAX;
    s->now_us = INT64_MIN;
    return &s->base;
}
