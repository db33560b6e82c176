#include "config.h"

#include "capture/attribution.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/jscan.h"
#include "base/vec.h"
#include "capture/body_labels.h"
#include "llm/provider.h"

#define LABEL_HEADER_PREFIX "header."
#define ADDRESS_BITS        128 /* v4 addresses are matched as ::ffff:a.b.c.d */
#define V4_OFFSET_BITS      96

struct network {
    uint8_t address[16];
    unsigned bits;
};

struct pattern_of {
    struct str text;                   /* folded to lower case where the condition ignores case */
    struct network net;                /* NETWORK */
    enum provider provider;            /* PROVIDER */
    char user[FINGERPRINT_TEXT_BYTES]; /* END_USER: "" until the key is known */
};

struct condition {
    enum attribution_condition_kind kind;
    struct str label;
    struct pattern_of *patterns;
    size_t pattern_count;
};

struct rule {
    struct condition *conditions;
    size_t condition_count;
    struct exchange_who set;
};

struct attribution {
    struct arena arena;
    VEC(struct rule) rules;
    VEC(struct exchange_who) apps;
    VEC(struct str) headers;
    bool needs_call, needs_body;
    bool has_key;
};

/* The fields of who, for what is done to each alike. */
static const size_t who_fields[] = {
    offsetof(struct exchange_who, app),           offsetof(struct exchange_who, team),
    offsetof(struct exchange_who, business_unit), offsetof(struct exchange_who, environment),
    offsetof(struct exchange_who, end_user),      offsetof(struct exchange_who, purpose),
};
static_assert(sizeof(struct exchange_who) == ARRAY_LEN(who_fields) * sizeof(struct str),
              "every field of exchange_who is listed");

static struct str *field_of(struct exchange_who *who, size_t index)
{
    return (struct str *)(void *)((char *)who + who_fields[index]);
}

static const struct str *field_in(const struct exchange_who *who, size_t index)
{
    return (const struct str *)(const void *)((const char *)who + who_fields[index]);
}

struct attribution *attribution_new(void)
{
    return mem_calloc(1, sizeof(struct attribution));
}

void attribution_free(struct attribution *a)
{
    if (!a)
        return;
    arena_release(&a->arena);
    vec_release(&a->rules);
    vec_release(&a->apps);
    vec_release(&a->headers);
    free(a);
}

static struct str fold(struct arena *arena, struct str s)
{
    struct str copy = arena_str(arena, s);
    char *at = arena_alloc(arena, s.len + 1);
    for (size_t i = 0; i < copy.len; i++) {
        char c = copy.ptr[i];
        at[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return (struct str){ at, copy.len };
}

static bool is_fingerprint(struct str s)
{
    if (s.len != FINGERPRINT_TEXT_BYTES - 1)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789abcdef", s.ptr[i]) || !s.ptr[i])
            return false;
    return true;
}

/* An address as 16 bytes; "1.2.3.4:80" and "[::1]:80" too. */
static bool parse_address(struct str text, uint8_t ret[static 16])
{
    char copy[INET6_ADDRSTRLEN + 8];
    struct in_addr v4;

    if (text.len && text.ptr[0] == '[') {
        ptrdiff_t end = str_find_char(text, ']', 0);
        text = end > 0 ? str_sub(text, 1, (size_t)end - 1) : text;
    } else {
        ptrdiff_t colon = str_find_char(text, ':', 0);
        if (colon >= 0 && str_find_char(text, '.', 0) >= 0 &&
            str_find_char(text, ':', (size_t)colon + 1) < 0)
            text = str_sub(text, 0, (size_t)colon);
    }
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';

    if (inet_pton(AF_INET, copy, &v4) == 1) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
        memcpy(ret, mapped, sizeof(mapped));
        memcpy(ret + sizeof(mapped), &v4, sizeof(v4));
        return true;
    }
    return inet_pton(AF_INET6, copy, ret) == 1;
}

/* "10.0.0.0/8", "2001:db8::/32", or one address. */
static bool parse_network(struct str text, struct network *ret)
{
    ptrdiff_t slash = str_find_char(text, '/', 0);
    struct str address = slash >= 0 ? str_sub(text, 0, (size_t)slash) : text;
    int64_t bits = 0;

    if (!parse_address(address, ret->address))
        return false;
    bool v4 = str_find_char(address, ':', 0) < 0;
    ret->bits = ADDRESS_BITS;
    if (slash < 0)
        return true;
    if (!str_to_i64(str_sub(text, (size_t)slash + 1, text.len), &bits) || bits < 0 ||
        bits > (v4 ? 32 : ADDRESS_BITS))
        return false;
    ret->bits = (unsigned)bits + (v4 ? V4_OFFSET_BITS : 0);
    return true;
}

static bool in_network(const struct network *net, const uint8_t address[static 16])
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    if (memcmp(net->address, address, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xffu << (8 - rest));
    return (net->address[whole] & mask) == (address[whole] & mask);
}

static struct str bare_key_id(struct str s)
{
    return str_starts_with(s, STR("weir:")) ? str_sub(s, 5, s.len) : s;
}

int attribution_check_pattern(enum attribution_condition_kind kind, struct str pattern,
                              struct err *err)
{
    struct network net;
    enum provider provider;

