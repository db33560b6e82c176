#include "config.h"

#include "proxy/recorder.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/record.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

static struct loop *loop;
static struct archive *archive;
static struct recorder *recorder;
static struct proxy_stats stats;
static struct log_sink quiet = { .least = LOG_LEVEL_ERROR };
static struct proxy_conf conf;
static int unblocked;
static useconds_t sync_us;   /* that the disk takes */
static atomic_bool is_stuck; /* it takes nothing until that ends */

/* In place of libc's. */
int fdatasync(int fd)
{
    usleep(sync_us);
    while (atomic_load(&is_stuck))
        usleep(1000);
    return (int)syscall(SYS_fdatasync, fd);
}

static pthread_t main_thread;
static atomic_bool hangs; /* any write of the other thread's that is not a mere wake */

ssize_t write(int fd, const void *bytes, size_t len)
{
    while (atomic_load(&hangs) && len > sizeof(uint64_t) &&
           !pthread_equal(pthread_self(), main_thread))
        usleep(1000);
    return syscall(SYS_write, fd, bytes, len);
}

static void on_unblocked(void *ctx)
{
    (void)ctx;
    unblocked++;
}

static void start(void)
{
    struct err err;

    temp_folder_make();
    conf = (struct proxy_conf){ .durability = JOURNAL_BATCH,
                                .segment_bytes = 1u << 30,
                                .segment_age_us = UINT64_C(3600000000) };
    stats = (struct proxy_stats){ 0 };
    unblocked = 0;
    sync_us = 0;
    main_thread = pthread_self();
    ck_assert_msg(loop_open(&loop, &err) == 0, "%s", err.text);
    loop_read_clocks(loop);
    ck_assert_msg(archive_open(temp_path("archive"), true, &archive, &err) == 0, "%s", err.text);
}

static void turn_for(uint64_t us)
{
    uint64_t until;
    struct err err;

    loop_read_clocks(loop);
    until = loop_now_us(loop) + us;
    while (loop_now_us(loop) < until)
        ck_assert_int_eq(loop_turn(loop, 5000, &err), 0);
}

