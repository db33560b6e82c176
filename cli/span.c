#include "config.h"

#include "cli/span.h"

#include "analyze/month.h"
#include "analyze/period.h"

/* The first moment of what the option names; leaves *bound_us if it was not given. */
static int parse_bound(const struct invocation *inv, const char *name, const struct tz *tz,
                       int64_t *bound_us, struct err *err)
{
    const char *text = invocation_get(inv, name);
    int64_t end_us;

    if (text && !period_parse(str_from(text), tz, bound_us, &end_us))
        return err_set(err, ERR_USAGE,
                       "--%s '%s' is not a time: write 2026-10, 2026-10-07 or "
                       "2026-10-07T12:00:00Z",
                       name, text);
    return 0;
}

static int parse_month(const struct invocation *inv, const struct tz *tz, struct span *ret,
                       struct err *err)
{
    const char *text = invocation_get(inv, "month");
    struct month m;

    if (invocation_has(inv, "from") || invocation_has(inv, "to"))
        return err_set(err, ERR_USAGE,
                       "--month '%s' is both ends already: leave out --from and --to", text);
    if (!month_parse(str_from(text), &m))
        return err_set(err, ERR_USAGE, "--month '%s' is not a month: write 2026-10", text);
    ret->from_us = month_day_us(m, 1, tz);
    ret->to_us = month_day_us(m, month_days(m) + 1, tz);
    return 0;
}

int span_parse(const struct invocation *inv, const struct tz *tz, struct span *ret, struct err *err)
{
    struct span span = { INT64_MIN, INT64_MAX };

    if (invocation_has(inv, "month"))
        return parse_month(inv, tz, ret, err);
    if (parse_bound(inv, "from", tz, &span.from_us, err) < 0 ||
        parse_bound(inv, "to", tz, &span.to_us, err) < 0)
        return -1;
    if (span.from_us >= span.to_us)
        return err_set(err, ERR_USAGE,
                       "--from '%s' is not before --to '%s': nothing lies between them, as the end "
                       "is not included",
                       invocation_get(inv, "from"), invocation_get(inv, "to"));
    *ret = span;
    return 0;
}
