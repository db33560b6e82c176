/* Envoy: a tree of runtime values, published by one rename of a symbolic link.
 *
 *     ROOT/current -> e42-1b2c3d4e5f60.a8Xk2q
 *     ROOT/e42-1b2c3d4e5f60.a8Xk2q/weir.manifest                  what the tree says, for weir
 *                                 /envoy/weir_revision            e42-1b2c3d4e5f60
 *                                 /envoy/weir/support-bot/gateway {numerator: 500, denominator:
 * ...} /envoy/weir/support-bot/clusters/litellm  500 /envoy/weir/support-bot/clusters/openai   9500
 *
 * `gateway` is for a route's runtime_fraction (a draw for each call), `clusters` for
 * weighted_clusters with a hash policy, `keyless` (all or none) for calls that it finds no key in.
 * Envoy watches moves into ROOT alone: what is written into a tree in its place is never read.  The
 * tree before stays for those who still read it; older ones go.  The live bytes are the manifest,
 * and a line for each value that is not as it says.
 */
#include "config.h"

#include "migrate/actuator_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define MANIFEST          "weir.manifest"
#define LINK              "current"
#define SUBDIRECTORY      "envoy"
#define PREFIX            "weir"
#define NOTHING           "none" /* instead of a marker in a tree's name */
#define VALUE_BYTES_MAX   4096
#define RUNTIME_BYTES_MAX (64u << 20)
#define DIFFERENCES_MAX   10
#define SYNC_EACH_MAX     1000 /* values; beyond, the file system is synced */

/* --- the manifest --- */

static bool takes_key(struct str key)
{
    struct str header;

    return actuator_header_key(key, &header) || str_eq(key, STR("client_address")) ||
           str_eq(key, STR("request"));
}

/* Names are those of files: no full stop in an application's, which would read as another key. */
static const struct actuator_rules rules = {
    .app = "_-",
    .upstream = "._-",
    .takes_key = takes_key,
    .keys = "header.NAME (lower-case letters, digits and '-'), client_address and request, as its "
            "routes say",
};

static const struct actuator_form form = {
    .app = actuator_form_add_share,
    .share = actuator_form_share,
};

/* --- the values of a tree --- */

static struct str setting_or(const struct actuator *a, const char *name, const char *otherwise)
{
    struct str value = actuator_setting(a, name);

    return value.len ? value : str_from(otherwise);
}

/* Told of each value: its key in parts ("weir/support-bot/gateway") and its text.  -1 ends. */
struct visitor {
    int (*value)(struct visitor *v, const char *key, struct str text, struct err *err);
    const struct actuator *a;
    const char *tree;     /* path */
    const json_t *values; /* of Envoy's answer */
    struct buf *out;
    unsigned differences, written;
};

static int visit_app(struct visitor *v, const struct actuator_share *s, struct err *err)
{
    struct str prefix = setting_or(v->a, "prefix", PREFIX);
    int32_t keyless = s->share == 10000 ? 10000 : 0;
    const struct {
        const char *folder;
        struct str name;
        int32_t share;
        bool is_fraction;
    } rows[] = {
        {"",           STR("gateway"), s->share,         true },
        { "",          STR("keyless"), keyless,          true },
        { "clusters/", s->gateway,     s->share,         false},
        { "clusters/", s->direct,      10000 - s->share, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf_release) struct buf key = { 0 }, text = { 0 };
        buf_addf(&key, "%.*s/%.*s/%s%.*s", STR_ARG(prefix), STR_ARG(s->app), rows[i].folder,
                 STR_ARG(rows[i].name));
        buf_addf(&text,
                 rows[i].is_fraction ? "{numerator: %" PRId32 ", denominator: TEN_THOUSAND}"
                                     : "%" PRId32,
                 rows[i].share);
        if (v->value(v, buf_cstr(&key), buf_str(&text), err) < 0)
            return -1;
    }
    return 0;
}

