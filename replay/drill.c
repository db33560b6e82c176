#include "config.h"

#include "replay/drill.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/listener.h"
#include "base/subprocess.h"
#include "base/timestamp.h"

#define PORT_FIRST       10000
#define PORT_COUNT       20000
#define PORT_STRIDE      10
#define PORT_TRIES       1000
#define POLL_US          10000
#define STOP_US          (5 * US_PER_SECOND)
#define LAST_WORDS_MAX   500
#define OUTPUT_BYTES_MAX (64u << 20)
#define CONFIG_BYTES_MAX (16u << 20)
#define OPEN_FOLDERS     16
#define ARGUMENTS_MAX    4096
/* 99 of 100 calls. */
#define WINDOW_CALLS 100
#define WINDOW_BAD   1

/* A call that is over, for what happened when. */
struct moment {
    uint64_t number;
    int64_t planned_us; /* since the drive began */
    bool ok;
};

struct drill {
    const struct drill_options *o;
    struct drill_config config;
    struct buf config_text;
    VEC(struct drill_provider) providers;
    struct drill_places places;
    uint16_t control_port;
    uint32_t ports_seen;
    char *folder, *rendered, *standin_output, *gateway_output, *archive;
    VEC(char *) texts; /* that are ours */
    struct subprocess standin, gateway;
    struct loop *loop;
    VEC(struct moment) moments;
    uint64_t begun_us;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

static void drill_release(struct drill *d)
{
    subprocess_stop(&d->gateway, STOP_US);
    subprocess_stop(&d->standin, STOP_US);
    if (d->rendered)
        unlink(d->rendered);
    if (d->folder)
        nftw(d->folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; i < d->texts.len; i++)
        free(d->texts.ptr[i]);
    vec_release(&d->texts);
    vec_release(&d->providers);
    vec_release(&d->moments);
    drill_config_release(&d->config);
    buf_release(&d->config_text);
    loop_close(d->loop);
    free(d->folder);
    free(d->rendered);
}
DEFINE_CLEANUP_VALUE(struct drill, drill_release)

/* A text that lives as long as the drill. */
static const char *keep(struct drill *d, struct buf *text)
{
    char *copy = mem_strdup(buf_cstr(text));

    vec_push(&d->texts, copy);
    return copy;
}

/* --- places --- */

/* One that is free now: who is told of it listens there a moment later.  Not of those that the
 * kernel gives to outgoing connections (32768 and up), of which one could come in between; and
 * drills at the same time begin at different ones. */
static int free_port(struct drill *d, uint16_t *ret, struct err *err)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint32_t number = (uint32_t)getpid() * PORT_STRIDE + d->ports_seen++;
        uint16_t port = (uint16_t)(PORT_FIRST + number % PORT_COUNT);
        int fd;
        if (listener_open(STR("127.0.0.1"), port, false, &fd, err) < 0)
            continue;
        close(fd);
        *ret = port;
        return 0;
    }
    return err_wrap(err, "no port is free");
}

static int add_provider(struct drill *d, struct str name, struct err *err)
{
    struct drill_provider p = { .name = name };

    for (size_t i = 0; i < d->providers.len; i++)
        if (str_eq(d->providers.ptr[i].name, name))
            return 0;
    if (d->providers.len == DRILL_PROVIDERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d stand-ins", DRILL_PROVIDERS_MAX);
    if (free_port(d, &p.port, err) < 0)
        return -1;
    vec_push(&d->providers, p);
    return 0;
}

static int make_folder(struct drill *d, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/weir-drill-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    buf_cstr(&path);
    if (!mkdtemp(path.ptr))
        return err_sys(err, "cannot make a folder '%s'", path.ptr);
    d->folder = mem_strdup(path.ptr);
    return 0;
}

static int find_places(struct drill *d, struct err *err)
{
    const char *name = d->o->config;

    if (name && (file_read(name, CONFIG_BYTES_MAX, &d->config_text, err) < 0 ||
                 drill_config_read(buf_str(&d->config_text), name, &d->config, err) < 0))
        return -1;
    if (!d->o->command && !d->config.is_weir)
        return err_set(err, ERR_USAGE,
                       "without --gateway, --config must be weir's own, with upstreams");
    for (size_t i = 0; i < d->config.upstreams.len; i++)
        if (add_provider(d, d->config.upstreams.ptr[i], err) < 0)
            return -1;
    for (size_t i = 0; d->o->providers[i]; i++)
        if (add_provider(d, str_from(d->o->providers[i]), err) < 0)
            return -1;
    if (!d->providers.len)
        return err_set(err, ERR_USAGE, "nobody stands for a provider: name them with --provider");
    if (make_folder(d, err) < 0 || free_port(d, &d->places.port, err) < 0 ||
        free_port(d, &d->control_port, err) < 0)
        return -1;
    CLEANUP(buf_release) struct buf archive = { 0 };
    buf_addf(&archive, "%s/archive", d->folder);
    d->places.archive = keep(d, &archive);
    d->places.providers = d->providers.ptr;
    d->places.provider_count = d->providers.len;
    return 0;
}

/* Beside the one it was made of, as paths in it are relative to that. */
static int render_config(struct drill *d, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(buf_release) struct buf path = { 0 };

    if (!d->o->config)
        return 0;
    const char *slash = strrchr(d->o->config, '/'), *dot = strrchr(d->o->config, '.');
    if (!dot || (slash && dot < slash))
        dot = "";
    if (drill_config_write(buf_str(&d->config_text), d->o->config, d->config.is_weir, &d->places,
                           &text, err) < 0)
        return -1;
    if (slash)
        buf_add(&path, d->o->config, (size_t)(slash - d->o->config) + 1);
    buf_addf(&path, ".weir-drill-%d%s", (int)getpid(), dot);
    d->rendered = mem_strdup(buf_cstr(&path));
    return file_replace(d->rendered, buf_str(&text), 0600, err);
}

/* --- processes --- */

/* The last line that says something. */
static void add_last_words(const char *path, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str rest, line, last = STR("");
    struct err ignored;

    if (file_read(path, OUTPUT_BYTES_MAX, &text, &ignored) < 0)
        return;
    rest = buf_str(&text);
    while (str_split(&rest, '\n', &line))
        if (str_trim(line).len)
            last = str_trim(line);
    if (last.len)
        buf_addf(out, "; its last words: %.*s", STR_ARG(str_sub(last, 0, LAST_WORDS_MAX)));
}

static bool takes_connections(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_there = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0)
        close(fd);
    return is_there;
}

