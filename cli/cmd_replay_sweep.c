#include "config.h"

#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/document_print.h"
#include "base/page.h"
#include "cli/simulation.h"
#include "replay/sim_figures.h"
#include "replay/sim_set.h"

#define GNUPLOT   "gnuplot"
#define SETS_MAX  4
#define RUNS_MAX  10000
#define JOBS_MOST 64

static const char *const formats[] = { "text", "json", "csv", "html", NULL };

/* clang-format off: one a line */
static const struct option_def options[] = {
    OPTION(VALUE, .name = "config", .letter = 'c', .value = "FILE", .is_path = true,
           .required = true,
           .help = "the policy: weir's own or another gateway's configuration, or none"),
    OPTION(VALUE, .name = "seeds", .value = "A..B", .help = "one run with each of them (1..10)"),
    OPTION(LIST, .name = "set", .value = "KEY=V,..",
           .help = "each of these values in its place: breaker.failures=3,5,10"),
    OPTION(VALUE, .name = "jobs", .value = "N",
           .help = "runs at the same time (default: one for each processor)"),
    OPTIONS_SIMULATION,
    OPTION_FORMAT(formats),
    OPTION_OUTPUT,
    OPTIONS_END,
};
/* clang-format on */

/* A key and its values. */
struct dimension {
    const struct sim_set_key *key;
    struct str name;
    VEC(struct str) values;
};

struct sweeping {
    const struct invocation *inv;
    struct simulation_setup setup;
    struct dimension sets[SETS_MAX];
    size_t set_count;
    int64_t first_seed, last_seed;
    size_t points, seeds, jobs;
    struct sim_figures *figures; /* points times seeds */
};

static void sweeping_release(struct sweeping *s)
{
    for (size_t i = 0; i < s->set_count; i++)
        vec_release(&s->sets[i].values);
    free(s->figures);
    simulation_setup_close(&s->setup);
}
DEFINE_CLEANUP_VALUE(struct sweeping, sweeping_release)

/* --- what to run --- */

static int read_seeds(struct sweeping *s, struct err *err)
{
    const char *text = invocation_get(s->inv, "seeds");
    struct str rest = str_from(text ? text : "1..10");
    ptrdiff_t dots = str_find(rest, STR(".."), 0);

    if (dots < 0 || !str_to_i64(str_sub(rest, 0, (size_t)dots), &s->first_seed) ||
        !str_to_i64(str_sub(rest, (size_t)dots + 2, rest.len), &s->last_seed) ||
        s->first_seed < 0 || s->last_seed < s->first_seed ||
        s->last_seed - s->first_seed >= RUNS_MAX)
        return err_set(err, ERR_USAGE, "--seeds '%s' is not such as 1..30", text);
    s->seeds = (size_t)(s->last_seed - s->first_seed) + 1;
    return 0;
}

