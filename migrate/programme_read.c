/* A plan's sections, each by a table of its keys. */
#include "config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/map.h"
#include "base/nearest.h"
#include "migrate/programme_parts.h"
#include "migrate/rollout.h"

#define HOOKS_MAX      64
#define ACTUATORS_MAX  256
#define SETTINGS_MAX   64
#define HOOK_TIMEOUT   (10 * US_PER_SECOND)
#define CALLS_DEFAULT  200
#define ALPHA_DEFAULT  0.05
#define BLIND_DEFAULT  (60 * 60 * INT64_C(1000000)) /* weir's proxy seals after a quarter of it */
#define SPEND_DEFAULT  (15 * PROGRAMME_MILLION / 100)
#define FLIGHT_DEFAULT 3

/* --- programme --- */

static int read_program_name(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    if (n->kind != YAML_SCALAR || yaml_is_null(n))
        return programme_wrong(r, n, "a name");
    if (programme_check_name(r, n, "a programme") < 0)
        return -1;
    if (str_find_char(n->text, '/', 0) >= 0 || n->text.ptr[0] == '.')
        return yaml_err(r->y, n, r->err,
                        "the name of a programme is part of a file's: no '/', no leading '.'");
    return programme_read_text(r, n, to);
}

/* Read before all others: dates depend on it. */
static int read_nothing(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    (void)r;
    (void)n;
    (void)to;
    return 0;
}

#define AT(member) offsetof(struct programme, member)
static const struct programme_key cap_keys[] = {
    KEY("apps_in_flight", COUNT, AT(apps_in_flight),
        "applications that move at the same time; 0 for any number"),
    KEY("spend_moving", PART, AT(spend_moving_per_million),
        "of the month's spend that moves at the same time"),
    KEY_END,
};
static const struct programme_key programme_section_keys[] = {
    KEY_READ("name", AT(name), "what it is called", NULL, read_program_name),
    KEY_READ("tz", AT(tz), "the zone of dates, such as Europe/Berlin", NULL, read_nothing),
    KEY("start", DATE, AT(start_us), "its first day"),
    KEY("end", UNTIL, AT(end_us), "its last day"),
    KEY("archive", PATH, AT(archive), "where the traffic is recorded"),
    KEY("config", PATH, AT(config), "the configuration of weir, see weir-config(5)"),
    KEY("rollout", PATH, AT(rollout), "the folder of what was done, see weir-rollout(5)"),
    KEY("blind", DURATION, AT(blind_us),
        "calls that are recorded and not sealed for so long hold what moves"),
    KEY("alpha_total", CHANCE, AT(alpha_total), "chance of one false rollback in all of it"),
    KEY_MAP("caps", "how much may move at the same time", cap_keys),
    KEY_READ("freeze", 0, "when nothing advances", programme_freeze_keys, programme_read_freezes),
    KEY_END,
};
#undef AT

static int open_zone(struct programme_reader *r, const struct yaml_node *n)
{
    const struct yaml_node *tz = n->kind == YAML_MAP ? yaml_get(n, "tz") : NULL;
    struct str name = STR("UTC");
    struct err why;

    if (tz && yaml_str(r->y, tz, &name, r->err) < 0)
        return -1;
    r->p->tz = arena_str(&r->p->arena, name);
    if (tz_open(name, &r->p->zone, &why) < 0)
        return yaml_err(r->y, tz, r->err, "%s", why.text);
    return 0;
}

static int read_programme(struct programme_reader *r, const struct yaml_node *n)
{
    static const char *const required[] = { "name", "start" };
    struct programme *p = r->p;

    if (open_zone(r, n) < 0 || programme_read_map(r, n, programme_section_keys, p) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(required); i++)
        if (!yaml_get(n, required[i]))
            return yaml_err(r->y, n, r->err, "the programme has no %s", required[i]);
    if (p->end_us && p->end_us <= p->start_us)
        return yaml_err(r->y, yaml_get(n, "end"), r->err, "the programme ends before it starts");
    if (!p->rollout.len) {
        CLEANUP(buf_release) struct buf path = { 0 };
        buf_addf(&path, "%s%s%s.rollout", r->folder, r->folder[0] ? "/" : "", p->name.ptr);
        p->rollout = arena_str(&p->arena, buf_str(&path));
    }
    return 0;
}

