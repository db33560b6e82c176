/* drive - load from a trace on a real server: an open loop on an absolute schedule.
 *
 * Every request has its moment, as it was recorded and divided by the speed; it is made then,
 * whether those before it have been answered or not, and what its user waits is counted from then.
 * Nothing that makes us late can hide: how late we were ourselves is the schedule lag, and when it
 * is too large, the result is of us and not of who was driven.
 */
#ifndef REPLAY_DRIVE_H
#define REPLAY_DRIVE_H

#include "base/http_fetch.h"
#include "base/vec.h"
#include "replay/drive_call.h"
#include "replay/drive_plan.h"
#include "replay/play.h"

#define DRIVE_UNDER_WAY_DEFAULT 4096u
#define DRIVE_LAG_US_DEFAULT    10000

struct drive_options {
    struct loop *loop;
    struct trace *trace;
    struct http_url url; /* its target is not looked at; texts must outlive the drive */
    const char *ca_path; /* NULL = the system's */
    /* Where a request goes: {path} as recorded, {rest} = that without /APP/UPSTREAM or /UPSTREAM
     * before it, {app}, {upstream}, {model}; the query follows by itself. */
    struct str target;
    struct str ask;     /* a model, asked for in place of the recorded ones; "" = those */
    struct str headers; /* "name: value" lines that every request gets, in place of its own */
    struct str key;     /* "" = none; in the header in which its API looks for it */
    unsigned speed;     /* thousandths; PLAY_SPEED_MAX: each request when the one before is made */
    const struct scenario *load; /* its load is made, from the first request on; NULL = none is */
    uint32_t under_way; /* at most; what comes while so many are, waits, and is late by that */
    const struct caller *caller;
    int64_t deadline_us; /* how long a caller waits for a try, in all; 0 = its own, between bytes */
    uint64_t seed;
    int64_t lag_us; /* more at p99, and there is no verdict */
    /* Of each call that is over; may be NULL. */
    void (*on_call)(void *ctx, const struct drive_call *call, const struct drive_result *result);
    /* Likewise, as a record, of which the strings are valid until it returns; -1 ends the drive. */
    int (*on_exchange)(void *ctx, const struct trace_request *request, const struct exchange *x,
                       struct err *err);
    void *ctx;
};

/* Of an application, or of all together. */
struct drive_sum {
    struct str app; /* "" of the whole */
    uint64_t calls, ok, streams, tries;
    uint64_t ends[DRIVE_ENDS], statuses[6];           /* by hundreds; 0 = none */
    struct sketch first_us, total_us, gap_us, lag_us; /* gaps and lag of the whole only */
    uint64_t first_good_us; /* since the beginning; of the first that went well */
};

struct drive_error_count {
    enum error_class error;
    int status;
    uint64_t count;
};

struct drive_report {
    VEC(struct drive_sum) sums;           /* the whole first, then by name */
    VEC(struct drive_error_count) errors; /* most first */
    int64_t elapsed_us;
    int64_t planned_us; /* from the first moment to the last */
    bool is_late;       /* no verdict */
    bool was_stopped;
};

void drive_report_release(struct drive_report *r);
DEFINE_CLEANUP_VALUE(struct drive_report, drive_report_release)

struct drive;
int drive_open(const struct drive_options *options, struct drive **ret, struct err *err);
/* To the last answer; -1 if it could not go on. */
int drive_run(struct drive *d, struct err *err);
/* No more are begun; from a handler of the loop's. */
void drive_stop(struct drive *d);
uint64_t drive_done(const struct drive *d);
/* After drive_run, once; strings are the trace's. */
void drive_report(struct drive *d, struct drive_report *ret);
void drive_close(struct drive *d);
DEFINE_CLEANUP(struct drive, drive_close)

/* Is text a target that drive_options takes?  ERR_USAGE names what it is not. */
int drive_target_check(struct str text, struct err *err);

#endif
