#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "llm/price_importing.h"

#define PERIODS_MAX 64 /* of one model */

/* Their price keys (units.yml): the quantity is in the name. */
static const struct {
    const char *key;
    int unit;
    enum price_per per;
} price_keys[] = {
    {"input_mtok",               USAGE_INPUT,          PRICE_PER_MILLION },
    { "output_mtok",             USAGE_OUTPUT,         PRICE_PER_MILLION },
    { "cache_read_mtok",         USAGE_CACHED_INPUT,   PRICE_PER_MILLION },
    { "cache_write_mtok",        USAGE_CACHE_WRITE,    PRICE_PER_MILLION },
    { "cache_write_5m_mtok",     USAGE_CACHE_WRITE_5M, PRICE_PER_MILLION },
    { "cache_write_1h_mtok",     USAGE_CACHE_WRITE_1H, PRICE_PER_MILLION },
    { "input_audio_mtok",        USAGE_INPUT_AUDIO,    PRICE_PER_MILLION },
    { "input_image_mtok",        USAGE_INPUT_IMAGE,    PRICE_PER_MILLION },
    { "input_video_mtok",        USAGE_INPUT_VIDEO,    PRICE_PER_MILLION },
    { "cache_audio_read_mtok",   USAGE_CACHED_AUDIO,   PRICE_PER_MILLION },
    { "cache_image_read_mtok",   USAGE_CACHED_IMAGE,   PRICE_PER_MILLION },
    { "cache_video_read_mtok",   USAGE_CACHED_VIDEO,   PRICE_PER_MILLION },
    { "input_tool_mtok",         USAGE_TOOL_PROMPT,    PRICE_PER_MILLION },
    { "output_reasoning_mtok",   USAGE_REASONING,      PRICE_PER_MILLION },
    { "output_audio_mtok",       USAGE_OUTPUT_AUDIO,   PRICE_PER_MILLION },
    { "output_image_mtok",       USAGE_OUTPUT_IMAGE,   PRICE_PER_MILLION },
    { "input_mchars",            USAGE_CHARACTERS,     PRICE_PER_MILLION },
    { "web_searches_kcount",     USAGE_WEB_SEARCHES,   PRICE_PER_THOUSAND},
    { "storage_searches_kcount", USAGE_FILE_SEARCHES,  PRICE_PER_THOUSAND},
    { "code_executions_kcount",  USAGE_CODE_SESSIONS,  PRICE_PER_THOUSAND},
    { "rerank_searches_kcount",  USAGE_SEARCH_UNITS,   PRICE_PER_THOUSAND},
    { "requests_kcount",         PRICE_UNIT_REQUEST,   PRICE_PER_THOUSAND},
    { "input_document_kpages",   USAGE_PAGES,          PRICE_PER_THOUSAND},
    { "audio_hours",             USAGE_AUDIO_MS,       PRICE_PER_HOUR    },
    { "input_audio_hours",       USAGE_AUDIO_MS,       PRICE_PER_HOUR    },
    { "output_audio_hours",      USAGE_AUDIO_MS,       PRICE_PER_HOUR    },
};

/* Where their provider ids are not names of ours. */
static const struct {
    const char *theirs;
    enum provider ours;
} provider_ids[] = {
    {"google",    PROVIDER_GEMINI},
    { "x-ai",     PROVIDER_XAI   },
    { "voyageai", PROVIDER_VOYAGE},
};

static const struct {
    const char *key;
    enum price_rule_kind kind;
} rule_keys[] = {
    {"equals",       PRICE_RULE_EQUALS  },
    { "starts_with", PRICE_RULE_PREFIX  },
    { "ends_with",   PRICE_RULE_SUFFIX  },
    { "contains",    PRICE_RULE_CONTAINS},
    { "regex",       PRICE_RULE_REGEX   },
    { "or",          PRICE_RULE_ANY     },
    { "and",         PRICE_RULE_ALL     },
};

static enum provider provider_of(struct str id, struct str *ret_route)
{
    static const struct str router = STR_INIT("huggingface_");
    enum provider provider;

