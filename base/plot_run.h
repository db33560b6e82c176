/* plot_run - a program that is given bytes and answers with bytes. */
#ifndef BASE_PLOT_RUN_H
#define BASE_PLOT_RUN_H

#include "base/buf.h"
#include "base/err.h"

/* Runs gnuplot without its settings files; what it prints is appended.  ERR_SYS if it cannot be
 * started, or is not there. */
int plot_run(const char *program, struct str input, struct buf *ret, struct err *err);

#endif
