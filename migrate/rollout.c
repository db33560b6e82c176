#include "config.h"

#include "migrate/rollout.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "migrate/baseline.h"
#include "migrate/rollout_inside.h"
#include "migrate/rollout_line.h"

#define LOCK_FILE "rollout.lock"
#define FILE_MODE 0600

/* For whoever keeps the folder in git: bytes are hashed, so that none may be converted, and two
 * histories cannot be merged into one. */
static const struct {
    const char *name;
    struct str bytes;
} git_files[] = {
    {".gitattributes", STR_INIT("* -text\n" ROLLOUT_FILE " -merge\n")                               },
    { ".gitignore",    STR_INIT(LOCK_FILE "\n" BASELINE_FILE "\n" ROLLOUT_RESERVE_FILE "\n.*.tmp\n")},
};

static char *path_in(const char *folder, const char *name)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/%s", folder, name);
    return mem_strndup(path.ptr, path.len);
}

struct rollout *rollout_new(const char *folder)
{
    struct rollout *r = mem_calloc(1, sizeof(*r));

    r->folder = mem_strdup(folder);
    r->path = path_in(folder, ROLLOUT_FILE);
    r->blobs = path_in(folder, "blobs");
    r->fd = r->lock = -1;
    memcpy(r->head, rollout_no_hash, sizeof(r->head));
    return r;
}

void rollout_close(struct rollout *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    if (r->lock >= 0)
        close(r->lock);
    rollout_sense_release(&r->sense);
    map_release(&r->known);
    vec_release(&r->entries);
    arena_release(&r->arena);
    buf_release(&r->file);
    free(r->folder);
    free(r->path);
    free(r->blobs);
    free(r);
}

/* Whether the next line, if there is one that is right, follows the present one: then it is the
 * line before them that was changed. */
static bool is_vouched_for(struct str rest, const struct rollout_line *present)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    ptrdiff_t end = str_find_char(rest, '\n', 0);
    struct rollout_line next;
    struct err err;

    return end > 0 && rollout_line_parse(str_sub(rest, 0, (size_t)end), &arena, &next, &err) == 0 &&
           str_eq(next.prev, present->entry.hash);
}

/* Whether a line that is right in itself is the next one.  rest is what comes after it. */
static int check_place(struct rollout *r, const struct rollout_line *line, struct str rest,
                       struct err *err)
{
    uint64_t seq = r->entries.len + 1;

    if (line->entry.seq != seq)
        return err_set(err, ERR_CORRUPT,
                       "is missing: entry %" PRIu64 " stands in its place; lines were taken out, "
                       "moved or doubled",
                       line->entry.seq);
    if (str_eq(line->prev, str_from(r->head)))
        return 0;
    if (seq == 1)
        return err_set(err, ERR_CORRUPT, "is the first, but says that another came before it");
    if (!is_vouched_for(rest, line))
        return err_set(err, ERR_CORRUPT,
                       "does not follow entry %" PRIu64 ": one of both was "
                       "written anew",
                       seq - 1);
    r->bad_entry = seq - 1;
    return err_set(err, ERR_CORRUPT, "was written anew: the next one follows another");
}

static void push(struct rollout *r, struct rollout_entry *e)
{
    vec_push(&r->entries, e);
    memcpy(r->head, e->hash.ptr, e->hash.len);
}

static int take_line(struct rollout *r, struct str text, struct str rest, struct err *err)
{
    struct rollout_line line;

    if (rollout_line_parse(text, &r->arena, &line, err) < 0 || check_place(r, &line, rest, err) < 0)
        return -1;
    struct rollout_entry *e = arena_alloc(&r->arena, sizeof(*e));
    *e = line.entry;
    if (rollout_sense_take(&r->sense, e, err) < 0)
        return -1;
    push(r, e);
    return 0;
}

int rollout_take_lines(struct rollout *r, struct err *err)
{
    struct str file = buf_str(&r->file);

    for (;;) {
        ptrdiff_t end = str_find_char(file, '\n', r->size_bytes);
        if (end < 0)
            break;
        struct str text = str_sub(file, r->size_bytes, (size_t)end - r->size_bytes);
        r->bad_entry = r->entries.len + 1;
        if (take_line(r, text, str_sub(file, (size_t)end + 1, SIZE_MAX), err) < 0)
            return err_wrap(err, "entry %" PRIu64, r->bad_entry);
        r->bad_entry = 0;
        r->size_bytes = (size_t)end + 1;
    }
    r->torn = str_sub(file, r->size_bytes, SIZE_MAX);
    if (r->torn.len <= ROLLOUT_LINE_BYTES_MAX)
        return 0;
    r->bad_entry = r->entries.len + 1;
    return err_set(err, ERR_CORRUPT,
                   "entry %" PRIu64 ": has no end: %zu bytes are more than a line may have",
                   r->bad_entry, r->torn.len);
}

