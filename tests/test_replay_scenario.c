/* Scenarios: what a file may say, and what is drawn from it. */
#include "config.h"

#include "replay/scenario.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "tests/check_main.h"

static struct scenario *read_text(const char *text)
{
    struct scenario *s = NULL;
    struct err err = { 0 };

    ck_assert_msg(scenario_parse(str_from(text), "s.yaml", &s, &err) == 0, "%s", err.text);
    return s;
}

static size_t draw(const struct scenario *s, uint64_t seed, int64_t at_s, uint64_t number,
                   struct fault *ret)
{
    struct scenario_attempt a = { .at_us = at_s * US_PER_SECOND,
                                  .upstream = STR("openai"),
                                  .model = STR("gpt-5-mini"),
                                  .app = STR("bot"),
                                  .is_stream = true,
                                  .number = number };

    return scenario_draw(s, seed, &a, ret);
}

/* --- hostile and mistaken files --- */

#define F(rest) "faults:\n  - {fault: overloaded, " rest "}\n"

static const struct {
    const char *text, *says;
} mistakes[] = {
    ROW("[]", "s.yaml: a scenario is a map with faults, quotas or load: weir-scenario(5)"),
    ROW("", "s.yaml: a scenario is a map with faults, quotas or load: weir-scenario(5)"),
    ROW("fault: []", "s.yaml:1:1: unknown key 'fault': did you mean 'faults'?"),
    ROW("faults: {}", "s.yaml:1:9: expected a list, got a map"),
    ROW("faults: [x]", "s.yaml:1:10: expected a map, got 'x'"),
    ROW("faults:\n  - from: 1s\n", "s.yaml:2:5: what goes wrong? 'fault' is missing"),
    ROW("faults:\n  - fault: overloded\n",
        "s.yaml:2:12: there is no fault 'overloded': did you mean 'overloaded'?"),
    ROW("faults:\n  - fault: quux_the_great\n",
        "s.yaml:2:12: there is no fault 'quux_the_great': weir-scenario(5) lists them"),
    ROW(F("upstraem: x"), "s.yaml:2:25: unknown key 'upstraem': did you mean 'upstream'?"),
    ROW(F("after: 3"), "s.yaml:2:25: overloaded has no use for 'after': it takes retry_after, "
                       "retry_after_as, delay"),
    ROW("faults: [{fault: connect_refused, delay: 1s}]",
        "s.yaml:1:35: connect_refused has no use for 'delay': it takes no parameters"),
    ROW(F("from: 10"),
        "s.yaml:2:31: expected a duration such as 500ms, 20s or 10m, of ten years at "
        "most, got '10'"),
    ROW(F("from: 999999d"), "s.yaml:2:31: expected a duration such as 500ms, 20s or 10m, of ten "
                            "years at most, got '999999d'"),
    ROW(F("from: 10s, to: 10s"), "s.yaml:2:40: the window ends before it begins"),
    ROW(F("to: 10s, for: 10s"), "s.yaml:2:34: to and for say the same: one of them will do"),
    ROW(F("probability: 101%"), "s.yaml:2:38: expected a share from 0% to 100%, or from 0 to 1, of "
                                "at most 6 digits, got '101%'"),
    ROW(F("probability: -1"),
        "s.yaml:2:38: expected a share from 0% to 100%, or from 0 to 1, of at "
        "most 6 digits, got '-1'"),
    ROW(F("probability: {from: 0}"), "s.yaml:2:38: a ramp needs from and to"),
    ROW(F("probability: {from: 0, to: 1}"),
        "s.yaml:2:5: a ramp needs the end of its window: to, or for"),
    ROW(F("probability: {from: 0, to: 1, by: 2}"),
        "s.yaml:2:55: unknown key 'by' (known here: from, to)"),
    ROW(F("upstream: []"), "s.yaml:2:35: expected a name or a list of names, got a list"),
    ROW(F("stream: maybe"), "s.yaml:2:33: expected true or false, got 'maybe'"),
    ROW("faults: [{fault: error_event, stream: false}]",
        "s.yaml:1:39: error_event strikes streams alone"),
    ROW("faults: [{fault: status}]", "s.yaml:1:10: status needs status"),
    ROW("faults: [{fault: status, status: 200}]",
        "s.yaml:1:34: expected a number from 300 to 599, got '200'"),
    ROW("faults: [{fault: bandwidth}]", "s.yaml:1:10: bandwidth needs bytes_per_second"),
    ROW("faults: [{fault: slow_first_token}]",
        "s.yaml:1:10: slow_first_token needs delay or factor"),
    ROW("faults: [{fault: slow, factor: 0}]",
        "s.yaml:1:32: expected a factor above 0: 3 is three times as long, got '0'"),
    ROW("faults: [{fault: silent, to: 9s, delay: {from: 1s, to: forever}}]",
        "s.yaml:1:41: nothing can move to or from forever"),
    ROW("faults: [{fault: stall_keepalive, keepalive: pong}]",
        "s.yaml:1:46: expected one of none, ping, processing, data, event, got 'pong'"),
    ROW("faults: [{fault: error_event, error: bad}]",
        "s.yaml:1:38: expected one of overloaded, server_error, rate_limited, timeout, "
        "model_error, "
        "invalid_request, got 'bad'"),
    ROW("quotas: [{upstream: a}]", "s.yaml:1:10: a quota needs requests or tokens"),
    ROW("quotas: [{requests: 500}]",
        "s.yaml:1:21: expected a rate such as 500/min, 30k/min or 2M/day, got '500'"),
    ROW("quotas: [{requests: 0/min}]",
        "s.yaml:1:21: expected a rate such as 500/min, 30k/min or 2M/day, got '0/min'"),
    ROW("quotas: [{fault: quota}]",
        "s.yaml:1:11: unknown key 'fault' (known here: upstream, model, app, from, to, for, "
        "requests, tokens, counts_failed, retry_after_as)"),
    ROW("load: [{app: x}]", "s.yaml:1:8: a load needs times: 10 is ten times what was recorded"),
    ROW("load: [{times: -1}]",
        "s.yaml:1:16: expected a number that is not negative, nor absurdly large, got '-1'"),
    ROW("confidence: sure", "s.yaml:1:13: expected one of primary, secondary, got 'sure'"),
};

