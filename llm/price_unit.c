#include "config.h"

#include <assert.h>

#include "base/timestamp.h"
#include "llm/price_model.h"

#define BIT(per) (1u << PRICE_PER_##per)
#define TOKENS   BIT(MILLION)
#define COUNTED  (BIT(MILLION) | BIT(THOUSAND) | BIT(EACH))
#define TIMED    (BIT(SECOND) | BIT(MINUTE) | BIT(HOUR))

struct unit_row {
    const char *key;
    unsigned pers; /* bit per enum price_per: how it may be quoted; 0 = it has no price */
};

/* Tokens only per million: a price per token or per thousand in a column of prices per million is
 * the commonest error of price tables. */
static const struct unit_row units[] = {
    [USAGE_INPUT] = {"input",           TOKENS },
    [USAGE_CACHED_INPUT] = { "cached_input",   TOKENS },
    [USAGE_CACHE_WRITE] = { "cache_write",    TOKENS },
    [USAGE_CACHE_WRITE_5M] = { "cache_write_5m", TOKENS },
    [USAGE_CACHE_WRITE_1H] = { "cache_write_1h", TOKENS },
    [USAGE_INPUT_AUDIO] = { "input_audio",    TOKENS },
    [USAGE_INPUT_IMAGE] = { "input_image",    TOKENS },
    [USAGE_INPUT_VIDEO] = { "input_video",    TOKENS },
    [USAGE_CACHED_AUDIO] = { "cached_audio",   TOKENS },
    [USAGE_CACHED_IMAGE] = { "cached_image",   TOKENS },
    [USAGE_CACHED_VIDEO] = { "cached_video",   TOKENS },
    [USAGE_TOOL_PROMPT] = { "tool_prompt",    TOKENS },
    [USAGE_OUTPUT] = { "output",         TOKENS },
    [USAGE_REASONING] = { "reasoning",      TOKENS },
    [USAGE_OUTPUT_AUDIO] = { "output_audio",   TOKENS },
    [USAGE_OUTPUT_IMAGE] = { "output_image",   TOKENS },
    [USAGE_WEB_SEARCHES] = { "web_searches",   COUNTED},
    [USAGE_WEB_FETCHES] = { "web_fetches",    COUNTED},
    [USAGE_FILE_SEARCHES] = { "file_searches",  COUNTED},
    [USAGE_CODE_SESSIONS] = { "code_sessions",  COUNTED},
    [USAGE_IMAGES] = { "images",         COUNTED},
    [USAGE_AUDIO_MS] = { "audio",          TIMED  },
    [USAGE_CHARACTERS] = { "characters",     COUNTED},
    [USAGE_PAGES] = { "pages",          COUNTED},
    [USAGE_SEARCH_UNITS] = { "search_units",   COUNTED},
    [USAGE_TOOL_CALLS] = { "tool_calls",     0      },
    [PRICE_UNIT_REQUEST] = { "requests",       COUNTED},
};
static_assert(ARRAY_LEN(units) == PRICE_UNIT_COUNT, "a row per unit");
static_assert(PRICE_UNIT_COUNT <= 32, "own is a mask of 32 bits");

struct per_row {
    const char *key;
    int64_t divisor;
};

static const struct per_row pers[] = {
#define X(constant, key, divisor) [PRICE_PER_##constant] = { key, divisor },
    PRICE_PERS(X)
#undef X
};
#define X(constant, key, divisor)                                                                  \
    static_assert(PRICE_DENOMINATOR % (divisor) == 0, "every sum must be exact over it");
PRICE_PERS(X)
#undef X

const char *price_unit_key(int unit)
{
    assert(unit >= 0 && unit < PRICE_UNIT_COUNT);
    return units[unit].key;
}

bool price_unit_parse(struct str key, int *ret)
{
    for (int i = 0; i < PRICE_UNIT_COUNT; i++) {
        if (units[i].pers && str_eq(key, str_from(units[i].key))) {
            *ret = i;
            return true;
        }
    }
    return false;
}

bool price_unit_allows(int unit, enum price_per per)
{
    assert(unit >= 0 && unit < PRICE_UNIT_COUNT);
    return units[unit].pers >> per & 1;
}

bool price_unit_is_token(int unit)
{
    assert(unit >= 0 && unit < PRICE_UNIT_COUNT);
    return units[unit].pers == TOKENS;
}

const char *price_per_key(enum price_per per)
{
    return pers[per].key;
}

bool price_per_parse(struct str key, enum price_per *ret)
{
    for (unsigned i = 0; i < PRICE_PER_COUNT; i++) {
        if (str_eq(key, str_from(pers[i].key))) {
            *ret = (enum price_per)i;
            return true;
        }
    }
    return false;
}

int64_t price_per_divisor(enum price_per per)
{
    return pers[per].divisor;
}

const struct price_rate *price_set_find(const struct price_set *set, int unit)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->rates[i].unit == unit && set->rates[i].variant.len == 0)
            return &set->rates[i];
    return NULL;
}

struct price_ratio price_ratio_reduce(int64_t num, int64_t den)
{
    assert(num >= 0 && den > 0);
    int64_t a = num, b = den;

    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (struct price_ratio){ num / a, den / a };
}

struct str price_lower(struct arena *a, struct str s)
{
    char *to = arena_alloc(a, s.len + 1);

    for (size_t i = 0; i < s.len; i++)
        to[i] = (char)(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + ('a' - 'A') : s.ptr[i]);
    return (struct str){ to, s.len };
}

static bool in_hours(const struct price_period *p, int64_t second)
{
    bool late = second >= p->hours_from_s, early = second < p->hours_until_s;

    if (p->hours_from_s < 0)
        return true;
    return p->hours_from_s > p->hours_until_s ? late || early : late && early;
}

const struct price_period *price_period_at(const struct price_period *periods, size_t count,
                                           int64_t at_us)
{
    int64_t day = at_us / US_PER_DAY - (at_us % US_PER_DAY < 0);
    int64_t second = (at_us - day * US_PER_DAY) / US_PER_SECOND;
    int64_t weekday = ((day + 3) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */

    for (size_t i = count; i > 0; i--) {
        const struct price_period *p = &periods[i - 1];
        if (at_us < p->from_us || at_us >= p->until_us)
            continue;
        if ((p->days == 0 || p->days >> weekday & 1) && in_hours(p, second))
            return p;
    }
    return NULL;
}
