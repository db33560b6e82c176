#include "config.h"

#include "cli/simulation.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/overlap.h"
#include "base/file.h"
#include "base/timestamp.h"
#include "cli/datadir.h"
#include "cli/scenarios.h"
#include "cli/span.h"
#include "replay/foreign.h"

#define PER_DAY_MAX     INT64_C(100000000000)                 /* over a million a second */
#define MADE_UP_FROM_US (INT64_C(1767225600) * US_PER_SECOND) /* 2026-01-01 */

/* --- what calls there are --- */

static int read_rate(const char *text, int64_t *ret_per_day, struct err *err)
{
    static const struct {
        struct str unit;
        int64_t per_day;
    } units[] = {
        {STR_INIT("s"),    86400},
        { STR_INIT("min"), 1440 },
        { STR_INIT("h"),   24   },
        { STR_INIT("day"), 1    },
    };
    struct str unit = str_from(text), number;
    int64_t n;

    str_split(&unit, '/', &number);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_eq(unit, units[i].unit) && str_to_i64(number, &n) && n > 0 &&
            n <= PER_DAY_MAX / units[i].per_day) {
            *ret_per_day = n * units[i].per_day;
            return 0;
        }
    return err_set(err, ERR_USAGE, "--rate '%s' is not a rate such as 20/s, 600/min or 5000/day",
                   text);
}

struct made_up {
    struct sim_class class;
    struct sim_synth *synth;
};

static int read_made_up(struct str key, struct str value, struct made_up *m, struct err *err)
{
    struct sim_class *c = &m->class;
    const struct {
        struct str key;
        struct str *text;
        uint32_t *number;
    } keys[] = {
        {STR_INIT("app"),       &c->app,      NULL                    },
        { STR_INIT("team"),     &c->team,     NULL                    },
        { STR_INIT("upstream"), &c->upstream, NULL                    },
        { STR_INIT("model"),    &c->model,    NULL                    },
        { STR_INIT("input"),    NULL,         &m->synth->input_tokens },
        { STR_INIT("output"),   NULL,         &m->synth->output_tokens},
    };
    int64_t n;

    if (str_eq(key, STR("stream")) && (str_eq(value, STR("yes")) || str_eq(value, STR("no")))) {
        m->synth->is_stream = str_eq(value, STR("yes"));
        return 0;
    }
    if (str_eq(key, STR("api")))
        return api_parse(value, &c->api) ? 0
                                         : err_set(err, ERR_USAGE,
                                                   "--call: '%.*s' is no API such as chat, "
                                                   "responses or messages",
                                                   STR_ARG(value));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!str_eq(key, keys[i].key))
            continue;
        if (keys[i].text)
            *keys[i].text = value;
        else if (str_to_i64(value, &n) && n >= 0 && n <= USAGE_VALUE_MAX)
            *keys[i].number = (uint32_t)n;
        else
            return err_set(err, ERR_USAGE, "--call: '%.*s' is not a number of tokens",
                           STR_ARG(value));
        return 0;
    }
    return err_set(err, ERR_USAGE,
                   "--call: '%.*s' is none of app, team, upstream, model, api, stream (yes or no), "
                   "input and output",
                   STR_ARG(key));
}

static int open_synth(struct simulation_setup *s, struct err *err)
{
    const char *text = invocation_get(s->inv, "call");
    struct str rest = str_from(text), pair, key;
    struct made_up m = { .class = { .api = API_CHAT }, .synth = &s->synth };

    s->synth.duration_us = 3600 * US_PER_SECOND;
    if (read_rate(invocation_get(s->inv, "rate"), &s->synth.per_day, err) < 0 ||
        value_duration(s->inv, "duration", &s->synth.duration_us, err) < 0)
        return -1;
    while (rest.len) {
        str_split(&rest, ',', &pair);
        str_split(&pair, ':', &key);
        if (read_made_up(str_trim(key), str_trim(pair), &m, err) < 0)
            return -1;
    }
    m.class.has_upstream = m.class.upstream.len > 0;
    provider_parse(m.class.upstream, &m.class.provider);
    s->options.end_us = s->options.start_us + s->synth.duration_us;
    return sim_classes_put(&s->classes, &m.class, &s->synth.class, err);
}

