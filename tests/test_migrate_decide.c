/* What is in the way is told, all of it; and a rollback goes before everything. */
#include "config.h"

#include "migrate/decide.h"

#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "check_main.h"

#define NOW_US INT64_C(1793000000000000) /* 2026-10-26 */
#define DAY    US_PER_DAY

static const char plan[] =
    "programme: {name: g, start: 2026-10-05, caps: {apps_in_flight: 2, spend_moving: 50%},\n"
    "  freeze: [{from: 2027-01-01, to: 2027-01-05, reason: the new year}]}\n"
    "actuators: {edge: {driver: weir, file: ./c.yaml, socket: ./s.sock}}\n"
    "defaults: {actuator: edge, direct: a, gateway: b, key: header.x-id,\n"
    "  stages: [{share: 1%, bake: 2d}, {share: 5%, bake: 2d}, {share: 100%, bake: 7d}],\n"
    "  evidence: {preflight: 30d, rehearsal: 7d}, readiness: [R1], approvals: [security],\n"
    "  rollback: {within: 10s}}\n"
    "waves: {pilots: {from: 2026-10-05, to: 2026-11-30}, late: {from: 2026-10-05, to: "
    "2026-11-30}}\n"
    "apps:\n"
    "  bot: {owner: ana, wave: pilots, needs: [base]}\n"
    "  base: {owner: ben, wave: late}\n"
    "  mate: {owner: ana, wave: late}\n"
    "  pilot: {owner: eve, wave: pilots}\n"
    "  zoo: {owner: zoe, wave: late}\n";

enum { BASE, BOT, MATE, PILOT, ZOO, APPS }; /* sorted by name */

/* A world in which nothing is in the way of `bot`, at 0 % or at 1 %. */
struct world {
    struct programme *programme;
    struct portfolio portfolio;
    struct portfolio_app apps[APPS];
    struct rollout_entry ready, preflight, rehearsal, approval, rollback, open;
    const struct rollout_entry *approvals[2], *opened[1];
    struct portfolio_checkpoint checkpoint;
    struct verdict verdict;
    struct decide_input in;
    int64_t spend[APPS];
    struct arena arena;
};

static void world_make(struct world *w, int32_t share)
{
    struct err err;

    memset(w, 0, sizeof(*w));
    ck_assert_msg(programme_parse(str_from(plan), "p.yaml", ".", &w->programme, &err) == 0, "%s",
                  err.text);
    ck_assert_uint_eq(w->programme->app_count, APPS);
    for (size_t i = 0; i < APPS; i++)
        w->apps[i].app = &w->programme->apps[i];
    w->portfolio = (struct portfolio){ .programme = w->programme, .apps = w->apps };
    w->apps[BASE].share = ROLLOUT_ALL;
    w->apps[BASE].since_us = w->apps[BASE].first_us = NOW_US - 10 * DAY;
    struct portfolio_app *bot = &w->apps[BOT];
    bot->share = share;
    bot->since_us = share ? NOW_US - 3 * DAY : 0;
    bot->epoch = share ? 7 : 0;
    w->ready = (struct rollout_entry){ .at_us = NOW_US - DAY, .plan = w->programme->sha };
    w->preflight = (struct rollout_entry){ .at_us = NOW_US - 5 * DAY, .plan = w->programme->sha };
    w->rehearsal = (struct rollout_entry){ .at_us = NOW_US - DAY, .value = 90000 };
    w->approval = (struct rollout_entry){ .at_us = NOW_US - DAY, .detail = STR("security") };
    w->approvals[0] = &w->approval;
    bot->ready = &w->ready;
    bot->preflight = &w->preflight;
    bot->rehearsal = &w->rehearsal;
    bot->approvals = w->approvals;
    bot->approval_count = 1;
    w->verdict = (struct verdict){
        .app = bot->app->name,
        .says = VERDICT_PROMOTE,
        .why = STR("its gates say so"),
        .calls = {90, 10},
        .last_us = NOW_US - 1000
    };
    w->spend[BOT] = 200000;
    w->in = (struct decide_input){ .portfolio = &w->portfolio,
                                   .verdict = share ? &w->verdict : NULL,
                                   .spend_per_million = w->spend,
                                   .now_us = NOW_US };
}

