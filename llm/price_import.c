#include "config.h"

#include "llm/price_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llm/price_importing.h"

static const char *const format_names[] = { [PRICE_FORMAT_AUTO] = "auto",
#define X(constant, name) [PRICE_FORMAT_##constant] = name,
                                            PRICE_FORMATS(X)
#undef X
};

const char *price_format_name(enum price_format f)
{
    return format_names[f];
}

bool price_format_parse(struct str name, enum price_format *ret)
{
    for (int i = PRICE_FORMAT_AUTO + 1; i < PRICE_FORMAT_COUNT; i++) {
        if (str_eq(name, str_from(format_names[i]))) {
            *ret = (enum price_format)i;
            return true;
        }
    }
    return false;
}

struct price_import *price_import_new(const struct price_import_options *options)
{
    struct price_import *im = mem_calloc(1, sizeof(*im));

    im->file = mem_calloc(1, sizeof(*im->file));
    im->options = *options;
    return im;
}

void price_import_free(struct price_import *im)
{
    if (!im)
        return;
    /* The file's entries are only lent to it by price_import_write; rules of imports may own
     * patterns. */
    im->file->entries = im->entries.ptr;
    im->file->entry_count = im->entries.len;
    price_file_free(im->file);
    vec_release(&im->entries);
    vec_release(&im->sources);
    map_release(&im->ids);
    free(im);
}

/* --- prices --- */

/* The shortest decimal that reads back as the double: what the author of the file wrote. */
static bool number_text(const json_t *value, char ret[static 40])
{
    if (json_is_integer(value)) {
        snprintf(ret, 40, "%lld", (long long)json_integer_value(value));
        return true;
    }
    if (!json_is_real(value))
        return false;
    double x = json_real_value(value);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(ret, 40, "%.*g", digits, x);
        if (strtod(ret, NULL) == x)
            break;
    }
    return true;
}

/* Powers of ten from one unit to the quoted quantity. */
static int shift_of(enum price_per per)
{
    switch (per) {
    case PRICE_PER_MILLION:
        return 6;
    case PRICE_PER_THOUSAND:
        return 3;
    default:
        return 0;
    }
}

void price_fill(struct price_import *im, struct price_filling *set, int unit, enum price_per per,
                const json_t *value, bool per_unit)
{
    char text[40];
    i128 amount;

    if (!number_text(value, text) || price_filled(set, unit))
        return;
    enum decimal_result r =
        decimal_parse(str_from(text), PUSD_SCALE + (per_unit ? shift_of(per) : 0), &amount);
    if ((r != DECIMAL_OK && r != DECIMAL_ROUNDED) || amount < 0 || amount > INT64_MAX) {
        im->counts.bad++;
        return;
    }
    im->counts.rounded += r == DECIMAL_ROUNDED;
    set->rates[set->count++] = (struct price_rate){
        .unit = (uint8_t)unit,
        .per = (uint8_t)per,
        .amount = (int64_t)amount,
    };
}

bool price_filled(const struct price_filling *set, int unit)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->rates[i].unit == unit)
            return true;
    return false;
}

void price_unfill(struct price_filling *set, int unit)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->count; i++)
        if (set->rates[i].unit != unit)
            set->rates[kept++] = set->rates[i];
    set->count = kept;
}

void *price_import_copy(struct price_import *im, const void *items, size_t bytes)
{
    void *copy = arena_alloc(&im->file->arena, bytes > 0 ? bytes : 1);

    if (bytes > 0)
        memcpy(copy, items, bytes);
    return copy;
}

struct price_set price_filled_set(struct price_import *im, const struct price_filling *set)
{
    return (struct price_set){
        .rates = price_import_copy(im, set->rates, set->count * sizeof(*set->rates)),
        .count = set->count,
    };
}

/* --- entries --- */

bool price_import_wants(struct price_import *im, enum provider provider)
{
    bool wanted = provider != PROVIDER_UNKNOWN && im->options.provider_count == 0;

    for (size_t i = 0; i < im->options.provider_count; i++)
        wanted |= im->options.providers[i] == provider;
    im->counts.other_provider += !wanted;
    return wanted;
}

struct price_period price_import_period(struct price_import *im)
{
    return (struct price_period){
        .from_us = im->options.has_from ? im->options.from_us : INT64_MIN,
        .until_us = INT64_MAX,
        .hours_from_s = -1,
        .hours_until_s = -1,
        .source = im->source,
        .checked = im->options.checked,
    };
}

static bool is_repeated(struct price_import *im, const struct price_entry *e)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    buf_addf(&key, "%d\n%.*s\n%.*s", (int)e->provider, STR_ARG(e->route), STR_ARG(e->id));
    map_put(&im->ids, buf_str(&key), &is_new);
    return !is_new;
}

