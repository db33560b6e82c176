/* price_model - a price file in memory: what the loader reads, importers build, the checker judges
 * and the writer prints.  Internal to the price_* modules.
 *
 * Everything hangs off one struct price_file and lives in its arena.  price_plan_file turns the
 * quoted sets into plans, which price_of reads.
 */
#ifndef LLM_PRICE_MODEL_H
#define LLM_PRICE_MODEL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/pattern.h"
#include "base/str.h"
#include "llm/price.h"

/* Units of usage, and one more: the request itself. */
#define PRICE_UNIT_REQUEST ((int)USAGE_UNIT_COUNT)
#define PRICE_UNIT_COUNT   (USAGE_UNIT_COUNT + 1)

#define PRICE_FILE_BYTES_MAX  (64 << 20)
#define PRICE_RATIO_SCALE     6   /* digits of a multiplier */
#define PRICE_LEVELS_MAX      8   /* long-context steps of one price */
#define PRICE_TIERS_MAX       16  /* service tiers of one price */
#define PRICE_RULE_DEPTH_MAX  4   /* any inside all inside any ... */
#define PRICE_MODEL_BYTES_MAX 512 /* of a model id; longer ones match nothing */

/* How prices are quoted.  X(constant, key in files, divisor of one quantity in the unit's own
 * count) Audio is counted in milliseconds. */
#define PRICE_PERS(X)                                                                              \
    X(MILLION, "per_million", 1000000)                                                             \
    X(THOUSAND, "per_thousand", 1000)                                                              \
    X(EACH, "each", 1)                                                                             \
    X(SECOND, "per_second", 1000)                                                                  \
    X(MINUTE, "per_minute", 60000)                                                                 \
    X(HOUR, "per_hour", 3600000)

enum price_per {
#define X(constant, key, divisor) PRICE_PER_##constant,
    PRICE_PERS(X)
#undef X
        PRICE_PER_COUNT
};

/* A multiple of every divisor above: sums are kept in 1e-12 USD / PRICE_DENOMINATOR. */
#define PRICE_DENOMINATOR 18000000

struct price_rate {
    uint8_t unit;       /* enum usage_unit or PRICE_UNIT_REQUEST */
    uint8_t per;        /* enum price_per */
    bool elsewhere;     /* billed by something no answer shows; amount is 0 */
    uint32_t line;      /* in its file, 0 = made by an importer */
    struct str variant; /* of an image; "" = default */
    int64_t amount;     /* 1e-12 USD per quoted quantity */
};

struct price_set {
    struct price_rate *rates;
    size_t count;
};

/* A set that holds for the whole request once its input is larger. */
struct price_level {
    int64_t threshold; /* input tokens, cached and written ones included */
    bool inclusive;    /* from the threshold on; else only above it */
    uint32_t line;
    struct price_set set;
};

struct price_ratio {
    int64_t num, den; /* reduced, den > 0 */
};

struct price_tier {
    struct str name;
    bool has_times;
    struct price_ratio times; /* of every token price */
    struct price_set set;
    struct price_level *levels;
    size_t level_count;
    uint32_t line;
};

/* One unit's price ready for arithmetic. */
struct price_num {
    int64_t amount;
    int32_t scale; /* PRICE_DENOMINATOR / divisor */
    bool elsewhere;
};

/* All that a request pays once period, tier and context length are known. */
struct price_plan {
    uint32_t own;                  /* bit per unit that has a price */
    const struct price_num *rates; /* packed, in unit order */
    const struct price_set *image_variants;
    struct price_ratio times;
    struct str note;
};

struct price_schedule {
    struct str tier; /* "" = standard */
    size_t level_count;
    const struct price_level **levels; /* ascending */
    struct price_plan *plans;          /* level_count + 1 */
};

struct price_period {
    int64_t from_us, until_us;           /* [from, until); INT64_MIN, INT64_MAX = open */
    int32_t hours_from_s, hours_until_s; /* of the UTC day, may wrap; -1 = all day */
    uint8_t days;                        /* bit per weekday, Monday first; 0 = every day */
    struct str source;                   /* ids of the file's sources, separated by blanks */
    struct str checked;                  /* date on which someone compared it with the source */
    struct str note;
    uint32_t line;
    struct price_set set;
    struct price_level *levels;
    size_t level_count;
    struct price_tier *tiers;
    size_t tier_count;
    struct price_schedule *schedules; /* made by price_plan_file: [0] is the standard tier */
    size_t schedule_count;
};

