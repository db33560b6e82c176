#include "config.h"

#include "analyze/whatif.h"

#include <stdlib.h>

#define RATIO_DIGITS    6
#define RATIO_MAX_MICRO (100 * WHATIF_MICRO)
#define PROBE_TOKENS    1000

static const char *const note_texts[WHATIF_NOTE_COUNT] = {
    "the book has no price for all of it: its cost then is not known",
    "no price for cached input: counted at the input price",
    "no price for the service tier: counted at the standard price",
    "writing to the cache costs extra there, and what would be written is not recorded",
    "the cost now is what the provider reported, the cost then is from the book",
    "the book has no price for what was used: its cost now is not known",
    "some requests do not say what they used: they are in neither cost",
};

const char *whatif_note_text(enum whatif_note note)
{
    return note_texts[__builtin_ctz(note)];
}

/* --- what is asked --- */

static bool split_model(struct str text, enum provider *ret_provider, struct str *ret_model)
{
    struct str rest = text, head;
    ptrdiff_t slash = str_find_char(text, '/', 0);

    *ret_provider = PROVIDER_UNKNOWN;
    *ret_model = text;
    if (slash < 0 || !str_split(&rest, '/', &head) || !provider_parse(head, ret_provider))
        return false;
    *ret_model = rest;
    return true;
}

int whatif_parse_swap(struct str text, struct engine_swap ret[static 2], size_t *ret_count,
                      struct err *err)
{
    struct engine_swap swap = { .from_provider = PROVIDER_UNKNOWN };
    ptrdiff_t sign = str_find_char(text, '=', 0);

    if (sign <= 0 || (size_t)sign + 1 >= text.len)
        return err_set(
            err, ERR_USAGE,
            "--model '%.*s' is not A=B: the model that was used, and the one to price it "
            "as, each with its provider before a slash if need be",
            STR_ARG(text));
    swap.from = str_trim(str_sub(text, 0, (size_t)sign));
    split_model(str_trim(str_sub(text, (size_t)sign + 1, text.len)), &swap.to_provider, &swap.to);
    *ret_count = 0;
    ret[(*ret_count)++] = swap; /* names of routers' models have slashes of their own */
    if (split_model(swap.from, &swap.from_provider, &swap.from))
        ret[(*ret_count)++] = swap;
    return 0;
}

static bool parse_micro(struct str text, int64_t *ret)
{
    i128 value;

    if (decimal_parse(str_trim(text), RATIO_DIGITS, &value) != DECIMAL_OK || value <= 0 ||
        value > RATIO_MAX_MICRO)
        return false;
    *ret = (int64_t)value;
    return true;
}

int whatif_parse_ratio(struct str text, int64_t *ret_low_micro, int64_t *ret_high_micro,
                       struct err *err)
{
    ptrdiff_t dots = str_find(text, STR(".."), 0);
    struct str low = dots < 0 ? text : str_sub(text, 0, (size_t)dots);
    struct str high = dots < 0 ? text : str_sub(text, (size_t)dots + 2, text.len);

    if (parse_micro(low, ret_low_micro) && parse_micro(high, ret_high_micro) &&
        *ret_low_micro <= *ret_high_micro)
        return 0;
    return err_set(err, ERR_USAGE,
                   "--tokens-ratio '%.*s' is not a ratio or an interval of them: write 0.9..1.3, "
                   "above 0 and up to 100, the smaller one first",
                   STR_ARG(text));
}

/* --- the answer --- */

static int run_at(const struct whatif_question *question, int64_t tokens_micro,
                  struct engine_result *ret, struct err *err)
{
    struct engine_whatif whatif = *question->whatif;
    struct engine_query query = *question->query;

    whatif.tokens_micro = tokens_micro;
    query.whatif = &whatif;
    query.measures = ENGINE_MONEY | ENGINE_CHARGES;
    return engine_run(&query, ret, err);
}

/* Whether writing a token to the cache costs more there than reading it afresh. */
static bool charges_writes(const struct price_book *book, const struct price_query *q)
{
    struct usage fresh = { 0 }, written;
    struct price_result a, b;

    usage_set(&fresh, USAGE_INPUT, PROBE_TOKENS);
    written = fresh;
    usage_set(&written, USAGE_CACHE_WRITE, PROBE_TOKENS);
    price_of(book, q, &fresh, &a);
    price_of(book, q, &written, &b);
    return a.status == PRICE_OK && b.status == PRICE_OK && b.cost_pusd > a.cost_pusd;
}

static uint32_t notes_of(const struct whatif_question *question, const struct engine_row *now,
                         const struct engine_row *then, const struct price_query *is)
{
    uint32_t notes = then->sums.unpriced_requests > 0 ? WHATIF_UNPRICED : 0, flags = 0;
    struct price_query there = *is;

    for (size_t i = 0; i < then->detail->charges.len; i++)
        flags |= then->detail->charges.ptr[i].flags;
    if (flags & PRICE_CACHED_AT_INPUT)
        notes |= WHATIF_CACHE_AT_INPUT;
    if (flags & PRICE_TIER_ASSUMED)
        notes |= WHATIF_TIER_ASSUMED;
    if (now->sums.cost_pusd[COST_REPORTED] != 0)
        notes |= WHATIF_REPORTED;
    if (now->sums.unpriced_requests > 0)
        notes |= WHATIF_UNPRICED_NOW;
    if (now->sums.unknown_requests > 0)
        notes |= WHATIF_UNKNOWN;
    if (now->sums.cached_input_tokens == 0 || now->sums.cache_write_tokens > 0)
        return notes;
    there.at_us = question->query->to_us < INT64_MAX ? question->query->to_us - 1 : INT64_MAX - 1;
    return notes | (charges_writes(question->query->book, &there) ? WHATIF_WRITES_UNKNOWN : 0);
}

