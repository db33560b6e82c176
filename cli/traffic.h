/* traffic - what the archive says of a programme's time: calls and money by application, and by the
 * way they went. */
#ifndef CLI_TRAFFIC_H
#define CLI_TRAFFIC_H

#include "analyze/arms.h"
#include "cli/migration.h"

#define TRAFFIC_DAYS 30 /* at least */

struct traffic {
    struct ledgers ledgers;
    struct dimension *dimensions[3];
    struct engine_result whole, days;
    struct arms arms;
    int64_t from_us, to_us;
};

/* m has its archive open.  From the programme's beginning, or TRAFFIC_DAYS ago, to now. */
int traffic_read(const struct migration *m, struct traffic *ret, struct err *err);
void traffic_release(struct traffic *t);
DEFINE_CLEANUP_VALUE(struct traffic, traffic_release)

#endif
