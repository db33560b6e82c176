#include "config.h"

#include "llm/usage.h"

#include <assert.h>
#include <inttypes.h>

#include "base/mem.h"

struct unit_row {
    const char *name;
    enum usage_unit parent;
};

static const struct unit_row units[] = {
#define X(constant, column, parent) [USAGE_##constant] = { column, USAGE_##parent },
    USAGE_UNITS(X)
#undef X
};
static_assert(ARRAY_LEN(units) == USAGE_UNIT_COUNT, "a row per unit");
static_assert(USAGE_UNIT_COUNT <= 32, "usage.present has a bit per unit");

static const char *const source_names[] = {
    [USAGE_SOURCE_REPORTED] = "reported",
    [USAGE_SOURCE_ESTIMATED] = "estimated",
    [USAGE_SOURCE_UNKNOWN] = "unknown",
};
static_assert(ARRAY_LEN(source_names) == USAGE_SOURCE_COUNT, "a name per source");

const char *usage_source_name(enum usage_source s)
{
    assert(s < USAGE_SOURCE_COUNT);
    return source_names[s];
}

const char *usage_unit_name(enum usage_unit u)
{
    assert(u >= 0 && u < USAGE_UNIT_COUNT);
    return units[u].name;
}

enum usage_unit usage_unit_parent(enum usage_unit u)
{
    assert(u >= 0 && u < USAGE_UNIT_COUNT);
    return units[u].parent;
}

void usage_add_all(struct usage *to, const struct usage *from)
{
    for (enum usage_unit u = 0; u < USAGE_UNIT_COUNT; u++)
        if (usage_has(from, u))
            usage_add(to, u, from->n[u]);
}

int usage_check(const struct usage *usage, struct err *err)
{
    for (uint32_t left = usage->present; left; left &= left - 1) {
        enum usage_unit u = (enum usage_unit)__builtin_ctz(left);
        int64_t n = usage->n[u];
        if (n < 0)
            return err_set(err, ERR_CORRUPT, "%s is negative: %" PRId64, units[u].name, n);
        if (n > USAGE_VALUE_MAX)
            return err_set(err, ERR_CORRUPT, "%s is absurd: %" PRId64, units[u].name, n);
        enum usage_unit whole = units[u].parent;
        if (whole != USAGE_NONE && usage_has(usage, whole) && n > usage->n[whole])
            return err_set(err, ERR_CORRUPT,
                           "%s %" PRId64 " is more than %s %" PRId64 ", of which it is a part",
                           units[u].name, n, units[whole].name, usage->n[whole]);
    }
    return 0;
}
