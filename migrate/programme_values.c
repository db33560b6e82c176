/* Values of a plan, each with file:line:column and what was expected when it is another. */
#include "config.h"

#include "migrate/programme_parts.h"

#include <string.h>

#include "base/decimal.h"
#include "base/nearest.h"
#include "migrate/rollout.h"

#define KEYS_MAX     40 /* of one map */
#define DURATION_MAX (INT64_C(3650) * US_PER_DAY)
#define RATIO_MOST   1000
#define CHANCE_SCALE 12

struct programme_place programme_place(const struct yaml_node *n)
{
    return (struct programme_place){ n->line, n->column };
}

int programme_wrong(const struct programme_reader *r, const struct yaml_node *n, const char *wanted)
{
    static const char *const kinds[] = { "", "a list", "a map" };

    if (n->kind != YAML_SCALAR)
        return yaml_err(r->y, n, r->err, "expected %s, got %s", wanted, kinds[n->kind]);
    if (yaml_is_null(n))
        return yaml_err(r->y, n, r->err, "expected %s, got nothing: leave the key out instead",
                        wanted);
    return yaml_err(r->y, n, r->err, "expected %s, got '%.*s'", wanted,
                    STR_ARG(str_sub(n->text, 0, 40)));
}

int programme_want(const struct programme_reader *r, const struct yaml_node *n, enum yaml_kind kind,
                   size_t most, const char *wanted)
{
    if (n->kind != kind)
        return programme_wrong(r, n, wanted);
    if (n->len > most)
        return yaml_err(r->y, n, r->err, "more than %zu entries", most);
    return 0;
}

/* What goes into messages, ledgers and other programs' files: one line. */
static int check_text(const struct programme_reader *r, const struct yaml_node *n)
{
    for (size_t i = 0; i < n->text.len; i++)
        if ((unsigned char)n->text.ptr[i] < ' ' || n->text.ptr[i] == 0x7f)
            return yaml_err(r->y, n, r->err,
                            "expected one line of text, got a control character at its byte %zu",
                            i + 1);
    return 0;
}

int programme_read_text(struct programme_reader *r, const struct yaml_node *n, struct str *ret)
{
    if (n->kind != YAML_SCALAR || yaml_is_null(n))
        return programme_wrong(r, n, "text");
    if (check_text(r, n) < 0)
        return -1;
    *ret = arena_str(&r->p->arena, n->text);
    return 0;
}

int programme_read_path(struct programme_reader *r, const struct yaml_node *n, struct str *ret)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    if (n->kind != YAML_SCALAR || yaml_is_null(n) || !n->text.len)
        return programme_wrong(r, n, "a path");
    if (check_text(r, n) < 0)
        return -1;
    if (n->text.ptr[0] != '/' && r->folder[0])
        buf_addf(&path, "%s/", r->folder);
    buf_add_str(&path, n->text);
    *ret = arena_str(&r->p->arena, buf_str(&path));
    return 0;
}

static int read_name(struct programme_reader *r, const struct yaml_node *n, struct str *ret)
{
    if (n->kind != YAML_SCALAR || yaml_is_null(n) || !n->text.len)
        return programme_wrong(r, n, "a name");
    return programme_read_text(r, n, ret);
}

int programme_read_names(struct programme_reader *r, const struct yaml_node *n,
                         struct programme_names *ret)
{
    if (n->kind == YAML_SCALAR) {
        ret->list = arena_alloc(&r->p->arena, sizeof(*ret->list));
        ret->len = 1;
        return read_name(r, n, ret->list);
    }
    if (programme_want(r, n, YAML_LIST, PROGRAMME_NAMES_MAX, "a name, or a list of names") < 0)
        return -1;
    ret->list = arena_alloc(&r->p->arena, (n->len + 1) * sizeof(*ret->list));
    ret->len = 0;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (read_name(r, i, &ret->list[ret->len++]) < 0)
            return -1;
    return 0;
}

/* A date and time that says its zone is that moment; others are of the programme's zone. */
static bool has_zone(struct str text)
{
    for (size_t i = 10; i < text.len; i++)
        if (strchr("Zz+-U", text.ptr[i]))
            return true;
    return false;
}

