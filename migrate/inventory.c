#include "config.h"

#include "migrate/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "base/document.h"
#include "base/timestamp.h"
#include "llm/call.h"
#include "policy/cutover.h"

static const enum ledger_column columns[] = {
    LEDGER_PART,          LEDGER_STARTED_AT,   LEDGER_FIRST_TOKEN_US, LEDGER_END_US,
    LEDGER_APP,           LEDGER_TEAM,         LEDGER_ENVIRONMENT,    LEDGER_END_USER,
    LEDGER_KEY_ID,        LEDGER_USER_AGENT,   LEDGER_UPSTREAM,       LEDGER_ARM,
    LEDGER_PROVIDER,      LEDGER_API,          LEDGER_MODEL,          LEDGER_MODEL_REQUESTED,
    LEDGER_STREAM,        LEDGER_FEATURES,     LEDGER_ERROR_CLASS,    LEDGER_TRUNCATED,
    LEDGER_STATUS,        LEDGER_ERROR_CODE,   LEDGER_EXCHANGE_ID,    LEDGER_SEGMENT_OFFSET,
    LEDGER_CUTOVER_EPOCH, LEDGER_CUTOVER_UNIT,
};

/* What a gateway has to be able to do for nearly everybody. */
static const char *const common_apis[] = { "chat",          "responses",  "messages",
                                           "converse",      "embeddings", "generate_content",
                                           "embed_content", NULL };

const char *inventory_list_name(enum inventory_list_kind kind)
{
    static const char *const names[] = {
#define X(constant, name) name,
        INVENTORY_LISTS(X)
#undef X
    };

    return names[kind];
}

static void release_app(struct inventory_app *a)
{
    for (int k = 0; k < INVENTORY_LIST_COUNT; k++) {
        vec_release(&a->lists[k].items);
        map_release(&a->seen[k]);
    }
    vec_release(&a->days);
    free(a->calls);
    distinct_release(&a->users);
    sketch_release(&a->duration_us);
    sketch_release(&a->first_token_us);
    free(a);
}

void inventory_release(struct inventory *inv)
{
    for (size_t i = 0; i < inv->apps.len; i++)
        release_app(inv->apps.ptr[i]);
    vec_release(&inv->apps);
    vec_release(&inv->missing);
    map_release(&inv->by_name);
    arena_release(&inv->arena);
}

static int app_of(struct inventory *inv, struct str name, struct inventory_app **ret,
                  struct err *err)
{
    bool is_new;
    struct map_entry *e = map_put(&inv->by_name, name, &is_new);

    if (is_new) {
        if (inv->apps.len == INVENTORY_APPS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d applications", INVENTORY_APPS_MAX);
        struct inventory_app *a = mem_calloc(1, sizeof(*a));
        *a = (struct inventory_app){ .name = arena_str(&inv->arena, name),
                                     .owner = STR(""),
                                     .team = STR(""),
                                     .environment = STR(""),
                                     .first_us = INT64_MAX,
                                     .accepted_us = INT64_MIN,
                                     .refused_us = INT64_MIN,
                                     .last_us = INT64_MIN };
        vec_push(&inv->apps, a);
        e->ptr = a;
    }
    *ret = e->ptr;
    return 0;
}

void inventory_note(struct inventory *inv, struct inventory_app *a, enum inventory_list_kind kind,
                    struct str name, int64_t requests)
{
    struct inventory_list *list = &a->lists[kind];
    struct map_entry *e;
    bool is_new;

