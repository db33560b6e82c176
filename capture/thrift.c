#include "config.h"

#include "capture/thrift.h"

#include <assert.h>
#include <string.h>

/* Wire types of the compact protocol (Apache Thrift, thrift-compact-protocol.md). */
enum wire {
    WIRE_STOP = 0,
    WIRE_TRUE = 1,
    WIRE_FALSE = 2,
    WIRE_I8 = 3,
    WIRE_I16 = 4,
    WIRE_I32 = 5,
    WIRE_I64 = 6,
    WIRE_DOUBLE = 7,
    WIRE_BINARY = 8,
    WIRE_LIST = 9,
    WIRE_SET = 10,
    WIRE_MAP = 11,
    WIRE_STRUCT = 12,
    WIRE_UUID = 13,
};

static const uint8_t wire_of[] = {
    [THRIFT_BOOL] = WIRE_TRUE, [THRIFT_I16] = WIRE_I16,       [THRIFT_I32] = WIRE_I32,
    [THRIFT_I64] = WIRE_I64,   [THRIFT_BINARY] = WIRE_BINARY, [THRIFT_STRUCT] = WIRE_STRUCT,
    [THRIFT_LIST] = WIRE_LIST,
};

struct reader {
    const uint8_t *start, *at, *end;
    struct arena *arena;
    int depth;
};

void varint_add(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_add_byte(out, (char)(value | 0x80));
    buf_add_byte(out, (char)value);
}

bool varint_get(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static int corrupt(const struct reader *r, struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "%s at byte %zu", what, (size_t)(r->at - r->start));
}

static int read_varint(struct reader *r, uint64_t *ret, struct err *err)
{
    return varint_get(&r->at, r->end, ret) ? 0 : corrupt(r, err, "bad or cut number");
}

static int read_integer(struct reader *r, int bits, int64_t *ret, struct err *err)
{
    uint64_t raw;

    if (read_varint(r, &raw, err) < 0)
        return -1;
    int64_t value = unzigzag(raw);
    int64_t limit = bits == 64 ? INT64_MAX : (INT64_C(1) << (bits - 1)) - 1;
    if (value > limit || value < -limit - 1)
        return corrupt(r, err, "number out of range");
    *ret = value;
    return 0;
}

static int read_binary(struct reader *r, struct str *ret, struct err *err)
{
    uint64_t len;

    if (read_varint(r, &len, err) < 0)
        return -1;
    if (len > (uint64_t)(r->end - r->at))
        return corrupt(r, err, "length beyond the end");
    *ret = (struct str){ (const char *)r->at, (size_t)len };
    r->at += len;
    return 0;
}

/* A list's head; each item takes at least min_bytes, which bounds the count by what is left. */
static int read_list_head(struct reader *r, size_t min_bytes, uint8_t *ret_wire, size_t *ret_len,
                          struct err *err)
{
    if (r->at == r->end)
        return corrupt(r, err, "cut list");
    uint8_t head = *r->at++;
    uint64_t len = head >> 4;
    if (len == 15 && read_varint(r, &len, err) < 0)
        return -1;
    if (len > (uint64_t)(r->end - r->at) / min_bytes)
        return corrupt(r, err, "list longer than the data");
    *ret_wire = head & 15;
    *ret_len = (size_t)len;
    return 0;
}

/* The next field's head: 1, 0 at the end of the struct. *id goes in as the previous id. */
static int next_field(struct reader *r, int16_t *id, uint8_t *ret_wire, struct err *err)
{
    if (r->at == r->end)
        return corrupt(r, err, "cut struct");
    uint8_t head = *r->at++;
    *ret_wire = head & 15;
    if (*ret_wire == WIRE_STOP)
        return head == 0 ? 0 : corrupt(r, err, "bad end of a struct");
    int64_t next = *id + (head >> 4);
    if (head >> 4 == 0 && read_integer(r, 16, &next, err) < 0)
        return -1;
    if (next > INT16_MAX)
        return corrupt(r, err, "bad field number");
    *id = (int16_t)next;
    return 1;
}

static int skip(struct reader *r, uint8_t wire, bool in_list, struct err *err);

static int skip_struct(struct reader *r, struct err *err)
{
    int16_t id = 0;
    uint8_t wire = 0;
    int got;

    while ((got = next_field(r, &id, &wire, err)) > 0)
        if (skip(r, wire, false, err) < 0)
            return -1;
    return got;
}

static int skip_list(struct reader *r, struct err *err)
{
    uint8_t wire = 0;
    size_t len = 0;

    if (read_list_head(r, 1, &wire, &len, err) < 0)
        return -1;
    for (size_t i = 0; i < len; i++)
        if (skip(r, wire, true, err) < 0)
            return -1;
    return 0;
}

