/* CSV over arbitrary bytes, the first of which is the separator: what is read, written again and
 * read again must be the same, but for formulas, which are defused on the way out. */
#include "config.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/csv.h"
#include "base/vec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ERRORS_MAX 100

struct fields {
    struct arena texts;
    VEC(struct str) items;
    size_t rows;
};

static void read_all(struct str text, char separator, struct fields *ret)
{
    FILE *file = fmemopen((void *)(uintptr_t)text.ptr, text.len, "r");
    CLEANUP(csv_reader_free) struct csv_reader *r = csv_reader_new(file, separator);
    const struct str *fields;
    size_t count;
    struct err err;
    int got;

    assert(file);
    for (int errors = 0; errors < ERRORS_MAX; errors += got < 0) {
        got = csv_reader_next(r, &fields, &count, &err);
        if (got == 0)
            break;
        for (size_t i = 0; got > 0 && i < count; i++)
            vec_push(&ret->items, arena_str(&ret->texts, fields[i]));
        ret->rows += got > 0;
        if (got > 0)
            vec_push(&ret->items, ((struct str){ NULL, 0 })); /* the end of a row */
    }
    fclose(file);
}

static void release(struct fields *f)
{
    arena_release(&f->texts);
    vec_release(&f->items);
}

static void write_all(const struct fields *f, char separator, struct buf *out)
{
    bool first = true;

    for (size_t i = 0; i < f->items.len; i++) {
        if (f->items.ptr[i].ptr)
            csv_add_field(out, f->items.ptr[i], separator, first);
        else
            buf_add_text(out, "\r\n");
        first = !f->items.ptr[i].ptr;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = ",;\t|";
    struct fields once = { 0 }, twice = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };

    if (size < 2)
        return 0;
    char separator = separators[data[0] % (sizeof(separators) - 1)];
    read_all((struct str){ (const char *)data + 1, size - 1 }, separator, &once);
    write_all(&once, separator, &text);
    if (text.len > 0)
        read_all(buf_str(&text), separator, &twice);
    assert(once.rows == twice.rows && once.items.len == twice.items.len);
    for (size_t i = 0; i < once.items.len; i++) {
        struct str a = once.items.ptr[i], b = twice.items.ptr[i];
        bool defused = b.len == a.len + 1 && b.ptr[0] == '\'';
        assert(str_eq(a, defused ? str_sub(b, 1, SIZE_MAX) : b));
    }
    release(&once);
    release(&twice);
    return 0;
}
