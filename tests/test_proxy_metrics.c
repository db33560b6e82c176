/* /metrics of a proxy that has carried traffic: in Prometheus' text format to the letter, named as
 * `promtool check metrics` wants it, and true.  Where promtool is installed it is asked as well. */
#include "config.h"

#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/map.h"
#include "base/mem.h"
#include "policy/admit.h"
#include "proxy/shared_state.h"
#include "proxy/stats.h"
#include "tests/proxy_run.h"

#define SETTINGS                                                                                   \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 2}\n"                     \
    "archive: {path: ./archive}\n"

static struct proxy_run run;
static struct buf page;

static void fetch(void)
{
    struct proxy_run admin = run;

    admin.port = run.admin_port;
    proxy_ask(&admin, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &page);
}

static void start(void)
{
    static const char *const requests[] = {
        "GET /up/body/10 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
        "POST /up/echo HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "GET /dead/x HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
        "GET /up/status/429 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
    };

    proxy_start(&run, SETTINGS);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        proxy_ask(&run, requests[i], &page);
    fetch();
}

static void stop(void)
{
    proxy_stop(&run);
    buf_release(&page);
}

static struct str body(void)
{
    ptrdiff_t at = str_find(buf_str(&page), STR("\r\n\r\n"), 0);

    ck_assert_int_gt(at, 0);
    return str_sub(buf_str(&page), (size_t)at + 4, page.len);
}

/* --- the format --- */

struct family {
    struct str name, help, type;
    size_t samples;
};

static bool is_name(struct str s, const char *more)
{
    for (size_t i = 0; i < s.len; i++)
        if (!isalpha((unsigned char)s.ptr[i]) && s.ptr[i] != '_' && !strchr(more, s.ptr[i]) &&
            !(i > 0 && isdigit((unsigned char)s.ptr[i])))
            return false;
    return s.len > 0;
}

/* {a="b",c="d"}: names, quotes and escapes; true if all is well. */
static bool are_labels(struct str s)
{
    while (s.len) {
        ptrdiff_t equals = str_find_char(s, '=', 0);
        if (equals < 0 || !is_name(str_sub(s, 0, (size_t)equals), ""))
            return false;
        s = str_sub(s, (size_t)equals + 1, s.len);
        if (!s.len || s.ptr[0] != '"')
            return false;
        size_t at = 1;
        while (at < s.len && s.ptr[at] != '"') {
            if (s.ptr[at] == '\\' && (at + 1 == s.len || !strchr("\\\"n", s.ptr[++at])))
                return false;
            at++;
        }
        if (at == s.len || (at + 1 < s.len && s.ptr[at + 1] != ','))
            return false;
        s = str_sub(s, at + 2, s.len);
    }
    return true;
}

static bool is_value(struct str s)
{
    char text[64], *end;

    snprintf(text, sizeof(text), "%.*s", STR_ARG(s));
    double value = strtod(text, &end);
    return s.len > 0 && s.len < sizeof(text) && !*end && !isspace((unsigned char)text[0]) &&
           isfinite(value);
}

/* The name a sample belongs to: without what a histogram or summary adds. */
static struct str base_name(struct str name, struct str type)
{
    static const char *const ends[] = { "_bucket", "_sum", "_count" };

    if (str_eq(type, STR("histogram")) || str_eq(type, STR("summary")))
        for (size_t i = 0; i < ARRAY_LEN(ends); i++)
            if (str_ends_with(name, str_from(ends[i])))
                return str_sub(name, 0, name.len - strlen(ends[i]));
    return name;
}