static int visit(struct visitor *v, struct str manifest, struct err *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf key = { 0 };
    struct actuator_share *shares;
    struct str marker;
    uint64_t epoch;
    size_t count;

    if (actuator_form_read(v->a, manifest, &arena, &shares, &count, &epoch, err) < 0)
        return -1;
    actuator_form_marker(v->a, manifest, &marker);
    buf_addf(&key, "%.*s_revision", STR_ARG(setting_or(v->a, "prefix", PREFIX)));
    if (v->value(v, buf_cstr(&key), marker, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (visit_app(v, &shares[i], err) < 0)
            return -1;
    return 0;
}

/* TREE/envoy/weir/support-bot/gateway */
static void add_path(const struct visitor *v, const char *key, struct buf *out)
{
    buf_clear(out);
    buf_addf(out, "%s/%.*s/%s", v->tree, STR_ARG(setting_or(v->a, "subdirectory", SUBDIRECTORY)),
             key);
}

/* --- what is live --- */

static int compare_file(struct visitor *v, const char *key, struct str text, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 }, found = { 0 };
    struct err ignored;

    (void)err;
    add_path(v, key, &path);
    if (file_read(buf_cstr(&path), VALUE_BYTES_MAX, &found, &ignored) == 0 &&
        str_eq(str_trim(buf_str(&found)), text))
        return 0;
    if (v->differences++ < DIFFERENCES_MAX)
        buf_addf(v->out, "# another value: %s\n", key);
    return 0;
}

/* Keys of Envoy's have full stops. */
static int compare_value(struct visitor *v, const char *key, struct str text, struct err *err)
{
    CLEANUP(buf_release) struct buf name = { 0 };

    (void)err;
    buf_add_text(&name, key);
    for (char *p = name.ptr; p < name.ptr + name.len; p++)
        if (*p == '/')
            *p = '.';
    struct str found = json_get_str(json_get(v->values, buf_cstr(&name)), "final_value");
    v->differences += !str_eq(str_trim(found), text);
    return 0;
}

static int ask_running(const struct actuator *a, struct str manifest, struct buf *ret,
                       struct err *err)
{
    CLEANUP(buf_release) struct buf url = { 0 }, answer = { 0 }, key = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;
    struct str admin = actuator_setting(a, "admin"), marker;
    struct err ignored;

    while (admin.len && admin.ptr[admin.len - 1] == '/')
        admin.len--;
    buf_addf(&url, "%.*s/runtime?format=json", STR_ARG(admin));
    if (actuator_get(buf_str(&url), RUNTIME_BYTES_MAX, &answer, err) < 0 ||
        json_parse(buf_str(&answer), &doc, err) < 0)
        return -1;
    struct visitor v = { .value = compare_value, .a = a, .values = json_get(doc, "entries") };
    if (!json_is_object(v.values))
        return err_set(err, ERR_SYS, "its answer to /runtime has no 'entries'");
    buf_addf(&key, "%.*s_revision", STR_ARG(setting_or(a, "prefix", PREFIX)));
    struct str running = json_get_str(json_get(v.values, buf_cstr(&key)), "final_value");
    buf_add_str(ret, running.len ? str_sub(running, 0, ACTUATOR_NAME_BYTES) : STR("empty"));
    if (actuator_form_marker(a, manifest, &marker) && str_eq(marker, running) &&
        (visit(&v, manifest, &ignored) < 0 || v.differences)) {
        buf_clear(ret);
        buf_add_text(ret, "changed");
    }
    return 0;
}

static int read_tree(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf root = { 0 }, tree = { 0 }, path = { 0 }, manifest = { 0 };
    struct err ignored;

    buf_addf(&tree, "%s/" LINK, actuator_path(a, "root", &root));
    buf_addf(&path, "%s/" MANIFEST, buf_cstr(&tree));
    if (file_read(buf_cstr(&path), ACTUATOR_BYTES_MAX, &manifest, err) < 0)
        return err->code == ERR_SYS && err->sys == ENOENT ? 0 : actuator_wrap(a, err);
    ret->is_there = true;
    buf_add_str(&ret->bytes, buf_str(&manifest));
    struct visitor v = {
        .value = compare_file, .a = a, .tree = buf_cstr(&tree), .out = &ret->bytes
    };
    visit(&v, buf_str(&manifest), &ignored); /* one that is not ours is told by its bytes */
    return 0;
}

static int probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    struct err why;

    if (read_tree(a, ret, err) < 0)
        return -1;
    if (!actuator_setting(a, "admin").len)
        buf_add_text(&ret->running, "there is no 'admin' to ask at");
    else if (ask_running(a, buf_str(&ret->bytes), &ret->running, &why) == 0)
        ret->is_running = true;
    else
        buf_add_text(&ret->running, why.text);
    return 0;
}

