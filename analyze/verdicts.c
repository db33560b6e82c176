#include "config.h"

#include "analyze/verdicts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/timestamp.h"

#define STATE_SLOTS  (1u << 16)
#define PENDING_MAX  65536 /* calls under way; the earliest is settled before there are more */
#define SORT_BEHIND  US_PER_DAY
#define SORT_AT      (2 * US_PER_DAY)
#define NAME_DIVIDER '\x1f'

const char *const verdict_by_names[VERDICT_BYS] = { "team", "app", "business_unit", "model" };

/* Whose calls are alike to the policy. */
struct caller {
    struct policy_subject subject;
    enum provider provider;
};

struct waiting {
    int64_t at_us, end_us;
    uint64_t number; /* in the ledgers' order */
    uint32_t caller;
    int64_t input, cached, cache_write, output, reasoning; /* tokens */
    i128 cost;
};

struct pending {
    struct heap_node node;
    struct policy_claims claims;
    struct policy_used used;
};

struct judge {
    const struct verdicts_question *question;
    struct verdicts *ret;
    struct policy_cache *cache;
    struct policy_state *state;
    struct price_cache *prices;
    struct map names; /* of callers -> index */
    struct map groups;
    VEC(struct caller) callers;
    VEC(struct waiting) waiting;
    struct heap ends;
    VEC(struct pending *) spare;
    size_t pending;
    int64_t first_us, last_us; /* of those waiting */
    uint64_t number;
    uint64_t exchange; /* of the row before */
    struct buf key;
};

static void judge_release(struct judge *j)
{
    struct heap_node *n;

    while ((n = heap_pop(&j->ends, NULL)))
        free(heap_owner(n, struct pending, node));
    for (size_t i = 0; i < j->spare.len; i++)
        free(j->spare.ptr[i]);
    vec_release(&j->spare);
    heap_release(&j->ends);
    vec_release(&j->waiting);
    vec_release(&j->callers);
    map_release(&j->names);
    map_release(&j->groups);
    price_cache_free(j->prices);
    policy_cache_free(j->cache);
    free(j->state);
    buf_release(&j->key);
}
DEFINE_CLEANUP_VALUE(struct judge, judge_release)

/* --- one call --- */

static void settle_until(struct judge *j, int64_t now_us)
{
    uint64_t at;

    while (heap_first(&j->ends, &at) && ((int64_t)at <= now_us || j->pending >= PENDING_MAX)) {
        struct pending *p = heap_owner(heap_pop(&j->ends, NULL), struct pending, node);
        policy_settle(j->question->policy, j->state, &p->claims, &p->used, (int64_t)at);
        vec_push(&j->spare, p);
        j->pending--;
    }
}

static void hold(struct judge *j, const struct policy_claims *claims, const struct waiting *w,
                 i128 cost)
{
    struct pending *p =
        j->spare.len ? j->spare.ptr[--j->spare.len] : mem_calloc(1, sizeof(struct pending));

    p->claims = *claims;
    p->used = (struct policy_used){ .tokens = w->input + w->output, .nusd = policy_nusd(cost) };
    heap_push(&j->ends, &p->node, (uint64_t)w->end_us);
    j->pending++;
}

static struct verdict_row *row_of(struct judge *j, const struct policy_decision *d,
                                  const struct policy_subject *s)
{
    const struct str by[VERDICT_BYS] = { s->team, s->app, s->business_unit, s->model };
    struct verdict_row row = { .rule = d->rule, .mode = d->mode };
    bool is_new;

    buf_clear(&j->key);
    buf_addf(&j->key, "%u%c%d", d->rule, NAME_DIVIDER, (int)d->mode);
    for (int i = 0; i < VERDICT_BYS; i++) {
        if (!j->question->by[i])
            continue;
        buf_add_byte(&j->key, NAME_DIVIDER);
        buf_add_str(&j->key, by[i]);
    }
    struct map_entry *e = map_put(&j->groups, buf_str(&j->key), &is_new);
    if (is_new) {
        for (int i = 0; i < VERDICT_BYS; i++)
            if (j->question->by[i])
                row.by[i] = arena_str(&j->ret->arena, by[i]);
        e->value = j->ret->rows.len;
        vec_push(&j->ret->rows, row);
    }
    return &j->ret->rows.ptr[e->value];
}

/* The same use as the other model's; false if it has no price. */
static bool price_as(struct judge *j, const struct waiting *w, struct str model, i128 *ret)
{
    struct price_query q = { .provider = j->callers.ptr[w->caller].provider,
                             .model = model,
                             .at_us = w->at_us };
    struct price_result priced;
    struct usage usage = { 0 };

    usage_set(&usage, USAGE_INPUT, w->input);
    usage_set(&usage, USAGE_CACHED_INPUT, w->cached);
    usage_set(&usage, USAGE_CACHE_WRITE, w->cache_write);
    usage_set(&usage, USAGE_OUTPUT, w->output);
    usage_set(&usage, USAGE_REASONING, w->reasoning);
    price_cache_of(j->prices, &q, &usage, &priced);
    *ret = priced.cost_pusd;
    return priced.status == PRICE_OK;
}