    *ret_route = (struct str){ 0 };
    if (str_starts_with(id, router)) {
        *ret_route = str_sub(id, router.len, id.len);
        return PROVIDER_HUGGINGFACE;
    }
    for (size_t i = 0; i < ARRAY_LEN(provider_ids); i++)
        if (str_eq(id, str_from(provider_ids[i].theirs)))
            return provider_ids[i].ours;
    return provider_parse(id, &provider) ? provider : PROVIDER_UNKNOWN;
}

/* --- rules --- */

static int read_rule(struct price_import *im, const json_t *from, int depth, struct price_rule *ret,
                     struct err *err);

static int read_rules(struct price_import *im, const json_t *list, int depth,
                      struct price_rule *ret, struct err *err)
{
    size_t i;
    json_t *item;

    ret->rules = arena_alloc(&im->file->arena, (json_array_size(list) + 1) * sizeof(*ret->rules));
    json_array_foreach(list, i, item)
    {
        if (read_rule(im, item, depth, &ret->rules[ret->count++], err) < 0)
            return -1;
    }
    return 0;
}

static int read_rule(struct price_import *im, const json_t *from, int depth, struct price_rule *ret,
                     struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(rule_keys); i++) {
        const json_t *value = json_get(from, rule_keys[i].key);
        if (!value)
            continue;
        ret->kind = rule_keys[i].kind;
        if (json_is_array(value) && depth < PRICE_RULE_DEPTH_MAX)
            return read_rules(im, value, depth + 1, ret, err);
        struct str text = json_get_str(from, rule_keys[i].key);
        if (text.len == 0)
            return err_set(err, ERR_CORRUPT, "rule '%s' has no text", rule_keys[i].key);
        ret->text = ret->kind == PRICE_RULE_REGEX ? arena_str(&im->file->arena, text)
                                                  : price_import_lower(im, text);
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED, "a match rule of a kind we do not know");
}

/* Ours are a list of which one must match. */
static int read_match(struct price_import *im, const json_t *from, struct price_rule *ret,
                      struct err *err)
{
    struct price_rule rule = { 0 };

    ret->kind = PRICE_RULE_ANY;
    if (!from)
        return 0;
    if (read_rule(im, from, 0, &rule, err) < 0)
        return -1;
    if (rule.kind == PRICE_RULE_ANY) {
        *ret = rule;
        return 0;
    }
    ret->rules = price_import_copy(im, &rule, sizeof(rule));
    ret->count = 1;
    return 0;
}

/* --- prices --- */

/* {"base": 1.25, "tiers": [{"start": 200000, "price": 2.5}]}: the tier's price holds for the whole
 * request once its input is above the start. */
static void read_tiers(struct price_import *im, size_t key, const json_t *price,
                       struct price_filling *levels, int64_t *thresholds, size_t *count)
{
    size_t i;
    json_t *tier;

    json_array_foreach(json_get(price, "tiers"), i, tier)
    {
        int64_t start = json_integer_value(json_get(tier, "start"));
        size_t at = 0;
        if (start <= 0)
            continue;
        while (at < *count && thresholds[at] != start)
            at++;
        if (at == PRICE_LEVELS_MAX)
            return;
        if (at == *count) {
            thresholds[at] = start;
            levels[at] = (struct price_filling){ 0 };
            (*count)++;
        }
        price_fill(im, &levels[at], price_keys[key].unit, price_keys[key].per,
                   json_get(tier, "price"), false);
    }
}

static int compare_levels(const void *a, const void *b)
{
    const struct price_level *x = a, *y = b;

    return (x->threshold > y->threshold) - (x->threshold < y->threshold);
}

static void read_prices(struct price_import *im, const json_t *prices, enum provider provider,
                        struct price_period *ret)
{
    struct price_filling set = { 0 }, levels[PRICE_LEVELS_MAX];
    int64_t thresholds[PRICE_LEVELS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(price_keys); i++) {
        const json_t *price = json_get(prices, price_keys[i].key);
        const json_t *base = json_is_object(price) ? json_get(price, "base") : price;
        price_fill(im, &set, price_keys[i].unit, price_keys[i].per, base, false);
        read_tiers(im, i, price, levels, thresholds, &count);
    }
    ret->set = price_filled_set(im, &set);
    if (count == 0)
        return;
    ret->levels = arena_alloc(&im->file->arena, count * sizeof(*ret->levels));
    ret->level_count = count;
    for (size_t i = 0; i < count; i++) {
        ret->levels[i].threshold = thresholds[i];
        ret->levels[i].inclusive = provider == PROVIDER_XAI;
        ret->levels[i].set = price_filled_set(im, &levels[i]);
    }
    qsort(ret->levels, count, sizeof(*ret->levels), compare_levels);
}

