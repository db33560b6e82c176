#include "config.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/vec.h"

#define READ_BYTES_MIN (16u << 10)

/* Closes without touching errno, for use between a failure and its report. */
static void close_quietly(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
}

/* Appends what fd gives until its end. */
static int read_all(int fd, size_t max_bytes, struct buf *ret, struct err *err)
{
    size_t start = ret->len;

    for (;;) {
        char *to = buf_reserve(ret, READ_BYTES_MIN);
        size_t room = ret->cap - ret->len;
        ssize_t n = read(fd, to, room);
        if (n == 0)
            return 0;
        if (n > 0)
            ret->len += (size_t)n;
        else if (errno != EINTR)
            return err_sys(err, "cannot read");
        if (ret->len - start > max_bytes)
            return err_set(err, ERR_LIMIT, "larger than the limit of %zu bytes", max_bytes);
    }
}

int file_read(const char *path, size_t max_bytes, struct buf *ret, struct err *err)
{
    size_t start = ret->len;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    /* The size is only a hint: it spares growing step by step. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size <= max_bytes)
        buf_reserve(ret, (size_t)st.st_size + READ_BYTES_MIN);
    int r = read_all(fd, max_bytes, ret, err);
    close(fd);
    if (r < 0) {
        ret->len = start;
        return err_wrap(err, "'%s'", path);
    }
    return 0;
}

int fd_write_all(int fd, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n > 0) {
            bytes = str_sub(bytes, (size_t)n, SIZE_MAX);
        } else if (n == 0) {
            errno = EIO; /* no progress and no reason: do not spin */
            return err_sys(err, "cannot write");
        } else if (errno != EINTR) {
            return err_sys(err, "cannot write");
        }
    }
    return 0;
}

int fd_read_at(int fd, void *ret, size_t len, off_t offset, struct err *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(fd, (char *)ret + done, len - done, offset + (off_t)done);
        if (n == 0)
            return 0;
        if (n > 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return err_sys(err, "cannot read at byte %lld", (long long)offset + (long long)done);
    }
    return 1;
}

/* The folder part of path with its last slash; empty if there is none. */
static struct str folder_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return (struct str){ path, slash ? (size_t)(slash - path) + 1 : 0 };
}

static int sync_parent(const char *path, struct err *err)
{
    CLEANUP(buf_release) struct buf folder = { 0 };

    buf_add_str(&folder, folder_part(path));
    if (folder.len == 0)
        buf_add_text(&folder, ".");
    return dir_sync(buf_cstr(&folder), err);
}

/* Of a new file. */
struct look {
    mode_t mode;
    uid_t owner; /* -1 = ours, and the group */
    gid_t group;
};

/* What we may not set stays ours: whoever runs us has a reason. */
static void give(int fd, const struct look *l)
{
    if (fchown(fd, l->owner, l->group) < 0 && fchown(fd, (uid_t)-1, l->group) < 0)
        errno = 0;
}

/* Fills and syncs the new file behind fd, which it closes in any case. */
static int fill(int fd, struct str bytes, const struct look *l, struct err *err)
{
    int r = fd_write_all(fd, bytes, err);

    if (r == 0 && l->owner != (uid_t)-1)
        give(fd, l);
    if (r == 0 && fchmod(fd, l->mode) < 0)
        r = err_sys(err, "cannot set its mode");
    if (r == 0 && fsync(fd) < 0)
        r = err_sys(err, "cannot sync");
    if (close(fd) < 0 && r == 0)
        r = err_sys(err, "cannot close");
    return r;
}

static int replace(const char *path, struct str bytes, const struct look *l, struct err *err)
{
    CLEANUP(buf_release) struct buf temp = { 0 };
    struct str folder = folder_part(path);

    buf_addf(&temp, "%.*s.%s.XXXXXX.tmp", STR_ARG(folder), path + folder.len);
    buf_cstr(&temp);
    int fd = mkostemps(temp.ptr, 4, O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "cannot make a temporary file beside '%s'", path);
    if (fill(fd, bytes, l, err) < 0) {
        unlink(temp.ptr);
        return err_wrap(err, "temporary file '%s'", temp.ptr);
    }
    if (rename(temp.ptr, path) < 0) {
        err_sys(err, "cannot rename '%s' to '%s'", temp.ptr, path);
        unlink(temp.ptr);
        return -1;
    }
    return sync_parent(path, err);
}

int file_replace(const char *path, struct str bytes, mode_t mode, struct err *err)
{
    const struct look ours = { mode, (uid_t)-1, (gid_t)-1 };

    return replace(path, bytes, &ours, err);
}

/* What path stands for: where it leads to, also if nothing is there (one link, then). */
static const char *follow(const char *path, struct buf *ret)
{
    char to[PATH_MAX];
    ssize_t len;

    if (realpath(path, to)) {
        buf_add_text(ret, to);
        return buf_cstr(ret);
    }
    len = readlink(path, to, sizeof(to));
    if (len > 0 && to[0] != '/')
        buf_add_str(ret, folder_part(path));
    buf_add(ret, len > 0 ? to : path, len > 0 ? (size_t)len : strlen(path));
    return buf_cstr(ret);
}

