/* drills - every fault, drilled live: weir's own proxy stands it, and a gateway that does what
 * sloppy ones do (tests/bad_gateway) does not.
 *
 * What must hold follows from what the table of faults expects of a good gateway.  On the wire, a
 * host name that does not resolve is a refused connection, and to the sloppy one, which speaks no
 * TLS, a failed handshake its alert in place of an answer: fault_kinds says so at each that a
 * listener cannot do.
 *
 * `drills [NAME...]`: these alone.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/subprocess.h"
#include "replay/fault.h"

#define JOBS       10
#define CALLS      2
#define PATH_BYTES 400

/* Timers that a loaded machine does not trip, beside delays that they stand (A) or not (B). */
#define POLICY                                                                                     \
    "{upstreams: {a: {url: \"http://a.invalid\", api: openai},"                                    \
    " b: {url: \"http://b.invalid\", api: openai}},\n"                                             \
    "policy: {mode: enforce, routes: [{name: r, targets: [{upstream: a}, {upstream: b}],\n"        \
    "  retry: {count: 0}, timeouts: {connect: 4s, head: 4s, first_token: 4s, idle: 4s,"            \
    " total: 1m}}]}}\n"

/* Parameters of faults that have no usual ones, or that take too long. */
static const struct {
    const char *fault, *more;
} parameters[] = {
    {"dns_stall",         "delay: 2s"                 },
    { "slow_head",        "delay: 2s"                 },
    { "slow_first_token", "delay: 2s"                 },
    { "long_gap",         "delay: 2s, keepalive: none"},
    { "stall_keepalive",  "keepalive_every: 100ms"    },
    { "status",           "status: 530"               },
    { "html_error",       "status: 520"               },
    { "reorder",          "after: 4"                  },
    { "slow",             "factor: 10"                },
    { "slow_stream",      "factor: 75"                },
    { "bandwidth",        "bytes_per_second: 250"     },
};

struct drill {
    const char *name;
    enum fault_expected expected;
    bool is_good, must_fail;
    char scenario[PATH_BYTES], output[PATH_BYTES];
    struct subprocess process;
};

static char folder[PATH_BYTES / 2];

