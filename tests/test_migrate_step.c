/* A step is made, or it is not: whatever fails, and wherever we die. */
#include "config.h"

#include "migrate/step.h"

#include "check_main.h"
#include "migrate/actuator_tools.h"
#include "migrate/rehearse.h"
#include "migrate/step_live.h"
#include "tests/step_sample.h"

static const char plan[] = "programme: {name: g, start: 2026-10-05}\n"
                           "actuators:\n"
                           "  edge: {driver: weir, file: ./c.yaml, socket: ./s.sock}\n"
                           "defaults: {actuator: edge, direct: a, gateway: b, key: header.x-id}\n"
                           "apps:\n"
                           "  bot: {owner: ana, stages: [1%, 5%, 25%, 100%]}\n"
                           "  crm: {owner: ben, stages: [1%, 5%, 25%, 100%]}\n"
                           "  zoo: {owner: eve, stages: [1%, 5%, 25%, 100%]}\n";

static void set_up(void)
{
    sample_make();
}

static struct step_wanted wanted(const struct programme *p, enum rollout_why why,
                                 const struct rollout_move *moves, size_t count)
{
    return (struct step_wanted){
        .actuator = &p->actuators[0], .why = why, .moves = moves, .move_count = count
    };
}

static int32_t committed(const struct programme *p, const struct rollout *r, const char *app,
                         size_t *ret_open)
{
    CLEANUP(portfolio_free) struct portfolio *at = NULL;
    struct err err;

    ck_assert_int_eq(portfolio_read(p, r, &at, &err), 0);
    if (ret_open)
        *ret_open = at->open_count;
    return portfolio_find(at, str_from(app))->share;
}

/* Two applications to 5 %, from nothing. */
static const struct rollout_move up[] = {
    {STR_INIT("bot"),  0, 500},
    { STR_INIT("crm"), 0, 500}
};
static const struct rollout_move down[] = {
    {STR_INIT("bot"),  500, 0  },
    { STR_INIT("crm"), 500, 100}
};

static enum step_result run(const struct step_context *c, enum rollout_why why, struct buf *ret_why,
                            int *ret)
{
    struct actuator_share dummy = { .app = STR(REHEARSE_APP), .share = ROLLOUT_ALL };
    struct step_wanted w = wanted(c->programme, why, why == ROLLOUT_ROLLBACK ? down : up, 2);
    enum step_result result = STEP_NOTHING;
    struct err err;

    if (why == ROLLOUT_REHEARSE) {
        w.moves = NULL;
        w.move_count = 0;
        w.dummy = &dummy;
    }
    *ret = step_run(c, &w, &result, ret_why, &err);
    if (*ret < 0)
        buf_add_text(ret_why, err.text);
    return result;
}

static void advance(const struct step_context *c)
{
    CLEANUP(buf_release) struct buf why = { 0 };
    int r;

    ck_assert_msg(run(c, ROLLOUT_ADVANCE, &why, &r) == STEP_DONE, "%s", buf_cstr(&why));
    ck_assert_int_eq(r, 0);
}

START_TEST(a_step_leaves_four_lines_and_the_bytes_before_and_after)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf after = { 0 };
    struct step_context c = sample_context(p, r);
    static const enum rollout_kind kinds[] = { ROLLOUT_INTENT, ROLLOUT_APPLIED, ROLLOUT_VERIFIED,
                                               ROLLOUT_COMMITTED };
    struct err err;

    advance(&c);
    ck_assert_uint_eq(rollout_count(r), ARRAY_LEN(kinds));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        ck_assert_int_eq(rollout_at(r, i)->kind, kinds[i]);
        ck_assert_uint_eq(rollout_at(r, i)->epoch, 1);
    }
    const struct rollout_entry *intent = rollout_at(r, 0);
    ck_assert_uint_eq(intent->move_count, 2);
    ck_assert_uint_eq(intent->before.len, 0);
    ck_assert_int_eq(rollout_get_blob(r, intent->after, &after, &err), 0);
    ck_assert(str_eq(buf_str(&after), str_from(sample->file)));
    ck_assert(str_eq(intent->plan, p->sha));
    ck_assert_int_eq(sample_live("bot"), 500);
    ck_assert_int_eq(sample_live("zoo"), 0);
    ck_assert_int_eq(committed(p, r, "crm", NULL), 500);
    ck_assert_uint_eq(sample->applies, 1);
}
END_TEST