static int read_set(struct sweeping *s, const char *text, struct err *err)
{
    struct dimension *d = &s->sets[s->set_count];
    struct str rest = str_from(text), value;

    if (s->set_count == SETS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d --set", SETS_MAX);
    str_split(&rest, '=', &d->name);
    d->key = sim_set_find(d->name);
    if (!d->key || rest.len == 0)
        return err_set(err, ERR_USAGE, "--set '%s': write KEY=VALUE,.. where the key is one of %s",
                       text, sim_set_names());
    s->set_count++;
    while (str_split(&rest, ',', &value))
        vec_push(&d->values, value);
    s->points *= d->values.len;
    return 0;
}

static int read_options(struct sweeping *s, struct err *err)
{
    const char *jobs = invocation_get(s->inv, "jobs");
    int64_t n = sysconf(_SC_NPROCESSORS_ONLN);

    s->points = 1;
    if (read_seeds(s, err) < 0)
        return -1;
    for (const char *const *text = invocation_list(s->inv, "set"); *text; text++)
        if (read_set(s, *text, err) < 0)
            return -1;
    if (s->points * s->seeds > RUNS_MAX)
        return err_set(err, ERR_LIMIT, "%zu runs are more than %d", s->points * s->seeds, RUNS_MAX);
    if (jobs && (!str_to_i64(str_from(jobs), &n) || n < 1))
        return err_set(err, ERR_USAGE, "--jobs '%s' is not a number from 1 on", jobs);
    s->jobs = (size_t)(n < 1 ? 1 : n > JOBS_MOST ? JOBS_MOST : n);
    return 0;
}

static struct str value_at(const struct sweeping *s, size_t set, size_t point)
{
    for (size_t i = s->set_count - 1; i > set; i--)
        point /= s->sets[i].values.len;
    return s->sets[set].values.ptr[point % s->sets[set].values.len];
}

/* --- running --- */

static int run_one(struct sweeping *s, size_t number, struct sim_figures *ret, struct err *err)
{
    CLEANUP(simulation_config_close) struct simulation_config config = { 0 };
    CLEANUP(sim_result_release) struct sim_result result = { 0 };
    struct sim_options used;
    size_t point = number / s->seeds;
    const char *path = invocation_get(s->inv, "config");

    if (simulation_config_read(path, &config, err) < 0)
        return -1;
    for (size_t i = 0; i < s->set_count; i++)
        if (sim_set(config.plan, s->sets[i].key, value_at(s, i, point), err) < 0)
            return -1;
    s->setup.options.seed = (uint64_t)(s->first_seed + (int64_t)(number % s->seeds));
    if (simulation_config_ready(&s->setup, &config, err) < 0 ||
        simulation_run(&s->setup, &config, &used, &result, err) < 0)
        return -1;
    sim_figures_of(&result, ret);
    return 0;
}

/* What a job sends: a run is a process, so that runs share nothing. */
struct answer {
    size_t number;
    int failed;
    struct err err;
    struct sim_figures figures;
};

static pid_t start_job(struct sweeping *s, size_t job, int out, struct err *err)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid < 0 ? err_sys(err, "cannot start a process") : pid;
    for (size_t number = job; number < s->points * s->seeds; number += s->jobs) {
        struct answer a = { .number = number };
        a.failed = run_one(s, number, &a.figures, &a.err);
        if (write(out, &a, sizeof(a)) != (ssize_t)sizeof(a) || a.failed)
            break;
    }
    _exit(0);
}

/* Answers are shorter than PIPE_BUF: they come whole. */
static int collect(struct sweeping *s, int in, struct err *err)
{
    size_t total = s->points * s->seeds, got = 0;
    struct answer a;
    ssize_t n;

    while ((n = read(in, &a, sizeof(a))) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        if (n != (ssize_t)sizeof(a))
            return err_set(err, ERR_SYS, "a run was cut short");
        if (a.failed) {
            *err = a.err;
            return -1;
        }
        s->figures[a.number] = a.figures;
        cli_progress(s->inv, "%zu of %zu runs", ++got, total);
    }
    if (got != total)
        return err_set(err, ERR_SYS, "%zu of %zu runs ended without an answer", total - got, total);
    return 0;
}

static int run_all(struct sweeping *s, struct err *err)
{
    pid_t pids[JOBS_MOST];
    size_t started = 0;
    int pair[2], r = 0;

    if (s->jobs > s->points * s->seeds)
        s->jobs = s->points * s->seeds;
    s->figures = mem_calloc(s->points * s->seeds, sizeof(*s->figures));
    if (pipe(pair) < 0)
        return err_sys(err, "cannot make a pipe");
    while (r == 0 && started < s->jobs) {
        pids[started] = start_job(s, started, pair[1], err);
        r = pids[started] < 0 ? -1 : 0;
        started += r == 0;
    }
    close(pair[1]);
    if (r == 0)
        r = collect(s, pair[0], err);
    close(pair[0]);
    for (size_t i = 0; i < started; i++)
        while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
    return r;
}

/* --- printing --- */

static void add_mean(const struct sweeping *s, struct document *d, size_t point, enum sim_figure f)
{
    enum cell_kind kind = sim_figure_defs[f].kind;
    struct sim_mean m;

    sim_figures_mean(s->figures + point * s->seeds, s->seeds, f, &m);
    if (m.count == m.never) {
        document_text(d, m.count ? STR("never") : STR(""));
        document_none(d);
        return;
    }
    document_number(d, kind, m.mean);
    if (m.half < 0)
        document_none(d);
    else
        document_number(d, kind, m.half);
}