    if (pattern.len == 0)
        return err_set(err, ERR_USAGE, "an empty pattern matches nothing: leave the condition out");
    if (kind == ATTRIBUTION_NETWORK && !parse_network(pattern, &net))
        return err_set(err, ERR_USAGE,
                       "'%.*s' is no network: write 10.0.0.0/8, 2001:db8::/32 or one address",
                       STR_ARG(pattern));
    if (kind == ATTRIBUTION_PROVIDER && !provider_parse(pattern, &provider))
        return err_set(err, ERR_USAGE, "'%.*s' is no provider weir knows", STR_ARG(pattern));
    if (kind == ATTRIBUTION_PATH_PREFIX && pattern.ptr[0] != '/')
        return err_set(err, ERR_USAGE, "a path begins with '/', unlike '%.*s'", STR_ARG(pattern));
    if (kind == ATTRIBUTION_KEY_ID && !is_fingerprint(bare_key_id(pattern)))
        return err_set(err, ERR_USAGE,
                       "'%.*s' is no key_id: 16 hexadecimal digits in lower case, as 'weir capture "
                       "show' prints them",
                       STR_ARG(pattern));
    return 0;
}

static struct pattern_of pattern_make(struct arena *arena, enum attribution_condition_kind kind,
                                      struct str text)
{
    struct pattern_of p = { .text = arena_str(arena, text) };

    if (kind == ATTRIBUTION_HOST || kind == ATTRIBUTION_USER_AGENT)
        p.text = fold(arena, text);
    if (kind == ATTRIBUTION_KEY_ID)
        p.text = bare_key_id(p.text);
    bool ok = true;
    if (kind == ATTRIBUTION_NETWORK)
        ok = parse_network(text, &p.net);
    if (kind == ATTRIBUTION_PROVIDER)
        ok = provider_parse(text, &p.provider);
    assert(ok); /* attribution_check_pattern came first */
    if (kind == ATTRIBUTION_END_USER && is_fingerprint(text))
        memcpy(p.user, p.text.ptr, sizeof(p.user));
    return p;
}

/* Remembers "header.NAME" labels. */
static void note_header(struct attribution *a, struct str label)
{
    struct str prefix = STR(LABEL_HEADER_PREFIX);
    if (!str_istarts_with(label, prefix))
        return;
    struct str name = fold(&a->arena, str_sub(label, prefix.len, label.len));
    for (size_t i = 0; i < a->headers.len; i++)
        if (str_eq(a->headers.ptr[i], name))
            return;
    vec_push(&a->headers, name);
}

static struct exchange_who who_copy(struct arena *arena, const struct exchange_who *who)
{
    struct exchange_who ret = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(who_fields); i++)
        if (field_in(who, i)->len)
            *field_of(&ret, i) = arena_str(arena, *field_in(who, i));
    return ret;
}

