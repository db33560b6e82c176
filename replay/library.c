#include "config.h"

#include "replay/library.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"
#include "capture/segment_read.h"

#define NO_ENTRY UINT32_MAX

/* What does not fit into a digest: whether it may stand in for others. */
enum entry_flag {
    ENTRY_ENCODED = 1 << 0,
    ENTRY_CUT = 1 << 1,
    ENTRY_SIZED = 1 << 2, /* had a content-length */
};

struct entry {
    struct uuid id;
    int64_t offset; /* of its bodies in the segment */
    uint64_t request_bytes, response_bytes;
    int64_t request_us, head_us, end_us;
    struct str path;
    struct str head; /* "name: value" lines */
    uint32_t segment;
    uint32_t next_same; /* of its digest, in recorded order; the last one leads to the first */
    uint16_t status;
    uint16_t flags;
    struct answer *cached; /* a reference; NULL = not in memory */
    uint32_t newer, older; /* in the order of use, if cached */
};

/* Those that can stand in for one another. */
struct group {
    VEC(uint32_t) entries; /* by size, then as recorded */
    uint64_t turn;
};

struct library {
    VEC(struct entry) entries;
    VEC(char *) segments;
    VEC(struct group) groups;
    struct map texts; /* paths and heads, each once */
    struct map same;  /* digest to the entry whose turn it is */
    struct map alike; /* API, model, stream to index in groups */
    bool is_sorted;   /* the groups */
    size_t cache_bytes;
    uint32_t newest, oldest;
    struct segment_reader *open; /* the segment read last */
    uint32_t open_segment;
    struct library_stats stats;
};

struct library *library_new(void)
{
    struct library *lib = mem_calloc(1, sizeof(*lib));

    lib->newest = lib->oldest = NO_ENTRY;
    return lib;
}

void library_free(struct library *lib)
{
    if (!lib)
        return;
    for (size_t i = 0; i < lib->entries.len; i++)
        answer_unref(lib->entries.ptr[i].cached);
    for (size_t i = 0; i < lib->segments.len; i++)
        free(lib->segments.ptr[i]);
    for (size_t i = 0; i < lib->groups.len; i++)
        vec_release(&lib->groups.ptr[i].entries);
    vec_release(&lib->entries);
    vec_release(&lib->segments);
    vec_release(&lib->groups);
    map_release(&lib->texts);
    map_release(&lib->same);
    map_release(&lib->alike);
    segment_close(lib->open);
    free(lib);
}

void library_stats(const struct library *lib, struct library_stats *ret)
{
    *ret = lib->stats;
}

/* --- indexing --- */

static struct str keep_text(struct library *lib, struct str text)
{
    return map_put(&lib->texts, text, NULL)->key;
}

static struct str keep_head(struct library *lib, const struct exchange *x)
{
    CLEANUP(buf_release) struct buf head = { 0 };

    for (size_t i = 0; i < x->response_header_count; i++) {
        struct call_header h = x->response_headers[i];
        /* what a cut answer had promised is a part of how it was cut */
        if (answer_keeps_header(x, h) || (x->truncated && str_ieq(h.name, STR("content-length"))))
            buf_addf(&head, "%.*s: %.*s\n", STR_ARG(h.name), STR_ARG(h.value));
    }
    return keep_text(lib, buf_str(&head));
}

static void add_same(struct library *lib, const struct exchange *x, uint32_t at)
{
    struct request r = { x->method, x->path, x->query, x->request_body };
    uint8_t digest[REQUEST_DIGEST_BYTES];
    bool is_new;

    if (x->request_body_missing || x->request_body_encoded)
        return;
    request_digest(&r, digest);
    struct map_entry *e =
        map_put(&lib->same, (struct str){ (const char *)digest, sizeof(digest) }, &is_new);
    struct entry *entry = &lib->entries.ptr[at];
    if (is_new) {
        entry->next_same = at;
    } else { /* until all are in, the map leads to the last one */
        entry->next_same = lib->entries.ptr[e->value].next_same;
        lib->entries.ptr[e->value].next_same = at;
    }
    e->value = at;
}

static void group_key(const struct call_facts *facts, struct buf *ret)
{
    buf_addf(ret, "%d %d %.*s", (int)facts->api, facts->stream, STR_ARG(facts->model_requested));
}

static void add_alike(struct library *lib, const struct exchange *x, uint32_t at)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    if (x->status < 200 || x->status > 299 || x->truncated || x->facts.api == API_UNKNOWN)
        return;
    group_key(&x->facts, &key);
    struct map_entry *e = map_put(&lib->alike, buf_str(&key), &is_new);
    if (is_new) {
        e->value = lib->groups.len;
        vec_push(&lib->groups, (struct group){ 0 });
    }
    vec_push(&lib->groups.ptr[e->value].entries, at);
    lib->is_sorted = false;
}

