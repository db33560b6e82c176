/* The engine against a plain sum over the very exchanges the ledgers were made of: random calls,
 * random questions, one to four threads; and ledgers that are damaged, old, empty or odd. */
#include "config.h"

#include "analyze/engine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyze/spend.h"
#include "base/file.h"
#include "capture/chain.h"
#include "capture/parquet.h"
#include "tests/check_main.h"
#include "tests/engine_sample.h"
#include "tests/temp_folder.h"

static const char *const models[] = { "plain",   "long",        "fraction", "dated",
                                      "nightly", "output-only", "unheard",  "" };
static const char *const apps[] = { "", "bot", "search", "mail" };
static const char *const teams[] = { "", "cx", "research" };
static const char *const tiers[] = { "", "flex", "priority" };
static const char *const users[] = { "", "u1", "u2", "u3", "u4" };

#define FIRST_US INT64_C(1790812800000000) /* 2026-10-01 */
#define CALLS    400u

static struct price_book *book;
static struct err err;
static struct exchange calls[CALLS];
static uint64_t seed;

static uint64_t pick(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % n;
}

#define PICK(list) str_from((list)[pick(ARRAY_LEN(list))])

/* What the next runs are asked beside what all are. */
static struct {
    uint32_t measures;
    const struct engine_whatif *whatif;
    bool show_rows;
    int64_t shown_requests;
    i128 shown_pusd;
} also;

static void set_up(void)
{
    memset(&also, 0, sizeof(also));
    temp_folder_make();
    const char *path = temp_path("book.yaml");
    ck_assert_int_eq(file_replace(path, str_from(book_text), 0600, &err), 0);
    book = NULL;
    ck_assert_msg(price_book_load(&book, path, &err) == 0, "%s", err.text);
}

static void tear_down(void)
{
    price_book_free(book);
    temp_folder_remove();
}

/* --- random calls --- */

static void some_usage(struct usage *u)
{
    int64_t input = (int64_t)pick(pick(4) ? 1500 : 4000);

    *u = (struct usage){ 0 };
    if (pick(20))
        usage_set(u, USAGE_INPUT, input);
    if (pick(10))
        usage_set(u, USAGE_OUTPUT, (int64_t)pick(900));
    if (pick(3) == 0)
        usage_set(u, USAGE_CACHED_INPUT, (int64_t)pick((uint64_t)input / 2 + 1));
    if (pick(5) == 0) {
        usage_set(u, USAGE_CACHE_WRITE, (int64_t)pick((uint64_t)input / 3 + 1));
        usage_set(u, USAGE_CACHE_WRITE_1H, u->n[USAGE_CACHE_WRITE] / (int64_t)(1 + pick(3)));
    }
    if (pick(4) == 0)
        usage_set(u, USAGE_REASONING, u->n[USAGE_OUTPUT] / (int64_t)(1 + pick(4)));
    if (pick(30) == 0)
        usage_set(u, USAGE_WEB_SEARCHES, (int64_t)pick(4));
    if (pick(40) == 0)
        usage_set(u, USAGE_CACHED_INPUT, input + 100); /* parts beyond their whole */
    if (pick(50) == 0)
        usage_set(u, USAGE_REASONING, 5000);
    if (pick(50) == 0)
        usage_set(u, USAGE_INPUT_AUDIO, (int64_t)pick(200));
}

static void some_call(struct exchange *x)
{
    struct call_facts *f = &x->facts;

    *x = (struct exchange){ .started_us = FIRST_US + (int64_t)pick(3 * 86400) * US_PER_SECOND,
                            .writer = STR("w0"),
                            .origin = STR("proxy"),
                            .status = pick(8) ? 200 : 429,
                            .path = STR("/v1/chat/completions"),
                            .request_us = -1,
                            .head_us = -1,
                            .first_token_us = pick(3) ? (int64_t)pick(1000000) : -1,
                            .end_us = pick(9) ? (int64_t)pick(90000000) : -1,
                            .requests = pick(30) ? 1 : (int64_t)pick(5) };
    x->who.app = PICK(apps);
    x->who.team = PICK(teams);
    x->who.end_user = PICK(users);
    f->provider = pick(9) ? PROVIDER_OPENAI : PROVIDER_COMPATIBLE;
    f->api = API_CHAT;
    f->recognised_by = "host";
    f->billable = x->status == 200 || pick(9) == 0;
    f->error_class = x->status == 200 ? ERROR_CLASS_NONE : ERROR_CLASS_RATE_LIMITED;
    f->service_tier = PICK(tiers);
    f->model = PICK(models);
    f->usage_source = (enum usage_source)pick(USAGE_SOURCE_COUNT);
    f->part_count = pick(12) ? pick(20) ? 1 : 0 : 2;
    for (size_t i = 0; i < f->part_count; i++) {
        f->parts[i].model = PICK(models);
        some_usage(&f->parts[i].usage);
    }
    f->has_reported_cost = pick(15) == 0;
    f->reported_cost_pusd = (int64_t)pick(9) ? (int64_t)pick(1u << 30) : PUSD_PER_USD * 100;
    f->reported_cost_field = pick(2) ? "usage.cost" : "x-litellm-response-cost";
}

