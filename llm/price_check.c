#include "config.h"

#include "llm/price_check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "llm/price_model.h"

#define FACTOR_MAX 10
/* USD per million tokens.  The cheapest real price is about 0.00013 (an embedding on a router), the
 * dearest 600 (o1-pro output). */
#define TOKEN_PUSD_MIN (PUSD_PER_USD / 10000)
#define TOKEN_PUSD_MAX (PUSD_PER_USD * 10000)

#define PER_TOKEN_PUSD_MAX (PUSD_PER_USD / 1000)
#define TABLE_FACTOR_MAX   100

/* --- a single cost --- */

bool price_is_plausible(i128 cost_pusd, const struct usage *usage, const struct price_result *table,
                        const char **ret_reason)
{
    static const enum usage_unit by_piece[] = { USAGE_IMAGES,        USAGE_AUDIO_MS,
                                                USAGE_CHARACTERS,    USAGE_PAGES,
                                                USAGE_WEB_SEARCHES,  USAGE_FILE_SEARCHES,
                                                USAGE_CODE_SESSIONS, USAGE_SEARCH_UNITS };
    bool pieces = false;
    i128 tokens = 0;

    if (usage_has(usage, USAGE_INPUT))
        tokens += usage->n[USAGE_INPUT];
    if (usage_has(usage, USAGE_OUTPUT))
        tokens += usage->n[USAGE_OUTPUT];
    for (size_t i = 0; i < ARRAY_LEN(by_piece); i++)
        pieces |= usage_has(usage, by_piece[i]) && usage->n[by_piece[i]] > 0;
    if (cost_pusd < 0) {
        *ret_reason = "negative cost";
        return false;
    }
    i128 for_tokens = cost_pusd - (table ? table->fees_pusd : 0);
    if (tokens > 0 && (table || !pieces) && for_tokens > tokens * PER_TOKEN_PUSD_MAX) {
        *ret_reason = "more than 1 USD per 1,000 tokens: a wrong unit in a price table?";
        return false;
    }
    if (table && table->cost_pusd > 0 && cost_pusd / TABLE_FACTOR_MAX > table->cost_pusd) {
        *ret_reason = "more than 100 times the price book's price";
        return false;
    }
    return true;
}

/* --- the book --- */

struct check {
    struct price_findings *findings;
    const struct price_file *file;
    struct map claims; /* provider, route, id of the layer under way -> entry */
    size_t layer;
};

__attribute__((format(printf, 3, 4))) static void find(struct check *c, unsigned line,
                                                       const char *fmt, ...)
{
    struct price_findings *f = c->findings;
    struct price_finding found = { .path = c->file->path.ptr, .line = line };
    va_list ap;

    if (f->len == PRICE_FINDINGS_MAX) {
        f->more++;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(found.text, sizeof(found.text), fmt, ap);
    va_end(ap);
    if (f->len == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->items = mem_realloc(f->items, f->cap * sizeof(*f->items));
    }
    f->items[f->len++] = found;
}

void price_findings_release(struct price_findings *f)
{
    free(f->items);
    *f = (struct price_findings){ 0 };
}

/* A price in words: "2.5". */
struct shown {
    char text[DECIMAL_TEXT_BYTES];
};

static struct shown show(int64_t amount)
{
    struct shown s;
    size_t len = strlen(decimal_format(amount, PUSD_SCALE, s.text));

    while (s.text[len - 1] == '0')
        s.text[--len] = '\0';
    if (s.text[len - 1] == '.')
        s.text[--len] = '\0';
    return s;
}

/* Where a set's prices come from, for messages. */
struct where {
    const struct price_entry *entry;
    const char *what; /* "", "batch", ... */
};

static void check_range(struct check *c, const struct where *w, const struct price_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct price_rate *r = &set->rates[i];
        if (!price_unit_is_token(r->unit) || r->amount == 0)
            continue;
        if (r->amount < TOKEN_PUSD_MIN || r->amount > TOKEN_PUSD_MAX)
            find(c, r->line,
                 "%.*s: %s %s at %s USD per million tokens: prices here are per million, not per "
                 "token or per thousand",
                 STR_ARG(w->entry->name), w->what, price_unit_key(r->unit), show(r->amount).text);
    }
}