static void build(const struct sweeping *s, struct document *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    *d = (struct document){ .format = STR("weir-sweep/1"), .usd_digits = 4 };
    buf_addf(&text, "Sweep of %s", invocation_get(s->inv, "config"));
    d->title = arena_str(&d->arena, buf_str(&text));
    buf_clear(&text);
    buf_addf(&text, "%zu runs of each line, seeds %lld to %lld", s->seeds, (long long)s->first_seed,
             (long long)s->last_seed);
    d->subtitle = d->ending = d->page_ending = arena_str(&d->arena, buf_str(&text));
    document_section(d, "sweep", "Means of the runs, and half of their 95 % confidence intervals");
    for (size_t i = 0; i < s->set_count; i++)
        document_column(d, s->sets[i].name, s->sets[i].name, false);
    if (s->set_count == 0)
        document_column(d, STR("config"), STR("config"), false);
    for (size_t f = 0; f < SIM_FIGURES; f++) {
        buf_clear(&text);
        buf_addf(&text, "%s_half", sim_figure_defs[f].name);
        document_column(d, str_from(sim_figure_defs[f].name), str_from(sim_figure_defs[f].title),
                        true);
        document_column(d, buf_str(&text), STR("+/-"), true);
    }
    for (size_t point = 0; point < s->points; point++) {
        for (size_t i = 0; i < s->set_count; i++)
            document_text(d, value_at(s, i, point));
        if (s->set_count == 0)
            document_text(d, str_from(invocation_get(s->inv, "config")));
        for (int f = 0; f < SIM_FIGURES; f++)
            add_mean(s, d, point, (enum sim_figure)f);
    }
    document_note(d, "Runs differ in the luck that is drawn, not in the recorded calls: what other "
                     "months would bring is not in the intervals.");
}

static void print(const struct sweeping *s)
{
    CLEANUP(document_release) struct document d = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *format = invocation_get(s->inv, "format");
    struct err err;

    build(s, &d);
    if (!format || strcmp(format, "text") == 0)
        document_print_text(&d, &out);
    else if (strcmp(format, "json") == 0)
        document_print_json(&d, &out);
    else if (strcmp(format, "csv") == 0)
        document_print_csv(&d, &out);
    else
        page_print(&d, GNUPLOT, &out, &err); /* it has no chart to miss */
    cli_out(buf_str(&out));
}

static int run(const struct invocation *inv)
{
    CLEANUP(sweeping_release) struct sweeping s = { .inv = inv };
    struct err err;

    if (read_options(&s, &err) < 0 || simulation_setup_open(inv, &s.setup, &err) < 0 ||
        run_all(&s, &err) < 0)
        return cli_fail(inv, &err);
    print(&s);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir replay sweep --config gateway.yaml --rate 2/s --duration 10m --ask chat --seeds 1..4 "
      "--scenario creep", "how much of a result is luck"},
    { NULL,                    NULL                          },
};

const struct command command_replay_sweep = {
    .path = "replay sweep",
    .summary = "simulate a policy many times, over seeds and settings",
    .operands = "",
    .options = options,
    .description =
        "Runs weir-replay-simulate(1) once for each seed and each combination of the values given "
        "with --set, and prints the mean of each figure with half the width of its 95 % confidence "
        "interval.\n"
        "\n"
        "--set changes a number wherever the configuration has it: retry.count, retry.base, "
        "retry.cap, timeouts.connect, timeouts.head, timeouts.first_token, timeouts.idle, "
        "breaker.failures, breaker.window, breaker.open, breaker.probes, slow.factor, slow.window, "
        "slow.samples.\n"
        "\n"
        "Runs are processes of their own; the output does not depend on --jobs.",
    .examples = examples,
    .see_also = "weir-replay-simulate(1), weir-scenario(5)",
    .run = run,
};
