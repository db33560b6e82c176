/* make_year FOLDER SEED [FAULT] - a made-up company's 2025 as ledgers, with prices.yaml beside
 * them.
 *
 * Seven apps of four teams, three models, a row an hour: weekdays and office hours, growth of an
 * app of its own, noise by the day and by the hour, a little that nobody owns, errors, latency; all
 * from the seed.  FAULT plants one of:
 *
 *     rise    team cx uses 35 % more from 2025-09-12 on
 *     drift   team data uses 2 % more each day of August
 *     short   everybody grows 0.65 % a day until the end of March: February has 28 days
 *     gap     nothing is recorded from 2025-06-17T09 to 2025-06-18T21
 *     price   acme-small costs ten times its price from 2025-05-10 to 2025-05-20
 *     slow    from 2025-11-10 on answers take three times as long, and five times as many calls
 *             fail
 *     burst   on 2025-11-03 sixty times as many calls fail, from 2025-11-10 on five times as many
 *     key     from 2025-10-06 on somebody calls with a key that nobody owns
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "capture/ledger.h"

#define DAYS        365
#define HOUR_US     (INT64_C(3600) * US_PER_SECOND)
#define FIRST_US    INT64_C(1735689600000000) /* 2025-01-01 */
#define MODEL_COUNT 3

enum fault {
    FAULT_NONE,
    FAULT_RISE,
    FAULT_DRIFT,
    FAULT_SHORT,
    FAULT_GAP,
    FAULT_PRICE,
    FAULT_KEY,
    FAULT_SLOW,
    FAULT_BURST,
};
static const char *const faults[] = { "none",  "rise", "drift", "short", "gap",
                                      "price", "key",  "slow",  "burst" };

/* Days of the year, from 0, on which they begin and end. */
#define RISE_DAY    (31 + 28 + 31 + 30 + 31 + 30 + 31 + 31 + 11)
#define DRIFT_FROM  (31 + 28 + 31 + 30 + 31 + 30 + 31)
#define DRIFT_TO    (DRIFT_FROM + 31)
#define SHORT_TO    (31 + 28 + 31)
#define GAP_FROM    ((31 + 28 + 31 + 30 + 31 + 16) * 24 + 9)
#define GAP_TO      (GAP_FROM + 36)
#define KEY_DAY     (31 + 28 + 31 + 30 + 31 + 30 + 31 + 31 + 30 + 5)
#define SLOW_DAY    (KEY_DAY + 26 + 9)
#define BURST_DAY   (SLOW_DAY - 7)
#define NOBODYS_KEY "00000000deadbeef"

static const struct app {
    const char *name, *team, *unit;
    double requests; /* of a busy hour */
    double weekend;  /* of a weekday */
    double tokens;   /* of a request */
    double noise;    /* of a day, ln */
    double share[MODEL_COUNT];
} apps[] = {
    {"support-bot",  "cx",     "sales", 900,  0.50, 1800, 0.06, { 0.7, 0.3, 0.0 }},
    { "mail-triage", "cx",     "sales", 500,  0.25, 1200, 0.09, { 0.0, 1.0, 0.0 }},
    { "site-search", "search", "sales", 1500, 0.80, 500,  0.05, { 0.0, 0.8, 0.2 }},
    { "ranker",      "search", "sales", 700,  0.80, 900,  0.07, { 0.3, 0.7, 0.0 }},
    { "reports",     "data",   "ops",   250,  0.05, 6000, 0.10, { 0.6, 0.0, 0.4 }},
    { "pipelines",   "data",   "ops",   300,  1.00, 4000, 0.08, { 0.0, 0.5, 0.5 }},
    { "hiring",      "hr",     "ops",   60,   0.02, 2500, 0.15, { 1.0, 0.0, 0.0 }},
    { "",            "",       "",      40,   0.50, 900,  0.20, { 0.0, 1.0, 0.0 }},
};
static const char *const models[MODEL_COUNT] = { "acme-large", "acme-small", "acme-mini" };

struct year {
    uint64_t state;
    enum fault fault;
    double growth[ARRAY_LEN(apps)]; /* a day */
    double noise[ARRAY_LEN(apps)];  /* of the day at hand */
    uint64_t sequence;
};

static double unit(struct year *y)
{
    y->state ^= y->state << 13;
    y->state ^= y->state >> 7;
    y->state ^= y->state << 17;
    return (double)(y->state >> 11) / 9007199254740992.0;
}

static double normal(struct year *y)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += unit(y);
    return sum;
}

/* --- how much --- */

static double by_hour(int hour)
{
    double x = (hour - 13) / 4.5;

    return 0.03 + 0.97 * exp(-x * x / 2);
}

