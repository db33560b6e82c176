/* The ways we allocate: arenas, vectors, copies, and cleanup at the end of a scope. */
#include "config.h"

#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/vec.h"
#include "tests/check_main.h"

START_TEST(memory_is_zeroed_aligned_and_apart)
{
    CLEANUP(arena_release) struct arena a = { 0 };
    VEC(unsigned char *) blocks = { 0 };

    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *at = arena_alloc(&a, size);
        if ((uintptr_t)at % alignof(max_align_t) != 0)
            ck_abort_msg("%zu bytes are not aligned", size);
        for (size_t i = 0; i < size; i++)
            if (at[i] != 0)
                ck_abort_msg("%zu bytes are not zero", size);
        memset(at, (int)(size % 251), size);
        vec_push(&blocks, at);
    }
    for (size_t k = 0; k < blocks.len; k++)
        for (size_t i = 0; i < k * 7; i++)
            if (blocks.ptr[k][i] != k * 7 % 251)
                ck_abort_msg("block %zu was written over", k);
    vec_release(&blocks);
}
END_TEST

START_TEST(a_reset_starts_anew_in_the_same_memory)
{
    CLEANUP(arena_release) struct arena a = { 0 };

    memset(arena_alloc(&a, 100), 0xff, 100);
    arena_alloc(&a, 1 << 20); /* larger than a block */
    memset(arena_alloc(&a, 100), 0xff, 100);
    ck_assert_uint_ge(a.total_bytes, (1 << 20) + 200);
    arena_reset(&a);
    ck_assert_uint_eq(a.total_bytes, 0);
    struct arena_block *kept = a.blocks;
    const char *again = arena_alloc(&a, 100);
    ck_assert_ptr_eq(a.blocks, kept);
    for (size_t i = 0; i < 100; i++)
        ck_assert_int_eq(again[i], 0);
    arena_reset(&a);
    arena_release(&a);
    arena_reset(&a); /* also of an empty one */
}
END_TEST

START_TEST(a_copy_ends_in_a_nul)
{
    CLEANUP(arena_release) struct arena a = { 0 };

    struct str copy = arena_str(&a, STR("a\0b"));
    ck_assert(str_eq(copy, STR("a\0b")));
    ck_assert_int_eq(copy.ptr[3], '\0');
    struct str empty = arena_str(&a, (struct str){ 0 });
    ck_assert_uint_eq(empty.len, 0);
    ck_assert_str_eq(empty.ptr, "");
}
END_TEST

START_TEST(a_vector_keeps_what_was_pushed)
{
    struct pair {
        int a, b;
    };
    VEC(struct pair) v = { 0 };

    for (int i = 0; i < 10000; i++)
        vec_push(&v, ((struct pair){ i, -i }));
    ck_assert_uint_eq(v.len, 10000);
    for (int i = 0; i < 10000; i++)
        if (v.ptr[i].a != i || v.ptr[i].b != -i)
            ck_abort_msg("item %d", i);
    size_t cap = v.cap;
    vec_clear(&v);
    ck_assert_uint_eq(v.len, 0);
    ck_assert_uint_eq(v.cap, cap);
    vec_release(&v);
    ck_assert_ptr_null(v.ptr);
    vec_push(&v, ((struct pair){ 1, 2 }));
    ck_assert_int_eq(v.ptr[0].b, 2);
    vec_release(&v);
}
END_TEST

static int freed;

struct thing {
    int id;
};

static void thing_free(struct thing *t)
{
    if (t)
        freed += t->id;
}
DEFINE_CLEANUP(struct thing, thing_free)

static struct thing *give(struct thing *from, bool keep)
{
    CLEANUP(thing_free) struct thing *t = from;

    return keep ? TAKE(t) : NULL;
}

START_TEST(a_scope_frees_what_was_not_taken)
{
    struct thing thing = { 3 };

    freed = 0;
    ck_assert_ptr_eq(give(&thing, true), &thing);
    ck_assert_int_eq(freed, 0);
    ck_assert_ptr_null(give(&thing, false));
    ck_assert_int_eq(freed, 3);
}
END_TEST

START_TEST(copies_are_whole_and_nothing_is_never_null)
{
    char *copy = mem_strndup("ab\0c", 4), *text = mem_strdup("abc"), *empty = mem_strndup(NULL, 0);
    void *none = mem_calloc(0, 0), *shrunk = mem_realloc(NULL, 0);

    ck_assert_mem_eq(copy, "ab\0c", 5);
    ck_assert_str_eq(text, "abc");
    ck_assert_str_eq(empty, "");
    ck_assert_ptr_nonnull(none);
    ck_assert_ptr_nonnull(shrunk);
    ck_assert_ptr_eq(mem_check(text), text);
    free(copy), free(text), free(empty), free(none), free(shrunk);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, memory_is_zeroed_aligned_and_apart);
    tcase_add_test(tc, a_reset_starts_anew_in_the_same_memory);
    tcase_add_test(tc, a_copy_ends_in_a_nul);
    tcase_add_test(tc, a_vector_keeps_what_was_pushed);
    tcase_add_test(tc, a_scope_frees_what_was_not_taken);
    tcase_add_test(tc, copies_are_whole_and_nothing_is_never_null);
}
CHECK_MAIN("base/arena", add_tests)
