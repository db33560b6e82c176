#include "config.h"

#include "tests/check_main.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"

static struct loop *l;
static struct err err;
static char log_text[200];
static size_t calls; /* of all ends */

static void make_loop(void)
{
    ck_assert_int_eq(loop_open(&l, &err), 0);
    log_text[0] = '\0';
    calls = 0;
}

static void close_loop(void)
{
    loop_close(l);
}

static void note(const char *word)
{
    strncat(log_text, word, sizeof(log_text) - strlen(log_text) - 1);
}

static void turn(void)
{
    ck_assert_msg(loop_turn(l, 0, &err) == 0, "%s", err.text);
}

/* --- descriptors --- */

struct end {
    struct loop_io io;
    const char *name;
    unsigned last;
    struct end *victim; /* removed when called */
    bool reads;
    const struct end *asks; /* about this one, when called */
    bool found_quiet;
    bool writes_later;
    size_t wrote_at; /* calls until then */
};

static void on_end(void *ctx, unsigned events)
{
    struct end *e = ctx;
    char byte;

    note(e->name);
    e->last = events;
    calls++;
    if (e->asks)
        e->found_quiet = loop_io_is_quiet(l, &e->asks->io, 10000000);
    if (e->writes_later && events & LOOP_WRITE) {
        e->wrote_at = calls;
        return;
    }
    if (e->writes_later)
        loop_io_write_later(l, &e->io);
    if (e->victim)
        loop_io_remove(l, &e->victim->io);
    if (e->reads)
        ck_assert_int_eq(read(e->io.fd, &byte, 1), 1);
}

/* Two ends of a socket; only the first is on the loop. */
static int make_end(struct end *e, const char *name, unsigned events)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    *e = (struct end){ .name = name };
    e->io = (struct loop_io){ .fd = fds[0], .fn = on_end, .ctx = e };
    ck_assert_int_eq(loop_io_add(l, &e->io, events, &err), 0);
    return fds[1];
}

static void drop_end(struct end *e, int other)
{
    loop_io_remove(l, &e->io);
    close(e->io.fd);
    close(other);
}

START_TEST(what_is_left_unread_is_told_again_in_the_next_turn)
{
    struct end e;
    int other = make_end(&e, "e", LOOP_READ);

    turn();
    ck_assert_str_eq(log_text, "");
    ck_assert_int_eq(write(other, "ab", 2), 2);
    e.reads = true;
    turn();
    turn();
    turn();
    ck_assert_str_eq(log_text, "ee");
    ck_assert_uint_eq(e.last, LOOP_READ);
    drop_end(&e, other);
}
END_TEST

START_TEST(interest_is_changed_at_the_end_of_the_turn)
{
    struct end e;
    int other = make_end(&e, "e", LOOP_WRITE);

    turn();
    ck_assert_uint_eq(e.last, LOOP_WRITE);
    loop_io_want(l, &e.io, 0);
    ck_assert_int_eq(write(other, "x", 1), 1);
    turn();
    ck_assert_str_eq(log_text, "e");
    loop_io_want(l, &e.io, LOOP_READ | LOOP_WRITE);
    turn();
    ck_assert_uint_eq(e.last, LOOP_READ | LOOP_WRITE);
    drop_end(&e, other);
}
END_TEST

START_TEST(the_peers_end_is_told_as_it_is_wanted)
{
    struct end e;
    int other = make_end(&e, "e", LOOP_PEER_CLOSED);

    ck_assert_int_eq(shutdown(other, SHUT_WR), 0);
    turn();
    ck_assert_uint_eq(e.last, LOOP_PEER_CLOSED);
    loop_io_want(l, &e.io, LOOP_READ);
    turn();
    ck_assert_uint_eq(e.last, LOOP_READ);
    loop_io_want(l, &e.io, 0);
    e.last = 0;
    turn();
    ck_assert_uint_eq(e.last, 0);
    drop_end(&e, other);
}
END_TEST

