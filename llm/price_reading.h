/* price_reading - reading a price file's YAML: what the price_parse_* files share. */
#ifndef LLM_PRICE_READING_H
#define LLM_PRICE_READING_H

#include "base/yaml.h"
#include "llm/price_model.h"

/* A reading: the tree, and the file it becomes. */
struct price_reading {
    const struct yaml *yaml;
    struct price_file *file;
    struct err *err;
};

/* All return 0, or -1 with file:line:column; texts go into the file's arena. */
int price_read_bad(struct price_reading *r, const struct yaml_node *n, const char *want);
int price_read_text(struct price_reading *r, const struct yaml_node *n, struct str *ret);
int price_read_lower(struct price_reading *r, const struct yaml_node *n, struct str *ret);
int price_read_lowers(struct price_reading *r, const struct yaml_node *n, struct str **ret,
                      size_t *ret_count);
/* One name or a list of them, as one text separated by blanks. */
int price_read_words(struct price_reading *r, const struct yaml_node *n, struct str *ret);
int price_read_moment(struct price_reading *r, const struct yaml_node *n, int64_t *ret);
int price_read_decimal(struct price_reading *r, const struct yaml_node *n, int scale, i128 *ret);
int price_read_ratio(struct price_reading *r, const struct yaml_node *n, struct price_ratio *ret);
int price_read_provider(struct price_reading *r, const struct yaml_node *n, enum provider *ret);
/* The from and until of a map; open ends where it has none. */
int price_read_span(struct price_reading *r, const struct yaml_node *map, int64_t *ret_from,
                    int64_t *ret_until);

#define PRICE_SET_KEYS "per_million", "per_thousand", "each", "per_second", "per_minute", "per_hour"
/* The members of a map that are quoted prices. */
int price_read_set(struct price_reading *r, const struct yaml_node *map, struct price_set *ret);

#define PRICE_PERIOD_KEYS                                                                          \
    "from", "until", "hours", "days", "source", "checked", "note", "tiers", "long", PRICE_SET_KEYS
/* defaults: the entry around it, whose source and checked count where the period has none. */
int price_read_period(struct price_reading *r, const struct yaml_node *n,
                      const struct yaml_node *defaults, struct price_period *ret);
int price_read_periods(struct price_reading *r, const struct yaml_node *list,
                       const struct yaml_node *defaults, struct price_period **ret,
                       size_t *ret_count);

int price_read_maps(struct price_reading *r, const struct yaml_node *a, const struct yaml_node *b);
/* Regions (multipliers by place) or discounts. */
int price_read_adjusts(struct price_reading *r, const struct yaml_node *list, bool regions,
                       struct price_adjust **ret, size_t *ret_count);

#endif
