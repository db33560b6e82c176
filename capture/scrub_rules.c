#include "config.h"

#include "capture/scrub_rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

/* Steps a pattern of the user's may take over a text of n bytes: enough for every pattern that
 * reads on, not for one that goes back again and again. */
#define STEPS_BASE      2000u
#define STEPS_PER_BYTE  100u
#define STEPS_MAX       100000000u
#define LOCAL_PART_MAX  64u /* of an e-mail address: RFC 5321 4.5.3.1.1 */
#define DIGITS_MIN      9u  /* in the shortest number a rule is after: a social security number */
#define CARD_DIGITS_MIN 13u
#define CARD_DIGITS_MAX 19u
#define IBAN_BYTES_MAX  34u

enum trigger {
    ON_AT,     /* an '@' with something before it */
    ON_NUMBER, /* the first digit of a number, with the '+', '(' or letters before it */
    ON_TEXT,   /* a literal */
};

/* How much of a match is what the rule is after: 0 = nothing of it. */
typedef size_t (*check_fn)(struct str match);

struct scrub_shipped {
    const char *name; /* of the rule */
    enum trigger trigger;
    struct str literal; /* ON_TEXT: two bytes at least */
    const char *pattern;
    check_fn check; /* may be NULL */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* --- cards --- */

/* ISO/IEC 7812 number ranges by their first four digits, as the networks publish them (2026). */
static const struct {
    unsigned first, last;
    unsigned lengths; /* one bit each */
} card_ranges[] = {
#define LEN(n) (1u << (n))
    {2200,  2204, LEN(16) | LEN(17) | LEN(18) | LEN(19)}, /* Mir */
    { 2221, 2720, LEN(16)                              }, /* Mastercard */
    { 3000, 3059, LEN(14) | LEN(16)                    }, /* Diners Club */
    { 3095, 3095, LEN(14) | LEN(16)                    },
    { 3400, 3499, LEN(15)                              }, /* American Express */
    { 3528, 3589, LEN(16) | LEN(17) | LEN(18) | LEN(19)}, /* JCB */
    { 3600, 3699, LEN(14) | LEN(16)                    },
    { 3700, 3799, LEN(15)                              },
    { 3800, 3999, LEN(14) | LEN(16)                    },
    { 4000, 4999, LEN(13) | LEN(16) | LEN(19)          }, /* Visa */
    { 5018, 5018, LEN(16) | LEN(18) | LEN(19)          }, /* Maestro */
    { 5020, 5020, LEN(16) | LEN(18) | LEN(19)          },
    { 5038, 5038, LEN(16) | LEN(18) | LEN(19)          },
    { 5100, 5599, LEN(16)                              }, /* Mastercard */
    { 5893, 5893, LEN(16) | LEN(18) | LEN(19)          },
    { 6011, 6011, LEN(16) | LEN(19)                    }, /* Discover */
    { 6200, 6299, LEN(16) | LEN(17) | LEN(18) | LEN(19)}, /* UnionPay */
    { 6304, 6304, LEN(16) | LEN(18) | LEN(19)          },
    { 6440, 6599, LEN(16) | LEN(19)                    }, /* Discover, RuPay */
    { 6759, 6763, LEN(16) | LEN(18) | LEN(19)          },
    { 8100, 8199, LEN(16)                              }, /* RuPay, UnionPay */
#undef LEN
};

static bool is_card(const char *digits, unsigned count)
{
    unsigned first = 0, sum = 0;

    for (unsigned i = 0; i < 4; i++)
        first = first * 10 + (unsigned)(digits[i] - '0');
    for (unsigned i = 0; i < count; i++) { /* Luhn, from the right */
        unsigned d = (unsigned)(digits[count - 1 - i] - '0') << (i & 1);
        sum += d > 9 ? d - 9 : d;
    }
    if (sum % 10)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(card_ranges); i++)
        if (first >= card_ranges[i].first && first <= card_ranges[i].last)
            return card_ranges[i].lengths >> count & 1;
    return false;
}

/* The longest run of whole groups, with one kind of separator, that is a card number: what follows
 * may be its date or check digits. */
static size_t check_card(struct str match)
{
    char digits[CARD_DIGITS_MAX], separator = 0;
    unsigned count = 0;
    size_t best = 0;

    for (size_t i = 0; i <= match.len && count <= CARD_DIGITS_MAX; i++) {
        char c = i < match.len ? match.ptr[i] : '\0';
        if (is_digit(c)) {
            if (count == CARD_DIGITS_MAX)
                break;
            digits[count++] = c;
            continue;
        }
        if (count >= CARD_DIGITS_MIN && is_card(digits, count))
            best = i;
        if (separator && c != separator)
            break;
        separator = c;
    }
    return best;
}

