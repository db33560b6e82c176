/* Whether the tool calls of an answer fit the schemas of the tools that the request offered.
 *
 * Of JSON Schema what tools are written with: type, properties, required, additionalProperties,
 * items, enum, const, bounds, anyOf, oneOf, allOf, $ref within the schema.  What is not known here
 * (pattern, format, conditions) is taken to fit: a gate compares two arms, and what both let pass
 * tells nothing of either.
 */
#include "config.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "llm/framing.h"
#include "llm/tool_calls.h"
#include "migrate/verdict_parts.h"

/* Schemas are a caller's, and can be made to take for ever; what lies beyond is taken to fit. */
#define DEPTH_MAX 64     /* of schemas in schemas */
#define STEPS_MAX 200000 /* of one tool call: values, names and words that are looked at */

#define CALLS_MAX 64 /* of one answer */

struct fitting {
    const json_t *root; /* of the tool's schema */
    int depth;
    long steps;
};

static bool is_over(struct fitting *f)
{
    return f->steps++ >= STEPS_MAX;
}

static bool fits(struct fitting *f, const json_t *value, const json_t *schema);

/* --- JSON Schema --- */

static bool is_whole(const json_t *value)
{
    double n = json_real_value(value);

    return json_is_integer(value) ||
           (json_is_real(value) && n > -1e15 && n < 1e15 && n == (double)(int64_t)n);
}

/* Gemini spells types in capitals. */
static bool has_type(const json_t *value, const char *type)
{
    if (strcasecmp(type, "object") == 0)
        return json_is_object(value);
    if (strcasecmp(type, "array") == 0)
        return json_is_array(value);
    if (strcasecmp(type, "string") == 0)
        return json_is_string(value);
    if (strcasecmp(type, "integer") == 0)
        return is_whole(value);
    if (strcasecmp(type, "number") == 0)
        return json_is_number(value);
    if (strcasecmp(type, "boolean") == 0)
        return json_is_boolean(value);
    return strcasecmp(type, "null") != 0 || json_is_null(value);
}

static bool fits_type(const json_t *value, const json_t *schema)
{
    const json_t *type = json_object_get(schema, "type"), *one;
    size_t i;

    if (json_is_null(value) && json_is_true(json_object_get(schema, "nullable")))
        return true;
    if (json_is_string(type))
        return has_type(value, json_string_value(type));
    json_array_foreach(type, i, one)
    {
        if (json_is_string(one) && has_type(value, json_string_value(one)))
            return true;
    }
    return json_array_size(type) == 0;
}

static bool fits_list(struct fitting *f, const json_t *value, const json_t *schema)
{
    const json_t *list = json_object_get(schema, "enum"), *one;
    const json_t *only = json_object_get(schema, "const");
    size_t i;

    if (only && !json_equal(value, only))
        return false;
    if (!json_is_array(list))
        return true;
    json_array_foreach(list, i, one)
    {
        if (is_over(f) || json_equal(value, one))
            return true;
    }
    return false;
}

static bool is_bounded(double n, const json_t *schema, const char *least, const char *most)
{
    const json_t *low = json_object_get(schema, least), *high = json_object_get(schema, most);

    return (!json_is_number(low) || n >= json_number_value(low)) &&
           (!json_is_number(high) || n <= json_number_value(high));
}

/* Characters of a text that is UTF-8, as Jansson's are. */
static double characters(const json_t *text)
{
    const char *p = json_string_value(text);
    double n = 0;

    for (size_t i = 0; i < json_string_length(text); i++)
        n += ((unsigned char)p[i] & 0xc0) != 0x80;
    return n;
}

static bool fits_bounds(const json_t *value, const json_t *schema)
{
    if (json_is_number(value))
        return is_bounded(json_number_value(value), schema, "minimum", "maximum");
    if (json_is_string(value))
        return is_bounded(characters(value), schema, "minLength", "maxLength");
    if (json_is_array(value))
        return is_bounded((double)json_array_size(value), schema, "minItems", "maxItems");
    return true;
}

static bool fits_members(struct fitting *f, const json_t *value, const json_t *schema)
{
    const json_t *known = json_object_get(schema, "properties"), *one;
    const json_t *other = json_object_get(schema, "additionalProperties");
    const json_t *required = json_object_get(schema, "required");
    json_t *members = (json_t *)(uintptr_t)value; /* Jansson's iterators are not const */
    size_t i;

    json_array_foreach(required, i, one)
    {
        if (is_over(f))
            return true;
        if (json_is_string(one) && !json_object_get(value, json_string_value(one)))
            return false;
    }
    for (void *at = json_object_iter(members); at; at = json_object_iter_next(members, at)) {
        const json_t *of = json_object_get(known, json_object_iter_key(at));
        if (!of && json_is_false(other))
            return false;
        of = of ? of : other;
        if (of && !fits(f, json_object_iter_value(at), of))
            return false;
    }
    return true;
}

static bool fits_items(struct fitting *f, const json_t *value, const json_t *schema)
{
    const json_t *items = json_object_get(schema, "items"), *one;
    size_t i;

    if (!json_is_object(items))
        return true;
    json_array_foreach(value, i, one)
    {
        if (!fits(f, one, items))
            return false;
    }
    return true;
}