void attribution_add_rule(struct attribution *a, const struct attribution_rule *rule)
{
    struct rule to = { .condition_count = rule->condition_count,
                       .set = who_copy(&a->arena, &rule->set) };

    to.conditions = arena_alloc(&a->arena, (rule->condition_count + 1) * sizeof(*to.conditions));
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct attribution_condition *from = &rule->conditions[i];
        struct condition *c = &to.conditions[i];

        c->kind = from->kind;
        c->label = fold(&a->arena, from->label);
        c->pattern_count = from->pattern_count;
        c->patterns = arena_alloc(&a->arena, (from->pattern_count + 1) * sizeof(*c->patterns));
        for (size_t j = 0; j < from->pattern_count; j++)
            c->patterns[j] = pattern_make(&a->arena, from->kind, from->patterns[j]);
        if (c->kind == ATTRIBUTION_PROVIDER || c->kind == ATTRIBUTION_MODEL ||
            c->kind == ATTRIBUTION_END_USER)
            a->needs_call = true;
        if (c->kind == ATTRIBUTION_LABEL)
            note_header(a, c->label);
        if (c->kind == ATTRIBUTION_LABEL && str_starts_with(c->label, STR(BODY_LABEL_PREFIX)))
            a->needs_body = true;
    }
    vec_push(&a->rules, to);
}

void attribution_add_app(struct attribution *a, const struct exchange_who *is)
{
    assert(is->app.len);
    vec_push(&a->apps, who_copy(&a->arena, is));
}

void attribution_set_key(struct attribution *a, const struct key *k)
{
    for (size_t r = 0; r < a->rules.len; r++) {
        struct rule *rule = &a->rules.ptr[r];
        for (size_t i = 0; i < rule->condition_count; i++) {
            struct condition *c = &rule->conditions[i];
            for (size_t j = 0; c->kind == ATTRIBUTION_END_USER && j < c->pattern_count; j++)
                if (!is_fingerprint(c->patterns[j].text))
                    key_fingerprint(k, "user", c->patterns[j].text, c->patterns[j].user);
        }
        if (rule->set.end_user.len && !is_fingerprint(rule->set.end_user)) {
            char hex[FINGERPRINT_TEXT_BYTES];
            key_fingerprint(k, "user", rule->set.end_user, hex);
            rule->set.end_user = arena_str(&a->arena, str_from(hex));
        }
    }
    a->has_key = true;
}

static bool names_user(const struct condition *c)
{
    for (size_t i = 0; c->kind == ATTRIBUTION_END_USER && i < c->pattern_count; i++)
        if (!is_fingerprint(c->patterns[i].text))
            return true;
    return false;
}

bool attribution_needs_key(const struct attribution *a)
{
    for (size_t r = 0; r < a->rules.len; r++) {
        const struct rule *rule = &a->rules.ptr[r];
        if (rule->set.end_user.len && !is_fingerprint(rule->set.end_user))
            return true;
        for (size_t i = 0; i < rule->condition_count; i++)
            if (names_user(&rule->conditions[i]))
                return true;
    }
    return false;
}

size_t attribution_header_count(const struct attribution *a)
{
    return a->headers.len;
}

struct str attribution_header(const struct attribution *a, size_t index)
{
    assert(index < a->headers.len);
    return a->headers.ptr[index];
}

uint32_t attribution_conditions(const struct attribution *a)
{
    uint32_t kinds = 0;

    for (size_t r = 0; r < a->rules.len; r++)
        for (size_t i = 0; i < a->rules.ptr[r].condition_count; i++)
            kinds |= 1u << a->rules.ptr[r].conditions[i].kind;
    return kinds;
}

bool attribution_needs_call(const struct attribution *a)
{
    return a->needs_call;
}

bool attribution_needs_body(const struct attribution *a)
{
    return a->needs_call || a->needs_body;
}

/* "/support" covers "/support" and "/support/v1", not "/support2". */
static bool path_has_prefix(struct str path, struct str prefix)
{
    if (!str_starts_with(path, prefix))
        return false;
    return path.len == prefix.len || prefix.ptr[prefix.len - 1] == '/' ||
           path.ptr[prefix.len] == '/';
}

static bool host_matches(struct str pattern, struct str host, struct arena *scratch)
{
    struct str folded = fold(scratch, host);
    if (str_glob(pattern, folded))
        return true;
    size_t end = folded.len;
    while (end > 0 && folded.ptr[end - 1] >= '0' && folded.ptr[end - 1] <= '9')
        end--;
    return end > 0 && end < folded.len && folded.ptr[end - 1] == ':' &&
           str_glob(pattern, str_sub(folded, 0, end - 1));
}

/* A string member of the labels object, found without case; empty if it has none. */
static struct str label_find(struct str labels, struct str name, struct arena *scratch)
{
    struct jscan s;
    struct str key, raw;
    bool escaped;

