/* thrift - structs in Thrift's compact protocol, by table: the encoding of Parquet's metadata.
 *
 * A C struct that can be read and written begins with `uint32_t present`, a bit per field id (so
 * ids go up to 31), and is described by a thrift_shape.  Reading is strict where it matters: a
 * known field of the wrong type, twice or missing though required, is ERR_CORRUPT with the byte
 * offset; unknown fields are skipped.  Strings are borrowed from the input; lists live in the
 * arena, and memory is bounded by a small multiple of the input, whatever counts it claims.
 */
#ifndef CAPTURE_THRIFT_H
#define CAPTURE_THRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define THRIFT_DEPTH_MAX 16

enum thrift_kind {
    THRIFT_BOOL,
    THRIFT_I16, /* int32_t in C */
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_BINARY, /* struct str */
    THRIFT_STRUCT, /* embedded by value; shape says which */
    THRIFT_LIST,   /* struct thrift_list; shape says which structs, NULL = see item */
};

struct thrift_list {
    void *items;
    size_t len;
};

struct thrift_shape;

struct thrift_field {
    int16_t id; /* 1 to 31, ascending in a shape */
    enum thrift_kind kind;
    bool required;
    size_t offset; /* in the C struct */
    const struct thrift_shape *shape;
    enum thrift_kind item; /* LIST without shape: I32 or BINARY */
    const char *name;
};

struct thrift_shape {
    const char *name;
    const struct thrift_field *fields;
    size_t field_count;
    size_t size; /* of the C struct */
};

#define THRIFT_BIT(id) (UINT32_C(1) << (id))

/* Reads one struct off the front of bytes into ret (shape->size bytes, overwritten); *ret_used is
 * how many bytes it took. */
int thrift_read(struct str bytes, const struct thrift_shape *shape, struct arena *arena, void *ret,
                size_t *ret_used, struct err *err);
/* Appends the struct: its required fields and those whose bit is present. */
void thrift_write(const struct thrift_shape *shape, const void *from, struct buf *out);

/* ULEB128 and zigzag, which Parquet's encodings use too. */
void varint_add(struct buf *out, uint64_t value);
/* Moves *at past it; false if it is cut, longer than 10 bytes or beyond 64 bits. */
bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *ret);
static inline uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}
static inline int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

#endif
