/* A plan says what is to move; one that is wrong says where, and how to mend it. */
#include "config.h"

#include "migrate/programme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "check_main.h"
#include "migrate/programme_parts.h"
#include "migrate/rollout.h"

static struct programme *parse(const char *text, struct err *err)
{
    struct programme *p = NULL;

    return programme_parse(str_from(text), "p.yaml", "plans", &p, err) == 0 ? p : NULL;
}

static struct programme *parse_good(const char *text)
{
    struct err err;
    struct programme *p = parse(text, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

static int64_t at(const char *text)
{
    int64_t us;

    ck_assert_msg(timestamp_parse(str_from(text), &us), "%s", text);
    return us;
}

#define HEAD  "programme: {name: g, start: 2026-10-05}\n"
#define PROXY "actuators: {proxy: {driver: weir, file: ./cutover.yaml, socket: ./weir.sock}}\n"
#define WAVES "waves: {pilots: {from: 2026-10-05, to: 2026-10-30}}\n"

START_TEST(every_section_is_read)
{
    CLEANUP(programme_free)
    struct programme *p = parse_good(
        "programme:\n"
        "  name: gateway-2026\n"
        "  tz: Europe/Berlin\n"
        "  start: 2026-10-05\n"
        "  end: 2026-12-18\n"
        "  archive: ../traffic\n"
        "  config: /etc/weir.yaml\n"
        "  alpha_total: 1%\n"
        "  caps: {apps_in_flight: 5, spend_moving: 12.5%}\n"
        "  freeze:\n"
        "    - {from: 2026-11-25, to: 2026-11-30, reason: Black Friday}\n" PROXY "defaults:\n"
        "  actuator: proxy\n"
        "  direct: openai\n"
        "  gateway: litellm\n"
        "  key: header.x-session\n"
        "  bake: 2d\n"
        "  approvals: security\n" WAVES "apps:\n"
        "  zoo: {wave: pilots, needs: [bot], retired: true}\n"
        "  bot:\n"
        "    owner: ana\n"
        "    deputy: ben\n"
        "    channel: '#bot'\n"
        "    team: support\n"
        "    risk: {level: high, score: 17, reasons: [customers, tools]}\n"
        "    wave: pilots\n"
        "    date: 2026-10-07T09:30\n"
        "    stages: [{share: 0.25%, bake: 12h}, 50%, 100%]\n"
        "    gates:\n"
        "      - {metric: error, alpha: 0.001, cap: 5%, enough: 0.2%, unit: request}\n"
        "      - {metric: exceed_ttft, threshold: 2s, safe_ratio: 1.5, harm_ratio: 1.1}\n"
        "      - {metric: exceed_cost, threshold: 0.02 USD, min_units: 50, min_time: 36h}\n"
        "    rollback: {within: 5s, to: direct}\n"
        "    evidence: {rehearsal: none, preflight: 3d}\n"
        "    readiness: [R1, R8]\n"
        "    auto: true\n"
        "hooks:\n"
        "  - {on: [committed, rolled_back], command: [notify, now]}\n"
        "  - {on: '*', url: 'https://hooks.example/x', secret: {env: S}, timeout: 3s}\n"
        "preflight: {gateway: [portkey, '{port}'], provider: openai, scenario: calm, calls: 20}\n");

    ck_assert_str_eq(p->name.ptr, "gateway-2026");
    ck_assert_str_eq(p->archive.ptr, "plans/../traffic");
    ck_assert_str_eq(p->config.ptr, "/etc/weir.yaml");
    ck_assert_str_eq(p->rollout.ptr, "plans/gateway-2026.rollout");
    ck_assert_int_eq(p->start_us, at("2026-10-05T00:00:00+02:00"));
    ck_assert_int_eq(p->end_us, at("2026-12-19T00:00:00+01:00"));
    ck_assert(p->alpha_total == 0.01);
    ck_assert_int_eq(p->apps_in_flight, 5);
    ck_assert_int_eq(p->spend_moving_per_million, 125000);
    ck_assert_uint_eq(p->freeze_count, 1);
    ck_assert_int_eq(p->freezes[0].to_us, at("2026-12-01T00:00:00+01:00"));
    ck_assert_uint_eq(p->sha.len, 64);

    ck_assert_uint_eq(p->app_count, 2);
    const struct programme_app *a = programme_find_app(p, STR("bot"));
    ck_assert(a == &p->apps[0]);
    ck_assert_str_eq(a->deputy.ptr, "ben");
    ck_assert_int_eq(a->risk, PROGRAMME_RISK_HIGH);
    ck_assert_int_eq(a->risk_score, 17);
    ck_assert_str_eq(a->reasons.list[1].ptr, "tools");
    ck_assert_int_eq(a->date_us, at("2026-10-07T09:30:00+02:00"));
    ck_assert_uint_eq(a->stage_count, 3);
    ck_assert_int_eq(a->stages[0].share, 25);
    ck_assert_int_eq(a->stages[0].bake_us, US_PER_DAY / 2);
    ck_assert_int_eq(a->stages[1].bake_us, 2 * US_PER_DAY);
    ck_assert_int_eq(a->stages[2].share, ROLLOUT_ALL);
    ck_assert_uint_eq(a->gate_count, 3);
    ck_assert(a->gates[0].per_request && !a->gates[1].per_request);
    ck_assert_int_eq(a->gates[0].cap_per_million, 50000);
    ck_assert_int_eq(a->gates[0].enough_per_million, 2000);
    ck_assert(a->gates[0].alpha == 0.001 && a->gates[1].safe_ratio == 1.5);
    ck_assert_int_eq(a->gates[0].threshold, -1);
    ck_assert_int_eq(a->gates[1].threshold, 2 * US_PER_SECOND);
    ck_assert_int_eq(a->gates[2].threshold, 20000000);
    ck_assert_int_eq(a->rollback_us, 5 * US_PER_SECOND);
    ck_assert_int_eq(a->rollback_to, 0);
    ck_assert_int_eq(a->rehearsal_age_us, 0);
    ck_assert_int_eq(a->preflight_age_us, 3 * US_PER_DAY);
    ck_assert_str_eq(a->approvals.list[0].ptr, "security");
    ck_assert(a->is_auto && a->wave == &p->waves[0]);
    ck_assert_str_eq(a->actuator->name.ptr, "proxy");
    ck_assert_str_eq(actuator_setting(a->actuator, "file").ptr, "./cutover.yaml");
    ck_assert_str_eq(a->actuator->folder.ptr, "plans");

    ck_assert_uint_eq(p->waves[0].app_count, 2); /* in the plan's order, not sorted */
    ck_assert_str_eq(p->waves[0].apps[0]->name.ptr, "zoo");
    ck_assert_uint_eq(p->hook_count, 2);
    ck_assert_str_eq(p->hooks[0].command.list[1].ptr, "now");
    ck_assert_str_eq(p->hooks[1].secret_env.ptr, "S");
    ck_assert_int_eq(p->preflight.calls, 20);
}
END_TEST

START_TEST(what_is_not_said_is_careful)
{
    CLEANUP(programme_free)
    struct programme *p = parse_good(HEAD PROXY "apps: {bot: {actuator: proxy, key: request}}\n");
    const struct programme_app *a = &p->apps[0];
    static const int32_t shares[] = { 100, 500, 2500, 5000, 10000 };

    ck_assert_uint_eq(a->stage_count, ARRAY_LEN(shares));
    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        ck_assert_int_eq(a->stages[i].share, shares[i]);
        ck_assert_int_eq(a->stages[i].bake_us, 7 * US_PER_DAY);
    }
    ck_assert_uint_eq(a->gate_count, 1);
    ck_assert_int_eq(a->gates[0].metric, GATE_ERROR);
    ck_assert(a->gates[0].per_request); /* as the key is */
    ck_assert_int_eq(a->rollback_to, -1);
    ck_assert(!a->is_auto && a->risk == PROGRAMME_RISK_UNKNOWN);
    ck_assert_str_eq(a->owner.ptr, "");
    ck_assert_str_eq(p->tz.ptr, "UTC");
    ck_assert(p->alpha_total == 0.05);
}
END_TEST

START_TEST(the_chance_of_a_false_rollback_is_shared_by_applications_and_gates)
{
    CLEANUP(programme_free)
    struct programme *p = parse_good(
        HEAD PROXY
        "defaults: {actuator: proxy, gates: [{metric: error}, {metric: exceed_total}]}\n"
        "apps: {a: {}, b: {gates: [{metric: error, alpha: 0.004}]}, c: {retired: true}}\n");

    /* c has spent its own perhaps: nobody else is given it. */
    ck_assert(programme_alpha(p, 0, &p->apps[0], &p->apps[0].gates[0]) == 0.05 / 3 / 2);
    ck_assert(programme_alpha(p, 0, &p->apps[1], &p->apps[1].gates[0]) == 0.004);
    ck_assert(programme_alpha(p, 2, &p->apps[0], &p->apps[0].gates[0]) == 0.05 / 5 / 2);
    ck_assert(programme_alpha(p, 2, &p->apps[1], &p->apps[1].gates[0]) == 0.004);
}
END_TEST

START_TEST(a_weekly_freeze_is_at_the_same_local_time_in_summer_and_winter)
{
    CLEANUP(programme_free)
    struct programme *p =
        parse_good("programme: {name: g, tz: Europe/Berlin, start: 2026-10-05,\n"
                   "  freeze: [{from: fri 16:00, to: mon 08:00, reason: weekend}]}\n");
    static const struct {
        const char *at;
        bool frozen;
    } rows[] = {
        {"2026-10-09T15:59:00+02:00",  false},
        { "2026-10-09T16:00:00+02:00", true },
        { "2026-10-11T12:00:00+02:00", true },
        { "2026-10-12T07:59:00+02:00", true },
        { "2026-10-12T08:00:00+02:00", false},
        { "2026-11-06T15:59:00+01:00", false},
        { "2026-11-06T16:00:00+01:00", true },
        { "2026-11-09T08:00:00+01:00", false},
        { "2027-10-08T16:00:00+02:00", true },
        { "2026-01-09T16:00:00+01:00", true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg((programme_frozen(p, at(rows[i].at)) != NULL) == rows[i].frozen, "%s",
                      rows[i].at);
    ck_assert_str_eq(programme_frozen(p, at("2026-10-11T12:00:00Z"))->reason.ptr, "weekend");
}
END_TEST

START_TEST(times_are_printed_in_the_zone_of_the_programme)
{
    CLEANUP(programme_free)
    struct programme *p =
        parse_good("programme: {name: g, tz: Europe/Berlin, start: 2026-10-05}\n");
    CLEANUP(buf_release) struct buf out = { 0 };

    programme_add_time(p, p->start_us, &out);
    buf_add_byte(&out, '|');
    programme_add_time(p, at("2026-12-01T08:15:00Z"), &out);
    ck_assert_str_eq(buf_cstr(&out), "2026-10-05|2026-12-01 09:15");
}
END_TEST

static const struct {
    const char *text, *message;
} wrong[] = {
    ROW("", "p.yaml: expected a map of sections, see weir-programme(5)"),
    ROW("apps: {}\n", "p.yaml:1:1: a plan needs a section 'programme' with name and start"),
    ROW(HEAD "app: {}\n", "p.yaml:2:1: unknown key 'app': did you mean 'apps'?"),
    ROW("programme: {name: g}\n", "p.yaml:1:12: the programme has no start"),
    ROW("programme: {start: 2026-10-05}\n", "p.yaml:1:12: the programme has no name"),
    ROW("programme: {name: a/b, start: 2026-10-05}\n",
        "p.yaml:1:19: the name of a programme is part of a file's: no '/', no leading '.'"),
    ROW("programme: {name: g, start: 2026-10-05, end: 2026-10-01}\n",
        "p.yaml:1:46: the programme ends before it starts"),
    ROW("programme: {name: g, start: tomorrow}\n",
        "p.yaml:1:29: expected a date such as 2026-10-07, or 2026-10-07T09:00, got 'tomorrow'"),
    ROW("programme: {name: g, start: 2026-10-05, alpha_total: 2}\n",
        "p.yaml:1:54: expected a chance such as 0.05 or 5%, got '2'"),
    ROW("programme: {name: g, start: 2026-10-05, alpha_total: 0}\n",
        "p.yaml:1:54: expected a chance above 0 and below 1, got '0'"),
    ROW("programme: {name: g, start: 2026-10-05, caps: {spend_moving: 15}}\n",
        "p.yaml:1:62: expected a share such as 15%, of at most 100%, got '15'"),
    ROW("programme: {name: g, start: 2026-10-05, freeze: [{from: fri 16:00, to: 2026-10-07}]}\n",
        "p.yaml:1:72: expected a day of the week such as fri or fri 16:00, got '2026-10-07'"),
    ROW("programme: {name: g, start: 2026-10-05, freeze: [{from: 2026-10-07}]}\n",
        "p.yaml:1:50: a freeze needs from and to"),
    ROW("programme: {name: g, start: 2026-10-05, freeze: [{from: 2026-10-07, to: 2026-10-06}]}\n",
        "p.yaml:1:73: this freeze ends before it begins"),
    ROW("programme: {name: g, start: 2026-10-05, freeze: [{from: mon, to: sun}]}\n",
        "p.yaml:1:57: this freeze is the whole week: nothing could move"),
    ROW("programme: {name: g, start: 2026-10-05, freeze: [{from: mon 25:00, to: sun}]}\n",
        "p.yaml:1:57: expected a day of the week such as fri or fri 16:00, got 'mon 25:00'"),
    ROW(HEAD "actuators: {x: {file: y}}\n",
        "p.yaml:2:13: an actuator needs a driver, such as weir or nginx"),
    ROW(HEAD PROXY "apps: {bot: {}}\n",
        "p.yaml:3:8: 'bot' has no actuator: name one here, or in defaults"),
    ROW(HEAD PROXY "apps: {bot: {actuator: prox}}\n",
        "p.yaml:3:24: 'prox' is not in actuators: did you mean 'proxy'?"),
    ROW(HEAD PROXY WAVES "apps: {bot: {actuator: proxy, wave: pilot}}\n",
        "p.yaml:4:37: 'pilot' is not in waves: did you mean 'pilots'?"),
    ROW(HEAD PROXY "apps: {bot: {actuator: proxy, needs: [bat]}}\n",
        "p.yaml:3:39: 'bat' is not in apps: did you mean 'bot'?"),
    ROW(HEAD PROXY "apps: {bot: {actuator: proxy, onwer: x}}\n",
        "p.yaml:3:31: unknown key 'onwer': did you mean 'owner'?"),
    ROW(HEAD PROXY "apps: {bot: {actuator: proxy, owner: }}\n",
        "p.yaml:3:38: expected text, got nothing: leave the key out instead"),
    ROW(HEAD PROXY "apps: {all: {actuator: proxy}}\n",
        "p.yaml:3:8: 'all' means every application: call it another"),
    ROW(HEAD PROXY WAVES "apps: {pilots: {actuator: proxy}}\n",
        "p.yaml:4:8: 'pilots' is the name of a wave, too"),
    ROW(HEAD PROXY "apps: {bot: {actuator: proxy}, bot: {}}\n",
        "p.yaml:3:32: key 'bot' was already given at line 3"),
    ROW(HEAD "waves: {a: {from: 2026-10-05}}\n", "p.yaml:2:9: a wave needs from and to"),
    ROW(HEAD "waves: {a: {from: 2026-10-05, to: 2026-10-04}}\n",
        "p.yaml:2:35: this wave ends before it begins"),
    ROW(HEAD "defaults: {stages: [5%, 1%, 100%]}\n",
        "p.yaml:2:25: a stage of 1% after 5%: stages rise from above 0%"),
    ROW(HEAD "defaults: {stages: [0%, 100%]}\n",
        "p.yaml:2:21: a stage of 0% after 0%: stages rise from above 0%"),
    ROW(HEAD "defaults: {stages: [1%, 50%]}\n",
        "p.yaml:2:20: the last stage is not 100%: the move would never end"),
    ROW(HEAD "defaults: {stages: [5, 100%]}\n",
        "p.yaml:2:21: expected a share such as 5% or 0.25%, in hundredths of a percent, got '5'"),
    ROW(HEAD "defaults: {stages: [0.001%, 100%]}\n",
        "p.yaml:2:21: expected a share such as 5% or 0.25%, in hundredths of a percent, got "
        "'0.001%'"),
    ROW(HEAD "defaults: {bake: soon}\n", "p.yaml:2:18: expected a duration such as 30s, 24h or 7d, "
                                         "of ten years at most, got 'soon'"),
    ROW(HEAD "defaults: {gates: []}\n",
        "p.yaml:2:19: no gates: an advance would be blind; leave the key out for one on error"),
    ROW(HEAD "defaults: {gates: [{unit: key}]}\n",
        "p.yaml:2:20: a gate needs a metric, such as error"),
    ROW(HEAD "defaults: {gates: [{metric: eror}]}\n",
        "p.yaml:2:29: unknown metric 'eror': did you mean 'error'?"),
    ROW(HEAD "defaults: {gates: [{metric: p95_of_everything}]}\n",
        "p.yaml:2:29: unknown metric 'p95_of_everything': see METRICS in weir-programme(5)"),
    ROW(HEAD "defaults: {gates: [{metric: error}, {metric: error}]}\n",
        "p.yaml:2:37: a second gate on error: an application has one of each"),
    ROW(HEAD "defaults: {gates: [{metric: error, threshold: 5}]}\n",
        "p.yaml:2:47: the metric error has no threshold: it happens or does not; leave it out"),
    ROW(HEAD "defaults: {gates: [{metric: exceed_cost, threshold: 5}]}\n",
        "p.yaml:2:53: expected an amount such as 0.02 USD, got '5'"),
    ROW(HEAD "defaults: {gates: [{metric: error, harm_ratio: 2}]}\n",
        "p.yaml:2:20: safe_ratio must be above harm_ratio: between them nothing is decided"),
    ROW(HEAD "defaults: {gates: [{metric: error, harm_ratio: 0.5}]}\n",
        "p.yaml:2:48: expected a ratio from 1 to 1000, such as 1.5, got '0.5'"),
    ROW(HEAD "defaults: {gates: [{metric: error, unit: session}]}\n",
        "p.yaml:2:42: expected one of key, request, got 'session'"),
    ROW(HEAD "defaults: {readiness: [R1, R13]}\n",
        "p.yaml:2:28: expected a check of readiness: R1 to R12, got 'R13'"),
    ROW(HEAD "defaults: {readiness: [R01]}\n",
        "p.yaml:2:24: expected a check of readiness: R1 to R12, got 'R01'"),
    ROW(HEAD "defaults: {readiness: R+1}\n",
        "p.yaml:2:23: expected a check of readiness: R1 to R12, got 'R+1'"),
    ROW(HEAD "defaults: {rollback: {to: back}}\n",
        "p.yaml:2:27: expected last_good, direct or a share such as 5%, got 'back'"),
    ROW(HEAD "defaults: {evidence: {preflight: 0s}}\n",
        "p.yaml:2:34: expected a duration above 0, or none, got '0s'"),
    ROW(HEAD "defaults: {owner: ana}\n", "p.yaml:2:12: unknown key 'owner' (known here: actuator, "
                                         "direct, gateway, key, stages, bake, "
                                         "gates, rollback, evidence, readiness, approvals, auto)"),
    ROW(HEAD "hooks: [{on: comitted, command: x}]\n",
        "p.yaml:2:14: 'comitted' is no transition: did you mean 'committed'?"),
    ROW(HEAD "hooks: [{command: x}]\n",
        "p.yaml:2:9: a hook needs on: which transitions it is told of"),
    ROW(HEAD "hooks: [{on: '*'}]\n", "p.yaml:2:9: a hook needs a command or a url, and one only"),
    ROW(HEAD "hooks: [{on: '*', url: 'https://me:pw@x/'}]\n",
        "p.yaml:2:24: a URL may not hold credentials: use secret: {env: NAME}"),
    ROW(HEAD "apps: [bot]\n", "p.yaml:2:7: expected a map of applications by name, got a list"),
    ROW(HEAD "preflight: {calls: -1}\n", "p.yaml:2:20: expected a number from 0, got '-1'"),
};

START_TEST(what_is_wrong_is_said_with_its_place)
{
    struct err err = { 0 };
    CLEANUP(programme_free) struct programme *p = parse(wrong[_i].text, &err);

    ck_assert_msg(p == NULL, "accepted: %s", wrong[_i].text);
    ck_assert_str_eq(err.text, wrong[_i].message);
    ck_assert_int_eq(err.code, ERR_USAGE);
}
END_TEST

START_TEST(a_plan_cut_short_anywhere_is_read_or_refused)
{
    static const char text[] =
        HEAD PROXY WAVES "defaults: {actuator: proxy, gates: [{metric: error}]}\n"
                         "apps: {bot: {wave: pilots, stages: [1%, 100%], needs: [cat]}, cat: {}}\n"
                         "hooks: [{on: committed, command: [a, b]}]\n";

    for (size_t len = 0; len < sizeof(text); len++) {
        CLEANUP(programme_free) struct programme *p = NULL;
        struct err err = { 0 };
        struct str part = { text, len };
        if (programme_parse(part, "p.yaml", "", &p, &err) < 0)
            ck_assert_msg(strncmp(err.text, "p.yaml", 6) == 0, "%s", err.text);
    }
}
END_TEST

static struct buf manual; /* weir-programme(5) */

/* The manual names a key in a list item or in running text: ".It Sy path", ".Sy env ,". */
static bool manual_names(const char *key)
{
    struct str rest = buf_str(&manual), line, word;

    while (str_split(&rest, '\n', &line)) {
        bool names = str_starts_with(line, STR(".It Sy ")) || str_starts_with(line, STR(".Sy ")) ||
                     str_starts_with(line, STR(".Ss "));
        while (names && str_split(&line, ' ', &word))
            if (str_eq(word, str_from(key)))
                return true;
    }
    return false;
}

static void check_table(const struct programme_key *keys, int depth)
{
    ck_assert_int_lt(depth, 8);
    for (; keys->name; keys++) {
        if (keys->type != PROGRAMME_ALSO) {
            ck_assert_msg(*keys->help && keys->help[strlen(keys->help) - 1] != '.', "%s",
                          keys->name);
            ck_assert_msg(manual_names(keys->name), "weir-programme(5) lacks '%s'", keys->name);
        }
        if (keys->keys)
            check_table(keys->keys, depth + 1);
    }
}

START_TEST(every_key_is_in_the_manual)
{
    const char *top = getenv("top_srcdir"), *src = getenv("srcdir");
    char path[1024];
    struct err err;

    snprintf(path, sizeof(path), "%s/doc/weir-programme.5", top ? top : src ? src : ".");
    ck_assert_msg(file_read(path, 1u << 20, &manual, &err) == 0, "%s", err.text);
    check_table(programme_keys(), 0);
    buf_release(&manual);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_section_is_read);
    tcase_add_test(tc, what_is_not_said_is_careful);
    tcase_add_test(tc, the_chance_of_a_false_rollback_is_shared_by_applications_and_gates);
    tcase_add_test(tc, a_weekly_freeze_is_at_the_same_local_time_in_summer_and_winter);
    tcase_add_test(tc, times_are_printed_in_the_zone_of_the_programme);
    tcase_add_loop_test(tc, what_is_wrong_is_said_with_its_place, 0, (int)ARRAY_LEN(wrong));
    tcase_add_test(tc, a_plan_cut_short_anywhere_is_read_or_refused);
    tcase_add_test(tc, every_key_is_in_the_manual);
}

CHECK_MAIN("migrate/programme", add_tests)