START_TEST(what_is_so_already_is_left_alone)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    const struct rollout_move none = { STR("bot"), 0, 0 };
    struct step_wanted w = wanted(p, ROLLOUT_ROLLBACK, &none, 1);
    enum step_result result;
    struct err err;

    ck_assert_int_eq(step_run(&c, &w, &result, &why, &err), 0);
    ck_assert_int_eq(result, STEP_NOTHING);
    ck_assert_uint_eq(rollout_count(r) + sample->applies, 0);
}
END_TEST

START_TEST(a_preview_changes_nothing)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    CLEANUP(step_preview_release) struct step_preview preview = { 0 };
    struct step_context c = sample_context(p, r);
    struct step_wanted w = wanted(p, ROLLOUT_ADVANCE, up, 2);
    enum step_result result;
    struct err err;

    ck_assert_int_eq(step_preview(&c, &w, &preview, &result, &why, &err), 0);
    ck_assert_int_eq(result, STEP_DONE);
    ck_assert(!preview.is_there && preview.epoch == 1);
    ck_assert_int_gt(str_find(buf_str(&preview.after), STR("\ncrm 500\n"), 0), 0);
    ck_assert_uint_eq(rollout_count(r) + sample->applies, 0);
}
END_TEST

static const struct {
    const char *name;
    struct rollout_move move;
    const char *said;
} wrong_moves[] = {
    ROW("nobody", { STR_INIT("cat"), 0, 100 }, "no application"),
    ROW("not from there", { STR_INIT("bot"), 100, 500 }, "is at 0, not at 100"),
    ROW("too much", { STR_INIT("bot"), 0, 10001 }, "not within"),
};

START_TEST(a_move_that_is_none_is_refused)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    struct step_wanted w = wanted(p, ROLLOUT_ADVANCE, &wrong_moves[_i].move, 1);
    enum step_result result;
    struct err err;

    ck_assert_int_eq(step_run(&c, &w, &result, &why, &err), -1);
    ck_assert_msg(strstr(err.text, wrong_moves[_i].said) != NULL, "%s: %s", wrong_moves[_i].name,
                  err.text);
    ck_assert_uint_eq(rollout_count(r) + sample->applies, 0);
}
END_TEST

START_TEST(what_the_program_would_refuse_is_never_written)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    int failed;

    sample->refuses = true;
    ck_assert_int_eq(run(&c, ROLLOUT_ADVANCE, &why, &failed), STEP_ABORTED);
    ck_assert_int_eq(failed, 0);
    ck_assert_int_ge(str_find(buf_str(&why), STR("would not take it"), 0), 0);
    ck_assert_uint_eq(sample->applies, 0);
    ck_assert_int_eq(rollout_at(r, 1)->kind, ROLLOUT_ABORTED);
}
END_TEST

START_TEST(an_advance_that_does_not_come_to_run_is_put_back)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    const struct rollout_move more = { STR("bot"), 500, 2500 };
    struct step_wanted w = wanted(p, ROLLOUT_ADVANCE, &more, 1);
    enum step_result result;
    struct err err;

    advance(&c);
    sample->is_deaf = true;
    int64_t begin_us = sample->clock_us;
    /* The program runs e1 all the time: that the file is e1's again is confirmed as well. */
    ck_assert_msg(step_run(&c, &w, &result, &why, &err) == 0, "%s", err.text);
    ck_assert_int_eq(result, STEP_ABORTED);
    ck_assert_int_ge(sample->clock_us - begin_us, 30 * 1000000);
    ck_assert_int_lt(sample->clock_us - begin_us, 61 * 1000000);
    ck_assert_int_eq(sample_live("bot"), 500);
    ck_assert_int_eq(committed(p, r, "bot", NULL), 500);
}
END_TEST

START_TEST(a_rollback_is_never_put_back)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    enum step_result result;
    struct err err;
    size_t open;
    int failed;

    advance(&c);
    sample->is_deaf = true;
    run(&c, ROLLOUT_ROLLBACK, &why, &failed);
    ck_assert_int_eq(failed, -1);
    ck_assert_int_ge(str_find(buf_str(&why), STR("not confirmed"), 0), 0);
    ck_assert_int_eq(sample_live("bot"), 0);
    committed(p, r, "bot", &open);
    ck_assert_uint_eq(open, 1);
    /* Once the program listens again, the next command ends it. */
    sample->is_deaf = false;
    buf_clear(&why);
    ck_assert_msg(step_recover(&c, &result, &why, &err) == 0, "%s", err.text);
    ck_assert_int_eq(result, STEP_DONE);
    ck_assert_int_eq(committed(p, r, "bot", &open), 0);
    ck_assert_uint_eq(open, 0);
    ck_assert_int_eq(sample_live("crm"), 100);
}
END_TEST

