#include "config.h"

#include "capture/scrub_plain.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void scrub_plain_release(struct scrub_plain *p)
{
    buf_release(&p->text);
    free(p->origins);
    *p = (struct scrub_plain){ 0 };
}

void scrub_plain_clear(struct scrub_plain *p)
{
    buf_clear(&p->text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of count hex digits at; -1 = they are none. */
static int hex_at(struct str s, size_t at, size_t count)
{
    int value = 0;

    if (s.len < at + count)
        return -1;
    for (size_t i = at; i < at + count; i++) {
        int d = hex_digit(s.ptr[i]);
        if (d < 0)
            return -1;
        value = value * 16 + d;
    }
    return value;
}

static bool has_percent(struct str text)
{
    for (const char *at = text.ptr, *end = text.ptr + text.len;
         (at = memchr(at, '%', (size_t)(end - at))) != NULL; at++)
        if (hex_at(text, (size_t)(at - text.ptr) + 1, 2) >= 0)
            return true;
    return false;
}

bool scrub_plain_has(struct str text, unsigned escapes)
{
    if (text.len == 0)
        return false;
    return (escapes & SCRUB_JSON && memchr(text.ptr, '\\', text.len)) ||
           (escapes & SCRUB_PERCENT && has_percent(text)) ||
           (escapes & SCRUB_FORM && memchr(text.ptr, '+', text.len));
}

/* --- one escape or character --- */

/* Characters that stand for a plain one, or (0) for nothing. */
static uint32_t plain_of(uint32_t c)
{
    static const struct {
        uint32_t first, last, plain;
        bool counts; /* last - first + 1 plain characters in a row */
    } rows[] = {
        {0x00a0,  0x00a0, ' ', false},
        { 0x00ad, 0x00ad, 0,   false}, /* soft hyphen */
        { 0x0660, 0x0669, '0', true }, /* Arabic digits */
        { 0x06f0, 0x06f9, '0', true },
        { 0x0966, 0x096f, '0', true }, /* Devanagari digits */
        { 0x2000, 0x200a, ' ', false},
        { 0x200b, 0x200f, 0,   false}, /* zero width */
        { 0x2010, 0x2015, '-', false},
        { 0x202a, 0x202e, 0,   false}, /* directions */
        { 0x202f, 0x202f, ' ', false},
        { 0x205f, 0x205f, ' ', false},
        { 0x2060, 0x2064, 0,   false},
        { 0x2066, 0x2069, 0,   false},
        { 0x2212, 0x2212, '-', false},
        { 0x3000, 0x3000, ' ', false},
        { 0xfeff, 0xfeff, 0,   false},
        { 0xff01, 0xff5e, '!', true }, /* full width */
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (c >= rows[i].first && c <= rows[i].last)
            return rows[i].counts ? rows[i].plain + (c - rows[i].first) : rows[i].plain;
    return c;
}

/* One step through a text: what stands at, and how much of the text it takes. */
struct step {
    char bytes[4];
    size_t count; /* of bytes; may be 0 */
    size_t taken;
};

static void put_character(struct step *s, uint32_t c)
{
    c = plain_of(c);
    if (c == 0)
        return;
    if (c < 0x80) {
        s->bytes[s->count++] = (char)c;
    } else if (c < 0x800) {
        s->bytes[s->count++] = (char)(0xc0 | c >> 6);
        s->bytes[s->count++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        s->bytes[s->count++] = (char)(0xe0 | c >> 12);
        s->bytes[s->count++] = (char)(0x80 | (c >> 6 & 0x3f));
        s->bytes[s->count++] = (char)(0x80 | (c & 0x3f));
    } else {
        s->bytes[s->count++] = (char)(0xf0 | c >> 18);
        s->bytes[s->count++] = (char)(0x80 | (c >> 12 & 0x3f));
        s->bytes[s->count++] = (char)(0x80 | (c >> 6 & 0x3f));
        s->bytes[s->count++] = (char)(0x80 | (c & 0x3f));
    }
}

static void put_byte(struct step *s, char c, size_t taken)
{
    s->bytes[s->count++] = c;
    s->taken = taken;
}

static void step_backslash(struct str t, size_t at, struct step *s)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    char c = at + 1 < t.len ? t.ptr[at + 1] : '\0';
    const char *name = c ? strchr(names, c) : NULL;
    int unit = c == 'u' ? hex_at(t, at + 2, 4) : -1;

    if (unit >= 0) {
        int low = unit >= 0xd800 && unit < 0xdc00 && at + 7 < t.len && t.ptr[at + 6] == '\\' &&
                          t.ptr[at + 7] == 'u'
                      ? hex_at(t, at + 8, 4)
                      : -1;
        bool pair = low >= 0xdc00 && low < 0xe000;
        if (unit == 0)
            put_byte(s, '\0', 6);
        else
            put_character(s, pair ? 0x10000 +
                                        (((uint32_t)unit & 0x3ff) << 10 | ((uint32_t)low & 0x3ff))
                                  : (uint32_t)unit);
        s->taken = pair ? 12 : 6;
    } else if (name) {
        put_byte(s, values[name - names], 2);
    } else if (c == '"' || c == '\\' || c == '/') {
        put_byte(s, c, 2);
    } else {
        put_byte(s, '\\', 1);
    }
}

/* Characters that plain_of knows are two or three bytes long in UTF-8. */
static void step_high(struct str t, size_t at, struct step *s)
{
    unsigned char c = (unsigned char)t.ptr[at];
    size_t len = c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;
    uint32_t value = len == 3 ? c & 15u : c & 31u;

    for (size_t i = 1; i < len; i++) {
        unsigned char next = at + i < t.len ? (unsigned char)t.ptr[at + i] : 0;
        if ((next & 0xc0) != 0x80)
            len = 1;
        value = value << 6 | (next & 0x3fu);
    }
    if (len == 1) {
        put_byte(s, (char)c, 1);
        return;
    }
    put_character(s, value);
    s->taken = len;
}

static void take_step(struct str t, size_t at, unsigned escapes, struct step *s)
{
    char c = t.ptr[at];
    int byte = c == '%' && escapes & SCRUB_PERCENT ? hex_at(t, at + 1, 2) : -1;

    s->count = 0;
    if (c == '\\' && escapes & SCRUB_JSON)
        step_backslash(t, at, s);
    else if (byte >= 0)
        put_byte(s, (char)byte, 3);
    else if (c == '+' && escapes & SCRUB_FORM)
        put_byte(s, ' ', 1);
    else if ((unsigned char)c >= 0x80)
        step_high(t, at, s);
    else
        put_byte(s, c, 1);
}

/* --- whole texts --- */

static void reserve(struct scrub_plain *p, size_t extra)
{
    buf_reserve(&p->text, extra);
    if (p->cap < p->text.cap) {
        p->cap = p->text.cap;
        p->origins = mem_realloc(p->origins, p->cap * sizeof(*p->origins));
    }
}

static void put(struct scrub_plain *p, const struct step *s, struct scrub_origin origin)
{
    for (size_t i = 0; i < s->count; i++) {
        p->origins[p->text.len] = origin;
        p->text.ptr[p->text.len++] = s->bytes[i];
    }
}

/* Copies what stands for itself, whatever escapes there are; returns how many bytes that was. */
static size_t copy_ordinary(struct scrub_plain *p, struct str raw, size_t at, uint32_t base)
{
    size_t from = at, to = p->text.len;

    for (; at < raw.len; at++, to++) {
        char c = raw.ptr[at];
        if (c == '\\' || c == '%' || c == '+' || (unsigned char)c >= 0x80)
            break;
        p->text.ptr[to] = c;
        p->origins[to] = (struct scrub_origin){ base + (uint32_t)at, base + (uint32_t)at + 1 };
    }
    p->text.len = to;
    return at - from;
}

void scrub_plain_add(struct scrub_plain *p, struct str raw, uint32_t base, unsigned escapes)
{
    struct step s;

    reserve(p, raw.len + sizeof(s.bytes)); /* no step gives more bytes than it takes */
    for (size_t at = 0; at < raw.len; at += s.taken) {
        at += copy_ordinary(p, raw, at, base);
        if (at == raw.len)
            return;
        take_step(raw, at, escapes, &s);
        put(p, &s, (struct scrub_origin){ base + (uint32_t)at, base + (uint32_t)(at + s.taken) });
    }
}

void scrub_plain_again(struct scrub_plain *to, const struct scrub_plain *from, unsigned escapes)
{
    struct str text = buf_str(&from->text);
    struct step s;

    scrub_plain_clear(to);
    reserve(to, text.len + sizeof(s.bytes));
    for (size_t at = 0; at < text.len; at += s.taken) {
        take_step(text, at, escapes, &s);
        put(to, &s,
            (struct scrub_origin){ from->origins[at].start, from->origins[at + s.taken - 1].end });
    }
}
