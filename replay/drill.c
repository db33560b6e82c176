#include "config.h"

#include "replay/drill.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/timestamp.h"

#define STOP_US       (5 * US_PER_SECOND)
#define ARGUMENTS_MAX 4096

/* A call that is over, for what happened when. */
struct moment {
    uint64_t number;
    int64_t over_us; /* since the drive began */
    bool ok;
};

struct drill {
    const struct drill_options *o;
    struct drill_gateway gateway;
    uint16_t control_port;
    struct subprocess standin;
    struct loop *loop;
    struct buf headers; /* of requests, filled in */
    VEC(struct moment) moments;
    uint64_t begun_us;
};

static void drill_release(struct drill *d)
{
    drill_gateway_release(&d->gateway);
    subprocess_stop(&d->standin, STOP_US);
    vec_release(&d->moments);
    buf_release(&d->headers);
    loop_close(d->loop);
}
DEFINE_CLEANUP_VALUE(struct drill, drill_release)

static int open_gateway(struct drill *d, struct err *err)
{
    struct drill_gateway_options o = {
        .self = d->o->self,
        .command = d->o->command,
        .config = d->o->config,
        .providers = d->o->providers,
        .faults = d->o->faults,
        .ready_us = d->o->ready_us,
        .tls_us = d->o->tls_us,
        .is_direct = d->o->is_direct,
    };

    if (drill_gateway_open(&o, &d->gateway, err) < 0)
        return -1;
    return drill_free_port(&d->gateway, &d->control_port, err);
}

struct arguments {
    const char *list[ARGUMENTS_MAX];
    size_t len;
};

static void add_argument(struct arguments *a, const char *text)
{
    if (a->len + 1 < ARGUMENTS_MAX)
        a->list[a->len++] = text;
}

static int start_standin(struct drill *d, struct err *err)
{
    struct arguments *a = mem_calloc(1, sizeof(*a));
    struct drill_gateway *g = &d->gateway;
    const char *first[] = { d->o->self, "replay", "serve", "--unmatched", "synth", "--speed" };

    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        add_argument(a, first[i]);
    add_argument(a, d->o->serve_speed ? d->o->serve_speed : "1");
    add_argument(a, drill_textf(g, "--seed=%llu", (unsigned long long)d->o->seed));
    add_argument(a, drill_textf(g, "--control=127.0.0.1:%u", d->control_port));
    if (g->places.ca) {
        add_argument(a, drill_textf(g, "--tls-cert=%s/" DRILL_CERT, g->folder));
        add_argument(a, drill_textf(g, "--tls-key=%s/" DRILL_KEY, g->folder));
    }
    if (d->o->scenario)
        add_argument(a, drill_textf(g, "--scenario=%s", d->o->scenario));
    for (size_t i = 0; d->o->scenario && d->o->only && d->o->only[i]; i++)
        add_argument(a, drill_textf(g, "--only=%s", d->o->only[i]));
    for (size_t i = 0; i < g->providers.len; i++)
        add_argument(a, drill_textf(g, "--as=%.*s=127.0.0.1:%u", STR_ARG(g->providers.ptr[i].name),
                                    g->providers.ptr[i].port));
    for (size_t i = 0; d->o->exchanges[i]; i++)
        add_argument(a, drill_textf(g, "--exchanges=%s", d->o->exchanges[i]));
    for (size_t i = 0; d->o->archives[i]; i++)
        add_argument(a, d->o->archives[i]);
    const char *output = drill_textf(g, "%s/standin.log", g->folder);
    struct drill_afterwards afterwards = drill_gateway_afterwards(g);
    struct subprocess_options o = { .argv = a->list,
                                    .output = output,
                                    .afterwards = afterwards.argv };
    int r = subprocess_start(&o, &d->standin, err);
    free(a);
    if (r < 0)
        return -1;
    struct drill_waiting waiting = { &d->standin,     "the stand-in", output,
                                     d->control_port, d->o->ready_us, NULL };
    r = drill_wait_ready(&waiting, err);
    /* It was read before it listened. */
    if (g->places.ca)
        unlink(drill_textf(g, "%s/" DRILL_KEY, g->folder));
    return r;
}

/* --- the drive --- */

static void on_call(void *ctx, const struct drive_call *call, const struct drive_result *result)
{
    struct drill *d = ctx;
    struct moment m = {
        .number = drive_call_number(call),
        .over_us = (int64_t)(loop_now_us(d->loop) - d->begun_us),
        .ok = result->ok,
    };

    vec_push(&d->moments, m);
    if (d->o->drive.on_call)
        d->o->drive.on_call(d->o->drive.ctx, call, result);
}

