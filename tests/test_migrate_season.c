/* A season of it: 40 applications in 75 days on a clock that is turned, with what goes wrong in
 * one.
 *
 * Traffic is made up and follows the live cutover file, as the proxy does; archive, plan, gates,
 * decisions, steps and the rollout are the real ones.  What people do is played: they approve (one
 * late, one never), look at readiness, play preflights, rehearse, and let a wave go on two days
 * after a rollback stopped it.
 */
#include "config.h"

#include "migrate/watch.h"

#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "analyze/ledgers.h"
#include "migrate/programme_draft.h"
#include "policy/cutover.h"
#include "tests/check_main.h"
#include "tests/verdict_sample.h"

#define APPS 40
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DAYS       48 /* both bad gateways, outage and freeze are in them; each look reads them all */
#define AGAIN_DAYS 4
#define THROUGH    12 /* at least so many healthy ones have arrived */
#else
#define DAYS       75
#define AGAIN_DAYS 16 /* of the second run, which is to decide the same */
#define THROUGH    30
#endif
#define WAVE_APPS  8
#define WAVE_DAYS  11
#define FREEZE     30 /* its first day; 2026-11-04 */
#define FREEZE_END 37
#define OUTAGE     24
#define IN_FLIGHT  10
#define OWNERS     12
#define BASE_DAYS  28
#define BASE_CALLS 12       /* of an application and a day */
#define IDLE_CALLS 8        /* likewise, while it does not move: a sample of what it really does */
#define FAILING    3        /* its gateway fails twice as often */
#define SLOW       16       /* its gateway takes three times as long to the first token */
#define LATE       9        /* its owner approves 10 days late */
#define ABSENT     18       /* its owner never does */
#define SEED       20261005 /* WEIR_SEASON_SEED says another */

struct season_app {
    char name[16];
    const char *direct;
    int volume; /* calls of a day while it moves */
    double failures[2], slowness[2];
    bool was_in_outage, was_back; /* moved when its provider was out; was rolled back */
    int back_day;                 /* at 0 again; -1 = not */
    bool is_let_go_on;
    char why[200]; /* of its last hold, the first reason */
};

struct season {
    struct sample s;
    struct actuator_driver driver;
    struct cutover *live; /* NULL = none yet */
    struct season_app apps[APPS];
    int64_t spend[APPS], clock_us;
    uint64_t seed, random;
    int64_t calls;
    size_t advances, rollbacks, holds, most_moving;
    int alone[DECIDE_OBSTACLE_COUNT]; /* days of an application that nothing else held */
};

static uint64_t draw(struct season *z)
{
    uint64_t x = z->random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static double chance(struct season *z)
{
    return (double)(draw(z) >> 11) / (double)(UINT64_C(1) << 53);
}

/* --- the live file, without a proxy to follow it --- */

static const struct actuator_driver *weir_driver;

/* What a proxy would say: it runs what the file holds. */
static int probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    CLEANUP(cutover_free) struct cutover *c = NULL;

    if (weir_driver->probe(a, ret, err) < 0)
        return -1;
    buf_clear(&ret->running);
    if (ret->is_there && cutover_parse(buf_str(&ret->bytes), "live", &c, err) < 0)
        return -1;
    if (c)
        buf_add_str(&ret->running, c->marker);
    ret->is_running = true;
    return 0;
}

/* Nor is there one to ask whether it is there. */
static int check(const struct actuator *a, struct str bytes, const struct actuator_wait *wait,
                 struct err *err)
{
    CLEANUP(cutover_free) struct cutover *c = NULL;

    (void)a, (void)wait;
    return cutover_parse(bytes, "cutover", &c, err);
}

static void read_live(struct season *z)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err none;

    cutover_free(z->live);
    z->live = NULL;
    if (file_read(temp_path("cutover.yaml"), CUTOVER_BYTES_MAX, &text, &none) == 0)
        ck_ok(cutover_parse(buf_str(&text), "live", &z->live, &sample_err));
}

static int64_t now(void *ctx)
{
    return ((struct season *)ctx)->clock_us += 10;
}

