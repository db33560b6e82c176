#include "config.h"

#include "policy/cutover.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/vec.h"
#include "base/yaml.h"

#define FIRST_LINE       "# weir cutover 1"
#define NAME_BYTES_MAX   128 /* of an application, an upstream, a header or a member */
#define MARKER_BYTES_MAX 64

/* --- keys --- */

static const struct {
    struct str text;
    bool has_name;
} key_kinds[] = {
    [CUTOVER_KEY_HEADER] = {STR_INIT("header."),         true },
    [CUTOVER_KEY_USER] = { STR_INIT("end_user"),       false},
    [CUTOVER_KEY_METADATA] = { STR_INIT("metadata."),      true },
    [CUTOVER_KEY_KEY_ID] = { STR_INIT("key_id"),         false},
    [CUTOVER_KEY_ADDRESS] = { STR_INIT("client_address"), false},
    [CUTOVER_KEY_REQUEST] = { STR_INIT("request"),        false},
};

/* RFC 9110's token, without capitals: one way to write each. */
static bool is_header_name(struct str s)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_plain && (!c || !strchr(others, c)))
            return false;
    }
    return s.len > 0 && s.len <= NAME_BYTES_MAX;
}

static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return false;
    return s.len > 0 && s.len <= NAME_BYTES_MAX;
}

bool cutover_key_parse(struct str text, struct cutover_key *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(key_kinds); i++) {
        struct cutover_key key = { .kind = (enum cutover_key_kind)i };
        if (!key_kinds[i].has_name && str_eq(text, key_kinds[i].text)) {
            *ret = key;
            return true;
        }
        if (!key_kinds[i].has_name || !str_starts_with(text, key_kinds[i].text))
            continue;
        key.name = str_sub(text, key_kinds[i].text.len, SIZE_MAX);
        if (i == CUTOVER_KEY_HEADER ? !is_header_name(key.name) : !is_name(key.name))
            return false;
        *ret = key;
        return true;
    }
    return false;
}

void cutover_key_add(struct cutover_key key, struct buf *out)
{
    buf_add_str(out, key_kinds[key.kind].text);
    buf_add_str(out, key.name);
}

/* --- reading --- */

struct reader {
    struct cutover *c;
    const struct yaml *y;
    struct err *err;
    VEC(struct cutover_app) apps;
};

static int read_name(struct reader *r, const struct yaml_node *n, struct str *ret)
{
    struct str text;

    if (yaml_str(r->y, n, &text, r->err) < 0)
        return -1;
    if (!is_name(text))
        return yaml_err(r->y, n, r->err, "expected a name of 1 to %d bytes, none a control",
                        NAME_BYTES_MAX);
    *ret = arena_str(&r->c->arena, text);
    return 0;
}

static int bad_share(struct reader *r, const struct yaml_node *n)
{
    return yaml_err(r->y, n, r->err,
                    "expected a share such as 5%% or 0.25%%, from 0%% to 100%% in steps of 0.01%%, "
                    "got '%.*s'",
                    STR_ARG(str_sub(n->text, 0, 40)));
}

static int read_share(struct reader *r, const struct yaml_node *n, int32_t *ret)
{
    struct str text;
    i128 value;

    if (yaml_str(r->y, n, &text, r->err) < 0)
        return -1;
    if (text.len < 2 || text.ptr[0] < '0' || text.ptr[0] > '9' || !str_ends_with(text, STR("%")))
        return bad_share(r, n);
    if (decimal_parse(str_sub(text, 0, text.len - 1), 2, &value) != DECIMAL_OK || value < 0 ||
        value > CUTOVER_ALL)
        return bad_share(r, n);
    *ret = (int32_t)value;
    return 0;
}

static int read_key(struct reader *r, const struct yaml_node *n, struct cutover_key *ret)
{
    struct str text;

    if (yaml_str(r->y, n, &text, r->err) < 0)
        return -1;
    if (!cutover_key_parse(arena_str(&r->c->arena, text), ret))
        return yaml_err(r->y, n, r->err,
                        "expected a key: header.NAME (in lower case), end_user, metadata.NAME, "
                        "key_id, client_address or request; got '%.*s'",
                        STR_ARG(str_sub(text, 0, 40)));
    return 0;
}

static int want_member(struct reader *r, const struct yaml_node *map, const char *name,
                       const struct yaml_node **ret)
{
    *ret = yaml_get(map, name);
    return *ret ? 0 : yaml_err(r->y, map, r->err, "'%s' is missing", name);
}

