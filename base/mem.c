#include "config.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
    fputs("fatal: out of memory\n", stderr);
    abort();
}

void *mem_check(void *ptr)
{
    if (!ptr)
        out_of_memory();
    return ptr;
}

void *mem_calloc(size_t count, size_t size)
{
    return mem_check(calloc(count ? count : 1, size ? size : 1));
}

void *mem_realloc(void *ptr, size_t size)
{
    return mem_check(realloc(ptr, size ? size : 1));
}

char *mem_strndup(const char *bytes, size_t len)
{
    char *copy = mem_calloc(1, len + 1);

    if (len)
        memcpy(copy, bytes, len);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}