static const struct {
    const char *name, *live, *said;
} strangers[] = {
    {"another's",       "upstream direct;\n",                   "was not written by weir"},
    { "gone",           NULL,                                   "its file is gone"       },
    { "by hand",        "e1-0123456789ab\nbot 9000\ncrm 500\n", "is not what the ledger" },
    { "a newer writer", "e57-0123456789ab\nbot 100\n",          "written at epoch 57"    },
};

static void plant(const char *text)
{
    sample->is_there = text != NULL;
    sample->len = text ? strlen(text) : 0;
    snprintf(sample->file, sizeof(sample->file), "%s", text ? text : "");
}

START_TEST(what_somebody_else_wrote_is_not_touched_neither_up_nor_down)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    const struct rollout_move more = { STR("bot"), 500, 2500 };
    struct step_wanted w = wanted(p, ROLLOUT_ADVANCE, &more, 1);
    enum step_result result;
    struct err err;
    int failed;

    advance(&c);
    plant(strangers[_i].live);
    unsigned applies = sample->applies;
    size_t lines = rollout_count(r);
    ck_assert_int_eq(step_run(&c, &w, &result, &why, &err), 0);
    ck_assert_int_eq(result, STEP_DRIFT);
    ck_assert_msg(strstr(buf_cstr(&why), strangers[_i].said) != NULL, "%s", buf_cstr(&why));
    ck_assert_int_eq(run(&c, ROLLOUT_ROLLBACK, &why, &failed), STEP_DRIFT);
    ck_assert_uint_eq(sample->applies, applies);
    /* However often it is found, it is one line. */
    ck_assert_uint_eq(rollout_count(r), lines + 1);
    ck_assert_int_eq(rollout_at(r, lines)->kind, ROLLOUT_DRIFTED);
}
END_TEST

START_TEST(what_is_accepted_is_where_steps_go_on)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct step_context c = sample_context(p, r);
    const struct rollout_move back = { STR("bot"), 9000, 0 };
    struct step_wanted w = wanted(p, ROLLOUT_ROLLBACK, &back, 1);
    enum step_result result;
    struct step_drift *drifts;
    size_t count;
    struct err err;

    advance(&c);
    plant("e57-0123456789ab\nzoo 0\nbot 9000\ncrm 500\nstray 7\n");
    snprintf(sample->running, sizeof(sample->running), "e57-0123456789ab");
    ck_assert_int_eq(step_compare(&c, &p->actuators[0], &arena, &drifts, &count, &why, &err), 1);
    ck_assert_uint_eq(count, 2);
    ck_assert(str_eq(drifts[0].app, STR("bot")));
    ck_assert_int_eq(drifts[0].ledger, 500);
    ck_assert_int_eq(drifts[0].live, 9000);
    ck_assert(str_eq(drifts[1].app, STR("stray")));
    ck_assert_int_eq(drifts[1].planned, -1);
    ck_assert_msg(step_accept(&c, &p->actuators[0], &err) == 0, "%s", err.text);
    ck_assert_int_eq(committed(p, r, "bot", NULL), 9000);
    ck_assert_uint_eq(rollout_epoch(r), 57);
    ck_assert_msg(step_run(&c, &w, &result, &why, &err) == 0, "%s", err.text);
    ck_assert_int_eq(result, STEP_DONE);
    ck_assert_int_eq(sample_live("bot"), 0);
    ck_assert_int_eq(sample_live("crm"), 500);
    ck_assert_uint_eq(rollout_epoch(r), 58);
}
END_TEST

START_TEST(a_program_that_does_not_run_its_file_stops_an_advance_and_no_rollback)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    const struct rollout_move more = { STR("bot"), 500, 2500 };
    struct step_wanted w = wanted(p, ROLLOUT_ADVANCE, &more, 1);
    enum step_result result;
    struct err err;
    int failed;

    advance(&c);
    snprintf(sample->running, sizeof(sample->running), "mixed");
    ck_assert_int_eq(step_run(&c, &w, &result, &why, &err), 0);
    ck_assert_int_eq(result, STEP_DRIFT);
    ck_assert_int_eq(run(&c, ROLLOUT_ROLLBACK, &why, &failed), STEP_DONE);
    ck_assert_int_eq(sample_live("bot"), 0);
}
END_TEST