    jscan_init(&s, labels);
    if (!jscan_enter_object(&s))
        return (struct str){ 0 };
    while (jscan_next_member(&s, &key)) {
        if (!str_ieq(key, name) || !jscan_string_raw(&s, &raw, &escaped))
            continue;
        if (!escaped)
            return raw;
        struct buf plain = { 0 };
        jscan_unescape(raw, &plain);
        struct str ret = arena_str(scratch, buf_str(&plain));
        buf_release(&plain);
        return ret;
    }
    return (struct str){ 0 };
}

static bool pattern_matches_input(const struct condition *c, const struct pattern_of *p,
                                  const struct attribution_input *in, struct arena *scratch)
{
    uint8_t address[16];
    enum provider provider;

    switch (c->kind) {
    case ATTRIBUTION_PATH_PREFIX:
        return path_has_prefix(in->path, p->text);
    case ATTRIBUTION_HOST:
        return in->host.len && host_matches(p->text, in->host, scratch);
    case ATTRIBUTION_KEY_ID:
        return str_ieq(p->text, in->key_id);
    case ATTRIBUTION_APP_HEADER: {
        struct str app = label_find(in->labels, STR("x-weir-app"), scratch);
        return app.len && str_glob(p->text, app);
    }
    case ATTRIBUTION_USER_AGENT:
        return in->user_agent.len && str_glob(p->text, fold(scratch, in->user_agent));
    case ATTRIBUTION_NETWORK:
        return parse_address(in->client_address, address) && in_network(&p->net, address);
    case ATTRIBUTION_UPSTREAM:
        return str_eq(p->text, in->upstream);
    case ATTRIBUTION_PROVIDER:
        return in->provider.len && provider_parse(in->provider, &provider) &&
               provider == p->provider;
    case ATTRIBUTION_MODEL:
        return in->model.len && str_glob(p->text, in->model);
    case ATTRIBUTION_END_USER:
        return p->user[0] && str_eq(str_from(p->user), in->end_user);
    case ATTRIBUTION_LABEL: {
        struct str value = label_find(in->labels, c->label, scratch);
        return value.ptr && str_glob(p->text, value);
    }
    case ATTRIBUTION_CONDITION_COUNT:
        break;
    }
    return false;
}

static bool rule_matches(const struct rule *rule, const struct attribution_input *in,
                         struct arena *scratch)
{
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct condition *c = &rule->conditions[i];
        bool any = false;
        for (size_t j = 0; j < c->pattern_count && !any; j++)
            any = pattern_matches_input(c, &c->patterns[j], in, scratch);
        if (!any)
            return false;
    }
    return true;
}

/* True if a rule that matches would still change something: spares matching the rest. */
static bool sets_something_new(const struct rule *rule, const struct exchange_who *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(who_fields); i++)
        if (field_in(&rule->set, i)->len && field_in(ret, i)->len == 0)
            return true;
    return false;
}

static void fill(struct exchange_who *ret, const struct exchange_who *from)
{
    for (size_t i = 0; i < ARRAY_LEN(who_fields); i++)
        if (field_of(ret, i)->len == 0)
            *field_of(ret, i) = *field_in(from, i);
}

void attribution_apply(const struct attribution *a, const struct attribution_input *in,
                       struct exchange_who *ret)
{
    struct arena scratch = { 0 };
    struct exchange_who who = { 0 };

    if (in->app_is_certain)
        who.app = in->given.app;
    for (size_t r = 0; r < a->rules.len; r++) {
        const struct rule *rule = &a->rules.ptr[r];
        if (!sets_something_new(rule, &who) || !rule_matches(rule, in, &scratch))
            continue;
        struct exchange_who set = rule->set;
        if (!a->has_key && set.end_user.len && !is_fingerprint(set.end_user))
            set.end_user = (struct str){ 0 }; /* never hand out a user id in clear */
        fill(&who, &set);
    }
    if (who.app.len == 0)
        who.app = in->given.app;
    for (size_t i = 0; who.app.len && i < a->apps.len; i++)
        if (str_eq(a->apps.ptr[i].app, who.app))
            fill(&who, &a->apps.ptr[i]);
    fill(&who, &in->given);
    arena_release(&scratch);
    *ret = who;
}
