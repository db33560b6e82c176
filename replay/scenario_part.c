/* A part of a scenario: some of its time, some of its kinds of faults. */
#include "config.h"

#include "replay/scenario_parts.h"

#include <string.h>

#include "base/timestamp.h"

#define LOAD_WORD "load"

struct part {
    struct scenario_window window;
    bool has_window;
    const char *const *list; /* windows and names, as given */
};

static bool is_window(const char *text)
{
    return strstr(text, "..") != NULL;
}

/* An end that is not said is the scenario's. */
static bool read_time(struct str text, int64_t *ret_us)
{
    return !text.len || duration_parse(text, ret_us);
}

static int read_window(struct part *p, const char *text, struct err *err)
{
    struct str from = { text, (size_t)(strstr(text, "..") - text) };
    struct str to = str_from(text + from.len + 2);

    if (p->has_window)
        return err_set(err, ERR_USAGE, "'%s': there is one time already", text);
    p->has_window = true;
    if (!read_time(from, &p->window.from_us) || !read_time(to, &p->window.to_us) ||
        p->window.from_us >= p->window.to_us)
        return err_set(err, ERR_USAGE, "'%s' is not a time such as 4m..6m, ..10m or 1h..", text);
    return 0;
}

static int read_parts(struct part *p, struct err *err)
{
    for (size_t i = 0; p->list[i]; i++) {
        bool is_kind = strcmp(p->list[i], LOAD_WORD) == 0 || fault_kind_find(str_from(p->list[i]));
        if (is_window(p->list[i])) {
            if (read_window(p, p->list[i], err) < 0)
                return -1;
        } else if (!is_kind) {
            return err_set(err, ERR_USAGE,
                           "'%s' is neither a kind of fault, nor 'load', nor a time such as 4m..6m",
                           p->list[i]);
        }
    }
    return 0;
}

static bool is_kept(const struct part *p, const char *kind)
{
    bool any = false;

    for (size_t i = 0; p->list[i]; i++) {
        if (strcmp(p->list[i], kind) == 0)
            return true;
        any |= !is_window(p->list[i]);
    }
    return !any;
}

static void cut_ramp(const struct scenario_window *old, const struct scenario_window *in,
                     struct scenario_ramp *r)
{
    if (r->from != r->to)
        *r = (struct scenario_ramp){ scenario_ramp_at(r, old, in->from_us),
                                     scenario_ramp_at(r, old, in->to_us) };
}

/* What of w is in the part; false: nothing. */
static bool overlap(const struct part *p, const struct scenario_window *w,
                    struct scenario_window *ret)
{
    *ret = *w;
    if (ret->from_us < p->window.from_us)
        ret->from_us = p->window.from_us;
    if (ret->to_us > p->window.to_us)
        ret->to_us = p->window.to_us;
    return ret->from_us < ret->to_us;
}

/* As times since the part begins. */
static void begin_there(const struct part *p, const struct scenario_window *in,
                        struct scenario_window *w)
{
    w->from_us = in->from_us - p->window.from_us;
    w->to_us = in->to_us == PLAN_FOREVER ? in->to_us : in->to_us - p->window.from_us;
}

static void cut_entries(struct scenario *s, const struct part *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->entries.len; i++) {
        struct scenario_entry e = s->entries.ptr[i];
        struct scenario_window in;
        if (!is_kept(p, e.fault.kind->name) || !overlap(p, &e.window, &in))
            continue;
        cut_ramp(&e.window, &in, &e.chance);
        cut_ramp(&e.window, &in, &e.factor);
        cut_ramp(&e.window, &in, &e.delay);
        begin_there(p, &in, &e.window);
        s->entries.ptr[kept++] = e;
    }
    s->entries.len = kept;
}

static void cut_loads(struct scenario *s, const struct part *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->loads.len; i++) {
        struct scenario_load l = s->loads.ptr[i];
        struct scenario_window in;
        if (!is_kept(p, LOAD_WORD) || !overlap(p, &l.window, &in))
            continue;
        cut_ramp(&l.window, &in, &l.times);
        begin_there(p, &in, &l.window);
        s->loads.ptr[kept++] = l;
    }
    s->loads.len = kept;
}

int scenario_only(struct scenario *s, const char *const *parts, struct err *err)
{
    struct part p = {
        .window = {0, PLAN_FOREVER},
          .list = parts
    };

    if (!parts[0])
        return 0;
    if (read_parts(&p, err) < 0)
        return -1;
    cut_entries(s, &p);
    cut_loads(s, &p);
    if (!s->entries.len && !s->loads.len)
        return err_set(err, ERR_USAGE, "the scenario '%.*s' has nothing in that part",
                       STR_ARG(s->about.name));
    s->edges.len = 0;
    scenario_finish(s);
    return 0;
}
