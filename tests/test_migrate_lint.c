/* What is unwise in a plan is said, with the rule's word and its place; and a plan that weir drafts
 * is not unwise. */
#include "config.h"

#include "migrate/programme_lint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "check_main.h"
#include "migrate/programme_draft.h"
#include "migrate/rollout.h"

#define PROXY "actuators: {proxy: {driver: weir, file: ./c.yaml, socket: ./s}}\n"
#define HEAD  "programme: {name: g, start: 2026-10-05, end: 2026-12-31}\n" PROXY
/* An application says nothing but what a row is about. */
#define DEFAULTS                                                                                   \
    "defaults: {actuator: proxy, direct: a, gateway: b, key: end_user, readiness: R1, bake: 1d}\n"
#define BOT "owner: ana, deputy: ben, risk: low, date: 2026-10-06"

static struct programme *parse(const char *text)
{
    struct programme *p = NULL;
    struct err err;

    if (programme_parse(str_from(text), "p.yaml", "", &p, &err) < 0)
        ck_abort_msg("%s", err.text);
    return p;
}

/* "line:column rule" of every finding, a line each; notes are left out. */
static void lint(const char *text, const struct inventory *seen, struct buf *ret)
{
    CLEANUP(programme_free) struct programme *p = parse(text);
    CLEANUP(programme_lint_release) struct programme_lint l = { 0 };

    programme_lint(p, seen, NULL, &l);
    for (size_t i = 0; i < l.findings.len; i++) {
        const struct programme_finding *f = &l.findings.ptr[i];
        if (programme_rules[f->rule].severity != PROGRAMME_NOTE)
            buf_addf(ret, "%u:%u %s: %s\n", f->at.line, f->at.column, programme_rules[f->rule].id,
                     f->text.ptr);
    }
    buf_cstr(ret);
}

