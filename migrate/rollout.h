/* rollout - the ledger of a programme: what was decided, begun, done and proved, a line each.
 *
 *     FOLDER/rollout.jsonl   one JSON object per line; its last member, `hash`, is the SHA-256 of
 *                            what stands before it, and `prev` the hash of the line before (64
 *                            zeros in the first); append-only, fsynced; weir-rollout(5)
 *     FOLDER/blobs/SHA256    bytes by content: live state before and after a step, evidence, plans
 *     FOLDER/rollout.lock    held by whoever writes; dies with the process
 *     FOLDER/rollout.reserve nothing but room, once something was moved: see rollout_free_reserve
 *
 * The folder lies beside the plan and is made for git: nothing in it is ever rewritten.  The one
 * exception is a torn last line (the machine died while it was written): the next writer puts what
 * is torn into a blob and RECOVERED in its place, both at once or not at all.  On a person's word
 * (ROLLOUT_REPAIR) likewise what follows the last good entry of a ledger that is damaged.
 *
 * A step is INTENT, APPLIED, VERIFIED, COMMITTED with one epoch; ABORTED ends one that was undone.
 * An INTENT without an end is what the next command finishes or undoes (migrate/step).
 */
#ifndef MIGRATE_ROLLOUT_H
#define MIGRATE_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define ROLLOUT_FILE           "rollout.jsonl"
#define ROLLOUT_FILE_BYTES_MAX (512u << 20)
#define ROLLOUT_LINE_BYTES_MAX (4u << 20) /* ROLLOUT_MOVES_MAX plain names of 255 bytes fit */
#define ROLLOUT_BLOB_BYTES_MAX (64u << 20)
#define ROLLOUT_MOVES_MAX      10000
#define ROLLOUT_SHA_BYTES      65 /* hex and the NUL */

/* Shares of calls that go to the gateway are in hundredths of a percent: exact, as nginx has them.
 */
#define ROLLOUT_ALL 10000

/* X(constant, word) */
#define ROLLOUT_KINDS(X)                                                                           \
    X(PLANNED, "planned")     /* a plan was taken up: blob evidence is its bytes */                \
    X(READY, "ready")         /* R1-R12 were looked at; value = needed ones that did not pass */   \
    X(PREFLIGHT, "preflight") /* recorded calls went through the gateway; value = failures */      \
    X(REHEARSED, "rehearsed") /* apply and restore were timed; value = p99 in us */                \
    X(APPROVED, "approved")   /* by actor, in the role `detail` */                                 \
    X(JUDGED, "judged")       /* a gate's verdict that led to a step or a hold */                  \
    X(HELD, "held")           /* nothing was done, and why */                                      \
    X(INTENT, "intent")                                                                            \
    X(APPLIED, "applied")                                                                          \
    X(VERIFIED, "verified") /* value = us from apply until it was seen running */                  \
    X(COMMITTED, "committed")                                                                      \
    X(ABORTED, "aborted")     /* the step was undone: live is as before the intent */              \
    X(DRIFTED, "drifted")     /* live is neither: somebody else's change */                        \
    X(ACCEPTED, "accepted")   /* a person took up what drifted as it is */                         \
    X(UNTOLD, "untold")       /* a hook failed, detail says which; value = entries it missed */    \
    X(RECOVERED, "recovered") /* blob evidence: the torn last line that was cut; value = bytes */

enum rollout_kind {
#define X(constant, word) ROLLOUT_##constant,
    ROLLOUT_KINDS(X)
#undef X
        ROLLOUT_KIND_COUNT
};

/* Why a step is made. */
enum rollout_why {
    ROLLOUT_NO_STEP,
    ROLLOUT_ADVANCE,
    ROLLOUT_ROLLBACK,
    ROLLOUT_REHEARSE,
};

struct rollout_move {
    struct str app;
    int32_t from, to; /* of ROLLOUT_ALL */
};

/* Empty strings and zeros are not written.  Strings of entries read do not end in a NUL.  Names
 * (actor, app, actuator) have at most 255 bytes and no control characters; numbers are below 2^53.
 */
struct rollout_entry {
    uint64_t seq; /* from 1 */
    int64_t at_us;
    enum rollout_kind kind;
    enum rollout_why why;
    struct str actor;    /* "ana@host", "watch@host" */
    struct str app;      /* whom it is about, if one; a step has moves */
    struct str actuator; /* of a step: its name in the plan */
    uint64_t epoch;      /* of a step; each is one more than any before */
    const struct rollout_move *moves;
    size_t move_count;
    struct str before, after; /* blobs: the live bytes of the actuator */
    struct str plan;          /* blob: the plan in force */
    struct str evidence;      /* blob: a verdict's JSON, a report */
    int64_t value;            /* see the kinds */
    struct str detail;        /* one line for people: never a secret */
    struct str hash;          /* the line's, hex: made by rollout_append */
};

