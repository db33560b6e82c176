#include "config.h"

#include "capture/thrift.h"

#include <stdio.h>
#include <string.h>

#include "tests/check_main.h"

struct inner {
    uint32_t present;
    int32_t n;     /* 1 */
    bool flag;     /* 2 */
    bool far_flag; /* 20 */
};

struct outer {
    uint32_t present;
    int64_t big;                /* 1 */
    struct str text;            /* 2 */
    struct thrift_list inners;  /* 3 */
    struct thrift_list numbers; /* 5 */
    struct thrift_list texts;   /* 6 */
    struct inner one;           /* 30 */
    int32_t small;              /* 31: an i16 */
};

#define FIELD(type, field_id, field_kind, must, member)                                            \
    {                                                                                              \
        .id = (field_id), .kind = (field_kind), .required = (must),                                \
        .offset = offsetof(struct type, member), .name = #member                                   \
    }
#define OF_SHAPE(type, field_id, field_kind, member, of)                                           \
    {                                                                                              \
        .id = (field_id), .kind = (field_kind), .offset = offsetof(struct type, member),           \
        .shape = &(of), .name = #member                                                            \
    }
#define LIST_OF(type, field_id, of, member)                                                        \
    {                                                                                              \
        .id = (field_id), .kind = THRIFT_LIST, .offset = offsetof(struct type, member),            \
        .item = (of), .name = #member                                                              \
    }
#define SHAPE(type, text, rows)                                                                    \
    {                                                                                              \
        .name = (text), .fields = (rows), .field_count = ARRAY_LEN(rows),                          \
        .size = sizeof(struct type)                                                                \
    }

static const struct thrift_field inner_fields[] = {
    FIELD(inner, 1, THRIFT_I32, true, n),
    FIELD(inner, 2, THRIFT_BOOL, false, flag),
    FIELD(inner, 20, THRIFT_BOOL, false, far_flag),
};
static const struct thrift_shape inner_shape = SHAPE(inner, "Inner", inner_fields);
static const struct thrift_field outer_fields[] = {
    FIELD(outer, 1, THRIFT_I64, true, big),
    FIELD(outer, 2, THRIFT_BINARY, false, text),
    OF_SHAPE(outer, 3, THRIFT_LIST, inners, inner_shape),
    LIST_OF(outer, 5, THRIFT_I32, numbers),
    LIST_OF(outer, 6, THRIFT_BINARY, texts),
    OF_SHAPE(outer, 30, THRIFT_STRUCT, one, inner_shape),
    FIELD(outer, 31, THRIFT_I16, false, small),
};
static const struct thrift_shape outer_shape = SHAPE(outer, "Outer", outer_fields);

/* Writes a struct with everything in it. */
static void write_sample(struct buf *out)
{
    static struct inner inners[20];
    static int32_t numbers[] = { 0, -1, INT32_MAX, INT32_MIN };
    static struct str texts[] = { STR_INIT(""), STR_INIT("b") };

    for (int i = 0; i < 20; i++)
        inners[i] = (struct inner){ THRIFT_BIT(2), i, i % 2 == 0, false };
    struct outer o = {
        .present = UINT32_MAX,
        .big = INT64_MIN,
        .text = STR("hello"),
        .inners = {inners,   20},
        .numbers = { numbers, 4 },
        .texts = { texts,   2 },
        .small = INT16_MIN,
    };
    o.one = (struct inner){ THRIFT_BIT(20), 7, false, true };
    thrift_write(&outer_shape, &o, out);
}

START_TEST(a_struct_comes_back_as_it_was_written)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct outer o;
    struct err err;
    size_t used = 0;

    write_sample(&out);
    size_t len = out.len;
    buf_add_text(&out, "what follows");
    ck_assert_int_eq(thrift_read(buf_str(&out), &outer_shape, &arena, &o, &used, &err), 0);
    ck_assert_uint_eq(used, len);
    ck_assert_int_eq(o.big, INT64_MIN);
    ck_assert(str_eq(o.text, STR("hello")));
    ck_assert_uint_eq(o.inners.len, 20);
    for (int i = 0; i < 20; i++) {
        const struct inner *in = &((struct inner *)o.inners.items)[i];
        ck_assert_int_eq(in->n, i);
        ck_assert_int_eq(in->flag, i % 2 == 0);
        ck_assert_uint_eq(in->present, THRIFT_BIT(1) | THRIFT_BIT(2));
    }
    ck_assert_uint_eq(o.numbers.len, 4);
    ck_assert_int_eq(((int32_t *)o.numbers.items)[3], INT32_MIN);
    ck_assert(str_eq(((struct str *)o.texts.items)[1], STR("b")));
    ck_assert_int_eq(o.one.n, 7);
    ck_assert(o.one.far_flag);
    ck_assert_int_eq(o.small, INT16_MIN);
}
END_TEST

START_TEST(a_cut_anywhere_is_an_error)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };

    write_sample(&out);
    for (size_t len = 0; len < out.len; len++) {
        struct outer o;
        struct err err = { 0 };
        size_t used;
        char *copy = mem_strndup(out.ptr, len); /* so that the sanitizer sees the end */
        struct str cut = { copy, len };
        ck_assert_int_eq(thrift_read(cut, &outer_shape, &arena, &o, &used, &err), -1);
        ck_assert_int_eq(err.code, ERR_CORRUPT);
        free(copy);
    }
}
END_TEST

