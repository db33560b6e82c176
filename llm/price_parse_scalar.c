#include "config.h"

#include "llm/price_reading.h"

#include "base/timestamp.h"

int price_read_bad(struct price_reading *r, const struct yaml_node *n, const char *want)
{
    if (n->kind != YAML_SCALAR)
        return yaml_err(r->yaml, n, r->err, "expected %s, got a %s", want,
                        n->kind == YAML_LIST ? "list" : "map");
    return yaml_err(r->yaml, n, r->err, "expected %s, got '%.*s'", want,
                    STR_ARG(str_sub(n->text, 0, 60)));
}

int price_read_text(struct price_reading *r, const struct yaml_node *n, struct str *ret)
{
    if (n->kind != YAML_SCALAR || n->text.len == 0)
        return price_read_bad(r, n, "text");
    *ret = arena_str(&r->file->arena, n->text);
    return 0;
}

int price_read_lower(struct price_reading *r, const struct yaml_node *n, struct str *ret)
{
    if (n->kind != YAML_SCALAR || n->text.len == 0)
        return price_read_bad(r, n, "text");
    if (n->text.len > PRICE_MODEL_BYTES_MAX)
        return yaml_err(r->yaml, n, r->err, "longer than %d bytes", PRICE_MODEL_BYTES_MAX);
    *ret = price_lower(&r->file->arena, n->text);
    return 0;
}

int price_read_moment(struct price_reading *r, const struct yaml_node *n, int64_t *ret)
{
    if (n->kind != YAML_SCALAR || !timestamp_parse(n->text, ret))
        return price_read_bad(r, n,
                              "a UTC date or time such as 2026-03-13 or 2026-03-13T15:00:00Z");
    return 0;
}

/* Quoted or not: quotes keep other YAML readers from making a binary fraction of it. */
int price_read_decimal(struct price_reading *r, const struct yaml_node *n, int scale, i128 *ret)
{
    if (n->kind != YAML_SCALAR)
        return price_read_bad(r, n, "a decimal number");
    switch (decimal_parse(n->text, scale, ret)) {
    case DECIMAL_OK:
        break;
    case DECIMAL_ROUNDED:
        return yaml_err(r->yaml, n, r->err, "'%.*s' has more than %d decimals", STR_ARG(n->text),
                        scale);
    default:
        return price_read_bad(r, n, "a decimal number such as \"2.50\"");
    }
    if (*ret < 0)
        return yaml_err(r->yaml, n, r->err, "'%.*s' is negative", STR_ARG(n->text));
    return 0;
}

int price_read_ratio(struct price_reading *r, const struct yaml_node *n, struct price_ratio *ret)
{
    int64_t one = 1;
    i128 value;

    for (int i = 0; i < PRICE_RATIO_SCALE; i++)
        one *= 10;
    if (price_read_decimal(r, n, PRICE_RATIO_SCALE, &value) < 0)
        return -1;
    if (value > 1000 * one)
        return yaml_err(r->yaml, n, r->err, "a factor of '%.*s' is more than 1000",
                        STR_ARG(n->text));
    *ret = price_ratio_reduce((int64_t)value, one);
    return 0;
}

int price_read_provider(struct price_reading *r, const struct yaml_node *n, enum provider *ret)
{
    if (n->kind != YAML_SCALAR || !provider_parse(n->text, ret) || *ret == PROVIDER_UNKNOWN)
        return price_read_bad(r, n, "a provider's name (see weir-prices(5))");
    return 0;
}

int price_read_words(struct price_reading *r, const struct yaml_node *n, struct str *ret)
{
    CLEANUP(buf_release) struct buf all = { 0 };

    if (n->kind == YAML_SCALAR)
        return price_read_text(r, n, ret);
    if (n->kind != YAML_LIST)
        return price_read_bad(r, n, "a name or a list of names");
    for (const struct yaml_node *item = n->items; item; item = item->next) {
        if (item->kind != YAML_SCALAR)
            return price_read_bad(r, item, "a name");
        if (all.len > 0)
            buf_add_byte(&all, ' ');
        buf_add_str(&all, item->text);
    }
    *ret = arena_str(&r->file->arena, buf_str(&all));
    return 0;
}

int price_read_lowers(struct price_reading *r, const struct yaml_node *n, struct str **ret,
                      size_t *ret_count)
{
    if (n->kind == YAML_SCALAR) {
        *ret = arena_alloc(&r->file->arena, sizeof(**ret));
        *ret_count = 1;
        return price_read_lower(r, n, *ret);
    }
    if (n->kind != YAML_LIST)
        return price_read_bad(r, n, "a name or a list of names");
    *ret = arena_alloc(&r->file->arena, (n->len + 1) * sizeof(**ret));
    *ret_count = 0;
    for (const struct yaml_node *item = n->items; item; item = item->next)
        if (price_read_lower(r, item, &(*ret)[(*ret_count)++]) < 0)
            return -1;
    return 0;
}

int price_read_span(struct price_reading *r, const struct yaml_node *map, int64_t *ret_from,
                    int64_t *ret_until)
{
    const struct yaml_node *from = yaml_get(map, "from"), *until = yaml_get(map, "until");

    *ret_from = INT64_MIN;
    *ret_until = INT64_MAX;
    if (from && price_read_moment(r, from, ret_from) < 0)
        return -1;
    if (until && price_read_moment(r, until, ret_until) < 0)
        return -1;
    if (*ret_from >= *ret_until)
        return yaml_err(r->yaml, until, r->err, "ends before it begins");
    return 0;
}
