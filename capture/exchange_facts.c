#include "config.h"

#include <inttypes.h>

#include "base/decimal.h"
#include "capture/exchange_fields.h"

#define AT(member) offsetof(struct call_facts, member)

static const struct text_fact {
    const char *name;
    size_t offset; /* of a struct str */
} texts[] = {
    {"model_requested",      AT(model_requested)    },
    { "model",               AT(model)              },
    { "service_tier",        AT(service_tier)       },
    { "geo",                 AT(geo)                },
    { "finish_reason",       AT(finish_reason)      },
    { "response_id",         AT(response_id)        },
    { "upstream_request_id", AT(upstream_request_id)},
    { "end_user",            AT(end_user)           },
    { "error_code",          AT(error_code)         },
    { "variant",             AT(variant)            },
};

static const struct cstr_fact {
    const char *name;
    size_t offset; /* of a const char * */
} cstrs[] = {
    {"recognised_by",        AT(recognised_by)      },
    { "usage_note",          AT(usage_note)         },
    { "reported_cost_field", AT(reported_cost_field)},
};

static const struct {
    const char *name;
    uint32_t bit;
} features[] = {
    {"tools",              CALL_TOOLS            },
    { "vision",            CALL_VISION           },
    { "audio",             CALL_AUDIO            },
    { "structured_output", CALL_STRUCTURED_OUTPUT},
    { "reasoning",         CALL_REASONING        },
    { "web_search",        CALL_WEB_SEARCH       },
};

static void add_features(struct buf *out, uint32_t bits)
{
    if (!bits)
        return;
    json_add_key(out, "features");
    buf_add_byte(out, '[');
    for (size_t i = 0, n = 0; i < ARRAY_LEN(features); i++)
        if (bits & features[i].bit) {
            if (n++)
                buf_add_byte(out, ',');
            json_add_string(out, str_from(features[i].name));
        }
    buf_add_byte(out, ']');
}

static void add_part(struct buf *out, const struct call_part *part)
{
    buf_add_byte(out, '{');
    if (part->model.len)
        json_add_str(out, "model", part->model);
    json_add_key(out, "usage");
    buf_add_byte(out, '{');
    for (int u = 0; u < USAGE_UNIT_COUNT; u++)
        if (usage_has(&part->usage, (enum usage_unit)u))
            json_add_int(out, usage_unit_name((enum usage_unit)u), part->usage.n[u]);
    buf_add_text(out, "}}");
}

void exchange_facts_to_json(const struct call_facts *facts, struct buf *out)
{
    char cost[DECIMAL_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "provider", str_from(provider_name(facts->provider)));
    json_add_str(out, "api", str_from(api_name(facts->api)));
    json_add_bool(out, "stream", facts->stream);
    json_add_bool(out, "billable", facts->billable);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str s = *(const struct str *)((const char *)facts + texts[i].offset);
        if (s.len)
            json_add_str(out, texts[i].name, s);
    }
    for (size_t i = 0; i < ARRAY_LEN(cstrs); i++) {
        const char *s = *(const char *const *)((const char *)facts + cstrs[i].offset);
        if (s)
            json_add_str(out, cstrs[i].name, str_from(s));
    }
    add_features(out, facts->features);
    if (facts->error_class != ERROR_CLASS_NONE)
        json_add_str(out, "error_class", str_from(error_class_name(facts->error_class)));
    json_add_str(out, "usage_source", str_from(usage_source_name(facts->usage_source)));
    if (facts->part_count) {
        json_add_key(out, "parts");
        buf_add_byte(out, '[');
        for (size_t i = 0; i < facts->part_count; i++) {
            if (i)
                buf_add_byte(out, ',');
            add_part(out, &facts->parts[i]);
        }
        buf_add_byte(out, ']');
    }
    if (facts->has_reported_cost)
        json_add_str(out, "reported_cost_usd",
                     str_from(decimal_format(facts->reported_cost_pusd, 12, cost)));
    buf_add_byte(out, '}');
}

static int read_features(const json_t *obj, uint32_t *ret, struct err *err)
{
    const json_t *list = json_get(obj, "features");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_array_get(list, i);
        size_t row = 0;
        while (row < ARRAY_LEN(features) &&
               !str_eq(str_from(json_string_value(name)), str_from(features[row].name)))
            row++;
        if (row == ARRAY_LEN(features))
            return err_set(err, ERR_CORRUPT, "'features' entry %zu is not known", i);
        *ret |= features[row].bit;
    }
    return list && !json_is_array(list) ? err_set(err, ERR_CORRUPT, "'features' is not an array")
                                        : 0;
}

