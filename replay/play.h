/* play - one answer on its way to one client: its head, each chunk and its end when they are due.
 *
 * What is due in one turn of the loop leaves together.  A client that does not take what it is sent
 * holds the play up, as it would have held up the provider; what became due meanwhile then follows
 * at once.
 */
#ifndef REPLAY_PLAY_H
#define REPLAY_PLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "replay/answer.h"

/* As recorded; 0 is as fast as the client takes it. */
#define PLAY_SPEED_RECORDED 1000u
#define PLAY_SPEED_MAX      0u
#define PLAY_PIECE_BYTES    (64u << 10) /* of a chunk that is larger, at a time */

enum play_end {
    PLAY_ENDED,
    PLAY_CUT,   /* the answer breaks off */
    PLAY_RESET, /* the same, and the client is told so */
};

/* Where it goes: a connection, or a stream of one. */
struct play_sink {
    void (*head)(void *ctx, const struct answer *a); /* not if it has none */
    void (*body)(void *ctx, struct str bytes);
    void (*end)(void *ctx, enum play_end how);
    /* Last of each step: time to write.  The play may be stopped by it. */
    void (*flush)(void *ctx);
    /* No more for now: play_resume says when. */
    bool (*is_full)(const void *ctx);
};

/* Embedded by its owner; zero-initialised plays nothing. */
struct play {
    struct loop *loop;
    const struct play_sink *sink;
    void *ctx;
    struct answer *answer; /* a reference; NULL = nothing is played */
    struct loop_timer timer;
    uint64_t begun_us;
    unsigned speed; /* thousandths */
    bool head_sent;
    bool is_hanging;        /* nothing comes any more, but for what is repeated */
    uint64_t repeat_due_us; /* if hanging; UINT64_MAX = nothing is repeated */
    size_t chunk;           /* that is next or under way */
    size_t sent;            /* of it */
    size_t place;           /* in the body */
};

/* When something at at_us is due after the beginning, at that speed. */
uint64_t play_due_us(uint64_t at_us, unsigned speed);
/* Takes the reference.  What is due at once leaves now. */
void play_start(struct play *p, struct answer *a);
/* The sink takes bytes again. */
void play_resume(struct play *p);
/* Does nothing if nothing is played. */
void play_stop(struct play *p);
/* It goes on until it is stopped. */
static inline bool play_is_hanging(const struct play *p)
{
    return p->answer && p->is_hanging;
}
static inline bool play_is_on(const struct play *p)
{
    return p->answer != NULL;
}

#endif
