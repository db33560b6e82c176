#include "config.h"

#include "replay/play.h"

uint64_t play_due_us(uint64_t at_us, unsigned speed)
{
    if (speed == PLAY_SPEED_MAX)
        return 0;
    return at_us > UINT64_MAX / PLAY_SPEED_RECORDED ? at_us / speed * PLAY_SPEED_RECORDED
                                                    : at_us * PLAY_SPEED_RECORDED / speed;
}

/* When what comes next is due. */
static uint64_t next_us(const struct play *p)
{
    const struct answer *a = p->answer;
    uint64_t at_us = a->end_us;

    if (p->is_hanging)
        return p->repeat_due_us;
    if (!p->head_sent)
        at_us = a->head_us;
    else if (p->chunk < a->chunk_count)
        at_us = a->chunks[p->chunk].at_us;
    return p->begun_us + play_due_us(at_us, a->is_exact ? PLAY_SPEED_RECORDED : p->speed);
}

/* All that is ever to come has come. */
static void hang(struct play *p)
{
    const struct answer *a = p->answer;
    uint64_t from_us = p->is_hanging ? p->repeat_due_us : p->begun_us + a->end_us;

    if (p->is_hanging)
        p->sink->body(p->ctx, buf_str(&a->repeated));
    p->is_hanging = true;
    p->repeat_due_us = a->repeated.len ? from_us + a->repeat_us : UINT64_MAX;
}

/* false: that was the end. */
static bool play_next(struct play *p)
{
    struct answer *a = p->answer;

    if (!p->head_sent) {
        p->head_sent = true;
        p->sink->head(p->ctx, a);
        return true;
    }
    if (p->chunk < a->chunk_count) {
        size_t left = a->chunks[p->chunk].bytes - p->sent;
        size_t bytes = left < PLAY_PIECE_BYTES ? left : PLAY_PIECE_BYTES;
        p->sink->body(p->ctx, str_sub(buf_str(&a->body), p->place, bytes));
        p->place += bytes;
        p->sent = bytes == left ? 0 : p->sent + bytes;
        p->chunk += bytes == left;
        return true;
    }
    if (a->hangs) {
        hang(p);
        return true;
    }
    enum play_end how = a->is_reset ? PLAY_RESET : a->is_cut ? PLAY_CUT : PLAY_ENDED;
    play_stop(p);
    p->sink->end(p->ctx, how);
    return false;
}

/* All that is due and that the sink takes. */
static void advance(struct play *p)
{
    uint64_t now_us = loop_now_us(p->loop);

    while (!p->sink->is_full(p->ctx)) {
        uint64_t due_us = next_us(p);
        if (due_us > now_us) {
            if (due_us != UINT64_MAX)
                loop_timer_set(p->loop, &p->timer, due_us);
            break;
        }
        if (!play_next(p))
            break;
    }
}

static void step(void *ctx)
{
    struct play *p = ctx;

    do {
        advance(p);
        p->sink->flush(p->ctx);
    } while (p->answer && !loop_timer_is_set(&p->timer) && !p->sink->is_full(p->ctx) &&
             !(p->is_hanging && p->repeat_due_us == UINT64_MAX));
}

void play_start(struct play *p, struct answer *a)
{
    p->answer = a;
    p->timer = (struct loop_timer){ .fn = step, .ctx = p };
    p->begun_us = loop_now_us(p->loop);
    p->head_sent = a->has_no_head;
    p->is_hanging = false;
    p->chunk = p->sent = p->place = 0;
    step(p);
}

void play_resume(struct play *p)
{
    if (p->answer && !loop_timer_is_set(&p->timer))
        step(p);
}

void play_stop(struct play *p)
{
    if (!p->answer)
        return;
    loop_timer_cancel(p->loop, &p->timer);
    answer_unref(p->answer);
    p->answer = NULL;
}
