/* A scenario's file: strict, with line and column for whatever is wrong. */
#include "config.h"

#include "replay/scenario.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/timestamp.h"
#include "base/yaml.h"
#include "replay/scenario_parts.h"

#define MILLION    1000000
#define NAMES_MAX  100                    /* patterns in one list */
#define FACTOR_MAX (10000 * 100)          /* percent */
#define RATE_MAX   INT64_C(1000000000000) /* of a quota, in its time */

struct reader {
    struct scenario *s;
    const struct yaml *y;
    struct err *err;
};

/* --- values --- */

static int wrong(const struct reader *r, const struct yaml_node *n, const char *wanted)
{
    if (n->kind != YAML_SCALAR)
        return yaml_err(r->y, n, r->err, "expected %s, got a %s", wanted,
                        n->kind == YAML_LIST ? "list" : "map");
    return yaml_err(r->y, n, r->err, "expected %s, got '%.*s'", wanted,
                    STR_ARG(str_sub(n->text, 0, 40)));
}

typedef int read_value_fn(const struct reader *r, const struct yaml_node *n, int64_t *ret);

static int read_time(const struct reader *r, const struct yaml_node *n, int64_t *ret)
{
    int64_t us;

    if (n->kind != YAML_SCALAR || !duration_parse(n->text, &us) || us > SCENARIO_TIME_MAX)
        return wrong(r, n, "a duration such as 500ms, 20s or 10m, of ten years at most");
    *ret = us;
    return 0;
}

static int read_delay(const struct reader *r, const struct yaml_node *n, int64_t *ret)
{
    if (n->kind == YAML_SCALAR && str_eq(n->text, STR("forever"))) {
        *ret = PLAN_FOREVER;
        return 0;
    }
    return read_time(r, n, ret);
}

/* A share in millionths: 0.25 or 25%. */
static int read_chance(const struct reader *r, const struct yaml_node *n, int64_t *ret)
{
    bool is_percent = n->kind == YAML_SCALAR && str_ends_with(n->text, STR("%"));
    i128 value;

    if (n->kind != YAML_SCALAR || n->quoted ||
        decimal_parse(str_sub(n->text, 0, n->text.len - is_percent), is_percent ? 4 : 6, &value) !=
            DECIMAL_OK ||
        value < 0 || value > MILLION)
        return wrong(r, n, "a share from 0% to 100%, or from 0 to 1, of at most 6 digits");
    *ret = (int64_t)value;
    return 0;
}

static int read_decimal(const struct reader *r, const struct yaml_node *n, int digits, int64_t most,
                        int64_t *ret)
{
    i128 value;

    if (yaml_decimal(r->y, n, digits, &value, r->err) < 0)
        return -1;
    if (value < 0 || value > most)
        return wrong(r, n, "a number that is not negative, nor absurdly large");
    *ret = (int64_t)value;
    return 0;
}

static int read_factor(const struct reader *r, const struct yaml_node *n, int64_t *ret)
{
    if (read_decimal(r, n, 2, FACTOR_MAX, ret) < 0)
        return -1;
    return *ret ? 0 : wrong(r, n, "a factor above 0: 3 is three times as long");
}

static int read_times(const struct reader *r, const struct yaml_node *n, int64_t *ret)
{
    return read_decimal(r, n, 6, INT64_C(1000000) * MILLION, ret);
}

/* One value, or a map with from and to: it moves from one to the other over the window. */
static int read_ramp(const struct reader *r, const struct yaml_node *map, const char *key,
                     read_value_fn *read, struct scenario_ramp *ret)
{
    static const char *const keys[] = { "from", "to", NULL };
    const struct yaml_node *n = yaml_get(map, key);
    struct scenario_ramp ramp;

    if (!n)
        return 0;
    if (n->kind != YAML_MAP) {
        if (read(r, n, &ramp.from) < 0)
            return -1;
        ret->from = ret->to = ramp.from;
        return 0;
    }
    if (yaml_check_keys(r->y, n, keys, r->err) < 0)
        return -1;
    if (!yaml_get(n, "from") || !yaml_get(n, "to"))
        return yaml_err(r->y, n, r->err, "a ramp needs from and to");
    if (read(r, yaml_get(n, "from"), &ramp.from) < 0 || read(r, yaml_get(n, "to"), &ramp.to) < 0)
        return -1;
    if (ramp.from == PLAN_FOREVER || ramp.to == PLAN_FOREVER)
        return yaml_err(r->y, n, r->err, "nothing can move to or from forever");
    *ret = ramp;
    return 0;
}