/* anyOf and oneOf: one that fits is enough. */
static bool fits_any(struct fitting *f, const json_t *value, const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (fits(f, value, one))
            return true;
    }
    return json_array_size(list) == 0;
}

static bool fits_all(struct fitting *f, const json_t *value, const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (!fits(f, value, one))
            return false;
    }
    return true;
}

/* "#/$defs/place"; NULL = elsewhere. */
static const json_t *resolve(const struct fitting *f, const json_t *schema)
{
    struct str rest = json_get_str(schema, "$ref"), name;
    const json_t *at = f->root;
    char key[256];

    if (!str_starts_with(rest, STR("#/")))
        return NULL;
    rest = str_sub(rest, 2, SIZE_MAX);
    while (at && str_split(&rest, '/', &name)) {
        if (name.len >= sizeof(key))
            return NULL;
        memcpy(key, name.ptr, name.len);
        key[name.len] = '\0';
        at = json_object_get(at, key);
    }
    return at;
}

static bool fits_schema(struct fitting *f, const json_t *value, const json_t *schema)
{
    const json_t *other = resolve(f, schema);

    if (other && !fits(f, value, other))
        return false;
    return fits_type(value, schema) && fits_list(f, value, schema) && fits_bounds(value, schema) &&
           (!json_is_object(value) || fits_members(f, value, schema)) &&
           (!json_is_array(value) || fits_items(f, value, schema)) &&
           fits_any(f, value, json_object_get(schema, "anyOf")) &&
           fits_any(f, value, json_object_get(schema, "oneOf")) &&
           fits_all(f, value, json_object_get(schema, "allOf"));
}

static bool fits(struct fitting *f, const json_t *value, const json_t *schema)
{
    if (json_is_false(schema))
        return false;
    if (!json_is_object(schema) || f->depth == DEPTH_MAX || is_over(f))
        return true;
    f->depth++;
    bool fit = fits_schema(f, value, schema);
    f->depth--;
    return fit;
}

/* --- what was offered --- */

struct offer {
    struct str name;
    const json_t *schema; /* what is asked for; NULL = none is said */
    bool is_found;
};

static void look_at(const json_t *tool, struct offer *o)
{
    static const char *const keys[] = { "parameters", "parametersJsonSchema", "input_schema" };

    if (o->is_found || !str_eq(json_get_str(tool, "name"), o->name))
        return;
    o->is_found = true;
    for (size_t i = 0; i < ARRAY_LEN(keys) && !o->schema; i++)
        o->schema = json_get(tool, keys[i]);
    if (!o->schema)
        o->schema = json_get(json_get(tool, "inputSchema"), "json");
}

/* The shapes of OpenAI (chat, responses, the old functions), Anthropic, Gemini, Bedrock, Ollama. */
static void find_tool(const json_t *request, struct offer *o)
{
    const json_t *tools = json_get(request, "tools"), *tool, *one;
    size_t i, k;

    if (!tools)
        tools = json_get(json_get(request, "toolConfig"), "tools");
    json_array_foreach(tools, i, tool)
    {
        look_at(tool, o);
        look_at(json_get(tool, "function"), o);
        look_at(json_get(tool, "toolSpec"), o);
        json_array_foreach(json_get(tool, "functionDeclarations"), k, one) look_at(one, o);
        json_array_foreach(json_get(tool, "function_declarations"), k, one) look_at(one, o);
    }
    json_array_foreach(json_get(request, "functions"), i, one) look_at(one, o);
}

/* 1 = fits, 0 = does not, -1 = no schema is recorded. */
static int fits_offer(const struct tool_call *call, const json_t *request)
{
    CLEANUP(json_decref) json_t *arguments = NULL;
    struct offer o = { .name = buf_str(&call->name) };
    struct str text = str_trim(buf_str(&call->arguments));
    struct err ignored;

    find_tool(request, &o);
    if (!o.is_found)
        return 0; /* a tool that was never offered */
    if (json_parse(text.len ? text : STR("{}"), &arguments, &ignored) < 0 ||
        !json_is_object(arguments))
        return 0;
    struct fitting f = { .root = o.schema };
    return o.schema ? fits(&f, arguments, o.schema) : -1;
}

static struct str content_type(const struct exchange *x)
{
    return call_header_find(x->response_headers, x->response_header_count, "content-type");
}

int tools_fit(const struct exchange *x)
{
    CLEANUP(tool_calls_release) struct tool_calls calls = { 0 };
    CLEANUP(json_decref) json_t *request = NULL;
    struct err ignored;
    int worst = -1;

    if (x->request_body_encoded || x->response_body_encoded ||
        json_parse(x->request_body, &request, &ignored) < 0)
        return -1;
    tool_calls_read(&calls, framing_guess(content_type(x), str_sub(x->response_body, 0, 1024)),
                    x->response_body, &ignored);
    for (size_t i = 0; i < calls.list.len && i < CALLS_MAX; i++) {
        int fit = fits_offer(&calls.list.ptr[i], request);
        if (fit == 0)
            return 0;
        worst = fit > worst ? fit : worst;
    }
    return worst;
}
