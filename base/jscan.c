#include "config.h"

#include "base/jscan.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Containers are skipped 64 bytes at a time, as bit masks: bit i says something of byte i. */
#define BLOCK_BYTES 64u
#define FEW_BYTES   24u /* are looked at one by one */

struct block_masks {
    uint64_t quotes;
    uint64_t backslashes;
    uint64_t opens;  /* { and [ */
    uint64_t closes; /* } and ] */
};

/* { and [ differ in bit 5 only, and so do } and ]: no other byte becomes one of them with it set.
 */
#define CASE_BIT 0x20
#define OPEN     '{'
#define CLOSE    '}'

#ifdef __SSE2__

static uint64_t equal_bits(__m128i bytes, char c)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
}

static struct block_masks block_scan(const char *at)
{
    struct block_masks m = { 0 };

    for (unsigned i = 0; i < BLOCK_BYTES; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + i));
        __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(CASE_BIT));
        m.quotes |= equal_bits(bytes, '"') << i;
        m.backslashes |= equal_bits(bytes, '\\') << i;
        m.opens |= equal_bits(folded, OPEN) << i;
        m.closes |= equal_bits(folded, CLOSE) << i;
    }
    return m;
}

/* Of 16 bytes: which are a quote or a backslash. */
static __m128i string_hits(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);

    return _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                        _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
}

/* Bit i: byte i of 16 is a quote or a backslash. */
static unsigned string_stops_16(const char *at)
{
    return (unsigned)_mm_movemask_epi8(string_hits(at));
}

static inline __attribute__((always_inline)) bool has_string_stop_64(const char *at)
{
    __m128i low = _mm_or_si128(string_hits(at), string_hits(at + 16));
    __m128i high = _mm_or_si128(string_hits(at + 32), string_hits(at + 48));

    return _mm_movemask_epi8(_mm_or_si128(low, high)) != 0;
}

#else

#define ONES UINT64_C(0x0101010101010101)
#define LOWS UINT64_C(0x7f7f7f7f7f7f7f7f)

