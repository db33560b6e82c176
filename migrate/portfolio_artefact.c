#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "migrate/portfolio.h"

/* 1 = an application has another share in the bytes than in the ledger. */
static int compare(const struct portfolio *p, const struct actuator *a,
                   const struct actuator_share *shares, size_t count, struct buf *ret_why)
{
    for (size_t i = 0; i < count; i++) {
        const struct portfolio_app *app = portfolio_find(p, shares[i].app);
        if (!app || app->app->actuator != a || app->share == shares[i].share)
            continue;
        buf_addf(ret_why,
                 "gives '%.*s' %d of %d in the bytes for actuator '%.*s' (blob 'after'), and %d in "
                 "its steps",
                 STR_ARG(shares[i].app), (int)shares[i].share, ROLLOUT_ALL, STR_ARG(a->name),
                 (int)app->share);
        return 1;
    }
    return 0;
}

static int check_one(const struct portfolio *p, const struct actuator *a,
                     const struct rollout_entry *e, struct buf *ret_why, struct err *err)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    struct err unread;
    uint64_t epoch;
    size_t count;

    if (rollout_get_blob(p->rollout, e->after, &bytes, err) < 0)
        return -1;
    if (!bytes.len)
        return 0;
    if (a->driver->parse(a, buf_str(&bytes), &arena, &shares, &count, &epoch, &unread) < 0) {
        buf_addf(ret_why, "made actuator '%.*s' run what cannot be read (blob 'after'): %s",
                 STR_ARG(a->name), unread.text);
        return 1;
    }
    if (epoch != e->epoch && e->kind == ROLLOUT_COMMITTED) {
        buf_addf(ret_why,
                 "has epoch %" PRIu64 ", but the bytes for actuator '%.*s' (blob 'after') have "
                 "%" PRIu64,
                 e->epoch, STR_ARG(a->name), epoch);
        return 1;
    }
    return compare(p, a, shares, count, ret_why);
}

/* Whether the driver reads the bytes itself: nobody's program is run to check a history. */
static bool reads_itself(const struct actuator *a)
{
    return strcmp(a->driver->name, "exec") != 0;
}

int portfolio_check_artefacts(const struct portfolio *p, uint64_t *ret_entry, struct buf *ret_why,
                              struct err *err)
{
    const struct programme *programme = p->programme;

    for (size_t i = 0; i < programme->actuator_count; i++) {
        const struct actuator *a = &programme->actuators[i];
        const struct rollout_entry *e = rollout_last_settled(p->rollout, a->name);
        if (!e || !e->after.len || !reads_itself(a))
            continue;
        int r = check_one(p, a, e, ret_why, err);
        if (r > 0)
            *ret_entry = e->seq;
        if (r)
            return r;
    }
    return 0;
}
