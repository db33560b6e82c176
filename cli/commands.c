#include "config.h"

#include "cli/command.h"

/* One line per command, in the order of --help: declare it, then list it below. */

const struct command *const commands[] = {
    NULL,
};

const struct command_group command_groups[] = {
    {"capture",         "recorded traffic: into an archive, out of it, and whether it is whole"},
    { "analyze",        "what the traffic cost, and who caused it"                             },
    { "analyze prices", "the price book"                                                       },
    { NULL,             NULL                                                                   },
};
