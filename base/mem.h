/* mem - allocation that never returns NULL, and scope-bound cleanup.
 *
 * Running out of memory ends the program.  What a peer or a file can make us
 * allocate is bounded by documented limits, so this is not theirs to trigger.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_calloc(size_t count, size_t size);
void *mem_realloc(void *ptr, size_t size);
/* ptr as it is, unless NULL: for what other libraries allocate for us. */
void *mem_check(void *ptr);
char *mem_strdup(const char *text);
/* A NUL-terminated copy of len bytes. */
char *mem_strndup(const char *bytes, size_t len);

/* CLEANUP(thing_free) struct thing *t = ...;  frees t when it leaves scope.
 * TAKE(t) hands t to the caller instead.  Each type opts in with DEFINE_CLEANUP;
 * a type held by value opts in with DEFINE_CLEANUP_VALUE. */
#define CLEANUP(fn) __attribute__((cleanup(fn##_at)))
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void fn##_at(type **place)                                                       \
    {                                                                                              \
        fn(*place);                                                                                \
    }
#define DEFINE_CLEANUP_VALUE(type, fn)                                                             \
    static inline void fn##_at(type *place)                                                        \
    {                                                                                              \
        fn(place);                                                                                 \
    }
#define TAKE(ptr)                                                                                  \
    __extension__({                                                                                \
        __typeof__(ptr) taken_ = (ptr);                                                            \
        (ptr) = NULL;                                                                              \
        taken_;                                                                                    \
    })

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
