/* buf - bytes we own, that grow, and that we reuse.  Zero-initialised is empty and ready.
 *
 * The caller bounds what it appends; a buf itself has no limit but memory.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
};

void buf_free(struct buf *buf);
/* Most that are let go of in passing were never used. */
static inline void buf_release(struct buf *buf)
{
    if (buf->ptr)
        buf_free(buf);
    else
        *buf = (struct buf){ 0 };
}
DEFINE_CLEANUP_VALUE(struct buf, buf_release)
/* Empties it and keeps the allocation. */
static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
}
/* For buf_reserve: there is no room, or no memory yet. */
char *buf_grow(struct buf *buf, size_t extra);
/* Makes room for extra more bytes and returns where they go; add them with buf->len += n. */
static inline char *buf_reserve(struct buf *buf, size_t extra)
{
    return buf->ptr && extra <= buf->cap - buf->len ? buf->ptr + buf->len : buf_grow(buf, extra);
}
/* Here and below, what is added must not lie within buf itself. */
void buf_add(struct buf *buf, const void *bytes, size_t len);
static inline void buf_add_str(struct buf *buf, struct str s)
{
    buf_add(buf, s.ptr, s.len);
}
static inline void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}
static inline void buf_add_byte(struct buf *buf, char byte)
{
    if (buf->len == buf->cap)
        buf_reserve(buf, 1);
    buf->ptr[buf->len++] = byte;
}
/* In decimal: printf takes a multiple of the time. */
void buf_add_int(struct buf *buf, int64_t n);
void buf_addf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addvf(struct buf *buf, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Removes the first n bytes; O(len). */
void buf_consume(struct buf *buf, size_t n);
/* The bytes, valid until the next change. */
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){ buf->ptr, buf->len };
}
/* The bytes as a C string (a NUL is kept past the end), valid until the next change. */
const char *buf_cstr(struct buf *buf);

#endif
