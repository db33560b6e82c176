/* trouble - what goes wrong at a stand-in provider, and the book that is kept of it.
 *
 *     scenario (what is to happen when) ─┐
 *     live faults (set over control) ────┴─ draw by upstream and attempt ─ fault_inject ─ counts
 *
 * The scenario's clock starts at the first attempt, or when it is told to, and can be set. Attempts
 * are numbered at each upstream, from 0, in the order their requests were complete.
 */
#ifndef REPLAY_TROUBLE_H
#define REPLAY_TROUBLE_H

#include "llm/call.h"
#include "replay/answer.h"
#include "replay/request.h"
#include "replay/scenario.h"

#define TROUBLE_UPSTREAMS_MAX 1000
#define TROUBLE_CALLS_MAX     1000000u /* whose attempts are told apart; more are only counted */
#define TROUBLE_MODELS_MAX    10000u   /* the others are counted as "other" */
#define TROUBLE_QUOTAS_MAX    100000u  /* by upstream and model; beyond, one for all others */
#define TROUBLE_TRAIL         8        /* attempts of a call that are remembered one by one */

struct trouble;

struct trouble_options {
    struct scenario *scenario; /* the trouble's from now on; NULL = none */
    uint64_t seed;
    int64_t date_us; /* time of day when the scenario begins; 0 = the real one */
    /* A line of JSON for each attempt; NULL = nobody wants to know. */
    void (*log)(void *ctx, struct str line);
    void *ctx;
};

struct trouble *trouble_new(const struct trouble_options *options);
void trouble_free(struct trouble *t);
DEFINE_CLEANUP(struct trouble, trouble_free)
/* The upstream's number; the one it has if it is there already. */
size_t trouble_add_upstream(struct trouble *t, struct str name);
struct str trouble_upstream(const struct trouble *t, size_t number);

/* --- the clock; now_us is the loop's --- */

void trouble_start(struct trouble *t, uint64_t now_us);
/* The scenario's time is at_us now, started or not. */
void trouble_set_time(struct trouble *t, uint64_t now_us, int64_t at_us);
/* -1 before it has started. */
int64_t trouble_time_us(const struct trouble *t, uint64_t now_us);
/* Whether an upstream takes no connections now, and when that may change: the loop's time, or
 * UINT64_MAX. */
bool trouble_refuses(const struct trouble *t, size_t upstream, uint64_t now_us);
uint64_t trouble_next_edge_us(const struct trouble *t, uint64_t now_us);
/* Whether handshakes with it fail now; before the clock has started, at its beginning. */
bool trouble_fails_tls(const struct trouble *t, size_t upstream, uint64_t now_us);
/* One has: an attempt of which nothing else is known. */
void trouble_strike_handshake(struct trouble *t, size_t upstream, uint64_t now_us);
/* Its port has been shut: attempts there are not seen while it is. */
void trouble_note_shut(struct trouble *t, size_t upstream);

/* --- faults set over control, ahead of the scenario's; their times count from now on --- */

/* In place of those that were set before. */
int trouble_set(struct trouble *t, struct str yaml, uint64_t now_us, struct err *err);
/* What they struck is over then, as at the end of a window. */
void trouble_clear(struct trouble *t, uint64_t now_us);

/* --- attempts --- */

struct trouble_attempt {
    size_t upstream;
    struct str app; /* as the request says, "" = not known */
    const struct call_facts *facts;
    const struct request *request;
    uint64_t now_us, wall_us;
    unsigned speed; /* of what is played */
};

/* What becomes of its answer; takes the reference and gives one.  Counts. */
struct answer *trouble_strike(struct trouble *t, const struct trouble_attempt *attempt,
                              struct answer *a);

/* --- the book, as JSON --- */

/* Attempts by upstream, model, status and fault. */
void trouble_tell_stats(const struct trouble *t, uint64_t now_us, struct buf *out);
/* How many attempts calls took; with the list of calls if all. */
void trouble_tell_calls(const struct trouble *t, bool all, struct buf *out);
/* The faults there are, and how often each has struck. */
void trouble_tell_faults(const struct trouble *t, uint64_t now_us, struct buf *out);
/* Counts begin again, quotas are full, attempts are numbered from 0; the clock goes on. */
void trouble_reset(struct trouble *t);

#endif