static const struct {
    const char *text, *found; /* "" = nothing */
} rows[] = {
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT "}}\n", ""),
    ROW(HEAD "apps: {}\n", "0:0 no-apps: there are no applications\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {deputy: ben, risk: low, date: 2026-10-06}}\n",
        "4:8 no-owner: 'bot' has no owner\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {owner: ana, deputy: ana, risk: low, date: 2026-10-06}}\n",
        "4:8 no-deputy: 'bot' has 'ana' for its owner and deputy\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {owner: ana, deputy: ben, risk: low}}\n",
        "4:8 no-date: 'bot' has neither a wave nor a date\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", key: ''}}\n", "4:8 no-key: 'bot' has no key\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", gates: [{metric: error, unit: request}]}}\n",
        "4:76 unit-request: 'bot' counts requests for error, but its key end_user is sticky\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", key: request, gates: [{metric: error, unit: key}]}}\n",
        "4:90 unit-key: 'bot' counts keys for error, but nothing keeps a key on its side\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", gateway: a}}\n",
        "4:8 same-way: 'bot' goes to 'a' before and after\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", bake: 12h}}\n",
        "4:8 short-bake: 'bot' bakes 12 h at 1 %: less than a day's cycle\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", rollback: {to: 10%}}}\n",
        "4:8 rollback-to: 'bot' goes back to 10 %, which is no stage below 100 % of it\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {owner: ana, deputy: ben, risk: high, date: 2026-10-06,\n"
                      "             auto: true}}\n",
        "4:8 no-approval: 'bot' is of high risk, and nobody needs to approve\n"
        "4:8 auto-risk: 'bot' is of high risk, and watch may advance it\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", evidence: {preflight: none}, readiness: []}}\n",
        "4:8 no-evidence: 'bot' advances without a preflight\n"
        "4:8 no-readiness: 'bot' advances without any check of readiness\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", gates: [{metric: error, alpha: 0.04},\n"
                      "  {metric: exceed_total, alpha: 2%}]}}\n",
        "4:76 alpha-overspent: all gates together may roll back falsely with a chance of 0.06, the "
        "programme allows 0.05\n"),
    /* The parts of those that name none are added to what others name. */
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", gates: [{metric: error, alpha: 0.049}]},\n"
                      "  cat: {owner: cy, deputy: ben, risk: low, date: 2026-10-06}}\n",
        "4:76 alpha-overspent: all gates together may roll back falsely with a chance of 0.074, "
        "the programme allows 0.05\n"),
    /* What one has spent that is retired since is gone. */
    ROW(HEAD DEFAULTS "apps: {bot: {" BOT ", gates: [{metric: error, alpha: 0.049}]},\n"
                      "  cat: {owner: cy, deputy: ben, risk: low, retired: true}}\n",
        "4:76 alpha-overspent: all gates together may roll back falsely with a chance of 0.074, "
        "the programme allows 0.05\n"),
    ROW(HEAD DEFAULTS "apps:\n  a: {" BOT ", needs: [b]}\n"
                      "  b: {owner: b, deputy: x, risk: low, date: 2026-10-06, needs: [c, d]}\n"
                      "  c: {owner: c, deputy: x, risk: low, date: 2026-11-06, needs: [b]}\n"
                      "  d: {owner: d, deputy: x, risk: low, date: 2026-10-06, retired: true}\n",
        "5:3 needs-order: 'a' begins on 2026-10-06, and 'b', which it needs, is at 100 % on "
        "2026-10-10 at the earliest\n"
        "6:3 needs-cycle: 'b' needs 'c' needs 'b'\n"
        "6:3 needs-order: 'b' begins on 2026-10-06, and 'c', which it needs, is at 100 % on "
        "2026-11-10 at the earliest\n"),
    ROW(HEAD DEFAULTS "apps:\n  a: {" BOT "}\n"
                      "  b: {owner: ana, deputy: ben, risk: low, date: 2026-10-09}\n"
                      "  c: {owner: ana, deputy: ben, risk: low, date: 2026-10-14}\n",
        "6:3 same-owner: 'b' begins on 2026-10-09, while 'a' of the same owner, ana, is moving\n"),
    ROW("programme: {name: g, start: 2026-10-05, caps: {apps_in_flight: 1}}\n" PROXY DEFAULTS
        "apps:\n  a: {" BOT "}\n"
        "  b: {owner: b, deputy: ben, risk: low, date: 2026-10-09}\n"
        "  c: {owner: c, deputy: ben, risk: low, date: 2026-10-14}\n",
        "6:3 apps-in-flight: 'b' begins on 2026-10-09 as one of 2 at the same time; the cap is "
        "1\n"),
    ROW("programme: {name: g, start: 2026-10-05, end: 2026-12-31,\n"
        "  freeze: [{from: 2026-10-06, to: 2026-10-07, reason: fair}]}\n" PROXY DEFAULTS
        "apps: {bot: {" BOT "}}\n",
        "5:8 date-frozen: 'bot' begins on 2026-10-06, in the freeze until 2026-10-08: fair\n"),
    ROW(HEAD DEFAULTS "waves: {w: {from: 2026-10-07, to: 2026-10-12}}\n"
                      "apps: {bot: {" BOT ", wave: w, bake: 5d}}\n",
        "5:8 date-outside: 'bot' begins on 2026-10-06, outside of its wave 'w'\n"
        "5:8 too-late: 'bot' is at 100 % on 2026-10-26 at the earliest; its wave ends before\n"),
    ROW(HEAD DEFAULTS "apps: {bot: {owner: a, deputy: b, risk: low, date: 2027-10-06}}\n",
        "4:8 date-outside: 'bot' begins on 2027-10-06, outside of the programme\n"
        "4:8 too-late: 'bot' is at 100 % on 2027-10-10 at the earliest; its programme ends "
        "before\n"),
};

START_TEST(what_is_unwise_is_found_with_its_place)
{
    CLEANUP(buf_release) struct buf found = { 0 };

    lint(rows[_i].text, NULL, &found);
    ck_assert_str_eq(buf_cstr(&found), rows[_i].found);
}
END_TEST

