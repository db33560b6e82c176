/* price_importing - what the readers of foreign price files share.  Internal to price_import*.c. */
#ifndef LLM_PRICE_IMPORTING_H
#define LLM_PRICE_IMPORTING_H

#include "base/json.h"
#include "base/map.h"
#include "base/vec.h"
#include "llm/price_import.h"
#include "llm/price_model.h"

struct price_import {
    struct price_file *file; /* its arena holds all */
    VEC(struct price_entry) entries;
    VEC(struct price_source) sources;
    struct price_import_options options;
    struct map ids; /* provider, route, id: to find repetitions */
    struct price_import_counts counts;
    struct str source; /* of the file under way */
};

/* A set being filled. */
struct price_filling {
    struct price_rate rates[PRICE_UNIT_COUNT];
    size_t count;
};

/* Adds a price given as a JSON number; per_unit says that it is for one token, second, page and so
 * on, so that it has to be multiplied up to the quoted quantity.  Not a number: nothing. */
void price_fill(struct price_import *im, struct price_filling *set, int unit, enum price_per per,
                const json_t *value, bool per_unit);
bool price_filled(const struct price_filling *set, int unit);
void price_unfill(struct price_filling *set, int unit);
struct price_set price_filled_set(struct price_import *im, const struct price_filling *set);

/* Whether the provider was asked for; counts it otherwise. */
bool price_import_wants(struct price_import *im, enum provider provider);
/* A new period with the import's dates and source. */
struct price_period price_import_period(struct price_import *im);
/* Appends an entry with the periods given, which it copies; without any price it is only counted.
 */
void price_import_entry(struct price_import *im, struct price_entry entry,
                        const struct price_period *periods, size_t count);
struct str price_import_lower(struct price_import *im, struct str s);
/* Copies items into the import's arena. */
void *price_import_copy(struct price_import *im, const void *items, size_t bytes);

int price_import_litellm(struct price_import *im, const json_t *root, struct err *err);
int price_import_genai(struct price_import *im, const json_t *root, struct err *err);
int price_import_models_dev(struct price_import *im, const json_t *root, struct err *err);

#endif
