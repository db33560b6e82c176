#include "config.h"

#include "migrate/actuator_tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/vec.h"
#include "migrate/rollout.h"

#define DECLARATION "# app "

/* --- what may be written --- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static int admit_text(const struct actuator *a, const char *what, struct str text, const char *more,
                      struct err *err)
{
    if (!text.len || text.len > ACTUATOR_NAME_BYTES)
        return actuator_fail(a, err, ERR_USAGE, "%s '%.*s': %s takes 1 to %d bytes", what,
                             STR_ARG(str_sub(text, 0, 40)), a->driver->name, ACTUATOR_NAME_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_letter_or_digit(c) || (i > 0 && c && strchr(more, c)))
            continue;
        return actuator_fail(a, err, ERR_USAGE,
                             "%s '%.*s': byte %zu (0x%02x) may not stand there; %s takes letters "
                             "and digits and, after the first, '%s'",
                             what, STR_ARG(str_sub(text, 0, i)), i + 1, (unsigned)(unsigned char)c,
                             a->driver->name, more);
    }
    return 0;
}

static int admit_share(const struct actuator *a, const struct actuator_share *s, struct err *err)
{
    int32_t resolution = actuator_caps(a).resolution;

    if (s->share < 0 || s->share > 10000)
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s': a share of %" PRId32
                             " hundredths of a percent is none",
                             STR_ARG(s->app), s->share);
    if (s->share % resolution == 0)
        return 0;
    return actuator_fail(a, err, ERR_USAGE,
                         "application '%.*s': %s cannot do %" PRId32 ".%02" PRId32
                         "%%: its steps are %" PRId32 ".%02" PRId32 "%%",
                         STR_ARG(s->app), a->driver->name, s->share / 100, s->share % 100,
                         resolution / 100, resolution % 100);
}

int actuator_admit(const struct actuator *a, const struct actuator_share *s, struct err *err)
{
    const struct actuator_rules *rules = a->driver->rules;

    if (admit_text(a, "application", s->app, rules->app, err) < 0 ||
        admit_text(a, "upstream", s->direct, rules->upstream, err) < 0 ||
        admit_text(a, "upstream", s->gateway, rules->upstream, err) < 0)
        return -1;
    if (str_eq(s->direct, s->gateway))
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s': direct and gateway are both '%.*s'",
                             STR_ARG(s->app), STR_ARG(s->direct));
    if (!s->key.len)
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s' has no key: all its calls would go one way at "
                             "once; give it one of %s",
                             STR_ARG(s->app), rules->keys);
    if (admit_text(a, "key", s->key, "._-", err) < 0)
        return -1;
    if (!rules->takes_key(s->key))
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s': %s cannot tell callers by '%.*s'; it can by %s",
                             STR_ARG(s->app), a->driver->name, STR_ARG(s->key), rules->keys);
    return admit_share(a, s, err);
}

bool actuator_header_key(struct str key, struct str *ret_name)
{
    struct str name = str_sub(key, 7, SIZE_MAX);

    if (!str_starts_with(key, STR("header.")) || !name.len || name.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] != '-' &&
            (!is_letter_or_digit(name.ptr[i]) || (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')))
            return false;
    *ret_name = name;
    return true;
}

bool actuator_is_marker(struct str text, uint64_t *ret_epoch)
{
    struct str epoch;
    int64_t n;

    if (!text.len || text.len >= ACTUATOR_MARKER_BYTES || text.ptr[0] != 'e')
        return false;
    struct str rest = str_sub(text, 1, SIZE_MAX);
    if (!str_split(&rest, '-', &epoch) || !str_to_i64(epoch, &n) || n < 0 || rest.len != 12)
        return false;
    for (size_t i = 0; i < rest.len; i++)
        if (!memchr("0123456789abcdef", rest.ptr[i], 16))
            return false;
    *ret_epoch = (uint64_t)n;
    return true;
}

/* --- writing --- */

