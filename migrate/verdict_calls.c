/* Rows of ledgers to calls: which arm, which unit, what can be measured, what failed. */
#include "config.h"

#include <string.h>

#include "base/timestamp.h"
#include "capture/ledger_scan.h"
#include "capture/segment_read.h"
#include "llm/call.h"
#include "llm/provider.h"
#include "migrate/verdict_parts.h"

/* A gateway's own answers: Portkey's when a guardrail failed (246, though it looks like success,
 * and 446) and when a budget is used up (412).  Failures, whatever class they have. */
static const int gateway_statuses[] = { 246, 412, 446 };

/* What the caller brought upon itself is no failure of either arm; a 4xx is one, as a gateway that
 * does not know a model or a key answers so. */
static const bool is_own_fault[ERROR_CLASS_COUNT] = {
    [ERROR_CLASS_CONTENT_FILTER] = true,
    [ERROR_CLASS_CONTEXT_LENGTH] = true,
    [ERROR_CLASS_CLIENT_GONE] = true,
    [ERROR_CLASS_DENIED] = true,
};

/* What calls of any application end in when their provider is out of order. */
static const bool is_outage[ERROR_CLASS_COUNT] = {
    [ERROR_CLASS_TRANSPORT] = true,           [ERROR_CLASS_TIMEOUT_HEAD] = true,
    [ERROR_CLASS_TIMEOUT_FIRST_TOKEN] = true, [ERROR_CLASS_OVERLOADED] = true,
    [ERROR_CLASS_STATUS_5XX] = true,          [ERROR_CLASS_STREAM_ERROR_EVENT] = true,
    [ERROR_CLASS_STREAM_CUT] = true,          [ERROR_CLASS_STREAM_STALL] = true,
};

static const enum ledger_column plain_columns[] = {
    LEDGER_PART,           LEDGER_PARTS,          LEDGER_REQUESTS,     LEDGER_STARTED_AT,
    LEDGER_FIRST_TOKEN_US, LEDGER_END_US,         LEDGER_APP,          LEDGER_END_USER,
    LEDGER_KEY_ID,         LEDGER_CLIENT_ADDRESS, LEDGER_UPSTREAM,     LEDGER_ARM,
    LEDGER_STREAM,         LEDGER_FEATURES,       LEDGER_STATUS,       LEDGER_ERROR_CLASS,
    LEDGER_TRUNCATED,      LEDGER_USAGE_NOTE,     LEDGER_ATTEMPTS,     LEDGER_FIRST_UPSTREAM,
    LEDGER_CUTOVER_EPOCH,  LEDGER_CUTOVER_SHARE,  LEDGER_CUTOVER_UNIT,
};
#define PLAIN_COUNT (sizeof(plain_columns) / sizeof(plain_columns[0]))

static const enum ledger_column cost_columns[] = {
    LEDGER_PROVIDER, LEDGER_MODEL, LEDGER_SERVICE_TIER, LEDGER_GEO,
    LEDGER_VARIANT,  LEDGER_PATH,  LEDGER_BILLABLE,
};
#define COST_COUNT (sizeof(cost_columns) / sizeof(cost_columns[0]))

struct walk {
    const struct calls_wanted *wanted;
    struct map apps; /* name to index */
    struct map ways; /* likewise of wanted->direct */
    struct price_cache *prices;
    struct ledger_scan *scan;
    struct ledger_ref *ledger;
    struct parquet_scratch *scratch; /* of all scans */
    /* The call under way, whose rows have not all been seen. */
    struct call_seen call;
    struct arena strings;
    bool is_open;
    i128 cost_pusd;
    bool has_cost;
    /* What tools_fit said of the ledger's exchanges, by id, once one was asked for. */
    struct map fits;
    bool has_fits;
};

static struct str text(const struct walk *w, enum ledger_column c)
{
    return ledger_scan_str(w->scan, c);
}

static int64_t number(const struct walk *w, enum ledger_column c)
{
    return ledger_scan_int(w->scan, c);
}

static bool has(const struct walk *w, enum ledger_column c)
{
    return !ledger_scan_is_null(w->scan, c);
}

/* A word that we do not know is that of a newer weir: a failure. */
static enum error_class class_of(struct str name)
{
    for (int i = 0; name.len && i < ERROR_CLASS_COUNT; i++)
        if (str_eq(name, str_from(error_class_name((enum error_class)i))))
            return (enum error_class)i;
    return name.len ? ERROR_CLASS_TRANSPORT : ERROR_CLASS_NONE;
}

bool calls_have_upstreams(const struct programme_app *app)
{
    return app->actuator && strcmp(app->actuator->driver->name, "weir") == 0;
}

