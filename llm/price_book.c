#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/map.h"
#include "base/vec.h"
#include "llm/price_model.h"

/* The entries of one load.  A later layer is asked first. */
struct layer {
    struct map exact; /* provider, route, id -> entry */
    VEC(const struct price_entry *) patterns[PROVIDER_COUNT];
    bool has[PROVIDER_COUNT];
};

struct price_book {
    VEC(struct price_file *) files; /* in the order read */
    VEC(struct layer *) layers;
    VEC(const struct price_adjust *) regions, discounts; /* of all files, in order */
    VEC(const struct price_file *) fees[PROVIDER_COUNT];
    struct buf digests; /* of each file, one after the other */
    char hash[SHA256_HEX_BYTES];
    size_t entry_count;
};

static void layer_free(struct layer *l)
{
    if (!l)
        return;
    map_release(&l->exact);
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        vec_release(&l->patterns[i]);
    free(l);
}

void price_book_free(struct price_book *book)
{
    if (!book)
        return;
    for (size_t i = 0; i < book->layers.len; i++)
        layer_free(book->layers.ptr[i]);
    for (size_t i = 0; i < book->files.len; i++)
        price_file_free(book->files.ptr[i]);
    for (size_t i = 0; i < PROVIDER_COUNT; i++)
        vec_release(&book->fees[i]);
    vec_release(&book->regions);
    vec_release(&book->discounts);
    vec_release(&book->layers);
    vec_release(&book->files);
    buf_release(&book->digests);
    free(book);
}

/* --- the index --- */

struct key {
    char bytes[2 * PRICE_MODEL_BYTES_MAX + 3];
    size_t len;
};

static struct str key_of(enum provider provider, struct str route, struct str id, struct key *k)
{
    assert(route.len <= PRICE_MODEL_BYTES_MAX && id.len <= PRICE_MODEL_BYTES_MAX);
    k->bytes[0] = (char)(provider + 1);
    k->len = 1;
    if (route.len > 0)
        memcpy(k->bytes + k->len, route.ptr, route.len);
    k->len += route.len;
    k->bytes[k->len++] = '\n';
    if (id.len > 0)
        memcpy(k->bytes + k->len, id.ptr, id.len);
    k->len += id.len;
    return (struct str){ k->bytes, k->len };
}

/* The first entry to name an id has it; price_check reports the others. */
static void index_id(struct layer *l, struct price_entry *e, struct str id)
{
    struct key key;
    bool is_new;
    struct map_entry *at = map_put(&l->exact, key_of(e->provider, e->route, id, &key), &is_new);

    if (is_new)
        at->ptr = e;
}

static void index_entry(struct layer *l, struct price_entry *e, uint32_t order)
{
    bool has_pattern = false;

    e->order = order;
    l->has[e->provider] = true;
    index_id(l, e, e->id);
    for (size_t i = 0; i < e->match.count; i++) {
        if (e->match.rules[i].kind == PRICE_RULE_EQUALS)
            index_id(l, e, e->match.rules[i].text);
        else
            has_pattern = true;
    }
    if (has_pattern)
        vec_push(&l->patterns[e->provider], e);
}

const struct price_entry *price_book_find(const struct price_book *book, size_t layer,
                                          enum provider provider, struct str id, struct str route)
{
    const struct layer *l = book->layers.ptr[layer];
    struct key key;

    if (!l->has[provider] || id.len > PRICE_MODEL_BYTES_MAX || route.len > PRICE_MODEL_BYTES_MAX)
        return NULL;
    const struct map_entry *at = map_find(&l->exact, key_of(provider, route, id, &key));
    if (at)
        return at->ptr;
    return price_rule_find(l->patterns[provider].ptr, l->patterns[provider].len, id, route);
}

/* --- loading --- */

/* What one load adds, before it is certain that all of it can be read. */
struct load {
    VEC(struct price_file *) files;
    struct layer *layer;
    struct buf digests;
    size_t layer_index;
};

static void load_release(struct load *l)
{
    for (size_t i = 0; i < l->files.len; i++)
        price_file_free(l->files.ptr[i]);
    vec_release(&l->files);
    layer_free(l->layer);
    buf_release(&l->digests);
}
DEFINE_CLEANUP_VALUE(struct load, load_release)

static int load_file(void *ctx, const char *path, struct err *err)
{
    struct load *l = ctx;
    CLEANUP(buf_release) struct buf text = { 0 };
    uint8_t digest[SHA256_BYTES];
    struct price_file *file;

    if (file_read(path, PRICE_FILE_BYTES_MAX, &text, err) < 0)
        return err_wrap(err, "price file '%s'", path);
    if (price_file_parse(buf_str(&text), path, &file, err) < 0)
        return -1;
    vec_push(&l->files, file);
    sha256_of(buf_str(&text), digest);
    buf_add(&l->digests, digest, sizeof(digest));
    file->layer = l->layer_index;
    price_plan_file(file);
    return 0;
}