/* Files of the calls [from, to) each, in folders of no particular day. */
static void write_file(const char *path, const struct exchange *xs, size_t count)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = NULL;

    ck_assert_msg(ledger_create(path, &w, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < count; i++)
        for (size_t part = 0; part < ledger_rows(&xs[i]); part++) {
            struct parquet_cell cells[LEDGER_COLUMN_COUNT];
            ledger_cells(&xs[i], part, -1, &scratch, cells);
            ck_assert_msg(parquet_add_row(w, cells, &err) == 0, "%s", err.text);
        }
    ck_assert_msg(parquet_finish(w, &err) == 0, "%s", err.text);
}

static void write_files(size_t files, struct ledgers *ret)
{
    size_t at = 0;

    for (size_t i = 0; i < files; i++) {
        size_t end = i + 1 == files ? CALLS : at + pick(CALLS - at + 1);
        char name[32];
        snprintf(name, sizeof(name), "%zu.parquet", i);
        write_file(temp_path(name), calls + at, end - at);
        at = end;
    }
    ck_assert_msg(ledgers_add_path(ret, temp_folder, INT64_MIN, INT64_MAX, &err) == 0, "%s",
                  err.text);
}

/* --- the plain sum --- */

/* Filters, in both languages. */
static bool is_bot(const struct exchange *x, size_t part)
{
    (void)part;
    return str_eq(x->who.app, STR("bot"));
}
static bool is_error_or_mail(const struct exchange *x, size_t part)
{
    (void)part;
    return x->status >= 400 || str_eq(x->who.app, STR("mail"));
}
static bool is_not_long_or_cx(const struct exchange *x, size_t part)
{
    struct str model = part < x->facts.part_count && x->facts.parts[part].model.len
                           ? x->facts.parts[part].model
                           : x->facts.model;
    return !(str_eq(model, STR("long")) || str_eq(x->who.team, STR("cx")));
}
static bool is_second_day(const struct exchange *x, size_t part)
{
    (void)part;
    return x->started_us >= FIRST_US + US_PER_DAY && x->started_us < FIRST_US + 2 * US_PER_DAY;
}
static bool has_much_input(const struct exchange *x, size_t part)
{
    return part < x->facts.part_count && x->facts.parts[part].usage.n[USAGE_INPUT] > 1000;
}
static bool is_nothing(const struct exchange *x, size_t part)
{
    (void)x, (void)part;
    return false;
}

static const struct filter {
    const char *text;
    bool (*holds)(const struct exchange *x, size_t part);
} filters[] = {
    {NULL,                                      NULL             },
    { "app = 'bot'",                            is_bot           },
    { "status >= 400 or app ~ 'm*'",            is_error_or_mail },
    { "not (model = 'long' or team in ('cx'))", is_not_long_or_cx},
    { "started_at in '2026-10-02'",             is_second_day    },
    { "input_tokens > 1000",                    has_much_input   },
    { "app = 'nobody'",                         is_nothing       },
    { "status = 404 and app is not null",       is_nothing       },
};

static const char *const questions[] = { "",       "app",        "team,model",
                                         "day",    "day,status", "app,end_user,model,service_tier",
                                         "stream", "hour,app",   "app,team" };

/* A row by the texts of its dimensions. */
struct want {
    struct engine_sums sums;
    int64_t errors, durations, first_tokens;
    uint32_t users; /* bit per users[] */
    int64_t first_us, last_us;
};

struct oracle {
    struct map groups;
    VEC(struct want) rows;
    struct engine_sums totals, unattributed;
    int64_t flagged[PRICE_FLAG_COUNT];
};

static struct str model_of(const struct exchange *x, size_t part)
{
    bool has = part < x->facts.part_count && x->facts.parts[part].model.len > 0;

    return has ? x->facts.parts[part].model : x->facts.model;
}

static void add_value(const struct exchange *x, size_t part, struct str name, struct buf *key)
{
    char text[TIMESTAMP_TEXT_BYTES];

    if (str_eq(name, STR("app")))
        buf_add_str(key, x->who.app);
    else if (str_eq(name, STR("team")))
        buf_add_str(key, x->who.team);
    else if (str_eq(name, STR("model")))
        buf_add_str(key, model_of(x, part));
    else if (str_eq(name, STR("end_user")))
        buf_add_str(key, x->who.end_user);
    else if (str_eq(name, STR("service_tier")))
        buf_add_str(key, x->facts.service_tier);
    else if (str_eq(name, STR("status")))
        buf_addf(key, "%d", x->status);
    else if (str_eq(name, STR("stream")))
        buf_add_text(key, x->facts.stream ? "true" : "false");
    else if (str_eq(name, STR("day")))
        buf_add_text(key, timestamp_format_date(x->started_us, text));
    else if (str_eq(name, STR("hour")))
        buf_addf(key, "%sT%02dZ", timestamp_format_date(x->started_us, text),
                 civil_from_us(x->started_us).hour);
    buf_add_byte(key, '|');
}

