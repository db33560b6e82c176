/* price_import - other projects' price files into ours: LiteLLM's JSON map, genai-prices v2,
 * models.dev.
 *
 *     struct price_import *im = price_import_new(&options);
 *     price_import_add(im, text, "prices.json", PRICE_FORMAT_AUTO, err);   any number of times
 *     price_import_write(im, &out);
 *     price_import_free(im);
 *
 * What cannot be said in our format (prices by pixel, video seconds, providers we do not name) is
 * left out and counted.
 */
#ifndef LLM_PRICE_IMPORT_H
#define LLM_PRICE_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "llm/provider.h"

/* X(constant, name) */
#define PRICE_FORMATS(X)                                                                           \
    X(LITELLM, "litellm")                                                                          \
    X(GENAI_PRICES, "genai-prices")                                                                \
    X(MODELS_DEV, "models.dev")

enum price_format {
    PRICE_FORMAT_AUTO, /* told by its shape */
#define X(constant, name) PRICE_FORMAT_##constant,
    PRICE_FORMATS(X)
#undef X
        PRICE_FORMAT_COUNT
};

struct price_import_options {
    bool has_from; /* prices hold from this moment on; else since ever */
    int64_t from_us;
    struct str source;              /* what the sources list says; "" = the file's name */
    struct str checked;             /* YYYY-MM-DD */
    const enum provider *providers; /* none = all we have a name for */
    size_t provider_count;
};

struct price_import_counts {
    size_t entries;
    size_t other_provider; /* models of providers that we do not name or that were not asked for */
    size_t no_price;       /* models without a price we can say */
    size_t repeated;       /* models that came before: the first one stays */
    size_t rounded;        /* prices with more than 12 decimals per quoted quantity */
    size_t bad;            /* negative, absurd or not a number */
};

struct price_import;
struct price_import *price_import_new(const struct price_import_options *options);
void price_import_free(struct price_import *im);
DEFINE_CLEANUP(struct price_import, price_import_free)
/* Reads one file's text; *ret_format (may be NULL) says what it was. */
int price_import_add(struct price_import *im, struct str text, const char *name,
                     enum price_format format, enum price_format *ret_format, struct err *err);
/* Appends all of it as a price file in our format (weir-prices(5)). */
void price_import_write(struct price_import *im, struct buf *out);
const struct price_import_counts *price_import_counts(const struct price_import *im);

const char *price_format_name(enum price_format f);
bool price_format_parse(struct str name, enum price_format *ret);

#endif
