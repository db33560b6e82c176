#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "base/timestamp.h"
#include "llm/price_model.h"

/* Flow style, one price set a line: a book is read by people who look for one model. */
struct writing {
    const struct price_file *file;
    struct buf *out;
};

/* A YAML double-quoted scalar. */
static void add_quoted(struct buf *out, struct str s)
{
    buf_add_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_addf(out, "\\x%02x", c);
        else
            buf_add_byte(out, (char)c);
    }
    buf_add_byte(out, '"');
}

/* Plain where YAML 1.1 cannot take it for anything else, in flow or block. */
static void add_scalar(struct buf *out, struct str s)
{
    static const struct str words[] = {
        STR_INIT("yes"), STR_INIT("no"), STR_INIT("on"),   STR_INIT("off"),   STR_INIT("true"),
        STR_INIT("y"),   STR_INIT("n"),  STR_INIT("null"), STR_INIT("false"),
    };
    bool plain = s.len > 0 && ((s.ptr[0] | 0x20) >= 'a' && (s.ptr[0] | 0x20) <= 'z');

    for (size_t i = 0; i < s.len && plain; i++) {
        char c = s.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        bool colon = c == ':' && i + 1 < s.len && s.ptr[i + 1] != ' ' && i > 0;
        plain = alnum || c == '.' || c == '-' || c == '_' || c == '/' || c == '@' || colon;
    }
    for (size_t i = 0; i < ARRAY_LEN(words) && plain; i++)
        plain = !str_ieq(s, words[i]);
    if (plain)
        buf_add_str(out, s);
    else
        add_quoted(out, s);
}

static void add_amount(struct buf *out, const struct price_rate *r)
{
    char number[DECIMAL_TEXT_BYTES];

    if (r->elsewhere) {
        buf_add_text(out, "elsewhere");
        return;
    }
    size_t len = strlen(decimal_format(r->amount, PUSD_SCALE, number));
    while (number[len - 1] == '0')
        len--;
    if (number[len - 1] == '.')
        len--;
    add_quoted(out, (struct str){ number, len });
}

static void add_images(struct buf *out, const struct price_set *set, uint8_t per)
{
    const char *comma = "";

    buf_add_text(out, "images: {");
    for (size_t i = 0; i < set->count; i++) {
        const struct price_rate *r = &set->rates[i];
        if (r->unit != USAGE_IMAGES || r->per != per)
            continue;
        buf_add_text(out, comma);
        if (r->variant.len == 0)
            buf_add_text(out, "default");
        else
            add_quoted(out, r->variant);
        buf_add_text(out, ": ");
        add_amount(out, r);
        comma = ", ";
    }
    buf_add_byte(out, '}');
}

static bool has_variant(const struct price_set *set, uint8_t per)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->rates[i].variant.len > 0 && set->rates[i].per == per)
            return true;
    return false;
}

/* "per_million: {input: "2.5", output: "10"}, each: {...}"; *started says whether a comma is due.
 */
static void add_set(struct buf *out, const struct price_set *set, bool *started)
{
    for (uint8_t per = 0; per < PRICE_PER_COUNT; per++) {
        bool variants = has_variant(set, per), open = false;
        for (size_t i = 0; i < set->count; i++) {
            const struct price_rate *r = &set->rates[i];
            bool is_image = r->unit == USAGE_IMAGES;
            if (r->per != per || (variants && is_image && open && r->variant.len > 0))
                continue;
            if (open)
                buf_add_text(out, ", ");
            else
                buf_addf(out, "%s%s: {", *started ? ", " : "", price_per_key((enum price_per)per));
            open = *started = true;
            if (variants && is_image) {
                add_images(out, set, per);
                continue;
            }
            buf_addf(out, "%s: ", price_unit_key(r->unit));
            add_amount(out, r);
        }
        if (open)
            buf_add_byte(out, '}');
    }
}