static void write_name(const struct actuator *a, struct str app, struct buf *ret)
{
    buf_clear(ret);
    if (a->driver->form->name)
        a->driver->form->name(a, app, ret);
    else
        buf_add_str(ret, app);
}

static int write_with(const struct actuator *a, const struct actuator_share *shares, size_t count,
                      struct str marker, struct buf *out, struct err *err)
{
    CLEANUP(map_release) struct map names = { 0 };
    CLEANUP(buf_release) struct buf name = { 0 };
    uint64_t epoch = 0;
    bool is_new;

    actuator_is_marker(marker, &epoch);
    buf_addf(out, "# weir %s 1 %.*s: written by weir migrate, see weir-actuator(5)\n",
             a->driver->name, STR_ARG(marker));
    for (size_t i = 0; i < count; i++) {
        const struct actuator_share *s = &shares[i];
        if (a->driver->admits(a, s, err) < 0)
            return -1;
        write_name(a, s->app, &name);
        struct map_entry *e = map_put(&names, buf_str(&name), &is_new);
        if (!is_new)
            return actuator_fail(a, err, ERR_USAGE,
                                 "applications '%.*s' and '%.*s' are both '%.*s' to %s: give one "
                                 "of them an actuator of its own",
                                 STR_ARG(shares[e->value].app), STR_ARG(s->app),
                                 STR_ARG(buf_str(&name)), a->driver->name);
        e->value = i;
        buf_addf(out, DECLARATION "%.*s key %.*s direct %.*s gateway %.*s\n", STR_ARG(s->app),
                 STR_ARG(s->key), STR_ARG(s->direct), STR_ARG(s->gateway));
        a->driver->form->app(a, s, buf_str(&name), out);
    }
    if (a->driver->form->end)
        a->driver->form->end(a, marker, epoch, out);
    return 0;
}

int actuator_form_write(const struct actuator *a, const struct actuator_share *shares, size_t count,
                        uint64_t epoch, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    char marker[ACTUATOR_MARKER_BYTES];

    if (count > ACTUATOR_APPS_MAX)
        return actuator_fail(a, err, ERR_LIMIT, "more than %d applications", ACTUATOR_APPS_MAX);
    actuator_marker(shares, count, epoch, marker);
    if (write_with(a, shares, count, str_from(marker), &out, err) < 0)
        return -1;
    if (out.len > ACTUATOR_BYTES_MAX)
        return actuator_fail(a, err, ERR_LIMIT, "its file would be longer than %u bytes",
                             ACTUATOR_BYTES_MAX);
    buf_add_str(ret, buf_str(&out));
    return 0;
}

/* --- reading --- */

bool actuator_form_marker(const struct actuator *a, struct str bytes, struct str *ret)
{
    struct str line = str_sub(bytes, 0, 200);
    char begin[40];
    uint64_t epoch;

    int len = snprintf(begin, sizeof(begin), "# weir %s 1 ", a->driver->name);
    if (!str_starts_with(line, str_from(begin)))
        return false;
    line = str_sub(line, (size_t)len, SIZE_MAX);
    ptrdiff_t colon = str_find_char(line, ':', 0);
    if (colon < 0 || !actuator_is_marker(str_sub(line, 0, (size_t)colon), &epoch))
        return false;
    *ret = str_sub(line, 0, (size_t)colon);
    return true;
}

/* "support-bot key header.x-session direct openai gateway litellm" */
static bool read_declaration(struct str line, struct actuator_share *ret)
{
    static const struct str words[] = { STR_INIT("key"), STR_INIT("direct"), STR_INIT("gateway") };
    struct str *const values[] = { &ret->key, &ret->direct, &ret->gateway };
    struct str word;

    if (!str_split(&line, ' ', &ret->app))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!str_split(&line, ' ', &word) || !str_eq(word, words[i]) ||
            !str_split(&line, ' ', values[i]))
            return false;
    return !line.len;
}

