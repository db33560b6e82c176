/* signals - SIGINT and SIGTERM as events of a loop. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include "base/loop.h"

/* Zero-initialised is closed. */
struct signals {
    struct loop *loop;
    struct loop_io io;
    unsigned count; /* that came */
    void (*fn)(void *ctx, unsigned count);
    void *ctx;
};

/* fn is told of each, with the number of those that came so far: most commands end in order at the
 * first and at once at the second. */
int signals_open(struct loop *loop, void (*fn)(void *ctx, unsigned count), void *ctx,
                 struct signals *ret, struct err *err);
/* Before the loop is closed. */
void signals_close(struct signals *s);

#endif