/* --- actuators --- */

static int add_setting(struct programme_reader *r, const struct yaml_node *n, struct buf *to)
{
    struct str text;

    if (n->kind != YAML_SCALAR || yaml_is_null(n))
        return programme_wrong(r, n, "a value, or a list of values");
    if (programme_read_text(r, n, &text) < 0)
        return -1;
    buf_add_str(to, text);
    return 0;
}

static int read_setting(struct programme_reader *r, const struct yaml_node *n,
                        struct actuator_setting *ret)
{
    CLEANUP(buf_release) struct buf value = { 0 };

    if (n->kind == YAML_LIST) {
        for (const struct yaml_node *i = n->items; i; i = i->next) {
            if (add_setting(r, i, &value) < 0)
                return -1;
            if (i->next)
                buf_add_byte(&value, '\n');
        }
    } else if (add_setting(r, n, &value) < 0) {
        return -1;
    }
    ret->name = arena_str(&r->p->arena, n->key->text);
    ret->value = arena_str(&r->p->arena, buf_str(&value));
    return 0;
}

static int read_actuator(struct programme_reader *r, const struct yaml_node *n,
                         struct actuator *ret)
{
    const struct yaml_node *driver;
    struct err why;

    if (programme_check_name(r, n->key, "an actuator") < 0 ||
        programme_want(r, n, YAML_MAP, SETTINGS_MAX, "a map with driver and its settings") < 0)
        return -1;
    driver = yaml_get(n, "driver");
    if (!driver)
        return yaml_err(r->y, n->key, r->err, "an actuator needs a driver, such as weir or nginx");
    if (driver->kind != YAML_SCALAR)
        return programme_wrong(r, driver, "the name of a driver");
    ret->driver = actuator_find_driver(driver->text, &why);
    if (!ret->driver)
        return yaml_err(r->y, driver, r->err, "%s", why.text);
    struct actuator_setting *settings = arena_alloc(&r->p->arena, n->len * sizeof(*settings));
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (i != driver && read_setting(r, i, &settings[ret->setting_count++]) < 0)
            return -1;
    ret->name = arena_str(&r->p->arena, n->key->text);
    ret->settings = settings;
    ret->folder = r->p->folder;
    if (actuator_check_settings(ret, &why) < 0)
        return yaml_err(r->y, n->key, r->err, "%s", why.text);
    return 0;
}

static int read_actuators(struct programme_reader *r, const struct yaml_node *map)
{
    if (programme_want(r, map, YAML_MAP, ACTUATORS_MAX, "a map of actuators by name") < 0)
        return -1;
    struct actuator *list = arena_alloc(&r->p->arena, (map->len + 1) * sizeof(*list));
    for (const struct yaml_node *n = map->items; n; n = n->next)
        if (read_actuator(r, n, &list[r->p->actuator_count++]) < 0)
            return -1;
    r->p->actuators = list;
    return 0;
}

/* --- waves --- */

#define AT(member) offsetof(struct programme_wave, member)
static const struct programme_key wave_keys[] = {
    KEY("from", DATE, AT(from_us), "its first day"),
    KEY("to", UNTIL, AT(to_us), "its last day"),
    KEY_END,
};
#undef AT