static void plain_cost(struct oracle *o, const struct exchange *x, size_t part,
                       struct engine_sums *s)
{
    const struct call_facts *f = &x->facts;
    struct usage usage = { 0 };
    struct price_result price = { .status = PRICE_UNKNOWN_MODEL };
    struct price_query query = { .provider = f->provider,
                                 .model = model_of(x, part),
                                 .service_tier = f->service_tier,
                                 .at_us = x->started_us,
                                 .requests = x->requests > 0 ? x->requests : 1 };

    if (part < f->part_count)
        usage = f->parts[part].usage;
    s->input_tokens = usage.n[USAGE_INPUT];
    s->cached_input_tokens = usage.n[USAGE_CACHED_INPUT];
    s->cache_write_tokens = usage.n[USAGE_CACHE_WRITE];
    s->output_tokens = usage.n[USAGE_OUTPUT];
    s->reasoning_tokens = usage.n[USAGE_REASONING];
    if (usage.present)
        price_of(book, &query, &usage, &price);
    if (f->usage_source == USAGE_SOURCE_UNKNOWN ||
        (usage_has(&usage, USAGE_OUTPUT) && !usage_has(&usage, USAGE_INPUT)))
        s->unknown_requests = s->requests;
    bool estimate = call_cost_is_estimate(str_from(f->reported_cost_field));
    if (f->has_reported_cost && (!estimate || price.status != PRICE_OK)) {
        s->cost_pusd[estimate ? COST_GATEWAY : COST_REPORTED] =
            part == 0 ? f->reported_cost_pusd : 0;
        s->costed_requests = s->requests;
        return;
    }
    s->cost_pusd[f->usage_source == USAGE_SOURCE_ESTIMATED ? COST_ESTIMATED : COST_TABLE] =
        price.cost_pusd;
    s->unpriced_requests = usage.present && price.status != PRICE_OK ? s->requests : 0;
    s->costed_requests = price.status == PRICE_OK ? s->requests - s->unknown_requests : 0;
    for (size_t i = 0; i < PRICE_FLAG_COUNT; i++)
        o->flagged[i] += price.flags >> i & 1 ? s->requests : 0;
    if (price.status != PRICE_OK)
        return;
    struct usage fresh = usage;
    struct price_result without;
    static const enum usage_unit cache[] = { USAGE_CACHED_INPUT, USAGE_CACHE_WRITE,
                                             USAGE_CACHE_WRITE_1H };
    for (size_t i = 0; i < ARRAY_LEN(cache); i++) {
        fresh.present &= ~(1u << cache[i]);
        fresh.n[cache[i]] = 0;
    }
    price_of(book, &query, &fresh, &without);
    s->cache_savings_pusd = without.cost_pusd - price.cost_pusd;
}

static void plain_row(struct oracle *o, const struct exchange *x, size_t part, const char *by)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    struct engine_sums s = { .requests = part > 0 ? 0 : x->requests > 0 ? x->requests : 1 };
    struct str rest = str_from(*by ? by : NULL), name;
    bool is_new;

    while (str_split(&rest, ',', &name))
        add_value(x, part, name, &key);
    if (x->facts.billable)
        plain_cost(o, x, part, &s);
    struct map_entry *e = map_put(&o->groups, buf_str(&key), &is_new);
    if (is_new) {
        e->value = o->rows.len;
        vec_push(&o->rows, ((struct want){ .first_us = INT64_MAX, .last_us = INT64_MIN }));
    }
    struct want *w = &o->rows.ptr[e->value];
    engine_add_sums(&w->sums, &s);
    engine_add_sums(&o->totals, &s);
    if (x->who.app.len + x->who.team.len == 0)
        engine_add_sums(&o->unattributed, &s);
    w->errors += x->facts.error_class != ERROR_CLASS_NONE ? s.requests : 0;
    w->durations += part == 0 && x->end_us >= 0;
    w->first_tokens += part == 0 && x->first_token_us >= 0;
    for (size_t u = 1; u < ARRAY_LEN(users); u++)
        w->users |= str_eq(x->who.end_user, str_from(users[u])) ? 1u << u : 0;
    w->first_us = x->started_us < w->first_us ? x->started_us : w->first_us;
    w->last_us = x->started_us > w->last_us ? x->started_us : w->last_us;
}

static void plain_sum(const char *by, const struct filter *filter, struct oracle *o)
{
    for (size_t i = 0; i < CALLS; i++)
        for (size_t part = 0; part < ledger_rows(&calls[i]); part++)
            if (!filter->holds || filter->holds(&calls[i], part))
                plain_row(o, &calls[i], part, by);
}

static void oracle_release(struct oracle *o)
{
    map_release(&o->groups);
    vec_release(&o->rows);
}
DEFINE_CLEANUP_VALUE(struct oracle, oracle_release)

/* --- the engine --- */

struct run {
    struct where *where;
    struct dimension *dimensions[DIMENSIONS_MAX];
    size_t count;
    struct engine_result result;
};

