#include "config.h"

#include "migrate/preflight.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"

#define CONFIG_BYTES_MAX (16u << 20)
#define SCENARIO                                                                                   \
    "name: usual\nfaults:\n"                                                                       \
    "  - {fault: server_error, upstream: \"%s\", from: 500ms, for: 1s, probability: 33%%}\n"       \
    "  - {fault: rate_limited, upstream: \"%s\", from: 1500ms, for: 1s, probability: 50%%}\n"
#define FAULT_SECONDS 3 /* in which the calls of a drill are made */
#define LOAD_SECONDS  8 /* at most, of load */
#define SPEED_MAX     4000000000u
#define DEADLINE_US   (60 * US_PER_SECOND)
#define FAULT_WAIT_US (20 * US_PER_SECOND) /* callers' patience while providers fail */
#define LAG_US        (5 * US_PER_SECOND)

enum { DIRECT, GATEWAY };

struct run {
    const struct preflight_options *o;
    struct preflight *ret;
    struct sample *sample, *good; /* good: those of sample that went well */
    struct buf command, config, provider, target, headers;
    VEC(struct slo) slos;
    struct trace *trace; /* of good */
    bool is_weir;
    const char *providers[2];
};

static void run_release(struct run *r)
{
    sample_close(r->good);
    sample_close(r->sample);
    buf_release(&r->command);
    buf_release(&r->config);
    buf_release(&r->provider);
    buf_release(&r->target);
    buf_release(&r->headers);
    vec_release(&r->slos);
    trace_free(r->trace);
}
DEFINE_CLEANUP_VALUE(struct run, run_release)

/* --- the gateway --- */

/* For the shell, placeholders inside. */
static void add_quoted(struct str word, struct buf *out)
{
    buf_add_byte(out, '\'');
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == '\'')
            buf_add_text(out, "'\\'");
        buf_add_byte(out, word.ptr[i]);
    }
    buf_add_byte(out, '\'');
}

/* Whether weir's own configuration has an upstream of that name; no name: any, the first. */
static int find_upstream(struct run *r, struct str name, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(drill_config_release) struct drill_config c = { 0 };
    const char *path = buf_cstr(&r->config);

    if (file_read(path, CONFIG_BYTES_MAX, &text, err) < 0 ||
        drill_config_read(buf_str(&text), path, &c, err) < 0)
        return -1;
    if (!c.is_weir)
        return err_set(err, ERR_USAGE,
                       "%s has no upstreams of weir's proxy; another gateway is started by "
                       "'preflight: {gateway: [PROGRAM, ...]}' of the plan",
                       path);
    for (size_t i = 0; i < c.upstreams.len; i++) {
        if (name.len && !str_eq(c.upstreams.ptr[i], name))
            continue;
        buf_add_str(&r->provider, c.upstreams.ptr[i]);
        return 0;
    }
    return err_set(err, ERR_USAGE,
                   "%s has no upstream '%.*s': name one in 'preflight: {provider: NAME}'", path,
                   STR_ARG(name));
}

static int find_gateway(struct run *r, struct err *err)
{
    const struct programme *p = r->o->programme;
    const struct programme_preflight *f = &p->preflight;

    for (size_t i = 0; i < f->gateway.len; i++) {
        buf_add_text(&r->command, i ? " " : "exec ");
        add_quoted(f->gateway.list[i], &r->command);
    }
    buf_add_str(&r->config, f->config.len || f->gateway.len ? f->config : p->config);
    r->is_weir = !f->gateway.len;
    if (r->is_weir && !r->config.len)
        return err_set(
            err, ERR_USAGE,
            "%s does not say what gateway to try: 'preflight: {gateway: [PROGRAM, ...]}' "
            "or, for weir's own proxy, 'preflight: {config: FILE}'",
            p->file.ptr);
    if (r->is_weir)
        return find_upstream(r, f->provider.len ? f->provider : r->o->app->gateway, err);
    if (!f->provider.len)
        return err_set(err, ERR_USAGE,
                       "%s does not say whose part the stand-in plays: 'preflight: {provider: "
                       "NAME}', which is {url:NAME} in the gateway's configuration",
                       p->file.ptr);
    buf_add_str(&r->provider, f->provider);
    return 0;
}

static int read_assertions(struct run *r, struct err *err)
{
    const struct programme_names *given = &r->o->programme->preflight.asserted;
    struct slo s;

    for (size_t i = 0; i < given->len; i++) {
        if (slo_parse(given->list[i], &r->ret->arena, &s, err) < 0)
            return err_wrap(err, "%s", r->o->programme->file.ptr);
        vec_push(&r->slos, s);
    }
    return 0;
}

