/* Where every application stands follows from the ledger alone, entry by entry. */
#include "config.h"

#include "migrate/portfolio.h"

#include <inttypes.h>

#include "base/timestamp.h"
#include "migrate/rollout_line.h"
#include "tests/cpu_time.h"
#include "tests/rollout_sample.h"

#define APPS 1000

static struct programme_app apps[APPS];
static char app_names[APPS][20];
static struct programme programme = { .apps = apps };

/* Applications "app-000", ...: sorted, as a programme's are. */
static void make_programme(size_t count)
{
    static const struct programme_stage stages[] = {
        {100,          0             },
        { 500,         0             },
        { 2500,        0             },
        { 5000,        0             },
        { ROLLOUT_ALL, 7 * US_PER_DAY}
    };

    programme.app_count = count;
    for (size_t i = 0; i < count; i++) {
        snprintf(app_names[i], sizeof(app_names[i]), "app-%03zu", i);
        apps[i].name = str_from(app_names[i]);
        apps[i].stage_count = ARRAY_LEN(stages);
        memcpy(apps[i].stages, stages, sizeof(stages));
    }
}

static struct portfolio *fold(const struct rollout *r)
{
    struct portfolio *p = NULL;

    ck_ok(portfolio_read(&programme, r, &p, &sample_err));
    return p;
}

static struct rollout *begin(void)
{
    make_programme(3);
    return sample_open("r", ROLLOUT_WRITE);
}

START_TEST(without_entries_everybody_waits)
{
    CLEANUP(rollout_close) struct rollout *r = begin();
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);

    for (size_t i = 0; i < 3; i++) {
        const struct portfolio_app *a = &p->apps[i];
        ck_assert(a->app == &apps[i] && a->share == 0 && a->since_us == 0);
        ck_assert_int_eq(portfolio_phase(a, SAMPLE_US), PORTFOLIO_WAITING);
        ck_assert_int_eq(portfolio_stage(a), -1);
        ck_assert_int_eq(portfolio_good_share(a), 0);
    }
    ck_assert_ptr_eq(portfolio_find(p, STR("app-001")), &p->apps[1]);
    ck_assert_ptr_null(portfolio_find(p, STR("app-003")));
    ck_assert_uint_eq(p->open_count, 0);
}
END_TEST

START_TEST(a_share_counts_from_its_commit)
{
    CLEANUP(rollout_close) struct rollout *r = begin();

    sample_move(r, "app-001", 0, 100);
    sample_move(r, "app-001", 100, 600);
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    const struct portfolio_app *a = &p->apps[1];
    ck_assert_int_eq(a->share, 600);
    ck_assert_int_eq(a->since_us, SAMPLE_US + 7); /* the eighth entry */
    ck_assert_int_eq(a->first_us, SAMPLE_US + 3);
    ck_assert_uint_eq(a->epoch, 2);
    ck_assert(a->attempts == 1 && a->rollbacks == 0 && !a->last_rollback);
    ck_assert_uint_eq(a->checkpoint_count, 2);
    ck_assert(a->checkpoints[0].share == 100 && a->checkpoints[0].epoch == 1);
    ck_assert_int_eq(portfolio_stage(a), 1); /* between 5 % and 25 % is 5 % */
    ck_assert_int_eq(portfolio_good_share(a), 100);
    ck_assert_int_eq(portfolio_phase(a, SAMPLE_US), PORTFOLIO_MOVING);
    ck_assert_int_eq(p->apps[0].share, 0);
}
END_TEST

START_TEST(at_the_end_it_bakes_and_then_is_done)
{
    CLEANUP(rollout_close) struct rollout *r = begin();

    sample_move(r, "app-001", 0, ROLLOUT_ALL);
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    const struct portfolio_app *a = &p->apps[1];
    ck_assert_int_eq(portfolio_stage(a), 4);
    ck_assert_int_eq(portfolio_phase(a, a->since_us + 7 * US_PER_DAY - 1), PORTFOLIO_BAKING);
    ck_assert_int_eq(portfolio_phase(a, a->since_us + 7 * US_PER_DAY), PORTFOLIO_DONE);
}
END_TEST