static int wait_ready(struct subprocess *p, const char *what, uint16_t port, const char *output,
                      int64_t patience_us, struct err *err)
{
    CLEANUP(buf_release) struct buf why = { 0 };

    for (; patience_us > 0; patience_us -= POLL_US) {
        if (takes_connections(port))
            return 0;
        if (subprocess_is_over(p)) {
            subprocess_describe(p, &why);
            add_last_words(output, &why);
            return err_set(err, ERR_USAGE, "%s has ended before it listened at port %u: %s", what,
                           port, buf_cstr(&why));
        }
        usleep(POLL_US);
    }
    add_last_words(output, &why);
    return err_set(err, ERR_USAGE, "%s does not listen at port %u%s", what, port, buf_cstr(&why));
}

static const char *output_path(struct drill *d, const char *name)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/%s", d->folder, name);
    return keep(d, &path);
}

static const char *textf(struct drill *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static const char *textf(struct drill *d, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list args;

    va_start(args, fmt);
    buf_addvf(&text, fmt, args);
    va_end(args);
    return keep(d, &text);
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
    const char *first[] = { d->o->self, "replay", "serve", "--unmatched", "synth", "--speed" };

    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        add_argument(a, first[i]);
    add_argument(a, d->o->serve_speed ? d->o->serve_speed : "1");
    add_argument(a, textf(d, "--seed=%llu", (unsigned long long)d->o->seed));
    add_argument(a, textf(d, "--control=127.0.0.1:%u", d->control_port));
    if (d->o->scenario)
        add_argument(a, textf(d, "--scenario=%s", d->o->scenario));
    for (size_t i = 0; i < d->providers.len; i++)
        add_argument(a, textf(d, "--as=%.*s=127.0.0.1:%u", STR_ARG(d->providers.ptr[i].name),
                              d->providers.ptr[i].port));
    for (size_t i = 0; d->o->exchanges[i]; i++)
        add_argument(a, textf(d, "--exchanges=%s", d->o->exchanges[i]));
    for (size_t i = 0; d->o->archives[i]; i++)
        add_argument(a, d->o->archives[i]);
    const char *output = output_path(d, "standin.log");
    struct subprocess_options o = { .argv = a->list, .output = output };
    int r = subprocess_start(&o, &d->standin, err);
    free(a);
    if (r < 0)
        return -1;
    return wait_ready(&d->standin, "the stand-in", d->control_port, output, d->o->ready_us, err);
}

/* Keys that a configuration of weir's wants from the environment: there are none to be had, and
 * none are needed. */
static const char *const *environment(struct drill *d)
{
    size_t count = d->config.environment.len, n = 0;
    const char **env = mem_calloc(count + d->providers.len + 3, sizeof(*env));

    for (size_t i = 0; i < count; i++) {
        const char *pair = textf(d, "%.*s=drill-key", STR_ARG(d->config.environment.ptr[i]));
        CLEANUP(buf_release) struct buf name = { 0 };
        buf_add_str(&name, d->config.environment.ptr[i]);
        if (!getenv(buf_cstr(&name)))
            env[n++] = pair;
    }
    env[n++] = textf(d, "WEIR_DRILL_PORT=%u", d->places.port);
    return env;
}

static int start_gateway(struct drill *d, struct err *err)
{
    CLEANUP(buf_release) struct buf command = { 0 };
    const char *output = output_path(d, "gateway.log");
    const char *own[] = { d->o->self, "proxy", "run", d->rendered, NULL };
    const char *shell[] = { "sh", "-c", NULL, NULL };

    if (d->o->command) {
        if (drill_fill(str_from(d->o->command), &d->places, d->rendered, &command, err) < 0)
            return -1;
        shell[2] = buf_cstr(&command);
    }
    const char *const *env = environment(d);
    struct subprocess_options o = {
        .argv = d->o->command ? shell : own,
        .env = env,
        .output = output,
    };
    int r = subprocess_start(&o, &d->gateway, err);
    free((void *)(uintptr_t)env);
    if (r < 0)
        return -1;
    return wait_ready(&d->gateway, "the gateway", d->places.port, output, d->o->ready_us, err);
}

/* --- the drive --- */

static void on_call(void *ctx, const struct drive_call *call, const struct drive_result *result)
{
    struct drill *d = ctx;
    uint64_t over_us = loop_now_us(d->loop) - d->begun_us;
    struct moment m = {
        .number = drive_call_number(call),
        .planned_us = (int64_t)over_us - result->end_us,
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
    const char *url = textf(d, "http://127.0.0.1:%u", d->places.port);

    if (http_url_parse(str_from(url), &o.url, err) < 0 || loop_open(&d->loop, err) < 0)
        return -1;
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
    };

    r->attempts += u.attempts;
    if (u.first_struck_us >= 0) {
        r->is_struck = true;
        int64_t failover = u.elsewhere_us < 0 ? -1 : u.elsewhere_us - u.first_struck_us;
        int64_t recovery = u.good_again_us < 0 ? -1 : u.good_again_us - u.last_struck_us;
        r->failover_us = failover > r->failover_us ? failover : r->failover_us;
        r->recovery_us = recovery > r->recovery_us ? recovery : r->recovery_us;
    }
    vec_push(&r->upstreams, u);
}

static int ask_standin(struct drill *d, struct drill_result *ret, struct err *err)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = NULL;
    CLEANUP(json_decref) json_t *stats = NULL;
    struct http_fetch_options o = { .proxy = "" };
    struct http_fetch_request request = { .method = STR("GET"),
                                          .target = STR("/-/stats"),
                                          .may_repeat = true };
    struct http_fetch_answer answer;
    const char *name;
    json_t *book;

    if (http_url_parse(str_from(textf(d, "http://127.0.0.1:%u", d->control_port)), &o.url, err) <
            0 ||
        http_fetch_open(&o, &f, err) < 0 || http_fetch(f, &request, &answer, err) < 0 ||
        json_parse(answer.body, &stats, err) < 0)
        return err_wrap(err, "the stand-in's statistics");
    json_object_foreach(json_get(stats, "upstreams"), name, book) take_upstream(ret, name, book);
    return 0;
}