/* Of the requests: where they go, and what goes with them. */
static int find_way(struct run *r, struct err *err)
{
    const struct programme_preflight *f = &r->o->programme->preflight;

    for (size_t i = 0; i < f->headers.len; i++)
        buf_addf(&r->headers, "%.*s\n", STR_ARG(f->headers.list[i]));
    if (f->path.len)
        buf_add_str(&r->target, f->path);
    else
        buf_addf(&r->target, r->is_weir ? "/%s{rest}" : "{rest}", buf_cstr(&r->provider));
    r->ret->target = arena_str(&r->ret->arena, buf_str(&r->target));
    if (drive_target_check(buf_str(&r->target), err) < 0)
        return err_wrap(err, "%s", r->o->programme->file.ptr);
    return 0;
}

static int take_sample(struct run *r, struct err *err)
{
    const struct preflight_options *o = r->o;
    const char *tmp = getenv("TMPDIR");
    int64_t calls = o->programme->preflight.calls;
    struct trace_filter all = { .from_us = 0, .to_us = INT64_MAX };
    struct sample_options s = {
        .archive = o->archive,
        .app = o->app->name,
        .from_us = 0,
        .to_us = INT64_MAX,
        .calls = calls < 1                  ? 1
                 : calls > SAMPLE_CALLS_MAX ? SAMPLE_CALLS_MAX
                                            : (size_t)calls,
        .parent = tmp && *tmp ? tmp : "/tmp",
        .now_us = o->now_us,
    };

    if (sample_open(&s, &r->sample, err) < 0)
        return -1;
    r->ret->calls = sample_calls(r->sample);
    r->ret->kinds = sample_kinds(r->sample);
    r->ret->seen = sample_seen(r->sample);
    r->ret->peak = sample_peak(r->sample);
    r->ret->from_us = sample_from_us(r->sample);
    r->ret->to_us = sample_to_us(r->sample);
    s.archive = sample_archive(r->sample);
    s.only_good = true;
    if (sample_open(&s, &r->good, err) < 0)
        return err_wrap(err, "no call went well");
    r->trace = trace_new(&all);
    if (trace_add(r->trace, sample_archive(r->good), err) < 0)
        return -1;
    trace_sort(r->trace);
    return 0;
}

static int prepare(struct run *r, struct err *err)
{
    if (find_gateway(r, err) < 0 || find_way(r, err) < 0 || read_assertions(r, err) < 0 ||
        take_sample(r, err) < 0)
        return -1;
    r->providers[0] = buf_cstr(&r->provider);
    return 0;
}

static struct drill_gateway_options gateway_of(struct run *r)
{
    return (struct drill_gateway_options){
        .self = r->o->self,
        .command = r->is_weir ? NULL : buf_cstr(&r->command),
        .config = r->config.len ? buf_cstr(&r->config) : NULL,
        .providers = r->providers,
        .ready_us = DRILL_READY_US_DEFAULT,
    };
}

/* --- without faults --- */

static int run_passage(struct run *r, struct err *err)
{
    struct passage_options o = {
        .gateway = gateway_of(r),
        .sample = r->sample,
        .target_direct = STR("{rest}"),
        .target_gateway = buf_str(&r->target),
        .headers = buf_str(&r->headers),
        .key = r->o->key,
        .deadline_us = DEADLINE_US,
        .now_us = r->o->now_us,
    };

    return passage_run(&o, &r->ret->passage, err);
}

/* --- with, and under load --- */

struct trial {
    struct str scenario; /* "" = none */
    unsigned speed;
    bool is_direct;
    struct drill_result *ret;
};

/* So that all of the sample is made in so many seconds. */
static unsigned speed_for(const struct sample *s, double seconds)
{
    double speed = (double)(sample_to_us(s) - sample_from_us(s)) / (seconds * 1000);

    if (speed < 1000)
        return 1000;
    return speed > SPEED_MAX ? SPEED_MAX : (unsigned)speed;
}