START_TEST(a_hangup_is_told_to_who_wants_nothing)
{
    struct end e;
    int other = make_end(&e, "e", 0);

    close(other);
    turn();
    ck_assert_uint_eq(e.last, LOOP_HANGUP);
    loop_io_remove(l, &e.io);
    turn();
    ck_assert_str_eq(log_text, "e");
    close(e.io.fd);
}
END_TEST

START_TEST(what_one_handler_removes_is_not_called_though_it_is_ready)
{
    struct end *a = mem_calloc(1, sizeof(*a)), *b = mem_calloc(1, sizeof(*b));
    int other_a = make_end(a, "x", LOOP_READ), other_b = make_end(b, "x", LOOP_READ);

    a->victim = b;
    b->victim = a;
    ck_assert_int_eq(write(other_a, "x", 1), 1);
    ck_assert_int_eq(write(other_b, "x", 1), 1);
    turn();
    ck_assert_str_eq(log_text, "x");
    drop_end(a, other_a);
    drop_end(b, other_b);
    free(a);
    free(b);
    turn();
}
END_TEST

static void on_suicide(void *ctx, unsigned events)
{
    struct loop_io *io = ctx;

    (void)events;
    loop_io_want(l, io, LOOP_READ | LOOP_WRITE);
    loop_io_remove(l, io);
    close(io->fd);
    free(io);
    note("gone");
}

static void write_again(void *ctx, unsigned events)
{
    struct end *e = ctx;

    on_end(ctx, events);
    loop_io_write_later(l, &e->io);
    loop_io_write_later(l, &e->io);
}

START_TEST(who_asks_again_while_writing_is_called_in_the_next_turn)
{
    struct end a, b;
    int other_a = make_end(&a, "a", 0), other_b = make_end(&b, "b", 0);

    a.io.fn = write_again;
    loop_io_write_later(l, &a.io);
    loop_io_write_later(l, &b.io);
    turn();
    ck_assert_str_eq(log_text, "ab");
    ck_assert(loop_turn(l, UINT64_MAX, &err) == 0); /* does not wait */
    ck_assert_str_eq(log_text, "aba");
    drop_end(&a, other_a);
    drop_end(&b, other_b);
}
END_TEST

static void write_from_task(void *ctx)
{
    struct end *e = ctx;

    note("task");
    loop_io_write_later(l, &e->io);
}

START_TEST(bytes_leave_before_tasks_run_and_those_of_tasks_behind_them)
{
    struct end a, b;
    int other_a = make_end(&a, "a", 0), other_b = make_end(&b, "b", 0);
    struct loop_task task = { .fn = write_from_task, .ctx = &b };

    a.io.fn = write_again;
    loop_io_write_later(l, &a.io);
    loop_defer(l, &task);
    turn();
    ck_assert_str_eq(log_text, "ataskb");
    turn();
    ck_assert_str_eq(log_text, "ataskba");
    drop_end(&a, other_a);
    drop_end(&b, other_b);
}
END_TEST

START_TEST(what_is_removed_before_it_writes_is_not_called)
{
    struct end a, b, c;
    int other_a = make_end(&a, "a", 0), other_b = make_end(&b, "b", 0);
    int other_c = make_end(&c, "c", 0);

    b.victim = &c;
    loop_io_write_later(l, &a.io);
    loop_io_write_later(l, &b.io);
    loop_io_write_later(l, &c.io);
    drop_end(&a, other_a);
    turn();
    turn();
    ck_assert_str_eq(log_text, "b");
    drop_end(&b, other_b);
    drop_end(&c, other_c);
}
END_TEST

START_TEST(a_handler_may_remove_and_free_itself_with_a_change_outstanding)
{
    struct loop_io *io = mem_calloc(1, sizeof(*io));
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    *io = (struct loop_io){ .fd = fds[0], .fn = on_suicide, .ctx = io };
    ck_assert_int_eq(loop_io_add(l, io, LOOP_WRITE, &err), 0);
    turn();
    turn();
    ck_assert_str_eq(log_text, "gone");
    close(fds[1]);
}
END_TEST

