/* Arbitrary bytes as an archive's chain. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(chain_close) struct chain c = { 0 };
    struct chain_line line;
    struct err err;
    static int fd = -1;
    char path[40];
    int r;

    if (fd < 0)
        fd = memfd_create("fuzz_chain", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (chain_open(path, &c, &err) < 0)
        return 0;
    do /* a damaged line does not end it */
        r = chain_next(&c, &line, &err);
    while (r != 0);
    return 0;
}
