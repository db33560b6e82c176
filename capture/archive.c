#include "config.h"

#include "capture/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/timestamp.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "capture/ledger.h"

#define DATE_PREFIX   "date="
#define LEDGER_SUFFIX ".parquet"

static const char *const folders[] = { "journal", "segments", "ledger" };

char *archive_path(const struct archive *a, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    va_list args;

    buf_addf(&path, "%s/", a->path);
    va_start(args, fmt);
    buf_addvf(&path, fmt, args);
    va_end(args);
    return mem_strdup(buf_cstr(&path));
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

unsigned archive_enter_sandbox(const struct archive *a, const struct sandbox *more)
{
    static const char *const libraries[] = { "/usr", "/lib", "/lib64", "/etc/ssl" };
    char *paths[ARRAY_LEN(folders)];
    const char *writable[ARRAY_LEN(folders) + 1] = { a->path };
    struct sandbox s = *more;

    s.writable = writable;
    s.writable_count = 1;
    if (!s.readable_count) {
        s.readable = libraries;
        s.readable_count = ARRAY_LEN(libraries);
    }
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        paths[i] = archive_path(a, "%s", folders[i]);
        if (is_folder(paths[i]))
            writable[s.writable_count++] = paths[i];
    }
    unsigned holds = sandbox_enter(&s);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        free(paths[i]);
    return holds;
}

/* What may lie in a folder that becomes an archive: hidden files, what a file system makes, and
 * what an attempt that was cut short has left. */
static bool is_no_obstacle(const char *name)
{
    static const char *const ours[] = { "segments", "ledger",  "key",        "chain",
                                        "lock",     "reports", "lost+found", NULL };

    for (const char *const *known = ours; *known; known++)
        if (strcmp(name, *known) == 0)
            return true;
    return name[0] == '.';
}

