/* rollout_inside - what the files of migrate/rollout share. */
#ifndef MIGRATE_ROLLOUT_INSIDE_H
#define MIGRATE_ROLLOUT_INSIDE_H

#include <sys/stat.h>

#include "migrate/rollout_sense.h"

struct rollout {
    char *folder;
    char *path, *blobs; /* in it */
    struct buf file;    /* as it was read: entries point into it */
    struct arena arena; /* what was appended since, and what has escapes */
    VEC(struct rollout_entry *) entries;
    struct rollout_sense sense;
    char head[ROLLOUT_SHA_BYTES];
    size_t size_bytes;  /* of all whole lines */
    struct str torn;    /* behind them; in file */
    uint64_t bad_entry; /* rollout_load failed at it; 0 = not at one */
    struct str actor;
    int fd, lock;     /* -1 = not open for writing */
    struct stat st;   /* of fd */
    struct map known; /* blobs that were found to be there and durable since it was opened */
    bool is_broken;   /* an append failed: what the file holds is not known */
};

/* Takes the folder's ledger into r, which is as rollout_new made it.  After an error at an entry
 * ("entry 12: ...") it holds those before it, or up to it. */
struct rollout *rollout_new(const char *folder);
int rollout_load(struct rollout *r, struct err *err);
/* Likewise of what r->file holds. */
int rollout_take_lines(struct rollout *r, struct err *err);

/* ERR_CORRUPT for what is no name of a blob: nothing else becomes part of a path. */
int rollout_blob_path(const struct rollout *r, struct str sha, struct buf *ret, struct err *err);
/* An entry's blobs, with the members that name them. */
#define ROLLOUT_BLOB_MEMBERS 4
struct rollout_named_blob {
    const char *member;
    struct str sha; /* "" = none */
};
void rollout_named_blobs(const struct rollout_entry *e,
                         struct rollout_named_blob ret[static ROLLOUT_BLOB_MEMBERS]);
/* ERR_USAGE if an entry names a blob that is not there yet: after a crash nobody could put it back.
 */
int rollout_check_blobs(struct rollout *r, const struct rollout_entry *e, struct err *err);

#endif