/* Every series once: in seen. */
static void check_sample(struct str line, struct family *f, struct map *seen)
{
    size_t end = 0;

    while (end < line.len && line.ptr[end] != '{' && line.ptr[end] != ' ')
        end++;
    struct str name = str_sub(line, 0, end), rest = str_sub(line, end, line.len);
    ck_assert_msg(str_eq(base_name(name, f->type), f->name), "'%.*s' is not in its family '%.*s'",
                  STR_ARG(line), STR_ARG(f->name));
    if (rest.len && rest.ptr[0] == '{') {
        ptrdiff_t close = str_find(rest, STR("} "), 0);
        ck_assert_msg(close > 0 && are_labels(str_sub(rest, 1, (size_t)close - 1)), "labels: %.*s",
                      STR_ARG(line));
        rest = str_sub(rest, (size_t)close + 1, rest.len);
    }
    ck_assert_msg(rest.len > 1 && rest.ptr[0] == ' ' && is_value(str_sub(rest, 1, rest.len)),
                  "value: %.*s", STR_ARG(line));
    struct str series = str_sub(line, 0, line.len - rest.len);
    ck_assert_msg(!map_find(seen, series), "'%.*s' comes twice", STR_ARG(series));
    map_put(seen, series, NULL);
    f->samples++;
}

static bool name_has(struct str name, const char *word)
{
    char padded[300], want[40];

    snprintf(padded, sizeof(padded), "_%.*s_", STR_ARG(name));
    snprintf(want, sizeof(want), "_%s_", word);
    return strstr(padded, want) != NULL;
}

/* What promtool's linter looks for, by the guide "Metric and label naming". */
static void check_family(const struct family *f)
{
    static const char *const types[] = { "counter", "gauge", "histogram", "summary" };
    static const char *const units[] = {
        "milliseconds", "microseconds", "nanoseconds", "minutes",   "hours",     "days",
        "ms",           "us",           "ns",          "kilobytes", "megabytes", "gigabytes",
        "kb",           "mb",           "gb",          "kib",       "mib",       "bits",
        "percent",      "sec",          "secs",        "byte",      "second",    "celcius",
    };
    bool is_counter = str_eq(f->type, STR("counter")), is_known = false;

    if (!f->name.len)
        return;
    ck_assert_msg(str_starts_with(f->name, STR("weir_")) ||
                      str_starts_with(f->name, STR("process_")),
                  "%.*s is nobody's", STR_ARG(f->name));
    ck_assert_msg(f->help.len && f->samples > 0, "%.*s has no help or no sample", STR_ARG(f->name));
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        is_known |= str_eq(f->type, str_from(types[i]));
        ck_assert_msg(!name_has(f->name, types[i]), "%.*s names its type", STR_ARG(f->name));
    }
    ck_assert_msg(is_known, "%.*s: type %.*s", STR_ARG(f->name), STR_ARG(f->type));
    ck_assert_msg(str_ends_with(f->name, STR("_total")) == is_counter,
                  "%.*s: counters, and only they, end with _total", STR_ARG(f->name));
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        ck_assert_msg(!name_has(f->name, units[i]), "%.*s is not in a base unit", STR_ARG(f->name));
    for (size_t i = 0; i < f->name.len; i++)
        ck_assert_msg(!isupper((unsigned char)f->name.ptr[i]) && f->name.ptr[i] != ':',
                      "%.*s is not in snake_case", STR_ARG(f->name));
}

START_TEST(the_page_is_as_prometheus_wants_it)
{
    CLEANUP(map_release) struct map seen = { 0 }, names = { 0 };
    struct family f = { 0 };
    struct str rest = body(), line;
    size_t series = 0;

    ck_assert_str_eq(proxy_header(&page, "Content-Type"), "text/plain; version=0.0.4");
    ck_assert_msg(str_ends_with(rest, STR("\n")), "the last line has no end");
    while (str_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        if (str_starts_with(line, STR("# HELP "))) {
            check_family(&f);
            struct str text = str_sub(line, 7, line.len);
            f = (struct family){ 0 };
            str_split(&text, ' ', &f.name);
            f.help = text;
            ck_assert_msg(is_name(f.name, ":") && !map_find(&names, f.name), "%.*s", STR_ARG(line));
            map_put(&names, f.name, NULL);
        } else if (str_starts_with(line, STR("# TYPE "))) {
            struct str text = str_sub(line, 7, line.len), name;
            str_split(&text, ' ', &name);
            ck_assert_msg(str_eq(name, f.name) && !f.samples && !f.type.len, "%.*s", STR_ARG(line));
            f.type = text;
        } else {
            ck_assert_msg(line.ptr[0] != '#', "%.*s", STR_ARG(line));
            check_sample(line, &f, &seen);
            series++;
        }
    }
    check_family(&f);
    ck_assert_uint_gt(series, 20);
    ck_assert_uint_lt(series, 1000); /* no label that a client could fill */
}
END_TEST