/* --- when it was as before --- */

static int by_moment(const void *left, const void *right)
{
    const struct moment *a = left, *b = right;

    if (a->planned_us != b->planned_us)
        return a->planned_us < b->planned_us ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* From the first call that failed until the last window of which more than 1 in 100 did was over;
 * at the end of the calls fewer are left to fail. */
static int64_t time_to_restore(struct drill *d)
{
    const struct moment *m = d->moments.ptr;
    size_t count = d->moments.len, bad = 0;
    int64_t first = -1, last = -1;

    if (count)
        qsort(d->moments.ptr, count, sizeof(*d->moments.ptr), by_moment);
    for (size_t i = 0; i < count; i++) {
        bad += !m[i].ok;
        if (i >= WINDOW_CALLS)
            bad -= !m[i - WINDOW_CALLS].ok;
        if (!m[i].ok && first < 0)
            first = m[i].planned_us;
        if (!m[i].ok && bad > WINDOW_BAD)
            last = m[i].planned_us;
    }
    if (first < 0)
        return 0;
    return last < 0 ? 0 : last - first;
}

/* --- a drill --- */

int drill_run(const struct drill_options *o, struct drill_result *ret, struct err *err)
{
    CLEANUP(drill_release) struct drill d = { .o = o };

    *ret = (struct drill_result){ .failover_us = -1, .restored_us = -1, .recovery_us = -1 };
    if (find_places(&d, err) < 0 || render_config(&d, err) < 0 || start_standin(&d, err) < 0 ||
        start_gateway(&d, err) < 0 || run_drive(&d, ret, err) < 0 || ask_standin(&d, ret, err) < 0)
        return -1;
    if (ret->is_struck)
        ret->restored_us = time_to_restore(&d);
    return 0;
}

void drill_result_release(struct drill_result *r)
{
    drive_report_release(&r->report);
    vec_release(&r->upstreams);
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

static bool span(const struct drill_result *r, int64_t us, i128 *ret)
{
    *ret = us < 0 ? PLAN_FOREVER : us;
    return r->is_struck;
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
        return !s->app.len && ratio(r->attempts, sum->calls, ret);
    case SLO_FAILOVER:
        return span(r, r->failover_us, ret);
    case SLO_RESTORED:
        return span(r, r->restored_us, ret);
    case SLO_RECOVERY:
        return span(r, r->recovery_us, ret);
    case SLO_REROUTED:
    case SLO_DENIED:
    case SLO_ADDED:
    case SLO_COST:
    case SLO_METRICS:
        break;
    }
    return false;
}