static void world_release(struct world *w)
{
    programme_free(w->programme);
    arena_release(&w->arena);
}
DEFINE_CLEANUP_VALUE(struct world, world_release)

static struct decision decide_bot(struct world *w)
{
    struct decision d;

    decide(&w->in, &w->apps[BOT], &w->arena, &d);
    return d;
}

/* --- what may be in the way --- */

static void freeze(struct world *w)
{
    w->in.now_us = civil_to_us((struct civil){ .year = 2027, .month = 1, .day = 2 });
    int64_t later_us = w->in.now_us - NOW_US;
    /* Nothing else is to age. */
    w->ready.at_us += later_us;
    w->preflight.at_us += later_us;
    w->rehearsal.at_us += later_us;
    w->verdict.last_us += later_us;
    if (w->apps[BOT].share)
        w->apps[BOT].since_us += later_us;
}
static void date(struct world *w)
{
    struct programme_app *apps;

    memcpy(&apps, &w->programme->apps, sizeof(apps)); /* const to all but this */
    apps[BOT].date_us = INT64_C(4000000000000000);
}
static void bake(struct world *w)
{
    w->apps[BOT].since_us = w->in.now_us - DAY;
}
static void gate(struct world *w)
{
    w->verdict.says = VERDICT_HOLD;
    w->verdict.why = STR("can exclude ratios from 4.1 on, needs 2");
}
static void no_data(struct world *w)
{
    w->verdict.calls[1] = 0;
}
static void blind(struct world *w)
{
    w->in.unsealed_us = 61 * 60 * US_PER_SECOND;
}
static void outage(struct world *w)
{
    static const struct programme_gate gate = { .metric = GATE_ERROR };

    w->verdict.gate_count = 1;
    w->verdict.gates[0] = (struct verdict_gate){ .gate = &gate,
                                                 .cap_excused = true,
                                                 .why = STR("100 of 200 calls that go directly") };
}
static void split(struct world *w)
{
    w->verdict.says = VERDICT_HOLD;
    w->verdict.split_is_off = true;
    w->verdict.why = STR("9 % instead of 1 %");
}
static void approval(struct world *w)
{
    w->apps[BOT].approval_count = 0;
}
static void readiness(struct world *w)
{
    w->ready.value = 1;
}
static void preflight(struct world *w)
{
    w->preflight.plan = STR("another");
}
static void rehearsal(struct world *w)
{
    w->rehearsal.value = 11 * US_PER_SECOND;
}
static void owner(struct world *w)
{
    w->apps[MATE].share = 100;
}
static void needs(struct world *w)
{
    w->apps[BASE].share = 0;
}
static void in_flight(struct world *w)
{
    w->apps[PILOT].share = w->apps[ZOO].share = 500;
}
static void spend(struct world *w)
{
    w->spend[BOT] = 500001;
}
static void wave(struct world *w)
{
    w->rollback = (struct rollout_entry){ .at_us = NOW_US - DAY, .epoch = 9 };
    w->apps[PILOT].last_rollback = &w->rollback;
    w->apps[PILOT].epoch = 9;
}
static void known_bad(struct world *w)
{
    w->checkpoint =
        (struct portfolio_checkpoint){ .share = w->apps[BOT].share ? 500 : 100, .is_bad = true };
    w->apps[BOT].checkpoints = &w->checkpoint;
    w->apps[BOT].checkpoint_count = 1;
}
static void open_step(struct world *w)
{
    w->open = (struct rollout_entry){ .actuator = STR("edge"), .epoch = 12 };
    w->opened[0] = &w->open;
    w->portfolio.open = w->opened;
    w->portfolio.open_count = 1;
}

enum { AT_NOTHING = 1, AT_FIRST = 2, AT_BOTH = 3 };

