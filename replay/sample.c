#include "config.h"

#include "replay/sample.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "capture/record.h"
#include "capture/seal.h"
#include "capture/segment_read.h"

#define OPEN_FOLDERS 16
#define SEEN_MAX     16000000
#define PEAK_US      (10 * US_PER_SECOND)

struct candidate {
    struct uuid id;
    int64_t started_us;
    uint32_t kind, rank; /* rank: 0 is the latest of its kind */
};

struct sample {
    struct sample_options options;
    char *folder, *path;
    struct archive *archive;
    struct map kinds;
    VEC(struct candidate) seen;
    struct map wanted; /* ids */
    struct journal_writer *journal;
    size_t calls, kind_count;
    uint64_t seen_count, peak; /* peak: in PEAK_US */
    int64_t first_us, last_us;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void sample_close(struct sample *s)
{
    struct err ignored;

    if (!s)
        return;
    journal_close(s->journal, &ignored);
    archive_close(s->archive);
    if (s->folder)
        nftw(s->folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
    vec_release(&s->seen);
    map_release(&s->kinds);
    map_release(&s->wanted);
    free(s->folder);
    free(s->path);
    free(s);
}

/* --- which --- */

static bool is_good(const struct exchange *x)
{
    return x->status >= 200 && x->status <= 299 && !x->truncated &&
           x->facts.error_class == ERROR_CLASS_NONE;
}

static bool is_wanted(const struct sample *s, const struct exchange *x)
{
    return x->facts.api != API_USAGE_ROW && str_eq(x->who.app, s->options.app) &&
           x->started_us >= s->options.from_us && x->started_us < s->options.to_us && x->status &&
           (!s->options.only_good || is_good(x)) && x->method.len && x->path.len &&
           !x->request_body_missing && !x->response_body_missing;
}

static uint32_t kind_of(struct sample *s, const struct exchange *x)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    buf_addf(&key, "%.*s %.*s %d %d %u %d ", STR_ARG(x->method), STR_ARG(x->path),
             (int)x->facts.api, x->facts.stream, (unsigned)x->facts.features, x->status);
    buf_add_str(&key, x->facts.model_requested);
    struct map_entry *e = map_put(&s->kinds, buf_str(&key), &is_new);
    if (is_new)
        e->value = s->kind_count++;
    return (uint32_t)e->value;
}

static int look(void *ctx, const char *path, struct err *err)
{
    struct sample *s = ctx;
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    struct exchange x;
    int got;

    if (segment_open(path, &r, err) < 0)
        return -1;
    while ((got = segment_next(r, false, &x, err)) > 0) {
        if (!is_wanted(s, &x))
            continue;
        if (s->seen.len == SEEN_MAX)
            return err_set(err, ERR_LIMIT, "more than %d calls: take a shorter time", SEEN_MAX);
        struct candidate c = { .id = x.id, .started_us = x.started_us, .kind = kind_of(s, &x) };
        vec_push(&s->seen, c);
    }
    return got;
}

static int by_kind(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->started_us != b->started_us)
        return a->started_us > b->started_us ? -1 : 1;
    return memcmp(&a->id, &b->id, sizeof(a->id));
}

static int by_rank(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return by_kind(left, right);
}

static int by_time(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    return a->started_us < b->started_us ? -1 : a->started_us > b->started_us;
}

static void find_peak(struct sample *s)
{
    struct candidate *c = s->seen.ptr;

    qsort(c, s->seen.len, sizeof(*c), by_time);
    for (size_t i = 0, first = 0; i < s->seen.len; i++) {
        while (c[i].started_us - c[first].started_us >= PEAK_US)
            first++;
        s->peak = i - first + 1 > s->peak ? i - first + 1 : s->peak;
    }
}

static void choose(struct sample *s)
{
    struct candidate *c = s->seen.ptr;
    size_t count = s->seen.len < s->options.calls ? s->seen.len : s->options.calls;

    qsort(c, s->seen.len, sizeof(*c), by_kind);
    for (size_t i = 1; i < s->seen.len; i++)
        c[i].rank = c[i].kind == c[i - 1].kind ? c[i - 1].rank + 1 : 0;
    qsort(c, s->seen.len, sizeof(*c), by_rank);
    for (size_t i = 0; i < count; i++)
        map_put(&s->wanted, (struct str){ (const char *)&c[i].id, sizeof(c[i].id) }, NULL);
    s->seen_count = s->seen.len;
}

/* --- copying --- */

static int copy(void *ctx, const char *path, struct err *err)
{
    struct sample *s = ctx;
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    struct exchange x;
    int got;

    if (segment_open(path, &r, err) < 0)
        return -1;
    while ((got = segment_next(r, true, &x, err)) > 0) {
        if (!map_find(&s->wanted, (struct str){ (const char *)&x.id, sizeof(x.id) }))
            continue;
        if (record_append(s->journal, &x, err) < 0)
            return -1;
        s->calls++;
        s->first_us = x.started_us < s->first_us ? x.started_us : s->first_us;
        s->last_us = x.started_us > s->last_us ? x.started_us : s->last_us;
    }
    return got;
}

static int make_folder(struct sample *s, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/weir-sample-XXXXXX", s->options.parent);
    buf_cstr(&path);
    if (!mkdtemp(path.ptr))
        return err_sys(err, "cannot make a folder in '%s'", s->options.parent);
    s->folder = mem_strdup(path.ptr);
    buf_add_text(&path, "/recorded");
    s->path = mem_strdup(buf_cstr(&path));
    return archive_open(s->path, true, &s->archive, err);
}

int sample_open(const struct sample_options *o, struct sample **ret, struct err *err)
{
    CLEANUP(sample_close) struct sample *s = mem_calloc(1, sizeof(*s));
    struct seal_stats stats;
    uint64_t missing;

    s->options = *o;
    s->first_us = INT64_MAX;
    if (archive_segments_walk(o->archive, look, s, &missing, err) < 0)
        return -1;
    if (!s->seen.len)
        return err_set(err, ERR_USAGE,
                       "the archive has no call of '%.*s' with its request and its answer",
                       STR_ARG(o->app));
    find_peak(s);
    choose(s);
    if (make_folder(s, err) < 0 ||
        archive_journal_create(s->archive, "sample", o->now_us, JOURNAL_BATCH, &s->journal, err) <
            0 ||
        archive_segments_walk(o->archive, copy, s, &missing, err) < 0 ||
        journal_finish(TAKE(s->journal), err) < 0 || seal_run(s->archive, NULL, &stats, err) < 0)
        return -1;
    vec_release(&s->seen);
    *ret = TAKE(s);
    return 0;
}

const char *sample_path(const struct sample *s)
{
    return s->path;
}

const char *sample_folder(const struct sample *s)
{
    return s->folder;
}

const struct archive *sample_archive(const struct sample *s)
{
    return s->archive;
}

size_t sample_calls(const struct sample *s)
{
    return s->calls;
}

size_t sample_kinds(const struct sample *s)
{
    return s->kind_count;
}

uint64_t sample_seen(const struct sample *s)
{
    return s->seen_count;
}

double sample_peak(const struct sample *s)
{
    return (double)s->peak / ((double)PEAK_US / (double)US_PER_SECOND);
}

int64_t sample_from_us(const struct sample *s)
{
    return s->first_us;
}

int64_t sample_to_us(const struct sample *s)
{
    return s->last_us;
}