int file_replace_shared(const char *path, struct str bytes, mode_t new_mode, struct err *err)
{
    CLEANUP(buf_release) struct buf place = { 0 };
    struct look look = { new_mode, (uid_t)-1, (gid_t)-1 };
    struct stat st;

    path = follow(path, &place);
    if (stat(path, &st) == 0)
        look = (struct look){ st.st_mode & 07777, st.st_uid, st.st_gid };
    return replace(path, bytes, &look, err);
}

int file_remove_shared(const char *path, struct err *err)
{
    CLEANUP(buf_release) struct buf place = { 0 };

    path = follow(path, &place);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_sys(err, "cannot remove '%s'", path);
    return sync_parent(path, err);
}

int dir_sync(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "cannot open folder '%s'", path);
    int r = fsync(fd);
    close_quietly(fd);
    /* EINVAL: a file system on which a folder has nothing to sync. */
    if (r < 0 && errno != EINVAL)
        return err_sys(err, "cannot sync folder '%s'", path);
    return 0;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* One level; made by someone else meanwhile is fine. */
static int make_one(const char *path, struct err *err)
{
    if (is_folder(path))
        return 0;
    if (mkdir(path, 0700) == 0)
        return sync_parent(path, err);
    int saved = errno;
    if (saved == EEXIST && is_folder(path))
        return 0;
    errno = saved == EEXIST ? ENOTDIR : saved;
    return err_sys(err, "cannot make folder '%s'", path);
}

int dir_make(const char *path, struct err *err)
{
    CLEANUP(buf_release) struct buf part = { 0 };

    for (const char *at = path; *at; at++) {
        bool starts_a_name = *at != '/' && (at == path || at[-1] == '/');
        if (starts_a_name && at != path) {
            buf_clear(&part);
            buf_add(&part, path, (size_t)(at - path) - 1);
            if (part.len > 0 && make_one(buf_cstr(&part), err) < 0)
                return -1;
        }
    }
    buf_clear(&part);
    buf_add_text(&part, path);
    while (part.len > 1 && part.ptr[part.len - 1] == '/')
        part.len--;
    return make_one(buf_cstr(&part), err);
}

bool file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names of an open folder, which may fail half-way; *ret holds what it has so far. */
static int collect_names(DIR *dir, struct dir_list *ret, struct err *err)
{
    VEC(char *) names = { 0 };
    int r = 0;

    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) {
            r = errno ? err_sys(err, "cannot read") : 0;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (names.len == DIR_NAMES_MAX) {
            r = err_set(err, ERR_LIMIT, "more than %d names", DIR_NAMES_MAX);
            break;
        }
        vec_push(&names, mem_strdup(entry->d_name));
    }
    *ret = (struct dir_list){ names.ptr, names.len };
    return r;
}

int dir_list_read(const char *path, struct dir_list *ret, struct err *err)
{
    DIR *dir = opendir(path);
    struct dir_list list = { 0 };

    if (!dir && errno == ENOENT) {
        *ret = list;
        return 0;
    }
    if (!dir)
        return err_sys(err, "cannot open folder '%s'", path);
    int r = collect_names(dir, &list, err);
    closedir(dir);
    if (r < 0) {
        dir_list_release(&list);
        return err_wrap(err, "folder '%s'", path);
    }
    if (list.len > 1)
        qsort(list.names, list.len, sizeof(*list.names), by_bytes);
    *ret = list;
    return 0;
}

void dir_list_release(struct dir_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        free(l->names[i]);
    free(l->names);
    *l = (struct dir_list){ 0 };
}

/* Maps the file behind fd; the error names no path. */
static int map_fd(int fd, struct str *ret, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_sys(err, "cannot read its size");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_UNSUPPORTED, "not a regular file");
    if ((uintmax_t)st.st_size > SIZE_MAX)
        return err_set(err, ERR_LIMIT, "too large for this machine's addresses");
    *ret = (struct str){ NULL, (size_t)st.st_size };
    if (ret->len == 0)
        return 0;
    void *at = mmap(NULL, ret->len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return err_sys(err, "cannot map");
    ret->ptr = at;
    return 0;
}

int file_map_open(const char *path, struct file_map *ret, struct err *err)
{
    struct str bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    int r = map_fd(fd, &bytes, err);
    close(fd);
    if (r < 0)
        return err_wrap(err, "'%s'", path);
    ret->bytes = bytes;
    return 0;
}

void file_map_close(struct file_map *m)
{
    if (m->bytes.ptr)
        munmap((void *)(uintptr_t)m->bytes.ptr, m->bytes.len);
    *m = (struct file_map){ 0 };
}

int file_lock(const char *path, bool wait, int *ret_fd, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_sys(err, "cannot open lock file '%s'", path);
    while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
        if (errno == EINTR)
            continue;
        close_quietly(fd);
        if (errno == EWOULDBLOCK)
            return err_set(err, ERR_LIMIT, "'%s' is locked by another process", path);
        return err_sys(err, "cannot lock '%s'", path);
    }
    *ret_fd = fd;
    return 0;
}