void price_import_entry(struct price_import *im, struct price_entry entry,
                        const struct price_period *periods, size_t count)
{
    size_t priced = 0;

    for (size_t i = 0; i < count; i++)
        priced += periods[i].set.count > 0;
    if (priced < count || count == 0 || entry.id.len == 0 || entry.id.len > PRICE_MODEL_BYTES_MAX) {
        im->counts.no_price++;
        return;
    }
    if (is_repeated(im, &entry)) {
        im->counts.repeated++;
        return;
    }
    entry.periods = price_import_copy(im, periods, count * sizeof(*periods));
    entry.period_count = count;
    entry.file = im->file;
    vec_push(&im->entries, entry);
    im->counts.entries++;
}

struct str price_import_lower(struct price_import *im, struct str s)
{
    return price_lower(&im->file->arena, s);
}

/* --- files --- */

/* A sample value of an object that has `key`, or NULL. */
static const json_t *some_member_with(const json_t *obj, const char *key)
{
    const char *name;
    json_t *value;
    int seen = 0;

    json_object_foreach((json_t *)(uintptr_t)obj, name, value)
    {
        if (json_get(value, key))
            return value;
        if (++seen == 100)
            break;
    }
    return NULL;
}

static bool is_models_dev(const json_t *root)
{
    const char *name;
    json_t *provider;

    if (some_member_with(root, "models"))
        return true;
    json_object_foreach((json_t *)(uintptr_t)root, name, provider)
    {
        if (json_is_object(provider) && some_member_with(provider, "cost"))
            return true;
    }
    return false;
}

static enum price_format detect(const json_t *root)
{
    if (json_is_array(root))
        return json_get(json_array_get(root, 0), "models") ? PRICE_FORMAT_GENAI_PRICES
                                                           : PRICE_FORMAT_AUTO;
    if (!json_is_object(root))
        return PRICE_FORMAT_AUTO;
    if (json_is_array(json_get(root, "providers")))
        return PRICE_FORMAT_GENAI_PRICES;
    if (some_member_with(root, "litellm_provider"))
        return PRICE_FORMAT_LITELLM;
    return is_models_dev(root) ? PRICE_FORMAT_MODELS_DEV : PRICE_FORMAT_AUTO;
}

static void add_source(struct price_import *im, const char *name, enum price_format format)
{
    CLEANUP(buf_release) struct buf id = { 0 };
    const char *slash = strrchr(name, '/');
    struct str title = im->options.source;

    buf_addf(&id, "import%zu", im->sources.len + 1);
    im->source = arena_str(&im->file->arena, buf_str(&id));
    if (title.len == 0)
        title = str_from(slash ? slash + 1 : name);
    struct price_source source = {
        .id = im->source,
        .title = arena_str(&im->file->arena, title),
        .date = im->options.checked,
        .note = str_from(format_names[format]),
    };
    vec_push(&im->sources, source);
}

int price_import_add(struct price_import *im, struct str text, const char *name,
                     enum price_format format, enum price_format *ret_format, struct err *err)
{
    static int (*const readers[])(struct price_import *, const json_t *, struct err *) = {
        [PRICE_FORMAT_LITELLM] = price_import_litellm,
        [PRICE_FORMAT_GENAI_PRICES] = price_import_genai,
        [PRICE_FORMAT_MODELS_DEV] = price_import_models_dev,
    };
    CLEANUP(json_decref) json_t *root = NULL;

    if (json_parse(text, &root, err) < 0)
        return err_wrap(err, "%s", name);
    if (format == PRICE_FORMAT_AUTO)
        format = detect(root);
    if (format == PRICE_FORMAT_AUTO)
        return err_set(err, ERR_USAGE,
                       "%s: neither LiteLLM's, genai-prices' nor models.dev's price file by its "
                       "shape; say which it is",
                       name);
    add_source(im, name, format);
    if (readers[format](im, root, err) < 0)
        return err_wrap(err, "%s", name);
    if (ret_format)
        *ret_format = format;
    return 0;
}

void price_import_write(struct price_import *im, struct buf *out)
{
    struct price_file *f = im->file;

    f->entries = im->entries.ptr;
    f->entry_count = im->entries.len;
    f->sources = im->sources.ptr;
    f->source_count = im->sources.len;
    f->provider = f->entry_count > 0 ? f->entries[0].provider : PROVIDER_UNKNOWN;
    for (size_t i = 0; i < f->entry_count; i++)
        if (f->entries[i].provider != f->provider)
            f->provider = PROVIDER_UNKNOWN;
    price_file_write(f, out);
}

const struct price_import_counts *price_import_counts(const struct price_import *im)
{
    return &im->counts;
}