/* What the loop knows without asking: only what it has looked for, and looked for lately. */
START_TEST(nothing_has_come_only_where_the_loop_has_looked)
{
    struct end first, second, unwatched;
    int others[] = { make_end(&first, "a", LOOP_READ), make_end(&second, "b", LOOP_READ),
                     make_end(&unwatched, "c", 0) };

    turn();
    ck_assert(loop_io_is_quiet(l, &second.io, 10000000));
    ck_assert(!loop_io_is_quiet(l, &unwatched.io, 10000000));
    usleep(2000);
    ck_assert(!loop_io_is_quiet(l, &second.io, 1000));
    first.asks = &second;
    ck_assert_int_eq(write(others[0], "x", 1), 1);
    turn();
    ck_assert(first.found_quiet);
    ck_assert_int_eq(write(others[1], "x", 1), 1);
    turn(); /* both are ready: the second's event is still to come as the first is called */
    ck_assert(!first.found_quiet);
    loop_io_remove(l, &second.io);
    ck_assert(!loop_io_is_quiet(l, &second.io, 10000000));
    drop_end(&first, others[0]);
    drop_end(&second, others[1]);
    drop_end(&unwatched, others[2]);
}
END_TEST

/* A turn in which that many are ready and have to write later. */
static void turn_of_writers(struct end *ends, size_t count)
{
    int others[200];

    ck_assert_uint_le(count, ARRAY_LEN(others));
    for (size_t i = 0; i < count; i++) {
        others[i] = make_end(&ends[i], "", LOOP_READ);
        ends[i].writes_later = ends[i].reads = true;
        ck_assert_int_eq(write(others[i], "x", 1), 1);
    }
    turn();
    ck_assert_uint_eq(calls, 2 * count);
    for (size_t i = 0; i < count; i++) {
        ck_assert_uint_eq(ends[i].last, LOOP_WRITE);
        drop_end(&ends[i], others[i]);
    }
}

static const struct {
    size_t ready;
    bool at_once;
} writers_rows[] = {
    {1,   true },
    { 2,  true },
    { 16, true },
    { 17, false},
    { 64, false},
};

START_TEST(a_few_write_each_behind_its_event_and_more_behind_all_that_is_ready)
{
    static struct end ends[64];
    size_t count = writers_rows[_i].ready;

    turn_of_writers(ends, count);
    for (size_t i = 0; i < count; i++) {
        if (writers_rows[_i].at_once) /* told, write, told, write, ... */
            ck_assert_uint_eq(ends[i].wrote_at % 2, 0);
        else
            ck_assert_uint_gt(ends[i].wrote_at, count);
    }
}
END_TEST

START_TEST(of_very_many_that_are_ready_the_first_need_not_wait_for_the_last)
{
    static struct end ends[200];

    turn_of_writers(ends, ARRAY_LEN(ends));
    /* The first was called to write before the last was called to read. */
    ck_assert_uint_gt(ends[0].wrote_at, 0);
    ck_assert_uint_lt(ends[0].wrote_at, ARRAY_LEN(ends));
}
END_TEST

START_TEST(a_regular_file_cannot_be_waited_for)
{
    FILE *file = tmpfile();
    struct loop_io io = { .fd = fileno(file), .fn = on_end };

    ck_assert_int_eq(loop_io_add(l, &io, LOOP_READ, &err), -1);
    ck_assert_int_eq(err.sys, EPERM);
    loop_io_remove(l, &io);
    fclose(file);
}
END_TEST

/* --- timers --- */

struct alarm {
    struct loop_timer timer;
    const char *name;
    uint64_t fired_us;
    bool again_now;
};

