/* Any program: it is run for each verb, with a JSON object on its standard input, and answers with
 * one on its standard output and by its exit status; weir-actuator(5) has the table of them.
 *
 *     {"weir": 1, "verb": "apply", "actuator": "edge", "there": true, "bytes": "...",
 *      "epoch": 42, "marker": "e42-1b2c3d4e5f60",
 *      "shares": [{"app": "support-bot", "direct": "openai", "gateway": "litellm",
 *                  "key": "header.x-session", "share": 500}]}
 */
#include "config.h"

#include "migrate/actuator_tools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/nearest.h"

#define ANSWER_BYTES_MAX (ACTUATOR_BYTES_MAX * 2) /* bytes as a JSON string may be longer */

/* Exit statuses of its own. */
enum {
    DONE = 0,
    UNCHANGED = 10,
    DRIFT = 20,
    UNVERIFIABLE = 30,
};

/* --- what the plan says that it can do --- */

static const struct ability {
    const char *name;
    bool on;
    size_t offset; /* in struct actuator_caps */
} abilities[] = {
    {"sticky",                       true,            offsetof(struct actuator_caps,                                    is_sticky) },
    { "atomic",                             true,                                    offsetof(struct actuator_caps,                                                                    is_atomic) },
    { "stream_safe",                    true,                                  offsetof(struct actuator_caps,                  is_stream_safe) },
    { "no_reload", false,offsetof(struct actuator_caps,              needs_reload) },
    { "verify",                         true,                                            offsetof(struct actuator_caps,                                                                                  tells_running) },
    { "render",                      true,         SIZE_MAX},
};

static bool can(const struct actuator *a, const char *name)
{
    struct str rest = actuator_setting(a, "can"), word;

    while (rest.len && str_split(&rest, '\n', &word))
        if (str_eq(word, str_from(name)))
            return true;
    return false;
}

static void set_caps(const struct actuator *a, struct actuator_caps *caps)
{
    struct str resolution = actuator_setting(a, "resolution");

    for (size_t i = 0; i < ARRAY_LEN(abilities); i++)
        if (abilities[i].offset != SIZE_MAX && can(a, abilities[i].name))
            *(bool *)((char *)caps + abilities[i].offset) = abilities[i].on;
    if (resolution.len)
        actuator_percent(resolution, &caps->resolution);
    if (caps->resolution < 1)
        caps->resolution = 1;
}

static int check_ability(const struct actuator *a, struct str word, struct err *err)
{
    struct nearest near;

    nearest_init(&near, word);
    for (size_t i = 0; i < ARRAY_LEN(abilities); i++) {
        if (str_eq(word, str_from(abilities[i].name)))
            return 0;
        nearest_offer(&near, abilities[i].name);
    }
    return actuator_fail(a, err, ERR_USAGE,
                         "setting 'can': there is no '%.*s'%s%s%s; there are sticky, atomic, "
                         "stream_safe, no_reload, verify and render",
                         STR_ARG(str_sub(word, 0, 40)), near.best ? "; did you mean '" : "",
                         near.best ? near.best : "", near.best ? "'?" : "");
}

static int admits_settings(const struct actuator *a, struct err *err)
{
    struct str rest = actuator_setting(a, "can"), word, percent = actuator_setting(a, "resolution");
    int32_t share;

    while (rest.len && str_split(&rest, '\n', &word))
        if (check_ability(a, word, err) < 0)
            return -1;
    if (percent.len && (!actuator_percent(percent, &share) || share < 1))
        return actuator_fail(a, err, ERR_USAGE,
                             "setting 'resolution': expected a share such as 1%%, from 0.01%% to "
                             "100%%, got '%.*s'",
                             STR_ARG(str_sub(percent, 0, 40)));
    return 0;
}

/* Nothing that a script which takes no care would stumble over. */
static bool takes_key(struct str key)
{
    (void)key;
    return true;
}

static const struct actuator_rules rules = {
    .app = "._-:/@+",
    .upstream = "._-:/@+%,=",
    .takes_key = takes_key,
    .keys = "any that the program can, 'request' say",
};

/* --- a verb --- */

static void begin(const struct actuator *a, const char *verb, struct buf *out)
{
    buf_add_text(out, "{\"weir\":1");
    json_add_str(out, "verb", str_from(verb));
    json_add_str(out, "actuator", a->name);
}

static void add_shares(const struct actuator_share *shares, size_t count, uint64_t epoch,
                       struct buf *out)
{
    char marker[ACTUATOR_MARKER_BYTES];