struct rollout;

enum rollout_mode {
    ROLLOUT_READ,  /* takes no lock; a torn last line is passed over */
    ROLLOUT_WRITE, /* makes the folder; ERR_LIMIT with sys EWOULDBLOCK if somebody else writes */
    /* Likewise, on a person's word: a ledger that is damaged is cut before its first bad entry.
     * What is cut goes into a blob, and RECOVERED in its place, as with a torn last line. */
    ROLLOUT_REPAIR,
};

/* Reads all of it: a line that is not whole, out of order, does not fit the chain or makes no sense
 * after those before (migrate/rollout_sense) is ERR_CORRUPT with its number, and nothing is opened
 * for writing.  now_us and actor are for RECOVERED.  ROLLOUT_READ of a missing folder is empty. */
int rollout_open(const char *folder, enum rollout_mode mode, struct str actor, int64_t now_us,
                 struct rollout **ret, struct err *err);
void rollout_close(struct rollout *r);
DEFINE_CLEANUP(struct rollout, rollout_close)

size_t rollout_count(const struct rollout *r);
/* index from 0; lives as long as r, also beyond later appends. */
const struct rollout_entry *rollout_at(const struct rollout *r, size_t index);
/* The highest epoch there is, 0 if none. */
uint64_t rollout_epoch(const struct rollout *r);
/* SHA-256 of the last line, hex; 64 zeros when empty: what to keep elsewhere against truncation. */
struct str rollout_head(const struct rollout *r);

/* Writes a line, fsyncs, and only then returns; seq, hash are made, actor is rollout_open's if
 * empty, detail is made one line and cut to 4 KiB.  An entry that a reader would refuse, or that
 * names a blob that is not there, is ERR_USAGE and nothing is written; likewise ERR_LIMIT of one
 * that has no room any more.  After another error nothing more can be appended: close and open
 * again; what was written is cut off again, by this process or by the next. */
int rollout_append(struct rollout *r, const struct rollout_entry *e, struct err *err);

/* Durable when it returns; a blob that is there already is checked, and written again only if it is
 * damaged. */
int rollout_put_blob(struct rollout *r, struct str bytes, char ret_sha[static ROLLOUT_SHA_BYTES],
                     struct err *err);
/* Appends the bytes; ERR_CORRUPT if they are not what the name says. */
int rollout_get_blob(const struct rollout *r, struct str sha, struct buf *ret, struct err *err);

#define ROLLOUT_RESERVE_FILE  "rollout.reserve"
#define ROLLOUT_RESERVE_BYTES (1 << 20)
/* Makes it if there is none, and the disk has plenty.  Not to have it is no failure. */
void rollout_keep_reserve(const struct rollout *r);
/* Gives it up where less than it is left: for what must be written on a disk that is full. */
void rollout_free_reserve(const struct rollout *r);

/* What rollout_verify found. */
struct rollout_audit {
    uint64_t entries; /* that are right, before the first bad one */
    uint64_t blobs;   /* different ones, that they name and that are right */
    uint64_t bytes;   /* of ledger and blobs that were read */
    uint64_t bad;     /* number of the first bad entry: 0 = all is well */
    struct buf why;   /* a sentence that names it */
    char head[ROLLOUT_SHA_BYTES];
};
void rollout_audit_release(struct rollout_audit *a);
DEFINE_CLEANUP_VALUE(struct rollout_audit, rollout_audit_release)

/* Every line, the chain, what the entries say together, every blob that they name: 0 = all is well,
 * 1 = something is not, -1 = cannot be read.  anchor: "ENTRIES:HEAD" or "HEAD" as it was written
 * down elsewhere, "" = none: then a history that does not contain it is bad, too. */
int rollout_verify(const char *folder, struct str anchor, struct rollout_audit *ret,
                   struct err *err);

/* Clocks of two machines may differ by so much. */
#define ROLLOUT_AHEAD_US (INT64_C(60) * 1000000)
/* The first entry that is dated later than now by more than that, NULL = none.  Whoever looks at
 * what was before now sees nothing of it, and of none after it: they are not dated before it. */
const struct rollout_entry *rollout_ahead(const struct rollout *r, int64_t now_us);
/* "entry 7 (committed, by ana@ops1) is dated 2027-..., 364 days after this machine's clock". */
void rollout_add_ahead(const struct rollout_entry *e, int64_t now_us, struct buf *out);
/* The entry that says what an actuator was last made to run, COMMITTED or ACCEPTED; NULL = none. */
const struct rollout_entry *rollout_last_settled(const struct rollout *r, struct str actuator);
/* The member "moves" of a JSON object: a list, also of none. */
void rollout_add_moves(const struct rollout_entry *e, struct buf *out);
const char *rollout_kind_name(enum rollout_kind kind);
const char *rollout_why_name(enum rollout_why why);

#endif