/* "00:30:00Z" as seconds of the day; -1 if it is none. */
static int32_t read_time(struct str text)
{
    int64_t hour, minute, second;

    if (text.len < 8 || !str_to_i64(str_sub(text, 0, 2), &hour) ||
        !str_to_i64(str_sub(text, 3, 2), &minute) || !str_to_i64(str_sub(text, 6, 2), &second) ||
        hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return -1;
    return (int32_t)(hour * 3600 + minute * 60 + second);
}

static int read_constraint(const json_t *constraint, struct price_period *p, struct err *err)
{
    struct str date = json_get_str(constraint, "start_date");
    struct str from = json_get_str(constraint, "start_time");
    struct str until = json_get_str(constraint, "end_time");

    if (date.ptr && !timestamp_parse(date, &p->from_us))
        return err_set(err, ERR_CORRUPT, "bad start_date '%.*s'", STR_ARG(date));
    if (!from.ptr && !until.ptr)
        return 0;
    p->hours_from_s = read_time(from);
    p->hours_until_s = read_time(until);
    if (p->hours_from_s < 0 || p->hours_until_s < 0 || p->hours_from_s % 60 != 0 ||
        p->hours_until_s % 60 != 0)
        return err_set(err, ERR_CORRUPT, "bad start_time or end_time");
    return 0;
}

static int read_periods(struct price_import *im, const json_t *prices, enum provider provider,
                        struct price_period *ret, size_t *ret_count, struct err *err)
{
    size_t i;
    json_t *dated;

    *ret_count = 0;
    if (!json_is_array(prices)) {
        ret[0] = price_import_period(im);
        read_prices(im, prices, provider, &ret[0]);
        *ret_count = 1;
        return 0;
    }
    json_array_foreach(prices, i, dated)
    {
        if (i == PERIODS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d prices", PERIODS_MAX);
        ret[i] = price_import_period(im);
        read_prices(im, json_get(dated, "prices"), provider, &ret[i]);
        if (read_constraint(json_get(dated, "constraint"), &ret[i], err) < 0)
            return -1;
        ++*ret_count;
    }
    return 0;
}

static int read_model(struct price_import *im, const json_t *model, enum provider provider,
                      struct str route, struct err *err)
{
    struct price_period periods[PERIODS_MAX];
    struct str id = json_get_str(model, "id");
    size_t count;

    if (!price_import_wants(im, provider))
        return 0;
    struct price_entry entry = {
        .id = price_import_lower(im, id),
        .provider = provider,
        .route = price_import_lower(im, route),
    };
    if (read_match(im, json_get(model, "match"), &entry.match, err) < 0 ||
        read_periods(im, json_get(model, "prices"), provider, periods, &count, err) < 0)
        return err_wrap(err, "model '%.*s'", STR_ARG(id));
    price_import_entry(im, entry, periods, count);
    return 0;
}

int price_import_genai(struct price_import *im, const json_t *root, struct err *err)
{
    const json_t *list = json_is_array(root) ? root : json_get(root, "providers");
    size_t i, j;
    json_t *provider, *model;

    if (!json_is_array(list))
        return err_set(err, ERR_CORRUPT, "not a list of providers");
    json_array_foreach(list, i, provider)
    {
        struct str route;
        struct str id = json_get_str(provider, "id");
        enum provider ours = provider_of(id, &route);
        json_array_foreach(json_get(provider, "models"), j, model)
        {
            if (read_model(im, model, ours, route, err) < 0)
                return err_wrap(err, "provider '%.*s'", STR_ARG(id));
        }
    }
    return 0;
}
