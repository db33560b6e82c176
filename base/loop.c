#include "config.h"

#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "base/vec.h"

#define EVENTS_MAX    256 /* ready descriptors fetched at once; more come in the next turn */
#define EVENTS_GATHER 64  /* of them are a turn's: then what is to leave does, and time goes on */
#define EVENTS_FEW    16  /* as many or fewer: what each has to send leaves behind it */

struct loop {
    struct loop_clock clock; /* first: loop_now_us finds it there */
    int epoll_fd;
    uint64_t waited_us; /* when the events were fetched */
    struct heap timers;
    VEC(struct loop_io *) dirty; /* whose interest the kernel does not know yet; NULL = settled */
    VEC(struct loop_io *) later; /* to write at the end of the turn; NULL = no more */
    struct loop_task *tasks, **tasks_end;
    struct loop_task *idle_tasks, **idle_end; /* for when there is nothing else to do */
    uint64_t idle_due_us;                     /* or for then */
    struct epoll_event events[EVENTS_MAX];
    int event_next, event_count; /* still to be dispatched in this turn */
    bool is_stopping;
    struct loop_io wakeup;
    void (*wake_fn)(void *ctx);
    void *wake_ctx;
};

static_assert(offsetof(struct loop, clock) == 0, "loop_now_us finds it");

/* --- life --- */

static void take_wakeup(void *ctx, unsigned events)
{
    struct loop *l = ctx;
    uint64_t count;

    (void)events;
    /* Nothing to read means that somebody else did: then it was told already. */
    if (read(l->wakeup.fd, &count, sizeof(count)) == sizeof(count) && l->wake_fn)
        l->wake_fn(l->wake_ctx);
}

int loop_open(struct loop **ret, struct err *err)
{
    CLEANUP(loop_close) struct loop *l = mem_calloc(1, sizeof(*l));

    l->tasks_end = &l->tasks;
    l->idle_end = &l->idle_tasks;
    l->wakeup.fd = -1;
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0)
        return err_sys(err, "cannot make an epoll descriptor");
    l->wakeup = (struct loop_io){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    l->wakeup.fn = take_wakeup;
    l->wakeup.ctx = l;
    if (l->wakeup.fd < 0)
        return err_sys(err, "cannot make an event descriptor");
    if (loop_io_add(l, &l->wakeup, LOOP_READ, err) < 0)
        return -1;
    loop_read_clocks(l);
    *ret = TAKE(l);
    return 0;
}

