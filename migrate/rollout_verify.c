#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "migrate/rollout_inside.h"
#include "migrate/rollout_line.h"

void rollout_audit_release(struct rollout_audit *a)
{
    buf_release(&a->why);
}

struct auditor {
    struct rollout *rollout;
    struct rollout_audit *audit;
    struct map seen; /* blobs that are right */
};

/* 1, so that callers can return it. */
static int found(struct auditor *a, uint64_t entry, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int found(struct auditor *a, uint64_t entry, const char *fmt, ...)
{
    va_list args;

    a->audit->bad = entry;
    if (a->audit->entries >= entry)
        a->audit->entries = entry - 1;
    buf_addf(&a->audit->why, "entry %" PRIu64 ": ", entry);
    va_start(args, fmt);
    buf_addvf(&a->audit->why, fmt, args);
    va_end(args);
    return 1;
}

/* 0 = it is right, 1 = it is not. */
static int check_blob(struct auditor *a, const struct rollout_entry *e, const char *member,
                      struct str sha)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct err err;
    bool is_new;

    if (!sha.len)
        return 0;
    map_put(&a->seen, sha, &is_new);
    if (!is_new)
        return 0;
    if (rollout_get_blob(a->rollout, sha, &bytes, &err) < 0)
        return err.code == ERR_SYS && err.sys == ENOENT
                   ? found(a, e->seq, "names as '%s' a blob that is missing: %.*s", member,
                           STR_ARG(sha))
                   : found(a, e->seq, "names as '%s' a blob that is not right: %s", member,
                           err.text);
    a->audit->blobs++;
    a->audit->bytes += bytes.len;
    return 0;
}

static int check_entry(struct auditor *a, const struct rollout_entry *e)
{
    struct rollout_named_blob blobs[ROLLOUT_BLOB_MEMBERS];

    rollout_named_blobs(e, blobs);
    for (size_t i = 0; i < ROLLOUT_BLOB_MEMBERS; i++)
        if (check_blob(a, e, blobs[i].member, blobs[i].sha))
            return 1;
    return 0;
}

/* Whether somebody writes at this moment: then the last line may well have no end yet. */
static bool is_being_written(const struct rollout *r)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/rollout.lock", r->folder);
    int fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_locked = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_locked;
}

/* "12:HEAD" or "HEAD"; ret_entries -1 = not said. */
static int parse_anchor(struct str anchor, int64_t *ret_entries, struct str *ret_head,
                        struct err *err)
{
    struct str rest = anchor, count;
    int64_t entries = -1;

    if (str_find_char(anchor, ':', 0) >= 0) {
        str_split(&rest, ':', &count);
        if (!str_to_i64(count, &entries) || entries < 0)
            return err_set(err, ERR_USAGE, "'%.*s' is no number of entries", STR_ARG(count));
    }
    if (!rollout_is_sha(rest))
        return err_set(err, ERR_USAGE,
                       "'%.*s' is no anchor: ENTRIES:HEAD as verify prints it, HEAD being 64 hex "
                       "digits in lower case",
                       STR_ARG(anchor));
    *ret_entries = entries;
    *ret_head = rest;
    return 0;
}

/* The head after so many entries. */
static struct str head_after(const struct rollout *r, size_t count)
{
    return count ? r->entries.ptr[count - 1]->hash : str_from(rollout_no_hash);
}

static int check_anchor(struct auditor *a, int64_t entries, struct str head)
{
    const struct rollout *r = a->rollout;

    if (entries > (int64_t)r->entries.len)
        return found(a, r->entries.len + 1,
                     "is missing: there were %" PRId64 " entries when the anchor was written down",
                     entries);
    if (entries >= 0 && !str_eq(head_after(r, (size_t)entries), head))
        return found(a, entries ? (uint64_t)entries : 1,
                     "or one before it was written anew: its hash is not the anchor's");
    for (size_t i = 0; entries < 0; i++) {
        if (i > r->entries.len)
            return found(a, r->entries.len + 1,
                         "is missing, or one before it was written anew: no entry has the "
                         "anchor's hash");
        if (str_eq(head_after(r, i), head))
            break;
    }
    return 0;
}

/* What the file's reading said, once everything before the entry is known to be right. */
static int check_loading(struct auditor *a, int result, const struct err *reading, struct err *err)
{
    const struct rollout *r = a->rollout;

    if (result < 0 && !r->bad_entry) {
        *err = *reading;
        return -1;
    }
    if (result < 0) {
        a->audit->bad = r->bad_entry;
        buf_add_text(&a->audit->why, reading->text);
        return 1;
    }
    if (r->torn.len && !is_being_written(r))
        return found(a, r->entries.len + 1,
                     "has no end: %zu bytes follow the last whole line; whoever wrote them died, "
                     "or they were cut; the next command that writes puts them away",
                     r->torn.len);
    return 0;
}

/* Blobs are only put once the ledger's file is there. */
static int check_there(struct auditor *a, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list blobs = { 0 };

    if (file_exists(a->rollout->path))
        return 0;
    if (dir_list_read(a->rollout->blobs, &blobs, err) < 0)
        return -1;
    return blobs.len ? found(a, 1, "is missing: there are blobs, but no '%s'", a->rollout->path)
                     : 0;
}

static int audit(struct auditor *a, struct str anchor, struct err *err)
{
    struct rollout *r = a->rollout;
    int64_t anchored = -1;
    struct str head = { 0 };
    struct err reading;

    if (anchor.len && parse_anchor(anchor, &anchored, &head, err) < 0)
        return -1;
    int result = check_there(a, err);
    if (result)
        return result;
    result = rollout_load(r, &reading);
    /* An entry that was written anew has been taken already. */
    size_t count = r->entries.len;
    if (r->bad_entry && r->bad_entry <= count)
        count = (size_t)r->bad_entry - 1;
    a->audit->bytes = r->file.len;
    for (size_t i = 0; i < count; i++) {
        if (check_entry(a, r->entries.ptr[i]))
            return 1;
        a->audit->entries++;
    }
    memcpy(a->audit->head, head_after(r, count).ptr, ROLLOUT_SHA_BYTES - 1);
    result = check_loading(a, result, &reading, err);
    return result == 0 && anchor.len ? check_anchor(a, anchored, head) : result;
}

int rollout_verify(const char *folder, struct str anchor, struct rollout_audit *ret,
                   struct err *err)
{
    CLEANUP(rollout_close) struct rollout *r = rollout_new(folder);
    struct auditor a = { .rollout = r, .audit = ret };

    *ret = (struct rollout_audit){ 0 };
    memcpy(ret->head, rollout_no_hash, sizeof(ret->head));
    int result = audit(&a, anchor, err);
    map_release(&a.seen);
    return result;
}
