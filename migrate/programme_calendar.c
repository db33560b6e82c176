/* When applications move, if all goes well: each from its date on, at every stage as long as it
 * bakes or its slowest gate needs, past freezes.  What would then move at the same time. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "base/timestamp.h"
#include "migrate/programme_lint.h"

/* A gate that needs more is told of by itself, and must be changed: it says nothing of dates. */
#define DAYS_MOST 90

struct calendar {
    const struct programme *p;
    struct programme_lint *l;
};

#define FIND(c, rule, a, ...)                                                                      \
    programme_find((c)->l, PROGRAMME_RULE_##rule, (a)->at, (a)->name, __VA_ARGS__)

/* The end of the freezes that a moment lies in. */
static int64_t thaw(const struct programme *p, int64_t at_us)
{
    const struct programme_freeze *f;

    while ((f = programme_frozen(p, at_us)))
        at_us = f->to_us;
    return at_us;
}

static int64_t stage_us(const struct programme_slot *slot, size_t stage)
{
    double days = 0;

    for (size_t g = 0; stage + 1 < slot->app->stage_count && g < slot->app->gate_count; g++) {
        double needs = slot->power[g].days[stage];
        if (needs > days && needs <= DAYS_MOST)
            days = needs;
    }
    int64_t us = (int64_t)(days * (double)US_PER_DAY);
    return us > slot->app->stages[stage].bake_us ? us : slot->app->stages[stage].bake_us;
}

static void place(const struct programme *p, struct programme_slot *slot)
{
    const struct programme_app *a = slot->app;
    int64_t at = programme_date(a);

    if (!at || a->retired || !a->stage_count)
        return;
    at = thaw(p, at);
    slot->from_us = at;
    for (size_t i = 0; i + 1 < a->stage_count; i++)
        at = thaw(p, at + stage_us(slot, i));
    slot->full_us = at;
    slot->through_us = at + stage_us(slot, a->stage_count - 1);
}

static const char *when(const struct calendar *c, int64_t us, struct buf *text)
{
    buf_clear(text);
    programme_add_time(c->p, us, text);
    return buf_cstr(text);
}

static void check_date(const struct calendar *c, const struct programme_slot *slot)
{
    CLEANUP(buf_release) struct buf date = { 0 }, other = { 0 };
    const struct programme_app *a = slot->app;
    int64_t at = programme_date(a);
    const struct programme_freeze *f = at ? programme_frozen(c->p, at) : NULL;

    if (!at) {
        FIND(c, NO_DATE, a, "'%s' has neither a wave nor a date", a->name.ptr);
        return;
    }
    when(c, at, &date);
    if (f && a->date_us)
        FIND(c, DATE_FROZEN, a, "'%s' begins on %s, in the freeze until %s%s%s", a->name.ptr,
             buf_cstr(&date), when(c, f->to_us, &other), f->reason.len ? ": " : "", f->reason.ptr);
    if (a->date_us && a->wave && (at < a->wave->from_us || at >= a->wave->to_us))
        FIND(c, DATE_OUTSIDE, a, "'%s' begins on %s, outside of its wave '%s'", a->name.ptr,
             buf_cstr(&date), a->wave->name.ptr);
    if (at < c->p->start_us || (c->p->end_us && at >= c->p->end_us))
        FIND(c, DATE_OUTSIDE, a, "'%s' begins on %s, outside of the programme", a->name.ptr,
             buf_cstr(&date));
    int64_t end = a->wave ? a->wave->to_us : c->p->end_us;
    if (end && slot->full_us > end)
        FIND(c, TOO_LATE, a, "'%s' is at 100 %% on %s at the earliest; its %s ends before",
             a->name.ptr, when(c, slot->full_us, &other), a->wave ? "wave" : "programme");
}

static void check_waves(const struct calendar *c)
{
    for (size_t i = 0; i < c->p->wave_count; i++) {
        const struct programme_wave *w = &c->p->waves[i];
        if (w->from_us < c->p->start_us || (c->p->end_us && w->to_us > c->p->end_us))
            programme_find(c->l, PROGRAMME_RULE_DATE_OUTSIDE, w->at, STR(""),
                           "the wave '%s' lies outside of the programme", w->name.ptr);
    }
}

/* Whether an application begins before one that it needs is at 100 %, or in an earlier wave. */
static void check_needs(const struct calendar *c, const struct programme_slot *slot)
{
    CLEANUP(buf_release) struct buf from = { 0 }, full = { 0 };
    const struct programme_app *a = slot->app;

    for (size_t i = 0; slot->from_us && i < a->needs.len; i++) {
        const struct programme_app *needed = programme_find_app(c->p, a->needs.list[i]);
        const struct programme_slot *other = &c->l->slots[needed - c->p->apps];
        if (needed->retired || !other->full_us)
            continue;
        if (slot->from_us < other->full_us)
            FIND(c, NEEDS_ORDER, a,
                 "'%s' begins on %s, and '%s', which it needs, is at 100 %% on %s at the earliest",
                 a->name.ptr, when(c, slot->from_us, &from), needed->name.ptr,
                 when(c, other->full_us, &full));
    }
}

/* --- at the same time --- */

static int by_begin(const void *a, const void *b)
{
    const struct programme_slot *x = *(const struct programme_slot *const *)a;
    const struct programme_slot *y = *(const struct programme_slot *const *)b;

    if (x->from_us != y->from_us)
        return x->from_us < y->from_us ? -1 : 1;
    return str_cmp(x->app->name, y->app->name);
}

static int by_owner(const void *a, const void *b)
{
    const struct programme_slot *x = *(const struct programme_slot *const *)a;
    const struct programme_slot *y = *(const struct programme_slot *const *)b;
    int order = str_cmp(x->app->owner, y->app->owner);

    return order ? order : by_begin(a, b);
}

/* Each against the one of the same owner that is there longest. */
static void check_owners(const struct calendar *c, const struct programme_slot **slots,
                         size_t count)
{
    CLEANUP(buf_release) struct buf date = { 0 };
    const struct programme_slot *last = NULL;

    qsort(slots, count, sizeof(*slots), by_owner);
    for (size_t i = 0; i < count; i++) {
        const struct programme_slot *s = slots[i];
        bool same = last && s->app->owner.len && str_eq(last->app->owner, s->app->owner);
        if (same && s->from_us < last->full_us)
            FIND(c, SAME_OWNER, s->app,
                 "'%s' begins on %s, while '%s' of the same owner, %s, is moving", s->app->name.ptr,
                 when(c, s->from_us, &date), last->app->name.ptr, s->app->owner.ptr);
        if (!same || s->full_us > last->full_us)
            last = s;
    }
}

/* Those under way, the one that is through first at the top. */
struct moving {
    const struct programme_slot **heap;
    size_t len;
    int64_t spend_per_million;
};

static void moving_sift(struct moving *m, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1;
        for (size_t k = left; k < left + 2 && k < m->len; k++)
            if (m->heap[k]->full_us < m->heap[least]->full_us)
                least = k;
        if (least == i)
            return;
        const struct programme_slot *kept = m->heap[i];
        m->heap[i] = m->heap[least];
        m->heap[least] = kept;
        i = least;
    }
}