static const struct {
    enum decide_obstacle obstacle;
    int where; /* it can stand there */
    void (*plant)(struct world *w);
    const char *said;
} rows[] = {
    {DECIDE_FREEZE,     AT_BOTH,    freeze,    "(the new year)"                 },
    { DECIDE_DATE,      AT_NOTHING, date,      "begin at 2096"                  },
    { DECIDE_BAKE,      AT_FIRST,   bake,      "another 24 h"                   },
    { DECIDE_GATE,      AT_FIRST,   gate,      "exclude ratios from 4.1"        },
    { DECIDE_NO_DATA,   AT_FIRST,   no_data,   "no call of it through"          },
    { DECIDE_BLIND,     AT_FIRST,   blind,     "waited to be sealed for 61 min" },
    { DECIDE_OUTAGE,    AT_FIRST,   outage,    "error: 100 of 200 calls"        },
    { DECIDE_SPLIT,     AT_FIRST,   split,     "9 % instead of 1 %"             },
    { DECIDE_APPROVAL,  AT_NOTHING, approval,  "security ('weir migrate approve"},
    { DECIDE_READINESS, AT_NOTHING, readiness, "1 of the readiness checks"      },
    { DECIDE_PREFLIGHT, AT_NOTHING, preflight, "of another plan"                },
    { DECIDE_REHEARSAL, AT_BOTH,    rehearsal, "took 11000 ms"                  },
    { DECIDE_OWNER,     AT_NOTHING, owner,     "'mate' of the same owner (ana)" },
    { DECIDE_NEEDS,     AT_NOTHING, needs,     "needed: base"                   },
    { DECIDE_IN_FLIGHT, AT_NOTHING, in_flight, "2 applications are moving"      },
    { DECIDE_SPEND,     AT_NOTHING, spend,     "the plan allows 50.0 %"         },
    { DECIDE_WAVE,      AT_BOTH,    wave,      "'pilot' was rolled back"        },
    { DECIDE_BAD,       AT_BOTH,    known_bad, "this very share"                },
    { DECIDE_OPEN_STEP, AT_BOTH,    open_step, "step e12"                       },
};

static int32_t share_at(int where)
{
    return where == AT_FIRST ? 100 : 0;
}

START_TEST(nothing_in_the_way_is_one_stage_up)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, _i ? 100 : 0);
    struct decision d = decide_bot(&w);
    ck_assert_uint_eq(d.obstacles, 0);
    ck_assert_int_eq(d.action, DECIDE_ADVANCE);
    ck_assert_int_eq(d.from, _i ? 100 : 0);
    ck_assert_int_eq(d.to, _i ? 500 : 100);
}
END_TEST

/* It may ask for other checks by now. */
START_TEST(readiness_is_of_the_plan_at_hand)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 0);
    w.ready.plan = STR("another");
    struct decision d = decide_bot(&w);
    ck_assert_uint_eq(d.obstacles, 1u << DECIDE_READINESS);
    ck_assert_msg(strstr(d.why[DECIDE_READINESS].ptr, "by another plan") != NULL, "%.*s",
                  STR_ARG(d.why[DECIDE_READINESS]));
    ck_assert(decide_is_unready(&d));
}
END_TEST

START_TEST(the_last_step_says_what_moves_without_a_key)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 100);
    w.verdict.keyless = w.verdict.left_out = 7;
    ck_assert_str_eq(decide_bot(&w).reason.ptr, "its gates say so");
    w.apps[BOT].share = 5000;
    struct decision d = decide_bot(&w);
    ck_assert_int_eq(d.to, ROLLOUT_ALL);
    ck_assert_str_eq(d.reason.ptr,
                     "its gates say so; 7 of its 107 calls had no key, and go with this step");
}
END_TEST

START_TEST(each_obstacle_alone_holds_and_says_why)
{
    ck_assert_uint_eq(ARRAY_LEN(rows), DECIDE_OBSTACLE_COUNT);
    for (int where = AT_NOTHING; where <= AT_FIRST; where++) {
        CLEANUP(world_release) struct world w = { 0 };
        if (!(rows[_i].where & where))
            continue;
        world_make(&w, share_at(where));
        rows[_i].plant(&w);
        struct decision d = decide_bot(&w);
        ck_assert_msg(d.obstacles == 1u << rows[_i].obstacle, "%s: %x",
                      decide_obstacle_name(rows[_i].obstacle), d.obstacles);
        struct str why = d.why[rows[_i].obstacle];
        ck_assert_msg(str_find(why, str_from(rows[_i].said), 0) >= 0, "%s: %.*s",
                      decide_obstacle_name(rows[_i].obstacle), STR_ARG(why));
        ck_assert_int_eq(d.action, rows[_i].obstacle == DECIDE_DATE ? DECIDE_NOTHING : DECIDE_HOLD);
    }
}
END_TEST