static void add_exchange(struct library *lib, const struct exchange *x, int64_t offset)
{
    bool is_sized =
        call_header_find(x->response_headers, x->response_header_count, "content-length").ptr !=
        NULL;

    if (x->status < 200 || x->status > 599 || x->response_body_missing ||
        lib->entries.len >= NO_ENTRY) {
        lib->stats.without_answer++;
        return;
    }
    struct entry e = {
        .id = x->id,
        .offset = offset,
        .request_bytes = x->request_stored_bytes,
        .response_bytes = x->response_stored_bytes,
        .request_us = x->request_us,
        .head_us = x->head_us,
        .end_us = x->end_us,
        .path = keep_text(lib, x->path),
        .head = keep_head(lib, x),
        .segment = (uint32_t)lib->segments.len - 1,
        .next_same = NO_ENTRY,
        .status = (uint16_t)x->status,
        .newer = NO_ENTRY,
        .older = NO_ENTRY,
    };
    e.flags = (uint16_t)((x->response_body_encoded ? ENTRY_ENCODED : 0) |
                         (x->truncated ? ENTRY_CUT : 0) | (is_sized ? ENTRY_SIZED : 0));
    vec_push(&lib->entries, e);
    lib->stats.exchanges++;
    add_same(lib, x, (uint32_t)lib->entries.len - 1);
    add_alike(lib, x, (uint32_t)lib->entries.len - 1);
}

static int add_segment(void *ctx, const char *path, struct err *err)
{
    struct library *lib = ctx;
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    struct exchange x;
    int got;

    if (segment_open(path, &r, err) < 0)
        return -1;
    vec_push(&lib->segments, mem_strdup(path));
    while ((got = segment_next(r, true, &x, err)) > 0)
        if (x.facts.api != API_USAGE_ROW)
            add_exchange(lib, &x, segment_offset(r));
    return got;
}

/* From "the last one" to "the first one", whose turn it is. */
static void begin_turns(struct library *lib)
{
    for (size_t i = 0; i < lib->same.len; i++) {
        struct map_entry *e = &lib->same.entries[i];
        e->value = lib->entries.ptr[e->value].next_same;
    }
}

static void end_turns(struct library *lib)
{
    for (size_t i = 0; i < lib->same.len; i++) {
        struct map_entry *e = &lib->same.entries[i];
        uint32_t first = (uint32_t)e->value;
        while (lib->entries.ptr[e->value].next_same != first)
            e->value = lib->entries.ptr[e->value].next_same;
    }
}

int library_add(struct library *lib, const struct archive *a, struct err *err)
{
    uint64_t missing;

    end_turns(lib);
    int r = archive_segments_walk(a, add_segment, lib, &missing, err);
    begin_turns(lib);
    lib->stats.segments_missing += missing;
    return r;
}

/* --- reading --- */

static void unlink_cached(struct library *lib, uint32_t at)
{
    struct entry *e = &lib->entries.ptr[at];

    *(e->newer == NO_ENTRY ? &lib->newest : &lib->entries.ptr[e->newer].older) = e->older;
    *(e->older == NO_ENTRY ? &lib->oldest : &lib->entries.ptr[e->older].newer) = e->newer;
}

static void link_newest(struct library *lib, uint32_t at)
{
    struct entry *e = &lib->entries.ptr[at];

    e->newer = NO_ENTRY;
    e->older = lib->newest;
    *(lib->newest == NO_ENTRY ? &lib->oldest : &lib->entries.ptr[lib->newest].newer) = at;
    lib->newest = at;
}

static void cache(struct library *lib, uint32_t at, struct answer *a)
{
    lib->entries.ptr[at].cached = answer_ref(a);
    lib->cache_bytes += answer_bytes(a);
    link_newest(lib, at);
    while (lib->cache_bytes > LIBRARY_CACHE_BYTES) {
        uint32_t old = lib->oldest;
        struct entry *e = &lib->entries.ptr[old];
        lib->cache_bytes -= answer_bytes(e->cached);
        unlink_cached(lib, old);
        answer_unref(e->cached);
        e->cached = NULL;
    }
}

static struct call_header *parse_head(struct str head, struct arena *arena, size_t *ret_count)
{
    struct str line;
    size_t lines = 0;

    for (size_t i = 0; i < head.len; i++)
        lines += head.ptr[i] == '\n';
    struct call_header *headers = arena_alloc(arena, (lines + 1) * sizeof(*headers));
    for (*ret_count = 0; *ret_count < lines && str_split(&head, '\n', &line);) {
        ptrdiff_t colon = str_find(line, STR(": "), 0);
        headers[(*ret_count)++] =
            (struct call_header){ str_sub(line, 0, (size_t)colon),
                                  str_sub(line, (size_t)colon + 2, line.len) };
    }
    return headers;
}

static int open_segment(struct library *lib, uint32_t segment, struct err *err)
{
    if (lib->open && lib->open_segment == segment)
        return 0;
    segment_close(TAKE(lib->open));
    lib->open_segment = segment;
    return segment_open(lib->segments.ptr[segment], &lib->open, err);
}