void loop_close(struct loop *l)
{
    if (!l)
        return;
    loop_io_remove(l, &l->wakeup);
    if (l->wakeup.fd >= 0)
        close(l->wakeup.fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    heap_release(&l->timers);
    vec_release(&l->dirty);
    vec_release(&l->later);
    free(l);
}

void loop_read_clocks(struct loop *l)
{
    l->clock.now_us = (uint64_t)clock_monotonic_us();
    l->clock.wall_us = (uint64_t)clock_now_us();
}

/* --- descriptors --- */

static uint32_t to_epoll(unsigned events)
{
    return (events & LOOP_READ ? (uint32_t)EPOLLIN : 0) |
           (events & LOOP_WRITE ? (uint32_t)EPOLLOUT : 0) |
           (events & LOOP_PEER_CLOSED ? (uint32_t)EPOLLRDHUP : 0);
}

static unsigned from_epoll(uint32_t events)
{
    return (events & EPOLLIN ? LOOP_READ : 0) | (events & EPOLLOUT ? LOOP_WRITE : 0) |
           (events & EPOLLRDHUP ? LOOP_PEER_CLOSED : 0) |
           (events & (EPOLLHUP | EPOLLERR) ? LOOP_HANGUP : 0);
}

static int control(struct loop *l, int op, struct loop_io *io)
{
    struct epoll_event event = { .events = to_epoll(io->wanted), .data.ptr = io };

    io->told = io->wanted;
    return epoll_ctl(l->epoll_fd, op, io->fd, &event);
}

int loop_io_add(struct loop *l, struct loop_io *io, unsigned events, struct err *err)
{
    assert(!io->is_added && io->fn && io->dirty_place == 0);
    io->wanted = events;
    if (control(l, EPOLL_CTL_ADD, io) < 0)
        return err_sys(err, "cannot wait for descriptor %d", io->fd);
    io->is_added = true;
    return 0;
}

static void mark_dirty(struct loop *l, struct loop_io *io)
{
    if (io->wanted == io->told || io->dirty_place)
        return;
    vec_push(&l->dirty, io);
    io->dirty_place = (uint32_t)l->dirty.len;
}

/* Who waits for an answer soon wants to read again, so that the kernel is left to think it still
 * does: only if something comes is it told (dispatch).  What can be written to, however, is ready
 * at once.  The end of the peer's half shows as something to read. */
static bool is_covered(const struct loop_io *io)
{
    unsigned needed = io->wanted, spare;

    if (io->told & LOOP_READ)
        needed &= ~(unsigned)LOOP_PEER_CLOSED;
    spare = io->told & ~io->wanted;
    return !(needed & ~io->told) && !(spare & LOOP_WRITE);
}

void loop_io_want(struct loop *l, struct loop_io *io, unsigned events)
{
    assert(io->is_added);
    io->wanted = events;
    if (!is_covered(io))
        mark_dirty(l, io);
}

void loop_io_write_later(struct loop *l, struct loop_io *io)
{
    assert(io->is_added);
    if (io->later_place)
        return;
    vec_push(&l->later, io);
    io->later_place = (uint32_t)l->later.len;
}

void loop_io_remove(struct loop *l, struct loop_io *io)
{
    if (!io->is_added)
        return;
    /* Fails only if the descriptor was closed too early, which has removed it as well. */
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    if (io->dirty_place)
        l->dirty.ptr[io->dirty_place - 1] = NULL;
    if (io->later_place)
        l->later.ptr[io->later_place - 1] = NULL;
    for (int i = l->event_next; i < l->event_count; i++)
        if (l->events[i].data.ptr == io)
            l->events[i].data.ptr = NULL;
    io->is_added = false;
    io->dirty_place = io->later_place = 0;
}

bool loop_io_is_quiet(const struct loop *l, const struct loop_io *io, uint64_t within_us)
{
    /* Of a full house, others may wait outside. */
    if (!io->is_added || !(io->told & LOOP_READ) || l->event_count == EVENTS_MAX)
        return false;
    for (int i = l->event_next; i < l->event_count; i++)
        if (l->events[i].data.ptr == io)
            return false;
    return (uint64_t)clock_monotonic_us() - l->waited_us <= within_us;
}

static int tell_kernel(struct loop *l, struct err *err)
{
    for (size_t i = 0; i < l->dirty.len; i++) {
        struct loop_io *io = l->dirty.ptr[i];
        if (!io)
            continue;
        io->dirty_place = 0;
        bool must_tell = io->wanted != io->told && (io->is_told_too_much || !is_covered(io));
        io->is_told_too_much = false;
        if (must_tell && control(l, EPOLL_CTL_MOD, io) < 0)
            return err_sys(err, "cannot wait for descriptor %d", io->fd);
    }
    vec_clear(&l->dirty);
    return 0;
}

static void dispatch_one(struct loop *l, const struct epoll_event *event)
{
    struct loop_io *io = event->data.ptr;

    if (!io)
        return;
    unsigned ready = from_epoll(event->events);
    if (ready & ~(io->wanted | LOOP_HANGUP)) {
        io->is_told_too_much = true;
        mark_dirty(l, io);
    }
    /* Interest dropped earlier in this turn counts; bad news always does. */
    unsigned events = ready & (io->wanted | LOOP_HANGUP);
    if (events)
        io->fn(io->ctx, events);
}

/* Calls those who asked, but for the first ones.  Those that ask to be called while this runs are
 * called in the next turn. */
static void write_later(struct loop *l, size_t first)
{
    size_t count = l->later.len, left = first;

    for (size_t i = first; i < count; i++) {
        struct loop_io *io = l->later.ptr[i];
        if (!io)
            continue;
        io->later_place = 0;
        io->fn(io->ctx, LOOP_WRITE);
    }
    for (size_t i = count; i < l->later.len; i++) {
        struct loop_io *io = l->later.ptr[i];
        if (!io)
            continue;
        l->later.ptr[left++] = io;
        io->later_place = (uint32_t)left;
    }
    l->later.len = left;
}

/* Few events say that there is time, and that who waits is asleep: it wakes up while the next event
 * is dispatched.  At half load of a proxy a turn has 1 to 8 of them, at full load 30 to 64. */
static void dispatch(struct loop *l)
{
    bool are_few = l->event_count <= EVENTS_FEW;

    while (l->event_next < l->event_count) {
        const struct epoll_event *event = &l->events[l->event_next++];
        dispatch_one(l, event);
        bool is_full = l->event_next % EVENTS_GATHER == 0;
        if (are_few || is_full)
            write_later(l, 0);
        if (is_full)
            loop_read_clocks(l);
    }
}

/* --- timers --- */

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_us)
{
    assert(t->fn);
    uint64_t was_us = t->due_us;

    /* Not before what is due already: run_timers ends at the first that was set while it ran. */
    t->due_us = due_us > l->clock.now_us ? due_us : l->clock.now_us;
    if (heap_has(&t->node) && t->due_us >= was_us)
        return; /* it comes up by then, and the heap need not be looked into */
    if (!heap_has(&t->node))
        heap_push(&l->timers, &t->node, t->due_us);
    else if (t->due_us < l->timers.entries[t->node.place - 1].at_us)
        heap_move(&l->timers, &t->node, t->due_us);
    /* Else it comes up when it was due, and run_timers moves it then. */
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
    heap_remove(&l->timers, &t->node);
}

