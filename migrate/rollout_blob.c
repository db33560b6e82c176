#include "config.h"

#include <errno.h>

#include "base/digest.h"
#include "base/file.h"
#include "migrate/rollout_inside.h"
#include "migrate/rollout_line.h"

#define BLOB_MODE 0600

int rollout_blob_path(const struct rollout *r, struct str sha, struct buf *ret, struct err *err)
{
    if (!rollout_is_sha(sha))
        return err_set(err, ERR_CORRUPT, "'%.*s' is no SHA-256 in lower-case hex", STR_ARG(sha));
    buf_addf(ret, "%s/%.*s", r->blobs, STR_ARG(sha));
    return 0;
}

static void hash(struct str bytes, char ret[static ROLLOUT_SHA_BYTES])
{
    uint8_t sha[SHA256_BYTES];

    sha256_of(bytes, sha);
    hex_encode(sha, sizeof(sha), ret);
}

int rollout_get_blob(const struct rollout *r, struct str sha, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    size_t from = ret->len;
    char found[ROLLOUT_SHA_BYTES];

    if (rollout_blob_path(r, sha, &path, err) < 0)
        return -1;
    if (file_read(buf_cstr(&path), ROLLOUT_BLOB_BYTES_MAX, ret, err) < 0)
        return -1;
    hash(str_sub(buf_str(ret), from, SIZE_MAX), found);
    if (str_eq(sha, str_from(found)))
        return 0;
    ret->len = from;
    return err_set(err, ERR_CORRUPT, "blob '%s' was changed: its SHA-256 is %s", buf_cstr(&path),
                   found);
}

void rollout_named_blobs(const struct rollout_entry *e,
                         struct rollout_named_blob ret[static ROLLOUT_BLOB_MEMBERS])
{
    ret[0] = (struct rollout_named_blob){ "before", e->before };
    ret[1] = (struct rollout_named_blob){ "after", e->after };
    ret[2] = (struct rollout_named_blob){ "plan", e->plan };
    ret[3] = (struct rollout_named_blob){ "evidence", e->evidence };
}

int rollout_check_blobs(struct rollout *r, const struct rollout_entry *e, struct err *err)
{
    struct rollout_named_blob blobs[ROLLOUT_BLOB_MEMBERS];

    rollout_named_blobs(e, blobs);
    for (size_t i = 0; i < ROLLOUT_BLOB_MEMBERS; i++) {
        CLEANUP(buf_release) struct buf path = { 0 };
        if (!blobs[i].sha.len || map_find(&r->known, blobs[i].sha))
            continue;
        if (rollout_blob_path(r, blobs[i].sha, &path, err) < 0)
            return -1;
        if (!file_exists(buf_cstr(&path)))
            return err_set(err, ERR_USAGE, "names as '%s' a blob that is not there: '%s'",
                           blobs[i].member, buf_cstr(&path));
    }
    return 0;
}

/* Writes what is not there, or not right. */
static int make_blob(struct rollout *r, struct str sha, struct str bytes, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    CLEANUP(buf_release) struct buf there = { 0 };

    if (rollout_blob_path(r, sha, &path, err) < 0)
        return -1;
    if (rollout_get_blob(r, sha, &there, err) == 0)
        return dir_sync(r->blobs, err); /* whoever wrote it may have died before this */
    if (err->code == ERR_SYS && err->sys != ENOENT)
        return -1;
    return file_replace(buf_cstr(&path), bytes, BLOB_MODE, err);
}

int rollout_put_blob(struct rollout *r, struct str bytes, char ret_sha[static ROLLOUT_SHA_BYTES],
                     struct err *err)
{
    char hex[ROLLOUT_SHA_BYTES];
    struct str sha = { hex, sizeof(hex) - 1 };

    if (r->lock < 0)
        return err_set(err, ERR_USAGE, "'%s' is not open for writing", r->folder);
    if (bytes.len > ROLLOUT_BLOB_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a blob of %zu bytes: at most %u are kept", bytes.len,
                       ROLLOUT_BLOB_BYTES_MAX);
    hash(bytes, hex);
    if (!map_find(&r->known, sha) && make_blob(r, sha, bytes, err) < 0)
        return -1;
    map_put(&r->known, sha, NULL);
    memcpy(ret_sha, hex, sizeof(hex));
    return 0;
}
