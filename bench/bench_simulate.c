/* bench_simulate - calls a second through the policy in virtual time, on one core, with three
 * targets in a row: made-up calls (nothing goes wrong; the first target is out for a while, slow
 * for another, and both fail now and then), and those of a ledger of bench/ledger_mix, reading it
 * included.
 *
 * Beside calls per second are instructions per call where the kernel counts them, and what ten
 * times as many calls add to the peak memory.  100 million calls of a month too with
 * WEIR_BENCH_SIMULATE=full.
 */
#include "config.h"

#include <inttypes.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"
#include "bench/bench.h"
#include "bench/ledger_mix.h"
#include "policy/plan_conf.h"
#include "replay/sim_ledger.h"
#include "replay/sim_synth.h"
#include "replay/simulate.h"

#define PER_DAY  (INT64_C(500) * 86400)
#define START_US (INT64_C(1790812800) * US_PER_SECOND) /* 2026-10-01 */

static const char policy_text[] =
    "upstreams:\n"
    "  a: {url: 'https://a.example', api: openai}\n"
    "  b: {url: 'https://b.example', api: openai}\n"
    "  c: {url: 'https://c.example', api: openai}\n"
    "policy:\n"
    "  mode: enforce\n"
    "  routes:\n"
    "    - name: all\n"
    "      match: {model: '*'}\n"
    "      targets: [{upstream: a, retries: 1}, {upstream: b}, {upstream: c}]\n"
    "      timeouts: {first_token: 30s, idle: 30s, total: 10m}\n"
    "      breaker: {failures: 5, window: 30s, open: 15s}\n";

static const char scenario_text[] = "faults:\n"
                                    "  - {fault: overloaded, upstream: a, from: 1m, to: 3m}\n"
                                    "  - {fault: slow, upstream: a, factor: 3, from: 4m, to: 8m}\n"
                                    "  - {fault: server_error, upstream: a, probability: 3%}\n"
                                    "  - {fault: server_error, upstream: b, probability: 5%}\n";

struct bench {
    struct plan *plan;
    struct policy *policy;
    struct scenario *scenario;
    struct price_book *book;
};

static void give_up(const struct err *err)
{
    fprintf(stderr, "bench_simulate: %s\n", err->text);
    exit(1);
}

static void prepare(struct bench *b)
{
    CLEANUP(buf_release) struct buf prices = { 0 };
    struct yaml *y = NULL;
    struct err err;
    const char *data = getenv("WEIR_DATADIR");

    b->plan = plan_new("weir");
    buf_addf(&prices, "%s/prices", data ? data : "share");
    if (yaml_parse(str_from(policy_text), "policy", &y, &err) < 0 ||
        plan_conf_read(b->plan, y, STR("policy"), &err) < 0 ||
        price_book_load(&b->book, buf_cstr(&prices), &err) < 0 ||
        policy_new(b->plan, b->book, &b->policy, &err) < 0 ||
        scenario_parse(str_from(scenario_text), "scenario", &b->scenario, &err) < 0)
        give_up(&err);
    yaml_free(y);
}

/* --- what a run takes --- */

struct cost {
    double seconds;
    uint64_t calls, instructions, kib;
};

static int count_instructions(void)
{
    struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
                                    .size = sizeof(attr),
                                    .config = PERF_COUNT_HW_INSTRUCTIONS,
                                    .exclude_kernel = 1 };

    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

typedef void (*run_fn)(const struct bench *b, uint64_t calls, struct sim_result *ret);

/* In a process of its own, so that its peak memory is its own. */
static struct cost measure(const struct bench *b, run_fn run, uint64_t calls)
{
    struct cost cost = { 0 };
    struct sim_result r;
    struct rusage usage;
    int pipes[2];

    if (pipe(pipes) < 0)
        exit(1);
    if (fork() == 0) {
        int counter = count_instructions();
        int64_t from = clock_monotonic_us();
        run(b, calls, &r);
        cost.seconds = (double)(clock_monotonic_us() - from) / 1e6;
        cost.calls = r.all.calls;
        if (counter < 0 || read(counter, &cost.instructions, sizeof(cost.instructions)) < 0)
            cost.instructions = 0;
        getrusage(RUSAGE_SELF, &usage);
        cost.kib = (uint64_t)usage.ru_maxrss;
        _exit(write(pipes[1], &cost, sizeof(cost)) != sizeof(cost));
    }
    close(pipes[1]);
    if (read(pipes[0], &cost, sizeof(cost)) != sizeof(cost))
        exit(1);
    close(pipes[0]);
    wait(NULL);
    return cost;
}

/* --- made-up calls --- */

static void run_synth(const struct bench *b, struct scenario *scenario, uint64_t calls,
                      struct sim_result *ret)
{
    CLEANUP(sim_classes_release) struct sim_classes classes = { 0 };
    CLEANUP(sim_speeds_free) struct sim_speeds *speeds = sim_speeds_new();
    struct sim_class class = { .app = STR("app"),
                               .upstream = STR("a"),
                               .model = STR("gpt-4o"),
                               .provider = PROVIDER_OPENAI,
                               .api = API_CHAT,
                               .has_upstream = true };
    struct sim_synth synth = { .per_day = PER_DAY,
                               .start_us = START_US,
                               .duration_us = (int64_t)calls * US_PER_DAY / PER_DAY,
                               .seed = 1,
                               .input_tokens = 1000,
                               .output_tokens = 150,
                               .is_stream = true };
    struct sim_options o = { .policy = b->policy,
                             .scenario = scenario,
                             .speeds = speeds,
                             .book = b->book,
                             .caller = &callers[1],
                             .start_us = START_US,
                             .end_us = START_US + synth.duration_us,
                             .seed = 1 };
    struct err err;

