/* Twelve checks, each of which passes with what it rests on and does not without. */
#include "config.h"

#include "migrate/ready.h"

#include <stdio.h>
#include <string.h>

#include "base/document_print.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "capture/ledger.h"
#include "policy/plan_conf.h"
#include "tests/engine_sample.h"
#include "tests/rollout_sample.h"

#define NOW_US    (SAMPLE_US + 60 * US_PER_DAY)
#define DAYS      20
#define EACH      200 /* calls in a day */
#define PREFLIGHT "{\"peak_per_s\":\"3.000\",\"load_per_s\":\"20.000\"}"

static const char programme_text[] =
    "programme: {name: g, start: 2026-10-05, end: 2027-02-18, freeze: [{from: 2026-12-20, to: "
    "2027-01-03, reason: holidays}]}\n"
    "actuators: {edge: {driver: weir, file: ./c.yaml, socket: ./s.sock}}\n"
    "defaults: {actuator: edge, gates: [{metric: error}], direct: x, gateway: y, key: header.x-s, "
    "stages: [50%, 100%], bake: "
    "30d}\n"
    "waves: {one: {from: 2026-10-05, to: 2027-02-01}}\n"
    "hooks: [{on: [rolled_back], command: [\"true\"]}]\n"
    "apps: {a: {wave: one, owner: o, deputy: p, channel: c, risk: low}}\n";

static const char conf_text[] = "upstreams: {x: {url: \"http://x.invalid\", api: openai}}\n"
                                "apps: {a: {team: t, business_unit: u}}\n"
                                "policy:\n"
                                "  mode: enforce\n"
                                "  routes: [{name: r, targets: [{upstream: x}]}]\n"
                                "  access: [{apps: [a], allow: [\"gpt-*\"]}]\n"
                                "teams: {t: {budget: {month: 100 USD, hard: true}}}\n";

/* What is there to look at, and what one test takes out or changes of it. */
static struct world {
    const char *from, *to; /* in the programme, or in the configuration */
    bool is_conf;
    bool no_conf, no_archive;
    int nobodys; /* calls of a hundred that nobody is named for */
    int days;    /* with calls */
    bool no_preflight, failed_preflight;
    const char *preflight; /* its evidence */
    int64_t preflight_us;
    bool no_rehearsal;
    int64_t rehearsal_us; /* p99 */
    bool refused;         /* direct calls of the last day, with 401 */
    bool denied;          /* a call of each day, by a budget */
    int over_budget;      /* likewise, by a gateway's own, with this status */
    int keyless;          /* calls of a hundred without a credential */
} usual = { .days = DAYS,
            .preflight = PREFLIGHT,
            .preflight_us = NOW_US - US_PER_DAY,
            .rehearsal_us = 200000 };

struct scene {
    struct programme *programme;
    struct rollout *rollout;
    struct portfolio *portfolio;
    struct ledgers ledgers;
    struct price_book *book;
    struct inventory seen;
    struct conf *conf;
    struct plan *policy;
    struct ready ready;
    const struct portfolio_app *apps[1];
    struct ready_input in;
};

static void scene_release(struct scene *s)
{
    ready_release(&s->ready);
    plan_free(s->policy);
    conf_free(s->conf);
    inventory_release(&s->seen);
    ledgers_release(&s->ledgers);
    price_book_free(s->book);
    portfolio_free(s->portfolio);
    rollout_close(s->rollout);
    programme_free(s->programme);
}
DEFINE_CLEANUP_VALUE(struct scene, scene_release)

/* text with `from` replaced, if that is in it. */
static void edit(const char *text, const struct world *w, bool is_it, struct buf *out)
{
    const char *at = w->from && is_it ? strstr(text, w->from) : NULL;

    ck_assert_msg(!w->from || !is_it || at, "no '%s'", w->from);
    buf_add(out, text, at ? (size_t)(at - text) : strlen(text));
    if (at)
        buf_addf(out, "%s%s", w->to, at + strlen(w->from));
}

/* --- what was recorded --- */

