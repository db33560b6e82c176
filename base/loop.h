/* loop - one thread's events: descriptors (epoll), timers, deferred tasks, a wakeup from outside.
 *
 * A turn is: wait; read the clocks; dispatch what is ready; run timers that are due; write what is
 * to leave; run deferred tasks, and write what they have to leave; tell the kernel what is waited
 * for from now on.  Where few are ready, bytes leave behind each; where very many are, in between,
 * and clocks are read there as well.
 *
 * Level-triggered: a handler may read once and leave the rest for the next turn, which saves the
 * read that only finds EAGAIN.  The price is that interest must be dropped while nothing is read;
 * loop_io_want is free until the end of the turn, and costs a system call only if more is wanted
 * than the kernel knows of, or if something came that is not wanted any more.  To have bytes leave
 * in the turn they came in, ask with loop_io_write_later to be called, or write at once; want
 * LOOP_WRITE only after a short write.
 *
 * Structs are embedded by their owner and must stay in place while added.  Any handler may add,
 * change and remove anything, itself included, and free it afterwards: what was removed is not
 * called any more, even if it was ready in this turn.
 *
 * Not thread-safe but for loop_wake.  SIGPIPE must be ignored by the program.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/heap.h"
#include "base/mem.h"

struct loop;

/* What to wait for, and what has happened. */
enum {
    LOOP_READ = 1u << 0,
    LOOP_WRITE = 1u << 1,
    LOOP_PEER_CLOSED = 1u << 2, /* the peer ended its sending half: only if wanted, else as READ */
    LOOP_HANGUP = 1u << 3,      /* both halves are gone or there is an error: always told, remove it
                                   or read to learn the error, or it is told again each turn */
};

/* A descriptor.  Set fd, fn, ctx; the rest belongs to the loop; zero-initialise. */
struct loop_io {
    int fd;
    void (*fn)(void *ctx, unsigned events);
    void *ctx;
    unsigned wanted;      /* by the owner */
    unsigned told;        /* to the kernel, which may be more */
    uint32_t dirty_place; /* index + 1 among those to be told */
    uint32_t later_place; /* index + 1 among those that write at the end of the turn */
    bool is_added;
    bool is_told_too_much; /* something unwanted came */
};

/* A timer.  Set fn, ctx; zero-initialise.  Moving it later, as idle timeouts do with every byte,
 * only stores the time. */
struct loop_timer {
    void (*fn)(void *ctx);
    void *ctx;
    uint64_t due_us;
    struct heap_node node;
};

/* Something to do later in this turn.  Set fn, ctx; zero-initialise. */
struct loop_task {
    void (*fn)(void *ctx);
    void *ctx;
    struct loop_task *next, **link; /* link is NULL if not queued */
};

int loop_open(struct loop **ret, struct err *err);
/* Everything must have been removed before; NULL is fine. */
void loop_close(struct loop *l);
DEFINE_CLEANUP(struct loop, loop_close)

/* Private: what a loop begins with. */
struct loop_clock {
    uint64_t now_us, wall_us;
};
/* The time of this turn, in µs: monotonic (timers, durations) and since the epoch (records). */
static inline uint64_t loop_now_us(const struct loop *l)
{
    return ((const struct loop_clock *)(const void *)l)->now_us;
}
static inline uint64_t loop_wall_us(const struct loop *l)
{
    return ((const struct loop_clock *)(const void *)l)->wall_us;
}
/* Reads the clocks again within a turn. */
void loop_read_clocks(struct loop *l);

/* Adds io, wanting events.  Fails for what epoll cannot wait for (regular files) and at its limits.
 */
int loop_io_add(struct loop *l, struct loop_io *io, unsigned events, struct err *err);
/* Replaces what io waits for; 0 leaves LOOP_HANGUP only. */
void loop_io_want(struct loop *l, struct loop_io *io, unsigned events);
/* Calls io with LOOP_WRITE once, wanted or not: behind the event being dispatched if few are ready
 * (16), else at the end of this turn.  Writing to a socket wakes who waits at its other end, which
 * on one machine takes longer than the write: of many in a row only the first does, as the others
 * find the peer awake.  With little to do, however, the peer better wakes up meanwhile. */
void loop_io_write_later(struct loop *l, struct loop_io *io);
/* Had nothing come for io, which waits to be read, when the loop last looked, and is that at most
 * within_us ago?  Takes no system call; false also where it cannot be said.  What was told of io in
 * this turn before now is not counted: who was told knows whether all of it was read. */
bool loop_io_is_quiet(const struct loop *l, const struct loop_io *io, uint64_t within_us);
/* Before fd is closed.  Does nothing if io is not added. */
void loop_io_remove(struct loop *l, struct loop_io *io);

/* (Re)starts t to fire once at due_us (monotonic), in the first turn at or after it. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_us);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
static inline bool loop_timer_is_set(const struct loop_timer *t)
{
    return heap_has(&t->node);
}

/* Runs t once, after this turn's descriptors and timers; does nothing if it is queued already. What
 * a task defers runs in the next turn, which then does not wait. */
void loop_defer(struct loop *l, struct loop_task *t);
/* Likewise, but once nothing is ready any more, or in the first turn at or after due_us: for what
 * costs the less per piece the more pieces have come. */
void loop_defer_idle(struct loop *l, struct loop_task *t, uint64_t due_us);
/* Does nothing if t is not queued. */
void loop_defer_cancel(struct loop *l, struct loop_task *t);

/* Ends the wait from any thread or signal handler; the next turn calls fn, if set (by the loop's
 * own thread).  Several wakes may give one call. */
void loop_wake(struct loop *l);
void loop_on_wake(struct loop *l, void (*fn)(void *ctx), void *ctx);

/* One turn that waits at most max_wait_us (UINT64_MAX: until something happens). */
int loop_turn(struct loop *l, uint64_t max_wait_us, struct err *err);
/* Turns until loop_stop, which may be called before, by a handler of the loop's own thread. */
int loop_run(struct loop *l, struct err *err);
void loop_stop(struct loop *l);

#endif