static int read_entry(struct reader *r, struct str app, const struct yaml_node *n)
{
    static const char *const known[] = { "direct", "gateway", "key", "share", NULL };
    const struct yaml_node *direct, *gateway, *key, *share;
    struct cutover_app a = { .app = app, .line = n->line, .column = n->column };

    if (n->kind != YAML_MAP)
        return yaml_err(r->y, n, r->err, "expected a map of direct, gateway, key and share");
    if (yaml_check_keys(r->y, n, known, r->err) < 0 || want_member(r, n, "direct", &direct) < 0 ||
        want_member(r, n, "gateway", &gateway) < 0 || want_member(r, n, "key", &key) < 0 ||
        want_member(r, n, "share", &share) < 0)
        return -1;
    if (read_name(r, direct, &a.direct) < 0 || read_name(r, gateway, &a.gateway) < 0 ||
        read_key(r, key, &a.key) < 0 || read_share(r, share, &a.share) < 0)
        return -1;
    if (str_eq(a.direct, a.gateway))
        return yaml_err(r->y, gateway, r->err, "the gateway is where direct calls go: '%.*s'",
                        STR_ARG(a.gateway));
    for (size_t i = r->apps.len; i-- > 0 && str_eq(r->apps.ptr[i].app, app);)
        if (str_eq(r->apps.ptr[i].direct, a.direct))
            return yaml_err(r->y, direct, r->err, "a second entry of '%.*s' for '%.*s'",
                            STR_ARG(app), STR_ARG(a.direct));
    if (r->apps.len == CUTOVER_APPS_MAX) {
        yaml_err(r->y, n, r->err, "more than %d entries", CUTOVER_APPS_MAX);
        r->err->code = ERR_LIMIT;
        return -1;
    }
    vec_push(&r->apps, a);
    return 0;
}

/* An entry, or a list of them: one for each upstream that the application calls directly. */
static int read_app(struct reader *r, const struct yaml_node *n)
{
    struct str app;

    if (read_name(r, n->key, &app) < 0)
        return -1;
    if (n->kind != YAML_LIST)
        return read_entry(r, app, n);
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (read_entry(r, app, i) < 0)
            return -1;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct cutover_app *x = a, *y = b;
    int by_app = str_cmp(x->app, y->app);

    return by_app ? by_app : str_cmp(x->direct, y->direct);
}

static int read_apps(struct reader *r, const struct yaml_node *apps)
{
    if (yaml_is_null(apps))
        return 0;
    if (apps->kind != YAML_MAP)
        return yaml_err(r->y, apps, r->err, "expected a map of applications");
    for (const struct yaml_node *i = apps->items; i; i = i->next)
        if (read_app(r, i) < 0)
            return -1;
    return 0;
}

static bool is_marker(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && c != '-' && c != '_' && c != '.')
            return false;
    }
    return s.len > 0 && s.len <= MARKER_BYTES_MAX;
}

static int read_identity(struct reader *r, const struct yaml_node *root)
{
    const struct yaml_node *epoch, *marker;
    struct str text;
    int64_t n;

    if (want_member(r, root, "epoch", &epoch) < 0 || yaml_int(r->y, epoch, &n, r->err) < 0)
        return -1;
    if (n < 1)
        return yaml_err(r->y, epoch, r->err, "expected an epoch from 1 on, got %" PRId64, n);
    if (want_member(r, root, "marker", &marker) < 0 || yaml_str(r->y, marker, &text, r->err) < 0)
        return -1;
    if (!is_marker(text))
        return yaml_err(r->y, marker, r->err,
                        "expected a marker of 1 to %d letters, digits, '-', '_' and '.'",
                        MARKER_BYTES_MAX);
    r->c->epoch = (uint64_t)n;
    r->c->marker = arena_str(&r->c->arena, text);
    return 0;
}

static int read_root(struct reader *r, const char *name)
{
    static const char *const known[] = { "epoch", "marker", "apps", NULL };
    const struct yaml_node *root = yaml_root(r->y), *apps;

    if (!root || root->kind != YAML_MAP)
        return err_set(r->err, ERR_CORRUPT, "%s:1:1: expected a map of epoch, marker and apps",
                       name);
    if (yaml_check_keys(r->y, root, known, r->err) < 0 || read_identity(r, root) < 0 ||
        want_member(r, root, "apps", &apps) < 0)
        return -1;
    return read_apps(r, apps);
}

/* The comment that says what the file is: what another program wrote is not followed. */
static bool is_ours(struct str text)
{
    struct str after = str_sub(text, strlen(FIRST_LINE), 1);

    return str_starts_with(text, STR(FIRST_LINE)) &&
           (!after.len || after.ptr[0] < '0' || after.ptr[0] > '9');
}

