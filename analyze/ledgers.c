#include "config.h"

#include "analyze/ledgers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/file.h"
#include "base/timestamp.h"
#include "base/uuid.h"
#include "capture/chain.h"
#include "capture/parquet.h"

#define SUFFIX ".parquet"

/* The end of a file, where the checksums of all of it are. */
#define TAIL_BYTES 4096u
#define KEY_BYTES  48

/* The segment's id, or size and end of the file; false if it cannot be read, which whoever opens it
 * will say. */
static bool find_key(const char *path, char ret[static KEY_BYTES])
{
    const char *slash = strrchr(path, '/');
    struct str name = str_from(slash ? slash + 1 : path);
    char tail[TAIL_BYTES];
    struct uuid id;
    struct stat st;
    struct err err;

    if (str_ends_with(name, STR(SUFFIX)))
        name.len -= sizeof(SUFFIX) - 1;
    if (uuid_parse(name, &id)) {
        uuid_format(id, ret);
        return true;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
    size_t len = ok && st.st_size < TAIL_BYTES ? (size_t)st.st_size : TAIL_BYTES;
    ok = ok && fd_read_at(fd, tail, len, st.st_size - (off_t)len, &err) > 0;
    if (ok)
        snprintf(ret, KEY_BYTES, "%" PRId64 " %08" PRIx32, (int64_t)st.st_size, crc32c(tail, len));
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Not of files that hold no row, which may well be alike. */
static bool is_same_file(const char *a, const char *b)
{
    CLEANUP(file_map_close) struct file_map one = { 0 };
    CLEANUP(file_map_close) struct file_map other = { 0 };
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    struct err err;

    return file_map_open(a, &one, &err) == 0 && file_map_open(b, &other, &err) == 0 &&
           str_eq(one.bytes, other.bytes) && parquet_open(a, &f, &err) == 0 && parquet_rows(f) > 0;
}

static int add(struct ledgers *l, const char *path, struct err *err)
{
    char key[KEY_BYTES];
    bool is_new = true;

    if (l->paths.len >= LEDGERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d ledgers", LEDGERS_MAX);
    if (find_key(path, key)) {
        struct map_entry *e = map_put(&l->known, str_from(key), &is_new);
        if (is_new)
            e->value = l->paths.len;
        else if (!strchr(key, ' ') || is_same_file(l->paths.ptr[e->value], path))
            return err_set(err, ERR_USAGE,
                           "'%s' is '%s' once more: its calls would count twice, so name each "
                           "ledger once, and of an archive and its copies one",
                           path, l->paths.ptr[e->value]);
    }
    vec_push(&l->paths, mem_strdup(path));
    return 0;
}

static bool is_asked(const char *date, int64_t from_us, int64_t to_us)
{
    int64_t day;

    return timestamp_parse(str_from(date), &day) && day + US_PER_DAY > from_us && day < to_us;
}

/* Sealed ledgers of the span by id, value 1 once pruned. */
static int read_chain(const struct archive *a, int64_t from_us, int64_t to_us, struct map *ret,
                      struct err *err)
{
    CLEANUP(chain_close) struct chain chain = { 0 };
    struct chain_line line;
    struct err damaged; /* verify is for that */
    char *path = archive_path(a, "chain"), date[11];
    int r = chain_open(path, &chain, err);

    free(path);
    if (r < 0)
        return -1;
    while ((r = chain_next(&chain, &line, &damaged)) != 0) {
        if (r < 0)
            continue;
        if (line.kind == CHAIN_SEGMENT && line.date.len < sizeof(date)) {
            memcpy(date, line.date.ptr, line.date.len);
            date[line.date.len] = '\0';
            if (is_asked(date, from_us, to_us))
                map_put(ret, line.id, NULL);
        } else if (line.kind == CHAIN_PRUNE_LEDGER) {
            struct map_entry *e = map_find(ret, line.id);
            if (e)
                e->value = 1;
        }
    }
    return 0;
}

int ledgers_add_archive(struct ledgers *l, const struct archive *a, int64_t from_us, int64_t to_us,
                        struct err *err)
{
    CLEANUP(archive_ledgers_release) struct archive_ledgers list = { 0 };
    CLEANUP(map_release) struct map sealed = { 0 };

    l->is_mixed |= l->paths.len > 0;
    /* The chain first: what is sealed meanwhile is then among the files. */
    if (read_chain(a, from_us, to_us, &sealed, err) < 0 ||
        archive_ledgers_list(a, from_us, to_us, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.len; i++) {
        struct map_entry *e = map_find(&sealed, str_from(list.ptr[i].id));
        if (e)
            e->value = 1;
        if (add(l, list.ptr[i].path, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < sealed.len; i++)
        if (sealed.entries[i].value == 0)
            return err_set(err, ERR_CORRUPT,
                           "archive '%s': the ledger of segment %.*s is missing, though the chain "
                           "lists it: bring it back, see weir-capture-verify(1)",
                           a->path, STR_ARG(sealed.entries[i].key));
    return 0;
}

static int add_folder(struct ledgers *l, const char *path, const int64_t span[2], int depth,
                      struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    CLEANUP(buf_release) struct buf inner = { 0 };

    if (depth > LEDGERS_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "'%s': more than %d folders deep", path, LEDGERS_DEPTH_MAX);
    if (dir_list_read(path, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.len; i++) {
        const char *name = names.names[i], *date = archive_date_of(name);
        struct stat st;
        int r = 0;
        if (name[0] == '.' || (date && !is_asked(date, span[0], span[1])))
            continue;
        buf_clear(&inner);
        buf_addf(&inner, "%s/%s", path, name);
        if (stat(buf_cstr(&inner), &st) < 0)
            return err_sys(err, "cannot read '%s'", buf_cstr(&inner));
        if (S_ISDIR(st.st_mode))
            r = add_folder(l, buf_cstr(&inner), span, depth + 1, err);
        else if (str_ends_with(str_from(name), STR(SUFFIX)))
            r = add(l, buf_cstr(&inner), err);
        if (r < 0)
            return -1;
    }
    return 0;
}

/* Whether a ledger lies in it at any depth, of whatever days. */
static bool holds_ledger(const char *path, int depth)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    CLEANUP(buf_release) struct buf inner = { 0 };
    struct err err;

    if (depth > LEDGERS_DEPTH_MAX || dir_list_read(path, &names, &err) < 0)
        return false;
    for (size_t i = 0; i < names.len; i++) {
        buf_clear(&inner);
        buf_addf(&inner, "%s/%s", path, names.names[i]);
        if (names.names[i][0] != '.' && (str_ends_with(str_from(names.names[i]), STR(SUFFIX)) ||
                                         holds_ledger(buf_cstr(&inner), depth + 1)))
            return true;
    }
    return false;
}

/* A folder of ledgers holds some, or folders named KEY=VALUE; what looks like neither that nor an
 * archive is opened as one, which says what it lacks. */
static bool is_ledger_folder(const char *path)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    CLEANUP(buf_release) struct buf inner = { 0 };
    struct err err;

    buf_addf(&inner, "%s/chain", path);
    if (file_exists(buf_cstr(&inner)) || dir_list_read(path, &names, &err) < 0)
        return false;
    for (size_t i = 0; i < names.len; i++) {
        struct str name = str_from(names.names[i]);
        if (str_ends_with(name, STR(SUFFIX)) || str_find_char(name, '=', 0) > 0)
            return true;
    }
    return false;
}

int ledgers_add_path(struct ledgers *l, const char *path, int64_t from_us, int64_t to_us,
                     struct err *err)
{
    CLEANUP(archive_close) struct archive *a = NULL;
    const int64_t span[2] = { from_us, to_us };
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        l->is_mixed |= l->paths.len > 0;
        return add(l, path, err);
    }
    if (is_ledger_folder(path)) {
        l->is_mixed = true; /* as it may be one that several archives' were copied to */
        size_t before = l->paths.len;
        if (add_folder(l, path, span, 0, err) < 0)
            return -1;
        if (l->paths.len == before && !holds_ledger(path, 0))
            return err_set(err, ERR_USAGE,
                           "'%s' holds no ledger (*%s): name an archive's folder, or a folder of "
                           "ledgers",
                           path, SUFFIX);
        return 0;
    }
    if (archive_open(path, false, &a, err) < 0)
        return -1;
    return ledgers_add_archive(l, a, from_us, to_us, err);
}

void ledgers_release(struct ledgers *l)
{
    for (size_t i = 0; i < l->paths.len; i++)
        free(l->paths.ptr[i]);
    vec_release(&l->paths);
    map_release(&l->known);
    l->is_mixed = false;
}