START_TEST(promtool_has_nothing_to_say)
{
    CLEANUP(buf_release) struct buf said = { 0 };
    char line[800];
    struct err err;

    if (system("command -v promtool > /dev/null 2>&1") !=
        0) { /* most of its rules are those of the test before */
        ck_assert_msg(!getenv("CI"), "promtool is missing (Debian: prometheus)");
        puts("SKIP promtool_has_nothing_to_say: promtool is missing (Debian: prometheus)");
        return;
    }
    ck_assert_int_eq(file_replace(temp_path("metrics"), body(), 0600, &err), 0);
    snprintf(line, sizeof(line), "promtool check metrics < '%s' 2>&1", temp_path("metrics"));
    FILE *f = popen(line, "r");
    ck_assert_ptr_nonnull(f);
    said.len = fread(buf_reserve(&said, 65536), 1, 65536, f);
    int status = pclose(f);
    ck_assert_msg(status == 0 && said.len == 0, "%s", buf_cstr(&said));
}
END_TEST

static double value_of(const char *name)
{
    char want[200];

    snprintf(want, sizeof(want), "\n%s ", name);
    const char *at = strstr(buf_cstr(&page), want);
    ck_assert_msg(at != NULL, "no %s", name);
    return strtod(at + strlen(want), NULL);
}

START_TEST(the_numbers_are_those_of_the_traffic)
{
    ck_assert_double_eq(value_of("weir_requests_total"), 5);
    ck_assert_double_eq(value_of("weir_requests_refused_total"), 1);
    ck_assert_double_eq(value_of("weir_exchanges_total"), 4);
    ck_assert_double_eq(value_of("weir_exchanges_recorded_total"), 4);
    ck_assert_double_eq(value_of("weir_exchanges_open"), 0);
    ck_assert_double_eq(value_of("weir_request_bytes_total"), 5);
    ck_assert_double_eq(value_of("weir_answers_2xx_total"), 2);
    ck_assert_double_eq(value_of("weir_upstream_failures_total"), 1);
    ck_assert_double_eq(value_of("weir_up"), 2);
    ck_assert_double_eq(value_of("weir_upstream_answers_total{upstream=\"up\",status=\"2xx\"}"), 2);
    ck_assert_double_eq(value_of("weir_upstream_answers_total{upstream=\"up\",status=\"4xx\"}"), 1);
    ck_assert_double_eq(value_of("weir_upstream_attempts_failed_total{upstream=\"up\"}"), 0);
    ck_assert_double_eq(value_of("weir_upstream_attempts_failed_total{upstream=\"dead\"}"), 1);
    ck_assert_double_eq(value_of("weir_upstream_head_seconds_bucket{upstream=\"up\",le=\"+Inf\"}"),
                        3);
    ck_assert_double_eq(value_of("weir_upstream_head_seconds_count{upstream=\"up\"}"), 3);
    ck_assert_double_gt(value_of("weir_upstream_head_seconds_sum{upstream=\"up\"}"), 0);
    ck_assert_double_eq(value_of("weir_upstream_head_seconds_count{upstream=\"dead\"}"), 0);
}
END_TEST