static int read_answer(struct library *lib, const struct entry *e, struct answer **ret,
                       struct err *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct exchange x = {
        .id = e->id,
        .status = e->status,
        .request_stored_bytes = e->request_bytes,
        .response_stored_bytes = e->response_bytes,
        .request_us = e->request_us,
        .head_us = e->head_us,
        .end_us = e->end_us,
        .truncated = e->flags & ENTRY_CUT,
        .response_body_encoded = e->flags & ENTRY_ENCODED,
    };

    if (open_segment(lib, e->segment, err) < 0 || segment_bodies(lib->open, e->offset, &x, err) < 0)
        return err_wrap(err, "segment '%s'", lib->segments.ptr[e->segment]);
    x.response_headers = parse_head(e->head, &arena, &x.response_header_count);
    struct answer *a = answer_of(&x);
    a->is_chunked = a->is_cut ? !a->promised : !(e->flags & ENTRY_SIZED);
    *ret = a;
    return 0;
}

static int take_answer(struct library *lib, uint32_t at, struct answer **ret, struct err *err)
{
    struct entry *e = &lib->entries.ptr[at];

    if (e->cached) {
        unlink_cached(lib, at);
        link_newest(lib, at);
        *ret = answer_ref(e->cached);
        return 0;
    }
    if (read_answer(lib, e, ret, err) < 0)
        return -1;
    cache(lib, at, *ret);
    return 0;
}

/* --- finding --- */

/* The entry of the same request whose turn it is. */
static uint32_t find_same(struct library *lib, const struct request *r)
{
    uint8_t digest[REQUEST_DIGEST_BYTES];

    request_digest(r, digest);
    struct map_entry *e =
        map_find(&lib->same, (struct str){ (const char *)digest, sizeof(digest) });
    if (!e)
        return NO_ENTRY;
    uint32_t first = (uint32_t)e->value, at = first;
    do {
        const struct entry *entry = &lib->entries.ptr[at];
        if (request_is_same_path(entry->path, r->path)) {
            e->value = entry->next_same;
            return at;
        }
        at = entry->next_same;
    } while (at != first);
    return NO_ENTRY;
}

static int compare_sizes(const void *a, const void *b, void *ctx)
{
    const struct library *lib = ctx;
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    uint64_t left_bytes = lib->entries.ptr[left].request_bytes;
    uint64_t right_bytes = lib->entries.ptr[right].request_bytes;

    if (left_bytes != right_bytes)
        return left_bytes < right_bytes ? -1 : 1;
    return left < right ? -1 : left > right;
}

static void sort_groups(struct library *lib)
{
    for (size_t i = 0; i < lib->groups.len; i++)
        qsort_r(lib->groups.ptr[i].entries.ptr, lib->groups.ptr[i].entries.len, sizeof(uint32_t),
                compare_sizes, lib);
    lib->is_sorted = true;
}

/* The first of the group with a body of at least that size; its length if there is none. */
static size_t first_of_size(const struct library *lib, const struct group *g, uint64_t bytes)
{
    size_t low = 0, high = g->entries.len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lib->entries.ptr[g->entries.ptr[middle]].request_bytes < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t find_alike(struct library *lib, const struct request *r,
                           const struct call_facts *facts)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    if (facts->api == API_UNKNOWN)
        return NO_ENTRY;
    group_key(facts, &key);
    const struct map_entry *e = map_find(&lib->alike, buf_str(&key));
    if (!e)
        return NO_ENTRY;
    if (!lib->is_sorted)
        sort_groups(lib);
    struct group *g = &lib->groups.ptr[e->value];
    size_t at = first_of_size(lib, g, r->body.len);
    uint64_t larger = UINT64_MAX, smaller = UINT64_MAX, nearest;
    if (at < g->entries.len)
        larger = lib->entries.ptr[g->entries.ptr[at]].request_bytes;
    if (at > 0)
        smaller = lib->entries.ptr[g->entries.ptr[at - 1]].request_bytes;
    nearest = smaller != UINT64_MAX &&
                      (larger == UINT64_MAX || r->body.len - smaller < larger - r->body.len)
                  ? smaller
                  : larger;
    size_t begin = first_of_size(lib, g, nearest), end = first_of_size(lib, g, nearest + 1);
    return g->entries.ptr[begin + g->turn++ % (end - begin)];
}

/* Only passages ask, whose libraries are small: there is no index. */
int library_get(struct library *lib, struct uuid id, struct answer **ret, struct err *err)
{
    *ret = NULL;
    for (size_t i = 0; i < lib->entries.len; i++)
        if (memcmp(&lib->entries.ptr[i].id, &id, sizeof(id)) == 0)
            return take_answer(lib, (uint32_t)i, ret, err);
    return 0;
}

int library_find(struct library *lib, const struct request *r, const struct call_facts *facts,
                 enum library_match *ret_match, struct answer **ret, struct err *err)
{
    uint32_t at = find_same(lib, r);

    *ret_match = LIBRARY_SAME;
    if (at == NO_ENTRY) {
        *ret_match = LIBRARY_ALIKE;
        at = find_alike(lib, r, facts);
    }
    if (at == NO_ENTRY) {
        *ret_match = LIBRARY_NONE;
        return 0;
    }
    return take_answer(lib, at, ret, err);
}