static void run_release(struct run *r)
{
    engine_result_release(&r->result);
    where_free(r->where);
    for (size_t i = 0; i < r->count; i++)
        dimension_free(r->dimensions[i]);
}
DEFINE_CLEANUP_VALUE(struct run, run_release)

static int note_row(void *ctx, const struct engine_seen *seen, struct err *e)
{
    (void)ctx;
    (void)e;
    also.shown_requests += seen->sums->requests;
    also.shown_pusd += engine_cost(seen->sums);
    ck_assert(!block_is_null(seen->block, LEDGER_EXCHANGE_ID, seen->row));
    return 0;
}

static int try_run(struct run *r, const struct ledgers *ledgers, const char *by, const char *where,
                   unsigned threads)
{
    static const struct scan_columns columns = { .want = { [LEDGER_EXCHANGE_ID] = true } };
    struct str rest = str_from(*by ? by : NULL), name;

    *r = (struct run){ 0 };
    while (str_split(&rest, ',', &name))
        ck_assert_int_eq(dimension_new(name, NULL, &r->dimensions[r->count++], &err), 0);
    if (where)
        ck_assert_msg(where_parse(str_from(where), NULL, &r->where, &err) == 0, "%s", err.text);
    struct engine_query q = { .ledgers = ledgers,
                              .book = book,
                              .where = r->where,
                              .from_us = INT64_MIN,
                              .to_us = INT64_MAX,
                              .dimensions = r->dimensions,
                              .dimension_count = r->count,
                              .measures = ENGINE_MONEY | ENGINE_ERRORS | ENGINE_LATENCY |
                                          ENGINE_USERS | ENGINE_TIMES | also.measures,
                              .threads = threads,
                              .whatif = also.whatif,
                              .on_row = also.show_rows ? note_row : NULL,
                              .columns = also.show_rows ? &columns : NULL };

    also.shown_requests = 0;
    also.shown_pusd = 0;
    return engine_run(&q, &r->result, &err);
}

static void ck_sums(const struct engine_sums *got, const struct engine_sums *want, const char *what)
{
    char a[DECIMAL_TEXT_BYTES], b[DECIMAL_TEXT_BYTES];

    ck_assert_msg(got->requests == want->requests, "%s: %ld requests, not %ld", what,
                  (long)got->requests, (long)want->requests);
    ck_assert_int_eq(got->input_tokens, want->input_tokens);
    ck_assert_int_eq(got->cached_input_tokens, want->cached_input_tokens);
    ck_assert_int_eq(got->cache_write_tokens, want->cache_write_tokens);
    ck_assert_int_eq(got->output_tokens, want->output_tokens);
    ck_assert_int_eq(got->reasoning_tokens, want->reasoning_tokens);
    ck_assert_int_eq(got->unknown_requests, want->unknown_requests);
    ck_assert_int_eq(got->unpriced_requests, want->unpriced_requests);
    ck_assert_int_eq(got->costed_requests, want->costed_requests);
    for (size_t i = 0; i < COST_SOURCE_COUNT; i++)
        ck_assert_msg(got->cost_pusd[i] == want->cost_pusd[i], "%s: cost %zu is %s, not %s", what,
                      i, decimal_format(got->cost_pusd[i], PUSD_SCALE, a),
                      decimal_format(want->cost_pusd[i], PUSD_SCALE, b));
    ck_assert_msg(got->cache_savings_pusd == want->cache_savings_pusd, "%s: savings %s, not %s",
                  what, decimal_format(got->cache_savings_pusd, PUSD_SCALE, a),
                  decimal_format(want->cache_savings_pusd, PUSD_SCALE, b));
}

/* The charges come to the cost of each source, and each is what its price says but for rounding. */
static void ck_charges(const struct engine_row *row)
{
    i128 sums[COST_SOURCE_COUNT] = { 0 };

    for (size_t i = 0; i < row->detail->charges.len; i++) {
        const struct engine_charge *c = &row->detail->charges.ptr[i];
        i128 off = c->cost_pusd - decimal_round((i128)c->n * c->unit_yusd, PUSD_SCALE);
        sums[c->source] += c->cost_pusd;
        ck_assert(c->n > 0 || c->unit == ENGINE_CHARGE_WHOLE);
        ck_assert(c->unit == ENGINE_CHARGE_WHOLE || c->unit_yusd <= c->list_yusd);
        ck_assert_msg(c->unit == ENGINE_CHARGE_WHOLE || (off <= CALLS && off >= -(i128)CALLS),
                      "unit %d is off by %ld", c->unit, (long)off);
    }
    for (size_t i = 0; i < COST_SOURCE_COUNT; i++)
        ck_assert(sums[i] == row->sums.cost_pusd[i]);
}

/* Whether calls were priced by rates or one by one. */
static void ck_same_charges(const struct engine_result *a, const struct engine_result *b)
{
    for (size_t i = 0; i < a->rows.len; i++) {
        const struct engine_detail *x = a->rows.ptr[i].detail, *y = b->rows.ptr[i].detail;
        ck_assert_uint_eq(x->charges.len, y->charges.len);
        for (size_t k = 0; k < x->charges.len; k++) {
            const struct engine_charge *c = &x->charges.ptr[k], *d = &y->charges.ptr[k];
            ck_assert(c->source == d->source && c->unit == d->unit && c->n == d->n);
            ck_assert(c->list_yusd == d->list_yusd && c->unit_yusd == d->unit_yusd &&
                      c->cost_pusd == d->cost_pusd);
        }
    }
}

