/* passage_compare - what became of a request on its way through a gateway. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "replay/passage.h"

struct comparing {
    struct passage *passage;
    struct buf path;
    struct map seen; /* of this request: each delta counts once */
};

static const char *const change_names[] = {
    [PASSAGE_DROPPED] = "dropped",
    [PASSAGE_CHANGED] = "changed",
    [PASSAGE_ADDED] = "added",
};

const char *passage_change_name(enum passage_change change)
{
    return change_names[change];
}

/* Texts may be anybody's words, and go into a ledger that is kept: never they, only their kind. */
static struct str word_of(const json_t *value, struct arena *arena)
{
    char number[64];

    if (!value)
        return STR("");
    if (json_is_boolean(value))
        return json_is_true(value) ? STR("true") : STR("false");
    if (json_is_integer(value))
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof(number), "%.9g", json_real_value(value));
    else if (json_is_string(value))
        return STR("a text");
    else if (json_is_null(value))
        return STR("null");
    else
        return json_is_array(value) ? STR("a list") : STR("an object");
    return arena_str(arena, str_from(number));
}

static void add(struct comparing *c, enum passage_change change, struct str sent, struct str got)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    struct passage *p = c->passage;
    struct str what = buf_str(&c->path);
    bool is_new;

    buf_addf(&key, "%d %.*s", (int)change, STR_ARG(what));
    map_put(&c->seen, buf_str(&key), &is_new);
    if (!is_new)
        return;
    for (size_t i = 0; i < p->deltas.len; i++) {
        struct passage_delta *d = &p->deltas.ptr[i];
        if (d->change == change && str_eq(d->what, what)) {
            d->calls++;
            return;
        }
    }
    if (p->deltas.len == PASSAGE_DELTAS_MAX)
        return;
    struct passage_delta d = { arena_str(&p->arena, what), change, 1, sent, got };
    vec_push(&p->deltas, d);
}

static void compare(struct comparing *c, const json_t *sent, const json_t *got, int depth);

static void compare_members(struct comparing *c, const json_t *sent, const json_t *got, int depth)
{
    struct arena *arena = &c->passage->arena;
    size_t len = c->path.len;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)sent, name, value)
    {
        const json_t *other = json_object_get(got, name);
        buf_addf(&c->path, "%s%s", len ? "." : "", name);
        if (other)
            compare(c, value, other, depth + 1);
        else
            add(c, PASSAGE_DROPPED, word_of(value, arena), STR(""));
        c->path.len = len;
    }
    json_object_foreach((json_t *)(uintptr_t)got, name, value)
    {
        if (json_object_get(sent, name))
            continue;
        buf_addf(&c->path, "%s%s", len ? "." : "", name);
        add(c, PASSAGE_ADDED, STR(""), word_of(value, arena));
        c->path.len = len;
    }
}

static void compare_items(struct comparing *c, const json_t *sent, const json_t *got, int depth)
{
    size_t len = c->path.len, count = json_array_size(sent);
    char number[2][32];

    if (count != json_array_size(got)) {
        snprintf(number[0], sizeof(number[0]), "%zu items", count);
        snprintf(number[1], sizeof(number[1]), "%zu items", json_array_size(got));
        add(c, PASSAGE_CHANGED, arena_str(&c->passage->arena, str_from(number[0])),
            arena_str(&c->passage->arena, str_from(number[1])));
        return;
    }
    buf_add_text(&c->path, "[]");
    for (size_t i = 0; i < count; i++)
        compare(c, json_array_get(sent, i), json_array_get(got, i), depth + 1);
    c->path.len = len;
}

/* 1 and 1.0 are the same number. */
static bool is_equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return !(json_number_value(a) < json_number_value(b)) &&
               !(json_number_value(a) > json_number_value(b));
    return json_equal(a, b);
}

static void compare(struct comparing *c, const json_t *sent, const json_t *got, int depth)
{
    struct arena *arena = &c->passage->arena;

    if (is_equal(sent, got))
        return;
    if (depth < PASSAGE_DEPTH_MAX && json_is_object(sent) && json_is_object(got))
        compare_members(c, sent, got, depth);
    else if (depth < PASSAGE_DEPTH_MAX && json_is_array(sent) && json_is_array(got))
        compare_items(c, sent, got, depth);
    else
        add(c, PASSAGE_CHANGED, word_of(sent, arena), word_of(got, arena));
}

/* --- headers --- */

/* Those that say how a provider is to answer; the others are of clients and of connections. */
static bool is_providers(struct str name)
{
    static const char *const begin[] = { "anthropic-", "openai-", "x-goog-user", "x-ms-" };
    static const char *const keys[] = { "x-goog-api-key", "openai-organization", "openai-project" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_ieq(name, str_from(keys[i])))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(begin); i++)
        if (str_istarts_with(name, str_from(begin[i])))
            return true;
    return false;
}

static void compare_heads(struct comparing *c, const struct passage_request *r)
{
    struct str rest = r->sent_head, line;

    while (str_split(&rest, '\n', &line)) {
        struct str value = line, name;
        if (!line.len || !str_split(&value, ':', &name) || !is_providers(name))
            continue;
        struct str got = call_header_find(r->headers, r->header_count, "");
        for (size_t i = 0; i < r->header_count; i++)
            if (str_ieq(r->headers[i].name, name))
                got = r->headers[i].value;
        buf_clear(&c->path);
        buf_addf(&c->path, "header %.*s", STR_ARG(name));
        if (!got.ptr)
            add(c, PASSAGE_DROPPED, STR("a text"), STR(""));
        else if (!str_eq(str_trim(value), str_trim(got)))
            add(c, PASSAGE_CHANGED, STR("a text"), STR("a text"));
    }
    buf_clear(&c->path);
}

bool passage_compare(struct passage *p, const struct passage_request *r)
{
    struct comparing c = { .passage = p };
    CLEANUP(json_decref) json_t *sent = NULL;
    CLEANUP(json_decref) json_t *got = NULL;
    struct err ignored;
    bool is_read = true;

    compare_heads(&c, r);
    if (r->sent_body.len || r->body.len) {
        is_read = json_parse(r->sent_body, &sent, &ignored) == 0 &&
                  json_parse(r->body, &got, &ignored) == 0;
        if (is_read)
            compare(&c, sent, got, 0);
    }
    buf_release(&c.path);
    map_release(&c.seen);
    return is_read;
}
