/* Which journal of a recorder is written, and when the next one takes its place. */
#include "config.h"

#include <stdlib.h>

#include "proxy/recorder_parts.h"

struct recorder_journal *recorder_current(const struct recorder *r)
{
    struct recorder_journal *j = r->journals;

    return j && !j->is_retiring && j != r->spare ? j : NULL;
}

void recorder_set_age_timer(struct recorder *r, const struct recorder_journal *j)
{
    uint64_t ahead_us = j->created_us + r->segment_age_us / 4 * 3;

    loop_timer_set(r->o.loop, &r->age_timer,
                   loop_now_us(r->o.loop) < ahead_us ? ahead_us
                                                     : j->created_us + r->segment_age_us);
}

/* So that no frames must be held when j is full or old; j matters only if it takes exchanges. */
void recorder_make_spare(struct recorder *r, const struct recorder_journal *j)
{
    struct recorder_journal **link = &r->journals;

    if (r->spare || j != recorder_current(r))
        return;
    r->spare = mem_calloc(1, sizeof(*r->spare));
    r->spare->next_sequence = 1;
    while (*link)
        link = &(*link)->next;
    *link = r->spare;
    recorder_request_sync(r);
}

static struct recorder_journal *take_spare(struct recorder *r)
{
    struct recorder_journal *j = TAKE(r->spare), **link = &r->journals;

    while (*link != j)
        link = &(*link)->next;
    *link = NULL;
    return j;
}

/* Frames are held until the syncer has made its file. */
struct recorder_journal *recorder_new_journal(struct recorder *r)
{
    struct recorder_journal *j = r->spare ? take_spare(r) : mem_calloc(1, sizeof(*j));

    j->next_sequence = 1;
    j->created_us = loop_now_us(r->o.loop);
    j->next = r->journals;
    r->journals = j;
    recorder_set_age_timer(r, j);
    if (!j->writer)
        recorder_request_sync(r);
    return j;
}

void recorder_unlink_journal(struct recorder *r, struct recorder_journal *j)
{
    struct recorder_journal **link = &r->journals;

    while (*link != j)
        link = &(*link)->next;
    *link = j->next;
    for (size_t i = 0; i < j->held.len; i++)
        free(j->held.ptr[i].payload);
    vec_release(&j->held);
    free(j);
}

static bool is_waited_for(const struct recorder *r, const struct recorder_journal *j)
{
    for (const struct recording *w = r->waiting; w; w = w->next)
        if (w->journal == j)
            return true;
    return false;
}

/* Only what is on disk is finished: should that fail, nothing but the CLOSE frame is missing. */
bool recorder_can_finish(const struct recorder *r, const struct recorder_journal *j)
{
    return j->is_retiring && j->writer && !j->open && !j->is_syncing && !j->is_dirty &&
           !j->held.len && !is_waited_for(r, j);
}

static void retire(struct recorder *r, struct recorder_journal *j)
{
    j->is_retiring = true;
    recorder_request_sync(r);
}

size_t recorder_count_journals(const struct recorder *r)
{
    size_t count = 0;

    for (const struct recorder_journal *j = r->journals; j; j = j->next)
        count++;
    return count;
}

/* Until there is another, j goes on: what came meanwhile would be in this process only. */
static void retire_with_spare(struct recorder *r, struct recorder_journal *j)
{
    if (r->spare && r->spare->writer)
        retire(r, j);
    else
        loop_timer_set(r->o.loop, &r->age_timer, loop_now_us(r->o.loop) + RECORDER_RETRY_US);
}

/* The journal for a new exchange. */
int recorder_use_current(struct recorder *r, struct err *err)
{
    struct recorder_journal *j = recorder_current(r);
    bool has_room = recorder_count_journals(r) < RECORDER_JOURNALS_MAX;

    if (j && j->writer && j->next_sequence > 1 && has_room &&
        (journal_bytes(j->writer) >= r->segment_bytes ||
         loop_now_us(r->o.loop) - j->created_us >= r->segment_age_us)) {
        recorder_make_spare(r, j); /* until it is there, j does */
        if (r->spare->writer) {
            retire(r, j);
            j = NULL;
        }
    }
    if (j)
        return 0;
    if (!has_room)
        return err_set(err, ERR_LIMIT, "%d journals that failed still have calls under way",
                       RECORDER_JOURNALS_MAX);
    recorder_new_journal(r);
    return 0;
}

void recorder_on_age(void *ctx)
{
    struct recorder *r = ctx;
    struct recorder_journal *j = recorder_current(r);
    uint64_t now_us = loop_now_us(r->o.loop);

    if (!j)
        return; /* the next exchange makes a new one */
    if (j->next_sequence == 1)
        j->created_us = now_us;
    else if (recorder_count_journals(r) >= RECORDER_JOURNALS_MAX)
        j->created_us = now_us;
    else {
        recorder_make_spare(r, j);
        if (now_us - j->created_us >= r->segment_age_us) {
            retire_with_spare(r, j);
            return;
        }
    }
    recorder_set_age_timer(r, j);
}