/* --- bank accounts --- */

/* Lengths by country: SWIFT's IBAN registry, release 99 (2024). */
static const char iban_lengths[] =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24"
    "FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32"
    "LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24"
    "RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

static unsigned iban_length(const char *country)
{
    for (const char *at = iban_lengths; *at; at += 4)
        if (at[0] == (country[0] & ~32) && at[1] == (country[1] & ~32))
            return (unsigned)(at[2] - '0') * 10 + (unsigned)(at[3] - '0');
    return 0;
}

/* ISO 7064 MOD 97-10 over the account moved before the country. */
static bool has_iban_check(const char *text, unsigned len)
{
    unsigned rest = 0;

    for (unsigned i = 0; i < len; i++) {
        char c = text[(i + 4) % len];
        if (is_digit(c))
            rest = (rest * 10 + (unsigned)(c - '0')) % 97;
        else
            rest = (rest * 100 + (unsigned)((c & ~32) - 'A') + 10) % 97;
    }
    return rest == 1;
}

static size_t check_iban(struct str match)
{
    char text[IBAN_BYTES_MAX];
    unsigned count = 0, want = iban_length(match.ptr);
    size_t i = 0;

    for (; i < match.len && count < want; i++)
        if (is_alnum(match.ptr[i]))
            text[count++] = match.ptr[i];
    if (!want || count < want || (i < match.len && is_alnum(match.ptr[i])))
        return 0;
    return has_iban_check(text, count) ? i : 0;
}

/* --- telephones --- */

/* ITU-T E.164: 15 digits at most; and a separator kind used throughout says that it is a number to
 * be dialled, not a date or a version. */
static size_t check_phone(struct str match)
{
    unsigned count = 0;

    for (size_t i = 0; i < match.len; i++)
        count += is_digit(match.ptr[i]);
    return count >= DIGITS_MIN && count <= 15 ? match.len : 0;
}

/* --- the table --- */

#define NOT_IN_WORD  "(?<![A-Za-z0-9_-])"
#define NOT_IN_TOKEN "(?<![A-Za-z0-9_+/=.-])"
#define TOKEN_ENDS   "(?![A-Za-z0-9_-])"
#define SEPARATOR    "[ .\\/-]"

