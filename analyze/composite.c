#include "config.h"

#include "analyze/composite.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct composite *tools_of(struct composite *c)
{
    return c->lender ? c->lender : c;
}

void composite_share(struct composite *c, struct composite *lender)
{
    c->lender = lender;
}

static void make_room(struct composite *c, size_t rows)
{
    struct composite *t = tools_of(c);

    c->rows = rows;
    if (!t->table)
        t->table = mem_calloc(COMPOSITE_TABLE, sizeof(*t->table));
    if (t->key_capacity < rows || !t->keys) {
        t->key_capacity = rows;
        t->keys = mem_realloc(t->keys, (rows + 1) * sizeof(*t->keys));
    }
    if (c->capacity >= rows && c->ids)
        return;
    c->capacity = rows;
    c->ids = mem_realloc(c->ids, (rows + 1) * sizeof(*c->ids));
    c->first_row = mem_realloc(c->first_row, (rows + 1) * sizeof(*c->first_row));
}

void composite_start(struct composite *c, size_t rows)
{
    make_room(c, rows);
    memset(c->ids, 0, rows * sizeof(*c->ids));
    c->first_row[0] = 0;
    c->count = rows > 0;
}

void composite_copy(struct composite *c, const struct composite *from)
{
    make_room(c, from->rows);
    memcpy(c->ids, from->ids, from->rows * sizeof(*c->ids));
    memcpy(c->first_row, from->first_row, from->count * sizeof(*c->first_row));
    c->count = from->count;
}

/* One step by table: width codes to each old id. */
static inline __attribute__((always_inline)) void split_by_table(struct composite *c,
                                                                 const uint32_t *codes,
                                                                 const uint8_t *bytes, size_t limit,
                                                                 size_t width)
{
    uint32_t *table = tools_of(c)->table;
    uint64_t *keys = tools_of(c)->keys;
    size_t count = 0;

    for (size_t row = 0; row < c->rows; row++) {
        size_t code = codes ? codes[row] : bytes[row];
        if (codes && bytes)
            code = bytes[row] ? limit : code;
        size_t key = c->ids[row] * width + code;
        uint32_t id = table[key];
        if (id == 0) {
            keys[count] = key;
            c->first_row[count] = (uint32_t)row;
            id = table[key] = (uint32_t)++count;
        }
        c->ids[row] = id - 1;
    }
    for (size_t i = 0; i < count; i++)
        table[keys[i]] = 0;
    c->count = count;
}

static size_t slot_of(const struct composite *c, uint64_t key)
{
    uint64_t hash = key * UINT64_C(0x9e3779b97f4a7c15);
    size_t mask = c->slot_count - 1;
    size_t slot = (size_t)(hash >> 32) & mask;

    while (c->slots[slot] && c->keys[c->slots[slot] - 1] != key)
        slot = (slot + 1) & mask;
    return slot;
}

static void split_by_hash(struct composite *c, const uint32_t *codes, const uint8_t *is_null,
                          size_t limit)
{
    struct composite *t = tools_of(c);
    size_t count = 0, slots = 1024;

    while (slots < 2 * c->rows)
        slots *= 2;
    if (t->slot_count < slots) {
        t->slots = mem_realloc(t->slots, slots * sizeof(*t->slots));
        t->slot_count = slots;
    }
    memset(t->slots, 0, t->slot_count * sizeof(*t->slots));
    for (size_t row = 0; row < c->rows; row++) {
        uint64_t code = is_null && is_null[row] ? limit : codes[row];
        uint64_t key = (uint64_t)c->ids[row] << 32 | code;
        size_t slot = slot_of(t, key);
        if (t->slots[slot] == 0) {
            t->keys[count] = key;
            c->first_row[count] = (uint32_t)row;
            t->slots[slot] = (uint32_t)++count;
        }
        c->ids[row] = t->slots[slot] - 1;
    }
    c->count = count;
}

void composite_split(struct composite *c, const uint32_t *codes, const uint8_t *is_null,
                     size_t limit)
{
    size_t width = limit + (is_null != NULL);

    if (c->rows == 0 || width <= 1)
        return;
    if (width > COMPOSITE_TABLE || c->count > COMPOSITE_TABLE / width)
        split_by_hash(c, codes, is_null, limit);
    else if (is_null)
        split_by_table(c, codes, is_null, limit, width);
    else
        split_by_table(c, codes, NULL, limit, width);
}

void composite_split_flags(struct composite *c, const uint8_t *flags)
{
    if (c->rows == 0)
        return;
    if (c->count <= COMPOSITE_TABLE / 2) {
        split_by_table(c, NULL, flags, 0, 2);
        return;
    }
    uint32_t *codes = mem_realloc(NULL, c->rows * sizeof(*codes));
    for (size_t row = 0; row < c->rows; row++)
        codes[row] = flags[row];
    split_by_hash(c, codes, NULL, 2);
    free(codes);
}

void composite_release(struct composite *c)
{
    free(c->ids);
    free(c->first_row);
    free(c->keys); /* its own, if any: NULL where it borrows */
    free(c->table);
    free(c->slots);
    *c = (struct composite){ 0 };
}
