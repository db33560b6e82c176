#include "config.h"

#include <pthread.h>
#include <string.h>

#include "llm/price_model.h"

/* One pattern is not for two threads at once (base/pattern.h).  Regexes are rare: the book that
 * comes with weir has none. */
static pthread_mutex_t regex_lock = PTHREAD_MUTEX_INITIALIZER;

/* Who sells models of its own at a price of its own: asked when the provider is not known. */
static const enum provider first_parties[] = {
    PROVIDER_OPENAI,     PROVIDER_ANTHROPIC, PROVIDER_GEMINI,   PROVIDER_MISTRAL,
    PROVIDER_COHERE,     PROVIDER_DEEPSEEK,  PROVIDER_XAI,      PROVIDER_VOYAGE,
    PROVIDER_PERPLEXITY, PROVIDER_ZAI,       PROVIDER_MOONSHOT, PROVIDER_MINIMAX,
};

bool price_is_fine_tune(struct str id)
{
    return str_starts_with(id, STR("ft:")) || str_find(id, STR(".ft-"), 0) >= 0 ||
           str_find(id, STR(":ft-"), 0) >= 0;
}

static bool speaks_of_fine_tunes(struct str text)
{
    return str_find(text, STR("ft:"), 0) >= 0 || str_find(text, STR("ft-"), 0) >= 0;
}

static bool regex_matches(struct pattern *p, struct str id)
{
    pthread_mutex_lock(&regex_lock);
    bool yes = pattern_matches(p, id, NULL);
    pthread_mutex_unlock(&regex_lock);
    return yes;
}

static bool leaf_matches(const struct price_rule *rule, struct str id)
{
    switch (rule->kind) {
    case PRICE_RULE_EQUALS:
        return str_eq(id, rule->text);
    case PRICE_RULE_PREFIX:
        return str_starts_with(id, rule->text);
    case PRICE_RULE_SUFFIX:
        return str_ends_with(id, rule->text);
    case PRICE_RULE_CONTAINS:
        return str_find(id, rule->text, 0) >= 0;
    case PRICE_RULE_GLOB:
        return str_glob(rule->text, id);
    default:
        return regex_matches(rule->regex, id);
    }
}

static bool rule_matches(const struct price_rule *rule, struct str id, bool fine_tune)
{
    if (rule->kind != PRICE_RULE_ANY && rule->kind != PRICE_RULE_ALL)
        return (!fine_tune || speaks_of_fine_tunes(rule->text)) && leaf_matches(rule, id);
    bool all = rule->kind == PRICE_RULE_ALL;
    for (size_t i = 0; i < rule->count; i++)
        if (rule_matches(&rule->rules[i], id, fine_tune) != all)
            return !all;
    return all;
}

bool price_rule_matches(const struct price_rule *rule, struct str id)
{
    return rule_matches(rule, id, price_is_fine_tune(id));
}

const struct price_entry *price_rule_find(const struct price_entry *const *entries, size_t count,
                                          struct str id, struct str route)
{
    bool fine_tune = price_is_fine_tune(id);

    for (size_t i = 0; i < count; i++)
        if (str_eq(entries[i]->route, route) && rule_matches(&entries[i]->match, id, fine_tune))
            return entries[i];
    return NULL;
}

/* --- the names an id may also go by --- */

/* A matching under way. */
struct search {
    const struct price_book *book;
    struct price_match *ret;
    struct str route;
};

static void push(struct search *s, const struct price_entry *e, uint32_t flags)
{
    if (s->ret->count == PRICE_CANDIDATES_MAX)
        return;
    if (e->file->layer > 0)
        flags |= PRICE_OVERLAY;
    s->ret->candidates[s->ret->count].entry = e;
    s->ret->candidates[s->ret->count++].flags = flags;
}

static bool search_id(struct search *s, enum provider provider, struct str id, uint32_t flags)
{
    size_t before = s->ret->count;

    for (size_t layer = price_book_layer_count(s->book); layer > 0; layer--) {
        const struct price_entry *e = price_book_find(s->book, layer - 1, provider, id, s->route);
        if (e)
            push(s, e, flags);
    }
    return s->ret->count > before;
}

