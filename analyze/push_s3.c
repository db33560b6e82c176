#include "config.h"

#include "analyze/push_s3.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/vec.h"
#include "capture/chain.h"

#define CHAIN_BYTES_MAX (1u << 30)
#define ID_BYTES        40

/* A segment with its ledger, as the chain has them. */
struct sealed {
    char id[ID_BYTES], date[12];
    uint8_t segment_sha[SHA256_BYTES], ledger_sha[SHA256_BYTES];
    bool has_bodies, has_ledger; /* not pruned */
};

struct push {
    const struct push_s3_options *options;
    struct push_s3_progress progress;
    VEC(struct sealed) sealed;
    struct map ids; /* value: index into sealed */
    struct buf key, bytes;
    uint64_t chain_bytes; /* of the lines that sealed is made of */
};

static void report(struct push *p)
{
    if (p->options->on_progress)
        p->options->on_progress(p->options->ctx, &p->progress);
}

/* --- the URL --- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~=/", c));
}

int push_s3_url(struct str url, struct str *ret_bucket, struct str *ret_prefix, struct err *err)
{
    struct str rest = str_sub(url, 5, url.len);
    size_t len = 0;

    if (!str_starts_with(url, STR("s3://")))
        return err_set(err, ERR_USAGE, "expected s3://BUCKET/PREFIX");
    while (len < rest.len && rest.ptr[len] != '/')
        len++;
    struct str bucket = str_sub(rest, 0, len), prefix = str_sub(rest, len, rest.len);
    while (str_starts_with(prefix, STR("/")))
        prefix = str_sub(prefix, 1, prefix.len);
    while (str_ends_with(prefix, STR("/")))
        prefix.len--;
    for (size_t i = 0; i < prefix.len; i++)
        if (!is_plain(prefix.ptr[i]) || (i > 0 && prefix.ptr[i] == '/' && prefix.ptr[i - 1] == '/'))
            return err_set(err, ERR_USAGE,
                           "a prefix is of letters, digits and '-._~=', parted by single '/'");
    if (prefix.len > S3_KEY_MAX / 2)
        return err_set(err, ERR_USAGE, "the prefix is longer than %u bytes", S3_KEY_MAX / 2);
    *ret_bucket = bucket;
    *ret_prefix = prefix;
    return 0;
}

/* --- what there is to push --- */

static void note_line(struct push *p, const struct chain_line *line)
{
    struct map_entry *e = map_find(&p->ids, line->id);
    struct sealed s = { .has_bodies = true, .has_ledger = true };

    if (line->kind != CHAIN_SEGMENT) {
        if (e && line->kind == CHAIN_PRUNE_BODIES)
            p->sealed.ptr[e->value].has_bodies = false;
        if (e && line->kind == CHAIN_PRUNE_LEDGER)
            p->sealed.ptr[e->value].has_ledger = false;
        return;
    }
    if (e || line->id.len >= sizeof(s.id) || line->date.len >= sizeof(s.date))
        return;
    memcpy(s.id, line->id.ptr, line->id.len);
    memcpy(s.date, line->date.ptr, line->date.len);
    memcpy(s.segment_sha, line->segment_sha, SHA256_BYTES);
    memcpy(s.ledger_sha, line->ledger_sha, SHA256_BYTES);
    map_put(&p->ids, line->id, NULL)->value = p->sealed.len;
    vec_push(&p->sealed, s);
}

static int read_chain(struct push *p, const char *path, struct err *err)
{
    CLEANUP(chain_close) struct chain chain = { 0 };
    struct chain_line line;
    int r;

    if (chain_open(path, &chain, err) < 0)
        return -1;
    while ((r = chain_next(&chain, &line, err)) > 0)
        note_line(p, &line);
    p->chain_bytes = chain.size_bytes;
    return r < 0 ? err_wrap(err, "run 'weir capture verify' first: the chain") : 0;
}

/* --- one file --- */