static int run_drive(struct drill *d, struct drill_result *ret, struct err *err)
{
    CLEANUP(drive_close) struct drive *drive = NULL;
    struct drive_options o = d->o->drive;
    const char *url =
        drill_textf(&d->gateway, "http://127.0.0.1:%u", drill_gateway_port(&d->gateway));

    if (http_url_parse(str_from(url), &o.url, err) < 0 || loop_open(&d->loop, err) < 0)
        return -1;
    o.headers = buf_str(&d->headers);
    o.loop = d->loop;
    o.on_call = on_call;
    o.ctx = d;
    if (drive_open(&o, &drive, err) < 0)
        return -1;
    loop_read_clocks(d->loop);
    d->begun_us = loop_now_us(d->loop);
    if (drive_run(drive, err) < 0)
        return -1;
    drive_report(drive, &ret->report);
    return 0;
}

/* --- what the stand-ins have seen --- */

static int64_t moment_of(const json_t *book, const char *key)
{
    const json_t *at = json_get(book, key);

    return json_is_integer(at) ? json_integer_value(at) : -1;
}

static void take_upstream(struct drill_result *r, const char *name, const json_t *book)
{
    struct drill_upstream u = {
        .name = arena_str(&r->arena, str_from(name)),
        .attempts = (uint64_t)moment_of(book, "attempts"),
        .answered = (uint64_t)moment_of(book, "answered"),
        .struck = (uint64_t)moment_of(book, "struck"),
        .first_struck_us = moment_of(book, "first_struck_us"),
        .last_struck_us = moment_of(book, "last_struck_us"),
        .elsewhere_us = moment_of(book, "elsewhere_us"),
        .good_again_us = moment_of(book, "good_again_us"),
        .was_shut = json_is_true(json_get(book, "was_shut")),
    };

    r->attempts += u.attempts;
    r->is_uncounted |= u.was_shut;
    r->is_struck |= u.struck > 0;
    vec_push(&r->upstreams, u);
}

/* ahead_us: of the drive's clock, on which calls are, to the scenario's. */
static struct incident take_incident(const json_t *book, int64_t ahead_us)
{
    const char *const keys[] = { "from_us", "until_us", "first_us", "elsewhere_us",
                                 "recovered_us" };
    int64_t at_us[ARRAY_LEN(keys)];

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        at_us[i] = moment_of(book, keys[i]);
        if (at_us[i] >= 0)
            at_us[i] = at_us[i] > ahead_us ? at_us[i] - ahead_us : 0;
    }
    return (struct incident){
        .from_us = at_us[0],
        .until_us = at_us[1] < 0 ? PLAN_FOREVER : at_us[1],
        .goes_on = json_is_true(json_get(book, "goes_on")),
        .first_us = at_us[2],
        .struck = (uint64_t)moment_of(book, "struck"),
        .failover_us = at_us[3],
        .last_bad_us = -1,
        .recovered_us = at_us[4],
    };
}

static int ask_standin(struct drill *d, json_t **ret, struct err *err)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = NULL;
    struct http_fetch_options o = { .proxy = "" };
    struct http_fetch_request request = { .method = STR("GET"),
                                          .target = STR("/-/stats"),
                                          .may_repeat = true };
    struct http_fetch_answer answer;
    const char *url = drill_textf(&d->gateway, "http://127.0.0.1:%u", d->control_port);
    if (http_url_parse(str_from(url), &o.url, err) < 0 || http_fetch_open(&o, &f, err) < 0 ||
        http_fetch(f, &request, &answer, err) < 0 || json_parse(answer.body, ret, err) < 0)
        return err_wrap(err, "the stand-in's statistics");
    return 0;
}

/* --- how long it took --- */