static void sleep_for(void *ctx, int64_t us)
{
    ((struct season *)ctx)->clock_us += us;
}

static struct step_context context(struct season *z)
{
    return (struct step_context){
        .programme = z->s.programme,
        .rollout = z->s.rollout,
        .wait = {.now_us = now, .sleep_us = sleep_for, .ctx = z},
    };
}

/* --- traffic --- */

static void make_apps(struct season *z)
{
    for (int i = 0; i < APPS; i++) {
        struct season_app *a = &z->apps[i];
        snprintf(a->name, sizeof(a->name), "app-%02d", i);
        a->direct = i % 2 ? "anthropic" : "openai";
        a->volume = 300 + 60 * (i * 7 % 5);
        a->failures[0] = a->failures[1] = 0.004 + 0.003 * (i % 3);
        a->slowness[0] = a->slowness[1] = 1;
        a->back_day = -1;
    }
    z->apps[FAILING].failures[0] = 0.08;
    z->apps[FAILING].failures[1] = 0.16;
    z->apps[FAILING].volume = 600;
    z->apps[SLOW].slowness[1] = 3;
}

static void make_call(struct season *z, int index, int day, int64_t at_us)
{
    struct season_app *a = &z->apps[index];
    struct str name = str_from(a->name);
    const struct cutover_app *c = z->live ? cutover_find(z->live, name, str_from(a->direct)) : NULL;
    char unit[24];
    int len = snprintf(unit, sizeof(unit), "s%d", (int)(draw(z) % 20000));
    bool there = c && (int32_t)cutover_bucket(name, (struct str){ unit, (size_t)len }) < c->share;
    bool is_out = day == OUTAGE && strcmp(a->direct, "anthropic") == 0;
    bool fails = chance(z) < (is_out ? 0.6 : a->failures[there]);

    sample_call(&z->s, &(struct sample_call){
                           .app = a->name,
                           .at_us = at_us,
                           .upstream = there ? "litellm" : a->direct,
                           .arm = there ? "gateway" : "direct",
                           .epoch = c ? z->live->epoch : 0,
                           .share = c ? c->share : 0,
                           .unit = c ? unit : NULL,
                           .status = fails ? 529 : 200,
                           .error = fails ? ERROR_CLASS_OVERLOADED : ERROR_CLASS_NONE,
                           .input_tokens = 4 * a->volume,
                           .stream = !fails,
                           .total_us = (int64_t)(400e3 * exp(chance(z)) * a->slowness[there]),
                       });
    z->calls++;
}

static bool moves(const struct season *z, int index)
{
    const struct season_app *a = &z->apps[index];
    const struct cutover_app *c =
        z->live ? cutover_find(z->live, str_from(a->name), str_from(a->direct)) : NULL;

    return c && c->share > 0 && c->share < CUTOVER_ALL;
}

/* A day's calls, the last of them at 23 h, sealed. */
static void live_through(struct season *z, int day)
{
    int64_t day_us = T0 + day * DAY;

    read_live(z);
    sample_ledger(&z->s, day_us);
    for (int i = 0; i < APPS; i++) {
        int calls = day < 0 ? BASE_CALLS : moves(z, i) ? z->apps[i].volume : IDLE_CALLS;
        z->apps[i].was_in_outage |= day == OUTAGE && i % 2 && moves(z, i);
        for (int k = 0; k < calls; k++)
            make_call(z, i, day, day_us + k * (23 * HOUR / calls));
    }
    sample_seal(&z->s);
}

/* --- the plan --- */

static const char prices[] = "format: weir-prices/1\n"
                             "provider: openai\n"
                             "sources: {made-up: {title: made-up prices, date: 2026-01-01}}\n"
                             "entries:\n"
                             "  - id: gpt-4o\n"
                             "    source: made-up\n"
                             "    checked: 2026-01-01\n"
                             "    per_million: {input: \"2.5\", output: \"10\"}\n";

/* Each one's part of what was spent. */
static void share_spend(struct season *z, const struct inventory *seen)
{
    ck_assert(seen->cost_pusd > 0);
    for (int i = 0; i < APPS; i++) {
        const struct inventory_app *a = inventory_find(seen, str_from(z->apps[i].name));
        ck_assert_ptr_nonnull(a);
        z->spend[i] = (int64_t)(a->cost_pusd * 1000000 / seen->cost_pusd);
    }
}