START_TEST(a_step_under_way_is_open_and_moves_nothing)
{
    CLEANUP(rollout_close) struct rollout *r = begin();
    struct rollout_move move = { STR("app-000"), 0, 100 };
    struct rollout_entry e = { .kind = ROLLOUT_INTENT,
                               .why = ROLLOUT_ADVANCE,
                               .actuator = STR("edge"),
                               .epoch = 1,
                               .moves = &move,
                               .move_count = 1 };

    sample_append(r, e);
    e.actuator = STR("other");
    e.epoch = 2;
    sample_append(r, e);
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    ck_assert_uint_eq(p->open_count, 2);
    ck_assert(p->open[0]->epoch == 1 && p->open[1]->epoch == 2);
    ck_assert_int_eq(p->apps[0].share, 0);

    sample_append(
        r, (struct rollout_entry){ .kind = ROLLOUT_ABORTED, .actuator = STR("edge"), .epoch = 1 });
    CLEANUP(portfolio_free) struct portfolio *later = fold(r);
    ck_assert_uint_eq(later->open_count, 1);
    ck_assert_uint_eq(later->open[0]->epoch, 2);
    ck_assert(later->apps[0].share == 0 && later->apps[0].checkpoint_count == 0);
}
END_TEST

START_TEST(many_steps_may_be_open_one_per_actuator)
{
    CLEANUP(rollout_close) struct rollout *r = begin();
    struct rollout_move move = { STR("app-000"), 0, 100 };
    struct rollout_entry e = {
        .kind = ROLLOUT_INTENT, .why = ROLLOUT_ADVANCE, .moves = &move, .move_count = 1
    };
    char name[20];

    for (int i = 0; i < 100; i++) {
        e.actuator = (struct str){ name, (size_t)snprintf(name, sizeof(name), "edge-%d", i) };
        e.epoch++;
        sample_append(r, e);
    }
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    ck_assert_uint_eq(p->open_count, 100);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(p->open[i]->epoch, i + 1);
}
END_TEST

START_TEST(what_was_rolled_back_from_is_bad_until_it_is_committed_again)
{
    CLEANUP(rollout_close) struct rollout *r = begin();

    sample_move(r, "app-000", 0, 100);
    sample_move(r, "app-000", 100, 500);
    sample_move(r, "app-000", 500, 2500);
    sample_move(r, "app-000", 2500, 500);
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    const struct portfolio_app *a = &p->apps[0];
    ck_assert(a->rollbacks == 1 && a->attempts == 1 && a->checkpoint_count == 4);
    ck_assert(a->checkpoints[2].is_bad && !a->checkpoints[3].is_bad);
    ck_assert_ptr_eq(a->last_rollback, rollout_at(r, 12));
    ck_assert(a->last_rollback->kind == ROLLOUT_INTENT && a->last_rollback->moves[0].from == 2500);
    ck_assert_int_eq(portfolio_good_share(a), 100);

    sample_move(r, "app-000", 500, 100);
    sample_move(r, "app-000", 100, 2500); /* tried again */
    CLEANUP(portfolio_free) struct portfolio *later = fold(r);
    a = &later->apps[0];
    ck_assert(!a->checkpoints[2].is_bad && !a->checkpoints[5].is_bad);
    ck_assert(a->checkpoints[1].is_bad && a->checkpoints[3].is_bad); /* 500, both */
    ck_assert_int_eq(portfolio_good_share(a), 100);
    ck_assert_uint_eq(a->rollbacks, 2);
}
END_TEST

START_TEST(back_at_nothing_it_is_back_and_may_begin_anew)
{
    CLEANUP(rollout_close) struct rollout *r = begin();

    sample_move(r, "app-000", 0, 100);
    sample_move(r, "app-000", 100, 0);
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    ck_assert_int_eq(portfolio_phase(&p->apps[0], SAMPLE_US), PORTFOLIO_BACK);
    sample_move(r, "app-000", 0, 500);
    CLEANUP(portfolio_free) struct portfolio *later = fold(r);
    ck_assert_uint_eq(later->apps[0].attempts, 2);
    ck_assert_int_eq(later->apps[0].first_us, p->apps[0].first_us);
    /* 100 is bad: below 500 there is only nothing. */
    ck_assert_int_eq(portfolio_good_share(&later->apps[0]), 0);
}
END_TEST

START_TEST(a_rehearsal_moves_nothing)
{
    CLEANUP(rollout_close) struct rollout *r = begin();

    sample_move(r, "app-000", 0, 100);
    sample_step(r, (struct rollout_entry){ .why = ROLLOUT_REHEARSE }, ROLLOUT_ABORTED);
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    ck_assert(p->apps[0].share == 100 && p->apps[0].epoch == 1 && p->open_count == 0);
}
END_TEST

