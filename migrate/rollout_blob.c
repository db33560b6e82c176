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

int rollout_put_blob(struct rollout *r, struct str bytes, char ret_sha[static ROLLOUT_SHA_BYTES],
                     struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    CLEANUP(buf_release) struct buf there = { 0 };
    char sha[ROLLOUT_SHA_BYTES];

    if (r->lock < 0)
        return err_set(err, ERR_USAGE, "'%s' is not open for writing", r->folder);
    if (bytes.len > ROLLOUT_BLOB_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a blob of %zu bytes: at most %u are kept", bytes.len,
                       ROLLOUT_BLOB_BYTES_MAX);
    hash(bytes, sha);
    if (rollout_blob_path(r, (struct str){ sha, sizeof(sha) - 1 }, &path, err) < 0)
        return -1;
    if (rollout_get_blob(r, (struct str){ sha, sizeof(sha) - 1 }, &there, err) < 0) {
        if (err->code == ERR_SYS && err->sys != ENOENT)
            return -1;
        if (file_replace(buf_cstr(&path), bytes, BLOB_MODE, err) < 0)
            return -1;
    } else if (dir_sync(r->blobs, err) < 0) { /* whoever wrote it may have died before this */
        return -1;
    }
    memcpy(ret_sha, sha, sizeof(sha));
    return 0;
}