static void add_levels(struct buf *out, const struct price_level *levels, size_t count,
                       bool *started)
{
    if (count == 0)
        return;
    buf_addf(out, "%slong: [", *started ? ", " : "");
    for (size_t i = 0; i < count; i++) {
        bool begun = true;
        buf_addf(out, "%s{%s: %" PRId64, i > 0 ? ", " : "",
                 levels[i].inclusive ? "at_least" : "above", levels[i].threshold);
        add_set(out, &levels[i].set, &begun);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    *started = true;
}

static void add_ratio(struct buf *out, struct price_ratio r)
{
    struct price_rate rate = { .amount = (int64_t)((i128)r.num * PUSD_PER_USD / r.den) };

    add_amount(out, &rate);
}

static void add_tiers(struct buf *out, const struct price_period *p, const char *indent)
{
    if (p->tier_count == 0)
        return;
    buf_addf(out, "\n%stiers:", indent);
    for (size_t i = 0; i < p->tier_count; i++) {
        const struct price_tier *t = &p->tiers[i];
        bool started = t->has_times;
        buf_addf(out, "\n%s  ", indent);
        add_scalar(out, t->name);
        buf_add_text(out, ": {");
        if (t->has_times) {
            buf_add_text(out, "times: ");
            add_ratio(out, t->times);
        }
        add_set(out, &t->set, &started);
        add_levels(out, t->levels, t->level_count, &started);
        buf_add_byte(out, '}');
    }
}

static void add_field(struct buf *out, const char *indent, const char *key, struct str value)
{
    if (value.len == 0)
        return;
    buf_addf(out, "\n%s%s: ", indent, key);
    add_scalar(out, value);
}

static void add_moment(struct buf *out, const char *indent, const char *key, int64_t us)
{
    char text[TIMESTAMP_TEXT_BYTES];

    if (us == INT64_MIN || us == INT64_MAX)
        return;
    bool midnight = us % US_PER_DAY == 0;
    buf_addf(out, "\n%s%s: %s", indent, key,
             midnight ? timestamp_format_date(us, text) : timestamp_format(us, text));
}

static void add_words(struct buf *out, const char *indent, const char *key, struct str words)
{
    struct str word;
    const char *comma = "";

    if (words.len == 0)
        return;
    buf_addf(out, "\n%s%s: [", indent, key);
    while (str_split(&words, ' ', &word)) {
        buf_add_text(out, comma);
        add_scalar(out, word);
        comma = ", ";
    }
    buf_add_byte(out, ']');
}

static void add_window(struct buf *out, const char *indent, const struct price_period *p)
{
    static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

    if (p->hours_from_s >= 0)
        buf_addf(out, "\n%shours: \"%02d:%02d-%02d:%02d\"", indent, p->hours_from_s / 3600,
                 p->hours_from_s / 60 % 60, p->hours_until_s / 3600, p->hours_until_s / 60 % 60);
    if (p->days == 0)
        return;
    int first = 0, last = 6;
    while (!(p->days >> first & 1) || (p->days >> (first + 6) % 7 & 1 && p->days != 0x7f))
        first++;
    for (last = first; p->days >> (last + 1) % 7 & 1 && (last + 1) % 7 != first;)
        last = (last + 1) % 7;
    buf_addf(out, "\n%sdays: %s-%s", indent, days[first], days[last]);
}

static void add_period(struct buf *out, const struct price_period *p, const char *indent)
{
    bool started = true;

    add_moment(out, indent, "from", p->from_us);
    add_moment(out, indent, "until", p->until_us);
    add_window(out, indent, p);
    add_words(out, indent, "source", p->source);
    add_field(out, indent, "checked", p->checked);
    add_field(out, indent, "note", p->note);
    for (uint8_t per = 0; per < PRICE_PER_COUNT; per++) {
        struct price_rate rates[PRICE_UNIT_COUNT * 2];
        struct price_set only = { rates, 0 };
        for (size_t i = 0; i < p->set.count && only.count < ARRAY_LEN(rates); i++)
            if (p->set.rates[i].per == per)
                rates[only.count++] = p->set.rates[i];
        if (only.count == 0)
            continue;
        started = false;
        buf_addf(out, "\n%s", indent);
        add_set(out, &only, &started);
    }
    if (p->level_count > 0) {
        started = false;
        buf_addf(out, "\n%s", indent);
        add_levels(out, p->levels, p->level_count, &started);
    }
    add_tiers(out, p, indent);
}

static const char *const rule_names[] = {
    [PRICE_RULE_EQUALS] = "equals", [PRICE_RULE_PREFIX] = "prefix",
    [PRICE_RULE_SUFFIX] = "suffix", [PRICE_RULE_CONTAINS] = "contains",
    [PRICE_RULE_GLOB] = "glob",     [PRICE_RULE_REGEX] = "regex",
    [PRICE_RULE_ANY] = "any",       [PRICE_RULE_ALL] = "all",
};

static void add_rules(struct buf *out, const struct price_rule *list)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        const struct price_rule *r = &list->rules[i];
        if (i > 0)
            buf_add_text(out, ", ");
        if (r->kind == PRICE_RULE_EQUALS) {
            add_scalar(out, r->text);
            continue;
        }
        buf_addf(out, "{%s: ", rule_names[r->kind]);
        if (r->kind == PRICE_RULE_ANY || r->kind == PRICE_RULE_ALL)
            add_rules(out, r);
        else
            add_scalar(out, r->text);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void add_entry(const struct writing *w, const struct price_entry *e)
{
    buf_add_text(w->out, "\n  - id: ");
    add_scalar(w->out, e->id);
    if (e->provider != w->file->provider)
        add_field(w->out, "    ", "provider", str_from(provider_name(e->provider)));
    add_field(w->out, "    ", "route", e->route);
    if (e->match.count > 0) {
        buf_add_text(w->out, "\n    match: ");
        add_rules(w->out, &e->match);
    }
    if (e->period_count == 1) {
        add_period(w->out, e->periods, "    ");
        return;
    }
    buf_add_text(w->out, "\n    prices:");
    for (size_t i = 0; i < e->period_count; i++) {
        CLEANUP(buf_release) struct buf period = { 0 };
        add_period(&period, &e->periods[i], "        ");
        /* The first field stands behind the dash. */
        struct str rest = str_sub(buf_str(&period), strlen("\n        "), period.len);
        buf_addf(w->out, "\n      - %.*s", STR_ARG(rest));
    }
}

static void add_source(struct buf *out, const struct price_source *s)
{
    const struct {
        const char *key;
        struct str value;
    } fields[] = {
        {"title",    s->title  },
        { "url",     s->url    },
        { "version", s->version},
        { "date",    s->date   },
        { "licence", s->licence},
        { "note",    s->note   },
    };
    const char *comma = "";

    buf_add_text(out, "\n  ");
    add_scalar(out, s->id);
    buf_add_text(out, ": {");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].value.len == 0)
            continue;
        buf_addf(out, "%s%s: ", comma, fields[i].key);
        add_quoted(out, fields[i].value);
        comma = ", ";
    }
    buf_add_byte(out, '}');
}

void price_file_write(const struct price_file *f, struct buf *out)
{
    struct writing w = { f, out };

    buf_add_text(out, "format: weir-prices/1");
    if (f->provider != PROVIDER_UNKNOWN)
        add_field(out, "", "provider", str_from(provider_name(f->provider)));
    if (f->source_count > 0)
        buf_add_text(out, "\nsources:");
    for (size_t i = 0; i < f->source_count; i++)
        add_source(out, &f->sources[i]);
    if (f->entry_count > 0)
        buf_add_text(out, "\nentries:");
    for (size_t i = 0; i < f->entry_count; i++)
        add_entry(&w, &f->entries[i]);
    buf_add_byte(out, '\n');
}
