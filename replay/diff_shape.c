#include "config.h"

#include "base/json.h"
#include "replay/diff.h"

#define DEPTH_MAX 12

static void add_shape(json_t *value, int depth, struct buf *out);

/* Jansson keeps members as they came; sorted, their order does not matter. */
static int by_name(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void add_object(json_t *object, int depth, struct buf *out)
{
    size_t count = json_object_size(object), i = 0;
    const char **names = mem_calloc(count + 1, sizeof(*names));
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value) names[i++] = name;
    if (count)
        qsort(names, count, sizeof(*names), by_name);
    buf_add_byte(out, '{');
    for (i = 0; i < count; i++) {
        buf_addf(out, "%s%s:", i ? "," : "", names[i]);
        add_shape(json_object_get(object, names[i]), depth + 1, out);
    }
    buf_add_byte(out, '}');
    free(names);
}

/* Each shape once, in the order they come first. */
static void add_list(json_t *list, int depth, struct buf *out)
{
    CLEANUP(buf_release) struct buf all = { 0 };
    CLEANUP(buf_release) struct buf one = { 0 };
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        buf_clear(&one);
        buf_add_byte(&one, '|');
        add_shape(item, depth + 1, &one);
        buf_add_byte(&one, '|');
        if (str_find(buf_str(&all), buf_str(&one), 0) < 0)
            buf_add_str(&all, buf_str(&one));
    }
    buf_add_byte(out, '[');
    for (i = 1; i + 1 < all.len; i++)
        if (all.ptr[i] != '|' || all.ptr[i - 1] != '|')
            buf_add_byte(out, all.ptr[i]);
    buf_add_byte(out, ']');
}

static void add_shape(json_t *value, int depth, struct buf *out)
{
    if (depth > DEPTH_MAX)
        buf_add_text(out, "...");
    else if (json_is_object(value))
        add_object(value, depth, out);
    else if (json_is_array(value))
        add_list(value, depth, out);
    else if (json_is_string(value))
        buf_add_byte(out, 's');
    else if (json_is_number(value))
        buf_add_byte(out, 'n');
    else
        buf_add_byte(out, json_is_null(value) ? '0' : 'b');
}

void diff_shape(struct str json, struct buf *out)
{
    CLEANUP(json_decref) json_t *value = NULL;
    struct err err;

    if (json_parse(json, &value, &err) < 0)
        buf_add_byte(out, '!');
    else
        add_shape(value, 0, out);
}
