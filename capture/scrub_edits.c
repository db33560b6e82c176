#include "config.h"

#include "capture/scrub_edits.h"

#include <stdlib.h>
#include <string.h>

#include "base/jscan.h"

#define DEPTH_MAX         64u /* of containers whose paths are followed: deeper ones share one */
#define TAGGED_MAX        10u /* of objects that are asked for their index */
#define REPEATED_MIN      16u /* a string as long that comes again unchanged is no piece of a text */
#define ESCAPES_WITHIN    (SCRUB_JSON | SCRUB_PERCENT)
#define NUMBER_DIGITS_MIN 13u /* of JSON numbers that shipped rules look at: cards */
#define NUMBER_DIGITS_MAX 19u

struct finding {
    struct scrub *s;
    struct str body;
    unsigned place;
    bool streams; /* strings are pieces of texts */
    struct err *err;
    /* Where in the JSON the walk is. */
    struct {
        uint64_t path;
        uint32_t items;
        bool is_object;
    } open[DEPTH_MAX];
    size_t depth; /* may be more than DEPTH_MAX */
    bool wants_key;
    uint64_t member;   /* hash of the member's name */
    bool after_number; /* nothing has come since one but blanks */
    bool is_foreign;   /* this is no JSON, although it began like it */
};

/* --- texts --- */

static void add_edit(struct finding *f, uint32_t start, uint32_t end, uint32_t rule,
                     enum scrub_edit_kind kind)
{
    vec_push(&f->s->edits, ((struct scrub_edit){ start, end, rule, kind }));
}

static int match(struct finding *f, struct str text)
{
    f->s->hits.len = 0;
    return scrub_rules_match(&f->s->rules, f->place, text, &f->s->hits, f->err);
}

static void edit_raw(struct finding *f, uint32_t base)
{
    for (size_t i = 0; i < f->s->hits.len; i++) {
        const struct scrub_hit *h = &f->s->hits.ptr[i];
        add_edit(f, base + h->start, base + h->end, h->rule, SCRUB_MARK);
    }
}

/* The parts of [start, end) that lie in pieces. */
static void edit_pieces(struct finding *f, const struct scrub_edit *whole,
                        const struct scrub_piece *pieces, size_t count)
{
    enum scrub_edit_kind kind = SCRUB_MARK;
    size_t low = 0, high = count;

    while (low < high) { /* the first piece that ends behind the start */
        size_t middle = low + (high - low) / 2;
        if (pieces[middle].end <= whole->start)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && pieces[low].start < whole->end; low++) {
        uint32_t start = pieces[low].start > whole->start ? pieces[low].start : whole->start;
        uint32_t end = pieces[low].end < whole->end ? pieces[low].end : whole->end;
        if (start >= end)
            continue;
        add_edit(f, start, end, whole->rule, kind);
        kind = SCRUB_BLANK;
    }
}

static int match_plain(struct finding *f, const struct scrub_plain *p,
                       const struct scrub_piece *pieces, size_t count)
{
    if (match(f, buf_str(&p->text)) < 0)
        return -1;
    for (size_t i = 0; i < f->s->hits.len; i++) {
        const struct scrub_hit *h = &f->s->hits.ptr[i];
        struct scrub_edit e = { p->origins[h->start].start, p->origins[h->end - 1].end, h->rule,
                                SCRUB_MARK };
        if (count)
            edit_pieces(f, &e, pieces, count);
        else
            add_edit(f, e.start, e.end, e.rule, e.kind);
    }
    return 0;
}

/* s->plain, and what it has escaped within. */
static int match_levels(struct finding *f, unsigned escapes, const struct scrub_piece *pieces,
                        size_t count)
{
    struct scrub *s = f->s;
    const struct scrub_plain *p = &s->plain;

    for (int level = 1;; level++) {
        if (match_plain(f, p, pieces, count) < 0)
            return -1;
        if (level == SCRUB_LEVELS || !scrub_plain_has(buf_str(&p->text), escapes))
            return 0;
        struct scrub_plain *next = &s->again[level & 1];
        scrub_plain_again(next, p, escapes);
        p = next;
    }
}

static bool has_high_bytes(struct str s)
{
    uint64_t any = 0, word;
    size_t i = 0;

    for (; i + sizeof(word) <= s.len; i += sizeof(word)) {
        memcpy(&word, s.ptr + i, sizeof(word));
        any |= word;
    }
    for (; i < s.len; i++)
        any |= (unsigned char)s.ptr[i];
    return (any & UINT64_C(0x8080808080808080)) != 0;
}