    if (sim_classes_put(&classes, &class, &synth.class, &err) < 0)
        give_up(&err);
    CLEANUP(sim_source_free) struct sim_source *source = sim_synth_source(&synth);
    if (simulate(source, &classes, &o, ret, &err) < 0)
        give_up(&err);
}

static void run_quiet(const struct bench *b, uint64_t calls, struct sim_result *ret)
{
    run_synth(b, NULL, calls, ret);
}

static void run_faults(const struct bench *b, uint64_t calls, struct sim_result *ret)
{
    run_synth(b, b->scenario, calls, ret);
}

/* --- calls of ledgers --- */

static char folder[] = "/tmp/weir-bench-simulate.XXXXXX";

static void list_ledgers(const char *path, struct dir_list *ret)
{
    struct err err;

    if (dir_list_read(path, ret, &err) < 0)
        give_up(&err);
}

static void run_ledger(const struct bench *b, uint64_t calls, struct sim_result *ret)
{
    CLEANUP(sim_classes_release) struct sim_classes classes = { 0 };
    CLEANUP(sim_speeds_free) struct sim_speeds *speeds = sim_speeds_new();
    CLEANUP(sim_ledgers_close) struct sim_ledgers *ledgers = NULL;
    CLEANUP(dir_list_release) struct dir_list days = { 0 };
    VEC(char *) paths = { 0 };
    const int64_t span_us[] = { INT64_MIN, INT64_MAX };
    struct sim_ledgers_stats stats;
    struct buf path = { 0 };
    struct err err;

    (void)calls;
    buf_addf(&path, "%s/ledger", folder);
    list_ledgers(buf_cstr(&path), &days);
    for (size_t i = 0; i < days.len; i++) {
        CLEANUP(dir_list_release) struct dir_list files = { 0 };
        buf_clear(&path);
        buf_addf(&path, "%s/ledger/%s", folder, days.names[i]);
        list_ledgers(buf_cstr(&path), &files);
        for (size_t f = 0; f < files.len; f++) {
            struct buf file = { 0 };
            buf_addf(&file, "%s/%s", buf_cstr(&path), files.names[f]);
            buf_cstr(&file);
            vec_push(&paths, file.ptr);
        }
    }
    if (sim_ledgers_open((const char *const *)paths.ptr, paths.len, span_us, speeds, &ledgers,
                         &err) < 0)
        give_up(&err);
    sim_ledgers_stats(ledgers, &stats);
    struct sim_options o = { .policy = b->policy,
                             .scenario = b->scenario,
                             .speeds = speeds,
                             .book = b->book,
                             .caller = &callers[1],
                             .start_us = stats.first_us,
                             .end_us = stats.last_us,
                             .seed = 1 };
    CLEANUP(sim_source_free) struct sim_source *source = sim_ledgers_source(ledgers, &classes);
    if (simulate(source, &classes, &o, ret, &err) < 0)
        give_up(&err);
}

/* --- rows --- */

static void print_speed(const char *name, const struct cost *c)
{
    char row[128];
    double rate = (double)c->calls / c->seconds / 1e6;

    bench_row_beside(name, rate, "M calls/s", "2 M/s", rate / 2, ">= 1");
    if (c->instructions) {
        snprintf(row, sizeof(row), "%s, instructions", name);
        bench_row(row, (double)c->instructions / (double)c->calls, "per call");
    }
}

static void bench_made_up(const struct bench *b)
{
    uint64_t calls = bench_is_short() ? 20000 : 5000000;
    struct cost quiet = measure(b, run_quiet, calls), faults = measure(b, run_faults, calls);
    struct cost few = measure(b, run_faults, calls / 10);

    print_speed("simulate, three targets", &quiet);
    print_speed("simulate, three targets, faults", &faults);
    bench_row_beside("simulate, ten times the calls, memory", (double)faults.kib / 1024, "MiB",
                     "a tenth of them", (double)faults.kib / (double)few.kib, "<= 1.1");
}

static void bench_ledger(const struct bench *b)
{
    const char *full = getenv("WEIR_BENCH_SIMULATE");
    uint64_t rows = bench_is_short()                    ? 20000
                    : full && strcmp(full, "full") == 0 ? 100000000
                                                        : 2000000;
    struct err err;

    if (!mkdtemp(folder))
        exit(1);
    if (ledger_mix_write(folder, rows, 2, &err) < 0)
        give_up(&err);
    struct cost c = measure(b, run_ledger, rows);
    char name[64], command[128];
    snprintf(name, sizeof(name), "simulate %" PRIu64 " M calls of ledgers", rows / 1000000);
    print_speed(name, &c);
    bench_row(name, c.seconds, "s");
    bench_row(name, (double)c.kib / 1024, "MiB");
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0)
        fprintf(stderr, "bench_simulate: cannot remove %s\n", folder);
}

int main(void)
{
    struct bench b = { 0 };

    prepare(&b);
    bench_made_up(&b);
    bench_ledger(&b);
    scenario_free(b.scenario);
    policy_free(b.policy);
    plan_free(b.plan);
    price_book_free(b.book);
    return 0;
}