START_TEST(a_stage_that_an_actuator_cannot_hold_is_found)
{
    CLEANUP(buf_release) struct buf found = { 0 };

    lint("programme: {name: g, start: 2026-10-05}\n"
         "actuators: {env: {driver: env, file: ./e, restart: [\"true\"]}}\n"
         "defaults: {actuator: env, direct: 'http://a', gateway: 'http://b', key: end_user,\n"
         "           readiness: R1}\n"
         "apps: {bot: {" BOT "}}\n",
         NULL, &found);
    ck_assert_msg(strstr(buf_cstr(&found), "5:8 resolution: 'bot': 1 % is no share that env can "
                                           "hold: its steps are 100 %") != NULL,
                  "%s", buf_cstr(&found));
}
END_TEST

START_TEST(a_freeze_makes_the_calendar_longer)
{
    CLEANUP(programme_free)
    struct programme *p = parse("programme: {name: g, tz: Europe/Berlin, start: 2026-10-05,\n"
                                "  freeze: [{from: fri 16:00, to: mon 08:00}]}\n" PROXY DEFAULTS
                                "apps: {bot: {" BOT "}}\n");
    CLEANUP(programme_lint_release) struct programme_lint l = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };

    programme_lint(p, NULL, NULL, &l);
    programme_add_time(p, l.slots[0].full_us, &text);
    buf_add_byte(&text, ' ');
    programme_add_time(p, l.slots[0].through_us, &text);
    /* Tue 6 to Fri 9 three stages; the fourth ends on Saturday, so on Monday at 8. */
    ck_assert_str_eq(buf_cstr(&text), "2026-10-12 08:00 2026-10-13 08:00");
}
END_TEST

/* --- with traffic --- */

static struct inventory_app *see(struct inventory *seen, const char *name, int64_t a_day,
                                 int64_t errors_a_day, i128 cost)
{
    struct inventory_app *a = mem_calloc(1, sizeof(*a));

    a->name = arena_str(&seen->arena, str_from(name));
    a->owner = a->team = a->environment = STR("");
    a->requests = a->chat = a->known_sdk = 30 * a_day;
    a->errors = 30 * errors_a_day;
    a->cost_pusd = cost;
    a->first_us = 0;
    a->last_us = 30 * US_PER_DAY;
    for (int64_t d = 0; d < 30; d++)
        vec_push(&a->days, (struct inventory_day){ d, a_day, errors_a_day });
    sketch_add(&a->duration_us, 2 * US_PER_SECOND);
    seen->requests += a->requests;
    seen->cost_pusd += cost;
    vec_push(&seen->apps, a);
    map_put(&seen->by_name, a->name, NULL)->ptr = a;
    return a;
}

START_TEST(a_gate_that_cannot_decide_within_its_stage_is_found)
{
    static const char text[] =
        HEAD DEFAULTS "apps:\n  bot:\n    {" BOT ", key: request, bake: 2d,\n"
                      "     gates: [{metric: error, enough: 0%}, {metric: tool_schema}]}\n";
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf found = { 0 };

    see(&seen, "bot", 2000, 20, 1);
    lint(text, &seen, &found);
    ck_assert_msg(strstr(buf_cstr(&found), "7:14 slow-gate: 'bot': the gate on error needs about "),
                  "%s", buf_cstr(&found));
    ck_assert_msg(strstr(buf_cstr(&found), "which bakes 2: 2e+03 units a day, 1 % fail"), "%s",
                  buf_cstr(&found));
    ck_assert_msg(strstr(buf_cstr(&found), "7:43 blind-gate: 'bot': the gate on tool_schema can "
                                           "never decide at 1 %: no such call was recorded"),
                  "%s", buf_cstr(&found));
}
END_TEST