START_TEST(a_clock_that_is_put_back_makes_no_line_older_than_the_one_before)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);
    CLEANUP(buf_release) struct buf why = { 0 };
    int failed;

    advance(&c);
    c.wall_us -= INT64_C(3600) * 1000000;
    ck_assert_int_eq(run(&c, ROLLOUT_ROLLBACK, &why, &failed), STEP_DONE);
    for (size_t i = 1; i < rollout_count(r); i++)
        ck_assert_int_ge(rollout_at(r, i)->at_us, rollout_at(r, i - 1)->at_us);
}
END_TEST

START_TEST(a_rehearsal_measures_and_leaves_everything_as_it_was)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 }, before = { 0 };
    struct step_context c = sample_context(p, r);
    const struct programme_app *apps[] = { &p->apps[0], &p->apps[2] };
    struct rehearsal rehearsal;
    struct err err;

    advance(&c);
    buf_add_text(&before, sample->file);
    ck_assert_msg(rehearse_run(&c, apps, 2, 5, &rehearsal, &why, &err) == 0, "%s", err.text);
    ck_assert_int_eq(rehearsal.result, STEP_DONE);
    ck_assert_uint_eq(rehearsal.rounds, 5);
    ck_assert_int_gt(rehearsal.p50_us, 0);
    ck_assert_int_ge(rehearsal.p99_us, rehearsal.p50_us);
    ck_assert_str_eq(sample->file, buf_cstr(&before));
    ck_assert_uint_eq(sample->applies, 1 + 2 * 5);
    const struct rollout_entry *last = rollout_at(r, rollout_count(r) - 1);
    ck_assert_int_eq(last->kind, ROLLOUT_REHEARSED);
    ck_assert(str_eq(last->app, STR("zoo")));
    ck_assert_int_eq(last->value, rehearsal.p99_us);
    ck_assert_int_eq(committed(p, r, "bot", NULL), 500);
}
END_TEST

/* What must hold once nothing is open any more. */
static void check_whole(const struct programme *p, const struct rollout *r, enum rollout_why why,
                        const char *where)
{
    CLEANUP(rollout_audit_release) struct rollout_audit audit = { 0 };
    bool is_second = why != ROLLOUT_ADVANCE;
    int32_t old = is_second ? 500 : 0, new = why == ROLLOUT_ROLLBACK ? 0 : 500;
    int32_t live = sample_live("bot"), ledger = committed(p, r, "bot", NULL);
    char marker[ACTUATOR_MARKER_BYTES];
    struct err err;

    live = live < 0 ? 0 : live;
    ck_assert_msg(live == ledger, "%s: live %d, ledger %d", where, live, ledger);
    ck_assert_msg(live == old || live == new, "%s: %d", where, live);
    ck_assert_msg(sample_live(REHEARSE_APP) < 0, "%s: the rehearsal is live", where);
    sample_marker_of_file(marker);
    ck_assert_msg(strcmp(marker, sample->running) == 0, "%s: '%s' runs '%s'", where, marker,
                  sample->running);
    ck_assert_msg(rollout_verify(p->rollout.ptr, STR(""), &audit, &err) == 0, "%s: %.*s", where,
                  STR_ARG(buf_str(&audit.why)));
}

/* As the next commands would, until nothing is open. */
static void recover(const struct step_context *c, const char *where)
{
    CLEANUP(buf_release) struct buf why = { 0 };
    enum step_result result;
    struct err err;
    size_t open = 1;

    for (int tries = 0; open; tries++) {
        ck_assert_msg(tries < 3, "%s: %s", where, err.text);
        int r = step_recover(c, &result, &why, &err);
        ck_assert_msg(r < 0 || result != STEP_DRIFT, "%s: %s", where, buf_cstr(&why));
        committed(c->programme, c->rollout, "bot", &open);
    }
}