static int skip_map(struct reader *r, struct err *err)
{
    uint64_t len;

    if (read_varint(r, &len, err) < 0)
        return -1;
    if (len == 0)
        return 0;
    if (r->at == r->end || len > (uint64_t)(r->end - r->at) / 2)
        return corrupt(r, err, "map longer than the data");
    uint8_t types = *r->at++;
    for (uint64_t i = 0; i < len; i++)
        if (skip(r, types >> 4, true, err) < 0 || skip(r, types & 15, true, err) < 0)
            return -1;
    return 0;
}

static int skip_bytes(struct reader *r, size_t len, struct err *err)
{
    if (len > (size_t)(r->end - r->at))
        return corrupt(r, err, "cut value");
    r->at += len;
    return 0;
}

static int skip_nested(struct reader *r, uint8_t wire, struct err *err)
{
    if (r->depth == THRIFT_DEPTH_MAX)
        return corrupt(r, err, "nested too deeply");
    r->depth++;
    int ret = wire == WIRE_STRUCT ? skip_struct(r, err)
              : wire == WIRE_MAP  ? skip_map(r, err)
                                  : skip_list(r, err);
    r->depth--;
    return ret;
}

/* Bytes of the types of fixed size; a boolean field has none, a boolean in a list has one. */
static const uint8_t fixed_bytes[16] = {
    [WIRE_I8] = 1,
    [WIRE_DOUBLE] = 8,
    [WIRE_UUID] = 16,
};

static int skip(struct reader *r, uint8_t wire, bool in_list, struct err *err)
{
    uint64_t ignored;
    struct str text;

    if (wire == WIRE_TRUE || wire == WIRE_FALSE)
        return in_list ? skip_bytes(r, 1, err) : 0;
    if (wire >= WIRE_I16 && wire <= WIRE_I64)
        return read_varint(r, &ignored, err);
    if (wire == WIRE_BINARY)
        return read_binary(r, &text, err);
    if (wire >= WIRE_LIST && wire <= WIRE_STRUCT)
        return skip_nested(r, wire, err);
    if (fixed_bytes[wire] == 0)
        return corrupt(r, err, "unknown type of value");
    return skip_bytes(r, fixed_bytes[wire], err);
}

static int read_struct(struct reader *r, const struct thrift_shape *shape, void *ret,
                       struct err *err);

/* A lower bound on the encoded size: a head and a byte per required field, and the stop byte.  It
 * keeps a claimed count from allocating much more than the input could hold. */
static size_t min_bytes_of(const struct thrift_shape *shape)
{
    size_t bytes = 1;

    for (size_t i = 0; i < shape->field_count; i++)
        if (shape->fields[i].required)
            bytes += shape->fields[i].kind == THRIFT_BOOL ? 1 : 2;
    return bytes;
}

static int read_scalar(struct reader *r, enum thrift_kind kind, void *place, struct err *err)
{
    if (kind == THRIFT_BINARY)
        return read_binary(r, place, err);
    if (kind == THRIFT_I64)
        return read_integer(r, 64, place, err);
    int64_t value;
    if (read_integer(r, kind == THRIFT_I16 ? 16 : 32, &value, err) < 0)
        return -1;
    *(int32_t *)place = (int32_t)value;
    return 0;
}

static int read_list(struct reader *r, const struct thrift_field *f, struct thrift_list *ret,
                     struct err *err)
{
    uint8_t wire = 0;
    size_t len = 0;
    size_t size = f->shape                   ? f->shape->size
                  : f->item == THRIFT_BINARY ? sizeof(struct str)
                                             : sizeof(int32_t);

    if (read_list_head(r, f->shape ? min_bytes_of(f->shape) : 1, &wire, &len, err) < 0)
        return -1;
    if (len > 0 && wire != (f->shape ? WIRE_STRUCT : wire_of[f->item]))
        return corrupt(r, err, "list of the wrong type");
    char *items = arena_alloc(r->arena, len * size + 1);
    for (size_t i = 0; i < len; i++) {
        void *item = items + i * size;
        int got =
            f->shape ? read_struct(r, f->shape, item, err) : read_scalar(r, f->item, item, err);
        if (got < 0)
            return -1;
    }
    *ret = (struct thrift_list){ items, len };
    return 0;
}

static const struct thrift_field *field_find(const struct thrift_shape *shape, int16_t id)
{
    for (size_t i = 0; i < shape->field_count; i++)
        if (shape->fields[i].id == id)
            return &shape->fields[i];
    return NULL;
}

static int read_field(struct reader *r, const struct thrift_field *f, uint8_t wire, void *place,
                      struct err *err)
{
    if (f->kind == THRIFT_BOOL && (wire == WIRE_TRUE || wire == WIRE_FALSE)) {
        *(bool *)place = wire == WIRE_TRUE;
        return 0;
    }
    if (f->kind == THRIFT_BOOL || wire != wire_of[f->kind])
        return corrupt(r, err, "value of the wrong type");
    if (f->kind == THRIFT_STRUCT)
        return read_struct(r, f->shape, place, err);
    if (f->kind == THRIFT_LIST)
        return read_list(r, f, place, err);
    return read_scalar(r, f->kind, place, err);
}