static int open_ledgers(struct simulation_setup *s, const char *const *paths,
                        const struct span *span, struct err *err)
{
    const int64_t span_us[2] = { span->from_us, span->to_us };

    /* A drill makes all that it is given. */
    s->files.count_shared = !s->inv || invocation_has(s->inv, "count-shared");
    for (; *paths; paths++)
        if (ledgers_add_path(&s->files, *paths, span->from_us, span->to_us, err) < 0)
            return -1;
    if (overlap_check(&s->files, err) < 0)
        return -1;
    if (sim_ledgers_open((const char *const *)s->files.paths.ptr, s->files.paths.len, span_us,
                         s->speeds, &s->ledgers, err) < 0)
        return -1;
    sim_ledgers_stats(s->ledgers, &s->recorded);
    if (s->recorded.calls == 0)
        return err_set(err, ERR_USAGE,
                       "there are no calls to simulate: %" PRIu64
                       " rows sum several calls, %" PRIu64 " are no call to a model",
                       s->recorded.sums, s->recorded.others);
    s->options.start_us = span->from_us != INT64_MIN ? span->from_us : s->recorded.first_us;
    s->options.end_us = s->recorded.last_us;
    return 0;
}

static int open_calls(struct simulation_setup *s, struct err *err)
{
    bool has_archive = *invocation_list(s->inv, "archive");
    struct span span;

    if (has_archive == (invocation_get(s->inv, "rate") != NULL))
        return err_set(err, ERR_USAGE, "say where calls come from: either --archive, or --rate");
    if (span_parse(s->inv, NULL, &span, err) < 0)
        return -1;
    if (has_archive)
        return open_ledgers(s, invocation_list(s->inv, "archive"), &span, err);
    s->options.start_us = span.from_us != INT64_MIN ? span.from_us : MADE_UP_FROM_US;
    return open_synth(s, err);
}

/* --- what else --- */

static int open_prices(struct simulation_setup *s, const char *const *overlays, struct err *err)
{
    char *shipped;

    if (datadir_path("prices", &shipped, err) < 0)
        return -1;
    int r = price_book_load(&s->book, shipped, err);
    free(shipped);
    for (; r == 0 && *overlays; overlays++)
        r = price_book_load(&s->book, *overlays, err);
    return r;
}

