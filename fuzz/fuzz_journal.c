/* Arbitrary bytes as a journal: index it, assemble its exchanges, do to them what seal does, and
 * read back the line that exchanges.jsonl would get.  An input whose first byte is odd has its
 * checksums made right first, so that mutations reach what lies behind them. */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/le.h"
#include "capture/journal.h"
#include "capture/record.h"
#include "capture/seal_exchange.h"

#define HEAD_BYTES 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *bytes, size_t size)
{
    for (size_t at = 0; size - at >= HEAD_BYTES;) {
        uint32_t len = le32_get(bytes + at);
        le32_put(bytes + at + 4, crc32c(bytes + at, 4));
        if (len > size - at - HEAD_BYTES)
            return;
        le32_put(bytes + at + 8, crc32c(bytes + at + HEAD_BYTES, len));
        at += HEAD_BYTES + len;
    }
}

static const char *put_file(const uint8_t *data, size_t size)
{
    static char path[40];
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("fuzz_journal", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

static void check_exchange(struct exchange *x, struct seal_scratch *scratch)
{
    static const struct key key;
    CLEANUP(buf_release) struct buf line = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct exchange again;
    struct err err;

    seal_exchange(x, &key, scratch);
    exchange_to_json(x, &line);
    if (exchange_from_json(buf_str(&line), &arena, &again, &err) < 0) {
        fprintf(stderr, "what was written cannot be read: %s\n", err.text);
        abort();
    }
}

static void read_all(const char *path, bool salvage)
{
    CLEANUP(journal_reader_close) struct journal_reader *j = NULL;
    CLEANUP(record_index_release) struct record_index index = { 0 };
    CLEANUP(record_scratch_release) struct record_scratch record = { 0 };
    CLEANUP(seal_scratch_release) struct seal_scratch seal = { 0 };
    struct exchange x;
    struct err err;

    if (journal_open(path, &j, &err) < 0 || record_index(j, salvage, &index, &err) < 0)
        return;
    for (size_t i = 0; i < index.len; i++)
        if (record_read(j, &index, &index.entries[i], &record, &x, &err) == 0)
            check_exchange(&x, &seal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t *bytes = malloc(size);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & 1)
        mend(bytes, size - 1);
    const char *path = put_file(bytes, size - 1);
    free(bytes);
    read_all(path, false);
    read_all(path, true);
    return 0;
}
