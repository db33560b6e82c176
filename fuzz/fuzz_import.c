/* Arbitrary bytes as a file to import, the first of which says as what: every record is counted
 * once, as one of added, already there, bad or ignored. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/archive.h"
#include "capture/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char map[] = "map: fuzz\n"
                          "names: targets\n"
                          "columns: {cached_input_tokens: meta.usage.hit, label.x: x}\n"
                          "require: [input_tokens]\n";

static char folder[] = "/tmp/weir-fuzz-XXXXXX";
static char map_path[64];
static struct archive *archive;
static struct key key;

/* Nothing of a run stays: journals are discarded, and what is left is removed here. */
static void clean_up(void)
{
    char command[128];

    archive_close(archive);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove '%s'\n", folder);
}

static void set_up(void)
{
    struct err err;
    char path[64];

    if (archive)
        return;
    if (!mkdtemp(folder))
        abort();
    atexit(clean_up);
    snprintf(path, sizeof(path), "%s/archive", folder);
    snprintf(map_path, sizeof(map_path), "%s/fuzz.yaml", folder);
    FILE *f = fopen(map_path, "w");
    if (!f || fputs(map, f) < 0 || fclose(f) != 0)
        abort();
    if (archive_open(path, true, &archive, &err) < 0 || archive_key(archive, &key, &err) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(import_discard) struct import *im = NULL;
    struct import_stats stats = { 0 };
    struct err err;
    char path[64];

    if (size == 0)
        return 0;
    set_up();
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

    enum import_kind kind = (enum import_kind)(data[0] % 4);
    struct import_options o = { .key = &key,
                                .map = kind == IMPORT_ROWS ? map_path : NULL,
                                .maps_folder = folder,
                                .has_at = data[0] & 4,
                                .at_us = 1,
                                .now_us = 1 };
    if (import_open(archive, &o, &im, &err) < 0)
        abort();
    int r = import_file(im, path, kind, &stats, &err);
    assert(r == 0 || err.text[0]);
    assert(stats.read == stats.added + stats.already + stats.bad + stats.ignored);
    assert(stats.no_time <= stats.bad);
    close(fd);
    return 0;
}
