/* file - whole files and folders, and changes that survive a crash.
 *
 * Errors name the path, except where only a descriptor is given.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define DIR_NAMES_MAX 10000000

/* Appends the whole file (or pipe); ERR_LIMIT beyond max bytes.  A failure appends nothing. */
int file_read(const char *path, size_t max_bytes, struct buf *ret, struct err *err);
/* Writes all of bytes at the descriptor's position, through short writes and EINTR. */
int fd_write_all(int fd, struct str bytes, struct err *err);
/* Exactly len bytes at offset: 1 all, 0 the file ends first, -1 error. */
int fd_read_at(int fd, void *ret, size_t len, off_t offset, struct err *err);
/* Replaces path: temp file in the same folder, fsync, rename, fsync of the folder.  Whatever
 * happens, path holds the old bytes or the new ones whole; only a crash leaves the temp file
 * (".NAME.XXXXXX.tmp").  The mode is exact, umask or not; a symbolic link is replaced, not
 * followed. */
int file_replace(const char *path, struct str bytes, mode_t mode, struct err *err);
/* Likewise a file that others read: its mode stays, and its owner and group as far as we may set
 * them (new_mode if there is none).  A symbolic link is followed, and stays. */
int file_replace_shared(const char *path, struct str bytes, mode_t new_mode, struct err *err);
/* Removes it, durably; one that is not there is fine.  Likewise. */
int file_remove_shared(const char *path, struct err *err);
/* fsync of a folder, so that names made or removed in it are durable. */
int dir_sync(const char *path, struct err *err);
/* Makes path and its parents (mode 0700), durably; an existing folder is fine. */
int dir_make(const char *path, struct err *err);
bool file_exists(const char *path);

/* The names in a folder, sorted bytewise, without "." and ".."; a missing folder has none.  More
 * than DIR_NAMES_MAX is ERR_LIMIT. */
struct dir_list {
    char **names;
    size_t len;
};
int dir_list_read(const char *path, struct dir_list *ret, struct err *err);
void dir_list_release(struct dir_list *l);
DEFINE_CLEANUP_VALUE(struct dir_list, dir_list_release)

/* A read-only mapping of a whole regular file; an empty file maps to an empty str.  Only for files
 * nobody cuts short meanwhile (sealed ones): reading past a cut is SIGBUS. */
struct file_map {
    struct str bytes;
};
int file_map_open(const char *path, struct file_map *ret, struct err *err);
void file_map_close(struct file_map *m);
DEFINE_CLEANUP_VALUE(struct file_map, file_map_close)

/* An advisory exclusive lock on path (made if missing), held until close: 0, or -1 with ERR_LIMIT
 * if another process holds it and wait is false.  The file must never be removed: a second one of
 * the same name would be another lock. */
int file_lock(const char *path, bool wait, int *ret_fd, struct err *err);

#endif
