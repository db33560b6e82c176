/* Changes of an answer's text, and of how it is cut into chunks. */
#include "config.h"

#include "replay/fault_draft.h"

#include <stdlib.h>

#include "base/timestamp.h"
#include "replay/eventstream.h"

#define FRAME_AROUND 16u   /* prelude and both checksums */
#define PAUSE_US     2000u /* so that two halves leave in two segments */
#define PAUSES_MAX   32
#define CHUNKS_MAX   100000 /* the rest is not cut any more */
#define SLICES       20     /* in a second, where the bandwidth is limited */

/* --- events --- */

/* A message's payload, edited. */
static void edit_message(struct str message, fault_edit_fn *edit, struct buf *out)
{
    CLEANUP(buf_release) struct buf payload = { 0 };
    const uint8_t *bytes = (const uint8_t *)message.ptr;
    size_t headers = message.len < FRAME_AROUND ? message.len
                                                : (size_t)bytes[4] << 24 | (size_t)bytes[5] << 16 |
                                                      (size_t)bytes[6] << 8 | bytes[7];

    if (message.len < FRAME_AROUND || headers > message.len - FRAME_AROUND) {
        buf_add_str(out, message); /* a cut one */
        return;
    }
    edit(str_sub(message, 12 + headers, message.len - FRAME_AROUND - headers), &payload);
    eventstream_add(out, str_sub(message, 12, headers), buf_str(&payload));
}

static void edit_piece(const struct fault_draft *d, size_t piece, fault_edit_fn *edit,
                       struct buf *out)
{
    const struct fault_piece *p = &d->pieces.list.ptr[piece];
    struct str bytes = str_sub(buf_str(&d->from->body), p->start, p->end - p->start);

    if (d->pieces.framing == FRAMING_EVENTSTREAM)
        edit_message(bytes, edit, out);
    else
        edit(bytes, out);
}

/* Where the piece's first byte left. */
static uint64_t piece_time(const struct fault_draft *d, size_t piece)
{
    return fault_draft_time(d, d->pieces.list.ptr[piece].start + 1);
}

void fault_edit_one(struct fault_draft *d, size_t piece, fault_edit_fn *edit)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const struct fault_piece *p = &d->pieces.list.ptr[piece];

    fault_draft_copy(d, 0, p->start, 0);
    edit_piece(d, piece, edit, &out);
    answer_add_chunk(d->to, piece_time(d, piece), buf_str(&out));
    fault_draft_copy(d, p->end, d->from->body.len, 0);
}

void fault_edit_all(struct fault_draft *d, fault_edit_fn *edit)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    for (size_t i = 0; i < d->pieces.list.len; i++) {
        buf_clear(&out);
        edit_piece(d, i, edit, &out);
        if (out.len)
            answer_add_chunk(d->to, piece_time(d, i), buf_str(&out));
    }
}

/* --- JSON --- */

/* A string's place, from quote to quote. */
static size_t string_end(struct str s, size_t start)
{
    size_t at = start + 1;

    while (at < s.len && s.ptr[at] != '"')
        at += s.ptr[at] == '\\' ? 2 : 1;
    return at < s.len ? at + 1 : s.len;
}

static size_t skip_blanks(struct str s, size_t at)
{
    while (at < s.len && s.ptr[at] == ' ')
        at++;
    return at;
}

/* Where the value begins if start to end is a member's name; 0 = it is not. */
static size_t value_of_name(struct str s, size_t end)
{
    size_t at = skip_blanks(s, end);

    return at < s.len && s.ptr[at] == ':' ? skip_blanks(s, at + 1) : 0;
}

static bool is_count(struct str name)
{
    static const char *const ends[] = { "tokens", "Tokens", "TokenCount", "eval_count" };

    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (str_ends_with(name, str_from(ends[i])))
            return true;
    return false;
}

void fault_edit_zero_usage(struct str json, struct buf *out)
{
    for (size_t at = 0; at < json.len;) {
        if (json.ptr[at] != '"') {
            buf_add_byte(out, json.ptr[at++]);
            continue;
        }
        size_t end = string_end(json, at), value = value_of_name(json, end);
        bool counts = value && is_count(str_sub(json, at + 1, end - at - 2));
        size_t digits = value;
        while (counts && digits < json.len && json.ptr[digits] >= '0' && json.ptr[digits] <= '9')
            digits++;
        buf_add_str(out, str_sub(json, at, (counts && digits > value ? value : end) - at));
        if (counts && digits > value)
            buf_add_byte(out, '0');
        at = counts && digits > value ? digits : end;
    }
}