static void on_alarm(void *ctx)
{
    struct alarm *a = ctx;

    note(a->name);
    a->fired_us = loop_now_us(l);
    if (a->again_now)
        loop_timer_set(l, &a->timer, 0);
}

static void set_alarm(struct alarm *a, const char *name, uint64_t in_us)
{
    a->name = name;
    a->timer.fn = on_alarm;
    a->timer.ctx = a;
    loop_timer_set(l, &a->timer, loop_now_us(l) + in_us);
}

START_TEST(timers_fire_in_their_order_and_never_early)
{
    struct alarm a = { 0 }, b = { 0 }, c = { 0 };

    loop_read_clocks(l);
    uint64_t begin_us = loop_now_us(l);
    set_alarm(&a, "a", 9000);
    set_alarm(&b, "b", 3000);
    set_alarm(&c, "c", 6000);
    loop_timer_cancel(l, &c.timer);
    while (loop_timer_is_set(&a.timer))
        ck_assert_int_eq(loop_turn(l, UINT64_MAX, &err), 0);
    ck_assert_str_eq(log_text, "ba");
    ck_assert_uint_ge(b.fired_us, begin_us + 3000);
    ck_assert_uint_ge(a.fired_us, begin_us + 9000);
}
END_TEST

START_TEST(a_timer_moved_later_or_earlier_fires_once_at_its_last_time)
{
    struct alarm a = { 0 }, b = { 0 };

    loop_read_clocks(l);
    uint64_t begin_us = loop_now_us(l);
    set_alarm(&a, "a", 1000);
    set_alarm(&a, "a", 12000);
    set_alarm(&b, "b", 60000000);
    set_alarm(&b, "b", 4000);
    while (loop_timer_is_set(&a.timer))
        ck_assert_int_eq(loop_turn(l, UINT64_MAX, &err), 0);
    ck_assert_str_eq(log_text, "ba");
    ck_assert_uint_ge(a.fired_us, begin_us + 12000);
    ck_assert_uint_lt(b.fired_us, begin_us + 60000000); /* not at its first time */
}
END_TEST

START_TEST(a_timer_set_for_now_by_itself_does_not_hold_up_the_turn)
{
    struct alarm a = { .again_now = true }, b = { 0 };

    set_alarm(&a, "a", 0);
    set_alarm(&b, "b", 0);
    turn();
    ck_assert_str_eq(log_text, "ab");
    turn();
    ck_assert_str_eq(log_text, "aba");
    loop_timer_cancel(l, &a.timer);
}
END_TEST

/* --- tasks, wakeups, runs --- */

struct job {
    struct loop_task task;
    const char *name;
    struct job *next, *cancels;
};

static void on_job(void *ctx)
{
    struct job *j = ctx;

    note(j->name);
    if (j->next)
        loop_defer(l, &j->next->task);
    if (j->cancels)
        loop_defer_cancel(l, &j->cancels->task);
}

static struct job job(const char *name)
{
    return (struct job){ .name = name, .task.fn = on_job };
}

START_TEST(tasks_run_once_in_order_and_what_they_defer_in_the_next_turn)
{
    struct job a = job("a"), b = job("b"), c = job("c"), d = job("d");

    a.task.ctx = &a, b.task.ctx = &b, c.task.ctx = &c, d.task.ctx = &d;
    a.next = &a;
    a.cancels = &c;
    loop_defer(l, &a.task);
    loop_defer(l, &b.task);
    loop_defer(l, &c.task);
    loop_defer(l, &d.task);
    loop_defer(l, &a.task);
    turn();
    ck_assert_str_eq(log_text, "abd");
    a.next = NULL;
    /* Does not wait, as there is something to do. */
    ck_assert_int_eq(loop_turn(l, UINT64_MAX, &err), 0);
    ck_assert_str_eq(log_text, "abda");
    loop_defer_cancel(l, &a.task);
    turn();
    ck_assert_str_eq(log_text, "abda");
}
END_TEST

