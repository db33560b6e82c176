#include "config.h"

#include "analyze/series.h"

#include <math.h>
#include <stdlib.h>

#include "analyze/season.h"

#define HOUR_US       (INT64_C(3600) * US_PER_SECOND)
#define DOUBT_MIN_USD 1.0          /* of a cell: less is left alone */
#define RATE_MAX      (1 / 1000.0) /* USD a token */
#define PUSD          1e12

static const char *const names[SERIES_NAMES] = {
    [SERIES_BUSINESS_UNIT] = "business_unit", [SERIES_TEAM] = "team",   [SERIES_APP] = "app",
    [SERIES_PROVIDER] = "provider",           [SERIES_MODEL] = "model",
};

const char *series_name(enum series_name name)
{
    return names[name];
}

struct str series_text(const struct series *s, enum series_name name, uint32_t code)
{
    return dimension_value(s->dimensions[1 + name], code);
}

bool series_find(const struct series *s, enum series_name name, struct str text, uint32_t *ret)
{
    return dimension_find(s->dimensions[1 + name], text, ret);
}

void series_sum_days(const struct series *s, enum series_name name, uint32_t code, i128 *ret)
{
    for (size_t i = 0; i < s->cells.len; i++) {
        const struct series_cell *c = &s->cells.ptr[i];
        if (name == SERIES_NAMES || c->codes[name] == code)
            ret[c->day] += c->pusd;
    }
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t series_day_of(const struct tz *tz, int64_t us)
{
    int64_t offset_us = tz ? tz_offset_at(tz, us) * US_PER_SECOND : 0;

    return floor_div(us + offset_us, US_PER_DAY);
}

/* --- cells --- */

static void add_cell(struct series *s, const struct engine_row *row)
{
    const struct engine_sums *sums = &row->sums;
    struct series_cell cell = { .requests = sums->requests,
                                .tokens = sums->input_tokens + sums->output_tokens,
                                .pusd = engine_cost(sums),
                                .estimated_pusd = sums->cost_pusd[COST_ESTIMATED] };
    int64_t us;

    if (!timestamp_parse(dimension_value(s->dimensions[0], row->codes[0]), &us))
        return; /* no row is without a time */
    cell.day = (uint32_t)(floor_div(us, US_PER_DAY) - s->first_day);
    for (size_t i = 0; i < SERIES_NAMES; i++)
        cell.codes[i] = row->codes[1 + i];
    if (cell.day < s->days)
        vec_push(&s->cells, cell);
}

static int read_cells(const struct engine_query *query, const struct tz *tz, struct series *s,
                      struct err *err)
{
    struct engine_query q = *query;

    if (dimension_new(STR("day"), tz, &s->dimensions[0], err) < 0)
        return -1;
    for (size_t i = 0; i < SERIES_NAMES; i++)
        if (dimension_new(str_from(names[i]), tz, &s->dimensions[1 + i], err) < 0)
            return -1;
    q.dimensions = s->dimensions;
    q.dimension_count = ARRAY_LEN(s->dimensions);
    q.measures = ENGINE_MONEY;
    if (engine_run(&q, &s->result, err) < 0)
        return -1;
    for (size_t i = 0; i < s->result.rows.len; i++)
        add_cell(s, &s->result.rows.ptr[i]);
    return 0;
}

/* --- days on which nothing, or not all, was recorded --- */

static void mark_unseen(struct series *s, const struct tz *tz, int64_t from_us, int64_t to_us)
{
    int64_t first = series_day_of(tz, from_us) - s->first_day;
    int64_t last = series_day_of(tz, to_us - 1) - s->first_day;

    for (int64_t day = first < 0 ? 0 : first; day <= last && day < (int64_t)s->days; day++)
        s->unseen[day] = 1;
}

static int count_hours(const struct engine_query *query, int64_t from_us, int64_t *requests,
                       size_t count, struct err *err)
{
    CLEANUP(engine_result_release) struct engine_result hours = { 0 };
    CLEANUP(dimension_free) struct dimension *hour = NULL;
    struct engine_query q = *query;
    int64_t us;

    if (dimension_new(STR("hour"), NULL, &hour, err) < 0)
        return -1;
    q.dimensions = &hour;
    q.dimension_count = 1;
    q.measures = 0;
    if (engine_run(&q, &hours, err) < 0)
        return -1;
    for (size_t i = 0; i < hours.rows.len; i++) {
        const struct engine_row *row = &hours.rows.ptr[i];
        if (!timestamp_parse(dimension_value(hour, row->codes[0]), &us) || us < from_us)
            continue;
        size_t at = (size_t)((us - from_us) / HOUR_US);
        if (at < count)
            requests[at] += row->sums.requests;
    }
    return 0;
}

/* The day of the first record is one of which not all was recorded. */
static void mark_beginning(struct series *s, const struct tz *tz, int64_t from_us,
                           const int64_t *requests, size_t count)
{
    size_t first = 0;

    while (first < count && requests[first] == 0)
        first++;
    if (first > 0)
        mark_unseen(s, tz, from_us,
                    from_us + (int64_t)(first < count ? first + 1 : first) * HOUR_US);
}

/* Whether the weeks before agree on what is usual; one of them may be odd itself.  Where one person
 * calls they do not, and silence says nothing. */
static bool is_regular(const int64_t *requests, const struct gap *g)
{
    int64_t least = INT64_MAX, second = INT64_MAX, most = 0;

    for (size_t week = 1; week <= GAPS_WEEKS; week++) {
        const int64_t *then = requests + GAPS_EARLIER + g->from - week * GAPS_WEEK_HOURS;
        int64_t sum = 0;
        for (size_t i = 0; i < g->hours; i++)
            sum += then[i];
        second = sum < least ? least : sum < second ? sum : second;
        least = sum < least ? sum : least;
        most = sum > most ? sum : most;
    }
    return second >= GAPS_EXPECTED_MIN && second >= most / 3;
}

static int read_hours(const struct engine_query *query, const struct tz *tz, struct series *s,
                      struct err *err)
{
    int64_t from_us = floor_div(query->from_us, HOUR_US) * HOUR_US;
    size_t count = (size_t)((query->to_us - from_us) / HOUR_US); /* the last one is not over */
    CLEANUP(gaps_release) struct gaps gaps = { 0 };
    int64_t *requests = mem_calloc(count + 1, sizeof(*requests));

    int r = count_hours(query, from_us, requests, count, err);
    if (r == 0) {
        mark_beginning(s, tz, from_us, requests, count);
        gaps_find(requests, count, &gaps);
    }
    for (size_t i = 0; i < gaps.list.len; i++) {
        const struct gap *g = &gaps.list.ptr[i];
        if (!is_regular(requests, g))
            continue;
        int64_t start_us = from_us + (int64_t)(g->from + GAPS_EARLIER) * HOUR_US;
        struct series_gap gap = { start_us, start_us + (int64_t)g->hours * HOUR_US, g->expected };
        mark_unseen(s, tz, gap.from_us, gap.to_us);
        vec_push(&s->gaps, gap);
    }
    free(requests);
    return r;
}

/* --- prices that cannot be right --- */

struct model_order {
    const struct series_cell *cells;
};

static int compare_models(const void *a, const void *b, void *ctx)
{
    const struct model_order *order = ctx;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const struct series_cell *x = &order->cells[i], *y = &order->cells[j];

    for (enum series_name n = SERIES_PROVIDER; n <= SERIES_MODEL; n++)
        if (x->codes[n] != y->codes[n])
            return x->codes[n] < y->codes[n] ? -1 : 1;
    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return i < j ? -1 : i > j;
}

static bool is_same_model(const struct series_cell *x, const struct series_cell *y)
{
    return x->codes[SERIES_PROVIDER] == y->codes[SERIES_PROVIDER] &&
           x->codes[SERIES_MODEL] == y->codes[SERIES_MODEL];
}

/* USD a token of the median day, 0 if there are too few. */
static double usual_rate(const struct series *s, const uint32_t *order, size_t count,
                         double *scratch)
{
    size_t days = 0;

    for (size_t i = 0; i < count;) {
        uint32_t day = s->cells.ptr[order[i]].day;
        double usd = 0, tokens = 0;
        for (; i < count && s->cells.ptr[order[i]].day == day; i++) {
            usd += (double)s->cells.ptr[order[i]].pusd / PUSD;
            tokens += (double)s->cells.ptr[order[i]].tokens;
        }
        if (usd > 0 && tokens > 0)
            scratch[days++] = usd / tokens;
    }
    return days < SERIES_RATE_DAYS ? 0 : season_median(scratch, days);
}

static void judge_cell(struct series_cell *c, double rate)
{
    double usd = (double)c->pusd / PUSD, usual = rate * (double)c->tokens;

    if (c->tokens <= 0 || (usd < DOUBT_MIN_USD && usual < DOUBT_MIN_USD))
        return;
    bool too_dear = usd > RATE_MAX * (double)c->tokens;
    bool rose = usual > 0 && usd > SERIES_RATE_UP * usual;
    bool fell = usual > 0 && usd > 0 && usd * SERIES_RATE_DOWN < usual;
    c->in_doubt = too_dear || rose || fell;
    c->usual_pusd = c->in_doubt ? (i128)(usual * PUSD) : 0;
}

static void find_doubts(struct series *s)
{
    struct model_order ctx = { s->cells.ptr };
    uint32_t *order = mem_calloc(s->cells.len + 1, sizeof(*order));
    double *scratch = mem_calloc(s->days + 1, sizeof(*scratch));

    for (uint32_t i = 0; i < s->cells.len; i++)
        order[i] = i;
    if (s->cells.len)
        qsort_r(order, s->cells.len, sizeof(*order), compare_models, &ctx);
    for (size_t from = 0, to; from < s->cells.len; from = to) {
        for (to = from + 1; to < s->cells.len; to++)
            if (!is_same_model(&s->cells.ptr[order[from]], &s->cells.ptr[order[to]]))
                break;
        double rate = usual_rate(s, order + from, to - from, scratch);
        for (size_t i = from; i < to; i++)
            judge_cell(&s->cells.ptr[order[i]], rate);
    }
    free(order);
    free(scratch);
}

int series_read(const struct engine_query *query, const struct tz *tz, struct series *ret,
                struct err *err)
{
    *ret = (struct series){ .first_day = series_day_of(tz, query->from_us) };
    ret->days = (size_t)(series_day_of(tz, query->to_us) - ret->first_day) + 1;
    ret->unseen = mem_calloc(ret->days, 1);
    if (read_cells(query, tz, ret, err) < 0 || read_hours(query, tz, ret, err) < 0)
        return -1;
    find_doubts(ret);
    return 0;
}

void series_release(struct series *s)
{
    vec_release(&s->cells);
    vec_release(&s->gaps);
    free(s->unseen);
    engine_result_release(&s->result);
    for (size_t i = 0; i < ARRAY_LEN(s->dimensions); i++)
        dimension_free(s->dimensions[i]);
    *s = (struct series){ 0 };
}
