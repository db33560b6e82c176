/* manual - manual pages in mdoc(7), from the command tables. */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include "base/buf.h"
#include "cli/command.h"

/* weir-capture-import(1) and the like: the whole page. */
void manual_command(const struct command *command, struct buf *out);
/* weir(1). */
void manual_overview(struct buf *out);

#endif