static size_t value_end(struct str s, size_t at)
{
    int depth = 0;

    for (; at < s.len; at++) {
        char c = s.ptr[at];
        if (c == '"') {
            at = string_end(s, at) - 1;
            continue;
        }
        if (!depth && (c == ',' || c == '}' || c == ']' || c == '\n'))
            return at;
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    }
    return s.len;
}

static bool is_usage(struct str name)
{
    static const char *const names[] = { "usage", "usageMetadata", "prompt_eval_count",
                                         "eval_count" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, str_from(names[i])))
            return true;
    return false;
}

void fault_edit_no_usage(struct str json, struct buf *out)
{
    for (size_t at = 0; at < json.len;) {
        if (json.ptr[at] != '"') {
            buf_add_byte(out, json.ptr[at++]);
            continue;
        }
        size_t end = string_end(json, at), value = value_of_name(json, end);
        if (!value || !is_usage(str_sub(json, at + 1, end - at - 2))) {
            buf_add_str(out, str_sub(json, at, end - at));
            at = end;
            continue;
        }
        at = value_end(json, value);
        while (out->len && out->ptr[out->len - 1] == ' ')
            out->len--;
        if (out->len && out->ptr[out->len - 1] == ',')
            out->len--;
        else if (at < json.len && json.ptr[at] == ',')
            at++;
    }
}

/* No JSON any more, and yet all of it is there. */
void fault_edit_malformed(struct str json, struct buf *out)
{
    ptrdiff_t brace = str_find_char(json, '{', 0);
    size_t at = brace < 0 ? 0 : (size_t)brace + 1;

    buf_add_str(out, str_sub(json, 0, at));
    buf_add_text(out, "malformed ");
    buf_add_str(out, str_sub(json, at, json.len));
}

/* --- chunks --- */

struct cutting {
    struct answer *answer;
    VEC(struct answer_chunk) chunks;
    size_t pauses;
    uint64_t later_us;
};

/* A chunk of so many bytes; what comes after it leaves by itself. */
static void cut(struct cutting *c, uint64_t at_us, size_t bytes, bool pauses)
{
    if (!bytes)
        return;
    if (c->chunks.len == CHUNKS_MAX) {
        c->chunks.ptr[CHUNKS_MAX - 1].bytes += bytes;
        c->chunks.ptr[CHUNKS_MAX - 1].at_us = at_us + c->later_us;
        return;
    }
    vec_push(&c->chunks, ((struct answer_chunk){ at_us + c->later_us, bytes }));
    if (pauses && c->pauses < PAUSES_MAX) {
        c->pauses++;
        c->later_us += PAUSE_US;
    }
}

static void cut_end(struct cutting *c)
{
    free(c->answer->chunks);
    c->answer->chunks = c->chunks.ptr;
    c->answer->chunk_count = c->chunks.len;
    c->answer->end_us += c->later_us;
}

size_t fault_cut_characters(struct answer *a)
{
    size_t place = 0, found = 0;
    struct cutting c = { .answer = a };

    for (size_t i = 0; i < a->chunk_count; i++) {
        size_t end = place + a->chunks[i].bytes, from = place;
        for (; place < end; place++) {
            if ((uint8_t)a->body.ptr[place] < 0xc0)
                continue;
            cut(&c, a->chunks[i].at_us, place + 1 - from, true);
            from = place + 1;
            found++;
        }
        cut(&c, a->chunks[i].at_us, end - from, false);
    }
    cut_end(&c);
    return found;
}

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t n = *state += UINT64_C(0x9e3779b97f4a7c15);

    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

void fault_cut_anywhere(struct answer *a, uint32_t most, uint64_t seed)
{
    struct cutting c = { .answer = a };

    for (size_t i = 0; i < a->chunk_count; i++) {
        for (size_t left = a->chunks[i].bytes; left;) {
            size_t bytes = 1 + next_random(&seed) % most;
            bytes = bytes < left ? bytes : left;
            cut(&c, a->chunks[i].at_us, bytes, true);
            left -= bytes;
        }
    }
    cut_end(&c);
}

void fault_limit_bandwidth(struct answer *a, uint64_t bytes_per_second)
{
    size_t slice = (size_t)(bytes_per_second / SLICES);
    uint64_t free_us = a->head_us;
    struct cutting c = { .answer = a };

    for (size_t i = 0; i < a->chunk_count; i++) {
        for (size_t left = a->chunks[i].bytes; left;) {
            size_t bytes = slice && slice < left ? slice : slice ? left : 1;
            uint64_t begin_us = a->chunks[i].at_us > free_us ? a->chunks[i].at_us : free_us;
            free_us = begin_us + (uint64_t)((u128)bytes * US_PER_SECOND / bytes_per_second);
            cut(&c, free_us, bytes, false);
            left -= bytes;
        }
    }
    cut_end(&c);
    if (a->end_us < free_us)
        a->end_us = free_us;
}