static void count(struct judge *j, const struct waiting *w, const struct policy_class *c,
                  const struct policy_decision *d)
{
    struct verdict_row *row = row_of(j, d, &j->callers.ptr[w->caller].subject);
    i128 then;

    row->calls[d->outcome]++;
    row->cost_pusd += w->cost;
    if (d->outcome == POLICY_INSTEAD) {
        struct str model = d->mode == PLAN_MODE_ENFORCE
                               ? policy_class_model(c)
                               : policy_rule_instead(j->question->policy, d->rule);
        if (price_as(j, w, model, &then))
            row->avoided_pusd += w->cost - then;
        else
            row->unknown++;
    } else if (d->outcome != POLICY_SOFT_BUDGET) {
        row->avoided_pusd += w->cost;
    }
}

static void judge_call(struct judge *j, const struct waiting *w)
{
    const struct caller *caller = &j->callers.ptr[w->caller];
    const struct policy_class *c = policy_resolve(j->cache, &caller->subject);
    struct policy_ask ask = { .now_us = w->at_us,
                              .input_tokens = w->input,
                              .output_tokens = w->output };
    i128 then = w->cost;
    struct policy_decisions notes = { 0 };
    struct policy_admission said;
    struct policy_claims claims;

    settle_until(j, w->at_us);
    policy_admit(j->question->policy, j->state, c, &ask, &claims, &notes, &said);
    for (uint32_t i = 0; i < notes.count; i++)
        count(j, w, c, &notes.list[i]);
    j->ret->calls++;
    j->ret->cost_pusd += w->cost;
    if (said.verdict != POLICY_GO) {
        j->ret->refused++;
        j->ret->avoided_pusd += w->cost;
        return;
    }
    if (policy_class_model(c).len) {
        j->ret->instead++;
        if (!price_as(j, w, policy_class_model(c), &then))
            then = w->cost;
        j->ret->avoided_pusd += w->cost - then;
    }
    hold(j, &claims, w, then);
}

/* --- in order --- */

static int compare_waiting(const void *a, const void *b)
{
    const struct waiting *x = a, *y = b;

    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* Those that began before until_us; half of them if that is none. */
static void judge_until(struct judge *j, int64_t until_us)
{
    size_t done = 0;

    if (!j->waiting.len)
        return;
    qsort(j->waiting.ptr, j->waiting.len, sizeof(*j->waiting.ptr), compare_waiting);
    if (j->waiting.len >= VERDICTS_ROWS_MAX && j->waiting.ptr[j->waiting.len / 2].at_us > until_us)
        until_us = j->waiting.ptr[j->waiting.len / 2].at_us;
    while (done < j->waiting.len && j->waiting.ptr[done].at_us <= until_us)
        judge_call(j, &j->waiting.ptr[done++]);
    j->waiting.len -= done;
    memmove(j->waiting.ptr, j->waiting.ptr + done, j->waiting.len * sizeof(*j->waiting.ptr));
    j->first_us = j->waiting.len ? j->waiting.ptr[0].at_us : INT64_MAX;
}

static struct str api_of(enum provider p)
{
    static const struct {
        enum provider provider;
        struct str api;
    } apis[] = {
        {PROVIDER_AZURE_OPENAI, STR_INIT("azure_openai")},
        { PROVIDER_ANTHROPIC,   STR_INIT("anthropic")   },
        { PROVIDER_GEMINI,      STR_INIT("gemini")      },
        { PROVIDER_VERTEX,      STR_INIT("gemini")      },
        { PROVIDER_BEDROCK,     STR_INIT("bedrock")     },
        { PROVIDER_OLLAMA,      STR_INIT("ollama")      },
    };

    for (size_t i = 0; i < ARRAY_LEN(apis); i++)
        if (apis[i].provider == p)
            return apis[i].api;
    return STR("openai");
}

static uint32_t caller_of(struct judge *j, const struct block *b, size_t row)
{
    static const enum ledger_column columns[] = { LEDGER_APP, LEDGER_TEAM, LEDGER_BUSINESS_UNIT,
                                                  LEDGER_UPSTREAM, LEDGER_PROVIDER };
    struct str model = block_str(b, LEDGER_MODEL_REQUESTED, row), text[ARRAY_LEN(columns)];
    struct arena *a = &j->ret->arena;
    bool is_new;

    if (!model.len)
        model = block_str(b, LEDGER_MODEL, row);
    buf_clear(&j->key);
    buf_add_str(&j->key, model);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        text[i] = block_str(b, columns[i], row);
        buf_add_byte(&j->key, NAME_DIVIDER);
        buf_add_str(&j->key, text[i]);
    }
    struct map_entry *e = map_put(&j->names, buf_str(&j->key), &is_new);
    if (!is_new)
        return (uint32_t)e->value;
    struct caller made = { .provider = PROVIDER_UNKNOWN };
    provider_parse(text[4], &made.provider);
    made.subject = (struct policy_subject){ .app = arena_str(a, text[0]),
                                            .team = arena_str(a, text[1]),
                                            .business_unit = arena_str(a, text[2]),
                                            .upstream = arena_str(a, text[3]),
                                            .api = api_of(made.provider),
                                            .model = arena_str(a, model) };
    e->value = j->callers.len;
    vec_push(&j->callers, made);
    return (uint32_t)e->value;
}

