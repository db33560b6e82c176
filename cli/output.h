/* output - the only place that writes to the terminal: data on stdout, the rest on stderr. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>

#include "cli/command.h"

/* First thing in main: descriptors 0 to 2 that came closed are filled, so that no file of ours
 * lands on them, and a closed pipe does not end us before we have put away what we hold. */
void output_begin(void);
/* Last thing in main: flushes, and turns a success into EXIT_FAILED if stdout did not take all.  If
 * its reader went away (head, a pager), ends the program by SIGPIPE without a word, unless whoever
 * started it had SIGPIPE ignored. */
int output_end(int exit_code);
/* "weir: <text>" on stderr, for what no command has been found for. */
void output_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Bold is for headings of --help: only on a terminal, and not with NO_COLOR (no-color.org). */
bool output_is_bold(void);

#endif
