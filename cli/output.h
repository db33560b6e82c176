/* output - the only place that writes to the terminal: data on stdout, the rest on stderr. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>

#include "cli/command.h"

/* First thing in main: descriptors 0 to 2 that came closed are filled, so that no file of ours
 * lands on them, and a closed pipe does not end us before we have put away what we hold. */
void output_begin(void);
/* What goes to stdout from now on goes to this file, under a name of its own until output_end gives
 * it its name: whoever finds the file finds all of it.  A device or pipe is written to as it is.
 * The file is made here, so that a place that cannot be written to is told before any work. */
int output_open(const char *path, bool is_private, struct err *err);
/* Last thing in main: flushes, and turns a success into EXIT_FAILED if stdout did not take all.  A
 * command that failed leaves no file.  If the reader of stdout went away (head, a pager), ends the
 * program by SIGPIPE without a word, unless whoever started it had SIGPIPE ignored. */
int output_end(int exit_code);
/* "weir: <text>" on stderr, for what no command has been found for. */
void output_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Bold is for headings of --help: only on a terminal, and not with NO_COLOR (no-color.org). */
bool output_is_bold(void);

#endif