int programme_read_time(const struct programme_reader *r, const struct yaml_node *n,
                        bool end_of_day, int64_t *ret)
{
    struct str text = n->kind == YAML_SCALAR ? n->text : STR("");
    int64_t us;

    if (text.len < 10 || text.ptr[4] != '-' || !timestamp_parse(text, &us))
        return programme_wrong(r, n, "a date such as 2026-10-07, or 2026-10-07T09:00");
    if (has_zone(text)) {
        *ret = us;
        return 0;
    }
    struct civil local = civil_from_us(us);
    if (text.len == 10 && end_of_day)
        local.day++;
    *ret = tz_to_utc(r->p->zone, local);
    return 0;
}

int programme_read_duration(const struct programme_reader *r, const struct yaml_node *n,
                            int64_t *ret)
{
    int64_t us;

    if (n->kind != YAML_SCALAR || !duration_parse(n->text, &us) || us > DURATION_MAX)
        return programme_wrong(r, n, "a duration such as 30s, 24h or 7d, of ten years at most");
    *ret = us;
    return 0;
}

/* "12.5%" in units of 10^-digits percent, from 0 to 100 %. */
static bool percent(const struct yaml_node *n, int digits, i128 *ret)
{
    i128 all = 100;

    for (int i = 0; i < digits; i++)
        all *= 10;
    return n->kind == YAML_SCALAR && str_ends_with(n->text, STR("%")) &&
           decimal_parse(str_trim(str_sub(n->text, 0, n->text.len - 1)), digits, ret) ==
               DECIMAL_OK &&
           *ret >= 0 && *ret <= all;
}

int programme_read_share(const struct programme_reader *r, const struct yaml_node *n, int32_t *ret)
{
    i128 share;

    if (!percent(n, 2, &share))
        return programme_wrong(r, n, "a share such as 5% or 0.25%, in hundredths of a percent");
    *ret = (int32_t)share;
    return 0;
}

static int read_part(const struct programme_reader *r, const struct yaml_node *n, int64_t *ret)
{
    i128 part;

    if (!percent(n, 4, &part))
        return programme_wrong(r, n, "a share such as 15%, of at most 100%");
    *ret = (int64_t)part;
    return 0;
}

/* A double is made of the exact decimal by one division, so that it is the same everywhere. */
static int read_chance(const struct programme_reader *r, const struct yaml_node *n, double *ret)
{
    i128 value = 0, one = INT64_C(1000000000000);
    bool is_percent = percent(n, CHANCE_SCALE - 2, &value);

    if (!is_percent && (n->kind != YAML_SCALAR || n->quoted ||
                        decimal_parse(n->text, CHANCE_SCALE, &value) != DECIMAL_OK || value > one))
        return programme_wrong(r, n, "a chance such as 0.05 or 5%");
    if (value <= 0 || value >= one)
        return programme_wrong(r, n, "a chance above 0 and below 1");
    *ret = (double)(int64_t)value / 1e12;
    return 0;
}

static int read_ratio(const struct programme_reader *r, const struct yaml_node *n, double *ret)
{
    i128 value;

    if (n->kind != YAML_SCALAR || n->quoted || decimal_parse(n->text, 6, &value) != DECIMAL_OK ||
        value < PROGRAMME_MILLION || value > RATIO_MOST * PROGRAMME_MILLION)
        return programme_wrong(r, n, "a ratio from 1 to 1000, such as 1.5");
    *ret = (double)(int64_t)value / 1e6;
    return 0;
}

static int read_count(const struct programme_reader *r, const struct yaml_node *n, int64_t *ret)
{
    if (yaml_int(r->y, n, ret, r->err) < 0)
        return -1;
    return *ret >= 0 ? 0 : programme_wrong(r, n, "a number from 0");
}

int programme_read_choice(const struct programme_reader *r, const struct yaml_node *n,
                          const char *const *names, int *ret)
{
    CLEANUP(buf_release) struct buf all = { 0 };

    for (int i = 0; names[i]; i++) {
        if (n->kind == YAML_SCALAR && str_eq(n->text, str_from(names[i]))) {
            *ret = i;
            return 0;
        }
        buf_addf(&all, "%s%s", i ? ", " : "one of ", names[i]);
    }
    return programme_wrong(r, n, buf_cstr(&all));
}