static int read_count(const struct reader *r, const struct yaml_node *n, int64_t least,
                      int64_t most, int64_t *ret)
{
    if (yaml_int(r->y, n, ret, r->err) < 0)
        return -1;
    if (*ret < least || *ret > most)
        return yaml_err(r->y, n, r->err, "expected a number from %lld to %lld, got '%.*s'",
                        (long long)least, (long long)most, STR_ARG(n->text));
    return 0;
}

static int read_choice(const struct reader *r, const struct yaml_node *n, const char *const *names,
                       int *ret)
{
    CLEANUP(buf_release) struct buf all = { 0 };

    for (int i = 0; names[i]; i++) {
        if (n->kind == YAML_SCALAR && str_eq(n->text, str_from(names[i]))) {
            *ret = i;
            return 0;
        }
        buf_addf(&all, "%s%s", i ? ", " : "one of ", names[i]);
    }
    return wrong(r, n, buf_cstr(&all));
}

/* "500/min", "30k/min", "2M/day". */
static int read_rate(const struct reader *r, const struct yaml_node *n, int64_t *ret,
                     int64_t *ret_us)
{
    static const struct {
        const char *name;
        int64_t n;
    } scales[] = { { "k", 1000 }, { "M", MILLION }, { "", 1 } },
      units[] = { { "s", US_PER_SECOND },
                  { "min", 60 * US_PER_SECOND },
                  { "h", 3600 * US_PER_SECOND },
                  { "day", US_PER_DAY } };
    struct str rest = n->kind == YAML_SCALAR ? n->text : STR(""), count;

    str_split(&rest, '/', &count);
    *ret_us = 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_eq(rest, str_from(units[i].name)))
            *ret_us = units[i].n;
    for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
        if (!str_ends_with(count, str_from(scales[i].name)))
            continue;
        count.len -= strlen(scales[i].name);
        if (!*ret_us || count.len > 12 || !str_to_i64(count, ret) || *ret <= 0)
            break;
        if (*ret > RATE_MAX / scales[i].n)
            break;
        *ret *= scales[i].n;
        return 0;
    }
    return wrong(r, n, "a rate such as 500/min, 30k/min or 2M/day");
}

static int read_text(const struct reader *r, const struct yaml_node *map, const char *key,
                     struct str *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    struct str text;

    if (!n)
        return 0;
    if (yaml_str(r->y, n, &text, r->err) < 0)
        return -1;
    *ret = arena_str(&r->s->arena, text);
    return 0;
}

/* A pattern or a list of them. */
static int read_names(const struct reader *r, const struct yaml_node *map, const char *key,
                      struct scenario_names *ret)
{
    const struct yaml_node *n = yaml_get(map, key);
    struct str text;

    if (!n)
        return 0;
    if (n->kind == YAML_MAP || (n->kind == YAML_LIST && !n->len))
        return wrong(r, n, "a name or a list of names");
    if (n->kind == YAML_LIST && n->len > NAMES_MAX)
        return yaml_err(r->y, n, r->err, "more than %d names", NAMES_MAX);
    const struct yaml_node *i = n->kind == YAML_LIST ? n->items : n;
    size_t count = n->kind == YAML_LIST ? n->len : 1;
    ret->list = arena_alloc(&r->s->arena, count * sizeof(*ret->list));
    for (ret->len = 0; ret->len < count; ret->len++, i = i->next) {
        if (yaml_str(r->y, i, &text, r->err) < 0)
            return -1;
        ret->list[ret->len] = arena_str(&r->s->arena, text);
    }
    return 0;
}

/* from, and to or for. */
static int read_window(const struct reader *r, const struct yaml_node *map,
                       struct scenario_window *ret)
{
    const struct yaml_node *from = yaml_get(map, "from"), *to = yaml_get(map, "to"),
                           *length = yaml_get(map, "for");

