#include "config.h"

#include "proxy/upstream_stats.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* µs, and how they are written; a model may think for minutes before it says a word. */
static const struct {
    uint64_t us;
    const char *text;
} bounds[] = {
    {50000,      "0.05"},
    { 100000,    "0.1" },
    { 250000,    "0.25"},
    { 500000,    "0.5" },
    { 1000000,   "1"   },
    { 2500000,   "2.5" },
    { 5000000,   "5"   },
    { 10000000,  "10"  },
    { 20000000,  "20"  },
    { 40000000,  "40"  },
    { 60000000,  "60"  },
    { 120000000, "120" },
    { 300000000, "300" },
};
static_assert(ARRAY_LEN(bounds) == UPSTREAM_STATS_TIMES, "a counter each");

static const char *const classes[] = { "2xx", "3xx", "4xx", "5xx" };
static_assert(ARRAY_LEN(classes) == UPSTREAM_STATS_CLASSES, "a name each");

/* --- of the worker --- */

struct upstream_count *upstream_stats_place(struct upstream_stats *s, struct str name)
{
    struct str known = str_sub(name, 0, UPSTREAM_STATS_NAME_BYTES - 1);

    for (size_t i = 0; i < s->used; i++)
        if (str_eq(str_from(s->places[i].name), known))
            return &s->places[i];
    if (s->used == UPSTREAM_STATS_MAX)
        return &s->places[UPSTREAM_STATS_MAX - 1];
    if (s->used == UPSTREAM_STATS_MAX - 1)
        known = STR("(others)");
    struct upstream_count *c = &s->places[s->used];
    snprintf(c->name, sizeof(c->name), "%.*s", STR_ARG(known));
    __atomic_store_n(&s->used, s->used + 1, __ATOMIC_RELEASE);
    return c;
}

void upstream_stats_answered(struct upstream_count *c, unsigned status, uint64_t us)
{
    size_t i = 0;

    if (status < 200 || status > 599)
        return;
    while (i < ARRAY_LEN(bounds) && us > bounds[i].us)
        i++;
    c->times[i]++;
    c->head_us += us;
    c->answers[status / 100 - 2]++;
}

/* --- of the parent --- */

static uint64_t read_word(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* What a worker wrote is not trusted: it reads what strangers send.  The name is copied first, so
 * that it is one thing for all that look at it. */
static void add_place(struct upstream_stats *sum, const struct upstream_count *from)
{
    char name[UPSTREAM_STATS_NAME_BYTES];

    memcpy(name, from->name, sizeof(name));
    struct str is = { name, strnlen(name, sizeof(name)) };
    struct upstream_count *to = upstream_stats_place(sum, is);

    for (size_t i = 0; i < ARRAY_LEN(to->answers); i++)
        to->answers[i] += read_word(&from->answers[i]);
    for (size_t i = 0; i < ARRAY_LEN(to->times); i++)
        to->times[i] += read_word(&from->times[i]);
    to->failures += read_word(&from->failures);
    to->head_us += read_word(&from->head_us);
}

static void add_name(struct str name, struct buf *out)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '\n') {
            buf_add_text(out, "\\n");
            continue;
        }
        if (name.ptr[i] == '"' || name.ptr[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, name.ptr[i]);
    }
}

static void add_sample(const char *metric, const struct upstream_count *c, struct buf *out)
{
    buf_addf(out, "weir_upstream_%s{upstream=\"", metric);
    add_name(str_from(c->name), out);
    buf_add_byte(out, '"');
}

static void add_histogram(const struct upstream_count *c, struct buf *out)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ARRAY_LEN(c->times); i++) {
        sum += c->times[i];
        add_sample("head_seconds_bucket", c, out);
        buf_addf(out, ",le=\"%s\"} %" PRIu64 "\n", i < ARRAY_LEN(bounds) ? bounds[i].text : "+Inf",
                 sum);
    }
    add_sample("head_seconds_sum", c, out);
    buf_addf(out, "} %" PRIu64 ".%06" PRIu64 "\n", c->head_us / 1000000, c->head_us % 1000000);
    add_sample("head_seconds_count", c, out);
    buf_addf(out, "} %" PRIu64 "\n", sum);
}

static void print(const struct upstream_stats *s, struct buf *out)
{
    buf_add_text(out, "# HELP weir_upstream_answers_total Answers of an upstream by status, those "
                      "of attempts that were repeated among them.\n"
                      "# TYPE weir_upstream_answers_total counter\n");
    for (size_t i = 0; i < s->used; i++)
        for (size_t k = 0; k < ARRAY_LEN(classes); k++) {
            add_sample("answers_total", &s->places[i], out);
            buf_addf(out, ",status=\"%s\"} %" PRIu64 "\n", classes[k], s->places[i].answers[k]);
        }
    buf_add_text(out, "# HELP weir_upstream_attempts_failed_total Attempts that had no answer, or "
                      "not to its end.\n"
                      "# TYPE weir_upstream_attempts_failed_total counter\n");
    for (size_t i = 0; i < s->used; i++) {
        add_sample("attempts_failed_total", &s->places[i], out);
        buf_addf(out, "} %" PRIu64 "\n", s->places[i].failures);
    }
    buf_add_text(out, "# HELP weir_upstream_head_seconds From the beginning of a call to the head "
                      "of an upstream's answer.\n"
                      "# TYPE weir_upstream_head_seconds histogram\n");
    for (size_t i = 0; i < s->used; i++)
        add_histogram(&s->places[i], out);
}

void upstream_stats_metrics(const struct upstream_stats *first, size_t count, size_t stride,
                            struct buf *out)
{
    struct upstream_stats *sum = mem_calloc(1, sizeof(*sum));
    const char *at = (const char *)first;

    for (size_t i = 0; i < count; i++, at += stride) {
        const struct upstream_stats *one = (const void *)at;
        uint64_t used = __atomic_load_n(&one->used, __ATOMIC_ACQUIRE);
        for (size_t k = 0; k < used && k < UPSTREAM_STATS_MAX; k++)
            add_place(sum, &one->places[k]);
    }
    if (sum->used)
        print(sum, out);
    free(sum);
}