static int64_t spend_of(const struct programme_slot *s)
{
    return s->spend_per_million > 0 ? s->spend_per_million : 0;
}

static void moving_end(struct moving *m, int64_t now_us)
{
    while (m->len && m->heap[0]->full_us <= now_us) {
        m->spend_per_million -= spend_of(m->heap[0]);
        m->heap[0] = m->heap[--m->len];
        moving_sift(m, 0);
    }
}

static void moving_begin(struct moving *m, const struct programme_slot *s)
{
    size_t i = m->len++;

    m->spend_per_million += spend_of(s);
    for (; i && m->heap[(i - 1) / 2]->full_us > s->full_us; i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = s;
}

static void check_caps(const struct calendar *c, const struct programme_slot **slots, size_t count)
{
    CLEANUP(buf_release) struct buf date = { 0 };
    struct moving m = { .heap = mem_calloc(count + 1, sizeof(struct programme_slot *)) };
    const struct programme *p = c->p;

    qsort(slots, count, sizeof(*slots), by_begin);
    for (size_t i = 0; i < count; i++) {
        const struct programme_slot *s = slots[i];
        moving_end(&m, s->from_us);
        moving_begin(&m, s);
        when(c, s->from_us, &date);
        if (p->apps_in_flight && m.len > (size_t)p->apps_in_flight)
            FIND(c, IN_FLIGHT, s->app,
                 "'%s' begins on %s as one of %zu at the same time; the cap "
                 "is %lld",
                 s->app->name.ptr, buf_cstr(&date), m.len, (long long)p->apps_in_flight);
        if (m.spend_per_million > p->spend_moving_per_million)
            FIND(c, SPEND, s->app,
                 "with '%s', %.3g %% of the spend move from %s on; the cap is %.3g %%",
                 s->app->name.ptr, (double)m.spend_per_million / 1e4, buf_cstr(&date),
                 (double)p->spend_moving_per_million / 1e4);
    }
    free(m.heap);
}

void programme_lint_calendar(const struct programme *p, struct programme_lint *l)
{
    struct calendar c = { p, l };
    const struct programme_slot **slots = mem_calloc(p->app_count + 1, sizeof(*slots));
    size_t count = 0;

    for (size_t i = 0; i < p->app_count; i++) {
        place(p, &l->slots[i]);
        if (l->slots[i].from_us)
            slots[count++] = &l->slots[i];
    }
    check_waves(&c);
    for (size_t i = 0; i < p->app_count; i++) {
        if (p->apps[i].retired)
            continue;
        check_date(&c, &l->slots[i]);
        check_needs(&c, &l->slots[i]);
    }
    if (count) {
        check_owners(&c, slots, count);
        check_caps(&c, slots, count);
    }
    free(slots);
}
