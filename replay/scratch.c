#include "config.h"

#include "replay/scratch.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "capture/import.h"
#include "capture/seal.h"

#define OPEN_FOLDERS 16

struct scratch {
    char *path;
    struct archive *archive;
    bool has_bad;
    struct err bad; /* the first record that could not be read */
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void scratch_close(struct scratch *s)
{
    if (!s)
        return;
    archive_close(s->archive);
    if (s->path)
        nftw(s->path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
    free(s->path);
    free(s);
}

const struct archive *scratch_archive(const struct scratch *s)
{
    return s->archive;
}

static void note_bad(void *ctx, const char *file, uint64_t line, const char *reason)
{
    struct scratch *s = ctx;

    if (!s->has_bad)
        err_set(&s->bad, ERR_CORRUPT, "%s:%" PRIu64 ": %s", file, line, reason);
    s->has_bad = true;
}

static int read_files(struct scratch *s, const char *const *files, int64_t now_us, struct err *err)
{
    CLEANUP(import_discard) struct import *im = NULL;
    struct key key;
    struct import_options o = {
        .key = &key, .has_at = true, .at_us = now_us, .now_us = now_us, .bad = note_bad, .ctx = s
    };

    if (archive_key(s->archive, &key, err) < 0 || import_open(s->archive, &o, &im, err) < 0)
        return -1;
    for (size_t i = 0; files[i]; i++) {
        struct import_stats stats = { 0 };
        if (import_file(im, files[i], IMPORT_EXCHANGES, &stats, err) < 0)
            return -1;
        if (s->has_bad) {
            *err = s->bad;
            return -1;
        }
        if (!stats.read)
            return err_set(err, ERR_USAGE, "'%s' has no exchanges in it", files[i]);
    }
    return import_finish(TAKE(im), err);
}

int scratch_open(const char *parent, const char *const *files, int64_t now_us, struct scratch **ret,
                 struct err *err)
{
    CLEANUP(scratch_close) struct scratch *s = mem_calloc(1, sizeof(*s));
    CLEANUP(buf_release) struct buf path = { 0 };
    struct seal_stats sealed;

    buf_addf(&path, "%s/weir-replay-XXXXXX", parent);
    buf_cstr(&path);
    if (!mkdtemp(path.ptr))
        return err_sys(err, "cannot make a folder in '%s'", parent);
    s->path = mem_strdup(path.ptr);
    if (archive_open(s->path, true, &s->archive, err) < 0 ||
        read_files(s, files, now_us, err) < 0 || seal_run(s->archive, NULL, &sealed, err) < 0)
        return -1;
    *ret = TAKE(s);
    return 0;
}
