/* http_readings - HTTP/1.1 messages out of a string of bytes, as a careful reader sees them, and as
 * readers do that are known to be less careful.  Whoever passes messages on is safe if all of them
 * see the same ones: that is what request smuggling takes away.
 *
 * Nothing of weir is used here.
 */
#ifndef TESTS_HTTP_READINGS_H
#define TESTS_HTTP_READINGS_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

/* What a reader puts up with; READ_STRICT ends at the first thing that is not as RFC 9112 has it.
 */
enum {
    READ_STRICT = 0,
    READ_BARE_LF = 1,        /* a line may end with LF alone */
    READ_BARE_CR = 2,        /* or with CR alone */
    READ_LENGTH_FIRST = 4,   /* Content-Length beats Transfer-Encoding; else the other way round */
    READ_LAST_LENGTH = 8,    /* of several, the last one counts; else the first */
    READ_LOOSE_NAMES = 16,   /* blanks around a name, '_' for '-', any letters' case */
    READ_LOOSE_CODING = 32,  /* "chunked" anywhere in Transfer-Encoding will do */
    READ_LOOSE_NUMBERS = 64, /* blanks, signs and 0x before a size; whatever comes behind it */
    READ_FOLDED = 128,       /* a line that begins with a blank goes on with the one before */
};
#define READ_LOOSE (READ_LOOSE_NAMES | READ_LOOSE_CODING | READ_LOOSE_NUMBERS)

/* All the readers that a forwarded message must survive. */
static const unsigned readings[] = {
    READ_STRICT,
    READ_BARE_LF,
    READ_BARE_LF | READ_BARE_CR,
    READ_LENGTH_FIRST,
    READ_LENGTH_FIRST | READ_LAST_LENGTH,
    READ_LOOSE,
    READ_LOOSE | READ_BARE_LF | READ_FOLDED,
    READ_LOOSE | READ_BARE_LF | READ_BARE_CR | READ_LENGTH_FIRST,
    READ_LOOSE | READ_BARE_LF | READ_LENGTH_FIRST | READ_LAST_LENGTH | READ_FOLDED,
};

struct read_message {
    struct str words[2]; /* method and target, or version and status */
    struct str line, head;
    bool has_length, is_chunked, is_bad;
    unsigned long long length;
};

struct read_result {
    struct buf list;   /* "method target [body]\n" of each complete message */
    size_t count;      /* of them */
    size_t used;       /* bytes of complete messages */
    bool ended_in_one; /* bytes are left: part of a message, or what this reader does not take */
};

/* The length of the first line with its end, 0 if there is no end; *ret_text is without it. */
static inline size_t read_line(struct str in, unsigned how, struct str *ret_text, bool *bad)
{
    *ret_text = STR("");
    for (size_t i = 0; i < in.len; i++) {
        bool is_cr = in.ptr[i] == '\r', is_lf = in.ptr[i] == '\n';
        bool before_lf = is_cr && i + 1 < in.len && in.ptr[i + 1] == '\n';
        *ret_text = str_sub(in, 0, i);
        if (before_lf)
            return i + 2;
        if ((is_lf && how & READ_BARE_LF) || (is_cr && i + 1 < in.len && how & READ_BARE_CR))
            return i + 1;
        if (is_lf || (is_cr && i + 1 < in.len))
            *bad = true;
    }
    return 0;
}