START_TEST(more_calls_and_more_failures_decide_sooner)
{
    CLEANUP(programme_free)
    struct programme *p = parse(HEAD DEFAULTS "apps: {bot: {" BOT ", key: request, gates: [\n"
                                              "  {metric: error, enough: 0%}]}}\n");
    CLEANUP(programme_powers_release) struct programme_powers cache = { 0 };
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    struct programme_power few, many, often;

    programme_power(&cache, &p->apps[0], 0, see(&seen, "few", 2000, 20, 1), &few);
    programme_power(&cache, &p->apps[0], 0, see(&seen, "many", 20000, 200, 1), &many);
    programme_power(&cache, &p->apps[0], 0, see(&seen, "often", 2000, 100, 1), &often);
    for (size_t i = 0; i + 1 < p->apps[0].stage_count; i++) {
        ck_assert(few.days[i] >= 1 && few.days[i] < 1000);
        ck_assert(many.days[i] <= few.days[i] && often.days[i] <= few.days[i]);
    }
    ck_assert(fabs(few.days[3] / often.days[3] - 5) < 0.01);
    /* From 50 % on, 2 times as many must be excluded: 3 to 10 days of 2000 calls with 1 % errors,
     * as simulated for the facts that the gate is built on. */
    ck_assert_msg(few.days[3] > 3 && few.days[3] < 10, "%g", few.days[3]);
}
END_TEST

START_TEST(a_gate_without_failures_decides_by_how_few_there_can_be)
{
    CLEANUP(programme_free)
    struct programme *p = parse(HEAD DEFAULTS "apps: {bot: {" BOT ", key: request}}\n");
    CLEANUP(programme_powers_release) struct programme_powers cache = { 0 };
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    struct programme_power power;

    programme_power(&cache, &p->apps[0], 0, see(&seen, "calm", 1000, 0, 1), &power);
    for (size_t i = 0; i < 4; i++) {
        int32_t share = p->apps[0].stages[i].share, next = p->apps[0].stages[i + 1].share;
        double there = power.days[i] * 1000 * share / ROLLOUT_ALL;
        ck_assert(isfinite(power.days[i]));
        if (power.days[i] <= 1)
            continue; /* min_time */
        ck_assert(gate_share_bound(0, there * 1.02, 0.05) * next / ROLLOUT_ALL <= 0.001);
        ck_assert(gate_share_bound(0, there * 0.95, 0.05) * next / ROLLOUT_ALL > 0.001);
    }
}
END_TEST

START_TEST(spend_that_moves_at_the_same_time_is_capped)
{
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf found = { 0 };

    see(&seen, "a", 1000000, 100000, 10);
    see(&seen, "b", 1000000, 100000, 8);
    see(&seen, "c", 1000000, 100000, 82);
    lint("programme: {name: g, start: 2026-10-05}\n" PROXY DEFAULTS "apps:\n  a: {" BOT
         ", key: request}\n"
         "  b: {owner: b, deputy: ben, risk: low, date: 2026-10-09, key: request}\n"
         "  d: {owner: d, deputy: ben, risk: low, date: 2026-10-14}\n",
         &seen, &found);
    ck_assert_str_eq(buf_cstr(&found),
                     "0:0 not-planned: 'c' was recorded, and is not in the plan\n"
                     "6:3 spend-moving: with 'b', 18 % of the spend move from 2026-10-09 on; the "
                     "cap is 15 %\n"
                     "7:3 no-traffic: no call of 'd' was recorded\n");
}
END_TEST

START_TEST(an_upstream_that_the_proxy_does_not_have_is_found)
{
    CLEANUP(programme_free)
    struct programme *p = parse(HEAD DEFAULTS "apps: {bot: {" BOT ", key: request}}\n");
    CLEANUP(programme_lint_release) struct programme_lint l = { 0 };
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(conf_free) struct conf *conf = NULL;
    struct inventory_app *a = see(&seen, "bot", 1000000, 100000, 0);
    struct err err;

    inventory_note(&seen, a, INVENTORY_UPSTREAMS, STR("a"), 22500000);
    inventory_note(&seen, a, INVENTORY_UPSTREAMS, STR("c"), 7500000);
    ck_assert_int_eq(conf_parse(STR("upstreams: {b2: {url: 'http://b'}, a: {url: 'http://a'}}\n"),
                                "w", "", &conf, &err),
                     0);
    programme_lint(p, &seen, conf, &l);
    ck_assert_uint_eq(l.findings.len, 2);
    ck_assert_str_eq(l.findings.ptr[0].text.ptr, "'bot': 'b' is no upstream of the configuration: "
                                                 "did you mean 'b2'?");
    ck_assert_str_eq(l.findings.ptr[1].text.ptr, "'bot' calls 'c' as well: 25 % of its calls");
}
END_TEST

