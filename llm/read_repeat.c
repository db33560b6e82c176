/* read_repeat - events of a stream that differ only in what nobody reads.
 *
 * What reading an event does depends on the state of the reading and on those bytes of the event
 * that are not passed over.  So where an event left the state as it was, any other that equals it
 * in those bytes would leave it so too, and need not be read: of most streams that is every piece
 * of text but the first.  To compare takes a fraction of the time.
 */
#include "config.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "llm/read.h"

#define CREDIT_MAX 64

/* What is left of the last event means nothing to the next. */
static bool is_same_state(const struct reading *r, struct reading *before)
{
    before->event_type = r->event_type;
    before->event_object = r->event_object;
    return memcmp(before, r, offsetof(struct reading, repeat)) == 0;
}

static bool may_learn(const struct reading *r)
{
    return r->wire->repeats && r->flags & READING_STREAM && !(r->flags & READING_SHAPELESS) &&
           r->repeat.credit > 0;
}

void repeat_read(struct reading *r, struct str json, repeat_fn read)
{
    struct repeat *p = &r->repeat;
    struct reading before;

    buf_clear(&p->model);
    if (!may_learn(r)) {
        read(r, json);
        return;
    }
    memcpy(&before, r, offsetof(struct reading, repeat));
    p->credit--;
    p->hole_count = 0;
    p->watched = json;
    read(r, json);
    p->watched = (struct str){ 0 };
    /* The parts are not compared: only without any are they the same. */
    if (r->part_count == 0 && is_same_state(r, &before)) {
        buf_add_str(&p->model, json);
        p->flags = r->flags;
    }
}

void repeat_pass(struct reading *r, struct jscan *s)
{
    struct repeat *p = &r->repeat;
    size_t from = s->at;

    if (r->draft) {
        jscan_skip(s);
        shape_note(r->draft, s, from, DRAFT_PASSED);
        return;
    }
    if (s->text.ptr != p->watched.ptr)
        return;
    jscan_skip(s);
    if (!s->failed && p->hole_count < REPEAT_HOLES_MAX)
        p->holes[p->hole_count++] = (struct repeat_hole){ from, s->at };
}

#ifdef __SSE2__

/* Of the first len bytes, which are a multiple of 16. */
static size_t common_blocks(const char *a, const char *b, size_t len)
{
    for (size_t at = 0; at < len; at += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(a + at));
        __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(b + at));
        unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
        if (same != 0xffff)
            return at + (unsigned)__builtin_ctz(~same);
    }
    return len;
}

#else

/* Of the first len bytes, which are a multiple of 16: but for the last of them that are alike. */
static size_t common_blocks(const char *a, const char *b, size_t len)
{
    uint64_t x, y;

    for (size_t at = 0; at < len; at += sizeof(x)) {
        memcpy(&x, a + at, sizeof(x));
        memcpy(&y, b + at, sizeof(y));
        if (x != y)
            return at;
    }
    return len;
}

#endif

size_t repeat_common_len(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    size_t at = common_blocks(a.ptr, b.ptr, len & ~(size_t)15);

    while (at < len && a.ptr[at] == b.ptr[at])
        at++;
    return at;
}

/* The hole that the model's byte `at` is in or follows, at or after *next; NULL: it is outside. */
static const struct repeat_hole *find_hole(const struct repeat *p, size_t at, size_t *next)
{
    while (*next < p->hole_count && p->holes[*next].to < at)
        ++*next;
    if (*next == p->hole_count || p->holes[*next].from > at)
        return NULL;
    return &p->holes[(*next)++];
}

/* Model and event are compared up to where they differ.  There a value that is passed over may
 * begin or be under way, or have ended (a number ends with the byte after it): the event's value is
 * skipped, and so on.  One that is alike, with the byte after it, would be skipped alike. */
bool repeat_is_known(struct reading *r, struct str json)
{
    struct repeat *p = &r->repeat;
    size_t at = 0 /* in the model */, next = 0;
    struct jscan s;

    if (!p->model.len || r->flags != p->flags)
        return false;
    jscan_init(&s, json);
    s.at = 0; /* a byte order mark is compared like any byte */
    for (;;) {
        struct str model = str_sub(buf_str(&p->model), at, SIZE_MAX);
        struct str rest = str_sub(json, s.at, SIZE_MAX);
        size_t len = repeat_common_len(model, rest);
        if (len == model.len && len == rest.len)
            break;
        const struct repeat_hole *hole = find_hole(p, at + len, &next);
        if (!hole)
            return false;
        s.at += hole->from - at;
        jscan_skip(&s);
        if (s.failed)
            return false;
        at = hole->to;
    }
    if (p->credit < CREDIT_MAX)
        p->credit++;
    return true;
}

void repeat_release(struct repeat *p)
{
    buf_release(&p->model);
}
