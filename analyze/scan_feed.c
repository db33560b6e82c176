#include "config.h"

#include "analyze/scan_feed.h"

#include <pthread.h>
#include <stdlib.h>

#include "analyze/overlap.h"
#include "analyze/where.h"

struct scan_feed {
    pthread_mutex_t lock;
    const struct ledgers *ledgers;
    struct scan_options options;
    struct overlap overlap;
    size_t next_ledger;
    struct feed_ledger *current; /* counted as one user */
    size_t next_group;
    uint64_t read, skipped;
    bool stopped;
};

struct scan_feed *scan_feed_new(const struct ledgers *ledgers, const struct scan_options *options)
{
    struct scan_feed *f = mem_calloc(1, sizeof(*f));

    pthread_mutex_init(&f->lock, NULL);
    f->ledgers = ledgers;
    f->options = *options;
    return f;
}

static void let_go(struct feed_ledger *l)
{
    if (!l || --l->users > 0)
        return;
    parquet_close(l->file);
    free(l);
}

void scan_feed_free(struct scan_feed *f)
{
    if (!f)
        return;
    let_go(f->current);
    overlap_release(&f->overlap);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const struct scan_options *scan_feed_options(const struct scan_feed *f)
{
    return &f->options;
}

void scan_feed_counts(struct scan_feed *f, uint64_t *ret_read, uint64_t *ret_skipped)
{
    pthread_mutex_lock(&f->lock);
    *ret_read = f->read;
    *ret_skipped = f->skipped;
    pthread_mutex_unlock(&f->lock);
}

/* Whether, by its statistics, the group can hold a row that passes. */
static bool may_pass(const struct scan_feed *f, size_t group)
{
    const struct feed_ledger *l = f->current;
    int64_t min, max;

    if (parquet_group_rows(l->file, group) == 0)
        return false;
    if (!f->options.select)
        return true;
    if (parquet_int_range(l->file, group, (size_t)l->columns[LEDGER_STARTED_AT], &min, &max) &&
        (max < f->options.from_us || min >= f->options.to_us))
        return false;
    return !f->options.where ||
           where_may_pass(
               f->options.where,
               &(struct where_group){ l->file, l->columns, group, f->options.attribution != NULL });
}

static int open_next(struct scan_feed *f, struct err *err)
{
    const char *path = f->ledgers->paths.ptr[f->next_ledger];
    struct feed_ledger *l = mem_calloc(1, sizeof(*l));

    let_go(f->current);
    f->current = l;
    f->next_group = 0;
    *l = (struct feed_ledger){ .path = path, .index = f->next_ledger++, .users = 1 };
    if (ledger_open(path, &l->file, l->columns, err) < 0)
        return -1; /* it names the file */
    return overlap_is_possible(f->ledgers)
               ? overlap_note(&f->overlap, f->ledgers, l->index, l->file, l->columns, err)
               : 0;
}

static int next_locked(struct scan_feed *f, struct feed_ledger **ret, size_t *ret_group,
                       uint64_t *ret_place, struct err *err)
{
    while (!f->stopped) {
        while (f->current && f->next_group < parquet_group_count(f->current->file)) {
            size_t group = f->next_group++;
            if (!may_pass(f, group)) {
                f->skipped++;
                continue;
            }
            f->read++;
            f->current->users++;
            *ret = f->current;
            *ret_group = group;
            *ret_place = (uint64_t)f->current->index << 32 | group;
            return 1;
        }
        if (f->next_ledger >= f->ledgers->paths.len)
            return 0;
        *ret_place = (uint64_t)f->next_ledger << 32;
        if (open_next(f, err) < 0) {
            f->stopped = true;
            return -1;
        }
    }
    return 0;
}

int scan_feed_next(struct scan_feed *f, struct feed_ledger **ret, size_t *ret_group,
                   uint64_t *ret_place, struct err *err)
{
    pthread_mutex_lock(&f->lock);
    int r = next_locked(f, ret, ret_group, ret_place, err);
    pthread_mutex_unlock(&f->lock);
    return r;
}

void scan_feed_done(struct scan_feed *f, struct feed_ledger *l)
{
    pthread_mutex_lock(&f->lock);
    let_go(l);
    pthread_mutex_unlock(&f->lock);
}

void scan_feed_stop(struct scan_feed *f)
{
    pthread_mutex_lock(&f->lock);
    f->stopped = true;
    pthread_mutex_unlock(&f->lock);
}

void scan_feed_attribute(struct scan_feed *f, const struct attribution_input *in,
                         struct exchange_who *ret)
{
    pthread_mutex_lock(&f->lock);
    attribution_apply(f->options.attribution, in, ret);
    pthread_mutex_unlock(&f->lock);
}