static int read_targets(struct simulation_setup *s, struct err *err)
{
    for (const char *const *text = invocation_list(s->inv, "speed"); *text; text++)
        if (sim_speeds_state(s->speeds, *text, err) < 0)
            return -1;
    for (const char *const *text = invocation_list(s->inv, "quota"); *text; text++) {
        struct sim_quota quota;
        if (s->quotas.len == SIM_QUOTAS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d quotas", SIM_QUOTAS_MAX);
        if (sim_quota_parse(*text, &quota, err) < 0)
            return -1;
        vec_push(&s->quotas, quota);
    }
    return 0;
}

static int read_seed(struct simulation_setup *s, struct err *err)
{
    const char *text = invocation_get(s->inv, "seed");
    int64_t seed = 1;

    if (text && (!str_to_i64(str_from(text), &seed) || seed < 0))
        return err_set(err, ERR_USAGE, "--seed '%s' is not a number from 0 on", text);
    s->options.seed = (uint64_t)seed;
    return 0;
}

int simulation_setup_open(const struct invocation *inv, struct simulation_setup *ret,
                          struct err *err)
{
    const char *caller = invocation_get(inv, "caller"), *ask = invocation_get(inv, "ask");

    *ret = (struct simulation_setup){ .inv = inv, .speeds = sim_speeds_new() };
    if (read_seed(ret, err) < 0 || read_targets(ret, err) < 0 ||
        value_duration(inv, "deadline", &ret->options.deadline_us, err) < 0 ||
        scenarios_open(invocation_get(inv, "scenario"), invocation_list(inv, "only"),
                       &ret->scenario, err) < 0 ||
        open_prices(ret, invocation_list(inv, "prices"), err) < 0 || open_calls(ret, err) < 0)
        return -1;
    ret->options.scenario = ret->scenario;
    ret->options.speeds = ret->speeds;
    ret->options.book = ret->book;
    ret->options.caller = caller_find(str_from(caller ? caller : "none"));
    ret->options.quotas = ret->quotas.ptr;
    ret->options.quota_count = ret->quotas.len;
    ret->options.model_instead = str_from(ask);
    return 0;
}

int simulation_setup_of(const struct simulation_of *of, struct simulation_setup *ret,
                        struct err *err)
{
    static const char *const no_overlays[] = { NULL };

    *ret = (struct simulation_setup){ .speeds = sim_speeds_new() };
    if (scenarios_open(of->scenario, of->only, &ret->scenario, err) < 0 ||
        open_prices(ret, no_overlays, err) < 0 ||
        open_ledgers(ret, of->archives, &of->span, err) < 0)
        return -1;
    ret->options.scenario = ret->scenario;
    ret->options.speeds = ret->speeds;
    ret->options.book = ret->book;
    ret->options.caller = of->caller;
    ret->options.deadline_us = of->deadline_us;
    ret->options.seed = of->seed;
    ret->options.model_instead = of->ask;
    ret->options.as_served = true;
    return 0;
}

void simulation_setup_close(struct simulation_setup *s)
{
    sim_ledgers_close(s->ledgers);
    ledgers_release(&s->files);
    sim_classes_release(&s->classes);
    vec_release(&s->quotas);
    scenario_free(s->scenario);
    sim_speeds_free(s->speeds);
    price_book_free(s->book);
}

/* --- configurations --- */

static int read_plan(const char *path, struct plan **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(foreign_file_release) struct foreign_file file = { 0 };
    CLEANUP(lint_release) struct lint lint = { 0 };

    if (strcmp(path, "none") == 0) {
        *ret = plan_new("weir");
        return 0;
    }
    if (file_read(path, FOREIGN_BYTES_MAX, &text, err) < 0 ||
        foreign_parse(buf_str(&text), path, FOREIGN_FORMATS, &file, err) < 0)
        return -1;
    return foreign_read(&file, 1, &lint, ret, err);
}

int simulation_config_read(const char *path, struct simulation_config *ret, struct err *err)
{
    ret->name = path;
    return read_plan(path, &ret->plan, err);
}

int simulation_config_ready(const struct simulation_setup *s, struct simulation_config *c,
                            struct err *err)
{
    return policy_new(c->plan, s->book, &c->policy, err);
}

int simulation_config_open(const struct simulation_setup *s, const char *path,
                           struct simulation_config *ret, struct err *err)
{
    return simulation_config_read(path, ret, err) < 0 ? -1 : simulation_config_ready(s, ret, err);
}

void simulation_config_close(struct simulation_config *c)
{
    policy_free(c->policy);
    plan_free(c->plan);
}

int simulation_run(struct simulation_setup *s, const struct simulation_config *c,
                   struct sim_options *ret_options, struct sim_result *ret, struct err *err)
{
    CLEANUP(sim_source_free) struct sim_source *source = NULL;

    *ret_options = s->options;
    ret_options->policy = c->policy;
    s->synth.seed = s->options.seed;
    s->synth.start_us = s->options.start_us;
    source = s->ledgers ? sim_ledgers_source(s->ledgers, &s->classes) : sim_synth_source(&s->synth);
    return simulate(source, &s->classes, ret_options, ret, err);
}
