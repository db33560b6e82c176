/* vec - a growing array of any type.
 *
 *     VEC(struct row) rows = { 0 };
 *     vec_push(&rows, ((struct row){ ... }));
 *     for (size_t i = 0; i < rows.len; i++) use(&rows.ptr[i]);
 *     vec_release(&rows);
 *
 * Pointers to items are valid until the next push.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <stdlib.h>

#include "base/mem.h"

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *ptr;                                                                                 \
        size_t len, cap; /* items */                                                               \
    }

#define vec_push(v, ...)                                                                           \
    do {                                                                                           \
        if ((v)->len == (v)->cap) {                                                                \
            (v)->cap = (v)->cap ? (v)->cap * 2 : 8;                                                \
            (v)->ptr = mem_realloc((v)->ptr, (v)->cap * sizeof(*(v)->ptr));                        \
        }                                                                                          \
        (v)->ptr[(v)->len++] = __VA_ARGS__;                                                        \
    } while (0)

/* Makes room for that many in all. */
#define vec_reserve(v, count)                                                                      \
    do {                                                                                           \
        if ((v)->cap < (count)) {                                                                  \
            (v)->cap = (count);                                                                    \
            (v)->ptr = mem_realloc((v)->ptr, (v)->cap * sizeof(*(v)->ptr));                        \
        }                                                                                          \
    } while (0)

#define vec_clear(v) ((v)->len = 0)

#define vec_release(v)                                                                             \
    do {                                                                                           \
        free((v)->ptr);                                                                            \
        (v)->ptr = NULL;                                                                           \
        (v)->len = (v)->cap = 0;                                                                   \
    } while (0)

#endif