/* What one planting takes from another. */
static bool exclude_each_other(size_t a, size_t b)
{
    uint32_t both = 1u << rows[a].obstacle | 1u << rows[b].obstacle;

    return both == (1u << DECIDE_GATE | 1u << DECIDE_SPLIT) || a == b;
}

START_TEST(each_pair_is_told_as_a_pair)
{
    for (size_t k = 0; k < ARRAY_LEN(rows); k++)
        for (int where = AT_NOTHING; where <= AT_FIRST; where++) {
            CLEANUP(world_release) struct world w = { 0 };
            size_t i = (size_t)_i;
            if (!(rows[i].where & rows[k].where & where) || exclude_each_other(i, k))
                continue;
            world_make(&w, share_at(where));
            /* The freeze moves the clock: what is planted by the clock comes after it. */
            rows[k < i ? k : i].plant(&w);
            rows[k < i ? i : k].plant(&w);
            uint32_t expected = 1u << rows[i].obstacle | 1u << rows[k].obstacle;
            struct decision d = decide_bot(&w);
            ck_assert_msg(d.obstacles == expected, "%s and %s: %x",
                          decide_obstacle_name(rows[i].obstacle),
                          decide_obstacle_name(rows[k].obstacle), d.obstacles);
        }
}
END_TEST

START_TEST(a_rollback_goes_before_each_of_them_in_every_phase)
{
    static const int32_t shares[] = { 100, 500, ROLLOUT_ALL };

    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        CLEANUP(world_release) struct world w = { 0 };
        world_make(&w, 100);
        w.apps[BOT].share = shares[i];
        rows[_i].plant(&w);
        w.verdict.says = VERDICT_ROLLBACK;
        w.verdict.why = STR("2.4 times the errors");
        struct decision d = decide_bot(&w);
        ck_assert_int_eq(d.action, DECIDE_ROLLBACK);
        ck_assert_int_lt(d.to, d.from);
        ck_assert(str_eq(d.reason, STR("2.4 times the errors")));
    }
}
END_TEST

START_TEST(evidence_against_the_gateway_leaves_no_share_good)
{
    CLEANUP(world_release) struct world w = { 0 };
    struct portfolio_checkpoint past[] = { { .share = 100 }, { .share = 500 } };
    struct programme_app *apps;

    world_make(&w, 500);
    memcpy(&apps, &w.programme->apps, sizeof(apps));
    apps[BOT].rollback_to = -1;
    w.apps[BOT].checkpoints = past;
    w.apps[BOT].checkpoint_count = ARRAY_LEN(past);
    w.in.verdict = &w.verdict;
    w.verdict.says = VERDICT_ROLLBACK;
    ck_assert_int_eq(decide_rollback_share(&w.apps[BOT]), 100);
    ck_assert_int_eq(decide_bot(&w).to, 0);
    apps[BOT].rollback_to = 100; /* where it would stay for no longer than until the next look */
    ck_assert_int_eq(decide_bot(&w).to, 0);
}
END_TEST

START_TEST(where_nothing_goes_to_the_gateway_there_is_nothing_to_roll_back)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 0);
    w.in.verdict = &w.verdict;
    w.verdict.says = VERDICT_ROLLBACK;
    ck_assert_int_ne(decide_bot(&w).action, DECIDE_ROLLBACK);
}
END_TEST

static const struct {
    int32_t share;
    int64_t to; /* as the plan says; -1 = the last good */
    struct portfolio_checkpoint past[3];
    int32_t expected;
} targets[] = {
    {500,   -1,   { { .share = 100 }, { .share = 500 } },                                    100},
    { 500,  -1,   { { .share = 100, .is_bad = true }, { .share = 500 } },                    0  },
    { 2500, -1,   { { .share = 100 }, { .share = 500, .is_bad = true }, { .share = 2500 } }, 100},
    { 2500, 0,    { { .share = 100 }, { .share = 500 }, { .share = 2500 } },                 0  },
    { 2500, 500,  { { .share = 100 }, { .share = 500 }, { .share = 2500 } },                 500},
    { 2500, 500,  { { .share = 100 }, { .share = 500, .is_bad = true }, { .share = 2500 } }, 0  },
    { 500,  2500, { { .share = 100 }, { .share = 500 } },                                    0  },
};

