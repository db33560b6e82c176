/* replay - drives a fuzz target without libFuzzer: the committed corpus as it is and, where it is
 * small, cut at every byte and with every byte changed.  Crashing is the only way to fail.
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define FILE_BYTES_MAX   (4u << 20)
#define MUTATE_BYTES_MAX 2048 /* the work grows with the square of the size */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An allocation of exactly that size, so that sanitizers see a read past its end. */
static void run(const char *bytes, size_t len)
{
    uint8_t *copy = mem_calloc(1, len ? len : 1);

    if (len)
        memcpy(copy, bytes, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void run_mutated(struct buf *bytes)
{
    for (size_t i = 0; i < bytes->len; i++) {
        char kept = bytes->ptr[i];
        run(bytes->ptr, i);
        bytes->ptr[i] = (char)(kept ^ 0x01);
        run(bytes->ptr, bytes->len);
        bytes->ptr[i] = (char)(kept ^ 0xff);
        run(bytes->ptr, bytes->len);
        bytes->ptr[i] = kept;
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        CLEANUP(buf_release) struct buf bytes = { 0 };
        struct err err;
        if (file_read(argv[i], FILE_BYTES_MAX, &bytes, &err) < 0) {
            fprintf(stderr, "%s: %s\n", argv[i], err.text);
            return EXIT_FAILURE;
        }
        run(bytes.ptr, bytes.len);
        if (bytes.len <= MUTATE_BYTES_MAX)
            run_mutated(&bytes);
    }
    printf("%d files\n", argc - 1);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