/* What was seen in four weeks, and the plan that weir drafts of it. */
static struct programme *draft(struct season *z)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct programme_draft_options o = {
        .name = STR("season"),
        .tz = STR("UTC"),
        .archive = STR("./traffic"),
        .config = STR(""),
        .gateway = STR("litellm"),
        .start_us = T0,
    };
    struct engine_query q = {
        .ledgers = &ledgers,
        .from_us = T0 - BASE_DAYS * DAY,
        .to_us = T0,
        .measures = ENGINE_MONEY,
    };
    struct programme *p;

    ck_ok(file_replace(temp_path("prices.yaml"), str_from(prices), 0600, &sample_err));
    ck_ok(price_book_load(&book, temp_path("prices.yaml"), &sample_err));
    q.book = book;
    ck_ok(ledgers_add_archive(&ledgers, z->s.archive, q.from_us, q.to_us, &sample_err));
    ck_ok(inventory_count(&q, NULL, &seen, &sample_err));
    inventory_weigh(&seen);
    share_spend(z, &seen);
    ck_assert_uint_eq(seen.apps.len, APPS);
    ck_assert_int_eq(seen.requests, BASE_DAYS * BASE_CALLS * APPS);
    ck_ok(programme_draft(&seen, &o, &text, &sample_err));
    ck_ok(programme_parse(buf_str(&text), "draft.yaml", temp_folder, &p, &sample_err));
    return p;
}

static void add_app(const struct programme_app *a, int index, struct buf *out)
{
    buf_addf(out,
             "  %.*s: {owner: owner-%02d, deputy: deputy, risk: %s, wave: w%d, direct: %.*s,\n"
             "    gateway: %.*s%s}\n",
             STR_ARG(a->name), index % OWNERS, programme_risk_name(a->risk), index / WAVE_APPS,
             STR_ARG(a->direct), STR_ARG(a->gateway), index % 3 == 0 ? ", approvals: [owner]" : "");
}

/* The draft's applications, in waves and with rules that people settled on. */
static void write_plan(const struct programme *drafted, struct buf *out)
{
    buf_addf(out,
             "programme: {name: season, start: 2026-10-05, end: 2026-12-31, alpha_total: 5%%,\n"
             "  caps: {apps_in_flight: %d, spend_moving: 30%%},\n"
             "  freeze: [{from: 2026-11-04, to: 2026-11-10, reason: the sale}]}\n"
             "actuators: {proxy: {driver: weir, file: ./cutover.yaml, socket: ./none.sock}}\n"
             "defaults: {actuator: proxy, key: header.x-session, auto: true, readiness: [R1, R2],\n"
             "  stages: [1%%, 5%%, 25%%, 50%%, 100%%], bake: 60h,\n"
             "  evidence: {preflight: 30d, rehearsal: 14d},\n"
             "  gates: [{metric: error, enough: 3%%}, {metric: exceed_ttft, enough: 15%%}]}\n"
             "waves:\n",
             IN_FLIGHT);
    for (int i = 0; i < APPS / WAVE_APPS; i++) {
        char date[TIMESTAMP_TEXT_BYTES];
        timestamp_format_date(T0 + i * WAVE_DAYS * DAY, date);
        buf_addf(out, "  w%d: {from: %s, to: 2026-12-31}\n", i, date);
    }
    buf_add_text(out, "apps:\n");
    for (size_t i = 0; i < drafted->app_count; i++)
        add_app(&drafted->apps[i], (int)i, out);
}

