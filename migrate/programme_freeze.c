/* Freezes of a plan: spans of dates, and of every week. */
#include "config.h"

#include <stddef.h>
#include <string.h>

#include "base/vec.h"
#include "migrate/programme_parts.h"

#define MINUTES_PER_DAY  (24 * 60)
#define MINUTES_PER_WEEK (7 * MINUTES_PER_DAY)

/* Both ends are dates, or both are days of the week: known when both are there. */
struct draft {
    const struct yaml_node *from, *to;
    struct str reason;
};

static int read_node(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    (void)r;
    *(const struct yaml_node **)to = n;
    return 0;
}

#define AT(member) offsetof(struct draft, member)
const struct programme_key programme_freeze_keys[] = {
    KEY_READ("from", AT(from), "its beginning: a date, or a day of every week", NULL, read_node),
    KEY_READ("to", AT(to), "its end, likewise; a day is in it", NULL, read_node),
    KEY("reason", TEXT, AT(reason), "why"),
    KEY_END,
};
#undef AT

/* "fri", "Friday": Monday is 0, anything else -1. */
static int weekday_of(struct str word)
{
    static const char *const days[] = { "monday", "tuesday",  "wednesday", "thursday",
                                        "friday", "saturday", "sunday" };

    for (int i = 0; i < 7; i++) {
        struct str day = str_from(days[i]);
        if (str_ieq(word, day) || str_ieq(word, str_sub(day, 0, 3)))
            return i;
    }
    return -1;
}

static bool is_weekly(const struct yaml_node *n)
{
    struct str rest = n->kind == YAML_SCALAR ? n->text : STR(""), day;

    return str_split(&rest, ' ', &day) && weekday_of(day) >= 0;
}

/* "fri 16:00": minutes since Monday 00:00; of a day alone its beginning, or its end. */
static int read_week_minute(const struct programme_reader *r, const struct yaml_node *n,
                            bool end_of_day, int *ret)
{
    struct str rest = n->kind == YAML_SCALAR ? n->text : STR(""), day, hour_text;
    int64_t hour = 0, minute = 0;

    str_split(&rest, ' ', &day);
    int weekday = weekday_of(day);
    if (weekday < 0)
        return programme_wrong(r, n, "a day of the week such as fri or fri 16:00");
    *ret = weekday * MINUTES_PER_DAY;
    if (!rest.ptr) {
        *ret += end_of_day ? MINUTES_PER_DAY : 0;
        return 0;
    }
    if (!str_split(&rest, ':', &hour_text) || hour_text.len != 2 || rest.len != 2 ||
        !str_to_i64(hour_text, &hour) || !str_to_i64(rest, &minute) || hour < 0 || hour > 24 ||
        minute < 0 || minute > 59 || hour * 60 + minute > MINUTES_PER_DAY)
        return programme_wrong(r, n, "a day of the week such as fri or fri 16:00");
    *ret += (int)(hour * 60 + minute);
    return 0;
}

struct freezes {
    VEC(struct programme_freeze) list;
};

static void freezes_release(struct freezes *f)
{
    vec_release(&f->list);
}
DEFINE_CLEANUP_VALUE(struct freezes, freezes_release)

/* Each week's by itself: local times are other moments in summer than in winter. */
static int add_weeks(const struct programme_reader *r, const struct yaml_node *from,
                     const struct yaml_node *to, struct programme_freeze like, struct freezes *ret)
{
    int first, last;

    if (read_week_minute(r, from, false, &first) < 0 || read_week_minute(r, to, true, &last) < 0)
        return -1;
    if (last <= first)
        last += MINUTES_PER_WEEK; /* over the end of the week */
    if (last - first >= MINUTES_PER_WEEK)
        return yaml_err(r->y, from, r->err, "this freeze is the whole week: nothing could move");
    struct civil day = civil_from_us(r->p->start_us);
    day = (struct civil){ .year = day.year, .month = day.month, .day = day.day };
    day.day -= civil_weekday(day) + 7 * PROGRAMME_WEEKS_BEFORE;
    for (int i = 0; i < PROGRAMME_WEEKS; i++, day.day += 7) {
        struct civil begin = day, end = day;
        begin.minute = first;
        end.minute = last;
        like.from_us = tz_to_utc(r->p->zone, civil_from_us(civil_to_us(begin)));
        like.to_us = tz_to_utc(r->p->zone, civil_from_us(civil_to_us(end)));
        vec_push(&ret->list, like);
    }
    return 0;
}

static int add_freeze(struct programme_reader *r, const struct yaml_node *n, struct freezes *ret)
{
    struct draft d = { .reason = STR("") };
    struct programme_freeze freeze = { .at = programme_place(n) };

    if (programme_read_map(r, n, programme_freeze_keys, &d) < 0)
        return -1;
    if (!d.from || !d.to)
        return yaml_err(r->y, n, r->err, "a freeze needs from and to");
    freeze.reason = d.reason;
    if (is_weekly(d.from) || is_weekly(d.to))
        return add_weeks(r, d.from, d.to, freeze, ret);
    if (programme_read_time(r, d.from, false, &freeze.from_us) < 0 ||
        programme_read_time(r, d.to, true, &freeze.to_us) < 0)
        return -1;
    if (freeze.to_us <= freeze.from_us)
        return yaml_err(r->y, d.to, r->err, "this freeze ends before it begins");
    vec_push(&ret->list, freeze);
    return 0;
}

int programme_read_freezes(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    CLEANUP(freezes_release) struct freezes all = { 0 };
    struct programme *p = to;

    if (programme_want(r, n, YAML_LIST, PROGRAMME_SECTIONS_MAX, "a list of freezes") < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (add_freeze(r, i, &all) < 0)
            return -1;
    struct programme_freeze *list = arena_alloc(&p->arena, (all.list.len + 1) * sizeof(*list));
    if (all.list.len)
        memcpy(list, all.list.ptr, all.list.len * sizeof(*list));
    p->freezes = list;
    p->freeze_count = all.list.len;
    return 0;
}
