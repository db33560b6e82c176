/* Names of tools that requests offer: functions of OpenAI's two interfaces, tools of Anthropic,
 * declarations of Gemini, specifications of Bedrock. */
#include "config.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/jscan.h"
#include "capture/segment_read.h"
#include "migrate/inventory.h"

#define DEPTH_MAX      6   /* of what surrounds a name */
#define NAME_BYTES_MAX 256 /* longer ones are passed over */

struct reading {
    struct inventory *inv;
    struct inventory_app *app;
};

static void found(const struct reading *r, struct str name)
{
    if (name.len > NAME_BYTES_MAX)
        return;
    inventory_note(r->inv, r->app, INVENTORY_TOOLS, name, 1);
    if (inventory_writes(name))
        inventory_note(r->inv, r->app, INVENTORY_WRITERS, name, 1);
}

static bool is_one_of(struct str key, const char *const *names)
{
    for (; *names; names++)
        if (str_eq(key, str_from(*names)))
            return true;
    return false;
}

/* A tool, or a list of them; what lies deeper in it (its parameters) has names of its own. */
static void read_tools(const struct reading *r, struct jscan *s, int depth)
{
    static const char *const inner[] = { "function", "toolSpec", "functionDeclarations",
                                         "function_declarations", NULL };
    struct str key, name;

    if (depth == DEPTH_MAX) {
        jscan_skip(s);
    } else if (jscan_enter_array(s)) {
        while (jscan_next_element(s))
            read_tools(r, s, depth + 1);
    } else if (jscan_enter_object(s)) {
        while (jscan_next_member(s, &key)) {
            if (is_one_of(key, inner))
                read_tools(r, s, depth + 1);
            else if (str_eq(key, STR("name")) && jscan_string_raw(s, &name, NULL))
                found(r, name);
            else
                jscan_skip(s);
        }
    } else {
        jscan_skip(s);
    }
}

static void read_body(const struct reading *r, struct jscan *s)
{
    static const char *const lists[] = { "tools", "functions", NULL };
    struct str key;

    if (!jscan_enter_object(s))
        return;
    while (jscan_next_member(s, &key)) {
        if (is_one_of(key, lists))
            read_tools(r, s, 0);
        else if (str_eq(key, STR("toolConfig")))
            read_body(r, s); /* Bedrock's has a list of tools in it */
        else
            jscan_skip(s);
    }
}

/* ARCHIVE/ledger/DATE/ID.parquet and ARCHIVE/segments/DATE/ID.tar.zst are of one another. */
static bool segment_of(struct str ledger, struct buf *ret)
{
    static const char suffix[] = ".parquet", folder[] = "/ledger/date=";
    ptrdiff_t at = -1, next = -1;

    while ((next = str_find(ledger, STR("/ledger/date="), (size_t)(next + 1))) >= 0)
        at = next;
    if (at < 0 || !str_ends_with(ledger, str_from(suffix)))
        return false;
    buf_clear(ret);
    buf_add_str(ret, str_sub(ledger, 0, (size_t)at));
    buf_add_text(ret, "/segments/date=");
    size_t from = (size_t)at + sizeof(folder) - 1;
    buf_add_str(ret, str_sub(ledger, from, ledger.len - from - (sizeof(suffix) - 1)));
    buf_add_text(ret, ".tar.zst");
    return file_exists(buf_cstr(ret));
}

/* Those of one segment, from the first on; returns how many. */
static int read_segment(const struct reading *r, const struct inventory_call *calls, size_t count,
                        size_t *ret_read, struct err *err)
{
    CLEANUP(segment_close) struct segment_reader *segment = NULL;
    CLEANUP(buf_release) struct buf path = { 0 };
    bool is_there = segment_of(calls[0].ledger, &path);

    if (is_there && segment_open(buf_cstr(&path), &segment, err) < 0)
        return err_wrap(err, "segment '%s'", buf_cstr(&path));
    for (*ret_read = 0; *ret_read < count; ++*ret_read) {
        const struct inventory_call *c = &calls[*ret_read];
        struct exchange x;
        struct jscan s;
        if (!str_eq(c->ledger, calls[0].ledger))
            break;
        int got = is_there ? segment_find(segment, c->id, c->offset, &x, err) : 0;
        if (got < 0)
            return err_wrap(err, "segment '%s'", buf_cstr(&path));
        if (!got || x.request_body_missing || x.request_body_encoded || !x.request_body.len)
            continue;
        jscan_init(&s, x.request_body);
        read_body(r, &s);
        r->app->tool_bodies++;
    }
    return 0;
}

int inventory_read_tools(struct inventory *inv, struct err *err)
{
    for (size_t i = 0; i < inv->apps.len; i++) {
        struct reading r = { inv, inv->apps.ptr[i] };
        size_t count =
            r.app->call_count < INVENTORY_TOOL_CALLS ? r.app->call_count : INVENTORY_TOOL_CALLS;
        for (size_t at = 0, read = 0; at < count; at += read)
            if (read_segment(&r, &r.app->calls[at], count - at, &read, err) < 0)
                return -1;
        inventory_sort_list(&r.app->lists[INVENTORY_TOOLS]);
        inventory_sort_list(&r.app->lists[INVENTORY_WRITERS]);
    }
    return 0;
}