static void add_call(struct parquet_writer *p, int day, int number, const struct world *w)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    bool fails = number % 50 == 0;
    struct exchange x = {
        .started_us = NOW_US - (30 - day) * US_PER_DAY + number * US_PER_SECOND,
        .writer = STR("w"),
        .origin = STR("proxy"),
        .arm = STR("direct"),
        .status = fails ? 500 : 200,
        .path = STR("/v1/chat/completions"),
        .request_us = -1,
        .head_us = -1,
        .first_token_us = 300000,
        .end_us = 900000,
        .requests = 1,
        .facts = {.provider = PROVIDER_OPENAI,
                  .api = API_CHAT,
                  .recognised_by = "host",
                  .billable = true,
                  .error_class = fails ? ERROR_CLASS_STATUS_5XX : ERROR_CLASS_NONE,
                  .model = STR("plain"),
                  .usage_source = USAGE_SOURCE_REPORTED,
                  .part_count = 1},
    };
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];

    x.key_id = number % 100 < w->keyless ? STR("") : STR("weir:0123456789abcdef");
    if (w->denied && number == 7)
        x.facts.error_class = ERROR_CLASS_DENIED;
    if (w->over_budget && number == 7) {
        x.arm = STR("gateway");
        x.status = w->over_budget;
        x.facts.error_class = ERROR_CLASS_QUOTA_EXHAUSTED;
        x.facts.error_code = w->over_budget == 412 ? STR("") : STR("budget_exceeded");
    }
    x.status = w->refused && day == w->days - 1 ? 401 : x.status;
    x.who.app = number % 100 < w->nobodys ? STR("") : STR("a");
    x.facts.parts[0].model = STR("plain");
    usage_set(&x.facts.parts[0].usage, USAGE_INPUT, 1000);
    usage_set(&x.facts.parts[0].usage, USAGE_OUTPUT, 100);
    ledger_cells(&x, 0, -1, &scratch, cells);
    ck_ok(parquet_add_row(p, cells, &sample_err));
}

static void record(const struct world *w, struct scene *s)
{
    const char *ledger = temp_path("l.parquet"), *book = temp_path("book.yaml");
    struct parquet_writer *p = NULL;

    ck_ok(ledger_create(ledger, &p, &sample_err));
    for (int day = 0; day < w->days; day++)
        for (int i = 0; i < EACH; i++)
            add_call(p, day, i, w);
    ck_ok(parquet_finish(p, &sample_err));
    ck_ok(file_replace(book, str_from(book_text), 0600, &sample_err));
    ck_ok(price_book_load(&s->book, book, &sample_err));
    ck_ok(ledgers_add_path(&s->ledgers, ledger, INT64_MIN, INT64_MAX, &sample_err));
    struct engine_query q = {
        .ledgers = &s->ledgers, .book = s->book, .from_us = INT64_MIN, .to_us = INT64_MAX
    };
    ck_ok(inventory_count(&q, s->conf, &s->seen, &sample_err));
}

static void note(struct scene *s, int64_t at_us, struct rollout_entry e)
{
    e.at_us = at_us;
    e.app = STR("a");
    ck_ok(rollout_append(s->rollout, &e, &sample_err));
}

static void prove(const struct world *w, struct scene *s)
{
    char sha[ROLLOUT_SHA_BYTES];

    ck_ok(rollout_put_blob(s->rollout, str_from(w->preflight), sha, &sample_err));
    if (!w->no_preflight)
        note(s, w->preflight_us,
             (struct rollout_entry){ .kind = ROLLOUT_PREFLIGHT,
                                     .value = w->failed_preflight,
                                     .detail = STR("x"),
                                     .evidence = str_from(sha) });
    if (!w->no_rehearsal)
        note(s, NOW_US - US_PER_DAY,
             (struct rollout_entry){ .kind = ROLLOUT_REHEARSED, .value = w->rehearsal_us });
}

static void look(const struct world *w, struct scene *s)
{
    CLEANUP(buf_release) struct buf text = { 0 }, conf = { 0 };

    edit(programme_text, w, !w->is_conf, &text);
    edit(conf_text, w, w->is_conf, &conf);
    ck_ok(programme_parse(buf_str(&text), "p.yaml", temp_folder, &s->programme, &sample_err));
    ck_ok(conf_parse(buf_str(&conf), "weir.yaml", "", &s->conf, &sample_err));
    s->policy = plan_new("weir");
    ck_ok(plan_conf_read(s->policy, s->conf->yaml, STR("weir.yaml"), &sample_err));
    s->rollout = sample_open("r", ROLLOUT_WRITE);
    prove(w, s);
    ck_ok(portfolio_read(s->programme, s->rollout, &s->portfolio, &sample_err));
    record(w, s);
    s->apps[0] = portfolio_find(s->portfolio, STR("a"));
    s->in = (struct ready_input){
        .portfolio = s->portfolio,
        .apps = s->apps,
        .app_count = 1,
        .seen = w->no_archive ? NULL : &s->seen,
        .conf = w->no_conf ? NULL : s->conf,
        .policy = w->no_conf ? NULL : s->policy,
        .now_us = NOW_US,
    };
    ready_look(&s->in, &s->ready);
}