static void ck_same(const struct run *r, const char *by, const struct oracle *o)
{
    if (also.show_rows) {
        ck_assert_int_eq(also.shown_requests, o->totals.requests);
        ck_assert(also.shown_pusd == engine_cost(&o->totals));
    }
    ck_sums(&r->result.totals, &o->totals, "totals");
    ck_sums(&r->result.unattributed, &o->unattributed, "unattributed");
    for (size_t i = 0; i < PRICE_FLAG_COUNT; i++)
        ck_assert_msg(r->result.flagged[i] == o->flagged[i], "flag %zu: %ld requests, not %ld", i,
                      (long)r->result.flagged[i], (long)o->flagged[i]);
    ck_assert_uint_eq(r->result.rows.len, o->rows.len);
    for (size_t i = 0; i < r->result.rows.len; i++) {
        CLEANUP(buf_release) struct buf key = { 0 };
        const struct engine_row *row = &r->result.rows.ptr[i];
        for (size_t d = 0; d < r->count; d++) {
            struct str value = dimension_value(r->dimensions[d], row->codes[d]);
            if (str_starts_with(str_from(by), STR("hour")) && d == 0)
                buf_addf(&key, "%.*sZ|", STR_ARG(str_sub(value, 0, 13)));
            else
                buf_addf(&key, "%.*s|", STR_ARG(value));
        }
        const struct map_entry *e = map_find(&o->groups, buf_str(&key));
        ck_assert_msg(e != NULL, "%s: nobody has it", buf_cstr(&key));
        const struct want *w = &o->rows.ptr[e->value];
        ck_sums(&row->sums, &w->sums, buf_cstr(&key));
        if (also.measures & ENGINE_CHARGES)
            ck_charges(row);
        ck_assert_int_eq(row->detail->errors[ERROR_CLASS_RATE_LIMITED], w->errors);
        ck_assert_uint_eq(row->detail->duration_us.total, (uint64_t)w->durations);
        ck_assert_uint_eq(row->detail->first_token_us.total, (uint64_t)w->first_tokens);
        ck_assert_uint_eq(distinct_count(&row->detail->users),
                          (uint64_t)__builtin_popcount(w->users));
        ck_assert_int_eq(row->detail->first_us, w->first_us);
        ck_assert_int_eq(row->detail->last_us, w->last_us);
    }
}

/* Seeds 1 to 40. */
START_TEST(every_number_is_that_of_a_plain_sum)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };

    seed = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < CALLS; i++)
        some_call(&calls[i]);
    write_files(1 + pick(6), &ledgers);
    for (size_t q = 0; q < ARRAY_LEN(questions); q++) {
        CLEANUP(oracle_release) struct oracle o = { 0 };
        CLEANUP(run_release) struct run r = { 0 };
        const struct filter *filter = &filters[pick(ARRAY_LEN(filters))];
        plain_sum(questions[q], filter, &o);
        also.measures = pick(2) ? ENGINE_CHARGES : 0;
        also.show_rows = pick(4) == 0;
        ck_assert_msg(try_run(&r, &ledgers, questions[q], filter->text, 1 + (unsigned)pick(4)) == 0,
                      "%s", err.text);
        ck_same(&r, questions[q], &o);
        if (!(also.measures & ENGINE_CHARGES))
            continue;
        CLEANUP(run_release) struct run other = { 0 };
        also.show_rows = !also.show_rows;
        ck_assert_int_eq(try_run(&other, &ledgers, questions[q], filter->text, 1), 0);
        ck_same_charges(&r.result, &other.result);
    }
}
END_TEST

/* Seeds 1 to 10: the ledgers say "dated", the sum is over calls to "long". */
START_TEST(usage_is_priced_as_that_of_another_model)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(oracle_release) struct oracle o = { 0 };
    CLEANUP(run_release) struct run r = { 0 };
    const struct engine_swap swap = { .from = STR("dated"), .to = STR("long") };
    const struct engine_whatif whatif = {
        .swaps = &swap, .swap_count = 1, .tier = STR("priority"), .tokens_micro = 1000000
    };

    seed = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < CALLS; i++) {
        some_call(&calls[i]);
        calls[i].facts.part_count = calls[i].facts.part_count > 0;
    }
    write_files(3, &ledgers);
    for (size_t i = 0; i < CALLS; i++)
        if (str_eq(model_of(&calls[i], 0), STR("dated"))) {
            calls[i].facts.parts[0].model = calls[i].facts.model = STR("long");
            calls[i].facts.service_tier = STR("priority");
            calls[i].facts.has_reported_cost = false;
        }
    plain_sum("app", &filters[0], &o);
    also.measures = pick(2) ? ENGINE_CHARGES : 0;
    also.whatif = &whatif;
    ck_assert_msg(try_run(&r, &ledgers, "app", NULL, 2) == 0, "%s", err.text);
    ck_same(&r, "app", &o);
}
END_TEST