    actuator_marker(shares, count, epoch, marker);
    json_add_int(out, "epoch", (int64_t)epoch);
    json_add_str(out, "marker", str_from(marker));
    json_add_key(out, "shares");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "app", shares[i].app);
        json_add_str(out, "direct", shares[i].direct);
        json_add_str(out, "gateway", shares[i].gateway);
        json_add_str(out, "key", shares[i].key);
        json_add_int(out, "share", shares[i].share);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

/* The exit status, one of `allowed` (0 ends them, and is always one); else -1. */
static int run(const struct actuator *a, const char *verb, struct buf *input, const int *allowed,
               const struct actuator_wait *wait, struct buf *ret, struct err *err)
{
    CLEANUP(actuator_outcome_release) struct actuator_outcome o = { 0 };
    char what[40];
    struct actuator_program p = { .setting = what,
                                  .command = actuator_setting(a, "command"),
                                  .output_bytes_max = ANSWER_BYTES_MAX };

    snprintf(what, sizeof(what), "command %s", verb);
    buf_add_text(input, "}\n");
    p.input = buf_str(input);
    if (actuator_run(a, &p, wait, &o, err) < 0)
        return -1;
    for (const int *i = allowed; *i; i++)
        if (o.status == *i)
            return o.status;
    if (o.status != DONE) {
        actuator_complain(a, what, &o, err);
        if (o.status == DRIFT)
            err->code = ERR_CORRUPT;
        return -1;
    }
    if (ret)
        buf_add_str(ret, buf_str(&o.output));
    return DONE;
}

static const int none_else[] = { 0 };

static int run_for_json(const struct actuator *a, const char *verb, struct buf *input,
                        const int *allowed, json_t **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    int status = run(a, verb, input, allowed, NULL, &answer, err);

    if (status != DONE)
        return status;
    if (json_parse(buf_str(&answer), ret, err) == 0)
        return DONE;
    err_wrap(err, "what 'command' answers to %s", verb);
    return actuator_wrap(a, err);
}

static int no_answer(const struct actuator *a, const char *verb, const char *wanted,
                     struct err *err)
{
    return actuator_fail(a, err, ERR_CORRUPT, "'command' answers to %s without %s", verb, wanted);
}

/* --- the verbs --- */

static int ask_running(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    static const int also[] = { UNVERIFIABLE, 0 };
    CLEANUP(buf_release) struct buf input = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;

    begin(a, "verify", &input);
    int status = run_for_json(a, "verify", &input, also, &doc, err);
    if (status < 0)
        return -1;
    if (status == UNVERIFIABLE)
        return err_set(err, ERR_SYS, "'command' cannot tell now (exit status 30)");
    struct str marker = json_get_str(doc, "running");
    if (!marker.ptr)
        return no_answer(a, "verify", "a string 'running'", err);
    buf_add_str(&ret->running, str_sub(marker, 0, ACTUATOR_NAME_BYTES));
    ret->is_running = true;
    return 0;
}

static int probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf input = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err why;

    begin(a, "probe", &input);
    if (run_for_json(a, "probe", &input, none_else, &doc, err) < 0)
        return -1;
    const json_t *there = json_get(doc, "there");
    struct str bytes = json_get_str(doc, "bytes");
    if (!json_is_boolean(there) || (json_is_true(there) && !bytes.ptr))
        return no_answer(a, "probe", "a boolean 'there', and if it is true a string 'bytes'", err);
    if (bytes.len > ACTUATOR_BYTES_MAX)
        return actuator_fail(a, err, ERR_LIMIT, "more than %u bytes are live", ACTUATOR_BYTES_MAX);
    ret->is_there = json_is_true(there);
    if (ret->is_there)
        buf_add_str(&ret->bytes, bytes);
    if (!can(a, "verify"))
        buf_add_text(&ret->running, "the program is not said to be able to verify");
    else if (ask_running(a, ret, &why) < 0)
        buf_add_text(&ret->running, why.text);
    return 0;
}

static const struct actuator_form form = {
    .app = actuator_form_add_share,
    .share = actuator_form_share,
};

static int render(const struct actuator *a, const struct actuator_share *shares, size_t count,
                  uint64_t epoch, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf input = { 0 }, own = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;

    /* Also what the program writes is of shares that are fit to be written. */
    if (actuator_form_write(a, shares, count, epoch, &own, err) < 0)
        return -1;
    if (!can(a, "render")) {
        buf_add_str(ret, buf_str(&own));
        return 0;
    }
    begin(a, "render", &input);
    add_shares(shares, count, epoch, &input);
    if (run_for_json(a, "render", &input, none_else, &doc, err) < 0)
        return -1;
    struct str bytes = json_get_str(doc, "bytes");
    if (!bytes.ptr)
        return no_answer(a, "render", "a string 'bytes'", err);
    if (bytes.len > ACTUATOR_BYTES_MAX)
        return actuator_fail(a, err, ERR_LIMIT, "it renders more than %u bytes",
                             ACTUATOR_BYTES_MAX);
    buf_add_str(ret, bytes);
    return 0;
}

