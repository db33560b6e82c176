#include "config.h"

#include "replay/drive_plan.h"

#include <stdlib.h>

#include "base/timestamp.h"
#include "replay/play.h"
#include "replay/sim_random.h"

#define MILLION 1000000

static uint64_t recorded_us(const struct drive_plan *p, size_t request, struct trace_request *ret)
{
    struct trace_request first;

    trace_at(p->trace, 0, &first);
    trace_at(p->trace, request, ret);
    return play_due_us((uint64_t)(ret->started_us - first.started_us), p->speed);
}

/* As replay/simulate has it: the copies come within a second. */
static void add_request(struct drive_plan *p, const struct scenario *load, uint64_t seed,
                        size_t request)
{
    struct trace_request r;
    uint64_t since_us = recorded_us(p, request, &r),
             chance = sim_draw(seed, request + 1, SIM_DRAW_LOAD);
    int64_t micro = scenario_load_micro(load, (int64_t)since_us, r.app, r.model);
    int64_t copies = micro / MILLION + ((int64_t)(chance % MILLION) < micro % MILLION);

    for (int64_t i = 0; i < copies && p->raised.len <= DRIVE_PLAN_MAX; i++) {
        if (i > 0)
            chance = sim_mix(chance + (uint64_t)i);
        uint64_t later_us = i > 0 ? chance % (uint64_t)US_PER_SECOND : 0;
        vec_push(&p->raised, ((struct drive_moment){ since_us + later_us, (uint32_t)request }));
    }
}

static int by_moment(const void *left, const void *right)
{
    const struct drive_moment *a = left, *b = right;

    if (a->since_us != b->since_us)
        return a->since_us < b->since_us ? -1 : 1;
    return a->request < b->request ? -1 : a->request > b->request;
}

int drive_plan_make(const struct trace *t, unsigned speed, const struct scenario *load,
                    uint64_t seed, struct drive_plan *ret, struct err *err)
{
    *ret = (struct drive_plan){ .trace = t, .speed = speed };
    if (!load || !scenario_has_load(load))
        return 0;
    if (speed == PLAY_SPEED_MAX)
        return err_set(err, ERR_USAGE,
                       "the scenario raises the load over time, which --speed max does not have");
    ret->is_raised = true;
    for (size_t i = 0; i < trace_len(t) && ret->raised.len <= DRIVE_PLAN_MAX; i++)
        add_request(ret, load, seed, i);
    if (ret->raised.len > DRIVE_PLAN_MAX)
        return err_set(err, ERR_LIMIT, "more than %d requests: take a shorter time or less load",
                       DRIVE_PLAN_MAX);
    if (!ret->raised.len)
        return err_set(err, ERR_USAGE, "the scenario's load leaves no request to make");
    qsort(ret->raised.ptr, ret->raised.len, sizeof(*ret->raised.ptr), by_moment);
    return 0;
}

void drive_plan_release(struct drive_plan *p)
{
    vec_release(&p->raised);
}

size_t drive_plan_len(const struct drive_plan *p)
{
    return p->is_raised ? p->raised.len : trace_len(p->trace);
}

void drive_plan_at(const struct drive_plan *p, size_t index, struct drive_moment *ret)
{
    struct trace_request r;

    if (p->is_raised)
        *ret = p->raised.ptr[index];
    else
        *ret = (struct drive_moment){ recorded_us(p, index, &r), (uint32_t)index };
}