static int run_drill(struct run *r, const struct trial *t, struct err *err)
{
    static const char *const none[] = { NULL };
    const char *archives[] = { sample_path(r->good), NULL };
    struct drill_gateway_options g = gateway_of(r);
    CLEANUP(buf_release) struct buf scenario = { 0 };
    struct drill_options o = {
        .self = g.self,
        .command = g.command,
        .config = g.config,
        .archives = archives,
        .exchanges = none,
        .providers = g.providers,
        .serve_speed = "max",
        .seed = 1,
        .ready_us = g.ready_us,
        .is_direct = t->is_direct,
    };

    o.drive = (struct drive_options){
        .trace = r->trace,
        .target = t->is_direct ? STR("{rest}") : buf_str(&r->target),
        .headers = t->is_direct ? STR("") : buf_str(&r->headers),
        .key = t->is_direct ? STR("") : r->o->key,
        .speed = t->speed,
        .caller = caller_find(STR("none")),
        .deadline_us = FAULT_WAIT_US,
        .seed = 1,
        .lag_us = LAG_US,
    };
    buf_add_str(&scenario, t->scenario);
    o.scenario = scenario.len ? buf_cstr(&scenario) : NULL;
    o.faults = scenario.len ? r->o->faults : NULL;
    return drill_run(&o, t->ret, err);
}

/* The plan's, or the usual one, of the provider alone: others stay to go to. */
static int choose_scenario(struct run *r, struct buf *ret, struct err *err)
{
    struct str planned = r->o->programme->preflight.scenario;
    const char *provider = buf_cstr(&r->provider);
    CLEANUP(buf_release) struct buf text = { 0 };

    r->ret->scenario = planned;
    if (planned.len) {
        buf_add_str(ret, planned);
        return 0;
    }
    buf_addf(ret, "%s/usual.yaml", sample_folder(r->good));
    buf_addf(&text, SCENARIO, provider, provider);
    return file_replace(buf_cstr(ret), buf_str(&text), 0600, err);
}

static int run_drills(struct run *r, struct err *err)
{
    CLEANUP(buf_release) struct buf scenario = { 0 };
    struct preflight *p = r->ret;
    double calls = (double)sample_calls(r->good);

    p->rate = p->peak * PREFLIGHT_LOAD_TIMES;
    p->rate = p->rate < PREFLIGHT_LOAD_LEAST ? PREFLIGHT_LOAD_LEAST : p->rate;
    p->rate = p->rate < calls / LOAD_SECONDS ? calls / LOAD_SECONDS : p->rate;
    if (r->o->without_faults)
        return 0;
    if (choose_scenario(r, &scenario, err) < 0)
        return -1;
    struct str faults = buf_str(&scenario);
    unsigned speed = speed_for(r->good, FAULT_SECONDS);
    struct trial load = { STR(""), speed_for(r->good, calls / p->rate), false, &p->load };
    struct trial direct = { faults, speed, true, &p->drills[DIRECT] };
    struct trial gateway = { faults, speed, false, &p->drills[GATEWAY] };
    if (run_drill(r, &load, err) < 0)
        return err_wrap(err, "through the gateway, under load");
    if (run_drill(r, &direct, err) < 0)
        return err_wrap(err, "directly, under faults");
    if (run_drill(r, &gateway, err) < 0)
        return err_wrap(err, "through the gateway, under faults");
    p->has_drills = true;
    return 0;
}

/* --- what is found --- */

static void find(struct preflight *p, bool is_failure, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void find(struct preflight *p, bool is_failure, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list args;

    va_start(args, fmt);
    buf_addvf(&text, fmt, args);
    va_end(args);
    struct preflight_finding f = { is_failure, arena_str(&p->arena, buf_str(&text)) };
    vec_push(&p->findings, f);
    p->failures += is_failure;
}

/* Stand-ins repeat themselves to the byte: where the recording does not differ from itself, one
 * call that does is enough. */
bool preflight_differs(const struct diff *d, enum diff_aspect aspect)
{
    const struct diff_count *c = &d->counts[aspect];

    return c->differ && (!c->noise_differ || c->p < PREFLIGHT_NOISE_ALPHA);
}

static void judge_answers(struct preflight *p)
{
    const struct passage *q = &p->passage;

    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        const struct diff_count *c = &q->diff.counts[i];
        if (preflight_differs(&q->diff, (enum diff_aspect)i))
            find(p, i != DIFF_MODEL, "%s (%s) differs in %" PRIu64 " of %" PRIu64 " calls",
                 diff_aspect_names[i], diff_aspect_whats[i], c->differ, c->compared);
    }
    if (q->unasked)
        find(p, true,
             "%" PRIu64 " calls were answered without asking a provider: caches of "
             "answers hide what is compared",
             q->unasked);
    if (q->ok[GATEWAY] < q->ok[DIRECT])
        find(p, true, "%" PRIu64 " calls go well directly, %" PRIu64 " through the gateway",
             q->ok[DIRECT], q->ok[GATEWAY]);
    if (q->attempts[GATEWAY] > q->attempts[DIRECT])
        find(p, false,
             "providers are asked %" PRIu64 " times for %" PRIu64 " calls, without any "
             "fault but recorded ones",
             q->attempts[GATEWAY], q->calls);
}