    *ret = (struct scenario_window){ .to_us = PLAN_FOREVER };
    if (to && length)
        return yaml_err(r->y, length->key, r->err, "to and for say the same: one of them will do");
    if ((from && read_time(r, from, &ret->from_us) < 0) ||
        (to && read_time(r, to, &ret->to_us) < 0) ||
        (length && read_time(r, length, &ret->to_us) < 0))
        return -1;
    if (length)
        ret->to_us += ret->from_us;
    if (ret->to_us <= ret->from_us)
        return yaml_err(r->y, to ? to : length, r->err, "the window ends before it begins");
    return 0;
}

/* --- faults --- */

static const char *const common_keys[] = { "fault", "upstream", "model",       "app",    "from",
                                           "to",    "for",      "probability", "stream", NULL };

static bool is_common(struct str key)
{
    for (int i = 0; common_keys[i]; i++)
        if (str_eq(key, str_from(common_keys[i])))
            return true;
    return false;
}

static int no_use(const struct reader *r, const struct yaml_node *key,
                  const struct fault_kind *kind)
{
    CLEANUP(buf_release) struct buf takes = { 0 };

    for (unsigned i = 0; i < FAULT_PARAM_COUNT; i++)
        if (kind->params & 1u << i)
            buf_addf(&takes, "%s%s", takes.len ? ", " : "", fault_param_names[i]);
    return yaml_err(r->y, key, r->err, "%s has no use for '%.*s': it takes %s", kind->name,
                    STR_ARG(key->text), takes.len ? buf_cstr(&takes) : "no parameters");
}

static int check_keys(const struct reader *r, const struct yaml_node *n,
                      const struct fault_kind *kind)
{
    const char *all[ARRAY_LEN(common_keys) + FAULT_PARAM_COUNT];
    size_t len = 0;

    for (int i = 0; common_keys[i]; i++)
        all[len++] = common_keys[i];
    for (unsigned i = 0; i < FAULT_PARAM_COUNT; i++)
        all[len++] = fault_param_names[i];
    all[len] = NULL;
    if (yaml_check_keys(r->y, n, all, r->err) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        if (is_common(i->key->text))
            continue;
        for (unsigned p = 0; p < FAULT_PARAM_COUNT; p++)
            if (str_eq(i->key->text, str_from(fault_param_names[p])) && !(kind->params & 1u << p))
                return no_use(r, i->key, kind);
    }
    return 0;
}

static int find_kind(const struct reader *r, const struct yaml_node *map,
                     const struct fault_kind **ret)
{
    const struct yaml_node *n = yaml_get(map, "fault");
    struct nearest near;
    struct str name;

    if (!n)
        return yaml_err(r->y, map, r->err, "what goes wrong? 'fault' is missing");
    if (yaml_str(r->y, n, &name, r->err) < 0)
        return -1;
    *ret = fault_kind_find(name);
    if (*ret)
        return 0;
    nearest_init(&near, name);
    for (const struct fault_kind *k = fault_kinds; k->name; k++)
        nearest_offer(&near, k->name);
    if (near.best)
        return yaml_err(r->y, n, r->err, "there is no fault '%.*s': did you mean '%s'?",
                        STR_ARG(str_sub(name, 0, 40)), near.best);
    return yaml_err(r->y, n, r->err, "there is no fault '%.*s': weir-scenario(5) lists them",
                    STR_ARG(str_sub(name, 0, 40)));
}

static int read_retry_after(const struct reader *r, const struct yaml_node *map, struct fault *f)
{
    const struct yaml_node *n = yaml_get(map, "retry_after"),
                           *form = yaml_get(map, "retry_after_as");
    int choice = 0;

    if (form && read_choice(r, form, fault_retry_form_names, &choice) < 0)
        return -1;
    f->retry_form = (enum fault_retry_form)choice;
    if (n && n->kind == YAML_SCALAR && str_eq(n->text, STR("none")))
        f->retry_after_us = -1;
    else if (n)
        return read_time(r, n, &f->retry_after_us);
    return 0;
}