/* body[start, end), which has these escapes on it. */
static int find_in(struct finding *f, uint32_t start, uint32_t end, unsigned escapes)
{
    struct str raw = str_sub(f->body, start, end - start);

    if (raw.len == 0)
        return 0;
    if (!scrub_plain_has(raw, escapes | ESCAPES_WITHIN) && !has_high_bytes(raw)) {
        if (match(f, raw) < 0)
            return -1;
        edit_raw(f, start);
        return 0;
    }
    scrub_plain_clear(&f->s->plain);
    scrub_plain_add(&f->s->plain, raw, start, escapes);
    return match_levels(f, ESCAPES_WITHIN, NULL, 0);
}

/* --- paths --- */

static uint64_t mix(uint64_t hash, uint64_t with)
{
    hash = (hash ^ with) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_of(struct str s)
{
    uint64_t hash = s.len;

    for (size_t i = 0; i < s.len; i++)
        hash = mix(hash, (unsigned char)s.ptr[i]);
    return hash;
}

/* What tells one text from another that comes by the same members: choices, content blocks and
 * items of the APIs that weir knows. */
static bool is_index(struct str key, bool is_top)
{
    static const struct str names[] = {
        STR_INIT("index"),         STR_INIT("output_index"),      STR_INIT("content_index"),
        STR_INIT("summary_index"), STR_INIT("contentBlockIndex"), STR_INIT("item_id"),
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(key, names[i]))
            return true;
    return is_top && str_eq(key, STR("type"));
}

/* The hash of the object's own indexes; 0 = it has none. */
static uint64_t tag_of(const struct finding *f, size_t at, size_t to)
{
    struct jscan s;
    struct str key;
    uint64_t tag = 0;

    jscan_init(&s, str_sub(f->body, at, to - at));
    if (!jscan_enter_object(&s))
        return 0;
    while (jscan_next_member(&s, &key))
        if (is_index(key, f->depth == 0))
            tag = mix(tag ^ hash_of(key), hash_of(jscan_skip_raw(&s)));
    return tag;
}

/* The path of the value that begins here, without its own index. */
static uint64_t path_here(const struct finding *f)
{
    size_t at = f->depth < DEPTH_MAX ? f->depth : DEPTH_MAX;

    if (at == 0)
        return 1;
    if (f->open[at - 1].is_object)
        return mix(f->open[at - 1].path, f->member);
    /* The elements of an outermost array are events: their place says nothing. */
    return mix(f->open[at - 1].path, at == 1 ? 0 : f->open[at - 1].items + 1);
}

static void enter(struct finding *f, size_t at, size_t to)
{
    bool is_object = f->body.ptr[at] == '{';

    if (f->depth < DEPTH_MAX) {
        uint64_t path = 0, tag = 0;
        if (f->streams) {
            path = path_here(f);
            tag = is_object && f->depth < TAGGED_MAX ? tag_of(f, at, to) : 0;
        }
        /* An element that has an index may stand anywhere in its array. */
        if (tag && f->depth && !f->open[f->depth - 1].is_object)
            path = f->open[f->depth - 1].path;
        f->open[f->depth].path = tag ? mix(path, tag) : path;
        f->open[f->depth].items = 0;
        f->open[f->depth].is_object = is_object;
    }
    f->depth++;
    f->wants_key = is_object;
}

static void leave(struct finding *f)
{
    if (f->depth)
        f->depth--;
    f->wants_key = false;
}

static void next_item(struct finding *f)
{
    size_t at = f->depth < DEPTH_MAX ? f->depth : DEPTH_MAX;

    if (at == 0)
        return;
    f->open[at - 1].items++;
    f->wants_key = f->open[at - 1].is_object;
}

/* --- JSON, or what looks like it --- */

static size_t string_end(struct str t, size_t at, size_t to)
{
    size_t from = at;

    for (;;) {
        const char *quote = memchr(t.ptr + at, '"', to - at);
        if (!quote)
            return to;
        size_t end = (size_t)(quote - t.ptr), back = end;
        while (back > from && t.ptr[back - 1] == '\\')
            back--;
        if ((end - back) % 2 == 0)
            return end;
        at = end + 1;
    }
}

/* The string whose quote is at; returns where to go on. */
static int take_string(struct finding *f, size_t at, size_t to, size_t *ret)
{
    size_t end = string_end(f->body, at + 1, to);

    *ret = end < to ? end + 1 : to;
    if (f->wants_key) {
        f->wants_key = false;
        if (f->streams)
            f->member = hash_of(str_sub(f->body, at + 1, end - at - 1));
    } else if (f->streams && end > at + 1) {
        vec_push(&f->s->pieces,
                 ((struct scrub_piece){ path_here(f), (uint32_t)at + 1, (uint32_t)end }));
    }
    return find_in(f, (uint32_t)at + 1, (uint32_t)end, SCRUB_JSON);
}

static int take_number(struct finding *f, size_t at, size_t to, size_t *ret)
{
    size_t end = at;
    bool whole = true;

    for (; end < to; end++) {
        char c = f->body.ptr[end];
        if (c == '.' || c == 'e' || c == 'E' || c == '+' || (c == '-' && end > at))
            whole = false;
        else if (c != '-' && (c < '0' || c > '9'))
            break;
    }
    *ret = end;
    f->is_foreign |= f->after_number || (end < to && !memchr(" \t\r\n,]}:", f->body.ptr[end], 8));
    f->after_number = true;
    if (!f->s->rules.has_user &&
        (!whole || end - at < NUMBER_DIGITS_MIN || end - at > NUMBER_DIGITS_MAX))
        return 0;
    if (match(f, str_sub(f->body, at, end - at)) < 0)
        return -1;
    if (f->s->hits.len)
        add_edit(f, (uint32_t)at, (uint32_t)end, f->s->hits.ptr[0].rule, SCRUB_STRING);
    return 0;
}

static bool is_word(struct str s)
{
    return str_eq(s, STR("true")) || str_eq(s, STR("false")) || str_eq(s, STR("null"));
}

/* What is no JSON, up to where there may be some again. */
static int take_stray(struct finding *f, size_t at, size_t to, size_t *ret)
{
    size_t end = at;

    while (end < to && !memchr("\"{}[],", f->body.ptr[end], 6))
        end++;
    *ret = end;
    f->after_number = false;
    if (is_word(str_trim(str_sub(f->body, at, end - at))))
        return 0;
    f->is_foreign = true;
    return 0;
}

static int take_value(struct finding *f, size_t at, size_t to, size_t *ret)
{
    char c = f->body.ptr[at];

    *ret = at + 1;
    if (memchr(" \t\r\n", c, 4))
        return 0;
    if ((c >= '0' && c <= '9') || c == '-')
        return take_number(f, at, to, ret);
    f->after_number = false;
    if (c == '"')
        return take_string(f, at, to, ret);
    if (c == '{' || c == '[')
        enter(f, at, to);
    else if (c == '}' || c == ']')
        leave(f);
    else if (c == ',')
        next_item(f);
    else if (c != ':')
        return take_stray(f, at, to, ret);
    return 0;
}

static int walk_json(struct finding *f, size_t from, size_t to)
{
    f->depth = 0;
    f->wants_key = f->after_number = f->is_foreign = false;
    for (size_t at = from; at < to;)
        if (take_value(f, at, to, &at) < 0)
            return -1;
    return f->is_foreign ? find_in(f, (uint32_t)from, (uint32_t)to, 0) : 0;
}

static bool begins_json(struct str s)
{
    struct str text = str_trim(str_sub(s, 0, 64));

    return text.len && strchr("{[\"", text.ptr[0]) && text.ptr[0];
}

/* --- streams --- */

static int walk_sse(struct finding *f)
{
    size_t at = 0;

    while (at < f->body.len) {
        size_t end = at;
        while (end < f->body.len && f->body.ptr[end] != '\n' && f->body.ptr[end] != '\r')
            end++;
        struct str line = str_sub(f->body, at, end - at);
        size_t value = str_starts_with(line, STR("data:")) ? at + 5 : at;
        int r = value > at && begins_json(str_sub(f->body, value, end - value))
                    ? walk_json(f, value, end)
                    : find_in(f, (uint32_t)at, (uint32_t)end, 0);
        if (r < 0)
            return -1;
        at = end + 1;
    }
    return 0;
}

static int compare_pieces(const void *a, const void *b)
{
    const struct scrub_piece *x = a, *y = b;

    if (x->channel != y->channel)
        return x->channel < y->channel ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* The pieces of one text, put together. */
static int match_channel(struct finding *f, const struct scrub_piece *pieces, size_t count)
{
    struct str last = { 0 };

    scrub_plain_clear(&f->s->plain);
    for (size_t i = 0; i < count; i++) {
        struct str raw = str_sub(f->body, pieces[i].start, pieces[i].end - pieces[i].start);
        if (raw.len < REPEATED_MIN || !str_eq(raw, last))
            scrub_plain_add(&f->s->plain, raw, pieces[i].start, SCRUB_JSON);
        last = raw;
    }
    return match_levels(f, ESCAPES_WITHIN, pieces, count);
}

static int match_channels(struct finding *f)
{
    const struct scrub_piece *pieces = f->s->pieces.ptr;
    size_t len = f->s->pieces.len;

    if (len > 1)
        qsort(f->s->pieces.ptr, len, sizeof(*pieces), compare_pieces);
    for (size_t i = 0, end; i < len; i = end) {
        for (end = i + 1; end < len && pieces[end].channel == pieces[i].channel; end++)
            ;
        if (end - i > 1 && match_channel(f, pieces + i, end - i) < 0)
            return -1;
    }
    return 0;
}

/* --- edits --- */

static int compare_edits(const void *a, const void *b)
{
    const struct scrub_edit *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    if (x->end != y->end)
        return x->end > y->end ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind > y->kind ? -1 : 1; /* blanks first */
    return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/* In order, those that overlap made one. */
static void settle(struct scrub *s)
{
    struct scrub_edit *e = s->edits.ptr;
    size_t kept = 0;

    if (!s->edits.len)
        return;
    qsort(e, s->edits.len, sizeof(*e), compare_edits);
    for (size_t i = 1; i < s->edits.len; i++) {
        if (e[i].start >= e[kept].end) {
            e[++kept] = e[i];
            continue;
        }
        if (e[i].end <= e[kept].end)
            continue; /* also a mark within a blank: the whole value has its mark elsewhere */
        e[kept].end = e[i].end;
        if (e[kept].kind == SCRUB_BLANK) {
            e[kept].kind = e[i].kind;
            e[kept].rule = e[i].rule;
        }
    }
    s->edits.len = kept + 1;
    for (size_t i = 0; i < s->edits.len; i++)
        s->rules.all.ptr[e[i].rule].counted += e[i].kind != SCRUB_BLANK;
}

static void begin(struct scrub *s)
{
    vec_clear(&s->edits);
    vec_clear(&s->pieces);
    for (size_t i = 0; i < s->rules.all.len; i++)
        s->rules.all.ptr[i].counted = 0;
}

int scrub_find_edits(struct scrub *s, unsigned place, struct str body, enum framing kind,
                     struct err *err)
{
    struct finding f = { .s = s, .body = body, .place = place, .err = err };
    int r;

    begin(s);
    /* Lines of JSON in a request are records, not pieces. */
    f.streams = kind == FRAMING_SSE ||
                (place == SCRUB_ANSWERS && kind != FRAMING_JSON && kind != FRAMING_OPAQUE);
    if (kind == FRAMING_SSE)
        r = walk_sse(&f);
    else if (f.streams || begins_json(body))
        r = walk_json(&f, 0, body.len);
    else
        return scrub_find_text_edits(s, place, body, 0, err);
    if (r < 0 || match_channels(&f) < 0)
        return -1;
    settle(s);
    return 0;
}

int scrub_find_event_edits(struct scrub *s, unsigned place, struct str body,
                           const struct scrub_range *events, size_t count, struct err *err)
{
    struct finding f = {
        .s = s, .body = body, .place = place, .streams = place == SCRUB_ANSWERS, .err = err
    };

    begin(s);
    for (size_t i = 0; i < count; i++) {
        struct scrub_range e = events[i];
        int r = begins_json(str_sub(body, e.start, e.end - e.start))
                    ? walk_json(&f, e.start, e.end)
                    : find_in(&f, e.start, e.end, 0);
        if (r < 0)
            return -1;
    }
    if (match_channels(&f) < 0)
        return -1;
    settle(s);
    return 0;
}

int scrub_find_text_edits(struct scrub *s, unsigned place, struct str text, unsigned escapes,
                          struct err *err)
{
    struct finding f = { .s = s, .body = text, .place = place, .err = err };

    begin(s);
    /* As it stands as well: what looks like an escape may be none. */
    if (escapes && (match(&f, text) < 0 || (edit_raw(&f, 0), false)))
        return -1;
    if (find_in(&f, 0, (uint32_t)text.len, escapes) < 0)
        return -1;
    settle(s);
    return 0;
}

void scrub_apply(struct scrub *s, struct str body, uint32_t from, uint32_t to, size_t *index,
                 struct buf *out)
{
    for (; *index < s->edits.len && s->edits.ptr[*index].start < to; ++*index) {
        const struct scrub_edit *e = &s->edits.ptr[*index];
        const char *mark = s->rules.all.ptr[e->rule].mark;
        buf_add_str(out, str_sub(body, from, e->start - from));
        if (e->kind == SCRUB_MARK)
            buf_add_text(out, mark);
        else if (e->kind == SCRUB_STRING)
            buf_addf(out, "\"%s\"", mark);
        from = e->end;
    }
    buf_add_str(out, str_sub(body, from, to - from));
}
