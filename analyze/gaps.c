#include "config.h"

#include "analyze/gaps.h"

static int64_t usual(const int64_t *requests, size_t hour)
{
    int64_t n[GAPS_WEEKS];

    for (size_t week = 0; week < GAPS_WEEKS; week++) {
        int64_t x = requests[hour - (week + 1) * GAPS_WEEK_HOURS];
        size_t at = week;
        for (; at > 0 && n[at - 1] > x; at--)
            n[at] = n[at - 1];
        n[at] = x;
    }
    return (n[GAPS_WEEKS / 2 - 1] + n[GAPS_WEEKS / 2]) / 2;
}

static void end_gap(struct gaps *g, struct gap *open)
{
    if (open->hours && open->expected >= GAPS_EXPECTED_MIN) {
        vec_push(&g->list, *open);
        g->hours += open->hours;
    }
    *open = (struct gap){ 0 };
}

void gaps_find(const int64_t *requests, size_t count, struct gaps *ret)
{
    struct gap open = { 0 };

    *ret = (struct gaps){ 0 };
    for (size_t hour = GAPS_EARLIER; hour < count; hour++) {
        int64_t expected = usual(requests, hour);
        if (requests[hour] != 0) {
            end_gap(ret, &open);
            continue;
        }
        if (open.hours == 0 && expected == 0)
            continue;
        if (open.hours == 0)
            open.from = hour - GAPS_EARLIER;
        if (expected > 0) /* silence at night after it is none of it */
            open.hours = hour - GAPS_EARLIER - open.from + 1;
        open.expected += expected;
    }
    end_gap(ret, &open);
}

void gaps_release(struct gaps *g)
{
    vec_release(&g->list);
    g->hours = 0;
}