static int compare_lines(const struct actuator *a, struct str bytes, struct str again,
                         struct err *err)
{
    size_t line = 1, i = 0;

    if (str_eq(bytes, again))
        return 0;
    for (; i < bytes.len && i < again.len && bytes.ptr[i] == again.ptr[i]; i++)
        line += bytes.ptr[i] == '\n';
    return actuator_fail(a, err, ERR_CORRUPT, "line %zu of its file is not as weir writes it",
                         line);
}

struct share_list {
    struct actuator_share *ptr;
    size_t len, cap;
};

static int read_apps(const struct actuator *a, struct str bytes, struct share_list *ret,
                     struct err *err)
{
    struct str next = STR("\n" DECLARATION);

    for (ptrdiff_t at = str_find(bytes, next, 0); at >= 0;) {
        size_t begin = (size_t)at + next.len;
        at = str_find(bytes, next, begin);
        size_t end = at < 0 ? bytes.len : (size_t)at + 1;
        struct str lines = str_sub(bytes, begin, end - begin), line;
        struct actuator_share s = { 0 };
        if (!str_split(&lines, '\n', &line) || !read_declaration(line, &s) ||
            !a->driver->form->share(a, lines, &s))
            return actuator_fail(a, err, ERR_CORRUPT,
                                 "its file says of application %zu what weir does not write",
                                 ret->len + 1);
        if (ret->len == ACTUATOR_APPS_MAX)
            return actuator_fail(a, err, ERR_LIMIT, "more than %d applications in its file",
                                 ACTUATOR_APPS_MAX);
        vec_push(ret, s);
    }
    return 0;
}

static struct actuator_share *copy_shares(const struct actuator_share *shares, size_t count,
                                          struct arena *arena)
{
    struct actuator_share *copy = arena_alloc(arena, (count ? count : 1) * sizeof(*copy));

    for (size_t i = 0; i < count; i++)
        copy[i] = (struct actuator_share){
            .app = arena_str(arena, shares[i].app),
            .direct = arena_str(arena, shares[i].direct),
            .gateway = arena_str(arena, shares[i].gateway),
            .key = arena_str(arena, shares[i].key),
            .share = shares[i].share,
        };
    return copy;
}

int actuator_form_read(const struct actuator *a, struct str bytes, struct arena *arena,
                       struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                       struct err *err)
{
    CLEANUP(buf_release) struct buf again = { 0 };
    struct share_list shares = { 0 };
    struct str marker;

    if (!actuator_form_marker(a, bytes, &marker))
        return actuator_fail(a, err, ERR_CORRUPT, "its file is not one that weir wrote");
    int r = read_apps(a, bytes, &shares, err);
    if (r == 0)
        r = write_with(a, shares.ptr, shares.len, marker, &again, err);
    if (r == 0)
        r = compare_lines(a, bytes, buf_str(&again), err);
    if (r == 0) {
        *ret = copy_shares(shares.ptr, shares.len, arena);
        *ret_count = shares.len;
        actuator_is_marker(marker, ret_epoch);
    } else {
        err->code = ERR_CORRUPT;
    }
    vec_release(&shares);
    return r;
}

void actuator_form_add_share(const struct actuator *a, const struct actuator_share *s,
                             struct str name, struct buf *out)
{
    (void)a;
    buf_addf(out, "%.*s %" PRId32 "\n", STR_ARG(name), s->share);
}

bool actuator_form_share(const struct actuator *a, struct str lines, struct actuator_share *s)
{
    struct str line, name;
    int64_t n;

    (void)a;
    if (!str_split(&lines, '\n', &line) || !str_split(&line, ' ', &name) || !str_to_i64(line, &n) ||
        n < 0 || n > ROLLOUT_ALL)
        return false;
    s->share = (int32_t)n;
    return true;
}