static int read_fields(struct reader *r, const struct thrift_shape *shape, char *ret,
                       uint32_t *ret_present, struct err *err)
{
    int16_t id = 0;
    uint8_t wire = 0;
    int got;

    while ((got = next_field(r, &id, &wire, err)) > 0) {
        const struct thrift_field *f = field_find(shape, id);
        if (!f) {
            if (skip(r, wire, false, err) < 0)
                return -1;
            continue;
        }
        if (*ret_present & THRIFT_BIT(id))
            return corrupt(r, err, "field given twice");
        if (read_field(r, f, wire, ret + f->offset, err) < 0)
            return err_wrap(err, "%s.%s", shape->name, f->name);
        *ret_present |= THRIFT_BIT(id);
    }
    return got;
}

static int read_struct(struct reader *r, const struct thrift_shape *shape, void *ret,
                       struct err *err)
{
    uint32_t present = 0;

    if (r->depth == THRIFT_DEPTH_MAX)
        return corrupt(r, err, "nested too deeply");
    memset(ret, 0, shape->size);
    r->depth++;
    int got = read_fields(r, shape, ret, &present, err);
    r->depth--;
    if (got < 0)
        return -1;
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct thrift_field *f = &shape->fields[i];
        if (f->required && !(present & THRIFT_BIT(f->id)))
            return err_set(err, ERR_CORRUPT, "%s.%s is missing before byte %zu", shape->name,
                           f->name, (size_t)(r->at - r->start));
    }
    memcpy(ret, &present, sizeof(present));
    return 0;
}

int thrift_read(struct str bytes, const struct thrift_shape *shape, struct arena *arena, void *ret,
                size_t *ret_used, struct err *err)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    struct reader r = { .start = at, .at = at, .end = at + bytes.len, .arena = arena };

    if (read_struct(&r, shape, ret, err) < 0)
        return -1;
    *ret_used = (size_t)(r.at - r.start);
    return 0;
}

static void write_scalar(enum thrift_kind kind, const void *place, struct buf *out)
{
    const struct str *text = place;

    if (kind == THRIFT_BINARY) {
        varint_add(out, text->len);
        buf_add_str(out, *text);
    } else if (kind == THRIFT_I64) {
        varint_add(out, zigzag(*(const int64_t *)place));
    } else {
        varint_add(out, zigzag(*(const int32_t *)place));
    }
}

static void write_list(const struct thrift_field *f, const struct thrift_list *list,
                       struct buf *out)
{
    uint8_t wire = f->shape ? (uint8_t)WIRE_STRUCT : wire_of[f->item];
    const char *items = list->items;

    buf_add_byte(out, (char)((list->len < 15 ? list->len : 15) << 4 | wire));
    if (list->len >= 15)
        varint_add(out, list->len);
    for (size_t i = 0; i < list->len; i++) {
        if (f->shape)
            thrift_write(f->shape, items + i * f->shape->size, out);
        else if (f->item == THRIFT_BINARY)
            write_scalar(f->item, items + i * sizeof(struct str), out);
        else
            write_scalar(f->item, items + i * sizeof(int32_t), out);
    }
}

/* The short head holds a step of up to 15 from the previous id. */
static void write_field_head(int16_t previous, int16_t id, uint8_t wire, struct buf *out)
{
    assert(id > previous && id < 32);
    if (id - previous <= 15) {
        buf_add_byte(out, (char)((id - previous) << 4 | wire));
    } else {
        buf_add_byte(out, (char)wire);
        varint_add(out, zigzag(id));
    }
}

void thrift_write(const struct thrift_shape *shape, const void *from, struct buf *out)
{
    const char *base = from;
    uint32_t present;
    int16_t previous = 0;

    memcpy(&present, from, sizeof(present));
    for (size_t i = 0; i < shape->field_count; i++) {
        const struct thrift_field *f = &shape->fields[i];
        const void *place = base + f->offset;
        if (!f->required && !(present & THRIFT_BIT(f->id)))
            continue;
        bool is_false = f->kind == THRIFT_BOOL && !*(const bool *)place;
        write_field_head(previous, f->id, is_false ? (uint8_t)WIRE_FALSE : wire_of[f->kind], out);
        previous = f->id;
        if (f->kind == THRIFT_STRUCT)
            thrift_write(f->shape, place, out);
        else if (f->kind == THRIFT_LIST)
            write_list(f, place, out);
        else if (f->kind != THRIFT_BOOL)
            write_scalar(f->kind, place, out);
    }
    buf_add_byte(out, WIRE_STOP);
}