static void *wake_from_outside(void *ctx)
{
    (void)ctx;
    usleep(5000);
    loop_wake(l);
    return NULL;
}

static void on_wake(void *ctx)
{
    (void)ctx;
    note("woken");
    loop_stop(l);
}

START_TEST(what_is_for_idle_times_waits_for_them_but_not_for_ever)
{
    struct job t = job("t");
    struct end end;
    int other = make_end(&end, "e", LOOP_READ);

    t.task.ctx = &t;
    ck_assert_int_eq(write(other, "x", 1), 1);
    loop_defer_idle(l, &t.task, UINT64_MAX);
    turn();
    turn();
    ck_assert_str_eq(log_text, "ee"); /* it is still ready */
    end.reads = true;
    turn();
    ck_assert_str_eq(log_text, "eee");
    turn();
    ck_assert_str_eq(log_text, "eeet");
    end.reads = false;
    ck_assert_int_eq(write(other, "x", 1), 1);
    loop_defer_idle(l, &t.task, loop_now_us(l) + 200000);
    turn();
    ck_assert_str_eq(log_text, "eeete");
    usleep(210000);
    turn();
    ck_assert_str_eq(log_text, "eeeteet");
    loop_defer_idle(l, &t.task, 0);
    loop_defer_cancel(l, &t.task);
    turn();
    ck_assert_str_eq(log_text, "eeeteete");
    drop_end(&end, other);
}
END_TEST

START_TEST(another_thread_wakes_a_loop_that_waits)
{
    pthread_t thread;

    loop_on_wake(l, on_wake, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, wake_from_outside, NULL), 0);
    ck_assert_int_eq(loop_run(l, &err), 0);
    pthread_join(thread, NULL);
    ck_assert_str_eq(log_text, "woken");
    loop_wake(l);
    loop_wake(l);
    turn();
    turn();
    ck_assert_str_eq(log_text, "wokenwoken");
    /* That stopped it before it ran: it ends at once. */
    ck_assert_int_eq(loop_run(l, &err), 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, make_loop, close_loop);
    tcase_add_test(tc, what_is_left_unread_is_told_again_in_the_next_turn);
    tcase_add_test(tc, interest_is_changed_at_the_end_of_the_turn);
    tcase_add_test(tc, the_peers_end_is_told_as_it_is_wanted);
    tcase_add_test(tc, a_hangup_is_told_to_who_wants_nothing);
    tcase_add_test(tc, what_one_handler_removes_is_not_called_though_it_is_ready);
    tcase_add_loop_test(tc, a_few_write_each_behind_its_event_and_more_behind_all_that_is_ready, 0,
                        ARRAY_LEN(writers_rows));
    tcase_add_test(tc, who_asks_again_while_writing_is_called_in_the_next_turn);
    tcase_add_test(tc, bytes_leave_before_tasks_run_and_those_of_tasks_behind_them);
    tcase_add_test(tc, what_is_removed_before_it_writes_is_not_called);
    tcase_add_test(tc, a_handler_may_remove_and_free_itself_with_a_change_outstanding);
    tcase_add_test(tc, nothing_has_come_only_where_the_loop_has_looked);
    tcase_add_test(tc, of_very_many_that_are_ready_the_first_need_not_wait_for_the_last);
    tcase_add_test(tc, a_regular_file_cannot_be_waited_for);
    tcase_add_test(tc, timers_fire_in_their_order_and_never_early);
    tcase_add_test(tc, a_timer_moved_later_or_earlier_fires_once_at_its_last_time);
    tcase_add_test(tc, a_timer_set_for_now_by_itself_does_not_hold_up_the_turn);
    tcase_add_test(tc, tasks_run_once_in_order_and_what_they_defer_in_the_next_turn);
    tcase_add_test(tc, what_is_for_idle_times_waits_for_them_but_not_for_ever);
    tcase_add_test(tc, another_thread_wakes_a_loop_that_waits);
}
CHECK_MAIN("base/loop", add_tests)