static void take_up_plan(struct season *z)
{
    CLEANUP(programme_free) struct programme *drafted = draft(z);
    CLEANUP(buf_release) struct buf text = { 0 };
    struct actuator *actuators;
    char sha[ROLLOUT_SHA_BYTES];
    struct step_context c;

    ck_assert_uint_eq(drafted->app_count, APPS);
    write_plan(drafted, &text);
    ck_ok(programme_parse(buf_str(&text), "plan.yaml", temp_folder, &z->s.programme, &sample_err));
    memcpy(&actuators, &z->s.programme->actuators, sizeof(actuators)); /* const to all but this */
    weir_driver = actuators[0].driver;
    z->driver = *weir_driver;
    z->driver.probe = probe;
    z->driver.check = check;
    actuators[0].driver = &z->driver;
    ck_ok(rollout_put_blob(z->s.rollout, z->s.programme->bytes, sha, &sample_err));
    c = context(z);
    ck_ok(step_note(&c,
                    &(struct rollout_entry){
                        .kind = ROLLOUT_PLANNED, .plan = str_from(sha), .evidence = str_from(sha) },
                    &sample_err));
}

/* --- people --- */

static void note(struct season *z, enum rollout_kind kind, int index, const char *role)
{
    struct step_context c = context(z);
    struct rollout_entry e = { .kind = kind,
                               .app = str_from(z->apps[index].name),
                               .plan = z->s.programme->sha,
                               .detail = str_from(role),
                               .value = kind == ROLLOUT_REHEARSED ? 90000 : 0 };

    ck_ok(step_note(&c, &e, &sample_err));
}

static int wave_day(int index)
{
    return index / WAVE_APPS * WAVE_DAYS;
}

static int approval_day(int index)
{
    return index == ABSENT ? INT32_MAX : wave_day(index) + (index == LATE ? 10 : 0);
}

/* What people do in the morning: weekly rehearsals; fortnightly all else that the plan asks for. */
static void work(struct season *z, int day)
{
    z->clock_us = T0 + day * DAY + 8 * HOUR;
    for (int i = 0; i < APPS; i++) {
        struct season_app *a = &z->apps[i];
        int since = day - wave_day(i);
        if (since >= 0 && since % 7 == 0)
            note(z, ROLLOUT_REHEARSED, i, "");
        if (since >= 0 && since % 14 == 0) {
            note(z, ROLLOUT_READY, i, "");
            note(z, ROLLOUT_PREFLIGHT, i, "");
        }
        if (i % 3 == 0 && day == approval_day(i))
            note(z, ROLLOUT_APPROVED, i, "owner");
        if (a->back_day < 0 || a->is_let_go_on || day < a->back_day + 2)
            continue;
        note(z, ROLLOUT_APPROVED, i, DECIDE_ROLE_WAVE);
        a->is_let_go_on = true;
    }
}

/* --- a day's decisions --- */

struct diary {
    struct buf advanced, back;
    int held[DECIDE_OBSTACLE_COUNT], all_held;
};

static void diary_release(struct diary *d)
{
    buf_release(&d->advanced);
    buf_release(&d->back);
}
DEFINE_CLEANUP_VALUE(struct diary, diary_release)

static void add_move(const struct decision *d, struct buf *out)
{
    buf_addf(out, " %.*s %g>%g%%", STR_ARG(d->app->app->name), d->from / 100.0, d->to / 100.0);
}

static void note_decision(struct season *z, int day, int index, const struct watch_app *app,
                          struct diary *diary)
{
    const struct decision *d = &app->decision;
    struct season_app *a = &z->apps[index];

    ck_assert_msg(app->end == WATCH_DONE || app->end == WATCH_LEFT, "day %d, %s: %.*s", day,
                  a->name, STR_ARG(app->said));
    if (app->end == WATCH_DONE && d->action == DECIDE_ROLLBACK) {
        add_move(d, &diary->back);
        z->rollbacks++;
        a->was_back = true;
        a->back_day = d->to == 0 ? day : -1;
        ck_assert_msg(index == FAILING || index == SLOW, "day %d: %s is healthy: %.*s", day,
                      a->name, STR_ARG(d->reason));
    } else if (app->end == WATCH_DONE) {
        ck_assert_int_eq(d->action, DECIDE_ADVANCE);
        add_move(d, &diary->advanced);
        z->advances++;
        ck_assert(d->from == 0 || app->verdict->says == VERDICT_PROMOTE);
        ck_assert_msg(!a->was_back, "day %d: %s is bad and advanced", day, a->name);
        ck_assert_msg(day < FREEZE || day >= FREEZE_END, "day %d is frozen: %s", day, a->name);
        ck_assert_msg(index % 3 || day >= approval_day(index), "day %d: %s was not approved", day,
                      a->name);
    } else if (d->action == DECIDE_HOLD) {
        diary->all_held++;
        z->holds++;
        size_t first = (size_t)__builtin_ctz(d->obstacles);
        snprintf(a->why, sizeof(a->why), "%.*s", STR_ARG(d->why[first]));
        for (size_t i = 0; i < DECIDE_OBSTACLE_COUNT; i++) {
            diary->held[i] += (d->obstacles >> i & 1) != 0;
            z->alone[i] += d->obstacles == 1u << i;
        }
    }
}

