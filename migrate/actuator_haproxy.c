/* HAProxy: a map file, and the same map in the running process, through its runtime socket.
 *
 *     # app support-bot key header.x-session direct openai gateway litellm
 *     support-bot 500
 *     ...
 *     .weir.epoch 42
 *     .weir.digest 29814352625504
 *
 * Values are hundredths of a percent, compared with a bucket of 10000 that the configuration makes
 * (weir-actuator(5)); keys and backends stand there, too.  The marker is two numbers, since
 * map_str_int takes nothing else; no application's name begins with a full stop.
 *
 * The file comes first: memory is lost with each reload, and then the file is what was meant.  In
 * memory the map is replaced as a whole by a new version (prepare, add, commit): `set map` of a key
 * that is not there fails with exit 0, `add map` of one that is makes a second entry that is never
 * found, and `clear map` leaves a moment without any.
 */
#include "config.h"

#include "migrate/actuator_tools.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define EPOCH  ".weir.epoch"
#define DIGEST ".weir.digest"

#define ANSWER_BYTES_MAX  (32u << 20) /* `show map`: more than the file, by an address per line */
#define PAYLOAD_BYTES_MAX 4000        /* of one `add map`; its buffer is tune.bufsize, 16384 */

/* --- the file --- */

static bool takes_key(struct str key)
{
    struct str header;

    return actuator_header_key(key, &header) || str_eq(key, STR("client_address")) ||
           str_eq(key, STR("request"));
}

static const struct actuator_rules rules = {
    .app = "._-:/@+",
    .upstream = "._-:",
    .takes_key = takes_key,
    .keys = "header.NAME (lower-case letters, digits and '-'), client_address and request, as its "
            "configuration says",
};

/* The twelve hexadecimal digits of the marker as one number. */
static int64_t digest_of(struct str marker)
{
    return (int64_t)strtoull(marker.ptr + str_find_char(marker, '-', 0) + 1, NULL, 16);
}

static void add_end(const struct actuator *a, struct str marker, uint64_t epoch, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    (void)a;
    buf_add_str(&text, marker);
    buf_cstr(&text);
    buf_addf(out, EPOCH " %" PRIu64 "\n" DIGEST " %" PRId64 "\n", epoch, digest_of(buf_str(&text)));
}

static const struct actuator_form form = {
    .app = actuator_form_add_share,
    .end = add_end,
    .share = actuator_form_share,
};

/* The next entry of a file: true and line = "support-bot 500". */
static bool next_entry(struct str *rest, struct str *line)
{
    while (str_split(rest, '\n', line)) {
        *line = str_trim(*line);
        if (line->len && line->ptr[0] != '#')
            return true;
    }
    return false;
}

/* --- the socket --- */

/* What HAProxy calls the map: as its configuration does. */
static const char *map_of(const struct actuator *a, struct buf *ret)
{
    if (!actuator_setting(a, "map").len)
        return actuator_path(a, "file", ret);
    buf_clear(ret);
    buf_add_str(ret, actuator_setting(a, "map"));
    return buf_cstr(ret);
}

static int ask(const struct actuator *a, struct str words, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_clear(ret);
    return actuator_ask(actuator_path(a, "socket", &path), words, ANSWER_BYTES_MAX, ret, err);
}

/* HAProxy says nothing when it is content. */
static int order(const struct actuator *a, struct str words, struct err *err)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct str first = words, line;

    if (ask(a, words, &answer, err) < 0)
        return -1;
    struct str said = str_trim(buf_str(&answer));
    if (!said.len)
        return 0;
    str_split(&first, '\n', &line);
    return err_set(err, ERR_SYS, "HAProxy refuses '%.*s': %.*s", STR_ARG(str_sub(line, 0, 100)),
                   STR_ARG(str_sub(said, 0, 200)));
}

/* Lines such as "0x55d0c4a1b2c0 support-bot 500". */
static int show(const struct actuator *a, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf name = { 0 }, words = { 0 };

    buf_addf(&words, "show map %s\n", map_of(a, &name));
    if (ask(a, buf_str(&words), ret, err) < 0)
        return -1;
    struct str said = str_trim(buf_str(ret));
    if (!said.len || str_starts_with(said, STR("0x")))
        return 0;
    return err_set(err, ERR_SYS, "HAProxy does not show the map '%s': %.*s", buf_cstr(&name),
                   STR_ARG(str_sub(said, 0, 200)));
}

/* --- what runs --- */

struct running {
    struct map entries; /* lines of the file; value = how often they were shown */
    size_t shown;
    bool differs;
    int64_t epoch, digest;
};

static void running_release(struct running *r)
{
    map_release(&r->entries);
}
DEFINE_CLEANUP_VALUE(struct running, running_release)

static void take_shown(struct running *r, struct str line)
{
    struct str address, key, value = line;

    if (!str_split(&line, ' ', &address))
        return;
    line = str_trim(line);
    value = line;
    str_split(&value, ' ', &key);
    if (str_eq(key, STR(EPOCH)) && !str_to_i64(value, &r->epoch))
        r->differs = true;
    if (str_eq(key, STR(DIGEST)) && !str_to_i64(value, &r->digest))
        r->differs = true;
    struct map_entry *e = map_find(&r->entries, line);
    if (!e || e->value++)
        r->differs = true;
    r->shown++;
}

