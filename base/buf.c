#include "config.h"

#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_free(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){ 0 };
}

char *buf_grow(struct buf *buf, size_t extra)
{
    assert(extra < SIZE_MAX / 4 && buf->len < SIZE_MAX / 4);
    size_t need = buf->len + extra;
    if (need > buf->cap || !buf->ptr) {
        size_t cap = buf->cap ? buf->cap * 2 : 64;
        if (cap < need)
            cap = need;
        buf->ptr = mem_realloc(buf->ptr, cap);
        buf->cap = cap;
    }
    return buf->ptr + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(buf, len), bytes, len);
    buf->len += len;
}

void buf_add_int(struct buf *buf, int64_t n)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334"
        "3536373839404142434445464748495051525354555657585960616263646566676869"
        "707172737475767778798081828384858687888990919293949596979899";
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n, bound = 10;
    size_t len = 1 + (n < 0);
    char *to = buf_reserve(buf, 20);

    for (; left >= bound; bound *= 10)
        len++;
    buf->len += len;
    to[0] = '-';
    for (to += len; left >= 100; left /= 100)
        memcpy(to -= 2, &pairs[left % 100 * 2], 2);
    if (left >= 10)
        memcpy(to - 2, &pairs[left * 2], 2);
    else
        to[-1] = (char)('0' + left);
}

void buf_addvf(struct buf *buf, const char *fmt, va_list args)
{
    va_list again;

    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    assert(n >= 0); /* else a wide character or 2 GiB, neither of which we print */
    vsnprintf(buf_reserve(buf, (size_t)n + 1), (size_t)n + 1, fmt, again);
    buf->len += (size_t)n;
    va_end(again);
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_addvf(buf, fmt, args);
    va_end(args);
}

void buf_consume(struct buf *buf, size_t n)
{
    assert(n <= buf->len);
    if (n == 0)
        return;
    memmove(buf->ptr, buf->ptr + n, buf->len - n);
    buf->len -= n;
}

const char *buf_cstr(struct buf *buf)
{
    *buf_reserve(buf, 1) = '\0';
    return buf->ptr;
}