/* --- odd ledgers --- */

static void few_calls(void)
{
    seed = 77;
    for (size_t i = 0; i < CALLS; i++)
        some_call(&calls[i]);
}

START_TEST(a_flipped_byte_is_named_or_changes_nothing)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(run_release) struct run whole = { 0 };
    const char *path = temp_path("a.parquet");
    size_t refused = 0, tried = 0;

    few_calls();
    write_file(path, calls, CALLS);
    ck_assert_int_eq(ledgers_add_path(&ledgers, path, INT64_MIN, INT64_MAX, &err), 0);
    ck_assert_int_eq(try_run(&whole, &ledgers, "app", NULL, 1), 0);
    ck_assert_int_eq(file_read(path, 1u << 24, &bytes, &err), 0);
    for (size_t at = (size_t)_i; at < bytes.len; at += 97, tried++) {
        CLEANUP(run_release) struct run r = { 0 };
        bytes.ptr[at] ^= 0x10;
        ck_assert_int_eq(file_replace(path, buf_str(&bytes), 0600, &err), 0);
        bytes.ptr[at] ^= 0x10;
        if (try_run(&r, &ledgers, "app", NULL, 2) < 0) {
            refused++;
            ck_assert_msg(strstr(err.text, "a.parquet") != NULL, "%s", err.text);
        } else {
            ck_sums(&r.result.totals, &whole.result.totals, "flipped");
        }
    }
    ck_assert_uint_gt(refused, tried / 3); /* the rest lies in columns nobody asked for */
}
END_TEST

START_TEST(a_missing_file_is_an_error_that_names_it)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(run_release) struct run r = { 0 };
    const char *path = temp_path("gone.parquet");

    ck_assert_int_eq(ledgers_add_path(&ledgers, path, INT64_MIN, INT64_MAX, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "gone.parquet"));
    few_calls();
    write_file(path, calls, 3);
    ck_assert_int_eq(ledgers_add_path(&ledgers, path, INT64_MIN, INT64_MAX, &err), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(try_run(&r, &ledgers, "app", NULL, 2), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "gone.parquet"));
}
END_TEST

/* The chain lists a ledger: a smaller sum would be a lie. */
START_TEST(an_archive_without_a_ledger_its_chain_lists_is_an_error)
{
    CLEANUP(archive_close) struct archive *a = NULL;
    CLEANUP(buf_release) struct buf lines = { 0 };
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    struct chain chain = { 0 };
    struct chain_line line = { .kind = CHAIN_SEGMENT,
                               .id = STR("0190f000-0000-7000-8000-00000000000a"),
                               .date = STR("2026-10-01"),
                               .writer = STR("w0"),
                               .first_sequence = 1,
                               .last_sequence = 1,
                               .exchanges = 1,
                               .rows = 1,
                               .writer_exchanges = 1 };

    ck_assert_int_eq(archive_open(temp_path("archive"), true, &a, &err), 0);
    chain_format(&chain, &line, &lines);
    ck_assert_int_eq(file_replace(temp_path("archive/chain"), buf_str(&lines), 0600, &err), 0);
    ck_assert_int_eq(ledgers_add_archive(&ledgers, a, INT64_MIN, INT64_MAX, &err), -1);
    ck_assert_msg(strstr(err.text, "0190f000") && strstr(err.text, "missing"), "%s", err.text);
    /* Another month does not need it. */
    ck_assert_int_eq(ledgers_add_archive(&ledgers, a, FIRST_US + 2 * US_PER_DAY, INT64_MAX, &err),
                     0);
    line = (struct chain_line){ .kind = CHAIN_PRUNE_LEDGER,
                                .id = STR("0190f000-0000-7000-8000-00000000000a"),
                                .time = STR("2026-11-01T00:00:00Z") };
    chain_format(&chain, &line, &lines);
    ck_assert_int_eq(file_replace(temp_path("archive/chain"), buf_str(&lines), 0600, &err), 0);
    ck_assert_int_eq(ledgers_add_archive(&ledgers, a, INT64_MIN, INT64_MAX, &err), 0);
}
END_TEST

