/* Arbitrary bytes as a Parquet file: open it, and read every column of every group. */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Adds up what was read, so that a sanitizer sees every byte of it touched. */
static uint64_t touch(const struct parquet_values *v)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < v->count; i++) {
        if (v->is_null && v->is_null[i])
            sum++;
        else if (v->ints)
            sum += (uint64_t)v->ints[i];
        else
            sum += v->dictionary[v->codes[i]].len;
    }
    for (size_t d = 0; d < v->dictionary_len; d++)
        for (size_t i = 0; i < v->dictionary[d].len; i++)
            sum += (uint8_t)v->dictionary[d].ptr[i];
    return sum;
}

/* The module reads files: here one in memory, used again and again. */
static const char *put_file(const uint8_t *data, size_t size)
{
    static char path[40];
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("fuzz_parquet", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };
    __attribute__((unused)) static volatile uint64_t sink;
    struct err err;

    if (parquet_open(put_file(data, size), &f, &err) < 0)
        return 0;
    for (size_t g = 0; g < parquet_group_count(f); g++)
        for (size_t c = 0; c < parquet_column_count(f); c++)
            if (parquet_read(f, g, c, &v, &err) == 0)
                sink += touch(&v);
    return 0;
}