struct file {
    int fd;
    uint64_t size;
    const char *path;
    const uint8_t *sha;
};

static int differs(const struct file *f, struct err *err)
{
    return err_set(err, ERR_CORRUPT,
                   "'%s' is not what the chain says: run 'weir capture verify'; it was not pushed",
                   f->path);
}

static int read_part(struct push *p, const struct file *f, uint64_t from, size_t len,
                     struct err *err)
{
    buf_clear(&p->bytes);
    int r = fd_read_at(f->fd, buf_reserve(&p->bytes, len ? len : 1), len, (off_t)from, err);

    if (r < 0)
        return err_wrap(err, "'%s'", f->path);
    if (r == 0 && len)
        return err_set(err, ERR_CORRUPT, "'%s' became shorter while it was read", f->path);
    p->bytes.len = len;
    return 0;
}

static int put_whole(struct push *p, const struct file *f, struct err *err)
{
    uint8_t sha[SHA256_BYTES];

    if (read_part(p, f, 0, (size_t)f->size, err) < 0)
        return -1;
    sha256_of(buf_str(&p->bytes), sha);
    if (memcmp(sha, f->sha, SHA256_BYTES) != 0)
        return differs(f, err);
    if (s3_put(p->options->store, buf_str(&p->key), buf_str(&p->bytes), f->sha, err) < 0)
        return -1;
    p->progress.bytes_sent += f->size;
    return 0;
}

static size_t part_size(const struct push *p, uint64_t size)
{
    size_t part = p->options->part_bytes ? p->options->part_bytes : PUSH_PART_BYTES;

    while (size / part >= S3_PARTS_MAX)
        part *= 2;
    return part;
}

static int put_parts(struct push *p, const struct file *f, struct err *err)
{
    CLEANUP(s3_upload_release) struct s3_upload u = { 0 };
    struct s3 *store = p->options->store;
    size_t part = part_size(p, f->size), count = 0;
    struct str key = buf_str(&p->key);
    bool sent;

    if (s3_upload_begin(store, key, f->sha, &u, err) < 0)
        return -1;
    for (uint64_t at = 0; at < f->size; at += part, count++) {
        size_t len = f->size - at < part ? (size_t)(f->size - at) : part;
        if (read_part(p, f, at, len, err) < 0 ||
            s3_upload_part(store, key, &u, count, buf_str(&p->bytes), &sent, err) < 0)
            return -1;
        *(sent ? &p->progress.bytes_sent : &p->progress.bytes_there) += len;
        report(p);
    }
    return s3_upload_end(store, key, &u, count, err);
}

static bool is_ours(const struct s3_object *o, const struct file *f)
{
    return o->size == f->size && o->has_sha && memcmp(o->sha, f->sha, SHA256_BYTES) == 0;
}

/* The end of an upload may be lost on the way back: what counts is what is there. */
static int put_large(struct push *p, const struct file *f, struct err *err)
{
    struct s3_object o;
    struct err ignored;
    uint8_t sha[SHA256_BYTES];

    if (sha256_of_file(f->path, sha, err) < 0)
        return -1;
    if (memcmp(sha, f->sha, SHA256_BYTES) != 0)
        return differs(f, err);
    int r = put_parts(p, f, err);
    if (r < 0)
        return s3_look(p->options->store, buf_str(&p->key), &o, &ignored) > 0 && is_ours(&o, f)
                   ? 0
                   : -1;
    r = s3_look(p->options->store, buf_str(&p->key), &o, err);
    if (r < 0)
        return -1;
    return r > 0 && is_ours(&o, f) ? 0
                                   : err_set(err, ERR_CORRUPT,
                                             "the store made something else of the parts of '%s': "
                                             "run this again",
                                             f->path);
}