/* --- changing it --- */

/* The folders on the way to path, below the tree. */
static int make_folders(const struct visitor *v, struct buf *path, struct err *err)
{
    for (char *p = path->ptr + strlen(v->tree) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        int r = mkdir(path->ptr, 0755);
        if (r == 0)
            r = chmod(path->ptr, 0755); /* umask or not: Envoy is another user */
        if (r < 0 && errno != EEXIST)
            return err_sys(err, "cannot make folder '%s'", path->ptr);
        *p = '/';
    }
    return 0;
}

static int write_one(const char *path, struct str text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0)
        return err_sys(err, "cannot make '%s'", path);
    int r = fd_write_all(fd, text, err);
    if (r == 0 && fchmod(fd, 0644) < 0)
        r = err_sys(err, "cannot set its mode");
    if (close(fd) < 0 && r == 0)
        r = err_sys(err, "cannot close");
    return r < 0 ? err_wrap(err, "'%s'", path) : 0;
}

static int write_value(struct visitor *v, const char *key, struct str text, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 }, line = { 0 };

    add_path(v, key, &path);
    buf_cstr(&path);
    buf_addf(&line, "%.*s\n", STR_ARG(text));
    v->written++;
    if (make_folders(v, &path, err) < 0)
        return -1;
    return write_one(path.ptr, buf_str(&line), err);
}

static int sync_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)st, (void)kind, (void)where;
    int r = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return r;
}

/* Of thousands of files all at once, though that waits for what others have written, too. */
static int sync_tree(const char *tree, bool is_large, struct err *err)
{
    int fd, r = -1;

    if (!is_large) {
        r = nftw(tree, sync_one, 16, FTW_PHYS);
    } else if ((fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
        r = syncfs(fd);
        close(fd);
    }
    return r < 0 ? err_sys(err, "cannot sync '%s'", tree) : 0;
}

/* A tree that nobody sees yet; durable when it returns. */
static int make_tree(const struct actuator *a, struct str manifest, bool is_there, struct buf *tree,
                     struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    struct visitor v = { .value = write_value, .a = a };

    buf_cstr(tree);
    if (!mkdtemp(tree->ptr) || chmod(tree->ptr, 0755) < 0)
        return err_sys(err, "cannot make folder '%s'", tree->ptr);
    v.tree = tree->ptr;
    add_path(&v, "", &path);
    buf_cstr(&path);
    if (make_folders(&v, &path, err) < 0 || (is_there && visit(&v, manifest, err) < 0))
        return -1;
    buf_clear(&path);
    buf_addf(&path, "%s/" MANIFEST, tree->ptr);
    if (is_there && write_one(buf_cstr(&path), manifest, err) < 0)
        return -1;
    return sync_tree(tree->ptr, v.written > SYNC_EACH_MAX, err);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A tree that could not be published is removed. */
static int publish(const char *root, const char *tree, struct err *err)
{
    CLEANUP(buf_release) struct buf from = { 0 }, to = { 0 };
    const char *name = strrchr(tree, '/') + 1;

    buf_addf(&from, "%s.link", tree);
    buf_addf(&to, "%s/" LINK, root);
    int r = symlink(name, buf_cstr(&from)) < 0 ? err_sys(err, "cannot link '%s'", from.ptr) : 0;
    if (r == 0 && rename(from.ptr, buf_cstr(&to)) < 0)
        r = err_sys(err, "cannot rename '%s' to '%s'", from.ptr, to.ptr);
    if (r == 0)
        return dir_sync(root, err);
    unlink(from.ptr);
    remove_tree(tree);
    return -1;
}

/* --- trees that are over --- */

/* "e42-1b2c3d4e5f60.a8Xk2q" or "none.a8Xk2q", also with ".link". */
static bool is_tree(const char *name)
{
    struct str text = str_from(name), marker;
    uint64_t epoch;

    if (str_ends_with(text, STR(".link")))
        text.len -= 5;
    return str_split(&text, '.', &marker) && text.len == 6 &&
           (str_eq(marker, STR(NOTHING)) || actuator_is_marker(marker, &epoch));
}

/* All but the two given; what cannot be removed waits for the next time. */
static void prune(const char *root, const char *now, const char *before)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };
    struct err ignored;

    if (dir_list_read(root, &list, &ignored) < 0)
        return;
    for (size_t i = 0; i < list.len; i++) {
        CLEANUP(buf_release) struct buf path = { 0 };
        if (!is_tree(list.names[i]) || !strcmp(list.names[i], now) ||
            !strcmp(list.names[i], before))
            continue;
        buf_addf(&path, "%s/%s", root, list.names[i]);
        remove_tree(buf_cstr(&path));
    }
}

