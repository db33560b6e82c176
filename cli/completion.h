/* completion - a completion script for bash, from the command tables. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "base/buf.h"

void completion_bash(struct buf *out);

#endif