/* In a child, which may die; 1 = it did where it should, 0 = the step came to its end. */
static int run_in_child(const struct programme *p, enum rollout_why why)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        CLEANUP(buf_release) struct buf said = { 0 };
        CLEANUP(rollout_close) struct rollout *r = sample_open(p);
        struct step_context c = sample_context(p, r);
        int failed;
        run(&c, why, &said, &failed);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status) == SAMPLE_STATUS;
}

/* One fault at call n of a step; false = the step has no such call. */
static bool play(enum rollout_why why, bool tells, enum sample_fault fault, unsigned n)
{
    char where[120];

    snprintf(where, sizeof(where), "%s%s, fault %d at call %u", rollout_why_name(why),
             tells ? "" : " (cannot tell)", fault, n);
    temp_folder_remove();
    temp_folder_make();
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    memset(sample, 0, sizeof(*sample));
    sample->tells = tells;
    if (why != ROLLOUT_ADVANCE) {
        CLEANUP(rollout_close) struct rollout *r = sample_open(p);
        struct step_context c = sample_context(p, r);
        advance(&c);
    }
    sample->calls = sample->applies = sample->again = 0;
    sample->fault = fault;
    sample->at = n;
    run_in_child(p, why);
    bool is_hit = sample->calls >= n;
    sample->fault = SAMPLE_NO_FAULT;

    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);
    recover(&c, where);
    check_whole(p, r, why, where);
    /* Who tells what runs need not do anything twice, but put back what a failure left unclear. */
    if (tells && fault >= SAMPLE_DIE_BEFORE)
        ck_assert_msg(sample->again == 0, "%s: applied again", where);
    return is_hit;
}

START_TEST(whatever_fails_or_dies_it_ends_old_or_new)
{
    static const enum rollout_why whys[] = { ROLLOUT_ADVANCE, ROLLOUT_ROLLBACK, ROLLOUT_REHEARSE };
    unsigned count = 0;

    for (size_t i = 0; i < ARRAY_LEN(whys); i++)
        for (int tells = 0; tells < 2; tells++)
            for (int fault = SAMPLE_FAIL_BEFORE; fault < SAMPLE_FAULTS; fault++)
                for (unsigned n = 1; play(whys[i], tells, (enum sample_fault)fault, n); n++)
                    count++;
    printf("%u faults, each recovered\n", count);
    ck_assert_uint_gt(count, 200);
}
END_TEST

START_TEST(what_was_cut_short_and_then_changed_by_hand_is_drift_until_it_is_accepted)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(buf_release) struct buf why = { 0 };
    enum step_result result;
    struct err err;
    size_t open;

    sample->fault = SAMPLE_DIE_HALF;
    sample->at = 3; /* probe, check, apply */
    ck_assert_int_eq(run_in_child(p, ROLLOUT_ADVANCE), 1);
    plant("e1-0123456789ab\nbot 300\n");
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(step_recover(&c, &result, &why, &err), 0);
        ck_assert_int_eq(result, STEP_DRIFT);
    }
    ck_assert_uint_eq(rollout_count(r), 2);
    ck_assert_int_eq(sample_live("bot"), 300);
    ck_assert_int_eq(step_accept(&c, &p->actuators[0], &err), 0);
    ck_assert_int_eq(committed(p, r, "bot", &open), 300);
    ck_assert_uint_eq(open, 0);
}
END_TEST

START_TEST(an_open_step_bars_its_actuator)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(buf_release) struct buf why = { 0 };
    int failed;

    sample->fault = SAMPLE_DIE_HALF;
    sample->at = 3;
    ck_assert_int_eq(run_in_child(p, ROLLOUT_ADVANCE), 1);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);
    run(&c, ROLLOUT_ADVANCE, &why, &failed);
    ck_assert_int_eq(failed, -1);
    ck_assert_int_ge(str_find(buf_str(&why), STR("still open"), 0), 0);
}
END_TEST

/* What the owner of the plan has changed since the step upwards, and what may come of that for
 * others' steps: nothing. */
static const char *const changed_plans[] = {
    /* crm is gone */
    "  bot: {owner: ana, stages: [1%, 5%, 25%, 100%]}\n",
    /* crm would be split by another key, to another gateway */
    "  bot: {owner: ana, stages: [1%, 5%, 25%, 100%]}\n"
    "  crm: {owner: ben, key: request, gateway: c}\n",
    /* crm has what the driver does not take */
    "  bot: {owner: ana, stages: [1%, 5%, 25%, 100%]}\n"
    "  crm: {owner: ben, key: end_user}\n",
    /* crm is at another actuator */
    "  bot: {owner: ana, stages: [1%, 5%, 25%, 100%]}\n"
    "  crm: {owner: ben, actuator: other}\n",
    /* crm has no part in it any more */
    "  bot: {owner: ana, stages: [1%, 5%, 25%, 100%]}\n"
    "  crm: {owner: ben, retired: true}\n",
};