/* Where it was sent first: what a fallback answered for a gateway that failed is the gateway's. */
static struct str sent_to(const struct walk *w)
{
    return text(w, has(w, LEDGER_FIRST_UPSTREAM) ? LEDGER_FIRST_UPSTREAM : LEDGER_UPSTREAM);
}

static int arm_of(const struct walk *w, const struct programme_app *app)
{
    struct str first = sent_to(w), arm = text(w, LEDGER_ARM);

    if (first.len && str_eq(first, app->gateway))
        return 1;
    if (first.len && str_eq(first, app->direct))
        return 0;
    if (calls_have_upstreams(app))
        return -1;
    return str_eq(arm, STR("gateway")) ? 1 : str_eq(arm, STR("direct")) ? 0 : -1;
}

/* What keeps a caller on its side, as far as is recorded; the exact one where weir split. */
static struct str unit_of(const struct walk *w)
{
    static const enum ledger_column others[] = { LEDGER_END_USER, LEDGER_KEY_ID,
                                                 LEDGER_CLIENT_ADDRESS };

    if (number(w, LEDGER_CUTOVER_EPOCH) > 0)
        return text(w, LEDGER_CUTOVER_UNIT);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (has(w, others[i]))
            return text(w, others[i]);
    return STR("");
}

/* Bytes came, and nobody can say whether a first token was among them: withheld by a rule, dropped,
 * or of an encoding that could not be undone. */
static bool is_unseen(const struct walk *w)
{
    return !has(w, LEDGER_FIRST_TOKEN_US) &&
           str_eq(text(w, LEDGER_USAGE_NOTE), STR(CALL_NOTE_NO_BODY));
}

/* Whether a caller who left had nothing to show for the wait: a head and keep-alives are no answer,
 * nor is a part of one that does not come in pieces. */
static bool had_nothing(const struct walk *w, int64_t status)
{
    if (status == 0)
        return true;
    return !is_unseen(w) && (!number(w, LEDGER_STREAM) || !has(w, LEDGER_FIRST_TOKEN_US));
}

static bool is_failure(const struct walk *w, enum error_class class, int64_t status)
{
    for (size_t i = 0; i < sizeof(gateway_statuses) / sizeof(gateway_statuses[0]); i++)
        if (status == gateway_statuses[i])
            return true;
    /* Who hangs is left by its callers, and shows by nothing else; those who leave anyway do so on
     * both arms. */
    if (class == ERROR_CLASS_CLIENT_GONE)
        return had_nothing(w, status);
    if (class == ERROR_CLASS_NONE)
        return status == 0 || status >= 400;
    return !is_own_fault[class];
}

static bool is_cut(enum error_class class, bool truncated)
{
    return class != ERROR_CLASS_CLIENT_GONE &&
           (truncated || class == ERROR_CLASS_STREAM_CUT || class == ERROR_CLASS_STREAM_STALL ||
            class == ERROR_CLASS_STREAM_ERROR_EVENT);
}

static void measure(const struct walk *w, enum gate_metric metric, enum ledger_column c,
                    struct call_seen *call)
{
    if (!has(w, c))
        return;
    call->measured |= 1u << metric;
    call->values[metric] = number(w, c);
}

/* Whoever left has waited so long at least. */
static void measure_wait(const struct walk *w, struct call_seen *call)
{
    enum ledger_column first = LEDGER_FIRST_TOKEN_US;

    if (number(w, LEDGER_STREAM) && !has(w, first) && !is_unseen(w)) {
        first = LEDGER_END_US;
        call->at_least |= 1u << GATE_FIRST_TOKEN;
    }
    call->at_least |= 1u << GATE_TOTAL;
    measure(w, GATE_FIRST_TOKEN, first, call);
    measure(w, GATE_TOTAL, LEDGER_END_US, call);
}

static void read_outcome(const struct walk *w, struct call_seen *call)
{
    enum error_class class = class_of(text(w, LEDGER_ERROR_CLASS));
    bool failed = is_failure(w, class, number(w, LEDGER_STATUS));

    call->measured = 1u << GATE_ERROR | 1u << GATE_ABANDONED;
    call->failed = failed ? 1u << GATE_ERROR : 0;
    if (class == ERROR_CLASS_CLIENT_GONE)
        call->failed |= 1u << GATE_ABANDONED;
    if (number(w, LEDGER_STREAM) && class != ERROR_CLASS_CLIENT_GONE) {
        call->measured |= 1u << GATE_TRUNCATED;
        if (is_cut(class, number(w, LEDGER_TRUNCATED)))
            call->failed |= 1u << GATE_TRUNCATED;
    }
    measure(w, GATE_ATTEMPTS, LEDGER_ATTEMPTS, call);
    if (class == ERROR_CLASS_CLIENT_GONE)
        measure_wait(w, call);
    if (failed || class != ERROR_CLASS_NONE)
        return; /* how long a failure took is no time of an answer */
    measure(w, GATE_FIRST_TOKEN, LEDGER_FIRST_TOKEN_US, call);
    measure(w, GATE_TOTAL, LEDGER_END_US, call);
}