/* "models/gemini-2.5-pro" and "publishers/google/models/gemini-2.5-pro" -> "gemini-2.5-pro". */
static struct str without_resource_path(struct str id)
{
    ptrdiff_t at = str_find(id, STR("models/"), 0);
    bool starts = at == 0 || (at > 0 && id.ptr[at - 1] == '/');

    return starts ? str_sub(id, (size_t)at + strlen("models/"), id.len) : id;
}

/* "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-..." names the model; an
 * application profile or provisioned model does not: those need the user's map. */
static struct str without_arn(struct str id)
{
    static const struct str kinds[] = { STR_INIT(":foundation-model/"),
                                        STR_INIT(":inference-profile/") };

    if (!str_starts_with(id, STR("arn:")))
        return id;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        ptrdiff_t at = str_find(id, kinds[i], 0);
        if (at >= 0)
            return str_sub(id, (size_t)at + kinds[i].len, id.len);
    }
    return id;
}

/* "gpt-3.5-turbo-instruct:20230824-v2" -> "gpt-3.5-turbo-instruct"; fine-tuned ids keep theirs. */
static struct str without_version(struct str id)
{
    ptrdiff_t at = str_find_char(id, ':', 0);

    return at > 0 && !price_is_fine_tune(id) ? str_sub(id, 0, (size_t)at) : id;
}

/* "openai/gpt-4o" -> PROVIDER_OPENAI and "gpt-4o", where the part before the slash is a provider.
 */
static bool split_provider(struct str id, enum provider *ret_provider, struct str *ret_rest)
{
    ptrdiff_t at = str_find_char(id, '/', 0);

    if (at <= 0 || (size_t)at + 1 == id.len)
        return false;
    if (!provider_parse(str_sub(id, 0, (size_t)at), ret_provider) ||
        *ret_provider == PROVIDER_UNKNOWN)
        return false;
    *ret_rest = str_sub(id, (size_t)at + 1, id.len);
    return true;
}

/* How a provider writes the ids it also takes in a shorter form. */
struct spelling {
    enum provider provider;
    struct str (*shorten)(struct str id);
};

static const struct spelling spellings[] = {
    {PROVIDER_GEMINI,        without_resource_path},
    { PROVIDER_VERTEX,       without_resource_path},
    { PROVIDER_BEDROCK,      without_arn          },
    { PROVIDER_OPENAI,       without_version      },
    { PROVIDER_AZURE_OPENAI, without_version      },
};

static struct str shorten(enum provider provider, struct str id)
{
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
        if (spellings[i].provider == provider)
            return spellings[i].shorten(id);
    return id;
}

/* By the id as it stands, then in its shorter form. */
static bool search_spellings(struct search *s, enum provider provider, struct str id,
                             uint32_t flags)
{
    if (search_id(s, provider, id, flags))
        return true;
    struct str shorter = shorten(provider, id);
    return shorter.len < id.len && search_id(s, provider, shorter, flags);
}

/* A provider named in front of the id is dropped where it is the one asked, or one it resells. */
static bool search_provider(struct search *s, enum provider provider, enum provider asked,
                            struct str id, uint32_t flags)
{
    enum provider named;
    struct str rest;

    if (search_spellings(s, provider, id, flags))
        return true;
    return split_provider(shorten(asked, id), &named, &rest) &&
           (named == provider || named == asked) && search_spellings(s, provider, rest, flags);
}

static void search_known(struct search *s, enum provider provider, struct str id, uint32_t flags)
{
    const enum provider *fallback = NULL;
    size_t count = price_book_fallback(s->book, provider, &fallback);

    search_provider(s, provider, provider, id, flags);
    id = shorten(provider, id);
    for (size_t i = 0; i < count; i++)
        if (search_provider(s, fallback[i], provider, id, flags | PRICE_PROVIDER_FALLBACK))
            return;
}