/* Those set to "now" by a timer's handler wait for the next turn, or one could hold up the rest. */
static void run_timers(struct loop *l)
{
    uint64_t at_us, last = l->timers.pushed;
    struct heap_node *node;

    while ((node = heap_first(&l->timers, &at_us)) && at_us <= l->clock.now_us) {
        struct loop_timer *t = heap_owner(node, struct loop_timer, node);
        if (t->due_us > l->clock.now_us) {
            heap_move(&l->timers, node, t->due_us);
            continue;
        }
        if (l->timers.entries[0].number > last)
            return;
        heap_remove(&l->timers, node);
        t->fn(t->ctx);
    }
}

/* --- tasks --- */

static void queue(struct loop_task ***end, struct loop_task *t)
{
    assert(t->fn);
    t->next = NULL;
    t->link = *end;
    **end = t;
    *end = &t->next;
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    if (!t->link)
        queue(&l->tasks_end, t);
}

void loop_defer_idle(struct loop *l, struct loop_task *t, uint64_t due_us)
{
    if (t->link)
        return;
    if (!l->idle_tasks || due_us < l->idle_due_us)
        l->idle_due_us = due_us;
    queue(&l->idle_end, t);
}

void loop_defer_cancel(struct loop *l, struct loop_task *t)
{
    if (!t->link)
        return;
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    if (l->tasks_end == &t->next)
        l->tasks_end = t->link;
    if (l->idle_end == &t->next)
        l->idle_end = t->link;
    t->link = NULL;
}

static void end_idling(struct loop *l, bool is_idle)
{
    if (!l->idle_tasks || (!is_idle && l->clock.now_us < l->idle_due_us))
        return;
    *l->tasks_end = l->idle_tasks;
    l->idle_tasks->link = l->tasks_end;
    l->tasks_end = l->idle_end;
    l->idle_tasks = NULL;
    l->idle_end = &l->idle_tasks;
}

/* Runs what is queued now: a mark at the end tells it from what is queued meanwhile. */
static void run_tasks(struct loop *l)
{
    struct loop_task mark = { .fn = NULL };

    if (!l->tasks)
        return;
    mark.link = l->tasks_end;
    *l->tasks_end = &mark;
    l->tasks_end = &mark.next;
    for (struct loop_task *t; (t = l->tasks) != &mark;) {
        loop_defer_cancel(l, t);
        t->fn(t->ctx);
    }
    loop_defer_cancel(l, &mark);
}

/* --- turns --- */

void loop_wake(struct loop *l)
{
    int saved = errno; /* of the code a signal handler interrupts */
    uint64_t one = 1;

    /* Fails only when the counter is full, and then a wakeup is due already. */
    ssize_t n = write(l->wakeup.fd, &one, sizeof(one));
    (void)n;
    errno = saved;
}

void loop_on_wake(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
    l->wake_fn = fn;
    l->wake_ctx = ctx;
}

void loop_stop(struct loop *l)
{
    l->is_stopping = true;
}

/* µs until the next turn must begin. */
static uint64_t wait_us(const struct loop *l, uint64_t max_us)
{
    uint64_t at_us;

    if (l->tasks || l->idle_tasks || l->later.len || l->is_stopping)
        return 0;
    if (!heap_first(&l->timers, &at_us))
        return max_us;
    if (at_us <= l->clock.now_us)
        return 0;
    return at_us - l->clock.now_us < max_us ? at_us - l->clock.now_us : max_us;
}

static int wait_for_events(struct loop *l, uint64_t us)
{
    /* A millisecond too late, rather than many turns that find nothing due yet. */
    uint64_t ms = us / 1000 + (us % 1000 != 0);

    return epoll_wait(l->epoll_fd, l->events, EVENTS_MAX,
                      us == UINT64_MAX ? -1 : (int)(ms < INT_MAX ? ms : INT_MAX));
}

int loop_turn(struct loop *l, uint64_t max_wait_us, struct err *err)
{
    if (tell_kernel(l, err) < 0)
        return -1;
    /* What was done since the last turn took time: a timer may be due already. */
    if (max_wait_us > 0 && l->timers.len > 0)
        loop_read_clocks(l);
    int n = wait_for_events(l, wait_us(l, max_wait_us));
    if (n < 0 && errno != EINTR)
        return err_sys(err, "cannot wait for events");
    loop_read_clocks(l);
    l->waited_us = l->clock.now_us;
    l->event_next = 0;
    l->event_count = n > 0 ? n : 0;
    dispatch(l);
    run_timers(l);
    write_later(l, 0);
    size_t next_turns = l->later.len;
    end_idling(l, n <= 0);
    run_tasks(l);
    write_later(l, next_turns);
    return 0;
}

int loop_run(struct loop *l, struct err *err)
{
    while (!l->is_stopping)
        if (loop_turn(l, UINT64_MAX, err) < 0)
            return -1;
    l->is_stopping = false;
    return 0;
}