/* Where the link leads now; "" if there is none. */
static int read_link(const char *root, char ret[static NAME_MAX + 1], struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    ret[0] = '\0';
    buf_addf(&path, "%s/" LINK, root);
    ssize_t len = readlink(buf_cstr(&path), ret, NAME_MAX);
    if (len < 0 && errno == EINVAL)
        return err_set(err, ERR_USAGE, "'%s' is no symbolic link", path.ptr);
    if (len < 0 && errno != ENOENT)
        return err_sys(err, "cannot read the link '%s'", path.ptr);
    ret[len < 0 ? 0 : len] = '\0';
    return 0;
}

static int apply(const struct actuator *a, struct str bytes, bool is_there,
                 const struct actuator_wait *wait, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 }, tree = { 0 };
    const char *root = actuator_path(a, "root", &path);
    struct str marker = STR(NOTHING);
    char before[NAME_MAX + 1];

    (void)wait;
    if (is_there && !actuator_form_marker(a, bytes, &marker))
        return actuator_fail(a, err, ERR_CORRUPT, "these values are not ones that weir wrote");
    if (dir_make(root, err) < 0 || read_link(root, before, err) < 0)
        return actuator_wrap(a, err);
    buf_addf(&tree, "%s/%.*s.XXXXXX", root, STR_ARG(marker));
    if (make_tree(a, bytes, is_there, &tree, err) < 0) {
        remove_tree(tree.ptr);
        return actuator_wrap(a, err);
    }
    if (publish(root, tree.ptr, err) < 0)
        return actuator_wrap(a, err);
    prune(root, strrchr(tree.ptr, '/') + 1, before);
    return 0;
}

/* One part of a path, and of a key. */
static int admits_settings(const struct actuator *a, struct err *err)
{
    static const char *const parts[] = { "prefix", "subdirectory" };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct str value = actuator_setting(a, parts[i]);
        for (size_t k = 0; k < value.len; k++) {
            char c = value.ptr[k];
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
                return actuator_fail(a, err, ERR_USAGE,
                                     "setting '%s': expected lower-case letters, digits and '_', "
                                     "got '%.*s'",
                                     parts[i], STR_ARG(str_sub(value, 0, 40)));
        }
    }
    return 0;
}

static void set_caps(const struct actuator *a, struct actuator_caps *caps)
{
    caps->tells_running = actuator_setting(a, "admin").len > 0;
}

static const char *const settings[] = {
    "!root", "admin", "prefix", "subdirectory", "timeout", NULL
};

const struct actuator_driver actuator_envoy = {
    .name = "envoy",
    .caps = {
        .resolution = 1,
        .is_sticky = true,
        .is_atomic = true,
        .is_stream_safe = true,
    },
    .settings = settings,
    .set_caps = set_caps,
    .admits_settings = admits_settings,
    .admits = actuator_admit,
    .rules = &rules,
    .form = &form,
    .probe = probe,
    .render = actuator_form_write,
    .parse = actuator_form_read,
    .apply = apply,
};