/* Bytes that say all of a share; what runs is not told. */
static struct programme *programme_in_lines(const char *apps, struct actuator_driver *driver)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct actuator *list;

    buf_addf(&text,
             "programme: {name: g, start: 2026-10-05}\n"
             "actuators:\n"
             "  edge: {driver: haproxy, file: ./c.map, socket: ./s.sock}\n"
             "  other: {driver: haproxy, file: ./o.map, socket: ./o.sock}\n"
             "defaults: {actuator: edge, direct: a, gateway: b, key: header.x-id}\n"
             "apps:\n%s",
             apps);
    struct programme *p = sample_programme(buf_cstr(&text));
    *driver = actuator_haproxy;
    driver->probe = sample_probe;
    driver->check = sample_check;
    driver->apply = sample_apply;
    driver->set_caps = sample_set_caps;
    memcpy(&list, &p->actuators, sizeof(list)); /* they are const to all but this */
    for (size_t i = 0; i < p->actuator_count; i++)
        list[i].driver = driver;
    sample->tells = false;
    return p;
}

static void make_step(const struct step_context *c, enum rollout_why why,
                      const struct rollout_move *moves, size_t count)
{
    CLEANUP(buf_release) struct buf said = { 0 };
    struct step_wanted w = wanted(c->programme, why, moves, count);
    struct actuator_share dummy = { .app = STR(REHEARSE_APP),
                                    .direct = STR("a"),
                                    .gateway = STR("b"),
                                    .key = STR("header.x-id"),
                                    .share = ROLLOUT_ALL };
    enum step_result result;
    struct err err;

    if (why == ROLLOUT_REHEARSE)
        w.dummy = &dummy;
    ck_assert_msg(step_run(c, &w, &result, &said, &err) == 0, "%s", err.text);
    ck_assert_msg(result == STEP_DONE, "%s", buf_cstr(&said));
}

START_TEST(a_step_changes_nothing_of_those_it_does_not_move)
{
    static const struct rollout_move more = { STR_INIT("bot"), 500, 2500 },
                                     less = { STR_INIT("bot"), 2500, 0 };
    static const char crm[] = "# app crm key header.x-id direct a gateway b\ncrm 500\n";
    struct actuator_driver driver;
    CLEANUP(programme_free)
    struct programme *before = programme_in_lines("  bot: {}\n  crm: {}\n", &driver);
    CLEANUP(programme_free)
    struct programme *after = programme_in_lines(changed_plans[_i], &driver);
    CLEANUP(rollout_close) struct rollout *r = sample_open(before);
    struct step_context c = sample_context(before, r);

    make_step(&c, ROLLOUT_ADVANCE, up, 2);
    ck_assert_ptr_nonnull(strstr(sample->file, crm));
    c = sample_context(after, r);
    make_step(&c, ROLLOUT_REHEARSE, NULL, 0);
    make_step(&c, ROLLOUT_ADVANCE, &more, 1);
    ck_assert_int_eq(sample_live("bot"), 2500);
    ck_assert_msg(strstr(sample->file, crm) != NULL, "%s", sample->file);
    make_step(&c, ROLLOUT_ROLLBACK, &less, 1);
    ck_assert_int_eq(sample_live("bot"), 0);
    ck_assert_msg(strstr(sample->file, crm) != NULL, "%s", sample->file);
}
END_TEST

START_TEST(a_rollback_needs_no_plan_that_would_do_for_an_advance)
{
    static const struct rollout_move less = { STR_INIT("crm"), 500, 0 };
    struct actuator_driver driver;
    CLEANUP(programme_free)
    struct programme *before = programme_in_lines("  bot: {}\n  crm: {}\n", &driver);
    CLEANUP(programme_free)
    struct programme *after = programme_in_lines("  bot: {}\n  crm: {key: end_user}\n", &driver);
    CLEANUP(rollout_close) struct rollout *r = sample_open(before);
    struct step_context c = sample_context(before, r);

    make_step(&c, ROLLOUT_ADVANCE, up, 2);
    c = sample_context(after, r);
    make_step(&c, ROLLOUT_ROLLBACK, &less, 1);
    ck_assert_int_eq(sample_live("crm"), 0);
    ck_assert_int_eq(sample_live("bot"), 500);
}
END_TEST