/* Turns the loop until condition holds: how long a disk takes is nobody's promise. */
#define TURN_UNTIL(condition)                                                                      \
    for (uint64_t until = loop_now_us(loop) + LIMIT_US; !(condition); turn_for(1000))              \
    ck_assert_msg(loop_now_us(loop) < until, "not within 20 s: %s", #condition)
#define LIMIT_US UINT64_C(20000000)

static void open_recorder(void)
{
    struct recorder_options o = { .loop = loop,
                                  .archive = archive,
                                  .log = &quiet,
                                  .stats = &stats,
                                  .name = "w0",
                                  .on_unblocked = on_unblocked };
    struct err err;

    ck_assert_msg(recorder_open(&o, &conf, &recorder, &err) == 0, "%s", err.text);
}

static void end(void)
{
    recorder_close(recorder);
    recorder = NULL;
    archive_close(archive);
    loop_close(loop);
    temp_folder_remove();
}

static void begin(struct recording *rec)
{
    struct exchange x = { .started_us = (int64_t)loop_wall_us(loop),
                          .origin = STR("proxy"),
                          .method = STR("GET"),
                          .path = STR("/x") };
    struct err err;

    *rec = (struct recording){ .began_us = loop_now_us(loop) };
    ck_assert_msg(recorder_begin(recorder, rec, &x, &err) == 0, "%s", err.text);
}

static bool finish(struct recording *rec)
{
    struct exchange x = { .first_token_us = -1 };

    x.request_body_missing = rec->request_dropped;
    x.response_body_missing = rec->response_dropped;
    return recorder_end(recorder, rec, &x);
}

struct files {
    size_t journals, ready;
};

static struct files list_files(void)
{
    struct archive_journals journals = { 0 };
    struct files f = { 0 };
    struct err err;

    ck_assert_int_eq(archive_journals_list(archive, &journals, &err), 0);
    f.journals = journals.len;
    for (size_t i = 0; i < journals.len; i++)
        f.ready += journals.ptr[i].ready;
    archive_journals_release(&journals);
    return f;
}

/* All exchanges of all journals. */
struct totals {
    size_t journals, ready, used, exchanges, ended, missing; /* used: with an exchange */
    uint64_t response_bytes;
};

static struct totals count_records(void)
{
    struct archive_journals journals = { 0 };
    struct totals t = { 0 };
    struct err err;

    ck_assert_int_eq(archive_journals_list(archive, &journals, &err), 0);
    for (size_t i = 0; i < journals.len; i++) {
        struct journal_reader *j = NULL;
        struct record_index index = { 0 };
        struct record_scratch scratch = { 0 };
        ck_assert_msg(journal_open(journals.ptr[i].path, &j, &err) == 0, "%s", err.text);
        ck_assert_msg(record_index(j, false, &index, &err) == 0, "%s", err.text);
        t.journals++;
        t.ready += journals.ptr[i].ready;
        t.used += index.len > 0;
        t.exchanges += index.len;
        for (size_t n = 0; n < index.len; n++) {
            struct exchange x;
            ck_assert_msg(record_read(j, &index, &index.entries[n], &scratch, &x, &err) == 0, "%s",
                          err.text);
            t.ended += (index.entries[n].flags & RECORD_ENDED) != 0;
            t.missing += x.response_body_missing;
            t.response_bytes += x.response_body.len;
        }
        record_scratch_release(&scratch);
        record_index_release(&index);
        journal_reader_close(j);
    }
    archive_journals_release(&journals);
    return t;
}

START_TEST(batch_is_written_within_its_time)
{
    struct recording rec;

    open_recorder();
    begin(&rec);
    recorder_chunk(recorder, &rec, STR("hello"));
    ck_assert(finish(&rec));
    TURN_UNTIL(stats.journal_syncs > 0);
    ck_assert_uint_eq(stats.journal_syncs, 1);
    ck_assert_uint_eq(count_records().ended, 1); /* though the journal is still open */
}
END_TEST

/* The next call, and time enough for what weir promises: on a busy machine some more, but less than
 * the disk takes. */
static void record_one(size_t number)
{
    struct recording rec;

    begin(&rec);
    recorder_chunk(recorder, &rec, STR("hello"));
    ck_assert(finish(&rec));
    turn_for(RECORDER_SYNC_US + 10000);
    for (int i = 0; i < 30 && count_records().ended < number; i++)
        turn_for(10000);
    ck_assert_uint_eq(count_records().ended, number);
}

START_TEST(the_kernel_has_it_in_time_however_slow_the_disk_is)
{
    open_recorder();
    atomic_store(&is_stuck, true);
    for (size_t i = 1; i <= 5; i++)
        record_one(i);
    ck_assert_uint_eq(stats.journal_syncs, 0); /* the first still waits for the disk */
    ck_assert_uint_eq(stats.journal_held_bytes, 0);
    ck_assert_uint_gt(stats.loop_lag_seconds, 0);
    atomic_store(&is_stuck, false);
}
END_TEST

START_TEST(so_it_has_while_a_slow_disk_makes_the_next_journal)
{
    conf.segment_age_us = 100000;
    open_recorder();
    sync_us = 500000;
    /* Twenty, and on a busy machine as many more as the next journal takes. */
    for (size_t i = 1; i <= 20 || (i <= 400 && count_records().journals == 1); i++) {
        record_one(i);
        ck_assert_uint_eq(stats.journal_held_bytes, 0);
    }
    ck_assert_uint_gt(count_records().journals, 1);
}
END_TEST

struct waiter {
    struct recording rec;
    int told;
    bool durable;
};

static void on_durable(void *ctx, bool durable)
{
    struct waiter *w = ctx;

    w->told++;
    w->durable = durable;
}

START_TEST(strict_tells_when_the_end_is_on_disk_and_groups_them)
{
    struct waiter waiters[50] = { 0 };

    conf.durability = JOURNAL_STRICT;
    open_recorder();
    for (size_t i = 0; i < ARRAY_LEN(waiters); i++) {
        begin(&waiters[i].rec);
        waiters[i].rec.on_durable = on_durable;
        waiters[i].rec.ctx = &waiters[i];
        ck_assert(!finish(&waiters[i].rec));
        ck_assert_int_eq(waiters[i].told, 0);
    }
    recorder_forget(recorder, &waiters[7].rec);
    TURN_UNTIL(waiters[ARRAY_LEN(waiters) - 1].told);
    for (size_t i = 0; i < ARRAY_LEN(waiters); i++)
        ck_assert(waiters[i].told == (i != 7) && waiters[i].durable == (i != 7));
    ck_assert_uint_le(stats.journal_syncs, 3); /* not 50 */
    ck_assert_uint_eq(count_records().ended, 50);
}
END_TEST

START_TEST(a_full_journal_takes_no_new_exchanges_and_is_ready_after_its_last)
{
    struct recording stream, rec;
    static char big[70000];

    conf.segment_bytes = 1u << 16;
    open_recorder();
    begin(&stream);
    recorder_chunk(recorder, &stream, (struct str){ big, sizeof(big) });
    TURN_UNTIL(list_files().journals == 2); /* the next one is made */
    size_t calls = 0;
    for (; calls < 400 && count_records().used < 2; calls++) { /* until the recorder knows */
        begin(&rec);
        ck_assert(finish(&rec));
        turn_for(60000);
    }
    turn_for(100000);
    ck_assert_uint_eq(count_records().used, 2);
    ck_assert_uint_eq(count_records().journals, 2);
    ck_assert_uint_eq(count_records().ready, 0); /* the stream still writes to the first */
    recorder_chunk(recorder, &stream, STR("end"));
    ck_assert(finish(&stream));
    TURN_UNTIL(list_files().ready > 0);
    ck_assert_uint_eq(count_records().ready, 1);
    ck_assert_uint_eq(count_records().ended, calls + 1);
    ck_assert_uint_eq(count_records().response_bytes, sizeof(big) + 3);
}
END_TEST

START_TEST(an_old_journal_is_ready_without_another_call)
{
    struct recording rec;

    conf.segment_age_us = 100000;
    open_recorder();
    begin(&rec);
    ck_assert(finish(&rec));
    TURN_UNTIL(list_files().ready > 0);
    ck_assert_uint_eq(count_records().ready, 1);
}
END_TEST

static void fill(struct recording *rec, int pieces)
{
    static char piece[32768];

    for (int i = 0; i < pieces; i++)
        recorder_chunk(recorder, rec, (struct str){ piece, sizeof(piece) });
}

START_TEST(block_stops_reading_and_loses_nothing)
{
    struct recording rec;

    conf.pressure = PROXY_BLOCK;
    open_recorder();
    begin(&rec);
    temp_limit_files(100000);
    fill(&rec, 20);
    TURN_UNTIL(recorder_is_blocked(recorder));
    ck_assert(!recorder_must_refuse(recorder));
    ck_assert_uint_eq(stats.journal_failing, 1);
    ck_assert(finish(&rec));
    temp_limit_files(RLIM_INFINITY);
    TURN_UNTIL(unblocked);
    ck_assert(!recorder_is_blocked(recorder));
    ck_assert_int_eq(unblocked, 1);
    ck_assert_uint_eq(count_records().ended, 1);
    ck_assert_uint_eq(count_records().response_bytes, 20 * 32768);
    ck_assert_uint_eq(stats.bodies_dropped, 0);
}
END_TEST

START_TEST(drop_bodies_keeps_the_rest_and_counts)
{
    struct recording rec, other;

    conf.pressure = PROXY_DROP_BODIES;
    open_recorder();
    begin(&rec);
    temp_limit_files(100000);
    fill(&rec, 40);
    TURN_UNTIL(stats.journal_failing);
    ck_assert(!recorder_is_blocked(recorder) && !recorder_must_refuse(recorder));
    begin(&other);
    recorder_chunk(recorder, &other, STR("hello"));
    ck_assert(finish(&other));
    recorder_chunk(recorder, &rec, STR("hello"));
    ck_assert(finish(&rec));
    ck_assert_uint_eq(stats.bodies_dropped, 2);
    temp_limit_files(RLIM_INFINITY);
    TURN_UNTIL(!stats.journal_failing);
    struct totals t = count_records();
    ck_assert_uint_eq(t.ended, 2);
    ck_assert_uint_eq(t.missing, 2);
}
END_TEST

/* Bodies are dropped, but what else comes would have no end. */
START_TEST(memory_has_a_bound_while_a_write_hangs)
{
    static char path[1u << 20];
    struct exchange x = {
        .started_us = 1,
        .origin = STR("proxy"),
        .method = STR("GET"),
        .path = {path, sizeof(path)}
    };
    struct recording rec, others[64];
    size_t count = 0;
    struct err err;

    memset(path, 'x', sizeof(path));
    conf.pressure = PROXY_DROP_BODIES;
    open_recorder();
    begin(&rec);
    atomic_store(&hangs, true);
    fill(&rec, 40);
    turn_for(100000);
    fill(&rec, 2020);
    ck_assert(stats.journal_failing && !recorder_must_refuse(recorder));
    for (; !recorder_must_refuse(recorder); count++) {
        ck_assert_uint_lt(count, ARRAY_LEN(others));
        others[count] = (struct recording){ .began_us = loop_now_us(loop) };
        ck_assert_int_eq(recorder_begin(recorder, &others[count], &x, &err), 0);
        ck_assert(finish(&others[count]));
    }
    ck_assert_uint_gt(count, 8);
    ck_assert_int_eq(recorder_begin(recorder, &others[0], &x, &err), -1);
    atomic_store(&hangs, false);
    TURN_UNTIL(!recorder_must_refuse(recorder) && !stats.journal_failing);
    ck_assert(finish(&rec));
    for (int i = 0; i < 300 && count_records().ended <= count; i++)
        turn_for(100000); /* it is 80 MiB */
    ck_assert_uint_eq(count_records().ended, count + 1);
}
END_TEST

START_TEST(refuse_takes_no_new_calls)
{
    struct recording rec, other = { 0 };
    struct exchange x = { .started_us = 1 };
    struct err err;

    conf.pressure = PROXY_REFUSE;
    open_recorder();
    begin(&rec);
    temp_limit_files(100000);
    fill(&rec, 40);
    TURN_UNTIL(recorder_must_refuse(recorder));
    ck_assert_int_eq(recorder_begin(recorder, &other, &x, &err), -1);
    ck_assert(finish(&rec));
    temp_limit_files(RLIM_INFINITY);
    TURN_UNTIL(!recorder_must_refuse(recorder));
    ck_assert_uint_eq(count_records().ended, 1);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, end);
    tcase_add_test(tc, batch_is_written_within_its_time);
    tcase_add_test(tc, the_kernel_has_it_in_time_however_slow_the_disk_is);
    tcase_add_test(tc, so_it_has_while_a_slow_disk_makes_the_next_journal);
    tcase_add_test(tc, strict_tells_when_the_end_is_on_disk_and_groups_them);
    tcase_add_test(tc, a_full_journal_takes_no_new_exchanges_and_is_ready_after_its_last);
    tcase_add_test(tc, an_old_journal_is_ready_without_another_call);
    tcase_add_test(tc, block_stops_reading_and_loses_nothing);
    tcase_add_test(tc, drop_bodies_keeps_the_rest_and_counts);
    tcase_add_test(tc, memory_has_a_bound_while_a_write_hangs);
    tcase_add_test(tc, refuse_takes_no_new_calls);
}

CHECK_MAIN("proxy/recorder", add_tests)