/* --- drafts --- */

/* Of all sizes, some with names that YAML means otherwise. */
static void see_many(struct inventory *seen, size_t count)
{
    static const char *const odd[] = { "no",
                                       "a: b",
                                       "#x",
                                       "it's",
                                       "\"q\"",
                                       "12",
                                       "- x",
                                       "m\xc3\xbc"
                                       "ll" };
    CLEANUP(buf_release) struct buf name = { 0 };
    uint64_t seed = 42;

    for (size_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t a_day = 1 << (seed >> 60), errors = (int64_t)(seed >> 33) % (a_day / 20 + 1);
        buf_clear(&name);
        buf_addf(&name, "%s%zu", i % 9 ? "app-" : odd[i / 9 % ARRAY_LEN(odd)], i);
        struct inventory_app *a = see(seen, buf_cstr(&name), a_day, errors, (i128)(i + 1));
        if (i % 4 == 0)
            a->owner = STR("ana: the 1st");
        if (i % 5 == 0)
            inventory_note(seen, a, INVENTORY_UPSTREAMS, STR("x\n  y: z"), 1);
    }
    inventory_weigh(seen);
}

static void draft(const struct inventory *seen, struct buf *ret)
{
    struct programme_draft_options o = {
        .name = STR("gateway"),
        .tz = STR("Europe/Berlin"),
        .archive = STR("./archive"),
        .config = STR("a b.yaml"),
        .gateway = STR("litellm"),
    };
    struct err err;

    timestamp_parse(STR("2026-11-03"), &o.start_us);
    ck_assert_msg(programme_draft(seen, &o, ret, &err) == 0, "%s", err.text);
    buf_cstr(ret);
}

START_TEST(a_draft_lints_clean_but_for_people)
{
    static const size_t counts[] = { 1, 2, 7, 40 };
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 }, found = { 0 };
    struct str rest, line;

    see_many(&seen, counts[_i]);
    draft(&seen, &text);
    lint(buf_cstr(&text), &seen, &found);
    rest = buf_str(&found);
    while (str_split(&rest, '\n', &line))
        ck_assert_msg(!line.len || str_find(line, STR(" no-owner: "), 0) > 0 ||
                          str_find(line, STR(" no-deputy: "), 0) > 0,
                      "%.*s\n%s", STR_ARG(line), buf_cstr(&text));
}
END_TEST

START_TEST(a_draft_reads_back_as_it_was_meant)
{
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 }, again = { 0 };

    see_many(&seen, 40);
    draft(&seen, &text);
    draft(&seen, &again);
    ck_assert(str_eq(buf_str(&text), buf_str(&again)));
    CLEANUP(programme_free) struct programme *p = parse(buf_cstr(&text));
    ck_assert_uint_eq(p->app_count, 40);
    ck_assert_str_eq(p->config.ptr, "a b.yaml");
    ck_assert_str_eq(p->tz.ptr, "Europe/Berlin");
    ck_assert_uint_le(p->waves[0].app_count, 3);
    for (size_t i = 0; i < p->app_count; i++) {
        const struct programme_app *a = &p->apps[i];
        const struct inventory_app *is = inventory_find(&seen, a->name);
        ck_assert_msg(is != NULL, "%s", a->name.ptr);
        ck_assert(str_eq(a->owner, is->owner));
        ck_assert_int_eq(a->risk, is->risk.level);
        ck_assert_int_eq(a->risk_score, is->risk.score);
        ck_assert_str_eq(a->reasons.list[0].ptr, is->risk.why[is->risk.order[0]].ptr);
        ck_assert(a->wave && a->date_us >= a->wave->from_us);
        ck_assert_int_eq(a->stages[a->stage_count - 1].share, ROLLOUT_ALL);
        ck_assert(str_eq(a->direct, STR("direct"))); /* see_many: the others' is no name */
        ck_assert(str_eq(a->gateway, STR("litellm")));
        ck_assert_uint_le(a->wave->app_count, 5);
    }
}
END_TEST