static int read_waves(struct programme_reader *r, const struct yaml_node *map)
{
    if (programme_want(r, map, YAML_MAP, PROGRAMME_SECTIONS_MAX, "a map of waves by name") < 0)
        return -1;
    struct programme_wave *list = arena_alloc(&r->p->arena, (map->len + 1) * sizeof(*list));
    r->p->waves = r->waves = list;
    for (const struct yaml_node *n = map->items; n; n = n->next) {
        struct programme_wave *wave = &list[r->p->wave_count++];
        if (programme_check_name(r, n->key, "a wave") < 0 ||
            programme_read_map(r, n, wave_keys, wave) < 0)
            return -1;
        if (!wave->from_us || !wave->to_us)
            return yaml_err(r->y, n->key, r->err, "a wave needs from and to");
        if (wave->to_us <= wave->from_us)
            return yaml_err(r->y, yaml_get(n, "to"), r->err, "this wave ends before it begins");
        wave->name = arena_str(&r->p->arena, n->key->text);
        wave->at = programme_place(n->key);
    }
    return 0;
}

/* --- hooks --- */

static const char *const hook_words[] = {
#define X(constant, word) word,
    ROLLOUT_KINDS(X)
#undef X
        "rolled_back",
    "*",
    NULL,
};

static int read_on(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    struct programme_names *ret = to;

    if (programme_read_names(r, n, ret) < 0)
        return -1;
    const struct yaml_node *i = n->kind == YAML_LIST ? n->items : n;
    for (size_t k = 0; k < ret->len; k++, i = i->next) {
        size_t w = 0;
        while (hook_words[w] && !str_eq(ret->list[k], str_from(hook_words[w])))
            w++;
        if (hook_words[w])
            continue;
        const char *near = nearest_of(ret->list[k], hook_words);
        return yaml_err(r->y, i, r->err, "'%s' is no transition%s%s%s", ret->list[k].ptr,
                        near ? ": did you mean '" : ": see HOOKS in weir-programme(5)",
                        near ? near : "", near ? "'?" : "");
    }
    return 0;
}

static int read_url(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    if (n->kind != YAML_SCALAR ||
        (!str_starts_with(n->text, STR("http://")) && !str_starts_with(n->text, STR("https://"))))
        return programme_wrong(r, n, "a URL (https://host/path)");
    if (str_find_char(n->text, '@', 0) >= 0)
        return yaml_err(r->y, n, r->err, "a URL may not hold credentials: use secret: {env: NAME}");
    return programme_read_text(r, n, to);
}

#define AT(member) offsetof(struct programme_hook, member)
static const struct programme_key secret_keys[] = {
    KEY("env", TEXT, AT(secret_env), "the environment variable that holds it"),
    KEY("file", PATH, AT(secret_file), "the file that holds it"),
    KEY_END,
};
static const struct programme_key hook_keys[] = {
    KEY_READ("on", AT(on), "which transitions", NULL, read_on),
    KEY("command", NAMES, AT(command), "a program and its arguments"),
    KEY_READ("url", AT(url), "where they are posted instead", NULL, read_url),
    KEY_MAP("secret", "what posts are signed with", secret_keys),
    KEY("timeout", DURATION, AT(timeout_us), "how long to wait for it"),
    KEY_END,
};
#undef AT

static int read_hooks(struct programme_reader *r, const struct yaml_node *n)
{
    if (programme_want(r, n, YAML_LIST, HOOKS_MAX, "a list of hooks") < 0)
        return -1;
    struct programme_hook *list = arena_alloc(&r->p->arena, (n->len + 1) * sizeof(*list));
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        struct programme_hook *hook = &list[r->p->hook_count++];
        *hook = (struct programme_hook){ .at = programme_place(i),
                                         .url = STR(""),
                                         .secret_env = STR(""),
                                         .secret_file = STR(""),
                                         .timeout_us = HOOK_TIMEOUT };
        if (programme_read_map(r, i, hook_keys, hook) < 0)
            return -1;
        if (!hook->on.len)
            return yaml_err(r->y, i, r->err, "a hook needs on: which transitions it is told of");
        if ((hook->command.len != 0) == (hook->url.len != 0))
            return yaml_err(r->y, i, r->err, "a hook needs a command or a url, and one only");
    }
    r->p->hooks = list;
    return 0;
}