/* Calls fn with each file of a folder. */
static int each_file(const char *path, int (*fn)(void *ctx, const char *file, struct err *err),
                     void *ctx, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };
    CLEANUP(buf_release) struct buf name = { 0 };

    if (dir_list_read(path, &list, err) < 0)
        return err_wrap(err, "price folder '%s'", path);
    for (size_t i = 0; i < list.len; i++) {
        if (!str_ends_with(str_from(list.names[i]), STR(".yaml")) || list.names[i][0] == '.')
            continue;
        buf_clear(&name);
        buf_addf(&name, "%s/%s", path, list.names[i]);
        if (fn(ctx, buf_cstr(&name), err) < 0)
            return -1;
    }
    return 0;
}

static int load_folder(void *ctx, const char *path, struct err *err)
{
    const struct load *l = ctx;

    if (each_file(path, load_file, ctx, err) < 0)
        return -1;
    if (l->files.len == 0)
        return err_set(err, ERR_USAGE, "price folder '%s' has no *.yaml file", path);
    return 0;
}

static void index_files(struct load *l)
{
    uint32_t order = 0;

    l->layer = mem_calloc(1, sizeof(*l->layer));
    for (size_t i = 0; i < l->files.len; i++)
        for (size_t j = 0; j < l->files.ptr[i]->entry_count; j++)
            index_entry(l->layer, &l->files.ptr[i]->entries[j], order++);
}

static void book_add_file(struct price_book *book, struct price_file *f)
{
    vec_push(&book->files, f);
    book->entry_count += f->entry_count;
    for (size_t i = 0; i < f->region_count; i++)
        vec_push(&book->regions, &f->regions[i]);
    for (size_t i = 0; i < f->discount_count; i++)
        vec_push(&book->discounts, &f->discounts[i]);
    if (f->fee_count > 0)
        vec_push(&book->fees[f->provider], f);
}

static void book_add(struct price_book *book, struct load *l)
{
    uint8_t digest[SHA256_BYTES];

    for (size_t i = 0; i < l->files.len; i++)
        book_add_file(book, l->files.ptr[i]);
    vec_clear(&l->files);
    vec_push(&book->layers, TAKE(l->layer));
    buf_add_str(&book->digests, buf_str(&l->digests));
    sha256_of(buf_str(&book->digests), digest);
    hex_encode(digest, sizeof(digest), book->hash);
}

static int add_mark(void *ctx, const char *file, struct err *err)
{
    struct buf *out = ctx;
    struct stat st;

    if (stat(file, &st) < 0)
        return err_sys(err, "cannot read prices from '%s'", file);
    buf_addf(out, "%s %ju:%ju %jd %jd.%ld %jd.%ld\n", file, (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    return 0;
}

int price_book_mark(const char *path, struct buf *out, struct err *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_sys(err, "cannot read prices from '%s'", path);
    return S_ISDIR(st.st_mode) ? each_file(path, add_mark, out, err) : add_mark(out, path, err);
}

int price_book_load(struct price_book **book, const char *path, struct err *err)
{
    CLEANUP(load_release) struct load load = { 0 };
    struct stat st;

    if (stat(path, &st) < 0)
        return err_sys(err, "cannot read prices from '%s'", path);
    load.layer_index = *book ? (*book)->layers.len : 0;
    if ((S_ISDIR(st.st_mode) ? load_folder : load_file)(&load, path, err) < 0)
        return -1;
    index_files(&load);
    if (!*book)
        *book = mem_calloc(1, sizeof(**book));
    book_add(*book, &load);
    return 0;
}

const char *price_book_hash(const struct price_book *book)
{
    return book->hash;
}

size_t price_book_entry_count(const struct price_book *book)
{
    return book->entry_count;
}

const struct price_file *price_book_file(const struct price_book *book, size_t index)
{
    return book->files.ptr[index];
}

size_t price_book_file_count(const struct price_book *book)
{
    return book->files.len;
}

size_t price_book_layer_count(const struct price_book *book)
{
    return book->layers.len;
}

size_t price_book_fallback(const struct price_book *book, enum provider provider,
                           const enum provider **ret)
{
    for (size_t i = book->files.len; i > 0; i--) {
        const struct price_file *f = book->files.ptr[i - 1];
        if (f->provider == provider && f->fallback_count > 0) {
            *ret = f->fallback;
            return f->fallback_count;
        }
    }
    return 0;
}

const struct price_adjust *const *price_book_adjusts(const struct price_book *book, bool regions,
                                                     size_t *ret_count)
{
    *ret_count = regions ? book->regions.len : book->discounts.len;
    return regions ? book->regions.ptr : book->discounts.ptr;
}

const struct price_file *const *price_book_fees(const struct price_book *book,
                                                enum provider provider, size_t *ret_count)
{
    *ret_count = book->fees[provider].len;
    return book->fees[provider].ptr;
}
