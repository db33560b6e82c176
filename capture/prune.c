#include "config.h"

#include "capture/prune.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/map.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "capture/chain.h"

struct target {
    struct str id, date;               /* live with the chain */
    bool bodies_pruned, ledger_pruned; /* by a line of the chain */
};

struct pruning {
    const struct archive *archive;
    const struct prune_options *opts;
    struct prune_stats *stats;
    char *chain_path;
    struct chain chain;
    VEC(struct target) targets; /* in the chain's order */
    struct map by_id;
};

static void pruning_release(struct pruning *p)
{
    free(p->chain_path);
    vec_release(&p->targets);
    map_release(&p->by_id);
    chain_close(&p->chain);
}
DEFINE_CLEANUP_VALUE(struct pruning, pruning_release)

static int read_chain(struct pruning *p, struct err *err)
{
    struct chain_line line;
    int r;

    p->chain_path = archive_path(p->archive, "chain");
    if (chain_open(p->chain_path, &p->chain, err) < 0)
        return -1;
    while ((r = chain_next(&p->chain, &line, err)) > 0) {
        bool is_new;
        struct map_entry *entry = map_put(&p->by_id, line.id, &is_new);
        if (is_new) {
            entry->value = p->targets.len;
            vec_push(&p->targets, ((struct target){ .id = line.id, .date = line.date }));
        }
        struct target *t = &p->targets.ptr[entry->value];
        t->bodies_pruned |= line.kind != CHAIN_SEGMENT;
        t->ledger_pruned |= line.kind == CHAIN_PRUNE_LEDGER;
    }
    return r < 0 ? err_wrap(err, "'%s' is damaged, so nothing was pruned (weir capture verify)",
                            p->chain_path)
                 : 0;
}

/* Whether the target's day ended longer ago than age. */
static bool is_older(const struct pruning *p, const struct target *t, int64_t age_us)
{
    int64_t day;

    return age_us >= 0 && timestamp_parse(t->date, &day) &&
           day + US_PER_DAY <= p->opts->now_us - age_us;
}

/* The lines for what is due and not yet said, and the marks that go with them. */
static int say(struct pruning *p, struct err *err)
{
    CLEANUP(buf_release) struct buf lines = { 0 };
    char time[TIMESTAMP_TEXT_BYTES];

    timestamp_format(p->opts->now_us, time);
    for (size_t i = 0; i < p->targets.len; i++) {
        struct target *t = &p->targets.ptr[i];
        struct chain_line line = { .id = t->id, .time = str_from(time) };
        bool ledger = !t->ledger_pruned && is_older(p, t, p->opts->ledger_us);
        bool bodies = !t->bodies_pruned && is_older(p, t, p->opts->bodies_us);
        if (!ledger && !bodies)
            continue;
        line.kind = ledger ? CHAIN_PRUNE_LEDGER : CHAIN_PRUNE_BODIES;
        t->bodies_pruned = true;
        t->ledger_pruned |= ledger;
        chain_format(&p->chain, &line, &lines);
    }
    if (!lines.len || p->opts->dry_run)
        return 0;
    return chain_append(p->chain_path, &p->chain, buf_str(&lines), err);
}

/* Removes a file if it is still there. */
static int drop(struct pruning *p, const char *folder, const struct target *t, const char *suffix,
                uint64_t *count, struct err *err)
{
    char *path = archive_path(p->archive, "%s/date=%.*s/%.*s%s", folder, STR_ARG(t->date),
                              STR_ARG(t->id), suffix);
    struct stat st;
    int r = 0;

    if (stat(path, &st) == 0) {
        if (!p->opts->dry_run && unlink(path) < 0)
            r = err_sys(err, "cannot remove '%s'", path);
        else if (p->opts->note)
            p->opts->note(p->opts->ctx, path);
        p->stats->bytes += r == 0 ? (uint64_t)st.st_size : 0;
        *count += r == 0;
    }
    free(path);
    return r;
}

static int drop_all(struct pruning *p, struct err *err)
{
    for (size_t i = 0; i < p->targets.len; i++) {
        const struct target *t = &p->targets.ptr[i];
        if (t->bodies_pruned && drop(p, "segments", t, ".tar.zst", &p->stats->segments, err) < 0)
            return -1;
        if (t->ledger_pruned && drop(p, "ledger", t, ".parquet", &p->stats->ledgers, err) < 0)
            return -1;
    }
    return 0;
}

/* Folders of dates that have nothing left; one that has stays. */
static int drop_empty_dates(const struct pruning *p, const char *folder, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list dates = { 0 };
    char *path = archive_path(p->archive, "%s", folder);
    int r = dir_list_read(path, &dates, err);

    for (size_t i = 0; i < dates.len; i++) {
        char *date = archive_path(p->archive, "%s/%s", folder, dates.names[i]);
        if (archive_date_of(dates.names[i]))
            rmdir(date);
        free(date);
    }
    if (r == 0)
        r = dir_sync(path, err);
    free(path);
    return r;
}

static int prune_locked(struct pruning *p, struct err *err)
{
    if (read_chain(p, err) < 0 || say(p, err) < 0 || drop_all(p, err) < 0)
        return -1;
    if (p->opts->dry_run)
        return 0;
    if (drop_empty_dates(p, "segments", err) < 0)
        return -1;
    return drop_empty_dates(p, "ledger", err);
}

int prune_run(const struct archive *a, const struct prune_options *opts,
              struct prune_stats *ret_stats, struct err *err)
{
    CLEANUP(pruning_release)
    struct pruning p = { .archive = a, .opts = opts, .stats = ret_stats };
    int lock;

    *ret_stats = (struct prune_stats){ 0 };
    if (archive_lock(a, true, &lock, err) < 0)
        return -1;
    int r = prune_locked(&p, err);
    close(lock);
    return r;
}