static int read_keepalive(const struct reader *r, const struct yaml_node *map, struct fault *f)
{
    const struct yaml_node *n = yaml_get(map, "keepalive"),
                           *every = yaml_get(map, "keepalive_every");
    int choice = (int)f->keepalive;

    if (n && read_choice(r, n, fault_keepalive_names, &choice) < 0)
        return -1;
    f->keepalive = (enum fault_keepalive)choice;
    if (!every)
        return 0;
    if (read_time(r, every, &f->keepalive_us) < 0)
        return -1;
    return f->keepalive_us >= 1000 ? 0 : wrong(r, every, "1ms or more");
}

static int read_limits(const struct reader *r, const struct yaml_node *map, struct fault *f)
{
    const struct yaml_node *requests = yaml_get(map, "requests"), *tokens = yaml_get(map, "tokens"),
                           *failed = yaml_get(map, "counts_failed");

    if ((requests && read_rate(r, requests, &f->requests, &f->requests_per_us) < 0) ||
        (tokens && read_rate(r, tokens, &f->tokens, &f->tokens_per_us) < 0) ||
        (failed && yaml_bool(r->y, failed, &f->counts_failed, r->err) < 0))
        return -1;
    if (f->kind->stage == FAULT_QUOTA && !requests && !tokens)
        return yaml_err(r->y, map, r->err, "a quota needs requests or tokens");
    return 0;
}

/* Counts: each a row. */
static int read_counts(const struct reader *r, const struct yaml_node *map, struct fault *f)
{
    int64_t status = f->status, after = f->after_pieces, bytes = f->piece_bytes, bandwidth = 0;
    const struct {
        const char *key;
        int64_t least, most, *n;
    } rows[] = {
        {"status",            300, 599,              &status   },
        { "after",            0,   MILLION,          &after    },
        { "bytes",            1,   65536,            &bytes    },
        { "bytes_per_second", 1,   1000000000000000, &bandwidth},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct yaml_node *n = yaml_get(map, rows[i].key);
        if (n && read_count(r, n, rows[i].least, rows[i].most, rows[i].n) < 0)
            return -1;
    }
    f->status = (int)status;
    f->after_pieces = (uint32_t)after;
    f->piece_bytes = (uint32_t)bytes;
    f->bytes_per_second = (uint64_t)bandwidth;
    if (f->kind->params & FAULT_HAS(BANDWIDTH) && !bandwidth)
        return yaml_err(r->y, map, r->err, "%s needs bytes_per_second", f->kind->name);
    if (f->kind->params & FAULT_HAS(STATUS) && !f->kind->status && !status)
        return yaml_err(r->y, map, r->err, "%s needs status", f->kind->name);
    return 0;
}

static int read_params(const struct reader *r, const struct yaml_node *n, struct scenario_entry *e)
{
    struct fault *f = &e->fault;
    const struct yaml_node *error = yaml_get(n, "error");
    int choice = 0;

    e->factor = (struct scenario_ramp){ f->factor_percent, f->factor_percent };
    e->delay = (struct scenario_ramp){ f->delay_us, f->delay_us };
    if (read_retry_after(r, n, f) < 0 || read_keepalive(r, n, f) < 0 || read_limits(r, n, f) < 0 ||
        read_counts(r, n, f) < 0 || read_ramp(r, n, "factor", read_factor, &e->factor) < 0 ||
        read_ramp(r, n, "delay", read_delay, &e->delay) < 0 ||
        (error && read_choice(r, error, fault_error_names, &choice) < 0))
        return -1;
    f->error = (enum fault_error)choice;
    f->factor_percent = (uint32_t)e->factor.from;
    f->delay_us = e->delay.from;
    e->has_ramp = e->factor.from != e->factor.to || e->delay.from != e->delay.to;
    if (f->delay_us == PLAN_FOREVER && f->kind->delay_us != PLAN_FOREVER)
        return yaml_err(r->y, yaml_get(n, "delay"), r->err,
                        "%s does not last for ever: that would be silent, or stall", f->kind->name);
    if (f->kind->params == (FAULT_HAS(DELAY) | FAULT_HAS(FACTOR)) && !e->has_ramp &&
        f->factor_percent == 100 && !f->delay_us)
        return yaml_err(r->y, n, r->err, "%s needs delay or factor", f->kind->name);
    return 0;
}

