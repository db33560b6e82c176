#include "config.h"

#include "migrate/programme.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"

int programme_load(const char *path, struct programme **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 }, folder = { 0 };
    const char *slash = strrchr(path, '/');

    if (file_read(path, PROGRAMME_BYTES_MAX, &text, err) < 0)
        return -1;
    if (slash)
        buf_add(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    return programme_parse(buf_str(&text), path, buf_cstr(&folder), ret, err);
}

void programme_free(struct programme *p)
{
    if (!p)
        return;
    tz_close(p->zone);
    arena_release(&p->arena);
    free(p);
}

static int compare_app(const void *key, const void *item)
{
    const struct str *name = key;
    const struct programme_app *app = item;

    return str_cmp(*name, app->name);
}

const struct programme_app *programme_find_app(const struct programme *p, struct str name)
{
    return p->app_count ? bsearch(&name, p->apps, p->app_count, sizeof(*p->apps), compare_app)
                        : NULL;
}

const struct programme_wave *programme_find_wave(const struct programme *p, struct str name)
{
    for (size_t i = 0; i < p->wave_count; i++)
        if (str_eq(p->waves[i].name, name))
            return &p->waves[i];
    return NULL;
}

const struct programme_freeze *programme_frozen(const struct programme *p, int64_t at_us)
{
    for (size_t i = 0; i < p->freeze_count; i++)
        if (at_us >= p->freezes[i].from_us && at_us < p->freezes[i].to_us)
            return &p->freezes[i];
    return NULL;
}

double programme_alpha(const struct programme *p, size_t gone, const struct programme_app *app,
                       const struct programme_gate *gate)
{
    size_t apps = p->app_count + gone;

    if (gate->alpha > 0)
        return gate->alpha;
    /* Also by the retired: what one of them has spent is not there to be given to another. */
    return p->alpha_total / (double)(apps ? apps : 1) /
           (double)(app->gate_count ? app->gate_count : 1);
}

void programme_add_time(const struct programme *p, int64_t us, struct buf *out)
{
    struct civil c = civil_from_us(us + tz_offset_at(p->zone, us) * US_PER_SECOND);

    buf_addf(out, "%04d-%02d-%02d", c.year, c.month, c.day);
    if (c.hour || c.minute)
        buf_addf(out, " %02d:%02d", c.hour, c.minute);
}

int64_t programme_date(const struct programme_app *app)
{
    return app->date_us || !app->wave ? app->date_us : app->wave->from_us;
}

const char *programme_risk_name(enum programme_risk risk)
{
    static const char *const names[] = { "unknown", "low", "medium", "high" };

    return names[risk];
}