/* A ledger without the columns that came later, beside one with them. */
static void write_old(const char *path, const struct exchange *xs, size_t count)
{
    static const enum ledger_column later[] = { LEDGER_VARIANT,
                                                LEDGER_GEO,
                                                LEDGER_END_USER,
                                                LEDGER_ATTEMPTS,
                                                LEDGER_FALLBACK,
                                                LEDGER_FIRST_MODEL,
                                                LEDGER_ADDED_US,
                                                LEDGER_USAGE + USAGE_CACHE_WRITE_1H,
                                                LEDGER_USAGE + USAGE_WEB_SEARCHES };
    struct parquet_column columns[LEDGER_COLUMN_COUNT];
    struct parquet_cell all[LEDGER_COLUMN_COUNT], cells[LEDGER_COLUMN_COUNT];
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = NULL;
    size_t map[LEDGER_COLUMN_COUNT], kept = 0;

    for (size_t c = LEDGER_COLUMN_COUNT; c-- > 0;) { /* in another order, too */
        bool is_later = false;
        for (size_t i = 0; i < ARRAY_LEN(later); i++)
            is_later |= later[i] == (enum ledger_column)c;
        if (is_later)
            continue;
        map[kept] = c;
        columns[kept++] = ledger_columns()[c];
    }
    ck_assert_int_eq(parquet_create(path, columns, kept, &w, &err), 0);
    for (size_t i = 0; i < count; i++) {
        ledger_cells(&xs[i], 0, -1, &scratch, all);
        for (size_t c = 0; c < kept; c++)
            cells[c] = all[map[c]];
        ck_assert_int_eq(parquet_add_row(w, cells, &err), 0);
    }
    ck_assert_int_eq(parquet_finish(w, &err), 0);
}

static struct exchange a_call(void)
{
    struct exchange x = { .started_us = FIRST_US,
                          .writer = STR("w0"),
                          .origin = STR("proxy"),
                          .status = 200,
                          .request_us = -1,
                          .head_us = -1,
                          .first_token_us = -1,
                          .end_us = 1000 };

    x.who.app = STR("bot");
    x.facts.provider = PROVIDER_OPENAI;
    x.facts.api = API_CHAT;
    x.facts.recognised_by = "host";
    x.facts.billable = true;
    x.facts.model = STR("plain");
    x.facts.part_count = 1;
    usage_set(&x.facts.parts[0].usage, USAGE_INPUT, 1000);
    usage_set(&x.facts.parts[0].usage, USAGE_OUTPUT, 100);
    return x;
}
#define A_CALL_PUSD (INT64_C(1000) * 2500000 + INT64_C(100) * 10000000)

START_TEST(ledgers_of_two_schemas_add_up)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(run_release) struct run r = { 0 };
    struct exchange x = a_call();

    write_old(temp_path("a.parquet"), &x, 1);
    x.who.end_user = STR("u1");
    write_file(temp_path("b.parquet"), &x, 1);
    ck_assert_int_eq(ledgers_add_path(&ledgers, temp_folder, INT64_MIN, INT64_MAX, &err), 0);
    ck_assert_msg(try_run(&r, &ledgers, "end_user", NULL, 2) == 0, "%s", err.text);
    ck_assert_uint_eq(r.result.rows.len, 2);
    ck_assert_int_eq(r.result.totals.requests, 2);
    ck_assert(engine_cost(&r.result.totals) == 2 * A_CALL_PUSD);
}
END_TEST

START_TEST(an_empty_month_and_a_single_row_are_just_that)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    struct exchange x = a_call();

    write_file(temp_path("empty.parquet"), &x, 0);
    write_file(temp_path("one.parquet"), &x, 1);
    ck_assert_int_eq(ledgers_add_path(&ledgers, temp_folder, INT64_MIN, INT64_MAX, &err), 0);
    for (unsigned threads = 1; threads <= 3; threads++) {
        CLEANUP(run_release) struct run one = { 0 };
        CLEANUP(run_release) struct run none = { 0 };
        ck_assert_int_eq(try_run(&one, &ledgers, "app,model", NULL, threads), 0);
        ck_assert_uint_eq(one.result.rows.len, 1);
        ck_assert(engine_cost(&one.result.totals) == A_CALL_PUSD);
        ck_assert_int_eq(try_run(&none, &ledgers, "app", "started_at in '2026-11'", threads), 0);
        ck_assert_uint_eq(none.result.rows.len, 0);
        ck_assert_int_eq(none.result.totals.requests, 0);
        ck_assert_uint_eq(none.result.groups_read, 0); /* the statistics were enough */
    }
}
END_TEST

/* In Berlin the clock goes back on 2026-10-25 at 01:00 UTC: a day of 25 hours, an hour twice. */
START_TEST(a_month_at_a_clock_change_has_a_day_of_25_hours)
{
    enum { HOURS = 48 };
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(tz_close) struct tz *tz = NULL;
    struct exchange xs[HOURS];
    int64_t start_us = 0;

    if (tz_open(STR("Europe/Berlin"), &tz, &err) < 0) {
        printf("skipped: no time zone database: %s\n", err.text);
        return;
    }
    ck_assert(timestamp_parse(STR("2026-10-24T22:00:00Z"), &start_us));
    for (int64_t i = 0; i < HOURS; i++) {
        xs[i] = a_call();
        xs[i].started_us = start_us + i * 3600 * US_PER_SECOND + 1;
    }
    write_file(temp_path("a.parquet"), xs, HOURS);
    ck_assert_int_eq(ledgers_add_path(&ledgers, temp_folder, INT64_MIN, INT64_MAX, &err), 0);
    static const struct {
        const char *bucket, *value;
        size_t rows;
        int64_t requests;
    } want[] = {
        {"day",    "2026-10-25",             2,     25   },
        { "hour",  "2026-10-25T02:00+02:00", HOURS, 1    },
        { "hour",  "2026-10-25T02:00+01:00", HOURS, 1    },
        { "week",  "2026-W43",               2,     25   },
        { "month", "2026-10",                1,     HOURS},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        CLEANUP(dimension_free) struct dimension *d = NULL;
        CLEANUP(engine_result_release) struct engine_result r = { 0 };
        struct str value = str_from(want[i].value);
        ck_assert_int_eq(dimension_new(str_from(want[i].bucket), tz, &d, &err), 0);
        struct engine_query q = { .ledgers = &ledgers,
                                  .from_us = INT64_MIN,
                                  .to_us = INT64_MAX,
                                  .dimensions = &d,
                                  .dimension_count = 1,
                                  .threads = 2 };
        ck_assert_int_eq(engine_run(&q, &r, &err), 0);
        ck_assert_uint_eq(r.rows.len, want[i].rows);
        const struct engine_row *row = engine_find(&r, &value);
        ck_assert_msg(row && row->sums.requests == want[i].requests, "%s", want[i].value);
    }
}
END_TEST

