/* scenarios - the scenario of a command line: a file or a preset, or a part of one. */
#ifndef CLI_SCENARIOS_H
#define CLI_SCENARIOS_H

#include "cli/command.h"
#include "replay/scenario.h"

#define OPTION_ONLY                                                                                \
    OPTION(LIST, .name = "only", .value = "PART",                                                  \
           .help = "a part of the scenario: FROM..TO of its time, which then begins at once, or "  \
                   "a kind of fault, or load")

/* For people who would take it for a success. */
#define SCENARIOS_UNTOUCHED                                                                        \
    "nothing of the scenario struck: its faults are about other upstreams, models or times, or "   \
    "too rare (weir-scenario(5))"

/* For people who would take callers' TLS for tried as well; of struct drill_result.is_in_clear. */
#define SCENARIOS_IN_CLEAR                                                                         \
    "callers spoke plain HTTP to the gateway: its listener is the drill's, without the tls of "    \
    "its configuration"

/* Says which faults of a scenario (which may be NULL) are played as something else. */
void scenarios_tell_stand_ins(const struct invocation *inv, const struct scenario *s,
                              struct scenario_means means);

/* *ret is NULL if name is.  only: what --only says, NULL-terminated. */
int scenarios_open(const char *name, const char *const *only, struct scenario **ret,
                   struct err *err);

#endif
