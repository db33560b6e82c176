/* replay - drives a fuzz target without libFuzzer.
 *
 * Runs each file given as it is; where it is small, cut at every byte and with every byte changed;
 * then $WEIR_FUZZ_ROUNDS (default 2000) random mutations of the files, the same ones each time for
 * one $WEIR_FUZZ_SEED.  Crashing is the only way to fail: with $WEIR_FUZZ_SAVE=FILE every input is
 * written there before it is run, so that the last one is the culprit.
 */
#include "config.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/vec.h"

#define FILE_BYTES_MAX (4u << 20)
#define MUTATE_BYTES_MAX                                                                           \
    2048 /* the work of changing every byte grows with the square of the size */
#define ROUNDS_DEFAULT 2000
#define CHANGES_MAX    6 /* in one mutation */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *save_path;

static void save(const char *bytes, size_t len)
{
    FILE *file = fopen(save_path, "wb");

    if (!file || (len && fwrite(bytes, 1, len, file) != len) || fclose(file) != 0) {
        perror(save_path);
        exit(EXIT_FAILURE);
    }
}

/* An allocation of exactly that size, so that sanitizers see a read past its end. */
static void run(const char *bytes, size_t len)
{
    uint8_t *copy = mem_calloc(1, len ? len : 1);

    if (len)
        memcpy(copy, bytes, len);
    if (save_path)
        save(bytes, len);
    LLVMFuzzerTestOneInput(copy, len);
    free(copy);
}

static void run_each_byte(struct buf *bytes)
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

/* --- random mutations --- */

struct replay {
    VEC(struct buf) files;
    uint64_t random;
};

/* xorshift64*, Vigna 2016. */
static size_t random_below(struct replay *r, size_t limit)
{
    r->random ^= r->random >> 12;
    r->random ^= r->random << 25;
    r->random ^= r->random >> 27;
    return (size_t)((r->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % limit;
}

static struct str random_file(struct replay *r)
{
    return buf_str(&r->files.ptr[random_below(r, r->files.len)]);
}

static struct str random_part(struct replay *r, struct str s)
{
    size_t from = random_below(r, s.len + 1);

    return str_sub(s, from, random_below(r, 64) + 1);
}

static void replace_part(struct replay *r, struct buf *out, size_t len, struct str with)
{
    CLEANUP(buf_release) struct buf changed = { 0 };
    size_t at = random_below(r, out->len + 1);

    buf_add_str(&changed, str_sub(buf_str(out), 0, at));
    buf_add_str(&changed, with);
    buf_add_str(&changed, str_sub(buf_str(out), at + len, out->len));
    struct buf old = *out;
    *out = changed;
    changed = old;
}

static void flip_bit(struct replay *r, struct buf *out)
{
    if (out->len)
        out->ptr[random_below(r, out->len)] ^= (char)(1 << random_below(r, 8));
}

static void set_byte(struct replay *r, struct buf *out)
{
    static const char telling[] = "\0\x01\x7f\x80\xff{}[]\",:\\\r\n -0e.";

    if (out->len)
        out->ptr[random_below(r, out->len)] = telling[random_below(r, sizeof(telling) - 1)];
}

static void delete_part(struct replay *r, struct buf *out)
{
    replace_part(r, out, random_below(r, 32) + 1, (struct str){ 0 });
}

static void insert_part(struct replay *r, struct buf *out)
{
    replace_part(r, out, 0, random_part(r, random_file(r)));
}

static void overwrite_part(struct replay *r, struct buf *out)
{
    struct str part = random_part(r, random_file(r));

    replace_part(r, out, part.len, part);
}

static void cut_off(struct replay *r, struct buf *out)
{
    out->len = random_below(r, out->len + 1);
}

typedef void (*change_fn)(struct replay *r, struct buf *out);

static const change_fn changes[] = { flip_bit,    set_byte,       delete_part,
                                     insert_part, overwrite_part, cut_off };

static void run_random(struct replay *r)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct str file = random_file(r);

    buf_add_str(&bytes, str_sub(file, 0, FILE_BYTES_MAX));
    for (size_t n = random_below(r, CHANGES_MAX) + 1; n > 0; n--)
        changes[random_below(r, ARRAY_LEN(changes))](r, &bytes);
    run(bytes.ptr, bytes.len);
}

static uint64_t number_from_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    char *end;

    if (!text || !*text)
        return otherwise;
    uint64_t value = strtoull(text, &end, 10);
    if (*end) {
        fprintf(stderr, "%s: expected a whole number, got '%s'\n", name, text);
        exit(EXIT_FAILURE);
    }
    return value;
}

int main(int argc, char **argv)
{
    uint64_t rounds = number_from_env("WEIR_FUZZ_ROUNDS", ROUNDS_DEFAULT);
    uint64_t seed = number_from_env("WEIR_FUZZ_SEED", 1);
    struct replay r = { .random = seed ? seed : 1 };

    save_path = getenv("WEIR_FUZZ_SAVE");
    for (int i = 1; i < argc; i++) {
        struct buf bytes = { 0 };
        struct err err;
        if (file_read(argv[i], FILE_BYTES_MAX, &bytes, &err) < 0) {
            fprintf(stderr, "%s: %s\n", argv[i], err.text);
            return EXIT_FAILURE;
        }
        vec_push(&r.files, bytes);
        run(bytes.ptr, bytes.len);
        if (bytes.len <= MUTATE_BYTES_MAX)
            run_each_byte(&r.files.ptr[r.files.len - 1]);
    }
    for (uint64_t i = 0; i < rounds && r.files.len; i++)
        run_random(&r);
    printf("%d files, %" PRIu64 " mutations of seed %" PRIu64 "\n", argc - 1, rounds, seed);
    for (size_t i = 0; i < r.files.len; i++)
        buf_release(&r.files.ptr[i]);
    vec_release(&r.files);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