/* The marker in memory, if all that belongs to it is there, and once. */
static void conclude(const struct actuator *a, struct str bytes, struct running *r, struct buf *ret)
{
    struct str marker;

    if (r->epoch < 0 || r->digest < 0) {
        buf_add_text(ret, r->shown ? "changed" : "empty");
        return;
    }
    buf_addf(ret, "e%" PRId64 "-%012" PRIx64, r->epoch, (uint64_t)r->digest);
    bool is_of_file = actuator_form_marker(a, bytes, &marker) && str_eq(buf_str(ret), marker);
    if (is_of_file && (r->differs || r->shown != r->entries.len)) {
        buf_clear(ret);
        buf_add_text(ret, "changed");
    }
}

static int ask_running(const struct actuator *a, struct str bytes, struct buf *ret, struct err *err)
{
    CLEANUP(running_release) struct running r = { .epoch = -1, .digest = -1 };
    CLEANUP(buf_release) struct buf shown = { 0 };
    struct str rest = bytes, line;

    if (show(a, &shown, err) < 0)
        return -1;
    while (next_entry(&rest, &line))
        map_put(&r.entries, line, NULL);
    rest = buf_str(&shown);
    while (next_entry(&rest, &line))
        take_shown(&r, line);
    conclude(a, bytes, &r, ret);
    return 0;
}

static int probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    struct err why;

    if (actuator_read_file(a, ret, err) < 0)
        return -1;
    if (ask_running(a, buf_str(&ret->bytes), &ret->running, &why) == 0)
        ret->is_running = true;
    else
        buf_add_text(&ret->running, why.text);
    return 0;
}

/* --- changing it --- */

static int check(const struct actuator *a, struct str bytes, const struct actuator_wait *wait,
                 struct err *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf shown = { 0 };
    struct actuator_share *shares;
    uint64_t epoch;
    size_t count;

    if (actuator_form_read(a, bytes, &arena, &shares, &count, &epoch, err) < 0)
        return -1;
    if (show(a, &shown, err) < 0)
        return actuator_wrap(a, err);
    return actuator_command(a, "test", "", wait, err);
}

/* "New version created: 7" */
static int prepare(const struct actuator *a, const char *map, int64_t *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf words = { 0 }, answer = { 0 };

    buf_addf(&words, "prepare map %s\n", map);
    if (ask(a, buf_str(&words), &answer, err) < 0)
        return -1;
    struct str said = str_trim(buf_str(&answer));
    ptrdiff_t colon = str_find_char(said, ':', 0);
    if (colon >= 0 && str_to_i64(str_trim(str_sub(said, (size_t)colon + 1, SIZE_MAX)), ret))
        return 0;
    return err_set(err, ERR_SYS, "HAProxy (2.4 or later is needed) refuses 'prepare map %s': %.*s",
                   map, STR_ARG(str_sub(said, 0, 200)));
}

static int add_all(const struct actuator *a, const char *map, int64_t version, struct str bytes,
                   struct err *err)
{
    CLEANUP(buf_release) struct buf words = { 0 };
    struct str line;
    bool more = next_entry(&bytes, &line);

    while (more) {
        buf_clear(&words);
        buf_addf(&words, "add map @%" PRId64 " %s <<\n", version, map);
        size_t begin = words.len;
        do {
            buf_addf(&words, "%.*s\n", STR_ARG(line));
            more = next_entry(&bytes, &line);
        } while (more && words.len - begin + line.len < PAYLOAD_BYTES_MAX);
        buf_add_byte(&words, '\n');
        if (order(a, buf_str(&words), err) < 0)
            return -1;
    }
    return 0;
}

static int replace(const struct actuator *a, struct str bytes, struct err *err)
{
    CLEANUP(buf_release) struct buf name = { 0 }, words = { 0 };
    const char *map = map_of(a, &name);
    int64_t version;

    if (prepare(a, map, &version, err) < 0 || add_all(a, map, version, bytes, err) < 0)
        return -1;
    buf_addf(&words, "commit map @%" PRId64 " %s\n", version, map);
    return order(a, buf_str(&words), err);
}

static int apply(const struct actuator *a, struct str bytes, bool is_there,
                 const struct actuator_wait *wait, struct err *err)
{
    (void)wait;
    if (actuator_write_file(a, bytes, is_there, err) < 0)
        return -1;
    return replace(a, is_there ? bytes : STR(""), err) < 0 ? actuator_wrap(a, err) : 0;
}

/* Commands to HAProxy are lines of words. */
static int admits_settings(const struct actuator *a, struct err *err)
{
    CLEANUP(buf_release) struct buf name = { 0 };

    for (const char *p = map_of(a, &name); *p; p++)
        if ((unsigned char)*p <= ' ' || strchr(";\\<\"'", *p) || (unsigned char)*p == 0x7f)
            return actuator_fail(a, err, ERR_USAGE,
                                 "'%s' cannot be named to HAProxy: no blanks, ';', '<', quotes and "
                                 "backslashes",
                                 buf_cstr(&name));
    return 0;
}

static const char *const settings[] = { "!file", "!socket", "map", "test", "timeout", NULL };

const struct actuator_driver actuator_haproxy = {
    .name = "haproxy",
    .caps = {
        .resolution = 1,
        .is_sticky = true,
        .is_atomic = true,
        .is_stream_safe = true,
        .tells_running = true,
    },
    .settings = settings,
    .admits_settings = admits_settings,
    .admits = actuator_admit,
    .rules = &rules,
    .form = &form,
    .probe = probe,
    .render = actuator_form_write,
    .parse = actuator_form_read,
    .check = check,
    .apply = apply,
};
