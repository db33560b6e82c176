#include "config.h"

#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Jansson takes a NUL byte between tokens for the end of the text, whatever follows. */
static int err_nul(struct str text, size_t at, struct err *err)
{
    size_t line = 1, begin = 0;

    for (size_t i = 0; i < at; i++)
        if (text.ptr[i] == '\n') {
            line++;
            begin = i + 1;
        }
    return err_set(err, ERR_CORRUPT, "%zu:%zu: NUL byte", line, at - begin + 1);
}

int json_parse(struct str text, json_t **ret, struct err *err)
{
    /* NUL inside a string is legal JSON (\u0000): values carry their length, so it may stay. */
    const size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    json_error_t error;
    ptrdiff_t nul = str_find_char(text, '\0', 0);

    if (nul >= 0)
        return err_nul(text, (size_t)nul, err);
    json_t *value = json_loadb(text.ptr ? text.ptr : "", text.len, flags, &error);

    if (!value) {
        /* Jansson quotes the input, which may hold control characters. */
        for (char *at = error.text; *at; at++)
            if (iscntrl((unsigned char)*at))
                *at = '?';
        return err_set(err, ERR_CORRUPT, "%d:%d: %s", error.line, error.column, error.text);
    }
    *ret = value;
    return 0;
}

json_t *json_get(const json_t *obj, const char *key)
{
    json_t *value = json_object_get(obj, key);

    return json_is_null(value) ? NULL : value;
}

struct str json_get_str(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);

    if (!json_is_string(value))
        return (struct str){ 0 };
    return (struct str){ json_string_value(value), json_string_length(value) };
}

/* What the second byte of a UTF-8 sequence may be, by its first byte (RFC 3629 section 4). */
struct utf8_lead {
    unsigned char first, last;            /* of the first byte */
    unsigned char second_min, second_max; /* no overlong forms, surrogates, or beyond U+10FFFF */
    size_t len;
};

static const struct utf8_lead utf8_leads[] = {
    {0xc2,  0xdf, 0x80, 0xbf, 2},
    { 0xe0, 0xe0, 0xa0, 0xbf, 3},
    { 0xe1, 0xec, 0x80, 0xbf, 3},
    { 0xed, 0xed, 0x80, 0x9f, 3},
    { 0xee, 0xef, 0x80, 0xbf, 3},
    { 0xf0, 0xf0, 0x90, 0xbf, 4},
    { 0xf1, 0xf3, 0x80, 0xbf, 4},
    { 0xf4, 0xf4, 0x80, 0x8f, 4},
};

/* Measures the sequence at `at` (not ASCII): *ret_len bytes, which are to be replaced as one if the
 * result is false (the maximal subpart of Unicode 3.9, as browsers do). */
static bool utf8_is_valid(struct str s, size_t at, size_t *ret_len)
{
    unsigned char lead = (unsigned char)s.ptr[at];

    *ret_len = 1;
    for (size_t i = 0; i < ARRAY_LEN(utf8_leads); i++) {
        const struct utf8_lead *row = &utf8_leads[i];
        if (lead < row->first || lead > row->last)
            continue;
        unsigned char min = row->second_min, max = row->second_max;
        for (; *ret_len < row->len; ++*ret_len) {
            if (at + *ret_len >= s.len)
                return false;
            unsigned char next = (unsigned char)s.ptr[at + *ret_len];
            if (next < min || next > max)
                return false;
            min = 0x80;
            max = 0xbf;
        }
        return true;
    }
    return false;
}

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char short_forms[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };

    if (short_forms[c]) {
        buf_add_byte(out, '\\');
        buf_add_byte(out, short_forms[c]);
    } else {
        buf_addf(out, "\\u%04x", c);
    }
}

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Whether one of eight bytes is a control character, a quote, a backslash, or not ASCII.  Exact: a
 * subtraction borrows only from a byte that is one, and the lowest such byte sets its own bit. */
static bool is_special(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE * '"', backslash = word ^ EACH_BYTE * '\\';
    uint64_t low = (word - EACH_BYTE * 0x20) | (quote - EACH_BYTE) | (backslash - EACH_BYTE);

    return (low | word) & EACH_BYTE * 0x80;
}

/* Moves past bytes that go out as they are, eight at a time: it may stop before one of them. */
static size_t pass_plain(struct str bytes, size_t at)
{
    uint64_t word;

    for (; bytes.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, bytes.ptr + at, sizeof(word));
        if (is_special(word))
            return at;
    }
    if (bytes.len >= sizeof(word)) { /* the rest, with some seen before */
        memcpy(&word, bytes.ptr + bytes.len - sizeof(word), sizeof(word));
        if (!is_special(word))
            return bytes.len;
    } else if (bytes.len > at) {
        word = EACH_BYTE * 'a';
        memcpy(&word, bytes.ptr + at, bytes.len - at);
        if (!is_special(word))
            return bytes.len;
    }
    return at;
}

void json_add_string(struct buf *out, struct str bytes)
{
    size_t clean = 0, at = pass_plain(bytes, 0); /* bytes[clean, at) go out as they are */

    char *to = buf_reserve(out, bytes.len + 2);
    if (at == bytes.len && at > 0) { /* as nearly all */
        to[0] = to[at + 1] = '"';
        memcpy(to + 1, bytes.ptr, at);
        out->len += at + 2;
        return;
    }
    buf_add_byte(out, '"');
    while (at < bytes.len) {
        unsigned char c = (unsigned char)bytes.ptr[at];
        size_t len = 1;
        bool valid = c < 0x80 || utf8_is_valid(bytes, at, &len);
        if (valid && c >= 0x20 && c != '"' && c != '\\') {
            at += len;
            continue;
        }
        buf_add_str(out, str_sub(bytes, clean, at - clean));
        if (valid)
            add_escaped(out, c);
        else
            buf_add_text(out, REPLACEMENT);
        clean = at + len;
        at = pass_plain(bytes, clean);
    }
    buf_add_str(out, str_sub(bytes, clean, at - clean));
    buf_add_byte(out, '"');
}

void json_add_key(struct buf *out, const char *key)
{
    char last = out->len ? out->ptr[out->len - 1] : '{';

    if (last != '{' && last != '[')
        buf_add_byte(out, ',');
    json_add_string(out, str_from(key));
    buf_add_byte(out, ':');
}

void json_add_str(struct buf *out, const char *key, struct str value)
{
    if (!value.ptr)
        return;
    json_add_key(out, key);
    json_add_string(out, value);
}

void json_add_int(struct buf *out, const char *key, int64_t value)
{
    json_add_key(out, key);
    buf_add_int(out, value);
}

void json_add_bool(struct buf *out, const char *key, bool value)
{
    json_add_key(out, key);
    buf_add_text(out, value ? "true" : "false");
}