static void print_day(int day, size_t moving, const struct diary *d)
{
    char date[TIMESTAMP_TEXT_BYTES];
    int words = 0;

    timestamp_format_date(T0 + day * DAY, date);
    printf("day %2d %.10s: %zu moving", day, date, moving);
    if (d->back.len)
        printf("; rolled back%.*s", STR_ARG(buf_str(&d->back)));
    if (d->advanced.len)
        printf("; advanced%.*s", STR_ARG(buf_str(&d->advanced)));
    printf("; %d held", d->all_held);
    for (size_t i = 0; i < DECIDE_OBSTACLE_COUNT; i++)
        if (d->held[i])
            printf("%s%s %d", words++ ? ", " : " (", decide_obstacle_name(i), d->held[i]);
    printf("%s\n", words ? ")" : "");
}

/* Those that move now, after what was decided: within the cap, and no two of an owner. */
static size_t count_moving(struct season *z)
{
    unsigned of_owner[OWNERS] = { 0 };
    size_t moving = 0;

    read_live(z);
    for (int i = 0; i < APPS; i++) {
        if (!moves(z, i))
            continue;
        moving++;
        ck_assert_uint_eq(++of_owner[i % OWNERS], 1);
    }
    ck_assert_uint_le(moving, IN_FLIGHT);
    if (moving > z->most_moving)
        z->most_moving = moving;
    return moving;
}

static void decide_day(struct season *z, int day, bool is_told)
{
    CLEANUP(diary_release) struct diary diary = { 0 };
    CLEANUP(watch_free) struct watch *w = NULL;

    z->clock_us = T0 + day * DAY + 23 * HOUR + HOUR / 2;
    struct step_context c = context(z);
    struct watch_input in = { .step = &c, .archive = z->s.archive, .spend_per_million = z->spend };
    ck_ok(watch_pass(&in, &w, &sample_err));
    ck_assert_uint_eq(w->app_count, APPS);
    for (int i = 0; i < APPS; i++)
        note_decision(z, day, i, &w->apps[i], &diary);
    size_t moving = count_moving(z);
    if (is_told)
        print_day(day, moving, &diary);
}

static void season_begin(struct season *z)
{
    const char *seed = getenv("WEIR_SEASON_SEED");

    *z = (struct season){ .seed = seed ? strtoull(seed, NULL, 10) : SEED, .clock_us = T0 };
    z->random = z->seed;
    temp_folder_make();
    ck_ok(archive_open(temp_path("traffic"), true, &z->s.archive, &sample_err));
    ck_ok(rollout_open(temp_path("season.rollout"), ROLLOUT_WRITE, STR("watch@host"), T0,
                       &z->s.rollout, &sample_err));
    make_apps(z);
    for (int day = -BASE_DAYS; day < 0; day++)
        live_through(z, day);
    take_up_plan(z);
}

static void season_end(struct season *z)
{
    sample_end(&z->s);
    cutover_free(z->live);
    temp_folder_remove();
}

static void season_day(struct season *z, int day, bool is_told)
{
    work(z, day);
    live_through(z, day);
    decide_day(z, day, is_told);
}

/* --- what came of it --- */