START_TEST(a_rollback_goes_to_what_was_good_and_never_to_what_was_bad)
{
    CLEANUP(world_release) struct world w = { 0 };
    struct portfolio_checkpoint past[3];
    struct programme_app *apps;

    world_make(&w, targets[_i].share);
    memcpy(&apps, &w.programme->apps, sizeof(apps));
    memcpy(past, targets[_i].past, sizeof(past));
    apps[BOT].rollback_to = targets[_i].to;
    w.apps[BOT].checkpoints = past;
    while (w.apps[BOT].checkpoint_count < ARRAY_LEN(past) &&
           past[w.apps[BOT].checkpoint_count].share)
        w.apps[BOT].checkpoint_count++;
    ck_assert_int_eq(decide_rollback_share(&w.apps[BOT]), targets[_i].expected);
}
END_TEST

START_TEST(retry_lifts_what_a_rollback_has_barred_and_nothing_else)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 0);
    wave(&w);
    known_bad(&w);
    approval(&w);
    w.in.retry = true;
    ck_assert_uint_eq(decide_bot(&w).obstacles, 1u << DECIDE_APPROVAL);
}
END_TEST

START_TEST(a_person_lets_a_wave_go_on)
{
    CLEANUP(world_release) struct world w = { 0 };
    struct rollout_entry word = { .detail = STR(DECIDE_ROLE_WAVE) };
    const struct rollout_entry *words[] = { &word };

    world_make(&w, 0);
    wave(&w);
    w.apps[PILOT].approvals = words;
    w.apps[PILOT].approval_count = 1;
    word.at_us = w.rollback.at_us - 1; /* before it was rolled back */
    ck_assert_uint_eq(decide_bot(&w).obstacles, 1u << DECIDE_WAVE);
    word.at_us = w.rollback.at_us + 1;
    ck_assert_uint_eq(decide_bot(&w).obstacles, 0);
}
END_TEST

START_TEST(an_approval_ends_with_a_rollback)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 0);
    w.rollback = (struct rollout_entry){ .at_us = w.approval.at_us + 1, .epoch = 3 };
    w.apps[BOT].last_rollback = &w.rollback;
    w.in.retry = true;
    ck_assert_uint_eq(decide_bot(&w).obstacles, 1u << DECIDE_APPROVAL);
}
END_TEST

START_TEST(a_clock_before_the_last_step_holds)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 100);
    w.apps[BOT].since_us = NOW_US + DAY;
    w.verdict.last_us = NOW_US + DAY;
    struct decision d = decide_bot(&w);
    ck_assert_uint_eq(d.obstacles, 1u << DECIDE_BAKE);
    ck_assert_int_ge(str_find(d.why[DECIDE_BAKE], STR("the clock is before"), 0), 0);
    w.apps[BOT].share = ROLLOUT_ALL; /* no gate sees it there either */
    d = decide_bot(&w);
    ck_assert_int_eq(d.action, DECIDE_HOLD);
    ck_assert_uint_eq(d.obstacles, 1u << DECIDE_BAKE);
    w.apps[BOT].since_us = NOW_US;
    ck_assert_int_eq(decide_bot(&w).action, DECIDE_NOTHING);
}
END_TEST

START_TEST(what_is_not_known_holds)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 100);
    w.in.verdict = NULL; /* the archive was not read */
    ck_assert_uint_eq(decide_bot(&w).obstacles, 1u << DECIDE_NO_DATA);
    w.in.verdict = &w.verdict;
    w.verdict.last_us = NOW_US - 2 * DAY; /* traffic has stopped */
    ck_assert_uint_eq(decide_bot(&w).obstacles, 1u << DECIDE_NO_DATA);
    w.verdict.last_us = w.apps[BOT].since_us - 1; /* nothing since the step */
    ck_assert_uint_eq(decide_bot(&w).obstacles, 1u << DECIDE_NO_DATA);
}
END_TEST

START_TEST(evidence_that_is_missing_is_not_ready)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, 0);
    w.apps[BOT].ready = w.apps[BOT].preflight = w.apps[BOT].rehearsal = NULL;
    struct decision d = decide_bot(&w);
    ck_assert_uint_eq(d.obstacles,
                      1u << DECIDE_READINESS | 1u << DECIDE_PREFLIGHT | 1u << DECIDE_REHEARSAL);
    ck_assert(decide_is_unready(&d));
    w.in.spend_per_million = NULL;
    ck_assert(decide_bot(&w).obstacles & 1u << DECIDE_SPEND);
}
END_TEST

