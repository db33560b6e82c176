/* alerts_state - which alerts have been told, so that each is told once.
 *
 * A JSON file, replaced whole; FILE.lock beside it is held from open to close, so that two runs at
 * once tell nothing twice.  What is older than ALERTS_STATE_DAYS is forgotten: its period is over.
 */
#ifndef ANALYZE_ALERTS_STATE_H
#define ANALYZE_ALERTS_STATE_H

#include "analyze/alerts.h"

#define ALERTS_STATE_DAYS      400
#define ALERTS_STATE_BYTES_MAX (64u << 20)

struct alerts_state {
    struct map told; /* key -> when, in us */
    char *path;
    int lock_fd; /* -1 = not open */
};

/* A file that is not there has told nothing; one that cannot be read is an error that says what to
 * do.  Waits for another run. */
int alerts_state_open(const char *path, struct alerts_state *ret, struct err *err);
/* Sets is_new of each alert; returns how many are. */
size_t alerts_state_mark(const struct alerts_state *s, struct alerts *a);
/* Writes down that all of them are told. */
int alerts_state_save(struct alerts_state *s, const struct alerts *a, int64_t now_us,
                      struct err *err);
void alerts_state_close(struct alerts_state *s);
DEFINE_CLEANUP_VALUE(struct alerts_state, alerts_state_close)

#endif