int rollout_load(struct rollout *r, struct err *err)
{
    if (file_read(r->path, ROLLOUT_FILE_BYTES_MAX, &r->file, err) < 0) {
        if (err->code == ERR_SYS && err->sys == ENOENT)
            return 0;
        return -1;
    }
    return rollout_take_lines(r, err);
}

/* All of the file in one rename: neither without what was cut nor without the note of it. */
static int replace_rest(struct rollout *r, struct str rest, int64_t now_us, struct err *err)
{
    CLEANUP(buf_release) struct buf file = { 0 };
    CLEANUP(buf_release) struct buf detail = { 0 };
    char sha[ROLLOUT_SHA_BYTES];

    rollout_free_reserve(r);
    if (rollout_put_blob(r, rest, sha, err) < 0)
        return -1;
    if (str_find_char(rest, '\n', 0) < 0)
        buf_addf(&detail, "the last line had no end: %zu bytes were cut off", rest.len);
    else
        buf_addf(&detail, "entry %zu was damaged: from there on %zu bytes were cut off",
                 r->entries.len + 1, rest.len);
    struct rollout_line line = {
        .entry = {.seq = r->entries.len + 1,
                  .at_us = now_us,
                  .kind = ROLLOUT_RECOVERED,
                  .actor = r->actor,
                  .evidence = { sha, sizeof(sha) - 1 },
                  .value = (int64_t)rest.len,
                  .detail = buf_str(&detail) },
        .prev = { r->head,         sizeof(r->head) - 1},
    };
    buf_add(&file, r->file.ptr, r->size_bytes);
    rollout_line_format(&line, &file);
    buf_add_byte(&file, '\n');
    return file_replace(r->path, buf_str(&file), FILE_MODE, err);
}

/* What processes that died left behind: nobody else writes now. */
static int remove_temps(const char *folder, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };
    CLEANUP(buf_release) struct buf path = { 0 };

    if (dir_list_read(folder, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.len; i++) {
        struct str name = str_from(list.names[i]);
        if (!str_starts_with(name, STR(".")) || !str_ends_with(name, STR(".tmp")))
            continue;
        buf_clear(&path);
        buf_addf(&path, "%s/%s", folder, list.names[i]);
        if (unlink(buf_cstr(&path)) < 0)
            return err_sys(err, "cannot remove '%s'", buf_cstr(&path));
    }
    return 0;
}

static int make_git_files(struct rollout *r, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(git_files); i++) {
        CLEANUP(buf_release) struct buf path = { 0 };
        buf_addf(&path, "%s/%s", r->folder, git_files[i].name);
        if (!file_exists(buf_cstr(&path)) &&
            file_replace(buf_cstr(&path), git_files[i].bytes, FILE_MODE, err) < 0)
            return -1;
    }
    return 0;
}

static int take_lock(struct rollout *r, struct err *err)
{
    char *path = path_in(r->folder, LOCK_FILE);
    int result = file_lock(path, false, &r->lock, err);

    free(path);
    if (result < 0 && err->code == ERR_LIMIT) {
        err_set(err, ERR_LIMIT, "somebody else changes the rollout '%s' now: wait for it to end",
                r->folder);
        err->sys = EWOULDBLOCK;
    }
    return result;
}

/* Ready for lines; also syncs what a writer that died may have left unsynced: from here on others
 * rely on it. */
