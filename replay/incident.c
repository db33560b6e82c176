#include "config.h"

#include "replay/incident.h"

void incidents_release(struct incidents *in)
{
    vec_release(&in->list);
}

/* What came before is judged no longer, unless it is the same stretch at another target. */
static void close_others(struct incidents *in, int64_t from_us)
{
    for (; in->first_open < in->list.len; in->first_open++)
        if (in->list.ptr[in->first_open].from_us == from_us)
            return;
}

uint32_t incidents_add(struct incidents *in, const struct incident *one)
{
    if (in->list.len == INCIDENTS_MAX) {
        in->dropped++;
        return 0;
    }
    close_others(in, one->from_us);
    vec_push(&in->list, *one);
    return (uint32_t)in->list.len;
}

bool incidents_struck_again(struct incidents *in, uint32_t last, int64_t now_us)
{
    struct incident *one = last ? &in->list.ptr[last - 1] : NULL;

    if (!one || now_us < one->from_us || now_us >= one->until_us)
        return false;
    one->struck++;
    return true;
}

uint32_t incidents_begin(struct incidents *in, uint32_t target, uint32_t *last, int64_t now_us,
                         const struct incident *stretch)
{
    struct incident one = { .target = target,
                            .before = *last,
                            .from_us = stretch->from_us,
                            .until_us = stretch->until_us,
                            .goes_on = stretch->goes_on,
                            .first_us = now_us,
                            .struck = 1,
                            .failover_us = -1,
                            .last_bad_us = -1,
                            .recovered_us = -1 };
    uint32_t number = incidents_add(in, &one);

    if (number)
        *last = number;
    return number;
}

/* Of all at that target which are over: who is led back after the second finds it well of both. */
static void note_recovery(struct incidents *in, const struct incident_answer *a)
{
    for (uint32_t at = a->last; at; at = in->list.ptr[at - 1].before) {
        struct incident *one = &in->list.ptr[at - 1];
        if (one->recovered_us >= 0 && one->recovered_us <= a->answered_us)
            return;
        if (a->attempt_us >= one->until_us)
            one->recovered_us = a->answered_us;
    }
}

void incidents_answered(struct incidents *in, const struct incident_answer *a)
{
    for (int i = 0; i < 2; i++) {
        struct incident *met = a->met[i] ? &in->list.ptr[a->met[i] - 1] : NULL;
        if (met && met->target != a->target &&
            (met->failover_us < 0 || a->answered_us < met->failover_us))
            met->failover_us = a->answered_us;
    }
    if (a->last)
        note_recovery(in, a);
}

void incidents_call_over(struct incidents *in, bool failed, int64_t now_us)
{
    bool leaves = in->window >> (INCIDENT_WINDOW_CALLS - 1) & 1; /* as one that failed */

    in->window = in->window << 1 | failed;
    in->failed += (uint32_t)failed - (uint32_t)leaves;
    if (in->failed > INCIDENT_WINDOW_FAILED)
        for (size_t i = in->first_open; i < in->list.len; i++)
            in->list.ptr[i].last_bad_us = now_us;
}

/* After which more than 1 in 100 failed, and still do as all calls are over. */
static bool never_restored(const struct incidents *in, const struct incident *one, int64_t last_us)
{
    return one->last_bad_us >= last_us && in->window & ((1u << INCIDENT_LAST_CALLS) - 1);
}

bool incident_span(const struct incidents *in, size_t number, enum incident_span span,
                   int64_t last_us, int64_t *ret)
{
    const struct incident *one = &in->list.ptr[number];
    int64_t restored_us = one->last_bad_us < one->first_us ? one->first_us : one->last_bad_us;
    const int64_t from_us[] = { one->first_us, one->first_us, one->until_us };
    const int64_t to_us[] = { one->failover_us, never_restored(in, one, last_us) ? -1 : restored_us,
                              one->recovered_us };

    if (span == INCIDENT_RECOVERY && (one->goes_on || one->until_us > last_us))
        return false;
    *ret = to_us[span] < 0 ? -1 : to_us[span] > from_us[span] ? to_us[span] - from_us[span] : 0;
    return true;
}

bool incidents_longest(const struct incidents *in, enum incident_span span, int64_t last_us,
                       int64_t *ret)
{
    bool found = false;
    int64_t us;

    *ret = 0;
    for (size_t i = 0; i < in->list.len; i++) {
        if (!incident_span(in, i, span, last_us, &us))
            continue;
        found = true;
        if (us < 0 || *ret < 0)
            *ret = -1;
        else if (us > *ret)
            *ret = us;
    }
    return found;
}
