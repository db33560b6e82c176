/* Room on the disk that is there when a rollback needs it. */
#include "config.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "migrate/rollout_inside.h"

#define LEFT_TIMES 4 /* a disk that has not so much left needs what it has for other things */

static uint64_t bytes_left(const struct rollout *r)
{
    struct statvfs st;

    return statvfs(r->folder, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX;
}

static void path_of(const struct rollout *r, struct buf *ret)
{
    buf_addf(ret, "%s/" ROLLOUT_RESERVE_FILE, r->folder);
}

void rollout_keep_reserve(const struct rollout *r)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    struct stat st;

    path_of(r, &path);
    if (lstat(buf_cstr(&path), &st) == 0 && st.st_blocks * 512 >= ROLLOUT_RESERVE_BYTES)
        return;
    if (bytes_left(r) < LEFT_TIMES * (uint64_t)ROLLOUT_RESERVE_BYTES)
        return;
    int fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (posix_fallocate(fd, 0, ROLLOUT_RESERVE_BYTES) != 0)
        unlink(buf_cstr(&path));
    close(fd);
}

void rollout_free_reserve(const struct rollout *r)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    path_of(r, &path);
    if (bytes_left(r) < ROLLOUT_RESERVE_BYTES)
        unlink(buf_cstr(&path));
}