static int by_moment(const void *left, const void *right)
{
    const struct moment *a = left, *b = right;

    if (a->over_us != b->over_us)
        return a->over_us < b->over_us ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* Both in the order they happened. */
static void reckon(struct drill *d, const json_t *stats, int64_t ahead_us, struct drill_result *ret)
{
    const struct moment *m = d->moments.ptr;
    size_t count = d->moments.len, i = 0, n;
    int64_t last_us = 0;
    const json_t *book;

    if (count)
        qsort(d->moments.ptr, count, sizeof(*d->moments.ptr), by_moment);
    json_array_foreach(json_get(stats, "incidents"), n, book)
    {
        struct incident one = take_incident(book, ahead_us);
        one.target = (uint32_t)n;
        for (; i < count && m[i].over_us < one.first_us; i++)
            incidents_call_over(&ret->incidents, !m[i].ok, m[i].over_us);
        incidents_add(&ret->incidents, &one);
    }
    for (; i < count; i++)
        incidents_call_over(&ret->incidents, !m[i].ok, m[i].over_us);
    if (count)
        last_us = m[count - 1].over_us;
    ret->last_us = last_us;
}

static int take_book(struct drill *d, struct drill_result *ret, struct err *err)
{
    CLEANUP(json_decref) json_t *stats = NULL;
    const char *name;
    json_t *book;

    if (ask_standin(d, &stats, err) < 0)
        return -1;
    loop_read_clocks(d->loop);
    json_object_foreach(json_get(stats, "upstreams"), name, book) take_upstream(ret, name, book);
    reckon(d, stats, moment_of(stats, "at_us") - (int64_t)(loop_now_us(d->loop) - d->begun_us),
           ret);
    return 0;
}

/* --- a drill --- */

int drill_run(const struct drill_options *o, struct drill_result *ret, struct err *err)
{
    CLEANUP(drill_release) struct drill d = { .o = o };

    *ret = (struct drill_result){ 0 };
    if (open_gateway(&d, err) < 0 ||
        drill_gateway_fill(&d.gateway, o->drive.headers, &d.headers, err) < 0 ||
        start_standin(&d, err) < 0 || drill_gateway_start(&d.gateway, NULL, err) < 0 ||
        run_drive(&d, ret, err) < 0)
        return -1;
    ret->is_in_clear = d.gateway.config.has_tls;
    return take_book(&d, ret, err);
}

void drill_result_release(struct drill_result *r)
{
    drive_report_release(&r->report);
    vec_release(&r->upstreams);
    incidents_release(&r->incidents);
    arena_release(&r->arena);
}

/* --- assertions --- */

static const struct drive_sum *sum_of(const struct drill_result *r, struct str app)
{
    if (!app.len)
        return r->report.sums.len ? &r->report.sums.ptr[0] : NULL;
    for (size_t i = 1; i < r->report.sums.len; i++)
        if (str_eq(r->report.sums.ptr[i].app, app))
            return &r->report.sums.ptr[i];
    return NULL;
}

static bool ratio(uint64_t part, uint64_t whole, i128 *ret)
{
    *ret = whole ? (i128)part * 1000000 / whole : 0;
    return whole > 0;
}

static bool quantile(const struct sketch *s, double q, i128 *ret)
{
    *ret = sketch_quantile(s, q);
    return s->total > 0;
}

static bool span(const struct drill_result *r, enum incident_span which, i128 *ret)
{
    int64_t us;
    bool found = incidents_longest(&r->incidents, which, r->last_us, &us);

    *ret = us < 0 ? PLAN_FOREVER : us;
    return found;
}

bool drill_value(const struct drill_result *r, const struct slo *s, i128 *ret)
{
    const struct drive_sum *sum = sum_of(r, s->app);

    if (!sum || !sum->calls)
        return false;
    switch (s->metric) {
    case SLO_SUCCESS:
        return ratio(sum->ok, sum->calls, ret);
    case SLO_LEFT:
        return ratio(sum->ends[DRIVE_TIMEOUT], sum->calls, ret);
    case SLO_FIRST:
        return quantile(&sum->first_us, s->quantile, ret);
    case SLO_TOTAL:
        return quantile(&sum->total_us, s->quantile, ret);
    case SLO_TRIES:
        return ratio(sum->tries, sum->calls, ret);
    case SLO_ATTEMPTS: /* stand-ins do not know applications */
        return !s->app.len && !r->is_uncounted && ratio(r->attempts, sum->calls, ret);
    case SLO_FAILOVER:
        return span(r, INCIDENT_FAILOVER, ret);
    case SLO_RESTORED:
        return span(r, INCIDENT_RESTORED, ret);
    case SLO_RECOVERY:
        return span(r, INCIDENT_RECOVERY, ret);
    case SLO_REROUTED:
    case SLO_DENIED:
    case SLO_ADDED:
    case SLO_COST:
    case SLO_METRICS:
        break;
    }
    return false;
}