int cutover_parse(struct str text, const char *name, struct cutover **ret, struct err *err)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(cutover_free) struct cutover *c = mem_calloc(1, sizeof(*c));

    if (text.len > CUTOVER_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%s: longer than %u bytes", name, CUTOVER_BYTES_MAX);
    if (!is_ours(text))
        return err_set(err, ERR_CORRUPT,
                       "%s:1:1: no cutover of version 1: its first line must begin '%s'", name,
                       FIRST_LINE);
    if (yaml_parse(text, name, &y, err) < 0)
        return -1;
    struct reader r = { .c = c, .y = y, .err = err };
    int failed = read_root(&r, name);
    if (failed == 0 && r.apps.len) {
        struct cutover_app *apps = arena_alloc(&c->arena, r.apps.len * sizeof(*apps));
        memcpy(apps, r.apps.ptr, r.apps.len * sizeof(*apps));
        qsort(apps, r.apps.len, sizeof(*apps), compare);
        c->apps = apps;
        c->app_count = r.apps.len;
    }
    vec_release(&r.apps);
    if (failed < 0)
        return -1;
    *ret = TAKE(c);
    return 0;
}

void cutover_free(struct cutover *c)
{
    if (!c)
        return;
    arena_release(&c->arena);
    free(c);
}

/* --- writing --- */

/* Whether every reader of YAML takes it for the text that it is: no number, no yes, no null. */
static bool is_plain_text(struct str s)
{
    static const struct str words[] = { STR_INIT("null"), STR_INIT("true"), STR_INIT("false"),
                                        STR_INIT("yes"),  STR_INIT("no"),   STR_INIT("on"),
                                        STR_INIT("off"),  STR_INIT("y"),    STR_INIT("n") };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_ieq(s, words[i]))
            return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!is_letter && (i == 0 || !is_other))
            return false;
    }
    return s.len > 0;
}

static void add_text(struct str s, struct buf *out)
{
    if (is_plain_text(s))
        buf_add_str(out, s);
    else
        json_add_string(out, s);
}

static void add_share(int32_t share, struct buf *out)
{
    buf_add_int(out, share / 100);
    if (share % 100) {
        buf_addf(out, ".%02d", (int)(share % 100));
        if (out->ptr[out->len - 1] == '0')
            out->len--;
    }
    buf_add_byte(out, '%');
}

static void add_entry(const struct cutover_app *a, struct buf *out)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    cutover_key_add(a->key, &key);
    buf_add_text(out, "{direct: ");
    add_text(a->direct, out);
    buf_add_text(out, ", gateway: ");
    add_text(a->gateway, out);
    buf_add_text(out, ", key: ");
    add_text(buf_str(&key), out);
    buf_add_text(out, ", share: ");
    add_share(a->share, out);
    buf_add_byte(out, '}');
}

/* Entries of one application, count of them. */
static void add_app(const struct cutover_app *a, size_t count, struct buf *out)
{
    buf_add_text(out, "  ");
    add_text(a->app, out);
    buf_add_text(out, count > 1 ? ":\n" : ": ");
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, count > 1 ? "    - " : "");
        add_entry(&a[i], out);
        buf_add_byte(out, '\n');
    }
}

void cutover_render(const struct cutover_app *apps, size_t count, uint64_t epoch, struct str marker,
                    struct buf *out)
{
    struct cutover_app *sorted = mem_calloc(count + 1, sizeof(*sorted));

    if (count)
        memcpy(sorted, apps, count * sizeof(*apps));
    qsort(sorted, count, sizeof(*sorted), compare);
    buf_addf(out, FIRST_LINE ": written by weir migrate\nepoch: %" PRIu64 "\nmarker: ", epoch);
    add_text(marker, out);
    buf_add_text(out, count ? "\napps:\n" : "\napps: {}\n");
    for (size_t i = 0, same; i < count; i += same) {
        for (same = 1; i + same < count && str_eq(sorted[i].app, sorted[i + same].app); same++)
            continue;
        add_app(&sorted[i], same, out);
    }
    free(sorted);
}

/* --- following --- */

const struct cutover_app *cutover_find(const struct cutover *c, struct str app, struct str upstream)
{
    struct cutover_app wanted = { .app = app, .direct = upstream };

    if (!c || !c->app_count)
        return NULL;
    return bsearch(&wanted, c->apps, c->app_count, sizeof(*c->apps), compare);
}

/* The first 64 bits of SHA-256("weir cutover 1" NUL app NUL key), big-endian, modulo 10000: what is
 * over of 2^64 moves no share by more than 1e-15. */
uint32_t cutover_bucket(struct str app, struct str key)
{
    static const char domain[] = "weir cutover 1"; /* with its NUL */
    CLEANUP(buf_release) struct buf all = { 0 };
    uint8_t hash[SHA256_BYTES];
    uint64_t n = 0;

    if (!key.len)
        return CUTOVER_ALL;
    buf_add(&all, domain, sizeof(domain));
    buf_add_str(&all, app);
    buf_add_byte(&all, '\0');
    buf_add_str(&all, key);
    sha256_of(buf_str(&all), hash);
    for (size_t i = 0; i < 8; i++)
        n = n << 8 | hash[i];
    return (uint32_t)(n % CUTOVER_ALL);
}

bool cutover_moves(const struct cutover_app *a, struct str key)
{
    return a->share == CUTOVER_ALL || cutover_bucket(a->app, key) < (uint32_t)a->share;
}