/* A mistyped path must not have an archive spread among the files of others. */
static int check_place(const struct archive *a, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    CLEANUP(buf_release) struct buf journal = { 0 };

    buf_addf(&journal, "%s/%s", a->path, folders[0]);
    if (is_folder(buf_cstr(&journal)) || !is_folder(a->path))
        return 0;
    if (dir_list_read(a->path, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.len; i++)
        if (!is_no_obstacle(names.names[i]))
            return err_set(err, ERR_USAGE,
                           "'%s' is not an archive and holds other files ('%s'): name a folder of "
                           "the archive's own, such as '%s/archive'",
                           a->path, names.names[i], a->path);
    return 0;
}

static int make_folders(const struct archive *a, struct err *err)
{
    struct key key;

    if (check_place(a, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        char *path = archive_path(a, "%s", folders[i]);
        int r = dir_make(path, err);
        free(path);
        if (r < 0)
            return -1;
    }
    return archive_key(a, &key, err);
}

/* Its journal folder is made first and never removed: that is what an archive is known by. */
static int check_folders(const struct archive *a, struct err *err)
{
    CLEANUP(buf_release) struct buf journal = { 0 };

    buf_addf(&journal, "%s/%s", a->path, folders[0]);
    errno = ENOTDIR; /* what stat finds and is no folder */
    if (is_folder(buf_cstr(&journal)))
        return 0;
    if (errno != ENOENT && errno != ENOTDIR)
        return err_sys(err, "cannot look into '%s'", buf_cstr(&journal));
    if (!file_exists(a->path))
        return err_set(err, ERR_USAGE, "there is no archive '%s'", a->path);
    return err_set(err, ERR_USAGE, "'%s' is not an archive: it has no folder '%s'", a->path,
                   folders[0]);
}

int archive_open(const char *path, bool make, struct archive **ret, struct err *err)
{
    CLEANUP(archive_close) struct archive *a = mem_calloc(1, sizeof(*a));
    size_t len = strlen(path);

    if (!len)
        return err_set(err, ERR_USAGE, "the archive's folder has an empty name");
    while (len > 1 && path[len - 1] == '/')
        len--;
    a->path = mem_strndup(path, len);
    if (make ? make_folders(a, err) : check_folders(a, err))
        return -1;
    *ret = TAKE(a);
    return 0;
}

void archive_close(struct archive *a)
{
    if (!a)
        return;
    free(a->path);
    free(a);
}

int archive_key(const struct archive *a, struct key *ret, struct err *err)
{
    char *path = archive_path(a, "key");
    int r = key_load(path, true, ret, err);

    free(path);
    return r;
}

int archive_lock(const struct archive *a, bool wait, int *ret_fd, struct err *err)
{
    char *path = archive_path(a, "lock");
    int r = file_lock(path, wait, ret_fd, err);

    free(path);
    return r;
}

const char *archive_date_of(const char *name)
{
    char text[TIMESTAMP_TEXT_BYTES];
    int64_t us;

    if (strncmp(name, DATE_PREFIX, strlen(DATE_PREFIX)) != 0)
        return NULL;
    const char *date = name + strlen(DATE_PREFIX);
    if (!timestamp_parse(str_from(date), &us) || strcmp(timestamp_format_date(us, text), date) != 0)
        return NULL;
    return date;
}

void archive_ledgers_release(struct archive_ledgers *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free(l->ptr[i].path);
        free(l->ptr[i].id);
        free(l->ptr[i].date);
    }
    free(l->ptr);
    *l = (struct archive_ledgers){ 0 };
}

int archive_segments_walk(const struct archive *a,
                          int (*fn)(void *ctx, const char *path, struct err *err), void *ctx,
                          uint64_t *ret_missing, struct err *err)
{
    CLEANUP(archive_ledgers_release) struct archive_ledgers ledgers = { 0 };
    int r = archive_ledgers_list(a, INT64_MIN, INT64_MAX, &ledgers, err);

    *ret_missing = 0;
    for (size_t i = 0; r == 0 && i < ledgers.len; i++) {
        char *path =
            archive_path(a, "segments/date=%s/%s.tar.zst", ledgers.ptr[i].date, ledgers.ptr[i].id);
        if (!file_exists(path))
            ++*ret_missing;
        else if (fn(ctx, path, err) < 0)
            r = err_wrap(err, "segment '%s'", path);
        free(path);
    }
    return r;
}

static void add_ledger(struct archive_ledgers *l, struct archive_ledger one)
{
    if ((l->len & (l->len - 1)) == 0) /* grows at powers of two */
        l->ptr = mem_realloc(l->ptr, (l->len ? 2 * l->len : 1) * sizeof(*l->ptr));
    l->ptr[l->len++] = one;
}

static int list_date(const struct archive *a, const char *folder, const char *date,
                     struct archive_ledgers *ret, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    char *path = archive_path(a, "ledger/%s", folder);
    int r = dir_list_read(path, &names, err);

    for (size_t i = 0; i < names.len; i++) {
        struct str name = str_from(names.names[i]);
        struct uuid id;
        if (!str_ends_with(name, STR(LEDGER_SUFFIX)))
            continue;
        name.len -= strlen(LEDGER_SUFFIX);
        if (!uuid_parse(name, &id)) /* a leftover, or nothing of ours: verify tells */
            continue;
        add_ledger(ret, (struct archive_ledger){
                            .path = archive_path(a, "ledger/%s/%s", folder, names.names[i]),
                            .id = mem_strndup(name.ptr, name.len),
                            .date = mem_strdup(date),
                        });
    }
    free(path);
    return r;
}

int archive_ledgers_list(const struct archive *a, int64_t from_us, int64_t to_us,
                         struct archive_ledgers *ret, struct err *err)
{
    CLEANUP(archive_ledgers_release) struct archive_ledgers list = { 0 };
    CLEANUP(dir_list_release) struct dir_list dates = { 0 };
    char *folder = archive_path(a, "ledger");
    int r = dir_list_read(folder, &dates, err);

    free(folder);
    for (size_t i = 0; r == 0 && i < dates.len; i++) {
        const char *date = archive_date_of(dates.names[i]);
        int64_t day;
        if (!date || !timestamp_parse(str_from(date), &day))
            continue;
        if (day + US_PER_DAY > from_us && day < to_us)
            r = list_date(a, dates.names[i], date, &list, err);
    }
    if (r < 0)
        return -1;
    *ret = list;
    list = (struct archive_ledgers){ 0 };
    return 0;
}

void archive_journals_release(struct archive_journals *l)
{
    for (size_t i = 0; i < l->len; i++) {
        free(l->ptr[i].path);
        free(l->ptr[i].writer);
    }
    free(l->ptr);
    *l = (struct archive_journals){ 0 };
}

int archive_journals_list(const struct archive *a, struct archive_journals *ret, struct err *err)
{
    static const struct str suffixes[] = { STR_INIT(ARCHIVE_JOURNAL_SUFFIX),
                                           STR_INIT(ARCHIVE_READY_SUFFIX) };
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    char *folder = archive_path(a, "journal");
    int r = dir_list_read(folder, &names, err);

    free(folder);
    if (r < 0)
        return -1;
    struct archive_journals list = { .ptr = mem_calloc(names.len + 1, sizeof(*list.ptr)) };
    for (size_t i = 0; i < names.len; i++) {
        struct str name = str_from(names.names[i]);
        for (size_t s = 0; s < ARRAY_LEN(suffixes) && name.ptr[0] != '.'; s++)
            if (str_ends_with(name, suffixes[s]))
                list.ptr[list.len++] = (struct archive_journal){
                    .path = archive_path(a, "journal/%s", names.names[i]),
                    .writer = mem_strndup(name.ptr, name.len - suffixes[s].len),
                    .ready = s == 1,
                };
    }
    *ret = list;
    return 0;
}

bool archive_journal_is_live(const struct archive_journal *j)
{
    int fd = open(j->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bool live = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return live;
}

/* When its first exchange began. */
static int64_t first_begin(const char *path)
{
    CLEANUP(journal_reader_close) struct journal_reader *j = NULL;
    struct journal_frame frame;
    struct err ignored;

    if (journal_open(path, &j, &ignored) < 0)
        return INT64_MAX;
    while (journal_next(j, &frame, &ignored) > 0)
        if (frame.type == JOURNAL_BEGIN)
            return frame.at_us > INT64_MAX ? INT64_MAX : (int64_t)frame.at_us;
    return INT64_MAX;
}

int archive_unsealed_since(const struct archive *a, int64_t *ret_us, struct err *err)
{
    CLEANUP(archive_journals_release) struct archive_journals list = { 0 };

    *ret_us = INT64_MAX;
    if (archive_journals_list(a, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.len; i++) {
        int64_t us = first_begin(list.ptr[i].path);
        *ret_us = us < *ret_us ? us : *ret_us;
    }
    return 0;
}

int archive_journal_create(const struct archive *a, const char *name, int64_t now_us,
                           enum journal_durability durability, struct journal_writer **ret,
                           struct err *err)
{
    char id[UUID_TEXT_BYTES];
    CLEANUP(buf_release) struct buf writer = { 0 };

    buf_addf(&writer, "%s-%s", name, uuid_format(uuid7_new((uint64_t)now_us), id));
    char *path = archive_path(a, "journal/%s" ARCHIVE_JOURNAL_SUFFIX, buf_cstr(&writer));
    int r = journal_create(path, buf_str(&writer), (uint64_t)now_us, durability, ret, err);
    if (r < 0)
        err_wrap(err, "journal '%s'", path);
    free(path);
    return r;
}

static int add_ledger_ids(const char *path, struct map *ret, struct err *err)
{
    CLEANUP(parquet_close) struct parquet_file *file = NULL;
    CLEANUP(parquet_values_release) struct parquet_values values = { 0 };
    int columns[LEDGER_COLUMN_COUNT];

    if (ledger_open(path, &file, columns, err) < 0)
        return -1;
    if (columns[LEDGER_CONTENT_ID] < 0)
        return 0;
    for (size_t g = 0; g < parquet_group_count(file); g++) {
        if (parquet_read(file, g, (size_t)columns[LEDGER_CONTENT_ID], &values, err) < 0)
            return err_wrap(err, "ledger '%s'", path);
        for (size_t i = 0; i < values.count; i++)
            if (!values.is_null || !values.is_null[i])
                map_put(ret, values.dictionary[values.codes[i]], NULL);
    }
    return 0;
}

/* The content ids of exchanges that have begun, by sequence: they count once END comes. */
struct pending_ids {
    struct str *ptr;
    size_t len, cap;
};

static void note_frame(struct pending_ids *p, const struct journal_frame *f, struct map *ret)
{
    struct str key, value;
    size_t at = 0;

    if (f->type == JOURNAL_BEGIN && f->sequence == p->len + 1) {
        if (p->len == p->cap) {
            p->cap = p->cap ? p->cap * 2 : 64;
            p->ptr = mem_realloc(p->ptr, p->cap * sizeof(*p->ptr));
        }
        p->ptr[p->len] = (struct str){ 0 };
        while (journal_next_field(f->payload, &at, &key, &value) > 0)
            if (str_eq(key, STR("content_id")))
                p->ptr[p->len] = value;
        p->len++;
    }
    if (f->type == JOURNAL_END && f->sequence >= 1 && f->sequence <= p->len &&
        p->ptr[f->sequence - 1].len)
        map_put(ret, p->ptr[f->sequence - 1], NULL);
}

/* What stands before damage counts: salvage will bring it in.  What stands behind does not. */
static void add_journal_ids(const char *path, struct map *ret)
{
    CLEANUP(journal_reader_close) struct journal_reader *reader = NULL;
    struct pending_ids pending = { 0 };
    struct journal_frame f;
    struct err ignored;

    if (journal_open(path, &reader, &ignored) < 0)
        return;
    while (journal_next(reader, &f, &ignored) > 0)
        note_frame(&pending, &f, ret);
    free(pending.ptr);
}

int archive_content_ids(const struct archive *a, struct map *ret, struct err *err)
{
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };
    CLEANUP(archive_ledgers_release) struct archive_ledgers ledgers = { 0 };

    /* Journals first: one that is sealed meanwhile is then found among the ledgers. */
    if (archive_journals_list(a, &journals, err) < 0)
        return -1;
    for (size_t i = 0; i < journals.len; i++)
        add_journal_ids(journals.ptr[i].path, ret);
    if (archive_ledgers_list(a, INT64_MIN, INT64_MAX, &ledgers, err) < 0)
        return -1;
    for (size_t i = 0; i < ledgers.len; i++)
        if (add_ledger_ids(ledgers.ptr[i].path, ret, err) < 0)
            return -1;
    return 0;
}