static void check_rollout(struct season *z)
{
    CLEANUP(rollout_audit_release) struct rollout_audit audit = { 0 };
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    CLEANUP(buf_release) struct buf why = { 0 };
    uint64_t entry;

    ck_ok(portfolio_read(z->s.programme, z->s.rollout, &p, &sample_err));
    ck_assert_int_eq(portfolio_check_artefacts(p, &entry, &why, &sample_err), 0);
    ck_assert_int_eq(rollout_verify(temp_path("season.rollout"), rollout_head(z->s.rollout), &audit,
                                    &sample_err),
                     0);
    printf("the rollout verifies: %" PRIu64 " entries, %" PRIu64 " blobs, head %.12s\n",
           audit.entries, audit.blobs, audit.head);
}

static void check_end(struct season *z)
{
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    int through = 0, in_outage = 0;

    ck_ok(portfolio_read(z->s.programme, z->s.rollout, &p, &sample_err));
    for (int i = 0; i < APPS; i++) {
        const struct portfolio_app *a = &p->apps[i];
        bool is_bad = i == FAILING || i == SLOW;
        through += a->share == ROLLOUT_ALL;
        in_outage += z->apps[i].was_in_outage;
        ck_assert_int_eq(a->rollbacks > 0, is_bad);
        ck_assert(!is_bad || a->share == 0);
        if (i == ABSENT)
            ck_assert(a->share == 0 && a->attempts == 0 && a->first_us == 0);
        if (i == LATE)
            ck_assert_int_ge(a->first_us, T0 + (wave_day(LATE) + 10) * DAY);
        if (a->share < ROLLOUT_ALL)
            printf("%s is at %g %%: %s\n", z->apps[i].name, a->share / 100.0, z->apps[i].why);
    }
    printf("%d of %d healthy and approved applications are at 100 %%; at most %zu moved at once\n"
           "%zu advances, %zu rollbacks, %zu holds; the outage met %d that moved, and rolled back "
           "none; %" PRId64 " calls, seed %" PRIu64 "\n",
           through, APPS - 3, z->most_moving, z->advances, z->rollbacks, z->holds, in_outage,
           z->calls, z->seed);
    ck_assert_int_ge(in_outage, 4);
    ck_assert_int_ge(through, THROUGH);
}

/* What held somebody all by itself: without it there would have been an advance. */
static void check_holds(const struct season *z)
{
    static const enum decide_obstacle planted[] = { DECIDE_FREEZE,    DECIDE_GATE,     DECIDE_OWNER,
                                                    DECIDE_IN_FLIGHT, DECIDE_APPROVAL, DECIDE_WAVE,
                                                    DECIDE_BAD };

    printf("days of an application that one thing alone held:");
    for (size_t i = 0; i < DECIDE_OBSTACLE_COUNT; i++)
        if (z->alone[i])
            printf(" %s %d", decide_obstacle_name(i), z->alone[i]);
    printf("\n");
    for (size_t i = 0; i < ARRAY_LEN(planted); i++)
        ck_assert_msg(z->alone[planted[i]] > 0, "%s held nobody", decide_obstacle_name(planted[i]));
}

START_TEST(a_season_holds_or_rolls_back_what_goes_wrong_and_moves_the_rest)
{
    struct season z;
    char heads[AGAIN_DAYS][ROLLOUT_SHA_BYTES];

    season_begin(&z);
    for (int day = 0; day < DAYS; day++) {
        season_day(&z, day, true);
        if (day < AGAIN_DAYS)
            snprintf(heads[day], sizeof(heads[day]), "%.*s", STR_ARG(rollout_head(z.s.rollout)));
    }
    check_rollout(&z);
    check_end(&z);
    check_holds(&z);
    season_end(&z);
    printf("%d days: CPU %.1f s\n", DAYS, (double)clock() / CLOCKS_PER_SEC);
    /* The same seed, elsewhere: the same ledger, to the byte. */
    season_begin(&z);
    for (int day = 0; day < AGAIN_DAYS; day++) {
        season_day(&z, day, false);
        ck_assert(str_eq(rollout_head(z.s.rollout), str_from(heads[day])));
    }
    season_end(&z);
    printf("%d days again: the same ledger, byte for byte\n", AGAIN_DAYS);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_season_holds_or_rolls_back_what_goes_wrong_and_moves_the_rest);
}

CHECK_MAIN("migrate/season", add_tests)
