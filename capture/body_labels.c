#include "config.h"

#include "capture/body_labels.h"

#include "base/buf.h"
#include "base/jscan.h"

static bool is_one_of(struct str name, const struct str *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

/* As llm/request reads them. */
bool body_label_is_user(struct str name)
{
    static const struct str names[] = {
        STR_INIT("user_id"),  STR_INIT("userId"),  STR_INIT("user"),
        STR_INIT("end_user"), STR_INIT("endUser"),
    };

    return is_one_of(name, names, ARRAY_LEN(names));
}

static void label_members(struct jscan *s, body_label_fn fn, void *ctx)
{
    CLEANUP(buf_release) struct buf name = { 0 }, value = { 0 };
    struct str key, raw;

    if (!jscan_enter_object(s))
        return;
    while (jscan_next_member(s, &key)) {
        if (jscan_peek(s) != JSCAN_STRING || !jscan_string_raw(s, &raw, NULL))
            continue;
        if (key.len > BODY_LABEL_BYTES_MAX || raw.len > 8 * BODY_LABEL_BYTES_MAX)
            continue;
        buf_clear(&name);
        buf_add_text(&name, BODY_LABEL_PREFIX);
        jscan_unescape(key, &name);
        if (body_label_is_user(str_sub(buf_str(&name), sizeof(BODY_LABEL_PREFIX) - 1, name.len)))
            continue;
        buf_clear(&value);
        jscan_unescape(raw, &value);
        fn(ctx, buf_str(&name), buf_str(&value));
    }
}

void body_labels(struct str request_body, body_label_fn fn, void *ctx)
{
    static const struct str names[] = {
        STR_INIT("metadata"),
        STR_INIT("requestMetadata"),
        STR_INIT("labels"),
    };
    struct jscan s;
    struct str key;

    jscan_init(&s, request_body);
    if (!jscan_enter_object(&s))
        return;
    while (jscan_next_member(&s, &key))
        if (is_one_of(key, names, ARRAY_LEN(names)) && jscan_peek(&s) == JSCAN_OBJECT)
            label_members(&s, fn, ctx);
}