START_TEST(a_flip_anywhere_is_an_error_or_another_value_but_no_crash)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    write_sample(&out);
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        struct outer o;
        struct err err = { 0 };
        size_t used;
        out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ (1 << (bit % 8)));
        int got = thrift_read(buf_str(&out), &outer_shape, &arena, &o, &used, &err);
        ck_assert(got == 0 || err.code == ERR_CORRUPT);
        out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ (1 << (bit % 8)));
    }
}
END_TEST

/* Bytes by hand, what is wrong with them. */
static const struct bad_row {
    const char *bytes;
    size_t len;
    const char *message;
} bad_rows[] = {
    {"\x16\x02\x16\x02\x00",                              5,  "Outer.text: value of the wrong type at byte 3" },
    { "\x18\x01\x61\x00",                                 4,  "Outer.big: value of the wrong type at byte 1"  },
    { "\x00",                                             1,  "Outer.big is missing before byte 1"            },
    { "\x16\x02\x06\x02\x02\x00",                         6,  "field given twice at byte 4"                   },
    { "\x16\x02\x18\x7f\x61",                             5,  "Outer.text: length beyond the end at byte 4"   },
    { "\x16\x02\x29\xfc\xff\xff\xff\xff\x0f\x00",         10,
     "Outer.inners: list longer than the data at byte 9"                                                      },
    { "\x16\x02\x29\x15\x00\x00\x00\x00",                 8,  "Outer.inners: list of the wrong type at byte 4"},
    { "\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", 12,
     "Outer.big: bad or cut number at byte 11"                                                                },
    { "\x16\x02\x6f\x00",                                 4,  "unknown type of value at byte 3"               },
    { "\x16\x02\x10",                                     3,  "bad end of a struct at byte 3"                 },
    { "\x16\x02\x49\x15\x80\x80\x80\x80\x80\x01\x00",     11,
     "Outer.numbers: number out of range at byte 10"                                                          },
};

START_TEST(what_breaks_the_protocol_is_named_with_its_place)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    const struct bad_row *row = &bad_rows[_i];
    struct str in = { row->bytes, row->len };
    struct outer o;
    struct err err = { 0 };
    size_t used;

    ck_assert_int_eq(thrift_read(in, &outer_shape, &arena, &o, &used, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_str_eq(err.text, row->message);
}
END_TEST

START_TEST(unknown_fields_of_every_type_are_skipped)
{
    /* 1: i64 = 1; 7: true; 8: i8; 9: double; 10: list of true; 11: map of i32 to binary;
     * 12: struct with an i16; 13: empty map; 14: set of i64; 15: uuid */
    static const char bytes[] = "\x16\x02\x61\x13\x05\x17"
                                "12345678\x19\x21\x01\x02\x1b\x01\x58\x02\x01"
                                "a\x1c\x14\x02\x00\x1b\x00\x1a\x16\x02\x1d"
                                "0123456789abcdef\x00";
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct str in = { bytes, sizeof(bytes) - 1 };
    struct outer o;
    struct err err = { 0 };
    size_t used = 0;

    int got = thrift_read(in, &outer_shape, &arena, &o, &used, &err);
    ck_assert_msg(got == 0, "%s", err.text);
    ck_assert_uint_eq(used, in.len);
    ck_assert_int_eq(o.big, 1);
    ck_assert_uint_eq(o.present, THRIFT_BIT(1));
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    char bytes[200];
    struct outer o;
    struct err err = { 0 };
    size_t used;

    memcpy(bytes, "\x16\x02", 2);
    memset(bytes + 2, 0x6c, sizeof(bytes) - 2); /* structs in structs */
    struct str in = { bytes, sizeof(bytes) };
    ck_assert_int_eq(thrift_read(in, &outer_shape, &arena, &o, &used, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "nested too deeply"));
    memset(bytes + 2, 0x19, sizeof(bytes) - 2); /* lists in lists: 1 item of type 9 */
    bytes[2] = 0x69;
    ck_assert_int_eq(thrift_read(in, &outer_shape, &arena, &o, &used, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "nested too deeply"));
}
END_TEST

START_TEST(varints_hold_64_bits_and_no_more)
{
    static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX };

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        CLEANUP(buf_release) struct buf out = { 0 };
        varint_add(&out, values[i]);
        const uint8_t *at = (const uint8_t *)out.ptr, *end = at + out.len;
        uint64_t got = 0;
        ck_assert(varint_get(&at, end, &got));
        ck_assert_uint_eq(got, values[i]);
        ck_assert_ptr_eq(at, end);
        at = (const uint8_t *)out.ptr;
        ck_assert(!varint_get(&at, end - 1, &got));
        ck_assert_int_eq(unzigzag(zigzag((int64_t)values[i])), (int64_t)values[i]);
    }
    const uint8_t too_long[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02";
    const uint8_t *at = too_long;
    uint64_t got;
    ck_assert(!varint_get(&at, too_long + 10, &got));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_struct_comes_back_as_it_was_written);
    tcase_add_test(tc, a_cut_anywhere_is_an_error);
    tcase_add_test(tc, a_flip_anywhere_is_an_error_or_another_value_but_no_crash);
    tcase_add_loop_test(tc, what_breaks_the_protocol_is_named_with_its_place, 0,
                        (int)ARRAY_LEN(bad_rows));
    tcase_add_test(tc, unknown_fields_of_every_type_are_skipped);
    tcase_add_test(tc, nesting_has_a_limit);
    tcase_add_test(tc, varints_hold_64_bits_and_no_more);
}
CHECK_MAIN("capture/thrift", add_tests)
