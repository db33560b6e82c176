#include "config.h"

#include "migrate/rehearse.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t rank(const int64_t *sorted, size_t count, size_t percent)
{
    size_t at = (count * percent + 99) / 100;

    return sorted[at ? at - 1 : 0];
}

static int play(const struct step_context *c, const struct programme_app *app, unsigned rounds,
                int64_t *times_us, struct rehearsal *ret, struct buf *ret_why, struct err *err)
{
    const struct actuator_share dummy = {
        .app = STR(REHEARSE_APP),
        .direct = app->direct,
        .gateway = app->gateway,
        .key = app->key,
        .share = ROLLOUT_ALL,
    };

    for (ret->rounds = 0; ret->rounds < rounds; ret->rounds++) {
        struct step_times times = { 0 };
        struct step_wanted wanted = {
            .actuator = app->actuator, .why = ROLLOUT_REHEARSE, .dummy = &dummy, .times = &times
        };
        if (step_run(c, &wanted, &ret->result, ret_why, err) < 0)
            return -1;
        if (ret->result != STEP_DONE)
            return 0;
        times_us[(size_t)2 * ret->rounds] = times.apply_us;
        times_us[(size_t)2 * ret->rounds + 1] = times.restore_us;
    }
    return 0;
}

static int note(const struct step_context *c, const struct programme_app *app,
                const struct rehearsal *r, struct err *err)
{
    CLEANUP(buf_release) struct buf detail = { 0 };

    buf_addf(&detail, "%u rounds, p50 %" PRId64 ".%03d ms, p99 %" PRId64 ".%03d ms", r->rounds,
             r->p50_us / 1000, (int)(r->p50_us % 1000), r->p99_us / 1000, (int)(r->p99_us % 1000));
    struct rollout_entry e = { .kind = ROLLOUT_REHEARSED,
                               .app = app->name,
                               .actuator = app->actuator->name,
                               .plan = c->programme->sha,
                               .value = r->p99_us,
                               .detail = buf_str(&detail) };
    return step_note(c, &e, err);
}

static int measure(const struct step_context *c, const struct programme_app *const *apps,
                   size_t count, struct rehearsal *r, int64_t *times_us, struct err *err)
{
    size_t samples = (size_t)2 * r->rounds;

    qsort(times_us, samples, sizeof(*times_us), by_size);
    r->p50_us = rank(times_us, samples, 50);
    r->p99_us = rank(times_us, samples, 99);
    r->slowest_us = times_us[samples - 1];
    for (size_t i = 0; i < count; i++)
        if (note(c, apps[i], r, err) < 0)
            return -1;
    return 0;
}

int rehearse_run(const struct step_context *c, const struct programme_app *const *apps,
                 size_t count, unsigned rounds, struct rehearsal *ret, struct buf *ret_why,
                 struct err *err)
{
    assert(count && rounds && rounds <= REHEARSE_ROUNDS_MAX);
    int64_t *times_us = mem_calloc(rounds, 2 * sizeof(*times_us));

    *ret = (struct rehearsal){ 0 };
    int r = play(c, apps[0], rounds, times_us, ret, ret_why, err);
    if (r == 0 && ret->result == STEP_DONE)
        r = measure(c, apps, count, ret, times_us, err);
    free(times_us);
    return r;
}
