/* table_check - whether the command tables keep the rules that cli/command.h states. */
#ifndef CLI_TABLE_CHECK_H
#define CLI_TABLE_CHECK_H

#include "cli/command.h"

/* No name twice, nothing missing, no full stops, plain ASCII, groups named: the first break is the
 * error. */
int commands_check(const struct command *const *table, const struct command_group *groups,
                   struct err *err);

#endif