static void add(struct whatif_sum *to, const struct whatif_row *row, const struct engine_sums *now)
{
    bool known = row->costs.now_known && row->costs.then_known;
    int64_t left_out = known ? 0 : now->requests;

    if (!row->is_swapped)
        left_out = now->unpriced_requests;
    to->notes |= row->notes;
    to->unknown_requests += left_out < now->requests ? now->unknown_requests : 0;
    to->requests += now->requests - left_out;
    to->left_out_requests += left_out;
    if (!known) {
        to->left_out_groups++;
        return;
    }
    to->groups++;
    to->costs.now_pusd += row->costs.now_pusd;
    to->costs.low_pusd += row->costs.low_pusd;
    to->costs.high_pusd += row->costs.high_pusd;
}

static void end_sum(struct whatif_sum *s)
{
    s->costs.now_known = s->costs.then_known = s->groups > 0 || s->left_out_groups == 0;
}

/* What a group is priced as; false if as it was. */
static bool query_of(const struct whatif_question *question, const struct engine_row *row,
                     struct price_query *ret_was, struct price_query *ret_is)
{
    struct dimension *const *by = question->query->dimensions;
    size_t model_at = question->model_at, provider_at = question->provider_at;

    *ret_was = (struct price_query){ .model = dimension_value(by[model_at], row->codes[model_at]) };
    provider_parse(dimension_value(by[provider_at], row->codes[provider_at]), &ret_was->provider);
    *ret_is = *ret_was;
    return engine_swap_query(question->whatif, ret_is);
}

bool whatif_is_asked(const struct whatif_question *question, const struct whatif *w,
                     const struct engine_unpriced *u)
{
    struct price_query was, is;

    for (size_t i = 0; i < w->now.rows.len; i++)
        if (w->rows[i].notes & WHATIF_UNPRICED &&
            query_of(question, &w->now.rows.ptr[i], &was, &is) && str_eq(is.model, u->model) &&
            str_eq(str_from(provider_name(is.provider)), u->provider))
            return true;
    return false;
}

/* What stays as it is is known as far as it is now. */
static void fill_costs(struct whatif_row *row, const struct engine_sums *now,
                       const struct engine_sums *then, const struct engine_sums *most)
{
    row->costs = (struct whatif_costs){
        .now_known =
            !engine_cost_is_unknown(now) && !(row->is_swapped && now->unpriced_requests > 0),
        .then_known =
            !engine_cost_is_unknown(then) && !(row->is_swapped && then->unpriced_requests > 0),
        .now_pusd = engine_cost(now),
        .low_pusd = engine_cost(then),
        .high_pusd = engine_cost(most),
    };
}

static void fill_row(const struct whatif_question *question, struct whatif *w, size_t i)
{
    const struct engine_row *now = &w->now.rows.ptr[i], *then = &w->then.rows.ptr[i];
    const struct engine_row *most = w->most.rows.len ? &w->most.rows.ptr[i] : then;
    struct whatif_row *row = &w->rows[i];
    struct price_query was, is;

    row->is_swapped = query_of(question, now, &was, &is);
    fill_costs(row, &now->sums, &then->sums, &most->sums);
    if (row->is_swapped)
        row->notes = notes_of(question, now, then, &is);
    else if (now->sums.unpriced_requests > 0)
        row->notes = WHATIF_UNPRICED_NOW;
    if (!row->is_swapped && now->sums.unknown_requests > 0)
        row->notes |= WHATIF_UNKNOWN;
    add(row->is_swapped ? &w->changed : &w->rest, row, &now->sums);
    add(&w->all, row, &now->sums);
}

int whatif_run(const struct whatif_question *question, struct whatif *ret, struct err *err)
{
    struct engine_query query = *question->query;

    *ret = (struct whatif){ .low_micro = question->low_micro, .high_micro = question->high_micro };
    query.measures = ENGINE_MONEY;
    if (engine_run(&query, &ret->now, err) < 0 ||
        run_at(question, question->low_micro, &ret->then, err) < 0)
        return -1;
    if (question->high_micro != question->low_micro &&
        run_at(question, question->high_micro, &ret->most, err) < 0)
        return -1;
    ret->rows = mem_calloc(ret->now.rows.len, sizeof(*ret->rows));
    for (size_t i = 0; i < ret->now.rows.len; i++)
        fill_row(question, ret, i);
    end_sum(&ret->changed);
    end_sum(&ret->rest);
    end_sum(&ret->all);
    return 0;
}

void whatif_release(struct whatif *w)
{
    engine_result_release(&w->now);
    engine_result_release(&w->then);
    engine_result_release(&w->most);
    free(w->rows);
}