enum price_rule_kind {
    PRICE_RULE_EQUALS,
    PRICE_RULE_PREFIX,
    PRICE_RULE_SUFFIX,
    PRICE_RULE_CONTAINS,
    PRICE_RULE_GLOB,
    PRICE_RULE_REGEX,
    PRICE_RULE_ANY,
    PRICE_RULE_ALL,
    PRICE_RULE_COUNT,
};

struct price_rule {
    enum price_rule_kind kind;
    struct str text; /* lower case but for a regex */
    struct pattern *regex;
    struct price_rule *rules; /* of ANY and ALL */
    size_t count;
    uint32_t line;
};

struct price_file;

struct price_entry {
    struct str id;
    struct str name; /* "openai/gpt-4o" */
    enum provider provider;
    struct str route;        /* lower case; "" = any */
    struct price_rule match; /* ANY of what follows the id */
    struct price_period *periods;
    size_t period_count;
    const struct price_file *file;
    uint32_t line;
    uint32_t order; /* within its layer */
};

struct price_source {
    struct str id, title, url, version, date, licence, note;
};

/* The user's own names for models. */
struct price_map {
    enum provider provider;    /* PROVIDER_UNKNOWN = any */
    struct str from;           /* lower case glob */
    struct str to;             /* lower case model id */
    enum provider to_provider; /* PROVIDER_UNKNOWN = as asked */
    struct price_ratio times;  /* of every token price */
    uint32_t line;
};

/* A multiplier for a place (a region), or the user's contract (a discount). */
struct price_adjust {
    enum provider provider; /* of the query; PROVIDER_UNKNOWN = any */
    struct str *models;     /* lower case globs over entry ids; none = all */
    size_t model_count;
    struct str *tiers; /* none = all */
    size_t tier_count;
    struct str *geos; /* lower case globs; none = all */
    size_t geo_count;
    int64_t from_us, until_us;
    bool has_times;
    struct price_ratio times;
    bool fees_too;          /* else only tokens */
    struct price_set set;   /* absolute prices instead of the entry's */
    struct price_plan plan; /* of set */
    struct str text;        /* for the reader */
    uint32_t line;
};

struct price_file {
    struct arena arena;
    struct str path;
    struct str base_name;
    enum provider provider; /* PROVIDER_UNKNOWN = said by the entries */
    size_t layer;
    enum provider fallback[PROVIDER_COUNT];
    size_t fallback_count;
    struct price_source *sources;
    size_t source_count;
    struct price_period *fees; /* provider-wide */
    size_t fee_count;
    struct price_entry *entries;
    size_t entry_count;
    struct price_map *maps;
    size_t map_count;
    struct price_adjust *regions;
    size_t region_count;
    struct price_adjust *discounts;
    size_t discount_count;
};

/* Names of units in price files: the ledger's without "_tokens"; "audio" for audio_ms, "requests".
 */
const char *price_unit_key(int unit);
bool price_unit_parse(struct str key, int *ret);
/* Whether a price of unit may be quoted so: tokens per million, audio by time, ... */
bool price_unit_allows(int unit, enum price_per per);
bool price_unit_is_token(int unit);
const char *price_per_key(enum price_per per);
bool price_per_parse(struct str key, enum price_per *ret);
int64_t price_per_divisor(enum price_per per);

const struct price_rate *price_set_find(const struct price_set *set, int unit);
struct price_ratio price_ratio_reduce(int64_t num, int64_t den);
/* ASCII lower case, into the arena. */
struct str price_lower(struct arena *a, struct str s);

/* Reads text; path is only named in messages. */
int price_file_parse(struct str text, const char *path, struct price_file **ret, struct err *err);
void price_file_free(struct price_file *f);
DEFINE_CLEANUP(struct price_file, price_file_free)
/* Makes the schedules of every period and the plans of every discount. */
void price_plan_file(struct price_file *f);
/* The file as text in its own format, to be read back with the same meaning. */
void price_file_write(const struct price_file *f, struct buf *out);