static int64_t amount_of(const struct price_set *set, int unit)
{
    const struct price_rate *r = price_set_find(set, unit);

    return r && !r->elsewhere ? r->amount : -1;
}

static unsigned line_of(const struct price_set *set, int unit, unsigned otherwise)
{
    const struct price_rate *r = price_set_find(set, unit);

    return r && r->line ? r->line : otherwise;
}

/* Cached parts dearer than the fresh ones. */
static void check_cached(struct check *c, const struct where *w, const struct price_set *set,
                         unsigned line)
{
    static const struct {
        enum usage_unit cached, fresh;
    } pairs[] = {
        {USAGE_CACHED_INPUT,  USAGE_INPUT      },
        { USAGE_CACHED_AUDIO, USAGE_INPUT_AUDIO},
        { USAGE_CACHED_IMAGE, USAGE_INPUT_IMAGE},
        { USAGE_CACHED_VIDEO, USAGE_INPUT_VIDEO},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        int64_t cached = amount_of(set, pairs[i].cached), fresh = amount_of(set, pairs[i].fresh);
        if (cached > 0 && fresh >= 0 && cached > fresh)
            find(c, line_of(set, pairs[i].cached, line),
                 "%.*s: %s %s (%s) is dearer than %s (%s): are they swapped?",
                 STR_ARG(w->entry->name), w->what, price_unit_key(pairs[i].cached),
                 show(cached).text, price_unit_key(pairs[i].fresh), show(fresh).text);
    }
}

/* An input price alone is right for embeddings, moderation and transcription only: those say so
 * with `output: "0"` or by having no input by token. */
static bool is_input_only(struct str id)
{
    static const struct str words[] = {
        STR_INIT("embed"), STR_INIT("moderation"), STR_INIT("rerank"), STR_INIT("voyage"),
        STR_INIT("bge"),   STR_INIT("e5-"),        STR_INIT("gte-"),   STR_INIT("m2-bert"),
        STR_INIT("guard"), STR_INIT("transcri"),   STR_INIT("nomic"),  STR_INIT("gecko"),
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_find(id, words[i], 0) >= 0)
            return true;
    return false;
}

static void check_output(struct check *c, const struct price_entry *e, const struct price_period *p)
{
    const struct price_set *set = &p->set;
    bool some = price_set_find(set, USAGE_OUTPUT) || price_set_find(set, USAGE_OUTPUT_AUDIO) ||
                price_set_find(set, USAGE_OUTPUT_IMAGE);

    if (amount_of(set, USAGE_INPUT) > 0 && !some && !is_input_only(e->id))
        find(c, p->line,
             "%.*s: an input price but no output price: add it, or output: \"0\" if there is none",
             STR_ARG(e->name));
    if (set->count == 0)
        find(c, p->line, "%.*s: no price at all: add one or remove the entry", STR_ARG(e->name));
}