START_TEST(with_everything_there_all_checks_pass)
{
    CLEANUP(scene_release) struct scene s = { 0 };

    look(&usual, &s);
    for (int c = 0; c < READY_CHECK_COUNT; c++)
        ck_assert_msg(s.ready.apps[0].results[c] == READY_PASS, "%s: %s: %.*s",
                      ready_check_id((enum ready_check)c),
                      ready_result_name(s.ready.apps[0].results[c]),
                      STR_ARG(s.ready.apps[0].why[c]));
    ck_assert_uint_eq(s.ready.missing, 0);
}
END_TEST

START_TEST(what_was_refused_and_taken_on_record_is_said)
{
    for (int denied = 0; denied < 2; denied++) {
        CLEANUP(scene_release) struct scene s = { 0 };
        struct world w = usual;
        w.denied = denied;
        look(&w, &s);
        const struct ready_app *a = &s.ready.apps[0];
        const char *said = denied ? ", and 20 calls on record were refused"
                                  : ", which no call on record has met yet";
        ck_assert(a->results[READY_CHECK_BUDGET] == READY_PASS);
        ck_assert(str_ends_with(a->why[READY_CHECK_BUDGET], str_from(said)));
        ck_assert_int_ge(str_find(a->why[READY_CHECK_REHEARSAL],
                                  STR("; its old key was taken, the last time at 20"), 0),
                         0);
    }
}
END_TEST

/* What no file tells: the gateway has a budget of its own. */
START_TEST(a_budget_is_also_one_that_the_gateway_was_seen_to_have)
{
    static const struct {
        bool no_conf;
        int status;
        enum ready_result result;
        const char *said;
    } sights[] = {
        {true,   0,   READY_UNKNOWN, "names no configuration"                          },
        { true,  412, READY_PASS,    "its gateway refused 20 calls on record"          },
        { true,  400, READY_PASS,    "its gateway refused 20 calls on record"          },
        { false, 0,   READY_FAIL,    "nothing; nor did its gateway refuse a call"      },
        { false, 412, READY_PASS,    "its gateway refused 20 calls on record for a bud"},
    };

    for (size_t i = 0; i < ARRAY_LEN(sights); i++) {
        CLEANUP(scene_release) struct scene s = { 0 };
        struct world w = usual;
        w.over_budget = sights[i].status;
        w.no_conf = sights[i].no_conf;
        w.is_conf = true;
        w.from = ", hard: true";
        w.to = "";
        look(&w, &s);
        const struct ready_app *a = &s.ready.apps[0];
        ck_assert(a->results[READY_CHECK_BUDGET] == sights[i].result);
        ck_assert_msg(str_find(a->why[READY_CHECK_BUDGET], str_from(sights[i].said), 0) >= 0,
                      "%.*s", STR_ARG(a->why[READY_CHECK_BUDGET]));
    }
}
END_TEST