/* crm was there and was taken back; dog has never been anywhere. */
START_TEST(what_stays_at_0_stops_no_others_whatever_the_plan_has_of_it)
{
    static const struct rollout_move less[] = {
        {STR_INIT("crm"),  500, 0},
        { STR_INIT("bot"), 500, 0}
    };
    struct actuator_driver driver;
    CLEANUP(programme_free)
    struct programme *before = programme_in_lines("  bot: {}\n  crm: {}\n", &driver);
    CLEANUP(programme_free)
    struct programme *after =
        programme_in_lines("  bot: {}\n  crm: {key: end_user}\n  dog: {key: end_user}\n", &driver);
    CLEANUP(rollout_close) struct rollout *r = sample_open(before);
    struct step_context c = sample_context(before, r);

    make_step(&c, ROLLOUT_ADVANCE, up, 2);
    c = sample_context(after, r);
    for (size_t i = 0; i < ARRAY_LEN(less); i++)
        make_step(&c, ROLLOUT_ROLLBACK, &less[i], 1);
    ck_assert_int_eq(sample_live("bot"), 0);
    ck_assert_int_eq(sample_live("crm"), 0);
}
END_TEST

static int parse_nothing(const struct actuator *a, struct str bytes, struct arena *arena,
                         struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                         struct err *err)
{
    (void)a, (void)bytes, (void)arena, (void)ret, (void)ret_count, (void)ret_epoch;
    return err_set(err, ERR_CORRUPT, "its file is not one that weir wrote");
}

/* What is live is as the ledger says, but its driver has other settings by now, or is another
 * weir's. */
START_TEST(what_cannot_be_read_any_more_is_rolled_back_and_not_advanced)
{
    static const struct rollout_move more = { STR_INIT("crm"), 500, 2500 },
                                     less = { STR_INIT("crm"), 500, 0 };
    CLEANUP(buf_release) struct buf said = { 0 };
    struct actuator_driver driver;
    CLEANUP(programme_free)
    struct programme *p = programme_in_lines("  bot: {}\n  crm: {}\n", &driver);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);
    struct step_wanted w = wanted(p, ROLLOUT_ADVANCE, &more, 1);
    enum step_result result;
    struct err err;

    make_step(&c, ROLLOUT_ADVANCE, up, 2);
    driver.parse = parse_nothing;
    ck_assert_int_eq(step_run(&c, &w, &result, &said, &err), -1);
    ck_assert_int_eq(sample_live("crm"), 500);
    make_step(&c, ROLLOUT_ROLLBACK, &less, 1);
    ck_assert_int_eq(sample_live("crm"), 0);
    ck_assert_int_eq(sample_live("bot"), 500);
}
END_TEST

START_TEST(what_moves_elsewhere_is_not_moved_here)
{
    static const struct rollout_move more = { STR_INIT("crm"), 500, 2500 },
                                     less = { STR_INIT("crm"), 500, 0 };
    const struct rollout_move *const moves[] = { &more, &less };
    CLEANUP(buf_release) struct buf said = { 0 };
    struct actuator_driver driver;
    CLEANUP(programme_free)
    struct programme *before = programme_in_lines("  bot: {}\n  crm: {}\n", &driver);
    CLEANUP(programme_free)
    struct programme *after = programme_in_lines(changed_plans[3], &driver);
    CLEANUP(rollout_close) struct rollout *r = sample_open(before);
    struct step_context c = sample_context(before, r);
    enum step_result result;
    struct err err;

    make_step(&c, ROLLOUT_ADVANCE, up, 2);
    sample->is_there = false; /* at the other one */
    sample->len = 0;
    c = sample_context(after, r);
    struct step_wanted w = wanted(after, _i ? ROLLOUT_ROLLBACK : ROLLOUT_ADVANCE, moves[_i], 1);
    w.actuator = &after->actuators[1];
    ck_assert_int_eq(step_run(&c, &w, &result, &said, &err), -1);
    ck_assert_msg(strstr(err.text, "was moved at actuator 'edge'") != NULL, "%s", err.text);
    ck_assert(!sample->is_there);
}
END_TEST