START_TEST(low_risk_moves_before_high)
{
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };

    see_many(&seen, 40);
    draft(&seen, &text);
    CLEANUP(programme_free) struct programme *p = parse(buf_cstr(&text));
    for (size_t i = 0; i < p->app_count; i++)
        for (size_t k = 0; k < p->app_count; k++)
            if (p->apps[i].risk < p->apps[k].risk)
                ck_assert(p->apps[i].wave <= p->apps[k].wave);
}
END_TEST

START_TEST(a_thousand_applications_are_linted_in_less_than_a_second)
{
    CLEANUP(inventory_release) struct inventory seen = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(programme_lint_release) struct programme_lint l = { 0 };

    see_many(&seen, 1000);
    draft(&seen, &text);
    clock_t start = clock();
    CLEANUP(programme_free) struct programme *p = parse(buf_cstr(&text));
    programme_lint(p, &seen, NULL, &l);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    printf("# plan lint: 1,000 applications with traffic, %zu bytes, %zu findings: %.0f ms of "
           "processor time\n",
           text.len, l.findings.len, seconds * 1e3);
    fflush(stdout);
#ifndef __SANITIZE_ADDRESS__
    ck_assert(seconds < 1);
#endif
    ck_assert_uint_eq(p->app_count, 1000);
}
END_TEST

START_TEST(every_rule_is_in_the_manual)
{
    const char *top = getenv("top_srcdir"), *src = getenv("srcdir");
    CLEANUP(buf_release) struct buf manual = { 0 }, item = { 0 };
    char path[1024];
    struct err err;

    snprintf(path, sizeof(path), "%s/doc/weir-programme.5", top ? top : src ? src : ".");
    ck_assert_msg(file_read(path, 1u << 20, &manual, &err) == 0, "%s", err.text);
    for (int i = 0; i < PROGRAMME_RULE_COUNT; i++) {
        buf_clear(&item);
        buf_addf(&item, "\n.It Li %s Pq %s\n", programme_rules[i].id,
                 programme_severity_name(programme_rules[i].severity));
        ck_assert_msg(str_find(buf_str(&manual), buf_str(&item), 0) > 0, "%s", buf_cstr(&item));
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_rule_is_in_the_manual);
    tcase_add_loop_test(tc, what_is_unwise_is_found_with_its_place, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, a_stage_that_an_actuator_cannot_hold_is_found);
    tcase_add_test(tc, a_freeze_makes_the_calendar_longer);
    tcase_add_test(tc, a_gate_that_cannot_decide_within_its_stage_is_found);
    tcase_add_test(tc, more_calls_and_more_failures_decide_sooner);
    tcase_add_test(tc, a_gate_without_failures_decides_by_how_few_there_can_be);
    tcase_add_test(tc, spend_that_moves_at_the_same_time_is_capped);
    tcase_add_test(tc, an_upstream_that_the_proxy_does_not_have_is_found);
    tcase_add_loop_test(tc, a_draft_lints_clean_but_for_people, 0, 4);
    tcase_add_test(tc, a_draft_reads_back_as_it_was_meant);
    tcase_add_test(tc, low_risk_moves_before_high);
    tcase_add_test(tc, a_thousand_applications_are_linted_in_less_than_a_second);
}

CHECK_MAIN("migrate/programme_lint", add_tests)
