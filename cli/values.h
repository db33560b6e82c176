/* values - option values that several commands take: durations, speeds, who calls. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include "cli/command.h"

/* --name DURATION in µs, above 0; *ret stays as it is without the option. */
int value_duration(const struct invocation *inv, const char *name, int64_t *ret, struct err *err);
/* --name N|max: how many times as fast as recorded, in thousandths; PLAY_SPEED_MAX for max, as
 * recorded without the option. */
int value_speed(const struct invocation *inv, const char *name, unsigned *ret, struct err *err);
/* The callers of replay/caller, as choices. */
extern const char *const value_callers[];

#endif