static int read_ons(const struct reader *r, const struct yaml_node *n, struct scenario_entry *e)
{
    const struct yaml_node *only = yaml_get(n, "stream");
    bool is_stream;

    e->on = e->fault.kind->on;
    if (!only)
        return 0;
    if (yaml_bool(r->y, only, &is_stream, r->err) < 0)
        return -1;
    e->on &= is_stream ? FAULT_ON_STREAM : FAULT_ON_WHOLE;
    if (!e->on)
        return yaml_err(r->y, only, r->err, "%s strikes streams alone", e->fault.kind->name);
    return 0;
}

/* Whatever a ramp moves over needs an end. */
static int check_ramps(const struct reader *r, const struct yaml_node *n,
                       const struct scenario_entry *e)
{
    bool moves = e->has_ramp || e->chance.from != e->chance.to;

    if (moves && e->window.to_us == PLAN_FOREVER)
        return yaml_err(r->y, n, r->err, "a ramp needs the end of its window: to, or for");
    return 0;
}

static int room_for(const struct reader *r, const struct yaml_node *n)
{
    if (r->s->entries.len >= SCENARIO_FAULTS_MAX)
        return yaml_err(r->y, n, r->err, "more than %d faults and quotas", SCENARIO_FAULTS_MAX);
    return 0;
}

static int read_fault(const struct reader *r, const struct yaml_node *n,
                      const struct fault_kind *kind)
{
    struct scenario_entry e = {
        .chance = {MILLION, MILLION}
    };

    if (room_for(r, n) < 0 || check_keys(r, n, kind) < 0)
        return -1;
    e.fault = fault_usual(kind);
    e.fault.index = (uint32_t)r->s->entries.len;
    e.ends_attempt = kind->stage != FAULT_PACE && kind->stage != FAULT_QUOTA;
    if (read_window(r, n, &e.window) < 0 || read_names(r, n, "upstream", &e.upstreams) < 0 ||
        read_names(r, n, "model", &e.models) < 0 || read_names(r, n, "app", &e.apps) < 0 ||
        read_ramp(r, n, "probability", read_chance, &e.chance) < 0 || read_params(r, n, &e) < 0 ||
        read_ons(r, n, &e) < 0 || check_ramps(r, n, &e) < 0)
        return -1;
    vec_push(&r->s->entries, e);
    return 0;
}

static int want_maps(const struct reader *r, const struct yaml_node *n)
{
    if (n->kind != YAML_LIST)
        return wrong(r, n, "a list");
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (i->kind != YAML_MAP)
            return wrong(r, i, "a map");
    return 0;
}