START_TEST(what_has_arrived_stays)
{
    CLEANUP(world_release) struct world w = { 0 };
    struct programme_app *apps;

    world_make(&w, ROLLOUT_ALL);
    ck_assert_int_eq(decide_bot(&w).action, DECIDE_NOTHING);
    w.apps[BOT].share = 100;
    memcpy(&apps, &w.programme->apps, sizeof(apps));
    apps[BOT].retired = true;
    ck_assert_int_eq(decide_bot(&w).action, DECIDE_NOTHING);
}
END_TEST

START_TEST(what_bakes_at_all_is_not_left_to_blind_gates)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, ROLLOUT_ALL);
    blind(&w);
    w.apps[BOT].since_us = NOW_US - 1;
    struct decision d = decide_bot(&w);
    ck_assert_int_eq(d.action, DECIDE_HOLD);
    ck_assert_uint_eq(d.obstacles, 1u << DECIDE_BLIND);
    ck_assert_int_ge(
        str_find(d.why[DECIDE_BLIND], STR("the last one of it that they see began at"), 0), 0);
    w.verdict.says = VERDICT_ROLLBACK; /* what they saw before counts */
    ck_assert_int_eq(decide_bot(&w).action, DECIDE_ROLLBACK);
    w.verdict.says = VERDICT_PROMOTE;
    w.in.unsealed_us = w.programme->blind_us;
    ck_assert_int_eq(decide_bot(&w).action, DECIDE_NOTHING);
    blind(&w);
    w.apps[BOT].since_us = NOW_US - 1000 * DAY; /* through */
    ck_assert_int_eq(decide_bot(&w).action, DECIDE_NOTHING);
}
END_TEST

/* Also of what is through: that nothing is done about it is to be known. */
START_TEST(an_outage_holds_what_has_arrived)
{
    CLEANUP(world_release) struct world w = { 0 };

    world_make(&w, ROLLOUT_ALL);
    outage(&w);
    for (int i = 0; i < 2; i++) {
        w.apps[BOT].since_us = NOW_US - i * 1000 * DAY;
        struct decision d = decide_bot(&w);
        ck_assert_int_eq(d.action, DECIDE_HOLD);
        ck_assert_uint_eq(d.obstacles, 1u << DECIDE_OUTAGE);
        ck_assert_int_ge(str_find(d.why[DECIDE_OUTAGE], STR("100 of 200"), 0), 0);
    }
    w.verdict.says = VERDICT_ROLLBACK; /* another gate's evidence */
    ck_assert_int_eq(decide_bot(&w).action, DECIDE_ROLLBACK);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, nothing_in_the_way_is_one_stage_up, 0, 2);
    tcase_add_test(tc, readiness_is_of_the_plan_at_hand);
    tcase_add_test(tc, the_last_step_says_what_moves_without_a_key);
    tcase_add_loop_test(tc, each_obstacle_alone_holds_and_says_why, 0, ARRAY_LEN(rows));
    tcase_add_loop_test(tc, each_pair_is_told_as_a_pair, 0, ARRAY_LEN(rows));
    tcase_add_loop_test(tc, a_rollback_goes_before_each_of_them_in_every_phase, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, evidence_against_the_gateway_leaves_no_share_good);
    tcase_add_test(tc, where_nothing_goes_to_the_gateway_there_is_nothing_to_roll_back);
    tcase_add_loop_test(tc, a_rollback_goes_to_what_was_good_and_never_to_what_was_bad, 0,
                        ARRAY_LEN(targets));
    tcase_add_test(tc, retry_lifts_what_a_rollback_has_barred_and_nothing_else);
    tcase_add_test(tc, a_person_lets_a_wave_go_on);
    tcase_add_test(tc, an_approval_ends_with_a_rollback);
    tcase_add_test(tc, a_clock_before_the_last_step_holds);
    tcase_add_test(tc, what_is_not_known_holds);
    tcase_add_test(tc, evidence_that_is_missing_is_not_ready);
    tcase_add_test(tc, what_has_arrived_stays);
    tcase_add_test(tc, what_bakes_at_all_is_not_left_to_blind_gates);
    tcase_add_test(tc, an_outage_holds_what_has_arrived);
}

CHECK_MAIN("migrate/decide", add_tests)
