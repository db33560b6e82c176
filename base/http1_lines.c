#include "config.h"

#include "base/http1_lines.h"

#include <string.h>

void http1_lines_release(struct http1_lines *l)
{
    vec_release(&l->runs);
    vec_release(&l->headers);
    buf_release(&l->raw);
    l->next = l->count = 0;
}

void http1_lines_clear(struct http1_lines *l)
{
    vec_clear(&l->runs);
    l->next = l->count = 0;
}

void http1_lines_keep(struct http1_lines *l, struct buf *raw, http1_headers *headers)
{
    struct buf bytes = l->raw;
    http1_headers fields = l->headers;

    l->raw = *raw;
    l->headers = *headers;
    *raw = bytes;
    *headers = fields;
}

/* --- lines that come again --- */

/* Behind the line of h, one in the usual form. */
static const char *end_of(const struct http1_header *h)
{
    return h->value.ptr + h->value.len + 2;
}

/* How many bytes of a and b are the same, of len. */
static size_t same_bytes(const char *a, const char *b, size_t len)
{
    size_t i = 0, piece = 64; /* memcmp says only whether, but looks at many at once */

    for (; piece > 1; piece /= 8)
        while (len - i >= piece && memcmp(a + i, b + i, piece) == 0)
            i += piece;
    while (i < len && a[i] == b[i])
        i++;
    return i;
}

/* The lines from first on that in begins with: their number, and their bytes.  One that llhttp is
 * to see stays alone. */
static size_t count_same(const struct http1_lines *l, size_t first, struct str in, size_t *ret_len)
{
    const struct http1_header *h = &l->headers.ptr[first], *end = l->headers.ptr + l->headers.len;
    const char *from = h->name.ptr;
    bool is_alone = http1_field_is_framing(h->field);
    size_t count = 0;

    if (!h->is_usual || *from != *in.ptr)
        return 0;
    size_t len = (size_t)((is_alone ? end_of(h) : l->raw.ptr + l->raw.len) - from);
    size_t same = same_bytes(from, in.ptr, len < in.len ? len : in.len);
    for (; h < end && h->is_usual && (size_t)(end_of(h) - from) <= same; h++, count++) {
        if (count && (is_alone || http1_field_is_framing(h->field)))
            break;
        *ret_len = (size_t)(end_of(h) - from);
    }
    return count;
}

/* In their order: the next one; or one that was passed over, if what came instead was put in; or
 * the one behind it, if it is left out this time. */
size_t http1_lines_repeat(struct http1_lines *l, struct str in, uint32_t at)
{
    const size_t places[] = { l->next, l->next - 1, l->next + 1 };
    size_t count = 0, len = 0;

    for (size_t i = 0; in.len && !count && i < ARRAY_LEN(places); i++) {
        size_t place = places[i];
        if (place < l->headers.len)
            count = count_same(l, place, in, &len);
        if (!count)
            continue;
        bool is_framing = http1_field_is_framing(l->headers.ptr[place].field);
        vec_push(&l->runs, ((struct http1_run){ .at = at,
                                                .count = (uint32_t)count,
                                                .before = (uint32_t)place + 1,
                                                .is_known = !is_framing }));
        l->next = place + count;
        l->count += count;
    }
    return len;
}

/* What is new mostly stands in the place of one that is not there any more. */
void http1_lines_add(struct http1_lines *l, uint32_t at)
{
    vec_push(&l->runs, ((struct http1_run){ .at = at, .count = 1 }));
    l->next++;
    l->count++;
}

/* --- their headers --- */

/* Those of a run, at another place. */
static void move_headers(const struct http1_header *before, size_t count, const char *at,
                         struct http1_header *ret)
{
    const char *from = before->name.ptr;

    for (size_t i = 0; i < count; i++) {
        ret[i] = before[i];
        ret[i].name.ptr = at + (before[i].name.ptr - from);
        ret[i].value.ptr = at + (before[i].value.ptr - from);
        ret[i].is_hop = false;
    }
}

/* Does llhttp see in a line that comes again what was seen in it before? */
static bool is_told(const struct http1_header *told, const struct http1_header *moved)
{
    return told->name.ptr == moved->name.ptr && told->name.len == moved->name.len &&
           told->value.len == moved->value.len &&
           (!moved->value.len || told->value.ptr == moved->value.ptr);
}

bool http1_lines_tile(const struct http1_lines *l, struct str raw, uint32_t (*tag)(struct str name),
                      http1_headers *headers)
{
    size_t told = headers->len, to = l->count, end = raw.len - 2;

    /* From the last one on, as then each finds its place free: those told of are the fewer. */
    vec_reserve(headers, l->count);
    headers->len = l->count;
    for (size_t i = l->runs.len; i-- > 0; end = l->runs.ptr[i].at) {
        const struct http1_run *run = &l->runs.ptr[i];
        const struct http1_header *before = run->before ? &l->headers.ptr[run->before - 1] : NULL;
        to -= run->count;
        if (!run->is_known && told == 0)
            return false;
        struct http1_header h = run->is_known ? *before : headers->ptr[--told];
        if (before) {
            move_headers(before, run->count, raw.ptr + run->at, &headers->ptr[to]);
            if (!run->is_known && !is_told(&h, &headers->ptr[to]))
                return false;
            continue;
        }
        if (!http1_tile_line(str_sub(raw, run->at, end - run->at), &h))
            return false;
        h.field = http1_field_of(h.name);
        h.tags = tag ? tag(h.name) : 0;
        headers->ptr[to] = h;
    }
    return told == 0;
}