static void write_file(const char *path, const char *text)
{
    struct err err;

    if (file_replace(path, str_from(text), 0600, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void write_exchanges(const char *path)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    for (int i = 0; i < CALLS; i++)
        buf_addf(
            &out,
            "{\"method\":\"POST\",\"url\":\"http://a.invalid/v1/chat/completions\","
            "\"req_headers\":{\"content-type\":\"application/json\"},\"status\":200,"
            "\"req_body\":\"{\\\"model\\\":\\\"m\\\",\\\"stream\\\":true,\\\"stream_options\\\""
            ":{\\\"include_usage\\\":true},\\\"messages\\\":[{\\\"role\\\":\\\"user\\\","
            "\\\"content\\\":\\\"call %d\\\"}]}\",\"started_at\":\"2026-10-01T00:00:0%dZ\"}\n",
            i, i);
    write_file(path, buf_cstr(&out));
}

static void write_scenario(struct drill *d, const struct fault_kind *kind)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    const char *more = "";

    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        if (strcmp(parameters[i].fault, kind->name) == 0)
            more = parameters[i].more;
    if (kind->stage == FAULT_QUOTA)
        buf_add_text(&text, "quotas: [{upstream: a, requests: 1/day}]\n");
    else
        buf_addf(&text, "faults: [{fault: %s, upstream: a%s%s}]\n", kind->name, *more ? ", " : "",
                 more);
    snprintf(d->scenario, sizeof(d->scenario), "%s/%s.yaml", folder, kind->name);
    write_file(d->scenario, buf_cstr(&text));
}

static void add_assertions(const struct drill *d, const char **argv, size_t *n)
{
    static const char *const by_expectation[][3] = {
        [FAULT_ANSWERED_BY_FALLBACK] = {"success >= 100%",  "failover <= 8s", "left <= 0%"   },
        [FAULT_PASSED_ON] = { "success >= 100%", "attempts <= 1",  "left <= 0%"   },
        [FAULT_ERROR_TO_CALLER] = { "success <= 0%",   "left <= 0%",     "attempts <= 1"},
    };
    const char *const *given = by_expectation[d->expected];

    for (int i = 0; i < 3; i++) {
        argv[(*n)++] = "--assert";
        argv[(*n)++] = given[i];
    }
}

static const char *weir_path(void)
{
    static char path[PATH_BYTES];
    const char *build = getenv("abs_top_builddir");

    snprintf(path, sizeof(path), "%s/weir", build ? build : ".");
    return path;
}

static void begin(struct drill *d)
{
    static char calls[PATH_BYTES], config[PATH_BYTES], bad[2 * PATH_BYTES];
    const char *argv[40] = { weir_path(),  "replay",  "drill",  d->scenario, "--exchanges",
                             calls,        "--speed", "max",    "--lag",     "60s",
                             "--deadline", "20s",     "--seed", "7" };
    const char *good_ones[] = { "--config", config, "--path", "/a{path}" };
    const char *bad_ones[] = { "--gateway", bad, "--provider", "a", "--provider", "b" };
    const char *build = getenv("abs_top_builddir");
    size_t n = 14;
    struct err err;

    snprintf(calls, sizeof(calls), "%s/calls.jsonl", folder);
    snprintf(config, sizeof(config), "%s/good.yaml", folder);
    snprintf(bad, sizeof(bad), "exec '%s/tests/bad_gateway' {port} {port:a}", build ? build : ".");
    if (d->is_good)
        for (size_t i = 0; i < ARRAY_LEN(good_ones); i++)
            argv[n++] = good_ones[i];
    else
        for (size_t i = 0; i < ARRAY_LEN(bad_ones); i++)
            argv[n++] = bad_ones[i];
    if (d->is_good && strcmp(d->name, "tls_failure") == 0)
        argv[n++] = "--tls"; /* so that it is one */
    add_assertions(d, argv, &n);
    snprintf(d->output, sizeof(d->output), "%s/%s.%d", folder, d->name, d->is_good);
    struct subprocess_options o = { .argv = argv, .output = d->output };
    if (subprocess_start(&o, &d->process, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void show_output(const struct drill *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    if (file_read(d->output, 1 << 20, &text, &err) == 0)
        printf("%s\n", buf_cstr(&text));
}

/* The exit status is the drill's verdict: 0 it holds, 3 it does not. */
static bool judge(const struct drill *d)
{
    CLEANUP(buf_release) struct buf how = { 0 };
    int status = d->process.status;
    bool holds = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool is_violated = WIFEXITED(status) && WEXITSTATUS(status) == 3;
    bool as_it_should = d->is_good || !d->must_fail ? holds : is_violated;

    subprocess_describe(&d->process, &how);
    printf("%s - %-20s %-4s %-20s %s\n", as_it_should ? "ok" : "not ok", d->name,
           d->is_good ? "good" : "bad", fault_expected_names[d->expected],
           holds ? "passes" : "fails");
    if (!as_it_should)
        show_output(d);
    fflush(stdout);
    return as_it_should;
}

static void add(struct drill *ret, const struct fault_kind *kind, bool is_good)
{
    struct fault f = fault_usual(kind);

    *ret = (struct drill){
        .name = kind->name, .expected = fault_expected(&f), .is_good = is_good, .must_fail = true
    };
    if (strcmp(kind->name, "status") == 0) /* 530 */
        ret->expected = FAULT_ANSWERED_BY_FALLBACK;
    if (strcmp(kind->name, "content_filter_200") == 0) /* passed on, and yet of no use */
        ret->expected = FAULT_ERROR_TO_CALLER;
    write_scenario(ret, kind);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(name, argv[i]) == 0)
            return true;
    return argc == 1;
}

static size_t list(struct drill *ret, int argc, char **argv)
{
    size_t n = 0;

    for (int is_good = 0; is_good < 2;
         is_good++) /* with nothing wrong the bad one does well, too */
        ret[n++] = (struct drill){
            .name = "none", .scenario = "none", .is_good = is_good, .expected = FAULT_PASSED_ON
        };
    for (const struct fault_kind *k = fault_kinds; k->name; k++)
        for (int is_good = 0; is_good < 2 && is_wanted(k->name, argc, argv); is_good++)
            add(&ret[n++], k, is_good);
    return n;
}

static size_t run(struct drill *drills, size_t count)
{
    size_t begun = 0, over = 0, failed = 0;
    bool *is_judged = mem_calloc(count, sizeof(*is_judged));

    while (over < count) {
        while (begun < count && begun - over < JOBS)
            begin(&drills[begun++]);
        usleep(5000);
        for (size_t i = 0; i < begun; i++) {
            if (is_judged[i] || !subprocess_is_over(&drills[i].process))
                continue;
            is_judged[i] = true;
            over++;
            failed += !judge(&drills[i]);
        }
    }
    free(is_judged);
    return failed;
}

int main(int argc, char **argv)
{
    static struct drill drills[400];
    const char *tmp = getenv("TMPDIR");
    char path[PATH_BYTES], command[PATH_BYTES];

    snprintf(folder, sizeof(folder), "%s/weir-drills-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/good.yaml", folder);
    write_file(path, POLICY);
    snprintf(path, sizeof(path), "%s/calls.jsonl", folder);
    write_exchanges(path);
    size_t count = list(drills, argc, argv), failed = run(drills, count);
    printf("drills: %zu passed, %zu failed, 0 skipped\n", count - failed, failed);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command) != 0 || failed > 0;
}