/* --- preflight --- */

#define AT(member) offsetof(struct programme_preflight, member)
static const struct programme_key preflight_keys[] = {
    KEY("gateway", NAMES, AT(gateway), "the program to start, with {port} in its arguments"),
    KEY("config", PATH, AT(config), "of weir's proxy, if no program is named"),
    KEY("provider", TEXT, AT(provider), "whose part the stand-in plays"),
    KEY("scenario", TEXT, AT(scenario), "what goes wrong, see weir-scenario(5)"),
    KEY("path", TEXT, AT(path), "where calls go at it, see weir-replay-drive(1) --path"),
    KEY("key_env", TEXT, AT(key_env), "the variable with the key that goes with each call"),
    KEY("headers", NAMES, AT(headers), "\"name: value\", in place of the calls' own"),
    KEY("assert", NAMES, AT(asserted), "what must hold while providers fail, as 'success >= 99%'"),
    KEY("calls", COUNT, AT(calls), "at most so many of an application's recorded calls"),
    KEY_END,
};
#undef AT

static int read_preflight(struct programme_reader *r, const struct yaml_node *n)
{
    return programme_read_map(r, n, preflight_keys, &r->p->preflight);
}

/* --- all of it --- */

static const struct programme_key top_keys[] = {
    KEY_READ("programme", 0, "the whole of it", programme_section_keys, NULL),
    KEY("actuators", OTHER, 0, "what moves traffic, by name"),
    KEY_READ("defaults", 0, "what applications do not say", programme_default_keys, NULL),
    KEY_READ("waves", 0, "who moves together, by name", wave_keys, NULL),
    KEY_READ("apps", 0, "who is to move, by name", programme_app_keys, NULL),
    KEY_READ("hooks", 0, "who is told", hook_keys, NULL),
    KEY_READ("preflight", 0, "how recorded calls reach the gateway", preflight_keys, NULL),
    KEY_END,
};

const struct programme_key *programme_keys(void)
{
    return top_keys;
}

static int compare_apps(const void *a, const void *b)
{
    const struct programme_app *x = a, *y = b;

    return str_cmp(x->name, y->name);
}

/* Names that operands of commands could not tell apart. */
static int check_app_names(const struct programme_reader *r, const struct yaml_node *apps)
{
    for (const struct yaml_node *n = apps->items; n; n = n->next) {
        if (str_eq(n->key->text, STR("all")))
            return yaml_err(r->y, n->key, r->err, "'all' means every application: call it another");
        if (programme_find_wave(r->p, n->key->text))
            return yaml_err(r->y, n->key, r->err, "'%.*s' is the name of a wave, too",
                            STR_ARG(n->key->text));
    }
    return 0;
}

static int no_such_app(const struct programme_reader *r, const struct yaml_node *n)
{
    struct nearest near;

    nearest_init(&near, n->text);
    for (size_t i = 0; i < r->p->app_count; i++)
        nearest_offer(&near, r->p->apps[i].name.ptr);
    return programme_no_such(r, n, "apps", &near);
}

static int check_needs(const struct programme_reader *r, const struct yaml_node *apps)
{
    for (const struct yaml_node *n = apps->items; n; n = n->next) {
        const struct yaml_node *needs = yaml_get(n, "needs");
        const struct yaml_node *i = needs && needs->kind == YAML_LIST ? needs->items : needs;
        for (; i; i = needs->kind == YAML_LIST ? i->next : NULL)
            if (!programme_find_app(r->p, i->text))
                return no_such_app(r, i);
    }
    return 0;
}