static int read_usage(const json_t *obj, struct usage *ret, struct err *err)
{
    size_t known = 0;

    for (int u = 0; u < USAGE_UNIT_COUNT; u++) {
        const char *name = usage_unit_name((enum usage_unit)u);
        int64_t n = 0;
        if (!json_get(obj, name))
            continue;
        if (exchange_json_int(obj, name, &n, err) < 0)
            return -1;
        usage_set(ret, (enum usage_unit)u, n);
        known++;
    }
    if (!json_is_object(obj) || known != json_object_size(obj))
        return err_set(err, ERR_CORRUPT, "'usage' is not an object of known units");
    return 0;
}

static int read_parts(const json_t *obj, struct arena *arena, struct call_facts *ret,
                      struct err *err)
{
    const json_t *list = json_get(obj, "parts");
    size_t count = json_array_size(list);

    if (list && !json_is_array(list))
        return err_set(err, ERR_CORRUPT, "'parts' is not an array");
    if (count > CALL_PARTS_MAX)
        return err_set(err, ERR_LIMIT, "'parts' has %zu entries, more than %d", count,
                       CALL_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *part = json_array_get(list, i);
        if (exchange_json_text(part, "model", arena, &ret->parts[i].model, err) < 0 ||
            read_usage(json_get(part, "usage"), &ret->parts[i].usage, err) < 0)
            return err_wrap(err, "'parts' entry %zu", i);
    }
    ret->part_count = count;
    return 0;
}

static int read_cost(const json_t *obj, struct arena *arena, struct call_facts *ret,
                     struct err *err)
{
    struct str text;
    i128 cost;

    if (exchange_json_text(obj, "reported_cost_usd", arena, &text, err) < 0)
        return -1;
    if (!text.ptr)
        return 0;
    if (decimal_parse(text, 12, &cost) != DECIMAL_OK || cost > INT64_MAX || cost < INT64_MIN)
        return err_set(err, ERR_CORRUPT, "'reported_cost_usd' is not an amount");
    ret->has_reported_cost = true;
    ret->reported_cost_pusd = (int64_t)cost;
    return 0;
}

static bool parse_source(struct str name, enum usage_source *ret)
{
    for (int i = 0; i < USAGE_SOURCE_COUNT; i++)
        if (str_eq(name, str_from(usage_source_name((enum usage_source)i)))) {
            *ret = (enum usage_source)i;
            return true;
        }
    return false;
}

static int read_enums(const json_t *obj, struct call_facts *ret, struct err *err)
{
    struct str error_class = json_get_str(obj, "error_class");

    if (!provider_parse(json_get_str(obj, "provider"), &ret->provider))
        return err_set(err, ERR_CORRUPT, "'provider' is not known");
    if (!api_parse(json_get_str(obj, "api"), &ret->api))
        return err_set(err, ERR_CORRUPT, "'api' is not known");
    if (!parse_source(json_get_str(obj, "usage_source"), &ret->usage_source))
        return err_set(err, ERR_CORRUPT, "'usage_source' is not known");
    if (error_class.ptr && !exchange_error_class_parse(error_class, &ret->error_class))
        return err_set(err, ERR_CORRUPT, "'error_class' is not known");
    return 0;
}

int exchange_facts_from_json(const json_t *obj, struct arena *arena, struct call_facts *ret,
                             struct err *err)
{
    struct call_facts facts = { 0 };

    if (!json_is_object(obj))
        return err_set(err, ERR_CORRUPT, "is not an object");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (exchange_json_text(obj, texts[i].name, arena,
                               (struct str *)((char *)&facts + texts[i].offset), err) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(cstrs); i++) {
        struct str s;
        if (exchange_json_text(obj, cstrs[i].name, arena, &s, err) < 0)
            return -1;
        *(const char **)((char *)&facts + cstrs[i].offset) = s.ptr; /* arena_str adds a NUL */
    }
    if (exchange_json_bool(obj, "stream", &facts.stream, err) < 0 ||
        exchange_json_bool(obj, "billable", &facts.billable, err) < 0 ||
        read_enums(obj, &facts, err) < 0 || read_features(obj, &facts.features, err) < 0 ||
        read_parts(obj, arena, &facts, err) < 0 || read_cost(obj, arena, &facts, err) < 0)
        return -1;
    *ret = facts;
    return 0;
}