/* Three row groups, whose dictionaries are too large to be any. */
START_TEST(three_hundred_thousand_models_are_three_hundred_thousand_rows)
{
    enum { MODELS = 300000 };
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(run_release) struct run r = { 0 };
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = NULL;
    struct exchange x = a_call();
    char name[32];

    ck_assert_int_eq(ledger_create(temp_path("a.parquet"), &w, &err), 0);
    for (int i = 0; i < MODELS; i++) {
        struct parquet_cell cells[LEDGER_COLUMN_COUNT];
        snprintf(name, sizeof(name), "model-%06d", i);
        x.facts.model = str_from(name);
        arena_reset(&scratch);
        ledger_cells(&x, 0, -1, &scratch, cells);
        ck_assert_int_eq(parquet_add_row(w, cells, &err), 0);
    }
    ck_assert_int_eq(parquet_finish(w, &err), 0);
    ck_assert_int_eq(ledgers_add_path(&ledgers, temp_folder, INT64_MIN, INT64_MAX, &err), 0);
    ck_assert_msg(try_run(&r, &ledgers, "model", NULL, 2) == 0, "%s", err.text);
    ck_assert_uint_eq(r.result.rows.len, MODELS);
    ck_assert_uint_eq(r.result.unpriced.len, MODELS);
    ck_assert_int_eq(r.result.totals.input_tokens, INT64_C(1000) * MODELS);
    for (size_t i = 0; i < MODELS; i += 1009) {
        snprintf(name, sizeof(name), "model-%06zu", i);
        ck_assert(str_eq(dimension_value(r.dimensions[0], r.result.rows.ptr[i].codes[0]),
                         str_from(name)));
        ck_assert_int_eq(r.result.rows.ptr[i].sums.unpriced_requests, 1);
    }
}
END_TEST

START_TEST(hive_folders_and_files_are_read_together)
{
    CLEANUP(ledgers_release) struct ledgers all = { 0 };
    CLEANUP(ledgers_release) struct ledgers some = { 0 };
    struct exchange x = a_call();

    ck_assert_int_eq(dir_make(temp_path("x/date=2026-10-01"), &err), 0);
    ck_assert_int_eq(dir_make(temp_path("x/date=2026-10-02/part=7"), &err), 0);
    write_file(temp_path("x/date=2026-10-01/a.parquet"), &x, 1);
    x.started_us++;
    write_file(temp_path("x/date=2026-10-02/part=7/b.parquet"), &x, 1);
    x.started_us++;
    write_file(temp_path("c.parquet"), &x, 1);
    ck_assert_int_eq(ledgers_add_path(&all, temp_path("x"), INT64_MIN, INT64_MAX, &err), 0);
    ck_assert_int_eq(ledgers_add_path(&all, temp_path("c.parquet"), INT64_MIN, INT64_MAX, &err), 0);
    ck_assert_uint_eq(all.paths.len, 3);
    ck_assert_int_eq(
        ledgers_add_path(&some, temp_path("x"), FIRST_US + US_PER_DAY, INT64_MAX, &err), 0);
    ck_assert_uint_eq(some.paths.len, 1);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, every_number_is_that_of_a_plain_sum, 1, 41);
    tcase_add_loop_test(tc, usage_is_priced_as_that_of_another_model, 1, 11);
    tcase_add_loop_test(tc, a_flipped_byte_is_named_or_changes_nothing, 0, 3);
    tcase_add_test(tc, a_missing_file_is_an_error_that_names_it);
    tcase_add_test(tc, an_archive_without_a_ledger_its_chain_lists_is_an_error);
    tcase_add_test(tc, ledgers_of_two_schemas_add_up);
    tcase_add_test(tc, an_empty_month_and_a_single_row_are_just_that);
    tcase_add_test(tc, a_month_at_a_clock_change_has_a_day_of_25_hours);
    tcase_add_test(tc, three_hundred_thousand_models_are_three_hundred_thousand_rows);
    tcase_add_test(tc, hive_folders_and_files_are_read_together);
}
CHECK_MAIN("analyze/engine", add_tests)