static double by_fault(const struct year *y, const struct app *app, int day)
{
    if (y->fault == FAULT_RISE && day >= RISE_DAY && strcmp(app->team, "cx") == 0)
        return 1.35;
    if (y->fault == FAULT_DRIFT && day >= DRIFT_FROM && strcmp(app->team, "data") == 0)
        return pow(1.02, (day < DRIFT_TO ? day : DRIFT_TO) - DRIFT_FROM + 1);
    if (y->fault == FAULT_SHORT)
        return exp(0.0065 * (day < SHORT_TO ? day : SHORT_TO));
    return 1;
}

static int64_t requests_of(struct year *y, size_t a, int day, int hour)
{
    const struct app *app = &apps[a];
    int weekday = (day + 2) % 7; /* 2025-01-01 was a Wednesday; Monday = 0 */
    double n = app->requests * by_hour(hour) * (weekday >= 5 ? app->weekend : 1);

    n *= exp(y->growth[a] * day + y->noise[a] + 0.1 * normal(y)) * by_fault(y, app, day);
    return (int64_t)(n + unit(y));
}

/* --- rows --- */

static int add_row(struct parquet_writer *w, struct exchange *x, struct err *err)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];

    ledger_cells(x, 0, -1, &scratch, cells);
    return parquet_add_row(w, cells, err);
}

static void set_outcome(struct year *y, struct exchange *x, bool failed)
{
    struct call_facts *f = &x->facts;

    x->status = failed ? 429 : 200;
    f->error_class = failed ? ERROR_CLASS_RATE_LIMITED : ERROR_CLASS_NONE;
    f->billable = !failed;
    f->usage_source = failed ? USAGE_SOURCE_UNKNOWN : USAGE_SOURCE_REPORTED;
    f->part_count = !failed;
    x->request_us = 1000;
    x->head_us = 200000;
    double times =
        y->fault == FAULT_SLOW && x->started_us >= FIRST_US + SLOW_DAY * US_PER_DAY ? 3 : 1;
    x->first_token_us = failed ? -1 : (int64_t)(times * 400000 * exp(0.5 * normal(y)));
    x->end_us =
        failed ? 250000 : x->first_token_us + (int64_t)(times * 2500000 * exp(0.6 * normal(y)));
}

static int add_calls(struct year *y, struct parquet_writer *w, const struct app *app,
                     const char *model, const int64_t when[2], struct err *err)
{
    struct exchange x = { .started_us = when[0],
                          .requests = when[1],
                          .writer = STR("w0"),
                          .origin = STR("proxy"),
                          .sequence = ++y->sequence,
                          .path = STR("/v1/chat/completions") };
    uint8_t random[10] = { 0 };
    double tokens = (double)x.requests * app->tokens * exp(0.05 * normal(y));

    memcpy(random, &y->sequence, sizeof(y->sequence));
    x.id = uuid7_make((uint64_t)x.started_us, random);
    x.who = (struct exchange_who){ .app = str_from(app->name),
                                   .team = str_from(app->team),
                                   .business_unit = str_from(app->unit),
                                   .environment = STR("production") };
    x.key_id = app->name[0] ? STR("1111111111111111") : STR("2222222222222222");
    if (strcmp(app->team, "nobody") == 0) {
        x.who = (struct exchange_who){ 0 };
        x.key_id = STR(NOBODYS_KEY);
    }
    x.facts = (struct call_facts){
        .provider = PROVIDER_OPENAI, .api = API_CHAT, .recognised_by = "host", .stream = true
    };
    x.facts.model = x.facts.model_requested = x.facts.parts[0].model =
        model ? str_from(model) : STR("acme-small");
    set_outcome(y, &x, model == NULL);
    usage_set(&x.facts.parts[0].usage, USAGE_INPUT, (int64_t)tokens);
    usage_set(&x.facts.parts[0].usage, USAGE_OUTPUT, (int64_t)(tokens / 5));
    return add_row(w, &x, err);
}

/* model NULL: calls that failed.  One in a hundred does, in the hour after noon. */
static int add_failures(struct year *y, struct parquet_writer *w, size_t a, int day, int hour,
                        struct err *err)
{
    int64_t requests = requests_of(y, a, day, hour);
    int64_t when[2] = { FIRST_US + (day * 24 + hour) * HOUR_US, requests / 12 + 1 };

    if ((y->fault == FAULT_SLOW || y->fault == FAULT_BURST) && day >= SLOW_DAY)
        when[1] *= 5;
    if (y->fault == FAULT_BURST && day == BURST_DAY)
        when[1] *= 60;
    return hour == 13 ? add_calls(y, w, &apps[a], NULL, when, err) : 0;
}