/* Both arms are priced by the same table: a gateway's own figures are not believed. */
static void add_cost(struct walk *w)
{
    struct price_result cost;
    struct usage usage = { 0 };
    enum provider provider = PROVIDER_UNKNOWN;
    struct price_query query = {
        .model = text(w, LEDGER_MODEL),
        .service_tier = text(w, LEDGER_SERVICE_TIER),
        .geo = text(w, LEDGER_GEO),
        .variant = text(w, LEDGER_VARIANT),
        .at_us = number(w, LEDGER_STARTED_AT),
    };

    for (int u = 0; u < USAGE_UNIT_COUNT; u++) {
        enum ledger_column c = (enum ledger_column)(LEDGER_USAGE + u);
        if (u != USAGE_TOOL_CALLS && has(w, c)) /* those are never billed */
            usage_set(&usage, (enum usage_unit)u, number(w, c));
    }
    provider_parse(text(w, LEDGER_PROVIDER), &provider);
    query.provider = provider;
    price_cache_of(w->prices, &query, &usage, &cost);
    w->has_cost &= cost.status == PRICE_OK && number(w, LEDGER_BILLABLE) && has(w, LEDGER_USAGE);
    w->cost_pusd += cost.cost_pusd;
}

static void finish(struct walk *w)
{
    struct call_seen *call = &w->call;
    const i128 most = (i128)INT64_MAX;
    bool is_whole = (call->measured & ~call->at_least) >> GATE_TOTAL & 1;

    if (w->prices && w->has_cost && is_whole) {
        i128 nusd = w->cost_pusd / 1000;
        call->measured |= 1u << GATE_COST;
        call->values[GATE_COST] = (int64_t)(nusd > most ? most : nusd);
    }
    w->wanted->fn(w->wanted->ctx, call);
    w->is_open = false;
}

/* --- tool calls, from bodies --- */

static bool has_tool_gate(const struct programme_app *app)
{
    for (size_t i = 0; i < app->gate_count; i++)
        if (app->gates[i].metric == GATE_TOOL_SCHEMA)
            return true;
    return false;
}

static void keep_fit(struct walk *w, const struct exchange *x)
{
    const struct map_entry *app = map_find(&w->apps, x->who.app);

    if (!app || !(x->facts.features & CALL_TOOLS) || !has_tool_gate(w->wanted->apps[app->value]))
        return;
    int fit = tools_fit(x);
    if (fit >= 0)
        map_put(&w->fits, (struct str){ (const char *)&x->id, sizeof(x->id) }, NULL)->value =
            (uint64_t)fit;
}

/* The whole segment in one go: looking exchanges up one by one would read its lines for each. */
static int read_segment(struct walk *w, struct err *err)
{
    CLEANUP(segment_close) struct segment_reader *segment = NULL;
    struct exchange x;
    int r;

    w->has_fits = true;
    if (w->ledger->has_no_bodies)
        return 0;
    if (ledger_list_check_segment(w->ledger, err) < 0 ||
        segment_open(w->ledger->segment_path, &segment, err) < 0)
        return -1;
    while ((r = segment_next(segment, true, &x, err)) > 0)
        keep_fit(w, &x);
    return r;
}

static int read_tools(struct walk *w, struct call_seen *call, struct err *err)
{
    struct uuid id;

    if (!w->has_fits && read_segment(w, err) < 0)
        return -1;
    if (!uuid_parse(text(w, LEDGER_EXCHANGE_ID), &id))
        return 0;
    const struct map_entry *fit = map_find(&w->fits, (struct str){ (char *)&id, sizeof(id) });
    if (!fit)
        return 0;
    call->measured |= 1u << GATE_TOOL_SCHEMA;
    if (fit->value == 0)
        call->failed |= 1u << GATE_TOOL_SCHEMA;
    return 0;
}

/* --- rows --- */

static int begin(struct walk *w, size_t app, struct err *err)
{
    int64_t epoch = number(w, LEDGER_CUTOVER_EPOCH);

    w->call = (struct call_seen){
        .app = app,
        .started_us = number(w, LEDGER_STARTED_AT),
        .on_gateway = arm_of(w, w->wanted->apps[app]),
        .epoch = epoch > 0 ? (uint64_t)epoch : 0,
        .share = (int32_t)number(w, LEDGER_CUTOVER_SHARE),
        .unit = unit_of(w),
        .is_sum = number(w, LEDGER_REQUESTS) > 1,
    };
    read_outcome(w, &w->call);
    w->is_open = true;
    w->cost_pusd = 0;
    w->has_cost = true;
    if ((w->wanted->metrics >> GATE_TOOL_SCHEMA & 1) && number(w, LEDGER_FEATURES) & CALL_TOOLS &&
        has_tool_gate(w->wanted->apps[app]))
        return read_tools(w, &w->call, err);
    return 0;
}

