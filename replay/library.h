/* library - recorded exchanges to answer from: which of them fits a request.
 *
 * An index of the archives' exchanges is held in memory, about 300 bytes each and their answers'
 * heads, of which equal ones are held once; bodies stay in the segments and are read when they are
 * asked for, of which LIBRARY_CACHE_BYTES are kept.
 *
 * A request is answered by the exchange with the same request (replay/request.h), whatever its
 * status.  If there is none, by one that answered well (2xx, to its end) of the same API, model and
 * streamed or not, with the body nearest in size.  Where several fit, they take turns in the order
 * they were recorded in.
 */
#ifndef REPLAY_LIBRARY_H
#define REPLAY_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "capture/archive.h"
#include "llm/call.h"
#include "replay/answer.h"
#include "replay/request.h"

#define LIBRARY_CACHE_BYTES (64u << 20)

struct library;

struct library_stats {
    uint64_t exchanges;
    uint64_t without_answer;   /* no status, or the answer's body is not there: not played */
    uint64_t segments_missing; /* of pruned exchanges */
};

enum library_match {
    LIBRARY_SAME,  /* by digest */
    LIBRARY_ALIKE, /* by API, model and size */
    LIBRARY_NONE,
};

struct library *library_new(void);
void library_free(struct library *lib);
DEFINE_CLEANUP(struct library, library_free)
/* Indexes every sealed exchange of a, which may be closed after that; all archives before the first
 * request. */
int library_add(struct library *lib, const struct archive *a, struct err *err);
void library_stats(const struct library *lib, struct library_stats *ret);
/* The answer of one exchange, whose turn does not pass by that: a reference; NULL = it has none. */
int library_get(struct library *lib, struct uuid id, struct answer **ret, struct err *err);
/* facts are those of the request alone.  *ret is a reference, unless the match is NONE. */
int library_find(struct library *lib, const struct request *r, const struct call_facts *facts,
                 enum library_match *ret_match, struct answer **ret, struct err *err);

#endif
