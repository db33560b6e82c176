#include "config.h"

#include "base/jfind.h"

#include <string.h>

static bool find_at(struct jscan *s, const char *path, jfind_fn fn, void *ctx)
{
    size_t len = strcspn(path, ".[");
    struct str key;

    if (!*path)
        return fn(s, ctx);
    if (*path == '[') {
        path += path[2] == '.' ? 3 : 2;
        if (!jscan_enter_array(s))
            return false;
        while (jscan_next_element(s))
            if (find_at(s, path, fn, ctx))
                return true;
        return false;
    }
    const char *rest = path + len + (path[len] == '.');
    if (!jscan_enter_object(s))
        return false;
    while (jscan_next_member(s, &key))
        if (str_eq(key, (struct str){ path, len }) && find_at(s, rest, fn, ctx))
            return true;
    return false;
}

bool jfind(struct str json, const char *path, jfind_fn fn, void *ctx)
{
    struct jscan s;

    jscan_init(&s, json);
    return find_at(&s, path, fn, ctx);
}

static bool is_something(struct jscan *s, void *ctx)
{
    struct str raw;

    (void)ctx;
    switch (jscan_peek(s)) {
    case JSCAN_STRING:
        return jscan_string_raw(s, &raw, NULL) && raw.len;
    case JSCAN_OBJECT:
        return jscan_enter_object(s) && jscan_next_member(s, &raw);
    case JSCAN_ARRAY:
        return jscan_enter_array(s) && jscan_next_element(s);
    case JSCAN_NUMBER:
    case JSCAN_TRUE:
        return true;
    default:
        return false;
    }
}

bool jfind_something(struct str json, const char *path)
{
    return jfind(json, path, is_something, NULL);
}

static bool take_word(struct jscan *s, void *ctx)
{
    struct str *ret = ctx;

    if (jscan_peek(s) == JSCAN_NUMBER)
        return jscan_number(s, ret);
    return jscan_peek(s) == JSCAN_STRING && jscan_string_raw(s, ret, NULL) && ret->len;
}

struct str jfind_word(struct str json, const char *path)
{
    struct str word = STR("");

    return jfind(json, path, take_word, &word) ? word : STR("");
}
