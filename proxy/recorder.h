/* recorder - a worker's journals: frames in, durability out, rotation, and what happens when the
 * disk does not take them.
 *
 *     begin ── request body* ── response head ── chunk* ── end ── (strict: durable)
 *
 * An exchange stays with the journal it began in; a journal that is full or old takes no new ones
 * and is finished, ready for seal, once its last has ended.
 *
 * Writing and waiting for the disk is done by a thread of the recorder's, so the loop does not
 * wait: a write takes its turn with the sync under way, and was measured to take milliseconds then.
 * In strict mode all exchanges that end while one sync runs share the next one.  Until a new
 * journal's file is made, its frames are held in memory.
 *
 * Pressure: the journal cannot be written or synced; or a sync takes longer than 2 s; or 64 MiB
 * wait for one.  Whatever on_pressure says, nothing new begins while 16 MiB could not be written or
 * 80 MiB wait for a write that hangs.  A failed write is tried again every 100 ms.  After a failed
 * sync nothing in that journal can be promised any more: it takes no new exchanges, those that had
 * not been promised are counted as lost, and in strict mode nobody gets the rest of their answers.
 */
#ifndef PROXY_RECORDER_H
#define PROXY_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "capture/archive.h"
#include "capture/exchange.h"
#include "proxy/log.h"
#include "proxy/proxy_conf.h"
#include "proxy/stats.h"

/* What a process' end can cost: at the latest then, frames go to the kernel, however long a sync
 * takes (strict: what was received in full is not among it).  And to the disk, once that has taken
 * what went before: so a machine's end can cost two syncs more (relaxed: anything). */
#define RECORDER_SYNC_US    UINT64_C(50000)
#define RECORDER_SYNC_BYTES (8u << 20)
/* That wait for a write: in one piece they would hold up what comes behind.  In batch mode the disk
 * begins with each at once, so that a sync, too, is done piece by piece but for its end. */
#define RECORDER_WRITE_BYTES (128u << 10)

struct recorder;
struct recorder_journal;

/* One exchange being recorded; embedded, zero-initialised is none. */
struct recording {
    struct recorder_journal *journal;
    uint64_t sequence;
    uint64_t began_us;  /* monotonic: what offsets are counted from */
    uint64_t end_bytes; /* of the journal, behind END */
    bool request_dropped, response_dropped;
    /* Strict: END is on disk (or never will be: then nobody may get the rest of the answer). */
    void (*on_durable)(void *ctx, bool durable);
    void *ctx;
    struct recording *next, **link; /* among those that wait */
};

struct recorder_options {
    struct loop *loop; /* whose on_wake the recorder takes */
    const struct archive *archive;
    const struct log_sink *log;
    struct proxy_stats *stats;
    const char *name;                /* journals are NAME-UUID */
    void (*on_unblocked)(void *ctx); /* reading may go on (recorder_is_blocked) */
    void *ctx;
};

/* Settings come from c, which recorder_configure can change at any time. */
int recorder_open(const struct recorder_options *options, const struct proxy_conf *c,
                  struct recorder **ret, struct err *err);
void recorder_configure(struct recorder *r, const struct proxy_conf *c);
/* Finishes all journals; every recording must have ended.  NULL is fine. */
void recorder_close(struct recorder *r);
DEFINE_CLEANUP(struct recorder, recorder_close)

/* True while there is pressure and on_pressure says block: nobody may be read from. */
bool recorder_is_blocked(const struct recorder *r);
/* True while new exchanges must be refused. */
bool recorder_must_refuse(const struct recorder *r);

/* BEGIN and REQUEST; x->started_us is the wall time of rec->began_us.  -1: it cannot be recorded,
 * so it must not take place. */
int recorder_begin(struct recorder *r, struct recording *rec, const struct exchange *x,
                   struct err *err);
void recorder_request_body(struct recorder *r, struct recording *rec, struct str bytes);
void recorder_response_head(struct recorder *r, struct recording *rec, const struct exchange *x);
void recorder_chunk(struct recorder *r, struct recording *rec, struct str bytes);
/* A piece of a body that was held back until now, as of at_us after the beginning. */
void recorder_held(struct recorder *r, struct recording *rec, bool is_request, struct str bytes,
                   uint64_t at_us);
/* END.  true = what is left of the answer may leave now; false = on_durable will say. */
bool recorder_end(struct recorder *r, struct recording *rec, const struct exchange *x);
/* Nobody waits for rec any more; does nothing if it does not wait. */
void recorder_forget(struct recorder *r, struct recording *rec);

#endif
