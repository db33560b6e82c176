#include "config.h"

#include "cli/scenarios.h"

#include <stdlib.h>

#include "cli/datadir.h"

void scenarios_tell_stand_ins(const struct invocation *inv, const struct scenario *s,
                              struct scenario_means means)
{
    int64_t from_us, to_us;

    for (size_t i = 0; s && i < scenario_fault_count(s); i++) {
        CLEANUP(buf_release) struct buf scope = { 0 };
        const char *as = scenario_stand_in(s, i, means);
        if (!as)
            continue;
        scenario_fault_scope(s, i, &scope);
        cli_note(inv, "%s of %s is a stand-in: %s",
                 scenario_fault(s, i, &from_us, &to_us).kind->name, buf_cstr(&scope), as);
    }
}

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