static inline bool read_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static inline struct str read_trim(struct str s)
{
    while (s.len && read_is_blank(s.ptr[0]))
        s = str_sub(s, 1, s.len);
    while (s.len && read_is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static inline bool read_name_is(struct str name, const char *want, unsigned how)
{
    if (how & READ_LOOSE_NAMES)
        name = read_trim(name);
    if (name.len != strlen(want))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = (char)tolower((unsigned char)name.ptr[i]);
        if (how & READ_LOOSE_NAMES && c == '_')
            c = '-';
        if (c != want[i])
            return false;
    }
    return true;
}

static inline bool read_number(struct str text, int base, unsigned how, unsigned long long *ret)
{
    char copy[64], *end;

    snprintf(copy, sizeof(copy), "%.*s", STR_ARG(text));
    bool is_clean = text.len > 0 && text.len < 17;
    for (size_t i = 0; i < text.len; i++)
        is_clean &= base == 16 ? isxdigit((unsigned char)text.ptr[i]) != 0
                               : isdigit((unsigned char)text.ptr[i]) != 0;
    *ret = strtoull(copy, &end, base);
    return is_clean || (how & READ_LOOSE_NUMBERS && end != copy);
}

static inline bool read_contains(struct str s, const char *word)
{
    char copy[300];

    snprintf(copy, sizeof(copy), "%.*s", STR_ARG(s));
    return strcasestr(copy, word) != NULL;
}

static inline void read_field(struct str line, unsigned how, struct read_message *m)
{
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    struct str name = str_sub(line, 0, colon ? (size_t)(colon - line.ptr) : line.len);
    struct str value = read_trim(str_sub(line, name.len + 1, line.len));
    unsigned long long number;

    for (size_t i = 0; i < line.len; i++)
        m->is_bad |= how == READ_STRICT && (unsigned char)line.ptr[i] < 0x20 && line.ptr[i] != '\t';
    if (how == READ_STRICT && (!colon || name.len == 0 || isspace((unsigned char)line.ptr[0]) ||
                               isspace((unsigned char)name.ptr[name.len - 1])))
        m->is_bad = true;
    if (read_name_is(name, "content-length", how)) {
        if (!read_number(value, 10, how, &number) || (how == READ_STRICT && m->has_length))
            m->is_bad = true;
        if (!m->has_length || how & READ_LAST_LENGTH)
            m->length = number;
        m->has_length = true;
    }
    if (read_name_is(name, "transfer-encoding", how)) {
        if (how & READ_LOOSE_CODING)
            m->is_chunked |= read_contains(value, "chunked");
        else if (value.len == 7 && read_contains(value, "chunked"))
            m->is_chunked = true;
        else
            m->is_bad = true;
    }
}

/* The bytes of a head, 0 = it is not complete or not acceptable. */
static inline size_t read_head(struct str in, unsigned how, struct read_message *m)
{
    size_t at = 0, n;
    struct str line, rest;

    while ((n = read_line(str_sub(in, at, in.len), how, &line, &m->is_bad)) > 0 && !line.len &&
           !m->line.len)
        at += n; /* empty lines before a message */
    if (n == 0 || m->is_bad)
        return 0;
    m->line = rest = line;
    str_split(&rest, ' ', &m->words[0]);
    str_split(&rest, ' ', &m->words[1]);
    for (at += n; (n = read_line(str_sub(in, at, in.len), how, &line, &m->is_bad)) > 0; at += n) {
        if (line.len == 0)
            return m->is_bad ? 0 : at + n;
        if (how & READ_FOLDED && read_is_blank(line.ptr[0]))
            m->is_chunked |= read_contains(line, "chunked");
        else
            read_field(line, how, m);
    }
    return 0;
}

/* The bytes of a chunked body; 0 likewise. */
static inline size_t read_chunks(struct str in, unsigned how, struct buf *body)
{
    unsigned long long size = 1;
    struct str line;
    bool bad = false;
    size_t at = 0, n;

    while (size > 0) {
        n = read_line(str_sub(in, at, in.len), how, &line, &bad);
        ptrdiff_t semicolon = str_find_char(line, ';', 0);
        if (n == 0 || bad ||
            !read_number(str_sub(line, 0, semicolon < 0 ? line.len : (size_t)semicolon), 16, how,
                         &size))
            return 0;
        at += n;
        if (size == 0)
            break;
        if (size > in.len || at + size > in.len)
            return 0;
        buf_add_str(body, str_sub(in, at, (size_t)size));
        at += (size_t)size;
        n = read_line(str_sub(in, at, in.len), how, &line, &bad);
        if (n == 0 || line.len || bad)
            return 0;
        at += n;
    }
    while ((n = read_line(str_sub(in, at, in.len), how, &line, &bad)) > 0 && line.len && !bad)
        at += n; /* trailers */
    return n && !bad ? at + n : 0;
}

/* One message: its bytes, 0 = not complete or not acceptable.  without_body: it answers HEAD. */
static inline size_t read_one(struct str in, unsigned how, bool without_body, bool is_whole,
                              struct read_message *m, struct buf *body)
{
    size_t head = read_head(in, how, m);
    struct str rest = str_sub(in, head, in.len);
    bool is_response = str_starts_with(m->words[0], STR("HTTP/"));
    const char *status = m->words[1].ptr;

    if (head == 0 || (how == READ_STRICT && m->has_length && m->is_chunked))
        return 0;
    if (without_body ||
        (is_response && m->words[1].len == 3 &&
         (status[0] == '1' || !memcmp(status, "204", 3) || !memcmp(status, "304", 3))))
        return head;
    if (m->is_chunked && !(how & READ_LENGTH_FIRST && m->has_length)) {
        size_t n = read_chunks(rest, how, body);
        return n ? head + n : 0;
    }
    if (!m->has_length) {
        if (!is_response)
            return head;
        buf_add_str(body, rest);
        return is_whole ? in.len : 0;
    }
    if (m->length > rest.len)
        return 0;
    buf_add_str(body, str_sub(rest, 0, (size_t)m->length));
    return head + (size_t)m->length;
}

/* All messages in bytes; is_whole: no more will come.  first_is_head: the first, behind interim
 * answers, answers HEAD. */
static inline void read_all(struct str bytes, unsigned how, bool first_is_head, bool is_whole,
                            struct read_result *ret)
{
    CLEANUP(buf_release) struct buf body = { 0 };

    bool is_head = first_is_head;

    *ret = (struct read_result){ 0 };
    while (ret->used < bytes.len) {
        struct read_message m = { 0 };
        buf_clear(&body);
        size_t n =
            read_one(str_sub(bytes, ret->used, bytes.len), how, is_head, is_whole, &m, &body);
        if (n == 0)
            break;
        is_head = is_head && m.words[1].len == 3 && m.words[1].ptr[0] == '1';
        buf_add_str(&ret->list, m.words[0]);
        buf_add_byte(&ret->list, ' ');
        buf_add_str(&ret->list, m.words[1]);
        buf_add_text(&ret->list, " [");
        buf_add_str(&ret->list, buf_str(&body));
        buf_add_text(&ret->list, "]\n");
        ret->count++;
        ret->used += n;
    }
    ret->ended_in_one = ret->used < bytes.len;
    buf_cstr(&ret->list);
}

#endif