START_TEST(a_program_that_refuses_stops_no_rollback)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    int failed;

    advance(&c);
    sample->refuses = true;
    ck_assert_msg(run(&c, ROLLOUT_ROLLBACK, &why, &failed) == STEP_DONE, "%s", buf_cstr(&why));
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(sample_live("bot"), 0);
    ck_assert_int_eq(committed(p, r, "bot", NULL), 0);
}
END_TEST

/* Begins a rehearsal at an actuator, and no more; what is live is as before it. */
static void begin_only(const struct step_context *c, const struct actuator *a)
{
    char sha[ROLLOUT_SHA_BYTES];
    struct err err;

    ck_assert_int_eq(
        rollout_put_blob(c->rollout, (struct str){ sample->file, sample->len }, sha, &err), 0);
    struct rollout_entry e = { .kind = ROLLOUT_INTENT,
                               .why = ROLLOUT_REHEARSE,
                               .actuator = a->name,
                               .epoch = rollout_epoch(c->rollout) + 1,
                               .before = str_from(sha),
                               .after = str_from(sha) };
    ck_assert_msg(step_note(c, &e, &err) == 0, "%s", err.text);
}

START_TEST(a_step_that_cannot_be_ended_holds_up_no_other_actuators)
{
    struct actuator_driver driver;
    CLEANUP(programme_free) struct programme *p = programme_in_lines("  bot: {}\n", &driver);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(buf_release) struct buf why = { 0 };
    struct step_context c = sample_context(p, r);
    enum step_result result;
    struct err err;
    size_t open;

    make_step(&c, ROLLOUT_ADVANCE, up, 1);
    begin_only(&c, &p->actuators[0]);
    begin_only(&c, &p->actuators[1]);
    sample->fault = SAMPLE_FAIL_BEFORE;
    sample->at = sample->calls + 1;
    ck_assert_int_eq(step_recover(&c, &result, &why, &err), -1);
    ck_assert_msg(strstr(err.text, "planted") != NULL, "%s", err.text);
    committed(p, r, "bot", &open);
    ck_assert_uint_eq(open, 1);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, sample_remove);
    tcase_add_test(tc, a_step_leaves_four_lines_and_the_bytes_before_and_after);
    tcase_add_test(tc, what_is_so_already_is_left_alone);
    tcase_add_test(tc, a_preview_changes_nothing);
    tcase_add_loop_test(tc, a_move_that_is_none_is_refused, 0, ARRAY_LEN(wrong_moves));
    tcase_add_test(tc, what_the_program_would_refuse_is_never_written);
    tcase_add_test(tc, an_advance_that_does_not_come_to_run_is_put_back);
    tcase_add_test(tc, a_rollback_is_never_put_back);
    tcase_add_loop_test(tc, what_somebody_else_wrote_is_not_touched_neither_up_nor_down, 0,
                        ARRAY_LEN(strangers));
    tcase_add_test(tc, what_is_accepted_is_where_steps_go_on);
    tcase_add_test(tc, a_program_that_does_not_run_its_file_stops_an_advance_and_no_rollback);
    tcase_add_test(tc, a_clock_that_is_put_back_makes_no_line_older_than_the_one_before);
    tcase_add_test(tc, a_rehearsal_measures_and_leaves_everything_as_it_was);
    tcase_add_test(tc, whatever_fails_or_dies_it_ends_old_or_new);
    tcase_add_test(tc, what_was_cut_short_and_then_changed_by_hand_is_drift_until_it_is_accepted);
    tcase_add_test(tc, an_open_step_bars_its_actuator);
    tcase_add_loop_test(tc, a_step_changes_nothing_of_those_it_does_not_move, 0,
                        ARRAY_LEN(changed_plans));
    tcase_add_test(tc, a_rollback_needs_no_plan_that_would_do_for_an_advance);
    tcase_add_test(tc, what_stays_at_0_stops_no_others_whatever_the_plan_has_of_it);
    tcase_add_test(tc, what_cannot_be_read_any_more_is_rolled_back_and_not_advanced);
    tcase_add_loop_test(tc, what_moves_elsewhere_is_not_moved_here, 0, 2);
    tcase_add_test(tc, a_program_that_refuses_stops_no_rollback);
    tcase_add_test(tc, a_step_that_cannot_be_ended_holds_up_no_other_actuators);
}

CHECK_MAIN("migrate/step", add_tests)
