#include "config.h"

#include "cli/analysis.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analyze/repeats.h"
#include "base/file.h"
#include "capture/key.h"
#include "cli/datadir.h"

#define THREADS_DEFAULT_MAX 8

static int load_prices(const struct invocation *inv, struct analysis *a, struct err *err)
{
    char *shipped;

    if (datadir_path("prices", &shipped, err) < 0)
        return -1;
    vec_push(&a->price_paths, shipped);
    for (size_t i = 0; a->conf && i < a->conf->price_count; i++)
        vec_push(&a->price_paths, mem_strdup(a->conf->prices[i].ptr));
    const char *const *overlays = invocation_list(inv, "prices");
    for (; *overlays; overlays++)
        vec_push(&a->price_paths, mem_strdup(*overlays));
    for (size_t i = 0; i < a->price_paths.len; i++)
        if (price_book_load(&a->book, a->price_paths.ptr[i], err) < 0)
            return -1;
    return 0;
}

/* The key that users were fingerprinted with: the configuration's, or the first archive's own.
 * Ledgers that were copied away have none, and seldom need it. */
static int load_key(struct analysis *a, struct err *err)
{
    CLEANUP(buf_release) struct buf own = { 0 };
    struct key key;

    if (!attribution_needs_key(a->conf->attribution))
        return 0;
    if (a->paths[0])
        buf_addf(&own, "%s/key", a->paths[0]);
    else if (!a->conf->key_file.len)
        return err_set(err, ERR_USAGE,
                       "a rule of the configuration names an end user: --engine takes the key from "
                       "its key_file");
    const char *path = a->conf->key_file.len ? a->conf->key_file.ptr : buf_cstr(&own);
    if (key_load(path, false, &key, err) < 0)
        return err_wrap(err, "a rule of the configuration names an end user");
    attribution_set_key(a->conf->attribution, &key);
    return 0;
}

static int load_conf(const char *path, struct analysis *a, struct err *err)
{
    if (!path)
        return 0;
    if (conf_load(path, &a->conf, err) < 0)
        return -1;
    return load_key(a, err);
}

static int read_threads(const struct invocation *inv, struct analysis *a, struct err *err)
{
    const char *text = invocation_get(inv, "threads");
    int64_t n = sysconf(_SC_NPROCESSORS_ONLN);

    if (text && (!str_to_i64(str_from(text), &n) || n < 1 || n > ENGINE_THREADS_MAX))
        return err_set(err, ERR_USAGE, "--threads '%s' is not a number from 1 to %d", text,
                       ENGINE_THREADS_MAX);
    if (!text && n > THREADS_DEFAULT_MAX)
        n = THREADS_DEFAULT_MAX;
    a->threads = n < 1 ? 1 : (unsigned)n;
    return 0;
}

/* What is not where. */
static int load(const struct invocation *inv, const char *config, struct analysis *a,
                struct err *err)
{
    const char *where = invocation_get(inv, "where");

    if (read_threads(inv, a, err) < 0 || tz_open(str_from(a->zone), &a->tz, err) < 0)
        return -1;
    if (where && where_parse(str_from(where), a->tz, &a->where, err) < 0)
        return err_wrap(err, "--where");
    return load_conf(config, a, err) < 0 ? -1 : load_prices(inv, a, err);
}

static struct analysis begin(const struct invocation *inv, const char *const *paths)
{
    const char *zone = invocation_get(inv, "tz");

    return (struct analysis){ .zone = zone ? zone : "UTC",
                              .paths = paths,
                              .count_shared = invocation_has(inv, "count-shared"),
                              .from_us = INT64_MIN,
                              .to_us = INT64_MAX };
}

int analysis_open(const struct invocation *inv, struct analysis *ret, struct err *err)
{
    const char *engine = invocation_get(inv, "engine");

    *ret = begin(inv, invocation_list(inv, "archive"));
    if (invocation_has(inv, "archive") == (engine != NULL))
        return err_set(err, ERR_USAGE, "give either --archive or --engine");
    if (engine && credentials_clickhouse(inv, str_from(engine), &ret->server, err) < 0)
        return -1;
    return load(inv, invocation_get(inv, "config"), ret, err);
}

int analysis_open_at(const struct invocation *inv, const char *const *paths, const char *config,
                     struct analysis *ret, struct err *err)
{
    *ret = begin(inv, paths);
    return load(inv, config, ret, err);
}

int analysis_set_span(struct analysis *a, int64_t from_us, int64_t to_us, struct err *err)
{
    ledgers_release(&a->ledgers);
    ledgers_release(&a->earlier);
    a->ledgers.count_shared = a->count_shared;
    a->earlier.count_shared = true; /* nothing of them is counted */
    a->from_us = from_us;
    a->to_us = to_us;
    for (const char *const *path = a->paths; *path; path++) {
        if (ledgers_add_path(&a->ledgers, *path, from_us, to_us, err) < 0)
            return -1;
        if (from_us > INT64_MIN + REPEATS_LOOK_BACK_US &&
            ledgers_add_path(&a->earlier, *path, from_us - REPEATS_LOOK_BACK_US, from_us, err) < 0)
            return -1;
    }
    return 0;
}

int grouping_add(struct grouping *g, struct str name, const struct tz *tz, struct err *err)
{
    for (size_t i = 0; i < g->count; i++)
        if (str_eq(str_from(dimension_name(g->dimensions[i])), name))
            return 0;
    if (g->count == DIMENSIONS_MAX)
        return err_set(err, ERR_USAGE, "more than %d dimensions to group by: drop some of --by",
                       DIMENSIONS_MAX);
    if (dimension_new(name, tz, &g->dimensions[g->count], err) < 0)
        return -1;
    g->count++;
    return 0;
}

int grouping_add_list(struct grouping *g, const char *names, const struct tz *tz, struct err *err)
{
    struct str rest = str_from(names), name;

    while (str_split(&rest, ',', &name))
        if (grouping_add(g, str_trim(name), tz, err) < 0)
            return -1;
    return 0;
}

void grouping_release(struct grouping *g)
{
    for (size_t i = 0; i < g->count; i++)
        dimension_free(g->dimensions[i]);
    g->count = 0;
}

struct engine_query analysis_query(const struct analysis *a, const struct grouping *g,
                                   uint32_t measures)
{
    return (struct engine_query){
        .ledgers = &a->ledgers,
        .earlier = &a->earlier,
        .book = a->book,
        .attribution = a->conf ? a->conf->attribution : NULL,
        .where = a->where,
        .from_us = a->from_us,
        .to_us = a->to_us,
        .dimensions = g ? g->dimensions : NULL,
        .dimension_count = g ? g->count : 0,
        .measures = measures,
        .threads = a->threads,
        .remote = a->server,
    };
}

void analysis_close(struct analysis *a)
{
    ledgers_release(&a->ledgers);
    ledgers_release(&a->earlier);
    clickhouse_close(a->server);
    conf_free(a->conf);
    price_book_free(a->book);
    for (size_t i = 0; i < a->price_paths.len; i++)
        free(a->price_paths.ptr[i]);
    vec_release(&a->price_paths);
    where_free(a->where);
    tz_close(a->tz);
}

void analysis_note_empty(const struct invocation *inv)
{
    static const char *const narrowing[] = { "where", "from", "to", "month" };
    CLEANUP(buf_release) struct buf given = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(narrowing); i++)
        if (invocation_has(inv, narrowing[i]))
            buf_addf(&given, "%s--%s", given.len ? ", " : " that passes ", narrowing[i]);
    cli_note(inv, "nothing was recorded%s", buf_cstr(&given));
}