/* Token and piece prices at once bill a picture or a second twice. */
static void check_double(struct check *c, const struct price_entry *e, const struct price_period *p)
{
    static const struct {
        enum usage_unit piece, token;
    } pairs[] = {
        {USAGE_IMAGES,      USAGE_OUTPUT_IMAGE},
        { USAGE_AUDIO_MS,   USAGE_INPUT_AUDIO },
        { USAGE_CHARACTERS, USAGE_INPUT       },
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (amount_of(&p->set, pairs[i].piece) > 0 && amount_of(&p->set, pairs[i].token) > 0)
            find(c, line_of(&p->set, pairs[i].piece, p->line),
                 "%.*s: %s and %s are both priced, so it would be billed twice: keep one",
                 STR_ARG(e->name), price_unit_key(pairs[i].piece), price_unit_key(pairs[i].token));
}

/* Two sets that should be of one order of magnitude. */
static void check_factor(struct check *c, const struct where *w, const struct price_set *a,
                         const struct price_set *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct price_rate *r = &b->rates[i];
        int64_t before = amount_of(a, r->unit);
        if (r->variant.len > 0 || before <= 0 || r->amount <= 0)
            continue;
        const struct price_rate *old = price_set_find(a, r->unit);
        i128 x = (i128)before * price_per_divisor((enum price_per)r->per);
        i128 y = (i128)r->amount * price_per_divisor((enum price_per)old->per);
        if (x > y * FACTOR_MAX || y > x * FACTOR_MAX)
            find(c, r->line,
                 "%.*s: %s %s goes from %s to %s, more than %d times: a wrong unit or digit?",
                 STR_ARG(w->entry->name), w->what, price_unit_key(r->unit), show(before).text,
                 show(r->amount).text, FACTOR_MAX);
    }
}

static void check_tier(struct check *c, const struct price_entry *e, const struct price_period *p,
                       const struct price_tier *t)
{
    char name[64];
    snprintf(name, sizeof(name), "tier %.*s", STR_ARG(str_sub(t->name, 0, 40)));
    struct where w = { e, name };

    check_range(c, &w, &t->set);
    check_cached(c, &w, &t->set, t->line);
    check_factor(c, &w, &p->set, &t->set);
    for (size_t i = 0; i < t->level_count; i++) {
        check_range(c, &w, &t->levels[i].set);
        check_factor(c, &w, &t->set, &t->levels[i].set);
    }
    if (t->has_times &&
        (t->times.num > FACTOR_MAX * t->times.den || t->times.num * FACTOR_MAX < t->times.den))
        find(c, t->line, "%.*s: %s times %" PRId64 "/%" PRId64 " is more than a factor of %d",
             STR_ARG(e->name), name, t->times.num, t->times.den, FACTOR_MAX);
}

static bool knows_source(const struct price_file *f, struct str words)
{
    struct str word;

    while (str_split(&words, ' ', &word)) {
        bool known = false;
        for (size_t i = 0; i < f->source_count && !known; i++)
            known = str_eq(f->sources[i].id, word);
        if (!known)
            return false;
    }
    return true;
}

static void check_source(struct check *c, struct str name, const struct price_period *p)
{
    if (p->source.len == 0)
        find(c, p->line, "%.*s: no source: say where the price was read (source: NAME)",
             STR_ARG(name));
    else if (!knows_source(c->file, p->source))
        find(c, p->line, "%.*s: source '%.*s' is not listed under sources", STR_ARG(name),
             STR_ARG(p->source));
    if (p->checked.len == 0)
        find(c, p->line, "%.*s: no date on which the price was checked (checked: YYYY-MM-DD)",
             STR_ARG(name));
}

static void check_period(struct check *c, const struct price_entry *e, const struct price_period *p)
{
    struct where w = { e, "" };

    check_range(c, &w, &p->set);
    check_cached(c, &w, &p->set, p->line);
    check_output(c, e, p);
    check_double(c, e, p);
    for (size_t i = 0; i < p->level_count; i++) {
        struct where at = { e, "long context" };
        check_range(c, &at, &p->levels[i].set);
        check_cached(c, &at, &p->levels[i].set, p->levels[i].line);
        check_factor(c, &at, &p->set, &p->levels[i].set);
    }
    for (size_t i = 0; i < p->tier_count; i++)
        check_tier(c, e, p, &p->tiers[i]);
    check_source(c, e->name, p);
}