/* Behind a host that does not say who it is. */
static void search_unknown(struct search *s, enum provider provider, struct str id, uint32_t flags)
{
    enum provider named;
    struct str rest;
    size_t found = 0;

    if (search_id(s, provider, id, flags))
        return;
    if (split_provider(id, &named, &rest)) {
        search_known(s, named, rest, flags | PRICE_PROVIDER_ASSUMED);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(first_parties); i++)
        found += search_spellings(s, first_parties[i], id, flags | PRICE_PROVIDER_ASSUMED);
    s->ret->must_agree = found > 1;
}

/* A router that was not told, or did not say, whom it asked: every route, if all cost the same. */
static void search_any_route(struct search *s, enum provider provider, struct str id,
                             uint32_t flags)
{
    for (size_t i = price_book_file_count(s->book); i > 0; i--) {
        const struct price_file *f = price_book_file(s->book, i - 1);
        for (size_t j = 0; j < f->entry_count; j++) {
            const struct price_entry *e = &f->entries[j];
            if (e->provider == provider && e->route.len > 0 &&
                (str_eq(e->id, id) || price_rule_matches(&e->match, id)))
                push(s, e, flags);
        }
    }
    s->ret->must_agree = s->ret->count > 1;
}

static void search_routed(struct search *s, enum provider provider, struct str id, uint32_t flags)
{
    ptrdiff_t colon = str_find_char(id, ':', 0);

    if (search_id(s, provider, id, flags))
        return;
    if (s->route.len == 0 && colon > 0) {
        s->route = str_sub(id, (size_t)colon + 1, id.len);
        id = str_sub(id, 0, (size_t)colon);
    }
    if (s->route.len > 0)
        search_id(s, provider, id, flags);
    else
        search_any_route(s, provider, id, flags);
}

/* --- the user's map --- */

static const struct price_map *find_map(const struct price_book *book, enum provider provider,
                                        struct str id)
{
    for (size_t i = price_book_file_count(book); i > 0; i--) {
        const struct price_file *f = price_book_file(book, i - 1);
        for (size_t j = f->map_count; j > 0; j--) {
            const struct price_map *m = &f->maps[j - 1];
            if ((m->provider == PROVIDER_UNKNOWN || m->provider == provider) &&
                str_glob(m->from, id))
                return m;
        }
    }
    return NULL;
}

/* Lower case and without blanks around; ids are compared no other way. */
static struct str fold(struct str s, char to[static PRICE_MODEL_BYTES_MAX])
{
    s = str_trim(s);
    if (s.len > PRICE_MODEL_BYTES_MAX)
        return (struct str){ 0 };
    for (size_t i = 0; i < s.len; i++)
        to[i] = (char)(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + ('a' - 'A') : s.ptr[i]);
    return (struct str){ to, s.len };
}

void price_match(const struct price_book *book, const struct price_query *query,
                 struct price_match *ret)
{
    char id_bytes[PRICE_MODEL_BYTES_MAX], route_bytes[PRICE_MODEL_BYTES_MAX];
    struct search s = { book, ret, fold(query->route, route_bytes) };
    struct str id = fold(query->model, id_bytes);
    enum provider provider = query->provider;
    uint32_t flags = 0;

    ret->count = 0;
    ret->must_agree = false;
    ret->times = (struct price_ratio){ 1, 1 };
    if (id.len == 0)
        return;
    const struct price_map *map = find_map(book, provider, id);
    if (map) {
        id = map->to;
        flags = PRICE_MAPPED;
        ret->times = map->times;
        if (map->to_provider != PROVIDER_UNKNOWN)
            provider = map->to_provider;
    }
    if (provider == PROVIDER_UNKNOWN || provider == PROVIDER_COMPATIBLE)
        search_unknown(&s, provider, id, flags);
    else if (provider == PROVIDER_HUGGINGFACE)
        search_routed(&s, provider, id, flags);
    else
        search_known(&s, provider, id, flags);
}