static int add_hour(struct year *y, struct parquet_writer *w, int day, int hour, struct err *err)
{
    static const struct app stranger = { .name = "x", .team = "nobody", .tokens = 2000 };
    int at = day * 24 + hour;

    for (size_t a = 0; a < ARRAY_LEN(apps); a++) {
        int64_t requests = requests_of(y, a, day, hour);
        if (!(y->fault == FAULT_GAP && at >= GAP_FROM && at < GAP_TO) &&
            add_failures(y, w, a, day, hour, err) < 0)
            return -1;
        for (int m = 0; m < MODEL_COUNT; m++) {
            int64_t n = (int64_t)((double)requests * apps[a].share[m] + 0.5);
            int64_t when[2] = { FIRST_US + at * HOUR_US + (int64_t)(unit(y) * 3.5e9), n };
            if (n == 0 || (y->fault == FAULT_GAP && at >= GAP_FROM && at < GAP_TO))
                continue;
            if (add_calls(y, w, &apps[a], models[m], when, err) < 0)
                return -1;
        }
    }
    int64_t when[2] = { FIRST_US + at * HOUR_US, (int64_t)(900 * by_hour(hour)) };
    if (y->fault == FAULT_KEY && day >= KEY_DAY)
        return add_calls(y, w, &stranger, models[1], when, err);
    return 0;
}

static int write_day(struct year *y, const char *folder, int day, struct err *err)
{
    CLEANUP(parquet_abandon) struct parquet_writer *w = NULL;
    CLEANUP(buf_release) struct buf path = { 0 };
    char date[TIMESTAMP_TEXT_BYTES];

    timestamp_format_date(FIRST_US + day * US_PER_DAY, date);
    buf_addf(&path, "%s/ledger/date=%s", folder, date);
    if (dir_make(buf_cstr(&path), err) < 0)
        return -1;
    buf_add_text(&path, "/1.parquet");
    if (ledger_create(buf_cstr(&path), &w, err) < 0)
        return -1;
    for (size_t a = 0; a < ARRAY_LEN(apps); a++)
        y->noise[a] = apps[a].noise * normal(y);
    for (int hour = 0; hour < 24; hour++)
        if (add_hour(y, w, day, hour, err) < 0)
            return -1;
    return parquet_finish(TAKE(w), err);
}

/* --- prices --- */

static void add_entry(struct buf *out, const char *model, const char *prices)
{
    buf_addf(out, "  - id: %s\n    source: test\n    checked: 2025-01-01\n%s", model, prices);
}

static int write_prices(const char *folder, enum fault fault, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 }, path = { 0 };

    buf_add_text(&text, "format: weir-prices/1\nprovider: openai\nsources: {test: {title: made-up "
                        "prices, date: 2025-01-01}}\nentries:\n");
    add_entry(&text, "acme-large", "    per_million: {input: \"2.5\", output: \"10\"}\n");
    add_entry(&text, "acme-mini", "    per_million: {input: \"0.2\", output: \"0.8\"}\n");
    add_entry(
        &text, "acme-small",
        fault == FAULT_PRICE
            ? "    prices:\n"
              "      - per_million: {input: \"0.5\", output: \"2\"}\n"
              "      - from: 2025-05-10\n        per_million: {input: \"5\", output: \"20\"}\n"
              "      - from: 2025-05-20\n        per_million: {input: \"0.5\", output: \"2\"}\n"
            : "    per_million: {input: \"0.5\", output: \"2\"}\n");
    buf_addf(&path, "%s/prices.yaml", folder);
    return file_replace(buf_cstr(&path), buf_str(&text), 0600, err);
}

int main(int argc, char **argv)
{
    struct year y = { 0 };
    struct err err = { 0 };

    if (argc < 3) {
        fprintf(stderr, "usage: make_year FOLDER SEED [FAULT]\n");
        return 2;
    }
    for (size_t f = 0; argc > 3 && f < ARRAY_LEN(faults); f++)
        if (strcmp(argv[3], faults[f]) == 0)
            y.fault = (enum fault)f;
    y.state = (strtoull(argv[2], NULL, 10) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t a = 0; a < ARRAY_LEN(apps); a++)
        y.growth[a] = (0.03 * unit(&y) - 0.005) / 30;
    int r = dir_make(argv[1], &err);
    for (int day = 0; r == 0 && day < DAYS; day++)
        r = write_day(&y, argv[1], day, &err);
    if (r < 0 || write_prices(argv[1], y.fault, &err) < 0) {
        fprintf(stderr, "make_year: %s\n", err.text);
        return 1;
    }
    return 0;
}