/* clang-format off: one a line */
static const struct {
    enum ready_check check;
    enum ready_result result;
    struct world change;
} rows[] = {
    {READY_CHECK_OWNER,           READY_FAIL,    { .from = "deputy: p, ", .to = "" }                                                     },
    { READY_CHECK_OWNER,          READY_FAIL,    { .from = "channel: c, ", .to = "" }                                                    },
    { READY_CHECK_ATTRIBUTION,    READY_FAIL,    { .nobodys = 5 }                                                                        },
    { READY_CHECK_ATTRIBUTION,    READY_UNKNOWN, { .no_archive = true }                                                                  },
    { READY_CHECK_POLICY,
     READY_FAIL,                                 { .from = "apps: [a], allow", .to = "apps: [b], allow", .is_conf = true }               },
    { READY_CHECK_POLICY,
     READY_FAIL,                                 { .from = "mode: enforce", .to = "mode: observe", .is_conf = true }                     },
    { READY_CHECK_POLICY,         READY_UNKNOWN, { .no_conf = true }                                                                     },
    { READY_CHECK_BUDGET,
     READY_FAIL,                                 { .from = "teams: {t:", .to = "teams: {s:", .is_conf = true }                           },
    { READY_CHECK_BUDGET,         READY_FAIL,    { .from = ", hard: true", .to = "", .is_conf = true }                                   },
    { READY_CHECK_BUDGET,         READY_UNKNOWN, { .no_conf = true }                                                                     },
    { READY_CHECK_BASELINE,       READY_FAIL,    { .days = READY_BASELINE_DAYS - 1 }                                                     },
    { READY_CHECK_BASELINE,       READY_UNKNOWN, { .no_archive = true }                                                                  },
    { READY_CHECK_FALLBACK,       READY_FAIL,    { .no_preflight = true }                                                                },
    { READY_CHECK_FALLBACK,       READY_FAIL,    { .failed_preflight = true }                                                            },
    { READY_CHECK_FALLBACK,       READY_FAIL,    { .preflight_us = NOW_US - 30 * US_PER_DAY }                                            },
    { READY_CHECK_CAPACITY,
     READY_FAIL,                                 { .preflight = "{\"peak_per_s\":\"11\",\"load_per_s\":\"20\"}" }                        },
    { READY_CHECK_CAPACITY,
     READY_UNKNOWN,                              { .preflight = "{\"peak_per_s\":\"11\",\"load_per_s\":\"0.000\"}" }                     },
    { READY_CHECK_CAPACITY,       READY_UNKNOWN, { .preflight = "not json" }                                                             },
    { READY_CHECK_REHEARSAL,      READY_FAIL,    { .no_rehearsal = true }                                                                },
    { READY_CHECK_REHEARSAL,      READY_FAIL,    { .rehearsal_us = 31000000 }                                                            },
    { READY_CHECK_REHEARSAL,      READY_FAIL,    { .refused = true }                                                                     },
    { READY_CHECK_ON_CALL,        READY_FAIL,    { .from = "on: [rolled_back]", .to = "on: [committed]" }                                },
    { READY_CHECK_EXPANSION_PLAN, READY_FAIL,    { .from = ", risk: low", .to = "" }                                                     },
    { READY_CHECK_FREEZES,
     READY_FAIL,                                 { .from = ", freeze: [{from: 2026-12-20, to: 2027-01-03, reason: holidays}]", .to = "" }},
    { READY_CHECK_POWER,          READY_FAIL,    { .from = "bake: 30d", .to = "bake: 1h" }                                               },
    { READY_CHECK_POWER,
     READY_FAIL,                                 { .from = "key: header.x-s", .to = "key: key_id", .keyless = 6 }                        },
    { READY_CHECK_POWER,          READY_UNKNOWN, { .no_archive = true }                                                                  },
};
/* clang-format on */

START_TEST(what_a_check_rests_on_is_missed)
{
    CLEANUP(scene_release) struct scene s = { 0 };
    struct world w = rows[_i].change;

    w.days = w.days ? w.days : usual.days;
    w.preflight = w.preflight ? w.preflight : usual.preflight;
    w.preflight_us = w.preflight_us ? w.preflight_us : usual.preflight_us;
    w.rehearsal_us = w.rehearsal_us ? w.rehearsal_us : usual.rehearsal_us;
    look(&w, &s);
    const struct ready_app *a = &s.ready.apps[0];
    ck_assert_msg(a->results[rows[_i].check] == rows[_i].result, "row %d, %s: %s: %.*s", _i,
                  ready_check_id(rows[_i].check), ready_result_name(a->results[rows[_i].check]),
                  STR_ARG(a->why[rows[_i].check]));
    ck_assert_uint_gt(a->why[rows[_i].check].len, 0);
    ck_assert_uint_gt(a->missing, 0);
}
END_TEST

START_TEST(only_what_the_plan_asks_for_is_missed)
{
    CLEANUP(scene_release) struct scene s = { 0 };
    CLEANUP(buf_release) struct buf missing = { 0 };
    CLEANUP(document_release) struct document d = { 0 };
    struct world w = usual;

    w.from = "risk: low";
    w.to = "risk: low, readiness: [R1, R8, R11]";
    w.no_rehearsal = w.no_preflight = w.no_archive = true;
    look(&w, &s);
    const struct ready_app *a = &s.ready.apps[0];
    ck_assert_uint_eq(a->missing, 1);
    ready_add_missing(a, &missing);
    ck_assert_msg(str_starts_with(buf_str(&missing), STR("R8: never")), "%s", buf_cstr(&missing));
    ready_build(&s.ready, 0, &d);
    ck_assert_uint_eq(section_rows(d.list.ptr[0]), READY_QUESTION_COUNT);
    ck_assert_uint_eq(section_rows(d.list.ptr[1]), READY_CHECK_COUNT);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, what_was_refused_and_taken_on_record_is_said);
    tcase_add_test(tc, a_budget_is_also_one_that_the_gateway_was_seen_to_have);
    tcase_add_test(tc, with_everything_there_all_checks_pass);
    tcase_add_loop_test(tc, what_a_check_rests_on_is_missed, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, only_what_the_plan_asks_for_is_missed);
}
CHECK_MAIN("migrate/ready", add_tests)
