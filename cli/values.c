#include "config.h"

#include "cli/values.h"

#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "replay/play.h"

const char *const value_callers[] = { "none", "openai", "anthropic", NULL };

int value_duration(const struct invocation *inv, const char *name, int64_t *ret, struct err *err)
{
    const char *text = invocation_get(inv, name);

    if (text && (!duration_parse(str_from(text), ret) || *ret <= 0))
        return err_set(err, ERR_USAGE, "--%s '%s' is not a duration such as 90s or 10m", name,
                       text);
    return 0;
}

int value_speed(const struct invocation *inv, const char *name, unsigned *ret, struct err *err)
{
    const char *text = invocation_get(inv, name);
    char *end = NULL;

    *ret = PLAY_SPEED_RECORDED;
    if (!text)
        return 0;
    *ret = PLAY_SPEED_MAX;
    if (strcmp(text, "max") == 0)
        return 0;
    double speed = strtod(text, &end);
    if (*end || !(speed >= 0.001 && speed <= 1000000))
        return err_set(err, ERR_USAGE,
                       "--%s '%s' is neither a number from 0.001 to 1000000 nor max", name, text);
    *ret = (unsigned)(speed * PLAY_SPEED_RECORDED + 0.5);
    return 0;
}
