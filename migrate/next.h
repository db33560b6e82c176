/* next - which applications are to move next, and whether all that must be known of them is. */
#ifndef MIGRATE_NEXT_H
#define MIGRATE_NEXT_H

#include "base/buf.h"
#include "base/vec.h"
#include "migrate/portfolio.h"

#define NEXT_APPS 5 /* as many as a programme should have ready */

/* X(constant, word in JSON, in words) */
#define NEXT_MISSING(X)                                                                            \
    X(DATE, "date", "a date")                                                                      \
    X(OWNER, "owner", "an owner")                                                                  \
    X(DEPUTY, "deputy", "a deputy")                                                                \
    X(RISK, "risk", "its risk")                                                                    \
    X(ROLLBACK, "rollback", "rollback criteria of its own or of defaults")                         \
    X(APPROVAL, "approval", "who must approve, for its risk is high")

enum next_missing {
#define X(constant, word, what) NEXT_##constant,
    NEXT_MISSING(X)
#undef X
        NEXT_MISSING_COUNT
};

struct next_app {
    const struct portfolio_app *app;
    uint32_t missing; /* bits of enum next_missing */
};

struct next {
    VEC(struct next_app) list; /* by date, those without one last */
};

/* The first `most` that have not begun, or were rolled back to where they came from. */
void next_find(const struct portfolio *p, size_t most, struct next *ret);
void next_release(struct next *n);
DEFINE_CLEANUP_VALUE(struct next, next_release)
bool next_is_complete(const struct next *n);

void next_print_text(const struct portfolio *p, const struct next *n, struct buf *out);
void next_print_json(const struct portfolio *p, const struct next *n, struct buf *out);

#endif