START_TEST(what_was_accepted_is_where_it_stands)
{
    CLEANUP(rollout_close) struct rollout *r = begin();
    struct rollout_move moves[] = {
        {STR("app-000"),  100, 300},
        { STR("app-001"), 0,   0  }
    };

    sample_move(r, "app-000", 0, 100);
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_INTENT,
                                             .why = ROLLOUT_REHEARSE,
                                             .actuator = STR("edge"),
                                             .epoch = 2 });
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_ACCEPTED,
                                             .actuator = STR("edge"),
                                             .epoch = 40,
                                             .moves = moves,
                                             .move_count = 2 });
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    ck_assert_uint_eq(p->open_count, 0);
    ck_assert(p->apps[0].share == 300 && p->apps[0].epoch == 40);
    ck_assert(p->apps[0].rollbacks == 0 && p->apps[0].checkpoint_count == 2);
    ck_assert(p->apps[1].share == 0 && p->apps[1].since_us == 0);
}
END_TEST

START_TEST(the_latest_word_about_an_application_counts)
{
    static const enum rollout_kind kinds[] = { ROLLOUT_READY, ROLLOUT_PREFLIGHT, ROLLOUT_REHEARSED,
                                               ROLLOUT_JUDGED, ROLLOUT_HELD };
    CLEANUP(rollout_close) struct rollout *r = begin();

    for (size_t i = 0; i < 2 * ARRAY_LEN(kinds); i++)
        sample_append(r, (struct rollout_entry){ .kind = kinds[i % ARRAY_LEN(kinds)],
                                                 .app = STR("app-002") });
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    const struct portfolio_app *a = &p->apps[2];
    ck_assert_ptr_eq(a->ready, rollout_at(r, 5));
    ck_assert_ptr_eq(a->preflight, rollout_at(r, 6));
    ck_assert_ptr_eq(a->rehearsal, rollout_at(r, 7));
    ck_assert_ptr_eq(a->last_verdict, rollout_at(r, 8));
    ck_assert_ptr_eq(a->last_hold, rollout_at(r, 9));
    ck_assert_ptr_null(p->apps[1].ready);
}
END_TEST

START_TEST(every_approval_is_kept)
{
    CLEANUP(rollout_close) struct rollout *r = begin();

    for (int i = 0; i < 11; i++)
        sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_APPROVED,
                                                 .app = STR("app-000"),
                                                 .detail = STR("owner") });
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    ck_assert_uint_eq(p->apps[0].approval_count, 11);
    for (size_t i = 0; i < 11; i++)
        ck_assert_ptr_eq(p->apps[0].approvals[i], rollout_at(r, i));
}
END_TEST

/* The plan may have lost an application; its history is no obstacle. */
START_TEST(what_the_programme_does_not_have_is_passed_over)
{
    CLEANUP(rollout_close) struct rollout *r = begin();

    sample_move(r, "gone", 0, 100);
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_APPROVED, .app = STR("gone") });
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD });
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    for (size_t i = 0; i < 3; i++)
        ck_assert(p->apps[i].share == 0 && !p->apps[i].last_hold && !p->apps[i].approval_count);
}
END_TEST

/* --- at random, against a simpler reckoning --- */

#define SHARES 5
#define STEPS  400

/* Of one application: which of the shares were rolled back from since they were reached last. */
struct model {
    int32_t share;
    bool was[SHARES], is_bad[SHARES];
    int order[STEPS], len; /* places in shares, as they were reached */
    unsigned attempts, rollbacks;
};

static const int32_t shares[SHARES] = { 0, 100, 500, 2500, ROLLOUT_ALL };

static int place_of(int32_t share)
{
    int i = 0;

    while (shares[i] != share)
        i++;
    return i;
}

/* A move that is possible, in the ledger and in the model. */
static void move_at_random(struct rollout *r, struct model *m, unsigned random)
{
    int from = place_of(m->share), to = (int)(random % SHARES);

    if (to == from)
        return;
    sample_move(r, "app-000", m->share, shares[to]);
    if (to < from) {
        m->is_bad[from] = true;
        m->rollbacks++;
    } else {
        m->is_bad[to] = false;
        m->attempts += from == 0;
    }
    m->order[m->len++] = to;
    m->share = shares[to];
}

static int32_t good_share(const struct model *m)
{
    for (int i = m->len - 1; i >= 0; i--)
        if (shares[m->order[i]] < m->share && !m->is_bad[m->order[i]])
            return shares[m->order[i]];
    return 0;
}

