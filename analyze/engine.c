#include "config.h"

#include "analyze/engine.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "analyze/engine_remote.h"
#include "analyze/engine_tally.h"
#include "analyze/engine_worker.h"

/* A thread of a run. */
struct crew {
    struct worker worker;
    struct scan_feed *feed;
    struct engine_result own; /* the tally of all threads but the first */
    struct dimension *dimensions[DIMENSIONS_MAX];
    pthread_t thread;
    bool is_started;
    int result;
    uint64_t place; /* of its failure */
    struct err err;
};

static int work_through(struct crew *c)
{
    CLEANUP(scan_close) struct scan *scan = NULL;
    const struct block *b;
    int r;

    if (scan_new(c->feed, &scan, &c->err) < 0)
        return -1;
    c->worker.scan = scan;
    while ((r = scan_next(scan, &b, &c->err)) > 0) {
        if (worker_add(&c->worker, b, scan_place(scan), &c->err) < 0) {
            r = -1;
            break;
        }
        if (c->worker.meet) {
            r = 0;
            break;
        }
    }
    if (r < 0 || c->worker.meet)
        scan_feed_stop(c->feed);
    c->place = scan_place(scan);
    return r;
}

static void *run_thread(void *ctx)
{
    struct crew *c = ctx;

    c->result = work_through(c);
    return NULL;
}

static void crew_release(struct crew *c)
{
    worker_release(&c->worker);
    engine_result_release(&c->own);
    for (size_t i = 0; i < DIMENSIONS_MAX; i++)
        dimension_free(c->dimensions[i]);
}

/* The first thread counts into the result itself, the others into tallies of their own. */
static void crew_init(struct crew *c, const struct engine_query *q, struct scan_feed *feed,
                      const struct repeats *repeats, struct engine_result *tally)
{
    *c = (struct crew){
        .feed = feed, .worker = {.query = q, .repeats = repeats, .tally = tally}
    };
    composite_share(&c->worker.keys, &c->worker.groups);
    composite_share(&c->worker.cells, &c->worker.groups);
    if (q->measures & ENGINE_MONEY)
        c->worker.prices = price_cache_new(q->book);
    if (tally)
        return;
    for (size_t i = 0; i < q->dimension_count; i++)
        c->dimensions[i] = dimension_clone(q->dimensions[i]);
    tally_init(&c->own, q, c->dimensions);
    c->worker.tally = &c->own;
}

/* Runs them all; a thread that cannot be had is done without. */
static void run_crew(struct crew *crew, size_t count)
{
    for (size_t i = 1; i < count; i++)
        crew[i].is_started = pthread_create(&crew[i].thread, NULL, run_thread, &crew[i]) == 0;
    run_thread(&crew[0]);
    for (size_t i = 1; i < count; i++)
        if (crew[i].is_started)
            pthread_join(crew[i].thread, NULL);
}

/* Of several failures the first by place, which is the same however many threads there are. */
static int first_failure(const struct crew *crew, size_t count, struct err *err)
{
    const struct crew *first = NULL;

    for (size_t i = 0; i < count; i++)
        if (crew[i].result < 0 && (!first || crew[i].place < first->place))
            first = &crew[i];
    if (!first)
        return 0;
    *err = first->err;
    return -1;
}

static int merge_crew(struct crew *crew, size_t count, struct engine_result *ret, struct err *err)
{
    if (first_failure(crew, count, err) < 0)
        return -1;
    for (size_t i = 1; i < count; i++)
        if (tally_merge(ret, &crew[i].own, err) < 0)
            return -1;
    return 0;
}

/* One pass over the ledgers: 1 = answers may have been fetched, and repeats must be known; 0; -1.
 */
static int run_once(const struct engine_query *q, const struct repeats *repeats,
                    struct engine_result *ret, struct err *err)
{
    struct scan_options options = { .from_us = q->from_us,
                                    .to_us = q->to_us,
                                    .attribution = q->attribution,
                                    .select = true,
                                    .where = q->where };
    size_t count = q->threads > 1 ? q->threads : 1;
    bool meet = false;

    worker_columns(q, &options.columns);
    CLEANUP(scan_feed_free) struct scan_feed *feed = scan_feed_new(q->ledgers, &options);
    if (count > ENGINE_THREADS_MAX)
        count = ENGINE_THREADS_MAX;
    if (q->on_row)
        count = 1;
    struct crew *crew = mem_calloc(count, sizeof(*crew));
    tally_init(ret, q, q->dimensions);
    for (size_t i = 0; i < count; i++)
        crew_init(&crew[i], q, feed, repeats, i == 0 ? ret : NULL);
    run_crew(crew, count);
    for (size_t i = 0; i < count; i++)
        meet |= crew[i].worker.meet;
    int r = merge_crew(crew, count, ret, err);
    for (size_t i = 0; i < count; i++)
        crew_release(&crew[i]);
    free(crew);
    scan_feed_counts(feed, &ret->groups_read, &ret->groups_skipped);
    return r < 0 ? -1 : meet;
}

/* Fetched answers are rare, and to know them takes three more looks at the ledgers, at columns that
 * compress badly: so the first pass only watches out for them. */
int engine_run(const struct engine_query *q, struct engine_result *ret, struct err *err)
{
    CLEANUP(repeats_release) struct repeats repeats = { 0 };

    assert(q->dimension_count <= DIMENSIONS_MAX && (q->book || !(q->measures & ENGINE_MONEY)));
    assert(q->measures & ENGINE_MONEY ||
           (!(q->measures & (ENGINE_UNITS | ENGINE_CHARGES)) && !q->on_row));
    *ret = (struct engine_result){ 0 };
    if (q->remote)
        return engine_remote_run(q, ret, err);
    /* No row may be shown twice. */
    int r = q->on_row ? 1 : run_once(q, NULL, ret, err);
    if (r > 0) {
        engine_result_release(ret);
        if (repeats_find(q->ledgers, q->earlier, q->from_us, q->to_us, &repeats, err) < 0)
            return -1;
        r = run_once(q, &repeats, ret, err);
    }
    if (r < 0) {
        engine_result_release(ret);
        return -1;
    }
    tally_finish(ret);
    return 0;
}