START_TEST(a_mistake_is_told_with_its_place_and_a_hint)
{
    struct scenario *s = NULL;
    struct err err = { 0 };

    ck_assert_int_eq(scenario_parse(str_from(mistakes[_i].text), "s.yaml", &s, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_str_eq(err.text, mistakes[_i].says);
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(more_faults_than_there_may_be_are_refused)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct scenario *s = NULL;
    struct err err;

    buf_add_text(&text, "faults:\n");
    for (int i = 0; i <= SCENARIO_FAULTS_MAX; i++)
        buf_add_text(&text, "  - fault: stall\n");
    ck_assert_int_eq(scenario_parse(buf_str(&text), "s.yaml", &s, &err), -1);
    ck_assert_str_eq(err.text, "s.yaml:1002:5: more than 1000 faults and quotas");
}
END_TEST

/* --- drawing --- */

START_TEST(a_window_has_its_beginning_and_not_its_end)
{
    CLEANUP(scenario_free)
    struct scenario *s = read_text("faults:\n  - {fault: overloaded, from: 10s, for: 20s}\n");
    static const struct {
        int64_t at_s;
        size_t drawn;
    } rows[] = {
        {0,     0},
        { 9,    0},
        { 10,   1},
        { 29,   1},
        { 30,   0},
        { 1000, 0}
    };
    struct fault f[SCENARIO_DRAWN_MAX];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_uint_eq(draw(s, 1, rows[i].at_s, i, f), rows[i].drawn);
    ck_assert_int_eq(scenario_length_us(s), 30 * US_PER_SECOND);
    ck_assert_int_eq(scenario_next_edge(s, 0), 10 * US_PER_SECOND);
    ck_assert_int_eq(scenario_next_edge(s, 10 * US_PER_SECOND), 30 * US_PER_SECOND);
    ck_assert_int_eq(scenario_next_edge(s, 30 * US_PER_SECOND), -1);
}
END_TEST

START_TEST(a_stretch_of_a_target_has_the_edges_of_what_is_about_it)
{
    CLEANUP(scenario_free)
    struct scenario *s = read_text("faults:\n"
                                   "  - {fault: overloaded, upstream: a, from: 10s, to: 30s}\n"
                                   "  - {fault: slow, upstream: b, from: 20s, to: 40s}\n"
                                   "  - {fault: slow, upstream: a, model: m, from: 30s, to: 50s}\n"
                                   "  - {fault: stall, probability: 2%, from: 15s, model: n}\n");
    static const struct {
        const char *upstream, *model;
        int64_t at_s, from_s, until_s; /* -1 = for good */
        bool goes_on;
    } rows[] = {
        {"a",  "x", 9,   0,  10, true },
        { "a", "x", 10,  10, 30, false},
        { "a", "x", 29,  10, 30, false},
        { "a", "x", 30,  30, -1, false},
        { "a", "m", 25,  10, 30, true }, /* as one ends another one begins */
        { "a", "m", 30,  30, 50, false},
        { "a", "n", 12,  10, 15, true },
        { "a", "n", 29,  15, 30, false}, /* what is there all along is no beginning */
        { "b", "x", 25,  20, 40, false},
        { "c", "x", 25,  0,  -1, false},
        { "c", "n", 100, 15, -1, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scenario_stretch is;
        scenario_stretch_of(s, str_from(rows[i].upstream), str_from(rows[i].model),
                            rows[i].at_s * US_PER_SECOND, &is);
        ck_assert_int_eq(is.from_us, rows[i].from_s * US_PER_SECOND);
        ck_assert_int_eq(is.until_us,
                         rows[i].until_s < 0 ? PLAN_FOREVER : rows[i].until_s * US_PER_SECOND);
        ck_assert_msg(is.goes_on == rows[i].goes_on, "row %zu", i);
    }
}
END_TEST

START_TEST(parameters_are_the_usual_ones_unless_said)
{
    CLEANUP(scenario_free)
    struct scenario *s = read_text(
        "faults:\n  - {fault: rate_limited, to: 1s}\n"
        "  - {fault: rate_limited, from: 1s, to: 2s, retry_after: none, retry_after_as: date}\n"
        "  - {fault: silent, from: 2s, to: 3s}\n"
        "  - {fault: silent, from: 3s, to: 4s, delay: 90s}\n"
        "  - {fault: stall_keepalive, from: 4s, to: 5s, after: 9, keepalive: data}\n"
        "  - {fault: long_gap, from: 5s, to: 6s}\n"
        "  - {fault: status, from: 6s, to: 7s, status: 530}\n");
    struct fault f[SCENARIO_DRAWN_MAX];

    ck_assert_uint_eq(draw(s, 1, 0, 0, f), 1);
    ck_assert_int_eq(f[0].retry_after_us, 20 * US_PER_SECOND);
    ck_assert_uint_eq(draw(s, 1, 1, 0, f), 1);
    ck_assert_int_eq(f[0].retry_after_us, -1);
    ck_assert_int_eq(f[0].retry_form, FAULT_RETRY_DATE);
    ck_assert_uint_eq(draw(s, 1, 2, 0, f), 1);
    ck_assert_int_eq(f[0].delay_us, PLAN_FOREVER);
    ck_assert_uint_eq(draw(s, 1, 3, 0, f), 1);
    ck_assert_int_eq(f[0].delay_us, 90 * US_PER_SECOND);
    ck_assert_uint_eq(draw(s, 1, 4, 0, f), 1);
    ck_assert_uint_eq(f[0].after_pieces, 9);
    ck_assert_int_eq(f[0].keepalive, FAULT_KEEPALIVE_DATA);
    ck_assert_int_eq(f[0].keepalive_us, 5 * US_PER_SECOND);
    ck_assert_uint_eq(draw(s, 1, 5, 0, f), 1);
    ck_assert_int_eq(f[0].keepalive, FAULT_KEEPALIVE_NONE);
    ck_assert_int_eq(f[0].delay_us, 15 * US_PER_SECOND);
    ck_assert_uint_eq(draw(s, 1, 6, 0, f), 1);
    ck_assert_int_eq(f[0].status, 530);
    ck_assert_uint_eq(f[0].index, 6);
}
END_TEST

START_TEST(a_ramp_moves_over_its_window)
{
    CLEANUP(scenario_free)
    struct scenario *s =
        read_text("faults:\n  - {fault: slow, from: 100s, for: 200s, factor: {from: 1, to: 3}}\n"
                  "load:\n  - {times: {from: 1, to: 11}, from: 100s, to: 200s}\n"
                  "  - {times: 2, app: b*, from: 150s, to: 160s}\n");
    struct fault f[SCENARIO_DRAWN_MAX];

    ck_assert_uint_eq(draw(s, 1, 100, 0, f), 1);
    ck_assert_uint_eq(f[0].factor_percent, 100);
    ck_assert_uint_eq(draw(s, 1, 200, 0, f), 1);
    ck_assert_uint_eq(f[0].factor_percent, 200);
    ck_assert_uint_eq(draw(s, 1, 250, 0, f), 1);
    ck_assert_uint_eq(f[0].factor_percent, 250);
    ck_assert_int_eq(scenario_load_micro(s, 0, STR("bot"), STR("")), 1000000);
    ck_assert_int_eq(scenario_load_micro(s, 149 * US_PER_SECOND, STR("bot"), STR("")) / 10000, 589);
    ck_assert_int_eq(scenario_load_micro(s, 150 * US_PER_SECOND, STR("bot"), STR("")), 12000000);
    ck_assert_int_eq(scenario_load_micro(s, 150 * US_PER_SECOND, STR("web"), STR("")), 6000000);
    ck_assert_int_eq(scenario_load_micro(s, 200 * US_PER_SECOND, STR("bot"), STR("")), 1000000);
}
END_TEST

START_TEST(chance_is_what_was_asked_for_and_comes_from_the_seed)
{
    CLEANUP(scenario_free)
    struct scenario *s = read_text("faults:\n  - {fault: overloaded, probability: 10%}\n  - "
                                   "{fault: slow, probability: 0.5}\n");
    struct fault f[SCENARIO_DRAWN_MAX];
    uint64_t ended = 0, slow = 0, both = 0, same = 0, elsewhere = 0;

    for (uint64_t n = 0; n < 100000; n++) {
        size_t len = draw(s, 42, 5, n, f);
        bool has_end = len && f[0].index == 0, has_slow = len && f[len - 1].index == 1;
        ended += has_end;
        slow += has_slow;
        both += has_end && has_slow;
        ck_assert_uint_eq(draw(s, 42, 77, n, f), len); /* not a question of time */
        size_t other = draw(s, 43, 5, n, f);
        same += other == len && has_end == (other && f[0].index == 0);
        struct scenario_attempt a = {
            .at_us = 5, .upstream = STR("azure"), .is_stream = true, .number = n
        };
        elsewhere += has_end && scenario_draw(s, 42, &a, f) && f[0].index == 0;
    }
    ck_assert_uint_ge(ended, 9600);
    ck_assert_uint_le(ended, 10400);
    ck_assert_uint_ge(slow, 49000);
    ck_assert_uint_le(slow, 51000);
    ck_assert_uint_ge(both, 4700); /* one has nothing to do with the other */
    ck_assert_uint_le(both, 5300);
    ck_assert_uint_le(same, 60000);     /* nor one seed with another */
    ck_assert_uint_le(elsewhere, 1300); /* nor one upstream with another */
}
END_TEST

START_TEST(of_what_ends_an_attempt_the_first_in_the_file_strikes)
{
    CLEANUP(scenario_free)
    struct scenario *s = read_text(
        "faults:\n  - {fault: slow}\n  - {fault: stall, upstream: openai}\n  - {fault: auth}\n"
        "quotas:\n  - {requests: 60/min}\n");
    struct fault f[SCENARIO_DRAWN_MAX];

    ck_assert_uint_eq(draw(s, 1, 0, 0, f), 3);
    ck_assert_str_eq(f[0].kind->name, "slow");
    ck_assert_str_eq(f[1].kind->name, "stall");
    ck_assert_str_eq(f[2].kind->name, "quota");
    ck_assert_int_eq(f[2].requests, 60);
    ck_assert_int_eq(f[2].requests_per_us, 60 * US_PER_SECOND);
    ck_assert(f[2].counts_failed);
}
END_TEST

static const struct {
    const char *who;
    bool strikes;
} scopes[] = {
    {"upstream: openai",                     true },
    { "upstream: open*",                     true },
    { "upstream: [azure, openai]",           true },
    { "upstream: azure",                     false},
    { "model: gpt-5*",                       true },
    { "model: gpt-5",                        false},
    { "app: bot",                            true },
    { "app: b?t, model: g*, upstream: 'o*'", true },
    { "app: b?t, model: g*, upstream: 'a*'", false},
    { "stream: true",                        true },
    { "stream: false",                       false},
};

START_TEST(a_fault_strikes_what_its_patterns_fit)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct fault f[SCENARIO_DRAWN_MAX];

    buf_addf(&text, "faults:\n  - {fault: overloaded, %s}\n", scopes[_i].who);
    CLEANUP(scenario_free) struct scenario *s = read_text(buf_cstr(&text));
    const struct scenario_scope *scope =
        scenario_scope_of(s, STR("openai"), STR("gpt-5-mini"), STR("bot"));
    ck_assert_uint_eq(draw(s, 1, 0, 0, f), scopes[_i].strikes);
    ck_assert_uint_eq(scenario_draw_scoped(s, scope, 1, 0, true, 0, f), scopes[_i].strikes);
    ck_assert_ptr_eq(scenario_scope_of(s, STR("openai"), STR("gpt-5-mini"), STR("bot")), scope);
}
END_TEST

/* Many windows that overlap, so that there are lists for each of their pieces, or too many of them
 * (then there is one). */
static void add_windows(struct buf *text, int count)
{
    buf_add_text(text, "faults:\n");
    for (int i = 0; i < count; i++)
        buf_addf(text, "  - {fault: %s, from: %ds, to: %ds, probability: %d%%, upstream: %s}\n",
                 i % 3 ? "slow" : "stall", i * 7 % count, count + i * 5 % count, 1 + i % 99,
                 i % 4 ? "openai" : "'*'");
}

START_TEST(a_scope_draws_what_a_search_through_all_draws)
{
    static const int counts[] = { 1, 20, 300, SCENARIO_FAULTS_MAX };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct fault f[SCENARIO_DRAWN_MAX], g[SCENARIO_DRAWN_MAX];
    int count = counts[_i];
    size_t all = 0;

    add_windows(&text, count);
    CLEANUP(scenario_free) struct scenario *s = read_text(buf_cstr(&text));
    const struct scenario_scope *scope =
        scenario_scope_of(s, STR("openai"), STR("gpt-5-mini"), STR("bot"));
    for (uint64_t n = 0; n < 2000; n++) {
        int64_t at_s = (int64_t)(n * 37 % (uint64_t)(2 * count + 2));
        size_t len = draw(s, 9, at_s, n, f);
        all += len;
        ck_assert_uint_eq(scenario_draw_scoped(s, scope, 9, at_s * US_PER_SECOND, true, n, g), len);
        for (size_t i = 0; i < len; i++)
            ck_assert_uint_eq(f[i].index, g[i].index);
    }
    ck_assert_uint_ge(all, 1);
}
END_TEST

START_TEST(a_scope_that_nothing_can_strike_is_empty)
{
    CLEANUP(scenario_free)
    struct scenario *s = read_text("faults:\n  - {fault: stall, upstream: openai}\n");
    struct fault f[SCENARIO_DRAWN_MAX];
    const struct scenario_scope *other = scenario_scope_of(s, STR("azure"), STR(""), STR(""));

    ck_assert(scenario_scope_is_empty(other));
    ck_assert(!scenario_scope_is_empty(scenario_scope_of(s, STR("openai"), STR(""), STR(""))));
    ck_assert_uint_eq(scenario_draw_scoped(s, other, 1, 0, true, 0, f), 0);
}
END_TEST

/* --- what comes with weir --- */

static const char *const presets[] = {
    "anthropic-2026-06-02",
    "anthropic-2026-06-05",
    "creep",
    "google-2025-06-12",
    "litellm-24004",
    "openai-2024-08-16",
    "openai-2024-11-25",
    "openai-2024-12-04",
    "openai-2024-12-26",
    "opencode-39968",
    "outage",
    "overloaded",
    "rate-limits",
    "spike",
    "stalls",
    "ttft-tail",
};

static const char *presets_folder(void)
{
    static char path[4096];
    const char *srcdir = getenv("srcdir");

    snprintf(path, sizeof(path), "%s/share/scenarios", srcdir ? srcdir : ".");
    return path;
}

START_TEST(each_preset_reads_and_says_where_it_is_from)
{
    struct scenario *opened = NULL;
    struct err err = { 0 };

    ck_assert_msg(scenario_open(presets[_i], presets_folder(), &opened, &err) == 0, "%s", err.text);
    CLEANUP(scenario_free) struct scenario *s = opened;
    struct scenario_about about = scenario_about(s);
    ck_assert(str_eq(about.name, str_from(presets[_i])));
    ck_assert(about.summary.len && about.source.len);
    ck_assert(scenario_fault_count(s) || scenario_has_load(s));
}
END_TEST

START_TEST(no_preset_is_forgotten_here_and_a_mistyped_one_is_told)
{
    struct scenario *s = NULL;
    DIR *dir = opendir(presets_folder());
    struct dirent *e;
    struct err err;
    size_t found = 0;

    ck_assert_ptr_nonnull(dir);
    while ((e = readdir(dir)))
        found += str_ends_with(str_from(e->d_name), STR(".yaml"));
    closedir(dir);
    ck_assert_uint_eq(found, ARRAY_LEN(presets));
    ck_assert_int_eq(scenario_open("outege", presets_folder(), &s, &err), -1);
    ck_assert_str_eq(err.text,
                     "there is no file and no preset scenario 'outege': did you mean 'outage'?");
    ck_assert_int_eq(scenario_open("no/such/file.yaml", presets_folder(), &s, &err), -1);
    ck_assert_msg(strstr(err.text, "no/such/file.yaml") != NULL, "%s", err.text);
}
END_TEST

START_TEST(the_incident_of_december_2024_refuses_and_then_stalls)
{
    struct scenario *opened = NULL;
    struct fault f[SCENARIO_DRAWN_MAX];
    struct err err;
    size_t stalled = 0;

    ck_assert_int_eq(scenario_open("openai-2024-12-04", presets_folder(), &opened, &err), 0);
    CLEANUP(scenario_free) struct scenario *s = opened;
    ck_assert_uint_eq(draw(s, 1, 30, 0, f), 0);
    ck_assert_uint_eq(draw(s, 1, 90, 0, f), 1);
    ck_assert_int_eq(f[0].status, 530);
    for (uint64_t n = 0; n < 1000; n++)
        stalled += draw(s, 1, 3000, n, f) && f[0].delay_us == 30 * US_PER_SECOND;
    ck_assert_uint_ge(stalled, 400);
    ck_assert_uint_le(stalled, 500);
    ck_assert_uint_eq(draw(s, 1, 6000, 0, f), 0);
}
END_TEST

/* --- parts --- */

static struct scenario *part_of(const char *text, const char *first, const char *second)
{
    const char *parts[] = { first, second, NULL };
    struct scenario *s = NULL;
    struct err err;

    ck_assert_int_eq(scenario_parse(str_from(text), "s.yaml", &s, &err), 0);
    ck_assert_msg(scenario_only(s, parts, &err) == 0, "%s", err.text);
    return s;
}

START_TEST(a_part_of_a_presets_time_draws_what_the_whole_draws_then)
{
    const char *parts[] = { "3m..40m", NULL };
    struct scenario *opened[2] = { NULL };
    const int64_t from_us = 180 * US_PER_SECOND, to_us = 2400 * US_PER_SECOND;
    struct err err;

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(scenario_open(presets[_i], presets_folder(), &opened[i], &err), 0);
    CLEANUP(scenario_free) struct scenario *whole = opened[0];
    CLEANUP(scenario_free) struct scenario *part = opened[1];
    bool has_any = scenario_only(part, parts, &err) == 0;
    for (uint64_t n = 0; n < 3000; n++) {
        struct fault a[SCENARIO_DRAWN_MAX], b[SCENARIO_DRAWN_MAX];
        struct scenario_attempt at = { .at_us = from_us + (int64_t)n * (to_us - from_us) / 3000,
                                       .upstream = STR("default"),
                                       .model = STR("m"),
                                       .is_stream = n % 2,
                                       .number = n };
        size_t count = scenario_draw(whole, 7, &at, a);
        int64_t load = scenario_load_micro(whole, at.at_us, STR(""), STR(""));
        at.at_us -= from_us;
        size_t there = has_any ? scenario_draw(part, 7, &at, b) : 0;
        /* a ramp is of millionths */
        int64_t more = scenario_load_micro(part, at.at_us, STR(""), STR("")) - load;
        ck_assert_uint_eq(count, there);
        for (size_t i = 0; i < count; i++)
            ck_assert(a[i].kind == b[i].kind && a[i].index == b[i].index);
        ck_assert(!has_any || (more <= 20 && more >= -20));
    }
    ck_assert_int_le(scenario_length_us(part),
                     scenario_length_us(whole) == PLAN_FOREVER ? PLAN_FOREVER : to_us - from_us);
}
END_TEST

START_TEST(a_part_has_the_kinds_that_were_named_and_a_ramp_as_far_as_it_went)
{
    static const char text[] = "faults:\n"
                               "  - {fault: slow, from: 10s, for: 100s, factor: {from: 1, to: 5}}\n"
                               "  - {fault: overloaded, probability: 50%}\n"
                               "  - {fault: stall}\n"
                               "load: [{times: {from: 1, to: 3}, from: 0s, for: 100s}]\n";
    CLEANUP(scenario_free) struct scenario *slow = part_of(text, "35s..60s", "slow");
    CLEANUP(scenario_free) struct scenario *load = part_of(text, "load", "50s..");
    int64_t from_us, to_us;

    ck_assert_uint_eq(scenario_fault_count(slow), 1);
    struct fault f = scenario_fault(slow, 0, &from_us, &to_us);
    ck_assert_str_eq(f.kind->name, "slow");
    ck_assert_uint_eq(f.factor_percent, 200);
    ck_assert_int_eq(from_us, 0);
    ck_assert_int_eq(to_us, 25 * US_PER_SECOND);
    ck_assert_int_eq(scenario_next_edge(slow, 0), 25 * US_PER_SECOND);
    ck_assert(!scenario_has_load(slow));
    ck_assert_uint_eq(scenario_fault_count(load), 0);
    ck_assert_int_eq(scenario_load_micro(load, 0, STR(""), STR("")), 2000000);
}
END_TEST

static const struct {
    const char *first, *second, *says;
} no_parts[] = {
    {"stal",        NULL,   "'stal' is neither a kind of fault, nor 'load', nor a time such as 4m..6m"},
    { "6m..4m",     NULL,   "'6m..4m' is not a time such as 4m..6m, ..10m or 1h.."                    },
    { "..soon",     NULL,   "'..soon' is not a time such as 4m..6m, ..10m or 1h.."                    },
    { "1m..2m",     "3m..", "'3m..': there is one time already"                                       },
    { "..1s",       NULL,   "the scenario 's.yaml' has nothing in that part"                          },
    { "overloaded", NULL,   "the scenario 's.yaml' has nothing in that part"                          },
};

START_TEST(a_part_that_there_is_not_is_refused)
{
    const char *parts[] = { no_parts[_i].first, no_parts[_i].second, NULL };
    struct scenario *opened = NULL;
    struct err err;

    ck_assert_int_eq(
        scenario_parse(STR("faults: [{fault: stall, from: 1s}]"), "s.yaml", &opened, &err), 0);
    CLEANUP(scenario_free) struct scenario *s = opened;
    ck_assert_int_eq(scenario_only(s, parts, &err), -1);
    ck_assert_str_eq(err.text, no_parts[_i].says);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_mistake_is_told_with_its_place_and_a_hint, 0,
                        (int)ARRAY_LEN(mistakes));
    tcase_add_test(tc, more_faults_than_there_may_be_are_refused);
    tcase_add_test(tc, a_window_has_its_beginning_and_not_its_end);
    tcase_add_test(tc, a_stretch_of_a_target_has_the_edges_of_what_is_about_it);
    tcase_add_test(tc, parameters_are_the_usual_ones_unless_said);
    tcase_add_test(tc, a_ramp_moves_over_its_window);
    tcase_add_test(tc, chance_is_what_was_asked_for_and_comes_from_the_seed);
    tcase_add_test(tc, of_what_ends_an_attempt_the_first_in_the_file_strikes);
    tcase_add_loop_test(tc, a_fault_strikes_what_its_patterns_fit, 0, (int)ARRAY_LEN(scopes));
    tcase_add_loop_test(tc, a_scope_draws_what_a_search_through_all_draws, 0, 4);
    tcase_add_test(tc, a_scope_that_nothing_can_strike_is_empty);
    tcase_add_loop_test(tc, each_preset_reads_and_says_where_it_is_from, 0,
                        (int)ARRAY_LEN(presets));
    tcase_add_test(tc, no_preset_is_forgotten_here_and_a_mistyped_one_is_told);
    tcase_add_test(tc, the_incident_of_december_2024_refuses_and_then_stalls);
    tcase_add_loop_test(tc, a_part_of_a_presets_time_draws_what_the_whole_draws_then, 0,
                        (int)ARRAY_LEN(presets));
    tcase_add_test(tc, a_part_has_the_kinds_that_were_named_and_a_ramp_as_far_as_it_went);
    tcase_add_loop_test(tc, a_part_that_there_is_not_is_refused, 0, (int)ARRAY_LEN(no_parts));
}

CHECK_MAIN("replay/scenario", add_tests)