START_TEST(random_histories_come_to_what_a_simple_reckoning_says)
{
    CLEANUP(rollout_close) struct rollout *r = begin();
    struct model m = { 0 };
    unsigned random = 12345;

    for (int i = 0; i < STEPS; i++) {
        random = random * 1103515245u + 12345u;
        move_at_random(r, &m, random >> 16);
        CLEANUP(portfolio_free) struct portfolio *p = fold(r);
        const struct portfolio_app *a = &p->apps[0];
        ck_assert_int_eq(a->share, m.share);
        ck_assert_uint_eq(a->attempts, m.attempts);
        ck_assert_uint_eq(a->rollbacks, m.rollbacks);
        ck_assert_int_eq((int)a->checkpoint_count, m.len);
        for (int k = 0; k < m.len; k++)
            ck_assert_int_eq(a->checkpoints[k].is_bad, m.is_bad[m.order[k]]);
        ck_assert_int_eq(portfolio_good_share(a), good_share(&m));
    }
    printf("%d moves, %u rollbacks\n", m.len, m.rollbacks);
}
END_TEST

/* --- size --- */

#define ENTRIES_PER_APP 25
/* Measured 45 ms on a busy machine; what is not linear takes minutes. */
#define LARGE_US INT64_C(2000000)

static const enum rollout_kind per_step[] = {
    ROLLOUT_JUDGED, ROLLOUT_INTENT, ROLLOUT_APPLIED, ROLLOUT_VERIFIED, ROLLOUT_COMMITTED,
};

/* Five stages of every application, a wave of steps after the other. */
static void add_large(struct buf *file)
{
    static const int32_t stages[] = { 0, 100, 500, 2500, 5000, ROLLOUT_ALL };
    char prev[ROLLOUT_SHA_BYTES];

    memcpy(prev, rollout_no_hash, sizeof(prev));
    for (uint64_t i = 0; i < APPS * ENTRIES_PER_APP; i++) {
        uint64_t step = i / ARRAY_LEN(per_step), stage = step / APPS;
        enum rollout_kind kind = per_step[i % ARRAY_LEN(per_step)];
        struct rollout_move move = { apps[step % APPS].name, stages[stage], stages[stage + 1] };
        struct rollout_line line = {
            .entry = {.seq = i + 1,
                      .at_us = SAMPLE_US + (int64_t)i,
                      .kind = kind,
                      .why = kind == ROLLOUT_INTENT ? ROLLOUT_ADVANCE : ROLLOUT_NO_STEP,
                      .actor = SAMPLE_USER,
                      .app = move.app,
                      .actuator = STR("edge"),
                      .epoch = step + 1,
                      .moves = &move,
                      .move_count = kind == ROLLOUT_INTENT },
            .prev = { prev, sizeof(prev) - 1           },
        };
        rollout_line_format(&line, file);
        memcpy(prev, file->ptr + file->len - 2 - (sizeof(prev) - 1), sizeof(prev) - 1);
        buf_add_byte(file, '\n');
    }
}

START_TEST(a_thousand_applications_are_read_in_a_moment)
{
    CLEANUP(buf_release) struct buf file = { 0 };

    make_programme(APPS);
    add_large(&file);
    ck_ok(dir_make(temp_path("r"), &sample_err));
    sample_write(temp_path("r/" ROLLOUT_FILE), buf_str(&file));
    int64_t from_us = cpu_time_us();
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_READ);
    int64_t opened_us = cpu_time_us();
    CLEANUP(portfolio_free) struct portfolio *p = fold(r);
    int64_t read_us = cpu_time_us();

    printf("%d applications, %zu entries: opened in %" PRId64 " ms, read in %" PRId64 " ms\n", APPS,
           rollout_count(r), (opened_us - from_us) / 1000, (read_us - opened_us) / 1000);
    for (size_t i = 0; i < APPS; i++)
        ck_assert(p->apps[i].share == ROLLOUT_ALL && p->apps[i].checkpoint_count == 5);
    ck_assert_int_lt(read_us - from_us, LARGE_US);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, without_entries_everybody_waits);
    tcase_add_test(tc, a_share_counts_from_its_commit);
    tcase_add_test(tc, at_the_end_it_bakes_and_then_is_done);
    tcase_add_test(tc, a_step_under_way_is_open_and_moves_nothing);
    tcase_add_test(tc, many_steps_may_be_open_one_per_actuator);
    tcase_add_test(tc, what_was_rolled_back_from_is_bad_until_it_is_committed_again);
    tcase_add_test(tc, back_at_nothing_it_is_back_and_may_begin_anew);
    tcase_add_test(tc, a_rehearsal_moves_nothing);
    tcase_add_test(tc, what_was_accepted_is_where_it_stands);
    tcase_add_test(tc, the_latest_word_about_an_application_counts);
    tcase_add_test(tc, every_approval_is_kept);
    tcase_add_test(tc, what_the_programme_does_not_have_is_passed_over);
    tcase_add_test(tc, random_histories_come_to_what_a_simple_reckoning_says);
    tcase_add_test(tc, a_thousand_applications_are_read_in_a_moment);
}

CHECK_MAIN("migrate/portfolio", add_tests)
