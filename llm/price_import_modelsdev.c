#include "config.h"

#include <string.h>

#include "llm/price_importing.h"

/* Prices are USD per million tokens. */
static const struct {
    const char *key;
    int unit;
} cost_keys[] = {
    {"input",         USAGE_INPUT       },
    { "output",       USAGE_OUTPUT      },
    { "cache_read",   USAGE_CACHED_INPUT},
    { "cached_input", USAGE_CACHED_INPUT},
    { "cache_input",  USAGE_CACHED_INPUT},
    { "cache_write",  USAGE_CACHE_WRITE },
    { "cached_write", USAGE_CACHE_WRITE },
    { "reasoning",    USAGE_REASONING   },
    { "input_audio",  USAGE_INPUT_AUDIO },
    { "output_audio", USAGE_OUTPUT_AUDIO},
};

/* Where their provider ids are not names of ours. */
static const struct {
    const char *theirs;
    enum provider ours;
} provider_ids[] = {
    {"amazon-bedrock",           PROVIDER_BEDROCK     },
    { "azure",                   PROVIDER_AZURE_OPENAI},
    { "google",                  PROVIDER_GEMINI      },
    { "google-vertex",           PROVIDER_VERTEX      },
    { "google-vertex-anthropic", PROVIDER_VERTEX      },
    { "togetherai",              PROVIDER_TOGETHER    },
    { "fireworks-ai",            PROVIDER_FIREWORKS   },
    { "z-ai",                    PROVIDER_ZAI         },
};

static enum provider provider_of(struct str id)
{
    enum provider provider;

    for (size_t i = 0; i < ARRAY_LEN(provider_ids); i++)
        if (str_eq(id, str_from(provider_ids[i].theirs)))
            return provider_ids[i].ours;
    return provider_parse(id, &provider) ? provider : PROVIDER_UNKNOWN;
}

static struct price_set read_cost(struct price_import *im, const json_t *cost)
{
    struct price_filling set = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(cost_keys); i++)
        price_fill(im, &set, cost_keys[i].unit, PRICE_PER_MILLION, json_get(cost, cost_keys[i].key),
                   false);
    return price_filled_set(im, &set);
}

/* `tiers: [{tier: {size: N}, input: ...}]`, and the older `context_over_200k: {input: ...}`. */
static void read_levels(struct price_import *im, const json_t *cost, struct price_period *p)
{
    const json_t *tiers = json_get(cost, "tiers"), *over = json_get(cost, "context_over_200k");
    size_t i;
    json_t *tier;

    p->levels = arena_alloc(&im->file->arena, PRICE_LEVELS_MAX * sizeof(*p->levels));
    json_array_foreach(tiers, i, tier)
    {
        int64_t size = json_integer_value(json_get(json_get(tier, "tier"), "size"));
        bool rises = p->level_count == 0 || size > p->levels[p->level_count - 1].threshold;
        if (size <= 0 || !rises || p->level_count == PRICE_LEVELS_MAX)
            continue;
        struct price_level level = { .threshold = size, .set = read_cost(im, tier) };
        if (level.set.count > 0)
            p->levels[p->level_count++] = level;
    }
    if (over && p->level_count == 0) {
        struct price_level level = { .threshold = 200000, .set = read_cost(im, over) };
        if (level.set.count > 0)
            p->levels[p->level_count++] = level;
    }
}

/* modes.fast says which body field asks for it: OpenAI's service_tier priority, Anthropic's speed.
 */
static void read_fast(struct price_import *im, const json_t *model, struct price_period *p)
{
    const json_t *modes = json_get(model, "modes");
    if (!modes)
        modes = json_get(json_get(model, "experimental"), "modes");
    const json_t *fast = json_get(modes, "fast");
    struct str tier = json_get_str(json_get(json_get(fast, "provider"), "body"), "service_tier");
    struct price_set set = read_cost(im, json_get(fast, "cost"));

    if (set.count == 0)
        return;
    p->tiers = arena_alloc(&im->file->arena, sizeof(*p->tiers));
    p->tiers[0].name = tier.len > 0 ? price_import_lower(im, tier) : STR("fast");
    p->tiers[0].set = set;
    p->tier_count = 1;
}

static void read_model(struct price_import *im, struct str id, const json_t *model,
                       enum provider provider)
{
    const json_t *cost = json_get(model, "cost");
    struct price_period period = price_import_period(im);

    if (!price_import_wants(im, provider))
        return;
    period.set = read_cost(im, cost);
    read_levels(im, cost, &period);
    read_fast(im, model, &period);
    struct price_entry entry = {
        .id = price_import_lower(im, id),
        .provider = provider,
        .match.kind = PRICE_RULE_ANY,
    };
    price_import_entry(im, entry, &period, 1);
}

/* {"openai": {"models": {"gpt-4o": {"cost": {...}}}}}, or without the "models" in between. */
int price_import_models_dev(struct price_import *im, const json_t *root, struct err *err)
{
    const char *provider, *id;
    json_t *value, *model;

    if (!json_is_object(root))
        return err_set(err, ERR_CORRUPT, "not an object of providers");
    json_object_foreach((json_t *)(uintptr_t)root, provider, value)
    {
        json_t *models = json_get(value, "models");
        enum provider ours = provider_of(str_from(provider));
        json_object_foreach(json_is_object(models) ? models : value, id, model)
        {
            if (json_is_object(model))
                read_model(im, str_from(id), model, ours);
        }
    }
    return 0;
}
