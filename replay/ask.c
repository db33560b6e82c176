#include "config.h"

#include "replay/ask.h"

#include "base/jscan.h"
#include "base/json.h"

/* Where the text is between its quotes; NULL = there is none. */
static struct str find_model(struct str body)
{
    struct str key, raw = { NULL, 0 };
    struct jscan s;

    jscan_init(&s, body);
    if (!jscan_enter_object(&s))
        return raw;
    while (jscan_next_member(&s, &key)) {
        if (str_eq(key, STR("model")))
            return jscan_string_raw(&s, &raw, NULL) ? raw : (struct str){ NULL, 0 };
        jscan_skip(&s);
    }
    return raw;
}

bool ask_write_body(struct str body, struct str model, struct buf *out)
{
    struct str old = find_model(body);

    if (!old.ptr) {
        buf_add_str(out, body);
        return false;
    }
    size_t quote = (size_t)(old.ptr - body.ptr) - 1;
    buf_add_str(out, str_sub(body, 0, quote));
    json_add_string(out, model);
    buf_add_str(out, str_sub(body, quote + old.len + 2, body.len));
    return true;
}

void ask_write_path(struct str path, struct str model, struct buf *out)
{
    static const char *const before[] = { "/models/", "/model/", "/deployments/", "/engines/" };

    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        struct str word = str_from(before[i]);
        ptrdiff_t at = str_find(path, word, 0);
        if (at < 0)
            continue;
        size_t from = (size_t)at + word.len, to = from;
        while (to < path.len && path.ptr[to] != '/' && path.ptr[to] != ':')
            to++;
        buf_add_str(out, str_sub(path, 0, from));
        buf_add_str(out, model);
        buf_add_str(out, str_sub(path, to, path.len));
        return;
    }
    buf_add_str(out, path);
}