static void add_use(struct waiting *w, const struct engine_sums *s)
{
    w->input += s->input_tokens;
    w->cached += s->cached_input_tokens;
    w->cache_write += s->cache_write_tokens;
    w->output += s->output_tokens;
    w->reasoning += s->reasoning_tokens;
    w->cost += engine_cost(s);
}

/* Further models of an exchange are behind its first, unless that was filtered out. */
static bool add_part(struct judge *j, const struct engine_seen *seen)
{
    struct str id = block_str(seen->block, LEDGER_EXCHANGE_ID, seen->row);
    uint64_t exchange = policy_key(id.ptr, id.len, 0);
    bool is_part = block_int(seen->block, LEDGER_PART, seen->row) > 0 && j->waiting.len &&
                   exchange == j->exchange;

    if (is_part)
        add_use(&j->waiting.ptr[j->waiting.len - 1], seen->sums);
    j->exchange = exchange;
    return is_part;
}

static int on_row(void *ctx, const struct engine_seen *seen, struct err *err)
{
    struct judge *j = ctx;
    const struct block *b = seen->block;
    size_t row = seen->row;
    int64_t at = block_int(b, LEDGER_STARTED_AT, row), took = block_int(b, LEDGER_END_US, row);

    (void)err;
    if (seen->is_repeated || add_part(j, seen))
        return 0;
    if (!block_str(b, LEDGER_MODEL_REQUESTED, row).len && !block_str(b, LEDGER_MODEL, row).len) {
        j->ret->without_model += seen->sums->requests;
        return 0;
    }
    struct waiting w = { .at_us = at,
                         .end_us = at + (took > 0 && took < SORT_BEHIND ? took : 0),
                         .number = j->number++,
                         .caller = caller_of(j, b, row) };
    add_use(&w, seen->sums);
    if (!j->waiting.len || at < j->first_us)
        j->first_us = at;
    if (!j->waiting.len || at > j->last_us)
        j->last_us = at;
    /* Before the row is there: its parts are to come. */
    if (j->waiting.len >= VERDICTS_ROWS_MAX || j->last_us - j->first_us > SORT_AT)
        judge_until(j, j->last_us - SORT_BEHIND);
    vec_push(&j->waiting, w);
    return 0;
}

/* --- all of it --- */

static int compare_rows(const void *a, const void *b)
{
    const struct verdict_row *x = a, *y = b;
    int r = 0;

    if (x->rule != y->rule)
        return x->rule < y->rule ? -1 : 1;
    if (x->mode != y->mode)
        return x->mode > y->mode ? -1 : 1;
    for (int i = 0; i < VERDICT_BYS && r == 0; i++)
        r = str_cmp(x->by[i], y->by[i]);
    return r;
}

int verdicts_run(const struct verdicts_question *question, struct verdicts *ret, struct err *err)
{
    static const enum ledger_column wanted[] = {
        LEDGER_EXCHANGE_ID,   LEDGER_PART,       LEDGER_APP,      LEDGER_TEAM,
        LEDGER_BUSINESS_UNIT, LEDGER_UPSTREAM,   LEDGER_PROVIDER, LEDGER_MODEL_REQUESTED,
        LEDGER_MODEL,         LEDGER_STARTED_AT, LEDGER_END_US,
    };
    CLEANUP(judge_release) struct judge j = { .question = question, .ret = ret };
    CLEANUP(engine_result_release) struct engine_result result = { 0 };
    struct engine_query query = *question->query;
    struct scan_columns columns = { 0 };

    *ret = (struct verdicts){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        columns.want[wanted[i]] = true;
    query.measures = ENGINE_MONEY;
    query.on_row = on_row;
    query.ctx = &j;
    query.columns = &columns;
    j.cache = policy_cache_new(question->policy);
    j.state = policy_state_new(STATE_SLOTS);
    j.prices = price_cache_new(query.book);
    if (engine_run(&query, &result, err) < 0)
        return -1;
    judge_until(&j, INT64_MAX);
    if (ret->rows.len)
        qsort(ret->rows.ptr, ret->rows.len, sizeof(*ret->rows.ptr), compare_rows);
    return 0;
}

void verdicts_release(struct verdicts *v)
{
    vec_release(&v->rows);
    arena_release(&v->arena);
}