/* Waves list their applications in the document's order. */
static void fill_waves(const struct programme_reader *r, const struct yaml_node *apps)
{
    struct programme *p = r->p;

    for (size_t i = 0; i < p->app_count; i++)
        if (p->apps[i].wave)
            r->waves[p->apps[i].wave - p->waves].app_count++;
    for (size_t i = 0; i < p->wave_count; i++) {
        struct programme_wave *wave = &r->waves[i];
        wave->apps = arena_alloc(&p->arena, (wave->app_count + 1) * sizeof(*wave->apps));
        wave->app_count = 0;
    }
    for (const struct yaml_node *n = apps->items; n; n = n->next) {
        const struct programme_app *app = programme_find_app(p, n->key->text);
        struct programme_wave *wave = app->wave ? &r->waves[app->wave - p->waves] : NULL;
        if (wave)
            wave->apps[wave->app_count++] = app;
    }
}

static int read_all(struct programme_reader *r, const struct yaml_node *root)
{
    struct section {
        const char *name;
        int (*read)(struct programme_reader *r, const struct yaml_node *n);
    };
    static const struct section before_apps[] = {
        {"programme",  read_programme},
        { "actuators", read_actuators},
        { "waves",     read_waves    },
        { "hooks",     read_hooks    },
        { "preflight", read_preflight},
    };
    const struct yaml_node *apps = yaml_get(root, "apps");

    if (!yaml_get(root, "programme"))
        return yaml_err(r->y, root, r->err,
                        "a plan needs a section 'programme' with name and start");
    for (size_t i = 0; i < ARRAY_LEN(before_apps); i++) {
        const struct yaml_node *n = yaml_get(root, before_apps[i].name);
        if (n && before_apps[i].read(r, n) < 0)
            return -1;
    }
    if (programme_read_apps(r, yaml_get(root, "defaults"), apps) < 0)
        return -1;
    if (!apps)
        return 0;
    if (r->p->app_count)
        qsort(r->apps, r->p->app_count, sizeof(*r->apps), compare_apps);
    if (check_app_names(r, apps) < 0 || check_needs(r, apps) < 0)
        return -1;
    fill_waves(r, apps);
    return 0;
}

static int check_top(const struct programme_reader *r, const struct yaml_node *root)
{
    const char *known[ARRAY_LEN(top_keys)] = { 0 };

    if (!root || root->kind != YAML_MAP)
        return yaml_err(r->y, root, r->err, "expected a map of sections, see weir-programme(5)");
    for (size_t i = 0; top_keys[i].name; i++)
        known[i] = top_keys[i].name;
    return yaml_check_keys(r->y, root, known, r->err);
}

int programme_parse(struct str text, const char *name, const char *folder, struct programme **ret,
                    struct err *err)
{
    CLEANUP(programme_free) struct programme *p = mem_calloc(1, sizeof(*p));
    CLEANUP(yaml_free) struct yaml *y = NULL;
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    if (text.len > PROGRAMME_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%s: larger than %u bytes", name, PROGRAMME_BYTES_MAX);
    p->file = arena_str(&p->arena, str_from(name));
    p->folder = arena_str(&p->arena, str_from(folder));
    p->bytes = arena_str(&p->arena, text);
    sha256_of(text, digest);
    p->sha = arena_str(&p->arena, str_from(hex_encode(digest, sizeof(digest), hex)));
    p->archive = p->config = p->rollout = STR("");
    p->alpha_total = ALPHA_DEFAULT;
    p->apps_in_flight = FLIGHT_DEFAULT;
    p->blind_us = BLIND_DEFAULT;
    p->spend_moving_per_million = SPEND_DEFAULT;
    p->preflight = (struct programme_preflight){
        .config = STR(""),
        .provider = STR(""),
        .scenario = STR(""),
        .path = STR(""),
        .key_env = STR(""),
        .calls = CALLS_DEFAULT,
    };
    if (yaml_parse(text, name, &y, err) < 0)
        return -1;
    struct programme_reader r = { .p = p, .y = y, .folder = folder, .err = err };
    if (check_top(&r, yaml_root(y)) < 0 || read_all(&r, yaml_root(y)) < 0)
        return -1;
    *ret = TAKE(p);
    return 0;
}