static void see_beside(const struct walk *w, int64_t started_us)
{
    const struct map_entry *way = map_find(&w->ways, sent_to(w));

    if (!way || number(w, LEDGER_REQUESTS) > 1)
        return;
    enum error_class class = class_of(text(w, LEDGER_ERROR_CLASS));
    int64_t status = number(w, LEDGER_STATUS);
    struct call_beside call = { .way = way->value, .started_us = started_us };
    call.failed = is_outage[class] ||
                  (class == ERROR_CLASS_CLIENT_GONE && had_nothing(w, status)) ||
                  (class == ERROR_CLASS_NONE && (status == 0 || status >= 500));
    w->wanted->beside(w->wanted->ctx, &call);
}

static int read_row(struct walk *w, struct err *err)
{
    const struct calls_wanted *q = w->wanted;
    int64_t part = number(w, LEDGER_PART), parts = number(w, LEDGER_PARTS);

    if (part == 0) {
        const struct map_entry *app = map_find(&w->apps, text(w, LEDGER_APP));
        int64_t started_us = number(w, LEDGER_STARTED_AT);
        if (w->is_open)
            finish(w);
        /* Whole hours: from_us is that of all applications that are judged together. */
        if (w->ways.len && started_us < q->to_us)
            see_beside(w, started_us);
        if (!app || started_us < q->from_us || started_us >= q->to_us)
            return 0;
        if (begin(w, app->value, err) < 0)
            return -1;
    }
    if (!w->is_open)
        return 0;
    if (w->prices)
        add_cost(w);
    if (part + 1 >= parts) {
        finish(w);
    } else if (part == 0) { /* its strings must outlive the row */
        arena_reset(&w->strings);
        w->call.unit = arena_str(&w->strings, w->call.unit);
    }
    return 0;
}

static int open_scan(struct walk *w, struct err *err)
{
    enum ledger_column columns[PLAIN_COUNT + COST_COUNT + USAGE_UNIT_COUNT + 1];
    size_t n = PLAIN_COUNT;

    memcpy(columns, plain_columns, sizeof(plain_columns));
    if (w->prices) {
        memcpy(columns + n, cost_columns, sizeof(cost_columns));
        n += COST_COUNT;
        for (int u = 0; u < USAGE_UNIT_COUNT; u++)
            columns[n++] = (enum ledger_column)(LEDGER_USAGE + u);
    }
    if (w->wanted->metrics >> GATE_TOOL_SCHEMA & 1)
        columns[n++] = LEDGER_EXCHANGE_ID;
    return ledger_scan_open(w->ledger->path, columns, n, &w->scan, err);
}

static int read_ledger(struct walk *w, struct err *err)
{
    int r;

    if (ledger_list_check(w->ledger, err) < 0 || open_scan(w, err) < 0)
        return -1;
    ledger_scan_use(w->scan, w->scratch);
    while ((r = ledger_scan_next(w->scan, err)) > 0)
        if ((r = read_row(w, err)) < 0)
            break;
    if (r == 0 && w->is_open)
        finish(w);
    ledger_scan_close(w->scan);
    w->scan = NULL;
    map_release(&w->fits);
    w->fits = (struct map){ 0 };
    w->has_fits = false;
    return r < 0 ? err_wrap(err, "'%s'", w->ledger->path) : 0;
}

static void release(struct walk *w)
{
    map_release(&w->apps);
    map_release(&w->ways);
    price_cache_free(w->prices);
    parquet_scratch_free(w->scratch);
    arena_release(&w->strings);
}

int calls_walk(const struct calls_wanted *w, struct ledger_list *ledgers, struct err *err)
{
    struct walk walk = { .wanted = w, .scratch = parquet_scratch_new() };
    int r = 0;

    for (size_t i = 0; i < w->app_count; i++)
        map_put(&walk.apps, w->apps[i]->name, NULL)->value = i;
    for (size_t i = 0; w->beside && i < w->direct_count; i++)
        map_put(&walk.ways, w->direct[i], NULL)->value = i;
    if (w->in->prices && w->metrics >> GATE_COST & 1)
        walk.prices = price_cache_new(w->in->prices);
    for (size_t i = 0; r == 0 && i < ledgers->list.len; i++) {
        struct ledger_ref *l = &ledgers->list.ptr[i];
        if (l->is_pruned || l->day_us + US_PER_DAY <= w->from_us || l->day_us >= w->to_us)
            continue;
        walk.ledger = l;
        r = read_ledger(&walk, err);
    }
    release(&walk);
    return r;
}