/* Periods: neighbours of one magnitude, and none hidden by a later one of the same span. */
static void check_neighbours(struct check *c, const struct price_entry *e)
{
    struct where w = { e, "" };

    for (size_t i = 1; i < e->period_count; i++) {
        const struct price_period *a = &e->periods[i - 1], *b = &e->periods[i];
        check_factor(c, &w, &a->set, &b->set);
        if (b->hours_from_s < 0 && b->days == 0 && b->from_us <= a->from_us &&
            b->until_us >= a->until_us)
            find(c, a->line,
                 "%.*s: never used: the price at line %u covers the same time (the last one wins)",
                 STR_ARG(e->name), b->line);
    }
}

static void claim(struct check *c, const struct price_entry *e, struct str id, unsigned line)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    buf_addf(&key, "%d\n%.*s\n%.*s", (int)e->provider, STR_ARG(e->route), STR_ARG(id));
    struct map_entry *at = map_put(&c->claims, buf_str(&key), &is_new);
    if (is_new) {
        at->ptr = (void *)(uintptr_t)e;
        return;
    }
    const struct price_entry *first = at->ptr;
    if (first != e)
        find(c, line, "%.*s: '%.*s' already belongs to %.*s (line %u of %.*s), which wins",
             STR_ARG(e->name), STR_ARG(id), STR_ARG(first->name), first->line,
             STR_ARG(first->file->base_name));
}

/* Ids that two entries claim, and ids a broader rule of an earlier entry would have taken if they
 * were not spelled out. */
static void check_claims(struct check *c, const struct price_entry *e)
{
    claim(c, e, e->id, e->line);
    for (size_t i = 0; i < e->match.count; i++) {
        const struct price_rule *r = &e->match.rules[i];
        if (r->kind == PRICE_RULE_EQUALS)
            claim(c, e, r->text, r->line ? r->line : e->line);
    }
}

/* A prefix rule that an earlier entry's prefix rule already covers can never match. */
static void check_hidden(struct check *c, const struct price_entry *e)
{
    for (size_t i = 0; i < e->match.count; i++) {
        const struct price_rule *r = &e->match.rules[i];
        if (r->kind != PRICE_RULE_PREFIX)
            continue;
        for (const struct price_entry *o = c->file->entries; o < e; o++) {
            if (o->provider != e->provider || !str_eq(o->route, e->route))
                continue;
            for (size_t j = 0; j < o->match.count; j++)
                if (o->match.rules[j].kind == PRICE_RULE_PREFIX &&
                    str_starts_with(r->text, o->match.rules[j].text))
                    find(c, r->line ? r->line : e->line,
                         "%.*s: prefix '%.*s' never matches: '%.*s' at line %u takes it first; "
                         "move this entry before it",
                         STR_ARG(e->name), STR_ARG(r->text), STR_ARG(o->match.rules[j].text),
                         o->line);
        }
    }
}

static void check_file(struct check *c, const struct price_file *f)
{
    c->file = f;
    if (f->layer != c->layer)
        map_release(&c->claims);
    c->layer = f->layer;
    for (size_t i = 0; i < f->entry_count; i++) {
        const struct price_entry *e = &f->entries[i];
        for (size_t j = 0; j < e->period_count; j++)
            check_period(c, e, &e->periods[j]);
        check_neighbours(c, e);
        check_claims(c, e);
        check_hidden(c, e);
    }
    for (size_t i = 0; i < f->fee_count; i++)
        check_source(c, STR("fees"), &f->fees[i]);
    for (size_t i = 0; i < f->source_count; i++)
        if (f->sources[i].url.len == 0 && f->sources[i].title.len == 0)
            find(c, 1, "source '%.*s': no title and no url", STR_ARG(f->sources[i].id));
}

void price_check(const struct price_book *book, struct price_findings *ret)
{
    struct check c = { .findings = ret };

    *ret = (struct price_findings){ 0 };
    for (size_t i = 0; i < price_book_file_count(book); i++)
        check_file(&c, price_book_file(book, i));
    map_release(&c.claims);
}
