#include "config.h"

#include "cli/scenarios.h"

#include <stdlib.h>

#include "cli/datadir.h"

int scenarios_open(const char *name, const char *const *only, struct scenario **ret,
                   struct err *err)
{
    CLEANUP(scenario_free) struct scenario *s = NULL;
    char *presets = NULL;
    struct err missing; /* a file needs no presets; of a name, scenario_open says it */

    *ret = NULL;
    if (!name && only[0])
        return err_set(err, ERR_USAGE, "--only '%s': there is no scenario to take it from",
                       only[0]);
    if (!name)
        return 0;
    if (datadir_path("scenarios", &presets, &missing) < 0)
        presets = NULL;
    int r = scenario_open(name, presets, &s, err);
    free(presets);
    if (r < 0)
        return -1;
    if (scenario_only(s, only, err) < 0)
        return err_wrap(err, "--only");
    *ret = TAKE(s);
    return 0;
}
