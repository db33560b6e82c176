/* success - what a programme has come to so far, in figures: how much goes through the gateway,
 * what it costs, how fast it is, how often it failed, and how often and how quickly one came back.
 */
#ifndef MIGRATE_SUCCESS_H
#define MIGRATE_SUCCESS_H

#include "analyze/arms.h"
#include "base/document.h"
#include "migrate/portfolio.h"

struct success {
    const struct arms *arms; /* NULL = the archive was not read */
    size_t steps;            /* up that were committed */
    size_t rollbacks;        /* likewise, down */
    size_t incidents;        /* rollbacks that a gate asked for: evidence was given */
    int64_t exposed_us;      /* of them: from the step up that was undone to the rollback */
    int64_t rollback_p50_us, rollback_max_us; /* until it was seen to run; -1 = none was */
    double excluded; /* the largest ratio of errors that is not excluded of an application that
                        moves or has moved; negative = nothing was judged */
};

void success_make(const struct portfolio *p, const struct arms *arms, struct success *ret);
/* A section of a document. */
void success_add(const struct success *s, struct document *d);

#endif