START_TEST(what_an_upstream_counted_stays_over_a_reload)
{
    proxy_configure(&run, SETTINGS "policy: {}\n");
    kill(run.pid, SIGHUP);
    for (int i = 0; i < 3000; i++) {
        fetch();
        if (value_of("weir_worker_reloads_total") >= 2)
            break;
        proxy_sleep_ms(10);
    }
    proxy_ask(&run, "GET /up/body/10 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", &page);
    fetch();
    ck_assert_double_eq(value_of("weir_upstream_answers_total{upstream=\"up\",status=\"2xx\"}"), 3);
}
END_TEST

START_TEST(upstreams_of_two_workers_add_up_whatever_they_are_called)
{
    struct upstream_stats *two = mem_calloc(2, sizeof(*two));

    buf_clear(&page);
    upstream_stats_metrics(two, 2, sizeof(*two), &page);
    ck_assert_uint_eq(page.len, 0);
    upstream_stats_answered(upstream_stats_place(&two[0], STR("a")), 200, 50000);
    upstream_stats_answered(upstream_stats_place(&two[1], STR("q\"\\\n")), 503, 301000000);
    upstream_stats_answered(upstream_stats_place(&two[1], STR("a")), 200, 50001);
    buf_add_byte(&page, '\n');
    upstream_stats_metrics(two, 2, sizeof(*two), &page);
    ck_assert_double_eq(value_of("weir_upstream_answers_total{upstream=\"a\",status=\"2xx\"}"), 2);
    ck_assert_double_eq(value_of("weir_upstream_head_seconds_bucket{upstream=\"a\",le=\"0.05\"}"),
                        1);
    ck_assert_double_eq(value_of("weir_upstream_head_seconds_bucket{upstream=\"a\",le=\"0.1\"}"),
                        2);
    ck_assert_double_eq(value_of("weir_upstream_head_seconds_sum{upstream=\"a\"}"), 0.100001);
    ck_assert_double_eq(
        value_of("weir_upstream_answers_total{upstream=\"q\\\"\\\\\\n\",status=\"5xx\"}"), 1);
    ck_assert_double_eq(
        value_of("weir_upstream_head_seconds_bucket{upstream=\"q\\\"\\\\\\n\",le=\"300\"}"), 0);
    free(two);
}
END_TEST

START_TEST(upstreams_beyond_the_last_place_share_it)
{
    struct upstream_stats *s = mem_calloc(1, sizeof(*s));
    char name[200];

    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 2 * UPSTREAM_STATS_MAX; i++) {
            snprintf(name, sizeof(name), "upstream-%d", i);
            upstream_stats_answered(upstream_stats_place(s, str_from(name)), 200, 1);
        }
    ck_assert_uint_eq(s->used, UPSTREAM_STATS_MAX);
    buf_clear(&page);
    buf_add_byte(&page, '\n');
    upstream_stats_metrics(s, 1, sizeof(*s), &page);
    ck_assert_double_eq(
        value_of("weir_upstream_answers_total{upstream=\"upstream-62\",status=\"2xx\"}"), 2);
    ck_assert_double_eq(
        value_of("weir_upstream_answers_total{upstream=\"(others)\",status=\"2xx\"}"),
        2.0 * (UPSTREAM_STATS_MAX + 1));
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memset(s, 0, sizeof(*s));
    ck_assert_ptr_eq(upstream_stats_place(s, str_from(name)),
                     upstream_stats_place(s, str_from(name)));
    free(s);
}
END_TEST