static uint64_t load_le64(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Bit i of 8: byte i equals c.  The sum carries into bit 7 of every byte that differs from c, never
 * across bytes; the product gathers the eight answers into the top byte. */
static uint64_t equal_bits(uint64_t word, char c)
{
    uint64_t differs = word ^ (ONES * (unsigned char)c);
    uint64_t zeros = ~(((differs & LOWS) + LOWS) | differs | LOWS);

    return ((zeros >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

static struct block_masks block_scan(const char *at)
{
    struct block_masks m = { 0 };

    for (unsigned i = 0; i < BLOCK_BYTES; i += 8) {
        uint64_t word = load_le64(at + i);
        uint64_t folded = word | ONES * CASE_BIT;
        m.quotes |= equal_bits(word, '"') << i;
        m.backslashes |= equal_bits(word, '\\') << i;
        m.opens |= equal_bits(folded, OPEN) << i;
        m.closes |= equal_bits(folded, CLOSE) << i;
    }
    return m;
}

static unsigned string_stops_16(const char *at)
{
    uint64_t low = load_le64(at), high = load_le64(at + 8);
    uint64_t bits = equal_bits(low, '"') | equal_bits(low, '\\');

    bits |= (equal_bits(high, '"') | equal_bits(high, '\\')) << 8;
    return (unsigned)bits;
}

static inline __attribute__((always_inline)) bool has_string_stop_64(const char *at)
{
    return string_stops_16(at) | string_stops_16(at + 16) | string_stops_16(at + 32) |
           string_stops_16(at + 48);
}

#endif

static bool fail(struct jscan *s, size_t at)
{
    if (!s->failed) {
        s->failed = true;
        s->failed_at = at;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void pass_blanks(struct jscan *s)
{
    const char *text = s->text.ptr;
    size_t at = s->at, end = s->text.len;

    while (at < end && is_blank(text[at]))
        at++;
    s->at = at;
}

/* Most texts have none. */
static inline void skip_blanks(struct jscan *s)
{
    if (s->at < s->text.len && (unsigned char)s->text.ptr[s->at] <= ' ')
        pass_blanks(s);
}

void jscan_init(struct jscan *s, struct str text)
{
    *s = (struct jscan){ .text = text };
    /* RFC 8259 8.1 lets a parser ignore a byte order mark. */
    if (str_starts_with(text, STR("\xef\xbb\xbf")))
        s->at = 3;
}

enum jscan_type jscan_peek(struct jscan *s)
{
    static const uint8_t types[256] = {
        ['{'] = JSCAN_OBJECT, ['['] = JSCAN_ARRAY,  ['"'] = JSCAN_STRING, ['-'] = JSCAN_NUMBER,
        ['0'] = JSCAN_NUMBER, ['1'] = JSCAN_NUMBER, ['2'] = JSCAN_NUMBER, ['3'] = JSCAN_NUMBER,
        ['4'] = JSCAN_NUMBER, ['5'] = JSCAN_NUMBER, ['6'] = JSCAN_NUMBER, ['7'] = JSCAN_NUMBER,
        ['8'] = JSCAN_NUMBER, ['9'] = JSCAN_NUMBER, ['t'] = JSCAN_TRUE,   ['f'] = JSCAN_FALSE,
        ['n'] = JSCAN_NULL,
    };

    if (s->failed)
        return JSCAN_END;
    skip_blanks(s);
    if (s->at == s->text.len) {
        if (s->depth > 0)
            fail(s, s->at);
        return JSCAN_END;
    }
    enum jscan_type type = types[(unsigned char)s->text.ptr[s->at]];
    if (type == JSCAN_END)
        fail(s, s->at);
    return type;
}

/* --- strings --- */

/* The index of the closing quote of a string whose inside begins at `at`, or text.len. */
static size_t find_string_end(struct str text, size_t at, bool *ret_escaped)
{
    bool escaped = false;

    for (;;) {
        while (text.len - at >= 16) {
            unsigned stops = string_stops_16(text.ptr + at);
            if (stops) {
                at += (unsigned)__builtin_ctz(stops);
                break;
            }
            at += 16;
            while (text.len - at >= 64 && !has_string_stop_64(text.ptr + at))
                at += 64;
        }
        while (at < text.len && text.ptr[at] != '"' && text.ptr[at] != '\\')
            at++;
        if (at == text.len || text.ptr[at] == '"')
            break;
        escaped = true;
        if (text.len - at < 2) {
            at = text.len;
            break;
        }
        at += 2;
    }
    *ret_escaped = escaped;
    return at;
}

/* The same for who does not want to know of escapes: quotes are looked for, and backslashes only
 * before them. */
static size_t find_any_string_end(struct str text, size_t at)
{
    for (size_t from = at;; from = at) {
        const char *quote = memchr(text.ptr + at, '"', text.len - at);
        if (!quote)
            return text.len;
        size_t end = (size_t)(quote - text.ptr), escapes = end;
        while (escapes > from && text.ptr[escapes - 1] == '\\')
            escapes--;
        if ((end - escapes) % 2 == 0)
            return end;
        at = end + 1;
    }
}

/* The cursor is at an opening quote. */
static bool take_string(struct jscan *s, struct str *ret, bool *ret_escaped)
{
    size_t from = s->at + 1;
    size_t end = ret_escaped ? find_string_end(s->text, from, ret_escaped)
                             : find_any_string_end(s->text, from);

    if (end == s->text.len)
        return fail(s, end);
    *ret = (struct str){ s->text.ptr + from, end - from };
    s->at = end + 1;
    return true;
}

bool jscan_string_raw(struct jscan *s, struct str *ret, bool *ret_escaped)
{
    if (jscan_peek(s) != JSCAN_STRING || !take_string(s, ret, ret_escaped))
        return false;
    s->value_taken = true;
    return true;
}

bool jscan_string(struct jscan *s, struct buf *out)
{
    struct str raw;
    bool escaped;

    if (!jscan_string_raw(s, &raw, &escaped))
        return false;
    if (escaped)
        jscan_unescape(raw, out);
    else
        buf_add_str(out, raw);
    return true;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The value of \uXXXX at raw[at], -1 if there is none. */
static int32_t unicode_escape(struct str raw, size_t at)
{
    int32_t value = 0;

    if (raw.len - at < 6 || raw.ptr[at] != '\\' || raw.ptr[at + 1] != 'u')
        return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        int digit = hex_value(raw.ptr[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static void add_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_byte(out, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_add_byte(out, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            buf_add_byte(out, (char)(0xe0 | c >> 12));
        } else {
            buf_add_byte(out, (char)(0xf0 | c >> 18));
            buf_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
}

static bool is_high_surrogate(int32_t c)
{
    return c >= 0xd800 && c < 0xdc00;
}

static bool is_low_surrogate(int32_t c)
{
    return c >= 0xdc00 && c < 0xe000;
}

/* Undoes the escape at raw[at], a backslash, and returns how many bytes it took.  One that JSON
 * does not know stays as it is, so that nothing is lost. */
static size_t unescape_one(struct str raw, size_t at, struct buf *out)
{
    static const char short_forms[256] = {
        ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
        ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
    };
    int32_t c = unicode_escape(raw, at);

    if (is_high_surrogate(c)) {
        int32_t low = unicode_escape(raw, at + 6);
        if (is_low_surrogate(low)) {
            add_utf8(out, 0x10000 + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
            return 12;
        }
    }
    if (c >= 0) {
        add_utf8(out, is_high_surrogate(c) || is_low_surrogate(c) ? 0xfffd : (uint32_t)c);
        return 6;
    }
    if (at + 1 == raw.len) {
        buf_add_byte(out, '\\');
        return 1;
    }
    char known = short_forms[(unsigned char)raw.ptr[at + 1]];
    if (known)
        buf_add_byte(out, known);
    else
        buf_add(out, raw.ptr + at, 2);
    return 2;
}

void jscan_unescape(struct str raw, struct buf *out)
{
    size_t at = 0;

    while (at < raw.len) {
        const char *stop = memchr(raw.ptr + at, '\\', raw.len - at);
        size_t end = stop ? (size_t)(stop - raw.ptr) : raw.len;
        buf_add(out, raw.ptr + at, end - at);
        at = end;
        if (stop)
            at += unescape_one(raw, at, out);
    }
}

/* --- skipping --- */

/* Bit i: byte i is escaped by an odd run of backslashes before it.  Adding the runs that begin at
 * an odd bit to the backslashes carries each of them to its end; from there the parity of the end's
 * bit tells the parity of the run's length (Langdale and Lemire, "Parsing Gigabytes of JSON per
 * Second", 2019, section 3.1.1). */
static uint64_t escaped_bits(uint64_t backslashes, uint64_t *carry)
{
    const uint64_t even = UINT64_C(0x5555555555555555);

    if (!backslashes) {
        uint64_t first = *carry;
        *carry = 0;
        return first;
    }
    backslashes &= ~*carry;
    uint64_t follows = backslashes << 1 | *carry;
    uint64_t odd_starts = backslashes & ~even & ~follows;
    uint64_t ends;
    *carry = __builtin_add_overflow(odd_starts, backslashes, &ends);
    return (even ^ ends << 1) & follows;
}

/* Bit i: the number of bits set in 0..i is odd. */
static uint64_t prefix_xor(uint64_t bits)
{
    for (unsigned shift = 1; shift < 64; shift <<= 1)
        bits ^= bits << shift;
    return bits;
}

/* x86-64 without POPCNT would call a table-driven function of libgcc. */
static unsigned count_bits(uint64_t bits)
{
    if (!bits)
        return 0;
    bits -= bits >> 1 & UINT64_C(0x5555555555555555);
    bits = (bits & UINT64_C(0x3333333333333333)) + (bits >> 2 & UINT64_C(0x3333333333333333));
    bits = (bits + (bits >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(bits * UINT64_C(0x0101010101010101) >> 56);
}

/* The bit of the closing bracket that brings depth to zero; there may be none: 64. */
static unsigned find_last_close(uint64_t opens, uint64_t closes, size_t depth)
{
    for (; closes; closes &= closes - 1) {
        uint64_t bit = closes & -closes;
        depth += count_bits(opens & (bit - 1));
        opens &= ~(bit - 1);
        if (--depth == 0)
            return (unsigned)__builtin_ctzll(bit);
    }
    return 64;
}

/* To the next quote, or the backslash that escapes it: what is passed over, from a place in a
 * string that is not escaped, neither ends the string nor escapes what follows.  Most of a prompt.
 */
static size_t pass_in_string(struct str text, size_t at)
{
    if (text.len - at >= 16 && string_stops_16(text.ptr + at))
        return at; /* a short one */
    const char *quote = memchr(text.ptr + at, '"', text.len - at);
    size_t end = quote ? (size_t)(quote - text.ptr) : text.len, escapes = end;

    while (escapes > at && text.ptr[escapes - 1] == '\\')
        escapes--;
    return end - (end - escapes) % 2;
}

/* find_close for the end of a text, where a block would be mostly empty.  Outside strings, where a
 * backslash does not belong, it is taken as the blocks do. */
static size_t find_close_in_few(struct str text, size_t at, size_t depth, bool in_string)
{
    if (in_string)
        at = find_any_string_end(text, at) + 1;
    for (; at < text.len; at++) {
        char c = text.ptr[at], folded = (char)(c | CASE_BIT);
        if (c == '"')
            at = find_any_string_end(text, at + 1);
        else if (c == '\\' && text.len - at > 1 &&
                 (text.ptr[at + 1] == '"' || text.ptr[at + 1] == '\\'))
            at++;
        else if (folded == OPEN)
            depth++;
        else if (folded == CLOSE && --depth == 0)
            return at;
    }
    return text.len;
}

/* The index of the bracket that closes `depth` containers, the cursor being inside the innermost
 * one, outside any string; text.len if there is none. */
static size_t find_close(struct str text, size_t at, size_t depth)
{
    uint64_t escape_carry = 0, in_string = 0;
    char tail[BLOCK_BYTES];

    while (at < text.len) {
        const char *block = text.ptr + at;
        if (text.len - at < BLOCK_BYTES) {
            if (text.len - at < FEW_BYTES && !escape_carry)
                return find_close_in_few(text, at, depth, in_string != 0);
            memset(tail, ' ', sizeof(tail));
            memcpy(tail, block, text.len - at);
            block = tail;
        }
        struct block_masks m = block_scan(block);
        uint64_t quotes = m.quotes & ~escaped_bits(m.backslashes, &escape_carry);
        uint64_t strings = in_string;
        if (quotes) {
            strings ^= prefix_xor(quotes);
            in_string = 0 - (strings >> 63);
        }
        uint64_t opens = m.opens & ~strings, closes = m.closes & ~strings;
        if (opens | closes) {
            unsigned close_count = count_bits(closes);
            if (close_count >= depth) {
                unsigned bit = find_last_close(opens, closes, depth);
                if (bit < 64)
                    return at + bit;
            }
            depth = depth + count_bits(opens) - close_count;
        }
        at += BLOCK_BYTES;
        if (in_string && !escape_carry && at < text.len)
            at = pass_in_string(text, at);
    }
    return text.len;
}

/* The cursor is at an opening bracket. */
static bool skip_container(struct jscan *s)
{
    char close = s->text.ptr[s->at] == '{' ? '}' : ']';
    size_t end = find_close(s->text, s->at + 1, 1);

    if (end == s->text.len || s->text.ptr[end] != close)
        return fail(s, end);
    s->at = end + 1;
    return true;
}

/* Fails at the first byte that is wrong, which is text.len if the text is cut short. */
static bool skip_literal(struct jscan *s, struct str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (s->at + i == s->text.len || s->text.ptr[s->at + i] != word.ptr[i])
            return fail(s, s->at + i);
    s->at += word.len;
    return true;
}

/* One digit or more; false with *at where one is missing. */
static bool pass_digits(struct str text, size_t *at)
{
    size_t from = *at;

    while (*at < text.len && is_digit(text.ptr[*at]))
        ++*at;
    return *at > from;
}

/* Moves *at past a number by the grammar of RFC 8259 section 6, or to the byte that breaks it. */
static bool pass_number(struct str text, size_t *at)
{
    if (*at < text.len && text.ptr[*at] == '-')
        ++*at;
    size_t whole = *at;
    if (!pass_digits(text, at))
        return false;
    if (text.ptr[whole] == '0' && *at - whole > 1) {
        *at = whole + 1;
        return false;
    }
    if (*at < text.len && text.ptr[*at] == '.') {
        ++*at;
        if (!pass_digits(text, at))
            return false;
    }
    if (*at < text.len && (text.ptr[*at] | 0x20) == 'e') {
        ++*at;
        if (*at < text.len && (text.ptr[*at] == '+' || text.ptr[*at] == '-'))
            ++*at;
        return pass_digits(text, at);
    }
    return true;
}

static bool take_number(struct jscan *s, struct str *ret)
{
    size_t end = s->at;

    if (!pass_number(s->text, &end))
        return fail(s, end);
    *ret = str_sub(s->text, s->at, end - s->at);
    s->at = end;
    return true;
}

void jscan_skip(struct jscan *s)
{
    static const struct str words[] = {
        [JSCAN_TRUE] = STR_INIT("true"),
        [JSCAN_FALSE] = STR_INIT("false"),
        [JSCAN_NULL] = STR_INIT("null"),
    };
    enum jscan_type type = jscan_peek(s);
    struct str unused;

    if (type == JSCAN_END)
        fail(s, s->at);
    else if (type == JSCAN_OBJECT || type == JSCAN_ARRAY)
        skip_container(s);
    else if (type == JSCAN_STRING)
        take_string(s, &unused, NULL);
    else if (type == JSCAN_NUMBER)
        take_number(s, &unused);
    else
        skip_literal(s, words[type]);
    s->value_taken = true;
}

struct str jscan_skip_raw(struct jscan *s)
{
    jscan_peek(s); /* moves past blanks */
    size_t from = s->at;
    jscan_skip(s);
    return s->failed ? (struct str){ 0 } : str_sub(s->text, from, s->at - from);
}

/* --- walking --- */

static bool enter(struct jscan *s, enum jscan_type type)
{
    if (jscan_peek(s) != type)
        return false;
    if (s->depth == JSCAN_DEPTH_MAX)
        return fail(s, s->at);
    s->at++;
    s->fresh[s->depth / 8] |= (uint8_t)(1u << s->depth % 8);
    s->depth++;
    s->value_taken = true;
    return true;
}

bool jscan_enter_object(struct jscan *s)
{
    return enter(s, JSCAN_OBJECT);
}

bool jscan_enter_array(struct jscan *s)
{
    return enter(s, JSCAN_ARRAY);
}

static void leave(struct jscan *s)
{
    s->at++;
    s->depth--;
    s->value_taken = true;
}

/* Moves to the next member or element: past what is left of the last value and the comma. */
static bool next_item(struct jscan *s, char close)
{
    if (s->failed || s->depth == 0)
        return fail(s, s->at);
    if (!s->value_taken)
        jscan_skip(s);
    if (s->failed)
        return false;
    skip_blanks(s);
    if (s->at == s->text.len)
        return fail(s, s->at);

    int top = s->depth - 1;
    uint8_t bit = (uint8_t)(1u << top % 8);
    bool first = s->fresh[top / 8] & bit;
    s->fresh[top / 8] &= (uint8_t)~bit;
    if (s->text.ptr[s->at] == close) {
        leave(s);
        return false;
    }
    if (!first) {
        if (s->text.ptr[s->at] != ',')
            return fail(s, s->at);
        s->at++;
        skip_blanks(s);
    }
    return true;
}

/* `,"key":` of at most 15 bytes without blanks and escapes, as nearly all are: in one go.  False:
 * it is something else, and nothing has happened. */
static inline bool next_usual_member(struct jscan *s, struct str *ret_key)
{
    const char *at = s->text.ptr + s->at;

    if (!s->value_taken || s->failed || s->depth == 0 || s->text.len - s->at < 20)
        return false;
    uint8_t *fresh = &s->fresh[(s->depth - 1) / 8];
    unsigned bit = 1u << (s->depth - 1) % 8;
    bool is_first = *fresh & bit;
    if (!is_first && *at++ != ',')
        return false;
    if (*at++ != '"')
        return false;
    unsigned stops = string_stops_16(at);
    unsigned len = stops ? (unsigned)__builtin_ctz(stops) : 16;
    if (len > 15 || at[len] != '"' || at[len + 1] != ':')
        return false;
    *fresh = (uint8_t)(*fresh & ~bit);
    *ret_key = (struct str){ at, len };
    s->at = (size_t)(at - s->text.ptr) + len + 2;
    s->value_taken = false;
    return true;
}

bool jscan_next_member(struct jscan *s, struct str *ret_key)
{
    if (!s->value_taken && !s->failed && s->depth > 0)
        jscan_skip(s);
    if (next_usual_member(s, ret_key))
        return true;
    if (!next_item(s, '}'))
        return false;
    if (s->at == s->text.len || s->text.ptr[s->at] != '"')
        return fail(s, s->at);
    if (!take_string(s, ret_key, NULL))
        return false;
    skip_blanks(s);
    if (s->at == s->text.len || s->text.ptr[s->at] != ':')
        return fail(s, s->at);
    s->at++;
    s->value_taken = false;
    return true;
}

bool jscan_next_element(struct jscan *s)
{
    if (!next_item(s, ']'))
        return false;
    s->value_taken = false;
    return jscan_peek(s) != JSCAN_END;
}

void jscan_leave(struct jscan *s)
{
    if (s->failed || s->depth == 0) {
        fail(s, s->at);
        return;
    }
    s->at = find_close(s->text, s->at, 1);
    if (s->at == s->text.len)
        fail(s, s->at);
    else
        leave(s);
}

bool jscan_at_end(struct jscan *s)
{
    if (s->failed || s->depth > 0)
        return false;
    skip_blanks(s);
    return s->at == s->text.len;
}

/* --- scalars --- */

bool jscan_number(struct jscan *s, struct str *ret)
{
    if (jscan_peek(s) != JSCAN_NUMBER || !take_number(s, ret))
        return false;
    s->value_taken = true;
    return true;
}

/* A few digits and what ends a member: as nearly all are. */
static inline bool take_usual_int(struct jscan *s, int64_t *ret)
{
    size_t at = s->at, end = at + 10;
    int64_t n = 0;

    if (end >= s->text.len || s->failed)
        return false;
    const char *text = s->text.ptr;
    for (; at < end && is_digit(text[at]); at++)
        n = n * 10 + (text[at] - '0');
    if (at == s->at || (text[s->at] == '0' && at > s->at + 1) ||
        (text[at] != ',' && text[at] != '}'))
        return false;
    *ret = n;
    s->at = at;
    s->value_taken = true;
    return true;
}

bool jscan_int(struct jscan *s, int64_t *ret)
{
    struct str text;
    i128 value;

    if (take_usual_int(s, ret))
        return true;
    if (jscan_peek(s) != JSCAN_NUMBER) {
        if (!s->failed)
            jscan_skip(s);
        return false;
    }
    if (!jscan_number(s, &text))
        return false;
    if (str_to_i64(text, ret))
        return true;
    if (decimal_parse(text, 0, &value) != DECIMAL_OK || value < INT64_MIN || value > INT64_MAX)
        return false;
    *ret = (int64_t)value;
    return true;
}

bool jscan_bool(struct jscan *s, bool *ret)
{
    enum jscan_type type = jscan_peek(s);

    if (type != JSCAN_TRUE && type != JSCAN_FALSE)
        return false;
    jscan_skip(s);
    if (s->failed)
        return false;
    *ret = type == JSCAN_TRUE;
    return true;
}