static int push_file(struct push *p, const struct file *f, struct err *err)
{
    struct s3_object o;
    int r = s3_look(p->options->store, buf_str(&p->key), &o, err);

    if (r < 0)
        return -1;
    if (r > 0 && is_ours(&o, f)) {
        p->progress.files_there++;
        return 0;
    }
    return f->size <= part_size(p, f->size) ? put_whole(p, f, err) : put_large(p, f, err);
}

/* name is within the archive, and within the prefix. */
static int push_name(struct push *p, const char *name, const uint8_t *sha, struct err *err)
{
    char *path = archive_path(p->options->archive, "%s", name);
    struct file f = { .path = path, .sha = sha };
    struct stat st;
    int r = -1;

    buf_clear(&p->key);
    buf_add_str(&p->key, p->options->prefix);
    buf_add_text(&p->key, p->options->prefix.len ? "/" : "");
    buf_add_text(&p->key, name);
    f.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f.fd < 0 || fstat(f.fd, &st) < 0) {
        err_sys(err, "cannot open '%s'", path);
    } else {
        f.size = (uint64_t)st.st_size;
        r = push_file(p, &f, err);
    }
    if (f.fd >= 0)
        close(f.fd);
    free(path);
    p->progress.files_done++;
    report(p);
    return r;
}

/* The body before the ledger: no row there points to what is not. */
static int push_sealed(struct push *p, const struct sealed *s, struct err *err)
{
    char name[128];

    snprintf(name, sizeof(name), "segments/date=%s/%s.tar.zst", s->date, s->id);
    if (s->has_bodies && s->has_ledger && push_name(p, name, s->segment_sha, err) < 0)
        return -1;
    snprintf(name, sizeof(name), "ledger/date=%s/%s.parquet", s->date, s->id);
    return s->has_ledger ? push_name(p, name, s->ledger_sha, err) : 0;
}

/* As it was when the push began. */
static int push_chain(struct push *p, struct str chain, struct err *err)
{
    uint8_t sha[SHA256_BYTES];
    struct s3_object o;

    buf_clear(&p->key);
    buf_add_str(&p->key, p->options->prefix);
    buf_add_text(&p->key, p->options->prefix.len ? "/chain" : "chain");
    sha256_of(chain, sha);
    int r = s3_look(p->options->store, buf_str(&p->key), &o, err);
    if (r < 0)
        return -1;
    p->progress.files_done++;
    const struct file f = { .size = chain.len, .sha = sha };
    if (r > 0 && is_ours(&o, &f)) {
        p->progress.files_there++;
        return 0;
    }
    p->progress.bytes_sent += chain.len;
    return s3_put(p->options->store, buf_str(&p->key), chain, sha, err);
}

static int push_all(struct push *p, struct err *err)
{
    CLEANUP(buf_release) struct buf chain = { 0 };
    char *path = archive_path(p->options->archive, "chain");
    int r = read_chain(p, path, err);

    if (r == 0 && file_exists(path))
        r = file_read(path, CHAIN_BYTES_MAX, &chain, err);
    if (chain.len > p->chain_bytes) /* what was sealed since is for the next push */
        chain.len = (size_t)p->chain_bytes;
    free(path);
    for (size_t i = 0; i < p->sealed.len; i++) {
        const struct sealed *s = &p->sealed.ptr[i];
        p->progress.files += !s->has_ledger ? 0 : s->has_bodies ? 2 : 1;
    }
    p->progress.files += chain.len > 0;
    for (size_t i = 0; r == 0 && i < p->sealed.len; i++)
        r = push_sealed(p, &p->sealed.ptr[i], err);
    if (r == 0 && chain.len)
        r = push_chain(p, buf_str(&chain), err);
    return r;
}

int push_s3(const struct push_s3_options *options, struct push_s3_progress *ret, struct err *err)
{
    struct push p = { .options = options };
    int r = push_all(&p, err);

    *ret = p.progress;
    vec_release(&p.sealed);
    map_release(&p.ids);
    buf_release(&p.key);
    buf_release(&p.bytes);
    return r;
}
