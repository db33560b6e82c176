/* Arbitrary bytes as a segment file: read it in order, look an exchange up, walk it.  An input
 * whose first byte is odd is the tar of a segment, and is compressed first, so that mutations reach
 * what lies behind the checksums. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "capture/segment_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *put_file(const void *data, size_t size)
{
    static char path[40];
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("fuzz_segment", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

static const char *put_compressed(const uint8_t *data, size_t size)
{
    static ZSTD_CCtx *zstd;
    CLEANUP(buf_release) struct buf out = { 0 };

    if (!zstd) {
        zstd = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    }
    size_t room = ZSTD_compressBound(size);
    size_t n = ZSTD_compress2(zstd, buf_reserve(&out, room), room, data, size);
    if (ZSTD_isError(n))
        abort();
    return put_file(out.ptr, n);
}

static void read_all(const char *path, bool bodies)
{
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    __attribute__((unused)) static volatile uint64_t sink;
    struct uuid last = { { 0 } };
    struct exchange x;
    struct err err;

    if (segment_open(path, &r, &err) < 0)
        return;
    while (segment_next(r, bodies, &x, &err) > 0) {
        last = x.id;
        for (size_t i = 0; i < x.response_body.len; i++)
            sink += (uint8_t)x.response_body.ptr[i];
    }
    int64_t offset = segment_offset(r);
    if (segment_find(r, last, offset, &x, &err) > 0)
        sink += x.request_body.len;
    segment_find(r, last, 1, &x, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t frame;
    struct err err;

    if (size < 1)
        return 0;
    const char *path =
        data[0] & 1 ? put_compressed(data + 1, size - 1) : put_file(data + 1, size - 1);
    read_all(path, true);
    read_all(path, false);
    segment_walk(path, &frame, &err);
    return 0;
}