/* The two are the end of a page, and the next one may not be read. */
START_TEST(what_a_worker_wrote_is_not_trusted)
{
    static const uint64_t counts[] = { UPSTREAM_STATS_MAX + 1, 1u << 20, UINT64_MAX };
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (sizeof(struct proxy_stats) + page_bytes - 1) / page_bytes * page_bytes;
    char *memory = mmap(NULL, bytes + page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert(memory != MAP_FAILED);
    ck_assert_int_eq(mprotect(memory, bytes, PROT_READ | PROT_WRITE), 0);
    struct proxy_stats *s = (void *)(memory + bytes - sizeof(*s));
    char want[UPSTREAM_STATS_NAME_BYTES + 20] = "{upstream=\"";
    memset(want + strlen(want), 'x', UPSTREAM_STATS_NAME_BYTES - 1);
    strcat(want, "\",");
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        memset(s, 'x', sizeof(*s));
        s->upstreams.used = counts[i];
        s->cutovers = i;
        buf_clear(&page);
        stats_write_metrics(s, 1, &page);
        stats_cutover_metrics(s, 1, &page);
        stats_cutover_json(s, 1, &page);
        ck_assert_ptr_nonnull(strstr(buf_cstr(&page), want));
    }
    snprintf(s->cutover[0].marker, sizeof(s->cutover[0].marker), "e1\"} 1\nfalse 2");
    s->cutovers = 0;
    buf_clear(&page);
    stats_cutover_metrics(s, 1, &page);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "marker=\"e1\"}"));
    ck_assert_ptr_null(strstr(buf_cstr(&page), "false"));
    munmap(memory, bytes + page_bytes);
}
END_TEST

START_TEST(labels_of_counters_that_workers_share_are_not_trusted)
{
    static const struct str values[SHARED_LABELS] = { STR_INIT("budget"), STR_INIT("passed"),
                                                      STR_INIT("enforce") };
    struct shared_counter *list = mem_calloc(SHARED_COUNTERS_MAX, sizeof(*list));
    struct shared_state *s = NULL;
    struct err err;

    ck_assert_int_eq(shared_state_open(&s, &err), 0);
    shared_state_lock(s);
    shared_state_counter(s, SHARED_DECISIONS, values);
    shared_state_unlock(s);
    char *at = memmem(s, SHARED_COUNTERS_MAX * sizeof(*list), "rule=\"budget\"", 13);
    ck_assert_ptr_nonnull(at);
    memset(at, 'x', SHARED_COUNTER_BYTES_MAX);
    at[4] = '\n';
    ck_assert_uint_eq(shared_state_counters(s, list), 1);
    ck_assert_uint_eq(strnlen(list[0].labels, SHARED_COUNTER_BYTES_MAX),
                      SHARED_COUNTER_BYTES_MAX - 1);
    ck_assert_ptr_null(strchr(list[0].labels, '\n'));
    shared_state_close(s);
    free(list);
}
END_TEST

/* The lock is the first thing in that memory. */
START_TEST(a_lock_and_a_state_that_were_written_over_are_mended)
{
    static const size_t bytes[] = { sizeof(pthread_mutex_t), 64 };
    struct shared_state *s = NULL;
    struct policy_state_view view;
    struct err err;

    ck_assert_int_eq(shared_state_open(&s, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(bytes); i++) {
        struct policy_state *state = shared_state_lock(s);
        shared_state_unlock(s);
        memset(i ? (void *)state : (void *)s, 0x7f, bytes[i]);
        state = shared_state_lock(s);
        policy_state_view(state, &view);
        ck_assert_uint_eq(view.slots, POLICY_SLOTS_DEFAULT);
        ck_assert_uint_eq(shared_state_recoveries(s), i + 1);
        policy_forget_holder(state, 1, 0); /* as for a worker that died: through all slots */
        shared_state_unlock(s);
    }
    shared_state_close(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxy metrics");
    TCase *tc = tcase_create("metrics");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_test(tc, the_page_is_as_prometheus_wants_it);
    tcase_add_test(tc, promtool_has_nothing_to_say);
    tcase_add_test(tc, the_numbers_are_those_of_the_traffic);
    tcase_add_test(tc, what_an_upstream_counted_stays_over_a_reload);
    tcase_add_test(tc, upstreams_of_two_workers_add_up_whatever_they_are_called);
    tcase_add_test(tc, upstreams_beyond_the_last_place_share_it);
    tcase_add_test(tc, what_a_worker_wrote_is_not_trusted);
    tcase_add_test(tc, labels_of_counters_that_workers_share_are_not_trusted);
    tcase_add_test(tc, a_lock_and_a_state_that_were_written_over_are_mended);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