static int open_file(struct rollout *r, struct err *err)
{
    r->fd = open(r->path, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (r->fd < 0)
        return err_sys(err, "cannot open '%s'", r->path);
    if (fsync(r->fd) < 0 || fstat(r->fd, &r->st) < 0)
        return err_sys(err, "cannot sync '%s'", r->path);
    return dir_sync(r->folder, err);
}

static int prepare(struct rollout *r, struct err *err)
{
    if (dir_make(r->folder, err) < 0 || take_lock(r, err) < 0 || dir_make(r->blobs, err) < 0 ||
        remove_temps(r->folder, err) < 0 || remove_temps(r->blobs, err) < 0)
        return -1;
    return file_exists(r->path) ? 0 : make_git_files(r, err);
}

/* r without its lock's descriptor. */
static struct rollout *begin_again(struct rollout *r)
{
    struct rollout *again = rollout_new(r->folder);

    again->actor = arena_str(&again->arena, r->actor);
    again->lock = r->lock;
    r->lock = -1;
    rollout_close(r);
    return again;
}

/* Where an entry's line begins, from 1. */
static size_t offset_of(const struct rollout *r, uint64_t entry)
{
    ptrdiff_t end = -1;

    for (uint64_t i = 1; i < entry; i++)
        end = str_find_char(buf_str(&r->file), '\n', (size_t)(end + 1));
    return (size_t)(end + 1);
}

/* What stands before the first bad entry is read anew, and the rest replaced. */
static int cut_damaged(struct rollout **r, int64_t now_us, struct err *err)
{
    CLEANUP(buf_release) struct buf file = (*r)->file;
    size_t whole = offset_of(*r, (*r)->bad_entry);

    (*r)->file = (struct buf){ 0 };
    *r = begin_again(*r);
    buf_add(&(*r)->file, file.ptr, whole);
    if (rollout_take_lines(*r, err) < 0 ||
        replace_rest(*r, str_sub(buf_str(&file), whole, SIZE_MAX), now_us, err) < 0)
        return -1;
    *r = begin_again(*r);
    return rollout_load(*r, err);
}

static int open_for_writing(struct rollout **r, bool is_repair, int64_t now_us, struct err *err)
{
    if (prepare(*r, err) < 0)
        return -1;
    if (rollout_load(*r, err) < 0 &&
        (!is_repair || !(*r)->bad_entry || cut_damaged(r, now_us, err) < 0))
        return -1;
    if ((*r)->torn.len) {
        if (replace_rest(*r, (*r)->torn, now_us, err) < 0)
            return err_wrap(err, "the torn last line of '%s'", (*r)->path);
        *r = begin_again(*r);
        if (rollout_load(*r, err) < 0)
            return -1;
    }
    return open_file(*r, err);
}

int rollout_open(const char *folder, enum rollout_mode mode, struct str actor, int64_t now_us,
                 struct rollout **ret, struct err *err)
{
    CLEANUP(rollout_close) struct rollout *r = rollout_new(folder);

    r->actor = arena_str(&r->arena, actor);
    int result = mode == ROLLOUT_READ ? rollout_load(r, err)
                                      : open_for_writing(&r, mode == ROLLOUT_REPAIR, now_us, err);
    if (result < 0)
        return r->bad_entry ? err_wrap(err, "'%s'", r->path) : -1;
    *ret = TAKE(r);
    return 0;
}

size_t rollout_count(const struct rollout *r)
{
    return r->entries.len;
}

const struct rollout_entry *rollout_at(const struct rollout *r, size_t index)
{
    return r->entries.ptr[index];
}

uint64_t rollout_epoch(const struct rollout *r)
{
    return r->sense.epoch;
}

struct str rollout_head(const struct rollout *r)
{
    return (struct str){ r->head, sizeof(r->head) - 1 };
}

/* The line of an entry, in r's arena, with the entry as a reader will see it. */
static int make_line(struct rollout *r, const struct rollout_entry *e, struct str *ret_text,
                     struct rollout_entry **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(buf_release) struct buf detail = { 0 };
    struct rollout_line line = { .entry = *e, .prev = rollout_head(r) };
    struct rollout_entry *made = arena_alloc(&r->arena, sizeof(*made));

    line.entry.seq = r->entries.len + 1;
    if (!e->actor.len)
        line.entry.actor = r->actor;
    rollout_line_add_detail(e->detail, &detail);
    line.entry.detail = buf_str(&detail);
    rollout_line_format(&line, &text);
    *ret_text = arena_str(&r->arena, buf_str(&text));
    if (rollout_line_parse(*ret_text, &r->arena, &line, err) < 0)
        return -1;
    *made = line.entry;
    *ret = made;
    return 0;
}

/* The file must be what was opened and what was written since: git, say, may have put another in
 * its place, and lines would go to one that has no name. */
static int check_file(const struct rollout *r, struct err *err)
{
    struct stat st;

    if (stat(r->path, &st) < 0)
        return err_sys(err, "'%s'", r->path);
    if (st.st_dev != r->st.st_dev || st.st_ino != r->st.st_ino ||
        (uintmax_t)st.st_size != r->size_bytes)
        return err_set(err, ERR_CORRUPT,
                       "'%s' was changed by somebody else while it was being written: look at it "
                       "with weir migrate verify",
                       r->path);
    return 0;
}

static int write_line(struct rollout *r, struct str text, struct err *err)
{
    CLEANUP(buf_release) struct buf line = { 0 };
    off_t size = (off_t)r->size_bytes;

    if (check_file(r, err) < 0)
        return -1;
    buf_add_str(&line, text);
    buf_add_byte(&line, '\n');
    if (lseek(r->fd, size, SEEK_SET) < 0)
        return err_sys(err, "cannot seek in '%s'", r->path);
    int result = fd_write_all(r->fd, buf_str(&line), err);
    if (result == 0 && fsync(r->fd) < 0)
        result = err_sys(err, "cannot sync");
    if (result == 0) {
        r->size_bytes += line.len;
        return 0;
    }
    /* A whole line that may never have reached the disk must not be believed by the next reader. */
    if (ftruncate(r->fd, size) == 0)
        fsync(r->fd);
    return err_wrap(err, "'%s'", r->path);
}

static int refuse(const struct rollout *r, const struct rollout_entry *e, struct err *err)
{
    err_wrap(err, "this would be written to '%s': an entry '%s' that", r->path,
             rollout_kind_name(e->kind));
    err->code = ERR_USAGE;
    return -1;
}

int rollout_append(struct rollout *r, const struct rollout_entry *e, struct err *err)
{
    struct rollout_entry *made;
    struct str text;

    if (r->fd < 0 || r->is_broken)
        return err_set(err, ERR_USAGE, "'%s' is not open for writing%s", r->path,
                       r->is_broken ? ": what was to be written last failed" : "");
    if (make_line(r, e, &text, &made, err) < 0)
        return refuse(r, e, err);
    /* Before it is taken for something that the next ones follow. */
    if (r->size_bytes + text.len >= ROLLOUT_FILE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "'%s' is full: it may have %u bytes", r->path,
                       ROLLOUT_FILE_BYTES_MAX);
    if (rollout_check_blobs(r, made, err) < 0 || rollout_sense_take(&r->sense, made, err) < 0)
        return refuse(r, e, err);
    if (write_line(r, text, err) < 0) {
        r->is_broken = true;
        return -1;
    }
    push(r, made);
    return 0;
}

const struct rollout_entry *rollout_ahead(const struct rollout *r, int64_t now_us)
{
    for (size_t i = 0; i < rollout_count(r); i++)
        if (rollout_at(r, i)->at_us > now_us + ROLLOUT_AHEAD_US)
            return rollout_at(r, i);
    return NULL;
}

void rollout_add_ahead(const struct rollout_entry *e, int64_t now_us, struct buf *out)
{
    int64_t minutes = (e->at_us - now_us) / (60 * US_PER_SECOND);
    char at[TIMESTAMP_TEXT_BYTES];

    buf_addf(out, "entry %" PRIu64 " (%s, by %.*s) is dated %s, ", e->seq,
             rollout_kind_name(e->kind), STR_ARG(e->actor), timestamp_format(e->at_us, at));
    if (minutes < 120)
        buf_addf(out, "%" PRId64 " min", minutes);
    else if (minutes < 3 * 24 * 60)
        buf_addf(out, "%" PRId64 " h", minutes / 60);
    else
        buf_addf(out, "%" PRId64 " days", minutes / (24 * 60));
    buf_add_text(out, " after this machine's clock");
}

const struct rollout_entry *rollout_last_settled(const struct rollout *r, struct str actuator)
{
    for (size_t i = rollout_count(r); i > 0; i--) {
        const struct rollout_entry *e = rollout_at(r, i - 1);
        if ((e->kind == ROLLOUT_COMMITTED || e->kind == ROLLOUT_ACCEPTED) &&
            str_eq(e->actuator, actuator))
            return e;
    }
    return NULL;
}

void rollout_add_moves(const struct rollout_entry *e, struct buf *out)
{
    json_add_key(out, "moves");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < e->move_count; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "app", e->moves[i].app);
        json_add_int(out, "from", e->moves[i].from);
        json_add_int(out, "to", e->moves[i].to);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}