static void judge_requests(struct preflight *p)
{
    const struct passage *q = &p->passage;

    for (size_t i = 0; i < q->deltas.len; i++) {
        const struct passage_delta *d = &q->deltas.ptr[i];
        bool is_renamed = d->change == PASSAGE_CHANGED && str_eq(d->what, STR("model"));
        bool is_failure = d->change != PASSAGE_ADDED && !is_renamed;
        find(p, is_failure, "requests: %.*s is %s on its way, in %" PRIu64 " of %" PRIu64 " calls",
             STR_ARG(d->what), passage_change_name(d->change), d->calls, q->compared);
    }
    if (q->translated)
        find(p, false,
             "%" PRIu64 " requests reach the provider in another API: what became of "
             "their members was not compared",
             q->translated);
    else if (!q->compared)
        find(p, true, "no request could be compared with what reaches the provider");
}

static const struct drive_sum *sum_of(const struct drill_result *r)
{
    return &r->report.sums.ptr[0];
}

static i128 share_ok(const struct drive_sum *s)
{
    return s->calls ? (i128)s->ok * RATIO_ONE / s->calls : 0;
}

static void judge_load(struct preflight *p)
{
    i128 load = share_ok(sum_of(&p->load));

    if (load + PREFLIGHT_SUCCESS_MARGIN < RATIO_ONE)
        find(p, true, "at %.1f calls a second only %.1f %% go well of those that did", p->rate,
             (double)load / 1e4);
    if (p->load.report.is_late)
        find(p, false,
             "this machine was late itself under load: what the gateway bears was not "
             "measured");
}

static void judge_faults(const struct run *r, struct preflight *p)
{
    const struct drive_sum *gateway = sum_of(&p->drills[GATEWAY]);
    i128 with = share_ok(gateway), without = share_ok(sum_of(&p->drills[DIRECT])), value;

    if (p->drills[DIRECT].report.is_late || p->drills[GATEWAY].report.is_late)
        find(p, true, "this machine was late itself: run it again when it has less to do");
    if (with + PREFLIGHT_SUCCESS_MARGIN < without)
        find(p, true, "under faults %.1f %% of calls go well directly, %.1f %% through the gateway",
             (double)without / 1e4, (double)with / 1e4);
    if ((i128)p->drills[GATEWAY].attempts * RATIO_ONE >
        (i128)gateway->calls * PREFLIGHT_ATTEMPTS_MAX)
        find(p, true,
             "under faults the gateway asks providers %" PRIu64 " times for %" PRIu64 " calls",
             p->drills[GATEWAY].attempts, gateway->calls);
    for (size_t i = 0; i < r->slos.len; i++)
        if (drill_value(&p->drills[GATEWAY], &r->slos.ptr[i], &value) &&
            !slo_holds(&r->slos.ptr[i], value))
            find(p, true, "under faults '%.*s' does not hold", STR_ARG(r->slos.ptr[i].text));
}

static int failures_first(const void *left, const void *right)
{
    const struct preflight_finding *a = left, *b = right;

    if (a->is_failure != b->is_failure)
        return a->is_failure ? -1 : 1;
    return str_cmp(a->what, b->what);
}

int preflight_run(const struct preflight_options *o, struct preflight *ret, struct err *err)
{
    CLEANUP(run_release) struct run r = { .o = o, .ret = ret };

    *ret = (struct preflight){ 0 };
    if (prepare(&r, err) < 0 || run_passage(&r, err) < 0 || run_drills(&r, err) < 0)
        return -1;
    judge_answers(ret);
    judge_requests(ret);
    if (ret->has_drills) {
        judge_load(ret);
        judge_faults(&r, ret);
    } else {
        find(ret, false, "how it fares under load, and when providers fail, was not tried");
    }
    if (ret->findings.len)
        qsort(ret->findings.ptr, ret->findings.len, sizeof(*ret->findings.ptr), failures_first);
    return 0;
}

void preflight_release(struct preflight *p)
{
    passage_release(&p->passage);
    for (int i = 0; i < 2; i++)
        drill_result_release(&p->drills[i]);
    drill_result_release(&p->load);
    vec_release(&p->findings);
    arena_release(&p->arena);
}
