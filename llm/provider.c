#include "config.h"

#include "llm/provider.h"

#include <assert.h>

#include "base/mem.h"

struct provider_row {
    const char *name;
    const char *aliases; /* comma-separated */
};

static const struct provider_row provider_rows[] = {
#define X(constant, name, aliases) [PROVIDER_##constant] = { name, aliases },
    PROVIDERS(X)
#undef X
};
static_assert(ARRAY_LEN(provider_rows) == PROVIDER_COUNT, "a row per provider");

static const char *const api_names[] = {
#define X(constant, name) [API_##constant] = (name),
    APIS(X)
#undef X
};
static_assert(ARRAY_LEN(api_names) == API_COUNT, "a name per API");

static const char *const error_class_names[] = {
#define X(constant, name) [ERROR_CLASS_##constant] = (name),
    ERROR_CLASSES(X)
#undef X
};
static_assert(ARRAY_LEN(error_class_names) == ERROR_CLASS_COUNT, "a name per class");

const char *provider_name(enum provider p)
{
    assert(p < PROVIDER_COUNT);
    return provider_rows[p].name;
}

const char *api_name(enum api a)
{
    assert(a < API_COUNT);
    return api_names[a];
}

const char *error_class_name(enum error_class e)
{
    assert(e < ERROR_CLASS_COUNT);
    return error_class_names[e];
}

static bool is_alias(const struct provider_row *row, struct str name)
{
    struct str rest = str_from(row->aliases), alias;

    while (str_split(&rest, ',', &alias))
        if (alias.len && str_ieq(alias, name))
            return true;
    return false;
}

bool provider_parse(struct str name, enum provider *ret)
{
    for (enum provider p = 0; p < PROVIDER_COUNT; p++) {
        if (str_ieq(str_from(provider_rows[p].name), name) || is_alias(&provider_rows[p], name)) {
            *ret = p;
            return true;
        }
    }
    return false;
}

bool api_parse(struct str name, enum api *ret)
{
    for (enum api a = 0; a < API_COUNT; a++) {
        if (str_ieq(str_from(api_names[a]), name)) {
            *ret = a;
            return true;
        }
    }
    return false;
}