    if (!name.len)
        return;
    e = map_find(&a->seen[kind], name);
    if (!e && list->items.len == INVENTORY_ITEMS_MAX) {
        list->others += requests;
        return;
    }
    if (!e) {
        e = map_put(&a->seen[kind], name, &is_new);
        e->value = list->items.len;
        vec_push(&list->items, (struct inventory_item){ .name = arena_str(&inv->arena, name) });
    }
    list->items.ptr[e->value].requests += requests;
}

/* Rows come nearly in the order of time: the day is one of the last. */
static struct inventory_day *day_of(struct inventory_app *a, int64_t day)
{
    for (size_t i = a->days.len; i > 0; i--)
        if (a->days.ptr[i - 1].day == day)
            return &a->days.ptr[i - 1];
    vec_push(&a->days, (struct inventory_day){ .day = day });
    return &a->days.ptr[a->days.len - 1];
}

static bool is_common(struct str api)
{
    for (size_t i = 0; common_apis[i]; i++)
        if (str_eq(api, str_from(common_apis[i])))
            return true;
    return false;
}

static void count_features(struct inventory_app *a, int64_t features, int64_t n)
{
    a->tools += features & CALL_TOOLS ? n : 0;
    a->vision += features & CALL_VISION ? n : 0;
    a->structured += features & CALL_STRUCTURED_OUTPUT ? n : 0;
    a->specials += features & (CALL_REASONING | CALL_WEB_SEARCH) ? n : 0;
}

static void count_lists(struct inventory *inv, struct inventory_app *a, const struct block *b,
                        size_t row, int64_t n)
{
    static const struct {
        enum inventory_list_kind kind;
        enum ledger_column column;
    } rows[] = {
        {INVENTORY_PROVIDERS,  LEDGER_PROVIDER},
        { INVENTORY_APIS,      LEDGER_API     },
        { INVENTORY_MODELS,    LEDGER_MODEL   },
        { INVENTORY_UPSTREAMS, LEDGER_UPSTREAM},
        { INVENTORY_ARMS,      LEDGER_ARM     },
        { INVENTORY_KEYS,      LEDGER_KEY_ID  },
    };
    struct str asked = block_str(b, LEDGER_MODEL_REQUESTED, row);
    struct str agent = block_str(b, LEDGER_USER_AGENT, row), sdk = inventory_sdk(agent);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        inventory_note(inv, a, rows[i].kind, block_str(b, rows[i].column, row), n);
    if (inventory_is_pinned(asked))
        inventory_note(inv, a, INVENTORY_PINNED, asked, n);
    if (agent.len)
        *(sdk.len ? &a->known_sdk : &a->unknown_sdk) += n;
    inventory_note(inv, a, INVENTORY_SDKS, sdk.len ? sdk : agent, n);
}

/* What a cutover could tell callers apart by. */
static void count_units(struct inventory_app *a, const struct block *b, size_t row, int64_t n)
{
    a->with_user += block_str(b, LEDGER_END_USER, row).len ? n : 0;
    a->with_key_id += block_str(b, LEDGER_KEY_ID, row).len ? n : 0;
    if (block_int(b, LEDGER_CUTOVER_EPOCH, row) <= 0)
        return;
    a->in_cutover += n;
    a->with_unit += block_str(b, LEDGER_CUTOVER_UNIT, row).len ? n : 0;
}

/* Whether the key for the way back still opens, and whether a limit was ever seen to hold. */
static void count_refusals(struct inventory_app *a, const struct block *b, size_t row, int64_t n)
{
    int64_t status = block_int(b, LEDGER_STATUS, row), at = block_int(b, LEDGER_STARTED_AT, row);
    bool is_gateway = str_eq(block_str(b, LEDGER_ARM, row), STR("gateway"));
    bool is_denied = str_eq(block_str(b, LEDGER_ERROR_CLASS, row), STR("denied"));
    int64_t *last = status == 401 || status == 403 ? &a->refused_us : &a->accepted_us;

    a->denied += is_denied || (is_gateway && (status == 412 || status == 446)) ? n : 0;
    /* Portkey's status; LiteLLM's word for it. */
    if (is_gateway &&
        (status == 412 || str_eq(block_str(b, LEDGER_ERROR_CODE, row), STR("budget_exceeded"))))
        a->over_budget += n;
    if (!is_gateway && !is_denied && status > 0 && at > *last)
        *last = at;
}

static void count_call(struct inventory_app *a, const struct block *b, size_t row, int64_t n)
{
    struct str error = block_str(b, LEDGER_ERROR_CLASS, row);
    struct str user = block_str(b, LEDGER_END_USER, row);
    int64_t at = block_int(b, LEDGER_STARTED_AT, row);
    bool is_abandoned = str_eq(error, STR("client_gone")), failed = error.len && !is_abandoned;
    struct inventory_day *day = day_of(a, at / US_PER_DAY);

    a->requests += n;
    day->requests += n;
    a->errors += failed ? n : 0;
    day->errors += failed ? n : 0;
    a->abandoned += is_abandoned ? n : 0;
    a->streams += block_int(b, LEDGER_STREAM, row) ? n : 0;
    a->truncated += block_int(b, LEDGER_TRUNCATED, row) ? n : 0;
    a->on_gateway += str_eq(block_str(b, LEDGER_ARM, row), STR("gateway")) ? n : 0;
    *(is_common(block_str(b, LEDGER_API, row)) ? &a->chat : &a->other_apis) += n;
    count_features(a, block_int(b, LEDGER_FEATURES, row), n);
    count_units(a, b, row, n);
    count_refusals(a, b, row, n);
    if (user.len)
        distinct_add(&a->users, map_hash(user));
    a->first_us = at < a->first_us ? at : a->first_us;
    a->last_us = at > a->last_us ? at : a->last_us;
    if (!failed && !block_is_null(b, LEDGER_END_US, row) && block_int(b, LEDGER_END_US, row) >= 0)
        sketch_add(&a->duration_us, block_int(b, LEDGER_END_US, row));
    if (!failed && !block_is_null(b, LEDGER_FIRST_TOKEN_US, row))
        sketch_add(&a->first_token_us, block_int(b, LEDGER_FIRST_TOKEN_US, row));
}

/* The latest so many: ledgers come in the order of days. */
static void keep_call(struct inventory *inv, struct inventory_app *a, const struct engine_seen *s)
{
    const struct block *b = s->block;
    struct inventory_call call = { .offset = block_int(b, LEDGER_SEGMENT_OFFSET, s->row) };

    if (!(block_int(b, LEDGER_FEATURES, s->row) & CALL_TOOLS) ||
        block_is_null(b, LEDGER_SEGMENT_OFFSET, s->row) ||
        !uuid_parse(block_str(b, LEDGER_EXCHANGE_ID, s->row), &call.id))
        return;
    if (!a->calls)
        a->calls = mem_calloc(INVENTORY_TOOL_CALLS, sizeof(*a->calls));
    struct str path = str_from(b->path);
    if (!str_eq(inv->ledger, path))
        inv->ledger = arena_str(&inv->arena, path);
    call.ledger = inv->ledger;
    a->calls[a->call_count++ % INVENTORY_TOOL_CALLS] = call;
}

static struct str keep(struct inventory *inv, struct str have, struct str found)
{
    return have.len || !found.len ? have : arena_str(&inv->arena, found);
}

static int on_row(void *ctx, const struct engine_seen *seen, struct err *err)
{
    struct inventory *inv = ctx;
    const struct block *b = seen->block;
    struct inventory_app *a;

    if (app_of(inv, block_str(b, LEDGER_APP, seen->row), &a, err) < 0)
        return -1;
    i128 cost = engine_cost(seen->sums);
    a->cost_pusd += cost;
    inv->cost_pusd += cost;
    a->unpriced += seen->sums->unpriced_requests;
    a->specials += seen->sums->cached_input_tokens || seen->sums->cache_write_tokens
                       ? seen->sums->requests
                       : 0;
    if (block_int(b, LEDGER_PART, seen->row) != 0)
        return 0; /* counted with part 0 */
    inv->requests += seen->sums->requests;
    a->team = keep(inv, a->team, block_str(b, LEDGER_TEAM, seen->row));
    a->environment = keep(inv, a->environment, block_str(b, LEDGER_ENVIRONMENT, seen->row));
    count_call(a, b, seen->row, seen->sums->requests);
    count_lists(inv, a, b, seen->row, seen->sums->requests);
    keep_call(inv, a, seen);
    return 0;
}

static enum programme_risk risk_of(struct str word)
{
    for (int i = PROGRAMME_RISK_LOW; i <= PROGRAMME_RISK_HIGH; i++)
        if (str_eq(word, str_from(programme_risk_name((enum programme_risk)i))))
            return (enum programme_risk)i;
    return PROGRAMME_RISK_UNKNOWN;
}

/* What the configuration says of applications, whether they were seen or not. */
static int add_declared(struct inventory *inv, const struct conf *conf, struct err *err)
{
    struct inventory_app *a;

    for (size_t i = 0; i < conf->app_count; i++) {
        const struct conf_app *c = &conf->apps[i];
        if (app_of(inv, c->is.app, &a, err) < 0)
            return -1;
        a->owner = keep(inv, a->owner, c->owner);
        a->team = keep(inv, a->team, c->is.team);
        a->environment = keep(inv, a->environment, c->is.environment);
        a->declared = risk_of(c->risk);
    }
    return 0;
}

static int compare_apps(const void *a, const void *b)
{
    const struct inventory_app *x = *(struct inventory_app *const *)a;
    const struct inventory_app *y = *(struct inventory_app *const *)b;

    return str_cmp(x->name, y->name);
}

static int compare_items(const void *a, const void *b)
{
    const struct inventory_item *x = a, *y = b;

    if (x->requests != y->requests)
        return x->requests < y->requests ? 1 : -1;
    return str_cmp(x->name, y->name);
}

void inventory_sort_list(struct inventory_list *l)
{
    if (l->items.len)
        qsort(l->items.ptr, l->items.len, sizeof(*l->items.ptr), compare_items);
}

static void put_in_order(struct inventory *inv)
{
    inv->first_us = INT64_MAX;
    inv->last_us = INT64_MIN;
    if (inv->apps.len)
        qsort(inv->apps.ptr, inv->apps.len, sizeof(*inv->apps.ptr), compare_apps);
    for (size_t i = 0; i < inv->apps.len; i++) {
        struct inventory_app *a = inv->apps.ptr[i];
        for (int k = 0; k < INVENTORY_LIST_COUNT; k++) {
            inventory_sort_list(&a->lists[k]);
            map_release(&a->seen[k]); /* its places are another's now */
            a->seen[k] = (struct map){ 0 };
        }
        inv->first_us = a->first_us < inv->first_us ? a->first_us : inv->first_us;
        inv->last_us = a->last_us > inv->last_us ? a->last_us : inv->last_us;
    }
}

int inventory_count(const struct engine_query *q, const struct conf *conf, struct inventory *ret,
                    struct err *err)
{
    CLEANUP(engine_result_release) struct engine_result result = { 0 };
    struct engine_query query = *q;
    struct scan_columns wanted = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        wanted.want[columns[i]] = true;
    query.measures = ENGINE_MONEY;
    query.dimension_count = 0;
    query.on_row = on_row;
    query.ctx = ret;
    query.columns = &wanted;
    if (engine_run(&query, &result, err) < 0 || (conf && add_declared(ret, conf, err) < 0))
        return -1;
    put_in_order(ret);
    return 0;
}

const struct inventory_app *inventory_find(const struct inventory *inv, struct str app)
{
    const struct map_entry *e = map_find(&inv->by_name, app);

    return e ? e->ptr : NULL;
}

double inventory_days(const struct inventory_app *a)
{
    double days =
        a->last_us >= a->first_us ? (double)(a->last_us - a->first_us) / (double)US_PER_DAY : 0;

    return days > 1 ? days : 1;
}

int64_t inventory_keyless(const struct inventory_app *a, struct str key)
{
    int64_t all = a->requests, with = -1;
    struct cutover_key parsed;

    if (!cutover_key_parse(key, &parsed))
        return -1;
    if (parsed.kind == CUTOVER_KEY_REQUEST)
        return 0;
    if (a->in_cutover > 0) {
        all = a->in_cutover;
        with = a->with_unit;
    } else if (parsed.kind == CUTOVER_KEY_USER) {
        with = a->with_user;
    } else if (parsed.kind == CUTOVER_KEY_KEY_ID) {
        with = a->with_key_id;
    }
    return with < 0 || all <= 0 ? -1 : (int64_t)ratio_of(all - with, all);
}

static int compare_missing(const void *a, const void *b)
{
    const struct inventory_missing *x = a, *y = b;

    if (x->cost_pusd != y->cost_pusd)
        return x->cost_pusd < y->cost_pusd ? 1 : -1;
    return str_cmp(x->model, y->model);
}

void inventory_add_missing(struct inventory *inv, const struct reconcile *r)
{
    inv->has_invoice = true;
    for (size_t i = 0; i < r->cells.len; i++) {
        const struct reconcile_cell *c = &r->cells.ptr[i];
        i128 cost = c->theirs_pusd - c->ours_pusd;
        struct inventory_missing *m = NULL;
        if (c->class != RECONCILE_MISSING || c->is_check)
            continue;
        for (size_t k = 0; k < inv->missing.len && !m; k++)
            if (inv->missing.ptr[k].provider == c->provider &&
                str_eq(inv->missing.ptr[k].model, c->model))
                m = &inv->missing.ptr[k];
        if (!m) {
            vec_push(&inv->missing,
                     (struct inventory_missing){ .provider = c->provider,
                                                 .model = arena_str(&inv->arena, c->model),
                                                 .from_us = c->from_us,
                                                 .to_us = c->to_us });
            m = &inv->missing.ptr[inv->missing.len - 1];
        }
        m->cost_pusd += cost;
        m->from_us = c->from_us < m->from_us ? c->from_us : m->from_us;
        m->to_us = c->to_us > m->to_us ? c->to_us : m->to_us;
        inv->missing_pusd += cost;
    }
    if (inv->missing.len)
        qsort(inv->missing.ptr, inv->missing.len, sizeof(*inv->missing.ptr), compare_missing);
}