/* Names of things go into messages, ledgers and other programs' files. */
int programme_check_name(const struct programme_reader *r, const struct yaml_node *n,
                         const char *kind)
{
    if (!n->text.len || n->text.len > PROGRAMME_NAME_BYTES)
        return yaml_err(r->y, n, r->err, "the name of %s has 1 to %d bytes", kind,
                        PROGRAMME_NAME_BYTES);
    for (size_t i = 0; i < n->text.len; i++)
        if ((unsigned char)n->text.ptr[i] < ' ' || n->text.ptr[i] == 0x7f)
            return yaml_err(r->y, n, r->err, "the name of %s may not hold control characters",
                            kind);
    return 0;
}

int programme_no_such(const struct programme_reader *r, const struct yaml_node *n,
                      const char *section, const struct nearest *near)
{
    if (near->best)
        return yaml_err(r->y, n, r->err, "'%.*s' is not in %s: did you mean '%s'?",
                        STR_ARG(n->text), section, near->best);
    return yaml_err(r->y, n, r->err, "'%.*s' is not in %s: add it there first", STR_ARG(n->text),
                    section);
}

static int read_plain(struct programme_reader *r, const struct yaml_node *n,
                      const struct programme_key *key, char *to)
{
    switch (key->type) {
    case PROGRAMME_TEXT:
        return programme_read_text(r, n, (struct str *)(void *)to);
    case PROGRAMME_PATH:
        return programme_read_path(r, n, (struct str *)(void *)to);
    case PROGRAMME_NAMES:
        return programme_read_names(r, n, (struct programme_names *)(void *)to);
    case PROGRAMME_DATE:
    case PROGRAMME_UNTIL:
        return programme_read_time(r, n, key->type == PROGRAMME_UNTIL, (int64_t *)(void *)to);
    case PROGRAMME_DURATION:
        return programme_read_duration(r, n, (int64_t *)(void *)to);
    case PROGRAMME_SHARE:
        return programme_read_share(r, n, (int32_t *)(void *)to);
    case PROGRAMME_PART:
        return read_part(r, n, (int64_t *)(void *)to);
    case PROGRAMME_CHANCE:
        return read_chance(r, n, (double *)(void *)to);
    case PROGRAMME_RATIO:
        return read_ratio(r, n, (double *)(void *)to);
    case PROGRAMME_COUNT:
        return read_count(r, n, (int64_t *)(void *)to);
    case PROGRAMME_BOOL:
        return yaml_bool(r->y, n, (bool *)(void *)to, r->err);
    default:
        return key->read(r, n, to);
    }
}

/* The names of a table and of those it includes. */
static size_t add_known(const struct programme_key *keys, const char **known, size_t count)
{
    for (; keys->name; keys++) {
        if (keys->type == PROGRAMME_ALSO)
            count = add_known(keys->keys, known, count);
        else if (count < KEYS_MAX)
            known[count++] = keys->name;
    }
    return count;
}

static int read_rows(struct programme_reader *r, const struct yaml_node *n,
                     const struct programme_key *keys, void *to)
{
    for (; keys->name; keys++) {
        const struct yaml_node *value = yaml_get(n, keys->name);
        int got = 0;
        if (keys->type == PROGRAMME_ALSO)
            got = read_rows(r, n, keys->keys, to);
        else if (value && keys->type == PROGRAMME_MAP)
            got = programme_read_map(r, value, keys->keys, to);
        else if (value)
            got = read_plain(r, value, keys, (char *)to + keys->offset);
        if (got < 0)
            return -1;
    }
    return 0;
}

int programme_read_map(struct programme_reader *r, const struct yaml_node *n,
                       const struct programme_key *keys, void *to)
{
    const char *known[KEYS_MAX + 1] = { 0 };

    add_known(keys, known, 0);
    if (n->kind != YAML_MAP)
        return programme_wrong(r, n, "a map of settings");
    if (yaml_check_keys(r->y, n, known, r->err) < 0)
        return -1;
    return read_rows(r, n, keys, to);
}
