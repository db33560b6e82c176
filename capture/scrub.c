#include "config.h"

#include "capture/scrub.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "capture/scrub_chunks.h"
#include "capture/scrub_edits.h"
#include "capture/scrub_frames.h"

#define GUESS_BYTES 1024u
#define KEEP_BYTES  (1u << 20) /* larger buffers are not kept between bodies */

/* --- life --- */

struct scrub *scrub_new(void)
{
    return mem_calloc(1, sizeof(struct scrub));
}

void scrub_free(struct scrub *s)
{
    if (!s)
        return;
    scrub_rules_release(&s->rules);
    free(s->hits.ptr);
    scrub_plain_release(&s->plain);
    scrub_plain_release(&s->again[0]);
    scrub_plain_release(&s->again[1]);
    vec_release(&s->edits);
    vec_release(&s->pieces);
    buf_release(&s->inner);
    buf_release(&s->spare);
    free(s);
}

int scrub_add_shipped(struct scrub *s, struct str name, unsigned places, struct err *err)
{
    return scrub_rules_add_shipped(&s->rules, name, places, err);
}

int scrub_add_pattern(struct scrub *s, const struct scrub_pattern *p, struct err *err)
{
    return scrub_rules_add_pattern(&s->rules, p, err);
}

bool scrub_applies(const struct scrub *s, unsigned places)
{
    for (size_t i = 0; i < s->rules.all.len; i++)
        if (s->rules.all.ptr[i].places & places)
            return true;
    return false;
}

/* --- chunks --- */

static void look_ahead(struct scrub_borders *s)
{
    if (s->next < s->count)
        s->was += s->chunks[s->next].bytes;
}

struct scrub_borders scrub_borders_of(const struct scrub_body *b)
{
    struct scrub_borders s = { .chunks = b->chunks, .count = b->chunk_count };

    look_ahead(&s);
    return s;
}

static void place_border(struct scrub_borders *s, uint64_t at)
{
    s->chunks[s->next].bytes = at - s->before;
    s->before = at;
    s->next++;
    look_ahead(s);
}

void scrub_borders_pass(struct scrub_borders *s, uint64_t was, uint64_t now)
{
    while (s->next < s->count && s->was <= was) {
        uint64_t at = s->written + (s->was - s->last);
        place_border(s, at < now ? at : now);
    }
    s->last = was;
    s->written = now;
}

void scrub_borders_end(struct scrub_borders *s, uint64_t now)
{
    while (s->next < s->count)
        place_border(s, now);
    /* Bytes behind the last border: there are none, or they came with the last chunk. */
    if (s->count)
        s->chunks[s->count - 1].bytes += now - s->before;
}

/* --- bodies --- */

static void write_edited(struct scrub *s, struct scrub_body *b)
{
    struct scrub_borders borders = scrub_borders_of(b);
    uint32_t from = 0;
    size_t index = 0;

    buf_clear(b->out);
    while (index < s->edits.len) {
        struct scrub_edit e = s->edits.ptr[index];
        buf_add_str(b->out, str_sub(b->body, from, e.start - from));
        scrub_borders_pass(&borders, e.start, b->out->len);
        scrub_apply(s, b->body, e.start, e.end, &index, b->out);
        while (borders.next < borders.count && borders.was < e.end)
            place_border(&borders, b->out->len);
        borders.last = e.end;
        borders.written = b->out->len;
        from = e.end;
    }
    buf_add_str(b->out, str_sub(b->body, from, b->body.len - from));
    scrub_borders_pass(&borders, b->body.len, b->out->len);
    scrub_borders_end(&borders, b->out->len);
}

static void trim(struct scrub *s)
{
    struct scrub_plain *const plains[] = { &s->plain, &s->again[0], &s->again[1] };
    struct buf *const bufs[] = { &s->inner, &s->spare };

    for (size_t i = 0; i < ARRAY_LEN(plains); i++)
        if (plains[i]->text.cap > KEEP_BYTES)
            scrub_plain_release(plains[i]);
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        if (bufs[i]->cap > KEEP_BYTES)
            buf_release(bufs[i]);
    if (s->pieces.cap > KEEP_BYTES / sizeof(*s->pieces.ptr))
        vec_release(&s->pieces);
    if (s->edits.cap > KEEP_BYTES / sizeof(*s->edits.ptr))
        vec_release(&s->edits);
}

static void count_hits(struct scrub *s)
{
    for (size_t i = 0; i < s->rules.all.len; i++) {
        s->rules.all.ptr[i].hits += s->rules.all.ptr[i].counted;
        s->rules.all.ptr[i].report += s->rules.all.ptr[i].counted;
    }
}

static enum framing kind_of(const struct scrub_body *b)
{
    struct str first = str_sub(b->body, 0, GUESS_BYTES);
    enum framing kind = framing_guess(b->content_type, first);

    /* Checksums tell event streams by themselves: what only a header calls so is something else. */
    return kind == FRAMING_EVENTSTREAM ? framing_guess(STR(""), first) : kind;
}

enum scrub_result scrub_body(struct scrub *s, struct scrub_body *b, struct err *err)
{
    enum framing kind = kind_of(b);
    enum scrub_result result = SCRUB_FAILED;

    if (!b->body.len || !scrub_applies(s, b->place))
        return SCRUB_SAME;
    if (b->body.len > SCRUB_BODY_BYTES_MAX) {
        err_set(err, ERR_LIMIT, "longer than %u bytes", SCRUB_BODY_BYTES_MAX);
        return SCRUB_FAILED;
    }
    if (kind == FRAMING_EVENTSTREAM) {
        result = scrub_frames(s, b, err);
    } else if (scrub_find_edits(s, b->place, b->body, kind, err) == 0) {
        result = s->edits.len ? SCRUB_CHANGED : SCRUB_SAME;
        if (result == SCRUB_CHANGED)
            write_edited(s, b);
    }
    if (result != SCRUB_FAILED)
        count_hits(s);
    trim(s);
    return result;
}

enum scrub_result scrub_text(struct scrub *s, struct str text, struct buf *out, struct err *err)
{
    size_t index = 0;

    if (!text.len || !scrub_applies(s, SCRUB_HEADS))
        return SCRUB_SAME;
    if (scrub_find_text_edits(s, SCRUB_HEADS, text, SCRUB_PERCENT | SCRUB_FORM, err) < 0)
        return SCRUB_FAILED;
    if (!s->edits.len)
        return SCRUB_SAME;
    buf_clear(out);
    scrub_apply(s, text, 0, (uint32_t)text.len, &index, out);
    count_hits(s);
    return SCRUB_CHANGED;
}

uint64_t scrub_report(struct scrub *s, struct buf *out)
{
    uint64_t total = 0;

    for (size_t i = 0; i < s->rules.all.len; i++) {
        struct scrub_rule *rule = &s->rules.all.ptr[i];
        if (rule->report)
            buf_addf(out, "%s%" PRIu64 " %s", total ? ", " : "", rule->report, rule->name);
        total += rule->report;
        rule->report = 0;
    }
    return total;
}