static bool take_share(const json_t *row, struct arena *arena, struct actuator_share *ret)
{
    const json_t *share = json_get(row, "share");
    struct str app = json_get_str(row, "app"), direct = json_get_str(row, "direct");
    struct str gateway = json_get_str(row, "gateway"), key = json_get_str(row, "key");

    if (!app.ptr || !json_is_integer(share) || json_integer_value(share) < 0 ||
        json_integer_value(share) > 10000)
        return false;
    *ret = (struct actuator_share){
        .app = arena_str(arena, app),
        .direct = arena_str(arena, direct),
        .gateway = arena_str(arena, gateway),
        .key = arena_str(arena, key),
        .share = (int32_t)json_integer_value(share),
    };
    return true;
}

/* Of what the program rendered it says itself what it means. */
static int parse_by_program(const struct actuator *a, struct str bytes, struct arena *arena,
                            struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                            struct err *err)
{
    CLEANUP(buf_release) struct buf input = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;

    begin(a, "parse", &input);
    json_add_str(&input, "bytes", bytes);
    if (run_for_json(a, "parse", &input, none_else, &doc, err) < 0) {
        err->code = ERR_CORRUPT;
        return -1;
    }
    const json_t *epoch = json_get(doc, "epoch"), *rows = json_get(doc, "shares");
    if (!json_is_integer(epoch) || json_integer_value(epoch) < 0 || !json_is_array(rows) ||
        json_array_size(rows) > ACTUATOR_APPS_MAX)
        return no_answer(a, "parse", "an integer 'epoch' and a list 'shares'", err);
    size_t count = json_array_size(rows);
    struct actuator_share *shares = arena_alloc(arena, (count + 1) * sizeof(*shares));
    for (size_t i = 0; i < count; i++) {
        if (!take_share(json_array_get(rows, i), arena, &shares[i]))
            return no_answer(a, "parse", "'app' and 'share' (0 to 10000) in each of 'shares'", err);
        if (i && str_cmp(shares[i - 1].app, shares[i].app) >= 0)
            return no_answer(a, "parse", "an order by 'app', each once", err);
    }
    *ret = shares;
    *ret_count = count;
    *ret_epoch = (uint64_t)json_integer_value(epoch);
    return 0;
}

static int parse(const struct actuator *a, struct str bytes, struct arena *arena,
                 struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                 struct err *err)
{
    struct str marker;

    if (can(a, "render") && !actuator_form_marker(a, bytes, &marker))
        return parse_by_program(a, bytes, arena, ret, ret_count, ret_epoch, err);
    return actuator_form_read(a, bytes, arena, ret, ret_count, ret_epoch, err);
}

/* With the shares, so that a program need not read the bytes. */
static void add_intent(const struct actuator *a, struct str bytes, bool is_there, struct buf *out)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    struct err ignored;
    uint64_t epoch;
    size_t count;

    json_add_bool(out, "there", is_there);
    if (!is_there)
        return;
    json_add_str(out, "bytes", bytes);
    if (parse(a, bytes, &arena, &shares, &count, &epoch, &ignored) == 0)
        add_shares(shares, count, epoch, out);
}

static int check(const struct actuator *a, struct str bytes, const struct actuator_wait *wait,
                 struct err *err)
{
    static const int also[] = { UNCHANGED, 0 };
    CLEANUP(buf_release) struct buf input = { 0 };

    begin(a, "check", &input);
    add_intent(a, bytes, true, &input);
    return run(a, "check", &input, also, wait, NULL, err) < 0 ? -1 : 0;
}

static int apply(const struct actuator *a, struct str bytes, bool is_there,
                 const struct actuator_wait *wait, struct err *err)
{
    static const int also[] = { UNCHANGED, UNVERIFIABLE, 0 };
    CLEANUP(buf_release) struct buf input = { 0 };

    begin(a, "apply", &input);
    add_intent(a, bytes, is_there, &input);
    return run(a, "apply", &input, also, wait, NULL, err) < 0 ? -1 : 0;
}

static const char *const settings[] = { "!command", "can", "resolution", "timeout", NULL };

const struct actuator_driver actuator_exec = {
    .name = "exec",
    .caps = {
        .resolution = 1,
        .needs_reload = true,
    },
    .settings = settings,
    .set_caps = set_caps,
    .admits_settings = admits_settings,
    .admits = actuator_admit,
    .rules = &rules,
    .form = &form,
    .probe = probe,
    .render = render,
    .parse = parse,
    .check = check,
    .apply = apply,
};