bool price_rule_matches(const struct price_rule *rule, struct str id);
/* The first of the entries for the route whose rules match. */
const struct price_entry *price_rule_find(const struct price_entry *const *entries, size_t count,
                                          struct str id, struct str route);
/* "ft:..." and the older and Azure's spellings: a fine-tuned model never has its base's price. */
bool price_is_fine_tune(struct str id);

/* The last period that covers the moment, or NULL. */
const struct price_period *price_period_at(const struct price_period *periods, size_t count,
                                           int64_t at_us);

static inline const struct price_num *price_plan_rate(const struct price_plan *plan, int unit)
{
    uint32_t bit = 1u << unit;

    if (!plan || !(plan->own & bit))
        return NULL;
    return &plan->rates[__builtin_popcount(plan->own & (bit - 1))];
}

/* sum * num / den, rounded half to even; exact for any operands. */
i128 price_scale(u128 sum, u128 num, u128 den);

#define PRICE_CANDIDATES_MAX 16

/* The entries a model leads to, best first: a later one counts where an earlier has no price at the
 * moment. */
struct price_match {
    struct {
        const struct price_entry *entry;
        uint32_t flags; /* enum price_flag */
    } candidates[PRICE_CANDIDATES_MAX];
    size_t count;
    bool must_agree;          /* candidates of several providers: only if their prices are equal */
    struct price_ratio times; /* of the deployment map */
};

/* What a call is priced by. */
struct price_chosen {
    const struct price_entry *entry;
    const struct price_period *period;
    const struct price_plan *plan;
    uint32_t flags;
    bool committed; /* tokens are paid for by the hour */
};

void price_match(const struct price_book *book, const struct price_query *query,
                 struct price_match *ret);
/* The first candidate with a price at the moment; several providers must agree, else none. */
bool price_choose(const struct price_match *match, const struct price_query *query,
                  const struct usage *usage, struct price_chosen *ret);
/* A tier's name in the book, of whatever a provider or person calls it; "" = standard. */
struct str price_tier_name(struct str sent);
/* Capacity bought by the hour or the month: its tokens cost nothing more. */
bool price_tier_is_committed(struct str tier);
/* The prices of a tier, or NULL. */
const struct price_schedule *price_schedule_find(const struct price_period *p, struct str tier);
/* The last region (or discount) that applies, or NULL. */
const struct price_adjust *price_adjust_find(const struct price_book *book, bool regions,
                                             const struct price_entry *e,
                                             const struct price_query *query);
/* The glob of its list that a geography in any case meets, or NULL. */
const struct str *price_adjust_geo(const struct price_adjust *a, struct str geo);
/* Provider-wide fees: of the entry's own provider, the last file that has them wins. */
const struct price_plan *price_fees_find(const struct price_book *book, enum provider provider,
                                         int64_t at_us);
void price_of_match(const struct price_book *book, const struct price_match *match,
                    const struct price_query *query, const struct usage *usage,
                    struct price_result *ret);
void price_items_of_match(const struct price_book *book, const struct price_match *match,
                          const struct price_request *request, struct price_result *ret,
                          struct price_items *ret_items);
void price_rates_of_match(const struct price_book *book, const struct price_match *match,
                          const struct price_query *query, int64_t input_tokens,
                          struct price_rates *ret);

/* --- the book's inside, for price_match and price_of --- */

const struct price_file *price_book_file(const struct price_book *book, size_t index);
size_t price_book_file_count(const struct price_book *book);
size_t price_book_layer_count(const struct price_book *book);
/* The entry of a provider that the (lower case) id means in a layer, or NULL. */
const struct price_entry *price_book_find(const struct price_book *book, size_t layer,
                                          enum provider provider, struct str id, struct str route);
/* Regions or discounts of all files, in the order loaded. */
const struct price_adjust *const *price_book_adjusts(const struct price_book *book, bool regions,
                                                     size_t *ret_count);
/* The files with fees of a provider, in the order loaded. */
const struct price_file *const *price_book_fees(const struct price_book *book,
                                                enum provider provider, size_t *ret_count);
/* Providers to ask next; returns their number. */
size_t price_book_fallback(const struct price_book *book, enum provider provider,
                           const enum provider **ret);

#endif