static int read_faults(const struct reader *r, const struct yaml_node *n)
{
    const struct fault_kind *kind = NULL;

    if (!n)
        return 0;
    if (want_maps(r, n) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (find_kind(r, i, &kind) < 0 || read_fault(r, i, kind) < 0)
            return -1;
    return 0;
}

static int read_quotas(const struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = { "upstream",       "model",  "app",
                                        "from",           "to",     "for",
                                        "requests",       "tokens", "counts_failed",
                                        "retry_after_as", NULL };

    if (!n)
        return 0;
    if (want_maps(r, n) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (yaml_check_keys(r->y, i, keys, r->err) < 0 ||
            read_fault(r, i, fault_kind_find(STR("quota"))) < 0)
            return -1;
    return 0;
}

/* --- load --- */

static int read_load(const struct reader *r, const struct yaml_node *n)
{
    static const char *const keys[] = { "times", "app", "model", "from", "to", "for", NULL };
    struct scenario_load l = {
        .times = {MILLION, MILLION}
    };

    if (r->s->loads.len >= SCENARIO_LOADS_MAX)
        return yaml_err(r->y, n, r->err, "more than %d loads", SCENARIO_LOADS_MAX);
    if (yaml_check_keys(r->y, n, keys, r->err) < 0)
        return -1;
    if (!yaml_get(n, "times"))
        return yaml_err(r->y, n, r->err, "a load needs times: 10 is ten times what was recorded");
    if (read_window(r, n, &l.window) < 0 || read_names(r, n, "app", &l.apps) < 0 ||
        read_names(r, n, "model", &l.models) < 0 ||
        read_ramp(r, n, "times", read_times, &l.times) < 0)
        return -1;
    if (l.times.from != l.times.to && l.window.to_us == PLAN_FOREVER)
        return yaml_err(r->y, n, r->err, "a ramp needs the end of its window: to, or for");
    vec_push(&r->s->loads, l);
    return 0;
}

static int read_loads(const struct reader *r, const struct yaml_node *n)
{
    if (!n)
        return 0;
    if (want_maps(r, n) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (read_load(r, i) < 0)
            return -1;
    return 0;
}

/* --- the file --- */

static int read_about(const struct reader *r, const struct yaml_node *root, const char *name)
{
    static const char *const confidences[] = { "primary", "secondary", NULL };
    struct scenario_about *about = &r->s->about;
    const struct yaml_node *n = yaml_get(root, "confidence");
    int choice = 0;

    about->name = arena_str(&r->s->arena, str_from(name));
    if (read_text(r, root, "name", &about->name) < 0 ||
        read_text(r, root, "summary", &about->summary) < 0 ||
        read_text(r, root, "source", &about->source) < 0 ||
        (n && read_choice(r, n, confidences, &choice) < 0))
        return -1;
    about->is_secondary = choice == 1;
    return 0;
}

static int read_root(const struct reader *r, const struct yaml_node *root, const char *name)
{
    static const char *const keys[] = { "name",   "summary", "source", "confidence",
                                        "faults", "quotas",  "load",   NULL };

    if (!root || root->kind != YAML_MAP)
        return err_set(r->err, ERR_USAGE,
                       "%s: a scenario is a map with faults, quotas or load: weir-scenario(5)",
                       name);
    if (yaml_check_keys(r->y, root, keys, r->err) < 0 || read_about(r, root, name) < 0 ||
        read_faults(r, yaml_get(root, "faults")) < 0 ||
        read_quotas(r, yaml_get(root, "quotas")) < 0)
        return -1;
    return read_loads(r, yaml_get(root, "load"));
}

int scenario_parse(struct str text, const char *name, struct scenario **ret, struct err *err)
{
    CLEANUP(scenario_free) struct scenario *s = mem_calloc(1, sizeof(*s));
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct reader r = { .s = s, .err = err };

    if (yaml_parse(text, name, &y, err) < 0)
        return -1;
    r.y = y;
    if (read_root(&r, yaml_root(y), name) < 0)
        return -1;
    scenario_finish(s);
    *ret = TAKE(s);
    return 0;
}

/* --- presets --- */

/* The preset that was probably meant, or all there are. */
static int no_preset(const char *name, const char *folder, struct err *err)
{
    CLEANUP(buf_release) struct buf names = { 0 };
    CLEANUP(dir_list_release) struct dir_list files = { 0 };
    struct nearest near;

    if (dir_list_read(folder, &files, err) < 0)
        return -1;
    nearest_init(&near, str_from(name));
    for (size_t i = 0; i < files.len; i++) {
        struct str file = str_from(files.names[i]);
        if (!str_ends_with(file, STR(".yaml")))
            continue;
        files.names[i][file.len - 5] = '\0';
        nearest_offer(&near, files.names[i]);
        buf_addf(&names, "%s%s", names.len ? ", " : "", files.names[i]);
    }
    if (near.best)
        return err_set(err, ERR_USAGE,
                       "there is no file and no preset scenario '%s': did you mean '%s'?", name,
                       near.best);
    return err_set(err, ERR_USAGE,
                   "there is no file and no preset scenario '%s': presets are %s, in '%s'", name,
                   names.len ? buf_cstr(&names) : "missing", folder);
}

int scenario_open(const char *file_or_preset, const char *presets_folder, struct scenario **ret,
                  struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 }, text = { 0 };

    buf_add_text(&path, file_or_preset);
    if (presets_folder && access(file_or_preset, F_OK) < 0 && errno == ENOENT &&
        !strchr(file_or_preset, '/')) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s.yaml", presets_folder, file_or_preset);
        if (access(buf_cstr(&path), F_OK) < 0)
            return no_preset(file_or_preset, presets_folder, err);
    }
    if (file_read(buf_cstr(&path), YAML_FILE_BYTES_MAX, &text, err) < 0)
        return -1;
    return scenario_parse(buf_str(&text), file_or_preset, ret, err);
}