/* clang-format off */
static const struct scrub_shipped rows[] = {
    { "email", ON_AT, STR_INIT(""),
      "(?:[A-Za-z0-9.!#$%&'*+\\/=?^_`{|}~-]|[\\xc3-\\xc9][\\x80-\\xbf])+@"
      "(?:[A-Za-z0-9\\x80-\\xff](?:[A-Za-z0-9\\x80-\\xff-]{0,61}[A-Za-z0-9\\x80-\\xff])?\\.){1,20}"
      "(?:xn--[A-Za-z0-9-]{1,59}|[A-Za-z]{2,24})", NULL },
    { "iban", ON_NUMBER, STR_INIT(""),
      NOT_IN_WORD "[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,40}", check_iban },
    { "card", ON_NUMBER, STR_INIT(""),
      "(?<![A-Za-z0-9_.])[0-9](?:[ -]?[0-9]){12,22}(?![0-9]|\\.[0-9])", check_card },
    { "us_ssn", ON_NUMBER, STR_INIT(""),
      "(?<![A-Za-z0-9_.-])(?!000|666|9)[0-9]{3}([- ])(?!00)[0-9]{2}\\1(?!0000)[0-9]{4}(?![A-Za-z0-9_-])",
      NULL },
    /* With a country's code; in North America; with a trunk's 0. */
    { "phone", ON_NUMBER, STR_INIT(""),
      "(?<![A-Za-z0-9_.:\\/-])\\(?\\+[1-9][0-9]{0,3}\\)?(?:" SEPARATOR "?\\(?[0-9]++\\)?){1,6}(?![A-Za-z0-9_])",
      check_phone },
    { "phone", ON_NUMBER, STR_INIT(""),
      "(?<![A-Za-z0-9_.:\\/-])(?:1[ .-])?(?:\\([2-9][0-9]{2}\\) ?|[2-9][0-9]{2}([ .-]))[2-9][0-9]{2}[ .-][0-9]{4}"
      "(?![A-Za-z0-9_]|[.-][0-9])", check_phone },
    { "phone", ON_NUMBER, STR_INIT(""),
      "(?<![A-Za-z0-9_.:\\/-])(?:\\(0[1-9][0-9]{1,4}\\) ?|0[1-9][0-9]{1,4}[ \\/-])[0-9]{3,8}(?:[ -][0-9]{2,8}){0,2}"
      "(?![A-Za-z0-9_]|[.:,-][0-9])", check_phone },
    { "phone", ON_NUMBER, STR_INIT(""),
      "(?<![A-Za-z0-9_.:\\/-])0[1-9](?:([ .-])[0-9]{2})(?:\\1[0-9]{2}){3}(?![A-Za-z0-9_]|[.:,-][0-9])", check_phone },
    { "api_key", ON_TEXT, STR_INIT("sk-"),
      NOT_IN_WORD "sk-(?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9_-]{20,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("sk_"), NOT_IN_WORD "sk_(?:live|test)_[A-Za-z0-9]{16,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("rk_"), NOT_IN_WORD "rk_(?:live|test)_[A-Za-z0-9]{16,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("AIza"), NOT_IN_TOKEN "AIza[A-Za-z0-9_-]{35}" TOKEN_ENDS, NULL },
    { "api_key", ON_TEXT, STR_INIT("AKIA"), NOT_IN_TOKEN "AKIA[A-Z2-7]{16}" TOKEN_ENDS, NULL },
    { "api_key", ON_TEXT, STR_INIT("ASIA"), NOT_IN_TOKEN "ASIA[A-Z2-7]{16}" TOKEN_ENDS, NULL },
    { "api_key", ON_TEXT, STR_INIT("ABSK"), NOT_IN_TOKEN "ABSK[A-Za-z0-9+\\/]{60,}=*", NULL },
    { "api_key", ON_TEXT, STR_INIT("ghp_"), NOT_IN_TOKEN "ghp_[A-Za-z0-9]{36,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("gho_"), NOT_IN_TOKEN "gho_[A-Za-z0-9]{36,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("ghu_"), NOT_IN_TOKEN "ghu_[A-Za-z0-9]{36,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("ghs_"), NOT_IN_TOKEN "ghs_[A-Za-z0-9]{36,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("ghr_"), NOT_IN_TOKEN "ghr_[A-Za-z0-9]{36,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("github_pat_"), NOT_IN_TOKEN "github_pat_[A-Za-z0-9_]{22,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("glpat-"), NOT_IN_TOKEN "glpat-[A-Za-z0-9_.-]{20,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("xox"), NOT_IN_TOKEN "xox[abeoprs]-[A-Za-z0-9-]{10,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("hf_"), NOT_IN_TOKEN "hf_[A-Za-z0-9]{30,}" TOKEN_ENDS, NULL },
    { "api_key", ON_TEXT, STR_INIT("gsk_"), NOT_IN_TOKEN "gsk_[A-Za-z0-9]{40,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("xai-"), NOT_IN_TOKEN "xai-[A-Za-z0-9]{40,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("pplx-"), NOT_IN_TOKEN "pplx-[A-Za-z0-9]{40,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("npm_"), NOT_IN_TOKEN "npm_[A-Za-z0-9]{36,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("ya29."), NOT_IN_TOKEN "ya29\\.[A-Za-z0-9_-]{20,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("SG."), NOT_IN_TOKEN "SG\\.[A-Za-z0-9_-]{16,}\\.[A-Za-z0-9_-]{16,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("eyJ"),
      NOT_IN_TOKEN "eyJ[A-Za-z0-9_-]{8,}\\.eyJ[A-Za-z0-9_-]{4,}\\.[A-Za-z0-9_-]{8,}", NULL },
    { "api_key", ON_TEXT, STR_INIT("Bearer "),
      NOT_IN_WORD "Bearer +(?=[A-Za-z0-9._~+\\/-]*[0-9])[A-Za-z0-9._~+\\/-]{16,}=*", NULL },
    { "api_key", ON_TEXT, STR_INIT("bearer "),
      NOT_IN_WORD "bearer +(?=[A-Za-z0-9._~+\\/-]*[0-9])[A-Za-z0-9._~+\\/-]{16,}=*", NULL },
    { "private_key", ON_TEXT, STR_INIT("-----BEGIN "),
      "-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:[^-]++|-(?!----END ))*+"
      "(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?", NULL },
};
/* clang-format on */

static const char *const names[] = {
    "email", "phone", "iban", "card", "us_ssn", "api_key", "private_key", NULL,
};

const char *const *scrub_shipped_names(void)
{
    return names;
}

/* --- making --- */

void scrub_rules_release(struct scrub_rules *r)
{
    for (size_t i = 0; i < r->all.len; i++) {
        free(r->all.ptr[i].name);
        free(r->all.ptr[i].mark);
        pattern_free(r->all.ptr[i].user);
    }
    for (size_t i = 0; i < r->probes.len; i++)
        pattern_free(r->probes.ptr[i].pattern);
    vec_release(&r->all);
    vec_release(&r->probes);
}

static void set_trigger(struct scrub_rules *r, unsigned char first, unsigned char second)
{
    unsigned pair = (unsigned)first << 8 | second;

    r->triggers[pair >> 3] |= (uint8_t)(1u << (pair & 7));
}

static void set_triggers(struct scrub_rules *r, const struct scrub_shipped *row)
{
    if (row->trigger == ON_TEXT)
        set_trigger(r, (unsigned char)row->literal.ptr[0], (unsigned char)row->literal.ptr[1]);
    for (unsigned first = 0; first < 256 && row->trigger == ON_AT; first++)
        set_trigger(r, (unsigned char)first, '@');
    for (unsigned first = 0; first < 256 && row->trigger == ON_NUMBER; first++)
        for (unsigned char d = '0'; d <= '9' && !is_digit((char)first); d++)
            set_trigger(r, (unsigned char)first, d);
    r->has_email |= row->trigger == ON_AT;
    r->has_number |= row->trigger == ON_NUMBER;
}

static int check_new_name(const struct scrub_rules *r, struct str name, struct err *err)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_alnum(name.ptr[i]) && name.ptr[i] != '_' && name.ptr[i] != '-')
            return err_set(err, ERR_USAGE,
                           "a rule's name consists of letters, digits, '_' and '-', unlike '%.*s'",
                           STR_ARG(str_sub(name, 0, 60)));
    if (name.len == 0 || name.len > SCRUB_NAME_BYTES_MAX)
        return err_set(err, ERR_USAGE, "a rule's name has 1 to %d bytes", SCRUB_NAME_BYTES_MAX);
    for (size_t i = 0; i < r->all.len; i++)
        if (str_eq(name, str_from(r->all.ptr[i].name)))
            return err_set(err, ERR_USAGE, "a rule '%.*s' is there already: give it another name",
                           STR_ARG(name));
    if (r->all.len == SCRUB_RULES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d rules", SCRUB_RULES_MAX);
    return 0;
}

static void add_rule(struct scrub_rules *r, struct str name, struct str mark, unsigned places)
{
    struct scrub_rule rule = { .name = mem_strndup(name.ptr, name.len), .places = places };

    if (mark.len) {
        rule.mark = mem_strndup(mark.ptr, mark.len);
    } else {
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_addf(&text, "[%.*s]", STR_ARG(name));
        rule.mark = mem_strdup(buf_cstr(&text));
    }
    vec_push(&r->all, rule);
}

static uint32_t pair_at(const char *at)
{
    return (uint32_t)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

static int add_probe(struct scrub_rules *r, const struct scrub_shipped *row, struct err *err)
{
    CLEANUP(buf_release) struct buf anchored = { 0 };
    struct scrub_probe probe = { .row = row,
                                 .rule = r->all.len - 1,
                                 .begins = row->trigger == ON_TEXT ? pair_at(row->literal.ptr)
                                                                   : SCRUB_NO_LITERAL };

    buf_addf(&anchored, "\\G(?:%s)", row->pattern);
    if (pattern_compile(buf_str(&anchored), &probe.pattern, err) < 0)
        return -1;
    vec_push(&r->probes, probe);
    set_triggers(r, row);
    return 0;
}

int scrub_rules_add_shipped(struct scrub_rules *r, struct str name, unsigned places,
                            struct err *err)
{
    bool known = false;

    for (size_t i = 0; names[i]; i++)
        known |= str_eq(name, str_from(names[i]));
    if (!known) {
        const char *near = nearest_of(name, names);
        return err_set(err, ERR_USAGE, "no shipped rule is called '%.*s'%s%s%s",
                       STR_ARG(str_sub(name, 0, 60)), near ? " (did you mean '" : "",
                       near ? near : "", near ? "'?)" : "");
    }
    if (check_new_name(r, name, err) < 0)
        return -1;
    add_rule(r, name, STR(""), places);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(name, str_from(rows[i].name)) && add_probe(r, &rows[i], err) < 0)
            return -1;
    return 0;
}

/* What may stand in a JSON string, a URL and a header as it is. */
static bool is_plain_mark(struct str mark)
{
    for (size_t i = 0; i < mark.len; i++)
        if (mark.ptr[i] < 0x20 || mark.ptr[i] > 0x7e || strchr("\"\\%&?#=+", mark.ptr[i]))
            return false;
    return mark.len <= SCRUB_MARK_BYTES_MAX;
}

int scrub_rules_add_pattern(struct scrub_rules *r, const struct scrub_pattern *p, struct err *err)
{
    CLEANUP(pattern_free) struct pattern *compiled = NULL;

    if (check_new_name(r, p->name, err) < 0)
        return -1;
    if (!is_plain_mark(p->replace))
        return err_set(err, ERR_USAGE,
                       "a replacement has up to %d printable ASCII characters, none of them "
                       "\" \\ %% & ? # = +",
                       SCRUB_MARK_BYTES_MAX);
    if (pattern_compile(p->regex, &compiled, err) < 0)
        return -1;
    if (pattern_matches(compiled, STR(""), NULL))
        return err_set(err, ERR_USAGE,
                       "the pattern matches nothing at all, as an empty text shows: "
                       "make it ask for at least one character");
    add_rule(r, p->name, p->replace, p->places);
    r->all.ptr[r->all.len - 1].user = TAKE(compiled);
    r->has_user = true;
    return 0;
}

/* --- matching --- */

struct matching {
    struct scrub_rules *rules;
    unsigned place;
    struct str text;
    struct scrub_hits *hits;
    struct err *err;
};

static int limit_hit(const struct matching *m, size_t rule)
{
    return err_set(m->err, ERR_LIMIT, "the redaction rule '%s' hit its match limit",
                   m->rules->all.ptr[rule].name);
}

/* 1 = matches, *end set; 0 = does not. */
static int try_probe(const struct matching *m, const struct scrub_probe *probe, size_t start,
                     size_t *ret_end)
{
    struct pattern_place place;

    if (!(m->rules->all.ptr[probe->rule].places & m->place))
        return 0;
    if (!pattern_find(probe->pattern, m->text, start, &place))
        return place.limited ? limit_hit(m, probe->rule) : 0;
    size_t len = place.end - start;
    if (probe->row->check)
        len = probe->row->check(str_sub(m->text, start, len));
    if (!len)
        return 0;
    vec_push(m->hits, ((struct scrub_hit){ (uint32_t)start, (uint32_t)(start + len),
                                           (uint32_t)probe->rule }));
    *ret_end = start + len;
    return 1;
}

/* The probes with that trigger, at start. */
static int try_at(const struct matching *m, enum trigger trigger, size_t start, size_t *ret_end)
{
    uint32_t begins = trigger == ON_TEXT ? pair_at(m->text.ptr + start) : SCRUB_NO_LITERAL;

    for (size_t i = 0; i < m->rules->probes.len; i++) {
        const struct scrub_probe *probe = &m->rules->probes.ptr[i];
        if (probe->begins != begins || probe->row->trigger != trigger)
            continue;
        if (trigger == ON_TEXT &&
            !str_eq(str_sub(m->text, start, probe->row->literal.len), probe->row->literal))
            continue;
        int r = try_probe(m, probe, start, ret_end);
        if (r)
            return r;
    }
    return 0;
}

static bool is_local(char c)
{
    return is_alnum(c) || (c && strchr(".!#$%&'*+/=?^_`{|}~-", c));
}

/* Back from the '@' to where the local part begins. */
static size_t local_part(struct str text, size_t at)
{
    size_t start = at, least = at > LOCAL_PART_MAX ? at - LOCAL_PART_MAX : 0;

    while (start > least) {
        unsigned char c = (unsigned char)text.ptr[start - 1];
        if (is_local((char)c))
            start--;
        else if (start >= least + 2 && (c & 0xc0) == 0x80 &&
                 (unsigned char)text.ptr[start - 2] >= 0xc3 &&
                 (unsigned char)text.ptr[start - 2] <= 0xc9)
            start -= 2;
        else
            break;
    }
    /* Of user=john@example.com and /john@example.com, and of quotes: only the address. */
    for (size_t i = start; i < at; i++)
        if (strchr("=/&?'`{|}*", text.ptr[i]))
            start = i + 1;
    return start;
}

/* How many digits a number has, across single separators. */
static unsigned count_digits(struct str text, size_t at)
{
    unsigned count = 0, gap = 0;

    for (; at < text.len && gap < 3 && count < DIGITS_MIN; at++) {
        char c = text.ptr[at];
        if (is_digit(c)) {
            count++;
            gap = 0;
        } else if (c == ' ' || c == '(' || c == ')' || (c >= '-' && c <= '/')) {
            gap++;
        } else {
            break;
        }
    }
    return count;
}

static int try_number(const struct matching *m, size_t at, size_t *ret_end)
{
    struct str t = m->text;
    size_t start = at;

    if (at >= 2 && at + 1 < t.len && is_digit(t.ptr[at + 1]) && is_alnum(t.ptr[at - 1]) &&
        is_alnum(t.ptr[at - 2]) && !is_digit(t.ptr[at - 1])) {
        if (at >= 3 && is_alnum(t.ptr[at - 3]))
            return 0;
        return try_at(m, ON_NUMBER, at - 2, ret_end); /* an IBAN, of all there is */
    }
    if (count_digits(t, at) < DIGITS_MIN)
        return 0;
    while (start > 0 && at - start < 3 && strchr("+(", t.ptr[start - 1]) && t.ptr[start - 1])
        start--;
    int r = try_at(m, ON_NUMBER, start, ret_end);
    return r || start == at ? r : try_at(m, ON_NUMBER, at, ret_end);
}

static int match_pair(const struct matching *m, size_t i, size_t *ret_end)
{
    char second = m->text.ptr[i + 1];

    if (second == '@' && m->rules->has_email) {
        size_t start = local_part(m->text, i + 1);
        return start < i + 1 ? try_at(m, ON_AT, start, ret_end) : 0;
    }
    if (is_digit(second))
        return m->rules->has_number ? try_number(m, i + 1, ret_end) : 0;
    /* No literal of letters is looked for within a word. */
    if (i > 0 && is_alnum(m->text.ptr[i]) && is_alnum(m->text.ptr[i - 1]))
        return 0;
    return try_at(m, ON_TEXT, i, ret_end);
}

static int match_shipped(const struct matching *m)
{
    const uint8_t *triggers = m->rules->triggers;
    const unsigned char *at = (const unsigned char *)m->text.ptr;
    size_t end = 0, i = 0;

    if (m->text.len && is_digit(m->text.ptr[0]) && m->rules->has_number) {
        int r = try_number(m, 0, &end);
        if (r < 0)
            return -1;
        i = r > 0 ? end - 1 : 0;
    }
    for (; i + 1 < m->text.len; i++) {
        unsigned pair = (unsigned)at[i] << 8 | at[i + 1];
        if (!(triggers[pair >> 3] >> (pair & 7) & 1))
            continue;
        int r = match_pair(m, i, &end);
        if (r < 0)
            return -1;
        if (r > 0 && end > i + 1)
            i = end - 2; /* the pair that begins with the match's last byte comes next */
    }
    return 0;
}

static int match_user(const struct matching *m, size_t rule)
{
    struct pattern *p = m->rules->all.ptr[rule].user;
    struct pattern_place place = { 0 };
    uint64_t steps = STEPS_BASE + (uint64_t)STEPS_PER_BYTE * m->text.len;

    pattern_set_limit(p, steps < STEPS_MAX ? (uint32_t)steps : STEPS_MAX);
    for (size_t from = 0; from < m->text.len; from = place.end) {
        if (!pattern_find(p, m->text, from, &place))
            return place.limited ? limit_hit(m, rule) : 0;
        vec_push(m->hits, ((struct scrub_hit){ (uint32_t)place.start, (uint32_t)place.end,
                                               (uint32_t)rule }));
    }
    return 0;
}

int scrub_rules_match(struct scrub_rules *r, unsigned place, struct str text,
                      struct scrub_hits *hits, struct err *err)
{
    struct matching m = { .rules = r, .place = place, .text = text, .hits = hits, .err = err };

    assert(text.len <= UINT32_MAX);
    if (r->probes.len && match_shipped(&m) < 0)
        return -1;
    for (size_t i = 0; r->has_user && i < r->all.len; i++)
        if (r->all.ptr[i].user && r->all.ptr[i].places & place && match_user(&m, i) < 0)
            return -1;
    return 0;
}
