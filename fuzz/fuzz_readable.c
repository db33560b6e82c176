/* Arbitrary bytes as a body to be shown: nothing that commands a terminal may come out. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/readable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = { "application/json",
                                         "text/event-stream",
                                         "application/x-ndjson",
                                         "text/plain",
                                         "application/vnd.amazon.eventstream",
                                         "" };
    CLEANUP(buf_release) struct buf out = { 0 };

    if (size < 1)
        return 0;
    readable_body(str_from(types[(data[0] >> 1) % (sizeof(types) / sizeof(types[0]))]),
                  (struct str){ (const char *)data + 1, size - 1 }, data[0] & 1, &out);
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = (unsigned char)out.ptr[i],
                      next = i + 1 < out.len ? (unsigned char)out.ptr[i + 1] : 0;
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || (c == 0xc2 && next < 0xa0)) {
            fprintf(stderr, "byte %02x at %zu of what is shown\n", c, i);
            abort();
        }
    }
    return 0;
}
