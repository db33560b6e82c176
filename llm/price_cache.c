#include "config.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "llm/price_model.h"

/* Distinct models in a report are few; beyond this, matching is done anew each time. */
#define CACHE_ENTRIES_MAX 65536

struct price_cache {
    const struct price_book *book;
    struct map index; /* provider, route and model -> index + 1 into matches */
    VEC(struct price_match *) matches;
    struct buf key;
};

struct price_cache *price_cache_new(const struct price_book *book)
{
    struct price_cache *c = mem_calloc(1, sizeof(*c));

    c->book = book;
    return c;
}

void price_cache_free(struct price_cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->matches.len; i++)
        free(c->matches.ptr[i]);
    vec_release(&c->matches);
    map_release(&c->index);
    buf_release(&c->key);
    free(c);
}

/* What is remembered, or what was found into scratch where no more can be. */
static const struct price_match *find_match(struct price_cache *c, const struct price_query *query,
                                            struct price_match *scratch)
{
    bool is_new;

    buf_clear(&c->key);
    buf_add_byte(&c->key, (char)(query->provider + 1));
    buf_add_str(&c->key, query->route);
    buf_add_byte(&c->key, '\n');
    buf_add_str(&c->key, query->model);
    const struct map_entry *known = map_find(&c->index, buf_str(&c->key));
    if (known)
        return known->ptr;
    if (c->matches.len >= CACHE_ENTRIES_MAX || query->model.len > PRICE_MODEL_BYTES_MAX) {
        price_match(c->book, query, scratch);
        return scratch;
    }
    struct price_match *match = mem_calloc(1, sizeof(*match));
    price_match(c->book, query, match);
    vec_push(&c->matches, match);
    map_put(&c->index, buf_str(&c->key), &is_new)->ptr = match;
    return match;
}

void price_cache_of(struct price_cache *c, const struct price_query *query,
                    const struct usage *usage, struct price_result *ret)
{
    struct price_match scratch;

    price_of_match(c->book, find_match(c, query, &scratch), query, usage, ret);
}

void price_cache_items(struct price_cache *c, const struct price_request *request,
                       struct price_result *ret, struct price_items *ret_items)
{
    struct price_match scratch;

    price_items_of_match(c->book, find_match(c, request->query, &scratch), request, ret, ret_items);
}

void price_cache_rates(struct price_cache *c, const struct price_query *query, int64_t input_tokens,
                       struct price_rates *ret)
{
    struct price_match scratch;

    price_rates_of_match(c->book, find_match(c, query, &scratch), query, input_tokens, ret);
}
